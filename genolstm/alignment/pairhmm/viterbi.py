"""Compiled Viterbi recursion and traceback of the pair-HMM of :mod:`genolstm.alignment.pairhmm.kernels`.

Values are natural logarithms in float64: a maximum needs no rescaling, and ties stay ties.
"""

from __future__ import annotations

import numpy as np

from genolstm.alignment.pairhmm.kernels import (
    C1,
    C2,
    E1,
    E2,
    FREE_COLUMNS,
    FREE_ROWS,
    GLOBAL,
    KAPPA,
    LOCAL,
    O1,
    O2,
    PN,
    T,
)
from genolstm.compiled import compiled

NEVER = -1e300
# One 16-bit trace per cell. Bits 0-2: state by which the best path leaves the cell for a match;
# 3, 4: X1, X2 opened here; 5-6, 7-8: where Y1, Y2 came from (0 extended, 1 M, 2 X1, 3 X2);
# 9: the match here begins a local alignment.
M_, X1_, X2_, Y1_, Y2_ = range(5)
_BEGUN = 512
UNRESOLVED = 7
"""State of a trace that stops at the upper border of a block: it is known in the block above."""


@compiled()
def viterbi_begin(c, mode, begin, hi, open_y_row, open_y_col, state):
    """Fill row 0; ``state`` (4, columns + 1) is M, X1, X2 and H, the best exit to a match."""
    state[:] = NEVER
    m = state.shape[1] - 1
    if mode == LOCAL:
        return
    if mode == FREE_COLUMNS:
        state[0, : hi[0] + 1] = begin
        state[3, : hi[0] + 1] = begin + np.log(c[T])
        return
    weight = begin if mode == FREE_ROWS else 0.0
    state[0, 0] = weight
    state[3, 0] = weight + np.log(c[T])
    opened = np.log(np.float64(open_y_row[0]) * open_y_col[0]) + np.log(c[PN]) + weight
    y1, y2 = opened + np.log(c[O1]), opened + np.log(c[O2])
    for j in range(1, min(hi[0], m) + 1):
        state[3, j] = max(y1 + np.log(c[C1]), y2 + np.log(c[C2]))
        y1 += np.log(c[E1])
        y2 += np.log(c[E2])


@compiled()
def _logs(c):
    """Return the logarithms of the weights in the order of the coefficient array."""
    x = np.log(c.astype(np.float64))
    return x[T], x[O1], x[O2], x[E1], x[E2], x[C1], x[C2], x[PN], x[KAPPA]


@compiled(inline="always")
def _likelier(score, state, other_score, other_state):
    """Return the likelier of two, or the first if they are equal."""
    return (other_score, other_state) if other_score > score else (score, state)


