"""From files to posteriors, block by block: both doors end in :func:`posterior_blocks`."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np

from genolstm.errors import InputError, SettingError
from genolstm.files import PathLike, display_name
from genolstm.introgression.segments import PosteriorBlock
from genolstm.introgression.tracks import (
    CHANNELS,
    RARE_DIFFER,
    RARE_MATCH,
    TrackSettings,
    n_bins,
    tracks_from_counts,
    tracks_from_variants,
)
from genolstm.introgression.variants import VariantReader
from genolstm.sequences.alphabet import encode
from genolstm.sequences.fasta import Record, parse_haplotype_name, read_records
from genolstm.sequences.kmers import valid_kmers

if TYPE_CHECKING:
    from genolstm.sequences.panel.panel import KmerPanel

T = TypeVar("T")
Mask = Mapping[str, Sequence[tuple[int, int]]]

#: Bases read before tracks are made of them; memory grows with it, results do not change.
SPAN = 2_000_000
#: Haplotypes of a FASTA file that are looked up and read by the network together.
_GROUP = 32


@dataclass
class TrackBlock:
    """Tracks of consecutive bins of the haplotypes of one sequence.

    ``tracks`` has shape (haplotypes, bins, channels); the rest is as in
    :class:`~genolstm.introgression.segments.PosteriorBlock`.
    """

    chrom: str
    haplotypes: Sequence[tuple[str, str]]
    first_bin: int
    tracks: np.ndarray
    length: int | None
    last: bool


class Predictor(Protocol):
    """Reads the tracks of one sequence in blocks and yields P(archaic) of every bin, in order."""

    def stream(self, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield posteriors, shape (haplotypes, bins)."""
        ...


@dataclass
class Stages:
    """Seconds spent in each stage of a scan; stages of different threads overlap."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def time(self, stage: str) -> Iterator[None]:
        """Add the time that the block takes to ``stage``."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start

    def timed(self, stage: str, items: Iterable[T]) -> Iterator[T]:
        """Yield items, adding the time that each takes to come."""
        iterator = iter(items)
        while True:
            with self.time(stage):
                try:
                    item = next(iterator)
                except StopIteration:
                    return
            yield item


# --- the VCF door -------------------------------------------------------------------------------


