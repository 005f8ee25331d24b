"""Parameters: closed forms against matrices, counting against truth, EM against derivatives."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.linalg import expm
from scipy.optimize import minimize
from scipy.stats import gamma

from genolstm.alignment.context.crf import Expectation, all_alignments, one_alignment
from genolstm.alignment.context.estimation import (
    check_pairs,
    expected_counts,
    fit_family,
    gap_runs,
    parameters_from_alignments,
)
from genolstm.alignment.pairhmm import kernels as kn
from genolstm.alignment.pairhmm.member import select_pair
from genolstm.alignment.pairhmm.metadata import FAMILY_RANGES, PAIRS
from genolstm.alignment.pairhmm.pairhmm import PairHMM
from genolstm.alignment.pairhmm.parameters import Counts, PairHMMParameters, ParameterFamily, hky_joint
from genolstm.alignment.scorer import AlignmentScorer
from genolstm.alignment.simulate.pairs import PRESETS, simulate_pairs
from genolstm.errors import InputError, ModelError, SettingError
from genolstm.sequences.masks import encode_masks

PI = np.array([0.35, 0.15, 0.2, 0.3])
PLAIN = replace(
    PRESETS["homogeneous"],
    frequencies=tuple(PI.tolist()),
    kappa=(4, 4),
    shape=(1, 1),
    indel_rate=(0.05, 0.05),
    length=(250, 350),
)


def hky_rates(kappa: float) -> np.ndarray:
    rates = np.array([[kappa if (a ^ b) == 2 else 1 for b in range(4)] for a in range(4)]) * PI
    np.fill_diagonal(rates, 0)
    rates -= np.diag(rates.sum(axis=1))
    return rates / -(PI @ np.diag(rates))


@pytest.mark.parametrize("d", [0.003, 0.3, 2.0])
def test_hky_is_the_matrix_exponential(d: float) -> None:
    expected = PI[:, None] * expm(hky_rates(4.0) * d)
    joint = hky_joint(d, kappa=4.0, frequencies=PI)
    np.testing.assert_allclose(joint, expected, atol=1e-12)
    np.testing.assert_allclose(joint, joint.T, atol=1e-12)


def test_gamma_rates_are_the_average_over_rates() -> None:
    rates = gamma.ppf((np.arange(300) + 0.5) / 300, 0.7) / 0.7
    average = PI[:, None] * expm(hky_rates(4.0) * 0.5 * rates[:, None, None]).mean(axis=0)
    joint = hky_joint(0.5, kappa=4.0, shape=0.7, frequencies=PI)
    np.testing.assert_allclose(joint, average, atol=1e-3)


def test_other_base_frequencies_keep_the_odds_ratios() -> None:
    parameters = ParameterFamily().member(0.4, 0.05)
    moved = parameters.with_background([0.4, 0.1, 0.1, 0.4])
    np.testing.assert_allclose(moved.background, [0.4, 0.1, 0.1, 0.4], atol=1e-9)

    def ratio(p: PairHMMParameters) -> float:
        m = np.asarray(p.match)
        return m[0, 0] * m[1, 2] / (m[0, 2] * m[1, 0])

    assert ratio(moved) == pytest.approx(ratio(parameters), rel=1e-6)


def test_transitions_sum_to_one() -> None:
    c = kn.coefficients((0.05, 0.02), (0.4, 0.9), 3.0).astype(float)
    opened = c[kn.O1] + c[kn.O2]
    assert c[kn.T] + opened + c[kn.PN] * opened == pytest.approx(1)
    for e, leave in ((kn.E1, kn.C1), (kn.E2, kn.C2)):
        linked = c[kn.KAPPA] * opened
        assert c[e] + c[leave] * (c[kn.PN] + linked) == pytest.approx(1)


def test_closed_form_maximum_of_the_counts() -> None:
    """No nearby parameters make the counted events likelier."""
    rng = np.random.default_rng(2)
    counts = Counts(
        match=rng.random((4, 4)) * 100 + 200 * np.eye(4),
        stay=900.0,
        opened=np.array([[20.0, 9.0], [17.0, 8.0]]),
        extended=np.array([12.0, 80.0]),
        closed=np.array([39.0, 19.0]),
        linked=np.array([2.0, 2.0]),
        unlinked=25.0,
    )

    def loss(x: np.ndarray) -> float:
        o1, o2, kappa = np.exp(x)
        s = o1 + o2
        q = kappa * s
        t = 1 - (2 - q) * s
        if q >= 1 or t <= 0:
            return np.inf
        opened = counts.opened.sum(axis=0)
        return -(
            opened @ np.log([o1, o2])
            + (counts.opened[1].sum() + counts.unlinked) * np.log(1 - q)
            + counts.linked @ np.log([kappa * o1, kappa * o2])
            + counts.stay * np.log(t)
        )

    found = counts.parameters()
    at = np.log([*found.gap_open, found.gap_link])
    best = minimize(loss, at + 0.3, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-9})
    assert loss(at) == pytest.approx(best.fun, abs=1e-5)
    np.testing.assert_allclose(at, best.x, atol=1e-3)
    assert found.gap_extend == pytest.approx((12 / 51, 80 / 99), rel=1e-4)


def test_counting_finds_what_was_simulated() -> None:
    pairs = list(simulate_pairs(PLAIN, 120, seed=3, divergences=[0.5] * 120))
    found = parameters_from_alignments((p.query, p.reference, p.pairs) for p in pairs)
    expected = hky_joint(0.5, kappa=4, shape=1, frequencies=PI)
    np.testing.assert_allclose(np.asarray(found.match), expected, atol=0.012)
    # The shipped family says the same.
    member = ParameterFamily(kappa=4).member(0.5, 0.05, PI)
    assert sum(found.gap_open) == pytest.approx(sum(member.gap_open), rel=0.2)
    assert found.gap_extend == pytest.approx(member.gap_extend, abs=0.1)
    assert 1.2 < found.gap_link < 5


def test_gap_runs_cover_both_sequences() -> None:
    pair = next(simulate_pairs(PLAIN, 1, seed=9))
    runs = gap_runs(pair.query, pair.reference, pair.pairs)
    assert runs.sum(axis=0).tolist() == [len(pair.query) - len(pair.pairs), len(pair.reference) - len(pair.pairs)]
    with pytest.raises(InputError, match="beyond"):
        check_pairs(pair.query[:5], pair.reference, pair.pairs)
    with pytest.raises(InputError, match="rise"):
        check_pairs(pair.query, pair.reference, pair.pairs[::-1])


Gaps = tuple[np.ndarray, np.ndarray]


def crf_case(seed: int = 4) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray], np.ndarray]:
    """Scores, weights, gap factors and true pairs of a short pair."""
    rng = np.random.default_rng(seed)
    settings = replace(PLAIN, length=(30, 40), indel_rate=(0.2, 0.2))
    pair = next(simulate_pairs(settings, 1, seed=seed, divergences=[0.6]))
    n, m = len(pair.query), len(pair.reference)
    S = np.log(ParameterFamily().member(0.6, 0.2).odds())
    codes = [1 << x.astype(int) for x in (pair.query, pair.reference)]
    S = S[codes[0][:, None], codes[1][None, :]] + rng.normal(0, 0.5, (n, m))
    c = kn.coefficients((0.05, 0.02), (0.4, 0.9), 2.0).astype(float)
    return S, c, (rng.normal(0, 0.3, (n + 1, 2)), rng.normal(0, 0.3, (m + 1, 2))), pair.pairs


@pytest.mark.parametrize("known", [False, True])
def test_expectations_are_the_derivatives_of_the_log_weight(known: bool) -> None:
    """d log weight / d log w is the expected number of uses of a weight w."""
    S, c, gaps, pairs = crf_case()

    def weigh(S: np.ndarray, c: np.ndarray, gaps: Gaps) -> Expectation:
        return one_alignment(S, pairs, c, gaps) if known else all_alignments(S, c, gaps)

    here = weigh(S, c, gaps)
    step = 1e-5

    def slope(change) -> float:
        values = []
        for sign in (-1, 1):
            moved = S.copy(), c.copy(), (gaps[0].copy(), gaps[1].copy())
            change(*moved, sign * step)
            values.append(weigh(*moved).log_weight)
        return (values[1] - values[0]) / (2 * step)

    for k in range(9):

        def scale(S, c, gaps, d, k=k):
            c[k] *= np.exp(d)

        assert slope(scale) == pytest.approx(here.weights[k], abs=1e-5)
    for i, j in ((0, 0), (5, 5), tuple(pairs[7])):

        def match(S, c, gaps, d, i=i, j=j):
            S[i, j] += d

        assert slope(match) == pytest.approx(here.match[i, j], abs=1e-6)
    for side in (0, 1):
        for at in (0, 3, 11, len(gaps[side]) - 1):
            for kind, expected in enumerate((here.open_x[side], here.open_y[side])):

                def gap(S, c, gaps, d, side=side, at=at, kind=kind):
                    gaps[side][at, kind] += d

                assert slope(gap) == pytest.approx(expected[at], abs=1e-6)


def test_the_crf_is_the_pair_hmm() -> None:
    p = ParameterFamily().member(0.6, 0.08)
    pair = next(simulate_pairs(replace(PLAIN, length=(60, 60)), 1, seed=4, divergences=[0.6]))
    masks = [encode_masks(text) for text in pair.texts]
    counts, bits = expected_counts(pair.query, pair.reference, p)
    hmm = PairHMM(*masks, p)
    assert hmm.score() == pytest.approx(bits, abs=1e-4)
    assert counts.match.sum() == pytest.approx(hmm.posterior(0).probability.sum(), rel=1e-4)
    # One alignment weighs less than all of them, and the likeliest weighs what Viterbi says
    # at least: Viterbi also fixes the kinds of its gaps.
    c = kn.coefficients(p.gap_open, p.gap_extend, p.gap_link)
    S = np.log(p.odds())[masks[0]][:, masks[1]]
    score, pairs = hmm.viterbi()
    best = one_alignment(S, pairs, c).log_weight / np.log(2)
    assert score - 1e-4 <= best <= bits


def test_a_family_learns_from_pairs_without_alignments() -> None:
    many_transitions = replace(PLAIN, kappa=(15, 15), divergence=(0.1, 0.5))
    pairs = list(simulate_pairs(many_transitions, 25, seed=6))
    fit = fit_family([(p.query, p.reference) for p in pairs], rounds=3)
    assert 8 < fit.parameters.kappa < 28
    assert fit.bits[-1] > fit.bits[0]
    with pytest.raises(InputError, match="no pairs"):
        fit_family([])


@pytest.mark.parametrize("d", [0.02, 0.2, 0.7])
def test_selection_finds_the_distance(d: float) -> None:
    found = []
    for pair in simulate_pairs(PLAIN, 8, seed=8, divergences=[d] * 8):
        a, b = (encode_masks(text) for text in pair.texts)
        chosen = select_pair(a, b, ParameterFamily())
        found.append(chosen.divergence)
        # Averaged over the family the pair is less likely than under its best member.
        assert chosen.bits < PairHMM(a, b, chosen.parameters).score()
    assert np.exp(np.mean(np.log(found))) == pytest.approx(d, rel=0.3)


def test_parameters_are_checked_and_survive_json() -> None:
    p = ParameterFamily().member(0.4, 0.05, PI)
    family = ParameterFamily(kappa=7.5, gap_extend=(0.2, 0.8))
    assert ParameterFamily.from_dict(family.to_dict()) == family
    with pytest.raises(ModelError, match=r"lacks or misstates 'family\.shape'"):
        ParameterFamily.from_dict({"kappa": 2})
    lopsided = np.full((4, 4), 0.0625) + np.diag([0.01, 0, -0.01], k=1)
    with pytest.raises(SettingError, match="symmetric"):
        PairHMMParameters(tuple(map(tuple, lopsided.tolist())))
    with pytest.raises(SettingError, match="gap_open"):
        replace(p, gap_open=(0.4, 0.2))
    with pytest.raises(SettingError, match="gap_extend"):
        replace(p, gap_extend=(0.4, 1.0))


@pytest.mark.parametrize("name", FAMILY_RANGES)
def test_what_a_model_may_say_of_its_family_gives_finite_scores(name: str) -> None:
    low, high = FAMILY_RANGES[name]
    values: list[Any] = [low, high]
    if name in PAIRS:
        values = [[low, low], [low, high], [high, low], [high, high]]
    for value in values:
        family = ParameterFamily.from_dict({**ParameterFamily().to_dict(), name: value})
        found = AlignmentScorer(family).align("ACGTTGCAACGGTACATTTACAG", "ACGTTGCATCGGTACAACAG")
        assert np.isfinite(found.bits)
        assert np.isfinite(found.posteriors).all()
    for value in (low - 1e-7 * max(low, 1), high * 1.01, "x", None, True):
        with pytest.raises(ModelError, match=f"lacks or misstates 'family.{name}'"):
            ParameterFamily.from_dict({**ParameterFamily().to_dict(), name: [value] * 2 if name in PAIRS else value})
