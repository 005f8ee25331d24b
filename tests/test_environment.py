"""Odd surroundings: one line and exit status 1, or as ever; nothing half-written, and no traceback."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import EXAMPLE

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs a Unix system")

# Quick commands, each with an output: a file and standard output, text and bytes.
QUICK = {
    "a file": "encode onehot {a} -w 5 -o {out}/x.npz",
    "bytes to stdout": "encode onehot {a} -w 5 -o -",
    "a table to stdout": "introgression evaluate {truth} {truth}",
    "printed": "model export dna --onnx {out}/x.onnx",
}
# One of each kind of work, which takes seconds.
SLOW = {
    "scan": "introgression scan {query} {references} -o {out}/x.bed --posteriors {out}/y.gz",
    "scan to stdout": "introgression scan {query} {references} -o -",
    "panel": "panel build {a} -k 5 -o {out}/x.panel",
    "score": "align score {a} {a} -o {out}/x.paf --posteriors {out}/x.tsv",
    "search": "align search {a} {a}",
    "msa": "align msa {a} -o {out}/x.fa",
    "plot": "align plot {a} {a} -o {out}/x.svg",
    "k-mers": "encode kmers {a} -o {out}/x.tsv.gz",
    "gather": "introgression gather {bed} -o {out}/x.bed",
    "card": "model card dna",
    "verify": "model verify dna",
    "info": "panel info {archaic}",
    "baseline": "text baseline {rhyme} --max-order 2",
}


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, object]:
    folder = tmp_path_factory.mktemp("inputs")
    (folder / "a.fa").write_text(">a\nACGTACGTACGTTGCA\n>b\nACGTACGATACGTTGCA\n")
    columns = "#chrom\tstart\tend\tname\tscore\tstrand\tsample\thaplotype\tposterior\tn_sites\tn_match\tsource"
    (folder / "x.bed").write_text(columns + "\n")
    names = {name: EXAMPLE / f"{name}.panel" for name in ("archaic", "outgroup")}
    return {
        **names,
        "references": f"--archaic {names['archaic']} --outgroup {names['outgroup']}",
        "a": folder / "a.fa",
        "bed": folder / "x.bed",
        "truth": EXAMPLE / "truth.bed",
        "query": EXAMPLE / "query.fa.gz",
        "rhyme": EXAMPLE / "rhyme.txt",
    }


class Done:
    """How a command ended; ``err`` is None if standard error was closed."""

    def __init__(self, code: int, err: str | None, out: bytes) -> None:
        self.code, self.err, self.out = code, err, out


def run(words: list[str], *, closed: str = "", full: bool = False, cwd: object = None, **more: object) -> Done:
    """Run a command in a process of its own, with some of its standard streams (``012``) closed."""
    before: Callable[[], None] | None = more.pop("before", None)  # type: ignore[assignment]

    def prepare() -> None:
        if before is not None:
            before()
        for number in closed:
            os.close(int(number))

    with contextlib.ExitStack() as stack:
        out: object = subprocess.PIPE
        if full:
            out = stack.enter_context(Path("/dev/full").open("w"))
        environment = {**os.environ, **more.pop("env", {})}  # type: ignore[dict-item]
        done = subprocess.run(
            [sys.executable, "-m", "genolstm", *words],
            stdin=subprocess.DEVNULL,
            stdout=out,  # type: ignore[arg-type]
            stderr=subprocess.PIPE,
            preexec_fn=prepare,
            cwd=cwd,  # type: ignore[arg-type]
            env={name: value for name, value in environment.items() if value is not None},
            timeout=120,
            check=False,
        )
    return Done(done.returncode, None if "2" in closed else done.stderr.decode(), done.stdout or b"")


def limit(which: int, value: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(which, (value, value))


SURROUNDINGS: dict[str, dict[str, object]] = {
    "closed stdin": {"closed": "0"},
    "closed stdout": {"closed": "1"},
    "closed stderr": {"closed": "2"},
    "all closed": {"closed": "012"},
    "full stdout": {"full": True},
    "ASCII": {"env": {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}},
    "HOME that is not writable": {"env": {"HOME": "/proc"}},
    "no HOME": {"env": {"HOME": None}},
    "TMPDIR that is not writable": {"env": {"TMPDIR": "/proc"}},
    "no files may be written": {"before": limit(resource.RLIMIT_FSIZE, 0)},
    "20 open files": {"before": limit(resource.RLIMIT_NOFILE, 20)},
}


def check(line: str, files: dict[str, object], out: Path, surroundings: dict[str, object]) -> Done:
    done = run(line.format(**files, out=out).split(), **surroundings)  # type: ignore[arg-type]
    assert done.code in (0, 1), done.err
    if done.err is not None:
        assert "Traceback" not in done.err, done.err
        assert done.code == 0 or done.err.count("\n") == 1, done.err
    written = sorted(path.name for path in out.iterdir())
    assert not [name for name in written if name.startswith(".")], written
    assert done.code == 0 or not written, written
    assert done.code or "{out}" not in line or written
    return done


@pytest.mark.parametrize("around", list(SURROUNDINGS))
def test_quick_commands(around: str, files: dict[str, object], tmp_path: Path) -> None:
    # One command or two show most of it in a default run; which ones goes by the surroundings.
    ends = {}
    number = list(SURROUNDINGS).index(around)
    streams = ["bytes to stdout", "a table to stdout"]
    names = streams if around in ("closed stdout", "ASCII") else [list(QUICK)[number % len(QUICK)]]
    for name in names:
        out = tmp_path / name.replace(" ", "_")
        out.mkdir()
        ends[name] = check(QUICK[name], files, out, SURROUNDINGS[around])
    if "1" in str(SURROUNDINGS[around].get("closed", "")):
        assert {done.code for name, done in ends.items() if "stdout" in name} <= {1}
    if around == "ASCII":
        assert all(done.code == 0 for done in ends.values())


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("around", list(SURROUNDINGS))
@pytest.mark.parametrize("name", [*QUICK, *SLOW])
def test_every_kind_of_command(around: str, name: str, files: dict[str, object], tmp_path: Path) -> None:
    check({**QUICK, **SLOW}[name], files, tmp_path, SURROUNDINGS[around])


def test_what_is_printed_to_no_stream_is_an_error(files: dict[str, object]) -> None:
    done = run(["introgression", "evaluate", str(files["truth"]), str(files["truth"])], closed="1")
    assert (done.code, done.err) == (1, "<stdout>: is closed\n")
    done = run(["encode", "onehot", "-", "-w", "5", "-o", "x.npz"], closed="0", cwd="/")
    assert (done.code, done.err) == (1, "<stdin>: is closed\n")


def test_output_is_utf8_whatever_the_locale(files: dict[str, object], tmp_path: Path) -> None:
    header = (files["bed"]).read_text()  # type: ignore[attr-defined]
    row = "chr1\t0\t9\té\t1\t+\té\t1\t0.5\t1\t1\té\n"
    (tmp_path / "ü.bed").write_text(header + row, encoding="utf-8")
    ascii_only = SURROUNDINGS["ASCII"]
    words = ["introgression", "gather", "ü.bed", "-q", "-o"]
    assert run([*words, "x.bed"], cwd=tmp_path, **ascii_only).code == 0
    done = run([*words, "-"], cwd=tmp_path, **ascii_only)
    assert (done.code, done.err, done.out) == (0, "", (tmp_path / "x.bed").read_bytes())
    assert done.out == (header + row.replace("\té\t1\t+", "\tmix_0001\t1\t+")).encode()
    done = run(["introgression", "gather", "ö.bed", "-o", "y"], cwd=tmp_path, **ascii_only)
    assert (done.code, done.err) == (1, "\\xc3\\xb6.bed: no such file\n")


def test_a_folder_that_was_deleted(files: dict[str, object], tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    # Python starts in the folder, which then goes.
    script = "import os, sys; os.rmdir(os.getcwd()); from genolstm.__main__ import main; main()"

    def start(*words: object) -> subprocess.CompletedProcess[str]:
        gone.mkdir(exist_ok=True)
        command = [sys.executable, "-c", script, *map(str, words)]
        return subprocess.run(command, cwd=gone, capture_output=True, text=True, timeout=120, check=False)

    done = start("encode", "onehot", files["a"], "-w", "5", "-o", "x.npz")
    assert (done.returncode, done.stderr) == (1, "x.npz: cannot be written (No such file or directory)\n")
    done = start("encode", "onehot", files["a"], "-w", "5", "-q", "-o", tmp_path / "x.npz")
    assert (done.returncode, done.stderr) == (0, "")
    done = start("introgression", "evaluate", "x.bed", files["truth"])
    assert (done.returncode, done.stderr) == (1, "x.bed: no such file\n")


def test_links_that_lead_nowhere(files: dict[str, object], tmp_path: Path, cli) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    (tmp_path / "broken").symlink_to("none")
    for name in ("loop", "a"):
        found = cli("encode", "kmers", tmp_path / name)
        assert (found.code, found.err) == (
            1,
            f"{tmp_path / name}: cannot be read (Too many levels of symbolic links)\n",
        )
        found = cli("encode", "kmers", files["a"], "-o", tmp_path / name)
        assert found.code == 1
        assert found.err.startswith(f"{tmp_path / name}: cannot be written (")
        assert found.err.count("\n") == 1
    found = cli("encode", "kmers", tmp_path / "broken")
    assert (found.code, found.err) == (1, f"{tmp_path / 'broken'}: no such file\n")
    assert cli("introgression", "simulate", "-o", tmp_path / "loop").err.count("\n") == 1


INPUTS = [
    "align msa {x}",
    "align score {x} {a}",
    "align score {a} {a} --pairs {x}",
    "compare {x}",
    "encode kmers {x}",
    "introgression compare {x} {truth} -o y.tsv",
    "introgression compare {truth} {x} -o y.tsv",
    "introgression evaluate {x} {truth}",
    "introgression gather {x} -o y.bed",
    "introgression plot {x} -o y.svg",
    "introgression scan {x} {references} -o y.bed",
    "introgression scan {query} --archaic {x} --outgroup {outgroup} -o y.bed",
    "introgression scan --vcf {x} --target a --outgroup b --archaic c -o y.bed",
    "model info {x}",
    "model verify {x}",
    "panel build {x} -o y.panel",
    "panel info {x}",
    "text baseline {x}",
    "text score {x} --model {x}",
    "text spectrum {x} {x}",
    "text train {x} -o y.genolstm",
]


@pytest.mark.parametrize("line", INPUTS)
def test_inputs_that_are_none(line: str, files: dict[str, object], tmp_path: Path, monkeypatch, cli) -> None:
    """A folder, a missing file, a circle of links, an empty file, and a file that may not be read."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "empty").touch()
    for name in ("folder", "missing", "loop", "empty"):
        found = cli(*line.format(**files, x=name).split())
        assert found.code in (1, 2), (name, found)
        if found.code == 1:
            assert found.err.count("\n") == 1, (name, found)
        else:
            assert "Usage:" in found.err, (name, found)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "folder", "loop"], name


@contextlib.contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("may not mount a small disk")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_fills_up(tmp_path: Path) -> None:
    (tmp_path / "a.fa").write_text(">a\n" + "ACGTTGCAAC" * 20_000 + "\n")
    disk = tmp_path / "disk"
    disk.mkdir()
    with small_disk(disk, "16k"):
        done = run(["encode", "kmers", "a.fa", "-k", "7", "-w", "50", "-o", "disk/x.tsv"], cwd=tmp_path)
        assert (done.code, done.err) == (1, "disk/x.tsv: cannot be written (No space left on device)\n")
        assert list(disk.iterdir()) == []
