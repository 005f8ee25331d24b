"""The conditional random field's loss for the network that feeds the pair-HMM.

If the true alignment of a pair is known, its loss is -log P(true alignment | both sequences): the
log of the sum over all alignments minus the log weight of the true one, per residue. If not, the
pair's likelihood is raised instead. With context it is known only up to a constant, which
conditional noise-contrastive estimation does not need (Ceylan & Gutmann 2018): the pair has to be
likelier than a copy with a few letters changed at random. All weights come from
:mod:`genolstm.alignment.context.crf` with their derivatives, which TensorFlow propagates through the
network.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from genolstm.alignment.context import crf
from genolstm.alignment.context.terms import (
    FIELDS,
    N_FRAME,
    N_RATES,
    N_UNIT,
    PADDING,
    SIGNS,
    adjusted_gaps,
    factors,
    interpret,
    logistic,
)
from genolstm.alignment.pairhmm.kernels import C1, C2, E1, E2, KAPPA, O1, O2, PN, T, coefficients
from genolstm.lstm.train.network import build_network, load_tensorflow
from genolstm.threads import count_threads

Array = npt.NDArray[Any]
OUTSIDE = 4
"""Code of the padding in a batch of pairs."""
UNKNOWN = 255
"""Label of a position for which the auxiliary heads have no label."""


def make_pair_model(config: Any, seed: int | None = None, rows: int = 2) -> Any:
    """Return a Keras model of pairs: codes (n, 2, steps) to outputs (n, 2, steps, WIDTH).

    Four rows instead of two hold a pair and its noisy copy.
    """
    tf, keras = load_tensorflow()

    layer: Any = keras.layers.Layer

    class Fold(layer):
        """Turns both sequences of a pair into rows, and the padding, which is not a base, into zeros."""

        def call(self, codes: Any) -> Any:
            flat = tf.reshape(tf.cast(codes, tf.int32), (-1, tf.shape(codes)[2]))
            return tf.one_hot(flat, OUTSIDE + 1)[..., :OUTSIDE]

        def compute_output_shape(self, shape: Any) -> Any:
            return (None, shape[2], OUTSIDE)

    class Unfold(layer):
        def call(self, outputs: Any) -> Any:
            return tf.reshape(outputs, (-1, rows, tf.shape(outputs)[1], config.n_outputs))

        def compute_output_shape(self, shape: Any) -> Any:
            return (None, rows, shape[1], shape[2])

    codes = keras.Input((rows, None), dtype="uint8", name="codes")
    network = build_network(config, seed=seed)
    return keras.Model(codes, Unfold()(network(Fold()(codes))), name="pairs")


def inner_network(model: Any) -> Any:
    """Return the network of single sequences inside a model of :func:`make_pair_model`."""
    return model.get_layer("genolstm")


def _loss_of_pair(
    vectors: Array, gap_open: Array, rates: Array, y: dict[str, Array], k: int, known: bool
) -> tuple[float, Array, Array, Array]:
    """Return a pair's loss and its derivatives with respect to the first three arguments.

    Parameters
    ----------
    vectors, gap_open, rates
        Terms of the pair, (2, steps, d), (2, steps, 2), (N_RATES,); of the pair and its noisy copy
        if the true alignment is not ``known``: (4, steps, d), (4, steps, 2), (2, N_RATES).
    """
    if known:
        model = _PairModel(vectors, gap_open, rates, y, k)
        every, true = model.all_alignments(), model.true_alignment(y["partner"][k])
        scale = 2.0 / float(y["lengths"][k].sum())
        return scale * (every.log_weight - true.log_weight), *model.slopes([(scale, every), (-scale, true)])
    found = []
    for copy in (0, 1):
        side = slice(2 * copy, 2 * copy + 2)
        model = _PairModel(vectors[side], gap_open[side], rates[copy], y, k, copy)
        found.append((model, model.all_alignments()))
    weight, noisy = (one.log_weight + _null(y, k, c) for c, (_, one) in enumerate(found))
    slope = 1.0 / (1.0 + math.exp(-min(max(noisy - weight, -500.0), 500.0)))
    (v, g, r), (v2, g2, r2) = (
        model.slopes([(sign * slope, one)]) for sign, (model, one) in zip((-1, 1), found, strict=True)
    )
    loss = float(np.logaddexp(0.0, noisy - weight))
    return loss, np.concatenate([v, v2]), np.concatenate([g, g2]), np.stack([r, r2])


def _null(y: dict[str, Array], k: int, copy: int) -> float:
    """Return the log-probability of both sequences under the null model."""
    codes = y["codes"][k, 2 * copy : 2 * copy + 2]
    return float(np.append(y["background"][k], 0.0)[codes].sum())


class _PairModel:
    """The pair-HMM of a pair or of its noisy copy, under given terms."""

    def __init__(
        self, vectors: Array, gap_open: Array, rates: Array, y: dict[str, Array], k: int, copy: int = 0
    ) -> None:
        n0, n1 = (int(x) for x in y["lengths"][k])
        self.sides = rows, columns = (0, 1) if n0 > n1 else (1, 0)  # as inference does
        self.sizes = n, m = (n0, n1) if rows == 0 else (n1, n0)
        self.shapes = vectors.shape, gap_open.shape
        self.a = vectors[rows, :n].astype(np.float64)
        self.b = vectors[columns, :m].astype(np.float64)
        codes = y["codes"][k, 2 * copy : 2 * copy + 2].astype(np.int64)
        of_rows = codes[rows, PADDING : PADDING + n]
        of_columns = codes[columns, PADDING : PADDING + m]
        # The second sequence's vectors carry the signs: the product is the same in either order.
        self.score = y["log_odds"][k][of_rows][:, of_columns] + self.a @ self.b.T
        gaps = y["gaps"][k].astype(np.float64)
        opened, extend, link = adjusted_gaps(gaps[:2], gaps[2:4], float(gaps[4]), rates.astype(np.float64))
        self.coefficients, self.by_rate = _coefficients(opened, extend, link)
        self.opening = (gap_open[rows, : n + 1].astype(np.float64), gap_open[columns, : m + 1, ::-1].astype(np.float64))

    def all_alignments(self) -> crf.Expectation:
        return crf.all_alignments(self.score, self.coefficients, self.opening)

    def true_alignment(self, partner: Array) -> crf.Expectation:
        first = np.flatnonzero(partner >= 0)
        order = 1 if self.sides[0] == 0 else -1
        pairs = np.stack([first, partner[first]], axis=1)[:, ::order].astype(np.int32)
        return crf.one_alignment(self.score, np.ascontiguousarray(pairs), self.coefficients, self.opening)

    def slopes(self, parts: list[tuple[float, crf.Expectation]]) -> tuple[Array, Array, Array]:
        """Return the derivatives of a weighted sum of log weights by vectors, gap openings and rates."""
        (rows, columns), (n, m) = self.sides, self.sizes
        vectors, gap_open = (np.zeros(shape) for shape in self.shapes)
        match = np.zeros((n, m))
        weights = np.zeros(len(self.coefficients))
        for factor, one in parts:
            match += factor * one.match
            weights += factor * one.weights
            gap_open[rows, : n + 1, 0] += factor * one.open_x[0]
            gap_open[rows, : n + 1, 1] += factor * one.open_y[0]
            gap_open[columns, : m + 1, 1] += factor * one.open_x[1]
            gap_open[columns, : m + 1, 0] += factor * one.open_y[1]
        vectors[rows, :n] = match @ self.b
        vectors[columns, :m] = match.T @ self.a
        return vectors, gap_open, weights @ self.by_rate


def _coefficients(opened: Array, extend: Array, link: float) -> tuple[Array, Array]:
    """Return the kernels' weights in float64, (9,), and the derivatives of their logarithms by the
    pair's rates, (9, N_RATES); bounds on the rates are ignored.
    """
    (o1, o2), (e1, e2) = opened, extend
    values = coefficients((o1, o2), (e1, e2), link, dtype=np.float64)
    total, no_link, stay = o1 + o2, values[PN], values[T]
    by = np.zeros((9, N_RATES))
    by[O1, 0] = by[O2, 1] = by[KAPPA, 4] = 1.0
    by[E1, 2], by[C1, 2] = 1.0 - e1, -e1
    by[E2, 3], by[C2, 3] = 1.0 - e2, -e2
    by[PN, :2] = -link * opened / no_link
    by[PN, 4] = -link * total / no_link
    by[T, :2] = (2.0 * link * total - 2.0) * opened / stay
    by[T, 4] = link * total**2 / stay
    return values, by


def add_noise(codes: Array, targets: dict[str, Array], random: np.random.Generator) -> tuple[Array, dict[str, Array]]:
    """Give every pair a copy in which some letters are changed: (n, 2, steps) to (n, 4, steps).

    The change is symmetric, from any letter to any other with equal probability: pair and copy then differ
    by the model's likelihood alone.
    """
    share = random.choice([0.01, 0.02, 0.05], size=(len(codes), 1, 1))
    hit = (random.random(codes.shape) < share) & (codes < OUTSIDE)
    other = (codes + random.integers(1, 4, codes.shape)) % 4
    both = np.concatenate([codes, np.where(hit, other, codes).astype(np.uint8)], axis=1)
    return both, {**targets, "codes": both}


class PairLoss:
    """Loss of a batch of pairs, as :func:`genolstm.lstm.train.training.train` calls it.

    Parameters
    ----------
    alignment
        Weight of the loss of true alignments.
    likelihood
        Weight of the loss of the likelihood; needs pairs with their noisy copies
        (:func:`add_noise`).
    auxiliary
        Weight of the auxiliary heads, which predict codon positions and repeat units.
    threads
        Number of threads; 0 means all cores.
    """

    def __init__(
        self, *, alignment: float = 1.0, likelihood: float = 0.0, auxiliary: float = 0.1, threads: int = 0
    ) -> None:
        self.alignment, self.likelihood, self.auxiliary = alignment, likelihood, auxiliary
        self._pool = ThreadPoolExecutor(count_threads(threads))
        self.__qualname__ = f"PairLoss({alignment}, {likelihood}, {auxiliary})"

    def __call__(self, y: dict[str, Any], outputs: Any) -> Any:
        """Return each pair's loss, (n,); ``y`` as :func:`genolstm.alignment.context.train.pack_pairs`."""
        tf, keras = load_tensorflow()
        loss = self._heads(tf, keras, y, outputs[:, :2]) if self.auxiliary else 0.0
        if not self.alignment and not self.likelihood:
            return loss
        terms = interpret(keras.ops, outputs)
        signed = [factors(keras.ops, terms, SIGNS, first) for first in (True, False)]
        rows = outputs.shape[1]
        inside = tf.sequence_mask(y["lengths"], tf.shape(outputs)[2] - PADDING)
        weight = tf.tile(tf.cast(inside, tf.float32), [1, rows // 2, 1])[..., None]

        def mean(x: Any) -> Any:
            total = tf.reduce_sum(x[:, :, PADDING:] * weight, axis=2)
            return total / tf.reduce_sum(weight, axis=2)

        rate, evidence = mean(terms.rates), mean(terms.evidence)
        pairs = [slice(c, c + 2) for c in range(0, rows, 2)]
        gates = [logistic(keras.ops, tf.reduce_sum(evidence[:, p], axis=1)) for p in pairs]
        gate = tf.stack(gates, axis=1)  # (n, copies, 1)
        rates = gate * tf.stack([tf.reduce_mean(rate[:, p], axis=1) for p in pairs], axis=1)
        each = tf.repeat(gate, 2, axis=1)[:, :, None]
        gap_open = each * terms.gap_open[:, :, PADDING:]
        # The pair's gate counts once: at the first sequence.
        gated = [
            signed[row % 2][:, row] * terms.gate[:, row] * (1.0 if row % 2 else each[:, row]) for row in range(rows)
        ]
        vectors = tf.stack(gated, axis=1)[:, :, PADDING:]
        if self.alignment:
            loss += self.alignment * self._crf(tf, vectors[:, :2], gap_open[:, :2], rates[:, 0], y, True)
        if self.likelihood:
            loss += self.likelihood * self._crf(tf, vectors, gap_open, rates, y, False)
        return loss

    def _heads(self, tf: Any, keras: Any, y: Any, outputs: Any) -> Any:
        loss = 0.0
        for field, size in (("frame", N_FRAME), ("unit", N_UNIT)):
            label = tf.cast(y[field], tf.int32)
            known = tf.cast(label != UNKNOWN, tf.float32)
            target = tf.one_hot(tf.where(label == UNKNOWN, 0, label), size)
            entropy = keras.losses.categorical_crossentropy(target, outputs[..., FIELDS[field]], from_logits=True)
            total = tf.reduce_sum(entropy * known, axis=(1, 2))
            loss += total / (tf.reduce_sum(known, axis=(1, 2)) + 1e-6)
        return self.auxiliary * loss

    def _crf(self, tf: Any, vectors: Any, gap_open: Any, rates: Any, y: Any, known: bool) -> Any:
        names = ("codes", "lengths", "partner", "log_odds", "gaps", "background")

        def compute(v: Array, g: Array, r: Array, *arrays: Array) -> Sequence[Array]:
            batch = dict(zip(names, arrays, strict=True))
            jobs = self._pool.map(lambda k: _loss_of_pair(v[k], g[k], r[k], batch, k, known), range(len(v)))
            losses, *slopes = zip(*jobs, strict=True)
            return [np.array(losses, np.float32), *(np.array(s, np.float32) for s in slopes)]

        @tf.custom_gradient
        def crf_loss(v: Any, g: Any, r: Any) -> tuple[Any, Any]:
            losses, *slopes = tf.numpy_function(compute, [v, g, r, *(y[name] for name in names)], [tf.float32] * 4)
            losses.set_shape([None])
            for found, like in zip(slopes, (v, g, r), strict=True):
                found.set_shape(like.shape)

            def back(upstream: Any) -> list[Any]:
                return [tf.reshape(upstream, [-1] + [1] * (found.shape.rank - 1)) * found for found in slopes]

            return losses, back

        return crf_loss(vectors, gap_open, rates)
