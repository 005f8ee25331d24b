"""Learning from aligned families: which pairs are drawn, what fits them best, and what was gained.

Families are split, never sequences: what is learned has to hold for families that nobody has seen.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.special import expit, logit

from genolstm.alignment.evaluate import Interval, bootstrap_mean, compare_pairs
from genolstm.alignment.formats.aligned import GAP, AlignedFamily
from genolstm.alignment.pairhmm.parameters import ParameterFamily
from genolstm.alignment.result import PosteriorAlignment
from genolstm.alignment.scorer import AlignmentScorer
from genolstm.errors import InputError
from genolstm.sequences.alphabet import Codes, encode

BINS = (20, 30, 40, 50, 60, 70, 80, 90)
"""Lower bounds of the bins of identity, in per cent of the aligned residues."""
LEAST_COLUMNS = 20
"""Aligned residues below which a pair says nothing of how it should be aligned."""
REDUNDANT = 0.8
"""Sequences at least this alike share one vote."""
MOST_ROWS = 60
"""Of larger families, so many sequences are drawn."""
FEWEST = 6
"""Families below which there is nothing to learn from and to choose by."""
ENOUGH = 40
"""Families below which the interval of an F1 is too wide to see what is usually gained."""
LEAST_FAMILIES = 5
"""Families below which a bin has no interval."""
PER_BIN = 90
"""Pairs of a bin of identity that the search for the highest F1 reads."""
SHORT_STEP = 0.02
"""Step, in logarithms, at which the search ends."""

_Places = dict[int, list[tuple[int, int]]]
F1s = npt.NDArray[np.float64]


def bin_of(identity: float) -> int:
    """Return the lower bound of the bin of an identity, in per cent."""
    return min(int(100 * identity) // 10 * 10, BINS[-1])


@dataclass(frozen=True)
class Example:
    """A pair of a family with its true alignment.

    Attributes
    ----------
    family
        Number of the family.
    texts
        Both sequences.
    truth
        Aligned positions, int32 (k, 2).
    identity
        Share of the aligned residues that are equal.
    """

    family: int
    texts: tuple[str, str]
    truth: npt.NDArray[np.int32]
    identity: float

    @property
    def bin(self) -> int:
        """Lower bound of the bin of identity, in per cent."""
        return bin_of(self.identity)

    @property
    def codes(self) -> tuple[Codes, Codes]:
        """Codes of both sequences."""
        return encode(self.texts[0]), encode(self.texts[1])


@dataclass(frozen=True)
class Related:
    """The pairs of a family that can be learned from.

    Attributes
    ----------
    rows
        Rows of the family that are compared: all different sequences, or some of a large family.
    weight
        What each of them counts: a sequence among n that are alike is a n-th, (rows,).
    identity
        Identity of each pair, (rows, rows); NaN where too few residues are aligned.
    """

    rows: npt.NDArray[np.int64]
    weight: npt.NDArray[np.float64]
    identity: npt.NDArray[np.float64]


def related(family: AlignedFamily, rng: np.random.Generator) -> Related:
    """Compare the different sequences of a family with one another."""
    first: dict[str, int] = {}
    for k, text in enumerate(family.texts):
        if len(text) >= LEAST_COLUMNS:
            first.setdefault(text, k)
    rows = np.array(list(first.values()), dtype=np.int64)
    if len(rows) > MOST_ROWS:
        rows = np.sort(rng.permutation(rows)[:MOST_ROWS])
    codes = family.columns[rows]
    residue = codes != GAP
    identity = np.full((len(rows), len(rows)), np.nan)
    weight = np.ones(len(rows))
    for k in range(len(rows)):
        both = residue & residue[k]
        aligned = both.sum(axis=1)
        # An unknown base is equal to none.
        equal = (both & (codes == codes[k]) & (codes < 4)).sum(axis=1)
        share = equal / np.maximum(aligned, 1)
        identity[k] = np.where(aligned >= LEAST_COLUMNS, share, np.nan)
        identity[k, k] = np.nan
        weight[k] = 1.0 / (1 + int((identity[k] >= REDUNDANT).sum()))
    return Related(rows, weight, identity)


def draw_pairs(families: Sequence[AlignedFamily], members: Sequence[int], per_family: int, seed: int) -> list[Example]:
    """Draw pairs of some families, from different bins of identity, rare bins preferred.

    Within a bin, redundant sequences are drawn less often, by their weights.
    """
    rng = np.random.default_rng([seed, 0xFA3])
    found: list[tuple[int, Related, _Places]] = []
    common: Counter[int] = Counter()
    for number in members:
        one = related(families[number], rng)
        places: _Places = {}
        for pair in combinations(range(len(one.rows)), 2):
            share = one.identity[pair]
            if share >= BINS[0] / 100:
                places.setdefault(bin_of(share), []).append(pair)
        if places:
            found.append((number, one, places))
            common.update(list(places))
    drawn: list[Example] = []
    for number, one, places in found:
        order = sorted(places, key=lambda b: common[b])
        left = per_family
        while left and order:
            for b in list(order):
                if not left:
                    break
                pairs = places[b]
                weight = np.array([one.weight[a] * one.weight[c] for a, c in pairs])
                at = int(rng.choice(len(pairs), p=weight / weight.sum()))
                drawn.append(_example(families[number], number, one, pairs.pop(at)))
                left -= 1
                if not pairs:
                    order.remove(b)
    return drawn


def _example(family: AlignedFamily, number: int, one: Related, pair: tuple[int, int]) -> Example:
    a, b = (int(one.rows[k]) for k in pair)
    both = (family.columns[a] != GAP) & (family.columns[b] != GAP)
    truth = np.stack([family.positions(a)[both], family.positions(b)[both]], axis=1)
    return Example(number, (family.texts[a], family.texts[b]), truth, float(one.identity[pair]))


def split_families(
    families: Sequence[AlignedFamily], held_out: float, seed: int
) -> tuple[list[int], list[int], list[int]]:
    """Split families into those to learn from, to choose by, and to report; numbers, ascending.

    Families that share a sequence stay together.

    Raises
    ------
    InputError
        There are too few for three parts.
    """
    first: dict[str, int] = {}
    links = [(k, first.setdefault(text, k)) for k, family in enumerate(families) for text in set(family.texts)]
    n = len(families)
    if n:
        graph = coo_array((np.ones(len(links)), tuple(zip(*links, strict=True))), (n, n))
        groups = connected_components(graph, directed=False)[1]
    total = int(groups.max()) + 1 if n else 0
    if total < FEWEST:
        raise InputError(
            f"{total} unrelated families are too few to learn from, to choose by and to report",
            hint=f"{FEWEST} are needed, {round(2 * ENOUGH / held_out)} or more are useful; families that share a "
            "sequence count as one",
        )
    held = min(max(round(held_out * total), 2), total - 2)
    order = np.random.default_rng([seed, 0x5A17]).permutation(total)
    part = np.zeros(total, np.int64)
    part[order[:held]] = 2
    part[order[: (held + 1) // 2]] = 1
    found = part[groups]
    return tuple(np.flatnonzero(found == k).tolist() for k in range(3))  # type: ignore[return-value]


def thin(examples: Sequence[Example], per_bin: int, seed: int) -> list[Example]:
    """Return at most so many pairs of each bin of identity, chosen at random."""
    rng = np.random.default_rng([seed, 0x7B])
    kept: list[int] = []
    for b in BINS:
        rows = [k for k, x in enumerate(examples) if x.bin == b]
        kept += rng.permutation(rows)[:per_bin].astype(int).tolist()
    return [examples[k] for k in sorted(kept)]


# ---------------------------------------------------------------- how well pairs are aligned


def align(scorer: AlignmentScorer, examples: Sequence[Example], threads: int = 0) -> list[PosteriorAlignment]:
    """Align pairs as they are known to be related: from end to end, on the strand that is given."""
    return list(scorer.align_many((x.texts for x in examples), threads=threads, mode="global", strand="plus"))


def f1_of(alignments: Sequence[PosteriorAlignment], examples: Sequence[Example]) -> F1s:
    """Return the F1 of every pair, (pairs,)."""
    return np.array([compare_pairs(a.pairs, x.truth).f1 for a, x in zip(alignments, examples, strict=True)])


def by_family(values: F1s, examples: Sequence[Example]) -> F1s:
    """Return the mean of every family's pairs."""
    names = np.unique([x.family for x in examples], return_inverse=True)[1]
    means: F1s = np.bincount(names, weights=values) / np.bincount(names)
    return means


