"""Figures: segments of all haplotypes, and the posterior along one of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

from genolstm.errors import InputError, SettingError
from genolstm.files import PathLike
from genolstm.introgression.carriers import SEVERAL
from genolstm.introgression.exports import SEVERAL_COLOUR, SOURCE_COLOURS, source_colours
from genolstm.introgression.formats import (
    Numbered,
    header_columns,
    near_names,
    read_intervals,
    read_numbered_intervals,
    read_posteriors,
    sources_of,
)
from genolstm.introgression.settings import UNKNOWN_SOURCE, UNNAMED
from genolstm.report.style import INK, drawn, pyplot, tidy

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.axes import Axes

    Table = PathLike | pd.DataFrame

#: A figure tells so many places apart along its axis.
WINDOWS = 1000
#: Bars beyond this number are drawn as a picture in vector graphics, too.
_MOST_BARS = 5000
# Blue, orange and sky blue, which differ in grey, too; what was found is coloured by source as tracks for browsers are.
FOUND = SOURCE_COLOURS[0].hex
TRUE = SOURCE_COLOURS[5].hex
POSTERIOR = SOURCE_COLOURS[4].hex
#: Narrower rows have no room for a name, in inches.
_LEAST_NAMED = 0.075
#: Sequences that a message names at most.
_MOST_NAMED = 30
#: Where segments and tracts lie in a row (-0.5 to 0.5), by (posteriors above?, truth below?).
_LANES = {
    (False, False): [(-0.25, 0.25)],
    (False, True): [(-0.34, -0.02), (0.02, 0.34)],
    (True, False): [(0.12, 0.32)],
    (True, True): [(0.06, 0.23), (0.26, 0.43)],
}
#: Where posteriors of 0 and 1 lie in a row.
_POSTERIOR_LANE = (0.03, -0.43)


def plot_segments(
    segments: Table | list[Numbered],
    *,
    truth: Table | None = None,
    posteriors: Table | None = None,
    chrom: str | None = None,
    haplotypes: Sequence[tuple[str, str]] | None = None,
    length: int | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the segments of every haplotype of one sequence, one row per haplotype, coloured by source.

    Parameters
    ----------
    segments
        Segments found by a scan: a table, its BED file, or the lines of that.
    truth
        Known tracts, drawn below the segments of their row.
    posteriors
        Posterior of every bin (0 to 1), drawn above the segments.
    chrom
        Sequence to draw; may be left out if there is only one. One on which nothing was found must be in another
        table, or have a ``length``.
    haplotypes
        (sample, haplotype) of the rows, top to bottom; by default those that have posteriors, a
        segment or a known tract.
    length
        End of the axis in bp; by default the end of the last bin, segment or tract.
    ax
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    SettingError
        There are several sequences and ``chrom`` is not given, or no table has it.
    """
    found, sources = calls(segments)
    known = None if truth is None else intervals_of(truth)
    bins = None if posteriors is None else _posteriors(posteriors)
    check_spelling(found, known, bins)
    given = [table for table in (found, known, bins) if table is not None]
    chrom = one_chrom(given, chrom, also=() if chrom is None or length is None else (chrom,))
    here = [table[table["chrom"] == chrom] for table in given]
    if haplotypes is None:
        haplotypes = sorted({name for table in here for name in names_of(table)}, key=_natural)
    if length is None:
        length = max([int(table["end"].max()) for table in here if len(table)], default=1_000_000)
    rows = {name: row for row, name in enumerate(haplotypes)}
    # Rows get narrower once there are more than fit on a page.
    height = min(0.36 if bins is None else 0.6, 16 / max(len(rows), 1))
    ax = ax or _new_axes(height=1.1 + height * max(len(rows), 2))
    if bins is not None:
        _posterior_lanes(ax, bins, chrom, rows)
    lanes = _LANES[bins is not None, known is not None]
    bands = [(*band, lanes[0]) for band in _bands(found, sources)]
    if known is not None:
        bands.append((known, "true", TRUE, lanes[1]))
    for table, label, colour, lane in bands:
        own = [
            (rows[name], start, end)
            for name, group in _by_haplotype(table, chrom)
            if name in rows
            for start, end in zip(group["start"].tolist(), group["end"].tolist(), strict=True)
        ]
        draw_bars(ax, own, lane, length=length, colour=colour, label=drawn(label))
    if not rows:
        ax.text(0.5, 0.5, drawn(f"nothing on {chrom}"), transform=ax.transAxes, ha="center", va="center")
    if height < _LEAST_NAMED:
        ax.set_yticks([])
        ax.set_ylabel(f"{len(rows):,} haplotypes")
    else:
        ax.set_yticks(range(len(rows)), [drawn(_haplotype(name)) for name in rows])
        for line in range(1, len(rows)):
            ax.axhline(line - 0.5, color="0.9", linewidth=0.6, zorder=0)
    ax.set_ylim(max(len(rows), 1) - 0.45, -0.55)
    ax.tick_params(axis="y", length=0, labelsize=min(10, 60 * height))
    _finish(ax, chrom, length)
    ax.spines["left"].set_visible(False)
    return ax


