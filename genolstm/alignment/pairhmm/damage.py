"""Substitution matrices that depend on the position in an ancient read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from genolstm.alignment.pairhmm.member import Reading

_REACH = 16
"""Number of bases from an end beyond which damage is that of the inside."""


@dataclass(frozen=True)
class DamageProfile:
    """How often cytosines read as T (and guanines as A) along a read.

    Parameters
    ----------
    five_prime, three_prime
        Excess rate at the first and last base over the inside.
    inside
        Rate far from the ends.
    decay
        Factor by which the excess falls per base.
    library
        ``double``: C to T at the 5' end, G to A at the 3' end; ``single``: C to T at both.

    References
    ----------
    Briggs et al. 2007, PNAS 104:14616; the exponential form is that of mapDamage's fits.
    """

    five_prime: float = 0.28
    three_prime: float = 0.28
    inside: float = 0.012
    decay: float = 0.65
    library: Literal["double", "single"] = "double"

    def rates(self, length: int) -> npt.NDArray[np.float64]:
        """Return P(C reads as T) and P(G reads as A) at each base of a read, (length, 2)."""
        i = np.arange(length)
        decay = np.where(i < _REACH, self.decay ** i.astype(float), 0.0)
        five, three = self.five_prime * decay, self.three_prime * decay[::-1]
        if self.library == "single":
            return np.clip(np.stack([self.inside + five + three, np.zeros(length)], 1), 0, 0.98)
        # Where the strand breaks is unknown: either damage may show inside.
        half = np.full(length, self.inside / 2)
        return np.clip(np.stack([half + five, half + three], axis=1), 0, 0.98)

    def reading(self, length: int, *, reverse: bool = False) -> Reading:
        """Return how the bases of a damaged read are read, by class of position.

        Parameters
        ----------
        reverse
            Whether the read is given as its reverse complement.
        """
        i = np.arange(length)
        keys = np.minimum(i, _REACH) * (_REACH + 1) + np.minimum(length - 1 - i, _REACH)
        _, first, classes = np.unique(keys, return_index=True, return_inverse=True)
        rates = self.rates(length)
        if reverse:
            rates = rates[::-1, ::-1]
        c_to_t, g_to_a = rates[first].T
        matrices = np.zeros((len(first), 4, 4))
        matrices[:] = np.eye(4)
        matrices[:, 1, 1], matrices[:, 1, 3] = 1 - c_to_t, c_to_t
        matrices[:, 2, 2], matrices[:, 2, 0] = 1 - g_to_a, g_to_a
        return Reading(matrices, classes.astype(np.int64))
