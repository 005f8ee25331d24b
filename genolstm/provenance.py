"""What is recorded with every artefact: versions, command, seeds, digests of inputs."""

from __future__ import annotations

import datetime
import os
import platform
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from genolstm.files import PathLike, is_regular, sha256

_LIBRARIES = ("numpy", "onnxruntime", "tensorflow", "keras", "msprime", "stdpopsim", "zarr")


def versions() -> dict[str, str]:
    """Return the versions of Python, GenoLSTM and the libraries that affect results."""
    found = {"python": platform.python_version()}
    for name in ("genolstm", *_LIBRARIES):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


#: Hashing a file of this size takes seconds; a larger one is told by its size and time.
LARGE = 1 << 30


def describe_input(path: PathLike, *, large: int | None = None) -> dict[str, Any]:
    """Return what tells an input from others: its name and SHA-256.

    A file above ``large`` bytes, and a folder, is described by its size and its time of change
    instead. A pipe leaves nothing to describe: it was read.
    """
    if not is_regular(path):
        if os.fspath(path) != "-" and Path(path).is_dir():
            files = [entry.stat() for entry in sorted(Path(path).rglob("*")) if entry.is_file()]
            size, latest = sum(f.st_size for f in files), max((f.st_mtime for f in files), default=0.0)
            return {"file": Path(path).name, "files": len(files), "bytes": size, "modified": _time(latest)}
        return {"file": "<stdin>" if os.fspath(path) == "-" else "<pipe>"}
    found = Path(path).stat()
    if large is not None and found.st_size > large:
        return {"file": Path(path).name, "bytes": found.st_size, "modified": _time(found.st_mtime)}
    return {"file": Path(path).name, "sha256": sha256(path)}


def _time(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat(timespec="seconds")


def record(
    *,
    settings: Mapping[str, Any] | None = None,
    inputs: Mapping[str, PathLike] | None = None,
    seeds: Mapping[str, Any] | None = None,
    large: int | None = None,
) -> dict[str, Any]:
    """Return a JSON-ready account of how an artefact was made.

    Paths are reduced to file names: a shared model should not reveal its maker's home folder. The
    digest identifies the file; of files above ``large`` bytes it is left out (see :func:`describe_input`).
    """
    command = [_without_folder(word) for word in sys.argv]
    return {
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": command,
        "versions": versions(),
        "settings": dict(settings or {}),
        "seeds": dict(seeds or {}),
        "inputs": {name: describe_input(path, large=large) for name, path in (inputs or {}).items()},
    }


def _without_folder(word: str) -> str:
    """Shorten an absolute path, also one behind an option's equals sign."""
    option, equals, value = word.partition("=")
    if equals and option.startswith("-") and value.startswith("/"):
        return f"{option}={Path(value).name}"
    return Path(word).name if word.startswith("/") else word
