"""The classifier two-sample test."""

import numpy as np
import pytest

from genolstm.comparison.two_sample import TwoSampleSettings, balanced_split, judged, two_sample_test
from genolstm.errors import InputError, SettingError

pytestmark = pytest.mark.xdist_group("tensorflow")


def test_no_group_stands_on_both_sides_and_both_sets_count_alike():
    first, second = np.repeat(np.arange(10), 7), np.repeat(np.arange(6), [3, 9, 20, 4, 4, 12])
    parts = balanced_split(first, second, 1)
    for groups, rows in zip((first, second), parts, strict=True):
        members = [set(groups[part]) for part in rows]
        assert not members[0] & members[1]
        assert not members[0] & members[2]
        assert not members[1] & members[2]
        assert len(members[2]) >= 2
    assert [len(part) for part in parts[0]] == [len(part) for part in parts[1]]
    assert all(len(part) for part in parts[0])
    other = balanced_split(first, second, 2)
    assert set(first[parts[0][2]]) != set(first[other[0][2]])
    with pytest.raises(InputError, match="3 groups"):
        balanced_split(first[:21], second, 1)


def test_scores_are_those_of_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    random = np.random.default_rng(1)
    first, second = random.random(60).round(1), (random.random(40) * 0.9 + 0.1).round(1)
    found = judged(first, second, np.arange(60) // 6, np.arange(40) // 8, 1)
    truth, said = np.repeat([0, 1], [60, 40]), np.concatenate([first, second])
    assert found.auc == pytest.approx(metrics.roc_auc_score(truth, said))
    assert found.accuracy == pytest.approx(metrics.balanced_accuracy_score(truth, said >= 0.5))
    assert found.auc_low < found.auc < found.auc_high
    assert found.accuracy_low < found.accuracy < found.accuracy_high
    assert found.tested == 100
    assert found == judged(first, second, np.arange(60) // 6, np.arange(40) // 8, 1)
    # Groups that differ as wholes say less than as many rows on their own.
    shifted = first + np.repeat(random.random(10), 6)
    wide = judged(shifted, second, np.arange(60) // 6, np.arange(40) // 8, 1)
    narrow = judged(shifted, second, np.arange(60), np.arange(40), 1)
    assert wide.auc_high - wide.auc_low > narrow.auc_high - narrow.auc_low
    with pytest.raises(SettingError, match="nothing to test"):
        judged(first[:0], second, np.arange(0), np.arange(40), 1)


def test_a_cnn_tells_what_differs_and_nothing_else():
    pytest.importorskip("tensorflow")
    random = np.random.default_rng(2)
    settings = TwoSampleSettings(parameters=400, epochs=6, batch_size=20, learning_rate=0.02)

    def windows(n, weights=None):
        return random.choice(4, (n, 32), p=weights).astype(np.uint8), np.arange(n) // 10

    real, same, other = windows(160), windows(160), windows(160, [0.4, 0.1, 0.1, 0.4])
    alike = two_sample_test(real, same, seed=1, settings=settings)
    apart = two_sample_test(real, other, seed=1, settings=settings)
    assert alike.auc_low < 0.55
    assert alike.auc < 0.7 < 0.85 < apart.auc
    assert apart.accuracy > 0.75
    assert alike.tested == 160
