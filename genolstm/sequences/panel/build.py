"""From FASTA and FASTQ files to a k-mer panel."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np

from genolstm.errors import InputError, SettingError
from genolstm.files import PathLike, check_inputs, display_name
from genolstm.provenance import describe_input
from genolstm.sequences.alphabet import Codes
from genolstm.sequences.fasta import Block, file_stem, parse_haplotype_name, read_code_blocks
from genolstm.sequences.panel.builder import PanelBuilder
from genolstm.sequences.panel.panel import KmerPanel
from genolstm.sequences.panel.settings import LEAST_MEMORY, MEMORY, PANEL, PanelSettings
from genolstm.threads import count_threads

# What the program takes without any k-mer: the interpreter, its libraries, and blocks of the input.
_PROGRAM = 220 << 20
# Bases that the reading thread hands over together.
_AHEAD = 1 << 20
# Haplotypes of one region do not differ in length by more than this factor.
_UNEQUAL = 2
_CONTIG = re.compile(
    r"(chr|chromosome|scaffold|scf|contig|ctg|tig|utg|unitig|ptg|super|hic_scaffold|h[12]tg|n[ctwz]_|cm\d{6}|cp\d{6}).*"
    r"|[a-z]{4}\d{8,}.*|x|y|mt?",
    re.IGNORECASE,
)


def build_panel(
    paths: Sequence[PathLike],
    settings: PanelSettings = PANEL,
    *,
    threads: int = 0,
    memory: int = MEMORY,
    folder: PathLike | None = None,
    progress: Callable[[int], None] | None = None,
    warn: Callable[[str], None] | None = None,
) -> KmerPanel:
    """Build a panel from FASTA or FASTQ files, each of which is read once.

    The panel is the same, byte for byte, whatever the memory and the number of threads.

    Parameters
    ----------
    paths
        Files or pipes to read; ``-`` is standard input.
    settings
        What to count. Adjacent records are contigs of one haplotype if their names give the same
        sample and haplotype (see
        :func:`~genolstm.sequences.fasta.parse_haplotype_name`).
    threads
        1: read and count in turn; otherwise a second thread reads ahead, and k-mers that do not fit
        in memory are counted by several threads. 0 means all cores.
    memory
        Bytes of memory that the whole program may use. k-mers that do not fit are counted in
        shards, which lie in temporary files (about 1.5 bytes per base of the input).
    folder
        Where the temporary files go, which have no names and vanish with the program; None is the
        system's folder for such files.
    progress
        Called with the number of bases read so far.
    warn
        Called with a sentence about what looks wrong, but may be meant.

    Raises
    ------
    InputError
        A file is not valid FASTA or FASTQ, or a record is shorter than k.
    OutputError
        The temporary files cannot be written.
    PanelError
        No k-mer is left.
    SettingError
        No file is given, or the memory is too small for any panel.
    """
    if not paths:
        raise SettingError("no file is given to build a panel from")
    check_inputs(paths)
    if memory < LEAST_MEMORY:
        raise SettingError(f"memory is {memory} bytes, at least {LEAST_MEMORY} are needed")
    source = _Source(settings, ahead=threads != 1, progress=progress)
    k, by_file, reads = settings.k, settings.haplotypes == "file", settings.min_count > 1
    room = memory - _PROGRAM
    if by_file and reads:
        room //= 2  # the reads of one individual are counted beside the panel
    limits: dict[str, Any] = {"memory": room, "threads": count_threads(threads), "folder": folder}
    builder = PanelBuilder(k, occurrences=reads and not by_file, **limits)
    names: list[str] = []
    if by_file:
        for path in paths:
            names.append(file_stem(path))
            if not reads:
                builder.add_blocks(_contigs(source.pieces(path)))
                continue
            counter = PanelBuilder(k, occurrences=True, **limits)
            counter.add_blocks(_contigs(source.pieces(path)))
            builder.add_haplotype(counter.strings(settings.min_count))
            builder.bases[-1], builder.unknown[-1] = counter.bases[0], counter.unknown[0]
    elif reads:
        names.append(file_stem(paths[0]))
        builder.add_blocks(contig for path in paths for contig in _contigs(source.pieces(path)))
    else:
        for path in paths:
            unnamed: dict[str, int] = {}
            pieces = _named(source.pieces(path), path, set(names), unnamed)
            for name, of_one in groupby(pieces, key=lambda pair: pair[0]):
                names.append(name)
                builder.add_blocks(_contigs(piece for _, piece in of_one))
            doubt = _doubt(unnamed)
            if doubt is not None and warn is not None:
                warn(f"{display_name(path)}: {doubt}")
    account = _account(paths, k=k, haplotypes=settings.haplotypes, min_count=settings.min_count)
    return builder.finish(names=names, min_count=settings.min_count, provenance=account)


class _Piece(NamedTuple):
    """A stretch of a record, which has at least k bases if it is the record's first."""

    number: int
    block: Block
    codes: Codes


