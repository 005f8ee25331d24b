"""Parameters of the pair-HMM from alignments, by counting, and from unaligned pairs, by EM."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from genolstm.alignment.parameters import Counts, PairHMMParameters
from genolstm.errors import InputError

Codes = npt.NDArray[np.uint8]
AlignedPair = tuple[Codes, Codes, npt.NDArray[np.int32]]


def check_pairs(query: Codes, reference: Codes, pairs: npt.NDArray[np.int32]) -> None:
    """Refuse aligned positions that do not rise or do not lie in the sequences."""
    if not len(pairs):
        return
    if pairs.min() < 0 or pairs[-1, 0] >= len(query) or pairs[-1, 1] >= len(reference):
        raise InputError("the alignment reaches beyond its sequences")
    if (np.diff(pairs, axis=0) <= 0).any():
        raise InputError("the alignment does not rise in both sequences")


def gap_runs(query: Codes, reference: Codes, pairs: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """Return what lies between matches, the two ends included: residues of each, (k + 1, 2)."""
    before = np.vstack([[-1, -1], pairs]).astype(np.int64)
    behind = np.vstack([pairs, [len(query), len(reference)]]).astype(np.int64)
    return behind - before - 1


def count_alignments(alignments: Iterable[AlignedPair], *, iterations: int = 60) -> Counts:
    """Count the events of true alignments.

    Whether a gap is short or long is not seen: an EM over the lengths of gaps decides.

    Parameters
    ----------
    alignments
        Codes (0 to 3; others are left out of the letters' counts) of two sequences, and their
        aligned positions (k, 2).
    """
    letters = np.zeros((5, 5))
    runs = []
    for query, reference, pairs in alignments:
        check_pairs(query, reference, pairs)
        a, b = np.minimum(query[pairs[:, 0]], 4), np.minimum(reference[pairs[:, 1]], 4)
        letters += np.bincount(a * 5 + b, minlength=25).reshape(5, 5)
        runs.append(gap_runs(query, reference, pairs))
    if not runs:
        raise InputError("no alignments to learn from")
    x, y = np.concatenate(runs).T
    lengths = np.concatenate([x[x > 0], y[y > 0]])
    share, extend = _mixture(lengths, iterations)
    counts = Counts(match=letters[:4, :4], stay=float(((x == 0) & (y == 0)).sum()))

    def kinds(run: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        weight = share * extend ** (run[:, None] - 1.0) * (1 - extend)
        weight /= weight.sum(axis=1, keepdims=True) + 1e-300
        counts.extended = counts.extended + ((run[:, None] - 1) * weight).sum(axis=0)
        counts.closed = counts.closed + weight.sum(axis=0)
        total: npt.NDArray[np.float64] = weight.sum(axis=0)
        return total

    first = kinds(x[x > 0])
    counts.opened = np.stack([first, kinds(y[(y > 0) & (x == 0)])])
    counts.linked = kinds(y[(y > 0) & (x > 0)])
    counts.unlinked = float(((x > 0) & (y == 0)).sum())
    return counts


def _mixture(
    lengths: npt.NDArray[np.int64], iterations: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Fit two geometric distributions to gap lengths: shares and extension probabilities."""
    share, extend = np.array([0.7, 0.3]), np.array([0.3, 0.9])
    if not len(lengths):
        return share, extend
    values, counts = np.unique(lengths, return_counts=True)
    for _ in range(iterations):
        weight = share * extend ** (values[:, None] - 1.0) * (1 - extend)
        weight *= (counts / (weight.sum(axis=1) + 1e-300))[:, None]
        # A little of the starting point, so that few gaps give no extreme.
        total = weight.sum(axis=0) + 0.5
        share = total / total.sum()
        inner = (weight * (values[:, None] - 1)).sum(axis=0) + 0.5 * np.array([0.4, 9.0])
        extend = np.clip(inner / (inner + total), 1e-3, 0.999)
    return share, extend


def parameters_from_alignments(alignments: Iterable[AlignedPair]) -> PairHMMParameters:
    """Return the parameters under which true alignments are likeliest."""
    return count_alignments(alignments).parameters()
