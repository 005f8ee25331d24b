"""Every command and snippet of every page of the documentation runs, in its order, and shows what the page says.

Data that one does not have at hand (the 1000 Genomes, an archaic genome) are made of the example, under the names that
a page gives them, so that its lines run as they stand. What trains, or takes longer, runs with ``pytest -m slow``, with
sizes that are cut down; its lines are parsed in any case.

``PYTHONPATH=tests python tests/test_pages.py docs/index.md ...`` writes what comes out now into pages.
"""

from __future__ import annotations

import gzip
import io
import itertools
import json
import re
import shlex
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest
from support.pages import PATH, ROOT, Block, Shell, as_numbers, blocks, told, words_of

from genolstm.introgression.sequence_only import data as labels_of_loci
from genolstm.runs import sequence_score
from genolstm.runs.text_generators import MEASURES, RUN_COLUMNS, Generators
from genolstm.text.scoring import TOTALS, TOTALS_OF_WORDS, write_positions_header
from genolstm.text.tracks import write_weights_header

pytest.importorskip("bokeh")
pytest.importorskip("matplotlib")

DOCS = ROOT / "docs"
EXAMPLE = ROOT / "example_data"
CHROM, LENGTH = "chr21", 600_000

# --- what the lines of a page need ------------------------------------------------------------------


def example(folder: Path) -> None:
    """A clone, as far as the pages need one."""
    (folder / "example_data").symlink_to(EXAMPLE)


class Vcf(NamedTuple):
    """A small VCF: lines of the header, samples, and the fields of each record."""

    header: list[str]
    samples: list[str]
    records: list[list[str]]


def read_vcf(name: str, chrom: str = CHROM) -> Vcf:
    """Read a file of the example, with another name for its chromosome."""
    with gzip.open(EXAMPLE / name, "rt", encoding="utf-8") as stream:
        lines = stream.read().splitlines()
    header = [line.replace(f"ID={CHROM},", f"ID={chrom},") for line in lines if line.startswith("##")]
    (names,) = [line for line in lines if line.startswith("#CHROM")]
    records = [[chrom, *line.split("\t")[1:]] for line in lines if not line.startswith("#")]
    return Vcf(header, names.split("\t")[9:], records)


def write_vcf(path: Path, vcf: Vcf) -> None:
    path.parent.mkdir(exist_ok=True)
    fixed = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT"]
    rows = [*vcf.header, "\t".join([*fixed, *vcf.samples]), *("\t".join(record) for record in vcf.records)]
    path.write_bytes(gzip.compress(("\n".join(rows) + "\n").encode(), 1))


def columns(vcf: Vcf, names: dict[str, str]) -> Vcf:
    """Return some samples under other names."""
    at = [9 + vcf.samples.index(name) for name in names]
    return Vcf(vcf.header, list(names.values()), [[*record[:9], *(record[k] for k in at)] for record in vcf.records])


def in_stretch(vcf: Vcf, start: int, end: int) -> Vcf:
    return vcf._replace(records=[record for record in vcf.records if start < int(record[1]) <= end])


def without_archaic(vcf: Vcf, name: str) -> Vcf:
    """Return an archaic that is known at the same places, and has the reference at all of them."""
    return Vcf(vcf.header, [name], [[*record[:9], "0/0"] for record in vcf.records])


def position_by_position(vcf: Vcf) -> Vcf:
    """Return a file that lists each invariant position, as those of the Vindija Neanderthal do."""
    found = []
    for record in vcf.records:
        if record[4] != "<NON_REF>":
            found.append(record)
            continue
        end = int(record[7].removeprefix("END="))
        found += [
            [record[0], str(at), ".", "A", ".", ".", "PASS", ".", "GT", "0/0"] for at in range(int(record[1]), end + 1)
        ]
    return vcf._replace(records=found)


def packed(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress(text.encode()))


def thousand_genomes_grch37(folder: Path) -> None:
    release = "ALL.chr21.phase3_shapeit2_mvncall_integrated_v5a.20130502.genotypes.vcf.gz"
    write_vcf(folder / release, read_vcf("people.vcf.gz", "21"))
    header, *rows = (EXAMPLE / "people.tsv").read_text().splitlines()
    panel = "\n".join([f"{header}\tgender", *(f"{row}\tmale" for row in rows)])
    (folder / "integrated_call_samples_v3.20130502.ALL.panel").write_text(f"{panel}\n")
    (folder / "20141020.strict_mask.whole_genome.bed").write_text("chr21\t0\t590000\tstrict\nchr22\t0\t500\tstrict\n")
    archaic = read_vcf("archaic.g.vcf.gz", "21")
    write_vcf(folder / "vindija" / "chr21_mq25_mapab100.vcf.gz", archaic)
    write_vcf(folder / "denisova" / "chr21_mq25_mapab100.vcf.gz", without_archaic(archaic, "Denisova"))
    for name in ("vindija", "denisova"):
        packed(folder / name / "chr21_mask.bed.gz", "21\t1000\t599000\n")


