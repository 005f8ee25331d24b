"""From sparse match posteriors to one alignment: maximum expected accuracy.

An alignment is a chain of matches, rising in both sequences. Each match has a weight, and the
heaviest chain is found over the sparse posteriors alone, in O(K log m) time for K of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from genolstm.compiled import compiled
from genolstm.sorting import order_of

F1_SLACK = 1e-4
"""Expected F1 that may be given up for an alignment without needless gaps."""


@dataclass(frozen=True)
class SparsePosterior:
    """Posterior probabilities of matches; everything left out is below the cutoff.

    Attributes
    ----------
    query, reference
        0-based positions, int32 (K,), sorted by query, then reference.
    probability
        P(query residue and reference residue are aligned), float32 (K,).
    query_matched, reference_matched
        P(a residue is aligned to any residue), float32 (n,) and (m,); 1 minus it is the posterior of
        a gap.
    """

    query: npt.NDArray[np.int32]
    reference: npt.NDArray[np.int32]
    probability: npt.NDArray[np.float32]
    query_matched: npt.NDArray[np.float32]
    reference_matched: npt.NDArray[np.float32]

    def dense(self) -> npt.NDArray[np.float32]:
        """Return the whole matrix, float32 (n, m)."""
        out = np.zeros((len(self.query_matched), len(self.reference_matched)), dtype=np.float32)
        out[self.query, self.reference] = self.probability
        return out

    def of_pairs(self, pairs: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
        """Return the posteriors of the given pairs (k, 2); 0 for those below the cutoff."""
        width = len(self.reference_matched)
        keys = self.query.astype(np.int64) * width + self.reference
        wanted = pairs[:, 0].astype(np.int64) * width + pairs[:, 1]
        at = np.minimum(np.searchsorted(keys, wanted), max(len(keys) - 1, 0))
        if not len(keys):
            return np.zeros(len(wanted), dtype=np.float32)
        return np.where(keys[at] == wanted, self.probability[at], np.float32(0))


@compiled(apart=True)
def heaviest_chain(rows, columns, weights, n_columns, span_cost):
    """Return the indices of the heaviest rising chain, and its weight.

    ``rows``, ``columns`` are sorted by row, then column. Residues left out between two links cost
    ``span_cost`` each; those before and after the chain cost nothing.
    """
    best = np.full(n_columns + 1, -1.0)  # Fenwick tree: best chain ending before a column
    owner = np.full(n_columns + 1, -1, np.int64)
    previous = np.full(rows.size, -1, np.int64)
    top, last = 0.0, -1
    # Rising rows, falling columns within a row: no chain takes two links of one row.
    at = 0
    while at < rows.size:
        stop = at
        while stop < rows.size and rows[stop] == rows[at]:
            stop += 1
        for k in range(stop - 1, at - 1, -1):
            if weights[k] <= 0.0:
                continue
            place = span_cost * (rows[k] + columns[k])
            value, source = place, np.int64(-1)
            j = columns[k]  # columns before this one: tree positions 1 to j
            while j > 0:
                if best[j] > value:
                    value, source = best[j], owner[j]
                j -= j & -j
            value += weights[k] + 2.0 * span_cost
            previous[k] = source
            if value - place - 2.0 * span_cost > top:
                top, last = value - place - 2.0 * span_cost, k
            j = columns[k] + 1
            while j <= n_columns:
                if value > best[j]:
                    best[j], owner[j] = value, k
                j += j & -j
        at = stop
    size, k = 0, last
    while k >= 0:
        size += 1
        k = previous[k]
    chain = np.empty(size, np.int64)
    k = last
    while k >= 0:
        size -= 1
        chain[size] = k
        k = previous[k]
    return chain, top


@compiled(apart=True)
def best_expected_f1(rows, columns, probability, total, n_columns, span_cost):
    """Return the chain with the highest expected F1 of aligned pairs (indices), and half that F1.

    F1 = 2 TP / (predicted + true) is a ratio; the chain that maximises sum(p - F/2) for the F it
    attains maximises it (Dinkelbach 1967).
    """
    half = 0.25
    chain = np.empty(0, np.int64)
    weights = np.empty(rows.size)
    for _ in range(8):
        for k in range(rows.size):
            weights[k] = probability[k] - half
        chain, _ = heaviest_chain(rows, columns, weights, n_columns, span_cost)
        if chain.size == 0:
            if half < 1e-4:
                break
            half /= 4
            continue
        hit = 0.0
        for k in chain:
            hit += probability[k]
        new = hit / (chain.size + total)
        if abs(new - half) < 1e-3 * half:
            break
        half = new
    return chain, half


@compiled(apart=True)
def align_doubtful(rows, columns, probability, chain, half, total, n_rows, n_columns, slack, ends):
    """Add links where residues of both sequences were left unaligned opposite each other.

    Each costs half - p of the expected pairs; the cheapest stretches are completed, by the links
    likeliest in sum, while expected F1 falls by no more than ``slack`` in total.
    """
    budget = slack * (chain.size + total) / 2
    # Of each stretch: its cost, and where its links begin and end. No link belongs to two stretches.
    costs = np.empty(chain.size + 1)
    firsts, stops = np.empty(chain.size + 1, np.int64), np.empty(chain.size + 1, np.int64)
    links = np.empty(rows.size, np.int64)
    n_stretches, n_links = 0, 0
    for k in range(chain.size + 1):
        if (k == 0 or k == chain.size) and not ends:
            continue
        i0, j0, at = np.int64(-1), np.int64(-1), np.int64(0)
        i1, j1, stop = np.int64(n_rows), np.int64(n_columns), np.int64(rows.size)
        if k > 0:
            at = chain[k - 1]
            i0, j0 = np.int64(rows[at]), np.int64(columns[at])
        if k < chain.size:
            stop = chain[k]
            i1, j1 = np.int64(rows[stop]), np.int64(columns[stop])
        if i1 - i0 < 2 or j1 - j0 < 2:
            continue
        n, top = 0, 0.0
        for e in range(at, stop):
            if rows[e] > i0 and rows[e] < i1 and columns[e] > j0 and columns[e] < j1:
                n += 1
                top = max(top, probability[e])
        if n == 0 or half - top > budget:
            continue
        inside, weights = np.empty(n, np.int64), np.empty(n)
        own_rows, own_columns = np.empty(n, np.int32), np.empty(n, np.int32)
        n = 0
        for e in range(at, stop):
            if rows[e] > i0 and rows[e] < i1 and columns[e] > j0 and columns[e] < j1:
                inside[n], weights[n], own_rows[n], own_columns[n] = e, probability[e], rows[e] - i0, columns[e] - j0
                n += 1
        best, _ = heaviest_chain(own_rows, own_columns, weights, j1 - j0, 0.0)
        firsts[n_stretches] = n_links
        costs[n_stretches] = 0.0
        for e in best:
            costs[n_stretches] += half - probability[inside[e]]
            links[n_links] = inside[e]
            n_links += 1
        stops[n_stretches] = n_links
        n_stretches += 1
    out = np.zeros(rows.size, np.bool_)
    for e in chain:
        out[e] = True
    for s in order_of(costs[:n_stretches]):
        budget -= max(costs[s], 0.0)
        if budget < 0:
            break
        for link in range(firsts[s], stops[s]):
            out[links[link]] = True
    size = 0
    for e in range(out.size):
        size += out[e]
    found = np.empty(size, np.int64)
    size = 0
    for e in range(out.size):
        if out[e]:
            found[size] = e
            size += 1
    return found


@compiled(apart=True)
def settle_ties(query, reference, pairs, rows, columns, probability, tolerance):
    """Move each gap to the left while no letter changes and no posterior falls (in place).

    This is the convention of VCF, for gaps whose place the model leaves open. ``rows`` and ``columns`` are sorted.
    """
    for k in range(1, pairs.shape[0]):
        at = k
        while at > 0:
            gap_q = pairs[at, 0] - pairs[at - 1, 0] - 1
            gap_r = pairs[at, 1] - pairs[at - 1, 1] - 1
            if (gap_q > 0) == (gap_r > 0):
                break
            i, j = pairs[at - 1, 0], pairs[at - 1, 1]
            p, q = i, j
            if gap_q > 0:
                p = pairs[at, 0] - 1
                if query[p] != query[i]:
                    break
            else:
                q = pairs[at, 1] - 1
                if reference[q] != reference[j]:
                    break
            here = _look_up(rows, columns, probability, i, j)
            there = _look_up(rows, columns, probability, p, q)
            if there < here - tolerance:
                break
            pairs[at - 1, 0], pairs[at - 1, 1] = p, q
            at -= 1


@compiled(inner=True, _nrt=False)
def _look_up(rows, columns, probability, i, j):
    low, high = 0, rows.size
    while low < high:
        middle = (low + high) // 2
        if rows[middle] < i or (rows[middle] == i and columns[middle] < j):
            low = middle + 1
        else:
            high = middle
    if low < rows.size and rows[low] == i and columns[low] == j:
        return probability[low]
    return np.float32(0.0)


def decode_mea(
    posterior: SparsePosterior, *, gap_factor: float | None = None, span_cost: float = 0.0, slack: float = F1_SLACK
) -> npt.NDArray[np.int32]:
    """Return the aligned pairs (k, 2) of maximum expected accuracy.

    Parameters
    ----------
    gap_factor
        None maximises the expected F1 of aligned pairs. A number weighs residues correctly left
        unaligned against residues correctly aligned, as FSA does: 0 aligns all it can, 1 counts
        both equally, larger values align only what is certain.
    span_cost
        Cost per residue skipped within the alignment; keeps an alignment within a longer
        reference from jumping between two equally likely places.
    slack
        Expected F1 that may be given up for aligning residues of both sequences that would be left
        unaligned opposite each other. If a genome's few doubtful places cost nothing measurable, no
        gaps are opened for them, and its identity agrees with that of other aligners.

    References
    ----------
    Schwartz & Pachter 2007 (AMAP); Bradley et al. 2009 (FSA).
    """
    p = posterior.probability.astype(np.float64)
    width = len(posterior.reference_matched)
    if gap_factor is None:
        total = float(posterior.query_matched.sum(dtype=np.float64))
        rows, columns = posterior.query, posterior.reference
        chain, half = best_expected_f1(rows, columns, p, total, width, float(span_cost))
        if slack > 0 and len(chain):
            chain = align_doubtful(
                rows, columns, p, chain, half, total, len(posterior.query_matched), width, float(slack), span_cost == 0
            )
    else:
        loose = 2.0 - posterior.query_matched[posterior.query].astype(np.float64)
        loose -= posterior.reference_matched[posterior.reference]
        chain, _ = heaviest_chain(
            posterior.query, posterior.reference, 2 * p - gap_factor * loose, width, float(span_cost)
        )
    return np.stack([posterior.query[chain], posterior.reference[chain]], axis=1)
