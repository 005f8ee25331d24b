"""Query haplotypes in FASTA: tracks from k-mer panels."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from genolstm.errors import InputError, SettingError
from genolstm.files import Meter, PathLike, display_name, is_regular
from genolstm.introgression.doors.blocks import Stages, TrackBlock
from genolstm.introgression.settings import TrackSettings
from genolstm.introgression.tracks import tracks_from_counts
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

if TYPE_CHECKING:
    from genolstm.sequences.panel.panel import KmerPanel

#: Number of haplotypes that are looked up and given to the network together.
_GROUP = 32


@dataclass(frozen=True)
class FastaDoor:
    """Query haplotypes in FASTA files, looked up in two panels.

    Parameters
    ----------
    paths
        FASTA or FASTQ files; ``-`` is standard input.
    archaic, outgroup
        Panels, or their files.
    haplotypes
        ``record``: each record is one haplotype. ``file``: each file is one haplotype and its
        records are contigs.
    sharing
        Whether to check which rare k-mers the query haplotypes share with each other; this reads
        the input twice and holds the query's distinct k-mers in memory. None means yes with one
        haplotype per record, else no.
    skip_short
        Leave out records shorter than a bin, which occur in assemblies, instead of rejecting them.

    Attributes
    ----------
    skipped
        Names of the records left out so far.
    """

    paths: Sequence[PathLike]
    archaic: PathLike | KmerPanel
    outgroup: PathLike | KmerPanel
    haplotypes: str = "record"
    sharing: bool | None = None
    skip_short: bool = False
    skipped: set[str] = field(default_factory=set, init=False, compare=False, repr=False)
    _meter: Meter = field(default_factory=Meter, init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.haplotypes not in ("record", "file"):
            raise SettingError(f"haplotypes is '{self.haplotypes}'; it must be 'record' or 'file'")
        if not self.paths:
            raise SettingError("no query is given")

    def names(self) -> list[tuple[str, str]]:
        """Return (sample, haplotype) of the query; this reads the files."""
        found = (self.name(path, record) for path, record in self.records())
        return list(dict.fromkeys((sample, haplotype) for _, sample, haplotype in found))

    def warnings(self) -> list[str]:
        """Return lines on what is likely wrong with the input."""
        return []

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
        """
        from genolstm.sequences.panel.panel import KmerPanel

        archaic, outgroup = (
            p if isinstance(p, KmerPanel) else KmerPanel.open(p) for p in (self.archaic, self.outgroup)
        )
        return self._tracks(archaic, outgroup, settings, threads=threads, stages=stages or Stages())

    def _tracks(
        self, archaic: KmerPanel, outgroup: KmerPanel, settings: TrackSettings, *, threads: int, stages: Stages
    ) -> Iterator[TrackBlock]:
        for panel in (archaic, outgroup):
            panel.require_k(settings.k)
        records: Iterable[tuple[PathLike, Record]] = self.records()
        target: KmerPanel | None = None
        if self._is_shared():
            if not all(map(is_regular, self.paths)):
                records = list(records)  # a pipe cannot be read twice
            with stages.time("sharing"):
                target = self._target_panel(records, settings)
            if not isinstance(records, list):
                records = self.records()

        def tracks(record: Record) -> np.ndarray:
            codes = encode(record.sequence)
            return tracks_from_counts(
                archaic.lookup(codes),
                outgroup.lookup(codes),
                target.lookup(codes) if target is not None else None,
                valid_kmers(codes, settings.k),
                length=len(codes),
                outgroup_size=outgroup.n_haplotypes,
                target_size=target.n_haplotypes if target is not None else 1,
                settings=settings,
            )

        with ThreadPoolExecutor(threads) as pool:
            for group in _groups(stages.timed("read", self._long_enough(records, settings))):
                with stages.time("tracks"):
                    stacked = np.stack(list(pool.map(tracks, [record for _, record in group])))
                # One block per chromosome name keeps the haplotypes of a region together.
                by_chrom: dict[str, list[tuple[int, str, str]]] = {}
                for i, (path, record) in enumerate(group):
                    chrom, sample, haplotype = self.name(path, record)
                    by_chrom.setdefault(chrom, []).append((i, sample, haplotype))
                length = len(group[0][1])
                for chrom, members in by_chrom.items():
                    names = [(sample, haplotype) for _, sample, haplotype in members]
                    rows = stacked[[i for i, _, _ in members]]
                    yield TrackBlock(chrom, names, 0, rows, length, True)

    def inputs(self) -> dict[str, PathLike]:
        """Return the files that are read, by their role."""
        found: dict[str, PathLike] = {}
        for number, path in enumerate(self.paths, start=1):
            found["query" if len(self.paths) == 1 else f"query {number}"] = path
        for role, panel in (("archaic", self.archaic), ("outgroup", self.outgroup)):
            if isinstance(panel, str | os.PathLike):
                found[role] = panel
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

        builder = PanelBuilder(settings.k)
        haplotype: tuple[str, str] | None = None
        codes: list[np.ndarray] = []
        done: set[tuple[str, str]] = set()
        for path, record in self._long_enough(records, settings):
            _, sample, number = self.name(path, record)
            if (sample, number) != haplotype:
                if haplotype is not None:
                    builder.add_haplotype(codes)
                    done.add(haplotype)
                haplotype, codes = (sample, number), []
                if haplotype in done:
                    raise InputError(
                        f"the records of the haplotype {sample} {number} are not consecutive",
                        path=display_name(path),
                        line=record.line,
                        record=record.name,
                        hint="sort the records by haplotype, or use --no-sharing",
                    )
            codes.append(encode(record.sequence))
        if not done:
            return None
        builder.add_haplotype(codes)
        return builder.finish()


def _of_file(path: PathLike) -> tuple[str, str]:
    """Return sample and haplotype of a file that is one haplotype."""
    parsed = parse_file_name(path)
    return (parsed.sample, parsed.haplotype) if parsed is not None else (file_stem(path), "1")


def _groups(records: Iterable[tuple[PathLike, Record]]) -> Iterator[list[tuple[PathLike, Record]]]:
    group: list[tuple[PathLike, Record]] = []
    for item in records:
        if group and (len(item[1]) != len(group[0][1]) or len(group) == _GROUP):
            yield group
            group = []
        group.append(item)
    if group:
        yield group
