"""A trained sequence-only model at work: sentences in, probabilities out, without TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from genolstm.files import PathLike
from genolstm.introgression.sequence_only.metadata import read_metadata
from genolstm.introgression.sequence_only.tokens import Sequence
from genolstm.lstm.bundle.bundle import Bundle, find_bundle
from genolstm.lstm.bundle.runtime import Runtime
from genolstm.sequences.alphabet import Codes


class Scored(NamedTuple):
    """Consecutive sentences of a sequence.

    Attributes
    ----------
    start
        First base of each, shape (sentences,).
    known
        Number of its k-mers without an unknown base.
    probability
        Of archaic, float64; NaN where too few k-mers are known.
    """

    start: np.ndarray
    known: np.ndarray
    probability: np.ndarray


class SequenceScorer:
    """A sequence-only model: it knows the loci that it was trained on, and compares with nothing.

    Parameters
    ----------
    bundle
        A model of ``introgression train --mode sequence``.
    threads
        Threads to use; 0 means all cores.

    Attributes
    ----------
    warning
        What must be said whenever its probabilities are shown.
    settings
        How sentences are cut.

    Raises
    ------
    ModelError
        The bundle is of another kind, or its network does not read its sentences.
    """

    def __init__(self, bundle: Bundle, *, threads: int = 0) -> None:
        self.bundle = bundle
        metadata = read_metadata(bundle)
        self.settings, self.warning, self.threshold = metadata.sentences, metadata.warning, metadata.threshold
        self._runtime = Runtime(bundle, threads=threads)

    @classmethod
    def load(cls, model: PathLike, *, threads: int = 0) -> SequenceScorer:
        """Open a model's file."""
        return cls(Bundle.open(find_bundle(model)), threads=threads)

    def probabilities(self, tokens: np.ndarray) -> np.ndarray:
        """Return the probability of archaic of sentences of shape (n, tokens), float64, shape (n,)."""
        found: np.ndarray = self._runtime.predict(tokens)[:, 0].astype(np.float64)
        return found

    def score(self, codes: Codes) -> Iterator[Scored]:
        """Yield the sentences of a sequence in order, some at a time; nothing if it is shorter than one.

        Parameters
        ----------
        codes
            Bases as :func:`~genolstm.sequences.alphabet.encode` gives them, on the strand of the training loci.
        """
        sequence = Sequence.of(codes, self.settings)
        readable = sequence.readable
        for which, tokens in sequence.batches(np.arange(len(sequence.starts))):
            probability = np.full(len(which), np.nan)
            read = readable[which]
            if read.any():
                probability[read] = self.probabilities(tokens[read])
            yield Scored(sequence.starts[which], sequence.known[which], probability)
