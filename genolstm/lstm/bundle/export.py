"""From Keras to ONNX.

A network of :func:`~genolstm.lstm.train.network.build_network` is written operator by operator: one
time-major chain with one ``LSTM`` (``GRU``, ``RNN``) operator per layer for both directions, named
weights, the same bytes each time. The graph is smaller and about a tenth faster than tf2onnx's,
needs no tracing, and its names let :mod:`genolstm.lstm.cell` read the weights. Other Keras models
go through tf2onnx.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from genolstm.errors import MissingExtraError, ModelError
from genolstm.lstm.config import LSTMConfig
from genolstm.lstm.train.network import Weights, load_tensorflow, named_weights

OPSET = 17
IR_VERSION = 8
TOLERANCE = 1e-5

# ONNX's order of the gates, as indices into Keras' order.
_GATES = {"lstm": (0, 3, 1, 2), "gru": (0, 1, 2), "rnn": (0,)}
_OPERATORS = {"lstm": "LSTM", "gru": "GRU", "rnn": "RNN"}
_ACTIVATIONS = {"relu": "Relu", "tanh": "Tanh", "sigmoid": "Sigmoid"}


def export_onnx(model: Any, config: LSTMConfig, *, check: bool = True) -> bytes:
    """Return the ONNX form of a network that :func:`build_network` made.

    Input ``x`` (n, steps, n_features) float32 or (n, steps) int32, output ``y``; n and steps may
    vary.

    Raises
    ------
    ModelError
        ONNX Runtime's output differs from Keras' by more than 1e-5 on random input.
    """
    content = write_onnx(config, named_weights(config, model))
    if check:
        check_onnx(content, model, config)
    return content


def export_step(model: Any, config: LSTMConfig) -> bytes:
    """Return a graph that reads one step and carries the state, for generation.

    Inputs: ``x`` (n, n_features) or (n,) codes, and for each layer ``h1``, ``c1``, ... (1, n,
    units). Outputs: ``y`` (n, outputs) and ``h1_next``, ``c1_next``, ...
    """
    if config.bidirectional or config.pooling != "none":
        raise ModelError("only a network that reads one way, step by step, has a one-step form")
    return _Writer(config, named_weights(config, model)).step()


def write_onnx(config: LSTMConfig, weights: Weights) -> bytes:
    """Return the ONNX graph of a network with these weights; needs no TensorFlow.

    Parameters
    ----------
    weights
        float32 arrays of :attr:`LSTMConfig.weight_shapes`.
    """
    return _Writer(config, weights).whole()


def export_onnx_traced(model: Any, *, check: bool = True) -> bytes:
    """Return the ONNX form of any functional Keras model, by way of tf2onnx.

    Raises
    ------
    ModelError
        The graph holds a ``Loop`` (a masked or unusual recurrent layer), or its outputs differ
        from Keras' by more than 1e-5.
    """
    tf, _ = load_tensorflow()
    try:
        import tf2onnx
    except ImportError as error:
        raise MissingExtraError("tf2onnx", "train") from error
    signature = [tf.TensorSpec(tensor.shape, tensor.dtype, tensor.name) for tensor in model.inputs]

    def call(*inputs: Any) -> Any:
        return model(inputs[0] if len(inputs) == 1 else list(inputs), training=False)

    # Autograph would write files into /tmp, which a run that is killed leaves there.
    traced = tf.function(call, input_signature=signature, jit_compile=False, autograph=False)
    proto, _ = tf2onnx.convert.from_function(traced, signature, opset=OPSET)
    if any(node.op_type in ("Loop", "Scan") for node in proto.graph.node):
        raise ModelError(
            "the ONNX graph would hold a loop over the steps, which is slow",
            hint="use unmasked recurrent layers with their default activations",
        )
    content: bytes = proto.SerializeToString(deterministic=True)
    if check:
        check_onnx(content, model)
    return content


def check_onnx(content: bytes, model: Any, config: LSTMConfig | None = None) -> float:
    """Return the largest difference between ONNX Runtime and Keras on random input.

    Raises
    ------
    ModelError
        It is above 1e-5: absolute for outputs below 1, relative for those above.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    random = np.random.default_rng(0)
    worst = 0.0
    for n, steps in ((3, 17), (1, 5)):
        inputs = [_random_input(random, tensor, n, steps, config) for tensor in model.inputs]
        names = [value.name for value in session.get_inputs()]
        found = session.run(None, dict(zip(names, inputs, strict=True)))
        expected = model(inputs[0] if len(inputs) == 1 else inputs, training=False)
        if not isinstance(expected, list | tuple):
            expected = [expected]
        for one, other in zip(found, expected, strict=True):
            reference = np.asarray(other)
            difference = np.abs(one - reference) / np.maximum(1.0, np.abs(reference))
            worst = max(worst, float(difference.max()))
    if not worst <= TOLERANCE:
        raise ModelError(f"ONNX Runtime's output differs from Keras' by {worst:.1e}")
    return worst


