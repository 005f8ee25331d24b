"""From FASTA and FASTQ files to a k-mer panel."""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from genolstm.errors import InputError, SettingError
from genolstm.files import PathLike, display_name, sha256
from genolstm.sequences.alphabet import Codes
from genolstm.sequences.fasta import Record, parse_haplotype_name, read_codes
from genolstm.sequences.panel.builder import PanelBuilder
from genolstm.sequences.panel.panel import KmerPanel


def build_panel(
    paths: Sequence[PathLike],
    *,
    k: int = 31,
    haplotypes: str = "record",
    min_count: int = 1,
    skip_short: bool = False,
    threads: int = 0,
    progress: Callable[[int], None] | None = None,
) -> KmerPanel:
    """Build a panel from FASTA or FASTQ files.

    Parameters
    ----------
    paths
        The files; ``-`` is standard input.
    k
        Length of the k-mers, 1 to 31.
    haplotypes
        ``"record"``: every record is a haplotype. Adjacent records whose names give the same
        sample and haplotype (see :func:`~genolstm.sequences.fasta.parse_haplotype_name`) are
        contigs of one. ``"file"``: every file is a haplotype, or an individual, of many contigs.
    min_count
        More than 1 says that the files hold raw reads: k-mers that occur less often are dropped as
        sequencing errors. With ``"record"`` all files together are one individual, with ``"file"``
        each is one; k-mers are counted once per individual.
    skip_short
        Pass over records shorter than k instead of refusing them. Always so for reads.
    threads
        1 reads and counts in turn; otherwise a second thread reads ahead.
    progress
        Called with the number of bases after every record.

    Raises
    ------
    InputError
        A file is not what it should be, or a record is shorter than k.
    PanelError
        No k-mer is left.
    SettingError
        A setting makes no sense.
    """
    if haplotypes not in ("record", "file"):
        raise SettingError(f"haplotypes are one a 'record' or one a 'file', not {haplotypes!r}")
    if min_count < 1:
        raise SettingError(f"min_count must be at least 1, not {min_count}")
    if not paths:
        raise SettingError("no file is given to build a panel of")
    reads = min_count > 1
    builder = PanelBuilder(k, occurrences=reads and haplotypes == "record")
    names: list[str] = []

    def sequences(path: PathLike) -> Iterator[tuple[Record, Codes]]:
        stream = _usable(path, k, skip=skip_short or reads, reads=reads or haplotypes == "file")
        for record, codes in stream if threads == 1 else _ahead(stream):
            yield record, codes
            if progress is not None:
                progress(codes.size)

    def contigs(path: PathLike) -> Iterator[Codes]:
        return (codes for _, codes in sequences(path))

    if reads and haplotypes == "record":
        builder.add_haplotype(codes for path in paths for codes in contigs(path))
        names.append(_stem(paths[0]))
    elif haplotypes == "file":
        names += map(_stem, paths)
        for path in paths:
            if reads:
                counter = PanelBuilder(k, occurrences=True)
                counter.add_haplotype(contigs(path))
                builder.add_haplotype(counter.strings(min_count))
            else:
                builder.add_haplotype(contigs(path))
    else:
        for path in paths:
            names += _add_records(builder, sequences(path), path, set(names))
    return builder.finish(
        names=names, min_count=min_count, provenance=_account(paths, k=k, haplotypes=haplotypes, min_count=min_count)
    )


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
                    "the same haplotype comes twice, with others between",
                    path=display_name(path),
                    line=record.line,
                    record=record.name,
                    hint="put its contigs next to each other, or each haplotype into a file of "
                    "its own and use --haplotypes file",
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
                hint="--skip-short passes over such records",
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


def _stem(path: PathLike) -> str:
    """Return a file's name without the endings that name formats."""
    name = Path(display_name(path)).name
    return re.sub(r"(\.(fa|fasta|fna|fas|fq|fastq))?(\.(gz|bz2|xz|zst))?$", "", name) or name


def _account(paths: Sequence[PathLike], **settings: Any) -> dict[str, Any]:
    """Say what the panel is made of, without a time, so that the same input is the same file."""
    from importlib.metadata import version

    return {
        "genolstm": version("genolstm"),
        "settings": settings,
        "inputs": [{"file": Path(path).name, "sha256": sha256(path)} for path in paths if os.fspath(path) != "-"],
    }
