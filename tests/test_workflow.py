"""The introgression workflow, run by the real snakemake."""

from __future__ import annotations

import copy
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("snakemake")
yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).parents[1]
WORKFLOW = ROOT / "workflows" / "introgression"
BIN = Path(sys.executable).parent
DOORS = ("fasta", "vcf")

pytestmark = pytest.mark.xdist_group("workflow")


def run(*words, cwd):
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    environment.pop("SNAKEMAKE_PROFILE", None)
    environment["XDG_CACHE_HOME"] = str(cwd)
    done = subprocess.run(
        [BIN / words[0], *map(str, words[1:])],
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    return done.stdout


def clone(folder):
    """Copy what a fresh clone holds of the workflow, without results of earlier runs."""
    leave = shutil.ignore_patterns("results", "logs", "benchmarks", ".snakemake")
    shutil.copytree(WORKFLOW, folder / "workflows" / "introgression", ignore=leave)
    for name in ("workflow", "example_data"):
        shutil.copytree(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """Run the workflow on the example, as it comes."""
    folder = clone(tmp_path_factory.mktemp("clone")) / "workflows" / "introgression"
    run("snakemake", "--cores", 2, cwd=folder)
    return folder


def measures(path):
    rows = [line.split("\t") for line in path.read_text().splitlines()]
    return {row[0]: float(row[1]) for row in rows[1:]}


def test_example_gives_segments_that_hold_against_the_truth(example):
    found = {}
    for door in DOORS:
        results = example / "results" / door
        lines = (results / "segments.bed").read_text().splitlines()
        assert lines[0].startswith("##genolstm=")
        assert lines[1].startswith("#chrom\tstart\tend")
        starts = [int(line.split("\t")[1]) for line in lines[2:]]
        assert starts
        assert starts == sorted(starts)
        assert (results / "plots" / "chr21.svg").read_text().lstrip().startswith("<?xml")
        assert (results / "posteriors.tsv.gz").stat().st_size > 1000
        summary = [line.split("\t") for line in (results / "summary.tsv").read_text().splitlines()]
        assert summary[1][:7] == ["all", "NA", "NA", "NA", "all", "6", str(len(starts))]
        assert 0 < float(summary[1][9]) < 1
        assert "CEU0" in (results / "summary_mqc.json").read_text()
        found[door] = measures(results / "evaluation.tsv")
        assert found[door]["AP (posteriors)"] >= 0.85
    gap = found["fasta"]["AP (posteriors)"] - found["vcf"]["AP (posteriors)"]
    assert abs(gap) <= 0.02


def test_every_job_leaves_a_log_and_a_benchmark(example):
    for rule in ("scan_fasta", "scan_vcf", "gather_segments", "summarise", "evaluate", "plot_segments"):
        assert list((example / "logs" / rule).rglob("*.log"))
        for table in (example / "benchmarks" / rule).rglob("*.tsv"):
            assert table.read_text().startswith("s\t")
    # The posteriors of single jobs are joined and then in the way.
    assert not list((example / "results").rglob("scans/**/*.posteriors.tsv.gz"))


def test_second_run_does_nothing(example):
    before = {path: path.stat().st_mtime_ns for path in (example / "results").rglob("*")}
    assert "Nothing to be done" in run("snakemake", "--cores", 2, cwd=example)
    assert before == {path: path.stat().st_mtime_ns for path in (example / "results").rglob("*")}


def test_lint_and_format_are_clean(example):
    assert "good condition" in run("snakemake", "--lint", cwd=example)
    benchmark = ROOT / "benchmarks" / "introgression"
    assert "good condition" in run("snakemake", "--lint", "-s", benchmark / "Snakefile", cwd=example)
    run("snakefmt", "--check", WORKFLOW / "workflow", ROOT / "workflow", benchmark, cwd=example)


def test_root_snakefile_is_the_same_workflow(tmp_path):
    told = run("snakemake", "--cores", 1, "--dry-run", cwd=clone(tmp_path))
    assert re.search(r"input: example_data/query\.fa\.gz", told)
    assert re.search(r"^total +13$", told, re.MULTILINE)


MODULE = """
configfile: "build_panels.yaml"


module introgression:
    snakefile:
        "clone/workflows/introgression/workflow/Snakefile"
    config:
        config
    pathvars:
        results="archaic/results",
        logs="archaic/logs",
        benchmarks="archaic/benchmarks",


use rule * from introgression as introgression_*


rule all:
    default_target: True
    input:
        rules.introgression_all.input,
"""


def test_module_builds_panels_and_puts_results_where_it_is_told(tmp_path):
    from genolstm import KmerPanel
    from genolstm.sequences.panel.build import build_panel

    clone(tmp_path / "clone")
    shutil.copy(WORKFLOW / "config" / "build_panels.yaml", tmp_path)
    (tmp_path / "Snakefile").write_text(MODULE)
    run(
        "genolstm",
        "introgression",
        "simulate",
        "-o",
        "region",
        "--length",
        100_000,
        "--target-size",
        2,
        "--outgroup-size",
        4,
        "--seed",
        3,
        cwd=tmp_path,
    )
    scan = "archaic/results/fasta/scans/region.bed"
    run("snakemake", "--cores", 2, scan, cwd=tmp_path)
    assert (tmp_path / scan).read_text().startswith("##genolstm=")
    assert (tmp_path / scan).with_suffix(".json").is_file()
    for role, haplotypes in (("archaic", 2), ("outgroup", 8)):
        made = KmerPanel.open(tmp_path / "archaic" / "results" / "panels" / f"{role}.panel")
        direct = build_panel([tmp_path / "region" / f"{role}.fa.gz"])
        assert made.n_haplotypes == haplotypes
        assert made.n_kmers == direct.n_kmers
    assert (tmp_path / "archaic" / "logs" / "build_panel" / "outgroup.log").is_file()
    assert not (tmp_path / "results").exists()
    told = run("snakemake", "--cores", 2, "--dry-run", "--quiet", "progress", cwd=tmp_path)
    assert "introgression_evaluate" in told
    assert "introgression_build_panel" not in told


def test_every_rule_is_one_command_and_says_what_it_needs():
    rules = {}
    for path in sorted((WORKFLOW / "workflow" / "rules").glob("*.smk")):
        for block in re.split(r"^rule ", path.read_text(), flags=re.MULTILINE)[1:]:
            name, _, body = block.partition(":")
            rules[name] = body
    assert set(rules) == {
        "build_panel",
        "scan_fasta",
        "scan_vcf",
        "gather_segments",
        "gather_posteriors",
        "summarise",
        "evaluate",
        "plot_segments",
    }
    for name, body in rules.items():
        for word in ("log:", "benchmark:", "threads:", "resources:", "conda:"):
            assert f"    {word}" in body, (name, word)
        shell = body.partition("shell:")[2]
        assert len(re.findall(r"\bgenolstm\b", shell)) == 1, name
        assert not re.search(r"&&|;|\|", shell), name


def broken(change):
    config = yaml.safe_load((WORKFLOW / "config" / "config.yaml").read_text())
    change(config)
    return config


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.update(typo=1),
        lambda c: (c.pop("fasta"), c.pop("vcf")),
        lambda c: c["fasta"].pop("panels"),
        lambda c: c["fasta"]["panels"].update(archaic={"k": 31}),
        lambda c: c["fasta"].update(haplotypes="contig"),
        lambda c: c["vcf"].update(chromosomes=[]),
        lambda c: c["scan"].update(threshold=1.5),
    ],
)
def test_schema_refuses(change):
    from snakemake.exceptions import WorkflowError
    from snakemake.utils import validate

    schema = str(WORKFLOW / "workflow" / "schemas" / "config.schema.yaml")
    with pytest.raises(WorkflowError):
        validate(broken(change), schema)
    validate(broken(lambda c: None), schema)
    panels = yaml.safe_load((WORKFLOW / "config" / "build_panels.yaml").read_text())
    validate(copy.deepcopy(panels), schema)
