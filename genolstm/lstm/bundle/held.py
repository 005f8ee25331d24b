"""Steps of many sequences, held in little memory until they are computed.

The tracks of ten thousand people over one tile of the network take gigabytes as they come, and
most of them are alike: at a given step, many haplotypes have the same values. Therefore each step
of a large block is kept as its distinct rows and an index into them, which loses nothing. What is
still too much for memory goes to temporary files.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

import numpy as np

from genolstm.compiled import compiled
from genolstm.files import unnamed_file

#: Bytes that are kept in memory before temporary files are used.
MEMORY = 128 << 20
#: Outputs that are passed on at once; whoever reads them makes several arrays of as many numbers.
PIECE = 1 << 20
#: Sequences from which on it pays to look for equal rows.
PACK_ROWS = 256


class Held:
    """Consecutive steps of n sequences: blocks go in at the end and out at the beginning.

    Parameters
    ----------
    memory
        Bytes to keep in memory; the rest is in temporary files (in ``TMPDIR``), which vanish with
        what they hold.

    Attributes
    ----------
    start, stop
        The steps that are held, counted from the beginning of the sequences.
    """

    def __init__(self, memory: int | None = None) -> None:
        self.memory = MEMORY if memory is None else memory
        self.start = 0
        self.stop = 0
        self._blocks: list[tuple[int, int, _Plain | _Packed]] = []

    def append(self, block: np.ndarray) -> None:
        """Add the next steps, shape (n, steps, ...).

        Raises
        ------
        ValueError
            It has another number of sequences than the blocks before it.
        """
        n, steps = block.shape[:2]
        if self._blocks and n != self._blocks[0][2].n:
            raise ValueError(f"a block of {n} sequences follows one of {self._blocks[0][2].n}")
        packed = _Packed.of(block) if n >= PACK_ROWS else None
        self._blocks.append((self.stop, self.stop + steps, packed or _Plain(n, _Stored.of(block))))
        self.stop += steps
        if sum(held.in_memory for _, _, held in self._blocks) > self.memory:
            file = unnamed_file()
            for _, _, held in self._blocks:
                held.spill(file)

    def read(self, begin: int, end: int, rows: slice = slice(None)) -> np.ndarray:
        """Return steps [begin, end) of some sequences, shape (sequences, steps, ...).

        Raises
        ------
        ValueError
            They are not held.
        """
        if not self.start <= begin <= end <= self.stop or not self._blocks:
            raise ValueError(f"steps {begin} to {end} are not held")
        first, stop, _ = rows.indices(self._blocks[0][2].n)
        overlapping = [entry for entry in self._blocks if entry[0] < end and entry[1] > begin] or self._blocks[:1]
        found: np.ndarray | None = None
        for low, high, held in overlapping:
            a, b = min(max(begin - low, 0), high - low), max(min(end, high) - low, 0)
            part = held.read(a, b, first, stop)
            if len(overlapping) == 1:
                return part
            if found is None:
                found = np.empty((len(part), end - begin, *part.shape[2:]), part.dtype)
            found[:, low + a - begin : low + b - begin] = part
        assert found is not None
        return found

    def drop(self, before: int) -> None:
        """Forget the blocks that end at or before a step."""
        while self._blocks and self._blocks[0][1] <= before:
            self.start = self._blocks.pop(0)[1]


class Turned:
    """Outputs that come sequence by sequence and are wanted step by step.

    Parameters
    ----------
    shape
        Sequences, steps and outputs.
    memory
        Bytes to keep in memory; if all do not fit, they are in a temporary file.
    """

    def __init__(self, shape: tuple[int, int, int], memory: int | None = None) -> None:
        self.shape = shape
        memory = MEMORY if memory is None else memory
        n, steps, width = shape
        self._step = max(1, min(steps, max(PIECE // max(n * width, 1), 64)))
        self._values: np.ndarray | None = None
        self._file: IO[bytes] | None = None
        if 4 * n * steps * width <= memory:
            self._values = np.empty(shape, np.float32)
        else:
            self._file = unnamed_file()

    def write(self, first: int, values: np.ndarray) -> None:
        """Enter the outputs of all steps of consecutive sequences."""
        if self._values is not None:
            self._values[first : first + len(values)] = values
            return
        assert self._file is not None
        n, steps, width = self.shape
        for begin in range(0, steps, self._step):
            piece = np.ascontiguousarray(values[:, begin : begin + self._step], np.float32)
            _write(self._file, piece, 4 * width * (n * begin + first * piece.shape[1]))

    def pieces(self) -> Iterator[np.ndarray]:
        """Yield the outputs of all sequences, some steps at a time."""
        n, steps, width = self.shape
        for begin in range(0, steps, self._step):
            if self._values is not None:
                yield self._values[:, begin : begin + self._step]
                continue
            assert self._file is not None
            piece = np.empty((n, min(self._step, steps - begin), width), np.float32)
            _read(self._file, piece, 4 * width * n * begin)
            yield piece


# --- blocks -------------------------------------------------------------------------------------


@dataclass
class _Stored:
    """An array in memory, or in a file."""

    values: np.ndarray | None
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    file: IO[bytes] | None = None
    offset: int = 0

    @classmethod
    def of(cls, values: np.ndarray) -> _Stored:
        return cls(values, values.shape, values.dtype)

    @property
    def in_memory(self) -> int:
        return 0 if self.values is None else self.values.nbytes

    def spill(self, file: IO[bytes]) -> None:
        if self.values is None:
            return
        self.offset = os.fstat(file.fileno()).st_size
        _write(file, np.ascontiguousarray(self.values), self.offset)
        self.file, self.values = file, None

    def read(self, begin: int, end: int) -> np.ndarray:
        """Return [begin, end) along the first axis."""
        if self.values is not None:
            return self.values[begin:end]
        assert self.file is not None
        found = np.empty((end - begin, *self.shape[1:]), self.dtype)
        size = int(np.prod(self.shape[1:])) * self.dtype.itemsize
        _read(self.file, found, self.offset + begin * size)
        return found


@dataclass
class _Plain:
    """A block as it came."""

    n: int
    values: _Stored

    @property
    def in_memory(self) -> int:
        return self.values.in_memory

    def spill(self, file: IO[bytes]) -> None:
        self.values.spill(file)

    def read(self, begin: int, end: int, first: int, stop: int) -> np.ndarray:
        return self.values.read(first, stop)[:, begin:end]


@dataclass
class _Packed:
    """The distinct rows of each step, and for each sequence which of them it has.

    Attributes
    ----------
    index
        Shape (sequences, steps).
    rows
        The distinct rows of the first step, then those of the second, and so on.
    starts
        Where those of each step begin, and the end; shape (steps + 1,).
    """

    n: int
    index: _Stored
    rows: _Stored
    starts: np.ndarray

    @classmethod
    def of(cls, block: np.ndarray) -> _Packed | None:
        """Pack a block; None if too few of its rows are equal."""
        if block.ndim != 3 or block.dtype.itemsize != 4 or not block.size:
            return None
        words = np.ascontiguousarray(block).view(np.uint32)
        n, steps, width = words.shape
        index = np.empty((n, steps), np.uint16 if n <= 1 << 16 else np.uint32)
        rows = np.empty((max(n * steps // 4, 1), width), np.uint32)
        starts = np.zeros(steps + 1, np.int64)
        slots = np.empty(1 << (2 * n - 1).bit_length(), np.int32)
        if not _find_distinct(words, index, rows, starts, slots):
            return None
        return cls(n, _Stored.of(index), _Stored.of(rows[: starts[-1]].copy().view(block.dtype)), starts)

    @property
    def in_memory(self) -> int:
        return self.index.in_memory + self.rows.in_memory

    def spill(self, file: IO[bytes]) -> None:
        self.index.spill(file)
        self.rows.spill(file)

    def read(self, begin: int, end: int, first: int, stop: int) -> np.ndarray:
        starts = self.starts[begin : end + 1] - self.starts[begin]
        places = self.index.read(first, stop)[:, begin:end] + starts[:-1]
        return self.rows.read(int(self.starts[begin]), int(self.starts[end]))[places]


@compiled()
def _find_distinct(
    words: np.ndarray, index: np.ndarray, rows: np.ndarray, starts: np.ndarray, slots: np.ndarray
) -> bool:
    """Fill the arrays of a :class:`_Packed` block; return whether there was room in ``rows``."""
    n, steps, width = words.shape
    mask = np.uint64(slots.size - 1)
    total = 0
    for step in range(steps):
        slots[:] = -1
        first = total
        for i in range(n):
            key = np.uint64(1469598103934665603)
            for w in range(width):
                key = (key ^ np.uint64(words[i, step, w])) * np.uint64(1099511628211)
            slot = (key ^ (key >> np.uint64(32))) & mask
            while True:
                at = slots[slot]
                if at < 0:
                    if total >= rows.shape[0]:
                        return False
                    for w in range(width):
                        rows[total, w] = words[i, step, w]
                    slots[slot] = total - first
                    index[i, step] = total - first
                    total += 1
                    break
                same = True
                for w in range(width):
                    if rows[first + at, w] != words[i, step, w]:
                        same = False
                        break
                if same:
                    index[i, step] = at
                    break
                slot = (slot + np.uint64(1)) & mask
        starts[step + 1] = total
    return True


# --- temporary files ----------------------------------------------------------------------------


def _write(file: IO[bytes], values: np.ndarray, at: int) -> None:
    view = values.reshape(-1).view(np.uint8).data
    while view:
        n = os.pwrite(file.fileno(), view, at)
        view, at = view[n:], at + n


def _read(file: IO[bytes], values: np.ndarray, at: int) -> None:
    view = values.reshape(-1).view(np.uint8).data
    while view:
        n = os.preadv(file.fileno(), [view], at)
        if not n:
            raise OSError("a temporary file is shorter than what was written to it")
        view, at = view[n:], at + n
