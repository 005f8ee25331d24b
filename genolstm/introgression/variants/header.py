"""The header of a VCF or BCF: samples, chromosomes, and what its fields are called."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from genolstm.errors import InputError

FIXED = ("#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO")
_FIELD = re.compile(r'([^=,\s]+)=("(?:[^"\\]|\\.)*"|[^,]*)(?:,|$)')


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
    for match in _FIELD.finditer(text):
        value = match[2]
        yield match[1], value[1:-1] if value[:1] == '"' else value


def parse_header(text: bytes, path: str) -> Header:
    """Parse all lines up to and including ``#CHROM``.

    Raises
    ------
    InputError
        The lines are no VCF header; the message names the line and the cause.
    """
    header = Header()
    numbers: dict[str, int] = {"PASS": 0}
    named = False
    for number, raw in enumerate(text.split(b"\n"), start=1):
        line = raw.rstrip(b"\r")
        if not line.strip(b"\0"):
            continue
        header.lines = number
        if number == 1 and not line.startswith(b"##fileformat=VCF"):
            if line.startswith(b"#CHROM"):
                pass  # a VCF without any meta line is read, as htslib does
            else:
                raise InputError("is not a VCF or BCF file: it does not begin with ##fileformat=VCF", path=path)
        if line.startswith(b"##"):
            meta = re.match(rb"##(contig|FORMAT|INFO|FILTER)=<(.*)>\s*$", line)
            if meta is None:
                continue
            kind = meta[1].decode()
            parts = dict(_parts(meta[2].decode("utf-8", "replace")))
            name = parts.get("ID")
            if not name:
                raise InputError(f"a {kind} line of the header has no ID", path=path, line=number)
            if kind == "contig":
                if "\ufffd" in name:
                    raise InputError("the name of a chromosome is not UTF-8", path=path, line=number)
                _add_contig(header, name, parts, path, number)
                continue
            if kind == "FORMAT":
                header.formats.add(name)
            index = parts.get("IDX", "")
            if name not in numbers:
                numbers[name] = int(index) if index.isdigit() else max(numbers.values()) + 1
                header.strings[numbers[name]] = name
        elif line.startswith(b"#"):
            _names(header, line, path, number)
            named = True
            break
    if not named:
        raise InputError("is not a whole VCF or BCF file: its header has no #CHROM line", path=path)
    return header


def _add_contig(header: Header, name: str, parts: dict[str, str], path: str, line: int) -> None:
    stated = parts.get("length", "").strip()
    length: int | None = None
    if stated and stated != ".":
        if not stated.isdigit() or not 0 < int(stated) < 1 << 40:
            raise InputError(f"states the length {stated[:30]} for {name}, which is no length", path=path, line=line)
        length = int(stated)
    if name in header.contigs and length != header.contigs[name] and None not in (length, header.contigs[name]):
        raise InputError(f"states the lengths {header.contigs[name]} and {length} for {name}", path=path, line=line)
    index = parts.get("IDX", "")
    if name not in header.contigs:
        number = int(index) if index.isdigit() else max(header.chromosomes, default=-1) + 1
        header.chromosomes[number] = name
    header.contigs[name] = length if length is not None else header.contigs.get(name)


def _names(header: Header, line: bytes, path: str, number: int) -> None:
    try:
        words = line.decode("utf-8").split("\t")
    except UnicodeDecodeError as error:
        raise InputError("the names of the samples are not UTF-8", path=path, line=number) from error
    if tuple(words[:8]) != FIXED:
        hint = "the columns are separated by tabs" if " " in words[0] else None
        raise InputError(f"the header line must name the columns {' '.join(FIXED)}", path=path, line=number, hint=hint)
    if len(words) < 10 or words[8] != "FORMAT":
        header.samples = []
        if len(words) > 8 and words[8] != "FORMAT":
            raise InputError(f"the ninth column is {words[8]!r}, not FORMAT", path=path, line=number)
        return
    header.samples = words[9:]
    seen: set[str] = set()
    for name in header.samples:
        if not name.strip():
            raise InputError(
                "the #CHROM line holds an empty sample name",
                path=path,
                line=number,
                hint="does the line end with a tab?",
            )
        if name in seen:
            raise InputError(f"the sample {name} stands twice in the header", path=path, line=number)
        seen.add(name)
