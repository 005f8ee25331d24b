"""Pairs that are near: their parameters, found in a band around the path with the fewest edits.

Where two sequences have few edits, the alignments that matter lie close to the path with the fewest, which
64 cells at a time find (Myers 1999). The search scores thousands of such pairs, and here one call
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
from genolstm.alignment.pairhmm.band import LONGEST, find_band
from genolstm.alignment.pairhmm.lanes import LANES, advance, renew
from genolstm.alignment.pairhmm.member import GAP_STEP, GAP_STEPS, LOWEST, PSEUDOCOUNT, STEP, STEPS, peak
from genolstm.alignment.pairhmm.parameters import gaps_of_member, hky85
from genolstm.compiled import compiled
from genolstm.sequences.masks import SHARES


@compiled(apart=True)
def sweep(weights, odds, key, letters, free, lo, hi, out):
    """Write the log-odds in nats of a pair under ``LANES`` members of a family.

    Parameters
    ----------
    weights
        Of :func:`~genolstm.alignment.pairhmm.kernels.weights_of_gaps`, float32 (9, LANES).
    odds
        Of each of the query's letters with each letter, (used, 16 * LANES), and ``key``, the line that a row uses.
    letters
        Those of the reference, with 0 before the first.
    lo, hi
        The band, as :func:`find_band` gives it.
    out
        Float64 (LANES,): NaN for a member that cannot be told.
    """
    n, m = key.size, letters.size - 1
    first, stop = lo[0], hi[n]
    # M, X1, X2 and H of a column's members lie side by side; H has one column more to its left.
    state = np.zeros((4, (stop - first + 2) * LANES), np.float32)
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
    exponent = np.zeros(LANES, np.int32)
    left = first
    for i in range(1, n + 1):
        a, b = lo[i] - first, hi[i] - first
        advance(odds[key[i - 1]], letters, M, X1, X2, H, weights, a, b + 1, first, free and i == n)
        if lo[i] > left:
            # What lies left of the band has been read for the last time.
            for j in range(LANES * (left - first + 1), LANES * (a + 1)):
                H[j] = 0.0
            left = lo[i]
        if i % kn.GROUP == 0 and i < n:
            renew(M, X1, X2, H, exponent, a, b + 1)
    begin = math.log(1.0 / (m + 1)) if free else 0.0
    for k in range(LANES):
        end = np.float64(0.0)
        for j in range(lo[n] if free else m, hi[n] + 1):
            end += H[LANES * (j - first + 1) + k]
        out[k] = math.log(end) + exponent[k] * math.log(2.0) + begin if end > 0.0 else math.nan


@compiled()
def lines_of(query):
    """Number the letters (bit masks) of a query as they appear; return the numbers, -1 for none, and how many."""
    line = np.full(16, -1, np.int64)
    used = 0
    for x in query:
        if line[x] < 0:
            line[x] = used
            used += 1
    return line, used


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
def write_odds(u, background, family, line, out):
    """Write the odds of the query's letters with each letter under the divergence exp u, (used, 16)."""
    joint = hky85(math.exp(u), family[0], family[1], background)
    for p in range(1, 16):
        if line[p] >= 0:
            for q in range(1, 16):
                out[line[p], q] = _odds(joint, p, q)


@compiled()
def write_weights(u, v, family, out):
    """Write the weights of gaps of the member (exp u, exp v), (9,)."""
    opened, extend, link = gaps_of_member(math.exp(u) * math.exp(v), family)
    own = kn.weights_of_gaps(opened, extend, link)
    for w in range(9):
        out[w] = own[w]


