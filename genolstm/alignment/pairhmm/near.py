"""Pairs that are near: their parameters and posteriors in a band around the path with the fewest edits.

Where two sequences have few edits, the alignments that matter lie close to the path with the fewest, which
64 cells at a time find (Myers 1999). The search scores and aligns thousands of such pairs, and here one call
does many of them: the forward recursion runs over the band for ``LANES`` members of the parameter family at
a time, one beside the other, so that two runs give what :func:`~genolstm.alignment.pairhmm.member.best_member`
finds with about nine over the whole matrix.

Rows are the query, columns the reference. States and weights are those of
:mod:`genolstm.alignment.pairhmm.kernels`; within so narrow a band one power of two per row is enough.
"""

from __future__ import annotations

import math

import numpy as np

from genolstm.alignment.pairhmm import kernels as kn
from genolstm.alignment.pairhmm.member import (
    GAP_STEP,
    GAP_STEPS,
    LOWEST,
    STEP,
    STEPS,
    peak,
)
from genolstm.alignment.pairhmm.parameters import gaps_of_member, hky85
from genolstm.alignment.pairhmm.lanes import LANES, advance
from genolstm.compiled import compiled

SIDE = 14
"""Number of columns of the band on either side of the path."""
ELSEWHERE = 10
"""Ends elsewhere in the reference with up to this many more edits count: such a pair is not near."""
MOST_EDITS = 0.35
"""Share of edits beyond which a pair is not near."""
SHORTEST, LONGEST = 24, 1 << 10
"""Lengths of queries that are tried."""
MOST_LETTERS = 1 << 20
"""Letters of the query times those of the reference: the path keeps two bits for each."""

_ONE = np.uint64(1)
_ZERO = np.uint64(0)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)


@compiled()
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
    if free:
        for j in range(m + 1):
            if score[j] <= fewest + ELSEWHERE and abs(j - end) > SIDE + (score[j] - fewest):
                return -1, 0
    # Back along the path: the columns that it visits in each row.
    i, j, matches = n, end, 0
    low, high = np.full(n + 1, m, np.int64), np.zeros(n + 1, np.int64)
    while True:
        low[i], high[i] = min(low[i], j), max(high[i], j)
        if i == 0:
            break
        bit = np.uint64((i - 1) & 63)
        w = (i - 1) >> 6
        if j == 0 or (positive[j, w] >> bit) & _ONE:
            i -= 1
        elif (negative[j - 1, w] >> bit) & _ONE:
            j -= 1
        else:
            i -= 1
            j -= 1
            matches += query[i] & reference[j] != 0
    if not free:
        low[0] = 0
    for first in range(0, n, kn.GROUP):
        stop = min(first + kn.GROUP, n)
        a, b = max(low[first] - SIDE, 0), min(high[stop] + SIDE, m)
        for k in range(first if first == 0 else first + 1, stop + 1):
            lo[k], hi[k] = a, b
    return fewest, matches


@compiled()
def sweep(u, v, background, family, query, reference, free, lo, hi, out):
    """Write the log-odds in nats of a pair under the members (exp u, exp v) of a family, ``LANES`` of them.

    ``lo`` and ``hi``: the band, as :func:`find_band` gives it. A member that cannot be told gets NaN.
    """
    n, m = query.size, reference.size
    first, stop = lo[0], hi[n]
    columns = stop - first + 1
    weights = np.empty((9, LANES), np.float32)
    line = np.full(16, -1, np.int64)
    used = 0
    for x in query:
        if line[x] < 0:
            line[x] = used
            used += 1
    there = np.zeros(16, np.bool_)
    for x in reference[max(first - 1, 0) : stop]:
        there[x] = True
    odds = np.empty((used, 16, LANES), np.float32)
    for k in range(LANES):
        d = math.exp(u[k])
        opened, extend, link = gaps_of_member(d * math.exp(v[k]), family)
        own = kn.weights_of_gaps(opened, extend, link)
        for w in range(9):
            weights[w, k] = own[w]
        joint = hky85(d, family[0], family[1], background)
        for p in range(1, 16):
            if line[p] >= 0:
                for q in range(1, 16):
                    if there[q]:
                        odds[line[p], q, k] = _odds(joint, p, q)
    # Odds, M, X1, X2 and H of a column's members lie side by side; H has one column more to its left.
    profile = np.empty((used, columns * LANES), np.float32)
    for p in range(used):
        to = profile[p]
        if first == 0:
            to[:LANES] = 0.0
        for j in range(max(first, 1), stop + 1):
            at = LANES * (j - first)
            for k in range(LANES):
                to[at + k] = odds[p, reference[j - 1], k]
    state = np.zeros((4, (columns + 1) * LANES), np.float32)
    M, X1, X2, H = state[0], state[1], state[2], state[3]
    for k in range(LANES):
        if free:
            for j in range(hi[0] - first + 1):
                M[LANES * j + k] = 1.0
                H[LANES * (j + 1) + k] = weights[kn.T, k]
        else:
            M[k] = 1.0
            H[LANES + k] = weights[kn.T, k]
            y1, y2 = weights[kn.PN, k] * weights[kn.O1, k], weights[kn.PN, k] * weights[kn.O2, k]
            for j in range(1, hi[0] + 1):
                H[LANES * (j + 1) + k] = weights[kn.C1, k] * y1 + weights[kn.C2, k] * y2
                y1 *= weights[kn.E1, k]
                y2 *= weights[kn.E2, k]
    exponent = np.zeros(LANES, np.int64)
    left = first
    for i in range(1, n + 1):
        a, b = lo[i] - first, hi[i] - first
        advance(profile[line[query[i - 1]]], M, X1, X2, H, weights, a, b + 1, free and i == n)
        if lo[i] > left:
            # What lies left of the band has been read for the last time.
            H[LANES * (left - first + 1) : LANES * (a + 1)] = 0.0
            left = lo[i]
        if i % kn.GROUP == 0 and i < n:
            for k in range(LANES):
                top = np.float32(0.0)
                for j in range(a, b + 1):
                    top = max(top, H[LANES * (j + 1) + k])
                if top > 0.0:
                    power = math.frexp(top)[1]
                    exponent[k] += power
                    down = np.float32(math.ldexp(1.0, -power))
                    for j in range(LANES * a + k, LANES * (b + 1), LANES):
                        M[j] *= down
                        X1[j] *= down
                        X2[j] *= down
                        H[j + LANES] *= down
    begin = math.log(1.0 / (m + 1)) if free else 0.0
    for k in range(LANES):
        end = np.float64(0.0)
        for j in range(lo[n] if free else m, hi[n] + 1):
            end += H[LANES * (j - first + 1) + k]
        out[k] = math.log(end) + exponent[k] * math.log(2.0) + begin if end > 0.0 else math.nan


