"""What importing and starting costs, and which libraries stay out of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import DATA, EXAMPLE

HEAVY = ("tensorflow", "keras", "sklearn", "matplotlib", "pandas", "msprime", "stdpopsim", "onnx",
         "scipy.stats", "Bio", "snakemake", "tf2onnx")  # fmt: skip
LIBRARIES = ("numpy", "numba", "onnxruntime", "cyvcf2", "rich")

SCRIPT = """
import json, resource, sys
{body}
used = resource.getrusage(resource.RUSAGE_SELF)
found = [name for name in {names!r} if name in sys.modules]
print(json.dumps([found, used.ru_utime + used.ru_stime]), file=sys.stderr)
"""
MAIN = """
from genolstm.cli import main
try:
    main({args!r})
except SystemExit as stop:
    assert not stop.code, stop.code
"""


def cost(body: str) -> tuple[list[str], float]:
    """Run ``body`` in a fresh Python; return the libraries it loaded and its CPU seconds."""
    script = SCRIPT.format(body=body, names=HEAVY + LIBRARIES)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    loaded, seconds = json.loads(done.stderr.splitlines()[-1])
    return loaded, seconds


def command(*args: object) -> str:
    return MAIN.format(args=[str(arg) for arg in args])


@pytest.mark.parametrize(
    "body",
    [
        "import genolstm",
        command("--help"),
        command("--version"),
        command("introgression", "--help"),
        command("introgression", "scan", "--help"),
        command("introgression", "train", "--help"),
        command("introgression", "evaluate", "--help"),
        command("introgression", "simulate", "--help"),
    ],
    ids=["import", "help", "version", "group", "scan", "train", "evaluate", "simulate"],
)
def test_importing_and_help_load_nothing_heavy(body: str) -> None:
    loaded, seconds = cost(body)
    assert loaded == []
    # Half a second is promised; a busy machine counts some of its waiting as ours.
    assert seconds < 0.8


@pytest.mark.parametrize("door", ["fasta", "vcf"])
@pytest.mark.parametrize("extra", ["segments", "everything"])
def test_a_scan_loads_what_it_needs(tmp_path: Path, door: str, extra: str) -> None:
    folder = EXAMPLE
    args: list[object] = ["introgression", "scan", "-q", "-o", tmp_path / "x.bed"]
    if door == "fasta":
        args += [folder / "query.fa.gz"]
        args += [part for role in ("archaic", "outgroup")
                 for part in (f"--{role}", folder / f"{role}.panel")]  # fmt: skip
    else:
        args += ["--vcf", folder / "region.vcf.gz"]
        args += [part for role in ("target", "archaic", "outgroup")
                 for part in (f"--{role}", folder / f"{role}.txt")]  # fmt: skip
    if extra == "everything":
        args += ["--posteriors", tmp_path / "p.tsv.gz", "--bedgraph", tmp_path / "p.bedgraph"]
        mask = tmp_path / "mask.bed"
        mask.write_text("chr21\t0\t100\n")
        args += ["--exclude", mask] if door == "vcf" else []
    body = command(*args)
    loaded, _ = cost(body)  # compiles where nothing was compiled before
    expected = {"numpy", "numba", "onnxruntime", "rich"} | ({"cyvcf2"} if door == "vcf" else set())
    assert set(loaded) <= expected, "heavy libraries in a scan"
    (tmp_path / "x.bed").unlink()
    for path in tmp_path.glob("p.*"):
        path.unlink()
    _, seconds = cost(body)
    assert seconds < 3  # 600 kb of 6 haplotypes; one second of it is loading


def test_an_evaluation_of_segments_needs_no_tables() -> None:
    loaded, _ = cost(
        command("introgression", "evaluate", DATA / "eval_segments.bed", DATA / "eval_truth.bed")
    )
    assert set(loaded) <= {"numpy", "numba", "onnxruntime", "rich"}
