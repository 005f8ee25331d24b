"""Every notebook runs from its first cell to its last, wherever it was copied to."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

jupytext = pytest.importorskip("jupytext")
nbclient = pytest.importorskip("nbclient")

ROOT = Path(__file__).parents[1]
NOTEBOOKS = ROOT / "notebooks"
#: What the cell of parameters says in a brief run.
BRIEF = {
    "align_and_trust_it": "PAIRS, UNRELATED = 4, 20",
    "find_neanderthal_segments": "",
    "from_rnn_to_lstm": "EPOCHS = 2",
    "repeats_and_strangers": "",
    "text_to_genomes": "RHYME_EPOCHS, GENOME_EPOCHS, WARMUP_STEPS = 2, 2, (2, 2)",
    "train_on_your_own_demography": "REGIONS, LENGTH, EPOCHS, WINDOW, HELD_OUT = 4, 800_000, 2, 100, 1",
    "which_architecture_when": "EPOCHS = 2",
}
#: Also a brief run takes long, of what other tests do as well.
LONG = {"train_on_your_own_demography"}


def test_every_notebook_says_what_it_needs_and_how_long_it_takes() -> None:
    assert {path.stem for path in NOTEBOOKS.glob("*.py")} == set(BRIEF)
    page = (ROOT / "docs" / "notebooks.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| \[.*\]\(\.\./notebooks/(\w+)\.py\)", page, re.MULTILINE)) == set(BRIEF)
    for name, parameters in BRIEF.items():
        cells = jupytext.read(NOTEBOOKS / f"{name}.py").cells
        top = cells[0].source
        assert re.search(r"^# ", top), name
        assert re.search(r'\*\*Needs\*\* `pip install "genolstm\[[\w,]+\]"`', top), name
        assert re.search(r"\*\*Takes\*\* .*(second|minute)", top), name
        tagged = [cell for cell in cells if "parameters" in cell.metadata.get("tags", ())]
        assert len(tagged) == bool(parameters), name
        # What a brief run sets is what the cell sets.
        names = set(re.findall(r"\b[A-Z_]{4,}\b", parameters))
        assert names == {word for cell in tagged for word in re.findall(r"\b[A-Z_]{4,}\b(?=.* = )", cell.source)}, name


@pytest.mark.xdist_group("workflow")
@pytest.mark.parametrize(
    ("name", "brief"),
    [
        *(pytest.param(name, True, id=f"{name}-brief") for name in sorted(BRIEF) if name not in LONG),
        *(pytest.param(name, True, id=f"{name}-brief", marks=pytest.mark.slow) for name in sorted(LONG)),
        *(
            pytest.param(name, False, id=f"{name}-full", marks=[pytest.mark.slow, pytest.mark.timeout(1200)])
            for name in sorted(BRIEF)
            if BRIEF[name]
        ),
    ],
)
def test_notebook_runs_and_draws_where_it_was_copied_to(
    name: str, brief: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Left alone, the kernel puts figures into the outputs.
    monkeypatch.delenv("MPLBACKEND", raising=False)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    shutil.copyfile(NOTEBOOKS / f"{name}.py", tmp_path / f"{name}.py")
    notebook = jupytext.read(tmp_path / f"{name}.py")
    if brief:
        for cell in notebook.cells:
            if "parameters" in cell.metadata.get("tags", ()):
                cell.source += f"\n{BRIEF[name]}"
    client = nbclient.NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    )
    client.execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert not [o for o in outputs if o.output_type == "stream" and o.name == "stderr"]
    drawn = [o for o in outputs if "image/png" in o.get("data", {})]
    tables = [o for o in outputs if "<table" in o.get("data", {}).get("text/html", "")]
    assert len(drawn) >= 2
    assert tables
    # It leaves nothing behind.
    assert [path.name for path in tmp_path.iterdir()] == [f"{name}.py"]


def test_the_tables_of_the_example_are_those_of_the_benchmark() -> None:
    results = ROOT / "benchmarks" / "comparison" / "results"
    copies = sorted((ROOT / "example_data" / "comparison").iterdir())
    assert [path.name for path in copies] == sorted(path.name for path in results.iterdir())
    for path in copies:
        assert path.read_bytes() == (results / path.name).read_bytes(), f"copy {path.name} into example_data/comparison"
