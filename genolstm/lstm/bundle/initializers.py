"""Reading the weights out of an ONNX file with NumPy alone.

The ``onnx`` package is part of the ``train`` extra. What is needed here is little: an ONNX file is
a Protocol Buffers message, and the weights are its ``graph.initializer`` entries. Field numbers are
those of ``onnx.proto``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from genolstm.errors import ModelError

_MODEL_GRAPH = 7
_GRAPH_INITIALIZER = 5
_DIMS, _DATA_TYPE, _NAME, _RAW_DATA = 1, 2, 8, 9
_TYPES: dict[int, np.dtype[Any]] = {1: np.dtype("<f4"), 6: np.dtype("<i4"), 7: np.dtype("<i8"), 11: np.dtype("<f8")}


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
