"""Small text models with random weights, made without TensorFlow."""

import numpy as np
from support.lstm import random_weights

from genolstm.lstm.bundle.bundle import Bundle, pack
from genolstm.lstm.bundle.graph import write_onnx, write_step
from genolstm.lstm.config import LSTMConfig
from genolstm.text.generator import TextGenerator
from genolstm.text.words import Vocabulary

ALPHABET = "\n abcdeé"
VOCABULARY = Vocabulary((" the", " goat", ",", "The", " and", "\n", " lamp", "."), (" ladle", " gate", " lit"))


def next_config(n_symbols, *, scaled=False, units=6):
    return LSTMConfig(
        head="next",
        input="features" if scaled else "embedding",
        n_features=int(scaled),
        vocabulary=0 if scaled else n_symbols + 1,
        input_units=0 if scaled else 4,
        n_outputs=n_symbols,
        units=units,
        layers=1 if isinstance(units, int) else len(units),
        bidirectional=False,
    )


def toy_bytes(alphabet=ALPHABET, symbols="text", mode="stream", window=5, units=6, seed=0, **more):
    config = next_config(len(alphabet), scaled=mode == "window", units=units)
    weights = random_weights(config, seed, 0.9)
    graphs = {"model.onnx": write_onnx(config, weights), "step.onnx": write_step(config, weights)}
    if isinstance(alphabet, Vocabulary):
        words = {"words": [*alphabet.words], "others": [*alphabet.others]}
        said = {"tokens": "words", "vocabulary": words, "opening": "The goat and the lamp."}
    else:
        said = {"alphabet": alphabet, "opening": alphabet[2:] * 3}
    return pack(
        kind=more.pop("kind", "text"),
        config=config,
        members={**graphs, "card.md": b"toy"},
        metadata={"symbols": symbols, "mode": mode, "window": window, **said, **more},
    )


def toy(**options):
    return TextGenerator(Bundle.from_bytes(toy_bytes(**options)), threads=1)


def toy_dna(**options):
    return toy(alphabet="ACGT", symbols="dna", **options)


def random_dna(length, seed=0):
    return np.random.default_rng(seed).integers(0, 4, length, dtype=np.uint8)
