"""How much of each haplotype, sample and population is archaic, by source: as a table, in words, and for MultiQC."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import numpy as np

from genolstm.errors import SettingError
from genolstm.introgression.segments import merge_spans
from genolstm.introgression.variants.people import Populations

if TYPE_CHECKING:
    import pandas as pd

ALL = "all"
"""What stands in the column of the source for all of them together."""
LEVELS = ("all", "population", "sample", "haplotype")
ABSENT = "NA"
"""What stands for a value that is not known: pandas and R read it as such."""

#: Most populations that are told in words.
_MOST_TOLD = 12


class Piece(NamedTuple):
    """A segment, as far as it counts here."""

    chrom: str
    start: int
    end: int
    sample: str
    haplotype: str
    source: str


class Row(NamedTuple):
    """What was found of one source in a group of haplotypes.

    Attributes
    ----------
    level
        What the group is: all haplotypes, those of a population or of a sample, or a single one.
    population, sample, haplotype
        Which it is; None where this does not apply or is not known.
    haplotypes
        How many there are in the group.
    segments, bp
        Number of segments, and base pairs in them; where segments of one haplotype overlap, these count once.
    callable_bp
        Base pairs of the haplotypes in which segments can be called; None if that is not known.
    mean, median, longest
        Of the lengths of the segments in bp; None if there are none.
    """

    level: str
    population: str | None
    sample: str | None
    haplotype: str | None
    source: str
    haplotypes: int
    segments: int
    bp: int
    callable_bp: int | None
    mean: float | None
    median: float | None
    longest: int | None

    @property
    def share(self) -> float | None:
        """Share of what is callable that lies in segments."""
        return self.bp / self.callable_bp if self.callable_bp else None


COLUMNS = (
    "level",
    "population",
    "sample",
    "haplotype",
    "source",
    "haplotypes",
    "segments",
    "mb",
    "callable_mb",
    "share_of_callable",
    "mean_length",
    "median_length",
    "longest",
)


@dataclass(frozen=True)
class Summary:
    """Rows for all haplotypes, each population, each sample and each haplotype, by source.

    Attributes
    ----------
    rows
        In this order; of each group, all sources together first.
    sources
        Names of the sources, without :data:`ALL`.
    overlapping
        Number of segments that overlap one before them on the same haplotype.
    homeless
        Number of samples that a table of populations does not name; None if there is no table.
    """

    rows: Sequence[Row]
    sources: Sequence[str]
    overlapping: int = 0
    homeless: int | None = None

    def of(self, level: str) -> list[Row]:
        """Return the rows of one level."""
        return [row for row in self.rows if row.level == level]


@dataclass
class _Haplotype:
    """What was found on one haplotype, by source and in all: lengths of segments, and base pairs."""

    lengths: dict[str, list[int]]
    bp: dict[str, int]


def summarise(
    segments: Iterable[Piece],
    *,
    sources: Sequence[str] = (),
    callable_bp: Mapping[tuple[str, str], int] | None = None,
    populations: Populations | None = None,
) -> Summary:
    """Count segments by group and source.

    Parameters
    ----------
    segments
        Segments in any order.
    sources
        Sources that are counted even if no segment is of them; others follow them.
    callable_bp
        All haplotypes, and the base pairs of each in which segments can be called; None if this is not
        known, and haplotypes without segments are not, either.
    populations
        Which samples belong to which population.

    Raises
    ------
    SettingError
        A source is called as all of them together are.
    """
    spans: dict[tuple[str, str], dict[str, dict[str, list[tuple[int, int]]]]] = {}
    names = dict.fromkeys(sources)
    for chrom, start, end, sample, haplotype, source in segments:
        names.setdefault(source)
        of_source = spans.setdefault((sample, haplotype), {}).setdefault(source, {})
        of_source.setdefault(chrom, []).append((start, end))
    if ALL in names:
        raise SettingError(f"a source is called {ALL}, which stands for all sources together")
    listed = [*sources, *sorted(name for name in names if name not in sources)]
    members = list(callable_bp) if callable_bp is not None else sorted(spans)
    found = {name: _count(spans.get(name, {})) for name in members}
    overlapping = sum(_overlaps(of_haplotype) for of_haplotype in spans.values())

    groups: list[tuple[str, str | None, str | None, str | None, list[tuple[str, str]]]] = []
    groups.append((LEVELS[0], None, None, None, members))
    by_sample: dict[str, list[tuple[str, str]]] = {}
    for name in members:
        by_sample.setdefault(name[0], []).append(name)
    groups_of = {} if populations is None else populations.groups
    if populations is not None:
        for group, people in populations.members.items():
            inside = [name for person in people for name in by_sample.get(person, ())]
            if inside:
                groups.append((LEVELS[1], group, None, None, inside))
    home = {sample: ",".join(groups_of[sample]) if sample in groups_of else None for sample in by_sample}
    groups += [(LEVELS[2], home[sample], sample, None, own) for sample, own in by_sample.items()]
    groups += [(LEVELS[3], home[name[0]], *name, [name]) for name in members]

    rows = [
        _row(head, source, [found[name] for name in inside], _sum(callable_bp, inside))
        for *head, inside in groups
        for source in (ALL, *listed)
    ]
    homeless = None if populations is None else list(home.values()).count(None)
    return Summary(rows, listed, overlapping, homeless)


def _count(of_haplotype: Mapping[str, Mapping[str, Sequence[tuple[int, int]]]]) -> _Haplotype:
    lengths: dict[str, list[int]] = {}
    bp: dict[str, int] = {}
    together: dict[str, list[tuple[int, int]]] = {}
    for source, of_source in of_haplotype.items():
        lengths[source] = [end - start for spans in of_source.values() for start, end in spans]
        bp[source] = sum(end - start for spans in of_source.values() for start, end in merge_spans(spans))
        for chrom, spans in of_source.items():
            together.setdefault(chrom, []).extend(spans)
    lengths[ALL] = [length for own in lengths.values() for length in own]
    bp[ALL] = sum(end - start for spans in together.values() for start, end in merge_spans(spans))
    return _Haplotype(lengths, bp)


def _overlaps(of_haplotype: Mapping[str, Mapping[str, Sequence[tuple[int, int]]]]) -> int:
    together: dict[str, list[tuple[int, int]]] = {}
    for of_source in of_haplotype.values():
        for chrom, spans in of_source.items():
            together.setdefault(chrom, []).extend(spans)
    number = 0
    for spans in together.values():
        reach = -1
        for start, end in sorted(spans):
            number += 1 if start < reach else 0
            reach = max(reach, end)
    return number


def _sum(callable_bp: Mapping[tuple[str, str], int] | None, names: Sequence[tuple[str, str]]) -> int | None:
    return None if callable_bp is None else sum(callable_bp[name] for name in names)


def _row(head: Sequence[Any], source: str, found: Sequence[_Haplotype], callable_bp: int | None) -> Row:
    lengths = np.array([length for one in found for length in one.lengths.get(source, ())], dtype=np.int64)
    bp = sum(one.bp.get(source, 0) for one in found)
    mean = median = longest = None
    if len(lengths):
        mean, median, longest = float(lengths.mean()), float(np.median(lengths)), int(lengths.max())
    level, population, sample, haplotype = head
    group = (level, population, sample, haplotype, source, len(found))
    return Row(*group, len(lengths), bp, callable_bp, mean, median, longest)


# --- as a table -----------------------------------------------------------------------------------


def summary_frame(summary: Summary) -> pd.DataFrame:
    """Return the rows with the columns of the file; what is not known is missing."""
    import pandas as pd

    rows = [
        (
            *(row.level, row.population, row.sample, row.haplotype, row.source, row.haplotypes, row.segments),
            row.bp / 1e6,
            None if row.callable_bp is None else row.callable_bp / 1e6,
            *(row.share, row.mean, row.median, row.longest),
        )
        for row in summary.rows
    ]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    numbers = ["mb", "callable_mb", "share_of_callable", "mean_length", "median_length"]
    return frame.astype({**dict.fromkeys(numbers, float), "longest": "Int64"})


def write_summary(stream: IO[str], summary: Summary) -> None:
    """Write the rows as a table with a header, separated by tabs; ``NA`` is what is not known."""
    stream.write("\t".join(COLUMNS) + "\n")
    for row in summary.rows:
        fields = (
            *(row.level, row.population, row.sample, row.haplotype, row.source, row.haplotypes, row.segments),
            f"{row.bp / 1e6:.6f}",
            None if row.callable_bp is None else f"{row.callable_bp / 1e6:.6f}",
            None if row.share is None else f"{row.share:.6f}",
            *(None if value is None else f"{value:.1f}" for value in (row.mean, row.median)),
            row.longest,
        )
        stream.write("\t".join(ABSENT if field is None else str(field) for field in fields) + "\n")


# --- in words -------------------------------------------------------------------------------------


def tell(summary: Summary) -> list[str]:
    """Return lines on what was found: of each source in all, and of each population."""
    lines = []
    for row in summary.of("all"):
        if row.segments and row.source != ALL:
            share = "" if row.share is None else f", {_percent(row.share)} of what is callable"
            assert row.median is not None
            assert row.longest is not None
            lines.append(
                f"{row.source}: {counted(row.segments, 'segment')}, {row.bp / 1e6:.2f} Mb{share}; "
                f"median {_length(row.median)}, longest {_length(row.longest)}"
            )
    groups: dict[str, list[Row]] = {}
    for row in summary.of("population"):
        groups.setdefault(str(row.population), []).append(row)
    for group, (together, *rows) in list(groups.items())[:_MOST_TOLD]:
        found = ", ".join(f"{_amount(row)} {row.source}" for row in rows if row.segments) or "nothing found"
        lines.append(f"{group} ({counted(together.haplotypes, 'haplotype')}): {found}")
    if len(groups) > _MOST_TOLD:
        lines.append(f"and {len(groups) - _MOST_TOLD} more populations")
    if summary.homeless:
        lines.append(f"the table of samples names no population of {counted(summary.homeless, 'sample')}")
    if summary.overlapping:
        lines.append(
            f"overlaps of {counted(summary.overlapping, 'segment')} with others of the same haplotype count once in Mb"
        )
    return lines


def counted(number: int, what: str) -> str:
    """Return a number with its noun."""
    return f"{number:,} {what}" + ("" if number == 1 else "s")


def _amount(row: Row) -> str:
    return f"{row.bp / 1e6:.2f} Mb" if row.share is None else _percent(row.share)


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def _length(bp: float) -> str:
    return f"{bp / 1000:.1f} kb" if bp < 1e6 else f"{bp / 1e6:.2f} Mb"


# --- for MultiQC ----------------------------------------------------------------------------------

MULTIQC = "_mqc.json"
"""End of the names by which MultiQC finds such a file."""


def write_multiqc(stream: IO[str], summary: Summary) -> None:
    """Write a table of the samples as custom content of MultiQC.

    References
    ----------
    https://docs.seqera.io/multiqc/custom_content
    """
    named = ["all", *summary.sources] if len(summary.sources) > 1 else list(summary.sources) or ["all"]
    headers: dict[str, dict[str, Any]] = {}
    for place, source in enumerate(named):
        title = "all sources" if source == ALL else source
        # Of many sources, the further ones are shown when asked for.
        seldom = place > 3
        headers[f"{source}_share"] = {
            "title": f"{title} %",
            "description": f"Share of what is callable ({title})",
            "suffix": " %",
            "format": "{:,.2f}",
            "min": 0,
            "scale": "Blues",
            "hidden": seldom,
        }
        headers[f"{source}_mb"] = {
            "title": f"{title} Mb",
            "description": f"Base pairs in segments, in Mb over both haplotypes ({title})",
            "format": "{:,.2f}",
            "min": 0,
            "scale": "Blues",
            "hidden": seldom,
        }
        headers[f"{source}_segments"] = {
            "title": f"{title} segments",
            "description": f"Number of segments ({title})",
            "format": "{:,.0f}",
            "min": 0,
            "scale": "Greys",
            "hidden": source != named[0],
        }
        headers[f"{source}_median"] = {
            "title": f"{title} median kb",
            "description": f"Median length of the segments in kb ({title})",
            "format": "{:,.1f}",
            "min": 0,
            "scale": "Greys",
            "hidden": source != named[0],
        }
    data: dict[str, dict[str, float]] = {}
    for row in summary.of("sample"):
        if row.source in named:
            values = {
                "share": None if row.share is None else 100 * row.share,
                "mb": row.bp / 1e6,
                "segments": row.segments,
                "median": None if row.median is None else row.median / 1000,
            }
            own = data.setdefault(str(row.sample), {})
            own |= {f"{row.source}_{name}": round(value, 6) for name, value in values.items() if value is not None}
    used = {name for own in data.values() for name in own}
    content = {
        "id": "genolstm_introgression",
        "section_name": "Archaic introgression",
        "description": "Archaic segments of each sample, by source, as GenoLSTM found them.",
        "plot_type": "table",
        "pconfig": {
            "id": "genolstm_introgression_table",
            "title": "GenoLSTM: archaic introgression",
            "namespace": "GenoLSTM",
            "col1_header": "Sample",
        },
        "headers": {name: header for name, header in headers.items() if name in used},
        "data": data,
    }
    json.dump(content, stream, indent=2, ensure_ascii=False)
    stream.write("\n")
