"""Reading one step at a time with the state carried: constant work per step, for generation."""

from __future__ import annotations

import numpy as np

from genolstm.errors import ModelError
from genolstm.lstm.bundle.bundle import Bundle
from genolstm.lstm.bundle.graph import write_step
from genolstm.lstm.bundle.initializers import checked_weights
from genolstm.lstm.bundle.runtime import open_session, run_session
from genolstm.lstm.config import LSTMConfig


class Stepper:
    """A network with the head ``next``, and its state.

    Parameters
    ----------
    source
        A bundle, or the bytes of its ``step.onnx`` with ``config``.
    n
        How many sequences to read in parallel.
    config
        The network's settings, if ``source`` is no bundle.

    Raises
    ------
    ModelError
        The bundle has no one-step graph.
    """

    def __init__(self, source: Bundle | bytes, n: int = 1, *, config: LSTMConfig | None = None) -> None:
        if isinstance(source, Bundle):
            content = source.member("step.onnx")
        else:
            if config is None:
                raise ModelError("a one-step graph without its settings is not read")
            checked_weights(source, config, write_step)
            content = source
        # The work of a step is too small to share among threads.
        self.session = open_session(content, threads=1)
        first, *states = self.session.get_inputs()
        if not states:
            raise ModelError("the network carries no state")
        self._input = first.name
        self._shape = first.shape[1:]
        self._dtype = np.dtype(np.int32 if "int32" in first.type else np.float32)
        self._widths = {state.name: int(state.shape[2]) for state in states}
        self._outputs = [output.name for output in self.session.get_outputs()]
        self.state: dict[str, np.ndarray] = {}
        self.reset(n)

    def reset(self, n: int = 1) -> None:
        """Reset the state, for ``n`` sequences."""
        self.n = n
        self.state = {name: np.zeros((1, n, width), np.float32) for name, width in self._widths.items()}

    def step(self, x: np.ndarray) -> np.ndarray:
        """Read one step, (n,) codes or (n, n_features); return the outputs after it, (n, outputs).

        Raises
        ------
        ModelError
            The step has another shape.
        """
        values = np.ascontiguousarray(x, dtype=self._dtype)
        if values.shape != (self.n, *self._shape):
            raise ModelError(f"a step has shape {values.shape}, the network reads {(self.n, *self._shape)}")
        output, *after = run_session(self.session, self._outputs, {self._input: values, **self.state})
        self.state = dict(zip(self.state, after, strict=True))
        result: np.ndarray = output
        return result
