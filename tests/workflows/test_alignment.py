"""The alignment workflow, run by the real snakemake on the example."""

from __future__ import annotations

import shutil

import pytest
from support import EXAMPLE

from genolstm.alignment.settings import SearchSettings
from genolstm.runs.align_search import run as search

pytestmark = pytest.mark.xdist_group("workflow")


def test_example_gives_the_hits_of_the_command_and_a_family_and_a_figure(alignment, tmp_path):
    results = alignment / "results"
    settings = SearchSettings(evalue=0.001, max_hits=5)
    search(EXAMPLE / "reads.fa", EXAMPLE / "reference.fa", tmp_path / "hits.paf", settings=settings, threads=1)
    hits = (results / "example" / "alignments.paf").read_text()
    assert hits == (tmp_path / "hits.paf").read_text()
    assert {line.split("\t")[0] for line in hits.splitlines()} >= {"read1", "read2", "read3"}
    family = (results / "families" / "example.sto").read_text()
    assert family.startswith("# STOCKHOLM 1.0")
    assert "stranger" in family
    assert (results / "plots" / "read3.svg").read_text().lstrip().startswith("<?xml")
    for name in ("search/example/reads", "gather_alignments/example", "align_family/example", "plot_pair/read3"):
        assert (alignment / "logs" / f"{name}.log").is_file()
        assert (alignment / "benchmarks" / f"{name}.tsv").read_text().startswith("s\t")


def test_second_run_does_nothing(alignment, snakemake):
    assert "Nothing to be done" in snakemake(alignment, "--cores", 2).text


CONFIG = """
model: dna
samples: <config>/samples.tsv
references:
  one: data/one.fa
  two: data/two.fa
task: score
format: sam
compress: true
score: {mode: semiglobal, columns: true, band: 50}
"""


@pytest.fixture(scope="module")
def scores(fresh, snakemake, tmp_path_factory):
    """A project of two files of queries, of which one is aligned to both files of references, and what runs it."""
    folder = tmp_path_factory.mktemp("scores")
    (folder / "data").mkdir()
    (folder / "config").mkdir()
    records = (EXAMPLE / "reads.fa").read_text().split(">")[1:]
    references = (EXAMPLE / "reference.fa").read_text().split(">")[1:]
    files = {"a": records[:2], "b": records[2:], "one": references[:1], "two": references[1:]}
    for name, own in files.items():
        (folder / "data" / f"{name}.fa").write_text("".join(f">{record}" for record in own))
    sheet = "query\tfile\treferences\tnote\na\tdata/a.fa\t\tfirst\nb\tdata/b.fa\ttwo\t\n"
    (folder / "config" / "samples.tsv").write_text(sheet)
    (folder / "config" / "config.yaml").write_text(CONFIG)
    snakefile = fresh / "workflows" / "alignment" / "workflow" / "Snakefile"
    return folder, lambda *words, **how: snakemake(folder, "--snakefile", snakefile, *words, **how)


def test_files_are_scattered_over_the_references_that_the_sheet_names(scores):
    _, run = scores
    told = run("--dry-run", "--printshellcmds")
    assert told.jobs() == {"score": 3, "gather_alignments": 2, "gather_columns": 2}
    command = next(line for line in told.text.splitlines() if "genolstm align score" in line and "two/parts/b" in line)
    for words in (
        "data/b.fa data/two.fa",
        "--format sam",
        "--mode semiglobal",
        "--band 50",
        "-o results/two/parts/b.score.sam",
        "--posteriors results/two/parts/b.posteriors.tsv.gz",
    ):
        assert words in command, words
    gather = next(line for line in told.text.splitlines() if "align gather" in line and "results/two/alig" in line)
    assert "results/two/parts/{a,b}.score.sam" in gather
    assert "-o results/two/alignments.sam.gz" in gather


def test_changed_query_reruns_only_what_is_aligned_to_it(scores):
    folder, run = scores
    run("--cores", 2, "results/one/alignments.sam.gz")
    assert run("--dry-run", "results/one/alignments.sam.gz").jobs() == {}
    # The file of b is not aligned to the references one.
    (folder / "data" / "b.fa").write_text((folder / "data" / "b.fa").read_text() + "\n")
    assert run("--dry-run", "results/one/alignments.sam.gz").jobs() == {}
    (folder / "data" / "a.fa").write_text((folder / "data" / "b.fa").read_text())
    found = run("--dry-run", "results/one/alignments.sam.gz").jobs()
    assert found == {"score": 1, "gather_alignments": 1}


def test_model_is_trained_first_if_there_are_pairs(scores):
    folder, run = scores
    for name in ("a", "b"):
        shutil.copy(EXAMPLE / "reads.fa", folder / "data" / f"pairs.{name}.fa")
    train = "train: {query: data/pairs.a.fa, reference: data/pairs.b.fa, one_to_one: true, epochs: 1}\n"
    (folder / "train.yaml").write_text(train)
    told = run("--dry-run", "--printshellcmds", "--configfile", "train.yaml")
    assert told.jobs() == {"train": 1, "score": 3, "gather_alignments": 2, "gather_columns": 2}
    lines = told.text.splitlines()
    command = next(line for line in lines if "genolstm align train" in line)
    assert "--model dna --one-to-one --epochs 1 -o results/model/trained.genolstm" in command
    aligned = [line for line in lines if "genolstm align score" in line]
    assert all("--model results/model/trained.genolstm" in line for line in aligned)
    assert not (folder / "results" / "model").exists()
