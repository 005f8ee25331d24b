"""Simulated pairs: what they claim about themselves holds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genolstm.alignment.context.estimation import gap_runs
from genolstm.alignment.evaluate import bootstrap_mean, compare_pairs, paired_bootstrap, reliability, right_pairs
from genolstm.alignment.simulate.evolution import AMINO_ACID
from genolstm.alignment.simulate.pairs import (
    PRESETS,
    DamageSettings,
    SimulatedPair,
    SimulationSettings,
    left_align,
    simulate_pairs,
)
from genolstm.errors import InputError, SettingError
from genolstm.sequences.alphabet import encode


def some(name: str, n: int = 20, seed: int = 1, **changes: object) -> list[SimulatedPair]:
    return list(simulate_pairs(replace(PRESETS[name], **changes), n, seed=seed))


@pytest.mark.parametrize("name", PRESETS)
def test_pairs_are_aligned_sequences_and_repeatable(name: str) -> None:
    pairs = some(name)
    for pair in pairs:
        assert pair.pairs.dtype == np.int32
        assert len(pair.pairs) > 10
        assert (np.diff(pair.pairs, axis=0) > 0).all()
        assert (pair.pairs < [len(pair.query), len(pair.reference)]).all()
        assert pair.query.max() <= 3
        assert len(pair.query_phase) == len(pair.query) == len(pair.query_unit)
        assert len(pair.reference_phase) == len(pair.reference) == len(pair.reference_unit)
    again = some(name)
    assert all(a.texts == b.texts for a, b in zip(pairs, again, strict=True))
    # Each pair is independent of how many are asked for.
    assert some(name, 3)[2].texts == pairs[2].texts
    assert some(name, 1, seed=2)[0].texts != pairs[0].texts


def test_identity_follows_the_substitution_model() -> None:
    from genolstm.alignment.pairhmm.parameters import hky_joint

    plain = replace(
        PRESETS["homogeneous"],
        frequencies=(0.3, 0.2, 0.2, 0.3),
        kappa=(2.5, 2.5),
        shape=(0.7, 0.7),
        indel_rate=(0.05, 0.05),
    )
    pairs = list(simulate_pairs(plain, 40, seed=5, divergences=[0.4] * 40))
    joint = hky_joint(0.4, kappa=2.5, shape=0.7, frequencies=(0.3, 0.2, 0.2, 0.3))
    letters = np.zeros((4, 4))
    for p in pairs:
        np.add.at(letters, (p.query[p.pairs[:, 0]], p.reference[p.pairs[:, 1]]), 1)
    np.testing.assert_allclose(letters / letters.sum(), joint, atol=0.012)
    # Insertions and deletions are equally frequent: lengths stay what they were.
    assert np.mean([len(p.query) for p in pairs]) == pytest.approx(500, abs=12)
    none = some("homogeneous", 5, indel_rate=(0, 0))
    assert all(len(p.pairs) == len(p.query) == len(p.reference) for p in none)


def test_coding_sequence_stays_in_frame() -> None:
    pairs = some("coding", 15)
    third, second = [], []
    strands = set()
    for pair in pairs:
        both = (pair.query, pair.query_phase), (pair.reference, pair.reference_phase)
        for codes, phase in both:
            if phase.min() < 0:
                codes, phase = 3 - codes[::-1], -phase[::-1]
                strands.add("-")
            else:
                strands.add("+")
            inside = np.flatnonzero(phase > 0)
            assert inside[-1] - inside[0] + 1 == len(inside)
            assert (phase[inside] == np.resize([1, 2, 3], len(inside))).all()
            codon = codes[inside].astype(int).reshape(-1, 3) @ [16, 4, 1]
            assert (AMINO_ACID[codon] >= 0).all()
        a, b = pair.pairs.T
        same = pair.query[a] == pair.reference[b]
        phase = np.abs(pair.query_phase[a])
        third.append(same[phase == 3].mean())
        second.append(same[phase == 2].mean())
    assert strands == {"+", "-"}
    assert np.mean(second) > np.mean(third) + 0.15


def test_repeats_gain_and_lose_whole_units() -> None:
    settings = replace(PRESETS["repeats"], indel_rate=(0, 0), divergence=(0.2, 0.2), slippage=(2, 2))
    lengths: list[int] = []
    for pair in simulate_pairs(settings, 15, seed=3):
        assert {0, 1} < set(pair.query_unit.tolist()) <= set(range(7))
        runs = gap_runs(pair.query, pair.reference, pair.pairs)
        lengths += runs[runs > 0].tolist()
    assert len(lengths) > 15
    still = replace(settings, slippage=(0, 0))
    assert all(len(p.pairs) == len(p.query) for p in simulate_pairs(still, 4, seed=3))


def test_damage_rises_towards_the_ends() -> None:
    damage = DamageSettings(fragment=(50, 60), error=0.0)
    pairs = some("ancient", 300, divergence=(0, 0), indel_rate=(0, 0), damage=damage)
    first, inner, last, other = [], [], [], 0
    for pair in pairs:
        a, b = pair.pairs.T
        q, r = pair.query[a], pair.reference[b]
        n = len(pair.query)
        assert 50 <= n <= 60
        c_to_t, g_to_a = (r == 1) & (q == 3), (r == 2) & (q == 0)
        other += int(((q != r) & ~c_to_t & ~g_to_a).sum())
        first += c_to_t[(r == 1) & (a < 2)].tolist()
        last += g_to_a[(r == 2) & (a >= n - 2)].tolist()
        inner += c_to_t[(r == 1) & (a > 20) & (a < 30)].tolist()
    assert other == 0
    assert np.mean(first) > 0.15
    assert np.mean(last) > 0.15
    assert np.mean(inner) < 0.05


def test_left_alignment_moves_gaps_and_changes_no_letter() -> None:
    query, reference = encode("ACGTTTTACG"), encode("ACGTTTTTTACG")
    pairs = np.array([(i, i if i < 5 else i + 2) for i in range(10)], dtype=np.int32)
    moved = left_align(query, reference, pairs)
    assert moved.tolist() == [[i, i if i < 3 else i + 2] for i in range(10)]
    # The unit of a tandem repeat: the gap moves by letters, not by units.
    query, reference = encode("TTACACGG"), encode("TTACACACGG")
    pairs = np.array([(i, i if i < 6 else i + 2) for i in range(8)], dtype=np.int32)
    assert left_align(query, reference, pairs)[2:4].tolist() == [[2, 4], [3, 5]]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_left_alignment_keeps_the_columns(seed: int) -> None:
    pair = next(simulate_pairs(replace(PRESETS["repeats"], length=(60, 80)), 1, seed=seed))
    moved = left_align(pair.query, pair.reference, pair.pairs)
    np.testing.assert_array_equal(moved, pair.pairs)  # it is left-aligned already
    rng = np.random.default_rng(seed)
    keep = np.sort(rng.choice(len(pair.pairs), len(pair.pairs) * 3 // 4, replace=False))
    loose = pair.pairs[keep]
    moved = left_align(pair.query, pair.reference, loose)
    assert (np.diff(moved, axis=0) > 0).all()
    assert (moved <= loose).all()


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(SettingError, match="divergence"):
        SimulationSettings(divergence=(0.5, 0.1))
    with pytest.raises(SettingError, match="length is 8, a whole number at least 16"):
        SimulationSettings(length=(5, 9))


# ---------------------------------------------------------------- evaluation


def test_accuracy_counts_shared_pairs() -> None:
    truth = np.array([[0, 0], [1, 1], [2, 3], [4, 5]], dtype=np.int32)
    guess = np.array([[0, 0], [1, 2], [2, 3]], dtype=np.int32)
    got = compare_pairs(guess, truth)
    assert (got.hit, got.predicted, got.true) == (2, 3, 4)
    assert got.precision == pytest.approx(2 / 3)
    assert got.recall == pytest.approx(1 / 2)
    assert got.f1 == pytest.approx(4 / 7)
    assert right_pairs(guess, truth).tolist() == [True, False, True]
    empty = np.empty((0, 2), dtype=np.int32)
    assert compare_pairs(empty, truth).f1 == 0
    assert compare_pairs(empty, empty).f1 == 1


def test_a_gap_elsewhere_in_the_repeat_is_no_error() -> None:
    query, reference = encode("ACGTTTTACG"), encode("ACGTTTTTTACG")
    left = np.array([(i, i if i < 3 else i + 2) for i in range(10)], dtype=np.int32)
    right = np.array([(i, i if i < 7 else i + 2) for i in range(10)], dtype=np.int32)
    assert compare_pairs(right, left).f1 < 1
    assert compare_pairs(right, left, sequences=(query, reference)).f1 == 1


def test_calibration_error() -> None:
    rng = np.random.default_rng(4)
    p = rng.random(200_000)
    honest = rng.random(p.size) < p
    assert reliability(p, honest).ece < 0.01
    boastful = rng.random(p.size) < p / 2
    assert reliability(p, boastful).ece == pytest.approx(0.25, abs=0.01)
    assert reliability([0.9, 1.0], [True, True], bins=10).count.tolist() == [0] * 9 + [2]
    with pytest.raises(InputError, match="posteriors"):
        reliability([0.5], [True, False])


def test_bootstrap_covers_the_mean() -> None:
    rng = np.random.default_rng(6)
    inside = 0
    for k in range(60):
        got = bootstrap_mean(rng.normal(0.3, 1, 80), seed=k, rounds=600)
        inside += got.low <= 0.3 <= got.high
    assert 50 <= inside <= 60
    a = rng.normal(0, 1, 100)
    better = paired_bootstrap(a + 0.1, a, seed=1, rounds=500)
    assert better.low == pytest.approx(0.1)
    assert str(better) == "+0.1000 [+0.1000, +0.1000]"
    with pytest.raises(InputError, match="no values"):
        bootstrap_mean([], seed=1)


def between(low: object, high: object = None) -> tuple[object, object]:
    return low, low if high is None else high


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"length": between(-5)}, "length is -5, a whole number at least 16 and at most 10000000 is needed"),
        ({"length": between(10**12)}, "length is 1000000000000"),
        ({"length": between(100.0)}, "length is 100.0, a whole number"),
        ({"length": 100}, "length is 100, 2 numbers are needed"),
        ({"length": between(90, 80)}, "length goes from 90 to 80, it has to rise"),
        ({"divergence": between(0.1, NAN)}, "divergence is nan"),
        ({"divergence": between(-0.1, 1)}, "divergence is -0.1"),
        ({"divergence": between(0.1, 1e9)}, "divergence is 1000000000.0"),
        ({"frequencies": (1, 0, 0, 0)}, "no base may be rarer"),
        ({"frequencies": (0, 0, 0, 0)}, "no base may be rarer"),
        ({"frequencies": (0.5, 0.5, NAN, 0.1)}, "frequencies is nan"),
        ({"frequencies": (0.5, 0.5)}, "4 numbers are needed"),
        ({"frequencies": "ACGT"}, "4 numbers are needed"),
        ({"skew": 1}, "skew is 1"),
        ({"kappa": between(INF)}, "kappa is inf"),
        ({"shape": between(-1, 1)}, "shape is -1"),
        ({"indel_rate": between(0.1, 1e6)}, "indel_rate is 1000000.0"),
        ({"indel_exponent": between(NAN)}, "indel_exponent is nan"),
        ({"indel_longest": 0}, "indel_longest is 0"),
        ({"indel_longest": 10**15}, "indel_longest is 1000000000000000"),
        ({"coding": 1.1}, "coding is 1.1"),
        ({"coding": True}, "coding is True"),
        ({"omega": between("a")}, "omega is 'a'"),
        ({"coding_indels": -0.1}, "coding_indels is -0.1"),
        ({"repeats": between(0.5, 7)}, "repeats is 7"),
        ({"slippage": between(1e300)}, "slippage is 1e.300"),
        ({"damage": "much"}, "damage is 'much'"),
    ],
)
def test_settings_that_cannot_be_simulated(changes: dict[str, object], said: str) -> None:
    with pytest.raises(SettingError, match=said):
        replace(PRESETS["homogeneous"], **changes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"fragment": (0, 10)}, "fragment is 0"),
        ({"fragment": (50, 30)}, "fragment goes from 50 to 30"),
        ({"overhang": 0.0}, "overhang is 0.0"),
        ({"single": 1.5}, "single is 1.5"),
        ({"double": NAN}, "double is nan"),
        ({"nick": -1}, "nick is -1"),
        ({"error": 2}, "error is 2"),
        ({"flank": -1}, "flank is -1"),
    ],
)
def test_damage_that_cannot_be_simulated(changes: dict[str, object], said: str) -> None:
    with pytest.raises(SettingError, match=said):
        DamageSettings(**changes)


def test_counts_seeds_and_divergences_are_checked() -> None:
    plain = PRESETS["homogeneous"]
    for options, said in (
        ({"n": -1, "seed": 1}, "n is -1"),
        ({"n": 1, "seed": -1}, "seed is -1"),
        ({"n": 1, "seed": 0.5}, "seed is 0.5"),
        ({"n": 2, "seed": 1, "divergences": [0.1]}, "1 divergences are given for 2 pairs"),
        ({"n": 1, "seed": 1, "divergences": [NAN]}, "divergence is nan"),
        ({"n": 1, "seed": 1, "divergences": [-1.0]}, "divergence is -1.0"),
    ):
        with pytest.raises(SettingError, match=said):
            list(simulate_pairs(plain, **options))


@pytest.mark.parametrize("extreme", [0, 1])
def test_the_bounds_themselves_can_be_simulated(extreme: int) -> None:
    """Short pairs with every setting at its lowest, and at its highest, with the rarest bases."""
    low = {
        "divergence": 0.0,
        "kappa": 0.0,
        "shape": 0.0,
        "indel_rate": 0.0,
        "indel_exponent": 0.0,
        "omega": 0.0,
        "repeats": 0.0,
        "slippage": 0.0,
    }
    high = {
        "divergence": 20.0,
        "kappa": 1000.0,
        "shape": 1e6,
        "indel_rate": 10.0,
        "indel_exponent": 100.0,
        "omega": 1.0,
        "repeats": 1.0,
        "slippage": 100.0,
    }
    chosen = {name: (value, value) for name, value in (low, high)[extreme].items()}
    damage = DamageSettings(fragment=(1, 1 + extreme), overhang=(1e-9, 1.0)[extreme], single=1.0, nick=1.0, flank=0)
    for coding in (0.0, 1.0):
        settings = SimulationSettings(
            length=(16, 40),
            frequencies=(0.001, 0.997, 0.001, 0.001),
            indel_longest=(1, 1000)[extreme],
            coding=coding,
            coding_indels=float(extreme),
            damage=damage if coding else None,
            **chosen,
        )
        for pair in simulate_pairs(settings, 10, seed=4):
            assert len(pair.query) > 0
            assert pair.query.max() <= 3
            assert (np.diff(pair.pairs, axis=0) > 0).all()
