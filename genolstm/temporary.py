"""Temporary files and folders with names: locked while in use, and removed by the next run if not.

A program that is killed cannot clear up. Its files are told from those of a program that still runs
by a lock, which the system releases with the process, whichever machine of a cluster that runs on.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from genolstm import interrupts

try:
    import fcntl
except ImportError:  # Windows: nothing is locked, and nothing removed
    fcntl = None  # type: ignore[assignment]

SUFFIX = ".part"
_RANDOM = r"[a-z0-9_]{8}"


@dataclass
class Temporary:
    """A temporary file or folder; see :func:`make`."""

    path: Path
    handle: int | None

    def replace(self, target: Path) -> None:
        """Rename it, in place of what may be there."""
        self.path.replace(target)
        self._forget()

    def remove(self) -> None:
        """Remove it, if it is still there."""
        if self.path.is_dir():
            shutil.rmtree(self.path, ignore_errors=True)
        else:
            self.path.unlink(missing_ok=True)
        self._forget()

    def _forget(self) -> None:
        interrupts.release(self.path)
        if self.handle is not None:
            os.close(self.handle)
            self.handle = None


def make(folder: Path, name: str, *, directory: bool = False) -> Temporary:
    """Make an empty file or folder for what will be ``name``, with a name that is not in use.

    What earlier runs that were killed left of the same name is removed.
    """
    sweep(folder, name)
    while True:
        with interrupts.deferred():
            if directory:
                path = Path(tempfile.mkdtemp(prefix=f".{name}.", suffix=SUFFIX, dir=folder))
                handle = -1 if fcntl is None else os.open(path, os.O_RDONLY)
            else:
                handle, made = tempfile.mkstemp(prefix=f".{name}.", suffix=SUFFIX, dir=folder)
                path = Path(made)
            interrupts.hold(path)
            if fcntl is None:  # what is open could not be renamed
                if handle >= 0:
                    os.close(handle)
                return Temporary(path, None)
            # Another run may have taken it for a leftover before it was locked.
            if _lock(handle) is not False and _is_same(handle, path):
                return Temporary(path, handle)
            os.close(handle)
            interrupts.release(path)


def _lock(handle: int) -> bool | None:
    """Lock a file; return False if another process holds it, None if that cannot be known here."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _is_same(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.lstat())
    except OSError:
        return False


def sweep(folder: Path, name: str) -> list[Path]:
    """Remove what killed runs left beside an output; return what that was.

    Only what is ours, has the name that :func:`make` gives, and is not locked.
    """
    if fcntl is None:
        return []
    pattern = re.compile(rf"\.{re.escape(name)}\.{_RANDOM}{re.escape(SUFFIX)}")
    found: list[Path] = []
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        found = [Path(entry.path) for entry in entries if pattern.fullmatch(entry.name)]
    gone = [path for path in found if _removed(path)]
    if gone:
        import logging

        for path in gone:
            logging.getLogger("genolstm").info("removed %s, which a run that was killed has left", path)
    return gone


def _removed(path: Path) -> bool:
    try:
        before = path.lstat()
        if before.st_uid != os.geteuid() or not (stat.S_ISREG(before.st_mode) or stat.S_ISDIR(before.st_mode)):
            return False
        # Locks of files on a network need one that is open for writing.
        flags = os.O_RDONLY if stat.S_ISDIR(before.st_mode) else os.O_RDWR
        handle = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        if _lock(handle) is not True or not _is_same(handle, path):
            return False
        if stat.S_ISDIR(before.st_mode):
            shutil.rmtree(path)
        else:
            path.unlink()
        return True
    except OSError:
        return False
    finally:
        os.close(handle)


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """Yield a folder in ``TMPDIR`` that is removed in the end."""
    made = make(Path(tempfile.gettempdir()), "genolstm", directory=True)
    try:
        yield made.path
    finally:
        made.remove()
