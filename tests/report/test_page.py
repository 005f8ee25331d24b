"""The page of a scan tells what its files hold, harms nobody, and needs nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("bokeh")

from genolstm.errors import InputError, SettingError
from genolstm.introgression.calls import Call, read_calls
from genolstm.introgression.evidence import evidence_columns
from genolstm.introgression.formats import SEGMENT_COLUMNS, header_line, read_posteriors, stamp_line
from genolstm.introgression.segments import PosteriorBlock
from genolstm.introgression.variants.people import Populations
from genolstm.introgression.windows import STEPS, PosteriorWindows
from genolstm.report import page_contents
from genolstm.report.page import page
from genolstm.report.page_contents import Found, contents, covered, data, nice
from genolstm.runs.report import run

EVIL = "<script>alert(1)</script>"
CALLS = [
    Call("chr1", 100_000, 200_000, "A", "1", 0.9, 10, 8, "neanderthal", "nea_0001"),
    Call("chr1", 150_000, 300_000, "B", "2", 0.8, 9, 9, "denisovan", "den_0001"),
    Call("chr2", 0, 50_000, "A", "2", 0.7, 5, 4, "neanderthal", "nea_0002"),
]
PEOPLE = Populations({"CEU": ["A"], "CHB": ["B", "C"]})


def windows(haplotypes: list[tuple[str, str]], lengths: dict[str, int], bin_size: int = 1000) -> PosteriorWindows:
    made = PosteriorWindows()
    rng = np.random.default_rng(1)
    for chrom, length in lengths.items():
        n = -(-length // bin_size)
        posterior = rng.uniform(0, 0.1, (len(haplotypes), n)).astype(np.float32)
        made.add_block(PosteriorBlock(chrom, haplotypes, 0, posterior, posterior, posterior, length), bin_size)
    return made


def bed(path: Path, calls: list[Call]) -> Path:
    lines = [stamp_line("genolstm=0;model=m;sha256=0"), header_line(SEGMENT_COLUMNS)]
    for c in calls:
        fields = (*c[:3], c.name, round(1000 * c.posterior), ".", *c[3:5], f"{c.posterior:.4f}", *c[6:9])
        lines.append("\t".join(map(str, fields)))
    path.write_text("\n".join(lines) + "\n")
    return path


CELLS = ("td", "th", "caption", "li", "dd")


class Page(HTMLParser):
    """Elements, and the text of each of a few kinds."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.cells: list[str] = []
        self._open = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._open = tag
        if tag == "script":
            self.scripts.append("")
        if tag in CELLS:
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def handle_data(self, text: str) -> None:
        if self._open == "script":
            self.scripts[-1] += text
        elif self._open in CELLS:
            self.cells[-1] += text


def unpack(told: list[str]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(told[1]), dtype="<" + told[0])


# --- what is counted --------------------------------------------------------------------------------


def test_groups_count_all_haplotypes_and_each_population() -> None:
    names = [(sample, haplotype) for sample in "ABC" for haplotype in "12"]
    told = contents(Found("x", CALLS, None, windows(names, {"chr1": 400_000, "chr2": 100_000}), PEOPLE))
    rows = {(row.group, row.source): row for row in told.rows}
    everyone, ceu, chb = (rows[name, "all"] for name in (page_contents.ALL, "CEU", "CHB"))
    assert (everyone.haplotypes, everyone.segments, everyone.bp) == (6, 3, 300_000)
    assert everyone.share == pytest.approx(300_000 / (6 * 500_000))
    assert (ceu.haplotypes, ceu.bp, chb.haplotypes, chb.bp) == (2, 150_000, 4, 150_000)
    assert chb.share == pytest.approx(150_000 / (4 * 500_000))
    assert rows["CEU", "denisovan"][3:] == (0, 0, 0.0, None, None, None)
    assert rows["CEU", "neanderthal"][6:] == (75_000, 75_000, 100_000)
    assert told.notes == []


def test_frequencies_are_the_mean_share_of_haplotypes_in_each_window() -> None:
    names = [(sample, haplotype) for sample in "ABC" for haplotype in "12"]
    told = contents(Found("x", CALLS, None, windows(names, {"chr1": 400_500}), PEOPLE))
    shares, size = told.frequencies["chr1"], told.window
    for i, group in enumerate(told.groups):
        brute = np.zeros(400_500)
        for call in CALLS:
            if call.chrom == "chr1" and (call.sample, call.haplotype) in group.haplotypes:
                brute[call.start : call.end] += 1 / group.size
        for a in (0, 99, 100, 149, 150, 199, 200, 299, 300, shares.shape[1] - 1):
            assert shares[i, a] == pytest.approx(brute[a * size : (a + 1) * size].mean(), abs=1e-12)


