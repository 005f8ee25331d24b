"""Samples of a VCF or BCF: tracks from virtual k-mers."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from genolstm.errors import InputError
from genolstm.files import PathLike
from genolstm.introgression.doors.blocks import Stages, TrackBlock, bounded_span
from genolstm.introgression.formats import near_names, read_bed
from genolstm.introgression.segments import merge_spans
from genolstm.introgression.settings import TrackSettings
from genolstm.introgression.tracks import n_bins, tracks_from_variants
from genolstm.introgression.variants.reader import VariantReader, read_sample_list

Names = PathLike | Sequence[str]
Mask = Mapping[str, Sequence[tuple[int, int]]]

#: Bases read before tracks are computed; affects memory use, not results.
SPAN = 2_000_000


@dataclass(frozen=True)
class VcfDoor:
    """The target samples of a VCF or BCF, which is read once.

    Parameters
    ----------
    vcf
        The file, or a reader of it that already names the samples.
    target, outgroup, archaic
        Sample names: a list, comma-separated text, or a file with one name per line.
    chrom
        The only chromosome to read; None reads all.
    allow_unphased
        Accept unphased heterozygous target genotypes in the order in which they are written.
    callable_mask, exclude_mask
        Regions to which counting is restricted, and regions that are not counted: a BED file, or
        (start, end) in bp per chromosome.
    span
        Most bases per block, rounded down to whole bins; fewer if the haplotypes are many.
    """

    vcf: PathLike | VariantReader
    target: Names = ()
    outgroup: Names = ()
    archaic: Names = ()
    chrom: str | None = None
    allow_unphased: bool = False
    callable_mask: PathLike | Mask | None = None
    exclude_mask: PathLike | Mask | None = None
    span: int = SPAN

    @cached_property
    def reader(self) -> VariantReader:
        """The open file, with counts of what was left out."""
        if isinstance(self.vcf, VariantReader):
            return self.vcf
        target, outgroup, archaic = (
            read_sample_list(group) if isinstance(group, str | os.PathLike) else group
            for group in (self.target, self.outgroup, self.archaic)
        )
        return VariantReader(self.vcf, target, outgroup, archaic, self.allow_unphased, self.chrom)

    def names(self) -> list[tuple[str, str]]:
        """Return (sample, haplotype) of the target."""
        return self.reader.names("target")

    def inputs(self) -> dict[str, PathLike]:
        """Return the files that are read, by their role."""
        roles = {
            "vcf": self.reader.path if isinstance(self.vcf, VariantReader) else self.vcf,
            "target": self.target,
            "outgroup": self.outgroup,
            "archaic": self.archaic,
            "callable": self.callable_mask,
            "exclude": self.exclude_mask,
        }
        paths = {role: value for role, value in roles.items() if isinstance(value, str | os.PathLike)}
        # Samples may be named by a file, or in the option itself.
        return {role: p for role, p in paths.items() if role in ("vcf", "callable", "exclude") or _exists(p)}

    def warnings(self) -> list[str]:
        """Return lines on what is likely wrong with the input."""
        return []

    def left_out(self) -> list[str]:
        """Return a line on how many records were left out, and why."""
        return [self.reader.counts.summary()]

    def tracks(
        self, settings: TrackSettings, *, threads: int = 1, stages: Stages | None = None
    ) -> Iterator[TrackBlock]:
        """Yield the tracks of all target haplotypes, in one thread.

        Raises
        ------
        InputError
            The file is invalid, or a mask names none of its chromosomes or runs past the end of one.
        """
        masks = [
            read_bed(mask) if isinstance(mask, str | os.PathLike) else mask
            for mask in (self.callable_mask, self.exclude_mask)
        ]
        return _tracks(self.reader, settings, *masks, span=self.span, stages=stages or Stages())


def _exists(path: PathLike) -> bool:
    try:
        return Path(path).exists()
    except (OSError, ValueError):  # a long list of names is no path
        return False


def _tracks(
    reader: VariantReader,
    settings: TrackSettings,
    callable_mask: Mask | None,
    exclude_mask: Mask | None,
    *,
    span: int,
    stages: Stages,
) -> Iterator[TrackBlock]:
    names = reader.names("target")
    size = settings.bin
    span = bounded_span(span, size, len(names))
    masks = [m for m in (callable_mask, exclude_mask) if m is not None]
    for mask in masks:
        if reader.contigs:
            _check_names(mask, reader.contigs)
    seen: set[str] = set()
    blocks = reader.blocks(span=span, overlap=settings.k + size)
    for block in stages.timed("read", blocks):
        with stages.time("tracks"):
            if block.chrom not in seen:
                seen.add(block.chrom)
                for mask in masks:
                    _check_end(mask, block.chrom, reader.lengths.get(block.chrom))
            first = block.start // size
            last = n_bins(block.end, size) if block.last else block.end // size
            length = block.length if block.length is not None else block.end + span
            # The k-mers of a bin begin and end up to k bp outside it.
            uncallable = _uncallable(
                block.chrom, first * size - settings.k, last * size + settings.k, callable_mask, exclude_mask
            )
            tracks = tracks_from_variants(
                block, first_bin=first, last_bin=last, length=length, settings=settings, uncallable=uncallable
            )
        yield TrackBlock(block.chrom, names, first, tracks, block.length, block.last)
    for mask in masks:
        _check_names(mask, seen)


def _check_names(mask: Mask, chroms: Collection[str]) -> None:
    for name, meant in near_names(mask, chroms):
        raise InputError(
            f"covers '{name}', and the VCF has '{meant}'",
            path=getattr(mask, "path", None),
            line=getattr(mask, "first_lines", {}).get(name),
            hint="chromosome names must agree",
        )
    if not set(chroms) & set(mask):
        raise InputError(
            f"the mask covers {', '.join(sorted(mask)[:3])}, the VCF {', '.join(sorted(chroms)[:3])}",
            path=getattr(mask, "path", None),
            hint="chromosome names must agree",
        )


def _check_end(mask: Mask, chrom: str, length: int | None) -> None:
    if length is not None and mask.get(chrom) and mask[chrom][-1][1] > length:
        raise InputError(
            f"reaches {chrom}:{mask[chrom][-1][1]}, beyond the end of {chrom} ({length} bp)",
            path=getattr(mask, "path", None),
            line=getattr(mask, "last_lines", {}).get(chrom),
        )


def _uncallable(
    chrom: str, start: int, end: int, callable_mask: Mask | None, exclude_mask: Mask | None
) -> list[tuple[int, int]]:
    """Return the sorted, disjoint stretches that overlap [start, end) and are masked."""
    spans: list[tuple[int, int]] = []
    if callable_mask is not None:
        at = 0
        for a, b in callable_mask.get(chrom, ()):
            if a > at:
                spans.append((at, a))
            at = b
        spans.append((at, max(end, at + 1)))
    if exclude_mask is not None:
        spans += exclude_mask.get(chrom, ())
    return merge_spans((a, b) for a, b in spans if b > start and a < end)
