"""A mixture of a network, counts and copies, which learns from every symbol that it reads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from genolstm.errors import InputError
from genolstm.text.corpus import Codes
from genolstm.text.mixing import copies, counts, frames, mixer, slots
from genolstm.text.mixing.histories import transitions
from genolstm.text.settings import DNA, FORECASTS
from genolstm.threads import count_threads

_DNA_ORDERS = (1, 2, 3, 4, 6, 8, 9, 10, 11, 12, 13, 14, 16, 18, 20, 22, 24)
_TEXT_ORDERS = (
    *(0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 20, 24),
    *(counts.WORD, counts.TWO_WORDS, counts.THREE_WORDS, counts.SKIP, counts.SKIP_TWO),
)
#: From this order on, a context that was seen before is a repeat, in text; in DNA at first. There, words
#: of ever more bases come up by chance as more is read (mixer.BY_CHANCE).
_REPEAT_TEXT, _REPEAT_DNA = 12, 2
# Symbols that must agree before a copy is followed (in DNA on both strands), and orders of the contexts that vote.
_DNA_COPIES, _DNA_VOTES = (32, 20, 14, 11), (20, 16, 12)
_TEXT_COPIES = (20, 7)
#: Misses among 32 after which a copy is given up.
_DNA_MISSES, _TEXT_MISSES = 16, 8
#: Slots of a table at first and at most, and places of a copy model, as powers of two: tables grow to 64 MB
#: (DNA) or 32 MB for each context.
_FIRST_SLOTS, _DNA_SLOTS, _TEXT_SLOTS = 12, 22, 20
_PLACES = 20
_NODE_BITS = 3
#: Texts change what they say of a context, genomes hardly do: counts at which chances settle.
_DNA_LIMIT, _TEXT_LIMIT = 63, 40
_EXACT_COUNTS = 30
_GROWTH = 1.12
_DNA_SELECTORS, _TEXT_SELECTORS, _VALUES = 5, 4, 1024
_STAGES, _STAGE_VALUES = 2, 1 << 16
#: Rates of the mixer (at first, in the end, symbols until it is half way), of its last layer, and of the refinement.
_RATES = (0.02, 0.0015, 20_000, 0.002, 0.02)
#: Of the trust in copies, and of the meanings of histories.
_TRUST_RATE, _MEANING_RATE = np.float32(0.02), np.float32(0.01)
_LONGEST = 1 << 31
_FIRST_SIZE = 1 << 16
#: Bits that are mixed at a time: what is said of them fits the cache.
_BLOCK = 4096


class Mixed(NamedTuple):
    """What some symbols cost, (symbols,); NaN for a boundary."""

    bits: npt.NDArray[np.float32]
    plain: npt.NDArray[np.float32]
    """What they would have cost without repeats; empty if not asked for."""
    shares: npt.NDArray[np.float32]
    """By :data:`FORECASTS`, whose the forecasts were, (symbols, groups); empty if not asked for."""


class _Block:
    """What is said of some symbols, before they are mixed."""

    def __init__(self, n_symbols: int, n_bits: int, n_inputs: int, n_copies: int) -> None:
        self.x = np.zeros((n_symbols * n_bits, n_inputs), np.float32)
        self.lengths = np.zeros((n_symbols, n_copies + 1), np.int8)
        self.frames = np.zeros(n_symbols, np.int8)


class Mixture:
    """Context models, copy models and a network's forecasts, mixed by weights that learn.

    Each symbol is predicted as a series of binary choices, and learned when it has been predicted.
    All that was read counts, over records.

    What each context and each copy model says depends on none of the others, nor on the mixer: they are taken
    through a block of symbols one by one, by several threads, while the block before is mixed.

    Parameters
    ----------
    alphabet
        The symbols, in the order of their codes.
    symbols
        ``text`` or ``dna``; DNA is learned on both strands.
    threads
        Threads to use; 0 means all cores. They change no byte.
    """

    def __init__(self, alphabet: str, symbols: str, *, threads: int = 1) -> None:
        self.n_symbols = n_symbols = len(alphabet)
        self.threads = threads
        self._dna = dna = symbols == DNA
        n_bits = max(1, (n_symbols - 1).bit_length())
        group = min(_NODE_BITS, n_bits)
        self._sizes = np.array([n_symbols, n_bits, group, int(dna)], np.int64)
        self._orders = _DNA_ORDERS if dna else _TEXT_ORDERS
        lengths = _DNA_COPIES if dna else _TEXT_COPIES
        votes = _DNA_VOTES if dna else ()
        strands = 2 if dna else 1
        n_contexts, n_copies = len(self._orders), strands * len(lengths) + len(votes)
        self._lengths = [(length, strands * place, strands * (place + 1)) for place, length in enumerate(lengths)]
        self._voters = {order: strands * len(lengths) + place for place, order in enumerate(votes)}
        self._most = _DNA_MISSES if dna else _TEXT_MISSES
        self._limit = _DNA_LIMIT if dna else _TEXT_LIMIT
        self._bits = _FIRST_SLOTS
        self._most_bits = _DNA_SLOTS if dna else _TEXT_SLOTS
        # Slots that a symbol may take: for both strands, or for each group of its bits. Tables grow when symbols might
        # have filled them; fewer have, as words come again.
        self._taken = 2 if dna else -(-n_bits // group)
        # There are so many words of so many bases.
        self._caps = [min(self._most_bits, 2 * order + 1 if dna else self._most_bits) for order in self._orders]
        self._slots = [np.zeros(1 << min(self._bits, cap) << group, np.uint32) for cap in self._caps]
        self._meanings = np.full((n_contexts, 256), 0.5, np.float32)
        self._after = transitions()
        # A chance settles by counts that grow ever more slowly.
        steps = np.arange(slots.COUNTS)
        reached = np.where(
            steps < _EXACT_COUNTS, steps, _EXACT_COUNTS * _GROWTH ** np.maximum(steps - _EXACT_COUNTS, 0.0)
        )
        self._moves = np.floor(65536 / (reached + 1.6)).astype(np.int64)
        # Of how many symbols one raises a count, a power of two.
        doublings = np.round(np.log2(np.maximum(1, reached * (_GROWTH - 1)))).astype(np.int64)
        self._holds = np.where(steps < _EXACT_COUNTS, 1, 1 << doublings)
        grid = (np.arange(slots.FINE) + 0.5) / slots.FINE
        self._stretched = np.log(grid / (1 - grid)).astype(np.float32)
        self._copies = np.zeros((n_copies, copies.FIELDS), np.int64)
        self._copies[:, copies.PLACE] = -1
        self._votes = np.zeros((n_copies, 3), np.uint64)
        self._found = np.zeros((len(lengths), 1 << _PLACES), np.int32)
        self._trust = np.full((n_copies, 4 * slots.LENGTHS * slots.MISSES), 0.9, np.float32)
        self._words = np.zeros((n_contexts, 3), np.uint64)
        letters = [ord(symbol.casefold()[0]) if symbol.isalnum() else 0 for symbol in alphabet]
        self._letters = np.array([*letters, 0], np.int64)
        self._codons, self._gap = frames.new_codons(), np.zeros(1, np.int64)
        self._belief = np.full(frames.STATES, 1 / frames.STATES, np.float32)
        self._said = np.zeros((frames.STATES + 1, 4), np.float32)
        self._mixer = self._new_mixer(n_contexts, n_copies)
        self._seq = np.zeros(_FIRST_SIZE, np.int32)
        self._size = 0

    def _new_mixer(self, n_contexts: int, n_copies: int) -> mixer.Weights:
        """Return the weights before anything was read."""
        orders = np.array(self._orders, np.int64)
        of_copies = 2 * n_contexts
        of_frames = of_copies + n_copies
        used = of_frames + 3  # the network, and a constant
        n_inputs = -(-used // mixer.LANES) * mixer.LANES
        weights = np.zeros((_DNA_SELECTORS if self._dna else _TEXT_SELECTORS, _VALUES, n_inputs), np.float32)
        weights[:, :, :of_copies] = 2.4 / n_contexts
        weights[:, :, of_copies : used - 1] = 0.3
        repeats = np.ones(n_inputs, np.float32)
        repeats[:of_copies] = np.repeat(orders < (_REPEAT_DNA if self._dna else _REPEAT_TEXT), 2)
        repeats[of_copies:of_frames] = 0
        whose = np.full(n_inputs, mixer.COUNTS, np.int64)
        kinds = np.zeros(n_copies, np.int8)
        for _, first, last in self._lengths:
            kinds[first + 1 : last] = 1
            whose[of_copies + first] = mixer.REPEAT
            whose[of_copies + first + 1 : of_copies + last] = mixer.INVERTED
        whose[of_frames + 1] = mixer.NETWORK
        odds = np.linspace(-mixer.FAR, mixer.FAR, mixer.BUCKETS)
        return mixer.Weights(
            sizes=self._sizes,
            orders=orders,
            weights=weights,
            final=np.full((_VALUES, len(weights)), 1 / len(weights), np.float32),
            plain=weights[0].copy(),
            repeats=repeats,
            whose=whose,
            refined=np.tile((1 / (1 + np.exp(-odds))).astype(np.float32), (_STAGES, _STAGE_VALUES, 1)),
            rates=np.array(_RATES, np.float32),
            kinds=kinds,
            clock=np.array([0, _REPEAT_DNA], np.int64),
            which=np.zeros(len(weights), np.int64),
            outs=np.zeros(len(weights), np.float32),
            reached=np.zeros(self.n_symbols + 1, np.float64),
            shares=np.zeros((2, mixer.GROUPS), np.float32),
            kept=np.zeros(n_inputs, np.float32),
        )

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
        most = max(1, _BLOCK // int(self._sizes[slots.BITS]))
        with ExitStack() as stack:
            helpers = min(count_threads(self.threads) - 1, len(self._orders)) if len(codes) > most else 0
            pool = stack.enter_context(ThreadPoolExecutor(helpers)) if helpers else None
            shape = self._mixer.weights.shape[2], len(self._copies)
            blocks = [
                _Block(min(most, len(codes)), int(self._sizes[slots.BITS]), *shape)
                for _ in range(2 if len(codes) > most else 1)
            ]
            waiting: Callable[[], None] | None = None
            place = start
            while place < stop or waiting is not None:
                if place < stop and self._bits < self._most_bits and place >= self._full():
                    # Tables grow after so many symbols, however these are dealt out.
                    self._grow()
                    continue
                tasks: deque[Callable[[], None]] = deque()
                then = None
                if place < stop:
                    end = min(stop, place + most)
                    if self._bits < self._most_bits:
                        end = min(end, self._full())
                    block = blocks[0]
                    tasks.extend(self._tasks(block, place, end))
                    part = slice(place - start, end - start)
                    then = partial(
                        mixer.mix, self._mixer, self._seq, place, end, block.x, block.lengths, block.frames,
                        chances[part], bits[part], plain[part], shares[part],
                    )  # fmt: skip
                    place = end
                    blocks.reverse()
                futures = [pool.submit(_work, tasks) for _ in range(helpers)] if pool is not None and tasks else []
                if waiting is not None:
                    waiting()
                _work(tasks)
                for future in futures:
                    future.result()
                waiting = then
                if waiting is not None and len(blocks) == 1:
                    waiting()
                    waiting = None
        return Mixed(bits, plain, shares)

    def loops(self) -> list[Callable[[], None]]:
        """Return what runs each loop on a few symbols, in the order in which :meth:`read` comes to them.

        It is there to have them compiled by several processes at the same time, and leaves a mixture unfit for reading.
        """
        size = 4
        block = _Block(size, int(self._sizes[slots.BITS]), self._mixer.weights.shape[2], len(self._copies))
        bits, plain = np.zeros(size, np.float32), np.zeros(0, np.float32)
        silent, shares = np.zeros((0, self.n_symbols), np.float32), np.zeros((0, len(FORECASTS)), np.float32)
        shown = block.x, block.lengths, block.frames
        mixing = partial(mixer.mix, self._mixer, self._seq, 0, size, *shown, silent, bits, plain, shares)
        return [*self._tasks(block, 0, size), mixing]

    def _full(self) -> int:
        return (1 << self._bits) // self._taken

    def _tasks(self, block: _Block, start: int, stop: int) -> list[Callable[[], None]]:
        """Return what has to be done before a block is mixed, in any order."""
        tasks: list[Callable[[], None]] = [
            partial(self._count, block, start, stop, place) for place in range(len(self._orders))
        ]
        of_copies = 2 * len(self._orders)
        tasks += [partial(self._copy, block, start, stop, place) for place in range(len(self._lengths))]
        used = of_copies + len(self._copies)
        block.x[:, used + 2] = mixer.BIAS
        if self._dna:
            own = self._codons, self._belief, self._gap, self._said
            tasks.append(partial(frames.read_frames, self._seq, start, stop, *own, block.x, used, block.frames))
        return tasks

    def _copy(self, block: _Block, start: int, stop: int, place: int) -> None:
        length, first, last = self._lengths[place]
        keys, others = np.empty((2, stop - start), np.int64)
        copies.places_of(self._seq, start, stop, length, self._sizes, (1 << _PLACES) - 1, keys, others)
        copies.follow(
            self._seq, start, keys, others, length, self._most, self._sizes, self._copies, first, last,
            self._found[place], self._trust, _TRUST_RATE, self._stretched, block.x, 2 * len(self._orders),
            block.lengths,
        )  # fmt: skip

    def _count(self, block: _Block, start: int, stop: int, place: int) -> None:
        order, shift = self._orders[place], 32 - min(self._bits, self._caps[place])
        keys = np.empty(stop - start, np.uint64)
        learning = self._meanings[place], self._after, self._moves, self._holds, self._stretched, _MEANING_RATE
        shown = block.x, 2 * place
        if not self._dna:
            counts.keys_of_text(self._seq, start, stop, order, self.n_symbols, self._letters, self._words[place], keys)
            counts.count_text(
                self._seq, start, keys, self._sizes, shift, self._limit, self._slots[place], *learning, *shown
            )
            return
        others = np.empty(stop - start, np.uint64)
        counts.keys_of_dna(self._seq, start, stop, order, keys, others)
        counts.count_dna(
            self._seq, start, keys, others, order, shift, self._limit, self._slots[place], *learning, *shown,
            self._voters.get(order, -1), self._most, self._copies, self._votes, self._trust, _TRUST_RATE,
            2 * len(self._orders), block.lengths,
        )  # fmt: skip

    def _grow(self) -> None:
        """Double the tables."""
        self._bits += 1
        group = int(self._sizes[slots.GROUP])
        for place, (table, cap) in enumerate(zip(self._slots, self._caps, strict=True)):
            if self._bits <= cap:
                larger = np.zeros(2 * len(table), np.uint32)
                slots.grow(table, larger, 32 - self._bits, group)
                self._slots[place] = larger


def _work(tasks: deque[Callable[[], None]]) -> None:
    """Do tasks until none is left that nobody has begun."""
    while True:
        try:
            task = tasks.popleft()
        except IndexError:
            return
        task()
