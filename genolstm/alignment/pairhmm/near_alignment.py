"""Near pairs aligned, and what a line of output holds of each, many in one call."""

from __future__ import annotations

import numpy as np

from genolstm.alignment.pairhmm import kernels as kn
from genolstm.alignment.pairhmm.band import LONGEST, find_band
from genolstm.alignment.pairhmm.decode import align_doubtful, best_expected_f1, settle_ties
from genolstm.alignment.pairhmm.near_posterior import posterior_near
from genolstm.compiled import compiled

FIELDS = 12
"""Whether it was aligned; first and last column of the reference; equal letters; columns; mean posterior; its highest
of a match; expected number of wrong columns; and where its parts end among all."""

_SIGNS = np.frombuffer(b"=XID", dtype=np.uint8)


@compiled(apart=True)
def align_chunk(queries, references, pairs, first, last, free, family, fitted, span_cost, slack, tie, cutoff):
    """Align pairs ``first`` to ``last``, whose parameters ``score_chunk`` has found (``fitted``).

    Returns the numbers of each (see :data:`FIELDS`), and, laid end to end: matched residues (k, 2); the sparse
    posterior (rows, columns, values); the matched posterior of each residue of query and reference; CIGARs.
    """
    (letters, starts), (others, other_starts) = queries, references
    count = last - first
    numbers = np.zeros((count, FIELDS))
    lo_, hi_ = np.empty(LONGEST + 1, np.int64), np.empty(LONGEST + 1, np.int64)
    residues = 0
    for k in range(first, last):
        i, j = pairs[k, 0], pairs[k, 1]
        residues += starts[i + 1] - starts[i] + other_starts[j + 1] - other_starts[j]
    links, n_links = np.empty((residues, 2), np.int32), 0
    matched, n_matched = np.zeros(residues, np.float32), 0
    text, n_text = np.empty(8 * residues, np.uint8), 0
    rows, columns, values, found = (
        np.empty(4 * residues, np.int32), np.empty(4 * residues, np.int32), np.empty(4 * residues, np.float32), 0
    )  # fmt: skip
    own = np.empty(1 << 12, np.int32), np.empty(1 << 12, np.int32), np.empty(1 << 12, np.float32)
    for k in range(first, last):
        i, j = pairs[k, 0], pairs[k, 1]
        query, reference = letters[starts[i] : starts[i + 1]], others[other_starts[j] : other_starts[j + 1]]
        n, m = query.size, reference.size
        out = numbers[k - first]
        edits, _ = find_band(query, reference, free, lo_, hi_)
        if edits < 0:
            continue
        lo, hi = lo_[: n + 1], hi_[: n + 1]
        row_sum, column_sum = matched[n_matched : n_matched + n], matched[n_matched + n : n_matched + n + m]
        matched[n_matched : n_matched + n + m] = 0.0  # what a pair that was given up has left there
        own, size = posterior_near(
            fitted[k, 1], fitted[k, 2], family, query, reference, free, lo, hi, own, row_sum, column_sum, cutoff
        )
        if size == 0:
            continue
        if found + size > rows.size:
            rows, columns, values = kn.grow(rows, columns, values, size)
        r, c, p = rows[found : found + size], columns[found : found + size], values[found : found + size]
        sort_rows(own, size, r, c, p)
        total = 0.0
        for x in range(n):
            row_sum[x] = min(row_sum[x], np.float32(1.0))
            total += row_sum[x]
        for x in range(m):
            column_sum[x] = min(column_sum[x], np.float32(1.0))
        edge = False
        for x in range(size):
            a, b = r[x] + 1, c[x] + 1
            edge |= (b <= lo[a] + 2 and lo[a] > 0) or (b >= hi[a] - 2 and hi[a] < m)
        if edge:
            continue
        p64 = p.astype(np.float64)
        chain, half = best_chain(r, c, p64, total, m, span_cost)
        if chain.size == 0:
            continue
        chain = align_doubtful(r, c, p64, chain, half, total, n, m, slack, span_cost == 0.0)
        made = links[n_links : n_links + chain.size]
        for x in range(chain.size):
            made[x, 0], made[x, 1] = r[chain[x]], c[chain[x]]
        settle_ties(query, reference, made, r, c, p, tie)
        n_text = describe(query, reference, free, made, r, c, p, row_sum, column_sum, text, n_text, out)
        out[0] = 1.0
        n_links += chain.size
        found += size
        n_matched += n + m
        out[8], out[9], out[10], out[11] = n_links, found, n_matched, n_text
    return (
        numbers,
        links[:n_links].copy(),
        rows[:found].copy(),
        columns[:found].copy(),
        values[:found].copy(),
        matched[:n_matched].copy(),
        text[:n_text].copy(),
    )


