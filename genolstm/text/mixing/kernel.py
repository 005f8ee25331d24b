"""The compiled loop: each symbol is predicted from those before it, bit by bit, and then learned."""

from __future__ import annotations

from math import exp, log
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from genolstm.compiled import compiled

Array = npt.NDArray[Any]

# A node of a slot holds a chance (18 bits), a count (6) and a history (8). The chance's upper bit is
# turned, so that an untouched node, 0, means a half.
_TURN = 1 << 17
_UPPER = (1 << 18) - 1
_ODD = np.uint64(0x9E3779B97F4A7C15)
_OTHER = np.uint64(0xD6E8FEB86659FD93)
_COUNTS = 64
_FINE = 4096
FAR = 11.0
_FAR = np.float32(FAR)
_BIAS = np.float32(0.3)
_LEAST = np.float32(1.0 / (1 << 18))
LENGTHS, MISSES = 16, 12
BUCKETS = 33
PLACE, RUN, HISTORY, SYMBOL, FIELDS = 0, 1, 2, 3, 4
NETWORK, COUNTS, REPEAT, INVERTED, GROUPS = 0, 1, 2, 3, 4
WORD, TWO_WORDS, THREE_WORDS, SKIP, SKIP_TWO = -1, -2, -3, -4, -5
FORWARD, OTHER_STRAND, TOLERANT = 0, 1, 2
LEARNED, SINCE_GAP, BY_CHANCE = 0, 1, 2


class State(NamedTuple):
    """All that the loop learns, and its settings, as arrays."""

    sizes: Array
    """Symbols, bits of a symbol, bits of a slot, whether DNA, bits of 32 that do not tell the slot, places less 1."""
    orders: Array
    """Of each context, its symbols; below 0 for other kinds."""
    limits: Array
    """Of each context, the count at which its chances stop to settle."""
    slots: Array
    """(contexts, slots * nodes)"""
    meanings: Array
    """(contexts, histories): the chance of a 1."""
    copies: Array
    """(copy models, FIELDS)"""
    copying: Array
    """(copy models, 4): symbols that must agree, most misses among the last 32, kind, context that votes."""
    found: Array
    """(copy models, places): after which symbol a word was last seen."""
    trust: Array
    """(copy models, 2 * LENGTHS * MISSES): how often what a copy says is right."""
    weights: Array
    """(selectors, values, inputs)"""
    final: Array
    """(values, selectors)"""
    plain: Array
    """(values, inputs): the mixer that knows of no repeats."""
    repeats: Array
    """Of each input, 0 if it tells of repeats, otherwise 1; in DNA, longer contexts cease to as more is read."""
    whose: Array
    """Of each input, the group that it belongs to."""
    refined: Array
    """(stages, values, BUCKETS)"""
    rates: Array
    """Of the mixer: first, last, symbols until half; of the final one; of the stages."""
    after: Array
    """(histories, 2)"""
    moves: Array
    """Of each count, how far a chance moves, of 65536."""
    holds: Array
    """Of each count, of how many bits one raises it."""
    letters: Array
    """Of each code, its letter in either case, or 0."""
    stretched: Array
    """Log odds of _FINE chances."""
    clock: Array
    words: Array
    """Bases of this and the other strand, and of the words."""


@compiled(error_model="numpy")
def _squash(x: Any) -> Any:
    return np.float32(1.0) / (np.float32(1.0) + np.float32(exp(-x)))


@compiled(error_model="numpy")
def _mixed(value: Any) -> Any:
    value = (value ^ (value >> np.uint64(29))) * _ODD
    value = (value ^ (value >> np.uint64(32))) * _OTHER
    return value ^ (value >> np.uint64(29))


@compiled(error_model="numpy")
def _place(check: Any, shift: Any) -> Any:
    """Return the slot where a context with this check is first looked for.

    It follows from the check alone, and the place in a table of twice the size lies in the same pair of
    twice as many slots: what shared a pair without pushing anything out still does so after it has grown.
    """
    return np.int64((np.uint64(check) * _ODD) >> np.uint64(32)) >> shift


