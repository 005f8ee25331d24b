"""One of several files that are joined: its rows on one chromosome, as far as they are needed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from genolstm.errors import InputError
from genolstm.introgression.variants.block import ABSENT, FAR, CallSettings, SiteRows, Source, Stretch

Role = Literal["target", "outgroup", "archaic"]
ROLES: tuple[Role, ...] = ("target", "outgroup", "archaic")
#: Sites that are looked at to tell whether a file states what lies between them.
_LOOK = 20


@dataclass
class Part:
    """The samples of one role in one file: where they stand in the role's columns, and in the file's."""

    role: Role
    columns: np.ndarray
    own: slice
    auto: bool = True  # whether the file is to tell what a position without a record means
    reference: bool | None = None  # whether it means the reference; None until that is decided

    @property
    def all_columns(self) -> bool:
        return bool((np.diff(self.columns) == 1).all())


_NO_ROWS = SiteRows("", np.empty(0, np.int64), np.empty(0, np.int8), np.empty((0, 0), np.int8))


class File:
    """One file, and its rows on the chromosome that is being joined."""

    def __init__(self, source: Source, samples: Mapping[Role, Sequence[str]]) -> None:
        self.source = source
        self.path = source.path
        self.parts: list[Part] = []
        self.samples: list[str] = []
        inside = set(source.samples)
        for role in ROLES:
            found = [i for i, name in enumerate(samples.get(role, ())) if name in inside]
            if not found:
                continue
            columns = np.array([2 * i + h for i in found for h in (0, 1)], dtype=np.int64)
            begin = 2 * len(self.samples)
            self.samples += [samples[role][i] for i in found]
            self.parts.append(Part(role, columns, slice(begin, 2 * len(self.samples))))
        self.roles = [part.role for part in self.parts]
        self.has_targets = "target" in self.roles
        self.shared = self.covered = self.differing = self.targets_seen = 0
        self.differs_at: str | None = None
        self.chroms: list[str] = []
        self.decided = False
        self._looked = self._flanked = 0
        self._iterator: Iterator[SiteRows] | None = None
        self._peeked: SiteRows | None = None
        self._ended = False
        self._todo: list[str] | None = None

    # --- chromosomes ------------------------------------------------------------------------

    def open(self, settings: Sequence[CallSettings], stretches: Sequence[Stretch] | None) -> None:
        """Prepare to read; files with an index are asked for one chromosome after another if they can be."""
        self._settings = settings
        self._stretches = stretches
        indexed = getattr(self.source, "indexed", None)
        if stretches is not None or not self.has_targets:
            names = indexed() if indexed is not None else None
            if names is not None:
                wanted = None if stretches is None else {stretch.chrom for stretch in stretches}
                self._todo = [name for name in names if wanted is None or name in wanted]

    @property
    def jumps(self) -> bool:
        """Whether its chromosomes can be read in any order."""
        return self._todo is not None

    def heads(self) -> list[str]:
        """Return the chromosomes that can be read next: one, none at the end, or all if there is an index."""
        if self._todo is not None:
            return self._todo
        if self._iterator is None and self._stretches is None:
            first = getattr(self.source, "first_chrom", None)
            if first is not None and not self._ended:
                return [first]
        self._peek()
        return [] if self._peeked is None else [self._peeked.chrom]

    def _peek(self) -> None:
        if self._iterator is None and not self._ended:
            self._iterator = self.source.read(self.samples, self._settings, self._stretches)
        if self._peeked is None and self._iterator is not None:
            self._peeked = next(self._iterator, None)
            if self._peeked is None:
                self._iterator, self._ended = None, True

    def begin(self, chrom: str) -> bool:
        """Begin a chromosome, and return whether the file has it."""
        if chrom not in self.heads():
            return False
        if self._todo is not None:
            self._todo.remove(chrom)
            here = [s for s in self._stretches or [Stretch(chrom)] if s.chrom == chrom]
            self._iterator, self._peeked = self.source.read(self.samples, self._settings, here), None
        self.chrom = chrom
        self.chroms.append(chrom)
        self.chunks: list[SiteRows] = []
        self.frontier = 0
        self.done = False
        self.first: int | None = None
        self.extent = 0
        self.n_rows = 0
        self.absent: np.ndarray | None = None
        return True

    def pull(self) -> None:
        """Take the next rows of the chromosome, or find that there are none."""
        self._peek()
        rows = self._peeked
        if rows is None or rows.chrom != self.chrom:
            self.done, self.frontier = True, FAR
            if not self.decided:
                self._decide(_NO_ROWS)
            return
        self._peeked = None
        starts = [s.start for s in self._stretches or () if s.chrom == self.chrom and s.start >= rows.end]
        self.frontier = max(min(starts, default=FAR) if rows.last else rows.end, self.frontier)
        self.done = rows.last and not starts
        if not self.decided:
            self._decide(rows)
        elif len(rows.known):
            self._check_decision(rows)
        if not len(rows.positions) and not len(rows.known):
            return
        places = [int(rows.positions[0])] if len(rows.positions) else []
        ends = [int(rows.positions[-1]) + 1] if len(rows.positions) else []
        if len(rows.known):
            places.append(int(rows.known[0, 0]))
            ends.append(int(rows.known[-1, 1]))
        if self.first is None:
            self.first = min(places)
        self.extent = max(self.extent, *ends)
        if self.absent is None and len(rows.positions):
            self.absent = rows.alleles[0, 1::2] == ABSENT
        self.n_rows += len(rows.positions)
        self.chunks.append(rows)

    # --- positions without a record ---------------------------------------------------------

    def _decide(self, rows: SiteRows) -> None:
        """Decide what a position without a record means, where that is left to the file.

        A file that lists all positions states one beside nearly every site; one that lists variant
        sites states few, even if some of its sites do not vary among the chosen samples.
        """
        self._looked += len(rows.positions)
        self._flanked += int(_flanked(rows).sum())
        if self.source.all_sites and self._looked < _LOOK and not self.done:
            return
        self.decided = True
        lists = bool(self.source.all_sites) and 2 * self._flanked >= self._looked
        for part in self.parts:
            if part.auto:
                part.reference = not lists

    def _check_decision(self, rows: SiteRows) -> None:
        if self.source.all_sites or len(rows.positions) < _LOOK or _flanked(rows).mean() < 0.5:
            return
        part = next((part for part in self.parts if part.auto and part.reference), None)
        if part is not None:
            raise InputError(
                "began as a file of variant sites only, and lists invariant ones from here on",
                path=self.path,
                record=f"{rows.chrom}:{rows.known[0, 0] + 1}",
                hint=f"say what a position without a record means: --{part.role}-absent missing or reference",
            )

    # --- rows -------------------------------------------------------------------------------

    def window(self, low: int, high: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return positions, reference and alleles of the rows in [low, high)."""
        found = []
        for rows in self.chunks:
            a, b = np.searchsorted(rows.positions, [low, high])
            if b > a:
                found.append((rows.positions[a:b], rows.reference[a:b], rows.alleles[a:b]))
        if len(found) == 1:
            return found[0]
        if not found:
            width = 2 * len(self.samples)
            return np.empty(0, np.int64), np.empty(0, np.int8), np.empty((0, width), np.int8)
        positions, reference, alleles = zip(*found, strict=True)
        return np.concatenate(positions), np.concatenate(reference), np.concatenate(alleles)

    def known(self, low: int, high: int) -> np.ndarray:
        """Return the stretches of [low, high) in which everybody is stated to have the reference."""
        found = [rows.known[(rows.known[:, 1] > low) & (rows.known[:, 0] < high)] for rows in self.chunks]
        return merged(np.concatenate(found)) if found else np.empty((0, 2), np.int64)

    def forget(self, low: int) -> None:
        """Drop what lies before ``low``, but keep in mind which haplotypes do not exist there."""
        kept: list[SiteRows] = []
        for rows in self.chunks:
            a = int(np.searchsorted(rows.positions, low))
            if a:
                self.absent = rows.alleles[a - 1, 1::2] == ABSENT
            known = rows.known[rows.known[:, 1] > low]
            if a == len(rows.positions) and not len(known):
                continue
            if a == len(rows.positions):
                rows = SiteRows(
                    rows.chrom,
                    rows.positions[:0],
                    rows.reference[:0],
                    rows.alleles[:0].copy(),
                    known,
                    rows.end,
                    rows.last,
                )
            kept.append(rows)
        self.chunks = kept


