"""Splits that keep groups whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from genolstm.errors import SettingError


def split_by_group(
    groups: Sequence[Any] | np.ndarray, validation_fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Split rows so that no group is on both sides.

    Parameters
    ----------
    groups
        A label for each row: the chromosome, or the seed of its simulation.
    validation_fraction
        Share of the groups to hold out; at least one group, and at least one is left.

    Returns
    -------
    training, validation
        Row numbers, rising.

    Raises
    ------
    SettingError
        There are fewer than two groups.
    """
    labels, member = np.unique(np.asarray(groups), return_inverse=True)
    if len(labels) < 2:
        raise SettingError(
            f"{len(labels)} group cannot be split into training and held-out data",
            hint="give data of at least two chromosomes or replicates",
        )
    count = min(len(labels) - 1, max(1, round(validation_fraction * len(labels))))
    random = np.random.default_rng([seed, 0x5917])
    held = np.zeros(len(labels), bool)
    held[random.permutation(len(labels))[:count]] = True
    return np.flatnonzero(~held[member]), np.flatnonzero(held[member])
