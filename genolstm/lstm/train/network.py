"""The Keras network that an :class:`~genolstm.lstm.config.LSTMConfig` describes.

TensorFlow is imported by :func:`load_tensorflow` and nowhere else, so that this module can be
imported without it.
"""

from __future__ import annotations

import contextlib
import functools
import os
import socket
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

import numpy as np

from genolstm.errors import MissingExtraError, ModelError, SettingError
from genolstm.lstm.config import LSTMConfig

Weights = dict[str, np.ndarray]


@contextlib.contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Hold back what C++ code prints to stderr; let it through if the block fails."""
    try:
        descriptor = sys.__stderr__.fileno()  # type: ignore[union-attr]
        saved = os.dup(descriptor)
    except (AttributeError, OSError, ValueError):
        yield
        return
    with tempfile.TemporaryFile() as sink:
        os.dup2(sink.fileno(), descriptor)
        try:
            yield
        except Exception:  # a signal does not make it worth reading
            os.dup2(saved, descriptor)
            sink.seek(0)
            os.write(descriptor, sink.read())
            raise
        finally:
            os.dup2(saved, descriptor)
            os.close(saved)


@contextlib.contextmanager
def _no_traces() -> Iterator[None]:
    """Keep what TensorFlow and Keras import from writing to the home folder and from opening sockets.

    Keras writes its defaults to ``~/.keras`` unless it is sent elsewhere, here to where nothing can
    be; they are the same without the file. ``urllib3``, which neither uses here, opens a socket to
    find out whether there is IPv6.
    """
    home, ipv6 = os.environ.get("KERAS_HOME"), socket.has_ipv6
    known = "urllib3.util.connection" in sys.modules
    if home is None:
        os.environ["KERAS_HOME"] = os.path.join(os.devnull, "keras")  # noqa: PTH118
    socket.has_ipv6 = False
    try:
        yield
    finally:
        socket.has_ipv6 = ipv6
        if home is None:
            del os.environ["KERAS_HOME"]
        connection = sys.modules.get("urllib3.util.connection")
        if connection is not None and not known:
            connection.HAS_IPV6 = ipv6  # type: ignore[attr-defined]


@functools.cache
def _list_devices(tensorflow: Any) -> None:
    """Have TensorFlow look for devices, which prints the first time, whoever has imported it."""
    with _quiet_stderr():
        tensorflow.config.list_logical_devices()


def load_tensorflow() -> tuple[Any, Any]:
    """Import TensorFlow and Keras without their start-up messages; return both modules.

    Raises
    ------
    MissingExtraError
        TensorFlow is not installed.
    SettingError
        Keras is set to another backend.
    """
    if "tensorflow" in sys.modules and "keras" in sys.modules:
        _list_devices(sys.modules["tensorflow"])
        return sys.modules["tensorflow"], sys.modules["keras"]
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    from importlib.util import find_spec

    if find_spec("tensorflow") is None or find_spec("keras") is None:
        raise MissingExtraError("tensorflow", "train")
    with _quiet_stderr(), _no_traces():
        import keras
        import tensorflow as tf
    _list_devices(tf)
    if keras.backend.backend() != "tensorflow":
        raise SettingError(
            f"Keras runs on {keras.backend.backend()}, the TensorFlow backend is needed",
            hint="set KERAS_BACKEND=tensorflow",
        )
    return tf, keras


def build_network(config: LSTMConfig, *, seed: int | None = None, state: bool = False) -> Any:
    """Build the functional Keras model of a config, for sequences of any length.

    Parameters
    ----------
    config
        What to build.
    seed
        Seed of the initial weights and of dropout.
    state
        Whether to also take and return each layer's state, for networks that read one way: inputs
        ``[x, h1, c1, h2, c2, ...]``, outputs ``[y, h1, c1, ...]``, each state (n, units); cells
        other than LSTM have no c.

    Returns
    -------
    keras.Model
        Input (n, steps, n_features) of float32, or (n, steps) of int32 for an embedding; output
        (n, steps, outputs), or (n, outputs) with pooling. Unmasked: padding is the caller's.
    """
    _, keras = load_tensorflow()
    if state and config.bidirectional:
        raise SettingError("a network that reads both ways carries no state from step to step")
    layers, seeds = keras.layers, _Seeds(seed)
    inputs, hidden = _input_block(keras, config, seeds)
    states_in, states_out = [], []
    for index, units in enumerate(config.layer_units, start=1):
        sequences = index < config.layers or config.pooling != "last"
        layer = _recurrent(keras, config, index, units, sequences, state, seeds)
        if state:
            parts = ("h", "c") if config.cell == "lstm" else ("h",)
            given = [keras.Input((units,), name=f"{part}{index}") for part in parts]
            hidden, *after = layer(hidden, initial_state=given)
            states_in += given
            states_out += after
        else:
            hidden = layer(hidden)
        if config.dropout:
            hidden = layers.Dropout(config.dropout, seed=next(seeds), name=f"dropout{index}")(hidden)
    if config.pooling == "mean":
        hidden = layers.GlobalAveragePooling1D(name="pooling")(hidden)
    elif config.pooling == "max":
        hidden = layers.GlobalMaxPooling1D(name="pooling")(hidden)
    if config.n_outputs:
        weights = keras.initializers.GlorotUniform(next(seeds))
        together = config.stride > 1  # the outputs of several steps stand in one vector
        dense = layers.Dense(
            config.n_outputs * config.stride,
            activation=None if together else config.activation,
            kernel_initializer=weights,
            name="head",
        )
        hidden = dense(hidden)
        if together:
            hidden = layers.Reshape((-1, config.n_outputs), name="steps")(hidden)
            hidden = layers.Activation(config.activation, name="outputs")(hidden)
    elif config.activation != "linear":
        hidden = layers.Activation(config.activation, name="head")(hidden)
    if state:
        return keras.Model([inputs, *states_in], [hidden, *states_out], name="genolstm")
    return keras.Model(inputs, hidden, name="genolstm")


def _input_block(keras: Any, config: LSTMConfig, seeds: _Seeds) -> tuple[Any, Any]:
    """Return the network's input, and what the first recurrent layer reads."""
    layers = keras.layers
    if config.input == "embedding":
        inputs = keras.Input((None,), dtype="int32", name="x")
        weights = keras.initializers.RandomUniform(-0.05, 0.05, next(seeds))
        embedding = layers.Embedding(
            config.vocabulary, config.input_units, embeddings_initializer=weights, name="input"
        )
        return inputs, embedding(inputs)
    inputs = keras.Input((None, config.n_features), dtype="float32", name="x")
    # log(x + 1) rather than log1p, which has no ONNX operator. For counts nothing is lost.
    hidden = keras.ops.log(inputs + 1.0) if config.transform == "log1p" else inputs
    if not config.input_units:
        return inputs, hidden
    options: dict[str, Any] = {
        "activation": config.input_activation,
        "kernel_initializer": keras.initializers.GlorotUniform(next(seeds)),
        "name": "input",
    }
    if config.input == "conv":
        convolution = layers.Conv1D(
            config.input_units, config.kernel_size, strides=config.stride, padding="same", **options
        )
        return inputs, convolution(hidden)
    return inputs, layers.Dense(config.input_units, **options)(hidden)


