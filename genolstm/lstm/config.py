"""The settings of a network, in one frozen dataclass that the bundle stores as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Annotated, Any, Literal

from genolstm.errors import ModelError, SettingError
from genolstm.settings import SHARE, Range, check

_LARGEST = 1 << 20
# Of a message about settings that a stranger wrote.
_LONGEST = 300
Count = Annotated[int, Range(0, _LARGEST)]
AtLeastOne = Annotated[int, Range(1, _LARGEST)]
Cell = Literal["rnn", "gru", "lstm"]
Activation = Literal["sigmoid", "softmax", "linear"]

# The default pooling over the steps and activation of the output, by head.
_HEAD_DEFAULTS: dict[str, tuple[str, str]] = {
    "tag": ("none", "sigmoid"),
    "next": ("none", "softmax"),
    "classify": ("last", "softmax"),
    "regress": ("last", "linear"),
    "embed": ("none", "linear"),
}


@dataclass(frozen=True)
class LSTMConfig:
    """Shape of a network: input block, recurrent stack, head.

    Parameters
    ----------
    input
        ``features``: a vector of ``n_features`` numbers per step, through a dense layer of
        ``input_units`` (0: none). ``conv``: the same through a convolution over ``kernel_size``
        steps. ``embedding``: integer codes below ``vocabulary``, as vectors of ``input_units``.
    stride
        Steps that the convolution moves on at a time, so that the recurrent stack reads one vector for
        every ``stride`` steps; the head ``tag`` gives each of these its own outputs again. A network
        costs less by nearly this factor. Sequences must be a multiple of it in length
        (:class:`~genolstm.lstm.bundle.runtime.Runtime` fills them up with zeros).
    transform
        ``log1p`` takes log(1 + x) of the features inside the graph, so that counts go in raw.
    cell
        Recurrent cell: ``rnn``, ``gru`` or ``lstm``.
    units
        Width of each direction: one number for all layers, or one per layer.
    layers
        Number of stacked recurrent layers.
    bidirectional
        Whether the layers read both ways; not with the head ``next``.
    dropout
        Fraction dropped after each recurrent layer, in training only.
    head
        ``tag``: outputs at every step. ``next``: the next symbol's distribution at every step.
        ``classify``, ``regress``: outputs for the whole sequence. ``embed``: a vector of
        ``n_outputs`` per step, or one per sequence if ``pooling`` is given; ``n_outputs`` 0 gives
        the recurrent stack's own vectors.
    n_outputs
        Number of classes, targets or symbols, or width of the vectors.
    activation
        Output activation: ``sigmoid``, ``softmax`` or ``linear``; by default what the head calls
        for.
    pooling
        ``none``, ``last``, ``mean`` or ``max`` over the steps; by default what the head calls for.

    Raises
    ------
    SettingError
        A value makes no sense; the message names the field.
    """

    head: Literal["tag", "classify", "regress", "next", "embed"] = "tag"
    n_outputs: Count = 1
    input: Literal["features", "embedding", "conv"] = "features"
    n_features: Count = 0
    vocabulary: Count = 0
    input_units: Count = 0
    kernel_size: AtLeastOne = 1
    stride: AtLeastOne = 1
    input_activation: Literal["linear", "relu", "tanh"] = "linear"
    transform: Literal["none", "log1p"] = "none"
    cell: Cell = "lstm"
    units: int | tuple[int, ...] = 48
    layers: Annotated[int, Range(1, 64)] = 2
    bidirectional: bool = True
    dropout: Annotated[float, SHARE] = 0.0
    activation: Activation | None = None
    pooling: Literal["none", "last", "mean", "max"] | None = None

    def __post_init__(self) -> None:
        check(self)
        for name, usual in zip(("pooling", "activation"), _HEAD_DEFAULTS[self.head], strict=True):
            if getattr(self, name) is None:
                object.__setattr__(self, name, usual)
        self._check_units()
        self._check_input()
        self._check_stride()
        self._check_head()

    def _check_units(self) -> None:
        widths = tuple(self.units) if isinstance(self.units, list | tuple) else (self.units,) * self.layers
        if len(widths) != self.layers:
            raise SettingError(
                f"units names {len(widths)} widths for {self.layers} layers", hint="give one number, or one per layer"
            )
        for width in widths:
            if isinstance(width, bool) or not isinstance(width, int) or not 1 <= width <= _LARGEST:
                raise SettingError(f"units is {width!r}, a whole number from 1 to {_LARGEST} is needed")
        # One spelling for one network, so that equal networks compare equal.
        object.__setattr__(self, "units", widths[0] if len(set(widths)) == 1 else widths)

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

    def _check_stride(self) -> None:
        if self.stride == 1:
            return
        if self.input != "conv" or self.head != "tag":
            raise SettingError("stride has a meaning only for the input conv and the head tag")
        if self.kernel_size < self.stride:
            raise SettingError(
                f"stride is {self.stride} and kernel_size {self.kernel_size}, which would leave steps unread"
            )

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
        """Number of outputs per step (or per sequence)."""
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
            shapes["head/kernel"] = (width, self.n_outputs * self.stride)
            shapes["head/bias"] = (self.n_outputs * self.stride,)
        return shapes

    @property
    def n_parameters(self) -> int:
        """Number of trainable parameters."""
        return sum(math.prod(shape) for shape in self.weight_shapes.values())

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON-ready values."""
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
            A field is unknown, or its value makes no sense.
        """
        if not isinstance(settings, Mapping):
            raise ModelError("the network's settings are not a table of names and values")
        unknown = sorted(str(name) for name in set(settings) - {f.name for f in fields(cls)})
        if unknown:
            named = ", ".join(name if name.isprintable() else repr(name) for name in unknown)
            raise ModelError(
                f"the network has settings that this version does not know: {named[:_LONGEST]}",
                hint="a newer GenoLSTM may have made it",
            )
        try:
            return cls(**settings)
        except SettingError as error:
            raise ModelError(f"the network's settings are not valid: {error.reason[:_LONGEST]}") from error
