"""Compiled loops of the k-mer panel: walk haplotypes along strings, and look k-mers up.

A panel keeps every distinct canonical k-mer exactly once, inside packed strings of bases (2 bits
each, 32 to a 64-bit word, the first base in the highest bits). Neighbouring k-mers share k - 1
bases, so that one k-mer costs little more than one base. A place where no k-mer begins, because
it would run across the end of a string, has count 0.

A k-mer is found through its *minimizer*: of the m-mers in it the one with the smallest hash (the
same on both strands). Only the places of minimizers are indexed, about 2 in k - m + 2, and a place
found is always verified against the string, so that an answer is never a matter of chance. A
minimizer with more than ``HEAVY`` places (repeats) is *heavy*: its further k-mers are indexed one
by one under their own hash, so that no look-up scans a long list.

The next k-mer of a query is first tried at the next place of the string in which the last one was
found; the index is asked only where query and string part. Where they parted at one base, the
string is tried again right behind that base.

Sources: simplitigs (Brinda et al. 2021, Genome Biology 22:96), SSHash (Pibiri 2022, Bioinformatics
38:i185).
"""

from __future__ import annotations

import numpy as np
from numba import int64, njit, types, uint64

HEAVY = 24
"""Places of one minimizer beyond which its k-mers are indexed one by one."""

MAX_COUNT = 65535
"""Graded counts are capped here (unsigned 16 bit)."""

RUN_SHIFT = 8
"""Every 256 bases the index says which run of equal counts they lie in."""

# Fields of a builder's state array.
N_BASES, N_ENTRIES, N_KMERS, N_STRINGS = 0, 1, 2, 3

_KMER_SEED = np.uint64(0x5851F42D4C957F2D)

_u8 = types.Array(types.uint8, 1, "C", readonly=True)
_u16 = types.Array(types.uint16, 1, "C", readonly=True)
_u32 = types.Array(types.uint32, 1, "C", readonly=True)
_u64 = types.Array(types.uint64, 1, "C", readonly=True)
_i64 = types.int64


@njit(nogil=True, cache=True)
def _mix(x):
    """Scramble 64 bits (the finaliser of SplitMix64)."""
    x = uint64(x) + uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> uint64(30))) * uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> uint64(27))) * uint64(0x94D049BB133111EB)
    return x ^ (x >> uint64(31))


@njit(nogil=True, cache=True)
def _reverse_complement(x, k):
    """Return the other strand of a packed k-mer by swapping ever larger groups of bits."""
    x = ~uint64(x)
    x = ((x >> uint64(2)) & uint64(0x3333333333333333)) | (
        (x & uint64(0x3333333333333333)) << uint64(2)
    )
    x = ((x >> uint64(4)) & uint64(0x0F0F0F0F0F0F0F0F)) | (
        (x & uint64(0x0F0F0F0F0F0F0F0F)) << uint64(4)
    )
    x = ((x >> uint64(8)) & uint64(0x00FF00FF00FF00FF)) | (
        (x & uint64(0x00FF00FF00FF00FF)) << uint64(8)
    )
    x = ((x >> uint64(16)) & uint64(0x0000FFFF0000FFFF)) | (
        (x & uint64(0x0000FFFF0000FFFF)) << uint64(16)
    )
    x = (x >> uint64(32)) | (x << uint64(32))
    return x >> uint64(64 - 2 * k)


@njit(nogil=True, cache=True)
def _base(words, place):
    return (words[place >> 5] >> uint64(62 - 2 * (place & 31))) & uint64(3)


@njit(nogil=True, cache=True)
def _kmer(words, place, k):
    """Return the k-mer (k <= 31) that begins at a place; needs one word behind the last base."""
    at = place >> 5
    shift = uint64(2 * (place & 31))
    x = words[at] << shift
    if shift:
        x |= words[at + 1] >> (uint64(64) - shift)
    return x >> uint64(64 - 2 * k)


@njit(nogil=True, cache=True)
def _hash_mmer(x, m):
    return _mix(min(x, _reverse_complement(x, m)))


@njit(nogil=True, cache=True)
def _hash_kmer(x, k):
    return _mix(min(x, _reverse_complement(x, k)) ^ _KMER_SEED)


