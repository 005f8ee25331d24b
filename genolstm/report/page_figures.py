"""The figures of a page, drawn by Bokeh; those along a sequence are filled by the page's own script."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from genolstm.errors import MissingExtraError, shown
from genolstm.introgression.exports import SOURCE_COLOURS, source_colours
from genolstm.report.page_contents import ALL, Contents, histogram
from genolstm.report.plots import FOUND, POSTERIOR

if TYPE_CHECKING:
    from bokeh.plotting import figure as Figure

#: Of what is neither a source nor one population, such as all haplotypes.
OTHER = "#888888"
_GAP = SOURCE_COLOURS[3].hex
#: Populations that get a line of their own along a sequence; the others are chosen one at a time.
MOST_LINES = 6
#: Columns of the figure of the whole genome.
_COLUMNS = 900
#: Percentile of its shares that gets full colour.
_FULL = 99
#: Steps of its colour.
_SHADES = 64


def bokeh() -> Any:
    """Return Bokeh.

    Raises
    ------
    MissingExtraError
        It is not installed.
    """
    try:
        import bokeh.plotting  # with all that is used here
        import jinja2  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("Bokeh", "report") from error
    return bokeh


def plain(text: str, longest: int = 28) -> str:
    """Return text as Bokeh draws it as it is: no formula between dollar signs or brackets, nothing unprintable."""
    safe = shown(text)
    safe = safe if len(safe) <= longest else f"{safe[: longest - 1]}…"
    # A space without width between the two signs that begin a formula.
    for sign in ("$$", r"\(", r"\["):
        safe = safe.replace(sign, f"{sign[0]}\u200b{sign[1]}")
    return safe


def figures(contents: Contents) -> dict[str, Figure]:
    """Return the figures by their names."""
    from bokeh.models import Range1d

    along = Range1d(0, 1, name="along")
    found = {
        "overview": _overview(contents),
        "frequency": _frequency(contents, along),
        "gaps": _gaps(along),
        "rows": _rows(contents, along),
        "lengths": _lengths(contents),
        "samples": _samples(contents),
        "histogram": _histogram(contents),
    }
    if contents.found.reliability:
        found["reliability"] = _reliability(contents)
    return found


def _figure(name: str, height: int, **told: Any) -> Figure:
    from bokeh.plotting import figure

    fig = figure(
        name=name,
        height=height,
        sizing_mode="stretch_width",
        toolbar_location=None,
        background_fill_color=None,
        border_fill_color=None,
        outline_line_color=None,
        tools="",
        **told,
    )
    fig.min_border_right = 12
    fig.axis.minor_tick_line_color = None
    fig.xgrid.grid_line_color = None
    return fig


def _hover(fig: Figure, renderers: list[Any], tooltips: list[tuple[str, str]], **told: Any) -> None:
    from bokeh.models import HoverTool

    fig.add_tools(HoverTool(renderers=renderers, tooltips=tooltips, **told))


def _along(name: str, height: int, along: Any, **told: Any) -> Figure:
    """Return a figure along the chosen sequence, all of which move together."""
    from bokeh.models import BoxZoomTool

    fig = _figure(name, height, x_range=along, **told)
    fig.min_border_left = 130
    zoom = BoxZoomTool(dimensions="width")
    fig.add_tools(zoom)
    fig.toolbar.active_drag = zoom
    return fig


class Overview(NamedTuple):
    """Shares of each group's haplotypes along all sequences, one after another.

    Attributes
    ----------
    shares
        Shape (groups, columns); NaN between sequences.
    spans
        First column of each sequence, and the one behind its last.
    bp
        Length of a column.
    high
        The share that gets full colour: few are above it, such as those of a population of two haplotypes.
    """

    shares: np.ndarray
    spans: dict[str, tuple[int, int]]
    bp: int
    high: float


def overview(contents: Contents) -> Overview:
    """Return the shares of the figure of all sequences."""
    groups = len(contents.groups)
    by = max(-(-sum(values.shape[1] for values in contents.frequencies.values()) // _COLUMNS), 1)
    gap = max(_COLUMNS // 300, 1)
    parts = [np.zeros((groups, 0))]
    spans: dict[str, tuple[int, int]] = {}
    at = 0
    for chrom, values in contents.frequencies.items():
        if spans:
            parts.append(np.full((groups, gap), np.nan))
            at += gap
        starts = np.arange(0, values.shape[1], by)
        parts.append(np.add.reduceat(values, starts, axis=1) / np.diff(np.append(starts, values.shape[1])))
        spans[chrom] = (at, at + len(starts))
        at += len(starts)
    shares = np.concatenate(parts, axis=1)
    some = shares[shares > 0]
    return Overview(shares, spans, by * contents.window, float(np.percentile(some, _FULL)) if some.size else 1.0)


def _overview(contents: Contents) -> Figure:
    """Draw the share of each group's haplotypes with a segment along all sequences."""
    from bokeh.models import ColumnDataSource, FixedTicker, LinearColorMapper

    names = [plain(group.name, 20) for group in contents.groups][::-1]
    told = overview(contents)
    image = told.shares if told.spans else np.zeros((len(names), 1))
    columns = image.shape[1]
    rows = len(names)
    fig = _figure("overview", 70 + 24 * rows, x_range=(0, columns), y_range=(0, rows))
    fig.min_border_left = 130
    mapper = LinearColorMapper(palette=shades(FOUND), low=0, high=told.high, nan_color="rgba(0,0,0,0)", name="shades")
    source = ColumnDataSource({"image": [image[::-1].astype(np.float32)]})
    fig.image(image="image", x=0, y=0, dw=columns, dh=rows, color_mapper=mapper, source=source)
    fig.quad(
        left=[a for a, _ in told.spans.values()],
        right=[b for _, b in told.spans.values()],
        bottom=0,
        top=rows,
        fill_color=None,
        line_color="#888888",
        line_width=0.6,
    )
    fig.yaxis.ticker = FixedTicker(ticks=[i + 0.5 for i in range(rows)])
    fig.yaxis.major_label_overrides = {i + 0.5: name for i, name in enumerate(names)}
    fig.yaxis.major_tick_line_color = None
    # A name needs some columns; of short sequences only every so many get one.
    labels, free = {}, 0.0
    for chrom, (first, end) in told.spans.items():
        label = plain(chrom.removeprefix("chr") if len(told.spans) > 8 else chrom, 12)
        middle, half = (first + end) / 2, columns * 0.007 * (len(label) + 1)
        if middle - half >= free:
            labels[middle] = label
            free = middle + half
    fig.xaxis.ticker = FixedTicker(ticks=list(labels))
    fig.xaxis.major_label_overrides = labels
    fig.ygrid.grid_line_color = None
    return fig


