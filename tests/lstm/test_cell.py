import numpy as np
import pytest
from support.lstm import CONFIGS, onnx_of, random_input, random_weights

from genolstm.errors import ModelError, SettingError
from genolstm.lstm.bundle.export import write_onnx
from genolstm.lstm.bundle.initializers import read_initializers, read_weights
from genolstm.lstm.bundle.runtime import Runtime
from genolstm.lstm.cell import forward, half_life, lstm_step, sigmoid, trace
from genolstm.lstm.config import LSTMConfig


@pytest.mark.parametrize("name", CONFIGS)
def test_weights_come_back_from_onnx(name):
    config = CONFIGS[name]
    weights = random_weights(config)
    found = read_weights(write_onnx(config, weights), config)
    assert found.keys() == weights.keys()
    for key, array in weights.items():
        np.testing.assert_array_equal(found[key], array.astype(np.float64), err_msg=key)


@pytest.mark.parametrize("name", CONFIGS)
def test_reference_agrees_with_onnx_runtime(name):
    config = CONFIGS[name]
    x = random_input(config, 3, 17)
    weights = {key: array.astype(np.float64) for key, array in random_weights(config).items()}
    found = Runtime(onnx_of(config), threads=1).predict(x)
    expected = forward(config, weights, x)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=3e-6, rtol=1e-5)


def test_one_step_by_hand():
    # One unit, one feature: every gate is a number that can be worked out on paper.
    kernel, recurrent = np.array([[1.0, 2.0, 3.0, 4.0]]), np.array([[0.5, 0.5, 0.5, 0.5]])
    bias = np.array([0.1, 0.2, 0.3, 0.4])
    i, f, g, o, c, h = lstm_step(np.array([[0.2]]), np.array([[0.6]]), np.array([[-0.5]]), kernel, recurrent, bias)
    expected_c = 1 / (1 + np.exp(-0.9)) * -0.5 + 1 / (1 + np.exp(-0.6)) * np.tanh(1.2)
    assert i.item() == pytest.approx(1 / (1 + np.exp(-0.6)))
    assert f.item() == pytest.approx(1 / (1 + np.exp(-0.9)))
    assert g.item() == pytest.approx(np.tanh(1.2))
    assert c.item() == pytest.approx(expected_c)
    assert h.item() == pytest.approx(np.tanh(expected_c) / (1 + np.exp(-1.5)))
    assert o.item() == pytest.approx(1 / (1 + np.exp(-1.5)))


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_trace_obeys_the_equations(direction):
    config = LSTMConfig(n_features=3, units=4, layers=2)
    weights = read_weights(onnx_of(config), config)
    gates = trace(config, weights, random_input(config, 2, 12), layer=2, direction=direction)
    cell = gates.cell if direction == "forward" else gates.cell[:, ::-1]
    forget, entered = gates.forget, gates.input * gates.candidate
    if direction == "backward":
        forget, entered = forget[:, ::-1], entered[:, ::-1]
    np.testing.assert_allclose(cell[:, 1:], forget[:, 1:] * cell[:, :-1] + entered[:, 1:])
    np.testing.assert_allclose(gates.hidden, gates.output * np.tanh(gates.cell))
    assert gates.input.shape == (2, 12, 4)
    assert (gates.input > 0).all()
    assert (gates.input < 1).all()


def test_trace_refuses_what_is_not_there():
    config = CONFIGS["lstm-one-way"]
    weights, x = read_weights(onnx_of(config), config), random_input(config, 1, 3)
    with pytest.raises(SettingError, match="layers 1 to 2"):
        trace(config, weights, x, layer=3)
    with pytest.raises(SettingError, match="direction"):
        trace(config, weights, x, direction="backward")
    gru = CONFIGS["gru-tag"]
    with pytest.raises(SettingError, match="gru"):
        trace(gru, read_weights(onnx_of(gru), gru), x)


def test_sigmoid_does_not_overflow():
    with np.errstate(all="raise"):
        np.testing.assert_allclose(sigmoid(np.array([-1000.0, 0.0, 1000.0])), [0.0, 0.5, 1.0])


def test_half_life():
    np.testing.assert_allclose(half_life(np.array([0.5, 0.5**0.1])), [1.0, 10.0])
    assert np.isinf(half_life(np.array([1.0]))).all()


def test_initializers_agree_with_the_onnx_package():
    onnx = pytest.importorskip("onnx")
    content = onnx_of(CONFIGS["conv-embed"])
    expected = {
        tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in onnx.load_from_string(content).graph.initializer
    }
    found = read_initializers(content)
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize("cut", [1, 100, -1])
def test_a_broken_graph_is_a_model_error(cut):
    content = onnx_of(CONFIGS["lstm-tag"])
    with pytest.raises(ModelError):
        read_weights(content[:cut], CONFIGS["lstm-tag"])


def test_weights_of_another_network_are_refused():
    with pytest.raises(ModelError, match="settings"):
        read_weights(onnx_of(CONFIGS["lstm-tag"]), CONFIGS["lstm-one-way"])
