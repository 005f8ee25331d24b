"""Scores and alignments of many near pairs, without an object or a loop of Python for each.

What :mod:`genolstm.alignment.pairhmm.near_alignment` finds for thousands of pairs is kept as it is, in flat arrays. A
:class:`BatchedAlignment` knows what a line of output holds, and becomes a whole alignment when more is asked.
"""

from __future__ import annotations

import math
import re
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from Bio.SeqRecord import SeqRecord

from genolstm.alignment.pair import SPAN_COST, TIE
from genolstm.alignment.pairhmm.decode import F1_SLACK, SparsePosterior
from genolstm.alignment.pairhmm.modes import Mode
from genolstm.alignment.pairhmm.near import score_chunk
from genolstm.alignment.pairhmm.near_alignment import FIELDS, align_chunk
from genolstm.alignment.pairhmm.pairhmm import CUTOFF
from genolstm.alignment.pairhmm.parameters import ParameterFamily
from genolstm.alignment.pairhmm.region import Region, shifted
from genolstm.alignment.result import DELETION, INSERTION, MATCH, MISMATCH, PosteriorAlignment
from genolstm.sequences.masks import Masks
from genolstm.sequences.packed import PackedSequences
from genolstm.threads import worker_pool

CHUNK = 64
_OPERATIONS = "=XID"
_RUN = re.compile(r"(\d+)([=XID])")
_LATER = frozenset(
    ("ops", "pairs", "masks", "posterior", "posteriors", "column_query", "column_reference", "coordinates")
)


class Fit(NamedTuple):
    """Parameters found for a near pair: strand, log divergence, log gap rate, and bits on that strand."""

    strand: str
    divergence: float
    gap_rate: float
    bits: float


def score_near(
    queries: PackedSequences,
    references: PackedSequences,
    pairs: npt.NDArray[np.int64],
    family: ParameterFamily,
    *,
    free: bool,
    threads: int,
) -> npt.NDArray[np.float64]:
    """Return bits, log divergence and log gap rate of each pair, (k, 3); NaN for pairs that are not near.

    Parameters
    ----------
    queries
        On the strand to score.
    pairs
        Indices of query and reference, (k, 2).
    free
        Whether the reference's ends are free (semiglobal) or not (global).
    """
    out = np.empty((len(pairs), 3))
    sides = (queries.letters, queries.starts), (references.letters, references.starts)
    numbers, prior = family.numbers(), family.prior()

    def work(first: int) -> None:
        score_chunk(*sides, pairs, first, min(first + CHUNK, len(pairs)), free, numbers, prior, out)

    with worker_pool(threads) as pool:
        list(pool.map(work, range(0, len(pairs), CHUNK)))
    return out


