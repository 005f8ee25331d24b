"""``genolstm introgression`` from the command line: what it prints, writes and refuses."""

from __future__ import annotations

import gzip
import inspect
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from support import DATA, EXAMPLE, Result
from support.introgression import tiny_bundle, vcf_text

from genolstm.introgression.channels import CHANNELS
from genolstm.introgression.formats import POSTERIOR_COLUMNS, SEGMENT_COLUMNS, source_columns
from genolstm.introgression.peers import Reading
from genolstm.introgression.settings import (
    NETWORK,
    TRAINING,
    AgreementSettings,
    IntrogressionTraining,
    ScanSettings,
    SimulatedSource,
    SimulationLimits,
    SimulationSettings,
    TrackSettings,
    VariantSettings,
)
from genolstm.lstm.bundle.bundle import Bundle, find_bundle, save_bundle
from genolstm.lstm.train.settings import TrainingSettings

Cli = Callable[..., Result]
ROLES = ("target", "outgroup", "archaic")


def fasta_door(folder: Path, panels=None, query: str = "query.fa.gz") -> list[object]:
    panels = panels or {role: folder / f"{role}.panel" for role in ("archaic", "outgroup")}
    return [folder / query, "--archaic", panels["archaic"], "--outgroup", panels["outgroup"]]


def vcf_door(folder: Path, vcf: str = "region.vcf.gz") -> list[object]:
    lists = [part for role in ROLES for part in (f"--{role}", folder / f"{role}.txt")]
    return ["--vcf", folder / vcf, *lists]


def read_table(path: Path) -> pd.DataFrame:
    stamped = int(path.name.endswith(".bed"))
    table = pd.read_csv(path, sep="\t", skiprows=stamped, dtype={"sample": str, "haplotype": str})
    return table.rename(columns={"#chrom": "chrom"})


def measures(text: str) -> dict[str, float]:
    rows = (line.split("\t") for line in text.splitlines()[1:])
    return {row[0]: float(row[1]) for row in rows}


# --- the example --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def example_scan(tmp_path_factory) -> dict[str, Path]:
    """Both doors of the shipped model on the example, with every output."""
    from genolstm.cli import main

    folder = tmp_path_factory.mktemp("example")
    for door, source in (("fasta", fasta_door(EXAMPLE)), ("vcf", vcf_door(EXAMPLE))):
        out = [folder / f"{door}.{suffix}" for suffix in ("bed", "tsv.gz", "bedgraph")]
        args = ["introgression", "scan", *source, "-q", "-o", out[0], "--posteriors", out[1], "--bedgraph", out[2]]
        main([str(arg) for arg in args])
    return {path.name: path for path in folder.iterdir()}


def test_every_output_is_there_and_no_other(example_scan) -> None:
    assert sorted(example_scan) == [
        f"{door}.{suffix}" for door in ("fasta", "vcf") for suffix in ("bed", "bedgraph", "json", "tsv.gz")
    ]


@pytest.mark.parametrize("door", ["fasta", "vcf"])
def test_segments_are_bed(example_scan, door: str) -> None:
    path = example_scan[f"{door}.bed"]
    lines = path.read_text().splitlines()
    digest = Bundle.open(find_bundle("archaic")).digest
    made = f"genolstm={version('genolstm')};model=archaic;sha256={digest[:12]}"
    assert lines[:2] == [f"##{made}", "#" + "\t".join((*SEGMENT_COLUMNS, *OF_SOURCES))]
    assert len(lines) > 5
    table = read_table(path)
    assert set(table["chrom"]) == {"chr21"}
    assert table["name"].is_unique
    begins = {"archaic": "arc", "unknown": "unk", "archaic|unknown": "mix"}
    assert (table["name"].str.partition("_")[0] == table["source"].map(begins)).all()
    bp = (table["end"] - table["start"]).groupby(table["source"]).sum()
    assert bp["archaic"] > 0.5 * bp.sum()
    assert set(table["strand"]) == {"."}
    assert set(table["sample"]) <= {"CEU0", "CEU1", "CEU2"}
    assert set(table["haplotype"]) <= {"1", "2"}
    assert table["start"].is_monotonic_increasing
    assert (table["start"] >= 0).all()
    assert (table["end"] <= 600_000).all()
    assert (table["start"] < table["end"]).all()
    assert (table["score"] - 1000 * table["posterior"]).abs().max() <= 0.56
    threshold = json.loads(example_scan[f"{door}.json"].read_text())["settings"]["threshold"]
    assert (table["posterior"] >= threshold).all()
    assert (table["n_match"] <= table["n_sites"]).all()
    assert table["n_match"].sum() > 50
    # On one haplotype, segments do not touch.
    for _, group in table.groupby(["sample", "haplotype"]):
        assert (group["start"].to_numpy()[1:] > group["end"].to_numpy()[:-1]).all()