#: A stretch with segments, short enough to list each of its positions.
STRETCH = (330_000, 370_000)


def thousand_genomes_grch38(folder: Path) -> None:
    people = in_stretch(read_vcf("people.vcf.gz"), *STRETCH)
    write_vcf(folder / "1kGP_high_coverage_Illumina.chr21.filtered.SNV_INDEL_SV_phased_panel.vcf.gz", people)
    rows = [line.split("\t") for line in (EXAMPLE / "people.tsv").read_text().splitlines()[1:]]
    table = ["FamilyID SampleID FatherID MotherID Sex Population Superpopulation"]
    table += [f"{name} {name} 0 0 1 {pop} {super_pop}" for name, pop, super_pop in rows]
    (folder / "20130606_g1k_3202_samples_ped_population.txt").write_text("\n".join(table) + "\n")
    (folder / "20160622.allChr.mask.bed").write_text(f"chr21\t{STRETCH[0]}\t{STRETCH[1]}\nchr22\t0\t500\n")
    archaic = in_stretch(position_by_position(read_vcf("archaic.g.vcf.gz", "21")), *STRETCH)
    write_vcf(folder / "chr21_mq25_mapab100.vcf.gz", archaic)
    packed(folder / "chr21_mask.bed.gz", f"21\t{STRETCH[0]}\t{STRETCH[1]}\n")
    # Nothing moves: what is tested are the lines around a program that is not ours, and may not be here.
    bases = bytearray(b"A" * LENGTH)
    for record in archaic.records:
        bases[int(record[1]) - 1 : int(record[1])] = record[3].encode()
    (folder / "GRCh38.fa").write_text(f">chr21\n{bases.decode()}\n")
    chain = f"chain 1 21 {LENGTH} + 0 {LENGTH} chr21 {LENGTH} + 0 {LENGTH} 1\n{LENGTH}\n\n"
    packed(folder / "hg19ToHg38.over.chain.gz", chain)


#: Writes what CrossMap 0.7 writes if nothing moves: plain text, with the names of its input.
CROSSMAP = """#!/bin/sh
set -eu
[ "$1" = vcf ] || [ "$1" = bed ]
zcat "$3" > "$(eval echo "\\$$#")"
"""


def assemblies(folder: Path) -> None:
    """FASTA files of whole haplotypes, all of them cut from those of the example."""
    with gzip.open(EXAMPLE / "query.fa.gz", "rt", encoding="utf-8") as stream:
        records = dict(record.split("\n", 1) for record in stream.read().split(">")[1:])
    bases = [text.replace("\n", "")[:150_000] for text in records.values()]
    names = ["yri_01", "yri_02", "nea_1", "nea_2", "sample.hap1", "sample.hap2"]
    for name, sequence in zip(names, bases, strict=True):
        packed(folder / f"{name}.fa.gz", f">{name.split('.')[0]}_contig1\n{sequence}\n")
    shutil.copyfile(folder / "nea_1.fa.gz", folder / "vindija.fa.gz")


def one_genome(folder: Path) -> None:
    people = read_vcf("people.vcf.gz")
    mine = columns(people, {"CEU1": "me"})
    write_vcf(folder / "me.phased.vcf.gz", mine._replace(records=[r for r in mine.records if r[9] != "0|0"]))
    yri = columns(people, {name: name for name in people.samples if name.startswith("YRI")})
    write_vcf(folder / "yri.vcf.gz", yri)
    (folder / "me.callable.bed").write_text(f"{CHROM}\t1000\t{LENGTH}\n")
    shutil.copyfile(EXAMPLE / "archaic.g.vcf.gz", folder / "vindija.vcf.gz")
    declared = [
        '##INFO=<ID=AF_afr,Number=A,Type=Float,Description="Frequency">',
        '##INFO=<ID=AN_afr,Number=1,Type=Integer,Description="Alleles">',
    ]
    found = []
    for record in yri.records:
        alleles = re.split(r"[|/\t]", "\t".join(record[9:]))
        if "," not in record[4] and (count := alleles.count("1")):
            info = f"AF_afr={count / len(alleles):.4f};AN_afr={len(alleles)}"
            found.append([*record[:7], info])
    head = [line for line in yri.header if "ID=GT" not in line] + declared
    rows = [*head, "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO", *("\t".join(record) for record in found)]
    packed(folder / "gnomad.chr21.vcf.gz", "\n".join(rows) + "\n")


