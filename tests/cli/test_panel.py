"""``genolstm panel`` from the command line: what it prints, writes and refuses."""

from __future__ import annotations

import gzip
import io
import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support import DATA

import genolstm
from genolstm.cli import main
from genolstm.sequences.alphabet import encode
from genolstm.sequences.panel.panel import KmerPanel

TEXT = "".join(random.Random(1).choices("ACGT", k=300))


def run(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
    """Run the program in this process; return exit code, stdout and stderr."""
    code = 0
    try:
        main([str(arg) for arg in args])
    except SystemExit as stop:
        code = int(stop.code or 0)
    out, err = capsys.readouterr()
    return code, out, err


@pytest.fixture
def fasta(tmp_path: Path) -> Path:
    path = tmp_path / "group.fa"
    other = TEXT[:150] + "T" + TEXT[151:]
    path.write_text(f">S#1#c\n{TEXT}\n>S#2#c\n{other}\n>T_hap1\n{TEXT.lower()}\n")
    return path


def test_build_and_info(capsys: pytest.CaptureFixture[str], fasta: Path, tmp_path: Path) -> None:
    out = tmp_path / "group.panel"
    code, stdout, stderr = run(capsys, "panel", "build", fasta, "-o", out, "-t", "1")
    changed = 0 if TEXT[150] == "T" else 31
    assert (code, stdout) == (0, "")
    assert stderr == f"{270 + changed:,} 31-mers of 3 haplotypes -> {out}\n"

    code, stdout, stderr = run(capsys, "panel", "info", out)
    assert (code, stderr) == (0, "")
    rows = dict(line.split("\t") for line in stdout.splitlines())
    assert rows["k"] == "31"
    assert rows["haplotypes"] == "3"
    assert rows["k-mers"] == str(270 + changed)
    assert rows["names"] == "S#1, S#2, T#1"

    code, stdout, _ = run(capsys, "panel", "info", out, "--json")
    found = json.loads(stdout)
    assert found["n_kmers"] == 270 + changed
    assert found["provenance"]["settings"] == {"haplotypes": "record", "k": 31, "min_count": 1}


def test_every_option_arrives(capsys: pytest.CaptureFixture[str], fasta: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.panel"
    code, *_ = run(
        capsys,
        "panel",
        "build",
        fasta,
        fasta,
        "-o",
        out,
        "-k",
        15,
        "--haplotypes",
        "file",
        "--min-count",
        3,
        "--skip-short",
        "-q",
    )
    assert code == 0
    panel = KmerPanel.open(out)
    assert (panel.k, panel.min_count, panel.names) == (15, 3, ("group", "group"))
    # Two of the three records have the other base, and k-mers that cover it occur twice only.
    counts = panel.lookup(encode(TEXT))
    assert counts[:100].tolist() == [2] * 100
    assert (counts[140:145] == 0).all() == (TEXT[150] != "T")


def test_standard_input(
    capsys: pytest.CaptureFixture[str], fasta: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = io.BytesIO(gzip.compress(fasta.read_bytes()))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(packed))
    out = tmp_path / "x.panel"
    code, _, stderr = run(capsys, "panel", "build", "-", "-o", out)
    assert code == 0, stderr
    assert KmerPanel.open(out).n_haplotypes == 3


def test_standard_output(fasta: Path, tmp_path: Path) -> None:
    program = [sys.executable, "-m", "genolstm", "panel", "build", "group.fa", "-o"]
    kept = bad("-", b"keep me", tmp_path)
    done = subprocess.run([*program, "-"], cwd=tmp_path, capture_output=True, check=True, timeout=120)
    assert done.stderr.decode().endswith(" 31-mers of 3 haplotypes -> standard output\n")
    subprocess.run([*program, "x.panel"], cwd=tmp_path, check=True, timeout=120)
    assert done.stdout == (tmp_path / "x.panel").read_bytes()
    assert kept.read_bytes() == b"keep me"
    assert sorted(item.name for item in tmp_path.iterdir()) == ["-", "group.fa", "x.panel"]


def test_warnings(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "assembly.fa"
    path.write_text(f">chr1\n{TEXT}\n>chr2\n{TEXT}{'N' * 10}\n")
    out = tmp_path / "x.panel"
    code, stdout, stderr = run(capsys, "panel", "build", path, "-o", out)
    assert (code, stdout) == (0, "")
    assert stderr.splitlines() == [
        f"warning: {path}: its records are counted as 2 haplotypes, but look like contigs (chr1, chr2); "
        "if the file is one haplotype, use --haplotypes file",
        "warning: 1.6 % of the bases are unknown (not A, C, G or T): "
        "the panel knows nothing of the k-mers that they are part of",
        f"270 31-mers of 2 haplotypes -> {out}",
    ]
    assert "unknown bases\t1.64 %\n" in run(capsys, "panel", "info", out)[1]
    code, _, stderr = run(capsys, "panel", "build", path, "-o", out, "--haplotypes", "file", "--force")
    assert stderr.splitlines()[1:] == [f"270 31-mers of 1 haplotypes -> {out}"]


def test_info_of_a_panel_of_before(capsys: pytest.CaptureFixture[str]) -> None:
    path = DATA.parent.parent / "example_data" / "archaic.panel"
    code, stdout, _ = run(capsys, "panel", "info", path)
    assert code == 0
    assert "unknown bases\tnot stated\n" in stdout


def bad(name: str, data: bytes, tmp_path: Path) -> Path:
    path = tmp_path / name
    path.write_bytes(data)
    return path


LONG = TEXT.encode()
BAD = {
    "empty": ("x.fa", b"", "x.fa: is empty, a FASTA or FASTQ file is needed"),
    "no header": ("x.fa", LONG, "x.fa:1: no FASTA or FASTQ header: the first character is"),
    "protein": ("x.fa", b">p\nMELFQ\n", "x.fa:2: p: looks like protein, not DNA"),
    "binary": ("x.fa", b"\x7fELF\x02\x01\x00\x00", "x.fa: looks like binary data"),
    "truncated gzip": (
        "x.fa.gz",
        gzip.compress(b">a\n" + LONG)[:-40],
        "x.fa.gz: ends in the middle of its compressed data (truncated?)",
    ),
    "duplicate": ("x.fa", b">a\n%b\n>a\n%b\n" % (LONG, LONG), "x.fa:3: a: the name occurs twice (first on line 1)"),
    "zero length": ("x.fa", b">a\n>b\n%b\n" % LONG, "x.fa:1: a: the record has no bases"),
    "short": (
        "x.fa",
        b">a\n%b\n>b\nACGT\n" % LONG,
        "x.fa:3: b: has 4 bases, fewer than k = 31; use --skip-short to skip such records",
    ),
    "qualities": ("x.fq", b"@a\nACGT\n+\nIII\n", "x.fq:4: a: 4 bases but 3 qualities"),
    "reads": (
        "x.fq",
        b"@a\nACGT\n+\nIIII\n",
        "x.fq:1: these are reads (FASTQ), not haplotypes; give --min-count, or --haplotypes file",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(capsys: pytest.CaptureFixture[str], tmp_path: Path, case: str) -> None:
    name, data, message = BAD[case]
    path = bad(name, data, tmp_path)
    out = tmp_path / "x.panel"
    code, stdout, stderr = run(capsys, "panel", "build", path, "-o", out)
    assert (code, stdout) == (1, "")
    assert stderr.count("\n") == 1
    assert stderr.startswith(str(tmp_path / message))
    assert [item.name for item in tmp_path.iterdir()] == [name]


def test_outputs_are_guarded(capsys: pytest.CaptureFixture[str], fasta: Path, tmp_path: Path) -> None:
    out = bad("x.panel", b"keep me", tmp_path)
    code, _, stderr = run(capsys, "panel", "build", fasta, "-o", out)
    assert (code, stderr) == (1, f"{out}: already exists; use --force to replace it\n")
    assert out.read_bytes() == b"keep me"
    code, _, stderr = run(capsys, "panel", "build", fasta, "-o", tmp_path / "none" / "x.panel")
    assert code == 1
    assert "the output folder does not exist" in stderr
    code, *_ = run(capsys, "panel", "build", fasta, "-o", out, "--force")
    assert code == 0
    assert KmerPanel.open(out).k == 31


def test_info_refuses_what_is_no_panel(capsys: pytest.CaptureFixture[str], fasta: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.panel"
    run(capsys, "panel", "build", fasta, "-o", out)
    whole = bytearray(out.read_bytes())
    for data, message in (
        (whole[:-1], "is truncated"),
        (whole[:700] + bytes([whole[700] ^ 1]) + whole[701:], "is damaged: its content does not"),
        (fasta.read_bytes(), "is not a k-mer panel"),
    ):
        out.write_bytes(data)
        code, stdout, stderr = run(capsys, "panel", "info", out)
        assert (code, stdout) == (1, "")
        assert stderr.startswith(f"{out}: {message}")
        assert stderr.count("\n") == 1
    code, _, stderr = run(capsys, "panel", "info", tmp_path / "none.panel")
    assert (code, stderr) == (1, f"{tmp_path}/none.panel: no such file\n")


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["x.fa"],
        ["x.fa", "-o", "x", "-k", "32"],
        ["x.fa", "-o", "x", "--haplotypes", "c"],
        ["x.fa", "-o", "x", "--memory", "4"],
        ["x.fa", "-o", "x", "--memory", "383M"],
        ["x.fa", "-o", "x", "--memory", "four"],
    ],
)
def test_usage_errors_exit_2(capsys: pytest.CaptureFixture[str], args: list[str]) -> None:
    code, stdout, stderr = run(capsys, "panel", "build", *args)
    assert (code, stdout) == (2, "")
    assert "Error:" in stderr


def test_help_loads_no_compiled_code() -> None:
    script = (
        "import sys\nfrom genolstm.cli import main\n"
        "try:\n    main(['panel', 'build', '--help'])\nexcept SystemExit:\n    pass\n"
        "print(sorted({'numba', 'numpy', 'tensorflow', 'tqdm'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert "--min-count" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


def test_info_writes_what_it_always_wrote(capsys: pytest.CaptureFixture[str], fasta: Path, tmp_path: Path) -> None:
    """The golden files were written by the first release; since then, unknown bases are stated."""
    out = tmp_path / "group.panel"
    run(capsys, "panel", "build", fasta, "-o", out, "-k", 15, "-t", 1, "-q")
    assert run(capsys, "panel", "info", out) == (0, (DATA / "panel_info.txt").read_text(), "")
    expected = json.loads((DATA / "panel_info.json").read_text())
    expected["provenance"]["genolstm"] = genolstm.__version__
    text = json.dumps(expected, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    assert run(capsys, "panel", "info", out, "--json") == (0, text, "")


def test_options_of_build_and_info_arrive(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from genolstm.runs import panel as runs
    from genolstm.sequences.panel.settings import PanelSettings

    class Built:
        n_kmers, k, n_haplotypes = 1234, 15, 7

    calls: list[tuple[tuple[object, ...], dict[str, object]]] = []

    def build(
        *args: object,
        warn: Callable[[str], None],
        progress: Callable[[int, float | None], None] | None,
        **options: object,
    ) -> Built:
        calls.append((args, options))
        assert (progress is None) == (options["threads"] == 3), "-q shows none"
        warn("that looks odd")
        return Built()

    monkeypatch.setattr(runs, "build", build)
    monkeypatch.setattr(runs, "info", lambda *args, **options: calls.append((args, options)) or "held")
    chosen = ["-k", 15, "--haplotypes", "file", "--min-count", 3, "--skip-short", "--force", "-t", 3, "-q"]
    chosen += ["--memory", "1.5G"]
    assert run(capsys, "panel", "build", "a.fa", "b.fa", "-o", "x.panel", *chosen) == (0, "", "")
    said = run(capsys, "panel", "build", "a.fa", "-o", "x.panel")
    assert said == (0, "", "warning: that looks odd\n1,234 15-mers of 7 haplotypes -> x.panel\n")
    assert run(capsys, "panel", "info", "x.panel", "--json") == (0, "held\n", "")
    assert run(capsys, "panel", "info", "x.panel") == (0, "held\n", "")
    assert calls == [
        (
            (("a.fa", "b.fa"), "x.panel", PanelSettings(15, "file", 3, True)),
            {"threads": 3, "memory": 3 << 29, "force": True},
        ),
        ((("a.fa",), "x.panel", PanelSettings()), {"threads": 0, "memory": 4 << 30, "force": False}),
        (("x.panel",), {"as_json": True}),
        (("x.panel",), {"as_json": False}),
    ]


def test_names_of_a_panel_are_shown_escaped(capsys: pytest.CaptureFixture[str], fasta: Path, tmp_path: Path) -> None:
    name = "a\u202eb\u2066é"
    fasta.write_text(fasta.read_text().replace(">S#1", f">{name}#1"))
    out_file = tmp_path / "x.panel"
    assert run(capsys, "panel", "build", fasta, "-o", out_file, "-q")[0] == 0
    code, out, _ = run(capsys, "panel", "info", out_file)
    assert (code, "names\ta\\u202eb\\u2066é#1, S#2" in out) == (0, True)
    code, out, _ = run(capsys, "panel", "info", out_file, "--json")
    assert (code, f"{name}#1" in json.loads(out)["names"]) == (0, True)
    assert out.replace("\n", "").isprintable()
