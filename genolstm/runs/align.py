"""Aligning what lies in files: every query with every reference, a list of pairs, or in order."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from Bio.Seq import Seq
from Bio.SeqRecord import SeqRecord

from genolstm.alignment.formats.pairs import PairRecord, aligned_pairs, read_pairs
from genolstm.alignment.formats.pairwise import FORMATS, TableWriter
from genolstm.alignment.result import PosteriorAlignment, rank_references
from genolstm.alignment.scorer import AlignmentScorer
from genolstm.errors import InputError, OutputError, SettingError
from genolstm.files import PathLike, atomic_text, check_outputs, display_name
from genolstm.sequences.fasta import read_records
from genolstm.sequences.masks import Masks, complement_masks, encode_masks

Pairs = npt.NDArray[np.int32]


@dataclass(frozen=True)
class AlignmentSummary:
    """What a run did.

    Attributes
    ----------
    pairs
        Pairs of sequences aligned.
    unaligned
        Those of them in which no residue is aligned to another.
    """

    pairs: int
    unaligned: int


def align_files(
    query: PathLike,
    reference: PathLike,
    output: PathLike = "-",
    *,
    scorer: AlignmentScorer,
    form: str = "paf",
    pairs: PathLike | None = None,
    one_to_one: bool = False,
    posteriors: PathLike | None = None,
    threads: int = 0,
    force: bool = False,
    command: str = "",
    progress: Callable[[int], None] | None = None,
    **settings: Any,
) -> AlignmentSummary:
    """Align the sequences of two files and write the alignments.

    Parameters
    ----------
    query, reference
        FASTA or FASTQ, compressed or not; one of them may be ``-``.
    output
        Where to; ``-`` is standard output.
    form
        A name in :data:`genolstm.alignment.formats.pairwise.FORMATS`.
    pairs
        List of the pairs to align (:func:`genolstm.alignment.formats.pairs.read_pairs`).
    one_to_one
        Align the first query with the first reference, and so on.
    posteriors
        A second output: the table of all columns.
    progress
        Called with the number of pairs done.
    **settings
        Fields of :class:`genolstm.alignment.scorer.AlignmentSettings`.

    Raises
    ------
    GenolstmError
        An input is wrong, a pair does not exist, or an output is in the way; nothing is written.
    """
    if form not in FORMATS:
        raise SettingError(f"format is {form!r}, it has to be one of {', '.join(FORMATS)}")
    if pairs is not None and one_to_one:
        raise SettingError("a list of pairs and one-to-one order exclude each other")
    inputs = [query, reference, *([] if pairs is None else [pairs])]
    check_one_stdin(inputs)
    check_outputs([output, posteriors], force=force)
    check_apart(inputs, [output, posteriors])

    references = list(records(reference))
    header = [(str(r.id), len(r)) for r in references]
    plan: Iterator[tuple[SeqRecord, SeqRecord]]
    group = 1
    lengths, counts = np.unique([size for _, size in header], return_counts=True)
    if pairs is not None:
        plan = iter(listed(query, reference, references, pairs))
    elif one_to_one:
        plan = iter(in_order(query, reference, references))
    else:
        group = len(references)
        plan = ((q, r) for q in records(query) for r in references)

    chosen = replace(scorer.settings, **settings)
    done = unaligned = 0
    with contextlib.ExitStack() as stack:
        # The first pair is asked for before an output is opened: bad input leaves no trace.
        results = scorer.align_many(plan, threads=threads, **settings)
        first = next(results, None)
        stream = stack.enter_context(atomic_text(output, force=force))
        writers = [FORMATS[form](stream, header, command)]
        if posteriors is not None:
            table = stack.enter_context(atomic_text(posteriors, force=force))
            writers.append(TableWriter(table))
        waiting: list[PosteriorAlignment] = []
        for alignment in _chain(first, results):
            waiting.append(alignment)
            if len(waiting) < group:
                continue
            rank_references(waiting)
            if group > 1:
                for a in waiting:
                    scorer.judge(a, lengths, chosen, counts)
            for a in waiting:
                for writer in writers:
                    writer.write(a)
                done += 1
                unaligned += a.is_empty
            waiting.clear()
            if progress is not None:
                progress(done)
        for writer in writers:
            writer.end()
    return AlignmentSummary(done, unaligned)


def _chain(first: PosteriorAlignment | None, rest: Iterator[PosteriorAlignment]) -> Iterator[PosteriorAlignment]:
    if first is not None:
        yield first
    yield from rest


def records(path: PathLike) -> Iterator[SeqRecord]:
    """Read unaligned sequences; gap signs are refused."""
    for record in read_records(path):
        for sign in (b"-", b"."):
            if sign in record.sequence:
                raise InputError(
                    f"holds gap signs ({sign.decode()!r}), an unaligned sequence is needed",
                    path=display_name(path),
                    line=record.line,
                    record=record.name,
                )
        yield SeqRecord(Seq(record.sequence), id=record.name, description="")


def listed(
    query: PathLike, reference: PathLike, references: list[SeqRecord], pairs: PathLike
) -> list[tuple[SeqRecord, SeqRecord]]:
    """Return the pairs that a list names, in its order."""
    return _look_up(query, reference, references, read_pairs(pairs), pairs)


def true_alignments(
    query: PathLike, reference: PathLike, lines: Sequence[PairRecord], truth: PathLike
) -> Iterator[tuple[PairRecord, tuple[SeqRecord, SeqRecord], tuple[Masks, Masks], Pairs]]:
    """Yield each line of a truth with its sequences: as read, as aligned, and the aligned residues.

    Parameters
    ----------
    lines
        Of the file ``truth``.

    Raises
    ------
    InputError
        A sequence is not there, or the truth does not spell it.
    """
    plan = _look_up(query, reference, list(records(reference)), lines, truth)
    for line, (a, b) in zip(lines, plan, strict=True):
        first, second = encode_masks(str(a.seq), record=a.id), encode_masks(str(b.seq), record=b.id)
        if line.strand == "-":
            first = complement_masks(first)
        yield line, (a, b), (first, second), aligned_pairs(line, first, second, path=truth)


def _look_up(
    query: PathLike, reference: PathLike, references: list[SeqRecord], lines: Iterable[PairRecord], pairs: PathLike
) -> list[tuple[SeqRecord, SeqRecord]]:
    by_reference = {r.id: r for r in references}
    by_query: dict[str, SeqRecord] = {}
    for record in records(query):
        if record.id in by_query:
            raise InputError(
                "the name occurs twice, a list of pairs cannot tell which is meant",
                path=display_name(query),
                record=record.id,
            )
        by_query[record.id] = record
    found = []
    for pair in lines:
        for name, known, path in ((pair.query, by_query, query), (pair.reference, by_reference, reference)):
            if name not in known:
                raise InputError(
                    f"{display_name(path)} has no sequence of this name",
                    path=display_name(pairs),
                    line=pair.line,
                    record=name,
                )
        found.append((by_query[pair.query], by_reference[pair.reference]))
    return found


def in_order(
    query: PathLike, reference: PathLike, references: list[SeqRecord]
) -> Iterator[tuple[SeqRecord, SeqRecord]]:
    """Pair the first query with the first reference, and so on."""
    queries = list(records(query))
    if len(queries) != len(references):
        raise InputError(
            f"{display_name(query)} has {len(queries)} sequences, {display_name(reference)} {len(references)}",
            hint="one to one needs as many of either",
        )
    return zip(queries, references, strict=True)


def check_one_stdin(inputs: Iterable[PathLike]) -> None:
    """Refuse standard input for more than one of the inputs."""
    if [os.fspath(x) for x in inputs].count("-") > 1:
        raise InputError("standard input can be only one of the inputs")


def check_apart(inputs: list[PathLike], outputs: list[PathLike | None]) -> None:
    """Refuse an output that is an input, too."""
    resolved = {Path(x).resolve() for x in inputs if os.fspath(x) != "-"}
    for output in outputs:
        if output is not None and os.fspath(output) != "-" and Path(output).resolve() in resolved:
            raise OutputError("is an input, too", path=output, hint="write elsewhere")
