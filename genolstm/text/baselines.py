"""What a model must beat: Markov models of order k with back-off, and compressors.

The Markov model interpolates all orders from k down to 0. At order j, the chance of a symbol
after a context seen n times, with d different symbols after it, is::

    P_j(symbol) = (count(symbol) + a_j * d * P_{j-1}(symbol)) / (n + a_j * d)

With a_j = 1 this is Witten and Bell's method C. On request each a_j is chosen, order by order, on
a validation stream or, without one, on the last tenth of the training symbols.

References
----------
Witten, I. H. and Bell, T. C. (1991), The zero-frequency problem: estimating the probabilities of
novel events in adaptive text compression. IEEE Transactions on Information Theory 37, 1085-1094.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from genolstm.errors import SettingError
from genolstm.text.settings import MAX_ORDER

Codes = npt.NDArray[np.integer]

WEIGHTS = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
_TUNING_SHARE = 0.1
# Odd, so that multiplying by it modulo 2**64 can be undone: no context is lost.
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


@dataclass
class MarkovModel:
    """An order-k Markov model with interpolated back-off.

    Parameters
    ----------
    order
        Number of context symbols, 0 to 16.
    n_symbols
        Number of symbols; codes from ``n_symbols`` on (boundaries, unknown bases) are never
        predicted, but contexts may hold them.
    """

    order: int
    n_symbols: int
    weights: list[float] = field(default_factory=list)
    """a_j of each order from 0 on."""
    _tables: list[_Table] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        if not 0 <= self.order <= MAX_ORDER:
            raise SettingError(f"order is {self.order}, it must be between 0 and {MAX_ORDER}")
        if self.n_symbols < 1:
            raise SettingError(f"n_symbols is {self.n_symbols}, at least 1 is needed")

    def fit(self, stream: Codes, *, tune: bool = False, validation: Codes | None = None) -> MarkovModel:
        """Count a stream of codes, (symbols,); with ``tune``, choose the back-off weights.

        Parameters
        ----------
        validation
            Stream on which the weights are chosen, given the counts of ``stream``; it is not
            counted itself. By default the last tenth of ``stream``.

        Raises
        ------
        SettingError
            The stream holds no symbol to learn from.
        """
        stream = np.asarray(stream)
        if not (stream < self.n_symbols).any():
            raise SettingError("there is nothing to count")
        self.weights = [1.0] * (self.order + 1)
        if tune and validation is not None:
            self._count(stream)
            self._tune(np.asarray(validation), 0)
            return self
        border = len(stream) - int(len(stream) * _TUNING_SHARE)
        if tune and len(stream) - border > self.order + 1:
            self._count(stream[:border])
            self._tune(stream[max(0, border - self.order) :], min(border, self.order))
        self._count(stream)
        return self

    def recount(self, stream: Codes) -> MarkovModel:
        """Count another stream instead, such as training and validation; keep the weights."""
        self._count(np.asarray(stream))
        return self

    def bits(self, stream: Codes) -> npt.NDArray[np.float64]:
        """Return the surprise of each symbol in bits, (symbols,); NaN where none is predicted.

        The first symbols are predicted from what little precedes them.
        """
        return self.bits_by_order(stream)[-1]

    def bits_by_order(self, stream: Codes) -> list[npt.NDArray[np.float64]]:
        """Return :meth:`bits` for every order from 0 to the model's own: at no extra cost."""
        stream = np.asarray(stream)
        contexts = _Contexts(stream)
        known = stream < self.n_symbols
        probability = np.full(len(stream), 1.0 / self.n_symbols)
        result = []
        for order, table in enumerate(self._tables):
            probability = _interpolate(probability, *table.look_up(contexts, order), self.weights[order])
            with np.errstate(divide="ignore"):
                result.append(np.where(known, -np.log2(probability), np.nan))
        return result

    @property
    def n_counts(self) -> int:
        """Number of counts: of different symbols after different contexts, of all orders."""
        return sum(len(table.pairs) for table in self._tables)

    def cut(self, order: int) -> MarkovModel:
        """Return the model of a lower order with the same counts and weights."""
        return MarkovModel(order, self.n_symbols, self.weights[: order + 1], self._tables[: order + 1])

    def sample(self, count: int, length: int, random: np.random.Generator) -> npt.NDArray[np.uint8]:
        """Draw symbols one after the other, the first ones after shorter contexts.

        Parameters
        ----------
        count, length
            Number of samples, which are drawn side by side, and of symbols of each.

        Returns
        -------
        (count, length) of codes.
        """
        made = np.zeros((count, length), np.uint8 if self.n_symbols <= 256 else np.uint32)
        each = np.arange(1, self.n_symbols + 1, dtype=np.uint64)
        for place in range(length):
            probability = np.full((count, self.n_symbols), 1.0 / self.n_symbols)
            names = np.zeros(count, np.uint64)
            for order in range(min(place, self.order) + 1):
                if order:
                    names = _mixed(names) + made[:, place - order].astype(np.uint64) + np.uint64(1)
                found = self._tables[order].follow(names, each)
                probability = _interpolate(probability, *found, self.weights[order])
            reached = probability.cumsum(axis=1)
            drawn = random.random(count) * reached[:, -1]
            made[:, place] = np.minimum((reached <= drawn[:, None]).sum(axis=1), self.n_symbols - 1)
        return made

    def _count(self, stream: Codes) -> None:
        contexts = _Contexts(stream)
        self._tables = [_Table.count(contexts, order, self.n_symbols) for order in range(self.order + 1)]

    def _tune(self, stream: Codes, skip: int) -> None:
        contexts = _Contexts(stream)
        judged = (stream < self.n_symbols) & (np.arange(len(stream)) >= skip)
        if not judged.any():
            return
        probability = np.full(len(stream), 1.0 / self.n_symbols)
        for order, table in enumerate(self._tables):
            found = table.look_up(contexts, order)
            tried = [_interpolate(probability, *found, weight) for weight in WEIGHTS]
            losses = [-np.log2(one[judged]).mean() for one in tried]
            best = int(np.argmin(losses))
            self.weights[order], probability = WEIGHTS[best], tried[best]