def cluster(folder: Path) -> None:
    shutil.copyfile(EXAMPLE / "people.tsv", folder / "people.tsv")
    for chrom in ("chr21", "chr22"):
        write_vcf(folder / f"people.{chrom}.vcf.gz", read_vcf("people.vcf.gz", chrom))
        write_vcf(folder / f"archaic.{chrom}.vcf.gz", read_vcf("archaic.g.vcf.gz", chrom))
    example(folder)
    shutil.copytree(ROOT / "workflows", folder / "workflows", ignore=shutil.ignore_patterns("results", ".snakemake"))


#: Runs an array of jobs at once, one after another.
SBATCH = """#!/bin/sh
set -eu
for number in 21 22; do SLURM_ARRAY_TASK_ID=$number sh "$1"; done
"""


def introgression(folder: Path) -> None:
    """What the page on introgression scans: all kinds of files, of two chromosomes."""
    example(folder)
    assemblies(folder)
    for name in ("people.vcf.gz", "query.fa.gz", "outgroup.panel", "target.txt", "outgroup.txt", "truth.bed"):
        shutil.copyfile(EXAMPLE / name, folder / name)
    shutil.copytree(EXAMPLE / "hmmix", folder / "hmmix")
    for name in ("vindija", "denisova"):
        shutil.copyfile(EXAMPLE / "archaic.panel", folder / f"{name}.panel")
    archaic = read_vcf("archaic.g.vcf.gz")
    write_vcf(folder / "vindija.vcf.gz", columns(archaic, {"NeaA0": "Vindija33.19"}))
    write_vcf(folder / "denisova.vcf.gz", without_archaic(archaic, "Denisova"))
    merged = read_vcf("region.vcf.gz")
    at = 9 + merged.samples.index("NeaA0")
    # The same Neanderthal twice, and a Denisovan who has the reference everywhere.
    names = [name for name in merged.samples if name != "NeaA0"]
    everybody = [*names, "AltaiNeandertal", "Vindija33.19", "Denisova"]
    rows = [[*r[:at], *r[at + 1 :], r[at], r[at], "0/0"] for r in merged.records]
    write_vcf(folder / "merged.vcf.gz", Vcf(merged.header, everybody, rows))
    (folder / "archaic.txt").write_text("AltaiNeandertal\nVindija33.19\n")
    table = (EXAMPLE / "people.tsv").read_text().replace("CEU2\tCEU\tEUR", "CEU2\tCHB\tEAS")
    (folder / "people.tsv").write_text(table)
    (folder / "genome.fa.fai").write_text("".join(f"chr{k}\t{LENGTH}\t6\t60\t61\n" for k in (1, 2)))
    (folder / "genome.txt").write_text(f"{CHROM}\t{LENGTH}\n")
    packed(folder / "published.bed.gz", f"{CHROM}\t250000\t422000\n{CHROM}\t529000\t560000\n")
    targets = ("CEU0", "CEU1", "CEU2")
    rows_of = [f"{name}\t{CHROM}\t311001\t370001\t4.5\n" for name in targets]
    (folder / "ibdmix.txt").write_text("ID\tchrom\tstart\tend\tslod\n" + "".join(rows_of))
    score = "CHROM\tPOS\tID\tREF\tALT\tSEGMENT\tALLELE\tSCORE\n"
    sites = [f"{CHROM}\t{at}\t.\tA\tG\t0\t1\t170000\n" for at in (311_001, 370_001)]
    (folder / "sprime.score").write_text(score + "".join(sites))
    (folder / "sstar.bed").write_text("".join(f"{CHROM}\t310000\t370000\t{name}\n" for name in targets))


def sequences(folder: Path) -> None:
    from genolstm.alignment.simulate.pairs import PRESETS, simulate_pairs

    settings = replace(PRESETS["homogeneous"], length=(60, 80), divergence=(0.05, 0.3))
    texts = [pair.texts for pair in simulate_pairs(settings, 10, seed=3)]
    for name, which in (("QUERY", 0), ("REFERENCE", 1)):
        records = [f">{name.lower()}{k}\n{pair[which]}\n" for k, pair in enumerate(texts)]
        (folder / f"{name}.fa").write_text("".join(records))
    for name, source in (("READS", "reads"), ("FAMILY", "reads"), ("GENOME", "reference")):
        shutil.copyfile(EXAMPLE / f"{source}.fa", folder / f"{name}.fa")
    reads = (EXAMPLE / "reads.fa").read_text().split(">")
    (folder / "A.fa").write_text(f">{reads[1]}")
    (folder / "B.fa").write_text(f">{reads[2]}")