def test_overlaps_on_a_haplotype_count_once() -> None:
    calls = [CALLS[0], CALLS[0]._replace(start=150_000, end=250_000, source="denisovan")]
    told = contents(Found("x", calls, None, windows([("A", "1")], {"chr1": 400_000})))
    assert told.rows[0].bp == 150_000
    assert told.frequencies["chr1"].max() == 1
    assert covered(np.array([[3, 9]]), np.array([0, 4, 8, 12])).tolist() == [1, 4, 1]


def test_stretches_without_segments_end_at_segments_or_ends_of_sequences() -> None:
    told = contents(Found("x", CALLS[:2], None, windows([("A", "1"), ("B", "2")], {"chr1": 450_000, "chr2": 70_000})))
    assert told.gaps == [("chr1", 300_000, 450_000), ("chr1", 0, 100_000), ("chr2", 0, 70_000)]
    # Without posteriors, nobody knows where sequences end, nor whether anything was looked at before the first one.
    assert contents(Found("x", CALLS[:2])).gaps == []


def test_what_is_not_known_is_said() -> None:
    told = contents(Found("x", CALLS, {"counts": {"haplotypes": 10, "haplotype_bp": 5_000_000}}, None, PEOPLE))
    assert told.groups[0].size == 10
    assert told.rows[0].share == pytest.approx(300_000 / 5_000_000)
    (line,) = [line for line in told.notes if "no segment" in line]
    assert line.startswith("warning: 7 of 10 scanned haplotypes have no segment")
    alone = contents(Found("x", CALLS))
    assert any("frequencies and shares are too high" in line for line in alone.notes)
    assert alone.rows[0].share is None
    strange = contents(Found("x", CALLS, None, windows([("A", "1")], {"chr1": 400_000})))
    assert any("A haplotype 2 and 1 others have segments, but neither" in line for line in strange.notes)
    stranger = contents(Found("x", CALLS, None, None, Populations({"CEU": ["A"]})))
    assert any("does not name B: they are in no population" in line for line in stranger.notes)


def test_haplotypes_that_the_manifest_names_count_without_posteriors() -> None:
    manifest = {"callable_bp": {"A": {"1": 100, "2": 100}, "B": {"1": 100, "2": 200_000}, "C": {"1": 0, "2": 0}}}
    told = contents(Found("x", CALLS, manifest | {"counts": {"haplotypes": 6}}, None, PEOPLE))
    assert [row.haplotypes for row in told.rows if row.source == "all"] == [6, 2, 4]
    assert told.what_share == "of what is callable"
    assert told.rows[0].share == pytest.approx(300_000 / 200_300)


def test_what_does_not_fit_is_left_out_by_whole_haplotypes(monkeypatch) -> None:
    monkeypatch.setattr(page_contents, "MOST_SEGMENTS", 5)
    calls = [
        Call("chr1", i * 10_000, i * 10_000 + 5_000, f"S{s}", "1", 0.9, 2, 1, "archaic", "archaic")
        for s in range(4)
        for i in range(2)
    ]
    told = contents(Found("x", calls, None, None, Populations({"P": ["S0", "S1"], "Q": ["S2", "S3"]})))
    # One of each population, with all its segments; everything else counts all.
    assert told.kept == [("S0", "1"), ("S2", "1")]
    assert any("rows are those of 2 of 4 haplotypes" in line and "4 of 8 segments" in line for line in told.notes)
    assert told.rows[0].segments == 8
    held = data(told)
    assert len(held["haplotypes"]) == 2
    assert unpack(held["chroms"][0]["segments"]["row"]).tolist() == [0, 0, 1, 1]


