"""The references with the fewest edits among many candidates, 64 cells at a time: a cheap look before exact scoring.

Of each pair, only those cells are visited that a path with few enough edits to matter may cross, and only until no
such path is left.

References
----------
Myers 1999, J ACM 46:395; Hyyro 2003 (blocks); Ukkonen 1985, Inf Control 64:100 (bounds).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from genolstm.alignment.pairhmm.modes import Strand
from genolstm.alignment.search.columns import LANES, add_column
from genolstm.compiled import compiled
from genolstm.sequences.packed import PackedSequences
from genolstm.threads import worker_pool

PLUS, MINUS, EITHER = 1, 2, 3
"""The strands of the query that matter for a pair."""
CLEAR_EDITS = 10
"""A strand with this many more edits adds nothing to the score."""
FAR = 1 << 30
"""Edits of a pair that has too many to matter."""
_CHUNK = 16
"""Number of queries that a thread takes at a time."""
_LOOK = 8
"""Number of columns between looks at whether any reference still matters."""
_ONE = np.uint64(1)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_ZERO = np.uint64(0)


@compiled()
def _lines(query):
    """Return, for each base, the query positions that may hold it, (words * 4,)."""
    lines = np.zeros(4 * ((query.size + 63) // 64), np.uint64)
    for i in range(query.size):
        for base in range(4):
            if query[i] >> base & 1:
                lines[4 * (i >> 6) + base] |= _ONE << np.uint64(i & 63)
    return lines


@compiled(apart=True)
def _distances(lines, n, letters, starts, chosen, count, limit, free, work, best):
    """Write the edits of a query with ``count`` references, ``FAR`` where they are more than ``limit``.

    ``lines``: the query of ``n`` letters, as :func:`_lines` gives it; ``chosen``: indices of the references.
    ``work``: room for vertical differences, (2, words * LANES).
    """
    words = (n + 63) // 64
    positive, negative = work[0], work[1]
    for k in range(words * LANES):
        positive[k], negative[k] = _ALL, _ZERO
    length, score, begin = np.zeros(LANES, np.int64), np.empty(LANES, np.int64), np.zeros(LANES, np.int64)
    longest = np.int64(0)
    for k in range(count):
        begin[k] = starts[chosen[k]]
        length[k] = starts[chosen[k] + 1] - begin[k]
        longest = max(longest, length[k])
    # At column j, no path with few enough edits is below row j + limit, or above the row from which too many are left.
    stop = min(words, (limit + 64) // 64)
    rows = min(64 * stop, n)
    score[:] = rows
    best[:] = n if free else FAR
    for column in range(longest):
        letter = _ZERO
        for k in range(LANES):
            # Beyond a reference's end, it does not matter what is read.
            letter |= np.uint64(letters[min(begin[k] + column, letters.size - 1)]) << np.uint64(8 * k)
        if stop < words and column + 1 + limit > rows:
            stop += 1
            score += min(64 * stop, n) - rows
            rows = min(64 * stop, n)
        first = max(n - (longest - column) - limit - 1, 0) >> 6
        add_column(
            letter, lines, positive, negative, score, best, length, column, min(first, stop - 1), stop,
            (rows - 1) & 63, free, stop == words
        )  # fmt: skip
        if column % _LOOK == _LOOK - 1:
            matters = False
            for k in range(count):
                # The fewest edits of a path through this column.
                least = score[k] + (n - rows) - (length[k] - column - 1)
                matters |= column < length[k] and least <= min(limit, best[k] - 1)
            if not matters:
                break
    for k in range(count):
        if best[k] > limit:
            best[k] = FAR


@compiled()
def _nearest(queries, turned, references, near, skip, names, first, last, strand, free, kept, edits, strands):
    (letters, starts), (reverse, _), (others, other_starts) = queries, turned, references
    most = kept.shape[1]
    chosen, plus, minus = np.zeros(LANES, np.int64), np.empty(LANES, np.int64), np.empty(LANES, np.int64)
    cost, own = np.empty(near.shape[1], np.int64), np.empty(near.shape[1], np.int64)
    asked = np.empty(near.shape[1], np.int64)
    work = np.empty((2, LANES), np.uint64)
    for i in range(first, last):
        n = starts[i + 1] - starts[i]
        if (n + 63) // 64 * LANES > work.shape[1]:
            work = np.empty((2, (n + 63) // 64 * LANES), np.uint64)
        forward, backward = _lines(letters[starts[i] : starts[i + 1]]), _lines(reverse[starts[i] : starts[i + 1]])
        size = 0
        for c in range(near.shape[1]):
            if near[i, c] >= 0 and (skip[i] < 0 or names[near[i, c]] != skip[i]):
                asked[size] = near[i, c]
                size += 1
        longest = np.int64(n)
        for c in range(size):
            longest = max(longest, other_starts[asked[c] + 1] - other_starts[asked[c]])
        found = np.zeros(longest + 2, np.int64)
        # More edits than those of the ``most`` best so far do not matter, and from then on as many do not, either.
        limit, below, done = longest, 0, 0
        for c in range(0, size, LANES):
            if limit < 0:
                break
            count = min(LANES, size - c)
            done = c + count
            for k in range(count):
                chosen[k] = asked[c + k]
            plus[:] = FAR
            minus[:] = FAR
            if strand & PLUS:
                _distances(forward, n, others, other_starts, chosen, count, limit, free, work, plus)
            if strand & MINUS:
                _distances(backward, n, others, other_starts, chosen, count, limit, free, work, minus)
            for k in range(count):
                cost[c + k] = min(plus[k], minus[k])
                own[c + k] = PLUS if plus[k] <= minus[k] else MINUS
                if cost[c + k] <= limit:
                    found[cost[c + k]] += 1
                    below += 1
            while limit >= 0 and below >= most:
                below -= found[limit]
                limit -= 1
        # Stable, by counting: of equally many edits, the candidate that was named first.
        good = 0
        for c in range(done):
            if cost[c] <= limit + 1:
                asked[good], cost[good], own[good] = asked[c], cost[c], own[c]
                good += 1
        at = 0
        for value in range(longest + 1):
            if found[value] > 0:
                for c in range(good):
                    if cost[c] == value and at < most:
                        kept[i, at], edits[i, at], strands[i, at] = asked[c], value, own[c]
                        at += 1
            if at == min(most, good):
                break
        if strand != EITHER:
            continue
        # The other strand of those that are kept: does it matter?
        for side in (PLUS, MINUS):
            lines = backward if side == PLUS else forward
            for c in range(0, at, LANES):
                count, top = 0, 0
                for k in range(c, min(c + LANES, at)):
                    if strands[i, k] == side:
                        chosen[count] = kept[i, k]
                        top = max(top, edits[i, k])
                        count += 1
                if count == 0:
                    continue
                _distances(lines, n, others, other_starts, chosen, count, top + CLEAR_EDITS, free, work, plus)
                count = 0
                for k in range(c, min(c + LANES, at)):
                    if strands[i, k] == side:
                        minus[k - c] = plus[count]
                        count += 1
                for k in range(c, min(c + LANES, at)):
                    if strands[i, k] == side and minus[k - c] - CLEAR_EDITS <= edits[i, k]:
                        strands[i, k] = -EITHER
        for k in range(at):
            strands[i, k] = abs(strands[i, k])


def nearest(
    queries: PackedSequences,
    turned: PackedSequences,
    references: PackedSequences,
    candidates: npt.NDArray[np.int32],
    most: int,
    *,
    strand: Strand = "both",
    within: bool = False,
    skip: npt.NDArray[np.int64] | None = None,
    names: npt.NDArray[np.int64] | None = None,
    threads: int = 0,
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.int8]]:
    """Return the candidates of each query with the fewest edits, on the better strand.

    Parameters
    ----------
    queries, turned, references
        Sequences packed by :func:`genolstm.sequences.packed.pack`, the queries also as their reverse complements;
        none may be empty. Letters that may be equal count as equal.
    candidates
        Indices of references, (queries, k); -1 for none.
    most
        Number of candidates kept.
    strand
        Strand of the queries to look at.
    within
        Compare the query with the most similar part of the reference only.
    skip, names
        Name (as a number) that each query is not to be compared with, -1 for none, and that of each reference.
    threads
        Threads to use; 0 means all cores.

    Returns
    -------
    tuple of numpy.ndarray
        Indices of references, fewest edits first, -1 for none; edits; and the strands that matter, ``PLUS``,
        ``MINUS`` or ``EITHER``; each (queries, most).
    """
    count = len(queries)
    kept = np.full((count, most), -1, dtype=np.int32)
    edits, strands = np.zeros((count, most), dtype=np.int32), np.zeros((count, most), dtype=np.int8)
    skip = np.full(count, -1) if skip is None else skip
    names = np.zeros(len(references), dtype=np.int64) if names is None else names
    sides = ((x.letters, x.starts) for x in (queries, turned, references))
    asked = (*sides, np.ascontiguousarray(candidates, dtype=np.int32), skip, names)
    code = {"plus": PLUS, "minus": MINUS, "both": EITHER}[strand]

    def work(first: int) -> None:
        _nearest(*asked, first, min(first + _CHUNK, count), code, within, kept, edits, strands)

    with worker_pool(threads) as pool:
        list(pool.map(work, range(0, count, _CHUNK)))
    return kept, edits, strands
