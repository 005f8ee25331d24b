"""The bytes of a VCF or BCF: plain, compressed, BGZF or a pipe; and where an index says that a stretch begins."""

from __future__ import annotations

import os
import struct
import zlib
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from genolstm.bgzf import END
from genolstm.errors import InputError, cause
from genolstm.files import PathLike, display_name, open_input, open_packed, read_start, readable, unpack
from genolstm.introgression.variants.block import FAR, Stretch

#: Bytes read at once: large enough for the loops over them, small enough for a cache.
PIECE = 1 << 20
#: Bytes of an index, unpacked; that of a whole human genome has a tenth.
_MAX_INDEX = 1 << 27
#: Bytes of a BGZF block, packed or not; its first ones hold a header of 18, its last ones the checksum and the length.
_MAX_BLOCK = 1 << 16
_HEAD, _TAIL = 18, 8
#: Size of the stretches that a linear index has an offset of, as a power of 2.
_LINEAR_SHIFT = 14


def _inflate() -> tuple[Any, Any, Any]:
    """Return the fastest inflating functions that are installed: decompress, crc32 and their error."""
    try:
        # Twice as fast as zlib; xopen depends on it where it builds.
        from isal import isal_zlib

        return isal_zlib.decompress, isal_zlib.crc32, isal_zlib.error
    except ImportError:
        return zlib.decompress, zlib.crc32, zlib.error


class Bytes:
    """The decompressed bytes of a file or a pipe, in pieces.

    Parameters
    ----------
    path
        File; ``-`` is standard input. A pipe can be read once.

    Attributes
    ----------
    regular
        Whether it is a file that can be opened again.
    is_bgzf
        Whether it consists of BGZF blocks, so that an index can point into it.

    Raises
    ------
    InputError
        The file does not exist, is a folder, is empty or cannot be read.
    """

    def __init__(self, path: PathLike) -> None:
        self.path = os.fspath(path)
        self.name = display_name(path)
        self._raw = open_packed(path)
        self.regular = self.path != "-" and Path(self.path).is_file()
        try:
            self._start = read_start(self._raw, _HEAD)
        except OSError as error:
            raise InputError(f"cannot be read ({cause(error)})", path=self.name) from error
        if not self._start:
            raise InputError("is empty; a VCF or BCF file is needed", path=self.name)
        self.is_bgzf = self._start[:2] == b"\x1f\x8b" and self._start[3:4] == b"\x04" and self._start[12:14] == b"BC"
        if self.is_bgzf and self.regular:
            with Path(self.path).open("rb") as stream:
                size = stream.seek(0, os.SEEK_END)
                stream.seek(max(size - len(END), 0))
                if stream.read() != END:
                    raise self._truncated()

    def _truncated(self) -> InputError:
        return InputError(
            "ends in the middle of its compressed data (truncated?)", path=self.name, hint="copy or download it again"
        )

    def _misled(self) -> InputError:
        return InputError(
            "has an index that leads to where no record is", path=self.name, hint="make it again with: bcftools index"
        )

    def pieces(self, offset: int | None = None) -> Iterator[bytes]:
        """Yield the decompressed bytes.

        Parameters
        ----------
        offset
            Virtual offset of BGZF at which to begin; None begins at the start.
        """
        return self._blocks(offset) if self.is_bgzf else self._unpacked()

    def _unpacked(self) -> Iterator[bytes]:
        with readable(self.path), unpack(self._raw, self._start, own=self.path != "-", keep_mark=True) as stream:
            while piece := stream.read(PIECE):
                yield piece

    def _blocks(self, offset: int | None) -> Iterator[bytes]:
        inflate, crc32, error_type = _inflate()
        held, within = self._start, 0
        if offset is not None:
            if offset >> 16 >= Path(self.path).stat().st_size:
                raise self._misled()
            self._raw.seek(offset >> 16)
            held, within = b"", offset & 0xFFFF
        at, parts, gathered, ended = 0, [], 0, False
        while True:
            if len(held) - at < _MAX_BLOCK:
                with readable(self.path):
                    held, at = held[at:] + read_start(self._raw, PIECE), 0
                if not held:
                    break
            head = held[at : at + _HEAD]
            if len(head) < _HEAD:
                raise self._truncated()
            if head[:4] != b"\x1f\x8b\x08\x04" or head[12:14] != b"BC":
                raise InputError("is damaged: a BGZF block does not begin where one should", path=self.name)
            size = int.from_bytes(head[16:18], "little") + 1
            block = held[at : at + size]
            if len(block) < size:
                raise self._truncated()
            begin = 12 + int.from_bytes(head[10:12], "little")
            if begin < _HEAD or begin > size - _TAIL:
                raise InputError("is damaged: a BGZF block is shorter than its header", path=self.name)
            crc, length = struct.unpack_from("<II", block, size - _TAIL)
            if length > _MAX_BLOCK:
                raise InputError("is damaged: a BGZF block is longer than any", path=self.name)
            try:
                data = inflate(block[begin : size - _TAIL], -15, max(length, 1))
            except error_type as error:
                raise InputError(f"cannot be decompressed ({error})", path=self.name) from error
            if len(data) != length or crc32(data) != crc:
                raise InputError("is damaged: a block does not match its checksum", path=self.name)
            at += size
            ended = not data
            if within:
                if within > length:
                    raise self._misled()
                data, within = data[within:], 0
            parts.append(data)
            gathered += len(data)
            if gathered >= PIECE:
                yield b"".join(parts)
                parts, gathered = [], 0
        if parts:
            yield b"".join(parts)
        if not ended:
            raise self._truncated()

    def close(self) -> None:
        """Close the file."""
        if self.path != "-":
            self._raw.close()


