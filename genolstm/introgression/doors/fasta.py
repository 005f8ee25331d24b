"""Query haplotypes in FASTA: tracks from k-mer panels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from genolstm.errors import InputError, SettingError
from genolstm.files import PathLike, display_name
from genolstm.introgression.doors.blocks import Stages, TrackBlock
from genolstm.introgression.settings import TrackSettings
from genolstm.introgression.tracks import tracks_from_counts
from genolstm.sequences.alphabet import encode
from genolstm.sequences.fasta import Record, parse_haplotype_name, read_records
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

    def __post_init__(self) -> None:
        if self.haplotypes not in ("record", "file"):
            raise SettingError(f"haplotypes is '{self.haplotypes}'; it must be 'record' or 'file'")
        if not self.paths:
            raise SettingError("no query is given")

    def names(self) -> list[tuple[str, str]]:
        """Return (sample, haplotype) of the query; this reads the files."""
        found = (self.name(path, record) for path, record in self.records())
        return list(dict.fromkeys((sample, haplotype) for _, sample, haplotype in found))

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
        if self.haplotypes == "record" if self.sharing is None else self.sharing:
            if any(str(path) == "-" for path in self.paths):
                records = list(records)  # standard input cannot be read twice
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

    def records(self) -> Iterator[tuple[PathLike, Record]]:
        """Yield (file, record); names are unique over all files."""
        seen: dict[tuple[str, str, str], PathLike] = {}
        for path in self.paths:
            for record in read_records(path):
                chrom, sample, haplotype = self.name(path, record)
                if (chrom, sample, haplotype) in seen:
                    raise InputError(
                        f"the haplotype {sample} {haplotype} of {chrom} occurs twice",
                        path=display_name(path),
                        line=record.line,
                        record=record.name,
                    )
                seen[chrom, sample, haplotype] = path
                yield path, record

    def name(self, path: PathLike, record: Record) -> tuple[str, str, str]:
        """Return (chrom, sample, haplotype) of a record.

        PanSN names (``SAMPLE#1#contig``) and ``SAMPLE_hap1`` state sample and haplotype. Otherwise
        the record, or the file, is the sample.
        """
        parsed = parse_haplotype_name(record.name)
        if parsed is not None:
            return parsed.contig or record.name, parsed.sample, parsed.haplotype
        if self.haplotypes == "record":
            return record.name, record.name, "1"
        stem = Path(display_name(path)).name.split(".")[0]
        of_file = parse_haplotype_name(stem)
        if of_file is not None:
            return record.name, of_file.sample, of_file.haplotype
        return record.name, stem, "1"

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


def _groups(records: Iterable[tuple[PathLike, Record]]) -> Iterator[list[tuple[PathLike, Record]]]:
    group: list[tuple[PathLike, Record]] = []
    for item in records:
        if group and (len(item[1]) != len(group[0][1]) or len(group) == _GROUP):
            yield group
            group = []
        group.append(item)
    if group:
        yield group
