"""``genolstm align plot`` and ``align reliability``: figures of alignments."""

from __future__ import annotations

from typing import Any

import click

from genolstm.alignment.settings import PlotSettings
from genolstm.cli import align_options, options


@click.command(cls=options.Command)
@click.argument("query")
@click.argument("reference")
@align_options.figure
@click.option("--query-name", metavar="NAME", show_default="the first", help="Name of the QUERY sequence to align.")
@click.option(
    "--reference-name", metavar="NAME", show_default="the first", help="Name of the REFERENCE sequence to align."
)
@options.region("Part of the reference to draw")
@options.settings(PlotSettings, "kind", "width")
@align_options.spans
@align_options.model
@align_options.classical
@options.force
def plot(reference_name: str | None, region: options.Region | None, alignment: dict[str, Any], **given: Any) -> None:
    """Align two sequences and draw the confidence of every column.

    The first sequence of each file is used unless others are named. Needs the extra `plot`.
    """
    if region is not None and region.chrom is not None:
        if reference_name not in (None, region.chrom):
            raise click.UsageError(f"--region is on {region.chrom}, but --reference-name is {reference_name}")
        reference_name = region.chrom

    from genolstm.runs.align_plot import run

    part = None if region is None else (region.start, region.end)
    run(**given, **alignment, reference_name=reference_name, region=part)


@click.command(cls=options.Command)
@click.argument("query")
@click.argument("reference")
@click.option("--truth", required=True, metavar="PAF", help="True alignments, with the tag cg:Z.")
@align_options.figure
@click.option("--table", metavar="OUT.tsv[.gz]", help="Also write the numbers in the figure to this file.")
@options.settings(PlotSettings, "bins")
@align_options.spans
@align_options.model
@align_options.classical
@options.threads
@options.force
def reliability(alignment: dict[str, Any], **given: Any) -> None:
    """Draw how often columns of each posterior are right.

    Aligns pairs of QUERY and REFERENCE whose true alignments are known.

    Prints the F1 of the aligned residues and the expected calibration error (ECE). Needs the
    extra `plot`.
    """
    from genolstm.runs.align_evaluate import run

    found = run(**given, **alignment)
    accuracy = found.accuracy
    click.echo("pairs\tcolumns\tf1\tprecision\trecall\tece")
    scores = (accuracy.f1, accuracy.precision, accuracy.recall, found.reliability.ece)
    click.echo("\t".join([str(found.pairs), str(accuracy.predicted), *(f"{x:.4f}" for x in scores)]))
