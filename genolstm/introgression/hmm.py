"""The baseline to beat: a two-state hidden Markov model trained on the same tracks.

It compares with all sources taken together, and needs at least one. Each count is an independent
categorical emission (counts 0 to 7, and 8 or more), estimated from
labelled bins with a pseudo-count of one; transitions are counted from the labels. It is
trained on the same truth as the LSTM and sees the same counts, but neither the callable fraction nor
the sizes of the groups, and no context beyond the neighbouring bin.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from genolstm.compiled import compiled
from genolstm.fields import Fields
from genolstm.introgression.channels import BASELINE_COUNTS, LEVELS
from genolstm.introgression.metadata import read_hmm
from genolstm.introgression.tracks import ALL, BOTH, FIRST, NOT_FIRST, SECOND


@dataclass(frozen=True)
class SupervisedHMM:
    """Two states, modern and archaic.

    Attributes
    ----------
    emission
        log P(count level | state), shape (2, channels, levels).
    transition
        log P(next state | state), shape (2, 2).
    start
        log P(state), shape (2,).
    """

    emission: np.ndarray
    transition: np.ndarray
    start: np.ndarray

    @classmethod
    def fit(cls, batches: Any) -> SupervisedHMM:
        """Count emissions and transitions.

        Parameters
        ----------
        batches
            Iterable of (tracks, archaic fraction): shapes (haplotypes, bins, channels) and
            (haplotypes, bins).
        """
        emission = np.ones((2, BASELINE_COUNTS, LEVELS))
        transition = np.ones((2, 2))
        start = np.ones(2)
        for tracks, truth in batches:
            state = (np.asarray(truth) > 0.5).astype(np.int64)
            levels = _levels(np.asarray(tracks))
            for channel in range(BASELINE_COUNTS):
                flat = state * LEVELS + levels[:, :, channel]
                emission[:, channel] += np.bincount(flat.ravel(), minlength=2 * LEVELS).reshape(2, LEVELS)
            pairs = state[:, :-1] * 2 + state[:, 1:]
            transition += np.bincount(pairs.ravel(), minlength=4).reshape(2, 2)
            start += np.bincount(state.ravel(), minlength=2)
        return cls(
            np.log(emission / emission.sum(axis=2, keepdims=True)),
            np.log(transition / transition.sum(axis=1, keepdims=True)),
            np.log(start / start.sum()),
        )

    def posterior(self, tracks: np.ndarray) -> np.ndarray:
        """Return P(archaic) of each bin, float32, shape (haplotypes, bins)."""
        levels = _levels(tracks)
        channel = np.arange(BASELINE_COUNTS)
        score = np.stack([self.emission[s][channel, levels].sum(axis=2) for s in (0, 1)], axis=2)
        result = np.empty(score.shape[:2], dtype=np.float32)
        for h in range(len(score)):
            _forward_backward(score[h], self.transition, self.start, result[h])
        return result

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready parameters, rounded to the digits that matter."""
        return {
            "emission": np.round(self.emission, 4).tolist(),
            "transition": np.round(self.transition, 6).tolist(),
            "start": np.round(self.start, 6).tolist(),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> SupervisedHMM:
        """Return the model that :meth:`to_dict` describes.

        Raises
        ------
        ModelError
            A number is missing or out of range.
        """
        return cls(**vars(read_hmm(Fields(values, "hmm"))))


def _levels(tracks: np.ndarray) -> np.ndarray:
    total, carried = tracks[:, :, ALL], tracks[:, :, FIRST] + tracks[:, :, SECOND] - tracks[:, :, BOTH]
    # Of what nearly all of the outgroup carries, only the first source's lack is counted.
    parts = [carried, np.maximum(total - carried, 0), tracks[:, :, NOT_FIRST : NOT_FIRST + 1]]
    counts = np.concatenate(parts, axis=2).astype(np.float32)
    return np.minimum(np.rint(counts).astype(np.int64), LEVELS - 1)


@compiled()
def _forward_backward(score: np.ndarray, transition: np.ndarray, start: np.ndarray, result: np.ndarray) -> None:
    n = score.shape[0]
    if n == 0:
        return
    step = np.exp(transition)
    forward = np.empty((n, 2))
    a = start[1] + score[0, 1] - start[0] - score[0, 0]
    p = 1.0 / (1.0 + np.exp(-a))
    forward[0, 0], forward[0, 1] = 1.0 - p, p
    for i in range(1, n):
        x0 = forward[i - 1, 0] * step[0, 0] + forward[i - 1, 1] * step[1, 0]
        x1 = forward[i - 1, 0] * step[0, 1] + forward[i - 1, 1] * step[1, 1]
        top = max(score[i, 0], score[i, 1])
        x0 *= np.exp(score[i, 0] - top)
        x1 *= np.exp(score[i, 1] - top)
        forward[i, 0], forward[i, 1] = x0 / (x0 + x1), x1 / (x0 + x1)
    b0, b1 = 1.0, 1.0
    for i in range(n - 1, -1, -1):
        x0, x1 = forward[i, 0] * b0, forward[i, 1] * b1
        result[i] = x1 / (x0 + x1)
        top = max(score[i, 0], score[i, 1])
        e0, e1 = np.exp(score[i, 0] - top) * b0, np.exp(score[i, 1] - top) * b1
        b0 = step[0, 0] * e0 + step[0, 1] * e1
        b1 = step[1, 0] * e0 + step[1, 1] * e1
        scale = b0 + b1
        b0 /= scale
        b1 /= scale
