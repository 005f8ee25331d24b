import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genolstm.comparison import data as labelled_data
from genolstm.comparison.architectures import ARCHITECTURES, match_architecture, parse_architectures
from genolstm.comparison.data import LabelledSequences, read_labelled, split_three_ways, write_labelled
from genolstm.comparison.run import compare, trials_from_data, trials_from_task
from genolstm.comparison.scores import Scale, format_summary, score, summarise
from genolstm.comparison.settings import ComparisonSettings
from genolstm.comparison.tasks import (
    ARRANGEMENTS,
    CONSENSUS,
    SITE,
    first_half_accuracy,
    simulate_long_range,
    simulate_motif,
)
from genolstm.errors import InputError, SettingError
from genolstm.sequences.alphabet import decode, encode, reverse_complement_text

BACK = reverse_complement_text(SITE)


def labelled(classes=("a", "b"), groups=None, targets=None, n=12):
    targets = np.arange(n) % max(1, len(classes)) if targets is None else np.asarray(targets)
    random = np.random.default_rng(0)
    return LabelledSequences(
        random.integers(0, 4, (n, 30), dtype=np.uint8),
        targets,
        tuple(classes),
        np.array([str(i) for i in range(n)] if groups is None else groups),
        [f"s{i}" for i in range(n)],
    )


# --- labelled sequences -------------------------------------------------------------------------


def test_labels_and_groups_from_headers(tmp_path):
    path = tmp_path / "x.fa"
    path.write_text(
        ">a label=on group=chr1\nACGT\n>b note=1 label=off group=chr2\nAC\n>c label=on group=chr2\nGGTTAA\n"
    )
    data = read_labelled(path)
    assert data.classes == ("off", "on")
    assert data.targets.tolist() == [1, 0, 1]
    assert data.groups.tolist() == ["chr1", "chr2", "chr2"]
    # Right-aligned: a network that reads to the end ends on bases.
    assert [decode(row) for row in data.codes] == ["NNACGT", "NNNNAC", "GGTTAA"]
    assert data.one_hot().sum(axis=(1, 2)).tolist() == [4, 2, 6]


def test_the_middle_is_read(tmp_path):
    path = tmp_path / "x.fa"
    path.write_text(">a label=1\nAACGTTT\n>b label=2\nAC\n")
    data = read_labelled(path, length=3)
    assert [decode(row) for row in data.codes] == ["CGT", "NAC"]


def test_labels_from_a_table(tmp_path):
    fasta, table = tmp_path / "x.fa", tmp_path / "y.tsv"
    fasta.write_text(">a label=ignored\nACGT\n>b\nACGA\n")
    table.write_text("label\tname\tgroup\n1.5\tb\tg1\n-2\ta\tg2\n9\telsewhere\tg3\n")
    data = read_labelled(fasta, labels=table, regression=True)
    assert data.targets.tolist() == [-2.0, 1.5]
    assert data.groups.tolist() == ["g2", "g1"]
    assert data.is_regression


def test_equal_sequences_stay_together_where_no_group_is_given(tmp_path):
    path = tmp_path / "x.fa"
    path.write_text(f">a label=1\nACCGT\n>b label=2\n{reverse_complement_text('ACCGT')}\n>c label=1\nAAAAA\n")
    data = read_labelled(path)
    assert not data.grouped
    assert data.groups[0] == data.groups[1] != data.groups[2]


def test_write_and_read_back(tmp_path):
    data = simulate_long_range(8, 10, seed=1)
    write_labelled(data, tmp_path / "x.fa.gz")
    found = read_labelled(tmp_path / "x.fa.gz")
    np.testing.assert_array_equal(found.codes, data.codes)
    np.testing.assert_array_equal(found.targets, data.targets)
    assert found.classes == data.classes


