"""Base-pair metrics against plain counting, base by base."""

from __future__ import annotations

import time
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, precision_recall_curve

from genolstm.errors import InputError
from genolstm.introgression.evaluate import (
    Coverage,
    Pieces,
    TruthError,
    bootstrap,
    calibration_error,
    evaluate,
    pieces_of_intervals,
    pieces_of_posteriors,
    rank,
)
from genolstm.introgression.naming import Sources
from genolstm.introgression.resampling import Draws
from genolstm.introgression.segments import Interval, merge_intervals
from genolstm.lstm.calibration import expected_calibration_error

LENGTH = 400
HAPLOTYPES = [("1", "A", "1"), ("1", "A", "2"), ("2", "A", "1")]


def interval(key: int, start: int, end: int) -> Interval:
    chrom, sample, haplotype = HAPLOTYPES[key]
    return Interval(chrom, start, end, sample, haplotype)


@st.composite
def intervals(draw, *, apart=False):
    found = []
    for key in range(len(HAPLOTYPES)):
        if apart:
            edges = sorted(draw(st.sets(st.integers(0, LENGTH), max_size=8)))
            spans = list(zip(edges[::2], edges[1::2], strict=False))
        else:
            drawn = draw(st.lists(st.tuples(st.integers(0, LENGTH - 1), st.integers(1, 60)), max_size=5))
            spans = [(start, min(start + n, LENGTH)) for start, n in drawn]
        found += [interval(key, *span) for span in spans]
    return found


def painted(some) -> np.ndarray:
    """One boolean a base, shape (haplotypes, bases)."""
    bases = np.zeros((len(HAPLOTYPES), LENGTH), dtype=bool)
    for i in some:
        bases[HAPLOTYPES.index((i.chrom, i.sample, i.haplotype)), i.start : i.end] = True
    return bases


def table_of(scores: np.ndarray, size: int, length: int = LENGTH) -> pd.DataFrame:
    """Posteriors of shape (haplotypes, bins) as the file has them."""
    rows = [
        (chrom, b * size, min((b + 1) * size, length), sample, haplotype, float(p))
        for (chrom, sample, haplotype), row in zip(HAPLOTYPES, scores, strict=True)
        for b, p in enumerate(row)
    ]
    return pd.DataFrame(rows, columns=["chrom", "start", "end", "sample", "haplotype", "posterior"])


@settings(max_examples=80, deadline=None)
@given(intervals(), st.lists(st.tuples(st.integers(0, LENGTH), st.integers(0, LENGTH))))
def test_coverage_equals_counting_bases(some, asked) -> None:
    coverage, bases = Coverage(some), painted(some)
    start = np.array([min(pair) for pair in asked], dtype=int)
    end = np.array([max(pair) for pair in asked], dtype=int)
    for row, key in zip(bases, HAPLOTYPES, strict=True):
        expected = [row[a:b].sum() for a, b in zip(start, end, strict=True)]
        assert coverage.of(key, start, end).tolist() == expected
    assert coverage.haplotypes == {key for row, key in zip(bases, HAPLOTYPES, strict=True) if row.any()}
    assert coverage.of(("3", "A", "1"), start, end).tolist() == [0] * len(asked)


