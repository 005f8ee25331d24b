"""Compiled loops that finish a panel: rewrite its strings, and list the entries of its index."""

from __future__ import annotations

import numpy as np
from numba import int64, njit, types, uint64

from genolstm.compiled import compiled
from genolstm.sequences.panel.kernels import (
    _base,
    _hash_kmer,
    _i64,
    _kmer,
    _minimizer,
    _mix,
    _reverse_complement,
    _roll,
    _u16,
    _u64,
)
from genolstm.sequences.panel.walk import _seek


@njit(nogil=True)
def _is_free(place, k, minimum, count, n_bases, visited):
    return place >= 0 and place + k <= n_bases and count[place] >= minimum and not visited[place]


@njit(nogil=True)
def _find_free(place, direction, k, m, minimum, words, exists, count, n_bases, table, visited):
    """Return place and direction of a kept, unvisited k-mer that follows one read in ``direction``."""
    x = _kmer(words, place, k)
    if direction == -1:
        x = _reverse_complement(x, k)
    x = (x << uint64(2)) & ((uint64(1) << uint64(2 * k)) - uint64(1))
    for base in range(4):
        y = x | uint64(base)
        other = _reverse_complement(y, k)
        rank, left, _ = _minimizer(y, other, k, m)
        at, way, _ = _seek(y, other, k, m, left, rank, words, exists, n_bases, table)
        if at >= 0 and _is_free(at, k, minimum, count, n_bases, visited):
            return at, way
    return int64(-1), 0


@njit(nogil=True)
def _onward(place, direction, k, m, minimum, words, exists, count, n_bases, table, visited):
    """Return the next k-mer of a string: its neighbour in the old string, or else any that fits."""
    if _is_free(place + direction, k, minimum, count, n_bases, visited):
        return place + direction, direction
    return _find_free(place, direction, k, m, minimum, words, exists, count, n_bases, table, visited)


@compiled(
    types.UniTuple(_i64, 3)(
        _i64,
        _i64,
        _i64,
        types.uint64[::1],
        types.uint32[::1],
        types.uint16[::1],
        _i64,
        types.uint64[::1],
        types.uint8[::1],
        types.uint8[::1],
        types.uint16[::1],
        types.uint64[::1],
        types.uint16[::1],
    )
)
def compact(k, m, minimum, words, exists, count, n_bases, table, visited, bases, counts, new_words, new_count):
    """Rewrite the k-mers whose count reaches ``minimum`` as few, long strings (greedy simplitigs).

    ``visited``, ``bases`` and ``counts`` are scratch. Returns the numbers of bases, k-mers and
    strings written; the first is -1 if the new arrays are too small.
    """
    n = int64(0)
    kmers = int64(0)
    strings = int64(0)
    for start in range(n_bases - k + 1):
        if count[start] < minimum or visited[start]:
            continue
        visited[start] = 1
        strings += 1
        # Extend to the left first, reading the other strand: the bases come out in reverse order.
        length = 0
        place, direction = int64(start), -1
        while True:
            place, direction = _onward(place, direction, k, m, minimum, words, exists, count, n_bases, table, visited)
            if place < 0:
                break
            visited[place] = 1
            if direction == 1:
                bases[length] = _base(words, place + k - 1)
            else:
                bases[length] = uint64(3) - _base(words, place)
            counts[length] = count[place]
            length += 1
        if n + length + k > new_count.size:
            return int64(-1), kmers, strings
        for j in range(length - 1, -1, -1):
            new_words[n >> 5] |= uint64(3 - bases[j]) << uint64(62 - 2 * (n & 31))
            new_count[n] = counts[j]
            n += 1
        for j in range(k):
            new_words[(n + j) >> 5] |= _base(words, start + j) << uint64(62 - 2 * ((n + j) & 31))
        new_count[n] = count[start]
        n += 1
        kmers += length + 1
        place, direction = int64(start), 1
        while True:
            place, direction = _onward(place, direction, k, m, minimum, words, exists, count, n_bases, table, visited)
            if place < 0:
                break
            visited[place] = 1
            if n + k > new_count.size:
                return int64(-1), kmers, strings
            if direction == 1:
                base = _base(words, place + k - 1)
            else:
                base = uint64(3) - _base(words, place)
            end = n + k - 1
            new_words[end >> 5] |= base << uint64(62 - 2 * (end & 31))
            new_count[n] = count[place]
            n += 1
            kmers += 1
        n += k - 1
    return n, kmers, strings


@compiled(_i64(_u64, _u16, _i64, _i64, _u64, types.uint64[::1], types.int64[::1]))
def index_entries(words, count, k, m, heavy, hashes, places):
    """List the entries of the index: hash and place of every minimizer.

    With ``heavy`` (sorted hashes of heavy minimizers), list hash and place of every k-mer that has
    one of them instead. Returns the number of entries; with empty outputs it only counts.
    """
    n = int64(0)
    best, left, right = uint64(0), int64(0), int64(0)
    entered, entered_left, entered_right = uint64(0), int64(-1), int64(-1)
    is_heavy = False
    inside = False
    x = uint64(0)
    for place in range(count.size - k + 1):
        if count[place] == 0:
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
                if hashes.size:
                    hashes[n] = _hash_kmer(x, other)
                    places[n] = place
                n += 1
        else:
            if not inside or best != entered:
                entered_left = entered_right = int64(-1)
            if left != entered_left and left != entered_right:
                if hashes.size:
                    hashes[n] = _mix(best)
                    places[n] = left
                n += 1
            if right != left and right != entered_right and right != entered_left:
                if hashes.size:
                    hashes[n] = _mix(best)
                    places[n] = right
                n += 1
            entered_left, entered_right = left, right
        entered = best
        inside = True
    return n
