"""Parameters of the pair-HMM: from alignments by counting, from unaligned pairs by EM."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar

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
