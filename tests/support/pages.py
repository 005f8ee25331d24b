"""The commands and snippets of a page of the documentation: found, run, and compared with what the page shows.

A block of ``sh``, ``python`` or ``r`` is run, and a block of ``text`` shows what the one before it prints. Shell blocks
run in a real shell. There, ``genolstm`` is a small program that asks this process to run the command with the files
that it was given as standard streams: libraries are imported once, and compiled loops are loaded once.
"""

from __future__ import annotations

import array
import contextlib
import io
import os
import re
import select
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
#: What is run, and by which program, if it is not the shell that runs it.
RUNS = {"sh": None, "python": f"{sys.executable} -", "r": "Rscript --vanilla -"}
#: What is neither run nor compared: formulas, excerpts of what is told elsewhere, and files.
NOT_RUN = frozenset({"none", "yaml"})
#: How far a scan is, which it tells every half minute, and what is told if loops are compiled anew.
_ASIDE = re.compile(r"^(scanning|compiling: ) ?.*\n", re.MULTILINE)
_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
#: Where programs are looked for: also beside this Python.
PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
_MARK = "@@ the shell is now in "
_SHIM = """#!{python} -SE
import array, os, socket, sys
with socket.socket(socket.AF_UNIX) as at:
    at.connect({address!r})
    words = "\\0".join([os.getcwd(), *sys.argv[1:]]).encode()
    at.sendmsg([words], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))])
    at.shutdown(socket.SHUT_WR)
    sys.exit(int(at.recv(9) or 99))
"""


class Block(NamedTuple):
    """A block that is run, and the text that the page shows of what comes out; None if it shows none."""

    language: str
    code: str
    shown: str | None
    #: Lines of the page on which the shown text stands, between its fences; for the program that fills it in.
    shown_at: tuple[int, int] | None = None


def blocks(page: str) -> list[Block]:
    """Return the blocks of a page that are to be run; every block has to say what it is, or be indented commands."""
    found: list[Block] = []
    last = False  # whether the block before was one that is run
    for token in MarkdownIt("commonmark").enable("table").parse(page):
        if token.type == "code_block":
            found.append(Block("sh", token.content, None))
            last = True
        elif token.type == "fence" and not token.info.startswith("{"):
            language = token.info.strip()
            if language == "text":
                assert last, f"a text block shows nothing: {token.content}"
                assert token.map is not None
                found[-1] = found[-1]._replace(shown=token.content, shown_at=(token.map[0] + 1, token.map[1] - 1))
                last = False
            elif language in NOT_RUN:
                last = False
            else:
                assert language in RUNS, f"{language}: {token.content}"
                found.append(Block(language, token.content, None))
                last = True
    return found


def as_numbers(text: str) -> tuple[list[str], list[float]]:
    """Return the words of a text, without how many spaces there are between them, and its numbers."""
    words = [" ".join(line.split()) for line in _NUMBER.sub("0", text).strip().splitlines()]
    return words, [float(number.replace(",", "")) for number in _NUMBER.findall(text)]


def told(out: str) -> str:
    """Return what was printed, without what depends on the machine."""
    return _ASIDE.sub("", out)