@compiled()
def _odds(joint, p, q):
    """Return the odds of a match of two sets of bases (bit masks)."""
    both, row, column = 0.0, 0.0, 0.0
    for a in range(4):
        for b in range(4):
            in_p, in_q = p >> a & 1, q >> b & 1
            if in_p and in_q:
                both += joint[a, b]
            if in_p:
                row += joint[a, b]
            if in_q:
                column += joint[a, b]
    return both / (row * column)


@compiled()
def fit_near(guess, prior, background, family, query, reference, free, lo, hi):
    """Return what ``best_member`` returns, and whether its maximum is inside what was looked at."""
    median, spread = prior
    v0 = math.log(median)
    u, v, value = np.empty(LANES), np.full(LANES, v0), np.empty(LANES)
    low = int(np.rint((math.log(guess) - LOWEST) / STEP)) - LANES // 2
    low = min(max(low, 0), STEPS - LANES)
    for _ in range(3):
        for k in range(LANES):
            u[k] = LOWEST + (low + k) * STEP
        sweep(u, v, background, family, query, reference, free, lo, hi, value)
        at = 0
        for k in range(LANES):
            if value[k] > value[at]:
                at = k
        if at == 0 and low > 0:
            low = max(low - LANES + 2, 0)
        elif at == LANES - 1 and low < STEPS - LANES:
            low = min(low + LANES - 2, STEPS - LANES)
        else:
            break
    before = value[at - 1] if at > 0 else math.nan
    after = value[at + 1] if at < LANES - 1 else math.nan
    du, sd_u, top = peak(before, value[at], after, STEP)
    best = LOWEST + (low + at) * STEP + du
    for k in range(2 * GAP_STEPS):
        step = k - GAP_STEPS if k < GAP_STEPS else k - GAP_STEPS + 1
        v[k] = v0 + step * GAP_STEP
    u[:] = best
    sweep(u, v, background, family, query, reference, free, lo, hi, value)
    gaps = np.full(2 * GAP_STEPS + 3, np.nan)
    middle = GAP_STEPS + 1
    gaps[middle] = top
    for k in range(2 * GAP_STEPS):
        step = k - GAP_STEPS if k < GAP_STEPS else k - GAP_STEPS + 1
        gaps[middle + step] = value[k] - 0.5 * (step * GAP_STEP / spread) ** 2
    j = 0
    while j < GAP_STEPS and gaps[middle + j + 1] > gaps[middle + j]:
        j += 1
    while j > -GAP_STEPS and j <= 0 and gaps[middle + j - 1] > gaps[middle + j]:
        j -= 1
    at = middle + j
    dv, sd_v, top = peak(gaps[at - 1], gaps[at], gaps[at + 1], GAP_STEP)
    top += math.log(min(sd_u * math.sqrt(2 * math.pi) / (STEP * (STEPS - 1)), 1.0))
    return best, v0 + j * GAP_STEP + dv, top + math.log(min(sd_v / spread, 1.0))
