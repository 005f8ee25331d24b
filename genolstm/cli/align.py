"""``genolstm align``: score and align sequences."""

from __future__ import annotations

import sys

import click

from genolstm.cli import options
from genolstm.cli.align_msa import msa
from genolstm.cli.align_plot import plot, reliability
from genolstm.cli.align_search import search
from genolstm.cli.align_train import train


@click.group()
def align() -> None:
    """Align sequences and say how sure every column is."""


align.add_command(msa)
align.add_command(plot)
align.add_command(reliability)
align.add_command(search)
align.add_command(train)


class _Band(click.ParamType):
    name = "auto|none|BP"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        if value in ("auto", "none"):
            return str(value)
        try:
            number = int(str(value))
        except ValueError:
            number = 0
        if number < 1:
            self.fail(f"{value!r} is neither auto, none nor a number of bp", param, ctx)
        return number


@align.command()
@click.argument("query")
@click.argument("reference")
@click.option(
    "-o",
    "--output",
    default="-",
    show_default="standard output",
    metavar="OUT[.gz]",
    help="Where to write the alignments.",
)
@options.alignment_format
@click.option("--posteriors", metavar="OUT.tsv[.gz]", help="Write the table of all columns here, too.")
@click.option("--pairs", metavar="PAIRS", help="Align only these pairs: two columns of names, or PAF.")
@click.option("--one-to-one", is_flag=True, help="First with first, second with second, ...")
@click.option(
    "--mode",
    type=click.Choice(["global", "semiglobal", "local"]),
    show_default="semiglobal for adna, else global",
    help="From end to end; all of the query within the reference; a stretch of both.",
)
@options.strand
@options.aligner
@options.classical
@click.option(
    "--decoding",
    type=click.Choice(["mea", "viterbi"]),
    default="mea",
    show_default=True,
    help="Maximum expected accuracy, or the likeliest path.",
)
@click.option(
    "--gap-factor",
    type=click.FloatRange(min=0),
    show_default="the highest expected F1",
    help="Recall against precision: 0 aligns all it can, above 1 only what is sure.",
)
@click.option(
    "--band",
    type=_Band(),
    default="auto",
    show_default=True,
    help="Margin around exact matches; auto bands pairs of more than 16 million cells.",
)
@click.option(
    "--memory",
    type=click.FloatRange(min=0, min_open=True),
    default=2.0,
    show_default=True,
    metavar="GIB",
    help="Memory one pair may take.",
)
@options.threads
@options.force
@options.quiet
def score(
    query: str,
    reference: str,
    output: str,
    form: str,
    posteriors: str | None,
    pairs: str | None,
    one_to_one: bool,
    mode: str | None,
    strand: str,
    preset: str,
    classical: bool,
    decoding: str,
    gap_factor: float | None,
    band: int | str,
    memory: float,
    threads: int,
    force: bool,
    quiet: bool,
) -> None:
    """Align every sequence of QUERY with every sequence of REFERENCE (FASTA or FASTQ).

    The score is in bits: how much likelier the two are as relatives than as strangers.
    """
    if pairs is not None and one_to_one:
        raise click.UsageError("--pairs and --one-to-one exclude each other")

    from genolstm.alignment.scorer import AlignmentScorer
    from genolstm.runs.align import align_files

    scorer = AlignmentScorer.load(preset, classical=classical)
    chosen = {} if mode is None else {"mode": mode}
    with options.status("aligning", lambda done: f"{done} pairs aligned", quiet=quiet) as progress:
        summary = align_files(
            query,
            reference,
            output,
            scorer=scorer,
            form=form,
            pairs=pairs,
            one_to_one=one_to_one,
            posteriors=posteriors,
            threads=threads,
            force=force,
            command=" ".join(["genolstm", *sys.argv[1:]]),
            progress=progress,
            strand=strand,
            decoding=decoding,
            gap_factor=gap_factor,
            band=band,
            memory=int(memory * 2**30),
            **chosen,
        )
    if not quiet:
        plural = "" if summary.pairs == 1 else "s"
        text = f"{summary.pairs} pair{plural} aligned"
        if summary.unaligned:
            text += f", {summary.unaligned} of them without a single aligned residue"
        click.echo(text, err=True)
