"""``genolstm info``: what a report of a fault should say about the installation."""

from __future__ import annotations

import os
import platform
import re
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from genolstm.threads import available_cores

#: What numbers and speed depend on; TensorFlow is needed for training only.
_LIBRARIES = ("numpy", "onnxruntime", "numba", "click", "pandas", "tensorflow", "keras")
#: Extras for those who change the package itself.
_OURS = {"dev", "bench"}
_REQUIREMENT = re.compile(r"""([A-Za-z0-9][\w.-]*)(\[[^\]]*\])?\s*([^;]*);.*\bextra\s*==\s*['"]([\w-]+)['"]""")


def run() -> dict[str, Any]:
    """Return versions, models, threads, the folder of compiled code, and which extras are there.

    Versions are those of the packages' metadata: of what is heavy, only numba is imported, which knows the folder.
    """
    from genolstm.compiled import kept_in
    from genolstm.runs.model import run_list

    kept = kept_in()
    return {
        "genolstm": _version("genolstm"),
        "folder": str(Path(__file__).parents[1]),
        "python": platform.python_version(),
        "executable": sys.executable,
        "platform": platform.platform(),
        "libraries": {name: _version(name) for name in _LIBRARIES},
        "models": {entry.name: entry.sha256 for entry in run_list()},
        "threads": available_cores(),
        "compiled": {"folder": None if kept is None else str(kept), "writable": kept is not None and _writable(kept)},
        "extras": extras(),
    }


def extras() -> dict[str, list[str]]:
    """Return, by extra, what of it is missing or too old; nothing if it is there."""
    found: dict[str, list[str]] = {}
    for line in metadata.requires("genolstm") or ():
        match = _REQUIREMENT.match(line)
        if match is None or match[4] in _OURS:
            continue
        missing = found.setdefault(match[4], [])
        floor = re.search(r">=\s*([\d.]+)", match[3])
        version = _version(match[1])
        if version is None:
            missing.append(match[1])
        elif floor is not None and _release(version) < _release(floor[1]):
            missing.append(f"{match[1]} {version} (at least {floor[1]} is needed)")
    return found


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _release(version: str) -> tuple[int, ...]:
    """Return the numbers a version begins with, without zeros behind: 2.0 is 2."""
    match = re.match(r"[\d.]*", version)
    numbers = [int(part) for part in (match[0] if match else "").split(".") if part]
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)


def _writable(folder: Path) -> bool:
    """Return whether files can be made in a folder, or in the one in which it would be made."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)
