import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import lstm_resume_case as case

from genolstm.errors import InputError, SettingError
from genolstm.lstm.config import LSTMConfig
from genolstm.lstm.splits import split_by_group
from genolstm.lstm.train.checkpoint import FILE_NAME, fingerprint_data
from genolstm.lstm.train.settings import TrainingSettings
from genolstm.lstm.train.training import train

pytest.importorskip("tensorflow")
pytestmark = pytest.mark.xdist_group("tensorflow")

TINY = LSTMConfig(n_features=2, units=3, layers=1, bidirectional=False)
QUICK = TrainingSettings(epochs=2, batch_size=8, patience=0)


def tiny_data(n=40, steps=6):
    x = np.random.default_rng(0).poisson(1.0, (n, steps, 2)).astype(np.uint8)
    return x, (x[..., 0] > x[..., 1]).astype(np.uint8), np.arange(n) // 5


def weights_equal(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one.model.get_weights(), other.model.get_weights(), strict=True))


@given(
    groups=st.lists(st.sampled_from("abcdefg"), min_size=2, max_size=60),
    fraction=st.floats(0.01, 0.99),
    seed=st.integers(0, 99),
)
def test_a_split_never_shares_a_group(groups, fraction, seed):
    if len(set(groups)) < 2:
        with pytest.raises(SettingError, match="cannot be split"):
            split_by_group(groups, fraction, seed)
        return
    training, held = split_by_group(groups, fraction, seed)
    labels = np.array(groups)
    assert not set(labels[training]) & set(labels[held])
    assert sorted([*training, *held]) == list(range(len(groups)))
    assert len(training)
    assert len(held)


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"epochs": 0}, "epochs"),
        ({"batch_size": 2.5}, "batch_size"),
        ({"learning_rate": 0}, "learning_rate"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"schedule": "linear"}, "schedule"),
        ({"validation_fraction": 1}, "validation_fraction"),
        ({"seed": -1}, "seed"),
    ],
)
def test_settings_that_make_no_sense(changed, field):
    with pytest.raises(SettingError, match=field):
        TrainingSettings(**changed)


@pytest.fixture(scope="module")
def uninterrupted():
    return case.run()


def test_training_learns(uninterrupted):
    losses = [row["val_loss"] for row in uninterrupted.history]
    assert [row["epoch"] for row in uninterrupted.history] == [1, 2, 3, 4]
    assert min(losses) == uninterrupted.best_score < losses[0]
    assert uninterrupted.history[uninterrupted.best_epoch - 1]["val_loss"] == min(losses)


def test_a_killed_run_resumes_to_the_same_result(tmp_path, uninterrupted):
    log, checkpoint = tmp_path / "log.csv", tmp_path / FILE_NAME
    command = [sys.executable, case.__file__, os.fspath(tmp_path), os.fspath(log)]
    child = subprocess.Popen(command)
    try:
        # The fourth checkpoint is in the middle of the second epoch.
        seen, end = set(), time.monotonic() + 120
        while len(seen) < 5 and time.monotonic() < end and child.poll() is None:
            if checkpoint.exists():
                found = checkpoint.stat()
                seen.add((found.st_ino, found.st_mtime_ns))  # numbers of replaced files come again
            time.sleep(0.02)
    finally:
        child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    with np.load(checkpoint, allow_pickle=False) as content:
        state = json.loads(bytes(content["state"]))
    assert not state["progress"]["finished"]
    assert 1 <= state["progress"]["epoch"] <= 3

    resumed = case.run(folder=tmp_path, log_csv=log)
    assert weights_equal(resumed, uninterrupted)
    assert resumed.best_epoch == uninterrupted.best_epoch
    with log.open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4"]
    for row, expected in zip(rows, uninterrupted.history, strict=True):
        assert float(row["loss"]) == expected["loss"]
        assert float(row["val_loss"]) == expected["val_loss"]

    # A finished run is not trained again.
    again = case.run(folder=tmp_path)
    assert weights_equal(again, uninterrupted)
    assert [row["seconds"] for row in again.history] == [row["seconds"] for row in resumed.history]


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    x, y, groups = tiny_data()
    folder = tmp_path / "new" / "folder"
    train(TINY, QUICK, x, y, groups=groups, folder=folder, progress=False)
    changed = x.copy()
    changed[3, 2, 1] += 1
    other = TrainingSettings(epochs=2, batch_size=4, patience=0)
    for settings, data, said in (
        (QUICK, changed, "data.x holds other values"),
        (QUICK, x[:, :5], "shape"),
        (other, x, "batch_size was 8, now 4"),
    ):
        with pytest.raises(SettingError, match=said):
            train(TINY, settings, data, y[:, : data.shape[1]], groups=groups, folder=folder, progress=False)
    started_over = train(TINY, other, x, y, groups=groups, folder=folder, resume=False, progress=False)
    assert len(started_over.history) == 2
    (folder / FILE_NAME).write_bytes(b"PK\x03\x04 broken")
    with pytest.raises(InputError, match="damaged"):
        train(TINY, other, x, y, groups=groups, folder=folder, progress=False)


def test_steps_of_no_weight_do_not_count():
    x, y, groups = tiny_data()
    weight = np.ones(y.shape, np.float32)
    weight[:, 4:] = 0
    wrong = y.copy()
    wrong[:, 4:] = 1 - wrong[:, 4:]
    one, other = (
        train(TINY, QUICK, x, labels, groups=groups, sample_weight=weight, progress=False) for labels in (y, wrong)
    )
    assert weights_equal(one, other)
    assert not weights_equal(one, train(TINY, QUICK, x, wrong, groups=groups, progress=False))


def test_memory_mapped_data_train_the_same(tmp_path):
    x, y, groups = tiny_data()
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    one, other = (train(TINY, QUICK, data, y, groups=groups, progress=False) for data in (x, mapped))
    assert weights_equal(one, other)


