"""The evidence of segments: every informative site, what it says, and how much."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import numpy as np

from genolstm.errors import InputError
from genolstm.files import PathLike, display_name, read_lines
from genolstm.introgression.formats import read_header, read_name, split_row, write_header
from genolstm.introgression.ids import segment_ids
from genolstm.introgression.segments import Interval, Segment
from genolstm.introgression.sites import BASES, CARRIES, KNOWN, NONE
from genolstm.numbers import quoted, read_integer, read_number

if TYPE_CHECKING:
    import pandas as pd


EVIDENCE_COLUMNS = (
    "chrom",
    "pos",
    "ref",
    "alt",
    "segment",
    "segment_start",
    "segment_end",
    "sample",
    "haplotype",
    "allele",
    "outgroup_frequency",
    "shared",
    "evidence",
)
"""Columns of evidence; one of alleles for each source follows, and one of weights where they were asked for."""
WEIGHT = "weight"
_OF_SOURCE = "allele_"
SUPPORTS, CONTRADICTS = "supports", "contradicts"
_NO_BASE = "."
#: A number that is not known, as pandas and R read it.
_NO_NUMBER = "NA"
_LETTERS = "ACGT"

Evidence = Mapping[Interval, np.ndarray]
Weights = Mapping[Interval, np.ndarray]


def evidence_columns(sources: Sequence[str], *, weights: bool = False) -> tuple[str, ...]:
    """Return the columns of a table of evidence; ``sources`` are the archaic ones only."""
    return (*EVIDENCE_COLUMNS, *(_OF_SOURCE + source for source in sources), *([WEIGHT] if weights else []))


def is_evidence(columns: Sequence[str]) -> bool:
    """Return whether columns are those of evidence."""
    n = len(EVIDENCE_COLUMNS)
    rest = [*columns[n:]]
    if rest and rest[-1] == WEIGHT:
        rest.pop()
    return tuple(columns[:n]) == EVIDENCE_COLUMNS and all(name.startswith(_OF_SOURCE) for name in rest)


def _base(code: int) -> str:
    return _NO_BASE if code == NONE else _LETTERS[code]


def _bases(bits: int, without: int = NONE, between: str = ",") -> str:
    """Return the letters of some bases."""
    letters = [letter for i, letter in enumerate(_LETTERS) if bits >> i & 1 and i != without]
    return between.join(letters) or _NO_BASE


def _of_source(said: int) -> str:
    """Return the alleles of a source; from k-mers, only whether it carries the haplotype's is known."""
    if not said & KNOWN:
        return _NO_BASE
    if said & BASES:
        return _bases(said, between="/")
    return "same" if said & CARRIES else "other"


def evidence_rows(
    segments: Sequence[Segment], sources: Sequence[str], evidence: Evidence, weights: Weights | None = None
) -> Iterator[tuple[str | int | float, ...]]:
    """Yield the rows of a table of evidence, by position within each sequence.

    Parameters
    ----------
    segments
        In the order of the output, which their ids follow.
    sources
        Names of the archaic sources, and ``unknown``.
    evidence, weights
        Sites of each segment, and the weight of each site.
    """
    ids = segment_ids((segment.source for segment in segments), sources)
    of_chrom: dict[str, list[int]] = {}
    for number, segment in enumerate(segments):
        of_chrom.setdefault(segment.chrom, []).append(number)
    for chrom, numbers in of_chrom.items():
        keys = [Interval(*segments[number][:5]) for number in numbers]
        sites = np.concatenate([evidence[key] for key in keys])
        of = np.repeat(numbers, [len(evidence[key]) for key in keys])
        order = np.lexsort((of, sites["position"]))
        sites, of = sites[order], of[order]
        weighed = None if weights is None else np.concatenate([weights[key] for key in keys])[order].tolist()
        archaic = sites["archaic"].tolist()
        frequencies = (sites["seen"] / sites["called"]).tolist()
        named = ("position", "reference", "alleles", "allele", "shared", "match")
        columns = zip(*(sites[name].tolist() for name in named), strict=True)
        for i, (number, site) in enumerate(zip(of.tolist(), columns, strict=True)):
            position, reference, alleles, allele, shared, match = site
            segment = segments[number]
            yield (
                chrom,
                position + 1,
                _base(reference),
                _NO_BASE if reference == NONE else _bases(alleles, reference),
                ids[number],
                segment.start,
                segment.end,
                segment.sample,
                segment.haplotype,
                _base(allele),
                frequencies[i],
                _NO_NUMBER if shared == NONE else shared,
                SUPPORTS if match else CONTRADICTS,
                *map(_of_source, archaic[i]),
                *([] if weighed is None else [weighed[i]]),
            )


