"""The arrays of a Zarr store, chunk by chunk.

Chunks of the usual layouts are decoded here: the pipeline of zarr-python costs three times the CPU
for the chunks of a variant store, and fills in silence what is missing. Every other layout
(shards, transposed axes, other filters) is left to zarr itself.
"""

from __future__ import annotations

import bz2
import json
import math
import os
import stat
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from io import BytesIO, FileIO
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from genolstm.errors import InputError, MissingExtraError
from genolstm.files import PathLike, unpack
from genolstm.numbers import LAST_POSITION

_COMPRESSORS = ("blosc", "zstd", "gzip", "zlib", "lz4", "bz2")
#: Bytes of a file of metadata, of a file of the store, and of a chunk, unpacked.
_MAX_META, _MAX_FILE, _MAX_CHUNK = 1 << 24, 1 << 28, 1 << 28
#: Chunks side by side: the samples of a cohort are in thousands of them at the most.
_MAX_ACROSS = 1 << 20
_META = (".zgroup", ".zattrs", ".zmetadata", "zarr.json")
AGAIN = "copy or download the store again"
"""What to do about a store that is not whole."""


def is_store(path: PathLike) -> bool:
    """Return whether a path is a folder or a zip file, as Zarr stores are and no other variant file is."""
    try:
        if Path(path).is_dir():
            return True
        if not Path(path).is_file():
            return False
        with Path(path).open("rb") as stream:
            return stream.read(4) in (b"PK\x03\x04", b"PK\x05\x06")
    except OSError:
        return False


class Store:
    """The files of a local Zarr store of format 2 or 3: a folder, or a zip file of one.

    Raises
    ------
    InputError
        There is no such store, or it is no Zarr group.
    MissingExtraError
        zarr is not installed.
    """

    def __init__(self, path: PathLike) -> None:
        self.path = os.fspath(path)
        if "://" in self.path:
            raise InputError("is an address; only local Zarr stores are read", path=self.path, hint="download it first")
        if not Path(self.path).exists():
            raise InputError("no such file or folder", path=self.path)
        if not find_spec("zarr") or not find_spec("numcodecs"):
            raise MissingExtraError("zarr", "zarr")
        self._zip: zipfile.ZipFile | None = None
        if not Path(self.path).is_dir():
            try:
                self._zip = zipfile.ZipFile(self.path)
            except Exception as error:  # the library raises whatever comes of what it reads
                raise InputError(
                    f"is not a whole zip file ({error})", path=self.path, hint="copy or download it again"
                ) from error
        if all(self.read(name, _MAX_META) is None for name in _META):
            what = "is a folder" if Path(self.path).is_dir() else "is a zip file"
            raise InputError(f"{what} without Zarr metadata; a VCF, BCF or VCF Zarr store is needed", path=self.path)

    def read(self, key: str, most: int = _MAX_FILE) -> bytes | None:
        """Return the content of a file of the store; None if there is none.

        Raises
        ------
        InputError
            It cannot be read, is no file, or has more than ``most`` bytes.
        """
        try:
            if self._zip is not None:
                found = self._zip.getinfo(key)
                self._check_size(key, found.file_size, most)
                return self._zip.read(found)
            # A pipe among the files would be waited for.
            number = os.open(f"{self.path}/{key}", os.O_RDONLY | os.O_NONBLOCK | getattr(os, "O_CLOEXEC", 0))
            with FileIO(number) as stream:
                about = os.fstat(number)
                if stat.S_ISDIR(about.st_mode):
                    return None
                if not stat.S_ISREG(about.st_mode):
                    raise OSError("it is no file")
                self._check_size(key, about.st_size, most)
                return stream.readall()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError, KeyError):
            return None
        except InputError:
            raise
        except Exception as error:  # of the library for zip files, which raises whatever comes of what it reads
            if self._zip is None and not isinstance(error, OSError | ValueError):
                raise
            raise InputError(f"{key} cannot be read ({error})", path=self.path) from error

    def _check_size(self, key: str, size: int, most: int) -> None:
        if size > most:
            raise InputError(f"{key} has {size} bytes; at most {most} are read", path=self.path)

    def has(self, key: str) -> bool:
        """Return whether the store has a file."""
        return key in self._zip.NameToInfo if self._zip is not None else Path(self.path, key).is_file()

    def has_chunks(self, name: str) -> bool:
        """Return whether an array has any chunk."""
        if self._zip is not None:
            return any(key.startswith(f"{name}/") and key[-1:].isdigit() for key in self._zip.namelist())
        folder = Path(self.path, name)
        return folder.is_dir() and any(entry.name[-1:].isdigit() or entry.name == "c" for entry in folder.iterdir())

    def json(self, key: str) -> dict[str, Any] | None:
        """Return a metadata file; None if there is none.

        Raises
        ------
        InputError
            It is damaged.
        """
        content = self.read(key, _MAX_META)
        if content is None:
            return None
        try:
            found = json.loads(content)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise InputError(f"the metadata in {key} are damaged", path=self.path, hint="copy or download it again")
        return found

    def array(self, name: str) -> Array | None:
        """Open an array; None if the store has none of this name.

        Raises
        ------
        InputError
            Its metadata are damaged, or of a form that is not known.
        """
        try:
            found = self.json(f"{name}/.zarray")
            if found is not None:
                return _array_of_format_2(self, name, found)
            found = self.json(f"{name}/zarr.json")
            if found is not None and found.get("node_type") == "array":
                return _array_of_format_3(self, name, found)
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            raise InputError(f"the metadata of {name} are damaged ({error})", path=self.path) from error
        return None

    def slowly(self, name: str) -> Any:
        """Return an array as zarr opens it."""
        import zarr

        store: Any = self.path
        if self._zip is not None:
            store = zarr.storage.ZipStore(self.path, mode="r")
        return zarr.open_group(store, mode="r", use_consolidated=False)[name]


