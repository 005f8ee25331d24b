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
from genolstm.sequences.panel.scratch import Parts, forget
from genolstm.sequences.panel.sections import NewScratch




SHARDS = 1024
_ROWS = 1 << 12
# Short enough for a minimizer to be shared by many neighbours, long enough for shards of similar size.
_MINIMIZER = 11
# Bytes per k-mer of a shard while it is counted, if all were distinct: a table two thirds full, and its growth.
_PER_KMER = 40
# Bytes of results after which mapped pages are dropped.
_FORGET = 1 << 25
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
        self._mask_at = np.zeros(SHARDS, dtype=np.int64)
        self._count_at = np.zeros(SHARDS, dtype=np.int64)

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
                self._mask_at[shard] = self._masks.append(masks)
                self._count_at[shard] = self._counts.append(counts) // 2

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
        masks, counts = self._masks.array("u1"), self._counts.array("<u2")
        mask_at, count_at = self._mask_at.copy(), self._count_at.copy()
        done = 0
        for piece in pieces:
            out = np.zeros(piece[2], dtype=np.uint16)
            deal.collect(*piece, self.k, self._m, masks, mask_at, counts, count_at, out)
            yield piece, out
            done += piece[2]
            if done > _FORGET:
                forget(masks)
                forget(counts)
                done = 0


def at_least(counts: npt.NDArray[Any], minimum: int) -> int:
    """Return how many counts reach ``minimum``."""
    found = 0
    for start in range(0, counts.size, _BLOCK):
        found += int(np.count_nonzero(counts[start : start + _BLOCK] >= minimum))
        forget(counts)
    return found