@settings(max_examples=80, deadline=None)
@given(intervals(), st.integers(0, 2**32 - 1), st.sampled_from([1, 7, 50]))
def test_ap_of_posteriors_is_that_of_every_base(truth, seed, size) -> None:
    random = np.random.default_rng(seed)
    bins = -(-LENGTH // size)
    scores = random.choice([0.0, 0.0001, 0.25, 0.5, 0.9999, 1.0], (len(HAPLOTYPES), bins))
    noisy = random.random(scores.shape) < 0.5
    scores[noisy] = np.round(random.random(int(noisy.sum())), 4)
    bases = painted(truth)
    if not bases.any():
        return
    result = rank(pieces_of_posteriors(table_of(scores, size), truth))
    per_base = np.repeat(scores, size, axis=1)[:, :LENGTH].ravel()
    assert result.ap == pytest.approx(average_precision_score(bases.ravel(), per_base), abs=1e-9)
    precision, recall, thresholds = precision_recall_curve(bases.ravel(), per_base)
    with np.errstate(invalid="ignore"):
        f1 = np.nan_to_num(2 * precision * recall / (precision + recall))[:-1]
    assert result.best_f1 == pytest.approx(f1.max(), abs=1e-9)
    assert result.best_f1 == pytest.approx(f1[np.isclose(thresholds, result.best_threshold)].item(), abs=1e-9)
    assert result.best_f1 == pytest.approx(2 * result.precision * result.recall / (result.precision + result.recall))
    sure = recall[:-1][precision[:-1] >= 0.95]
    assert result.recall_at_95 == pytest.approx(sure.max() if len(sure) else 0.0, abs=1e-9)


@settings(max_examples=80, deadline=None)
@given(intervals(apart=True), intervals(apart=True), st.integers(0, 2**32 - 1))
def test_ap_of_segments_ranks_them_by_their_own_posterior(called, truth, seed) -> None:
    """... and what no segment covers is never found, however low the threshold."""
    bases = painted(truth)
    if not bases.any() or not called:
        return
    random = np.random.default_rng(seed)
    posteriors = np.round(random.random(len(called)), 2)
    labels, scores = [], []
    for i, p in zip(called, posteriors, strict=True):
        row = bases[HAPLOTYPES.index((i.chrom, i.sample, i.haplotype)), i.start : i.end]
        labels += row.tolist()
        scores += [p] * len(row)
    result = rank(pieces_of_intervals(list(zip(called, posteriors.tolist(), strict=True)), truth))
    expected = 0.0
    if any(labels):
        expected = average_precision_score(labels, scores) * sum(labels) / bases.sum()
    assert result.ap == pytest.approx(expected, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(intervals(), intervals())
def test_precision_and_recall_equal_counting_bases(called, truth) -> None:
    found = evaluate([(i, 1.0) for i in called], truth) if _agree(called, truth) else None
    if found is None:
        return
    mine, true = painted(called), painted(truth)
    hit = (mine & true).sum()
    assert found.precision == pytest.approx(hit / mine.sum() if mine.any() else 0)
    assert found.recall == pytest.approx(hit / true.sum() if true.any() else 0)
    f1 = 2 * hit / (mine.sum() + true.sum()) if hit else 0
    assert found.f1 == pytest.approx(f1)
    rows = {(r["chrom"], r["sample"], r["haplotype"]): r for r in found.per_haplotype}
    for m, t, key in zip(mine, true, HAPLOTYPES, strict=True):
        if not (m | t).any():
            assert key not in rows
            continue
        assert (rows[key]["called_bp"], rows[key]["true_bp"], rows[key]["hit_bp"]) == (m.sum(), t.sum(), (m & t).sum())


def _agree(called, truth) -> bool:
    chroms = {i.chrom for i in called}, {i.chrom for i in truth}
    return not (chroms[0] and chroms[1] and not chroms[0] & chroms[1])


def test_recall_by_length_and_boundary_error() -> None:
    lengths = [9_999, 10_000, 10_001, 60_000, 100_001]
    truth, at = [], 0
    for n in lengths:
        truth.append(Interval("1", at, at + n, "A", "1"))
        at += n + 1000
    # All of the first, half of the third in two calls, the last with edges off by 300 and 500.
    third, last = truth[2], truth[4]
    calls = [
        (truth[0], 0.9),
        (third._replace(end=third.start + 2000), 0.9),
        (third._replace(start=third.start + 4000, end=third.start + 7000), 0.9),
        (last._replace(start=last.start + 300, end=last.end + 500), 0.9),
    ]
    found = evaluate(calls, truth)
    assert found.recall_by_length == {
        "0-10 kb": {"tracts": 2, "recall": pytest.approx(9_999 / 19_999)},
        "10-30 kb": {"tracts": 1, "recall": pytest.approx(5_000 / 10_001)},
        "30-60 kb": {"tracts": 1, "recall": 0},
        ">100 kb": {"tracts": 1, "recall": pytest.approx(99_701 / 100_001)},
    }
    # Edges of the found tracts are off by 0, 0; 0, 3001; 300, 500.
    assert found.boundary_error == pytest.approx((0 + 300) / 2)
    assert evaluate([], truth).boundary_error is None


def test_calibration_error_is_that_of_every_base() -> None:
    random = np.random.default_rng(3)
    truth = [interval(0, 10, 180), interval(1, 300, 400), interval(2, 0, 7)]
    scores = np.round(random.random((3, 40)), 4)
    table = table_of(scores, 10)
    pieces = pieces_of_posteriors(table, truth)
    per_base = np.repeat(scores, 10, axis=1).ravel()
    expected = expected_calibration_error(per_base, painted(truth).ravel(), bins=15)
    assert calibration_error(pieces) == pytest.approx(expected, abs=1e-9)
    found = evaluate([(truth[0], 0.7)], truth, posteriors=table)
    assert found.calibration_error == pytest.approx(expected)
    assert found.true_fraction == pytest.approx(painted(truth).mean())
    assert found.called_fraction == pytest.approx(170 / 1200)
    assert found.mean_posterior == pytest.approx(per_base.mean())
    assert found.ranked_by == "posteriors"


def loci(seed: int, n: int = 12) -> tuple[pd.DataFrame, list[Interval]]:
    """Posteriors of n Mb on two chromosomes that are right in part."""
    random = np.random.default_rng(seed)
    rows, truth = [], []
    for chrom in ("1", "2"):
        for mb in range(n // 2):
            start = mb * 1_000_000 + int(random.integers(0, 70)) * 10_000
            truth.append(Interval(chrom, start, start + 200_000, "A", "1"))
        for b in range(n // 2 * 100):
            true = any(t.chrom == chrom and t.start <= b * 10_000 < t.end for t in truth)
            p = np.clip(random.normal(0.6 if true else 0.3, 0.2), 0, 1)
            rows.append((chrom, b * 10_000, (b + 1) * 10_000, "A", "1", round(float(p), 4)))
    columns = ["chrom", "start", "end", "sample", "haplotype", "posterior"]
    return pd.DataFrame(rows, columns=columns), truth


def test_bootstrap_intervals_hold_the_point_and_follow_the_seed() -> None:
    table, truth = loci(1)
    pieces = pieces_of_posteriors(table, truth)
    assert len(pieces.positives) == 12
    point = rank(pieces)
    assert 0.3 < point.ap < 0.95
    found = bootstrap(pieces, seed=1)
    assert found["ap"][0] < point.ap < found["ap"][1]
    assert found["best_f1"][0] < point.best_f1 < found["best_f1"][1]
    assert bootstrap(pieces, seed=1) == found
    assert bootstrap(pieces, seed=2) != found
    # More of the same data: a narrower interval.
    many = Pieces.pool([pieces_of_posteriors(*loci(seed)) for seed in range(8)])
    assert len(many.positives) == 96
    wide, narrow = np.diff(found["ap"]), np.diff(bootstrap(many)["ap"])
    assert narrow < 0.6 * wide
    result = evaluate([], truth, posteriors=table, seed=1)
    assert result.ap_interval == found["ap"]
    assert result.best_f1_interval == found["best_f1"]
    # One locus says nothing about the spread.
    some = table[(table["chrom"] == "1") & (table["end"] <= 1_000_000)]
    assert evaluate([], truth[:1], posteriors=some).ap_interval == []


def test_segments_are_cut_where_loci_end() -> None:
    """A call in one locus must not hit the truth of another: recall would exceed 1 in a draw."""
    random = np.random.default_rng(6)
    truth, calls = [], []
    for i in range(8):
        start = i * 1_500_000 + int(random.integers(0, 600_000))
        tract = Interval("1", start, start + 700_000, "A", "1")
        truth.append(tract)
        moved = tract._replace(start=start + 100_000, end=tract.end + int(random.integers(0, 4e5)))
        calls.append((moved, round(float(random.random()), 2)))
    pieces = pieces_of_intervals(calls, truth)
    assert pieces.length.sum() == sum(c.end - c.start for c, _ in calls)
    assert pieces.positives.sum() == 8 * 700_000
    assert (np.bincount(pieces.locus, pieces.true) <= pieces.positives).all()
    found = evaluate(calls, truth)
    for point, (low, high) in [(found.ap, found.ap_interval), (found.best_f1, found.best_f1_interval)]:
        assert 0 < low < point < high <= 1


def test_draws_without_truth_do_not_count() -> None:
    truth = [Interval("1", 10, 400_000, "A", "1")]
    calls = [(truth[0], 0.9), (Interval("1", 5_000_000, 5_400_000, "A", "1"), 0.3)]
    found = evaluate(calls, truth)
    assert found.ap == 1
    assert found.ap_interval == [1, 1]
    assert evaluate(calls, []).ap_interval == []


def test_pooled_pieces_rank_as_one() -> None:
    parts = [pieces_of_posteriors(*loci(seed, 4)) for seed in (1, 2)]
    pooled = Pieces.pool(parts)
    score = np.concatenate([p.score for p in parts])
    order = np.argsort(-score, kind="stable")
    true = np.concatenate([p.true for p in parts])[order]
    assert pooled.positives.sum() == true.sum()
    assert len(set(pooled.locus)) == 8
    # Tracts begin and end with bins here, so that a bin is true as a whole or not at all.
    expected = average_precision_score(true == 10_000, score[order])
    assert rank(pooled).ap == pytest.approx(expected, abs=1e-9)


def test_nothing_called() -> None:
    found = evaluate([], [interval(0, 10, 30)])
    assert (found.ap, found.best_f1, found.precision, found.recall, found.f1) == (0, 0, 0, 0, 0)
    assert found.calibration_error is None
    assert found.to_dict()["per_haplotype"][0]["true_bp"] == 20


@pytest.mark.parametrize(
    ("tract", "said"),
    [
        (Interval("chr1", 5, 9, "A", "1"), "the truth is on chr1, the posteriors are on 1, 2"),
        (Interval("1", 5, 9, "B", "1"), "no posteriors for this haplotype"),
        (Interval("2", 5, 9, "A", "2"), "no posteriors for this haplotype"),
        (Interval("1", 390, 401, "A", "2"), r"ends beyond the posteriors \(400 bp\)"),
    ],
)
def test_truth_that_does_not_fit_the_posteriors(tract, said) -> None:
    table = table_of(np.full((3, 4), 0.5), 100)
    with pytest.raises(TruthError, match=said) as error:
        evaluate([], [interval(0, 5, 9), tract], posteriors=table)
    assert error.value.interval == tract
    assert error.value.record.startswith(f"{tract.chrom}:{tract.start}-{tract.end} ")


def test_segments_and_truth_of_other_chromosomes() -> None:
    called, tract = Interval("chr1", 5, 9, "A", "1"), Interval("1", 5, 9, "A", "1")
    with pytest.raises(InputError, match="the segments are on chr1, the truth is on 1") as error:
        evaluate([(called, 0.9)], [tract])
    assert error.value.hint == "chromosome names must agree"


@given(calls=intervals(), truth=intervals(), data=st.data())
@settings(max_examples=60, deadline=None)
def test_where_segments_overlap_the_highest_posterior_counts(calls, truth, data) -> None:
    scored = [(call, data.draw(st.integers(0, 10)) / 10) for call in calls]
    level = np.full((len(HAPLOTYPES), LENGTH), -1.0)
    for call, score in scored:
        row = HAPLOTYPES.index((call.chrom, call.sample, call.haplotype))
        level[row, call.start : call.end] = np.maximum(level[row, call.start : call.end], score)
    pieces = pieces_of_intervals(scored, truth)
    true = painted(truth)
    for score in np.arange(11) / 10:
        here = np.isclose(pieces.score, score)
        assert pieces.length[here].sum() == np.isclose(level, score).sum()
        assert pieces.true[here].sum() == (np.isclose(level, score) & true).sum()
    assert pieces.positives.sum() == true.sum()
    ranking = rank(pieces)
    assert 0 <= ranking.recall <= 1
    assert 0 <= ranking.ap <= 1 + 1e-9


def test_a_segment_given_twice_counts_once() -> None:
    calls = [(interval(0, 10, 60), 0.9), (interval(1, 0, 20), 0.4)]
    truth = [interval(0, 0, 50), interval(1, 300, 310)]
    once, twice = evaluate(calls, truth), evaluate([*calls, *calls], truth)
    assert once.to_dict() == twice.to_dict()
    assert once.ap < 1


@given(calls=intervals(), truth=intervals())
@settings(max_examples=30, deadline=None)
def test_the_boundary_error_is_that_of_the_calls_that_touch(calls, truth) -> None:
    # Files of different chromosomes are refused.
    assume(not calls or not truth or {c.chrom for c in calls} & {t.chrom for t in truth})
    distances = []
    for tract in merge_intervals(truth):
        touching = [c for c in calls if (c.chrom, *c[3:]) == (tract.chrom, *tract[3:])]
        touching = [c for c in touching if c.start < tract.end and tract.start < c.end]
        if touching:
            distances += [
                abs(min(c.start for c in touching) - tract.start),
                abs(max(c.end for c in touching) - tract.end),
            ]
    if calls and truth and not {c.chrom for c in calls} & {t.chrom for t in truth}:
        with pytest.raises(InputError, match="chromosome names must agree"):
            evaluate([(call, 1.0) for call in calls], truth)
        return
    found = evaluate([(call, 1.0) for call in calls], truth).boundary_error
    assert found == (float(np.median(distances)) if distances else None)


NAMES = ("a", "b", "a|b", "unknown")


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_each_source_and_its_names_equal_counting_bases(data) -> None:
    """Bases, a hundred to one, painted with one name each; tracts of "c" are of no source that was given."""
    scale, row = 1000, HAPLOTYPES[0]
    called, true = (
        data.draw(st.lists(st.sampled_from(["", *names]), min_size=90, max_size=90))
        for names in (NAMES, ("a", "b", "c"))
    )
    # Long runs, so that there are tracts long enough to be asked for their name.
    called, true = ([name for name in names for _ in range(12)][:90] for names in (called, true))

    def runs(names):
        edges = [0, *(i for i in range(1, 90) if names[i] != names[i - 1]), 90]
        spans = [(a, b, names[a]) for a, b in pairwise(edges) if names[a]]
        return [Interval(row[0], a * scale, b * scale, *row[1:]) for a, b, _ in spans], [name for *_, name in spans]

    (calls, call_names), (truth, true_names) = runs(called), runs(true)
    sources = Sources(call_names, true_names, frozenset("ab"))
    found = evaluate([(call, 0.5) for call in calls], truth, sources=sources)
    right = ["unknown" if name == "c" else name for name in true]
    for name, one in found.by_source.items():
        is_called = np.array([c == name for c in called])
        is_true = np.array([r == name for r in right])
        hit = (is_called & is_true).sum()
        assert one.precision == pytest.approx(hit / is_called.sum() if is_called.any() else 0)
        assert one.recall == pytest.approx(hit / is_true.sum() if is_true.any() else 0)
        assert one.false_bp == scale * (is_called & ~is_true).sum()
    assert {"a", "b"} <= set(found.by_source) <= {"a", "b", "unknown"}
    assert ("unknown" in found.by_source) == ("unknown" in [*called, *right])
    long = np.zeros(90, dtype=bool)
    for tract in truth:
        if tract.end - tract.start >= 30_000:
            long[tract.start // scale : tract.end // scale] = True
    kinds = [
        ""
        if not c or not long[i]
        else "right"
        if c == right[i]
        else "ambiguous"
        if right[i] in c.split("|")
        else "wrong"
        for i, c in enumerate(called)
    ]
    total = sum(map(bool, kinds))
    for kind in ("right", "ambiguous", "wrong"):
        value = getattr(found.naming, kind)
        assert value == (pytest.approx(kinds.count(kind) / total) if total else None)
    for source in set(true) - {""}:
        for name in set(called) - {""}:
            bases = sum(
                long[i] and t == source and c == name for i, (t, c) in enumerate(zip(true, called, strict=True))
            )
            assert found.naming.confusion[source][name] == scale * bases
    for name in set(called) - {""}:
        outside = sum(c == name and not t for c, t in zip(called, true, strict=True))
        assert found.naming.confusion["none"][name] == scale * outside


def test_posteriors_of_each_source_are_ranked() -> None:
    random = np.random.default_rng(2)
    size, n = 100, 40
    table = table_of(np.zeros((3, n)), size, n * size)
    a, b = random.random(3 * n), random.random(3 * n)
    table = table.assign(posterior=(a + b) / 2, posterior_a=a, posterior_b=b, posterior_unknown=1 - a)
    owners = {"a": (0, [3, 4, 9]), "b": (1, [7]), "ghost": (2, [11, 30])}
    truth, names = [], []
    for name, (key, bins) in owners.items():
        for i in bins:
            truth.append(interval(key, i * size, (i + 1) * size))
            names.append(name)
    found = evaluate([], truth, posteriors=table, sources=Sources([], names, frozenset("ab")))
    for name, column, (key, bins) in [
        ("a", a, owners["a"]),
        ("b", b, owners["b"]),
        ("unknown", np.round(1 - a, 10), owners["ghost"]),
    ]:
        of_haplotype = [(r.chrom, r.sample, r.haplotype) == HAPLOTYPES[key] for r in table.itertuples()]
        labels = np.array(
            [here and r.start // size in bins for here, r in zip(of_haplotype, table.itertuples(), strict=True)]
        )
        expected = average_precision_score(labels, np.round(column, 4))
        one = found.by_source[name]
        assert one.ap == pytest.approx(expected, abs=1e-9)
        assert one.mean_posterior == pytest.approx(column.mean())
        assert one.true_fraction == pytest.approx(len(bins) / (3 * n))
        (row,) = one.per_haplotype
        inside = np.array(of_haplotype)
        assert row["ap"] == pytest.approx(average_precision_score(labels[inside], np.round(column, 4)[inside]))


def test_recall_by_length_where_nine_of_ten_are_right() -> None:
    random = np.random.default_rng(5)
    size, n = 5_000, 600
    truth = [
        interval(0, 0, 5_000),
        interval(0, 100_000, 120_000),
        interval(1, 50_000, 95_000),
        interval(1, 10**6, 2 * 10**6),
    ]
    true = np.zeros((3, n))
    for tract in truth:
        true[HAPLOTYPES.index((tract.chrom, *tract[3:])), tract.start // size : tract.end // size] = 1
    scores = np.round(np.clip(true * 0.4 + random.random((3, n)) * 0.6, 0, 1), 4)
    found = evaluate([], truth, posteriors=table_of(scores, size, n * size))
    order = np.argsort(-scores.ravel())
    hits = np.cumsum(true.ravel()[order])
    precision = hits / np.arange(1, 3 * n + 1)
    # The last that is right, of those with nine of ten.
    last = max(np.flatnonzero(precision >= 0.9), key=lambda i: (hits[i], -i))
    assert found.recall_at_90_precision == pytest.approx(hits[last] / true.sum())
    threshold = scores.ravel()[order][last]
    assert found.threshold_at_90_precision == pytest.approx(threshold)
    for name, tract in zip(("0-10 kb", "10-30 kb", "30-60 kb", ">100 kb"), truth, strict=True):
        row = HAPLOTYPES.index((tract.chrom, *tract[3:]))
        inside = scores[row, tract.start // size : tract.end // size]
        assert found.recall_by_length_at_90_precision[name] == pytest.approx((inside >= threshold).mean())
        assert found.recall_by_length[name]["recall"] == 0  # nothing is called
    assert found.called_over_true == 0


def test_intervals_are_those_of_loci_drawn_one_by_one() -> None:
    random = np.random.default_rng(6)
    n = 12
    upper, lower = random.random(n), random.random(n) + 0.5
    values, locus = random.integers(0, 50, 101).astype(float), random.integers(0, n, 101)
    score, length = random.random(300), random.integers(1, 9, 300).astype(float)
    true, place = np.minimum(random.random(300) * length, length), random.integers(0, n, 300)
    draws = Draws(n, seed=3)
    rng = np.random.default_rng(3)
    ratios, medians, errors = [], [], []
    for _ in range(200):
        drawn = rng.integers(0, n, n)
        ratios.append(upper[drawn].sum() / lower[drawn].sum())
        medians.append(np.median(np.concatenate([values[locus == k] for k in drawn])))
        parts = [np.concatenate([part[place == k] for k in drawn]) for part in (score, true, length)]
        errors.append(expected_calibration_error(parts[0], parts[1] / parts[2], parts[2]))
    for found, expected in [
        (draws.ratio(upper, lower), ratios),
        (draws.median(values, locus), medians),
        (draws.calibration_error(score, true, length, place), errors),
    ]:
        assert found == pytest.approx(np.percentile(expected, [2.5, 97.5]).tolist())
    assert Draws(1).ratio(np.ones(1), np.ones(1)) == []
    assert draws.ratio(upper, np.zeros(n)) == []


@pytest.mark.parametrize(
    ("n_loci", "n_tracts", "said"),
    [
        (10, 20, ""),
        (9, 20, "only 9 loci of 1 Mb: the interval cannot be trusted"),
        (10, 19, "only 19 tracts: the interval cannot be trusted"),
        (2, 1, "only 2 loci of 1 Mb and 1 tract: the interval cannot be trusted"),
        (1, 30, "only 1 locus of 1 Mb: no interval"),
    ],
)
def test_small_data_say_so(n_loci: int, n_tracts: int, said: str) -> None:
    truth = [
        Interval("1", 10**6 * (i % n_loci) + 1000 * i, 10**6 * (i % n_loci) + 1000 * i + 500, "A", "1")
        for i in range(n_tracts)
    ]
    calls = [(tract._replace(end=tract.end - 100), 0.5) for tract in truth]
    calls += [(Interval("1", 10**6 * i + 900_000, 10**6 * i + 900_100, "A", "1"), 0.1) for i in range(n_loci)]
    found = evaluate(calls, truth)
    assert (found.loci, found.tracts, found.doubt) == (n_loci, n_tracts, said)
    assert bool(found.recall_interval) == (n_loci > 1)


def test_calls_on_haplotypes_without_tracts() -> None:
    table = table_of(np.full((3, 4), 0.5), 100)
    calls = [(interval(0, 0, 50), 0.9), (interval(1, 10, 40), 0.9)]
    found = evaluate(calls, [interval(0, 0, 40)], posteriors=table)
    assert found.without_tracts == {"haplotypes": 2, "called_bp": 30, "called_fraction": 30 / 800}
    assert (found.false_bp, found.called_bp, found.true_bp) == (40, 80, 40)
    nothing = evaluate(calls, [], posteriors=table)
    assert nothing.without_tracts == {"haplotypes": 3, "called_bp": 80, "called_fraction": pytest.approx(80 / 1200)}
    assert nothing.to_dict()["ap"] is None
    assert nothing.false_bp == 80


def test_loci_are_numbered_as_the_segments_touch_them() -> None:
    """The draws of the bootstrap, and so its intervals, depend on it."""
    calls = [(Interval("b", 2_500_000, 4_000_000, "A", "1"), 0.5), (Interval("a", 0, 1, "A", "1"), 1.0)]
    truth = [Interval("a", 999_999, 1_000_001, "A", "1"), Interval("b", 3_000_000, 3_000_010, "A", "2")]
    pieces = pieces_of_intervals(calls, truth)
    assert pieces.locus.tolist() == [0, 1, 2]
    assert pieces.length.tolist() == [500_000, 1_000_000, 1]
    assert pieces.positives.tolist() == [0, 10, 1, 1]


def test_whole_positions_and_many_haplotypes_take_no_time() -> None:
    """2,000 haplotypes with a segment of 2 Gb each, and 20 small ones."""
    started = time.process_time()
    names = [("1", f"S{k}", "1") for k in range(80)]
    calls = [(Interval(c, 0, 2**31 - 1, s, h), 0.5) for c, s, h in names]
    calls += [(Interval(c, 1000 * k, 1000 * k + 500, s, h), 0.9) for c, s, h in names for k in range(100)]
    truth = [Interval(c, 1000 * k, 1000 * k + 700, s, h) for c, s, h in names for k in range(100)]
    result = evaluate(calls, truth)
    assert result.recall == 1
    assert result.recall_at_95_precision == pytest.approx(5 / 7)
    assert time.process_time() - started < 20
