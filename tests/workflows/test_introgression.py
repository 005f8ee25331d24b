"""The introgression workflow, run by the real snakemake on the example and on two chromosomes."""

from __future__ import annotations

import gzip
import os
import shutil
import time
import zipfile
from pathlib import Path

import pytest
from support.people import write_samples

pytestmark = pytest.mark.xdist_group("workflow")


def measures(path):
    rows = [line.split("\t") for line in path.read_text().splitlines()]
    return {row[0]: float(row[1]) for row in rows[1:]}


def times(folder):
    return {path: path.stat().st_mtime_ns for path in (folder / "results").rglob("*")}


def test_example_gives_segments_that_hold_against_the_truth(introgression):
    results = introgression / "results" / "vcf"
    lines = (results / "segments.bed").read_text().splitlines()
    assert lines[0].startswith("##genolstm=")
    assert lines[1].startswith("#chrom\tstart\tend")
    starts = [int(line.split("\t")[1]) for line in lines[2:]]
    assert starts
    assert starts == sorted(starts)
    assert "posterior_neanderthal" in lines[1]
    assert (results / "plots" / "chr21.rows.svg").read_text().lstrip().startswith("<?xml")
    assert (results / "posteriors.tsv.gz").stat().st_size > 1000
    summary = [line.split("\t") for line in (results / "summary.tsv").read_text().splitlines()]
    assert summary[1][:7] == ["all", "NA", "NA", "NA", "all", "6", str(len(starts))]
    assert 0 < float(summary[1][9]) < 1
    assert any(row[:2] == ["population", "CEU"] for row in summary)
    assert "CEU0" in (results / "summary_mqc.json").read_text()
    assert measures(results / "evaluation.tsv")["AP (posteriors)"] >= 0.85
    # The evidence names the segments as the table of segments does, and the page holds both.
    names = {line.split("\t")[3] for line in lines[2:]}
    evidence = gzip.decompress((results / "evidence.tsv.gz").read_bytes()).decode().splitlines()
    header = next(line for line in evidence if not line.startswith("##")).lstrip("#").split("\t")
    rows = [dict(zip(header, line.split("\t"), strict=True)) for line in evidence if not line.startswith("#")]
    assert {row["segment"] for row in rows} == names
    page = (results / "report.html").read_text()
    assert all(name in page for name in names)


def test_every_job_leaves_a_log_and_a_benchmark(introgression):
    rules = ("scan_vcf", "gather_segments", "gather_posteriors", "gather_evidence", "summarise", "evaluate")
    for rule in (*rules, "draw_page", "plot_chromosome"):
        assert list((introgression / "logs" / rule).rglob("*.log")), rule
        tables = list((introgression / "benchmarks" / rule).rglob("*.tsv"))
        assert tables, rule
        assert all(table.read_text().startswith("s\t") for table in tables)


def test_second_run_does_nothing(introgression, snakemake):
    before = times(introgression)
    assert "Nothing to be done" in snakemake(introgression, "--cores", 2).text
    assert before == times(introgression)


def test_snakemake_puts_tables_figures_and_the_page_into_its_report(introgression, snakemake, tmp_path):
    snakemake(introgression, "--report", tmp_path / "report.zip")
    with zipfile.ZipFile(tmp_path / "report.zip") as report:
        names = {Path(name).name for name in report.namelist()}
    assert {"segments.bed", "summary.tsv", "evaluation.tsv", "report.html", "chr21.rows.svg"} <= names


def test_fasta_door_by_its_own_configuration(introgression, snakemake):
    words = ("--configfile", "config/fasta.yaml", "--replace-workflow-config", "--dry-run")
    run = snakemake(introgression, *words)
    wanted = {"scan_fasta": 1, "gather_segments": 1, "gather_posteriors": 1, "summarise": 1, "draw_page": 1}
    assert run.jobs() == wanted | {"evaluate": 1, "plot_chromosome": 1}
    assert "../../example_data/query.fa.gz" in run.text


def rows(path):
    return [line.split("\t") for line in path.read_text().splitlines() if not line.startswith("#")]


def test_chromosomes_and_batches_are_scattered_and_gathered(scattered):
    results = scattered / "results" / "vcf"
    scans = sorted(str(path.relative_to(results / "scans")) for path in (results / "scans").rglob("*.bed"))
    assert scans == ["chr20/a.bed", "chr20/b.bed", "chr21/a.bed", "chr21/b.bed"]
    found = rows(results / "segments.bed")
    parts = [row for path in (results / "scans").rglob("*.bed") for row in rows(path)]
    # All but the names, which are given anew.
    assert sorted(row[:3] + row[4:] for row in found) == sorted(row[:3] + row[4:] for row in parts)
    assert {row[6] for row in found if row[0] == "chr20"} == {"CEU1", "CEU2"}
    # Both chromosomes are of the same data.
    assert [row[1:3] + row[4:] for row in found if row[0] == "chr20"] == [
        row[1:3] + row[4:] for row in found if row[0] == "chr21"
    ]
    # Of the regions, only what was asked for counts.
    summary = (results / "summary.tsv").read_text().splitlines()
    assert summary[1].split("\t")[5:9:3] == ["6", "2.400000"]


