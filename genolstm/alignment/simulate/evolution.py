"""Compiled evolution of one sequence along a branch: substitutions, indels, slippage.

A sequence is a table with one row per field below and room to grow; every site keeps the number of
its ancestor, from which the true alignment follows.
"""

from __future__ import annotations

import numpy as np

from genolstm.compiled import compiled

BASE, ID, PHASE, TRACT, UNIT = range(5)
"""Rows of the table: code of the base; number of its ancestor; position in its codon (1 to 3, 0
outside coding sequence); number of the repeat tract (0: none); length of the tract's unit."""

# The standard genetic code in the order of codes A, C, G, T; -1 is a stop.
_AMINO = "KNKNTTTTRSRSIIMIQHQHPPPPRRRRLLLLEDEDAAAAGGGGVVVV*Y*YSSSS*CWCLFLF"
AMINO_ACID = np.array([-1 if a == "*" else ord(a) - ord("A") for a in _AMINO], dtype=np.int64)


@compiled()
def draw(rng, cumulative):
    """Draw an index from cumulative probabilities."""
    x = rng.random() * cumulative[-1]
    k = np.searchsorted(cumulative, x, side="right")
    return min(k, cumulative.size - 1)


@compiled()
def gamma_rate(rng, shape):
    """Draw a site's rate: mean 1, gamma of the given shape (0: no variation)."""
    if shape <= 0.0:
        return 1.0
    return rng.standard_gamma(shape) / shape


@compiled()
def draw_codon(rng, usage, table, rate, at, shape):
    """Write the three bases of a codon that is not a stop codon."""
    codon = draw(rng, usage)
    r = gamma_rate(rng, shape)
    for k in range(3):
        table[BASE, at + k] = (codon >> (4 - 2 * k)) & 3
        table[PHASE, at + k] = k + 1
        table[TRACT, at + k] = 0
        table[UNIT, at + k] = 0
        rate[at + k] = r


@compiled()
def _open(table, rate, n, at, length):
    """Shift the sites from ``at`` on to the right; return the new length."""
    for j in range(n - 1, at - 1, -1):
        for f in range(table.shape[0]):
            table[f, j + length] = table[f, j]
        rate[j + length] = rate[j]
    return n + length


@compiled()
def _close(table, rate, n, at, length):
    """Remove ``length`` sites from ``at`` on; return the new length."""
    for j in range(at, n - length):
        for f in range(table.shape[0]):
            table[f, j] = table[f, j + length]
        rate[j] = rate[j + length]
    return n - length


@compiled()
def _substitute(rng, table, rate, n, time, frequencies, kappa, omega):
    """Let every site mutate for ``time`` (HKY85; in codons, proposals pass selection)."""
    change = np.zeros((4, 4))
    leave = np.zeros(4)
    total = 0.0
    for a in range(4):
        for b in range(4):
            if a != b:
                # A and G (0, 2), C and T (1, 3) are the transitions.
                change[a, b] = frequencies[b] * (kappa if (a ^ b) == 2 else 1.0)
                leave[a] += change[a, b]
        total += frequencies[a] * leave[a]
    for j in range(n):
        left = time
        while True:
            a = table[BASE, j]
            left -= rng.standard_exponential() * total / (leave[a] * rate[j] + 1e-300)
            if left <= 0.0:
                break
            x = rng.random() * leave[a]
            b = a
            for candidate in range(4):
                if candidate != a and x >= 0.0:
                    b = candidate
                    x -= change[a, candidate]
            phase = table[PHASE, j]
            if phase > 0:
                start = j - phase + 1
                if start < 0 or start + 3 > n:
                    continue
                old = 0
                new = 0
                for k in range(3):
                    base = table[BASE, start + k]
                    old = old * 4 + base
                    new = new * 4 + (b if start + k == j else base)
                if AMINO_ACID[new] < 0:
                    continue
                if AMINO_ACID[new] != AMINO_ACID[old] and rng.random() >= omega:
                    continue
            table[BASE, j] = b


@compiled()
def _insert(rng, table, rate, n, at, length, frequencies, shape, next_id):
    cumulative = np.cumsum(frequencies)
    n = _open(table, rate, n, at, length)
    for j in range(at, at + length):
        table[BASE, j] = draw(rng, cumulative)
        table[ID, j] = next_id
        next_id += 1
        table[PHASE, j] = 0
        # An insertion inside a tract interrupts it without cutting it in two.
        inside = at > 0 and at + length < n and table[TRACT, at - 1] == table[TRACT, at + length]
        table[TRACT, j] = table[TRACT, at - 1] if inside else 0
        table[UNIT, j] = table[UNIT, at - 1] if inside else 0
        rate[j] = gamma_rate(rng, shape)
    return n, next_id


