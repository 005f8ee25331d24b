"""``genolstm model``: look at model bundles."""

from __future__ import annotations

import json
from pathlib import Path

import click

from genolstm.cli import options
from genolstm.cli.gates import gates


@click.group()
def model() -> None:
    """Inspect, verify and export model bundles.

    BUNDLE is a file, or the name of a model that comes with GenoLSTM.
    """


model.add_command(gates)


@model.command()
@click.argument("bundle")
@click.option("--json", "as_json", is_flag=True, help="Print the whole manifest as JSON.")
def info(bundle: str, as_json: bool) -> None:
    """Print what a model is, what it was made for and how it came to be."""
    from genolstm.lstm.bundle.bundle import Bundle, find_bundle

    opened = Bundle.open(find_bundle(bundle))
    if as_json:
        click.echo(json.dumps(opened.manifest(), indent=2, sort_keys=True, ensure_ascii=False))
        return
    for name, value in opened.summary():
        click.echo(f"{name}\t{value}")


@model.command()
@click.argument("bundle")
def verify(bundle: str) -> None:
    """Check that a model is whole, loads, and computes what its weights say."""
    from genolstm.lstm.bundle.verify import verify_bundle

    for name, value in verify_bundle(bundle):
        click.echo(f"{name}\t{value}")


@model.command()
@click.argument("bundle")
@click.option("--onnx", type=click.Path(dir_okay=False), help="Write the ONNX graph here.")
@click.option("--keras", type=click.Path(dir_okay=False), help="Write the Keras model here.")
@options.force
def export(bundle: str, onnx: str | None, keras: str | None, force: bool) -> None:
    """Write a model's ONNX or Keras form to a file of its own."""
    from genolstm.files import atomic_path, check_outputs
    from genolstm.lstm.bundle.bundle import Bundle, find_bundle

    if onnx is None and keras is None:
        raise click.UsageError("say what to write: --onnx FILE, --keras FILE, or both")
    check_outputs([onnx, keras], force=force)
    opened = Bundle.open(find_bundle(bundle))
    contents = [
        (path, opened.member(name)) for path, name in ((onnx, "model.onnx"), (keras, "model.keras")) if path is not None
    ]
    for path, content in contents:
        with atomic_path(path, force=force) as temporary:
            Path(temporary).write_bytes(content)


@model.command()
@click.argument("bundle")
def card(bundle: str) -> None:
    """Print the model card: what it was trained on, how well it does, its limits."""
    from genolstm.lstm.bundle.bundle import Bundle, find_bundle

    click.echo(Bundle.open(find_bundle(bundle)).card.rstrip("\n"))