class _Seeds:
    """A stream of seeds derived from one; all ``None`` if none was given."""

    def __init__(self, seed: int | None) -> None:
        self._random = None if seed is None else np.random.default_rng([seed, 0x5EED])

    def __next__(self) -> int | None:
        return None if self._random is None else int(self._random.integers(1 << 31))


def _recurrent(
    keras: Any, config: LSTMConfig, index: int, units: int, sequences: bool, state: bool, seeds: _Seeds
) -> Any:
    kind = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU, "rnn": keras.layers.SimpleRNN}[config.cell]

    def one(name: str, backwards: bool = False) -> Any:
        return kind(
            units,
            return_sequences=sequences,
            return_state=state,
            go_backwards=backwards,
            kernel_initializer=keras.initializers.GlorotUniform(next(seeds)),
            recurrent_initializer=keras.initializers.Orthogonal(seed=next(seeds)),
            name=name,
        )

    name = f"{config.cell}{index}"
    if not config.bidirectional:
        return one(name)
    # Left to itself, Bidirectional gives both directions the same initial weights.
    return keras.layers.Bidirectional(one("forward"), backward_layer=one("backward", True), name=name)


def named_weights(config: LSTMConfig, model: Any) -> Weights:
    """Return the weights of a model that :func:`build_network` made, by name.

    Raises
    ------
    ModelError
        The model has other weights than the config calls for.
    """
    shapes, weights = config.weight_shapes, model.get_weights()
    if list(shapes.values()) != [array.shape for array in weights]:
        raise ModelError("the network's weights are not those that its settings call for")
    return dict(zip(shapes, weights, strict=True))


