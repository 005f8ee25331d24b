"""Which part of a matrix holds the likely alignments, and the members of a family scored there.

Choosing a pair's parameters takes half a dozen forward runs. Where the first look at a pair leaves
no doubt about where its alignments lie, the others need not visit the rest of the matrix.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from genolstm.alignment.pairhmm.band import Band
from genolstm.alignment.pairhmm.kernels import GROUP
from genolstm.alignment.pairhmm.pairhmm import PairHMM
from genolstm.alignment.pairhmm.parameters import ParameterFamily
from genolstm.alignment.region import Region
from genolstm.compiled import compiled

LEAST_CELLS = 1 << 14
"""Of smaller matrices all is visited each time."""
CUTOFF = 1e-6
MARGIN = 16
"""Columns on either side of matches whose posterior reaches the cutoff."""
MOST = 0.6
"""A band that holds a larger part of the matrix is not worth having."""
CLEAR_KMERS = 40
FAR = 0.8
"""Where the parameters chosen are this far from those of the first look, in log divergence, the
whole matrix is looked at again."""


@compiled()
def _around(rows, columns, n, m, margin, lo, hi):
    """Write the band around matches (0-based residues), the same for all rows of a group."""
    lo[:] = m
    hi[:] = 0
    for k in range(rows.size):
        i, j = rows[k] + 1, columns[k] + 1
        lo[i] = min(lo[i], j)
        hi[i] = max(hi[i], j)
    # Rows without a match are those of a gap; a gap of columns lies in the row before a match.
    for i in range(n - 1, -1, -1):
        lo[i] = min(lo[i], lo[i + 1])
    lo[0] = 0
    hi[n] = m
    for i in range(1, n + 1):
        hi[i] = max(hi[i], hi[i - 1])
    for i in range(n):
        hi[i] = max(hi[i], lo[i + 1])
    for i in range(1, n + 1):
        hi[i] = max(hi[i], hi[i - 1])
        lo[i] = min(lo[i], hi[i - 1])
    for i in range(n, 0, -1):
        lo[i - 1] = min(lo[i - 1], lo[i])
    for first in range(0, n, GROUP):
        last = min(first + GROUP, n)
        low, high = max(lo[first + 1] - margin, 0), min(hi[last] + margin, m)
        for i in range(first + 1, last + 1):
            lo[i], hi[i] = low, high
    lo[0], hi[0] = 0, hi[1]


def narrow(hmm: PairHMM, region: Region) -> Region:
    """Return a region with a band around all matches that are likely at all.

    The region itself where it has a band, is small, or likely matches are all over it.
    """
    if region.band is not None or region.cells < LEAST_CELLS:
        return region
    rows, columns = hmm.likely_matches(CUTOFF)
    if not len(rows):
        return region
    lo, hi = np.empty(hmm.n + 1, dtype=np.int64), np.empty(hmm.n + 1, dtype=np.int64)
    _around(rows, columns, hmm.n, hmm.m, MARGIN, lo, hi)
    band = Band(lo, hi)
    if band.cells > MOST * region.cells:
        return region
    return replace(region, band=band, narrowed=True)


def member_score(
    hmm: PairHMM, band: Band | None, family: ParameterFamily, background: npt.NDArray[np.float64]
) -> Callable[[float, float], float]:
    """Return a function of log divergence and log gap rate: the pair's log-odds in nats.

    Of a pair without damage and context, in a band, compiled from the member to the score.
    """
    from genolstm.alignment.pairhmm.many import _forward, family_numbers

    numbers = family_numbers(family)
    pair = hmm.plain_pair(band)

    def score(u: float, v: float) -> float:
        return float(_forward(u, v, background, numbers, *pair))

    return score


def far_from(first: float | None, chosen: float | None) -> bool:
    """Return whether two divergences differ so much that the first says little of the second."""
    return first is not None and chosen is not None and abs(math.log(chosen / first)) > FAR


def clear_strand(shared: dict[str, float]) -> str:
    """Return the strand to look at, both where k-mers shared beyond chance do not tell.

    A pair that shares dozens of them, and hardly any on the other strand, is related on this one.
    The other could come close only with inverted repeats, and those share k-mers on both.
    """
    best = max(shared, key=lambda s: shared[s])
    other = max((n for s, n in shared.items() if s != best), default=0.0)
    return best if shared[best] >= 4 * max(other, 0) + CLEAR_KMERS else "".join(shared)
