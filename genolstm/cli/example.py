"""``genolstm example``: data to begin with."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from genolstm.cli import options


@click.command(cls=options.Command)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Write to DIR although it holds files; those of the example are replaced.")
@options.quiet
def example(folder: Path, force: bool, quiet: bool) -> None:
    """Write example data and a script to begin with.

    DIR becomes a folder with 600 kb of simulated people, their archaic relative and the true tracts (README.md tells
    which file is what). The script finds segments, draws a page and aligns reads: 10 s, and
    up to two minutes more after installing, when loops are compiled.
    """
    from genolstm.runs.example import SCRIPT, run

    written = run(folder, force=force)
    options.say(f"{len(written)} files; now run: sh {shlex.quote(str(folder / SCRIPT))}", quiet=quiet)
