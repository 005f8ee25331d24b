"""``genolstm align msa``: one multiple alignment of a small family."""

from __future__ import annotations

from typing import Any

import click

from genolstm.alignment.settings import FAMILY_FORMATS, FAMILY_MODELS, MsaSettings
from genolstm.cli import align_options, options


@click.command(cls=options.Command)
@click.argument("family")
@align_options.output
@click.option(
    "--format",
    "form",
    type=click.Choice(FAMILY_FORMATS),
    default="fasta",
    show_default=True,
    help="Format of the output; Stockholm has a line with the confidence of every column.",
)
@options.settings(MsaSettings)
@options.renamed("--preset", "model")
@click.option(
    "--model",
    multiple=True,
    default=FAMILY_MODELS,
    show_default="dna once, rna twice",
    metavar="NAME|FILE",
    help="Aligner of the pairs, as in `align score`. It may be repeated: the posteriors of several are averaged, and "
    "one that is given twice counts twice.",
)
@align_options.classical
@options.threads
@options.force
@options.quiet
def msa(quiet: bool, **given: Any) -> None:
    """Align the sequences of FAMILY with one another.

    FAMILY is FASTA or FASTQ with up to 64 sequences, all of the same strand.
    """
    from genolstm.runs.align_msa import run

    with options.status("aligning", lambda done, n: f"{done} of {n} alignments of pairs", quiet=quiet) as progress:
        found = run(**given, progress=progress)
    n, width = found.columns.shape
    options.say(f"{n} sequences in {width} columns, mean confidence {found.confidence.mean():.3f}", quiet=quiet)
