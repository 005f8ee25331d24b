"""The k-mer panel: how many haplotypes of a reference group carry each k-mer.

A panel is one file. Its first 128 bytes identify the format and hold the SHA-256 of everything
else; a JSON header and the packed arrays follow, which are used in place through a memory map. The
same input gives the same bytes. :mod:`genolstm.sequences.panel.kernels` describes how the k-mers are
stored, :mod:`genolstm.sequences.panel.builder` builds the panel.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from genolstm.errors import InputError, PanelError, cause
from genolstm.fields import Fields, strict_json
from genolstm.files import PathLike, atomic_path
from genolstm.sequences.alphabet import Codes
from genolstm.sequences.panel.scratch import forget
from genolstm.sequences.panel.settings import MAX_K

SUFFIX = ".panel"

_MAGIC = b"\x89GLPANEL"
_VERSION = 1
# Magic, version, length of the JSON header, length of the file; then the digest.
_PREAMBLE = struct.Struct("<8sIIQ")
_DIGEST_AT = _PREAMBLE.size
_HEADER_AT = 128
_ALIGN = 64
_MAX_HEADER = 1 << 28
_MAX_NAMES = 10_000_000
# What each number of the header may be; the places of 2**48 bases fit into every index.
_NUMBERS = {
    "k": (1, MAX_K),
    "m": (1, MAX_K),
    "n_haplotypes": (0, 1 << 31),
    "n_kmers": (0, 1 << 48),
    "n_strings": (0, 1 << 48),
    "n_bases": (0, 1 << 47),
    "min_count": (1, 1 << 31),
    "place_bits": (1, 48),
    "width": (1, 8),
}
_BLOCK = 1 << 24
_SECTIONS: dict[str, str] = {
    "words": "<u8",
    "directory": "<u4",
    "records": "u1",
    "run_start": "<u2",
    "run_count": "<u2",
    "run_index": "<u4",
}


@dataclass(frozen=True)
class KmerPanel:
    """Graded membership of k-mers in a group of haplotypes.

    Make one with :func:`~genolstm.sequences.panel.build.build_panel`, or open one with
    :meth:`open`. Look-ups release the GIL and may run in several threads.

    Attributes
    ----------
    k
        Length of the k-mers.
    m
        Length of the minimizers of the index.
    n_haplotypes
        Number of haplotypes that were counted.
    n_kmers
        Number of distinct canonical k-mers.
    n_strings
        Number of strings in which they are stored.
    n_bases
        Total length of these strings in bases.
    min_count
        Minimum occurrences for a k-mer of raw reads to be kept; 1 if nothing was dropped.
    names
        Names of the haplotypes.
    provenance
        Account of how the panel was made.
    bases, unknown
        Number of bases of each haplotype that was counted, and how many of them are not A, C, G or
        T; None if the panel does not state it (panels built before these were recorded).
    """

    k: int
    m: int
    n_haplotypes: int
    n_kmers: int
    n_strings: int
    n_bases: int
    min_count: int
    place_bits: int
    width: int
    names: tuple[str, ...]
    provenance: Mapping[str, Any] = field(repr=False)
    arrays: Mapping[str, npt.NDArray[Any]] = field(repr=False)
    path: str | None = None
    bases: tuple[int, ...] | None = None
    unknown: tuple[int, ...] | None = None

    @property
    def unknown_share(self) -> float | None:
        """Share of the input's bases that are not A, C, G or T; None if the panel does not state it."""
        if self.bases is None or self.unknown is None:
            return None
        return sum(self.unknown) / max(sum(self.bases), 1)

    @property
    def nbytes(self) -> int:
        """Size of the packed arrays in bytes."""
        return sum(array.nbytes for array in self.arrays.values())

    def lookup(self, codes: Codes) -> npt.NDArray[np.uint16]:
        """Count, for every k-mer of a sequence, the haplotypes that carry it on either strand.

        Parameters
        ----------
        codes
            uint8, shape (bases,), as :func:`~genolstm.sequences.alphabet.encode` gives them.

        Returns
        -------
        numpy.ndarray
            uint16, shape (max(bases - k + 1, 0),): 0 if no haplotype carries the k-mer, or if it
            covers a base that is not A, C, G or T. Counts stop at 65535.
        """
        from genolstm.sequences.panel.kernels import look_up, packed

        out = np.zeros(max(codes.size - self.k + 1, 0), dtype=np.uint16)
        a = self.arrays
        look_up(
            *packed(codes),
            codes.size,
            self.k,
            self.m,
            a["words"],
            self.n_bases,
            a["directory"],
            a["records"],
            self.width,
            self.place_bits,
            a["run_start"],
            a["run_count"],
            a["run_index"],
            out,
        )
        return out

    def require_k(self, k: int) -> None:
        """Raise :class:`PanelError` unless the panel's k-mers have length ``k``."""
        if k != self.k:
            raise PanelError(f"holds {self.k}-mers where {k}-mers are needed", path=self.path)

    def summary(self) -> dict[str, Any]:
        """Return the content of the header and the sizes of the arrays, ready for JSON."""
        return {
            "k": self.k,
            "n_haplotypes": self.n_haplotypes,
            "n_kmers": self.n_kmers,
            "n_strings": self.n_strings,
            "n_bases": self.n_bases,
            "min_count": self.min_count,
            "names": list(self.names),
            "bases": None if self.bases is None else list(self.bases),
            "unknown": None if self.unknown is None else list(self.unknown),
            "unknown_share": self.unknown_share,
            "minimizer_length": self.m,
            "bytes": {name: int(array.nbytes) for name, array in self.arrays.items()},
            "provenance": dict(self.provenance),
        }

    def save(self, path: PathLike, *, force: bool = False) -> None:
        """Write the panel as one file; ``-`` is standard output.

        Raises
        ------
        OutputError
            The file exists and ``force`` is false, or it cannot be written.
        """
        offset = 0
        sections: dict[str, list[int]] = {}
        for name in _SECTIONS:
            sections[name] = [offset, int(self.arrays[name].size)]
            offset += -(-self.arrays[name].nbytes // _ALIGN) * _ALIGN
        header = {
            "k": self.k,
            "m": self.m,
            "n_haplotypes": self.n_haplotypes,
            "n_kmers": self.n_kmers,
            "n_strings": self.n_strings,
            "n_bases": self.n_bases,
            "min_count": self.min_count,
            "place_bits": self.place_bits,
            "width": self.width,
            "names": list(self.names),
            "provenance": dict(self.provenance),
            "sections": sections,
        }
        if self.bases is not None and self.unknown is not None:
            header |= {
                "bases": list(self.bases),
                "unknown": list(self.unknown),
                "total": {"bases": sum(self.bases), "unknown": sum(self.unknown)},
            }
        text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
        text += b" " * (-(_HEADER_AT + len(text)) % _ALIGN)
        preamble = _PREAMBLE.pack(_MAGIC, _VERSION, len(text), _HEADER_AT + len(text) + offset)
        gap = bytes(_HEADER_AT - _DIGEST_AT - hashlib.sha256().digest_size)
        digest = hashlib.sha256(preamble + gap + text)
        for block in self._blocks():
            digest.update(block)
        start = preamble + digest.digest() + gap + text
        with atomic_path(path, force=force) as temporary, temporary.open("wb") as stream:
            stream.write(start)
            for block in self._blocks():
                stream.write(block)

    def _blocks(self) -> Iterator[memoryview | bytes]:
        """Yield the bytes of the arrays, block by block, in the file's order."""
        for name, kind in _SECTIONS.items():
            array = np.ascontiguousarray(self.arrays[name], dtype=kind)
            view = array.data.cast("B") if array.size else memoryview(b"")
            for start in range(0, view.nbytes, _BLOCK):
                yield view[start : start + _BLOCK]
                forget(array)
            yield bytes(-array.nbytes % _ALIGN)

    @classmethod
    def open(cls, path: PathLike, *, verify: bool = True) -> KmerPanel:
        """Open a panel as a memory map.

        Parameters
        ----------
        path
            A file that :meth:`save` wrote.
        verify
            Verify the checksum first (about half a second per GB).

        Raises
        ------
        InputError
            There is no such file, or it may not be read.
        PanelError
            The file is not a panel, has another format version, or is truncated or changed.
        """
        name = os.fspath(path)
        try:
            with Path(name).open("rb") as stream:
                size = os.fstat(stream.fileno()).st_size
                if size < _HEADER_AT:
                    raise _no_panel(name, stream.read(8))
                data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        except FileNotFoundError as error:
            raise InputError("no such file", path=name) from error
        except IsADirectoryError as error:
            raise InputError("is a folder, a panel is needed", path=name) from error
        except OSError as error:
            raise InputError(f"cannot be read ({cause(error)})", path=name) from error

        magic, version, header_size, file_size = _PREAMBLE.unpack_from(data)
        if magic != _MAGIC:
            raise _no_panel(name, data[:8])
        if version != _VERSION:
            raise PanelError(
                f"is a panel of version {version}, this program reads version {_VERSION}",
                path=name,
                hint="build it again",
            )
        if size != file_size:
            kind = "truncated" if size < file_size else "followed by foreign data"
            raise PanelError(
                f"is {kind} ({size} bytes, should be {file_size})", path=name, hint="copy or build it again"
            )
        body = _DIGEST_AT + hashlib.sha256().digest_size
        if verify:
            digest = hashlib.sha256(data[:_DIGEST_AT])
            with memoryview(data) as view:
                digest.update(view[body:])
            if digest.digest() != data[_DIGEST_AT:body]:
                raise PanelError(
                    "is damaged: its content does not match its checksum", path=name, hint="copy or build it again"
                )
        try:
            return cls._from_map(data, header_size, name)
        except PanelError as error:
            raise PanelError(
                f"is damaged: its header {error.reason}", path=name, hint="copy or build it again"
            ) from error

    @classmethod
    def _from_map(cls, data: mmap.mmap, header_size: int, path: str) -> KmerPanel:
        start = _HEADER_AT + header_size
        if start > len(data):
            raise PanelError("is longer than the file")
        text = data[_HEADER_AT:start]
        header = Fields(strict_json(text, "as text", error=PanelError, most=_MAX_HEADER), error=PanelError)
        panel = cls(
            **{name: header.whole(name, low, high) for name, (low, high) in _NUMBERS.items()},
            names=tuple(header.texts("names", _MAX_NAMES)),
            provenance=header.table("provenance").values,
            arrays=_map_sections(header.table("sections"), data, start),
            path=path,
            bases=_counts(header, "bases"),
            unknown=_counts(header, "unknown"),
        )
        panel._check_sizes(header)
        return panel

    def _check_sizes(self, header: Fields) -> None:
        """Refuse numbers that do not go together: look-ups would read beyond an array."""
        a = self.arrays
        if self.m > self.k or not self.place_bits < 8 * self.width or self.n_bases >> self.place_bits:
            header.refuse("m", "the lengths do not go together")
        if not (
            a["words"].size >= (self.n_bases >> 5) + 2
            and a["directory"].size >= 2
            and a["run_start"].size == a["run_count"].size >= 1
            and a["run_index"].size >= (self.n_bases >> 8) + 1
        ):
            header.refuse("sections", "they are too short")
        bases, unknown = self.bases or (), self.unknown or ()
        if len(bases) != len(unknown) or any(n > of for n, of in zip(unknown, bases, strict=True)):
            header.refuse("unknown", "more than there are bases")


def _map_sections(sections: Fields, data: mmap.mmap, start: int) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays, which lie one after the other to the end of the file, as :meth:`KmerPanel.save` puts them."""
    arrays: dict[str, npt.NDArray[Any]] = {}
    place = 0
    for name, kind in _SECTIONS.items():
        pair = sections.wholes(name, 2, 0, len(data))
        if len(pair) != 2:
            sections.refuse(name, "place and length are needed")
        offset, length = pair
        size = length * np.dtype(kind).itemsize
        if offset != place or start + offset + size > len(data):
            sections.refuse(name, "it does not follow the one before")
        arrays[name] = np.frombuffer(data, kind, count=length, offset=start + offset)
        place += -(-size // _ALIGN) * _ALIGN
    if start % _ALIGN or start + place != len(data):
        sections.refuse(name, "it does not end where the file does")
    return arrays


def _counts(header: Fields, name: str) -> tuple[int, ...] | None:
    if name not in header.values:
        return None
    return tuple(header.wholes(name, _MAX_NAMES, 0, 1 << 53))


def _no_panel(path: str, start: bytes) -> PanelError:
    hint = "build one with: genolstm panel build"
    if start[: len(_MAGIC)] == _MAGIC:
        return PanelError("is a truncated panel", path=path, hint="copy or build it again")
    if not start:
        return PanelError("is empty, a k-mer panel is needed", path=path, hint=hint)
    return PanelError("is not a k-mer panel", path=path, hint=hint)
