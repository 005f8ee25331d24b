"""Agreement of segments, against counts of single positions that share no code with it."""

from __future__ import annotations

import csv
import gzip
import shutil
import subprocess
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from genolstm.errors import InputError, SettingError
from genolstm.introgression.agreement import (
    ALL,
    COLUMNS,
    Row,
    Scope,
    Spans,
    as_spans,
    compare_map,
    compare_two,
    intersection,
)
from genolstm.introgression.evaluate import evaluate
from genolstm.introgression.peers import Calls, Level, read_calls
from genolstm.introgression.segments import Interval
from genolstm.introgression.settings import AgreementSettings
from genolstm.runs import agreement as runs

DATA = Path(__file__).parents[1] / "data" / "peers"
HMMIX = [DATA / f"CEU{i}.hap{h}.txt" for i in (0, 1) for h in (1, 2)]
DIPLOID = [DATA / f"CEU{i}.diploid.txt" for i in (0, 1)]
SETTINGS = AgreementSettings()


# --- an independent count: one flag for every single position -------------------------------------

LENGTH = 3_000_000
Flags = npt.NDArray[np.bool_]
Places = dict[tuple[str, str], Flags]


def flag(places: Places, key: tuple[str, str], start: int, end: int) -> None:
    places.setdefault(key, np.zeros(LENGTH, dtype=bool))[start:end] = True


def of_bed(path: Path, sample: int, haplotype: int | None = None) -> Places:
    found: Places = {}
    for line in path.read_text().splitlines():
        if not line.startswith("#"):
            row = line.split("\t")
            flag(found, (row[sample], "" if haplotype is None else row[haplotype]), int(row[1]), int(row[2]))
    return found


def of_hmmix(paths: list[Path]) -> Places:
    found: Places = {}
    for path in paths:
        sample, copy, _ = path.name.split(".")
        for line in path.read_text().splitlines()[1:]:
            row = line.split("\t")
            if row[4] == "Archaic":
                flag(found, (sample, copy.removeprefix("hap").replace("diploid", "")), int(row[1]), int(row[2]))
    return found


def by_sample(places: Places) -> Places:
    found: Places = {}
    for (sample, _), flags in places.items():
        found[sample, ""] = found.get((sample, ""), False) | flags
    return found


def runs_of(flags: Flags) -> list[tuple[int, int]]:
    """Return the stretches of consecutive positions."""
    padded = np.concatenate([[False], flags, [False]])
    edges = np.flatnonzero(padded[1:] != padded[:-1]).tolist()
    return list(zip(edges[::2], edges[1::2], strict=True))


def counted(a: Places, b: Places, sample: str | None = None) -> dict[str, int]:
    found = dict.fromkeys(
        ("a_bp", "b_bp", "both_bp", "a_segments", "a_touching", "a_same", "b_segments", "b_touching", "b_same"), 0
    )
    none = np.zeros(LENGTH, dtype=bool)
    for key in set(a) | set(b):
        if sample is not None and key[0] != sample:
            continue
        first, second = a.get(key, none), b.get(key, none)
        found["a_bp"] += int(first.sum())
        found["b_bp"] += int(second.sum())
        found["both_bp"] += int((first & second).sum())
        for side, ours, theirs in (("a", first, second), ("b", second, first)):
            others = runs_of(theirs)
            for start, end in runs_of(ours):
                overlaps = [(min(end, d) - max(start, c), d - c) for c, d in others]
                found[f"{side}_segments"] += 1
                found[f"{side}_touching"] += any(size > 0 for size, _ in overlaps)
                found[f"{side}_same"] += any(2 * size >= end - start and 2 * size >= long for size, long in overlaps)
    return found


def table(path: Path) -> list[dict[str, str]]:
    with path.open() as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


@pytest.fixture(scope="module")
def places() -> dict[str, Places]:
    return {
        "genolstm": of_bed(DATA / "genolstm.bed", 6, 7),
        "truth": of_bed(DATA / "truth.bed", 6, 7),
        "hmmix": of_hmmix(HMMIX),
        "diploid": of_hmmix(DIPLOID),
        "sstar": of_bed(DATA / "sstar.bed", 3),
    }