def test_the_page_holds_every_segment_as_it_is() -> None:
    names = [(sample, haplotype) for sample in "ABC" for haplotype in "12"]
    told = contents(Found("x", CALLS, None, windows(names, {"chr1": 400_000, "chr2": 100_000})))
    held = data(told)
    found = []
    for chrom in held["chroms"]:
        s = chrom["segments"]
        columns = [unpack(s[name]) for name in ("start", "end", "row", "posterior", "sites", "match", "source")]
        begin, number = unpack(s["names"]["begin"]), unpack(s["names"]["number"])
        for k, (start, end, row, posterior, sites, match, source) in enumerate(
            zip(*map(np.ndarray.tolist, columns), strict=True)
        ):
            name = f"{s['names']['begins'][begin[k]]}_{number[k]:04d}"
            where = tuple(held["haplotypes"][row]["name"].split())
            found.append(
                Call(chrom["name"], start, end, *where, posterior / 1e4, sites, match, held["sources"][source], name)
            )
    assert found == CALLS
    odd = [CALLS[0]._replace(name="a_1"), CALLS[1]]
    assert data(contents(Found("x", odd)))["chroms"][0]["segments"]["names"] == {"all": ["a_1", "den_0001"]}


def test_nice_sizes() -> None:
    assert [nice(size) for size in (1, 1.5, 2, 3, 999, 1000, 1001, 45_678)] == [1, 2, 2, 5, 1000, 1000, 2000, 50_000]


# --- posteriors ---------------------------------------------------------------------------------------


def test_a_window_holds_the_highest_posterior_of_its_bins(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    n, names = 5_000, [("A", "1"), ("A", "2"), ("B", "1")]
    posterior = rng.uniform(size=(3, n)).round(4)
    posterior[2, 4_000:] = np.nan
    made = PosteriorWindows()
    for first in range(0, n, 700):
        part = posterior[:, first : first + 700].astype(np.float32)
        made.add_block(PosteriorBlock("c", names, first, part, part, part, n * 1000 - 400), 1000)
    of_file = PosteriorWindows()
    lines = ["#chrom\tstart\tend\tsample\thaplotype\tposterior"]
    for b in range(n):
        end = min((b + 1) * 1000, n * 1000 - 400)
        lines += [
            f"c\t{b * 1000}\t{end}\t{s}\t{h}\t{posterior[i, b]:.4f}"
            for i, (s, h) in enumerate(names)
            if not np.isnan(posterior[i, b])
        ]
    (tmp_path / "p.tsv").write_text("\n".join(lines) + "\n")
    of_file.add_file(tmp_path / "p.tsv")
    for windows in (made, of_file):
        assert windows.haplotypes() == {("A", "1"): 4_999_600, ("A", "2"): 4_999_600, ("B", "1"): 4_000_000}
        assert windows.lengths() == {"c": 4_999_600}
        assert windows.histogram.sum() == 2 * n + 4_000
        track = windows.track("c", [("B", "1"), ("X", "1"), ("A", "1")], 1_000)
        assert track is not None
        assert track.size == 8_000
        assert track.highest.shape == (3, 625)
        np.testing.assert_array_equal(track.highest[1], 0)
        assert (track.highest[0, 500:] == 0).all()
        np.testing.assert_array_equal(
            track.highest[2], 1 + np.round(np.round(posterior[0] * 10_000) * STEPS / 10_000).reshape(-1, 8).max(axis=1)
        )


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["c\t1000\t2000\tA\t1\t0.5", "c\t0\t1000\tA\t1\t0.5"], ":3: a bin of A 1 on c begins before the one before"),
        (["c\t0\t1000\tA\t1\t0.5", "c\t0\t1000\tA\t1\t0.5"], ":3: a bin of A 1 on c begins before the one before"),
        (["c\t0\t1000\tA\t1\t0.5", "c\t1500\t2500\tA\t1\t0.5"], ":3: a bin does not lie on the grid"),
    ],
)
def test_bins_that_would_be_mixed_up_are_refused(tmp_path: Path, lines: list[str], said: str) -> None:
    (tmp_path / "p.tsv").write_text("\n".join(["#chrom\tstart\tend\tsample\thaplotype\tposterior", *lines]) + "\n")
    with pytest.raises(InputError) as error:
        PosteriorWindows().add_file(tmp_path / "p.tsv")
    assert said in str(error.value)


# --- the page -----------------------------------------------------------------------------------------


