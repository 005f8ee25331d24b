"""Figures of alignments: a dot-plot of posteriors, and a diagram of their reliability."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from genolstm.alignment.evaluate import PairAccuracy, Reliability
from genolstm.alignment.result import PosteriorAlignment
from genolstm.errors import InputError
from genolstm.report.alignment_letters import Region, check_region
from genolstm.report.style import INK, colour_map, pyplot, shortened, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BINS = 440
_LETTERED = 80
_PATH = "#D55E00"
# How far from the middle of its cells the path is drawn, in points: cells of letters are larger.
_BESIDE, _BESIDE_LETTERS = 3.0, 5.0
_LINE = "#0072B2"
# Posteriors below this are not drawn.
_SEEN = 0.01
# Light to dark for the dot-plot; the path's orange stands out from all of them.
_DOTS = ("#edf3f8", "#c3daec", "#7fb4d8", "#3b83bd", "#0b4a86", "#062c55")


# ------------------------------------------------------------------ dot-plot


def plot_dotplot(alignment: PosteriorAlignment, *, region: Region | None = None) -> Figure:
    """Draw the posteriors of all pairs of residues, with the aligned path drawn on either side of its cells.

    The reference runs across and the query down, both in plus-strand coordinates: the path of a
    query on the minus strand rises. A strip below shows the posterior of each aligned reference base.

    Parameters
    ----------
    alignment
        Alignment to draw; its sparse posteriors are used, so memory does not grow with the lengths.
    region
        Start and end on the reference, 0-based half-open; by default everything likely is shown.

    Raises
    ------
    SettingError
        The region lies outside the reference.
    """
    plt = pyplot()
    keep = alignment.posterior.probability >= _SEEN
    rows = alignment.posterior.query[keep].astype(np.int64)
    columns = alignment.posterior.reference[keep].astype(np.int64)
    p = alignment.posterior.probability[keep]
    x, y = _view(alignment, region, rows, columns, p)
    inside = (columns >= x[0]) & (columns < x[1])
    down = _downwards(alignment, rows[inside])
    spans = x[1] - x[0], y[1] - y[0]
    # The same scale on both axes unless one sequence is much longer.
    shape = spans[1] / spans[0]
    height = 5.0 * min(max(shape, 0.3), 1.3)
    figure, (ax, strip) = plt.subplots(
        2, 1, figsize=(6.4, height + 1.5), height_ratios=[height, 0.75], sharex=True, layout="constrained"
    )
    from matplotlib.colors import PowerNorm

    image = ax.imshow(
        _pooled(down, columns[inside], p[inside], x, y, height / 5.0),
        extent=(x[0], x[1], y[1], y[0]),
        cmap=colour_map(_DOTS),
        norm=PowerNorm(0.5, 0, 1),
        interpolation="nearest",
        aspect="auto",
    )
    short = max(spans) <= _LETTERED
    _draw_path(ax, alignment, short)
    ax.set_xlim(*x)
    ax.set_ylim(y[1], y[0])
    _number(ax, spans)
    strand = "" if alignment.strand == "+" else ", minus strand"
    ax.set_ylabel(f"{shortened(alignment.query_name)} (bp{strand})")
    ax.tick_params(axis="x", labelbottom=False)
    if short:
        _letter_axes(ax, alignment, x, y)
    tidy(ax)
    bar = figure.colorbar(image, ax=ax, shrink=min(1.0, 0.45 * 5.0 / height), aspect=16, pad=0.02)
    bar.set_label("posterior")
    bar.set_ticks([0, 0.05, 0.2, 0.5, 1], labels=["0", "0.05", "0.2", "0.5", "1"])
    bar.minorticks_off()
    bar.outline.set_visible(False)
    _strip(strip, alignment, x)
    strip.set_xlabel(f"{shortened(alignment.reference_name)} (bp)")
    return figure


def _draw_path(ax: Axes, alignment: PosteriorAlignment, short: bool) -> None:
    """Draw runs of aligned pairs between two solid lines, and the gaps between runs as dotted lines.

    The lines stand beside the cells of the path and not on them: what they would hide is the posterior.
    """
    from matplotlib.collections import LineCollection
    from matplotlib.transforms import ScaledTranslation

    pairs = alignment.pairs
    if not len(pairs):
        return
    corners = np.flatnonzero((np.diff(pairs, axis=0) != 1).any(axis=1)) + 1
    first = pairs[np.concatenate([[0], corners])]
    last = pairs[np.concatenate([corners - 1, [len(pairs) - 1]])]

    # From corner to corner of the cells, so that even a single pair has a length.
    def place(ends: npt.NDArray[np.int32], shift: int) -> npt.NDArray[np.float64]:
        down = ends[:, 0] + float(shift)
        if alignment.strand == "-":
            down = alignment.n_query - down
        return np.stack([ends[:, 1] + float(shift), down], axis=1)

    starts, stops = place(first, 0), place(last, 1)
    width = 1.0 if short else 0.7
    lines = list(np.stack([starts, stops], axis=1))
    gaps = list(np.stack([stops[:-1], starts[1:]], axis=1))
    ax.add_collection(LineCollection(gaps, colors=_PATH, linewidths=width, linestyles=[(0, (1, 1.6))]))
    # Across the path, which falls, or rises where the query's minus strand is drawn.
    across = (1, 1) if alignment.strand == "+" else (1, -1)
    points = _BESIDE_LETTERS if short else _BESIDE
    for side in (-1, 1):
        x, y = (side * points / 72 / np.sqrt(2) * step for step in across)
        beside = ScaledTranslation(x, y, ax.figure.dpi_scale_trans)
        ax.add_collection(LineCollection(lines, colors=_PATH, linewidths=width, transform=ax.transData + beside))


def _downwards(alignment: PosteriorAlignment, rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return alignment.n_query - 1 - rows if alignment.strand == "-" else rows


def _view(
    alignment: PosteriorAlignment,
    region: Region | None,
    rows: npt.NDArray[np.int64],
    columns: npt.NDArray[np.int64],
    p: npt.NDArray[np.float32],
) -> tuple[Region, Region]:
    """Return the parts of the reference and the query to draw."""
    n, m = alignment.n_query, alignment.n_reference
    likely = p >= 0.1
    if region is not None:
        check_region(alignment, region)
        likely &= (columns >= region[0]) & (columns < region[1])
        on_path = alignment.pairs[(alignment.pairs[:, 1] >= region[0]) & (alignment.pairs[:, 1] < region[1])]
    else:
        on_path = alignment.pairs
        if alignment.mode == "global":
            return (0, m), (0, n)
    down = _downwards(alignment, np.concatenate([rows[likely], on_path[:, 0]]))
    across = np.concatenate([columns[likely], on_path[:, 1]])
    if not len(down):
        return region or (0, m), (0, n)
    if region is None:
        region = _widened(int(across.min()), int(across.max()) + 1, m)
        if alignment.mode == "semiglobal":
            return region, (0, n)
    return region, _widened(int(down.min()), int(down.max()) + 1, n)


def _widened(start: int, end: int, length: int) -> Region:
    margin = max(3, (end - start) // 25)
    return max(0, start - margin), min(length, end + margin)


def _pooled(
    rows: npt.NDArray[np.int64],
    columns: npt.NDArray[np.int64],
    p: npt.NDArray[np.float32],
    x: Region,
    y: Region,
    shape: float,
) -> npt.NDArray[np.float32]:
    """Return the highest posterior in each cell of a raster of limited size, NaN for empty cells."""
    width = min(_BINS, x[1] - x[0])
    height = min(max(1, round(_BINS * shape)), y[1] - y[0])
    out = np.zeros((height, width), dtype=np.float32)
    inside = (rows >= y[0]) & (rows < y[1])
    r = (rows[inside] - y[0]) * height // (y[1] - y[0])
    c = (columns[inside] - x[0]) * width // (x[1] - x[0])
    np.maximum.at(out, (r, c), p[inside])
    out[out == 0] = np.nan
    return out


def _strip(ax: Axes, alignment: PosteriorAlignment, x: Region) -> None:
    """Draw the posterior along the reference: the mean and the minimum of each step."""
    matched = (alignment.column_query >= 0) & (alignment.column_reference >= 0)
    at = alignment.column_reference[matched]
    value = alignment.posteriors[matched]
    inside = (at >= x[0]) & (at < x[1])
    at, value = at[inside], value[inside]
    steps = min(_BINS, x[1] - x[0])
    which = (at - x[0]) * steps // (x[1] - x[0])
    count = np.bincount(which, minlength=steps)
    with np.errstate(invalid="ignore"):
        mean = np.bincount(which, weights=value, minlength=steps) / count
    low = np.full(steps, np.inf)
    np.minimum.at(low, which, value)
    edges = np.linspace(x[0], x[1], steps + 1)
    ax.stairs(np.nan_to_num(mean), edges, fill=True, color="#7fb4d8", linewidth=0)
    if count.max(initial=0) > 1:
        low[~np.isfinite(low)] = np.nan
        ax.stairs(low, edges, baseline=None, color="#0b4a86", linewidth=0.6)
        ax.annotate(
            "mean, and lowest as a line", (0.995, 1.06), xycoords="axes fraction", ha="right", fontsize=7, color="0.4"
        )
    ax.set_ylim(0, 1.02)
    ax.set_yticks([0, 1])
    ax.set_ylabel("posterior\nof the path", fontsize=8)
    tidy(ax)


def _letter_axes(ax: Axes, alignment: PosteriorAlignment, x: Region, y: Region) -> None:
    from genolstm.sequences.alphabet import reverse_complement_text

    reference, query = alignment.reference_text, alignment.query_text
    if alignment.strand == "-":
        query = reverse_complement_text(query)[::-1]
    size = min(7.0, 6.0 * 50 / max(x[1] - x[0], y[1] - y[0]))
    for side, axis, text, (low, high) in (
        ("top", ax.secondary_xaxis("top"), reference, x),
        ("right", ax.secondary_yaxis("right"), query, y),
    ):
        which = axis.xaxis if side == "top" else axis.yaxis
        which.set_ticks(np.arange(low, high) + 0.5, list(text[low:high]))
        axis.tick_params(length=0, pad=1, labelsize=size, labelfontfamily="monospace")
        axis.spines[side].set_visible(False)


def _number(ax: Axes, spans: tuple[int, int]) -> None:
    """Number both axes, at the same intervals if their scales are similar."""
    from matplotlib.ticker import MaxNLocator, MultipleLocator, StrMethodFormatter

    step = next(step for k in range(12) for step in (10**k, 2 * 10**k, 5 * 10**k) if max(spans) <= 8 * step)
    for axis, span in ((ax.xaxis, spans[0]), (ax.yaxis, spans[1])):
        alike = 3 * span >= max(spans)
        axis.set_major_locator(MultipleLocator(step) if alike else MaxNLocator(4, integer=True, steps=[1, 2, 5, 10]))
        axis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


# ------------------------------------------------------------------ reliability


def plot_reliability(reliability: Reliability, *, accuracy: PairAccuracy | None = None) -> Figure:
    """Draw how often columns of each posterior are right, and how many there are.

    Parameters
    ----------
    reliability
        The curve, from :func:`genolstm.alignment.evaluate.reliability`.
    accuracy
        Accuracy of the same alignments, whose F1 is shown with the expected calibration error; None
        shows no F1.

    Raises
    ------
    InputError
        There are no columns.
    """
    plt = pyplot()
    total = int(reliability.count.sum())
    if not total:
        raise InputError("no column is aligned, there is nothing to draw")
    figure, (ax, below) = plt.subplots(
        2, 1, figsize=(4.2, 5.2), height_ratios=[3.2, 1], sharex=True, layout="constrained"
    )
    ax.plot([0, 1], [0, 1], color="0.6", linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
    filled = reliability.count > 0
    confidence, right = reliability.confidence[filled], reliability.accuracy[filled]
    ax.vlines(confidence, confidence, right, color=_PATH, linewidth=1.1, zorder=2)
    ax.plot(confidence, right, color=_LINE, linewidth=1.2, zorder=3)
    few = reliability.count[filled] < 30
    for which, face in ((~few, _LINE), (few, "white")):
        if which.any():
            ax.plot(
                confidence[which],
                right[which],
                linestyle="",
                marker="o",
                markersize=5,
                color=_LINE,
                markerfacecolor=face,
                clip_on=False,
                zorder=4,
            )
    text = f"ECE {reliability.ece:.3f}\n{total:,} columns"
    if accuracy is not None:
        text = f"F1 {accuracy.f1:.3f}\n{text}"
    if few.any():
        text += "\nhollow: fewer than 30"
    ax.text(0.03, 0.97, text, transform=ax.transAxes, va="top", fontsize=9, color=INK)
    ax.set_xlim(0, 1)
    ax.set_ylim(0, 1)
    ax.set_ylabel("columns that are right")
    tidy(ax)
    edges = np.linspace(0, 1, len(reliability.count) + 1)
    # A logarithmic axis cannot show an empty bar.
    below.bar(
        edges[:-1][filled],
        reliability.count[filled],
        width=edges[1],
        align="edge",
        color="#7fb4d8",
        edgecolor="white",
        linewidth=0.6,
    )
    below.set_yscale("log")
    top = float(reliability.count.max())
    decades = [10**k for k in range(int(np.log10(top)) + 1)]
    below.set_yticks(decades, [f"{decade:,}" for decade in decades], fontsize=8)
    below.minorticks_off()
    below.set_ylim(0.7, 1.6 * top)
    below.set_ylabel("columns")
    below.set_xlabel("posterior")
    tidy(below)
    return figure
