"""An option that counts once and is given twice is a usage error, in every command."""

from __future__ import annotations

import click
import pytest

from genolstm.cli import cli, main
from genolstm.cli.options import Command, Group


def walk(command: click.Command = cli, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], click.Command]]:
    """Return all commands below the groups."""
    if not isinstance(command, click.Group):
        return [(path, command)]
    context = click.Context(command)
    below = [(name, command.get_command(context, name)) for name in command.list_commands(context)]
    return [found for name, each in below if each is not None for found in walk(each, (*path, name))]


def value(option: click.Option) -> str:
    """Return text that the option accepts."""
    kind = option.type
    if isinstance(kind, click.Choice):
        return str(kind.choices[0])
    if isinstance(kind, click.IntRange | click.FloatRange):
        low = kind.min if kind.min is not None else 1
        return str(low if not kind.min_open else low + (0.1 if isinstance(kind, click.FloatRange) else 1))
    return {"[CHROM:]START-END": "1-2"}.get(kind.name, "1")


def options(command: click.Command) -> list[click.Option]:
    return [p for p in command.params if isinstance(p, click.Option) and not p.is_eager]


COMMANDS = walk()


def test_all_commands_are_such_commands() -> None:
    assert len(COMMANDS) > 25
    assert [path for path, command in COMMANDS if not isinstance(command, Command)] == []
    context = click.Context(cli)
    groups = [cli.get_command(context, name) for name in cli.list_commands(context)]
    assert all(isinstance(group, Command | Group) for group in groups)


@pytest.mark.parametrize(("path", "command"), COMMANDS, ids=[" ".join(path) for path, _ in COMMANDS])
def test_an_option_given_twice_is_refused(path: tuple[str, ...], command: click.Command, capsys) -> None:
    for option in options(command):
        if option.multiple or option.count or option.is_flag:
            continue
        for form in ([option.opts[0], value(option)], [f"{max(option.opts, key=len)}={value(option)}"]):
            for words in (form * 2, [*form, "x", option.opts[-1], value(option)]):
                with pytest.raises(SystemExit) as stop:
                    main([*path, *words])
                said = capsys.readouterr().err
                assert stop.value.code == 2, (path, words)
                assert "is given twice" in said, (path, words, said)
                assert any(f"{name} is given twice" in said for name in option.opts)


@pytest.mark.parametrize(("path", "command"), COMMANDS, ids=[" ".join(path) for path, _ in COMMANDS])
def test_flags_may_be_repeated_but_not_contradict_each_other(path, command: click.Command) -> None:
    for option in options(command):
        if option.is_flag:
            context = click.Context(command)
            command.make_parser(context).parse_args([option.opts[0]] * 2)
            if option.secondary_opts:
                with pytest.raises(click.UsageError, match="contradict each other"):
                    command.make_parser(context).parse_args([option.opts[0], option.secondary_opts[0]])
        elif option.multiple:
            words = [option.opts[0], value(option)] * 2
            assert command.make_parser(click.Context(command)).parse_args(words)[0]


def test_the_help_comes_first(capsys) -> None:
    main(["panel", "build", "-k", "3", "-k", "4", "--help"])
    assert "Usage:" in capsys.readouterr().out


def test_the_value_of_another_option_is_no_repetition(capsys) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["panel", "build", "-o", "-k", "none.fa"])  # writes to a file called -k
    assert (stop.value.code, capsys.readouterr().err) == (1, "none.fa: no such file\n")