def evil() -> Found:
    calls = [
        Call(
            f"chr{EVIL}",
            0,
            50_000,
            EVIL,
            "\"'><img src=x onerror=alert(2)>",
            0.9,
            5,
            4,
            f"s{EVIL}",
            "n&amp;</script>_0001",
        ),
        Call("$$\\frac$$", 0, 50_000, "$$x$$\\(y\\)", "1", 0.9, 5, 4, "<b>", "</ScRiPt><!--_0001"),
    ]
    manifest = {
        "warnings": [f"warning: {EVIL}"],
        "left_out": ["<!--<script>"],
        "model": {"name": EVIL, "sources": [EVIL]},
    }
    return Found(f"{EVIL}.bed", calls, manifest, None, Populations({f"P{EVIL}": [EVIL], "Q": ["$$x$$\\(y\\)"]}))


@pytest.fixture(scope="module")
def evil_text() -> str:
    return page(contents(evil()))


def test_names_are_text_whatever_they_look_like(evil_text: str) -> None:
    found = Page(evil_text)
    assert [tag for tag, _ in found.tags].count("script") == 4
    assert {tag for tag, _ in found.tags} & {"img", "iframe", "b", "object", "link", "base", "embed"} == set()
    assert not any(name.startswith("on") for _, attributes in found.tags for name in attributes)
    assert any(EVIL in cell for cell in found.cells)
    # What the script reads is JSON with the names as they are, and no sign that HTML knows.
    told, document = found.scripts[:2]
    assert not set("<>&") & set(told + document)
    assert EVIL in json.loads(told)["sources"]
    # Bokeh would take them for formulas, and look for what draws these.
    assert "$$x$$" not in json.dumps(json.loads(document))


def test_the_browser_is_told_to_load_nothing_and_to_run_only_our_scripts() -> None:
    text = page(contents(Found("x", CALLS)))
    found = Page(text)
    policy = next(a["content"] for tag, a in found.tags if a.get("http-equiv") == "Content-Security-Policy") or ""
    digests = {base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in found.scripts[2:]}
    assert policy.startswith("default-src 'none'; script-src ")
    assert set(re.findall(r"'sha256-([^']+)'", policy)) == digests
    assert "unsafe-eval" not in policy
    assert not any(name in ("src", "href") and not str(a[name]).startswith("#") for _, a in found.tags for name in a)
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert style is not None
    assert "url(" not in style[1]
    assert "@import" not in style[1]


def test_the_page_can_be_heard(evil_text: str) -> None:
    found = Page(evil_text)
    tags = found.tags
    assert ("html", {"lang": "en"}) in tags
    labels = [i for i, (tag, _) in enumerate(tags) if tag == "label"]
    fields = [i for i, (tag, _) in enumerate(tags) if tag in ("input", "select")]
    assert len(labels) == len(fields) >= 6
    assert all(a.get("aria-label") for tag, a in tags if tag == "div" and a.get("role") in ("img", "group"))
    assert all("scope" in a for tag, a in tags if tag == "th")
    tables = [tag for tag, _ in tags if tag == "table"]
    assert len(tables) == [tag for tag, _ in tags].count("caption") >= 4
    levels = [int(tag[1]) for tag, _ in tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))
    identities = [a["id"] for _, a in tags if "id" in a]
    assert len(set(identities)) == len(identities)


def test_the_same_scan_gives_the_same_bytes_and_another_gives_others() -> None:
    names = [("A", "1"), ("A", "2"), ("B", "2")]
    first, again = (
        page(contents(Found("x", CALLS, None, windows(names, {"chr1": 400_000, "chr2": 100_000}), PEOPLE)))
        for _ in range(2)
    )
    assert first == again


def test_an_empty_scan_has_a_page_too() -> None:
    counts = {"segments": 4, "segment_bp": 0}
    text = page(
        contents(Found("x", [], {"expected": {"threshold": float("nan"), "precision": True}, "counts": counts}))
    )
    assert "the manifest tells of 4 segments, and the file has 0: it was changed since" in text
    assert "bp in segments, and the file has" not in text
    assert "No manifest tells what is expected" in text
    assert len(json.loads(Page(text).scripts[0])["chroms"]) == 0


# --- the run ------------------------------------------------------------------------------------------


