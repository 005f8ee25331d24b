"""Every option of `text` arrives where the work is done, with its value; and so do the defaults."""

import subprocess
import sys
from pathlib import Path

import pytest
from click import UsageError

from genolstm.cli import cli
from genolstm.lstm.bundle.bundle import Bundle
from genolstm.runs.text_generators import Generators
from genolstm.text.scoring import Total
from genolstm.text.settings import PRESETS, GanSettings, GeneratorsSettings, TextSettings

PARTS = {"training_bases": 5, "validation_bases": 1, "held_out_bases": 4, "held_out_groups": 2, "block": 2}
COMPARED = Generators(None, {"parts": {**PARTS, "left_out_bases": 3}})


@pytest.fixture
def asked(monkeypatch):
    """Take the place of every run; keep what it was asked to do."""
    calls = []
    answers = {
        "text_train.run": Bundle("text", None, {}, {}, {}, ""),
        "text_generate.run": None,
        "text_generators.run": COMPARED,
        "text_score.run": [("total", Total(2, 3.0))],
        "text_baseline.run": [],
        "text_spectrum.run": [],
    }
    for name, answer in answers.items():

        def fake(*args, _answer=answer, **options):
            calls.append((args, options))
            return _answer

        monkeypatch.setattr(f"genolstm.runs.{name}", fake)
    return calls


def call(asked, line):
    cli(["text", *line.split()], standalone_mode=False)
    assert len(asked) == 1
    args, options = asked.pop()
    for told in ("on_network", "warn"):
        options.pop(told, None)
    return args, options


def test_options_of_train_arrive(asked):
    line = (
        "train a.txt b.txt -o m.genolstm --preset tutorial --format text --held-out c.txt --held-out d.txt "
        "--validation 0.3 --steps 9 --embedding 3 --units 7 --layers 2 --dropout 0.4 --epochs 5 --steps-per-epoch 6 "
        "--batch-size 8 --learning-rate 0.01 --patience 2 --reverse-complement --noise 0.2 --seed 11 "
        "--checkpoints folder --log l.csv --force -q --tokens words --vocabulary 77"
    )
    settings = TextSettings(
        tokens="words",
        vocabulary=77,
        mode="window",
        embedding=3,
        units=7,
        layers=2,
        dropout=0.4,
        steps=9,
        batch_size=8,
        epochs=5,
        steps_per_epoch=6,
        learning_rate=0.01,
        schedule="constant",
        warmup_steps=0,
        clipnorm=0.0,
        patience=2,
        validation=0.3,
        reverse_complement=True,
        noise=0.2,
        seed=11,
    )
    assert call(asked, line) == (
        ((Path("a.txt"), Path("b.txt")), Path("m.genolstm"), settings),
        {
            "form": "text",
            "held_out": (Path("c.txt"), Path("d.txt")),
            "checkpoints": Path("folder"),
            "log": Path("l.csv"),
            "force": True,
            "quiet": True,
        },
    )
    (_, _, settings), _ = call(asked, "train a.txt -o m --forward-only")
    assert not settings.reverse_complement


def test_defaults_of_train_are_those_of_the_settings(asked):
    args, options = call(asked, "train a.txt -o m")
    assert args == ((Path("a.txt"),), Path("m"), TextSettings())
    assert options == {"form": "auto", "held_out": (), "checkpoints": None, "log": None, "force": False, "quiet": False}
    assert call(asked, "train a.txt -o m --preset tutorial")[0][2] == PRESETS["tutorial"]


def test_a_width_alone_asks_for_one_layer(asked):
    settings = call(asked, "train a.txt -o m --preset tutorial --units 7")[0][2]
    assert (settings.units, settings.layers) == (7, 1)
    assert call(asked, "train a.txt -o m --layers 3")[0][2].layers == 3


def test_options_of_generate_arrive(asked):
    line = (
        "generate --model m -p abc --echo -n 7 --temperature 0.5 --top-k 3 --top-p 0.9 --skip-unknown --window "
        "--samples 2 -o out.txt --seed 5 --force --sentence"
    )
    assert call(asked, line) == (
        ("m", Path("out.txt")),
        {
            "prompt": "abc",
            "echo": True,
            "length": 7,
            "sampling": {"temperature": 0.5, "top_k": 3, "top_p": 0.9},
            "skip_unknown": True,
            "carry": False,
            "sentence": True,
            "samples": 2,
            "seed": 5,
            "force": True,
        },
    )
    defaults = {
        "prompt": "",
        "echo": False,
        "length": 1000,
        "sampling": {},
        "skip_unknown": False,
        "carry": None,
        "sentence": False,
        "samples": 1,
        "seed": 1,
        "force": False,
    }
    assert call(asked, "generate --model m") == (("m", Path("-")), defaults)
    assert call(asked, "generate m") == (("m", Path("-")), defaults)
    assert call(asked, "generate --model m --carry") == (("m", Path("-")), {**defaults, "carry": True})


