"""From a trained Keras network to a bundle, and back to Keras."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Mapping
from typing import Any

from genolstm.errors import ModelError
from genolstm.files import PathLike
from genolstm.lstm.bundle.archive import write_archive
from genolstm.lstm.bundle.bundle import Bundle, save_bundle
from genolstm.lstm.bundle.export import export_onnx, export_onnx_traced, export_step
from genolstm.lstm.bundle.initializers import read_weights
from genolstm.lstm.bundle.keras_file import check_keras, check_loadable
from genolstm.lstm.bundle.runtime import Runtime
from genolstm.lstm.config import LSTMConfig
from genolstm.lstm.train.network import build_network, load_tensorflow
from genolstm.temporary import temporary_folder


def export_members(model: Any, config: LSTMConfig | None) -> dict[str, bytes]:
    """Export a network, check it against Keras, and return the members of its bundle.

    For callers that measure with the exported graph something that the bundle states, such as a
    calibration: they hand these members to :func:`~genolstm.lstm.bundle.bundle.save_bundle`.

    Parameters
    ----------
    model
        A Keras model: one made by :func:`build_network` if ``config`` is given, otherwise any
        functional one with one input and one output.

    Returns
    -------
    dict
        ``model.keras`` and ``model.onnx``; for the head ``next`` also ``step.onnx``.

    Raises
    ------
    ModelError
        ONNX Runtime's outputs differ from Keras' by more than 1e-5.
    """
    content = export_onnx_traced(model) if config is None else export_onnx(model, config)
    members = {"model.keras": keras_bytes(model), "model.onnx": content}
    if config is not None and config.head == "next":
        members["step.onnx"] = export_step(model, config)
    return members


def save_network(
    path: PathLike, model: Any, config: LSTMConfig | None, *, metadata: Mapping[str, Any] | None = None, **content: Any
) -> Bundle:
    """Export a network, check it against Keras, and write its bundle.

    Parameters
    ----------
    model, config
        As in :func:`export_members`.
    metadata
        What the pipeline must know, as JSON. A network with outputs at every step states its
        ``context`` there, unless its state is carried.
    **content
        ``kind``, ``provenance``, ``card`` and ``force`` of
        :func:`~genolstm.lstm.bundle.bundle.save_bundle`.

    Raises
    ------
    ModelError
        ONNX Runtime's outputs differ from Keras' by more than 1e-5, or the context is missing.
    OutputError
        The file exists and ``force`` is false, or cannot be written.
    """
    members = export_members(model, config)
    known = dict(metadata or {})
    if "context" not in known:
        if (config is None or config.head != "next") and Runtime(members["model.onnx"]).per_step:
            raise ModelError("the metadata must state the context of a network with outputs at every step")
        known["context"] = 0
    return save_bundle(path, members=members, config=config, metadata=known, **content)


def keras_bytes(model: Any) -> bytes:
    """Return a model as a ``.keras`` file, without optimiser state or time stamp."""
    with temporary_folder() as folder:
        path = folder / "model.keras"
        model.save(path, include_optimizer=False)
        members = {}
        with zipfile.ZipFile(path) as source:
            for name in sorted(source.namelist()):
                content = source.read(name)
                if name == "metadata.json":
                    fixed = {**json.loads(content), "date_saved": "1980-01-01@00:00:00"}
                    content = json.dumps(fixed).encode()
                elif name == "config.json":
                    content = _number_shared_objects(content)
                members[name] = content
    # Stored as they are: the bundle compresses the whole.
    return write_archive(members, compress=False)


def _number_shared_objects(content: bytes) -> bytes:
    """Number shared objects 1, 2, 3, ..., which Keras identifies by memory addresses."""
    numbers: dict[bytes, int] = {}

    def number(match: re.Match[bytes]) -> bytes:
        return match[1] + str(numbers.setdefault(match[2], len(numbers) + 1)).encode()

    return re.sub(rb'("shared_object_id": )(\d+)', number, content)


def load_network(bundle: Bundle) -> Any:
    """Return a bundle's Keras network, to inspect it or train it further.

    If the bundle has settings, the network is built from them and given the weights of the
    ONNX graph, which are the same numbers; nothing is deserialised. A custom network is
    loaded from ``model.keras``, which holds plain layers of Keras and their weights only, in
    Keras' safe mode.

    Raises
    ------
    ModelError
        The stored network cannot be loaded, or does not fit its settings.
    """
    _, keras = load_tensorflow()
    if bundle.config is not None:
        weights = read_weights(bundle)
        model = build_network(bundle.config)
        model.set_weights([weights[name] for name in bundle.config.weight_shapes])
        return model
    content = bundle.member("model.keras")
    check_loadable(check_keras(content))
    with temporary_folder() as folder:
        path = folder / "model.keras"
        path.write_bytes(content)
        try:
            return keras.models.load_model(path, compile=False, safe_mode=True)
        except (zipfile.BadZipFile, KeyError, TypeError, ValueError, OSError) as error:
            raise ModelError("the bundle's Keras network cannot be loaded", path=bundle.path) from error
