"""How the workflows are written: by Snakemake's rules, and by ours."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from support.snakes import BIN, ROOT

yaml = pytest.importorskip("yaml")

pytestmark = pytest.mark.xdist_group("workflow")

WORKFLOWS = ROOT / "workflows"
NAMES = ("introgression", "alignment")
RULES = {
    "introgression": {
        *("build_panel", "scan_vcf", "scan_fasta", "gather_segments", "gather_gff3", "gather_posteriors"),
        *("gather_evidence", "summarise", "evaluate", "draw_page", "plot_chromosome", "plot_genome"),
    },
    "alignment": {*("train", "search", "score", "gather_alignments", "gather_columns", "align_family", "plot_pair")},
}


@pytest.mark.parametrize("folder", ["introgression", "alignment", "examples/embed", ".."])
def test_lint_is_clean(folder, snakemake, fresh):
    assert "good condition" in snakemake(fresh / "workflows" / folder, "--lint").text


def test_lint_of_the_benchmark_is_clean(snakemake, tmp_path):
    snakefile = ROOT / "benchmarks" / "introgression" / "Snakefile"
    assert "good condition" in snakemake(tmp_path, "--lint", "--snakefile", snakefile).text


def test_format_is_that_of_snakefmt():
    program = BIN / "snakefmt"
    if not program.is_file():
        pytest.skip("snakefmt is not installed")
    paths = [WORKFLOWS, ROOT / "Snakefile", ROOT / "benchmarks" / "introgression"]
    done = subprocess.run([program, "--check", *paths], capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr


def rules(name):
    found = {}
    for path in sorted((WORKFLOWS / name / "workflow" / "rules").glob("*.smk")):
        for block in re.split(r"^rule ", path.read_text(), flags=re.MULTILINE)[1:]:
            rule, _, body = block.partition(":")
            found[rule] = body
    return found


@pytest.mark.parametrize("name", NAMES)
def test_every_rule_is_one_command_and_says_what_it_needs(name):
    found = rules(name)
    assert set(found) == RULES[name]
    for rule, body in found.items():
        for word in ("log:", "benchmark:", "threads:", "resources:", "conda:"):
            assert f"    {word}" in body, (rule, word)
        assert "mem_mb=" in body, rule
        assert "runtime=" in body, rule
        shell = body.partition("shell:")[2]
        assert len(re.findall(r"\bgenolstm\b", shell)) == 1, rule
        assert not re.search(r"&&|;|\|", shell), rule


@pytest.mark.parametrize("name", NAMES)
def test_captions_and_environments_exist_and_are_used(name):
    folder = WORKFLOWS / name / "workflow"
    text = "".join(path.read_text() for path in [folder / "Snakefile", *(folder / "rules").glob("*.smk")])
    for kind, pattern in (("report", r"report/(\w+\.rst)"), ("envs", r"envs/(\w+\.yaml)")):
        assert set(re.findall(pattern, text)) == {path.name for path in (folder / kind).iterdir()}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("profile", ["local", "slurm", "kubernetes"])
def test_profiles_are_of_options_and_rules_that_there_are(name, profile):
    pytest.importorskip("snakemake")
    from snakemake.cli import get_argument_parser

    path = WORKFLOWS / name / "profiles" / profile / "profile.yaml"
    content = yaml.safe_load(path.read_text())
    options = {word for action in get_argument_parser()._actions for word in action.option_strings}
    # Executors and storage add options of their own.
    own = {"kubernetes-namespace"}
    assert {f"--{key}" for key in content if key not in own} <= options
    for key in ("set-threads", "groups"):
        assert set(content.get(key, {})) <= RULES[name]
    if profile == "slurm":
        light = {rule for rule, body in rules(name).items() if "threads: 1" in body}
        assert light <= set(content["groups"])


@pytest.mark.parametrize("name", NAMES)
def test_every_key_is_explained(name):
    schema = yaml.safe_load((WORKFLOWS / name / "workflow" / "schemas" / "config.schema.yaml").read_text())
    text = (WORKFLOWS / name / "config" / "README.md").read_text()

    def keys(part, place=""):
        for key, below in part.get("properties", {}).items():
            yield key, f"{place}{key}"
            yield from keys(below, f"{place}{key}.")

    missing = [place for key, place in keys(schema) if not re.search(rf"`(\w+\.)*{key}`", text)]
    assert not missing


def test_root_has_no_second_folder_of_workflows():
    assert not (ROOT / "workflow").exists()
    content = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())
    assert set(content) == {"usage"}
    assert set(content["usage"]) <= {"mandatory-flags", "software-stack-deployment", "report"}
    assert Path(ROOT / "Snakefile").is_file()
