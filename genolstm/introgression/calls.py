"""The segments of a scan's file with all that it says of them, and the sites behind some of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from genolstm.errors import InputError
from genolstm.files import PathLike, display_name, read_lines
from genolstm.introgression.formats import SEGMENT_COLUMNS, header_columns, read_name, read_probability, read_span
from genolstm.introgression.segments import Interval, Segment
from genolstm.numbers import quoted, read_integer

#: Columns that a table of sites must have; what others there are is shown as it is.
_SITE_COLUMNS = ("chrom", "pos", "segment_start", "segment_end", "sample", "haplotype", "evidence")
_NAMES = ("chrom", "name", "sample", "haplotype", "source")
_KINDS = ("supports", "contradicts")


class Call(NamedTuple):
    """A segment of a file; the fields are its columns."""

    chrom: str
    start: int
    end: int
    sample: str
    haplotype: str
    posterior: float
    n_sites: int
    n_match: int
    source: str
    name: str

    @property
    def interval(self) -> Interval:
        """Where it is."""
        return Interval(*self[:5])


def calls_of(segments: Iterable[Segment], names: Iterable[str] | None = None) -> list[Call]:
    """Return segments as they are read from their file, where posteriors have four decimals.

    ``names`` are what the file calls them, by default their sources.
    """
    listed = list(segments)
    called = [segment.source for segment in listed] if names is None else list(names)
    return [
        Call(*s[:5], float(f"{s.posterior:.4f}"), s.n_sites, s.n_match, s.source, name)
        for s, name in zip(listed, called, strict=True)
    ]


def read_calls(path: PathLike) -> list[Call]:
    """Read the segments that a scan wrote.

    Raises
    ------
    InputError
        The file has not the header of segments, or a line is none.
    """
    lines = read_lines(path)
    header = header_columns(next(lines, (0, ""))[1])
    if header is None or tuple(header[: len(SEGMENT_COLUMNS)]) != SEGMENT_COLUMNS:
        raise InputError(
            "has not the header of segments",
            path=display_name(path),
            line=1,
            hint="give the BED file that `introgression scan` wrote",
        )
    found = []
    checked: set[str] = set()  # names recur, and one that was looked at is not looked at again
    for number, line in lines:
        where: dict[str, Any] = {"path": display_name(path), "line": number}
        fields = line.split("\t")
        if len(fields) != len(header) or line.startswith("#"):
            raise InputError("does not fit the header", **where)
        of = dict(zip(header, fields, strict=True))
        for what in _NAMES:
            if of[what] not in checked:
                checked.add(read_name(of[what], path, number, f"the {what}"))
        chrom, name, sample, haplotype, source = (of[what] for what in _NAMES)
        start, end = read_span(fields, path, number)
        posterior = read_probability(of["posterior"], path, number)
        n_sites, n_match = (read_integer(of[what], "a number of sites", **where) for what in ("n_sites", "n_match"))
        if n_match > n_sites:
            raise InputError(f"has {n_match} matches at {n_sites} sites", **where)
        found.append(Call(chrom, start, end, sample, haplotype, posterior, n_sites, n_match, source, name))
    return found


@dataclass
class Sites:
    """The sites of one segment: the first of them as rows of ``columns``, and how many there are in all."""

    columns: Sequence[str]
    rows: list[list[str]] = field(default_factory=list)
    total: int = 0
    supporting: int = 0


def read_sites(path: PathLike, segments: Collection[Call], most: int) -> dict[Interval, Sites]:
    """Read the evidence of some segments from a table of sites, at most ``most`` rows of each.

    Raises
    ------
    InputError
        The file is no such table, or it has not as many sites of a segment as the segment tells.
    """
    name = display_name(path)
    lines = read_lines(path)
    header = header_columns(next(lines, (0, ""))[1])
    if header is None or any(column not in header for column in _SITE_COLUMNS):
        raise InputError("has not the header of evidence", path=name, line=1)
    shown = [column for column in header if column not in ("segment", *_SITE_COLUMNS[2:6])]
    # What does not change from row to row stands above the table.
    places = [header.index(column) for column in shown]
    at = {column: header.index(column) for column in _SITE_COLUMNS}
    found = {call.interval: Sites(shown) for call in segments}
    for number, line in lines:
        fields = line.split("\t")
        if len(fields) != len(header) or line.startswith("#"):
            raise InputError("does not fit the header", path=name, line=number)
        start, end = (
            read_integer(fields[at[column]], "a position", path=name, line=number)
            for column in ("segment_start", "segment_end")
        )
        sites = found.get(Interval(fields[at["chrom"]], start, end, fields[at["sample"]], fields[at["haplotype"]]))
        if sites is None:
            continue
        kind = fields[at["evidence"]]
        if kind not in _KINDS:
            raise InputError(f"{quoted(kind)} is neither {' nor '.join(_KINDS)}", path=name, line=number)
        sites.total += 1
        sites.supporting += kind == _KINDS[0]
        if len(sites.rows) < most:
            sites.rows.append([fields[place] for place in places])
    for call in segments:
        sites = found[call.interval]
        if (sites.total, sites.supporting) != (call.n_sites, call.n_match):
            raise InputError(
                f"has {sites.total} sites of {call.chrom}:{call.start}-{call.end} {call.sample} {call.haplotype}, "
                f"and {sites.supporting} support it; the segment tells of {call.n_sites} and {call.n_match}",
                path=name,
                hint="both files must come from the same scan",
            )
    return found