class _Contexts:
    """Identifies each position's context of every order by one 64-bit number."""

    def __init__(self, stream: Codes) -> None:
        # 1 is added so that a context of zeros differs from a shorter one.
        self.symbols = np.asarray(stream).astype(np.uint64) + np.uint64(1)
        self.hashes = [np.zeros(len(self.symbols), np.uint64)]

    def of(self, order: int) -> npt.NDArray[np.uint64]:
        """Return the name of the ``order`` symbols before each position."""
        while len(self.hashes) <= order:
            depth = len(self.hashes)
            last = _mixed(self.hashes[-1])
            last[depth:] += self.symbols[:-depth]
            self.hashes.append(last)
        return self.hashes[order]


def _mixed(names: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Return names of contexts, mixed before the next symbol is added to them.

    64 bits hold far more than any text's contexts without a clash.
    """
    last = names.copy()
    last ^= last >> np.uint64(29)
    last *= _MULTIPLIER
    return last


@dataclass
class _Table:
    """Counts of one order, sorted by context."""

    contexts: npt.NDArray[np.uint64]
    totals: npt.NDArray[np.int64]
    kinds: npt.NDArray[np.int64]
    pairs: npt.NDArray[np.uint64]
    counts: npt.NDArray[np.int64]

    @classmethod
    def count(cls, contexts: _Contexts, order: int, n_symbols: int) -> _Table:
        # The first symbols have no whole context, and boundaries are not predicted.
        used = contexts.symbols <= n_symbols
        used[:order] = False
        names, symbols = contexts.of(order)[used], contexts.symbols[used]
        pairs, first, counts = np.unique(_pair(names, symbols), return_index=True, return_counts=True)
        owners, place = np.unique(names[first], return_inverse=True)
        totals = np.bincount(place, counts, len(owners)).astype(np.int64)
        return cls(owners, totals, np.bincount(place, minlength=len(owners)), pairs, counts)

    def look_up(
        self, contexts: _Contexts, order: int
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return the counts of context and symbol and of the context, and how many symbols follow it."""
        names = contexts.of(order)
        found, at = _find(self.contexts, names)
        found[:order] = False
        together, pair_at = _find(self.pairs, _pair(names, contexts.symbols))
        zero = np.zeros(len(names), np.int64)
        count, total, kinds = zero, zero.copy(), zero.copy()
        together &= found
        count[together] = self.counts[pair_at[together]]
        total[found], kinds[found] = self.totals[at[found]], self.kinds[at[found]]
        return count, total, kinds

    def follow(
        self, names: npt.NDArray[np.uint64], symbols: npt.NDArray[np.uint64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return the same of each symbol after each context: (contexts, symbols), and twice (contexts, 1)."""
        found, at = _find(self.contexts, names)
        together, pair_at = _find(self.pairs, _pair(names[:, None], symbols))
        zero = np.zeros(len(names), np.int64)
        count, total, kinds = np.zeros(together.shape, np.int64), zero, zero.copy()
        together &= found[:, None]
        count[together] = self.counts[pair_at[together]]
        total[found], kinds[found] = self.totals[at[found]], self.kinds[at[found]]
        return count, total[:, None], kinds[:, None]


def _pair(names: npt.NDArray[np.uint64], symbols: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    mixed = names ^ (names >> np.uint64(31))
    result: npt.NDArray[np.uint64] = mixed * _MULTIPLIER + symbols
    return result


def _find(
    table: npt.NDArray[np.uint64], wanted: npt.NDArray[np.uint64]
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
    if not len(table):
        return np.zeros(len(wanted), bool), np.zeros(len(wanted), np.int64)
    at = np.minimum(np.searchsorted(table, wanted), len(table) - 1)
    return table[at] == wanted, at


def _interpolate(
    lower: npt.NDArray[np.float64],
    count: npt.NDArray[np.int64],
    total: npt.NDArray[np.int64],
    kinds: npt.NDArray[np.int64],
    weight: float,
) -> npt.NDArray[np.float64]:
    seen = total > 0
    escape = weight * kinds
    result: npt.NDArray[np.float64] = np.where(
        seen, (count + escape * lower) / np.where(seen, total + escape, 1.0), lower
    )
    return result


def markov_bits(training: Codes, held_out: Codes, n_symbols: int, *, max_order: int = 12) -> dict[str, list[float]]:
    """Return held-out bits per symbol of every order from 0 to ``max_order``.

    Parameters
    ----------
    training, held_out
        Streams of codes, (symbols,).

    Returns
    -------
    dict
        ``witten-bell``: all a_j = 1. ``tuned``: chosen on the end of the training stream, which
        helps if the held-out stream is like that end, and hurts if not.
    """
    result = {}
    for name in ("witten-bell", "tuned"):
        model = MarkovModel(max_order, n_symbols).fit(training, tune=name == "tuned")
        result[name] = [float(np.nanmean(bits)) for bits in model.bits_by_order(held_out)]
    return result


def _compress(name: str) -> Callable[[bytes], bytes]:
    import bz2
    import lzma

    if name == "bzip2":
        return lambda data: bz2.compress(data, 9)
    # What `xz -9e` writes, container included, as a user would measure it.
    return lambda data: lzma.compress(data, preset=9 | lzma.PRESET_EXTREME)


COMPRESSORS = ("bzip2", "xz")


def compressor_bits(
    held_out: bytes, n_symbols: int, *, training: bytes | None = None, names: Sequence[str] = ()
) -> dict[str, float]:
    """Return bits per symbol of ``bzip2 -9`` and ``xz -9e`` on held-out bytes.

    Parameters
    ----------
    held_out
        The bytes to compress.
    n_symbols
        Number of symbols that they stand for.
    training
        If given, the compressor reads these bytes first, and only what the held-out ones add to
        the compressed length is counted. bzip2 sees 900 kB at a time and gains little.
    """
    if n_symbols < 1:
        raise SettingError("there is nothing to compress")
    result = {}
    for name in names or COMPRESSORS:
        compress = _compress(name)
        size = len(compress((training or b"") + held_out))
        if training:
            size -= len(compress(training))
        result[name] = 8 * size / n_symbols
    return result
