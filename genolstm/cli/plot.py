"""``genolstm introgression plot``: draw what a scan found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from genolstm.cli import options

_path = click.Path(path_type=Path)


@click.command(cls=options.Command)
@click.argument("segments", type=_path)
@click.option("-o", "--output", required=True, type=_path, help="Figure to write (.svg, .png or .pdf).")
@click.option(
    "--view",
    type=click.Choice(["rows", "frequency", "clusters", "genome"]),
    default="rows",
    show_default=True,
    help="What to draw: each haplotype of a sequence; how frequent segments are along it; haplotypes, those side by "
    "side that share most; how frequent segments are along all sequences.",
)
@click.option("--truth", type=_path, help="With rows: BED of known tracts to draw as well.")
@click.option("--chrom", help="Sequence to draw (default: the only one).")
@click.option(
    "--posteriors", type=_path, help="Posteriors of the same scan; they name haplotypes without segments, too."
)
@click.option(
    "--haplotype", metavar="SAMPLE#HAPLOTYPE", help="Draw the posterior along this haplotype; needs --posteriors."
)
@click.option(
    "--samples",
    type=_path,
    help="Table of samples with columns sample, pop and super_pop: each population is drawn by itself.",
)
@click.option(
    "--population",
    multiple=True,
    metavar="NAME",
    show_default="all in column pop",
    help="Draw this population of --samples; may be repeated.",
)
@click.option(
    "--manifest",
    type=_path,
    multiple=True,
    show_default="the one beside SEGMENTS",
    help="Manifest of the scan, which names haplotypes without segments; may be repeated for the scans of all parts.",
)
@click.option(
    "--genome",
    type=_path,
    help="Lengths of the sequences (.fai, chrom.sizes, or the header of a VCF); by default they end with the last "
    "segment or posterior.",
)
@options.force
@options.quiet
def plot(
    segments: Path, output: Path, haplotype: str | None, posteriors: Path | None, quiet: bool, **rest: Any
) -> None:
    """Draw SEGMENTS: haplotypes, populations, or a whole genome.

    By default every haplotype of a sequence; with --posteriors and --haplotype also the posterior along one.
    Needs the extra `plot`.
    """
    if haplotype is not None and posteriors is None:
        raise click.UsageError("--haplotype needs --posteriors")
    if rest["population"] and rest["samples"] is None:
        raise click.UsageError("--population needs --samples")
    from genolstm.runs.plot import run

    options.tell(run(segments, output, haplotype=haplotype, posteriors=posteriors, **rest), quiet=quiet)