def as_fields(row: Sequence[str | int | float]) -> list[str]:
    """Return a row of :func:`evidence_rows` as the fields of its line."""
    return [f"{v:.4f}" if isinstance(v, float) else str(v) for v in row]


def write_evidence(
    stream: IO[str],
    segments: Sequence[Segment],
    sources: Sequence[str],
    evidence: Evidence,
    weights: Weights | None = None,
    *,
    stamp: str | None = None,
) -> int:
    """Write a table of evidence; return the number of sites. The parameters are those of :func:`evidence_rows`."""
    write_header(stream, evidence_columns(sources[:-1], weights=weights is not None), stamp=stamp)
    written = 0
    for row in evidence_rows(segments, sources, evidence, weights):
        stream.write("\t".join(as_fields(row)) + "\n")
        written += 1
    return written


def evidence_frame(
    segments: Sequence[Segment], sources: Sequence[str], evidence: Evidence, weights: Weights | None = None
) -> pd.DataFrame:
    """Return a table of evidence; the parameters are those of :func:`evidence_rows`."""
    import pandas as pd

    rows = evidence_rows(segments, sources, evidence, weights)
    frame = pd.DataFrame(rows, columns=list(evidence_columns(sources[:-1], weights=weights is not None)))
    frame["shared"] = pd.to_numeric(frame["shared"], errors="coerce").astype("Int64")
    return frame


# --- reading ------------------------------------------------------------------------------------


class Site(NamedTuple):
    """A line of a table of evidence; ``archaic`` are the alleles of each source."""

    chrom: str
    pos: int
    ref: str
    alt: str
    segment: str
    start: int
    end: int
    sample: str
    haplotype: str
    allele: str
    frequency: float
    shared: int | None
    supports: bool
    archaic: dict[str, str]
    weight: float | None


def read_evidence(path: PathLike, only: str | None = None) -> list[Site]:
    """Read a table of evidence, or the sites of one segment.

    Raises
    ------
    InputError
        The file is no such table.
    """
    lines = read_lines(path)
    header, columns = read_header(lines)
    if columns is None or not is_evidence(columns):
        raise InputError("has not the header of evidence", path=display_name(path), line=max(len(header), 1))
    return [
        site
        for number, line in lines
        if (site := read_site(line, columns, path, number)) and only in (None, site.segment)
    ]


def read_site(line: str, columns: Sequence[str], path: PathLike, number: int) -> Site:
    """Read a line of a table of evidence.

    Raises
    ------
    InputError
        It does not fit the header, or a field is not what its column holds.
    """
    where: dict[str, Any] = {"path": display_name(path), "line": number}
    of = dict(zip(columns, split_row(line, columns, path, number), strict=True))
    start, end = (read_integer(of[name], "a position", **where) for name in ("segment_start", "segment_end"))
    pos = read_integer(of["pos"], "a position", low=1, **where)
    if not start < pos <= end:
        raise InputError(f"the site {pos} is not in its segment, {start} to {end}", **where)
    if of["evidence"] not in (SUPPORTS, CONTRADICTS):
        raise InputError(f"{quoted(of['evidence'])} is neither {SUPPORTS} nor {CONTRADICTS}", **where)
    names = {
        what: read_name(of[what], path, number, f"the {what}") for what in ("chrom", "segment", "sample", "haplotype")
    }
    return Site(
        names["chrom"],
        pos,
        of["ref"],
        of["alt"],
        names["segment"],
        start,
        end,
        names["sample"],
        names["haplotype"],
        of["allele"],
        read_number(of["outgroup_frequency"], "a frequency (0 to 1)", low=0, high=1, **where),
        None if of["shared"] == _NO_NUMBER else read_integer(of["shared"], "a number of haplotypes", **where),
        of["evidence"] == SUPPORTS,
        {name.removeprefix(_OF_SOURCE): value for name, value in of.items() if name.startswith(_OF_SOURCE)},
        read_number(of[WEIGHT], "a weight", **where) if WEIGHT in of else None,
    )
