"""Whether sampled DNA has the k-mers of its source."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from genolstm.errors import InputError, SettingError
from genolstm.sequences.alphabet import Codes
from genolstm.text.settings import MAX_K


class SpectrumComparison(NamedTuple):
    """How alike two k-mer spectra are."""

    k: int
    divergence: float
    """Jensen-Shannon divergence in bits: 0 for equal spectra, 1 for disjoint ones."""
    correlation: float
    """Pearson's, of the frequencies of all 4^k k-mers."""


def spectrum(sequences: Iterable[Codes], k: int, *, canonical: bool = False) -> npt.NDArray[np.float64]:
    """Return the frequencies of all 4^k k-mers, (4^k,), in the order of their numbers.

    Raises
    ------
    InputError
        No sequence holds a k-mer of known bases.
    """
    from genolstm.sequences.kmers import count_table

    if not 1 <= k <= MAX_K:
        raise SettingError(f"k is {k}, it must be between 1 and {MAX_K}")
    counts = np.zeros(4**k)
    for codes in sequences:
        counts += count_table(np.ascontiguousarray(codes, np.uint8), k, canonical=canonical)
    total = counts.sum()
    if not total:
        raise InputError(f"there is no {k}-mer of known bases to count")
    result: npt.NDArray[np.float64] = counts / total
    return result


def compare_spectra(
    sample: Iterable[Codes], source: Iterable[Codes], k: int, *, canonical: bool = False
) -> SpectrumComparison:
    """Compare the k-mer spectra of two sets of sequences.

    Short samples differ from their source by chance: compare them with a stretch of the source of
    the same length.
    """
    p, q = (spectrum(one, k, canonical=canonical) for one in (sample, source))
    middle = (p + q) / 2

    def entropy(one: npt.NDArray[np.float64]) -> float:
        used = one[one > 0]
        return float(-(used * np.log2(used)).sum())

    divergence = max(0.0, entropy(middle) - (entropy(p) + entropy(q)) / 2)
    flat = p.std() == 0 or q.std() == 0
    correlation = float("nan") if flat else float(np.corrcoef(p, q)[0, 1])
    return SpectrumComparison(k, divergence, correlation)
