"""Archaic sources on the command line: ``NAME=WHAT``, or only what the one source consists of."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import click

from genolstm.errors import SettingError
from genolstm.introgression.settings import UNNAMED, check_source

_NAMED = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]*)=(.*)", re.DOTALL)


def by_source(option: str, given: Iterable[str]) -> dict[str, list[str]]:
    """Return what was given for each source, in the order in which they were first named.

    Raises
    ------
    click.UsageError
        Some values name a source and others do not, a source is called what the output calls others, or
        consists of nothing, or of the same twice.
    """
    found: dict[str, list[str]] = {}
    for value in given:
        named = None if is_there(value) else _NAMED.fullmatch(value)
        name, what = (named[1], named[2]) if named else (UNNAMED, value)
        try:
            check_source(name)
        except SettingError as error:
            raise click.UsageError(f"{option}: {error}") from error
        if named and not what:
            raise click.UsageError(f"{option}: nothing is given for {name}")
        if what in found.get(name, ()):
            raise click.UsageError(f"{option}: {what} is given twice")
        found.setdefault(name, []).append(what)
    if UNNAMED in found and len(found) > 1:
        unnamed = found[UNNAMED][0]
        raise click.UsageError(f"{option}: {unnamed} is of no named source, and others are; write NAME={unnamed}")
    return found


def is_there(path: str) -> bool:
    """Return whether a file has this name; a long list of names is none."""
    try:
        return Path(path).exists()
    except (OSError, ValueError):
        return False
