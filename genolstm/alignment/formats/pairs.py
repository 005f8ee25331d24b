"""Lists of candidate pairs and true alignments: two columns of names, or PAF."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from genolstm.errors import InputError
from genolstm.files import PathLike, display_name, read_lines
from genolstm.numbers import LAST_POSITION, parse_integer, quoted
from genolstm.sequences.masks import Masks

# Without a bound, a row of digits without a letter would take a time that grows with its square.
_CIGAR = re.compile(r"([0-9]{1,19})([MIDNSHP=X])")


@dataclass(frozen=True, slots=True)
class PairRecord:
    """One line of a list of pairs.

    Attributes
    ----------
    query, reference
        Names of the two sequences.
    line
        Line number in the file, 1-based.
    strand
        ``+`` or ``-``; None in a plain list.
    query_span, reference_span
        Aligned parts, 0-based half-open, on the plus strands; None in a plain list.
    lengths
        Lengths of query and reference as given in the file; None in a plain list.
    cigar
        Value of the ``cg`` tag; None without one.
    """

    query: str
    reference: str
    line: int
    strand: str | None = None
    query_span: tuple[int, int] | None = None
    reference_span: tuple[int, int] | None = None
    lengths: tuple[int, int] | None = None
    cigar: str | None = None


def read_pairs(path: PathLike) -> Iterator[PairRecord]:
    """Read PAF, or a table with at least two columns of names.

    A line with at least twelve columns, or with + or - in the fifth, is read as PAF. Other lines are
    split at tabs, or at white space if they contain no tab; lines that begin with ``#`` and a header
    line ``query  reference`` are skipped.

    Raises
    ------
    InputError
        A line is wrong (its number is given), or there are no pairs.
    """
    where = display_name(path)
    empty = True
    for number, text in read_lines(path):
        if not text.strip() or text.startswith("#"):
            continue
        fields = text.split("\t") if "\t" in text else text.split()
        if empty and [f.strip().lower() for f in fields[:2]] == ["query", "reference"]:
            continue
        empty = False
        if len(fields) >= 5 and (len(fields) >= 12 or fields[4] in ("+", "-")):
            yield _paf(fields, number, where)
            continue
        if len(fields) < 2:
            raise InputError("a pair needs two columns, the names of query and reference", path=where, line=number)
        yield PairRecord(fields[0].strip(), fields[1].strip(), number)
    if empty:
        raise InputError("holds no pairs", path=where)


def _paf(fields: list[str], number: int, where: str) -> PairRecord:
    def wrong(reason: str) -> InputError:
        return InputError(reason, path=where, line=number, record=fields[0])

    if len(fields) < 12:
        raise wrong(f"a PAF line has 12 columns or more, this one has {len(fields)}")
    numbers: list[int] = []
    for k in (1, 2, 3, 6, 7, 8):
        value = parse_integer(fields[k])
        if value is None or not 0 <= value <= LAST_POSITION:
            raise wrong(
                f"lengths and positions of a PAF line have to be whole numbers, not {quoted(fields[k])}, "
                f"and at most {LAST_POSITION}"
            )
        numbers.append(value)
    qlen, q0, q1, rlen, r0, r1 = numbers
    if fields[4] not in ("+", "-"):
        raise wrong(f"the strand is {fields[4]!r}, it has to be + or -")
    if not (0 <= q0 <= q1 <= qlen and 0 <= r0 <= r1 <= rlen):
        raise wrong("start and end do not lie within the given lengths")
    cigar = next((f[5:] for f in fields[12:] if f.startswith("cg:Z:")), None)
    if cigar is not None and _spans(cigar) is None:
        raise wrong(f"the CIGAR {quoted(cigar)} cannot be read")
    return PairRecord(fields[0], fields[5], number, fields[4], (q0, q1), (r0, r1), (qlen, rlen), cigar)


def _spans(cigar: str) -> tuple[int, int] | None:
    """Return how many bases of query and reference a CIGAR spans; None if it is none."""
    query = reference = at = 0
    for match in _CIGAR.finditer(cigar):
        if match.start() != at:
            return None
        at = match.end()
        length, op = int(match[1]), match[2]
        query += length if op in "M=XI" else 0
        reference += length if op in "M=XDN" else 0
    return (query, reference) if at == len(cigar) else None


def aligned_pairs(
    record: PairRecord, query: Masks, reference: Masks, *, path: PathLike | None = None
) -> npt.NDArray[np.int32]:
    """Return the aligned residues (k, 2) of a PAF line, checked against its sequences.

    Parameters
    ----------
    query
        The aligned strand of the query (its reverse complement for ``-``); positions refer to it.

    Raises
    ------
    InputError
        There is no CIGAR, or the line and the sequences contradict each other.
    """
    name = None if path is None else display_name(path)

    def wrong(reason: str) -> InputError:
        pair = f"{record.query} with {record.reference}"
        return InputError(reason, path=name, line=record.line, record=pair)

    if record.cigar is None or record.query_span is None or record.reference_span is None:
        raise wrong("a true alignment needs a CIGAR (the tag cg:Z of PAF)")
    if record.lengths != (len(query), len(reference)):
        raise wrong(f"the line gives lengths {record.lengths}, the sequences have {(len(query), len(reference))} bp")
    q0, q1 = record.query_span
    r0, r1 = record.reference_span
    # Before anything is laid out: an operation may claim terabytes.
    if _spans(record.cigar) != (q1 - q0, r1 - r0):
        raise wrong("the CIGAR does not span the given positions")
    if record.strand == "-":
        q0, q1 = len(query) - q1, len(query) - q0
    i, j = q0, r0
    parts = []
    for length, op in _CIGAR.findall(record.cigar):
        n = int(length)
        if op in "M=X":
            a, b = query[i : i + n], reference[j : j + n]
            same = a == b
            equal = same & (a & (a - 1) == 0)
            if (op == "=" and not same.all()) or (op == "X" and equal.any()):
                raise wrong(f"the CIGAR does not match the sequences at query base {i + 1}")
            parts.append(np.stack([np.arange(i, i + n), np.arange(j, j + n)], axis=1))
        i += n if op in "M=XI" else 0
        j += n if op in "M=XDN" else 0
    pairs = np.concatenate(parts) if parts else np.empty((0, 2))
    return pairs.astype(np.int32)
