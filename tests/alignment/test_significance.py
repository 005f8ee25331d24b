"""E-values and P(homolog), and the compiled batch they are fitted with."""

from __future__ import annotations

import copy
import json
import math

import numpy as np
import pytest

from genolstm.alignment.calibrate import (
    fit_composition,
    fit_homolog,
    fit_significance,
    fit_tail,
    random_masks,
    score_masks,
    unrelated_pairs,
)
from genolstm.alignment.pairhmm.damage import DamageProfile
from genolstm.alignment.pairhmm.many import LARGEST, score_pairs
from genolstm.alignment.pairhmm.member import two_strands
from genolstm.alignment.pairhmm.modes import MODES
from genolstm.alignment.pairhmm.parameters import PairHMMParameters, ParameterFamily, hky_joint
from genolstm.alignment.scorer import AlignmentScorer
from genolstm.alignment.significance import LEVELS, REACH, CompositionShift, ScoreTail, Significance, gc_content, pool
from genolstm.errors import ModelError, SettingError
from genolstm.sequences.masks import decode_masks, encode_masks
from genolstm.sequences.packed import pack

RNG = np.random.default_rng(3)


def masks(n: int) -> np.ndarray:
    return random_masks(RNG, n, 0.5)


def relative(x: np.ndarray) -> np.ndarray:
    y = x.copy()
    at = RNG.random(len(y)) < 0.15
    y[at] = 1 << RNG.integers(0, 4, int(at.sum()))
    return np.delete(y, [len(y) // 3])


A = [masks(n) for n in (1, 7, 40, 90)]
B = [masks(12), masks(60), relative(A[2]), masks(30)]
A[3][5], B[3][2] = 15, 5  # N and R
PAIRS = np.array([(i, j) for i in range(4) for j in range(4)])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("strand", ["plus", "minus", "both"])
@pytest.mark.parametrize("damage", [None, DamageProfile(five_prime=0.4)])
def test_the_batch_scores_as_the_scorer_does(mode, strand, damage) -> None:
    family = ParameterFamily()
    scorer = AlignmentScorer(family, damage=damage)
    got = score_pairs(pack(A), pack(B), PAIRS, family, mode=mode, strand=strand, damage=damage, threads=2)
    for (i, j), bits in zip(PAIRS, got, strict=True):
        a, b = decode_masks(A[i]), decode_masks(B[j])
        assert bits == pytest.approx(scorer.score(a, b, mode=mode, strand=strand), abs=1e-6)


def test_the_batch_refuses_what_it_cannot_hold() -> None:
    long = masks(int(LARGEST**0.5) + 1)
    with pytest.raises(SettingError, match="one at a time"):
        score_pairs(pack([long]), pack([long]), np.array([[0, 0]]), ParameterFamily())
    with pytest.raises(SettingError, match="without residues"):
        score_pairs(pack([long[:0]]), pack([long]), np.array([[0, 0]]), ParameterFamily())


def test_pairs_beyond_the_batch_and_fixed_parameters_go_through_the_scorer() -> None:
    joint = hky_joint(0.2)
    fixed = AlignmentScorer(PairHMMParameters(tuple(map(tuple, joint.tolist()))))
    pair = (A[2], B[2])
    got = score_masks(fixed, [pair], mode="global", strand="plus", threads=1)
    want = fixed.score(*map(decode_masks, pair), strand="plus")
    assert got[0] == pytest.approx(want)


# ---------------------------------------------------------------------------- calibration


@pytest.fixture(scope="module")
def fitted() -> Significance:
    return fit_significance(
        AlignmentScorer(),
        seed=5,
        modes=("local",),
        pairs=400,
        lengths=(25, 50),
        ratios={"local": (1.0, 2.0)},
        threads=1,
    )


@pytest.mark.parametrize("strand", ["plus", "both"])
def test_stated_tail_probabilities_are_met_on_other_seeds(fitted, strand: str) -> None:
    rng = np.random.default_rng(77)
    pairs = unrelated_pairs(rng, 500, 36, 1.4, (0.3, 0.65))
    bits = score_masks(AlignmentScorer(), pairs, mode="local", strand=strand, threads=1)
    n = np.array([[len(a), len(b)] for a, b in pairs])
    p = fitted.survival(bits, n[:, 0], n[:, 1], mode="local", strand=strand)
    for level in (0.05, 0.2, 0.5):
        assert level / 2 < np.mean(p <= level) < 2 * level


def test_evalues_add_up_and_fall_with_the_score(fitted) -> None:
    one = fitted.evalue(2.0, 40, [60], mode="local")
    assert fitted.evalue(2.0, 40, [60] * 7, mode="local") == pytest.approx(7 * one)
    assert fitted.evalue(2.0, 40, [60], mode="local", counts=[7]) == pytest.approx(7 * one)
    many = fitted.survival(np.linspace(-20, 80, 200), 40, 60, mode="local")
    assert many[0] == 1
    assert (np.diff(many) <= 1e-12).all()
    assert 0 < many[-1] < 1e-15
    # Which of the two is the query does not matter where both are alike.
    assert one == pytest.approx(fitted.evalue(2.0, 60, [40], mode="local"))


@pytest.mark.parametrize(("first", "second"), [(0.3, 0.65), (0.65, 0.3), (0.475, 0.3)])
def test_tails_are_met_where_compositions_differ(first: float, second: float) -> None:
    scorer = AlignmentScorer.load("dna", classical=True)
    known = scorer.significance
    assert known is not None
    rng = np.random.default_rng(78)
    pairs = [(random_masks(rng, 100, first), random_masks(rng, 150, second)) for _ in range(1000)]
    bits = score_masks(scorer, pairs, mode="semiglobal", strand="plus", threads=1)
    shares = {name: [gc_content(p[k]) for p in pairs] for k, name in enumerate(("query_gc", "reference_gc"))}
    p = known.survival(bits, 100, 150, mode="semiglobal", strand="plus", **shares)
    for level in (0.05, 0.2, 0.5):
        assert level / 2 < np.mean(p <= level) < 2 * level
    # Without the compositions the statement is too careful: many times so for the most unlike.
    careful = known.survival(bits, 100, 150, mode="semiglobal", strand="plus")
    assert (careful > p).mean() > 0.9


def test_a_composition_counts_as_the_sum_says(fitted) -> None:
    shift = CompositionShift(0.5, 4.0, 0.5)
    known = Significance(fitted.tails, fitted.homolog, {"local": shift})
    lengths, shares, counts = [60, 60, 300], [0.3, 0.5, 0.65], [4, 5, 6]
    bits, n, own = np.array([-3.0, 1.0, 4.0, 30.0]), np.array([30, 30, 45, 200]), np.array([0.4, 0.5, 0.6, 0.35])
    many = known.evalues(
        bits, n, lengths, mode="local", strand="plus", counts=counts, query_gc=own, reference_gc=shares
    )
    for k in range(len(bits)):
        f = (own[k] * n[k] + 10) / (n[k] + 20)
        want = 0.0
        for length, g, count in zip(lengths, shares, counts, strict=True):
            line = 2 * ((1 - g) / (1 - f) + g / f) - 4
            square = (min(n[k], length) / 100) ** 0.5 * (g - f) ** 2 / (f * (1 - f))
            score = bits[k] + 0.5 * line + max(4.0 + 0.5 * min(bits[k], REACH), 0) * square
            want += count * fitted.survival(score, n[k], length, mode="local", strand="plus")[0]
        assert many[k] == pytest.approx(want)
        one = known.evalue(
            bits[k], n[k], lengths, mode="local", strand="plus", counts=counts, query_gc=own[k], reference_gc=shares
        )
        assert one == pytest.approx(want)


def test_what_stands_for_many_references_has_their_number_and_means() -> None:
    lengths, shares = RNG.integers(50, 2000, 500), RNG.uniform(0.2, 0.7, 500)
    n, gc, counts = pool(lengths, shares)
    assert len(n) < 250
    assert counts.sum() == 500
    assert n @ counts == pytest.approx(lengths.sum())
    assert gc @ counts == pytest.approx(shares.sum())
    assert gc_content(encode_masks("GGCATNNS")) == 0.6
    assert gc_content(encode_masks("NNN")) == 0.5


def test_a_tail_learns_from_all_lengths_and_changes_shape_with_them() -> None:
    rng = np.random.default_rng(9)
    lengths, sizes = (20.0, 80.0, 320.0), (40_000, 4000, 400)
    # Exponential beyond the median, steeper for longer ones, so that the levels are known exactly.
    slopes = [1.0, 1.1, 1.2]
    scores = [
        [rng.exponential(1 / (s * np.log(2)), k) - 3 - i] for i, (s, k) in enumerate(zip(slopes, sizes, strict=True))
    ]
    found = fit_tail(scores, lengths, (1.0,))
    for i, slope in enumerate(slopes):
        for level in (0.05, 0.01, 0.001):
            bits = -3 - i - np.log2(level) / slope
            got = found.survival(np.array([bits]), np.array([lengths[i]]), np.ones(1))[0]
            assert level / 1.5 < got < level * 1.5


def test_homology_is_likelier_the_higher_the_score(fitted) -> None:
    p = [fitted.p_homolog(b, mode="local") for b in (-50, -4, 0, 3, 10, 200)]
    assert p == sorted(p)
    assert p[0] < 0.2
    assert 0.97 < p[-1] < 1
    assert fitted.p_homolog(3, mode="local", prior=1e-6) < 0.01
    assert fitted.p_homolog(3, mode="local", prior=1.0) == 1


def test_isotonic_regression_finds_the_probabilities() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(0, 3, 20_000)
    related = rng.random(len(x)) < 1 / (1 + 2.0**-x)
    knots, p = fit_homolog(x, related)
    for bits in (-4, -1, 0, 2, 5):
        assert np.interp(bits, knots, p) == pytest.approx(1 / (1 + 2.0**-bits), abs=0.04)


def test_the_effect_of_composition_is_measured() -> None:
    got = fit_composition(AlignmentScorer(), "global", np.random.default_rng(4), 150, (0.3, 0.65), threads=1)
    n = np.array([100.0])
    shift = got.of(np.array([-7.0]), *got.terms(np.array([0.3]), n, np.array([0.65]), n))[0]
    assert 1.5 < shift < 4
    same = got.of(np.array([-7.0]), *got.terms(np.array([0.5]), n, np.array([0.5]), n))[0]
    assert same == pytest.approx(0)


def test_a_calibration_survives_json_and_the_seed_decides(fitted) -> None:
    again = Significance.from_dict(json.loads(json.dumps(fitted.to_dict())))
    assert again == fitted
    assert again.evalue(3, 40, [60], mode="local") == pytest.approx(fitted.evalue(3, 40, [60], mode="local"), rel=0.01)
    settings = {"modes": ("local",), "pairs": 20, "lengths": (16,), "ratios": {"local": (1.0,)}}
    one, same, other = (fit_significance(AlignmentScorer(), seed=s, threads=1, **settings) for s in (1, 1, 2))
    assert one == same
    assert one != other


@pytest.mark.parametrize(
    "spoil",
    [
        lambda d: d.pop("tails"),
        lambda d: d.update(levels=[0.5]),
        lambda d: d["tails"].update(diagonal=d["tails"]["local"]),
        lambda d: d["tails"]["local"]["1"].pop("slope"),
        lambda d: d["tails"]["local"]["1"]["bits"].pop(),
        lambda d: d["tails"]["local"]["1"].update(lengths=[50, 25]),
        lambda d: d["tails"]["local"]["1"]["slope"][0].__setitem__(0, -1),
        lambda d: d["tails"]["local"]["1"]["bits"][0][0].__setitem__(0, math.nan),
        lambda d: d["homolog"]["local"]["probability"].__setitem__(0, 1.5),
        lambda d: d["homolog"]["local"].update(bits=[1]),
        lambda d: d.update(homolog=3),
        lambda d: d.update(composition=[]),
        lambda d: d["composition"].update(diagonal=d["composition"]["local"]),
        lambda d: d["composition"]["local"].pop("line"),
        lambda d: d["composition"]["local"].update(growth=-0.1),
        lambda d: d["composition"]["local"].update(square=math.inf),
    ],
)
def test_a_broken_calibration_is_refused(fitted, spoil) -> None:
    data = copy.deepcopy(fitted.to_dict())
    spoil(data)
    with pytest.raises(ModelError):
        Significance.from_dict(data)


def test_what_was_not_calibrated_is_said(fitted) -> None:
    with pytest.raises(SettingError, match=r"global.*calibrated: local"):
        fitted.evalue(3, 40, [60], mode="global")
    with pytest.raises(SettingError, match="below 1"):
        fitted.evalue(3, 40, [0], mode="local")
    with pytest.raises(SettingError, match="prior"):
        fitted.p_homolog(3, mode="local", prior=2)
    with pytest.raises(SettingError, match="at least 20"):
        fit_significance(AlignmentScorer(), seed=1, pairs=3)


def test_two_strands_are_the_mean_of_both_likelihoods() -> None:
    got = two_strands(np.array([3.0, 1.0]), np.array([1.0, 1.0]))
    assert got == pytest.approx([math.log2((8 + 2) / 2), 1.0])


def test_the_table_interpolates_between_lengths() -> None:
    knots = np.linspace(-10, 0, len(LEVELS))
    bits = np.stack([knots, knots + 2])[:, None]
    tail = ScoreTail(np.array([10.0, 40.0]), np.array([1.0]), bits, np.ones((2, 1)))
    got = tail.survival(np.array([1.0, 2.0]), np.array([20.0, 20.0]), np.ones(2))
    assert got == pytest.approx([LEVELS[-1], LEVELS[-1] / 2])
