"""Which member of a parameter family fits a pair: by likelihood, with a prior."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from genolstm.alignment.pairhmm.band import shared_kmers
from genolstm.alignment.pairhmm.member import Layout, layout_of, log_odds
from genolstm.alignment.pairhmm.parameters import PairHMMParameters, ParameterFamily
from genolstm.compiled import compiled
from genolstm.sequences.masks import Masks, composition

LOWEST, STEP, STEPS = math.log(0.003), 0.5, 14
"""Lattice of log divergence: .003 to 2 substitutions per site."""
GAP_STEP, GAP_STEPS = 0.7, 3
PSEUDOCOUNT = 20.0
"""Of each base, added to a pair's composition."""
CLEAR_BITS = 12.0
"""A strand that scores this much less is not looked at again."""
SHORTEST_FITTED = 10
"""Shorter sequences do not tell their distance: they keep the parameters of the first guess."""
LARGE_CELLS = 1 << 20
"""Beyond this, parameters are chosen where the alignment lies, not over the whole matrix."""


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
        The pair's bases with pseudocounts, (4,).
    guess
        Divergence to begin with (:func:`guess_divergence`).
    """
    u, v, nats = best_member(guess, family.prior(), background, family.numbers(), pair)
    d, r = math.exp(u), math.exp(v)
    return Selection(family.member(d, r, background), d, r, nats / math.log(2))


def select_pair(query: Masks, reference: Masks, family: ParameterFamily) -> Selection:
    """Choose the member for two sequences (bit masks) that are alike from end to end."""
    bases = composition(query, reference) + PSEUDOCOUNT
    return select(layout_of(query, reference), family, bases, float(guess_divergence(query, reference)))


@compiled()
def best_member(guess, prior, background, family, pair):
    """Return log divergence and log gap rate of the best member, and the log-odds in nats.

    Log divergence (flat prior) and log gap rate (normal prior) are climbed one after the other in
    steps; a parabola through the best three points gives the maximum between them.
    """
    median, spread = prior
    v0 = math.log(median)
    known = np.full(STEPS + 2, np.nan)  # of place k at k + 1
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
    du, sd_u, top = _peak(known[k], known[k + 1], known[k + 2], STEP)
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
    dv, sd_v, top = _peak(gaps[at - 1], gaps[at], gaps[at + 1], GAP_STEP)
    top += math.log(min(sd_u * math.sqrt(2 * math.pi) / (STEP * (STEPS - 1)), 1.0))
    return u, v0 + j * GAP_STEP + dv, top + math.log(min(sd_v / spread, 1.0))


@compiled()
def _peak(left, middle, right, step):
    """Return offset, standard deviation and height of the top of the parabola through three points.

    A neighbour that is not known is NaN.
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
    """Return the guess that follows from what ``band.shared_kmers`` returns.

    Substitutions alone break k-mers; identity becomes divergence as under Jukes-Cantor with
    gamma-distributed rates of shape 1.
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
    """Return the score of a pair of which both strands are tried, from the strands' own, bits.

    Each strand is as likely beforehand; takes numbers or arrays.
    """
    top, other = np.maximum(plus, minus), np.minimum(plus, minus)
    return top + np.log2(1 + np.exp2(other - top)) - 1
