"""Compiled forward and backward recursions of the five-state pair-HMM.

The longer sequence lies along the rows, the shorter one along the columns. States: M (a residue of
each), X1 and X2 (a row residue against nothing, short and long), Y1 and Y2 (a column residue
against nothing). Between two matches all X residues come before all Y residues, so that every set
of matched residues has exactly one path up to the two gap lengths. Values are probabilities over
those of the null model (odds), not logarithms.

Weights (``c``, see :func:`coefficients`), for i rows and j columns consumed::

    H[i, j]  = t M + n (x1 X1 + x2 X2) + x1 Y1 + x2 Y2              leaving (i, j) by a match
    M[i, j]  = E[i, j] H[i-1, j-1]
    Xk[i, j] = ek Xk[i-1, j] + ok gx[i-1, j] M[i-1, j]
    Yk[i, j] = ek Yk[i, j-1] + ok gy[i, j-1] (n M[i, j-1] + k (x1 X1 + x2 X2)[i, j-1])

with xk = 1 - ek, and gx, gy position-dependent factors of opening a gap (1 in the classical model):
gx[i, j] = open_x_row[i] open_x_col[j] and likewise gy.

At a free end of the alignment, gaps of the free sequence are skipped without cost instead; they
are gaps only next to a gap of the other sequence, at both ends alike.

Plain floats would underflow and overflow. Columns are therefore cut into tiles of ``TILE``, and each tile
has its own power of two, renewed every ``GROUP`` rows. Neighbouring cells differ by no more than
a gap opening and a few matches, so that 32 columns and 8 rows stay within the range of float32,
whatever happens elsewhere in the matrix: a single power of two per row, the usual scaling, loses
the right path where a sequence is rearranged.
"""

from __future__ import annotations

import math

import numpy as np

from genolstm.alignment.pairhmm import scans as sc
from genolstm.compiled import compiled
from genolstm.spans import span

TILE = 32
GROUP = 8
GLOBAL, FREE_ROWS, FREE_COLUMNS, LOCAL = 0, 1, 2, 3
EMPTY = -(1 << 40)
"""Exponent of a tile that holds only zeros."""
NEGLIGIBLE = np.float32(1e-12)
UNSEEN = -110
"""Tiles whose exponents add up to less than this have a negligible posterior: between two renewals
forward and backward values grow by at most about 40 bits each."""

# Without "reassoc": it lengthens the chain of the scans along a row.
_FAST = {"nnan", "ninf", "nsz", "contract"}

# Fields of a coefficient array.
T, O1, O2, E1, E2, C1, C2, PN, KAPPA = range(9)


def coefficients(
    gap_open: tuple[float, float], gap_extend: tuple[float, float], gap_link: float, dtype: type = np.float32
) -> np.ndarray:
    """Return the weights the kernels read, from the parameters of :class:`PairHMMParameters`."""
    weights: np.ndarray = weights_of_gaps(gap_open, gap_extend, gap_link).astype(dtype)
    return weights


@compiled()
def weights_of_gaps(gap_open, gap_extend, gap_link):
    """Return the weights in float64, (9,)."""
    o1, o2 = gap_open
    e1, e2 = gap_extend
    no_link = 1.0 - gap_link * (o1 + o2)
    stay = 1.0 - (1.0 + no_link) * (o1 + o2)
    return np.array([stay, o1, o2, e1, e2, 1.0 - e1, 1.0 - e2, no_link, gap_link])


@compiled(inline="always")
def _power(k):
    """Return 2**k as float32, or 0 if that is too small for a float32."""
    if k < -126:
        return np.float32(0.0)
    return np.float32(math.ldexp(1.0, min(k, 127)))


@compiled(_nrt=False, inner=True)
def _exponent(x):
    """Return k with 2**k <= x < 2**(k+1)."""
    return math.frexp(x)[1] - 1


@compiled(fastmath=True, _nrt=False, inner=True)
def _top(values):
    """Return the largest of the values, or 0 if all are below 0."""
    top = np.float32(0.0)
    for j in range(values.size):
        top = max(top, values[j])
    return top


