"""``genolstm introgression plot``: a scan's files into a figure."""

from __future__ import annotations

from genolstm.errors import SettingError
from genolstm.files import PathLike
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
    """Draw a scan's files into a file.

    Parameters
    ----------
    segments, truth, posteriors
        Files; with ``posteriors``, haplotypes in which nothing was found have their row too.
    output
        Figure to write; ``.svg``, ``.png`` or ``.pdf``.
    chrom
        Sequence to draw; may be left out if there is only one.
    haplotype
        ``SAMPLE#HAPLOTYPE``: draw the posterior along this one.
    force
        Whether to replace an existing output.

    Raises
    ------
    SettingError
        The output is not a figure's name, or there is no such sequence or haplotype.
    """
    with saved_figure(output, force=force):
        if haplotype is None:
            plot_segments(segments, truth=truth, posteriors=posteriors, chrom=chrom)
            return
        if posteriors is None:
            raise SettingError("a haplotype's posterior needs posteriors")
        sample, _, number = haplotype.rpartition("#")
        plot_posterior(posteriors, sample=sample, haplotype=number, segments=segments, truth=truth, chrom=chrom)
