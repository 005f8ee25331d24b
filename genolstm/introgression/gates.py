"""The gates of the introgression model along one haplotype."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from genolstm.errors import InputError, SettingError
from genolstm.introgression.doors.blocks import TrackBlock
from genolstm.introgression.model import IntrogressionClassifier, NetworkPredictor
from genolstm.lstm.gates import Gates, inspect_gates


@dataclass(frozen=True, eq=False)
class HaplotypeTrack:
    """The network's input for one haplotype of one sequence.

    Attributes
    ----------
    tracks
        (bins, channels).
    length
        Length of the sequence in bp; ``None`` if no file states it.
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


def find_haplotype(
    blocks: Iterator[TrackBlock], haplotype: str | None = None, chrom: str | None = None
) -> HaplotypeTrack:
    """Return one haplotype's track.

    Parameters
    ----------
    blocks
        Tracks, as a door yields them.
    haplotype
        ``SAMPLE#HAPLOTYPE``; may be left out if there is only one.
    chrom
        Sequence of the haplotype; may be left out if there is only one.

    Raises
    ------
    SettingError
        No haplotype matches, or more than one does.
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
            raise SettingError(f"there is no haplotype {haplotype}", hint=f"known: {_some(sorted(seen))}")
        raise SettingError(f"there is no sequence {chrom}", hint=f"known: {_some(sorted(lengths))}")
    if len(parts) > 1:
        names = [f"{sample}#{number} of {where}" for where, sample, number in parts]
        raise SettingError(f"{len(parts)} haplotypes match: {_some(names)}", hint="name one, and its sequence")
    (where, sample, number), arrays = next(iter(parts.items()))
    return HaplotypeTrack(where, sample, number, np.concatenate(arrays), lengths[where])


def haplotype_gates(
    model: IntrogressionClassifier, track: HaplotypeTrack, *, region: tuple[int, int] | None = None, **options: Any
) -> Gates:
    """Return the gates along a stretch of a haplotype.

    Parameters
    ----------
    region
        Start and end in bp, 0-based half-open; whole steps are shown, each of as many bins as the network
        reads at a time, and their surroundings are read as context.
    **options
        ``layer``, ``direction``, ``units``, ``top`` of :func:`genolstm.lstm.gates.inspect_gates`.

    Raises
    ------
    SettingError
        The region is empty.
    InputError
        The region begins beyond the end of the sequence.
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
    if model.bundle.config is not None:
        low -= low % model.bundle.config.stride  # the bins that a step reads together are counted from the first
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


def step_posteriors(model: IntrogressionClassifier, track: HaplotypeTrack, gates: Gates) -> np.ndarray:
    """Return the posterior of archaic ancestry at each step of gates, (steps,): the mean of the bins that it reads."""
    size = model.settings.bin
    firsts, lasts = gates.starts // size, -(-gates.ends // size)
    of_bins = haplotype_posterior(model, track)
    return np.array([of_bins[a:b].mean() for a, b in zip(firsts.tolist(), lasts.tolist(), strict=True)])


def haplotype_posterior(model: IntrogressionClassifier, track: HaplotypeTrack) -> np.ndarray:
    """Return the posterior of archaic ancestry of every bin of a haplotype, (bins,)."""
    predictor = model.predictor()
    assert isinstance(predictor, NetworkPredictor)
    modern = np.concatenate(list(predictor.stream([track.tracks[None]])), axis=1)[0, :, 0]
    posterior: np.ndarray = 1 - modern
    return posterior


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
