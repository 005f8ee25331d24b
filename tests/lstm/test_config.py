import json

import pytest

from genolstm.errors import ModelError, SettingError
from genolstm.lstm.config import LSTMConfig

VALID = [
    {"n_features": 24, "input_units": 32},
    {
        "head": "next",
        "input": "embedding",
        "vocabulary": 60,
        "input_units": 16,
        "n_outputs": 60,
        "bidirectional": False,
        "units": (256, 256, 128),
        "layers": 3,
        "dropout": 0.2,
    },
    {
        "head": "embed",
        "input": "conv",
        "n_features": 4,
        "input_units": 8,
        "kernel_size": 7,
        "n_outputs": 0,
        "cell": "gru",
    },
    {"head": "classify", "n_features": 4, "n_outputs": 2, "pooling": "mean", "cell": "rnn"},
    {"head": "regress", "n_features": 4, "transform": "log1p", "layers": 1},
]


@pytest.mark.parametrize("settings", VALID)
def test_round_trip_through_json(settings):
    config = LSTMConfig(**settings)
    stored = json.loads(json.dumps(config.to_dict()))
    assert LSTMConfig.from_dict(stored) == config


def test_equal_networks_compare_equal():
    one = LSTMConfig(n_features=3, units=[5, 5])
    assert one == LSTMConfig(n_features=3, units=5)
    assert hash(one) == hash(LSTMConfig(n_features=3, units=5))


def test_head_chooses_pooling_and_activation():
    assert LSTMConfig(n_features=1).activation == "sigmoid"
    classify = LSTMConfig(n_features=1, head="classify", n_outputs=3)
    assert (classify.pooling, classify.activation) == ("last", "softmax")


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"cell": "lsmt"}, "cell"),
        ({"units": 0}, "units"),
        ({"units": (3, 4, 5)}, "units"),
        ({"units": True}, "units"),
        ({"layers": 0}, "layers"),
        ({"layers": 65}, "layers"),
        ({"dropout": 1.0}, "dropout"),
        ({"dropout": "half"}, "dropout"),
        ({"n_features": 0}, "n_features"),
        ({"n_outputs": 0}, "n_outputs"),
        ({"n_outputs": 1.0}, "n_outputs"),
        ({"kernel_size": 3}, "kernel_size"),
        ({"input": "conv"}, "input_units"),
        ({"input": "embedding"}, "vocabulary"),
        ({"vocabulary": 5}, "vocabulary"),
        ({"head": "next"}, "bidirectional"),
        ({"activation": "softmax"}, "softmax"),
        ({"pooling": "mean"}, "pooling"),
        ({"head": "classify", "pooling": "none"}, "pooling"),
        ({"bidirectional": 1}, "bidirectional"),
    ],
)
def test_nonsense_is_refused_by_name(changed, field):
    with pytest.raises(SettingError, match=field):
        LSTMConfig(**{"n_features": 6, **changed})


@pytest.mark.parametrize(
    ("changed", "said"), [({"colour": 1}, "colour"), ({"units": "many"}, "units"), ({"n_features": None}, "n_features")]
)
def test_stored_nonsense_is_a_model_error(changed, said):
    with pytest.raises(ModelError, match=said):
        LSTMConfig.from_dict({**LSTMConfig(n_features=6).to_dict(), **changed})
    with pytest.raises(ModelError):
        LSTMConfig.from_dict([1])


def test_parameters_of_a_known_network():
    # Dense 24 x 32; then two directions of 4 x 48 gates over 32 and over 96 inputs; head 96 x 1.
    config = LSTMConfig(n_features=24, input_units=32, units=48, layers=2)
    first = 2 * 4 * 48 * (32 + 48 + 1)
    second = 2 * 4 * 48 * (96 + 48 + 1)
    assert config.n_parameters == 24 * 32 + 32 + first + second + 96 + 1
