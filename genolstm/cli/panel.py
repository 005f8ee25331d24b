"""``genolstm panel``: build and inspect k-mer panels."""

from __future__ import annotations

import click

from genolstm.cli import options
from genolstm.sequences.panel.settings import PanelSettings


@click.group(cls=options.Group)
def panel() -> None:
    """Build and inspect k-mer panels.

    For every k-mer, a panel records how many haplotypes of a reference group carry it.
    """


@panel.command()
@click.argument("fasta", nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(dir_okay=False),
    metavar="OUT.panel",
    help="Panel file to write; - is standard output.",
)
@options.settings(PanelSettings, k="-k")
@options.memory("Most memory to use")
@options.force
@options.threads
@options.quiet
def build(
    fasta: tuple[str, ...], output: str, settings: PanelSettings, memory: int, force: bool, threads: int, quiet: bool
) -> None:
    """Build a panel from FASTA or FASTQ.

    Files or pipes, plain or compressed (gz, bz2, xz, zst); - is standard input.
    """
    from genolstm.runs.panel import build

    warnings: list[str] = []
    with options.progress("reading", quiet=quiet) as shown:
        built = build(
            fasta,
            output,
            settings,
            threads=threads,
            memory=memory,
            force=force,
            progress=None if shown is None else lambda bases, share: shown(f"{bases:,} bases", share),
            warn=warnings.append,
        )
    for warning in warnings:
        options.say(f"warning: {warning}", quiet=quiet)
    where = "standard output" if output == "-" else output
    options.say(f"{built.n_kmers:,} {built.k}-mers of {built.n_haplotypes:,} haplotypes -> {where}", quiet=quiet)


@panel.command()
@click.argument("path", metavar="PANEL")
@click.option("--json", "as_json", is_flag=True, help="Print the whole summary as JSON.")
def info(path: str, as_json: bool) -> None:
    """Verify a panel's checksum and print a summary."""
    from genolstm.runs.panel import info

    click.echo(info(path, as_json=as_json))
