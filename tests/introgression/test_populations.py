"""Figures of many haplotypes show what the tables hold: frequencies, neighbours, genomes."""

from __future__ import annotations

import json
import random
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

plt = pytest.importorskip("matplotlib.pyplot")
pytest.importorskip("scipy")

from matplotlib.colors import to_hex  # noqa: E402

from genolstm.errors import InputError, MissingExtraError, SettingError  # noqa: E402
from genolstm.introgression.carriers import SEVERAL, clustered, counts, peaks, shared_bp, stretches  # noqa: E402
from genolstm.introgression.exports import SOURCE_COLOURS, source_colours  # noqa: E402
from genolstm.introgression.genome import read_genome  # noqa: E402
from genolstm.report.populations import plot_clusters, plot_frequency, plot_genome  # noqa: E402
from genolstm.runs.plot import run  # noqa: E402

COLUMNS = ["chrom", "start", "end", "sample", "haplotype", "source"]
MB = 1_000_000
A1, A2, B1, B2 = ("A", "1"), ("A", "2"), ("B", "1"), ("B", "2")
FOUND = pd.DataFrame(
    [
        ("chr2", 1 * MB, 3 * MB, *A1, "nea"),
        ("chr2", 2 * MB, 4 * MB, *A2, "den"),
        ("chr10", 1 * MB, 2 * MB, *B1, "nea|den"),
        ("chr2", 2 * MB, 3 * MB, *B1, "nea"),
    ],
    columns=COLUMNS,
).assign(posterior_nea=0.5, posterior_den=0.5, posterior_unknown=0.0)
BLUE, VERMILION, BLACK = "#0072b2", "#d55e00", "#000000"


@pytest.fixture(autouse=True)
def _close():
    plt.switch_backend("Agg")
    yield
    plt.close("all")


def steps(ax) -> dict[str, dict[tuple[float, float], float]]:
    """Return, by colour, the height of each step that is there, in the order in which they are stacked."""
    found: dict[str, dict[tuple[float, float], float]] = {}
    for patch in ax.patches:
        values, edges, baseline = patch.get_data()
        heights = np.round(np.abs(values - baseline), 6)
        spans = zip(edges[:-1].tolist(), edges[1:].tolist(), heights.tolist(), strict=True)
        found.setdefault(to_hex(patch.get_facecolor()), {}).update({(a, b): h for a, b, h in spans if h})
    return found


def legend(ax) -> list[str]:
    return [text.get_text() for one in ax.figure.legends for text in one.get_texts()]


def test_a_colour_is_named_once():
    assert source_colours(["nea", "unknown"])["nea"].hex.lower() == BLUE
    assert SOURCE_COLOURS[1].hex.lower() == VERMILION


@pytest.mark.parametrize("seed", range(5))
def test_stretches_counts_and_what_is_shared_are_those_of_every_base(seed: int):
    """Against arrays with an element for each base."""
    random.seed(seed)
    names, length = [("s", str(k)) for k in range(6)], 60
    sources = ["a", "b", "a|b"]
    given = {name: [] for name in names}
    for name in names[:-1]:
        for _ in range(random.randrange(5)):
            start = random.randrange(length - 1)
            given[name].append((start, random.randrange(start + 1, length + 1), random.choice(sources)))
    plain = {}
    for name, spans in given.items():
        sets = [set() for _ in range(length)]
        for start, end, source in spans:
            for place in range(start, end):
                sets[place].add(source)
        plain[name] = ["" if not s else SEVERAL if len(s) > 1 or "a|b" in s else min(s) for s in sets]
    carried = {name: stretches(spans) for name, spans in given.items()}
    for name, own in carried.items():
        dense = [""] * length
        for start, end, source in own:
            assert dense[start:end] == [""] * (end - start)
            dense[start:end] = [source] * (end - start)
        assert dense == plain[name]
        assert all(x.end < y.start or x.source != y.source for x, y in pairwise(own))
    edges, number = counts(carried, names, ["b", "a", SEVERAL], length)
    for row, source in zip(np.repeat(number, np.diff(edges), axis=1), ["b", "a", SEVERAL], strict=True):
        assert row.tolist() == [sum(plain[name][k] == source for name in names) for k in range(length)]
    assert number.sum() > 5
    shared = shared_bp(carried, names)
    for i, x in enumerate(names):
        for j, y in enumerate(names):
            assert shared[i, j] == sum(a == b != "" for a, b in zip(plain[x], plain[y], strict=True))