def shades(colour: str) -> list[str]:
    """Return a colour from transparent to full."""
    return [f"{colour}{round(255 * (i / (_SHADES - 1)) ** 0.7):02x}" for i in range(_SHADES)]


def line_colour(group: int) -> str:
    """Return the colour of a group's line."""
    return OTHER if group == 0 else SOURCE_COLOURS[(group - 1) % len(SOURCE_COLOURS)].hex


def _frequency(contents: Contents, along: Any) -> Figure:
    from bokeh.models import ColumnDataSource, NumeralTickFormatter, Range1d

    fig = _along("frequency", 230, along, y_range=Range1d(0, 1, name="frequencies"))
    fig.yaxis.axis_label = "share of haplotypes"
    fig.yaxis.formatter = NumeralTickFormatter(format="0.[0] %")
    # That of all lies above the others.
    drawn = len(contents.groups[: MOST_LINES + 1])
    for i in [*range(1, drawn), 0]:
        fig.line(
            "x",
            "y",
            source=ColumnDataSource({"x": [], "y": []}, name=f"frequency {i}"),
            line_color=line_colour(i),
            line_width=1.8,
            name=f"line {i}",
        )
    if len(contents.groups) > MOST_LINES + 1:
        chosen = ColumnDataSource({"x": [], "y": []}, name="frequency chosen")
        fig.line("x", "y", source=chosen, line_color=OTHER, line_width=2.5, name="line chosen")
    return fig


