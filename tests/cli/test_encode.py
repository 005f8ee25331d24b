"""``genolstm encode`` from the command line."""

from __future__ import annotations

import gzip
import hashlib
import random
from pathlib import Path

import numpy as np
import pytest
from support import DATA

from genolstm.cli import main

FASTA = ">a words\nACGTN\nACGTT\n>b\nGGGAC\n"

LONG = """\
#record	start	end	kmer	count
a	0	10	AAC	1
a	0	10	ACG	4
b	0	5	CCC	1
b	0	5	GAC	1
b	0	5	GGA	1
"""

STRANDED = """\
#record	start	end	kmer	count
a	0	4	ACG	1
a	0	4	CGT	1
a	5	9	ACG	1
a	5	9	CGT	1
b	0	4	GGA	1
b	0	4	GGG	1
"""

WIDE = """\
#record	start	end	A	C
a	0	10	5	4
b	0	5	1	4
"""


def run(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
    code = 0
    try:
        main([str(arg) for arg in args])
    except SystemExit as stop:
        code = int(stop.code or 0)
    out, err = capsys.readouterr()
    return code, out, err


@pytest.fixture
def fasta(tmp_path: Path) -> Path:
    path = tmp_path / "x.fa"
    path.write_text(FASTA)
    return path


@pytest.mark.parametrize(
    ("options", "expected"),
    [(["-k", "3"], LONG), (["-k", "3", "--stranded", "-w", "4", "-s", "5"], STRANDED), (["-k", "1", "--wide"], WIDE)],
)
def test_tables(
    capsys: pytest.CaptureFixture[str], fasta: Path, tmp_path: Path, options: list[str], expected: str
) -> None:
    assert run(capsys, "encode", "kmers", fasta, *options) == (0, expected, "")
    out = tmp_path / "x.tsv.gz"
    assert run(capsys, "encode", "kmers", fasta, *options, "-o", out) == (0, "", "")
    assert gzip.decompress(out.read_bytes()).decode() == expected


def test_stranded_wide_table_has_a_column_for_each_kmer(capsys: pytest.CaptureFixture[str], fasta: Path) -> None:
    code, out, _ = run(capsys, "encode", "kmers", fasta, "-k", "2", "--wide", "--stranded")
    rows = [line.split("\t") for line in out.splitlines()]
    assert code == 0
    assert rows[0][3:] == [a + b for a in "ACGT" for b in "ACGT"]
    assert [sum(map(int, row[3:])) for row in rows[1:]] == [7, 4]


def test_one_hot(capsys: pytest.CaptureFixture[str], fasta: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.npz"
    code, stdout, stderr = run(capsys, "encode", "onehot", fasta, "-o", out, "-w", "4", "-s", "3")
    assert (code, stdout, stderr) == (0, "", f"4 windows of 4 bases -> {out}\n")
    with np.load(out, allow_pickle=False) as arrays:
        assert arrays["record"].tolist() == ["a", "a", "a", "b"]
        assert arrays["start"].tolist() == [0, 3, 6, 0]
        assert arrays["onehot"].shape == (4, 4, 4)
        cut = ["ACGT", "TNAC", "CGTT", "GGGA"]
        expected = [[[int(c == base) for base in "ACGT"] for c in window] for window in cut]
        assert arrays["onehot"].tolist() == expected
    before = out.read_bytes()
    run(capsys, "encode", "onehot", fasta, "-o", out, "-w", "4", "-s", "3", "--force")
    assert out.read_bytes() == before


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["kmers", "-k", "6"], "x.fa:4: b: has 5 bases, fewer than the 6 needed"),
        (["onehot", "-w", "6"], "x.fa:4: b: has 5 bases, fewer than the 6 needed"),
        (["onehot", "-w", "60", "--skip-short"], "x.fa: no record is as long as a window"),
    ],
)
def test_short_records(
    capsys: pytest.CaptureFixture[str], fasta: Path, tmp_path: Path, args: list[str], message: str
) -> None:
    out = tmp_path / "out"
    code, stdout, stderr = run(capsys, "encode", args[0], fasta, "-o", out, *args[1:])
    assert (code, stdout, stderr.count("\n")) == (1, "", 1)
    assert stderr.startswith(str(tmp_path / message))
    assert not out.exists()


