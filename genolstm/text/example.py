"""A small model that has learned nothing, for what only has to run."""

from __future__ import annotations

import numpy as np

from genolstm.lstm.bundle.bundle import pack
from genolstm.lstm.bundle.graph import write_onnx, write_step
from genolstm.text.corpus import DNA_ALPHABET
from genolstm.text.encoding import KIND
from genolstm.text.settings import DNA, STREAM, TEXT, TextSettings


def untrained(alphabet: str = DNA_ALPHABET) -> bytes:
    """Return the bundle of a network of four units with weights at random, always the same ones.

    Parameters
    ----------
    alphabet
        Characters of a model of text; by default it is one of DNA.
    """
    kind = DNA if alphabet == DNA_ALPHABET else TEXT
    settings = TextSettings(embedding=4, units=4).resolve(kind, 1)
    config = settings.network(len(alphabet))
    random = np.random.default_rng(1)
    weights = {name: random.normal(0, 0.5, shape).astype(np.float32) for name, shape in config.weight_shapes.items()}
    return pack(
        kind=KIND,
        config=config,
        members={
            "model.onnx": write_onnx(config, weights),
            "step.onnx": write_step(config, weights),
            "card.md": b"# Untrained\n\nHas learned nothing.\n",
        },
        metadata={"symbols": kind, "alphabet": alphabet, "mode": STREAM, "window": settings.steps, "opening": ""},
    )
