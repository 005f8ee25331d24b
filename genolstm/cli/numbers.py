"""Numbers on the command line, read as strictly as those in files."""

from __future__ import annotations

from typing import Any

import click

from genolstm.numbers import parse_integer, parse_number

GREATEST = (1 << 63) - 1
"""The largest whole number that an option takes: more would not fit where it is used."""


class WholeRange(click.IntRange):
    """A range of whole numbers, of which Python's other spellings are refused: ``1_000``, blanks, other digits."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, str):
            number = parse_integer(value)
            if number is None or abs(number) > GREATEST:
                self.fail(f"{value!r} is not a valid integer.", param, ctx)
            value = number
        return super().convert(value, param, ctx)


class NumberRange(click.FloatRange):
    """A range of numbers; infinity and NaN, which comparisons let through, are refused like other words."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = parse_number(value) if isinstance(value, str) else value
        if number is None:
            known = value.strip().lower().lstrip("+-") in ("inf", "infinity", "nan")
            self.fail(f"{value} is not a finite number." if known else f"{value!r} is not a valid float.", param, ctx)
        return super().convert(number, param, ctx)
