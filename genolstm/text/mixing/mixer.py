"""The mixer: what contexts, copies and a network say of each bit, joined by weights that learn."""

from __future__ import annotations

from math import exp, log
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from genolstm.compiled import compiled
from genolstm.text.mixing.counts import MOST_MISSES
from genolstm.text.mixing.slots import BITS, DNA, SYMBOLS

Array = npt.NDArray[Any]

FAR = 11.0
_FAR = np.float32(FAR)
BIAS = np.float32(0.3)
_LEAST = np.float32(1.0 / (1 << 18))
BUCKETS = 33
LANES = 8
NETWORK, COUNTS, REPEAT, INVERTED, GROUPS = 0, 1, 2, 3, 4
LEARNED, BY_CHANCE = 0, 1


class Weights(NamedTuple):
    """What the mixer learns, and its settings, as arrays."""

    sizes: Array
    orders: Array
    """Of each context, its symbols; below 0 for other kinds."""
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
    kinds: Array
    """Of each copy model, 1 if on the other strand."""
    clock: Array
    which: Array
    """Room for the value of each selector; so are those that follow, for what is said of a bit."""
    outs: Array
    reached: Array
    shares: Array
    kept: Array


@compiled(error_model="numpy", _nrt=False, inner=True)
def _squash(x: Any) -> Any:
    return np.float32(1.0) / (np.float32(1.0) + np.float32(exp(-x)))


@compiled(fastmath={"reassoc", "nsz", "contract"}, _nrt=False, inner=True)
def _weighed(row: Any, values: Any) -> Any:
    total = np.float32(0.0)
    for k in range(len(values)):
        total += row[k] * values[k]
    return total


@compiled(_nrt=False, inner=True)
def _corrected(row: Any, values: Any, step: Any) -> None:
    for k in range(len(values)):
        row[k] += step * values[k]


