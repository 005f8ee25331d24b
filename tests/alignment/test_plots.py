"""Figures of alignments show what the alignments hold."""

from __future__ import annotations

import functools
import importlib
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from Bio.Seq import Seq
from Bio.SeqRecord import SeqRecord

plt = pytest.importorskip("matplotlib.pyplot")

from genolstm.alignment.evaluate import PairAccuracy, reliability  # noqa: E402
from genolstm.alignment.result import PosteriorAlignment  # noqa: E402
from genolstm.alignment.scorer import AlignmentScorer  # noqa: E402
from genolstm.errors import InputError, MissingExtraError, SettingError  # noqa: E402
from genolstm.report.alignment import plot_dotplot, plot_reliability  # noqa: E402
from genolstm.report.alignment_letters import plot_alignment  # noqa: E402
from genolstm.report.style import saved_figure  # noqa: E402
from genolstm.sequences.alphabet import reverse_complement_text  # noqa: E402

RNG = np.random.default_rng(5)
_LETTERS = RNG.choice(list("ACGT"), 400)
# The gap of READ has one place only.
_LETTERS[[149, 150, 155, 156]] = list("AACC")
GENOME = "".join(_LETTERS)
READ = GENOME[120:150] + GENOME[156:190]
SCORER = AlignmentScorer()


@pytest.fixture(autouse=True)
def _close():
    plt.switch_backend("Agg")
    yield
    plt.close("all")


def named(text: str, name: str) -> SeqRecord:
    return SeqRecord(Seq(text), id=name)


@functools.cache
def hit(strand: str = "+") -> PosteriorAlignment:
    read = READ if strand == "+" else reverse_complement_text(READ)
    return SCORER.align(named(read, "read"), named(GENOME, "chr1"), mode="semiglobal")


def raster(ax: Any) -> tuple[np.ndarray, list[float]]:
    image = ax.images[0]
    return np.ma.filled(image.get_array().astype(float), np.nan), image.get_extent()


@pytest.mark.parametrize("strand", "+-")
def test_a_dotplot_has_every_posterior_in_its_place(strand: str) -> None:
    alignment = hit(strand)
    ax, strip = plot_dotplot(alignment).axes[:2]
    cells, (left, right, bottom, top) = raster(ax)
    assert (top, bottom) == (0, len(READ))
    assert left <= 120 < 190 <= right
    rows = alignment.posterior.query
    if strand == "-":
        rows = len(READ) - 1 - rows
    want = np.full((len(READ), alignment.n_reference), np.nan)
    seen = alignment.posterior.probability >= 0.01
    want[rows[seen], alignment.posterior.reference[seen]] = alignment.posterior.probability[seen]
    np.testing.assert_allclose(cells, want[:, int(left) : int(right)])
    # The path: two stretches, from 120 on, the gap between them; a minus strand rises.
    gaps, lines, others = (c.get_segments() for c in ax.collections)
    np.testing.assert_array_equal(lines, others)
    ends = [(0, 30), (30, 64)] if strand == "+" else [(64, 34), (34, 0)]
    (a, b), (c, d) = lines
    assert (a[0], d[0]) == (120, 190)
    assert (a[1], d[1]) == (ends[0][0], ends[1][1])
    np.testing.assert_array_equal(gaps[0], [b, c])
    assert "minus" in ax.get_ylabel() or strand == "+"
    heights = strip.patches[0].get_data().values
    assert heights[122 - int(left)] == pytest.approx(float(alignment.posteriors[2]), abs=1e-6)


@pytest.mark.parametrize("strand", "+-")
def test_the_path_leaves_the_cells_on_it_in_sight(strand: str) -> None:
    ax = plot_dotplot(hit(strand)).axes[0]
    ax.figure.draw_without_rendering()
    across = []
    for lines in ax.collections[1:]:
        for a, b in lines.get_segments():
            here, there, moved = *ax.transData.transform([a, b]), lines.get_transform().transform([a])[0]
            along = (there - here) / np.linalg.norm(there - here)
            shift = (moved - here) * 72 / ax.figure.dpi
            assert abs(shift @ along) < 1  # beside the path and not along it
            across.append(float(along[0] * shift[1] - along[1] * shift[0]))
    assert sorted(np.sign(across)) == [-1, -1, 1, 1]
    assert min(np.abs(across)) > 2.5  # points


