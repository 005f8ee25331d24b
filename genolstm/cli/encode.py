"""``genolstm encode``: k-mer counts and one-hot windows from FASTA."""

from __future__ import annotations

import click

from genolstm.cli import options
from genolstm.cli.numbers import WholeRange


@click.group(cls=options.Group)
def encode() -> None:
    """Turn FASTA into k-mer counts or one-hot windows."""


_skip_short = click.option("--skip-short", is_flag=True, help="Skip records that are too short.")


@encode.command()
@click.argument("fasta")
@click.option(
    "-o", "--output", default="-", show_default="standard output", metavar="OUT.tsv[.gz]", help="Table to write."
)
@click.option("-k", type=WholeRange(1, 31), default=4, show_default=True, help="Length of the k-mers.")
@click.option(
    "--canonical/--stranded",
    default=True,
    show_default=True,
    help="Count a k-mer and its reverse complement together, or separately.",
)
@click.option(
    "-w",
    "--window",
    type=WholeRange(min=1),
    help="Length of a window in bases; by default each record is counted as a whole.",
)
@click.option(
    "-s", "--step", type=WholeRange(min=1), show_default="the window", help="Bases from one window's start to the next."
)
@click.option("--wide", is_flag=True, help="One row per record or window, one column per k-mer.")
@_skip_short
@options.force
def kmers(
    fasta: str,
    output: str,
    k: int,
    canonical: bool,
    window: int | None,
    step: int | None,
    wide: bool,
    skip_short: bool,
    force: bool,
) -> None:
    """Count k-mers per record or per window.

    K-mers that cover a base other than A, C, G or T are left out.
    """
    from genolstm.runs.encode import write_kmer_counts

    write_kmer_counts(
        fasta, output, k=k, canonical=canonical, window=window, step=step, wide=wide, skip_short=skip_short, force=force
    )


@encode.command()
@click.argument("fasta")
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(dir_okay=False),
    metavar="OUT.npz",
    help="NumPy file to write, with arrays onehot, record and start.",
)
@click.option(
    "-w", "--window", type=WholeRange(min=1), default=1000, show_default=True, help="Length of a window in bases."
)
@click.option(
    "-s", "--step", type=WholeRange(min=1), show_default="the window", help="Bases from one window's start to the next."
)
@_skip_short
@options.force
@options.quiet
def onehot(fasta: str, output: str, window: int, step: int | None, skip_short: bool, force: bool, quiet: bool) -> None:
    """Cut records into windows and write them one-hot.

    The columns are A, C, G and T; unknown bases are all 0.
    """
    from genolstm.runs.encode import write_one_hot

    n = write_one_hot(fasta, output, window=window, step=step, skip_short=skip_short, force=force)
    options.say(f"{n:,} windows of {window:,} bases -> {output}", quiet=quiet)
