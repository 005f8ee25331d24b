"""The pair-HMM as a conditional random field: likelihoods with their derivatives, for training.

The derivative of the log of a sum over alignments by the log of a weight is the expected use of that
weight; likewise for the log weight of one known alignment, with the expectation over which of its
gaps are short or long. Both are computed in float64 and global mode, for any match scores, transition
weights and position-dependent gap openings; a loss is the difference of the two.

Inference lays the longer sequence along the rows; training should do the same, because with
position-dependent gap openings it matters a little which of two neighbouring gaps comes first.

One power of two per row keeps values in range: training pairs are of moderate length.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from genolstm.alignment.pairhmm.kernels import C1, C2, E1, E2, KAPPA, O1, O2, PN, T
from genolstm.compiled import compiled

Array = npt.NDArray[np.float64]

STAY, OPEN_X, OPEN_Y, EXTEND, CLOSE, UNLINKED, LINK = 0, 1, 3, 5, 7, 9, 10
N_EVENTS = 12
"""M-M; M-X (short, long); M-Y (2); gap residues that follow one of the same gap (2); gap ends (2);
X-M; X-Y (2)."""


@dataclass(frozen=True)
class Expectation:
    """A log weight and its derivatives; rows are the first sequence, columns the second.

    Attributes
    ----------
    log_weight
        Natural log of the summed weight.
    match
        Derivative by each match score: P(match), float64 (n, m).
    events
        Expected number of each kind of transition, (N_EVENTS,).
    open_x, open_y
        Expected openings of gaps that take row (column) residues at each boundary of the rows
        and of the columns: (n + 1,) and (m + 1,).
    """

    log_weight: float
    match: Array
    events: Array
    open_x: tuple[Array, Array]
    open_y: tuple[Array, Array]

    @property
    def weights(self) -> Array:
        """Derivative by the log of each weight of :func:`genolstm.alignment.pairhmm.kernels.coefficients`, (9,)."""
        e = self.events
        out = np.empty(9)
        out[T] = e[STAY]
        out[O1] = e[OPEN_X] + e[OPEN_Y] + e[LINK]
        out[O2] = e[OPEN_X + 1] + e[OPEN_Y + 1] + e[LINK + 1]
        out[E1], out[E2] = e[EXTEND], e[EXTEND + 1]
        out[C1], out[C2] = e[CLOSE], e[CLOSE + 1]
        out[PN] = e[OPEN_Y] + e[OPEN_Y + 1] + e[UNLINKED]
        out[KAPPA] = e[LINK] + e[LINK + 1]
        return out


def _factors(n: int, m: int, gap_open: tuple[npt.ArrayLike, npt.ArrayLike] | None) -> tuple[Array, Array, Array, Array]:
    if gap_open is None:
        return np.ones(n + 1), np.ones(m + 1), np.ones(n + 1), np.ones(m + 1)
    rows, columns = (np.exp(np.asarray(g, dtype=np.float64)) for g in gap_open)
    # Column 0 belongs to gaps that take residues of the rows.
    x, y = (np.ascontiguousarray(rows[:, k]) for k in (0, 1))
    p, q = (np.ascontiguousarray(columns[:, k]) for k in (0, 1))
    return x, p, y, q


def all_alignments(
    log_odds: npt.ArrayLike, coefficients: npt.ArrayLike, gap_open: tuple[npt.ArrayLike, npt.ArrayLike] | None = None
) -> Expectation:
    """Sum over all global alignments of a pair.

    Parameters
    ----------
    log_odds
        Natural log-odds of each match, (n, m).
    coefficients
        Weights as :func:`genolstm.alignment.pairhmm.kernels.coefficients` makes them, (9,).
    gap_open
        Natural log of position-dependent factors for opening a gap at the boundaries of the rows
        (n + 1, 2) and the columns (m + 1, 2): gaps that take row residues, and column residues.
    """
    S = np.ascontiguousarray(log_odds, dtype=np.float64)
    n, m = S.shape
    x, p, y, q = _factors(n, m, gap_open)
    match, events = np.zeros((n, m)), np.zeros(N_EVENTS)
    opened = np.zeros(n + 1), np.zeros(m + 1), np.zeros(n + 1), np.zeros(m + 1)
    weight = _forward_backward(
        np.exp(S), np.asarray(coefficients, dtype=np.float64), x, p, y, q, match, events, *opened
    )
    return Expectation(float(weight), match, events, opened[:2], opened[2:])


def one_alignment(
    log_odds: npt.ArrayLike,
    pairs: npt.NDArray[np.int32],
    coefficients: npt.ArrayLike,
    gap_open: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
) -> Expectation:
    """Weigh one global alignment, given by its matches (k, 2), summed over the kinds of its gaps."""
    S = np.ascontiguousarray(log_odds, dtype=np.float64)
    n, m = S.shape
    x, p, y, q = _factors(n, m, gap_open)
    events = np.zeros(N_EVENTS)
    opened = np.zeros(n + 1), np.zeros(m + 1), np.zeros(n + 1), np.zeros(m + 1)
    match = np.zeros((n, m))
    match[pairs[:, 0], pairs[:, 1]] = 1.0
    weight = _gap_weights(pairs, n, m, np.asarray(coefficients, dtype=np.float64), x, p, y, q, events, *opened)
    weight += float(S[pairs[:, 0], pairs[:, 1]].sum())
    return Expectation(float(weight), match, events, opened[:2], opened[2:])


@compiled()
def _forward_backward(odds, c, xr, xc, yr, yc, match, events, open_xr, open_xc, open_yr, open_yc):
    n, m = odds.shape
    t, o1, o2, e1, e2 = c[T], c[O1], c[O2], c[E1], c[E2]
    c1, c2, pn, kappa = c[C1], c[C2], c[PN], c[KAPPA]
    F = np.zeros((5, n + 1, m + 1))
    scale = np.zeros(n + 1)
    F[0, 0, 0] = 1.0
    for i in range(n + 1):
        for j in range(m + 1):
            if i > 0 and j > 0:
                out = t * F[0, i - 1, j - 1] + c1 * F[3, i - 1, j - 1] + c2 * F[4, i - 1, j - 1]
                out += pn * (c1 * F[1, i - 1, j - 1] + c2 * F[2, i - 1, j - 1])
                F[0, i, j] = out * odds[i - 1, j - 1]
            if i > 0:
                v = xr[i - 1] * xc[j] * F[0, i - 1, j]
                F[1, i, j] = e1 * F[1, i - 1, j] + o1 * v
                F[2, i, j] = e2 * F[2, i - 1, j] + o2 * v
            if j > 0:
                v = pn * F[0, i, j - 1] + kappa * (c1 * F[1, i, j - 1] + c2 * F[2, i, j - 1])
                v *= yr[i] * yc[j - 1]
                F[3, i, j] = e1 * F[3, i, j - 1] + o1 * v
                F[4, i, j] = e2 * F[4, i, j - 1] + o2 * v
        top = F[:, i, :].max()
        if top > 0.0:
            F[:, i, :] /= top
            scale[i] = math.log(top)
    end = t * F[0, n, m] + pn * (c1 * F[1, n, m] + c2 * F[2, n, m])
    end += c1 * F[3, n, m] + c2 * F[4, n, m]
    if end <= 0.0:
        return -np.inf

    # Backward values are in units that make forward times backward a posterior.
    B = np.zeros((5, m + 2))
    new = np.zeros((5, m + 2))
    for i in range(n, -1, -1):
        down = math.exp(-scale[i + 1]) if i < n else 0.0
        new[:] = 0.0
        for j in range(m, -1, -1):
            if i < n and j < m:
                g = odds[i, j] * B[0, j + 1] * down
            else:
                g = 1.0 / end if (i == n and j == m) else 0.0
            gx, gy = xr[i] * xc[j], yr[i] * yc[j]
            y1, y2 = new[3, j + 1], new[4, j + 1]
            bx1, bx2 = B[1, j] * down, B[2, j] * down
            v = gy * (o1 * y1 + o2 * y2)
            new[3, j] = c1 * g + e1 * y1
            new[4, j] = c2 * g + e2 * y2
            new[0, j] = t * g + gx * (o1 * bx1 + o2 * bx2) + pn * v
            new[1, j] = c1 * pn * g + e1 * bx1 + c1 * kappa * v
            new[2, j] = c2 * pn * g + e2 * bx2 + c2 * kappa * v
            f, f1, f2, f3, f4 = F[0, i, j], F[1, i, j], F[2, i, j], F[3, i, j], F[4, i, j]
            if i > 0 and j > 0:
                match[i - 1, j - 1] = f * new[0, j]
            events[STAY] += f * t * g
            a1, a2 = f * gx * o1 * bx1, f * gx * o2 * bx2
            b1, b2 = f * gy * pn * o1 * y1, f * gy * pn * o2 * y2
            link = (f1 * c1 + f2 * c2) * kappa * gy
            d1, d2 = link * o1 * y1, link * o2 * y2
            events[OPEN_X] += a1
            events[OPEN_X + 1] += a2
            events[OPEN_Y] += b1
            events[OPEN_Y + 1] += b2
            events[LINK] += d1
            events[LINK + 1] += d2
            events[EXTEND] += e1 * (f1 * bx1 + f3 * y1)
            events[EXTEND + 1] += e2 * (f2 * bx2 + f4 * y2)
            leave1, leave2 = f1 * c1 * pn * g, f2 * c2 * pn * g
            events[UNLINKED] += leave1 + leave2
            events[CLOSE] += leave1 + f1 * c1 * kappa * v + f3 * c1 * g
            events[CLOSE + 1] += leave2 + f2 * c2 * kappa * v + f4 * c2 * g
            open_xr[i] += a1 + a2
            open_xc[j] += a1 + a2
            open_yr[i] += b1 + b2 + d1 + d2
            open_yc[j] += b1 + b2 + d1 + d2
        B, new = new, B
    return math.log(end) + scale.sum()


@compiled()
def _gap_weights(pairs, n, m, c, xr, xc, yr, yc, events, open_xr, open_xc, open_yr, open_yc):
    total = 0.0
    last_i, last_j = np.int64(0), np.int64(0)
    for k in range(pairs.shape[0] + 1):
        if k < pairs.shape[0]:
            i, j = np.int64(pairs[k, 0]), np.int64(pairs[k, 1])
        else:
            i, j = np.int64(n), np.int64(m)
        x, y = i - last_i, j - last_j
        if x == 0 and y == 0:
            total += math.log(c[T])
            events[STAY] += 1.0
        if x > 0:
            a1 = c[O1] * c[E1] ** (x - 1) * c[C1]
            a2 = c[O2] * c[E2] ** (x - 1) * c[C2]
            total += math.log((a1 + a2) * xr[last_i] * xc[last_j])
            p = a1 / (a1 + a2)
            _count(events, OPEN_X, p, x)
            open_xr[last_i] += 1.0
            open_xc[last_j] += 1.0
            if y == 0:
                total += math.log(c[PN])
                events[UNLINKED] += 1.0
        if y > 0:
            # Column residues come after the row residues, at boundary i of the rows.
            b1 = c[O1] * c[E1] ** (y - 1) * c[C1]
            b2 = c[O2] * c[E2] ** (y - 1) * c[C2]
            total += math.log((b1 + b2) * (c[KAPPA] if x > 0 else c[PN]) * yr[i] * yc[last_j])
            _count(events, LINK if x > 0 else OPEN_Y, b1 / (b1 + b2), y)
            open_yr[i] += 1.0
            open_yc[last_j] += 1.0
        last_i, last_j = i + 1, j + 1
    return total


@compiled()
def _count(events, kind, p, length):
    events[kind] += p
    events[kind + 1] += 1.0 - p
    events[CLOSE] += p
    events[CLOSE + 1] += 1.0 - p
    events[EXTEND] += p * (length - 1)
    events[EXTEND + 1] += (1.0 - p) * (length - 1)
