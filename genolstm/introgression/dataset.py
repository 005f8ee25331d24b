"""From labelled regions on disk to windows that the core can train on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genolstm.errors import InputError, SettingError
from genolstm.files import read_lines
from genolstm.introgression.channels import CLASSES, SLOTS
from genolstm.introgression.doors.vcf import VcfDoor
from genolstm.introgression.evaluate import Coverage, Pieces
from genolstm.introgression.formats import line_of, read_numbered_intervals
from genolstm.introgression.regions import REGION_FILES
from genolstm.introgression.segments import Interval
from genolstm.introgression.settings import UNNAMED, TrackSettings, check_source
from genolstm.introgression.tracks import choose_sources

#: How often an archaic that a region has is at hand for a haplotype in training.
KEPT_ARCHAICS = 0.75


@dataclass(frozen=True)
class LabelledTracks:
    """Tracks of one chromosome of one region, with the truth.

    Attributes
    ----------
    group
        Region and chromosome; training and validation never share a group.
    tracks
        Shape (haplotypes, bins, channels), float16.
    truth
        Share of each bin that is of each archaic source compared with, and of any other archaic, shape
        (haplotypes, bins, sources + 1), float32.
    """

    group: str
    tracks: np.ndarray
    truth: np.ndarray

    @property
    def archaic(self) -> np.ndarray:
        """Archaic share of each bin, shape (haplotypes, bins)."""
        total: np.ndarray = np.minimum(self.truth.sum(axis=2), 1.0)
        return total

    def classes(self) -> np.ndarray:
        """Return the share of each bin that is of each class of a model, shape (haplotypes, bins, classes)."""
        n_sources = self.truth.shape[2] - 1
        shares = np.zeros((*self.truth.shape[:2], len(CLASSES)), np.float32)
        shares[:, :, 1 : 1 + n_sources] = self.truth[:, :, :n_sources]
        shares[:, :, -1] = self.truth[:, :, n_sources]
        shares[:, :, 1:] /= np.maximum(shares[:, :, 1:].sum(axis=2, keepdims=True), 1.0)
        shares[:, :, 0] = 1 - shares[:, :, 1:].sum(axis=2)
        return shares

    def pieces(self, posterior: np.ndarray, bin_size: int) -> Pieces:
        """Score posteriors of an archaic, of shape (haplotypes, bins), against the truth; loci are 1 Mb."""
        n, bins = posterior.shape
        locus = np.broadcast_to(np.arange(bins) * bin_size // 1_000_000, (n, bins)).ravel()
        true = (self.archaic * bin_size).ravel().astype(float)
        return Pieces(
            posterior.ravel().astype(float),
            np.full(n * bins, float(bin_size)),
            true,
            locus.astype(np.int64),
            np.bincount(locus, true),
        )


def load_region(folder: Path, settings: TrackSettings) -> list[LabelledTracks]:
    """Read one labelled region through the VCF door.

    Raises
    ------
    InputError
        A file is invalid, or the truth names haplotypes or positions that the VCF lacks.
    """
    vcf, target, outgroup, archaic, bed = (folder / name for name in REGION_FILES)
    sources = read_sources(archaic)
    door = VcfDoor(vcf, target, outgroup, sources)
    named = [(entry.interval, entry.source) for entry in read_numbered_intervals(bed)]
    truth = [interval for interval, _ in named]
    names = door.names()
    for tract in truth:
        if (tract.sample, tract.haplotype) not in names:
            raise InputError(
                f"names haplotype {tract.haplotype} of {tract.sample}, which is not a target sample",
                path=bed,
                line=line_of(bed, tract),
            )
        length = door.reader.lengths.get(tract.chrom)
        if length is not None and tract.end > length:
            raise InputError(
                f"reaches {tract.chrom}:{tract.end}, beyond the end of {tract.chrom} ({length} bp)",
                path=bed,
                line=line_of(bed, tract),
            )
    coverages = _coverages(named, list(sources))
    parts: dict[str, list[np.ndarray]] = {}
    first_bin: dict[str, int] = {}
    for block in door.tracks(settings):
        first_bin.setdefault(block.chrom, block.first_bin)
        parts.setdefault(block.chrom, []).append(block.tracks.astype(np.float16))
    absent = {t.chrom for t in truth} - set(parts)
    if absent:
        raise InputError(
            f"is on {', '.join(sorted(absent))}, the VCF on {', '.join(sorted(parts))}",
            path=bed,
            hint="chromosome names must agree",
        )
    labelled: list[LabelledTracks] = []
    for chrom, pieces in parts.items():
        tracks = np.concatenate(pieces, axis=1)
        starts = (np.arange(tracks.shape[1]) + first_bin[chrom]) * settings.bin
        covered = np.stack(
            [[coverage.of((chrom, s, h), starts, starts + settings.bin) for coverage in coverages] for s, h in names]
        )
        shares = (np.moveaxis(covered, 1, 2) / settings.bin).astype(np.float32)
        labelled.append(LabelledTracks(f"{folder.name}/{chrom}", tracks, shares))
    return labelled


def read_sources(path: Path) -> dict[str, list[str]]:
    """Return the samples of each archaic source: one sample per line, and its source after a tab if there are several.

    Raises
    ------
    InputError
        Some lines name a source and others do not, or there are more than a model compares with at a time.
    """
    found: dict[str, list[str]] = {}
    for number, line in read_lines(path):
        sample, _, source = line.strip().partition("\t")
        if not sample:
            continue
        name = source.strip() or UNNAMED
        try:
            check_source(name)
        except SettingError as error:
            raise InputError(error.reason, path=path, line=number, hint=error.hint) from error
        found.setdefault(name, []).append(sample)
        if (UNNAMED in found and len(found) > 1) or len(found) > len(SLOTS):
            raise InputError(
                f"names the sources {', '.join(found)}; a model learns from one or {len(SLOTS)}", path=path, line=number
            )
    return found


def _coverages(truth: Sequence[tuple[Interval, str]], sources: Sequence[str]) -> list[Coverage]:
    """Return the coverage by tracts of each source, and by those of others; of one unnamed source are all."""
    members: list[list[Interval]] = [[] for _ in range(len(sources) + 1)]
    for tract, name in truth:
        place = 0 if list(sources) == [UNNAMED] else sources.index(name) if name in sources else len(sources)
        members[place].append(tract)
    return [Coverage(tracts) for tracts in members]


def with_fewer_archaics(region: LabelledTracks, random: np.random.Generator) -> LabelledTracks:
    """Return a region as if some of its archaics were not at hand, or had been named in another order.

    Of a source that is left out, nothing remains but its tracts, which then are of an archaic unlike those
    that are given. Each haplotype draws for itself, so that one model learns to do with what there is.
    """
    tracks, truth = region.tracks.copy(), region.truth
    n, n_sources = len(tracks), truth.shape[2] - 1
    shares = np.zeros((*truth.shape[:2], len(SLOTS) + 1), np.float32)
    shares[:, :, -1] = truth[:, :, -1]
    for row in range(n):
        given = [source for source in range(n_sources) if random.random() < KEPT_ARCHAICS]
        random.shuffle(given)
        shares[row, :, -1] += truth[row][:, [s for s in range(n_sources) if s not in given]].sum(axis=1)
        for slot, source in enumerate(given):
            shares[row, :, slot] = truth[row, :, source]
        choose_sources(tracks[row], given)
    return LabelledTracks(region.group, tracks, shares)


def windows(regions: Sequence[LabelledTracks], steps: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cut regions into windows of ``steps`` bins; a shorter remainder is left out.

    Returns
    -------
    tracks, truth, group
        Shapes (windows, steps, channels) float16, (windows, steps, classes) float32, (windows,).

    Raises
    ------
    InputError
        Every region is shorter than one window.
    """
    x: list[np.ndarray] = []
    y: list[np.ndarray] = []
    group: list[str] = []
    for region in regions:
        n, bins = region.truth.shape[:2]
        count = bins // steps
        if not count:
            continue
        kept = slice(0, count * steps)
        x.append(region.tracks[:, kept].reshape(n * count, steps, -1))
        y.append(region.classes()[:, kept].reshape(n * count, steps, -1))
        group += [region.group] * (n * count)
    if not x:
        longest = max((r.truth.shape[1] for r in regions), default=0)
        raise InputError(
            f"the longest region has {longest} bins, but a training window has {steps}",
            hint="simulate longer regions or use a smaller --window",
        )
    return np.concatenate(x), np.concatenate(y), np.array(group)
