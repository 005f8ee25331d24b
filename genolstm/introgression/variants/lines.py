"""Compiled loops over the records of a VCF's text."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from genolstm.compiled import compiled
from genolstm.introgression.variants.records import (
    BAD_COLUMNS,
    BAD_GT,
    BAD_POS,
    BIG_ALLELE,
    COLON,
    DONE,
    DOT,
    FULL,
    LIMIT,
    LINE,
    MANY_ALLELES,
    MAX_ALLELES,
    NEWLINE,
    NEXT,
    NINE,
    NO_GT,
    OTHER_CHROM,
    PASSED,
    PIPE,
    PLOIDY,
    RECORDS,
    RETURN,
    ROWS,
    SAMPLE,
    SEMICOLON,
    SLASH,
    STRETCHES,
    TAB,
    VALUE,
    WHY,
    ZERO,
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

_D, _E, _G, _N, _P, _Q, _T, _IS = (ord(c) for c in "DEGNPQT=")
#: More digits than any position has, so that a number never wraps; :func:`~.records.place` bounds what is left.
_MOST_DIGITS = 13
#: The call that nearly every sample has, with the tab behind it, as a number, and the bits that tell its alleles
#: from 0: those of 1 in each. Written by :func:`_four`, lowest byte first.
_PLAIN = np.uint32(int.from_bytes(b"0|0\t", "little"))
_FIRST, _SECOND = np.uint32(1), np.uint32(1 << 16)
_REST = np.uint32(0xFFFFFFFF) ^ _FIRST ^ _SECOND
#: Larger numbers than any that is compared with are as good as this one.
_PLENTY = np.int64(1 << 40)


class Filters(NamedTuple):
    """Names of the filters that are accepted, one after the other, and the end of each; no end accepts all."""

    names: np.ndarray
    ends: np.ndarray


@compiled(inner=True, _nrt=False)
def _number(buf, at, end):
    """Return the digits in [at, end) as a number; -1 if there is anything else, or too many."""
    if at >= end or end - at > _MOST_DIGITS:
        return np.int64(-1)
    value = np.int64(0)
    for i in range(at, end):
        digit = np.int64(buf[i]) - ZERO
        if digit < 0 or digit > 9:
            return np.int64(-1)
        value = 10 * value + digit
    return value


@compiled(inner=True, _nrt=False)
def _passes(buf, at, end, filters):
    """Return whether every value of a FILTER column is listed."""
    names, ends = filters
    if ends.size == 0:
        return True
    start = at
    for i in range(at, end + 1):
        if i < end and buf[i] != SEMICOLON:
            continue
        found = False
        low = 0
        for n in range(ends.size):
            if ends[n] - low == i - start:
                same = True
                for j in range(i - start):
                    if names[low + j] != buf[start + j]:
                        same = False
                        break
                if same:
                    found = True
                    break
            low = ends[n]
        if not found:
            return False
        start = i + 1
    return True


@compiled(inner=True, _nrt=False)
def _subfield(buf, at, end, first, second):
    """Return the number of the FORMAT field with a name of two letters; -1 if it is not there."""
    n, start = 0, at
    for i in range(at, end + 1):
        if i == end or buf[i] == COLON:
            if i - start == 2 and buf[start] == first and buf[start + 1] == second:
                return n
            n += 1
            start = i + 1
    return -1


@compiled(inner=True, _nrt=False)
def _info_end(buf, at, end):
    """Return the value of END in INFO; 0 if there is none (or it is 0), -1 if it is no number."""
    start = at
    for i in range(at, end + 1):
        if i == end or buf[i] == SEMICOLON:
            if (
                i - start > 4
                and buf[start] == _E
                and buf[start + 1] == _N
                and buf[start + 2] == _D
                and buf[start + 3] == _IS
            ):
                return _number(buf, start + 4, i)
            start = i + 1
    return np.int64(0)


@compiled(inner=True, _nrt=False)
def _least(buf, at, stop, field, least):
    """Return whether subfield ``field`` of the call at [at, stop) is a number of at least ``least``."""
    n, start = 0, at
    for i in range(at, stop + 1):
        if i == stop or buf[i] == COLON:
            if n == field:
                value = np.int64(0)
                if start == i:
                    return False
                for j in range(start, i):
                    if buf[j] == DOT and j > start:
                        break  # a fraction: its whole part decides
                    digit = np.int64(buf[j]) - ZERO
                    if digit < 0 or digit > 9:
                        return False
                    value = min(10 * value + digit, _PLENTY)
                return value >= least
            n += 1
            start = i + 1
    return False


@compiled(inner=True, _nrt=False)
def _columns(buf, at, end, ends):
    """Fill ``ends`` with the end of each of the nine fixed columns; return whether all are there."""
    column = 0
    for i in range(at, end):
        if buf[i] == TAB or buf[i] == NEWLINE:
            ends[column] = i
            column += 1
            if buf[i] == NEWLINE:
                return False
            if column == ends.size:
                return True
    return False


@compiled(inner=True, _nrt=False)
def _rest(buf, i):
    """Return where the next line begins."""
    while buf[i] != NEWLINE:
        i += 1
    return i + 1


@compiled(inner=True, _nrt=False)
def _genotype(buf, j, stop, gt, n_alleles, state):
    """Return the first two alleles of a call, how many it has, the sign between them, and what is wrong (or 0)."""
    first, second, alleles, separator = np.int64(-1), np.int64(-1), 0, PIPE
    n = 0
    while n < gt and j < stop:
        if buf[j] == COLON:
            n += 1
        j += 1
    if n < gt:
        return first, second, alleles, separator, BAD_GT
    if j < stop and (buf[j] == PIPE or buf[j] == SLASH):
        j += 1  # VCF 4.4 may state the phase of the first allele too
    while True:
        start = j
        value = np.int64(0)
        if j < stop and buf[j] == DOT:
            value = np.int64(-1)
            j += 1
        else:
            while j < stop and ZERO <= buf[j] <= NINE:
                value = min(10 * value + np.int64(buf[j]) - ZERO, _PLENTY)
                j += 1
        if j == start:
            return first, second, alleles, separator, BAD_GT
        if value >= n_alleles:
            state[VALUE] = value
            return first, second, alleles, separator, BIG_ALLELE
        if alleles == 0:
            first = value
        elif alleles == 1:
            second = value
        alleles += 1
        if j < stop and (buf[j] == PIPE or buf[j] == SLASH):
            if alleles == 1:
                separator = buf[j]
            j += 1
            continue
        if j < stop and buf[j] != COLON:
            return first, second, alleles, separator, BAD_GT
        if alleles > 2:
            state[VALUE] = alleles
            return first, second, alleles, separator, PLOIDY
        return first, second, alleles, separator, 0


@compiled(inner=True, _nrt=False)
def _four(buf, i):
    """Return the four bytes from ``i`` on as a number; with an unsigned index, that is one instruction."""
    at, one = np.uint64(i), np.uint64(1)
    low = np.uint32(buf[at]) | np.uint32(buf[at + one]) << np.uint32(8)
    at += one + one
    return low | np.uint32(buf[at]) << np.uint32(16) | np.uint32(buf[at + one]) << np.uint32(24)


@compiled(inner=True, _nrt=False)
def _plain_calls(buf, i, end, sample, column_of, lut, row, ploidy):
    """Fill a row as long as the alleles of the calls are 0 or 1 and phased; return where that ends, and the sample.

    The last call of a line is left: it may end in another way.
    """
    last = min(column_of.size - 1, sample + (end - i) // 4)
    reference, other = lut[0], lut[1]
    while sample < last:
        call = np.uint32(_four(buf, i)) ^ _PLAIN
        if call & _REST:
            break
        column = column_of[sample]
        if column >= 0:
            ploidy[column] = 2
            row[2 * column] = other if call & _FIRST else reference
            row[2 * column + 1] = other if call & _SECOND else reference
        i += 4
        sample += 1
    return i, sample


@compiled(apart=True, inner=True, _nrt=False)
def _calls(buf, i, end, form, form_end, n_alleles, lut, choice, least, row, out):
    """Fill a row with the calls that begin at ``i``; return where the line ends, and what is wrong (or 0).

    ``least`` tells whether any call needs some quality.
    """
    column_of, need_phase, allow_unphased, min_gq, min_dp, ploidy = choice
    state, counts = out.state, out.counts
    gt = _subfield(buf, form, form_end, _G, _T)
    if gt < 0:
        return i, NO_GT
    gq = _subfield(buf, form, form_end, _G, _Q)
    dp = _subfield(buf, form, form_end, _D, _P)
    sample = 0
    quick = gt == 0 and n_alleles > 1 and not least
    while True:
        if quick:
            i, sample = _plain_calls(buf, i, end, sample, column_of, lut, row, ploidy)
        if sample >= column_of.size:
            return i, BAD_COLUMNS
        column = column_of[sample]
        call = i
        state[SAMPLE] = sample
        # Two alleles of one digit and nothing else, as nearly every call is.
        short = (
            gt == 0
            and i + 3 < end
            and (buf[i + 3] == TAB or buf[i + 3] == NEWLINE)
            and (buf[i + 1] == PIPE or buf[i + 1] == SLASH)
            and ZERO <= buf[i] <= NINE
            and ZERO <= buf[i + 2] <= NINE
        )
        if short:
            i += 3
        else:
            while buf[i] != TAB and buf[i] != NEWLINE:
                i += 1
        if column >= 0:
            why = 0
            if short:
                first, second = np.int64(buf[call]) - ZERO, np.int64(buf[call + 2]) - ZERO
                if first >= n_alleles or second >= n_alleles:
                    state[VALUE] = max(first, second)
                    return i, BIG_ALLELE
                low = min_gq[column] > 0 or min_dp[column] > 0
                if not low and (first == second or buf[call + 1] == PIPE):
                    enter_plainly(first, second, column, lut, row, ploidy)
                else:
                    found = Call(first, second, 2, buf[call + 1] == SLASH, low)
                    why = enter_call(found, column, lut, row, need_phase, allow_unphased, ploidy, counts)
            else:
                stop = i
                while stop > call and buf[stop - 1] == RETURN:
                    stop -= 1
                first, second, alleles, separator, why = _genotype(buf, call, stop, gt, n_alleles, state)
                if why:
                    return i, why
                low = (min_gq[column] > 0 and not _least(buf, call, stop, gq, min_gq[column])) or (
                    min_dp[column] > 0 and not _least(buf, call, stop, dp, min_dp[column])
                )
                found = Call(first, second, alleles, separator == SLASH, low)
                why = enter_call(found, column, lut, row, need_phase, allow_unphased, ploidy, counts)
            if why:
                return i, why
        sample += 1
        if buf[i] == NEWLINE:
            break
        i += 1
    return i, 0 if sample == column_of.size else BAD_COLUMNS


@compiled()
def parse_lines(buf, begin, end, chrom, skip, filters, span, choice, out):
    """Read the lines in [begin, end), which ends with a line end, as long as they are on ``chrom``.

    Parameters
    ----------
    buf
        Text, uint8.
    chrom
        Name of the chromosome, uint8.
    skip
        Pass over all records of the chromosome.
    filters
        :class:`Filters`.
    span, choice, out
        :class:`~.records.Span`, :class:`~.records.Choice` and :class:`~.records.Output`.
    """
    state = out.state
    at = begin
    lut = np.empty(MAX_ALLELES + 2, dtype=np.int8)
    ends = np.empty(9, dtype=np.int64)
    least = False
    for column in range(choice.min_gq.size):
        least |= choice.min_gq[column] > 0 or choice.min_dp[column] > 0
    while at < end:
        state[NEXT] = at
        state[LINE] += 1
        whole = _columns(buf, at, end, ends)
        state[WHY] = BAD_COLUMNS
        if ends[0] - at != chrom.size:
            state[WHY] = OTHER_CHROM if buf[ends[0]] == TAB else BAD_COLUMNS
            return
        for j in range(chrom.size):
            if buf[at + j] != chrom[j]:
                state[WHY] = OTHER_CHROM
                return
        if not whole:
            return
        if skip:
            out.counts[RECORDS] += 1
            at = _rest(buf, ends[8])
            continue
        if state[ROWS] >= out.rows.shape[0] or state[STRETCHES] >= out.known.shape[0]:
            state[WHY] = FULL
            return
        stated = _number(buf, ends[0] + 1, ends[1])
        if stated < 0:
            state[WHY] = BAD_POS
            return
        position = stated - 1
        what = place(position, span, out)
        if what > PASSED:
            state[WHY] = what
            return
        ref, ref_end, alt, alt_end = ends[2] + 1, ends[3], ends[3] + 1, ends[4]
        if what == 0 and (ref == ref_end or alt == alt_end):
            return
        if what == PASSED:
            at = _rest(buf, ends[8])
            continue
        alleles = read_alleles(buf, ref, ref_end, alt, alt_end, lut)
        if alleles.number < 0:
            state[WHY] = MANY_ALLELES
            return
        stated_end = _info_end(buf, ends[6] + 1, ends[7]) if may_be_block(alleles) else np.int64(0)
        passes = _passes(buf, ends[5] + 1, ends[6], filters)
        reference = base_of(buf[ref])
        stop, what = weigh(position, stated_end, reference, passes, span, out)
        if what > PASSED:
            state[WHY] = what
            return
        if what == PASSED:
            at = _rest(buf, ends[8])
            continue
        row = out.rows[state[ROWS]]
        i, why = _calls(buf, ends[8] + 1, end, ends[7] + 1, ends[8], alleles.number, lut, choice, least, row, out)
        if why:
            state[LIMIT] = alleles.number
            state[WHY] = why
            return
        at = i + 1
        finish_record(max(position, span.low), stop, reference, alleles, row, out)
    state[NEXT] = end
    state[WHY] = DONE