def plot_posterior(
    posteriors: Table,
    *,
    sample: str,
    haplotype: str | int,
    segments: Table | None = None,
    truth: Table | None = None,
    chrom: str | None = None,
    threshold: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the posterior along one haplotype, with called segments and known tracts below.

    Parameters
    ----------
    posteriors
        Posterior of every bin: a table, or its file.
    sample, haplotype
        Haplotype to draw.
    segments, truth
        Segments found, and known tracts; each is drawn as a band below the curve.
    chrom
        Sequence to draw; may be left out if there is only one.
    threshold
        Posterior to mark with a line.
    ax
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    SettingError
        There is no such haplotype, or there are several sequences and ``chrom`` is not given.
    """
    table = _posteriors(posteriors)
    found, sources = (None, []) if segments is None else calls(segments)
    known = None if truth is None else intervals_of(truth)
    check_spelling(table, found, known)
    chrom = one_chrom([table], chrom)
    name = (str(sample), str(haplotype))
    table = _of(table, chrom, name).sort_values("start")
    if not len(table):
        raise SettingError(f"there is no posterior of {_haplotype(name)} on {chrom}")
    ax = ax or _new_axes(height=2.9)
    ax.stairs(table["posterior"].to_numpy(), _edges(table), fill=True, color=POSTERIOR, linewidth=0, label="posterior")
    if threshold is not None:
        ax.axhline(threshold, color=INK, linewidth=0.8, linestyle=(0, (4, 3)), label="threshold")
    end = int(table["end"].iloc[-1])
    lane = -0.07
    own_bands = [] if found is None else _bands(_of(found, chrom, name), sources)
    for bands in (own_bands, [] if known is None else [(known, "true", TRUE)]):
        for intervals, label, colour in bands:
            here = _of(intervals, chrom, name)
            own = [(0, *span) for span in zip(here["start"].tolist(), here["end"].tolist(), strict=True)]
            draw_bars(ax, own, (lane - 0.07, lane), length=end, colour=colour, label=drawn(label))
        lane -= 0.11 if bands else 0
    ax.axhline(0, color=INK, linewidth=0.8)
    ax.set_ylim(lane - 0.02, 1.02)
    ax.set_yticks([0, 0.25, 0.5, 0.75, 1])
    ax.set_ylabel("posterior of\narchaic ancestry")
    ax.spines["left"].set_bounds(0, 1)
    _finish(ax, chrom, end)
    # Not above the axes, where the legend may need all the room.
    ax.set_xlabel(drawn(f"position on {chrom} of {_haplotype(name)} (Mb)"))
    return ax


def _posterior_lanes(ax: Axes, bins: pd.DataFrame, chrom: str, rows: dict[tuple[str, str], int]) -> None:
    zero, one = _POSTERIOR_LANE
    for name, group in _by_haplotype(bins, chrom):
        if name not in rows:
            continue
        base = rows[name] + zero
        group = group.sort_values("start")
        heights = base + (one - zero) * group["posterior"].to_numpy()
        ax.stairs(heights, _edges(group), baseline=base, fill=True, color=POSTERIOR, linewidth=0)
    ax.stairs([], [0], fill=True, color=POSTERIOR, linewidth=0, label="posterior")


# --- tables -----------------------------------------------------------------------------------

_INTERVAL = ["chrom", "start", "end", "sample", "haplotype"]


def intervals_of(table: Table) -> pd.DataFrame:
    """Return chrom, start, end, sample, haplotype (as text) of a table or a BED file."""
    import pandas as pd

    if isinstance(table, pd.DataFrame):
        return _checked(table, _INTERVAL)
    rows = [interval for interval, _ in read_intervals(table)]
    return _checked(pd.DataFrame(rows, columns=_INTERVAL), _INTERVAL)


def _posteriors(table: Table) -> pd.DataFrame:
    import pandas as pd

    columns = [*_INTERVAL, "posterior"]
    return _checked(table if isinstance(table, pd.DataFrame) else read_posteriors(table), columns)


def _checked(table: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    # As pandas reads the first column of a BED file, behind the stamp of what made it.
    table = table.rename(columns={name: "chrom" for name in table.columns if header_columns(str(name))})
    absent = [column for column in columns if column not in table.columns]
    if absent:
        raise InputError(f"the table has no column {', '.join(absent)}")
    return table[columns].astype({"chrom": str, "sample": str, "haplotype": str})


def calls(table: Table | list[Numbered]) -> tuple[pd.DataFrame, list[str]]:
    """Return segments with their source, and the sources in the order of their colours.

    Where no column names the sources, the names of segments are taken for them, unless they are more than there are
    colours. Of several possible sources, it is :data:`~genolstm.introgression.carriers.SEVERAL`.
    """
    import pandas as pd

    if isinstance(table, pd.DataFrame):
        found = intervals_of(table)
        found["source"] = table["source"].astype(str).to_numpy() if "source" in table.columns else UNNAMED
        stated = sources_of([str(column) for column in table.columns])
    else:
        entries = table if isinstance(table, list) else read_numbered_intervals(table)
        found = intervals_of(pd.DataFrame([entry.interval for entry in entries], columns=_INTERVAL))
        found["source"] = [entry.source for entry in entries]
        stated = next((entry.sources for entry in entries if entry.sources), ())
        if all(entry.sources is None for entry in entries) and found["source"].nunique() > len(SOURCE_COLOURS):
            found["source"] = UNNAMED
    found["source"] = found["source"].where(~found["source"].str.contains(SEVERAL, regex=False), SEVERAL)
    others = sorted(set(found["source"]) - {*stated, SEVERAL, UNKNOWN_SOURCE})
    return found, [*stated, *others, *([] if UNKNOWN_SOURCE in stated else [UNKNOWN_SOURCE])]


def colours_of(sources: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return what a legend calls each source, and its colour; that of several is the last."""
    found = {source: (source, colour.hex) for source, colour in source_colours(sources).items()}
    return found | {SEVERAL: ("several possible", SEVERAL_COLOUR.hex)}


def _bands(found: pd.DataFrame, sources: Sequence[str]) -> list[tuple[pd.DataFrame, str, str]]:
    """Return the segments of each source with their label and colour; where there is one to tell of, they are found."""
    there = set(found["source"])
    if there <= set(sources[:1]) - {UNKNOWN_SOURCE}:
        return [(found, "found", FOUND)]
    return [
        (found[found["source"] == source], label, colour)
        for source, (label, colour) in colours_of(sources).items()
        if source in there
    ]


def one_chrom(tables: Iterable[pd.DataFrame | None], chrom: str | None = None, *, also: Iterable[str] = ()) -> str:
    """Return the sequence to draw, which a table must have, or ``also``; where there is none at all, any may be."""
    known = sorted({*(str(c) for t in tables if t is not None for c in t["chrom"].unique()), *also}, key=natural)
    if chrom is not None:
        if known and chrom not in known:
            named = ", ".join(known[:_MOST_NAMED])
            if len(known) > _MOST_NAMED:
                named += f" and {len(known) - _MOST_NAMED:,} more"
            raise SettingError(
                f"there is no {chrom}; there {'is' if len(known) == 1 else 'are'} {named}",
                hint="if nothing was found on it, the posteriors or the lengths of the genome tell that it exists",
            )
        return chrom
    if len(known) != 1:
        raise SettingError(f"there are {len(known)} sequences", hint="name the one to draw")
    return known[0]


def check_spelling(*tables: pd.DataFrame | None) -> None:
    """Refuse tables that spell the same sequence in two ways: one of them would not be drawn."""
    named = [sorted({str(c) for c in t["chrom"].unique()}) for t in tables if t is not None]
    for names, others in combinations(named, 2):
        for name, meant in near_names(names, others):
            raise InputError(
                f"one table has the sequence '{name}', another has '{meant}'", hint="chromosome names must agree"
            )


def names_of(table: pd.DataFrame) -> set[tuple[str, str]]:
    """Return the haplotypes of a table."""
    pairs = table[["sample", "haplotype"]].drop_duplicates()
    return {(str(s), str(h)) for s, h in pairs.itertuples(index=False)}


def natural(text: str) -> list[tuple[int, str]]:
    """Sort key that puts chr2 before chr10, and chrX after both."""
    import re

    parts = re.split(r"([0-9]+)", text)
    return [(int(part), "") if k % 2 else (-1, part) for k, part in enumerate(parts)]


def _natural(name: tuple[str, str]) -> list[tuple[int, str]]:
    """Sort key that puts CEU2 before CEU10."""
    return natural("\0".join(name))


def _of(table: pd.DataFrame, chrom: str, name: tuple[str, str]) -> pd.DataFrame:
    here = (table["chrom"] == chrom) & (table["sample"] == name[0]) & (table["haplotype"] == name[1])
    return table[here]


def _edges(table: pd.DataFrame) -> np.ndarray:
    """Return the edges of consecutive bins in Mb."""
    import numpy as np

    return np.append(table["start"].to_numpy(), table["end"].iloc[-1]) / 1e6


def _by_haplotype(table: pd.DataFrame, chrom: str) -> Iterator[tuple[tuple[str, str], pd.DataFrame]]:
    here = table[table["chrom"] == chrom]
    for (sample, haplotype), group in here.groupby(["sample", "haplotype"], observed=True):
        yield (str(sample), str(haplotype)), group


# --- looks ------------------------------------------------------------------------------------


def draw_bars(
    ax: Axes, bars: Sequence[tuple[int, int, int]], lane: tuple[float, float], *, length: int, colour: str, label: str
) -> None:
    """Draw (row, start, end) in bp as one collection: thousands of single ones would take minutes.

    What is narrower than a dot of the figure would vanish: a bar is at least a thousandth of the axis wide.
    """
    import numpy as np
    from matplotlib.collections import PolyCollection

    row, start, end = np.array(bars, dtype=float).reshape(-1, 3).T
    more = np.maximum(length / WINDOWS - (end - start), 0) / 2
    start, end = np.maximum(start - more, 0) / 1e6, (end + more) / 1e6
    top, bottom = row + lane[0], row + lane[1]
    corners = [(start, top), (end, top), (end, bottom), (start, bottom)]
    shapes: Any = np.stack([np.stack(corner, axis=-1) for corner in corners], axis=1)
    many = len(bars) > _MOST_BARS
    bands = PolyCollection(shapes, facecolors=colour, linewidths=0, label=label, rasterized=many)
    ax.add_collection(bands, autolim=False)


def _new_axes(*, height: float) -> Axes:
    _, ax = pyplot().subplots(figsize=(8.0, height), layout="constrained")
    return ax


def _haplotype(name: tuple[str, str]) -> str:
    return f"{name[0]} haplotype {name[1]}"


def _finish(ax: Axes, chrom: str, length: int) -> None:
    """Set the axis along the sequence, and add a legend that covers no data."""
    ax.set_xlim(0, length / 1e6)
    ax.set_xlabel(drawn(f"position on {chrom} (Mb)"))
    tidy(ax)
    ax.legend(
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        ncols=5,
        frameon=False,
        borderaxespad=0,
        handlelength=1.2,
        columnspacing=1.5,
    )
