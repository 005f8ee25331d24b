"""What is wrong with a configuration or a sheet is told in one line, which names the key and what is allowed."""

from __future__ import annotations

import io
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.snakes import ROOT

yaml = pytest.importorskip("yaml")

pytestmark = pytest.mark.xdist_group("workflow")


WORKFLOWS = ROOT / "workflows"


def read(name, config, folder, monkeypatch, names=None):
    """Run what a workflow does before its first rule: checks and functions, which are Python.

    Returns the complaint, if there is one; ``names`` takes what is defined.
    """
    from snakemake.exceptions import WorkflowError

    workflow = WORKFLOWS / name / "workflow"
    namespace = {
        "config": config,
        "workflow": SimpleNamespace(
            source_path=lambda path: workflow / "rules" / path,
            pathvars=SimpleNamespace(apply=lambda path: path.replace("<config>", "config")),
            modifier=SimpleNamespace(skip_validation=False),
            sourcecache=SimpleNamespace(
                open=lambda file: io.StringIO(Path(file.get_path_or_uri(secret_free=False)).read_text())
            ),
        ),
    }
    if names is not None:
        names["of"] = namespace
    monkeypatch.chdir(folder)
    checks, common = WORKFLOWS / "shared" / "checks.smk", workflow / "rules" / "common.smk"
    exec(compile(checks.read_text(), checks, "exec"), namespace)
    try:
        namespace["check_config"](str(workflow / "schemas" / "config.schema.yaml"))
        exec(compile(common.read_text(), common, "exec"), namespace)
    except WorkflowError as error:
        return str(error)
    return None


@pytest.fixture
def introgression_of(people, tmp_path, monkeypatch):
    """A project of two chromosomes, and what the workflow says to its configuration."""
    pytest.importorskip("snakemake")
    folder = tmp_path / "project"
    shutil.copytree(people, folder)
    config = yaml.safe_load((folder / "config" / "config.yaml").read_text())
    return folder, config, lambda: read("introgression", config, folder, monkeypatch)


@pytest.fixture
def alignment_of(tmp_path, monkeypatch):
    """The alignment workflow's own configuration, and what the workflow says to it."""
    pytest.importorskip("snakemake")
    shutil.copytree(WORKFLOWS / "alignment" / "config", tmp_path / "config")
    config = yaml.safe_load((tmp_path / "config" / "config.yaml").read_text())
    return tmp_path, config, lambda: read("alignment", config, tmp_path, monkeypatch)


def test_what_is_right_is_not_complained_of(introgression_of, alignment_of):
    for _, _, said in (introgression_of, alignment_of):
        assert said() is None


def test_snakemake_shows_one_line_and_no_schema(fresh, snakemake):
    folder = fresh / "workflows" / "introgression"
    run = snakemake(folder, "--dry-run", "--config", "scan={treshold: .5}", code=1)
    lines = run.text.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("WorkflowError in file"))
    assert lines[at + 1] == (
        "config: scan: unknown key treshold (did you mean threshold?);"
        " allowed: baseline, bridge, fdr, min_length, threshold"
    )
    assert all(line.startswith("  File ") for line in lines[at + 2 :]), lines


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (
            lambda c: c.update(scan={"treshold": 0.5}),
            "config: scan: unknown key treshold (did you mean threshold?);"
            " allowed: baseline, bridge, fdr, min_length, threshold",
        ),
        (
            lambda c: c["vcf"].update(outgroups=c["vcf"].pop("outgroup")),
            "config: vcf: unknown key outgroups (did you mean outgroup?); allowed: allow_unphased, archaic,"
            " archaic_absent, archaic_callable, archaic_exclude, archaic_files, archaic_min_dp, archaic_min_gq,"
            " callable, chromosomes, exclude, field, files, filter, outgroup, outgroup_absent, outgroup_callable,"
            " outgroup_exclude, outgroup_files, outgroup_frequencies, regions, target_absent, target_callable,"
            " target_exclude, targets",
        ),
        (lambda c: c.pop("vcf"), "config: needs at least one of vcf, fasta"),
        (lambda c: c["vcf"].pop("targets"), "config: vcf: lacks targets"),
        (lambda c: c["vcf"].update(chromosomes=[]), "config: vcf.chromosomes: is empty"),
        (lambda c: c["vcf"].update(targets=["EUR", "EUR"]), "config: vcf.targets: holds an entry twice"),
        (lambda c: c.update(scan={"threshold": 1.5}), "config: scan.threshold: 1.5 must be below 1"),
        (lambda c: c.update(scan={"threshold": 0.5, "fdr": 0.1}), "config: scan: threshold and fdr exclude each other"),
        (lambda c: c.update(outputs={"report": "yes, please"}), "config: outputs.report: 'yes, please' is no boolean"),
        (
            lambda c: c.update(plots={"views": ["row"]}),
            "config: plots.views.0: 'row' is not allowed (did you mean rows?); allowed: rows, frequency, clusters",
        ),
        (
            lambda c: c.update(plots={"chromosomes": ["chr22"]}),
            "config: plots.chromosomes: chr22 is not scanned; vcf.chromosomes: chr20, chr21",
        ),
        (
            lambda c: c["vcf"].update(targets=["EUX"]),
            "config: vcf.targets: config/samples.tsv has no sample or population EUX (did you mean EUR?);"
            " populations: AFR, CEU, EUR, YRI",
        ),
        (lambda c: c["vcf"].update(targets=["YRI"]), "config: vcf: YRI0 is among both targets and outgroup"),
        (
            lambda c: c["vcf"].update(archaic=["NeaA0"]),
            "config: vcf: archaic and archaic_files must both name their sources, or neither",
        ),
        (lambda c: c.pop("samples"), "config: lacks samples, the table in which vcf finds its people"),
        (lambda c: c.update(samples="no.tsv"), "no.tsv: No such file or directory"),
        (
            lambda c: c.update(fasta={"queries": {"a b": ["x"]}, "panels": {"archaic": "a", "outgroup": "b"}}),
            "config: fasta.queries: 'a b' holds characters that a name here may not have",
        ),
        (
            lambda c: c.update(
                fasta={"queries": {"a": ["x"]}, "panels": {"archaic": {"nea": {"k": 9}}, "outgroup": "b"}}
            ),
            "config: fasta.panels.archaic.nea: lacks fasta",
        ),
    ],
)
def test_configuration_of_introgression(change, line, introgression_of):
    _, config, said = introgression_of
    change(config)
    assert said() == line


