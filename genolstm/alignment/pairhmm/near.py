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
from genolstm.alignment.pairhmm.decode import align_doubtful, best_expected_f1, settle_ties
from genolstm.alignment.pairhmm.lanes import LANES, advance, renew
from genolstm.alignment.pairhmm.member import GAP_STEP, GAP_STEPS, LOWEST, PSEUDOCOUNT, STEP, STEPS, peak
from genolstm.alignment.pairhmm.parameters import gaps_of_member, hky85
from genolstm.compiled import compiled
from genolstm.sequences.masks import SHARES

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

FIELDS = 12
"""Whether it was aligned; first and last column of the reference; equal letters; columns; mean posterior; its highest
of a match; expected number of wrong columns; and where its parts end among all."""

# Without "reassoc", as in kernels.
_FAST = {"nnan", "ninf", "nsz", "contract"}
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
def _lines_of(query):
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
def _write_odds(u, background, family, line, out):
    """Write the odds of the query's letters with each letter under the divergence exp u, (used, 16)."""
    joint = hky85(math.exp(u), family[0], family[1], background)
    for p in range(1, 16):
        if line[p] >= 0:
            for q in range(1, 16):
                out[line[p], q] = _odds(joint, p, q)


@compiled()
def _write_weights(u, v, family, out):
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
    _write_odds(best, background, family, line, own)
    for p in range(used):
        for q in range(1, 16):
            for k in range(LANES):
                odds[p, LANES * q + k] = own[p, q]
    for k in range(2 * GAP_STEPS):
        step = k - GAP_STEPS if k < GAP_STEPS else k - GAP_STEPS + 1
        _write_weights(best, v0 + step * GAP_STEP, family, gap)
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
def _null_of(query):
    """Return the null model's bases, as :func:`~genolstm.alignment.pairhmm.member.null_of` does."""
    counts = np.zeros(16)
    for x in query:
        counts[x] += 1.0
    out = np.full(4, PSEUDOCOUNT)
    for mask in range(16):
        out += counts[mask] * SHARES[mask]
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
        _write_weights(LOWEST + step * STEP, math.log(prior[0]), family, weights[step])
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
            background = _null_of(query)
            line, used = _lines_of(query)
            for x in range(n):
                key[x] = line[query[x]]
            for step in range(STEPS):
                _write_odds(LOWEST + step * STEP, background, family, line, odds[step])
        columns = np.zeros(reference.size + 1, np.uint8)
        columns[1:] = reference
        # The share of mismatches, as substitutions per site.
        differ = min(max(1.0 - matches / n, 0.003), 0.7)
        guess = min(max(-0.75 * math.log(1 - 4 / 3 * differ), 0.003), 2.0)
        u, v, nats = fit_near(
            guess, prior, family, background, (odds, weights), line, used, key[:n], columns, free,
            lo[: n + 1], hi[: n + 1]
        )  # fmt: skip
        out[k, 0], out[k, 1], out[k, 2] = nats / math.log(2.0), u, v


