"""Intervals, and how posteriors become segments."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from genolstm.introgression.settings import LEAST_CALLABLE, UNKNOWN_SOURCE, UNNAMED, DecodeSettings

#: Share of a segment's archaic probability that one source must have for the segment to be called after it alone.
CLEAR_SOURCE = 0.75
#: What a change of source within a segment costs, as a log-odds: about the rarity of two tracts that touch.
_CHANGE = 6.0


class Interval(NamedTuple):
    """A stretch of one haplotype; positions are in bp, 0-based half-open.

    Haplotype names are strings, usually ``1`` and ``2``.
    """

    chrom: str
    start: int
    end: int
    sample: str
    haplotype: str


class Segment(NamedTuple):
    """A called archaic segment.

    ``posterior`` is the mean over its bins; ``n_sites`` counts the rare variants of the haplotype
    in it (outgroup frequency of at most 5 %), ``n_match`` those of them that a given archaic carries (all,
    if none was given). ``source`` is the archaic that it resembles, ``unknown`` if none of those given, or
    several names joined by ``|`` if it cannot be told; ``shares`` are the mean posteriors of each source
    and of an unknown one.
    """

    chrom: str
    start: int
    end: int
    sample: str
    haplotype: str
    posterior: float
    n_sites: int
    n_match: int
    source: str = UNNAMED
    shares: tuple[float, ...] = ()


def merge_spans(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Merge overlapping and touching (start, end) and sort them."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(merged[-1][1], end)
        else:
            merged.append((start, end))
    return merged


def merge_intervals(intervals: Iterable[Interval]) -> list[Interval]:
    """Merge overlapping and touching intervals of the same haplotype; sort by position."""
    spans: dict[tuple[str, str, str], list[tuple[int, int]]] = {}
    for chrom, start, end, sample, haplotype in intervals:
        spans.setdefault((chrom, sample, haplotype), []).append((start, end))
    return sorted(
        Interval(chrom, start, end, sample, haplotype)
        for (chrom, sample, haplotype), members in spans.items()
        for start, end in merge_spans(members)
    )


@dataclass
class PosteriorBlock:
    """Consecutive bins of the haplotypes of one sequence.

    Attributes
    ----------
    chrom
        Sequence name.
    haplotypes
        (sample, haplotype) of each row.
    first_bin
        Index of the first bin.
    posterior
        Probability of archaic ancestry, shape (haplotypes, bins), float32. A bin of which nothing is
        known carries the prior; one in which the haplotype does not exist, NaN.
    rare_match, rare_differ
        Number of rare variants that the archaic carries, and does not, in units of sites; same shape.
    length
        Length of the sequence in bp; may be None before the last block.
    last
        Whether the sequence ends here.
    callable
        Share of each bin's k-mers that could be compared, same shape; None if all could.
    sources
        Names of the archaic sources, and ``unknown``.
    shares
        Probability of each of these, shape (haplotypes, bins, sources), which add up to ``posterior``;
        None if there is one source and nothing else.
    """

    chrom: str
    haplotypes: Sequence[tuple[str, str]]
    first_bin: int
    posterior: np.ndarray
    rare_match: np.ndarray
    rare_differ: np.ndarray
    length: int | None = None
    last: bool = True
    callable: np.ndarray | None = None
    sources: tuple[str, ...] = (UNNAMED,)
    shares: np.ndarray | None = None

    def known(self) -> np.ndarray:
        """Return where there is evidence, shape (haplotypes, bins), bool."""
        exists = ~np.isnan(self.posterior)
        return exists if self.callable is None else exists & (self.callable >= LEAST_CALLABLE)


@dataclass
class _Open:
    """A run of bins above the threshold that may continue in the next block."""

    start: float
    #: Of the bins so far: their numbers, shares of each source, rare matches and differences.
    at: list[np.ndarray] = field(default_factory=list)
    shares: list[np.ndarray] = field(default_factory=list)
    evidence: list[np.ndarray] = field(default_factory=list)
    #: Bins without evidence since the last one with evidence, which ended here.
    gap: int = 0
    stop: float = 0.0


#: What a bin is to a segment.
_OUT, _IN, _UNKNOWN = 0, 1, 2


@dataclass
class SegmentDecoder:
    """Turns posterior blocks, in order, into segments.

    The edge of a segment is where the line between the posteriors of two bin centres crosses the
    threshold, so edges are finer than bins. A segment that includes the first bin begins at its
    start, and one that includes the last bin runs to the end of the sequence.

    A segment has at least one rare variant that a given archaic carries, or, if it resembles none of
    them, at least one rare variant. It begins and ends with bins of which something is known, and spans a
    stretch of which nothing is known only if that is no longer than ``bridge``. Where the source
    changes, one segment ends and another begins.
    """

    settings: DecodeSettings
    bin_size: int
    _open: dict[tuple[str, str], _Open] = field(default_factory=dict)
    _before: np.ndarray | None = None
    _chrom: str | None = None

    def add(self, block: PosteriorBlock) -> list[Segment]:
        """Return the segments that end in this block, sorted."""
        if block.chrom != self._chrom:
            self._open, self._before, self._chrom = {}, None, block.chrom
        known = block.known()
        with np.errstate(invalid="ignore"):
            labels = np.where(known, (block.posterior >= self.settings.threshold).astype(np.int8), np.int8(_UNKNOWN))
        found: list[Segment] = []
        for h, name in enumerate(block.haplotypes):
            key = (name[0], name[1])
            if key in self._open or (labels[h] == _IN).any():
                found += self._haplotype(block, h, key, labels[h])
        # The posterior of the last bin, for the edge that may lie before the next one.
        self._before = None if block.last else np.where(known[:, -1], block.posterior[:, -1], np.nan)
        if block.last:
            self._chrom = None
        return sorted(found)

    def _haplotype(self, block: PosteriorBlock, h: int, key: tuple[str, str], labels: np.ndarray) -> list[Segment]:
        size, n_bins = self.bin_size, len(labels)
        found: list[Segment] = []
        starts = [0, *(np.flatnonzero(np.diff(labels)) + 1).tolist()]
        for start, stop in zip(starts, [*starts[1:], n_bins], strict=True):
            label = labels[start]
            run = self._open.get(key)
            edge = (start + block.first_bin) * size
            if label == _UNKNOWN:
                if run is not None:
                    if not run.gap:
                        run.stop = edge
                    run.gap += stop - start
                    if run.gap * size > self.settings.bridge - 2 * size:  # it may reach into the bins beside it
                        found += self._close(key, block, run, run.stop)
                continue
            if label == _OUT:
                if run is not None:
                    end = run.stop if run.gap else self._crossing(block, h, start)
                    found += self._close(key, block, run, end)
            else:
                if run is None:
                    run = self._open[key] = _Open(self._crossing(block, h, start))
                run.gap = 0
                run.at.append(np.arange(start, stop) + block.first_bin)
                own = block.posterior[h, start:stop, None] if block.shares is None else block.shares[h, start:stop]
                run.shares.append(own.astype(np.float64))
                pair = np.stack([block.rare_match[h, start:stop], block.rare_differ[h, start:stop]], axis=1)
                run.evidence.append(pair.astype(np.float64))
        if block.last and key in self._open:
            run = self._open[key]
            last = (block.first_bin + n_bins) * size
            if block.length is not None:
                last = min(last, block.length)
            found += self._close(key, block, run, run.stop if run.gap else last)
        return found

    def _crossing(self, block: PosteriorBlock, h: int, step: int) -> float:
        """Return where the posterior crosses the threshold around the left edge of a bin."""
        if step > 0:
            known = block.callable is None or block.callable[h, step - 1] >= LEAST_CALLABLE
            before = float(block.posterior[h, step - 1]) if known else np.nan
        else:
            before = np.nan if self._before is None else float(self._before[h])
        size, length = self.bin_size, block.length
        edge = (step + block.first_bin) * size
        if np.isnan(before):
            return edge
        here = float(block.posterior[h, step])
        end = edge + size if length is None else min(edge + size, length)
        left, right = edge - size / 2, (edge + end) / 2  # the last bin may be short
        return left + (self.settings.threshold - before) / (here - before) * (right - left)

    def _close(self, key: tuple[str, str], block: PosteriorBlock, run: _Open, end: float) -> list[Segment]:
        del self._open[key]
        at, shares, evidence = (np.concatenate(parts) for parts in (run.at, run.shares, run.evidence))
        cuts = _changes(shares)
        found = []
        for first, last in pairwise([0, *cuts, len(at)]):
            start = run.start if first == 0 else float(at[first] * self.bin_size)
            stop = end if last == len(at) else float(at[last] * self.bin_size)
            segment = self._segment(key, block, start, stop, shares[first:last], evidence[first:last])
            if segment is not None:
                found.append(segment)
        return found

    def _segment(
        self,
        key: tuple[str, str],
        block: PosteriorBlock,
        start: float,
        stop: float,
        shares: np.ndarray,
        evidence: np.ndarray,
    ) -> Segment | None:
        begin, end = max(round(start), 0), round(stop)
        match, differ = (int(count + 0.5) for count in evidence.sum(axis=0))
        means = tuple(shares.mean(axis=0).tolist())
        source = source_of(means, block.sources)
        sites = match + differ if source == UNKNOWN_SOURCE else match
        if end - begin < max(self.settings.min_length, 1) or sites < 1:
            return None
        return Segment(block.chrom, begin, end, *key, sum(means), match + differ, match, source, means)


def source_of(shares: Sequence[float], sources: Sequence[str]) -> str:
    """Return the source with nearly all of the probability, or the fewest that have it together."""
    total = sum(shares)
    order = sorted(range(len(shares)), key=lambda i: -shares[i])
    held, names = 0.0, []
    for i in order:
        names.append(sources[i])
        held += shares[i]
        if held >= CLEAR_SOURCE * total:
            break
    return "|".join(sorted(names, key=list(sources).index))


def _changes(shares: np.ndarray) -> list[int]:
    """Return the bins at which the most probable course of sources changes, given what a change costs."""
    if shares.shape[1] == 1 or (best := shares.argmax(axis=1)).min() == best.max():
        return []
    score = np.log(np.maximum(shares, 1e-6))
    total, back = score[0], np.empty(shares.shape, dtype=np.int64)
    for i in range(1, len(score)):
        top = int(total.argmax())
        stays = total >= total[top] - _CHANGE
        back[i] = np.where(stays, np.arange(len(total)), top)
        total = np.maximum(total, total[top] - _CHANGE) + score[i]
    state = int(total.argmax())
    cuts = []
    for i in range(len(score) - 1, 0, -1):
        before = int(back[i, state])
        if before != state:
            cuts.append(i)
            state = before
    return cuts[::-1]
