"""Small networks with random weights, made without TensorFlow."""

import json

import numpy as np

from genolstm.lstm.bundle.archive import write_archive
from genolstm.lstm.bundle.graph import write_onnx
from genolstm.lstm.config import LSTMConfig


def random_weights(config: LSTMConfig, seed: int = 0, scale: float = 0.5) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {name: random.normal(0, scale, shape).astype(np.float32) for name, shape in config.weight_shapes.items()}


def random_input(config: LSTMConfig, n: int, steps: int, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    steps += -steps % config.stride
    if config.input == "embedding":
        return random.integers(0, config.vocabulary, (n, steps), dtype=np.int32)
    return random.poisson(1.0, (n, steps, config.n_features)).astype(np.uint8)


def onnx_of(config: LSTMConfig, seed: int = 0) -> bytes:
    return write_onnx(config, random_weights(config, seed))


def keras_of(weights: bytes = b"") -> bytes:
    """A Keras file of the right form, with no layers."""
    config = {"module": "keras.src.models.functional", "class_name": "Functional", "config": {"layers": []}}
    return write_archive(
        {
            "config.json": json.dumps(config).encode(),
            "metadata.json": b"{}",
            "model.weights.h5": b"\x89HDF\r\n\x1a\n" + weights,
        },
        compress=False,
    )


# Each cell, direction, input block, head and pooling occurs.
CONFIGS = {
    "lstm-tag": LSTMConfig(n_features=5, input_units=6, units=7, n_outputs=2, transform="log1p"),
    "lstm-one-way": LSTMConfig(n_features=5, units=(7, 4), n_outputs=1, bidirectional=False),
    "gru-tag": LSTMConfig(cell="gru", n_features=5, units=6, n_outputs=3, activation="softmax"),
    "gru-classify": LSTMConfig(cell="gru", n_features=5, units=6, head="classify", n_outputs=3, bidirectional=False),
    "rnn-regress": LSTMConfig(cell="rnn", n_features=5, units=6, head="regress", n_outputs=2),
    "lstm-classify": LSTMConfig(n_features=5, units=6, head="classify", n_outputs=2),
    "conv-embed": LSTMConfig(
        input="conv",
        n_features=4,
        input_units=6,
        kernel_size=7,
        input_activation="relu",
        units=5,
        head="embed",
        n_outputs=8,
    ),
    "conv-even-mean": LSTMConfig(
        input="conv",
        n_features=4,
        input_units=6,
        kernel_size=4,
        input_activation="tanh",
        units=5,
        head="embed",
        n_outputs=3,
        pooling="mean",
    ),
    "conv-strides": LSTMConfig(
        input="conv",
        n_features=5,
        input_units=6,
        kernel_size=7,
        stride=4,
        input_activation="relu",
        units=5,
        n_outputs=3,
        activation="softmax",
        transform="log1p",
    ),
    "embed-max-bare": LSTMConfig(n_features=4, units=5, head="embed", n_outputs=0, pooling="max", cell="rnn"),
    "lstm-next": LSTMConfig(
        input="embedding",
        vocabulary=9,
        input_units=4,
        units=(5, 6, 3),
        layers=3,
        bidirectional=False,
        head="next",
        n_outputs=9,
        dropout=0.2,
    ),
    "gru-next": LSTMConfig(
        input="embedding",
        vocabulary=9,
        input_units=4,
        units=5,
        cell="gru",
        bidirectional=False,
        head="next",
        n_outputs=9,
    ),
    "rnn-next": LSTMConfig(
        n_features=3, input_units=4, units=5, cell="rnn", bidirectional=False, head="next", n_outputs=9
    ),
}
