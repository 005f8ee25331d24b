"""How much a site weighs: what the network says of its segment with the site and without it.

This is occlusion, not a sum that adds up: what a site's k-mers add to the counts is taken away, all else
stays, and the network reads the segment and its surroundings again. Sites that say the same thing can each
weigh little, as the others stand in for it; and where k-mers cover several variants, taking one away is an
approximation.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from genolstm.errors import SettingError
from genolstm.files import is_regular
from genolstm.introgression.channels import FREQUENCY_EDGES, N_COUNTS, SLOTS
from genolstm.introgression.doors.blocks import Door, TrackBlock, posterior_blocks, readings
from genolstm.introgression.segments import Interval, Segment
from genolstm.introgression.settings import DecodeSettings, TrackSettings
from genolstm.introgression.sites import CARRIES
from genolstm.introgression.tracks import CELL_OF

if TYPE_CHECKING:
    from genolstm.introgression.model import IntrogressionClassifier

#: Bins on either side of a segment that the network reads along with it.
CONTEXT = 200
#: Bins, over all sites, that are read at once.
_CELLS = 40_000
_LEAST = 1e-6


def check_weighable(door: Door, what: str = "weights") -> None:
    """Refuse an input that cannot be read twice, as ``what`` needs it.

    Raises
    ------
    SettingError
        It is a pipe, or has been opened before.
    """
    paths = door.inputs().values()
    opened = [getattr(door, name, ()) for name in ("vcf", "archaic_vcf", "outgroup_vcf")]
    if (
        not dataclasses.is_dataclass(door)
        or not paths
        or not all(is_regular(path) or Path(path).is_dir() for path in paths)  # a VCF Zarr store is a folder
        or not all(map(_are_paths, opened))
    ):
        raise SettingError(f"{what} read the input a second time, and a pipe can be read once", hint="give files")


def reopened(door: Door, what: str = "weights") -> Door:
    """Return an input that can be read from its start once more.

    Raises
    ------
    SettingError
        It is a pipe, or has been opened before.
    """
    check_weighable(door, what)
    again: Any = dataclasses.replace(door)  # type: ignore[type-var]
    found: Door = again
    return found


def _are_paths(given: object) -> bool:
    """Return whether files are given by their paths, and none is open already."""
    if isinstance(given, Mapping):
        return all(map(_are_paths, given.values()))
    if isinstance(given, list | tuple):
        return all(map(_are_paths, given))
    return isinstance(given, str | os.PathLike)


def weigh(
    model: IntrogressionClassifier, door: Door, segments: Sequence[Segment], evidence: Mapping[Interval, np.ndarray]
) -> dict[Interval, np.ndarray]:
    """Return the weight of every site of every segment.

    It is the mean log-odds of the segment's bins with the site, less that without it: positive if the site
    speaks for an archaic.

    Parameters
    ----------
    door
        The input of the scan; it is opened and read anew.
    segments, evidence
        What the scan found, and the sites of each segment, as
        :attr:`~genolstm.introgression.segments.SegmentDecoder.evidence` has them.
    """
    again = reopened(door)
    size, n_sources = model.settings.bin, len(door.sources())
    waiting: dict[str, list[_Cut]] = {}
    for segment in segments:
        key = Interval(*segment[:5])
        waiting.setdefault(segment.chrom, []).append(_Cut.of(key, size))
    found: dict[Interval, np.ndarray] = {}
    for block in again.tracks(model.settings, threads=model.threads):
        of_row = {(sample, haplotype): row for row, (sample, haplotype) in enumerate(block.haplotypes)}
        left = []
        for cut in waiting.get(block.chrom, []):
            row = of_row.get((cut.key.sample, cut.key.haplotype))
            if row is None or not cut.take(block, row):
                left.append(cut)
                continue
            found[cut.key] = _weights(model, cut, evidence[cut.key], n_sources)
        waiting[block.chrom] = left
    return found


@dataclasses.dataclass
class _Cut:
    """The tracks of one haplotype around a segment: bins [low, high), of which [first, last) are the segment's."""

    key: Interval
    low: int
    first: int
    last: int
    high: int
    parts: list[np.ndarray] = dataclasses.field(default_factory=list)
    begin: int = -1

    @classmethod
    def of(cls, key: Interval, size: int) -> _Cut:
        first = round(key.start / size)
        last = max(round(key.end / size), first + 1)
        return cls(key, max(first - CONTEXT, 0), first, last, last + CONTEXT)

    def take(self, block: TrackBlock, row: int) -> bool:
        """Take what the block has; return whether nothing more will come."""
        n = block.tracks.shape[1]
        begin, end = max(self.low - block.first_bin, 0), min(self.high - block.first_bin, n)
        if begin >= end:
            return False
        if begin + block.first_bin != self.begin + sum(part.shape[1] for part in self.parts):
            # Another region begins, and what came before it does not touch it.
            self.parts, self.begin = [], begin + block.first_bin
        self.parts.append(block.tracks[row :: len(block.haplotypes), begin:end].copy())
        # The last block may be that of a region before the segment's.
        return end + block.first_bin >= (self.last if block.last else self.high)