def scanned(folder: Path) -> dict[str, Path]:
    paths = {name: folder / name for name in ("x.json", "p.tsv", "people.tsv", "truth.bed", "evidence.tsv")}
    bed(folder / "x.bed", CALLS)
    lines = ["#chrom\tstart\tend\tsample\thaplotype\tposterior"]
    for chrom, n in (("chr1", 40), ("chr2", 10)):
        for b in range(n):
            for s, h in (("A", "1"), ("A", "2"), ("B", "1"), ("B", "2")):
                inside = any(c[0] == chrom and c[3:5] == (s, h) and c[1] <= b * 10_000 < c[2] for c in CALLS)
                lines.append(f"{chrom}\t{b * 10_000}\t{(b + 1) * 10_000}\t{s}\t{h}\t{0.9 if inside else 0.05}")
    paths["p.tsv"].write_text("\n".join(lines) + "\n")
    paths["people.tsv"].write_text("sample\tpop\nA\tCEU\nB\tCHB\n")
    paths["truth.bed"].write_text(
        "chr1\t100000\t190000\tarchaic\t1000\t.\tA\t1\nchr2\t0\t60000\tarchaic\t1000\t.\tA\t2\n"
    )
    expected = {"threshold": 0.5, "precision": 0.9, "recall": 0.8, "f1": 0.85, "called": 0.1, "archaic": 0.12}
    manifest = {
        "counts": {"haplotypes": 4, "segments": 3},
        "expected": expected,
        "warnings": ["warning: look out"],
        "left_out": ["7 sites"],
    }
    paths["x.json"].write_text(json.dumps(manifest))
    rows = [stamp_line("genolstm=0;model=m;sha256=0"), header_line(evidence_columns(["nea"]))]
    for c in CALLS:
        for k in range(c.n_sites):
            kind = "supports" if k < c.n_match else "contradicts"
            rows.append(
                f"{c.chrom}\t{c.start + 1 + k}\tA\tC\t{c.name}\t{c.start}\t{c.end}\t"
                f"{c.sample}\t{c.haplotype}\tC\t0.0100\tNA\t{kind}\tC"
            )
    paths["evidence.tsv"].write_text("\n".join(rows) + "\n")
    return paths


def test_a_report_of_all_files(tmp_path: Path) -> None:
    paths = scanned(tmp_path)
    output = tmp_path / "x.html"
    given: dict[str, Any] = {"posteriors": paths["p.tsv"], "samples": paths["people.tsv"], "truth": paths["truth.bed"]}
    assert run(tmp_path / "x.bed", output, **given, evidence=paths["evidence.tsv"]) == []
    text = output.read_text()
    cells = Page(text).cells
    assert "look out" in cells
    assert "7 sites" in cells
    # The manifest beside the segments was found, and is shown.
    assert "90.0 % of what is called there is archaic (precision), and 80.0 %" in text
    assert "precision of the segments" in cells
    assert cells[cells.index("recall of the segments") + 1] == "0.9333"
    assert "all 10 sites of nea_0001; 8 support it, 2 contradict it" in cells
    assert cells[cells.index("nea_0002") + 2 :][:2] == ["0", "50,000"]
    held = json.loads(Page(text).scripts[0])
    assert [group["name"] for group in held["groups"]] == ["all haplotypes", "CEU", "CHB"]
    assert held["chroms"][1]["posteriors"]["size"] == 10_000
    assert unpack(held["chroms"][1]["truth"]["end"]).tolist() == [60_000]


def test_a_truth_is_compared_by_classes_of_the_posterior(tmp_path: Path) -> None:
    paths = scanned(tmp_path)
    run(tmp_path / "x.bed", tmp_path / "x.html", posteriors=paths["p.tsv"], truth=paths["truth.bed"])
    cells = Page((tmp_path / "x.html").read_text()).cells
    at = cells.index("truly archaic") + 2
    # 30 bins of 0.9, 90 kb and 50 kb of them true; 10 kb of chr2 were missed.
    assert cells[at : at + 6] == ["0.0500", "0.0059", "1.700", "0.9000", "0.4667", "0.300"]
    assert read_posteriors(paths["p.tsv"])["posterior"].gt(0.5).sum() == 30