def test_a_long_dotplot_is_pooled_not_dense() -> None:
    long = "".join(RNG.choice(list("ACGT"), 3000))
    alignment = SCORER.align(long, long[:1500] + long[1510:], band=20)
    ax = plot_dotplot(alignment).axes[0]
    cells, _ = raster(ax)
    assert max(cells.shape) <= 600
    assert np.nanmax(cells) == pytest.approx(alignment.posterior.probability.max())
    assert np.isfinite(cells).any(axis=1).all()
    near = plot_dotplot(alignment, region=(1490, 1520)).axes[0]
    assert near.get_xlim() == (1490, 1520)
    assert 1480 <= near.get_ylim()[1] < near.get_ylim()[0] <= 1540


def test_letters_stand_on_the_colour_of_their_posterior() -> None:
    alignment = hit()
    ax, key = plot_alignment(alignment, width=30).axes
    from matplotlib.collections import PathCollection, PolyCollection

    cells = next(c for c in ax.collections if isinstance(c, PolyCollection))
    assert len(cells.get_paths()) == len(alignment.ops) == 70
    colours = key.images[0].get_cmap()(alignment.posteriors)
    np.testing.assert_allclose(cells.get_facecolors(), colours)
    letters = sum(len(c.get_offsets()) for c in ax.collections if isinstance(c, PathCollection))
    assert letters == 2 * 70 + 64
    written = [text.get_text() for text in ax.texts]
    assert written.count("chr1") == written.count("read") == 3
    assert [t for t in written if t.isdigit()][:4] == ["121", "150", "1", "30"]
    part = plot_alignment(alignment, region=(120, 140)).axes[0]
    assert [t.get_text() for t in part.texts if t.get_text().isdigit()] == ["121", "140", "1", "20"]


def test_what_cannot_be_drawn_in_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    alignment = hit()
    with pytest.raises(InputError, match="nothing is aligned within 301-310"):
        plot_alignment(alignment, region=(300, 310))
    for draw in (plot_alignment, plot_dotplot):
        with pytest.raises(SettingError, match="does not lie within the 400 bp of chr1"):
            draw(alignment, region=(300, 410))
    monkeypatch.setattr("genolstm.report.alignment_letters.LONGEST_LETTERS", 50)
    with pytest.raises(SettingError, match="70 columns are too many"):
        plot_alignment(alignment)


def test_a_reliability_curve(tmp_path: Path) -> None:
    p = np.array([0.05] * 40 + [0.95] * 60)
    curve = reliability(p, np.arange(100) >= 45, bins=10)
    figure = plot_reliability(curve, accuracy=PairAccuracy(55, 100, 60))
    ax, below = figure.axes
    drawn = ax.lines[1]
    np.testing.assert_allclose(drawn.get_xdata(), [0.05, 0.95])
    np.testing.assert_allclose(drawn.get_ydata(), [0, 55 / 60])
    assert "ECE 0.040" in ax.texts[0].get_text()
    assert "F1 0.688" in ax.texts[0].get_text()
    assert [bar.get_height() for bar in below.patches] == [40, 60]
    with pytest.raises(InputError, match="no column"), saved_figure(tmp_path / "x.png"):
        plot_reliability(reliability([], [], bins=4))
    assert list(tmp_path.iterdir()) == []


def test_the_same_figure_is_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.svg", "b.svg"):
        with saved_figure(tmp_path / name):
            plot_alignment(hit())
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


# ---------------------------------------------------------------- commands


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    back = reverse_complement_text(GENOME[200:260])
    Path("q.fa").write_text(f">first\n{READ}\n>second\n{back}\n")
    Path("r.fa").write_text(f">chr1\n{GENOME}\n")
    rows = [
        ("first", 64, 0, 64, "+", "chr1", 400, 120, 190, 64, 70, 60, "cg:Z:30=6D34="),
        ("second", 60, 0, 60, "-", "chr1", 400, 200, 260, 60, 60, 60, "cg:Z:60="),
    ]
    Path("t.paf").write_text("".join("\t".join(map(str, row)) + "\n" for row in rows))
    return tmp_path