def text_and_genomes(folder: Path) -> None:
    example(folder)
    (folder / "OTHER.txt").write_text("And a goat with a ladle\n")
    shutil.copyfile(EXAMPLE / "genome.fa.gz", folder / "contigs.fa.gz")
    with gzip.open(folder / "contigs.fa.gz") as stream:
        (folder / "contigs.fa").write_bytes(stream.read())


def architectures(folder: Path) -> None:
    from genolstm.comparison.data import write_labelled
    from genolstm.comparison.tasks import simulate_motif

    for name in ("region.vcf.gz", "target.txt", "outgroup.txt", "archaic.txt"):
        shutil.copyfile(EXAMPLE / name, folder / name)
    write_labelled(simulate_motif(120, seed=5, length=60), folder / "labelled.fa")
    lines = (folder / "labelled.fa").read_text().splitlines()
    heads = [dict(word.split("=") for word in line.split()[1:]) for line in lines if line.startswith(">")]
    (folder / "enhancers.fa").write_text("\n".join(line.split()[0] for line in lines) + "\n")
    names = [line.split()[0][1:] for line in lines if line.startswith(">")]
    table = "".join(f"{name}\t{head['label']}\n" for name, head in zip(names, heads, strict=True))
    (folder / "enhancers.tsv").write_text(f"name\tlabel\n{table}")
    numbers = iter(range(len(names)))
    promoters = [f"{line.split()[0]} label={next(numbers) % 7}.5" if line.startswith(">") else line for line in lines]
    (folder / "promoters.fa").write_text("\n".join(promoters) + "\n")


def demography(folder: Path) -> None:
    """The file that the page says to save."""
    page = (DOCS / "how-to" / "your-demography.md").read_text(encoding="utf-8")
    (found,) = re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (folder / "mine.yaml").write_text(found)


def notebooks(folder: Path) -> None:
    shutil.copytree(ROOT / "notebooks", folder / "notebooks")


class Page(NamedTuple):
    """What a page needs, which of its blocks take long, and what is made smaller when these are run."""

    prepare: Callable[[Path], None] = example
    #: Lines of the shell, and blocks of Python, that have one of these pieces run with ``-m slow`` only.
    slow: tuple[str, ...] = ()
    smaller: tuple[tuple[str, str], ...] = ()
    #: Blocks that are run by no test of this file, by a piece of them, and by what they are.
    elsewhere: tuple[str, ...] = ()
    #: Programs that are put on the path.
    programs: tuple[tuple[str, str], ...] = ()
    #: Programs without which the page is skipped.
    needs: tuple[str, ...] = ()