@compiled(apart=True)
def best_chain(rows, columns, probability, total, n_columns, span_cost):
    """Return what ``best_expected_f1`` returns, without its search where the links worth taking cannot conflict."""
    half = 0.25
    chain, size = np.empty(rows.size, np.int64), 0
    for _ in range(8):
        size, clear = 0, True
        for k in range(rows.size):
            if probability[k] <= half:
                continue
            if size > 0:
                before = chain[size - 1]
                clear &= rows[k] > rows[before] and columns[k] > columns[before]
            chain[size] = k
            size += 1
        if size == 0 or not clear:
            return best_expected_f1(rows, columns, probability, total, n_columns, span_cost)
        # All of them make a chain: the heaviest is a part of it, because what is left out in between has a cost.
        top, value, begin, first, stop = 0.0, 0.0, 0, 0, 0
        for x in range(size):
            k = chain[x]
            if x > 0:
                b = chain[x - 1]
                value -= span_cost * (rows[k] - rows[b] - 1 + columns[k] - columns[b] - 1)
            if value <= 0.0:
                value, begin = 0.0, x
            value += probability[k] - half
            if value > top:
                top, first, stop = value, begin, x + 1
        hit = 0.0
        for x in range(first, stop):
            chain[x - first] = chain[x]
            hit += probability[chain[x]]
        size = stop - first
        new = hit / (size + total)
        if abs(new - half) < 1e-3 * half:
            break
        half = new
    return chain[:size].copy(), half


@compiled()
def sort_rows(found, size, rows, columns, values):
    """Write matches in rising order, whose rows fall and whose columns rise within a row."""
    own_rows, own_columns, own_values = found
    at, stop = 0, size
    while stop > 0:
        start = stop - 1
        while start > 0 and own_rows[start - 1] == own_rows[start]:
            start -= 1
        for k in range(start, stop):
            rows[at], columns[at] = own_rows[k], own_columns[k]
            values[at] = min(own_values[k], np.float32(1.0))
            at += 1
        stop = start


@compiled(apart=True)
def describe(query, reference, free, links, rows, columns, values, row_sum, column_sum, text, at, out):
    """Write a CIGAR from place ``at`` on, and an alignment's numbers; return where the CIGAR ends."""
    n, m = query.size, reference.size
    r0, r1 = (links[0, 1], links[-1, 1] + 1) if free else (0, m)
    i, j, entry = 0, r0, 0
    equal, length, total, top = 0, 0, 0.0, 0.0
    operation, run = -1, 0
    for k in range(links.shape[0] + 1):
        last = k == links.shape[0]
        i1, j1 = (n, r1) if last else (links[k, 0], links[k, 1])
        for kind in (2, 3, 0):
            more = i1 - i if kind == 2 else (j1 - j if kind == 3 else (0 if last else 1))
            if more <= 0:
                continue
            own = kind
            if kind == 2:
                for x in range(i, i1):
                    total += 1.0 - row_sum[x]
            elif kind == 3:
                for x in range(j, j1):
                    total += 1.0 - column_sum[x]
            else:
                a, b = query[i1], reference[j1]
                own = 0 if a == b and a & (a - 1) == 0 else 1
                equal += own == 0
                while entry < rows.size and (rows[entry] < i1 or (rows[entry] == i1 and columns[entry] < j1)):
                    entry += 1
                if entry < rows.size and rows[entry] == i1 and columns[entry] == j1:
                    total += values[entry]
                    top = max(top, values[entry])
            length += more
            if own == operation:
                run += more
            else:
                at = _write_run(run, operation, text, at)
                operation, run = own, more
        i, j = i1 + 1, j1 + 1
    at = _write_run(run, operation, text, at)
    out[1], out[2], out[3], out[4], out[5], out[6], out[7] = (
        r0, r1, equal, length, total / length, top, length - total
    )  # fmt: skip
    return at


@compiled()
def _write_run(run, operation, text, at):
    if run == 0:
        return at
    place = 1
    while place * 10 <= run:
        place *= 10
    while place > 0:
        text[at] = 48 + run // place % 10
        at += 1
        place //= 10
    text[at] = _SIGNS[operation]
    return at + 1
