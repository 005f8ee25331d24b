"""Intervals, and how posteriors become segments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from genolstm.introgression.settings import LEAST_CALLABLE, UNKNOWN_SOURCE, UNNAMED, DecodeSettings

#: Share of a segment's archaic probability that one source must have for the segment to be called after it alone.
CLEAR_SOURCE = 0.75
#: Least posterior of a bin in a segment, where the threshold is chosen on the data; and one that is less.
LEAST_THRESHOLD, _BELOW = 0.2, 0.1999
#: Least posterior of a bin that resembles none of the archaics that are given, where the threshold is chosen on the
#: data: only rare variants speak for it, and in real data more things make these than in simulations.
LEAST_UNKNOWN = 0.5
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

    ``posterior`` is the mean over its bins; ``n_sites`` counts its informative sites: the rare variants of the
    haplotype in it (outgroup frequency of at most 5 %) at which an archaic is known; ``n_match`` those of them
    that a given archaic carries (all, if none was given). ``source`` is the archaic that it resembles,
    ``unknown`` if none of those given, or several names joined by ``|`` if it cannot be told; ``shares`` are
    the mean posteriors of each source and of an unknown one.
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
    sites
        Informative sites of these bins, by position (see :func:`~genolstm.introgression.sites.site_type`); None
        if they are not told: then a segment's are counted by its rare variants, in units of sites.
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
    sites: np.ndarray | None = None

    def known(self) -> np.ndarray:
        """Return where there is evidence, shape (haplotypes, bins), bool."""
        exists = ~np.isnan(self.posterior)
        return exists if self.callable is None else exists & (self.callable >= LEAST_CALLABLE)

    def doubtful(self) -> np.ndarray:
        """Return what is more likely modern, and otherwise like none of the archaics given; same shape, bool."""
        if self.shares is None or len(self.sources) < 2:
            return np.zeros(self.posterior.shape, dtype=bool)
        with np.errstate(invalid="ignore"):
            nobody = self.shares[:, :, -1] >= CLEAR_SOURCE * self.posterior
            found: np.ndarray = nobody & (self.posterior < LEAST_UNKNOWN)
        return found


@dataclass
class _Open:
    """A run of bins above the threshold that may continue in the next block."""

    chrom: str
    sources: tuple[str, ...]
    #: Posterior of the bin before it; NaN if it is not known.
    before: float
    located: bool
    #: Of the bins so far: their numbers, shares of each source, rare matches and differences.
    at: list[np.ndarray] = field(default_factory=list)
    shares: list[np.ndarray] = field(default_factory=list)
    evidence: list[np.ndarray] = field(default_factory=list)
    #: Bins without evidence since the last one with evidence.
    gap: int = 0


class _Run(NamedTuple):
    """A whole run of bins: their numbers, shares and evidence, and the posteriors of the bins beside it."""

    chrom: str
    sample: str
    haplotype: str
    sources: tuple[str, ...]
    at: np.ndarray
    shares: np.ndarray
    evidence: np.ndarray
    before: float
    after: float
    length: int | None
    #: Whether its sites are told one by one.
    located: bool


#: What is kept of a site that is only counted.
_COUNTED = np.dtype([("position", np.int64), ("match", np.bool_)])


def _counted(sites: np.ndarray) -> np.ndarray:
    """Return of sites what is needed to count them."""
    small = np.empty(len(sites), dtype=_COUNTED)
    small["position"], small["match"] = sites["position"], sites["match"]
    return small


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

    If the settings hold no threshold, what lies above :data:`LEAST_THRESHOLD` is kept until
    :meth:`decide` is told one; but nothing :meth:`~PosteriorBlock.doubtful`.

    With ``keep_sites``, ``evidence`` holds the sites of each segment that was returned. Beyond ``most_sites`` of
    what may become one, this is given up: ``keep_sites`` is then false, and sites are counted only, as without it.
    """

    settings: DecodeSettings
    bin_size: int
    keep_sites: bool = False
    most_sites: int | None = None
    evidence: dict[Interval, np.ndarray] = field(default_factory=dict)
    _sites: dict[tuple[str, str, str], list[np.ndarray]] = field(default_factory=dict)
    _open: dict[tuple[str, str], _Open] = field(default_factory=dict)
    _before: np.ndarray | None = None
    _chrom: str | None = None
    _held: list[_Run] = field(default_factory=list)
    #: Sites that were held whole so far.
    _whole: int = 0

    @property
    def floor(self) -> float:
        """Posterior from which on a bin may be in a segment."""
        return LEAST_THRESHOLD if self.settings.threshold is None else self.settings.threshold

    def add(self, block: PosteriorBlock) -> list[Segment]:
        """Return the segments that end in this block, sorted; none while there is no threshold."""
        if block.chrom != self._chrom:
            self._open, self._before, self._chrom = {}, None, block.chrom
        known, posterior = block.known(), block.posterior
        if self.settings.threshold is None:
            posterior = np.where(block.doubtful(), np.minimum(posterior, _BELOW), posterior)
        with np.errstate(invalid="ignore"):
            labels = np.where(known, (posterior >= self.floor).astype(np.int8), np.int8(_UNKNOWN))
        self._hold(block, labels)
        found: list[Segment] = []
        for h, name in enumerate(block.haplotypes):
            key = (name[0], name[1])
            if key in self._open or (labels[h] == _IN).any():
                for run in self._runs(block, posterior[h], h, key, labels[h]):
                    if self.settings.threshold is None:
                        self._held.append(run)
                    else:
                        found += self._cut(run, self.settings.threshold)
        # The posterior of the last bin, for the edge that may lie before the next one.
        self._before = None if block.last else np.where(known[:, -1], posterior[:, -1], np.nan)
        if block.last:
            self._chrom = None
        if self.settings.threshold is not None:
            self._let_go(block)
        return sorted(found)

    def decide(self, threshold: float) -> list[Segment]:
        """Return the segments of what was kept until the threshold was known, sorted."""
        held, self._held = self._held, []
        return sorted(segment for run in held for segment in self._cut(run, max(threshold, LEAST_THRESHOLD)))

    def _hold(self, block: PosteriorBlock, labels: np.ndarray) -> None:
        """Keep the sites that may be in a segment."""
        sites = block.sites
        if sites is None:
            return
        # An edge may lie in the bin beside those of a run, which may be in another block.
        near = labels != _OUT
        near[:, 1:] |= labels[:, :-1] == _IN
        near[:, :-1] |= labels[:, 1:] == _IN
        near[:, [0, -1]] = True
        sites = sites[near[sites["row"], sites["bin"] - block.first_bin]]
        if not len(sites):
            return
        sites = sites[np.argsort(sites["row"], kind="stable")]
        rows, starts = np.unique(sites["row"], return_index=True)
        self._whole += len(sites)
        if self.keep_sites and self.most_sites is not None and self._whole > self.most_sites:
            self.keep_sites = False
            self.evidence.clear()
            for held in self._sites.values():
                held[:] = map(_counted, held)
        if not self.keep_sites:
            sites = _counted(sites)
        for row, part in zip(rows.tolist(), np.split(sites, starts[1:]), strict=True):
            sample, haplotype = block.haplotypes[row]
            self._sites.setdefault((block.chrom, sample, haplotype), []).append(part)

    def _let_go(self, block: PosteriorBlock) -> None:
        """Forget the sites that no segment can have any more."""
        if block.last:
            for sample, haplotype in block.haplotypes:
                self._sites.pop((block.chrom, sample, haplotype), None)
            return
        edge = (block.first_bin + block.posterior.shape[1] - 1) * self.bin_size
        for sample, haplotype in block.haplotypes:
            key = block.chrom, sample, haplotype
            if key in self._sites and (sample, haplotype) not in self._open:
                sites = self._sites[key][-1]
                self._sites[key] = [sites[np.searchsorted(sites["position"], edge) :].copy()]

    def _within(self, whole: Interval) -> np.ndarray:
        """Return the sites of a stretch."""
        parts = self._sites.get((whole.chrom, whole.sample, whole.haplotype))
        if not parts:
            return np.empty(0, dtype=_COUNTED)
        if len(parts) > 1:
            parts[:] = [np.concatenate(parts)]
        low, high = np.searchsorted(parts[0]["position"], [whole.start, whole.end])
        return parts[0][low:high]

    def _runs(
        self, block: PosteriorBlock, posterior: np.ndarray, h: int, key: tuple[str, str], labels: np.ndarray
    ) -> Iterator[_Run]:
        size, n_bins = self.bin_size, len(labels)
        starts = [0, *(np.flatnonzero(np.diff(labels)) + 1).tolist()]
        for start, stop in zip(starts, [*starts[1:], n_bins], strict=True):
            label = labels[start]
            run = self._open.get(key)
            if label == _UNKNOWN:
                if run is not None:
                    run.gap += stop - start
                    if run.gap * size > self.settings.bridge - 2 * size:  # it may reach into the bins beside it
                        yield self._closed(key, run, block.length)
                continue
            if label == _OUT:
                if run is not None:
                    after = np.nan if run.gap else float(posterior[start])
                    yield self._closed(key, run, block.length, after)
                continue
            if run is None:
                run = _Open(
                    block.chrom,
                    block.sources,
                    self._posterior_before(block, posterior, h, start),
                    block.sites is not None,
                )
                self._open[key] = run
            run.gap = 0
            run.at.append(np.arange(start, stop) + block.first_bin)
            run.shares.append(
                block.posterior[h, start:stop, None] if block.shares is None else block.shares[h, start:stop]
            )
            run.evidence.append(np.stack([block.rare_match[h, start:stop], block.rare_differ[h, start:stop]], axis=1))
        if block.last and key in self._open:
            yield self._closed(key, self._open[key], block.length)

    def _posterior_before(self, block: PosteriorBlock, posterior: np.ndarray, h: int, step: int) -> float:
        """Return the posterior of the bin before one; NaN if there is none, or nothing is known of it."""
        if step == 0:
            return np.nan if self._before is None else float(self._before[h])
        known = block.callable is None or block.callable[h, step - 1] >= LEAST_CALLABLE
        return float(posterior[step - 1]) if known else np.nan

    def _closed(self, key: tuple[str, str], run: _Open, length: int | None, after: float = np.nan) -> _Run:
        del self._open[key]
        at, shares, evidence = (np.concatenate(part) for part in (run.at, run.shares, run.evidence))
        return _Run(run.chrom, *key, run.sources, at, shares, evidence, run.before, after, length, run.located)

    def _cut(self, run: _Run, threshold: float) -> list[Segment]:
        """Return the segments of a run of bins."""
        posterior = run.shares.sum(axis=1, dtype=np.float64)
        inside = np.concatenate([[False], posterior >= threshold, [False]])
        edges = np.flatnonzero(np.diff(inside))
        at, n = run.at, len(run.at)
        found: list[Segment] = []
        for first, last in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            # The bins beside these: of the run, or beside the run; unknown if numbers are missing between.
            before, after = run.before, run.after
            if first > 0:
                before = posterior[first - 1] if at[first] - at[first - 1] == 1 else np.nan
            if last < n:
                after = posterior[last] if at[last] - at[last - 1] == 1 else np.nan
            start = self._crossing(int(at[first]), before, posterior[first], threshold, run.length)
            stop = self._crossing(int(at[last - 1]) + 1, posterior[last - 1], after, threshold, run.length)
            shares, evidence = (part[first:last].astype(np.float64) for part in (run.shares, run.evidence))
            cuts = [0, *_changes(shares), last - first]
            for low, high in pairwise(cuts):
                begin = start if low == 0 else float(at[first + low] * self.bin_size)
                end = stop if high == last - first else float(at[first + high] * self.bin_size)
                found += self._segment(run, begin, end, shares[low:high], evidence[low:high])
        return found

    def _crossing(self, step: int, before: float, here: float, threshold: float, length: int | None) -> float:
        """Return where the posterior crosses the threshold around the left edge of a bin."""
        size = self.bin_size
        edge = step * size
        if np.isnan(before) or np.isnan(here):
            return edge if length is None else min(edge, length)
        end = edge + size if length is None else min(edge + size, length)
        left, right = edge - size / 2, (edge + end) / 2  # the last bin may be short
        return left + (threshold - before) / (here - before) * (right - left)

    def _segment(self, run: _Run, start: float, stop: float, shares: np.ndarray, evidence: np.ndarray) -> list[Segment]:
        """Return a segment, unless it is too short or has no site."""
        whole = Interval(run.chrom, max(round(start), 0), round(stop), run.sample, run.haplotype)
        if run.located:
            inside = self._within(whole)
            match = int(np.count_nonzero(inside["match"]))
            differ = len(inside) - match
        else:
            inside = None
            match, differ = (int(count + 0.5) for count in evidence.sum(axis=0))
        means = tuple(shares.mean(axis=0).tolist())
        source = source_of(means, run.sources)
        sites = match + differ if source == UNKNOWN_SOURCE else match
        if whole.end - whole.start < max(self.settings.min_length, 1) or sites < 1:
            return []
        if self.keep_sites and inside is not None:
            self.evidence[whole] = inside.copy()
        return [Segment(*whole, sum(means), match + differ, match, source, means)]


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
