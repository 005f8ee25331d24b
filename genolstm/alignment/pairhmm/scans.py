"""Gap values along a row of the pair-HMM's matrix, without computing one cell after the other.

A gap's value is a recurrence along the row, y[j] = e y[j - 1] + u[j], which a processor would compute
one multiplication at a time. Rows are therefore cut into lanes of ``LANE`` columns.
Within lanes, the reach of sums is doubled three times, for all columns at once; then one value per
lane is carried on, and is added to the lane's columns once all are known.
"""

from __future__ import annotations

import numpy as np

from genolstm.compiled import compiled
from genolstm.spans import span

LANE = 8
PAD = LANE
"""Number of readable columns before a row's first; they hold zeros."""
_FAST = {"nnan", "ninf", "nsz", "contract"}


@compiled(inner=True)
def weights(e, size):
    """Return what reaches a column, float32 (4, size).

    Rows 0 to 2: e, e**2, e**4 if the column 1, 2 or 4 before is in the same lane, else 0; row 3:
    the power of e that multiplies what is carried into the lane.
    """
    out = np.zeros((4, size), np.float32)
    powers = np.empty(LANE + 1, np.float32)
    powers[0] = 1.0
    for k in range(LANE):
        powers[k + 1] = powers[k] * e
    for j in range(min(size, LANE)):
        for step in range(3):
            if j >= 1 << step:
                out[step, j] = powers[1 << step]
        out[3, j] = powers[j + 1]
    for r in range(4):
        row = out[r]
        for j in range(size - LANE):
            row[j + LANE] = row[j]
    return out


@compiled(fastmath=_FAST, error_model="numpy", _nrt=False, inner=True)
def double(x, back, weight, out):
    """Write x + weight * back."""
    for j in range(out.size):
        out[j] = x[j] + weight[j] * back[j]


@compiled(fastmath=_FAST, error_model="numpy", _nrt=False, inner=True)
def _fill(out, x):
    for k in range(LANE):
        out[k] = x


@compiled(_nrt=False, inner=True)
def clear(values, first, stop):
    """Set values ``first`` to ``stop`` to 0."""
    for j in range(first, stop):
        values[j] = 0.0


@compiled(fastmath=_FAST, error_model="numpy", _nrt=False, inner=True)
def carry(sum1, sum2, factor, tile, first, last, power1, power2, w1, w2, into1, into2):
    """Write what enters each lane from the left, times w, for two gap kinds at a time.

    ``factor`` brings a value into the power of two of the next tile.
    """
    r1 = np.float32(0.0)
    r2 = np.float32(0.0)
    for lane in range(first, last + 1):
        a = lane * LANE
        if a % tile == 0:
            r1 *= factor[a]
            r2 *= factor[a]
        _fill(span(into1, a, a + LANE), w1 * r1)
        _fill(span(into2, a, a + LANE), w2 * r2)
        r1 = sum1[a + LANE - 1] + power1 * r1
        r2 = sum2[a + LANE - 1] + power2 * r2
