"""Where a panel lies while it is built: in memory while it is small, then in unnamed temporary files.

An unnamed file has no entry in any folder, so that nothing is left behind if the program is killed.
"""

from __future__ import annotations

import mmap
import tempfile
import threading
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from genolstm.errors import OutputError
from genolstm.files import PathLike

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
        whole = memoryview(data) if isinstance(data, bytes) else data.data
        view = whole.cast("B") if len(data) else memoryview(b"")
        start = self.size
        self.size += view.nbytes
        if self._file is None:
            if self._keep is None or self.size <= self._keep:
                self._held += view
                return start
            with self._writing():
                self._file = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115
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

    def array(self, kind: str) -> npt.NDArray[Any]:
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

    def _writing(self) -> _Writing:
        return _Writing(self._folder)


class _Writing:
    """Says which folder could not be written to, for example because the disk is full."""

    def __init__(self, folder: PathLike | None) -> None:
        self._folder = folder

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            raise OutputError(
                f"temporary files cannot be written here ({error.strerror or error})",
                path=self._folder or tempfile.gettempdir(),
                hint="a panel needs about 1.5 bytes per base of its input while it is built within --memory",
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
        self._blocks: list[list[tuple[int, int]]] = [[] for _ in range(parts)]

    def flush(self, room: int = 1) -> None:
        """Put aside the rows of every part that has room for fewer than ``room`` more."""
        for part in np.flatnonzero(self.filled > self.buffers.shape[1] - room).tolist():
            rows = self.buffers[part, : self.filled[part]]
            self._blocks[part].append((self._scratch.append(rows), rows.nbytes))
            self.filled[part] = 0

    def size(self, part: int) -> int:
        """Return the number of rows of one part."""
        row = self.buffers[0, :1].nbytes
        return sum(nbytes for _, nbytes in self._blocks[part]) // row + int(self.filled[part])

    def read(self, part: int) -> npt.NDArray[Any]:
        """Return the rows of one part."""
        rest = self.buffers[part, : self.filled[part]]
        rows = [
            self._scratch.read(*block).view(rest.dtype).reshape(-1, *rest.shape[1:]) for block in self._blocks[part]
        ]
        return np.concatenate([*rows, rest])


def forget(array: npt.NDArray[Any]) -> None:
    """Drop a mapped file's pages from this process's memory; they are read again when needed."""
    base: Any = array
    while base is not None and not isinstance(base, mmap.mmap):
        base = base.obj if isinstance(base, memoryview) else getattr(base, "base", None)
    if base is not None and hasattr(base, "madvise"):
        base.madvise(mmap.MADV_DONTNEED)
