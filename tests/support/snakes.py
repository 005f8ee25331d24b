"""Snakemake for tests: imported once, and a fork of that for every run, since its import takes longer than most runs.

Run as a program, this is the process that forks: a line of JSON on standard input tells it where and with what words to
run, and it answers with the exit status. It is a process of its own since one with threads must not fork.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
#: What runs leave behind in a clone.
_LEFT = ("results", "logs", "benchmarks", ".snakemake")


@dataclass(frozen=True)
class Run:
    """Exit status of a run, and all that it printed."""

    code: int
    text: str

    def jobs(self) -> dict[str, int]:
        """Return the number of jobs of each rule, from the table that Snakemake prints."""
        lines = self.text.splitlines()
        if "Job stats:" not in lines:
            return {}
        found = {}
        for line in lines[lines.index("Job stats:") + 3 :]:
            words = line.split()
            if len(words) != 2 or words[0] == "total":
                break
            found[words[0]] = int(words[1])
        found.pop("all", None)
        return found


class Snakes:
    """Runs Snakemake in any folder."""

    def __init__(self, cache: Path) -> None:
        environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "XDG_CACHE_HOME": str(cache)}
        environment.pop("SNAKEMAKE_PROFILE", None)
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def __call__(self, folder: Path, *words: object, code: int = 0) -> Run:
        """Run ``snakemake`` with these words in a folder, and expect this exit status."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with tempfile.TemporaryDirectory() as place:
            output = Path(place) / "output"
            request = {"folder": str(folder), "words": [str(word) for word in words], "output": str(output)}
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
            assert answer, "the process that forks has ended"
            done = Run(int(answer), output.read_text())
        assert done.code == code, done.text[-6000:]
        return done

    def close(self) -> None:
        """End the process that forks."""
        self._process.stdin.close()
        self._process.wait(timeout=20)
        self._process.stdout.close()


def clone(folder: Path) -> Path:
    """Copy what a fresh clone holds of the workflows and of the example, without what runs have left."""
    for name in ("workflows", "example_data"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns(*_LEFT))
    shutil.copy(ROOT / "Snakefile", folder)
    return folder


def _serve() -> None:
    import snakemake.api
    import snakemake.cli
    import snakemake.dag
    import snakemake.workflow

    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            os.chdir(request["folder"])
            descriptor = os.open(request["output"], os.O_WRONLY | os.O_CREAT)
            for stream in (1, 2):
                os.dup2(descriptor, stream)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            sys.argv = ["snakemake", *request["words"]]
            snakemake.cli.main(request["words"])
            sys.exit()
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    _serve()
