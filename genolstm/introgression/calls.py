"""The segments of a scan's file with all that it says of them, and the sites behind some of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from genolstm.errors import InputError
from genolstm.files import PathLike, display_name, read_lines
from genolstm.introgression.evidence import (
    SUPPORTS,
    Evidence,
    Weights,
    as_fields,
    evidence_columns,
    evidence_rows,
    is_evidence,
    read_site,
)
from genolstm.introgression.formats import (
    SEGMENT_COLUMNS,
    read_header,
    read_name,
    read_probability,
    read_span,
    sources_of,
    split_row,
)
from genolstm.introgression.ids import segment_ids
from genolstm.introgression.segments import Interval, Segment
from genolstm.introgression.settings import UNKNOWN_SOURCE
from genolstm.introgression.summary import ALL
from genolstm.numbers import read_integer

#: Columns of evidence by which a segment is known. Those that its sites share stand above them.
_OF_SEGMENT = ("chrom", "segment_start", "segment_end", "sample", "haplotype")
_NOT_SHOWN = ("segment", *_OF_SEGMENT[1:])
_NAMES = ("chrom", "name", "sample", "haplotype", "source")


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


def calls_of(segments: Sequence[Segment], sources: Sequence[str]) -> list[Call]:
    """Return segments as they are read from their file, where they have ids and posteriors four decimals."""
    names = segment_ids((segment.source for segment in segments), sources)
    return [
        Call(*s[:5], float(f"{s.posterior:.4f}"), s.n_sites, s.n_match, s.source, name)
        for s, name in zip(segments, names, strict=True)
    ]


def call_lines(path: PathLike) -> tuple[list[str], Iterator[tuple[int, str]]]:
    """Return the columns of the segments that a scan wrote, and their lines with their numbers.

    Raises
    ------
    InputError
        The file has not the header of segments.
    """
    lines = read_lines(path)
    above, header = read_header(lines)
    if header is None or tuple(header[: len(SEGMENT_COLUMNS)]) != SEGMENT_COLUMNS:
        raise InputError(
            "has not the header of segments",
            path=display_name(path),
            line=max(len(above), 1),
            hint="give the BED file that `introgression scan` wrote",
        )
    return header, lines


def read_call(line: str, header: Sequence[str], path: PathLike, number: int, checked: set[str] | None = None) -> Call:
    """Read a line of segments.

    Parameters
    ----------
    checked
        Names that were looked at; they recur, and are not looked at again.

    Raises
    ------
    InputError
        It does not fit the header, or a field is not what its column holds.
    """
    where: dict[str, Any] = {"path": display_name(path), "line": number}
    fields = split_row(line, header, path, number)
    of = dict(zip(header, fields, strict=True))
    checked = set() if checked is None else checked
    for what in _NAMES:
        if of[what] not in checked:
            checked.add(read_name(of[what], path, number, f"the {what}"))
    chrom, name, sample, haplotype, source = (of[what] for what in _NAMES)
    start, end = read_span(fields, path, number)
    posterior = read_probability(of["posterior"], path, number)
    n_sites, n_match = (read_integer(of[what], "a number of sites", **where) for what in ("n_sites", "n_match"))
    if n_match > n_sites:
        raise InputError(f"has {n_match} matches at {n_sites} sites", **where)
    return Call(chrom, start, end, sample, haplotype, posterior, n_sites, n_match, source, name)


def read_calls(path: PathLike) -> tuple[list[Call], list[str]]:
    """Read the segments that a scan wrote, and the names of the archaic sources in their order.

    Raises
    ------
    InputError
        The file has not the header of segments, or a line is none.
    """
    header, lines = call_lines(path)
    found = []
    checked: set[str] = set()
    for number, line in lines:
        call = read_call(line, header, path, number, checked)
        if call.source == ALL:
            reason = f"has a source called {ALL}, which stands for all sources together"
            raise InputError(reason, path=display_name(path), line=number)
        found.append(call)
    return found, [name for name in sources_of(header) if name != UNKNOWN_SOURCE]


@dataclass
class Sites:
    """The sites of one segment: the first of them as rows of ``columns``, and how many there are in all."""

    columns: Sequence[str]
    rows: list[list[str]] = field(default_factory=list)
    total: int = 0
    supporting: int = 0


def sites_of(
    segments: Iterable[Segment],
    sources: Sequence[str],
    evidence: Evidence,
    weights: Weights | None,
    chosen: Collection[Call],
    most: int,
) -> dict[Interval, Sites]:
    """Return the sites of the chosen of a scan's segments as :func:`read_sites` reads them from its file.

    The parameters before ``chosen`` are those of :func:`~genolstm.introgression.evidence.evidence_rows`.
    """
    wanted = {call.interval for call in chosen}
    # In their order, as some sites may have the same position.
    own = [segment for segment in segments if Interval(*segment[:5]) in wanted]
    columns = evidence_columns(sources[:-1], weights=weights is not None)
    kept = _Kept(columns, chosen, most)
    for row in evidence_rows(own, sources, evidence, weights):
        kept.add(as_fields(row), Interval(row[0], row[5], row[6], row[7], row[8]))  # type: ignore[arg-type]
    return kept.found


def read_sites(path: PathLike, segments: Collection[Call], most: int) -> dict[Interval, Sites]:
    """Read the evidence of some segments from a table of sites, at most ``most`` rows of each.

    Raises
    ------
    InputError
        The file is no such table, or it has not as many sites of a segment as the segment tells.
    """
    name = display_name(path)
    lines = read_lines(path)
    above, header = read_header(lines)
    if header is None or not is_evidence(header):
        raise InputError("has not the header of evidence", path=name, line=max(len(above), 1))
    kept = _Kept(header, segments, most)
    at = {column: header.index(column) for column in _OF_SEGMENT}
    for number, line in lines:
        fields = split_row(line, header, path, number)
        start, end = (
            read_integer(fields[at[column]], "a position", path=name, line=number)
            for column in ("segment_start", "segment_end")
        )
        of = Interval(fields[at["chrom"]], start, end, fields[at["sample"]], fields[at["haplotype"]])
        if of in kept.found:
            read_site(line, header, path, number)  # for what it refuses
            kept.add(fields, of)
    for call in segments:
        sites = kept.found[call.interval]
        if (sites.total, sites.supporting) != (call.n_sites, call.n_match):
            raise InputError(
                f"has {sites.total} sites of {call.chrom}:{call.start}-{call.end} {call.sample} {call.haplotype}, "
                f"and {sites.supporting} support it; the segment tells of {call.n_sites} and {call.n_match}",
                path=name,
                hint="both files must come from the same scan",
            )
    return kept.found


class _Kept:
    """Keeps the first lines of evidence of each of some segments."""

    def __init__(self, columns: Sequence[str], segments: Collection[Call], most: int) -> None:
        shown = [column for column in columns if column not in _NOT_SHOWN]
        self._places = [columns.index(column) for column in shown]
        self._kind = columns.index("evidence")
        self._most = most
        self.found = {call.interval: Sites(shown) for call in segments}

    def add(self, fields: Sequence[str], of: Interval) -> None:
        sites = self.found[of]
        sites.total += 1
        sites.supporting += fields[self._kind] == SUPPORTS
        if len(sites.rows) < self._most:
            sites.rows.append([fields[place] for place in self._places])