def test_plot_from_files(cli, files: Path) -> None:
    base = ("align", "plot", "q.fa", "r.fa", "--mode", "semiglobal", "--classical")
    got = cli(*base, "-o", "a.png")
    assert (got.code, got.out) == (0, "")
    assert Path("a.png").read_bytes().startswith(b"\x89PNG")
    got = cli(*base, "-o", "b.svg", "--kind", "alignment", "--query-name", "second")
    assert got.code == 0
    assert ">second<" in Path("b.svg").read_text()


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["-o", "a.gif"], 1, "a figure's name must end in"),
        (["-o", "a.png", "--query-name", "third"], 1, "q.fa: third: there is no sequence of"),
        (["-o", "a.png", "--region", "390-410"], 1, "does not lie within the 400 bp"),
        (["-o", "a.png", "--region", "40"], 2, "is not a region such as"),
        (["-o", "none/a.png"], 1, "folder does not exist"),
    ],
)
def test_plot_refuses(cli, files: Path, options: list[str], code: int, message: str) -> None:
    got = cli("align", "plot", "q.fa", "r.fa", "--classical", "--mode", "semiglobal", *options)
    assert got.code == code
    assert message in got.err
    if code == 1:
        assert got.err.count("\n") == 1
    assert sorted(p.name for p in files.iterdir()) == ["q.fa", "r.fa", "t.paf"]


def test_reliability_from_files(cli, files: Path) -> None:
    base = ("align", "reliability", "q.fa", "r.fa", "--truth", "t.paf", "--classical", "-t", 1)
    got = cli(*base, "--mode", "semiglobal", "-o", "a.pdf", "--table", "a.tsv", "--bins", 10)
    assert got.code == 0
    head, row = (line.split("\t") for line in got.out.splitlines())
    scores = dict(zip(head, row, strict=True))
    assert (scores["pairs"], scores["columns"], scores["f1"]) == ("2", "124", "1.0000")
    table = [line.split("\t") for line in Path("a.tsv").read_text().splitlines()[1:]]
    assert sum(int(line[2]) for line in table) == 124
    assert float(table[-1][4]) == 1
    assert Path("a.pdf").read_bytes().startswith(b"%PDF")
    # On the wrong strand nothing of the second pair is right.
    got = cli(*base, "--mode", "semiglobal", "--strand", "plus", "-o", "b.png")
    assert 0.4 < float(got.out.splitlines()[1].split("\t")[4]) < 0.6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("60=", "59="), "does not span"),
        (("second", "first"), "t.paf:2: first with chr1: the pair occurs twice"),
        (("chr1", "chr7"), "has no sequence of this name"),
        (("cg:Z:60=", ""), "needs a CIGAR"),
    ],
)
def test_reliability_refuses(cli, files: Path, change: tuple[str, str], message: str) -> None:
    Path("t.paf").write_text(Path("t.paf").read_text().replace(*change))
    got = cli("align", "reliability", "q.fa", "r.fa", "--truth", "t.paf", "-o", "a.png")
    assert (got.code, got.out) == (1, "")
    assert message in got.err
    assert sorted(p.name for p in files.iterdir()) == ["q.fa", "r.fa", "t.paf"]


# ---------------------------------------------------------------- text


def test_text_has_coordinates_and_confidence() -> None:
    lines = hit("-").text(30).splitlines()
    assert lines[2].split() == ["chr1", "121", GENOME[120:150], "150"]
    assert lines[4].split()[1:] == ["64", READ[:30], "35"]
    starts = {line.index(x) for line, x in ((lines[2], GENOME[120:126]), (lines[4], READ[:6]))}
    assert starts == {lines[3].index("|")}
    name, signs = lines[5].split()
    assert name == "confidence"
    assert set(signs) <= set("0123456789*")
    assert lines[5].index(signs) in starts


def test_scikit_bio(monkeypatch: pytest.MonkeyPatch) -> None:
    alignment = hit()
    real = importlib.import_module

    def absent(name: str, *rest: Any) -> Any:
        if name == "skbio":
            raise ImportError(name)
        return real(name, *rest)

    with monkeypatch.context() as patch:
        patch.setattr("genolstm.alignment.result.import_module", absent)
        with pytest.raises(MissingExtraError, match="scikit-bio"):
            alignment.to_skbio()
    pytest.importorskip("skbio")
    table = alignment.to_skbio()
    assert [str(row) for row in table] == list(alignment.rows())
    np.testing.assert_array_equal(table.positional_metadata["posterior"], alignment.posteriors)


def test_a_notebook_shows_coordinates_and_not_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = re.sub(r"<[^>]+>", "", hit("-")._repr_html_()).splitlines()
    assert shown[0].endswith("strand -, semiglobalchr1  121 " + GENOME[120:190] + " 190")
    assert shown[1].split() == ["read", "64", READ[:30] + "------" + READ[30:], "1"]
    monkeypatch.setattr("genolstm.alignment.result.MAX_SHOWN", 40)
    text = hit()._repr_html_()
    assert "... and 30 columns more" in text
