"""Measure calls and posteriors against known tracts, in base pairs."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from genolstm.errors import InputError
from genolstm.introgression.naming import (
    LEAST_NAMED,
    NO_TRACT,
    NOT_CALLED,
    Naming,
    Sources,
    kind_of_name,
    of_loci,
    share,
    tracts_by_source,
)
from genolstm.introgression.resampling import FEW_TRACTS, Draws, doubts
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
    recall_at_90: float = 0.0
    threshold_at_90: float | None = None


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
    sure, likely = recall[precision >= 0.95], np.flatnonzero(precision >= 0.9)
    at_90 = int(likely[np.argmax(recall[likely])]) if len(likely) else None
    return Ranking(
        ap,
        float(f1[best]),
        float(levels[best]),
        float(precision[best]),
        float(recall[best]),
        float(sure.max()) if len(sure) else 0.0,
        0.0 if at_90 is None else float(recall[at_90]),
        None if at_90 is None else float(levels[at_90]),
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
    return _pieces_of_intervals(calls, truth)[0]


def _pieces_of_intervals(
    calls: Sequence[tuple[Interval, float]], truth: Sequence[Interval]
) -> tuple[Pieces, dict[tuple[str, int], int]]:
    """Return the pieces, and the number of each locus by its chromosome and place."""
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
        return Pieces(empty, empty, empty, np.zeros(0, dtype=np.int64), positives), loci
    score, length, true, locus = (
        np.concatenate([getattr(p, name) for p in parts]) for name in ("score", "length", "true", "locus")
    )
    return Pieces(score, length, true, locus, positives), loci


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
    return _pieces_of_posteriors(posteriors, truth, "posterior")[0]


def _pieces_of_posteriors(
    posteriors: pd.DataFrame, truth: Sequence[Interval], column: str
) -> tuple[Pieces, dict[tuple[str, int], int], dict[tuple[str, str, str], float | None]]:
    """Return the pieces, the number of each locus, and the average precision on each haplotype that has tracts."""
    coverage = Coverage(truth)
    parts: list[Pieces] = []
    aps: dict[tuple[str, str, str], float | None] = {}
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
        score = group[column].to_numpy()
        parts.append(Pieces(score, (end - start).astype(float), true, locus, np.zeros(0)))
        # Its own loci do not matter here: the sums over all of them are what is ranked.
        alone = Pieces(score, parts[-1].length, true, np.zeros(len(score), np.int64), np.array([true.sum()]))
        aps[key] = rank(alone).ap if true.any() else None
    _check_range(truth, known)
    joined = [np.concatenate([getattr(p, name) for p in parts]) for name in ("score", "length", "true", "locus")]
    positives = np.bincount(joined[3].astype(np.int64), joined[2], len(loci))
    return Pieces(joined[0], joined[1], joined[2], joined[3].astype(np.int64), positives), loci, aps


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


#: What says nothing where there is no tract.
_OF_TRACTS = (
    *("recall", "f1", "ap", "best_f1", "best_threshold"),
    *("recall_at_95_precision", "recall_at_90_precision", "threshold_at_90_precision"),
)


@dataclass
class Evaluation:
    """The result of :func:`evaluate`; lengths are in bp, shares are fractions, and ``X_interval`` is that of ``X``.

    ``precision``, ``recall`` and ``f1`` are those of the segments as called; ``ap`` and
    ``best_f1`` are over all thresholds, from the posteriors if they are given and otherwise from
    the posteriors of the segments. Where the truth holds no tract, :meth:`to_dict` gives None for what
    is then not defined. Intervals are of 95 %, by bootstrap over loci of 1 Mb; ``doubt`` says why they
    cannot be trusted, if they cannot. ``notes`` are what could not be measured, and why.
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
    precision_interval: list[float] = field(default_factory=list)
    recall_interval: list[float] = field(default_factory=list)
    f1_interval: list[float] = field(default_factory=list)
    recall_at_90_precision: float = 0.0
    threshold_at_90_precision: float | None = None
    recall_by_length_at_90_precision: dict[str, float] = field(default_factory=dict)
    recall_by_length_interval: dict[str, list[float]] = field(default_factory=dict)
    calibration_error_interval: list[float] = field(default_factory=list)
    true_fraction_interval: list[float] = field(default_factory=list)
    called_fraction_interval: list[float] = field(default_factory=list)
    mean_posterior_interval: list[float] = field(default_factory=list)
    boundary_error_interval: list[float] = field(default_factory=list)
    called_over_true: float | None = None
    called_over_true_interval: list[float] = field(default_factory=list)
    true_bp: int = 0
    called_bp: int = 0
    false_bp: int = 0
    without_tracts: dict[str, float | None] = field(default_factory=dict)
    tracts: int = 0
    loci: int = 0
    doubt: str = ""
    notes: list[str] = field(default_factory=list)
    by_source: dict[str, Evaluation] = field(default_factory=dict)
    naming: Naming | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-ready values."""
        naming = None if self.naming is None else self.naming.to_dict()
        found = asdict(self) | {"by_source": {n: e.to_dict() for n, e in self.by_source.items()}, "naming": naming}
        if not self.true_bp:
            found |= dict.fromkeys(_OF_TRACTS)
        return found


def evaluate(
    calls: Sequence[tuple[Interval, float]],
    truth: Sequence[Interval],
    *,
    posteriors: pd.DataFrame | None = None,
    seed: int = 1,
    sources: Sources | None = None,
) -> Evaluation:
    """Compare segments, and posteriors if given, with true tracts.

    Parameters
    ----------
    calls
        Called segments and their posteriors.
    truth
        True tracts.
    posteriors
        Table of the posterior of every bin; by source, too, if it has the columns ``posterior_SOURCE``.
    seed
        Seed of the bootstrap over loci.
    sources
        Sources of the calls and of the tracts, to be measured one by one as well.

    Raises
    ------
    InputError
        The files cover different chromosomes or haplotypes, or a tract is out of range.
    """
    call_chroms, truth_chroms = {i.chrom for i, _ in calls}, {t.chrom for t in truth}
    if calls and truth and not call_chroms & truth_chroms:
        raise InputError(
            f"the segments are on {', '.join(sorted(call_chroms)[:3])}, the truth is on "
            f"{', '.join(sorted(truth_chroms)[:3])}",
            hint="chromosome names must agree",
        )
    found = _measured(calls, truth, posteriors, "posterior", seed)
    if sources is not None:
        for name in sources.names():
            column = f"posterior_{name}"
            found.by_source[name] = _measured(
                [call for call, called in zip(calls, sources.called, strict=True) if called == name],
                [tract for tract, true in zip(truth, sources.true, strict=True) if sources.right(true) == name],
                posteriors if posteriors is not None and column in posteriors else None,
                column,
                seed,
            )
        found.naming = _named([interval for interval, _ in calls], truth, sources, seed)
    return found


def _measured(
    calls: Sequence[tuple[Interval, float]],
    truth: Sequence[Interval],
    posteriors: pd.DataFrame | None,
    column: str,
    seed: int,
) -> Evaluation:
    truth = merge_intervals(truth)
    called = [interval for interval, _ in calls]
    by_call, by_truth = Coverage(called), Coverage(truth)
    segments, touched = _pieces_of_intervals(calls, truth)
    aps: dict[tuple[str, str, str], float | None] = {}
    pieces, loci = segments, dict(touched)
    if posteriors is not None:
        pieces, loci, aps = _pieces_of_posteriors(posteriors, truth, column)
    rows: list[dict[str, Any]] = []
    for key in sorted(by_call.haplotypes | by_truth.haplotypes):
        hit = by_truth.of(key, *by_call.spans(key)).sum() if key in by_call.haplotypes else 0
        row = {"true_bp": by_truth.total(key), "called_bp": by_call.total(key), "hit_bp": int(hit)}
        scores = _scores(row["hit_bp"], row["called_bp"], row["true_bp"])
        own: dict[str, Any] = {} if posteriors is None else {"ap": aps.get(key)}
        rows.append(dict(zip(("chrom", "sample", "haplotype"), key, strict=True)) | row | scores | own)
    total = {n: sum(r[n] for r in rows) for n in ("hit_bp", "called_bp", "true_bp")}
    scores = _scores(total["hit_bp"], total["called_bp"], total["true_bp"])
    for one in touched:
        loci.setdefault(one, len(loci))
    n_loci, place = len(loci), np.array([loci[one] for one in touched], dtype=np.int64)
    per_call, per_hit = (of_loci(part, place[segments.locus], n_loci) for part in (segments.length, segments.true))
    per_true = of_loci(segments.positives, place, n_loci)
    draws = Draws(n_loci, seed=seed)
    ranking = rank(pieces)
    interval = bootstrap(pieces, seed=seed) if len(pieces.positives) > 1 else {}
    distances, at = _boundary_distances(called, truth)
    result = Evaluation(
        scores["precision"],
        scores["recall"],
        scores["f1"],
        ap=ranking.ap,
        ap_interval=interval.get("ap", []),
        best_f1=ranking.best_f1,
        best_f1_interval=interval.get("best_f1", []),
        best_threshold=ranking.best_threshold,
        recall_at_95_precision=ranking.recall_at_95,
        ranked_by="segments" if posteriors is None else "posteriors",
        calibration_error=None,
        true_fraction=None,
        called_fraction=None,
        mean_posterior=None,
        boundary_error=float(np.median(distances)) if len(distances) else None,
        boundary_error_interval=draws.median(distances, np.array([loci[key] for key in at], dtype=np.int64)),
        per_haplotype=rows,
        precision_interval=draws.ratio(per_hit, per_call),
        called_over_true=share(total["called_bp"], total["true_bp"]),
        called_over_true_interval=draws.ratio(per_call, per_true),
        true_bp=total["true_bp"],
        called_bp=total["called_bp"],
        false_bp=total["called_bp"] - total["hit_bp"],
        tracts=len(truth),
        loci=n_loci,
    )
    if truth:
        result.recall_interval = draws.ratio(per_hit, per_true)
        result.f1_interval = draws.ratio(2 * per_hit, per_call + per_true)
        result.recall_at_90_precision = ranking.recall_at_90
        result.threshold_at_90_precision = ranking.threshold_at_90
        sure = _above(calls, posteriors, column, ranking.threshold_at_90)
        result.recall_by_length = _recall_by_length(by_call, truth)
        at_90 = _recall_by_length(sure, truth)
        result.recall_by_length_at_90_precision = {name: entry["recall"] for name, entry in at_90.items()}
        for name, members in _by_length(truth).items():
            tract_loci = np.array([loci[t.chrom, t.start // LOCUS] for t in members], dtype=np.int64)
            covered = of_loci(np.array([by_call.of_interval(t) for t in members]), tract_loci, n_loci)
            whole = of_loci(np.array([t.end - t.start for t in members]), tract_loci, n_loci)
            result.recall_by_length_interval[name] = draws.ratio(covered, whole)
    span = float(pieces.length.sum()) if posteriors is not None else 0.0
    if posteriors is not None and span:
        per_bp, per_score = (
            of_loci(part, pieces.locus, n_loci) for part in (pieces.length, pieces.score * pieces.length)
        )
        result.calibration_error = calibration_error(pieces)
        result.calibration_error_interval = draws.calibration_error(
            pieces.score, pieces.true, pieces.length, pieces.locus
        )
        result.true_fraction, result.called_fraction = total["true_bp"] / span, total["called_bp"] / span
        result.mean_posterior = float((pieces.score * pieces.length).sum() / span)
        result.true_fraction_interval = draws.ratio(per_true, per_bp)
        result.called_fraction_interval = draws.ratio(per_call, per_bp)
        result.mean_posterior_interval = draws.ratio(per_score, per_bp)
    result.without_tracts = _without_tracts(by_call, by_truth, posteriors)
    # Where there is no tract at all, few of them are no reason to doubt.
    result.doubt = doubts(n_loci, len(truth) if truth else FEW_TRACTS, LOCUS)
    return result


def _above(
    calls: Sequence[tuple[Interval, float]], posteriors: pd.DataFrame | None, column: str, level: float | None
) -> Coverage:
    """Return what has at least a posterior, with the precision at which pieces are ranked."""
    if level is None:
        return Coverage([])
    if posteriors is None:
        return Coverage(interval for interval, score in calls if round(score * 10_000) >= round(level * 10_000))
    kept = posteriors[np.round(posteriors[column].to_numpy() * 10_000) >= round(level * 10_000)]
    names = (kept[name].astype(str) for name in ("sample", "haplotype"))
    rows = zip(kept["chrom"].astype(str), kept["start"].tolist(), kept["end"].tolist(), *names, strict=True)
    return Coverage(Interval(*row) for row in rows)


def _without_tracts(by_call: Coverage, by_truth: Coverage, posteriors: pd.DataFrame | None) -> dict[str, float | None]:
    """Return what was called on the haplotypes that have no tract, and which share of them it is."""
    lengths: dict[tuple[str, str, str], float] = {}
    if posteriors is not None:
        widths = (posteriors["end"] - posteriors["start"]).groupby(
            [posteriors[name] for name in ("chrom", "sample", "haplotype")], observed=True
        )
        keys = widths.sum()
        lengths = dict(zip(map(_key, keys.index), keys.tolist(), strict=True))
    empty = (by_call.haplotypes | set(lengths)) - by_truth.haplotypes
    called = sum(by_call.total(key) for key in empty)
    whole = sum(lengths.get(key, 0.0) for key in empty)
    return {"haplotypes": len(empty), "called_bp": called, "called_fraction": share(called, whole)}


def _key(names: Any) -> tuple[str, str, str]:
    chrom, sample, haplotype = names
    return str(chrom), str(sample), str(haplotype)


def _named(calls: Sequence[Interval], truth: Sequence[Interval], sources: Sources, seed: int) -> Naming:
    """Measure which names the called parts of long tracts carry."""
    by_name = {name: Coverage(members) for name, members in tracts_by_source(calls, sources.called).items()}
    whole = tracts_by_source(truth, sources.true)
    long = {name: [t for t in tracts if t.end - t.start >= LEAST_NAMED] for name, tracts in whole.items()}
    loci: dict[tuple[str, int], int] = {}
    sums: dict[str, dict[int, int]] = {kind: {} for kind in ("right", "ambiguous", "wrong")}
    confusion: dict[str, dict[str, int]] = {}
    for source, tracts in long.items():
        row: dict[str, int] = dict.fromkeys([*by_name, NOT_CALLED], 0)
        for tract in tracts:
            at = loci.setdefault((tract.chrom, tract.start // LOCUS), len(loci))
            left = tract.end - tract.start
            for name, coverage in by_name.items():
                covered = coverage.of_interval(tract)
                row[name] += covered
                left -= covered
                of_kind = sums[kind_of_name(name, sources.right(source))]
                of_kind[at] = of_kind.get(at, 0) + covered
            row[NOT_CALLED] += max(left, 0)
        confusion[source] = row
    anywhere = Coverage(truth)
    confusion[NO_TRACT] = {
        name: sum(int((end - start - anywhere.of(key, start, end)).sum()) for key, start, end in _spans(coverage))
        for name, coverage in by_name.items()
    }
    per_locus = {kind: np.array([found.get(i, 0) for i in range(len(loci))], float) for kind, found in sums.items()}
    total = sum(per_locus.values(), np.zeros(len(loci)))
    right, ambiguous, wrong = (share(per_locus[kind].sum(), total.sum()) for kind in ("right", "ambiguous", "wrong"))
    return Naming(
        sum(map(len, long.values())),
        int(total.sum()),
        right,
        ambiguous,
        wrong,
        right_interval=Draws(len(loci), seed=seed).ratio(per_locus["right"], total),
        confusion=confusion,
    )


def _spans(coverage: Coverage) -> Iterator[tuple[tuple[str, str, str], np.ndarray, np.ndarray]]:
    for key in sorted(coverage.haplotypes):
        yield key, *coverage.spans(key)


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


def _by_length(truth: Sequence[Interval]) -> dict[str, list[Interval]]:
    """Return the tracts of each class of length that has any."""
    edges = (0, *LENGTH_EDGES)
    names = [f"{a // 1000}-{b // 1000} kb" for a, b in zip(edges, LENGTH_EDGES, strict=False)]
    names.append(f">{LENGTH_EDGES[-1] // 1000} kb")
    found: dict[str, list[Interval]] = {}
    for i, name in enumerate(names):
        members = [t for t in truth if np.searchsorted(LENGTH_EDGES, t.end - t.start, side="left") == i]
        if members:
            found[name] = members
    return found


def _recall_by_length(by_call: Coverage, truth: Sequence[Interval]) -> dict[str, dict[str, float]]:
    return {
        name: {"tracts": len(members), "recall": _covered(by_call, members) / _total(members)}
        for name, members in _by_length(truth).items()
    }


def _boundary_distances(
    called: Sequence[Interval], truth: Sequence[Interval]
) -> tuple[np.ndarray, list[tuple[str, int]]]:
    """Return the distances from the edges of found tracts to those of the call that found each, and their loci."""
    distances: list[np.ndarray] = []
    loci: list[tuple[str, int]] = []
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
        at = [(key[0], number) for number in (start[touched] // LOCUS).tolist()]
        loci += [*at, *at]
    return np.concatenate(distances) if distances else np.zeros(0), loci
