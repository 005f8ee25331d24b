"""``align search``: searches the sequences of one file for relatives of those in another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from genolstm.alignment.formats.pairwise import FORMATS
from genolstm.alignment.scorer import AlignmentScorer
from genolstm.alignment.search.searcher import BATCH, Searcher
from genolstm.alignment.settings import SearchSettings
from genolstm.files import PathLike, atomic_text
from genolstm.runs.inputs import batches, check_format, check_paths, records, started


@dataclass(frozen=True)
class SearchSummary:
    """What a search did.

    Attributes
    ----------
    queries, found, hits
        Number of queries read, of queries with a hit, and of hits written.
    masked
        Number of queries found, part of which counted for nothing in E-values.
    hidden
        Number of queries without a hit that are like a reference in such parts alone.
    """

    queries: int
    found: int
    hits: int
    masked: int
    hidden: int


def run(
    query: PathLike,
    reference: PathLike,
    output: PathLike = "-",
    *,
    model: PathLike = "dna",
    classical: bool = False,
    settings: SearchSettings | None = None,
    form: str = "paf",
    threads: int = 0,
    force: bool = False,
    command: str = "",
    progress: Callable[[int], None] | None = None,
    **alignment: Any,
) -> SearchSummary:
    """Search the references for relatives of the queries and write the hits.

    Parameters
    ----------
    query, reference
        FASTA or FASTQ, compressed or not; one of them may be ``-`` for standard input.
    output
        File to write; ``-`` is standard output.
    model, classical
        The aligner, as :meth:`~genolstm.alignment.scorer.AlignmentScorer.load` takes them.
    settings
        What to look for.
    form
        Format of the output, a key of :data:`genolstm.alignment.formats.pairwise.FORMATS`.
    threads
        Threads to use; 0 means all cores.
    command
        Command line, for formats that record it.
    progress
        Called with the number of queries done.
    **alignment
        Fields of :class:`~genolstm.alignment.settings.AlignmentSettings`, as
        :class:`~genolstm.alignment.search.searcher.Searcher` takes them.

    Raises
    ------
    GenolstmError
        An input is wrong, or an output is in the way; nothing is written.
    """
    check_format(form, FORMATS)
    check_paths([query, reference], [output], model=model, force=force)
    scorer = AlignmentScorer.load(model, classical=classical)
    references = list(records(reference))
    searcher = Searcher(
        references, scorer=scorer, settings=settings, threads=threads, significance=scorer.significance, **alignment
    )
    queries = found = hits = masked = 0
    results = started(searcher.stream(batches(records(query), BATCH)))
    with atomic_text(output, force=force) as stream:
        writer = FORMATS[form](stream, [(str(r.id), len(r)) for r in references], command)
        for batch, answers in results:
            for record, own in zip(batch, answers, strict=True):
                if own:
                    writer.query(own)
                else:
                    writer.missed(record)
                found += bool(own)
                hits += len(own)
                masked += any(hit.evidence is not None for hit in own)
            queries += len(batch)
            if progress is not None:
                progress(queries)
        writer.end()
    return SearchSummary(queries, found, hits, masked, len(searcher.hidden))
