"""The workflows inside another project, and in the root of a clone."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.xdist_group("workflow")


def test_example_project_runs_both_and_a_rule_of_its_own(embed, snakemake):
    folder, run = embed
    assert run.jobs() == {
        "introgression_scan_fasta": 1,
        "introgression_gather_segments": 1,
        "introgression_summarise": 1,
        "alignment_search": 1,
        "alignment_gather_alignments": 1,
        "overview": 1,
    }
    results = folder / "results"
    assert (results / "introgression" / "fasta" / "segments.bed").read_text().startswith("##genolstm=")
    assert (results / "alignment" / "example" / "alignments.sam").read_text().startswith("@HD")
    overview = (results / "overview.txt").read_text().splitlines()
    assert overview[0].startswith("population\tCEU\t")
    assert int(overview[-1]) >= 3
    assert (folder / "logs" / "introgression" / "scan_fasta" / "chr21.log").is_file()
    assert (folder / "benchmarks" / "alignment" / "search" / "example" / "reads.tsv").is_file()
    assert {path.name for path in results.iterdir()} == {"introgression", "alignment", "overview.txt"}
    assert "Nothing to be done" in snakemake(folder, "--cores", 2).text
    # The threads that the project gives to a rule of a module, and those that it leaves.
    told = snakemake(folder, "--dry-run", "--forceall", "--printshellcmds", "--cores", 4).text.splitlines()
    for command, threads in (("align search", 1), ("introgression scan", 4)):
        (line,) = (line for line in told if f"genolstm {command}" in line)
        assert f"--threads {threads} " in line


def test_root_of_a_clone_runs_both_on_the_example(fresh, snakemake):
    run = snakemake(fresh, "--dry-run")
    assert run.jobs()["introgression_scan_vcf"] == run.jobs()["alignment_search"] == 1
    assert "example_data/people.vcf.gz, example_data/archaic.g.vcf.gz" in run.text.replace("\n", " ")
