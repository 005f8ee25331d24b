"""Drawing the next symbol from a distribution."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from genolstm.errors import SettingError


@dataclass(frozen=True)
class Sampling:
    """How to draw a symbol.

    Parameters
    ----------
    temperature
        Divides the log probabilities: below 1 the likely symbols become likelier; 0 always takes
        the likeliest.
    top_k
        Draw among the so many likeliest symbols only; 0: among all.
    top_p
        Draw among the likeliest symbols that together reach this probability only (nucleus
        sampling; Holtzman et al. 2020); 1: among all.

    Raises
    ------
    SettingError
        A value is out of range.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.temperature) and self.temperature >= 0):
            raise SettingError(f"temperature is {self.temperature}, a number from 0 is needed")
        if isinstance(self.top_k, bool) or not isinstance(self.top_k, int) or self.top_k < 0:
            raise SettingError(f"top_k is {self.top_k!r}, a whole number from 0 is needed")
        if not 0 < self.top_p <= 1:
            raise SettingError(f"top_p is {self.top_p}, it must be above 0 and at most 1")

    def distribution(self, probabilities: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return what symbols are drawn from: weights that sum to 1, (symbols,)."""
        weights = np.asarray(probabilities, np.float64)
        if self.temperature == 0:
            result = np.zeros(len(weights))
            result[int(weights.argmax())] = 1.0
            return result
        if self.temperature != 1:
            with np.errstate(divide="ignore"):
                scaled = np.log(weights) / self.temperature
            weights = np.exp(scaled - scaled.max())
        total = weights.sum()
        if (self.top_k and self.top_k < len(weights)) or self.top_p < 1:
            # Stable, so that of equal symbols always the same ones are kept.
            order = np.argsort(-weights, kind="stable")
            kept = self.top_k or len(weights)
            if self.top_p < 1:
                reached = np.cumsum(weights[order[:kept]])
                # The probability is that among the symbols that top_k leaves.
                kept = min(kept, 1 + int(np.searchsorted(reached, self.top_p * reached[-1])))
            cut = np.zeros(len(weights))
            cut[order[:kept]] = weights[order[:kept]]
            weights, total = cut, cut.sum()
        return weights / total

    def draw(self, probabilities: npt.NDArray[np.float32], uniform: float) -> int:
        """Return the code that a random number in [0, 1) picks."""
        if self.temperature == 0:
            return int(probabilities.argmax())
        if self.temperature == 1 and self.top_p == 1 and not self.top_k:
            reached = np.cumsum(probabilities, dtype=np.float64)
        else:
            reached = np.cumsum(self.distribution(probabilities))
        code = int(np.searchsorted(reached, uniform * reached[-1], side="right"))
        if code == len(reached):
            # Only rounding leads here: take the last symbol that has any weight.
            code = int(np.flatnonzero(np.diff(reached, prepend=0.0))[-1])
        return code
