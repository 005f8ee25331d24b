"""What is recorded with every artefact: versions, command, seeds, digests of inputs."""

from __future__ import annotations

import datetime
import platform
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from genolstm.files import PathLike, sha256

_LIBRARIES = ("numpy", "onnxruntime", "tensorflow", "keras", "msprime", "stdpopsim", "cyvcf2")


def versions() -> dict[str, str]:
    """Return the versions of Python, GenoLSTM and the libraries that affect results."""
    found = {"python": platform.python_version()}
    for name in ("genolstm", *_LIBRARIES):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def record(
    *,
    settings: Mapping[str, Any] | None = None,
    inputs: Mapping[str, PathLike] | None = None,
    seeds: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return a JSON-ready account of how an artefact was made.

    Paths are reduced to file names: a shared model should not reveal its maker's home folder. The
    digest identifies the file.
    """
    command = [Path(word).name if word.startswith("/") else word for word in sys.argv]
    return {
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": command,
        "versions": versions(),
        "settings": dict(settings or {}),
        "seeds": dict(seeds or {}),
        "inputs": {name: {"file": Path(path).name, "sha256": sha256(path)} for name, path in (inputs or {}).items()},
    }
