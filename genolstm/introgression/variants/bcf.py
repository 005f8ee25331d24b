"""Compiled loops over the records of a BCF, with the same checks as those over the text of a VCF."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from genolstm.compiled import compiled
from genolstm.introgression.variants.records import (
    BAD_GT,
    BAD_RECORD,
    BIG_ALLELE,
    COMMA,
    DONE,
    DOT,
    FULL,
    LIMIT,
    LINE,
    MANY_ALLELES,
    MAX_ALLELES,
    NEXT,
    NO_GT,
    OTHER_CHROM,
    PASSED,
    PLOIDY,
    RECORDS,
    ROWS,
    SAMPLE,
    STRETCHES,
    VALUE,
    WHY,
    Call,
    base_of,
    enter_call,
    enter_plainly,
    finish_record,
    may_be_block,
    place,
    read_alleles,
    weigh,
)

#: Bytes that a record may have: more is a damaged length.
MAX_RECORD = 1 << 30
# Types of values.
_NOTHING, _INT8, _INT16, _INT32, _FLOAT, _TEXT = 0, 1, 2, 3, 5, 7


class Names(NamedTuple):
    """What a record calls by number.

    Attributes
    ----------
    accepted
        For each filter whether it is accepted, and last whether a record without filter is.
    keys
        Numbers of GT, GQ and DP; -1 for one that the header lacks.
    """

    accepted: np.ndarray
    keys: np.ndarray


@compiled()
def _signed(buf, at, size):
    """Return the little-endian signed integer of ``size`` bytes at ``at``."""
    if size == 1:  # nearly every genotype
        value = np.int64(buf[at])
        return value - 256 if value > 127 else value
    value = np.int64(0)
    for j in range(size):
        value |= np.int64(buf[at + j]) << (8 * j)
    if value >> (8 * size - 1):
        value -= np.int64(1) << (8 * size)
    return value


@compiled()
def _width(kind):
    """Return the bytes of one value of a type; -1 if there is no such type."""
    if kind in (_INT8, _TEXT):
        return 1
    if kind == _INT16:
        return 2
    if kind in (_INT32, _FLOAT):
        return 4
    return 0 if kind == _NOTHING else -1


@compiled()
def _typed(buf, at, end):
    """Read a type descriptor; return where its values begin, how many, their type, and their width (-1: damaged)."""
    if at >= end:
        return at, np.int64(0), 0, -1
    number, kind = np.int64(buf[at] >> 4), np.int64(buf[at] & 15)
    at += 1
    if number == 15:
        if at >= end:
            return at, np.int64(0), 0, -1
        width = _width(buf[at] & 15)
        if buf[at] >> 4 != 1 or (buf[at] & 15) not in (_INT8, _INT16, _INT32) or at + 1 + width > end:
            return at, np.int64(0), 0, -1
        number = _signed(buf, at + 1, width)
        at += 1 + width
        if number < 0:
            return at, number, 0, -1
    return at, number, kind, _width(kind)


@compiled()
def _skip(buf, at, end):
    """Return where a typed value ends; -1 if it is damaged."""
    at, number, _, width = _typed(buf, at, end)
    if width < 0 or number * max(width, 0) > end - at:
        return -1
    return at + number * width


@compiled()
def _alleles(buf, at, end, n_alleles, text, ends):
    """Copy the alleles, with commas between the alternatives, to ``text``; return where they end (-1: damaged)."""
    used = 0
    for a in range(n_alleles):
        at, number, kind, width = _typed(buf, at, end)
        if width != 1 or (kind != _TEXT and number > 0) or number > end - at:
            return -1
        if a > 1:
            if used >= text.size:
                return -2
            text[used] = COMMA
            used += 1
        if used + number >= text.size:
            return -2
        for j in range(number):
            text[used + j] = buf[at + j]
        used += number
        at += number
        if a == 0:
            ends[0] = used
    ends[1] = used
    return at


@compiled()
def _accepted(buf, at, end, accepted):
    """Return 1 if every filter of the record is accepted, 0 if not, and -1 if it is damaged; and where it ends.

    ``accepted`` has a flag for each filter, and last one for a record without any.
    """
    at, number, kind, width = _typed(buf, at, end)
    if width < 0 or number * width > end - at or (number and kind not in (_INT8, _INT16, _INT32)):
        return -1, at
    if number == 0:
        return int(accepted[accepted.size - 1]), at
    good = 1
    for j in range(number):
        value = _signed(buf, at + j * width, width)
        if value < 0 or value >= accepted.size - 1 or not accepted[value]:
            good = 0
    return good, at + number * width


@compiled()
def _reaches(buf, found, sample, least):
    """Return whether the first value of a sample is at least ``least``; ``found`` is (place, number, width)."""
    at, number, width = found[0], found[1], found[2]
    if number < 1:
        return False
    return _signed(buf, at + sample * number * width, width) >= least


@compiled()
def _genotypes(buf, found, n_alleles, lut, choice, row, out):
    """Fill a row with the calls of a record; return what is wrong, or 0.

    ``found`` holds the place, the number and the width of GT, GQ and DP.
    """
    column_of, need_phase, allow_unphased, min_gq, min_dp, ploidy = choice
    state, counts = out.state, out.counts
    at, number, width = found[0, 0], found[0, 1], found[0, 2]
    low_end = -(np.int64(1) << (8 * width - 1)) + 1  # the mark after a call's last allele
    missing = low_end - 1
    for sample in range(column_of.size):
        column = column_of[sample]
        if column < 0:
            continue
        state[SAMPLE] = sample
        first, second, n, unphased = np.int64(-1), np.int64(-1), 0, False
        for j in range(number):
            value = _signed(buf, at + (sample * number + j) * width, width)
            if value == low_end:
                break
            if value == missing:
                value = np.int64(0)
            allele = (value >> 1) - 1
            if value < 0:
                return BAD_GT
            if allele >= n_alleles:
                state[VALUE] = allele
                return BIG_ALLELE
            if j == 0:
                first = allele
            elif j == 1:
                second = allele
                unphased = value & 1 == 0
            n += 1
        if n == 0:
            n = 1
        if n > 2:
            state[VALUE] = n
            return PLOIDY
        low = (min_gq[column] > 0 and not _reaches(buf, found[1], sample, min_gq[column])) or (
            min_dp[column] > 0 and not _reaches(buf, found[2], sample, min_dp[column])
        )
        if n == 2 and first >= 0 and second >= 0 and not low and (first == second or not unphased):
            enter_plainly(first, second, column, lut, row, ploidy)
            continue
        call = Call(first, second, n, unphased, low)
        why = enter_call(call, column, lut, row, need_phase, allow_unphased, ploidy, counts)
        if why:
            return why
    return 0


@compiled()
def _calls(buf, at, end, n_formats, n_samples, keys, found):
    """Find the FORMAT fields of a record; return what is wrong, or 0. ``found`` is that of :func:`_genotypes`."""
    found[:] = 0
    for _ in range(n_formats):
        at, number, kind, width = _typed(buf, at, end)
        if width < 1 or number != 1 or kind not in (_INT8, _INT16, _INT32) or width > end - at:
            return BAD_RECORD
        key = _signed(buf, at, width)
        at, number, kind, width = _typed(buf, at + width, end)
        if width < 0 or number * width * n_samples > end - at:
            return BAD_RECORD
        for f in range(3):
            if key == keys[f] and kind in (_INT8, _INT16, _INT32):
                found[f, 0], found[f, 1], found[f, 2] = at, number, width
        at += number * width * n_samples
    return NO_GT if found[0, 2] == 0 else 0


@compiled()
def parse_records(buf, begin, end, chrom, skip, names, span, choice, out):
    """Read the records in [begin, end) as long as they are whole and on ``chrom``.

    Parameters
    ----------
    buf
        Bytes of the BCF, uint8.
    chrom
        Number of the chromosome.
    names
        :class:`Names`.

    The other parameters are those of :func:`~genolstm.introgression.variants.lines.parse_lines`.
    """
    state = out.state
    at = begin
    lut = np.empty(MAX_ALLELES + 2, dtype=np.int8)
    text = np.empty(1 << 16, dtype=np.uint8)
    ends = np.zeros(2, dtype=np.int64)
    found = np.zeros((3, 3), dtype=np.int64)
    while at < end:
        state[NEXT] = at
        state[WHY] = DONE
        if end - at < 32:
            return
        shared, calls = _signed(buf, at, 4), _signed(buf, at + 4, 4)
        if shared < 24 or calls < 0 or shared + calls > MAX_RECORD:
            state[WHY] = BAD_RECORD
            return
        start, middle = at + 8, at + 8 + shared
        after = middle + calls
        if after > end:
            return
        state[LINE] += 1
        number = _signed(buf, start, 4)
        if number != chrom:
            state[VALUE] = number
            state[WHY] = OTHER_CHROM
            return
        if skip:
            out.counts[RECORDS] += 1
            at = after
            continue
        if state[ROWS] >= out.rows.shape[0] or state[STRETCHES] >= out.known.shape[0]:
            state[WHY] = FULL
            return
        position, size = _signed(buf, start + 4, 4), _signed(buf, start + 8, 4)
        if position < -1:
            state[WHY] = BAD_RECORD
            return
        what = place(position, span, out)
        if what > PASSED:
            state[WHY] = what
            return
        if what == PASSED:
            at = after
            continue
        n_alleles = np.int64(buf[start + 18]) | np.int64(buf[start + 19]) << 8
        n_formats = np.int64(buf[start + 23])
        n_samples = _signed(buf, start + 20, 3) & 0xFFFFFF
        state[WHY] = BAD_RECORD
        i = _skip(buf, start + 24, middle)  # ID
        if i < 0 or n_alleles < 1:
            return
        i = _alleles(buf, i, middle, n_alleles, text, ends)
        if i == -1:
            return
        if i == -2 or n_alleles > MAX_ALLELES + 1:
            # Alleles longer than any substitution: not looked at.
            weigh(position, 0, -1, True, span, out)
            at = after
            continue
        reference = base_of(text[0]) if ends[0] > 0 else -1
        passes, i = _accepted(buf, i, middle, names.accepted)
        if passes < 0:
            return
        text_end = ends[1]
        if n_alleles == 1:
            text[text_end] = DOT
            text_end += 1
        alleles = read_alleles(text, 0, ends[0], ends[0], text_end, lut)
        if alleles.number != n_alleles:
            state[WHY] = MANY_ALLELES if alleles.number < 0 else BAD_RECORD
            return
        stated_end = np.int64(0)
        if size != 0 and may_be_block(alleles):
            stated_end = position + size if size > 0 else np.int64(-1)
        stop, what = weigh(position, stated_end, reference, passes == 1, span, out)
        if what > PASSED:
            state[WHY] = what
            return
        if what == PASSED:
            at = after
            continue
        if n_samples != choice.column_of.size:
            return
        row = out.rows[state[ROWS]]
        why = _calls(buf, middle, after, n_formats, n_samples, names.keys, found)
        if not why:
            why = _genotypes(buf, found, n_alleles, lut, choice, row, out)
        if why:
            state[LIMIT] = n_alleles
            state[WHY] = why
            return
        at = after
        finish_record(max(position, span.low), stop, reference, alleles, row, out)
    state[NEXT] = at
    state[WHY] = DONE
