"""Reading the weights out of an ONNX file with NumPy alone.

The ``onnx`` package is part of the ``train`` extra. Little of it is needed here: an ONNX file is
a Protocol Buffers message, and the weights are its ``graph.initializer`` entries. Field numbers are
those of ``onnx.proto``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from genolstm.errors import ModelError
from genolstm.lstm.bundle.bundle import Bundle
from genolstm.lstm.config import LSTMConfig

_MODEL_GRAPH = 7
_GRAPH_INITIALIZER = 5
_DIMS, _DATA_TYPE, _NAME, _RAW_DATA = 1, 2, 8, 9
_TYPES: dict[int, np.dtype[Any]] = {1: np.dtype("<f4"), 6: np.dtype("<i4"), 7: np.dtype("<i8"), 11: np.dtype("<f8")}


# Where ONNX keeps the gates that Keras orders as input, forget, candidate, output
# (update, reset, candidate for a GRU).
_FROM_ONNX = {"lstm": (0, 2, 3, 1), "gru": (0, 1, 2), "rnn": (0,)}


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
    content = source.onnx if isinstance(source, Bundle) else source
    if isinstance(source, Bundle):
        config = source.config
    if config is None:
        raise ModelError("the weights of a custom network have no names to read them by")
    stored = {name: array.astype(np.float64) for name, array in read_initializers(content).items()}
    weights = {name: array for name, array in stored.items() if name.startswith(("input/", "head/"))}
    try:
        if config.input == "conv":
            weights["input/kernel"] = weights["input/kernel"].transpose(2, 1, 0)
        for index, units in enumerate(config.layer_units, start=1):
            _unpack(weights, stored, config, f"{config.cell}{index}", units)
        if {name: array.shape for name, array in weights.items()} != config.weight_shapes:
            raise ValueError("shapes")
        return weights
    except (KeyError, IndexError, ValueError) as error:
        raise ModelError("the ONNX graph does not hold the weights its settings call for") from error


def _unpack(
    weights: dict[str, np.ndarray], stored: dict[str, np.ndarray], config: LSTMConfig, name: str, units: int
) -> None:
    order = _FROM_ONNX[config.cell]

    def gates(array: np.ndarray) -> np.ndarray:
        parts = np.split(array, len(order), axis=-1)
        return np.concatenate([parts[place] for place in order], axis=-1)

    for direction, word in enumerate(config.directions):
        prefix = f"{name}/{word}/"
        weights[prefix + "kernel"] = gates(stored[f"{name}/W"][direction].T)
        weights[prefix + "recurrent_kernel"] = gates(stored[f"{name}/R"][direction].T)
        both = stored[f"{name}/B"][direction].reshape(2, len(order) * units)
        weights[prefix + "bias"] = gates(both) if config.cell == "gru" else gates(both.sum(axis=0))


def read_initializers(content: bytes) -> dict[str, np.ndarray]:
    """Return an ONNX graph's constants by name.

    Raises
    ------
    ModelError
        The bytes are not an ONNX file, or hold constants in a form that GenoLSTM does not write.
    """
    try:
        found = {}
        for field, graph in _fields(memoryview(content)):
            if field != _MODEL_GRAPH or isinstance(graph, int):
                continue
            for inner, tensor in _fields(graph):
                if inner == _GRAPH_INITIALIZER and not isinstance(tensor, int):
                    name, array = _tensor(tensor)
                    found[name] = array
        return found
    except (IndexError, KeyError, ValueError, UnicodeDecodeError) as error:
        raise ModelError("the ONNX graph cannot be read") from error


def _tensor(message: memoryview) -> tuple[str, np.ndarray]:
    shape: list[int] = []
    kind, name, raw = 0, "", memoryview(b"")
    for field, value in _fields(message):
        if field == _DIMS:
            if isinstance(value, int):
                shape.append(value)
            else:  # packed
                place = 0
                while place < len(value):
                    size, place = _varint(value, place)
                    shape.append(size)
        elif field == _DATA_TYPE and isinstance(value, int):
            kind = value
        elif field == _NAME and not isinstance(value, int):
            name = bytes(value).decode("utf-8")
        elif field == _RAW_DATA and not isinstance(value, int):
            raw = value
    return name, np.frombuffer(raw, _TYPES[kind]).reshape(shape)


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield a message's fields: numbers as numbers, everything else as bytes."""
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        field, wire = key >> 3, key & 7
        if wire == 0:
            value, place = _varint(message, place)
            yield field, value
            continue
        if wire == 2:
            size, place = _varint(message, place)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise ValueError("wire type")
        if place + size > len(message):
            raise ValueError("length")
        yield field, message[place : place + size]
        place += size


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7
        if shift > 63:
            raise ValueError("number")