@compiled(error_model="numpy")
def _slot(table: Any, value: Any, shift: Any, bits: Any) -> Any:
    """Return where the nodes of a context are, emptied if another context's were there."""
    check = np.uint32(value & np.uint64(0xFFFFFFFF)) | np.uint32(1)
    at = _place(check, shift)
    first = at << bits
    if table[first] == check:
        return first
    second = (at ^ 1) << bits
    if table[second] == check:
        return second
    # The one whose first node has been seen less often makes room.
    if (table[second + 1] >> 8) & 63 < (table[first + 1] >> 8) & 63:
        first = second
    table[first] = check
    for node in range(1, 1 << bits):
        table[first + node] = 0
    return first


@compiled(error_model="numpy")
def grow(old: Any, new: Any, shift: Any, bits: Any) -> None:
    """Move the slots of all contexts into larger tables."""
    for c in range(len(old)):
        for first in range(0, old.shape[1], 1 << bits):
            check = old[c, first]
            if check:
                at = _place(check, shift)
                if new[c, at << bits]:
                    at ^= 1
                for node in range(1 << bits):
                    new[c, (at << bits) + node] = old[c, first + node]


@compiled(error_model="numpy")
def _find(table: Any, value: Any, shift: Any, bits: Any) -> Any:
    """Return where the nodes of a context are, or -1."""
    check = np.uint32(value & np.uint64(0xFFFFFFFF)) | np.uint32(1)
    at = _place(check, shift)
    if table[at << bits] == check:
        return at << bits
    return (at ^ 1) << bits if table[(at ^ 1) << bits] == check else -1


@compiled(error_model="numpy")
def _learn_node(table: Any, at: Any, bit: Any, limit: Any, tick: Any, state: Any) -> None:
    word = np.int64(table[at])
    chance, count, history = (word >> 14) ^ _TURN, (word >> 8) & 63, word & 255
    move = np.int64(state.moves[count])
    if bit:
        chance += ((_UPPER - chance) * move + 32768) >> 16
    else:
        chance -= (chance * move + 32768) >> 16
    if count < limit and tick % state.holds[count] == 0:
        count += 1
    table[at] = np.uint32(((chance ^ _TURN) << 14) | (count << 8) | np.int64(state.after[history, bit]))


@compiled(error_model="numpy")
def _length_of(run: Any) -> Any:
    if run < 16:
        return run // 2
    bucket = 8
    run >>= 5
    while run and bucket < LENGTHS - 1:
        bucket += 1
        run >>= 1
    return bucket


@compiled(error_model="numpy")
def _ones(bits: Any) -> Any:
    count = 0
    while bits:
        bits &= bits - 1
        count += 1
    return count


@compiled(error_model="numpy")
def _contexts(state: State, seq: Any, i: Any, hashes: Any, known: Any) -> None:
    """Hash the contexts before symbol ``i``."""
    orders = state.orders
    if state.sizes[3]:
        for c in range(len(orders)):
            order = orders[c]
            known[c] = order <= state.clock[SINCE_GAP]
            value = state.words[0] & ((np.uint64(1) << np.uint64(2 * order)) - np.uint64(1))
            hashes[c] = _mixed(value + np.uint64(order + 1) * _OTHER)
        return
    value = np.uint64(0)
    done = 0
    for c in range(len(orders)):
        order = orders[c]
        known[c] = True
        if order >= 0:
            while done < order:
                done += 1
                if i - done >= 0:
                    value = (value + np.uint64(seq[i - done] + 1)) * _ODD
                    value ^= value >> np.uint64(31)
            hashes[c] = _mixed(value + np.uint64(order))
        elif order >= THREE_WORDS:
            one = state.words[0] * _ODD
            if order <= TWO_WORDS:
                one = (one + state.words[1]) * _OTHER
            if order == THREE_WORDS:
                one = (one + state.words[2]) * _ODD
            if order == WORD and i > 0:
                one += np.uint64(seq[i - 1])
            hashes[c] = _mixed(one + np.uint64(100 - order))
        else:
            one = np.uint64(0)
            low, high = (2, 3) if order == SKIP else (2, 5)
            for back in range(low, high + 1):
                if i - back >= 0:
                    one = (one + np.uint64(seq[i - back] + 1)) * _ODD
            hashes[c] = _mixed(one + np.uint64(100 - order))


