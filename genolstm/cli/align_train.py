"""``genolstm align train``: fits an aligner to the user's own pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from genolstm.alignment.settings import FINE_TUNING
from genolstm.cli import align_options, options


@click.command(cls=options.Command)
@click.argument("query")
@click.argument("reference")
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), metavar="OUT.genolstm", help="Model to write."
)
@click.option("--pairs", metavar="PAIRS", help="List of the pairs: two columns of names, or PAF.")
@align_options.one_to_one
@click.option(
    "--truth",
    metavar="PAF",
    help="True alignments (with the tag cg:Z); without them, training maximises the likelihood of the pairs.",
)
@options.model(default="dna", help="Model to start from: dna, coding, or a file.", old="--preset")
@options.settings(FINE_TUNING, "simulated", "validation", "epochs", "batch_size", "learning_rate", "seed")
@click.option(
    "--checkpoints", type=click.Path(path_type=Path), show_default="OUT.training", help="Folder for checkpoints."
)
@options.threads
@options.force
@options.quiet
def train(quiet: bool, **given: Any) -> None:
    """Fit an aligner to pairs of QUERY and REFERENCE.

    Needs the extra `train`.

    A run that was killed resumes from its checkpoint. Use the model with
    `align score --model OUT.genolstm`.
    """
    if sum((given["pairs"] is not None, given["one_to_one"], given["truth"] is not None)) != 1:
        raise click.UsageError("give exactly one of --pairs, --one-to-one and --truth")

    from genolstm.runs.align_train import run

    run(**given, progress=not quiet)
    options.say(f"{given['output']} written", quiet=quiet)
