"""Whether it is worth asking the network about a pair: a look at its plain alignment, which costs next to nothing."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from genolstm.alignment.result import PosteriorAlignment

MOST_DOUBT = 0.03
"""Share of a pair's columns that are expected to be wrong, up to which nothing is to be gained."""
CODONS = 3.2
"""Sum of two standard scores, of the query's and of the reference's position of a codon at which mismatches are most
frequent, from which on a pair looks like coding sequence; by chance, one pair in ten gets there."""
MORE = 0.55
"""What is added for ``e`` times as many stretches, of which the best counts."""
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
    """Return whether mismatches have a period of three, as between coding sequences, whose codons' third bases vary.

    Columns count by their posteriors. Each sequence has a frame of its own, which a gap in the other does not shift.
    """
    query, reference = found.masks
    differ = (query[found.pairs[:, 0]] & reference[found.pairs[:, 1]]) == 0
    weights = found.posterior.of_pairs(found.pairs).astype(np.float64)
    stretches = max(1, round(len(differ) / STRETCH))
    least = CODONS + MORE * math.log(stretches)
    parts = zip(*(np.array_split(x, stretches) for x in (found.pairs, differ, weights)), strict=True)
    return any(_unevenness(*part) >= least for part in parts)


def _unevenness(pairs: npt.NDArray[np.int32], differ: npt.NDArray[np.bool_], weights: npt.NDArray[np.float64]) -> float:
    """Return by how much mismatches are more frequent at one position of a codon, as a sum of two standard scores.

    One of positions in the query, the other of those in the reference; 0 if all columns are alike.
    """
    total = weights.sum()
    share = float(weights @ differ) / total if total > 0 else 0.0
    if not 0.0 < share < 1.0:
        return 0.0
    beyond, spread = weights * (differ - share), weights**2
    whole, out = spread.sum(), 0.0
    for position in (pairs % 3).T:
        excess = np.bincount(position, weights=beyond, minlength=3)
        part = np.bincount(position, weights=spread, minlength=3)
        if not part.all():
            return 0.0
        out += float((excess / np.sqrt(share * (1 - share) * part * (1 - part / whole))).max())
    return out
