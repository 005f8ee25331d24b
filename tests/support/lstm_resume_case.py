"""A small training run, for the tests to kill; run as a script it takes its time."""

import sys
import time

import numpy as np

from genolstm.lstm.config import LSTMConfig
from genolstm.lstm.train.settings import TrainingSettings
from genolstm.lstm.train.training import TrainedModel, train

CONFIG = LSTMConfig(n_features=3, input_units=4, units=4, dropout=0.2, layers=1)
SETTINGS = TrainingSettings(
    epochs=4, batch_size=8, learning_rate=0.02, weight_decay=0.01, patience=0, seed=5, checkpoint_steps=2
)
_pause = 0.0


def augment(x, y, random):
    time.sleep(_pause)
    return x + random.poisson(0.3, x.shape).astype(x.dtype), y


def run(folder=None, log_csv=None, **changes) -> TrainedModel:
    random = np.random.default_rng(0)
    x = random.poisson(1.0, (60, 12, 3)).astype(np.uint8)
    y = (x[..., 0] > x[..., 1]).astype(np.uint8)
    return train(
        CONFIG,
        SETTINGS,
        x,
        y,
        groups=np.arange(60) // 10,
        augment=augment,
        folder=folder,
        log_csv=log_csv,
        **{"progress": False, **changes},
    )


if __name__ == "__main__":
    _pause = 0.1
    # The run is known by its functions' names, which are not those of a script.
    augment.__module__ = "lstm_resume_case"
    run(folder=sys.argv[1], log_csv=sys.argv[2])
