"""Query haplotypes in FASTA: tracks from k-mer panels."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from genolstm.errors import InputError, PanelError, SettingError
from genolstm.files import Meter, PathLike, display_name, is_regular
from genolstm.introgression.doors.blocks import Stages, TrackBlock, readings
from genolstm.introgression.doors.doubts import Doubts
from genolstm.introgression.knowledge import Knowledge
from genolstm.introgression.settings import UNNAMED, TrackSettings, check_source
from genolstm.introgression.sites import site_type, sites_of_kmers
from genolstm.introgression.tracks import KmerTrack
from genolstm.introgression.variants.people import Populations
from genolstm.sequences.alphabet import encode
from genolstm.sequences.fasta import (
    HaplotypeName,
    Record,
    file_stem,
    parse_file_name,
    parse_haplotype_name,
    parse_pansn,
    read_records,
)
from genolstm.sequences.kmers import valid_kmers
from genolstm.sequences.panel.settings import MEMORY

if TYPE_CHECKING:
    from genolstm.sequences.panel.panel import KmerPanel

Panels: TypeAlias = "PathLike | KmerPanel | Sequence[PathLike | KmerPanel]"

#: Number of haplotypes that are given to the network together.
_GROUP = 32
#: Bases of a sequence that are looked up at a time; affects memory use, not results.
_STRETCH = 1 << 20


@dataclass(frozen=True)
class FastaDoor:
    """Query haplotypes in FASTA files, looked up in two panels.

    Parameters
    ----------
    paths
        FASTA or FASTQ files; ``-`` is standard input.
    archaic
        Panel of the archaic, or its file. Several archaic sources are given by their names, each with one
        panel or several: ``{"neanderthal": ["altai.panel", "vindija.panel"], "denisovan": "d3.panel"}``.
        None: without an archaic, what is rare and shared speaks alone, and what is found is of an unknown
        source.
    outgroup
        Panel of the outgroup, or its file.
    haplotypes
        ``record``: each record is one haplotype. ``file``: each file is one haplotype and its
        records are contigs.
    sharing
        Whether to check which rare k-mers the query haplotypes share with each other; this reads
        the input twice and holds the query's distinct k-mers in memory. None means yes with one
        haplotype per record, else no.
    skip_short
        Leave out records shorter than a bin, which occur in assemblies, instead of rejecting them.
    memory
        Bytes of memory that counting the query's own k-mers may take at most; what does not fit lies in
        temporary files. None sets no limit.

    Attributes
    ----------
    skipped
        Names of the records left out so far.
    """

    paths: Sequence[PathLike]
    archaic: Panels | Mapping[str, Panels] | None
    outgroup: PathLike | KmerPanel
    haplotypes: str = "record"
    sharing: bool | None = None
    skip_short: bool = False
    memory: int | None = MEMORY
    skipped: set[str] = field(default_factory=set, init=False, compare=False, repr=False)
    _meter: Meter = field(default_factory=Meter, init=False, compare=False, repr=False)
    _doubts: list[Doubts] = field(default_factory=list, init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.haplotypes not in ("record", "file"):
            raise SettingError(f"haplotypes is '{self.haplotypes}'; it must be 'record' or 'file'")
        if not self.paths:
            raise SettingError("no query is given")
        for name, panels in self._by_source().items():
            check_source(name)
            if not panels:
                raise SettingError(f"no panel of {name} is given")

    def names(self) -> list[tuple[str, str]]:
        """Return (sample, haplotype) of the query; this reads the files."""
        found = (self.name(path, record) for path, record in self.records())
        return list(dict.fromkeys((sample, haplotype) for _, sample, haplotype in found))

    def sources(self) -> tuple[str, ...]:
        """Return the names of the archaic sources."""
        return tuple(self._by_source())

    def _by_source(self) -> dict[str, list[PathLike | KmerPanel]]:
        """Return the panels of each archaic source."""
        given = self.archaic if isinstance(self.archaic, Mapping) else {UNNAMED: self.archaic}
        return {name: _listed(panels) for name, panels in given.items() if panels is not None}

    def warnings(self) -> list[str]:
        """Return lines on what is likely wrong with the input, once it has been read."""
        return [line for doubts in self._doubts for line in doubts.lines()]

    def left_out(self) -> list[str]:
        """Return a line on how many records were too short."""
        return [f"{len(self.skipped)} records shorter than a bin left out"] if self.skipped else []

    def tracks(
        self, settings: TrackSettings, *, threads: int = 1, stages: Stages | None = None
    ) -> Iterator[TrackBlock]:
        """Yield the tracks of the query haplotypes, each in its own coordinates.

        Consecutive records of the same length and chromosome name share a block.

        Raises
        ------
        InputError
            The FASTA is invalid, or a record is shorter than a bin.
        PanelError
            A panel was built with a different k.
        InputError
            The outgroup panel counts contigs as haplotypes.
        """
        from genolstm.sequences.panel.panel import KmerPanel

        def opened(panel: PathLike | KmerPanel) -> KmerPanel:
            return panel if isinstance(panel, KmerPanel) else KmerPanel.open(panel)

        archaics = [[opened(panel) for panel in panels] for panels in self._by_source().values()]
        return self._tracks(archaics, opened(self.outgroup), settings, threads=threads, stages=stages or Stages())

    def _tracks(
        self,
        archaics: Sequence[Sequence[KmerPanel]],
        outgroup: KmerPanel,
        settings: TrackSettings,
        *,
        threads: int,
        stages: Stages,
    ) -> Iterator[TrackBlock]:
        every = [panel for panels in archaics for panel in panels]
        for panel in (*every, outgroup):
            panel.require_k(settings.k)
        orders = readings(len(archaics))
        records: Iterable[tuple[PathLike, Record]] = self.records()
        target: KmerPanel | None = None
        if self._is_shared():
            if not all(map(is_regular, self.paths)):
                records = list(records)  # a pipe cannot be read twice
            with stages.time("sharing"):
                target = self._target_panel(records, settings)
            if not isinstance(records, list):
                records = self.records()

        unknown = [_of_all(panels) for panels in archaics]
        knowledges = [
            Knowledge.of([_least(unknown[i] for i in slot) for slot in slots], _unknown_share(outgroup), settings.k)
            for slots in orders
        ]
        of_all = Knowledge.of(unknown, _unknown_share(outgroup), settings.k)
        # What is known where k-mers cover a site, and whether those beside them are rare.
        context = max(knowledge.context for knowledge in (*knowledges, of_all)) + settings.k + 1
        doubts = Doubts(
            outgroup.n_haplotypes,
            target.n_haplotypes if target is not None else 1,
            _least(panel.unknown_share for panel in every) if every else None,
            outgroup.unknown_share,
            self.haplotypes == "record",
            outgroup.path,
        )
        self._doubts[:] = [doubts]

        def empty(length: int) -> list[KmerTrack]:
            return [
                KmerTrack(
                    length,
                    settings,
                    outgroup_size=outgroup.n_haplotypes,
                    target_size=target.n_haplotypes if target is not None else 1,
                    knowledge=knowledge,
                )
                for knowledge in knowledges
            ]

        def count(task: tuple[bytes, _Row, int, int]) -> Doubts:
            sequence, row, first, last = task
            start = max(first - context, 0)
            codes = encode(sequence[start : last + context + settings.k - 1])
            carried = [_most([panel.lookup(codes) for panel in panels]) for panels in archaics]
            found = outgroup.lookup(codes), target.lookup(codes) if target is not None else None
            valid = valid_kmers(codes, settings.k)
            half, at_end = settings.k // 2, last == len(sequence) - settings.k + 1
            row.sites[first] = sites_of_kmers(
                codes,
                carried,
                *found,
                valid,
                start=start,
                low=first + half if first else 0,
                high=len(sequence) if at_end else last + half,
                settings=settings,
                outgroup_size=outgroup.n_haplotypes,
                target_size=target.n_haplotypes if target is not None else 1,
                knowledge=of_all,
            )
            for track, slots in zip(row.tracks, orders, strict=True):
                slotted = [_most([carried[i] for i in slot]) for slot in slots]
                track.add(slotted, *found, valid, start=start, first=first - start, last=last - start)
            return doubts.add(_most(carried) if carried else None, *found, valid, start)

        def tracks(batch: Sequence[tuple[PathLike, Record]]) -> list[_Row]:
            rows = [_Row(*self.name(path, record), len(record), empty(len(record))) for path, record in batch]
            tasks = [
                (record.sequence, row, first, last)
                for row, (_, record) in zip(rows, batch, strict=True)
                for first, last in _stretches(len(record), settings)
            ]
            for part in pool.map(count, tasks):
                doubts.merge(part)
            doubts.check(at_end=False)
            return rows

        def all_rows() -> Iterator[_Row]:
            for batch in _batches(stages.timed("read", self._long_enough(records, settings)), threads * _STRETCH):
                with stages.time("tracks"):
                    rows = tracks(batch)
                # While the next ones are read, their sequences need not be there any more.
                batch.clear()
                yield from rows
            doubts.check(at_end=True)

        with ThreadPoolExecutor(threads) as pool:
            for group in _groups(all_rows()):
                # One block per chromosome name keeps the haplotypes of a region together.
                by_chrom: dict[str, list[_Row]] = {}
                for row in group:
                    by_chrom.setdefault(row.chrom, []).append(row)
                for chrom, members in by_chrom.items():
                    names = [(row.sample, row.haplotype) for row in members]
                    stacked = np.stack([row.tracks[i].finish() for i in range(len(orders)) for row in members])
                    sites = _sites(members, len(archaics))
                    yield TrackBlock(
                        chrom, names, 0, stacked, group[0].length, True, sources=self.sources(), sites=sites
                    )

    def populations(self) -> Populations | None:
        """Return None: FASTA says nothing of populations."""
        return None

    def inputs(self) -> dict[str, PathLike]:
        """Return the files that are read, by their role."""
        found: dict[str, PathLike] = {}
        for number, path in enumerate(self.paths, start=1):
            found["query" if len(self.paths) == 1 else f"query {number}"] = path
        roles = {"archaic" if name == UNNAMED else name: panels for name, panels in self._by_source().items()}
        for role, panels in (*roles.items(), ("outgroup", [self.outgroup])):
            files = [panel for panel in panels if isinstance(panel, str | os.PathLike)]
            for number, path in enumerate(files, start=1):
                found[role if len(files) == 1 else f"{role} {number}"] = path
        return found

    def fraction(self) -> float | None:
        """Return the share of the input that has been read so far; None if a pipe hides how much there is."""
        if not all(map(is_regular, self.paths)):
            return None
        total = sum(Path(path).stat().st_size for path in self.paths) * (2 if self._is_shared() else 1)
        return min(self._meter.done / total, 1.0) if total else None

    def _is_shared(self) -> bool:
        return self.haplotypes == "record" if self.sharing is None else self.sharing

    def records(self) -> Iterator[tuple[PathLike, Record]]:
        """Yield (file, record); names are unique over all files, and a file's over what it holds.

        Raises
        ------
        InputError
            Two records, or two files that are one haplotype each, have the same name; a file that
            is one haplotype holds records of several, by their PanSN names.
        """
        self._check_file_names()
        seen: dict[tuple[str, str, str], PathLike] = {}
        for path in self.paths:
            stated: HaplotypeName | None = None
            for record in read_records(path, meter=self._meter):
                chrom, sample, haplotype = self.name(path, record)
                other = seen.get((chrom, sample, haplotype))
                if other is not None:
                    raise InputError(
                        f"the haplotype {sample} {haplotype} of {chrom} occurs twice"
                        + (f", first in {display_name(other)}" if other != path else ""),
                        path=display_name(path),
                        line=record.line,
                        record=record.name,
                    )
                seen[chrom, sample, haplotype] = path
                if self.haplotypes == "file":
                    stated = self._check_stated(path, record, stated)
                yield path, record
                del record  # it may be large, and the next one is read before this name is given to it

    def _check_file_names(self) -> None:
        """Refuse two files that would become one haplotype."""
        if self.haplotypes != "file":
            return
        owners: dict[tuple[str, str], PathLike] = {}
        for path in self.paths:
            name = _of_file(path)
            if name in owners:
                sample, haplotype = name
                raise InputError(
                    f"would be the same as {display_name(owners[name])}: sample {sample}, haplotype {haplotype}",
                    path=display_name(path),
                    hint="a haplotype is named after its file: rename one of them",
                )
            owners[name] = path

    def _check_stated(self, path: PathLike, record: Record, first: HaplotypeName | None) -> HaplotypeName | None:
        """Refuse a record whose PanSN name contradicts those before it, or the sample that its file's name states."""
        stated = parse_pansn(record.name)
        if stated is None:
            return first
        of_file = parse_file_name(path)
        reason = ""
        if first is not None and stated[:2] != first[:2]:
            reason = f"is of {stated.sample}#{stated.haplotype}, records before it of {first.sample}#{first.haplotype}"
        elif of_file is not None and of_file.sample.casefold() != stated.sample.casefold():
            reason = f"is of {stated.sample}, its file's name says {of_file.sample}"
        if reason:
            raise InputError(
                reason,
                path=display_name(path),
                line=record.line,
                record=record.name,
                hint="a file is one haplotype; where each record is one, use --haplotypes record",
            )
        return first or stated

    def name(self, path: PathLike, record: Record) -> tuple[str, str, str]:
        """Return (chrom, sample, haplotype) of a record.

        If each record is a haplotype, PanSN names (``SAMPLE#1#contig``) and ``SAMPLE_hap1`` state
        sample and haplotype; otherwise the record is the sample. If each file is a haplotype, its
        name without the suffixes is the sample, or states both (see
        :func:`~genolstm.sequences.fasta.parse_file_name`), and its records are contigs, whatever
        they are called; of PanSN names, the contig is used.
        """
        if self.haplotypes == "file":
            pansn = parse_pansn(record.name)
            return (pansn and pansn.contig) or record.name, *_of_file(path)
        parsed = parse_haplotype_name(record.name)
        if parsed is not None:
            return parsed.contig or record.name, parsed.sample, parsed.haplotype
        return record.name, record.name, "1"

    def _long_enough(
        self, records: Iterable[tuple[PathLike, Record]], settings: TrackSettings
    ) -> Iterator[tuple[PathLike, Record]]:
        for path, record in records:
            if len(record) >= settings.bin:
                yield path, record
                del record  # as above
            elif self.skip_short:
                self.skipped.add(record.name)
            else:
                raise InputError(
                    f"is {len(record)} bp, shorter than a bin ({settings.bin} bp)",
                    path=display_name(path),
                    line=record.line,
                    record=record.name,
                    hint="leave such records out with --skip-short",
                )

    def _target_panel(self, records: Iterable[tuple[PathLike, Record]], settings: TrackSettings) -> KmerPanel | None:
        """Count how many query haplotypes carry each of their k-mers; None if there is only one."""
        from genolstm.sequences.panel.builder import PanelBuilder

        builder = PanelBuilder(settings.k, memory=self.memory)
        done: set[tuple[str, str]] = set()

        def named() -> Iterator[tuple[tuple[str, str], list[bytes]]]:
            last: tuple[str, str] | None = None
            for path, record in self._long_enough(records, settings):
                _, sample, haplotype = self.name(path, record)
                if (sample, haplotype) != last and (sample, haplotype) in done:
                    raise InputError(
                        f"the records of the haplotype {sample} {haplotype} are not consecutive",
                        path=display_name(path),
                        line=record.line,
                        record=record.name,
                        hint="sort the records by haplotype, or use --no-sharing",
                    )
                last = sample, haplotype
                done.add(last)
                # In a list, from which it can be taken: groupby remembers what it yielded last.
                held = [record.sequence]
                del record
                yield last, held

        for _, members in groupby(named(), lambda item: item[0]):
            builder.add_blocks(_coded(held.pop()) for _, held in members)
        try:
            return builder.finish() if len(done) > 1 else None
        except PanelError:  # unknown bases only: nothing is shared, and nothing will be called
            return None


