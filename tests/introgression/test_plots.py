"""Figures show what the tables hold."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

plt = pytest.importorskip("matplotlib.pyplot")

from genolstm.cli.plot import plot as command  # noqa: E402
from genolstm.errors import InputError, SettingError, shown  # noqa: E402
from genolstm.report.plots import FOUND, TRUE, plot_posterior, plot_segments  # noqa: E402
from genolstm.runs.plot import run as save_plot  # noqa: E402

COLUMNS = ["chrom", "start", "end", "sample", "haplotype"]
SEGMENTS = pd.DataFrame(
    [("chr1", 100_000, 300_000, "CEU10", "1"), ("chr1", 500_000, 600_000, "CEU2", "2")], columns=COLUMNS
)
TRUTH = pd.DataFrame([("chr1", 150_000, 320_000, "CEU10", 1)], columns=COLUMNS)
BINS = pd.DataFrame(
    {
        "chrom": "chr1",
        "start": np.arange(10) * 100_000,
        "end": np.arange(1, 11) * 100_000,
        "sample": "CEU10",
        "haplotype": "1",
        "posterior": np.linspace(0, 0.9, 10),
    }
)


@pytest.fixture(autouse=True)
def _close():
    plt.switch_backend("Agg")
    yield
    plt.close("all")


def bars(ax, colour):
    """Return (start, end, row) of the bars of one colour, in Mb."""
    from matplotlib.colors import to_hex

    found = []
    for collection in ax.collections:
        if to_hex(collection.get_facecolor()[0]) != colour.lower():
            continue
        for path in collection.get_paths():
            box = path.get_extents()
            found.append((round(box.x0, 6), round(box.x1, 6), round((box.y0 + box.y1) / 2)))
    return sorted(found)


def test_segments_and_truth_lie_in_the_row_of_their_haplotype():
    ax = plot_segments(SEGMENTS, truth=TRUTH, length=1_000_000)
    # CEU2 comes before CEU10.
    assert [t.get_text() for t in ax.get_yticklabels()] == ["CEU2 haplotype 2", "CEU10 haplotype 1"]
    assert bars(ax, FOUND) == [(0.1, 0.3, 1), (0.5, 0.6, 0)]
    assert bars(ax, TRUE) == [(0.15, 0.32, 1)]
    assert ax.get_xlim() == (0, 1)
    assert ax.get_xlabel() == "position on chr1 (Mb)"
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["found", "true"]


def test_rows_that_are_named_are_drawn_even_if_empty():
    rows = [("CEU1", "1"), ("CEU2", "2")]
    ax = plot_segments(SEGMENTS, haplotypes=rows)
    assert len(ax.get_yticklabels()) == 2
    assert bars(ax, FOUND) == [(0.5, 0.6, 1)]


def test_posteriors_give_every_haplotype_a_row_as_long_as_the_sequence():
    quiet = BINS.assign(sample="CEU1", posterior=0.0)
    ax = plot_segments(SEGMENTS, truth=TRUTH, posteriors=pd.concat([BINS, quiet]))
    assert [t.get_text().split()[0] for t in ax.get_yticklabels()] == ["CEU1", "CEU2", "CEU10"]
    assert ax.get_xlim() == (0, 1)
    # Sorted as text, CEU1 comes before CEU10.
    (flat, _, zero), (heights, _, base) = (patch.get_data() for patch in ax.patches[:2])
    assert np.all(flat == zero)
    # The axis points down: posteriors are drawn above their base, all to one scale.
    lane = (base - heights)[1:] / BINS["posterior"].to_numpy()[1:]
    np.testing.assert_allclose(lane, lane[0])
    assert 0.3 < lane[0] < 0.5
    assert bars(ax, FOUND) == [(0.1, 0.3, 2), (0.5, 0.6, 1)]


def test_several_sequences_need_a_name_and_an_empty_one_is_drawn():
    both = pd.concat([SEGMENTS, SEGMENTS.assign(chrom="chr2")])
    with pytest.raises(SettingError, match="2 sequences"):
        plot_segments(both)
    assert bars(plot_segments(both, chrom="chr2"), FOUND) == bars(plot_segments(SEGMENTS), FOUND)
    with pytest.raises(SettingError, match=r"^there is no chrX; there are chr1, chr2; if"):
        plot_segments(both, chrom="chrX")
    # One that a table or a length speaks of is there, and so may any be where nothing was found at all.
    for ax in (plot_segments(both, chrom="chrX", length=1_000_000), plot_segments(both[:0], chrom="chrX")):
        assert bars(ax, FOUND) == []
        assert ax.texts[0].get_text() == "nothing on chrX"
    quiet = plot_segments(both, chrom="chrX", posteriors=BINS.assign(chrom="chrX"))
    assert [t.get_text() for t in quiet.get_yticklabels()] == ["CEU10 haplotype 1"]
    with pytest.raises(InputError, match="no column haplotype"):
        plot_segments(SEGMENTS.drop(columns="haplotype"))


def test_posterior_is_the_table_and_other_haplotypes_stay_out():
    others = BINS.assign(sample="CEU2", posterior=1.0)
    ax = plot_posterior(
        pd.concat([others, BINS.sample(frac=1, random_state=1)]),
        sample="CEU10",
        haplotype=1,
        segments=SEGMENTS,
        truth=TRUTH,
        threshold=0.4,
    )
    values, edges, _ = ax.patches[0].get_data()
    np.testing.assert_allclose(values, BINS["posterior"])
    np.testing.assert_allclose(edges, np.arange(11) / 10)
    assert bars(ax, FOUND) == [(0.1, 0.3, 0)]
    names = [t.get_text() for t in ax.get_legend().get_texts()]
    assert names == ["posterior", "threshold", "found", "true"]
    assert ax.get_xlabel() == "position on chr1 of CEU10 haplotype 1 (Mb)"
    with pytest.raises(SettingError, match="CEU10 haplotype 7"):
        plot_posterior(BINS, sample="CEU10", haplotype=7)


def test_same_data_give_the_same_bytes(tmp_path):
    bed = tmp_path / "s.bed"
    SEGMENTS.rename(columns={"chrom": "#chrom"}).to_csv(bed, sep="\t", index=False)
    table = tmp_path / "p.tsv.gz"
    BINS.rename(columns={"chrom": "#chrom"}).to_csv(table, sep="\t", index=False)
    for name in ("a.svg", "b.svg"):
        save_plot(bed, tmp_path / name, posteriors=table)
    text = (tmp_path / "a.svg").read_text()
    assert text == (tmp_path / "b.svg").read_text()
    assert "CEU10 haplotype 1" in text
    runner = CliRunner()
    png = tmp_path / "c.png"
    words = [str(bed), "--posteriors", str(table), "--haplotype", "CEU10#1", "-o", str(png)]
    assert runner.invoke(command, words).exit_code == 0
    assert png.read_bytes().startswith(b"\x89PNG")
    assert runner.invoke(command, [str(bed), "--haplotype", "A#1", "-o", "x.svg"]).exit_code == 2
    with pytest.raises(SettingError, match=r"not in '\.jpg'"):
        save_plot(bed, tmp_path / "c.jpg")


@pytest.mark.parametrize("name", ["$x$", "a$b_c$d$", r"\$y", "<b>&x", "a\x1b[31m\x9b", "$\\\\frac{$"])
def test_names_are_drawn_as_they_are(name, tmp_path):
    """Not as formulas, nor as marks of XML."""
    from xml.etree import ElementTree

    segments = SEGMENTS.assign(chrom=name, sample=name)
    plot_segments(segments)
    path = tmp_path / "x.svg"
    with plt.rc_context({"svg.fonttype": "none"}):
        plt.savefig(path)
    texts = ["".join(node.itertext()) for node in ElementTree.parse(path).iter() if node.tag.endswith("text")]
    assert f"position on {shown(name)} (Mb)" in texts
    assert f"{shown(name)} haplotype 2" in texts


def test_segments_have_the_colours_of_their_sources():
    told = SEGMENTS.assign(source=["den", "unknown"], posterior_nea=0.1, posterior_den=0.8, posterior_unknown=0.1)
    for draw in (plot_segments, lambda t: plot_posterior(BINS, sample="CEU10", haplotype=1, segments=t)):
        ax = draw(told)
        # The first of the sources is blue, though nothing is of it.
        names = [t.get_text() for t in ax.get_legend().get_texts()]
        assert names == (["den", "unknown"] if draw is plot_segments else ["posterior", "den"])
        assert [bar[:2] for bar in bars(ax, "#D55E00")] == [(0.1, 0.3)]
    assert bars(plot_segments(told), "#7F7F7F") == [(0.5, 0.6, 0)]
    both = plot_segments(told.assign(source="nea|den"))
    assert len(bars(both, "#000000")) == 2
    assert [t.get_text() for t in both.get_legend().get_texts()] == ["several possible"]
    # Of a single source, all that is to be told is that it was found.
    assert [t.get_text() for t in plot_segments(SEGMENTS).get_legend().get_texts()] == ["found"]


def test_what_is_narrower_than_a_dot_is_as_wide_as_one():
    tiny = pd.DataFrame([("1", 500_000, 500_010, "A", "1"), ("1", 0, 10, "A", "2")], columns=COLUMNS)
    assert bars(plot_segments(tiny, length=1_000_000), FOUND) == [(0.0, 0.000505, 1), (0.499505, 0.500505, 0)]


def test_rows_without_room_for_names_are_counted():
    many = pd.concat([SEGMENTS.assign(sample=f"S{k}") for k in range(150)])
    ax = plot_segments(many)
    assert ax.get_ylabel() == "300 haplotypes"
    assert ax.get_yticklabels() == []
    assert len(bars(ax, FOUND)) == 300
