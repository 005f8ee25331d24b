import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from genolstm.cli import main
from genolstm.comparison.run import Comparison
from genolstm.runs import compare as files

FASTA = "".join(f">s{i} label={'ab'[i % 2]} group=g{i // 2 % 6}\n{'ACGT'[i % 4] * 30}\n" for i in range(24))


def call(*args):
    with pytest.raises(SystemExit) as stop:
        main([*map(str, args)])
    return stop.value.code


@pytest.fixture
def fasta(tmp_path):
    path = tmp_path / "x.fa"
    path.write_text(FASTA)
    return path


def result(architectures=("rnn", "lstm"), tests=("held-out",), gradients=()):
    rows = [
        {
            "architecture": name,
            "seed": seed,
            "test": test,
            "parameters": 500,
            "learning_rate": 0.01,
            "best_epoch": 2,
            "ap": 0.8,
            "accuracy": 0.5 + 0.1 * seed,
            "loss": 0.6,
            "training_seconds": 1.5,
            "sequences_per_second": 1000.0,
        }
        for name in architectures
        for seed in (1, 2)
        for test in tests
    ]
    return Comparison(
        pd.DataFrame(rows), pd.DataFrame(gradients, columns=["architecture", "seed", "stage", "lag", "gradient"])
    )


@pytest.fixture
def seen(monkeypatch):
    """Take the place of the training; keep what it was asked to do."""
    calls = []

    def fake(trials, settings, **options):
        calls.append((trials(settings.seed), settings, options))
        options["progress"](result().runs.iloc[0].to_dict())
        decay = [
            (name, seed, stage, lag, 0.9**lag)
            for name in ("rnn", "lstm")
            for seed in (1, 2)
            for stage in ("initial", "trained")
            for lag in range(30)
        ]
        tests = ("distance=20", "distance=50") if options["gradients"] else ("held-out",)
        return result(tests=tests, gradients=decay if options["gradients"] else ())

    monkeypatch.setattr(files, "compare", fake)
    return calls


@pytest.fixture
def asked(monkeypatch):
    """Take the place of the run; keep what it was asked to do."""
    calls = []

    def fake(*args, **options):
        calls.append((args, options))
        options.pop("progress")(result().runs.iloc[0].to_dict())
        return "a note"

    monkeypatch.setattr(files, "run", fake)
    return calls


def test_every_option_arrives(asked, capsys):
    line = (
        "compare x.fa --labels l.tsv --regression --length 20 --architectures lstm,cnn --parameters 700 --epochs 3 "
        "--batch-size 9 --learning-rate 0.02 --bidirectional --seeds 2 --seed 5 -o o.tsv --runs r.tsv "
        "--gradients g.tsv --figure f.svg --models m --force -q"
    )
    main(line.split())
    budget = {
        "architectures": "lstm,cnn",
        "parameters": 700,
        "epochs": 3,
        "batch_size": 9,
        "learning_rate": 0.02,
        "bidirectional": True,
        "seeds": 2,
        "seed": 5,
    }
    paths = [Path(name) for name in ("o.tsv", "r.tsv", "g.tsv", "f.svg", "m")]
    data = {"labels": Path("l.tsv"), "regression": True, "length": 20}
    task = {"task": None, "distances": None, "n": None}
    assert asked.pop() == ((Path("x.fa"),), {**data, **task, "budget": budget, "outputs": files.Outputs(*paths, True)})
    assert capsys.readouterr() == ("", "")
    main(["compare", "--task", "long-range", "--distance", "30", "--distance", "60", "-n", "50"])
    data = {"labels": None, "regression": False, "length": None}
    task = {"task": "long-range", "distances": (30, 60), "n": 50}
    assert asked.pop() == ((None,), {**data, **task, "budget": {}, "outputs": files.Outputs(table=Path("-"))})
    assert capsys.readouterr().err.splitlines() == ["rnn seed 1 held-out: accuracy 0.600, loss 0.600, 2 s", "a note"]
    main(["compare", "x.fa"])
    assert asked.pop()[1] == {
        **data,
        "task": None,
        "distances": None,
        "n": None,
        "budget": {},
        "outputs": files.Outputs(table=Path("-")),
    }


def test_options_become_settings(fasta, seen, capsys):
    main(
        [
            "compare",
            str(fasta),
            "--architectures",
            "lstm,cnn",
            "--parameters",
            "700",
            "--epochs",
            "3",
            "--batch-size",
            "9",
            "--learning-rate",
            "0.02",
            "--bidirectional",
            "--seeds",
            "2",
            "--seed",
            "5",
            "--length",
            "20",
        ]
    )
    trial, settings, options = seen[0]
    assert settings.architectures == ("cnn", "lstm")
    assert (settings.parameters, settings.epochs, settings.batch_size) == (700, 3, 9)
    assert (settings.learning_rate, settings.seeds, settings.seed) == (0.02, 2, 5)
    assert settings.bidirectional
    assert trial.training.length == 20
    assert not options["gradients"]
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert lines[0].split()[:4] == ["architecture", "parameters", "AP", "accuracy"]
    assert "0.650 (0.600-0.700)" in lines[1]
    assert "24 sequences of 20 bases, 6 groups held together" in captured.err
    assert "rnn seed 1 held-out: accuracy 0.600, loss 0.600, 2 s" in captured.err


