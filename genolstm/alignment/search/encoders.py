"""Finding likely relatives of many sequences among many: the step before exact alignment.

Two ways. An :class:`Encoder` turns every sequence into a unit vector and the nearest ones are found
by matrix product. :class:`SeedIndex` looks up shared k-mers: the cosine of weighted sets of k-mers,
but only over those that occur, which is faster.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from genolstm.alignment.pairhmm.band import _BASE_OF_MASK
from genolstm.alignment.pairhmm.many import PackedSequences
from genolstm.compiled import compiled
from genolstm.errors import ModelError, SettingError
from genolstm.files import PathLike
from genolstm.lstm.bundle.bundle import Bundle, find_bundle
from genolstm.lstm.bundle.runtime import Runtime
from genolstm.sequences.masks import SHARES, complement_masks
from genolstm.threads import worker_pool

Vectors = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int32]

BLOCK = 256
MAX_K = 12
EMBEDDING_KIND = "embedding"


class Encoder(Protocol):
    """Turns sequences into vectors whose product is the larger the closer they are."""

    name: str

    def encode(self, sequences: PackedSequences) -> Vectors:
        """Return unit vectors, float32 (sequences, d)."""


class Prefilter(Protocol):
    """Finds candidates for every query among the references it was made with."""

    name: str

    def candidates(self, queries: PackedSequences, count: int, threads: int = 0) -> Indices:
        """Return the ``count`` likeliest references per query, best first; -1 for none."""


@compiled()
def _canonical(bases, k, out):
    """Write the canonical k-mer at each base; -1 where one is uncertain. Return their number."""
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
def _count(letters, starts, k, place, first, last, out):
    words = np.empty(letters.size, np.int64)
    for s in range(first, last):
        n = _canonical(letters[starts[s] : starts[s + 1]], k, words)
        for i in range(n):
            if words[i] >= 0:
                out[s, place[words[i]]] += 1


class KmerEncoder:
    """Counts of canonical k-mers as unit vectors (the strand does not matter).

    Parameters
    ----------
    k
        1 to 7.
    """

    def __init__(self, k: int = 6) -> None:
        if not 1 <= k <= 7:
            raise SettingError(f"k is {k}, it has to lie between 1 and 7")
        self.k = k
        self.name = f"{k}-mer cosine"
        words = np.arange(4**k)
        turned = np.zeros_like(words)
        for shift in range(k):
            turned |= (3 - (words >> 2 * shift & 3)) << 2 * (k - 1 - shift)
        kept = words[words <= turned]
        self._place = np.searchsorted(kept, np.minimum(words, turned))
        self.size = len(kept)

    def encode(self, sequences: PackedSequences) -> Vectors:
        """Return unit vectors, float32 (sequences, size); zeros where there is no k-mer."""
        out = np.zeros((len(sequences), self.size), dtype=np.float32)
        bases = _BASE_OF_MASK[sequences.letters]
        _count(bases, sequences.starts, self.k, self._place, 0, len(sequences), out)
        norm = np.sqrt(np.einsum("ij,ij->i", out, out))
        out /= np.maximum(norm, 1e-9)[:, None]
        return out


class NetworkEncoder:
    """A trained network's vectors, summed over both strands; no TensorFlow.

    Parameters
    ----------
    source
        A bundle of ``scripts/train_embedding.py``, its path or name, or an ONNX graph that turns
        (n, steps, 4) into (n, d).
    threads
        0 means all cores.

    Raises
    ------
    ModelError
        It is damaged, or no model that embeds DNA.
    """

    def __init__(self, source: Bundle | PathLike | bytes, threads: int = 0) -> None:
        graph: Bundle | bytes
        if isinstance(source, bytes):
            graph = source
        else:
            graph = source if isinstance(source, Bundle) else Bundle.open(find_bundle(source))
            graph.require(kind=EMBEDDING_KIND, alphabet="dna")
        self.name = graph.name if isinstance(graph, Bundle) else "embedding"
        self.runtime = Runtime(graph, threads=threads)
        if self.runtime.per_step or self.runtime.n_features != 4:
            path = graph.path if isinstance(graph, Bundle) else None
            raise ModelError("its network does not turn DNA into one vector", path=path)
        self.size = self.runtime.n_outputs

    def encode(self, sequences: PackedSequences) -> Vectors:
        """Return unit vectors, float32 (sequences, size); zeros for what has no bases."""
        out = np.zeros((len(sequences), self.size), dtype=np.float32)
        shares = SHARES.astype(np.float32)
        lengths = sequences.lengths
        # Equal lengths at a time, a few thousand sequences of them: the features take 16 bytes a
        # base.
        for length in np.unique(lengths[lengths > 0]).tolist():
            members = np.flatnonzero(lengths == length)
            step = max(1, (1 << 20) // length)
            for first in range(0, len(members), step):
                some = members[first : first + step]
                for strand in (lambda x: x, complement_masks):
                    own = np.stack([strand(sequences[k]) for k in some])
                    out[some] += self.runtime.predict(shares[own])
        norm = np.sqrt(np.einsum("ij,ij->i", out, out))
        out /= np.maximum(norm, 1e-9)[:, None]
        return out


class NearestVectors:
    """Candidates by the product of vectors.

    Parameters
    ----------
    encoder
        Of queries and references.
    references
        To be searched.
    """

    def __init__(self, encoder: Encoder, references: PackedSequences) -> None:
        self.encoder = encoder
        self.name = encoder.name
        self.vectors = encoder.encode(references)

    def candidates(self, queries: PackedSequences, count: int, threads: int = 0) -> Indices:
        """Return the ``count`` nearest references per query, best first, (n, count)."""
        own = self.encoder.encode(queries)
        count_found = min(count, len(self.vectors))
        out = np.full((len(own), count), -1, dtype=np.int32)

        def work(first: int) -> None:
            near = own[first : first + BLOCK] @ self.vectors.T
            top = np.argpartition(-near, count_found - 1, axis=1)[:, :count_found]
            order = np.argsort(-np.take_along_axis(near, top, 1), axis=1, kind="stable")
            out[first : first + BLOCK, :count_found] = np.take_along_axis(top, order, 1)

        with worker_pool(threads) as pool:
            list(pool.map(work, range(0, len(own), BLOCK)))
        return out


@compiled()
def _distinct(letters, starts, k):
    """Return the distinct canonical k-mers of every sequence, end to end, and where each begins."""
    out = np.empty(letters.size, np.int64)
    begin = np.zeros(starts.size, np.int64)
    words = np.empty(letters.size, np.int64)
    size = 0
    for s in range(starts.size - 1):
        n = _canonical(letters[starts[s] : starts[s + 1]], k, words)
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
    """Return the sequences that hold each k-mer, and where each k-mer's list begins."""
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
    """Candidates by shared k-mers: cosine of sets, rare k-mers weighing a little more.

    A k-mer weighs the root of log(sequences / sequences with it). Where all sequences are of one
    kind, as amplicons are, the full logarithm or its square finds fewer of the nearest.

    Parameters
    ----------
    references
        To be searched.
    k
        4 to 12.
    common
        k-mers in more than this share of the references are not looked up, where there are many
        references: they say little and take most of the time.
    """

    def __init__(self, references: PackedSequences, k: int = 8, common: float = 1.0) -> None:
        if not 4 <= k <= MAX_K:
            raise SettingError(f"k is {k}, it has to lie between 4 and {MAX_K}")
        self.k = k
        self.name = f"shared {k}-mers"
        words, begin = _distinct(_BASE_OF_MASK[references.letters], references.starts, k)
        self._owner, self._at = _invert(words, begin, 4**k)
        n = len(references)
        holders = np.diff(self._at)
        self._weight = np.sqrt(np.log((n + 1) / np.maximum(holders, 1))).astype(np.float32)
        self._weight[holders > max(common * n, 50)] = 0.0
        sums = np.zeros(n)
        np.add.at(sums, np.repeat(np.arange(n), np.diff(begin)), self._weight[words])
        self._norm = (1 / np.sqrt(np.maximum(sums, 1e-9))).astype(np.float32)

    def candidates(self, queries: PackedSequences, count: int, threads: int = 0) -> Indices:
        """Return the ``count`` likeliest references per query, best first, (n, count)."""
        words, begin = _distinct(_BASE_OF_MASK[queries.letters], queries.starts, self.k)
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
