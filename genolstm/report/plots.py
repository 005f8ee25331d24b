"""Figures: segments of all haplotypes, and the posterior along one of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

from genolstm.errors import InputError, SettingError
from genolstm.files import PathLike
from genolstm.introgression.formats import header_columns, near_names, read_intervals, read_posteriors
from genolstm.report.style import INK, drawn, pyplot, tidy

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.axes import Axes

    Table = PathLike | pd.DataFrame

# Okabe and Ito's colours, which colour-blind readers can distinguish, and which differ in grey, too.
FOUND = "#0072B2"
TRUE = "#E69F00"
POSTERIOR = "#56B4E9"
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
    segments: Table,
    *,
    truth: Table | None = None,
    posteriors: Table | None = None,
    chrom: str | None = None,
    haplotypes: Sequence[tuple[str, str]] | None = None,
    length: int | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the segments of every haplotype of one sequence, one row per haplotype.

    Parameters
    ----------
    segments
        Segments found by a scan: a table, or its BED file.
    truth
        Known tracts, drawn below the segments of their row.
    posteriors
        Posterior of every bin (0 to 1), drawn above the segments.
    chrom
        Sequence to draw, even if nothing was found on it; may be left out if there is only one.
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
        There are several sequences and ``chrom`` is not given.
    """
    found = _intervals(segments)
    known = None if truth is None else _intervals(truth)
    bins = None if posteriors is None else _posteriors(posteriors)
    _check_spelling(found, known, bins)
    given = [table for table in (found, known, bins) if table is not None]
    if chrom is None:
        chrom = _one_chrom(given)
    here = [table[table["chrom"] == chrom] for table in given]
    if haplotypes is None:
        haplotypes = sorted({name for table in here for name in _names(table)}, key=_natural)
    if length is None:
        length = max([int(table["end"].max()) for table in here if len(table)], default=1_000_000)
    rows = {name: row for row, name in enumerate(haplotypes)}
    # Rows get narrower once there are more than fit on a page.
    height = min(0.36 if bins is None else 0.6, 16 / max(len(rows), 1))
    ax = ax or _new_axes(height=1.1 + height * max(len(rows), 2))
    if bins is not None:
        _posterior_lanes(ax, bins, chrom, rows)
    lanes = _LANES[bins is not None, known is not None]
    bands = [(found, "found", FOUND)]
    if known is not None:
        bands.append((known, "true", TRUE))
    for (table, label, colour), (top, bottom) in zip(bands, lanes, strict=True):
        for name, group in _by_haplotype(table, chrom):
            if name in rows:
                lane = (rows[name] + top, bottom - top)
                ax.broken_barh(_spans(group), lane, facecolors=colour, linewidth=0)
        ax.broken_barh([], (0, 1), facecolors=colour, linewidth=0, label=label)
    if not rows:
        ax.text(0.5, 0.5, drawn(f"nothing on {chrom}"), transform=ax.transAxes, ha="center", va="center")
    ax.set_yticks(range(len(rows)), [drawn(_haplotype(name)) for name in rows])
    ax.set_ylim(max(len(rows), 1) - 0.45, -0.55)
    for line in range(1, len(rows)):
        ax.axhline(line - 0.5, color="0.9", linewidth=0.6, zorder=0)
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
    found, known = (None if t is None else _intervals(t) for t in (segments, truth))
    _check_spelling(table, found, known)
    chrom = _one_chrom([table], chrom)
    name = (str(sample), str(haplotype))
    table = _of(table, chrom, name).sort_values("start")
    if not len(table):
        raise SettingError(f"there is no posterior of {_haplotype(name)} on {chrom}")
    ax = ax or _new_axes(height=2.9)
    ax.stairs(table["posterior"].to_numpy(), _edges(table), fill=True, color=POSTERIOR, linewidth=0, label="posterior")
    if threshold is not None:
        ax.axhline(threshold, color=INK, linewidth=0.8, linestyle=(0, (4, 3)), label="threshold")
    lane = -0.07
    for intervals, label, colour in ((found, "found", FOUND), (known, "true", TRUE)):
        if intervals is None:
            continue
        spans = _spans(_of(intervals, chrom, name))
        ax.broken_barh(spans, (lane - 0.07, 0.07), facecolors=colour, linewidth=0, label=label)
        lane -= 0.11
    ax.axhline(0, color=INK, linewidth=0.8)
    ax.set_ylim(lane - 0.02, 1.02)
    ax.set_yticks([0, 0.25, 0.5, 0.75, 1])
    ax.set_ylabel("posterior of\narchaic ancestry")
    ax.spines["left"].set_bounds(0, 1)
    _finish(ax, chrom, int(table["end"].iloc[-1]))
    ax.set_title(drawn(_haplotype(name)), loc="left", fontsize="medium")
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


