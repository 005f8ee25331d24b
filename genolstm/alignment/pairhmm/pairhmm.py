"""The pair-HMM: score, posteriors and alignments of one pair of sequences.

:class:`PairHMM` puts a pair, its parameters and, if there is one, a contextual term together and
runs the compiled recursions of :mod:`genolstm.alignment.pairhmm.kernels` over them, in memory that grows
with the length of the sequences and not with its square.

Score: log2 of P(both sequences | the model) / P(both | unrelated), summed over all alignments. In
the semiglobal mode the alignment begins at any of the reference's places with equal probability,
in the local mode at any pair of places and ends at any of min(n, m); what lies outside is emitted
by the null model.
"""

from __future__ import annotations

import copy
import math
import threading
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from genolstm.alignment.pairhmm import kernels as kn
from genolstm.alignment.pairhmm import viterbi as vt
from genolstm.alignment.pairhmm.decode import SparsePosterior
from genolstm.alignment.pairhmm.member import Reading, lay_out_odds, layout_of
from genolstm.alignment.pairhmm.modes import Mode
from genolstm.alignment.pairhmm.parameters import PairHMMParameters
from genolstm.alignment.pairhmm.region import Band
from genolstm.compiled import ready
from genolstm.errors import SettingError
from genolstm.sequences.masks import Masks

Vector = npt.NDArray[np.float32]

BLOCK_CELLS = 1 << 22
"""Cells whose forward values are kept at a time; longer recursions are run again in blocks."""
CHECKPOINTS = 64
"""Rows kept per level of checkpoints."""
CUTOFF = 1e-3
"""Posteriors below this are dropped."""
CONTEXT_ROWS = 64
"""Rows whose contextual terms are computed at a time."""
MAX_CONTEXT = 20.0
"""Bound of the contextual term in nats; a model's own gates bound it more tightly."""


@dataclass(frozen=True)
class Context:
    """What a model adds to one sequence.

    Parameters
    ----------
    vectors
        Contextual vectors z, float32 (n, d). The score of a match gains
        g_query[i] * g_reference[j] * <z_query[i], z_reference[j]> nats.
    gate
        g per position, float32 (n,), >= 0; None for 1.
    gap_open
        Natural log of the factor for opening a gap at each boundary, float32 (n + 1, 2): a gap that
        takes residues of the query (column 0), and one that takes residues of the reference.
    """

    vectors: Vector | None = None
    gate: Vector | None = None
    gap_open: Vector | None = None

    def gated(self) -> Vector | None:
        """Return gate * vectors."""
        if self.vectors is None or self.gate is None:
            return self.vectors
        return np.asarray(self.vectors * self.gate[:, None], dtype=np.float32)

    def part(self, start: int, end: int) -> Context:
        """Return the context of residues ``[start, end)``."""
        return Context(
            None if self.vectors is None else self.vectors[start:end],
            None if self.gate is None else self.gate[start:end],
            None if self.gap_open is None else self.gap_open[start : end + 1],
        )


_local = threading.local()


def _scratch(size: int) -> Vector:
    """Return this thread's buffer for forward values: fresh pages would cost a third of the time."""
    buffer: Vector | None = getattr(_local, "buffer", None)
    if buffer is None or buffer.size < size:
        buffer = np.empty(size, dtype=np.float32)
        if size <= BLOCK_CELLS:
            _local.buffer = buffer
    return buffer[:size]


