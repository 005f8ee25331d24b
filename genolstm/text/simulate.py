"""A small genome-like sequence: isochores, genes, interspersed and tandem repeats.

It is not an organism's, but has the regularities that distinguish sequence models: base
composition that drifts, codons with a frame and a usage, copies of repeat families that have
mutated since they were inserted, and microsatellites.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from genolstm.errors import SettingError
from genolstm.sequences.alphabet import Codes, encode, reverse_complement

_STOPS = (encode("TAA"), encode("TAG"), encode("TGA"))


class Feature(NamedTuple):
    """What was put where: 0-based half-open, strand +1 or -1."""

    start: int
    end: int
    kind: str
    strand: int


def simulate_genome(
    length: int, seed: int, *, genes: float = 0.4, repeats: float = 0.2, families: int = 6
) -> tuple[Codes, list[Feature]]:
    """Simulate a genome.

    Parameters
    ----------
    length
        Number of bases.
    genes, repeats
        Shares of the sequence in genes and in copies of repeat families.
    families
        Number of repeat families; each has a consensus of 200 to 400 bases, and copies that differ
        from it by 5 to 25 %.

    Returns
    -------
    codes
        uint8, (length,): A, C, G, T as 0 to 3.
    features
        Genes, repeats and tandem repeats, ordered by start.
    """
    if length < 1:
        raise SettingError(f"length is {length}, it must be at least 1")
    if not (genes >= 0 and repeats >= 0 and genes + repeats <= 0.95):
        raise SettingError("genes and repeats must be at least 0, and at most 0.95 together")
    random = np.random.default_rng([seed, 0x6E0E])
    usage = _codon_usage(random)
    consensus = [_background(random, int(random.integers(200, 401)), 0.5) for _ in range(families)]
    parts: list[npt.NDArray[np.uint8]] = []
    features: list[Feature] = []
    at = 0
    # Chosen by what share is still lacking, so that the shares hold along the sequence.
    placed = {"gene": 0, "repeat": 0}
    wanted = {"gene": genes, "repeat": repeats if families else 0.0}
    gc = 0.5
    while at < length:
        lacking = {kind: wanted[kind] * (at + 1000) - placed[kind] for kind in wanted}
        kind = max(lacking, key=lambda name: lacking[name])
        if lacking[kind] < 400:
            kind = "tandem" if random.random() < 0.1 else "spacer"
        strand = 1
        if kind == "gene":
            part = _gene(random, usage)
            strand = int(random.choice([-1, 1]))
        elif kind == "repeat":
            part = _mutate(random, consensus[int(random.integers(families))])
            strand = int(random.choice([-1, 1]))
        elif kind == "tandem":
            unit = random.integers(0, 4, int(random.integers(2, 7)), dtype=np.uint8)
            part = np.tile(unit, int(random.integers(8, 30)))
        else:
            gc = float(np.clip(gc + random.normal(0, 0.05), 0.3, 0.65))
            part = _background(random, int(random.integers(50, 400)), gc)
        if strand < 0:
            part = reverse_complement(part).copy()
        if kind != "spacer":
            features.append(Feature(at, min(at + len(part), length), kind, strand))
        if kind in placed:
            placed[kind] += len(part)
        parts.append(part)
        at += len(part)
    return np.concatenate(parts)[:length], features


def _background(random: np.random.Generator, length: int, gc: float) -> npt.NDArray[np.uint8]:
    """Return bases with the usual depletion of CG, drawn one after the other."""
    base = np.array([(1 - gc) / 2, gc / 2, gc / 2, (1 - gc) / 2])
    after_c = base * [1.1, 1.1, 0.35, 1.3]
    reached = np.cumsum([base, after_c / after_c.sum()], axis=1).tolist()
    codes = []
    last = 0
    for uniform in random.random(length).tolist():
        row = reached[1 if last == 1 else 0]
        last = 0 if uniform < row[0] else 1 if uniform < row[1] else 2 if uniform < row[2] else 3
        codes.append(last)
    return np.array(codes, np.uint8)


def _codon_usage(random: np.random.Generator) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float64]]:
    codons = np.stack(np.meshgrid(*[np.arange(4)] * 3, indexing="ij"), axis=-1).reshape(64, 3)
    weights = random.gamma(0.8, size=64)
    for stop in _STOPS:
        weights[(codons == stop).all(axis=1)] = 0
    return codons.astype(np.uint8), weights / weights.sum()


def _gene(
    random: np.random.Generator, usage: tuple[npt.NDArray[np.uint8], npt.NDArray[np.float64]]
) -> npt.NDArray[np.uint8]:
    codons, weights = usage
    count = int(np.clip(random.gamma(3.0, 90.0), 40, 1000))
    inner = codons[random.choice(64, count, p=weights)].reshape(-1)
    return np.concatenate([encode("ATG"), inner, _STOPS[int(random.integers(3))]])


def _mutate(random: np.random.Generator, codes: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return a copy with substitutions, a tenth as many indels, and often a lost beginning."""
    rate = random.uniform(0.05, 0.25)
    start = int(random.integers(len(codes) // 2)) if random.random() < 0.3 else 0
    copy = codes[start:].copy()
    changed = random.random(len(copy)) < rate
    copy[changed] = (copy[changed] + random.integers(1, 4, int(changed.sum()))) % 4
    lost = random.random(len(copy)) < rate / 20
    doubled = np.where(random.random(len(copy)) < rate / 20, 2, 1)
    return np.repeat(copy, np.where(lost, 0, doubled))
