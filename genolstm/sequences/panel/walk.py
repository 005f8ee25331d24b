"""Compiled loops that add sequences to a panel's strings; see :mod:`.kernels`."""

from __future__ import annotations

import numpy as np
from numba import int64, njit, types, uint64

from genolstm.compiled import compiled
from genolstm.sequences.panel.kernels import (
    HEAVY,
    N_BASES,
    N_ENTRIES,
    N_KMERS,
    N_STRINGS,
    _agree,
    _base,
    _hash_kmer,
    _i64,
    _kmer,
    _minimizer,
    _mix,
    _next,
    _rank_mmer,
    _reverse_complement,
    _roll,
    _u32,
    _u64,
)

# A slot of the builder's hash table holds place + 1 in its low 40 bits, then 22 bits of the hash.
_PLACE = np.uint64((1 << 40) - 1)
_IS_KMER = np.uint64(1 << 62)
_IS_HEAVY = np.uint64(1 << 63)
_PRINT = np.uint64((1 << 22) - 1)


@njit(nogil=True)
def _is_set(bits, place):
    return (bits[place >> 5] >> np.uint32(place & 31)) & np.uint32(1) != 0


@njit(nogil=True)
def _slot(h, table):
    """Return where the search for a hash begins; the table may have any size."""
    return int64(((h & uint64(0xFFFFFFFF)) * uint64(table.size)) >> uint64(32))


@njit(nogil=True)
def _after(slot, table):
    slot += 1
    return slot if slot < table.size else int64(0)


@njit(nogil=True)
def _seek(x, other, k, m, offset, rank, words, exists, n_bases, table):
    """Look up a k-mer, whose minimizer has this rank and lies at ``offset``, in the builder's hash table.

    Returns its place (or -1), its direction (1 as in the string, -1 on the other strand),
    and whether the table holds anything that resembles the minimizer.
    """
    known = False
    h = _mix(rank)
    tag = (h >> uint64(32)) & _PRINT
    slot = _slot(h, table)
    heavy = False
    while table[slot] != 0:
        entry = table[slot]
        if (entry >> uint64(40)) & _PRINT == tag and entry & _IS_KMER == 0:
            known = True
            if entry & _IS_HEAVY:
                heavy = True
            at = int64(entry & _PLACE) - 1
            place = at - offset
            if place >= 0 and place + k <= n_bases and _is_set(exists, place) and _kmer(words, place, k) == x:
                return place, 1, known
            place = at - (k - m - offset)
            if place >= 0 and place + k <= n_bases and _is_set(exists, place) and _kmer(words, place, k) == other:
                return place, -1, known
        slot = _after(slot, table)
    if heavy:
        h = _hash_kmer(x, other)
        tag = (h >> uint64(32)) & _PRINT
        slot = _slot(h, table)
        while table[slot] != 0:
            entry = table[slot]
            if (entry >> uint64(40)) & _PRINT == tag and entry & _IS_KMER != 0:
                place = int64(entry & _PLACE) - 1
                found = _kmer(words, place, k)
                if found == x:
                    return place, 1, known
                if found == other:
                    return place, -1, known
            slot = _after(slot, table)
    return int64(-1), 0, known


@njit(nogil=True)
def _insert(table, h, entry):
    slot = _slot(h, table)
    while table[slot] != 0:
        slot = _after(slot, table)
    table[slot] = entry | (((h >> uint64(32)) & _PRINT) << uint64(40))


@njit(nogil=True)
def _is_heavy(table, h):
    """Return whether a minimizer has reached its maximum number of places; if so, mark it as heavy."""
    tag = (h >> uint64(32)) & _PRINT
    slot = _slot(h, table)
    first = slot
    places = 0
    while table[slot] != 0:
        if (table[slot] >> uint64(40)) & _PRINT == tag and table[slot] & _IS_KMER == 0:
            if places == 0:
                first = slot
            places += 1
        slot = _after(slot, table)
    if places >= HEAVY:
        table[first] |= _IS_HEAVY
        return True
    return False


