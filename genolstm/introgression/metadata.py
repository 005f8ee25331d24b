"""What a model of introgression says of itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from genolstm.errors import ModelError, SettingError
from genolstm.fields import Fields
from genolstm.introgression.channels import BASELINE_COUNTS, CHANNELS, CLASSES, LEVELS
from genolstm.introgression.likeness import Likeness
from genolstm.introgression.settings import PRIOR, TrackSettings, check_source
from genolstm.lstm.bundle.bundle import Bundle
from genolstm.lstm.calibration import check_calibration

KIND = "introgression"
#: Models that compare with no reference (:mod:`genolstm.introgression.sequence_only`): none of them can scan.
SEQUENCE_ONLY = "sequence-only introgression"
_LEAST_LOG = -1e3
_MOST_BIN = 10_000_000
_MOST_CHANNELS = 100


@dataclass(frozen=True)
class HMMParameters:
    """Numbers of the baseline; see :class:`~genolstm.introgression.hmm.SupervisedHMM`."""

    emission: np.ndarray
    transition: np.ndarray
    start: np.ndarray


@dataclass(frozen=True)
class ModelMetadata:
    """The metadata of a model, checked.

    Attributes
    ----------
    settings
        How the tracks that the model reads are made.
    label
        What the one archaic source is called if a scan does not name it.
    prior
        Posterior of a bin of which nothing is known.
    calibration
        Parameters for :func:`~genolstm.lstm.calibration.apply_calibration`.
    hmm, hmm_threshold
        The baseline, and its default threshold; None if the model has none.
    likeness
        What the training data were like; None if the model does not say.
    """

    settings: TrackSettings
    label: str
    prior: float
    calibration: Mapping[str, Any] | None
    hmm: HMMParameters | None
    hmm_threshold: float | None
    likeness: Likeness | None = None


def read_metadata(bundle: Bundle) -> ModelMetadata:
    """Return what a model of introgression says of itself.

    Raises
    ------
    ModelError
        The bundle is of another kind, lacks or misstates something, or reads other channels than
        this version makes.
    """
    if bundle.kind == SEQUENCE_ONLY:
        raise ModelError(
            "is a sequence-only model, which compares with no reference and cannot scan",
            path=bundle.path,
            hint="its probabilities are given by: genolstm introgression score",
        )
    bundle.require(kind=KIND)
    fields = Fields(bundle.metadata, path=bundle.path)
    try:
        settings = TrackSettings(fields.whole("k", 1, 31), fields.whole("bin", 1, _MOST_BIN))
    except SettingError as error:
        fields.refuse("bin", error.reason)
    label = fields.word("label")
    if len(label.split()) != 1:
        fields.refuse("label", f"{label!r}, one word is needed")
    try:
        check_source(label)
    except SettingError as error:
        fields.refuse("label", error.reason)
    found = ModelMetadata(
        settings,
        label,
        fields.number("prior", 0, 1, PRIOR),
        fields.table("calibration").values if "calibration" in fields else None,
        read_hmm(fields.table("hmm")) if "hmm" in fields else None,
        fields.number("hmm_threshold", 0, 1) if "hmm_threshold" in fields else None,
        Likeness.read(fields.table("likeness")) if "likeness" in fields else None,
    )
    if found.calibration is not None and check_calibration(fields.table("calibration")) != len(CLASSES):
        fields.refuse("calibration", f"it is not of {len(CLASSES)} classes")
    if not isinstance(bundle.metadata.get("channels"), list):
        raise ModelError("does not state which channels it reads", path=bundle.path)
    _check_channels(fields.words("channels", _MOST_CHANNELS), CHANNELS, bundle.path)
    config = bundle.config
    if config is not None and (
        config.input == "embedding"
        or config.n_features != len(CHANNELS)
        or (config.head, config.n_outputs, config.activation) != ("tag", len(CLASSES), "softmax")
    ):
        raise ModelError("its network does not turn tracks into posteriors", path=bundle.path)
    return found


def read_hmm(fields: Fields) -> HMMParameters:
    """Return the parameters of a baseline, which are logarithms of probabilities.

    Raises
    ------
    ModelError
        One is missing, of another shape, out of range, or they do not add up to 1.
    """
    found = HMMParameters(
        fields.numbers("emission", [2, BASELINE_COUNTS, LEVELS], _LEAST_LOG, 1e-9),
        fields.numbers("transition", [2, 2], _LEAST_LOG, 1e-9),
        fields.numbers("start", [2], _LEAST_LOG, 1e-9),
    )
    for name, values in vars(found).items():
        if np.abs(np.exp(values).sum(axis=-1) - 1).max() > 0.01:
            fields.refuse(name, "the probabilities do not add up to 1")
    return found


def _check_channels(made: Sequence[str], here: Sequence[str], path: str | None) -> None:
    """Reject a model with other channels, naming only those that differ."""
    if list(made) == list(here):
        return
    only_model = [name for name in made if name not in here]
    only_data = [name for name in here if name not in made]
    if not only_model and not only_data:
        raise ModelError("the model and the data have the same channels in a different order", path=path)
    raise ModelError(
        f"the model reads {len(made)} channels, the data has {len(here)}; only the model: "
        f"{', '.join(only_model) or 'none'}; only the data: "
        f"{', '.join(only_data) or 'none'}",
        path=path,
    )