def _weights(model: IntrogressionClassifier, cut: _Cut, sites: np.ndarray, n_sources: int) -> np.ndarray:
    tracks = np.concatenate(cut.parts, axis=1)  # (readings, bins, channels)
    inside = slice(max(cut.first - cut.begin, 0), min(cut.last - cut.begin, tracks.shape[1]))
    step = max(_CELLS // tracks.shape[1], 1)
    whole = _log_odds(model, tracks[None], cut, inside, n_sources)[0]
    parts = [np.empty(0)]
    for at in range(0, len(sites), step):
        some = [without(tracks, site, cut.begin, model.settings, n_sources) for site in sites[at : at + step]]
        parts.append(whole - _log_odds(model, np.stack(some), cut, inside, n_sources))
    return np.concatenate(parts)


def without(tracks: np.ndarray, site: np.void, first_bin: int, settings: TrackSettings, n_sources: int) -> np.ndarray:
    """Return tracks of one haplotype without what the k-mers of a site add; shape (readings, bins, channels)."""
    k, size = settings.k, settings.bin
    frequency = int(site["seen"]) / int(site["called"])
    cell = int(CELL_OF[np.searchsorted(FREQUENCY_EDGES, frequency, side="left"), int(site["shared"] > 0)])
    starts = np.arange(int(site["position"]) - k + 1, int(site["position"]) + 1)
    bins = (starts[starts >= 0] + k // 2) // size - first_bin
    counts = np.bincount(bins[(bins >= 0) & (bins < tracks.shape[1])], minlength=tracks.shape[1]) / k
    carries = (site["archaic"] & CARRIES) > 0
    found = tracks.copy()
    for reading, slots in enumerate(readings(n_sources)):
        held = [bool(carries[list(slot)].any()) for slot in slots] + [False] * (len(SLOTS) - len(slots))
        for part, is_in in enumerate((True, held[0], held[1], held[0] and held[1])):
            if is_in:
                found[reading, :, cell + part] -= counts
    np.maximum(found[..., :N_COUNTS], 0, out=found[..., :N_COUNTS])
    return found


def _log_odds(
    model: IntrogressionClassifier, tracks: np.ndarray, cut: _Cut, inside: slice, n_sources: int
) -> np.ndarray:
    """Return the mean log-odds of the segment's bins; tracks have shape (cases, readings, bins, channels)."""
    cases, n_readings, bins, channels = tracks.shape
    stacked = tracks.transpose(1, 0, 2, 3).reshape(n_readings * cases, bins, channels)
    names = [("", str(case)) for case in range(cases)]
    sources = tuple(str(i) for i in range(n_sources))
    block = TrackBlock(cut.key.chrom, names, cut.begin, stacked, None, True, sources=sources)
    blocks: Iterator[TrackBlock] = iter([block])
    stride = model.bundle.config.stride if model.bundle.config is not None else 1
    posterior = np.concatenate(
        [
            part.posterior
            for part in posterior_blocks(
                blocks,
                model.predictor(n_sources=n_sources),
                bridge=DecodeSettings.bridge // model.settings.bin,
                prior=model.prior,
                stride=stride,
            )
        ],
        axis=1,
    )[:, inside]
    posterior = np.clip(posterior.astype(np.float64), _LEAST, 1 - _LEAST)
    odds: np.ndarray = np.log(posterior / (1 - posterior)).mean(axis=1)
    return odds
