"""Alignments as PAF, SAM, BLAST tables, MAF, FASTA, Stockholm, posterior tables and JSON.

Positions are 0-based in memory; in a file they follow the convention of its format.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from importlib import metadata
from typing import IO

from Bio.SeqRecord import SeqRecord

from genolstm.alignment import settings
from genolstm.alignment.result import DELETION, INSERTION, MATCH, MISMATCH, QUALITY, PosteriorAlignment
from genolstm.errors import InputError, control_character, shown
from genolstm.sequences.alphabet import reverse_complement_text

_SAM_REFERENCE = re.compile(r"[0-9A-Za-z!#$%&+./:;?@^_|~-][0-9A-Za-z!#$%&*+./:;=?@^_|~-]*")
STOCKHOLM_MARKS = ("#", "//")
"""What begins lines of Stockholm that are no rows: annotation, and the end of an alignment."""
_SAM_QUALITY = re.compile(r"[!-~]+")
_SAM_QUERY = re.compile(r"[!-?A-~]{1,254}")


class Writer:
    """Writes alignments to a text stream, one after another.

    Parameters
    ----------
    stream
        The text stream to write to.
    references
        Name and length of every reference, for formats with a header.
    command
        Command line, for formats that record it.
    """

    #: Whether a name may hold blanks, because columns are separated by tabs.
    blanks = True
    #: What a line may not begin with, because readers would take it for something else.
    marks: tuple[str, ...] = ()
    #: Whether pairs without aligned residues are listed.
    lists_all = False

    def __init__(self, stream: IO[str], references: Sequence[tuple[str, int]] = (), command: str = "") -> None:
        self.stream = stream
        self.references = references
        self.command = command
        self.begin()

    def begin(self) -> None:
        """Write what precedes the first alignment."""

    def query(self, alignments: Sequence[PosteriorAlignment]) -> None:
        """Write one query's alignments, with one reference or several.

        Pairs without aligned residues have no record, unless the format is a listing of all pairs.
        """
        for alignment in alignments:
            if self.lists_all or not alignment.is_empty:
                self.write(alignment)

    def missed(self, record: SeqRecord) -> None:
        """Write a query that is related to no reference, in formats with a line for every query."""

    def write(self, alignment: PosteriorAlignment) -> None:
        """Write one alignment.

        Raises
        ------
        InputError
            The format cannot hold a name of a sequence.
        """
        raise NotImplementedError

    def names(self, alignment: PosteriorAlignment) -> tuple[str, str]:
        """Return the names of query and reference, if the format can hold them."""
        found = alignment.query_name, alignment.reference_name
        for name in found:
            check_name(name, blanks=self.blanks, marks=self.marks)
        return found

    def end(self) -> None:
        """Write what follows the last alignment."""


class PafWriter(Writer):
    """PAF with ``cg:Z`` (= and X), ``AS:i`` and ``xb:f`` (bits), ``xp:f`` (mean posterior).

    ``xe:f`` and ``xh:f`` are the E-value and P(homolog), if the model is calibrated; ``xm:Z`` names
    the model that aligned the pair.
    """

    marks = ("#",)

    def write(self, alignment: PosteriorAlignment) -> None:
        a = alignment
        query, reference = self.names(a)
        q0, q1 = a.query_span
        r0, r1 = a.reference_span
        fields = [
            query,
            a.n_query,
            q0,
            q1,
            a.strand,
            reference,
            a.n_reference,
            r0,
            r1,
            a.count(MATCH),
            a.n_columns,
            a.mapq,
            f"tp:A:{'S' if a.is_secondary else 'P'}",
            f"NM:i:{a.count(MISMATCH, INSERTION, DELETION)}",
            f"AS:i:{round(a.bits)}",
            f"xb:f:{a.bits:.3f}",
            f"xp:f:{a.mean_posterior:.5f}",
            *_meaning(a, "xe", "xh"),
            f"xm:Z:{a.model}",
            f"cg:Z:{a.cigar}",
        ]
        self.stream.write("\t".join(map(str, fields)) + "\n")


class SamWriter(Writer):
    """SAM 1.6 with = and X; MAPQ from the posteriors; deletions at the ends are left out.

    Every query has one line that is primary: it is unmapped only if nothing aligned anywhere.
    """

    def query(self, alignments: Sequence[PosteriorAlignment]) -> None:
        for a in [a for a in alignments if not a.is_empty] or alignments[:1]:
            self.write(a)

    def begin(self) -> None:
        self.stream.write("@HD\tVN:1.6\tSO:unsorted\n")
        for name, length in self.references:
            if not _SAM_REFERENCE.fullmatch(name):
                raise InputError("SAM does not allow this reference name", record=name)
            self.stream.write(f"@SQ\tSN:{name}\tLN:{length}\n")
        version = metadata.version("genolstm")
        line = f"@PG\tID:genolstm\tPN:genolstm\tVN:{version}"
        command = shown(" ".join(self.command.split()))
        self.stream.write(f"{line}\tCL:{command}\n" if command else f"{line}\n")

    def missed(self, record: SeqRecord) -> None:
        name = _sam_name(str(record.id))
        fields = [name, 4, "*", 0, 0, "*", "*", 0, 0, _letters(str(record.seq)), _qualities(record)]
        self.stream.write("\t".join(map(str, fields)) + "\n")

    def write(self, alignment: PosteriorAlignment) -> None:
        a = alignment
        _sam_name(a.query_name)
        quality = _qualities(a.sequences[1])
        if a.is_empty:
            fields = [a.query_name, 4, "*", 0, 0, "*", "*", 0, 0, _letters(a.query_text), quality]
            self.stream.write("\t".join(map(str, fields)) + "\n")
            return
        runs = a.runs()
        start = a.reference_span[0]
        if runs[0][1] == "D":
            start += runs.pop(0)[0]
        if runs[-1][1] == "D":
            runs.pop()
        q0, q1 = a.query_span
        before, after = (a.n_query - q1, q0) if a.strand == "-" else (q0, a.n_query - q1)
        cigar = "".join(f"{n}{op}" for n, op in [(before, "S"), *runs, (after, "S")] if n)
        flag = (16 if a.strand == "-" else 0) | (256 if a.is_secondary else 0)
        trimmed = sum(n for n, op in runs if op == "D")
        fields = [
            a.query_name,
            flag,
            a.reference_name,
            start + 1,
            a.mapq,
            cigar,
            "*",
            0,
            0,
            "*" if a.is_secondary else _letters(_query_text(a)),
            "*" if a.is_secondary else quality[:: -1 if a.strand == "-" else 1],
            f"NM:i:{a.count(MISMATCH, INSERTION) + trimmed}",
            f"AS:i:{round(a.bits)}",
            f"XB:f:{a.bits:.3f}",
            f"XP:f:{a.mean_posterior:.5f}",
            *_meaning(a, "XE", "XH"),
            f"XL:Z:{a.model}",
        ]
        self.stream.write("\t".join(map(str, fields)) + "\n")


class BlastWriter(Writer):
    """The 12 columns of BLAST+ ``-outfmt 6``.

    Without a calibrated E-value, its column holds the bound 2 ** -bits: the score is a likelihood
    ratio, so at most this share of unrelated pairs scores as high (Markov's inequality).
    """

    marks = ("#",)

    def write(self, alignment: PosteriorAlignment) -> None:
        a = alignment
        query, reference = self.names(a)
        q0, q1 = a.query_span
        r0, r1 = a.reference_span
        subject = (r1, r0 + 1) if a.strand == "-" else (r0 + 1, r1)
        evalue = 2.0 ** -min(max(a.bits, -1000.0), 1000.0) if a.evalue is None else a.evalue
        fields = [
            query,
            reference,
            f"{100 * a.identity:.3f}",
            a.n_columns,
            a.count(MISMATCH),
            sum(op in "ID" for _, op in a.runs()),
            q0 + 1,
            q1,
            *subject,
            f"{evalue:.3g}",
            f"{a.bits:.1f}",
        ]
        self.stream.write("\t".join(map(str, fields)) + "\n")


class MafWriter(Writer):
    """Multiple Alignment Format; the ``q`` line of the query contains the posteriors in tenths."""

    blanks = False

    def begin(self) -> None:
        self.stream.write("##maf version=1 scoring=bits\n")

    def write(self, alignment: PosteriorAlignment) -> None:
        a = alignment
        reference, query = a.rows()
        r0, r1 = a.reference_span
        q0, q1 = a.query_span
        start = a.n_query - q1 if a.strand == "-" else q0
        query_name, reference_name = self.names(a)
        names = [reference_name, query_name]
        width = max(map(len, names))
        numbers = [f"{r0} {r1 - r0} + {a.n_reference}", f"{start} {q1 - q0} {a.strand} {a.n_query}"]
        long = max(map(len, numbers))
        self.stream.write(f"a score={a.bits:.3f}\n")
        for name, number, row in zip(names, numbers, (reference, query), strict=True):
            self.stream.write(f"s {name:<{width}} {number:>{long}} {row}\n")
        marks = "".join(
            "-" if letter == "-" else ("9" if mark == "*" else min(mark, "9"))
            for letter, mark in zip(query, a.confidence(), strict=True)
        )
        self.stream.write(f"q {query_name:<{width}} {'':>{long}} {marks}\n\n")


class FastaWriter(Writer):
    """Aligned FASTA: reference, query, and a record of posteriors (0 to 9, ``*`` from .95)."""

    blanks = False

    def write(self, alignment: PosteriorAlignment) -> None:
        a = alignment
        reference, query = a.rows()
        r0, r1 = a.reference_span
        q0, q1 = a.query_span
        query_name, reference_name = self.names(a)
        self.stream.write(
            f">{reference_name}:{r0 + 1}-{r1}\n{reference}\n"
            f">{query_name}:{q0 + 1}-{q1} strand={a.strand} bits={a.bits:.3f}\n{query}\n"
            f">posterior:{query_name}:{reference_name}\n{a.confidence()}\n"
        )


class StockholmWriter(Writer):
    """Stockholm 1.0; ``#=GC PP_cons`` is the posterior of each column, written as by HMMER."""

    blanks = False
    marks = STOCKHOLM_MARKS

    def write(self, alignment: PosteriorAlignment) -> None:
        a = alignment
        reference, query = a.rows()
        r0, r1 = a.reference_span
        q0, q1 = a.query_span
        if a.strand == "-":
            q0, q1 = q1 - 1, q0 + 1
        query_name, reference_name = self.names(a)
        names = [f"{reference_name}/{r0 + 1}-{r1}", f"{query_name}/{q0 + 1}-{q1}"]
        if names[0] == names[1]:
            raise InputError(
                "Stockholm cannot hold two rows of one name",
                record=names[0],
                hint="leave out pairs of a sequence with itself, or choose another format",
            )
        names.append("#=GC PP_cons")
        width = max(map(len, names))
        self.stream.write(f"# STOCKHOLM 1.0\n#=GF SC {a.bits:.3f}\n")
        for name, row in zip(names, (reference, query, a.confidence()), strict=True):
            self.stream.write(f"{name:<{width}} {row}\n")
        self.stream.write("//\n")


class TableWriter(Writer):
    """One line per column: 0-based positions (on the plus strands), letters, posterior."""

    marks = ("#",)
    lists_all = True
    columns = (
        *("query", "reference", "strand", "column", "query_position", "reference_position"),
        *("query_base", "reference_base", "posterior"),
    )

    def begin(self) -> None:
        self.stream.write("\t".join(self.columns) + "\n")

    def write(self, alignment: PosteriorAlignment) -> None:
        a = alignment
        reference, query = a.rows()
        head = "\t".join([*self.names(a), a.strand])
        lines = []
        for k, (i, j, p) in enumerate(
            zip(a.column_query.tolist(), a.column_reference.tolist(), a.posteriors, strict=True)
        ):
            at = "" if i < 0 else (a.n_query - 1 - i if a.strand == "-" else i)
            there = "" if j < 0 else j
            lines.append(f"{head}\t{k}\t{at}\t{there}\t{query[k]}\t{reference[k]}\t{p:.5f}\n")
        self.stream.write("".join(lines))


class JsonWriter(Writer):
    """One JSON document: ``{"alignments": [...]}``."""

    lists_all = True

    def begin(self) -> None:
        self.stream.write('{"alignments": [')
        self._written = 0

    def write(self, alignment: PosteriorAlignment) -> None:
        self.stream.write(",\n" if self._written else "\n")
        self.stream.write(json.dumps(alignment.to_dict()))
        self._written += 1

    def end(self) -> None:
        self.stream.write("\n]}\n")


_WRITERS = (PafWriter, SamWriter, BlastWriter, MafWriter, FastaWriter, StockholmWriter, TableWriter, JsonWriter)
FORMATS: dict[str, type[Writer]] = dict(zip(settings.FORMATS, _WRITERS, strict=True))


def check_name(name: str, *, blanks: bool = False, marks: Sequence[str] = ()) -> None:
    """Refuse the name of a sequence that would not stay in its column, or be read as something else.

    Raises
    ------
    InputError
        It holds a control character, such as a tab or a line end, or white space where that separates,
        or begins with one of ``marks``.
    """
    for mark in marks:
        if name.startswith(mark):
            raise InputError(
                f"in this format, a line that begins with {mark} is not a record",
                record=name,
                hint="rename the sequence, or choose another format",
            )
    control = control_character(name)
    if control is not None:
        raise InputError(f"the name holds the control character {control}", record=name)
    if not blanks and any(letter.isspace() for letter in name):
        raise InputError("the format does not allow a name with white space", record=name)


def _meaning(alignment: PosteriorAlignment, evalue: str, homolog: str) -> list[str]:
    """Return the tags for E-value and P(homolog); none if the model is not calibrated."""
    tags = ((evalue, alignment.evalue, ".3g"), (homolog, alignment.p_homolog, ".5f"))
    return [f"{name}:f:{value:{form}}" for name, value, form in tags if value is not None]


def _query_text(alignment: PosteriorAlignment) -> str:
    text = alignment.query_text
    return reverse_complement_text(text) if alignment.strand == "-" else text


def _sam_name(name: str) -> str:
    if not _SAM_QUERY.fullmatch(name) or name.startswith("@"):
        raise InputError("SAM does not allow this query name", record=name)
    return name


def _qualities(sequence: object) -> str:
    """Return the qualities that a query's FASTQ file gave, ``*`` if there are none."""
    found = getattr(sequence, "letter_annotations", {}).get(QUALITY, "")
    if found and not _SAM_QUALITY.fullmatch(found):
        raise InputError("SAM allows no qualities but ! to ~", record=getattr(sequence, "id", None))
    return str(found) or "*"


def _letters(text: str) -> str:
    # SAM uses the letters of DNA; tools would count U as a mismatch.
    return text.translate(str.maketrans("Uu", "Tt"))
