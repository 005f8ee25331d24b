"""A small model of DNA that has learned nothing, for examples that only have to run."""

from __future__ import annotations

import numpy as np

from genolstm.lstm.bundle.bundle import pack
from genolstm.lstm.bundle.graph import write_onnx, write_step
from genolstm.text.corpus import DNA_ALPHABET
from genolstm.text.encoding import KIND
from genolstm.text.settings import DNA, STREAM, TextSettings


def untrained() -> bytes:
    """Return the bundle of a network of four units with weights at random, always the same."""
    settings = TextSettings(embedding=4, units=4).resolve(DNA, 1)
    config = settings.network(len(DNA_ALPHABET))
    random = np.random.default_rng(1)
    weights = {name: random.normal(0, 0.5, shape).astype(np.float32) for name, shape in config.weight_shapes.items()}
    return pack(
        kind=KIND,
        config=config,
        members={
            "model.onnx": write_onnx(config, weights),
            "step.onnx": write_step(config, weights),
            "card.md": b"Has learned nothing.",
        },
        metadata={"symbols": DNA, "alphabet": DNA_ALPHABET, "mode": STREAM, "window": settings.steps, "opening": ""},
    )
