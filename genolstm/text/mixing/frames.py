"""Codons: DNA as a hidden Markov model whose states are the reading frames, learned while it is read.

In genes, bases come in threes, on either strand, and what follows two bases depends on where in a codon they
are. Counts of words know that only as far as a word tells its frame. Here a state is no frame (0) or one of the six;
each has its chances of a base after two others, those of the other strand by the same counts of codons.
States are learned from the beliefs some bases later, which know more. All that is known beforehand is that
codons are rarely TAA, TAG or TGA (this is the inhomogeneous Markov model of gene finders, as in Borodovsky
and McIninch 1993, without a training set).
"""

from __future__ import annotations

from math import log
from typing import Any

import numpy as np
import numpy.typing as npt

from genolstm.compiled import compiled

STATES, LAG = 7, 90
LEVELS = 3
#: Of a frame that is believed in: that it ends before the next base; of none, that one begins.
_END, _BEGIN = np.float32(1 / 400), np.float32(1 / 400)
#: Counts before anything was read: of each word of three bases, and of those that end genes.
_PRIOR, _PRIOR_STOP = 20.0, 2.0
_STOPS = (48, 50, 56)  # TAA, TAG, TGA
_LEAST = np.float32(1e-4)


def new_codons() -> npt.NDArray[np.float32]:
    """Return the counts before anything was read, (4, 64): by place of the last base in a codon, and outside."""
    counts = np.full((4, 64), _PRIOR, np.float32)
    counts[2, list(_STOPS)] = _PRIOR_STOP
    return counts


@compiled(error_model="numpy", _nrt=False, inner=True)
def _turned(word: Any) -> Any:
    """Return three bases as the other strand has them."""
    return 63 - (((word & 3) << 4) | (word & 12) | (word >> 4))


@compiled(error_model="numpy", _nrt=False)
def read_frames(
    seq: Any, start: Any, stop: Any, codons: Any, belief: Any, gap: Any, says: Any, x: Any, column: Any, frames: Any
) -> None:  # fmt: skip
    """Say what reading frames make of each base, and learn it.

    Parameters
    ----------
    codons
        Counts of :func:`new_codons`.
    belief
        Chance of each state before the first of the bases, (STATES,).
    gap
        Bases since the last boundary, (1,).
    says
        Room for what each state says, and all together, (STATES + 1, 4).
    x
        (bases * 2, inputs): log odds are written into a column.
    frames
        (bases,): state and place in the codon that are believed in, and how firmly: 0 for none.
    """
    said = says[STATES]
    since = gap[0]
    for i in range(start, stop):
        base = np.int64(seq[i])
        if base > 3:
            since = 0
            for f in range(STATES):
                belief[f] = np.float32(1 / STATES)
            continue
        row = (i - start) * 2
        if since < 2:
            x[row, column] = 0
            x[row + 1, column] = 0
            frames[i - start] = 0
            since += 1
            continue
        first, second = np.int64(seq[i - 2]), np.int64(seq[i - 1])
        before = (first * 4 + second) * 4
        for b in range(4):
            said[b] = 0
        best = 0
        for f in range(STATES):
            total = np.float32(0)
            if f < 4:
                place = (i + f) % 3 if f else 3
                for b in range(4):
                    value = codons[place, before + b]
                    says[f, b] = value
                    total += value
            else:
                # The last base of the other strand's word is the first one here.
                place = (4 - (i + f) % 3) % 3
                rest = (3 - second) * 4 + 3 - first
                for b in range(4):
                    value = codons[place, (3 - b) * 16 + rest]
                    says[f, b] = value
                    total += value
            total = np.float32(1) / total
            for b in range(4):
                says[f, b] *= total
                said[b] += belief[f] * says[f, b]
            if belief[f] > belief[best]:
                best = f
        upper = said[2] + said[3]
        x[row, column] = np.float32(log((upper + _LEAST) / (said[0] + said[1] + _LEAST)))
        lower = 2 if base > 1 else 0
        x[row + 1, column] = np.float32(log((said[lower + 1] + _LEAST) / (said[lower] + _LEAST)))
        level = 0 if belief[best] < np.float32(0.6) else 1 if belief[best] < np.float32(0.9) else 2
        state = 0
        if best:
            state = 1 + (i + best) % 3 if best < 4 else 6 - (i + best) % 3
        frames[i - start] = state * LEVELS + level
        # What this base says of the states, and what may have changed before the next one.
        total = np.float32(0)
        for f in range(STATES):
            belief[f] *= says[f, base]
            total += belief[f]
        total = np.float32(1) / total
        none = belief[0] * total
        coding = np.float32(1) - none
        belief[0] = none * (np.float32(1) - _BEGIN) + coding * _END
        for f in range(1, STATES):
            belief[f] = belief[f] * total * (np.float32(1) - _END) + none * _BEGIN * np.float32(1 / 6)
        since += 1
        if since >= LAG + 3:
            t = i - LAG
            word = (np.int64(seq[t - 2]) * 4 + np.int64(seq[t - 1])) * 4 + np.int64(seq[t])
            other = _turned(word)
            codons[3, word] += belief[0]
            codons[3, other] += belief[0]
            for f in range(1, 4):
                codons[(t + f) % 3, word] += belief[f]
            for f in range(4, STATES):
                codons[(4 - (t + f) % 3) % 3, other] += belief[f]
    gap[0] = since
