"""``genolstm cite``: how to cite the program."""

from __future__ import annotations

import click

from genolstm.cli import options
from genolstm.runs.cite import FORMS


@click.command(cls=options.Command)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMS),
    default="text",
    show_default=True,
    help="Form of the citation: a sentence, BibTeX, or the Citation File Format.",
)
def cite(form: str) -> None:
    """Print how to cite GenoLSTM."""
    from genolstm.runs.cite import run

    click.echo(run(form))
