"""The blocks of tracks that every door yields, and how they become posteriors."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain, pairwise
from typing import NamedTuple, Protocol, TypeVar

import numpy as np

from genolstm.errors import SettingError
from genolstm.files import PathLike
from genolstm.introgression.channels import CALLABLE, CHANNELS, N_COUNTS, OUTGROUP_SIZE, SLOTS
from genolstm.introgression.segments import PosteriorBlock
from genolstm.introgression.settings import (
    GAP_BINS,
    LEAST_CALLABLE,
    LITTLE_CALLABLE,
    PRIOR,
    UNKNOWN_SOURCE,
    UNNAMED,
    TrackSettings,
)
from genolstm.introgression.tracks import comparable, rare_evidence
from genolstm.introgression.variants.people import Populations
from genolstm.lstm.bundle.held import Held

T = TypeVar("T")

#: Bases of a file of genotypes that are read before tracks are computed; affects memory use, not results.
SPAN = 2_000_000
#: Haplotypes times bins whose tracks are made at once, at 170 bytes each; affects memory use, not results.
CELLS = 300_000


def bounded_span(span: int, bin_size: int, n_haplotypes: int) -> int:
    """Return how many bases a block has: whole bins, at most ``span``, and fewer for many haplotypes."""
    bins = max(span // bin_size, 1)
    return max(min(bins, CELLS // max(n_haplotypes, 1)), 1) * bin_size


@dataclass
class TrackBlock:
    """Tracks of consecutive bins of the haplotypes of one sequence.

    ``tracks`` has shape (readings * haplotypes, bins, channels): all haplotypes in each *reading*, of which
    there is one for up to two sources. A model compares with two at a time, so that for more of them
    there is one reading per source, which is then the first, and the others together are the second.
    ``exists`` tells whether a haplotype exists in a bin, shape (haplotypes, bins), and is None if all do
    (the second one of a haploid call does not). ``sources`` are the names of the archaic sources that
    were compared with. ``sites`` are the informative sites of the haplotypes, by position (see
    :func:`~genolstm.introgression.sites.site_type`), and None if the door does not tell them. The rest is as
    in :class:`~genolstm.introgression.segments.PosteriorBlock`.
    """

    chrom: str
    haplotypes: Sequence[tuple[str, str]]
    first_bin: int
    tracks: np.ndarray
    length: int | None
    last: bool
    exists: np.ndarray | None = None
    sources: tuple[str, ...] = (UNNAMED,)
    sites: np.ndarray | None = None

    @property
    def readings(self) -> int:
        """Number of readings."""
        return len(readings(len(self.sources)))


def readings(n_sources: int) -> list[list[list[int]]]:
    """Return, for each reading, which sources (by number) stand in the first slot, and which in the second."""
    if n_sources <= len(SLOTS):
        return [[[source] for source in range(n_sources)]]
    return [[[one], [other for other in range(n_sources) if other != one]] for one in range(n_sources)]


class Door(Protocol):
    """One kind of input. A new kind is a new module in this folder with a class of this shape."""

    def names(self) -> list[tuple[str, str]]:
        """Return (sample, haplotype) of every haplotype that gets a track."""
        ...

    def sources(self) -> tuple[str, ...]:
        """Return the names of the archaic sources that are compared with; there may be none."""
        ...

    def tracks(
        self, settings: TrackSettings, *, threads: int = 1, stages: Stages | None = None
    ) -> Iterator[TrackBlock]:
        """Yield the tracks of all haplotypes; the blocks of a sequence are consecutive.

        Files are opened immediately and read as blocks are requested.
        """
        ...

    def left_out(self) -> list[str]:
        """Return human-readable lines on what was read but not used."""
        ...

    def warnings(self) -> list[str]:
        """Return human-readable lines on what is likely wrong with the input, each complete in itself."""
        ...

    def populations(self) -> Populations | None:
        """Return which samples belong to which population; None if nothing was said of it."""
        ...

    def inputs(self) -> dict[str, PathLike]:
        """Return the files that are read, by their role, for the manifest."""
        ...

    def fraction(self) -> float | None:
        """Return the share of the input that has been read so far; None if that is not known."""
        ...


class Predictor(Protocol):
    """Reads the tracks of one sequence in blocks and yields the classes' probabilities of every bin, in order."""

    def stream(self, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield P(modern), P(first source), P(second), P(an archaic unlike both), shape (rows, bins, 4)."""
        ...


@dataclass
class Stages:
    """Seconds spent in each stage of a scan; stages of different threads overlap."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def time(self, stage: str) -> Iterator[None]:
        """Add the run time of the ``with`` block to ``stage``."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start

    def timed(self, stage: str, items: Iterable[T]) -> Iterator[T]:
        """Yield items, adding the time spent waiting for each to ``stage``."""
        iterator = iter(items)
        while True:
            with self.time(stage):
                try:
                    item = next(iterator)
                except StopIteration:
                    return
            yield item
            del item  # it may be large, and the next one is made before this name is given to it


def prefetch(items: Iterable[T], ahead: int = 1) -> Iterator[T]:
    """Compute the next items in a thread while the current one is processed."""
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
        except BaseException as error:  # passed on, and raised by the consumer below
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


class Counted(NamedTuple):
    """How much of a haplotype was scanned.

    Attributes
    ----------
    bp
        Base pairs.
    callable_bp
        Those in bins of which enough is known for a segment to be called there.
    """

    bp: int
    callable_bp: int


@dataclass
class Totals:
    """How much was scanned.

    Attributes
    ----------
    bp
        Base pairs over all haplotypes.
    callable_bp
        Those of them whose k-mers could be compared.
    """

    bp: int = 0
    callable_bp: float = 0.0
    _counts: dict[tuple[str, str], Counted] = field(default_factory=dict)
    #: Of the blocks whose haplotypes are these: base pairs of each, and those in bins that are known.
    _names: Sequence[tuple[str, str]] = ()
    _sums: np.ndarray = field(default_factory=lambda: np.zeros((2, 0), dtype=np.int64))

    @property
    def haplotypes(self) -> dict[tuple[str, str], Counted]:
        """How much of each (sample, haplotype) was scanned, of all that exist anywhere."""
        counts = dict(self._counts)
        for name, bp, callable_bp in zip(self._names, *self._sums.tolist(), strict=True):
            before = counts.get((name[0], name[1]), Counted(0, 0))
            if before.bp + bp:
                counts[name[0], name[1]] = Counted(before.bp + bp, before.callable_bp + callable_bp)
        return counts

    @property
    def callable_share(self) -> float:
        """Share of what was scanned that could be compared; 0 if nothing was scanned."""
        return min(self.callable_bp / self.bp, 1.0) if self.bp else 0.0

    def add(self, block: PosteriorBlock, bin_size: int) -> None:
        """Count a block."""
        exists = ~np.isnan(block.posterior)
        bins = np.arange(block.posterior.shape[1]) + block.first_bin
        ends = (bins + 1) * bin_size
        if block.last and block.length is not None:
            ends = np.minimum(ends, block.length)
        widths = np.maximum(ends - bins * bin_size, 0)
        # Blocks of a sequence share the names of their haplotypes: these are looked up when others follow.
        if block.haplotypes is not self._names:
            self._counts = self.haplotypes
            self._names, self._sums = block.haplotypes, np.zeros((2, len(block.haplotypes)), dtype=np.int64)
        sums = np.stack([exists @ widths, block.known() @ widths])
        self._sums += sums
        self.bp += int(sums[0].sum())
        share = exists if block.callable is None else np.where(exists, block.callable, 0.0)
        self.callable_bp += float((share * bin_size).sum(dtype=np.float64))


def posterior_blocks(
    blocks: Iterable[TrackBlock],
    predictor: Predictor,
    *,
    bridge: int,
    prior: float = PRIOR,
    sources: tuple[str, ...] | None = None,
    stride: int = 1,
    stages: Stages | None = None,
    progress: Callable[[TrackBlock], None] | None = None,
) -> Iterator[PosteriorBlock]:
    """Yield the posterior of every bin, sequence by sequence, in order.

    The network was not trained to tell "nothing is known" from "nothing differs". Bins of which nothing
    is known on any haplotype are therefore taken out before it and put back after it, with the prior
    as their posterior; a run of more than ``bridge`` of them is replaced by a little background, so
    that the two sides do not speak for each other. A bin that is unknown on some haplotypes only is
    given the mean of the others there, and then the prior.

    Parameters
    ----------
    blocks
        Tracks; the blocks of a sequence are consecutive, and the last one is marked.
    predictor
        The network or the baseline.
    bridge
        Number of bins without evidence across which context is kept.
    prior
        Posterior of a bin without evidence.
    sources
        What the sources are called, and an unknown one; by default what the blocks call them.
    stride
        Number of bins that the network reads together. Which ones do so depends on nothing but their place
        on the sequence: a little background stands for bins that were taken out, or that a region lacks.
    progress
        Called with each block after it is read.
    """
    stages = stages or Stages()
    source = iter(blocks)
    for head in source:
        layout = _Layout(bridge, prior, len(head.sources), stride)
        newest = head
        waiting: list[np.ndarray] = []  # sites of bins without posterior

        def feed(
            first: TrackBlock = head, held: _Layout = layout, there: list[np.ndarray] = waiting
        ) -> Iterator[np.ndarray]:
            nonlocal newest
            block = first
            while True:
                _check_channels(block)
                if block.sites is not None:
                    there.append(block.sites)
                compact = held.take(block)
                newest = block
                if progress is not None:
                    progress(block)
                if compact.shape[1]:
                    yield compact
                if block.last:
                    return
                block = next(source)

        at = head.first_bin
        outputs = chain(stages.timed("network", predictor.stream(feed())), [None])
        for output in outputs:
            shares, callable_share, match, differ = layout.put_back(output)
            if not shares.shape[1]:
                continue
            posterior = shares.sum(axis=2)
            sites = None if head.sites is None else _up_to(waiting, at + posterior.shape[1])
            yield PosteriorBlock(
                head.chrom,
                head.haplotypes,
                at,
                posterior,
                match,
                differ,
                newest.length,
                newest.last and layout.is_empty,
                callable_share,
                sources or (*head.sources, UNKNOWN_SOURCE),
                shares,
                sites,
            )
            at += posterior.shape[1]


def _up_to(waiting: list[np.ndarray], bin_number: int) -> np.ndarray:
    """Take the sites that lie before a bin."""
    sites = waiting[0] if len(waiting) == 1 else np.concatenate(waiting)
    n = int(np.searchsorted(sites["bin"], bin_number))
    waiting[:] = [sites[n:]]
    return sites[:n]


class _Layout:
    """Which bins the network reads, which it does not, and the evidence of both until posteriors are there."""

    def __init__(self, bridge: int, prior: float, n_sources: int, stride: int = 1) -> None:
        self.bridge = bridge
        self.stride = stride
        self.sent = 0  # bins that the network was given
        self.prior = np.float32(prior)
        self.n_sources = n_sources
        self.run = 0  # bins without evidence up to here
        self.received = 0  # outputs that wait for their bins
        self.items: deque[_Waiting] = deque()
        self.evidence = Held()
        self.rest: list[np.ndarray] = []

    @property
    def is_empty(self) -> bool:
        """Whether all bins have been put back."""
        return not self.items

    def take(self, block: TrackBlock) -> np.ndarray:
        """Keep the evidence of a block's bins; return the tracks for the network."""
        tracks = block.tracks
        n = len(block.haplotypes)
        # In every reading, the two slots together hold all sources.
        share = comparable(tracks[:n], self.n_sources)
        known = share >= LEAST_CALLABLE
        if block.exists is not None:
            known &= block.exists
        kept: np.ndarray = np.logical_or.reduce(known, axis=0)
        exists = np.ones_like(known) if block.exists is None else block.exists
        evidence = [share, *rare_evidence(tracks[:n], self.n_sources), exists]
        held = _Waiting(self.evidence, self.evidence.stop, kept)
        self.evidence.append(np.stack(evidence, axis=2).astype(np.float32, copy=False))
        self.items.append(held)
        known = np.tile(known, (block.readings, 1))
        tracks = _scaled(tracks, known, ends=block.last)
        if not len(kept):
            return tracks
        filled = tracks if known.all() else _with_mean(tracks, known, kept)
        # Runs of bins without evidence; one that becomes too long leaves some background in its place.
        columns: list[np.ndarray] = []
        edges = np.flatnonzero(np.diff(kept)) + 1
        for start, stop in pairwise([0, *edges.tolist(), len(kept)]):
            if kept[start]:
                spare = (block.first_bin + start - self.sent) % self.stride
                if spare:
                    held.gaps.append((start, spare))
                    columns.append(_background(tracks[:, start : start + 1], self.n_sources, spare))
                columns.append(filled[:, start:stop])
                self.sent += spare + stop - start
                self.run = 0
                continue
            before, self.run = self.run, self.run + stop - start
            if before <= self.bridge < self.run:
                held.gaps.append((start + self.bridge - before, GAP_BINS))
                columns.append(_background(tracks[:, start : start + 1], self.n_sources, GAP_BINS))
                self.sent += GAP_BINS
        if len(columns) == 1:
            return columns[0]
        return np.concatenate(columns, axis=1) if columns else filled[:, :0]

    def put_back(self, output: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return posteriors, callable share and evidence of the bins whose posteriors are now known.

        The posteriors are those of each source and of an unknown one, shape (haplotypes, bins, sources + 1).
        ``output`` is what the network said next; None means that all was said.
        """
        if output is not None:
            self.rest.append(_by_source(output, self.n_sources))
            self.received += output.shape[1]
        outputs = np.concatenate(self.rest, axis=1) if self.rest else None
        used, parts = 0, []
        while self.items:
            held = self.items[0]
            bins, taken = held.ready(self.received - used)
            if bins:
                part = None if outputs is None else outputs[:, used : used + taken]
                parts.append(held.cut(bins, part, self.prior / np.float32(self.n_sources + 1), self.n_sources + 1))
            used += taken
            if held.bins:
                break
            self.items.popleft()
        self.evidence.drop(self.items[0].begin if self.items else self.evidence.stop)
        self.received -= used
        self.rest = [] if outputs is None or not self.received else [outputs[:, used:]]
        if not parts:
            empty = np.empty((0, 0), dtype=np.float32)
            return empty[:, :, None], empty, empty, empty
        joined = [np.concatenate(arrays, axis=1) for arrays in zip(*parts, strict=True)]
        return joined[0], joined[1], joined[2], joined[3]


@dataclass
class _Waiting:
    """The bins of a block that are still without a posterior.

    Attributes
    ----------
    evidence
        Of all blocks: callable share, rare matches and differences, and 1 where the haplotype exists.
    begin
        Place there of the first of these bins.
    kept
        Bins that the network reads.
    gaps
        Bins before which it read background, and how many bins of it.
    """

    evidence: Held
    begin: int
    kept: np.ndarray
    gaps: list[tuple[int, int]] = field(default_factory=list)

    @property
    def bins(self) -> int:
        """Number of bins."""
        return len(self.kept)

    def _outputs(self) -> np.ndarray:
        """Return how many outputs it takes up to and including each bin."""
        each = self.kept.astype(np.int64)
        for gap, width in self.gaps:
            each[gap] += width
        return np.cumsum(each)

    def ready(self, received: int) -> tuple[int, int]:
        """Return how many bins are complete once so many outputs are there, and how many outputs those use."""
        needed = self._outputs()
        bins = int(np.searchsorted(needed, received, side="right"))
        return bins, int(needed[bins - 1]) if bins else 0

    def cut(self, n: int, outputs: np.ndarray | None, prior: np.float32, width: int) -> tuple[np.ndarray, ...]:
        """Take the first ``n`` bins away and return posteriors, callable share and evidence."""
        evidence = self.evidence.read(self.begin, self.begin + n)
        share, exists = evidence[:, :, 0], evidence[:, :, 3] > 0
        posterior = np.full((*share.shape, width), prior, dtype=np.float32)
        kept = np.flatnonzero(self.kept[:n])
        if len(kept) and outputs is not None:
            places = self._outputs()[kept] - 1
            posterior[:, kept] = outputs[:, places]
            posterior[(share < LEAST_CALLABLE) | ~exists] = prior
        posterior[~exists] = np.nan
        self.begin += n
        self.kept = self.kept[n:]
        self.gaps = [(gap - n, width) for gap, width in self.gaps if gap >= n]
        return posterior, share, evidence[:, :, 1], evidence[:, :, 2]


def _by_source(output: np.ndarray, n_sources: int) -> np.ndarray:
    """Return the posterior of each source and of an unknown one, (haplotypes, bins, sources + 1)."""
    if n_sources == len(SLOTS):
        return output[:, :, 1:]
    if n_sources < len(SLOTS):
        # What the network says of a slot that is empty is next to nothing; it is not of the source.
        rest = output[:, :, 1 + n_sources :].sum(axis=2, keepdims=True)
        return np.concatenate([output[:, :, 1 : 1 + n_sources], rest], axis=2)
    apart = output.reshape(n_sources, -1, *output.shape[1:])
    own = np.moveaxis(apart[:, :, :, 1], 0, -1)
    unknown = apart[:, :, :, 3].mean(axis=0)[:, :, None]
    modern = apart[:, :, :, :1].mean(axis=0)
    found = np.concatenate([own, unknown], axis=2)
    joined: np.ndarray = found * ((1 - modern) / np.maximum(found.sum(axis=2, keepdims=True), 1e-12))
    return joined.astype(np.float32, copy=False)


def _scaled(tracks: np.ndarray, known: np.ndarray, *, ends: bool) -> np.ndarray:
    """Return tracks in which bins of which little is known count as whole ones; the last bin may be short."""
    share = tracks[:, :, CALLABLE]
    part = known & (share < LITTLE_CALLABLE) & (share > 0)
    if ends:
        part[:, -1] = False
    if not part.any():
        return tracks
    scaled = tracks.copy()
    scaled[part, :OUTGROUP_SIZE] /= share[part][:, None]
    return scaled


def _with_mean(tracks: np.ndarray, known: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Return tracks in which an unknown haplotype has the mean of those that are known in the bin."""
    filled = tracks.copy()
    for b in np.flatnonzero(kept & ~known.all(axis=0)).tolist():
        filled[~known[:, b], b] = tracks[known[:, b], b].mean(axis=0)
    return filled


def _background(like: np.ndarray, n_sources: int, width: int) -> np.ndarray:
    """Return bins in which everything is known and nothing differs, with the sizes of ``like``."""
    bins = np.repeat(like, width, axis=1)
    bins[:, :, :N_COUNTS] = 0
    bins[:, :, CALLABLE] = 1
    bins[:, :, CALLABLE + 1 : CALLABLE + 1 + len(SLOTS)] = [slot < n_sources for slot in range(len(SLOTS))]
    return bins


def _check_channels(block: TrackBlock) -> None:
    if block.tracks.shape[2] != len(CHANNELS):
        raise SettingError(f"tracks have {block.tracks.shape[2]} channels, not {len(CHANNELS)}")
