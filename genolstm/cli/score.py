"""``genolstm introgression score``: what a sequence-only model says of sequences."""

from __future__ import annotations

from pathlib import Path

import click

from genolstm.cli import options


@click.command(cls=options.Command)
@click.argument("query", nargs=-1, required=True, type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "--model",
    type=click.Path(path_type=Path),
    required=True,
    help="Model of `introgression train --mode sequence`; others are refused.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, allow_dash=True),
    default="-",
    show_default="standard output",
    help="Table to write.",
)
@options.threads
@options.force
@options.quiet
def score(query: tuple[Path, ...], model: Path, output: Path, threads: int, force: bool, quiet: bool) -> None:
    """Score QUERY (FASTA) with a sequence-only model.

    Writes the probability of archaic of each window, by a model that knows the sequence of its training loci and
    compares with no reference: on loci that it did not see it can be no better than chance, which it says each
    time. To find archaic segments, use `scan`. Sequences are read on the strand that is given.
    """
    from genolstm.runs.sequence_score import run

    said = run(
        query,
        model=model,
        output=output,
        threads=threads,
        force=force,
        warn=lambda text: options.say(f"warning: {text}", quiet=False),
    )
    options.tell(said, quiet=quiet)
