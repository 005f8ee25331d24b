"""Count k-mers whose table would not fit in memory: shard by shard.

Every k-mer belongs to the shard of its minimizer, and is written there with its haplotype, in the
order of the input. One shard after another is then counted on its own. Which k-mers occur for the
first time, and their final counts, go back to the input's order, because the input falls into the
same records when it is gone through again. The strings are therefore those of a build in memory:
the number of shards does not show.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from genolstm.sequences.panel import deal
from genolstm.sequences.panel.pieces import Packed
from genolstm.sequences.panel.scratch import Parts, Scratch, forget
from genolstm.sequences.panel.sections import NewScratch

SHARDS = 1024
_ROWS = 1 << 12
# Short enough for a minimizer to be shared by many neighbours, long enough for shards of similar size.
_MINIMIZER = 11
# Bytes per k-mer of a shard while it is counted, if all were distinct: a table two thirds full, and its growth.
_PER_KMER = 40
# Results of a shard that are in memory while the input is gone through again.
_ROW = 1 << 12
_BLOCK = 1 << 20


class ShardedCounter:
    """Counts k-mers in shards that are put aside in scratch files.

    Parameters
    ----------
    k
        Length of the k-mers.
    every
        Count every occurrence, not every haplotype.
    memory
        Bytes for the tables of the shards that are counted at the same time.
    threads
        Number of shards to count at the same time, if the memory allows.
    """

    def __init__(self, k: int, *, every: bool, memory: int, threads: int, scratch: NewScratch) -> None:
        self.k, self.every, self.memory, self.threads = k, every, memory, threads
        self._m = min(k - (k + 1) % 2, _MINIMIZER)
        self._parts: Parts | None = Parts(scratch(), SHARDS, (_ROWS,), "u4")
        self._current = np.zeros(SHARDS, dtype=np.int64)
        self._kmers = np.zeros(SHARDS, dtype=np.int64)
        self._masks, self._counts = scratch(), scratch()
        self._mask_ends: list[int] = []
        self._count_ends: list[int] = []

    def add(self, piece: Packed, haplotype: int) -> None:
        """Deal out the k-mers of a piece of one haplotype."""
        words, unknown, n = piece
        parts, start = self._parts, 0
        assert parts is not None
        while start < n:
            start = deal.deal(
                words,
                unknown,
                n,
                start,
                self.k,
                self._m,
                haplotype,
                parts.buffers,
                parts.filled,
                self._current,
                self._kmers,
            )
            if start < n:
                parts.flush(deal.LONGEST + 1)

    def kept(self, minimum: int) -> int:
        """Count every shard, if that is not done yet; return how many k-mers reach ``minimum``."""
        if self._parts is not None:
            self._count(self._parts)
            self._parts = None
        return at_least(self._counts.array("<u2"), minimum)

    def _count(self, parts: Parts) -> None:
        largest = max(int(self._kmers.max()), 1)
        workers = max(1, min(self.threads, self.memory // (_PER_KMER * largest)))
        with ThreadPoolExecutor(workers) as pool:
            waiting = deque(pool.submit(self._count_shard, parts, shard) for shard in range(min(workers, SHARDS)))
            for shard in range(SHARDS):
                masks, counts = waiting.popleft().result()
                if shard + workers < SHARDS:
                    waiting.append(pool.submit(self._count_shard, parts, shard + workers))
                self._masks.append(masks)
                self._mask_ends.append(self._masks.size)
                self._counts.append(counts)
                self._count_ends.append(self._counts.size)

    def _count_shard(self, parts: Parts, shard: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint16]]:
        records = np.append(parts.read(shard), np.zeros(2, dtype=np.uint32))
        kmers = int(self._kmers[shard])
        # Haplotypes repeat one another: the table begins small.
        table = np.zeros(2 * max(64, kmers // 4), dtype=np.uint64)
        slots = np.empty(kmers, dtype=np.uint32)
        masks = np.empty(5 * (records.size // ((8 + 2 * self.k + 31) // 32) + 1), dtype=np.uint8)
        state = np.zeros(3, dtype=np.int64)
        start = 0
        while True:
            start = deal.count(records, start, self.k, self.every, table, slots, masks, state)
            if start >= records.size - 2:
                break
            larger = np.zeros(2 * table.size, dtype=np.uint64)
            deal.regrow(table, slots, int(state[0]), larger)
            table = larger
        counts = np.empty(int(state[0]), dtype=np.uint16)
        deal.totals(table, slots, counts.size, counts)
        return masks[: state[1]].copy(), counts

    def collect(self, pieces: Iterator[Packed]) -> Iterator[tuple[Packed, npt.NDArray[np.uint16]]]:
        """Yield the pieces again, each with the counts of those of its k-mers that occur there first of all."""
        masks = _Rows(self._masks, self._mask_ends, "u1", 5)
        counts = _Rows(self._counts, self._count_ends, "u2", deal.MOST)
        for piece in pieces:
            words, unknown, n = piece
            out, start = np.zeros(n, dtype=np.uint16), 0
            while (
                start := deal.collect(
                    words, unknown, n, start, self.k, self._m, masks.rows, masks.at, counts.rows, counts.at, out
                )
            ) < n:
                masks.refill()
                counts.refill()
            yield piece, out


class _Rows:
    """What was found for each shard, of which a row at a time is in memory.

    Parameters
    ----------
    scratch
        What was found, shard after shard.
    ends
        Where each shard's part of it ends, in bytes.
    most
        Most items that one record needs.

    Attributes
    ----------
    rows
        The next items of every shard.
    at
        int64, shape (shards, 2): the item of the row that comes next, and the last one at which a
        record's items are sure to be there.
    """

    def __init__(self, scratch: Scratch, ends: list[int], kind: str, most: int) -> None:
        self._scratch, self._most = scratch, most
        self._next, self._ends = [0, *ends[:-1]], ends
        self.rows = np.zeros((len(ends), _ROW), dtype=kind)
        # All rows are empty, and no record fits into them.
        self.at = np.full((len(ends), 2), (_ROW, _ROW - most), dtype=np.int64)
        self.refill()

    def refill(self) -> None:
        """Fill up the rows that are used up."""
        for shard in np.flatnonzero(self.at[:, 0] > self.at[:, 1]).tolist():
            row, used = self.rows[shard], int(self.at[shard, 0])
            rest = row[used:].copy()
            start = self._next[shard]
            more = min(self._ends[shard] - start, used * row.itemsize)
            self._next[shard] += more
            got = self._scratch.read(start, more).view(row.dtype)
            row[: rest.size] = rest
            row[rest.size : rest.size + got.size] = got
            exhausted = self._next[shard] == self._ends[shard]
            self.at[shard] = 0, (_ROW if exhausted else _ROW - self._most)


def at_least(counts: npt.NDArray[Any], minimum: int) -> int:
    """Return how many counts reach ``minimum``."""
    found = 0
    for start in range(0, counts.size, _BLOCK):
        found += int(np.count_nonzero(counts[start : start + _BLOCK] >= minimum))
        forget(counts)
    return found
