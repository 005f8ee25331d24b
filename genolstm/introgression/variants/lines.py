"""Compiled loops over the records of a VCF's text.

The loops check what they read: a number never wraps, an index never leaves its array, and whatever
is wrong is reported with the place of its record.
"""

from __future__ import annotations

import numpy as np

from genolstm.compiled import compiled

#: Allele of a carrier that is known not to be a base; becomes UNKNOWN when a site is finished.
NO_BASE = -3

# Why a loop stopped; `state` holds the details.
DONE, FULL, OTHER_CHROM, BEYOND = 0, 1, 2, 3
(
    BAD_COLUMNS,
    BAD_POS,
    UNSORTED,
    OUTSIDE,
    NO_GT,
    BAD_GT,
    BIG_ALLELE,
    PLOIDY,
    UNPHASED,
    MANY_ALLELES,
    BAD_END,
    BAD_RECORD,
) = range(10, 22)

# Places in `state`.
NEXT, ROWS, STRETCHES, WHY, LINE, SAMPLE, VALUE, LIMIT, POSITION = range(9)
N_STATE = 9
# Places in `counts`.
RECORDS, FILTERED, UNPHASED_HETS, LOW, INVARIANT, ODD, NOT_SNV, MERGED = range(8)
N_COUNTS = 8

MAX_ALLELES = 250
_TAB, _NEWLINE, _RETURN, _COLON, _COMMA, _DOT = 9, 10, 13, 58, 44, 46
_SLASH, _PIPE, _SEMICOLON, _ZERO, _NINE, _LESS = 47, 124, 59, 48, 57, 60

CODE_OF = np.full(256, -1, dtype=np.int8)
for _i, _letter in enumerate("ACGT"):
    CODE_OF[ord(_letter)] = CODE_OF[ord(_letter.lower())] = _i


@compiled()
def alternative_codes(buf, ref, ref_end, alt, alt_end, code_of, lut):
    """Fill ``lut`` with the base of every allele, the reference first.

    ``lut`` ends with UNKNOWN, on which the index -1 falls. An allele is a base if it is one letter, or
    as long as the reference and different in the first letter only.

    Returns
    -------
    n_alleles, n_bases, any_other
        Number of alleles (-1 if there are too many), number of alternatives that are bases, and
        whether one is ``<NON_REF>`` or ``<*>``, which stand for whatever nobody here carries.
    """
    lut[:] = -1
    lut[0] = code_of[buf[ref]]
    n, bases = 1, 0
    any_other = False
    if alt_end == alt + 1 and buf[alt] == 46:
        return n, bases, any_other
    start = alt
    for i in range(alt, alt_end + 1):
        if i < alt_end and buf[i] != 44:
            continue
        if n >= lut.size - 1:
            return -1, bases, any_other
        size = i - start
        code = -3
        if size == ref_end - ref and size > 0:
            same = True
            for j in range(1, size):
                # Letters of either case are equal.
                if buf[start + j] & 0xDF != buf[ref + j] & 0xDF:
                    same = False
            found = code_of[buf[start]]
            if same and found >= 0:
                code = found
        if (
            size >= 3
            and buf[start] == 60
            and (buf[start + 1] == 42 or (size == 9 and buf[start + 1] == 78 and buf[start + 4] == 95))
        ):
            any_other = True
        if code >= 0:
            bases += 1
        lut[n] = code
        n += 1
        start = i + 1
    return n, bases, any_other


@compiled()
def _number(buf, at, end):
    """Return the digits in [at, end) as a number; -1 if there is anything else, or too many."""
    if at >= end or end - at > 13:
        return np.int64(-1)
    value = np.int64(0)
    for i in range(at, end):
        digit = np.int64(buf[i]) - 48
        if digit < 0 or digit > 9:
            return np.int64(-1)
        value = 10 * value + digit
    return value


