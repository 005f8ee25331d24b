"""Compiled loops of the k-mer panel: shared helpers, and the look-up of k-mers.

A panel keeps every distinct canonical k-mer exactly once, inside packed strings of bases (2 bits
each, 32 per 64-bit word, the first base in the highest bits). Neighbouring k-mers share k - 1
bases, so that a k-mer costs little more than one base. A place where no k-mer begins, because it
would run past the end of a string, has count 0.

A k-mer is found through its *minimizer*: the one of its m-mers with the smallest hash (the same on
both strands). Only the places of minimizers are indexed, about 2 in k - m + 2, and a place
found is always verified against the string, so that hash collisions never give a wrong answer. A
minimizer with more than ``HEAVY`` places (repeats) is *heavy*: its further k-mers are indexed one
by one under their own hash, so that no look-up scans a long list.

The next k-mer of a query is first tried at the next place of the string in which the last one was
found; the index is consulted only where query and string diverge. If they diverged at one base, the
string is tried again right after that base.

Sources: simplitigs (Brinda et al. 2021, Genome Biology 22:96), SSHash (Pibiri 2022, Bioinformatics
38:i185).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import int64, njit, types, uint64

from genolstm.compiled import compiled
from genolstm.sequences.alphabet import Codes

HEAVY = 8
"""Number of places of a minimizer beyond which its k-mers are indexed one by one."""

MAX_COUNT = 65535
"""Graded counts are capped here (unsigned 16 bit)."""

LONGEST_RUN = 1 << 15
"""Runs of equal counts end at every multiple of this many bases, because their starts are kept modulo 65536."""

LONGEST_BUCKET = 4096
"""Entries of a bucket that a look-up reads; there are about six, and hundreds in none but a forged panel."""

RUN_SHIFT = 8
"""log2 of the bases (256) between entries of the index of runs of equal counts."""

# Fields of a builder's state array.
N_BASES, N_ENTRIES, N_KMERS, N_STRINGS = 0, 1, 2, 3

_ANY = np.uint64(0xFFFFFFFFFFFFFFFF)
_KMER_SEED = np.uint64(0x5851F42D4C957F2D)
_RANK_SEED = np.uint64(0x2545F4914F6CDD1D)
_RANK_FACTOR = np.uint64(0xD1342543DE82EF95)

_u8 = types.Array(types.uint8, 1, "C", readonly=True)
_u16 = types.Array(types.uint16, 1, "C", readonly=True)
_u32 = types.Array(types.uint32, 1, "C", readonly=True)
_u64 = types.Array(types.uint64, 1, "C", readonly=True)
_i64 = types.int64


@njit(nogil=True)
def _mix(x):
    """Scramble 64 bits (the finaliser of SplitMix64)."""
    x = uint64(x) + uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> uint64(30))) * uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> uint64(27))) * uint64(0x94D049BB133111EB)
    return x ^ (x >> uint64(31))


@njit(nogil=True)
def _reverse_complement(x, k):
    """Return the other strand of a packed k-mer by swapping ever larger groups of bits."""
    x = ~uint64(x)
    x = ((x >> uint64(2)) & uint64(0x3333333333333333)) | ((x & uint64(0x3333333333333333)) << uint64(2))
    x = ((x >> uint64(4)) & uint64(0x0F0F0F0F0F0F0F0F)) | ((x & uint64(0x0F0F0F0F0F0F0F0F)) << uint64(4))
    x = ((x >> uint64(8)) & uint64(0x00FF00FF00FF00FF)) | ((x & uint64(0x00FF00FF00FF00FF)) << uint64(8))
    x = ((x >> uint64(16)) & uint64(0x0000FFFF0000FFFF)) | ((x & uint64(0x0000FFFF0000FFFF)) << uint64(16))
    x = (x >> uint64(32)) | (x << uint64(32))
    return x >> uint64(64 - 2 * k)


@njit(nogil=True)
def _base(words, place):
    return (words[place >> 5] >> uint64(62 - 2 * (place & 31))) & uint64(3)


@njit(nogil=True)
def _kmer(words, place, k):
    """Return the k-mer (k <= 31) that begins at a place; needs one word after the last base."""
    at = place >> 5
    shift = uint64(2 * (place & 31))
    x = words[at] << shift
    if shift:
        x |= words[at + 1] >> (uint64(64) - shift)
    return x >> uint64(64 - 2 * k)


@njit(nogil=True)
def _rank_mmer(x, other):
    """Return the rank of an m-mer (given on both strands) in the random order of m-mers."""
    return (min(x, other) ^ _RANK_SEED) * _RANK_FACTOR


@njit(nogil=True)
def _hash_kmer(x, other):
    return _mix(min(x, other) ^ _KMER_SEED)


@njit(nogil=True)
def _minimizer(x, other, k, m):
    """Return the lowest rank of a k-mer's m-mers, and its first and last place in the k-mer."""
    mask = (uint64(1) << uint64(2 * m)) - uint64(1)
    best = uint64(0xFFFFFFFFFFFFFFFF)
    left = int64(0)
    right = int64(0)
    for offset in range(k - m + 1):
        rank = _rank_mmer((x >> uint64(2 * (k - m - offset))) & mask, (other >> uint64(2 * offset)) & mask)
        if rank < best:
            best = rank
            left = offset
            right = offset
        elif rank == best:
            right = offset
    return best, left, right


