"""Counts: of each context apart, what it says of some symbols, and what it learns from them.

A context's table depends on no other's, nor on the mixer. So each is taken through a block of symbols by
itself, in any thread; what it says of a symbol it has said before it learned it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from genolstm.compiled import compiled
from genolstm.text.mixing.copies import HISTORY, MISSED, PLACE, SYMBOL, remember, say
from genolstm.text.mixing.slots import (
    AHEAD,
    BITS,
    FINE,
    GROUP,
    ODD,
    OTHER,
    SYMBOLS,
    TURN,
    ahead,
    find,
    learned,
    mixed,
    slot,
)  # fmt: skip

MOST_MISSES = 8
WORD, TWO_WORDS, THREE_WORDS, SKIP, SKIP_TWO = -1, -2, -3, -4, -5


@compiled(error_model="numpy", _nrt=False)
def keys_of_dna(seq: Any, start: Any, stop: Any, order: Any, keys: Any, others: Any) -> None:
    """Hash the last ``order`` bases before each symbol, and those after it as the other strand has them; 0: unknown."""
    under = (np.uint64(1) << np.uint64(2 * order)) - np.uint64(1)
    salt = np.uint64(order + 1) * OTHER
    away = np.uint64(64 - 2 * order)
    word = np.uint64(0)
    other = np.uint64(0)
    run = 0
    for i in range(max(0, start - order), stop):
        if i >= start:
            keys[i - start] = np.uint64(0)
            others[i - start] = np.uint64(0)
            if run >= order:
                keys[i - start] = mixed((word & under) + salt)
        base = np.int64(seq[i])
        if base > 3:
            run = 0
            continue
        run += 1
        word = (word << np.uint64(2)) | np.uint64(base)
        other = (other >> np.uint64(2)) | (np.uint64(3 - base) << np.uint64(62))
        if i >= start and run > order:
            others[i - start] = mixed((other >> away) + salt)


@compiled(error_model="numpy", _nrt=False)
def keys_of_text(
    seq: Any, start: Any, stop: Any, order: Any, n_symbols: Any, letters: Any, words: Any, keys: Any
) -> None:
    """Hash the context before each symbol.

    Parameters
    ----------
    order
        Its symbols; below 0, its kind.
    letters
        Of each code, its letter in either case, or 0.
    words
        The word so far, and the two before it; kept up.
    """
    if order >= 0:
        value = np.uint64(0)
        gone = np.uint64(1)
        for _ in range(order):
            gone *= ODD
        for i in range(max(0, start - order), stop):
            if i >= start:
                keys[i - start] = mixed(value + np.uint64(order)) | np.uint64(1)
            value = value * ODD + np.uint64(seq[i] + 1)
            if i >= order and i - order >= max(0, start - order):
                value -= np.uint64(seq[i - order] + 1) * gone
        return
    if order < THREE_WORDS:
        low, high = (2, 3) if order == SKIP else (2, 5)
        for i in range(start, stop):
            one = np.uint64(0)
            for back in range(low, high + 1):
                if i - back >= 0:
                    one = (one + np.uint64(seq[i - back] + 1)) * ODD
            keys[i - start] = mixed(one + np.uint64(100 - order)) | np.uint64(1)
        return
    for i in range(start, stop):
        one = words[0] * ODD
        if order <= TWO_WORDS:
            one = (one + words[1]) * OTHER
        if order == THREE_WORDS:
            one = (one + words[2]) * ODD
        if order == WORD and i > 0:
            one += np.uint64(seq[i - 1])
        keys[i - start] = mixed(one + np.uint64(100 - order)) | np.uint64(1)
        symbol = np.int64(seq[i])
        if symbol >= n_symbols:
            for place in range(3):
                words[place] = np.uint64(0)
            continue
        letter = letters[symbol]
        if letter:
            words[0] = (words[0] + np.uint64(letter)) * ODD
            words[0] ^= words[0] >> np.uint64(30)
        elif words[0]:
            words[2] = words[1]
            words[1] = words[0]
            words[0] = 0


@compiled(error_model="numpy", _nrt=False)
def count_text(
    seq: Any, start: Any, keys: Any, sizes: Any, shift: Any, limit: Any, table: Any, meanings: Any, after: Any,
    moves: Any, holds: Any, stretched: Any, rate: Any, x: Any, column: Any,
) -> None:  # fmt: skip
    """Say what has followed a context before each bit of some symbols, and learn them.

    Parameters
    ----------
    keys
        Its hashes.
    shift, limit
        Bits of 32 that do not tell the slot; the count at which chances stop to settle.
    table, meanings
        Its nodes, and the chance of a 1 after each history.
    x
        (symbols * bits, inputs): log odds are written into two columns, 0 for what was never seen.
    """
    n_symbols, n_bits, group = sizes[SYMBOLS], sizes[BITS], sizes[GROUP]
    for j in range(len(keys)):
        symbol = np.int64(seq[start + j])
        if symbol >= n_symbols:
            continue
        if j + AHEAD < len(keys):
            ahead(table, keys[j + AHEAD], shift, group)
        row = j * n_bits
        first = 0
        prefix, node, left = 1, 1, 0
        low, high = 0, 1 << n_bits
        for b in range(n_bits):
            middle = (low + high) >> 1
            bit = (symbol >> (n_bits - 1 - b)) & 1
            if left == 0:
                first = slot(table, keys[j] if b == 0 else mixed(keys[j] + np.uint64(prefix) * OTHER), shift, group)
                node, left = 1, group
            left -= 1
            if middle < n_symbols:  # otherwise there is nothing on the other side
                _learn(table, first + node, bit, limit, start + j, meanings, after, moves, holds, stretched, rate, x,
                       row + b, column)  # fmt: skip
            prefix = 2 * prefix + bit
            node = 2 * node + bit
            if bit:
                low = middle
            else:
                high = middle


@compiled(error_model="numpy", _nrt=False)
def count_dna(
    seq: Any, start: Any, keys: Any, others: Any, order: Any, shift: Any, limit: Any, table: Any, meanings: Any,
    after: Any, moves: Any, holds: Any, stretched: Any, rate: Any, x: Any, column: Any, voter: Any, most: Any,
    copies: Any, words: Any, trust: Any, trust_rate: Any, of_copies: Any, lengths: Any,
) -> None:  # fmt: skip
    """Do for bases what :func:`count_text` does, on both strands.

    Parameters
    ----------
    keys, others
        Hashes of the context before each base, and of that after it on the other strand; 0: unknown.
    voter
        Row of the copy model that looks up here what its own forecasts would be followed by; below 0: none does.
    """
    for j in range(len(keys)):
        symbol = np.int64(seq[start + j])
        row = 2 * j
        if j + AHEAD < len(keys):
            ahead(table, keys[j + AHEAD], shift, 2)
            ahead(table, others[j + AHEAD], shift, 2)
        if symbol > 3:
            if voter >= 0:
                words[voter, 2] = 0
            continue
        if voter >= 0:
            _vote(table, order, shift, copies, words, voter)
            say(symbol, 2, 4, 1, copies, voter, trust, trust_rate, stretched, x, row, of_copies + voter, lengths, j)
            if voter == lengths.shape[1] - 2:
                lengths[j, voter + 1] = min(copies[voter, MISSED], MOST_MISSES)
            _follow_vote(symbol, most, copies, words, voter)
        if keys[j]:
            at = slot(table, keys[j], shift, 2) + 1
            for b in range(2):
                bit = (symbol >> (1 - b)) & 1
                _learn(table, at, bit, limit, start + j, meanings, after, moves, holds, stretched, rate, x, row + b,
                       column)  # fmt: skip
                at += 1 + bit
        else:
            x[row, column] = 0
            x[row, column + 1] = 0
            x[row + 1, column] = 0
            x[row + 1, column + 1] = 0
        if others[j]:
            # As the other strand has it: the base that follows there.
            base = 3 - np.int64(seq[start + j - order])
            at = slot(table, others[j], shift, 2) + 1
            for b in range(2):
                bit = (base >> (1 - b)) & 1
                table[at] = learned(np.int64(table[at]), bit, limit, start + j, after, moves, holds)
                at += 1 + bit


@compiled(error_model="numpy", _nrt=False, inner=True)
def _learn(
    table: Any, at: Any, bit: Any, limit: Any, tick: Any, meanings: Any, after: Any, moves: Any, holds: Any,
    stretched: Any, rate: Any, x: Any, row: Any, column: Any,
) -> None:  # fmt: skip
    """Write what a node says of a bit, and have it learn the bit."""
    word = np.int64(table[at])
    history = word & 255
    meaning = meanings[history]
    one, two = stretched[((word >> 14) ^ TURN) >> 6], stretched[np.int64(meaning * FINE)]
    x[row, column] = one if word else np.float32(0)
    x[row, column + 1] = two if word else np.float32(0)
    meanings[history] = meaning + (np.float32(bit) - meaning) * rate
    table[at] = learned(word, bit, limit, tick, after, moves, holds)


@compiled(error_model="numpy", _nrt=False, inner=True)
def _vote(
    table: Any, order: Any, shift: Any, copies: Any, words: Any, m: Any
) -> None:  # fmt: skip
    """Find what has followed the last symbols, if those that were expected are taken for those that came."""
    copies[m, SYMBOL] = 4
    copies[m, PLACE] = -1
    if words[m, 2] < np.uint64(order):
        return
    value = words[m, 0] & ((np.uint64(1) << np.uint64(2 * order)) - np.uint64(1))
    at = find(table, mixed(value + np.uint64(order + 1) * OTHER), shift, 2)
    if at >= 0 and table[at + 1]:
        upper = ((np.int64(table[at + 1]) >> 14) ^ TURN) >= TURN
        word = np.int64(table[at + 2 + upper])
        if word:
            copies[m, SYMBOL] = 2 * upper + (((word >> 14) ^ TURN) >= TURN)
            copies[m, PLACE] = 0


@compiled(error_model="numpy", _nrt=False, inner=True)
def _follow_vote(symbol: Any, most: Any, copies: Any, words: Any, m: Any) -> None:
    expected = copies[m, SYMBOL]
    known = expected < 4
    words[m, 0] = (words[m, 0] << np.uint64(2)) | np.uint64(expected if known else symbol)
    words[m, 1] = (words[m, 1] << np.uint64(2)) | np.uint64(symbol)
    words[m, 2] += np.uint64(1)
    remember(copies, m, np.int64(known and expected != symbol))
    if copies[m, MISSED] > most:
        # The symbols are taken for what they are again.
        words[m, 0] = words[m, 1]
        copies[m, HISTORY] = 0
        copies[m, MISSED] = 0