@pytest.mark.parametrize(
    ("sheet", "line"),
    [
        ("", "config/samples.tsv: is empty"),
        ("sample\tpop\n", "config/samples.tsv: has no row below its columns"),
        (
            "sample\tpops\na\tb\n",
            "config/samples.tsv:1: lacks the column pop (did you mean pops?); columns: sample, pops",
        ),
        ("sample\tpop\na\tb\n\na\tc\n", "config/samples.tsv:4: the sample a stands in line 2 too"),
        ("sample\tpop\na\n", "config/samples.tsv:2: lacks pop"),
        ("sample\tpop\na\tb\tc\n", "config/samples.tsv:2: has 3 columns, the first line names 2"),
        (
            "sample\tpop\tbatch\na\tb\tc/d\n",
            "config/samples.tsv:2: batch: 'c/d' holds characters that a name here may not have",
        ),
        (
            "sample pop\n" + "".join(f"some_long_name_{i} EUR\n" for i in range(6000)) + "y YRI\n",
            "config: the batch EUR of vcf.targets: 6000 samples are too many for one command;"
            " give config/samples.tsv a column batch, and some hundred samples to each",
        ),
    ],
)
def test_sheet_of_introgression(sheet, line, introgression_of):
    folder, _, said = introgression_of
    (folder / "config" / "samples.tsv").write_text(sheet)
    assert said() == line


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (
            lambda c: c.update(formats="paf"),
            "config: unknown key formats (did you mean format?); allowed: compress, families, format, keep_parts,"
            " model, msa, pathvars, plots, references, samples, score, search, task, train",
        ),
        (
            lambda c: c.update(format="bam"),
            "config: format: 'bam' is not allowed (did you mean sam?); allowed: paf, sam, outfmt6, tsv",
        ),
        (lambda c: c.pop("references"), "config: lacks references for the queries of samples"),
        (
            lambda c: c["plots"]["read3"].update(query="read"),
            "config: plots.read3.query: there is no read (did you mean reads?); there is: reads",
        ),
        (
            lambda c: c.update(train={"query": "a", "reference": "b"}),
            "config: train: needs one of pairs, truth, one_to_one",
        ),
        (
            lambda c: c.update(score={"band": "wide"}),
            "config: score.band: 'wide' holds characters that a name here may not have",
        ),
    ],
)
def test_configuration_of_alignment(change, line, alignment_of):
    _, config, said = alignment_of
    change(config)
    assert said() == line


def test_sheet_of_alignment_names_references_that_there_are(alignment_of):
    folder, _, said = alignment_of
    (folder / "config" / "samples.tsv").write_text("query\tfile\treferences\na\ta.fa\texample,exampel\n")
    assert said() == ("config/samples.tsv: a: no references exampel (did you mean example?); references: example")


def test_command_that_gathers_thousands_of_parts_fits_into_one_text(introgression_of, monkeypatch):
    folder, config, _ = introgression_of
    people = "".join(f"s{i} EUR b{i // 10}\n" for i in range(3000))
    (folder / "config" / "samples.tsv").write_text(f"sample pop batch\n{people}y YRI\n")
    config["vcf"]["chromosomes"] = ["HLA-A*01:01", *range(1, 23)]
    names = {}
    assert read("introgression", config, folder, monkeypatch, names) is None
    parts = [f"my results/vcf/scans/{c}/b{b}.bed" for c in config["vcf"]["chromosomes"] for b in range(300)]
    words = names["of"]["part_words"]("vcf", parts, ".bed")
    assert len(words) < 5000
    shell = subprocess.run(["bash", "-c", f"printf '%s\\n' {words}"], capture_output=True, text=True, check=True)
    assert shell.stdout.splitlines() == parts


def test_contig_of_fasta_that_is_not_there_cannot_be_drawn(introgression, snakemake, tmp_path):
    """Which contigs there are is known only when the FASTA was read."""
    target = "results/fasta/plots/chr22.rows.svg"
    extra = "plots: {chromosomes: [chr22]}\noutputs: {posteriors: false, report: false}\n"
    (tmp_path / "extra.yaml").write_text(extra)
    words = ("--configfile", "config/fasta.yaml", tmp_path / "extra.yaml", "--replace-workflow-config", "--cores", 2)
    snakemake(introgression, target, *words, code=1)
    log = (introgression / "logs" / "plot_chromosome" / "fasta" / "chr22.rows.log").read_text()
    assert "there is no chr22; there is chr21" in log
    assert not (introgression / target).exists()
