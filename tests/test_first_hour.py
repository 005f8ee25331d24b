"""Every line of docs/first-hour.md runs, in its order, and shows what the page says it does.

``PYTHONPATH=tests python tests/test_first_hour.py`` writes what comes out now into the page.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from support import Result

pytest.importorskip("bokeh")
plt = pytest.importorskip("matplotlib.pyplot")

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "first-hour.md"
MARK = "@@ block"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
#: How far a scan is, which it tells every half minute.
_PROGRESS = re.compile(r"^scanning .*\n", re.MULTILINE)
_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
#: What runs a block that is read from standard input.
RUNS = {"sh": None, "python": f"{sys.executable} -", "r": "Rscript --vanilla -"}


class Block(NamedTuple):
    """A block that is run, and the text that the page shows of what comes out; None if it shows none."""

    language: str
    code: str
    shown: str | None


def blocks(page: str) -> list[Block]:
    """Return the blocks of a page; a block of text shows what the one before it prints."""
    found: list[Block] = []
    for language, code in _BLOCK.findall(page):
        if language == "text":
            found[-1] = found[-1]._replace(shown=code)
        else:
            assert language in RUNS, language
            found.append(Block(language, code, None))
    return found


def run(todo: list[Block], folder: Path) -> list[str]:
    """Run blocks one after another in one shell, which stops at the first that fails; return what each printed."""
    # The commands as their names stand on the page, of this checkout.
    programs = folder / "bin"
    programs.mkdir()
    (programs / "genolstm").write_text(f'#!/bin/sh\nexec {sys.executable} -m genolstm "$@"\n')
    (programs / "genolstm").chmod(0o755)
    script = ["set -eu"]
    for i, block in enumerate(todo):
        script.append(f"echo '{MARK} {i}'")
        program = RUNS[block.language]
        script.append(block.code if program is None else f"{program} <<'END OF BLOCK'\n{block.code}END OF BLOCK")
    path = os.pathsep.join([str(programs), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "MPLBACKEND": "agg", "LC_ALL": "C.UTF-8"}
    work = folder / "clone"
    work.mkdir()
    (work / "example_data").symlink_to(ROOT / "example_data")
    done = subprocess.run(
        ["bash", "-c", "\n".join(script)],
        cwd=work,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    return re.split(rf"^{MARK} \d+\n", done.stdout, flags=re.MULTILINE)[1:]


def run_here(
    todo: list[Block], folder: Path, cli: Callable[..., Result], capfd: pytest.CaptureFixture[str]
) -> list[str]:
    """Run blocks as :func:`run` does, but what is Python in this process, where libraries are loaded once."""
    (folder / "example_data").symlink_to(ROOT / "example_data")
    outs = []
    names = {"__name__": "__main__"}
    monkeypatch = pytest.MonkeyPatch()
    try:
        monkeypatch.chdir(folder)
        for block in todo:
            if block.language == "python":
                capfd.readouterr()
                exec(compile(block.code, PAGE.name, "exec"), dict(names))
                outs.append(capfd.readouterr().out)
            elif block.code.startswith("genolstm "):
                (line,) = block.code.splitlines()
                # What the shell makes of it: words, and the names of files that a pattern fits.
                given = shlex.split(line)
                words = [name for word in given for name in sorted(map(str, Path().glob(word))) or [word]]
                done = cli(*words[1:])
                assert done.code == 0, done.err
                outs.append(done.out + done.err)
            else:
                program = ["bash", "-euc", f"{block.code}\npwd >&2"]
                if block.language == "r":
                    program = ["bash", "-euc", "Rscript --vanilla -; pwd >&2"]
                ran = subprocess.run(program, input=block.code, capture_output=True, text=True, timeout=60)
                assert ran.returncode == 0, ran.stderr
                outs.append(ran.stdout)
                monkeypatch.chdir(ran.stderr.splitlines()[-1])
    finally:
        monkeypatch.undo()
        plt.close("all")
    return outs


def runnable(page: str) -> list[Block]:
    """Return the blocks that can be run here: R need not be there."""
    return [block for block in blocks(page) if block.language != "r" or shutil.which("Rscript")]


def as_numbers(text: str) -> tuple[list[str], list[float]]:
    """Return the words of a text, without how many spaces there are between them, and its numbers."""
    words = [" ".join(line.split()) for line in _NUMBER.sub("0", text).strip().splitlines()]
    return words, [float(number.replace(",", "")) for number in _NUMBER.findall(text)]


def check(todo: list[Block], outs: list[str], folder: Path) -> None:
    """Compare what was printed with what the page shows, and what was written with what it names."""
    for block, out in zip(todo, outs, strict=True):
        if block.shown is None:
            continue
        words, numbers = as_numbers(block.shown)
        now, figures = as_numbers(_PROGRESS.sub("", out))
        assert now == words, block.code
        # Libraries of another version may round otherwise.
        assert figures == pytest.approx(numbers, rel=2e-3), block.code
    named = {
        name for block in todo for name in re.findall(r"(?:-o|--figure|--\w+) ([\w.]+)\b", block.code) if "." in name
    }
    assert {"segments.bed", "report.html", "agreement.tsv", "agreement.png"} <= named
    assert named <= {path.name for path in folder.iterdir()}


def test_every_line_runs_and_shows_what_the_page_says(tmp_path: Path, cli, capfd) -> None:
    todo = runnable(PAGE.read_text(encoding="utf-8"))
    assert {block.language for block in todo} >= {"sh", "python"}
    check(todo, run_here(todo, tmp_path, cli, capfd), tmp_path / "hour")


@pytest.mark.slow
def test_every_line_runs_in_a_shell(tmp_path: Path) -> None:
    todo = runnable(PAGE.read_text(encoding="utf-8"))
    check(todo, run(todo, tmp_path), tmp_path / "clone" / "hour")


def test_what_is_shown_is_compared(tmp_path: Path) -> None:
    """A page that is wrong is found: a command that fails, another word, another number."""
    with pytest.raises(AssertionError, match="no such option"):
        run([Block("sh", "echo fine\n", None), Block("sh", "echo no such option; false\necho after\n", None)], tmp_path)
    assert as_numbers("a  1,234.5 b\n\n") == (["a 0 b"], [1234.5])
    assert as_numbers("a 1 c") != as_numbers("a 1 b")
    assert as_numbers("3.1 % of 6")[1] != pytest.approx(as_numbers("3.2 % of 6")[1], rel=2e-3)
    (one, two) = blocks("```sh\na\n```\n\nwords\n\n```text\nb\n```\n\n```r\nc\n```\n")
    assert (one, two) == (Block("sh", "a\n", "b\n"), Block("r", "c\n", None))


def main() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert len(runnable(page)) == len(blocks(page)), "this needs R"
    with tempfile.TemporaryDirectory() as folder:
        outs = iter(run(blocks(page), Path(folder)))
    out = ""

    def filled(found: re.Match[str]) -> str:
        nonlocal out
        if found[1] != "text":
            out = _PROGRESS.sub("", next(outs))
            return found[0]
        return "```text\n" + "\n".join(line.rstrip() for line in out.rstrip("\n").splitlines()) + "\n```"

    PAGE.write_text(_BLOCK.sub(filled, page), encoding="utf-8")


if __name__ == "__main__":
    main()
