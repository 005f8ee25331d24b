"""What a scan from Python returns: segments, posteriors, evidence, summary and figure."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from genolstm.errors import InputError, SettingError, shown
from genolstm.introgression.doors.blocks import Door, Totals
from genolstm.introgression.segments import Interval, Segment
from genolstm.introgression.settings import UNKNOWN_SOURCE, ScanSettings
from genolstm.introgression.summary import Piece, Summary, counted, summarise, summary_frame

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.axes import Axes

    from genolstm.files import PathLike
    from genolstm.introgression.likeness import Comparison
    from genolstm.introgression.model import IntrogressionClassifier
    from genolstm.introgression.threshold import Expected

#: Share that could be compared, below which a scan warns.
LITTLE = 0.5
#: Rows that a notebook shows.
_SHOWN = 10


def doubts(totals: Totals) -> list[str]:
    """Return a line if so little could be compared that few calls mean nothing."""
    share = totals.callable_share
    if share >= LITTLE:
        return []
    return [
        f"only {100 * share:.1f} % of what was scanned could be compared with the references; "
        "nothing is called in the rest"
    ]


def alone(door: Door) -> list[str]:
    """Return a line if nothing was compared with an archaic, so that no one takes the calls for its."""
    if door.sources():
        return []
    return [f"no archaic was given: what is found is of an {UNKNOWN_SOURCE} source, by its rare and shared variants"]


def summary_of(segments: Sequence[Segment], door: Door, sources: Sequence[str], totals: Totals) -> Summary:
    """Return how much of each haplotype, sample and population the segments of a scan are."""
    return summarise(
        (Piece(s.chrom, s.start, s.end, s.sample, s.haplotype, s.source) for s in segments),
        sources=sources,
        callable_bp={name: of_haplotype.callable_bp for name, of_haplotype in totals.haplotypes.items()},
        populations=door.populations(),
    )


@dataclass(frozen=True, repr=False, eq=False)
class IntrogressionResult:
    """The result of :meth:`genolstm.IntrogressionClassifier.scan`, or of its like for VCF.

    Posteriors and evidence take much more memory than segments (4 bytes for each source and bin of each haplotype;
    some 50 for each site). A scan keeps them only if it is told to (``posteriors=True``, ``evidence=True``).
    Otherwise the input is read and scanned a second time when they are first asked for, with the same outcome,
    which works with files, but not with pipes.

    Attributes
    ----------
    model
        The model that was used.
    door
        The input.
    settings
        As they were asked for.
    sources
        What the archaic sources are called, and ``unknown``.
    threshold
        Minimum posterior of the bins in a segment: the one given, or the one chosen on the data.
    expected
        Precision, recall and F1 of the called bins to be expected at this threshold if the posteriors are
        calibrated; None with a baseline, whose posteriors are not.
    totals
        How much was scanned, and how much of it could be compared.
    lengths
        Lengths of the sequences.
    warnings
        Lines on what needs attention.
    left_out
        Lines on what was read but not used.
    comparison
        How the data compare with those that the model was trained on.
    found
        The segments as tuples, sorted.
    """

    model: IntrogressionClassifier
    door: Door
    settings: ScanSettings
    sources: tuple[str, ...]
    threshold: float
    expected: Expected | None
    totals: Totals
    lengths: dict[str, int]
    warnings: list[str]
    left_out: list[str]
    comparison: Comparison
    found: Sequence[Segment]
    #: What was kept, at once or when it was asked for: posteriors, and sites of each segment.
    _kept: dict[str, pd.DataFrame] = field(default_factory=dict)
    _sites: dict[Interval, np.ndarray] = field(default_factory=dict)

    @cached_property
    def segments(self) -> pd.DataFrame:
        """The segments, with the columns of the BED output; positions are 0-based half-open."""
        from genolstm.introgression.formats import segments_frame

        return segments_frame(self.found, self.sources)

    @property
    def posteriors(self) -> pd.DataFrame:
        """The posterior of every bin of every haplotype, with the columns of the file, and how much is ``callable``.

        Unless they were kept (``posteriors=True``), this scans a second time when it is first asked for.

        Raises
        ------
        SettingError
            They were not kept, and the input cannot be read again.
        InputError
            It has changed since it was scanned.
        """
        if "posteriors" not in self._kept:
            again = self._again("posteriors that were not kept (posteriors=True)", posteriors=True)
            self._kept["posteriors"] = again.posteriors
        return self._kept["posteriors"]

    def evidence(self, *, weights: bool = False) -> pd.DataFrame:
        """Return every informative site of every segment, with the columns of the file.

        Unless the sites were kept (``evidence=True``), this scans a second time when it is first asked for.

        Parameters
        ----------
        weights
            Also weigh every site: by how much the network's log-odds of the segment fall without it. This reads
            the input once more.

        Raises
        ------
        SettingError
            The input must be read again and cannot be, or weights are asked of a baseline.
        InputError
            The input has changed since it was scanned.
        """
        from genolstm.introgression.evidence import evidence_frame
        from genolstm.introgression.weights import weigh

        if weights and self.settings.baseline is not None:
            raise SettingError("only the network weighs sites, not the baseline")
        if any(Interval(*segment[:5]) not in self._sites for segment in self.found):
            again = self._again("evidence that was not kept (evidence=True)", evidence=True)
            self._sites.update(again._sites)
        weighed = weigh(self.model, self.door, self.found, self._sites) if weights else None
        return evidence_frame(self.found, self.sources, self._sites, weighed)

    def _again(self, what: str, *, posteriors: bool = False, evidence: bool = False) -> IntrogressionResult:
        """Scan once more for what was not kept."""
        from genolstm.introgression.weights import reopened

        again = self.model.scan_door(reopened(self.door, what), self.settings, posteriors=posteriors, evidence=evidence)
        if again._outcome() != self._outcome():
            raise InputError("the input has changed since it was scanned", hint="scan it anew")
        return again

    def _outcome(self) -> tuple[Any, ...]:
        """Return what is the same whenever the same files are scanned."""
        return self.threshold, self.totals.bp, [(*s[:5], s.n_sites, s.n_match) for s in self.found]

    def summary(self) -> pd.DataFrame:
        """Return how much of each haplotype, sample and population is archaic, by source, as in the file."""
        return summary_frame(summary_of(self.found, self.door, self.sources, self.totals))

    def plot(
        self,
        *,
        chrom: str | None = None,
        posteriors: bool = False,
        truth: PathLike | pd.DataFrame | None = None,
        haplotypes: Sequence[tuple[str, str]] | None = None,
        ax: Axes | None = None,
    ) -> Axes:
        """Draw the segments of every haplotype of one sequence, one row per haplotype.

        Parameters
        ----------
        chrom
            Sequence to draw; may be left out if there is only one.
        posteriors
            Also draw the posterior of every bin (see :attr:`posteriors`).
        truth, haplotypes, ax
            As in :func:`genolstm.report.plots.plot_segments`.

        Raises
        ------
        SettingError
            There are several sequences and ``chrom`` is not given, or there is no such sequence.
        """
        from genolstm.report.plots import plot_segments

        if chrom is None and len(self.lengths) == 1:
            (chrom,) = self.lengths
        if chrom is not None and chrom not in self.lengths:
            raise SettingError(f"there is no {chrom}; there are {', '.join(sorted(self.lengths)[:5])}")
        return plot_segments(
            self.segments,
            truth=truth,
            posteriors=self.posteriors if posteriors else None,
            chrom=chrom,
            haplotypes=haplotypes,
            length=None if chrom is None else self.lengths[chrom],
            ax=ax,
        )

    def _facts(self) -> list[tuple[str, str]]:
        """Return what a person should know at a glance."""
        bundle, settings = self.model.bundle, self.settings
        with_segments = len({(s.sample, s.haplotype) for s in self.found})
        bp = sum(s.end - s.start for s in self.found)
        threshold = f"{self.threshold:.4g}"
        if self.expected is not None:
            threshold += f" (expected precision {self.expected.precision:.3f}, recall {self.expected.recall:.3f})"
        asked = {"fdr": settings.fdr, "min_length": settings.min_length or None}
        if settings.bridge != ScanSettings.bridge:
            asked["bridge"] = settings.bridge
        return [
            ("segments", f"{len(self.found):,}, {bp / 1e6:.2f} Mb"),
            ("haplotypes", f"{len(self.totals.haplotypes):,}, {with_segments:,} with segments"),
            ("scanned", f"{self.totals.bp / 1e6:.2f} Mb, {100 * self.totals.callable_share:.1f} % callable"),
            ("sources", ", ".join(self.sources)),
            ("model", f"{shown(bundle.name)} (sha256 {bundle.digest[:12]})"),
            *([("baseline", settings.baseline)] if settings.baseline is not None else []),
            ("threshold", threshold),
            *((name, str(value)) for name, value in asked.items() if value is not None),
            *([("warnings", counted(len(self.warnings), "line"))] if self.warnings else []),
        ]

    def __repr__(self) -> str:
        lines = "\n".join(f"  {name}: {value}" for name, value in self._facts())
        return f"<IntrogressionResult\n{lines}>"

    def _repr_html_(self) -> str:
        cells = "".join(
            f"<tr><th>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>" for name, value in self._facts()
        )
        notes = "".join(f"<p>warning: {html.escape(shown(line))}</p>" for line in self.warnings)
        n = len(self.found)
        more = f"<p>the first {_SHOWN} of {n:,} segments</p>" if n > _SHOWN else ""
        head = self.segments.head(_SHOWN).to_html(index=False)
        return f"<b>IntrogressionResult</b><table>{cells}</table>{notes}{more}{head}"
