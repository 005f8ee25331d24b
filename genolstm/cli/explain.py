"""``genolstm introgression explain``: one segment in words."""

from __future__ import annotations

from pathlib import Path

import click

from genolstm.cli import options
from genolstm.cli.numbers import WholeRange
from genolstm.errors import shown
from genolstm.introgression.settings import LISTED_SITES


@click.command(cls=options.Command)
@click.argument("segments", type=click.Path(path_type=Path))
@click.option(
    "--evidence", required=True, type=click.Path(path_type=Path), help="Evidence of the same scan (scan --evidence)."
)
@click.option(
    "--segment", required=True, metavar="NAME|N", help="Which: its name, such as nea_0001, or its number, from 1 on."
)
@click.option(
    "--sites", type=WholeRange(min=0), default=LISTED_SITES, show_default=True, help="Most sites to list; 0 lists all."
)
def explain(segments: Path, evidence: Path, segment: str, sites: int) -> None:
    """Explain one of SEGMENTS: where, whose, and which sites say so.

    Also shows the sites that speak against it.
    """
    from genolstm.runs.explain import run

    for line in run(segments, evidence, segment, sites=sites):
        click.echo(shown(line))
