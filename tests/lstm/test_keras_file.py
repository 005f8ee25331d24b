"""The Keras file of a custom network, before Keras sees it."""

import io
import json

import numpy as np
import pytest
from support.hostile import unzipped
from support.lstm import keras_of

from genolstm.errors import ModelError
from genolstm.lstm.bundle.archive import write_archive
from genolstm.lstm.bundle.keras_file import check_keras, check_loadable

h5py = pytest.importorskip("h5py")


def with_weights(make, **config):
    """A Keras file whose weights `make` puts into an HDF5 file."""
    packed = io.BytesIO()
    with h5py.File(packed, "w") as file:
        make(file)
    members = unzipped(keras_of())
    settings = {**json.loads(members["config.json"]), **config}
    return {**members, "config.json": json.dumps(settings).encode(), "model.weights.h5": packed.getvalue()}


def plain(file):
    file["layers/dense/vars/0"] = np.zeros((3, 2), np.float32)
    file.create_group("vars")


def external_link(file):
    file["layers/dense"] = h5py.ExternalLink("/etc/passwd", "/x")


def soft_link(file):
    file["layers/dense"] = h5py.SoftLink("/layers/dense")


def external_storage(file):
    file.create_dataset("layers/x", (8,), "u1", external=[("/etc/passwd", 0, 8)])


def virtual(file):
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("/tmp/other.h5", "x", (4,))
    file.create_virtual_dataset("x", layout)


def bomb(file):
    file.create_dataset("x", (1 << 16, 1 << 16), "f4", chunks=(64, 64), compression="gzip")


def objects(file):
    file.create_dataset("x", data=["import os"], dtype=h5py.string_dtype())


def deep(file):
    file.create_group("/".join("a" * 40))


def test_plain_weights_are_read():
    members = with_weights(plain)
    check_loadable(check_keras(write_archive(members, compress=False)))


@pytest.mark.parametrize("make", [external_link, soft_link, external_storage, virtual, bomb, objects, deep])
def test_other_weights_are_refused(make):
    members = check_keras(write_archive(with_weights(make), compress=False))
    with pytest.raises(ModelError, match="the bundle's Keras network has weights"):
        check_loadable(members)


def test_weights_that_are_no_hdf5_are_refused():
    with pytest.raises(ModelError, match="cannot be read"):
        check_loadable(check_keras(keras_of(b"\0" * 500)))


def test_outsized_layers_are_refused():
    layer = {"module": "keras.layers", "class_name": "Dense", "config": {"units": 1 << 20, "kernel": [1 << 16]}}
    members = with_weights(plain, config={"layers": [layer]})
    with pytest.raises(ModelError, match="too large to load"):
        check_loadable(check_keras(write_archive(members, compress=False)))