@njit(nogil=True)
def _roll(x, other, k, m, start, best, left, right):
    """Update the minimizer for the k-mer ``x``, one base further, that begins at ``start``."""
    if left < start:
        best, first, last = _minimizer(x, other, k, m)
        return best, start + first, start + last
    mask = (uint64(1) << uint64(2 * m)) - uint64(1)
    rank = _rank_mmer(x & mask, other >> uint64(2 * (k - m)))
    if rank < best:
        return rank, start + k - m, start + k - m
    if rank == best:
        right = start + k - m
    return best, left, right


@njit(nogil=True)
def _word(words, place):
    """Return the 32 bases that begin at a place."""
    at = place >> 5
    shift = uint64(2 * (place & 31))
    x = words[at] << shift
    if shift:
        x |= words[at + 1] >> (uint64(64) - shift)
    return x


@njit(nogil=True)
def _leading(x):
    """Return the number of leading bases of ``x`` that are 0."""
    n = int64(0)
    for half in (16, 8, 4, 2, 1):
        if x >> uint64(64 - 2 * half) == 0:
            n += half
            x <<= uint64(2 * half)
    return n


@njit(nogil=True)
def _agree(query, i, words, place, direction, limit):
    """Return how many bases of the query from ``i`` on, up to ``limit``, match a string from ``place`` on.

    With direction -1 the string is read to the left, on the other strand.
    """
    t = int64(0)
    while t < limit:
        if direction == 1:
            x = _word(words, place + t)
        else:
            # The word that ends here; at the very start of the strings it is not complete.
            begin = max(place - t - 31, 0)
            x = _reverse_complement(_word(words, begin), 32) << uint64(2 * (begin + 31 - place + t))
        x ^= _word(query, i + t)
        if x:
            return min(limit, t + _leading(x))
        t += 32
    return limit


@njit(nogil=True)
def _next(unknown, n, start, value):
    """Return the first base from ``start`` on that is unknown (1) or known (0), or ``n``."""
    i = start
    while i < n:
        bits = uint64(unknown[i >> 5])
        if value == 0:
            bits ^= uint64(0xFFFFFFFF)
        bits >>= uint64(i & 31)
        if bits == 0:
            i = (i | 31) + 1
            continue
        while bits & uint64(1) == 0:
            bits >>= uint64(1)
            i += 1
        return min(i, n)
    return n


@compiled(types.void(_u8, types.uint64[::1], types.uint32[::1]))
def pack(codes, words, unknown):
    """Pack codes 32 to a word, and mark the unknown ones (which become A) bit by bit.

    ``words`` must be two words longer than the codes need, and both arrays must hold zeros.
    """
    whole = codes.size >> 5
    for at in range(whole):
        block = codes[32 * at : 32 * at + 32]
        x = uint64(0)
        worst = np.uint8(0)
        for j in range(32):
            x |= uint64(block[j] & 3) << uint64(62 - 2 * j)
            worst |= block[j]
        words[at] = x
        if worst > 3:
            bits = np.uint32(0)
            for j in range(32):
                if block[j] > 3:
                    bits |= np.uint32(1) << np.uint32(j)
                    words[at] &= ~(uint64(3) << uint64(62 - 2 * j))
            unknown[at] = bits
    for j in range(32 * whole, codes.size):
        if codes[j] > 3:
            unknown[whole] |= np.uint32(1) << np.uint32(j & 31)
        else:
            words[whole] |= uint64(codes[j]) << uint64(62 - 2 * (j & 31))


