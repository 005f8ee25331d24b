"""``text generators`` from FASTA to tables and a figure."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from support.text import random_dna, toy_dna

from genolstm.cli import main
from genolstm.comparison.two_sample import TwoSampleTest
from genolstm.runs import text_generators
from genolstm.sequences.alphabet import decode
from genolstm.text import generators
from genolstm.text.generators import MAKERS

pytestmark = pytest.mark.xdist_group("tensorflow")


@pytest.fixture(autouse=True)
def judge(monkeypatch):
    """Take the place of the classifier, which has tests of its own; keep what it was asked."""
    pytest.importorskip("tensorflow")
    asked = []

    def fake(first, second, *, seed, settings):
        assert not any(np.array_equal(a, b) for a, b in zip(first[0], second[0], strict=True))
        asked.append((len(first[0]), len(second[0]), len(set(first[1])), len(set(second[1])), seed))
        return TwoSampleTest(0.5, 0.4, 0.6, 0.5 + seed / 100, 0.45, 0.65, 10)

    monkeypatch.setattr(text_generators, "two_sample_test", fake)
    return asked


@pytest.fixture
def brief(monkeypatch):
    """Train no LSTM, which has tests of its own, and run the GAN's steps without a graph, which takes long to make."""
    tf = pytest.importorskip("tensorflow")

    def fit(training, settings, *, held_out, folder, progress):
        assert (settings.units, settings.epochs, settings.patience, settings.seed) == (4, 1, 1, 1)
        assert not {one.name for one in training.records} & {one.name for one in held_out.records}
        model = toy_dna()
        model.bundle = replace(model.bundle, provenance={"settings": {"best_epoch": 1, "epochs_run": 1}})
        return model

    monkeypatch.setattr(generators.TextGenerator, "fit", fit)
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture
def fasta(tmp_path):
    path = tmp_path / "x.fa"
    codes = random_dna(64 * 50)
    codes[70:75] = codes[100] = 4  # in either window of a block
    path.write_text(f">chr1\n{decode(codes)}\n")
    return path


SMALL = (
    "--window 32 --block 64 --passes 1 --units 4 --max-order 3 --gan-channels 3 --gan-latent 2 --gan-batch-size 24 -q"
)


def call(capsys, fasta, *words, seeds=1):
    try:
        main(["text", "generators", str(fasta), *SMALL.split(), "--seeds", str(seeds), *map(str, words)])
    except SystemExit as stop:
        return stop.code or 0, capsys.readouterr().err
    return 0, capsys.readouterr().err


def table(path):
    return pd.read_csv(path, sep="\t").rename(columns={"#generator": "generator"}).set_index("generator")