class _Source:
    """Reads what can be used of the input, record by record and stretch by stretch."""

    def __init__(self, settings: PanelSettings, *, ahead: bool, progress: Callable[[int], None] | None) -> None:
        self.k, self.ahead, self.progress = settings.k, ahead, progress
        self.reads = settings.min_count > 1 or settings.haplotypes == "file"
        self.skip = settings.skip_short or settings.min_count > 1
        self.done = self.records = 0

    def pieces(self, path: PathLike) -> Iterator[_Piece]:
        """Yield the stretches of a file's records of at least k bases."""
        blocks = read_code_blocks(path)
        some = False
        # The beginning of a record, until it is known to be long enough.
        held: list[Codes] | None = None
        for block, codes in _ahead(blocks) if self.ahead else blocks:
            if block.is_read and not self.reads:
                raise InputError(
                    "these are reads (FASTQ), not haplotypes",
                    path=display_name(path),
                    line=block.line,
                    hint="give --min-count, or --haplotypes file",
                )
            if block.first:
                held = []
                self.records += 1
            if held is None:
                yield _Piece(self.records, block, codes)
            else:
                held.append(codes)
                size = sum(part.size for part in held)
                if size >= self.k:
                    some = True
                    yield _Piece(self.records, block, np.concatenate(held) if len(held) > 1 else codes)
                    held = None
                elif block.last and not (self.skip or block.is_read):
                    raise InputError(
                        f"has {size} bases, fewer than k = {self.k}",
                        path=display_name(path),
                        line=block.line,
                        record=block.name,
                        hint="use --skip-short to skip such records",
                    )
            self.done += codes.size
            if self.progress is not None:
                self.progress(self.done)
        if not some:
            raise InputError(f"every record is shorter than k = {self.k}", path=display_name(path))


def _contigs(pieces: Iterator[_Piece]) -> Iterator[Iterator[Codes]]:
    """Yield the stretches of one record after another."""
    for _, of_one in groupby(pieces, key=lambda piece: piece.number):
        yield (piece.codes for piece in of_one)


def _named(
    pieces: Iterator[_Piece], path: PathLike, known: set[str], unnamed: dict[str, int]
) -> Iterator[tuple[str, _Piece]]:
    """Yield each stretch with the name of its haplotype; note lengths of records whose name tells no haplotype."""
    number, name = -1, ""
    for piece in pieces:
        block = piece.block
        if piece.number != number:
            number = piece.number
            parsed = parse_haplotype_name(block.name)
            new = block.name if parsed is None else f"{parsed.sample}#{parsed.haplotype}"
            if new != name and new in known:
                raise InputError(
                    "the same haplotype occurs twice, with others in between",
                    path=display_name(path),
                    line=block.line,
                    record=block.name,
                    hint="put its contigs next to each other, or each haplotype into its own file "
                    "and use --haplotypes file",
                )
            name = new
            known.add(name)
            if parsed is None:
                unnamed[block.name] = 0
        if block.name in unnamed:
            unnamed[block.name] += piece.codes.size
        yield name, piece


def _doubt(lengths: dict[str, int]) -> str | None:
    """Say so if records that were counted as haplotypes look like the contigs of one assembly."""
    if len(lengths) < 2:
        return None
    like_contigs = sum(_CONTIG.fullmatch(name) is not None for name in lengths)
    if 2 * like_contigs < len(lengths) and max(lengths.values()) < _UNEQUAL * min(lengths.values()):
        return None
    some = ", ".join(list(lengths)[:3]) + (", ..." if len(lengths) > 3 else "")
    return (
        f"its records are counted as {len(lengths)} haplotypes, but look like contigs ({some}); "
        "if the file is one haplotype, use --haplotypes file"
    )


def _ahead(stream: Iterator[tuple[Block, Codes]]) -> Iterator[tuple[Block, Codes]]:
    """Read on in a second thread while this one counts."""

    def take() -> list[tuple[Block, Codes]]:
        taken, size = [], 0
        for item in stream:
            taken.append(item)
            size += item[1].size
            if size >= _AHEAD:
                break
        return taken

    with ThreadPoolExecutor(max_workers=1) as pool:
        waiting = pool.submit(take)
        try:
            while items := waiting.result():
                waiting = pool.submit(take)
                yield from items
        finally:
            waiting.cancel()


def _account(paths: Sequence[PathLike], **settings: Any) -> dict[str, Any]:
    """Describe how the panel was made, without a time stamp: the same input gives the same file."""
    from importlib.metadata import version

    return {"genolstm": version("genolstm"), "settings": settings, "inputs": [describe_input(path) for path in paths]}