#: Regions for a snippet that comes before the command that makes them.
EARLY = """import subprocess, sys
def simulated_early(sizes):
    words = f"introgression simulate -q -o early --replicates 5 {sizes}".split()
    subprocess.run([sys.executable, "-m", "genolstm", *words], check=True)
    return "early"
"""
TINY = "--length 400000 --target-size 4 --outgroup-size 10"
ONCE = "--epochs 1 --seeds 1"
PAGES = {
    "README.md": Page(),
    "docs/architectures.md": Page(
        architectures,
        slow=("genolstm compare", "genolstm.comparison", "model gates", "text generators"),
        smaller=(
            ("--labels enhancers.tsv -o", f"--labels enhancers.tsv {ONCE} --parameters 1500 -o"),
            ("--parameters 20000", f"--parameters 1500 {ONCE}"),
            ("--task long-range", f"--task long-range -n 200 {ONCE} --distance 20 --architectures cnn,lstm"),
            ("seeds=3)", "seeds=1, epochs=1, parameters=1500)"),
            ("text generators genome.fa", f"text generators {EXAMPLE}/genome.fa.gz --passes 1 --seeds 1 --units 4"),
            (
                "genolstm model gates rhyme",  # the model of the page on texts
                f"genolstm text train {EXAMPLE}/rhyme.txt -o rhyme.genolstm --epochs 1 --units 8\n"
                "genolstm model gates rhyme",
            ),
        ),
    ),
    "docs/alignment.md": Page(
        sequences,
        slow=("align train", "align msa", "align plot"),
        smaller=(
            ("--truth TRUTH.paf", "--truth TRUTH.paf --epochs 1"),
            (
                "genolstm align train",
                "genolstm align score QUERY.fa REFERENCE.fa --one-to-one -o TRUTH.paf\ngenolstm align train",
            ),
        ),
        # tests/alignment/test_families.py trains on families.
        elsewhere=("--families",),
    ),
    # tests/cli/test_example.py runs each line of the script.
    "docs/command-line.md": Page(slow=("sh first/run.sh",)),
    "docs/first-hour.md": Page(),
    "docs/how-to/1000-genomes-grch37.md": Page(thousand_genomes_grch37),
    "docs/how-to/1000-genomes-grch38.md": Page(
        thousand_genomes_grch38, programs=(("CrossMap", CROSSMAP),), needs=("bcftools", "bgzip")
    ),
    "docs/how-to/assemblies.md": Page(assemblies),
    "docs/how-to/cluster.md": Page(
        cluster, slow=("warm-up", "cd workflows", "snakemake"), programs=(("sbatch", SBATCH),)
    ),
    "docs/how-to/one-genome.md": Page(one_genome),
    "docs/how-to/your-demography.md": Page(
        demography,
        slow=("genolstm",),
        smaller=(
            ("--replicates 40", f"--replicates 5 {TINY}"),
            ("--replicates 4\n", f"--replicates 2 {TINY}\n"),
            ("--label donor", "--label donor --epochs 2 --window 50"),
        ),
    ),
    "docs/introgression.md": Page(
        introgression,
        slow=(
            *("introgression simulate", "introgression train", "sklearn"),
            # What is made by these.
            *("mine.genolstm", "mine.bed", "papuans.bed", "papuans/"),
            # Other pages have much the same.
            *("panel build", "from_assemblies.bed", "--view", "--weights", "explain segments.bed", "annotated.vcf.gz"),
            *("hmmix/", "paged.bed", "from_panels.bed", "from_two_files.bed", "model.scan_vcf"),
        ),
        smaller=(
            ("--replicates 40 --length 5000000", f"--replicates 5 {TINY}"),
            ("--label neanderthal", "--label neanderthal --epochs 2 --window 50"),
            ("--target Papuan", f"--target Papuan {TINY}"),
            ("TrackClassifier()", "TrackClassifier(epochs=1)"),
            # They are simulated further down the page.
            ('labelled_windows(["regions"]', f'labelled_windows([simulated_early("{TINY}")]'),
            ("import TrackClassifier, labelled_windows\n", f"import TrackClassifier, labelled_windows\n{EARLY}"),
        ),
        # tests/test_benchmarks.py runs it, small, with those of the programs that are there.
        elsewhere=("benchmarks/introgression/Snakefile",),
    ),
    "docs/notebooks.md": Page(notebooks, needs=("jupytext",)),
    "docs/sequence-only.md": Page(
        slow=("genolstm introgression", "genolstm model", "benchmarks/"),
        smaller=(
            ("--replicates 12 --length 200000 --outgroup-size 1", f"--replicates 5 {TINY}"),
            ("--mode sequence -o", "--mode sequence --epochs 1 --units 4 -o"),
        ),
        elsewhere=("benchmarks/introgression/sequence_recipe.py",),
    ),
    "docs/text.md": Page(
        text_and_genomes,
        slow=("genolstm",),
        smaller=(
            ("--preset tutorial", "--preset tutorial --epochs 1"),
            ("-o rhyme.genolstm", "-o rhyme.genolstm --epochs 1 --units 16"),
            ("-o words.genolstm", "-o words.genolstm --epochs 1 --units 16"),
            ("-o genome.genolstm", "-o genome.genolstm --epochs 1 --units 16"),
            ("-n 20000", "-n 2000"),
            ("text generators", "text generators --passes 1 --seeds 1 --units 4"),
            ("GENOME.fa", f"{EXAMPLE}/genome.fa.gz --force"),
        ),
        # Benchmarks that train for hours.
        elsewhere=("benchmarks/text/",),
    ),
    "docs/workflows.md": Page(cluster, slow=("snakemake",)),
}


def pages() -> list[str]:
    """Return the pages: README, and all of the documentation."""
    found = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
    return [path.relative_to(ROOT).as_posix() for path in found if blocks(path.read_text(encoding="utf-8"))]


def todo(page: str, *, slow: bool) -> list[Block]:
    """Return the blocks of a page that are run; if none of them are slow ones, those that can be run without."""
    told_of = PAGES.get(page, Page())
    found = []
    for block in blocks((ROOT / page).read_text(encoding="utf-8")):
        if any(piece in block.code for piece in told_of.elsewhere):
            continue
        if block.language == "r" and not shutil.which("Rscript"):
            continue
        late = any(piece in block.code for piece in told_of.slow)
        if late and not slow:
            lines = words_of(block.code) if block.language == "sh" else []
            quick = [line for line in lines if not any(piece in line for piece in told_of.slow)]
            if not quick:
                continue
            block = block._replace(code="\n".join(quick) + "\n")
        for long, short in told_of.smaller if late else ():
            block = block._replace(code=block.code.replace(long, short))
        found.append(block)
    return found