def vcf_tracks(
    reader: VariantReader,
    settings: TrackSettings,
    *,
    callable_mask: Mask | None = None,
    exclude_mask: Mask | None = None,
    span: int = SPAN,
    stages: Stages | None = None,
) -> Iterator[TrackBlock]:
    """Yield the tracks of all target haplotypes of a VCF.

    Parameters
    ----------
    reader
        The open file.
    settings
        k and bin.
    callable_mask, exclude_mask
        Stretches outside, or inside, of which nothing is counted; bp, per chromosome.
    span
        Bases per block, rounded to whole bins.

    Raises
    ------
    InputError
        The file is wrong, or a mask names no chromosome of it or runs past its end.
    """
    stages = stages or Stages()
    names = reader.names("target")
    size = settings.bin
    span = max(span // size, 1) * size
    masks = [m for m in (callable_mask, exclude_mask) if m is not None]
    for mask in masks:
        if reader.contigs:
            _check_names(mask, reader.contigs)
    seen: set[str] = set()
    blocks = reader.blocks(span=span, overlap=settings.k + size)
    for block in stages.timed("read", blocks):
        with stages.time("tracks"):
            if block.chrom not in seen:
                seen.add(block.chrom)
                for mask in masks:
                    _check_end(mask, block.chrom, reader.lengths.get(block.chrom))
            first = block.start // size
            last = n_bins(block.end, size) if block.last else block.end // size
            length = block.length if block.length is not None else block.end + span
            # The k-mers of a bin begin and end up to k bp outside it.
            uncallable = _uncallable(
                block.chrom, first * size - settings.k, last * size + settings.k, callable_mask, exclude_mask
            )
            tracks = tracks_from_variants(
                block, first_bin=first, last_bin=last, length=length, settings=settings, uncallable=uncallable
            )
        yield TrackBlock(block.chrom, names, first, tracks, block.length, block.last)
    for mask in masks:
        _check_names(mask, seen)


def _check_names(mask: Mask, chroms: Collection[str]) -> None:
    if not set(chroms) & set(mask):
        raise InputError(
            f"the mask is of {', '.join(sorted(mask)[:3])}, the VCF of {', '.join(sorted(chroms)[:3])}",
            path=getattr(mask, "path", None),
            hint="chromosome names have to agree",
        )


def _check_end(mask: Mask, chrom: str, length: int | None) -> None:
    if length is not None and mask.get(chrom) and mask[chrom][-1][1] > length:
        raise InputError(
            f"reaches {chrom}:{mask[chrom][-1][1]}, beyond the end of {chrom} ({length} bp)",
            path=getattr(mask, "path", None),
            line=getattr(mask, "last_lines", {}).get(chrom),
        )


def _uncallable(
    chrom: str, start: int, end: int, callable_mask: Mask | None, exclude_mask: Mask | None
) -> list[tuple[int, int]]:
    """Return sorted, disjoint stretches that touch [start, end) and that the masks rule out."""
    spans: list[tuple[int, int]] = []
    if callable_mask is not None:
        at = 0
        for a, b in callable_mask.get(chrom, ()):
            if a > at:
                spans.append((at, a))
            at = b
        spans.append((at, max(end, at + 1)))
    if exclude_mask is not None:
        spans += exclude_mask.get(chrom, ())
    merged: list[tuple[int, int]] = []
    for a, b in sorted(spans):
        if b <= start or a >= end:
            continue
        if merged and a <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(merged[-1][1], b)
        else:
            merged.append((a, b))
    return merged


# --- the FASTA door -----------------------------------------------------------------------------


@dataclass(frozen=True)
class FastaQuery:
    """Query haplotypes in FASTA files.

    Parameters
    ----------
    paths
        FASTA or FASTQ files; ``-`` is standard input.
    haplotypes
        ``record``: each record is a haplotype of its own. ``file``: each file is one haplotype,
        its records are contigs.
    sharing
        Whether to ask which rare k-mers the query haplotypes share with each other; this reads
        the input twice and holds the query's distinct k-mers. None: yes for several records.
    skip_short
        Leave out records shorter than a bin, which assemblies have, instead of refusing them.

    Attributes
    ----------
    skipped
        Names of the records that were left out, once they are read.
    """

    paths: Sequence[PathLike]
    haplotypes: str = "record"
    sharing: bool | None = None
    skip_short: bool = False
    skipped: set[str] = field(default_factory=set, init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.haplotypes not in ("record", "file"):
            raise SettingError(f"haplotypes is '{self.haplotypes}', it is 'record' or 'file'")
        if not self.paths:
            raise SettingError("no query is given")

    def records(self) -> Iterator[tuple[PathLike, Record]]:
        """Yield (file, record); names are unique over all files."""
        seen: dict[tuple[str, str, str], PathLike] = {}
        for path in self.paths:
            for record in read_records(path):
                chrom, sample, haplotype = self.name(path, record)
                if (chrom, sample, haplotype) in seen:
                    raise InputError(
                        f"the haplotype {sample} {haplotype} of {chrom} comes twice",
                        path=display_name(path),
                        line=record.line,
                        record=record.name,
                    )
                seen[chrom, sample, haplotype] = path
                yield path, record

    def name(self, path: PathLike, record: Record) -> tuple[str, str, str]:
        """Return (chrom, sample, haplotype) of a record.

        PanSN names (``SAMPLE#1#contig``) and ``SAMPLE_hap1`` say it themselves. Otherwise a
        record is its own sample, or the file is.
        """
        parsed = parse_haplotype_name(record.name)
        if parsed is not None:
            return parsed.contig or record.name, parsed.sample, parsed.haplotype
        if self.haplotypes == "record":
            return record.name, record.name, "1"
        stem = Path(display_name(path)).name.split(".")[0]
        of_file = parse_haplotype_name(stem)
        if of_file is not None:
            return record.name, of_file.sample, of_file.haplotype
        return record.name, stem, "1"


def fasta_tracks(
    query: FastaQuery,
    archaic: KmerPanel,
    outgroup: KmerPanel,
    settings: TrackSettings,
    *,
    threads: int,
    stages: Stages | None = None,
) -> Iterator[TrackBlock]:
    """Yield the tracks of query haplotypes, each in its own coordinates.

    Consecutive records of the same length come in one block.

    Raises
    ------
    InputError
        The FASTA is wrong, or a record is shorter than a bin.
    PanelError
        A panel was made with another k.
    """
    stages = stages or Stages()
    for panel in (archaic, outgroup):
        panel.require_k(settings.k)
    sharing = query.sharing
    if sharing is None:
        sharing = query.haplotypes == "record"
    records: Iterable[tuple[PathLike, Record]] = query.records()
    target: KmerPanel | None = None
    if sharing:
        if any(str(path) == "-" for path in query.paths):
            records = list(records)  # standard input cannot be read twice
        with stages.time("sharing"):
            target = _target_panel(query, records, settings)
        if not isinstance(records, list):
            records = query.records()
    target_size = target.n_haplotypes if target is not None else 1

    def tracks(record: Record) -> np.ndarray:
        codes = encode(record.sequence)
        return tracks_from_counts(
            archaic.lookup(codes),
            outgroup.lookup(codes),
            target.lookup(codes) if target is not None else None,
            valid_kmers(codes, settings.k),
            length=len(codes),
            outgroup_size=outgroup.n_haplotypes,
            target_size=target_size,
            settings=settings,
        )

    with ThreadPoolExecutor(threads) as pool:
        for group in _groups(stages.timed("read", _checked(query, records, settings))):
            with stages.time("tracks"):
                stacked = np.stack(list(pool.map(tracks, [record for _, record in group])))
            # One block a chromosome name: haplotypes of one region stay together.
            by_chrom: dict[str, list[tuple[int, str, str]]] = {}
            for i, (path, record) in enumerate(group):
                chrom, sample, haplotype = query.name(path, record)
                by_chrom.setdefault(chrom, []).append((i, sample, haplotype))
            length = len(group[0][1])
            for chrom, members in by_chrom.items():
                names = [(sample, haplotype) for _, sample, haplotype in members]
                rows = stacked[[i for i, _, _ in members]]
                yield TrackBlock(chrom, names, 0, rows, length, True)


def _checked(
    query: FastaQuery, records: Iterable[tuple[PathLike, Record]], settings: TrackSettings
) -> Iterator[tuple[PathLike, Record]]:
    for path, record in records:
        if len(record) < settings.bin:
            if query.skip_short:
                query.skipped.add(record.name)
                continue
            raise InputError(
                f"is {len(record)} bp, shorter than a bin ({settings.bin} bp)",
                path=display_name(path),
                line=record.line,
                record=record.name,
                hint="leave such records out with --skip-short",
            )
        yield path, record


def _groups(records: Iterable[tuple[PathLike, Record]]) -> Iterator[list[tuple[PathLike, Record]]]:
    group: list[tuple[PathLike, Record]] = []
    for item in records:
        if group and (len(item[1]) != len(group[0][1]) or len(group) == _GROUP):
            yield group
            group = []
        group.append(item)
    if group:
        yield group


def _target_panel(
    query: FastaQuery, records: Iterable[tuple[PathLike, Record]], settings: TrackSettings
) -> KmerPanel | None:
    """Count how many query haplotypes carry each of their k-mers; None if there is only one."""
    from genolstm.sequences.panel.builder import PanelBuilder

    builder = PanelBuilder(settings.k)
    haplotype: tuple[str, str] | None = None
    codes: list[np.ndarray] = []
    done: set[tuple[str, str]] = set()
    for path, record in _checked(query, records, settings):
        _, sample, number = query.name(path, record)
        if (sample, number) != haplotype:
            if haplotype is not None:
                builder.add_haplotype(codes)
                done.add(haplotype)
            haplotype, codes = (sample, number), []
            if haplotype in done:
                raise InputError(
                    f"records of the haplotype {sample} {number} do not follow each other",
                    path=display_name(path),
                    line=record.line,
                    record=record.name,
                    hint="sort the records by haplotype, or use --no-sharing",
                )
        codes.append(encode(record.sequence))
    if not done:
        return None
    builder.add_haplotype(codes)
    return builder.finish()


# --- both ---------------------------------------------------------------------------------------


def prefetch(items: Iterable[T], ahead: int = 1) -> Iterator[T]:
    """Make the next items in a thread while the last one is worked on."""
    waiting: queue.Queue[tuple[bool, object]] = queue.Queue(ahead)
    stop = threading.Event()

    def put(entry: tuple[bool, object]) -> bool:
        while not stop.is_set():
            try:
                waiting.put(entry, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        try:
            for item in items:
                if not put((True, item)):
                    return
            put((False, None))
        except BaseException as error:  # handed over and raised by the reader below
            put((False, error))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        while True:
            more, value = waiting.get()
            if more:
                yield value  # type: ignore[misc]
            elif value is None:
                return
            else:
                raise value  # type: ignore[misc]
    finally:
        stop.set()
        thread.join()


def posterior_blocks(
    blocks: Iterable[TrackBlock],
    predictor: Predictor,
    *,
    stages: Stages | None = None,
    progress: Callable[[TrackBlock], None] | None = None,
) -> Iterator[PosteriorBlock]:
    """Yield the posterior of every bin, sequence by sequence, in order.

    Parameters
    ----------
    blocks
        Tracks; the blocks of a sequence follow each other and the last one says so.
    predictor
        The network or the baseline.
    progress
        Called with each block that was read.
    """
    stages = stages or Stages()
    source = iter(blocks)
    for head in source:
        waiting: deque[TrackBlock] = deque()
        newest = head

        def feed(first: TrackBlock = head, held: deque[TrackBlock] = waiting) -> Iterator[np.ndarray]:
            nonlocal newest
            block = first
            while True:
                _check_channels(block)
                held.append(block)
                newest = block
                if progress is not None:
                    progress(block)
                yield block.tracks
                if block.last:
                    return
                block = next(source)

        at, used = head.first_bin, 0
        for posterior in stages.timed("network", predictor.stream(feed())):
            n = posterior.shape[1]
            # Evidence for these bins lies in the blocks that went in and are not used up.
            match, differ = [], []
            left = n
            while left:
                tracks = waiting[0].tracks[:, used : used + left]
                match.append(tracks[:, :, RARE_MATCH].sum(axis=2))
                differ.append(tracks[:, :, RARE_DIFFER].sum(axis=2))
                left -= tracks.shape[1]
                used += tracks.shape[1]
                if used == waiting[0].tracks.shape[1]:
                    waiting.popleft()
                    used = 0
            last = newest.last and not waiting
            yield PosteriorBlock(
                head.chrom,
                head.haplotypes,
                at,
                posterior,
                np.concatenate(match, axis=1),
                np.concatenate(differ, axis=1),
                newest.length,
                last,
            )
            at += n


def _check_channels(block: TrackBlock) -> None:
    if block.tracks.shape[2] != len(CHANNELS):
        raise SettingError(f"tracks have {block.tracks.shape[2]} channels, not {len(CHANNELS)}")