class PairHMM:
    """One pair under one set of parameters.

    Parameters
    ----------
    query, reference
        Bit masks of :func:`genolstm.sequences.masks.encode_masks`.
    parameters
        Classical part of the model.
    mode
        ``global``: both from end to end; ``semiglobal``: all of the query somewhere in the
        reference; ``local``: a stretch of each.
    reading
        How the query is read if its bases may be damaged; None for no damage.
    context
        Contextual part for query and reference; None for the classical aligner.
    band
        Band over rows of the longer and columns of the shorter sequence; None for the whole matrix.
    places
        Number of places where a semiglobal or local alignment may begin (and end), if ``reference``
        is only a part of it; by default set by the mode.
    block_cells
        Number of cells kept at a time; smaller saves memory, larger saves time.
    """

    def __init__(
        self,
        query: Masks,
        reference: Masks,
        parameters: PairHMMParameters,
        *,
        mode: Mode = "global",
        reading: Reading | None = None,
        context: tuple[Context, Context] | None = None,
        band: Band | None = None,
        places: int | None = None,
        block_cells: int = BLOCK_CELLS,
    ) -> None:
        layout = layout_of(query, reference, mode, places, reading)
        if band is not None:
            layout = layout._replace(lo=band.lo, hi=band.hi)
        #: The pair without its parameters.
        self.layout = layout
        #: Whether rows, the longer sequence, are the query.
        self.flipped = layout.flipped
        self.n, self.m = len(layout.key) - 1, len(layout.columns)
        self.mode, self.begin = layout.mode, layout.begin
        self.band = Band(layout.lo, layout.hi)
        self.row_key = layout.key
        self.offset = np.zeros(self.n + 2, dtype=np.int64)
        np.cumsum(self.band.hi - self.band.lo + 1, out=self.offset[1:])
        self._band = (self.band.lo, self.band.hi, self.offset)
        self.c = kn.coefficients(parameters.gap_open, parameters.gap_extend, parameters.gap_link)
        self.profile: Vector = lay_out_odds(np.asarray(parameters.match), layout)
        self._set_context(context)
        self._set_blocks(block_cells)
        self._end: npt.NDArray[np.float64] | None = None

    def _set_context(self, context: tuple[Context, Context] | None) -> None:
        ones = np.ones(self.n + 1, dtype=np.float32)
        opens = [ones, ones[: self.m + 1], ones, ones[: self.m + 1]]
        self.open = tuple(opens)
        self.vectors: tuple[Vector, Vector] | None = None
        if context is None:
            return
        sides = context if self.flipped else context[::-1]
        for side, (sequence, size) in enumerate(zip(sides, (self.n, self.m), strict=True)):
            if sequence.gap_open is None:
                continue
            if sequence.gap_open.shape != (size + 1, 2):
                shape = sequence.gap_open.shape
                raise SettingError(f"gap_open has shape {shape}, not {(size + 1, 2)}")
            factor = np.exp(sequence.gap_open.astype(np.float32))
            # Column 0 is gaps that take query residues; X gaps take residues of the rows.
            x = 0 if self.flipped else 1
            opens[side] = np.ascontiguousarray(factor[:, x])
            opens[2 + side] = np.ascontiguousarray(factor[:, 1 - x])
        self.open = tuple(opens)
        a, b = (sequence.gated() for sequence in sides)
        if (a is None) != (b is None):
            raise SettingError("contextual vectors are needed for both sequences or for neither")
        if a is not None and b is not None:
            if a.shape[0] != self.n or b.shape[0] != self.m or a.shape[1] != b.shape[1]:
                raise SettingError(f"contextual vectors of shapes {a.shape} and {b.shape} do not fit the sequences")
            self.vectors = (np.ascontiguousarray(a), np.ascontiguousarray(b.T))

    def _set_blocks(self, block_cells: int) -> None:
        self.block_cells = block_cells
        per_row = max(1, -(-int(self.offset[-1]) // (self.n + 1)))
        if self.vectors is not None:
            # Contextual odds are laid out for whole rows.
            per_row = max(per_row, self.m + 1)
        self.block_rows = max(kn.GROUP, block_cells // per_row // kn.GROUP * kn.GROUP)

    def in_context(self, parameters: PairHMMParameters, context: tuple[Context, Context]) -> PairHMM:
        """Return the pair in context; ``parameters`` may differ from this one's only in the gaps."""
        other = copy.copy(self)
        other.c = kn.coefficients(parameters.gap_open, parameters.gap_extend, parameters.gap_link)
        other._set_context(context)
        other._set_blocks(self.block_cells)
        other._end = None
        return other

    def _emission(self, first: int, last: int) -> tuple[Vector, npt.NDArray[np.int64]]:
        """Return emission odds and, for every row, which line of them it uses."""
        if self.vectors is None:
            return self.profile, self.row_key
        block = np.zeros((last - first, self.m + 1), dtype=np.float32)
        for a in range(first, last, CONTEXT_ROWS):
            # Only the columns that these rows' band touches: pages of zeros beyond cost nothing.
            b = min(a + CONTEXT_ROWS, last)
            low = max(int(self.band.lo[a + 1 : b + 1].min()), 1)
            high = int(self.band.hi[a + 1 : b + 1].max()) + 1
            # NumPy's exp of float32 is vectorised, numba's is not.
            term = self.vectors[0][a:b] @ self.vectors[1][:, low - 1 : high - 1]
            np.exp(np.clip(term, -MAX_CONTEXT, MAX_CONTEXT, out=term), out=term)
            odds = self.profile[self.row_key[a + 1 : b + 1], low:high]
            np.multiply(odds, term, out=block[a - first : b - first, low:high])
        line = np.zeros(self.n + 1, dtype=np.int64)
        line[first + 1 : last + 1] = np.arange(last - first)
        return block, line

    # ------------------------------------------------------------------ forward

    def _begin(self) -> tuple[Vector, npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        state = np.empty((4, self.m + 1), dtype=np.float32)
        exponent = np.empty(self.m // kn.TILE + 1, dtype=np.int64)
        end = np.empty(2)
        kn.begin_rows(self.c, self.mode, self.begin, self.band.hi, self.open[2], self.open[3], state, exponent, end)
        return state, exponent, end

    def _forward(self, first, last, state, exponent, end, kept=None, emission=None):
        """Run forward from row ``first`` to ``last``; write M and exponents to ``kept`` if it is given."""
        keep = kept is not None
        kept = kept or (np.empty(1, np.float32), np.empty((1, 1), np.int64))
        step = last - first if self.vectors is None or keep else self.block_rows
        for a in range(first, last, step):
            b = min(a + step, last)
            kn.forward_rows(
                a,
                b,
                emission or self._emission(a, b),
                self._band,
                self.c,
                self.mode,
                self.begin,
                self.open,
                state,
                exponent,
                keep,
                kept,
                end,
            )

    def score(self) -> float:
        """Return the log-odds of the pair against the null model, in bits."""
        if self._end is None:
            state, exponent, end = self._begin()
            self._forward(0, self.n, state, exponent, end)
            self._end = end
        return self._bits(self._end)

    @staticmethod
    def _bits(end: npt.NDArray[np.float64]) -> float:
        if not end[0] > 0:
            return -math.inf
        return float(math.log2(end[0]) + end[1])

    # ------------------------------------------------------------------ posteriors

    def posterior(self, cutoff: float = CUTOFF) -> SparsePosterior:
        """Return every match whose posterior is at least ``cutoff``."""
        return self._posteriors(cutoff).sparse(self.flipped)

    def likely_matches(self, cutoff: float) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        """Return rows and columns (0-based residues) of the matches whose posterior is at least ``cutoff``."""
        found = self._posteriors(cutoff)
        return found.rows[: found.size], found.columns[: found.size]

    def _posteriors(self, cutoff: float) -> _Found:
        found = _Found(self.n, self.m, cutoff)
        state, exponent, end = self._begin()
        if self.n > self.block_rows:
            final_state, final_exponent, final_end = state.copy(), exponent.copy(), end.copy()
            points = self._checkpoints(0, self.n, final_state, final_exponent, final_end)
            self._end = final_end
        else:
            points = [(0, state, exponent)]
        backward = np.empty((3, self.m + 2), dtype=np.float32)
        backward_exponent = np.empty_like(exponent)
        kn.end_rows(self.c, self.mode, self.band.lo, self.open[2], self.open[3], backward, backward_exponent)
        self._backward(points, self.n, end, backward, backward_exponent, found)
        return found

    def compile_backward(self) -> None:
        """Have the backward recursion compiled, without what comes before it."""
        state, exponent, end = np.empty((3, self.m + 2), np.float32), np.empty(1, np.int64), np.empty(2)
        kn.end_rows(self.c, self.mode, self.band.lo, self.open[2], self.open[3], state, np.empty(self.m, np.int64))
        found = _Found(self.n, self.m, CUTOFF)
        emission, kept = (self.profile, self.row_key), (np.empty(1, np.float32), np.empty((1, 1), np.int64))
        run = (0, self.n, emission, self._band, self.c, self.mode, self.open, state, exponent, kept, end)
        matches = (found.rows, found.columns, found.values)
        ready(kn.backward_rows, *run, found.cutoff, found.size, matches, found.row_sum, found.column_sum)

    def _checkpoints(self, first, last, state, exponent, end):
        """Run forward from ``first`` to ``last``; return states of up to CHECKPOINTS rows."""
        step = self.block_rows
        while (last - first) > step * CHECKPOINTS:
            step *= CHECKPOINTS
        points = []
        for a in range(first, last, step):
            points.append((a, state.copy(), exponent.copy()))
            self._forward(a, min(a + step, last), state, exponent, end)
        return points

    def _backward(self, points, last, end, backward, backward_exponent, found):
        while points:
            first, state, exponent = points.pop()
            if last - first > self.block_rows:
                inner = self._checkpoints(first, last, state, exponent, np.zeros(2))
                self._backward(inner, last, end, backward, backward_exponent, found)
            else:
                groups = -(-(last - first) // kn.GROUP)
                kept = (
                    _scratch(int(self.offset[last + 1] - self.offset[first + 1])),
                    np.zeros((groups, len(exponent)), dtype=np.int64),
                )
                emission = self._emission(first, last)
                self._forward(first, last, state, exponent, end, kept, emission)
                # In blocks, the total is known from the first run; `end` then counts twice.
                total = end if self._end is None else self._end
                self._end = total
                if not total[0] > 0:
                    return
                found.collect(
                    first,
                    last,
                    emission,
                    self._band,
                    self.c,
                    self.mode,
                    self.open,
                    backward,
                    backward_exponent,
                    kept,
                    total,
                )
            last = first

    # ------------------------------------------------------------------ Viterbi

    def viterbi(self) -> tuple[float, npt.NDArray[np.int32]]:
        """Return the likeliest alignment: its log-odds in bits, and the aligned pairs (k, 2)."""
        state = np.empty((4, self.m + 1))
        begin = math.log(self.begin)
        vt.viterbi_begin(self.c, self.mode, begin, self.band.hi, self.open[2], self.open[3], state)
        best = np.array([-1e299, 0, 0, -1])
        points = self._viterbi_points(0, self.n, state, best)
        at = best[1:].astype(np.int64)
        pairs = np.empty((min(self.n, self.m), 2), dtype=np.int32)
        found = self._trace(points, self.n, at, pairs, 0)
        pairs = pairs[:found][::-1]
        if not self.flipped:
            pairs = pairs[:, ::-1]
        score = best[0] / math.log(2)
        return float(score if best[0] > -1e299 else -math.inf), np.ascontiguousarray(pairs)

    def _viterbi_run(self, first, last, state, best, trace=None):
        keep = trace is not None
        if trace is None:
            trace = np.empty(1, dtype=np.uint16)
        step = last - first if self.vectors is None or keep else self.block_rows
        for a in range(first, last, step):
            b = min(a + step, last)
            odds, line = self._emission(a, b)
            with np.errstate(divide="ignore"):
                odds = np.log(odds)
            begin = math.log(self.begin)
            vt.viterbi_rows(
                a, b, (odds, line), self._band, self.c, self.mode, begin, self.open, state, keep, trace, best
            )

    def _viterbi_points(self, first, last, state, best):
        step = self.block_rows
        while (last - first) > step * CHECKPOINTS:
            step *= CHECKPOINTS
        points = []
        for a in range(first, last, step):
            points.append((a, state.copy()))
            self._viterbi_run(a, min(a + step, last), state, best)
        return points

    def _trace(self, points, last, at, pairs, found):
        while points:
            first, state = points.pop()
            if at[2] < 0 or at[0] <= first:
                pass
            elif last - first > self.block_rows:
                inner = self._viterbi_points(first, last, state, np.full(4, -1e299))
                found = self._trace(inner, last, at, pairs, found)
            else:
                trace = np.empty(int(self.offset[last + 1] - self.offset[first + 1]), np.uint16)
                self._viterbi_run(first, last, state, np.full(4, -1e299), trace)
                found = vt.traceback(first, self.band.lo, self.offset, trace, at, pairs, found)
            last = first
        return found


class _Found:
    """Collects posteriors over the blocks of one backward run."""

    def __init__(self, n: int, m: int, cutoff: float) -> None:
        size = max(1024, 4 * (n + m))
        self.rows, self.columns = np.empty(size, np.int32), np.empty(size, np.int32)
        self.values = np.empty(size, np.float32)
        self.row_sum, self.column_sum = np.zeros(n, np.float32), np.zeros(m, np.float32)
        self.cutoff, self.size = np.float32(cutoff), 0

    def collect(self, *run):
        """Run backward over a block; the arguments are the first ones of ``backward_rows``."""
        matches = (self.rows, self.columns, self.values)
        self.rows, self.columns, self.values, self.size = kn.backward_rows(
            *run, self.cutoff, self.size, matches, self.row_sum, self.column_sum
        )

    def sparse(self, flipped: bool) -> SparsePosterior:
        rows, columns = self.rows[: self.size], self.columns[: self.size]
        sums = [np.minimum(s, np.float32(1)) for s in (self.row_sum, self.column_sum)]
        if not flipped:
            rows, columns = columns, rows
            sums.reverse()
        order = np.lexsort((columns, rows))
        values = np.minimum(self.values[: self.size][order], np.float32(1))
        return SparsePosterior(rows[order], columns[order], values, sums[0], sums[1])
