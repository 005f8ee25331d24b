"""Every notebook runs from its first cell to its last."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

jupytext = pytest.importorskip("jupytext")
nbclient = pytest.importorskip("nbclient")

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


@pytest.mark.xdist_group("workflow")
@pytest.mark.parametrize("epochs", [pytest.param(2, id="brief"), pytest.param(None, marks=pytest.mark.slow, id="full")])
@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.py")), ids=lambda path: path.stem)
def test_notebook_runs_and_draws(path, epochs, monkeypatch):
    # Left alone, the kernel puts figures into the outputs.
    monkeypatch.delenv("MPLBACKEND", raising=False)
    notebook = jupytext.read(path)
    if epochs is not None:
        # Every cell as it is written, but for how long networks are trained.
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        settings = r"\b(epochs|warmup_steps)=\d+"
        assert any(re.search(settings, cell.source) for cell in code) == (
            path.stem not in {"introgression", "repeats_and_strangers"}
        )
        for cell in code:
            cell.source = re.sub(settings, rf"\1={epochs}", cell.source)
    client = nbclient.NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": NOTEBOOKS}}
    )
    client.execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert not [o for o in outputs if o.output_type == "stream" and o.name == "stderr"]
    drawn = [o for o in outputs if "image/png" in o.get("data", {})]
    tables = [o for o in outputs if "<table" in o.get("data", {}).get("text/html", "")]
    assert len(drawn) >= 2
    assert tables
