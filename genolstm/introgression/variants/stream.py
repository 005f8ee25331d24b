"""A VCF or BCF that was opened: its header, and the bytes of its records from the start or from where an index says."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from genolstm.errors import InputError
from genolstm.files import PathLike
from genolstm.introgression.variants.bgzf import Bytes, Index
from genolstm.introgression.variants.block import Stretch
from genolstm.introgression.variants.header import Header, parse_header

#: Bytes of a header: one of a million samples with long names has half of it.
MAX_HEADER = 1 << 26
#: Bytes of a record: more is a damaged length, or no file of records.
MAX_RECORD = 1 << 28
#: The line of a header that is its last, or one that is no header's.
_LAST = re.compile(rb"^(?:#[^#][^\n]*\n|[^#])", re.MULTILINE)


class Stream:
    """One VCF (plain, compressed, BGZF or a pipe) or BCF.

    Parameters
    ----------
    path
        File; ``-`` is standard input. A pipe can be read once.

    Attributes
    ----------
    path
        As messages show it.
    header
        What it begins with.
    is_bcf
        Whether it is a BCF.
    rest
        What was read of the records.

    Raises
    ------
    InputError
        The file is missing, empty, truncated, or has no valid header.
    """

    def __init__(self, path: PathLike) -> None:
        opened = Bytes(path)
        self.path = opened.name
        self._regular, self._is_bgzf = opened.regular, opened.is_bgzf
        self._pieces = opened.pieces()
        self._swap_returns = self._begun = False
        start = b""
        while len(start) < 4096 and (more := self._more()):
            start += more
        start = start.removeprefix(codecs.BOM_UTF8)
        self.is_bcf = start[:3] == b"BCF"
        self.rest, self.header = self._binary_header(start) if self.is_bcf else self._text_header(start)

    def _more(self) -> bytes:
        piece = next(self._pieces, b"")
        return piece.replace(b"\r", b"\n") if self._swap_returns else piece

    def _at_least(self, data: bytes, size: int) -> bytes:
        """Read on until there are ``size`` bytes."""
        parts, n = [data], len(data)
        while n < size:
            more = self._more()
            if not more:
                raise InputError("ends in its header (truncated?)", path=self.path)
            parts.append(more)
            n += len(more)
        return b"".join(parts)

    def _binary_header(self, data: bytes) -> tuple[bytes, Header]:
        data = self._at_least(data, 5)
        if data[3:5] not in (b"\x02\x01", b"\x02\x02"):
            raise InputError(f"is a BCF of version {data[3]}.{data[4]}; version 2 is read", path=self.path)
        data = self._at_least(data, 9)
        size = int.from_bytes(data[5:9], "little")
        if size > MAX_HEADER:
            raise InputError("is a damaged BCF: its header has no end", path=self.path)
        data = self._at_least(data, 9 + size)
        return data[9 + size :], parse_header(data[9 : 9 + size].rstrip(b"\0"), self.path, binary=True)

    def _text_header(self, start: bytes) -> tuple[bytes, Header]:
        if not start.startswith((b"##fileformat=VCF", b"#CHROM")):
            raise InputError("is not a VCF or BCF file: it does not begin with ##fileformat=VCF", path=self.path)
        if b"\r" in start[:4096] and b"\n" not in start[:4096]:
            self._swap_returns = True
            start = start.replace(b"\r", b"\n")
        data, looked, more = bytearray(start), 0, start
        while True:
            if b"\n" in more:  # else the line goes on, however long it is
                end = _LAST.search(data, looked)
                if end is not None:
                    return bytes(data[end.end() :]), parse_header(bytes(data[: end.end()]), self.path)
                looked = data.rfind(b"\n") + 1
            more = self._more()
            if not more:
                # A header without records may lack its last line end.
                return b"", parse_header(bytes(data), self.path)
            data += more
            if len(data) > MAX_HEADER:
                raise InputError(f"has a header of more than {MAX_HEADER >> 20} MiB", path=self.path)

    def look(self, lines: int = 0) -> bytes:
        """Return the first bytes of the records; of text, ``lines`` lines of them as far as these are not too long."""
        parts, n = [self.rest], self.rest.count(b"\n")
        size = len(self.rest)
        while (not size or n < lines) and size < MAX_RECORD >> 2 and (more := self._more()):
            parts.append(more)
            size += len(more)
            n += more.count(b"\n")
        self.rest = b"".join(parts)
        return self.rest

    def begin(self) -> Iterator[bytes]:
        """Return the bytes after the header; a pipe can be read once.

        Raises
        ------
        InputError
            It was read already, and is a pipe.
        """
        if self._begun:
            if not self._regular:
                raise InputError("is a pipe, which can be read once", path=self.path)
            return Stream(self.path).begin()
        self._begun = True
        rest, self.rest = self.rest, b""
        return chain([rest], iter(self._more, b""))

    def index(self) -> Index | None:
        """Return the index beside the file, if it has one and can be entered anywhere."""
        return Index.of(self.path) if self._regular and self._is_bgzf else None

    def is_older(self, index: Index) -> bool:
        """Return whether an index was made before the file was changed."""
        return Path(self.path).stat().st_mtime > Path(index.path).stat().st_mtime + 1

    def jump(self, index: Index, stretches: Sequence[Stretch]) -> Iterator[tuple[Stretch, Iterator[bytes]]]:
        """Yield each stretch that may have records, and the bytes from where the index says that they begin."""
        return index.jump(self.path, stretches, self.header.chromosomes, self.header.contigs)
