"""What importing and starting costs, and which libraries stay out of it."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import DATA, EXAMPLE

import genolstm

HEAVY = (
    "tensorflow",
    "keras",
    "sklearn",
    "matplotlib",
    "pandas",
    "msprime",
    "stdpopsim",
    "onnx",
    "scipy.stats",
    "Bio",
    "snakemake",
    "tf2onnx",
)
LIBRARIES = ("numpy", "numba", "onnxruntime", "zarr", "tqdm")

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
    # As users have it: Python keeps the code that it compiles.
    around = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False, env=around
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
def test_a_scan_loads_what_it_needs(tmp_path: Path, door: str) -> None:
    roles = ("archaic", "outgroup") if door == "fasta" else ("target", "archaic", "outgroup")
    suffix = "panel" if door == "fasta" else "txt"
    args: list[object] = [part for role in roles for part in (f"--{role}", EXAMPLE / f"{role}.{suffix}")]
    if door == "fasta":
        args.append(EXAMPLE / "query.fa.gz")
    else:
        mask = tmp_path / "mask.bed"
        mask.write_text("chr21\t0\t100\n")
        args += ["--vcf", EXAMPLE / "region.vcf.gz", "--exclude", mask]
    outputs = ["-o", tmp_path / "x.bed", "--posteriors", tmp_path / "p.tsv.gz", "--bedgraph", tmp_path / "p.bedgraph"]
    body = command("introgression", "scan", "-q", "--force", *args, *outputs)
    loaded, _ = cost(body)  # compiles where nothing was compiled before
    expected = {"numpy", "numba", "onnxruntime", "tqdm"}
    assert set(loaded) <= expected
    _, seconds = cost(body)
    assert seconds < 3  # 600 kb of 6 haplotypes; half a second of it is numba's loading


def test_an_evaluation_of_segments_needs_no_tables() -> None:
    loaded, _ = cost(command("introgression", "evaluate", DATA / "eval_segments.bed", DATA / "eval_truth.bed"))
    assert set(loaded) <= {"numpy", "numba", "onnxruntime", "tqdm"}


def test_compiled_code_does_without_linear_algebra() -> None:
    """Numba takes it from SciPy, which the core does not have."""
    package = Path(genolstm.__file__).parent
    compiled, found = 0, []
    for path in package.rglob("*.py"):
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(function, ast.FunctionDef) or not any(
                word in ast.unparse(mark) for mark in function.decorator_list for word in ("compiled", "njit")
            ):
                continue
            compiled += 1
            found += [
                f"{path.name}:{node.lineno}"
                for node in ast.walk(function)
                if (isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult))
                or (isinstance(node, ast.Attribute) and node.attr in ("dot", "vdot", "linalg", "matmul"))
            ]
    assert compiled > 50
    assert found == []


def test_the_program_leaves_scipy_alone_and_a_library_does_not_hide_it() -> None:
    """Numba would import it, for what compiled code does without."""
    scan = ["introgression", "scan", "-q", "--force", "-o", "-", str(EXAMPLE / "query.fa.gz")]
    scan += [part for role in ("archaic", "outgroup") for part in (f"--{role}", str(EXAMPLE / f"{role}.panel"))]
    for begin, expected in ((f"sys.argv[1:] = {scan!r}; main()", False), (f"main({scan!r})", True)):
        body = f"import sys\nfrom genolstm.cli import main\n{begin}\nfound = 'scipy.linalg' in sys.modules\n"
        # Afterwards it is there for whoever needs it.
        body += "import scipy.linalg\nscipy.linalg.inv([[2.0]])\nprint(found, file=sys.stderr)"
        done = subprocess.run([sys.executable, "-c", body], capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stderr.split() == [str(expected)]
