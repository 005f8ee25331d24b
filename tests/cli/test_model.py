import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.lstm import CONFIGS, keras_of, onnx_of

from genolstm.cli import cli, main
from genolstm.lstm.bundle import bundle as bundles
from genolstm.lstm.bundle.bundle import Bundle, find_bundle, save_bundle
from genolstm.lstm.gates import Gates
from genolstm.lstm.settings import GateSettings
from genolstm.runs import model as runs

CONFIG = CONFIGS["lstm-tag"]


@pytest.fixture
def bundle(tmp_path):
    path = tmp_path / "toy.genolstm"
    save_bundle(
        path,
        kind="toy",
        members={"model.onnx": onnx_of(CONFIG), "model.keras": keras_of()},
        config=CONFIG,
        metadata={"k": 31, "channels": ["a", "b"], "context": 40},
        provenance={"created": "2026-01-01T00:00:00+00:00", "command": ["genolstm", "train"]},
        card="# Toy\n\nTrained on nothing.\n",
    )
    return path


def call(*args):
    with pytest.raises(SystemExit) as stop:
        main([*map(str, args)])
    return stop.value.code


def succeed(*args):
    main([*map(str, args)])


def test_info(bundle, capsys):
    succeed("model", "info", bundle)
    facts = dict(line.split("\t") for line in capsys.readouterr().out.splitlines())
    assert facts["kind"] == "toy"
    assert facts["channels"] == "[a, b]"
    assert facts["units"] == "7"
    assert facts["command"] == "genolstm train"
    assert facts["sha256"] == Bundle.open(bundle).digest


def test_info_json(bundle, capsys):
    succeed("model", "info", bundle, "--json")
    manifest = json.loads(capsys.readouterr().out)
    assert manifest == Bundle.open(bundle).manifest()
    assert manifest["config"]["n_features"] == 5


def test_card(bundle, capsys):
    succeed("model", "card", bundle)
    assert capsys.readouterr().out == "# Toy\n\nTrained on nothing.\n"


def test_verify(bundle, capsys):
    succeed("model", "verify", bundle)
    facts = dict(line.split("\t") for line in capsys.readouterr().out.splitlines())
    assert float(facts["largest difference from the reference"]) < 1e-5


def test_verify_finds_a_network_that_computes_something_else(tmp_path, capsys, monkeypatch):
    from genolstm.lstm.bundle import verify

    path = tmp_path / "m.genolstm"
    save_bundle(path, kind="x", members={"model.onnx": onnx_of(CONFIG)}, config=CONFIG)
    honest = verify.forward
    monkeypatch.setattr(verify, "forward", lambda *args: honest(*args) + 1e-4)
    assert call("model", "verify", path) == 1
    assert "differ from the reference" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "held"),
    [
        ("adna", {"damage of ancient reads": "within bounds", "E-values": "whole, for semiglobal"}),
        ("rna", {"damage of ancient reads": "none", "E-values": "whole, for global, semiglobal, local"}),
    ],
)
def test_an_aligner_without_a_network_is_verified_for_what_it_holds(name, held, capsys):
    succeed("model", "verify", name)
    facts = dict(line.split("\t") for line in capsys.readouterr().out.splitlines())
    assert facts["network"] == "none, and none is needed"
    assert facts["pair-HMM parameters"] == "within bounds"
    assert facts["sha256"] == Bundle.open(find_bundle(name)).digest
    assert held.items() <= facts.items()


def test_an_aligner_without_a_network_whose_parameters_are_wrong_is_refused(tmp_path, capsys):
    whole = Bundle.open(find_bundle("rna"))
    family = whole.metadata["family"] | {"kappa": -1.0}
    path = tmp_path / "m.genolstm"
    save_bundle(path, kind=whole.kind, members={}, metadata=whole.metadata | {"family": family})
    assert call("model", "verify", path) == 1
    assert "kappa" in capsys.readouterr().err


def test_a_model_that_needs_its_network_is_not_whole_without(tmp_path, capsys):
    path = tmp_path / "m.genolstm"
    save_bundle(path, kind="x", members={})
    assert call("model", "verify", path) == 1
    assert capsys.readouterr().err == f"{path}: the bundle holds no model.onnx\n"


