"""Scores of many short pairs: choosing parameters and summing over alignments in one compiled call.

Gives the same numbers as :meth:`genolstm.alignment.scorer.AlignmentScorer.score`, up to rounding; for
pairs of a few hundred bases, most of that method's time is spent in Python.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from genolstm.alignment.pairhmm.damage import DamageProfile
from genolstm.alignment.pairhmm.member import (
    CLEAR_BITS,
    LARGE_CELLS,
    PSEUDOCOUNT,
    SHORTEST_FITTED,
    Reading,
    best_member,
    guess_divergence,
    lay_out_pair,
    log_odds,
    plain_reading,
    two_strands,
)
from genolstm.alignment.pairhmm.modes import MODES, Mode, Strand
from genolstm.alignment.pairhmm.parameters import ParameterFamily
from genolstm.compiled import compiled
from genolstm.errors import SettingError
from genolstm.sequences.masks import COMPLEMENTS, SHARES
from genolstm.sequences.packed import PackedSequences
from genolstm.threads import count_threads, worker_pool

LARGEST = LARGE_CELLS
"""Number of cells of the largest pair; in larger ones the scorer looks for a smaller region."""
CHUNK = 64

_STRANDS: dict[str, int] = {"plus": 1, "minus": 2, "both": 3}


@compiled(apart=True)
def _score_one(query, reference, mode, strands, family, prior, reading, reverse_reading, rough_only):
    """Return the log-odds of one pair in bits."""
    nq, nr = query.size, reference.size
    # The null model is the query's, as it is read on each strand (see member.null_of).
    background = np.full((2, 4), PSEUDOCOUNT)
    turned = np.empty(nq, np.uint8)
    for i in range(nq):
        turned[nq - 1 - i] = COMPLEMENTS[query[i]]
        for base in range(4):
            background[0, base] += SHARES[query[i], base]
            background[1, base] += SHARES[COMPLEMENTS[query[i]], base]
    begin = 1.0
    if mode == 1:
        begin = 1.0 / (nr + 1)
    elif mode == 2:
        begin = 1.0 / (np.float64(nq) * nr * min(nq, nr))
    plus = lay_out_pair(query, reference, mode, begin, reading)
    minus = lay_out_pair(turned, reference, mode, begin, reverse_reading)
    rough_only = rough_only or min(nq, nr) < SHORTEST_FITTED
    guess = np.zeros(2)
    bits = np.full(2, -math.inf)
    for side in range(2):
        if strands >> side & 1:
            pair = plus if side == 0 else minus
            guess[side] = guess_divergence(query if side == 0 else turned, reference)
            if strands == 3 or rough_only:
                nats = log_odds(math.log(guess[side]), math.log(prior[0]), background[side], family, pair)
                bits[side] = nats / math.log(2.0)
    rough = bits.copy()
    for side in range(2):
        clear = strands == 3 and rough[side] <= max(rough[0], rough[1]) - CLEAR_BITS
        if strands >> side & 1 and not clear and not rough_only:
            pair = plus if side == 0 else minus
            bits[side] = best_member(guess[side], prior, background[side], family, pair)[2] / math.log(2.0)
    return two_strands(bits[0], bits[1]) if strands == 3 else max(bits[0], bits[1])


@compiled()
def _score_all(queries, references, pairs, first, last, mode, strands, family, prior, readings, rough_only, out):
    """Score pairs ``first`` to ``last``; both sequences as (letters, starts)."""
    (letters, starts), (other_letters, other_starts) = queries, references
    matrices, reverse_matrices, classes, parts = readings
    for k in range(first, last):
        i, j = pairs[k, 0], pairs[k, 1]
        query = letters[starts[i] : starts[i + 1]]
        a, b = parts[i, 0], parts[i, 1]
        own = classes[starts[i] : starts[i + 1]]
        out[k] = _score_one(
            query,
            other_letters[other_starts[j] : other_starts[j + 1]],
            mode,
            strands,
            family,
            prior,
            Reading(matrices[a:b], own),
            Reading(reverse_matrices[a:b], own),
            rough_only,
        )


def _readings(queries: PackedSequences, damage: DamageProfile | None) -> tuple[npt.NDArray[Any], ...]:
    """Return the matrices of reads and of their reverse complements, the class of each position,
    and the range of matrices of each query, (queries, 2).
    """
    if damage is None:
        plain = plain_reading(len(queries.letters))
        return plain.matrices, plain.matrices, plain.classes, np.tile([0, 1], (len(queries), 1))
    # Reads of one length have the same matrices.
    lengths, which = np.unique(queries.lengths, return_inverse=True)
    forward, reverse = ([damage.reading(int(n), reverse=turned) for n in lengths] for turned in (False, True))
    ends = np.cumsum([0] + [len(r.matrices) for r in forward])
    return (
        np.concatenate([r.matrices for r in forward]),
        np.concatenate([r.matrices for r in reverse]),
        np.concatenate([forward[k].classes for k in which]),
        np.stack([ends[which], ends[which + 1]], axis=1),
    )


def score_pairs(
    queries: PackedSequences,
    references: PackedSequences,
    pairs: npt.NDArray[np.int64],
    family: ParameterFamily,
    *,
    mode: Mode = "global",
    strand: Strand = "both",
    damage: DamageProfile | None = None,
    rough: bool = False,
    threads: int = 0,
) -> npt.NDArray[np.float64]:
    """Return the log-odds of pairs against the null model in bits.

    Parameters
    ----------
    queries, references
        Sequences packed by :func:`genolstm.sequences.packed.pack`; none empty.
    pairs
        Indices of query and reference, (k, 2).
    family
        Each pair gets its own member of it.
    damage
        Damage profile of ancient queries; None for no damage.
    rough
        Whether to score only under the member that shared k-mers suggest, about eight times as fast.
    threads
        Number of threads; 0 means all cores.

    Returns
    -------
    numpy.ndarray
        float64 (k,).

    Raises
    ------
    SettingError
        A sequence is empty, or a pair has more than ``LARGEST`` cells.
    """
    pairs = np.ascontiguousarray(pairs, dtype=np.int64).reshape(-1, 2)
    n, m = queries.lengths[pairs[:, 0]], references.lengths[pairs[:, 1]]
    if len(pairs) and min(n.min(), m.min()) == 0:
        raise SettingError("a sequence without residues cannot be aligned")
    if len(pairs) and not fits(n, m).all():
        raise SettingError(f"pairs of more than {LARGEST:,} cells have to be scored one at a time")
    prior, numbers = family.prior(), family.numbers()
    readings = _readings(queries, damage)
    sides = ((queries.letters, queries.starts), (references.letters, references.starts))
    asked = (MODES.index(mode), _STRANDS[strand])
    out = np.empty(len(pairs))

    def work(first: int) -> None:
        last = min(first + CHUNK, len(pairs))
        _score_all(*sides, pairs, first, last, *asked, numbers, prior, readings, rough, out)

    threads = count_threads(threads)
    if threads == 1:
        for first in range(0, len(pairs), CHUNK):
            work(first)
        return out
    with worker_pool(threads) as pool:
        list(pool.map(work, range(0, len(pairs), CHUNK)))
    return out


def fits(n: npt.ArrayLike, m: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Return whether pairs of these lengths are small enough for :func:`score_pairs`."""
    small: npt.NDArray[np.bool_] = (np.asarray(n) + 1) * (np.asarray(m) + 1) <= LARGEST
    return small
