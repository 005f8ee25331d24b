"""Figure: how far the segments of several programs agree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from genolstm.introgression.agreement import ALL, Row
from genolstm.report.plots import FOUND, POSTERIOR, TRUE
from genolstm.report.style import INK, colour_map, pyplot, shortened, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_RANDOM = "#999999"
_LETTERS = {"haplotype": "h", "sample": "s", "population": "p"}


def plot_agreement(rows: Sequence[Row]) -> Figure:
    """Draw the result of :func:`~genolstm.introgression.agreement.compare_all`.

    A matrix shows the share of each set's base pairs that another one has; beside it, if there is a truth, precision,
    recall and F1 with their intervals, and if there are maps, the share of base pairs in each beside random shifts.

    Returns
    -------
    matplotlib.figure.Figure
    """
    whole = [row for row in rows if row.sample == ALL]
    truth = [row for row in whole if row.kind == "truth"]
    maps = [row for row in whole if row.kind == "map"]
    both = [row for row in whole if row.kind != "map"]
    names = list(dict.fromkeys(name for row in both for name in (row.a, row.b)))
    widths = [max(3.2, 0.8 * len(names) + 1.6), *([3.4] * bool(truth)), *([3.6] * bool(maps))]
    height = max(2.6, 0.62 * len(names) + 1.5, 0.3 * len(maps) + 1.4)
    figure, axes = pyplot().subplots(
        1, len(widths), figsize=(sum(widths), height), width_ratios=widths, layout="constrained", squeeze=False
    )
    left, *others = axes[0]
    _matrix(left, both, names)
    if truth:
        _accuracy(others.pop(0), truth)
    if maps:
        _maps(others.pop(0), maps)
    drawn: Figure = figure
    return drawn


def _matrix(ax: Axes, rows: Sequence[Row], names: Sequence[str]) -> None:
    table = np.full((len(names), len(names)), np.nan)
    marks: dict[tuple[int, int], str] = {}
    for row in rows:
        i, j = names.index(row.a), names.index(row.b)
        for at, share in (((i, j), row.precision), ((j, i), row.recall)):
            table[at] = np.nan if share is None else share
            marks[at] = f"{'NA' if share is None else f'{100 * share:.0f} %'}\n({_LETTERS[row.level]})"
    ax.imshow(table, vmin=0, vmax=1, cmap=colour_map(["#FFFFFF", POSTERIOR, "#004A7C"]), aspect="auto")
    for (i, j), text in marks.items():
        dark = table[i, j] > 0.55
        ax.text(j, i, text, ha="center", va="center", fontsize=8, color="white" if dark else INK)
    labels = [shortened(name, 16) for name in names]
    ax.set_xticks(range(len(names)), labels, rotation=30, ha="right", rotation_mode="anchor")
    ax.set_yticks(range(len(names)), labels)
    ax.tick_params(length=0)
    ax.set_title("share of the row's base pairs\nthat the column has", fontsize="medium", loc="left")
    levels = [f"{letter}: {level}" for level, letter in _LETTERS.items() if any(row.level == level for row in rows)]
    ax.set_xlabel("by " + ", ".join(levels), fontsize=8)


def _accuracy(ax: Axes, rows: Sequence[Row]) -> None:
    styles: list[tuple[str, str, Any]] = [("precision", FOUND, "o"), ("recall", TRUE, "s"), ("f1", INK, "D")]
    for k, (name, colour, marker) in enumerate(styles):
        for i, row in enumerate(rows):
            value, low, high = (getattr(row, f"{name}{end}") for end in ("", "_low", "_high"))
            if value is None:
                continue
            y = i + 0.22 * (k - 1)
            if low is not None and high is not None:
                ax.plot([low, high], [y, y], color=colour, linewidth=1.4, solid_capstyle="butt")
            ax.plot([value], [y], marker, color=colour, markersize=5)
        ax.plot([], [], marker, color=colour, markersize=5, label="F1" if name == "f1" else name)
    _names(ax, [row.a for row in rows])
    ax.set_xlim(-0.02, 1.02)
    ax.set_title(f"against {shortened(rows[0].b, 16)}\n(95 % intervals over 1 Mb loci)", fontsize="medium", loc="left")
    _legend(ax, 3)


def _maps(ax: Axes, rows: Sequence[Row]) -> None:
    for i, row in enumerate(rows):
        if row.expected_low is not None and row.expected_high is not None:
            ax.plot([row.expected_low, row.expected_high], [i, i], color=_RANDOM, linewidth=5, solid_capstyle="butt")
        if row.precision is not None:
            ax.plot([row.precision], [i], "o", color=FOUND, markersize=5, clip_on=False, zorder=3)
            fold = "" if row.fold is None else f"{row.fold:.1f}x"
            ax.annotate(fold, (row.precision, i), (5, 4), textcoords="offset points", fontsize=8, color=INK)
    ax.plot([], [], "o", color=FOUND, markersize=5, label="as it is")
    ax.plot([], [], color=_RANDOM, linewidth=5, label="shifted (95 %)")
    _names(ax, [f"{row.a} in {row.b}" for row in rows])
    ax.set_xlim(left=0)
    ax.margins(x=0.15)
    ax.set_title("share of base pairs\nin published maps", fontsize="medium", loc="left")
    _legend(ax, 2)


def _names(ax: Axes, names: Sequence[str]) -> None:
    ax.set_yticks(range(len(names)), [shortened(name, 34) for name in names])
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    tidy(ax)
    ax.spines["left"].set_visible(False)


def _legend(ax: Axes, columns: int) -> None:
    ax.legend(
        loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=columns, frameon=False, fontsize=8, handlelength=1.2
    )