@compiled(apart=True)
def fit_near(guess, prior, family, background, lattice, line, used, key, letters, free, lo, hi):
    """Return what ``best_member`` returns.

    ``lattice``: odds and weights of the divergences of the lattice, (STEPS, 16, 16) and (STEPS, 9).
    """
    median, spread = prior
    v0 = math.log(median)
    all_odds, all_weights = lattice
    odds, weights = np.zeros((used, 16 * LANES), np.float32), np.empty((9, LANES), np.float32)
    value = np.empty(LANES)
    low = int(np.rint((math.log(guess) - LOWEST) / STEP)) - LANES // 2
    low = min(max(low, 0), STEPS - LANES)
    at = 0
    for _ in range(3):
        for k in range(LANES):
            for w in range(9):
                weights[w, k] = all_weights[low + k, w]
            for p in range(used):
                for q in range(1, 16):
                    odds[p, LANES * q + k] = all_odds[low + k, p, q]
        sweep(weights, odds, key, letters, free, lo, hi, value)
        at = 0
        for k in range(LANES):
            if value[k] > value[at] or math.isnan(value[at]):
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
    own, gap = np.zeros((16, 16), np.float32), np.empty(9, np.float32)
    write_odds(best, background, family, line, own)
    for p in range(used):
        for q in range(1, 16):
            for k in range(LANES):
                odds[p, LANES * q + k] = own[p, q]
    for k in range(2 * GAP_STEPS):
        step = k - GAP_STEPS if k < GAP_STEPS else k - GAP_STEPS + 1
        write_weights(best, v0 + step * GAP_STEP, family, gap)
        for w in range(9):
            weights[w, k] = gap[w]
    for k in range(2 * GAP_STEPS, LANES):
        for w in range(9):
            weights[w, k] = gap[w]
    sweep(weights, odds, key, letters, free, lo, hi, value)
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


@compiled()
def count_bases(query):
    """Return the null model's bases, as :func:`~genolstm.alignment.pairhmm.member.null_of` does."""
    counts = np.zeros(16)
    for x in query:
        counts[x] += 1.0
    out = np.full(4, PSEUDOCOUNT)
    for mask in range(16):
        for base in range(4):
            out[base] += counts[mask] * SHARES[mask, base]
    return out


@compiled()
def score_chunk(queries, references, pairs, first, last, free, family, prior, out):
    """Write bits, log divergence and log gap rate of pairs ``first`` to ``last`` (k, 3); NaN if they are not near.

    Sequences are (letters, starts), queries on the strand to be aligned.
    """
    (letters, starts), (others, other_starts) = queries, references
    lo, hi = np.empty(LONGEST + 1, np.int64), np.empty(LONGEST + 1, np.int64)
    odds, weights = np.zeros((STEPS, 16, 16), np.float32), np.empty((STEPS, 9), np.float32)
    for step in range(STEPS):
        write_weights(LOWEST + step * STEP, math.log(prior[0]), family, weights[step])
    background, line, used, key = np.empty(4), np.empty(16, np.int64), 0, np.empty(LONGEST, np.int64)
    known = -1
    for k in range(first, last):
        i, j = pairs[k, 0], pairs[k, 1]
        query, reference = letters[starts[i] : starts[i + 1]], others[other_starts[j] : other_starts[j + 1]]
        out[k] = math.nan
        edits, matches = find_band(query, reference, free, lo, hi)
        if edits < 0:
            continue
        n = query.size
        if i != known:
            known = i
            background = count_bases(query)
            line, used = lines_of(query)
            for x in range(n):
                key[x] = line[query[x]]
            for step in range(STEPS):
                write_odds(LOWEST + step * STEP, background, family, line, odds[step])
        columns = np.zeros(reference.size + 1, np.uint8)
        for x in range(reference.size):  # a slice would take numba seconds to compile
            columns[x + 1] = reference[x]
        # The share of mismatches, as substitutions per site.
        differ = min(max(1.0 - matches / n, 0.003), 0.7)
        guess = min(max(-0.75 * math.log(1 - 4 / 3 * differ), 0.003), 2.0)
        u, v, nats = fit_near(
            guess, prior, family, background, (odds, weights), line, used, key[:n], columns, free,
            lo[: n + 1], hi[: n + 1]
        )  # fmt: skip
        out[k, 0], out[k, 1], out[k, 2] = nats / math.log(2.0), u, v