@njit(nogil=True, cache=True)
def _minimizer(x, k, m):
    """Return the smallest hash of a k-mer's m-mers, and its first and last place in the k-mer."""
    mask = (uint64(1) << uint64(2 * m)) - uint64(1)
    best = uint64(0xFFFFFFFFFFFFFFFF)
    left = int64(0)
    right = int64(0)
    for offset in range(k - m + 1):
        h = _hash_mmer((x >> uint64(2 * (k - m - offset))) & mask, m)
        if h < best:
            best = h
            left = offset
            right = offset
        elif h == best:
            right = offset
    return best, left, right


@njit(nogil=True, cache=True)
def _roll(x, k, m, start, best, left, right):
    """Update the minimizer for the k-mer ``x``, one base further, that begins at ``start``."""
    if left < start:
        best, first, last = _minimizer(x, k, m)
        return best, start + first, start + last
    h = _hash_mmer(x & ((uint64(1) << uint64(2 * m)) - uint64(1)), m)
    if h < best:
        return h, start + k - m, start + k - m
    if h == best:
        right = start + k - m
    return best, left, right


@njit(nogil=True, cache=True)
def _first_kmer(codes, start, k):
    """Pack the k-mer at ``start``; also return the last unknown base in it, or -1."""
    x = uint64(0)
    unknown = int64(-1)
    for j in range(start, start + k):
        if codes[j] > 3:
            unknown = j
        x = (x << uint64(2)) | uint64(codes[j] & 3)
    return x, unknown


@njit(nogil=True, cache=True)
def _run_at(place, n_bases, run_start, run_count, run_index):
    """Return the run of equal counts that a place lies in: its number, start and end."""
    block = place >> RUN_SHIFT
    begin = block << RUN_SHIFT
    run = min(int64(run_index[block]), run_start.size - 1)
    # Starts are kept modulo 65536; no run is that long.
    start = begin - ((begin - int64(run_start[run])) & 0xFFFF)
    while True:
        if run + 1 >= run_start.size:
            return run, start, n_bases
        end = start + ((int64(run_start[run + 1]) - int64(run_start[run])) & 0xFFFF)
        if end > place:
            return run, start, end
        run += 1
        start = end


@njit(nogil=True, cache=True)
def _in_bucket(
    h, x, other, k, shift, shift_other, words, n_bases, directory, records, width, place_bits,
    run_start, run_count, run_index,
):  # fmt: skip
    """Search one bucket of the index; a place on record is moved left by ``shift``.

    Returns place (or -1), direction, and 0 if nothing in the bucket resembled the hash, 1 if
    something did, 3 if it says that the minimizer is heavy.
    """
    bucket = ((h & uint64(0xFFFFFFFF)) * uint64(directory.size - 1)) >> uint64(32)
    place_mask = (uint64(1) << uint64(place_bits)) - uint64(1)
    tag = (h >> uint64(32)) & ((uint64(1) << uint64(8 * width - place_bits)) - uint64(1))
    seen = 0
    final = min(int64(directory[bucket + 1]) * width, records.size - width + 1)
    for at in range(int64(directory[bucket]) * width, final, width):
        entry = uint64(0)
        for byte in range(width):
            entry |= uint64(records[at + byte]) << uint64(8 * byte)
        if entry >> uint64(place_bits) != tag:
            continue
        if entry & place_mask == place_mask:
            seen = 3
            continue
        seen |= 1
        place = int64(entry & place_mask) - shift
        if place >= 0 and place + k <= n_bases and _kmer(words, place, k) == x:
            run, _, _ = _run_at(place, n_bases, run_start, run_count, run_index)
            if run_count[run] > 0:
                return place, 1, seen
        place = int64(entry & place_mask) - shift_other
        if place >= 0 and place + k <= n_bases and _kmer(words, place, k) == other:
            run, _, _ = _run_at(place, n_bases, run_start, run_count, run_index)
            if run_count[run] > 0:
                return place, -1, seen
    return int64(-1), 0, seen


