"""What counts as a number in text, in files and on the command line."""

from __future__ import annotations

import ast
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import genolstm
from genolstm.cli.numbers import GREATEST, NumberRange, WholeRange
from genolstm.errors import InputError
from genolstm.numbers import LAST_POSITION, parse_integer, parse_number, quoted, read_integer, read_number

# Python takes each of these for a number.
PYTHONS = ["1_000", " 1", "1 ", "+1", "١٢", "１", "1\n", "᠑"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("-0", 0),
        ("007", 7),
        ("-5", -5),
        ("9" * 19, int("9" * 19)),
        ("0" * 400 + "3", 3),
        ("1" + "0" * 18, 10**18),
    ],
)
def test_whole_numbers(text: str, value: int) -> None:
    assert parse_integer(text) == value


@pytest.mark.parametrize(
    "text", [*PYTHONS, "", "-", "--1", "1.0", "1e3", "0x10", "inf", "²", "9" * 20, "9" * 5000, "-9\x00"]
)
def test_words_that_are_no_whole_numbers(text: str) -> None:
    assert parse_integer(text) is None
    with pytest.raises(InputError, match="is not a length"):
        read_integer(text, "a length")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0.0),
        ("-1.5", -1.5),
        ("1.", 1.0),
        (".5", 0.5),
        ("1e-7", 1e-7),
        ("2E+3", 2000.0),
        ("1e308", 1e308),
        ("1e-999", 0),
    ],
)
def test_numbers(text: str, value: float) -> None:
    assert parse_number(text) == value


@pytest.mark.parametrize(
    "text",
    [*PYTHONS, "", ".", "e5", "1e", "inf", "-Infinity", "nan", "NA", "1e309", "701e40000", "9" * 400, "0x1p3", "1,5"],
)
def test_words_that_are_no_finite_numbers(text: str) -> None:
    assert parse_number(text) is None
    with pytest.raises(InputError, match="is not a score"):
        read_number(text, "a score")


def test_bounds_belong_to_what_is_allowed() -> None:
    assert read_integer("0") == 0
    assert read_integer(str(LAST_POSITION)) == LAST_POSITION == 2147483647
    assert read_integer("-3", low=-3, high=-3) == -3
    assert (read_number("0", low=0, high=1), read_number("1", low=0, high=1)) == (0, 1)
    for text in ("-1", "2147483648"):
        with pytest.raises(InputError, match=rf"^f.bed:4: '{text}' is not a position \(0 to 2147483647\)$"):
            read_integer(text, "a position", path="f.bed", line=4)
    for low, high, text, bounds in ((1, None, "0", "at least 1"), (None, 8, "9", "at most 8")):
        with pytest.raises(InputError, match=rf"^'{text}' is not a size \({bounds}\)$"):
            read_integer(text, "a size", low=low, high=high)
    assert read_integer("-" + "9" * 19, low=None, high=None) == 1 - 10**19
    for text in ("-0.001", "1.001"):
        with pytest.raises(InputError, match=f"^t.tsv:9: '{text}' is not a share$"):
            read_number(text, "a share", low=0, high=1, path="t.tsv", line=9)


def test_long_words_are_cut_in_messages() -> None:
    assert quoted("a" * 40) == "'" + "a" * 40 + "'"
    assert quoted("a" * 41) == "'" + "a" * 40 + "...'"


@click.command()
@click.option("--whole", type=WholeRange(min=1))
@click.option("--number", type=NumberRange(min=0, max=1))
def command(whole: int | None, number: float | None) -> None:
    click.echo(f"{whole!r} {number!r}")


@pytest.mark.parametrize("text", [*PYTHONS, "inf", "x", "", str(GREATEST + 1), "9" * 5000])
def test_options_refuse_what_files_may_not_hold(text: str) -> None:
    done = CliRunner().invoke(command, ["--whole", text])
    assert (done.exit_code, "is not a valid integer" in done.output) == (2, True)


@pytest.mark.parametrize("text", [*PYTHONS, "inf", "-nan", "x", "", "1e999"])
def test_options_refuse_what_is_no_finite_number(text: str) -> None:
    done = CliRunner().invoke(command, ["--number", text])
    assert (done.exit_code, "is not a" in done.output) == (2, True)


def test_options_take_numbers_within_their_ranges() -> None:
    assert CliRunner().invoke(command, ["--whole", str(GREATEST), "--number", "1e-1"]).output == f"{GREATEST} 0.1\n"
    for words in (["--whole", "0"], ["--number", "1.1"], ["--number", "-0.1"]):
        done = CliRunner().invoke(command, words)
        assert (done.exit_code, "is not in the range" in done.output) == (2, True)


def test_every_option_with_a_number_uses_these_types() -> None:
    """Click's own types take ``1_000`` and digits of any script."""
    found, own = [], 0
    for path in (Path(genolstm.__file__).parent / "cli").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
            own += name in ("WholeRange", "NumberRange")
            if name in ("IntRange", "FloatRange", "INT", "FLOAT") and path.name != "numbers.py":
                found.append(f"{path.name}:{node.lineno}")
            if isinstance(node, ast.keyword) and node.arg == "type" and isinstance(node.value, ast.Name):
                assert node.value.id not in ("int", "float"), f"{path.name}:{node.value.lineno}"
    assert own > 15
    assert found == []
