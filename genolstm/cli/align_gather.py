"""``genolstm align gather``: join alignments that were made in parts."""

from __future__ import annotations

from pathlib import Path

import click

from genolstm.alignment.settings import GATHERED
from genolstm.cli import align_options, options


@click.command(cls=options.Command)
@click.argument("parts", nargs=-1, required=True, type=click.Path(path_type=Path))
@align_options.output
@click.option(
    "--format",
    "form",
    type=click.Choice(GATHERED),
    default="paf",
    show_default=True,
    help="Format of PARTS and of the output; tsv is the table of columns.",
)
@options.force
@options.quiet
def gather(parts: tuple[Path, ...], output: str, form: str, force: bool, quiet: bool) -> None:
    """Join PARTS, alignments of different queries.

    They are files of `align score` or `align search` with the same references. Records keep the order of PARTS.
    E-values are right as they are: each query was judged by all references.
    """
    from genolstm.runs.align_gather import run

    written = run(parts, output, form=form, force=force)
    options.say(f"{written} lines, gathered from {len(parts)}", quiet=quiet)