@pytest.mark.parametrize(
    "how", [pytest.param("brief", id="brief"), pytest.param("judge", id="whole", marks=pytest.mark.slow)]
)
def test_all_generators_are_trained_judged_and_kept(how, fasta, tmp_path, capsys, judge, monkeypatch, request):
    request.getfixturevalue(how)
    pytest.importorskip("matplotlib")
    outputs = ("-o", tmp_path / "t.tsv", "--runs", tmp_path / "r.tsv", "--figure", tmp_path / "f.svg")
    code, err = call(capsys, fasta, *outputs)
    assert (code, err) == (0, "warning: 64 bases without a window of known bases left out\n")
    names = ["real", "lstm", "markov", "gan", "independent"]
    found, runs = table(tmp_path / "t.tsv"), table(tmp_path / "r.tsv")
    assert found.index.tolist() == runs.index.tolist() == names
    assert len({tuple(one[:2]) for one in judge}) == 1  # as many windows of all
    assert judge[0][0] == judge[0][1] == runs["windows"].iloc[0]
    assert (runs["bases"] == 32 * runs["windows"]).all()
    account = json.loads((tmp_path / "t.json").read_text())
    training = account["parts"]["training_bases"]
    assert account["seeds"] == {"generators": [1], "division": 1}
    assert sum(account["parts"][f"{part}_bases"] for part in ("training", "validation", "held_out")) == 64 * 49
    assert runs.loc[["lstm", "markov"], "bases_read"].tolist() == [training, training]
    assert abs(runs.loc["gan", "bases_read"] - training) <= 24 * 32 / 2
    assert runs.loc[["real", "independent"], "parameters"].isna().all()
    assert runs["copied"].max() < 0.05
    assert ((runs["bits"] > 1.8) & (runs["bits"] < 2.6)).all()
    assert (found["auc"] == 0.51).all()
    text = (tmp_path / "f.svg").read_text()
    assert all(word in text for word in ("real, held out", "LSTM", "Markov", "GAN", "independent bases"))

    # A rerun takes what is there: one more seed needs no other, and a judge that was cut short no training.
    def refuse(*args):
        raise AssertionError("trained again")

    for name in MAKERS:
        monkeypatch.setitem(MAKERS, name, refuse)
    folder = tmp_path / "t.tsv.training"
    kept = json.loads((folder / "gan-1.json").read_text())
    row = kept.pop("row")
    kept["made"] = {key: row[key] for key in ("parameters", "bases_read", "cpu_seconds", "chosen")}
    (folder / "gan-1.json").write_text(json.dumps(kept))
    before, said = (tmp_path / "r.tsv").read_bytes(), len(judge)
    code, err = call(capsys, fasta, *outputs[:4], "--force")
    assert code == 0, err
    assert (tmp_path / "r.tsv").read_bytes() == before
    assert len(judge) == said + 1
    lines = (folder / "gan-1.fa").read_text().splitlines()
    assert len(lines) == 2 * runs["windows"].iloc[0]

    # What is kept of another run, or damaged, is refused.
    code, err = call(capsys, fasta, *outputs[:4], "--force", "--gan-penalty", 3)
    assert (code, "gan-1.json: the checkpoint is of another run, which differs in: gan;" in err) == (1, True)
    # The others do not depend on that.
    code, err = call(capsys, fasta, *outputs[:4], "--force", "--gan-penalty", 3, "--generators", "lstm,markov")
    assert code == 0, err
    assert len(judge) == said + 1
    (folder / "gan-1.fa").write_text(">a\nACGT\n")
    (folder / "gan-1.json").write_text(json.dumps(kept))
    code, err = call(capsys, fasta, *outputs[:4], "--force")
    assert (code, "damaged" in err) == (1, True)
    (folder / "lstm-1.json").write_text("{")
    code, err = call(capsys, fasta, *outputs[:4], "--force")
    assert (code, "lstm-1.json: the checkpoint is damaged" in err) == (1, True)


def test_a_seed_repeats_what_it_made(fasta, tmp_path, capsys):
    made = []
    for folder in ("a", "b"):
        out = ("-o", tmp_path / f"{folder}.tsv", "--checkpoints", tmp_path / folder, "--generators", "markov")
        code, err = call(capsys, fasta, *out, seeds=2)
        assert code == 0, err
        made.append({path.name: path.read_bytes() for path in (tmp_path / folder).glob("*.fa")})
    assert made[0] == made[1]
    assert set(made[0]) == {"markov-1.fa", "markov-2.fa"}
    assert made[0]["markov-1.fa"] != made[0]["markov-2.fa"].replace(b"markov-2", b"markov-1")
    found = table(tmp_path / "a.tsv")
    assert found.loc["real", ["seeds", "auc", "auc_min", "auc_max"]].tolist() == pytest.approx([2, 0.515, 0.51, 0.52])


def test_what_cannot_be_divided_is_refused_before_anything_is_trained(tmp_path, capsys):
    short = tmp_path / "short.fa"
    short.write_text(f">a\n{'ACGT' * 40}\n")
    code, err = call(capsys, short, "-o", tmp_path / "t.tsv")
    assert code == 1
    assert "too few to learn from" in err
    assert "--block" in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["short.fa"]
