"""How words that no vocabulary has are spelled: an order-k Markov model of the letters of words.

It counts distinct words, each once: a word that was never seen is rather like a rare one than like
"the". Contexts do not reach beyond the beginning of a word. A letter that was never seen is any of
Unicode's, all alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log2

import numpy as np
import numpy.typing as npt

from genolstm.text.baselines import MarkovModel
from genolstm.text.sampling import Sampling

#: Letters of context.
ORDER = 5
_CODE_POINTS = 0x110000
_LONGEST = 40


class Spelling:
    """A model of the letters of words.

    Parameters
    ----------
    words
        What it counts; at least one that is not empty.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self.letters = "".join(sorted(set().union(*words)))
        self._points = np.array([ord(letter) for letter in self.letters], np.uint32)
        self._other, self._end = len(self.letters), len(self.letters) + 1
        self._boundary = self._end + 1
        self._model = MarkovModel(ORDER, self._boundary).fit(self._stream(words)[0])

    def bits(self, words: Sequence[str]) -> npt.NDArray[np.float64]:
        """Return what it costs to spell each of some words, (words,), its end included."""
        if not len(words):
            return np.zeros(0)
        stream, starts = self._stream(words)
        costs = self._model.bits(stream)
        costs[stream == self._other] += log2(_CODE_POINTS)
        found: npt.NDArray[np.float64] = np.add.reduceat(np.where(np.isnan(costs), 0.0, costs), starts)
        return found

    def draw(self, sampling: Sampling, random: np.random.Generator, begin: str = "") -> str:
        """Return a new word, letter by letter; ``begin`` is what it begins with.

        It is cut after 40 letters.
        """
        word = [*begin]
        rows = np.full((self._boundary, ORDER + 1), self._boundary, np.int64)
        rows[:, -1] = np.arange(self._boundary)
        for code in self._codes(begin).tolist():
            rows[:, :-1] = [*rows[0, 1:-1], code]
        while len(word) < _LONGEST:
            chances = np.exp2(-self._model.bits(rows.ravel())[ORDER :: ORDER + 1])
            chances[self._other] = 0
            if len(word) == len(begin):
                chances[self._end] = 0
            code = sampling.draw(chances.astype(np.float32), float(random.random()))
            if code == self._end:
                break
            word.append(self.letters[code])
            rows[:, :-1] = [*rows[0, 1:-1], code]
        return "".join(word)

    def _codes(self, text: str) -> npt.NDArray[np.int64]:
        points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
        at = np.minimum(np.searchsorted(self._points, points), len(self._points) - 1)
        return np.where(self._points[at] == points, at, self._other)

    def _stream(self, words: Sequence[str]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return words as a stream, each with boundaries before and an end after it, and where each begins."""
        lengths = np.fromiter(map(len, words), np.int64, len(words))
        ends = np.cumsum(lengths + ORDER + 1)
        starts = ends - lengths - ORDER - 1
        stream = np.full(int(ends[-1]), self._boundary, np.int64)
        stream[ends - 1] = self._end
        # Of each letter, its place in all words, moved by what stands before and between them.
        moved = np.repeat(starts + ORDER - (np.cumsum(lengths) - lengths), lengths)
        stream[np.arange(len(moved)) + moved] = self._codes("".join(words))
        return stream, starts
