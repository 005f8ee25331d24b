"""The sequence-only recipe is trained: it learns its loci by heart, says so, and resumes."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.introgression import letters, write_region

from genolstm.introgression.sequence_only.data import read_folders
from genolstm.introgression.sequence_only.measures import best_threshold, measure
from genolstm.introgression.sequence_only.settings import RECIPE, TRAINING, WARNING, SentenceSettings
from genolstm.introgression.sequence_only.train import split_by_groups
from genolstm.lstm.bundle.bundle import Bundle

pytest.importorskip("tensorflow")
# TensorFlow takes all cores, and seconds to start: one such test at a time.
pytestmark = [pytest.mark.xdist_group("tensorflow"), pytest.mark.timeout(300)]

PEOPLE = 6
SETTINGS = [
    *("--mode", "sequence", "--units", 6, "--embedding", 6, "-k", 3, "--sentence", 24, "--step", 12, "--epochs", 3),
    *("--patience", 0, "--batch-size", 16, "--learning-rate", 0.02, "--seed", 2, "-q"),
]


@pytest.fixture(scope="module")
def loci(tmp_path_factory) -> Path:
    """Regions in which everybody has the same sequence, and half of everybody a tract in the same place."""
    place = tmp_path_factory.mktemp("recipe") / "regions"
    for number in range(5):
        sequence = letters(240, 50 + number)
        names = [(f"S{person}", haplotype) for person in range(PEOPLE) for haplotype in "12"]
        sequences = {f"{sample}#{haplotype}#chr{number}": sequence for sample, haplotype in names}
        tracts = [(f"chr{number}", 0, 120, sample, haplotype) for sample, haplotype in names if haplotype == "1"]
        write_region(place / f"seed_{number}", sequences, tracts)
    return place


def train(output: Path, loci: Path, *more: object) -> tuple[str, str]:
    from genolstm.cli import main

    with redirect_stdout(io.StringIO()) as said, redirect_stderr(io.StringIO()) as told:
        main([str(word) for word in ("introgression", "train", loci, "-o", output, *SETTINGS, *more)])
    return said.getvalue(), told.getvalue()


@pytest.fixture(scope="module")
def trained(loci: Path) -> tuple[Path, str, str]:
    """A model split by people at the same loci, and what was said."""
    output = loci.parent / "people.genolstm"
    return output, *train(output, loci, "--split", "haplotype", "--log", loci.parent / "log.csv")


def test_the_warning_is_told_and_stands_in_the_card(trained: tuple[Path, str, str]) -> None:
    output, said, told = trained
    bundle = Bundle.open(output)
    assert told.splitlines()[0] == f"warning: {WARNING}"
    assert bundle.metadata["warning"] == WARNING
    opening = bundle.card.split("\n\n")[1]
    assert opening == f"{WARNING[0].upper()}{WARNING[1:]}."
    assert said.startswith(f"{output}: test of 1 group: AUC ")
    assert bundle.kind == "sequence-only introgression"
    parts = [set(names) for names in bundle.provenance["data"].values()]
    assert set().union(*parts) == {f"S{person}" for person in range(PEOPLE)}
    assert sum(map(len, parts)) == PEOPLE


def test_what_was_learned_by_heart_is_called_so(trained: tuple[Path, str, str], loci: Path) -> None:
    """Everybody has the same sequence: most test sentences were there in the training."""
    output, _, told = trained
    found = Bundle.open(output)
    settings = SentenceSettings(k=3, sentence=24, step=12)
    data = read_folders([loci], settings, replace(RECIPE, split="haplotype"), seed=2)
    parts = split_by_groups(data, TRAINING.validation_fraction, RECIPE.test_fraction, 2)
    learned = {tuple(row) for row in data.tokens[parts.training].tolist()}
    seen = np.mean([tuple(row) in learned for row in data.tokens[parts.test].tolist()])
    assert found.metadata["test"]["seen"] == seen > 0.8
    said = f"{100 * seen:.1f} % of the test sentences are also in the training data, letter for letter"
    assert f"warning: {said}: the figures are of memory" in told
    assert said in found.card
    # Where everybody is modern it was seen that they are.
    assert found.metadata["test"]["auc"] > 0.6


@pytest.mark.slow
def test_of_loci_that_it_did_not_see_it_says_that_there_is_nothing(loci: Path, tmp_path: Path) -> None:
    output = tmp_path / "regions.genolstm"
    _, told = train(output, loci, "--split", "region", "--test", 0.4)
    bundle = Bundle.open(output)
    assert bundle.metadata["test"]["seen"] == 0.0
    assert bundle.metadata["test"]["groups"] == 2
    low = bundle.metadata["test"]["auc_interval"][0]
    assert ("cannot be told from chance" in told) == (low <= 0.5)
    assert "letter for letter" not in told + bundle.card


class Stop(Exception):
    """The run ends here, as if it had been killed."""


def test_a_run_that_was_stopped_goes_on_to_the_same_model(
    trained: tuple[Path, str, str], loci: Path, tmp_path: Path, monkeypatch
) -> None:
    from genolstm.lstm.train import training

    class Reporter:
        def step(self, *_: object) -> None: ...

        def epoch(self, row: dict[str, float]) -> None:
            if row["epoch"] == 1:
                raise Stop

        def close(self) -> None: ...

    output = tmp_path / "people.genolstm"
    more = ("--split", "haplotype")
    with monkeypatch.context() as patch:
        patch.setattr(training, "make_reporter", lambda **_: Reporter())
        with pytest.raises(Stop):
            train(output, loci, *more)
    assert not output.exists()
    with np.load(Path(f"{output}.training") / "checkpoint.npz", allow_pickle=False) as content:
        assert json.loads(bytes(content["state"]))["progress"]["epoch"] == 1
    train(output, loci, *more)
    whole, resumed = Bundle.open(trained[0]), Bundle.open(output)
    assert resumed.members["model.onnx"] == whole.members["model.onnx"]
    assert resumed.members["card.md"] == whole.members["card.md"]
    assert resumed.metadata == whole.metadata


def test_it_is_used_without_tensorflow(trained: tuple[Path, str, str], loci: Path, cli: Callable) -> None:
    script = (
        "import sys; from genolstm.cli import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit as stop:\n    assert not stop.code\n"
        "assert not {'tensorflow', 'keras', 'sklearn'} & set(sys.modules)"
    )
    query = loci / "seed_0" / "target.fa.gz"
    words = ["introgression", "score", query, "--model", trained[0]]
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, words)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith(f"warning: {WARNING}\n")
    rows = [line.split("\t") for line in done.stdout.splitlines()[1:]]
    assert len(rows) == 2 * PEOPLE * 19
    assert done.stdout == cli(*words).out


def test_measures_are_those_of_a_plain_count() -> None:
    random = np.random.default_rng(3)
    archaic = random.random(120) < 0.4
    probability = np.round(random.random(120) * 0.7 + 0.3 * archaic, 1)  # with ties
    groups = random.integers(0, 6, 120).astype(str)
    found = measure(archaic, probability, groups, 0.6)
    pairs = [(a > b) + 0.5 * (a == b) for a in probability[archaic] for b in probability[~archaic]]
    called = probability >= 0.6
    hit = (called & archaic).sum()
    assert found.auc == pytest.approx(np.mean(pairs))
    assert found.f1 == pytest.approx(2 * hit / (called.sum() + archaic.sum()))
    assert found.accuracy == pytest.approx((called == archaic).mean())
    assert (found.sentences, found.archaic, found.groups) == (120, archaic.sum(), 6)
    assert found.guess_f1 == pytest.approx(2 * archaic.sum() / (120 + archaic.sum()))
    for low, high, value in (
        (*found.auc_interval, found.auc),
        (*found.f1_interval, found.f1),
        (*found.accuracy_interval, found.accuracy),
    ):
        assert low < value < high
    alone = measure(archaic, probability, np.zeros(120), 0.6)
    assert (alone.auc_interval, alone.f1_interval, alone.accuracy_interval) == ([], [], [])
    levels = sorted(set(probability.tolist()))
    gains = [(probability[archaic] >= t).mean() - (probability[~archaic] >= t).mean() for t in levels]
    assert max(gains) == pytest.approx(gains[levels.index(best_threshold(archaic, probability))])


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_bytes(loci: Path, tmp_path: Path) -> None:
    def arguments(output: Path) -> list[str]:
        return [
            sys.executable,
            "-m",
            "genolstm",
            "introgression",
            "train",
            str(loci),
            "-o",
            str(output),
            *map(str, SETTINGS),
        ]

    outputs = [tmp_path / "whole.genolstm", tmp_path / "killed.genolstm"]
    checkpoint = Path(f"{outputs[1]}.training") / "checkpoint.npz"
    process = subprocess.Popen(arguments(outputs[1]), stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not checkpoint.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not outputs[1].exists()
    for output in outputs:
        subprocess.run(arguments(output), check=True, capture_output=True, timeout=200)
    whole, killed = map(Bundle.open, outputs)
    assert whole.members == killed.members
    assert whole.metadata == killed.metadata