class Shell:
    """Runs the blocks of a page one after another, each where the one before it ended.

    Parameters
    ----------
    folder
        Where the first block begins; a folder ``bin`` beside it is for programs.
    main
        What runs ``genolstm``: :func:`genolstm.cli.main`; by default a process of its own does, as for users.
    """

    def __init__(self, folder: Path, main: Callable[[list[str]], object] | None = None) -> None:
        self.at = folder
        self.names: dict[str, Any] = {"__name__": "__main__"}
        self.bin = folder.parent / f"{folder.name}-bin"
        self.bin.mkdir(parents=True)
        self.main = main
        self.server = socket.socket(socket.AF_UNIX)
        # Addresses of such sockets may have no more than a hundred characters.
        self.private = Path(tempfile.mkdtemp(prefix="pages"))
        address = str(self.private / "at")
        self.server.bind(address)
        self.server.listen()
        if main is None:
            shim = f'#!/bin/sh\nexec {sys.executable} -m genolstm "$@"\n'
        else:
            shim = _SHIM.format(python=sys.executable, address=address)
        self.program("genolstm", shim)

    def close(self) -> None:
        self.server.close()
        shutil.rmtree(self.private)

    def program(self, name: str, text: str) -> None:
        """Put a program on the path."""
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)

    def run(self, block: Block) -> str:
        """Run a block, and return what it prints; raise AssertionError if it fails."""
        if block.language == "python" and self.main is not None:
            return self._python(block.code)
        code = block.code
        if RUNS[block.language] is not None:
            code = f"{RUNS[block.language]} <<'END OF BLOCK'\n{code}END OF BLOCK\n"
        path = os.pathsep.join([str(self.bin), PATH])
        environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "MPLBACKEND": "agg", "LC_ALL": "C.UTF-8"}
        with tempfile.TemporaryFile("w+", encoding="utf-8") as out:
            shell = subprocess.Popen(
                ["bash", "-euo", "pipefail", "-c", f"{code}\necho '{_MARK}'\"$PWD\""],
                cwd=self.at,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
            while shell.poll() is None:
                if select.select([self.server], [], [], 0.02)[0]:
                    self._serve()
            out.seek(0)
            text = out.read()
        assert shell.returncode == 0, f"{code}\n{text[-3000:]}"
        text, at = text.rsplit(_MARK, 1)
        self.at = Path(at.strip())
        return text

    def _serve(self) -> None:
        """Run a command of the shell with the streams and in the folder that it has there."""
        assert self.main is not None
        connection, _ = self.server.accept()
        with connection:
            fds = array.array("i", [0, 0, 0])
            data, extra, _, _ = connection.recvmsg(1 << 20, socket.CMSG_LEN(fds.itemsize * 3))
            while more := connection.recv(1 << 20):
                data += more
            fds.frombytes(extra[0][2])
            folder, *words = data.decode().split("\0")
            code: object = 0
            with _streams(fds[3:]), contextlib.chdir(folder):
                try:
                    self.main(words)
                except SystemExit as stop:
                    code = stop.code or 0
            connection.sendall(str(code).encode())

    def _python(self, code: str) -> str:
        """Run Python in this process; what it writes is caught, and figures are closed."""
        out = io.StringIO()
        with contextlib.chdir(self.at), contextlib.redirect_stdout(out):
            exec(compile(code, "page", "exec"), dict(self.names))
        if "matplotlib.pyplot" in sys.modules:
            sys.modules["matplotlib.pyplot"].close("all")
        return out.getvalue()


@contextlib.contextmanager
def _streams(fds: Sequence[int]) -> Iterator[None]:
    """Make file descriptors the standard streams for a while, for Python and for compiled code."""
    kept = [os.dup(number) for number in range(3)]
    before = sys.stdin, sys.stdout, sys.stderr
    for stream in before[1:]:
        stream.flush()
    for number, fd in enumerate(fds):
        os.dup2(fd, number)
        os.close(fd)
    modes = ("r", "w", "w")
    opened = [open(number, mode, encoding="utf-8", closefd=False) for number, mode in enumerate(modes)]  # noqa: SIM115
    sys.stdin, sys.stdout, sys.stderr = opened
    try:
        yield
    finally:
        for stream in opened[1:]:
            with contextlib.suppress(OSError):  # a reader that has gone
                stream.flush()
        sys.stdin, sys.stdout, sys.stderr = before
        for number, fd in enumerate(kept):
            os.dup2(fd, number)
            os.close(fd)


def words_of(code: str) -> list[str]:
    """Return the lines of a block, those that go on in the next one joined."""
    return [line for line in code.replace("\\\n", " ").splitlines() if line.strip()]
