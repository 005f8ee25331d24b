"""A classifier two-sample test: how well a CNN tells two sets of sequences apart that it has not seen.

Half of the windows of both sets trains a classifier, the other half tests it. If both sets come from one
distribution, nothing can do better than chance in the test, 0.5 (Lopez-Paz and Oquab 2017).

References
----------
Lopez-Paz, D. and Oquab, M. (2017), Revisiting classifier two-sample tests. ICLR.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from genolstm.comparison.architectures import match_architecture
from genolstm.comparison.run import _no_retracing_warnings, train_matched
from genolstm.errors import InputError, SettingError
from genolstm.sequences.alphabet import Codes
from genolstm.sequences.kmers import one_hot
from genolstm.settings import POSITIVE, Range, check

RESAMPLES = 2000
_SPLIT, _RESAMPLE = 0x2A3B, 0xB007
_TRAIN, _VALIDATION, _TEST = range(3)
_LEAST_GROUPS = 4
_AT_ONCE = 512


@dataclass(frozen=True)
class TwoSampleSettings:
    """The classifier and its training.

    Parameters
    ----------
    parameters
        Approximate number of parameters of the CNN.
    epochs
        Number of passes over its half; the one with the lowest loss on a fifth of that half is kept.
    batch_size
        Number of windows per step.
    learning_rate
        Peak learning rate of Adam; by default that of the architectures' comparison.

    Raises
    ------
    SettingError
        A value makes no sense.
    """

    parameters: Annotated[int, Range(1)] = 10_000
    epochs: Annotated[int, Range(1)] = 12
    batch_size: Annotated[int, Range(1)] = 64
    learning_rate: Annotated[float, POSITIVE] | None = None

    def __post_init__(self) -> None:
        check(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON-ready values."""
        return asdict(self)


class TwoSampleTest(NamedTuple):
    """How well a classifier tells two sets apart; 0.5 is chance.

    The bounds are 95 % intervals from a bootstrap over groups of the test half.
    """

    accuracy: float
    accuracy_low: float
    accuracy_high: float
    auc: float
    auc_low: float
    auc_high: float
    tested: int
    """Windows in the test half, of both sets together."""


def two_sample_test(
    first: tuple[Codes, npt.NDArray[np.int64]],
    second: tuple[Codes, npt.NDArray[np.int64]],
    *,
    seed: int,
    settings: TwoSampleSettings | None = None,
) -> TwoSampleTest:
    """Train a CNN to tell two sets of sequences apart, and test it on groups that it has not seen.

    Parameters
    ----------
    first, second
        Codes, (n, bases), of known bases, and the group of each, (n,): what belongs together, such as windows of
        a record, stays on one side. The groups of one set have nothing to do with those of the other.
    seed
        Seed of the split, the network and the order.

    Raises
    ------
    InputError
        A set has fewer than four groups.
    """

    settings = settings or TwoSampleSettings()
    parts = balanced_split(first[1], second[1], seed)
    x, y = {}, {}
    for part in (_TRAIN, _VALIDATION, _TEST):
        rows = [parts[which][part] for which in (0, 1)]
        x[part] = one_hot(np.concatenate([first[0][rows[0]], second[0][rows[1]]]), np.uint8)
        y[part] = np.repeat([0, 1], [len(one) for one in rows])
    network = match_architecture(
        "cnn",
        settings.parameters,
        steps=first[0].shape[1],
        n_outputs=1,
        activation="sigmoid",
        learning_rate=settings.learning_rate,
    )
    with _no_retracing_warnings():
        trained = train_matched(
            network,
            (x[_TRAIN], y[_TRAIN]),
            (x[_VALIDATION], y[_VALIDATION]),
            epochs=settings.epochs,
            batch_size=settings.batch_size,
            seed=seed,
        )
    tested = x[_TEST]
    said = np.concatenate(
        [
            np.asarray(trained.model(tested[start : start + _AT_ONCE].astype(np.float32), training=False))[:, 0]
            for start in range(0, len(tested), _AT_ONCE)
        ]
    )
    border = len(parts[0][_TEST])
    groups = [of[parts[which][_TEST]] for which, of in enumerate((first[1], second[1]))]
    return judged(said[:border], said[border:], groups[0], groups[1], seed)