@compiled(apart=True)
def align_chunk(queries, references, pairs, first, last, free, family, fitted, span_cost, slack, tie, cutoff):
    """Align pairs ``first`` to ``last``, whose parameters ``score_chunk`` has found (``fitted``).

    Returns the numbers of each (see :data:`FIELDS`), and, laid end to end: matched residues (k, 2); the sparse
    posterior (rows, columns, values); the matched posterior of each residue of query and reference; CIGARs.
    """
    (letters, starts), (others, other_starts) = queries, references
    count = last - first
    numbers = np.zeros((count, FIELDS))
    lo_, hi_ = np.empty(LONGEST + 1, np.int64), np.empty(LONGEST + 1, np.int64)
    residues = 0
    for k in range(first, last):
        i, j = pairs[k, 0], pairs[k, 1]
        residues += starts[i + 1] - starts[i] + other_starts[j + 1] - other_starts[j]
    links, n_links = np.empty((residues, 2), np.int32), 0
    matched, n_matched = np.zeros(residues, np.float32), 0
    text, n_text = np.empty(8 * residues, np.uint8), 0
    rows, columns, values, found = (
        np.empty(4 * residues, np.int32), np.empty(4 * residues, np.int32), np.empty(4 * residues, np.float32), 0
    )  # fmt: skip
    own = np.empty(1 << 12, np.int32), np.empty(1 << 12, np.int32), np.empty(1 << 12, np.float32)
    for k in range(first, last):
        i, j = pairs[k, 0], pairs[k, 1]
        query, reference = letters[starts[i] : starts[i + 1]], others[other_starts[j] : other_starts[j + 1]]
        n, m = query.size, reference.size
        out = numbers[k - first]
        edits, _ = find_band(query, reference, free, lo_, hi_)
        if edits < 0:
            continue
        lo, hi = lo_[: n + 1], hi_[: n + 1]
        row_sum, column_sum = matched[n_matched : n_matched + n], matched[n_matched + n : n_matched + n + m]
        matched[n_matched : n_matched + n + m] = 0.0  # what a pair that was given up has left there
        own, size = posterior_near(
            fitted[k, 1], fitted[k, 2], family, query, reference, free, lo, hi, own, row_sum, column_sum, cutoff
        )
        if size == 0:
            continue
        if found + size > rows.size:
            rows, columns, values = kn.grow(rows, columns, values, size)
        r, c, p = rows[found : found + size], columns[found : found + size], values[found : found + size]
        sort_rows(own, size, r, c, p)
        total = 0.0
        for x in range(n):
            row_sum[x] = min(row_sum[x], np.float32(1.0))
            total += row_sum[x]
        for x in range(m):
            column_sum[x] = min(column_sum[x], np.float32(1.0))
        edge = False
        for x in range(size):
            a, b = r[x] + 1, c[x] + 1
            edge |= (b <= lo[a] + 2 and lo[a] > 0) or (b >= hi[a] - 2 and hi[a] < m)
        if edge:
            continue
        p64 = p.astype(np.float64)
        chain, half = _best_chain(r, c, p64, total, m, span_cost)
        if chain.size == 0:
            continue
        chain = align_doubtful(r, c, p64, chain, half, total, n, m, slack, span_cost == 0.0)
        made = links[n_links : n_links + chain.size]
        for x in range(chain.size):
            made[x, 0], made[x, 1] = r[chain[x]], c[chain[x]]
        settle_ties(query, reference, made, r, c, p, tie)
        n_text = describe(query, reference, free, made, r, c, p, row_sum, column_sum, text, n_text, out)
        out[0] = 1.0
        n_links += chain.size
        found += size
        n_matched += n + m
        out[8], out[9], out[10], out[11] = n_links, found, n_matched, n_text
    return (
        numbers,
        links[:n_links].copy(),
        rows[:found].copy(),
        columns[:found].copy(),
        values[:found].copy(),
        matched[:n_matched].copy(),
        text[:n_text].copy(),
    )


@compiled()
def _best_chain(rows, columns, probability, total, n_columns, span_cost):
    """Return what ``best_expected_f1`` returns, without its search where the links worth taking cannot conflict."""
    half = 0.25
    chain, size = np.empty(rows.size, np.int64), 0
    for _ in range(8):
        size, clear = 0, True
        for k in range(rows.size):
            if probability[k] <= half:
                continue
            if size > 0:
                before = chain[size - 1]
                clear &= rows[k] > rows[before] and columns[k] > columns[before]
            chain[size] = k
            size += 1
        if size == 0 or not clear:
            return best_expected_f1(rows, columns, probability, total, n_columns, span_cost)
        # All of them make a chain: the heaviest is a part of it, because what is left out in between has a cost.
        top, value, begin, first, stop = 0.0, 0.0, 0, 0, 0
        for x in range(size):
            k = chain[x]
            if x > 0:
                b = chain[x - 1]
                value -= span_cost * (rows[k] - rows[b] - 1 + columns[k] - columns[b] - 1)
            if value <= 0.0:
                value, begin = 0.0, x
            value += probability[k] - half
            if value > top:
                top, first, stop = value, begin, x + 1
        hit = 0.0
        for x in range(first, stop):
            chain[x - first] = chain[x]
            hit += probability[chain[x]]
        size = stop - first
        new = hit / (size + total)
        if abs(new - half) < 1e-3 * half:
            break
        half = new
    return chain[:size].copy(), half