def test_real_files_agree_as_an_independent_count_says(tmp_path: Path, places: dict[str, Places]) -> None:
    diploid = [f"{path}=hmmix:diploid" for path in DIPLOID]
    said = runs.run(
        DATA / "genolstm.bed", [*HMMIX, *diploid, DATA / "sstar.bed"], tmp_path / "t.tsv", truth=DATA / "truth.bed"
    )
    rows = table(tmp_path / "t.tsv")
    levels = {("genolstm", "hmmix"): "haplotype", ("genolstm", "truth"): "haplotype", ("hmmix", "truth"): "haplotype"}
    seen = set()
    for row in rows:
        pair = row["a"], row["b"]
        level = levels.get(pair, "sample")
        assert row["level"] == level, pair
        a, b = (places[name] if level == "haplotype" else by_sample(places[name]) for name in pair)
        expected = counted(a, b, None if row["sample"] == ALL else row["sample"])
        assert {name: int(row[name]) for name in expected} == expected, pair
        either = expected["a_bp"] + expected["b_bp"] - expected["both_bp"]
        assert float(row["jaccard"]) == pytest.approx(expected["both_bp"] / either, rel=1e-5)
        assert float(row["precision"]) == pytest.approx(expected["both_bp"] / expected["a_bp"], rel=1e-5)
        assert float(row["recall"]) == pytest.approx(expected["both_bp"] / expected["b_bp"], rel=1e-5)
        assert (row["f1_low"] == "NA") == (row["kind"] != "truth" or row["sample"] != ALL)
        seen.add((*pair, row["sample"]))
    assert len(seen) == len(rows) == 10 * 3  # every two of five, in all and for two samples
    assert "compared: 2 samples (CEU0, CEU1), on 1 sequence (chr1)" in said
    assert f"{DATA / 'sstar.bed'}: is read as sstar, segments: 60, level: sample" in said
    assert any(line.startswith("genolstm and hmmix, by haplotype: Jaccard 0.247; 91.3 % of") for line in said)
    assert any("warning: loci of 1 Mb" in line for line in said)


def test_accuracy_is_that_of_evaluate() -> None:
    ours, truth = read_calls(DATA / "genolstm.bed"), read_calls(DATA / "truth.bed")
    scope = Scope(frozenset({"chr1"}), frozenset({"CEU0", "CEU1"}))
    row = compare_two(ours, truth, scope, SETTINGS, kind="truth", seed=3)[0]
    other = evaluate([(interval, 1.0) for interval in ours.intervals], truth.intervals)
    assert (row.precision, row.recall, row.f1) == pytest.approx((other.precision, other.recall, other.f1))
    assert row.f1_low is not None
    assert row.f1_high is not None
    assert row.f1_low <= row.f1 <= row.f1_high
    assert row.loci == 2


def test_population_level_is_the_union(tmp_path: Path, places: dict[str, Places]) -> None:
    bed = tmp_path / "map.bed"
    bed.write_text("chr1\t1200000\t1600000\nchr1\t1700000\t1750000\n")
    runs.run(DATA / "genolstm.bed", [bed], tmp_path / "t.tsv")
    (row,) = table(tmp_path / "t.tsv")
    union = np.any(list(places["genolstm"].values()), axis=0)
    other = np.zeros(LENGTH, dtype=bool)
    other[1_200_000:1_600_000] = other[1_700_000:1_750_000] = True
    assert (row["b"], row["level"]) == ("map", "population")
    assert [int(row[name]) for name in ("a_bp", "b_bp", "both_bp")] == [union.sum(), other.sum(), (union & other).sum()]


def test_a_coarser_level_can_be_asked_for(tmp_path: Path, places: dict[str, Places]) -> None:
    runs.run(DATA / "genolstm.bed", HMMIX, tmp_path / "t.tsv", settings=AgreementSettings(level="sample"))
    row = table(tmp_path / "t.tsv")[0]
    expected = counted(by_sample(places["genolstm"]), by_sample(places["hmmix"]))
    assert row["level"] == "sample"
    assert {name: int(row[name]) for name in expected} == expected