def test_export(bundle, tmp_path, capsys):
    onnx, keras = tmp_path / "m.onnx", tmp_path / "m.keras"
    succeed("model", "export", bundle, "--onnx", onnx, "--keras", keras)
    assert onnx.read_bytes() == onnx_of(CONFIG)
    assert keras.read_bytes() == keras_of()
    onnx.write_bytes(b"mine")
    keras.unlink()
    assert call("model", "export", bundle, "--onnx", onnx, "--keras", keras) == 1
    assert capsys.readouterr().err == f"{onnx}: already exists; use --force to replace it\n"
    assert onnx.read_bytes() == b"mine"
    assert not keras.exists()
    succeed("model", "export", bundle, "--onnx", onnx, "--force")
    assert onnx.read_bytes() == onnx_of(CONFIG)


def test_export_of_what_is_not_there_writes_nothing(tmp_path, capsys):
    path, keras, onnx = (tmp_path / name for name in ("m.genolstm", "m.keras", "m.onnx"))
    save_bundle(path, kind="x", members={"model.onnx": onnx_of(CONFIG)}, config=CONFIG)
    assert call("model", "export", path, "--onnx", onnx, "--keras", keras) == 1
    assert capsys.readouterr().err == f"{path}: the bundle holds no model.keras\n"
    assert not onnx.exists()


def test_export_of_nothing_is_a_usage_error(bundle):
    assert call("model", "export", bundle) == 2


@pytest.mark.parametrize("command", ["info", "verify", "card"])
def test_damage_is_one_line(bundle, capsys, command):
    content = bytearray(bundle.read_bytes())
    content[300] ^= 4
    bundle.write_bytes(content)
    assert call("model", command, bundle) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == (f"{bundle}: the model bundle is damaged or was changed; copy or download it again\n")


def test_a_shipped_model_goes_by_its_name(bundle, monkeypatch, capsys):
    monkeypatch.setattr(bundles, "_MODELS", bundle.parent)
    succeed("model", "info", "toy")
    assert "kind\ttoy" in capsys.readouterr().out
    assert call("model", "info", "tyo") == 1
    assert "shipped models: toy" in capsys.readouterr().err


def test_the_list_is_of_what_is_shipped(bundle, monkeypatch, capsys, tmp_path):
    odd = bundle.parent / "bare.genolstm"
    save_bundle(odd, kind="x", members={"model.onnx": onnx_of(CONFIG)}, config=CONFIG, card="# a\x1b\n")
    monkeypatch.setattr(bundles, "_MODELS", bundle.parent)
    # A file of the same name where the program runs is not what is shipped.
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    Path("toy").write_text("something else")
    succeed("model", "list")
    size = {path.stem: path.stat().st_size for path in (bundle, odd)}
    assert capsys.readouterr().out.splitlines() == [
        f"bare\tx\t{size['bare'] / 1e6:.2f} MB\t",
        f"toy\ttoy\t{size['toy'] / 1e6:.2f} MB\tTrained on nothing.",
    ]
    succeed("model", "list", "--json")
    assert json.loads(capsys.readouterr().out)[1] == {
        "name": "toy",
        "kind": "toy",
        "bytes": size["toy"],
        "about": "Trained on nothing.",
        "sha256": Bundle.open(bundle).digest,
    }


def test_about_is_the_first_sentence_on_one_line():
    card = "# x\r\n\r\n| a |\r\n\r\nOne of .65\r\nand 1.2 % here. Another.\r\n"
    assert runs._first_sentence(card) == "One of .65 and 1.2 % here."
    assert runs._first_sentence("# x\n") == runs._first_sentence("") == ""


def test_a_damaged_shipped_model_is_not_listed_as_if_it_were_whole(bundle, monkeypatch, capsys):
    monkeypatch.setattr(bundles, "_MODELS", bundle.parent)
    bundle.write_bytes(bundle.read_bytes()[:-1])
    assert call("model", "list") == 1
    assert capsys.readouterr().err.startswith(f"{bundle}: ")