def test_short_records_may_be_skipped(capsys: pytest.CaptureFixture[str], fasta: Path) -> None:
    code, out, _ = run(capsys, "encode", "kmers", fasta, "-k", "4", "-w", "6", "--skip-short")
    assert code == 0
    assert {line.split("\t")[0] for line in out.splitlines()[1:]} == {"a"}


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["-k", "9", "--wide"], "a wide table needs k up to 8, not 9"),
        (["-k", "9", "-w", "8"], "a window of 8 bases holds no 9-mer"),
        (["-s", "8"], "a step needs a window"),
    ],
)
def test_senseless_settings(capsys: pytest.CaptureFixture[str], fasta: Path, args: list[str], message: str) -> None:
    assert run(capsys, "encode", "kmers", fasta, *args) == (1, "", message + "\n")


@pytest.mark.parametrize("command", ["kmers", "onehot"])
def test_bad_files_and_outputs(capsys: pytest.CaptureFixture[str], fasta: Path, tmp_path: Path, command: str) -> None:
    out = tmp_path / "out"
    for data, message in ((b"", "is empty"), (b"ACGT\n", ":1: no FASTA"), (b">a\nMELF\n", ":2: a: looks like protein")):
        bad = tmp_path / "bad.fa"
        bad.write_bytes(data)
        code, stdout, stderr = run(capsys, "encode", command, bad, "-o", out)
        assert (code, stdout, stderr.count("\n")) == (1, "", 1)
        assert message in stderr
        assert not out.exists()
    out.write_text("keep me")
    code, _, stderr = run(capsys, "encode", command, fasta, "-o", out)
    assert code == 1
    assert stderr == f"{out}: already exists; use --force to replace it\n"
    assert out.read_text() == "keep me"
    code, _, stderr = run(capsys, "encode", "onehot", fasta, "-o", "-")
    assert (code, stderr.count("\n")) == (1, 1)
    assert run(capsys, "encode", command)[0] == 2


def test_outputs_are_what_they_always_were(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The golden files, and the checksum, are of the first release."""
    text = "".join(random.Random(1).choices("ACGT", k=300))
    other = text[:150] + "T" + text[151:]
    path = tmp_path / "group.fa"
    path.write_text(f">S#1#c\n{text}\n>S#2#c\n{other}\n>T_hap1\n{text.lower()}\n")
    _, found, _ = run(capsys, "encode", "kmers", path, "-k", 2, "-w", 100, "-s", 75)
    assert found == (DATA / "kmers.tsv").read_text()
    _, found, _ = run(capsys, "encode", "kmers", path, "-k", 3, "--stranded", "--wide")
    assert found == (DATA / "kmers_wide.tsv").read_text()
    run(capsys, "encode", "onehot", path, "-o", tmp_path / "x.npz", "-w", 60, "-s", 40)
    with np.load(tmp_path / "x.npz") as arrays:
        content = b"".join(arrays[name].tobytes() for name in ("onehot", "record", "start"))
    assert hashlib.sha256(content).hexdigest() == "b280c1908ddd7f2abda90fccef31354831d8ee4b5165868b715d65c84fff2652"


def test_options_arrive(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from genolstm.runs import encode

    calls = []
    monkeypatch.setattr(encode, "write_kmer_counts", lambda *args, **options: calls.append((args, options)))
    monkeypatch.setattr(encode, "write_one_hot", lambda *args, **options: calls.append((args, options)) or 1234)
    chosen = ["-o", "x.tsv", "-k", 5, "--stranded", "-w", 50, "-s", 10, "--wide", "--skip-short", "--force"]
    assert run(capsys, "encode", "kmers", "a.fa", *chosen) == (0, "", "")
    assert run(capsys, "encode", "kmers", "a.fa") == (0, "", "")
    windows = ["-o", "x.npz", "-w", 2000, "-s", 10, "--skip-short", "--force", "-q"]
    assert run(capsys, "encode", "onehot", "a.fa", *windows) == (0, "", "")
    assert run(capsys, "encode", "onehot", "a.fa", "-o", "x.npz") == (0, "", "1,234 windows of 1,000 bases -> x.npz\n")
    assert calls == [
        (
            ("a.fa", "x.tsv"),
            {"k": 5, "canonical": False, "window": 50, "step": 10, "wide": True, "skip_short": True, "force": True},
        ),
        (
            ("a.fa", "-"),
            {
                "k": 4,
                "canonical": True,
                "window": None,
                "step": None,
                "wide": False,
                "skip_short": False,
                "force": False,
            },
        ),
        (("a.fa", "x.npz"), {"window": 2000, "step": 10, "skip_short": True, "force": True}),
        (("a.fa", "x.npz"), {"window": 1000, "step": None, "skip_short": False, "force": False}),
    ]