def _flanked(rows: SiteRows) -> np.ndarray:
    """Return at which sites an invariant position is stated right before or behind."""
    return covered(rows.known, rows.positions - 1) | covered(rows.known, rows.positions + 1)


def covered(stretches: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Return which positions lie in sorted, disjoint stretches."""
    if not len(stretches):
        return np.zeros(len(positions), dtype=bool)
    at = np.searchsorted(stretches[:, 0], positions, side="right") - 1
    return (at >= 0) & (positions < stretches[np.maximum(at, 0), 1])


def merged(stretches: np.ndarray) -> np.ndarray:
    """Sort stretches, and merge those that overlap or touch."""
    if len(stretches) < 2:
        return stretches
    stretches = stretches[np.argsort(stretches[:, 0], kind="stable")]
    reach = np.maximum.accumulate(stretches[:, 1])
    begins = np.concatenate([[True], stretches[1:, 0] > reach[:-1]])
    ends = np.concatenate([np.flatnonzero(begins)[1:] - 1, [len(stretches) - 1]])
    return np.stack([stretches[begins, 0], reach[ends]], axis=1)


def gaps(stretches: np.ndarray, low: int, high: int) -> np.ndarray:
    """Return what sorted, disjoint stretches leave of [low, high)."""
    starts = np.concatenate([[low], np.clip(stretches[:, 1], low, high)])
    ends = np.concatenate([np.clip(stretches[:, 0], low, high), [high]])
    inside = ends > starts
    return np.stack([starts[inside], ends[inside]], axis=1)


def of_positions(positions: np.ndarray) -> np.ndarray:
    return np.stack([positions, positions + 1], axis=1)
