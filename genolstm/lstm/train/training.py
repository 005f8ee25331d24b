"""Training: seeds, splits by group, early stopping, and runs that survive being killed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from genolstm.errors import SettingError
from genolstm.files import PathLike
from genolstm.lstm.config import LSTMConfig
from genolstm.lstm.splits import split_by_group
from genolstm.lstm.train.checkpoint import fingerprint_data, load_checkpoint
from genolstm.lstm.train.loop import Data, Loop, n_rows
from genolstm.lstm.train.network import build_network, fused_lstm, load_tensorflow
from genolstm.lstm.train.reporting import make_reporter
from genolstm.lstm.train.settings import Augment, Loss, Metric, TrainingSettings


@dataclass(frozen=True)
class TrainedModel:
    """A trained network and the account of its training.

    Attributes
    ----------
    model
        The Keras network with its best weights.
    history
        One row per epoch: epoch, loss, val_loss, metric, learning_rate, seconds, sequences_per_s.
    best_epoch
        The epoch, from 1, whose weights these are.
    best_score
        Its metric, or its held-out loss where no metric was given.
    validation_rows
        Rows of x that were held out; empty where the held-out data were given apart.
    """

    model: Any
    config: LSTMConfig
    settings: TrainingSettings
    history: list[dict[str, float]]
    best_epoch: int
    best_score: float
    validation_rows: np.ndarray

    @classmethod
    def of(cls, loop: Loop, model: Any, config: LSTMConfig, held_rows: np.ndarray | None = None) -> TrainedModel:
        """Return what a loop that has run to its end has made of a model."""
        state = loop.state
        return cls(
            model=model,
            config=config,
            settings=loop.settings,
            history=state.history,
            best_epoch=state.best_epoch,
            best_score=float("nan") if state.best_score is None else state.best_score,
            validation_rows=np.empty(0, np.int64) if held_rows is None else held_rows,
        )


def train(
    config: LSTMConfig,
    settings: TrainingSettings,
    x: Any,
    y: Any,
    *,
    groups: Sequence[Any] | np.ndarray | None = None,
    validation: tuple[Any, ...] | None = None,
    sample_weight: Any = None,
    loss: Loss | str | None = None,
    metric: Metric | None = None,
    metric_mode: str = "max",
    augment: Augment | None = None,
    make_model: Callable[[LSTMConfig], Any] | None = None,
    initial_weights: Sequence[np.ndarray] | None = None,
    folder: PathLike | None = None,
    resume: bool = True,
    log_csv: PathLike | None = None,
    progress: bool = True,
) -> TrainedModel:
    """Train a network.

    Parameters
    ----------
    x
        (n, steps, n_features), or (n, steps) of codes, of any number type; may be memory-mapped,
        as only batches are read. For a model of ``make_model`` also a tuple or dict of arrays.
    y
        Targets in the outputs' shape, or class indices where the output is a softmax. A tuple or
        dict of arrays for a loss that wants them.
    groups
        One label per row; the held-out data are whole groups.
    validation
        Held-out ``(x, y)`` or ``(x, y, sample_weight)``, instead of groups.
    sample_weight
        (n,) or (n, steps); 0 takes a step out of the loss, such as padding.
    loss
        Name of a Keras loss, or a function of (y, prediction) that returns a loss per sequence, per
        step, or one for the batch. By default what the output's activation calls for.
    metric
        Function of the whole held-out (y, prediction); it then chooses the best epoch.
    metric_mode
        ``max`` or ``min``: which is better.
    augment
        Changes a batch before it is used; its random numbers follow from seed, epoch and step.
    make_model
        Builds another Keras model than the config's own.
    initial_weights
        Weights to start from, in Keras' order: fine-tuning.
    folder
        Where the checkpoint is kept. A run that was killed goes on from it and ends with the
        same weights as one that was not.
    resume
        Whether to go on from a checkpoint in ``folder`` or start over.
    log_csv
        Path of a table with one row per epoch.
    progress
        Whether to report on stderr.

    Raises
    ------
    SettingError
        The data do not fit each other, the split leaves a side empty, the checkpoint is of
        another run, or the loss is no longer a number.
    MissingExtraError
        TensorFlow is not installed.
    """
    if metric_mode not in ("max", "min"):
        raise SettingError(f"metric_mode is {metric_mode!r}, it must be max or min")
    tf, keras = load_tensorflow()
    rows, held_rows = _split(settings, x, y, sample_weight, groups, validation)
    strategy = _strategy(tf) if settings.distribute else None
    with contextlib.nullcontext() if strategy is None else strategy.scope():
        if make_model is None:
            model = build_network(config, seed=settings.seed)
        else:
            keras.utils.set_random_seed(settings.seed)
            model = make_model(config)
        if initial_weights is not None:
            model.set_weights(list(initial_weights))

    def fingerprint() -> dict[str, Any]:
        member = None if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
        return {
            "loss": _name(loss),
            "metric": f"{_name(metric)} ({metric_mode})",
            "augmentation": _name(augment),
            "model": _name(make_model),
            "data": fingerprint_data({"x": x, "y": y, "weight": sample_weight}),
            "groups": fingerprint_data(member),
            "held-out data": fingerprint_data(validation),
            "initial weights": fingerprint_data(None if initial_weights is None else model.get_weights()),
        }

    loop = Loop(
        model,
        settings,
        Data(x, y, sample_weight, rows),
        Data(x, y, sample_weight, held_rows) if validation is None else Data(*validation),
        _loss(config, loss),
        metric=metric,
        metric_mode=metric_mode,
        augment=augment,
        log_csv=log_csv,
        strategy=strategy,
    )
    run_loop(loop, config, fingerprint, folder=folder, resume=resume, progress=progress)
    return TrainedModel.of(loop, model, config, held_rows)


def run_loop(
    loop: Loop,
    config: LSTMConfig,
    fingerprint: Callable[[], dict[str, Any]],
    *,
    folder: PathLike | None,
    resume: bool,
    progress: bool,
) -> None:
    """Train to the end, from the checkpoint in ``folder`` if there is one.

    Parameters
    ----------
    fingerprint
        What else, beside network and settings, tells the run from another one; asked for only
        where there is a checkpoint, as digests of the data take their time.
    """
    if folder is not None:
        loop.folder = Path(folder)
        loop.folder.mkdir(parents=True, exist_ok=True)
        loop.fingerprint = {
            "network": config.to_dict(),
            # How often to save changes nothing else.
            "settings": {**loop.settings.to_dict(), "checkpoint_steps": 0},
            **fingerprint(),
        }
        if resume:
            loop.restore(load_checkpoint(loop.folder, loop.fingerprint))
    reporter = make_reporter(progress=progress, epochs=loop.settings.epochs)
    try:
        with fused_lstm(loop.model):
            loop.run(reporter)
    finally:
        reporter.close()


def _split(
    settings: TrainingSettings,
    x: Any,
    y: Any,
    sample_weight: Any,
    groups: Sequence[Any] | np.ndarray | None,
    validation: tuple[Any, ...] | None,
) -> tuple[np.ndarray, np.ndarray]:
    n, none = n_rows(x), np.empty(0, np.int64)
    if n == 0:
        raise SettingError("there are no training data")
    if n_rows(y) != n:
        raise SettingError(f"there are {n} sequences but {n_rows(y)} targets")
    if sample_weight is not None and len(sample_weight) != n:
        raise SettingError(f"there are {n} sequences but {len(sample_weight)} weights")
    if groups is not None and len(groups) != n:
        raise SettingError(f"there are {n} sequences but {len(groups)} groups")
    if validation is not None or settings.validation_fraction == 0:
        return np.arange(n), none
    if groups is None:
        raise SettingError(
            "held-out data or groups are needed", hint="a split by sequence would leave near-copies on both sides"
        )
    return split_by_group(groups, settings.validation_fraction, settings.seed)


def _loss(config: LSTMConfig, loss: Loss | str | None) -> Loss:
    """Return the loss as a function that reduces nothing but the output axis."""
    tf, keras = load_tensorflow()
    if isinstance(loss, str):
        try:
            loss = keras.losses.get(loss)
        except ValueError as error:
            raise SettingError(f"Keras has no loss {loss!r}") from error
    if isinstance(loss, keras.losses.Loss):
        return loss.call
    if callable(loss):
        return loss
    names = {"sigmoid": "binary_crossentropy", "softmax": "categorical_crossentropy", "linear": "mse"}

    def default(y: Any, prediction: Any) -> Any:
        y = tf.convert_to_tensor(y)
        missing = y.shape.rank == prediction.shape.rank - 1
        if config.activation == "softmax" and missing:
            return keras.losses.sparse_categorical_crossentropy(tf.cast(y, tf.int32), prediction)
        y = tf.cast(y[..., None] if missing else y, prediction.dtype)
        return keras.losses.get(names[config.activation or "linear"])(y, prediction)

    return default


def _strategy(tf: Any) -> Any:
    """Return Keras' data-parallel strategy where there are several accelerators."""
    devices = tf.config.list_logical_devices("GPU")
    if len(devices) < 2:
        return None
    return tf.distribute.MirroredStrategy([device.name for device in devices])


def _name(function: Any) -> str | None:
    if function is None or isinstance(function, str):
        return function
    kind = getattr(function, "__qualname__", None) or type(function).__qualname__
    return f"{getattr(function, '__module__', '')}.{kind}"