def _random_input(
    random: np.random.Generator, tensor: Any, n: int, steps: int, config: LSTMConfig | None
) -> np.ndarray:
    # Some custom networks read sequences of one length only.
    fixed = tensor.shape[1] if len(tensor.shape) > 1 else None
    shape = [n, fixed or steps, *tensor.shape[2:]][: len(tensor.shape)]
    if "int" in str(tensor.dtype):
        high = config.vocabulary if config is not None else 4
        return random.integers(0, high, shape, dtype=np.int32)
    return random.gamma(0.5, 2.0, shape).astype(np.float32)


class _Writer:
    """Builds the graph; every tensor between the blocks is (steps, n, width)."""

    def __init__(self, config: LSTMConfig, weights: Weights) -> None:
        try:
            import onnx
        except ImportError as error:
            raise MissingExtraError("onnx", "train") from error
        self.onnx = onnx
        self.config = config
        self.weights = weights
        self.nodes: list[Any] = []
        self.initializers: dict[str, Any] = {}

    def add(self, operator: str, inputs: list[str], output: str | list[str], **options: Any) -> str:
        outputs = [output] if isinstance(output, str) else output
        self.nodes.append(self.onnx.helper.make_node(operator, inputs, outputs, name=outputs[0], **options))
        return outputs[0]

    def constant(self, name: str, value: np.ndarray) -> str:
        array = np.ascontiguousarray(value)
        self.initializers[name] = self.onnx.numpy_helper.from_array(array, name)
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
        hidden = self._head(hidden)
        if config.per_step:
            self.add("Transpose", [hidden], "y", perm=[1, 0, 2])
        else:
            self.add("Identity", [hidden], "y")
        place = ["n", "steps"] if config.per_step else ["n"]
        return self._serialize([self._input(["n", "steps"])], [self._output(place)])

    def step(self) -> bytes:
        config, helper = self.config, self.onnx.helper
        axis = self.constant("axis", np.array([0], np.int64))
        if config.input == "embedding":
            hidden = self.add("Gather", [self.weight("input/embeddings"), "x"], "embedded")
        else:
            hidden = self._dense(self._transformed("x"), "input", config.input_activation)
        hidden = self.add("Unsqueeze", [hidden, axis], "step")
        inputs, outputs = [self._input(["n"])], []
        float32 = self.onnx.TensorProto.FLOAT
        for index, units in enumerate(config.layer_units, start=1):
            parts = ("h", "c") if config.cell == "lstm" else ("h",)
            hidden = self._recurrent(index, hidden, [f"{part}{index}" for part in parts])
            for part in parts:
                shape = [1, "n", units]
                name = f"{part}{index}"
                inputs.append(helper.make_tensor_value_info(name, float32, shape))
                outputs.append(helper.make_tensor_value_info(f"{name}_next", float32, shape))
        hidden = self._head(self.add("Squeeze", [hidden, axis], "last"))
        self.add("Identity", [hidden], "y")
        return self._serialize(inputs, [self._output(["n"]), *outputs])

    def _input(self, place: list[str]) -> Any:
        proto, make = self.onnx.TensorProto, self.onnx.helper.make_tensor_value_info
        if self.config.input == "embedding":
            return make("x", proto.INT32, place)
        return make("x", proto.FLOAT, [*place, self.config.n_features])

    def _output(self, place: list[str]) -> Any:
        make = self.onnx.helper.make_tensor_value_info
        return make("y", self.onnx.TensorProto.FLOAT, [*place, self.config.output_width])

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
        width = config.kernel_size
        channels = self.add("Transpose", [values], "channels_first", perm=[0, 2, 1])
        kernel = self.constant("input/kernel", self.weights["input/kernel"].transpose(2, 1, 0))
        convolved = self.add(
            "Conv",
            [channels, kernel, self.weight("input/bias")],
            "convolved",
            kernel_shape=[width],
            pads=[(width - 1) // 2, width // 2],
        )
        activated = self._activation(convolved, "input", config.input_activation)
        return self.add("Transpose", [activated], "steps_first", perm=[2, 0, 1])

    def _recurrent_weights(self, index: int) -> list[str]:
        cell = self.config.cell
        order = _GATES[cell]
        stacks: tuple[list[np.ndarray], ...] = ([], [], [])
        for direction in self.config.directions:
            prefix = f"{cell}{index}/{direction}/"

            def gates(array: np.ndarray) -> np.ndarray:
                parts = np.split(array, len(order), axis=-1)
                return np.concatenate([parts[place] for place in order], axis=-1)

            kernel, recurrent, bias = (
                gates(self.weights[prefix + part]) for part in ("kernel", "recurrent_kernel", "bias")
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

    def _serialize(self, inputs: list[Any], outputs: list[Any]) -> bytes:
        helper = self.onnx.helper
        graph = helper.make_graph(self.nodes, "genolstm", inputs, outputs, list(self.initializers.values()))
        model = helper.make_model(
            graph, producer_name="genolstm", opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
        )
        self.onnx.checker.check_model(model)
        content: bytes = model.SerializeToString(deterministic=True)
        return content
