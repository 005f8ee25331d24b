"""Surprise along sequences as tracks: how many bits a base costs, and what repeats save of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from genolstm.errors import InputError
from genolstm.files import Outputs, PathLike
from genolstm.sequences.bigwig import Span, write_bigwig
from genolstm.text.scoring import Bits, RecordScore, binned
from genolstm.text.settings import FORECASTS

_LINES = 1 << 16


class Kind(NamedTuple):
    """What a track shows."""

    name: str
    description: str

    def of(self, record: RecordScore) -> Bits:
        """Return the values of a record."""
        return record.bits if self.name == "surprise" else record.saved


SURPRISE = Kind("surprise", "bits per base")
SAVED = Kind("repeats", "bits per base that repeats save")


def levels(values: Bits, bin_size: int) -> Iterator[tuple[npt.NDArray[Any], ...]]:
    """Yield starts, ends and means of stretches of bins, some at a time; equal neighbours are one."""
    starts, means = binned(values, bin_size)
    if not len(starts):
        return
    ends = np.minimum(starts + bin_size, len(values))
    rounded = np.round(means.astype(np.float64), 3)
    new = np.concatenate([[True], (rounded[1:] != rounded[:-1]) | (starts[1:] != ends[:-1])])
    first = np.flatnonzero(new)
    last = np.append(first[1:], len(starts)) - 1
    for begin in range(0, len(first), _LINES):
        some = slice(begin, begin + _LINES)
        yield starts[first[some]], ends[last[some]], rounded[first[some]]


class BedGraph:
    """A track as bedGraph, written record by record; bins without a known base are left out."""

    def __init__(self, stream: IO[str], kind: Kind, bin_size: int) -> None:
        self._stream, self._kind, self._bin = stream, kind, bin_size
        stream.write(f'track type=bedGraph name="{kind.name}" description="{kind.description}"\n')

    def add(self, record: RecordScore) -> None:
        """Write a record."""
        for part in levels(self._kind.of(record), self._bin):
            rows = zip(*(values.tolist() for values in part), strict=True)
            self._stream.writelines(f"{record.name}\t{a}\t{b}\t{level:.3f}\n" for a, b, level in rows)

    def finish(self, outputs: Outputs) -> None:
        """Do nothing: all is written."""


class BigWig:
    """A track as bigWig, which is written at the end: its sequences are sorted by name."""

    def __init__(self, path: PathLike, kind: Kind, bin_size: int) -> None:
        self._path, self._kind, self._bin = path, kind, bin_size
        self._lengths: dict[str, int] = {}
        self._parts: dict[str, list[tuple[npt.NDArray[Any], ...]]] = {}

    def add(self, record: RecordScore) -> None:
        """Take in a record."""
        if record.name in self._lengths:
            raise InputError("is there twice, and a bigWig has one sequence of a name", record=record.name)
        self._lengths[record.name] = len(record.codes)
        self._parts[record.name] = list(levels(self._kind.of(record), self._bin))

    def finish(self, outputs: Outputs) -> None:
        """Write the file."""
        if not any(self._parts.values()):
            raise InputError("no base is known, and a bigWig holds at least one", hint="leave the bigWig out")
        lengths = {name: length for name, length in self._lengths.items() if length}
        write_bigwig(outputs.path(self._path), self._spans(), lengths, name=self._path)

    def _spans(self) -> Iterator[Span]:
        # Browsers look sequences up in a tree that is sorted by their bytes.
        for name in sorted(self._parts, key=str.encode):
            for part in self._parts[name]:
                for start, end, level in zip(*(values.tolist() for values in part), strict=True):
                    yield name, start, end, level


def write_weights_header(stream: IO[str]) -> None:
    """Write the header of :func:`write_weights`."""
    stream.write("\t".join(["#record", "start", "end", "bits", "bits_without_repeats", *FORECASTS]) + "\n")


def write_weights(stream: IO[str], record: RecordScore, bin_size: int) -> None:
    """Write bits, bits without repeats, and the shares of the forecasts by bin."""
    if record.plain is None or record.shares is None:
        raise InputError("whose the forecasts were was not asked for", record=record.name)
    starts, bits = binned(record.bits, bin_size)
    ends = np.minimum(starts + bin_size, len(record.bits))
    columns = [bits, *(binned(values, bin_size)[1] for values in (record.plain, *record.shares.T))]
    for begin in range(0, len(starts), _LINES):
        some = slice(begin, begin + _LINES)
        rows = zip(starts[some].tolist(), ends[some].tolist(), *(one[some].tolist() for one in columns), strict=True)
        stream.writelines(
            f"{record.name}\t{start}\t{end}\t" + "\t".join(f"{value:.4f}" for value in values) + "\n"
            for start, end, *values in rows
        )
