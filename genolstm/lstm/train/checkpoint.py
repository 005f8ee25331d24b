"""A training run's whole state in one file, from which it resumes as if never stopped."""

from __future__ import annotations

import hashlib
import json
import math
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from genolstm.errors import InputError, ModelError, SettingError
from genolstm.fields import Fields, strict_json
from genolstm.files import atomic_path

FILE_NAME = "checkpoint.npz"
_VERSION = 1
_HASHED = 1 << 28
# The header of an array as NumPy writes it, which NumPy itself reads as a Python expression.
_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '(?P<kind>[<|][fiub][1248])', 'fortran_order': False, "
    rb"'shape': \((?P<shape>[0-9, ]{0,100})\), \}",
    re.DOTALL,
)
#: What reading a damaged zip file, array or number may raise.
_MALFORMED = (OSError, ValueError, LookupError, TypeError, EOFError, RuntimeError, ArithmeticError, zipfile.BadZipFile)


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
    account = {**vars(progress), "history": [_plain(row) for row in progress.history]}
    state = {"version": _VERSION, "fingerprint": dict(fingerprint), "progress": _plain(account)}
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
        arrays = _read_arrays(path)
        state = Fields(strict_json(arrays.pop("state").tobytes(), "its state"))
        version, found = state.whole("version", 0, 1 << 30), state.table("fingerprint").values
        progress = _read_progress(state.table("progress"))
    except (ModelError, *_MALFORMED) as error:
        raise damaged(folder) from error
    variables = [arrays[name] for name in sorted(arrays) if name.startswith("variable")]
    best = [arrays[name] for name in sorted(arrays) if name.startswith("best")]
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


def _value(row: Fields, name: str, most: float) -> float:
    if name not in row:
        return math.nan
    row.number(name, -most, most)
    value: float = row.values[name]  # as it is: epochs are whole
    return value


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row whose numbers JSON can hold: a metric may be NaN, where nothing can be measured."""
    return {name: None if isinstance(x, float) and not math.isfinite(x) else x for name, x in row.items()}


def damaged(folder: Path | None) -> InputError:
    """Return the error of a checkpoint that cannot be read, or does not fit its run."""
    path = None if folder is None else folder / FILE_NAME
    return InputError("the checkpoint is damaged", path=path, hint="remove it to start over")


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of the file, none of which is larger than the file.

    Raises
    ------
    ValueError
        One is packed, or states another size than it has; further errors if the file is damaged.
    """
    found: dict[str, np.ndarray] = {}
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            name = info.filename.removesuffix(".npy")
            if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size or name in found:
                raise ValueError("packed, or there twice")
            with archive.open(info) as stream:
                content = stream.read(info.file_size + 1)
            header = _HEADER.match(content)
            if header is None:
                raise ValueError("header")
            # What an array says of its size is checked before room is made for it.
            dtype = np.dtype(header["kind"].decode())
            shape = tuple(int(size) for size in header["shape"].split(b",") if size.strip())
            start = 10 + int.from_bytes(content[8:10], "little")
            if header.end() > start or math.prod(shape) * dtype.itemsize != len(content) - start:
                raise ValueError("size")
            found[name] = np.frombuffer(content, dtype, offset=start).reshape(shape)
    return found


def _read_progress(fields: Fields) -> Progress:
    most, large = 1 << 53, 1e300
    if set(fields.values) != set(vars(Progress())):
        raise ValueError("fields")
    found = Progress(
        epoch=fields.whole("epoch", 0, most),
        step=fields.whole("step", 0, most),
        loss_sum=fields.number("loss_sum", -large, large),
        weight_sum=fields.number("weight_sum", 0, large),
        seconds=fields.number("seconds", 0, large),
        best_epoch=fields.whole("best_epoch", 0, most),
        best_score=fields.number("best_score", -large, large) if "best_score" in fields else None,
        finished=fields.flag("finished"),
        history=[],
    )
    if found.epoch:
        found.history = [
            {name: _value(row, name, large) for name in row.values} for row in fields.tables("history", found.epoch)
        ]
    if len(found.history) != found.epoch or found.best_epoch > found.epoch:
        raise ValueError("history")
    return found


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
