"""``genolstm align train``: fits an aligner to the user's own pairs or families."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from genolstm.alignment.settings import FINE_TUNING, FamilySettings
from genolstm.cli import align_options, options

DEFAULT = ParameterSource.DEFAULT


@click.command(cls=options.Command)
@click.argument("query", required=False)
@click.argument("reference", required=False)
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
@click.option(
    "--families",
    multiple=True,
    help="Aligned families instead of QUERY and REFERENCE: Stockholm with any number, aligned FASTA or A2M with one, "
    "or a folder of these; may be repeated.",
)
@options.settings(FamilySettings, into="learning")
@click.option(
    "--context", is_flag=True, help="With --families: train the network, too (extra `train`); kept if it helps."
)
@click.option("--table", metavar="TSV", help="With --families: F1 on other families before and after, by identity.")
@click.option("--figure", help="With --families: a figure of the same (.svg, .png or .pdf).")
@click.option(
    "--evalues/--no-evalues", default=True, show_default=True, help="Fit E-values to the new model, or leave them out."
)
@options.model(default="dna", help="Model to start from: dna, coding, rna, or a file.", old="--preset")
@options.settings(FINE_TUNING, "simulated", "validation", "epochs", "batch_size", "learning_rate", "seed")
@click.option(
    "--checkpoints", type=click.Path(path_type=Path), show_default="OUT.training", help="Folder for checkpoints."
)
@options.threads
@options.force
@options.quiet
def train(quiet: bool, **given: Any) -> None:
    """Fit an aligner to pairs of QUERY and REFERENCE, or to families.

    Pairs, and the option --context, need the extra `train`.

    Families are split: a part is learned from, a part chooses, and a part says what was gained.

    A run that was killed resumes the training of its network from its checkpoint. Use the model with
    `align score --model OUT.genolstm`.
    """
    ctx = click.get_current_context()
    source = ctx.get_parameter_source
    ways = (given["pairs"] is not None, given["one_to_one"], given["truth"] is not None)
    of_families = {"held_out", "per_family", "search", "context"}
    chosen = [p.opts[0] for p in ctx.command.params if p.name in of_families and source(p.name) != DEFAULT]
    if given["families"]:
        if any(ways) or given["query"] is not None:
            raise click.UsageError(
                "--families takes one file or folder each time, and no QUERY, REFERENCE or list of pairs"
            )
        if source("validation") != DEFAULT:
            raise click.UsageError("--validation is for pairs: families are held out with --held-out")
        if not given["context"]:
            network = {"simulated", "epochs", "batch_size", "learning_rate", "checkpoints"}
            for param in ctx.command.params:
                if param.name in network and source(param.name) != DEFAULT:
                    raise click.UsageError(f"{param.opts[0]} is for the network, which needs --context")
    else:
        if given["query"] is None or given["reference"] is None:
            raise click.UsageError("give QUERY and REFERENCE, or --families")
        if chosen:
            raise click.UsageError(f"{chosen[0]} needs --families")
        given["learning"] = None
        if sum(ways) != 1:
            raise click.UsageError("give exactly one of --pairs, --one-to-one, --truth and --families")

    from genolstm.runs.align_train import run

    run(**given, progress=not quiet)
    options.say(f"{given['output']} written", quiet=quiet)