@pytest.mark.parametrize(
    ("fasta", "table", "regression", "message"),
    [
        (">a label=1\nAC\n>b\nAC\n", None, False, "{fa}:3: b: the header has no label="),
        (">a label=1\nAC\n>b label=1\nAC\n", None, False, "{fa}: all 2 sequences have the label"),
        (">a label=1 group=x\nAC\n>b label=2\nAC\n", None, False, "1 of 2 sequences have a group"),
        (">a label=1\nAC\n>b label=x\nAC\n", None, True, "{fa}:3: b: the label 'x' is not a"),
        (">a label=nan\nAC\n>b label=1\nAC\n", None, True, "the label 'nan' is not a number"),
        (">a label=1\nAC\n>b label=1.0\nAC\n", None, True, "all labels are the same number"),
        (">a\nAC\n>b\nAC\n", "name\tlabel\na\t1\n", False, "{tsv}: b: the sequence has no label"),
        (">a\nAC\n", "a\t1\n", False, "{tsv}:1: the first line does not name the columns"),
        (">a\nAC\n", "name\tlabel\na\t1\t2\n", False, "{tsv}:2: has 3 fields, 2 are needed"),
        (">a\nAC\n", "name\tlabel\na\t\n", False, "{tsv}:2: a: the label is missing"),
        (">a\nAC\n", "name\tlabel\na\t1\na\t2\n", False, "{tsv}:3: a: the name is in line 2"),
        (">a\nAC\n", "name\tlabel\n", False, "{tsv}: holds no labels"),
        (">a\nAC\n", "name\tlabel\na\t1\xe9\n".encode("latin-1"), False, "{tsv}:2: is not text"),
        (">a\nAC\n", "name\tlabel\tlabel\na\t1\t2\n", False, "{tsv}:1: has the column label twice"),
        (">a\nAC\n", "name\tlabel\na\t1\x1b[m\n", False, "{tsv}:2: a: the label holds the control character \\x1b"),
        (">a label=1 label=2\nAC\n", None, False, "{fa}:1: a: the header has label= twice"),
        (">a label=1 group=\x7f\nAC\n", None, False, "{fa}:1: a: the group holds the control character \\x7f"),
        (">a label=1_0\nAC\n>b label=1\nAC\n", None, True, "{fa}:1: a: the label '1_0' is not a number"),
        (">a label=1e999\nAC\n>b label=1\nAC\n", None, True, "{fa}:1: a: the label '1e999' is not a number"),
        (">a label=٣\nAC\n>b label=1\nAC\n", None, True, "{fa}:1: a: the label '٣' is not a number"),
    ],
)
def test_bad_labels(tmp_path, fasta, table, regression, message):
    fa, tsv = tmp_path / "x.fa", tmp_path / "y.tsv"
    fa.write_text(fasta)
    if table is not None:
        tsv.write_bytes(table if isinstance(table, bytes) else table.encode())
    with pytest.raises(InputError) as error:
        read_labelled(fa, labels=None if table is None else tsv, regression=regression)
    assert message.format(fa=fa, tsv=tsv) in str(error.value)


def test_one_long_sequence_does_not_fill_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(labelled_data, "_MOST_BASES", 11)
    path = tmp_path / "x.fa"
    path.write_text(">a label=1\nACGT\n>b label=2\nAC\n>c label=1\nA\n")
    with pytest.raises(InputError, match="3 sequences of 4 bases"):
        read_labelled(path)
    assert read_labelled(path, length=3).length == 3


# --- the split ----------------------------------------------------------------------------------


@settings(deadline=None, max_examples=40)
@given(groups=st.lists(st.integers(0, 9), min_size=30, max_size=60), seed=st.integers(0, 1000))
def test_no_group_is_split(groups, seed):
    n = len(groups)
    data = labelled(groups=[str(g) for g in groups], n=n)
    labels = {g: {data.targets[i] for i in range(n) if groups[i] == g} for g in groups}
    try:
        split = split_three_ways(data, seed=seed)
    except InputError:
        # Only where some class has too few groups, or hardly any group has both.
        assert len(labels) < 3 or any(len(found) < 2 for found in labels.values())
        return
    assert sorted(np.concatenate(split)) == list(range(n))
    sets = [{groups[i] for i in part} for part in split]
    assert sum(map(len, sets)) == len(set(groups))
    assert all(set(data.targets[part]) == {0, 1} for part in split)
    again = split_three_ways(data, seed=seed)
    assert all((one == other).all() for one, other in zip(split, again, strict=True))