def _gaps(along: Any) -> Figure:
    from bokeh.models import ColumnDataSource

    fig = _along("gaps", 70, along, y_range=(0, 1))
    source = ColumnDataSource({"left": [], "right": []}, name="gaps source")
    bars = fig.quad(left="left", right="right", bottom=0.2, top=0.8, source=source, fill_color=_GAP, line_color=None)
    fig.yaxis.visible = False
    fig.ygrid.grid_line_color = None
    _hover(fig, [bars], [("no segment", "@left{0.000} to @right{0.000} Mb")])
    return fig


def _rows(contents: Contents, along: Any) -> Figure:
    from bokeh.models import ColumnDataSource, FixedTicker, Range1d

    fig = _along("rows", 400, along, y_range=Range1d(1, 0, name="down"))
    fig.xaxis.axis_label = "position (Mb)"
    if contents.found.windows is not None:
        source = ColumnDataSource({"xs": [], "ys": []}, name="posteriors")
        fig.patches("xs", "ys", source=source, fill_color=POSTERIOR, line_color=None)
    columns = ("left", "right", "top", "bottom", "colour", "who", "where", "what", "source", "posterior", "sites")
    source = ColumnDataSource({name: [] for name in columns}, name="segments")
    bars = fig.quad(
        left="left", right="right", top="top", bottom="bottom", source=source, fill_color="colour", line_color=None
    )
    if contents.found.truth is not None:
        source = ColumnDataSource({name: [] for name in ("left", "right", "top", "bottom")}, name="truth")
        fig.quad(
            left="left",
            right="right",
            top="top",
            bottom="bottom",
            source=source,
            fill_color=None,
            line_color="#000000",
            line_width=1.4,
            name="true tracts",
        )
    fig.yaxis.ticker = FixedTicker(ticks=[])
    fig.yaxis.major_tick_line_color = None
    fig.yaxis.axis_line_color = None
    fig.ygrid.grid_line_color = None
    _hover(
        fig,
        [bars],
        [
            ("haplotype", "@who"),
            ("segment", "@what"),
            ("position", "@where"),
            ("source", "@source"),
            ("posterior", "@posterior"),
            ("sites", "@sites"),
        ],
    )
    return fig


def _lengths(contents: Contents) -> Figure:
    from bokeh.models import BasicTicker, ColumnDataSource, FixedTicker, NumeralTickFormatter, Range1d

    edges = contents.lengths.edges / 1000
    fig = _figure(
        "lengths",
        260,
        x_axis_type="log",
        x_range=(float(edges[0]), float(edges[-1])),
        y_range=Range1d(0, 1, name="number of lengths"),
    )
    ticks = [step * 10.0**power for power in range(-3, 7) for step in (1, 2, 5)]
    fig.xaxis.ticker = FixedTicker(ticks=[tick for tick in ticks if edges[0] <= tick <= edges[-1]])
    fig.xaxis.formatter = NumeralTickFormatter(format="0,0.[000]")
    fig.xaxis.axis_label = "length (kb)"
    fig.yaxis.axis_label = "segments"
    fig.yaxis.ticker = BasicTicker(min_interval=1)
    # Filled as the ground, dark or light, asks for.
    for i, name in enumerate(contents.sources):
        source = ColumnDataSource({"left": [], "right": [], "top": [], "bottom": []}, name=f"lengths {i}")
        bars = fig.quad(
            left="left",
            right="right",
            top="top",
            bottom="bottom",
            source=source,
            fill_color=source_colours(contents.sources)[name].hex,
            line_color=None,
            name=f"bars of lengths {i}",
        )
        _hover(fig, [bars], [("length", "@left{0.0} to @right{0.0} kb"), ("up to", "@top{0,0} segments")])
    return fig


