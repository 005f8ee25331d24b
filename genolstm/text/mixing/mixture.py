"""A mixture of a network, counts and copies, which learns from every symbol that it reads."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from genolstm.errors import InputError
from genolstm.text.corpus import Codes
from genolstm.text.mixing import kernel
from genolstm.text.mixing.histories import transitions
from genolstm.text.settings import DNA, FORECASTS

_DNA_ORDERS = (1, 2, 3, 4, 6, 8, 9, 10, 11, 12, 13, 14, 16, 18, 20, 22, 24)
_TEXT_ORDERS = (
    *(0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 20, 24),
    *(kernel.WORD, kernel.TWO_WORDS, kernel.THREE_WORDS, kernel.SKIP, kernel.SKIP_TWO),
)
#: From this order on, a context that was seen before is a repeat, in text; in DNA at first. There, words
#: of ever more bases come up by chance as more is read (kernel.BY_CHANCE).
_REPEAT_TEXT, _REPEAT_DNA = 12, 2
# Symbols that must agree before a copy model follows, and the misses among 32 after which it gives up.
_DNA_COPIES = (
    *((length, 16, kernel.FORWARD) for length in (32, 20, 14, 11)),
    *((length, 16, kernel.OTHER_STRAND) for length in (32, 20, 14, 11)),
    (16, 16, kernel.TOLERANT),
)
_TEXT_COPIES = ((20, 8, kernel.FORWARD), (7, 8, kernel.FORWARD))
#: Slots of a table at first and at most, and places of a copy model, as powers of two: tables grow to 64 MB
#: (DNA) or 32 MB for each context.
_FIRST_SLOTS, _DNA_SLOTS, _TEXT_SLOTS = 12, 22, 20
_PLACES = 20
_NODE_BITS = 3
#: Texts change what they say of a context, genomes hardly do: counts at which chances settle.
_DNA_LIMIT, _TEXT_LIMIT = 63, 40
_COUNTS = 64
_EXACT_COUNTS = 30
_GROWTH = 1.12
_SELECTORS, _VALUES = 4, 1024
_FINE = 4096
_STAGES, _STAGE_VALUES = 2, 1 << 16
#: Rates of the mixer (at first, in the end, symbols until it is half way), of its last layer, of the
#: refinement, of the trust in copies and of the meanings of histories.
_RATES = (0.02, 0.0015, 20_000, 0.002, 0.02, 0.02, 0.01)
_LONGEST = 1 << 31
_FIRST_SIZE = 1 << 16


class Mixed(NamedTuple):
    """What some symbols cost, (symbols,); NaN for a boundary."""

    bits: npt.NDArray[np.float32]
    plain: npt.NDArray[np.float32]
    """What they would have cost without repeats; empty if not asked for."""
    shares: npt.NDArray[np.float32]
    """By :data:`FORECASTS`, whose the forecasts were, (symbols, groups); empty if not asked for."""


class Mixture:
    """Context models, copy models and a network's forecasts, mixed by weights that learn.

    Each symbol is predicted as a series of binary choices, and learned when it has been predicted.
    All that was read counts, over records.

    Parameters
    ----------
    alphabet
        The symbols, in the order of their codes.
    symbols
        ``text`` or ``dna``; DNA is learned on both strands.
    """

    def __init__(self, alphabet: str, symbols: str) -> None:
        self.n_symbols = len(alphabet)
        self._state = _new_state(alphabet, symbols == DNA)
        self._seq = np.zeros(_FIRST_SIZE, np.int32)
        self._size = 0
        self._bits = _FIRST_SLOTS
        self._most_bits = _DNA_SLOTS if symbols == DNA else _TEXT_SLOTS
        # Slots that a symbol may take: for both strands, or for each group of its bits.
        n_bits, node_bits = self._state.sizes[1:3].tolist()
        self._taken = 2 if symbols == DNA else -(-n_bits // node_bits)

    def read(self, codes: Codes, chances: npt.NDArray[np.float32] | None = None, *, explained: bool = False) -> Mixed:
        """Predict and learn some symbols.

        Parameters
        ----------
        codes
            Codes of symbols; that of a boundary is the number of symbols.
        chances
            What the network says of each, (symbols, alphabet), before it has read it; rows below 0
            where it says nothing.
        explained
            Whether shares and costs without repeats are wanted, too.

        Raises
        ------
        InputError
            Two thousand million symbols are exceeded.
        """
        start, stop = self._size, self._size + len(codes)
        if stop >= _LONGEST:
            raise InputError(f"more than {_LONGEST:,} symbols cannot be mixed", hint="score them in parts")
        if stop > len(self._seq):
            longer = np.zeros(max(stop, 2 * len(self._seq)), self._seq.dtype)
            longer[:start] = self._seq[:start]
            self._seq = longer
        self._seq[start:stop] = codes
        self._size = stop
        bits = np.full(len(codes), np.nan, np.float32)
        size = len(codes) if explained else 0
        plain = np.full(size, np.nan, np.float32)
        shares = np.full((size, len(FORECASTS)), np.nan, np.float32)
        if chances is None:
            chances = np.zeros((0, self.n_symbols), np.float32)
        place = start
        while place < stop:
            # Tables grow after so many symbols, however these are dealt out.
            end = stop
            if self._bits < self._most_bits:
                full = (1 << self._bits) // (2 * self._taken)
                end = min(stop, full)
                if place >= full:
                    self._grow()
                    continue
            part = slice(place - start, end - start)
            kernel.read(self._state, self._seq, place, end, chances[part], bits[part], plain[part], shares[part])
            place = end
        return Mixed(bits, plain, shares)

    def _grow(self) -> None:
        """Double the tables."""
        self._bits += 1
        state = self._state
        node_bits = int(state.sizes[2])
        slots = np.zeros((len(state.slots), 1 << self._bits << node_bits), np.uint32)
        state.sizes[4] = 32 - self._bits
        kernel.grow(state.slots, slots, 32 - self._bits, node_bits)
        self._state = state._replace(slots=slots)


def _new_state(alphabet: str, dna: bool) -> kernel.State:
    """Return the state before anything was read."""
    n_symbols = len(alphabet)
    n_bits = max(1, (n_symbols - 1).bit_length())
    node_bits = min(_NODE_BITS, n_bits)
    orders = np.array(_DNA_ORDERS if dna else _TEXT_ORDERS, np.int64)
    copying = np.zeros((len(_DNA_COPIES if dna else _TEXT_COPIES), 4), np.int64)
    for row, (length, misses, kind) in zip(copying, _DNA_COPIES if dna else _TEXT_COPIES, strict=True):
        row[:3] = length, misses, kind
        if kind == kernel.TOLERANT:
            row[3] = np.flatnonzero(orders == length)[0]
    n_contexts, n_copies = len(orders), len(copying)
    n_inputs = 2 * n_contexts + n_copies + 2  # the network, and a constant
    # A chance settles by counts that grow ever more slowly.
    counts = np.arange(_COUNTS)
    reached = np.where(
        counts < _EXACT_COUNTS, counts, _EXACT_COUNTS * _GROWTH ** np.maximum(counts - _EXACT_COUNTS, 0.0)
    )
    holds = np.where(counts < _EXACT_COUNTS, 1, np.maximum(1, np.round(reached * (_GROWTH - 1)))).astype(np.int64)
    grid = (np.arange(_FINE) + 0.5) / _FINE
    weights = np.zeros((_SELECTORS, _VALUES, n_inputs), np.float32)
    weights[:, :, : 2 * n_contexts] = 2.4 / n_contexts
    weights[:, :, 2 * n_contexts : -1] = 0.3
    repeats = np.ones(n_inputs, np.float32)
    repeats[: 2 * n_contexts] = np.repeat(orders < (_REPEAT_DNA if dna else _REPEAT_TEXT), 2)
    repeats[2 * n_contexts : -2] = 0
    whose = np.full(n_inputs, kernel.COUNTS, np.int64)
    # What votes is counted on both strands.
    of_kind = {kernel.FORWARD: kernel.REPEAT, kernel.OTHER_STRAND: kernel.INVERTED, kernel.TOLERANT: kernel.COUNTS}
    whose[2 * n_contexts : -2] = [of_kind[kind] for kind in copying[:, 2].tolist()]
    whose[-2] = kernel.NETWORK
    odds = np.linspace(-kernel.FAR, kernel.FAR, kernel.BUCKETS)
    slots = 1 << _FIRST_SLOTS
    letters = [ord(symbol.casefold()[0]) if symbol.isalnum() else 0 for symbol in alphabet]
    return kernel.State(
        sizes=np.array([n_symbols, n_bits, node_bits, int(dna), 32 - _FIRST_SLOTS, (1 << _PLACES) - 1], np.int64),
        orders=orders,
        limits=np.full(n_contexts, _DNA_LIMIT if dna else _TEXT_LIMIT, np.int64),
        slots=np.zeros((n_contexts, slots << node_bits), np.uint32),
        meanings=np.full((n_contexts, 256), 0.5, np.float32),
        copies=np.full((n_copies, kernel.FIELDS), -1, np.int64),
        copying=copying,
        found=np.zeros((n_copies, 1 << _PLACES), np.int32),
        trust=np.full((n_copies, 4 * kernel.LENGTHS * kernel.MISSES), 0.9, np.float32),
        weights=weights,
        final=np.full((_VALUES, _SELECTORS), 1 / _SELECTORS, np.float32),
        plain=weights[0].copy(),
        repeats=repeats,
        whose=whose,
        refined=np.tile((1 / (1 + np.exp(-odds))).astype(np.float32), (_STAGES, _STAGE_VALUES, 1)),
        rates=np.array(_RATES, np.float32),
        after=transitions(),
        moves=np.floor(65536 / (reached + 1.6)).astype(np.int64),
        holds=holds,
        letters=np.array([*letters, 0], np.int64),
        stretched=np.log(grid / (1 - grid)).astype(np.float32),
        clock=np.array([0, 0, _REPEAT_DNA], np.int64),
        words=np.zeros(3, np.uint64),
    )
