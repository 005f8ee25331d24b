"""Scores of one network, and their summary over seeds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from genolstm.comparison.architectures import ARCHITECTURES
from genolstm.comparison.data import LabelledSequences

if TYPE_CHECKING:
    import pandas as pd

#: Columns that are scores, and whether more is better.
SCORES = {"ap": True, "accuracy": True, "first_half_accuracy": True, "r2": True, "pearson": True, "loss": False}
_MEASURED = (*SCORES, "training_seconds", "sequences_per_second")
_DIGITS = {"training_seconds": 1, "sequences_per_second": 0}


@dataclass(frozen=True)
class Scale:
    """Mean and spread of numeric targets in the training data; classes stay as they are."""

    mean: float = 0.0
    spread: float = 1.0

    @classmethod
    def of(cls, data: LabelledSequences) -> Scale:
        """Return the scale of some training data."""
        if not data.is_regression:
            return cls()
        return cls(float(data.targets.mean()), float(data.targets.std()) or 1.0)

    def inward(self, targets: np.ndarray) -> np.ndarray:
        """Return targets as the network learns them."""
        if targets.dtype.kind in "iu":
            return targets
        return ((targets - self.mean) / self.spread).astype(np.float32)


def score(data: LabelledSequences, scale: Scale, prediction: np.ndarray) -> dict[str, float]:
    """Return the scores of a network's outputs.

    Parameters
    ----------
    data
        The true targets.
    scale
        Scale of the training data.
    prediction
        (n, outputs): probabilities, or numbers on the network's own scale.

    Returns
    -------
    dict
        Classes: ``ap`` (average precision of the second of two classes, or the mean over more),
        ``accuracy``, ``loss`` (cross-entropy in nats). Numbers: ``r2``, ``pearson``, ``loss``
        (mean squared error in units of the training targets' variance).
    """
    if data.is_regression:
        return _regression(scale.inward(data.targets), prediction[:, 0].astype(np.float64))
    from sklearn.metrics import average_precision_score

    if prediction.shape[1] == 1:
        prediction = np.concatenate([1 - prediction, prediction], axis=1)
    prediction = prediction.astype(np.float64)
    truth = np.eye(len(data.classes))[data.targets]
    each = [average_precision_score(truth[:, c], prediction[:, c]) for c in range(len(data.classes))]
    likely = np.clip(prediction[np.arange(len(data)), data.targets], 1e-7, 1)
    return {
        "ap": float(each[1] if len(each) == 2 else np.mean(each)),
        "accuracy": float((prediction.argmax(axis=1) == data.targets).mean()),
        "loss": float(-np.log(likely).mean()),
    }


def _regression(truth: np.ndarray, prediction: np.ndarray) -> dict[str, float]:
    error = float(((truth - prediction) ** 2).mean())
    varied = truth.std() > 0 and prediction.std() > 0
    return {
        "r2": 1 - error / float(truth.var()) if truth.std() > 0 else float("nan"),
        # A network with the same answer to everything has no correlation with anything.
        "pearson": float(np.corrcoef(truth, prediction)[0, 1]) if varied else 0.0,
        "loss": error,
    }


def summarise(runs: pd.DataFrame) -> pd.DataFrame:
    """Return one row per architecture and test set.

    Columns: architecture, test, parameters, seeds, and for each score, time and speed the mean
    (``accuracy``), the minimum and the maximum (``accuracy_min``, ``accuracy_max``).
    """
    import pandas as pd

    rows = []
    for (architecture, test), group in runs.groupby(["architecture", "test"], sort=False):
        row: dict[str, Any] = {
            "architecture": architecture,
            "test": test,
            "parameters": int(group["parameters"].iloc[0]),
            "seeds": len(group),
        }
        for name in _MEASURED:
            if name in group:
                row[name] = group[name].mean()
                row[f"{name}_min"], row[f"{name}_max"] = group[name].min(), group[name].max()
        rows.append(row)
    # In the order of the documentation, whatever was run first.
    rows.sort(key=lambda row: ARCHITECTURES.index(row["architecture"]))
    return pd.DataFrame(rows)


def format_summary(summary: pd.DataFrame, *, markdown: bool = False) -> str:
    """Return the summary as aligned text, or as Markdown: means with their range in brackets."""
    names = [name for name in _MEASURED if name in summary]
    several = len(set(summary["test"])) > 1
    header = ["architecture", *(["test"] if several else []), "parameters"]
    header += ["AP" if name == "ap" else name.replace("_", " ") for name in names]
    lines = []
    for row in summary.to_dict("records"):
        cells = [row["architecture"], *([row["test"]] if several else []), f"{row['parameters']:,}"]
        for name in names:
            digits = _DIGITS.get(name, 3)
            mean, least, most = (row[name + end] for end in ("", "_min", "_max"))
            cell = f"{mean:,.{digits}f}"
            if name in SCORES and row["seeds"] > 1:
                cell += f" ({least:.{digits}f}-{most:.{digits}f})"
            cells.append(cell)
        lines.append(cells)
    if markdown:
        rule = ["---"] * (2 if several else 1) + ["---:"] * (len(header) - (2 if several else 1))
        return "\n".join(f"| {' | '.join(line)} |" for line in [header, rule, *lines])
    widths = [max(len(line[c]) for line in [header, *lines]) for c in range(len(header))]
    text = 2 if several else 1
    return "\n".join(
        "  ".join(
            cell.ljust(width) if c < text else cell.rjust(width)
            for c, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in [header, *lines]
    )
