"""Compiled loops that count k-mers in shards, for input that outgrows the memory; see :mod:`.shards`.

A *record* is a stretch of neighbouring k-mers that share their minimizer, so that a k-mer is always
in the same shard, wherever and on whichever strand it occurs. Its first 32-bit word has the number
of k-mers in the top 8 bits, then come the bases, 2 bits each. A word whose top 8 bits are 0 adds its
other bits to the number of the current haplotype.
"""

from __future__ import annotations

import numpy as np
from numba import int64, njit, types, uint64

from genolstm.compiled import compiled
from genolstm.sequences.panel.kernels import (
    MAX_COUNT,
    _base,
    _hash_kmer,
    _i64,
    _kmer,
    _minimizer,
    _mix,
    _next,
    _reverse_complement,
    _roll,
    _u32,
    _u64,
    _word,
)

MOST = 32
"""Most k-mers in a record: as many as a mask has bits."""

LONGEST = (8 + 2 * (MOST + 30) + 31) // 32
"""Most words in a record."""

_OCCUPIED = np.uint64(1 << 63)


@njit(nogil=True)
def _first(query, i, k, m):
    """Return the k-mer at ``i`` on both strands, and its minimizer and the places of it."""
    x = _kmer(query, i, k)
    other = _reverse_complement(x, k)
    best, left, right = _minimizer(x, other, k, m)
    return x, other, best, left + i, right + i


@njit(nogil=True)
def _stretch(query, i, end, k, m, x, other, best, left, right):
    """Return how many k-mers from ``i`` on share the minimizer, and the state at the next one."""
    mask = (uint64(1) << uint64(2 * k)) - uint64(1)
    shared = best
    n = int64(0)
    while True:
        n += 1
        i += 1
        if i + k > end:
            break
        base = _base(query, i + k - 1)
        x = ((x << uint64(2)) | base) & mask
        other = (other >> uint64(2)) | ((uint64(3) - base) << uint64(2 * k - 2))
        best, left, right = _roll(x, other, k, m, i, best, left, right)
        if best != shared or n == MOST:
            break
    return n, x, other, best, left, right


@njit(nogil=True)
def _shard(rank, shards):
    return int64(((_mix(rank) >> uint64(32)) * uint64(shards)) >> uint64(32))


@compiled(
    _i64(
        _u64,
        _u32,
        _i64,
        _i64,
        _i64,
        _i64,
        _i64,
        types.uint32[:, ::1],
        types.int64[::1],
        types.int64[::1],
        types.int64[::1],
    )
)
def deal(query, unknown, n, start, k, m, haplotype, parts, filled, current, kmers):
    """Write the k-mers of ``n`` packed bases, from ``start`` on, as records to their shards.

    ``current`` is the haplotype of each shard's last record, ``kmers`` the number of k-mers. Returns
    the k-mer to go on from once the parts that are almost full have been put aside, or ``n``.
    """
    shards = parts.shape[0]
    end = start
    while True:
        i = _next(unknown, n, end, 0)
        if i >= n:
            return n
        end = _next(unknown, n, i, 1)
        if i + k > end:
            continue
        x, other, best, left, right = _first(query, i, k, m)
        while i + k <= end:
            shard = _shard(best, shards)
            at = filled[shard]
            if at + LONGEST + 1 > parts.shape[1]:
                return i
            many, x, other, best, left, right = _stretch(query, i, end, k, m, x, other, best, left, right)
            while current[shard] != haplotype:
                step = min(haplotype - current[shard], (1 << 24) - 1)
                parts[shard, at] = step
                current[shard] += step
                at += 1
                if at + LONGEST + 1 > parts.shape[1]:
                    filled[shard] = at
                    return i
            parts[shard, at] = (uint64(many) << uint64(24)) | (_word(query, i) >> uint64(40))
            at += 1
            done = int64(12)
            while done < many + k - 1:
                parts[shard, at] = _word(query, i + done) >> uint64(32)
                at += 1
                done += 16
            filled[shard] = at
            kmers[shard] += many
            i += many


@njit(nogil=True)
def _find(table, x, other):
    """Return the slot of a k-mer, or the free one where it belongs."""
    key = min(x, other) | _OCCUPIED
    size = table.size >> 1
    slot = int64(((_hash_kmer(x, other) >> uint64(32)) * uint64(size)) >> uint64(32))
    while table[2 * slot] != 0 and table[2 * slot] != key:
        slot += 1
        if slot == size:
            slot = int64(0)
    return slot


