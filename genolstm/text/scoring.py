"""Surprise: how many bits each symbol costs a model, and the tables that show it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from genolstm.lstm.config import LSTMConfig
from genolstm.lstm.runtime import Runtime
from genolstm.text.corpus import Codes, record_stream

if TYPE_CHECKING:
    import pandas as pd

Bits = npt.NDArray[np.float64]

# Fixed, so that neither threads nor batches change a score. Behind the first WARM_UP symbols of a
# record a symbol is read after at least so many others; a state carried for longer changes the
# mean by less than a thousandth of a bit.
WARM_UP = 1024
KEPT = 3072
_ROWS = 8
_WINDOWS = 128
_LEAST = 2.0**-60  # of a probability that float32 rounds to 0
_LINES = 1 << 16
_ESCAPES = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "\\": "\\\\"}


@dataclass(frozen=True, eq=False)
class RecordScore:
    """Bits of each symbol of a record, (symbols,); NaN where none is predicted."""

    name: str
    codes: Codes
    bits: Bits


@dataclass(frozen=True, eq=False)
class Score:
    """What a corpus costs a model."""

    alphabet: str
    records: tuple[RecordScore, ...]

    @property
    def symbols(self) -> int:
        """How many symbols were predicted."""
        return sum(int((~np.isnan(record.bits)).sum()) for record in self.records)

    @property
    def bits(self) -> float:
        """What they cost together."""
        return float(sum(np.nansum(record.bits) for record in self.records))

    @property
    def bits_per_symbol(self) -> float:
        """The mean; NaN where nothing was predicted."""
        return self.bits / self.symbols if self.symbols else float("nan")

    def to_dict(self) -> dict[str, Any]:
        """Return the totals as JSON can hold them."""
        mean = self.bits_per_symbol
        return {
            "symbols": self.symbols,
            "bits": round(self.bits, 3),
            "bits_per_symbol": round(mean, 6) if self.symbols else None,
            "perplexity": round(2.0**mean, 6) if self.symbols else None,
        }

    def frame(self) -> pd.DataFrame:
        """Return one row a symbol: record, position (0-based), symbol, bits."""
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


def stream_bits(runtime: Runtime, codes: Codes, boundary: int) -> Bits:
    """Return the bits of each symbol of a record that is read from its beginning."""
    bits = np.full(len(codes), np.nan)
    stream, places = record_stream(codes, boundary)
    if not len(places):
        return bits
    inputs, targets = stream[:-1], stream[1:]
    found = np.empty(len(targets))
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


def window_bits(
    runtime: Runtime, codes: Codes, boundary: int, steps: int, config: LSTMConfig
) -> Bits:
    """Return the bits of each symbol after a whole window, each read from a state of zeros."""
    from genolstm.text.train import encode_input

    bits = np.full(len(codes), np.nan)
    if len(codes) <= steps:
        return bits
    view = np.lib.stride_tricks.sliding_window_view(codes, steps)[:-1]
    targets = codes[steps:].astype(np.int64)
    for start in range(0, len(view), _WINDOWS * runtime.threads):
        part = slice(start, min(start + _WINDOWS * runtime.threads, len(view)))
        y = runtime.predict(
            encode_input(view[part], config), chunk=steps, context=0, batch_size=_WINDOWS
        )[:, -1]
        wanted = targets[part]
        probability = y[np.arange(len(wanted)), np.minimum(wanted, boundary - 1)]
        bits[steps + start : steps + part.stop] = np.where(
            wanted < boundary, -np.log2(np.maximum(probability, _LEAST)), np.nan
        )
    return bits


def write_positions(stream: IO[str], score: Score) -> None:
    """Write record, position (0-based), symbol and bits of each symbol that was predicted."""
    stream.write("#record\tposition\tsymbol\tbits\n")
    shown = [_ESCAPES.get(symbol, symbol) for symbol in score.alphabet]
    for record in score.records:
        known = np.flatnonzero(~np.isnan(record.bits))
        for start in range(0, len(known), _LINES):
            at = known[start : start + _LINES]
            rows = zip(
                at.tolist(), record.codes[at].tolist(), record.bits[at].tolist(), strict=True
            )
            stream.writelines(
                f"{record.name}\t{position}\t{shown[code]}\t{bits:.4f}\n"
                for position, code, bits in rows
            )


def write_bedgraph(stream: IO[str], score: Score, bin_size: int = 1) -> None:
    """Write the mean bits of each bin of known bases as bedGraph; bins without any are left out."""
    stream.write('track type=bedGraph name="surprise" description="bits per base"\n')
    for record in score.records:
        starts, means = binned(record.bits, bin_size)
        ends = np.minimum(starts + bin_size, len(record.bits))
        levels = [f"{mean:.3f}" for mean in means.tolist()]
        lines: list[str] = []
        begin = last = 0
        level = ""
        for start, end, now in zip(starts.tolist(), ends.tolist(), levels, strict=True):
            if now == level and start == last:
                last = end
                continue
            if level:
                lines.append(f"{record.name}\t{begin}\t{last}\t{level}\n")
            begin, last, level = start, end, now
        if level:
            lines.append(f"{record.name}\t{begin}\t{last}\t{level}\n")
        stream.writelines(lines)


def binned(bits: Bits, bin_size: int) -> tuple[npt.NDArray[np.int64], Bits]:
    """Return starts and mean bits of the bins that hold a known base."""
    known = ~np.isnan(bits)
    starts = np.arange(0, max(len(bits), 1), bin_size)
    if not len(bits):
        return starts[:0], bits
    counts = np.add.reduceat(known.astype(np.int64), starts)
    sums = np.add.reduceat(np.where(known, bits, 0.0), starts)
    used = counts > 0
    return starts[used], sums[used] / counts[used]


def merge(scores: Sequence[Score]) -> Score:
    """Return several scores by one model as one."""
    return Score(scores[0].alphabet, tuple(record for score in scores for record in score.records))
