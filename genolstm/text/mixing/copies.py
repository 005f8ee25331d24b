"""Copy models: what followed the last symbols when they were seen before, over substitutions."""

from __future__ import annotations

from typing import Any

import numpy as np

from genolstm.compiled import compiled
from genolstm.text.mixing.slots import AHEAD, BITS, DNA, FINE, LENGTHS, MISSES, ODD, SYMBOLS, fetch, length_of, mixed

PLACE, RUN, HISTORY, SYMBOL, MISSED, FIELDS = 0, 1, 2, 3, 4, 5
FORWARD, OTHER_STRAND, TOLERANT = 0, 1, 2


@compiled(error_model="numpy", _nrt=False, inner=True)
def say(
    symbol: Any, n_bits: Any, n_symbols: Any, dna: Any, copies: Any, m: Any, trust: Any, rate: Any, stretched: Any,
    x: Any, row: Any, column: Any, lengths: Any, j: Any,
) -> None:  # fmt: skip
    """Write the log odds that copy model ``m`` gives each bit of a symbol, and learn how often it is right.

    ``lengths`` takes a bucket of how long it has been right, 0 if it has nowhere to read.
    """
    expected = copies[m, SYMBOL]
    length = length_of(copies[m, RUN])
    lengths[j, m] = 1 + length if copies[m, PLACE] >= 0 else 0
    misses = min(copies[m, MISSED], MISSES - 1)
    for b in range(n_bits):
        x[row + b, column] = 0
        if expected < n_symbols:
            missed = (expected >> (n_bits - b)) != (symbol >> (n_bits - b))
            if not missed or dna:
                one = (expected >> (n_bits - 1 - b)) & 1
                place = ((missed * 2 + (dna and b)) * LENGTHS + length) * MISSES + misses
                value = stretched[np.int64(trust[m, place] * FINE)]
                x[row + b, column] = value if one else -value
                right = np.float32(one == (symbol >> (n_bits - 1 - b)) & 1)
                trust[m, place] += (right - trust[m, place]) * rate


@compiled(error_model="numpy", _nrt=False, inner=True)
def remember(copies: Any, m: Any, missed: Any) -> None:
    """Take down whether a copy model was right."""
    history = copies[m, HISTORY]
    copies[m, MISSED] += missed - ((history >> 31) & 1)
    copies[m, HISTORY] = ((history << 1) | missed) & 0xFFFFFFFF
    copies[m, RUN] = 0 if missed else copies[m, RUN] + 1


@compiled(error_model="numpy", _nrt=False, inner=True)
def _aligned(seq: Any, i: Any, place: Any, length: Any, inverted: Any, boundary: Any) -> Any:
    """Return how many symbols before ``i`` agree with those at a place, at most 32."""
    agree = 0
    if inverted:
        start = place - length
        while agree < 32 and start + agree < i and i - 1 - agree >= 0:
            if seq[start + agree] >= boundary or seq[start + agree] != 3 - seq[i - 1 - agree]:
                break
            agree += 1
        return agree
    while agree < 32 and place - 1 - agree >= 0 and seq[place - 1 - agree] == seq[i - 1 - agree]:
        agree += 1
    return agree


@compiled(error_model="numpy", _nrt=False)
def places_of(seq: Any, start: Any, stop: Any, length: Any, sizes: Any, mask: Any, keys: Any, others: Any) -> None:
    """Find where the word of ``length`` symbols before each symbol is looked up, and in DNA its other strand; or -1."""
    n_symbols, dna = sizes[SYMBOLS], sizes[DNA]
    away = np.uint64(max(0, 64 - 2 * length))
    under = np.uint64(0xFFFFFFFFFFFFFFFF) >> away
    word, other, gone = np.uint64(0), np.uint64(0), np.uint64(1)
    for _ in range(length):
        gone *= ODD
    run = 0
    for i in range(max(0, start - length), stop):
        if i >= start:
            keys[i - start] = -1
            others[i - start] = -1
            if run >= length:
                keys[i - start] = np.int64(mixed(word & under if dna else word) >> np.uint64(20)) & mask
                if dna:
                    others[i - start] = np.int64(mixed(other >> away) >> np.uint64(20)) & mask
        symbol = np.int64(seq[i])
        if symbol >= n_symbols:
            run = 0
            word = np.uint64(0)
            continue
        run += 1
        if dna:
            word = (word << np.uint64(2)) | np.uint64(symbol)
            other = (other >> np.uint64(2)) | (np.uint64(3 - symbol) << np.uint64(62))
        else:
            word = word * ODD + np.uint64(symbol + 1)
            if run > length:
                word -= np.uint64(seq[i - length] + 1) * gone


@compiled(error_model="numpy", _nrt=False)
def follow(
    seq: Any, start: Any, keys: Any, others: Any, length: Any, most: Any, sizes: Any, copies: Any, first: Any,
    last: Any, found: Any, trust: Any, rate: Any, stretched: Any, x: Any, column: Any, lengths: Any,
) -> None:  # fmt: skip
    """Follow copies of words of one length through some symbols: model ``first``, and to ``last`` on the other strand.

    ``found`` is after which symbol a word was last seen, at the places that :func:`places_of` gives; ``most`` the
    misses among the last 32 symbols after which a copy is left.
    """
    n_symbols, n_bits, dna = sizes[SYMBOLS], sizes[BITS], sizes[DNA]
    for j in range(len(keys)):
        if j + 2 * AHEAD < len(keys):
            # The place, and later what was read there.
            fetch(found, max(keys[j + 2 * AHEAD], 0))
            fetch(seq, np.int64(found[max(keys[j + AHEAD], 0)]))
            if dna:
                fetch(found, max(others[j + 2 * AHEAD], 0))
                fetch(seq, np.int64(found[max(others[j + AHEAD], 0)]))
        i = start + j
        symbol = np.int64(seq[i])
        if symbol >= n_symbols:
            for m in range(first, last):
                copies[m, PLACE] = -1
                copies[m, RUN] = 0
                lengths[j, m] = 0
            continue
        for m in range(first, last):
            inverted = m > first
            sought = others[j] if inverted else keys[j]
            if sought >= 0 and (copies[m, PLACE] < 0 or copies[m, RUN] < length):
                place = np.int64(found[sought])
                if place > 0:
                    agree = _aligned(seq, i, place, length, inverted, n_symbols)
                    if inverted:
                        place -= length + 1
                    if agree >= length and agree > copies[m, RUN] and place >= 0 and place != copies[m, PLACE]:
                        copies[m, PLACE], copies[m, RUN] = place, agree
                        copies[m, HISTORY], copies[m, MISSED] = 0, 0
            copies[m, SYMBOL] = n_symbols
            if copies[m, PLACE] >= 0:
                expected = np.int64(seq[copies[m, PLACE]])
                if expected < n_symbols:
                    copies[m, SYMBOL] = 3 - expected if inverted else expected
                else:
                    copies[m, PLACE] = -1
            say(
                symbol, n_bits, n_symbols, dna, copies, m, trust, rate, stretched, x, j * n_bits, column + m, lengths, j
            )
            if copies[m, PLACE] >= 0:
                remember(copies, m, np.int64(copies[m, SYMBOL] != symbol))
                copies[m, PLACE] += -1 if inverted else 1
                if copies[m, MISSED] > most:
                    copies[m, PLACE] = -1
                    copies[m, RUN] = 0
        if keys[j] >= 0:
            found[keys[j]] = i
