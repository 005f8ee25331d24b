"""Sequences as vectors that lie close together if the sequences are related.

An :class:`Encoder` turns every sequence into a unit vector; a matrix product finds the nearest.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from genolstm.alignment.metadata import check_embedding
from genolstm.alignment.search.seeds import BLOCK, Indices, canonical_kmers
from genolstm.compiled import compiled
from genolstm.errors import ModelError, SettingError
from genolstm.files import PathLike
from genolstm.lstm.bundle.bundle import Bundle, find_bundle
from genolstm.lstm.bundle.runtime import Runtime
from genolstm.sequences.masks import BASE_OF_MASK, SHARES, complement_masks
from genolstm.sequences.packed import PackedSequences
from genolstm.threads import worker_pool

Vectors = npt.NDArray[np.float32]


class Encoder(Protocol):
    """Turns sequences into vectors; the more similar two sequences, the larger their dot product."""

    name: str

    def encode(self, sequences: PackedSequences) -> Vectors:
        """Return unit vectors, float32 (sequences, d)."""


@compiled()
def _count(letters, starts, k, place, first, last, out):
    words = np.empty(letters.size, np.int64)
    for s in range(first, last):
        n = canonical_kmers(letters[starts[s] : starts[s + 1]], k, words)
        for i in range(n):
            if words[i] >= 0:
                out[s, place[words[i]]] += 1


class KmerEncoder:
    """Counts of canonical k-mers as unit vectors (the strand does not matter).

    Parameters
    ----------
    k
        Length of the k-mers, 1 to 7.
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
        """Return unit vectors, float32 (sequences, size); zeros for sequences without a k-mer."""
        out = np.zeros((len(sequences), self.size), dtype=np.float32)
        bases = BASE_OF_MASK[sequences.letters]
        _count(bases, sequences.starts, self.k, self._place, 0, len(sequences), out)
        norm = np.sqrt(np.einsum("ij,ij->i", out, out))
        out /= np.maximum(norm, 1e-9)[:, None]
        return out


class NetworkEncoder:
    """Vectors from a trained network, summed over both strands; needs no TensorFlow.

    Parameters
    ----------
    source
        A bundle written by ``scripts/train_embedding.py``, its path or name, or an ONNX graph that
        turns (n, steps, 4) into (n, d).
    threads
        Threads to use; 0 means all cores.

    Raises
    ------
    ModelError
        The model is damaged, or does not embed DNA.
    """

    def __init__(self, source: Bundle | PathLike | bytes, threads: int = 0) -> None:
        graph: Bundle | bytes
        if isinstance(source, bytes):
            graph = source
        else:
            graph = source if isinstance(source, Bundle) else Bundle.open(find_bundle(source))
            check_embedding(graph)
        self.name = graph.name if isinstance(graph, Bundle) else "embedding"
        self.runtime = Runtime(graph, threads=threads)
        if self.runtime.per_step or self.runtime.n_features != 4:
            path = graph.path if isinstance(graph, Bundle) else None
            raise ModelError("its network does not turn DNA into one vector", path=path)
        self.size = self.runtime.n_outputs

    def encode(self, sequences: PackedSequences) -> Vectors:
        """Return unit vectors, float32 (sequences, size); zeros for empty sequences."""
        out = np.zeros((len(sequences), self.size), dtype=np.float32)
        shares = SHARES.astype(np.float32)
        lengths = sequences.lengths
        # One length at a time, at most a million bases per batch: the features take 16 bytes per
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
    """Finds candidates by the dot product of vectors.

    Parameters
    ----------
    encoder
        Encodes queries and references.
    references
        Sequences to search.
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
