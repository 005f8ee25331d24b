import json

import numpy as np
import pytest

from genolstm.errors import ModelError, SettingError
from genolstm.lstm.calibration import apply_calibration, expected_calibration_error, fit_calibration


@pytest.fixture(scope="module")
def overconfident():
    """Log-odds twice as large as they should be."""
    random = np.random.default_rng(0)
    odds = random.normal(-1, 1.5, (40, 1000))
    truth = random.random(odds.shape) < 1 / (1 + np.exp(-odds))
    return 1 / (1 + np.exp(-2 * odds)), truth.astype(np.uint8)


@pytest.mark.parametrize("method", ["temperature", "isotonic"])
def test_calibration_removes_the_error(overconfident, method):
    probability, truth = overconfident
    before = expected_calibration_error(probability[20:], truth[20:])
    fitted = json.loads(json.dumps(fit_calibration(probability[:20], truth[:20], method=method)))
    calibrated = apply_calibration(probability[20:], fitted)
    assert calibrated.shape == (20, 1000)
    assert calibrated.dtype == np.float32
    assert before > 0.05
    assert expected_calibration_error(calibrated, truth[20:]) < 0.012
    # What was ranked stays ranked.
    order = np.argsort(probability[20:].ravel())
    assert (np.diff(calibrated.ravel()[order]) >= 0).all()


def test_temperature_is_found(overconfident):
    fitted = fit_calibration(*overconfident, method="temperature")
    assert fitted["temperature"] == pytest.approx(2.0, rel=0.03)


def test_isotonic_keeps_distinct_values_distinct(overconfident):
    probability, truth = overconfident
    fitted = fit_calibration(probability, truth)
    inner = np.linspace(*np.quantile(probability, [0.01, 0.99]), 500)
    assert (np.diff(apply_calibration(inner, fitted).astype(np.float64)) > 0).all()
    assert len(fitted["tables"][0]["x"]) <= 250


@pytest.mark.parametrize("method", ["temperature", "isotonic"])
def test_classes(method):
    random = np.random.default_rng(1)
    logits = random.normal(0, 1.5, (5000, 3))
    softmax = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truth = (random.random((5000, 1)) > softmax.cumsum(axis=1)).sum(axis=1)
    sharp = softmax**3 / (softmax**3).sum(axis=1, keepdims=True)
    fitted = fit_calibration(sharp, truth, method=method)
    calibrated = apply_calibration(sharp, fitted)
    np.testing.assert_allclose(calibrated.sum(axis=1), 1, atol=1e-5)
    for index in range(3):
        before = expected_calibration_error(sharp[:, index], truth == index)
        assert expected_calibration_error(calibrated[:, index], truth == index) < before / 3


def test_weights_leave_out(overconfident):
    probability, truth = overconfident
    weight = np.zeros(truth.shape)
    weight[:20] = 1
    spoiled = truth.copy()
    spoiled[20:] = 1
    for method in ("temperature", "isotonic"):
        expected = fit_calibration(probability[:20], truth[:20], method=method)
        found = fit_calibration(probability, spoiled, method=method, sample_weight=weight)
        assert found == expected


def test_expected_calibration_error_by_hand():
    # Bin 0.2-0.4: mean .3, half true. Bin 0.8-1: mean .9, all true.
    value = expected_calibration_error([0.3, 0.3, 0.9, 0.9], [0, 1, 1, 1], bins=5)
    assert value == pytest.approx((2 * 0.2 + 2 * 0.1) / 4)
    weighted = expected_calibration_error([0.3, 0.3, 0.9], [0, 1, 1], bins=5, weights=[1, 1, 0])
    assert weighted == pytest.approx(0.2)
    assert expected_calibration_error([1.0, 0.0], [1, 0]) == 0


def test_none_changes_nothing():
    values = np.array([0.1, 0.9], np.float32)
    assert fit_calibration(values, np.array([0, 1]), method="none") == {"method": "none"}
    np.testing.assert_array_equal(apply_calibration(values, None), values)
    np.testing.assert_array_equal(apply_calibration(values, {"method": "none"}), values)


def test_refusals():
    values = np.array([0.1, 0.9])
    with pytest.raises(SettingError, match="more than one class"):
        fit_calibration(values, np.array([1, 1]))
    with pytest.raises(SettingError, match="platt"):
        fit_calibration(values, np.array([0, 1]), method="platt")
    with pytest.raises(SettingError, match="do not fit"):
        fit_calibration(values, np.array([0, 1, 1]))
    for wrong in (
        {"method": "magic"},
        {"method": "temperature"},
        {"method": "temperature", "temperature": 0, "classes": 1},
        {"method": "isotonic", "tables": [{"x": [0], "y": "no"}]},
        {"method": "isotonic", "tables": 3},
    ):
        with pytest.raises(ModelError, match="calibration"):
            apply_calibration(values, wrong)
