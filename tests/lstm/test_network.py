"""Keras, ONNX Runtime and the NumPy reference compute the same."""

import subprocess
import sys

import numpy as np
import pytest
from support.lstm import CONFIGS, random_input, random_weights

from genolstm.errors import ModelError, SettingError
from genolstm.lstm.bundle.export import check_onnx, export_onnx, export_step, write_onnx
from genolstm.lstm.bundle.initializers import read_weights
from genolstm.lstm.bundle.runtime import Runtime
from genolstm.lstm.bundle.stepper import Stepper
from genolstm.lstm.cell import forward, trace
from genolstm.lstm.config import LSTMConfig
from genolstm.lstm.train.network import build_network, fused_lstm, load_tensorflow, named_weights

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.xdist_group("tensorflow")


@pytest.fixture(scope="module", params=CONFIGS)
def network(request):
    config = CONFIGS[request.param]
    model = build_network(config, seed=1)
    model.set_weights(list(random_weights(config).values()))
    x = random_input(config, 3, 17)
    return config, model, x, np.asarray(model(x))


def plain_onnx(model, config):
    """The ONNX form without the check at export, which the tests make themselves."""
    return export_onnx(model, config, check=False)


def test_onnx_agrees_with_keras(network):
    config, model, x, expected = network
    content = plain_onnx(model, config)
    assert content == plain_onnx(model, config)
    found = Runtime(content, threads=1).predict(x)
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=1e-5)
    assert not {b"Loop", b"Scan"} & {node.op_type.encode() for node in _nodes(content)}


def _nodes(content):
    import onnx

    return onnx.load_from_string(content).graph.node


def test_reference_agrees_with_keras(network):
    config, model, x, expected = network
    weights = read_weights(plain_onnx(model, config), config)
    scale = np.maximum(1.0, np.abs(expected))
    assert (np.abs(forward(config, weights, x) - expected) / scale).max() <= 1e-6


def test_fused_layers_compute_the_same(network):
    _, model, x, expected = network
    with fused_lstm(model):
        np.testing.assert_allclose(np.asarray(model(x)), expected, atol=2e-6, rtol=1e-6)
    np.testing.assert_array_equal(np.asarray(model(x)), expected)


@pytest.mark.parametrize("name", ["lstm-tag", "lstm-classify"])
def test_fused_layers_have_the_same_gradients(name):
    tf, _ = load_tensorflow()
    config = CONFIGS[name]
    model = build_network(config, seed=1)
    x = random_input(config, 3, 17)

    def gradients():
        with tf.GradientTape() as tape:
            output = model(x)
            loss = tf.reduce_sum(output * tf.cos(3.0 * output))
        return [np.asarray(one) for one in tape.gradient(loss, model.trainable_variables)]

    expected = gradients()
    with fused_lstm(model):
        found = gradients()
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ["lstm-next", "gru-next", "rnn-next"])
def test_state_carried_step_by_step_gives_the_whole(name):
    config = CONFIGS[name]
    model = build_network(config, seed=1)
    x = random_input(config, 2, 9)
    expected = np.asarray(model(x))

    dtype = np.int32 if config.input == "embedding" else np.float32
    stepper = Stepper(export_step(model, config), n=2, config=config)
    for _ in range(2):
        for step in range(9):
            np.testing.assert_allclose(stepper.step(x[:, step]), expected[:, step], atol=1e-6)
        stepper.reset(2)
    with pytest.raises(ModelError, match="shape"):
        stepper.step(x[:1, 0])

    stateful = build_network(config, state=True)
    stateful.set_weights(model.get_weights())
    parts = 2 if config.cell == "lstm" else 1
    state = [np.zeros((2, units), np.float32) for units in config.layer_units for _ in range(parts)]
    found = []
    for part in (x[:, :4], x[:, 4:]):
        output, *state = map(np.asarray, stateful([part.astype(dtype), *state]))
        found.append(output)
    np.testing.assert_allclose(np.concatenate(found, axis=1), expected, atol=1e-6)


def test_trace_is_what_keras_passes_between_layers():
    _, keras = load_tensorflow()
    config = CONFIGS["lstm-tag"]
    model = build_network(config, seed=4)
    x = random_input(config, 2, 15)
    weights = read_weights(plain_onnx(model, config), config)
    inner = np.asarray(keras.Model(model.input, model.get_layer("lstm1").output)(x))
    for place, direction in enumerate(config.directions):
        hidden = trace(config, weights, x, layer=1, direction=direction).hidden
        assert np.abs(hidden - inner[..., 7 * place : 7 * (place + 1)]).max() <= 1e-6