@pytest.fixture
def again(scattered, fresh, snakemake, tmp_path):
    """A copy of the run of two chromosomes, and what would run in it next."""
    folder = tmp_path / "project"
    shutil.copytree(scattered, folder, symlinks=True)
    snakefile = fresh / "workflows" / "introgression" / "workflow" / "Snakefile"

    def jobs(*words):
        return snakemake(folder, "--snakefile", snakefile, "--dry-run", *words).jobs()

    assert jobs() == {}
    return folder, jobs


def touch(path):
    later = time.time() + 5
    os.utime(path, (later, later))


GATHERED = {"gather_segments": 1, "gather_evidence": 1, "summarise": 1}


@pytest.mark.parametrize("name", ["people.chr20.vcf.gz", "archaic.chr21.vcf.gz"])
def test_changed_file_reruns_what_depends_on_it(again, name):
    folder, jobs = again
    path = folder / "data" / name
    lines = gzip.decompress(path.read_bytes()).decode().splitlines(keepends=True)
    path.write_bytes(gzip.compress("".join(lines[:-1]).encode()))
    touch(path)
    assert jobs() == {"scan_vcf": 2, **GATHERED}


def test_changed_sheet_reruns_the_batches_that_changed(again):
    folder, jobs = again
    sheet = folder / "config" / "samples.tsv"
    # A population's new name is nothing to the scans, which are given the samples.
    sheet.write_text(sheet.read_text().replace("CEU2\tCEU", "CEU2\tGBR"))
    touch(sheet)
    assert jobs() == {"summarise": 1}
    write_samples(folder, {"CEU0": "a", "CEU1": "a", "CEU2": "c"})
    touch(sheet)
    assert jobs() == {"scan_vcf": 2, **GATHERED}


def test_parts_that_are_not_kept_are_removed_and_made_again(again, fresh, snakemake):
    folder, jobs = again
    (folder / "gone.yaml").write_text("outputs: {keep_parts: false}\n")
    gone = ("--configfile", "gone.yaml")
    assert jobs(*gone) == {}
    (folder / "results" / "vcf" / "evidence.tsv.gz").unlink()
    snakefile = fresh / "workflows" / "introgression" / "workflow" / "Snakefile"
    target = "results/vcf/evidence.tsv.gz"
    snakemake(folder, target, "--snakefile", snakefile, "--cores", 2, *gone)
    assert not list((folder / "results" / "vcf" / "scans").rglob("*.tsv.gz"))
    assert jobs(*gone) == {}
    (folder / target).unlink()
    assert jobs(*gone)["scan_vcf"] == 4


def test_changed_setting_reruns_the_scans(again):
    folder, jobs = again
    (folder / "long.yaml").write_text("scan: {min_length: 20000}\n")
    assert jobs("--configfile", "long.yaml") == {"scan_vcf": 4, **GATHERED}


def test_vcf_zarr_frequencies_and_masks_reach_the_command(again, fresh, snakemake):
    folder, _ = again
    (folder / "data" / "people.vcz").mkdir()
    for name in ("freq.vcf", "mask.chr20.bed", "mask.chr21.bed"):
        (folder / "data" / name).touch()
    config = (folder / "config" / "config.yaml").read_text()
    config = config.replace("data/people.{chrom}.vcf.gz", "data/people.vcz").replace(
        "  outgroup: [YRI]\n",
        "  outgroup_frequencies: data/freq.vcf\n  field: AF_afr\n  archaic_callable: 'data/mask.{chrom}.bed'\n"
        "  archaic_min_gq: 30\n  filter: [PASS, LowQual]\n",
    )
    config = config.replace("  evidence: true\n", "  evidence: true\n  weights: true\n  gff3: true\n")
    (folder / "config" / "config.yaml").write_text(config + "scan: {fdr: 0.05}\n")
    snakefile = fresh / "workflows" / "introgression" / "workflow" / "Snakefile"
    run = snakemake(folder, "--snakefile", snakefile, "--dry-run", "--printshellcmds")
    assert run.jobs()["gather_gff3"] == 1
    command = next(
        line for line in run.text.splitlines() if "genolstm introgression scan" in line and "chr20/a" in line
    )
    for words in (
        "--vcf data/people.vcz",
        "--outgroup-frequencies data/freq.vcf",
        "--field AF_afr",
        "--archaic-callable data/mask.chr20.bed",
        "--regions data/regions.bed",
        "--archaic-min-gq 30",
        "--filter PASS --filter LowQual",
        "--archaic-vcf neanderthal=data/archaic.chr20.vcf.gz",
        "--archaic neanderthal=NeaA0",
        "--target CEU0,CEU1 ",
        "--fdr 0.05",
        "--weights",
    ):
        assert words in command, words
    assert "--outgroup " not in command