def test_options_of_another_scan_are_refused(tmp_path: Path) -> None:
    paths = scanned(tmp_path)
    segments, output = tmp_path / "x.bed", tmp_path / "x.html"
    wrong = tmp_path / "wrong"
    for given, content, said in (
        (
            "evidence",
            paths["evidence.tsv"].read_text().replace("supports", "contradicts", 1),
            "has 10 sites of chr1:100000-200000 A 1, and 7 support it",
        ),
        (
            "evidence",
            paths["evidence.tsv"].read_text().replace("contradicts", "doubts", 1),
            ":11: 'doubts' is neither supports nor contradicts",
        ),
        ("evidence", "chrom\tpos\n", ":1: has not the header of evidence"),
        ("manifest", "{", "is not JSON"),
        ("manifest", "[" * 100_000, "is not JSON"),
        ("manifest", "[]", "is not a manifest"),
        ("posteriors", paths["p.tsv"].read_text().replace("chr1\t", "1\t"), "chromosome names must agree"),
        ("truth", paths["truth.bed"].read_text().replace("chr", ""), "chromosome names must agree"),
        ("truth", "#chrom\tstart\tend\tname\tscore\tstrand\tsample\thaplotype\n", "holds no tracts"),
    ):
        wrong.write_text(content)
        with pytest.raises(InputError) as error:
            run(segments, output, **{given: wrong})
        assert said in str(error.value), (given, said)
        assert not output.exists()
    with pytest.raises(SettingError, match=r"must end in \.html or \.htm"):
        run(segments, tmp_path / "x.bed.txt")
    (tmp_path / "y.bed").write_text("chr1\t0\t5\n")
    with pytest.raises(InputError, match="has not the header of segments"):
        run(tmp_path / "y.bed", output)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("\t10\t8\t", "\t10\t11\t", "has 11 matches at 10 sites"),
        ("\t10\t8\t", "\t10\tx\t", "'x' is not a number of sites"),
        ("\t10\t8\t", "\t10\t", "does not fit the header"),
        ("\t0.9000\t", "\t1.9000\t", "is not a posterior"),
        ("\tneanderthal\n", "\tall\n", "has a source called all"),
        ("\tA\t1\t", "\t A\t1\t", "begins or ends with white space"),
    ],
)
def test_segments_that_are_none_are_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = bed(tmp_path / "x.bed", CALLS)
    assert read_calls(path) == (CALLS, [])
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(InputError) as error:
        read_calls(path)
    assert said in str(error.value)
    assert ":3: " in str(error.value)


def test_without_bokeh_nothing_is_read(tmp_path: Path, monkeypatch, cli) -> None:
    import builtins

    plain = builtins.__import__

    def without(name: str, *rest: Any, **told: Any) -> Any:
        if name.split(".")[0] == "bokeh":
            raise ImportError(name)
        return plain(name, *rest, **told)

    monkeypatch.setattr(builtins, "__import__", without)
    bed(tmp_path / "x.bed", CALLS)
    found = cli("introgression", "report", tmp_path / "x.bed", "-o", tmp_path / "x.html")
    assert (found.code, found.err.count("\n")) == (1, 1)
    assert 'pip install "genolstm[report]"' in found.err


def test_a_scan_shows_sites_without_being_asked_for_evidence(
    tmp_path: Path, cli, tiny_model, region_folder: Path, monkeypatch
) -> None:
    from genolstm.runs import evidence

    words = [
        word for role in ("target", "outgroup", "archaic") for word in (f"--{role}", region_folder / f"{role}.txt")
    ]
    words += ["--vcf", region_folder / "region.vcf.gz", "--model", tiny_model, "-q"]
    shown = []
    for name, most in (("few", None), ("many", 20)):
        if most is not None:
            monkeypatch.setattr(evidence, "MOST_FOR_A_PAGE", most)
        found = cli(
            "introgression", "scan", *words, "-o", tmp_path / f"{name}.bed", "--report", tmp_path / f"{name}.html"
        )
        assert found.code == 0, found
        shown.append(Page((tmp_path / f"{name}.html").read_text()))
    segments = pd.read_csv(tmp_path / "few.bed", sep="\t", skiprows=1)
    assert len(segments) > 0
    few, many = shown
    for row in segments.itertuples():
        said = f"{row.n_sites} sites of {row.name}; {row.n_match} support it"
        assert [said in cell for cell in few.cells].count(True) == 1
    assert not any(" sites of " in cell for cell in many.cells)
    # Sites that are no longer kept are counted all the same.
    assert (tmp_path / "many.bed").read_text() == (tmp_path / "few.bed").read_text()
    assert "drawn without the file that <code>scan --evidence</code> writes" in (tmp_path / "many.html").read_text()