def test_callable_stretches_cut_base_pairs_but_not_segments(tmp_path: Path, places: dict[str, Places]) -> None:
    stretches = [(k, k + 600) for k in range(1_180_000, 1_900_000, 1000)]
    mask = tmp_path / "callable.bed"
    mask.write_text("".join(f"chr1\t{a}\t{b}\n" for a, b in stretches))
    runs.run(DATA / "genolstm.bed", HMMIX, tmp_path / "t.tsv", callable_mask=mask)
    row = table(tmp_path / "t.tsv")[0]
    inside = np.zeros(LENGTH, dtype=bool)
    for a, b in stretches:
        inside[a:b] = True
    cut = [{key: at & inside for key, at in places[name].items()} for name in ("genolstm", "hmmix")]
    expected = counted(*cut)
    assert {name: int(row[name]) for name in ("a_bp", "b_bp", "both_bp")} == {
        name: expected[name] for name in ("a_bp", "b_bp", "both_bp")
    }
    whole = [(key, *run) for key, at in places["hmmix"].items() for run in runs_of(at)]
    assert int(row["b_segments"]) == sum(any(a < end and start < b for a, b in stretches) for _, start, end in whole)


def test_random_segments_against_bedtools(tmp_path: Path) -> None:
    bedtools = shutil.which("bedtools")
    if bedtools is None:
        pytest.skip("bedtools is not installed")
    rng = np.random.default_rng(5)
    sets = []
    for name in "ab":
        starts = rng.integers(0, 100_000, 120)
        spans = as_spans(zip(starts.tolist(), (starts + rng.integers(1, 900, 120)).tolist(), strict=True))
        (tmp_path / name).write_text("".join(f"1\t{a}\t{b}\n" for a, b in zip(*spans, strict=True)))
        intervals = [Interval("1", int(a), int(b), "", "") for a, b in zip(*spans, strict=True)]
        sets.append(Calls(name, "bed", Level.POPULATION, intervals, set(), {"1"}))

    def count(*words: str) -> int:
        return len(subprocess.check_output([bedtools, "intersect", *words], cwd=tmp_path, text=True).splitlines())

    (row,) = compare_two(*sets, Scope(frozenset("1"), frozenset()), AgreementSettings(reciprocal=0.3))
    same = ["-f", "0.3", "-r", "-u"]
    assert (row.a_touching, row.b_touching) == (count("-u", "-a", "a", "-b", "b"), count("-u", "-a", "b", "-b", "a"))
    assert (row.a_same, row.b_same) == (count(*same, "-a", "a", "-b", "b"), count(*same, "-a", "b", "-b", "a"))
    assert 0 < row.a_same < row.a_touching < row.a_segments


