"""The benchmark of archaic segments: what is published is its output, and its peers' files are read as they are."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from genolstm.runs import agreement

ROOT = Path(__file__).parents[1]
BENCHMARK = ROOT / "benchmarks" / "introgression"
PEERS = Path(__file__).parent / "data" / "peers" / "benchmark"
BIN = Path(sys.executable).parent


def script(name: str) -> ModuleType:
    """Load a script that imports none of its neighbours."""
    spec = importlib.util.spec_from_file_location(name, BENCHMARK / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("document", "table"), [("docs/results.md", "table.md"), ("docs/introgression.md", "table_full.md")]
)
def test_published_table_is_the_output_of_the_workflow(document: str, table: str) -> None:
    _, block = (ROOT / document).read_text().split("<!-- benchmark:introgression -->\n")
    written = (BENCHMARK / "results" / table).read_text()
    assert block.split("<!-- end -->")[0] == written
    rows = [line.split("|") for line in written.splitlines() if line.startswith("| ")]
    assert len(rows) > 3
    assert len({len(row) for row in rows}) == 1


def test_published_tables_are_of_the_same_values() -> None:
    header, *rows = [line.split("\t") for line in (BENCHMARK / "results" / "table.tsv").read_text().splitlines()]
    persons = [dict(zip(header, row, strict=True)) for row in rows if "person" in row]
    lines = (BENCHMARK / "results" / "table.md").read_text().splitlines()
    shown = [line.split(" | ") for line in lines if line.startswith("| ")][2:]
    assert len(shown) == len(persons)
    for cells, values in zip(shown, persons, strict=True):
        for cell, name in zip(cells[2:7], ("ap", "best_f1", "f1", "precision", "recall"), strict=True):
            assert float(cell) == pytest.approx(float(values[name]), abs=6e-4)
            assert float(values[f"{name}_low"]) <= float(values[f"{name}_high"])


@pytest.fixture
def compared(tmp_path: Path) -> tuple[Path, dict[str, list[Path]]]:
    """Compare our segments with the peers' files that the workflow made."""
    hmmix = sorted((PEERS / "hmmix").glob("*.hap?.txt"))
    sets = {"genolstm": [PEERS / "archaic.bed"], "hmmix": hmmix, "sstar": [PEERS / "0.99.bed"]}
    sets["truth"] = [PEERS / "truth.bed"]
    agreement.run(
        PEERS / "archaic.bed",
        [*hmmix, PEERS / "0.99.bed"],
        tmp_path / "agreement.tsv",
        truth=PEERS / "truth.bed",
        genome=PEERS / "genome.txt",
        samples=str(PEERS / "target.txt"),
    )
    return tmp_path / "agreement.tsv", sets


def counted(table: Path, sets: dict[str, list[Path]]) -> list[str]:
    genome = {name: int(size) for name, size in map(str.split, (PEERS / "genome.txt").read_text().splitlines())}
    lines: list[str] = script("count_agreement").check(table, sets, genome, (PEERS / "target.txt").read_text().split())
    return lines


def test_compare_says_of_hmmix_and_sstar_what_an_independent_count_does(
    compared: tuple[Path, dict[str, list[Path]]],
) -> None:
    header, *rows = counted(*compared)
    persons = len((PEERS / "target.txt").read_text().split())
    # Every two of ours, hmmix and sstar, and each with the truth; of all people, and of each.
    assert len(rows) == 6 * (1 + persons)
    columns = header.split("\t")
    of_all = [dict(zip(columns, row.split("\t"), strict=True)) for row in rows if "\t.\t" in row]
    assert {(row["a"], row["b"]): row["level"] for row in of_all} == {
        ("genolstm", "hmmix"): "haplotype",
        ("genolstm", "sstar"): "sample",
        ("hmmix", "sstar"): "sample",
        ("genolstm", "truth"): "haplotype",
        ("hmmix", "truth"): "haplotype",
        ("sstar", "truth"): "sample",
    }
    assert all(int(row["both_bp"]) > 0 for row in of_all)


def test_the_count_finds_what_is_wrong(compared: tuple[Path, dict[str, list[Path]]]) -> None:
    table, sets = compared
    lines = table.read_text().splitlines()
    at = lines[0].split("\t").index("b_same")
    cells = lines[1].split("\t")
    cells[at] = str(int(cells[at]) + 1)
    table.write_text("\n".join([lines[0], "\t".join(cells), *lines[2:]]) + "\n")
    with pytest.raises(SystemExit, match="b_same is"):
        counted(table, sets)


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_the_workflow_runs_from_seeds_to_table_with_the_peers_that_are_there(tmp_path: Path) -> None:
    pytest.importorskip("snakemake")
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "XDG_CACHE_HOME": str(tmp_path)}
    environment.pop("SNAKEMAKE_PROFILE", None)
    words = [BIN / "snakemake", "-s", BENCHMARK / "Snakefile", "-c", "2", "--configfile", BENCHMARK / "tiny.yaml"]
    words += ["--config", "work=out"]
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr[-6000:]
    table = (tmp_path / "out" / "table.md").read_text()
    rows = [line for line in table.splitlines() if line.startswith("| ceu |")]
    for peer, programs in {"hmmix": ("hmmix", "bcftools", "vcftools"), "sstar": ("sstar", "bcftools", "R")}.items():
        there = all(shutil.which(one, path=environment["PATH"]) for one in programs)
        assert any(f"| {peer} " in row for row in rows) == there
        assert (f"{peer} is not in the table: " in table) != there
    assert sum("GenoLSTM" in row for row in rows) == 2
    for row in rows:
        cells = row.strip("| ").split(" | ")
        assert all(0 <= float(cell) <= 1 for cell in cells[2:5])
        assert float(cells[-2]) > 0
        assert float(cells[-1]) > 30
    assert not (tmp_path / "out" / "published.txt").exists()
    assert (tmp_path / "out" / "introgression_benchmark.png").read_bytes().startswith(b"\x89PNG")
