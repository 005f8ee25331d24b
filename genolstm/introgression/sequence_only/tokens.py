"""From bases to sentences: one token per k-mer, 0 for a k-mer with an unknown base."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from genolstm.introgression.sequence_only.settings import SentenceSettings
from genolstm.sequences.alphabet import Codes
from genolstm.sequences.kmers import kmers

#: The token of every k-mer with a base that is not known. It is not one of the k-mers, as none is known to be there.
UNKNOWN = 0
#: Sentences that are cut out at a time; affects memory use, not results.
_BATCH = 4096


def tokens_of(codes: Codes, k: int) -> np.ndarray:
    """Return the token of the k-mer at every base, shape (max(bases - k + 1, 0),).

    It is 1 + the number of the k-mer (A, C, G, T are digits 0 to 3 to the base 4, the first base the highest one), or
    :data:`UNKNOWN`. K-mers are those of the strand that is given; lower case and U are read as everywhere.
    """
    words, known = kmers(codes, k, canonical=False)
    kind = np.uint16 if 4**k < 1 << 16 else np.int32
    return np.where(known, words + np.uint64(1), np.uint64(UNKNOWN)).astype(kind)


class Sequence(NamedTuple):
    """A sequence as tokens, and where its sentences begin.

    Attributes
    ----------
    tokens
        Shape (bases - k + 1,).
    starts
        First base of each sentence, shape (sentences,).
    known
        Number of k-mers of each sentence that have no unknown base, shape (sentences,).
    rest
        Bases at the end that are in no sentence.
    settings
        How the sentences are cut.
    """

    tokens: np.ndarray
    starts: np.ndarray
    known: np.ndarray
    rest: int
    settings: SentenceSettings

    @classmethod
    def of(cls, codes: Codes, settings: SentenceSettings) -> Sequence:
        """Cut a sequence into sentences."""
        tokens = tokens_of(codes, settings.k)
        starts = np.arange(0, len(codes) - settings.sentence + 1, settings.step, dtype=np.int64)
        before = np.zeros(len(tokens) + 1, dtype=np.int64)
        np.cumsum(tokens != UNKNOWN, out=before[1:])
        known = before[starts + settings.tokens] - before[starts] if len(starts) else np.zeros(0, dtype=np.int64)
        covered = int(starts[-1]) + settings.sentence if len(starts) else 0
        # With a step longer than a sentence, bases between sentences are left out on purpose; these are not counted.
        return cls(tokens, starts, known, len(codes) - covered, settings)

    @property
    def readable(self) -> np.ndarray:
        """Whether enough of each sentence is known for it to be read."""
        found: np.ndarray = self.known >= max(self.settings.known * self.settings.tokens, 1)
        return found

    def sentences(self, which: np.ndarray) -> np.ndarray:
        """Return the sentences of these numbers, shape (len(which), tokens)."""
        places = self.starts[which][:, None] + np.arange(self.settings.tokens)
        found: np.ndarray = self.tokens[places]
        return found

    def batches(self, which: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the sentences of these numbers, some at a time, with their numbers."""
        for first in range(0, len(which), _BATCH):
            part = which[first : first + _BATCH]
            yield part, self.sentences(part)
