"""Compiled loops that build a k-mer panel; the scheme is told in ``panel_kernels``."""

from __future__ import annotations

import numpy as np
from numba import int64, njit, types, uint64

from genolstm.sequences.panel_kernels import (
    HEAVY,
    MAX_COUNT,
    N_BASES,
    N_ENTRIES,
    N_KMERS,
    N_STRINGS,
    _base,
    _first_kmer,
    _hash_kmer,
    _hash_mmer,
    _i64,
    _kmer,
    _minimizer,
    _reverse_complement,
    _roll,
    _u8,
    _u16,
    _u64,
)

# A slot of the builder's hash table: place + 1 in the low 40 bits, then 22 bits of the hash.
_PLACE = np.uint64((1 << 40) - 1)
_IS_KMER = np.uint64(1 << 62)
_IS_HEAVY = np.uint64(1 << 63)
_PRINT = np.uint64((1 << 22) - 1)


@njit(nogil=True, cache=True)
def _seek(x, k, m, offset, h, words, count, n_bases, table):
    """Ask the builder's hash table for a k-mer whose minimizer lies at ``offset``.

    Returns its place (or -1) and direction: 1 as it stands in the string, -1 the other strand.
    """
    other = _reverse_complement(x, k)
    mask = uint64(table.size - 1)
    tag = (h >> uint64(32)) & _PRINT
    slot = h & mask
    heavy = False
    while table[slot] != 0:
        entry = table[slot]
        if (entry >> uint64(40)) & _PRINT == tag and entry & _IS_KMER == 0:
            if entry & _IS_HEAVY:
                heavy = True
            at = int64(entry & _PLACE) - 1
            place = at - offset
            if (
                place >= 0
                and place + k <= n_bases
                and count[place] > 0
                and _kmer(words, place, k) == x
            ):
                return place, 1
            place = at - (k - m - offset)
            if (
                place >= 0
                and place + k <= n_bases
                and count[place] > 0
                and _kmer(words, place, k) == other
            ):
                return place, -1
        slot = (slot + uint64(1)) & mask
    if heavy:
        h = _hash_kmer(x, k)
        tag = (h >> uint64(32)) & _PRINT
        slot = h & mask
        while table[slot] != 0:
            entry = table[slot]
            if (entry >> uint64(40)) & _PRINT == tag and entry & _IS_KMER != 0:
                place = int64(entry & _PLACE) - 1
                found = _kmer(words, place, k)
                if found == x:
                    return place, 1
                if found == other:
                    return place, -1
            slot = (slot + uint64(1)) & mask
    return int64(-1), 0


@njit(nogil=True, cache=True)
def _insert(table, h, entry):
    mask = uint64(table.size - 1)
    slot = h & mask
    while table[slot] != 0:
        slot = (slot + uint64(1)) & mask
    table[slot] = entry | (((h >> uint64(32)) & _PRINT) << uint64(40))


@njit(nogil=True, cache=True)
def _is_heavy(table, h):
    """Return whether a minimizer has all the places it may have; if so, mark it as heavy."""
    mask = uint64(table.size - 1)
    tag = (h >> uint64(32)) & _PRINT
    slot = h & mask
    first = slot
    places = 0
    while table[slot] != 0:
        if (table[slot] >> uint64(40)) & _PRINT == tag and table[slot] & _IS_KMER == 0:
            if places == 0:
                first = slot
            places += 1
        slot = (slot + uint64(1)) & mask
    if places >= HEAVY:
        table[first] |= _IS_HEAVY
        return True
    return False


