"""Posteriors of a near pair within its band: forward and backward, one plain loop each.

Within so narrow a band one power of two per group of rows is enough, and its rows are too short for the machinery of
:mod:`genolstm.alignment.pairhmm.kernels`, whose states and weights these are. Rows are the query, columns the
reference.
"""

from __future__ import annotations

import math

import numpy as np

from genolstm.alignment.pairhmm import kernels as kn
from genolstm.alignment.pairhmm.near import count_bases, lines_of, write_odds, write_weights
from genolstm.compiled import compiled

# Without "reassoc", as in kernels.
_FAST = {"nnan", "ninf", "nsz", "contract"}


@compiled(apart=True)
def posterior_near(u, v, family, query, reference, free, lo, hi, own, row_sum, column_sum, cutoff):
    """Collect the posteriors of matches within a band; return the arrays (they may have grown) and their number.

    Rows fall, columns rise within a row.
    """
    n, m = query.size, reference.size
    weights, odds = np.empty(9, np.float32), np.zeros((16, 16), np.float32)
    line, _ = lines_of(query)
    write_weights(u, v, family, weights)
    write_odds(u, count_bases(query), family, line, odds)
    key, offset, letters = np.empty(n + 1, np.int64), np.zeros(n + 2, np.int64), np.zeros(m + 2, np.uint8)
    for i in range(n):
        key[i + 1] = line[query[i]]
    for i in range(n + 1):
        offset[i + 1] = offset[i] + hi[i] - lo[i] + 1
    for j in range(m):  # a slice would take numba seconds to compile
        letters[j + 1] = reference[j]
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


@compiled(fastmath=_FAST, error_model="numpy", apart=True)
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


@compiled(fastmath=_FAST, error_model="numpy", apart=True)
def _backward(weights, odds, key, letters, free, lo, hi, offset, kept, power, end, own, row_sum, column_sum, cutoff):
    """Write the posteriors of at least ``cutoff`` to ``own``, and return their number; add up all of them."""
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
