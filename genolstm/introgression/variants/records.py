"""What the compiled loops over records share, whatever the format: which calls count, and the rows they become.

The loops check what they read: a number never wraps, an index never leaves its array, and whatever
is wrong is reported with the place of its record.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from genolstm.compiled import compiled
from genolstm.introgression.variants.block import ABSENT, BASES, UNKNOWN
from genolstm.numbers import LAST_POSITION

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
    TOO_FAR,
) = range(10, 23)
#: A record is passed over, and reading goes on.
PASSED = 1

# Places in `state`.
NEXT, ROWS, STRETCHES, WHY, LINE, SAMPLE, VALUE, LIMIT, POSITION = range(9)
N_STATE = 9
# Places in `counts`.
RECORDS, FILTERED, UNPHASED_HETS, LOW, INVARIANT, ODD, NOT_SNV, MERGED = range(8)
N_COUNTS = 8
# Kinds of rows: carriers of other alleles only; a base as alternative; nobody differs, and calls are missing.
OTHERS, BASE, MISSING = 0, 1, 2

#: Alternative alleles that a record may have. Tables of alleles hold the reference too, and what -1 falls on.
MAX_ALLELES = 250

# Letters, as the loops see them.
TAB, NEWLINE, RETURN, COLON, COMMA, DOT, SLASH, PIPE, SEMICOLON, ZERO, NINE = (ord(c) for c in "\t\n\r:,./|;09")
_LESS, _STAR, _N, _UNDERLINE = (ord(c) for c in "<*N_")
#: Clears the bit that makes a letter small.
_CAPITAL = 0xDF

_CODE_OF = np.full(256, UNKNOWN, dtype=np.int8)
for _letter, _code in BASES.items():
    _CODE_OF[ord(_letter)] = _CODE_OF[ord(_letter.lower())] = _code


class Choice(NamedTuple):
    """Which samples are read, and which of their calls count.

    Attributes
    ----------
    column_of
        For each sample that a record has, its place among the chosen ones, or -1.
    need_phase, allow_unphased, min_gq, min_dp
        For each chosen sample: see :class:`~genolstm.introgression.variants.block.CallSettings`.
    ploidy
        For each chosen sample, the number of alleles of its last call that shows it; 0 at first.
    """

    column_of: np.ndarray
    need_phase: np.ndarray
    allow_unphased: np.ndarray
    min_gq: np.ndarray
    min_dp: np.ndarray
    ploidy: np.ndarray


class Span(NamedTuple):
    """Positions [low, high) that are read, 0-based, and the chromosome's length; -1 if it is not known."""

    low: np.int64
    high: np.int64
    length: np.int64


class Output(NamedTuple):
    """The arrays that the loops fill.

    Attributes
    ----------
    positions, references, kinds, rows
        Of each row: its position, the base of the reference, what it is (:data:`BASE`, ...), and its alleles.
    known
        Stretches in which everybody has the reference.
    state, counts
        See the constants; ``state[POSITION]`` is that of the record before.
    """

    positions: np.ndarray
    references: np.ndarray
    kinds: np.ndarray
    rows: np.ndarray
    known: np.ndarray
    state: np.ndarray
    counts: np.ndarray


class Alleles(NamedTuple):
    """The alleles of a record.

    Attributes
    ----------
    number
        How many there are; -1 if there are too many.
    bases
        How many alternatives are bases.
    any_other
        Whether one is ``<NON_REF>`` or ``<*>``, which stand for whatever nobody here carries.
    """

    number: int
    bases: int
    any_other: bool


class Call(NamedTuple):
    """A genotype.

    Attributes
    ----------
    first, second
        Numbers of its alleles; -1 for one that is missing.
    alleles
        How many it has, 1 or 2.
    unphased, low
        Whether it is unphased, and below the least quality.
    """

    first: int | np.int64
    second: int | np.int64
    alleles: int
    unphased: bool
    low: bool


@compiled(inner=True, _nrt=False)
def base_of(letter):
    """Return the base that a letter is, or -1."""
    return _CODE_OF[letter]


@compiled(inner=True, _nrt=False)
def read_alleles(buf, ref, ref_end, alt, alt_end, lut):
    """Fill ``lut`` with the base of every allele, the reference first, and return :class:`Alleles`.

    ``lut`` ends with UNKNOWN, on which the index -1 falls. An allele is a base if it is one letter, or
    as long as the reference and different in the first letter only.
    """
    for k in range(lut.size):
        lut[k] = UNKNOWN
    lut[0] = _CODE_OF[buf[ref]]
    n, bases = 1, 0
    any_other = False
    if alt_end == alt + 1 and buf[alt] == DOT:
        return Alleles(n, bases, any_other)
    start = alt
    for i in range(alt, alt_end + 1):
        if i < alt_end and buf[i] != COMMA:
            continue
        if n >= lut.size - 1:
            return Alleles(-1, bases, any_other)
        size = i - start
        code = NO_BASE
        if size == ref_end - ref and size > 0:
            same = True
            for j in range(1, size):
                # Letters of either case are equal.
                if buf[start + j] & _CAPITAL != buf[ref + j] & _CAPITAL:
                    same = False
            found = _CODE_OF[buf[start]]
            if same and found >= 0:
                code = found
        if (
            size >= 3
            and buf[start] == _LESS
            and (buf[start + 1] == _STAR or (size == 9 and buf[start + 1] == _N and buf[start + 4] == _UNDERLINE))
        ):
            any_other = True
        if code >= 0:
            bases += 1
        lut[n] = code
        n += 1
        start = i + 1
    return Alleles(n, bases, any_other)


@compiled(inner=True, _nrt=False)
def may_be_block(alleles):
    """Return whether a record may state the reference for a stretch: no alternative is a base that somebody has."""
    return alleles.bases == 0 and (alleles.number == 1 or alleles.any_other)


