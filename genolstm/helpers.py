"""Processes that compile loops for a command while the command's own does so, too.

Compiling is one job at a time in a process. The first command after installing therefore begins some
processes more, which compile what it will need later; whatever either has compiled is kept in files,
where the other finds it (see :mod:`genolstm.turns`). They end with the command, and nothing depends on them.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from typing import Any

from genolstm import program, turns

MOST = 3
"""Number of processes that a command begins at most; there is no more that can be compiled at the same time."""
_begun: list[Any] = []


def begin() -> None:
    """Begin processes that compile ahead for the command that runs, if it is one that compiles much."""
    command, cores = program.take_command()
    if not turns.possible():
        return
    # As this process finds the package, so do they, wherever it was begun.
    code = f"import sys; sys.path[:] = {sys.path!r}; from genolstm.runs.ahead import main; main(*sys.argv[1:])"
    for number in range(min(cores - 1, MOST)):
        with suppress(OSError):
            _begun.append(
                subprocess.Popen(
                    [sys.executable, "-c", code, command, str(number)],
                    stdin=subprocess.PIPE,  # never written to: it closes when this process ends
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            )
