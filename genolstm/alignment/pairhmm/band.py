"""The band around the path with the fewest edits, in which the alignments of near pairs lie.

References
----------
Myers 1999, J ACM 46:395.
"""

from __future__ import annotations

import numpy as np

from genolstm.alignment.pairhmm import kernels as kn
from genolstm.compiled import compiled

SIDE = 10
"""Number of columns of the band on either side of the path, and as many more as the path leaves letters unmatched:
it may scatter over many places what is likelier in one."""
WIDEST = 80
"""Number of columns on either side beyond which a pair is not near."""
ELSEWHERE = 8
"""The band holds ends elsewhere in the reference with up to this many more edits."""
SPARE = 48
"""If a free reference is longer than the query by no more than this, the band holds all places for its ends."""
END, END_EDITS = 40, 5.0
"""Where a free reference begins or ends, a path with this many edits more than elsewhere, in at most so many letters of
the query, may have stopped short of a long gap: the band then holds both ends of the reference."""
MOST_EDITS = 0.35
"""Share of edits beyond which a pair is not near."""
SHORTEST, LONGEST = 24, 1 << 10
"""Lengths of queries that are tried."""
MOST_LETTERS = 1 << 20
"""Letters of the query times those of the reference: the path keeps two bits for each."""

_ONE = np.uint64(1)
_ZERO = np.uint64(0)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)


@compiled(apart=True)
def find_band(query, reference, free, lo, hi):
    """Write first and last column of each row's band, rows in groups of ``GROUP``; return the edits and matches.

    ``free``: whether the reference's ends are free. The number of edits is -1 if the pair is not near.
    """
    n, m = query.size, reference.size
    if n < SHORTEST or n > LONGEST or n * m > MOST_LETTERS:
        return -1, 0
    words = (n + 63) // 64
    most = int(MOST_EDITS * n)
    lines = np.zeros((16, words), np.uint64)
    for i in range(n):
        bit = _ONE << np.uint64(i & 63)
        for mask in range(1, 16):
            if mask & query[i]:
                lines[mask, i >> 6] |= bit
    positive, negative = np.empty((m + 1, words), np.uint64), np.empty((m + 1, words), np.uint64)
    for w in range(words):
        positive[0, w], negative[0, w] = _ALL, _ZERO
    last = np.uint64((n - 1) & 63)
    score = np.empty(m + 1, np.int32)
    score[0] = n
    for j in range(m):
        line, p0, n0, p1, n1 = lines[reference[j]], positive[j], negative[j], positive[j + 1], negative[j + 1]
        plus = _ZERO if free else _ONE  # what enters a word from below
        minus = _ZERO
        edits = score[j]
        for w in range(words):
            pv, mv = p0[w], n0[w]
            equal = line[w]
            xv = equal | mv
            equal |= minus
            xh = (((equal & pv) + pv) ^ pv) | equal
            ph = mv | ~(xh | pv)
            mh = pv & xh
            if w == words - 1:
                edits += np.int32((ph >> last) & _ONE) - np.int32((mh >> last) & _ONE)
            plus, ph = ph >> np.uint64(63), (ph << _ONE) | plus
            minus, mh = mh >> np.uint64(63), (mh << _ONE) | minus
            p1[w], n1[w] = mh | ~(xv | ph), ph & xv
        score[j + 1] = edits
    end = m
    if free:
        end = int(np.argmin(score))
    fewest = score[end]
    if fewest > most:
        return -1, 0
    # Back along the path: the columns that it visits in each row.
    i, j, matches, side = n, end, 0, SIDE
    edits, excess = 0, 0.0
    if free and n < m <= n + SPARE:
        side += m - n
    low, high = np.full(n + 1, m, np.int64), np.zeros(n + 1, np.int64)
    while True:
        low[i], high[i] = min(low[i], j), max(high[i], j)
        if n - i <= END:
            excess = max(excess, edits - fewest * (n - i) / n)
        if i <= END:
            excess = max(excess, fewest - edits - fewest * i / n)
        if i == 0:
            break
        bit = np.uint64((i - 1) & 63)
        w = (i - 1) >> 6
        if j == 0 or (positive[j, w] >> bit) & _ONE:
            i -= 1
            side += 1
            edits += 1
        elif (negative[j - 1, w] >> bit) & _ONE:
            j -= 1
            side += 1
            edits += 1
        else:
            i -= 1
            j -= 1
            matched = query[i] & reference[j] != 0
            matches += matched
            edits += not matched
    if not free:
        low[0] = 0
    else:
        if excess >= END_EDITS and not n < m <= n + SPARE:
            # Room for a long gap near an end, up to the ends of the reference.
            side = max(side, m - end + SIDE, low[0] + SIDE)
        for k in range(m + 1):
            if score[k] <= fewest + ELSEWHERE:
                side = max(side, abs(k - end))
    if side > WIDEST:
        return -1, 0
    for first in range(0, n, kn.GROUP):
        stop = min(first + kn.GROUP, n)
        a, b = max(low[first] - side, 0), min(high[stop] + side, m)
        for k in range(first if first == 0 else first + 1, stop + 1):
            lo[k], hi[k] = a, b
    return fewest, matches