class NearAlignments:
    """Alignments of near pairs as flat arrays.

    Parameters
    ----------
    queries, references, pairs, family, free, threads
        As for :func:`score_near`.
    fitted
        What it found for these pairs.
    """

    def __init__(
        self,
        queries: PackedSequences,
        references: PackedSequences,
        pairs: npt.NDArray[np.int64],
        fitted: npt.NDArray[np.float64],
        family: ParameterFamily,
        *,
        free: bool,
        threads: int,
    ) -> None:
        sides = (queries.letters, queries.starts), (references.letters, references.starts)
        numbers = family.numbers()
        cost = SPAN_COST if free else 0.0

        def work(first: int) -> Any:
            last = min(first + CHUNK, len(pairs))
            return align_chunk(
                *sides, pairs, first, last, free, numbers, fitted, cost, F1_SLACK, TIE, np.float32(CUTOFF)
            )

        with worker_pool(threads) as pool:
            self._parts = list(pool.map(work, range(0, len(pairs), CHUNK)))
        empty = np.zeros((0, FIELDS))
        numbers_found = np.concatenate([part[0] for part in self._parts]) if self._parts else empty
        self.done = numbers_found[:, 0] > 0
        """Whether each pair was aligned; the others have to be visited in full."""
        self.doubt = numbers_found[:, 7]
        """Expected number of wrong columns."""

    def numbers(self, k: int) -> npt.NDArray[np.float64]:
        """Return the numbers of a pair, see :data:`~genolstm.alignment.pairhmm.near_alignment.FIELDS`."""
        found: npt.NDArray[np.float64] = self._parts[k // CHUNK][0][k % CHUNK]
        return found

    def _span(self, k: int, field: int) -> slice:
        """Return where a pair's part lies among those of its chunk."""
        numbers = self._parts[k // CHUNK][0]
        ends = numbers[: k % CHUNK, field]
        return slice(int(ends.max(initial=0)), int(numbers[k % CHUNK, field]))

    def cigar(self, k: int) -> str:
        """Return the CIGAR of a pair."""
        return self._parts[k // CHUNK][6][self._span(k, 11)].tobytes().decode("ascii")

    def links(self, k: int) -> npt.NDArray[np.int32]:
        """Return the matched residues of a pair, (links, 2)."""
        found: npt.NDArray[np.int32] = self._parts[k // CHUNK][1][self._span(k, 8)]
        return found

    def posterior(self, k: int, n: int) -> SparsePosterior:
        """Return the posteriors of a pair with a query of ``n`` bases."""
        _, _, rows, columns, values, matched, _ = self._parts[k // CHUNK]
        own, sums = self._span(k, 9), matched[self._span(k, 10)]
        return SparsePosterior(rows[own], columns[own], values[own], sums[:n], sums[n:])


class BatchedAlignment(PosteriorAlignment):
    """One of many alignments that were made together.

    It is made from arrays when something is asked that a line of output does not hold.

    Parameters
    ----------
    found, k
        The alignments it belongs to, and its place among them.
    query, reference
        The whole sequences, as given.
    masks
        Of both, the query's on the strand that is aligned.
    start, end
        Part of the reference that was aligned.
    """

    def __init__(
        self,
        found: NearAlignments,
        k: int,
        query: SeqRecord,
        reference: SeqRecord,
        masks: tuple[Masks, Masks],
        place: tuple[int, int],
        *,
        mode: Mode,
        bits: float,
        fit: Fit,
    ) -> None:
        self._made = False
        self._found, self._k, self._place, self._fit, self._masks = found, k, place, fit, masks
        _, r0, r1, equal, columns, mean, top, *_ = found.numbers(k).tolist()
        start = place[0]
        self.sequences = [reference, query]
        self.n_query, self.n_reference = len(masks[0]), len(masks[1])
        self._span = (0, self.n_query), (int(r0) + start, int(r1) + start)
        self._equal, self._columns, self._mean = int(equal), int(columns), mean
        self._cigar = found.cigar(k)
        self.bits = self.score = bits
        self.strand, self.mode = fit.strand, mode
        self.placement = top
        self.divergence, self.gap_rate = math.exp(fit.divergence), math.exp(fit.gap_rate)
        self.model, self.context_bits = "classical", 0.0
        self.evalue = self.p_homolog = self.evidence = None
        self.is_secondary = False

    def __getattr__(self, name: str) -> Any:
        if name not in _LATER or self.__dict__.get("_made", True):
            raise AttributeError(name)
        self._made = True
        found, k, n = self._found, self._k, self.n_query
        kept = {name: self.__dict__[name] for name in ("placement", "evalue", "p_homolog", "evidence", "is_secondary")}
        start, end = self._place
        region = Region((0, n), (start, end))
        super().__init__(
            self.sequences[1],
            self.sequences[0],
            self._masks,
            found.links(k) + np.array([0, start], dtype=np.int32),
            shifted(found.posterior(k, n), region, n, self.n_reference),
            bits=self.bits,
            strand=self.strand,
            mode=self.mode,
            divergence=self.divergence,
            gap_rate=self.gap_rate,
        )
        self.__dict__.update(kept)
        return self.__dict__[name]

    @property
    def is_empty(self) -> bool:
        return False

    @property
    def n_columns(self) -> int:
        return self._columns

    @property
    def cigar(self) -> str:
        return self._cigar

    def runs(self) -> list[tuple[int, str]]:
        return [(int(n), op) for n, op in _RUN.findall(self._cigar)]

    def count(self, *ops: int) -> int:
        if ops == (MATCH,):
            return self._equal
        if ops == (MISMATCH, INSERTION, DELETION):
            return self._columns - self._equal
        return sum(n for n, op in self.runs() if _OPERATIONS.index(op) in ops)

    @property
    def identity(self) -> float:
        return self._equal / self._columns

    @property
    def mean_posterior(self) -> float:
        return self._mean
