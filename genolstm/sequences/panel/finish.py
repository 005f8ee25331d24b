"""Compiled loops that finish a panel: cut strings out of sequences, and list runs and index entries."""

from __future__ import annotations

import numpy as np
from numba import int64, njit, types, uint64

from genolstm.compiled import compiled
from genolstm.sequences.panel.kernels import (
    LONGEST_RUN,
    RUN_SHIFT,
    _hash_kmer,
    _i64,
    _kmer,
    _minimizer,
    _mix,
    _reverse_complement,
    _roll,
    _u16,
    _u64,
    _word,
)


@njit(nogil=True)
def _append(words, start, length, out, at):
    """Append ``length`` bases of packed ``words`` to ``out``, which holds zeros from place ``at`` on."""
    done = int64(0)
    while done < length:
        x = _word(words, start + done)
        left = length - done
        if left < 32:
            x &= ~(~uint64(0) >> uint64(2 * left))
        to = at + done
        shift = uint64(2 * (to & 31))
        out[to >> 5] |= x >> shift
        if shift:
            out[(to >> 5) + 1] |= x << (uint64(64) - shift)
        done += 32


def _emit(counts):
    return types.UniTuple(_i64, 2)(_u64, counts, _i64, _i64, _i64, _i64, types.uint64[::1], types.uint16[::1], _i64)


@compiled(
    [_emit(types.Array(types.uint8, 1, "C", readonly=True)), _emit(types.Array(types.uint16, 1, "C", readonly=True))]
)
def emit(words, counts, start, n, k, minimum, out_words, out_counts, at):
    """Append the k-mers that reach a count of ``minimum``, run by run, to the strings from place ``at`` on.

    ``counts`` belong to the ``n`` places of ``words``; the search goes on from place ``start``. A
    run is appended whole; if there is no room for it, the call ends. Returns the place to go on
    from (``n`` when done) and the number of bases in the strings.
    """
    low = start
    while True:
        while low < n and counts[low] < minimum:
            low += 1
        if low >= n:
            return n, at
        high = low
        while high < n and counts[high] >= minimum:
            high += 1
        if at + high - low + k - 1 > out_counts.size:
            return low, at
        _append(words, low, high - low + k - 1, out_words, at)
        for place in range(low, high):
            out_counts[at + place - low] = counts[place]
        for place in range(high - low, high - low + k - 1):
            out_counts[at + place] = 0
        at += high - low + k - 1
        low = high


@compiled(
    types.UniTuple(_i64, 2)(
        types.uint16[::1],
        _i64,
        _i64,
        _i64,
        types.boolean,
        types.int64[::1],
        types.uint16[::1],
        types.uint16[::1],
        types.uint32[::1],
    )
)
def runs(counts, begin, end, offset, once, state, starts, values, index):
    """List the runs of equal counts among the places ``[begin, end)``, which lie ``offset`` further on in the panel.

    With ``once``, every k-mer counts once. ``state`` goes from call to call: the last count (-1 at
    first), the number of runs, of k-mers and of strings. Written are a start (modulo 65536) and a
    count for every run, and the run at every 256th place. Returns how many of each.
    """
    n = int64(0)
    blocks = int64(0)
    last = state[0]
    for place in range(begin, end):
        if once and counts[place] > 1:
            counts[place] = 1
        value = int64(counts[place])
        at = place + offset
        if value:
            state[2] += 1
            if last <= 0:
                state[3] += 1
        if value != last or at % LONGEST_RUN == 0:
            starts[n] = at & 0xFFFF
            values[n] = value
            n += 1
        last = value
        if at & ((1 << RUN_SHIFT) - 1) == 0:
            index[blocks] = state[1] + n - 1
            blocks += 1
    state[0] = last
    state[1] += n
    return n, blocks


@njit(nogil=True)
def _swap(h):
    return (h << uint64(32)) | (h >> uint64(32))


@compiled(_i64(_u64, _u16, _i64, _i64, _i64, _i64, _i64, _u64, types.uint64[:, ::1]))
def index_entries(words, counts, begin, end, offset, k, m, heavy, out):
    """List the entries of the index for the places ``[begin, end)``: hash and place of every minimizer.

    With ``heavy`` (sorted hashes of heavy minimizers), list hash and place of every k-mer that has
    one of them instead. Hashes come with their halves swapped, so that their order is that of the
    buckets; places count from ``offset`` on. Returns the number of entries; ``out`` needs two rows
    for each place.
    """
    n = int64(0)
    best, left, right = uint64(0), int64(0), int64(0)
    entered, entered_left, entered_right = uint64(0), int64(-1), int64(-1)
    is_heavy = False
    inside = False
    x = uint64(0)
    for place in range(begin, end - k + 1):
        if counts[place] == 0:
            inside = False
            continue
        x = _kmer(words, place, k)
        other = _reverse_complement(x, k)
        if inside:
            best, left, right = _roll(x, other, k, m, place, best, left, right)
        else:
            best, left, right = _minimizer(x, other, k, m)
            left += place
            right += place
        if heavy.size > 0:
            if not inside or best != entered:
                h = _mix(best)
                at = np.searchsorted(heavy, h)
                is_heavy = at < heavy.size and heavy[at] == h
            if is_heavy:
                out[n, 0] = _swap(_hash_kmer(x, other))
                out[n, 1] = place + offset
                n += 1
        else:
            if not inside or best != entered:
                entered_left = entered_right = int64(-1)
            if left != entered_left and left != entered_right:
                out[n, 0] = _swap(_mix(best))
                out[n, 1] = left + offset
                n += 1
            if right != left and right != entered_right and right != entered_left:
                out[n, 0] = _swap(_mix(best))
                out[n, 1] = right + offset
                n += 1
            entered_left, entered_right = left, right
        entered = best
        inside = True
    return n


@compiled(_i64(types.uint64[:, ::1], _i64, _i64, types.uint64[:, :, ::1], types.int64[::1]))
def scatter(entries, begin, n, parts, filled):
    """Move entries, from ``begin`` on, to the part that their hash belongs to, until a part is full.

    Returns the number of the entry to go on from, or ``n`` when done.
    """
    for i in range(begin, n):
        part = int64(((entries[i, 0] >> uint64(32)) * uint64(parts.shape[0])) >> uint64(32))
        at = filled[part]
        if at == parts.shape[1]:
            return i
        parts[part, at, 0] = entries[i, 0]
        parts[part, at, 1] = entries[i, 1]
        filled[part] = at + 1
    return n
