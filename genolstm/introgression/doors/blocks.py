"""The blocks of tracks that every door yields, and how they become posteriors."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import numpy as np

from genolstm.errors import SettingError
from genolstm.introgression.channels import CHANNELS
from genolstm.introgression.segments import PosteriorBlock
from genolstm.introgression.settings import TrackSettings
from genolstm.introgression.tracks import RARE_DIFFER, RARE_MATCH
from genolstm.lstm.bundle.held import Held

T = TypeVar("T")


@dataclass
class TrackBlock:
    """Tracks of consecutive bins of the haplotypes of one sequence.

    ``tracks`` has shape (haplotypes, bins, channels); the rest is as in
    :class:`~genolstm.introgression.segments.PosteriorBlock`.
    """

    chrom: str
    haplotypes: Sequence[tuple[str, str]]
    first_bin: int
    tracks: np.ndarray
    length: int | None
    last: bool


class Door(Protocol):
    """One kind of input. A new kind is a new module in this folder with a class of this shape."""

    def names(self) -> list[tuple[str, str]]:
        """Return (sample, haplotype) of every haplotype that gets a track."""
        ...

    def tracks(
        self, settings: TrackSettings, *, threads: int = 1, stages: Stages | None = None
    ) -> Iterator[TrackBlock]:
        """Yield the tracks of all haplotypes; the blocks of a sequence are consecutive.

        Files are opened immediately and read as blocks are requested.
        """
        ...

    def left_out(self) -> list[str]:
        """Return human-readable lines on what was read but not used."""
        ...


class Predictor(Protocol):
    """Reads the tracks of one sequence in blocks and yields P(archaic) of every bin, in order."""

    def stream(self, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield posteriors, shape (haplotypes, bins)."""
        ...


@dataclass
class Stages:
    """Seconds spent in each stage of a scan; stages of different threads overlap."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def time(self, stage: str) -> Iterator[None]:
        """Add the run time of the ``with`` block to ``stage``."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start

    def timed(self, stage: str, items: Iterable[T]) -> Iterator[T]:
        """Yield items, adding the time spent waiting for each to ``stage``."""
        iterator = iter(items)
        while True:
            with self.time(stage):
                try:
                    item = next(iterator)
                except StopIteration:
                    return
            yield item


def prefetch(items: Iterable[T], ahead: int = 1) -> Iterator[T]:
    """Compute the next items in a thread while the current one is processed."""
    waiting: queue.Queue[tuple[bool, object]] = queue.Queue(ahead)
    stop = threading.Event()

    def put(entry: tuple[bool, object]) -> bool:
        while not stop.is_set():
            try:
                waiting.put(entry, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        try:
            for item in items:
                if not put((True, item)):
                    return
            put((False, None))
        except BaseException as error:  # passed on, and raised by the consumer below
            put((False, error))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        while True:
            more, value = waiting.get()
            if more:
                yield value  # type: ignore[misc]
            elif value is None:
                return
            else:
                raise value  # type: ignore[misc]
    finally:
        stop.set()
        thread.join()


def posterior_blocks(
    blocks: Iterable[TrackBlock],
    predictor: Predictor,
    *,
    stages: Stages | None = None,
    progress: Callable[[TrackBlock], None] | None = None,
) -> Iterator[PosteriorBlock]:
    """Yield the posterior of every bin, sequence by sequence, in order.

    Parameters
    ----------
    blocks
        Tracks; the blocks of a sequence are consecutive, and the last one is marked.
    predictor
        The network or the baseline.
    progress
        Called with each block after it is read.
    """
    stages = stages or Stages()
    source = iter(blocks)
    for head in source:
        waiting = Held()
        newest = head

        def feed(first: TrackBlock = head, held: Held = waiting) -> Iterator[np.ndarray]:
            nonlocal newest
            block = first
            while True:
                _check_channels(block)
                held.append(_evidence(block))
                newest = block
                if progress is not None:
                    progress(block)
                yield block.tracks
                if block.last:
                    return
                block = next(source)

        done = 0
        for posterior in stages.timed("network", predictor.stream(feed())):
            stop = done + posterior.shape[1]
            evidence = waiting.read(done, stop)
            waiting.drop(stop)
            yield PosteriorBlock(
                head.chrom,
                head.haplotypes,
                head.first_bin + done,
                posterior,
                evidence[:, :, 0],
                evidence[:, :, 1],
                newest.length,
                newest.last and stop == waiting.stop,
            )
            done = stop


def _evidence(block: TrackBlock) -> np.ndarray:
    """Return what the segments need of the tracks: rare matches and differences."""
    return np.stack([block.tracks[:, :, channels].sum(axis=2) for channels in (RARE_MATCH, RARE_DIFFER)], axis=2)


def _check_channels(block: TrackBlock) -> None:
    if block.tracks.shape[2] != len(CHANNELS):
        raise SettingError(f"tracks have {block.tracks.shape[2]} channels, not {len(CHANNELS)}")