@njit(
    types.void(_u8, _i64, _i64, _u64, _i64, _u32, _u8, _i64, _i64, _u16, _u16, _u32,
               types.uint16[::1]),
    nogil=True, cache=True,
)  # fmt: skip
def look_up(
    codes, k, m, words, n_bases, directory, records, width, place_bits, run_start, run_count,
    run_index, out,
):  # fmt: skip
    """Write the count of every k-mer of ``codes`` into ``out``, which comes filled with zeros."""
    final = codes.size - k
    mask = (uint64(1) << uint64(2 * k)) - uint64(1)
    i = int64(0)
    parted_query, parted_string, parted = int64(0), int64(0), 0
    while i <= final:
        x, unknown = _first_kmer(codes, i, k)
        if unknown >= 0:
            i = unknown + 1
            continue
        best, left, right = uint64(0), int64(-1), int64(-1)  # not known yet
        place, direction = int64(-1), 0
        barren = int64(-1)  # a minimizer that the index does not have
        while True:
            if parted != 0 and parted_query < i < parted_query + 4 * k:
                beyond = i - parted_query
                place = parted_string + beyond if parted == 1 else parted_string - beyond - k + 1
                direction = parted
                if (
                    place < 0
                    or place + k > n_bases
                    or _kmer(words, place, k)
                    != (x if direction == 1 else _reverse_complement(x, k))
                ):
                    place = int64(-1)
                else:
                    run, _, _ = _run_at(place, n_bases, run_start, run_count, run_index)
                    if run_count[run] == 0:
                        place = int64(-1)
            if place >= 0:
                break
            if left < 0:
                best, left, right = _minimizer(x, k, m)
                left += i
                right += i
            if left != barren:
                other = _reverse_complement(x, k)
                place, direction, seen = _in_bucket(
                    best, x, other, k, left - i, k - m - (left - i), words, n_bases, directory,
                    records, width, place_bits, run_start, run_count, run_index,
                )  # fmt: skip
                if place < 0 and seen == 3:
                    place, direction, _ = _in_bucket(
                        _hash_kmer(x, k), x, other, k, 0, 0, words, n_bases, directory,
                        records, width, place_bits, run_start, run_count, run_index,
                    )  # fmt: skip
                if place >= 0:
                    break
                if seen == 0:
                    barren = left
            i += 1
            if i > final:
                return
            if codes[i + k - 1] > 3:
                i += k
                break
            x = ((x << uint64(2)) | uint64(codes[i + k - 1])) & mask
            best, left, right = _roll(x, k, m, i, best, left, right)
        if place < 0:
            continue

        run, run_begin, run_end = _run_at(place, n_bases, run_start, run_count, run_index)
        value = run_count[run]
        parts = False
        while True:
            # All k-mers within one run of the string have the same count.
            begin = i
            if direction == 1:
                limit = min(run_end - place, final - i + 1)
                t = int64(1)
                while t < limit and _base(words, place + t + k - 1) == codes[i + t + k - 1]:
                    t += 1
                place += t
            else:
                limit = min(place - run_begin + 1, final - i + 1)
                t = int64(1)
                while t < limit and uint64(3) - _base(words, place - t) == codes[i + t + k - 1]:
                    t += 1
                place -= t
            i += t
            for j in range(begin, i):
                out[j] = value
            if i > final:
                return
            if t < limit:
                parts = True
                break
            if direction == 1:
                run += 1
                if run >= run_start.size or place + k > n_bases:
                    break
                run_begin = run_end
                run_end = n_bases
                if run + 1 < run_start.size:
                    run_end = run_begin + (
                        (int64(run_start[run + 1]) - int64(run_start[run])) & 0xFFFF
                    )
            else:
                run -= 1
                if run < 0:
                    break
                run_end = run_begin
                run_begin -= (int64(run_start[run + 1]) - int64(run_start[run])) & 0xFFFF
            value = run_count[run]
            if value == 0:
                break
            if direction == 1:
                parts = _base(words, place + k - 1) != codes[i + k - 1]
            else:
                parts = uint64(3) - _base(words, place) != codes[i + k - 1]
            if parts:
                break
        if parts:
            parted, parted_query = direction, i + k - 1
            parted_string = place + k - 1 if direction == 1 else place
        if codes[i + k - 1] > 3:
            i += k