@compiled(error_model="numpy")
def _vote(state: State, m: Any) -> None:
    """Find what has followed the last symbols, if those that were expected are taken for those that came."""
    length = state.copying[m, 0]
    copy = state.copies[m]
    copy[SYMBOL] = state.sizes[0]
    copy[PLACE] = -1
    if state.clock[SINCE_GAP] < length:
        return
    c = state.copying[m, 3]
    value = state.words[2] & ((np.uint64(1) << np.uint64(2 * length)) - np.uint64(1))
    table = state.slots[c]
    at = _find(table, _mixed(value + np.uint64(length + 1) * _OTHER), state.sizes[4], state.sizes[2])
    if at >= 0 and table[at + 1]:
        upper = ((np.int64(table[at + 1]) >> 14) ^ _TURN) >= _TURN
        word = np.int64(table[at + 2 + upper])
        if word:
            copy[SYMBOL] = 2 * upper + (((word >> 14) ^ _TURN) >= _TURN)
            copy[PLACE] = 0


@compiled(error_model="numpy")
def _seek(state: State, seq: Any, i: Any, m: Any) -> None:
    """Find where copy model ``m`` goes on reading before symbol ``i``, and what it says comes next."""
    length, kind = state.copying[m, 0], state.copying[m, 2]
    copy = state.copies[m]
    if kind == TOLERANT:
        _vote(state, m)
        return
    inverted = kind == OTHER_STRAND
    dna = state.sizes[3]
    boundary = state.sizes[0]
    enough = state.clock[SINCE_GAP] >= length
    key = 0
    if enough:
        if dna:
            under = (np.uint64(1) << np.uint64(2 * length)) - np.uint64(1)
            forward = state.words[0] & under
            value = _mixed(forward)
            other = _mixed(state.words[1] >> np.uint64(64 - 2 * length))
        else:
            value = np.uint64(0)
            for back in range(1, length + 1):
                value = (value + np.uint64(seq[i - back] + 1)) * _ODD
                value ^= value >> np.uint64(31)
            value = _mixed(value)
            other = value
        key = np.int64(value >> np.uint64(20)) & state.sizes[5]
        if copy[PLACE] < 0 or copy[RUN] < length:
            sought = np.int64((other if inverted else value) >> np.uint64(20)) & state.sizes[5]
            place = state.found[m, sought]  # after the word's last symbol
            if place > 0:
                agree = 0
                if inverted:
                    start = place - length
                    while agree < 32 and start + agree < i and i - 1 - agree >= 0:
                        if seq[start + agree] >= boundary or seq[start + agree] != 3 - seq[i - 1 - agree]:
                            break
                        agree += 1
                    place = start - 1
                else:
                    while agree < 32 and place - 1 - agree >= 0 and seq[place - 1 - agree] == seq[i - 1 - agree]:
                        agree += 1
                if agree >= length and agree > copy[RUN] and place >= 0 and place != copy[PLACE]:
                    copy[PLACE], copy[RUN], copy[HISTORY] = place, agree, 0
        state.found[m, key] = i
    copy[SYMBOL] = boundary
    if copy[PLACE] >= 0:
        symbol = np.int64(seq[copy[PLACE]])
        if symbol < boundary:
            copy[SYMBOL] = 3 - symbol if inverted else symbol
        else:
            copy[PLACE] = -1


@compiled(error_model="numpy")
def _follow(state: State, symbol: Any, m: Any) -> None:
    copy = state.copies[m]
    if state.copying[m, 2] == TOLERANT:
        expected = copy[SYMBOL]
        known = expected < state.sizes[0]
        state.words[2] = (state.words[2] << np.uint64(2)) | np.uint64(expected if known else symbol)
        missed = known and expected != symbol
        copy[HISTORY] = ((copy[HISTORY] << 1) | missed) & 0xFFFFFFFF
        copy[RUN] = 0 if missed else copy[RUN] + 1
        if _ones(copy[HISTORY]) > state.copying[m, 1]:
            # Taken for what it is, with the symbol that is about to be remembered.
            state.words[2] = (state.words[0] << np.uint64(2)) | np.uint64(symbol)
            copy[HISTORY] = 0
        return
    if copy[PLACE] < 0:
        return
    missed = copy[SYMBOL] != symbol
    copy[HISTORY] = ((copy[HISTORY] << 1) | missed) & 0xFFFFFFFF
    copy[RUN] = 0 if missed else copy[RUN] + 1
    copy[PLACE] += -1 if state.copying[m, 2] == OTHER_STRAND else 1
    if _ones(copy[HISTORY]) > state.copying[m, 1]:
        copy[PLACE] = -1
        copy[RUN] = 0


