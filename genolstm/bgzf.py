"""Write BGZF, the gzip that can be entered at any block, and its index for tables with positions.

BGZF is gzip in members of at most 64 KiB, each with its length in an extra field; any gzip reader
reads it. The index is that of ``tabix``.

References
----------
SAM specification, section 4.1 (BGZF), and the specification of the tabix index,
https://github.com/samtools/hts-specs
"""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, NamedTuple

#: Bytes of text per block, as in htslib: also what does not compress then fits 64 KiB.
_BLOCK = 0xFF00
_HEAD = struct.Struct("<4BIBBH2BHH")
#: The empty block that a whole file ends with.
END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")

#: Bases that the bins of a .tbi can tell apart.
MAX_POSITION = 1 << 29
#: Bases per entry of the linear index, as a power of two.
_WINDOW = 14


class Layout(NamedTuple):
    """Where the lines of a table have their positions.

    Attributes
    ----------
    preset
        What the index calls the convention of its positions.
    start, end
        Numbers of the columns, from 1; the sequence is column 1.
    first
        Number of the first base: 0 in half-open intervals, 1 in closed ones.
    """

    preset: int
    start: int
    end: int
    first: int


#: 0x10000 says that positions are 0-based half-open.
BED = Layout(0x10000, 2, 3, 0)
GFF = Layout(0, 4, 5, 1)


def _compressor() -> Callable[[bytes], bytes]:
    """Return what compresses a block to raw deflate; always the same bytes for the same library."""
    try:
        # Ten times as fast as zlib at level 6, and output a tenth larger; xopen depends on it where it builds.
        from isal import igzip_lib
    except ImportError:

        def deflate(data: bytes) -> bytes:
            made = zlib.compressobj(6, zlib.DEFLATED, -15)
            return made.compress(data) + made.flush()

        return deflate
    return lambda data: igzip_lib.compress(data, 2, igzip_lib.COMP_DEFLATE)


