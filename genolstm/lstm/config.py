"""The settings of a network, in one frozen dataclass that the bundle stores as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from genolstm.errors import ModelError, SettingError

CELLS = ("rnn", "gru", "lstm")
INPUTS = ("features", "embedding", "conv")
TRANSFORMS = ("none", "log1p")
INPUT_ACTIVATIONS = ("linear", "relu", "tanh")
HEADS = ("tag", "classify", "regress", "next", "embed")
POOLINGS = ("none", "last", "mean", "max")
ACTIVATIONS = ("sigmoid", "softmax", "linear")

# What a head means when nothing else is said: pooling over the steps, activation of the output.
_HEAD_DEFAULTS = {
    "tag": ("none", "sigmoid"),
    "next": ("none", "softmax"),
    "classify": ("last", "softmax"),
    "regress": ("last", "linear"),
    "embed": ("none", "linear"),
}
_LARGEST = 1 << 20


@dataclass(frozen=True)
class LSTMConfig:
    """Shape of a network: input block, recurrent stack, head.

    Parameters
    ----------
    input
        ``features``: vectors of ``n_features`` numbers a step, through a dense layer of
        ``input_units`` (0: none). ``conv``: the same through a convolution over ``kernel_size``
        steps. ``embedding``: integer codes below ``vocabulary``, as vectors of ``input_units``.
    transform
        ``log1p`` takes log(1 + x) of the features inside the graph, so that counts go in raw.
    cell
        ``rnn``, ``gru`` or ``lstm``.
    units
        Width of each direction; one number for all layers or one a layer.
    layers
        Recurrent layers on top of each other.
    bidirectional
        Read both ways. The head ``next`` may not.
    dropout
        Fraction dropped after each recurrent layer, in training only.
    head
        ``tag``: outputs at every step. ``next``: the next symbol's distribution at every step.
        ``classify``, ``regress``: outputs for the whole sequence. ``embed``: a vector of
        ``n_outputs`` a step, or one a sequence if ``pooling`` is given; ``n_outputs`` 0 gives
        the recurrent stack's own vectors.
    n_outputs
        Classes, targets, symbols or width of the vectors.
    activation
        ``sigmoid``, ``softmax`` or ``linear``; by default what the head calls for.
    pooling
        ``none``, ``last``, ``mean`` or ``max`` over the steps; by default what the head calls for.

    Raises
    ------
    SettingError
        A value makes no sense; the message names the field.
    """

    head: str = "tag"
    n_outputs: int = 1
    input: str = "features"
    n_features: int = 0
    vocabulary: int = 0
    input_units: int = 0
    kernel_size: int = 1
    input_activation: str = "linear"
    transform: str = "none"
    cell: str = "lstm"
    units: int | tuple[int, ...] = 48
    layers: int = 2
    bidirectional: bool = True
    dropout: float = 0.0
    activation: str | None = None
    pooling: str | None = None

    def __post_init__(self) -> None:
        self._choice("head", HEADS)
        pooling, activation = _HEAD_DEFAULTS[self.head]
        if self.pooling is None:
            object.__setattr__(self, "pooling", pooling)
        if self.activation is None:
            object.__setattr__(self, "activation", activation)
        for name, choices in (
            ("input", INPUTS),
            ("cell", CELLS),
            ("transform", TRANSFORMS),
            ("input_activation", INPUT_ACTIVATIONS),
            ("pooling", POOLINGS),
            ("activation", ACTIVATIONS),
        ):
            self._choice(name, choices)
        for name, least in (
            ("n_outputs", 0),
            ("n_features", 0),
            ("vocabulary", 0),
            ("input_units", 0),
            ("kernel_size", 1),
            ("layers", 1),
        ):
            self._whole(name, getattr(self, name), least)
        if self.layers > 64:
            raise SettingError(f"layers is {self.layers}, at most 64 make sense")
        if isinstance(self.units, list):
            object.__setattr__(self, "units", tuple(self.units))
        if isinstance(self.units, tuple):
            if len(self.units) != self.layers:
                raise SettingError(
                    f"units names {len(self.units)} widths for {self.layers} layers",
                    hint="give one number, or one a layer",
                )
            for width in self.units:
                self._whole("units", width, 1)
            if len(set(self.units)) == 1:
                # One spelling for one network, so that equal networks compare equal.
                object.__setattr__(self, "units", self.units[0])
        else:
            self._whole("units", self.units, 1)
        if not isinstance(self.bidirectional, bool):
            raise SettingError(f"bidirectional is {self.bidirectional!r}, true or false is needed")
        if isinstance(self.dropout, bool) or not isinstance(self.dropout, int | float):
            raise SettingError(f"dropout is {self.dropout!r}, a number is needed")
        if not 0 <= self.dropout < 1:
            raise SettingError(f"dropout is {self.dropout}, it must be at least 0 and below 1")
        object.__setattr__(self, "dropout", float(self.dropout))
        self._check_input()
        self._check_head()

    def _choice(self, name: str, choices: tuple[str, ...]) -> None:
        value = getattr(self, name)
        if not isinstance(value, str) or value not in choices:
            raise SettingError(f"{name} is {value!r}, it must be one of {', '.join(choices)}")

    @staticmethod
    def _whole(name: str, value: Any, least: int) -> None:
        if isinstance(value, bool) or not isinstance(value, int):
            raise SettingError(f"{name} is {value!r}, a whole number is needed")
        if not least <= value <= _LARGEST:
            raise SettingError(f"{name} is {value}, it must be between {least} and {_LARGEST}")

    def _check_input(self) -> None:
        if self.input == "embedding":
            if self.vocabulary < 1:
                raise SettingError("vocabulary must be at least 1 for an embedding input")
            if self.input_units < 1:
                raise SettingError("input_units must be at least 1 for an embedding input")
            if self.n_features or self.transform != "none" or self.kernel_size != 1:
                raise SettingError("n_features, transform and kernel_size have no meaning for an embedding input")
            return
        if self.n_features < 1:
            raise SettingError(f"n_features must be at least 1 for the input {self.input}")
        if self.vocabulary:
            raise SettingError(f"vocabulary has no meaning for the input {self.input}")
        if self.input == "conv" and self.input_units < 1:
            raise SettingError("input_units must be at least 1 for a conv input")
        if self.input == "features" and self.kernel_size != 1:
            raise SettingError("kernel_size has no meaning for the input features")

    def _check_head(self) -> None:
        if self.n_outputs < 1 and self.head != "embed":
            raise SettingError(f"n_outputs must be at least 1 for the head {self.head}")
        if self.head in ("tag", "next") and self.pooling != "none":
            raise SettingError(f"pooling must be none for the head {self.head}")
        if self.head in ("classify", "regress") and self.pooling == "none":
            raise SettingError(f"pooling must be last, mean or max for the head {self.head}")
        if self.head == "next":
            if self.bidirectional:
                raise SettingError("bidirectional must be false for the head next")
            if self.input == "conv":
                raise SettingError("input conv sees later steps and cannot feed the head next")
        if self.activation == "softmax" and self.n_outputs == 1:
            raise SettingError("activation softmax over one output is always 1; use sigmoid")

    @property
    def layer_units(self) -> tuple[int, ...]:
        """Width of each recurrent layer, in one direction."""
        if isinstance(self.units, tuple):
            return self.units
        return (self.units,) * self.layers

    @property
    def per_step(self) -> bool:
        """Whether there is an output at every step."""
        return self.pooling == "none"

    @property
    def output_width(self) -> int:
        """Numbers a step (or a sequence) that come out."""
        return self.n_outputs or self.layer_units[-1] * (2 if self.bidirectional else 1)

    @property
    def directions(self) -> tuple[str, ...]:
        """The directions in which each layer reads."""
        return ("forward", "backward") if self.bidirectional else ("forward",)

    @property
    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of each weight array, in the order in which Keras keeps them."""
        shapes: dict[str, tuple[int, ...]] = {}
        if self.input == "embedding":
            shapes["input/embeddings"] = (self.vocabulary, self.input_units)
        elif self.input_units:
            kernel = (self.kernel_size,) if self.input == "conv" else ()
            shapes["input/kernel"] = (*kernel, self.n_features, self.input_units)
            shapes["input/bias"] = (self.input_units,)
        width = self.input_units or self.n_features
        gates = {"rnn": 1, "gru": 3, "lstm": 4}[self.cell]
        for index, units in enumerate(self.layer_units, start=1):
            for direction in self.directions:
                name, total = f"{self.cell}{index}/{direction}", gates * units
                shapes[f"{name}/kernel"] = (width, total)
                shapes[f"{name}/recurrent_kernel"] = (units, total)
                shapes[f"{name}/bias"] = (2, total) if self.cell == "gru" else (total,)
            width = units * len(self.directions)
        if self.n_outputs:
            shapes["head/kernel"] = (width, self.n_outputs)
            shapes["head/bias"] = (self.n_outputs,)
        return shapes

    @property
    def n_parameters(self) -> int:
        """How many numbers are trained."""
        return sum(math.prod(shape) for shape in self.weight_shapes.values())

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON can hold them."""
        settings = asdict(self)
        if isinstance(self.units, tuple):
            settings["units"] = list(self.units)
        return settings

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> LSTMConfig:
        """Make a config from :meth:`to_dict`'s output.

        Raises
        ------
        ModelError
            A field is unknown, missing its type, or holds what makes no sense.
        """
        if not isinstance(settings, Mapping):
            raise ModelError("the network's settings are not a table of names and values")
        unknown = sorted(str(name) for name in set(settings) - {f.name for f in fields(cls)})
        if unknown:
            raise ModelError(
                f"the network has settings that this version does not know: {', '.join(unknown)}",
                hint="a newer GenoLSTM may have made it",
            )
        try:
            return cls(**settings)
        except SettingError as error:
            raise ModelError(f"the network's settings are not valid: {error.reason}") from error