@pytest.mark.parametrize("door", ["fasta", "vcf"])
def test_posteriors_are_of_every_bin(example_scan, door: str) -> None:
    table = read_table(example_scan[f"{door}.tsv.gz"])
    assert tuple(table.columns) == (*POSTERIOR_COLUMNS, *OF_SOURCES)
    assert (table[list(OF_SOURCES)].sum(axis=1) - table["posterior"]).abs().max() < 2e-4
    assert len(table) == 6 * 600
    assert table["start"].is_monotonic_increasing
    assert table["posterior"].between(0, 1).all()
    for _, group in table.groupby(["sample", "haplotype"]):
        assert group["start"].tolist() == list(range(0, 600_000, 1000))
        assert (group["end"] - group["start"]).tolist() == [1000] * 600
    # The bedGraph says the same in fewer lines.
    values: dict[str, np.ndarray] = {}
    name = ""
    for line in example_scan[f"{door}.bedgraph"].read_text().splitlines():
        if line.startswith("track"):
            name = line.split('"')[1]
            values[name] = np.full(600, np.nan)
            continue
        chrom, start, end, value = line.split("\t")
        assert chrom == "chr21"
        values[name][int(start) // 1000 : int(end) // 1000] = float(value)
    assert len(values) == 6
    for (sample, haplotype), group in table.groupby(["sample", "haplotype"]):
        found = values[f"{sample} haplotype {haplotype}"]
        np.testing.assert_allclose(found, group["posterior"], atol=6e-4)


@pytest.mark.parametrize("door", ["fasta", "vcf"])
@pytest.mark.parametrize("ranked", ["segments", "posteriors"])
def test_the_example_is_found(cli: Cli, example_scan, door: str, ranked: str) -> None:
    args: list[object] = [example_scan[f"{door}.bed"], EXAMPLE / "truth.bed"]
    if ranked == "posteriors":
        args += ["--posteriors", example_scan[f"{door}.tsv.gz"]]
    code, out, err = cli("introgression", "evaluate", *args)
    assert (code, err) == (0, "")
    found = measures(out)
    assert found[f"AP ({ranked})"] >= 0.85
    assert found["F1 of the segments"] >= 0.8
    if ranked == "posteriors":
        assert found["expected calibration error"] < 0.05


def test_doors_write_the_same_posteriors(example_scan) -> None:
    fasta, vcf = (read_table(example_scan[f"{door}.tsv.gz"]) for door in ("fasta", "vcf"))
    keys = ["chrom", "start", "end", "sample", "haplotype"]
    pd.testing.assert_frame_equal(fasta[keys], vcf[keys])
    gap = (fasta["posterior"] - vcf["posterior"]).abs()
    assert gap.mean() < 0.005
    assert (gap > 0.1).mean() < 0.01


def test_the_baseline_is_worse_and_works(cli: Cli, tmp_path: Path) -> None:
    bed = tmp_path / "hmm.bed"
    code, out, err = cli("introgression", "scan", *vcf_door(EXAMPLE), "--baseline", "hmm", "-o", bed, "-q")
    assert (code, out, err) == (0, "", "")
    found = measures(cli("introgression", "evaluate", bed, EXAMPLE / "truth.bed").out)
    assert 0.2 < found["AP (segments)"] < 0.9


# --- output -------------------------------------------------------------------------------------


@pytest.fixture
def scan_args(region_folder: Path, panels, tiny_model) -> dict[str, list[object]]:
    fasta = fasta_door(region_folder, panels, "target.fa.gz")
    model = ["--model", tiny_model, "--baseline", "hmm"]
    return {
        "fasta": ["introgression", "scan", *fasta, *model],
        "vcf": ["introgression", "scan", *vcf_door(region_folder), *model],
    }


@pytest.mark.parametrize("door", ["fasta", "vcf"])
def test_stdout_is_data_and_stderr_the_rest(cli: Cli, scan_args, tmp_path: Path, door: str) -> None:
    path = tmp_path / "x.bed"
    code, out, err = cli(*scan_args[door], "-o", path)
    assert (code, out) == (0, "")
    lines = path.read_text().splitlines()
    segments = len(lines) - 2
    of_sources = len({line.split("\t")[11] for line in lines[2:]})
    scanned, model, found, *rest = err.splitlines()
    by_source, left_out = rest[:of_sources], rest[of_sources:]
    assert scanned == "scanned 6 haplotypes, 1.44 Mb in all, 100.0 % callable"
    assert re.fullmatch(r"model tiny \(sha256 [0-9a-f]{12}\), baseline hmm, threshold 0\.5", model)
    assert found.startswith(f"{segments} segments, ")
    assert (
        sum(int(re.search(r": (\d+) segments?, .* % of what is callable; median ", line)[1]) for line in by_source)
        == segments
    )
    assert left_out.pop(0).startswith("whether the data are like those of training cannot be told: ")
    assert len(left_out) == (1 if door == "vcf" else 0)
    if door == "vcf":
        assert "677 sites in 677 records" in err
    code, out, err = cli(*scan_args[door], "-o", "-", "-q")
    assert (code, err) == (0, "")
    assert out == path.read_text()


def test_the_same_scan_is_the_same_bytes(cli: Cli, scan_args, tmp_path: Path) -> None:
    for name, threads in (("a", 1), ("b", 3)):
        folder = tmp_path / name
        folder.mkdir()
        code, _, _ = cli(
            *scan_args["fasta"],
            "-o",
            folder / "x.bed.gz",
            "--posteriors",
            folder / "p.tsv.gz",
            "--bedgraph",
            folder / "p.bedgraph",
            "-t",
            threads,
        )
        assert code == 0
    names = [p.name for p in sorted((tmp_path / "a").iterdir())]
    assert names == ["p.bedgraph", "p.tsv.gz", "x.bed.gz", "x.json"]
    for name in names[:3]:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    one, other = (json.loads((tmp_path / name / "x.json").read_text()) for name in "ab")
    for account in (one, other):
        del account["created"], account["command"]
    assert one == other


def test_thresholds_and_lengths(cli: Cli, scan_args, tmp_path: Path) -> None:
    def spans(*options: object) -> list[int]:
        code, out, _ = cli(*scan_args["vcf"], "-o", "-", "-q", *options)
        assert code == 0
        rows = [line.split("\t") for line in out.splitlines()[2:]]
        return [int(row[2]) - int(row[1]) for row in rows]

    default = spans()
    assert len(default) > 3
    assert sum(spans("--threshold", 0.99)) < sum(default) < sum(spans("--threshold", 0.01))
    least = sorted(default)[1]
    assert sorted(spans("--min-length", least)) == sorted(n for n in default if n >= least)


def test_masks_reach_the_scan(cli: Cli, scan_args, tmp_path: Path) -> None:
    mask = tmp_path / "mask.bed"
    mask.write_text("chr1\t0\t120000\n")
    for option, kept in (("--callable", range(119)), ("--exclude", range(120, 240))):
        out = tmp_path / "p.tsv"
        code, _, err = cli(*scan_args["vcf"], "-o", tmp_path / "x.bed", "--posteriors", out, option, mask, "--force")
        assert code == 0, err
        table = read_table(out)
        inside = table[table["start"].isin([b * 1000 for b in kept])]
        outside = table[~table["start"].isin([b * 1000 for b in range(118, 122)])].drop(inside.index, errors="ignore")
        # Where nothing may be counted, nothing tells haplotypes apart.
        far = outside[(outside["start"] - 120_000).abs() > 60_000]
        assert far.groupby("start")["posterior"].std().max() < 0.05
        assert inside.groupby("start")["posterior"].std().max() > 0.3


def test_one_chromosome(cli: Cli, scan_args, tmp_path: Path) -> None:
    code, out, _ = cli(*scan_args["vcf"], "-o", "-", "-q", "--chrom", "chr1")
    assert code == 0
    assert out.count("\n") > 3


def test_force(cli: Cli, scan_args, tmp_path: Path) -> None:
    names = ("x.bed", "p.tsv.gz", "p.bedgraph", "x.json")
    paths = [tmp_path / name for name in names]
    outputs = ["-o", paths[0], "--posteriors", paths[1], "--bedgraph", paths[2]]
    for path in paths:
        path.write_text("mine")
        code, out, err = cli(*scan_args["vcf"], *outputs)
        assert (code, out) == (1, "")
        assert err == f"{path}: already exists; use --force to replace it\n"
        assert sorted(tmp_path.iterdir()) == [path]
        assert path.read_text() == "mine"
        path.unlink()
    for path in paths:
        path.write_text("mine")
    assert cli(*scan_args["vcf"], *outputs, "--force").code == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(names)
    assert all(path.read_bytes() != b"mine" for path in paths)


# --- evaluation ---------------------------------------------------------------------------------


def test_the_table_of_an_evaluation(cli: Cli, tmp_path: Path) -> None:
    inputs = [DATA / "eval_segments.bed", DATA / "eval_truth.bed"]
    posteriors = ["--posteriors", DATA / "eval_posteriors.tsv"]
    for name, options in (("evaluation.txt", []), ("evaluation_posteriors.txt", posteriors)):
        code, out, err = cli("introgression", "evaluate", *inputs, *options)
        assert (code, err) == (0, "")
        assert out == (DATA / name).read_text()
        path = tmp_path / name
        assert cli("introgression", "evaluate", *inputs, *options, "-o", path) == (0, "", "")
        assert path.read_text() == out
        code, out, _ = cli("introgression", "evaluate", *inputs, *options, "--json")
        found = json.loads(out)
        table = measures((DATA / name).read_text())
        assert found["f1"] == pytest.approx(table["F1 of the segments"], abs=1e-4)
        assert found["ap"] == pytest.approx(table[f"AP ({found['ranked_by']})"], abs=1e-4)
        assert [row["sample"] for row in found["per_haplotype"]] == ["S", "S"]


def test_the_seed_of_an_evaluation(cli: Cli) -> None:
    args = [
        "introgression",
        "evaluate",
        DATA / "eval_segments.bed",
        DATA / "eval_truth.bed",
        "--posteriors",
        DATA / "eval_posteriors.tsv",
        "--json",
        "--seed",
    ]
    one, two = (json.loads(cli(*args, seed).out) for seed in (1, 2))
    assert one["ap"] == two["ap"]
    assert one["ap_interval"] != two["ap_interval"]


TRUTH_OF_SOURCES = """#chrom\tstart\tend\tname\tscore\tstrand\tsample\thaplotype\tsource
chr1\t100000\t400000\tnea\t1000\t.\tS\t1\tnea
chr1\t500000\t600000\tden\t1000\t.\tS\t1\tden
chr1\t700000\t720000\tden\t1000\t.\tS\t1\tden
chr1\t800000\t900000\tgho\t1000\t.\tS\t2\tgho
"""
CALLS_OF_SOURCES = """#chrom\tstart\tend\tname\tscore\tstrand\tsample\thaplotype\tposterior\tn_sites\tn_match\t{}
chr1\t90000\t390000\tnea\t900\t.\tS\t1\t0.9\t5\t5\tnea\t0.9\t0\t0
chr1\t500000\t550000\tden\t900\t.\tS\t1\t0.8\t5\t5\tden\t0\t0.8\t0
chr1\t550000\t570000\tnea|den\t900\t.\tS\t1\t0.7\t5\t5\tnea|den\t0.4\t0.3\t0
chr1\t570000\t580000\tnea\t900\t.\tS\t1\t0.7\t5\t5\tnea\t0.7\t0\t0
chr1\t700000\t720000\tnea\t900\t.\tS\t1\t0.6\t5\t5\tnea\t0.6\t0\t0
chr1\t800000\t860000\tunknown\t900\t.\tS\t2\t0.5\t5\t0\tunknown\t0\t0\t0.5
"""


def test_an_evaluation_by_source(cli: Cli, tmp_path: Path) -> None:
    truth, calls = tmp_path / "t.bed", tmp_path / "s.bed"
    truth.write_text(TRUTH_OF_SOURCES)
    calls.write_text(CALLS_OF_SOURCES.format("source\tposterior_nea\tposterior_den\tposterior_unknown"))
    code, out, err = cli("introgression", "evaluate", calls, truth)
    assert (code, err) == (0, "")
    found = measures(out)
    # Of 300 kb, 290 kb are called nea; 10 kb elsewhere and 30 kb in tracts of den, too.
    assert found["nea: recall of the segments"] == pytest.approx(290 / 300, abs=1e-4)
    assert found["nea: precision of the segments"] == pytest.approx(290 / 330, abs=1e-4)
    assert found["den: precision of the segments"] == 1
    assert found["den: recall of the segments"] == pytest.approx(50 / 120, abs=1e-4)
    # A ghost is rightly called unknown. Names of several sources are nobody's.
    assert (found["unknown: precision of the segments"], found["unknown: recall of the segments"]) == (1, 0.6)
    long = "of called bp in 3 tracts of 30 kb and more"
    shares = [found[f"{kind} name, {long}"] for kind in ("right", "ambiguous", "wrong")]
    assert shares == pytest.approx([(290 + 50 + 60) / 430, 20 / 430, 10 / 430], abs=1e-4)
    assert found["bp in den tracts of 30 kb and more, called nea|den"] == 20_000
    assert found["bp in den tracts of 30 kb and more, not called"] == 20_000
    assert found["bp in gho tracts of 30 kb and more, called unknown"] == 60_000
    assert found["bp outside all tracts, called nea"] == 10_000
    whole = json.loads(cli("introgression", "evaluate", calls, truth, "--json").out)
    assert list(whole["by_source"]) == ["den", "nea", "unknown"]
    assert whole["by_source"]["den"]["recall"] == pytest.approx(50 / 120)
    assert whole["naming"]["confusion"]["nea"]["not called"] == 10_000
    assert whole["naming"]["least_length"] == 30_000


def test_sources_that_only_one_file_names(cli: Cli, tmp_path: Path) -> None:
    truth, calls = tmp_path / "t.bed", tmp_path / "s.bed"
    named = CALLS_OF_SOURCES.format("source\tposterior_nea\tposterior_den\tposterior_unknown")
    truth.write_text(TRUTH_OF_SOURCES)
    for text, said in [
        (named.replace("source", "other"), "warning: the truth names sources, the segments do not\n"),
        (
            named.replace("nea", "archaic").replace("den", "altai"),
            "warning: no source of the truth (den, gho, nea) is one of the segments (altai, archaic): "
            "sources are not compared\n",
        ),
    ]:
        calls.write_text(text)
        code, out, err = cli("introgression", "evaluate", calls, truth)
        assert (code, err) == (0, said)
        assert "name, of called bp" not in out
    calls.write_text(named)
    truth.write_text(TRUTH_OF_SOURCES.replace("\tsource\n", "\tother\n"))
    code, out, err = cli("introgression", "evaluate", calls, truth, "--json")
    assert (code, err, json.loads(out)["by_source"]) == (0, "", {})


def test_no_introgression_at_all(cli: Cli, tmp_path: Path) -> None:
    header = (DATA / "eval_truth.bed").read_text().splitlines(keepends=True)[0]
    none, empty = tmp_path / "none.bed", tmp_path / "empty.bed"
    none.write_text(header)
    empty.write_text("")
    inputs = [DATA / "eval_segments.bed", none, "--posteriors", DATA / "eval_posteriors.tsv"]
    code, out, err = cli("introgression", "evaluate", *inputs, "--no-introgression")
    assert (code, err) == (0, "")
    found = measures(out)
    assert found["falsely called bp"] == found["called bp"] == 910_000
    assert found["called fraction on 2 haplotypes without tracts"] == pytest.approx(0.1517, abs=1e-4)
    assert found["archaic fraction, true"] == 0
    assert found["archaic fraction, mean posterior"] > 0.1
    assert not {"best F1", "recall of the segments", "called over true"} & set(found)
    whole = json.loads(cli("introgression", "evaluate", *inputs, "--no-introgression", "--json").out)
    assert whole["recall"] is whole["ap"] is whole["called_over_true"] is None
    assert whole["false_bp"] == 910_000
    # Only if it is said, and only of a file that says so itself.
    for path, options, said in [
        (none, [], f"{none}: holds no tracts; if there is none to find, say --no-introgression"),
        (empty, [], f"{empty}: is empty"),
        (empty, ["--no-introgression"], f"{empty}: is empty"),
        (
            DATA / "eval_truth.bed",
            ["--no-introgression"],
            f"{DATA / 'eval_truth.bed'}:2: holds a tract, in spite of --no-introgression",
        ),
    ]:
        result = cli("introgression", "evaluate", inputs[0], path, *options)
        assert (result.code, result.out, result.err) == (1, "", said + "\n")


# --- bad input ----------------------------------------------------------------------------------


def check_refusal(result: Result, message: str, folder: Path, files: set[str]) -> None:
    """One line on stderr, exit 1, and nothing left behind, in part or whole."""
    assert result.err.count("\n") == 1, result.err
    assert result.err.startswith(message), result.err
    assert (result.code, result.out) == (1, "")
    assert {p.name for p in folder.rglob("*") if p.is_file()} == files


DNA = b"ACGTTGCAAC" * 120
QUERIES = {
    "empty": ("q.fa", b"", ": is empty, a FASTA or FASTQ file is needed"),
    "blank": ("q.fa", b"\n \n", ": is empty, a FASTA or FASTQ file is needed"),
    "no header": ("q.fa", DNA, ":1: no FASTA or FASTQ header"),
    "VCF": ("q.fa", b"##fileformat=VCFv4.2\n", ": is a VCF, not FASTA or FASTQ; a scan takes it with --vcf"),
    "protein": ("q.fa", b">p#1#c\nMELFQWERTY\n", ":2: p#1#c: looks like protein, not DNA"),
    "not dna": ("q.fa", b">p#1#c\n" + DNA + b"\nAC!T\n", ":3: p#1#c: '!' is not a DNA letter"),
    "binary": ("q.fa", b"\x7fELF\x02\x01\x00\x00", ": looks like binary data"),
    "binary in a record": ("q.fa", b">a#1#c\nACGT\x00\x01\n", ":2: a#1#c: looks like binary"),
    "truncated gz": ("q.fa.gz", gzip.compress(b">a#1#c\n" + DNA)[:-9], ": ends in the middle"),
    "damaged gz": ("q.fa.gz", gzip.compress(b">a#1#c\n" + DNA)[:30] + b"\xff" * 30, ": "),
    "duplicate": ("q.fa", b">a#1#c\n%b\n>a#1#c\n%b\n" % (DNA, DNA), ":3: a#1#c: the name occurs"),
    "duplicate haplotype": (
        "q.fa",
        b">a#1#c\n%b\n>a_hap1_c\n%b\n" % (DNA, DNA),
        ":3: a_hap1_c: the haplotype a 1 of c",
    ),
    "zero length": ("q.fa", b">a#1#c\n>b#1#c\n%b\n" % DNA, ":1: a#1#c: the record has no bases"),
    "shorter than k": ("q.fa", b">a#1#c\n%b\n>b#1#c\nACGT\n" % DNA, ":3: b#1#c: is 4 bp, shorter"),
    "shorter than a bin": ("q.fa", b">a#1#c\n%b\n>b#1#c\n%b\n" % (DNA, DNA[:999]), ":3: b#1#c: is 999 bp, shorter"),
    "no name": ("q.fa", b">a#1#c\n%b\n>\n%b\n" % (DNA, DNA), ":3: the header has no name"),
    "apart": (
        "q.fa",
        b">a#1#c\n%b\n>b#1#c\n%b\n>a#1#d\n%b\n" % (DNA, DNA, DNA),
        ":5: a#1#d: the records of the haplotype a 1 are not consecutive",
    ),
    "missing": ("q.fa", None, ": no such file"),
}


@pytest.mark.parametrize("case", QUERIES)
def test_bad_queries(cli: Cli, panels, tiny_model, tmp_path: Path, case: str) -> None:
    name, content, message = QUERIES[case]
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    result = cli(
        "introgression",
        "scan",
        *fasta_door(tmp_path, panels, name),
        "--model",
        tiny_model,
        "-o",
        tmp_path / "x.bed",
        "--posteriors",
        tmp_path / "p.tsv.gz",
        "--bedgraph",
        tmp_path / "p.bg",
    )
    check_refusal(result, f"{path}{message}", tmp_path, set() if content is None else {name})


PANELS = {
    "empty": (lambda good: b"", "is empty, a k-mer panel is needed"),
    "fasta": (lambda good: b">a\n" + DNA, "is not a k-mer panel"),
    "short": (lambda good: good[:60], "is a truncated panel"),
    "truncated": (lambda good: good[:-1000], "is truncated"),
    "tampered": (lambda good: good[:5000] + bytes([good[5000] ^ 1]) + good[5001:], "is damaged"),
    "tampered header": (lambda good: good.replace(b'"k":31', b'"k":29', 1), "is damaged"),
    "followed": (lambda good: good + b"x", "is followed by foreign data"),
    "another k": (None, "holds 21-mers where 31-mers are needed"),
    "missing": (None, "no such file"),
    "folder": (None, "is a folder, a panel is needed"),
}


@pytest.mark.parametrize("role", ["archaic", "outgroup"])
@pytest.mark.parametrize("case", PANELS)
def test_bad_panels(cli: Cli, region_folder: Path, panels, tiny_model, tmp_path: Path, case: str, role: str) -> None:
    make, message = PANELS[case]
    bad = tmp_path / "bad.panel"
    if make is not None:
        bad.write_bytes(make(panels[role].read_bytes()))
    elif case == "another k":
        from genolstm.sequences.panel.build import build_panel
        from genolstm.sequences.panel.settings import PanelSettings

        build_panel([region_folder / "archaic.fa.gz"], PanelSettings(k=21), threads=1).save(bad)
    elif case == "folder":
        bad.mkdir()
    files = {"bad.panel"} if bad.is_file() else set()
    result = cli(
        "introgression",
        "scan",
        *fasta_door(region_folder, {**panels, role: bad}, "target.fa.gz"),
        "--model",
        tiny_model,
        "-o",
        tmp_path / "x.bed",
        "--posteriors",
        tmp_path / "p.tsv.gz",
    )
    check_refusal(result, f"{bad}: {message}", tmp_path, files)


MODELS = {
    "empty": (lambda good: b"", "is not a GenoLSTM model bundle"),
    "text": (lambda good: b"model", "is not a GenoLSTM model bundle"),
    "truncated": (lambda good: good[: len(good) // 2], "the model bundle is damaged or truncated"),
    "cut": (lambda good: good[:-1], "the model bundle is damaged or truncated"),
    "tampered": (
        lambda good: good[:900] + bytes([good[900] ^ 4]) + good[901:],
        "the model bundle is damaged or was changed",
    ),
    "missing": (None, "no such model bundle; shipped models: "),
    "other kind": ({"kind": "text"}, "is a model for text, one for introgression is needed"),
    "other channels": (
        {"channels": [*CHANNELS[:-1], "depth"]},
        "the model reads 43 channels, the data has 43; only the model: depth; only the data: target_size",
    ),
    "no k": ({"k": None}, "lacks or misstates 'k'"),
}


@pytest.mark.parametrize("case", MODELS)
def test_bad_models(cli: Cli, region_folder: Path, panels, tiny_model, tmp_path: Path, case: str) -> None:
    change, message = MODELS[case]
    bad = tmp_path / "bad.genolstm"
    if callable(change):
        bad.write_bytes(change(tiny_model.read_bytes()))
    elif change == {"kind": "text"}:
        good = Bundle.open(tiny_model)
        save_bundle(bad, kind="text", members={"model.onnx": good.onnx}, metadata=good.metadata)
    elif change is not None:
        tiny_bundle(bad, **change)
    files = {"bad.genolstm"} if bad.is_file() else set()
    for door in (fasta_door(region_folder, panels, "target.fa.gz"), vcf_door(region_folder)):
        result = cli("introgression", "scan", *door, "--model", bad, "-o", tmp_path / "x.bed")
        check_refusal(result, f"{bad}: {message}", tmp_path, files)


def test_a_model_of_another_k_needs_panels_of_it(cli: Cli, region_folder: Path, panels, tmp_path: Path) -> None:
    from genolstm.introgression.tracks import TrackSettings

    model = tiny_bundle(tmp_path / "k21.genolstm", settings=TrackSettings(21, 500))
    result = cli(
        "introgression",
        "scan",
        *fasta_door(region_folder, panels, "target.fa.gz"),
        "--model",
        model,
        "-o",
        tmp_path / "x.bed",
    )
    message = f"{panels['archaic']}: holds 31-mers where 21-mers are needed\n"
    check_refusal(result, message, tmp_path, {"k21.genolstm"})


NAMES = ["t1", "o1", "a1"]
CALLS = ["0|1", "0|0", "1|1"]


def calls(*genotypes: str, position: int = 9, chrom: str = "chr1", ref="A", alt="G"):
    return chrom, position, ref, alt, list(genotypes) or CALLS


def vcf_of(*records, **options) -> bytes:
    contigs = {"chr1": 50_000, "chr2": 50_000}
    return vcf_text(NAMES, records, **{"contigs": contigs, **options}).encode()


VCFS = {
    "empty": (b"", {}, ": is empty; a VCF or BCF file is needed"),
    "not a vcf": (b"hello\n", {}, ": is not a VCF or BCF file"),
    "fasta": (b">a\n" + DNA, {}, ": is not a VCF or BCF file"),
    "binary": (bytes(range(1, 255)), {}, ": is not a VCF or BCF file"),
    "truncated gz": (gzip.compress(vcf_of(calls()) * 9)[:-9], {}, ": ends in the middle of its"),
    "truncated": (vcf_of(calls(), calls(position=10))[:-9], {}, ":8: is not a VCF record: it has 10 columns"),
    "missing": (None, {}, ": no such file"),
    "no gt in a record": (
        vcf_of(calls()) + vcf_of(calls("1", "2", "3"), form="DP").splitlines()[-1] + b"\n",
        {},
        ":8: chr1:9: the record has no GT",
    ),
    "no such target": (vcf_of(calls()), {"target": "x1"}, ": has no sample x1 (1 of 1 named"),
    "no such outgroup": (vcf_of(calls()), {"outgroup": "o1,o2"}, ": has no sample o2 (1 of 2 named"),
    "no such archaic": (vcf_of(calls()), {"archaic": "Vindija"}, ": has no sample Vindija (1 of"),
    "unsorted": (vcf_of(calls(), calls(position=8)), {}, ":8: chr1:8: position 8 comes after 9; sort"),
    "a chromosome twice": (
        vcf_of(calls(), calls(chrom="chr2"), calls(position=10)),
        {},
        ":9: chromosome chr1 reappears after another one; sort the file",
    ),
    "another chromosome": (vcf_of(calls()), {"chrom": "1"}, ": has no chromosome 1; its header names chr1, chr2"),
    "unphased": (
        vcf_of(calls(), calls("0/1", "0/0", "1/1", position=20)),
        {},
        ":8: chr1:20: sample t1 is heterozygous and unphased; phase the file, or use --allow-unphased",
    ),
    "triploid": (vcf_of(calls("0|1|1", "0|0", "0|0")), {}, ":7: chr1:9: the genotype of t1 has 3 alleles"),
    "no such allele": (vcf_of(calls("0|7", "0|0", "0|0")), {}, ":7: chr1:9: a genotype of t1 names allele 7"),
    "beyond the end": (vcf_of(calls(position=50_002)), {}, ":7: chr1:50002: lies beyond"),
    "nothing called": (vcf_of(calls(".|.", "0|0", "1|1")), {}, ": has no usable site (1 record"),
    "only indels": (vcf_of(calls(ref="AC", alt="A")), {}, ": has no usable site (1 records"),
    "no records": (vcf_of(), {}, ": has no usable site (0 records read)"),
    "two references": (vcf_of(calls(), calls(ref="C", alt="T")), {}, ": chr1:9: REF is C here"),
    "mask of other names": (
        vcf_of(calls()),
        {"callable": "1\t0\t50\n"},
        ":1: covers '1', and the VCF has 'chr1'; chromosome names must agree",
    ),
    "mask of other sequences": (
        vcf_of(calls()),
        {"callable": "scaffold1\t0\t50\n"},
        ": the mask covers scaffold1, the VCF chr1, chr2; chromosome names must agree",
    ),
    "mask out of range": (
        vcf_of(calls()),
        {"exclude": "chr1\t0\t50\nchr1\t70\t50001\nchr1\t60\t80\n"},
        ":2: reaches chr1:50001, beyond the end of chr1 (50000 bp)",
    ),
    "mask that is none": (vcf_of(calls()), {"callable": "chr1\t9\t5\n"}, ":1: 9 to 5 is not an interval"),
    "empty mask": (vcf_of(calls()), {"exclude": ""}, ": holds no interval"),
    "group twice": (vcf_of(calls()), {"archaic": "o1"}, "sample o1 is named as outgroup and as"),
    "sample twice": (vcf_of(calls()), {"target": "t1,t1"}, "names the sample t1 twice"),
    "no names": (vcf_of(calls()), {"outgroup": " , "}, "--outgroup names no sample"),
}


@pytest.mark.parametrize("case", VCFS)
def test_bad_vcfs(cli: Cli, tiny_model, tmp_path: Path, case: str) -> None:
    content, changes, message = VCFS[case]
    path = tmp_path / ("x.vcf.gz" if "gz" in case else "x.vcf")
    if content is not None:
        path.write_bytes(content)
    options: dict[str, object] = dict(zip(ROLES, NAMES, strict=True)) | changes
    where = path
    for name in ("callable", "exclude"):
        if name in options:
            where = tmp_path / "mask.bed"
            where.write_text(str(options[name]))
            options[name] = where
    files = {p.name for p in tmp_path.iterdir()}
    pairs = [part for name, value in options.items() for part in (f"--{name}", value)]
    result = cli(
        "introgression",
        "scan",
        "--vcf",
        path,
        *pairs,
        "--model",
        tiny_model,
        "-o",
        tmp_path / "x.bed",
        "--posteriors",
        tmp_path / "p.tsv.gz",
    )
    start = str(where) if message[0] == ":" else ""
    check_refusal(result, f"{start}{message}", tmp_path, files)


def test_a_sample_list_says_its_line(cli: Cli, region_folder: Path, tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("target0\ntarget1\ntarget0\n")
    args = vcf_door(region_folder)
    args[args.index("--target") + 1] = names
    result = cli("introgression", "scan", *args, "-o", tmp_path / "x.bed")
    check_refusal(result, f"{names}:3: names the sample target0 twice", tmp_path, {"names.txt"})


SEGMENT = "chr1\t10\t90\tn\t0\t.\tS\t1\t0.5\n"
TABLE = "#chrom\tstart\tend\tsample\thaplotype\tposterior\nchr1\t0\t100\tS\t1\t0.5\n"
EVALUATIONS = {
    "empty segments": ({"segments": ""}, "segments", ": is empty"),
    "empty truth": ({"truth": ""}, "truth", ": is empty"),
    "no tract": (
        {"truth": "#chrom\tstart\tend\tname\tscore\tstrand\tsample\thaplotype\n"},
        "truth",
        ": holds no tract",
    ),
    "missing": ({"truth": None}, "truth", ": no such file"),
    "not bed": ({"truth": "hello\n"}, "truth", ":1: has 1 tab-separated columns"),
    "backwards": ({"truth": SEGMENT + SEGMENT.replace("90", "9")}, "truth", ":2: 10 to 9 is no"),
    "binary": ({"segments": "\0\1"}, "segments", ":1: "),
    "other names": (
        {"truth": SEGMENT.replace("chr1", "scaffold1")},
        None,
        "the segments are on chr1, the truth is on scaffold1; chromosome names must agree",
    ),
    "the same name in another spelling": (
        {"segments": SEGMENT.replace("chr1", "x") + SEGMENT, "truth": SEGMENT.replace("chr1", "1")},
        "segments",
        ":2: has the sequence 'chr1', and ",
    ),
    "white space behind a name": (
        {"truth": SEGMENT + SEGMENT.replace("chr1", "chr1 ")},
        "truth",
        ":2: the name 'chr1 ' begins or ends with white space",
    ),
    "out of range": (
        {"truth": SEGMENT + SEGMENT.replace("90", "101"), "posteriors": TABLE},
        "truth",
        ":2: chr1:10-101 S 1: the true tract ends beyond",
    ),
    "other haplotype": (
        {"truth": SEGMENT.replace("S\t1", "S\t2"), "posteriors": TABLE},
        "truth",
        ":1: chr1:10-90 S 2: no posteriors for this haplotype",
    ),
    "posteriors elsewhere": (
        {"posteriors": TABLE.replace("chr1", "chr2")},
        "truth",
        ":1: chr1:10-90 S 1: the truth is on chr1, the posteriors are on chr2",
    ),
    "posteriors in another spelling": (
        {"posteriors": TABLE + TABLE[TABLE.index("\n") + 1 :].replace("chr1", "CHR1")},
        "posteriors",
        ": has the sequence 'CHR1', and ",
    ),
    "empty posteriors": ({"posteriors": ""}, "posteriors", ": is not a posterior table"),
    "wrong posteriors": (
        {"posteriors": TABLE + "chr1\t100\t200\tS\t1\thigh\n"},
        "posteriors",
        ":3: is not a line of a posterior table",
    ),
    "an end of 1e18 in the truth": (
        {"truth": SEGMENT.replace("90", "1" + "0" * 18)},
        "truth",
        ":1: 1000000000000000000 is beyond the greatest position, 2147483647",
    ),
    "an end of 1e18 in the segments": (
        {"segments": SEGMENT + SEGMENT.replace("90", "1" + "0" * 18)},
        "segments",
        ":2: 1000000000000000000 is beyond the greatest position, 2147483647",
    ),
    "posteriors to 1e30": (
        {"posteriors": TABLE + "chr1\t100\t1e30\tS\t1\t0.5\n"},
        "posteriors",
        ":3: is not a line of a posterior table",
    ),
    "posteriors to infinity": (
        {"posteriors": TABLE + "chr1\t100\t701e40000\tS\t1\t0.5\n"},
        "posteriors",
        ":3: is not a line of a posterior table",
    ),
    "posteriors from 0.7": (
        {"posteriors": TABLE.replace("\t0\t100", "\t0.7\t100.2")},
        "posteriors",
        ":2: is not a line of a posterior table",
    ),
    "segments as posteriors": ({"posteriors": SEGMENT * 2}, "posteriors", ":1: has no column"),
}


@pytest.mark.parametrize("case", EVALUATIONS)
def test_bad_evaluations(cli: Cli, tmp_path: Path, case: str) -> None:
    changes, wrong, message = EVALUATIONS[case]
    contents = {"segments": SEGMENT, "truth": SEGMENT} | changes
    paths = {name: tmp_path / name for name in contents}
    for name, text in contents.items():
        if text is not None:
            paths[name].write_text(text)
    args: list[object] = [paths["segments"], paths["truth"]]
    if "posteriors" in paths:
        args += ["--posteriors", paths["posteriors"]]
    files = {p.name for p in tmp_path.iterdir()}
    result = cli("introgression", "evaluate", *args, "-o", tmp_path / "x.txt")
    check_refusal(result, f"{paths[wrong] if wrong else ''}{message}", tmp_path, files)


def broken_regions(case: str, region_folder: Path, folder: Path) -> tuple[list[Path], str]:
    """Copy the region twice, break it, and return the folders and what is said of them."""
    regions = [folder / name for name in ("a", "b")]
    for path in regions:
        shutil.copytree(region_folder, path)
    a = regions[0]
    if case == "missing":
        return [folder / "none"], f"{folder}/none: no such folder"
    if case == "no region":
        (folder / "c").mkdir()
        return [folder / "c"], f"{folder}/c: holds no labelled region (region.vcf.gz, target.txt"
    if case == "lacks a file":
        (a / "outgroup.txt").unlink()
        return regions, f"{a}: lacks outgroup.txt"
    if case == "one region":
        return [a], f"{a}: there is only one labelled region"
    if case == "short":
        return regions, "the longest region has 240 bins, but a training window has 500"
    truth = a / "truth.bed"
    text = truth.read_text()
    lines = text.count("\n")
    row = "chr1\t5\t90\tarchaic\t1000\t.\ttarget0\t1\n"
    if case == "out of range":
        truth.write_text(text + row.replace("90", "240001"))
        return regions, f"{truth}:{lines + 1}: reaches chr1:240001, beyond the end of chr1"
    if case == "no target":
        truth.write_text(text + row.replace("target0", "outgroup0"))
        return regions, f"{truth}:{lines + 1}: names haplotype 1 of outgroup0, which is not a target"
    if case == "other names":
        truth.write_text(row.replace("chr1", "1"))
        return regions, f"{truth}: is on 1, the VCF on chr1; chromosome names must agree"
    for path in regions:
        (path / "truth.bed").write_text(text.splitlines()[0] + "\n")
    return regions, "the training regions hold no archaic tract"


@pytest.mark.parametrize(
    "case",
    [
        "missing",
        "no region",
        "lacks a file",
        "one region",
        "short",
        "out of range",
        "no target",
        "other names",
        "nothing to learn",
    ],
)
def test_bad_training_data(cli: Cli, region_folder: Path, tmp_path: Path, case: str) -> None:
    folders, message = broken_regions(case, region_folder, tmp_path)
    files = {p.name for p in tmp_path.rglob("*") if p.is_file()}
    options = [] if case == "short" else ["--window", 100]
    result = cli("introgression", "train", *folders, "-o", tmp_path / "m.genolstm", *options)
    check_refusal(result, message, tmp_path, files)
    assert not (tmp_path / "m.genolstm.training").exists()


def test_bad_simulations(cli: Cli, tmp_path: Path) -> None:
    out = tmp_path / "r"
    for options, message in [
        (["--model", "NoSuchModel"], "there is no stdpopsim model named NoSuchModel; use one of"),
        (["--model", tmp_path / "x.yaml"], f"{tmp_path}/x.yaml: no such file"),
        (["--target", "elves"], "PapuansOutOfAfrica_10J19 has no population elves; it has"),
    ]:
        result = cli("introgression", "simulate", "-o", out, *options)
        check_refusal(result, message, tmp_path, set())
    (tmp_path / "file").write_text("")
    result = cli(
        "introgression",
        "simulate",
        "-o",
        tmp_path / "file" / "r",
        "--model",
        DATA / "admixture.yaml",
        "--target",
        "target",
        "--outgroup",
        "outgroup",
        "--archaic",
        "archaic",
        "--length",
        1000,
    )
    check_refusal(result, f"{tmp_path}/file/r: cannot be created", tmp_path, {"file"})


# --- where outputs cannot go --------------------------------------------------------------------


def every_command(tmp_path: Path, region_folder: Path, scan_args) -> dict[str, list[object]]:
    return {
        "scan fasta": scan_args["fasta"],
        "scan vcf": scan_args["vcf"],
        "evaluate": ["introgression", "evaluate", DATA / "eval_segments.bed", DATA / "eval_truth.bed"],
        "train": ["introgression", "train", region_folder],
    }


@pytest.mark.parametrize("command", ["scan fasta", "scan vcf", "evaluate", "train"])
def test_output_folders(cli: Cli, tmp_path: Path, region_folder, scan_args, monkeypatch, command: str) -> None:
    args = every_command(tmp_path, region_folder, scan_args)[command]
    work = tmp_path / "work"
    work.mkdir()
    result = cli(*args, "-o", work / "none" / "x")
    check_refusal(result, f"{work}/none: the output folder does not exist", work, set())
    result = cli(*args, "-o", work)
    check_refusal(result, f"{work}: is a folder, a file name is needed", work, set())
    (work / "x").write_text("mine")
    result = cli(*args, "-o", work / "x")
    check_refusal(result, f"{work}/x: already exists; use --force", work, {"x"})
    assert (work / "x").read_text() == "mine"
    (work / "x").unlink()
    work.chmod(0o500)
    if os.geteuid() == 0:  # who may write everywhere
        real = os.access
        monkeypatch.setattr(os, "access", lambda p, mode: Path(p) != work and real(p, mode))
    result = cli(*args, "-o", work / "x")
    check_refusal(result, f"{work}: the output folder is not writable", work, set())
    work.chmod(0o700)


@pytest.mark.parametrize("option", ["--posteriors", "--bedgraph"])
def test_folders_of_the_other_outputs(cli: Cli, scan_args, tmp_path: Path, option: str) -> None:
    bed = tmp_path / "x.bed"
    result = cli(*scan_args["vcf"], "-o", bed, option, tmp_path / "none" / "x")
    check_refusal(result, f"{tmp_path}/none: the output folder does not exist", tmp_path, set())
    result = cli(*scan_args["vcf"], "-o", bed, option, bed)
    check_refusal(result, f"{bed}: is given for two outputs", tmp_path, set())


def test_a_late_failure_takes_every_output_back(cli: Cli, scan_args, tmp_path: Path, monkeypatch) -> None:
    from genolstm.errors import OutputError
    from genolstm.introgression import formats

    def fail(*args: object, **options: object) -> None:
        raise OutputError("cannot be written (No space left on device)", path="x")

    monkeypatch.setattr(formats, "write_segments", fail)
    result = cli(
        *scan_args["vcf"],
        "-o",
        tmp_path / "x.bed",
        "--posteriors",
        tmp_path / "p.tsv.gz",
        "--bedgraph",
        tmp_path / "p.bg",
    )
    check_refusal(result, "x: cannot be written (No space left", tmp_path, set())


# --- usage --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "args",
    [
        "scan",
        "scan q.fa -o x",
        "scan q.fa --archaic a -o x",
        "scan q.fa --archaic unknown=a --outgroup o -o x",
        "scan q.fa --archaic a --outgroup o",
        "scan --archaic a --outgroup o -o x",
        "scan q.fa --archaic a --outgroup o --target t -o x",
        "scan q.fa --archaic a --outgroup o --chrom 1 -o x",
        "scan q.fa --archaic a --outgroup o --callable m.bed -o x",
        "scan q.fa --archaic a --outgroup o --exclude m.bed -o x",
        "scan q.fa --archaic a --outgroup o --allow-unphased -o x",
        "scan q.fa --vcf v --target t --archaic a --outgroup o -o x",
        "scan --vcf v --archaic a --outgroup o -o x",
        "scan --vcf v --target t --archaic a -o x",
        "scan --vcf v --target t --outgroup a --archaic nea=b --archaic c -o x",
        "scan q.fa --archaic modern=a --outgroup o -o x",
        "scan q.fa --archaic a --outgroup o --archaic-vcf v -o x",
        "scan q.fa --archaic a --outgroup o --region 1:1-5 -o x",
        "scan q.fa --archaic a --outgroup o --archaic-callable m.bed -o x",
        "scan q.fa --archaic a --outgroup o --samples s.tsv -o x",
        "scan q.fa --archaic a --outgroup o --filter any -o x",
        "scan q.fa --archaic a --outgroup o --archaic-absent missing -o x",
        "scan --vcf v --target t --archaic a --outgroup o --outgroup-frequencies f --field AF -o x",
        "scan --vcf v --target t --archaic a --outgroup-vcf o --outgroup-frequencies f --field AF -o x",
        "scan --vcf v --target t --archaic a --outgroup-frequencies f -o x",
        "scan --vcf v --target t --archaic a --outgroup o --field AF -o x",
        "scan --vcf v --target t --archaic a --outgroup o --region 1:9-5 -o x",
        "scan --vcf v --target t --archaic a --outgroup o --no-sharing -o x",
        "scan --vcf v --target t --archaic a --outgroup o --haplotypes file -o x",
        "scan q.fa --archaic a --outgroup o -o x --threshold 0",
        "scan q.fa --archaic a --outgroup o -o x --threshold 1.5",
        "scan q.fa --archaic a --outgroup o -o x --threshold 0.5 --fdr 0.1",
        "scan q.fa --archaic a --outgroup o -o x --fdr 0.1 --baseline hmm",
        "scan q.fa --archaic a --outgroup o -o x --min-length -1",
        "scan q.fa --archaic a --outgroup o -o x --threads -1",
        "scan q.fa --archaic a --outgroup o -o x --baseline crf",
        "scan q.fa --archaic a --outgroup o -o x --no-such-option",
        "evaluate s.bed",
        "evaluate s.bed t.bed u.bed",
        "evaluate s.bed t.bed --seed -1",
        "train -o m.genolstm",
        "train r",
        "train r -o m -k 32",
        "train r -o m --cell transformer",
        "train r -o m --epochs 0",
        "train r -o m --dropout 1",
        "simulate",
        "simulate -o r --length 0",
        "simulate -o r --replicates 0",
        "simulate -o r --mutation-rate 0.5",
        "no-such-command",
    ],
)
def test_usage_errors_exit_2(cli: Cli, tmp_path: Path, monkeypatch, args: str) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = cli("introgression", *args.split())
    assert (code, out) == (2, "")
    assert "Error:" in err
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_help_of_every_command(cli: Cli) -> None:
    code, out, err = cli("introgression", "--help")
    assert (code, err) == (0, "")
    for command in ("simulate", "train", "scan", "evaluate"):
        assert command in out
        code, text, err = cli("introgression", command, "--help")
        assert (code, err) == (0, "")
        assert "Usage: genolstm introgression" in text
        assert "--help" in text


@pytest.fixture
def told(monkeypatch):
    """Put a stand-in in a run's place; it keeps what it is called with and gives back ``answer``."""

    def replace_run(
        module: str, name: str, answer: object = None
    ) -> list[tuple[tuple[object, ...], dict[str, object]]]:
        calls: list[tuple[tuple[object, ...], dict[str, object]]] = []

        def run(*args: object, **options: object) -> object:
            calls.append((args, options))
            return answer

        monkeypatch.setattr(import_module(f"genolstm.runs.{module}"), name, run)
        return calls

    return replace_run


OF_SOURCES = source_columns(["archaic", "unknown"])
NO_MASKS = {f"{role}_{what}": () for role in ROLES for what in ("callable", "exclude")}
PLAIN = {**NO_MASKS, "archaic_vcf": {}}


def test_options_of_scan_arrive(cli: Cli, told) -> None:
    from genolstm.runs.scan import FastaDoor, VcfDoor

    calls = told("scan", "run", ["found"])
    files = ["a.fa", "b.fa", "--archaic", "A", "--outgroup", "O", "-o", "x.bed"]
    outputs = ["--posteriors", "p", "--bedgraph", "b", "--unknown", "u", "--evidence", "e", "--weights"]
    outputs += ["--track", "t", "--bigwig", "w", "--bigwig-haplotypes", "h", "--summary", "s", "--multiqc", "q"]
    outputs += ["--report", "r.html"]
    of_fasta = ["--haplotypes", "file", "--no-sharing", "--skip-short", "--memory", "1G"]
    how = ["--model", "m", "--threshold", 0.3, "--baseline", "hmm", "--min-length", 7, "--bridge", 5000]
    how += ["-t", 5, "--force", "-q"]
    assert cli("introgression", "scan", *files, *outputs, *of_fasta, *how) == (0, "", "")
    vcf = ["--vcf", "v", "--target", "T", "--archaic", "A", "--outgroup", "O", "-o", "-"]
    of_vcf = ["--chrom", "7", "--callable", "c", "--exclude", "e", "--allow-unphased"]
    of_vcf += ["--posteriors", "p.tsv.gz", "--index", "--annotate", "a.vcf.gz"]
    assert cli("introgression", "scan", *vcf, *of_vcf, "--fdr", 0.1) == (0, "", "found\n")
    assert cli("introgression", "scan", *vcf).code == 0
    assert cli("introgression", "scan", *files[:1], *files[2:]).code == 0
    nothing_said = {
        "posteriors": None,
        "bedgraph": None,
        "unknown": None,
        "evidence": None,
        "annotate": None,
        "weights": False,
        "track": None,
        "bigwig": None,
        "bigwig_haplotypes": None,
        "summary": None,
        "multiqc": None,
        "report": None,
        "model": "archaic",
        "settings": ScanSettings(),
        "index": False,
        "threads": 0,
        "force": False,
    }
    # With -q nothing is told.
    assert [options.pop("progress") is None for _, options in calls] == [True, False, False, False]
    assert calls == [
        (
            (FastaDoor((Path("a.fa"), Path("b.fa")), {"archaic": ["A"]}, "O", "file", False, True, 1 << 30),),
            {
                "output": Path("x.bed"),
                "posteriors": Path("p"),
                "bedgraph": Path("b"),
                "unknown": Path("u"),
                "evidence": Path("e"),
                "annotate": None,
                "weights": True,
                "track": Path("t"),
                "bigwig": Path("w"),
                "bigwig_haplotypes": Path("h"),
                "summary": Path("s"),
                "multiqc": Path("q"),
                "report": Path("r.html"),
                "model": "m",
                "settings": ScanSettings("hmm", 0.3, None, 7, 5000),
                "index": False,
                "threads": 5,
                "force": True,
            },
        ),
        (
            (VcfDoor((Path("v"),), "T", "O", {"archaic": "A"}, ("7",), True, (Path("c"),), (Path("e"),), **PLAIN),),
            {
                **nothing_said,
                "output": Path("-"),
                "posteriors": Path("p.tsv.gz"),
                "annotate": Path("a.vcf.gz"),
                "index": True,
                "settings": ScanSettings(fdr=0.1),
            },
        ),
        (
            (VcfDoor((Path("v"),), "T", "O", {"archaic": "A"}, (), False, (), (), **PLAIN),),
            {**nothing_said, "output": Path("-")},
        ),
        ((FastaDoor((Path("a.fa"),), {"archaic": ["A"]}, "O"),), {**nothing_said, "output": Path("x.bed")}),
    ]


def test_options_of_report_arrive(cli: Cli, told) -> None:
    calls = told("report", "run", ["left out", "warning: look"])
    words = ["--posteriors", "p", "--samples", "s", "--truth", "t", "--manifest", "m", "--evidence", "e", "--force"]
    assert cli("introgression", "report", "x.bed", "-o", "x.html", *words) == (0, "", "left out\nwarning: look\n")
    assert cli("introgression", "report", "x.bed", "-o", "x.html", "-q") == (0, "", "warning: look\n")
    names = ("posteriors", "samples", "truth", "manifest", "evidence")
    given = {name: Path(name[0]) for name in names} | {"force": True}
    assert calls == [
        ((Path("x.bed"), Path("x.html")), given),
        ((Path("x.bed"), Path("x.html")), dict.fromkeys(names) | {"force": False}),
    ]


def test_options_of_a_scan_of_several_files_arrive(cli: Cli, told) -> None:
    from genolstm.runs.scan import VcfDoor

    calls = told("scan", "run", ["found"])
    masks = [f"--{name.replace('_', '-')}" for name in NO_MASKS]
    several = [*masks, "--callable", "--exclude", "--archaic-vcf", "--chrom", "--regions"]
    twice = [word for option in several for word in (option, "x", option, "y")]
    where = ["--samples", "S", "--region", "7:11-20", "--region", "8:1-5", "--vcf", "w", "--outgroup-vcf", "f"]
    quality = ["--filter", "q", "--filter", "PASS", "--archaic-min-gq", 3, "--archaic-min-dp", 4]
    absent = ["--target-absent", "missing", "--outgroup-absent", "reference", "--archaic-absent", "missing"]
    start = ["introgression", "scan", "--vcf", "v", "--target", "T", "-o", "-"]
    assert cli(*start, *twice, *where, *quality, *absent).code == 0
    sites = ["--outgroup-frequencies", "g", "--outgroup-frequencies", "h", "--field", "AF"]
    assert cli(*start, "--archaic", "A", *sites).code == 0
    both = (Path("x"), Path("y"))
    expected = VcfDoor(
        (Path("v"), Path("w")),
        "T",
        (),
        {},
        ("x", "y"),
        callable_mask=both,
        exclude_mask=both,
        archaic_vcf={"archaic": ["x", "y"]},
        outgroup_vcf=(Path("f"),),
        samples=Path("S"),
        region=(("7", 10, 20), ("8", 0, 5)),
        regions=both,
        settings=VariantSettings(("q", "PASS"), 3, 4, "missing", "reference", "missing"),
        **dict.fromkeys(NO_MASKS, both),
    )
    frequencies = VcfDoor(
        (Path("v"),),
        "T",
        (),
        {"archaic": "A"},
        (),
        callable_mask=(),
        exclude_mask=(),
        outgroup_frequencies=(Path("g"), Path("h")),
        field="AF",
        **PLAIN,
    )
    assert [door for (door,), _ in calls] == [expected, frequencies]


def test_options_of_compare_arrive(cli: Cli, told) -> None:
    calls = told("agreement", "run", ["read", "warning: few"])
    files = ["ours.bed", "a=hmmix", "b", "-o", "t.tsv", "--figure", "f.svg", "--format", "sstar", "--truth", "t=bed"]
    scope = ["--maps", "m", "--maps", "n", "--callable", "c", "--genome", "g", "--samples", "A,B"]
    how = ["--sample", "b=A#1", "--state", "NEA", "--state", "DEN", "--min-score", "hmmix=.9", "--min-length", "bed=5"]
    settings = ["--inclusive-end", "--level", "sample", "--reciprocal", 0.25, "--permutations", 7, "--seed", 3]
    found = cli("introgression", "compare", *files, *scope, *how, *settings, "--force", "-q")
    assert found == (0, "", "warning: few\n")
    assert cli("introgression", "compare", "ours.bed", "a") == (0, "", "read\nwarning: few\n")
    assert calls == [
        (
            ("ours.bed", ["a=hmmix", "b"], Path("t.tsv")),
            {
                "form": "sstar",
                "figure": Path("f.svg"),
                "truth": "t=bed",
                "maps": (Path("m"), Path("n")),
                "callable_mask": Path("c"),
                "genome": Path("g"),
                "samples": "A,B",
                "reading": Reading(("NEA", "DEN"), {"hmmix": 0.9}, {"bed": 5}, True, {"b": "A#1"}),
                "settings": AgreementSettings("sample", 0.25, 7),
                "seed": 3,
                "force": True,
            },
        ),
        (
            ("ours.bed", ["a"], Path("-")),
            {
                "form": None,
                "figure": None,
                "truth": None,
                "maps": (),
                "callable_mask": None,
                "genome": None,
                "samples": None,
                "reading": Reading(),
                "settings": AgreementSettings(),
                "seed": 1,
                "force": False,
            },
        ),
    ]


def test_options_of_train_arrive(cli: Cli, told) -> None:
    calls = told("train", "run", "how good")
    data = ["--label", "denisovan", "-k", 21, "--bin", 500, "--window", 64]
    network = ["--cell", "gru", "--units", 9, "--layers", 3, "--dropout", 0.25]
    how = ["--epochs", 4, "--batch-size", 8, "--learning-rate", 0.01, "--patience", 0, "--validation", 0.4]
    rest = ["--seed", 77, "--checkpoints", "c", "--log", "l.csv", "--force", "-q"]
    said = cli("introgression", "train", "r1", "r2", "-o", "m.genolstm", *data, *network, *how, *rest)
    assert said == (0, "how good\n", "")
    assert cli("introgression", "train", "r1", "-o", "m").code == 0
    assert all(callable(given.pop("warn")) for _, given in calls)
    assert calls == [
        (
            ((Path("r1"), Path("r2")),),
            {
                "output": Path("m.genolstm"),
                "network": replace(NETWORK, cell="gru", units=9, layers=3, dropout=0.25),
                "settings": TrainingSettings(
                    epochs=4, batch_size=8, learning_rate=0.01, patience=0, validation_fraction=0.4, seed=77
                ),
                "options": IntrogressionTraining("denisovan", 64),
                "tracks": TrackSettings(21, 500),
                "checkpoints": Path("c"),
                "log": Path("l.csv"),
                "progress": False,
                "force": True,
            },
        ),
        (
            ((Path("r1"),),),
            {
                "output": Path("m"),
                "network": NETWORK,
                "settings": TRAINING,
                "options": IntrogressionTraining(),
                "tracks": TrackSettings(),
                "checkpoints": None,
                "log": None,
                "progress": True,
                "force": False,
            },
        ),
    ]


def test_the_api_trains_as_the_command_line_does() -> None:
    from genolstm.introgression.train import train_model, train_on_tracks
    from genolstm.runs.train import run

    for function in (run, train_model, train_on_tracks):
        defaults = inspect.signature(function).parameters
        assert defaults["network"].default is NETWORK
        assert defaults["settings"].default is TRAINING
        assert defaults["options"].default == IntrogressionTraining()
        assert defaults["tracks"].default == TrackSettings()


def test_options_of_simulate_arrive(cli: Cli, told) -> None:
    summary = {"sites": 3, "tracts": 2, "archaic_fraction": 0.0123}
    calls = told("simulate", "run", [(Path("r"), summary)])
    sizes = ["--length", 5000, "--seed", 3, "--target-size", 5, "--outgroup-size", 6, "--archaic-size", 7]
    populations = ["--target", "T", "--outgroup", "O", "--archaic", "A", "--donor", "D", "--donor", "E"]
    rates = ["--archaic-time", 9.5, "--mutation-rate", 1e-8, "--recombination-rate", 2e-8, "--chrom", "c"]
    chosen = ["-o", "r", "--demography", "m.yaml", "--replicates", 4, *sizes, *populations, *rates]
    assert cli("introgression", "simulate", *chosen, "--force", "-q") == (0, "", "")
    said = cli("introgression", "simulate", "-o", "r")
    assert said == (0, "", "r: 3 sites, 2 archaic tracts, 1.23 % archaic\n")
    settings = SimulationSettings(
        model="m.yaml",
        length=5000,
        seed=3,
        n_target=5,
        n_outgroup=6,
        n_archaic=7,
        target="T",
        outgroup="O",
        archaic="A",
        donors=("D", "E"),
        archaic_time=9.5,
        mutation_rate=1e-8,
        recombination_rate=2e-8,
        chrom="c",
    )
    # Several sources, one of them a ghost.
    named = ["--archaic", "nea=N@2612", "--archaic", "den=D", "--donor", "den=D1", "--donor", "den=D2"]
    gave = {"nea": {"archaic_fraction": 0.01}, "gho": {"archaic_fraction": 0.0023}}
    summary["sources"] = gave
    said = cli("introgression", "simulate", "-o", "r", *named, "--donor", "gho=G")
    assert said == (0, "", "r: 3 sites, 2 archaic tracts, 1.23 % archaic (1.00 % nea, 0.23 % gho)\n")
    sources = (
        SimulatedSource("nea", "N", (), 2612.0),
        SimulatedSource("den", "D", ("D1", "D2")),
        SimulatedSource("gho", None, ("G",)),
    )
    assert calls.pop()[0][0] == SimulationSettings(sources=sources)
    assert calls == [
        ((settings, Path("r")), {"limits": SimulationLimits(), "replicates": 4, "force": True}),
        ((SimulationSettings(), Path("r")), {"limits": SimulationLimits(), "replicates": 1, "force": False}),
    ]
    # The former spelling.
    assert cli("introgression", "simulate", "-o", "r", "--model", "m.yaml").code == 0
    assert calls[-1][0][0] == SimulationSettings(model="m.yaml")
    both = cli("introgression", "simulate", "-o", "r", "--model", "m.yaml", "--demography", "m.yaml")
    assert both.code == 2
    assert "--model is the former name of --demography" in both.err
    assert "--model" not in cli("introgression", "simulate", "--help").out


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("--archaic A --archaic B", "--archaic: A, B need names; write NAME=A"),
        ("--archaic A --archaic nea=B", "--archaic: A is of no named source, and others are; write NAME=A"),
        ("--archaic nea=B --donor D", "--donor: D is of no named source, and others are; write NAME=D"),
        ("--archaic A --donor nea=D", "--archaic: A is of no named source, and others are; write NAME=A"),
        ("--archaic nea=A --archaic nea=B", "--archaic: nea has two populations, A and B"),
        ("--archaic nea=A@old", "--archaic: 'old' is not an age in generations"),
        ("--archaic nea=A@-1", "--archaic: '-1' is not an age in generations"),
        ("--archaic unknown=A", "--archaic: a source cannot be called unknown"),
        ("--archaic nea=", "--archaic: nothing is given for nea"),
        ("--archaic nea=A --archaic-time 5", "exclude each other"),
        ("--donor gho=G", "no source has an archaic that is sampled"),
    ],
)
def test_sources_of_a_simulation_that_cannot_be_told_apart(cli: Cli, tmp_path: Path, given: str, said: str) -> None:
    result = cli("introgression", "simulate", "-o", tmp_path / "r", *given.split())
    assert result.code in (1, 2)
    assert said in result.err
    assert not (tmp_path / "r").exists()


def test_options_of_evaluate_gather_and_plot_arrive(cli: Cli, told) -> None:
    evaluated = told("evaluate", "run", SimpleNamespace(notes=[]))
    gathered, drawn = told("gather", "run", 8), told("plot", "run", ["not drawn: x", "warning: no"])
    rest = ["-o", "e.json", "--json", "--no-introgression", "--seed", 9, "--force"]
    assert cli("introgression", "evaluate", "s.bed", "t.bed", "--posteriors", "p.tsv", *rest) == (0, "", "")
    assert cli("introgression", "evaluate", "s.bed", "t.bed") == (0, "", "")
    options = {"posteriors": None, "output": Path("-"), "as_json": False, "seed": 1, "force": False}
    options["no_introgression"] = False
    changed = {"posteriors": Path("p.tsv"), "output": Path("e.json"), "as_json": True, "seed": 9, "force": True}
    changed["no_introgression"] = True
    files = (Path("s.bed"), Path("t.bed"))
    assert evaluated == [(files, changed), (files, options)]

    assert cli("introgression", "gather", "a", "b", "-o", "c", "--force", "-q") == (0, "", "")
    assert cli("introgression", "gather", "a", "-o", "c") == (0, "", "c: 8 lines, gathered from 1\n")
    assert gathered == [
        (((Path("a"), Path("b")), Path("c")), {"force": True}),
        (((Path("a"),), Path("c")), {"force": False}),
    ]

    what = ["--truth", "t", "--chrom", "7", "--posteriors", "p", "--haplotype", "A#1", "--force", "-q"]
    what += ["--view", "genome", "--samples", "t.tsv", "--population", "CEU", "--population", "YRI"]
    what += ["--manifest", "m", "--manifest", "n", "--genome", "g.fai"]
    assert cli("introgression", "plot", "s.bed", "-o", "f.svg", *what) == (0, "", "warning: no\n")
    assert cli("introgression", "plot", "s.bed", "-o", "f.svg") == (0, "", "not drawn: x\nwarning: no\n")
    options = {"truth": None, "chrom": None, "posteriors": None, "haplotype": None, "force": False, "view": "rows"}
    options |= {"samples": None, "population": (), "manifest": (), "genome": None}
    changed = {"truth": Path("t"), "chrom": "7", "posteriors": Path("p"), "haplotype": "A#1", "force": True}
    changed |= {"view": "genome", "samples": Path("t.tsv"), "population": ("CEU", "YRI"), "genome": Path("g.fai")}
    changed["manifest"] = (Path("m"), Path("n"))
    files = (Path("s.bed"), Path("f.svg"))
    assert drawn == [(files, changed), (files, options)]


def test_options_of_summary_arrive(cli: Cli, told) -> None:
    calls = told("summary", "run", ["found", "warning: no"])
    changed = ["--samples", "t", "--manifest", "m", "--manifest", "n", "-o", "o.tsv", "--multiqc", "q", "--force", "-q"]
    assert cli("introgression", "summary", "s.bed", *changed) == (0, "", "warning: no\n")
    assert cli("introgression", "summary", "-") == (0, "", "found\nwarning: no\n")
    options = {"samples": Path("t"), "manifest": (Path("m"), Path("n")), "output": Path("o.tsv"), "multiqc": Path("q")}
    nothing = {"samples": None, "manifest": (), "output": Path("-"), "multiqc": None, "force": False}
    assert calls == [((Path("s.bed"),), {**options, "force": True}), ((Path("-"),), nothing)]


def test_debug_shows_the_traceback(cli: Cli, scan_args, tmp_path: Path) -> None:
    args = ["introgression", "evaluate", tmp_path / "none", tmp_path / "none"]
    assert cli(*args).err == f"{tmp_path}/none: no such file\n"
    code, _, err = cli("--debug", *args)
    assert code == 1
    assert "Traceback (most recent call last)" in err
    assert err.endswith(f"{tmp_path}/none: no such file\n")


# --- as a process of its own --------------------------------------------------------------------


def start(*args: object, **options) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "genolstm", *map(str, args)], text=True, stderr=subprocess.PIPE, **options
    )