def test_groups_of_one_class_each():
    # One group of six would be held out, and could hold one class only.
    data = labelled(groups=[f"g{i % 6}" for i in range(12)])
    for seed in range(5):
        split = split_three_ways(data, seed=seed)
        assert [len(part) for part in split] == [4, 4, 4]
        assert all(set(data.targets[part]) == {0, 1} for part in split)


def test_splits_that_would_leave_a_part_empty():
    with pytest.raises(InputError, match="2 groups cannot be split into training"):
        split_three_ways(labelled(groups=["x"] * 6 + ["y"] * 6))
    with pytest.raises(InputError, match="'b' occurs in 2 groups"):
        split_three_ways(labelled(groups=list("aubvcwdxeyfx"), targets=[0, 1, 0, 0] * 2 + [0] * 4))
    with pytest.raises(SettingError, match="nothing to train on"):
        split_three_ways(labelled(), validation_fraction=0.5, test_fraction=0.5)


# --- the tasks ----------------------------------------------------------------------------------


@pytest.mark.parametrize("distance", [5, 40])
def test_long_range_is_what_it_says(distance):
    data = simulate_long_range(200, distance, seed=3)
    assert np.bincount(data.targets).tolist() == [50] * 4
    for codes, target in zip(data.codes, data.targets, strict=True):
        text = decode(codes)
        first, second = ARRANGEMENTS[data.classes[target]]
        words = [SITE if forward else BACK for forward in (first, second)]
        found = sorted(
            (place, word) for word in (SITE, BACK) for place in range(len(text)) if text.startswith(word, place)
        )
        assert [word for _, word in found] == words
        assert found[1][0] - found[0][0] == distance
        assert len(text) - found[1][0] - len(SITE) <= 20


def test_long_range_distances_run_from_the_shortest():
    data = simulate_long_range(400, 100, seed=3, shortest=5, length=150)
    assert data.length == 150
    starts = [sorted(p for p in range(147) if decode(row[p : p + 4]) in (SITE, BACK)) for row in data.codes]
    apart = np.array([b - a for a, b in starts])
    assert apart.min() == 5
    assert 90 < apart.max() <= 100
    assert 18 < np.median(apart) < 29  # the logarithms are spread evenly: the middle is 22


def test_neither_half_alone_tells_the_arrangement():
    data = simulate_long_range(400, 20, seed=1)
    strands = np.array(list(ARRANGEMENTS.values()))[data.targets]
    for half in (0, 1):
        for strand in (True, False):
            assert np.bincount(data.targets[strands[:, half] == strand], minlength=4).max() == 100


def test_first_half_accuracy():
    perfect = np.eye(4)
    assert first_half_accuracy(np.arange(4), perfect) == 1.0
    # It knows the second half only: tandem-forward for convergent and the like.
    second = [[ARRANGEMENTS[a][1] == ARRANGEMENTS[b][1] for a in ARRANGEMENTS] for b in ARRANGEMENTS]
    assert first_half_accuracy(np.arange(4), np.array(second) / 2 + perfect * 1e-9) == 1.0
    wrong = perfect[[1, 0, 3, 2]]
    assert first_half_accuracy(np.arange(4), wrong) == 0.0


def test_motif_has_one_composition_and_one_word():
    data = simulate_motif(600, seed=2, length=60)
    consensus = encode(CONSENSUS)
    windows = np.lib.stride_tricks.sliding_window_view(data.codes, 12, axis=1)
    best = (windows == consensus).sum(axis=2).max(axis=1)
    assert data.classes == ("motif", "shuffled")
    assert best[data.targets == 0].mean() > best[data.targets == 1].mean() + 2
    counts = [np.bincount(data.codes[data.targets == c].ravel(), minlength=4) for c in (0, 1)]
    np.testing.assert_allclose(counts[0] / counts[0].sum(), counts[1] / counts[1].sum(), atol=0.02)