def test_seeds_give_weights_and_directions_differ():
    config = CONFIGS["lstm-tag"]
    one, other, third = (named_weights(config, build_network(config, seed=s)) for s in (1, 1, 2))
    for name, array in one.items():
        np.testing.assert_array_equal(array, other[name])
    assert not np.array_equal(one["input/kernel"], third["input/kernel"])
    assert not np.array_equal(one["lstm1/forward/kernel"], one["lstm1/backward/kernel"])


def test_weights_have_the_names_and_shapes_that_the_config_says(network):
    config, model, _, _ = network
    assert config.n_parameters == model.count_params()


def test_bundle_keeps_the_network(tmp_path, monkeypatch):
    from genolstm.lstm.bundle.bundle import Bundle
    from genolstm.lstm.bundle.saving import load_network, save_network

    _, keras = load_tensorflow()
    config = CONFIGS["lstm-tag"]
    model = build_network(config, seed=1)
    x = random_input(config, 2, 1000)
    path = tmp_path / "m.genolstm"
    options = {"kind": "test", "metadata": {"k": 31, "context": 40}}
    save_network(path, model, config, **options)
    first = path.read_bytes()
    save_network(path, model, config, force=True, **options)
    assert path.read_bytes() == first

    bundle = Bundle.open(path)
    assert bundle.context == 40
    with pytest.raises(ModelError, match="state the context"):
        save_network(path, model, config, kind="test", force=True)
    with monkeypatch.context() as patch:
        # Nothing is deserialised: not a layer, not a class name.
        for name in ("load_model", "model_from_json"):
            patch.setattr(keras.models, name, lambda *_, **__: pytest.fail("Keras deserialises"))
        loaded = load_network(bundle)
    for one, other in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    (tmp_path / "m.keras").write_bytes(bundle.member("model.keras"))
    alone = keras.models.load_model(tmp_path / "m.keras", safe_mode=True)
    np.testing.assert_allclose(np.asarray(alone(x[:, :9])), np.asarray(model(x[:, :9])), atol=1e-6)


def test_a_bundle_that_does_not_fit_its_settings_is_refused():
    from genolstm.lstm.bundle.bundle import Bundle, pack
    from genolstm.lstm.bundle.saving import load_network

    config, other = CONFIGS["lstm-tag"], CONFIGS["lstm-one-way"]
    content = write_onnx(other, random_weights(other))
    for members, settings in (
        ({"model.onnx": content}, config),
        ({"model.onnx": content}, None),
        ({"model.keras": b"nothing"}, None),
    ):
        with pytest.raises(ModelError):
            load_network(Bundle.from_bytes(pack(kind="x", members=members, config=settings)))


def test_a_network_of_other_make_is_traced(tmp_path):
    pytest.importorskip("tf2onnx")
    from genolstm.lstm.bundle.bundle import Bundle
    from genolstm.lstm.bundle.saving import load_network, save_network

    _, keras = load_tensorflow()
    inputs = keras.Input((None, 4), name="x")
    hidden = keras.layers.Conv1D(5, 3, padding="same", activation="relu")(inputs)
    outputs = keras.layers.Dense(2)(keras.layers.GlobalMaxPooling1D()(hidden))
    model = keras.Model(inputs, outputs)
    save_network(tmp_path / "cnn.genolstm", model, None, kind="comparison")
    bundle = Bundle.open(tmp_path / "cnn.genolstm")
    x = np.random.default_rng(0).normal(size=(3, 20, 4)).astype(np.float32)
    expected = np.asarray(model(x))
    np.testing.assert_allclose(Runtime(bundle).predict(x), expected, atol=1e-5)
    np.testing.assert_allclose(np.asarray(load_network(bundle)(x)), expected, atol=1e-6)


def test_export_refuses_a_difference():
    config = CONFIGS["lstm-tag"]
    model = build_network(config, seed=1)
    weights = {name: array.copy() for name, array in named_weights(config, model).items()}
    list(weights.values())[-1][..., 0] += 0.01
    with pytest.raises(ModelError, match="differs"):
        check_onnx(write_onnx(config, weights), model, config)


def test_both_ways_carry_no_state():
    with pytest.raises(SettingError, match="both ways"):
        build_network(LSTMConfig(n_features=2), state=True)


def test_inference_needs_no_tensorflow():
    code = (
        "import sys, genolstm, genolstm.lstm.bundle.runtime, genolstm.lstm.cell, genolstm.lstm.bundle.bundle\n"
        "import genolstm.lstm.bundle.verify, genolstm.lstm.train.training, genolstm.lstm.bundle.saving\n"
        "assert not {'tensorflow', 'keras', 'onnx', 'onnxruntime', 'sklearn', 'pandas'}"
        " & set(sys.modules), sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
