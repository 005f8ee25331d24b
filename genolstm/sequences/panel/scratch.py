"""Where a panel lies while it is built: in memory while it is small, then in unnamed temporary files.

An unnamed file has no entry in any folder, so that nothing is left behind if the program is killed.
"""

from __future__ import annotations

import contextlib
import mmap
import tempfile
import threading
from array import array
from collections.abc import Iterator
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from genolstm.errors import OutputError, cause
from genolstm.files import PathLike, unnamed_file

_STEP = 1 << 24


class Scratch:
    """Bytes that are appended, and read again later.

    Parameters
    ----------
    folder
        Where to make the file; None is the system's folder for temporary files.
    keep
        Number of bytes to hold in memory before there is a file; None means all.
    """

    def __init__(self, folder: PathLike | None = None, keep: int | None = None) -> None:
        self.size = 0
        self._folder = folder
        self._keep = keep
        self._held = bytearray()
        self._file: IO[bytes] | None = None
        self._lock = threading.Lock()

    def append(self, data: npt.NDArray[Any] | bytes) -> int:
        """Append an array's bytes; return where they begin."""
        view = memoryview(data) if isinstance(data, bytes) else data.data
        view = view.cast("B") if view.nbytes else memoryview(b"")
        start = self.size
        self.size += view.nbytes
        if self._file is None:
            if self._keep is None or self.size <= self._keep:
                self._held += view
                return start
            with self._writing():
                self._file = unnamed_file(self._folder)
                self._write(memoryview(self._held))
            self._held = bytearray()
        with self._writing():
            self._write(view)
        return start

    def read(self, start: int, nbytes: int) -> npt.NDArray[np.uint8]:
        """Return bytes as an array."""
        if self._file is None:
            return np.frombuffer(bytes(memoryview(self._held)[start : start + nbytes]), dtype=np.uint8)
        out = np.empty(nbytes, dtype=np.uint8)
        done = 0
        # Several threads may read; appending goes on at the end.
        with self._lock:
            self._file.seek(start)
            while done < nbytes:
                done += self._file.readinto(out.data[done:])  # type: ignore[attr-defined]
            self._file.seek(0, 2)
        return out

    def mapped(self, kind: str) -> npt.NDArray[Any]:
        """Return everything as one array, which a file is mapped to; append nothing afterwards."""
        if self._file is None or not self.size:
            return np.frombuffer(self._held, dtype=kind)
        # The map keeps the file's content for as long as an array refers to it.
        return np.frombuffer(mmap.mmap(self._file.fileno(), self.size, access=mmap.ACCESS_READ), dtype=kind)

    def close(self) -> None:
        """Give up the bytes; arrays of them stay valid."""
        if self._file is not None:
            self._file.close()
        self._file, self._held, self.size = None, bytearray(), 0

    def _write(self, view: memoryview) -> None:
        assert self._file is not None
        for start in range(0, view.nbytes, _STEP):
            part = view[start : start + _STEP]
            while part.nbytes:
                part = part[self._file.write(part) :]

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Say which folder cannot be written to, for example because the disk is full."""
        try:
            yield
        except OSError as error:
            raise OutputError(
                f"temporary files cannot be written here ({cause(error)})",
                path=self._folder or tempfile.gettempdir(),
                hint="a panel that outgrows --memory takes about 1.5 bytes per base of its input",
            ) from error


class Parts:
    """Rows that are dealt out to parts in any order, and read again part by part.

    Attributes
    ----------
    buffers
        Rows not yet put aside, shape (parts, rows, ...).
    filled
        Number of rows in each part's buffer, int64, shape (parts,).
    """

    def __init__(self, scratch: Scratch, parts: int, rows: tuple[int, ...], kind: str) -> None:
        self.buffers = np.zeros((parts, *rows), dtype=kind)
        self.filled = np.zeros(parts, dtype=np.int64)
        self._scratch = scratch
        # Of each part, where its blocks begin and how many bytes they have, in turn: there are millions.
        self._blocks = [array("q") for _ in range(parts)]

    def flush(self, room: int = 1) -> None:
        """Put aside the rows of every part that has room for fewer than ``room`` more."""
        for part in np.flatnonzero(self.filled > self.buffers.shape[1] - room).tolist():
            rows = self.buffers[part, : self.filled[part]]
            self._blocks[part].extend((self._scratch.append(rows), rows.nbytes))
            self.filled[part] = 0

    def read(self, part: int) -> npt.NDArray[Any]:
        """Return the rows of one part."""
        rest = self.buffers[part, : self.filled[part]]
        starts, sizes = self._blocks[part][::2], self._blocks[part][1::2]
        blocks = (self._scratch.read(*block).view(rest.dtype) for block in zip(starts, sizes, strict=True))
        return np.concatenate([*(block.reshape(-1, *rest.shape[1:]) for block in blocks), rest])


def forget(mapped: npt.NDArray[Any]) -> None:
    """Drop a mapped file's pages from this process's memory; they are read again when needed."""
    base: Any = mapped
    while base is not None and not isinstance(base, mmap.mmap):
        base = base.obj if isinstance(base, memoryview) else getattr(base, "base", None)
    if base is not None and hasattr(base, "madvise"):
        base.madvise(mmap.MADV_DONTNEED)