@compiled(fastmath=True, _nrt=False, inner=True)
def _multiply(forward, skip, backward, a, b, f1, f2, product):
    """Write the products of columns a to b; return their sum and the largest.

    Here and below, whole arrays are passed and sliced inside: slicing them in the caller's loop
    costs more than the work on the parts.
    """
    x, y = span(forward, a - skip, b - skip), span(backward, a, b)
    total, top = np.float32(0.0), np.float32(0.0)
    for j in range(x.size):
        p = (x[j] * f1) * (y[j] * f2)
        product[j] = p
        total += p
        top = max(top, p)
    return total, top


@compiled(fastmath=True, _nrt=False, inner=True)
def _add(product, a, b, sums):
    """Add products of columns a to b to the residues' sums."""
    out = span(sums, a - 1, b - 1)
    for j in range(out.size):
        out[j] += product[j]


@compiled(_nrt=False, inner=True)
def add_scaled(total, value, exponent):
    """Add ``value * 2**exponent`` to a number kept as mantissa and exponent (in place)."""
    if value <= 0.0:
        return
    if total[0] == 0.0:
        total[0], total[1] = value, exponent
    elif exponent >= total[1]:
        total[0] = value + total[0] * math.ldexp(1.0, max(int(total[1]) - exponent, -1000))
        total[1] = exponent
    else:
        total[0] += value * math.ldexp(1.0, max(exponent - int(total[1]), -1000))
    k = _exponent(total[0])
    total[0] = math.ldexp(total[0], -k)
    total[1] += k


@compiled(fastmath=_FAST, error_model="numpy", _nrt=False, inner=True)
def _renew(state, exponent, lo, hi, forward):
    """Give every tile of a row a fresh power of two."""
    n_state = state.shape[0]
    first, last = lo // TILE, hi // TILE
    for t in range(first, last + 1):
        j0, j1 = max(lo, t * TILE), min(hi + 1, (t + 1) * TILE)
        top = np.float32(0.0)
        for r in range(n_state):
            top = max(top, _top(span(state[r], j0, j1)))
        if top == 0.0:
            exponent[t] = EMPTY
            continue
        k = _exponent(top)
        if k == 0:
            continue
        down = _power(-k)
        exponent[t] += k
        for r in range(n_state):
            row = span(state[r], j0, j1)
            for j in range(row.size):
                row[j] *= down
    # Empty tiles take the scale of the side from which values will flow into them.
    if forward:
        for t in range(first, last + 1):
            if exponent[t] == EMPTY and t > 0 and exponent[t - 1] != EMPTY:
                exponent[t] = exponent[t - 1]
        for t in range(last, first - 1, -1):
            if exponent[t] == EMPTY:
                exponent[t] = exponent[t + 1] if t < last else 0
    else:
        for t in range(last, first - 1, -1):
            if exponent[t] == EMPTY and t < exponent.size - 1 and exponent[t + 1] != EMPTY:
                exponent[t] = exponent[t + 1]
        for t in range(first, last + 1):
            if exponent[t] == EMPTY:
                exponent[t] = exponent[t - 1] if t > first else 0


@compiled(_nrt=False, inner=True)
def _set_factor(factor, exponent, first, last, forward):
    """Write the factor for a neighbour's value that crosses a tile border."""
    for t in range(first, last + 1):
        if forward and t > 0:
            factor[t * TILE] = _power(exponent[t - 1] - exponent[t])
        if not forward and t + 1 < exponent.size:
            factor[(t + 1) * TILE - 1] = _power(exponent[t + 1] - exponent[t])


