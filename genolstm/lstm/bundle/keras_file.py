"""What a bundle's ``model.keras`` may hold: plain layers of Keras, and nothing that Keras would run.

The file is there to be exported. We build networks from their settings and read it only for a custom
network, after these checks and in Keras' safe mode.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from typing import Any

from genolstm.errors import ModelError
from genolstm.fields import strict_json
from genolstm.lstm.bundle.archive import MalformedArchive, read_archive

_CONFIG, _METADATA, _WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
_NAMES = (_CONFIG, _METADATA, _WEIGHTS)
_HDF5 = b"\x89HDF\r\n\x1a\n"
_WHAT = "the bundle's Keras network"
# Where Keras looks for a class, and the classes that networks of ours are made of.
_CLASSES: dict[str | None, tuple[str, ...]] = {
    None: ("__keras_tensor__",),
    "builtins": (),
    "keras": ("DTypePolicy", "Functional", "Sequential"),
    "keras.initializers": (
        *("GlorotNormal", "GlorotUniform", "HeNormal", "HeUniform", "Ones", "Orthogonal", "OrthogonalInitializer"),
        *("RandomNormal", "RandomUniform", "Zeros"),
    ),
    "keras.layers": (
        *("Activation", "Bidirectional", "Conv1D", "Dense", "Dropout", "Embedding", "Flatten", "GRU"),
        *("GlobalAveragePooling1D", "GlobalMaxPooling1D", "InputLayer", "LSTM", "Reshape", "SimpleRNN"),
    ),
    "keras.src.models.functional": ("Functional",),
    "keras.src.models.sequential": ("Sequential",),
    "keras.src.ops.numpy": ("Add", "Log"),
}
#: Weights that a layer of a custom network may have, as far as its settings tell.
_LARGEST = 1 << 28


def check_keras(content: bytes) -> dict[str, bytes]:
    """Refuse a Keras file with more than plain layers; return its members.

    Raises
    ------
    ModelError
        It is damaged, or names another class, or a function.
    """
    try:
        members = read_archive(content, _NAMES, what=_WHAT)
    except MalformedArchive as error:
        raise ModelError(f"{_WHAT} is damaged") from error
    if set(members) != set(_NAMES) or not members[_WEIGHTS].startswith(_HDF5):
        raise ModelError(f"{_WHAT} is incomplete")
    config = strict_json(members[_CONFIG], _WHAT)
    if not isinstance(config, dict) or not isinstance(strict_json(members[_METADATA], _WHAT), dict):
        raise ModelError(f"{_WHAT} is not described by a table of names and values")
    for table in _tables(config):
        if not table.keys() & {"class_name", "module", "registered_name"}:
            continue
        module, name, registered = table.get("module"), table.get("class_name"), table.get("registered_name")
        plain = (module is None or isinstance(module, str)) and isinstance(name, str)
        if not plain or name not in _CLASSES.get(module, ()) or registered not in (None, name):
            raise ModelError(f"{_WHAT} holds what is not a plain layer: {str(name)[:60]!r} of {str(module)[:60]!r}")
    return members


def check_loadable(members: dict[str, bytes]) -> None:
    """Refuse a Keras file whose weights are elsewhere, or would not fit into memory; needs h5py.

    Raises
    ------
    ModelError
        A weight is a link or lies in another file, or the layers are too large.
    """
    import h5py

    # No weight of these layers has more than three axes.
    largest = sorted(_sizes(strict_json(members[_CONFIG], _WHAT)))[-3:]
    if math.prod(max(size, 1) for size in largest) > _LARGEST:
        raise ModelError(f"{_WHAT} has layers that are too large to load")
    try:
        with h5py.File(io.BytesIO(members[_WEIGHTS]), "r") as file:
            _check_group(h5py, file, len(members[_WEIGHTS]), 0)
    except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{_WHAT} has weights that cannot be read") from error


def _check_group(h5py: Any, group: Any, most: int, depth: int) -> None:
    if depth > 16:
        raise ModelError(f"{_WHAT} has weights that are nested too deeply")
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise ModelError(f"{_WHAT} has weights that are links")
        entry = group[name]
        if isinstance(entry, h5py.Group):
            _check_group(h5py, entry, most, depth + 1)
        elif not isinstance(entry, h5py.Dataset) or entry.is_virtual or entry.external:
            raise ModelError(f"{_WHAT} has weights in another file")
        elif entry.dtype.kind not in "fiu" or entry.nbytes > most:
            # Weights are stored as they are, so that an array is no larger than the file.
            raise ModelError(f"{_WHAT} has weights of another type or size than expected")


def _tables(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every table within a value."""
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from _tables(one)


def _sizes(value: Any, name: str = "") -> Iterator[int]:
    """Yield every whole number within a value that may be a size."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _sizes(one, key)
    elif isinstance(value, list):
        for one in value:
            yield from _sizes(one, name)
    elif isinstance(value, int) and not isinstance(value, bool) and name not in ("seed", "shared_object_id"):
        yield abs(value)