#: What installs is not run; that the extras which it names are there is tested by itself.
INSTALLERS = (("pip", "#!/bin/sh\n"), ("pytest", "#!/bin/sh\n"))


def prepared(page: str, folder: Path, main: Callable[[list[str]], object] | None) -> Shell:
    """Return a shell in a folder with all that a page needs."""
    told_of = PAGES.get(page, Page())
    folder.mkdir(parents=True)
    told_of.prepare(folder)
    shell = Shell(folder, main)
    for name, text in (*INSTALLERS, *told_of.programs):
        if name != "CrossMap" or not shutil.which(name):  # the program itself is better, where it is
            shell.program(name, text)
    if told_of.prepare is introgression:
        for chrom in ("chr1", "chr2"):  # what jobs of a chromosome each have written
            write_vcf(folder / f"{chrom}.vcf.gz", read_vcf("people.vcf.gz", chrom))
            words = f"--vcf {chrom}.vcf.gz --samples people.tsv --target CEU,CHB --outgroup AFR -o {chrom}.bed"
            shell.run(Block("sh", f"genolstm introgression scan -q {words}\n", None))
    return shell


def compare(block: Block, out: str) -> None:
    """Compare what was printed with what the page shows."""
    if block.shown is None:
        return
    words, numbers = as_numbers(block.shown)
    now, figures = as_numbers(told(out))
    assert now == words, block.code
    # Libraries of another version may round otherwise.
    assert figures == pytest.approx(numbers, rel=2e-3), block.code


QUICK = [page for page in pages() if todo(page, slow=False)]
SLOW = [page for page in pages() if len(todo(page, slow=False)) < len(todo(page, slow=True))]


def run_all(page: str, folder: Path, main: Callable[[list[str]], object] | None, *, slow: bool) -> Path:
    for program in PAGES.get(page, Page()).needs:
        if shutil.which(program, path=PATH) is None:
            pytest.skip(f"{program} is not here")
    shell = prepared(page, folder, main)
    try:
        for block in todo(page, slow=slow):
            compare(block, shell.run(block))
    finally:
        shell.close()
    return shell.at


@pytest.mark.parametrize("page", QUICK)
def test_every_line_runs_and_shows_what_the_page_says(page: str, tmp_path: Path) -> None:
    from genolstm.cli import main

    folder = run_all(page, tmp_path / "clone", main, slow=False)
    named = {
        name for b in todo(page, slow=False) for name in re.findall(r"(?:-o|--figure|--report) ([\w.]+\.\w+)\b", b.code)
    }
    there = {path.name for path in folder.iterdir()}
    assert {name for name in named if "$" not in name} <= there


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("page", SLOW)
def test_what_takes_long_runs_in_a_process_of_its_own(page: str, tmp_path: Path) -> None:
    run_all(page, tmp_path / "clone", None, slow=True)


@pytest.mark.slow
def test_the_first_hour_runs_as_users_run_it(tmp_path: Path) -> None:
    run_all("docs/first-hour.md", tmp_path / "clone", None, slow=True)


def test_every_command_is_one_with_such_options() -> None:
    """Also of those that are not run here."""
    import click

    from genolstm.cli import cli

    seen = 0
    for page in pages():
        for block in blocks((ROOT / page).read_text(encoding="utf-8")):
            for line in words_of(block.code) if block.language == "sh" else ():
                if "genolstm " not in line:
                    continue
                split = shlex.shlex(line, posix=True, punctuation_chars="|;&<>")
                split.whitespace_split, split.commenters = True, ""
                words = list(split)
                words = words[words.index("genolstm") + 1 :] if "genolstm" in words else []
                words = list(itertools.takewhile(lambda word: word not in ("|", ";", "&&", ">", "2"), words))
                command: click.Command = cli
                context = click.Context(command)
                while isinstance(command, click.Group) and words and not words[0].startswith("-"):
                    found = command.get_command(context, words[0])
                    assert found is not None, f"{page}: {line}"
                    command, context = found, click.Context(found, context, info_name=words.pop(0))
                seen += bool(words)
                command.make_parser(context).parse_args(words)
    assert seen > 50


def test_what_is_installed_can_be_installed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = set()
    for page in pages():
        text = (ROOT / page).read_text(encoding="utf-8")
        for extras in re.findall(r'pip install (?:-e )?"(?:\.|genolstm)\[([\w,]+)\]"', text):
            named |= set(extras.split(","))
    assert {"dev", "plot", "report", "train"} <= named
    assert named <= set(project["optional-dependencies"])


