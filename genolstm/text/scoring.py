"""Surprise: how many bits each symbol costs a model, and the tables that show it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from genolstm.lstm.bundle.runtime import Runtime
from genolstm.lstm.config import LSTMConfig
from genolstm.text.corpus import Codes, record_stream
from genolstm.text.encoding import encode_input
from genolstm.text.settings import WINDOW

if TYPE_CHECKING:
    import pandas as pd

Bits = npt.NDArray[np.float32]

# Fixed, so that neither threads nor batches change a score. After the first WARM_UP symbols of a
# record, a symbol is read after at least WARM_UP others. Compared with a state carried from the
# beginning of 200,000 characters, that changed the mean by 2.5e-9 bits and no symbol by more than
# 0.004 (benchmarks/text/warm_up.py, the English model of 512 units).
WARM_UP = 1024
KEPT = 3072
_ROWS = 8
_WINDOWS = 128
_LEAST = 2.0**-60  # of a probability that float32 rounds to 0
_LINES = 1 << 16
_ESCAPES = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "\\": "\\\\"}


@dataclass(frozen=True)
class Total:
    """How many symbols were predicted, and the bits that they cost in total."""

    symbols: int = 0
    bits: float = 0.0

    def __add__(self, other: Total) -> Total:
        return Total(self.symbols + other.symbols, self.bits + other.bits)

    @property
    def bits_per_symbol(self) -> float:
        """The mean; NaN where nothing was predicted."""
        return self.bits / self.symbols if self.symbols else float("nan")

    @property
    def perplexity(self) -> float:
        """Two to the power of the mean: how many equally likely symbols would be as hard to predict."""
        return float(2.0**self.bits_per_symbol)

    def to_dict(self) -> dict[str, Any]:
        """Return the totals as JSON-ready values."""
        return {
            "symbols": self.symbols,
            "bits": round(self.bits, 3),
            "bits_per_symbol": round(self.bits_per_symbol, 6) if self.symbols else None,
            "perplexity": round(self.perplexity, 6) if self.symbols else None,
        }


@dataclass(frozen=True, eq=False)
class RecordScore:
    """Bits of each symbol of a record, (symbols,); NaN where none is predicted."""

    name: str
    codes: Codes
    bits: Bits

    @property
    def total(self) -> Total:
        """The record's total."""
        known = ~np.isnan(self.bits)
        return Total(int(known.sum()), float(self.bits[known].sum(dtype=np.float64)))


@dataclass(frozen=True, eq=False)
class Score:
    """What a corpus costs a model."""

    alphabet: str
    records: tuple[RecordScore, ...]

    @property
    def total(self) -> Total:
        """The total of all records."""
        return sum((record.total for record in self.records), Total())

    @property
    def symbols(self) -> int:
        """How many symbols were predicted."""
        return self.total.symbols

    @property
    def bits_per_symbol(self) -> float:
        """The mean; NaN where nothing was predicted."""
        return self.total.bits_per_symbol

    def frame(self) -> pd.DataFrame:
        """Return one row per symbol: record, position (0-based), symbol, bits."""
        import pandas as pd

        symbols = np.array([*self.alphabet, "N"])
        parts = [
            pd.DataFrame(
                {
                    "record": record.name,
                    "position": np.arange(len(record.bits)),
                    "symbol": symbols[record.codes],
                    "bits": record.bits,
                }
            )
            for record in self.records
        ]
        return pd.concat(parts, ignore_index=True)


def record_bits(runtime: Runtime, codes: Codes, config: LSTMConfig, *, mode: str, window: int) -> Bits:
    """Return the bits of each symbol of a record, (symbols,), as a model of this mode reads it."""
    if mode == WINDOW:
        return window_bits(runtime, codes, config.n_outputs, window, config)
    return stream_bits(runtime, codes, config.n_outputs)


def stream_bits(runtime: Runtime, codes: Codes, boundary: int) -> Bits:
    """Return the bits of each symbol of a record that is read from its beginning."""
    bits = np.full(len(codes), np.nan, np.float32)
    stream, places = record_stream(codes, boundary)
    if not len(places):
        return bits
    inputs, targets = stream[:-1], stream[1:]
    found = np.empty(len(targets), np.float32)
    spans = list(_spans(len(targets)))
    while spans:
        width = spans[0][2] - spans[0][0]
        some = [span for span in spans[: _ROWS * runtime.threads] if span[2] - span[0] == width]
        del spans[: len(some)]
        x = np.stack([inputs[begin:end] for begin, _, end in some])
        y = runtime.predict(x, chunk=width, context=0, batch_size=_ROWS)
        for row, (begin, low, end) in zip(y, some, strict=True):
            kept = row[low - begin :]
            wanted = np.minimum(targets[low:end], boundary - 1).astype(np.int64)
            found[low:end] = kept[np.arange(end - low), wanted]
    bits[np.flatnonzero(codes != boundary)] = -np.log2(np.maximum(found[places - 1], _LEAST))
    return bits


