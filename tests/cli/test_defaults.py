"""What a command hands over if no option is given is what its function takes by itself."""

from __future__ import annotations

import inspect
import os
from dataclasses import is_dataclass
from importlib import import_module
from typing import Any

import click
import pytest

from genolstm.cli import cli, main

# What is only for show, or says where the call came from.
PRIVATE = {"progress", "command", "on_network", "quiet", "stages"}

# Command and its required arguments; module of runs and its function.
COMMANDS = {
    "align msa x": ("align_msa", "run"),
    "align plot a b -o c": ("align_plot", "run"),
    "align reliability a b --truth t -o c": ("align_evaluate", "run"),
    "align score a b": ("align", "run"),
    "align search a b": ("align_search", "run"),
    "align train a b -o c --one-to-one": ("align_train", "run"),
    "compare x": ("compare", "run"),
    "encode kmers x": ("encode", "write_kmer_counts"),
    "encode onehot x -o y": ("encode", "write_one_hot"),
    "introgression evaluate a b": ("evaluate", "run"),
    "introgression gather a -o b": ("gather", "run"),
    "introgression plot a -o b": ("plot", "run"),
    "introgression scan a --archaic b --outgroup c -o d": ("scan", "run"),
    "introgression simulate -o a": ("simulate", "run"),
    "introgression train a -o b": ("train", "run"),
    "model card m": ("model", "run_open"),
    "model export m --onnx x": ("model", "run_export"),
    "model gates m x": ("gates", "run"),
    "model info m": ("model", "run_open"),
    "model verify m": ("model", "run_verify"),
    "panel build a -o b": ("panel", "build"),
    "panel info a": ("panel", "info"),
    "text baseline x": ("text_baseline", "run"),
    "text generate --model m": ("text_generate", "run"),
    "text score x --model m": ("text_score", "run"),
    "text spectrum a b": ("text_spectrum", "run"),
    "text train x -o y": ("text_train", "run"),
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
    """Return a value without the difference between a path and its text, a list and a tuple."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return tuple(value) if isinstance(value, list | tuple) else value


@pytest.mark.parametrize("line", COMMANDS)
def test_defaults_of_a_command_are_those_of_its_function(monkeypatch, line: str) -> None:
    signature, handed = call(monkeypatch, line)
    given = set(line.split())
    compared = 0
    for name, value in handed.items():
        parameter = signature.parameters[name]
        if parameter.kind is parameter.VAR_KEYWORD:
            assert value == {}, "settings that nobody gave"
            continue
        if parameter.default is parameter.empty or name in PRIVATE or f"--{name.replace('_', '-')}" in given:
            continue
        default = parameter.default
        if default is None and is_dataclass(value):
            default = type(value)()
        if default is None and value in ({}, ()):
            continue
        if name in ("output", "sequences") and len(given) > 2:
            continue
        assert plain(value) == plain(default), name
        compared += 1
    optional = [p for p in signature.parameters.values() if p.default is not p.empty and p.name not in PRIVATE]
    assert compared > 0 or len(optional) <= 2


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
