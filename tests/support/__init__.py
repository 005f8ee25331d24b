"""What tests of several folders need."""

import io
from pathlib import Path
from typing import NamedTuple

from genolstm.cli import main

EXAMPLE = Path(__file__).resolve().parents[2] / "example_data"
DATA = Path(__file__).resolve().parents[1] / "data"


class Result(NamedTuple):
    """What a command returned and printed."""

    code: int
    out: str
    err: str


def call(*args: object) -> int:
    """Run a command in this process; return its exit status."""
    try:
        main([str(arg) for arg in args])
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


class Terminal(io.StringIO):
    """A stream that says that it is a terminal, and keeps what is written."""

    def isatty(self) -> bool:
        return True
