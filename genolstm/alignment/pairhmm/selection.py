"""Which member of a parameter family fits a pair: by likelihood, with a prior."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from genolstm.alignment.pairhmm.band import identity_of, shared_kmers
from genolstm.alignment.pairhmm.parameters import PairHMMParameters, ParameterFamily
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
        approximation): what the choice of parameters gains is paid for.
    """

    parameters: PairHMMParameters
    divergence: float | None
    gap_rate: float | None
    bits: float


def select(
    query: Masks,
    reference: Masks,
    family: ParameterFamily,
    score: Callable[[PairHMMParameters], float] | None = None,
    *,
    nats: Callable[[float, float], float] | None = None,
    background: npt.NDArray[np.float64] | None = None,
    guess: float | None = None,
) -> Selection:
    """Choose the member of a family with the highest posterior probability for a pair.

    Log divergence (flat prior) and log gap rate (normal prior) are climbed one after the other in
    steps; a parabola through the best three points gives the maximum between them.

    Parameters
    ----------
    score
        Log-odds of the pair in bits under a member.
    nats
        Instead of it: log-odds in nats by log divergence and log gap rate.
    background, guess
        The pair's bases with pseudocounts, and its :func:`guess_divergence`, if known already.
    """
    if background is None:
        background = composition(query, reference) + PSEUDOCOUNT

    def value(u: float, v: float) -> float:
        if nats is not None:
            return nats(u, v)
        assert score is not None
        return score(family.member(math.exp(u), math.exp(v), background)) * math.log(2)

    v0 = math.log(family.gap_rate)
    known: dict[int, float] = {}

    def along_u(k: int) -> float:
        if k not in known:
            known[k] = value(LOWEST + k * STEP, v0)
        return known[k]

    first = math.log(guess or guess_divergence(query, reference))
    k = _climb(along_u, round((first - LOWEST) / STEP), 0, STEPS - 1)
    du, sd_u, top = _peak(known, k, STEP)
    u = LOWEST + k * STEP + du

    gaps = {0: top}

    def along_v(j: int) -> float:
        if j not in gaps:
            prior = -0.5 * (j * GAP_STEP / family.gap_rate_spread) ** 2
            gaps[j] = value(u, v0 + j * GAP_STEP) + prior
        return gaps[j]

    j = _climb(along_v, 0, -GAP_STEPS, GAP_STEPS)
    dv, sd_v, top = _peak(gaps, j, GAP_STEP)
    v = v0 + j * GAP_STEP + dv
    evidence = top + math.log(min(sd_u * math.sqrt(2 * math.pi) / (STEP * (STEPS - 1)), 1.0))
    evidence += math.log(min(sd_v / family.gap_rate_spread, 1.0))
    d, r = math.exp(u), math.exp(v)
    return Selection(family.member(d, r, background), d, r, evidence / math.log(2))


def _climb(value: Callable[[int], float], start: int, low: int, high: int) -> int:
    """Return the place of a maximum in [low, high]; its neighbours have been asked for, too."""
    k = min(max(start, low), high)
    while True:
        if k < high and value(k + 1) > value(k):
            k += 1
        elif k > low and value(k - 1) > value(k):
            k -= 1
        else:
            return k


def _peak(known: dict[int, float], k: int, step: float) -> tuple[float, float, float]:
    """Return offset, standard deviation and height of the parabola's top around place ``k``."""
    if k - 1 not in known or k + 1 not in known:
        return 0.0, step, known[k]
    left, middle, right = known[k - 1], known[k], known[k + 1]
    bend = left - 2 * middle + right
    if not math.isfinite(bend) or bend > -1e-6:
        return 0.0, step, middle
    offset = min(max(0.5 * (left - right) / bend, -0.5), 0.5) * step
    return offset, step / math.sqrt(-bend), middle - (left - right) ** 2 / (8 * bend)


def guess_divergence(query: Masks, reference: Masks) -> float:
    """Return a first guess of the substitutions per site, .003 to 2, from shared k-mers."""
    return divergence_of(*shared_kmers(query, reference))


def divergence_of(hits: int, total: int, chance: float, k: int) -> float:
    """Return the guess that follows from :func:`genolstm.alignment.pairhmm.band.shared_kmers`.

    Identity becomes divergence as under Jukes-Cantor with gamma-distributed rates of shape 1.
    """
    identity = identity_of(hits, total, chance, k)
    x = min(max((4 * identity - 1) / 3, 0.12), 0.9999)
    return min(max(0.75 * (1 / x - 1), 0.003), 2.0)
