"""What a training run says while it runs: a bar on a terminal, a line per epoch elsewhere."""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

from genolstm.files import PathLike, atomic_text
from genolstm.numbers import duration
from genolstm.terminal import Seldom, terminal_line


class Reporter(Protocol):
    """What the training loop calls."""

    def step(self, epoch: int, step: int, steps: int, loss: float) -> None:
        """Report that a step is done; epochs and steps count from 1."""

    def epoch(self, row: Mapping[str, float]) -> None:
        """Report that an epoch is done."""

    def close(self) -> None:
        """Leave the terminal as it was."""


def make_reporter(*, progress: bool, epochs: int) -> Reporter:
    """Return a bar if stderr is a terminal, lines if not, and silence if no progress is wanted."""
    if not progress:
        return _Silent()
    return _Bar(epochs) if sys.stderr.isatty() else _Lines(epochs)


#: Seconds between two lines where no bar can be drawn: an epoch may take an hour.
_PAUSE = 30.0


class Clock:
    """Estimates how long the rest of the epochs will take, from those that this process has seen.

    It is the most that a run can take: one that gets no better ends earlier.
    """

    def __init__(self, epochs: int) -> None:
        self._epochs = epochs
        self._begun: tuple[float, float] | None = None
        self._done = 0.0

    def step(self, epoch: int, step: int, steps: int) -> None:
        """Take note of a step that is done."""
        self._done = epoch - 1 + step / steps
        if self._begun is None:
            # Not before: the first step takes longer than others, as its code is made. A resumed run begins anywhere.
            self._begun = time.monotonic(), self._done

    def left(self) -> str:
        """Return the estimate as the end of a line; empty if there is nothing to go by, or nothing to come."""
        if self._begun is None or self._done <= self._begun[1] or self._done >= self._epochs:
            return ""
        seconds = (time.monotonic() - self._begun[0]) / (self._done - self._begun[1]) * (self._epochs - self._done)
        return f"at most about {duration(seconds)} left"


class _Silent:
    def step(self, epoch: int, step: int, steps: int, loss: float) -> None: ...

    def epoch(self, row: Mapping[str, float]) -> None: ...

    def close(self) -> None: ...


class _Lines(_Silent):
    def __init__(self, epochs: int) -> None:
        self._epochs, self._clock = epochs, Clock(epochs)
        self._told = time.monotonic()

    def step(self, epoch: int, step: int, steps: int, loss: float) -> None:
        self._clock.step(epoch, step, steps)
        if step < steps and time.monotonic() - self._told >= _PAUSE:
            self._tell(f"epoch {epoch}/{self._epochs}  step {step}/{steps}  loss {loss:.4f}")

    def epoch(self, row: Mapping[str, float]) -> None:
        self._tell(_summary(row, self._epochs))

    def _tell(self, text: str) -> None:
        self._told = time.monotonic()
        print("  ".join(filter(None, (text, self._clock.left()))), file=sys.stderr, flush=True)


class _Bar(_Silent):
    def __init__(self, epochs: int) -> None:
        self._epochs, self._clock, self._seldom = epochs, Clock(epochs), Seldom()
        self._line = terminal_line("", "{desc} {bar:30} {n_fmt}/{total_fmt}{postfix}")

    def step(self, epoch: int, step: int, steps: int, loss: float) -> None:
        self._clock.step(epoch, step, steps)
        line = self._line
        if step < line.n or line.total != steps:
            line.reset(steps)
        line.n = step
        if self._seldom.allows() or step == steps:
            line.set_description_str(f"epoch {epoch}/{self._epochs}", refresh=False)
            line.set_postfix_str("  ".join(filter(None, (f"loss {loss:.4f}", self._clock.left()))))

    def epoch(self, row: Mapping[str, float]) -> None:
        self._line.write(_summary(row, self._epochs), file=sys.stderr)

    def close(self) -> None:
        self._line.close()


def _summary(row: Mapping[str, float], epochs: int) -> str:
    parts = [f"epoch {int(row['epoch'])}/{epochs}", f"loss {row['loss']:.4f}"]
    if "val_loss" in row:
        parts.append(f"held-out loss {row['val_loss']:.4f}")
    if "metric" in row:
        parts.append(f"metric {row['metric']:.4f}")
    parts.append(f"{row['seconds']:.1f} s, {row['sequences_per_s']:.0f} sequences/s")
    return "  ".join(parts)


#: Where the log lies during the training: in the folder of the checkpoint.
LOG_NAME = "log.csv"


def publish_log(folder: PathLike, path: PathLike, *, force: bool = False) -> None:
    """Copy the log of a finished run from the folder of its checkpoint to where it was asked for.

    Called when the model is in place: of a run that was killed, nothing must be in the way of the next.
    """
    with atomic_text(path, force=force) as stream:
        stream.write((Path(folder) / LOG_NAME).read_text(encoding="utf-8"))


def write_csv(path: PathLike, history: Iterable[Mapping[str, float]]) -> None:
    """Write the whole log again: one row per epoch, so that a resumed run repeats none."""
    rows = list(history)
    if not rows:
        return
    with atomic_text(path, force=True) as stream:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
