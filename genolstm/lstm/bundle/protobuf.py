"""Protocol Buffers as far as ONNX files need them, so that no package is needed to read or write one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

Value = int | str | bytes | bytearray


def message(fields: Iterable[tuple[int, Value]]) -> bytearray:
    """Return the bytes of a message: numbers as varints, everything else with its length before it."""
    out = bytearray()
    for field, value in fields:
        if isinstance(value, int):
            out += _varint(field << 3) + _varint(value)
        else:
            data = value.encode("utf-8") if isinstance(value, str) else value
            out += _varint(field << 3 | 2) + _varint(len(data))
            out += data
    return out


def fields(content: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield a message's fields: numbers as numbers, everything else as bytes.

    Raises
    ------
    ValueError, IndexError
        It is not a message.
    """
    place = 0
    while place < len(content):
        key, place = read_varint(content, place)
        field, wire = key >> 3, key & 7
        if wire == 0:
            value, place = read_varint(content, place)
            yield field, value
            continue
        if wire == 2:
            size, place = read_varint(content, place)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise ValueError("wire type")
        if place + size > len(content):
            raise ValueError("length")
        yield field, content[place : place + size]
        place += size


def read_varint(content: memoryview, place: int) -> tuple[int, int]:
    """Return a number, and the place after it."""
    value = shift = 0
    while True:
        byte = content[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7
        if shift > 63:
            raise ValueError("number")


def signed(value: int) -> int:
    """Return a number that was written with its sign (int64)."""
    return value - (1 << 64) if value >> 63 else value


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
