"""The pair-HMM written plainly: float64 logarithms, one cell at a time, and by enumeration.

Nothing here is shared with the compiled kernels; only the model's definition is the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

NEG = -math.inf


def lse(*values: float) -> float:
    top = max(values)
    if top == NEG:
        return NEG
    return top + math.log(sum(math.exp(v - top) for v in values))


def log(x: float) -> float:
    return math.log(x) if x > 0 else NEG


class Reference:
    """All weights of one pair; rows of ``S`` are residues of the first sequence.

    At a free end, gaps of the free sequence stand only beside gaps of the other.

    ``S`` (n, m) holds natural log-odds of matches; the four gap factors have n + 1 or m + 1
    entries, one per boundary. ``mode``: global, rows (any stretch of the rows against all
    columns), columns (the reverse) or local.
    """

    def __init__(self, S, gap_open, gap_extend, gap_link, mode="global", begin=1.0, xr=None, xc=None, yr=None, yc=None):
        self.S, self.mode, self.begin = np.asarray(S, float), mode, begin
        n, m = self.S.shape
        self.o, self.e, self.k = gap_open, gap_extend, gap_link
        self.pn = 1 - gap_link * sum(gap_open)
        self.t = 1 - (1 + self.pn) * sum(gap_open)
        one = lambda v, size: np.ones(size) if v is None else np.asarray(v, float)  # noqa: E731
        self.xr, self.xc = one(xr, n + 1), one(xc, m + 1)
        self.yr, self.yc = one(yr, n + 1), one(yc, m + 1)

    def may_begin(self, i: int, j: int) -> bool:
        n, m = self.S.shape
        return {"global": i == 0 and j == 0, "rows": j == 0, "columns": i == 0, "local": i < n and j < m}[self.mode]

    def may_end(self, i: int, j: int) -> bool:
        n, m = self.S.shape
        return {"global": i == n and j == m, "rows": j == m, "columns": i == n, "local": i > 0 and j > 0}[self.mode]

    def step(self, a: str, b: str, i: int, j: int) -> float:
        """Log weight of going from state a at (i, j) to state b (without b's emission)."""
        if b == "end":
            if not self.may_end(i, j):
                return NEG
            if self.mode == "local":
                return 0.0 if a == "M" else NEG
            if a[0] == "X" and self.mode == "rows":
                return NEG
            b = "M"
        if a[0] == "B":
            if self.mode == "local":
                return 0.0 if b == "M" else NEG
            if b[0] == "Y" and self.mode == "columns":
                return NEG
            a = "M"
        c = {"X1": 1 - self.e[0], "X2": 1 - self.e[1], "Y1": 1 - self.e[0], "Y2": 1 - self.e[1]}
        gx, gy = self.xr[i] * self.xc[j], self.yr[i] * self.yc[j]
        if a == "M":
            if b == "M":
                return log(self.t)
            o = self.o[int(b[1]) - 1]
            if b[0] == "Y" and self.mode == "columns" and i == self.S.shape[0]:
                return NEG
            return log(o * gx) if b[0] == "X" else log(o * self.pn * gy)
        if b == a:
            return log(self.e[int(a[1]) - 1])
        if b == "M":
            if a[0] == "X" and self.mode == "rows" and j == 0:
                return NEG
            return log(c[a] * (self.pn if a[0] == "X" else 1.0))
        if a[0] == "X" and b[0] == "Y":
            return log(c[a] * self.k * self.o[int(b[1]) - 1] * gy)
        return NEG

    def run(self, combine):
        """Fill tables F[state][i, j] with ``combine`` (lse or max); return F and the total."""
        n, m = self.S.shape
        states = ["M", "X1", "X2", "Y1", "Y2"]
        F = {s: np.full((n + 1, m + 1), NEG) for s in states}
        ends = [NEG]
        for i in range(n + 1):
            for j in range(m + 1):
                for s in states:
                    di, dj = {"M": (1, 1), "X": (1, 0), "Y": (0, 1)}[s[0]]
                    if i < di or j < dj:
                        continue
                    p, q = i - di, j - dj
                    cands = [F[r][p, q] + self.step(r, s, p, q) for r in states]
                    if self.may_begin(p, q):
                        cands.append(log(self.begin) + self.step("B", s, p, q))
                    F[s][i, j] = combine(*cands) + (self.S[p, q] if s == "M" else 0.0)
                for s in states:
                    end = F[s][i, j] + self.end(s, i, j)
                    if end > NEG:
                        ends.append(end)
                # An alignment without a column, where begin and end coincide.
                if self.mode != "local" and self.may_begin(i, j) and self.may_end(i, j):
                    ends.append(log(self.begin) + log(self.t))
        return F, combine(*ends)

    def end(self, s: str, i: int, j: int) -> float:
        if not self.may_end(i, j):
            return NEG
        return self.step(s, "end", i, j)

    def backward(self):
        n, m = self.S.shape
        states = ["M", "X1", "X2", "Y1", "Y2"]
        B = {s: np.full((n + 1, m + 1), NEG) for s in states}
        for i in range(n, -1, -1):
            for j in range(m, -1, -1):
                for s in states:
                    cands = [self.end(s, i, j)]
                    for r in states:
                        di, dj = {"M": (1, 1), "X": (1, 0), "Y": (0, 1)}[r[0]]
                        if i + di <= n and j + dj <= m:
                            w = self.step(s, r, i, j) + B[r][i + di, j + dj]
                            cands.append(w + (self.S[i, j] if r == "M" else 0.0))
                    B[s][i, j] = lse(*cands)
        return B

    def posterior(self) -> np.ndarray:
        F, total = self.run(lse)
        B = self.backward()
        return np.exp(F["M"][1:, 1:] + B["M"][1:, 1:] - total)

    # ------------------------------------------------------------------ by enumeration

    def paths(self) -> Iterator[tuple[float, list[tuple[str, int, int]]]]:
        """Yield every path with its log weight: states with the cell they arrive at."""
        n, m = self.S.shape
        states = ["M", "X1", "X2", "Y1", "Y2"]

        def extend(state, i, j, weight, path):
            if path:
                w = weight + self.end(state, i, j)
                if w > NEG:
                    yield w, path
            for r in states:
                di, dj = {"M": (1, 1), "X": (1, 0), "Y": (0, 1)}[r[0]]
                if i + di > n or j + dj > m:
                    continue
                w = weight + self.step(state, r, i, j)
                if w == NEG:
                    continue
                w += self.S[i, j] if r == "M" else 0.0
                yield from extend(r, i + di, j + dj, w, [*path, (r, i + di, j + dj)])

        for i in range(n + 1):
            for j in range(m + 1):
                if self.may_begin(i, j):
                    yield from extend("B", i, j, log(self.begin), [])
