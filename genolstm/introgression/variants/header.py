"""The header of a VCF or BCF: samples, chromosomes, and what its fields are called."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from genolstm.errors import InputError, control_character
from genolstm.numbers import LAST_POSITION, parse_integer, quoted

_FIXED = ("#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO")
_QUOTED = re.compile(r'"(?:[^"\\]++|\\.)*+"')
_META = re.compile(rb"##(contig|FORMAT|INFO|FILTER)=<(.*)>\s*$")
#: Lines of a header: that of an assembly in pieces has one for each.
_MOST_LINES = 1 << 20
#: Names of fields that a BCF may number; a file has hundreds.
_MOST_NAMES = 1 << 20


@dataclass
class Header:
    """What a VCF's header says.

    Attributes
    ----------
    samples
        Names of the samples, in order.
    contigs
        Lengths of the chromosomes that are declared, in order; None where no length is stated.
    strings
        Of a BCF: the names behind the numbers of FILTER, INFO and FORMAT.
    chromosomes
        Of a BCF: the names behind the numbers of chromosomes.
    formats
        Names of the declared FORMAT fields.
    lines
        Number of header lines.
    """

    samples: list[str] = field(default_factory=list)
    contigs: dict[str, int | None] = field(default_factory=dict)
    strings: dict[int, str] = field(default_factory=lambda: {0: "PASS"})
    chromosomes: dict[int, str] = field(default_factory=dict)
    formats: set[str] = field(default_factory=set)
    lines: int = 0


def _parts(text: str) -> Iterator[tuple[str, str]]:
    """Yield key and value of each part of ``<ID=...,Description="...">``."""
    at = 0
    while (equals := text.find("=", at)) >= 0:
        key = text[at:equals].replace(",", " ").split()
        word = _QUOTED.match(text, equals + 1)
        if word is not None and text[word.end() : word.end() + 1] in ("", ","):
            value, at = word[0][1:-1], word.end() + 1
        else:
            comma = text.find(",", equals)
            end = len(text) if comma < 0 else comma
            value, at = text[equals + 1 : end], end + 1
            value = value[1:-1] if value.startswith('"') else value
        if key:
            yield key[-1], value


def _lines(text: bytes, path: str) -> Iterator[tuple[int, bytes]]:
    """Yield the lines with their numbers, one by one: a million empty ones need no memory."""
    at, number = 0, 0
    while at <= len(text):
        end = text.find(b"\n", at)
        end = len(text) if end < 0 else end
        number += 1
        if number > _MOST_LINES:
            raise InputError(f"has a header of more than {_MOST_LINES} lines", path=path)
        yield number, text[at:end].rstrip(b"\r")
        at = end + 1


class _Numbers:
    """The numbers that a BCF gives to names: stated by IDX, or else the next one."""

    def __init__(self, names: dict[int, str], most: int) -> None:
        self.names, self.known, self.most = names, set(names.values()), most
        self.next = max(names, default=-1) + 1

    def add(self, name: str, stated: str | None) -> str | None:
        """Number a name, unless it has a number; return what is wrong with what is stated, or None."""
        if name in self.known:
            return None
        number = self.next if stated is None else parse_integer(stated)
        if stated is None and self.next >= self.most:
            return f"{name} has no IDX, and there is no number after {self.next - 1}"
        if number is None or not 0 <= number < self.most:
            return f"{name} has the IDX {quoted(str(stated))}, which is no number of a name"
        if number in self.names:
            return f"{name} has the IDX {number}, as {self.names[number]} has"
        self.names[number] = name
        self.known.add(name)
        self.next = max(self.next, number + 1)
        return None


def parse_header(text: bytes, path: str, *, binary: bool = False) -> Header:
    """Parse all lines up to and including ``#CHROM``.

    Parameters
    ----------
    binary
        Whether it is that of a BCF, whose records name by number: each number must stand for one name.

    Raises
    ------
    InputError
        The lines are no VCF header; the message names the line and the cause.
    """
    header = Header()
    strings = _Numbers(header.strings, _MOST_NAMES)
    chromosomes = _Numbers(header.chromosomes, LAST_POSITION)
    for number, line in _lines(text, path):
        if not line.strip(b"\0"):
            continue
        header.lines = number
        # A VCF without any meta line is read, as htslib does.
        if number == 1 and not line.startswith((b"##fileformat=VCF", b"#CHROM")):
            raise InputError("is not a VCF or BCF file: it does not begin with ##fileformat=VCF", path=path)
        if line.startswith(b"##"):
            meta = _META.match(line)
            if meta is None:
                continue
            kind = meta[1].decode()
            parts = dict(_parts(meta[2].decode("utf-8", "replace")))
            name = parts.get("ID")
            if not name:
                raise InputError(f"a {kind} line of the header has no ID", path=path, line=number)
            if kind == "contig":
                check_name(name, "chromosome", path=path, line=number)
                _add_contig(header, name, parts, path, number)
            elif kind == "FORMAT":
                header.formats.add(name)
            wrong = (chromosomes if kind == "contig" else strings).add(name, parts.get("IDX"))
            if wrong and binary:
                raise InputError(wrong, path=path, line=number)
        elif line.startswith(b"#"):
            header.samples = _samples(line, path, number)
            return header
    raise InputError("is not a whole VCF or BCF file: its header has no #CHROM line", path=path)


def check_name(name: str, what: str, **where: Any) -> None:
    """Refuse the name of a sample or chromosome that would come apart in a table, or is no text."""
    control = control_character(name)
    if control is not None:
        raise InputError(f"the name of a {what} has the control character {control}: {quoted(name)}", **where)
    if "\ufffd" in name:
        raise InputError(f"the name of a {what} is not UTF-8", **where)


def _add_contig(header: Header, name: str, parts: dict[str, str], path: str, line: int) -> None:
    stated = parts.get("length", "").strip()
    length: int | None = None
    if stated and stated != ".":
        length = parse_integer(stated)
        if length is None or not 0 < length <= LAST_POSITION:
            raise InputError(
                f"states the length {stated[:30]} for {name}, which is no length (1 to {LAST_POSITION})",
                path=path,
                line=line,
            )
    before = header.contigs.get(name)
    if None not in (length, before) and length != before:
        raise InputError(f"states the lengths {before} and {length} for {name}", path=path, line=line)
    header.contigs[name] = length if length is not None else before


def _samples(line: bytes, path: str, number: int) -> list[str]:
    """Return the names of the samples in the ``#CHROM`` line."""
    try:
        words = line.decode("utf-8").split("\t")
    except UnicodeDecodeError as error:
        raise InputError("the names of the samples are not UTF-8", path=path, line=number) from error
    if tuple(words[:8]) != _FIXED:
        hint = "the columns are separated by tabs" if " " in words[0] else None
        raise InputError(f"the header line must name the columns {' '.join(_FIXED)}", path=path, line=number, hint=hint)
    if len(words) > 8 and words[8] != "FORMAT":
        raise InputError(f"the ninth column is {quoted(words[8])}, not FORMAT", path=path, line=number)
    samples = words[9:]
    seen: set[str] = set()
    for name in samples:
        if not name.strip():
            raise InputError(
                "the #CHROM line holds an empty sample name",
                path=path,
                line=number,
                hint="does the line end with a tab?",
            )
        check_name(name, "sample", path=path, line=number)
        if name in seen:
            raise InputError(f"the sample {name} stands twice in the header", path=path, line=number)
        seen.add(name)
    return samples
