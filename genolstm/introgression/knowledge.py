"""What a panel knows at a place, read off the query's own k-mers: unknown is not absent.

Where a haplotype of a panel holds N, it lacks the query's k-mers just as if it differed. What tells the
two apart is the width: a single variant takes k starts of k-mers, whereas N takes k - 1 and its own
length. Counts along the query are therefore *closed*: gaps too narrow to be anything but variants are
filled up to their sides, wider ones stay. What is left is the number of haplotypes that are known
there, and an allele's frequency is its share of those. Closing looks only as far as the gap is wide, so
a sequence may be worked through in stretches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from genolstm.compiled import compiled

#: Share of unknown bases below which clusters of variants are likelier than N to make a gap of k + 1 starts.
RARE = 1e-5
#: Gap, in units of k, that clusters of variants do not make.
WIDE = 4
# Starts that are worked on at a time, so that they stay in the cache.
_CHUNK = 8192


@dataclass(frozen=True)
class Knowledge:
    """From which width on a gap in a panel's counts means that the panel is unknown there.

    Attributes
    ----------
    archaic
        Number of consecutive starts, for each archaic source; 0 if every base of its input is known.
    outgroup
        The same for the outgroup.
    graded
        Whether the outgroup's haplotypes may be unknown one by one, so that a frequency is a share of
        those that are known at the place.
    reach
        Number of starts on either side that are searched for what most haplotypes are known at, and for
        k-mers that most targets carry; 0 if the outgroup is known in all haplotypes or in none.
    """

    archaic: tuple[int, ...] = ()
    outgroup: int = 0
    graded: bool = False
    reach: int = 0

    @classmethod
    def of(cls, archaic: Sequence[float | None], outgroup: float | None, k: int) -> Knowledge:
        """Return what follows from the share of unknown bases that each panel states; None is not stated."""
        graded = outgroup is not None and outgroup >= RARE
        widths = tuple(_width(share, k) for share in archaic)
        return cls(widths, _width(outgroup, k), graded, WIDE * k // 2 if graded else 0)

    @property
    def context(self) -> int:
        """Number of starts on either side of a stretch that bear on what is known in it."""
        return max(*(width - 1 for width in self.archaic), max(self.outgroup - 1, self.reach) + self.reach, 0)


def _width(share: float | None, k: int) -> int:
    if share == 0:
        return 0
    return k + 1 if share is not None and share >= RARE else WIDE * k + 1


@compiled()
def _higher(one: np.ndarray, other: np.ndarray, out: np.ndarray, n: int) -> None:
    for i in range(n):
        out[i] = max(one[i], other[i])


@compiled()
def _lower(one: np.ndarray, other: np.ndarray, out: np.ndarray, n: int) -> None:
    for i in range(n):
        out[i] = min(one[i], other[i])


@compiled()
def _extremes(values: np.ndarray, spare: np.ndarray, n: int, width: int, lowest: bool) -> bool:
    """Take the extreme of ``values[i : i + width]`` for every i; return whether it now lies in ``spare``."""
    span, turned = 1, False
    while span < width:
        step = min(span, width - span)
        n -= step
        source, out = (spare, values) if turned else (values, spare)
        if lowest:
            _lower(source, source[step:], out, n)
        else:
            _higher(source, source[step:], out, n)
        span += step
        turned = not turned
    return turned


@compiled()
def _load(counts: np.ndarray, start: int, n: int, any_count: bool, out: np.ndarray) -> None:
    """Copy counts from ``start`` on; before and after the sequence nothing is known."""
    low = min(max(-start, 0), n)
    high = max(min(counts.shape[0] - start, n), low)
    out[:low] = 0
    out[high:n] = 0
    piece = counts[start + low : start + high]
    if any_count:
        for i in range(high - low):
            out[low + i] = min(piece[i], 1)
    else:
        out[low:high] = piece


@compiled()
def _closed(
    counts: np.ndarray, start: int, n: int, width: int, any_count: bool, one: np.ndarray, two: np.ndarray
) -> np.ndarray:
    """Fill the gaps in the counts of starts [start, start + n)."""
    loaded = n + 2 * (width - 1)
    _load(counts, start - width + 1, loaded, any_count, one)
    source, spare = one, two
    if _extremes(source, spare, loaded, width, False):
        source, spare = spare, source
    if _extremes(source, spare, n + width - 1, width, True):
        source = spare
    return source[:n]


@compiled()
def _known_at_all(counts: np.ndarray, width: int, known: np.ndarray) -> None:
    size = min(_CHUNK, counts.shape[0]) + 2 * (width - 1)
    one = np.empty(size, np.uint16)
    two = np.empty(size, np.uint16)
    for start in range(0, counts.shape[0], _CHUNK):
        n = min(_CHUNK, counts.shape[0] - start)
        known[start : start + n] = _closed(counts, start, n, width, True, one, two)


@compiled()
def _known_haplotypes(
    counts: np.ndarray, width: int, reach: int, target: np.ndarray, many: int, known: np.ndarray
) -> None:
    wide = min(_CHUNK, counts.shape[0]) + 2 * reach
    size = wide + 2 * max(width - 1, reach)
    one = np.empty(size, np.uint16)
    two = np.empty(size, np.uint16)
    closed = np.empty(wide, np.uint16)
    carried = np.empty(wide, np.uint16)
    unknown = np.empty(wide, np.bool_)
    for start in range(0, counts.shape[0], _CHUNK):
        n = min(_CHUNK, counts.shape[0] - start)
        # What the targets carry bears on what is known as far as ``reach`` away.
        first, m = start - reach, n + 2 * reach
        closed[:m] = _closed(counts, first, m, width, False, one, two)
        _load(counts, first - reach, m + 2 * reach, False, one)
        most = two if _extremes(one, two, m + 2 * reach, 2 * reach + 1, False) else one
        low = False
        for i in range(reach, reach + n):
            if 2 * np.int32(closed[i]) < np.int32(most[i]):
                low = True
        out = known[start : start + n]
        out[:] = closed[reach : reach + n]
        if not low:
            continue
        if many == 0:
            for i in range(n):
                if 2 * np.int32(out[i]) < np.int32(most[reach + i]):
                    out[i] = 0
            continue
        _load(target, first, m, False, carried)
        unknown[:m] = False
        for backward in range(2):
            last = -1  # the last start in this gap that most targets carry
            for at in range(m):
                i = m - 1 - at if backward else at
                if 2 * np.int32(closed[i]) >= np.int32(most[i]):
                    last = -1
                    continue
                if np.int32(carried[i]) >= many:
                    last = i
                if last >= 0 and abs(i - last) <= reach:
                    unknown[i] = True
        for i in range(n):
            if 2 * np.int32(out[i]) < np.int32(most[reach + i]):
                out[i] = 0 if unknown[reach + i] else most[reach + i]


def known_haplotypes(
    counts: np.ndarray, width: int, reach: int = 0, target: np.ndarray | None = None, many: int = 0
) -> np.ndarray:
    """Estimate how many haplotypes of a panel are known at each start of a k-mer.

    Parameters
    ----------
    counts
        uint16, shape (starts,): how many haplotypes carry the k-mer. What lies before and after counts
        as 0.
    width
        Gaps of fewer starts are variants and are filled.
    reach
        If positive, places where fewer than half as many are known as at some start within so many on
        either side are doubtful.
    target, many
        How many targets carry each k-mer, and how many of them are most. Doubtful places are unknown
        if such a k-mer lies in the same run of them within reach; the others are variants, and as many
        are known as nearby. Without targets (``many`` is 0), doubtful places are unknown.

    Returns
    -------
    numpy.ndarray
        uint16, shape (starts,); 0 where nothing is known.
    """
    known = np.empty(len(counts), dtype=np.uint16)
    _known_haplotypes(counts, width, reach, counts if target is None else target, many, known)
    return known


@compiled()
def forget_where_common(known: np.ndarray, counts: np.ndarray, target: np.ndarray, common: int, near: int) -> None:
    """Set ``known`` to 0 where no haplotype carries what nearly all targets do.

    Single unknown bases make gaps as wide as single variants do. But what the whole outgroup lacks and
    nearly all targets carry is rather unknown there than archaic in them all.

    Parameters
    ----------
    known, counts, target
        Haplotypes that are known at each start, and haplotypes and targets that carry the k-mer there,
        each of shape (starts,).
    common
        Number of targets that are nearly all.
    near
        Absent k-mers in one run with such a k-mer, and up to so many starts away, are unknown, too.
    """
    n = counts.shape[0]
    # There is rarely anything to do, and looking for it alone is fast.
    found = 0
    for i in range(n):
        found += (counts[i] == 0) & (target[i] >= common)
    if found == 0:
        return
    for backward in range(2):
        last = -1
        for at in range(n):
            i = n - 1 - at if backward else at
            if counts[i] > 0:
                last = -1
                continue
            if target[i] >= common:
                last = i
            if last >= 0 and abs(i - last) <= near:
                known[i] = 0


def known_at_all(counts: np.ndarray, width: int) -> np.ndarray:
    """Tell where any haplotype of a panel is known, as :func:`known_haplotypes` does, by 1 or 0."""
    known = np.empty(len(counts), dtype=np.uint16)
    _known_at_all(counts, width, known)
    return known
