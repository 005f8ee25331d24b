"""The figure of a comparison of generators: every judge, beside real held-out sequence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from genolstm.files import Outputs, PathLike
from genolstm.report.style import INK, pyplot, saved_figure, tidy
from genolstm.text.settings import SPECTRUM_KS

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, which colour-blind readers can distinguish.
_COLOURS = {"real": INK, "lstm": "#0072B2", "markov": "#009E73", "gan": "#D55E00", "independent": "#999999"}
_MARKERS = {"real": "o", "lstm": "s", "markov": "^", "gan": "D", "independent": "v"}
_NAMES = {
    "real": "real, held out",
    "lstm": "LSTM",
    "markov": "Markov",
    "gan": "GAN",
    "independent": "independent bases",
}


def plot_generators(runs: pd.DataFrame) -> Figure:
    """Draw what each judge says of each generator.

    Parameters
    ----------
    runs
        Rows of ``text generators --runs``: each dot is a seed, each short line the mean.
    """
    plt = pyplot()
    names = [name for name in _COLOURS if name in set(runs["generator"])]
    figure, axes = plt.subplots(
        1, 4, figsize=(12.5, 0.36 * len(names) + 1.5), layout="constrained", width_ratios=[1.25, 1, 1, 1]
    )
    _spectra(axes[0], runs, names)
    panels = [("auc", "area under the curve of a CNN,\nreal against generated"), ("copied", "share of copied 31-mers")]
    panels.append(("bits", "bits per base under\ncounts and copies"))
    for ax, (column, label) in zip(axes[1:], panels, strict=True):
        for row, name in enumerate(names):
            own = runs[runs["generator"] == name]
            _dots(ax, row, own, column, name)
        ax.set_xlabel(label)
        ax.grid(axis="x", color="0.9", linewidth=0.6)
        ax.set_axisbelow(True)
        ax.tick_params(axis="y", length=0)
        ax.locator_params(axis="x", nbins=4)
        tidy(ax)
        ax.spines["left"].set_visible(False)
        ax.set_ylim(len(names) - 0.4, -0.6)
        ax.set_yticks(range(len(names)), [_NAMES[name] for name in names] if ax is axes[1] else [""] * len(names))
        if column != "auc":
            mean = runs.loc[runs["generator"] == "real", column].mean()
            ax.axvline(mean, color="0.6", linewidth=0.8, linestyle=(0, (4, 3)), zorder=0)
    axes[1].axvline(0.5, color="0.6", linewidth=0.8, linestyle=(0, (4, 3)), zorder=0)
    axes[1].set_xlim(min(0.45, float(runs["auc_low"].min()) - 0.02), min(1.01, float(runs["auc_high"].max()) + 0.03))
    return figure


def _spectra(ax: Axes, runs: pd.DataFrame, names: list[str]) -> None:
    """Draw divergence against k: lines are means, bands the range over seeds."""
    columns = [f"jsd_{k}" for k in SPECTRUM_KS]
    for name in names:
        values = runs.loc[runs["generator"] == name, columns].to_numpy(float)
        ax.fill_between(
            SPECTRUM_KS, values.min(axis=0), values.max(axis=0), color=_COLOURS[name], alpha=0.2, linewidth=0
        )
        ax.plot(
            SPECTRUM_KS,
            values.mean(axis=0),
            color=_COLOURS[name],
            marker=_MARKERS[name],
            markersize=4.5,
            linewidth=1.3,
            label=_NAMES[name],
        )
    if (runs[columns].to_numpy(float) > 0).all():
        ax.set_yscale("log")
    ax.set_xticks(SPECTRUM_KS)
    ax.set_xlabel("k")
    ax.set_ylabel("divergence of k-mers\nfrom training (bits)")
    tidy(ax)


def _dots(ax: Axes, row: int, own: pd.DataFrame, column: str, name: str) -> None:
    values = own[column].to_numpy(float)
    # Side by side, so that intervals do not hide one another.
    places: Any = row + (np.linspace(-0.22, 0.22, len(values)) if len(values) > 1 else np.zeros(1))
    if column == "auc":
        ax.hlines(places, own["auc_low"], own["auc_high"], color=_COLOURS[name], linewidth=1, alpha=0.6)
    ax.plot(values, places, linestyle="", marker=_MARKERS[name], color=_COLOURS[name], markersize=4.5, clip_on=False)
    ax.plot([values.mean()] * 2, [row - 0.33, row + 0.33], color=INK, linewidth=1.2)


def save_generators(runs: pd.DataFrame, output: PathLike, *, force: bool = False, into: Outputs | None = None) -> None:
    """Draw a comparison of generators to a file; see ``saved_figure`` for ``into``."""
    with saved_figure(output, force=force, into=into):
        plot_generators(runs)
