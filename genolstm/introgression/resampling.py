"""How sure a measure is: the loci that it rests on, drawn with replacement."""

from __future__ import annotations

import numpy as np

#: Fewer loci than this give an interval that cannot be trusted, and so do fewer tracts.
FEW_LOCI, FEW_TRACTS = 10, 20


class Draws:
    """Draws of loci; every measure is computed on the same ones.

    Parameters
    ----------
    n_loci
        Number of loci; there is nothing to draw of fewer than two.
    replicates
        Number of draws.
    seed
        Seed of the draws.
    """

    def __init__(self, n_loci: int, *, replicates: int = 200, seed: int = 1) -> None:
        rng = np.random.default_rng(seed)
        drawn = [np.bincount(rng.integers(0, n_loci, n_loci), minlength=n_loci) for _ in range(replicates)]
        self.weights = np.array(drawn, dtype=np.float64) if n_loci > 1 else np.zeros((0, n_loci))

    def ratio(self, upper: np.ndarray, lower: np.ndarray) -> list[float]:
        """Return the 95 % interval of the ratio of two sums over loci, each of shape (loci,)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return _interval((self.weights @ upper) / (self.weights @ lower))

    def calibration_error(
        self, score: np.ndarray, true: np.ndarray, length: np.ndarray, locus: np.ndarray
    ) -> list[float]:
        """Return the interval of the expected calibration error, as ``calibration_error`` defines it."""
        n, classes = self.weights.shape[1], 15
        place = np.minimum((score * classes).astype(np.int64), classes - 1)
        gap = np.bincount(locus * classes + place, score * length - true, n * classes).reshape(n, classes)
        whole = np.bincount(locus, length, n)
        with np.errstate(divide="ignore", invalid="ignore"):
            return _interval(np.abs(self.weights @ gap).sum(axis=1) / (self.weights @ whole))

    def median(self, values: np.ndarray, locus: np.ndarray) -> list[float]:
        """Return the interval of the median of values, each of a locus."""
        order = np.argsort(values, kind="stable")
        values, locus = values[order], locus[order]
        found = []
        for weight in self.weights:
            total = np.cumsum(weight[locus])
            if len(total) and total[-1] > 0:
                low, high = (np.searchsorted(total, total[-1] / 2, side=side) for side in ("left", "right"))
                found.append((values[low] + values[high]) / 2)
        return _interval(np.array(found, dtype=np.float64))


def _interval(values: np.ndarray) -> list[float]:
    values = values[np.isfinite(values)]
    if not len(values):
        return []
    low, high = np.percentile(values, [2.5, 97.5])
    return [float(low), float(high)]


def doubts(n_loci: int, n_tracts: int, locus: int) -> str:
    """Return why an interval that rests on so many loci and tracts cannot be trusted; nothing if it can."""
    few = []
    if n_loci < FEW_LOCI:
        few.append(f"{n_loci} {'locus' if n_loci == 1 else 'loci'} of {locus / 1e6:g} Mb")
    if n_tracts < FEW_TRACTS:
        few.append(f"{n_tracts} {'tract' if n_tracts == 1 else 'tracts'}")
    if not few:
        return ""
    return f"only {' and '.join(few)}: " + ("no interval" if n_loci < 2 else "the interval cannot be trusted")
