"""``genolstm align train``: fit an aligner to pairs of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from genolstm.alignment.settings import FINE_TUNING
from genolstm.cli import align_options, options


@click.command()
@click.argument("query")
@click.argument("reference")
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), metavar="OUT.genolstm", help="The model to write."
)
@click.option("--pairs", metavar="PAIRS", help="The pairs: two columns of names, or PAF.")
@align_options.one_to_one
@click.option(
    "--truth", metavar="PAF", help="True alignments (with the tag cg:Z). Without them, the pairs' likelihood is raised."
)
@options.model(default="dna", help="Model to start from: dna, coding, or a file.", old="--preset")
@options.settings(FINE_TUNING, "simulated", "validation", "epochs", "batch_size", "learning_rate", "seed")
@click.option(
    "--checkpoints", type=click.Path(path_type=Path), show_default="OUT.training", help="Folder of the checkpoints."
)
@options.threads
@options.force
@options.quiet
def train(quiet: bool, **given: Any) -> None:
    """Fit an aligner to pairs of QUERY and REFERENCE sequences (needs the extra `train`).

    A run that was killed goes on from its checkpoint. The model is used with
    `align score --model OUT.genolstm`.
    """
    if sum((given["pairs"] is not None, given["one_to_one"], given["truth"] is not None)) != 1:
        raise click.UsageError("give one of --pairs, --one-to-one and --truth")

    from genolstm.runs.align_train import run

    run(**given, progress=not quiet)
    options.say(f"{given['output']} written", quiet=quiet)