def test_options_of_score_arrive(asked, capsys):
    line = (
        "score --model m a.fa b.fa --format fasta --skip-unknown --positions - --bedgraph s.bg --bin 4 --by-record "
        "--json -t 3 --force --mix --adapt --history h.fa --history i.fa --held-out v.fa --weights w.tsv.gz "
        "--repeats r.bg --bigwig s.bw"
    )
    expected = (
        ("m", (Path("a.fa"), Path("b.fa"))),
        {
            "form": "fasta",
            "skip_unknown": True,
            "positions": Path("-"),
            "bedgraph": Path("s.bg"),
            "bin_size": 4,
            "by_record": True,
            "threads": 3,
            "force": True,
            "mix": True,
            "adapt": True,
            "network": True,
            "history": (Path("h.fa"), Path("i.fa")),
            "held_out": (Path("v.fa"),),
            "weights": Path("w.tsv.gz"),
            "repeats": Path("r.bg"),
            "bigwig": Path("s.bw"),
        },
    )
    assert call(asked, line) == expected
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith('{"symbols": 2')
    assert call(asked, line + " -q") == expected
    assert capsys.readouterr() == ("", "")
    defaults = {
        "form": "auto",
        "skip_unknown": False,
        "positions": None,
        "bedgraph": None,
        "bin_size": 1,
        "by_record": False,
        "threads": 0,
        "force": False,
        "mix": False,
        "adapt": False,
        "network": True,
        "history": (),
        "held_out": (),
        "weights": None,
        "repeats": None,
        "bigwig": None,
    }
    counts = {**defaults, "mix": True, "network": False}
    assert call(asked, "score --model m a.fa --mix --counts-only") == (("m", (Path("a.fa"),)), counts)
    assert call(asked, "score --model m a.fa") == (("m", (Path("a.fa"),)), defaults)
    assert call(asked, "score m a.fa") == (("m", (Path("a.fa"),)), defaults)


def test_options_of_baseline_arrive(asked, capsys):
    line = (
        "baseline a.fa b.fa --format fasta --held-out c --validation 0.2 --max-order 4 --forward-only --json --seed 3 "
        "--tokens words --vocabulary 50"
    )
    settings = TextSettings(tokens="words", vocabulary=50, validation=0.2, reverse_complement=False, seed=3)
    assert call(asked, line) == (
        ((Path("a.fa"), Path("b.fa")), settings),
        {"form": "fasta", "held_out": (Path("c"),), "max_order": 4},
    )
    assert capsys.readouterr().out == "{}\n"
    assert call(asked, "baseline a.fa") == (
        ((Path("a.fa"),), TextSettings()),
        {"form": "auto", "held_out": (), "max_order": 12},
    )


def test_options_of_generators_arrive(asked, capsys):
    line = (
        "generators a.fa b.fa -o t.tsv --runs r.tsv --figure f.svg --checkpoints folder --generators gan,lstm "
        "--bases 4000 --window 64 --block 640 --held-out 0.3 --validation 0.2 --forward-only --passes 5 --units 9 "
        "--max-order 4 --seeds 2 --seed 7 --gan-channels 8 --gan-latent 3 --gan-critic-steps 2 --gan-penalty 1.5 "
        "--gan-temperature 0.5 --gan-batch-size 6 --gan-learning-rate 0.1 --force"
    )
    args, options = call(asked, line)
    told = options.pop("progress")
    settings = GeneratorsSettings(
        generators=("lstm", "gan"),
        passes=5,
        seeds=2,
        seed=7,
        window=64,
        bases=4000,
        block=640,
        held_out=0.3,
        validation=0.2,
        units=9,
        max_order=4,
        reverse_complement=False,
    )
    gan = GanSettings(
        latent=3, channels=8, batch_size=6, critic_steps=2, penalty=1.5, temperature=0.5, learning_rate=0.1
    )
    assert args == ((Path("a.fa"), Path("b.fa")), Path("t.tsv"))
    assert options == {
        "settings": settings,
        "gan": gan,
        "runs": Path("r.tsv"),
        "figure": Path("f.svg"),
        "checkpoints": Path("folder"),
        "force": True,
    }
    err = capsys.readouterr().err
    assert "learned from 5 bases, 1 to choose by, 4 held out in 2 blocks of 2" in err
    assert "warning: 3 bases" in err
    row = {"generator": "gan", "seed": 1, "jsd_6": 0.1, "auc": 0.9, "auc_low": 0.8, "auc_high": 1.0}
    told({**row, "copied": 0.2, "bits": 1.9})
    assert "gan seed 1: divergence of 6-mers 0.10000" in capsys.readouterr().err
    args, options = call(asked, "generators a.fa -o t.tsv -q")
    options.pop("progress")
    assert options.pop("settings") == GeneratorsSettings()
    assert options.pop("gan") == GanSettings()
    assert not any(options.values())
    assert capsys.readouterr().err.startswith("warning")


def test_options_of_spectrum_arrive(asked):
    assert call(asked, "spectrum a.fa b.fa -k 3 -k 5") == ((Path("a.fa"), Path("b.fa"), (3, 5)), {})
    assert call(asked, "spectrum a.fa b.fa") == ((Path("a.fa"), Path("b.fa"), (2, 4, 6)), {})


@pytest.mark.parametrize(
    "command", ["text train", "text generate", "text generators", "text score", "model gates", "model info"]
)
def test_help_imports_nothing_heavy(command):
    code = (
        "import sys\nfrom genolstm.cli import main\n"
        f"try:\n    main([*{command.split()!r}, '--help'])\nexcept SystemExit:\n    pass\n"
        "assert not {'tensorflow', 'pandas', 'numpy', 'scipy', 'sklearn', 'numba'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_the_model_may_still_come_first_and_must_come_somehow(asked):
    with pytest.raises(UsageError, match="Missing option '--model'"):
        cli(["text", "score", "x.fa"], standalone_mode=False)
    with pytest.raises(UsageError, match="Missing option '--model'"):
        cli(["text", "generate"], standalone_mode=False)
    with pytest.raises(UsageError, match="unexpected extra argument"):
        cli(["text", "generate", "--model", "m", "n"], standalone_mode=False)
    assert asked == []