def packed_words(bases: int) -> int:
    """Return how many words :func:`packed` gives for a number of bases."""
    return (bases >> 5) + 3


def packed(codes: Codes) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint32]]:
    """Return a sequence of codes packed with 2 bits per base, and one bit per base that marks unknown ones."""
    words = np.zeros(packed_words(codes.size), dtype=np.uint64)
    unknown = np.zeros((codes.size >> 5) + 1, dtype=np.uint32)
    pack(np.ascontiguousarray(codes, dtype=np.uint8), words, unknown)
    return words, unknown


@njit(nogil=True)
def _run_at(place, n_bases, run_start, run_count, run_index):
    """Return the run of equal counts that a place lies in: its number, start and end.

    Whatever a panel holds, the start is not after the place and the end is.
    """
    block = place >> RUN_SHIFT
    begin = block << RUN_SHIFT
    run = min(int64(run_index[block]), run_start.size - 1)
    # Starts are kept modulo 65536; no run is that long.
    start = begin - ((begin - int64(run_start[run])) & 0xFFFF)
    # As many runs as there are bases between entries, at most: each has one or more.
    for _ in range((1 << RUN_SHIFT) + 1):
        if run + 1 >= run_start.size:
            return run, start, n_bases
        end = start + ((int64(run_start[run + 1]) - int64(run_start[run])) & 0xFFFF)
        if end > place:
            return run, start, end
        run += 1
        start = end
    return run, place, place + 1


@njit(nogil=True)
def _in_bucket(
    h,
    x,
    other,
    k,
    anchor,
    m,
    shift,
    shift_other,
    words,
    n_bases,
    directory,
    records,
    width,
    place_bits,
    run_start,
    run_count,
    run_index,
):
    """Search one bucket of the index; a recorded place is moved left by ``shift``.

    Only places where the string has the m-mer ``anchor`` (the smaller strand) count, unless it is
    ``_ANY``. Returns place (or -1), direction, and 0 if there was no such place, 1 if there was, 3
    if the bucket has an entry that marks the minimizer as heavy.
    """
    bucket = ((h & uint64(0xFFFFFFFF)) * uint64(directory.size - 1)) >> uint64(32)
    place_mask = (uint64(1) << uint64(place_bits)) - uint64(1)
    tag = (h >> uint64(32)) & ((uint64(1) << uint64(8 * width - place_bits)) - uint64(1))
    seen = 0
    keep = ~uint64(0) >> uint64(64 - 8 * width)
    first = int64(directory[bucket]) * width
    final = min(int64(directory[bucket + 1]) * width, records.size - 7, first + LONGEST_BUCKET * width)
    for at in range(first, final, width):
        # Eight bytes, which the compiler reads as one word; the records end with eight bytes of padding.
        r = records[at : at + 8]
        entry = keep & (
            uint64(r[0])
            | (uint64(r[1]) << uint64(8))
            | (uint64(r[2]) << uint64(16))
            | (uint64(r[3]) << uint64(24))
            | (uint64(r[4]) << uint64(32))
            | (uint64(r[5]) << uint64(40))
            | (uint64(r[6]) << uint64(48))
            | (uint64(r[7]) << uint64(56))
        )
        if entry >> uint64(place_bits) != tag:
            continue
        if entry & place_mask == place_mask:
            seen = 3
            continue
        place = int64(entry & place_mask)
        if anchor != _ANY:
            if place + m > n_bases:
                continue
            y = _kmer(words, place, m)
            if min(y, _reverse_complement(y, m)) != anchor:
                continue
        seen |= 1
        place -= shift
        if place >= 0 and place + k <= n_bases and _kmer(words, place, k) == x:
            run, _, _ = _run_at(place, n_bases, run_start, run_count, run_index)
            if run_count[run] > 0:
                return place, 1, seen
        place += shift - shift_other
        if place >= 0 and place + k <= n_bases and _kmer(words, place, k) == other:
            run, _, _ = _run_at(place, n_bases, run_start, run_count, run_index)
            if run_count[run] > 0:
                return place, -1, seen
    return int64(-1), 0, seen


