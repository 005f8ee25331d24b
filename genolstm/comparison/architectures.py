"""The five networks, each one settings object, with widths chosen for a number of parameters.

All read one-hot bases, (n, steps, 4). The recurrent ones are the toolkit's own core with one layer
that reads to the end and answers there; they differ only in the cell.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, cast

from genolstm.errors import SettingError
from genolstm.lstm.config import Activation, Cell, LSTMConfig

ARCHITECTURES = ("mlp", "cnn", "rnn", "gru", "lstm")
RECURRENT = ("rnn", "gru", "lstm")
N_FEATURES = 4
KERNEL_SIZE = 12
# Peak rates of Adam, from pilots on long-range; `benchmarks/comparison/run.py learning-rates` tries 0.001,
# 0.003 and 0.01 for the CNN, the RNN and the LSTM.
LEARNING_RATES = {"mlp": 0.003, "cnn": 0.003, "rnn": 0.003, "gru": 0.01, "lstm": 0.01}
# A network this far from the wanted number of parameters is not a match.
_WORST_MATCH = 0.25
_GOOD_MATCH = 0.02


@dataclass(frozen=True)
class ArchitectureSettings:
    """One network of the comparison.

    Parameters
    ----------
    name
        ``mlp``: two dense layers over the whole sequence. ``cnn``: two convolutions, then the
        largest value of each filter. ``rnn``, ``gru``, ``lstm``: one recurrent layer, its last
        state.
    widths
        Numbers of units (filters) of the hidden layers.
    steps
        Number of bases per sequence; only the ``mlp`` depends on it.
    n_outputs, activation
        Number of outputs and activation of the head.
    learning_rate
        Peak learning rate of Adam.
    kernel_size
        Number of bases that a filter of the ``cnn`` covers.
    bidirectional
        Whether a recurrent layer reads both ways.
    """

    name: str
    widths: tuple[int, ...]
    steps: int
    n_outputs: int
    activation: Activation
    learning_rate: float
    kernel_size: int = KERNEL_SIZE
    bidirectional: bool = False

    @property
    def config(self) -> LSTMConfig:
        """The settings of the recurrent network; for the others, of a recurrent one with the same head."""
        return LSTMConfig(
            head="classify",
            n_outputs=self.n_outputs,
            activation=self.activation,
            n_features=N_FEATURES,
            cell=cast(Cell, self.name) if self.name in RECURRENT else "rnn",
            units=self.widths[0],
            layers=1,
            bidirectional=self.bidirectional,
        )

    @property
    def n_parameters(self) -> int:
        """Number of trainable parameters."""
        if self.name in RECURRENT:
            return self.config.n_parameters
        first, second = self.widths
        if self.name == "mlp":
            shapes = [(self.steps * N_FEATURES, first), (first, second)]
        else:
            shapes = [(self.kernel_size * N_FEATURES, first), (self.kernel_size * first, second)]
        shapes.append((second, self.n_outputs))
        return sum((before + 1) * after for before, after in shapes)

    def build(self, seed: int) -> Any:
        """Return the Keras model; initial weights follow from the seed."""
        from genolstm.lstm.train.network import build_network, load_tensorflow

        if self.name in RECURRENT:
            return build_network(self.config, seed=seed)
        _, keras = load_tensorflow()
        layers = keras.layers
        seeds = itertools.count(1000 * seed)

        def weights() -> Any:
            return keras.initializers.GlorotUniform(next(seeds))

        inputs = keras.Input((self.steps, N_FEATURES), dtype="float32", name="x")
        first, second = self.widths
        if self.name == "mlp":
            hidden = layers.Reshape((self.steps * N_FEATURES,), name="whole")(inputs)
            for place, width in enumerate((first, second), start=1):
                hidden = layers.Dense(width, activation="relu", kernel_initializer=weights(), name=f"dense{place}")(
                    hidden
                )
        else:
            # No padding with zeros, which would tell the filters where the sequence ends.
            hidden = inputs
            for place, width in enumerate((first, second), start=1):
                hidden = layers.Conv1D(
                    width,
                    self.kernel_size,
                    padding="valid",
                    activation="relu",
                    kernel_initializer=weights(),
                    name=f"conv{place}",
                )(hidden)
            hidden = layers.GlobalMaxPooling1D(name="pooling")(hidden)
        outputs = layers.Dense(self.n_outputs, activation=self.activation, kernel_initializer=weights(), name="head")(
            hidden
        )
        return keras.Model(inputs, outputs, name=self.name)


def match_architecture(
    name: str,
    n_parameters: int,
    *,
    steps: int,
    n_outputs: int,
    activation: Activation,
    learning_rate: float | None = None,
    bidirectional: bool = False,
) -> ArchitectureSettings:
    """Return an architecture whose widths give about ``n_parameters`` parameters.

    Raises
    ------
    SettingError
        There is no such architecture, or none of its networks comes within a quarter of the number.
    """
    if name not in ARCHITECTURES:
        raise SettingError(f"architecture is {name!r}, it must be one of {', '.join(ARCHITECTURES)}")

    def make(*widths: int) -> ArchitectureSettings:
        return ArchitectureSettings(
            name,
            widths,
            steps,
            n_outputs,
            activation,
            LEARNING_RATES[name] if learning_rate is None else learning_rate,
            # Two layers of filters must fit into the sequence.
            kernel_size=min(KERNEL_SIZE, (steps + 1) // 2),
            bidirectional=bidirectional and name in RECURRENT,
        )

    def miss(settings: ArchitectureSettings) -> float:
        return abs(settings.n_parameters - n_parameters) / n_parameters

    if name in RECURRENT:
        best = min(_single(make, n_parameters), key=miss)
    else:
        pairs = list(_pairs(make, n_parameters))
        good = [one for one in pairs if miss(one) <= _GOOD_MATCH]
        # Of the good ones, the one whose layers are most alike.
        best = (
            min(good, key=lambda one: (abs(math.log(one.widths[1] / one.widths[0])), miss(one)))
            if good
            else min(pairs, key=miss)
        )
    if miss(best) > _WORST_MATCH:
        raise SettingError(
            f"the {name} nearest to {n_parameters} parameters has {best.n_parameters} for {steps} bases",
            hint="ask for more parameters, or for shorter sequences",
        )
    return best


Make = Callable[..., ArchitectureSettings]


def _single(make: Make, n_parameters: int) -> Iterator[ArchitectureSettings]:
    """Yield the networks of one width up to the first that is too large."""
    for width in itertools.count(1):
        yield make(width)
        if make(width).n_parameters > n_parameters:
            return


def _pairs(make: Make, n_parameters: int) -> Iterator[ArchitectureSettings]:
    """Yield, for every first width, the two networks whose second widths bracket the number."""
    for first in itertools.count(1):
        base = make(first, 1).n_parameters
        each = make(first, 2).n_parameters - base
        second = max(1, 1 + (n_parameters - base) // each)
        yield make(first, second)
        yield make(first, second + 1)
        if base > n_parameters:
            return


def parse_architectures(names: str | Iterable[str]) -> tuple[str, ...]:
    """Return architectures from comma-separated names, in the order of the table."""
    wanted = [name.strip().lower() for name in (names.split(",") if isinstance(names, str) else names) if name.strip()]
    for name in wanted:
        if name not in ARCHITECTURES:
            raise SettingError(f"there is no architecture {name!r}", hint=f"known: {', '.join(ARCHITECTURES)}")
    if not wanted:
        raise SettingError("no architecture is named")
    return tuple(name for name in ARCHITECTURES if name in wanted)
