"""Figures of many haplotypes: frequency of archaic ancestry by population, haplotypes clustered, whole genomes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from genolstm.errors import InputError
from genolstm.introgression.carriers import Name, Stretch, clustered, counts, peaks, stretches
from genolstm.report.plots import (
    WINDOWS,
    _haplotype,
    _natural,
    calls,
    colours_of,
    draw_bars,
    names_of,
    natural,
    one_chrom,
)
from genolstm.report.style import INK, drawn, pyplot, shortened, tidy

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from genolstm.files import PathLike
    from genolstm.introgression.formats import Numbered

    Table = PathLike | pd.DataFrame

Groups = Mapping[str, Sequence[Name]]
"""Haplotypes of each population; those of the only one, ``""``, need no name."""

#: Rows of haplotypes that are named at most.
_MOST_ROWS = 60
_LANE = "0.9"


def plot_frequency(
    segments: Table | list[Numbered],
    *,
    groups: Groups | None = None,
    chrom: str | None = None,
    length: int | None = None,
) -> np.ndarray:
    """Draw along one sequence which share of the haplotypes of each population carries a segment, by source.

    Parameters
    ----------
    segments
        Segments found by a scan: a table, its BED file, or the lines of that.
    groups
        All haplotypes of each population, also those without segments; by default one group of those with a segment.
    chrom
        Sequence to draw; may be left out if there is only one.
    length
        End of the axis in bp; by default the end of the last segment.

    Returns
    -------
    numpy.ndarray of matplotlib.axes.Axes
        One for each population. The sources lie on top of each other, so that the upper edge is the share of all.
        Where segments are too narrow to be seen, each thousandth of the axis shows its highest point.

    Raises
    ------
    SettingError
        There are several sequences and ``chrom`` is not given, or it does not exist.
    InputError
        A segment reaches beyond ``length``.
    """
    chrom, length, groups, sources, carried = _of_one(segments, groups, chrom, length)
    _, axes = pyplot().subplots(
        len(groups),
        1,
        figsize=(8.0, 1.0 + min(1.25 * len(groups), 24) + 0.6 * (len(groups) == 1)),
        layout="constrained",
        sharex=True,
        sharey=True,
        squeeze=False,
    )
    axes = axes[:, 0]
    used: set[str] = set()
    top = 0.0
    for ax, (group, names) in zip(axes, groups.items(), strict=True):
        used |= _stack(ax, carried, names, sources, length, base=0, scale=100.0)
        top = max(top, _highest(carried, names, sources, length))
        ax.set_title(drawn(_titled(group, names)), loc="left", fontsize="medium")
        tidy(ax)
    axes[0].set_xlim(0, length / 1e6)
    axes[0].set_ylim(0, 100 * min(1.05 * top, 1) if top else 1)
    axes[-1].set_xlabel(drawn(f"position on {chrom} (Mb)"))
    axes[0].figure.supylabel("haplotypes with a segment (%)", fontsize="medium")
    _legend(axes[0], sources, used)
    return axes


def plot_clusters(
    segments: Table | list[Numbered],
    *,
    groups: Groups | None = None,
    chrom: str | None = None,
    length: int | None = None,
) -> Axes:
    """Draw the segments of one sequence, one row per haplotype, those that share most side by side.

    Parameters
    ----------
    segments
        Segments found by a scan: a table, its BED file, or the lines of that.
    groups
        All haplotypes of each population, also those without segments; each population is clustered by itself. By
        default those with a segment.
    chrom
        Sequence to draw; may be left out if there is only one.
    length
        End of the axis in bp; by default the end of the last segment.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    MissingExtraError
        SciPy is not installed.
    SettingError
        There are several sequences and ``chrom`` is not given, or it does not exist; or there are too many haplotypes.
    InputError
        A segment reaches beyond ``length``.
    """
    chrom, length, groups, sources, carried = _of_one(segments, groups, chrom, length)
    rows = [(group, name) for group, names in groups.items() for name in clustered(carried, names)]
    bars: dict[str, list[tuple[int, int, int]]] = {}
    for row, (_, name) in enumerate(rows):
        for stretch in carried.get(name, ()):
            bars.setdefault(stretch.source, []).append((row, stretch.start, stretch.end))
    few = len(rows) <= _MOST_ROWS
    _, ax = pyplot().subplots(figsize=(8.0, 1.1 + min(max(0.2 * len(rows), 0.5), 8)), layout="constrained")
    # Thin rows would hardly be seen with a gap between them.
    half = 0.36 if few else 0.5
    for source, (label, colour) in colours_of(sources).items():
        if source in bars:
            draw_bars(ax, bars[source], (-half, half), length=length, colour=colour, label=drawn(label))
    edges = np.cumsum([0, *map(len, groups.values())])
    for edge in edges[1:-1]:
        ax.axhline(edge - 0.5, color=INK, linewidth=0.8)
    if few:
        ax.set_yticks(range(len(rows)), [drawn(_haplotype(name)) for _, name in rows])
        ax.tick_params(axis="y", labelsize=8)
        if list(groups) != [""]:
            for group, low, high in zip(groups, edges, edges[1:], strict=False):
                ax.text(1.01, (low + high - 1) / 2, shortened(group), transform=ax.get_yaxis_transform(), va="center")
    else:
        ax.set_yticks((edges[:-1] + edges[1:] - 1) / 2, [drawn(_titled(*item, split=True)) for item in groups.items()])
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(len(rows) - 0.45, -0.55)
    ax.set_xlim(0, length / 1e6)
    ax.set_xlabel(drawn(f"position on {chrom} (Mb)"))
    tidy(ax)
    ax.spines["left"].set_visible(False)
    _legend(ax, sources, set(bars))
    return ax


def plot_genome(
    segments: Table | list[Numbered], *, groups: Groups | None = None, lengths: Mapping[str, int] | None = None
) -> Axes:
    """Draw all sequences as an ideogram: which share of the haplotypes of each population carries a segment, by source.

    Parameters
    ----------
    segments
        Segments found by a scan: a table, its BED file, or the lines of that.
    groups
        All haplotypes of each population, also those without segments; by default one group of those with a segment.
    lengths
        Sequences to draw and their lengths in bp; by default those with segments, to the end of the last.

    Returns
    -------
    matplotlib.axes.Axes
        A lane for each population of each sequence, in the order of their numbers; all lanes have one scale.

    Raises
    ------
    InputError
        A segment lies on a sequence that has no length, or beyond its end; or there is nothing to draw.
    """
    found, sources = calls(segments)
    if lengths is None:
        lengths = {str(chrom): int(end) for chrom, end in found.groupby("chrom")["end"].max().items()}
    unknown = sorted({*found["chrom"]} - {*lengths}, key=natural)
    if unknown:
        raise InputError(f"the sequence {unknown[0]} has segments, but no length", hint="the names must agree")
    if not lengths:
        raise InputError("there is no segment, and no length of a sequence")
    groups = _groups(found, groups)
    chroms = sorted(lengths, key=natural)
    carried = {chrom: _carried(found, chrom) for chrom in chroms}
    ends = {chrom: _length(found, chrom, lengths[chrom]) for chrom in chroms}
    top = max(_highest(carried[c], names, sources, ends[c]) for c in chroms for names in groups.values())
    n = len(groups)
    # Lanes of a sequence lie together: each is one high, with a gap in front of the next sequence.
    step = n + 0.55
    height = max(min(0.3 * n, 0.16 * n + 0.14), 60 / (len(chroms) * 72)) if n > 1 else 0.3
    _, ax = pyplot().subplots(figsize=(8.0, 1.1 + min(height * len(chroms), 30)), layout="constrained")
    used: set[str] = set()
    longest = max(ends.values()) / 1e6
    for place, chrom in enumerate(chroms):
        for lane, (group, names) in enumerate(groups.items()):
            base = place * step + lane + 0.85
            ax.broken_barh([(0, ends[chrom] / 1e6)], (base - 0.85, 0.85), facecolors=_LANE, linewidth=0, zorder=0)
            if top:
                many = math.ceil(WINDOWS * ends[chrom] / 1e6 / longest)
                own = (carried[chrom], names, sources, ends[chrom])
                used |= _stack(ax, *own, base=base, scale=-0.85 / top, windows=many)
            if group:
                text = shortened(group, 12)
                ax.text(ends[chrom] / 1e6 + 0.008 * longest, base - 0.42, text, va="center", fontsize=6)
    ax.set_yticks([place * step + n / 2 - 0.08 for place in range(len(chroms))], [shortened(c) for c in chroms])
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(len(chroms) * step - 0.4, -0.25)
    ax.set_xlim(0, longest)
    tidy(ax)
    ax.spines["left"].set_visible(False)
    if n == 1:
        (whom,) = (_titled(*item) for item in groups.items())
    else:
        whom = "each population"
    said = f"a full lane is {_share(top)} of {whom}" if top else f"no segment in {whom}"
    ax.set_xlabel(drawn(f"position (Mb); {said}"))
    _legend(ax, sources, used)
    return ax


# --- parts ------------------------------------------------------------------------------------


class _OneSequence(NamedTuple):
    """What is drawn of one sequence: its name and length, all haplotypes, and what each of them carries."""

    chrom: str
    length: int
    groups: Groups
    sources: Sequence[str]
    carried: dict[Name, list[Stretch]]


def _of_one(
    segments: Table | list[Numbered], groups: Groups | None, chrom: str | None, length: int | None
) -> _OneSequence:
    found, sources = calls(segments)
    chrom = one_chrom([found], chrom, also=() if chrom is None or length is None else (chrom,))
    groups = _groups(found, groups)
    return _OneSequence(chrom, _length(found, chrom, length), groups, sources, _carried(found, chrom))


def _groups(found: pd.DataFrame, groups: Groups | None) -> Groups:
    return {"": sorted(names_of(found), key=_natural)} if groups is None else groups


def _length(found: pd.DataFrame, chrom: str, length: int | None) -> int:
    here = found.loc[found["chrom"] == chrom, "end"]
    last = int(here.max()) if len(here) else None
    if length is None:
        return last or 1_000_000
    if last is not None and last > length:
        raise InputError(f"a segment on {chrom} ends at {last:,}, beyond its length of {length:,}")
    return length


def _carried(found: pd.DataFrame, chrom: str) -> dict[Name, list[Stretch]]:
    here = found[found["chrom"] == chrom]
    spans: dict[Name, list[tuple[int, int, str]]] = {}
    columns = (here[name].tolist() for name in ("sample", "haplotype", "start", "end", "source"))
    for sample, haplotype, start, end, source in zip(*columns, strict=True):
        spans.setdefault((sample, haplotype), []).append((start, end, source))
    return {name: stretches(own) for name, own in spans.items()}


def _shares(
    carried: Mapping[Name, Sequence[Stretch]], names: Sequence[Name], sources: Sequence[str], length: int, windows: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return edges, and the share of the haplotypes between them, with a row for each source and for several."""
    edges, number = counts(carried, names, list(colours_of(sources)), length)
    return peaks(edges, number / max(len(names), 1), windows)


