"""From FASTA and FASTQ files to a k-mer panel."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from genolstm.errors import InputError, SettingError
from genolstm.files import PathLike, check_inputs, display_name
from genolstm.provenance import describe_input
from genolstm.sequences.alphabet import Codes
from genolstm.sequences.fasta import Record, file_stem, parse_haplotype_name, read_codes
from genolstm.sequences.panel.builder import PanelBuilder
from genolstm.sequences.panel.panel import KmerPanel
from genolstm.sequences.panel.settings import PANEL, PanelSettings


def build_panel(
    paths: Sequence[PathLike],
    settings: PanelSettings = PANEL,
    *,
    threads: int = 0,
    progress: Callable[[int], None] | None = None,
) -> KmerPanel:
    """Build a panel from FASTA or FASTQ files.

    Parameters
    ----------
    paths
        Files to read; ``-`` is standard input.
    settings
        What to count. Adjacent records are contigs of one haplotype if their names give the same
        sample and haplotype (see
        :func:`~genolstm.sequences.fasta.parse_haplotype_name`).
    threads
        1: read and count in turn; otherwise a second thread reads ahead.
    progress
        Called with the number of bases read so far, after every record.

    Raises
    ------
    InputError
        A file is not valid FASTA or FASTQ, or a record is shorter than k.
    PanelError
        No k-mer is left.
    SettingError
        No file is given.
    """
    if not paths:
        raise SettingError("no file is given to build a panel from")
    check_inputs(paths)
    k, by_file, reads = settings.k, settings.haplotypes == "file", settings.min_count > 1
    builder = PanelBuilder(k, occurrences=reads and not by_file)
    names: list[str] = []
    done = 0

    def sequences(path: PathLike) -> Iterator[tuple[Record, Codes]]:
        nonlocal done
        stream = _usable(path, k, skip=settings.skip_short or reads, reads=reads or by_file)
        for record, codes in stream if threads == 1 else _ahead(stream):
            yield record, codes
            done += codes.size
            if progress is not None:
                progress(done)

    def contigs(path: PathLike) -> Iterator[Codes]:
        return (codes for _, codes in sequences(path))

    if by_file:
        names += map(file_stem, paths)
        for path in paths:
            builder.add_haplotype(_kept_strings(contigs(path), settings) if reads else contigs(path))
    elif reads:
        builder.add_haplotype(codes for path in paths for codes in contigs(path))
        names.append(file_stem(paths[0]))
    else:
        for path in paths:
            names += _add_records(builder, sequences(path), path, set(names))
    account = _account(paths, k=k, haplotypes=settings.haplotypes, min_count=settings.min_count)
    return builder.finish(names=names, min_count=settings.min_count, provenance=account)


def _kept_strings(reads: Iterator[Codes], settings: PanelSettings) -> Iterator[Codes]:
    """Return the k-mers that occur often enough in the reads of one individual, as strings."""
    counter = PanelBuilder(settings.k, occurrences=True)
    counter.add_haplotype(reads)
    return counter.strings(settings.min_count)


def _add_records(
    builder: PanelBuilder, records: Iterator[tuple[Record, Codes]], path: PathLike, known: set[str]
) -> list[str]:
    """Add every record, or adjacent records of one haplotype, as a haplotype; return the names."""
    names: list[str] = []
    contigs: list[Codes] = []
    for record, codes in records:
        parsed = parse_haplotype_name(record.name)
        name = record.name if parsed is None else f"{parsed.sample}#{parsed.haplotype}"
        if not names or name != names[-1]:
            if name in known:
                raise InputError(
                    "the same haplotype occurs twice, with others in between",
                    path=display_name(path),
                    line=record.line,
                    record=record.name,
                    hint="put its contigs next to each other, or each haplotype into its own file "
                    "and use --haplotypes file",
                )
            if contigs:
                builder.add_haplotype(contigs)
                contigs = []
            names.append(name)
            known.add(name)
        contigs.append(codes)
    if contigs:
        builder.add_haplotype(contigs)
    return names


def _usable(path: PathLike, k: int, *, skip: bool, reads: bool) -> Iterator[tuple[Record, Codes]]:
    """Yield records of at least k bases with their codes."""
    some = False
    for record, codes in read_codes(path):
        if record.is_read and not reads:
            raise InputError(
                "these are reads (FASTQ), not haplotypes",
                path=display_name(path),
                line=record.line,
                hint="give --min-count, or --haplotypes file",
            )
        some = some or len(record) >= k
        if len(record) >= k:
            yield record, codes
        elif not (skip or record.is_read):
            raise InputError(
                f"has {len(record)} bases, fewer than k = {k}",
                path=display_name(path),
                line=record.line,
                record=record.name,
                hint="use --skip-short to skip such records",
            )
    if not some:
        raise InputError(f"every record is shorter than k = {k}", path=display_name(path))


def _ahead(stream: Iterator[tuple[Record, Codes]]) -> Iterator[tuple[Record, Codes]]:
    """Read the next records in a second thread while this one counts."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        waiting = deque([pool.submit(next, stream, None)])
        try:
            while (item := waiting.popleft().result()) is not None:
                waiting.append(pool.submit(next, stream, None))
                yield item
        finally:
            for future in waiting:
                future.cancel()


def _account(paths: Sequence[PathLike], **settings: Any) -> dict[str, Any]:
    """Describe how the panel was made, without a time stamp: the same input gives the same file."""
    from importlib.metadata import version

    return {"genolstm": version("genolstm"), "settings": settings, "inputs": [describe_input(path) for path in paths]}
