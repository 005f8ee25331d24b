"""``genolstm align msa``: one alignment of a small family."""

from __future__ import annotations

import click

from genolstm.cli import options


@click.command()
@click.argument("family")
@click.option(
    "-o",
    "--output",
    default="-",
    show_default="standard output",
    metavar="OUT[.gz]",
    help="Where to write the alignment.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["fasta", "a2m", "stockholm"]),
    default="fasta",
    show_default=True,
    help="Stockholm has a line with the confidence of every column.",
)
@click.option(
    "--gain",
    type=click.FloatRange(min=0, max=1, max_open=True),
    default=0.2,
    show_default=True,
    help="Mean posterior from which residues are aligned: 0 aligns all it can.",
)
@click.option(
    "--consistency",
    type=click.IntRange(min=0),
    default=1,
    show_default=True,
    help="Rounds in which third sequences vote on every pair.",
)
@options.aligner
@options.classical
@options.threads
@options.force
@options.quiet
def msa(
    family: str,
    output: str,
    form: str,
    gain: float,
    consistency: int,
    preset: str,
    classical: bool,
    threads: int,
    force: bool,
    quiet: bool,
) -> None:
    """Align the sequences of FAMILY (FASTA or FASTQ, up to 64, one strand) with one another."""
    from genolstm.alignment.formats.family import align_family_file
    from genolstm.alignment.msa import MsaSettings
    from genolstm.alignment.scorer import AlignmentScorer

    scorer = AlignmentScorer.load(preset, classical=classical)
    settings = MsaSettings(consistency=consistency, gain=gain)
    with options.status("aligning", lambda done, n: f"{done} of {n} pairs aligned", quiet=quiet) as progress:
        found = align_family_file(
            family, output, scorer=scorer, settings=settings, form=form, threads=threads, force=force, progress=progress
        )
    if not quiet:
        n, width = found.columns.shape
        click.echo(f"{n} sequences in {width} columns, mean confidence {found.confidence.mean():.3f}", err=True)
