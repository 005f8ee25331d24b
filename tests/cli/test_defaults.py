"""What a command hands over if no option is given is what its function takes by itself."""

from __future__ import annotations

import inspect
import os
from dataclasses import MISSING, fields, is_dataclass
from importlib import import_module
from typing import Any

import click
import pytest

from genolstm.cli import cli, main
from genolstm.introgression.doors.fasta import FastaDoor
from genolstm.introgression.doors.vcf import VcfDoor
from genolstm.introgression.peers import Reading
from genolstm.introgression.settings import SimulationSettings
from genolstm.runs.compare import Outputs

# What is only for show, or says where the call came from.
PRIVATE = {"progress", "warn", "tell", "command", "on_network", "quiet", "stages"}

# Command and its required arguments; module of runs and its function.
COMMANDS = {
    "align gather a": ("align_gather", "run"),
    "align msa x": ("align_msa", "run"),
    "align plot a b -o c": ("align_plot", "run"),
    "align reliability a b --truth t -o c": ("align_evaluate", "run"),
    "align score a b": ("align", "run"),
    "align search a b": ("align_search", "run"),
    "align train a b -o c --one-to-one": ("align_train", "run"),
    "cite": ("cite", "run"),
    "compare x": ("compare", "run"),
    "encode kmers x": ("encode", "write_kmer_counts"),
    "encode onehot x -o y": ("encode", "write_one_hot"),
    "example x": ("example", "run"),
    "info": ("info", "run"),
    "introgression compare a b": ("agreement", "run"),
    "introgression explain a --evidence b --segment c": ("explain", "run"),
    "introgression evaluate a b": ("evaluate", "run"),
    "introgression gather a -o b": ("gather", "run"),
    "introgression plot a -o b": ("plot", "run"),
    "introgression report a -o b.html": ("report", "run"),
    "introgression scan a --archaic b --outgroup c -o d": ("scan", "run"),
    "introgression score a --model m": ("sequence_score", "run"),
    "introgression simulate -o a": ("simulate", "run"),
    "introgression summary a": ("summary", "run"),
    "introgression train a -o b": ("train", "run"),
    "introgression train --mode sequence a -o b": ("train_sequence", "run"),
    "model card m": ("model", "run_open"),
    "model export m --onnx x": ("model", "run_export"),
    "model gates m x": ("gates", "run"),
    "model info m": ("model", "run_open"),
    "model list": ("model", "run_list"),
    "model verify m": ("model", "run_verify"),
    "panel build a -o b": ("panel", "build"),
    "panel info a": ("panel", "info"),
    "text baseline x": ("text_baseline", "run"),
    "text generate --model m": ("text_generate", "run"),
    "text generators x -o y": ("text_generators", "run"),
    "text score x --model m": ("text_score", "run"),
    "text spectrum a b": ("text_spectrum", "run"),
    "text train x -o y": ("text_train", "run"),
    "warm-up": ("warm_up", "run"),
}


class _Called(Exception):
    """The function was reached."""


def call(monkeypatch: pytest.MonkeyPatch, line: str) -> tuple[inspect.Signature, dict[str, Any]]:
    """Return the signature of the function that a command calls, and what it is handed."""
    module, name = COMMANDS[line]
    signature = inspect.signature(getattr(import_module(f"genolstm.runs.{module}"), name))
    handed: dict[str, Any] = {}

    def spy(*args: Any, **kwargs: Any) -> None:
        handed.update(signature.bind(*args, **kwargs).arguments)
        raise _Called

    monkeypatch.setattr(f"genolstm.runs.{module}.{name}", spy)
    with pytest.raises(_Called):
        main(line.split())
    return signature, handed