@compiled(inner=True, _nrt=False)
def place(position, span, out):
    """Return whether a record at ``position`` is read (0), passed over, or why reading stops."""
    state = out.state
    if position < state[POSITION]:
        state[VALUE] = state[POSITION]
        return UNSORTED
    state[POSITION] = position
    if position >= span.high:
        return BEYOND
    if position < 0 or position == span.length:  # telomeres
        out.counts[ODD] += 1
        out.counts[RECORDS] += 1
        return PASSED
    if span.length >= 0 and position > span.length:
        return OUTSIDE
    if position >= LAST_POSITION:
        return TOO_FAR
    return 0


@compiled(inner=True, _nrt=False)
def weigh(position, end, reference, passes, span, out):
    """Count a record, and return where it stops, and whether it is read (0), passed over, or wrong.

    Parameters
    ----------
    end
        Where the record says that it ends, exclusive; 0 if it does not, less if what it says is no end.
    reference
        Base of the reference, or -1.
    passes
        Whether its filters are accepted.
    """
    stop = position + 1
    if end < 0 or 0 < end < stop or end > LAST_POSITION:
        return stop, BAD_END
    stop = max(stop, end)
    if span.length >= 0:
        stop = min(stop, span.length)
    if stop <= span.low:
        return stop, PASSED
    counts = out.counts
    counts[RECORDS] += 1
    if not passes:
        counts[FILTERED] += 1
        return stop, PASSED
    if reference < 0:
        counts[NOT_SNV] += 1
        return stop, PASSED
    return stop, 0


@compiled(inner=True, _nrt=False)
def enter_call(call, column, lut, row, need_phase, allow_unphased, ploidy, counts):
    """Enter the :class:`Call` of one chosen sample into its row; return what is wrong, or 0.

    The arrays of :class:`Choice` come one by one: handing over the tuple takes as long as reading three calls.
    """
    first, second, alleles, unphased, low = call
    if alleles == 1 and first == -1 and ploidy[column] == 2:
        alleles = 2  # a lone dot of a diploid
    elif alleles == 2 or first >= 0:
        ploidy[column] = alleles
    if low:
        if first >= 0 or second >= 0:
            counts[LOW] += 1
        first = second = np.int64(-1)
    row[2 * column] = lut[first]
    row[2 * column + 1] = lut[second] if alleles == 2 else ABSENT
    if unphased and first != second and first >= 0 and second >= 0 and need_phase[column]:
        if not allow_unphased[column]:
            return UNPHASED
        counts[UNPHASED_HETS] += 1
    return 0


@compiled(inner=True, _nrt=False)
def enter_plainly(first, second, column, lut, row, ploidy):
    """Enter two alleles that are there, phased if they differ, and of enough quality, as nearly every call has.

    That is what :func:`enter_call` would do, in a third of the time.
    """
    ploidy[column] = 2
    row[2 * column] = lut[first]
    row[2 * column + 1] = lut[second]


@compiled(inner=True, _nrt=False)
def finish_record(position, stop, reference, alleles, row, out):
    """Decide what a record is, and keep or drop the row that was just filled."""
    state, known = out.state, out.known
    kind = BASE
    if alleles.bases == 0:
        carried, missing = False, False
        for h in range(row.size):
            if row[h] == NO_BASE:
                carried = True
            elif row[h] == UNKNOWN:
                missing = True
        if alleles.number == 1 or (alleles.any_other and not carried):
            out.counts[INVARIANT] += 1
            if not missing:
                n = state[STRETCHES]
                if n > 0 and known[n - 1, 1] >= position and known[n - 1, 0] <= position:
                    known[n - 1, 1] = max(known[n - 1, 1], stop)
                else:
                    known[n, 0] = position
                    known[n, 1] = stop
                    state[STRETCHES] = n + 1
                return
            kind = MISSING
        else:
            kind = OTHERS
    at = state[ROWS]
    out.kinds[at] = kind
    out.positions[at] = position
    out.references[at] = reference
    state[ROWS] += 1


@compiled(_nrt=False)
def merge_rows(keep, out):
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
    positions, references, kinds, rows, _, state, counts = out
    n = state[ROWS]
    state[VALUE] = -1
    width = rows.shape[1]
    done, i = 0, 0
    stop = n
    if keep:
        while stop > 0 and positions[stop - 1] == positions[n - 1]:
            stop -= 1
    while i < stop:
        j = i + 1
        has_base, has_missing = kinds[i] == BASE, kinds[i] == MISSING
        others = 0
        while j < stop and positions[j] == positions[i]:
            if references[j] != references[i]:
                state[VALUE] = j
                return done, 0
            others += kinds[j] == OTHERS
            has_base |= kinds[j] == BASE
            has_missing |= kinds[j] == MISSING
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
                if value == other or other == ABSENT:
                    continue
                if value == ABSENT:
                    value = other
                elif value == NO_BASE or other == NO_BASE:
                    # A carrier of an allele that is no base; two alternatives contradict each other.
                    value = NO_BASE
                elif value >= 0 and value != reference:
                    if other >= 0 and other != reference:
                        value = NO_BASE
                elif other >= 0 and other != reference:
                    value = other
                elif value == UNKNOWN or other == UNKNOWN:
                    value = UNKNOWN
            rows[done, h] = UNKNOWN if value == NO_BASE else value
        positions[done] = positions[i]
        references[done] = reference
        done += 1
        i = j
    for r in range(stop, n):
        target = done + r - stop
        if target != r:
            positions[target] = positions[r]
            references[target] = references[r]
            kinds[target] = kinds[r]
            for h in range(width):
                rows[target, h] = rows[r, h]
    return done, n - stop