@compiled(error_model="numpy", _nrt=False)
def mix(
    state: Weights, seq: Any, start: Any, stop: Any, x: Any, lengths: Any, frames: Any, chances: Any, bits_out: Any,
    plain_out: Any, shares_out: Any,
) -> None:  # fmt: skip
    """Predict and learn symbols ``start`` to ``stop``.

    Parameters
    ----------
    seq
        All symbols so far and those to read.
    x
        What is said of each bit, (symbols * bits, inputs) of log odds; the network's is filled in here.
    lengths
        Of each copy model, how long it has been right, and of the last one how often it was not, (symbols, models + 1).
    frames
        What reading frame is believed in, (symbols,).
    chances
        What the network says of each symbol to read, (symbols, alphabet); below 0, or with no rows, nothing.
    bits_out, plain_out, shares_out
        What each symbol cost, what it would have cost without repeats, and whose the forecasts were,
        (symbols, GROUPS). The last two may be empty if nobody asks.
    """
    n_symbols, n_bits, dna = state.sizes[SYMBOLS], state.sizes[BITS], state.sizes[DNA]
    orders, repeats, whose_is = state.orders, state.repeats, state.whose
    weights, final, refined, plain = state.weights, state.final, state.refined, state.plain
    n_contexts, n_copies = len(orders), len(state.kinds)
    n_inputs = weights.shape[2]
    of_network = 2 * n_contexts + n_copies + 1
    n_selectors = len(weights)
    which, outs, reached, kept = state.which, state.outs, state.reached, state.kept
    shares, share = state.shares[0], state.shares[1]
    n_final = len(final)
    n_values = weights.shape[1]
    n_refined = refined.shape[1]
    rate_final, rate_refined = state.rates[3], state.rates[4]
    for i in range(start, stop):
        symbol = np.int64(seq[i])
        if symbol >= n_symbols:
            continue
        j = i - start
        longest: Any = 0
        longest_inverted: Any = 0
        for m in range(n_copies):
            if state.kinds[m]:
                longest_inverted = max(longest_inverted, np.int64(lengths[j, m]))
            else:
                longest = max(longest, np.int64(lengths[j, m]))
        network = len(chances) > 0 and chances[j, 0] >= 0
        if network:
            total = 0.0
            for code in range(n_symbols):
                total += max(np.float64(chances[j, code]), 1e-9)
                reached[code + 1] = total
        clock = state.clock[LEARNED]
        if dna and clock >= 2 << (2 * state.clock[BY_CHANCE]):
            # On both strands, words of so many bases have now come up four times each, by chance.
            for c in range(n_contexts):
                if orders[c] == state.clock[BY_CHANCE]:
                    repeats[2 * c] = 1
                    repeats[2 * c + 1] = 1
            state.clock[BY_CHANCE] += 1
        rate = state.rates[1] + (state.rates[0] - state.rates[1]) / (
            np.float32(1.0) + np.float32(clock) / state.rates[2]
        )
        last = np.int64(seq[i - 1]) if i else n_symbols
        second = np.int64(seq[i - 2]) if i > 1 else n_symbols
        cost = np.float32(0.0)
        plain_cost = np.float32(0.0)
        for whose in range(GROUPS):
            shares[whose] = 0
        prefix = 1
        low, high = 0, 1 << n_bits
        for b in range(n_bits):
            middle = (low + high) >> 1
            bit = (symbol >> (n_bits - 1 - b)) & 1
            if middle < n_symbols:  # otherwise there is nothing on the other side
                values = x[j * n_bits + b]
                seen = 0
                for c in range(n_contexts):
                    seen += values[2 * c] != 0
                values[of_network] = 0
                if network:
                    right = (reached[min(high, n_symbols)] - reached[middle]) / (
                        reached[min(high, n_symbols)] - reached[low]
                    )
                    right = min(max(right, 2e-5), 1 - 2e-5)
                    values[of_network] = np.float32(log(right / (1 - right)))
                which[0] = longest % n_values
                which[1] = prefix % n_values
                which[2] = (last * 2 + (b > 0)) % n_values
                if dna:
                    which[1] = ((last * 5 + second) * 4 + prefix) % n_values
                    which[2] = (
                        (longest_inverted * (MOST_MISSES + 1) + np.int64(lengths[j, n_copies])) * 2 + b
                    ) % n_values
                    which[4] = (np.int64(frames[j]) * 4 + prefix) % n_values
                which[3] = (seen * n_bits + b) % n_values
                best: Any = np.float32(0.0)
                there = prefix % n_final
                for s in range(n_selectors):
                    outs[s] = min(max(_weighed(weights[s, which[s]], values), -_FAR), _FAR)
                    best += final[there, s] * outs[s]
                best = min(max(best, -_FAR), _FAR)
                chance = _squash(best)
                # Two stages of refinement, by the symbols before and the bits so far.
                spread = (best + _FAR) * np.float32((BUCKETS - 1) / (2 * FAR))
                bucket: Any = min(np.int64(spread), BUCKETS - 2)
                part = spread - np.float32(bucket)
                one = (last * 1024 + prefix) % n_refined
                two = ((last * 977 + second) * 1024 + prefix) % n_refined
                fine_one = (1 - part) * refined[0, one, bucket] + part * refined[0, one, bucket + 1]
                fine_two = (1 - part) * refined[1, two, bucket] + part * refined[1, two, bucket + 1]
                p = np.float32(0.5) * chance + np.float32(0.25) * fine_one + np.float32(0.25) * fine_two
                p = min(max(p, _LEAST), 1 - _LEAST)
                cost -= np.float32(log(p if bit else 1 - p))
                if len(shares_out):
                    # What each has said, by the weights that counted.
                    for whose in range(GROUPS):
                        share[whose] = 0
                    for s in range(n_selectors):
                        for k in range(of_network + 1):
                            share[whose_is[k]] += final[there, s] * weights[s, which[s], k] * values[k]
                    for whose in range(GROUPS):
                        shares[whose] += abs(share[whose])
                # Learn.
                wanted = np.float32(bit)
                if len(plain_out):
                    for k in range(n_inputs):
                        kept[k] = values[k] * repeats[k]
                    p = _squash(min(max(_weighed(plain[which[1]], kept), -_FAR), _FAR))
                    plain_cost -= np.float32(log(p if bit else 1 - p))
                    _corrected(plain[which[1]], kept, rate * (wanted - p))
                for s in range(n_selectors):
                    _corrected(weights[s, which[s]], values, rate * (wanted - _squash(outs[s])))
                wrong = (wanted - chance) * rate_final
                for s in range(n_selectors):
                    final[there, s] += wrong * outs[s]
                nearest = bucket if part < 0.5 else bucket + 1
                refined[0, one, nearest] += (wanted - refined[0, one, nearest]) * rate_refined
                refined[1, two, nearest] += (wanted - refined[1, two, nearest]) * rate_refined
            prefix = 2 * prefix + bit
            if bit:
                low = middle
            else:
                high = middle
        bits_out[j] = cost * np.float32(1.4426950408889634)
        if len(plain_out):
            plain_out[j] = plain_cost * np.float32(1.4426950408889634)
        if len(shares_out):
            sum_shares = np.float32(1e-9)
            for whose in range(GROUPS):
                sum_shares += shares[whose]
            for whose in range(GROUPS):
                shares_out[j, whose] = shares[whose] / sum_shares
        state.clock[LEARNED] += 1