@compiled()
def _passes(buf, at, end, names, ends):
    """Return whether every value of a FILTER column is listed."""
    start = at
    for i in range(at, end + 1):
        if i < end and buf[i] != 59:
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


@compiled()
def _subfield(buf, at, end, first, second):
    """Return the number of the FORMAT field with a name of two letters; -1 if it is not there."""
    n, start = 0, at
    for i in range(at, end + 1):
        if i == end or buf[i] == 58:
            if i - start == 2 and buf[start] == first and buf[start + 1] == second:
                return n
            n += 1
            start = i + 1
    return -1


@compiled()
def _info_end(buf, at, end):
    """Return the value of END in INFO; 0 if there is none, -1 if it is no number."""
    start = at
    for i in range(at, end + 1):
        if i == end or buf[i] == 59:
            if (
                i - start > 4
                and buf[start] == 69
                and buf[start + 1] == 78
                and buf[start + 2] == 68
                and buf[start + 3] == 61
            ):
                return _number(buf, start + 4, i)
            start = i + 1
    return np.int64(0)


@compiled()
def _least(buf, at, stop, field, least):
    """Return whether subfield ``field`` of the call at [at, stop) is a number of at least ``least``."""
    n, start = 0, at
    for i in range(at, stop + 1):
        if i == stop or buf[i] == 58:
            if n == field:
                value = np.int64(0)
                if start == i:
                    return False
                for j in range(start, i):
                    if buf[j] == 46 and j > start:
                        break  # a fraction: its whole part decides
                    digit = np.int64(buf[j]) - 48
                    if digit < 0 or digit > 9:
                        return False
                    value = min(10 * value + digit, np.int64(1) << 40)
                return value >= least
            n += 1
            start = i + 1
    return False


@compiled()
def finish_record(
    position, stop, reference, bases, n_alts, any_other, row, positions, references, kinds, known, state, counts
):
    """Decide what a record is, and keep or drop the row that was just filled.

    ``kinds`` is 1 for a row with a base as alternative, 0 for carriers of other alleles, and 2 for an
    invariant site with missing calls.
    """
    if bases == 0:
        carried, missing = False, False
        for h in range(row.size):
            if row[h] == -3:
                carried = True
            elif row[h] == -1:
                missing = True
        if n_alts == 0 or (any_other and not carried):
            counts[INVARIANT] += 1
            if not missing:
                n = state[STRETCHES]
                if n > 0 and known[n - 1, 1] >= position and known[n - 1, 0] <= position:
                    known[n - 1, 1] = max(known[n - 1, 1], stop)
                else:
                    known[n, 0] = position
                    known[n, 1] = stop
                    state[STRETCHES] = n + 1
                return
            kinds[state[ROWS]] = 2
        else:
            kinds[state[ROWS]] = 0
    else:
        kinds[state[ROWS]] = 1
    positions[state[ROWS]] = position
    references[state[ROWS]] = reference
    state[ROWS] += 1


@compiled()
def _columns(buf, at, end, ends):
    """Fill ``ends`` with the end of each of the nine fixed columns; return whether all are there."""
    column = 0
    for i in range(at, end):
        if buf[i] == _TAB or buf[i] == _NEWLINE:
            ends[column] = i
            column += 1
            if buf[i] == _NEWLINE:
                return False
            if column == ends.size:
                return True
    return False


@compiled()
def _rest(buf, i):
    """Return where the next line begins."""
    while buf[i] != _NEWLINE:
        i += 1
    return i + 1


@compiled()
def place(position, low, high, length, state, counts):
    """Return whether a record at ``position`` is read (0), passed over (1), or why reading stops."""
    if position < state[POSITION]:
        state[VALUE] = state[POSITION]
        return UNSORTED
    state[POSITION] = position
    if position >= high:
        return BEYOND
    if position < 0 or position == length:  # telomeres
        counts[ODD] += 1
        counts[RECORDS] += 1
        return 1
    if length >= 0 and position > length:
        return OUTSIDE
    return 0


