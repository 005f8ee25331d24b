"""``genolstm model``: look at model bundles."""

from __future__ import annotations

import json
from pathlib import Path

import click

from genolstm.cli import options
from genolstm.cli.gates import gates, subject
from genolstm.errors import shown, shown_json


@click.group(cls=options.Group)
def model() -> None:
    """List, inspect, verify and export model bundles.

    MODEL is a file, or the name of a model that comes with GenoLSTM.
    """


model.add_command(gates)
_file = click.Path(dir_okay=False, path_type=Path)


@model.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON, with the digests.")
def list_models(as_json: bool) -> None:
    """List the models that come with GenoLSTM.

    Of each: name, kind, size and what it is for.
    """
    from genolstm.runs.model import run_list

    models = run_list()
    if as_json:
        entries = [entry._asdict() for entry in models]
        click.echo(shown_json(json.dumps(entries, indent=2, ensure_ascii=False)))
        return
    for entry in models:
        size = f"{entry.bytes / 1e6:.2f} MB"
        click.echo("\t".join(map(shown, (entry.name, entry.kind, size, entry.about))))


@model.command()
@subject
@click.option("--json", "as_json", is_flag=True, help="Print the whole manifest as JSON.")
def info(model: str, as_json: bool) -> None:
    """Print what a model is, what it was made for and how it came to be."""
    from genolstm.runs.model import run_open

    bundle = run_open(model)
    if as_json:
        click.echo(shown_json(json.dumps(bundle.manifest(), indent=2, sort_keys=True, ensure_ascii=False)))
        return
    for name, value in bundle.summary():
        click.echo(f"{shown(name)}\t{shown(str(value))}")


@model.command()
@subject
def verify(model: str) -> None:
    """Check that a model is intact and computes what its weights say."""
    from genolstm.runs.model import run_verify

    for name, value in run_verify(model):
        click.echo(f"{shown(name)}\t{shown(str(value))}")


@model.command()
@subject
@click.option("--onnx", type=_file, help="Write the ONNX graph here.")
@click.option("--keras", type=_file, help="Write the Keras model here.")
@options.force
def export(model: str, onnx: Path | None, keras: Path | None, force: bool) -> None:
    """Write a model's ONNX or Keras form to a separate file."""
    if onnx is None and keras is None:
        raise click.UsageError("say what to write: --onnx FILE, --keras FILE, or both")
    from genolstm.runs.model import run_export

    run_export(model, onnx=onnx, keras=keras, force=force)


@model.command()
@subject
def card(model: str) -> None:
    """Print the model card: training, accuracy and limits."""
    from genolstm.runs.model import run_open

    card = run_open(model).card.replace("\r\n", "\n").rstrip("\n")
    click.echo(shown(card, keep="\n\t"))