def plain(value: Any) -> Any:
    """Return a value without the difference between a path and its text, a list and a tuple, none and empty."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, list | tuple | dict):
        return tuple(value) or None
    if isinstance(value, Outputs):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    return value


@pytest.mark.parametrize("line", COMMANDS)
def test_defaults_of_a_command_are_those_of_its_function(monkeypatch, line: str) -> None:
    signature, handed = call(monkeypatch, line)
    for name, value in handed.items():
        parameter = signature.parameters[name]
        if parameter.kind is parameter.VAR_KEYWORD:
            assert value == {}, "settings that nobody gave"
        elif parameter.default is not parameter.empty and name not in PRIVATE and not is_given(value, line):
            default = type(value)() if parameter.default is None and is_dataclass(value) else parameter.default
            assert plain(value) == plain(default), name


def is_given(value: Any, line: str) -> bool:
    """Return whether a value is one of the words of the command line."""
    words = line.split()
    given = plain(value)
    return (
        given in words
        or (isinstance(given, tuple) and set(map(plain, given)) <= set(words))
        or (value is True and "--one-to-one" in words)
    )


# Options that no parameter of the function is named after: what takes their default, and its name there.
ELSEWHERE = {
    ("compare", "output"): (Outputs, "table"),
    ("introgression simulate", "archaics"): (SimulationSettings, "archaic"),
    ("introgression simulate", "donors"): (SimulationSettings, "donors"),
    **{("compare", name): (Outputs, name) for name in ("runs", "gradients", "figure", "models", "force")},
    **{
        ("introgression compare", option): (Reading, field)
        for option, field in {
            "sample": "samples",
            "state": "states",
            "min_score": "least_score",
            "min_length": "least_length",
            "inclusive_end": "inclusive_end",
        }.items()
    },
    **{("introgression scan", name): (FastaDoor, name) for name in ("haplotypes", "sharing", "skip_short", "memory")},
    **{
        ("introgression scan", name): (VcfDoor, name)
        for name in (
            "archaic",
            "outgroup",
            "archaic_vcf",
            "outgroup_vcf",
            "outgroup_frequencies",
            "field",
            "samples",
            "chrom",
            "region",
            "regions",
            "callable_mask",
            "exclude_mask",
            *(f"{role}_{what}" for role in ("target", "outgroup", "archaic") for what in ("callable", "exclude")),
            "allow_unphased",
        )
    },
}
# Options that say how a result is shown, not how it comes about, and those that stand for an argument.
SHOWN = {"quiet", "as_json", "named"}
INSTEAD = {
    ("introgression scan", "vcf"),
    ("introgression scan", "target"),
    ("introgression train", "mode"),  # which function is called
    ("introgression train", "labels"),  # of one of the two
    ("text train", "preset"),
}


@pytest.mark.parametrize("line", COMMANDS)
def test_the_default_that_an_option_shows_is_that_of_the_api(line: str) -> None:
    path, command, words = find(line)
    values = command.make_context(path, words).params
    module, name = COMMANDS[line]
    parameters = inspect.signature(getattr(import_module(f"genolstm.runs.{module}"), name)).parameters
    compared = 0
    for option in command.params:
        if not isinstance(option, click.Option) or option.hidden or option.required:
            continue
        key = (path, str(option.name))
        if hasattr(option, "default_of"):
            settings, field = option.default_of
            default = getattr(settings, field)
        elif key in ELSEWHERE:
            cls, field = ELSEWHERE[key]
            of_field = next(f for f in fields(cls) if f.name == field)
            default = of_field.default if of_field.default_factory is MISSING else of_field.default_factory()
        elif option.name in parameters:
            default = parameters[str(option.name)].default
            if default is inspect.Parameter.empty:  # an argument that may also be given as an option
                continue
        else:
            assert option.name in SHOWN or key in INSTEAD, f"nothing takes --{option.name}"
            continue
        if not is_given(values[key[1]], line):
            value = values[key[1]]
            if isinstance(default, tuple) and isinstance(value, str):  # words with commas between them
                value = value.split(",")
            assert plain(value) == plain(default), option.name
        compared += 1
    assert compared > 0 or all(p.default is p.empty for p in parameters.values())


def test_settings_without_an_option_of_their_own_are_few() -> None:
    """That so many options are compared is what makes the test above worth something."""
    own = [option for line in COMMANDS for option in find(line)[1].params if hasattr(option, "default_of")]
    assert len(own) > 80


def find(line: str) -> tuple[str, click.Command, list[str]]:
    """Return the path of the command that a line calls, the command, and its arguments."""
    words, command, path = line.split(), cli, []
    while isinstance(command, click.Group):
        path.append(words.pop(0))
        command = command.get_command(click.Context(command), path[-1])
    return " ".join(path), command, words


def commands(group: click.Group = cli, path: str = "") -> list[str]:
    found = []
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        where = f"{path} {name}".strip()
        found += commands(command, where) if isinstance(command, click.Group) else [where]
    return found


def test_every_command_is_compared() -> None:
    assert [c for c in commands() if not any(line == c or line.startswith(c + " ") for line in COMMANDS)] == []
