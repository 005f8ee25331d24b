"""Expected events of the pair-HMM on unaligned pairs, for Baum-Welch.

Plain float64 with one power of two per row: training pairs are of moderate length, and each row
is renewed, so that rearranged sequences lose paths but nothing overflows.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from genolstm.alignment.kernels import C1, C2, E1, E2, KAPPA, O1, O2, PN, T

# Places in an array of events.
MATCHES, STAY, OPEN_X, OPEN_Y, EXTEND, CLOSE, UNLINKED, LINK = 0, 16, 17, 19, 21, 23, 25, 26
N_EVENTS = 28
"""Matches by letters (16), M-M, M-X (short, long), M-Y (2), gap extensions (2), gap ends (2), X-M,
X-Y (2)."""


@njit(cache=True, nogil=True)
def expected_events(x, y, odds, c, events):
    """Add the expected events of a pair, aligned from end to end, to ``events``.

    Parameters
    ----------
    x, y
        Codes 0 to 3, 4 for uncertain, of the row and the column sequence.
    odds
        (5, 5) odds of matches.

    Returns
    -------
    float
        Natural log-odds of the pair against the null model.
    """
    n, m = x.size, y.size
    t, o1, o2, e1, e2 = c[T], c[O1], c[O2], c[E1], c[E2]
    c1, c2, pn, kappa = c[C1], c[C2], c[PN], c[KAPPA]
    F = np.zeros((5, n + 1, m + 1))
    scale = np.zeros(n + 1)
    for i in range(n + 1):
        for j in range(m + 1):
            if i == 0 and j == 0:
                F[0, 0, 0] = 1.0
                continue
            if i > 0 and j > 0:
                out = t * F[0, i - 1, j - 1] + c1 * F[3, i - 1, j - 1] + c2 * F[4, i - 1, j - 1]
                out += pn * (c1 * F[1, i - 1, j - 1] + c2 * F[2, i - 1, j - 1])
                F[0, i, j] = out * odds[x[i - 1], y[j - 1]]
            if i > 0:
                F[1, i, j] = e1 * F[1, i - 1, j] + o1 * F[0, i - 1, j]
                F[2, i, j] = e2 * F[2, i - 1, j] + o2 * F[0, i - 1, j]
            if j > 0:
                v = pn * F[0, i, j - 1] + kappa * (c1 * F[1, i, j - 1] + c2 * F[2, i, j - 1])
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

    # Backward values are kept in units that make forward times backward a posterior.
    B = np.zeros((5, m + 2))
    new = np.zeros((5, m + 2))
    g = np.zeros(m + 2)
    for i in range(n, -1, -1):
        # B holds row i + 1, to be multiplied with the power that row was divided by.
        down = math.exp(-scale[i + 1]) if i < n else 0.0
        new[:] = 0.0
        for j in range(m, -1, -1):
            if i < n and j < m:
                g[j] = odds[x[i], y[j]] * B[0, j + 1] * down
            else:
                g[j] = 1.0 / end if (i == n and j == m) else 0.0
            y1, y2 = new[3, j + 1], new[4, j + 1]
            bx1, bx2 = B[1, j] * down, B[2, j] * down
            v = o1 * y1 + o2 * y2
            new[3, j] = c1 * g[j] + e1 * y1
            new[4, j] = c2 * g[j] + e2 * y2
            new[0, j] = t * g[j] + o1 * bx1 + o2 * bx2 + pn * v
            new[1, j] = c1 * pn * g[j] + e1 * bx1 + c1 * kappa * v
            new[2, j] = c2 * pn * g[j] + e2 * bx2 + c2 * kappa * v
            f, f1, f2, f3, f4 = F[0, i, j], F[1, i, j], F[2, i, j], F[3, i, j], F[4, i, j]
            if i > 0 and j > 0 and x[i - 1] < 4 and y[j - 1] < 4:
                events[4 * x[i - 1] + y[j - 1]] += f * new[0, j]
            events[16] += f * t * g[j]
            events[17] += f * o1 * bx1
            events[18] += f * o2 * bx2
            events[19] += f * pn * o1 * y1
            events[20] += f * pn * o2 * y2
            events[21] += e1 * (f1 * bx1 + f3 * y1)
            events[22] += e2 * (f2 * bx2 + f4 * y2)
            leave1, leave2 = f1 * c1 * pn * g[j], f2 * c2 * pn * g[j]
            events[25] += leave1 + leave2
            link1, link2 = f1 * c1 * kappa, f2 * c2 * kappa
            events[26] += (link1 + link2) * o1 * y1
            events[27] += (link1 + link2) * o2 * y2
            events[23] += leave1 + link1 * v + f3 * c1 * g[j]
            events[24] += leave2 + link2 * v + f4 * c2 * g[j]
        B, new = new, B
    return math.log(end) + scale.sum()