@compiled(error_model="numpy")
def _other_strand(state: State, seq: Any, i: Any) -> None:
    """Learn symbol ``i`` as the other strand has it: of each context, the base that follows there."""
    bits = state.sizes[2]
    for c in range(len(state.orders)):
        order = state.orders[c]
        if state.clock[SINCE_GAP] <= order:
            continue
        if order:
            value = state.words[1] >> np.uint64(64 - 2 * order)
        else:
            value = np.uint64(0)
        table = state.slots[c]
        first = _slot(table, _mixed(value + np.uint64(order + 1) * _OTHER), state.sizes[4], bits)
        base = 3 - np.int64(seq[i - order])
        _learn_node(table, first + 1, base >> 1, state.limits[c], i, state)
        _learn_node(table, first + 2 + (base >> 1), base & 1, state.limits[c], i, state)


@compiled(error_model="numpy")
def _remember(state: State, seq: Any, i: Any) -> None:
    """Take symbol ``i`` into what the next contexts are made of."""
    symbol = np.int64(seq[i])
    words = state.words
    if symbol >= state.sizes[0]:
        state.clock[SINCE_GAP] = 0
        for place in range(len(words)):
            words[place] = 0
        return
    state.clock[SINCE_GAP] += 1
    if state.sizes[3]:
        words[0] = (words[0] << np.uint64(2)) | np.uint64(symbol)
        words[1] = (words[1] >> np.uint64(2)) | (np.uint64(3 - symbol) << np.uint64(62))
        _other_strand(state, seq, i)
    else:
        letter = state.letters[symbol]
        if letter:
            words[0] = (words[0] + np.uint64(letter)) * _ODD
            words[0] ^= words[0] >> np.uint64(30)
        elif words[0]:
            words[2] = words[1]
            words[1] = words[0]
            words[0] = 0


