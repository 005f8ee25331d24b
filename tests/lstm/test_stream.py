import numpy as np
import pytest

from genolstm.errors import SettingError
from genolstm.lstm.config import LSTMConfig
from genolstm.lstm.train.settings import TrainingSettings

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.xdist_group("tensorflow")

from genolstm.lstm.train.stream import _Lanes, train_stream  # noqa: E402

CONFIG = LSTMConfig(
    head="next", input="embedding", vocabulary=4, input_units=3, n_outputs=3, units=8, layers=1, bidirectional=False
)
QUICK = TrainingSettings(epochs=2, batch_size=4, learning_rate=0.02, patience=0)


def ring(n=200):
    return np.concatenate([[3], np.tile([0, 1, 2, 1], n)[: n - 1]]).astype(np.uint8)


def equal(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one.model.get_weights(), other.model.get_weights(), strict=True))


def test_windows_follow_on_each_other_around_the_ring():
    lanes = _Lanes([np.array([3, 0, 1, 2, 0])], CONFIG, 3)
    x, y, weight = lanes.windows(np.array([0, 3]), np.zeros(2, int))
    assert x.tolist() == [[3, 0, 1], [2, 0, 3]]
    assert y.tolist() == [[0, 1, 2], [0, 0, 0]]
    assert weight.tolist() == [[1, 1, 1], [1, 0, 1]]  # a boundary is never predicted


def test_the_state_is_carried_over_a_window_s_edge():
    """Held-out windows of two all begin with a 1: what comes next, 0 or 2, came before it."""
    settings = TrainingSettings(epochs=12, batch_size=4, learning_rate=0.03, patience=0)
    found = train_stream(CONFIG, settings, ring(), steps=2, validation=ring(81), progress=False)
    assert found.best_score < 0.2  # without memory: log(2) for every other symbol, 0.35


def test_a_run_goes_on_in_the_middle_of_an_epoch_to_the_same_weights(tmp_path, monkeypatch):
    from dataclasses import replace

    from genolstm.lstm.train.stream import StreamLoop

    whole = train_stream(CONFIG, QUICK, ring(), steps=5, progress=False)
    settings = replace(QUICK, checkpoint_steps=3)
    saved = StreamLoop._save
    calls = []

    def stop(self):
        saved(self)
        calls.append(self.state.step)
        if len(calls) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(StreamLoop, "_save", stop)
    with pytest.raises(KeyboardInterrupt):
        train_stream(CONFIG, settings, ring(), steps=5, folder=tmp_path, progress=False)
    assert calls[-1] == 6  # of 10
    monkeypatch.setattr(StreamLoop, "_save", saved)
    resumed = train_stream(CONFIG, settings, ring(), steps=5, folder=tmp_path, progress=False)
    assert equal(whole, resumed)


def test_each_lane_takes_one_reading(monkeypatch):
    forward, backward = ring(40), ring(40)[::-1].copy()
    both = _Lanes([forward, backward], CONFIG, 6)
    x, _, _ = both.windows(np.array([4, 4]), np.array([0, 1]))
    assert x.tolist() == [forward[4:10].tolist(), backward[4:10].tolist()]


@pytest.mark.parametrize(
    ("stream", "message"),
    [
        (np.array([0]), "at least 2"),
        (np.array([0, 4]), "codes from 0 to 3"),
        (np.array([3, 3, 3]), "nothing to predict"),
        ([np.array([0, 1]), np.array([0, 1, 2])], "same length"),
    ],
)
def test_a_stream_that_does_not_fit_is_refused(stream, message):
    with pytest.raises(SettingError, match=message):
        train_stream(CONFIG, QUICK, stream, steps=2, progress=False)