def _coded(sequence: bytes) -> Iterator[np.ndarray]:
    """Encode a sequence stretch by stretch."""
    return (encode(sequence[at : at + _STRETCH]) for at in range(0, len(sequence), _STRETCH))


def _unknown_share(panel: KmerPanel) -> float | None:
    """Return the share of unknown bases; None if it is not stated, or if k-mers of reads were dropped."""
    return panel.unknown_share if panel.min_count == 1 else None


def _of_all(panels: Sequence[KmerPanel]) -> float | None:
    """Return the share of bases that may be unknown to all panels of a source; None if it is not stated."""
    return _least(_unknown_share(panel) for panel in panels)


def _least(shares: Iterable[float | None]) -> float | None:
    """Return the least share; None if one is not stated and none is 0."""
    found = list(shares)
    stated = [share for share in found if share is not None]
    return min(stated) if len(stated) == len(found) or 0 in stated else None


def _most(counts: Sequence[np.ndarray]) -> np.ndarray:
    """Return the largest of several panels' counts."""
    most = counts[0]
    for other in counts[1:]:
        most = np.maximum(most, other)
    return most


def _listed(panels: Panels) -> list[PathLike | KmerPanel]:
    if isinstance(panels, Sequence) and not isinstance(panels, str):
        return list(panels)
    return [panels]


