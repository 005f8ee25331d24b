"""Finds likely relatives of many sequences among many others, before exact alignment.

:class:`SeedIndex` computes the cosine of weighted sets of k-mers by looking up only those that
occur, which is faster than a product of vectors.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from genolstm.compiled import compiled
from genolstm.errors import SettingError
from genolstm.sequences.masks import BASE_OF_MASK
from genolstm.sequences.packed import PackedSequences
from genolstm.threads import worker_pool

Indices = npt.NDArray[np.int32]

BLOCK = 256
MAX_K = 12


class Prefilter(Protocol):
    """Finds candidates for every query among the references it was made with."""

    name: str

    def candidates(self, queries: PackedSequences, count: int, threads: int = 0) -> Indices:
        """Return the ``count`` most likely references per query, best first; -1 for none."""


@compiled()
def canonical_kmers(bases, k, out):
    """Write the canonical k-mer at each base, -1 if a base is ambiguous; return their number."""
    mask = (np.int64(1) << (2 * k)) - 1
    shift = 2 * (k - 1)
    x, y = np.int64(0), np.int64(0)
    run = 0
    for i in range(bases.size):
        b = np.int64(bases[i])
        if b > 3:
            run = 0
        else:
            run += 1
            x = ((x << 2) | b) & mask
            y = (y >> 2) | ((3 - b) << shift)
        if i >= k - 1:
            out[i - k + 1] = min(x, y) if run >= k else -1
    return max(bases.size - k + 1, 0)


@compiled()
def _distinct(letters, starts, k):
    """Return the distinct canonical k-mers of all sequences, concatenated, and where each begins."""
    out = np.empty(letters.size, np.int64)
    begin = np.zeros(starts.size, np.int64)
    words = np.empty(letters.size, np.int64)
    size = 0
    for s in range(starts.size - 1):
        n = canonical_kmers(letters[starts[s] : starts[s + 1]], k, words)
        found = np.sort(words[:n])
        previous = np.int64(-1)
        for i in range(n):
            if found[i] != previous and found[i] >= 0:
                previous = found[i]
                out[size] = previous
                size += 1
        begin[s + 1] = size
    return out[:size].copy(), begin


@compiled()
def _invert(words, begin, n_words):
    """Return the sequences that contain each k-mer, and where each k-mer's list begins."""
    at = np.zeros(n_words + 1, np.int64)
    for w in words:
        at[w + 1] += 1
    for w in range(n_words):
        at[w + 1] += at[w]
    fill = at[:-1].copy()
    owner = np.empty(words.size, np.int32)
    for s in range(begin.size - 1):
        for i in range(begin[s], begin[s + 1]):
            owner[fill[words[i]]] = s
            fill[words[i]] += 1
    return owner, at


@compiled()
def _sift(heap, owner, size):
    """Restore the order of a heap whose root (the smallest) has been replaced."""
    k = 0
    while True:
        child = 2 * k + 1
        if child >= size:
            return
        if child + 1 < size and heap[child + 1] < heap[child]:
            child += 1
        if heap[k] <= heap[child]:
            return
        heap[k], heap[child] = heap[child], heap[k]
        owner[k], owner[child] = owner[child], owner[k]
        k = child


@compiled()
def _look_up(words, begin, first, last, owner, at, weight, norm, out):
    count = out.shape[1]
    total = np.zeros(norm.size, np.float32)
    heap, who = np.empty(count, np.float32), np.empty(count, np.int32)
    for q in range(first, last):
        total[:] = 0.0
        for i in range(begin[q], begin[q + 1]):
            w = weight[words[i]]
            if w == 0.0:
                continue
            for s in range(at[words[i]], at[words[i] + 1]):
                total[owner[s]] += w
        heap[:] = 0.0
        who[:] = -1
        for s in range(total.size):
            if total[s] > 0.0:
                x = total[s] * norm[s]
                if x > heap[0]:
                    heap[0], who[0] = x, s
                    _sift(heap, who, count)
        order = np.argsort(-heap)
        for k in range(count):
            out[q, k] = who[order[k]]


class SeedIndex:
    """Finds candidates by shared k-mers: cosine of sets, with rare k-mers weighing a little more.

    The weight of a k-mer is the square root of log(sequences / sequences with it). If all sequences
    are of one kind, as amplicons are, the full logarithm or its square finds fewer of the nearest.

    Parameters
    ----------
    references
        Sequences to search.
    k
        Length of the k-mers, 4 to 12.
    common
        Skip k-mers found in more than this share of the references (and in more than 50): they say
        little and take most of the time.
    """

    def __init__(self, references: PackedSequences, k: int = 8, common: float = 1.0) -> None:
        if not 4 <= k <= MAX_K:
            raise SettingError(f"k is {k}, it has to lie between 4 and {MAX_K}")
        self.k = k
        self.name = f"shared {k}-mers"
        words, begin = _distinct(BASE_OF_MASK[references.letters], references.starts, k)
        self._owner, self._at = _invert(words, begin, 4**k)
        n = len(references)
        holders = np.diff(self._at)
        self._weight = np.sqrt(np.log((n + 1) / np.maximum(holders, 1))).astype(np.float32)
        self._weight[holders > max(common * n, 50)] = 0.0
        sums = np.bincount(np.repeat(np.arange(n), np.diff(begin)), self._weight[words], minlength=n)
        self._norm = (1 / np.sqrt(np.maximum(sums, 1e-9))).astype(np.float32)

    def candidates(self, queries: PackedSequences, count: int, threads: int = 0) -> Indices:
        """Return the ``count`` most likely references per query, best first, (n, count)."""
        words, begin = _distinct(BASE_OF_MASK[queries.letters], queries.starts, self.k)
        out = np.full((len(queries), count), -1, dtype=np.int32)

        def work(first: int) -> None:
            _look_up(
                words,
                begin,
                first,
                min(first + BLOCK, len(queries)),
                self._owner,
                self._at,
                self._weight,
                self._norm,
                out,
            )

        with worker_pool(threads) as pool:
            list(pool.map(work, range(0, len(queries), BLOCK)))
        return out