def _intervals(table: Table) -> pd.DataFrame:
    """Return chrom, start, end, sample, haplotype (as text) of a table or a BED file."""
    import pandas as pd

    columns = ["chrom", "start", "end", "sample", "haplotype"]
    if isinstance(table, pd.DataFrame):
        return _checked(table, columns)
    rows = [interval for interval, _ in read_intervals(table)]
    return _checked(pd.DataFrame(rows, columns=columns), columns)


def _posteriors(table: Table) -> pd.DataFrame:
    import pandas as pd

    columns = ["chrom", "start", "end", "sample", "haplotype", "posterior"]
    return _checked(table if isinstance(table, pd.DataFrame) else read_posteriors(table), columns)


def _checked(table: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    # As pandas reads the first column of a BED file, behind the stamp of what made it.
    table = table.rename(columns={name: "chrom" for name in table.columns if header_columns(str(name))})
    absent = [column for column in columns if column not in table.columns]
    if absent:
        raise InputError(f"the table has no column {', '.join(absent)}")
    return table[columns].astype({"chrom": str, "sample": str, "haplotype": str})


def _one_chrom(tables: Iterable[pd.DataFrame | None], chrom: str | None = None) -> str:
    known = sorted({str(c) for t in tables if t is not None for c in t["chrom"].unique()})
    if chrom is not None:
        if known and chrom not in known:
            raise SettingError(f"there is no {chrom}; there are {', '.join(known[:5])}")
        return chrom
    if len(known) != 1:
        raise SettingError(f"there are {len(known)} sequences", hint="name the one to draw")
    return known[0]


def _check_spelling(*tables: pd.DataFrame | None) -> None:
    """Refuse tables that spell the same sequence in two ways: one of them would not be drawn."""
    named = [sorted({str(c) for c in t["chrom"].unique()}) for t in tables if t is not None]
    for names, others in combinations(named, 2):
        for name, meant in near_names(names, others):
            raise InputError(
                f"one table has the sequence '{name}', another has '{meant}'", hint="chromosome names must agree"
            )


def _names(table: pd.DataFrame) -> set[tuple[str, str]]:
    pairs = table[["sample", "haplotype"]].drop_duplicates()
    return {(str(s), str(h)) for s, h in pairs.itertuples(index=False)}


def _natural(name: tuple[str, str]) -> list[tuple[int, str]]:
    """Sort key that puts CEU2 before CEU10."""
    import re

    parts = re.split(r"(\d+)", "\0".join(name))
    return [(int(p), "") if p.isdigit() else (-1, p) for p in parts]


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


def _spans(table: pd.DataFrame) -> list[tuple[float, float]]:
    """Return (start, width) in Mb."""
    pairs = zip(table["start"].tolist(), table["end"].tolist(), strict=True)
    return [(start / 1e6, (end - start) / 1e6) for start, end in pairs]


# --- looks ------------------------------------------------------------------------------------


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
        ncols=4,
        frameon=False,
        borderaxespad=0,
        handlelength=1.2,
        columnspacing=1.5,
    )
