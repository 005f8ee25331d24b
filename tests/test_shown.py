"""What a terminal is shown: nothing that could colour it, erase from it or turn the direction of reading."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from genolstm.cli import main, options
from genolstm.errors import GenolstmError, InputError, control_character, shown, shown_json

ODD = "\x1b[31m\x00\x07\x7f\x85\x9b\u200b\u200f\u202e\u2028\u2066\ufeff\U000e0041"


def test_what_cannot_be_printed_is_escaped() -> None:
    assert shown("a é 漢 😀 'x' \\") == "a é 漢 😀 'x' \\"
    assert shown("\x1b[31m\t\n\r\x7f\x9b") == r"\x1b[31m\t\n\r\x7f\x9b"
    assert shown("\u202e\u2066\u2028\u200b\U000e0041") == r"\u202e\u2066\u2028\u200b\U000e0041"
    assert shown("caf\udce9") == r"caf\xe9"
    assert shown("a\tb\x1b\n", keep="\t\n") == "a\tb\\x1b\n"
    assert shown(ODD * 3).isprintable()


def test_json_means_the_same_and_can_be_printed() -> None:
    content = {f"name{ODD}": [ODD, "é 😀"], "n": 1}
    text = shown_json(json.dumps(content, ensure_ascii=False, indent=2))
    assert json.loads(text) == content
    assert "é 😀" in text
    assert text.replace("\n", "").isprintable()


def test_control_characters_in_names_are_found() -> None:
    for letter in ("\x00", "\t", "\n", "\x1b", "\x1f", "\x7f", "\x80", "\x9f"):
        assert control_character(f"a{letter}b") == shown(letter)
    for name in ("chr1", "NA 12", "é", "a\xa0b", "x\u202ey"):
        assert control_character(name) is None


def test_errors_are_one_printable_line() -> None:
    error = GenolstmError(f"no{ODD}\n  such", path=f"p{ODD}\n", line=3, record=f"r\t{ODD}", hint=f"try\n{ODD}")
    assert str(error).isprintable()
    assert str(GenolstmError("of\n two   lines", path="a  b", record="c  d")) == "a  b: c  d: of two lines"
    text = str(InputError("x" * 9_000_000, record="r" * 9_000_000))
    assert len(text) < 3000
    assert "(9000000 characters)" in text


def test_messages_and_progress(capsys: pytest.CaptureFixture[str]) -> None:
    options.say(f"a\tb\n{ODD}", quiet=False)
    options.tell([f"warning: {ODD}"], quiet=True)
    lines = options._Lines(f"w{ODD}")
    lines.told -= 60
    lines(f"t{ODD}", 0.5)
    told = capsys.readouterr().err
    assert told.count("\n") == 4
    assert told.replace("\n", "").replace("\t", "", 1).isprintable()


@pytest.mark.parametrize(
    "words",
    [
        [f"nothing{ODD[1:]}"],
        ["panel", "info", "a", f"b{ODD[1:]}"],
        ["panel", "build", "-k", f"7{ODD[1:]}", "x", "-o", "y"],
        ["model", "info", f"--x{ODD[1:]}"],
        ["model", "info", f"x\x1b{ODD[4:]}"],
        ["panel", "info", f"x\x1b{ODD[6:]}"],
    ],
)
def test_what_was_typed_is_repeated_escaped(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    words = [word.replace("\x00", "") for word in words]
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code in (1, 2)
    told = capsys.readouterr().err
    assert told
    assert told.replace("\n", "").isprintable()


def test_a_name_of_a_sequence_with_escape_codes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "esc.fa"
    path.write_bytes(b">q\x1b]0;PWN\x07\x1b[31m1\nACG%\n")
    with pytest.raises(SystemExit) as stop:
        main(["encode", "kmers", str(path)])
    assert stop.value.code == 1
    told = capsys.readouterr().err
    assert told == f"{path}:1: q\\x1b]0;PWN\\x07\\x1b[31m1: the name holds the control character \\x1b\n"
