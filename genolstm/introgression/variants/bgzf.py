"""The bytes of a VCF or BCF: plain, gzip, BGZF or a pipe; and where an index says that a stretch begins."""

from __future__ import annotations

import gzip
import os
import struct
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from genolstm.errors import InputError
from genolstm.files import PathLike, display_name, open_input, readable

#: Bytes read at once: large enough for the loops over them, small enough for a cache.
PIECE = 1 << 20
_END_OF_BGZF = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
_OTHERS = {b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd"}


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
        self.regular = self.path != "-" and Path(self.path).is_file()
        try:
            if self.path == "-":
                self._raw: IO[bytes] = sys.stdin.buffer
            elif Path(self.path).is_dir():
                raise InputError("is a folder; a VCF or BCF file is needed", path=self.path)
            else:
                self._raw = Path(self.path).open("rb", buffering=0)  # noqa: SIM115
            self._start = self._read(18)
        except FileNotFoundError as error:
            raise InputError("no such file", path=self.path) from error
        except OSError as error:
            raise InputError(f"cannot be read ({error.strerror or error})", path=self.name) from error
        if not self._start:
            raise InputError("is empty; a VCF or BCF file is needed", path=self.name)
        self.is_gzip = self._start[:2] == b"\x1f\x8b"
        self.is_bgzf = self.is_gzip and self._start[3:4] == b"\x04" and self._start[12:14] == b"BC"
        if self.is_bgzf and self.regular:
            with Path(self.path).open("rb") as stream:
                size = stream.seek(0, os.SEEK_END)
                stream.seek(max(size - len(_END_OF_BGZF), 0))
                if stream.read() != _END_OF_BGZF:
                    raise self._truncated()

    def _read(self, size: int) -> bytes:
        """Read ``size`` bytes, fewer only at the end; a pipe may give less at a time."""
        parts: list[bytes] = []
        while size:
            part = self._raw.read(size)
            if not part:
                break
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _truncated(self) -> InputError:
        return InputError(
            "ends in the middle of its compressed data (truncated?)", path=self.name, hint="copy or download it again"
        )

    def pieces(self, offset: int | None = None) -> Iterator[bytes]:
        """Yield the decompressed bytes.

        Parameters
        ----------
        offset
            Virtual offset of BGZF at which to begin; None begins at the start.
        """
        if self.is_bgzf:
            return self._blocks(offset)
        if self.is_gzip:
            return self._members()
        other = next((name for magic, name in _OTHERS.items() if self._start.startswith(magic)), None)
        if other is None:
            return self._chunks()
        if not self.regular:
            raise InputError(f"is compressed with {other}; a pipe is read plain or gzipped", path=self.name)
        return self._decompressed()

    def _chunks(self) -> Iterator[bytes]:
        with readable(self.path):
            yield self._start
            while piece := self._raw.read(PIECE):
                yield piece

    def _decompressed(self) -> Iterator[bytes]:
        self.close()
        with readable(self.path), open_input(self.path) as stream:
            while piece := stream.read(PIECE):
                yield piece

    def _members(self) -> Iterator[bytes]:
        with readable(self.path):
            inflater = zlib.decompressobj(wbits=31)
            for chunk in self._chunks():
                data = chunk
                while data:
                    if inflater.eof:
                        if not data.strip(b"\0"):  # padding between or after members
                            break
                        inflater = zlib.decompressobj(wbits=31)
                    if piece := inflater.decompress(data, PIECE):
                        yield piece
                    data = inflater.unconsumed_tail or inflater.unused_data
            while not inflater.eof:
                piece = inflater.decompress(b"", PIECE)
                if not piece:
                    raise self._truncated()
                yield piece

    def _blocks(self, offset: int | None) -> Iterator[bytes]:
        inflate, crc32, error_type = _inflate()
        held, within = self._start, 0
        if offset is not None:
            self._raw.seek(offset >> 16)
            held, within = b"", offset & 0xFFFF
        at, parts, gathered, ended = 0, [], 0, False
        while True:
            if len(held) - at < 1 << 16:
                held, at = held[at:] + self._read(PIECE), 0
                if not held:
                    break
            head = held[at : at + 18]
            if len(head) < 18:
                raise self._truncated()
            if head[:4] != b"\x1f\x8b\x08\x04" or head[12:14] != b"BC":
                raise InputError("is damaged: a BGZF block does not begin where one should", path=self.name)
            size = int.from_bytes(head[16:18], "little") + 1
            block = held[at : at + size]
            if len(block) < size:
                raise self._truncated()
            extra = int.from_bytes(head[10:12], "little")
            crc, length = struct.unpack_from("<II", block, size - 8)
            try:
                data = inflate(block[12 + extra : size - 8], -15, max(length, 1))
            except error_type as error:
                raise InputError(f"cannot be decompressed ({error})", path=self.name) from error
            if len(data) != length or crc32(data) != crc:
                raise InputError("is damaged: a block does not match its checksum", path=self.name)
            at += size
            ended = not data
            if within:
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
        For each chromosome and bin: first and last virtual offset of its records, and the first offset
        of any record that overlaps the bin's start (CSI only).
    linear
        For each chromosome: first virtual offset of each 16 kb; empty for CSI.
    """

    path: str
    names: list[str] | None
    min_shift: int
    depth: int
    bins: list[dict[int, tuple[int, int, int]]]
    linear: list[list[int]]

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
                    return cls._parse(name, gzip.decompress(Path(name).read_bytes()))
                except (OSError, EOFError, zlib.error, struct.error, UnicodeDecodeError, IndexError) as error:
                    raise InputError(
                        "is not a readable index", path=name, hint="make it again with: bcftools index"
                    ) from error
        return None

    @classmethod
    def _parse(cls, path: str, data: bytes) -> Index:
        names: list[str] | None = None
        at = 4

        def take(form: str) -> tuple[Any, ...]:
            nonlocal at
            values = struct.unpack_from("<" + form, data, at)
            at += struct.calcsize("<" + form)
            return values

        csi = data[:4] == b"CSI\1"
        if not csi and data[:4] != b"TBI\1":
            raise IndexError("magic")
        min_shift, depth, total = 14, 5, 0
        if csi:
            min_shift, depth, size = take("iii")
            end = at + size
            if size >= 28:
                at += 24
                (length,) = take("i")
                names = [n.decode() for n in data[at : at + length].split(b"\0")[:-1]]
            at = end
            (total,) = take("i")
        else:
            (total,) = take("i")
            at += 24
            (length,) = take("i")
            names = [n.decode() for n in data[at : at + length].split(b"\0")[:-1]]
            at += length
        bins: list[dict[int, tuple[int, int, int]]] = []
        linear: list[list[int]] = []
        for _ in range(total):
            here: dict[int, tuple[int, int, int]] = {}
            for _ in range(take("i")[0]):
                (number,) = take("I")
                least = take("Q")[0] if csi else 0
                (chunks,) = take("i")
                spans = [take("QQ") for _ in range(chunks)]
                if spans and number <= ((1 << (3 * depth + 3)) - 1) // 7:
                    here[number] = min(s for s, _ in spans), max(e for _, e in spans), least
            bins.append(here)
            linear.append([] if csi else [take("Q")[0] for _ in range(take("i")[0])])
        return cls(path, names, min_shift, depth, bins, linear)

    def offset(self, chrom: int, start: int, end: int) -> int | None:
        """Return the virtual offset from which records that overlap [start, end) are found; None if there are none."""
        if not 0 <= chrom < len(self.bins):
            return None
        floor = 0
        if self.linear[chrom]:
            window = min(start >> 14, len(self.linear[chrom]) - 1)
            floor = self.linear[chrom][window]
        leaf = self.bins[chrom].get(((1 << (3 * self.depth)) - 1) // 7 + (start >> self.min_shift))
        if leaf is not None:
            floor = max(floor, leaf[2])
        found: list[int] = []
        first, shift = 0, self.min_shift + 3 * self.depth
        for level in range(self.depth + 1):
            for number in range(first + (start >> shift), first + (max(end - 1, start) >> shift) + 1):
                span = self.bins[chrom].get(number)
                if span is not None and span[1] > floor:
                    found.append(max(span[0], floor))
            first += 1 << (3 * level)
            shift -= 3
        return min(found) if found else None

    def holds(self, chrom: int) -> bool:
        """Return whether the file has records on a chromosome."""
        return 0 <= chrom < len(self.bins) and bool(self.bins[chrom])