def test_every_training_has_a_time() -> None:
    """The page on training lists every command that trains, and README says how long and where to read on."""
    import click

    from genolstm.cli import cli

    def trainings(group: click.Group, path: str = "") -> list[str]:
        found, context = [], click.Context(group)
        for name in group.list_commands(context):
            command, where = group.get_command(context, name), f"{path} {name}".strip()
            if isinstance(command, click.Group):
                found += trainings(command, where)
            elif command is not None and "the extra `train`" in " ".join((command.help or "").split()):
                found.append(where)
        return found

    page = (DOCS / "training.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([^`]+)`.*\| .*\d (?:s|seconds|minutes|hours)\b.*\|$", page, re.MULTILINE)
    commands = trainings(cli)
    assert len(commands) >= 4
    assert [name for name in commands if not any(row.startswith(name) for row in rows)] == []
    (line,) = (one for one in (ROOT / "README.md").read_text(encoding="utf-8").splitlines() if "training.md" in one)
    assert "minutes" in line


def test_scripts_that_are_named_are_there() -> None:
    for page in pages():
        for block in blocks((ROOT / page).read_text(encoding="utf-8")):
            for name in re.findall(r"\b(?:benchmarks|scripts|workflows)/[\w./-]+", block.code):
                assert (ROOT / name).exists(), (page, name)


# --- what stands in columns ---------------------------------------------------------------------------


