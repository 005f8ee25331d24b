"""What an LSTM does, gate by gate, in NumPy.

The readable reference: it computes in float64 what Keras and ONNX Runtime compute, and is checked
against them. It also shows what happens inside: :func:`trace` gives every gate of a layer at every
step. For a step with input x, and the state h, c that the previous step left (Hochreiter and
Schmidhuber 1997, with the forget gate of Gers et al. 2000):

    i = sigmoid(x Wi + h Ui + bi)        how much of the candidate goes in
    f = sigmoid(x Wf + h Uf + bf)        how much of the old cell state stays
    g = tanh(x Wg + h Ug + bg)           the candidate
    o = sigmoid(x Wo + h Uo + bo)        how much of the cell shows
    c = f * c + i * g
    h = o * tanh(c)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from genolstm.errors import ModelError, SettingError
from genolstm.lstm.config import LSTMConfig

Weights = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class GateTrace:
    """Gates and states of one direction of one LSTM layer, each array (n, steps, units).

    Steps are in the sequence's order, even for the backward direction.

    Attributes
    ----------
    input, forget, output
        The gates, from 0 (shut) to 1 (open).
    candidate
        What would be written to the cell, from -1 to 1.
    cell
        The cell state after the step.
    hidden
        The layer's output.
    """

    input: np.ndarray
    forget: np.ndarray
    candidate: np.ndarray
    output: np.ndarray
    cell: np.ndarray
    hidden: np.ndarray


def sigmoid(x: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + exp(-x)), without overflow."""
    return 0.5 * (1.0 + np.tanh(0.5 * x))


def lstm_step(
    x: np.ndarray, h: np.ndarray, c: np.ndarray, kernel: np.ndarray, recurrent: np.ndarray, bias: np.ndarray
) -> tuple[np.ndarray, ...]:
    """Return input gate, forget gate, candidate, output gate, new cell state and new output.

    ``x`` is (n, features), ``h`` and ``c`` (n, units), ``kernel`` (features, 4 units),
    ``recurrent`` (units, 4 units), ``bias`` (4 units), with the gates in the order i, f, g, o.
    """
    zi, zf, zg, zo = np.split(x @ kernel + h @ recurrent + bias, 4, axis=-1)
    i, f, g, o = sigmoid(zi), sigmoid(zf), np.tanh(zg), sigmoid(zo)
    c = f * c + i * g
    return i, f, g, o, c, o * np.tanh(c)


