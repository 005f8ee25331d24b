"""Surprise: how many bits each symbol costs a model, and the tables that show it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from genolstm.errors import SettingError
from genolstm.lstm.bundle.runtime import Runtime
from genolstm.lstm.config import LSTMConfig
from genolstm.text.corpus import Alphabet, Codes, Record, record_stream
from genolstm.text.encoding import encode_input
from genolstm.text.settings import WINDOW
from genolstm.text.words import Vocabulary

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
LEAST = 2.0**-60  # of a probability that float32 rounds to 0
_LINES = 1 << 16
#: Columns of the totals of a score, and those of words besides.
TOTALS = ("record", "symbols", "bits", "bits_per_symbol", "perplexity")
TOTALS_OF_WORDS = ("characters", "bits_per_character", "unknown_share")
_ESCAPES = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "\\": "\\\\"}


@dataclass(frozen=True)
class Total:
    """How many symbols were predicted, and the bits that they cost in total."""

    symbols: int = 0
    bits: float = 0.0
    characters: int = 0
    """Characters of the symbols, if these are words."""
    unknown: int = 0
    """How many words had to be spelled."""

    def __add__(self, other: Total) -> Total:
        return Total(
            self.symbols + other.symbols,
            self.bits + other.bits,
            self.characters + other.characters,
            self.unknown + other.unknown,
        )

    @property
    def bits_per_symbol(self) -> float:
        """The mean; NaN where nothing was predicted."""
        return self.bits / self.symbols if self.symbols else float("nan")

    @property
    def bits_per_character(self) -> float:
        """The mean of words by character; NaN where nothing was predicted, or symbols are no words."""
        return self.bits / self.characters if self.characters else float("nan")

    @property
    def unknown_share(self) -> float:
        """The share of words that had to be spelled; NaN where nothing was predicted."""
        return self.unknown / self.symbols if self.symbols else float("nan")

    @property
    def perplexity(self) -> float:
        """Two to the power of the mean: how many equally likely symbols would be as hard to predict."""
        return float(2.0**self.bits_per_symbol)

    def to_dict(self) -> dict[str, Any]:
        """Return the totals as JSON-ready values."""
        found = {
            "symbols": self.symbols,
            "bits": round(self.bits, 3),
            "bits_per_symbol": round(self.bits_per_symbol, 6) if self.symbols else None,
            "perplexity": round(self.perplexity, 6) if self.symbols else None,
        }
        if self.characters:
            found |= {
                "characters": self.characters,
                "bits_per_character": round(self.bits_per_character, 6),
                "unknown_share": round(self.unknown_share, 6),
            }
        return found


@dataclass(frozen=True, eq=False)
class RecordScore:
    """Bits of each symbol of a record, (symbols,); NaN where none is predicted."""

    name: str
    codes: Codes
    bits: Bits
    plain: Bits | None = None
    """What each would have cost without repeats, if asked for."""
    shares: Bits | None = None
    """Whose the forecasts were, (symbols, groups), if asked for."""
    spelled: tuple[str, ...] = ()
    vocabulary: Vocabulary | None = None
    """Of words, the unknown ones, and what the others are."""

    @property
    def saved(self) -> Bits:
        """Bits that repeats save at each symbol; below 0 where they misled."""
        if self.plain is None:
            raise SettingError("what repeats save is known of a score that is explained")
        return self.plain - self.bits

    @property
    def total(self) -> Total:
        """The record's total."""
        known = ~np.isnan(self.bits)
        found = Total(int(known.sum()), float(self.bits[known].sum(dtype=np.float64)))
        if self.vocabulary is None:
            return found
        lengths = self.vocabulary.lengths(self.codes, self.spelled)
        unknown = self.codes[known] == self.vocabulary.unknown
        return replace(found, characters=int(lengths[known].sum()), unknown=int(unknown.sum()))

    def places(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], list[str] | None]:
        """Return where the symbols that were predicted stand, as indices and in characters, and words as texts."""
        known = np.flatnonzero(~np.isnan(self.bits))
        if self.vocabulary is None:
            return known, known, None
        lengths = self.vocabulary.lengths(self.codes, self.spelled)
        texts = self.vocabulary.texts(self.codes, self.spelled)
        return known, (np.cumsum(lengths) - lengths)[known], [texts[at] for at in known.tolist()]


@dataclass(frozen=True, eq=False)
class Score:
    """What a corpus costs a model."""

    alphabet: Alphabet
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
        """Return one row per symbol: record, position (0-based, in characters), symbol, bits."""
        import pandas as pd

        symbols = np.array([*self.alphabet, "N"])
        parts = []
        for record in self.records:
            columns = {
                "record": record.name,
                "position": np.arange(len(record.bits)),
                "symbol": symbols[record.codes],
                "bits": record.bits,
            }
            if record.vocabulary is not None:
                lengths = record.vocabulary.lengths(record.codes, record.spelled)
                columns["position"] = np.cumsum(lengths) - lengths
                columns["symbol"] = record.vocabulary.texts(record.codes, record.spelled)
            parts.append(pd.DataFrame(columns))
        return pd.concat(parts, ignore_index=True)


