"""Building a k-mer panel, haplotype by haplotype or from raw reads."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from genolstm.errors import PanelError, SettingError
from genolstm.sequences.alphabet import UNKNOWN, Codes
from genolstm.sequences.panel import compact as panel_compact
from genolstm.sequences.panel import kernels
from genolstm.sequences.panel import walk as panel_walk
from genolstm.sequences.panel.panel import KmerPanel
from genolstm.sequences.panel.settings import MAX_K

# Short sequences are joined with an unknown base between them, so that one call walks many.
_BATCH = 1 << 20
# Mean number of entries per bucket of the index: more make the file smaller and look-ups slower.
_BUCKET = 6
_MIN_TAG_BITS = 4
_LONGEST_RUN = 1 << 15


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

    Notes
    -----
    Memory is about 8 bytes per distinct k-mer, however many haplotypes carry it.
    """

    def __init__(self, k: int = 31, *, occurrences: bool = False) -> None:
        if not 1 <= k <= MAX_K:
            raise SettingError(f"k must lie between 1 and {MAX_K}, not {k}")
        self.k = k
        self.occurrences = occurrences
        self.n_haplotypes = 0
        self._m = _minimizer_length(k, 4**14)
        self._state = np.zeros(4, dtype=np.int64)
        self._table = np.zeros(1 << 12, dtype=np.uint64)
        self._links = np.zeros(1 << 10, dtype=np.uint64)
        self._words = np.zeros(0, dtype=np.uint64)
        self._exists = np.zeros(0, dtype=np.uint32)
        self._seen = np.zeros(0, dtype=np.uint32)
        self._change = np.zeros(0, dtype=np.int32)
        self._grow_strings(1 << 14)

    @property
    def n_kmers(self) -> int:
        """Number of distinct canonical k-mers so far."""
        return int(self._state[kernels.N_KMERS])

    def add_haplotype(self, sequences: Iterable[Codes]) -> None:
        """Add one haplotype, given as one or many contigs of codes (uint8, shape (bases,)).

        A k-mer counts once, however often and on whichever strand the haplotype carries it.
        """
        self.n_haplotypes += 1
        self._seen[:] = 0
        for codes in _joined(sequences):
            self._walk(codes)

    def _walk(self, codes: Codes) -> None:
        query, unknown = kernels.packed(codes)
        start = 0
        while start < codes.size:
            start = panel_walk.walk(
                query,
                unknown,
                codes.size,
                start,
                self.k,
                self._m,
                self.occurrences,
                self._words,
                self._exists,
                self._seen,
                self._change,
                self._table,
                self._links,
                self._state,
            )
            if start < codes.size:
                self._make_room()

    def _make_room(self) -> None:
        if self._state[kernels.N_BASES] + self.k + 1 > self._change.size:
            self._grow_strings(2 * self._change.size)
        if 2 * (self._state[kernels.N_ENTRIES] + 4) > self._table.size:
            table = np.zeros(2 * self._table.size, dtype=np.uint64)
            panel_walk.rehash(self._table, table, self._words, self.k, self._m)
            self._table = table
            self._links = np.zeros(table.size // 4, dtype=np.uint64)

    def _grow_strings(self, capacity: int) -> None:
        capacity = max(capacity, 4 * self.k)
        for name, size in (
            ("_words", (capacity >> 5) + 2),
            ("_exists", (capacity >> 5) + 1),
            ("_seen", (capacity >> 5) + 1),
            ("_change", capacity),
        ):
            old = getattr(self, name)
            new = np.zeros(size, dtype=old.dtype)
            new[: old.size] = old
            setattr(self, name, new)

    def _compacted(self, minimum: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any], int, int]:
        """Rewrite the k-mers that reach ``minimum``; return words, counts, number of k-mers and of strings."""
        n_bases = int(self._state[kernels.N_BASES])
        count = np.minimum(np.cumsum(self._change[:n_bases], dtype=np.int64), kernels.MAX_COUNT)
        count = count.astype(np.uint16)
        kept = count >= minimum
        kmers = int(np.count_nonzero(kept))
        strings = int(np.count_nonzero(np.diff(kept, prepend=False) & kept))
        del kept
        capacity = kmers + (strings + 1) * self.k
        buffers = np.empty(kmers, dtype=np.uint8), np.empty(kmers, dtype=np.uint16)
        while True:
            words = np.zeros((capacity >> 5) + 2, dtype=np.uint64)
            counts = np.zeros(capacity, dtype=np.uint16)
            n, kmers, strings = panel_compact.compact(
                self.k,
                self._m,
                minimum,
                self._words,
                self._exists,
                count,
                n_bases,
                self._table,
                np.zeros(n_bases, dtype=np.uint8),
                *buffers,
                words,
                counts,
            )
            if n >= 0:
                return words[: (n >> 5) + 2].copy(), counts[:n], kmers, strings
            capacity *= 2

    def strings(self, minimum: int) -> Iterator[Codes]:
        """Yield strings, as codes, that hold each k-mer seen at least ``minimum`` times exactly once."""
        words, counts, _, _ = self._compacted(minimum)
        shifts = np.arange(62, -1, -2, dtype=np.uint64)
        codes = ((words[:, None] >> shifts) & np.uint64(3)).astype(np.uint8).ravel()
        edges = np.flatnonzero(np.diff(counts > 0, prepend=False, append=False))
        for start, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            yield codes[start : end + self.k - 1]

    def finish(
        self, *, names: Sequence[str] = (), min_count: int = 1, provenance: Mapping[str, Any] | None = None
    ) -> KmerPanel:
        """Return the panel, ready for look-ups in memory or to be saved.

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
        """
        minimum = min_count if self.occurrences else 1
        words, count, n_kmers, n_strings = self._compacted(minimum)
        if not n_kmers:
            raise PanelError(
                f"no {self.k}-mer is left to build a panel from",
                hint=f"is every k-mer rarer than {min_count}?"
                if min_count > 1
                else "do all sequences consist of unknown bases?",
            )
        if self.occurrences:
            np.minimum(count, 1, out=count)
        m = _minimizer_length(self.k, n_kmers)
        place_bits, width, directory, records = _index(words, count, self.k, m)
        run_start, run_count, run_index = _runs(count)
        return KmerPanel(
            k=self.k,
            m=m,
            n_haplotypes=self.n_haplotypes,
            n_kmers=n_kmers,
            n_strings=n_strings,
            n_bases=int(count.size),
            min_count=min_count,
            place_bits=place_bits,
            width=width,
            names=tuple(names),
            provenance=dict(provenance or {}),
            arrays={
                "words": words,
                "directory": directory,
                "records": records,
                "run_start": run_start,
                "run_count": run_count,
                "run_index": run_index,
            },
        )