@contextlib.contextmanager
def fused_lstm(model: Any) -> Iterator[None]:
    """Compute a model's LSTM layers with one TensorFlow operation each, inside the block.

    On a CPU, Keras runs an LSTM as a loop of some twenty small operations per step. ``BlockLSTM``
    computes the same numbers and gradients over all steps at once: 2.5 to 3.5 times faster.
    With a GPU, which has cuDNN, nothing is changed. The weights are the layers' own, so
    the saved model is untouched.
    """
    tf, keras = load_tensorflow()
    if tf.config.list_logical_devices("GPU"):
        yield
        return
    changed = [
        layer for layer in _flat_layers(keras, model) if type(layer) is keras.layers.LSTM and _is_plain(keras, layer)
    ]
    for layer in changed:
        layer.inner_loop = _block_lstm(tf, layer)
    try:
        yield
    finally:
        for layer in changed:
            del layer.inner_loop


def _flat_layers(keras: Any, model: Any) -> Iterator[Any]:
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _flat_layers(keras, layer)
        elif isinstance(layer, keras.layers.Bidirectional):
            yield layer.forward_layer
            yield layer.backward_layer
        else:
            yield layer


def _is_plain(keras: Any, layer: Any) -> bool:
    """Whether a layer uses nothing that ``BlockLSTM`` lacks."""
    return (
        layer.activation is keras.activations.tanh
        and layer.recurrent_activation is keras.activations.sigmoid
        and layer.use_bias
        and not layer.dropout
        and not layer.recurrent_dropout
    )


def _block_lstm(tf: Any, layer: Any) -> Any:
    def reorder(matrix: Any) -> Any:
        # Keras keeps the gates as input, forget, cell, output; BlockLSTM wants i, c, f, o.
        i, f, c, o = tf.split(matrix, 4, axis=-1)
        return tf.concat([i, c, f, o], axis=-1)

    def inner_loop(sequences: Any, initial_state: Any, mask: Any, training: bool = False) -> tuple[Any, Any, list[Any]]:
        if mask is not None and any(part is not None for part in tf.nest.flatten(mask)):
            raise SettingError("the network must not be given a mask")
        steps = tf.transpose(sequences, [1, 0, 2])
        if layer.go_backwards:
            steps = tf.reverse(steps, [0])
        h, c = initial_state
        cell = layer.cell
        unused = tf.zeros([layer.units])
        result = tf.raw_ops.BlockLSTM(
            seq_len_max=tf.cast(tf.shape(steps)[0], tf.int64),
            x=steps,
            cs_prev=c,
            h_prev=h,
            w=reorder(tf.concat([cell.kernel, cell.recurrent_kernel], axis=0)),
            wci=unused,
            wcf=unused,
            wco=unused,
            b=reorder(tf.convert_to_tensor(cell.bias)),
            forget_bias=0.0,
            cell_clip=-1.0,
            use_peephole=False,
        )
        outputs = tf.transpose(result.h, [1, 0, 2])
        last = result.h[-1]
        return last, outputs if layer.return_sequences else last, [last, result.cs[-1]]

    return inner_loop
