"""Settings as frozen dataclasses: each default, range and description is written once.

A field's annotation says what values it takes (``Annotated[int, Range(1)]``, ``Literal[...]``), and
its entry in the class's NumPy docstring says what it means. :func:`check` refuses other values,
and the command line builds its options from :func:`describe`.
"""

from __future__ import annotations

import functools
import inspect
import math
import re
from dataclasses import MISSING, Field, dataclass, fields
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from genolstm.errors import SettingError


@dataclass(frozen=True)
class Range:
    """The values a number may take.

    Parameters
    ----------
    low, high
        Bounds; None for no bound.
    above_low, below_high
        Whether the bound itself is excluded.
    """

    low: float | None = None
    high: float | None = None
    above_low: bool = False
    below_high: bool = False

    def __contains__(self, value: float) -> bool:
        low = self.low is None or (value > self.low if self.above_low else value >= self.low)
        high = self.high is None or (value < self.high if self.below_high else value <= self.high)
        return math.isfinite(value) and low and high

    def __str__(self) -> str:
        parts = []
        if self.low is not None:
            parts.append(f"{'above' if self.above_low else 'at least'} {_plain(self.low)}")
        if self.high is not None:
            parts.append(f"{'below' if self.below_high else 'at most'} {_plain(self.high)}")
        return " and ".join(parts) or "finite"


def _plain(bound: float) -> str:
    return str(int(bound)) if bound == int(bound) else repr(bound)


POSITIVE = Range(0, above_low=True)
SHARE = Range(0, 1, below_high=True)
"""At least 0 and below 1."""
INSIDE = Range(0, 1, above_low=True, below_high=True)
"""Strictly between 0 and 1."""


@dataclass(frozen=True)
class Setting:
    """One field of a settings class.

    Attributes
    ----------
    type
        ``bool``, ``int``, ``float``, ``str``, ``tuple``, or ``object`` if it is none of these.
    optional
        Whether None is allowed.
    choices
        The words allowed; empty if the value is not chosen from a list.
    help
        What the class's docstring says about it.
    """

    name: str
    type: type
    optional: bool
    range: Range | None
    choices: tuple[str, ...]
    default: Any
    help: str


@functools.cache
def describe(cls: type) -> dict[str, Setting]:
    """Return the fields of a settings class, by name."""
    hints = get_type_hints(cls, include_extras=True)
    texts = docstring_entries(cls)
    return {field.name: _setting(field, hints[field.name], texts.get(field.name, "")) for field in fields(cls)}


def docstring_entries(documented: Any) -> dict[str, str]:
    """Return what a NumPy docstring says about each parameter or attribute, each as one line of text."""
    found: dict[str, str] = {}
    names: list[str] = []
    for line in (inspect.getdoc(documented) or "").split("\n"):
        if re.fullmatch(r"[A-Za-z_]\w*(, [A-Za-z_]\w*)*", line):
            names = line.split(", ")
        elif line.startswith("    ") and names:
            for name in names:
                found[name] = f"{found.get(name, '')} {line.strip()}".strip()
        elif line.strip():
            names = []
    return {name: re.sub(r":\w+:`~?(?:[\w.]*\.)?(\w+)`|``(.*?)``", r"\1\2", text) for name, text in found.items()}


def check(settings: Any) -> None:
    """Refuse values that the annotations of a settings object's class do not allow.

    Whole numbers given for a float become floats (in place, although the class is frozen).

    Raises
    ------
    SettingError
        The message names the field, its value and what is allowed.
    """
    for setting in describe(type(settings)).values():  # type: ignore[arg-type]
        value = getattr(settings, setting.name)
        if value is None and setting.optional:
            continue
        object.__setattr__(settings, setting.name, checked(setting, value))


def checked(setting: Setting, value: Any) -> Any:
    """Return a value for a setting, or refuse it; see :func:`check`."""
    name = setting.name
    if setting.choices:
        if value not in setting.choices:
            raise SettingError(f"{name} is {value!r}, it must be one of {', '.join(setting.choices)}")
    elif setting.type is bool:
        if not isinstance(value, bool):
            raise SettingError(f"{name} is {value!r}, it must be True or False")
    elif setting.type in (int, float):
        number = "whole number" if setting.type is int else "number"
        allowed = setting.range or Range()
        if isinstance(value, bool) or not isinstance(value, (int,) if setting.type is int else (int, float)):
            raise SettingError(f"{name} is {value!r}, a {number} is needed")
        if value not in allowed:
            needed = f"finite {number}" if allowed == Range() else f"{number} {allowed}"
            raise SettingError(f"{name} is {value!r}, a {needed} is needed")
        return float(value) if setting.type is float else value
    return value


def _setting(field: Field[Any], hint: Any, text: str) -> Setting:
    default = None if field.default is MISSING else field.default
    if field.default is MISSING and field.default_factory is not MISSING:
        default = field.default_factory()
    allowed, optional, choices = None, False, ()
    kind: Any = hint
    while True:
        if get_origin(kind) is Annotated:
            kind, *extras = get_args(kind)
            allowed = next((extra for extra in extras if isinstance(extra, Range)), allowed)
        elif get_origin(kind) in (Union, UnionType) and NoneType in get_args(kind):
            optional = True
            kind = Union[tuple(part for part in get_args(kind) if part is not NoneType)]  # noqa: UP007
        elif get_origin(kind) is Literal:
            choices, kind = get_args(kind), str
        elif get_origin(kind) is tuple:
            kind = tuple
        else:
            break
    known = kind if kind in (bool, int, float, str, tuple) else object
    return Setting(field.name, known, optional, allowed, choices, default, text)
