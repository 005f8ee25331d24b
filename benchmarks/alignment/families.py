"""Related sequences for the search benchmark: families that grow along random trees."""

from __future__ import annotations

import numpy as np

from genolstm.alignment.simulate import evolution as ev
from genolstm.alignment.simulate.pairs import SimulationSettings, simulate_pair
from genolstm.sequences.masks import Masks, complement_masks

INDEL_LENGTHS = np.cumsum(np.arange(1.0, 31) ** -1.7)
USAGE = np.arange(1.0, 65) / 64


def family(
    rng: np.random.Generator,
    members: int,
    length: int,
    depth: float,
    shape: float = 0.5,
    late: float = 3.0,
    lineages: list[tuple[int, ...]] | None = None,
) -> list[Masks]:
    """Return the leaves of a random tree, all at distance ``depth`` from the root.

    ``lineages`` takes the numbers of the branches from the root to each leaf's parent.

    At every split, each branch takes a random share of the remaining depth (beta-distributed, mean
    1 / (1 + ``late``)), so that some leaves are close to each other and others distant.
    """
    gc = rng.uniform(0.35, 0.6)
    frequencies = np.array([1 - gc, gc, gc, 1 - gc]) / 2
    capacity = 3 * length + 500
    table = np.zeros((5, capacity), dtype=np.int64)
    table[ev.BASE, :length] = rng.choice(4, length, p=frequencies)
    rate = np.ones(capacity)
    rate[:length] = rng.standard_gamma(shape, length) / shape
    leaves: list[Masks] = []
    stack: list[tuple] = [(table, rate, length, members, depth, ())]
    branches = 0
    while stack:
        table, rate, n, size, rest, lineage = stack.pop()
        if size == 1:
            parts, time = [1], [rest]
        else:
            left = int(rng.integers(1, size))
            parts, time = [left, size - left], list(rest * rng.beta(1, late, 2))
        for part, t in zip(parts, time, strict=True):
            own, own_rate = table.copy(), rate.copy()
            m, _ = ev.evolve(
                rng,
                own,
                own_rate,
                n,
                t,
                frequencies,
                3.0,
                shape,
                0.03,
                INDEL_LENGTHS / INDEL_LENGTHS[-1],
                0.1,
                0.05,
                USAGE,
                0.0,
                0,
            )
            if size == 1:
                leaves.append((1 << own[ev.BASE, :m]).astype(np.uint8))
                if lineages is not None:
                    lineages.append(lineage)
            else:
                branches += 1
                stack.append((own, own_rate, m, part, rest - t, (*lineage, branches)))
    return leaves


def amplicons(n: int, seed: int, length: int = 150, lineages: list[tuple[int, ...]] | None = None) -> list[Masks]:
    """Return one large family with unequal site rates, like the variants of a marker gene.

    No two sequences are equal, as after dereplication.
    """
    every: list[tuple[int, ...]] = []
    rng = np.random.default_rng([seed, 1])
    leaves = family(rng, n + n // 3, length, 0.35, 0.4, late=10.0, lineages=every)
    different = {x.tobytes(): k for k, x in enumerate(leaves)}
    if len(different) < n:
        raise ValueError(f"only {len(different)} of {n} sequences differ")
    kept = list(different.values())[:n]
    if lineages is not None:
        lineages += [every[k] for k in kept]
    return [leaves[k] for k in kept]


def families(n: int, seed: int, length: int = 150) -> list[Masks]:
    """Return families of 10 sequences with depths of .02 to .4, about half reverse-complemented."""
    rng = np.random.default_rng([seed, 2])
    found: list[Masks] = []
    while len(found) < n:
        found += family(rng, 10, length, float(rng.uniform(0.02, 0.4)), shape=1.0)
    return [complement_masks(x) if rng.random() < 0.5 else x for x in found[:n]]


def placed_reads(
    n: int, seed: int, genome: int = 1_000_000, divergence: float = 0.1
) -> tuple[list[Masks], list[Masks], np.ndarray]:
    """Return reads of 80 to 250 bp, a long reference, and where each read lies in it."""
    rng = np.random.default_rng([seed, 3])
    parts: list[np.ndarray] = []
    reads: list[Masks] = []
    place: list[int] = []
    at = 0
    spacing = genome // n
    for _ in range(n):
        length = int(rng.integers(80, 251))
        pair = simulate_pair(SimulationSettings(length=(length, length)), rng, divergence=divergence)
        gap = rng.integers(0, 4, max(spacing - length, 10)).astype(np.uint8)
        place.append(at + len(gap))
        parts += [gap, pair.reference]
        at += len(gap) + len(pair.reference)
        read = (1 << pair.query).astype(np.uint8)
        reads.append(complement_masks(read) if rng.random() < 0.5 else read)
    return reads, [(1 << np.concatenate(parts)).astype(np.uint8)], np.array(place)