@pytest.mark.parametrize("seed", range(20))
def test_intersections(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sets, spans = [], []
    for _ in range(2):
        starts = rng.integers(0, 60, rng.integers(0, 8)).tolist()
        pairs = [(a, a + int(rng.integers(1, 12))) for a in starts]
        flags = np.zeros(80, dtype=bool)
        for a, b in pairs:
            flags[a:b] = True
        sets.append(flags)
        spans.append(as_spans(pairs))
    both = intersection(*spans)
    assert [(int(a), int(b)) for a, b in zip(*both, strict=True)] == runs_of(sets[0] & sets[1])


# --- maps -----------------------------------------------------------------------------------------

SIZE = 10_000_000
WHOLE = {"1": as_spans([(0, SIZE)]), "2": as_spans([(0, SIZE // 2)])}
GENOME = Scope(frozenset(WHOLE), frozenset({"A", "B"}), WHOLE)


def random_spans(rng: np.random.Generator, number: int, size: int, long: int = 30_000) -> Spans:
    starts = rng.integers(0, size - long, number)
    return as_spans(zip(starts.tolist(), (starts + rng.integers(5_000, long, number)).tolist(), strict=True))


def calls_of(members: dict[tuple[str, str], Spans]) -> Calls:
    intervals = [
        Interval(chrom, int(a), int(b), sample, "1")
        for (chrom, sample), spans in members.items()
        for a, b in zip(*spans, strict=True)
    ]
    return Calls("x", "genolstm", Level.HAPLOTYPE, intervals, {"A", "B"}, set(WHOLE))


@pytest.fixture
def some() -> Calls:
    rng = np.random.default_rng(1)
    return calls_of({(chrom, sample): random_spans(rng, 60, SIZE // 2) for chrom in "12" for sample in "AB"})


def test_a_random_map_is_about_one_fold(some: Calls) -> None:
    folds, ps = [], []
    for seed in range(12):
        rng = np.random.default_rng(100 + seed)
        published = {"1": random_spans(rng, 120, SIZE), "2": random_spans(rng, 60, SIZE // 2)}
        row = compare_map(some, "m", published, GENOME, AgreementSettings(permutations=200), seed=seed)
        folds.append(row.fold)
        ps.append(row.p)
        assert row.expected_low <= row.expected <= row.expected_high
    assert 0.85 < np.mean(folds) < 1.15
    assert min(ps) > 0.001
    assert 0.2 < np.mean(ps) < 0.8


def test_a_map_of_the_calls_themselves_is_far_above(some: Calls) -> None:
    published = {chrom: as_spans((i.start, i.end) for i in some.intervals if i.chrom == chrom) for chrom in WHOLE}
    row = compare_map(some, "m", published, GENOME, AgreementSettings(permutations=200), seed=1)
    assert (row.precision, row.recall) == (1.0, 1.0)
    assert row.p == 1 / 201
    assert row.fold > 2.5


def test_shifts_are_those_of_single_positions() -> None:
    """Every shift, on a sequence short enough to turn by hand; regions with a hole are closed up."""
    scope = Scope(frozenset("1"), frozenset("A"), {"1": as_spans([(10, 40), (50, 70)])})
    ring = [*range(10, 40), *range(50, 70)]
    calls = calls_of({("1", "A"): as_spans([(5, 20), (35, 55), (68, 80)]), ("1", "B"): as_spans([(12, 15)])})
    calls.samples = {"A", "B"}
    both = Scope(scope.chroms, frozenset("AB"), scope.regions)
    published = {"1": as_spans([(0, 13), (38, 52)])}
    depth = [sum(i.start <= at < i.end for i in calls.intervals) for at in ring]
    wanted = [k for k, at in enumerate(ring) if at < 13 or 38 <= at < 52]
    sums = [sum(depth[(k + turn) % 50] for k in wanted) for turn in range(50)]
    row = compare_map(calls, "m", published, both, AgreementSettings(permutations=20_000), seed=2)
    assert (row.a_bp, row.b_bp, row.both_bp) == (sum(depth), len(wanted), sums[0])
    assert row.recall == sum(depth[k] > 0 for k in wanted) / len(wanted)
    assert row.expected * row.a_bp == pytest.approx(np.mean(sums), rel=0.01)
    assert row.p == pytest.approx(np.mean([one >= sums[0] for one in sums]), abs=0.02)
    # Of samples out of scope, nothing.
    alone = compare_map(calls, "m", published, scope, AgreementSettings(permutations=10), seed=2)
    assert alone.a_bp == row.a_bp - 3


def test_maps_in_a_run(tmp_path: Path, cli) -> None:
    genome = tmp_path / "genome.txt"
    genome.write_text("1\t3000000\n")
    known = tmp_path / "Known.bed.gz"
    known.write_bytes(gzip.compress((DATA / "truth.bed").read_bytes().split(b"\n", 1)[1]))
    words = [DATA / "genolstm.bed", *HMMIX, "--maps", known, "-o", tmp_path / "t.tsv"]
    missing = cli("introgression", "compare", *words)
    assert (missing.code, "give --genome or --callable" in missing.err) == (1, True)
    found = cli(
        "introgression", "compare", *words, "--genome", genome, "--permutations", 99, "--figure", tmp_path / "f.svg"
    )
    assert found.code == 0, found.err
    # The genome's spelling is that of everything.
    assert "genolstm: takes chr1 for 1" in found.err
    rows = {row["a"]: row for row in table(tmp_path / "t.tsv") if row["kind"] == "map"}
    assert list(rows) == ["genolstm", "hmmix"]
    assert (rows["genolstm"]["b"], rows["genolstm"]["p"], rows["genolstm"]["permutations"]) == ("Known", "0.01", "99")
    assert float(rows["genolstm"]["fold"]) > 5 > float(rows["hmmix"]["fold"]) > 1
    assert (tmp_path / "f.svg").read_text().count("Known") >= 2


def test_a_figure_of_everything(tmp_path: Path) -> None:
    published, genome = tmp_path / "Known.bed", tmp_path / "genome"
    published.write_text("chr1\t1700000\t2500000\n")
    genome.write_text("chr1\t3000000\n")
    runs.run(
        DATA / "genolstm.bed",
        [*HMMIX, DATA / "sstar.bed"],
        tmp_path / "t.tsv",
        truth=DATA / "truth.bed",
        maps=[published],
        genome=genome,
        figure=tmp_path / "f.svg",
        settings=AgreementSettings(permutations=20),
    )
    drawn = (tmp_path / "f.svg").read_text()
    rows = table(tmp_path / "t.tsv")
    # Every share of the matrix, and every fold.
    for row in rows:
        if row["sample"] != ALL:
            continue
        if row["kind"] == "map":
            assert f">{float(row['fold']):.1f}x<" in drawn
            assert f">{row['a']} in Known<" in drawn
            continue
        for share in (row["precision"], row["recall"]):
            assert f">{100 * float(share):.0f} %<" in drawn
    assert "by h: haplotype, s: sample<" in drawn
    assert ">against truth<" in drawn


# --- what is compared -----------------------------------------------------------------------------


def bed(path: Path, *rows: str) -> Path:
    path.write_text("#chrom\tstart\tend\tsample\thaplotype\n" + "".join(f"{row}\n".replace(" ", "\t") for row in rows))
    return path


def test_what_not_all_have_is_left_out_and_said(tmp_path: Path) -> None:
    ours = bed(tmp_path / "ours.bed", "1 0 100 A 1", "1 0 100 B 1", "2 0 100 A 1", "1 0 50 C 1")
    other = bed(tmp_path / "other.bed", "1 50 150 A 1", "1 0 10 B 2", "3 0 9 D 1")
    said = runs.run(ours, [other], tmp_path / "t.tsv")
    rows = table(tmp_path / "t.tsv")
    assert [(row["sample"], row["a_bp"], row["b_bp"], row["both_bp"]) for row in rows] == [
        (".", "200", "110", "50"),
        ("A", "100", "100", "50"),
        ("B", "100", "10", "0"),
    ]
    assert [line for line in said if line.startswith("warning")] == [
        "warning: genolstm: 1 sequence left out (2)",
        "warning: genolstm: 1 sample left out (C)",
        "warning: other: 1 sequence left out (3)",
        "warning: other: 1 sample left out (D)",
    ]
    names = tmp_path / "names"
    names.write_text("A\nC\n")
    for told in ("A,C", str(names)):
        said = runs.run(ours, [other], tmp_path / "t.tsv", samples=told, force=True)
        assert [row["sample"] for row in table(tmp_path / "t.tsv")] == [".", "A", "C"]
        assert "warning: other: no segment of 1 sample (C)" in said
    lengths = tmp_path / "genome"
    lengths.write_text("1\t1000\n2\t1000\n")
    runs.run(ours, [other], tmp_path / "t.tsv", genome=lengths, force=True)
    assert table(tmp_path / "t.tsv")[0]["a_bp"] == "300"
    with pytest.raises(InputError, match="no file has the sample E"):
        runs.run(ours, [other], tmp_path / "t.tsv", samples="A,E", force=True)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (["9 0 9 A 1"], "there is no sequence in common: genolstm has 1; other has 9"),
        (["1 0 9 Z 1"], "there is no sample in common: genolstm has A, B; other has Z"),
        (["1 0 9 A 0", "1 0 9 B 1"], "haplotypes of all samples 1, 2, other calls them 0, 1; compare samples: --level"),
        (["1 0 9 A h1"], "haplotypes of all samples 1, 2, other calls them h1; compare samples: --level sample"),
        (["1 0 9 A 0", "1 0 9 B 1", "1 0 9 B 3"], "haplotypes of A 1, 2, other calls them 0; compare samples: --level"),
    ],
)
def test_nothing_in_common_is_an_error(tmp_path: Path, rows: list[str], said: str) -> None:
    ours = bed(tmp_path / "ours.bed", "1 0 100 A 1", "1 0 100 A 2", "1 0 9 B 1")
    with pytest.raises(InputError, match=said):
        runs.run(ours, [bed(tmp_path / "other.bed", *rows)], tmp_path / "t.tsv")
    assert not (tmp_path / "t.tsv").exists()


def test_haplotypes_of_any_name_are_compared_if_both_call_them_so(tmp_path: Path) -> None:
    ours = bed(tmp_path / "ours.bed", "1 0 100 A a", "1 0 100 A b", "1 0 9 A c")
    runs.run(ours, [bed(tmp_path / "other.bed", "1 0 9 A c", "1 0 20 A b")], tmp_path / "t.tsv")
    row = table(tmp_path / "t.tsv")[0]
    assert (row["level"], row["both_bp"]) == ("haplotype", "29")


def test_names_and_formats(tmp_path: Path) -> None:
    ours = bed(tmp_path / "ours.bed", "1 0 100 A 1")
    (tmp_path / "b").mkdir()
    first, second = bed(tmp_path / "x.bed", "1 0 50 A 1"), bed(tmp_path / "b" / "x.bed", "1 90 100 A 1")
    with pytest.raises(InputError, match="two files are called x; name them: FILE=FORMAT:NAME"):
        runs.run(ours, [first, second], tmp_path / "t.tsv")
    runs.run(ours, [f"{first}=:both", f"{second}=genolstm:both"], tmp_path / "t.tsv")
    assert next((row["b"], row["both_bp"]) for row in table(tmp_path / "t.tsv")) == ("both", "60")
    runs.run(f"{ours}=:mine", [f"{first}=:genolstm", f"{second}=:b"], tmp_path / "t.tsv", force=True)
    assert [(row["a"], row["b"]) for row in table(tmp_path / "t.tsv") if row["sample"] == "."] == [
        ("mine", "genolstm"),
        ("mine", "b"),
        ("genolstm", "b"),
    ]
    with pytest.raises(InputError, match="is called genolstm, as another set is"):
        runs.run(ours, [f"{first}=:genolstm"], tmp_path / "t.tsv", force=True)
    with pytest.raises(SettingError, match="there is no format 'bam'"):
        runs.source("x=bam")
    # A file may have such a name itself.
    odd = bed(tmp_path / "x=hmmix", "1 0 50 A 1")
    assert runs.source(odd) == (str(odd), None, None)
    assert runs.source("y=sprime:CEU") == ("y", "sprime", "CEU")


@pytest.mark.parametrize(
    ("row", "said"),
    [("2 0 9 A 1", "is about 2, the segments are about 1"), ("1 0 9 B 1", "is about B, the segments are about A")],
)
def test_a_truth_of_something_else(tmp_path: Path, row: str, said: str) -> None:
    ours, other = bed(tmp_path / "ours.bed", "1 0 100 A 1"), bed(tmp_path / "other.bed", "1 0 9 A 1")
    with pytest.raises(InputError, match=said):
        runs.run(ours, [other], tmp_path / "t.tsv", truth=bed(tmp_path / "truth.bed", row))


def test_a_truth_of_more_is_cut_to_what_is_compared(tmp_path: Path) -> None:
    ours, other = (
        bed(tmp_path / "ours.bed", "1 0 90 A 1", "1 0 9 B 1"),
        bed(tmp_path / "o.bed", "1 0 9 A 1", "1 0 9 B 1"),
    )
    truth = bed(tmp_path / "truth.bed", "1 0 50 A 1", "1 0 50 C 1", "2 0 50 A 1")
    said = runs.run(ours, [other], tmp_path / "t.tsv", truth=truth)
    assert [line for line in said if line.startswith("warning: truth")] == [
        "warning: truth: 1 sequence left out (2)",
        "warning: truth: 1 sample left out (C)",
    ]
    row = next(row for row in table(tmp_path / "t.tsv") if row["kind"] == "truth")
    # What is called in B, which has no true tract, is wrong.
    assert [row[name] for name in ("a", "a_bp", "b_bp", "both_bp")] == ["genolstm", "99", "50", "50"]


def test_a_set_without_segments_is_compared(tmp_path: Path) -> None:
    header = "chrom\tstart\tend\tlength\tstate\tmean_prob\tsnps\n"
    for h in (1, 2):
        (tmp_path / f"A.hap{h}.txt").write_text(f"{header}1\t0\t9000\t9000\tHuman\t.9\t1\n")
    ours = bed(tmp_path / "ours.bed", "1 0 100 A 1")
    runs.run(ours, [tmp_path / f"A.hap{h}.txt" for h in (1, 2)], tmp_path / "t.tsv")
    row = table(tmp_path / "t.tsv")[0]
    assert (row["b_bp"], row["precision"], row["recall"], row["jaccard"], row["f1"]) == ("0", "0", "NA", "0", "0")


def test_the_table_is_read_as_it_is(tmp_path: Path) -> None:
    import pandas as pd

    runs.run(DATA / "genolstm.bed", HMMIX, tmp_path / "t.tsv")
    frame = pd.read_csv(tmp_path / "t.tsv", sep="\t")
    assert tuple(frame.columns) == COLUMNS == tuple(Row.__dataclass_fields__)
    assert frame["jaccard"].dtype == float
    assert frame["fold"].isna().all()


def test_a_command_is_reproducible(tmp_path: Path, cli) -> None:
    genome, published = tmp_path / "genome", tmp_path / "map.bed"
    genome.write_text("chr1\t3000000\n")
    published.write_text("chr1\t1700000\t2500000\n")
    words = [DATA / "genolstm.bed", *HMMIX, "--truth", DATA / "truth.bed", "--maps", published, "--genome", genome]
    texts = []
    for seed in (1, 1, 2):
        found = cli("introgression", "compare", *words, "--permutations", 50, "--seed", seed, "-q")
        assert (found.code, found.err) == (
            0,
            "warning: loci of 1 Mb with a segment or tract: 2; the intervals say little\n",
        )
        texts.append(found.out)
    assert texts[0] == texts[1] != texts[2]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--min-score", "hmmix"], "--min-score hmmix is not of the form FORMAT=NUMBER"),
        (["--min-length", "hmmix=1.5"], "--min-length hmmix=1.5 is not of the form FORMAT=NUMBER"),
        (["--sample", "x="], "--sample x= is not of the form FILE=SAMPLE"),
        (["--min-score", "bed=1", "--min-score", "bed=2"], "--min-score is given twice for bed"),
    ],
)
def test_usage(cli, words: list[str], said: str) -> None:
    found = cli("introgression", "compare", "a", "b", *words)
    assert found.code == 2
    assert said in found.err


def test_settings_that_name_nothing(tmp_path: Path) -> None:
    from genolstm.introgression.peers import Reading

    ours = bed(tmp_path / "ours.bed", "1 0 100 A 1")
    for reading, said in (
        (Reading(samples={"no": "A"}), "a sample is given for no, which is not among the files"),
        (Reading(least_length={"bam": 1}), "there is no format 'bam'"),
    ):
        with pytest.raises(SettingError, match=said):
            runs.run(ours, [DATA / "truth.bed"], tmp_path / "t.tsv", reading=reading)
    with pytest.raises(SettingError, match="exclude each other"):
        runs.run(
            ours, [DATA / "truth.bed"], tmp_path / "t.tsv", genome=DATA / "sstar.bed", callable_mask=DATA / "x.bed"
        )
