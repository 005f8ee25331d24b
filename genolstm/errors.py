"""Errors, worded so that the user can fix them.

Every error a user can cause is a :class:`GenolstmError`. It says where (path, line, record) and what
to do, and prints as one line: ``file:line: reason``.
"""

from __future__ import annotations

import os


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
        place = "" if self.path is None else f"{self.path}:"
        if self.path is not None and self.line is not None:
            place += f"{self.line}:"
        parts = [place] if place else []
        if self.record is not None:
            parts.append(f"{self.record}:")
        parts.append(self.reason)
        text = " ".join(parts)
        if self.hint:
            text += f"; {self.hint}"
        return " ".join(text.split())


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
