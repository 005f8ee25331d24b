"""From Keras to ONNX, checked against Keras.

A network of :func:`~genolstm.lstm.train.network.build_network` is written by
:mod:`genolstm.lstm.bundle.graph`; other Keras models go through tf2onnx.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from genolstm.errors import MissingExtraError, ModelError
from genolstm.lstm.bundle.graph import OPSET, write_onnx, write_step
from genolstm.lstm.bundle.onnx_runtime import load as load_onnx_runtime
from genolstm.lstm.config import LSTMConfig
from genolstm.lstm.train.network import load_tensorflow, named_weights

TOLERANCE = 1e-5


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
    return write_step(config, named_weights(config, model))


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
    session = load_onnx_runtime().InferenceSession(content, providers=["CPUExecutionProvider"])
    random = np.random.default_rng(0)
    worst = 0.0
    stride = 1 if config is None else config.stride
    for n, steps in ((3, 17 * stride), (1, 5 * stride)):
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
