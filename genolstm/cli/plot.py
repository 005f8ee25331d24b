"""``genolstm introgression plot``: draw what a scan found."""

from __future__ import annotations

from pathlib import Path

import click

from genolstm.cli import options


@click.command(cls=options.Command)
@click.argument("segments", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="Figure to write (.svg, .png or .pdf)."
)
@click.option("--truth", type=click.Path(path_type=Path), help="BED of known tracts to draw as well.")
@click.option("--chrom", help="Sequence to draw (default: the only one).")
@click.option("--posteriors", type=click.Path(path_type=Path), help="Posteriors of the same scan.")
@click.option(
    "--haplotype", metavar="SAMPLE#HAPLOTYPE", help="Draw the posterior along this haplotype; needs --posteriors."
)
@options.force
def plot(
    segments: Path,
    output: Path,
    truth: Path | None,
    chrom: str | None,
    posteriors: Path | None,
    haplotype: str | None,
    force: bool,
) -> None:
    """Draw SEGMENTS: every haplotype of one sequence, or the posterior along one of them.

    With --posteriors, haplotypes without segments get a row too. Needs the extra `plot`.
    """
    if haplotype is not None and posteriors is None:
        raise click.UsageError("--haplotype needs --posteriors")
    from genolstm.runs.plot import run

    run(segments, output, truth=truth, chrom=chrom, posteriors=posteriors, haplotype=haplotype, force=force)