def test_the_metric_chooses_and_patience_stops():
    x, y, groups = tiny_data()
    scores = iter([0.2, 0.9, 0.5, 0.4, 0.3, 0.1])
    seen = []

    def metric(truth, prediction):
        assert truth.shape == (*prediction.shape[:2],)
        seen.append(next(scores))
        return seen[-1]

    settings = TrainingSettings(epochs=6, batch_size=8, patience=2)
    found = train(TINY, settings, x, y, groups=groups, metric=metric, progress=False)
    assert seen == [0.2, 0.9, 0.5, 0.4]
    assert (found.best_epoch, found.best_score) == (2, 0.9)


def test_best_weights_are_kept():
    x, y, groups = tiny_data()
    scores = iter([1.0, 0.0])
    settings = TrainingSettings(epochs=2, batch_size=8, patience=0, schedule="constant")
    found = train(TINY, settings, x, y, groups=groups, metric=lambda *_: next(scores), progress=False)
    once = train(
        TINY, TrainingSettings(epochs=1, batch_size=8, schedule="constant"), x, y, groups=groups, progress=False
    )
    assert weights_equal(found, once)


def test_own_model_own_loss_and_nested_data():
    import keras
    import tensorflow as tf

    x, y, groups = tiny_data()
    called = []

    def make_model(config):
        left, right = keras.Input((None, 2), name="left"), keras.Input((None, 2), name="right")
        shared = keras.layers.LSTM(3, return_sequences=True)
        return keras.Model([left, right], keras.layers.Dense(1)(shared(left) - shared(right)))

    @tf.custom_gradient
    def squared(prediction, truth):
        called.append(1)
        return tf.square(prediction - truth), lambda up: (2 * up * (prediction - truth), None)

    def loss(truth, prediction):
        return squared(prediction[..., 0], tf.cast(truth["order"], tf.float32))

    found = train(
        TINY, QUICK, (x, x[:, ::-1]), {"order": y}, groups=groups, loss=loss, make_model=make_model, progress=False
    )
    assert called
    assert found.history[1]["loss"] < found.history[0]["loss"]


def test_classes_and_targets():
    x, y, groups = tiny_data()
    classes = LSTMConfig(n_features=2, units=3, layers=1, head="classify", n_outputs=2, bidirectional=False)
    labels = y[:, 0]
    one = train(classes, QUICK, x, labels, groups=groups, progress=False)
    other = train(classes, QUICK, x, np.eye(2)[labels], groups=groups, progress=False)
    for a, b in zip(one.model.get_weights(), other.model.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    target = LSTMConfig(n_features=2, units=3, layers=1, head="regress", bidirectional=False)
    found = train(target, QUICK, x, x.sum(axis=(1, 2)) / 9, groups=groups, progress=False)
    assert found.history[1]["loss"] < found.history[0]["loss"]
    named = train(target, QUICK, x, x.sum(axis=(1, 2))[:, None] / 9.0, groups=groups, loss="mse", progress=False)
    assert weights_equal(found, named)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"groups": None}, "groups are needed"),
        ({"groups": np.zeros(40)}, "cannot be split"),
        ({"groups": np.zeros(3)}, "3 groups"),
        ({"sample_weight": np.ones(3)}, "3 weights"),
        ({"loss": "squirrel"}, "squirrel"),
        ({"metric_mode": "best"}, "metric_mode"),
    ],
)
def test_data_that_do_not_fit(changed, said):
    x, y, groups = tiny_data()
    with pytest.raises(SettingError, match=said):
        train(TINY, QUICK, x, y, **{"groups": groups, "progress": False, **changed})


def test_targets_that_do_not_fit():
    x, y, groups = tiny_data()
    with pytest.raises(SettingError, match="39 targets"):
        train(TINY, QUICK, x, y[:39], groups=groups, progress=False)
    with pytest.raises(SettingError, match="no training data"):
        train(TINY, QUICK, x[:0], y[:0], groups=groups[:0], progress=False)


def test_a_loss_that_is_no_number_stops_the_run():
    x, y, groups = tiny_data()
    data = x.astype(np.float32)
    data[:, 3] = np.nan
    with pytest.raises(SettingError, match="loss is nan in epoch 1, step 1"):
        train(TINY, QUICK, data, y, groups=groups, progress=False)


def test_a_line_an_epoch_where_there_is_no_terminal(capsys):
    x, y, groups = tiny_data()
    train(TINY, QUICK, x, y, groups=groups)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert [line.split("  ")[0] for line in captured.err.splitlines()] == ["epoch 1/2", "epoch 2/2"]


def test_fingerprints_tell_data_apart():
    x, _, _ = tiny_data()
    assert fingerprint_data(x) == fingerprint_data(x.copy())
    for other in (x[::-1], x.astype(np.int8), x[:, :3], [x], None):
        assert fingerprint_data(other) != fingerprint_data(x)


@pytest.mark.slow
def test_several_devices_train_like_one(tmp_path):
    code = """
import sys
import numpy as np
import tensorflow as tf
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
from genolstm.lstm.train import training
from support import lstm_resume_case as case
from dataclasses import replace
case.CONFIG = replace(case.CONFIG, dropout=0.0)
one = case.run()
case.SETTINGS = replace(case.SETTINGS, distribute=True)
training._strategy = lambda tf: tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
two = case.run()
for a, b in zip(one.model.get_weights(), two.model.get_weights(), strict=True):
    np.testing.assert_allclose(a, b, atol=1e-5)
np.testing.assert_allclose(one.best_score, two.best_score, atol=1e-6)
"""
    folder = os.fspath(Path(case.__file__).parents[1])
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": folder})
