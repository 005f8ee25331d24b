"""What all networks of a comparison have in common, and the simulated tasks with their budgets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any

from genolstm.comparison.architectures import ARCHITECTURES, parse_architectures
from genolstm.errors import SettingError
from genolstm.settings import INSIDE, POSITIVE, Range, check

DISTANCES = (20, 50, 100, 200, 500)
SHORTEST = 5


@dataclass(frozen=True)
class Task:
    """A simulated task and the budget that suits it.

    Attributes
    ----------
    n
        Number of sequences for training and validation; a fifth of them are for validation.
    n_test
        Number of further sequences in each test set.
    epochs, batch_size
        Number of passes over the training data, and of sequences per step.
    parameters
        Approximate number of parameters of each network.
    """

    name: str
    n: int
    n_test: int
    epochs: int
    batch_size: int
    parameters: int


TASKS = {
    "long-range": Task("long-range", 7500, 1000, epochs=12, batch_size=50, parameters=3000),
    "motif": Task("motif", 1500, 2000, epochs=12, batch_size=50, parameters=3000),
}


def find_task(name: str) -> Task:
    """Return a task by its name.

    Raises
    ------
    SettingError
        There is no such task.
    """
    if name not in TASKS:
        raise SettingError(f"task is {name!r}, it must be one of {', '.join(TASKS)}")
    return TASKS[name]


@dataclass(frozen=True)
class ComparisonSettings:
    """What all architectures have in common.

    Parameters
    ----------
    architectures
        Architectures to compare, out of mlp, cnn, rnn, gru and lstm.
    parameters
        Approximate number of parameters of each network; a task has its own default.
    epochs
        Number of passes over the training data; every network takes all of them and keeps the
        weights of the epoch with the lowest validation loss. A task has its own default.
    batch_size
        Number of sequences per step; a task has its own default.
    learning_rate
        Peak learning rate of all networks; by default each architecture has its own.
    bidirectional
        Let the recurrent networks read both ways.
    seeds
        Number of runs of each architecture; their seeds count up from the first one.
    seed
        First seed; a seed determines split, initial weights and order.
    validation_fraction, test_fraction
        Shares of the groups to hold out for validation and for testing.

    Raises
    ------
    SettingError
        A value makes no sense; the message names the field.
    """

    architectures: tuple[str, ...] = ARCHITECTURES
    parameters: Annotated[int, Range(1)] = 10_000
    epochs: Annotated[int, Range(1)] = 20
    batch_size: Annotated[int, Range(1)] = 32
    learning_rate: Annotated[float, POSITIVE] | None = None
    bidirectional: bool = False
    seeds: Annotated[int, Range(1)] = 3
    seed: Annotated[int, Range(0)] = 1
    validation_fraction: Annotated[float, INSIDE] = 0.2
    test_fraction: Annotated[float, INSIDE] = 0.2

    def __post_init__(self) -> None:
        check(self)
        object.__setattr__(self, "architectures", parse_architectures(self.architectures))

    @classmethod
    def for_task(cls, name: str, **changes: Any) -> ComparisonSettings:
        """Return the settings with a task's own budget; ``changes`` override it."""
        task = find_task(name)
        base = cls(parameters=task.parameters, epochs=task.epochs, batch_size=task.batch_size)
        return replace(base, **changes)
