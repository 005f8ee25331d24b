"""``genolstm introgression report``: draw what a scan found as one page."""

from __future__ import annotations

from pathlib import Path

import click

from genolstm.cli import options

_path = click.Path(path_type=Path)


@click.command(cls=options.Command)
@click.argument("segments", type=_path)
@click.option("-o", "--output", required=True, type=_path, help="Page to write (.html).")
@click.option("--posteriors", type=_path, help="Posteriors of the same scan.")
@click.option(
    "--samples", type=_path, help="Table of samples with columns sample, pop and super_pop, to count by population."
)
@click.option("--truth", type=_path, help="BED of known tracts to compare with.")
@click.option(
    "--manifest", type=_path, show_default="the .json beside SEGMENTS, if it is there", help="Manifest of the scan."
)
@click.option("--evidence", type=_path, help="Sites of the segments of the same scan, to show those of the first ones.")
@options.force
@options.quiet
def report(
    segments: Path,
    output: Path,
    posteriors: Path | None,
    samples: Path | None,
    truth: Path | None,
    manifest: Path | None,
    evidence: Path | None,
    force: bool,
    quiet: bool,
) -> None:
    """Draw SEGMENTS, the BED file of a scan, as one HTML page.

    It needs no network. Haplotypes without segments are known only from --posteriors or the manifest. Needs
    the extra `report`.
    """
    from genolstm.runs.report import run

    said = run(
        segments,
        output,
        posteriors=posteriors,
        samples=samples,
        truth=truth,
        manifest=manifest,
        evidence=evidence,
        force=force,
    )
    options.tell(said, quiet=quiet)
