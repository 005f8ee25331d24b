"""Measure calls and posteriors against known tracts, in base pairs."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from genolstm.errors import InputError
from genolstm.introgression.segments import Interval, merge_intervals
from genolstm.lstm.calibration import expected_calibration_error

if TYPE_CHECKING:
    import pandas as pd

#: Upper bounds in bp of the length classes for which recall is reported; the last class is open.
LENGTH_EDGES = (10_000, 30_000, 60_000, 100_000)
#: Length of the loci that the bootstrap draws, in bp.
LOCUS = 1_000_000


class TruthError(InputError):
    """A true tract does not match the posteriors that it is compared with."""

    def __init__(self, reason: str, interval: Interval, hint: str | None = None) -> None:
        i = interval
        name = f"{i.chrom}:{i.start}-{i.end} {i.sample} {i.haplotype}"
        super().__init__(reason, record=name, hint=hint)
        self.interval = interval


@dataclass(frozen=True)
class Pieces:
    """Stretches of haplotypes with a score: bins, or called segments.

    Attributes
    ----------
    score
        Posterior of each piece.
    length, true
        Length of each piece, and how much of it is truly archaic, in bp.
    locus
        Index of the locus of each piece, for the bootstrap.
    positives
        Truly archaic bp of each locus, whether in a piece or not; shape (loci,).
    """

    score: np.ndarray
    length: np.ndarray
    true: np.ndarray
    locus: np.ndarray
    positives: np.ndarray

    @classmethod
    def pool(cls, parts: Sequence[Pieces]) -> Pieces:
        """Join the pieces of independent replicates; their loci stay separate."""
        offsets = np.cumsum([0, *(len(p.positives) for p in parts)])
        return cls(
            score=np.concatenate([p.score for p in parts]),
            length=np.concatenate([p.length for p in parts]),
            true=np.concatenate([p.true for p in parts]),
            locus=np.concatenate([p.locus + o for p, o in zip(parts, offsets, strict=False)]),
            positives=np.concatenate([p.positives for p in parts]),
        )

    def curve(self, levels: int = 10_000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return called bp and correctly called bp per locus and level, and the levels, highest first.

        Posteriors are rounded to 1 / ``levels``; the default is the precision of the output files.
        """
        level = np.round(np.clip(self.score, 0, 1) * levels).astype(np.int64)
        values, index = np.unique(level, return_inverse=True)
        shape = (len(self.positives), len(values))
        flat = self.locus * len(values) + index
        size = shape[0] * shape[1]
        called = np.bincount(flat, self.length, size).reshape(shape)[:, ::-1]
        true = np.bincount(flat, self.true, size).reshape(shape)[:, ::-1]
        return called, true, values[::-1] / levels


@dataclass(frozen=True)
class Ranking:
    """Precision and recall over all thresholds, in bp."""

    ap: float
    best_f1: float
    best_threshold: float
    precision: float
    recall: float
    recall_at_95: float


def rank(pieces: Pieces) -> Ranking:
    """Return average precision and the best F1; precision and recall are those of the best F1."""
    called, true, levels = pieces.curve()
    return _rank(called.sum(axis=0), true.sum(axis=0), float(pieces.positives.sum()), levels)


def _rank(called: np.ndarray, true: np.ndarray, positives: float, levels: np.ndarray) -> Ranking:
    with np.errstate(divide="ignore", invalid="ignore"):
        hit, total = np.cumsum(true), np.cumsum(called)
        precision = np.nan_to_num(hit / total)
        recall = hit / positives if positives else np.zeros_like(hit)
        f1 = np.nan_to_num(2 * precision * recall / (precision + recall))
    ap = float(np.sum(np.diff(recall, prepend=0.0) * precision))
    best = int(np.argmax(f1)) if len(f1) else 0
    if not len(f1):
        return Ranking(0.0, 0.0, 1.0, 0.0, 0.0, 0.0)
    sure = recall[precision >= 0.95]
    return Ranking(
        ap,
        float(f1[best]),
        float(levels[best]),
        float(precision[best]),
        float(recall[best]),
        float(sure.max()) if len(sure) else 0.0,
    )


