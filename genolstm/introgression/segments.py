"""Intervals and segments: what a haplotype carries, from where to where."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Interval(NamedTuple):
    """A stretch of one haplotype; positions in bp, 0-based half-open."""

    chrom: str
    start: int
    end: int
    sample: str
    haplotype: int


def merge_intervals(intervals: Iterable[Interval]) -> list[Interval]:
    """Merge overlapping and touching intervals of the same haplotype and sort them."""
    merged: list[Interval] = []
    key = lambda i: (i.chrom, i.sample, i.haplotype, i.start, i.end)  # noqa: E731
    for interval in sorted(intervals, key=key):
        last = merged[-1] if merged else None
        if (
            last is not None
            and (last.chrom, last.sample, last.haplotype)
            == (interval.chrom, interval.sample, interval.haplotype)
            and interval.start <= last.end
        ):
            merged[-1] = last._replace(end=max(last.end, interval.end))
        else:
            merged.append(interval)
    return sorted(merged, key=lambda i: (i.chrom, i.start, i.end, i.sample, i.haplotype))
