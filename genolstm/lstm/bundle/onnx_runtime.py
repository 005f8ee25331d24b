"""The one place that imports ONNX Runtime."""

from __future__ import annotations

import os
from typing import Any


def load() -> Any:
    """Import ONNX Runtime without its telemetry, and return the module.

    From version 1.32 it otherwise keeps a device id and a database in the home folder and asks for
    its vendor's event server. Only the variable stops that, and only if it is set before the import.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    return onnxruntime