@compiled(apart=True, _nrt=False)
def begin_rows(c, mode, begin, hi, open_y_row, open_y_col, state, exponent, end):
    """Fill row 0 of the forward recursion: ``state`` (4, columns + 1) is M, X1, X2, H."""
    state[:] = 0.0
    exponent[:] = 0
    end[:] = 0.0
    if mode == LOCAL:
        exponent[:] = _exponent(begin)
        return
    if mode == FREE_COLUMNS:
        k = _exponent(begin)
        exponent[:] = k
        state[0, : hi[0] + 1] = math.ldexp(begin, -k)
        state[3, : hi[0] + 1] = c[T] * np.float32(math.ldexp(begin, -k))
        return
    weight = begin if mode == FREE_ROWS else 1.0
    exponent[0] = _exponent(weight)
    state[0, 0] = np.float32(math.ldexp(weight, -exponent[0]))
    state[3, 0] = c[T] * state[0, 0]
    gate = open_y_row[0] * open_y_col[0]
    y1 = c[O1] * c[PN] * gate * state[0, 0]
    y2 = c[O2] * c[PN] * gate * state[0, 0]
    scale = exponent[0]
    for j in range(1, hi[0] + 1):
        if j % TILE == 0:
            k = _exponent(max(y1, y2))
            y1, y2 = y1 * _power(-k), y2 * _power(-k)
            scale += k
            exponent[j // TILE] = scale
        state[3, j] = c[C1] * y1 + c[C2] * y2
        y1 *= c[E1]
        y2 *= c[E2]
    m = state.shape[1] - 1
    if mode == FREE_ROWS and hi[0] == m:
        add_scaled(end, np.float64(state[3, m]), exponent[m // TILE])


@compiled(fastmath=_FAST, error_model="numpy", apart=True)
def forward_rows(first, last, emission, band, c, mode, begin, opens, state, exponent, keep, kept, end):
    """Advance the forward recursion from row ``first`` (a multiple of GROUP) to row ``last``.

    ``emission`` is odds and, for every row, the line of them that it uses. ``band`` is the first
    and last column of each row, never decreasing, and where its values begin among those kept.
    ``opens`` are factors of opening X by row and column, and Y by row and column. With ``keep``, M
    and the tiles' exponents (one row per group, from the tile of the first column on) go to
    ``kept``. ``end`` collects the weight of alignments that end early.
    """
    m = state.shape[1] - 1
    size = (m // TILE + 2) * TILE
    scratch = np.zeros((12, size), np.float32)
    for j in range(size):
        scratch[1, j] = 1.0
    power1, power2 = sc.weights(c[E1], size), sc.weights(c[E2], size)
    _forward(
        first, last, emission, band, c, mode, begin, opens, state, exponent, keep, kept, end, scratch, power1, power2
    )


@compiled(fastmath=_FAST, error_model="numpy", _nrt=False, inner=True, apart=True)
def _forward(
    first, last, emission, band, c, mode, begin, opens, state, exponent, keep, kept, end, scratch, power1, power2
):
    """Do what :func:`forward_rows` does. It allocates nothing, so that numba need count no references."""
    odds, line = emission
    lo, hi, offset = band
    open_x_row, open_x_col, open_y_row, open_y_col = opens
    kept_state, kept_exponent = kept
    n, m = lo.size - 1, state.shape[1] - 1
    M, X1, X2, H = state[0], state[1], state[2], state[3]
    diagonal, factor, start, ended, rest = scratch[0], scratch[1], scratch[2], scratch[3], scratch[4]
    into1, into2 = scratch[5], scratch[6]
    # Columns lie PAD places further along in these.
    opened, reach2, reach4, sums1, sums2 = scratch[7], scratch[8], scratch[9], scratch[10], scratch[11]
    size = opened.size
    t_, o1, o2, e1, e2, c1, c2, pn, kappa = (c[T], c[O1], c[O2], c[E1], c[E2], c[C1], c[C2], c[PN], c[KAPPA])
    w1, w2 = c1 * o1, c2 * o2
    last1, last2 = power1[3, sc.LANE - 1], power2[3, sc.LANE - 1]
    columns1, columns2 = span(sums1, sc.PAD, size), span(sums2, sc.PAD, size)
    first_column = last_column = -1
    for i in range(first + 1, last + 1):
        jl, jh = lo[i], hi[i]
        if (i - 1) % GROUP == 0:
            high = hi[min(i - 1 + GROUP, n)]
            _renew(state, exponent, lo[i - 1], high, True)
            t0, t1 = lo[i - 1] // TILE, high // TILE
            _set_factor(factor, exponent, t0, t1, True)
            if mode == LOCAL:
                for j in range(lo[i - 1], high + 1):
                    start[j] = np.float32(begin) * _power(-exponent[j // TILE])
            if keep:
                for t in range(t0, t1 + 1):
                    kept_exponent[(i - 1 - first) // GROUP, t - t0] = exponent[t]
        # Slices, because indices that count from 0 let the compiler vectorise. Making them takes
        # time, too: only if the row begins or ends elsewhere than the one before.
        if jl != first_column or jh != last_column:
            first_column, last_column = jl, jh
            j0 = max(jl, 1)
            d0, left, f0, s0 = (
                span(diagonal, j0, jh + 1),
                span(H, j0 - 1, jh),
                span(factor, j0, jh + 1),
                span(start, j0, jh + 1),
            )
            d, h, rest_ = span(diagonal, jl, jh + 1), span(H, jl, jh + 1), span(rest, jl, jh + 1)
            m_, x1, x2 = span(M, jl, jh + 1), span(X1, jl, jh + 1), span(X2, jl, jh + 1)
            wx, wy, f = span(open_x_col, jl, jh + 1), span(open_y_col, jl, jh + 1), span(factor, jl + 1, jh + 2)
            lane0, lane1 = jl // sc.LANE, jh // sc.LANE
            a, b = lane0 * sc.LANE, (lane1 + 1) * sc.LANE
            p, q = a + sc.PAD, b + sc.PAD
            sc.clear(opened, p, jl + 1 + sc.PAD)
            y = span(opened, jl + 1 + sc.PAD, jh + 2 + sc.PAD)
            y0, y1, sum1, sum2 = span(opened, p, q), span(opened, p - 1, q - 1), span(sums1, p, q), span(sums2, p, q)
            a0, a2, b0, b4 = (
                span(reach2, p, q),
                span(reach2, p - 2, q - 2),
                span(reach4, p, q),
                span(reach4, p - 4, q - 4),
            )
            wa1, wa2, wa4 = span(power1[0], a, b), span(power1[1], a, b), span(power1[2], a, b)
            wb1, wb2, wb4 = span(power2[0], a, b), span(power2[1], a, b), span(power2[2], a, b)
            s1, s2 = span(sums1, jl + sc.PAD, jh + 1 + sc.PAD), span(sums2, jl + sc.PAD, jh + 1 + sc.PAD)
            i1, i2 = span(into1, jl, jh + 1), span(into2, jl, jh + 1)
            p1, p2 = span(power1[3], jl, jh + 1), span(power2[3], jl, jh + 1)
        e = span(odds[line[i]], j0, jh + 1)
        if mode == LOCAL:
            for j in range(e.size):
                d0[j] = e[j] * (left[j] * f0[j] + s0[j])
        else:
            for j in range(e.size):
                d0[j] = e[j] * (left[j] * f0[j])
        g1, g2 = o1 * open_x_row[i - 1], o2 * open_x_row[i - 1]
        for j in range(m_.size):
            x1[j] = e1 * x1[j] + g1 * wx[j] * m_[j]
        for j in range(m_.size):
            x2[j] = e2 * x2[j] + g2 * wx[j] * m_[j]
        for j in range(m_.size):
            rest_[j] = c1 * x1[j] + c2 * x2[j]
        if jl == 0:
            diagonal[0] = np.float32(begin) * _power(-exponent[0]) if mode == FREE_ROWS else 0.0
        gate = open_y_row[i]
        for j in range(m_.size):
            m_[j] = d[j]
        unlinked = np.float32(0.0) if mode == FREE_COLUMNS and i == n else pn
        # What a Y gap whose first residue is column j + 1 opens from, in that column's tile.
        for j in range(m_.size):
            y[j] = (gate * wy[j] * f[j]) * (unlinked * d[j] + kappa * rest_[j])
        sc.double(y0, y1, wa1, a0)
        sc.double(a0, a2, wa2, b0)
        sc.double(b0, b4, wa4, sum1)
        sc.double(y0, y1, wb1, a0)
        sc.double(a0, a2, wb2, b0)
        sc.double(b0, b4, wb4, sum2)
        sc.carry(columns1, columns2, factor, TILE, lane0, lane1, last1, last2, w1, w2, into1, into2)
        for j in range(m_.size):
            rest_[j] = t_ * d[j] + pn * rest_[j] + w1 * s1[j] + w2 * s2[j]
        for j in range(m_.size):
            h[j] = rest_[j] + p1[j] * i1[j] + p2[j] * i2[j]
        if mode == FREE_ROWS and jl == 0:
            H[0] = t_ * M[0]
        for r in range(4):
            sc.clear(state[r], lo[i - 1], jl)
        if keep:
            at = offset[i] - offset[first + 1]
            for j in range(m_.size):
                kept_state[at + j] = m_[j]
        if mode == FREE_ROWS and jh == m:
            value = np.float64(H[m]) - pn * (c1 * X1[m] + c2 * X2[m])
            add_scaled(end, value, exponent[m // TILE])
        if mode == LOCAL:
            for j in range(jl, jh + 1):
                ended[j] += M[j]
            if i % GROUP == 0 or i == last:
                _end_local(ended, lo[(i - 1) // GROUP * GROUP + 1] // TILE, jh // TILE, exponent, end)
    if last == n:
        if mode == GLOBAL:
            add_scaled(end, np.float64(H[m]), exponent[m // TILE])
        elif mode == FREE_COLUMNS:
            for j in range(lo[n], hi[n] + 1):
                add_scaled(end, np.float64(H[j]), exponent[j // TILE])


@compiled(_nrt=False, inner=True)
def _end_local(ended, t0, t1, exponent, end):
    """Add what has ended in tiles ``t0`` to ``t1`` of a local alignment's rows, and reset it."""
    for t in range(t0, t1 + 1):
        part = span(ended, t * TILE, min(ended.size, (t + 1) * TILE))
        total = np.float64(0.0)
        for j in range(part.size):
            total += part[j]
            part[j] = 0.0
        add_scaled(end, total, exponent[t])


@compiled(apart=True, _nrt=False)
def end_rows(c, mode, lo, open_y_row, open_y_col, state, exponent):
    """Fill row n of the backward recursion: ``state`` (3, columns + 2) is M, X1, X2."""
    state[:] = 0.0
    exponent[:] = 0
    n, m = lo.size - 1, state.shape[1] - 2
    if mode == LOCAL:
        state[0, lo[n] : m + 1] = 1.0
        return
    if mode == FREE_COLUMNS:
        y1, y2 = np.float32(0.0), np.float32(0.0)
        for j in range(m, lo[n] - 1, -1):
            v = c[KAPPA] * open_y_row[n] * open_y_col[j] * (c[O1] * y1 + c[O2] * y2)
            state[0, j] = c[T]
            state[1, j] = c[C1] * (c[PN] + v)
            state[2, j] = c[C2] * (c[PN] + v)
            y1, y2 = c[C1] + c[E1] * y1, c[C2] + c[E2] * y2
        return
    state[0, m] = c[T]
    if mode == GLOBAL:
        state[1, m] = c[PN] * c[C1]
        state[2, m] = c[PN] * c[C2]
    y1, y2 = c[C1], c[C2]
    scale = 0
    for j in range(m - 1, lo[n] - 1, -1):
        if (j + 1) % TILE == 0:
            k = _exponent(max(y1, y2))
            y1, y2 = y1 * _power(-k), y2 * _power(-k)
            scale += k
            exponent[j // TILE] = scale
        v = open_y_row[n] * open_y_col[j] * (c[O1] * y1 + c[O2] * y2)
        state[0, j] = c[PN] * v
        state[1, j] = c[KAPPA] * c[C1] * v
        state[2, j] = c[KAPPA] * c[C2] * v
        y1 *= c[E1]
        y2 *= c[E2]


@compiled()
def grow(rows, columns, values, more):
    size = rows.size
    new_rows = np.empty(2 * size + more, np.int32)
    new_columns = np.empty(2 * size + more, np.int32)
    new_values = np.empty(2 * size + more, np.float32)
    for k in range(size):
        new_rows[k], new_columns[k], new_values[k] = rows[k], columns[k], values[k]
    return new_rows, new_columns, new_values


@compiled(_nrt=False, inner=True)
def _append(values, size, cutoff, row, column, rows, columns, kept, found):
    """Append the values of at least ``cutoff``; return the new number of entries.

    This needs no branch: every value is written, and overwritten by the next if it was too small.
    """
    for j in range(size):
        rows[found] = row
        columns[found] = column + j
        kept[found] = values[j]
        found += values[j] >= cutoff
    return found


@compiled(_nrt=False, inner=True)
def _visible(kept_exponent, exponent, t0, t1, end, seen, weight_f, weight_b):
    """List the tiles from ``t0`` to ``t1`` whose posterior is not negligible; return their number.

    The weights bring the products of forward and backward values to probabilities.
    """
    total = np.float32(1.0 / end[0])
    n_seen = 0
    for t in range(t0, t1 + 1):
        k = kept_exponent[t - t0] + exponent[t] - int(end[1])
        if k >= UNSEEN:
            seen[n_seen] = t
            weight_f[n_seen] = _power(k // 2)
            weight_b[n_seen] = _power(k - k // 2) * total
            n_seen += 1
    return n_seen


@compiled(fastmath=_FAST, error_model="numpy", _nrt=False, inner=True)
def _step_back(i, m, lo, hi, c, mode, opens, state, exponent, factor, g, v):
    """Bring M, X1 and X2 of the backward recursion from row i + 1 to row i; g and v are room to work in."""
    open_x_row, open_x_col, open_y_row, open_y_col = opens
    M, X1, X2 = state[0], state[1], state[2]
    t_, o1, o2, e1, e2, c1, c2, pn, kappa = (c[T], c[O1], c[O2], c[E1], c[E2], c[C1], c[C2], c[PN], c[KAPPA])
    n1, n2, k1, k2 = pn * c1, pn * c2, kappa * c1, kappa * c2
    jl, jh = lo[i], hi[i]
    right, g_, f = span(M, jl + 1, jh + 2), span(g, jl, jh + 1), span(factor, jl, jh + 1)
    for j in range(g_.size):
        g_[j] = right[j] * f[j]
    y1 = np.float32(0.0)
    y2 = np.float32(0.0)
    free = np.float32(0.0)
    if jh == m:
        if mode == FREE_ROWS:
            free = _power(-exponent[m // TILE])
        y1, y2 = c1 * free, c2 * free
        g[m] = 0.0
        v[m] = 0.0
    for t in range(jh // TILE, jl // TILE - 1, -1):
        a, b = max(jl, t * TILE), min(jh + 1, (t + 1) * TILE)
        if jh == m and t == jh // TILE:
            b = m
        if b == (t + 1) * TILE:
            y1 *= factor[b - 1]
            y2 *= factor[b - 1]
        g_, v_ = span(g, a, b), span(v, a, b)
        for j in range(g_.size - 1, -1, -1):
            v_[j] = o1 * y1 + o2 * y2
            y1 = c1 * g_[j] + e1 * y1
            y2 = c2 * g_[j] + e2 * y2
    gate, g1, g2 = open_y_row[i], o1 * open_x_row[i], o2 * open_x_row[i]
    m_, x1, x2 = span(M, jl, jh + 1), span(X1, jl, jh + 1), span(X2, jl, jh + 1)
    g_, v_, w = span(g, jl, jh + 1), span(v, jl, jh + 1), span(open_y_col, jl, jh + 1)
    for j in range(m_.size):
        v_[j] *= gate * w[j]
    w = span(open_x_col, jl, jh + 1)
    for j in range(m_.size):
        m_[j] = t_ * g_[j] + pn * v_[j] + w[j] * (g1 * x1[j] + g2 * x2[j])
    for j in range(m_.size):
        x1[j] = n1 * g_[j] + e1 * x1[j] + k1 * v_[j]
    for j in range(m_.size):
        x2[j] = n2 * g_[j] + e2 * x2[j] + k2 * v_[j]
    if jh == m:
        M[m] += t_ * free
    if mode == LOCAL:
        for t in range(jl // TILE, jh // TILE + 1):
            one = _power(-exponent[t])
            for j in range(max(jl, t * TILE), min(jh + 1, (t + 1) * TILE)):
                M[j] += one
    for r in range(3):
        sc.clear(state[r], jh + 1, hi[i + 1] + 1)


@compiled(fastmath=_FAST, error_model="numpy", apart=True)
def backward_rows(
    first, last, emission, band, c, mode, opens, state, exponent, kept, end, cutoff, found, matches, row_sum, column_sum
):
    """Carry the backward recursion from row ``last`` to ``first``; collect match posteriors.

    Arguments up to ``kept`` are those of :func:`forward_rows`. ``matches`` are rows,
    columns (0-based residues) and values, to which posteriors of at least ``cutoff`` are appended
    from place ``found`` on; returns these (they may have grown) and their number. ``row_sum`` and
    ``column_sum`` receive the summed match posterior of each residue.
    """
    odds, line = emission
    lo, hi, offset = band
    kept_state, kept_exponent = kept
    rows, columns, values = matches
    n, m = lo.size - 1, state.shape[1] - 2
    M = state[0]
    g = np.zeros(m + 2, np.float32)
    v = np.zeros(m + 2, np.float32)
    product = np.empty(TILE, np.float32)
    seen = np.empty(exponent.size, np.int64)
    weight_f = np.empty(exponent.size, np.float32)
    weight_b = np.empty(exponent.size, np.float32)
    n_seen = 0
    factor = np.ones((m // TILE + 1) * TILE, np.float32)
    for i in range(last, first, -1):
        jl, jh = lo[i], hi[i]
        if i % GROUP == 0 or i == n:
            low = lo[max((i - 1) // GROUP * GROUP, 0)]
            _renew(state, exponent, low, hi[min(i + 1, n)], False)
            _set_factor(factor, exponent, low // TILE, hi[min(i + 1, n)] // TILE, False)
            # Powers of two of both recursions stay the same for all rows of the group.
            group = (i - 1 - first) // GROUP
            t0 = lo[first + group * GROUP] // TILE
            n_seen = _visible(kept_exponent[group], exponent, t0, jh // TILE, end, seen, weight_f, weight_b)
        if i < n:
            _step_back(i, m, lo, hi, c, mode, opens, state, exponent, factor, g, v)
        F = span(kept_state, offset[i] - offset[first + 1], offset[i + 1] - offset[first + 1])
        here = np.float32(0.0)
        if found + jh - jl + 1 + TILE > rows.size:
            rows, columns, values = grow(rows, columns, values, jh - jl + 1 + TILE)
        for k in range(n_seen):
            t = seen[k]
            a, b = max(jl, t * TILE, 1), min(jh + 1, (t + 1) * TILE)
            if a >= b:
                continue
            f1, f2 = weight_f[k], weight_b[k]
            total, top = _multiply(F, jl, M, a, b, f1, f2, product)
            if top < NEGLIGIBLE:
                continue
            here += total
            _add(product, a, b, column_sum)
            if top >= cutoff:
                found = _append(product, b - a, cutoff, i - 1, a - 1, rows, columns, values, found)
        row_sum[i - 1] = here
        e, m_ = span(odds[line[i]], jl, jh + 1), span(M, jl, jh + 1)
        for j in range(m_.size):
            m_[j] *= e[j]
        if jl == 0:
            M[0] = 0.0
    return rows, columns, values, found
