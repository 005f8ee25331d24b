"""Calibration: turning outputs into reliable probabilities.

Fitted on held-out data with scikit-learn or SciPy's minimiser; applied with NumPy alone; stored in
a bundle's metadata as JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from genolstm.errors import ModelError, SettingError
from genolstm.fields import Fields

METHODS = ("none", "temperature", "isotonic")
_TINY = 1e-7
_KNOTS = 200
_TEMPERATURES = (1e-3, 1e3)
_MOST_CLASSES = 10_000


def fit_calibration(
    probability: np.ndarray, truth: np.ndarray, *, method: str = "isotonic", sample_weight: np.ndarray | None = None
) -> dict[str, Any]:
    """Fit a calibration on held-out data.

    Parameters
    ----------
    probability
        The network's outputs: any shape for one class's probability (sigmoid), or (..., classes)
        with ``truth`` having one axis fewer (softmax).
    truth
        0 or 1 in the same shape, or class indices.
    method
        ``temperature`` divides the log-odds by one number (Guo et al. 2017). ``isotonic`` is any
        increasing function, one per class; it needs more data and corrects more.
    sample_weight
        Weights in the shape of ``truth``; 0 leaves a value out.

    Returns
    -------
    dict
        JSON-ready parameters for :func:`apply_calibration`.

    Raises
    ------
    SettingError
        The method is unknown, or the data hold one class only.
    """
    probability, truth = np.asarray(probability), np.asarray(truth)
    if method not in METHODS:
        raise SettingError(f"calibration is {method!r}, it must be one of {', '.join(METHODS)}")
    if method == "none":
        return {"method": "none"}
    multiclass = probability.ndim == truth.ndim + 1 and probability.shape[-1] > 1
    classes = probability.shape[-1] if multiclass else 1
    values = probability.reshape(-1, classes).astype(np.float64)
    labels = truth.reshape(-1)
    if len(values) != len(labels):
        raise SettingError(f"the outputs have shape {probability.shape}, the truth {truth.shape}: they do not fit")
    weight = None if sample_weight is None else np.asarray(sample_weight, np.float64).reshape(-1)
    if weight is not None:
        kept = weight > 0
        values, labels, weight = values[kept], labels[kept], weight[kept]
    if not labels.size or np.all(labels == labels[0]):
        raise SettingError("calibration needs held-out data of more than one class")
    if method == "temperature":
        return {"method": "temperature", "classes": classes, "temperature": _fit_temperature(values, labels, weight)}
    tables = []
    for index in range(classes):
        hit = (labels == index) if multiclass else labels
        tables.append(_fit_isotonic(values[:, index], hit.astype(np.float64), weight))
    return {"method": "isotonic", "tables": tables}


def apply_calibration(probability: np.ndarray, calibration: Mapping[str, Any] | None) -> np.ndarray:
    """Return calibrated probabilities, float32, in the shape given.

    Raises
    ------
    ModelError
        The parameters are not what :func:`fit_calibration` returns.
    """
    if calibration is None:
        return np.asarray(probability, np.float32)
    classes = check_calibration(Fields(calibration, "calibration"))
    values = np.asarray(probability)
    if calibration["method"] == "temperature":
        return _heat(values.astype(np.float64), calibration["temperature"], softmax=classes > 1).astype(np.float32)
    if calibration["method"] == "none":
        return values.astype(np.float32, copy=False)
    if classes > 1 and values.shape[-1] != classes:
        raise ModelError(f"the model's calibration is for {classes} classes, the outputs are of {values.shape[-1]}")
    return _apply_isotonic(values, calibration["tables"])


def check_calibration(fields: Fields) -> int:
    """Refuse parameters that :func:`fit_calibration` does not return; return the number of classes.

    Raises
    ------
    ModelError
        The method is unknown, or a number is missing, of another type or out of range.
    """
    method = fields.choice("method", METHODS)
    if method == "none":
        return 1
    if method == "temperature":
        fields.number("temperature", *_TEMPERATURES)
        return fields.whole("classes", 1, _MOST_CLASSES)
    tables = fields.tables("tables", _MOST_CLASSES)
    for table in tables:
        x, y = (table.numbers(name, [None], 0, 1) for name in ("x", "y"))
        if len(x) != len(y) or (np.diff(x) < 0).any() or (np.diff(y) < 0).any():
            table.refuse("", "not a line that rises")
    return len(tables)


def expected_calibration_error(
    probabilities: ArrayLike, labels: ArrayLike, weights: ArrayLike | None = None, *, bins: int = 15
) -> float:
    """Return the expected calibration error of one class's probability (Naeini et al. 2015).

    The mean over ``bins`` equal bins of |share of true - mean probability|, weighted by how much
    falls into each.

    Parameters
    ----------
    probabilities
        Values from 0 to 1, of any shape.
    labels
        0 or 1 in the same shape, or the true share of what each value stands for.
    weights
        How much each value counts, such as base pairs; by default all alike.
    """
    values, truth = (np.asarray(one, np.float64).reshape(-1) for one in (probabilities, labels))
    weight = np.ones_like(values) if weights is None else np.asarray(weights, np.float64).reshape(-1)
    place = np.minimum((values * bins).astype(np.int64), bins - 1)
    expected, observed = (np.bincount(place, weight * part, bins) for part in (values, truth))
    total = float(weight.sum())
    return float(np.abs(expected - observed).sum() / total) if total else 0.0


def _fit_temperature(values: np.ndarray, labels: np.ndarray, weight: np.ndarray | None) -> float:
    """Return the temperature with the smallest log loss, searched for on a log scale."""
    from scipy.optimize import minimize_scalar

    rows = np.arange(len(values))
    binary = values.shape[1] == 1

    def loss(log_temperature: float) -> float:
        heated = _heat(values, float(np.exp(log_temperature)), softmax=not binary)
        right = (
            np.where(labels > 0, heated[:, 0], 1 - heated[:, 0]) if binary else heated[rows, labels.astype(np.int64)]
        )
        return -float(np.average(np.log(np.maximum(right, 1e-300)), weights=weight))

    found = minimize_scalar(loss, bounds=(-3.0, 3.0), method="bounded", options={"xatol": 1e-6})
    return round(float(np.exp(found.x)), 6)


def _heat(values: np.ndarray, temperature: float, *, softmax: bool) -> np.ndarray:
    clipped = np.clip(values, _TINY, 1 - _TINY)
    if softmax:
        heated = clipped ** (1.0 / temperature)
        return heated / heated.sum(axis=-1, keepdims=True)
    odds = (clipped / (1 - clipped)) ** (1.0 / temperature)
    return odds / (1 + odds)


def _fit_isotonic(values: np.ndarray, hit: np.ndarray, weight: np.ndarray | None) -> dict[str, list[float]]:
    """Fit centred isotonic regression (Oron and Flournoy 2017).

    Each flat step of the plain method becomes a point at its centre, and lines join the points, so
    that values keep their ranks.
    """
    from sklearn.isotonic import IsotonicRegression

    order = np.argsort(values, kind="stable")
    x, y = values[order], hit[order]
    w = np.ones_like(x) if weight is None else weight[order]
    fitted = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit_transform(x, y, sample_weight=w)
    starts = np.flatnonzero(np.r_[True, np.diff(fitted) > 0])
    if len(starts) > _KNOTS:
        # So many steps are noise in the data: join neighbours into steps of about equal weight.
        mass = np.cumsum(w)[starts]
        starts = starts[np.r_[True, np.diff((mass * _KNOTS / w.sum()).astype(np.int64)) > 0]]
    mass = np.add.reduceat(w, starts)
    knots_x = np.add.reduceat(w * x, starts) / mass
    knots_y = np.add.reduceat(w * fitted, starts) / mass
    return {"x": np.round(knots_x, 9).tolist(), "y": np.round(knots_y, 9).tolist()}


def _apply_isotonic(values: np.ndarray, tables: Any) -> np.ndarray:
    if len(tables) == 1:
        table = tables[0]
        return np.interp(values, table["x"], table["y"]).astype(np.float32)
    found = np.stack([np.interp(values[..., i], table["x"], table["y"]) for i, table in enumerate(tables)], axis=-1)
    total = found.sum(axis=-1, keepdims=True)
    # Where every class got 0, the network's own output stands.
    return np.where(total > 0, found / np.where(total > 0, total, 1), values).astype(np.float32)