@compiled()
def _genotype(buf, j, stop, gt, n_alleles, state):
    """Return the first two alleles of a call, how many it has, the sign between them, and what is wrong (or 0)."""
    first, second, alleles, separator = np.int64(-1), np.int64(-1), 0, _PIPE
    n = 0
    while n < gt and j < stop:
        if buf[j] == _COLON:
            n += 1
        j += 1
    if n < gt:
        return first, second, alleles, separator, BAD_GT
    if j < stop and (buf[j] == _PIPE or buf[j] == _SLASH):
        j += 1  # VCF 4.4 may state the phase of the first allele too
    while True:
        start = j
        value = np.int64(0)
        if j < stop and buf[j] == _DOT:
            value = np.int64(-1)
            j += 1
        else:
            while j < stop and _ZERO <= buf[j] <= _NINE:
                value = min(10 * value + np.int64(buf[j]) - _ZERO, np.int64(1) << 40)
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
        if j < stop and (buf[j] == _PIPE or buf[j] == _SLASH):
            if alleles == 1:
                separator = buf[j]
            j += 1
            continue
        if j < stop and buf[j] != _COLON:
            return first, second, alleles, separator, BAD_GT
        if alleles > 2:
            state[VALUE] = alleles
            return first, second, alleles, separator, PLOIDY
        return first, second, alleles, separator, 0


@compiled()
def enter_call(column, first, second, alleles, unphased, low, lut, need_phase, allow_unphased, ploidy, row, counts):
    """Enter the call of one chosen sample into its row; return what is wrong, or 0."""
    if alleles == 1 and first == -1 and ploidy[column] == 2:
        alleles = 2  # a lone dot of a diploid
    elif alleles == 2 or first >= 0:
        ploidy[column] = alleles
    if low:
        if first >= 0 or second >= 0:
            counts[LOW] += 1
        first = second = np.int64(-1)
    row[2 * column] = lut[first]
    row[2 * column + 1] = lut[second] if alleles == 2 else -2
    if unphased and first != second and first >= 0 and second >= 0 and need_phase[column]:
        if not allow_unphased:
            return UNPHASED
        counts[UNPHASED_HETS] += 1
    return 0


@compiled()
def _calls(
    buf,
    i,
    end,
    form,
    form_end,
    n_alleles,
    lut,
    column_of,
    need_phase,
    allow_unphased,
    min_gq,
    min_dp,
    ploidy,
    row,
    state,
    counts,
):
    """Fill a row with the calls that begin at ``i``; return where the line ends, and what is wrong (or 0)."""
    gt = _subfield(buf, form, form_end, 71, 84)
    if gt < 0:
        return i, NO_GT
    gq = _subfield(buf, form, form_end, 71, 81)
    dp = _subfield(buf, form, form_end, 68, 80)
    sample = 0
    while True:
        if sample >= column_of.size:
            return i, BAD_COLUMNS
        column = column_of[sample]
        call = i
        state[SAMPLE] = sample
        if (
            gt == 0
            and i + 3 < end
            and (buf[i + 3] == _TAB or buf[i + 3] == _NEWLINE)
            and (buf[i + 1] == _PIPE or buf[i + 1] == _SLASH)
            and _ZERO <= buf[i] <= _NINE
            and _ZERO <= buf[i + 2] <= _NINE
        ):
            # Two alleles of one digit and nothing else, as nearly every call is.
            i += 3
            if column >= 0:
                first, second = np.int64(buf[call]) - _ZERO, np.int64(buf[call + 2]) - _ZERO
                if first >= n_alleles or second >= n_alleles:
                    state[VALUE] = max(first, second)
                    return i, BIG_ALLELE
                low = min_gq[column] > 0 or min_dp[column] > 0
                why = enter_call(
                    column,
                    first,
                    second,
                    2,
                    buf[call + 1] == _SLASH,
                    low,
                    lut,
                    need_phase,
                    allow_unphased,
                    ploidy,
                    row,
                    counts,
                )
                if why:
                    return i, why
        else:
            while buf[i] != _TAB and buf[i] != _NEWLINE:
                i += 1
            if column >= 0:
                stop = i
                while stop > call and buf[stop - 1] == _RETURN:
                    stop -= 1
                first, second, alleles, separator, why = _genotype(buf, call, stop, gt, n_alleles, state)
                if why:
                    return i, why
                low = (min_gq[column] > 0 and not _least(buf, call, stop, gq, min_gq[column])) or (
                    min_dp[column] > 0 and not _least(buf, call, stop, dp, min_dp[column])
                )
                why = enter_call(
                    column,
                    first,
                    second,
                    alleles,
                    separator == _SLASH,
                    low,
                    lut,
                    need_phase,
                    allow_unphased,
                    ploidy,
                    row,
                    counts,
                )
                if why:
                    return i, why
        sample += 1
        if buf[i] == _NEWLINE:
            break
        i += 1
    return i, 0 if sample == column_of.size else BAD_COLUMNS


