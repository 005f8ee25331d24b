"""``genolstm align score`` from the command line: what it writes, and what it refuses."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genolstm.alignment.formats.pairwise import FORMATS
from genolstm.alignment.simulate.pairs import PRESETS, simulate_pairs
from genolstm.sequences.alphabet import reverse_complement_text

RNG = np.random.default_rng(21)
CHR1 = "".join(RNG.choice(list("ACGT"), 400))
CHR2 = "".join(RNG.choice(list("ACGT"), 300))
A = CHR1[50:90] + CHR1[92:150]
B = reverse_complement_text(CHR2[100:180])


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("q.fa").write_text(f">a first\n{A}\n>b\n{B.lower()}\n")
    Path("r.fa").write_text(f">chr1\n{CHR1}\n>chr2\n{CHR2}\n")
    return tmp_path


def run(cli, *args: object):
    return cli("align", "score", *args, "--mode", "semiglobal", "-t", 1)


def test_every_query_with_every_reference(cli, files: Path) -> None:
    got = run(cli, "q.fa", "r.fa", "-o", "out.paf")
    assert got.code == 0
    assert got.out == ""
    assert got.err == "4 pairs aligned\n"
    rows = [line.split("\t") for line in Path("out.paf").read_text().splitlines()]
    assert [(r[0], r[5]) for r in rows] == [(q, r) for q in "ab" for r in ("chr1", "chr2")]
    primary = {r[0]: r for r in rows if "tp:A:P" in r}
    assert primary["a"][4:9] == ["+", "chr1", "400", "50", "150"]
    assert primary["b"][4:9] == ["-", "chr2", "300", "100", "180"]
    assert primary["b"][-1] == "cg:Z:80="
    assert int(primary["b"][11]) > 40
    assert {int(r[11]) for r in rows if "tp:A:S" in r} == {0}


@pytest.mark.parametrize("form", FORMATS)
def test_all_formats_to_standard_output(cli, files: Path, form: str) -> None:
    got = run(cli, "q.fa", "r.fa", "--format", form)
    assert got.code == 0
    assert "chr2" in got.out
    if form == "json":
        assert len(json.loads(got.out)["alignments"]) == 4
    if form == "sam":
        assert got.out.startswith("@HD\tVN:1.6")
        assert "CL:genolstm" in got.out


def test_pair_lists_order_and_compression(cli, files: Path) -> None:
    Path("pairs.tsv").write_text("b\tchr2\na\tchr1\nb\tchr1\n")
    got = run(cli, "q.fa", "r.fa", "--pairs", "pairs.tsv", "-q")
    assert got.err == ""
    listed = [line.split("\t") for line in got.out.splitlines()]
    assert [(r[0], r[5]) for r in listed] == [("b", "chr2"), ("b", "chr1"), ("a", "chr1")]  # by query
    assert ["tp:A:P" in r for r in listed] == [True, False, True]
    # PAF as a list of pairs: what we wrote can be read.
    Path("again.paf").write_text(got.out)
    assert run(cli, "q.fa", "r.fa", "--pairs", "again.paf", "-q").out == got.out

    with gzip.open("q.fa.gz", "wt") as stream:
        stream.write(Path("q.fa").read_text())
    one = run(cli, "q.fa.gz", "r.fa", "--one-to-one", "-o", "o.paf.gz", "--posteriors", "p.tsv")
    assert one.code == 0
    with gzip.open("o.paf.gz", "rt") as stream:
        assert [line.split("\t")[:6:5] for line in stream] == [["a", "chr1"], ["b", "chr2"]]
    assert len(Path("p.tsv").read_text().splitlines()) == 1 + 100 + 80


def test_fastq_from_standard_input(files: Path) -> None:
    fastq = f"@r1\n{A}\n+\n{'I' * len(A)}\n"
    done = subprocess.run(
        [sys.executable, "-m", "genolstm", "align", "score", "-", "r.fa", "--mode", "local"],
        input=fastq,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith(f"r1\t{len(A)}\t0\t{len(A)}\t+\tchr1")


def test_every_option_changes_the_alignment(cli, files: Path) -> None:
    # Unrelated sequences: whatever is done differently shows.
    Path("strangers.tsv").write_text("a\tchr2\n")

    def aligned(*args: object) -> dict[str, Any]:
        got = run(cli, "q.fa", "r.fa", "--format", "json", "--pairs", "strangers.tsv", *args)
        (found,) = json.loads(got.out)["alignments"]
        return found

    def matches(found: dict[str, Any]) -> int:
        return sum(int(n) for n in re.findall(r"(\d+)[=X]", found["cigar"]))

    usual = aligned()
    assert usual["strand"] == "-"
    assert aligned("--strand", "plus")["strand"] == "+"
    assert matches(aligned("--gap-factor", 30)) < matches(usual) < matches(aligned("--gap-factor", 0))
    path = aligned("--decoding", "viterbi")
    assert (path["bits"], path["cigar"] == usual["cigar"]) == (usual["bits"], False)
    assert aligned("--band", 1)["bits"] < usual["bits"] - 1
    assert aligned("--band", "none") == usual
    ancient = aligned("--model", "adna")
    assert ancient["bits"] != usual["bits"]
    assert aligned("--preset", "adna") == ancient


def test_the_neural_part_can_be_left_out(cli, files: Path) -> None:
    pair = next(simulate_pairs(replace(PRESETS["coding"], length=(180, 200)), 1, seed=3))
    for name, text in zip(("c.fa", "d.fa"), pair.texts, strict=True):
        Path(name).write_text(f">{name[0]}\n{text}\n")
    whole = cli("align", "score", "c.fa", "d.fa", "--model", "coding")
    plain = cli("align", "score", "c.fa", "d.fa", "--model", "coding", "--classical")
    assert "xm:Z:coding" in whole.out
    assert "xm:Z:classical" in plain.out


def test_threads_change_nothing(cli, files: Path) -> None:
    one = cli("align", "score", "q.fa", "r.fa", "-t", 1)
    three = cli("align", "score", "q.fa", "r.fa", "-t", 3)
    assert one.out == three.out


def test_odd_sequences_work(cli, files: Path) -> None:
    Path("odd.fa").write_text(f">n\n{'N' * 40}\n>one\nA\n>same\n{CHR1}\n")
    for mode in ("global", "semiglobal", "local"):
        got = cli("align", "score", "odd.fa", "r.fa", "--mode", mode, "-o", "x.paf", "--force")
        assert got.code == 0
        assert got.err.startswith("6 pairs aligned")
        text = Path("x.paf").read_text()
        assert "cg:Z:400=" in text
        # A single base and forty N are no evidence of anything.
        judged = {line.split("\t")[0] for line in text.splitlines() if "xe:f:" in line}
        assert judged == {"same"}


def refused(cli, reason: str, *args: object, code: int = 1) -> str:
    """Assert one line on stderr that gives the reason, and that nothing was written."""
    before = {p: p.stat().st_mtime_ns for p in Path().iterdir()}
    got = run(cli, *args)
    assert got.code == code, got
    assert got.out == ""
    assert reason in got.err
    if code == 1:
        assert len(got.err.strip().splitlines()) == 1
        assert "Traceback" not in got.err
    assert {p: p.stat().st_mtime_ns for p in Path().iterdir()} == before
    return got.err


def test_empty_inputs(cli, files: Path) -> None:
    Path("empty.fa").write_text("")
    Path("bare.fa").write_text(">x\n>y\nACGT\n")
    refused(cli, "is empty", "empty.fa", "r.fa", "-o", "o.paf")
    refused(cli, "is empty", "q.fa", "empty.fa", "-o", "o.paf")
    text = refused(cli, "no bases", "bare.fa", "r.fa", "-o", "o.paf")
    assert text.startswith("bare.fa:1: x:")
    refused(cli, "no such file", "absent.fa", "r.fa", "-o", "o.paf")


def test_protein_and_gaps(cli, files: Path) -> None:
    Path("protein.fa").write_text(">p\nMKLVPQE\n")
    Path("gapped.fa").write_text(">g\nAC-GT\n")
    text = refused(cli, "looks like protein", "protein.fa", "r.fa", "-o", "o.paf")
    assert text.startswith("protein.fa:2: p:")
    refused(cli, "looks like protein", "q.fa", "protein.fa", "-o", "o.paf")
    text = refused(cli, "gap signs", "gapped.fa", "r.fa", "-o", "o.paf")
    assert text.startswith("gapped.fa:1: g:")


def test_pairs_that_do_not_exist(cli, files: Path) -> None:
    Path("pairs.tsv").write_text("a\tchr1\na\tchr9\n")
    listed = ("q.fa", "r.fa", "--pairs", "pairs.tsv", "-o", "o.paf")
    text = refused(cli, "r.fa has no sequence of this name", *listed)
    assert text.startswith("pairs.tsv:2: chr9:")
    Path("pairs.tsv").write_text("z\tchr1\n")
    refused(cli, "q.fa has no sequence", *listed)
    Path("broken.paf").write_text("a\t98\t0\t98\t+\tchr1\tx\t0\t5\t5\t5\t60\n")
    refused(cli, "whole numbers", "q.fa", "r.fa", "--pairs", "broken.paf", "-o", "o.paf")
    Path("binary.paf").write_bytes(bytes(range(128, 256)))
    refused(cli, "binary.paf", "q.fa", "r.fa", "--pairs", "binary.paf", "-o", "o.paf")
    Path("three.fa").write_text(f">1\n{A}\n>2\n{A}\n>3\n{A}\n")
    uneven = ("three.fa", "r.fa", "--one-to-one", "-o", "o.paf")
    refused(cli, "three.fa has 3 sequences, r.fa 2", *uneven)
    Path("twice.fq").write_text(f"@a\n{A}\n+\n{A}\n" * 2)
    Path("pairs.tsv").write_text("a\tchr1\n")
    refused(cli, "occurs twice", "twice.fq", "r.fa", "--pairs", "pairs.tsv", "-o", "o.paf")


def test_outputs_in_the_way(cli, files: Path) -> None:
    Path("there.paf").write_text("mine\n")
    refused(cli, "already exists", "q.fa", "r.fa", "-o", "there.paf")
    refused(cli, "given for two outputs", "q.fa", "r.fa", "-o", "x.tsv", "--posteriors", "x.tsv")
    refused(cli, "is also an input", "q.fa", "r.fa", "-o", "q.fa", "--force")
    refused(cli, "folder does not exist", "q.fa", "r.fa", "-o", "no/where.paf")
    refused(cli, "only one of the inputs can be standard input", "-", "-", "-o", "o.paf")
    assert run(cli, "q.fa", "r.fa", "-o", "there.paf", "--force").code == 0
    assert Path("there.paf").read_text().startswith("a\t")


def test_sequences_too_long_for_the_memory(cli, files: Path) -> None:
    text = refused(cli, "GiB", "q.fa", "r.fa", "--memory", "0.0001", "-o", "o.paf")
    assert "a (98 bp) with chr1 (400 bp)" in text
    assert "--memory" in text


def test_names_the_format_cannot_hold(cli, files: Path) -> None:
    Path("name.fa").write_text(f">(x\n{CHR1}\n")
    refused(cli, "SAM does not allow", "q.fa", "name.fa", "--format", "sam", "-o", "o.sam")


def test_wrong_usage(cli, files: Path) -> None:
    Path("p.tsv").write_text("a\tchr1\n")
    refused(cli, "exclude each other", "q.fa", "r.fa", "--pairs", "p.tsv", "--one-to-one", code=2)
    refused(cli, "neither auto", "q.fa", "r.fa", "--band", "wide", code=2)
    refused(cli, "Invalid value", "q.fa", "r.fa", "--format", "bam", code=2)


def test_a_failure_halfway_leaves_nothing(cli, files: Path) -> None:
    Path("late.fa").write_text(f">a\n{A}\n>b\n{A}\n>c\nAC!GT\n")
    refused(cli, "'!' is not a DNA letter", "late.fa", "r.fa", "-o", "o.paf")