@compiled(
    types.void(_u64, _u32, _i64, _i64, _i64, _u64, _i64, _u32, _u8, _i64, _i64, _u16, _u16, _u32, types.uint16[::1])
)
def look_up(
    query, unknown, n, k, m, words, n_bases, directory, records, width, place_bits, run_start, run_count, run_index, out
):
    """Write the count of every k-mer of ``n`` packed bases into ``out``, which holds zeros."""
    mask_m = (uint64(1) << uint64(2 * m)) - uint64(1)
    mask = (uint64(1) << uint64(2 * k)) - uint64(1)
    # Where query and string last diverged: direction, query base, string base.
    parted, parted_query, parted_string = 0, int64(0), int64(0)
    end = int64(0)
    while True:
        i = _next(unknown, n, end, 0)
        if i >= n:
            return
        end = _next(unknown, n, i, 1)
        while i + k <= end:
            x = _kmer(query, i, k)
            other = _reverse_complement(x, k)
            best, left, right = uint64(0), int64(-1), int64(-1)  # not known yet
            barren = int64(-1)  # a minimizer that the index does not have
            place, direction = int64(-1), 0
            while True:
                if parted != 0 and parted_query < i < parted_query + 4 * k:
                    direction = parted
                    place = parted_string + parted * (i - parted_query)
                    if parted == -1:
                        place -= k - 1
                    if place < 0 or place + k > n_bases or _kmer(words, place, k) != (x if direction == 1 else other):
                        place = int64(-1)
                    else:
                        run, _, _ = _run_at(place, n_bases, run_start, run_count, run_index)
                        if run_count[run] > 0:
                            break
                        place = int64(-1)
                if left < 0:
                    best, left, right = _minimizer(x, other, k, m)
                    left += i
                    right += i
                if left != barren:
                    y = (x >> uint64(2 * (k - m - (left - i)))) & mask_m
                    anchor = min(y, (other >> uint64(2 * (left - i))) & mask_m)
                    place, direction, seen = _in_bucket(
                        _mix(best),
                        x,
                        other,
                        k,
                        anchor,
                        m,
                        left - i,
                        k - m - (left - i),
                        words,
                        n_bases,
                        directory,
                        records,
                        width,
                        place_bits,
                        run_start,
                        run_count,
                        run_index,
                    )
                    if place < 0 and seen == 3:
                        place, direction, _ = _in_bucket(
                            _hash_kmer(x, other),
                            x,
                            other,
                            k,
                            _ANY,
                            m,
                            0,
                            0,
                            words,
                            n_bases,
                            directory,
                            records,
                            width,
                            place_bits,
                            run_start,
                            run_count,
                            run_index,
                        )
                    if place >= 0:
                        break
                    if seen == 0:
                        barren = left
                i += 1
                if i + k > end:
                    break
                base = _base(query, i + k - 1)
                x = ((x << uint64(2)) | base) & mask
                other = (other >> uint64(2)) | ((uint64(3) - base) << uint64(2 * k - 2))
                best, left, right = _roll(x, other, k, m, i, best, left, right)
            if place < 0:
                break

            # Follow the string as far as it agrees, run by run of equal counts.
            if direction == 1:
                limit = min(end - (i + k), n_bases - (place + k))
                agreed = _agree(query, i + k, words, place + k, 1, limit)
            else:
                limit = min(end - (i + k), place)
                agreed = _agree(query, i + k, words, place - 1, -1, limit)
            follow = i + agreed + 1
            run, run_begin, run_end = _run_at(place, n_bases, run_start, run_count, run_index)
            while True:
                value = run_count[run]
                if value == 0:
                    break
                if direction == 1:
                    step = min(run_end - place, follow - i)
                else:
                    step = min(place - run_begin + 1, follow - i)
                for j in range(i, i + step):
                    out[j] = value
                i += step
                place += step * direction
                if i >= follow:
                    break
                run += direction
                if direction == 1:
                    run_begin = run_end
                    run_end = n_bases
                    if run + 1 < run_start.size:
                        run_end = run_begin + ((int64(run_start[run + 1]) - int64(run_start[run])) & 0xFFFF)
                elif run >= 0:
                    run_end = run_begin
                    run_begin -= (int64(run_start[run + 1]) - int64(run_start[run])) & 0xFFFF
                # Only a forged panel has no run here, or an empty one.
                if run < 0 or not run_begin <= place < run_end:
                    break
            if i == follow and agreed < limit:
                parted, parted_query = direction, i + k - 1
                parted_string = place + k - 1 if direction == 1 else place
