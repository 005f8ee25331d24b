"""Pairs of sequences with known alignments.

A root sequence evolves along two branches; residues that both ends inherited from the same site are
aligned. Substitutions follow HKY85 with gamma-distributed site rates, and indel lengths follow a
power law (Zipf). Coding sequence is under selection against amino-acid changes and gains and loses
whole codons, repeat tracts slip, and ancient reads are short fragments with cytosines deaminated at
their ends.

If the letters do not show which residue of a repeat was lost, no aligner can recover the history.
The convention is that of VCF: **every gap of the truth is moved as far left as the letters allow**
(:func:`left_align`). Evaluation moves the gaps of predictions in the same way, so that no aligner
is penalised for its own convention.

Sources: Hasegawa et al. 1985 (HKY85), Benner et al. 1993 and Fletcher & Yang 2009 (power-law
indels, INDELible), Goldman & Yang 1994 (selection on codons), Briggs et al. 2007 (damage).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from genolstm.alignment.simulate import evolution as ev
from genolstm.alignment.simulate.evolution import left_align
from genolstm.errors import SettingError
from genolstm.sequences.alphabet import decode
from genolstm.settings import SHARE, Range

__all__ = [
    "PRESETS",
    "DamageSettings",
    "SimulatedPair",
    "SimulationSettings",
    "left_align",
    "simulate_pair",
    "simulate_pairs",
]


_LONGEST = 10_000_000
_PROBABILITY = Range(0, 1)

#: What every field of the settings takes; of a range, both ends.
_RANGES = {
    "length": Range(16, _LONGEST),
    # A site that has been substituted 20 times over is as random as one can be.
    "divergence": Range(0, 20),
    "skew": SHARE,
    "kappa": Range(0, 1000),
    "shape": Range(0, 1e6),
    "indel_rate": Range(0, 10),
    "indel_exponent": Range(0, 100),
    "indel_longest": Range(1, _LONGEST),
    "coding": _PROBABILITY,
    "omega": _PROBABILITY,
    "coding_indels": _PROBABILITY,
    "repeats": _PROBABILITY,
    "slippage": Range(0, 100),
}
_DAMAGE_RANGES = {
    "fragment": Range(1, _LONGEST),
    "overhang": Range(0, 1, above_low=True),
    "single": _PROBABILITY,
    "double": _PROBABILITY,
    "nick": _PROBABILITY,
    "error": _PROBABILITY,
    "flank": Range(0, _LONGEST),
}


def _check(settings: Any, ranges: dict[str, Range]) -> None:
    """Refuse values out of range; a field whose default is a pair is a range and has to rise."""
    for name, allowed in ranges.items():
        value, default = getattr(settings, name), getattr(type(settings), name)
        if not isinstance(default, tuple):
            _check_numbers(name, (value,), 1, allowed, type(default))
            continue
        _check_numbers(name, value, 2, allowed, type(default[0]))
        if not value[0] <= value[1]:
            raise SettingError(f"{name} goes from {value[0]} to {value[1]}, it has to rise")


def _check_numbers(name: str, values: Any, count: int, allowed: Range, kind: type) -> None:
    if not isinstance(values, tuple | list) or len(values) != count:
        raise SettingError(f"{name} is {values!r}, {count} numbers are needed")
    for value in values:
        # NumPy's numbers are as good as Python's.
        whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        if not (whole or (kind is float and isinstance(value, float | np.floating))) or value not in allowed:
            number = "whole number" if kind is int else "number"
            raise SettingError(f"{name} is {value!r}, a {number} {allowed} is needed")


@dataclass(frozen=True)
class DamageSettings:
    """Damage of ancient DNA: fragments, deamination, nicks, sequencing error (Briggs et al. 2007).

    Parameters
    ----------
    fragment
        Shortest and longest read in bp; lengths are log-uniform between the two.
    overhang
        Probability that a single-stranded overhang ends at a base (mean length 1 / overhang - 1).
    single, double
        Probability that a cytosine is deaminated in an overhang, and elsewhere.
    nick
        Probability of a nick per base; after it, damage shows as G to A.
    error
        Probability of a sequencing error per base.
    flank
        Maximum number of reference bases on each side of the fragment.
    """

    fragment: tuple[int, int] = (30, 80)
    overhang: float = 0.35
    single: float = 0.45
    double: float = 0.012
    nick: float = 0.02
    error: float = 0.002
    flank: int = 60

    def __post_init__(self) -> None:
        _check(self, _DAMAGE_RANGES)


@dataclass(frozen=True)
class SimulationSettings:
    """How pairs evolve. A tuple is a range from which every pair draws its own value.

    Parameters
    ----------
    length
        Length of the root in bases.
    divergence
        Substitutions per site between the two ends, at neutral sites.
    frequencies
        Frequencies of A, C, G, T; None draws them anew for every pair (GC 30 to 65 %).
    skew
        Limit of the skew of drawn frequencies, at least 0 and below 1: (A - T) / (A + T) and
        (C - G) / (C + G) are drawn between minus and plus this value.
    kappa
        Ratio of the transition rate to the transversion rate.
    shape
        Shape of the gamma distribution of site rates; 0 gives all sites the same rate.
    indel_rate
        Insertions per substitution; deletions have the same rate.
    indel_exponent, indel_longest
        Exponent of the power law of indel lengths, and the longest indel.
    coding
        Probability that a pair contains coding sequence (with short non-coding flanks).
    omega
        Probability that an amino-acid change survives.
    coding_indels
        Probability that an indel within coding sequence survives.
    repeats
        Fraction of the root that lies in homopolymers and short tandem repeats.
    slippage
        Gains and losses per repeat copy beyond the third, per unit of branch length.
    damage
        Make the first sequence an ancient read with this damage; None leaves it intact.
    """

    length: tuple[int, int] = (500, 500)
    divergence: tuple[float, float] = (0.02, 1.2)
    frequencies: tuple[float, float, float, float] | None = None
    skew: float = 0.0
    kappa: tuple[float, float] = (2.0, 4.0)
    shape: tuple[float, float] = (0.5, 2.0)
    indel_rate: tuple[float, float] = (0.02, 0.08)
    indel_exponent: tuple[float, float] = (1.5, 2.0)
    indel_longest: int = 50
    coding: float = 0.0
    omega: tuple[float, float] = (0.03, 0.2)
    coding_indels: float = 0.05
    repeats: tuple[float, float] = (0.0, 0.0)
    slippage: tuple[float, float] = (0.2, 0.6)
    damage: DamageSettings | None = None

    def __post_init__(self) -> None:
        _check(self, _RANGES)
        if self.frequencies is not None:
            _check_numbers("frequencies", self.frequencies, 4, Range(0, 1e6), float)
            # A base that never occurs leaves others nothing to change into, and codons that nobody uses.
            if not min(self.frequencies) >= 0.001 * sum(self.frequencies) > 0:
                raise SettingError(f"frequencies are {self.frequencies}, no base may be rarer than 0.1 %")
        if self.damage is not None and not isinstance(self.damage, DamageSettings):
            raise SettingError(f"damage is {self.damage!r}, it has to be DamageSettings or None")


@dataclass(frozen=True)
class SimulatedPair:
    """Two sequences, their homologous residues, and what else the simulator knows.

    Attributes
    ----------
    query, reference
        Codes (A, C, G, T as 0 to 3), uint8.
    pairs
        Positions of homologous residues, int32 (k, 2), with gaps left-aligned.
    divergence
        Substitutions per neutral site between the two.
    query_phase, reference_phase
        Position in the codon, 1 to 3; 0 outside coding sequence; negative on the other strand.
    query_unit, reference_unit
        Unit length of the repeat tract a residue lies in, 0 outside.
    """

    query: npt.NDArray[np.uint8]
    reference: npt.NDArray[np.uint8]
    pairs: npt.NDArray[np.int32]
    divergence: float
    query_phase: npt.NDArray[np.int8] = field(repr=False)
    reference_phase: npt.NDArray[np.int8] = field(repr=False)
    query_unit: npt.NDArray[np.int8] = field(repr=False)
    reference_unit: npt.NDArray[np.int8] = field(repr=False)

    @property
    def identity(self) -> float:
        """Fraction of homologous residues whose letters are equal."""
        if not len(self.pairs):
            return 0.0
        return float(np.mean(self.query[self.pairs[:, 0]] == self.reference[self.pairs[:, 1]]))

    @property
    def texts(self) -> tuple[str, str]:
        """Both sequences as letters."""
        return decode(self.query), decode(self.reference)


# Frequencies of amino acids in proteins (per mille; UniProtKB/Swiss-Prot release statistics).
_AMINO_USAGE = {
    "A": 83,
    "R": 55,
    "N": 41,
    "D": 55,
    "C": 14,
    "Q": 39,
    "E": 67,
    "G": 71,
    "H": 23,
    "I": 59,
    "L": 97,
    "K": 58,
    "M": 24,
    "F": 39,
    "P": 47,
    "S": 66,
    "T": 53,
    "W": 11,
    "Y": 29,
    "V": 69,
}


def _codon_usage(rng: np.random.Generator, frequencies: np.ndarray) -> np.ndarray:
    """Return cumulative codon frequencies: amino acids as in proteins, codons by base composition."""
    usage = np.zeros(64)
    bias = np.maximum(rng.dirichlet(20.0 * frequencies), 1e-9)
    for codon in range(64):
        amino = ev.AMINO_ACID[codon]
        if amino >= 0:
            bases = (codon >> 4, (codon >> 2) & 3, codon & 3)
            usage[codon] = np.prod([bias[b] if k == 2 else 0.25 for k, b in enumerate(bases)])
    for letter, weight in _AMINO_USAGE.items():
        same = ord(letter) - ord("A") == ev.AMINO_ACID
        usage[same] *= weight / usage[same].sum()
    return np.cumsum(usage / usage.sum())


def _root(
    rng: np.random.Generator,
    settings: SimulationSettings,
    length: int,
    frequencies: np.ndarray,
    shape: float,
    usage: np.ndarray,
    repeats: float,
) -> tuple[np.ndarray, np.ndarray, int]:
    capacity = 3 * length + 2000
    table = np.zeros((5, capacity), dtype=np.int64)
    rate = np.ones(capacity)
    table[ev.BASE, :length] = rng.choice(4, size=length, p=frequencies)
    rate[:length] = rng.standard_gamma(shape, size=length) / shape if shape > 0 else 1.0
    table[ev.ID, :length] = np.arange(length)
    if rng.random() < settings.coding:
        flank = int(rng.integers(0, length // 8 + 1))
        n_codons = (length - flank - int(rng.integers(0, length // 8 + 1))) // 3
        for k in range(n_codons):
            ev.draw_codon(rng, usage, table, rate, flank + 3 * k, shape)
    covered, tract, tries = 0, 1, 0
    while covered < repeats * length and tries < 10 * length:
        tries += 1
        unit = int(rng.choice([1, 2, 3, 4, 5, 6], p=[0.34, 0.28, 0.12, 0.14, 0.06, 0.06]))
        copies = int(rng.integers(5, 13) if unit == 1 else rng.integers(4, 11))
        size = unit * copies
        at = int(rng.integers(0, max(1, length - size)))
        near = slice(max(0, at - 2), at + size + 2)
        if at + size > length or table[ev.TRACT, near].any() or table[ev.PHASE, near].any():
            continue
        motif = rng.choice(4, size=unit, p=frequencies)
        if unit > 1 and len(set(motif.tolist())) == 1:
            continue
        table[ev.BASE, at : at + size] = np.tile(motif, copies)
        table[ev.TRACT, at : at + size] = tract
        table[ev.UNIT, at : at + size] = unit
        tract += 1
        covered += size
    return table, rate, length


def simulate_pair(
    settings: SimulationSettings, rng: np.random.Generator, *, divergence: float | None = None
) -> SimulatedPair:
    """Simulate one pair; ``divergence`` replaces the range of the settings."""
    if divergence is not None:
        _check_numbers("divergence", (divergence,), 1, _RANGES["divergence"], float)

    def between(limits: tuple[float, float]) -> float:
        return float(rng.uniform(*limits))

    length = int(rng.integers(settings.length[0], settings.length[1] + 1))
    d = between(settings.divergence) if divergence is None else divergence
    if settings.frequencies is None:
        gc = rng.uniform(0.30, 0.65)
        frequencies = np.array([1 - gc, gc, gc, 1 - gc]) / 2
        if settings.skew:
            at, cg = rng.uniform(-settings.skew, settings.skew, size=2)
            frequencies *= 1 + np.array([at, cg, -cg, -at])
    else:
        frequencies = np.array(settings.frequencies) / sum(settings.frequencies)
    kappa, shape, indel_rate = map(between, (settings.kappa, settings.shape, settings.indel_rate))
    exponent, omega = between(settings.indel_exponent), between(settings.omega)
    repeats, slippage = between(settings.repeats), between(settings.slippage)
    lengths = np.cumsum(np.arange(1.0, settings.indel_longest + 1) ** -exponent)
    usage = _codon_usage(rng, frequencies)
    table, rate, n = _root(rng, settings, length, frequencies, shape, usage, repeats)
    ends = []
    next_id = n
    for _ in range(2):
        t, r = table.copy(), rate.copy()
        size, next_id = ev.evolve(
            rng,
            t,
            r,
            n,
            d / 2,
            frequencies,
            kappa,
            shape,
            indel_rate,
            lengths / lengths[-1],
            omega,
            settings.coding_indels,
            usage,
            slippage if repeats > 0 else 0.0,
            next_id,
        )
        ends.append(t[:, :size])
    query, reference = ends
    if settings.coding and rng.random() < 0.5:
        query, reference = _other_strand(query), _other_strand(reference)
    if settings.damage is not None:
        query, reference = _fragment(rng, query, reference, settings.damage)
    codes = [np.ascontiguousarray(x[ev.BASE].astype(np.uint8)) for x in (query, reference)]
    ids = [np.ascontiguousarray(x[ev.ID]) for x in (query, reference)]
    pairs = ev.shared_sites(*ids)
    labels = [x[f].astype(np.int8) for f in (ev.PHASE, ev.UNIT) for x in (query, reference)]
    return SimulatedPair(codes[0], codes[1], left_align(codes[0], codes[1], pairs), d, *labels)


def _other_strand(table: np.ndarray) -> np.ndarray:
    table = table[:, ::-1].copy()
    table[ev.BASE] = 3 - table[ev.BASE]
    table[ev.PHASE] = -table[ev.PHASE]
    return table


def _fragment(
    rng: np.random.Generator, query: np.ndarray, reference: np.ndarray, damage: DamageSettings
) -> tuple[np.ndarray, np.ndarray]:
    """Cut a damaged read out of the query, and the window around it out of the reference."""
    low, high = damage.fragment
    size = min(int(np.exp(rng.uniform(np.log(low), np.log(high + 1)))), query.shape[1])
    start = int(rng.integers(0, query.shape[1] - size + 1))
    read = query[:, start : start + size].copy()
    shared = np.isin(reference[ev.ID], read[ev.ID])
    inside = np.flatnonzero(shared)
    if len(inside):
        left = max(0, inside[0] - int(rng.integers(0, damage.flank + 1)))
        right = inside[-1] + 1 + int(rng.integers(0, damage.flank + 1))
        reference = reference[:, left:right]
    bases = read[ev.BASE]
    left_end, right_end = (int(min(rng.geometric(damage.overhang) - 1, size)) for _ in range(2))
    place = np.arange(size)
    single = (place < left_end) | (place >= size - right_end)
    # Damage reads as C to T up to the first nick (or, without one, the right overhang), and then as
    # G to A, because the other strand was copied.
    turn = min(int(rng.geometric(damage.nick)), size) if damage.nick > 0 else size
    turn = max(left_end, min(turn, size - right_end))
    hit = rng.random(size) < np.where(single, damage.single, damage.double)
    bases[hit & (place < turn) & (bases == 1)] = 3
    bases[hit & (place >= turn) & (bases == 2)] = 0
    wrong = rng.random(size) < damage.error
    bases[wrong] = (bases[wrong] + rng.integers(1, 4, size=int(wrong.sum()))) % 4
    return read, reference


def simulate_pairs(
    settings: SimulationSettings, n: int, *, seed: int, divergences: Any = None
) -> Iterator[SimulatedPair]:
    """Simulate ``n`` pairs; the same seed gives the same pairs, each independent of the others.

    Parameters
    ----------
    divergences
        One value for every pair, or None to draw them.

    Raises
    ------
    SettingError
        ``n`` or ``seed`` is negative, or there are not ``n`` divergences.
    """
    for name, value in (("n", n), ("seed", seed)):
        _check_numbers(name, (value,), 1, Range(0), int)
    if divergences is not None and len(divergences) != n:
        raise SettingError(f"{len(divergences)} divergences are given for {n} pairs")
    for k, child in enumerate(np.random.SeedSequence(seed).spawn(n)):
        d = None if divergences is None else float(divergences[k])
        yield simulate_pair(settings, np.random.default_rng(child), divergence=d)


_PLAIN = SimulationSettings()
PRESETS: dict[str, SimulationSettings] = {
    "homogeneous": _PLAIN,
    "coding": replace(_PLAIN, coding=1.0),
    "repeats": replace(_PLAIN, repeats=(0.25, 0.45), divergence=(0.02, 0.6)),
    "ancient": replace(_PLAIN, length=(200, 200), divergence=(0.002, 0.03), damage=DamageSettings()),
}
"""Named settings; :func:`dataclasses.replace` changes parts of one."""
