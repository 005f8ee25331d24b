"""Text as words: the tokenizer, and vocabularies that are open.

A word has the one space before it, if there is one; so are numbers and runs of other signs. All other
white space makes tokens of its own. Nothing is left out, so that the tokens of a text, put together,
are the text. This is how GPT-2 divides a text before it divides words (Radford et al. 2019, "Language
models are unsupervised multitask learners"), with Python's classes of characters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import log2

import numpy as np
import numpy.typing as npt

from genolstm.text.spelling import Spelling

TOKEN = re.compile(
    r"'(?:[stmd]|re|ve|ll)"  # English endings
    r"| ?[^\W\d_]+"  # letters
    r"| ?\d+"
    r"| ?(?:[^\s\w]|_)+"  # other signs
    r"|\s+(?!\S)"  # white space, but for the last one before a word
    r"|\s+"
)
UNKNOWN = "<unknown>"
"""What stands for unknown words where no text is at hand."""
#: Longer words are always spelled, which bounds what a model holds.
LONGEST = 40
#: Words beyond the vocabulary that spelling is learned from, at most.
MOST_OTHERS = 20_000


def tokens(text: str) -> Iterator[str]:
    """Yield the tokens of a text; put together, they are the text."""
    return (match.group() for match in TOKEN.finditer(text))


@dataclass(frozen=True)
class Vocabulary:
    """Words that have a code of their own, and how all others are spelled.

    The last code is that of all other words.

    Attributes
    ----------
    words
        In the order of their codes.
    others
        Further words of the training text. Spelling is learned from both.
    """

    words: tuple[str, ...]
    others: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.words) + 1

    def __iter__(self) -> Iterator[str]:
        yield from self.words
        yield UNKNOWN

    def __getitem__(self, code: int) -> str:
        return self._all[code]

    def __contains__(self, word: object) -> bool:
        """Whether a word has a code of its own."""
        return word in self._codes

    @property
    def unknown(self) -> int:
        """The code of all words that have none of their own."""
        return len(self.words)

    @cached_property
    def _all(self) -> tuple[str, ...]:
        return tuple(self)

    @cached_property
    def _codes(self) -> dict[str, int]:
        return {word: code for code, word in enumerate(self.words)}

    @cached_property
    def _lengths(self) -> npt.NDArray[np.int64]:
        return np.array([*map(len, self.words), 0], np.int64)

    @cached_property
    def spelling(self) -> Spelling:
        """How words are spelled, counted when it is first asked for."""
        return Spelling((*self.words, *self.others))

    @cached_property
    def _known_share(self) -> float:
        """The share of what the spelling gives to words that are never spelled."""
        return float(np.exp2(-self.spelling.bits(self.words)).sum())

    def encode(self, text: str) -> tuple[npt.NDArray[np.int64], tuple[str, ...]]:
        """Return the codes of a text's words, and those of the words that have no code."""
        codes: list[int] = []
        spelled: list[str] = []
        known, unknown = self._codes, self.unknown
        for word in tokens(text):
            code = known.get(word, unknown)
            codes.append(code)
            if code == unknown:
                spelled.append(word)
        return np.array(codes, np.int64), tuple(spelled)

    def texts(self, codes: npt.NDArray[np.integer], spelled: Sequence[str]) -> list[str]:
        """Return the words of codes; ``spelled`` are the unknown ones, in their order."""
        rest = iter(spelled)
        words, unknown = self._all, self.unknown
        return [next(rest) if code == unknown else words[code] for code in codes.tolist()]

    def lengths(self, codes: npt.NDArray[np.integer], spelled: Sequence[str]) -> npt.NDArray[np.int64]:
        """Return the number of characters of each word."""
        found: npt.NDArray[np.int64] = self._lengths[codes]
        found[codes == self.unknown] = [len(word) for word in spelled]
        return found

    def spelled_bits(self, spelled: Sequence[str]) -> npt.NDArray[np.float64]:
        """Return what the spelling of words costs that are not in the vocabulary, in bits.

        Words of the vocabulary are never spelled: their share of the spelling goes to all others.
        """
        if not len(spelled):
            return np.zeros(0)
        distinct, place = np.unique(np.array(spelled, object), return_inverse=True)
        costs = self.spelling.bits(distinct.tolist()) + log2(max(1 - self._known_share, 1e-9))
        found: npt.NDArray[np.float64] = costs[place]
        return found

    @classmethod
    def of_counts(cls, words: Sequence[str], counts: npt.NDArray[np.integer], size: int) -> Vocabulary:
        """Choose the most common words; one that was seen once stands for those never seen.

        Parameters
        ----------
        words, counts
            Distinct words, and how often each was seen, (words,); words never seen count for nothing.
        size
            Number of words, at most.
        """
        order = np.lexsort((np.arange(len(counts)), -np.asarray(counts, np.int64)))
        seen = [int(at) for at in order if counts[at] and len(words[at]) <= LONGEST]
        chosen = [at for at in seen if counts[at] > 1][:size]
        rest = seen[len(chosen) :]
        if len(rest) > MOST_OTHERS:
            # Evenly, from the more common ones to those seen once.
            rest = [rest[at] for at in np.linspace(0, len(rest) - 1, MOST_OTHERS).astype(int).tolist()]
        return cls(tuple(words[at] for at in chosen), tuple(words[at] for at in rest))