@dataclass(frozen=True)
class GainRow:
    """F1 of one bin of identity, or of all, before and after.

    Attributes
    ----------
    bin
        Lower bound in per cent; None for all.
    pairs, families
        Numbers.
    before, after, difference
        Means over families with their intervals, whose ends are NaN below ``LEAST_FAMILIES``; the difference is
        paired.
    """

    bin: int | None
    pairs: int
    families: int
    before: Interval
    after: Interval
    difference: Interval


def gain(before: F1s, after: F1s, examples: Sequence[Example], seed: int) -> list[GainRow]:
    """Compare two models on the same pairs, by bin of identity and over all; intervals are over families."""
    bins = np.array([x.bin for x in examples])
    rows = []
    for b in (*BINS, None):
        which = np.ones(len(bins), bool) if b is None else bins == b
        if not which.any():
            continue
        here = [x for x, k in zip(examples, which, strict=True) if k]
        one, two = by_family(before[which], here), by_family(after[which], here)
        intervals = [bootstrap_mean(x, seed=seed) for x in (one, two, two - one)]
        if len(one) < LEAST_FAMILIES:
            intervals = [replace(x, low=math.nan, high=math.nan) for x in intervals]
        rows.append(GainRow(b, len(here), len(one), *intervals))
    return rows


