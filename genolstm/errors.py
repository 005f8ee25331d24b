"""Errors, worded so that the user can fix them.

Every error a user can cause is a :class:`GenolstmError`. It says where (path, line, record) and what
to do, and prints as one line: ``file:line: reason``.
"""

from __future__ import annotations

import os
import re

#: Longer words are cut in messages: a damaged file may hold a name of megabytes.
_LONGEST = 200


def shown(text: str, keep: str = "") -> str:
    """Return text as a terminal may show it: what cannot be printed is escaped, as in ``\\x1b``.

    That is control characters, which could colour, erase or rename what is on the screen; marks that
    turn the direction of reading; spaces and joints without a width, and line ends of any kind. A
    byte of a file name that is no text is shown as the byte that it is.

    Parameters
    ----------
    keep
        Control characters that are meant, such as the line ends of a table.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else _escape(c) for c in text)


def _escape(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that Python could not decode
        code -= 0xDC00
    named = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}.get(character)
    return named or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}")


def shown_json(text: str) -> str:
    """Return a JSON document with everything escaped that :func:`shown` escapes; it means the same.

    Characters that cannot be printed occur only in its strings, but for the line ends between them.
    """
    if text.isprintable():
        return text

    def escape(match: re.Match[str]) -> str:
        character = match[0]
        if character.isprintable() or character in "\n\r\t":
            return character
        return "".join(f"\\u{unit:04x}" for unit in _utf16(character))

    return re.sub(r"[^ -~]", escape, text)


def _utf16(character: str) -> list[int]:
    data = character.encode("utf-16-be", "surrogatepass")
    return [int.from_bytes(data[k : k + 2], "big") for k in range(0, len(data), 2)]


def control_character(text: str) -> str | None:
    """Return the first control character of a name, as :func:`shown` shows it; None if there is none.

    No name in a table has one: what it separates would come apart in the next file.
    """
    if text.isprintable():
        return None
    found = next((c for c in text if c < " " or "\x7f" <= c <= "\x9f"), None)
    return None if found is None else _escape(found)


def cause(error: Exception) -> str:
    """Return what a failure is in words: without the number and the path, where the system states them.

    Some that are none of the system's are caught together with those: a path with a NUL is a ValueError.
    """
    return getattr(error, "strerror", None) or str(error)


class GenolstmError(Exception):
    """Base class of all errors caused by the user's input, not by our code.

    Parameters
    ----------
    reason
        What is wrong, in one sentence without a final full stop.
    path
        The file concerned.
    line
        1-based line number in that file.
    record
        Name of the sequence, site or sample concerned.
    hint
        What to do about it.
    """

    def __init__(
        self,
        reason: str,
        *,
        path: str | os.PathLike[str] | None = None,
        line: int | None = None,
        record: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path = None if path is None else os.fspath(path)
        self.line = line
        self.record = record
        self.hint = hint

    def __str__(self) -> str:
        place = "" if self.path is None else f"{shown(self.path)}:"
        if self.path is not None and self.line is not None:
            place += f"{self.line}:"
        parts = [place] if place else []
        if self.record is not None:
            parts.append(f"{shown(_cut(self.record, _LONGEST))}:")
        # Messages of libraries have several lines.
        said = self.reason + (f"; {self.hint}" if self.hint else "")
        parts.append(shown(_cut(re.sub(r"[ \t\r\n]+", " ", said).strip(" "), 10 * _LONGEST)))
        return " ".join(parts)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest]}... ({len(text)} characters)"


class InputError(GenolstmError):
    """A file is missing, unreadable or not valid in its format."""


class OutputError(GenolstmError):
    """An output cannot be written, or already exists."""


class ModelError(GenolstmError):
    """A model bundle is corrupt, has another format version, or does not fit the data."""


class PanelError(GenolstmError):
    """A k-mer panel is corrupt, or has another format version or another k."""


class SettingError(GenolstmError):
    """A setting has an invalid value, or two settings contradict each other."""


class MissingExtraError(GenolstmError):
    """A command needs an optional part of the installation."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"this needs {package}, which is not installed", hint=f'install it with: pip install "genolstm[{extra}]"'
        )
