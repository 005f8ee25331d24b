import bz2
import lzma
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genolstm.errors import SettingError
from genolstm.text.baselines import MarkovModel, compressor_bits, markov_bits


def plain_bits(training, held_out, order, n_symbols):
    """The definition, with dictionaries."""
    pairs, totals = Counter(), Counter()
    for i, symbol in enumerate(training):
        if symbol < n_symbols:
            for k in range(min(i, order) + 1):
                pairs[tuple(training[i - k : i]), symbol] += 1
                totals[tuple(training[i - k : i])] += 1
    kinds = Counter(context for context, _ in pairs)
    bits = []
    for i, symbol in enumerate(held_out):
        p = 1 / n_symbols
        for k in range(min(i, order) + 1):
            context = tuple(held_out[i - k : i])
            if totals[context]:
                d = kinds[context]
                p = (pairs[context, symbol] + d * p) / (totals[context] + d)
        bits.append(-np.log2(p) if symbol < n_symbols else np.nan)
    return bits


streams = st.lists(st.integers(0, 3), min_size=1, max_size=80)


@settings(max_examples=60)
@given(training=streams, held_out=streams, order=st.integers(0, 5))
def test_bits_are_those_of_plain_dictionaries(training, held_out, order):
    if min(training) == 3:
        with pytest.raises(SettingError, match="nothing to count"):
            MarkovModel(order, 3).fit(np.array(training))
        return
    model = MarkovModel(order, 3).fit(np.array(training))
    expected = plain_bits(training, held_out, order, 3)
    assert model.bits(np.array(held_out)) == pytest.approx(expected, nan_ok=True)


def test_probabilities_of_all_symbols_sum_to_one():
    random = np.random.default_rng(1)
    model = MarkovModel(4, 4).fit(random.integers(0, 4, 500), tune=True)
    context = random.integers(0, 4, 10).tolist()
    last = [2.0 ** -model.bits(np.array([*context, symbol]))[-1] for symbol in range(4)]
    assert sum(last) == pytest.approx(1)


def test_the_order_of_a_markov_source_is_found():
    random = np.random.default_rng(2)
    table = random.dirichlet([0.2] * 4, 64).cumsum(axis=1)
    stream = [0, 0, 0]
    for u in random.random(40_000).tolist():
        stream.append(int(np.searchsorted(table[stream[-3] * 16 + stream[-2] * 4 + stream[-1]], u)))
    stream = np.minimum(np.array(stream), 3)
    found = markov_bits(stream[:36_000], stream[36_000:], 4, max_order=6)
    assert int(np.argmin(found["witten-bell"])) == 3
    assert found["witten-bell"][2] - found["witten-bell"][3] > 0.1


def test_tuned_weights_help_where_long_contexts_mislead():
    stream = np.random.default_rng(3).integers(0, 4, 20_000)
    found = markov_bits(stream[:18_000], stream[18_000:], 4, max_order=8)
    assert found["witten-bell"][8] > 2.3
    assert found["tuned"][8] < 2.02


def test_compressors_are_the_real_ones():
    data, before = b"the lamp on the hill " * 40, b"the goat at the gate " * 40
    found = compressor_bits(data, len(data))
    assert found["bzip2"] == 8 * len(bz2.compress(data, 9)) / len(data)
    assert found["xz"] == 8 * len(lzma.compress(data, preset=9 | lzma.PRESET_EXTREME)) / len(data)
    assert compressor_bits(before, len(before), training=before)["xz"] < found["xz"] / 4


@pytest.mark.parametrize("order", [-1, 17])
def test_orders_out_of_range_are_refused(order):
    with pytest.raises(SettingError, match="order"):
        MarkovModel(order, 4)


def test_weights_chosen_on_a_validation_stream_stay_when_it_is_counted_too():
    random = np.random.default_rng(4)
    training, validation, test = random.integers(0, 4, (3, 6000))
    model = MarkovModel(6, 4).fit(training, tune=True, validation=validation)
    # Nothing of the validation stream was counted: its bits do not fall below chance.
    assert np.nanmean(model.bits(validation)) > 1.999
    weights = list(model.weights)
    model.recount(np.concatenate([training, validation]))
    assert model.weights == weights
    assert np.nanmean(model.bits(validation)) < 1.99
    assert np.nanmean(model.bits(test)) < np.nanmean(MarkovModel(6, 4).fit(training).bits(test))