@compiled()
def viterbi_rows(first, last, emission, band, c, mode, begin, opens, state, keep, trace, best):
    """Advance the recursion from row ``first`` to ``last``.

    Arguments are those of :func:`genolstm.alignment.pairhmm.kernels.forward_rows`, with the logarithms of
    odds and ``begin``. With ``keep``, traces go to ``trace`` (ragged, by the band's offsets).
    ``best`` holds the score, row, column and state of the best end so far.
    """
    odds, line = emission
    lo, hi, offset = band
    open_x_row, open_x_col, open_y_row, open_y_col = opens
    n_rows, m = lo.size - 1, state.shape[1] - 1
    M, X1, X2, H = state[0], state[1], state[2], state[3]
    lt, lo1, lo2, le1, le2, lc1, lc2, ln, lk = _logs(c)
    log_xc, log_yc = np.log(open_x_col.astype(np.float64)), np.log(open_y_col.astype(np.float64))
    for i in range(first + 1, last + 1):
        jl, jh = lo[i], hi[i]
        e = odds[line[i]]
        diagonal = H[jl - 1] if jl > 0 else NEVER
        y1 = y2 = left_m = left_x1 = left_x2 = NEVER
        lxr, lyr = np.log(np.float64(open_x_row[i - 1])), np.log(np.float64(open_y_row[i]))
        base = offset[i] - offset[first + 1] - jl
        for j in range(jl, jh + 1):
            bits, y_from = 0, 0
            # Y first: it needs the cell to the left in this row.
            if j > jl:
                gate = lyr + log_yc[j - 1]
                source, which = left_m + ln, 1
                if mode == FREE_COLUMNS and i == n_rows:
                    source = NEVER
                source, which = _likelier(source, which, left_x1 + lc1 + lk, 2)
                source, which = _likelier(source, which, left_x2 + lc2 + lk, 3)
                y1 += le1
                if source + lo1 + gate > y1:
                    y1 = source + lo1 + gate
                    y_from |= which << 5
                y2 += le2
                if source + lo2 + gate > y2:
                    y2 = source + lo2 + gate
                    y_from |= which << 7
            opened = M[j] + lxr + log_xc[j]
            x1, x2 = X1[j] + le1, X2[j] + le2
            if opened + lo1 > x1:
                x1 = opened + lo1
                bits |= 8
            if opened + lo2 > x2:
                x2 = opened + lo2
                bits |= 16
            here = NEVER
            if j > 0:
                here = diagonal
                if mode == LOCAL and begin > here:
                    here = begin
                    bits |= _BEGUN
                here += e[j]
            elif mode == FREE_ROWS:
                here = begin
            exit_score, state_out = here + lt, M_
            if j > 0 or mode != FREE_ROWS:
                exit_score, state_out = _likelier(exit_score, state_out, x1 + lc1 + ln, X1_)
                exit_score, state_out = _likelier(exit_score, state_out, x2 + lc2 + ln, X2_)
            exit_score, state_out = _likelier(exit_score, state_out, y1 + lc1, Y1_)
            exit_score, state_out = _likelier(exit_score, state_out, y2 + lc2, Y2_)
            diagonal = H[j]
            M[j], X1[j], X2[j], H[j] = here, x1, x2, exit_score
            left_m, left_x1, left_x2 = here, x1, x2
            if keep:
                trace[base + j] = bits | y_from | state_out
            end, which = NEVER, M_
            if mode == LOCAL:
                end = here if j > 0 else NEVER
            elif mode == FREE_ROWS and j == m:
                end = here + lt
                end, which = _likelier(end, which, y1 + lc1, Y1_)
                end, which = _likelier(end, which, y2 + lc2, Y2_)
            elif i == n_rows and (mode == FREE_COLUMNS or (mode == GLOBAL and j == m)):
                end, which = exit_score, state_out
            if end > best[0]:
                best[0], best[1], best[2], best[3] = end, i, j, which
        for j in range(lo[i - 1], jl):
            M[j] = X1[j] = X2[j] = H[j] = NEVER


@compiled()
def traceback(first, lo, offset, trace, at, pairs, found):
    """Follow the traces down to row ``first``; append matches (0-based, last first).

    ``at`` is row, column, state (-1 once the alignment has begun); returns the matches found.
    """
    i, j, s = at[0], at[1], at[2]
    if s == UNRESOLVED:
        s = trace[offset[i] - offset[first + 1] + j - lo[i]] & 7
    while s >= 0 and i > first:
        bits = trace[offset[i] - offset[first + 1] + j - lo[i]]
        if s == M_:
            if j == 0:  # the free start in column 0
                s = -1
                break
            pairs[found, 0] = i - 1
            pairs[found, 1] = j - 1
            found += 1
            i -= 1
            j -= 1
            if bits & _BEGUN:
                s = -1
            elif i > first:
                s = trace[offset[i] - offset[first + 1] + j - lo[i]] & 7
            else:
                s = UNRESOLVED
        elif s in (X1_, X2_):
            opened = bits & (8 if s == X1_ else 16)
            i -= 1
            if opened:
                s = M_
        else:
            source = (bits >> (5 if s == Y1_ else 7)) & 3
            j -= 1
            if source > 0:
                s = (M_, X1_, X2_)[source - 1]
    at[0], at[1], at[2] = i, j, s
    return found