@njit(
    _i64(_u8, _i64, _i64, _i64, types.uint32, types.boolean, types.uint64[::1],
         types.uint16[::1], types.uint32[::1], types.uint64[::1], types.int64[::1]),
    nogil=True, cache=True,
)  # fmt: skip
def walk(codes, start, k, m, haplotype, every, words, count, last_seen, table, state):
    """Add one sequence to the strings, beginning with its k-mer at ``start``.

    Known k-mers are counted once per haplotype (or at ``every`` occurrence), novel ones appended.

    Returns
    -------
    int
        The k-mer to go on with once the arrays have grown, or a number beyond the last k-mer.
    """
    final = codes.size - k
    mask = (uint64(1) << uint64(2 * k)) - uint64(1)
    i = start
    # Where query and string last parted: query base, string base, direction.
    parted_query, parted_string, parted = int64(0), int64(0), 0
    while i <= final:
        x, unknown = _first_kmer(codes, i, k)
        if unknown >= 0:
            i = unknown + 1
            continue
        best, first, last = _minimizer(x, k, m)
        left, right = i + first, i + last
        place, direction = int64(-1), 0
        growing = False  # the last k-mer was appended, the string may grow by one base
        entered, entered_left, entered_right = uint64(0), int64(-1), int64(-1)
        heavy = False
        while True:
            if parted != 0 and parted_query < i < parted_query + 4 * k:
                beyond = i - parted_query
                place = parted_string + beyond if parted == 1 else parted_string - beyond - k + 1
                direction = parted
                if (
                    place < 0
                    or place + k > state[N_BASES]
                    or count[place] == 0
                    or _kmer(words, place, k)
                    != (x if direction == 1 else _reverse_complement(x, k))
                ):
                    place = int64(-1)
            if place < 0:
                place, direction = _seek(
                    x, k, m, left - i, best, words, count, state[N_BASES], table
                )
            if place >= 0:
                break
            # Novel: append it, if there is room.
            n = state[N_BASES]
            if n + k + 1 > count.size or 2 * (state[N_ENTRIES] + 4) > table.size:
                return i
            if not growing:
                for j in range(k - 1):
                    words[(n + j) >> 5] |= uint64(codes[i + j]) << uint64(62 - 2 * ((n + j) & 31))
                n += k - 1
                state[N_STRINGS] += 1
                entered_left = entered_right = int64(-1)
            words[n >> 5] |= uint64(codes[i + k - 1]) << uint64(62 - 2 * (n & 31))
            n += 1
            state[N_BASES] = n
            state[N_KMERS] += 1
            new = n - k
            count[new] = 1
            last_seen[new] = haplotype
            if not growing or best != entered:
                entered = best
                entered_left = entered_right = int64(-1)
                heavy = _is_heavy(table, best)
            growing = True
            if heavy:
                _insert(table, _hash_kmer(x, k), uint64(new + 1) | _IS_KMER)
                state[N_ENTRIES] += 1
            else:
                # Both ends of a tie: the other strand's first place is this strand's last.
                at = new + left - i
                if at != entered_left and at != entered_right:
                    _insert(table, best, uint64(at + 1))
                    state[N_ENTRIES] += 1
                other = new + right - i
                if other != at and other != entered_right and other != entered_left:
                    _insert(table, best, uint64(other + 1))
                    state[N_ENTRIES] += 1
                entered_left, entered_right = at, other
            i += 1
            if i > final:
                return i
            if codes[i + k - 1] > 3:
                i += k
                break
            x = ((x << uint64(2)) | uint64(codes[i + k - 1])) & mask
            best, left, right = _roll(x, k, m, i, best, left, right)
        if place < 0:
            continue

        # Known: follow the string as long as it agrees.
        n = state[N_BASES]
        parts = False
        begin = place
        if direction == 1:
            while True:
                place += 1
                i += 1
                if i > final or place + k > n or count[place] == 0:
                    break
                if _base(words, place + k - 1) != codes[i + k - 1]:
                    parts = True
                    break
            low, high = begin, place
        else:
            while True:
                place -= 1
                i += 1
                if i > final or place < 0 or count[place] == 0:
                    break
                if uint64(3) - _base(words, place) != codes[i + k - 1]:
                    parts = True
                    break
            low, high = place + 1, begin + 1
        if every:
            for j in range(low, high):
                count[j] += np.uint16(count[j] < MAX_COUNT)
        else:
            for j in range(low, high):
                count[j] += np.uint16((last_seen[j] != haplotype) & (count[j] < MAX_COUNT))
                last_seen[j] = haplotype
        if parts:
            parted, parted_query = direction, i + k - 1
            parted_string = place + k - 1 if direction == 1 else place
        if i <= final and codes[i + k - 1] > 3:
            i += k
    return i