def test_a_window_shows_its_highest_point():
    edges = np.array([0, 100, 101, 500, 1000])
    values = np.array([[0, 5, 0, 1], [0, 1, 0, 0]])
    ends, found = peaks(edges, values, 10)
    np.testing.assert_allclose(ends, np.arange(0, 1001, 100))
    assert found.tolist() == [[0, 5, 0, 0, 0, 1, 1, 1, 1, 1], [0, 1, 0, 0, 0, 0, 0, 0, 0, 0]]
    wide = np.array([0, 200, 500, 1000]), np.array([[0, 5, 0]])
    assert peaks(*wide, 10)[1].tolist() == [[0, 5, 0]]
    # What is narrow and empty needs no window.
    empty = np.array([0, 1, 1000]), np.array([[0, 2]])
    assert peaks(*empty, 10)[0].tolist() == [0, 1, 1000]


def test_haplotypes_that_share_most_lie_side_by_side():
    spans = {"1": (0, 50), "2": (200, 260), "3": (5, 50), "4": (205, 260), "5": (0, 48)}
    carried = {("s", k): stretches([(*span, "a")]) for k, span in spans.items()}
    # The same place, from someone else: nothing is shared.
    carried["s", "6"] = stretches([(0, 50, "b")])
    names = [("t", "1"), *carried]
    order = "".join(name[1] for name in clustered(carried, names)[:-1])
    assert clustered(carried, names)[-1] == ("t", "1")
    assert any(set(order[k : k + 3]) == set("135") for k in range(4))
    assert "24" in order or "42" in order
    assert sorted(order) == list("123456")


def test_clustering_without_scipy_says_what_to_install(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "scipy.cluster.hierarchy", None)
    with pytest.raises(MissingExtraError, match=r"scipy.*genolstm\[plot\]"):
        plot_clusters(pd.concat([FOUND, FOUND.assign(sample="C")]), chrom="chr2")


def test_frequency_is_the_share_of_all_haplotypes_of_a_population_by_source():
    groups = {"ONE": [A1, A2, ("A", "3"), ("A", "4")], "TWO": [B1, B2]}
    one, two = plot_frequency(FOUND, groups=groups, chrom="chr2", length=5 * MB)
    assert steps(one) == {BLUE: {(1, 2): 25.0, (2, 3): 25.0}, VERMILION: {(2, 3): 25.0, (3, 4): 25.0}}
    # The second source lies on the first.
    assert one.patches[1].get_data().baseline.max() == 25
    assert steps(two) == {BLUE: {(2, 3): 50.0}}
    assert one.get_title(loc="left") == "ONE (4 haplotypes)"
    assert one.get_xlim() == two.get_xlim() == (0, 5)
    assert one.get_ylim() == (0, 52.5)
    assert two.get_xlabel() == "position on chr2 (Mb)"
    assert legend(one) == ["nea", "den"]
    (ax,) = plot_frequency(FOUND, chrom="chr10")
    assert steps(ax) == {BLACK: {(1, 2): pytest.approx(100 / 3, abs=1e-4)}}
    assert legend(ax) == ["several possible"]
    with pytest.raises(SettingError, match=r"there is no chr1; there are chr2, chr10;"):
        plot_frequency(FOUND, chrom="chr1")
    with pytest.raises(InputError, match="ends at 4,000,000, beyond its length of 3,500,000"):
        plot_frequency(FOUND, chrom="chr2", length=3_500_000)


def test_a_short_segment_that_all_have_is_seen_in_full():
    tiny = pd.DataFrame([("1", 100 * MB, 100 * MB + 1, *name, "nea") for name in (A1, A2)], columns=COLUMNS)
    (ax,) = plot_frequency(tiny, length=250 * MB)
    ((step, height),) = steps(ax)[BLUE].items()
    assert height == 100
    assert step == (100, 100.25)


