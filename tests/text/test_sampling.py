import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genolstm.errors import SettingError
from genolstm.text.sampling import Sampling

P = np.array([0.1, 0.4, 0.2, 0.3], np.float32)


def test_temperature_sharpens_and_flattens():
    assert Sampling(temperature=1).distribution(P) == pytest.approx(P)
    cold, hot = (Sampling(temperature=t).distribution(P) for t in (0.5, 2.0))
    assert cold == pytest.approx(P**2 / (P**2).sum())
    assert hot == pytest.approx(P**0.5 / (P**0.5).sum())
    assert Sampling(temperature=0).distribution(P).tolist() == [0, 1, 0, 0]


def test_top_k_and_top_p_cut_the_tail():
    assert Sampling(top_k=2).distribution(P) == pytest.approx([0, 4 / 7, 0, 3 / 7])
    assert Sampling(top_p=0.7).distribution(P) == pytest.approx([0, 4 / 7, 0, 3 / 7], abs=1e-6)
    assert Sampling(top_p=0.71).distribution(P) == pytest.approx([0, 4 / 9, 2 / 9, 3 / 9])
    assert Sampling(top_p=1e-9).distribution(P).tolist() == [0, 1, 0, 0]
    # Among the two likeliest, the first alone has 4/7.
    assert Sampling(top_k=2, top_p=0.5).distribution(P).tolist() == [0, 1, 0, 0]


def test_of_equal_symbols_the_first_are_kept():
    assert Sampling(top_k=2).distribution(np.full(4, 0.25)).tolist() == [0.5, 0.5, 0, 0]


@given(
    weights=st.lists(st.floats(0, 1, width=32), min_size=1, max_size=30).filter(lambda w: sum(w) > 1e-3),
    uniform=st.floats(0, 1, exclude_max=True),
    temperature=st.sampled_from([0.0, 0.3, 1.0, 3.0]),
    top_k=st.integers(0, 5),
    top_p=st.floats(0.01, 1),
)
def test_only_symbols_with_weight_are_drawn(weights, uniform, temperature, top_k, top_p):
    probabilities = np.array(weights, np.float32)
    probabilities /= probabilities.sum()
    sampling = Sampling(temperature, top_k, top_p)
    left = sampling.distribution(probabilities)
    assert left.sum() == pytest.approx(1)
    assert left[sampling.draw(probabilities, uniform)] > 0
    if top_k:
        assert (left > 0).sum() <= top_k


def test_draws_follow_the_distribution():
    random = np.random.default_rng(0)
    drawn = [Sampling(temperature=0.7).draw(P, u) for u in random.random(20_000)]
    found = np.bincount(drawn, minlength=4) / len(drawn)
    assert found == pytest.approx(Sampling(temperature=0.7).distribution(P), abs=0.015)


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": -0.1},
        {"temperature": float("nan")},
        {"temperature": float("inf")},
        {"top_k": -1},
        {"top_k": 1.5},
        {"top_p": 0.0},
        {"top_p": 1.1},
        {"top_p": float("nan")},
    ],
)
def test_values_out_of_range_are_refused(wrong):
    with pytest.raises(SettingError, match=next(iter(wrong))):
        Sampling(**wrong)