def test_a_task_has_its_own_budget(seen):
    main(["compare", "--task", "long-range", "--distance", "30", "-n", "50", "-q"])
    trial, settings, _ = seen[0]
    assert (settings.parameters, settings.epochs, settings.batch_size) == (3000, 12, 50)
    assert len(trial.training) + len(trial.validation) == 50
    assert list(trial.tests) == ["distance=30"]


def test_all_outputs(seen, tmp_path, capsys):
    names = ["o.tsv", "runs.tsv", "gradients.tsv", "f.svg"]
    paths = [tmp_path / name for name in names]
    arguments = ["compare", "--task", "long-range"]
    for option, path in zip(("-o", "--runs", "--gradients", "--figure"), paths, strict=True):
        arguments += [option, str(path)]
    main(arguments)
    assert capsys.readouterr().out == ""
    head, *rows = paths[0].read_text().splitlines()
    assert head.startswith("#architecture\ttest\tparameters\tseeds\tap\tap_min")
    assert len(rows) == 4
    assert len(paths[1].read_text().splitlines()) == 9
    assert len(paths[2].read_text().splitlines()) == 241
    assert "distance between the two sites (bp)" in paths[3].read_text()
    assert call(*arguments) == 1
    assert "already exists" in capsys.readouterr().err
    main([*arguments, "--force", "-q"])


def test_a_figure_of_scores(fasta, seen, tmp_path):
    main(["compare", str(fasta), "-q", "--figure", str(tmp_path / "f.svg")])
    text = (tmp_path / "f.svg").read_text()
    assert "inference (sequences/s)" in text
    assert "LSTM" in text


@pytest.mark.parametrize(
    ("content", "args", "message"),
    [
        (">a\nACGT\n", [], "the header has no label="),
        (">a label=x\nACGT\n>b label=x\nAA\n", [], "all 2 sequences have the label 'x'"),
        (FASTA.replace("group=g", "group=h").replace("h2", "h1"), ["--labels", "{}/no.tsv"], "no such file"),
        (">a label=x group=1\nAA\n>b label=y group=2\nAA\n", [], "2 groups cannot be split"),
        (
            ">a label=x group=1\nAA\n>b label=y group=2\nAA\n>c label=x group=3\nAA\n",
            [],
            "the label 'x' occurs in 2 groups",
        ),
        (FASTA, ["--parameters", "20"], "the mlp nearest to 20 parameters"),
        (FASTA, ["--architectures", "gan"], "there is no architecture 'gan'"),
        (FASTA, ["--regression"], "the label 'a' is not a number"),
        (FASTA.replace("ACGT", "!"), ["--figure", "{}/f.gif"], "a figure's name must end in"),
        (">a label=x\nAC!T\n", [], "is not a DNA letter"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(tmp_path, capsys, content, args, message):
    path = tmp_path / "x.fa"
    path.write_text(content)
    args = [arg.format(tmp_path) for arg in args]
    outputs = ["-o", tmp_path / "o.tsv", "--runs", tmp_path / "r.tsv", "--models", tmp_path / "m"]
    assert call("compare", path, *args, *outputs) == 1
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["x.fa", "--task", "motif"],
        ["x.fa", "--distance", "20"],
        ["--task", "motif", "--distance", "20"],
        ["--task", "long-range", "--labels", "x.tsv"],
        ["--task", "long-range", "--distance", "2"],
        ["x.fa", "--epochs", "0"],
        ["x.fa", "--learning-rate", "0"],
    ],
)
def test_usage_errors(args):
    assert call("compare", *args) == 2


def test_help_imports_nothing_heavy():
    code = (
        "import sys\nfrom genolstm.cli import main\n"
        "try:\n    main(['compare', '--help'])\nexcept SystemExit:\n    pass\n"
        "assert not {'tensorflow', 'pandas', 'numpy', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.xdist_group("tensorflow")
def test_from_fasta_to_models_and_their_gates(fasta, tmp_path, capsys):
    main(
        [
            "compare",
            str(fasta),
            "--architectures",
            "mlp,lstm",
            "--parameters",
            "400",
            "--epochs",
            "1",
            "--seeds",
            "1",
            "--models",
            str(tmp_path / "m"),
            "-o",
            str(tmp_path / "o.tsv"),
            "-q",
        ]
    )
    assert sorted(path.name for path in (tmp_path / "m").iterdir()) == ["lstm-1.genolstm", "mlp-1.genolstm"]
    table = pd.read_csv(tmp_path / "o.tsv", sep="\t")
    assert table["accuracy"].between(0, 1).all()
    main(["model", "verify", str(tmp_path / "m" / "lstm-1.genolstm")])
    main(["model", "gates", str(tmp_path / "m" / "lstm-1.genolstm"), "ACGT", "-q"])
    capsys.readouterr()
    assert call("model", "gates", tmp_path / "m" / "mlp-1.genolstm", "ACGT") == 1
    assert "the network is a mlp, it has no gates" in capsys.readouterr().err
