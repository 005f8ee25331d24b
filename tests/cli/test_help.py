"""Help that helps: examples that work, options in groups, whole summaries, and what was meant by a slip."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from support import EXAMPLE, Result

from genolstm.cli import cli as commands
from genolstm.cli import help as layout


def walk(command: click.Command, words: tuple[str, ...] = ()) -> list[tuple[str, click.Command]]:
    found = [(" ".join(words), command)]
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            member = command.get_command(context, name)
            assert member is not None
            found += walk(member, (*words, name))
    return found


ALL = dict(walk(commands))
LEAVES = {path: one for path, one in ALL.items() if not isinstance(one, click.Group)}


def told(path: str, cli: Callable[..., Result]) -> str:
    code, out, err = cli(*path.split(), "--help")
    assert (code, err) == (0, "")
    return out


def parse(line: str) -> str:
    """Parse a line of an example as click would; return the command that it calls."""
    words = shlex.split(line.replace("\\\n", " "))
    words = words[: words.index("&&")] if "&&" in words else words
    assert words.pop(0) == "genolstm"
    command: click.Command = commands
    path: list[str] = []
    while isinstance(command, click.Group):
        path.append(words.pop(0))
        command = ALL[" ".join(path)]
    command.make_context(path[-1], words)  # a usage error fails the test
    return " ".join(path)


def test_the_tables_name_commands_that_are_there() -> None:
    assert set(layout.EXAMPLES) == set(LEAVES)
    assert set(layout.GROUPS) <= set(LEAVES)
    for key in layout.METAVARS:
        path, _, option = key.rpartition(" ")
        places = [LEAVES[path]] if path else list(LEAVES.values())
        assert any(option in one.opts for place in places for one in place.params), key


@pytest.mark.parametrize("path", LEAVES)
def test_every_command_shows_an_example_that_parses(path: str, cli) -> None:
    text = told(path, cli)
    # The last line is of this command; those before may prepare what it reads.
    assert parse(layout.EXAMPLES[path][-1]) == path
    for line in layout.EXAMPLES[path]:
        parse(line)
        for part in line.split("\n"):
            assert f"  {part}\n" in text
    assert max(map(len, text.splitlines())) <= 80, "a line is too long for a terminal"
    for vague in (" PATH", "TEXT ", "INTEGER", "FLOAT", " BOOLEAN"):
        if not (vague == "TEXT " and path == "text generate"):  # where it is a text
            assert vague not in text, vague


@pytest.mark.parametrize("path", LEAVES)
def test_options_stand_in_groups_each_once(path: str, cli) -> None:
    command = LEAVES[path]
    shown = [one for one in command.params if isinstance(one, click.Option) and not one.hidden]
    if len(shown) < layout.MANY:
        assert path in layout.GROUPS or "Options:" in told(path, cli)
    else:
        assert path in layout.GROUPS, "it has many options: put them in groups"
    if path not in layout.GROUPS:
        return
    grouped = [word for _, members in layout.GROUPS[path] for word in members.split()]
    assert len(grouped) == len(set(grouped))
    names = {word for one in shown for word in one.opts}
    assert set(grouped) <= names, "an option of the table is not there"
    general = {max(one.opts, key=len) for one in shown if not set(one.opts) & set(grouped)}
    assert general <= {"--threads", "--force", "--quiet"}, "put it in a group"
    text = told(path, cli)
    assert "Options:" not in text
    assert text.index("General:") > max(text.index(f"{heading}:") for heading, _ in layout.GROUPS[path])


@pytest.mark.parametrize("path", [path for path, one in ALL.items() if isinstance(one, click.Group)])
def test_no_summary_is_cut(path: str, cli) -> None:
    rows = told(path, cli).split("Commands:\n")[1].split("\n\n")[0].splitlines()
    members = [member for member in ALL if member and " ".join(member.split()[:-1]) == path]
    # One line each: none is cut by dots, and none goes on in a second line.
    assert [row.split()[0] for row in rows] == [member.split()[-1] for member in members]
    assert all(row.endswith(".") and not row.endswith("...") for row in rows)


def test_a_slip_is_told_what_was_meant(cli) -> None:
    for words, meant in (
        ("introgresion scan", "No such command 'introgresion'. Did you mean 'introgression'?"),
        ("introgression scn", "No such command 'scn'. Did you mean 'scan'?"),
        ("introgression scan --archiac x", "'--archaic'"),
        ("panel buld", "Did you mean 'build'?"),
        ("intro", "No such command 'intro'. Did you mean 'introgression'?"),
    ):
        code, out, err = cli(*words.split())
        assert (code, out) == (2, "")
        assert meant in err
    assert "Did you mean" not in cli("xyzzy").err


@pytest.mark.parametrize("name", ["x.vcf", "x.vcf.gz", "X.VCF.bgz", "x.bcf", "x.vcz", "x.zarr.zip"])
def test_a_vcf_as_query_is_told_to_use_vcf(name: str, cli) -> None:
    code, _, err = cli("introgression", "scan", name, "--archaic", "a", "--outgroup", "o", "-o", "x.bed")
    assert code == 2
    assert f"{name} is no FASTA by its name: use --vcf {name}" in err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_commands(shell: str) -> None:
    around = {"COMP_WORDS": "genolstm introgression su", "COMP_CWORD": "su" if shell == "fish" else "2"}
    done = subprocess.run(
        [sys.executable, "-m", "genolstm"],
        env={**os.environ, **around, "_GENOLSTM_COMPLETE": f"{shell}_complete"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "summary" in done.stdout
    assert "scan" not in done.stdout


QUICK = (
    "introgression scan",
    "introgression evaluate",
    "introgression explain",
    "introgression summary",
    "model card",
    "model list",
    "panel info",
    "text baseline",
)


def test_quick_examples_run_in_the_folder_of_the_example(tmp_path: Path, monkeypatch, cli) -> None:
    for path in EXAMPLE.iterdir():
        (tmp_path / path.name).symlink_to(path)
    monkeypatch.chdir(tmp_path)
    for command in QUICK:
        for line in layout.EXAMPLES[command]:
            if "chr21.vcf.gz" in line:  # stands for files of the user's own
                continue
            words = shlex.split(line.replace("\\\n", " "))[1:]
            found = cli(*words, *(["--force"] if "-o" in words else []))
            assert found.code == 0, (line, found.err)