@compiled(
    _i64(_u32, _i64, _i64, types.boolean, types.uint64[::1], types.uint32[::1], types.uint8[::1], types.int64[::1])
)
def count(records, start, k, every, table, slots, masks, state):
    """Count the k-mers of a shard's records, from word ``start`` on; two words of padding follow them.

    A slot of ``table`` has two words: the k-mer, and the number of the last haplotype (from bit 16
    on) above the count. ``slots`` lists the slots by first occurrence. Into ``masks`` goes, for every
    record, which of its k-mers are new: 0 for none, 1 for all, or 2 and then 32 bits. ``state`` goes from
    call to call: numbers of k-mers found and of bytes in ``masks``, and the haplotype. Returns the word
    to go on from once the table has grown, or where the padding begins.
    """
    n, written, haplotype = state[0], state[1], state[2]
    mask = (uint64(1) << uint64(2 * k)) - uint64(1)
    at = start
    stop = records.size - 2
    while at < stop:
        header = uint64(records[at])
        many = int64(header >> uint64(24))
        if many == 0:
            haplotype += int64(header)
            at += 1
            continue
        if 3 * (n + many) > table.size or n + many > slots.size:  # two thirds of the slots
            break
        begin = at
        x = ((header & uint64(0xFFFFFF)) << uint64(40)) | (uint64(records[at + 1]) << uint64(8))
        x = (x | (uint64(records[at + 2]) >> uint64(24))) >> uint64(64 - 2 * k)
        other = _reverse_complement(x, k)
        new = uint64(0)
        for j in range(many):
            if j:
                bit = 8 + 2 * (j + k - 1)
                base = (uint64(records[begin + (bit >> 5)]) >> uint64(30 - (bit & 31))) & uint64(3)
                x = ((x << uint64(2)) | base) & mask
                other = (other >> uint64(2)) | ((uint64(3) - base) << uint64(2 * k - 2))
            slot = _find(table, x, other)
            if table[2 * slot] == 0:
                table[2 * slot] = min(x, other) | _OCCUPIED
                table[2 * slot + 1] = (uint64(haplotype) << uint64(16)) | uint64(1)
                slots[n] = slot
                n += 1
                new |= uint64(1) << uint64(j)
            else:
                entry = table[2 * slot + 1]
                if every or int64(entry >> uint64(16)) != haplotype:
                    told = min((entry & uint64(0xFFFF)) + uint64(1), uint64(MAX_COUNT))
                    table[2 * slot + 1] = (uint64(haplotype) << uint64(16)) | told
        if new == 0:
            masks[written] = 0
            written += 1
        elif new == (uint64(1) << uint64(many)) - uint64(1):
            masks[written] = 1
            written += 1
        else:
            masks[written] = 2
            for j in range(4):
                masks[written + 1 + j] = (new >> uint64(8 * j)) & uint64(0xFF)
            written += 5
        at += (8 + 2 * (many + k - 1) + 31) >> 5
    state[0], state[1], state[2] = n, written, haplotype
    return at


@compiled(types.void(types.uint64[::1], types.uint32[::1], _i64, types.uint64[::1]))
def regrow(old, slots, n, new):
    """Move the ``n`` k-mers of a table into a larger, empty one."""
    mask = ~_OCCUPIED
    for i in range(n):
        slot = int64(slots[i])
        x = old[2 * slot] & mask
        to = _find(new, x, x)
        new[2 * to] = old[2 * slot]
        new[2 * to + 1] = old[2 * slot + 1]
        slots[i] = to


@compiled(types.void(_u64, types.uint32[::1], _i64, types.uint16[::1]))
def totals(table, slots, n, out):
    """Write the counts of ``n`` k-mers, by first occurrence."""
    for i in range(n):
        out[i] = table[2 * int64(slots[i]) + 1] & uint64(0xFFFF)


@compiled(
    _i64(
        _u64,
        _u32,
        _i64,
        _i64,
        _i64,
        _i64,
        types.uint8[:, ::1],
        types.int64[:, ::1],
        types.uint16[:, ::1],
        types.int64[:, ::1],
        types.uint16[::1],
    )
)
def collect(query, unknown, n, start, k, m, masks, mask_at, counts, count_at, out):
    """Write the count of every k-mer of ``n`` packed bases that occurs there first of all, and 0 for the others.

    Goes through the same records as :func:`deal`, and reads what :func:`count` found. For each
    shard, ``mask_at`` and ``count_at`` have the place in its row that comes next, and the last one
    at which a whole record's results are sure to be there. Returns the k-mer to go on from once the
    rows have been refilled, or ``n`` when done.
    """
    shards = mask_at.shape[0]
    end = start
    while True:
        i = _next(unknown, n, end, 0)
        if i >= n:
            return n
        end = _next(unknown, n, i, 1)
        if i + k > end:
            continue
        x, other, best, left, right = _first(query, i, k, m)
        while i + k <= end:
            shard = _shard(best, shards)
            at, count = mask_at[shard, 0], count_at[shard, 0]
            if at > mask_at[shard, 1] or count > count_at[shard, 1]:
                return i
            many, x, other, best, left, right = _stretch(query, i, end, k, m, x, other, best, left, right)
            kind = masks[shard, at]
            at += 1
            if kind:
                new = ~uint64(0)
                if kind == 2:
                    new = uint64(0)
                    for j in range(4):
                        new |= uint64(masks[shard, at + j]) << uint64(8 * j)
                    at += 4
                for j in range(many):
                    if (new >> uint64(j)) & uint64(1):
                        out[i + j] = counts[shard, count]
                        count += 1
            mask_at[shard, 0] = at
            count_at[shard, 0] = count
            i += many
