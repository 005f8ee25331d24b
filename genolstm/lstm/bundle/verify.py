"""Checking that a bundle computes what it should, without TensorFlow."""

from __future__ import annotations

import numpy as np

from genolstm.errors import ModelError
from genolstm.files import PathLike
from genolstm.lstm.bundle.bundle import Bundle, find_bundle
from genolstm.lstm.bundle.initializers import read_weights
from genolstm.lstm.bundle.runtime import Runtime
from genolstm.lstm.cell import forward

TOLERANCE = 1e-5
NETWORK = frozenset(("model.onnx", "model.keras", "step.onnx"))
"""Members of which any says that there is a network."""


def verify_bundle(source: Bundle | PathLike, *, network: bool = True) -> list[tuple[str, str]]:
    """Open a bundle, given as such, by path or by name, run it, and compare it with the NumPy reference.

    Parameters
    ----------
    network
        Whether a model of this kind needs a network; if not, one without is whole, and the list says so.

    Returns
    -------
    list of (str, str)
        What was checked, and how it came out.

    Raises
    ------
    ModelError
        The bundle is damaged, lacks a network that it needs, cannot be loaded, or its outputs differ
        from the reference's by more than 1e-5.
    """
    bundle = source if isinstance(source, Bundle) else Bundle.open(find_bundle(source))
    found = [("sha256", bundle.digest), *((name, "whole") for name in sorted(bundle.members))]
    if not network and bundle.config is None and not NETWORK & bundle.members.keys():
        return [*found, ("network", "none, and none is needed")]
    runtime = Runtime(bundle, threads=1)
    found.append(("onnxruntime", "loads"))
    config = bundle.config
    if config is None:
        return found
    random = np.random.default_rng(0)
    if config.input == "embedding":
        x = random.integers(0, config.vocabulary, (2, 40), dtype=np.int32)
    else:
        x = random.gamma(0.5, 2.0, (2, 40 * config.stride, config.n_features)).astype(np.float32)
    expected = forward(config, read_weights(bundle), x)
    difference = np.abs(runtime.predict(x) - expected) / np.maximum(1.0, np.abs(expected))
    worst = float(difference.max())
    if not worst <= TOLERANCE:
        raise ModelError(f"the outputs differ from the reference's by {worst:.1e}", path=bundle.path)
    found.append(("largest difference from the reference", f"{worst:.1e}"))
    return found