def gru_step(x: np.ndarray, h: np.ndarray, kernel: np.ndarray, recurrent: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Return the new state of a GRU (Cho et al. 2014; the reset gate after the product).

    ``bias`` is (2, 3 units): one row for the input's product, one for the state's.
    """
    z, _, g, _ = gru_gates(x, h, kernel, recurrent, bias)
    return z * h + (1.0 - z) * g


def gru_gates(
    x: np.ndarray, h: np.ndarray, kernel: np.ndarray, recurrent: np.ndarray, bias: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return update gate, reset gate, candidate, and what the reset gate lets into it."""
    xz, xr, xg = np.split(x @ kernel + bias[0], 3, axis=-1)
    hz, hr, hg = np.split(h @ recurrent + bias[1], 3, axis=-1)
    z, r = sigmoid(xz + hz), sigmoid(xr + hr)
    return z, r, np.tanh(xg + r * hg), hg


def rnn_step(x: np.ndarray, h: np.ndarray, kernel: np.ndarray, recurrent: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Return the new state of a plain recurrent layer (Elman 1990)."""
    return np.tanh(x @ kernel + h @ recurrent + bias)


def forward(config: LSTMConfig, weights: Weights, x: np.ndarray) -> np.ndarray:
    """Return the whole network's outputs, as Keras and ONNX Runtime give them.

    Parameters
    ----------
    x
        (n, steps, n_features), or (n, steps) of codes.

    Returns
    -------
    numpy.ndarray
        (n, steps, outputs), or (n, outputs) with pooling; float64.
    """
    hidden = _stack_input(config, weights, x)
    for index in range(1, config.layers + 1):
        hidden, last = _layer(config, weights, index, hidden)
    if config.pooling == "last":
        hidden = last
    elif config.pooling == "mean":
        hidden = hidden.mean(axis=1)
    elif config.pooling == "max":
        hidden = hidden.max(axis=1)
    return _head(config, weights, hidden)


def trace(
    config: LSTMConfig, weights: Weights, x: np.ndarray, *, layer: int = 1, direction: str = "forward"
) -> GateTrace:
    """Return the gates of one LSTM layer at every step.

    Parameters
    ----------
    x
        (n, steps, n_features), or (n, steps) of codes.
    layer
        Which recurrent layer, from 1.
    direction
        ``forward`` or ``backward``.

    Raises
    ------
    SettingError
        The network is not an LSTM, or has no such layer or direction.
    """
    if config.cell != "lstm":
        raise SettingError(f"the cell is {config.cell}, only an LSTM has these gates")
    if not 1 <= layer <= config.layers:
        raise SettingError(f"layer is {layer}, the network has layers 1 to {config.layers}")
    if direction not in config.directions:
        raise SettingError(f"direction is {direction!r}, it must be {' or '.join(config.directions)}")
    hidden = layer_input(config, weights, x, layer)
    return _lstm_direction(weights, f"lstm{layer}/{direction}", hidden)


def layer_input(config: LSTMConfig, weights: Weights, x: np.ndarray, layer: int) -> np.ndarray:
    """Return what a recurrent layer, from 1, reads: (n, steps, width)."""
    hidden = _stack_input(config, weights, x)
    for index in range(1, layer):
        hidden, _ = _layer(config, weights, index, hidden)
    return hidden


def half_life(forget: np.ndarray) -> np.ndarray:
    """Return after how many steps half of a cell's content is forgotten, at each gate value.

    log 1/2 / log f: infinite where the gate is wide open.
    """
    with np.errstate(divide="ignore"):
        return np.log(0.5) / np.log(np.asarray(forget, np.float64))


def _stack_input(config: LSTMConfig, weights: Weights, x: np.ndarray) -> np.ndarray:
    x = np.asarray(x)
    if x.ndim != (2 if config.input == "embedding" else 3):
        raise ModelError(f"the data have shape {x.shape}, which the network does not read")
    if x.shape[1] % config.stride:
        raise ModelError(f"the data have {x.shape[1]} steps, the network reads multiples of {config.stride}")
    if config.input == "embedding":
        return weights["input/embeddings"][x]
    hidden = x.astype(np.float64)
    if config.transform == "log1p":
        hidden = np.log(hidden + 1.0)
    if config.input == "conv":
        kernel = weights["input/kernel"]
        overlap = len(kernel) - config.stride
        before = overlap // 2
        padded = np.pad(hidden, ((0, 0), (before, overlap - before), (0, 0)))
        steps = hidden.shape[1]
        hidden = sum(padded[:, k : k + steps : config.stride] @ kernel[k] for k in range(len(kernel)))
        return _activate(hidden + weights["input/bias"], config.input_activation)
    if config.input_units:
        hidden = hidden @ weights["input/kernel"] + weights["input/bias"]
        return _activate(hidden, config.input_activation)
    return hidden


def _layer(config: LSTMConfig, weights: Weights, index: int, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a layer's outputs at every step, and the last ones of each direction."""
    outputs, ends = [], []
    for direction in config.directions:
        hidden = _direction(config, weights, f"{config.cell}{index}/{direction}", x)
        outputs.append(hidden)
        ends.append(hidden[:, 0 if direction == "backward" else -1])
    return np.concatenate(outputs, axis=-1), np.concatenate(ends, axis=-1)


def _direction(config: LSTMConfig, weights: Weights, name: str, x: np.ndarray) -> np.ndarray:
    if config.cell == "lstm":
        return _lstm_direction(weights, name, x).hidden
    step = gru_step if config.cell == "gru" else rnn_step
    kernel, recurrent, bias = _parts(weights, name)
    h = np.zeros((len(x), len(recurrent)))
    hidden = np.empty((*x.shape[:2], len(recurrent)))
    for t in _order(name, x.shape[1]):
        hidden[:, t] = h = step(x[:, t], h, kernel, recurrent, bias)
    return hidden


def _lstm_direction(weights: Weights, name: str, x: np.ndarray) -> GateTrace:
    kernel, recurrent, bias = _parts(weights, name)
    h = c = np.zeros((len(x), len(recurrent)))
    i, f, g, o, cells, hidden = np.empty((6, *x.shape[:2], len(recurrent)))
    for t in _order(name, x.shape[1]):
        i[:, t], f[:, t], g[:, t], o[:, t], c, h = lstm_step(x[:, t], h, c, kernel, recurrent, bias)
        cells[:, t], hidden[:, t] = c, h
    return GateTrace(input=i, forget=f, candidate=g, output=o, cell=cells, hidden=hidden)


def _parts(weights: Weights, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return (weights[f"{name}/kernel"], weights[f"{name}/recurrent_kernel"], weights[f"{name}/bias"])


def _order(name: str, steps: int) -> range:
    return range(steps - 1, -1, -1) if name.endswith("/backward") else range(steps)


def _head(config: LSTMConfig, weights: Weights, hidden: np.ndarray) -> np.ndarray:
    if config.n_outputs:
        hidden = hidden @ weights["head/kernel"] + weights["head/bias"]
        if config.stride > 1:
            hidden = hidden.reshape(len(hidden), -1, config.n_outputs)
    return _activate(hidden, config.activation or "linear")


def _activate(x: np.ndarray, activation: str) -> np.ndarray:
    if activation == "relu":
        return np.maximum(x, 0.0)
    if activation == "tanh":
        return np.tanh(x)
    if activation == "sigmoid":
        return sigmoid(x)
    if activation == "softmax":
        powers = np.exp(x - x.max(axis=-1, keepdims=True))
        return powers / powers.sum(axis=-1, keepdims=True)
    return x