@compiled()
def parse_lines(
    buf,
    begin,
    end,
    chrom,
    skip,
    low,
    high,
    length,
    column_of,
    need_phase,
    allow_unphased,
    min_gq,
    min_dp,
    filter_names,
    filter_ends,
    code_of,
    ploidy,
    positions,
    references,
    kinds,
    rows,
    known,
    state,
    counts,
):
    """Read the lines in [begin, end), which ends with a line end, as long as they are on ``chrom``.

    Parameters
    ----------
    buf
        Text, uint8.
    chrom
        Name of the chromosome, uint8.
    skip
        Pass over all records of the chromosome.
    low, high
        0-based positions [low, high) to read; the others are passed over.
    length
        Length of the chromosome; -1 if it is not known.
    column_of
        For each sample of the file, its place among the chosen ones, or -1.
    need_phase, min_gq, min_dp
        For each chosen sample.
    filter_names, filter_ends
        Names of the filters that are accepted, one after the other, and the end of each; no end accepts all.
    ploidy
        For each chosen sample, the number of alleles of its last call that shows it; 0 at first.
    positions, references, kinds, rows, known
        What is filled: see :func:`finish_record`.
    state, counts
        See the constants; ``state[POSITION]`` is that of the record before.
    """
    at = begin
    lut = np.empty(MAX_ALLELES + 2, dtype=np.int8)
    ends = np.empty(9, dtype=np.int64)
    while at < end:
        state[NEXT] = at
        state[LINE] += 1
        whole = _columns(buf, at, end, ends)
        state[WHY] = BAD_COLUMNS
        if ends[0] - at != chrom.size:
            state[WHY] = OTHER_CHROM if buf[ends[0]] == _TAB else BAD_COLUMNS
            return
        for j in range(chrom.size):
            if buf[at + j] != chrom[j]:
                state[WHY] = OTHER_CHROM
                return
        if not whole:
            return
        if skip:
            counts[RECORDS] += 1
            at = _rest(buf, ends[8])
            continue
        if state[ROWS] >= rows.shape[0] or state[STRETCHES] >= known.shape[0]:
            state[WHY] = FULL
            return
        stated = _number(buf, ends[0] + 1, ends[1])
        if stated < 0:
            state[WHY] = BAD_POS
            return
        position = stated - 1
        what = place(position, low, high, length, state, counts)
        if what > 1:
            state[WHY] = what
            return
        ref, ref_end, alt, alt_end = ends[2] + 1, ends[3], ends[3] + 1, ends[4]
        if what == 0 and (ref == ref_end or alt == alt_end):
            return
        if what == 1:
            at = _rest(buf, ends[8])
            continue
        reference = code_of[buf[ref]]
        n_alleles, bases, any_other = alternative_codes(buf, ref, ref_end, alt, alt_end, code_of, lut)
        if n_alleles < 0:
            state[WHY] = MANY_ALLELES
            return
        stop = position + 1
        if bases == 0 and (n_alleles == 1 or any_other):
            stated_end = _info_end(buf, ends[6] + 1, ends[7])
            if stated_end < 0 or 0 < stated_end < stated:
                state[WHY] = BAD_END
                return
            stop = max(stop, stated_end)
            if length >= 0:
                stop = min(stop, length)
        if stop <= low:
            at = _rest(buf, ends[8])
            continue
        counts[RECORDS] += 1
        passes = filter_ends.size == 0 or _passes(buf, ends[5] + 1, ends[6], filter_names, filter_ends)
        if not passes or reference < 0:
            counts[FILTERED if not passes else NOT_SNV] += 1
            at = _rest(buf, ends[8])
            continue
        row = rows[state[ROWS]]
        i, why = _calls(
            buf,
            ends[8] + 1,
            end,
            ends[7] + 1,
            ends[8],
            n_alleles,
            lut,
            column_of,
            need_phase,
            allow_unphased,
            min_gq,
            min_dp,
            ploidy,
            row,
            state,
            counts,
        )
        if why:
            state[LIMIT] = n_alleles
            state[WHY] = why
            return
        at = i + 1
        finish_record(
            max(position, low),
            stop,
            reference,
            bases,
            n_alleles - 1,
            any_other,
            row,
            positions,
            references,
            kinds,
            known,
            state,
            counts,
        )
    state[NEXT] = end
    state[WHY] = DONE