def bootstrap(pieces: Pieces, *, replicates: int = 200, seed: int = 1) -> dict[str, list[float]]:
    """Return 95 % intervals of AP and best F1, drawing loci with replacement.

    Draws without any true tract define neither and are skipped.
    """
    called, true, levels = pieces.curve(levels=1000)
    rng = np.random.default_rng(seed)
    n_loci = len(pieces.positives)
    values = []
    for _ in range(replicates):
        weight = np.bincount(rng.integers(0, n_loci, n_loci), minlength=n_loci).astype(float)
        positives = float(weight @ pieces.positives)
        if positives > 0:
            r = _rank(weight @ called, weight @ true, positives, levels)
            values.append((r.ap, r.best_f1))
    if not values:
        return {}
    low, high = np.percentile(np.array(values), [2.5, 97.5], axis=0)
    return {"ap": [float(low[0]), float(high[0])], "best_f1": [float(low[1]), float(high[1])]}


class Coverage:
    """How much of any stretch of a haplotype a set of intervals covers."""

    def __init__(self, intervals: Iterable[Interval]) -> None:
        self._tables: dict[tuple[str, str, str], tuple[np.ndarray, ...]] = {}
        for key, members in _grouped(merge_intervals(intervals)).items():
            starts = np.array([m.start for m in members], dtype=np.int64)
            ends = np.array([m.end for m in members], dtype=np.int64)
            before = np.concatenate([[0], np.cumsum(ends - starts)])
            self._tables[key] = starts, ends, before

    @property
    def haplotypes(self) -> set[tuple[str, str, str]]:
        """(chrom, sample, haplotype) with at least one interval."""
        return set(self._tables)

    def spans(self, key: tuple[str, str, str]) -> tuple[np.ndarray, np.ndarray]:
        """Return starts and ends of what is covered of one haplotype; they are sorted and apart."""
        starts, ends, _ = self._tables[key]
        return starts, ends

    def total(self, key: tuple[str, str, str]) -> int:
        """Return the covered bp of one haplotype."""
        return int(self._tables[key][2][-1]) if key in self._tables else 0

    def of_interval(self, interval: Interval) -> int:
        """Return the covered bp of one interval."""
        key = (interval.chrom, interval.sample, interval.haplotype)
        return int(self.of(key, np.array([interval.start]), np.array([interval.end]))[0])

    def of(self, key: tuple[str, str, str], start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """Return the covered bp of each [start, end) on one haplotype."""
        if key not in self._tables:
            return np.zeros(len(start), dtype=np.int64)
        starts, ends, before = self._tables[key]

        def up_to(position: np.ndarray) -> np.ndarray:
            i = np.searchsorted(starts, position, side="right")
            inside = np.where(i > 0, np.minimum(position, ends[i - 1]) - starts[i - 1], 0)
            return np.where(i > 0, before[np.maximum(i - 1, 0)] + inside, 0)

        return up_to(np.asarray(end)) - up_to(np.asarray(start))


def pieces_of_intervals(calls: Sequence[tuple[Interval, float]], truth: Sequence[Interval]) -> Pieces:
    """Score called segments; truth that no segment covers counts as never found.

    Both are cut at locus boundaries, so that no locus holds hits on the truth of another. Where
    segments of a haplotype overlap, the highest posterior counts.
    """
    coverage = Coverage(truth)
    loci = _loci([*(interval for interval, _ in calls), *truth])
    parts: list[Pieces] = []
    for key, spans in _apart(calls).items():
        start, end, score = (np.array(column) for column in zip(*spans, strict=True))
        of, start, end, locus = _by_locus(key[0], start, end, loci)
        true = coverage.of(key, start, end).astype(float)
        parts.append(Pieces(score[of].astype(float), (end - start).astype(float), true, locus, np.zeros(0)))
    positives = np.zeros(len(loci))
    for key in coverage.haplotypes:
        _, start, end, locus = _by_locus(key[0], *coverage.spans(key), loci)
        positives += np.bincount(locus, end - start, len(loci))
    if not parts:
        empty = np.zeros(0)
        return Pieces(empty, empty, empty, np.zeros(0, dtype=np.int64), positives)
    score, length, true, locus = (
        np.concatenate([getattr(p, name) for p in parts]) for name in ("score", "length", "true", "locus")
    )
    return Pieces(score, length, true, locus, positives)


def _apart(calls: Sequence[tuple[Interval, float]]) -> dict[tuple[str, str, str], list[tuple[int, int, float]]]:
    """Return (start, end, score) of each haplotype, none of which overlap: the highest score counts."""
    grouped: dict[tuple[str, str, str], list[tuple[int, int, float]]] = {}
    for interval, score in calls:
        key = (interval.chrom, interval.sample, interval.haplotype)
        grouped.setdefault(key, []).append((interval.start, interval.end, score))
    for spans in grouped.values():
        spans.sort()
        if any(left[1] > right[0] for left, right in pairwise(spans)):
            spans[:] = _highest(spans)
    return grouped


def _highest(spans: Sequence[tuple[int, int, float]]) -> list[tuple[int, int, float]]:
    """Return the highest score of sorted spans at every place that they cover."""
    edges = sorted({edge for start, end, _ in spans for edge in (start, end)})
    held: list[tuple[float, int]] = []  # those that have begun, the highest first, with their ends
    found: list[tuple[int, int, float]] = []
    at = 0
    for start, end in pairwise(edges):
        while at < len(spans) and spans[at][0] <= start:
            heapq.heappush(held, (-spans[at][2], spans[at][1]))
            at += 1
        while held and held[0][1] <= start:
            heapq.heappop(held)
        if held:
            score = -held[0][0]
            if found and found[-1][1:] == (start, score):
                found[-1] = (found[-1][0], end, score)
            else:
                found.append((start, end, score))
    return found


def _by_locus(
    chrom: str, start: np.ndarray, end: np.ndarray, loci: dict[tuple[str, int], int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Cut spans at the borders of loci; return which span each part is of, its start, end and locus."""
    of, number = _numbers(start, end)
    names, index = np.unique(number, return_inverse=True)
    known = np.array([loci[chrom, int(n)] for n in names], dtype=np.int64)
    return of, np.maximum(start[of], number * LOCUS), np.minimum(end[of], (number + 1) * LOCUS), known[index]


def _numbers(start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return, for each locus that each span touches, which span it is, and the number of the locus."""
    first = start // LOCUS
    count = (end - 1) // LOCUS - first + 1
    of = np.repeat(np.arange(len(start)), count)
    return of, np.arange(len(of)) - np.repeat(np.cumsum(count) - count, count) + first[of]


def _loci(intervals: Sequence[Interval]) -> dict[tuple[str, int], int]:
    """Number the loci in the order in which the intervals touch them: the draws of the bootstrap depend on it."""
    chroms: dict[str, int] = {}
    chrom = np.array([chroms.setdefault(i.chrom, len(chroms)) for i in intervals], dtype=np.int64)
    start, end = (np.array([i[k] for i in intervals], dtype=np.int64) for k in (1, 2))
    of, number = _numbers(start, end)
    most = int(number.max(initial=0)) + 1
    found, first = np.unique(chrom[of] * most + number, return_index=True)
    names = list(chroms)
    order = found[np.argsort(first)].tolist()
    return {(names[key // most], key % most): place for place, key in enumerate(order)}


def pieces_of_posteriors(posteriors: pd.DataFrame, truth: Sequence[Interval]) -> Pieces:
    """Score every bin of a posterior table.

    Raises
    ------
    TruthError
        A true tract lies outside the haplotypes or the range of the table.
    """
    coverage = Coverage(truth)
    parts: list[Pieces] = []
    known: dict[tuple[str, str, str], int] = {}
    groups = posteriors.groupby(["chrom", "sample", "haplotype"], observed=True, sort=False)
    loci: dict[tuple[str, int], int] = {}
    for (chrom, sample, haplotype), group in groups:
        key = (str(chrom), str(sample), str(haplotype))
        start, end = group["start"].to_numpy(), group["end"].to_numpy()
        known[key] = int(end.max())
        number = start // LOCUS
        names, index = np.unique(number, return_inverse=True)
        lookup = np.array([loci.setdefault((key[0], int(n)), len(loci)) for n in names])
        true = coverage.of(key, start, end).astype(float)
        locus = lookup[index]
        parts.append(Pieces(group["posterior"].to_numpy(), (end - start).astype(float), true, locus, np.zeros(0)))
    _check_range(truth, known)
    joined = [np.concatenate([getattr(p, name) for p in parts]) for name in ("score", "length", "true", "locus")]
    positives = np.bincount(joined[3].astype(np.int64), joined[2], len(loci))
    return Pieces(joined[0], joined[1], joined[2], joined[3].astype(np.int64), positives)


def _check_range(truth: Sequence[Interval], known: dict[tuple[str, str, str], int]) -> None:
    chroms = {key[0] for key in known}
    for tract in truth:
        key = (tract.chrom, tract.sample, tract.haplotype)
        if tract.chrom not in chroms:
            raise TruthError(
                f"the truth is on {tract.chrom}, the posteriors are on {', '.join(sorted(chroms))}",
                tract,
                "chromosome names must agree",
            )
        if key not in known:
            raise TruthError("no posteriors for this haplotype of the truth", tract)
        if tract.end > known[key]:
            raise TruthError(f"the true tract ends beyond the posteriors ({known[key]} bp)", tract)


@dataclass
class Evaluation:
    """The result of :func:`evaluate`; lengths are in bp, shares are fractions.

    ``precision``, ``recall`` and ``f1`` are those of the segments as called; ``ap`` and
    ``best_f1`` are over all thresholds, from the posteriors if they are given and otherwise from
    the posteriors of the segments.
    """

    precision: float
    recall: float
    f1: float
    ap: float
    ap_interval: list[float]
    best_f1: float
    best_f1_interval: list[float]
    best_threshold: float
    recall_at_95_precision: float
    ranked_by: str
    calibration_error: float | None
    true_fraction: float | None
    called_fraction: float | None
    mean_posterior: float | None
    boundary_error: float | None
    recall_by_length: dict[str, dict[str, float]] = field(default_factory=dict)
    per_haplotype: list[dict[str, Any]] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-ready values."""
        return asdict(self)


def evaluate(
    calls: Sequence[tuple[Interval, float]],
    truth: Sequence[Interval],
    *,
    posteriors: pd.DataFrame | None = None,
    seed: int = 1,
) -> Evaluation:
    """Compare segments, and posteriors if given, with true tracts.

    Parameters
    ----------
    calls
        Called segments and their posteriors.
    truth
        True tracts.
    posteriors
        Table of the posterior of every bin.
    seed
        Seed of the bootstrap over loci.

    Raises
    ------
    InputError
        The files cover different chromosomes or haplotypes, or a tract is out of range.
    """
    truth = merge_intervals(truth)
    called = [interval for interval, _ in calls]
    call_chroms, truth_chroms = {i.chrom for i in called}, {t.chrom for t in truth}
    if called and truth and not call_chroms & truth_chroms:
        raise InputError(
            f"the segments are on {', '.join(sorted(call_chroms)[:3])}, the truth is on "
            f"{', '.join(sorted(truth_chroms)[:3])}",
            hint="chromosome names must agree",
        )
    by_call, by_truth = Coverage(called), Coverage(truth)
    rows: list[dict[str, Any]] = []
    for key in sorted(by_call.haplotypes | by_truth.haplotypes):
        hit = by_truth.of(key, *by_call.spans(key)).sum() if key in by_call.haplotypes else 0
        row = {"true_bp": by_truth.total(key), "called_bp": by_call.total(key), "hit_bp": int(hit)}
        scores = _scores(row["hit_bp"], row["called_bp"], row["true_bp"])
        rows.append(dict(zip(("chrom", "sample", "haplotype"), key, strict=True)) | row | scores)
    total = {n: sum(r[n] for r in rows) for n in ("hit_bp", "called_bp", "true_bp")}
    scores = _scores(total["hit_bp"], total["called_bp"], total["true_bp"])
    if posteriors is not None:
        pieces = pieces_of_posteriors(posteriors, truth)
        error: float | None = calibration_error(pieces)
        span = float(pieces.length.sum())
        mean = float((pieces.score * pieces.length).sum() / span)
    else:
        pieces, error, span, mean = pieces_of_intervals(calls, truth), None, 0.0, 0.0
    ranking = rank(pieces)
    interval = bootstrap(pieces, seed=seed) if len(pieces.positives) > 1 else {}
    return Evaluation(
        **scores,
        ap=ranking.ap,
        ap_interval=interval.get("ap", []),
        best_f1=ranking.best_f1,
        best_f1_interval=interval.get("best_f1", []),
        best_threshold=ranking.best_threshold,
        recall_at_95_precision=ranking.recall_at_95,
        ranked_by="segments" if posteriors is None else "posteriors",
        calibration_error=error,
        true_fraction=total["true_bp"] / span if span else None,
        called_fraction=total["called_bp"] / span if span else None,
        mean_posterior=mean if span else None,
        boundary_error=_boundary_error(called, truth),
        recall_by_length=_recall_by_length(by_call, truth),
        per_haplotype=rows,
    )


def calibration_error(pieces: Pieces, levels: int = 15) -> float:
    """Return the expected calibration error over equal-width classes, weighted by bp."""
    return expected_calibration_error(pieces.score, pieces.true / pieces.length, pieces.length, bins=levels)


def _grouped(intervals: Iterable[Interval]) -> dict[tuple[str, str, str], list[Interval]]:
    """Return the intervals of each (chrom, sample, haplotype)."""
    found: dict[tuple[str, str, str], list[Interval]] = {}
    for interval in intervals:
        found.setdefault((interval.chrom, interval.sample, interval.haplotype), []).append(interval)
    return found


def _total(intervals: Iterable[Interval]) -> int:
    return sum(i.end - i.start for i in intervals)


def _covered(coverage: Coverage, intervals: Iterable[Interval]) -> int:
    return sum(coverage.of_interval(i) for i in intervals)


def _scores(hit: float, called: float, true: float) -> dict[str, float]:
    precision = hit / called if called else 0.0
    recall = hit / true if true else 0.0
    f1 = 2 * precision * recall / (precision + recall) if hit else 0.0
    return {"precision": precision, "recall": recall, "f1": f1}


def _recall_by_length(by_call: Coverage, truth: Sequence[Interval]) -> dict[str, dict[str, float]]:
    edges = (0, *LENGTH_EDGES)
    names = [f"{a // 1000}-{b // 1000} kb" for a, b in zip(edges, LENGTH_EDGES, strict=False)]
    names.append(f">{LENGTH_EDGES[-1] // 1000} kb")
    table: dict[str, dict[str, float]] = {}
    for i, name in enumerate(names):
        members = [t for t in truth if np.searchsorted(LENGTH_EDGES, t.end - t.start, side="left") == i]
        if members:
            table[name] = {"tracts": len(members), "recall": _covered(by_call, members) / _total(members)}
    return table


def _boundary_error(called: Sequence[Interval], truth: Sequence[Interval]) -> float | None:
    """Return the median distance from a found tract's edges to those of the call that found it."""
    distances: list[np.ndarray] = []
    calls, tracts = _grouped(called), _grouped(truth)
    for key in (key for key in tracts if key in calls):
        start, end = (np.array(ends) for ends in zip(*((t.start, t.end) for t in tracts[key]), strict=True))
        begin, stop = (np.array(ends) for ends in zip(*((c.start, c.end) for c in calls[key]), strict=True))
        # Of the calls that begin before a tract ends, the one that reaches farthest; and of those that
        # end behind its start, the one that begins first. If any call touches the tract, these do.
        order = np.argsort(begin, kind="stable")
        before = np.searchsorted(begin[order], end, side="left")
        farthest = np.concatenate([[-1], np.maximum.accumulate(stop[order])])[before]
        order = np.argsort(stop, kind="stable")
        after = np.searchsorted(stop[order], start, side="right")
        least = np.concatenate([np.minimum.accumulate(begin[order][::-1])[::-1], [np.iinfo(np.int64).max]])[after]
        touched = farthest > start
        distances += [np.abs(least - start)[touched], np.abs(farthest - end)[touched]]
    found = np.concatenate(distances) if distances else np.zeros(0)
    return float(np.median(found)) if len(found) else None
