"""Figures of a comparison: scores and costs, accuracy by distance, how gradients decay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from genolstm.comparison.scores import SCORES, summarise
from genolstm.errors import InputError
from genolstm.files import Outputs, PathLike
from genolstm.report.style import INK, pyplot, saved_figure, tidy

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, which colour-blind readers can distinguish.
COLOURS = {"mlp": "#999999", "cnn": "#E69F00", "rnn": "#D55E00", "gru": "#56B4E9", "lstm": "#0072B2"}
_MARKERS = {"mlp": "D", "cnn": "s", "rnn": "v", "gru": "^", "lstm": "o"}
# Nothing is drawn below this: so small a gradient counts as none.
_FLOOR = 1e-30
_NAMES = {
    "ap": "average precision",
    "accuracy": "accuracy",
    "r2": "R²",
    "pearson": "Pearson's r",
    "loss": "loss",
    "first_half_accuracy": "accuracy on the first half",
}


def plot_scores(runs: pd.DataFrame, *, score: str | None = None) -> Figure:
    """Draw score, training time and inference speed of each architecture.

    Parameters
    ----------
    runs
        Runs of a :class:`~genolstm.comparison.run.Comparison`; each dot is a run, each line the mean.
    score
        Column to draw; by default accuracy, or R² for numeric labels.
    """
    plt = pyplot()
    score = score or ("accuracy" if "accuracy" in runs else "r2")
    if score not in SCORES or score not in runs:
        raise InputError(f"the runs have no score {score}")
    panels = [
        (score, _NAMES[score], False),
        ("training_seconds", "training (s)", True),
        ("sequences_per_second", "inference (sequences/s)", True),
    ]
    figure, axes = plt.subplots(
        1,
        3,
        figsize=(9.0, 0.42 * runs["architecture"].nunique() + 1.1),
        sharey=True,
        layout="constrained",
        width_ratios=[1.5, 1, 1],
    )
    names = [name for name in COLOURS if name in set(runs["architecture"])]
    for ax, (column, label, log) in zip(axes, panels, strict=True):
        for row, name in enumerate(names):
            values = runs.loc[runs["architecture"] == name, column].to_numpy(float)
            ax.plot(
                values,
                np.full(len(values), row),
                linestyle="",
                marker=_MARKERS[name],
                color=COLOURS[name],
                markersize=6,
                alpha=0.8,
                clip_on=False,
            )
            mean = values.mean()
            ax.plot([mean, mean], [row - 0.3, row + 0.3], color=INK, linewidth=1.2)
        if log:
            _log_axis(ax, runs[column].to_numpy(float))
        else:
            ax.locator_params(axis="x", nbins=7)
        ax.set_xlabel(label)
        ax.grid(axis="x", color="0.9", linewidth=0.6)
        ax.set_axisbelow(True)
        ax.tick_params(axis="y", length=0)
        tidy(ax)
        ax.spines["left"].set_visible(False)
    if score in ("accuracy", "ap", "first_half_accuracy"):
        axes[0].set_xlim(min(0.4, float(runs[score].min()) - 0.05), 1.02)
    axes[0].set_yticks(range(len(names)), [name.upper() for name in names])
    axes[0].set_ylim(len(names) - 0.4, -0.6)
    return figure


def plot_by_distance(
    runs: pd.DataFrame, *, score: str = "accuracy", levels: dict[str, float] | None = None, ax: Axes | None = None
) -> Axes:
    """Draw a score of the task ``long-range`` against the distance.

    Parameters
    ----------
    runs
        Runs of a comparison on that task; lines are means, bands the range over seeds.
    score
        Column to draw.
    levels
        Values to mark with a line, by their labels.
    ax
        Where to draw; by default a new figure.
    """
    ax = ax or _axes()
    table = summarise(runs)
    table["distance"] = [_distance(test) for test in table["test"]]
    for name, colour in COLOURS.items():
        rows = table[table["architecture"] == name].sort_values("distance")
        if not len(rows):
            continue
        ax.fill_between(
            rows["distance"], rows[f"{score}_min"], rows[f"{score}_max"], color=colour, alpha=0.18, linewidth=0
        )
        ax.plot(
            rows["distance"],
            rows[score],
            color=colour,
            marker=_MARKERS[name],
            markersize=5,
            label=name.upper(),
            clip_on=False,
            zorder=3,
        )
    for label, value in (levels or {}).items():
        ax.axhline(value, color="0.6", linewidth=0.8, linestyle=(0, (4, 3)), zorder=0)
        ax.annotate(
            label, (0.01, value), xycoords=("axes fraction", "data"), fontsize=7.5, color="0.4", ha="left", va="bottom"
        )
    ax.set_xscale("log")
    distances = sorted(set(table["distance"]))
    ax.set_xticks(distances, [str(distance) for distance in distances])
    ax.minorticks_off()
    ax.set_ylim(0, 1.03)
    ax.set_xlabel("distance between the two sites (bp)")
    ax.set_ylabel(_NAMES[score])
    tidy(ax)
    # Above the axes, as any of their corners may hold lines.
    ax.legend(
        frameon=False,
        fontsize=8,
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
        ncols=5,
        handlelength=1.4,
        columnspacing=1.0,
    )
    return ax


def plot_decay(gradients: pd.DataFrame, *, stage: str = "initial", ax: Axes | None = None) -> Axes:
    """Draw how the gradient decays with the number of steps back.

    Parameters
    ----------
    gradients
        Gradients of a comparison; each thin line is a seed, the thick one their geometric mean.
    stage
        ``initial`` or ``trained``.
    ax
        Where to draw; by default a new figure.
    """
    ax = ax or _axes()
    table = gradients[gradients["stage"] == stage]
    for name, colour in COLOURS.items():
        rows = table[table["architecture"] == name]
        if not len(rows):
            continue
        wide = rows.pivot_table(index="lag", columns="seed", values="gradient")
        values = wide.to_numpy(float)
        # Means include values below the floor; where a gradient is 0 there is no mean.
        logs = np.log(values, out=np.full_like(values, np.nan), where=values > 0)
        ax.plot(wide.index, np.exp(logs), color=colour, linewidth=0.7, alpha=0.45)
        ax.plot(wide.index, np.exp(logs.mean(axis=1)), color=colour, linewidth=2, label=name.upper())
    ax.set_yscale("log")
    ax.set_ylim(max(_FLOOR, 0.3 * float(table["gradient"].min())), 5)
    ax.set_xlim(0, int(table["lag"].max()))
    ax.set_xlabel("steps back from the last one")
    ax.set_ylabel("gradient, relative to the last step's")
    ax.set_title({"initial": "before training", "trained": "after training"}[stage], fontsize=10)
    _legend(ax)
    return ax


def save_comparison(
    runs: pd.DataFrame, gradients: pd.DataFrame, output: PathLike, *, force: bool = False, into: Outputs | None = None
) -> None:
    """Draw a comparison to a file.

    For the task ``long-range``: accuracy against distance, and the gradient's decay; otherwise
    score, training time and inference speed. See ``saved_figure`` for ``into``.
    """
    with saved_figure(output, force=force, into=into) as plt:
        if not runs["test"].astype(str).str.startswith("distance=").all():
            plot_scores(runs)
            return
        n = 3 if len(gradients) else 1
        figure, axes = plt.subplots(1, n, figsize=(4.3 * n, 3.4), layout="constrained", squeeze=False)
        plot_by_distance(runs, ax=axes[0, 0], levels={"chance": 0.25, "second half only": 0.5})
        if n == 3:
            for ax, stage in zip(axes[0, 1:], ("initial", "trained"), strict=True):
                plot_decay(gradients, stage=stage, ax=ax)
            low = min(ax.get_ylim()[0] for ax in axes[0, 1:])
            for ax in axes[0, 1:]:
                ax.set_ylim(bottom=low)
        assert figure is plt.gcf()


def _log_axis(ax: Axes, values: np.ndarray) -> None:
    """Make an axis logarithmic, with the ticks 1, 2, 5, 10, ... as plain numbers."""
    low, high = values.min() / 1.5, values.max() * 1.5
    decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    fine, ticks = (
        [t for d in decades for step in steps if low <= (t := step * 10.0**d) <= high] for steps in ((1, 2, 5), (1,))
    )
    # Long labels need more room.
    if len(ticks) < 2 or high < (20 if high > 1000 else 150) * low:
        ticks = fine
    ax.set_xscale("log")
    ax.set_xticks(ticks, [_number(tick) for tick in ticks])
    ax.minorticks_off()
    ax.set_xlim(low, high)


def _number(value: float) -> str:
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def _axes() -> Axes:
    _, ax = pyplot().subplots(figsize=(5.2, 3.6), layout="constrained")
    return ax


def _distance(test: Any) -> int:
    name, _, number = str(test).partition("=")
    if name != "distance" or not number.isdigit():
        raise InputError(f"the test set {test} is not of the task long-range")
    return int(number)


def _legend(ax: Axes) -> None:
    tidy(ax)
    ax.legend(frameon=False, fontsize=8)