class _Bins:
    """The bins of one chromosome: their numbers, first and last virtual offsets, and least offsets (CSI only)."""

    def __init__(self) -> None:
        self._entries = array("Q")

    def add(self, number: int, begin: int, end: int, least: int) -> None:
        self._entries.extend((number, begin, end, least))

    def __len__(self) -> int:
        return len(self._entries) // 4

    def check(self, linear: np.ndarray) -> None:
        """Refuse offsets that lead past all records: these would be left out in silence."""
        if len(self):
            _, begins, ends, least = self.table.T
            last = ends.max()
            if (begins >= ends).any() or (least >= last).any() or (linear >= last).any():
                raise IndexError("offsets")

    @property
    def table(self) -> np.ndarray:
        return np.frombuffer(self._entries, dtype=np.uint64).reshape(-1, 4) if self._entries else np.empty((0, 4))


@dataclass(frozen=True)
class Index:
    """A tabix (``.tbi``) or CSI (``.csi``) index.

    Attributes
    ----------
    path
        Its file.
    names
        Chromosomes in the order of the index; None for a BCF, whose header numbers them.
    min_shift, depth
        Size of the smallest bin, as a power of 2, and levels of bins.
    bins
        For each chromosome, its bins.
    linear
        For each chromosome: first virtual offset of each 16 kb; empty for CSI.
    """

    path: str
    names: list[str] | None
    min_shift: int
    depth: int
    bins: list[_Bins]
    linear: list[np.ndarray]

    @classmethod
    def of(cls, path: str) -> Index | None:
        """Return the index that lies beside a file; None if there is none.

        Raises
        ------
        InputError
            The index is damaged.
        """
        for suffix in (".csi", ".tbi"):
            name = path + suffix
            if Path(name).is_file():
                try:
                    with readable(name), open_input(name) as stream:
                        data = stream.read(_MAX_INDEX + 1)
                    if len(data) > _MAX_INDEX:
                        raise IndexError("size")
                    return cls._parse(name, data)
                except (InputError, struct.error, ValueError, IndexError) as error:
                    raise InputError(
                        "is not a readable index", path=name, hint="make it again with: bcftools index"
                    ) from error
        return None

    @classmethod
    def _parse(cls, path: str, data: bytes) -> Index:
        at = 4

        def take(form: str) -> tuple[Any, ...]:
            nonlocal at
            values = struct.unpack_from("<" + form, data, at)
            at += struct.calcsize("<" + form)
            return values

        def count() -> int:
            (number,) = take("i")
            if number < 0 or number > len(data):
                raise IndexError("count")
            return int(number)

        def offsets(number: int) -> np.ndarray:
            nonlocal at
            found = np.frombuffer(data, dtype="<u8", count=number, offset=at) if number else np.empty(0, np.uint64)
            at += 8 * number
            return found

        def chromosomes() -> list[str]:
            nonlocal at
            length = count()
            at += length
            return [name.decode() for name in data[at - length : at].split(b"\0")[:-1]]

        names: list[str] | None = None
        csi = data[:4] == b"CSI\1"
        if not csi and data[:4] != b"TBI\1":
            raise IndexError("magic")
        min_shift, depth = 14, 5
        if csi:
            min_shift, depth = take("ii")
            if not (0 <= min_shift <= 32 and 0 <= depth <= 10):
                raise IndexError("bins")
            size = count()
            end = at + size
            if size >= 28:
                at += 24
                names = chromosomes()
            at = end
            total = count()
        else:
            total = count()
            at += 24
            names = chromosomes()
        if names is not None and len(set(names)) < len(names):
            raise IndexError("names")
        bins: list[_Bins] = []
        linear: list[np.ndarray] = []
        most = ((1 << (3 * depth + 3)) - 1) // 7
        for _ in range(total):
            here = _Bins()
            for _ in range(count()):
                (number,) = take("I")
                least = take("Q")[0] if csi else 0
                spans = offsets(2 * count())
                if len(spans) and number <= most:
                    here.add(number, int(spans[::2].min()), int(spans[1::2].max()), least)
            bins.append(here)
            linear.append(np.empty(0, np.uint64) if csi else offsets(count()))
            here.check(linear[-1])
        return cls(path, names, min_shift, depth, bins, linear)

    def offset(self, chrom: int, start: int, end: int) -> int | None:
        """Return the virtual offset from which records that overlap [start, end) are found; None if there are none."""
        if not 0 <= chrom < len(self.bins) or not len(self.bins[chrom]):
            return None
        whole = self.min_shift + 3 * self.depth
        last = min(max(end - 1, start), (1 << whole) - 1)
        if start > last:
            return None
        numbers, begins, ends, least = self.bins[chrom].table.T
        floor = 0
        if len(self.linear[chrom]):
            floor = int(self.linear[chrom][min(start >> _LINEAR_SHIFT, len(self.linear[chrom]) - 1)])
        leaf = numbers == ((1 << (3 * self.depth)) - 1) // 7 + (start >> self.min_shift)
        if leaf.any():
            floor = max(floor, int(least[leaf].max()))
        touched = np.zeros(len(numbers), dtype=bool)
        first = 0
        for level in range(self.depth + 1):
            shift = whole - 3 * level
            touched |= (numbers >= first + (start >> shift)) & (numbers <= first + (last >> shift))
            first += 1 << (3 * level)
        found = begins[touched & (ends > floor)]
        return max(int(found.min()), floor) if len(found) else None

    def holds(self, chrom: int) -> bool:
        """Return whether the file has records on a chromosome."""
        return 0 <= chrom < len(self.bins) and len(self.bins[chrom]) > 0

    def jump(
        self, path: str, stretches: Sequence[Stretch], chromosomes: Mapping[int, str], lengths: Mapping[str, int | None]
    ) -> Iterator[tuple[Stretch, Iterator[bytes]]]:
        """Yield each stretch that may have records, and the bytes from where they begin.

        Parameters
        ----------
        path
            The file, in BGZF.
        stretches
            What is to be read.
        chromosomes
            Names behind the numbers of chromosomes, for an index that does not hold them.
        lengths
            Lengths of chromosomes, as far as they are known.
        """
        named = enumerate(self.names) if self.names is not None else chromosomes.items()
        order = {name: number for number, name in named}
        for stretch in stretches:
            end = stretch.end if stretch.end is not None else lengths.get(stretch.chrom) or FAR
            offset = self.offset(order.get(stretch.chrom, -1), stretch.start, end)
            if offset is None:
                continue
            source = Bytes(path)
            try:
                yield stretch, source.pieces(offset)
            finally:
                source.close()
