"""A threshold for the data at hand, from the posteriors alone.

If posteriors are calibrated, a bin with the posterior p is archaic with the probability p. So the sums
of p over what lies above a threshold and over all bins are the numbers that are expected to be right
and to exist, and precision, recall and F1 follow without any truth (Lipton et al. 2014 show that the
threshold with the best F1 is half of that F1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genolstm.introgression.segments import LEAST_THRESHOLD, PosteriorBlock

_LEVELS = 10_000
#: Least threshold that is chosen by the expected F1. Where little can be known, the best F1 is small, half of it is
#: a threshold at which most of what is called is wrong, and nobody wants that unasked.
LEAST_BEST = 0.4


@dataclass(frozen=True)
class Expected:
    """What is expected of the bins above a threshold, if the posteriors are calibrated.

    Attributes
    ----------
    threshold
        Least posterior of a called bin.
    precision, recall, f1
        Of the called bins.
    called, archaic
        Shares of all bins of which something is known.
    """

    threshold: float
    precision: float
    recall: float
    f1: float
    called: float
    archaic: float


class Levels:
    """How many bins have which posterior; bins of which nothing is known do not count."""

    def __init__(self) -> None:
        self._bins = np.zeros(_LEVELS + 1, dtype=np.int64)
        #: Of these, those that are called at no threshold that is chosen.
        self._doubtful = np.zeros(_LEVELS + 1, dtype=np.int64)

    def add(self, block: PosteriorBlock) -> None:
        """Count the bins of a block."""
        known, doubtful = block.known(), block.doubtful()
        for bins, which in ((self._bins, known), (self._doubtful, known & doubtful)):
            levels = np.rint(block.posterior[which] * _LEVELS).astype(np.int64).clip(0, _LEVELS)
            bins += np.bincount(levels, minlength=_LEVELS + 1)

    def expected(self, threshold: float) -> Expected:
        """Return what is expected at a threshold that somebody gives, at which doubtful bins are called too."""
        return self._at(int(np.ceil(threshold * _LEVELS)), self._bins, threshold)

    def best(self) -> Expected:
        """Return what is expected at the threshold with the best F1, from :data:`LEAST_BEST` on."""
        called = self._bins - self._doubtful
        bins, values = called[::-1], np.arange(_LEVELS + 1)[::-1] / _LEVELS
        f1 = 2 * np.cumsum(bins * values) / np.maximum(np.cumsum(bins) + (self._bins[::-1] * values).sum(), 1e-12)
        lowest = _LEVELS - int(LEAST_BEST * _LEVELS)
        return self._at(_LEVELS - int(f1[: lowest + 1].argmax()), called)

    def with_fdr(self, fdr: float) -> Expected:
        """Return what is expected at the lowest threshold at which at most ``fdr`` of the called bins are wrong."""
        bins = (self._bins - self._doubtful)[::-1]
        called = np.cumsum(bins)
        wrong = called - np.cumsum(bins * (np.arange(_LEVELS + 1)[::-1] / _LEVELS))
        lowest = _LEVELS - int(LEAST_THRESHOLD * _LEVELS)
        good = np.flatnonzero((called > 0) & (wrong <= fdr * called))
        good = good[good <= lowest]
        return self._at(_LEVELS - int(good[-1]) if len(good) else _LEVELS, self._bins - self._doubtful)

    def _at(self, level: int, bins: np.ndarray, threshold: float | None = None) -> Expected:
        values = np.arange(_LEVELS + 1) / _LEVELS
        total, archaic = int(self._bins.sum()), float((self._bins * values).sum())
        called, right = int(bins[level:].sum()), float((bins * values)[level:].sum())
        return Expected(
            level / _LEVELS if threshold is None else threshold,
            right / called if called else 0.0,
            right / archaic if archaic else 0.0,
            2 * right / (called + archaic) if called + archaic else 0.0,
            called / total if total else 0.0,
            archaic / total if total else 0.0,
        )
