"""``genolstm introgression plot``: draw a scan's files as a figure."""

from __future__ import annotations

from genolstm.errors import SettingError
from genolstm.files import PathLike, check_paths
from genolstm.report.plots import plot_posterior, plot_segments
from genolstm.report.style import saved_figure


def run(
    segments: PathLike,
    output: PathLike,
    *,
    truth: PathLike | None = None,
    chrom: str | None = None,
    posteriors: PathLike | None = None,
    haplotype: str | None = None,
    force: bool = False,
) -> None:
    """Draw a scan's files as a figure.

    Parameters
    ----------
    segments, truth, posteriors
        Input files; with ``posteriors``, haplotypes without segments get a row too.
    output
        Figure to write; ``.svg``, ``.png`` or ``.pdf``.
    chrom
        Sequence to draw; may be left out if there is only one.
    haplotype
        ``SAMPLE#HAPLOTYPE`` whose posterior to draw; None draws the segments of all.
    force
        Whether to replace an existing output.

    Raises
    ------
    SettingError
        The output does not have a figure's suffix, or there is no such sequence or haplotype.
    """
    check_paths([segments, truth, posteriors], [output], force=force)
    with saved_figure(output, force=force):
        if haplotype is None:
            plot_segments(segments, truth=truth, posteriors=posteriors, chrom=chrom)
            return
        if posteriors is None:
            raise SettingError("a haplotype needs posteriors to draw")
        sample, _, number = haplotype.rpartition("#")
        plot_posterior(posteriors, sample=sample, haplotype=number, segments=segments, truth=truth, chrom=chrom)
