"""``align score``: aligns every query with every reference, the pairs of a list, or pairs in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, repeat
from typing import Any

from Bio.SeqRecord import SeqRecord

from genolstm.alignment.formats.pairwise import FORMATS, TableWriter, Writer
from genolstm.alignment.result import PosteriorAlignment, rank_references
from genolstm.alignment.scorer import AlignmentScorer
from genolstm.alignment.settings import AlignmentSettings
from genolstm.alignment.significance import gc_content, pool
from genolstm.errors import SettingError
from genolstm.files import Outputs, PathLike
from genolstm.runs.inputs import by_query, check_format, check_paths, cut, in_order, listed, records, started


@dataclass(frozen=True)
class AlignmentSummary:
    """What a run did.

    Attributes
    ----------
    pairs
        Number of pairs of sequences aligned.
    unaligned
        Number of those pairs without a single aligned residue.
    masked
        Number of those pairs, part of whose query counted for nothing in E-value and P(homolog).
    """

    pairs: int
    unaligned: int
    masked: int


def run(
    query: PathLike,
    reference: PathLike,
    output: PathLike = "-",
    *,
    model: PathLike = "dna",
    classical: bool = False,
    form: str = "paf",
    posteriors: PathLike | None = None,
    pairs: PathLike | None = None,
    one_to_one: bool = False,
    threads: int = 0,
    force: bool = False,
    command: str = "",
    progress: Callable[[int], None] | None = None,
    **alignment: Any,
) -> AlignmentSummary:
    """Align the sequences of two files and write the alignments.

    Parameters
    ----------
    query, reference
        FASTA or FASTQ, compressed or not; one of them may be ``-`` for standard input.
    output
        File to write; ``-`` is standard output.
    model, classical
        The aligner, as :meth:`~genolstm.alignment.scorer.AlignmentScorer.load` takes them.
    form
        Format of the output, a key of :data:`genolstm.alignment.formats.pairwise.FORMATS`.
    posteriors
        Second output: a table of all columns.
    pairs
        List of the pairs to align (:func:`genolstm.alignment.formats.pairs.read_pairs`).
    one_to_one
        Align the first query with the first reference, and so on.
    threads
        Threads to use; 0 means all cores.
    command
        Command line, for formats that record it.
    progress
        Called with the number of pairs done.
    **alignment
        Fields of :class:`~genolstm.alignment.settings.AlignmentSettings` that differ from the
        model's.

    Raises
    ------
    GenolstmError
        An input is wrong, a pair does not exist, or an output is in the way; nothing is written.
    """
    check_format(form, FORMATS)
    if pairs is not None and one_to_one:
        raise SettingError("give either a list of pairs or one-to-one order, not both")
    check_paths([query, reference, *([] if pairs is None else [pairs])], [output, posteriors], model=model, force=force)
    scorer = AlignmentScorer.load(model, classical=classical)
    chosen = replace(scorer.settings, **alignment)

    references = list(records(reference))
    header = [(str(r.id), len(r)) for r in references]
    plan: Iterable[tuple[SeqRecord, SeqRecord]]
    sizes: Iterable[int]  # how many references each query is compared with
    if pairs is not None:
        found = by_query(listed(query, reference, references, pairs))
        plan, sizes = chain.from_iterable(found), map(len, found)
    elif one_to_one:
        plan, sizes = in_order(query, reference, references), repeat(1)
    else:
        plan, sizes = ((q, r) for q in records(query) for r in references), repeat(len(references))
    aligned = scorer.align_many(plan, threads=threads, **alignment)
    results = started(_judged(cut(aligned, sizes), scorer, chosen))
    with Outputs(force=force) as outputs:
        writers: list[Writer] = [] if posteriors is None else [TableWriter(outputs.text(posteriors))]
        # The last to be renamed: if the alignments exist, everything does.
        writers.append(FORMATS[form](outputs.text(output), header, command))
        return _write(results, writers, progress)


def _judged(
    groups: Iterable[list[PosteriorAlignment]], scorer: AlignmentScorer, settings: AlignmentSettings
) -> Iterator[list[PosteriorAlignment]]:
    """Rank each query's references, and judge its scores by all references it was compared with."""
    for own in groups:
        rank_references(own)
        if len(own) > 1:
            lengths, shares, counts = pool([a.n_reference for a in own], [gc_content(a.masks[1]) for a in own])
            for a in own:
                scorer.judge(a, lengths, settings, counts, shares)
        yield own


def _write(
    results: Iterable[list[PosteriorAlignment]], writers: Sequence[Writer], progress: Callable[[int], None] | None
) -> AlignmentSummary:
    done = unaligned = masked = 0
    for own in results:
        for writer in writers:
            writer.query(own)
        unaligned += sum(a.is_empty for a in own)
        masked += sum(a.evidence is not None for a in own)
        done += len(own)
        if progress is not None:
            progress(done)
    for writer in writers:
        writer.end()
    return AlignmentSummary(done, unaligned, masked)
