import numpy as np
import pytest
from support.lstm import random_input, random_weights

from genolstm.errors import SettingError
from genolstm.lstm.cell import forward
from genolstm.lstm.config import LSTMConfig
from genolstm.lstm.gradient import input_gradient, mean_decay


def config_of(cell, layers=2):
    # The recurrent stack's own states come out, so that the last one can be looked at.
    return LSTMConfig(cell=cell, n_features=3, units=4, layers=layers, bidirectional=False, head="embed", n_outputs=0)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_it_is_the_gradient(cell):
    # Central differences of the forward pass, of which this module knows nothing.
    config = config_of(cell, layers=1)
    weights = {k: v.astype(np.float64) for k, v in random_weights(config, scale=0.8).items()}
    x = random_input(config, 2, 6).astype(np.float64)
    found = input_gradient(config, weights, x, seed=5)
    direction = np.random.default_rng(5).normal(size=(2, 4))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    expected = np.zeros((*x.shape,))
    step = 1e-5
    for place in np.ndindex(x.shape):
        values = []
        for sign in (1, -1):
            moved = x.copy()
            moved[place] += sign * step
            values.append((forward(config, weights, moved)[place[0], -1] * direction[place[0]]).sum())
        expected[place] = (values[0] - values[1]) / (2 * step)
    np.testing.assert_allclose(found, np.linalg.norm(expected, axis=2), rtol=1e-6, atol=1e-10)


def test_the_second_layer_is_looked_at_from_its_own_input():
    config = config_of("lstm")
    weights, x = random_weights(config), random_input(config, 2, 6)
    assert input_gradient(config, weights, x, layer=2).shape == (2, 6)
    with pytest.raises(SettingError, match="layers 1 to 2"):
        input_gradient(config, weights, x, layer=3)


def test_a_contracting_layer_forgets_at_its_own_pace():
    # One linear-range unit with recurrent weight 1/2: the gradient halves at every step.
    config = LSTMConfig(cell="rnn", n_features=1, units=1, layers=1, bidirectional=False)
    weights = {
        "rnn1/forward/kernel": np.array([[1e-6]]),
        "rnn1/forward/recurrent_kernel": np.array([[0.5]]),
        "rnn1/forward/bias": np.array([0.0]),
    }
    decay = mean_decay(input_gradient(config, weights, np.ones((3, 20, 1))))
    np.testing.assert_allclose(decay, 0.5 ** np.arange(20), rtol=1e-9)
