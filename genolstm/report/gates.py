"""Heat maps of the gates along a sequence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from genolstm.files import Outputs, PathLike
from genolstm.lstm.gates import PARTS, Gates
from genolstm.report.style import INK, drawn, pyplot, saved_figure, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_TITLES = {
    "forget": "forget gate",
    "input": "input gate",
    "output": "output gate",
    "candidate": "candidate",
    "cell": "cell state",
}
#: The order in which a cell works: what it keeps, what it lets in, what it shows.
ORDER = ("forget", "input", "candidate", "cell", "output")
# More letters than this cannot be read.
_MOST_LETTERS = 110
_VISIBLE = {" ": "␣", "\n": "⏎", "\t": "⇥", "\r": "␍"}
TRUE = "#E69F00"
CURVE = "#0072B2"


def plot_gates(
    gates: Gates,
    *,
    parts: Sequence[str] = ORDER,
    curve: tuple[Any, Any, str] | None = None,
    spans: Sequence[tuple[float, float]] = (),
    span_label: str = "true segment",
    title: str | None = None,
) -> Figure:
    """Draw each gate as a heat map: one row per unit, one column per step.

    Parameters
    ----------
    gates
        What to draw; each row is labelled with the unit and the half-life of its memory.
    parts
        Which of ``forget``, ``input``, ``output``, ``candidate``, ``cell``, top to bottom.
    curve
        Positions, values from 0 to 1 and a label, drawn above, such as a posterior.
    spans
        Stretches to mark, in the sequence's positions.
    span_label
        Label of the marked stretches.
    title
        Title; by default the sequence, the layer and the direction.

    Returns
    -------
    matplotlib.figure.Figure
    """
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        raise ValueError(f"there is no part {unknown[0]!r}")
    plt = pyplot()
    n_units = len(gates.units)
    heights = [max(0.55, 0.145 * n_units)] * len(parts)
    if curve is not None:
        heights.insert(0, 0.9)
    figure, axes = plt.subplots(
        len(heights),
        1,
        figsize=(9.0, sum(heights) * 1.12 + 1.1),
        sharex=True,
        squeeze=False,
        height_ratios=heights,
        layout="constrained",
    )
    rows: list[Axes] = list(axes[:, 0])
    edges = np.append(gates.starts, gates.ends[-1]).astype(float)
    scale, unit_name = (1e3, "kb") if gates.step_length > 1 else (1.0, "")
    if curve is not None:
        _draw_curve(rows.pop(0), curve, spans, span_label, edges, scale)
    for ax, part in zip(rows, parts, strict=True):
        _draw_part(ax, gates, part, edges / scale)
        for edge in (edge for span in spans for edge in span):
            if edges[0] < edge < edges[-1]:
                ax.axvline(edge / scale, color=TRUE, linewidth=1.1)
    lives = gates.half_lives() * gates.step_length / scale
    unit = f" {unit_name}" if unit_name else ""
    rows[0].set_yticklabels([f"{u}  ({_short(life)}{unit})" for u, life in zip(gates.units, lives, strict=True)])
    _draw_sequence(rows, gates, unit_name)
    name = title or f"{gates.name}, layer {gates.layer}, {gates.direction}"
    figure.suptitle(drawn(f"{name}  (unit, half-life of its memory)"), fontsize=10, x=0.01, ha="left")
    return figure


def _draw_part(ax: Axes, gates: Gates, part: str, edges: np.ndarray) -> None:
    """Draw the heat map of a gate, with its scale beside it."""
    values, n_units = getattr(gates, part).T, len(gates.units)
    signed = part in ("candidate", "cell")
    # One unit with a very large state should not make all others pale.
    most = max(1.0, float(np.quantile(np.abs(values), 0.95))) if signed else 1.0
    mesh = ax.pcolormesh(
        edges,
        np.arange(n_units + 1),
        values,
        rasterized=True,
        cmap="RdBu_r" if signed else "Greys",
        vmin=-most if signed else 0.0,
        vmax=most,
    )
    ax.invert_yaxis()
    ax.set_yticks(np.arange(n_units) + 0.5, [str(unit) for unit in gates.units], fontsize=7)
    ax.tick_params(axis="y", length=0)
    ax.set_ylabel(_TITLES[part], rotation=0, ha="right", va="center", labelpad=8)
    for side in ax.spines.values():
        side.set_linewidth(0.5)
    bar = ax.figure.colorbar(mesh, ax=ax, pad=0.008, fraction=0.02, aspect=9)
    bar.set_ticks([-most, 0, most] if signed else [0, 1])
    bar.ax.tick_params(labelsize=6.5, length=2)
    bar.ax.yaxis.set_major_formatter(lambda value, _: f"{value:.3g}")
    bar.outline.set_linewidth(0.5)


def save_gates(
    gates: Gates,
    output: PathLike,
    *,
    curve: tuple[Any, Any, str] | None = None,
    spans: Sequence[tuple[float, float]] = (),
    force: bool = False,
    into: Outputs | None = None,
) -> None:
    """Draw the heat maps to a file; see :func:`plot_gates`, and ``saved_figure`` for ``into``."""
    with saved_figure(output, force=force, into=into):
        plot_gates(gates, curve=curve, spans=spans)


def _draw_curve(
    ax: Axes,
    curve: tuple[Any, Any, str],
    spans: Sequence[tuple[float, float]],
    span_label: str,
    edges: np.ndarray,
    scale: float,
) -> None:
    _, values, label = curve
    ax.stairs(np.asarray(values), edges / scale, color=CURVE, linewidth=1.2, baseline=None)
    shown = [
        (max(start, edges[0]) / scale, min(end, edges[-1]) / scale)
        for start, end in spans
        if start < edges[-1] and end > edges[0]
    ]
    ax.broken_barh([(start, end - start) for start, end in shown], (-0.24, 0.13), facecolors=TRUE, linewidth=0)
    if shown:
        ax.text(shown[0][0], -0.3, span_label, fontsize=7, color=INK, va="top", ha="left", clip_on=False)
    ax.set_ylim(-0.28, 1.05)
    ax.set_yticks([0, 0.5, 1])
    ax.tick_params(axis="y", labelsize=7)
    ax.tick_params(axis="x", length=0)
    ax.set_ylabel(label, rotation=0, ha="right", va="center", labelpad=8)
    tidy(ax)
    ax.spines["bottom"].set_visible(False)
    ax.spines["left"].set_bounds(0, 1)


def _draw_sequence(rows: Sequence[Axes], gates: Gates, unit_name: str) -> None:
    ax = rows[-1]
    if gates.symbols and len(gates) <= _MOST_LETTERS:
        middles = (gates.starts + gates.ends) / 2
        ax.set_xticks(
            middles,
            [drawn(_VISIBLE.get(symbol, symbol)) for symbol in gates.symbols],
            fontsize=9 if len(gates) <= 70 else 6.5,
            family="monospace",
        )
        for row in rows:
            row.tick_params(axis="x", length=0)
        return
    name = gates.name.rpartition("#")[2]
    ax.set_xlabel(drawn(f"position on {name}" + (f" ({unit_name})" if unit_name else "")))


def _short(value: float) -> str:
    if not np.isfinite(value):
        return "∞"
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"
