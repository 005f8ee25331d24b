"""Nothing is sent, and nothing is written but outputs, temporary files and caches of compiled code."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from support import EXAMPLE

import genolstm
from genolstm.introgression.formats import SEGMENT_COLUMNS, header_line

PACKAGE = Path(genolstm.__file__).parent
WRITES = "creat,openat,open,mkdir,mkdirat,rename,renameat,renameat2,link,linkat,symlink,symlinkat,mknod,mknodat"

needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


class Traced:
    """A command run under strace, in a home folder of its own.

    Attributes
    ----------
    sockets
        Calls of the network, but for sockets of the machine itself (AF_UNIX, AF_NETLINK).
    strays
        What was written outside the outputs, the temporary folder and the caches of compiled code.
    """

    def __init__(self, folder: Path, *args: object) -> None:
        self.home, self.work, temporary = (folder / name for name in ("home", "work", "tmp"))
        for place in (self.home, self.work, temporary):
            place.mkdir(exist_ok=True)
        log = folder / "strace.txt"
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "ORT_", "KERAS_", "MPL"))}
        environment |= {"HOME": str(self.home), "XDG_CACHE_HOME": str(self.home / "cache"), "TMPDIR": str(temporary)}
        # Where the tests import the package from, the command does as well.
        environment["PYTHONPATH"] = os.pathsep.join([str(PACKAGE.parent), environment.get("PYTHONPATH", "")])
        strace = ["strace", "-f", "-qq", "-y", "-e", f"trace=network,{WRITES}", "-o", str(log)]
        command = [*strace, sys.executable, "-m", "genolstm", *map(str, args)]
        done = subprocess.run(command, cwd=self.work, env=environment, capture_output=True, text=True, check=False)
        if "ptrace" in done.stderr.lower():
            pytest.skip(f"strace may not trace here: {done.stderr.splitlines()[0]}")
        assert done.returncode == 0, done.stderr
        calls = [line.split(maxsplit=1)[1] for line in log.read_text(errors="replace").splitlines()]
        assert any("openat" in call for call in calls), "nothing was traced"
        network = [c for c in calls if re.match(r"(socket|connect|bind|send\w*|getsockname)\(", c)]
        self.sockets = [c for c in network if not re.search(r"AF_UNIX|AF_LOCAL|AF_NETLINK|<(UNIX|NETLINK)", c)]
        allowed = [str(self.work), str(temporary), "/dev/null", "/dev/pts", "/dev/tty", "/dev/shm", "/proc/self/"]
        self.strays = [c for c in calls if _writes(c) and not all(_fine(p, allowed) for p in self._paths(c))]
        self.left = sorted(str(p.relative_to(self.home)) for p in self.home.rglob("*") if p.is_file())

    def _paths(self, call: str) -> list[str]:
        named = [path for path in re.findall(r'"((?:[^"\\]|\\.)*)"', call) if path]
        return [os.path.normpath(self.work / path) for path in named]


def _writes(call: str) -> bool:
    name = call.split("(")[0]
    if name not in WRITES.split(",") or re.search(r"\) += -1 ", call):
        return False
    return name not in ("open", "openat") or bool(re.search(r"O_WRONLY|O_RDWR|O_CREAT|O_TMPFILE", call))


def _fine(path: str, allowed: list[str]) -> bool:
    # Python's bytecode and numba's machine code, beside the source or in the user's cache.
    return "/__pycache__" in path or "/cache/numba/" in path or path.startswith(tuple(allowed))


@needs_strace
@pytest.mark.timeout(600)  # compiles where nothing was compiled before
@pytest.mark.parametrize("door", ["fasta", "vcf"])
def test_a_scan_sends_nothing_and_writes_nothing_else(tmp_path: Path, door: str) -> None:
    roles = ("archaic", "outgroup") if door == "fasta" else ("target", "archaic", "outgroup")
    suffix = "panel" if door == "fasta" else "txt"
    args = [part for role in roles for part in (f"--{role}", EXAMPLE / f"{role}.{suffix}")]
    args += [EXAMPLE / "query.fa.gz"] if door == "fasta" else ["--vcf", EXAMPLE / "region.vcf.gz"]
    if door == "vcf" and find_spec("pybigtools"):
        args += ["--bigwig", "m.bw", "--bigwig-haplotypes", "each"]
    traced = Traced(tmp_path, "introgression", "scan", *args, "-o", "x.bed", "--posteriors", "p.tsv.gz")
    assert (tmp_path / "work" / "x.bed").stat().st_size > 100
    assert traced.sockets == []
    assert traced.strays == []
    assert traced.left == []


@needs_strace
@pytest.mark.timeout(600)  # compiles where nothing was compiled before
def test_an_alignment_sends_nothing_and_writes_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    for name, text in (("a.fa", "ACGTTGCATTTAGCACCATGACA"), ("b.fa", "ACGTTCCATTAGCACCTTGACA")):
        (tmp_path / "work" / name).write_text(f">s\n{text}\n")
    traced = Traced(tmp_path, "align", "score", "a.fa", "b.fa", "-o", "x.paf")
    assert (tmp_path / "work" / "x.paf").stat().st_size > 10
    assert traced.sockets == []
    assert traced.strays == []
    assert traced.left == []


@needs_strace
def test_a_report_sends_nothing_and_writes_nothing_else(tmp_path: Path) -> None:
    pytest.importorskip("bokeh")
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "x.bed").write_text(
        header_line(SEGMENT_COLUMNS) + "\nc\t0\t9000\ts\t900\t.\tA\t1\t0.9\t9\t8\ts\n"
    )
    traced = Traced(tmp_path, "introgression", "report", "x.bed", "-o", "x.html")
    assert (tmp_path / "work" / "x.html").stat().st_size > 1_000_000
    assert traced.sockets == []
    assert traced.strays == []
    assert traced.left == []


def _but_fonts(calls: list[str]) -> list[str]:
    """Leave out the cache of fonts of Matplotlib, which Keras imports where it is installed."""
    return [call for call in calls if "matplotlib" not in call and not call.startswith(("mkdir(", "mkdirat("))]


@needs_strace
@pytest.mark.slow
def test_texts_are_trained_on_generated_and_scored_without_a_trace(tmp_path: Path) -> None:
    pytest.importorskip("tensorflow")
    text = EXAMPLE / "rhyme.txt"
    for args in (
        ("text", "train", text, "-o", "m.genolstm", "--epochs", 1),
        ("text", "generate", "--model", "m.genolstm", "-n", 20, "-o", "out.txt"),
        ("text", "score", text, "--model", "m.genolstm"),
    ):
        traced = Traced(tmp_path, *args)
        assert traced.sockets == []
        assert _but_fonts(traced.strays) == []
        assert _but_fonts(traced.left) == []


@needs_strace
@pytest.mark.slow
def test_a_training_sends_nothing_and_writes_nothing_else(tmp_path: Path, region) -> None:
    pytest.importorskip("tensorflow")
    from genolstm.runs.simulate import write_simulation

    for name in ("a", "b"):
        place = tmp_path / "work" / name
        place.mkdir(parents=True)
        write_simulation(region, place)
    options = ["--epochs", 1, "--units", 4, "--window", 50, "--log", "log.csv", "-o", "m.genolstm"]
    traced = Traced(tmp_path, "introgression", "train", "a", "b", *options)
    assert (tmp_path / "work" / "m.genolstm").exists()
    assert traced.sockets == []
    assert _but_fonts(traced.strays) == []
    assert _but_fonts(traced.left) == []


def test_one_place_imports_onnx_runtime_and_switches_its_telemetry_off_first() -> None:
    importing = re.compile(r"^\s*(import|from) onnxruntime\b", re.MULTILINE)
    places = [p for p in PACKAGE.rglob("*.py") if importing.search(p.read_text(encoding="utf-8"))]
    assert [p.name for p in places] == ["onnx_runtime.py"]
    script = (
        "import os, sys; from genolstm.lstm.bundle.onnx_runtime import load\n"
        "class Find:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'onnxruntime': print(os.environ.get('ORT_DISABLE_TELEMETRY'))\n"
        "sys.meta_path.insert(0, Find()); load()"
    )
    environment = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"}
    environment["PYTHONPATH"] = str(PACKAGE.parent)
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "1\n", done.stderr
