"""Each option of each align command reaches the run with its value, and so do the defaults."""

from __future__ import annotations

import dataclasses
import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from genolstm.alignment.formats.family import MSA_FORMATS
from genolstm.alignment.formats.pairwise import FORMATS
from genolstm.alignment.settings import (
    FINE_TUNING,
    SEARCH_MODE,
    AlignmentSettings,
    FamilySettings,
    MsaSettings,
    PlotSettings,
    SearchSettings,
)
from genolstm.cli.align import align

ANSWERS = {
    "score": SimpleNamespace(pairs=2, unaligned=1, masked=1),
    "search": SimpleNamespace(queries=1, found=1, hits=1, masked=1, hidden=0),
    "msa": SimpleNamespace(columns=np.zeros((2, 3)), confidence=np.ones(3)),
    "train": None,
    "plot": None,
    "reliability": SimpleNamespace(
        pairs=1, accuracy=SimpleNamespace(f1=1, precision=1, recall=1, predicted=3), reliability=SimpleNamespace(ece=0)
    ),
}
MODULES = {"score": "align", "reliability": "align_evaluate"}
REQUIRED = {
    "score": ("q.fa", "r.fa"),
    "search": ("q.fa", "r.fa"),
    "msa": ("f.fa",),
    "train": ("q.fa", "r.fa", "-o", "x.genolstm", "--one-to-one"),
    "plot": ("q.fa", "r.fa", "-o", "x.svg"),
    "reliability": ("q.fa", "r.fa", "-o", "x.svg", "--truth", "t.paf"),
}
ALIGNING = ("--mode", "local", "--strand", "minus", "--model", "adna", "--classical")
ALIGNED = {"mode": "local", "strand": "minus"}
MODEL = {"model": "adna", "classical": True}
CASES: list[tuple[str, tuple[object, ...], dict[str, Any]]] = [
    (
        "score",
        (
            *("q.fa", "r.fa", "-o", "o.sam", "--format", "sam", "--posteriors", "p.tsv", "--pairs", "l.tsv"),
            *ALIGNING,
            *("--decoding", "viterbi", "--gap-factor", 2, "--band", 40, "--memory", 1.5, "-t", 3, "--force", "-q"),
            *("--qmask", "none"),
        ),
        {
            **{"query": "q.fa", "reference": "r.fa", "output": "o.sam", "form": "sam", "posteriors": "p.tsv"},
            **{"pairs": "l.tsv", "one_to_one": False, "threads": 3, "force": True, **MODEL},
            "alignment": {
                **ALIGNED,
                "decoding": "viterbi",
                "gap_factor": 2.0,
                "band": 40,
                "memory": 3 << 29,
                "qmask": "none",
            },
        },
    ),
    ("score", (*REQUIRED["score"], "--one-to-one"), {"one_to_one": True}),
    ("score", (*REQUIRED["score"], "--preset", "adna"), {"model": "adna"}),
    ("score", (*REQUIRED["score"], "--band", "none"), {"alignment": {"band": "none"}}),
    (
        "search",
        (
            *("q.fa", "r.fa", "-o", "o.sam", "--format", "sam", "--evalue", 1e-3, "--max-hits", 2),
            *("--candidates", 7, "--skip-self", "--qmask", "none", *ALIGNING, "-t", 3, "--force", "-q"),
        ),
        {
            **{"query": "q.fa", "reference": "r.fa", "output": "o.sam", "form": "sam"},
            "settings": SearchSettings(evalue=1e-3, max_hits=2, candidates=7, skip_self=True),
            **{"threads": 3, "force": True, **MODEL, "alignment": {**ALIGNED, "qmask": "none"}},
        },
    ),
    ("search", (*REQUIRED["search"], "--exact"), {"settings": SearchSettings(exact=True)}),
    (
        "msa",
        (
            *("f.fa", "-o", "o.sto", "--format", "stockholm", "--gain", 0.5, "--consistency", 3),
            *("--model", "coding", "--classical", "-t", 3, "--force", "-q"),
        ),
        {
            **{"family": "f.fa", "output": "o.sto", "form": "stockholm", "model": ("coding",), "classical": True},
            **{"settings": MsaSettings(gain=0.5, consistency=3), "threads": 3, "force": True},
        },
    ),
    (
        "train",
        (
            *("q.fa", "r.fa", "-o", "o.genolstm", "--pairs", "l.tsv", "--model", "coding", "--simulated", 0.2),
            *("--validation", 0.3, "--epochs", 5, "--batch-size", 6, "--learning-rate", 7e-3, "--seed", 8),
            *("--no-evalues", "--checkpoints", "c", "-t", 3, "--force", "-q"),
        ),
        {
            **{"query": "q.fa", "reference": "r.fa", "output": Path("o.genolstm"), "pairs": "l.tsv"},
            **{"one_to_one": False, "truth": None, "model": "coding", "checkpoints": Path("c")},
            "settings": dataclasses.replace(
                FINE_TUNING, simulated=0.2, validation=0.3, epochs=5, batch_size=6, learning_rate=7e-3, seed=8
            ),
            **{"threads": 3, "force": True, "progress": False},
            **{"families": (), "context": False, "learning": None, "table": None, "figure": None, "evalues": False},
        },
    ),
    (
        "train",
        (
            *("--families", "a.sto", "--families", "b", "-o", "o.genolstm", "--held-out", 0.4, "--per-family", 3),
            *("--search", 9, "--context", "--table", "t.tsv", "--figure", "f.svg", "--evalues", "--model", "rna"),
            *("-t", 3, "-q"),
        ),
        {
            **{"families": ("a.sto", "b"), "query": None, "reference": None, "context": True, "table": "t.tsv"},
            **{"figure": "f.svg", "evalues": True, "model": "rna", "settings": FINE_TUNING},
            "learning": FamilySettings(held_out=0.4, per_family=3, search=9),
        },
    ),
    ("train", REQUIRED["train"], {"one_to_one": True, "pairs": None, "truth": None, "progress": True}),
    ("train", ("q.fa", "r.fa", "-o", "x.genolstm", "--truth", "t.paf"), {"truth": "t.paf", "one_to_one": False}),
    (
        "plot",
        (
            *("q.fa", "r.fa", "-o", "o.svg", "--kind", "alignment", "--query-name", "b", "--reference-name", "c"),
            *("--region", "1,001-2,000", "--width", 60, *ALIGNING, "--force"),
        ),
        {
            **{"query": "q.fa", "reference": "r.fa", "output": Path("o.svg"), "query_name": "b"},
            **{"reference_name": "c", "region": (1000, 2000), "force": True, **MODEL, "alignment": ALIGNED},
            "settings": PlotSettings(kind="alignment", width=60),
        },
    ),
    ("plot", (*REQUIRED["plot"], "--region", "chr2:11-20"), {"reference_name": "chr2", "region": (10, 20)}),
    (
        "reliability",
        (
            *("q.fa", "r.fa", "--truth", "t.paf", "-o", "o.pdf", "--table", "t.tsv", "--bins", 10),
            *(*ALIGNING, "-t", 3, "--force"),
        ),
        {
            **{"query": "q.fa", "reference": "r.fa", "truth": "t.paf", "output": Path("o.pdf"), "table": "t.tsv"},
            **{"threads": 3, "force": True, **MODEL, "alignment": ALIGNED, "settings": PlotSettings(bins=10)},
        },
    ),
]
# What a command adds by itself.
OWN = {"command", "progress"}