@compiled(error_model="numpy")
def read(
    state: State, seq: Any, start: Any, stop: Any, chances: Any, bits_out: Any, plain_out: Any, shares_out: Any
) -> None:
    """Predict and learn symbols ``start`` to ``stop``.

    Parameters
    ----------
    seq
        All symbols so far and those to read.
    chances
        What the network says of each symbol to read, (symbols, alphabet); below 0, or with no rows, nothing.
    bits_out, plain_out, shares_out
        What each symbol cost, what it would have cost without repeats, and whose the forecasts were,
        (symbols, GROUPS). The last two may be empty if nobody asks.
    """
    n_symbols, n_bits, group, dna, shift = state.sizes[:5]
    n_contexts, n_copies = len(state.orders), len(state.copies)
    n_inputs = 2 * n_contexts + n_copies + 2
    of_network = n_inputs - 2
    n_selectors = len(state.weights)
    hashes = np.zeros(n_contexts, np.uint64)
    known = np.zeros(n_contexts, np.bool_)
    first = np.zeros(n_contexts, np.int64)
    x = np.zeros(n_inputs, np.float32)
    which = np.zeros(n_selectors, np.int64)
    outs = np.zeros(n_selectors, np.float32)
    reached = np.zeros(n_symbols + 1, np.float64)
    trusted = np.zeros(n_copies, np.int64)
    said = np.zeros(n_copies, np.int64)
    shares = np.zeros(GROUPS, np.float32)
    share = np.zeros(GROUPS, np.float32)
    n_final = len(state.final)
    n_values = state.weights.shape[1]
    n_refined = state.refined.shape[1]
    for i in range(start, stop):
        symbol = np.int64(seq[i])
        if symbol >= n_symbols:
            for m in range(n_copies):
                state.copies[m, PLACE] = -1
                state.copies[m, RUN] = 0
            _remember(state, seq, i)
            continue
        _contexts(state, seq, i, hashes, known)
        longest: Any = 0
        longest_inverted: Any = 0
        for m in range(n_copies):
            _seek(state, seq, i, m)
            if state.copies[m, PLACE] >= 0:
                length = 1 + _length_of(state.copies[m, RUN])
                if state.copying[m, 2] == OTHER_STRAND:
                    longest_inverted = max(longest_inverted, length)
                else:
                    longest = max(longest, length)
        network = len(chances) > 0 and chances[i - start, 0] >= 0
        if network:
            total = 0.0
            for code in range(n_symbols):
                total += max(np.float64(chances[i - start, code]), 1e-9)
                reached[code + 1] = total
        clock = state.clock[LEARNED]
        if dna and clock >= 2 << (2 * state.clock[BY_CHANCE]):
            # On both strands, words of so many bases have now come up four times each, by chance.
            for c in range(n_contexts):
                if state.orders[c] == state.clock[BY_CHANCE]:
                    state.repeats[2 * c] = 1
                    state.repeats[2 * c + 1] = 1
            state.clock[BY_CHANCE] += 1
        rate = state.rates[1] + (state.rates[0] - state.rates[1]) / (
            np.float32(1.0) + np.float32(clock) / state.rates[2]
        )
        last = np.int64(seq[i - 1]) if i else n_symbols
        second = np.int64(seq[i - 2]) if i > 1 else n_symbols
        cost = np.float32(0.0)
        plain_cost = np.float32(0.0)
        shares[:] = 0
        prefix, node = 1, 1
        low, high = 0, 1 << n_bits
        for bit_number in range(n_bits):
            middle = (low + high) >> 1
            bit = (symbol >> (n_bits - 1 - bit_number)) & 1
            if bit_number % group == 0:
                for c in range(n_contexts):
                    if known[c]:
                        value = hashes[c] if bit_number == 0 else _mixed(hashes[c] + np.uint64(prefix) * _OTHER)
                        first[c] = _slot(state.slots[c], value, shift, group)
                node = 1
            if middle < n_symbols:  # otherwise there is nothing on the other side
                seen = 0
                for c in range(n_contexts):
                    x[2 * c] = 0
                    x[2 * c + 1] = 0
                    if known[c]:
                        word = np.int64(state.slots[c, first[c] + node])
                        if word:
                            x[2 * c] = state.stretched[((word >> 14) ^ _TURN) >> 6]
                            x[2 * c + 1] = state.stretched[np.int64(state.meanings[c, word & 255] * _FINE)]
                            seen += 1
                for m in range(n_copies):
                    at = 2 * n_contexts + m
                    x[at] = 0
                    trusted[m] = -1
                    expected = state.copies[m, SYMBOL]
                    if expected < n_symbols:
                        missed = (expected >> (n_bits - bit_number)) != (symbol >> (n_bits - bit_number))
                        if not missed or dna:
                            said[m] = (expected >> (n_bits - 1 - bit_number)) & 1
                            misses = min(_ones(state.copies[m, HISTORY]), MISSES - 1)
                            trusted[m] = (
                                (missed * 2 + (dna and bit_number)) * LENGTHS + _length_of(state.copies[m, RUN])
                            ) * MISSES + misses
                            value = state.stretched[np.int64(state.trust[m, trusted[m]] * _FINE)]
                            x[at] = value if said[m] else -value
                x[of_network] = 0
                if network:
                    right = (reached[min(high, n_symbols)] - reached[middle]) / (
                        reached[min(high, n_symbols)] - reached[low]
                    )
                    right = min(max(right, 2e-5), 1 - 2e-5)
                    x[of_network] = np.float32(log(right / (1 - right)))
                x[n_inputs - 1] = _BIAS
                which[0] = longest % n_values
                which[1] = prefix % n_values
                which[2] = (last * 2 + (bit_number > 0)) % n_values
                if dna:
                    which[1] = ((last * 5 + second) * 4 + prefix) % n_values
                    which[2] = (
                        (longest_inverted * 9 + min(_ones(state.copies[n_copies - 1, HISTORY]), 8)) * 2 + bit_number
                    ) % n_values
                which[3] = (seen * n_bits + bit_number) % n_values
                best: Any = np.float32(0.0)
                there = prefix % n_final
                for s in range(n_selectors):
                    row = state.weights[s, which[s]]
                    total32 = np.float32(0.0)
                    for k in range(n_inputs):
                        total32 += row[k] * x[k]
                    outs[s] = min(max(total32, -_FAR), _FAR)
                    best += state.final[there, s] * outs[s]
                best = min(max(best, -_FAR), _FAR)
                chance = _squash(best)
                # Two stages of refinement, by the symbols before and the bits so far.
                spread = (best + _FAR) * np.float32((BUCKETS - 1) / (2 * FAR))
                bucket: Any = min(np.int64(spread), BUCKETS - 2)
                part = spread - np.float32(bucket)
                one = (last * 1024 + prefix) % n_refined
                two = ((last * 977 + second) * 1024 + prefix) % n_refined
                fine_one = (1 - part) * state.refined[0, one, bucket] + part * state.refined[0, one, bucket + 1]
                fine_two = (1 - part) * state.refined[1, two, bucket] + part * state.refined[1, two, bucket + 1]
                p = np.float32(0.5) * chance + np.float32(0.25) * fine_one + np.float32(0.25) * fine_two
                p = min(max(p, _LEAST), 1 - _LEAST)
                cost -= np.float32(log(p if bit else 1 - p))
                if len(shares_out):
                    # What each has said, by the weights that counted.
                    share[:] = 0
                    for s in range(n_selectors):
                        row = state.weights[s, which[s]]
                        for k in range(n_inputs - 1):
                            share[state.whose[k]] += state.final[there, s] * row[k] * x[k]
                    for whose in range(GROUPS):
                        shares[whose] += abs(share[whose])
                # Learn.
                wanted = np.float32(bit)
                if len(plain_out):
                    row = state.plain[which[1]]
                    total32 = np.float32(0.0)
                    for k in range(n_inputs):
                        total32 += row[k] * x[k] * state.repeats[k]
                    p = _squash(min(max(total32, -_FAR), _FAR))
                    plain_cost -= np.float32(log(p if bit else 1 - p))
                    step = rate * (wanted - p)
                    for k in range(n_inputs):
                        row[k] += step * x[k] * state.repeats[k]
                for s in range(n_selectors):
                    wrong = wanted - _squash(outs[s])
                    row = state.weights[s, which[s]]
                    step = rate * wrong
                    for k in range(n_inputs):
                        row[k] += step * x[k]
                wrong = (wanted - chance) * state.rates[3]
                for s in range(n_selectors):
                    state.final[there, s] += wrong * outs[s]
                nearest = bucket if part < 0.5 else bucket + 1
                state.refined[0, one, nearest] += (wanted - state.refined[0, one, nearest]) * state.rates[4]
                state.refined[1, two, nearest] += (wanted - state.refined[1, two, nearest]) * state.rates[4]
                for m in range(n_copies):
                    if trusted[m] >= 0:
                        right32 = np.float32(said[m] == bit)
                        state.trust[m, trusted[m]] += (right32 - state.trust[m, trusted[m]]) * state.rates[5]
                for c in range(n_contexts):
                    if known[c]:
                        table = state.slots[c]
                        at = first[c] + node
                        history = np.int64(table[at]) & 255
                        meaning = state.meanings[c, history]
                        state.meanings[c, history] = meaning + (wanted - meaning) * state.rates[6]
                        _learn_node(table, at, bit, state.limits[c], i, state)
            prefix = 2 * prefix + bit
            node = 2 * node + bit
            if bit:
                low = middle
            else:
                high = middle
        bits_out[i - start] = cost * np.float32(1.4426950408889634)
        if len(plain_out):
            plain_out[i - start] = plain_cost * np.float32(1.4426950408889634)
        if len(shares_out):
            sum_shares = np.float32(1e-9)
            for whose in range(GROUPS):
                sum_shares += shares[whose]
            for whose in range(GROUPS):
                shares_out[i - start, whose] = shares[whose] / sum_shares
        for m in range(n_copies):
            _follow(state, symbol, m)
        state.clock[LEARNED] += 1
        _remember(state, seq, i)
