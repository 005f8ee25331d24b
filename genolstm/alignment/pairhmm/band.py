"""Where a long alignment can lie: a band around a chain of exact matches.

Anchors are k-mers that occur once in either sequence and match exactly, with k long enough for
chance matches to be rare; the longest chain of them that rises in both sequences is the cheap
path. Between two anchors the band takes in the *whole* rectangle and a margin: the more two
sequences differ, the fewer their anchors and the wider the band, up to the whole matrix.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from genolstm.alignment.pairhmm.decode import heaviest_chain
from genolstm.compiled import compiled
from genolstm.sequences.masks import BASE_OF_MASK, Masks

TABLE_K = 9
"""Up to this length k-mers are looked up in a table of all, beyond it in a sorted list."""


@dataclass(frozen=True)
class Band:
    """Columns that each row of the recursion visits, over boundaries 0 to n.

    Attributes
    ----------
    lo, hi
        First and last column of each row, int64 (n + 1,), neither ever falling.
    """

    lo: npt.NDArray[np.int64]
    hi: npt.NDArray[np.int64]

    @property
    def cells(self) -> int:
        """Cells within the band."""
        return int((self.hi - self.lo + 1).sum())

    @classmethod
    def full(cls, n: int, m: int) -> Band:
        """Return the whole matrix."""
        return cls(np.zeros(n + 1, dtype=np.int64), np.full(n + 1, m, dtype=np.int64))

    def edge(self, rows: npt.NDArray[np.int32], columns: npt.NDArray[np.int32], m: int) -> npt.NDArray[np.bool_]:
        """Return which matches (0-based residues) lie at a side of the band that could be wider."""
        lo, hi = self.lo[rows + 1], self.hi[rows + 1]
        j = columns.astype(np.int64) + 1
        near: npt.NDArray[np.bool_] = ((j <= lo + 2) & (lo > 0)) | ((j >= hi - 2) & (hi < m))
        return near


@compiled()
def _kmers(bases, k):
    """Return the k-mer that begins at each base as a number, -1 where a base is uncertain."""
    out = np.full(max(bases.size - k + 1, 0), -1, np.int64)
    mask = (np.int64(1) << (2 * k)) - 1
    x = np.int64(0)
    run = 0
    for i in range(bases.size):
        if bases[i] > 3:
            run = 0
            continue
        x = ((x << 2) | bases[i]) & mask
        run += 1
        if run >= k:
            out[i - k + 1] = x
    return out


def _once(kmers: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the k-mers that occur once, sorted, and where they begin."""
    order = np.argsort(kmers, kind="stable")
    x = kmers[order]
    other = np.concatenate([[True], x[1:] != x[:-1], [True]])
    keep = other[:-1] & other[1:] & (x >= 0)
    return x[keep], order[keep]


def anchors(rows: Masks, columns: Masks, k: int | None = None) -> npt.NDArray[np.int64]:
    """Return the longest rising chain of shared unique k-mers.

    Returns
    -------
    numpy.ndarray
        int64 (a, 2): where the k-mers' middle bases lie in the two sequences.
    """
    if k is None:
        k = math.ceil(math.log(max(len(rows), 4) * max(len(columns), 4), 4)) + 3
    k = min(max(k, 8), 31)
    # The shorter sequence is sorted, the longer one only looked up in it.
    flipped = len(rows) > len(columns)
    short, long = (columns, rows) if flipped else (rows, columns)
    a, at_a = _once(_kmers(BASE_OF_MASK[short], k))
    if not len(a):
        return np.empty((0, 2), dtype=np.int64)
    kmers = _kmers(BASE_OF_MASK[long], k)
    place = np.minimum(np.searchsorted(a, kmers), len(a) - 1)
    hits = np.flatnonzero(a[place] == kmers)
    b, at_b = _once(kmers[hits])
    i, j = at_a[np.searchsorted(a, b)], hits[at_b]
    if flipped:
        i, j = j, i
    order = np.argsort(i)
    i, j = i[order], j[order]
    chain, _ = heaviest_chain(i, j, np.ones(len(i)), len(columns), 0.0)
    return np.stack([i[chain], j[chain]], axis=1) + k // 2


def band_around(chain: npt.NDArray[np.int64], n: int, m: int, width: int) -> Band:
    """Return the band of ``width`` columns on either side of a chain, rectangles between links."""
    i = np.concatenate([[0], chain[:, 0] + 1, [n]])
    j = np.concatenate([[0], chain[:, 1] + 1, [m]])
    # Row r lies between the links before and after it.
    rows = np.arange(n + 1)
    before = np.clip(np.searchsorted(i, rows, side="right") - 1, 0, len(i) - 1)
    after = np.clip(np.searchsorted(i, rows, side="left"), 0, len(i) - 1)
    # Gaps may shift by as much as they are long, so that an anchor's own row is no bottleneck.
    lo = np.maximum(j[before] - width, 0)
    hi = np.minimum(j[after] + width, m)
    lo = np.minimum.accumulate(lo[::-1])[::-1]
    hi = np.maximum.accumulate(hi)
    lo[0], hi[n] = 0, m
    return Band(lo.astype(np.int64), hi.astype(np.int64))


@compiled()
def shared_kmers(query, reference):
    """Return the shorter sequence's k-mers that the longer one has, too.

    Takes bit masks. Returns how many; of how many; the share expected by chance; k. The sequences
    are too short for any if there are none.
    """
    short, long = (query, reference) if query.size <= reference.size else (reference, query)
    k = min(max(math.ceil(math.log(max(long.size, 4)) / math.log(4.0)) + 2, 6), 20)
    if short.size < k + 4:
        return 0, 0, 0.0, k
    own, others = _kmers(BASE_OF_MASK[short], k), _kmers(BASE_OF_MASK[long], k)
    total = (own >= 0).sum()
    if not (others >= 0).any():
        return 0, 0, 0.0, k
    hits = 0
    if k <= TABLE_K:
        there = np.zeros(1 << (2 * k), np.bool_)
        for x in others:
            if x >= 0:
                there[x] = True
        for x in own:
            hits += x >= 0 and there[x]
    else:
        known = np.sort(others[others >= 0])
        for x in own:
            at = np.searchsorted(known, x)
            hits += at < known.size and known[at] == x
    return hits, total, 1 - math.exp(-others.size / 4.0**k), k