def balanced_split(
    first: npt.NDArray[np.int64], second: npt.NDArray[np.int64], seed: int
) -> tuple[tuple[npt.NDArray[np.int64], ...], tuple[npt.NDArray[np.int64], ...]]:
    """Return the rows of both sets for training, validation and test: whole groups, as many rows of both.

    Half of the rows of a set, as nearly as its groups allow, are for the test, and a fifth of the rest for the
    validation.

    Raises
    ------
    InputError
        A set has fewer than four groups.
    """
    random = np.random.default_rng([seed, _SPLIT])
    sides = []
    for groups in (first, second):
        numbers, counts = np.unique(groups, return_counts=True)
        if len(numbers) < _LEAST_GROUPS:
            raise InputError(
                f"there are {len(numbers)} groups of sequences, at least {_LEAST_GROUPS} are needed to train on some "
                "and to test on others"
            )
        order = random.permutation(len(numbers))
        part = np.full(len(numbers), _TRAIN)
        # Of every part at least one, of the test half at least two, so that there is something to resample.
        reached = np.cumsum(counts[order])
        test = int(np.clip(np.searchsorted(reached, len(groups) / 2) + 1, 2, len(numbers) - 2))
        validation = max(1, (len(numbers) - test) // 5)
        part[order[:test]] = _TEST
        part[order[test : test + validation]] = _VALIDATION
        of = part[np.searchsorted(numbers, groups)]
        sides.append([np.flatnonzero(of == number) for number in (_TRAIN, _VALIDATION, _TEST)])
    kept = []
    for number in (_TRAIN, _VALIDATION, _TEST):
        size = min(len(side[number]) for side in sides)
        kept.append([np.sort(random.permutation(side[number])[:size]) for side in sides])
    return tuple(one[0] for one in kept), tuple(one[1] for one in kept)


def judged(
    first: npt.NDArray[np.floating],
    second: npt.NDArray[np.floating],
    first_groups: npt.NDArray[np.int64],
    second_groups: npt.NDArray[np.int64],
    seed: int,
) -> TwoSampleTest:
    """Return accuracy and area under the curve of a classifier's outputs, with intervals.

    Parameters
    ----------
    first, second
        What it says of rows of both sets: the probability that a row is of the second.
    first_groups, second_groups
        Their groups, which are resampled as wholes.
    """
    ones, one_of = np.unique(first_groups, return_inverse=True)
    twos, two_of = np.unique(second_groups, return_inverse=True)
    if not len(ones) or not len(twos):
        raise SettingError("there is nothing to test")
    # Of each pair of groups, how many pairs of rows are in the right order, ties half.
    wins = np.zeros((len(ones), len(twos)))
    for group in range(len(ones)):
        own = np.sort(first[one_of == group])
        below = np.searchsorted(own, second, "left"), np.searchsorted(own, second, "right")
        wins[group] = np.bincount(two_of, (below[0] + below[1]) / 2, len(twos))
    sizes = np.bincount(one_of), np.bincount(two_of)
    right = np.bincount(one_of, first < 0.5), np.bincount(two_of, second >= 0.5)

    def scores(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> tuple[Any, Any]:
        n, m = a @ sizes[0], b @ sizes[1]
        auc = ((a @ wins) * b).sum(axis=-1) / (n * m)
        return ((a @ right[0]) / n + (b @ right[1]) / m) / 2, auc

    random = np.random.default_rng([seed, _RESAMPLE])
    drawn = [random.multinomial(n, np.full(n, 1 / n), RESAMPLES).astype(float) for n in (len(ones), len(twos))]
    accuracy, auc = scores(np.ones(len(ones)), np.ones(len(twos)))
    bounds = [[float(bound) for bound in np.quantile(one, [0.025, 0.975])] for one in scores(drawn[0], drawn[1])]
    return TwoSampleTest(
        accuracy=float(accuracy),
        accuracy_low=bounds[0][0],
        accuracy_high=bounds[0][1],
        auc=float(auc),
        auc_low=bounds[1][0],
        auc_high=bounds[1][1],
        tested=len(first) + len(second),
    )
