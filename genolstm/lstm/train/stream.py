"""Training on one contiguous stream of symbols, with the state carried from batch to batch.

The stream is read by several lanes in parallel, each of which begins at a different place and
continues where its last window ended. The gradient stops at a window's edge, the state does not
(truncated back-propagation through time): the network learns to use what it read long before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from genolstm.errors import SettingError
from genolstm.lstm.config import LSTMConfig
from genolstm.lstm.train.checkpoint import fingerprint_data
from genolstm.lstm.train.loop import Loop
from genolstm.lstm.train.network import build_network
from genolstm.lstm.train.settings import TrainingSettings
from genolstm.lstm.train.training import TrainedModel, run_loop

Codes = npt.NDArray[np.integer]


def train_stream(
    config: LSTMConfig,
    settings: TrainingSettings,
    stream: Codes | Sequence[Codes],
    *,
    steps: int,
    validation: Codes | None = None,
    noise: float = 0.0,
    **run: Any,
) -> TrainedModel:
    """Train a network with the head ``next`` on a stream of codes.

    Parameters
    ----------
    config
        Settings with head ``next`` and input ``embedding``. Codes from ``n_outputs`` up to
        ``vocabulary`` are read but never predicted: boundaries, unknown symbols.
    settings
        ``batch_size`` is the number of lanes. The split is the caller's: see ``validation``.
    stream
        (symbols,) of codes. It is read as a ring: the last symbol is followed by the first, so
        begin it with a boundary. Several arrays of the same length are readings of one stream,
        such as the strands of DNA; each lane takes one of them, drawn again in each epoch.
    steps
        Symbols per window: how far the gradient reaches.
    validation
        Held-out stream; its mean loss (nats per symbol) chooses the epoch.
    noise
        Share of the symbols read, not of those to predict, that are replaced by random ones: the
        network learns to recover after an unexpected symbol, such as a mutation.
    **run
        ``folder``, ``resume``, ``log_csv`` and ``progress`` of
        :func:`genolstm.lstm.train.training.run_loop`.

    Returns
    -------
    TrainedModel
        Its model carries no state, as :func:`build_network` makes it by default.

    Raises
    ------
    SettingError
        The network or the stream does not fit, or the checkpoint is of another run.
    """
    if config.head != "next" or config.input != "embedding":
        raise SettingError("a stream needs a network with head next and input embedding")
    if steps < 1:
        raise SettingError(f"steps is {steps}, it must be at least 1")
    if settings.distribute:
        raise SettingError("a stream is trained on one device")
    readings = [stream] if isinstance(stream, np.ndarray) else list(stream)
    if not 0 <= noise < 1:
        raise SettingError(f"noise is {noise}, it must be at least 0 and below 1")
    data: Any = _Lanes(readings, config, steps, noise)
    held: Any = () if validation is None else _Lanes([validation], config, steps)
    model = build_network(config, seed=settings.seed, state=True)
    loop = StreamLoop(model, None, settings, data, held, _no_loss)

    def fingerprint() -> dict[str, Any]:
        return {
            "steps": steps,
            **({"noise": noise} if noise else {}),
            "data": fingerprint_data(readings),
            "held-out data": fingerprint_data(validation),
        }

    run_loop(loop, config, fingerprint, **run)
    plain = build_network(config, seed=settings.seed)
    plain.set_weights(model.get_weights())
    return TrainedModel.of(loop, plain, config)


@dataclass(frozen=True, eq=False)
class _Lanes:
    """A stream as windows, in the role of :class:`Loop`'s data."""

    readings: list[Codes]
    config: LSTMConfig
    steps: int
    noise: float = 0.0

    def __post_init__(self) -> None:
        lengths = {len(reading) for reading in self.readings}
        if len(lengths) != 1:
            raise SettingError("the readings of a stream must have the same length")
        if self.symbols < 2:
            raise SettingError(f"the stream has {self.symbols} symbols, at least 2 are needed")
        for reading in self.readings:
            if reading.ndim != 1 or reading.min() < 0 or reading.max() >= self.config.vocabulary:
                raise SettingError(f"a stream is one row of codes from 0 to {self.config.vocabulary - 1}")
        if not (self.readings[0] < self.config.n_outputs).any():
            raise SettingError("the stream holds nothing to predict")

    @property
    def symbols(self) -> int:
        return len(self.readings[0])

    def __len__(self) -> int:
        return -(-self.symbols // self.steps)

    def take(self, places: np.ndarray) -> tuple[Any, Any, Any]:
        """Return the windows of the first reading that begin at some places."""
        return self.windows(places * self.steps, np.zeros(len(places), np.int64))

    def windows(
        self, starts: npt.NDArray[np.int64], which: npt.NDArray[np.int64], stop: Any = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return codes, next codes and weights, each (lanes, steps).

        ``stop``, one position per lane, excludes the symbols from there on from the loss.
        """
        at = starts[:, None] + np.arange(self.steps + 1)
        places = at % self.symbols
        codes = np.empty(places.shape, np.int32)
        for index, reading in enumerate(self.readings):
            lanes = which == index
            codes[lanes] = reading[places[lanes]]
        target = codes[:, 1:]
        weight = target < self.config.n_outputs
        if stop is not None:
            weight &= at[:, 1:] < np.asarray(stop)[:, None]
        return codes[:, :-1], np.where(weight, target, 0), weight.astype(np.float32)


class StreamLoop(Loop):
    """The training loop with lanes instead of shuffled rows, and a state that is carried."""

    data: Any
    held: Any

    def __post_init__(self) -> None:
        super().__post_init__()
        lanes = self.settings.batch_size
        self.carried = self._states(lanes)
        # In the checkpoint, too, so that a run can resume in the middle of an epoch.
        self.variables += self.carried
        if len(self.held):
            # Every lane starts cold, so there should not be more of them than are useful.
            self.held_lanes = max(1, min(lanes, len(self.held) // 8))
            self.held_carried = self._states(self.held_lanes)

    def _states(self, lanes: int) -> list[Any]:
        return [
            self.tf.Variable(self.tf.zeros([lanes, state.shape[-1]]), trainable=False)
            for state in self.model.inputs[1:]
        ]

    def _batches(self) -> Iterator[tuple[Any, Any, Any]]:
        state, data, lanes = self.state, self.data, self.settings.batch_size
        random = np.random.default_rng([self.settings.seed, 3, state.epoch])
        first = random.integers(data.symbols) + np.arange(lanes) * data.symbols // lanes
        which = random.permutation(lanes) % len(data.readings)
        if state.step == 0:
            for one in self.carried:
                one.assign(self.tf.zeros_like(one))
        for step in range(state.step, self.steps):
            x, y, weight = data.windows(first + step * data.steps, which)
            if data.noise:
                # Seeded by the step, so that a resumed run draws the same.
                draw = np.random.default_rng([self.settings.seed, 4, state.epoch, step])
                other = draw.integers(data.config.n_outputs, size=x.shape, dtype=np.int32)
                x = np.where(draw.random(x.shape) < data.noise, other, x)
            yield x, y, weight

    def _score(self) -> dict[str, float]:
        held, lanes = self.held, self.held_lanes
        edges = np.arange(lanes + 1) * held.symbols // lanes
        which, sums = np.zeros(lanes, np.int64), np.zeros(2)
        for one in self.held_carried:
            one.assign(self.tf.zeros_like(one))
        for offset in range(0, int(np.diff(edges).max()), held.steps):
            # The first symbol of a lane is the last target of the lane before it.
            batch = held.windows(edges[:-1] + offset, which, edges[1:] + 1)
            loss, total, _ = self._held_step(*batch)
            sums += float(loss), float(total)
        return {"val_loss": float(sums[0] / (sums[1] or 1.0))}

    # The rest is traced by TensorFlow.

    def _read(self, x: Any, carried: Sequence[Any], training: bool) -> Any:
        prediction, *after = self.model([x, *carried], training=training)
        for variable, value in zip(carried, after, strict=True):
            variable.assign(self.tf.stop_gradient(value))
        return prediction

    def _losses(self, y: Any, prediction: Any, weight: Any) -> tuple[Any, Any]:
        losses = self.keras.losses.sparse_categorical_crossentropy(y, prediction)
        return self.tf.reduce_sum(losses * weight), self.tf.reduce_sum(weight)

    def _gradients(self, x: Any, y: Any, weight: Any) -> tuple[Any, Any, Any]:
        with self.tf.GradientTape() as tape:
            prediction = self._read(x, self.carried, True)
            loss, total = self._losses(y, prediction, weight)
        return loss, total, tape.gradient(loss, self.model.trainable_variables)

    def _evaluate(self, x: Any, y: Any, weight: Any) -> tuple[Any, Any, Any]:
        prediction = self._read(x, self.held_carried, False)
        return (*self._losses(y, prediction, weight), prediction)


def _no_loss(y: Any, prediction: Any) -> Any:
    raise NotImplementedError  # StreamLoop has its own