def test_tasks_are_the_same_bytes_for_a_seed():
    for make in (lambda s: simulate_motif(20, seed=s), lambda s: simulate_long_range(20, 9, seed=s)):
        np.testing.assert_array_equal(make(1).codes, make(1).codes)
        assert (make(1).codes != make(2).codes).any()


def test_task_settings_that_make_no_sense():
    with pytest.raises(SettingError, match="distance is 3"):
        simulate_long_range(10, 3, seed=1)
    with pytest.raises(SettingError, match="length is 30"):
        simulate_long_range(10, 20, seed=1, length=30)
    with pytest.raises(SettingError, match="distances must be at least 5"):
        trials_from_task("long-range", distances=(2,))
    with pytest.raises(SettingError, match="long-range, motif"):
        trials_from_task("short-range")


# --- the networks -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("wanted", [3000, 20_000])
def test_parameters_are_matched(name, wanted):
    found = match_architecture(name, wanted, steps=100, n_outputs=4, activation="softmax")
    assert abs(found.n_parameters - wanted) <= 0.04 * wanted


@pytest.mark.xdist_group("tensorflow")
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_keras_counts_the_same(name):
    found = match_architecture(name, 1500, steps=40, n_outputs=1, activation="sigmoid", bidirectional=True)
    model = found.build(seed=1)
    assert model.count_params() == found.n_parameters
    x = np.zeros((2, 40, 4), np.float32)
    assert np.asarray(model(x)).shape == (2, 1)
    again = found.build(seed=1)
    for one, other in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_no_network_is_small_enough():
    with pytest.raises(SettingError, match="the mlp nearest to 500 parameters has"):
        match_architecture("mlp", 500, steps=1000, n_outputs=1, activation="sigmoid")
    # Filters shrink where the sequence is short.
    small = match_architecture("cnn", 500, steps=9, n_outputs=1, activation="sigmoid")
    assert 2 * small.kernel_size - 1 <= 9


def test_names_of_architectures():
    assert parse_architectures(" lstm, CNN") == ("cnn", "lstm")
    with pytest.raises(SettingError, match="no architecture 'gan'"):
        parse_architectures("gan")
    with pytest.raises(SettingError, match="no architecture is named"):
        parse_architectures(",")
    with pytest.raises(SettingError, match="epochs is 0"):
        ComparisonSettings(epochs=0)


# --- scores -------------------------------------------------------------------------------------


def test_scores_of_two_classes():
    data = labelled(targets=[0, 0, 1, 1], n=4)
    found = score(data, Scale(), np.array([[0.1], [0.6], [0.4], [0.9]], np.float32))
    # Ranked 1, 0, 1, 0: precision 1 at the first, 2/3 at the third.
    assert found["ap"] == pytest.approx((1 + 2 / 3) / 2)
    assert found["accuracy"] == 0.5
    assert found["loss"] == pytest.approx(-np.log([0.9, 0.4, 0.4, 0.9]).mean(), rel=1e-6)


def test_scores_of_numbers_are_on_the_trainings_scale():
    data = labelled(classes=(), targets=np.array([10.0, 20.0, 30.0, 40.0]), n=4)
    scale = Scale.of(data)
    perfect = scale.inward(data.targets)[:, None]
    assert perfect.mean() == pytest.approx(0, abs=1e-6)
    found = score(data, scale, perfect)
    assert found == pytest.approx({"r2": 1.0, "pearson": 1.0, "loss": 0.0}, abs=1e-6)
    constant = score(data, scale, np.zeros((4, 1)))
    assert constant == pytest.approx({"r2": 0.0, "pearson": 0.0, "loss": 1.0}, abs=1e-6)