def test_sources_have_the_colours_of_the_track(tmp_path: Path) -> None:
    from genolstm.introgression.exports import SEVERAL_COLOUR, SOURCE_COLOURS, UNKNOWN_COLOUR
    from genolstm.report.plots import colours_of

    found = ["unknown", "a", "z|a", "z", "a|unknown"]
    calls = [CALLS[0]._replace(source=source, name=source, start=k, end=k + 10) for k, source in enumerate(found)]
    blue, vermilion = (colour.hex for colour in SOURCE_COLOURS[:2])
    assert (blue, vermilion, UNKNOWN_COLOUR.hex) == ("#0072B2", "#D55E00", "#7F7F7F")
    own = {"z": blue, "a": vermilion, "unknown": UNKNOWN_COLOUR.hex}
    for told in (
        Found("x", calls, {"model": {"sources": ["z", "a"]}}),
        # No manifest: the columns of the file tell the order.
        Found("x", calls, sources=["z", "a"]),
    ):
        shown = contents(told)
        text = page(shown)
        document = json.loads(Page(text).scripts[1])
        for kept, several in (("sources_light", SEVERAL_COLOUR.hex), ("sources_dark", "#FFFFFF")):
            colours = dict(zip(shown.sources, document[kept], strict=True))
            assert colours == own | {"z|a": several, "a|unknown": several}
        for name, colour in own.items():
            assert text.count(f'style="color: {colour}" aria-hidden="true"></span>segments: {name}<') == 2
        several = 'style="color: light-dark(#000000, #FFFFFF)" aria-hidden="true"></span>segments: several possible<'
        assert text.count(several) == 2
    # The same as in figures.
    drawn = colours_of(["z", "a", "unknown"])
    assert {name: colour for name, (_, colour) in drawn.items()} == own | {"|": SEVERAL_COLOUR.hex}
    path = tmp_path / "x.bed"
    lines = bed(path, CALLS).read_text().splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("#chrom"))
    lines = [
        *lines[:at],
        lines[at] + "\tposterior_z\tposterior_a\tposterior_unknown",
        *(line + "\t0\t0\t0" for line in lines[at + 1 :]),
    ]
    path.write_text("\n".join(lines) + "\n")
    assert read_calls(path) == (CALLS, ["z", "a"])


@pytest.mark.parametrize("weights", [False, True])
def test_a_scan_draws_the_page_that_its_files_give(
    tmp_path: Path, cli, tiny_model, region_folder: Path, weights: bool
) -> None:
    roles = [
        word for role in ("target", "outgroup", "archaic") for word in (f"--{role}", region_folder / f"{role}.txt")
    ]
    people = tmp_path / "people.tsv"
    names = (region_folder / "target.txt").read_text().split()
    people.write_text("sample\tpop\n" + "".join(f"{name}\tP{i % 2}\n" for i, name in enumerate(names)))
    # The table of samples may be a pipe, which can be read once.
    reading, writing = os.pipe()
    os.write(writing, people.read_bytes())
    os.close(writing)
    wanted = ["-o", tmp_path / "x.bed", "--posteriors", tmp_path / "p.tsv.gz", "--report", tmp_path / "scan.html"]
    wanted += ["--model", tiny_model, "--evidence", tmp_path / "e.tsv.gz", "-q"]
    # Weights read it a second time.
    wanted += ["--samples", people, "--weights"] if weights else ["--samples", f"/dev/fd/{reading}"]
    found = cli("introgression", "scan", "--vcf", region_folder / "region.vcf.gz", *roles, *wanted)
    os.close(reading)
    assert found.code == 0, found
    files = ["--posteriors", tmp_path / "p.tsv.gz", "--samples", people, "--evidence", tmp_path / "e.tsv.gz"]
    again = cli("introgression", "report", tmp_path / "x.bed", *files, "-o", tmp_path / "x.html")
    assert (again.code, again.out) == (0, "")
    assert (tmp_path / "scan.html").read_bytes() == (tmp_path / "x.html").read_bytes()
    text = (tmp_path / "x.html").read_text()
    assert f"Of {len(pd.read_csv(tmp_path / 'p.tsv.gz', sep=chr(9))):,} bins" in text
    assert [group["name"] for group in json.loads(Page(text).scripts[0])["groups"]] == [page_contents.ALL, "P0", "P1"]
    # Segments have the ids of their file, and the first ones their sites.
    cells = Page(text).cells
    ids = pd.read_csv(tmp_path / "x.bed", sep="\t", skiprows=1)["name"]
    assert len(ids) > 0
    for name in ids:
        assert name in cells
        assert [" sites of " + name in cell for cell in cells].count(True) == 1
    assert ("weight" in cells) == weights
