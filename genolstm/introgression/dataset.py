"""From labelled regions on disk to windows that the core can train on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genolstm.errors import InputError
from genolstm.files import PathLike
from genolstm.introgression.doors.vcf import VcfDoor
from genolstm.introgression.evaluate import Coverage, Pieces
from genolstm.introgression.formats import line_of, read_intervals
from genolstm.introgression.settings import TrackSettings

#: Files of a labelled region, as ``introgression simulate`` writes them.
REGION_FILES = ("region.vcf.gz", "target.txt", "outgroup.txt", "archaic.txt", "truth.bed")


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
        Archaic fraction of each bin, shape (haplotypes, bins), float32.
    """

    group: str
    tracks: np.ndarray
    truth: np.ndarray

    def pieces(self, posterior: np.ndarray, bin_size: int) -> Pieces:
        """Score posteriors of shape (haplotypes, bins) against the truth; loci are 1 Mb."""
        n, bins = posterior.shape
        locus = np.broadcast_to(np.arange(bins) * bin_size // 1_000_000, (n, bins)).ravel()
        true = (self.truth * bin_size).ravel().astype(float)
        return Pieces(
            posterior.ravel().astype(float),
            np.full(n * bins, float(bin_size)),
            true,
            locus.astype(np.int64),
            np.bincount(locus, true),
        )


def region_folders(paths: Iterable[PathLike]) -> list[Path]:
    """Return the folders that hold a labelled region: the paths themselves, or folders in them.

    Raises
    ------
    InputError
        A path holds no region, or a region lacks a file.
    """
    found: list[Path] = []
    for name in paths:
        path = Path(name)
        if not path.is_dir():
            raise InputError("no such folder", path=path)
        here = (
            [path]
            if (path / REGION_FILES[0]).exists()
            else sorted(child for child in path.iterdir() if (child / REGION_FILES[0]).exists())
        )
        if not here:
            raise InputError(
                f"holds no labelled region ({', '.join(REGION_FILES)})",
                path=path,
                hint="create one with: genolstm introgression simulate",
            )
        found += here
    for folder in found:
        for member in REGION_FILES:
            if not (folder / member).is_file():
                raise InputError(f"lacks {member}", path=folder)
    return found


def load_region(folder: Path, settings: TrackSettings) -> list[LabelledTracks]:
    """Read one labelled region through the VCF door.

    Raises
    ------
    InputError
        A file is invalid, or the truth names haplotypes or positions that the VCF lacks.
    """
    vcf, target, outgroup, archaic, bed = (folder / name for name in REGION_FILES)
    door = VcfDoor(vcf, target, outgroup, archaic)
    truth = [interval for interval, _ in read_intervals(bed)]
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
    coverage = Coverage(truth)
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
        covered = np.stack([coverage.of((chrom, s, h), starts, starts + settings.bin) for s, h in names])
        labelled.append(LabelledTracks(f"{folder.name}/{chrom}", tracks, (covered / settings.bin).astype(np.float32)))
    return labelled


def windows(regions: Sequence[LabelledTracks], steps: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cut regions into windows of ``steps`` bins; a shorter remainder is left out.

    Returns
    -------
    tracks, truth, group
        Shapes (windows, steps, channels) float16, (windows, steps, 1) float32, (windows,).

    Raises
    ------
    InputError
        Every region is shorter than one window.
    """
    x: list[np.ndarray] = []
    y: list[np.ndarray] = []
    group: list[str] = []
    for region in regions:
        n, bins = region.truth.shape
        count = bins // steps
        if not count:
            continue
        kept = slice(0, count * steps)
        x.append(region.tracks[:, kept].reshape(n * count, steps, -1))
        y.append(region.truth[:, kept].reshape(n * count, steps, 1))
        group += [region.group] * (n * count)
    if not x:
        longest = max((r.truth.shape[1] for r in regions), default=0)
        raise InputError(
            f"the longest region has {longest} bins, but a training window has {steps}",
            hint="simulate longer regions or use a smaller --window",
        )
    return np.concatenate(x), np.concatenate(y), np.array(group)
