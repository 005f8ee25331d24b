"""Join the files of targets, outgroup and archaic by position, while they are read."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from genolstm.compiled import compiled
from genolstm.errors import InputError, SettingError
from genolstm.files import PathLike
from genolstm.introgression.settings import EMPTY
from genolstm.introgression.variants.block import ABSENT, FAR, UNKNOWN, CallSettings, Source, Stretch, VariantBlock
from genolstm.introgression.variants.feed import ROLES, File, Part, Role, covered, gaps, merged, of_positions
from genolstm.introgression.variants.regions import check_stretches, merge_stretches
from genolstm.introgression.variants.sources import open_source
from genolstm.numbers import LAST_POSITION

Absent = Literal["auto", "reference", "missing"]
Files = PathLike | Source | Sequence[PathLike | Source]
#: Option that names the files of a role.
OPTIONS = {"target": "--vcf", "outgroup": "--outgroup-vcf", "archaic": "--archaic-vcf"}

#: Share of differing REF among shared positions that is no chance, and the positions it takes to say so.
_MOST_DIFFERING = 0.01
_SHARED = 100

_VARIES, _PARTLY, _NO_TARGET, _NO_OUTGROUP, _NO_ARCHAIC = 1, 2, 4, 8, 16


@dataclass
class VariantCounts:
    """Counts of what was read and joined.

    Attributes
    ----------
    records
        Records in all files.
    sites
        Positions at which target and outgroup are called and not everybody has the same base.
    not_snv, filtered, merged, low_quality, odd_position, unphased
        As in :class:`~genolstm.introgression.variants.block.SourceCounts`, over all files.
    uncalled
        Sites that no target or no outgroup sample is called at; nothing is counted there.
    archaic_missing
        Sites at which the archaic is missing.
    other_ref
        Positions at which a file has another REF than that of the targets.
    empty
        Bases in stretches without any site that are too long for that; nothing is counted there.
    """

    records: int = 0
    sites: int = 0
    not_snv: int = 0
    filtered: int = 0
    merged: int = 0
    low_quality: int = 0
    odd_position: int = 0
    unphased: int = 0
    uncalled: int = 0
    archaic_missing: int = 0
    other_ref: int = 0
    empty: int = 0


@compiled()
def _judge(
    target: np.ndarray, outgroup: np.ndarray, archaic: np.ndarray, verdict: np.ndarray, missing: np.ndarray
) -> None:
    """Say of each site whether anybody differs, and whose alleles are unknown; count missing alleles of each role."""
    for i in range(verdict.shape[0]):
        base = -1
        found = 0
        for role in range(3):
            row = target[i] if role == 0 else (outgroup[i] if role == 1 else archaic[i])
            known = False
            n = 0
            for h in range(row.shape[0]):
                allele = row[h]
                if allele >= 0:
                    known = True
                    if base < 0:
                        base = allele
                    elif allele != base:
                        found |= 1
                elif allele == -1:
                    n += 1
            missing[i, role] = n
            if n:
                found |= 2
            if not known and row.shape[0] > 0:
                found |= 4 << role
        verdict[i] = found


@dataclass
class VariantReader:
    """Reads the named samples of one or several files, joined by position, block by block.

    Only single-base substitutions are sites; insertions, deletions and symbolic alleles are left
    out and counted. A site with several alternative alleles is one site, whether in one record or
    in several. Alleles of different files meet by their letters. A missing genotype stays missing,
    and the second haplotype of a haploid call does not exist. Heterozygous target genotypes must be
    phased, unless ``allow_unphased`` accepts them in the order in which they are written. Outgroup
    and archaic samples need not be phased (windows that cover two of their heterozygous sites then
    rely on a guess).

    Parameters
    ----------
    path
        File or files of the targets, and of the other roles as far as these have none of their own:
        VCF, BCF or VCF Zarr, or open sources. Several may hold different chromosomes, different
        samples, or both.
    target, outgroup, archaic
        Sample names.
    allow_unphased
        Accept unphased heterozygous target genotypes.
    chrom
        The chromosome or chromosomes to read; None reads all.
    outgroup_files, archaic_files
        Files of the outgroup and of the archaic.
    absent
        By role, what a position without a record means in its files: ``reference``, ``missing``, or
        ``auto``: missing if the file lists invariant positions, else the reference.
    filters, min_gq, min_dp
        As in :class:`~genolstm.introgression.variants.block.CallSettings`; the least qualities are
        the archaic's.

    Attributes
    ----------
    counts
        What was read so far.
    contigs, lengths
        Chromosomes that the files declare, and the lengths of those that have one.

    Raises
    ------
    InputError
        A file is missing or invalid, lacks a sample, or contradicts another.
    SettingError
        A role has no samples, or two roles share one.
    """

    path: Files
    target: Sequence[str]
    outgroup: Sequence[str]
    archaic: Sequence[str]
    allow_unphased: bool = False
    chrom: str | Sequence[str] | None = None
    outgroup_files: Files = ()
    archaic_files: Files = ()
    absent: Mapping[Role, Absent] = field(default_factory=dict)
    filters: tuple[str, ...] = ("PASS", ".")
    min_gq: int = 0
    min_dp: int = 0

    def __post_init__(self) -> None:
        self._check_roles()
        own = {"target": opened(self.path), "outgroup": opened(self.outgroup_files)}
        own["archaic"] = opened(self.archaic_files)
        samples: dict[Role, Sequence[str]] = {role: getattr(self, role) for role in ROLES}
        for sources in own.values():
            paths = [source.path for source in sources]
            twice = next((path for i, path in enumerate(paths) if path in paths[:i]), None)
            if twice is not None and Path(twice).exists():
                raise InputError("is given twice", path=twice)
        self._files: list[File] = []
        # One archaic source may have files of its own, and another lie among the targets.
        inside = {
            holder: {name for source in own[holder] for name in source.samples} for holder in ("target", "archaic")
        }
        beside = [name for name in self.archaic if name in inside["target"] - inside["archaic"] and own["archaic"]]
        for holder in ROLES:
            served = {r: samples[r] for r in self._roles() if r == holder or (holder == "target" and not own[r])}
            if beside and holder in ("target", "archaic"):
                # A name in the place of another keeps the columns of the rest.
                served["archaic"] = [name if (name in beside) == (holder == "target") else "" for name in self.archaic]
            for source in own[holder]:
                self._files.append(File(source, served))
            if own[holder]:
                self._check_samples(own[holder], served, holder)
        self._all_files, self._files = self._files, [f for f in self._files if f.parts]
        for file in self._files:
            for part in file.parts:
                told = self.absent.get(part.role, "auto")
                part.auto = told == "auto"
                part.reference = None if part.auto else told == "reference"
        self.counts = VariantCounts()
        self._warnings: list[str] = []
        self._missing = dict.fromkeys(ROLES, 0)
        self._judged = 0
        self._declared = self._check_contigs()
        self.contigs = list(self._declared)
        self.lengths = {name: length for name, length in self._declared.items() if length is not None}

    # --- checks before reading --------------------------------------------------------------

    def _roles(self) -> list[Role]:
        """Return the roles that somebody has; a scan needs no archaic."""
        return [role for role in ROLES if getattr(self, role)]

    def _check_roles(self) -> None:
        for role in ROLES:
            if not getattr(self, role) and role != "archaic":  # a scan needs none
                raise SettingError(f"no {role} samples are named")
        role_of: dict[str, str] = {}
        for role in ROLES:
            for name in getattr(self, role):
                if name in role_of:
                    raise SettingError(
                        f"sample {name} is named as {role_of[name]} and as {role}", hint="the groups must not overlap"
                    )
                role_of[name] = role

    def _check_samples(self, sources: Sequence[Source], served: Mapping[Role, Sequence[str]], holder: str) -> None:
        inside = {name for source in sources for name in source.samples}
        wanted = [name for names in served.values() for name in names if name]
        missing = [name for name in wanted if name not in inside]
        if missing:
            shown = ", ".join(missing[:3]) + (" ..." if len(missing) > 3 else "")
            alone = len(sources) == 1
            raise InputError(
                f"{'has' if alone else f'none of the {len(sources)} files of {OPTIONS[holder]} has the'} "
                f"{'no ' if alone else ''}sample {shown} ({len(missing)} of {len(wanted)} named samples are missing)",
                path=sources[0].path if alone else None,
            )

    def _check_contigs(self) -> dict[str, int | None]:
        """Return the chromosomes of all files in order, or refuse files that contradict each other."""
        lengths: dict[str, int | None] = {}
        told_by: dict[str, str] = {}
        for file in self._files:
            for name, length in file.source.contigs.items():
                known = lengths.get(name)
                if known is not None and length is not None and known != length:
                    raise InputError(
                        f"states a length of {length} bp for {name}, and {told_by[name]} of {known} bp",
                        path=file.path,
                        hint="are they of the same build of the genome?",
                    )
                if length is not None and known is None:
                    told_by[name] = file.path
                lengths[name] = known if known is not None else length
        targets = {name for file in self._files if file.has_targets for name in file.source.contigs}
        for file in self._files:
            declared = set(file.source.contigs)
            if not file.has_targets and declared and targets and not declared & targets:
                raise self._no_shared_chromosome(file, list(file.source.contigs), list(targets))
        return lengths

    def _no_shared_chromosome(self, file: File, chroms: Sequence[str], targets: Sequence[str]) -> InputError:
        if set(chroms) & set(targets):
            return InputError("holds no record on the targets' chromosomes", path=file.path)
        return InputError(
            f"shares no chromosome with the targets: it has {', '.join(sorted(chroms)[:3])}, "
            f"they have {', '.join(sorted(targets)[:3])}",
            path=file.path,
            hint="chromosome names must agree",
        )

    # --- what was found ---------------------------------------------------------------------

    def names(self, role: str) -> list[tuple[str, str]]:
        """Return (sample, haplotype) of the columns of one group; haplotypes are 1 and 2."""
        return [(name, h) for name in getattr(self, role) for h in ("1", "2")]

    def paths(self) -> list[str]:
        """Return the files that are read, in the order in which they were given."""
        return [file.path for file in self._all_files]

    def warnings(self) -> list[str]:
        """Return lines on what is unlikely to be what the user wants; complete when all blocks are read."""
        found = list(self._warnings)
        found += [line for file in self._files for line in getattr(file.source, "warnings", ())]
        if self._judged:
            n = {"target": len(self.target), "outgroup": len(self.outgroup), "archaic": len(self.archaic)}
            shares = {role: self._missing[role] / (2 * n[role] * self._judged) for role in self._roles()}
            if self.archaic:
                shares["archaic"] = self.counts.archaic_missing / self._judged
            merged = "was it merged without the reference (bcftools merge -0)? Give"
            hint = {
                "archaic": f"{merged} its own file: --archaic-vcf",
                "outgroup": f"{merged} its own file: --outgroup-vcf",
                "target": f"{merged} the files apart: --vcf A --vcf B",
            }
            for file in self._files:
                if not file.has_targets:
                    for part in file.parts:
                        hint[part.role] = f"does a position without a record mean the reference? --{part.role}-absent"
            found += [
                f"the {role} is missing at {100 * shares[role]:.0f} % of the sites: {hint[role]}"
                for role in shares
                if shares[role] > 0.5
            ]
        return list(dict.fromkeys(found))

    def left_out(self) -> list[str]:
        """Return lines on what was read, how, and what of it was left out and why."""
        counts = self.counts
        lines = [f"{counts.sites:,} sites in {counts.records:,} records"]
        several = len(self._files) > 1
        for file in self._files:
            name = f"{file.path}: " if several else ""
            told = file.source.counts
            items = [
                (told.not_snv, "records that are no single-base substitutions, left out"),
                (told.filtered, f"records with another FILTER than {' or '.join(self.filters)}, left out"),
                (told.odd_position, "records at position 0 or behind the end (telomeres), left out"),
                (told.merged, "records merged with another at the same position"),
                (told.low_quality, "calls below the least GQ or DP, taken as missing"),
                (told.unphased, "unphased heterozygotes, taken in the order in which they are written"),
                (file.differing, "positions with another REF than that of the targets, taken as missing"),
            ]
            lines += [f"{name}{number:,} {what}" for number, what in items if number]
        items = [
            (counts.uncalled, "sites that no target or no outgroup sample is called at: nothing is counted there"),
            (counts.archaic_missing, "sites that the archaic is missing at: nothing is counted there"),
            (counts.empty, f"bp in stretches of {EMPTY // 1000} kb or more without any site: nothing is counted there"),
        ]
        lines += [f"{number:,} {what}" for number, what in items if number]
        lines += [
            f"{file.path}: holds none of the named samples, not read" for file in self._all_files if not file.parts
        ]
        lines += self._how_read()
        return lines

    def _how_read(self) -> list[str]:
        """Say what a position without a record was taken for, where there was a choice."""
        lines = []
        several = len(self._files) > 1
        for file in self._files:
            roles = [part.role for part in file.parts if part.reference is False]
            if roles:
                lists = "lists invariant positions: " if any(p.auto for p in file.parts) else ""
                lines.append(
                    f"{file.path}: {lists}a position without a record is unknown in the {' and the '.join(roles)}"
                )
            elif several and file.chroms:
                lines.append(f"{file.path}: a position without a record has the reference")
        return lines

    # --- blocks -----------------------------------------------------------------------------

    def blocks(self, *, span: int, overlap: int, stretches: Sequence[Stretch] | None = None) -> Iterator[VariantBlock]:
        """Yield blocks of ``span`` bp, aligned to multiples of ``span``; the first and the last may be shorter.

        Parameters
        ----------
        span
            Length of a block in bp; affects memory use, not results.
        overlap
            Sites up to this many bp outside a block are included in it; at least the k of the tracks.
        stretches
            Stretches to read, sorted and disjoint on each chromosome; each is a run of blocks of its
            own. Without an end, a chromosome reaches from its first to its last record of the targets.
            None reads :attr:`chrom`, or else everything.

        Raises
        ------
        InputError
            A file is unsorted, truncated or not phased, or there is no usable site.
        """
        if stretches is None and self.chrom is not None:
            chosen = [self.chrom] if isinstance(self.chrom, str) else list(self.chrom)
            stretches = [Stretch(name) for name in chosen]
        order = {name: i for i, name in enumerate(self._declared)}
        wanted = self._wanted(stretches, order)
        for file in self._files:
            settings = [
                CallSettings(
                    self.filters,
                    self.min_gq if part.role == "archaic" else 0,
                    self.min_dp if part.role == "archaic" else 0,
                    self.allow_unphased,
                    part.role == "target",
                )
                for part in file.parts
                for _ in range((part.own.stop - part.own.start) // 2)
            ]
            file.open(settings, self._padded(wanted, overlap))
        finished: dict[str, None] = {}
        while (chrom := self._next_chromosome(order, finished)) is not None:
            joined = [file for file in self._files if file.begin(chrom)]
            finished[chrom] = None
            if not any(file.has_targets for file in joined):
                for file in joined:
                    self._skip(file)
                continue
            self._check_chromosome(chrom, joined)
            runs = [Stretch(chrom)] if wanted is None else [s for s in wanted if s.chrom == chrom]
            yield from self._chromosome(chrom, joined, runs, span, overlap)
            for file in joined:
                self._skip(file)
            self._count()
        self._check_end(finished, wanted)

    def _wanted(self, stretches: Sequence[Stretch] | None, order: dict[str, int]) -> list[Stretch] | None:
        """Return the stretches by chromosome, in the order of the headers, or refuse what does not exist."""
        if stretches is None:
            return None
        for stretch in stretches:
            self.check_chromosome(stretch.chrom)
        check_stretches(stretches, self.lengths, path=self._files[0].path)
        return sorted(stretches, key=lambda s: (order.setdefault(s.chrom, len(order)), s.start))

    def check_chromosome(self, chrom: str) -> None:
        """Refuse a chromosome that no file of the targets declares.

        Raises
        ------
        InputError
            The headers name chromosomes, and this is none of them.
        """
        targets = {name for file in self._files if file.has_targets for name in file.source.contigs}
        if targets and chrom not in targets:
            shown = ", ".join([name for name in self._declared if name in targets][:3])
            raise InputError(f"has no chromosome {chrom}", path=self._files[0].path, hint=f"its header names {shown}")

    def _padded(self, wanted: Sequence[Stretch] | None, overlap: int) -> list[Stretch] | None:
        """Return what is to be read for stretches: with the overlap on either side, merged."""
        if wanted is None:
            return None
        padded: list[Stretch] = []
        for chrom, start, end in wanted:
            high = None if end is None else min(end + overlap, self.lengths.get(chrom, LAST_POSITION))
            padded.append(Stretch(chrom, max(start - overlap, 0), high))
        return merge_stretches(padded)

    def _next_chromosome(self, order: dict[str, int], finished: Collection[str]) -> str | None:
        heads: dict[str, File] = {}
        for file in self._files:
            if file.jumps and not file.has_targets:
                continue
            for name in file.heads():
                heads.setdefault(name, file)
        if not heads:
            return None
        chrom = min(heads, key=lambda name: order.setdefault(name, len(order)))
        for name, file in heads.items():
            if name in finished:
                raise InputError(
                    f"has chromosome {name} at another place than the files before it",
                    path=file.path,
                    hint="all files need the same order of chromosomes, or an index (bcftools sort, bcftools index)",
                )
        return chrom

    def _skip(self, file: File) -> None:
        while not file.done:
            file.pull()
            file.chunks = []

    def _check_chromosome(self, chrom: str, joined: Sequence[File]) -> None:
        """Refuse a sample that two files have here, and say whom none has."""
        for role in self._roles():
            names = getattr(self, role)
            holder: dict[int, File] = {}
            for file in joined:
                for part in file.parts:
                    if part.role != role:
                        continue
                    for column in part.columns[::2].tolist():
                        if column in holder:
                            raise InputError(
                                f"holds the sample {names[column // 2]} on {chrom}, and so does {holder[column].path}",
                                path=file.path,
                                hint="a sample may be in several files only if they hold different chromosomes",
                            )
                        holder[column] = file
            lost = [name for i, name in enumerate(names) if 2 * i not in holder]
            if len(lost) == len(names):
                self._warnings.append(f"no file of the {role} has {chrom}: nothing can be called there")
            elif lost:
                shown = ", ".join(lost[:3]) + (" ..." if len(lost) > 3 else "")
                self._warnings.append(f"no file has {shown} on {chrom}: {len(lost)} {role} samples are unknown there")

    # --- one chromosome ---------------------------------------------------------------------

    def _chromosome(
        self, chrom: str, files: Sequence[File], runs: Sequence[Stretch], span: int, overlap: int
    ) -> Iterator[VariantBlock]:
        length = self.lengths.get(chrom)
        for file in files:
            while (file.absent is None or not file.decided) and not file.done:
                file.pull()
        for run in runs:
            whole = run.end is None
            begin, stop = run.start, FAR if run.end is None else run.end
            if whole:
                # Nothing is known before the first record of the targets, nor behind the last one.
                firsts = [file.first for file in files if file.has_targets and file.first is not None]
                if not firsts:
                    continue
                begin = max(begin, min(firsts))
            start = begin // span * span
            last, is_first = False, True
            while not last:
                end = min(start + span, stop)
                extent = self._fill(files, end, overlap, whole)
                if whole:
                    last = extent <= end
                    end = max(extent, begin + 1) if last else end
                    if length is None and all(file.done for file in files if file.has_targets):
                        length = max(extent, begin + 1)
                else:
                    last = end == stop
                yield self._block(chrom, files, max(start, begin), end, overlap, length, last, is_first=is_first)
                is_first = False
                for file in files:
                    file.forget(end - overlap)
                start = end

    def _fill(self, files: Sequence[File], end: int, overlap: int, whole: bool) -> int:
        """Read on until everything up to ``end + overlap`` is there; return how far the targets reach."""
        while True:
            extent = max((file.extent for file in files if file.has_targets), default=0)
            waiting = [file for file in files if not file.done]
            behind = [file for file in waiting if file.frontier < end + overlap]
            if not behind and whole and extent < end + overlap:
                # It may be the last block, or one whose k-mers reach to the end of the chromosome.
                behind = [file for file in waiting if file.has_targets]
            if not behind:
                return extent
            min(behind, key=lambda file: file.frontier).pull()

    def _block(
        self,
        chrom: str,
        files: Sequence[File],
        begin: int,
        end: int,
        overlap: int,
        length: int | None,
        last: bool,
        *,
        is_first: bool,
    ) -> VariantBlock:
        low, high = begin - overlap, end + overlap
        windows = [file.window(low, high) for file in files]
        known = [file.known(low, high) for file in files]
        positions = windows[0][0] if len(files) == 1 else np.unique(np.concatenate([w[0] for w in windows]))
        places = [np.searchsorted(positions, w[0]) for w in windows]
        reference = np.full(len(positions), UNKNOWN, dtype=np.int8)
        order = sorted(range(len(files)), key=lambda i: not files[i].has_targets)
        for i in reversed(order):
            reference[places[i]] = windows[i][1]
        self._compare(files, windows, known, places, reference, positions, begin, end)
        alleles = {role: self._role(role, files, windows, known, places, reference, positions) for role in ROLES}
        verdict = np.zeros(len(positions), dtype=np.uint8)
        missing = np.zeros((len(positions), 3), dtype=np.int64)
        _judge(alleles["target"], alleles["outgroup"], alleles["archaic"], verdict, missing)
        varies = (verdict & _VARIES) != 0
        nobody = (verdict & (_NO_TARGET | _NO_OUTGROUP | _NO_ARCHAIC)) != 0
        kept = varies | (((verdict & _PARTLY) != 0) & ~nobody)
        blank = positions[~varies & nobody]
        for role in ("target", "outgroup"):
            # A haplotype may begin or end to exist where nobody varies.
            without = alleles[role] == ABSENT
            before = self._absent_before(role, files)
            if before.any() or without.any():
                kept |= (without != np.concatenate([before[None], without])[:-1]).any(axis=1)
                kept[:1] |= is_first
        self._tally(verdict, missing, kept, (positions >= begin) & (positions < end))
        edge = high if length is None else min(high, length)
        dark = [of_positions(blank), *(self._dark(role, files, windows, known, low, edge) for role in self._roles())]
        dark.append(empty := self._empty(files, positions, known, low, edge))
        self.counts.empty += int(np.maximum(np.minimum(empty[:, 1], end) - np.maximum(empty[:, 0], begin), 0).sum())
        if not kept.all():
            positions, reference = positions[kept], reference[kept]
            alleles = {role: a[kept] for role, a in alleles.items()}
        return VariantBlock(
            chrom,
            positions,
            alleles["target"],
            alleles["outgroup"],
            alleles["archaic"],
            begin,
            end,
            length,
            last,
            [(int(a), int(b)) for a, b in merged(np.concatenate(dark)).tolist()],
            reference,
        )

    def _absent_before(self, role: str, files: Sequence[File]) -> np.ndarray:
        """Return which haplotypes of a role do not exist before the rows that are held."""
        absent = np.zeros(2 * len(getattr(self, role)), dtype=bool)
        for file in files:
            for part in file.parts:
                if part.role == role and file.absent is not None:
                    absent[part.columns[1::2]] = file.absent[part.own.start // 2 : part.own.stop // 2]
        return absent

    def _compare(
        self,
        files: Sequence[File],
        windows: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]],
        known: Sequence[np.ndarray],
        places: Sequence[np.ndarray],
        reference: np.ndarray,
        positions: np.ndarray,
        begin: int,
        end: int,
    ) -> None:
        """Count where files have the positions of the targets, and where they have another REF there."""
        if len(files) == 1:
            return
        inner = (positions >= begin) & (positions < end)
        of_targets = np.zeros(len(positions), dtype=bool)
        for file, place in zip(files, places, strict=True):
            if file.has_targets:
                of_targets[place] = True
        first = next(file for file in files if file.has_targets)
        n_targets = int((of_targets & inner).sum())
        for file, window, stretches, place in zip(files, windows, known, places, strict=True):
            differs = (window[1] != reference[place]) & inner[place]
            self_shared = of_targets[place] & inner[place]
            if file is not first:
                file.shared += int(self_shared.sum())
                file.differing += int(differs.sum())
                if differs.any() and file.differs_at is None:
                    at = int(np.argmax(differs))
                    file.differs_at = f"{file.chrom}:{window[0][at] + 1}"
                self._check_reference(file, _SHARED)
            if not file.has_targets:
                file.targets_seen += n_targets
                stated = covered(stretches, positions)
                stated[place] = True
                file.covered += int((stated & of_targets & inner).sum())

    def _check_reference(self, file: File, least: int) -> None:
        if file.shared >= least and file.differing > _MOST_DIFFERING * file.shared:
            raise InputError(
                f"REF differs from that of the targets at {file.differing} of {file.shared} shared positions",
                path=file.path,
                record=file.differs_at,
                hint="is it of another build of the genome?",
            )

    def _role(
        self,
        role: Role,
        files: Sequence[File],
        windows: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]],
        known: Sequence[np.ndarray],
        places: Sequence[np.ndarray],
        reference: np.ndarray,
        positions: np.ndarray,
    ) -> np.ndarray:
        """Return the alleles of one role at all positions."""
        n = len(positions)
        width = 2 * len(getattr(self, role))
        alone = [(i, part) for i, file in enumerate(files) for part in file.parts if part.role == role]
        if len(alone) == 1 and len(alone[0][1].columns) == width and len(places[alone[0][0]]) == n:
            i, part = alone[0]
            own = windows[i][2][:, part.own]
            differs = windows[i][1] != reference
            return _hidden(own, differs) if differs.any() else np.ascontiguousarray(own)
        found = np.full((n, width), UNKNOWN, dtype=np.int8)
        for i, part in alone:
            place, own = places[i], windows[i][2][:, part.own]
            columns = slice(part.columns[0], part.columns[-1] + 1) if part.all_columns else part.columns
            fill = np.where(part.reference or covered(known[i], positions), reference, np.int8(UNKNOWN))
            whole = np.repeat(fill[:, None], len(part.columns), axis=1)
            self._mark_absent(files[i], part, windows[i], positions, whole)
            differs = windows[i][1] != reference[place]
            whole[place] = _hidden(own, differs) if differs.any() else own
            found[:, columns] = whole
        return found

    def _mark_absent(
        self,
        file: File,
        part: Part,
        window: tuple[np.ndarray, np.ndarray, np.ndarray],
        positions: np.ndarray,
        filled: np.ndarray,
    ) -> None:
        """Mark haplotypes that do not exist where the file has no record: as at its site before, or its first."""
        if file.absent is None:
            return
        own = slice(part.own.start // 2, part.own.stop // 2)
        states = np.concatenate([file.absent[None, own], window[2][:, part.own][:, 1::2] == ABSENT])
        if states.any():
            at = np.searchsorted(window[0], positions, side="right")
            filled[:, 1::2][states[at]] = ABSENT

    def _dark(
        self,
        role: Role,
        files: Sequence[File],
        windows: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]],
        known: Sequence[np.ndarray],
        low: int,
        high: int,
    ) -> np.ndarray:
        """Return the stretches of [low, high) in which no file knows anything of a role."""
        low = max(low, 0)
        stated = [np.empty((0, 2), dtype=np.int64)]
        for i, file in enumerate(files):
            for part in file.parts:
                if part.role == role:
                    if part.reference is not False:
                        return np.empty((0, 2), dtype=np.int64)
                    stated += [known[i], of_positions(windows[i][0])]
        return gaps(merged(np.concatenate(stated)), low, high)

    def _empty(
        self, files: Sequence[File], positions: np.ndarray, known: Sequence[np.ndarray], low: int, high: int
    ) -> np.ndarray:
        """Return the stretches of [low, high) that are too long for nobody to vary there, where nothing says so."""
        told = [part.reference for file in files for part in file.parts if part.role != "archaic" and part.auto]
        n_told = sum(part.role != "archaic" for file in files for part in file.parts)
        if not told or len(told) < n_told or not all(told):
            return np.empty((0, 2), dtype=np.int64)
        found = gaps(merged(np.concatenate([of_positions(positions), *known])), max(low, 0), high)
        return found[found[:, 1] - found[:, 0] >= EMPTY]

    def _tally(self, verdict: np.ndarray, missing: np.ndarray, kept: np.ndarray, inner: np.ndarray) -> None:
        counted = verdict[kept & inner]
        uncalled = (counted & (_NO_TARGET | _NO_OUTGROUP)) != 0
        self.counts.sites += int((~uncalled).sum())
        self.counts.uncalled += int(uncalled.sum())
        self.counts.archaic_missing += int(((counted & _NO_ARCHAIC) != 0).sum())
        self._judged += len(counted)
        for role, n in zip(ROLES, missing[kept & inner].sum(axis=0).tolist(), strict=True):
            self._missing[role] += n

    def _count(self) -> None:
        told = [file.source.counts for file in self._files]
        for name in ("records", "not_snv", "filtered", "merged", "low_quality", "odd_position", "unphased"):
            setattr(self.counts, name, sum(getattr(counts, name) for counts in told))
        self.counts.other_ref = sum(file.differing for file in self._files)

    # --- the end ----------------------------------------------------------------------------

    def _check_end(self, finished: Collection[str], wanted: Sequence[Stretch] | None) -> None:
        self._count()
        scanned = {chrom for file in self._files if file.has_targets for chrom in file.chroms}
        if wanted is not None:
            for chrom in dict.fromkeys(s.chrom for s in wanted):
                if chrom not in scanned and scanned:
                    self._warnings.append(f"no target has a record on {chrom} where it was asked for: not scanned")
        if scanned:
            for role in self._roles()[1:]:
                holders = [file for file in self._files if role in file.roles]
                if not any(set(file.chroms) & scanned for file in holders):
                    chroms = [chrom for file in holders for chrom in file.chroms or file.source.contigs]
                    raise self._no_shared_chromosome(holders[0], chroms, list(scanned))
        for file in self._files:
            if file.targets_seen and not file.covered:
                reason = f"has none of the {file.targets_seen} sites of the targets"
                if wanted is None:
                    raise InputError(reason, path=file.path, hint="is it of another build of the genome?")
                self._warnings.append(f"{file.path}: {reason} in the regions asked for")
            if 2 * file.differing > file.shared:
                self._check_reference(file, 1)
        if not self.counts.sites:
            detail = ""
            if wanted is not None:
                names = list(dict.fromkeys(s.chrom for s in wanted))
                detail = f" on chromosome {names[0]}" if len(names) == 1 else " in the regions"
            present = ", ".join(self.contigs[:3])
            raise InputError(
                f"has no usable site{detail} ({self.counts.records} records read)",
                path=self._files[0].path,
                hint=f"its header names {present}" if wanted is not None and present else None,
            )


def opened(files: Files) -> list[Source]:
    """Open what is not open yet: one path or source, or several."""
    several = [files] if isinstance(files, str | os.PathLike) or not isinstance(files, Sequence) else files
    return [open_source(file) if isinstance(file, str | os.PathLike) else file for file in several]


def _hidden(alleles: np.ndarray, sites: np.ndarray) -> np.ndarray:
    """Return a copy of alleles that is unknown at some sites."""
    found: np.ndarray = alleles.copy()
    found[sites[:, None] & (alleles != ABSENT)] = UNKNOWN
    return found
