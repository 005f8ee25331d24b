"""Building a k-mer panel, haplotype by haplotype or from raw reads."""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from genolstm.errors import PanelError, SettingError
from genolstm.files import PathLike
from genolstm.sequences.alphabet import Codes
from genolstm.sequences.panel import kernels
from genolstm.sequences.panel import walk as panel_walk
from genolstm.sequences.panel.panel import KmerPanel
from genolstm.sequences.panel.pieces import Packed, PieceStore, cut
from genolstm.sequences.panel.scratch import Scratch
from genolstm.sequences.panel.sections import Sections, SectionWriter, Strings
from genolstm.sequences.panel.settings import MAX_K
from genolstm.sequences.panel.shards import ShardedCounter, at_least

# Haplotypes that fit into counts of 8 bits.
_FEW = 255
# Share of the hash table's slots that may be in use, as a fraction, and by how much it grows.
_LOAD = (3, 5)
_GROWTH = (3, 2)
_SMALLEST_TABLE = 1 << 12
# A table that grows is moved in so many steps, and gives its memory back step by step.
_STEPS = 16
# Bytes of an array that are held in memory before it goes to a file, if memory is limited.
_KEEP = 1 << 24


def _minimizer_length(k: int, kmers: int) -> int:
    """Return m: long enough for an m-mer to be rare among the k-mers, short enough to be shared by many."""
    wanted = math.ceil(math.log(max(kmers, 1), 4)) + 3
    m = min(k, (k + 1) // 2 + 3, max(wanted, 9))
    # An odd m-mer is never its own reverse complement.
    return m if m % 2 or m == 1 else m - 1


class PanelBuilder:
    """Collects the k-mers of haplotypes that are added one after another.

    Parameters
    ----------
    k
        Length of the k-mers, 1 to 31.
    occurrences
        Count occurrences instead of haplotypes (for raw reads).
    memory
        Bytes of memory to use at most. What does not fit is counted in shards, which lie in
        temporary files (about 1.5 bytes per base of the input). None: everything is in memory.
    threads
        Number of shards that may be counted at the same time.
    folder
        Where the temporary files go; None is the system's folder for such files.

    Notes
    -----
    In memory, about 5 bytes per distinct k-mer, however many haplotypes carry it. The panel is the
    same, byte for byte, whatever the memory and the number of threads.
    """

    def __init__(
        self,
        k: int = 31,
        *,
        occurrences: bool = False,
        memory: int | None = None,
        threads: int = 1,
        folder: PathLike | None = None,
    ) -> None:
        if not 1 <= k <= MAX_K:
            raise SettingError(f"k must lie between 1 and {MAX_K}, not {k}")
        self.k = k
        self.occurrences = occurrences
        self.n_haplotypes = 0
        self.bases: list[int] = []
        self.unknown: list[int] = []
        self._memory, self._threads, self._folder = memory, threads, folder
        self._known: _InMemory | None = _InMemory(k, every=occurrences, memory=memory)
        # What was added, in case that it has to be gone through again.
        self._pieces = None if memory is None else PieceStore(self._scratch())
        self._shards: ShardedCounter | None = None

    def _scratch(self) -> Scratch:
        return Scratch(self._folder, None if self._memory is None else min(_KEEP, self._memory // 32))

    def add_haplotype(self, sequences: Iterable[Codes]) -> None:
        """Add one haplotype, given as one or many contigs of codes (uint8, shape (bases,)).

        A k-mer counts once, however often and on whichever strand the haplotype carries it.
        """
        self.add_blocks((codes,) for codes in sequences)

    def add_blocks(self, contigs: Iterable[Iterable[Codes]]) -> None:
        """Add one haplotype whose contigs are each given as consecutive blocks of codes."""
        haplotype = self.n_haplotypes
        self.n_haplotypes += 1
        self.bases.append(0)
        self.unknown.append(0)
        if self._known is not None:
            self._known.begin(self.n_haplotypes)
        for codes in cut(map(self._tally, contigs), self.k):
            self._add((*kernels.packed(codes), codes.size), haplotype)

    def _tally(self, blocks: Iterable[Codes]) -> Iterator[Codes]:
        for codes in blocks:
            self.bases[-1] += codes.size
            self.unknown[-1] += int(np.count_nonzero(codes > 3))
            yield codes

    def _add(self, piece: Packed, haplotype: int) -> None:
        if self._pieces is not None:
            self._pieces.add(piece, haplotype)
        if self._known is not None:
            if self._memory is None or self._known.needed(piece[2]) <= self._memory:
                self._known.add(piece)
                return
            # What was counted so far is counted again in shards.
            assert self._pieces is not None
            self._known = None
            self._shards = ShardedCounter(
                self.k, every=self.occurrences, memory=self._memory, threads=self._threads, scratch=self._scratch
            )
            for earlier, number in zip(self._pieces, self._pieces.haplotypes, strict=True):
                self._shards.add(earlier, number)
            return
        assert self._shards is not None
        self._shards.add(piece, haplotype)

    def _count(self, minimum: int) -> int:
        """End the counting; return how many k-mers reach ``minimum``."""
        if self._shards is not None:
            return self._shards.kept(minimum)
        assert self._known is not None
        self._known.close()
        return self._known.kept(minimum)

    def _strings(self, minimum: int) -> Iterator[Strings]:
        """Yield the k-mers that reach ``minimum`` as strings, chunk by chunk, in the order of the input."""
        strings = Strings()
        for (words, _, n), counts in self._counted():
            start = 0
            while (start := strings.emit(words, counts, start, n, self.k, minimum)) < n:
                yield strings
        yield strings

    def _counted(self) -> Iterator[tuple[Packed, npt.NDArray[Any]]]:
        if self._shards is not None:
            assert self._pieces is not None
            return self._shards.collect(iter(self._pieces))
        assert self._known is not None
        return iter([self._known.counted()])

    def strings(self, minimum: int) -> Iterator[Codes]:
        """Yield strings, as codes, that hold each k-mer seen at least ``minimum`` times exactly once.

        Nothing can be added afterwards.
        """
        self._count(minimum)
        shifts = np.arange(62, -1, -2, dtype=np.uint64)
        for strings in self._strings(minimum):
            words = strings.words[: (strings.end >> 5) + 1]
            codes = ((words[:, None] >> shifts) & np.uint64(3)).astype(np.uint8).ravel()
            inside = strings.counts[strings.begin : strings.end] > 0
            edges = np.flatnonzero(np.diff(inside, prepend=False, append=False)) + strings.begin
            for start, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
                yield codes[start : end + self.k - 1]
            strings.renew()

    def finish(
        self, *, names: Sequence[str] = (), min_count: int = 1, provenance: Mapping[str, Any] | None = None
    ) -> KmerPanel:
        """Return the panel, ready for look-ups or to be saved; the builder is then used up.

        Parameters
        ----------
        names
            Names of the haplotypes in the order in which they were added.
        min_count
            Recorded; if occurrences were counted, k-mers seen less often are also dropped, and the
            rest get count 1: the reads are one individual.
        provenance
            JSON-ready account of how the panel was made; leave out time stamps if the same input
            should give the same file.

        Raises
        ------
        PanelError
            No k-mer is left.
        OutputError
            The temporary files cannot be written.
        """
        minimum = min_count if self.occurrences else 1
        n_kmers = self._count(minimum)
        if not n_kmers:
            raise PanelError(
                f"no {self.k}-mer is left to build a panel from",
                hint=f"is every k-mer rarer than {min_count}?"
                if min_count > 1
                else "do all sequences consist of unknown bases?",
            )
        sections = self._written(n_kmers, minimum)
        return KmerPanel(
            k=self.k,
            m=sections.m,
            n_haplotypes=self.n_haplotypes,
            n_kmers=sections.n_kmers,
            n_strings=sections.n_strings,
            n_bases=sections.n_bases,
            min_count=min_count,
            place_bits=sections.place_bits,
            width=sections.width,
            names=tuple(names),
            provenance=dict(provenance or {}),
            arrays=sections.arrays,
            bases=tuple(self.bases),
            unknown=tuple(self.unknown),
        )

    def _written(self, n_kmers: int, minimum: int) -> Sections:
        m = _minimizer_length(self.k, n_kmers)
        writer = SectionWriter(self.k, m, n_kmers, once=self.occurrences, scratch=self._scratch)
        strings = Strings()
        for strings in self._strings(minimum):
            writer.add(strings)
        self._known = self._shards = self._pieces = None
        return writer.close(strings)


class _InMemory:
    """Strings of all k-mers so far, with their counts, and a hash table of minimizers.

    Parameters
    ----------
    memory
        Bytes there may be; then the address space for the strings is set aside at once, so that they
        never move. Pages take memory only when they are written to.
    """

    def __init__(self, k: int, *, every: bool, memory: int | None) -> None:
        self.k, self.every, self.memory = k, every, memory
        self._m = _minimizer_length(k, 4**14)
        self._state = np.zeros(4, dtype=np.int64)
        self._pages: mmap.mmap | None = None
        self._table = np.zeros(_SMALLEST_TABLE, dtype=np.uint64)
        self._links = np.zeros(_links(_SMALLEST_TABLE), dtype=np.uint64)
        self._words = np.zeros(2, dtype=np.uint64)
        self._exists = np.zeros(1, dtype=np.uint32)
        self._seen = np.zeros(1, dtype=np.uint32)
        self._counts: npt.NDArray[Any] = np.zeros(0, dtype=np.uint16 if every else np.uint8)

    @property
    def n_bases(self) -> int:
        """Number of bases in the strings."""
        return int(self._state[kernels.N_BASES])

    def begin(self, number: int) -> None:
        """Begin a haplotype, counted from 1."""
        self._seen[: (self.n_bases >> 5) + 1] = 0
        if number > _FEW and self._counts.itemsize == 1:
            counts = np.zeros(self._counts.size, dtype=np.uint16)
            counts[: self.n_bases] = self._counts[: self.n_bases]
            self._counts = counts

    def _room(self, piece: int) -> tuple[int, int]:
        """Return how many bases there may be after another piece, and the size that the table must have."""
        slots = (int(self._state[kernels.N_ENTRIES]) + 2 * piece + 4) * _LOAD[1] // _LOAD[0] + 1
        size = self._table.size
        if slots > size:
            size = max(slots, size * _GROWTH[0] // _GROWTH[1])
        return self.n_bases + self.k * piece + 1, size

    def needed(self, piece: int) -> int:
        """Return how many bytes it takes to add a piece of so many bases."""
        bases, size = self._room(piece)
        moved = self.n_bases * self._counts.itemsize if bases > self._counts.size else 0
        return bases // 2 + self._counts.itemsize * bases + moved + 8 * size + 8 * _links(size)

    def add(self, piece: Packed) -> None:
        """Add a piece of the haplotype."""
        bases, size = self._room(piece[2])
        if bases > self._counts.size:
            self._grow_strings(bases)
        if size > self._table.size:
            self._grow_table(size)
        panel_walk.walk(
            *piece,
            self.k,
            self._m,
            self.every,
            self._words,
            self._exists,
            self._seen,
            self._counts,
            kernels.MAX_COUNT if self._counts.itemsize > 1 else _FEW,
            self._table,
            self._links,
            self._state,
        )

    def _grow_strings(self, bases: int) -> None:
        wanted = [max(bases, self._counts.size * _GROWTH[0] // _GROWTH[1])]
        if self.memory is not None:
            wanted.insert(0, max(bases, self.memory // 2))
        for capacity in wanted:
            try:
                self._move_strings(capacity)
            except MemoryError:
                if capacity == wanted[-1]:
                    raise
            else:
                return

    def _move_strings(self, capacity: int) -> None:
        for name, length in (
            ("_words", (capacity >> 5) + 2),
            ("_exists", (capacity >> 5) + 1),
            ("_seen", (capacity >> 5) + 1),
            ("_counts", capacity),
        ):
            old = getattr(self, name)
            new = np.zeros(length, dtype=old.dtype)
            new[: old.size] = old
            setattr(self, name, new)

    def _grow_table(self, size: int) -> None:
        """Move the table step by step, each of which gives its part of the old one back."""
        old, pages = self._table, self._pages
        if hasattr(mmap, "MAP_PRIVATE"):
            self._pages = mmap.mmap(-1, 8 * size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            self._table = np.frombuffer(self._pages, dtype=np.uint64)
        else:
            self._table = np.zeros(size, dtype=np.uint64)
        self._links = np.zeros(_links(size), dtype=np.uint64)
        edges = [old.size * step // _STEPS // 512 * 512 for step in range(_STEPS)] + [old.size]
        for first, last in pairwise(edges):
            panel_walk.rehash(old, first, last, self._table, self._words, self.k, self._m)
            if pages is not None and last > first:
                pages.madvise(mmap.MADV_DONTNEED, 8 * first, 8 * (last - first))

    def close(self) -> None:
        """Give up all but the strings and counts."""
        self._table = self._links = np.zeros(0, dtype=np.uint64)
        self._seen = self._exists = np.zeros(0, dtype=np.uint32)
        self._pages = None

    def kept(self, minimum: int) -> int:
        """Return how many k-mers reach ``minimum``."""
        return at_least(self._counts[: self.n_bases], minimum)

    def counted(self) -> tuple[Packed, npt.NDArray[Any]]:
        """Return the strings as one piece, and the counts of their k-mers."""
        n = self.n_bases
        return (self._words, np.zeros(0, dtype=np.uint32), n), self._counts[:n]


def _links(slots: int) -> int:
    """Return how many links go with so many slots, a power of two."""
    return 1 << max(8, (slots // 4).bit_length() - 1)
