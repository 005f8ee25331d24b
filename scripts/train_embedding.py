"""Train an LSTM embedding of sequences for the search prefilter and write its bundle.

    python scripts/train_embedding.py --seed 1 -o embedding.genolstm

The network is a convolution and a BiLSTM, averaged over the steps; the vector of a sequence is the
sum over both strands, scaled to unit length. Training is contrastive (InfoNCE): of all sequences in
a batch, a sequence's partner has to be the nearest. Half of each batch is drawn from a few roots, so
that non-partners may also be related, as among amplicons. Pairs use seed 760000 + SEED, held-out
pairs 770000 + SEED; no benchmark uses these.

To compare it with k-mers, run `benchmarks/alignment/search.py --embedding embedding.genolstm`.
Needs the extra `train`.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from genolstm import provenance
from genolstm.alignment.metadata import EMBEDDING_KIND
from genolstm.alignment.simulate.pairs import PRESETS, simulate_pair
from genolstm.lstm.bundle.saving import save_network
from genolstm.lstm.config import LSTMConfig
from genolstm.lstm.train.network import build_network, load_tensorflow
from genolstm.lstm.train.settings import TrainingSettings
from genolstm.lstm.train.training import train

LONGEST = 200
PHASES = ((100, 0.4), (200, 0.2), (150, 0.4))
"""Number of bases read, and the share of epochs that use it, so that nothing has to be padded."""
SHARES = {"homogeneous": 0.5, "coding": 0.3, "repeats": 0.2}
SIBLINGS = 8
TEMPERATURE = 0.07

CARD = """# embedding

Unit vectors of DNA sequences of 100 to 200 bp, near for relatives; the strand does not matter.
Trained by contrast on {pairs} simulated pairs (divergence .01 to .4; ordinary, coding and repetitive
sequence). No real sequence was seen.
"""


def simulated(n: int, seed: int) -> np.ndarray:
    """Return pairs of sequences that begin at homologous bases, codes (n, 2, LONGEST)."""
    names, shares = list(SHARES), list(SHARES.values())
    found = []
    for child in np.random.SeedSequence(seed).spawn(n):
        rng = np.random.default_rng(child)
        settings = replace(
            PRESETS[names[rng.choice(len(names), p=shares)]],
            length=(LONGEST + 10, LONGEST + 20),
            divergence=(0.01, 0.4),
        )
        while True:
            pair = simulate_pair(settings, rng)
            if min(len(pair.query), len(pair.reference)) >= LONGEST:
                break
        found.append(np.stack([pair.query[:LONGEST], pair.reference[:LONGEST]]))
    return np.stack(found)


def mutated(codes: np.ndarray, share: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Substitute a share of the letters of each row; half of the rows also lose a letter."""
    n, steps = codes.shape
    hit = random.random(codes.shape) < share[:, None]
    out = np.where(hit, (codes + random.integers(1, 4, codes.shape)) % 4, codes)
    shorter = np.concatenate([out[:, 1:], random.integers(0, 4, (n, 1))], axis=1)
    place = np.where(random.random(n) < 0.5, random.integers(0, steps, n), steps)
    return np.where(np.arange(steps) < place[:, None], out, shorter).astype(np.uint8)


