"""The scikit-learn estimator over windows of tracks."""

from __future__ import annotations

import importlib
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

from genolstm.errors import InputError, MissingExtraError, SettingError
from genolstm.introgression.channels import CHANNELS
from genolstm.introgression.dataset import load_region
from genolstm.introgression.estimator import TrackClassifier, labelled_windows
from genolstm.introgression.settings import TRACKS

CHECKED = {"units": 8, "epochs": 12, "learning_rate": 0.1, "threads": 1}
SMALL = {"units": 4, "epochs": 8, "learning_rate": 0.1, "threads": 1}
#: Checks that train no network, or hardly any: the rest take a minute.
QUICK = {
    *("check_estimator_cloneable", "check_estimator_tags_renamed", "check_valid_tag_types", "check_estimator_repr"),
    *("check_no_attributes_set_in_init", "check_estimators_unfitted", "check_mixin_order", "check_complex_data"),
    *("check_do_not_raise_errors_in_init_or_set_params", "check_positive_only_tag_during_fit"),
    *("check_estimators_empty_data_messages", "check_estimator_sparse_tag"),
    *("check_estimator_sparse_array", "check_classifiers_one_label", "check_supervised_y_no_nan"),
    *("check_parameters_default_constructible", "check_get_params_invariance", "check_set_params"),
    *("check_fit2d_1sample", "check_fit1d", "check_requires_y_none", "check_fit_non_negative"),
}


@pytest.mark.slow
@parametrize_with_checks([TrackClassifier(**CHECKED)])  # there is none that it is known to fail
def test_it_passes_the_checks_of_scikit_learn(estimator, check) -> None:
    check(estimator)


def test_it_passes_the_quick_checks_of_scikit_learn() -> None:
    done = set()
    for estimator, check in estimator_checks_generator(TrackClassifier(**CHECKED)):
        if check.func.__name__ in QUICK:
            done.add(check.func.__name__)
            check(estimator)
    assert done == QUICK


@pytest.fixture(scope="module")
def data() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Windows of 6 bins and 3 channels, of which one channel is higher in "nea", in the first half of the bins."""
    random = np.random.default_rng(4)
    y = np.array(["nea", "modern"])[random.integers(0, 2, 90)]
    x = random.poisson(2.0, (90, 6, 3)).astype(np.float16)
    x[y == "nea", :3, 1] += 6
    return x, y, np.arange(90) % 4


def test_whole_groups_are_held_out_in_one_line(data) -> None:
    x, y, groups = data
    scores = cross_val_score(TrackClassifier(**SMALL), x, y, groups=groups, cv=GroupKFold(2), scoring="roc_auc")
    assert len(scores) == 2
    assert scores.min() > 0.9


def test_windows_and_rows_of_numbers_are_the_same(data) -> None:
    x, y, _ = data
    model = TrackClassifier(**SMALL).fit(x, y)
    flat = x.reshape(len(x), -1)
    rows = clone(TrackClassifier(**SMALL, channels=3)).fit(flat, y)
    found = model.predict_proba(x)
    assert list(model.classes_) == ["modern", "nea"]
    assert found.shape == (90, 2)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    np.testing.assert_array_equal(rows.predict_proba(flat), found)
    assert (model.predict(x) == y).mean() > 0.9
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict_proba(x[:7]), found[:7])  # noqa: S301
    with pytest.raises(ValueError, match="which are no whole bins of 3 channels"):
        TrackClassifier(channels=3).fit(flat[:, :-1], y)
    with pytest.raises(ValueError, match="X has 3 channels, and channels is 2"):
        TrackClassifier(channels=2).fit(x, y)
    with pytest.raises(ValueError, match="X has 4 dimensions"):
        TrackClassifier().fit(x[:, :, None], y)
    with pytest.raises(ValueError, match="Negative values"):
        model.predict(-x)
    with pytest.raises(ValueError, match="X has 2 channels"):
        model.predict(x[:, :, :2])
    with pytest.raises(SettingError, match="epochs is 0"):
        TrackClassifier(epochs=0).fit(x, y)
    with pytest.raises(SettingError, match="pooling"):
        TrackClassifier(pooling="median").fit(x, y)


def test_labelled_windows_are_those_of_the_region(region_folder: Path) -> None:
    x, y, groups = labelled_windows([region_folder], bins=7, share=0.4)
    (region,) = load_region(region_folder, TRACKS)
    assert x.shape == (6 * 34, 7, len(CHANNELS))
    np.testing.assert_array_equal(x[34 + 2], region.tracks[1, 14:21])
    shares = region.archaic[:, : 34 * 7].reshape(6 * 34, 7).mean(axis=1)
    np.testing.assert_array_equal(y, shares >= 0.4)
    assert 0 < y.sum() < len(y)
    assert set(groups) == {region.group}
    for wrong in ({"bins": 0}, {"share": 0.0}, {"share": 1.01}):
        with pytest.raises(SettingError, match="they must be"):
            labelled_windows([region_folder], **wrong)
    with pytest.raises(InputError, match="no such folder"):
        labelled_windows([region_folder / "nowhere"])


def test_without_scikit_learn_it_says_what_to_install(monkeypatch) -> None:
    name = "genolstm.introgression.estimator"
    monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sklearn.base", None)
    with pytest.raises(MissingExtraError, match=r"scikit-learn 1.6 or newer, which is not installed"):
        importlib.import_module(name)
