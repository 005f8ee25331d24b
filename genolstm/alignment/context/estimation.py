"""Parameters of the pair-HMM: from alignments by counting, from unaligned pairs by EM."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit, logit, logsumexp, softmax

from genolstm.alignment.context import crf
from genolstm.alignment.pairhmm.kernels import coefficients
from genolstm.alignment.pairhmm.member import select_pair
from genolstm.alignment.pairhmm.parameters import Counts, PairHMMParameters, ParameterFamily, hky_joint
from genolstm.errors import InputError
from genolstm.sequences.alphabet import decode
from genolstm.sequences.masks import encode_masks
from genolstm.threads import worker_pool

Codes = npt.NDArray[np.uint8]
AlignedPair = tuple[Codes, Codes, npt.NDArray[np.int32]]


def check_pairs(query: Codes, reference: Codes, pairs: npt.NDArray[np.int32]) -> None:
    """Refuse aligned positions that do not rise or lie outside the sequences."""
    if not len(pairs):
        return
    if pairs.min() < 0 or pairs[-1, 0] >= len(query) or pairs[-1, 1] >= len(reference):
        raise InputError("the alignment reaches beyond its sequences")
    if (np.diff(pairs, axis=0) <= 0).any():
        raise InputError("the aligned positions do not rise in both sequences")


def gap_runs(query: Codes, reference: Codes, pairs: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """Return how many residues of each sequence lie between matches, ends included, (k + 1, 2)."""
    before = np.vstack([[-1, -1], pairs]).astype(np.int64)
    after = np.vstack([pairs, [len(query), len(reference)]]).astype(np.int64)
    return after - before - 1


def count_alignments(alignments: Iterable[AlignedPair], *, iterations: int = 60) -> Counts:
    """Count the events of true alignments.

    Whether a gap is short or long is not observed: an EM over the gap lengths decides.

    Parameters
    ----------
    alignments
        Codes (0 to 3; others are left out of the letters' counts) of two sequences, and their
        aligned positions (k, 2).
    """
    letters = np.zeros((5, 5))
    runs = []
    for query, reference, pairs in alignments:
        check_pairs(query, reference, pairs)
        a, b = np.minimum(query[pairs[:, 0]], 4), np.minimum(reference[pairs[:, 1]], 4)
        letters += np.bincount(a * 5 + b, minlength=25).reshape(5, 5)
        runs.append(gap_runs(query, reference, pairs))
    if not runs:
        raise InputError("no alignments to learn from")
    x, y = np.concatenate(runs).T
    lengths = np.concatenate([x[x > 0], y[y > 0]])
    share, extend = _mixture(lengths, iterations)
    counts = Counts(match=letters[:4, :4], stay=float(((x == 0) & (y == 0)).sum()))

    def kinds(run: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        weight = share * extend ** (run[:, None] - 1.0) * (1 - extend)
        weight /= weight.sum(axis=1, keepdims=True) + 1e-300
        counts.extended = counts.extended + ((run[:, None] - 1) * weight).sum(axis=0)
        counts.closed = counts.closed + weight.sum(axis=0)
        total: npt.NDArray[np.float64] = weight.sum(axis=0)
        return total

    first = kinds(x[x > 0])
    counts.opened = np.stack([first, kinds(y[(y > 0) & (x == 0)])])
    counts.linked = kinds(y[(y > 0) & (x > 0)])
    counts.unlinked = float(((x > 0) & (y == 0)).sum())
    return counts


def _mixture(
    lengths: npt.NDArray[np.int64], iterations: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Fit two geometric distributions to gap lengths: shares and extension probabilities."""
    share, extend = np.array([0.7, 0.3]), np.array([0.3, 0.9])
    if not len(lengths):
        return share, extend
    values, counts = np.unique(lengths, return_counts=True)
    for _ in range(iterations):
        weight = share * extend ** (values[:, None] - 1.0) * (1 - extend)
        weight *= (counts / (weight.sum(axis=1) + 1e-300))[:, None]
        # A weak prior at the starting point, so that few gaps do not give extremes.
        total = weight.sum(axis=0) + 0.5
        share = total / total.sum()
        inner = (weight * (values[:, None] - 1)).sum(axis=0) + 0.5 * np.array([0.4, 9.0])
        extend = np.clip(inner / (inner + total), 1e-3, 0.999)
    return share, extend


def parameters_from_alignments(alignments: Iterable[AlignedPair]) -> PairHMMParameters:
    """Return the parameters under which true alignments are likeliest."""
    return count_alignments(alignments).parameters()


# ---------------------------------------------------------------- a family, from alignments

_DIVERGENCES = np.exp(np.linspace(math.log(0.003), math.log(2.0), 60))
"""Distances at which a pair may lie, as for the scorer."""
_NODES, _NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(15)
_BOUNDS = {"kappa": (0.3, 30.0), "shape": (0.3, 20.0), "link": (0.2, 20.0), "rate": (1e-4, 1.0), "spread": (0.1, 1.5)}
"""What estimates from few alignments may not leave."""


def fit_aligned(
    alignments: Sequence[AlignedPair],
    weights: npt.NDArray[np.float64] | None = None,
    start: ParameterFamily | None = None,
) -> ParameterFamily:
    """Learn a family from true alignments of any distances, by maximum likelihood.

    Each pair lies at the distance that fits its letters best. The ratio of transitions to
    transversions and the shape of the rates follow from all letters; then the median and spread of the
    gap rate from the numbers of gaps at these distances, and what gaps share from their lengths.

    Parameters
    ----------
    alignments
        Codes of two sequences and their aligned positions, as :func:`count_alignments` takes them.
    weights
        What each pair counts, (pairs,); 1 by default.
    start
        What is kept where there are too few gaps to say anything.

    Raises
    ------
    InputError
        There are no alignments, or one does not fit its sequences.
    """
    base = start or ParameterFamily()
    if not alignments:
        raise InputError("no alignments to learn from")
    weight = np.ones(len(alignments)) if weights is None else np.asarray(weights, dtype=np.float64)
    each = [count_alignments([one]) for one in alignments]
    kappa, shape, divergence = _fit_letters(each, weight, base)
    family = replace(base, kappa=kappa, shape=shape)
    runs = [gap_runs(*one) for one in alignments]
    found = np.array([int((r > 0).sum()) for r in runs], dtype=np.float64)
    if found.sum() < 20:
        return family
    # A gap can open in either sequence at every boundary.
    places = np.array([2.0 * len(r) for r in runs])
    median, spread, rate = _fit_rate(found, places, divergence, weight, base)
    lengths = [r[r > 0].astype(np.float64) for r in runs]
    of_gap = np.repeat(np.arange(len(runs)), [len(x) for x in lengths])
    share, extend, growth = _fit_lengths(np.concatenate(lengths), (divergence * rate)[of_gap], weight[of_gap], base)
    total = Counts()
    for counts, w in zip(each, weight / weight.mean(), strict=True):
        total += counts.times(float(w))
    link = min(max(total.parameters().gap_link, _BOUNDS["link"][0]), _BOUNDS["link"][1])
    return replace(
        family,
        gap_share=share,
        gap_extend=extend,
        extend_growth=growth,
        gap_link=link,
        gap_rate=median,
        gap_rate_spread=spread,
    )


def _around(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the first simplex of a search: SciPy's own hardly moves from where a logarithm is 0."""
    return np.vstack([x, x + 0.3 * np.eye(len(x))])


def _fit_letters(
    each: Sequence[Counts], weight: npt.NDArray[np.float64], base: ParameterFamily
) -> tuple[float, float, npt.NDArray[np.float64]]:
    """Return kappa, the shape of the rates, and each pair's distance, from the letters of true alignments."""
    letters = np.array([c.match + c.match.T for c in each]) / 2
    frequencies = (weight @ letters.sum(axis=1)) + 1.0
    counted = letters.reshape(len(each), 16)

    def at(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        kappa, shape = np.exp(x)
        joint = [hky_joint(d, kappa=kappa, shape=shape, frequencies=frequencies) for d in _DIVERGENCES]
        likelihood: npt.NDArray[np.float64] = counted @ np.log(np.array(joint).reshape(-1, 16)).T
        return likelihood

    limits = [tuple(map(math.log, _BOUNDS[name])) for name in ("kappa", "shape")]
    start = np.clip(np.log([base.kappa, base.shape]), *np.array(limits).T)
    scale = max(float(weight @ counted.sum(axis=1)), 1.0)
    # A weak pull to the start, worth ten letters, decides where the data do not.
    best = minimize(
        lambda x: (-float(weight @ at(x).max(axis=1)) + 5.0 * float(((x - start) ** 2).sum())) / scale,
        start,
        method="Nelder-Mead",
        bounds=limits,
        options={"xatol": 1e-3, "fatol": 1e-8, "maxiter": 200, "initial_simplex": _around(start)},
    )
    kappa, shape = np.exp(best.x)
    return float(kappa), float(shape), _DIVERGENCES[at(best.x).argmax(axis=1)]


def _fit_rate(
    found: npt.NDArray[np.float64],
    places: npt.NDArray[np.float64],
    divergence: npt.NDArray[np.float64],
    weight: npt.NDArray[np.float64],
    base: ParameterFamily,
) -> tuple[float, float, npt.NDArray[np.float64]]:
    """Return median and spread of the gap rate, and each pair's expected rate, from numbers of gaps.

    Numbers are Poisson, with a rate that is log-normal over pairs; the integral is Gauss-Hermite's.
    """

    def terms(x: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        rates = np.exp(x[0] + np.exp(x[1]) * _NODES)
        mean = places[:, None] * (1 - np.exp(-divergence[:, None] * rates[None, :])) + 1e-12
        return found[:, None] * np.log(mean) - mean + np.log(_NODE_WEIGHTS)[None, :], rates

    def loss(x: npt.NDArray[np.float64]) -> float:
        return -float(weight @ logsumexp(terms(x)[0], axis=1)) / float(weight.sum())

    limits = [tuple(map(math.log, _BOUNDS[name])) for name in ("rate", "spread")]
    start = np.clip(np.log([base.gap_rate, base.gap_rate_spread]), *np.array(limits).T)
    best = minimize(
        loss,
        start,
        method="Nelder-Mead",
        bounds=limits,
        options={"xatol": 1e-3, "maxiter": 200, "initial_simplex": _around(start)},
    )
    value, rates = terms(best.x)
    share = softmax(value, axis=1)
    return math.exp(best.x[0]), math.exp(best.x[1]), share @ rates


def _fit_lengths(
    lengths: npt.NDArray[np.float64], x: npt.NDArray[np.float64], weight: npt.NDArray[np.float64], base: ParameterFamily
) -> tuple[float, tuple[float, float], tuple[float, float]]:
    """Return the share of short gaps, the extension of both kinds, and its growth with d r (``x``)."""

    def parts(y: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        return float(expit(y[0])), expit(y[1:3]), np.exp(y[3:5])

    def loss(y: npt.NDArray[np.float64]) -> float:
        share, extend, growth = parts(y)
        short, long = (np.minimum(e + x * g, most) for e, g, most in zip(extend, growth, (0.7, 0.98), strict=True))
        likelihood = np.logaddexp(
            math.log(share) + (lengths - 1) * np.log(short) + np.log1p(-short),
            math.log1p(-share) + (lengths - 1) * np.log(long) + np.log1p(-long),
        )
        return -float(weight @ likelihood) / float(weight.sum()) + 1e-3 * float(((y - start) ** 2).sum())

    start = np.array(
        [logit(base.gap_share), *logit(np.array(base.gap_extend)), *np.log(np.array(base.extend_growth) + 1e-3)]
    )
    best = minimize(
        loss,
        start,
        method="Nelder-Mead",
        options={"xatol": 1e-3, "fatol": 1e-7, "maxiter": 1500, "initial_simplex": _around(start)},
    )
    share, extend, growth = parts(best.x)
    e1, e2 = np.clip(extend, (0.02, 0.3), (0.68, 0.97))
    g1, g2 = np.clip(growth, 1e-3, 5.0)
    return min(max(share, 0.02), 0.98), (float(e1), float(e2)), (float(g1), float(g2))


# ---------------------------------------------------------------- unaligned pairs


@dataclass(frozen=True)
class Fit:
    """Result and progress of the EM.

    Attributes
    ----------
    parameters
        The fitted family.
    bits
        Mean log-odds per pair in each round, in bits, against the same null model.
    """

    parameters: ParameterFamily
    bits: tuple[float, ...]


def expected_counts(query: Codes, reference: Codes, parameters: PairHMMParameters) -> tuple[Counts, float]:
    """Return the expected events of a pair under given parameters, and its log-odds in bits.

    Both sequences are taken from end to end.
    """
    c = coefficients(parameters.gap_open, parameters.gap_extend, parameters.gap_link)
    table = np.log(parameters.odds())
    masks = np.array([1, 2, 4, 8, 15])
    x, y = (np.minimum(s, 4) for s in (query, reference))
    found = crf.all_alignments(table[masks[x][:, None], masks[y][None, :]], c)
    letters = np.bincount((x[:, None] * 5 + y[None, :]).ravel(), weights=found.match.ravel(), minlength=25)
    e = found.events
    counts = Counts(
        match=np.asarray(letters, dtype=np.float64).reshape(5, 5)[:4, :4],
        stay=float(e[crf.STAY]),
        opened=e[crf.OPEN_X : crf.EXTEND].reshape(2, 2),
        extended=e[crf.EXTEND : crf.CLOSE],
        closed=e[crf.CLOSE : crf.UNLINKED],
        linked=e[crf.LINK :],
        unlinked=float(e[crf.UNLINKED]),
    )
    bits = found.log_weight / math.log(2)
    return counts, float(bits)


def fit_family(
    pairs: Sequence[tuple[Codes, Codes]],
    start: ParameterFamily | None = None,
    *,
    rounds: int = 6,
    tolerance: float = 0.01,
    threads: int = 0,
) -> Fit:
    """Learn a family from pairs of any distances without alignments.

    Every round places each pair in the family by likelihood, counts expected events there, and fits
    what all pairs share: the ratio of transitions to transversions, gap lengths, the link between
    adjacent gaps, and the median of the gap rate's prior.
    """
    if not pairs:
        raise InputError("no pairs to learn from")
    if any(not len(a) or not len(b) for a, b in pairs):
        raise InputError("a pair to learn from has a sequence without residues")
    family = start or ParameterFamily()
    masks = [(encode_masks(decode(a)), encode_masks(decode(b))) for a, b in pairs]
    history: list[float] = []
    for _ in range(rounds):

        def place(k: int, family: ParameterFamily = family) -> tuple[float, float, float]:
            found = select_pair(*masks[k], family)
            assert found.divergence is not None
            assert found.gap_rate is not None
            return found.divergence, found.gap_rate, found.bits

        with worker_pool(threads) as pool:
            placed = list(pool.map(place, range(len(pairs))))
        history.append(float(np.mean([p[2] for p in placed])))
        if len(history) > 1 and history[-1] - history[-2] < tolerance:
            break
        members = [family.member(d, r) for d, r, _ in placed]
        with worker_pool(threads) as pool:
            jobs = [pool.submit(expected_counts, a, b, m) for (a, b), m in zip(pairs, members, strict=True)]
            counted = [job.result()[0] for job in jobs]
        family = _refit(family, placed, counted)
    return Fit(family, tuple(history))


def _refit(
    family: ParameterFamily, placed: Sequence[tuple[float, float, float]], each: Sequence[Counts]
) -> ParameterFamily:
    """Return the family that fits pairs best, given where each lies in it and its expected events."""
    letters = sum((c.match for c in each), np.zeros((4, 4)))
    frequencies = (letters.sum(axis=0) + letters.sum(axis=1)) / 2

    def loss(kappa: float) -> float:
        value = 0.0
        for (d, _, _), counts in zip(placed, each, strict=True):
            joint = hky_joint(d, kappa=kappa, shape=family.shape, frequencies=frequencies)
            value -= float((counts.match * np.log(joint)).sum())
        return value

    best = minimize_scalar(
        lambda x: loss(math.exp(x)), bounds=(math.log(0.5), math.log(60.0)), method="bounded", options={"xatol": 1e-3}
    )
    kappa = math.exp(best.x)
    total = Counts()
    for counts in each:
        total += counts
    gaps = total.parameters()
    opened = total.opened.sum(axis=0) + total.linked
    weight = float(opened.sum())
    if weight < 20:  # too few gaps to say anything about their lengths
        return replace(family, kappa=kappa)
    x = float(np.mean([d * r for d, r, _ in placed]))
    extend = [
        float(np.clip(e - x * growth, 0.05, 0.97))
        for e, growth in zip(gaps.gap_extend, family.extend_growth, strict=True)
    ]
    return replace(
        family,
        kappa=kappa,
        gap_share=gaps.gap_open[0] / sum(gaps.gap_open),
        gap_extend=(extend[0], extend[1]),
        gap_link=min(max(gaps.gap_link, 0.2), 20.0),
        gap_rate=math.exp(float(np.median([math.log(r) for _, r, _ in placed]))),
    )