# ---------------------------------------------------------------- the highest F1

_LOGS = ("kappa", "shape", "gap_link", "gap_rate")
_LOGITS = ("gap_share",)
_MOST = {"kappa": (0.5, 30.0), "shape": (0.3, 20.0), "gap_link": (0.3, 20.0), "gap_rate": (1e-3, 0.5)}


def _to_vector(family: ParameterFamily) -> npt.NDArray[np.float64]:
    logs = [math.log(getattr(family, name)) for name in _LOGS]
    shares = [family.gap_share, *family.gap_extend]
    growth = np.log(np.array(family.extend_growth) + 1e-3)
    return np.array([*logs, *logit(np.clip(shares, 1e-3, 1 - 1e-3)), *growth])


def _from_vector(x: npt.NDArray[np.float64], base: ParameterFamily) -> ParameterFamily:
    logs = {name: float(np.clip(np.exp(v), *_MOST[name])) for name, v in zip(_LOGS, x[:4], strict=True)}
    share, e1, e2 = expit(x[4:7])
    growth = np.clip(np.exp(x[7:9]), 1e-3, 5.0)
    return replace(
        base,
        **logs,
        gap_share=float(np.clip(share, 0.02, 0.98)),
        gap_extend=(float(np.clip(e1, 0.02, 0.68)), float(np.clip(e2, 0.3, 0.97))),
        extend_growth=(float(growth[0]), float(growth[1])),
    )


def search_family(
    starts: Sequence[ParameterFamily],
    examples: Sequence[Example],
    tries: int,
    *,
    seed: int,
    threads: int = 0,
    progress: Callable[[int, float], None] | None = None,
) -> ParameterFamily:
    """Search the parameters with the highest F1 on pairs, from the best of several starts.

    A pattern search (Hooke & Jeeves 1961): one parameter at a time is moved up and down, by steps that
    grow where they help and shrink where they do not. The likeliest parameters are not those that find
    the most: distant pairs have many likely alignments, of which the best guess is taken.

    Parameters
    ----------
    tries
        Number of sets of parameters whose F1 is measured, besides the starts.
    progress
        Called after each with its number and the highest F1 so far.
    """

    def measure(family: ParameterFamily) -> float:
        return float(by_family(f1_of(align(AlignmentScorer(family), examples, threads), examples), examples).mean())

    known = [measure(one) for one in starts]
    at = int(np.argmax(known))
    best, top = starts[at], known[at]
    x = _to_vector(best)
    step = np.full(len(x), 0.35)
    direction = np.ones(len(x))
    rng = np.random.default_rng([seed, 0x5EA])
    done = 0
    while done < tries and step.max() > SHORT_STEP:
        for k in rng.permutation(len(x)):
            if step[k] <= SHORT_STEP:
                continue
            moved = False
            for sign in (direction[k], -direction[k]):
                if done >= tries:
                    break
                trial = x.copy()
                trial[k] += sign * step[k]
                family = _from_vector(trial, best)
                value = measure(family)
                done += 1
                if value > top:
                    best, top, x, moved = family, value, trial, True
                    direction[k] = sign
                if progress is not None:
                    progress(done, top)
                if moved:
                    break
            step[k] *= 1.5 if moved else 0.5
    return best
