"""One member of a parameter family, and a pair's score under it: compiled, for all who need it.

What two numbers, divergence d and gaps per substitution r, say of matches and gaps is written here
and nowhere else. :class:`~genolstm.alignment.pairhmm.parameters.ParameterFamily` calls it for one
set of parameters, :func:`log_odds` for every step of the search for the best one.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from genolstm.alignment.pairhmm import kernels as kn
from genolstm.alignment.pairhmm.modes import MODES, Mode, placements
from genolstm.compiled import compiled
from genolstm.errors import SettingError
from genolstm.sequences.masks import MEMBERS, Masks

_MEMBERS = MEMBERS.copy()
_MEMBERS[0] = 1.0


class Reading(NamedTuple):
    """How the query's bases are read, by class of place.

    Attributes
    ----------
    matrices
        Probability of the base that is read (column) given the true one (row), float64
        (classes, 4, 4).
    classes
        Class of each query position, int64 (n,).
    """

    matrices: npt.NDArray[np.float64]
    classes: npt.NDArray[np.int64]


class Layout(NamedTuple):
    """A pair without its parameters, as the recursions read it.

    Rows are the longer sequence: what is kept per row is then short.

    Attributes
    ----------
    mode
        One of the kernels' codes (``GLOBAL``, ...).
    begin
        Probability of each place where the alignment may begin.
    flipped
        Rows are the query.
    key
        Line of the profile that a row uses: the bit mask of its residue, and 16 times its class
        where rows are the query, int64 (rows + 1,).
    columns
        Bit masks of the shorter sequence.
    lo, hi
        First and last column of each row, int64 (rows + 1,).
    reading
        How the query is read.
    """

    mode: int
    begin: float
    flipped: bool
    key: npt.NDArray[np.int64]
    columns: Masks
    lo: npt.NDArray[np.int64]
    hi: npt.NDArray[np.int64]
    reading: Reading


_AS_IT_IS = np.eye(4)[None]


def plain_reading(length: int) -> Reading:
    """Return the reading of a query without errors."""
    return Reading(_AS_IT_IS, np.zeros(length, dtype=np.int64))


@compiled()
def lay_out_pair(query, reference, mode, begin, reading):
    """Return the layout of a pair over the whole matrix.

    ``mode`` is a place in ``MODES``; ``begin`` as in :class:`Layout`.
    """
    flipped = query.size > reference.size
    rows, columns = (query, reference) if flipped else (reference, query)
    n, m = rows.size, columns.size
    key = np.zeros(n + 1, np.int64)
    for i in range(n):
        key[i + 1] = rows[i]
        if flipped:
            key[i + 1] += 16 * reading.classes[i]
    code = kn.GLOBAL
    if mode == 1:
        code = kn.FREE_COLUMNS if flipped else kn.FREE_ROWS
    elif mode == 2:
        code = kn.LOCAL
    return Layout(code, begin, flipped, key, columns, np.zeros(n + 1, np.int64), np.full(n + 1, m, np.int64), reading)


def layout_of(
    query: Masks, reference: Masks, mode: Mode = "global", places: int | None = None, reading: Reading | None = None
) -> Layout:
    """Return the layout of a pair over the whole matrix.

    Parameters
    ----------
    query, reference
        Bit masks.
    places
        Number of places where the alignment may begin (and end); by default as the mode says.
    reading
        How the query is read; None for as it is.

    Raises
    ------
    SettingError
        There is no such mode, a sequence is empty, or the reading is that of another query.
    """
    if mode not in MODES:
        raise SettingError(f"mode is {mode!r}, it has to be one of {', '.join(MODES)}")
    n, m = len(query), len(reference)
    if not n or not m:
        raise SettingError("a sequence without residues cannot be aligned")
    reading = reading or plain_reading(n)
    if len(reading.classes) != n:
        raise SettingError("every query position needs a class")
    begin = 1.0 / (places or placements(n, m, mode))
    own = (np.array(s, dtype=np.uint8) for s in (query, reference))  # masks may be read-only
    found: Layout = lay_out_pair(*own, MODES.index(mode), begin, reading)
    return found


@compiled()
def hky85(divergence, kappa, shape, frequencies):
    """Return the joint probabilities of two residues, see ``parameters.hky_joint``."""
    pi = frequencies / frequencies.sum()
    purine, pyrimidine = pi[0] + pi[2], pi[1] + pi[3]
    beta = 0.5 / (purine * pyrimidine + kappa * (pi[0] * pi[2] + pi[1] * pi[3]))
    joint = np.empty((4, 4))
    x = beta * divergence
    between = math.exp(-x) if shape <= 0 else (1 + x / shape) ** -shape
    for i in range(4):
        group = purine if i % 2 == 0 else pyrimidine
        y = x * (1 + group * (kappa - 1))
        within = math.exp(-y) if shape <= 0 else (1 + y / shape) ** -shape
        for j in range(4):
            if i % 2 == j % 2:
                p = pi[j] * (1 + (1 / group - 1) * between)
                p += ((group - pi[j]) if i == j else -pi[j]) / group * within
            else:
                p = pi[j] * (1 - between)
            joint[i, j] = pi[i] * p
    return joint


@compiled()
def gaps_of_member(x, family):
    """Return gap opening and extension (short, long) and link where d r is ``x``.

    ``family`` is what ``ParameterFamily.numbers`` returns.
    """
    _, _, share, e1, e2, growth1, growth2, link = family
    opened = min(1 - math.exp(-x), 0.4)
    opens = (share * opened, (1 - share) * opened)
    extends = (min(e1 + x * growth1, 0.7), min(e2 + x * growth2, 0.98))
    return opens, extends, min(link, 0.9 / opened)


@compiled()
def match_odds(joint):
    """Return the odds of matches of sets of bases, (16, 16) by bit masks."""
    top = _MEMBERS @ joint @ _MEMBERS.T
    rows, columns = _MEMBERS @ joint.sum(axis=1), _MEMBERS @ joint.sum(axis=0)
    for p in range(16):
        for q in range(16):
            top[p, q] /= rows[p] * columns[q]
    return top


@compiled()
def lay_out_odds(joint, pair):
    """Return the odds of matches along the columns, float32 (letters of the rows, columns + 1).

    Only letters that occur get a line.
    """
    n, m = pair.key.size - 1, pair.columns.size
    matrices, classes = pair.reading
    odds = np.empty((matrices.shape[0], 16, 16))
    for k in range(matrices.shape[0]):
        odds[k] = match_odds(matrices[k].T @ joint)
    profile = np.zeros((16 * matrices.shape[0] if pair.flipped else 16, m + 1), np.float32)
    used = np.zeros(profile.shape[0], np.bool_)
    for i in range(1, n + 1):
        used[pair.key[i]] = True
    for r in np.flatnonzero(used):
        line = profile[r]
        if pair.flipped:
            table = odds[r // 16, r % 16]
            for j in range(m):
                line[j + 1] = table[pair.columns[j]]
        else:
            for j in range(m):
                line[j + 1] = odds[classes[j], pair.columns[j], r]
    return profile


@compiled()
def log_odds(u, v, background, family, pair):
    """Return the log-odds in nats of a pair (:class:`Layout`) under the member (exp u, exp v)."""
    kappa, shape = family[0], family[1]
    d = math.exp(u)
    opened, extend, link = gaps_of_member(d * math.exp(v), family)
    c = kn.weights_of_gaps(opened, extend, link).astype(np.float32)
    profile = lay_out_odds(hky85(d, kappa, shape, background), pair)
    n, m = pair.key.size - 1, pair.columns.size
    ones = np.ones(n + 1, np.float32)
    state = np.empty((4, m + 1), np.float32)
    exponent = np.empty(m // kn.TILE + 1, np.int64)
    end = np.zeros(2)
    kn.begin_rows(c, pair.mode, pair.begin, pair.hi, ones, ones, state, exponent, end)
    # Nothing is kept, and so offsets are not read.
    band, kept = (pair.lo, pair.hi, pair.lo), (np.empty(1, np.float32), np.empty((1, 1), np.int64))
    opens = (ones, ones, ones, ones)
    kn.forward_rows(0, n, (profile, pair.key), band, c, pair.mode, pair.begin, opens, state, exponent, False, kept, end)
    if not end[0] > 0:
        return -math.inf
    return math.log(end[0]) + end[1] * math.log(2.0)