def test_no_tensorflow(bundle):
    code = (
        "import sys\nfrom genolstm.cli import main\n"
        f"main(['model', 'verify', {str(bundle)!r}])\n"
        "assert not {'tensorflow', 'keras', 'onnx', 'pandas', 'sklearn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


# --- every option arrives -----------------------------------------------------------------------


@pytest.fixture
def asked(monkeypatch):
    """Take the place of every run; keep what it was asked to do."""
    calls = []
    ones = np.full((1, 1), 0.5)
    gates = Gates("s", np.array([0]), np.array([1]), ("a",), 1, "forward", (0,), ones, ones, ones, ones, ones)
    bundle = Bundle("x", None, {}, {}, {"card.md": b"# Card"}, "")
    answers = {"gates.run": [gates], "model.run_open": bundle, "model.run_verify": [], "model.run_export": None}
    for name, answer in answers.items():

        def fake(*args, _answer=answer, **options):
            calls.append((args, options))
            return _answer

        monkeypatch.setattr(f"genolstm.runs.{name}", fake)
    return calls


def run(asked, line):
    cli(["model", *line.split()], standalone_mode=False)
    assert len(asked) == 1
    return asked.pop()


GATES = {
    "figure": None,
    "half_lives": None,
    "region": None,
    "haplotype": None,
    "vcf": None,
    "archaic": None,
    "outgroup": None,
    "target": None,
    "force": False,
}


def test_options_of_gates_arrive(asked, capsys):
    line = (
        "gates m.genolstm abc d.txt -o o.tsv --figure f.svg --half-lives h.tsv --layer 2 --direction backward "
        "--units 3,1 --top 4 --region chr1:101-250 --haplotype S#1 --vcf v.vcf --archaic a --outgroup o --target t "
        "--force -q"
    )
    settings = GateSettings(layer=2, direction="backward", units=(3, 1), top=4)
    expected = {
        "figure": Path("f.svg"),
        "half_lives": Path("h.tsv"),
        "region": ("chr1", 100, 250),
        "haplotype": "S#1",
        "vcf": Path("v.vcf"),
        "archaic": "a",
        "outgroup": "o",
        "target": "t",
        "force": True,
    }
    assert run(asked, line) == (("m.genolstm", ("abc", "d.txt"), Path("o.tsv"), settings), expected)
    assert capsys.readouterr() == ("", "")
    assert run(asked, "gates m") == (("m", (), Path("-"), GateSettings()), GATES)
    assert capsys.readouterr() == ("", "s: unit 0: half-life 1.0 steps\n")


def test_a_model_may_be_named_by_an_option(asked):
    assert run(asked, "gates --model m abc d") == (("m", ("abc", "d"), Path("-"), GateSettings()), GATES)
    for command in ("info", "info --json", "card", "verify"):
        assert run(asked, f"{command} m") == run(asked, f"{command} --model m") == (("m",), {})
    assert call("model", "info") == call("model", "info", "a", "--model", "b") == 2
    assert asked == []


def test_options_of_info_and_card_arrive(asked, capsys):
    run(asked, "info m --json")
    assert json.loads(capsys.readouterr().out)["kind"] == "x"
    run(asked, "info m")
    assert capsys.readouterr().out.splitlines()[1] == "kind\tx"
    run(asked, "card m")
    assert capsys.readouterr().out == "# Card\n"


def test_options_of_export_arrive(asked):
    assert run(asked, "export m --onnx a --keras b --force") == (
        ("m",),
        {"onnx": Path("a"), "keras": Path("b"), "force": True},
    )
    assert run(asked, "export --model m --onnx a") == (("m",), {"onnx": Path("a"), "keras": None, "force": False})


def test_cards_and_summaries_are_shown_escaped(bundle, capsys, monkeypatch):
    odd = "a\x1b[2J\u202eb\x9b"
    save_bundle(
        bundle,
        kind="x",
        members={"model.onnx": onnx_of(CONFIG)},
        config=CONFIG,
        metadata={"label": odd, odd: 1},
        provenance={"command": ["genolstm", odd]},
        card=f"# Toy\r\n\n\t{odd}\r\n\n",
        force=True,
    )
    succeed("model", "card", bundle)
    assert capsys.readouterr().out == "# Toy\n\n\ta\\x1b[2J\\u202eb\\x9b\n"
    succeed("model", "info", bundle, "--json")
    told = capsys.readouterr().out
    assert json.loads(told) == Bundle.open(bundle).manifest()
    assert odd in json.loads(told)["provenance"]["command"]
    assert told.replace("\n", "").isprintable()
    monkeypatch.setattr(Bundle, "summary", lambda _: [("label", odd), (odd, "1\n2")])
    succeed("model", "info", bundle)
    assert capsys.readouterr().out == "label\ta\\x1b[2J\\u202eb\\x9b\na\\x1b[2J\\u202eb\\x9b\t1\\n2\n"


@pytest.mark.parametrize("kind", ["introgression", "alignment", "embedding", "text", "comparison"])
def test_a_model_that_says_of_itself_what_its_kind_cannot_is_refused(kind, tmp_path, capsys):
    path = tmp_path / "m.genolstm"
    save_bundle(path, kind=kind, members={"model.onnx": onnx_of(CONFIG)}, config=CONFIG, metadata={"alphabet": "?"})
    assert call("model", "info", path) == 1
    assert capsys.readouterr().err.startswith(f"{path}: ")
