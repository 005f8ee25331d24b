"""The gates of the introgression model along one haplotype."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from genolstm.errors import InputError, SettingError
from genolstm.files import PathLike
from genolstm.introgression.doors.blocks import TrackBlock
from genolstm.introgression.doors.fasta import FastaDoor
from genolstm.introgression.doors.vcf import VcfDoor
from genolstm.introgression.model import IntrogressionClassifier, NetworkPredictor
from genolstm.lstm.gates import Gates, inspect_gates


@dataclass(frozen=True, eq=False)
class HaplotypeTrack:
    """What the network reads of one haplotype of one sequence.

    Attributes
    ----------
    tracks
        (bins, channels).
    length
        Of the sequence, in bp; ``None`` where no file says it.
    """

    chrom: str
    sample: str
    haplotype: str
    tracks: np.ndarray
    length: int | None

    @property
    def name(self) -> str:
        """SAMPLE#HAPLOTYPE#chrom."""
        return f"{self.sample}#{self.haplotype}#{self.chrom}"


def fasta_haplotypes(
    model: IntrogressionClassifier, query: PathLike | Sequence[PathLike], *, archaic: PathLike, outgroup: PathLike
) -> Iterator[TrackBlock]:
    """Yield the tracks of query FASTA; arguments as in ``IntrogressionClassifier.scan``."""
    paths = [query] if isinstance(query, str | os.PathLike) else list(query)
    return FastaDoor(paths, archaic, outgroup).tracks(model.settings, threads=model.threads)


def vcf_haplotypes(
    model: IntrogressionClassifier,
    vcf: PathLike,
    *,
    target: PathLike,
    outgroup: PathLike,
    archaic: PathLike,
    chrom: str | None = None,
) -> Iterator[TrackBlock]:
    """Yield the tracks of samples of a VCF; arguments as in ``scan_vcf``."""
    return VcfDoor(vcf, target, outgroup, archaic, chrom).tracks(model.settings)


def find_haplotype(
    blocks: Iterator[TrackBlock], haplotype: str | None = None, chrom: str | None = None
) -> HaplotypeTrack:
    """Return one haplotype's track.

    Parameters
    ----------
    blocks
        Of :func:`fasta_haplotypes` or :func:`vcf_haplotypes`.
    haplotype
        ``SAMPLE#HAPLOTYPE``; may be left out if there is only one.
    chrom
        Its sequence; may be left out if there is only one.

    Raises
    ------
    SettingError
        There is no such haplotype, or more than one fits.
    """
    parts: dict[tuple[str, str, str], list[np.ndarray]] = {}
    lengths: dict[str, int | None] = {}
    seen: set[str] = set()
    for block in blocks:
        lengths[block.chrom] = block.length
        for row, (sample, number) in enumerate(block.haplotypes):
            seen.add(f"{sample}#{number}")
            if haplotype in (None, f"{sample}#{number}") and chrom in (None, block.chrom):
                parts.setdefault((block.chrom, sample, number), []).append(block.tracks[row])
    if not parts:
        if haplotype is not None and haplotype not in seen:
            raise SettingError(f"there is no haplotype {haplotype}", hint=f"there are {_some(sorted(seen))}")
        raise SettingError(f"there is no {chrom}", hint=f"there are {_some(sorted(lengths))}")
    if len(parts) > 1:
        names = [f"{sample}#{number} of {where}" for where, sample, number in parts]
        raise SettingError(f"{len(parts)} haplotypes fit: {_some(names)}", hint="name one, and its sequence")
    (where, sample, number), arrays = next(iter(parts.items()))
    return HaplotypeTrack(where, sample, number, np.concatenate(arrays), lengths[where])


def haplotype_gates(
    model: IntrogressionClassifier, track: HaplotypeTrack, *, region: tuple[int, int] | None = None, **options: Any
) -> Gates:
    """Return the gates along a stretch of a haplotype.

    Parameters
    ----------
    region
        Start and end in bp, 0-based half-open; whole bins are shown, and what lies around them
        is read as context.
    **options
        ``layer``, ``direction``, ``units``, ``top`` of :func:`genolstm.lstm.gates.inspect_gates`.

    Raises
    ------
    InputError
        The region lies outside of the sequence.
    """
    size, n = model.settings.bin, len(track.tracks)
    first, last = 0, n
    if region is not None:
        start, end = region
        if not 0 <= start < end:
            raise SettingError(f"the region {start}-{end} is empty")
        if start >= n * size:
            raise InputError(
                f"the region {start}-{end} lies beyond the end of the sequence ({track.length or n * size} bp)",
                record=track.name,
            )
        first, last = start // size, min(n, -(-end // size))
    low, high = max(0, first - model.bundle.context), min(n, last + model.bundle.context)
    starts = np.arange(low, high) * size
    ends = starts + size
    if track.length is not None:
        ends = np.minimum(ends, track.length)
    return inspect_gates(
        model.bundle,
        track.tracks[low:high],
        name=track.name,
        starts=starts,
        ends=ends,
        shown=slice(first - low, last - low),
        **options,
    )


def haplotype_posterior(model: IntrogressionClassifier, track: HaplotypeTrack) -> np.ndarray:
    """Return the posterior of every bin of a haplotype, (bins,)."""
    predictor = model.predictor()
    assert isinstance(predictor, NetworkPredictor)
    return np.concatenate(list(predictor.stream([track.tracks[None]])), axis=1)[0]


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
