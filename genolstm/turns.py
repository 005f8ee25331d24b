"""One process compiles a loop, and others that need it wait for it instead of compiling it, too."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: each process compiles for itself
    fcntl = None  # type: ignore[assignment]

PATIENCE = 60.0
"""Seconds after which a loop is compiled here although another process seems to be at it."""
_PAUSE = 0.02
NAME = "genolstm.lock"


class _State:
    """The open file of locks; the system forgets a process's locks once it closes the file anywhere."""

    path: Path | None = None
    file: int | None = None


def possible() -> bool:
    """Return whether processes can take turns on this system."""
    return fcntl is not None


@contextmanager
def turn(folder: Path | None, loop: str) -> Iterator[None]:
    """Let no other process compile a loop for the same folder meanwhile; first wait for one that does.

    A process that ends gives its turns back, however it ends. Where files cannot be locked, none is waited for.
    """
    file = _open(folder)
    # One byte of the file, far beyond its end, stands for the loop.
    place = int.from_bytes(hashlib.sha256(loop.encode()).digest()[:7], "big")
    taken = file is not None and _take(file, place)
    try:
        yield
    finally:
        if taken:
            assert file is not None
            with suppress(OSError):
                fcntl.lockf(file, fcntl.LOCK_UN, 1, place)


def _open(folder: Path | None) -> int | None:
    if folder is None or fcntl is None:
        return None
    path = folder / NAME
    if _State.path != path:
        _State.path, _State.file = path, None
        with suppress(OSError):
            _State.file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    return _State.file


def _take(file: int, place: int) -> bool:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
        except (BlockingIOError, PermissionError):
            if time.monotonic() > end:
                return False
            time.sleep(_PAUSE)
        except OSError:
            return False
        else:
            return True
