"""simulate -> train -> scan -> evaluate on data of one's own, and a training run that is killed."""

from __future__ import annotations

import csv
import io
import json
import re
import signal
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import pytest
from support import DATA

from genolstm.introgression.evaluate import Ranking
from genolstm.introgression.segments import DecodeSettings
from genolstm.introgression.tracks import TrackSettings
from genolstm.introgression.train import default_threshold
from genolstm.lstm.bundle.bundle import Bundle

# TensorFlow takes all cores, and seconds to start: one such test at a time.
pytestmark = [pytest.mark.xdist_group("tensorflow"), pytest.mark.timeout(600)]

EPOCHS = 6
TRAIN = [
    "--units",
    8,
    "--layers",
    1,
    "--epochs",
    EPOCHS,
    "--patience",
    0,
    "--batch-size",
    8,
    "--window",
    50,
    "--bin",
    2000,
    "--learning-rate",
    0.01,
    "--validation",
    0.25,
    "--seed",
    3,
    "--label",
    "visitor",
    "-q",
]


def train_arguments(regions: Path, output: Path, log: Path) -> list[str]:
    folders = [regions / f"seed_{seed}" for seed in range(21, 25)]
    args = ["introgression", "train", *folders, "-o", output, "--log", log, *TRAIN]
    return [str(arg) for arg in args]


@pytest.fixture(scope="module")
def regions(tmp_path_factory) -> Path:
    """Five regions of which four are for training."""
    from genolstm.cli import main

    folder = tmp_path_factory.mktemp("loop") / "regions"
    args = [
        "introgression",
        "simulate",
        "-o",
        folder,
        "-q",
        "--model",
        DATA / "admixture.yaml",
        "--target",
        "target",
        "--outgroup",
        "outgroup",
        "--archaic",
        "archaic",
        "--archaic-time",
        1500,
        "--length",
        300_000,
        "--replicates",
        5,
        "--seed",
        21,
        "--target-size",
        4,
        "--outgroup-size",
        6,
        "--mutation-rate",
        3e-8,
        "--recombination-rate",
        1e-8,
    ]
    main([str(arg) for arg in args])
    assert sorted(p.name for p in folder.iterdir()) == [f"seed_{seed}" for seed in range(21, 26)]
    return folder


@pytest.fixture(scope="module")
def trained(regions: Path) -> Path:
    """A model that was trained in one go."""
    # In this process, which has TensorFlow: another would take longer to import it than to train.
    from genolstm.cli import main

    output = regions.parent / "whole.genolstm"
    with redirect_stdout(io.StringIO()) as said, redirect_stderr(io.StringIO()) as told:
        main(train_arguments(regions, output, regions.parent / "log.csv"))
    assert said.getvalue().startswith(f"{output}: validation AP ")
    # Also if it is to be quiet: four regions are too few to rely on.
    first, last = told.getvalue().splitlines()
    assert first.startswith("warning: 4 labelled regions: 40 or more are needed")
    assert re.fullmatch(r"warning: validation AP [01]\.\d{3} with 4 labelled regions: 40 or more are needed", last)
    return output


def test_the_model_says_what_it_is(trained: Path) -> None:
    bundle = Bundle.open(trained)
    assert bundle.kind == "introgression"
    assert bundle.metadata["label"] == "visitor"
    assert {name: bundle.metadata[name] for name in ("k", "bin", "channels")} == (
        TrackSettings(31, 2000).requirements()
    )
    assert set(bundle.members) >= {"model.keras", "model.onnx", "card.md"}
    assert trained.stat().st_size < 200_000
    data = bundle.provenance["data"]
    assert (len(data["training"]), len(data["validation"])) == (3, 1)
    assert not set(data["training"]) & set(data["validation"])
    with (trained.parent / "log.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [int(row["epoch"]) for row in rows] == list(range(1, EPOCHS + 1))
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"])
    assert f"{bundle.metadata['validation']['lstm']['ap']:.3f}" in bundle.card


def test_the_default_threshold_can_always_be_used() -> None:
    for best, expected in ((0.0, 1e-4), (0.3, 0.3), (1.0, 1 - 1e-4)):
        threshold = default_threshold(Ranking(0.5, 0.5, best, 0.5, 0.5, 0.5))
        assert threshold == expected
        assert DecodeSettings(threshold).threshold == threshold


@pytest.mark.parametrize("door", ["vcf", "fasta"])
def test_it_finds_what_it_has_not_seen(cli, trained: Path, regions: Path, tmp_path: Path, door: str) -> None:
    unseen = regions / "seed_25"
    if door == "vcf":
        source: list[object] = ["--vcf", unseen / "region.vcf.gz"]
        source += [part for role in ("target", "outgroup", "archaic") for part in (f"--{role}", unseen / f"{role}.txt")]
    else:
        source = [unseen / "target.fa.gz"]
        for role in ("outgroup", "archaic"):
            panel = tmp_path / f"{role}.panel"
            assert cli("panel", "build", unseen / f"{role}.fa.gz", "-o", panel).code == 0
            source += [f"--{role}", panel]
    segments, posteriors = tmp_path / "x.bed", tmp_path / "p.tsv.gz"
    outputs = ["-o", segments, "--posteriors", posteriors]
    result = cli("introgression", "scan", *source, "--model", trained, *outputs)
    assert result.code == 0, result.err
    assert "\tvisitor\t" in segments.read_text().splitlines()[2]
    result = cli("introgression", "evaluate", segments, unseen / "truth.bed", "--posteriors", posteriors, "--json")
    found = json.loads(result.out)
    # A third is archaic: that is what guessing would reach.
    assert 0.15 < found["true_fraction"] < 0.5
    assert found["ap"] > 0.9
    assert found["f1"] > 0.85


def test_a_killed_run_goes_on_to_the_same_model(trained: Path, regions: Path) -> None:
    output = regions.parent / "killed.genolstm"
    checkpoint = Path(f"{output}.training") / "checkpoint.npz"
    log = regions.parent / "killed.csv"
    args = [sys.executable, "-m", "genolstm", *train_arguments(regions, output, log)]
    process = subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 240
    while not checkpoint.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    # TensorFlow, which has started by then, says nothing.
    said, told = process.communicate(timeout=60)
    assert (said, told.count(b"\n")) == (b"", 1)
    assert told.startswith(b"warning: 4 labelled regions: ")
    assert process.returncode == -signal.SIGKILL
    assert not output.exists()
    with np.load(checkpoint, allow_pickle=False) as content:
        progress = json.loads(bytes(content["state"]))["progress"]
    assert 1 <= progress["epoch"] < EPOCHS
    assert not progress["finished"]

    # In a process of its own: Keras numbers the networks that it names.
    done = subprocess.run(args, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert [line[:8] for line in done.stderr.splitlines()] == ["warning:"] * 2
    assert done.stdout.startswith(f"{output}: validation AP ")
    whole, resumed = Bundle.open(trained), Bundle.open(output)
    assert resumed.members["model.onnx"] == whole.members["model.onnx"]
    assert resumed.members["model.keras"] == whole.members["model.keras"]
    assert resumed.metadata == whole.metadata
    assert resumed.provenance["data"] == whole.provenance["data"]
    # The log has every epoch, those before the kill too; only times differ.
    tables = []
    for path in (log, regions.parent / "log.csv"):
        with path.open() as stream:
            tables.append(
                [
                    {k: v for k, v in row.items() if "seconds" not in k and "_per_s" not in k}
                    for row in csv.DictReader(stream)
                ]
            )
    assert tables[0] == tables[1]