@compiled(apart=True)
def posterior_near(u, v, family, query, reference, free, lo, hi, own, row_sum, column_sum, cutoff):
    """Collect the posteriors of matches within a band; return the arrays (they may have grown) and their number.

    Rows fall, columns rise within a row.
    """
    n, m = query.size, reference.size
    weights, odds = np.empty(9, np.float32), np.zeros((16, 16), np.float32)
    line, _ = _lines_of(query)
    _write_weights(u, v, family, weights)
    _write_odds(u, _null_of(query), family, line, odds)
    key, offset, letters = np.empty(n + 1, np.int64), np.zeros(n + 2, np.int64), np.zeros(m + 2, np.uint8)
    for i in range(n):
        key[i + 1] = line[query[i]]
    for i in range(n + 1):
        offset[i + 1] = offset[i] + hi[i] - lo[i] + 1
    letters[1 : m + 1] = reference
    kept, power = np.empty(offset[n + 1], np.float32), np.zeros(n // kn.GROUP + 1, np.int64)
    end = _forward(weights, odds, key, letters, free, lo, hi, offset, kept, power)
    if not end > 0:
        return own, 0
    if own[0].size < offset[n + 1]:
        own = kn.grow(own[0], own[1], own[2], offset[n + 1])
    size = _backward(
        weights, odds, key, letters, free, lo, hi, offset, kept, power, end, own, row_sum, column_sum, cutoff
    )
    return own, size


@compiled(fastmath=_FAST, error_model="numpy")
def _forward(weights, odds, key, letters, free, lo, hi, offset, kept, power):
    """Keep M of each row's band, and the power of two of each group of rows; return the sum over all alignments.

    That sum has the power of the last row.
    """
    n, m = lo.size - 1, letters.size - 2
    t, o1, o2, e1, e2 = weights[kn.T], weights[kn.O1], weights[kn.O2], weights[kn.E1], weights[kn.E2]
    c1, c2, pn, kappa = weights[kn.C1], weights[kn.C2], weights[kn.PN], weights[kn.KAPPA]
    w1, w2 = c1 * o1, c2 * o2
    zero = np.float32(0.0)
    state = np.zeros((4, m + 2), np.float32)
    M, X1, X2, H = state[0], state[1], state[2], state[3]
    if free:
        for j in range(lo[0], hi[0] + 1):
            M[j] = 1.0
            H[j] = t
    else:
        M[0] = 1.0
        H[0] = t
        y1, y2 = pn * o1, pn * o2
        for j in range(1, hi[0] + 1):
            H[j] = c1 * y1 + c2 * y2
            y1 *= e1
            y2 *= e2
    left = lo[0]
    for i in range(1, n + 1):
        a, b = lo[i], hi[i]
        row = odds[key[i]]
        unlinked = zero if free and i == n else pn
        diagonal = H[a - 1] if a > 0 else zero
        y1, y2 = zero, zero
        at = offset[i] - a
        for j in range(a, b + 1):
            match = row[letters[j]] * diagonal
            diagonal = H[j]
            x1, x2 = e1 * X1[j] + o1 * M[j], e2 * X2[j] + o2 * M[j]
            M[j], X1[j], X2[j] = match, x1, x2
            kept[at + j] = match
            rest = c1 * x1 + c2 * x2
            H[j] = t * match + pn * rest + w1 * y1 + w2 * y2
            opened = unlinked * match + kappa * rest
            y1, y2 = e1 * y1 + opened, e2 * y2 + opened
        # What lies left of the band has been read for the last time.
        for j in range(left, a):
            H[j] = 0.0
        left = a
        if i % kn.GROUP == 0:
            power[i // kn.GROUP] = power[i // kn.GROUP - 1] + _scale_down(state, a, b + 1)
    end = np.float64(0.0)
    for j in range(lo[n] if free else m, hi[n] + 1):
        end += H[j]
    return end


@compiled(fastmath=_FAST, error_model="numpy")
def _backward(weights, odds, key, letters, free, lo, hi, offset, kept, power, end, own, row_sum, column_sum, cutoff):
    """Write the posteriors of matches of at least ``cutoff`` to ``own``; return their number; add up all."""
    n, m = lo.size - 1, letters.size - 2
    t, o1, o2, e1, e2 = weights[kn.T], weights[kn.O1], weights[kn.O2], weights[kn.E1], weights[kn.E2]
    c1, c2, pn, kappa = weights[kn.C1], weights[kn.C2], weights[kn.PN], weights[kn.KAPPA]
    n1, n2, k1, k2 = pn * c1, pn * c2, kappa * c1, kappa * c2
    rows, columns, values = own
    zero = np.float32(0.0)
    state = np.zeros((3, m + 2), np.float32)
    M, X1, X2 = state[0], state[1], state[2]
    y1, y2 = zero, zero
    if not free:
        M[m], X1[m], X2[m] = t, n1, n2
        y1, y2 = c1, c2
    for j in range(hi[n] if free else m - 1, lo[n] - 1, -1):
        v = o1 * y1 + o2 * y2
        if free:
            M[j], X1[j], X2[j] = t, n1 + k1 * v, n2 + k2 * v
            y1, y2 = c1 + e1 * y1, c2 + e2 * y2
        else:
            M[j], X1[j], X2[j] = pn * v, k1 * v, k2 * v
            y1 *= e1
            y2 *= e2
    size, down = 0, 0
    for i in range(n, 0, -1):
        a, b = lo[i], hi[i]
        factor = np.float32(math.ldexp(1.0 / end, max(power[(i - 1) // kn.GROUP] + down - power[n // kn.GROUP], -1000)))
        here, at = zero, offset[i] - a
        for j in range(max(a, 1), b + 1):
            p = kept[at + j] * M[j] * factor
            here += p
            column_sum[j - 1] += p
            # No branch: what is too small is overwritten by what follows.
            rows[size], columns[size], values[size] = i - 1, j - 1, p
            size += p >= cutoff
        row_sum[i - 1] = here
        if i == 1:
            break
        low, high = lo[i - 1], hi[i - 1]
        row = odds[key[i]]
        y1, y2 = zero, zero
        before = M[high + 1]
        for j in range(high + 1, b + 1):
            M[j] = 0.0
            X1[j] = 0.0
            X2[j] = 0.0
        for j in range(high, low - 1, -1):
            g = row[letters[j + 1]] * before
            v = o1 * y1 + o2 * y2
            x1, x2 = X1[j], X2[j]
            before = M[j]
            M[j] = t * g + pn * v + o1 * x1 + o2 * x2
            X1[j] = n1 * g + e1 * x1 + k1 * v
            X2[j] = n2 * g + e2 * x2 + k2 * v
            y1, y2 = c1 * g + e1 * y1, c2 * g + e2 * y2
        if (i - 1) % kn.GROUP == 0:
            down += _scale_down(state, low, high + 1)
    return size


@compiled(fastmath=_FAST, error_model="numpy")
def _scale_down(state, a, b):
    """Bring the largest of a row's values, from column ``a`` to ``b``, below 1; return the power divided out."""
    top = np.float32(0.0)
    for r in range(state.shape[0]):
        for j in range(a, b):
            top = max(top, state[r, j])
    if top == 0.0:
        return 0
    power = math.frexp(top)[1]
    down = np.float32(math.ldexp(1.0, -power))
    for r in range(state.shape[0]):
        for j in range(a, b):
            state[r, j] *= down
    return power


@compiled()
def sort_rows(found, size, rows, columns, values):
    """Write matches in rising order, whose rows fall and whose columns rise within a row."""
    own_rows, own_columns, own_values = found
    at, stop = 0, size
    while stop > 0:
        start = stop - 1
        while start > 0 and own_rows[start - 1] == own_rows[start]:
            start -= 1
        for k in range(start, stop):
            rows[at], columns[at] = own_rows[k], own_columns[k]
            values[at] = min(own_values[k], np.float32(1.0))
            at += 1
        stop = start


@compiled(apart=True)
def describe(query, reference, free, links, rows, columns, values, row_sum, column_sum, text, at, out):
    """Write a CIGAR from place ``at`` on, and an alignment's numbers; return where the CIGAR ends."""
    n, m = query.size, reference.size
    r0, r1 = (links[0, 1], links[-1, 1] + 1) if free else (0, m)
    i, j, entry = 0, r0, 0
    equal, length, total, top = 0, 0, 0.0, 0.0
    operation, run = -1, 0
    for k in range(links.shape[0] + 1):
        last = k == links.shape[0]
        i1, j1 = (n, r1) if last else (links[k, 0], links[k, 1])
        for kind in (2, 3, 0):
            more = i1 - i if kind == 2 else (j1 - j if kind == 3 else (0 if last else 1))
            if more <= 0:
                continue
            own = kind
            if kind == 2:
                for x in range(i, i1):
                    total += 1.0 - row_sum[x]
            elif kind == 3:
                for x in range(j, j1):
                    total += 1.0 - column_sum[x]
            else:
                a, b = query[i1], reference[j1]
                own = 0 if a == b and a & (a - 1) == 0 else 1
                equal += own == 0
                while entry < rows.size and (rows[entry] < i1 or (rows[entry] == i1 and columns[entry] < j1)):
                    entry += 1
                if entry < rows.size and rows[entry] == i1 and columns[entry] == j1:
                    total += values[entry]
                    top = max(top, values[entry])
            length += more
            if own == operation:
                run += more
            else:
                at = _write_run(run, operation, text, at)
                operation, run = own, more
        i, j = i1 + 1, j1 + 1
    at = _write_run(run, operation, text, at)
    out[1], out[2], out[3], out[4], out[5], out[6], out[7] = (
        r0, r1, equal, length, total / length, top, length - total
    )  # fmt: skip
    return at


_SIGNS = np.frombuffer(b"=XID", dtype=np.uint8)


@compiled()
def _write_run(run, operation, text, at):
    if run == 0:
        return at
    place = 1
    while place * 10 <= run:
        place *= 10
    while place > 0:
        text[at] = 48 + run // place % 10
        at += 1
        place //= 10
    text[at] = _SIGNS[operation]
    return at + 1
