"""A pair under the members of a parameter family: its layout, its score, and the best member.

Compiled, and written once: the scorer calls it for one pair, the search for thousands, and training
for each of its pairs. The best member is found by likelihood, with a prior.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from genolstm.alignment.pairhmm import kernels as kn
from genolstm.alignment.pairhmm.modes import MODES, Mode, placements
from genolstm.alignment.pairhmm.parameters import (
    PairHMMParameters,
    ParameterFamily,
    as_read,
    gaps_of_member,
    hky85,
    match_odds,
)
from genolstm.alignment.pairhmm.region import shared_kmers
from genolstm.compiled import compiled
from genolstm.errors import SettingError
from genolstm.sequences.masks import Masks, composition

LOWEST, STEP, STEPS = math.log(0.003), 0.5, 14
"""Lattice of log divergence: .003 to 2 substitutions per site."""
GAP_STEP, GAP_STEPS = 0.7, 3
PSEUDOCOUNT = 5.0
"""Count of each base added to a query's composition."""
CLEAR_BITS = 12.0
"""A strand that scores this much less than the other is not examined further."""
SHORTEST_FITTED = 10
"""Shorter sequences do not reveal their distance: they keep the parameters of the first guess."""
LARGE_CELLS = 1 << 20
"""For larger matrices, parameters are chosen where the alignment lies, not over the whole matrix."""


class Reading(NamedTuple):
    """How the query's bases are read, by class of position.

    Attributes
    ----------
    matrices
        Probability of the base that is read (column) given the true one (row), float64
        (classes, 4, 4).
    classes
        Class of each query position, int64 (n,).
    """

    matrices: npt.NDArray[np.float64]
    classes: npt.NDArray[np.int64]


class Layout(NamedTuple):
    """A pair without its parameters, as the recursions read it.

    Rows are the longer sequence: what is kept per row is then short.

    Attributes
    ----------
    mode
        One of the kernels' codes (``GLOBAL``, ...).
    begin
        Probability of each place where the alignment may begin.
    flipped
        Whether rows are the query.
    key
        Line of the profile that a row uses: the bit mask of its residue, plus 16 times its class
        if rows are the query, int64 (rows + 1,).
    columns
        Bit masks of the shorter sequence.
    lo, hi
        First and last column of each row, int64 (rows + 1,).
    reading
        How the query is read.
    """

    mode: int
    begin: float
    flipped: bool
    key: npt.NDArray[np.int64]
    columns: Masks
    lo: npt.NDArray[np.int64]
    hi: npt.NDArray[np.int64]
    reading: Reading


_AS_IT_IS = np.eye(4)[None]


def plain_reading(length: int) -> Reading:
    """Return the reading of a query without errors."""
    return Reading(_AS_IT_IS, np.zeros(length, dtype=np.int64))


@compiled(apart=True)
def lay_out_pair(query, reference, mode, begin, reading):
    """Return the layout of a pair over the whole matrix.

    ``mode`` is an index into ``MODES``; ``begin`` as in :class:`Layout`.
    """
    flipped = query.size > reference.size
    rows, columns = (query, reference) if flipped else (reference, query)
    n, m = rows.size, columns.size
    key = np.zeros(n + 1, np.int64)
    for i in range(n):
        key[i + 1] = rows[i]
        if flipped:
            key[i + 1] += 16 * reading.classes[i]
    code = kn.GLOBAL
    if mode == 1:
        code = kn.FREE_COLUMNS if flipped else kn.FREE_ROWS
    elif mode == 2:
        code = kn.LOCAL
    return Layout(code, begin, flipped, key, columns, np.zeros(n + 1, np.int64), np.full(n + 1, m, np.int64), reading)


def layout_of(
    query: Masks, reference: Masks, mode: Mode = "global", places: int | None = None, reading: Reading | None = None
) -> Layout:
    """Return the layout of a pair over the whole matrix.

    Parameters
    ----------
    query, reference
        Bit masks.
    places
        Number of places where the alignment may begin (and end); by default set by the mode.
    reading
        How the query is read; None for no errors.

    Raises
    ------
    SettingError
        There is no such mode, a sequence is empty, or the reading does not fit the query.
    """
    if mode not in MODES:
        raise SettingError(f"mode is {mode!r}, it has to be one of {', '.join(MODES)}")
    n, m = len(query), len(reference)
    if not n or not m:
        raise SettingError("a sequence without residues cannot be aligned")
    reading = reading or plain_reading(n)
    if len(reading.classes) != n:
        raise SettingError("every query position needs a class")
    begin = 1.0 / (places or placements(n, m, mode))
    own = (np.array(s, dtype=np.uint8) for s in (query, reference))  # masks may be read-only
    found: Layout = lay_out_pair(*own, MODES.index(mode), begin, reading)
    return found


