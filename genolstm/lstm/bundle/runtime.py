"""Inference on ONNX Runtime: threads, batches, and sequences of any length.

A long sequence is read in chunks. Each chunk is given ``context`` steps of its neighbours on
either side, whose outputs are dropped, so that no chunk's edge shows in the result. How many steps
that takes is a property of the trained network, which its bundle states.

Some networks latch: a cell may hold what it saw thousands of steps ago, and no practical context
makes all chunks agree to the last digit. Such a model states a ``tile``: its outputs are defined as
those of tiles of that many steps, counted from the start of the sequence, each read with its
context. They are then the same however the sequence is cut for reading.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from genolstm.errors import ModelError, SettingError
from genolstm.lstm.bundle.bundle import Bundle
from genolstm.lstm.bundle.custom import check_custom
from genolstm.lstm.bundle.held import Held, Turned
from genolstm.lstm.bundle.onnx_runtime import load as load_onnx_runtime
from genolstm.threads import count_threads

DEFAULT_CHUNK = 3000
# Steps per call of ONNX Runtime, and the fewest sequences: enough rows to keep the matrix products
# busy, small enough to stay near the cache. Measured with two BiLSTM layers of 32 over tiles of 5,120
# steps: 3 or 4 rows take a tenth less CPU than 8 or more, and the outputs are the same to the bit.
CALL_STEPS = 16_384
MIN_ROWS = 4
# Steps that a stream gathers before it computes, which set the memory that it needs.
STREAM_STEPS = 150_000
# Steps (rows times steps, with their context) that a stream computes at once.
PART_STEPS = 500_000


class Runtime:
    """A network ready to compute.

    Parameters
    ----------
    source
        A bundle, or the bytes of an ONNX graph with one input and one output, a plain chain of
        operators (see :mod:`genolstm.lstm.bundle.custom`).
    threads
        Threads to use; 0 means all cores that the process may use.
    context
        Steps of context that each output needs on either side; by default from the bundle, or 0 for
        a bare graph.
    tile
        Steps per tile, for a network whose outputs are defined by tiles; by default from the
        bundle, or 0 (none) for a bare graph.
    stride
        Steps that the network reads together (see :class:`~genolstm.lstm.config.LSTMConfig`); by default
        from the bundle, or 1 for a bare graph. ``context`` and ``tile`` are multiples of it.

    Raises
    ------
    ModelError
        The graph cannot be loaded.
    """

    def __init__(
        self,
        source: Bundle | bytes,
        *,
        threads: int = 0,
        context: int | None = None,
        tile: int | None = None,
        stride: int | None = None,
    ) -> None:
        if isinstance(source, Bundle):
            content = source.onnx
        else:
            check_custom(source)
            content = source
        if context is None:
            context = source.context if isinstance(source, Bundle) else 0
        if tile is None:
            tile = source.tile if isinstance(source, Bundle) else 0
        if stride is None:
            stride = source.config.stride if isinstance(source, Bundle) and source.config is not None else 1
        self.stride = _at_least_one("stride", stride)
        for name, value in (("context", context), ("tile", tile)):
            if value < 0:
                raise SettingError(f"{name} is {value}, it must be 0 or more")
            if value % stride:
                raise SettingError(f"{name} is {value}, the network reads multiples of {stride}")
        self.context = context
        self.tile = tile
        self.threads = count_threads(threads)
        self.session = open_session(content, threads=1)
        inputs, outputs = self.session.get_inputs(), self.session.get_outputs()
        if len(inputs) != 1 or len(outputs) != 1:
            raise ModelError("the network must have one input and one output")
        self._input, self._output = inputs[0].name, outputs[0].name
        self._shape = inputs[0].shape
        self.dtype = np.dtype(np.int32 if "int32" in inputs[0].type else np.float32)
        self.per_step = len(outputs[0].shape) == 3
        self.n_features = self._shape[2] if len(self._shape) == 3 else None
        if not isinstance(outputs[0].shape[-1], int):
            raise ModelError("the network does not state how many outputs it has")
        self.n_outputs = outputs[0].shape[-1]

    def predict(
        self, x: np.ndarray, *, batch_size: int | None = None, chunk: int | None = None, context: int | None = None
    ) -> np.ndarray:
        """Return the network's outputs, (n, steps, outputs), or (n, outputs) if it pools.

        Parameters
        ----------
        x
            (n, steps, n_features) of any number type, or (n, steps) of codes; may be memory-mapped.
        batch_size
            Number of sequences (or chunks of them) computed at once; by default chosen by their
            length.
        chunk
            Steps per chunk, without its context; affects time and memory, not the outputs. A
            network with tiles ignores it.
        context
            Steps of context, if more than the model's own.
        """
        self._check(x)
        n, steps = x.shape[:2]
        if not self.per_step:
            result = np.empty((n, self.n_outputs), np.float32)
            rows = self._rows(batch_size, n, steps)
            self._run_all(
                _Windows(x, result, [(row, 0, 0, 0) for row in range(i, min(i + rows, n))], steps, 0)
                for i in range(0, n, rows)
            )
            return result
        result = np.empty((n, steps, self.n_outputs), np.float32)
        self._fill(result, x, 0, 0, chunk, context, batch_size)
        return result

    def predict_stream(
        self,
        blocks: Iterable[np.ndarray],
        *,
        chunk: int | None = None,
        context: int | None = None,
        batch_size: int | None = None,
    ) -> Iterator[np.ndarray]:
        """Read sequences block by block and yield their outputs.

        Memory does not grow with length, and hardly with the number of sequences: what waits to be
        computed is packed, and the sequences are computed some at a time (see
        :mod:`genolstm.lstm.bundle.held`).

        Parameters
        ----------
        blocks
            Consecutive arrays (n, steps, n_features), or (n, steps) of codes, with any number of
            steps each.

        Yields
        ------
        numpy.ndarray
            (n, steps, outputs) in order; the blocks' borders are not kept. Together they have as
            many steps as went in, and equal what :meth:`predict` returns for the whole.
        """
        if not self.per_step:
            raise SettingError("a network with one output per sequence cannot be streamed")
        least = self._spans(chunk, context)[1]
        held = Held()
        n = 0
        done = 0  # steps whose outputs are out
        for block in blocks:
            self._check(block)
            held.append(block)
            n = len(block)
            stop = held.stop - least
            stop = stop // (self.tile or self.stride) * (self.tile or self.stride)
            # A part that is much smaller than the context that it needs is little use.
            if stop - done >= max(1, 0 if self.tile else least // 2) and (stop - done) * n >= STREAM_STEPS:
                yield from self._parts(held, n, done, stop, chunk, context, batch_size)
                done = stop
                held.drop(done - least)
        if held.stop > done:
            yield from self._parts(held, n, done, held.stop, chunk, context, batch_size)

    def _parts(
        self, held: Held, n: int, start: int, stop: int, chunk: int | None, context: int | None, batch_size: int | None
    ) -> Iterator[np.ndarray]:
        """Yield the outputs of steps [start, stop), computed for some of the sequences at a time."""
        least = self._spans(chunk, context)[1]
        begin, end = max(start - least, 0), min(stop + least, held.stop)
        rows = max(PART_STEPS // max(end - begin, 1), MIN_ROWS * self.threads)
        if rows >= n:
            yield self._part(held.read(begin, end), begin, start - begin, stop - begin, chunk, context, batch_size)
            return
        turned = Turned((n, stop - start, self.n_outputs))
        for first in range(0, n, rows):
            x = held.read(begin, end, slice(first, first + rows))
            turned.write(first, self._part(x, begin, start - begin, stop - begin, chunk, context, batch_size))
        yield from turned.pieces()

    def _part(
        self,
        x: np.ndarray,
        offset: int,
        start: int,
        stop: int,
        chunk: int | None,
        context: int | None,
        batch_size: int | None,
    ) -> np.ndarray:
        result = np.empty((x.shape[0], stop - start, self.n_outputs), np.float32)
        self._fill(result, x, offset, start, chunk, context, batch_size)
        return result

    def _fill(
        self,
        result: np.ndarray,
        x: np.ndarray,
        offset: int,
        start: int,
        chunk: int | None,
        context: int | None,
        batch_size: int | None,
    ) -> None:
        """Compute the outputs from step ``start`` of ``x`` on, the rest of it being context.

        ``offset`` steps of the sequence came before ``x``.
        """
        chunk, context = self._spans(chunk, context)
        stop = start + result.shape[1]
        if self.tile:
            spans = list(_tiles(x.shape[1], start, stop, offset, self.tile, context))
        else:
            spans = list(_windows(x.shape[1], start, stop, chunk, context, self.stride))
        # Only windows of one width can be stacked; a sequence's first and last are narrower.
        by_width: dict[int, list[tuple[int, int, int]]] = {}
        for begin, end, low, high in spans:
            by_width.setdefault(end - begin, []).append((begin, low, high))
        tasks: list[_Windows] = []
        for width, members in by_width.items():
            rows = self._rows(batch_size, len(x) * len(members), width)
            places = [(row, *member) for row in range(len(x)) for member in members]
            filled = self._multiple(width)
            tasks += [_Windows(x, result, places[i : i + rows], filled, start) for i in range(0, len(places), rows)]
        self._run_all(tasks)

    def _rows(self, batch_size: int | None, total: int, width: int) -> int:
        """Return how many windows of a given width go into one call."""
        if batch_size is not None:
            return _at_least_one("batch_size", batch_size)
        rows = max(MIN_ROWS, CALL_STEPS // max(1, width))
        # Give every thread something to do.
        return max(1, min(rows, -(-total // self.threads)))

    def _spans(self, chunk: int | None, context: int | None) -> tuple[int, int]:
        context = self._multiple(max(self.context, context or 0))
        if chunk is None:
            # Most of the work should go into outputs that are kept.
            return self._multiple(max(DEFAULT_CHUNK, 8 * context)), context
        return self._multiple(_at_least_one("chunk", chunk)), context

    def _multiple(self, steps: int) -> int:
        return -(-steps // self.stride) * self.stride

    def _check(self, x: np.ndarray) -> None:
        if x.ndim != len(self._shape) or (x.ndim == 3 and x.shape[2] != self.n_features):
            needed = "(n, steps)" if x.ndim == 2 else f"(n, steps, {self.n_features})"
            raise ModelError(f"the data have shape {x.shape}, the network reads {needed}")

    def _run_all(self, tasks: Iterable[_Windows]) -> None:
        """Compute calls in parallel.

        Whole calls on one thread each use the cores better than several threads inside one call,
        which wait for each other at every step of the sequence.
        """
        if self.threads == 1:
            for task in tasks:
                self._run(task)
            return
        with ThreadPoolExecutor(self.threads) as pool:
            waiting: deque[Future[None]] = deque()
            for task in tasks:
                waiting.append(pool.submit(self._run, task))
                if len(waiting) >= 2 * self.threads:
                    waiting.popleft().result()
            for future in waiting:
                future.result()

    def _run(self, task: _Windows) -> None:
        values = task.gather(self.dtype)
        if values.size:
            (output,) = run_session(self.session, [self._output], {self._input: values})
            task.scatter(output)


@dataclass(frozen=True)
class _Windows:
    """Windows of equal width, for one call: where they come from, where their outputs go."""

    x: np.ndarray
    result: np.ndarray
    places: list[tuple[int, int, int, int]]  # row, first step, first and end step to keep
    width: int
    start: int  # step of x that is the first of the result

    def gather(self, dtype: np.dtype[Any]) -> np.ndarray:
        values = np.empty((len(self.places), self.width, *self.x.shape[2:]), dtype)
        for target, (row, begin, _, _) in zip(values, self.places, strict=True):
            steps = self.x[row, begin : begin + self.width]
            target[: len(steps)] = steps
            target[len(steps) :] = 0  # a network with a stride reads beyond the end
        return values

    def scatter(self, output: np.ndarray) -> None:
        for window, (row, begin, low, high) in zip(output, self.places, strict=True):
            if self.result.ndim == 2:
                self.result[row] = window
            else:
                kept = window[low - begin : high - begin]
                self.result[row, low - self.start : high - self.start] = kept


def _tiles(
    length: int, start: int, stop: int, offset: int, tile: int, context: int
) -> Iterator[tuple[int, int, int, int]]:
    """Yield windows (begin, end, first and end step to keep), one per tile of the sequence."""
    low = start
    while low < stop:
        first = (low + offset) // tile * tile - offset
        high = min(first + tile, stop)
        yield max(0, first - context), min(length, first + tile + context), low, high
        low = high


def _windows(
    length: int, start: int, stop: int, chunk: int, context: int, stride: int = 1
) -> Iterator[tuple[int, int, int, int]]:
    """Yield windows (begin, end, first and end step to keep) that cover start to stop.

    All are of one width, so that they can be stacked: the last one is moved back to end where
    the sequence does, or, as all begin with a multiple of the stride, less than a stride beyond. Outputs
    are kept where there is full context, or the sequence's end.
    """
    first, last = max(0, start - context), min(length, stop + context)
    first -= first % stride
    width = -(-min(chunk + 2 * context, last - first) // stride) * stride
    low, begin = start, first
    while low < stop:
        begin = min(begin, first + -(-(last - first - width) // stride) * stride)
        end = begin + width
        high = stop if end >= last else min(stop, end - context)
        yield begin, end, low, high
        low, begin = high, begin + chunk


def open_session(content: bytes, *, threads: int = 1) -> Any:
    """Return an ONNX Runtime session on the CPU, for a graph that has been checked.

    Raises
    ------
    ModelError
        The graph cannot be loaded.
    """
    onnxruntime = load_onnx_runtime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Waiting threads should not burn a core that another process needs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's exceptions have no common base class
        reason = str(error).splitlines()[0][:200]
        raise ModelError(f"ONNX Runtime cannot load the network ({reason})") from error


def run_session(session: Any, outputs: list[str], inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Compute, and say so if ONNX Runtime cannot.

    Raises
    ------
    ModelError
        The network's parts do not fit each other, or the memory does not suffice.
    """
    try:
        found: list[np.ndarray] = session.run(outputs, inputs)
        return found
    except Exception as error:  # ONNX Runtime's exceptions have no common base class
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise ModelError(f"ONNX Runtime cannot compute the network ({reason})") from error


def _at_least_one(name: str, value: int) -> int:
    if value < 1:
        raise SettingError(f"{name} is {value}, it must be at least 1")
    return value
