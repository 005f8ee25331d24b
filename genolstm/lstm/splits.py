"""Splits that keep groups whole: every split of labelled data is drawn here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from genolstm.errors import SettingError


def draw_parts(n: int, counts: Sequence[int], random: np.random.Generator) -> np.ndarray:
    """Return the part that each of ``n`` groups is drawn into, (n,).

    Parameters
    ----------
    counts
        How many groups go to part 1, 2, ...; the rest is part 0, to train on.
    """
    part = np.zeros(n, np.int64)
    part[random.permutation(n)[: sum(counts)]] = np.repeat(np.arange(1, len(counts) + 1), counts)
    return part


def rows_of_parts(part: np.ndarray, member: np.ndarray, n_parts: int) -> tuple[np.ndarray, ...]:
    """Return the rows of each part, ascending; ``member`` is the group of each row."""
    return tuple(np.flatnonzero(part[member] == number) for number in range(n_parts))


def draw_with_all(
    present: np.ndarray, counts: Sequence[int], random: np.random.Generator, *, tries: int = 200
) -> tuple[np.ndarray, bool]:
    """Draw parts until each of them holds every class.

    If ``tries`` draws do not help, as when every group is of one class, the parts that are held out grow by a group.

    Parameters
    ----------
    present
        Whether a class occurs in a group, shape (groups, classes).
    counts
        As in :func:`draw_parts`; they leave a group to train on.

    Returns
    -------
    part, fits
        The part that each group was last drawn into, (groups,), and whether every part holds every class.
    """
    held = list(counts)
    part = np.zeros(len(present), np.int64)
    while len(present) - sum(held) >= 1:
        for _ in range(tries):
            part = draw_parts(len(present), held, random)
            if all(present[part == p].any(axis=0).all() for p in range(len(held) + 1)):
                return part, True
        held = [count + 1 for count in held]
    return part, False


def split_by_group(
    groups: Sequence[Any] | np.ndarray, validation_fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Split rows so that no group is on both sides.

    Parameters
    ----------
    groups
        A label for each row: the chromosome, or the seed of its simulation.
    validation_fraction
        Share of the groups to hold out: at least one group, and at least one is left.

    Returns
    -------
    training, validation
        Row numbers, ascending.

    Raises
    ------
    SettingError
        There are fewer than two groups.
    """
    labels, member = np.unique(np.asarray(groups), return_inverse=True)
    n = len(labels)
    if n < 2:
        raise SettingError(
            f"{n} group cannot be split into training and held-out data",
            hint="give data of at least two chromosomes or replicates",
        )
    count = min(n - 1, max(1, round(validation_fraction * n)))
    training, held = rows_of_parts(draw_parts(n, [count], np.random.default_rng([seed, 0x5917])), member, 2)
    return training, held