def listed(heading: str, first: str = "column", table: int = 0) -> list[str]:
    """Return the names in one of the tables of a section of the page on formats whose first column has this name."""
    text = (DOCS / "formats.md").read_text(encoding="utf-8")
    (section,) = re.findall(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    rows = re.findall(rf"^\| {first} \|.*\n\|[ |-]+\n((?:\|.*\n)+)", section, re.MULTILINE)[table]
    cells = [re.match(r"\| (.*?) \|", row) for row in rows.splitlines()]
    return [name for cell in cells if cell for name in re.findall(r"`([^`]+)`", cell[1])]


def header(path: Path, line: int = 0) -> list[str]:
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    return text.splitlines()[line].removeprefix("#").split("\t")


def test_the_columns_that_are_written_are_those_of_the_page(tmp_path: Path, monkeypatch, cli) -> None:
    monkeypatch.chdir(tmp_path)
    example(tmp_path)

    def run(words: str) -> str:
        done = cli(*shlex.split(words))
        assert done.code == 0, done.err
        return str(done.out)

    def named(heading: str, *sources: str) -> list[str]:
        """Return the names of the page, with those of sources filled in."""
        found = []
        for name in listed(heading):
            found += [name.replace("<source>", source) for source in sources] if "<source>" in name else [name]
        return found

    data = "--vcf example_data/people.vcf.gz --samples example_data/people.tsv --target CEU --outgroup AFR"
    written = (
        "-o s.bed --posteriors p.tsv --unknown u.bed --evidence e.tsv.gz --weights --summary su.tsv --annotate a.vcf.gz"
    )
    run(f"introgression scan {data} --archaic-vcf neanderthal=example_data/archaic.g.vcf.gz {written}")
    both = ("neanderthal", "unknown")
    assert header(tmp_path / "s.bed", 1) == named("Segments (BED)", *both)
    assert header(tmp_path / "p.tsv") == named("Posteriors", *both)
    assert header(tmp_path / "u.bed") == named("Unknown stretches")
    assert header(tmp_path / "e.tsv.gz", 1) == named("Evidence", "neanderthal")
    assert header(tmp_path / "su.tsv") == named("Summary")
    manifest = json.loads((tmp_path / "s.json").read_text())
    assert sorted(listed("Manifest", "key")) == sorted(manifest)
    with gzip.open(tmp_path / "a.vcf.gz", "rt") as stream:
        declared = {"/".join(found) for found in re.findall(r"##(INFO|FORMAT)=<ID=(\w+)", stream.read())}
    files = (DOCS / "formats.md").read_text(encoding="utf-8")
    assert set(re.findall(r"`((?:INFO|FORMAT)/\w+)`", files)) <= declared
    assert header(EXAMPLE / "truth.bed") == named("True tracts")
    shown = run("introgression evaluate s.bed example_data/truth.bed")
    assert shown.splitlines()[0].removeprefix("#").split("\t") == named("Evaluation")
    run(
        "introgression compare s.bed example_data/hmmix/CEU1.hap1.txt example_data/hmmix/CEU1.hap2.txt -o agreement.tsv"
    )
    assert header(tmp_path / "agreement.tsv") == named("Agreement")
    assert header(EXAMPLE / "people.tsv") == named("Tables of samples")
    assert list(sequence_score.COLUMNS) == named("Windows of a sequence-only model")
    assert sorted(labels_of_loci.COLUMNS) == sorted(named("Labels of loci"))

    align = "align score example_data/reads.fa example_data/reference.fa"
    paf = run(align).splitlines()[0].split("\t")
    assert [tag[:4] for tag in paf[12:]] == listed("Alignments", "tag")
    sam = next(line for line in run(f"{align} --format sam").splitlines() if not line.startswith("@"))
    tags = re.findall(r"`(X\w)`", files)
    assert {tag[:2] for tag in sam.split("\t")[11:]} == {"NM", "AS", *tags}
    assert run(f"{align} --format tsv").splitlines()[0].split("\t") == named("Alignments")
    kmers = run("encode kmers example_data/genome.fa.gz -k 2").splitlines()[0]
    assert kmers.removeprefix("#").split("\t") == named("K-mer counts")
    roles = "--target example_data/target.txt --outgroup example_data/outgroup.txt --archaic example_data/archaic.txt"
    run(
        f"model gates archaic --vcf example_data/region.vcf.gz {roles} --haplotype CEU1#1 "
        "--region 430001-600000 -o gates.tsv"
    )
    assert header(tmp_path / "gates.tsv") == named("Gates")
    assert list(RUN_COLUMNS) == named("Generators")
    summarised = Generators(pd.DataFrame([dict.fromkeys(RUN_COLUMNS, 1)]), {}).summary()
    told = listed("Generators", table=1)
    spelled = {name.replace("*", measure) for name in told for measure in MEASURES}
    assert (set(summarised), len(summarised.columns)) == (spelled, len(spelled))
    stream = io.StringIO()
    write_positions_header(stream)
    assert stream.getvalue().strip("#\n").split("\t") == named("Surprise")
    stream = io.StringIO()
    write_weights_header(stream)
    assert stream.getvalue().strip("#\n").split("\t") == listed("Surprise", table=1)
    assert [*TOTALS] == listed("Surprise", table=2)
    assert [*TOTALS_OF_WORDS] == listed("Surprise", table=3)


def test_a_page_that_is_wrong_is_found(tmp_path: Path) -> None:
    """A command that fails, another word, another number, and a block that does not say what it is."""
    from genolstm.cli import main

    for number, runs in enumerate((main, None)):
        shell = Shell(tmp_path / str(number), runs)
        (tmp_path / str(number)).mkdir()
        try:
            assert shell.run(Block("sh", "mkdir a && cd a\nX=1\necho $X | cat\n", None)) == "1\n"
            assert shell.run(Block("sh", "pwd\n", None)).endswith("/a\n")
            with pytest.raises(AssertionError, match="no such option"):
                shell.run(Block("sh", "echo no such option; false\necho after\n", None))
            with pytest.raises(AssertionError, match="No such option"):
                shell.run(Block("sh", "genolstm introgression scan --no-such-option | cat\n", None))
            assert shell.run(Block("sh", "genolstm --version | sed 's/ .*//'\n", None)) == "genolstm\n"
        finally:
            shell.close()
    with pytest.raises(AssertionError):
        compare(Block("sh", "", "a 1 b\n"), "a 1 c\n")
    with pytest.raises(AssertionError):
        compare(Block("sh", "", "3.1 % of 6\n"), "3.2 % of 6\n")
    compare(Block("sh", "", "1,234.5   b\n"), "1,234.5 b\n\n")
    one, two, three = blocks("```sh\na\n```\n\nwords\n\n```text\nb\n```\n\n    c\n\n- d\n\n  ```r\n  e\n  ```\n")
    assert (one[:3], two[:3], three[:3]) == (("sh", "a\n", "b\n"), ("sh", "c\n", None), ("r", "e\n", None))
    with pytest.raises(AssertionError, match="shell"):
        blocks("```shell\na\n```\n")
    with pytest.raises(AssertionError, match="shows nothing"):
        blocks("```none\na\n```\n\n```text\nb\n```\n")


def main(names: list[str]) -> None:
    """Write what comes out into pages."""
    from genolstm.cli import main as genolstm

    for name in names:
        path = ROOT / name
        lines = path.read_text(encoding="utf-8").splitlines()
        with tempfile.TemporaryDirectory() as folder:
            shell = prepared(name, Path(folder) / "clone", genolstm)
            written = []
            try:
                for block in todo(name, slow=False):
                    out = told(shell.run(block))
                    if block.shown_at is not None:
                        written.append((block.shown_at, [line.rstrip() for line in out.rstrip("\n").splitlines()]))
            finally:
                shell.close()
        for (start, end), shown in reversed(written):
            lines[start:end] = shown
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
