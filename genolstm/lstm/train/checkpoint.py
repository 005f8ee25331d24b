"""A training run's whole state in one file, from which it resumes as if never stopped."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from genolstm.errors import InputError, SettingError
from genolstm.files import atomic_path

FILE_NAME = "checkpoint.npz"
_VERSION = 1
_HASHED = 1 << 28


@dataclass
class Progress:
    """How far a run has come: with the arrays, its whole state."""

    epoch: int = 0
    """Epochs completed."""
    step: int = 0
    """Steps completed in the current epoch."""
    loss_sum: float = 0.0
    weight_sum: float = 0.0
    seconds: float = 0.0
    """Time spent on the current epoch."""
    best_epoch: int = 0
    best_score: float | None = None
    finished: bool = False
    history: list[dict[str, float]] = field(default_factory=list)


def save_checkpoint(
    folder: Path,
    *,
    progress: Progress,
    fingerprint: Mapping[str, Any],
    variables: Sequence[np.ndarray],
    best: Sequence[np.ndarray],
) -> None:
    """Write the checkpoint next to the old one, then replace that one."""
    state = {"version": _VERSION, "fingerprint": dict(fingerprint), "progress": vars(progress)}
    arrays: dict[str, Any] = {f"variable{i:05d}": array for i, array in enumerate(variables)}
    arrays |= {f"best{i:05d}": array for i, array in enumerate(best)}
    text = np.frombuffer(json.dumps(state).encode("utf-8"), np.uint8)
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_path(folder / FILE_NAME, force=True) as temporary, temporary.open("wb") as stream:
        np.savez(stream, state=text, **arrays)


def load_checkpoint(
    folder: Path, fingerprint: Mapping[str, Any]
) -> tuple[Progress, list[np.ndarray], list[np.ndarray]] | None:
    """Return progress, variables and best weights, or ``None`` if there is no checkpoint.

    Raises
    ------
    SettingError
        The checkpoint belongs to a run with other settings or data; the message says which.
    InputError
        The file is damaged.
    """
    path = folder / FILE_NAME
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as content:
            state = json.loads(bytes(content["state"]).decode("utf-8"))
            names = sorted(content.files)
            variables = [content[name] for name in names if name.startswith("variable")]
            best = [content[name] for name in names if name.startswith("best")]
            progress = Progress(**state["progress"])
            found = state["fingerprint"]
            version = state["version"]
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise InputError("the checkpoint is damaged", path=path, hint="remove it to start over") from error
    wanted = json.loads(json.dumps(dict(fingerprint)))
    differing = _differences(found, wanted)
    if version != _VERSION:
        differing.insert(0, f"version {version}, now {_VERSION}")
    if differing:
        raise SettingError(
            f"the checkpoint is of another run: {'; '.join(differing)}",
            path=path,
            hint="name another folder, or remove the checkpoint to start over",
        )
    return progress, variables, best


def _differences(found: Any, wanted: Any, name: str = "") -> list[str]:
    if isinstance(found, dict) and isinstance(wanted, dict):
        if "sha256" in found and found != wanted:
            if found.get("shape") == wanted.get("shape"):
                return [f"{name} holds other values"]
            return [f"{name} had shape {found.get('shape')}, now {wanted.get('shape')}"]
        return [
            text
            for key in sorted({*found, *wanted})
            for text in _differences(found.get(key), wanted.get(key), f"{name}.{key}".strip("."))
        ]
    if found == wanted:
        return []
    return [f"{name} was {found}, now {wanted}"]


def fingerprint_data(data: Any) -> Any:
    """Return what identifies data: shape, type and a digest, for arrays and nests of them.

    Of an array above 256 MB, only evenly spaced rows are digested, up to that size.
    """
    if data is None:
        return None
    if isinstance(data, Mapping):
        return {str(key): fingerprint_data(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return {str(index): fingerprint_data(value) for index, value in enumerate(data)}
    digest = hashlib.sha256()
    rows = len(data)
    row_bytes = max(1, np.asarray(data[:1]).nbytes) if rows else 1
    most = max(1, _HASHED // row_bytes)
    chosen = np.arange(rows) if rows <= most else np.linspace(0, rows - 1, most).astype(np.int64)
    block = max(1, (1 << 24) // row_bytes)
    for start in range(0, len(chosen), block):
        values = np.ascontiguousarray(np.asarray(data[chosen[start : start + block]]))
        digest.update(values.tobytes())
    shape = list(getattr(data, "shape", (rows,)))
    return {"shape": shape, "dtype": str(getattr(data, "dtype", "")), "sha256": digest.hexdigest()}