def test_a_reader_that_has_seen_enough(scan_args) -> None:
    process = start(*scan_args["vcf"], "-o", "-", "-q", stdout=subprocess.PIPE)
    assert process.stdout
    process.stdout.close()  # as `| head -0` does
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_stdout_that_is_full(scan_args) -> None:
    with Path("/dev/full").open("w") as full:
        process = start(*scan_args["vcf"], "-o", "-", "-q", stdout=full)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (1, "<stdout>: cannot be written (No space left on device)\n")


def test_interrupt_ends_with_130_and_leaves_nothing(region_folder, panels, tiny_model, tmp_path: Path) -> None:
    """Ctrl-C while the scan waits for more of its standard input."""
    args = fasta_door(region_folder, panels, "target.fa.gz")
    args[0] = "-"
    process = start(
        "introgression",
        "scan",
        *args,
        "--no-sharing",
        "--model",
        tiny_model,
        "-o",
        tmp_path / "x.bed",
        "--posteriors",
        tmp_path / "p.tsv.gz",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # A shell that runs the tests in the background hands on an ignored SIGINT.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stdin
    process.stdin.write(">a#1#c\n" + "ACGTT" * 1000)
    process.stdin.flush()
    deadline = time.monotonic() + 60
    while not list(tmp_path.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert [p.suffix for p in tmp_path.iterdir()] == [".part"]
    process.send_signal(signal.SIGINT)
    process.stdin.close()
    process.stdin = None
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.split() == ["interrupted"]
    assert list(tmp_path.iterdir()) == []


def test_interrupt_in_process(cli: Cli, scan_args, tmp_path: Path, monkeypatch) -> None:
    from genolstm.introgression import formats

    def interrupted(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(formats, "write_posteriors", interrupted)
    code, out, err = cli(*scan_args["vcf"], "-o", tmp_path / "x.bed", "--posteriors", tmp_path / "p.tsv.gz")
    assert (code, out) == (130, "")
    assert err.split() == ["interrupted"]
    assert list(tmp_path.iterdir()) == []


def test_short_contigs_can_be_left_out(cli: Cli, tmp_path: Path) -> None:
    query, output = tmp_path / "assembly.fa", tmp_path / "segments.bed"
    with gzip.open(EXAMPLE / "query.fa.gz", "rt") as stream:
        first = stream.read().split(">")[1]
    query.write_text(f">short\nACGTACGT\n>{first}")
    door = [query, *fasta_door(EXAMPLE)[1:]]
    refused = cli("introgression", "scan", *door, "-o", output)
    assert refused.code == 1
    assert "short: is 8 bp, shorter than a bin" in refused.err
    assert not output.exists()
    done = cli("introgression", "scan", *door, "-o", output, "--skip-short")
    assert done.code == 0
    assert "1 records shorter than a bin left out" in done.err
    assert output.exists()
