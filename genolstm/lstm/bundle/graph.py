"""The ONNX graph of a network, written byte by byte from its settings and weights.

A network of an :class:`~genolstm.lstm.config.LSTMConfig` is written operator by operator: one
time-major chain with one ``LSTM`` (``GRU``, ``RNN``) operator per layer for both directions, named
weights, the same bytes each time. The graph is smaller and about a tenth faster than tf2onnx's,
needs no tracing, and its names let :mod:`genolstm.lstm.cell` read the weights. No package is needed:
a graph is a Protocol Buffers message of few fields, whose numbers are those of ``onnx.proto``.

Since a graph follows from settings and weights, a graph that somebody hands us is checked by writing
it again (:mod:`genolstm.lstm.bundle.checks`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from genolstm.errors import ModelError
from genolstm.lstm.bundle.protobuf import message
from genolstm.lstm.config import LSTMConfig

OPSET = 17
IR_VERSION = 8

Weights = Mapping[str, np.ndarray]

#: ONNX's order of the gates, as indices into Keras' order.
GATES = {"lstm": (0, 3, 1, 2), "gru": (0, 1, 2), "rnn": (0,)}
_OPERATORS = {"lstm": "LSTM", "gru": "GRU", "rnn": "RNN"}
_ACTIVATIONS = {"relu": "Relu", "tanh": "Tanh", "sigmoid": "Sigmoid"}
_FLOAT, _INT32 = 1, 6
_TENSOR_TYPES = {np.dtype(np.float32): _FLOAT, np.dtype(np.int64): 7}
_INT, _STRING, _INTS = 2, 3, 7


def write_onnx(config: LSTMConfig, weights: Weights) -> bytes:
    """Return the ONNX graph of a network with these weights; needs no TensorFlow.

    Input ``x`` (n, steps, n_features) float32 or (n, steps) int32, output ``y``; n and steps may
    vary.

    Parameters
    ----------
    weights
        float32 arrays of :attr:`LSTMConfig.weight_shapes`.
    """
    return _Writer(config, weights).whole()


def write_step(config: LSTMConfig, weights: Weights) -> bytes:
    """Return a graph that reads one step and carries the state, for generation.

    Inputs: ``x`` (n, n_features) or (n,) codes, and for each layer ``h1``, ``c1``, ... (1, n,
    units). Outputs: ``y`` (n, outputs) and ``h1_next``, ``c1_next``, ...

    Raises
    ------
    ModelError
        The network reads both ways, or pools over the steps.
    """
    if config.bidirectional or config.pooling != "none":
        raise ModelError("only a network that reads one way, step by step, has a one-step form")
    return _Writer(config, weights).step()


def write_hidden(config: LSTMConfig, weights: Weights) -> bytes:
    """Return a graph that reads as :func:`write_onnx`'s does, and gives what its last layer reads.

    Output ``y`` (n, steps, units): the last recurrent layer's, without the dense layer that follows.

    Raises
    ------
    ModelError
        The network has no such output for each step.
    """
    if config.pooling != "none" or config.stride > 1:
        raise ModelError("only a network with an output for each step has a hidden state for each")
    return _Writer(config, weights).hidden()


def reorder(array: np.ndarray, order: Sequence[int]) -> np.ndarray:
    """Return an array whose last axis holds gates side by side, with the gates in another order."""
    parts = np.split(array, len(order), axis=-1)
    return np.concatenate([parts[place] for place in order], axis=-1)


class _Writer:
    """Builds the graph; every tensor between the blocks is (steps, n, width)."""

    def __init__(self, config: LSTMConfig, weights: Weights) -> None:
        self.config = config
        self.weights = weights
        self.nodes: list[bytearray] = []
        self.initializers: dict[str, bytearray] = {}

    def add(self, operator: str, inputs: list[str], output: str | list[str], **options: Any) -> str:
        outputs = [output] if isinstance(output, str) else output
        names = [*((1, name) for name in inputs), *((2, name) for name in outputs)]
        attributes = [(5, _attribute(name, value)) for name, value in sorted(options.items())]
        named = [(3, outputs[0])] if outputs[0] else []
        self.nodes.append(message([*names, *named, (4, operator), *attributes]))
        return outputs[0]

    def constant(self, name: str, value: np.ndarray) -> str:
        array = np.ascontiguousarray(value)
        dims = [(1, size) for size in array.shape]
        kind = _TENSOR_TYPES[array.dtype]
        raw = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
        self.initializers[name] = message([*dims, (2, kind), (8, name), (9, raw)])
        return name

    def weight(self, name: str) -> str:
        return self.constant(name, self.weights[name])

    def whole(self) -> bytes:
        config = self.config
        hidden = self._input_block()
        for index in range(1, config.layers + 1):
            hidden = self._layer(index, hidden, last=config.pooling == "last")
        if config.pooling in ("mean", "max"):
            operator = {"mean": "ReduceMean", "max": "ReduceMax"}[config.pooling or ""]
            hidden = self.add(operator, [hidden], "pooling", axes=[0], keepdims=0)
        if config.stride > 1:
            hidden = self.add("Transpose", [self._dense(hidden, "head", None)], "together", perm=[1, 0, 2])
            apart = self.constant("apart", np.array([0, -1, config.n_outputs], np.int64))
            hidden = self.add("Reshape", [hidden, apart], "steps")
            self.add("Identity", [self._activation(hidden, "head", config.activation)], "y")
            return self._serialize([self._input(["n", "steps"])], [self._output(["n", "steps"])])
        hidden = self._head(hidden)
        if config.per_step:
            self.add("Transpose", [hidden], "y", perm=[1, 0, 2])
        else:
            self.add("Identity", [hidden], "y")
        place = ["n", "steps"] if config.per_step else ["n"]
        return self._serialize([self._input(["n", "steps"])], [self._output(place)])

    def hidden(self) -> bytes:
        config = self.config
        hidden = self._input_block()
        for index in range(1, config.layers + 1):
            hidden = self._layer(index, hidden, last=False)
        self.add("Transpose", [hidden], "y", perm=[1, 0, 2])
        width = config.layer_units[-1] * len(config.directions)
        return self._serialize([self._input(["n", "steps"])], [_value("y", _FLOAT, ["n", "steps", width])])

    def step(self) -> bytes:
        config = self.config
        axis = self.constant("axis", np.array([0], np.int64))
        if config.input == "embedding":
            hidden = self.add("Gather", [self.weight("input/embeddings"), "x"], "embedded")
        else:
            hidden = self._dense(self._transformed("x"), "input", config.input_activation)
        hidden = self.add("Unsqueeze", [hidden, axis], "step")
        inputs, outputs = [self._input(["n"])], []
        for index, units in enumerate(config.layer_units, start=1):
            parts = ("h", "c") if config.cell == "lstm" else ("h",)
            hidden = self._recurrent(index, hidden, [f"{part}{index}" for part in parts])
            for part in parts:
                name = f"{part}{index}"
                inputs.append(_value(name, _FLOAT, [1, "n", units]))
                outputs.append(_value(f"{name}_next", _FLOAT, [1, "n", units]))
        hidden = self._head(self.add("Squeeze", [hidden, axis], "last"))
        self.add("Identity", [hidden], "y")
        return self._serialize(inputs, [self._output(["n"]), *outputs])

    def _input(self, place: Sequence[str | int]) -> bytearray:
        if self.config.input == "embedding":
            return _value("x", _INT32, place)
        return _value("x", _FLOAT, [*place, self.config.n_features])

    def _output(self, place: Sequence[str | int]) -> bytearray:
        return _value("y", _FLOAT, [*place, self.config.output_width])

    def _transformed(self, name: str) -> str:
        if self.config.transform == "none":
            return name
        one = self.constant("one", np.array(1.0, np.float32))
        return self.add("Log", [self.add("Add", [name, one], "x_plus_one")], "log1p")

    def _dense(self, hidden: str, name: str, activation: str | None) -> str:
        if f"{name}/kernel" in self.weights:
            product = self.add("MatMul", [hidden, self.weight(f"{name}/kernel")], f"{name}/product")
            hidden = self.add("Add", [product, self.weight(f"{name}/bias")], f"{name}/sum")
        return self._activation(hidden, name, activation)

    def _activation(self, hidden: str, name: str, activation: str | None) -> str:
        if activation == "softmax":
            return self.add("Softmax", [hidden], f"{name}/softmax", axis=-1)
        if activation in _ACTIVATIONS:
            return self.add(_ACTIVATIONS[activation], [hidden], f"{name}/{activation}")
        return hidden

    def _input_block(self) -> str:
        config = self.config
        if config.input == "embedding":
            codes = self.add("Transpose", ["x"], "codes", perm=[1, 0])
            return self.add("Gather", [self.weight("input/embeddings"), codes], "embedded")
        values = self._transformed("x")
        if config.input == "features":
            steps = self.add("Transpose", [values], "steps_first", perm=[1, 0, 2])
            return self._dense(steps, "input", config.input_activation if config.input_units else None)
        width, overlap = config.kernel_size, config.kernel_size - config.stride
        channels = self.add("Transpose", [values], "channels_first", perm=[0, 2, 1])
        kernel = self.constant("input/kernel", self.weights["input/kernel"].transpose(2, 1, 0))
        convolved = self.add(
            "Conv",
            [channels, kernel, self.weight("input/bias")],
            "convolved",
            kernel_shape=[width],
            pads=[overlap // 2, overlap - overlap // 2],
            **({"strides": [config.stride]} if config.stride > 1 else {}),
        )
        activated = self._activation(convolved, "input", config.input_activation)
        return self.add("Transpose", [activated], "steps_first", perm=[2, 0, 1])

    def _recurrent_weights(self, index: int) -> list[str]:
        cell = self.config.cell
        order = GATES[cell]
        stacks: tuple[list[np.ndarray], ...] = ([], [], [])
        for direction in self.config.directions:
            prefix = f"{cell}{index}/{direction}/"
            kernel, recurrent, bias = (
                reorder(self.weights[prefix + part], order) for part in ("kernel", "recurrent_kernel", "bias")
            )
            # Keras' GRU has a bias for each of the two products, its other cells one for the sum.
            both = bias if cell == "gru" else np.stack([bias, np.zeros_like(bias)])
            for stack, array in zip(stacks, (kernel.T, recurrent.T, both.reshape(-1)), strict=True):
                stack.append(array)
        return [
            self.constant(f"{cell}{index}/{part}", np.stack(stack)) for part, stack in zip("WRB", stacks, strict=True)
        ]

    def _recurrent(self, index: int, hidden: str, states: list[str]) -> str:
        """Add one step of a layer with its states given; return the new h, (1, n, units)."""
        cell = self.config.cell
        after = [f"{state}_next" for state in states]
        self.add(
            _OPERATORS[cell],
            [hidden, *self._recurrent_weights(index), "", *states],
            ["", *after],
            **self._options(index),
        )
        return after[0]

    def _options(self, index: int) -> dict[str, Any]:
        options: dict[str, Any] = {"hidden_size": self.config.layer_units[index - 1]}
        if self.config.bidirectional:
            options["direction"] = "bidirectional"
        if self.config.cell == "gru":
            options["linear_before_reset"] = 1
        return options

    def _layer(self, index: int, hidden: str, *, last: bool) -> str:
        config = self.config
        name = f"{config.cell}{index}"
        whole = not (last and index == config.layers)
        outputs = [f"{name}/y"] if whole else ["", f"{name}/h"]
        self.add(_OPERATORS[config.cell], [hidden, *self._recurrent_weights(index)], outputs, **self._options(index))
        if whole:
            # (steps, directions, n, units) to (steps, n, directions * units)
            order = self.add("Transpose", [outputs[-1]], f"{name}/both", perm=[0, 2, 1, 3])
            shape = self.constant("join", np.array([0, 0, -1], np.int64))
        else:
            order = self.add("Transpose", [outputs[-1]], f"{name}/both", perm=[1, 0, 2])
            shape = self.constant("join_last", np.array([0, -1], np.int64))
        return self.add("Reshape", [order, shape], f"{name}/joined")

    def _head(self, hidden: str) -> str:
        return self._dense(hidden, "head", self.config.activation)

    def _serialize(self, inputs: list[bytearray], outputs: list[bytearray]) -> bytes:
        graph = message(
            [
                *((1, node) for node in self.nodes),
                (2, "genolstm"),
                *((5, tensor) for tensor in self.initializers.values()),
                *((11, value) for value in inputs),
                *((12, value) for value in outputs),
            ]
        )
        opset = message([(1, ""), (2, OPSET)])
        return bytes(message([(1, IR_VERSION), (2, "genolstm"), (7, graph), (8, opset)]))


def _attribute(name: str, value: int | str | list[int]) -> bytearray:
    if isinstance(value, int):
        return message([(1, name), (3, value), (20, _INT)])
    if isinstance(value, str):
        return message([(1, name), (4, value), (20, _STRING)])
    return message([(1, name), *((8, one) for one in value), (20, _INTS)])


def _value(name: str, kind: int, shape: Sequence[str | int]) -> bytearray:
    """Describe an input or output; a word in its shape stands for any size."""
    dims = [(1, message([(2 if isinstance(size, str) else 1, size)])) for size in shape]
    tensor = message([(1, kind), (2, message(dims))])
    return message([(1, name), (2, message([(1, tensor)]))])
