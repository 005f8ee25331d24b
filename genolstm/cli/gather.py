"""``genolstm introgression gather``: join the files of a scan that was run in parts."""

from __future__ import annotations

from pathlib import Path

import click

from genolstm.cli import options


@click.command(cls=options.Command)
@click.argument("parts", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path, allow_dash=True),
    help="File to write (gzipped if it ends in .gz; segments as GFF3 if it ends in .gff3); - is standard output.",
)
@options.force
@options.quiet
def gather(parts: tuple[Path, ...], output: Path, force: bool, quiet: bool) -> None:
    """Join PARTS, tables of scans of different haplotypes or sequences.

    They are segments, posteriors or evidence.

    Segments and evidence are sorted by position, and segments are named anew, as one scan of everything would
    have named them; evidence of the same PARTS gets the same names. Posteriors keep the order of PARTS.
    """

    from genolstm.runs.gather import run

    written = run(parts, output, force=force)
    options.say(f"{output}: {written} lines, gathered from {len(parts)}", quiet=quiet)
