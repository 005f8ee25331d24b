"""The training loop: batches, the compiled step, held-out score, checkpoint.

Written out rather than left to ``Model.fit``, because a killed run must resume, even in the middle
of an epoch, and end with the same weights.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from genolstm.errors import SettingError
from genolstm.lstm.train.checkpoint import Progress, damaged, save_checkpoint
from genolstm.lstm.train.network import load_tensorflow
from genolstm.lstm.train.reporting import Reporter, write_csv
from genolstm.lstm.train.settings import Augment, Loss, Metric, TrainingSettings


@dataclass(frozen=True, repr=False, eq=False)
class Data:
    """Arrays with the same first axis, or nests of them, and which of their rows to use."""

    x: Any
    y: Any
    weight: Any = None
    rows: np.ndarray | None = None

    def __len__(self) -> int:
        return n_rows(self.x) if self.rows is None else len(self.rows)

    def take(self, places: np.ndarray) -> tuple[Any, Any, Any]:
        """Return x, y and weight at some places among the rows; only these are read."""
        index = places if self.rows is None else self.rows[places]
        weight = np.ones(len(index), np.float32) if self.weight is None else self.weight[index]
        return _take(self.x, index), _take(self.y, index), np.asarray(weight)


def n_rows(data: Any) -> int:
    """Return the length of the first axis of an array or of a nest of arrays."""
    while isinstance(data, Mapping | tuple | list):
        data = next(iter(data.values() if isinstance(data, Mapping) else data))
    return len(data)


def _take(data: Any, index: np.ndarray) -> Any:
    if isinstance(data, Mapping):
        return {key: _take(value, index) for key, value in data.items()}
    if isinstance(data, tuple | list):
        return tuple(_take(value, index) for value in data)
    return np.asarray(data[index])


@dataclass(repr=False, eq=False)
class Loop:
    """One training run."""

    model: Any
    strategy: Any
    settings: TrainingSettings
    data: Data
    held: Data
    loss: Loss
    metric: Metric | None = None
    metric_mode: str = "max"
    augment: Augment | None = None
    folder: Path | None = None
    fingerprint: Mapping[str, Any] = field(default_factory=dict)
    log_csv: Any = None

    def __post_init__(self) -> None:
        if self.metric_mode not in ("max", "min"):
            raise SettingError(f"metric_mode is {self.metric_mode!r}, it must be max or min")
        self.tf, self.keras = load_tensorflow()
        settings = self.settings
        batches = -(-len(self.data) // settings.batch_size)
        self.steps = min(settings.steps_per_epoch or batches, batches)
        self.state = Progress()
        with self._scope():
            self.optimizer = self._make_optimizer()
            self.optimizer.build(self.model.trainable_variables)
        self.variables = [*self.model.variables, *self.optimizer.variables]
        self.best = self.model.get_weights()
        self._train_step = self._compile(self._step, self.data)
        self._held_step = self._compile(self._evaluate, self.held)

    def _scope(self) -> Any:
        return contextlib.nullcontext() if self.strategy is None else self.strategy.scope()

    def _compile(self, function: Any, data: Data) -> Any:
        """Return a step as a TensorFlow graph that serves batches of every size and length."""
        if not len(data):
            return None

        def describe(one: Any) -> Any:
            array = np.asarray(one)
            free = min(2, array.ndim)
            return self.tf.TensorSpec([None] * free + list(array.shape[free:]), array.dtype)

        batch = data.take(np.arange(1))
        if self.augment is not None:
            x, y = self.augment(batch[0], batch[1], np.random.default_rng(0))
            batch = x, y, batch[2]
        signature = self.tf.nest.map_structure(describe, batch)
        # XLA's code for recurrent layers was six times slower on a CPU. Nothing that is traced branches on
        # a tensor: autograph would only write files, which a run that is killed leaves in /tmp.
        return self.tf.function(function, input_signature=signature, jit_compile=False, autograph=False)

    def _make_optimizer(self) -> Any:
        settings, optimizers = self.settings, self.keras.optimizers
        total = self.steps * settings.epochs
        rate: Any = settings.learning_rate
        if settings.schedule == "cosine":
            warm = settings.warmup_steps
            rate = optimizers.schedules.CosineDecay(
                0.0 if warm else rate,
                max(1, total - warm),
                alpha=0.01,
                warmup_target=rate if warm else None,
                warmup_steps=warm,
            )
        elif settings.warmup_steps:
            rate = optimizers.schedules.PolynomialDecay(rate / settings.warmup_steps, settings.warmup_steps, rate)
        if settings.weight_decay:
            return optimizers.AdamW(rate, weight_decay=settings.weight_decay)
        return optimizers.Adam(rate)

    def restore(self, found: tuple[Progress, list[np.ndarray], list[np.ndarray]] | None) -> None:
        """Restore the state of a checkpoint."""
        if found is None:
            return
        state, variables, best = found
        mine, weights = [np.asarray(variable) for variable in self.variables], self.best
        for ours, theirs in ((mine, variables), (weights, best)):
            same = [(a.shape, a.dtype) for a in ours] == [(a.shape, a.dtype) for a in theirs]
            # NaN in the state would only show as a loss that is none, many steps later.
            if not same or not all(np.isfinite(array).all() for array in theirs if array.dtype.kind == "f"):
                raise damaged(self.folder)
        if state.step > self.steps or (state.finished and not state.history):
            raise damaged(self.folder)
        self.state, self.best = state, best
        for variable, value in zip(self.variables, variables, strict=True):
            variable.assign(value)

    def run(self, reporter: Reporter) -> None:
        """Train to the end, and leave the best weights in the model."""
        self._log()
        while not self.state.finished:
            self._epoch(reporter)
            row = self.state.history[-1]
            reporter.epoch(row)
            self._log()
        self.model.set_weights(self.best)

    def _log(self) -> None:
        if self.log_csv is not None:
            write_csv(self.log_csv, self.state.history)

    def _epoch(self, reporter: Reporter) -> None:
        state, settings = self.state, self.settings
        began = time.perf_counter() - state.seconds
        every = settings.checkpoint_steps
        for x, y, weight in self._batches():
            loss, total = self._train_step(x, y, weight)
            loss, total = float(loss), float(total)
            if not np.isfinite(loss):
                raise SettingError(
                    f"the loss is {loss} in epoch {state.epoch + 1}, step {state.step + 1}",
                    hint="lower the learning rate, or look for such values in the data",
                )
            state.loss_sum += loss
            state.weight_sum += total
            state.step += 1
            state.seconds = time.perf_counter() - began
            reporter.step(state.epoch + 1, state.step, self.steps, state.loss_sum / (state.weight_sum or 1.0))
            if every and state.step % every == 0 and state.step < self.steps:
                self._save()
        row = self._row(began)
        state.history.append(row)
        state.epoch += 1
        self._judge(row)
        state.step, state.loss_sum, state.weight_sum, state.seconds = 0, 0.0, 0.0, 0.0
        self._save()

    def _row(self, began: float) -> dict[str, float]:
        state = self.state
        trained = time.perf_counter() - began
        seen = min(self.steps * self.settings.batch_size, len(self.data))
        row = {"epoch": state.epoch + 1, "loss": state.loss_sum / (state.weight_sum or 1.0)}
        if len(self.held):
            row |= self._score()
        row["learning_rate"] = float(self.optimizer.learning_rate)
        row["seconds"] = round(time.perf_counter() - began, 3)
        row["sequences_per_s"] = round(seen / trained, 1) if trained > 0 else 0.0
        return row

    def _judge(self, row: Mapping[str, float]) -> None:
        """Keep the weights if they are the best so far; stop if none were better for too long."""
        state = self.state
        score = row.get("metric", row.get("val_loss", row["loss"]))
        larger = "metric" in row and self.metric_mode == "max"
        best = state.best_score
        if not len(self.held) or best is None or (score > best if larger else score < best):
            state.best_score, state.best_epoch = score, state.epoch
            self.best = self.model.get_weights()
        patience = self.settings.patience
        state.finished = state.epoch >= self.settings.epochs or (
            patience > 0 and state.epoch - state.best_epoch >= patience
        )

    def _save(self) -> None:
        if self.folder is not None:
            save_checkpoint(
                self.folder,
                progress=self.state,
                fingerprint=self.fingerprint,
                variables=[np.asarray(variable) for variable in self.variables],
                best=self.best,
            )

    def _batches(self) -> Iterator[tuple[Any, Any, Any]]:
        """Yield the epoch's remaining batches; the next one is read in the background."""
        state, settings = self.state, self.settings
        order = np.random.default_rng([settings.seed, 1, state.epoch]).permutation(len(self.data))
        epoch = state.epoch

        def read(step: int) -> tuple[Any, Any, Any]:
            places = order[step * settings.batch_size : (step + 1) * settings.batch_size]
            x, y, weight = self.data.take(places)
            if self.augment is not None:
                random = np.random.default_rng([settings.seed, 2, epoch, step])
                x, y = self.augment(x, y, random)
            return x, y, weight

        with ThreadPoolExecutor(1) as pool:
            ahead: Future[Any] | None = None
            for step in range(state.step, self.steps):
                batch = read(step) if ahead is None else ahead.result()
                ahead = pool.submit(read, step + 1) if step + 1 < self.steps else None
                yield batch

    def _score(self) -> dict[str, float]:
        size = 2 * self.settings.batch_size
        sums, outputs, truths = np.zeros(2), [], []
        for start in range(0, len(self.held), size):
            places = np.arange(start, min(start + size, len(self.held)))
            x, y, weight = self.held.take(places)
            loss, total, prediction = self._held_step(x, y, weight)
            sums += float(loss), float(total)
            if self.metric is not None:
                outputs.append(self.tf.nest.map_structure(np.asarray, prediction))
                truths.append(y)
        scores = {"val_loss": float(sums[0] / (sums[1] or 1.0))}
        if self.metric is not None:
            scores["metric"] = float(self.metric(_join(truths), _join(outputs)))
        return scores

    # The rest is traced by TensorFlow.

    def _cast(self, x: Any) -> Any:
        """Cast what comes in (uint8, float16, ...) to what the model reads."""
        inputs = self.model.inputs
        flat = self.tf.nest.flatten(x)
        if len(flat) == len(inputs):
            flat = [self.tf.cast(one, to.dtype) for one, to in zip(flat, inputs, strict=True)]
        return self.tf.nest.pack_sequence_as(x, flat)

    def _losses(self, y: Any, prediction: Any, weight: Any) -> tuple[Any, Any]:
        """Return the weighted sum of the losses and the sum of the weights."""
        tf = self.tf
        losses = tf.cast(self.loss(y, prediction), tf.float32)
        if losses.shape.rank == 0:
            # The mean over a batch stands for each of its sequences.
            count = tf.cast(tf.shape(tf.nest.flatten(prediction)[0])[0], tf.float32)
            return losses * count, count
        weight = tf.cast(weight, tf.float32)
        while weight.shape.rank < losses.shape.rank:
            weight = weight[..., None]
        weights = tf.ones_like(losses) * weight
        return tf.reduce_sum(losses * weights), tf.reduce_sum(weights)

    def _gradients(self, x: Any, y: Any, weight: Any) -> tuple[Any, Any, Any]:
        with self.tf.GradientTape() as tape:
            prediction = self.model(self._cast(x), training=True)
            loss, total = self._losses(y, prediction, weight)
        return loss, total, tape.gradient(loss, self.model.trainable_variables)

    def _apply(self, gradients: Sequence[Any], total: Any) -> None:
        tf = self.tf
        scale = tf.math.divide_no_nan(1.0, total)
        scaled = [None if one is None else tf.convert_to_tensor(one) * scale for one in gradients]
        if self.settings.clipnorm:
            scaled, _ = tf.clip_by_global_norm(scaled, self.settings.clipnorm)
        if self.strategy is not None:
            # Keras adds up what the replicas give; each of them holds the whole sum already.
            scaled = [one / self.strategy.num_replicas_in_sync for one in scaled]
        self.optimizer.apply(scaled, self.model.trainable_variables)

    def _step(self, x: Any, y: Any, weight: Any) -> tuple[Any, Any]:
        if self.strategy is None:
            loss, total, gradients = self._gradients(x, y, weight)
            self._apply(gradients, total)
            return loss, total
        return self._distributed_step(x, y, weight)

    def _distributed_step(self, x: Any, y: Any, weight: Any) -> tuple[Any, Any]:
        tf, replicas = self.tf, self.strategy.num_replicas_in_sync

        def share(context: Any) -> tuple[Any, Any, Any]:
            index = context.replica_id_in_sync_group

            def cut(one: Any) -> Any:
                n = tf.shape(one)[0]
                return one[index * n // replicas : (index + 1) * n // replicas]

            return tf.nest.map_structure(cut, (x, y, weight))

        def replica(part: tuple[Any, Any, Any]) -> tuple[Any, Any]:
            loss, total, gradients = self._gradients(*part)
            context = tf.distribute.get_replica_context()
            loss, total = context.all_reduce("SUM", [loss, total])
            gradients = context.all_reduce("SUM", [tf.convert_to_tensor(g) for g in gradients])
            self._apply(gradients, total)
            return loss, total

        parts = self.strategy.experimental_distribute_values_from_function(share)
        loss, total = self.strategy.run(replica, args=(parts,))
        first = self.strategy.experimental_local_results
        return first(loss)[0], first(total)[0]

    def _evaluate(self, x: Any, y: Any, weight: Any) -> tuple[Any, Any, Any]:
        prediction = self.model(self._cast(x), training=False)
        return (*self._losses(y, prediction, weight), prediction)


def _join(parts: list[Any]) -> Any:
    first = parts[0]
    if isinstance(first, Mapping):
        return {key: _join([part[key] for part in parts]) for key in first}
    if isinstance(first, tuple | list):
        return tuple(_join([part[i] for part in parts]) for i in range(len(first)))
    return np.concatenate(parts)