@compiled()
def merge_rows(positions, references, kinds, rows, n, keep, counts, state):
    """Join the rows of one position, in place, and drop what is no site.

    A haplotype with an alternative base in one record carries it, whether the other record has the
    reference or a missing genotype. It carries the reference only if all records say so. Two
    different alternatives on one haplotype contradict each other and become UNKNOWN, and so does a
    carrier of an allele that is no base. The rows from the last position on are moved to the end of
    what is left, unmerged, if ``keep`` asks for it, because records of that position may follow.

    ``state[VALUE]`` is the row of a contradictory reference, or -1.

    Returns
    -------
    n_finished, n_kept
        Number of finished rows, and of those that were moved after them.
    """
    state[VALUE] = -1
    width = rows.shape[1]
    out, i = 0, 0
    stop = n
    if keep:
        while stop > 0 and positions[stop - 1] == positions[n - 1]:
            stop -= 1
    while i < stop:
        j = i + 1
        has_base, has_missing = kinds[i] == 1, kinds[i] == 2
        others = 0
        while j < stop and positions[j] == positions[i]:
            if references[j] != references[i]:
                state[VALUE] = j
                return out, 0
            others += kinds[j] == 0
            has_base |= kinds[j] == 1
            has_missing |= kinds[j] == 2
            j += 1
        if not has_base and not has_missing:
            counts[NOT_SNV] += j - i
            i = j
            continue
        reference = references[i]
        counts[NOT_SNV] += others
        counts[MERGED] += j - i - 1 - others
        for h in range(width):
            value = rows[i, h]
            for r in range(i + 1, j):
                other = rows[r, h]
                if value == other or other == -2:
                    continue
                if value == -2:
                    value = other
                elif value == -3 or other == -3:
                    # A carrier of an allele that is no base; two alternatives contradict each other.
                    value = -3
                elif value >= 0 and value != reference:
                    if other >= 0 and other != reference:
                        value = -3
                elif other >= 0 and other != reference:
                    value = other
                elif value == -1 or other == -1:
                    value = -1
            rows[out, h] = -1 if value == -3 else value
        positions[out] = positions[i]
        references[out] = reference
        out += 1
        i = j
    for r in range(stop, n):
        target = out + r - stop
        if target != r:
            positions[target] = positions[r]
            references[target] = references[r]
            kinds[target] = kinds[r]
            for h in range(width):
                rows[target, h] = rows[r, h]
    return out, n - stop