def test_clusters_are_rows_of_each_population():
    groups = {"ONE": [("A", "0"), A1, A2], "TWO": [B1]}
    ax = plot_clusters(FOUND, groups=groups, chrom="chr2", length=5 * MB)
    names = [text.get_text() for text in ax.get_yticklabels()]
    assert names == ["A haplotype 1", "A haplotype 2", "A haplotype 0", "B haplotype 1"]
    assert [text.get_text() for text in ax.texts] == ["ONE", "TWO"]
    found = {}
    for collection in ax.collections:
        boxes = [path.get_extents() for path in collection.get_paths()]
        found[to_hex(collection.get_facecolor()[0])] = [(b.x0, b.x1, (b.y0 + b.y1) / 2) for b in boxes]
    assert found == {BLUE: [(1, 3, 0), (2, 3, 3)], VERMILION: [(2, 4, 1)]}
    many = {"ONE": [("A", str(k)) for k in range(70)]}
    ax = plot_clusters(FOUND, groups=many, chrom="chr2")
    assert [text.get_text() for text in ax.get_yticklabels()] == ["ONE\n(70 haplotypes)"]


def test_a_genome_has_all_sequences_in_the_order_of_their_numbers():
    lengths = {"chr10": 3 * MB, "chrX": 2 * MB, "chr2": 8 * MB}
    ax = plot_genome(FOUND, groups={"ONE": [A1, A2], "TWO": [B1, B2]}, lengths=lengths)
    assert [text.get_text() for text in ax.get_yticklabels()] == ["chr2", "chr10", "chrX"]
    lanes = [path.get_extents() for collection in ax.collections for path in collection.get_paths()]
    assert [box.x1 for box in lanes] == [8, 8, 3, 3, 2, 2]
    assert [text.get_text() for text in ax.texts] == ["ONE", "TWO"] * 3
    # All lanes have one scale: both haplotypes of ONE carry something from 2 to 3 Mb.
    assert ax.get_xlabel() == "position (Mb); a full lane is 100 % of each population"
    full = 0.85
    assert steps(ax) == {
        BLUE: {(1, 2): full / 2, (2, 3): full / 2},
        VERMILION: {(2, 3): full / 2, (3, 4): full / 2},
        BLACK: {(1, 2): full / 2},
    }
    # In the lane of its sequence and population.
    inside = [patch.get_data() for patch in ax.patches if to_hex(patch.get_facecolor()) == BLACK]
    assert np.max(inside[0].baseline) == pytest.approx(lanes[3].y1)
    alone = plot_genome(FOUND)
    assert [text.get_text() for text in alone.get_yticklabels()] == ["chr2", "chr10"]
    assert alone.get_xlim() == (0, 4)
    with pytest.raises(InputError, match="chr10 has segments, but no length"):
        plot_genome(FOUND, lengths={"chr2": 8 * MB})


# --- from files -----------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    names = ["chrom", "start", "end", "name", "score", "strand", "sample", "haplotype", "source"]
    table = FOUND.assign(name="x", score=1, strand=".")[[*names, "posterior_nea", "posterior_den"]]
    table.rename(columns={"chrom": "#chrom"}).to_csv(tmp_path / "s.bed", sep="\t", index=False)
    (tmp_path / "t.tsv").write_text("sample\tpop\tsuper_pop\nA\tONE\tALL\nB\tTWO\tALL\nC\tTHREE\tOTHER\n")
    (tmp_path / "g.fai").write_text("chr10\t3000000\t1\t1\t1\nchr2\t8000000\nchrM\t16569\n")
    said = {
        "callable_bp": {"A": {"1": 5, "2": 5}, "B": {"1": 5, "2": 5}, "D": {"1": 5}},
        "model": {"sources": ["nea", "den"]},
        "counts": {"segments": 4},
    }
    (tmp_path / "s.json").write_text(json.dumps(said))
    return tmp_path


def drawn(monkeypatch, *args, **options):
    """Return the lines that a run says, and the axes that it draws."""
    kept = []
    savefig = plt.savefig

    def spy(*given, **told):
        kept.extend(plt.gcf().axes)
        savefig(*given, **told)

    monkeypatch.setattr(plt, "savefig", spy)
    return run(*args, **options), kept


