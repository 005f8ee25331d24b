"""How good alignments are: F1 of aligned pairs, calibration of posteriors, paired comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from genolstm.alignment.simulate.evolution import left_align
from genolstm.errors import InputError

Pairs = npt.NDArray[np.int32]


@dataclass(frozen=True)
class PairAccuracy:
    """Aligned residue pairs of one prediction against the truth.

    Attributes
    ----------
    hit, predicted, true
        Number of pairs in both, in the prediction, and in the truth.
    """

    hit: int
    predicted: int
    true: int

    @property
    def precision(self) -> float:
        """Fraction of the predicted pairs that are true; 1 if none is predicted."""
        return self.hit / self.predicted if self.predicted else 1.0

    @property
    def recall(self) -> float:
        """Fraction of the true pairs that are predicted; 1 if there are none."""
        return self.hit / self.true if self.true else 1.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        total = self.predicted + self.true
        return 2 * self.hit / total if total else 1.0


def _hits(predicted: Pairs, truth: Pairs) -> npt.NDArray[np.bool_]:
    width = 1 + int(max(predicted[:, 1].max(initial=0), truth[:, 1].max(initial=0)))
    keys = truth[:, 0].astype(np.int64) * width + truth[:, 1]
    return np.isin(predicted[:, 0].astype(np.int64) * width + predicted[:, 1], keys)


def compare_pairs(
    predicted: Pairs, truth: Pairs, *, sequences: tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]] | None = None
) -> PairAccuracy:
    """Count the aligned pairs that prediction (k, 2) and truth (l, 2) share.

    Parameters
    ----------
    sequences
        Query and reference; with them, the gaps of both are moved to the left first
        (:func:`~genolstm.alignment.simulate.pairs.left_align`), so that placing a gap elsewhere within
        the same repeat is not an error.
    """
    if sequences is not None:
        query, reference = sequences
        predicted = left_align(query, reference, predicted.astype(np.int32))
        truth = left_align(query, reference, truth.astype(np.int32))
    return PairAccuracy(int(_hits(predicted, truth).sum()), len(predicted), len(truth))


@dataclass(frozen=True)
class Reliability:
    """Predicted and observed accuracy, by bins of the prediction.

    Attributes
    ----------
    confidence, accuracy
        Means per bin, (bins,); NaN for an empty bin.
    count
        Number of columns per bin, (bins,).
    """

    confidence: npt.NDArray[np.float64]
    accuracy: npt.NDArray[np.float64]
    count: npt.NDArray[np.int64]

    @property
    def ece(self) -> float:
        """Expected calibration error: mean distance between the two, weighted by columns."""
        filled = self.count > 0
        distance = np.abs(self.confidence[filled] - self.accuracy[filled])
        return float((distance * self.count[filled]).sum() / max(self.count.sum(), 1))


def reliability(posteriors: npt.ArrayLike, right: npt.ArrayLike, *, bins: int = 20) -> Reliability:
    """Compare the posteriors of predicted columns with how often they are right.

    Parameters
    ----------
    posteriors, right
        Probability of every predicted match, over all alignments, and whether it is true.
    bins
        Number of bins of equal width over [0, 1].

    References
    ----------
    Guo et al. 2017, On calibration of modern neural networks.
    """
    p = np.asarray(posteriors, dtype=np.float64)
    hit = np.asarray(right, dtype=np.float64)
    if p.shape != hit.shape:
        raise InputError(f"{p.size} posteriors, but {hit.size} columns to compare them with")
    which = np.minimum((p * bins).astype(np.int64), bins - 1)
    count = np.bincount(which, minlength=bins)
    with np.errstate(invalid="ignore"):
        confidence = np.bincount(which, weights=p, minlength=bins) / count
        accuracy = np.bincount(which, weights=hit, minlength=bins) / count
    return Reliability(confidence, accuracy, count)


def right_pairs(predicted: Pairs, truth: Pairs) -> npt.NDArray[np.bool_]:
    """Return which predicted pairs are true, (k,)."""
    return _hits(predicted, truth)


@dataclass(frozen=True)
class Interval:
    """A mean with its bootstrap confidence interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:+.4f} [{self.low:+.4f}, {self.high:+.4f}]"


def paired_bootstrap(
    first: Sequence[float] | npt.NDArray[np.float64],
    second: Sequence[float] | npt.NDArray[np.float64],
    *,
    seed: int,
    rounds: int = 10_000,
    level: float = 0.95,
) -> Interval:
    """Return the mean of ``first - second`` over the same pairs with its bootstrap interval."""
    difference = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    return bootstrap_mean(difference, seed=seed, rounds=rounds, level=level)


def bootstrap_mean(
    values: Sequence[float] | npt.NDArray[np.float64], *, seed: int, rounds: int = 10_000, level: float = 0.95
) -> Interval:
    """Return a mean with its percentile bootstrap interval (Efron 1979)."""
    x = np.asarray(values, dtype=np.float64)
    if not x.size:
        raise InputError("no values to take a mean of")
    mean = float(x.mean())
    if x.size == 1:
        return Interval(mean, mean, mean)
    rng = np.random.default_rng(seed)
    # A hundred rounds at a time: all at once would be rounds x values of memory.
    means = [
        x[rng.integers(0, x.size, size=(min(100, rounds - done), x.size))].mean(axis=1)
        for done in range(0, rounds, 100)
    ]
    low, high = np.percentile(np.concatenate(means), [50 * (1 - level), 50 * (1 + level)])
    return Interval(mean, float(low), float(high))