@compiled()
def _indels(rng, table, rate, n, time, indel_rate, coding_indels, lengths, frequencies, shape, usage, next_id):
    """Insert and delete; in coding sequence only some events survive, and only of whole codons."""
    capacity = rate.size
    for kind in range(2):
        for _ in range(rng.poisson(indel_rate * n * time)):
            length = draw(rng, lengths) + 1
            at = int(rng.random() * (n + 1 if kind == 0 else n))
            near = min(at, n - 1)
            coding = n > 0 and table[PHASE, near] > 0
            if coding:
                if rng.random() >= coding_indels:
                    continue
                at = near - table[PHASE, near] + 1
                length *= 3
            if kind == 0:
                if n + length + 64 > capacity:
                    continue
                if coding:
                    n = _open(table, rate, n, at, length)
                    for j in range(at, at + length, 3):
                        draw_codon(rng, usage, table, rate, j, shape)
                    for j in range(at, at + length):
                        table[ID, j] = next_id
                        next_id += 1
                else:
                    n, next_id = _insert(rng, table, rate, n, at, length, frequencies, shape, next_id)
            else:
                end = min(at + length, n)
                same = True
                for j in range(at, end):
                    same &= (table[PHASE, j] > 0) == coding
                if same and n - (end - at) >= 8 and (not coding or end == at + length):
                    n = _close(table, rate, n, at, end - at)
    return n, next_id


@compiled()
def _slip(rng, table, rate, n, time, slippage, next_id):
    """Let repeat tracts gain or lose units: the rate grows with the number of copies beyond 3."""
    start = 0
    while start < n:
        tract = table[TRACT, start]
        end = start + 1
        while end < n and table[TRACT, end] == tract:
            end += 1
        unit = table[UNIT, start]
        if tract > 0 and unit > 0:
            copies = (end - start) / unit
            for _ in range(rng.poisson(slippage * max(copies - 3.0, 0.0) * time)):
                size = unit * (1 if rng.random() < 0.85 else 2)
                if end - start < size + unit:
                    break
                at = start + int(rng.random() * (end - start - size + 1))
                if rng.random() < 0.5:
                    if n + size + 64 > rate.size:
                        break
                    n = _open(table, rate, n, at + size, size)
                    for j in range(size):
                        for f in range(table.shape[0]):
                            table[f, at + size + j] = table[f, at + j]
                        rate[at + size + j] = rate[at + j]
                        table[ID, at + size + j] = next_id
                        next_id += 1
                    end += size
                else:
                    n = _close(table, rate, n, at, size)
                    end -= size
        start = end
    return n, next_id


@compiled()
def evolve(
    rng,
    table,
    rate,
    n,
    time,
    frequencies,
    kappa,
    shape,
    indel_rate,
    lengths,
    omega,
    coding_indels,
    usage,
    slippage,
    next_id,
):
    """Evolve a sequence in place along a branch.

    Parameters
    ----------
    table, rate
        Sites: int64 (5, capacity) and float64 (capacity,).
    n
        Number of sites in use.
    time
        Branch length: expected substitutions per neutral site of rate 1.
    lengths
        Cumulative distribution of indel lengths from 1 on (codons in coding sequence).
    next_id
        First number not yet given to a site.

    Returns
    -------
    tuple
        The new number of sites and the next free number.
    """
    steps = max(1, int(np.ceil(time / 0.04)))
    for _ in range(steps):
        _substitute(rng, table, rate, n, time / steps, frequencies, kappa, omega)
        n, next_id = _indels(
            rng, table, rate, n, time / steps, indel_rate, coding_indels, lengths, frequencies, shape, usage, next_id
        )
        if slippage > 0.0:
            n, next_id = _slip(rng, table, rate, n, time / steps, slippage, next_id)
    return n, next_id


@compiled()
def shared_sites(ids_a, ids_b):
    """Return the positions (k, 2) of sites that two sequences inherited from one ancestral site.

    Sites keep their order, so one pass over both suffices once the ids of one are known.
    """
    top = 0
    for x in ids_a:
        top = max(top, x)
    for x in ids_b:
        top = max(top, x)
    where = np.full(top + 1, -1, np.int64)
    for j in range(ids_b.size):
        where[ids_b[j]] = j
    pairs = np.empty((min(ids_a.size, ids_b.size), 2), np.int32)
    k = 0
    for i in range(ids_a.size):
        j = where[ids_a[i]]
        if j >= 0:
            pairs[k, 0] = i
            pairs[k, 1] = j
            k += 1
    return pairs[:k]


@compiled()
def left_align(query, reference, pairs):
    """Move every gap as far left as the letters allow, as VCF normalisation does.

    A gap may move left by one if the last residue of its run equals the residue before the run:
    the alignment then has the same letters in the same columns. If both sequences have a gap
    between two matches, both gaps stay.

    Parameters
    ----------
    query, reference
        Codes or bytes of the sequences.
    pairs
        Aligned positions, int32 (k, 2), both columns increasing.

    Returns
    -------
    numpy.ndarray
        New pairs of the same shape.
    """
    out = pairs.copy()
    for k in range(1, out.shape[0]):
        at = k
        while at > 0:
            gap_q = out[at, 0] - out[at - 1, 0] - 1
            gap_r = out[at, 1] - out[at - 1, 1] - 1
            if (gap_q > 0) == (gap_r > 0):
                break
            side = 0 if gap_q > 0 else 1
            last = out[at, side] - 1
            before = out[at - 1, side]
            if side == 0:
                same = query[last] == query[before]
            else:
                same = reference[last] == reference[before]
            if not same:
                break
            out[at - 1, side] = last
            at -= 1
    return out