def _samples(contents: Contents) -> Figure:
    """Draw one point per sample, in the row of its first population."""
    from bokeh.models import ColumnDataSource, FixedTicker

    has_share = any(row.share is not None for row in contents.samples)
    homes: dict[str, int] = {}
    rows = []
    listed = {group.name for group in contents.groups[1:]}
    for sample in contents.samples:
        home = sample.populations.split(", ")[0] if sample.populations else "no population"
        home = home if home in listed else "no population" if listed else ALL
        rows.append((home, sample))
    order = [group.name for group in contents.groups if group.name in {home for home, _ in rows}]
    order += ["no population"] if any(home == "no population" for home, _ in rows) else []
    homes = {home: i for i, home in enumerate(order)}
    turns = dict.fromkeys(order, 0)
    points: dict[str, list[Any]] = {"x": [], "y": [], "sample": [], "mb": [], "home": []}
    for home, sample in rows:
        turns[home] += 1
        # Spread without chance, so that points side by side do not hide one another.
        spread = (turns[home] * 0.618034) % 1 - 0.5
        points["x"].append(
            round(sample.share * 100, 5) if has_share and sample.share is not None else round(sample.bp / 1e6, 5)
        )
        points["y"].append(round(homes[home] + 0.5 + 0.62 * spread, 4))
        points["sample"].append(plain(sample.sample))
        points["mb"].append(round(sample.bp / 1e6, 4))
        points["home"].append(plain(home))
    rows_shown = max(len(order), 1)
    fig = _figure("samples", 90 + 34 * rows_shown, y_range=(rows_shown, 0))
    fig.min_border_left = 130
    fig.xaxis.axis_label = f"% {contents.what_share}" if has_share else "Mb in segments"
    dots = fig.scatter(
        "x",
        "y",
        source=ColumnDataSource(points),
        size=7,
        name="dots",
        fill_color=FOUND,
        fill_alpha=0.55,
        line_color=None,
    )
    fig.yaxis.ticker = FixedTicker(ticks=[i + 0.5 for i in range(len(order))])
    fig.yaxis.major_label_overrides = {i + 0.5: plain(name, 20) for i, name in enumerate(order)}
    fig.yaxis.major_tick_line_color = None
    fig.ygrid.grid_line_color = None
    _hover(fig, [dots], [("sample", "@sample"), ("population", "@home"), ("in segments", "@mb{0.00} Mb")])
    return fig


def _histogram(contents: Contents) -> Figure:
    from bokeh.models import ColumnDataSource, Span

    counts, what = histogram(contents.found)
    edges = np.arange(len(counts) + 1) / len(counts)
    there = counts > 0
    top = float(counts.max(initial=1))
    fig = _figure("histogram", 240, x_range=(0, 1), y_axis_type="log", y_range=(0.5, top * 2))
    fig.xaxis.axis_label = "posterior"
    fig.yaxis.axis_label = f"{what} (logarithmic)"
    source = ColumnDataSource(
        {"left": edges[:-1][there], "right": edges[1:][there], "top": counts[there].astype(float)}
    )
    bars = fig.quad(
        left="left", right="right", top="top", bottom=0.5, source=source, fill_color=POSTERIOR, line_color=None
    )
    _hover(fig, [bars], [("posterior", "@left{0.00} to @right{0.00}"), (what, "@top{0,0}")])
    threshold = expected(contents.found.manifest).get("threshold")
    if threshold is not None:
        fig.add_layout(
            Span(location=threshold, dimension="height", line_color="#888888", line_dash="dashed", line_width=2)
        )
    return fig


def expected(manifest: dict[str, Any] | None) -> dict[str, float]:
    """Return what a manifest expects of its threshold, as far as these are numbers."""
    told = (manifest or {}).get("expected")
    if not isinstance(told, dict):
        return {}
    return {
        name: float(value)
        for name, value in told.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
    }


def _reliability(contents: Contents) -> Figure:
    from bokeh.models import ColumnDataSource

    rows = contents.found.reliability or []
    fig = _figure("reliability", 240, x_range=(0, 1), y_range=(0, 1))
    fig.xaxis.axis_label = "mean posterior of a class"
    fig.yaxis.axis_label = "truly archaic"
    fig.line([0, 1], [0, 1], line_color="#888888", line_dash="dashed")
    source = ColumnDataSource({"x": [r[0] for r in rows], "y": [r[1] for r in rows], "mb": [r[2] / 1e6 for r in rows]})
    fig.line("x", "y", source=source, line_color=FOUND, line_width=2)
    dots = fig.scatter("x", "y", source=source, size=8, fill_color=FOUND, line_color=None)
    _hover(fig, [dots], [("posterior", "@x{0.000}"), ("truly archaic", "@y{0.000}"), ("of", "@mb{0.00} Mb")])
    return fig