def test_files_make_the_figure_and_those_without_segments_count(folder, monkeypatch):
    out = folder / "x.svg"
    given = {"view": "frequency", "chrom": "chr2", "samples": folder / "t.tsv", "genome": folder / "g.fai"}
    said, axes = drawn(monkeypatch, folder / "s.bed", out, **given)
    assert [ax.get_title(loc="left") for ax in axes] == [
        "ONE (2 haplotypes)",
        "TWO (2 haplotypes)",
        "no population (1 haplotype)",
    ]
    assert steps(axes[1]) == {BLUE: {(2, 3): 50.0}}
    assert axes[0].get_xlim() == (0, 8)
    assert said == ["warning: the table of samples names no population of 1 haplotype"]
    assert "TWO (2 haplotypes)" in out.read_text()
    before = out.read_bytes()
    run(folder / "s.bed", out, **given, force=True)
    assert out.read_bytes() == before
    said, axes = drawn(monkeypatch, folder / "s.bed", out, **given, population=["ALL"], force=True)
    assert [ax.get_title(loc="left") for ax in axes] == ["ALL (4 haplotypes)"]
    assert said == ["not drawn: 1 haplotype of other populations"]
    (folder / "s.json").unlink()
    said, (ax, *_) = drawn(monkeypatch, folder / "s.bed", out, view="clusters", chrom="chr2", force=True)
    assert len(ax.get_yticklabels()) == 3
    assert [line.partition(":")[0] for line in said] == ["warning"]
    bins = pd.DataFrame([("chr2", 0, 9 * MB, *B2, 0.1), ("chr7", 0, MB, "E", "1", 0.1)])
    bins.columns = ["chrom", "start", "end", "sample", "haplotype", "posterior"]
    bins.to_csv(folder / "p.tsv", sep="\t", index=False)
    given = {"view": "clusters", "posteriors": folder / "p.tsv", "force": True}
    said, (ax, *_) = drawn(monkeypatch, folder / "s.bed", out, chrom="chr2", **given)
    assert (len(ax.get_yticklabels()), ax.get_xlim(), said) == (4, (0, 9), [])
    # Nothing was found on it, and the posteriors say that it exists.
    _, (ax, *_) = drawn(monkeypatch, folder / "s.bed", out, chrom="chr7", **given)
    assert ax.get_xlim() == (0, 1)


@pytest.mark.parametrize("view", ["rows", "frequency", "clusters"])
def test_each_file_is_read_once(folder, view):
    """A pipe has nothing left for a second reader."""
    import os
    import threading

    pipe = folder / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=((folder / "s.bed").read_text(),), daemon=True)
    writer.start()
    run(pipe, folder / "x.svg", view=view, chrom="chr2", genome=folder / "g.fai")
    writer.join(5)
    assert "nea" in (folder / "x.svg").read_text()


