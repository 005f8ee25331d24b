"""The comparison itself: same split, same budget, several seeds, one table."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from genolstm.comparison.architectures import RECURRENT, ArchitectureSettings, match_architecture
from genolstm.comparison.data import LabelledSequences, split_three_ways
from genolstm.comparison.scores import Scale, score
from genolstm.comparison.settings import DISTANCES, SHORTEST, ComparisonSettings, Task, find_task
from genolstm.comparison.tasks import MARGIN, SITE, first_half_accuracy, simulate_long_range, simulate_motif
from genolstm.errors import ModelError, SettingError

if TYPE_CHECKING:
    import pandas as pd

    from genolstm.lstm.train.training import TrainedModel

Score = Callable[[np.ndarray, np.ndarray], float]
# Sequences over which the gradient's decay is averaged.
_N_GRADIENT = 50
# Sequences on which the speed of inference is measured.
_N_SPEED = 256
# Steps over which ONNX Runtime is compared with Keras.
_N_CHECKED = 40
# Largest difference between ONNX Runtime and Keras.
_TOLERANCE = 1e-4


@dataclass(frozen=True, repr=False, eq=False)
class Trial:
    """The data of one seed: for training, for choosing the best epoch, and for testing.

    Attributes
    ----------
    tests
        Test sets by name.
    extra
        Further scores of the test sets by name, as functions of (targets, prediction).
    """

    training: LabelledSequences
    validation: LabelledSequences
    tests: Mapping[str, LabelledSequences]
    extra: Mapping[str, Score] = field(default_factory=dict)


@dataclass(frozen=True, repr=False, eq=False)
class Comparison:
    """The results of a comparison.

    Attributes
    ----------
    runs
        One row per network and test set: architecture, seed, test, parameters, learning_rate,
        best_epoch, the scores, training_seconds, sequences_per_second (ONNX Runtime, one thread).
    gradients
        architecture, seed, stage (initial or trained), lag (steps from the last one), gradient
        (relative to that at lag 0); empty unless asked for.
    """

    runs: pd.DataFrame
    gradients: pd.DataFrame

    def summary(self) -> pd.DataFrame:
        """Return mean and range of each score over the seeds, one row per architecture and test set."""
        from genolstm.comparison.scores import summarise

        return summarise(self.runs)

    def _repr_html_(self) -> str:
        html: str = self.summary().to_html(index=False, float_format="{:.3f}".format)
        return html


def trials_from_data(data: LabelledSequences, settings: ComparisonSettings) -> Callable[[int], Trial]:
    """Return the function that splits labelled sequences by group for a seed."""

    def trial(seed: int) -> Trial:
        split = split_three_ways(
            data, validation_fraction=settings.validation_fraction, test_fraction=settings.test_fraction, seed=seed
        )
        parts = [data.take(rows) for rows in split]
        return Trial(parts[0], parts[1], {"held-out": parts[2]})

    return trial


def trials_from_task(
    name: str, *, distances: tuple[int, ...] = DISTANCES, n: int | None = None
) -> Callable[[int], Trial]:
    """Return the function that simulates a task's sequences for a seed.

    Parameters
    ----------
    name
        ``long-range`` or ``motif``.
    distances
        Distances of the test sets of ``long-range``, in bases; training goes up to the largest.
    n
        Number of sequences for training and validation; by default the task's own.

    Raises
    ------
    SettingError
        There is no such task, or a distance is too short.
    """
    task = find_task(name)
    if name == "long-range" and (not distances or min(distances) < SHORTEST):
        raise SettingError(f"distances must be at least {SHORTEST}")
    n = task.n if n is None else n
    n_validation = n // 5

    def motif(seed: int) -> Trial:
        return Trial(
            simulate_motif(n - n_validation, seed=3 * seed),
            simulate_motif(n_validation, seed=3 * seed + 1),
            {"held-out": simulate_motif(task.n_test, seed=3 * seed + 2)},
        )

    return _long_range(task, distances, n, n_validation) if name == "long-range" else motif


def _long_range(task: Task, distances: tuple[int, ...], n: int, n_validation: int) -> Callable[[int], Trial]:
    most = max(distances)
    length = most + MARGIN + len(SITE)

    def simulate(count: int, seed: int, distance: int, shortest: int | None) -> LabelledSequences:
        return simulate_long_range(count, distance, seed=seed, shortest=shortest, length=length)

    def trial(seed: int) -> Trial:
        return Trial(
            simulate(n - n_validation, 3 * seed, most, SHORTEST),
            simulate(n_validation, 3 * seed + 1, most, SHORTEST),
            {
                f"distance={distance}": simulate(task.n_test, 3 * seed + 2, distance, None)
                for distance in sorted(distances)
            },
            {"first_half_accuracy": first_half_accuracy},
        )

    return trial


def compare(
    trials: Callable[[int], Trial],
    settings: ComparisonSettings,
    *,
    gradients: bool = False,
    progress: Callable[[Mapping[str, Any]], None] | None = None,
    keep: Callable[[ArchitectureSettings, TrainedModel, Trial, int], None] | None = None,
) -> Comparison:
    """Train and test each architecture with each seed.

    Parameters
    ----------
    trials
        Function from a seed to its data; see :func:`trials_from_data` and :func:`trials_from_task`.
    settings
        Settings that all networks share.
    gradients
        Whether to measure how far back the recurrent networks' gradients reach.
    progress
        Called with each row of the result as soon as it is available.
    keep
        Called with each trained network, for instance to save it.

    Raises
    ------
    InputError
        The data cannot be split.
    SettingError
        No network of an architecture comes near the number of parameters.
    MissingExtraError
        TensorFlow is not installed.
    """
    import pandas as pd

    # Everything that can be wrong with the data is found before the first network is trained.
    drawn = {seed: trials(seed) for seed in range(settings.seed, settings.seed + settings.seeds)}
    first = drawn[settings.seed]
    networks = [match_for(name, first.training, settings) for name in settings.architectures]
    rows: list[dict[str, Any]] = []
    levels: list[pd.DataFrame] = []
    with _no_retracing_warnings():
        for network in networks:
            for seed, trial in drawn.items():
                wanted = levels if gradients else None
                for row in _run(network, trial, settings, seed, wanted, keep):
                    rows.append(row)
                    if progress is not None:
                        progress(row)
    columns = ["architecture", "seed", "stage", "lag", "gradient"]
    return Comparison(
        pd.DataFrame(rows), pd.concat(levels, ignore_index=True) if levels else pd.DataFrame(columns=columns)
    )


@contextmanager
def _no_retracing_warnings() -> Iterator[None]:
    """Keep TensorFlow from warning that a step is compiled often: each network has its own."""
    logger = logging.getLogger("tensorflow")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def match_for(name: str, data: LabelledSequences, settings: ComparisonSettings) -> ArchitectureSettings:
    """Return an architecture with the widths to compare on these sequences."""
    n_classes = len(data.classes)
    return match_architecture(
        name,
        settings.parameters,
        steps=data.length,
        n_outputs=n_classes if n_classes > 2 else 1,
        activation="linear" if data.is_regression else "softmax" if n_classes > 2 else "sigmoid",
        learning_rate=settings.learning_rate,
        bidirectional=settings.bidirectional,
    )


def train_matched(
    network: ArchitectureSettings,
    training: tuple[np.ndarray, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray],
    *,
    epochs: int,
    batch_size: int,
    seed: int,
) -> TrainedModel:
    """Train a network on inputs and targets, for all epochs; validation chooses the epoch."""
    from genolstm.lstm.train.settings import TrainingSettings
    from genolstm.lstm.train.training import train

    return train(
        network.config,
        TrainingSettings(
            epochs=epochs, batch_size=batch_size, patience=0, seed=seed, learning_rate=network.learning_rate
        ),
        *training,
        validation=validation,
        make_model=lambda _: network.build(seed),
        progress=False,
    )


def _run(
    network: ArchitectureSettings,
    trial: Trial,
    settings: ComparisonSettings,
    seed: int,
    levels: list[pd.DataFrame] | None,
    keep: Callable[[ArchitectureSettings, TrainedModel, Trial, int], None] | None,
) -> Iterator[dict[str, Any]]:
    scale = Scale.of(trial.training)
    trained = train_matched(
        network,
        (trial.training.one_hot(), scale.inward(trial.training.targets)),
        (trial.validation.one_hot(), scale.inward(trial.validation.targets)),
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        seed=seed,
    )
    if levels is not None and network.name in RECURRENT:
        levels.append(_decay(network, trained, trial, seed))
    if keep is not None:
        keep(network, trained, trial, seed)
    some = trial.validation.one_hot()[:_N_SPEED]
    runtime = _export(network, trained.model, some)
    speed = _speed(runtime, some)
    for name, data in trial.tests.items():
        prediction = runtime.predict(data.one_hot())
        row: dict[str, Any] = {
            "architecture": network.name,
            "seed": seed,
            "test": name,
            "parameters": network.n_parameters,
            "learning_rate": network.learning_rate,
            "best_epoch": trained.best_epoch,
        }
        row |= score(data, scale, prediction)
        row |= {key: function(data.targets, prediction) for key, function in trial.extra.items()}
        row["training_seconds"] = round(sum(epoch["seconds"] for epoch in trained.history), 2)
        row["sequences_per_second"] = round(speed, 1)
        yield row


def _export(network: ArchitectureSettings, model: Any, x: np.ndarray) -> Any:
    """Return the network on ONNX Runtime, having compared its outputs with Keras'."""
    from genolstm.lstm.bundle.export import export_onnx, export_onnx_traced
    from genolstm.lstm.bundle.runtime import Runtime

    if network.name in RECURRENT:
        content = export_onnx(model, network.config, check=False)
    else:
        content = export_onnx_traced(model, check=False)
    runtime = Runtime(content, threads=1)
    if network.name in RECURRENT:
        # An RNN near the edge of chaos turns a rounding difference into a large one over hundreds
        # of steps; an error of the export shows at once.
        x = x[:, -_N_CHECKED:]
    expected = np.asarray(model(x.astype(np.float32), training=False))
    worst = float(np.abs(runtime.predict(x) - expected).max())
    if not worst <= _TOLERANCE:
        raise ModelError(f"ONNX Runtime's output differs from Keras' by {worst:.1e}")
    return runtime


def _speed(runtime: Any, x: np.ndarray) -> float:
    """Return sequences per second: the best of three runs on one thread."""
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        runtime.predict(x)
        seconds.append(time.perf_counter() - began)
    return len(x) / min(seconds)


def _decay(network: ArchitectureSettings, trained: TrainedModel, trial: Trial, seed: int) -> pd.DataFrame:
    import pandas as pd

    from genolstm.lstm.gradient import input_gradient, mean_decay
    from genolstm.lstm.train.network import named_weights

    x = list(trial.tests.values())[-1].one_hot()[:_N_GRADIENT]
    frames = []
    for stage, model in (("initial", network.build(seed)), ("trained", trained.model)):
        weights = named_weights(network.config, model)
        decay = mean_decay(input_gradient(network.config, weights, x, seed=seed))
        frames.append(
            pd.DataFrame(
                {
                    "architecture": network.name,
                    "seed": seed,
                    "stage": stage,
                    "lag": np.arange(len(decay)),
                    "gradient": decay,
                }
            )
        )
    return pd.concat(frames, ignore_index=True)