@dataclass
class Array:
    """One array.

    Attributes
    ----------
    shape, chunks
        Number of elements along each axis, in all and in a chunk.
    dtype
        Of the elements; None if they are strings.
    fill
        Value of what is in no chunk; 0 if the store states none.
    key
        Returns the name of a chunk's file within the array, given its place along each axis.
    decode
        Unpacks the content of such a file; None if only zarr can.
    """

    store: Store
    name: str
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dtype: np.dtype[Any] | None
    fill: Any
    key: Callable[[tuple[int, ...]], str]
    decode: Callable[[bytes], Any] | None
    _slow: Any = field(default=None, repr=False)
    _last: tuple[tuple[int, ...], Any] | None = field(default=None, repr=False)

    def size(self, index: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of a chunk, without what is beyond the array's end."""
        return tuple(min(c, n - i * c) for n, c, i in zip(self.shape, self.chunks, index, strict=True))

    def file(self, index: tuple[int, ...]) -> str:
        """Return the name of a chunk's file in the store."""
        return f"{self.name}/{self.key(index)}"

    def chunk(self, index: tuple[int, ...]) -> Any:
        """Return one chunk; None if the store has no file of it.

        Returns
        -------
        numpy.ndarray
            Of the shape that :meth:`size` states. Strings are returned as bytes: their number, then the
            length and the UTF-8 text of each (numbers of 32 bits), of a whole chunk in C order.

        Raises
        ------
        InputError
            The chunk is cut short or damaged.
        """
        if self._last is not None and self._last[0] == index:
            return self._last[1]
        raw = self.store.read(self.file(index))
        if raw is None:
            return None
        try:
            found = self._slow_chunk(index) if self.decode is None else self._decoded(raw, index)
        except InputError:
            raise
        except Exception as error:  # every codec raises its own
            raise self.damaged(index, str(error)) from error
        if len(self.shape) < 3 and self.name.startswith("variant_"):
            self._last = index, found  # small, and read piece by piece
        return found

    def _decoded(self, raw: bytes, index: tuple[int, ...]) -> Any:
        assert self.decode is not None
        data = self.decode(raw)
        if self.dtype is None:
            return bytes(data)
        # A copy, in the byte order of this machine: loops are compiled for one kind of array then, not for two.
        whole = np.frombuffer(data, dtype=self.dtype).astype(self.dtype.newbyteorder("="))
        if whole.size != math.prod(self.chunks):
            raise ValueError("it is not of the size that the metadata state")
        return whole.reshape(self.chunks)[tuple(slice(n) for n in self.size(index))]

    def _slow_chunk(self, index: tuple[int, ...]) -> Any:
        if self._slow is None:
            self._slow = self.store.slowly(self.name)
        begins = [i * c for i, c in zip(index, self.chunks, strict=True)]
        values = self._slow[tuple(slice(a, a + n) for a, n in zip(begins, self.size(index), strict=True))]
        if self.dtype is not None:
            return np.asarray(values)
        # As a chunk of strings is: padded to the whole chunk.
        padded = np.full(self.chunks, "", dtype=object)
        padded[tuple(slice(n) for n in values.shape)] = values
        return _string_bytes(padded)

    def strings(self, chunk: bytes, index: tuple[int, ...]) -> list[str]:
        """Return the strings of a chunk of them.

        Raises
        ------
        InputError
            The chunk is damaged.
        """
        try:
            return _strings(chunk)
        except ValueError as error:
            raise self.damaged(index, str(error)) from error

    def damaged(self, index: tuple[int, ...], reason: str) -> InputError:
        """Return the error of a chunk that cannot be used."""
        return InputError(
            f"the chunk {self.file(index)} is damaged or cut short ({reason})", path=self.store.path, hint=AGAIN
        )

    def missing(self, index: tuple[int, ...]) -> InputError:
        """Return the error of a chunk whose file is not there."""
        return InputError(
            f"the chunk {self.file(index)} is missing: the store was cut short", path=self.store.path, hint=AGAIN
        )

    def whole(self) -> np.ndarray:
        """Return a small array with one axis.

        Raises
        ------
        InputError
            A chunk is missing; a number that is the fill value may be left out by the writer.
        """
        parts: list[Any] = []
        for i in range(-(-self.shape[0] // self.chunks[0])):
            n = self.size((i,))[0]
            part = self.chunk((i,))
            if part is None:
                if self.dtype is None:
                    raise self.missing((i,))
                part = np.full(n, self.fill, dtype=self.dtype)
            elif self.dtype is None:
                part = np.array(self.strings(part, (i,))[:n], dtype=object)
            if len(part) != n:
                raise self.damaged((i,), "it holds too few values")
            parts.append(part)
        return np.concatenate(parts) if parts else np.empty(0, dtype=self.dtype or object)

    def rows(
        self,
        begin: int,
        end: int,
        columns: Sequence[int] | None = None,
        absent: Callable[[Array, tuple[int, ...]], Any] | None = None,
    ) -> np.ndarray:
        """Return rows [begin, end) of an array of numbers.

        Parameters
        ----------
        columns
            Chunks along the second axis, which are put side by side; by default all of them.
        absent
            Called with a chunk that is not there; raises if it should be, else the fill value is taken.
        """
        assert self.dtype is not None
        across: list[Sequence[int]] = [range(-(-n // c)) for n, c in zip(self.shape[1:], self.chunks[1:], strict=True)]
        if columns is not None:
            across[0] = columns
        step = self.chunks[0]
        bands = []
        for i in range(begin // step, -(-end // step)):
            low, high = max(begin - i * step, 0), min(end - i * step, step)
            parts = {}
            for others in product(*across):
                index = (i, *others)
                part = self.chunk(index)
                if part is None:
                    if absent is not None:
                        absent(self, index)
                    part = np.full(self.size(index), self.fill, dtype=self.dtype)
                parts[others] = part[low:high]
            bands.append(_side_by_side(parts, len(across)))
        if len(bands) == 1:
            return bands[0]
        if not bands:
            return np.empty((0, *self.shape[1:]), dtype=self.dtype)
        return np.concatenate(bands)


def _side_by_side(parts: dict[tuple[int, ...], np.ndarray], axes: int) -> np.ndarray:
    """Join chunks along the axes after the first, given by their places along these."""
    if len(parts) == 1:
        return next(iter(parts.values()))
    for axis in range(axes - 1, -1, -1):
        joined: dict[tuple[int, ...], list[np.ndarray]] = {}
        for place, part in parts.items():
            joined.setdefault(place[:axis], []).append(part)
        parts = {place: np.concatenate(members, axis=axis + 1) for place, members in joined.items()}
    return parts[()]


def _array_of_format_2(store: Store, name: str, meta: dict[str, Any]) -> Array:
    separator = _separator(meta.get("dimension_separator") or ".")
    filters, compressor = meta.get("filters") or [], meta.get("compressor")
    kind = meta["dtype"]
    text = kind == "|O" and len(filters) == 1 and filters[0].get("id") == "vlen-utf8"
    plain = meta.get("order", "C") == "C" and (text or not filters)
    if kind == "|O" and not text:
        raise ValueError("its elements are objects, not strings")
    dtype = None if text else np.dtype(kind)
    if dtype is not None and dtype.kind in "SU":
        dtype, plain = None, False
    return _array(store, name, meta, meta["chunks"], dtype, plain, [compressor] if compressor else [], separator.join)


def _array_of_format_3(store: Store, name: str, meta: dict[str, Any]) -> Array:
    grid, encoding = meta["chunk_grid"], meta["chunk_key_encoding"]
    if grid["name"] != "regular":
        raise ValueError(f"a chunk grid of kind {grid['name']}")
    by_default = encoding["name"] == "default"
    separator = _separator(encoding.get("configuration", {}).get("separator", "/" if by_default else "."))
    lead = ["c"] if by_default else []
    kind = meta["data_type"]
    codecs = meta["codecs"]
    plain = codecs[0]["name"] == ("vlen-utf8" if kind == "string" else "bytes") and len(codecs) <= 2
    dtype = None
    if kind != "string":
        if isinstance(kind, dict) and "utf" in kind.get("name", ""):
            plain = False  # of fixed length
        else:
            dtype = np.dtype(kind)
            if codecs[0].get("configuration", {}).get("endian", "little") == "big":
                dtype = dtype.newbyteorder(">")
    compressors = [{"id": c["name"], **c.get("configuration", {})} for c in codecs[1:]]
    return _array(
        store,
        name,
        meta,
        grid["configuration"]["chunk_shape"],
        dtype,
        plain,
        compressors,
        lambda parts: separator.join([*lead, *parts]),
    )


def _array(
    store: Store,
    name: str,
    meta: dict[str, Any],
    chunks: list[int],
    dtype: np.dtype[Any] | None,
    plain: bool,
    compressors: list[dict[str, Any]],
    join: Callable[[list[str]], str],
) -> Array:
    shape, sizes = _sizes(meta["shape"]), _sizes(chunks)
    if len(shape) != len(sizes) or min(sizes, default=1) < 1:
        raise ValueError("shape and chunks do not fit")
    if math.prod(sizes) * (1 if dtype is None else dtype.itemsize) > _MAX_CHUNK:
        raise ValueError(f"chunks of more than {_MAX_CHUNK >> 20} MiB")
    if math.prod(-(-n // c) for n, c in zip(shape[1:], sizes[1:], strict=True)) > _MAX_ACROSS:
        raise ValueError(f"more than {_MAX_ACROSS} chunks side by side")
    decode = None
    if plain and all(c["id"] in _COMPRESSORS for c in compressors):
        size = None if dtype is None else math.prod(sizes) * dtype.itemsize
        decode = _decoder(compressors[0] if compressors else None, size)
    fill = meta.get("fill_value")
    if dtype is not None:
        if not isinstance(fill, int | float | str | None):
            raise ValueError("the fill value is no number")
        fill = dtype.type(0 if fill is None or isinstance(fill, str) else fill)
    return Array(store, name, shape, sizes, dtype, fill, lambda index: join([str(i) for i in index]), decode)


def _separator(given: object) -> str:
    if given not in (".", "/"):
        raise ValueError("the separator of its chunks is neither . nor /")
    return str(given)


def _sizes(given: object) -> tuple[int, ...]:
    """Return the sizes that metadata state for the axes, if they are such."""
    if not isinstance(given, list) or not all(type(n) is int and 0 <= n <= LAST_POSITION for n in given):
        raise ValueError("its sizes are no list of whole numbers")
    return tuple(given)


def _decoder(compressor: dict[str, Any] | None, size: int | None) -> Callable[[bytes], Any]:
    """Return what unpacks a chunk of ``size`` bytes; of strings, the size is not known.

    The libraries unpack whatever a chunk claims to hold: that is looked at first.
    """
    if compressor is None:
        return lambda raw: raw
    from numcodecs.registry import get_codec

    kind = compressor["id"]
    # What matters for decoding is in the chunk.
    codec = get_codec({"id": kind})
    most = _MAX_CHUNK if size is None else size

    def decode(raw: bytes) -> Any:
        if kind in ("gzip", "zlib", "bz2"):
            return _inflated(kind, raw, most)
        if kind == "zstd" and not _zstd_size(raw):  # as of a writer that did not know it yet
            with unpack(BytesIO(raw[6:]), raw[:6], own=True, keep_mark=True) as stream:
                data = stream.read(most + 1)
            if len(data) > most:
                raise ValueError("it holds more than a chunk does")
            return data
        claimed = {"blosc": _blosc_size, "lz4": _lz4_size, "zstd": _zstd_size}[kind](raw)
        if claimed > most:
            raise ValueError("it claims to hold more than a chunk does")
        return codec.decode(raw)

    return decode


def _inflated(kind: str, raw: bytes, most: int) -> bytes:
    parts, size = [], 0
    while raw:
        # Some writers split what they compress into several streams.
        inflater: Any = bz2.BZ2Decompressor() if kind == "bz2" else zlib.decompressobj(wbits=47)
        part = inflater.decompress(raw, most + 1 - size)
        size += len(part)
        if size > most:
            raise ValueError("it holds more than a chunk does")
        if not inflater.eof:
            raise ValueError("it ends in the middle")
        parts.append(part)
        raw = inflater.unused_data
    return b"".join(parts)


def _blosc_size(raw: bytes) -> int:
    # The library does not look where its input ends.
    if len(raw) < 16 or int.from_bytes(raw[12:16], "little") != len(raw):
        raise ValueError("it is not as long as it states")
    return int.from_bytes(raw[4:8], "little")


def _lz4_size(raw: bytes) -> int:
    return int.from_bytes(raw[:4], "little")


def _zstd_size(raw: bytes) -> int:
    """Return the size that the header of a frame states; 0 if it states none."""
    if len(raw) < 5 or raw[:4] != b"\x28\xb5\x2f\xfd":
        raise ValueError("it is no Zstandard frame")
    about = raw[4]
    single = about >> 5 & 1
    at = 5 + (not single) + (0, 1, 2, 4)[about & 3]
    width = (single, 2, 4, 8)[about >> 6]
    return int.from_bytes(raw[at : at + width], "little") + (256 if width == 2 else 0)


def _strings(data: bytes) -> list[str]:
    """Return the strings of a chunk."""
    found, at = [], 4
    for _ in range(int.from_bytes(data[:4], "little")):
        n = int.from_bytes(data[at : at + 4], "little")
        if at + 4 + n > len(data):
            raise ValueError("a string is cut short")
        found.append(data[at + 4 : at + 4 + n].decode("utf-8"))
        at += 4 + n
    return found


def _string_bytes(values: np.ndarray) -> bytes:
    """Return strings as a chunk of them: the inverse of :func:`_strings`."""
    texts = [v if isinstance(v, bytes) else str(v).encode() for v in values.ravel().tolist()]
    return b"".join([len(texts).to_bytes(4, "little"), *(len(t).to_bytes(4, "little") + t for t in texts)])


def join_strings(parts: list[bytes], rows: int) -> bytes:
    """Put chunks of strings, all of as many rows, side by side."""
    columns = [_strings(part) for part in parts]
    table = [np.array(texts, dtype=object).reshape(rows, -1) for texts in columns]
    return _string_bytes(np.concatenate(table, axis=1))