def with_spelling(found: RecordScore, record: Record, alphabet: Alphabet) -> RecordScore:
    """Return the score of a record of words with what it costs to spell the unknown ones; others stay as they are."""
    if not isinstance(alphabet, Vocabulary):
        return found
    bits = found.bits.astype(np.float64)
    bits[record.codes == alphabet.unknown] += alphabet.spelled_bits(record.spelled)
    return replace(found, bits=bits.astype(np.float32), spelled=record.spelled, vocabulary=alphabet)


def record_bits(runtime: Runtime, codes: Codes, config: LSTMConfig, *, mode: str, window: int) -> Bits:
    """Return the bits of each symbol of a record, (symbols,), as a model of this mode reads it."""
    boundary = config.n_outputs
    bits = np.full(len(codes), np.nan, np.float32)
    stream, _ = record_stream(codes, boundary)
    parts = list(forecasts(runtime, codes, config, mode=mode, window=window, pick=True))
    if parts:
        costs = np.concatenate(parts)[stream[1:] != boundary, 0]
        bits[codes != boundary] = np.where(costs >= 0, -np.log2(np.maximum(costs, LEAST)), np.nan)
    return bits


def forecasts(
    runtime: Runtime, codes: Codes, config: LSTMConfig, *, mode: str, window: int, pick: bool = False
) -> Iterator[Bits]:
    """Yield what a network says before each symbol of a record's stream but the first, (steps, outputs).

    Parameters
    ----------
    runtime
        The network, or what gives its hidden states.
    pick
        Keep only the output of the symbol that came, (steps, 1); of a boundary's, the last one.

    Yields
    ------
    Bits
        Rows below 0 where nothing is said: the first window of a record, in mode ``window``.
    """
    steps = _window_forecasts if mode == WINDOW else _stream_forecasts
    yield from steps(runtime, codes, config, window, pick)


def _stream_forecasts(runtime: Runtime, codes: Codes, config: LSTMConfig, window: int, pick: bool) -> Iterator[Bits]:
    boundary = config.n_outputs
    stream, places = record_stream(codes, boundary)
    if not len(places):
        return
    inputs, targets = stream[:-1], np.minimum(stream[1:], boundary - 1).astype(np.int64)
    spans = list(_spans(len(targets)))
    while spans:
        width = spans[0][2] - spans[0][0]
        some = [span for span in spans[: _ROWS * runtime.threads] if span[2] - span[0] == width]
        del spans[: len(some)]
        x = np.stack([inputs[begin:end] for begin, _, end in some])
        y = runtime.predict(x, chunk=width, context=0, batch_size=_ROWS)
        for row, (begin, low, end) in zip(y, some, strict=True):
            kept = row[low - begin :]
            yield kept[np.arange(end - low), targets[low:end]][:, None] if pick else kept


def _spans(length: int) -> Iterator[tuple[int, int, int]]:
    """Yield (begin, first step to keep, end) of windows that overlap by the warm-up."""
    low = 0
    while low < length:
        begin = max(0, low - WARM_UP)
        end = min(length, begin + WARM_UP + KEPT)
        yield begin, low, end
        low = end


def _window_forecasts(runtime: Runtime, codes: Codes, config: LSTMConfig, steps: int, pick: bool) -> Iterator[Bits]:
    """Yield the forecasts after whole windows, each read from a state of zeros."""
    boundary = config.n_outputs
    # Of a run of boundaries, the stream has the first; at the beginning, none but its own.
    kept = codes != boundary
    kept[1:] |= codes[:-1] != boundary
    kept[:1] = codes[:1] != boundary
    width = 1 if pick else runtime.n_outputs
    first = int(kept[:steps].sum())
    if first:
        yield np.full((first, width), -1, np.float32)
    if len(codes) <= steps:
        return
    view = np.lib.stride_tricks.sliding_window_view(codes, steps)[:-1]
    targets = np.minimum(codes[steps:], boundary - 1).astype(np.int64)
    for start in range(0, len(view), _WINDOWS * runtime.threads):
        part = slice(start, min(start + _WINDOWS * runtime.threads, len(view)))
        y = runtime.predict(encode_input(view[part], config), chunk=steps, context=0, batch_size=_WINDOWS)[:, -1]
        if pick:
            y = y[np.arange(len(y)), targets[part]][:, None]
        yield y[kept[steps:][part]]


def write_positions_header(stream: IO[str]) -> None:
    """Write the header of :func:`write_positions`."""
    stream.write("#record\tposition\tsymbol\tbits\n")


def write_positions(stream: IO[str], record: RecordScore, alphabet: Alphabet) -> None:
    """Write record, position (0-based, in characters), symbol and bits of each symbol that was predicted."""
    shown = ["".join(_ESCAPES.get(one, one) for one in symbol) for symbol in alphabet]
    known, positions, texts = record.places()
    for start in range(0, len(known), _LINES):
        part = slice(start, start + _LINES)
        at = known[part]
        symbols = (
            [shown[code] for code in record.codes[at].tolist()]
            if texts is None
            else ["".join(_ESCAPES.get(one, one) for one in text) for text in texts[part]]
        )
        rows = zip(positions[part].tolist(), symbols, record.bits[at].tolist(), strict=True)
        stream.writelines(f"{record.name}\t{position}\t{symbol}\t{bits:.4f}\n" for position, symbol, bits in rows)


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
