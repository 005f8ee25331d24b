"""Numbers in text, read the same way by every reader: plain, finite, and within bounds.

Python's ``int`` and ``float`` take more than the formats mean: ``1_000``, blanks, digits of every
script, ``inf`` and ``nan``, and numbers so large that they wrap or never end further on.
"""

from __future__ import annotations

import math
import re
from typing import Any

from genolstm.errors import InputError

LAST_POSITION = (1 << 31) - 1
"""The largest position and length that is read: that of BAM, and of the 32-bit indices of alignments."""

_NUMBER = re.compile(r"-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


def parse_integer(text: str) -> int | None:
    """Return the whole number that a word is, of the digits 0 to 9 with at most a minus; None for any other word.

    One of more than 19 digits is None too: no format has a use for it.
    """
    digits = text[1:] if text.startswith("-") else text
    if not (digits.isascii() and digits.isdigit()):
        return None
    if len(digits) > 19 and len(digits.lstrip("0")) > 19:
        return None
    return int(text)


def parse_number(text: str) -> float | None:
    """Return the finite number that a word is, such as ``-1.5e-7``; None for any other word."""
    if _NUMBER.fullmatch(text) is None:
        return None
    value = float(text)
    return value if math.isfinite(value) else None


def read_integer(
    text: str, kind: str = "a whole number", *, low: int | None = 0, high: int | None = LAST_POSITION, **where: Any
) -> int:
    """Return the whole number in a field.

    Parameters
    ----------
    kind
        What the number is, with its article, for the message.
    low, high
        The least and the greatest value allowed; None is no bound.
    where
        The path, line and record of the field, as :class:`~genolstm.errors.GenolstmError` takes them.

    Raises
    ------
    InputError
        The field is no whole number, or out of bounds.
    """
    value = parse_integer(text)
    if value is None:
        raise InputError(f"{quoted(text)} is not {kind}", **where)
    if (low is not None and value < low) or (high is not None and value > high):
        bounds = f"at most {high}" if low is None else f"at least {low}" if high is None else f"{low} to {high}"
        raise InputError(f"{quoted(text)} is not {kind} ({bounds})", **where)
    return value


def read_number(
    text: str, kind: str = "a number", *, low: float | None = None, high: float | None = None, **where: Any
) -> float:
    """Return the number in a field; parameters and errors are those of :func:`read_integer`.

    Without bounds, any finite number is allowed.
    """
    value = parse_number(text)
    if value is None or (low is not None and value < low) or (high is not None and value > high):
        raise InputError(f"{quoted(text)} is not {kind}", **where)
    return value


def quoted(text: str, longest: int = 40) -> str:
    """Return a field as messages quote it; a long one is cut."""
    return f"'{text}'" if len(text) <= longest else f"'{text[:longest]}...'"


def duration(seconds: float) -> str:
    """Return a time as messages tell it, in the unit that says enough: ``40 s``, ``12 min``, ``3 h 5 min``."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{max(round(seconds), 1)} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
