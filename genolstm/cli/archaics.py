"""Archaic sources on the command line: ``NAME=WHAT``, or only what the one source consists of."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import click

from genolstm.introgression.settings import UNKNOWN_SOURCE, UNNAMED

_NAMED = re.compile(r"([A-Za-z][A-Za-z0-9_.-]*)=(.+)", re.DOTALL)
#: What a source cannot be called, since the output uses these words.
_TAKEN = (UNKNOWN_SOURCE, "modern")


def by_source(option: str, given: Iterable[str]) -> dict[str, list[str]]:
    """Return what was given for each source, in the order in which they were first named.

    Raises
    ------
    click.UsageError
        Some values name a source and others do not, or a source is called what the output calls others.
    """
    found: dict[str, list[str]] = {}
    for value in given:
        named = None if Path(value).exists() else _NAMED.fullmatch(value)
        name, what = (named[1], named[2]) if named else (UNNAMED, value)
        if name in _TAKEN:
            raise click.UsageError(f"{option}: a source cannot be called {name}, as the output calls others so")
        found.setdefault(name, []).append(what)
    if UNNAMED in found and len(found) > 1:
        unnamed = found[UNNAMED][0]
        raise click.UsageError(f"{option}: {unnamed} is of no named source, and others are; write NAME={unnamed}")
    return found
