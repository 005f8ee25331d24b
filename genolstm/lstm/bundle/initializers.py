"""Reading the weights out of an ONNX file with NumPy alone.

The ``onnx`` package is part of the ``train`` extra. Little of it is needed here: an ONNX file is
a Protocol Buffers message, and the weights are its ``graph.initializer`` entries. Field numbers are
those of ``onnx.proto``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from genolstm.errors import ModelError
from genolstm.lstm.bundle.graph import GATES, reorder, write_onnx
from genolstm.lstm.bundle.protobuf import fields, read_varint, signed
from genolstm.lstm.config import LSTMConfig

if TYPE_CHECKING:
    from genolstm.lstm.bundle.bundle import Bundle

Writer = Callable[[LSTMConfig, Mapping[str, np.ndarray]], bytes]

#: Larger weights are nonsense, and their products overflow to infinity and NaN.
MAX_WEIGHT = 1e6

_MODEL_GRAPH = 7
_GRAPH_INITIALIZER = 5
_DIMS, _DATA_TYPE, _NAME, _RAW_DATA = 1, 2, 8, 9
_TYPES: dict[int, np.dtype[Any]] = {1: np.dtype("<f4"), 6: np.dtype("<i4"), 7: np.dtype("<i8"), 11: np.dtype("<f8")}


def read_weights(source: Bundle | bytes, config: LSTMConfig | None = None) -> dict[str, np.ndarray]:
    """Return a model's weights by name, as Keras stores them, in float64.

    Names are those of :attr:`LSTMConfig.weight_shapes`, such as
    ``lstm1/forward/kernel``. TensorFlow is not needed.

    Parameters
    ----------
    source
        A bundle, or the bytes of its ``model.onnx`` with ``config``.

    Raises
    ------
    ModelError
        The model's network is not one that an :class:`LSTMConfig` describes.
    """
    if isinstance(source, bytes):
        content = source
    else:
        content, config = source.onnx, source.config
    if config is None:
        raise ModelError("the weights of a custom network have no names to read them by")
    return {name: array.astype(np.float64) for name, array in checked_weights(content, config).items()}


def checked_weights(content: bytes, config: LSTMConfig, write: Writer = write_onnx) -> dict[str, np.ndarray]:
    """Return the float32 weights of a graph that is, byte for byte, the one of these settings.

    Parameters
    ----------
    write
        What such a graph is written with: :func:`~genolstm.lstm.bundle.graph.write_onnx` or
        :func:`~genolstm.lstm.bundle.graph.write_step`.

    Raises
    ------
    ModelError
        The graph has other operators, settings, shapes, names or types, or anything besides; or a
        weight that is not finite, or absurdly large.
    """
    stored = read_initializers(content)
    weights = {name: array for name, array in stored.items() if name.startswith(("input/", "head/"))}
    try:
        if config.input == "conv":
            weights["input/kernel"] = weights["input/kernel"].transpose(2, 1, 0)
        for index, units in enumerate(config.layer_units, start=1):
            _unpack(weights, stored, config, f"{config.cell}{index}", units)
        if {name: array.shape for name, array in weights.items()} != config.weight_shapes:
            raise ValueError("shapes")
    except (KeyError, IndexError, ValueError) as error:
        raise ModelError("the ONNX graph does not hold the weights its settings call for") from error
    check_numbers(weights)
    if write(config, weights) != content:
        raise ModelError("the ONNX graph is not the one of the network's settings")
    return weights


def check_numbers(weights: Mapping[str, np.ndarray]) -> None:
    """Refuse weights that a network cannot have.

    Raises
    ------
    ModelError
        One is not finite or above :data:`MAX_WEIGHT`, or not float32.
    """
    for name, array in weights.items():
        if array.dtype != np.float32:
            raise ModelError(f"the network's weights {name} are of type {array.dtype}, not float32")
        # NaN fails this comparison, too.
        if array.size and not np.abs(array).max() <= MAX_WEIGHT:
            raise ModelError(f"the network has a weight in {name} that is not finite, or above {MAX_WEIGHT:.0e}")


def _unpack(
    weights: dict[str, np.ndarray], stored: dict[str, np.ndarray], config: LSTMConfig, name: str, units: int
) -> None:
    order = np.argsort(GATES[config.cell]).tolist()  # back to that of Keras
    for direction, word in enumerate(config.directions):
        prefix = f"{name}/{word}/"
        weights[prefix + "kernel"] = reorder(stored[f"{name}/W"][direction].T, order)
        weights[prefix + "recurrent_kernel"] = reorder(stored[f"{name}/R"][direction].T, order)
        both = stored[f"{name}/B"][direction].reshape(2, len(order) * units)
        # Keras' GRU has a bias for each of the two products, its other cells one for the sum: the second is 0.
        weights[prefix + "bias"] = reorder(both, order) if config.cell == "gru" else reorder(both[0], order)


def read_initializers(content: bytes) -> dict[str, np.ndarray]:
    """Return an ONNX graph's constants by name.

    Raises
    ------
    ModelError
        The bytes are not an ONNX file, or hold constants in a form that GenoLSTM does not write,
        such as in a file elsewhere.
    """
    try:
        found: dict[str, np.ndarray] = {}
        for field, graph in fields(memoryview(content)):
            if field != _MODEL_GRAPH or isinstance(graph, int):
                continue
            for inner, message in fields(graph):
                if inner == _GRAPH_INITIALIZER and not isinstance(message, int):
                    name, array = read_tensor(message)
                    if name in found:
                        raise ValueError("twice")
                    found[name] = array
        return found
    except (IndexError, KeyError, ValueError) as error:
        raise ModelError("cannot load the network (its ONNX graph cannot be read)") from error


def read_tensor(message: memoryview) -> tuple[str, np.ndarray]:
    """Return a constant's name and values.

    Raises
    ------
    ValueError, IndexError, KeyError
        It is of a form that GenoLSTM does not write.
    """
    shape: list[int] = []
    kind, name, raw = 0, "", memoryview(b"")
    for field, value in fields(message):
        if field == _DIMS:
            if isinstance(value, int):
                shape.append(signed(value))
            else:  # packed
                place = 0
                while place < len(value):
                    size, place = read_varint(value, place)
                    shape.append(signed(size))
        elif field == _DATA_TYPE and isinstance(value, int):
            kind = value
        elif field == _NAME and not isinstance(value, int):
            name = bytes(value).decode("utf-8")
        elif field == _RAW_DATA and not isinstance(value, int):
            raw = value
        else:
            raise ValueError("field")
    dtype = _TYPES[kind]
    if len(shape) > 8 or min(shape, default=1) < 0 or math.prod(shape) * dtype.itemsize != len(raw):
        raise ValueError("shape")
    return name, np.frombuffer(raw, dtype).reshape(shape)