@njit(
    types.void(types.uint64[::1], types.uint64[::1], types.uint64[::1], _i64, _i64),
    nogil=True, cache=True,
)  # fmt: skip
def rehash(old, new, words, k, m):
    """Move the entries of a builder's table into a larger, empty one."""
    for slot in range(old.size):
        entry = old[slot]
        if entry == 0:
            continue
        place = int64(entry & _PLACE) - 1
        if entry & _IS_KMER:
            h = _hash_kmer(_kmer(words, place, k), k)
        else:
            h = _hash_mmer(_kmer(words, place, m), m)
        _insert(new, h, entry & (_PLACE | _IS_KMER | _IS_HEAVY))


@njit(nogil=True, cache=True)
def _neighbour(place, direction, k, m, minimum, words, count, n_bases, table, visited):
    """Return a kept and unvisited k-mer that follows one read in a direction: place, direction."""
    near = place + direction
    if near >= 0 and near + k <= n_bases and count[near] >= minimum and not visited[near]:
        return near, direction
    x = _kmer(words, place, k)
    if direction == -1:
        x = _reverse_complement(x, k)
    x = (x << uint64(2)) & ((uint64(1) << uint64(2 * k)) - uint64(1))
    for base in range(4):
        y = x | uint64(base)
        h, left, _ = _minimizer(y, k, m)
        at, way = _seek(y, k, m, left, h, words, count, n_bases, table)
        if at >= 0 and count[at] >= minimum and not visited[at]:
            return at, way
    return int64(-1), 0


@njit(
    types.UniTuple(_i64, 3)(
        _i64, _i64, _i64, types.uint64[::1], types.uint16[::1], _i64, types.uint64[::1],
        types.uint8[::1], types.uint8[::1], types.uint16[::1], types.uint64[::1],
        types.uint16[::1]),
    nogil=True, cache=True,
)  # fmt: skip
def compact(
    k, m, minimum, words, count, n_bases, table, visited, bases, counts, new_words, new_count
):
    """Rewrite the k-mers whose count reaches ``minimum`` as few, long strings (greedy simplitigs).

    ``visited``, ``bases`` and ``counts`` are scratch. Returns bases, k-mers and strings written;
    the first is -1 if the new arrays are too small.
    """
    n = int64(0)
    kmers = int64(0)
    strings = int64(0)
    for start in range(n_bases - k + 1):
        if count[start] < minimum or visited[start]:
            continue
        visited[start] = 1
        strings += 1
        # To the left first: it is read on the other strand, so that it comes out reversed.
        length = 0
        place, direction = int64(start), -1
        while True:
            place, direction = _neighbour(
                place, direction, k, m, minimum, words, count, n_bases, table, visited
            )
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
            place, direction = _neighbour(
                place, direction, k, m, minimum, words, count, n_bases, table, visited
            )
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


@njit(
    _i64(_u64, _u16, _i64, _i64, _u64, types.uint64[::1], types.int64[::1]),
    nogil=True, cache=True,
)  # fmt: skip
def index_entries(words, count, k, m, heavy, hashes, places):
    """List what the index must hold: hash and place of every minimizer.

    With ``heavy`` (sorted hashes of heavy minimizers), list instead hash and place of every k-mer
    that has one of them. Returns the number of entries; with empty outputs it only counts.
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
        if inside:
            best, left, right = _roll(x, k, m, place, best, left, right)
        else:
            best, left, right = _minimizer(x, k, m)
            left += place
            right += place
        if heavy.size > 0:
            if not inside or best != entered:
                at = np.searchsorted(heavy, best)
                is_heavy = at < heavy.size and heavy[at] == best
            if is_heavy:
                if hashes.size:
                    hashes[n] = _hash_kmer(x, k)
                    places[n] = place
                n += 1
        else:
            if not inside or best != entered:
                entered_left = entered_right = int64(-1)
            if left != entered_left and left != entered_right:
                if hashes.size:
                    hashes[n] = best
                    places[n] = left
                n += 1
            if right != left and right != entered_right and right != entered_left:
                if hashes.size:
                    hashes[n] = best
                    places[n] = right
                n += 1
            entered_left, entered_right = left, right
        entered = best
        inside = True
    return n
