"""A line on a terminal that says how far something is."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_SECONDS = 0.1


class Seldom:
    """Allows something ten times a second: what is drawn at each step takes longer than the steps."""

    def __init__(self) -> None:
        self._last = -_SECONDS

    def allows(self) -> bool:
        """Return whether it is time again."""
        now = time.monotonic()
        if now - self._last < _SECONDS:
            return False
        self._last = now
        return True


def terminal_line(text: str, form: str) -> Any:
    """Return a line on stderr, which vanishes when it is closed.

    Parameters
    ----------
    text
        What stands there first.
    form
        How it looks, as tqdm's ``bar_format``.

    Returns
    -------
    tqdm.tqdm
    """
    from tqdm import tqdm

    # Its thread would watch over updates that come too seldom; we decide ourselves when to draw.
    tqdm.monitor_interval = 0
    # Where a terminal does not know its size, tqdm would take it for one without rows.
    size = {"ncols": _columns(), "nrows": 24}
    return tqdm(desc=text, total=None, bar_format=form, leave=False, file=sys.stderr, **size)


@contextmanager
def line_away() -> Iterator[None]:
    """Take the line off the terminal, if there is one, while something else is printed."""
    module = sys.modules.get("tqdm")
    if module is None:
        yield
        return
    with module.tqdm.external_write_mode(file=sys.stderr):
        yield


def _columns() -> int:
    """Return the width of the terminal, less one for the cursor; some do not know theirs."""
    try:
        return (os.get_terminal_size(sys.stderr.fileno()).columns or 80) - 1
    except (OSError, ValueError):
        return 79
