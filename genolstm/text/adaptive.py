"""Dynamic evaluation: the output layer goes on learning from the symbols that it has predicted.

References
----------
Krause, B., Kahembwe, E., Murray, I. and Renals, S. (2018), Dynamic evaluation of neural sequence
models. ICML 35, 2766-2775; here of the last layer alone, one symbol at a time, with the pull back
to the trained weights, but without their scaling by the size of gradients.
"""

from __future__ import annotations

from math import exp
from typing import Any

import numpy as np
import numpy.typing as npt

from genolstm.compiled import compiled
from genolstm.lstm.bundle.bundle import Bundle
from genolstm.lstm.bundle.graph import write_hidden
from genolstm.lstm.bundle.initializers import checked_weights
from genolstm.lstm.bundle.runtime import Runtime

#: Of the gradient for one symbol; how far weights return to the trained ones with each.
_RATE, _RETURN = 0.01, 1e-5

Array = npt.NDArray[np.float32]


class AdaptiveHead:
    """The output layer of a network, which adapts while a text is read.

    Parameters
    ----------
    bundle
        A model whose network ends in a softmax over the symbols.
    """

    def __init__(self, bundle: Bundle, *, rate: float = _RATE, back: float = _RETURN) -> None:
        assert bundle.config is not None
        self._weights = checked_weights(bundle.onnx, bundle.config)
        self._config = bundle.config
        self._rates = np.array([rate, back], np.float32)
        trained = np.concatenate([self._weights["head/kernel"], self._weights["head/bias"][None]])
        self._trained = np.ascontiguousarray(trained, np.float32)
        self._own = self._trained.copy()

    def runtime(self, threads: int) -> Runtime:
        """Return the network without its output layer."""
        return Runtime(write_hidden(self._config, self._weights), threads=threads)

    def read(self, hidden: Array, codes: npt.NDArray[Any]) -> Array:
        """Return the chances of all symbols at each step, and learn which one came.

        Parameters
        ----------
        hidden
            What the layer reads, (steps, units).
        codes
            What came, (steps,); codes from the number of symbols on teach nothing.

        Returns
        -------
        (steps, symbols)
        """
        chances = np.empty((len(hidden), self._own.shape[1]), np.float32)
        with_one = np.ones((len(hidden), hidden.shape[1] + 1), np.float32)
        with_one[:, :-1] = hidden
        _adapt(self._own, self._trained, with_one, codes.astype(np.int64), self._rates, chances)
        return chances


@compiled(fastmath=True)
def _adapt(own: Any, trained: Any, hidden: Any, codes: Any, rates: Any, chances: Any) -> None:
    n_units, n_symbols = own.shape
    rate, back = rates
    sums = np.empty(n_symbols, np.float32)
    for i in range(len(hidden)):
        sums[:] = 0
        for unit in range(n_units):
            h = hidden[i, unit]
            for symbol in range(n_symbols):
                sums[symbol] += h * own[unit, symbol]
        most = sums[0]
        for symbol in range(n_symbols):
            most = max(most, sums[symbol])
        total = np.float32(0)
        for symbol in range(n_symbols):
            sums[symbol] = np.float32(exp(sums[symbol] - most))
            total += sums[symbol]
        for symbol in range(n_symbols):
            sums[symbol] /= total
            chances[i, symbol] = sums[symbol]
        if codes[i] >= n_symbols:
            continue
        sums[codes[i]] -= 1
        for unit in range(n_units):
            step = rate * hidden[i, unit]
            for symbol in range(n_symbols):
                weight = own[unit, symbol]
                own[unit, symbol] = weight - step * sums[symbol] + back * (trained[unit, symbol] - weight)
