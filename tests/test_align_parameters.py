"""Parameters: closed forms against matrices, counting against truth, EM against derivatives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.linalg import expm
from scipy.optimize import minimize
from scipy.stats import gamma

from genolstm.alignment.estimation import (
    baum_welch,
    check_pairs,
    expected_counts,
    fit_family,
    gap_runs,
    parameters_from_alignments,
)
from genolstm.alignment.letters import encode_masks
from genolstm.alignment.pairhmm import PairHMM
from genolstm.alignment.parameters import (
    Counts,
    PairHMMParameters,
    ParameterFamily,
    hky_joint,
)
from genolstm.alignment.selection import select
from genolstm.alignment.simulate import PRESETS, simulate_pairs
from genolstm.errors import InputError, ModelError, SettingError

PI = np.array([0.35, 0.15, 0.2, 0.3])
PLAIN = replace(
    PRESETS["homogeneous"], frequencies=tuple(PI.tolist()), kappa=(4, 4), shape=(1, 1),
    indel_rate=(0.05, 0.05), length=(250, 350),
)  # fmt: skip


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
    from genolstm.alignment import kernels as kn

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
        match=rng.random((4, 4)) * 100 + 200 * np.eye(4), stay=900.0,
        opened=np.array([[20.0, 9.0], [17.0, 8.0]]), extended=np.array([12.0, 80.0]),
        closed=np.array([39.0, 19.0]), linked=np.array([2.0, 2.0]), unlinked=25.0,
    )  # fmt: skip

    def loss(x: np.ndarray) -> float:
        o1, o2, kappa = np.exp(x)
        s = o1 + o2
        q = kappa * s
        t = 1 - (2 - q) * s
        if q >= 1 or t <= 0:
            return np.inf
        opened = counts.opened.sum(axis=0)
        return -(
            opened @ np.log([o1, o2]) + (counts.opened[1].sum() + counts.unlinked) * np.log(1 - q)
            + counts.linked @ np.log([kappa * o1, kappa * o2]) + counts.stay * np.log(t)
        )  # fmt: skip

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
    assert runs.sum(axis=0).tolist() == [
        len(pair.query) - len(pair.pairs), len(pair.reference) - len(pair.pairs)
    ]  # fmt: skip
    with pytest.raises(InputError, match="beyond"):
        check_pairs(pair.query[:5], pair.reference, pair.pairs)
    with pytest.raises(InputError, match="rise"):
        check_pairs(pair.query, pair.reference, pair.pairs[::-1])


def test_expected_events_are_the_derivatives_of_the_likelihood() -> None:
    """d log P / d log w is the expected number of uses of a weight w."""
    pair = next(simulate_pairs(replace(PLAIN, length=(60, 60)), 1, seed=4, divergences=[0.6]))
    p = ParameterFamily().member(0.6, 0.08)
    counts, bits = expected_counts(pair.query, pair.reference, p)
    masks = [encode_masks(text) for text in pair.texts]
    assert PairHMM(*masks, p).score() == pytest.approx(bits, abs=1e-4)
    matches = PairHMM(*masks, p).posterior(0).probability.sum()
    assert counts.match.sum() == pytest.approx(matches, rel=1e-4)

    from genolstm.alignment import expectation as ex
    from genolstm.alignment import kernels as kn

    c = kn.coefficients(p.gap_open, p.gap_extend, p.gap_link).astype(float)
    odds = np.ascontiguousarray(p.odds()[np.ix_([1, 2, 4, 8, 15], [1, 2, 4, 8, 15])])
    for weight, expected in (
        (kn.T, None), (kn.E1, counts.extended[0]), (kn.E2, counts.extended[1]),
        (kn.C2, counts.closed[1]), (kn.KAPPA, counts.linked.sum()),
        (kn.PN, counts.opened[1].sum() + counts.unlinked),
        (kn.O1, counts.opened[:, 0].sum() + counts.linked[0]),
    ):  # fmt: skip
        values = []
        for step in (-1e-5, 1e-5):
            moved = c.copy()
            moved[weight] *= 1 + step
            values.append(
                ex.expected_events(pair.query, pair.reference, odds, moved, np.zeros(ex.N_EVENTS))
            )
        slope = (values[1] - values[0]) / 2e-5
        # The end of the alignment uses T, too, but is counted all the same.
        assert slope == pytest.approx(counts.stay if expected is None else expected, abs=2e-3)


def test_baum_welch_climbs_and_arrives() -> None:
    pairs = list(simulate_pairs(PLAIN, 40, seed=5, divergences=[0.4] * 40))
    start = ParameterFamily().member(0.9, 0.12, PI)
    fit = baum_welch([(p.query, p.reference) for p in pairs], start, rounds=8)
    assert (np.diff(fit.bits) > -1e-6).all()
    truth = parameters_from_alignments((p.query, p.reference, p.pairs) for p in pairs)
    assert fit.parameters.identity == pytest.approx(truth.identity, abs=0.03)
    assert sum(fit.parameters.gap_open) == pytest.approx(sum(truth.gap_open), rel=0.35)


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
        chosen = select(a, b, ParameterFamily(), lambda p, a=a, b=b: PairHMM(a, b, p).score())
        found.append(chosen.divergence)
        # Averaged over the family the pair is less likely than under its best member.
        assert chosen.bits < PairHMM(a, b, chosen.parameters).score()
    assert np.exp(np.mean(np.log(found))) == pytest.approx(d, rel=0.3)


def test_parameters_are_checked_and_survive_json() -> None:
    p = ParameterFamily().member(0.4, 0.05, PI)
    assert PairHMMParameters.from_dict(p.to_dict()) == p
    family = ParameterFamily(kappa=7.5, gap_extend=(0.2, 0.8))
    assert ParameterFamily.from_dict(family.to_dict()) == family
    with pytest.raises(ModelError, match="not whole"):
        PairHMMParameters.from_dict({"match": p.match})
    with pytest.raises(ModelError, match="not whole"):
        ParameterFamily.from_dict({"kappa": 2})
    lopsided = np.full((4, 4), 0.0625) + np.diag([0.01, 0, -0.01], k=1)
    with pytest.raises(SettingError, match="symmetric"):
        PairHMMParameters(tuple(map(tuple, lopsided.tolist())))
    with pytest.raises(SettingError, match="gap_open"):
        replace(p, gap_open=(0.4, 0.2))
    with pytest.raises(SettingError, match="gap_extend"):
        replace(p, gap_extend=(0.4, 1.0))