class BgzfWriter(io.BufferedIOBase):
    """A stream of bytes that is written as BGZF, with the empty block at its end.

    Parameters
    ----------
    stream
        What the blocks are written to; it is not closed.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._waiting = bytearray()
        self._compress = _compressor()

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: bytes, /) -> int:  # type: ignore[override]
        """Add bytes; whole blocks are compressed and passed on."""
        self._waiting += data
        at = 0
        while len(self._waiting) - at >= _BLOCK:
            self._block(bytes(self._waiting[at : at + _BLOCK]))
            at += _BLOCK
        if at:
            del self._waiting[:at]
        return len(data)

    def close(self) -> None:
        """Write what is left, and the end."""
        if self.closed:
            return
        try:
            if self._waiting:
                self._block(bytes(self._waiting))
                self._waiting.clear()
            self._stream.write(END)
        finally:
            super().close()

    def _block(self, data: bytes) -> None:
        packed = self._compress(data)
        if len(packed) > 0xFFFF - _HEAD.size - 8:  # never with these compressors, but the format has the limit
            stored = zlib.compressobj(0, zlib.DEFLATED, -15)
            packed = stored.compress(data) + stored.flush()
        size = _HEAD.size + len(packed) + 8
        self._stream.write(_HEAD.pack(0x1F, 0x8B, 8, 4, 0, 0, 0xFF, 6, 0x42, 0x43, 2, size - 1))
        self._stream.write(packed)
        self._stream.write(struct.pack("<II", zlib.crc32(data), len(data)))


def _blocks(path: str | os.PathLike[str]) -> Iterator[tuple[int, bytes]]:
    """Yield offset and text of every block of a file that :class:`BgzfWriter` wrote."""
    with Path(path).open("rb") as stream:
        at = 0
        while head := stream.read(_HEAD.size):
            size = _HEAD.unpack(head)[-1] + 1
            body = stream.read(size - _HEAD.size)
            yield at, zlib.decompress(body[:-8], -15)
            at += size


def _lines(path: str | os.PathLike[str]) -> Iterator[tuple[bytes, int, int]]:
    """Yield every line with the virtual offsets of its begin and end.

    A virtual offset is the offset of the block times 65536 plus the place in its text.
    """
    rest, begin = b"", 0
    for at, text in _blocks(path):
        place = 0
        if not rest:
            begin = at << 16
        while (end := text.find(b"\n", place)) >= 0:
            # A line that ends with its block ends where the next one begins; both forms are valid.
            here = at << 16 | (end + 1)
            yield rest + text[place:end], begin, here
            rest, begin, place = b"", here, end + 1
        if place < len(text):
            rest, begin = rest + text[place:], begin if rest else at << 16 | place
    if rest:
        yield rest, begin, at << 16 | len(text)


def _bin(start: int, end: int) -> int:
    """Return the smallest bin that holds [start, end)."""
    end -= 1
    for level, shift in ((5, 14), (4, 17), (3, 20), (2, 23), (1, 26)):
        if start >> shift == end >> shift:
            return ((1 << 3 * level) - 1) // 7 + (start >> shift)
    return 0


class _Sequence:
    """The index of one sequence: chunks of the file by bin, and where each window begins."""

    def __init__(self) -> None:
        self.bins: dict[int, list[list[int]]] = {}
        self.windows: list[int] = []
        self.last_bin = -1
        self.last_start = 0

    def add(self, start: int, end: int, begin: int, stop: int) -> None:
        """Add a line that covers [start, end) and lies at [begin, stop) of the file."""
        number = _bin(start, end)
        chunks = self.bins.setdefault(number, [])
        if number == self.last_bin:
            chunks[-1][1] = stop
        else:
            chunks.append([begin, stop])
            self.last_bin = number
        last = (end - 1) >> _WINDOW
        if last >= len(self.windows):
            # A window in which no line begins or reaches is entered where the next line stands.
            self.windows += [begin] * (last + 1 - len(self.windows))

    def packed(self) -> bytes:
        parts = [struct.pack("<i", len(self.bins))]
        for number, chunks in sorted(self.bins.items()):
            parts.append(struct.pack("<Ii", number, len(chunks)))
            parts += [struct.pack("<QQ", *chunk) for chunk in chunks]
        parts.append(struct.pack(f"<i{len(self.windows)}Q", len(self.windows), *self.windows))
        return b"".join(parts)


def write_index(path: str | os.PathLike[str], index: str | os.PathLike[str], layout: Layout = BED) -> str | None:
    """Write the tabix index of a table in BGZF: BED, one that begins as BED does, or GFF.

    Parameters
    ----------
    path
        The table, as :class:`BgzfWriter` wrote it.
    index
        File to write.
    layout
        Where its lines have their positions.

    Returns
    -------
    str or None
        Why there can be no index, and none was written: the lines are not sorted, or reach
        beyond 512 Mb. None if it was written.
    """
    sequences: dict[bytes, _Sequence] = {}
    current: bytes | None = None
    for line, begin, stop in _lines(path):
        if not line or line.startswith(b"#"):
            continue
        fields = line.split(b"\t", layout.end)
        name, start, end = fields[0], int(fields[layout.start - 1]) - layout.first, int(fields[layout.end - 1])
        if name != current:
            if name in sequences:
                return f"the lines of {name.decode()} do not follow one another"
            current = name
            entry = sequences[name] = _Sequence()
        if start < entry.last_start:
            return f"the lines of {name.decode()} are not sorted by position"
        if end > MAX_POSITION:
            return f"{name.decode()} is longer than 512 Mb, which such an index cannot hold"
        entry.last_start = start
        entry.add(start, end, begin, stop)
    names = b"".join(name + b"\0" for name in sequences)
    # "#" begins a comment; no line is skipped.
    columns = (layout.preset, 1, layout.start, layout.end)
    head = struct.pack("<4s8i", b"TBI\1", len(sequences), *columns, ord("#"), 0, len(names))
    with Path(index).open("wb") as raw, BgzfWriter(raw) as packed:
        packed.write(head + names)
        for sequence in sequences.values():
            packed.write(sequence.packed())
    return None
