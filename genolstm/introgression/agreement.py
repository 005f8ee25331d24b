"""How far the segments of several programs agree, with one another, with a truth, and with published maps.

All counts are exact numbers of base pairs and segments. Two sets of segments are compared at the finest level that
both have: by haplotype, by sample (the union of its haplotypes), or as a population (the union of its samples).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import combinations
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from genolstm.errors import InputError
from genolstm.introgression.evaluate import LOCUS
from genolstm.introgression.peers import Calls, Level
from genolstm.introgression.segments import merge_spans
from genolstm.introgression.settings import AgreementSettings

Positions = npt.NDArray[np.int64]
Spans = tuple[Positions, Positions]
"""Starts and ends of stretches that are sorted and apart."""
Key = tuple[str, str, str]
"""Sequence, sample and haplotype; the latter are empty at coarser levels."""

ALL = "."
"""Stands in the table for all samples together, and for what does not apply to a name."""
#: Draws of the bootstrap over loci.
_DRAWS = 1000
#: With fewer loci, an interval says little.
FEW_LOCI = 20
_EMPTY: Spans = (np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))


@dataclass(frozen=True)
class Row:
    """One line of the result; what does not apply is None.

    Attributes
    ----------
    kind
        ``pair`` (two programs), ``truth`` (a program and the truth) or ``map`` (a program and a published map).
    a, b
        What is compared: ``b`` is the truth or the map.
    level
        At which level.
    sample
        The sample, or :data:`ALL`.
    samples
        How many samples are compared.
    a_bp, b_bp, both_bp
        Base pairs in each and in both, added up over haplotypes or samples.
    jaccard
        Those in both over those in either.
    precision, recall, f1
        Share of ``a``'s base pairs that ``b`` has; share of ``b``'s that ``a`` has; their harmonic mean.
    precision_low, precision_high, recall_low, recall_high, f1_low, f1_high
        95 % intervals, drawing loci of 1 Mb.
    loci
        How many of these there are.
    a_segments, a_touching, a_same
        Segments of ``a``; those that touch one of ``b``; those that overlap one reciprocally.
    b_segments, b_touching, b_same
        The same of ``b``.
    expected, fold, p, permutations
        Of a map: the mean precision of random shifts, the precision over that, the share of shifts that are at least
        as good, and their number.
    expected_low, expected_high
        The 2.5th and 97.5th percentile of the precision of random shifts.
    """

    kind: str
    a: str
    b: str
    level: str
    sample: str
    samples: int
    a_bp: int
    b_bp: int
    both_bp: int
    jaccard: float | None
    precision: float | None
    recall: float | None
    f1: float | None
    precision_low: float | None = None
    precision_high: float | None = None
    recall_low: float | None = None
    recall_high: float | None = None
    f1_low: float | None = None
    f1_high: float | None = None
    loci: int | None = None
    a_segments: int | None = None
    a_touching: int | None = None
    a_same: int | None = None
    b_segments: int | None = None
    b_touching: int | None = None
    b_same: int | None = None
    expected: float | None = None
    expected_low: float | None = None
    expected_high: float | None = None
    fold: float | None = None
    p: float | None = None
    permutations: int | None = None


COLUMNS = tuple(field.name for field in fields(Row))


@dataclass(frozen=True)
class Scope:
    """What is compared: nothing outside counts on either side.

    Attributes
    ----------
    chroms
        Names of the sequences.
    samples
        Names of the samples; none if no two sets tell them apart.
    regions
        By sequence, the stretches that count; None if all do.
    """

    chroms: frozenset[str]
    samples: frozenset[str]
    regions: Mapping[str, Spans] | None = None


# --- arithmetic of spans --------------------------------------------------------------------------


def as_spans(pairs: Iterable[tuple[int, int]]) -> Spans:
    """Merge overlapping and touching (start, end)."""
    merged = merge_spans(pairs)
    if not merged:
        return _EMPTY
    starts, ends = np.array(merged, dtype=np.int64).T
    return starts, ends


def length(spans: Spans) -> int:
    """Return the base pairs covered."""
    return int((spans[1] - spans[0]).sum())


def _pairs(a: Spans, b: Spans) -> tuple[Positions, Positions]:
    """Return the indices of all pairs that overlap."""
    first = np.searchsorted(b[1], a[0], side="right")
    count = np.maximum(np.searchsorted(b[0], a[1], side="left") - first, 0)
    of_a = np.repeat(np.arange(len(count)), count)
    of_b = np.arange(len(of_a)) - np.repeat(np.cumsum(count) - count, count) + np.repeat(first, count)
    return of_a, of_b


def intersection(a: Spans, b: Spans) -> Spans:
    """Return what both cover."""
    of_a, of_b = _pairs(a, b)
    return np.maximum(a[0][of_a], b[0][of_b]), np.minimum(a[1][of_a], b[1][of_b])


def _segments(a: Spans, b: Spans, share: float) -> tuple[int, int, int, int]:
    """Return how many segments of each touch one of the other, and how many overlap one reciprocally."""
    of_a, of_b = _pairs(a, b)
    overlap = np.minimum(a[1][of_a], b[1][of_b]) - np.maximum(a[0][of_a], b[0][of_b])
    longest = np.maximum((a[1] - a[0])[of_a], (b[1] - b[0])[of_b])
    same = overlap >= share * longest
    counts = (len(np.unique(index)) for index in (of_a, of_b, of_a[same], of_b[same]))
    a_touching, b_touching, a_same, b_same = counts
    return a_touching, b_touching, a_same, b_same


# --- sets of segments -----------------------------------------------------------------------------


def at_level(calls: Calls, level: Level, scope: Scope) -> dict[Key, Spans]:
    """Return the stretches of each haplotype, sample or population, merged, on the sequences in scope.

    Segments of samples out of scope are left out, if the set tells samples apart and there are samples in scope.
    """
    found: dict[Key, list[tuple[int, int]]] = {}
    checked = calls.level > Level.POPULATION and bool(scope.samples)
    for chrom, start, end, sample, haplotype in calls.intervals:
        if chrom not in scope.chroms or (checked and sample not in scope.samples):
            continue
        key = (chrom, sample if level >= Level.SAMPLE else "", haplotype if level == Level.HAPLOTYPE else "")
        found.setdefault(key, []).append((start, end))
    spans = {key: as_spans(pairs) for key, pairs in found.items()}
    if scope.regions is None:
        return spans
    # A segment that has nothing in the regions is out of scope; of others, base pairs are cut later, as
    # cutting here would make many segments of one.
    inside = {key: np.unique(_pairs(one, scope.regions.get(key[0], _EMPTY))[0]) for key, one in spans.items()}
    return {key: (one[0][inside[key]], one[1][inside[key]]) for key, one in spans.items() if len(inside[key])}


def _cut(spans: Spans, chrom: str, scope: Scope) -> Spans:
    return spans if scope.regions is None else intersection(spans, scope.regions.get(chrom, _EMPTY))


def check_haplotypes(a: Calls, b: Calls) -> None:
    """Refuse two sets that call the haplotypes of a sample differently: other ones would be compared.

    Raises
    ------
    InputError
        A sample has more haplotypes in both sets together than in either, or the sets have none in common, or
        more than two although neither has more.
    """
    names: list[dict[str, set[str]]] = []
    for calls in (a, b):
        of_sample: dict[str, set[str]] = {}
        for interval in calls.intervals:
            of_sample.setdefault(interval.sample, set()).add(interval.haplotype)
        names.append(of_sample)
    whole = [{name for members in of_sample.values() for name in members} for of_sample in names]
    differ = all(whole) and (whole[0].isdisjoint(whole[1]) or max(map(len, whole)) <= 2 < len(whole[0] | whole[1]))
    pairs: list[tuple[str, set[str], set[str]]] = [("all samples", whole[0], whole[1])] if differ else []
    pairs += [(sample, names[0][sample], names[1][sample]) for sample in sorted(set(names[0]) & set(names[1]))]
    for sample, first, second in pairs:
        if differ or len(first | second) > max(len(first), len(second), 2):
            raise InputError(
                f"{a.name} calls the haplotypes of {sample} {', '.join(sorted(first)[:4])}, "
                f"{b.name} calls them {', '.join(sorted(second)[:4])}",
                hint="compare samples: --level sample",
            )


class _Counts:
    """Base pairs and segments of two sets, by sample and locus."""

    def __init__(self) -> None:
        self.bp: dict[str, npt.NDArray[np.int64]] = {}
        self.segments: dict[str, npt.NDArray[np.int64]] = {}
        self.loci: dict[tuple[str, int], npt.NDArray[np.int64]] = {}

    def add(self, key: Key, a: Spans, b: Spans, scope: Scope, share: float) -> None:
        chrom, sample, _ = key
        a_touching, b_touching, a_same, b_same = _segments(a, b, share)
        numbers = np.array([len(a[0]), a_touching, a_same, len(b[0]), b_touching, b_same])
        self.segments[sample] = self.segments.get(sample, np.zeros(6, dtype=np.int64)) + numbers
        a, b = _cut(a, chrom, scope), _cut(b, chrom, scope)
        both = intersection(a, b)
        lengths = np.array([length(a), length(b), length(both)])
        self.bp[sample] = self.bp.get(sample, np.zeros(3, dtype=np.int64)) + lengths
        for column, spans in enumerate((a, b, both)):
            for number, base_pairs in _by_locus(spans).items():
                self.loci.setdefault((chrom, number), np.zeros(3, dtype=np.int64))[column] += base_pairs


def _by_locus(spans: Spans) -> dict[int, int]:
    """Return the base pairs in each locus."""
    first, last = spans[0] // LOCUS, (spans[1] - 1) // LOCUS
    count = last - first + 1
    of = np.repeat(np.arange(len(count)), count)
    number = np.arange(len(of)) - np.repeat(np.cumsum(count) - count, count) + first[of]
    inside = np.minimum(spans[1][of], (number + 1) * LOCUS) - np.maximum(spans[0][of], number * LOCUS)
    loci, index = np.unique(number, return_inverse=True)
    return dict(zip(loci.tolist(), np.bincount(index, inside, len(loci)).astype(np.int64).tolist(), strict=True))


def _ratio(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None


def shares(a: int, b: int, both: int) -> dict[str, float | None]:
    """Return Jaccard index, precision, recall and F1 of base pairs; None where there is nothing to divide by."""
    return {
        "jaccard": _ratio(both, a + b - both),
        "precision": _ratio(both, a),
        "recall": _ratio(both, b),
        "f1": _ratio(2 * both, a + b),
    }


def compare_two(
    a: Calls, b: Calls, scope: Scope, settings: AgreementSettings, *, kind: str = "pair", seed: int | None = None
) -> list[Row]:
    """Compare two sets: one row for all samples, and one for each if samples are told apart.

    Parameters
    ----------
    seed
        Seed of the bootstrap over loci; without it there are no intervals.
    """
    level = min(a.level, b.level, Level[settings.level.upper()])
    if level == Level.HAPLOTYPE:
        check_haplotypes(a, b)
    first, second = (at_level(calls, level, scope) for calls in (a, b))
    counts = _Counts()
    for key in sorted(set(first) | set(second)):
        counts.add(key, first.get(key, _EMPTY), second.get(key, _EMPTY), scope, settings.reciprocal)
    names = sorted(scope.samples) if level > Level.POPULATION else []
    rows = []
    for sample in [None, *names]:
        of_bp, of_segments = (
            sum(table.values(), np.zeros(size, dtype=np.int64)) if sample is None else table.get(sample, zero)
            for table, size, zero in ((counts.bp, 3, [0] * 3), (counts.segments, 6, [0] * 6))
        )
        a_bp, b_bp, both = (int(number) for number in of_bp)
        more: dict[str, Any] = {}
        if sample is None and seed is not None:
            more = {**_intervals(counts.loci, seed), "loci": len(counts.loci)}
        parts = ("segments", "touching", "same")
        columns = (f"{side}_{part}" for side in "ab" for part in parts)
        more |= dict(zip(columns, (int(n) for n in of_segments), strict=True))
        more |= shares(a_bp, b_bp, both)
        size = 1 if sample else len(scope.samples)
        name = ALL if sample is None else sample
        rows.append(Row(kind, a.name, b.name, level.word, name, size, a_bp, b_bp, both, **more))
    return rows


def _intervals(loci: Mapping[tuple[str, int], npt.NDArray[np.int64]], seed: int) -> dict[str, float]:
    """Return 95 % intervals of precision, recall and F1, drawing loci with replacement."""
    if len(loci) < 2:
        return {}
    table = np.array(list(loci.values()), dtype=np.float64)
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(len(table), np.full(len(table), 1 / len(table)), size=_DRAWS)
    a, b, both = (weights @ table).T
    found = {}
    with np.errstate(divide="ignore", invalid="ignore"):
        drawn = {"precision": both / a, "recall": both / b, "f1": 2 * both / (a + b)}
    for name, values in drawn.items():
        values = values[np.isfinite(values)]
        if len(values):
            found[f"{name}_low"], found[f"{name}_high"] = np.percentile(values, [2.5, 97.5]).tolist()
    return found


def compare_all(
    sets: Sequence[Calls],
    scope: Scope,
    settings: AgreementSettings,
    *,
    truth: Calls | None = None,
    maps: Mapping[str, Mapping[str, Spans]] | None = None,
    seed: int = 1,
) -> list[Row]:
    """Compare every two sets, each with the truth, and each with every map.

    Parameters
    ----------
    maps
        By name: by sequence, the stretches of a published map. They need regions in scope.
    """
    rows = [row for a, b in combinations(sets, 2) for row in compare_two(a, b, scope, settings)]
    if truth is not None:
        rows += [row for one in sets for row in compare_two(one, truth, scope, settings, kind="truth", seed=seed)]
    for name, published in (maps or {}).items():
        rows += [compare_map(one, name, published, scope, settings, seed=seed) for one in sets]
    return rows


# --- maps -----------------------------------------------------------------------------------------


class _Ring:
    """The regions of one sequence, end to end, with the first after the last: where things may be shifted to."""

    def __init__(self, regions: Spans) -> None:
        self._starts, self._ends = regions
        self._before = np.concatenate([[0], np.cumsum(self._ends - self._starts)])
        self.length = int(self._before[-1])

    def place(self, positions: Positions) -> Positions:
        """Return how many base pairs of the regions lie before each position."""
        at = np.searchsorted(self._starts, positions, side="right")
        i = np.maximum(at - 1, 0)
        inside = np.minimum(positions, self._ends[i]) - self._starts[i]
        placed: Positions = np.where(at > 0, self._before[i] + inside, 0)
        return placed

    def spans(self, spans: Spans) -> Spans:
        """Return where spans lie on the ring, without those of which nothing does."""
        starts, ends = self.place(spans[0]), self.place(spans[1])
        return starts[starts < ends], ends[starts < ends]


class _Depth:
    """How many haplotypes carry a segment at each place of a ring, added up along it."""

    def __init__(self, members: Sequence[Spans], size: int) -> None:
        self._size = size
        edges = np.unique(np.concatenate([[0, size], *(edge for spans in members for edge in spans)]))
        starts = np.sort(np.concatenate([np.zeros(0, dtype=np.int64), *(spans[0] for spans in members)]))
        ends = np.sort(np.concatenate([np.zeros(0, dtype=np.int64), *(spans[1] for spans in members)]))
        depth = np.searchsorted(starts, edges[:-1], side="right") - np.searchsorted(ends, edges[:-1], side="right")
        self._edges = edges
        self._sums = np.concatenate([[0], np.cumsum(depth * np.diff(edges))])
        self.total = int(self._sums[-1])

    def up_to(self, places: Positions) -> npt.NDArray[np.float64]:
        """Return the sum before each place; places go on beyond one turn."""
        turns, rest = np.divmod(places, self._size)
        found: npt.NDArray[np.float64] = turns * self.total + np.interp(rest, self._edges, self._sums)
        return found


def compare_map(
    calls: Calls, name: str, published: Mapping[str, Spans], scope: Scope, settings: AgreementSettings, *, seed: int = 1
) -> Row:
    """Compare a set with a published map, and with the same map shifted at random.

    The regions of each sequence are closed to a ring on which the map is turned by a random number of base pairs,
    so that lengths and distances of its stretches stay as they are. All haplotypes meet the same turned map, as they
    share segments. ``p`` counts the map as it is among the permutations.

    Parameters
    ----------
    published
        By sequence, the stretches of the map.
    scope
        It must have regions.
    """
    if scope.regions is None:
        raise ValueError("a permutation needs regions")
    level = min(calls.level, Level[settings.level.upper()])
    members: dict[str, list[Spans]] = {}
    for key, spans in at_level(calls, level, scope).items():
        members.setdefault(key[0], []).append(spans)
    rng = np.random.default_rng(seed)
    called = mapped = both = union = 0
    drawn = np.zeros(settings.permutations)
    for chrom in sorted(scope.chroms & set(scope.regions)):
        ring = _Ring(scope.regions[chrom])
        turns = rng.integers(0, ring.length, settings.permutations)
        on_ring = [ring.spans(spans) for spans in members.get(chrom, [])]
        wanted = ring.spans(published.get(chrom, _EMPTY))
        depth = _Depth(on_ring, ring.length)
        called += depth.total
        mapped += length(wanted)
        both += round(float((depth.up_to(wanted[1]) - depth.up_to(wanted[0])).sum()))
        whole = as_spans(pair for spans in on_ring for pair in zip(*(edge.tolist() for edge in spans), strict=True))
        union += length(intersection(whole, wanted))
        # One stretch of the map at a time: all turns of all stretches may not fit into memory.
        for start, end in zip(*(edge.tolist() for edge in wanted), strict=True):
            drawn += depth.up_to(turns + end) - depth.up_to(turns + start)
    drawn = np.rint(drawn)
    mean = float(drawn.mean())
    low, high = np.percentile(drawn, [2.5, 97.5]).tolist()
    return Row(
        "map",
        calls.name,
        name,
        level.word,
        ALL,
        len(scope.samples),
        called,
        mapped,
        both,
        jaccard=None,
        precision=_ratio(both, called),
        # Of the map, what anybody carries.
        recall=_ratio(union, mapped),
        f1=None,
        expected=_ratio(mean, called),
        expected_low=_ratio(low, called),
        expected_high=_ratio(high, called),
        fold=_ratio(both, mean),
        p=(1 + int((drawn >= both).sum())) / (1 + settings.permutations) if called else None,
        permutations=settings.permutations,
    )


# --- table ----------------------------------------------------------------------------------------


def write_rows(stream: IO[str], rows: Collection[Row]) -> None:
    """Write the rows as a table that pandas and R read as it is; ``NA`` is what does not apply."""
    stream.write("\t".join(COLUMNS) + "\n")
    for row in rows:
        stream.write("\t".join(_text(getattr(row, name)) for name in COLUMNS) + "\n")


def _text(value: str | float | None) -> str:
    if value is None:
        return "NA"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
