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
        Sequences to train on and validate with; a fifth of them is for validation.
    n_test
        Further sequences of each test set.
    epochs, batch_size
        Passes over the training data, and sequences per step.
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
        Architectures to compare, of mlp, cnn, rnn, gru and lstm.
    parameters
        Approximate number of parameters of each network; a task brings its own.
    epochs
        Passes over the training data, all of which every network takes, keeping the weights of
        the epoch with the lowest validation loss; a task brings its own.
    batch_size
        Sequences per step; a task brings its own.
    learning_rate
        One learning rate for all; by default each architecture has its own.
    bidirectional
        Let the recurrent networks read both ways.
    seeds
        Runs of each architecture, with seeds counted up from the first one.
    seed
        The first seed; a seed settles split, initial weights and order.
    validation_fraction, test_fraction
        Shares of the groups.

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
        """Return the settings with a task's own budget; ``changes`` go on top."""
        task = find_task(name)
        base = cls(parameters=task.parameters, epochs=task.epochs, batch_size=task.batch_size)
        return replace(base, **changes)
