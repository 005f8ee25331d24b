"""Intervals, and how posteriors become segments."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from genolstm.introgression.settings import DecodeSettings


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
    in it (outgroup frequency of at most 5 %), ``n_match`` those of them that the archaic carries.
    """

    chrom: str
    start: int
    end: int
    sample: str
    haplotype: str
    posterior: float
    n_sites: int
    n_match: int


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
        Probability of archaic ancestry, shape (haplotypes, bins), float32.
    rare_match, rare_differ
        Number of rare variants that the archaic carries, and does not, in units of sites; same shape.
    length
        Length of the sequence in bp; may be None before the last block.
    last
        Whether the sequence ends here.
    """

    chrom: str
    haplotypes: Sequence[tuple[str, str]]
    first_bin: int
    posterior: np.ndarray
    rare_match: np.ndarray
    rare_differ: np.ndarray
    length: int | None = None
    last: bool = True


@dataclass
class _Open:
    """A run of bins above the threshold that may continue in the next block."""

    start: float
    total: float = 0.0
    bins: int = 0
    match: float = 0.0
    differ: float = 0.0


@dataclass
class SegmentDecoder:
    """Turns posterior blocks, in order, into segments.

    The edge of a segment is where the line between the posteriors of two bin centres crosses the
    threshold, so edges are finer than bins. A segment that includes the first bin begins at its
    start, and one that includes the last bin runs to the end of the sequence.
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
        threshold, size = self.settings.threshold, self.bin_size
        posterior = block.posterior
        n_bins = posterior.shape[1]
        inside = posterior >= threshold
        found: list[Segment] = []
        for h, name in enumerate(block.haplotypes):
            key = (name[0], name[1])
            was_open = key in self._open
            row = inside[h]
            if not was_open and not row.any():
                continue
            steps = np.flatnonzero(np.diff(row.astype(np.int8), prepend=np.int8(was_open)))
            at = 0
            for step in [*steps.tolist(), n_bins]:
                run = self._open.get(key)
                if run is not None and step > at:
                    run.total += float(posterior[h, at:step].sum(dtype=np.float64))
                    run.bins += step - at
                    run.match += float(block.rare_match[h, at:step].sum(dtype=np.float64))
                    run.differ += float(block.rare_differ[h, at:step].sum(dtype=np.float64))
                if step == n_bins:
                    break
                here = float(posterior[h, step])
                before = self._previous(posterior, h, step)
                edge = self._crossing(before, here, step + block.first_bin, block.length)
                if run is None:
                    self._open[key] = _Open(edge)
                else:
                    found += self._close(key, block.chrom, run, edge)
                at = step
            if block.last and key in self._open:
                end = (block.first_bin + n_bins) * size
                if block.length is not None:
                    end = min(end, block.length)
                found += self._close(key, block.chrom, self._open[key], end)
        self._before = None if block.last else posterior[:, -1].copy()
        if block.last:
            self._chrom = None
        return sorted(found)

    def _previous(self, posterior: np.ndarray, h: int, step: int) -> float | None:
        if step > 0:
            return float(posterior[h, step - 1])
        return None if self._before is None else float(self._before[h])

    def _crossing(self, before: float | None, here: float, bin_number: int, length: int | None) -> float:
        """Return where the posterior crosses the threshold around the left edge of a bin."""
        size = self.bin_size
        edge = bin_number * size
        if before is None:
            return edge
        end = edge + size if length is None else min(edge + size, length)
        left, right = edge - size / 2, (edge + end) / 2  # the last bin may be short
        return left + (self.settings.threshold - before) / (here - before) * (right - left)

    def _close(self, key: tuple[str, str], chrom: str, run: _Open, end: float) -> list[Segment]:
        del self._open[key]
        start, stop = max(round(run.start), 0), round(end)
        if stop - start < max(self.settings.min_length, 1):
            return []
        match, differ = round(run.match), round(run.differ)
        return [Segment(chrom, start, stop, *key, run.total / run.bins, match + differ, match)]