def _spans(length: int) -> Iterator[tuple[int, int, int]]:
    """Yield (begin, first step to keep, end) of windows that overlap by the warm-up."""
    low = 0
    while low < length:
        begin = max(0, low - WARM_UP)
        end = min(length, begin + WARM_UP + KEPT)
        yield begin, low, end
        low = end


def window_bits(runtime: Runtime, codes: Codes, boundary: int, steps: int, config: LSTMConfig) -> Bits:
    """Return the bits of each symbol after a whole window, each read from a state of zeros."""
    bits = np.full(len(codes), np.nan, np.float32)
    if len(codes) <= steps:
        return bits
    view = np.lib.stride_tricks.sliding_window_view(codes, steps)[:-1]
    targets = codes[steps:].astype(np.int64)
    for start in range(0, len(view), _WINDOWS * runtime.threads):
        part = slice(start, min(start + _WINDOWS * runtime.threads, len(view)))
        y = runtime.predict(encode_input(view[part], config), chunk=steps, context=0, batch_size=_WINDOWS)[:, -1]
        wanted = targets[part]
        probability = y[np.arange(len(wanted)), np.minimum(wanted, boundary - 1)]
        bits[steps + start : steps + part.stop] = np.where(
            wanted < boundary, -np.log2(np.maximum(probability, _LEAST)), np.nan
        )
    return bits


def write_positions_header(stream: IO[str]) -> None:
    """Write the header of :func:`write_positions`."""
    stream.write("#record\tposition\tsymbol\tbits\n")


def write_positions(stream: IO[str], record: RecordScore, alphabet: str) -> None:
    """Write record, position (0-based), symbol and bits of each symbol that was predicted."""
    shown = [_ESCAPES.get(symbol, symbol) for symbol in alphabet]
    known = np.flatnonzero(~np.isnan(record.bits))
    for start in range(0, len(known), _LINES):
        at = known[start : start + _LINES]
        rows = zip(at.tolist(), record.codes[at].tolist(), record.bits[at].tolist(), strict=True)
        stream.writelines(f"{record.name}\t{position}\t{shown[code]}\t{bits:.4f}\n" for position, code, bits in rows)


def write_bedgraph_header(stream: IO[str]) -> None:
    """Write the track line of :func:`write_bedgraph`."""
    stream.write('track type=bedGraph name="surprise" description="bits per base"\n')


def write_bedgraph(stream: IO[str], record: RecordScore, bin_size: int = 1) -> None:
    """Write the mean bits of each bin of known bases as bedGraph; bins without any are left out."""
    starts, means = binned(record.bits, bin_size)
    if not len(starts):
        return
    ends = np.minimum(starts + bin_size, len(record.bits))
    levels = np.round(means.astype(np.float64), 3)
    # Equal neighbours share one line.
    new = np.concatenate([[True], (levels[1:] != levels[:-1]) | (starts[1:] != ends[:-1])])
    first = np.flatnonzero(new)
    last = np.append(first[1:], len(starts)) - 1
    for begin in range(0, len(first), _LINES):
        some = slice(begin, begin + _LINES)
        rows = zip(starts[first[some]].tolist(), ends[last[some]].tolist(), levels[first[some]].tolist(), strict=True)
        stream.writelines(f"{record.name}\t{a}\t{b}\t{level:.3f}\n" for a, b, level in rows)


def binned(bits: Bits, bin_size: int) -> tuple[npt.NDArray[np.int64], Bits]:
    """Return starts and mean bits of the bins that hold a known base."""
    known = ~np.isnan(bits)
    starts = np.arange(0, max(len(bits), 1), bin_size, dtype=np.int64)
    if not len(bits):
        return starts[:0], bits
    counts = np.add.reduceat(known.astype(np.int64), starts)
    sums = np.add.reduceat(np.where(known, bits, np.float32(0)), starts)
    used = counts > 0
    return starts[used], (sums[used] / counts[used]).astype(np.float32)
