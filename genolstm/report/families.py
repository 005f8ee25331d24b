"""The figure of what was gained by learning from families."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from genolstm.alignment.learning import GainRow
from genolstm.files import Outputs, PathLike
from genolstm.report.plots import FOUND, TRUE
from genolstm.report.style import drawn, pyplot, saved_figure, tidy

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_gain(rows: Sequence[GainRow], *, before: str = "before", after: str = "after") -> Figure:
    """Draw F1 by bin of identity before and after, and their paired difference, with 95 % intervals.

    Parameters
    ----------
    rows
        What :func:`genolstm.alignment.learning.gain` returns.
    before, after
        Names of the two models.
    """
    plt = pyplot()
    shown = [row for row in rows if row.bin is not None]
    shown += [row for row in rows if row.bin is None]
    names = ["all" if row.bin is None else f"{row.bin}" for row in shown]
    places = np.array([k + (0.5 if row.bin is None else 0.0) for k, row in enumerate(shown)])
    figure, (ax, below) = plt.subplots(
        2, 1, figsize=(5.2, 5.0), height_ratios=[2, 1.3], sharex=True, layout="constrained"
    )
    for label, colour, marker, shift, intervals in (
        (before, TRUE, "s", -0.12, [row.before for row in shown]),
        (after, FOUND, "o", 0.12, [row.after for row in shown]),
    ):
        means = np.array([one.mean for one in intervals])
        ax.vlines(
            places + shift, [one.low for one in intervals], [one.high for one in intervals], color=colour, linewidth=1.2
        )
        ax.plot(places + shift, means, linestyle="", marker=marker, markersize=5, color=colour, label=drawn(label))
    ax.set_ylabel("F1 of aligned residues")
    ax.legend(frameon=False, loc="lower right", fontsize=9)
    tidy(ax)
    below.axhline(0, color="0.6", linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
    gained = [row.difference for row in shown]
    below.vlines(places, [one.low for one in gained], [one.high for one in gained], color=FOUND, linewidth=1.2)
    below.plot(places, [one.mean for one in gained], linestyle="", marker="o", markersize=5, color=FOUND)
    below.set_ylabel("difference")
    labels = [f"{name}\n{row.families:,}" for name, row in zip(names, shown, strict=True)]
    below.set_xticks(places, labels, fontsize=8)
    below.set_xlabel("identity from, per cent; families")
    tidy(below)
    return figure


def save_gain(path: PathLike, rows: Sequence[GainRow], *, before: str, after: str, into: Outputs) -> None:
    """Write the figure together with other outputs."""
    with saved_figure(path, into=into):
        plot_gain(rows, before=before, after=after)
