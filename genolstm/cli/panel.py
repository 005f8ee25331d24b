"""``genolstm panel``: build and inspect k-mer panels."""

from __future__ import annotations

import json

import click

from genolstm.cli import options


@click.group()
def panel() -> None:
    """Build and inspect k-mer panels.

    A panel says for every k-mer how many haplotypes of a reference group carry it.
    """


@panel.command()
@click.argument("fasta", nargs=-1, required=True)
@click.option(
    "-o", "--output", required=True, type=click.Path(dir_okay=False), metavar="OUT.panel", help="The panel to write."
)
@click.option("-k", type=click.IntRange(1, 31), default=31, show_default=True, help="Length of the k-mers.")
@click.option(
    "--haplotypes",
    type=click.Choice(["record", "file"]),
    default="record",
    show_default=True,
    help="What is one haplotype: a record (adjacent contigs named SAMPLE#1#contig are one), or a file of many contigs.",
)
@click.option(
    "--min-count",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="For raw reads: drop k-mers that occur less often. All files are then one individual, or "
    "each is one with --haplotypes file.",
)
@click.option("--skip-short", is_flag=True, help="Pass over records shorter than k.")
@options.force
@options.threads
@options.quiet
def build(
    fasta: tuple[str, ...],
    output: str,
    k: int,
    haplotypes: str,
    min_count: int,
    skip_short: bool,
    force: bool,
    threads: int,
    quiet: bool,
) -> None:
    """Build a panel from FASTA or FASTQ files (gz, bz2, xz, zst; - is standard input)."""
    from genolstm.files import check_output

    check_output(output, force=force)
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from genolstm.sequences.panel.build import build_panel

    console = Console(stderr=True)
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.completed:,} bases"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=quiet or not console.is_terminal,
    ) as bar:
        task = bar.add_task("", total=None)
        built = build_panel(
            fasta,
            k=k,
            haplotypes=haplotypes,
            min_count=min_count,
            skip_short=skip_short,
            threads=threads,
            progress=lambda bases: bar.advance(task, bases),
        )
    built.save(output, force=force)
    if not quiet:
        click.echo(f"{built.n_kmers:,} {k}-mers of {built.n_haplotypes:,} haplotypes -> {output}", err=True)


@panel.command()
@click.argument("path", metavar="PANEL")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def info(path: str, as_json: bool) -> None:
    """Check a panel's checksum and print what it holds."""
    from genolstm.sequences.panel.panel import KmerPanel

    summary = KmerPanel.open(path).summary()
    if as_json:
        click.echo(json.dumps(summary, indent=2, sort_keys=True, ensure_ascii=False))
        return
    size = sum(summary["bytes"].values())
    click.echo(f"k\t{summary['k']}")
    click.echo(f"haplotypes\t{summary['n_haplotypes']}")
    click.echo(f"k-mers\t{summary['n_kmers']}")
    click.echo(f"strings\t{summary['n_strings']}")
    click.echo(f"minimum count\t{summary['min_count']}")
    click.echo(f"bytes per k-mer\t{size / summary['n_kmers']:.2f}")
    click.echo(f"names\t{_some(summary['names'])}")


def _some(names: list[str], most: int = 8) -> str:
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
