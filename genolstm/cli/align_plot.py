"""``genolstm align plot`` and ``align reliability``: figures of alignments."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from genolstm.cli import options

_mode = click.option(
    "--mode",
    type=click.Choice(["global", "semiglobal", "local"]),
    show_default="semiglobal for adna, else global",
    help="From end to end; all of the query within the reference; a stretch of both.",
)
_figure = click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="Figure to write (.svg, .png or .pdf)."
)


class _Region(click.ParamType):
    name = "START-END"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """Return start and end, 0-based half-open."""
        match = re.fullmatch(r"(\d+)-(\d+)", str(value).replace(",", ""))
        if match is None or not 1 <= int(match[1]) <= int(match[2]):
            self.fail(f"{value!r} is no region such as 101-250", param, ctx)
        return int(match[1]) - 1, int(match[2])


@click.command()
@click.argument("query")
@click.argument("reference")
@_figure
@click.option(
    "--kind",
    type=click.Choice(["dotplot", "alignment"]),
    default="dotplot",
    show_default=True,
    help="All posteriors with the path over them, or the letters coloured by confidence.",
)
@click.option("--query-name", metavar="NAME", show_default="the first", help="Sequence of QUERY.")
@click.option("--reference-name", metavar="NAME", show_default="the first", help="Sequence of REFERENCE.")
@click.option("--region", type=_Region(), help="Part of the reference to draw, 1-based, both ends included.")
@click.option(
    "--width", type=click.IntRange(min=10), default=80, show_default=True, help="Columns per line of --kind alignment."
)
@_mode
@options.strand
@options.aligner
@options.classical
@options.force
def plot(
    query: str,
    reference: str,
    output: Path,
    kind: str,
    query_name: str | None,
    reference_name: str | None,
    region: tuple[int, int] | None,
    width: int,
    mode: str | None,
    strand: str,
    preset: str,
    classical: bool,
    force: bool,
) -> None:
    """Align one sequence of QUERY with one of REFERENCE and draw how sure every column is.

    The first sequence of each file, unless others are named. Needs the extra `plot`.
    """
    from genolstm.alignment.scorer import AlignmentScorer
    from genolstm.runs.align_plot import save_pair

    save_pair(
        query,
        reference,
        output,
        scorer=AlignmentScorer.load(preset, classical=classical),
        kind=kind,
        query_name=query_name,
        reference_name=reference_name,
        region=region,
        width=width,
        force=force,
        strand=strand,
        **({} if mode is None else {"mode": mode}),
    )


@click.command()
@click.argument("query")
@click.argument("reference")
@click.option("--truth", required=True, metavar="PAF", help="True alignments, with the tag cg:Z.")
@_figure
@click.option("--table", metavar="OUT.tsv[.gz]", help="Write the figure's numbers here, too.")
@click.option("--bins", type=click.IntRange(2, 100), default=20, show_default=True, help="Bins of the posterior.")
@_mode
@options.strand
@options.aligner
@options.classical
@options.threads
@options.force
def reliability(
    query: str,
    reference: str,
    truth: str,
    output: Path,
    table: str | None,
    bins: int,
    mode: str | None,
    strand: str,
    preset: str,
    classical: bool,
    threads: int,
    force: bool,
) -> None:
    """Align the pairs of a true alignment and draw how often columns of each posterior are right.

    Prints the F1 of the aligned residues and the expected calibration error (ECE). Needs the
    extra `plot`.
    """
    from genolstm.alignment.scorer import AlignmentScorer
    from genolstm.runs.align_plot import save_evaluation

    found = save_evaluation(
        query,
        reference,
        truth,
        output,
        table=table,
        bins=bins,
        threads=threads,
        force=force,
        scorer=AlignmentScorer.load(preset, classical=classical),
        strand=strand,
        **({} if mode is None else {"mode": mode}),
    )
    accuracy = found.accuracy
    click.echo("pairs\tcolumns\tf1\tprecision\trecall\tece")
    scores = (accuracy.f1, accuracy.precision, accuracy.recall, found.reliability.ece)
    fields = [str(found.pairs), str(accuracy.predicted), *(f"{x:.4f}" for x in scores)]
    click.echo("\t".join(fields))