@pytest.fixture
def arguments(cli, monkeypatch: pytest.MonkeyPatch):
    """Run a command; return what its run function was told, by parameter, and what stands on stderr."""

    def call(name: str, *args: object) -> tuple[dict[str, Any], inspect.Signature, str]:
        module = import_module(f"genolstm.runs.{MODULES.get(name, f'align_{name}')}")
        signature = inspect.signature(module.run)
        told: list[dict[str, Any]] = []

        def run(*args: Any, **kwargs: Any) -> Any:
            told.append(dict(signature.bind(*args, **kwargs).arguments))
            return ANSWERS[name]

        with monkeypatch.context() as patch:
            patch.setattr(module, "run", run)
            got = cli("align", name, *args)
        assert got.code == 0, got.err
        (found,) = told
        return found, signature, got.err

    return call


@pytest.mark.parametrize(("name", "args", "expected"), CASES, ids=[f"{c[0]}-{k}" for k, c in enumerate(CASES)])
def test_options_arrive(arguments, name: str, args: tuple[object, ...], expected: dict[str, Any]) -> None:
    told, _, err = arguments(name, *args)
    assert {key: told[key] for key in expected} == expected
    if "--force" in args:
        # These cases give every option they can: nothing is told that is not asserted.
        assert set(told) - OWN == set(expected) - OWN
        assert err == ""


