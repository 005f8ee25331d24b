"""Training: seeds, splits by group, early stopping, and runs that survive being killed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from genolstm.errors import SettingError
from genolstm.files import PathLike, check_folder
from genolstm.lstm.config import LSTMConfig
from genolstm.lstm.splits import split_by_group
from genolstm.lstm.train.checkpoint import fingerprint_data, load_checkpoint
from genolstm.lstm.train.loop import Data, Loop, n_rows
from genolstm.lstm.train.network import build_network, fused_lstm, load_tensorflow
from genolstm.lstm.train.reporting import make_reporter
from genolstm.lstm.train.settings import Augment, Loss, Metric, TrainingSettings


@dataclass(frozen=True)
class TrainedModel:
    """A trained network and the record of its training.

    Attributes
    ----------
    model
        The Keras network with its best weights.
    history
        One row per epoch: epoch, loss, val_loss, metric, learning_rate, seconds, sequences_per_s.
    best_epoch
        The epoch, from 1, whose weights these are.
    best_score
        Its metric, or its held-out loss if no metric was given.
    """

    model: Any
    config: LSTMConfig
    settings: TrainingSettings
    history: list[dict[str, float]]
    best_epoch: int
    best_score: float

    @classmethod
    def of(cls, loop: Loop, model: Any, config: LSTMConfig) -> TrainedModel:
        """Return the result of a loop that has run to its end."""
        state = loop.state
        return cls(
            model=model,
            config=config,
            settings=loop.settings,
            history=state.history,
            best_epoch=state.best_epoch,
            best_score=float("nan") if state.best_score is None else state.best_score,
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
    metric_mode: Literal["max", "min"] = "max",
    augment: Augment | None = None,
    make_model: Callable[[LSTMConfig], Any] | None = None,
    initial_weights: Sequence[np.ndarray] | None = None,
    **run: Any,
) -> TrainedModel:
    """Train a network on sequences of one length.

    Parameters
    ----------
    x
        (n, steps, n_features), or (n, steps) of codes, of any number type; may be memory-mapped,
        as only batches are read. For a model from ``make_model``, also a tuple or dict of arrays.
    y
        Targets in the outputs' shape, or class indices if the output is a softmax. A tuple or dict
        of arrays for a loss that takes them.
    groups
        One label per row; the held-out data are whole groups.
    validation
        Held-out ``(x, y)`` or ``(x, y, sample_weight)``, instead of groups.
    sample_weight
        (n,) or (n, steps); 0 excludes a step, such as padding, from the loss.
    loss
        Name of a Keras loss, or a function of (y, prediction) that returns a loss per sequence, per
        step, or one for the batch; TensorFlow traces it, without autograph. By default what the output's
        activation calls for.
    metric, metric_mode
        Function of the whole held-out (y, prediction), which then chooses the best epoch, and
        whether its ``max`` or its ``min`` is best.
    augment
        Function that changes a batch before it is used; its random numbers follow from seed, epoch
        and step.
    make_model
        Function that builds a Keras model other than the config's own.
    initial_weights
        Weights to start from, in Keras' order: fine-tuning.
    **run
        ``folder``, ``resume``, ``log_csv`` and ``progress`` of :func:`run_loop`.

    Raises
    ------
    SettingError
        The data do not fit each other, the split leaves a side empty, the checkpoint is of
        another run, or the loss is no longer a number.
    """
    data, held = _split(settings, x, y, sample_weight, groups, validation)
    model = _model(config, settings, make_model, initial_weights)
    loop = Loop(*model, settings, data, held, _loss(config, loss), metric, metric_mode, augment)

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
            "initial weights": fingerprint_data(None if initial_weights is None else loop.model.get_weights()),
        }

    run_loop(loop, config, fingerprint, **run)
    return TrainedModel.of(loop, loop.model, config)


def _model(
    config: LSTMConfig,
    settings: TrainingSettings,
    make_model: Callable[[LSTMConfig], Any] | None,
    initial_weights: Sequence[np.ndarray] | None,
) -> tuple[Any, Any]:
    """Return the model to train, and the strategy by which accelerators share its batches."""
    tf, keras = load_tensorflow()
    strategy = _strategy(tf) if settings.distribute else None
    with contextlib.nullcontext() if strategy is None else strategy.scope():
        if make_model is None:
            model = build_network(config, seed=settings.seed)
        else:
            keras.utils.set_random_seed(settings.seed)
            model = make_model(config)
        if initial_weights is not None:
            model.set_weights(list(initial_weights))
    return model, strategy


def run_loop(
    loop: Loop,
    config: LSTMConfig,
    fingerprint: Callable[[], dict[str, Any]],
    *,
    folder: PathLike | None = None,
    resume: bool = True,
    log_csv: PathLike | None = None,
    progress: bool = True,
) -> None:
    """Train to the end, from the checkpoint in ``folder`` if there is one.

    Parameters
    ----------
    fingerprint
        Function that returns what identifies the run besides network and settings; called only if
        ``folder`` is given, as digests of the data take time.
    folder
        Folder of the checkpoint; None to keep none. A killed run resumes from it and ends with the
        same weights as one that was not.
    resume
        Whether to resume from a checkpoint in ``folder`` or start over.
    log_csv
        Path of a table with one row per epoch.
    progress
        Whether to report on stderr.
    """
    loop.log_csv = log_csv
    if folder is not None:
        # Made with the first checkpoint: a run that ends before has left nothing.
        check_folder(folder)
        loop.folder = Path(folder)
        loop.fingerprint = {
            "network": config.to_dict(),
            # How often checkpoints are written changes nothing else.
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
) -> tuple[Data, Data]:
    """Return what to train on and what is held out."""
    n = n_rows(x)
    if n == 0:
        raise SettingError("there are no training data")
    if n_rows(y) != n:
        raise SettingError(f"there are {n} sequences but {n_rows(y)} targets")
    if sample_weight is not None and len(sample_weight) != n:
        raise SettingError(f"there are {n} sequences but {len(sample_weight)} weights")
    if groups is not None and len(groups) != n:
        raise SettingError(f"there are {n} sequences but {len(groups)} groups")
    if validation is not None:
        return Data(x, y, sample_weight), Data(*validation)
    if settings.validation_fraction == 0:
        return Data(x, y, sample_weight), Data(x, y, sample_weight, np.empty(0, np.int64))
    if groups is None:
        raise SettingError(
            "held-out data or groups are needed", hint="a split by sequence would leave near-copies on both sides"
        )
    rows, held = split_by_group(groups, settings.validation_fraction, settings.seed)
    return Data(x, y, sample_weight, rows), Data(x, y, sample_weight, held)


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
    """Return Keras' data-parallel strategy if there are several accelerators."""
    devices = tf.config.list_logical_devices("GPU")
    if len(devices) < 2:
        return None
    return tf.distribute.MirroredStrategy([device.name for device in devices])


def _name(function: Any) -> str | None:
    if function is None or isinstance(function, str):
        return function
    kind = getattr(function, "__qualname__", None) or type(function).__qualname__
    return f"{getattr(function, '__module__', '')}.{kind}"
