"""Thresholds from posteriors alone, against what a truth drawn from these posteriors says."""

import numpy as np
import pytest

from genolstm.introgression.segments import LEAST_THRESHOLD, PosteriorBlock, SegmentDecoder
from genolstm.introgression.settings import DecodeSettings
from genolstm.introgression.threshold import LEAST_BEST, Levels


def levels_of(posterior, callable_share=None):
    levels = Levels()
    blank = np.zeros_like(posterior)
    for half in np.array_split(np.arange(posterior.shape[1]), 2):
        shares = None if callable_share is None else callable_share[:, half]
        levels.add(
            PosteriorBlock(
                "chr1",
                [("S", "1")] * len(posterior),
                int(half[0]),
                posterior[:, half],
                blank[:, half],
                blank[:, half],
                callable=shares,
            )
        )
    return levels


def draw(sharp):
    random = np.random.default_rng(5)
    posterior = np.where(
        random.random((4, 50_000)) < 0.05, random.beta(sharp, 1, (4, 50_000)), random.beta(0.1, 8, (4, 50_000))
    )
    posterior = np.round(posterior, 4).astype(np.float32)
    return posterior, random.random(posterior.shape) < posterior


@pytest.fixture(scope="module")
def drawn():
    return draw(3)


def test_the_expected_figures_are_those_of_a_truth_that_the_posteriors_describe(drawn):
    posterior, truth = drawn
    found = levels_of(posterior).expected(0.6)
    called = posterior >= 0.6
    assert found.threshold == 0.6
    assert found.precision == pytest.approx(truth[called].mean(), abs=0.01)
    assert found.recall == pytest.approx(called[truth].mean(), abs=0.01)
    assert found.called == pytest.approx(called.mean(), abs=1e-9)
    assert found.archaic == pytest.approx(truth.mean(), abs=1e-3)


def test_the_best_threshold_is_half_of_the_best_f1():
    posterior, truth = draw(12)
    best = levels_of(posterior).best()
    assert best.threshold == pytest.approx(best.f1 / 2, abs=0.002)
    assert best.threshold > LEAST_BEST + 0.02
    grid = np.linspace(0.2, 0.95, 76)
    f1 = [2 * (truth & (posterior >= t)).sum() / (truth.sum() + (posterior >= t).sum()) for t in grid]
    assert best.f1 == pytest.approx(max(f1), abs=0.01)


def test_where_little_can_be_known_the_threshold_stays_where_it_makes_sense(drawn):
    best = levels_of(drawn[0]).best()
    assert best.threshold == LEAST_BEST
    assert best == levels_of(drawn[0]).expected(LEAST_BEST)
    assert best.f1 / 2 < LEAST_BEST


@pytest.mark.parametrize("fdr", [0.02, 0.1, 0.2])
def test_an_fdr_is_kept_and_used_up(drawn, fdr):
    posterior, truth = drawn
    found = levels_of(posterior).with_fdr(fdr)
    called = posterior >= found.threshold
    assert 1 - truth[called].mean() == pytest.approx(fdr, abs=0.01)
    assert (
        levels_of(posterior).expected(found.threshold - 0.001).precision < 1 - fdr or found.threshold <= LEAST_THRESHOLD
    )


def test_an_fdr_that_nothing_reaches_calls_nothing():
    found = levels_of(np.full((1, 100), 0.5, np.float32)).with_fdr(0.05)
    assert (found.threshold, found.called) == (1.0, 0.0)


def test_bins_of_which_nothing_is_known_do_not_count():
    posterior = np.array([[0.9, 0.9, 0.1, 0.1]], np.float32)
    found = levels_of(posterior, np.array([[1, 0, 1, 0]], np.float32)).expected(0.5)
    assert (found.called, found.precision) == (0.5, pytest.approx(0.9))


def test_deciding_later_cuts_what_a_fixed_threshold_cuts():
    random = np.random.default_rng(9)
    row = np.clip(np.convolve(random.normal(0, 1, 4000), np.ones(9) / 4, "same") * 0.5 + 0.2, 0, 1).astype(np.float32)
    sure = (random.random(4000) < 0.97).astype(np.float32)

    def decoded(threshold):
        decoder = SegmentDecoder(DecodeSettings(threshold, bridge=5000), 1000)
        found = []
        for first in range(0, 4000, 700):
            part = slice(first, first + 700)
            one = np.ones_like(row[None, part])
            last = first + 700 >= 4000
            found += decoder.add(
                PosteriorBlock(
                    "chr1",
                    [("S", "1")],
                    first,
                    row[None, part],
                    one,
                    one,
                    3_999_500 if last else None,
                    last,
                    sure[None, part],
                )
            )
        return found if threshold is not None else decoder.decide(0.55)

    fixed = decoded(0.55)
    assert len(fixed) > 50
    assert decoded(None) == fixed


def named(posterior, unknown, sources=("nea", "unknown")):
    """Return a block of one haplotype with these posteriors, and the part of each that is of an unknown source."""
    posterior, unknown = np.array([posterior], np.float32), np.array([unknown], np.float32)
    ones = np.ones_like(posterior)
    shares = np.stack([posterior - unknown, unknown], axis=2)
    return PosteriorBlock("chr1", [("S", "1")], 0, posterior, ones, ones, sources=sources, shares=shares)


def test_what_resembles_no_given_archaic_must_be_likelier_archaic_than_not():
    posterior = [0.01, 0.45, 0.45, 0.45, 0.01, 0.6, 0.6, 0.45, 0.01, 0.45, 0.45, 0.01]
    unknown = [0.0, 0.45, 0.45, 0.45, 0.0, 0.6, 0.6, 0.45, 0.0, 0.1, 0.1, 0.0]
    block = named(posterior, unknown)
    assert np.flatnonzero(block.doubtful()[0]).tolist() == [1, 2, 3, 7]
    levels = Levels()
    levels.add(block)
    chosen = SegmentDecoder(DecodeSettings(threshold=None), 1000)
    assert chosen.add(block) == []
    found = chosen.decide(0.4)
    assert [(s.start // 1000, s.source) for s in found] == [(5, "unknown"), (9, "nea")]
    # The doubtful bin behind the tract counts as one below the threshold: the edge lies between their middles.
    assert 6500 < found[0].end < 7500
    for got in (levels.best(), levels.with_fdr(0.5)):
        assert got.called == pytest.approx(4 / 12)
        assert got.precision == pytest.approx((0.6 + 0.6 + 0.45 + 0.45) / 4, abs=1e-4)
        assert got.archaic == pytest.approx(sum(posterior) / 12, abs=1e-4)
    # Whoever gives a threshold gets what is above it.
    told = SegmentDecoder(DecodeSettings(threshold=0.4), 1000)
    assert [s.start // 1000 for s in told.add(block)] == [1, 5, 9]
    assert levels.expected(0.4).called == pytest.approx(8 / 12)


def test_without_an_archaic_everything_is_unknown_and_counts():
    block = named([0.01, 0.45, 0.45, 0.01], [0.01, 0.45, 0.45, 0.01], sources=("unknown",))
    block.shares = block.shares[:, :, 1:]
    assert not block.doubtful().any()
    decoder = SegmentDecoder(DecodeSettings(threshold=None), 1000)
    decoder.add(block)
    assert len(decoder.decide(0.4)) == 1
