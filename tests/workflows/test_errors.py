"""What is wrong with a configuration or a sheet is told in one line, which names the key and what is allowed."""

from __future__ import annotations

import shutil

import pytest

yaml = pytest.importorskip("yaml")

pytestmark = pytest.mark.xdist_group("workflow")


def told(run):
    """Return the one line that says what is wrong; there is no dump of a schema."""
    lines = run.text.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("WorkflowError in file"))
    assert "Traceback" not in run.text
    assert "additionalProperties" not in run.text
    assert lines[at + 2].startswith("  File "), lines
    return lines[at + 1]


def broken(folder, change):
    config = yaml.safe_load((folder / "config" / "config.yaml").read_text())
    change(config)
    (folder / "config" / "config.yaml").write_text(yaml.safe_dump(config))


@pytest.fixture
def people_project(people, fresh, snakemake, tmp_path):
    folder = tmp_path / "project"
    shutil.copytree(people, folder)
    snakefile = fresh / "workflows" / "introgression" / "workflow" / "Snakefile"
    return folder, lambda: snakemake(folder, "--snakefile", snakefile, "--dry-run", code=1)


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
def test_configuration_of_introgression(change, line, people_project):
    folder, run = people_project
    broken(folder, change)
    assert told(run()) == line


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
def test_sheet_of_introgression(sheet, line, people_project):
    folder, run = people_project
    (folder / "config" / "samples.tsv").write_text(sheet)
    assert told(run()) == line


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (
            lambda c: c.update(formats="paf"),
            "config: unknown key formats (did you mean format?); allowed: compress,"
            " families, format, model, msa, pathvars, plots, references, samples, score, search, task, train",
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
def test_configuration_of_alignment(change, line, fresh, snakemake, tmp_path):
    shutil.copytree(fresh / "workflows" / "alignment" / "config", tmp_path / "config")
    broken(tmp_path, change)
    snakefile = fresh / "workflows" / "alignment" / "workflow" / "Snakefile"
    pathvars = f"pathvars={{example: {fresh / 'example_data'}}}"
    assert told(snakemake(tmp_path, "--snakefile", snakefile, "--dry-run", "--config", pathvars, code=1)) == line


def test_sheet_of_alignment_names_references_that_there_are(fresh, snakemake, tmp_path):
    shutil.copytree(fresh / "workflows" / "alignment" / "config", tmp_path / "config")
    (tmp_path / "config" / "samples.tsv").write_text("query\tfile\treferences\na\ta.fa\texample,exampel\n")
    snakefile = fresh / "workflows" / "alignment" / "workflow" / "Snakefile"
    line = told(snakemake(tmp_path, "--snakefile", snakefile, "--dry-run", code=1))
    wanted = "samples.tsv: a: no references exampel (did you mean example?); references: example"
    assert line == f"<config>/{wanted}"


def test_contig_of_fasta_that_is_not_there_cannot_be_drawn(introgression, snakemake):
    words = ("--configfile", "config/fasta.yaml", "--replace-workflow-config", "--cores", 2)
    words += ("--config", "plots={chromosomes: [chr22]}", "outputs={evidence: false, posteriors: false, report: false}")
    run = snakemake(introgression, *words, "results/fasta/plots/chr22.rows.svg", code=1)
    log = (introgression / "logs" / "plot_chromosome" / "fasta" / "chr22.rows.log").read_text()
    assert "there is no chr22; there is chr21" in log
    assert "plot_chromosome" in run.text
