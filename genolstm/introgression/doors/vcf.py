"""Samples of VCF, BCF or VCF Zarr: tracks from virtual k-mers."""

from __future__ import annotations

import os
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from functools import cached_property
from typing import Any, NamedTuple, cast

import numpy as np

from genolstm.errors import InputError, SettingError
from genolstm.files import PathLike, display_name, is_input
from genolstm.introgression.doors.blocks import SPAN, Stages, TrackBlock, bounded_span, readings
from genolstm.introgression.formats import near_names, read_bed
from genolstm.introgression.segments import merge_spans
from genolstm.introgression.settings import EMPTY, UNNAMED, VARIANTS, TrackSettings, VariantSettings, check_source
from genolstm.introgression.sites import sites_of_variants
from genolstm.introgression.tracks import Presence, n_bins, tracks_from_variants
from genolstm.introgression.variants.block import Source, Stretch, VariantBlock
from genolstm.introgression.variants.frequencies import FrequencySource
from genolstm.introgression.variants.join import VariantReader, opened
from genolstm.introgression.variants.people import Populations, chosen_samples, read_populations
from genolstm.introgression.variants.regions import whole_bins

Names = PathLike | Sequence[str]
Mask = Mapping[str, Sequence[tuple[int, int]]]
Masks = PathLike | Mask | Sequence[PathLike | Mask] | None
Paths = PathLike | Sequence[PathLike]
Files = PathLike | Source | Sequence[PathLike | Source]
Region = tuple[str | None, int, int | None]


