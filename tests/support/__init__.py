"""What tests of several folders need."""

import io
from pathlib import Path
from typing import NamedTuple

EXAMPLE = Path(__file__).resolve().parents[2] / "example_data"
DATA = Path(__file__).resolve().parents[1] / "data"


class Result(NamedTuple):
    """What a command returned and printed."""

    code: int
    out: str
    err: str


class Terminal(io.StringIO):
    """A stream that says that it is a terminal, and keeps what is written."""

    def isatty(self) -> bool:
        return True