def _joined(sequences: Iterable[Codes]) -> Iterator[Codes]:
    parts: list[Codes] = []
    size = 0
    gap = np.full(1, UNKNOWN, dtype=np.uint8)
    for codes in sequences:
        if codes.size > _BATCH:
            yield codes
            continue
        parts += [codes, gap]
        size += codes.size
        if size > _BATCH:
            yield np.concatenate(parts)
            parts, size = [], 0
    if parts:
        yield np.concatenate(parts)


def _index(
    words: npt.NDArray[np.uint64], count: npt.NDArray[np.uint16], k: int, m: int
) -> tuple[int, int, npt.NDArray[np.uint32], npt.NDArray[np.uint8]]:
    """Return bits of a place, bytes of a record, first record per bucket, and the records."""
    hashes, places = _entries(words, count, k, m, np.zeros(0, dtype=np.uint64))
    order = np.lexsort((places, hashes))
    hashes, places = hashes[order], places[order]
    unique, first, size = np.unique(hashes, return_index=True, return_counts=True)
    heavy = size > kernels.HEAVY
    place_bits = int(count.size + 1).bit_length()
    if heavy.any():
        # One record stands for all places of a heavy minimizer and marks it as heavy.
        keep = np.ones(hashes.size, dtype=bool)
        keep[np.flatnonzero(np.repeat(heavy, size))] = False
        keep[first[heavy]] = True
        places[first[heavy]] = (1 << place_bits) - 1
        more_hashes, more_places = _entries(words, count, k, m, unique[heavy])
        hashes = np.concatenate([hashes[keep], more_hashes])
        places = np.concatenate([places[keep], more_places])
    width = -(-(place_bits + _MIN_TAG_BITS) // 8)
    n_buckets = max(1, hashes.size // _BUCKET)
    bucket = ((hashes & np.uint64(0xFFFFFFFF)) * np.uint64(n_buckets)) >> np.uint64(32)
    order = np.argsort(bucket, kind="stable")
    directory = np.zeros(n_buckets + 1, dtype=np.uint32)
    np.cumsum(np.bincount(bucket.astype(np.int64), minlength=n_buckets), out=directory[1:])
    tag = (hashes >> np.uint64(32)) & np.uint64((1 << (8 * width - place_bits)) - 1)
    entry = (tag << np.uint64(place_bits)) | places.astype(np.uint64)
    records = entry[order].astype("<u8").view(np.uint8).reshape(-1, 8)[:, :width]
    # Look-ups read eight bytes at a time.
    return place_bits, width, directory, np.append(records.ravel(), np.zeros(8, np.uint8))


def _entries(
    words: npt.NDArray[np.uint64], count: npt.NDArray[np.uint16], k: int, m: int, heavy: npt.NDArray[np.uint64]
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    hashes, places = np.zeros(0, dtype=np.uint64), np.zeros(0, dtype=np.int64)
    n = panel_compact.index_entries(words, count, k, m, heavy, hashes, places)
    hashes, places = np.zeros(n, dtype=np.uint64), np.zeros(n, dtype=np.int64)
    if n:
        panel_compact.index_entries(words, count, k, m, heavy, hashes, places)
    return hashes, places


def _runs(
    count: npt.NDArray[np.uint16],
) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint16], npt.NDArray[np.uint32]]:
    """Return starts (modulo 65536) and counts of runs, and the run at every 256th base."""
    change = np.ones(count.size, dtype=bool)
    change[1:] = count[1:] != count[:-1]
    change[::_LONGEST_RUN] = True
    starts = np.flatnonzero(change)
    blocks = np.arange(0, count.size + 1, 1 << kernels.RUN_SHIFT)
    index = np.searchsorted(starts, blocks, side="right") - 1
    return (starts & 0xFFFF).astype(np.uint16), count[starts], index.astype(np.uint32)
