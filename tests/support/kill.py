"""Programs that are killed at any moment: what they leave behind, and what the next run makes of it."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from support import DATA, EXAMPLE

from genolstm.lstm.bundle.bundle import Bundle

#: Seconds after which a program that was told to end has to have ended; twice what it promises, for busy machines.
SOON = 4.0
TRAINING = re.compile(r"[^/]+\.training(/(phase\d/)?(checkpoint\.npz|log\.csv))?")


def heed_signals() -> None:
    """See to it that children do not ignore what this process ignores, as one in the background or under nohup does."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        if signal.getsignal(number) is signal.SIG_IGN:
            # What is handled here is as by default in a child.
            signal.signal(number, lambda *_: None)


@dataclass
class Case:
    """A command that is run in a folder of its own.

    Attributes
    ----------
    args
        Its arguments; its outputs are relative.
    prepare
        Makes the inputs that the command names as ``../in``, once.
    """

    name: str
    args: list[str]
    prepare: Callable[[Path], None] = lambda _folder: None
    trains: bool = False


def relatives(folder: Path, n: int, length: int) -> None:
    """Write ``n`` related sequences, and the same again with other names."""
    random = np.random.default_rng(4)
    root = random.integers(0, 4, length)
    records = []
    for i in range(n):
        codes = np.where(random.random(length) < 0.1, random.integers(0, 4, length), root)
        codes = np.delete(codes, random.integers(0, length, length // 50))
        records.append(f">s{i}\n{''.join('ACGT'[c] for c in codes)}\n")
    (folder / "a.fa").write_text("".join(records))
    (folder / "b.fa").write_text("".join(records).replace(">s", ">r"))


def regions(folder: Path) -> None:
    """Simulate four small regions to train on."""
    words = ["introgression", "simulate", "-o", "regions", *SIMULATE, "--replicates", "4", "-q"]
    subprocess.run([sys.executable, "-m", "genolstm", *words], cwd=folder, check=True, timeout=300)


SIMULATE = [
    *("--demography", str(DATA / "admixture.yaml"), "--length", "240000", "--seed", "21", "--target-size", "3"),
    *("--outgroup-size", "10", "--target", "target", "--outgroup", "outgroup", "--archaic", "archaic"),
    *("--archaic-time", "1500", "--mutation-rate", "1.4e-8", "--recombination-rate", "1.2e-8"),
]
_REFERENCES = ["--archaic", str(EXAMPLE / "archaic.panel"), "--outgroup", str(EXAMPLE / "outgroup.panel")]
_TINY = ["--units", "6", "--layers", "1", "--epochs", "3", "--patience", "0", "-q"]
#: A command that is quick because it needs no compiled code and no network.
QUICK = Case("one-hot", ["encode", "onehot", "../in/a.fa", "-w", "50", "-o", "x.npz"], lambda f: relatives(f, 50, 2000))
CASES = {
    case.name: case
    for case in (
        Case(
            "scan",
            [
                *("introgression", "scan", str(EXAMPLE / "query.fa.gz"), *_REFERENCES, "-q", "-o", "x.bed"),
                *("--posteriors", "p.tsv.gz", "--unknown", "u.bed.gz", "--index"),
            ],
        ),
        Case("panel", ["panel", "build", str(EXAMPLE / "query.fa.gz"), "-o", "x.panel", "-q"]),
        Case("simulate", ["introgression", "simulate", *SIMULATE, "--replicates", "2", "-o", "regions", "-q"]),
        Case(
            "train",
            [
                *("introgression", "train", "../in/regions", "-o", "x.genolstm", "--log", "log.csv", *_TINY),
                *("--window", "50", "--bin", "2000", "--batch-size", "8", "--validation", "0.25", "--seed", "3"),
            ],
            regions,
            trains=True,
        ),
        Case(
            "text train",
            ["text", "train", str(EXAMPLE / "rhyme.txt"), "-o", "x.genolstm", "--log", "log.csv", *_TINY],
            trains=True,
        ),
        Case(
            "score",
            ["align", "score", "../in/a.fa", "../in/b.fa", "-o", "x.paf", "--posteriors", "x.tsv.gz", "-q"],
            lambda folder: relatives(folder, 6, 600),
        ),
        Case("msa", ["align", "msa", "../in/a.fa", "-o", "x.fa", "-q"], lambda folder: relatives(folder, 6, 400)),
    )
}


@dataclass
class Found:
    """What a campaign has seen.

    Attributes
    ----------
    ends
        How often the program ended in which way.
    slowest
        Longest time from a signal to the end, in seconds.
    faults
        What must not be, each as one line.
    """

    ends: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    faults: list[str] = field(default_factory=list)


class Range:
    """A place where a command is killed and run again.

    Parameters
    ----------
    folder
        Empty folder for all of it.
    """

    def __init__(self, case: Case, folder: Path) -> None:
        heed_signals()
        self.case, self.folder = case, folder
        self.temporary = folder / "tmp"
        (folder / "in").mkdir()
        case.prepare(folder / "in")
        #: Seconds that it takes; the shortest time seen, as a machine may be busy.
        self.seconds = 1e9
        for _ in range(2):  # the first run may compile
            started = time.perf_counter()
            done = self._run()
            self.seconds = min(self.seconds, time.perf_counter() - started)
            assert done.returncode == 0, done.stderr
        self.expected = self._contents()

    def _fresh(self) -> Path:
        for name in ("out", "tmp"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
            (self.folder / name).mkdir()
        return self.folder / "out"

    def _start(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "genolstm", *self.case.args]
        environment = {**os.environ, "TMPDIR": str(self.temporary)}
        pipe = subprocess.PIPE
        return subprocess.Popen(
            command, cwd=self.folder / "out", env=environment, stdout=pipe, stderr=pipe, stdin=pipe, text=True
        )

    def _run(self, *, again: bool = False) -> subprocess.CompletedProcess[str]:
        if not again:
            self._fresh()
        child = self._start()
        out, err = child.communicate(timeout=300)
        return subprocess.CompletedProcess(child.args, child.returncode, out, err)

    def _names(self) -> set[str]:
        names = {str(path.relative_to(self.folder / "out")) for path in (self.folder / "out").rglob("*")}
        return names | {f"TMPDIR/{path.relative_to(self.temporary)}" for path in self.temporary.rglob("*")}

    def _contents(self) -> dict[str, object]:
        return {name: _content(self.folder / "out" / name) for name in sorted(self._names())}

    def kill(self, number: int, moment: float, found: Found) -> None:
        """Run the command, send it a signal at a moment, look at what is left, and run it again."""
        self._fresh()
        where = f"{self.case.name}, {signal.Signals(number).name} after {moment:.3f} s"
        began = time.perf_counter()
        child = self._start()
        try:
            child.wait(moment)
            self.seconds = min(self.seconds, time.perf_counter() - began)
        except subprocess.TimeoutExpired:
            child.send_signal(number)
        sent = time.perf_counter()
        try:
            _, err = child.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            child.kill()
            _, err = child.communicate()
            found.faults.append(f"{where}: did not end")
        took = time.perf_counter() - sent
        found.slowest = max(found.slowest, took)
        code = child.returncode
        found.ends[_end(number, code, err)] += 1
        if took > SOON:
            found.faults.append(f"{where}: took {took:.1f} s to end")
        if code not in (0, 128 + number, -number) and not _is_python_s(err):
            found.faults.append(f"{where}: exit status {code}: {err[-300:]!r}")
        if code and len(err.splitlines()) > 1 and not _is_python_s(err):
            found.faults.append(f"{where}: said {err[-300:]!r}")
        left = self._contents()
        own = {name for name in left if self.case.trains and TRAINING.fullmatch(name)}
        whole = all(name in left for name in self.expected if name not in own)
        if number != signal.SIGKILL:
            stray = set(left) - set(self.expected) - own
            if stray:
                found.faults.append(f"{where}: left {sorted(stray)}")
            wrong = [name for name, value in left.items() if name not in own and self.expected.get(name) != value]
            if wrong:
                found.faults.append(f"{where}: {wrong} are not whole")
        if whole:
            found.ends["all was published"] += 1
            return
        if not left:  # as before the first run
            found.ends["nothing was left"] += 1
            return
        again = self._run(again=True)
        now = self._contents()
        if again.returncode:
            found.faults.append(f"{where}: the next run failed: {again.stderr[-300:]!r}; there was {sorted(left)}")
        elif now != self.expected:
            differing = [name for name in {*now, *self.expected} if now.get(name, 0) != self.expected.get(name, 0)]
            found.faults.append(f"{where}: after the next run {sorted(differing)} differ; there was {sorted(left)}")


def _end(number: int, code: int, err: str) -> str:
    if _is_python_s(err):
        return "in Python's own beginning"
    return {0: "had finished", 128 + number: "ended by itself", -number: "was ended"}.get(code, f"exit status {code}")


def _is_python_s(err: str) -> bool:
    """Return whether Python was interrupted before it ran any of the program."""
    return "KeyboardInterrupt" in err and "/genolstm/" not in err


def _content(path: Path) -> object:
    """Return what a file holds, without the time at which it was made."""
    if path.is_dir() or not path.exists():
        return None
    if path.name == "checkpoint.npz":
        return "a checkpoint"
    data = path.read_bytes()
    if path.suffix == ".genolstm":
        bundle = Bundle.from_bytes(data)
        return {**{name: hash(member) for name, member in bundle.members.items()}, "metadata": bundle.metadata}
    if path.suffix == ".json":
        account = json.loads(data)
        return {name: value for name, value in account.items() if name not in ("created", "command")}
    if path.suffix == ".csv":
        rows = csv.DictReader(io.StringIO(data.decode()))
        return [{key: v for key, v in row.items() if key not in ("seconds", "sequences_per_s")} for row in rows]
    return data


def campaign(case: Case, folder: Path, signals: list[int], moments: int, *, seed: int = 20261126) -> Found:
    """Kill a command at random moments, a tenth of them around its end, and return what was seen."""
    place, found = Range(case, folder), Found()
    random = np.random.default_rng([seed, len(case.name)])
    for number in signals:
        for _ in range(moments):
            low = 0.85 if random.random() < 0.2 else 0.0
            place.kill(number, float(random.uniform(low, 1.1)) * place.seconds, found)
    return found


if __name__ == "__main__":  # python -m support.kill NAME SIGNAL MOMENTS, in the folder tests
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        name, which, count = sys.argv[1:4]
        result = campaign(CASES[name], Path(folder), [signal.Signals[which]], int(count))
    print(name, which, dict(result.ends), f"slowest {result.slowest:.2f} s", f"{len(result.faults)} faults", flush=True)
    print(*result.faults[:20], sep="\n")
