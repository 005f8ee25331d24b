"""What a training run says: how far it is, and how long it will take."""

from __future__ import annotations

import io
import sys

import pytest
from support import Terminal

from genolstm.lstm.train import reporting
from genolstm.lstm.train.reporting import Clock, make_reporter
from genolstm.numbers import duration

ROW = {"epoch": 2, "loss": 0.5, "seconds": 60.0, "sequences_per_s": 3.0}


class Time:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch) -> Time:
    time = Time()
    monkeypatch.setattr(reporting, "time", time)
    return time


def test_the_time_left_is_that_of_the_epochs_to_come(clock: Time) -> None:
    left = Clock(epochs=11)
    assert left.left() == ""
    left.step(1, 1, 10)  # compiles, however long that takes
    assert left.left() == ""
    clock.now += 9 * 60
    left.step(1, 10, 10)  # a step takes a minute: ten epochs of ten steps are left
    assert left.left() == "at most about 1 h 40 min left"
    clock.now += 99 * 60
    left.step(10, 10, 10)
    assert left.left() == f"at most about {duration(60 * 10 * 108 / 99)} left"
    left.step(11, 10, 10)
    assert left.left() == ""


def test_a_resumed_run_counts_only_what_it_has_done(clock: Time) -> None:
    left = Clock(epochs=10)
    left.step(8, 5, 10)
    clock.now += 30
    left.step(9, 5, 10)
    assert left.left() == "at most about 1 min left"  # 1.5 epochs of 30 s


def test_lines_tell_it_after_each_epoch_and_now_and_then_between(clock: Time, monkeypatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    told = make_reporter(progress=True, epochs=4)
    for step in range(1, 5):
        told.step(1, step, 4, 0.7)
        clock.now += 20
    told.epoch({**ROW, "epoch": 1})
    lines = sys.stderr.getvalue().splitlines()
    assert lines[0] == "epoch 1/4  step 3/4  loss 0.7000  at most about 4 min left"
    assert len(lines) == 2
    assert lines[1].startswith("epoch 1/4  loss 0.5000")
    assert lines[1].endswith("sequences/s  at most about 5 min left")


def test_silence_is_silent(monkeypatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    told = make_reporter(progress=False, epochs=2)
    told.step(1, 1, 1, 0.1)
    told.epoch(ROW)
    assert sys.stderr.getvalue() == ""


def test_a_bar_tells_it_too(monkeypatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    told = make_reporter(progress=True, epochs=100)
    told.step(1, 1, 2, 0.1)
    reporting.time.sleep(0.01)
    told.step(1, 2, 2, 0.1)
    told.close()
    assert "at most about" in terminal.getvalue()
