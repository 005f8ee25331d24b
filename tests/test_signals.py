"""Programs that are interrupted, terminated or killed: nothing half-written, and the next run is as the first."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.kill import CASES, QUICK, campaign, heed_signals

from genolstm import interrupts, temporary
from genolstm.files import Outputs, atomic_text

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs signals")


@pytest.fixture(autouse=True)
def signals_are_heeded() -> None:
    heed_signals()


SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGKILL]


def test_a_few_kills(tmp_path: Path) -> None:
    found = campaign(QUICK, tmp_path, SIGNALS, 2)
    assert not found.faults, "\n".join(found.faults)


@pytest.mark.fuzz
@pytest.mark.timeout(0)
@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("name", list(CASES))
def test_a_hundred_kills(name: str, number: int, tmp_path: Path) -> None:
    found = campaign(CASES[name], tmp_path, [number], 100)
    assert not found.faults, "\n".join(found.faults)


# --- the program as a whole -----------------------------------------------------------------------

# The command waits where each test says, once it is well under way.
PROGRAM = """
import sys, time
import genolstm.runs.encode as encode
from pathlib import Path
from genolstm.files import atomic_text

def stuck(*args, **options):
    with atomic_text("out.txt") as stream:
        stream.write("half")
        stream.flush()
        Path("ready").touch()
        {body}

encode.write_kmer_counts = stuck
sys.argv = ["genolstm", "encode", "kmers", "x.fa"]
from genolstm.__main__ import main
main()
"""
WAITS = {
    "Python": "time.sleep(60)",
    "a library that swallows everything": "\n        ".join(
        ["while True:", "    try:", "        time.sleep(60)", "    except BaseException:", "        pass"]
    ),
    "threads that do not end": "\n        ".join(
        [
            "from concurrent.futures import ThreadPoolExecutor",
            "with ThreadPoolExecutor(2) as pool:",
            "    pool.submit(time.sleep, 60).result()",
        ]
    ),
    "an import that turns it into another error": "\n        ".join(
        ["try:", "    time.sleep(60)", "except BaseException as error:", "    raise ImportError('numpy') from error"]
    ),
    "a destructor": "\n        ".join(
        ["class Slow:", "    def __del__(self):", "        time.sleep(60)", "Slow()", "time.sleep(60)"]
    ),
}


@pytest.mark.parametrize(
    ("number", "waits"),
    [(signal.SIGTERM, waits) for waits in WAITS]
    + [(signal.SIGHUP, "Python"), (signal.SIGINT, "Python"), (signal.SIGINT, "a library that swallows everything")],
)
def test_ended_wherever_it_is(tmp_path: Path, number: int, waits: str) -> None:
    program = PROGRAM.format(body=WAITS[waits])
    child = subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    _wait_for(tmp_path / "ready", child)
    assert [path.name for path in tmp_path.glob(".out.txt.*.part")]
    sent = time.monotonic()
    child.send_signal(number)
    _, err = child.communicate(timeout=30)
    assert child.returncode == 128 + number
    assert err == ("interrupted\n" if number == signal.SIGINT else f"interrupted ({signal.Signals(number).name})\n")
    assert time.monotonic() - sent < 2 * interrupts.PATIENCE + 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ready"]


def _wait_for(path: Path, child: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 60
    while not path.exists():
        assert child.poll() is None, child.communicate()
        assert time.monotonic() < end
        time.sleep(0.02)


def test_what_is_ignored_stays_ignored(tmp_path: Path) -> None:
    program = PROGRAM.format(body="time.sleep(1)")
    command = [sys.executable, "-c", program]

    def ignore() -> None:  # as nohup does
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    child = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, preexec_fn=ignore)
    _wait_for(tmp_path / "ready", child)
    child.send_signal(signal.SIGHUP)
    assert child.communicate(timeout=30) == (None, "")
    assert child.returncode == 0
    assert (tmp_path / "out.txt").read_text() == "half"


# --- leftovers ------------------------------------------------------------------------------------


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


KILLED = """
import os, signal
from genolstm.files import Outputs
with Outputs() as outputs:
    for name in {names}:
        outputs.text(name).write("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def killed(folder: Path, *outputs: str) -> None:
    """Leave what a killed run leaves."""
    script = KILLED.format(names=list(outputs))
    done = subprocess.run([sys.executable, "-c", script], cwd=folder, check=False)
    assert done.returncode == -signal.SIGKILL


def test_the_next_run_removes_what_a_killed_one_left(tmp_path: Path, caplog) -> None:
    killed(tmp_path, "x.bed", "x.bed.gz")
    left = names(tmp_path)
    assert len(left) == 2
    (tmp_path / ".x.bed.notes.part").write_text("somebody's own")
    (tmp_path / "sub").mkdir()
    caplog.set_level("INFO", logger="genolstm")
    with atomic_text(tmp_path / "x.bed") as stream:
        stream.write("whole")
    # What belongs to another output stays for the run that makes that one.
    assert names(tmp_path) == sorted([".x.bed.notes.part", "sub", "x.bed", *(n for n in left if ".gz." in n)])
    assert [record.message for record in caplog.records] == [
        f"removed {tmp_path / next(n for n in left if '.gz.' not in n)}, which a run that was killed has left"
    ]


def test_what_another_run_is_writing_is_not_touched(tmp_path: Path) -> None:
    with Outputs() as first:
        first.text(tmp_path / "x").write("first")
        with atomic_text(tmp_path / "x") as second:
            second.write("second")
        assert len(list(tmp_path.glob(".x.*.part"))) == 1
        assert temporary.sweep(tmp_path, "x") == []
    assert (tmp_path / "x").read_text() == "first"
    assert names(tmp_path) == ["x"]
    program = PROGRAM.format(body="time.sleep(60)")
    child = subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path)
    try:
        _wait_for(tmp_path / "ready", child)
        with atomic_text(tmp_path / "out.txt") as stream:
            stream.write("ours")
        (other,) = tmp_path.glob(".out.txt.*.part")
        assert other.read_text() == "half"
    finally:
        child.kill()
        child.wait()


def test_temporary_folders_are_removed_by_the_next_run(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    script = (
        "import os; from genolstm.temporary import temporary_folder as t\nwith t() as f: (f/'x').touch(); os._exit(1)"
    )
    subprocess.run([sys.executable, "-c", script], check=False)
    assert len(names(tmp_path)) == 1
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with temporary.temporary_folder() as folder:
        assert names(tmp_path) == [folder.name]
    assert names(tmp_path) == []


def test_links_and_pipes_that_look_like_leftovers_stay(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("x")
    (tmp_path / ".x.aaaaaaaa.part").symlink_to(tmp_path / "precious")
    os.mkfifo(tmp_path / ".x.bbbbbbbb.part")
    with atomic_text(tmp_path / "x") as stream:
        stream.write("x")
    assert names(tmp_path) == [".x.aaaaaaaa.part", ".x.bbbbbbbb.part", "precious", "x"]
