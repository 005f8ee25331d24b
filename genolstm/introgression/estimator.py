"""A classifier of track windows for scikit-learn, so that its tools compare and validate networks on your own data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from genolstm.errors import MissingExtraError, SettingError
from genolstm.files import PathLike
from genolstm.introgression.dataset import load_region, windows
from genolstm.introgression.regions import REGION_FILES, region_folders
from genolstm.introgression.settings import NETWORK, TRACKS, TRAINING, TrackSettings
from genolstm.lstm.bundle.runtime import Runtime
from genolstm.lstm.config import LSTMConfig
from genolstm.lstm.train.settings import TrainingSettings

try:
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, check_non_negative, validate_data
except ImportError as error:
    raise MissingExtraError("scikit-learn 1.6 or newer", "train") from error

if TYPE_CHECKING:
    from sklearn.utils import Tags

#: Seeds that scikit-learn's random states draw for a fit.
_MOST_SEED = 2**31 - 1


class TrackClassifier(ClassifierMixin, BaseEstimator):
    """One label for each window of tracks, by a recurrent network that is trained in ``fit``.

    A scan labels bins, with the model of :class:`~genolstm.introgression.model.IntrogressionClassifier`. This
    estimator labels whole windows, which is what scikit-learn's scores and splits are for: use it to see what
    data, channels and networks are worth, with whole regions held out::

        X, y, groups = labelled_windows(["regions"])
        cross_val_score(TrackClassifier(), X, y, groups=groups, cv=GroupKFold(5), scoring="average_precision")

    Parameters
    ----------
    channels
        Number of channels of each bin, for windows that are given as rows of numbers (bin by bin), as some tools of
        scikit-learn need them; None if such a row is a single bin.
    units, layers, bidirectional
        Shape of the recurrent stack, as in :class:`~genolstm.lstm.config.LSTMConfig`.
    pooling
        How the bins of a window become one vector: ``last``, ``mean`` or ``max``.
    epochs, batch_size, learning_rate
        As in :class:`~genolstm.lstm.train.settings.TrainingSettings`. Nothing is held out in ``fit``: the weights
        are those of the epoch with the least loss.
    random_state
        Seed of weights and order; None draws another one for each fit.
    threads
        Threads that predict; 0 means all cores.

    Attributes
    ----------
    classes_
        Labels, sorted.
    n_features_in_
        What scikit-learn checks of later X: numbers in a row, or bins of a window.
    n_channels_
        Channels of each bin.
    onnx_
        The trained network.

    Notes
    -----
    Tracks are counts; the network takes their logarithm itself, and negative values are refused.
    """

    def __init__(
        self,
        *,
        channels: int | None = None,
        units: int = 32,
        layers: int = 1,
        bidirectional: bool = NETWORK.bidirectional,
        pooling: str = "mean",
        epochs: int = TRAINING.epochs,
        batch_size: int = TRAINING.batch_size,
        learning_rate: float = TRAINING.learning_rate,
        random_state: int | np.random.RandomState | None = 1,
        threads: int = 0,
    ) -> None:
        self.channels = channels
        self.units = units
        self.layers = layers
        self.bidirectional = bidirectional
        self.pooling = pooling
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.random_state = random_state
        self.threads = threads

    def fit(self, X: Any, y: Any) -> TrackClassifier:
        """Train.

        Parameters
        ----------
        X
            Windows (n, bins, channels), or (n, bins * channels).
        y
            One label for each.

        Raises
        ------
        ValueError
            X or y is not of this shape, or holds what is not a number, or negative numbers.
        SettingError
            A parameter makes no sense.
        """
        from sklearn.utils import check_random_state

        from genolstm.lstm.bundle.export import export_onnx
        from genolstm.lstm.train.training import train

        x, y = validate_data(self, X, y, dtype=np.float32, allow_nd=True, ensure_min_samples=2)
        check_classification_targets(y)
        windows = self._windows(x)
        self.classes_, labels = np.unique(y, return_inverse=True)
        self.n_channels_ = windows.shape[2]
        self.onnx_: bytes | None = None
        if len(self.classes_) > 1:  # of one class, there is nothing to learn
            config = LSTMConfig(
                head="classify",
                n_outputs=len(self.classes_),
                activation="softmax",
                n_features=windows.shape[2],
                transform="log1p",
                units=self.units,
                layers=self.layers,
                bidirectional=self.bidirectional,
                pooling=self.pooling,  # type: ignore[arg-type]
            )
            seed = int(check_random_state(self.random_state).randint(_MOST_SEED))
            settings = TrainingSettings(
                epochs=self.epochs,
                batch_size=min(self.batch_size, len(windows)),
                learning_rate=self.learning_rate,
                patience=0,
                seed=seed,
                validation_fraction=0.0,
            )
            trained = train(config, settings, windows, labels, progress=False)
            self.onnx_ = export_onnx(trained.model, config, check=False)
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probability of each of ``classes_`` for each window, shape (n, classes).

        Raises
        ------
        ValueError
            The windows are not like those of ``fit``.
        """
        check_is_fitted(self, "classes_")
        x = validate_data(self, X, dtype=np.float32, allow_nd=True, reset=False)
        windows = self._windows(x)
        if windows.shape[2] != self.n_channels_:
            raise ValueError(f"X has {windows.shape[2]} channels, and {self.n_channels_} were fitted")
        if self.onnx_ is None:
            return np.ones((len(windows), 1))
        # A session cannot be pickled, and opening one takes milliseconds: nothing is kept of it.
        raw = Runtime(self.onnx_, threads=self.threads).predict(windows).astype(np.float64)
        found: np.ndarray = raw / raw.sum(axis=1, keepdims=True)
        return found

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable label of each window."""
        probabilities = self.predict_proba(X)
        found: np.ndarray = self.classes_[probabilities.argmax(axis=1)]
        return found

    def _windows(self, x: np.ndarray) -> np.ndarray:
        """Return windows (n, bins, channels) of what scikit-learn has checked."""
        check_non_negative(x, type(self).__name__)
        if x.ndim == 3:
            if self.channels is not None and x.shape[2] != self.channels:
                raise ValueError(f"X has {x.shape[2]} channels, and channels is {self.channels}")
            return x
        if x.ndim != 2:
            raise ValueError(f"X has {x.ndim} dimensions; windows have 3, or 2 as rows of numbers")
        channels = x.shape[1] if self.channels is None else self.channels
        if channels < 1 or x.shape[1] % channels:
            raise ValueError(f"X has {x.shape[1]} features, which are no whole bins of {channels} channels")
        return x.reshape(len(x), -1, channels)

    def __sklearn_tags__(self) -> Tags:
        """Return what scikit-learn should know."""
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        tags.input_tags.three_d_array = True
        tags.non_deterministic = self.random_state is None
        return tags


def labelled_windows(
    regions: Sequence[PathLike], *, bins: int = 50, share: float = 0.5, tracks: TrackSettings = TRACKS
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cut labelled regions (folders as ``introgression simulate`` writes them) into labelled windows.

    Parameters
    ----------
    regions
        Folders, or folders of folders.
    bins
        Number of bins in a window; a shorter remainder is left out.
    share
        Least share of a window that is of any archaic, for the window to be labelled 1, and not 0.
    tracks
        How haplotypes become tracks.

    Returns
    -------
    X, y, groups
        Shapes (n, bins, channels), (n,) and (n,). A group is a chromosome of a region: haplotypes of one region
        share sites, so that whole groups must be held out.

    Raises
    ------
    SettingError
        A value is out of range.
    InputError
        A region is incomplete or invalid, or none is as long as a window.
    """
    if bins < 1 or not 0 < share <= 1:
        raise SettingError(f"bins is {bins} and share {share}; they must be at least 1, and above 0 up to 1")
    labelled = [part for path in region_folders(regions, REGION_FILES) for part in load_region(path, tracks)]
    x, classes, groups = windows(labelled, bins)
    y = (classes[:, :, 1:].sum(axis=2).mean(axis=1) >= share).astype(np.int64)
    return x, y, groups