def _of_file(path: PathLike) -> tuple[str, str]:
    """Return sample and haplotype of a file that is one haplotype."""
    parsed = parse_file_name(path)
    return (parsed.sample, parsed.haplotype) if parsed is not None else (file_stem(path), "1")


@dataclass
class _Row:
    """One record's track, and what it is called."""

    chrom: str
    sample: str
    haplotype: str
    length: int
    tracks: list[KmerTrack]
    #: By the first start of each stretch.
    sites: dict[int, np.ndarray] = field(default_factory=dict)


def _sites(rows: Sequence[_Row], n_sources: int) -> np.ndarray:
    """Return the sites of several records, by position."""
    parts = [np.zeros(0, dtype=site_type(n_sources))]
    for number, row in enumerate(rows):
        for first in sorted(row.sites):
            row.sites[first]["row"] = number
            parts.append(row.sites[first])
    found = np.concatenate(parts)
    return found[np.argsort(found["position"], kind="stable")]


def _stretches(length: int, settings: TrackSettings) -> Iterator[tuple[int, int]]:
    """Cut a sequence into stretches of starts that begin with a bin, a k-mer's bin being that of its middle."""
    n_starts, half = max(length - settings.k + 1, 0), settings.k // 2
    step = max(_STRETCH // settings.bin, 1) * settings.bin
    for begin in range(0, n_starts + half, step):
        first, last = max(begin - half, 0), min(begin + step - half, n_starts)
        if first < last:
            yield first, last


def _batches(records: Iterable[tuple[PathLike, Record]], bases: int) -> Iterator[list[tuple[PathLike, Record]]]:
    """Take records together until they are long enough to keep all threads busy."""
    batch: list[tuple[PathLike, Record]] = []
    held = 0
    for item in records:
        batch.append(item)
        held += len(item[1])
        del item
        if held >= bases or len(batch) == _GROUP:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch


def _groups(rows: Iterable[_Row]) -> Iterator[list[_Row]]:
    """Take consecutive records of the same length together."""
    group: list[_Row] = []
    for row in rows:
        if group and (row.length != group[0].length or len(group) == _GROUP):
            yield group
            group = []
        group.append(row)
    if group:
        yield group
