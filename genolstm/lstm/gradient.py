"""How far back a gradient reaches: back-propagation through time, written out in NumPy.

What a network's last output tells its weights at an early step must pass through every
step in between. In a plain recurrent layer it is multiplied by the same matrix and by the slope of
tanh each time, and vanishes or explodes (Hochreiter 1991; Bengio et al. 1994). In an LSTM there is
a second path, along the cell state, on which it is multiplied by the forget gate alone.
"""

from __future__ import annotations

import numpy as np

from genolstm.errors import SettingError
from genolstm.lstm.cell import Weights, gru_gates, layer_input, lstm_step, rnn_step
from genolstm.lstm.config import LSTMConfig


def input_gradient(config: LSTMConfig, weights: Weights, x: np.ndarray, *, layer: int = 1, seed: int = 1) -> np.ndarray:
    """Return the size of the last state's gradient with respect to each step's input.

    Parameters
    ----------
    x
        (n, steps, n_features), or (n, steps) of codes.
    layer
        Recurrent layer, from 1; its forward direction is taken, and its own input.
    seed
        Seed of the directions, one per sequence, along which the last state is measured.

    Returns
    -------
    numpy.ndarray
        (n, steps): norm over the input's features of d(v . h_last) / d(x_t), v of length 1.

    Raises
    ------
    SettingError
        There is no such layer.
    """
    if not 1 <= layer <= config.layers:
        raise SettingError(f"layer is {layer}, the network has layers 1 to {config.layers}")
    inputs = layer_input(config, weights, x, layer)
    name = f"{config.cell}{layer}/forward"
    kernel, recurrent, bias = (
        np.asarray(weights[f"{name}/{part}"], np.float64) for part in ("kernel", "recurrent_kernel", "bias")
    )
    direction = np.random.default_rng(seed).normal(size=(len(inputs), len(recurrent)))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    back = {"rnn": _rnn, "gru": _gru, "lstm": _lstm}[config.cell]
    return back(inputs, kernel, recurrent, bias, direction)


def mean_decay(gradient: np.ndarray) -> np.ndarray:
    """Return the geometric mean over sequences by distance from the last step, (steps,).

    Scaled so that it is 1 at the last step.
    """
    with np.errstate(divide="ignore"):
        level = np.log(gradient).mean(axis=0)[::-1]
    decay: np.ndarray = np.exp(level - level[0])
    return decay


def _rnn(x: np.ndarray, kernel: np.ndarray, recurrent: np.ndarray, bias: np.ndarray, dh: np.ndarray) -> np.ndarray:
    n, steps = x.shape[:2]
    states = np.zeros((steps + 1, n, len(recurrent)))
    for t in range(steps):
        states[t + 1] = rnn_step(x[:, t], states[t], kernel, recurrent, bias)
    sizes = np.empty((n, steps))
    for t in reversed(range(steps)):
        dz = dh * (1.0 - states[t + 1] ** 2)
        sizes[:, t] = np.linalg.norm(dz @ kernel.T, axis=1)
        dh = dz @ recurrent.T
    return sizes


def _gru(x: np.ndarray, kernel: np.ndarray, recurrent: np.ndarray, bias: np.ndarray, dh: np.ndarray) -> np.ndarray:
    n, steps = x.shape[:2]
    h = np.zeros((n, len(recurrent)))
    kept = []
    for t in range(steps):
        gates = gru_gates(x[:, t], h, kernel, recurrent, bias)
        kept.append((h, gates))
        z, _, g, _ = gates
        h = z * h + (1.0 - z) * g
    sizes = np.empty((n, steps))
    for t in reversed(range(steps)):
        before, (z, r, g, inner) = kept[t]
        dg = dh * (1.0 - z) * (1.0 - g**2)
        dz = dh * (before - g) * z * (1.0 - z)
        dr = dg * inner * r * (1.0 - r)
        sizes[:, t] = np.linalg.norm(np.concatenate([dz, dr, dg], axis=1) @ kernel.T, axis=1)
        dh = dh * z + np.concatenate([dz, dr, dg * r], axis=1) @ recurrent.T
    return sizes


def _lstm(x: np.ndarray, kernel: np.ndarray, recurrent: np.ndarray, bias: np.ndarray, dh: np.ndarray) -> np.ndarray:
    n, steps = x.shape[:2]
    h = c = np.zeros((n, len(recurrent)))
    kept = []
    for t in range(steps):
        before = c
        i, f, g, o, c, h = lstm_step(x[:, t], h, c, kernel, recurrent, bias)
        kept.append((before, i, f, g, o, np.tanh(c)))
    sizes = np.empty((n, steps))
    dc = np.zeros_like(dh)
    for t in reversed(range(steps)):
        before, i, f, g, o, shown = kept[t]
        dc = dc + dh * o * (1.0 - shown**2)
        dz = np.concatenate(
            [dc * g * i * (1.0 - i), dc * before * f * (1.0 - f), dc * i * (1.0 - g**2), dh * shown * o * (1.0 - o)],
            axis=1,
        )
        sizes[:, t] = np.linalg.norm(dz @ kernel.T, axis=1)
        dh, dc = dz @ recurrent.T, dc * f
    return sizes