def _highest(
    carried: Mapping[Name, Sequence[Stretch]], names: Sequence[Name], sources: Sequence[str], length: int
) -> float:
    return float(_shares(carried, names, sources, length, 1)[1].sum(axis=0).max(initial=0.0))


def _stack(
    ax: Axes,
    carried: Mapping[Name, Sequence[Stretch]],
    names: Sequence[Name],
    sources: Sequence[str],
    length: int,
    *,
    base: float,
    scale: float,
    windows: int = WINDOWS,
) -> set[str]:
    """Draw the shares of all sources on top of each other; return the sources that are there."""
    edges, shares = _shares(carried, names, sources, length, windows)
    used: set[str] = set()
    below = np.zeros(shares.shape[1])
    for (source, (_, colour)), share in zip(colours_of(sources).items(), shares, strict=True):
        if not share.any():
            continue
        used.add(source)
        above = below + share
        patch = ax.stairs(
            base + scale * above, edges / 1e6, baseline=base + scale * below, fill=True, color=colour, linewidth=0
        )
        patch.set_label(f"_{source}")  # not of the legend, but of whoever asks what the patch is
        below = above
    return used


def _titled(group: str, names: Sequence[Name], *, split: bool = False) -> str:
    number = f"{len(names):,} haplotype{'' if len(names) == 1 else 's'}"
    return f"{group}{chr(10) if split else ' '}({number})" if group else number


def _share(share: float) -> str:
    return f"{100 * share:.3g} %"


def _legend(ax: Axes, sources: Sequence[str], used: Iterable[str]) -> None:
    """Add a legend of the sources that are drawn, above the axes."""
    from matplotlib.patches import Patch

    there = set(used)
    handles = [
        Patch(facecolor=colour, linewidth=0, label=shortened(label))
        for source, (label, colour) in colours_of(sources).items()
        if source in there
    ]
    if handles:
        # Outside of the axes, where it lies on no title.
        ax.figure.legend(
            handles=handles, loc="outside upper right", ncols=4, frameon=False, handlelength=1.2, columnspacing=1.5
        )
