"""Draws an alignment in letters, every column coloured by its confidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from genolstm.alignment.result import DELETION, INSERTION, MATCH, PosteriorAlignment
from genolstm.errors import InputError, SettingError
from genolstm.report.style import INK, colour_map, pyplot, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Region = tuple[int, int]

LONGEST_LETTERS = 4000
"""Maximum number of columns drawn in letters; a larger figure would be unreadable."""
# Red to blue-green behind dark letters; it also darkens, for colour-blind readers.
_CELLS = ("#f4b8b0", "#f8d9bd", "#f6ead0", "#e6efe0", "#bfe5dc", "#7fcbc9")


def plot_alignment(alignment: PosteriorAlignment, *, region: Region | None = None, width: int = 80) -> Figure:
    """Draw the alignment in letters, every column coloured by its posterior.

    Parameters
    ----------
    alignment
        Alignment to draw, at most :data:`LONGEST_LETTERS` columns of it.
    region
        Start and end on the reference, 0-based half-open; by default everything that is aligned.
    width
        Number of columns per line, at least 10.

    Raises
    ------
    SettingError
        There are too many columns, the width is too small, or the region lies outside the reference.
    InputError
        Nothing is aligned, or nothing in the region.
    """
    plt = pyplot()
    if width < 10:
        raise SettingError(f"width is {width}, it must be at least 10")
    first, last = _columns(alignment, region)
    size = last - first
    lines = -(-size // width)
    across = min(width, size)
    # In inches: a column is as wide as an 8-point monospaced letter with some space around it.
    step, line, left, right = 0.092, 0.56, _margin(alignment), 0.62
    body = max(across * step, 3.6)
    figure = plt.figure(figsize=(left + body + right, lines * line + (0.5 if body > 6.2 else 0.68)))
    total_x, total_y = figure.get_size_inches()
    box = (left / total_x, 0.04 / total_y, body / total_x, lines * line / total_y)
    ax = figure.add_axes(box)
    ax.set_xlim(0, body / step)
    ax.set_ylim(lines * line, 0)
    ax.axis("off")
    reference, query = (row[first:last] for row in alignment.rows())
    ops = alignment.ops[first:last]
    marks = "".join("|" if op == MATCH else "." if op < INSERTION else " " for op in ops)
    column = np.arange(size)
    x, y = column % width + 0.5, column // width * line
    _cells(ax, x, y, alignment.posteriors[first:last])
    for row, text in enumerate((reference, marks, query)):
        _draw_letters(ax, text, x, y + 0.09 + 0.135 * row, "0.25" if row == 1 else "#111111")
    _edges_of_lines(ax, alignment, (first, last), width, line)
    top = lines * line + 0.04
    _confidence_bar(figure, (left, top + 0.12, min(1.9, body), 0.09))
    gaps = alignment.count(INSERTION, DELETION)
    title = (
        f"identity {alignment.identity:.1%}, {gaps} gap column{'s' * (gaps != 1)}, mean posterior "
        f"{alignment.mean_posterior:.2f}, {alignment.bits:.0f} bits"
    )
    x_title, y_title = (left + 2.2, top + 0.165) if body > 6.2 else (left, top + 0.52)
    figure.text(x_title / total_x, y_title / total_y, title, fontsize=8, color=INK, va="center")
    return figure


def _columns(alignment: PosteriorAlignment, region: Region | None) -> tuple[int, int]:
    """Return the first column of a region and the one after its last."""
    size = len(alignment.ops)
    if region is None:
        first, last = 0, size
    else:
        check_region(alignment, region)
        at = alignment.column_reference
        inside = np.flatnonzero((at >= region[0]) & (at < region[1]))
        first, last = (int(inside[0]), int(inside[-1]) + 1) if len(inside) else (0, 0)
    if first == last:
        where = "" if region is None else f" within {region[0] + 1}-{region[1]}"
        raise InputError(f"nothing is aligned{where}", record=alignment.query_name)
    if last - first > LONGEST_LETTERS:
        raise SettingError(
            f"{last - first:,} columns are too many to draw in letters (the limit is {LONGEST_LETTERS:,})",
            hint="choose a region of the reference, or draw a dot-plot",
        )
    return first, last


def _cells(ax: Axes, x: npt.NDArray[Any], y: npt.NDArray[Any], posteriors: npt.NDArray[np.float32]) -> None:
    from matplotlib.collections import PolyCollection

    corners = np.array([(-0.5, 0.0), (0.5, 0.0), (0.5, 0.45), (-0.5, 0.45)])
    boxes = np.stack([x, y], axis=1)[:, None, :] + corners
    # Edges have the face's colour, or SVG and PDF viewers would show gaps between the boxes.
    faces = colour_map(_CELLS)(posteriors)
    ax.add_collection(PolyCollection(list(boxes), facecolors=faces, edgecolors=faces, linewidths=0.3))


def _draw_letters(ax: Axes, text: str, x: npt.NDArray[Any], y: npt.NDArray[Any], colour: str) -> None:
    """Draw single letters as outlines: fast, and independent of the fonts a viewer has."""
    from matplotlib.collections import PathCollection
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath
    from matplotlib.transforms import IdentityTransform

    mono = FontProperties(family="DejaVu Sans Mono")
    letters = np.array(list(text))
    for letter in sorted(set(text) - {" "}):
        there = letters == letter
        # Offsets by half the advance and half the height of an 8-point letter centre it.
        outline = TextPath((-2.41, -2.9), letter, size=8.0, prop=mono)
        drawn = PathCollection(
            [outline],
            sizes=[1.0],
            offsets=np.stack([x[there], y[there]], axis=1),
            offset_transform=ax.transData,
            facecolors=colour,
            linewidths=0,
        )
        # Outlines are in points; only their positions are in data coordinates.
        drawn.set_transform(IdentityTransform())
        # With snapping to pixels, strokes of the same letter would differ in weight.
        drawn.set_snap(False)
        ax.add_collection(drawn)


def _edges_of_lines(ax: Axes, alignment: PosteriorAlignment, columns: tuple[int, int], width: int, line: float) -> None:
    """Write the names and the first and last position of every line, 1-based."""
    first, last = columns
    n = alignment.n_query
    digits = _digits(alignment)
    for k, a in enumerate(range(first, last, width)):
        b = min(a + width, last)
        sides = (
            (alignment.reference_name, alignment.column_reference[a:b], False, 0.09),
            (alignment.query_name, alignment.column_query[a:b], alignment.strand == "-", 0.36),
        )
        for name, at, turned, down in sides:
            there = at[at >= 0]
            ends = ["", ""]
            if len(there):
                ends = [f"{(n - p if turned else p + 1):,}" for p in (there[0], there[-1])]
            y = k * line + down
            style: dict[str, Any] = {"fontsize": 7.5, "va": "center", "color": INK}
            for text, shift in ((ends[0], -4), (shortened(name), -10 - digits)):
                ax.annotate(text, (0, y), xytext=(shift, 0), textcoords="offset points", ha="right", **style)
            ax.annotate(ends[1], (b - a, y), xytext=(4, 0), textcoords="offset points", **style)


def _digits(alignment: PosteriorAlignment) -> float:
    """Return the width of the longest position in points."""
    return 4.8 * len(f"{max(alignment.n_query, alignment.n_reference):,}")


def _margin(alignment: PosteriorAlignment) -> float:
    """Return the width of names and positions on the left in inches."""
    names = (shortened(alignment.reference_name), shortened(alignment.query_name))
    return (14 + _digits(alignment) + 5.0 * max(map(len, names))) / 72


def _confidence_bar(figure: Figure, box: tuple[float, float, float, float]) -> None:
    """Draw the colour key; ``box`` gives its left, bottom, width and height in inches."""
    across, up = figure.get_size_inches()
    left, below, width, height = box
    ax = figure.add_axes((left / across, below / up, width / across, height / up))
    ax.imshow(np.linspace(0, 1, 200)[None, :], extent=(0, 1, 0, 1), aspect="auto", cmap=colour_map(_CELLS))
    ax.set_yticks([])
    ax.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    ax.tick_params(length=2, labelsize=7, pad=1, top=True, bottom=False, labeltop=True, labelbottom=False)
    ax.annotate(
        "posterior",
        (0, 0.5),
        xytext=(-5, 0),
        textcoords="offset points",
        ha="right",
        va="center",
        fontsize=7.5,
        color=INK,
    )
    for spine in ax.spines.values():
        spine.set_visible(False)


def check_region(alignment: PosteriorAlignment, region: Region) -> None:
    """Refuse a region that does not lie within the reference."""
    start, end = region
    if not 0 <= start < end <= alignment.n_reference:
        raise SettingError(
            f"the region {start + 1}-{end} does not lie within the {alignment.n_reference} bp of "
            f"{alignment.reference_name}"
        )