@dataclass(frozen=True)
class VcfDoor:
    """The target samples of one or several files of genotypes, which are read once.

    Parameters
    ----------
    vcf
        VCF, BCF or VCF Zarr: one file, or several that hold different chromosomes, different samples,
        or both; or a reader that already names the samples.
    target, outgroup, archaic
        Names of samples or populations: a list, comma-separated text, or a file with one name per
        line. The outgroup and the archaic are looked for in files of their own, if there are any, and
        then are all samples of these if none is named. Several archaic sources are given by their
        names: ``{"neanderthal": "Altai,Vindija", "denisovan": "Denisova3"}``. Without an archaic, what
        is rare and shared speaks alone, and what is found is of an unknown source.
    chrom
        The only chromosome to read, or several; None reads all.
    allow_unphased
        Accept unphased heterozygous target genotypes in the order in which they are written.
    callable_mask, exclude_mask
        Regions to which counting is restricted, and regions that are not counted: a BED file, or
        (start, end) in bp per chromosome, or several, which are taken together.
    span
        Most bases per block, rounded down to whole bins; fewer if the haplotypes are many.
    archaic_vcf, outgroup_vcf
        Files of the archaic and of the outgroup, as far as they are not in ``vcf``. Those of several
        archaic sources are given by the sources' names, like ``archaic``.
    outgroup_frequencies
        Instead of an outgroup: VCF without genotypes, with allele frequencies in INFO.
    field
        Name of these frequencies in INFO.
    samples
        Table of samples with their populations (columns ``sample``, ``pop``, ``super_pop``).
    region
        Stretches to read, (chromosome, start, end) in bp, 0-based half-open; widened to whole bins.
        The chromosome may be None if there is only one.
    regions
        BED file of further stretches to read; with ``chrom``, only those on these chromosomes.
    target_callable, target_exclude, outgroup_callable, outgroup_exclude, archaic_callable, archaic_exclude
        Masks of one role: outside, nothing is known of it, and so nothing is counted.
    settings
        Which records and calls count, and what a position without a record means.
    """

    vcf: Files | VariantReader
    target: Names = ()
    outgroup: Names = ()
    archaic: Names | Mapping[str, Names] | None = ()
    chrom: str | Sequence[str] | None = None
    allow_unphased: bool = False
    callable_mask: Masks = None
    exclude_mask: Masks = None
    span: int = SPAN
    archaic_vcf: Files | Mapping[str, Files] = ()
    outgroup_vcf: Files = ()
    outgroup_frequencies: Paths = ()
    field: str | None = None
    samples: PathLike | None = None
    region: Sequence[Region] = ()
    regions: Paths = ()
    target_callable: Masks = None
    target_exclude: Masks = None
    outgroup_callable: Masks = None
    outgroup_exclude: Masks = None
    archaic_callable: Masks = None
    archaic_exclude: Masks = None
    settings: VariantSettings = VARIANTS
    _told: _Told = dataclass_field(default_factory=lambda: _Told(), init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in (*_by_source(self.archaic), *_by_source(self.archaic_vcf)):
            check_source(name)

    @cached_property
    def reader(self) -> VariantReader:
        """The open files, with counts of what was left out."""
        if isinstance(self.vcf, VariantReader):
            return self.vcf
        sources = {
            "target": self._target_files,
            "outgroup": opened(self.outgroup_vcf),
            "archaic": [source for files in self._archaic_files.values() for source in files],
        }
        if not sources["target"]:
            raise SettingError("no file of genotypes is given")
        frequencies = _listed(self.outgroup_frequencies)
        if frequencies:
            if self.outgroup or sources["outgroup"]:
                raise SettingError("frequencies are an outgroup of their own: name no other one")
            if not self.field:
                raise SettingError("the field of the allele frequencies is not named", hint="such as AF_afr")
            sources["outgroup"] = [FrequencySource(path, self.field) for path in frequencies]
        elif self.field:
            raise SettingError("field goes with outgroup_frequencies")
        names = {role: self._names(role, sources, own=bool(sources[role])) for role in ("target", "outgroup")}
        names["archaic"] = [name for members in self._members(sources).values() for name in members]
        calls = self.settings
        return VariantReader(
            cast("Sequence[PathLike | Source]", sources["target"]),
            names["target"],
            names["outgroup"],
            names["archaic"],
            self.allow_unphased,
            None,
            outgroup_files=sources["outgroup"],
            archaic_files=sources["archaic"],
            absent={"target": calls.target_absent, "outgroup": calls.outgroup_absent, "archaic": calls.archaic_absent},
            filters=() if "any" in calls.filters else calls.filters,
            min_gq=calls.archaic_min_gq,
            min_dp=calls.archaic_min_dp,
        )

    @cached_property
    def _target_files(self) -> list[Source]:
        """The files of the targets, opened once: one may be standard input."""
        return [] if isinstance(self.vcf, VariantReader) else opened(self.vcf)

    @cached_property
    def _archaic_files(self) -> dict[str, list[Source]]:
        """The files of each archaic source that has its own."""
        if isinstance(self.archaic_vcf, Mapping):
            return {name: list(opened(files)) for name, files in self.archaic_vcf.items()}
        files = list(opened(self.archaic_vcf))
        return {UNNAMED: files} if files else {}

    @cached_property
    def _archaic_named(self) -> dict[str, Names]:
        """What names the samples of each archaic source, in order."""
        named = _by_source(self.archaic)
        own = dict.fromkeys(self._archaic_files, cast("Names", ()))
        if own and named and UNNAMED in (*own, *named) and list(own) != list(named):
            if len(own) > 1:
                raise SettingError(
                    "the archaic samples are named without a source, and the archaic files are of several",
                    hint="name the sources of the samples, too",
                )
            # One set of files for all sources, or samples of the one source that has files.
            if UNNAMED in named:
                return {next(iter(own)): named[UNNAMED]}
            return dict(named)
        return {**own, **named}

    def sources(self) -> tuple[str, ...]:
        """Return the names of the archaic sources."""
        if isinstance(self.vcf, VariantReader):
            return (UNNAMED,) if self.vcf.archaic else ()
        return tuple(self._archaic_named)

    def _members(self, sources: Mapping[str, Sequence[Source]]) -> dict[str, list[str]]:
        """Return the samples of each archaic source."""
        found: dict[str, list[str]] = {}
        source_of: dict[str, str] = {}
        everyone = [source for files in self._archaic_files.values() for source in files]
        for source, named in self._archaic_named.items():
            own = self._archaic_files.get(source)
            if own is None and everyone and not set(self._archaic_files) & set(self._archaic_named):
                own = everyone
            files = own if own is not None else sources["target"]
            inside = list(dict.fromkeys(name for file in files for name in file.samples))
            if own is not None and _names_nobody(named):
                found[source] = inside
            else:
                path = files[0].path if len(files) == 1 else None
                role = "archaic" if source == UNNAMED else source
                found[source] = chosen_samples(named, inside, self.populations(), role=role, path=path)
            for name in found[source]:
                if name in source_of:
                    raise SettingError(f"sample {name} is named as {source_of[name]} and as {source}")
                source_of[name] = source
        return found

    def _columns(self) -> list[list[int]]:
        """Return the columns of the archaic alleles that belong to each source."""
        if isinstance(self.vcf, VariantReader):
            return [list(range(len(self.vcf.names("archaic"))))] if self.vcf.archaic else []
        members = self._members({"target": self._target_files})
        place = {name: i for i, name in enumerate(self.reader.archaic)}
        return [[2 * place[name] + h for name in names for h in (0, 1)] for names in members.values()]

    def _names(self, role: str, sources: Mapping[str, Sequence[Source]], *, own: bool) -> list[str]:
        """Return the samples of a role, all those of its own files if none is named."""
        named: Names = getattr(self, role)
        files = sources[role] if own else sources["target"]
        inside = list(dict.fromkeys(name for source in files for name in source.samples))
        if own and role != "target" and _names_nobody(named):
            return inside
        return chosen_samples(
            named, inside, self.populations(), role=role, path=files[0].path if len(files) == 1 else None
        )

    def populations(self) -> Populations | None:
        """Return which samples belong to which population."""
        return self._read_populations

    @cached_property
    def _read_populations(self) -> Populations | None:
        return None if self.samples is None else read_populations(self.samples)

    def names(self) -> list[tuple[str, str]]:
        """Return (sample, haplotype) of the target."""
        return self.reader.names("target")

    def inputs(self) -> dict[str, PathLike]:
        """Return the files that are read, by their role."""
        found: dict[str, PathLike] = {}

        def add(role: str, paths: Iterable[object]) -> None:
            files = [path for path in paths if isinstance(path, str | os.PathLike)]
            for i, path in enumerate(files):
                found[role if len(files) == 1 else f"{role} {i + 1}"] = path

        add("vcf", self.vcf.paths() if isinstance(self.vcf, VariantReader) else _given(self.vcf))
        add("outgroup vcf", _given(self.outgroup_vcf))
        for source, files in _by_source(self.archaic_vcf).items():
            add("archaic vcf" if source == UNNAMED else f"{source} vcf", _given(cast("Files", files)))
        add("outgroup frequencies", _listed(self.outgroup_frequencies))
        named_by = {"target": self.target, "outgroup": self.outgroup}
        for source, those in _by_source(self.archaic).items():
            named_by["archaic" if source == UNNAMED else source] = cast("Names", those)
        for role, named in named_by.items():
            # Samples may be named by a file, or in the option itself.
            if isinstance(named, str | os.PathLike) and is_input(os.fspath(named)):
                add(role, [named])
        add("samples", [self.samples])
        add("regions", _listed(self.regions))
        for mask, name in _MASKS.items():
            add(name, _masks(getattr(self, mask)))
        return found

    def fraction(self) -> float | None:
        """Return None: a compressed VCF does not tell how much of it has been read."""
        return None

    def left_out(self) -> list[str]:
        """Return lines on what was read, how, and what of it was left out and why."""
        return self.reader.left_out()

    def warnings(self) -> list[str]:
        """Return lines on what is unlikely to be wanted; complete when all tracks are read."""
        return self.reader.warnings() + self._told.warnings()

    def tracks(
        self, settings: TrackSettings, *, threads: int = 1, stages: Stages | None = None
    ) -> Iterator[TrackBlock]:
        """Yield the tracks of all target haplotypes, in one thread.

        Raises
        ------
        InputError
            A file is invalid, a mask names none of its chromosomes or runs past the end of one, or a
            region lies outside its chromosome.
        """
        reader = self.reader
        masks = [
            _Joined(_joined(given), name, name.endswith("callable"))
            for mask, name in _MASKS.items()
            if (given := _masks(getattr(self, mask)))
        ]
        stretches = self._stretches(reader, settings.bin)
        return self._tracks(reader, settings, masks, stretches, stages or Stages())

    def _stretches(self, reader: VariantReader, bin_size: int) -> list[Stretch] | None:
        """Return what is to be read, in whole bins; None for everything.

        A file of regions narrows down the chromosomes, so that one file serves the scans of all of them.
        """
        chroms = [self.chrom] if isinstance(self.chrom, str) else list(self.chrom or ())
        listed = [
            Stretch(chrom, a, b)
            for path in _listed(self.regions)
            for chrom, spans in read_bed(path).items()
            for a, b in spans
        ]
        if chroms and listed:
            named = dict.fromkeys(stretch.chrom for stretch in listed)
            for chrom in chroms:
                if chrom not in named:
                    raise InputError(
                        f"holds nothing on {chrom}, but on {', '.join([*named][:3])}",
                        path=display_name(_listed(self.regions)[0]),
                    )
            found = [stretch for stretch in listed if stretch.chrom in chroms]
        else:
            found = [*map(Stretch, chroms), *listed]
        for named_by, start, end in self.region:
            if named_by is None and len(reader.contigs) != 1:
                raise InputError(
                    f"the region {start + 1}-{end or ''} needs the name of a chromosome", path=reader.paths()[0]
                )
            found.append(Stretch(reader.contigs[0] if named_by is None else named_by, start, end))
        if not found:
            return None
        for stretch in found:
            reader.check_chromosome(stretch.chrom)
        return whole_bins(found, bin_size, reader.lengths, path=reader.paths()[0])

    def _tracks(
        self,
        reader: VariantReader,
        settings: TrackSettings,
        masks: Sequence[_Joined],
        stretches: Sequence[Stretch] | None,
        stages: Stages,
    ) -> Iterator[TrackBlock]:
        names = reader.names("target")
        size = settings.bin
        span = bounded_span(self.span, size, len(names))
        for mask in masks:
            if reader.contigs:
                _check_names(mask.spans, reader.contigs)
        seen: set[str] = set()
        presence = Presence()
        archaics, columns = self.sources(), self._columns()
        # As far as it takes to see that a stretch is too long to be without a site.
        blocks = reader.blocks(span=span, overlap=max(settings.k + size, EMPTY), stretches=stretches)
        for block in stages.timed("read", blocks):
            with stages.time("tracks"):
                if block.chrom not in seen:
                    seen.add(block.chrom)
                    for mask in masks:
                        _check_end(mask.spans, block.chrom, reader.lengths.get(block.chrom))
                        self._told.mask(mask, block.chrom)
                first = block.start // size
                last = n_bins(block.end, size) if block.last else block.end // size
                length = block.length if block.length is not None else block.end + span
                # The k-mers of a bin begin and end up to k bp outside it.
                low, high = first * size - settings.k, last * size + settings.k
                hidden = _hidden(block.chrom, low, high, masks)
                self._told.hidden(hidden, block.start, block.end)
                uncallable = merge_spans([*hidden, *((a, b) for a, b in block.uncallable if b > low and a < high)])
                found = presence.of(block, first, last, size)
                tracks = variant_tracks(
                    block,
                    first_bin=first,
                    last_bin=last,
                    length=length,
                    settings=settings,
                    uncallable=uncallable,
                    presence=found,
                    sources=columns,
                )
                sites = sites_of_variants(
                    block,
                    first_bin=first,
                    last_bin=last,
                    length=length,
                    settings=settings,
                    uncallable=uncallable,
                    sources=columns,
                )
            end = block.length if block.length is not None else (block.end if block.last else None)
            exists = None if found is None else found[0]
            yield TrackBlock(block.chrom, names, first, tracks, end, block.last, exists, archaics, sites)
        for mask in masks:
            _check_names(mask.spans, seen)


_MASKS = {
    "callable_mask": "callable",
    "exclude_mask": "exclude",
    **{
        f"{role}_{what}": f"{role} {what}"
        for role in ("target", "outgroup", "archaic")
        for what in ("callable", "exclude")
    },
}
"""Fields of masks, and what they are called in messages."""


class _Joined(NamedTuple):
    """The masks of one option, taken together."""

    spans: Mask
    name: str
    is_callable: bool


class _Told:
    """What masks hide."""

    def __init__(self) -> None:
        self.seen = self.masked = 0
        self.without: dict[str, list[str]] = {}

    def mask(self, mask: _Joined, chrom: str) -> None:
        if mask.is_callable and not mask.spans.get(chrom):
            self.without.setdefault(mask.name, []).append(chrom)

    def hidden(self, spans: Sequence[tuple[int, int]], start: int, end: int) -> None:
        self.seen += end - start
        self.masked += sum(max(min(b, end) - max(a, start), 0) for a, b in spans)

    def warnings(self) -> list[str]:
        found = []
        for name, chroms in self.without.items():
            shown = ", ".join(chroms[:3]) + (" ..." if len(chroms) > 3 else "")
            found.append(f"the mask '{name}' covers nothing of {shown}: nothing can be called there")
        if self.seen and self.masked == self.seen:
            found.append("the masks hide everything: 0 % is callable, and nothing can be called")
        return found


def variant_tracks(block: VariantBlock, *, sources: Sequence[Sequence[int]], **where: Any) -> np.ndarray:
    """Return the tracks of all readings, shape (readings * haplotypes, bins, channels)."""
    made = []
    for slots in readings(len(sources)):
        columns = [[column for source in slot for column in sources[source]] for slot in slots]
        made.append(tracks_from_variants(block, sources=columns, **where))
    return made[0] if len(made) == 1 else np.concatenate(made)


def _by_source(given: Any) -> Mapping[str, Any]:
    """Return what was given for each archaic source; nothing stands for no source."""
    if isinstance(given, Mapping):
        return given
    return {} if given is None or _names_nobody(given) else {UNNAMED: given}


def _names_nobody(named: Names) -> bool:
    """Return whether no name is given; an empty text is one that nobody bears, and an error."""
    return isinstance(named, Sequence) and not isinstance(named, str) and not named


def _listed(files: Paths) -> list[PathLike]:
    return [files] if isinstance(files, str | os.PathLike) else list(files)


def _given(files: Files) -> list[PathLike | Source]:
    return [files] if isinstance(files, str | os.PathLike) or not isinstance(files, Sequence) else list(files)


def _masks(given: Masks) -> list[PathLike | Mask]:
    if given is None:
        return []
    return [given] if isinstance(given, str | os.PathLike | Mapping) else list(given)


def _joined(given: Sequence[PathLike | Mask]) -> Mask:
    """Return several masks as one that covers what any of them covers."""
    masks = [read_bed(mask) if isinstance(mask, str | os.PathLike) else mask for mask in given]
    if len(masks) == 1:
        return masks[0]
    spans: dict[str, list[tuple[int, int]]] = {}
    for mask in masks:
        for chrom, found in mask.items():
            spans.setdefault(chrom, []).extend(found)
    return {chrom: merge_spans(found) for chrom, found in spans.items()}


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


def _hidden(chrom: str, start: int, end: int, masks: Iterable[_Joined]) -> list[tuple[int, int]]:
    """Return the sorted, disjoint stretches that overlap [start, end) and are masked."""
    spans: list[tuple[int, int]] = []
    for mask in masks:
        there = mask.spans.get(chrom, ())
        low = bisect_right(there, start, key=lambda span: span[1])
        inside = there[low : bisect_left(there, end, key=lambda span: span[0])]
        if mask.is_callable:
            edges = [start, *(edge for span in inside for edge in span), end]
            inside = list(zip(edges[::2], edges[1::2], strict=True))
        spans += inside
    return merge_spans((max(a, start), min(b, end)) for a, b in spans if b > start and a < end and b > a)
