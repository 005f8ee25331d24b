"""Edit distances of many pairs, 64 cells at a time: a cheap check before exact scoring.

References
----------
Myers 1999, J ACM 46:395; Hyyro 2003 (blocks).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from genolstm.alignment.search.columns import LANES, add_column
from genolstm.compiled import compiled
from genolstm.sequences.packed import PackedSequences
from genolstm.threads import worker_pool

_CHUNK = 1024
_TOGETHER = 64
"""Number of references that one query is compared with at a time."""
_ONE = np.uint64(1)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_ZERO = np.uint64(0)


@compiled()
def _lines(query, lines):
    """Write, for each base, the query positions that may hold it, (words * 4,)."""
    lines[:] = _ZERO
    for i in range(query.size):
        for base in range(4):
            if query[i] >> base & 1:
                lines[4 * (i >> 6) + base] |= _ONE << np.uint64(i & 63)


@compiled()
def _distances(letters, starts, others, other_starts, pairs, first, last, free, out):
    query, words = np.zeros(4, np.uint64), 1
    letter, length = np.zeros(_TOGETHER, np.uint64), np.zeros(_TOGETHER, np.int64)
    score, best = np.zeros(_TOGETHER, np.int64), np.zeros(_TOGETHER, np.int64)
    positive, negative = np.zeros(_TOGETHER, np.uint64), np.zeros(_TOGETHER, np.uint64)
    known, at = -1, first
    while at < last:
        i = pairs[at, 0]
        n = starts[i + 1] - starts[i]
        if i != known:
            words = (n + 63) // 64
            query = np.zeros(4 * words, np.uint64)
            if words * _TOGETHER > positive.size:
                positive = np.zeros(words * _TOGETHER, np.uint64)
                negative = np.zeros(words * _TOGETHER, np.uint64)
            _lines(letters[starts[i] : starts[i + 1]], query)
            known = i
        stop = at + 1
        while stop < last and stop < at + _TOGETHER and pairs[stop, 0] == i:
            stop += 1
        lanes = (stop - at + LANES - 1) // LANES * LANES
        longest = np.int64(0)
        for k in range(lanes):
            j = pairs[min(at + k, stop - 1), 1]
            length[k] = other_starts[j + 1] - other_starts[j]
            longest = max(longest, length[k])
        positive[: words * lanes] = _ALL
        negative[: words * lanes] = _ZERO
        score[:lanes] = n
        best[:lanes] = n
        for column in range(longest):
            for k in range(stop - at):
                j = other_starts[pairs[at + k, 1]]
                letter[k] = others[j + column] if column < length[k] else 0
            add_column(
                letter[:lanes], query, positive, negative, score, best, length, column, words, (n - 1) & 63, free
            )
        for k in range(stop - at):
            out[at + k] = best[k]
        at = stop


def edit_distances(
    queries: PackedSequences,
    references: PackedSequences,
    pairs: npt.NDArray[np.int64],
    *,
    within: bool = False,
    threads: int = 0,
) -> npt.NDArray[np.int32]:
    """Return the edit distance of each pair.

    Parameters
    ----------
    queries, references
        Sequences packed by :func:`genolstm.sequences.packed.pack`; none may be empty. Letters that
        may be equal count as equal.
    pairs
        Indices of query and reference, (k, 2); fastest if sorted by query.
    within
        Compare the query with the most similar part of the reference only.
    threads
        Threads to use; 0 means all cores.

    Returns
    -------
    numpy.ndarray
        Distances, int32 (k,).
    """
    pairs = np.ascontiguousarray(pairs, dtype=np.int64).reshape(-1, 2)
    out = np.empty(len(pairs), dtype=np.int32)

    def work(first: int) -> None:
        _distances(
            queries.letters,
            queries.starts,
            references.letters,
            references.starts,
            pairs,
            first,
            min(first + _CHUNK, len(pairs)),
            within,
            out,
        )

    with worker_pool(threads) as pool:
        list(pool.map(work, range(0, len(pairs), _CHUNK)))
    return out


@compiled()
def kth_smallest(pairs, values, queries, k):
    """Return, for each query, the ``k``-th smallest of the values of its pairs, or the largest if it has fewer.

    Values are not negative; pairs are sorted by query.
    """
    out = np.zeros(queries, np.int64)
    at = 0
    while at < pairs.shape[0]:
        i, stop, top = pairs[at, 0], at, 0
        while stop < pairs.shape[0] and pairs[stop, 0] == i:
            top = max(top, values[stop])
            stop += 1
        count = np.zeros(top + 1, np.int64)
        for j in range(at, stop):
            count[values[j]] += 1
        total, value = count[0], 0
        while total < k and value < top:
            value += 1
            total += count[value]
        out[i] = value
        at = stop
    return out