def test_summary_has_means_and_ranges():
    runs = pd.DataFrame(
        {
            "architecture": ["rnn", "rnn", "lstm"],
            "seed": [1, 2, 1],
            "test": "held-out",
            "parameters": [10, 10, 12],
            "accuracy": [0.5, 0.7, 0.9],
            "loss": [1.0, 2.0, 3.0],
            "training_seconds": [1.0, 3.0, 2.0],
            "sequences_per_second": [100.0, 300.0, 1234.0],
        }
    )
    found = summarise(runs)
    assert found["architecture"].tolist() == ["rnn", "lstm"]
    first = found.iloc[0]
    assert (first["accuracy"], first["accuracy_min"], first["accuracy_max"]) == (pytest.approx(0.6), 0.5, 0.7)
    text = format_summary(found).splitlines()
    assert text[1].split()[:4] == ["rnn", "10", "0.600", "(0.500-0.700)"]
    assert "1,234" in format_summary(found, markdown=True).splitlines()[3]


# --- all of it ----------------------------------------------------------------------------------


@pytest.mark.xdist_group("tensorflow")
def test_a_comparison_of_two():
    settings = ComparisonSettings(
        architectures=("cnn", "lstm"), parameters=500, epochs=2, batch_size=20, seeds=2, seed=7
    )
    seen = []
    found = compare(
        trials_from_task("long-range", distances=(5, 9), n=80), settings, gradients=True, progress=seen.append
    )
    assert len(seen) == len(found.runs) == 8
    assert set(found.runs["test"]) == {"distance=5", "distance=9"}
    assert set(found.runs["seed"]) == {7, 8}
    for column in ("accuracy", "first_half_accuracy", "ap"):
        assert found.runs[column].between(0, 1).all()
    assert (found.runs["sequences_per_second"] > 0).all()
    assert found.runs["parameters"].between(450, 550).all()
    decay = found.gradients
    assert set(decay["architecture"]) == {"lstm"}
    assert (decay.loc[decay["lag"] == 0, "gradient"] == 1).all()
    assert found._repr_html_().startswith("<table")
    # The same seed gives the same network, whatever is compared with it.
    settings = replace(settings, architectures=("lstm",), seeds=1, seed=8)
    again = compare(trials_from_task("long-range", distances=(5, 9), n=80), settings).runs
    before = found.runs[(found.runs["architecture"] == "lstm") & (found.runs["seed"] == 8)]
    assert again["loss"].tolist() == before["loss"].tolist()


@pytest.mark.xdist_group("tensorflow")
def test_a_comparison_learns_what_is_there():
    random = np.random.default_rng(1)
    codes = random.integers(0, 4, (240, 12), dtype=np.uint8)
    content = (codes % 3 != 0).mean(axis=1) + 50.0
    data = LabelledSequences(codes, content, (), np.arange(240).astype(str), [""] * 240)
    settings = ComparisonSettings(architectures=("mlp", "gru"), parameters=400, epochs=12, seeds=1, learning_rate=0.02)
    found = compare(trials_from_data(data, settings), settings).runs.set_index("architecture")
    assert (found["r2"] > 0.6).all()
    assert math.isclose(found.loc["gru", "learning_rate"], 0.02)


def test_the_mean_decay_is_that_of_what_was_measured():
    from genolstm.report.architectures import plot_decay

    gradients = pd.DataFrame(
        {
            "architecture": "rnn",
            "stage": "trained",
            "seed": [1, 1, 1, 2, 2, 2],
            "lag": [0, 100, 200] * 2,
            "gradient": [1, 1e-4, 1e-8, 1, 1e-40, 0],
        }
    )
    ax = plot_decay(gradients, stage="trained")
    *_, mean = ax.get_lines()
    # Far below what is drawn, and no mean where one of the gradients is none.
    assert mean.get_ydata()[:2] == pytest.approx([1, 1e-22])
    assert np.isnan(mean.get_ydata()[2])
    assert ax.get_ylim()[0] == pytest.approx(1e-30)