class Crop:
    """Cuts a batch to length and makes half of it families of siblings."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.__qualname__ = f"Crop({steps})"

    def __call__(self, x: np.ndarray, y: Any, random: np.random.Generator) -> tuple[Any, Any]:
        start = int(random.integers(0, x.shape[2] - self.steps + 1))
        x = x[:, :, start : start + self.steps].copy()
        n = len(x) // 2 // SIBLINGS * SIBLINGS
        if n:
            roots = np.repeat(x[: n // SIBLINGS, 0], SIBLINGS, axis=0)
            x[:n, 0] = mutated(roots, random.uniform(0.02, 0.3, n), random)
            x[:n, 1] = mutated(x[:n, 0], random.uniform(0.0, 0.12, n), random)
        return x, y


def make_pair_model(config: LSTMConfig) -> Any:
    """Return a Keras model from codes (n, 2, steps) to unit vectors (n, 2, d), summed over strands."""
    tf, keras = load_tensorflow()
    layer: Any = keras.layers.Layer

    class Fold(layer):
        def call(self, codes: Any) -> Any:
            plus = tf.cast(codes, tf.int32)
            both = tf.concat([plus, 3 - plus[..., ::-1]], axis=1)
            return tf.one_hot(tf.reshape(both, (-1, tf.shape(codes)[2])), 4)

        def compute_output_shape(self, shape: Any) -> Any:
            return (None, shape[2], 4)

    class Join(layer):
        def call(self, vectors: Any) -> Any:
            strands = tf.reshape(vectors, (-1, 2, 2, config.output_width))
            return tf.math.l2_normalize(tf.reduce_sum(strands, axis=1), axis=-1)

        def compute_output_shape(self, shape: Any) -> Any:
            return (None, 2, config.output_width)

    codes = keras.Input((2, None), dtype="uint8", name="codes")
    return keras.Model(codes, Join()(build_network(config, seed=1)(Fold()(codes))))


def info_nce(_: Any, vectors: Any) -> Any:
    """Return each pair's cross-entropy for picking the partner among the other sequences."""
    tf, _ = load_tensorflow()
    n = tf.shape(vectors)[0]
    every = tf.concat([vectors[:, 0], vectors[:, 1]], axis=0)
    near = tf.matmul(every, every, transpose_b=True) / TEMPERATURE
    near -= 1e9 * tf.eye(2 * n)
    partner = tf.concat([tf.range(n) + n, tf.range(n)], axis=0)
    each = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=partner, logits=near)
    return (each[:n] + each[n:]) / 2


def phases(data: np.ndarray, held: np.ndarray, config: LSTMConfig, options: argparse.Namespace) -> Iterator[Any]:
    """Train at one length after another; yield the result of each phase."""
    weights = None
    for number, (steps, share) in enumerate(PHASES):
        crop = Crop(steps)
        settings = TrainingSettings(
            epochs=max(1, round(share * options.epochs)),
            batch_size=options.batch,
            learning_rate=options.rate / (1 if number == 0 else 2),
            warmup_steps=20,
            patience=0,
            seed=options.seed,
        )
        random = np.random.default_rng([options.seed, 7])
        batches = [crop(held[i : i + options.batch], None, random)[0] for i in range(0, len(held), options.batch)]
        result = train(
            config,
            settings,
            data,
            np.zeros(len(data), np.float32),
            validation=(np.concatenate(batches), np.zeros(len(held), np.float32)),
            loss=info_nce,
            augment=crop,
            make_model=make_pair_model,
            initial_weights=weights,
            progress=False,
        )
        weights = result.model.get_weights()
        for row in result.history:
            print(
                f"{steps} bp, epoch {row['epoch']:.0f}: loss {row['loss']:.4f}, held out "
                f"{row['val_loss']:.4f}, {row['seconds']:.0f} s",
                flush=True,
            )
        yield result


def main() -> None:
    """Simulate, train, save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pairs", type=int, default=4096)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=4e-3)
    parser.add_argument("--units", type=int, default=32)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--threads", type=int, default=1, help="threads of TensorFlow")
    parser.add_argument("--force", action="store_true")
    options = parser.parse_args()
    # TensorFlow reads these when it starts; they cannot be changed later.
    os.environ["TF_NUM_INTRAOP_THREADS"] = str(options.threads)
    os.environ["TF_NUM_INTEROP_THREADS"] = "1"
    seeds = {"pairs": 760_000 + options.seed, "held-out pairs": 770_000 + options.seed}
    print(f"seeds: {seeds}", flush=True)
    data = simulated(options.pairs, seeds["pairs"])
    held = simulated(max(options.pairs // 8, 64), seeds["held-out pairs"])
    config = LSTMConfig(
        head="embed",
        input="conv",
        n_features=4,
        input_units=32,
        kernel_size=9,
        input_activation="relu",
        units=options.units,
        layers=1,
        pooling="mean",
        n_outputs=options.width,
    )
    *_, last = phases(data, held, config, options)
    save_network(
        options.output,
        last.model.get_layer("genolstm"),
        config,
        kind=EMBEDDING_KIND,
        metadata={"alphabet": "dna", "strands": "sum"},
        provenance=provenance.record(settings={k: v for k, v in vars(options).items() if k != "output"}, seeds=seeds),
        card=CARD.format(pairs=options.pairs),
        force=options.force,
    )
    print(f"{config.n_parameters} weights, {options.output.stat().st_size} bytes")


if __name__ == "__main__":
    main()