@njit(nogil=True)
def _last_clear(bits, low, high):
    """Return the last place in ``[low, high)`` whose bit is not set, or ``low - 1``."""
    place = high - 1
    while place >= low:
        # Shift the bit of this place to the top.
        word = (uint64(bits[place >> 5]) ^ uint64(0xFFFFFFFF)) << uint64(63 - (place & 31))
        if word == 0:
            place = (place & ~31) - 1
            continue
        while word >> uint64(63) == 0:
            word <<= uint64(1)
            place -= 1
        return max(place, low - 1)
    return low - 1


@njit(nogil=True)
def _set(bits, low, high):
    while low < high:
        more = min(32 - (low & 31), high - low)
        ones = np.uint32(0xFFFFFFFF) >> np.uint32(32 - more)
        bits[low >> 5] |= ones << np.uint32(low & 31)
        low += more


@njit(nogil=True)
def _count(low, high, counts, top):
    """Count one more for each of the places in ``[low, high)``; counts stop at ``top``."""
    limit = np.uint16(top)
    for place in range(low, high):
        counts[place] += counts[place] < limit


@njit(nogil=True)
def _count_once(low, high, counts, top, seen):
    """Count the places in ``[low, high)`` whose k-mers this haplotype has not had before."""
    while True:
        low = _next(seen, high, low, 0)
        if low >= high:
            return
        stop = _next(seen, high, low, 1)
        _count(low, stop, counts, top)
        _set(seen, low, stop)
        low = stop


@njit(nogil=True)
def _link(place, direction, x, links):
    """Return the slot for the place that follows a k-mer when the next base is the last one of ``x``."""
    key = (uint64(place) << uint64(3)) | (uint64(direction == 1) << uint64(2)) | (x & uint64(3))
    return _mix(key) & uint64(links.size - 1)


def _signature(counts):
    return types.void(
        _u64,
        _u32,
        _i64,
        _i64,
        _i64,
        types.boolean,
        types.uint64[::1],
        types.uint32[::1],
        types.uint32[::1],
        counts,
        _i64,
        types.uint64[::1],
        types.uint64[::1],
        types.int64[::1],
    )