@pytest.mark.parametrize("name", sorted(REQUIRED))
def test_every_option_is_among_the_cases(name: str) -> None:
    given = {str(arg) for command, args, _ in CASES if command == name for arg in args}
    for param in align.commands[name].params:
        if param.param_type_name == "option" and not param.hidden:
            assert given & set(param.opts), f"no case gives {param.opts[-1]} of align {name}"


@pytest.mark.parametrize("name", sorted(REQUIRED))
def test_defaults_are_those_of_the_runs(arguments, name: str) -> None:
    told, signature, err = arguments(name, *REQUIRED[name])
    settings = {
        "search": SearchSettings(),
        "msa": MsaSettings(),
        "train": FINE_TUNING,
        "plot": PlotSettings(),
        "reliability": PlotSettings(),
    }
    assert "alignment" not in told, "the model's own settings hold"
    for key, value in told.items():
        parameter = signature.parameters[key]
        if key == "settings":
            assert value == settings[name]
        elif parameter.default is not parameter.empty and key not in OWN and (name, key) != ("train", "one_to_one"):
            assert value == parameter.default, key
    assert (err == "") == (name in ("plot", "reliability"))


def test_defaults_shown_are_those_of_the_settings() -> None:
    def shown(name: str) -> dict[str, Any]:
        return {param.name: param.default for param in align.commands[name].params}

    for field in ("strand", "decoding", "gap_factor", "band"):
        assert shown("score")[field] == getattr(AlignmentSettings(), field)
    assert shown("score")["memory"] * 2**30 == AlignmentSettings().memory
    assert shown("search")["mode"] == SEARCH_MODE


def test_help_loads_nothing_heavy() -> None:
    heavy = ["numpy", "numba", "scipy", "sklearn", "pandas", "tensorflow", "onnxruntime", "Bio", "matplotlib"]
    script = f"import sys, genolstm.cli.align; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_choices_are_the_formats_there_are() -> None:
    for name, formats in (("score", FORMATS), ("search", FORMATS), ("msa", MSA_FORMATS)):
        (choice,) = (param.type.choices for param in align.commands[name].params if param.name == "form")
        assert tuple(choice) == tuple(formats)


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        (("search", *REQUIRED["search"], "--exact", "--candidates", 5), "--exact and --candidates exclude each other"),
        (("plot", *REQUIRED["plot"], "--region", "a:1-2", "--reference-name", "b"), "--region is on a"),
        (("score", *REQUIRED["score"], "--model", "dna", "--preset", "dna"), "--preset is the former name of --model"),
        (("score", *REQUIRED["score"], "--gap-factor", "inf"), "not a finite number"),
        (("score", *REQUIRED["score"], "--memory", 0), "--memory"),
    ],
)
def test_contradictions_are_refused(cli, args: tuple[object, ...], reason: str) -> None:
    got = cli("align", *args)
    assert got.code == 2
    assert reason in got.err