@compiled(apart=True)
def lay_out_odds(joint, pair):
    """Return the odds of matches along the columns, float32 (letters of the rows, columns + 1).

    Only letters that occur get a line.
    """
    n, m = pair.key.size - 1, pair.columns.size
    matrices, classes = pair.reading
    odds = np.empty((matrices.shape[0], 16, 16))
    for k in range(matrices.shape[0]):
        table = match_odds(as_read(matrices[k], joint))
        for r in range(16):
            for j in range(16):
                odds[k, r, j] = table[r, j]
    profile = np.zeros((16 * matrices.shape[0] if pair.flipped else 16, m + 1), np.float32)
    used = np.zeros(profile.shape[0], np.bool_)
    for i in range(1, n + 1):
        used[pair.key[i]] = True
    for r in range(used.size):
        if not used[r]:
            continue
        line = profile[r]
        if pair.flipped:
            for j in range(m):
                line[j + 1] = odds[r // 16, r % 16, pair.columns[j]]
        else:
            for j in range(m):
                line[j + 1] = odds[classes[j], pair.columns[j], r]
    return profile


@compiled(apart=True)
def log_odds(u, v, background, family, pair):
    """Return the log-odds in nats of a pair (:class:`Layout`) under the member (exp u, exp v)."""
    kappa, shape = family[0], family[1]
    d = math.exp(u)
    opened, extend, link = gaps_of_member(d * math.exp(v), family)
    c = kn.weights_of_gaps(opened, extend, link).astype(np.float32)
    profile = lay_out_odds(hky85(d, kappa, shape, background), pair)
    n, m = pair.key.size - 1, pair.columns.size
    ones = np.ones(n + 1, np.float32)
    state = np.empty((4, m + 1), np.float32)
    exponent = np.empty(m // kn.TILE + 1, np.int64)
    end = np.zeros(2)
    kn.begin_rows(c, pair.mode, pair.begin, pair.hi, ones, ones, state, exponent, end)
    # Nothing is kept, so offsets are not read.
    band, kept = (pair.lo, pair.hi, pair.lo), (np.empty(1, np.float32), np.empty((1, 1), np.int64))
    opens = (ones, ones, ones, ones)
    kn.forward_rows(0, n, (profile, pair.key), band, c, pair.mode, pair.begin, opens, state, exponent, False, kept, end)
    if not end[0] > 0:
        return -math.inf
    return math.log(end[0]) + end[1] * math.log(2.0)


@dataclass(frozen=True)
class Selection:
    """The member chosen for a pair.

    Attributes
    ----------
    parameters
        The member.
    divergence, gap_rate
        Where it lies in the family: substitutions per site, gaps per substitution. None if the
        parameters were not fitted to the pair.
    bits
        Log-odds of the pair against the null model, averaged over the family (Laplace's
        approximation): this penalises the choice of parameters.
    """

    parameters: PairHMMParameters
    divergence: float | None
    gap_rate: float | None
    bits: float


def select(pair: Layout, family: ParameterFamily, background: npt.NDArray[np.float64], guess: float) -> Selection:
    """Choose the member of a family with the highest posterior probability for a pair.

    Parameters
    ----------
    background
        The query's bases with pseudocounts, (4,), see :func:`null_of`.
    guess
        Divergence to start from (:func:`guess_divergence`).
    """
    u, v, nats = best_member(guess, family.prior(), background, family.numbers(), pair)
    d, r = math.exp(u), math.exp(v)
    return Selection(family.member(d, r, background), d, r, nats / math.log(2))


def select_pair(query: Masks, reference: Masks, family: ParameterFamily) -> Selection:
    """Choose the member for two sequences (bit masks) that are homologous from end to end."""
    return select(layout_of(query, reference), family, null_of(query), float(guess_divergence(query, reference)))


def null_of(query: Masks) -> npt.NDArray[np.float64]:
    """Return the bases of the null model, as counts of A, C, G, T: those of the query alone.

    Scores of one query with several references, windows or strands can be compared only under one
    null model, so nothing of the reference may enter it. With the query's own bases, a match with
    any unrelated base has expected odds of 1, whatever the composition of the reference.
    """
    return composition(query) + PSEUDOCOUNT


@compiled(apart=True)
def best_member(guess, prior, background, family, pair):
    """Return log divergence and log gap rate of the best member, and the log-odds in nats.

    Log divergence (flat prior) and then log gap rate (normal prior) are optimised by hill climbing
    on a lattice; a parabola through the best three points gives the maximum between them.
    """
    median, spread = prior
    v0 = math.log(median)
    known = np.full(STEPS + 2, np.nan)  # value of lattice point k at k + 1
    k = min(max(int(np.rint((math.log(guess) - LOWEST) / STEP)), 0), STEPS - 1)
    while True:
        for near in (k, k + 1, k - 1):
            if 0 <= near < STEPS and math.isnan(known[near + 1]):
                if near == k - 1 and known[k + 2] > known[k + 1]:
                    break
                known[near + 1] = log_odds(LOWEST + near * STEP, v0, background, family, pair)
        if k < STEPS - 1 and known[k + 2] > known[k + 1]:
            k += 1
        elif k > 0 and known[k] > known[k + 1]:
            k -= 1
        else:
            break
    du, sd_u, top = peak(known[k], known[k + 1], known[k + 2], STEP)
    u = LOWEST + k * STEP + du
    gaps = np.full(2 * GAP_STEPS + 3, np.nan)
    middle = GAP_STEPS + 1
    gaps[middle] = top
    j = 0
    while True:
        for near in (j + 1, j - 1):
            if abs(near) <= GAP_STEPS and math.isnan(gaps[middle + near]):
                if near == j - 1 and gaps[middle + j + 1] > gaps[middle + j]:
                    break
                value = log_odds(u, v0 + near * GAP_STEP, background, family, pair)
                gaps[middle + near] = value - 0.5 * (near * GAP_STEP / spread) ** 2
        if j < GAP_STEPS and gaps[middle + j + 1] > gaps[middle + j]:
            j += 1
        elif j > -GAP_STEPS and gaps[middle + j - 1] > gaps[middle + j]:
            j -= 1
        else:
            break
    at = middle + j
    dv, sd_v, top = peak(gaps[at - 1], gaps[at], gaps[at + 1], GAP_STEP)
    top += math.log(min(sd_u * math.sqrt(2 * math.pi) / (STEP * (STEPS - 1)), 1.0))
    return u, v0 + j * GAP_STEP + dv, top + math.log(min(sd_v / spread, 1.0))


@compiled()
def peak(left, middle, right, step):
    """Return offset, standard deviation and height of the top of the parabola through three points.

    An unknown neighbour is NaN.
    """
    bend = left - 2 * middle + right
    if not math.isfinite(bend) or bend > -1e-6:
        return 0.0, step, middle
    offset = min(max(0.5 * (left - right) / bend, -0.5), 0.5) * step
    return offset, step / math.sqrt(-bend), middle - (left - right) ** 2 / (8 * bend)


@compiled()
def guess_divergence(query, reference):
    """Return a first guess of the substitutions per site, .003 to 2, from shared k-mers.

    Takes bit masks.
    """
    return divergence_of(shared_kmers(query, reference))


@compiled()
def divergence_of(shared):
    """Return the guess that follows from what ``region.shared_kmers`` returns.

    Assumes that only substitutions break k-mers; identity is converted to divergence under
    Jukes-Cantor with gamma-distributed rates of shape 1.
    """
    hits, total, chance, k = shared
    identity = 0.9
    if total:
        share = (hits / total - chance) / (1 - chance)
        identity = max(share, 1e-3) ** (1 / k)
    x = min(max((4 * identity - 1) / 3, 0.12), 0.9999)
    return min(max(0.75 * (1 / x - 1), 0.003), 2.0)


@compiled()
def two_strands(plus, minus):
    """Return the score in bits of a pair whose strands are both tried, from each strand's score.

    Both strands are equally likely a priori; takes numbers or arrays.
    """
    top, other = np.maximum(plus, minus), np.minimum(plus, minus)
    return top + np.log2(1 + np.exp2(other - top)) - 1