@compiled([_signature(types.uint8[::1]), _signature(types.uint16[::1])])
def walk(query, unknown, n, k, m, every, words, exists, seen, counts, top, table, links, state):
    """Add one sequence of ``n`` packed bases to the strings.

    Known k-mers are counted once per haplotype (or at ``every`` occurrence), novel ones appended;
    the arrays must have room for them. ``exists`` and ``seen`` have a bit for every place: whether
    a k-mer begins there, and whether this haplotype has had it already. ``counts`` stop at ``top``.
    ``links`` remembers where walks continued when they left a string, because haplotypes diverge
    from it at the same sites again and again. What is found there is verified, so that entries may
    overwrite each other.
    """
    mask = (uint64(1) << uint64(2 * k)) - uint64(1)
    # Where query and string last diverged: direction, query base, string base.
    parted, parted_query, parted_string = 0, int64(0), int64(0)
    end = int64(0)
    while True:
        i = _next(unknown, n, end, 0)
        if i >= n:
            return
        end = _next(unknown, n, i, 1)
        before, before_direction = int64(-1), 0  # place of the previous k-mer
        while i + k <= end:
            x = _kmer(query, i, k)
            other = _reverse_complement(x, k)
            best, left, right = uint64(0), int64(-1), int64(-1)  # not known yet
            place, direction = int64(-1), 0
            if before >= 0:
                entry = links[_link(before, before_direction, x, links)]
                place = int64(entry >> uint64(1)) - 1
                direction = 1 if entry & uint64(1) else -1
                if (
                    place < 0
                    or not _is_set(exists, place)
                    or _kmer(words, place, k) != (x if direction == 1 else other)
                ):
                    place = int64(-1)
            linked = place >= 0
            growing = False  # whether the last k-mer was appended: then the string can grow by one base
            heavy = False
            fresh = int64(-1)
            entered, entered_left, entered_right = uint64(0), int64(-1), int64(-1)
            while not linked:
                if parted != 0 and parted_query < i < parted_query + 4 * k:
                    direction = parted
                    place = parted_string + parted * (i - parted_query)
                    if parted == -1:
                        place -= k - 1
                    if (
                        place >= 0
                        and place + k <= state[N_BASES]
                        and _is_set(exists, place)
                        and _kmer(words, place, k) == (x if direction == 1 else other)
                    ):
                        break
                if left < 0:
                    best, left, right = _minimizer(x, other, k, m)
                    left += i
                    right += i
                # A minimizer not seen before now has one place, in the k-mers just appended. They
                # hold it at other offsets, so that none of them can be this k-mer; but if two
                # m-mers tie, one of them may be its other strand.
                if left != fresh or right != left:
                    place, direction, known = _seek(
                        x, other, k, m, left - i, best, words, exists, state[N_BASES], table
                    )
                    if place >= 0:
                        break
                    fresh = int64(-1) if known or right != left else left
                else:
                    place = int64(-1)
                # Novel: append it.
                total = state[N_BASES]
                if not growing:
                    for j in range(k - 1):
                        words[(total + j) >> 5] |= _base(query, i + j) << uint64(62 - 2 * ((total + j) & 31))
                    total += k - 1
                    state[N_STRINGS] += 1
                words[total >> 5] |= _base(query, i + k - 1) << uint64(62 - 2 * (total & 31))
                total += 1
                state[N_BASES] = total
                state[N_KMERS] += 1
                new = total - k
                if before >= 0 and not growing:
                    at = _link(before, before_direction, x, links)
                    links[at] = (uint64(new + 1) << uint64(1)) | uint64(1)
                before, before_direction = new, 1
                _set(exists, new, new + 1)
                _set(seen, new, new + 1)
                counts[new] = 1
                if not growing or best != entered:
                    entered = best
                    entered_left = entered_right = int64(-1)
                    heavy = _is_heavy(table, _mix(best))
                growing = True
                if heavy:
                    _insert(table, _hash_kmer(x, other), uint64(new + 1) | _IS_KMER)
                    state[N_ENTRIES] += 1
                else:
                    # Both ends of a tie: the other strand's first place is this strand's last.
                    at = new + left - i
                    if at != entered_left and at != entered_right:
                        _insert(table, _mix(best), uint64(at + 1))
                        state[N_ENTRIES] += 1
                    also = new + right - i
                    if also != at and also != entered_right and also != entered_left:
                        _insert(table, _mix(best), uint64(also + 1))
                        state[N_ENTRIES] += 1
                    entered_left, entered_right = at, also
                i += 1
                if i + k > end:
                    break
                base = _base(query, i + k - 1)
                x = ((x << uint64(2)) | base) & mask
                other = (other >> uint64(2)) | ((uint64(3) - base) << uint64(2 * k - 2))
                best, left, right = _roll(x, other, k, m, i, best, left, right)
            if i + k > end:
                break
            if before >= 0 and not linked:
                links[_link(before, before_direction, x, links)] = (uint64(place + 1) << uint64(1)) | uint64(
                    direction == 1
                )

            # Known: follow the string as far as it agrees.
            if direction == 1:
                limit = min(end - (i + k), state[N_BASES] - (place + k))
                agreed = _agree(query, i + k, words, place + k, 1, limit)
                low = place
                high = _next(exists, place + agreed + 1, place, 0)
            else:
                limit = min(end - (i + k), place)
                agreed = _agree(query, i + k, words, place - 1, -1, limit)
                low = _last_clear(exists, place - agreed, place + 1) + 1
                high = place + 1
            if every:
                _count(low, high, counts, top)
            else:
                _count_once(low, high, counts, top, seen)
            before, before_direction = (high - 1, 1) if direction == 1 else (low, -1)
            follow = high - low
            i += follow
            if follow == agreed + 1 and agreed < limit:
                parted, parted_query = direction, i + k - 1
                parted_string = place + follow + k - 1 if direction == 1 else place - follow


@compiled(types.void(types.uint64[::1], _i64, _i64, types.uint64[::1], types.uint64[::1], _i64, _i64))
def rehash(old, first, last, new, words, k, m):
    """Move the entries in slots ``[first, last)`` of a builder's table into a larger one."""
    for slot in range(first, last):
        entry = old[slot]
        if entry == 0:
            continue
        place = int64(entry & _PLACE) - 1
        if entry & _IS_KMER:
            x = _kmer(words, place, k)
            h = _hash_kmer(x, _reverse_complement(x, k))
        else:
            x = _kmer(words, place, m)
            h = _mix(_rank_mmer(x, _reverse_complement(x, m)))
        _insert(new, h, entry & (_PLACE | _IS_KMER | _IS_HEAVY))
