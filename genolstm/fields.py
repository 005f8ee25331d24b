"""The one reader of what a file says of itself: typed, and within bounds.

The header of a model, a panel or a checkpoint is JSON, and whoever wrote it may have written anything.
:func:`strict_json` reads it without the leniencies of Python's reader, and :class:`Fields` hands out its
values one by one: each of a stated type and range, or else an error that names the field.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import numpy as np

from genolstm.errors import GenolstmError, ModelError

MAX_TEXT = 1 << 24
MAX_DEPTH = 32
MAX_WORD = 200
_DIGITS = 100


def strict_json(content: bytes, what: str, *, error: type[GenolstmError] = ModelError, most: int = MAX_TEXT) -> Any:
    """Return what JSON says, if it is plain.

    Parameters
    ----------
    what
        What it is called in messages.
    error
        The class of the error.
    most
        Its size in bytes, at most.

    Raises
    ------
    GenolstmError
        It is not valid JSON, too large or too deep; a name occurs twice in a table; a number is not
        finite or has too many digits; a text is not Unicode.
    """
    if len(content) > most:
        raise error(f"{what} is too large")
    try:
        text = content.decode("utf-8")
        found = json.loads(
            text, object_pairs_hook=_table, parse_constant=_constant, parse_int=_whole, parse_float=_number
        )
    except _Odd as odd:
        raise error(f"{what} is not valid JSON ({odd})") from odd
    except (ValueError, RecursionError) as odd:
        raise error(f"{what} is not valid JSON") from odd
    _check_depth(found, what, error)
    if "\\u" in text:
        try:
            json.dumps(found, ensure_ascii=False).encode("utf-8")
        except UnicodeEncodeError as odd:
            raise error(f"{what} is not valid JSON (half a character)") from odd
    return found


class _Odd(Exception):
    """JSON that is no JSON, or no number."""


def _table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Odd("a name occurs twice")
    return found


def _constant(text: str) -> NoReturn:
    raise _Odd(f"{text} is not a number")


def _whole(text: str) -> int:
    if len(text) > _DIGITS:
        raise _Odd("a number has too many digits")
    return int(text)


def _number(text: str) -> float:
    found = float(text) if len(text) <= _DIGITS else math.inf
    if not math.isfinite(found):
        raise _Odd("a number is not finite, or has too many digits")
    return found


def _check_depth(value: Any, what: str, error: type[GenolstmError]) -> None:
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(MAX_DEPTH):
        level = [
            one
            for outer in level
            for one in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(one, dict | list)
        ]
        if not level:
            return
    raise error(f"{what} is not valid JSON (nested too deeply)")


class Fields:
    """A table of a file's metadata, from which values are taken one by one.

    Parameters
    ----------
    values
        The table.
    what
        What it is called in messages; nothing for the metadata as a whole.
    path
        The file.
    error
        The class of the errors.

    Raises
    ------
    GenolstmError
        From every method: the value is missing, of another type, or out of range.
    """

    def __init__(
        self,
        values: Any,
        what: str = "",
        *,
        path: str | os.PathLike[str] | None = None,
        error: type[GenolstmError] = ModelError,
    ) -> None:
        self.what = what
        self.error = error
        self.path = path
        if not isinstance(values, Mapping) or not all(isinstance(name, str) for name in values):
            self._refuse(what or "metadata", "not a table of names and values")
        self.values: Mapping[str, Any] = values

    def __contains__(self, name: str) -> bool:
        """Whether the table has a value of this name that is not null."""
        return self.values.get(name) is not None

    def refuse(self, name: str, reason: str) -> NoReturn:
        """Raise the error of a field, or with no name that of the table."""
        self._refuse(self._full(name) if name else self.what, reason)

    def _refuse(self, name: str, reason: str) -> NoReturn:
        raise self.error(f"lacks or misstates {name!r} ({reason})", path=self.path)

    def whole(self, name: str, low: int, high: int, default: int | None = None) -> int:
        """Return a whole number from ``low`` to ``high``."""
        value = self._value(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            self._refuse(self._full(name), f"{_short(value)}, a whole number from {low} to {high} is needed")
        return value

    def number(self, name: str, low: float, high: float, default: float | None = None) -> float:
        """Return a number from ``low`` to ``high``."""
        return self._checked(self._full(name), self._value(name, default), low, high)

    def flag(self, name: str) -> bool:
        """Return true or false."""
        value = self._value(name, None)
        if not isinstance(value, bool):
            self._refuse(self._full(name), f"{_short(value)}, true or false is needed")
        return value

    def word(self, name: str, default: str | None = None, *, most: int = MAX_WORD, lines: bool = False) -> str:
        """Return a text of at most ``most`` characters, printable unless it may have ``lines``."""
        value = self._value(name, default)
        if not isinstance(value, str) or len(value) > most or not (lines or value.isprintable()):
            self._refuse(self._full(name), f"{_short(value)}, a text of up to {most} characters is needed")
        return value

    def choice(self, name: str, choices: Sequence[str], default: str | None = None) -> str:
        """Return one of some words."""
        value = self._value(name, default)
        if not isinstance(value, str) or value not in choices:
            self._refuse(self._full(name), f"{_short(value)}, it must be one of {', '.join(choices)}")
        return value

    def words(self, name: str, most: int) -> list[str]:
        """Return a list of distinct printable texts."""
        value = self._value(name, None)
        good = isinstance(value, list) and len(value) <= most
        if not good or not all(isinstance(one, str) and len(one) <= MAX_WORD and one.isprintable() for one in value):
            self._refuse(self._full(name), f"{_short(value)}, a list of up to {most} words is needed")
        if len(set(value)) != len(value):
            self._refuse(self._full(name), "a word is there twice")
        return value

    def texts(self, name: str, most: int) -> list[str]:
        """Return a list of texts, printable or not."""
        value = self._value(name, None)
        if not isinstance(value, list) or len(value) > most or not all(isinstance(one, str) for one in value):
            self._refuse(self._full(name), f"{_short(value)}, a list of up to {most} texts is needed")
        return value

    def wholes(self, name: str, most: int, low: int, high: int) -> list[int]:
        """Return a list of whole numbers from ``low`` to ``high``."""
        value = self._value(name, None)
        if not isinstance(value, list) or len(value) > most:
            self._refuse(self._full(name), f"{_short(value)}, a list of up to {most} whole numbers is needed")
        if any(type(one) is not int or not low <= one <= high for one in value):
            self._refuse(self._full(name), f"{_short(value)}, whole numbers from {low} to {high} are needed")
        return value

    def numbers(self, name: str, shape: Sequence[int | None], low: float, high: float) -> np.ndarray:
        """Return an array of numbers, float64, of a shape in which None stands for 1 to 10,000."""
        value = self._value(name, None)
        flat: list[float] = []
        sizes: list[int | None] = list(shape)
        self._gather(self._full(name), value, 0, sizes, flat, low, high)
        return np.array(flat, dtype=np.float64).reshape([size or 0 for size in sizes])

    def table(self, name: str) -> Fields:
        """Return a table within this one."""
        return Fields(self._value(name, None), self._full(name), path=self.path, error=self.error)

    def tables(self, name: str, most: int) -> list[Fields]:
        """Return a list of tables."""
        value = self._value(name, None)
        if not isinstance(value, list) or not 1 <= len(value) <= most:
            self._refuse(self._full(name), f"{_short(value)}, a list of 1 to {most} tables is needed")
        return [
            Fields(one, f"{self._full(name)}[{place}]", path=self.path, error=self.error)
            for place, one in enumerate(value)
        ]

    def _value(self, name: str, default: Any) -> Any:
        if name not in self.values:
            if default is None:
                self._refuse(self._full(name), "it is missing")
            return default
        return self.values[name]

    def _full(self, name: str) -> str:
        return f"{self.what}.{name}" if self.what else name

    def _checked(self, name: str, value: Any, low: float, high: float) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            self._refuse(name, f"{_short(value)}, a number from {low:g} to {high:g} is needed")
        return float(value)

    def _gather(
        self, name: str, value: Any, axis: int, sizes: list[int | None], flat: list[float], low: float, high: float
    ) -> None:
        if axis == len(sizes):
            flat.append(self._checked(name, value, low, high))
            return
        most = 10_000
        if not isinstance(value, list) or not 1 <= len(value) <= most:
            self._refuse(name, f"{_short(value)}, a list is needed")
        if sizes[axis] is None:
            sizes[axis] = len(value)
        if len(value) != sizes[axis]:
            self._refuse(name, f"{len(value)} values where {sizes[axis]} are needed")
        for one in value:
            self._gather(name, one, axis + 1, sizes, flat, low, high)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