def test_a_genome_of_files(folder, monkeypatch):
    said, (ax,) = drawn(monkeypatch, folder / "s.bed", folder / "x.svg", view="genome", genome=folder / "g.fai")
    assert [text.get_text() for text in ax.get_yticklabels()] == ["chr2", "chr10"]
    assert said == ["not drawn: 1 sequence without segments, of less than 1 % of the longest"]
    assert ax.get_xlabel() == "position (Mb); a full lane is 60 % of 5 haplotypes"
    said, (ax,) = drawn(monkeypatch, folder / "s.bed", folder / "x.png", genome=folder / "g.fai", chrom="chrM")
    assert ax.texts[0].get_text() == "nothing on chrM"
    assert ax.get_xlim() == (0, 0.016569)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"view": "genome", "chrom": "chr2"}, "--chrom does not go with --view genome; it goes with"),
        ({"view": "clusters", "truth": "s.bed"}, "--truth does not go with --view clusters"),
        ({"samples": "t.tsv"}, "--samples does not go with --view rows"),
        ({"view": "pie"}, "there is no view pie; there are rows, frequency"),
        ({"view": "frequency"}, "there are 2 sequences; name the one"),
        ({"view": "frequency", "chrom": "2"}, "there is no 2; there are chr2, chr10"),
        ({"view": "rows", "chrom": "chr3"}, "there is no chr3; there are chr2, chr10"),
        ({"view": "rows", "chrom": "chr3", "genome": "g.fai"}, "there is no chr3; there are chr2, chr10, chrM"),
        ({"view": "genome", "population": ["ONE"]}, "populations need a table of samples"),
        (
            {"view": "genome", "samples": "t.tsv", "population": ["THREE"]},
            "no sample is of the population THREE; there are ONE, ALL, TWO",
        ),
        ({"view": "genome", "samples": "u.tsv"}, "u.tsv: names none of the samples of"),
        ({"view": "genome", "genome": "h.fai"}, "h.fai: has no sequence chr2; it has 2: chromosome names must agree"),
        ({"view": "genome", "genome": "i.fai"}, "i.fai: the sequence chr2 is 3,000,000 bp long, and there"),
        ({"genome": "g.fai", "haplotype": "A#1", "posteriors": "s.bed"}, "--genome does not go with --haplotype"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_written(folder, monkeypatch, options, said):
    (folder / "u.tsv").write_text("sample\tpop\nQ\tONE\n")
    (folder / "h.fai").write_text("2\t8000000\nchr10\t9000000\n")
    (folder / "i.fai").write_text("chr2\t3000000\nchr10\t9000000\n")
    monkeypatch.chdir(folder)
    with pytest.raises((InputError, SettingError)) as caught:
        run("s.bed", "x.svg", **options)
    assert said in str(caught.value)
    assert not (folder / "x.svg").exists()


def test_lengths_are_read_from_what_states_them(tmp_path):
    path = tmp_path / "x"
    path.write_text("a\t10\t6\t60\t61\nb\t20\n")
    assert read_genome(path) == {"a": 10, "b": 20}
    path.write_text(
        "##fileformat=VCFv4.2\n##contig=<ID=a,length=10,md5=x>\n##contig=<assembly=z,length=7,ID=b>\n"
        "##contig=<ID=c>\n#CHROM\tPOS\nnothing\tis read\n"
    )
    assert read_genome(path) == {"a": 10, "b": 7}
    path.write_text("@HD\tVN:1.6\n@SQ\tSN:a\tLN:10\n@PG\tID:x\n")
    assert read_genome(path) == {"a": 10}
    for text, said in [
        ("a 10\n", "x:1: has no tab between a name and a length"),
        ("a\tten\n", "x:1: "),
        ("a\t0\n", "x:1: "),
        ("a\t1\na\t2\n", "x:2: the sequence a stands twice"),
        ("##contig=<ID=a>\n#CHROM\n", "states the length of no sequence"),
    ]:
        path.write_text(text)
        with pytest.raises(InputError) as caught:
            read_genome(path)
        assert said in str(caught.value)


def test_the_figure_of_the_readme_is_made_by_its_commands():
    """Its inputs are in the repository, or what the scan of an earlier line writes."""
    import re
    import shlex

    from genolstm.cli.introgression import scan
    from genolstm.cli.plot import plot

    root = Path(__file__).parents[2]
    text = (root / "docs" / "introgression.md").read_text()
    found = re.findall(r"^genolstm introgression (scan|plot) (.*)$", text, re.MULTILINE)
    ((at, line),) = [(k, line) for k, (_, line) in enumerate(found) if "-o example.png" in line]
    written = set()
    for command, other in found[:at]:
        if command != "scan":
            continue
        options = scan.make_context("scan", shlex.split(other)).params
        written |= {str(options[name]) for name in ("output", "posteriors") if options[name]}
    options = plot.make_context("plot", shlex.split(line)).params
    assert {str(options["segments"]), str(options["posteriors"])} <= written
    assert (root / str(options["truth"])).is_file()
    assert f"docs/images/{options['output']}" in text[: text.index(line)]
    assert f"docs/images/{options['output']}" in (root / "README.md").read_text()
    assert (root / "docs" / "images" / options["output"]).is_file()
