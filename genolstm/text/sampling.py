"""Drawing the next symbol from a distribution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from genolstm.settings import Range, check

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True)
class Sampling:
    """How to draw a symbol.

    Parameters
    ----------
    temperature
        Divisor of the log probabilities: below 1 makes likely symbols likelier; 0 always takes the
        most likely one, which is the default for models trained on windows.
    top_k
        Draw only among the k most likely symbols; 0 for all.
    top_p
        Draw only among the most likely symbols that together reach this probability (nucleus
        sampling; Holtzman et al. 2020); 1 for all.

    Raises
    ------
    SettingError
        A value is out of range.
    """

    temperature: Annotated[float, Range(0)] = 1.0
    top_k: Annotated[int, Range(0)] = 0
    top_p: Annotated[float, Range(0, 1, above_low=True)] = 1.0

    def __post_init__(self) -> None:
        check(self)

    def distribution(self, probabilities: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return what symbols are drawn from: weights that sum to 1, (symbols,)."""
        import numpy as np

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
            # Stable, so that the same ones of equally likely symbols are always kept.
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
        # Imported where it is used, so that the command line can read the settings without it.
        import numpy as np

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
