"""Edit distances of many pairs, 64 cells at a time: a cheap check before exact scoring.

References
----------
Myers 1999, J ACM 46:395; Hyyro 2003 (blocks).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from genolstm.compiled import compiled
from genolstm.sequences.packed import PackedSequences
from genolstm.threads import worker_pool

_CHUNK = 1024
_ONE = np.uint64(1)
_TOP = np.uint64(63)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_ZERO = np.uint64(0)


@compiled()
def _lines(query, lines):
    """Write, for every letter (bit mask), the query positions where it may match."""
    lines[:] = _ZERO
    for i in range(query.size):
        bit = _ONE << np.uint64(i & 63)
        for mask in range(1, 16):
            if mask & query[i]:
                lines[mask, i >> 6] |= bit


@compiled()
def _distance(lines, n, reference, free, positive, negative):
    """Return the number of edits between a query of ``n`` letters and (a part of) the reference."""
    words = (n + 63) // 64
    last = _ONE << np.uint64((n - 1) & 63)
    for w in range(words):
        positive[w], negative[w] = _ALL, _ZERO
    score, best = n, n
    for letter in reference:
        carry = 0 if free else 1
        for w in range(words):
            equal, pv, mv = lines[letter, w], positive[w], negative[w]
            xv = equal | mv
            if carry < 0:
                equal |= _ONE
            xh = (((equal & pv) + pv) ^ pv) | equal
            ph = mv | ~(xh | pv)
            mh = pv & xh
            top = last if w == words - 1 else _ONE << _TOP
            out = 0
            if ph & top:
                out = 1
            elif mh & top:
                out = -1
            ph, mh = ph << _ONE, mh << _ONE
            if carry < 0:
                mh |= _ONE
            elif carry > 0:
                ph |= _ONE
            positive[w], negative[w] = mh | ~(xv | ph), ph & xv
            carry = out
        score += carry
        best = min(best, score)
    return best if free else score


@compiled()
def _distances(letters, starts, others, other_starts, pairs, first, last, free, out):
    lines = np.zeros((16, 1), np.uint64)
    positive, negative = np.zeros(1, np.uint64), np.zeros(1, np.uint64)
    known = -1
    for k in range(first, last):
        i, j = pairs[k, 0], pairs[k, 1]
        query = letters[starts[i] : starts[i + 1]]
        if i != known:
            words = (query.size + 63) // 64
            if words > lines.shape[1]:
                lines = np.zeros((16, words), np.uint64)
                positive, negative = np.zeros(words, np.uint64), np.zeros(words, np.uint64)
            _lines(query, lines)
            known = i
        reference = others[other_starts[j] : other_starts[j + 1]]
        out[k] = _distance(lines, query.size, reference, free, positive, negative)


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
