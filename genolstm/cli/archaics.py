"""Archaic sources on the command line: ``NAME=WHAT``, or only what the one source consists of."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from genolstm.errors import SettingError
from genolstm.introgression.settings import UNNAMED, SimulatedSource, check_source
from genolstm.numbers import parse_number

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


def simulated_sources(archaics: Iterable[str], donors: Iterable[str]) -> dict[str, Any]:
    """Return the fields of a simulation's settings that say who is sampled as archaic, and who gave ancestry.

    Raises
    ------
    click.UsageError
        As of :func:`by_source`; some of both name sources and others do not, a source has two archaics, or an age
        is no number.
    """
    sampled, giving = by_source("--archaic", archaics), by_source("--donor", donors)
    if not {*sampled, *giving} - {UNNAMED}:
        those = sampled.get(UNNAMED, [])
        if len(those) > 1:
            raise click.UsageError(f"--archaic: {', '.join(those)} need names; write NAME={those[0]}")
        return {"archaic": those[0] if those else None, "donors": tuple(giving.get(UNNAMED, ()))}
    for option, given in (("--archaic", sampled), ("--donor", giving)):
        if UNNAMED in given:
            unnamed = given[UNNAMED][0]
            raise click.UsageError(f"{option}: {unnamed} is of no named source, and others are; write NAME={unnamed}")
    sources = []
    for name in dict.fromkeys((*sampled, *giving)):
        populations = sampled.get(name, [])
        if len(populations) > 1:
            raise click.UsageError(f"--archaic: {name} has two populations, {' and '.join(populations[:2])}")
        population, at, age = populations[0].partition("@") if populations else (None, "", "")
        time = parse_number(age) if at else None
        if at and (time is None or time < 0):
            raise click.UsageError(f"--archaic: {age!r} is not an age in generations")
        try:
            sources.append(SimulatedSource(name, population, tuple(giving.get(name, ())), time))
        except SettingError as error:
            raise click.UsageError(f"--archaic: {error}") from error
    return {"sources": tuple(sources)}


def is_there(path: str) -> bool:
    """Return whether a file has this name; a long list of names is none."""
    try:
        return Path(path).exists()
    except (OSError, ValueError):
        return False
