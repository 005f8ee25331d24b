"""Whether it is worth asking the network about a pair: a look at its plain alignment, which costs next to nothing."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from genolstm.alignment.result import PosteriorAlignment

MOST_DOUBT = 0.03
"""Share of a pair's columns that are expected to be wrong, up to which nothing is to be gained."""
CODONS = 5.0
"""Chi-square, with two degrees of freedom, from which on mismatches count as unevenly spread over the positions of
codons; by chance, one pair in twelve gets there."""
STRETCH = 600
"""Number of aligned residues that are looked at together: genes in other frames follow one another."""


def is_worth_asking(model: object, found: PosteriorAlignment) -> bool:
    """Return whether a model is asked about a pair, of which the plain alignment is given.

    That depends on the model's ``asked``: ``always``, as without it, or ``if codons show``: if enough columns may be
    wrong, and the pair looks like coding sequence.
    """
    return getattr(model, "asked", "always") == "always" or (is_doubtful(found) and shows_codons(found))


def is_doubtful(found: PosteriorAlignment) -> bool:
    """Return whether enough columns of an alignment may be wrong for context to matter."""
    columns = min(len(found.posteriors), len(found.masks[0]))
    return not columns or float((1.0 - found.posteriors).sum()) > MOST_DOUBT * columns


def shows_codons(found: PosteriorAlignment) -> bool:
    """Return whether mismatches have a period of three, as between coding sequences, whose codons' third bases vary."""
    query, reference = found.masks
    at = found.pairs[:, 0]
    differ = (query[at] & reference[found.pairs[:, 1]]) == 0
    stretches = max(1, round(len(at) / STRETCH))
    least = CODONS + 2.0 * math.log(stretches)
    parts = zip(np.array_split(at, stretches), np.array_split(differ, stretches), strict=True)
    return any(_unevenness(places, unlike) >= least for places, unlike in parts)


def _unevenness(at: npt.NDArray[np.int32], differ: npt.NDArray[np.bool_]) -> float:
    """Return the chi-square of mismatches by position of a codon; 0 if all columns are alike."""
    size = np.bincount(at % 3, minlength=3)
    hits = np.bincount(at % 3, weights=differ, minlength=3)
    share = differ.mean() if len(differ) else 0.0
    if not 0.0 < share < 1.0 or not size.all():
        return 0.0
    return float(((hits - share * size) ** 2 / (share * (1.0 - share) * size)).sum())
