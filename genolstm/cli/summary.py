"""``genolstm introgression summary``: how much of each haplotype, sample and population is archaic."""

from __future__ import annotations

from pathlib import Path

import click

from genolstm.cli import options

_path = click.Path(path_type=Path)
_path_or_stdout = click.Path(path_type=Path, allow_dash=True)


@click.command("summary", cls=options.Command)
@click.argument("segments", type=_path_or_stdout)
@click.option(
    "--samples", type=_path_or_stdout, help="Table of samples with columns sample, pop and super_pop, for populations."
)
@click.option(
    "--manifest",
    type=_path,
    multiple=True,
    show_default="the one beside SEGMENTS",
    help="Manifest of the scan, which tells how much of each haplotype is callable; may be repeated for the scans of "
    "all parts.",
)
@click.option(
    "-o",
    "--output",
    type=_path_or_stdout,
    default="-",
    show_default="standard output",
    help="Table to write (.tsv or .tsv.gz).",
)
@click.option("--multiqc", type=_path, help="Also write what was found in each sample for MultiQC (_mqc.json).")
@options.force
@options.quiet
def summarise(
    segments: Path,
    samples: Path | None,
    manifest: tuple[Path, ...],
    output: Path,
    multiqc: Path | None,
    force: bool,
    quiet: bool,
) -> None:
    """Count SEGMENTS (BED) by haplotype, sample, population and source.

    The table is that of `scan --summary`, for instance of what `gather` joined. Shares of what is callable need
    the manifests of all scans; without any, they are NA.
    """
    from genolstm.runs.summary import run

    said = run(segments, samples=samples, manifest=manifest, output=output, multiqc=multiqc, force=force)
    options.tell(said, quiet=quiet)
