"""``warm-up``: runs small jobs of every kind, so that all their loops are compiled and kept."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from genolstm.compiled import kept_in
from genolstm.errors import GenolstmError, OutputError
from genolstm.text.example import untrained
from genolstm.threads import count_threads

_LENGTH, _SITES = 60_000, 300

_COMMANDS = {
    "align": (
        "align score a.fa b.fa -o score.paf",
        "align search a.fa b.fa -o search.paf",
        "align score a.fa b.fa --mode local -o local.sam --format sam",
        "align msa family.fa -o family.out.fa",
    ),
    "introgression": (
        "introgression scan --vcf region.vcf --target target.txt --outgroup outgroup.txt --archaic archaic.txt "
        "-o vcf.bed",
        "panel build outgroup.fa -o outgroup.panel",
        "panel build archaic.fa -o archaic.panel",
        "introgression scan target.fa --outgroup outgroup.panel --archaic archaic.panel -o fasta.bed",
    ),
    "text": (
        "text score family.fa --model dna.genolstm --mix --adapt --history a.fa --weights dna.tsv",
        "text score letters.txt --model text.genolstm --mix --adapt --weights text.tsv",
    ),
}
PARTS = {part: tuple(tuple(command.split()) for command in commands) for part, commands in _COMMANDS.items()}
"""The commands that are run, by the name of the pipeline; two pipelines hardly share a loop."""


@dataclass(frozen=True)
class Warmed:
    """What was compiled: the pipeline, how long it took in seconds, and the folder that keeps the code."""

    part: str
    seconds: float
    folder: Path


def run(
    parts: Sequence[str] = (), *, threads: int = 0, progress: Callable[[Warmed], None] | None = None
) -> list[Warmed]:
    """Compile what the commands of some pipelines need, each pipeline in a process of its own.

    Parameters
    ----------
    parts
        Keys of :data:`PARTS`; all of them by default.
    threads
        Number of pipelines at a time; 0 means all cores.
    progress
        Called when a pipeline is done.

    Raises
    ------
    OutputError
        Compiled code cannot be kept: no folder for it can be written.
    GenolstmError
        A command failed.
    """
    folder = kept_in()
    if folder is None:
        raise OutputError(
            "compiled code cannot be kept: neither the package's folder nor the user's cache can be written",
            hint="name a folder that can, by NUMBA_CACHE_DIR, here and wherever genolstm runs",
        )
    done = []
    with TemporaryDirectory(prefix="genolstm-warm-up-") as work, ThreadPoolExecutor(count_threads(threads)) as pool:
        _write_examples(Path(work))
        for warmed in pool.map(partial(_run_part, folder=folder, work=Path(work)), parts or PARTS):
            done.append(warmed)
            if progress is not None:
                progress(warmed)
    return done


def _run_part(part: str, *, folder: Path, work: Path) -> Warmed:
    begin = time.monotonic()
    for words in PARTS[part]:
        ended = subprocess.run(
            [sys.executable, "-m", "genolstm", *words, "-q"],
            cwd=work,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if ended.returncode:
            said = ended.stderr.strip().splitlines() or ["it said nothing"]
            raise GenolstmError(f"genolstm {' '.join(words[:2])} failed: {said[-1]}")
    return Warmed(part, time.monotonic() - begin, folder)


def _write_examples(folder: Path) -> None:
    """Write what the commands of ``PARTS`` read: sequences, variants and models at random, from a fixed seed."""
    drawn = random.Random(1)
    reference = drawn.choices("ACGT", k=_LENGTH)
    people = ("T1", "O1", "O2", "N1")
    sites = sorted(drawn.sample(range(_LENGTH), _SITES))
    other = {site: drawn.choice([base for base in "ACGT" if base != reference[site]]) for site in sites}
    alleles = {site: [drawn.randrange(2) for _ in range(2 * len(people))] for site in sites}

    def haplotype(k: int, end: int = _LENGTH) -> str:
        return "".join(other[i] if alleles.get(i, [0] * 8)[k] else reference[i] for i in range(end))

    def write(name: str, lines: Sequence[str]) -> None:
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")

    write("a.fa", [line for k in range(3) for line in (f">q{k}", haplotype(k, 400))])
    changed = [base if drawn.random() < 0.8 else drawn.choice("ACGT") for base in reference[:420]]
    write("b.fa", [">r", "".join(changed[:200] + changed[206:])])
    write("family.fa", [line for k in range(4) for line in (f">m{k}", haplotype(k, 200 + k))])
    for name, columns in (("target", (0, 1)), ("outgroup", (2, 3, 4, 5)), ("archaic", (6, 7))):
        write(f"{name}.fa", [line for k in columns for line in (f">{name}{k}", haplotype(k))])
        write(f"{name}.txt", [people[k // 2] for k in columns[::2]])
    rows = []
    for site in sites:
        calls = [f"{a}|{b}" for a, b in zip(alleles[site][::2], alleles[site][1::2], strict=True)]
        rows.append("\t".join(["1", str(site + 1), ".", reference[site], other[site], ".", "PASS", ".", "GT", *calls]))
    head = ["##fileformat=VCFv4.2", f"##contig=<ID=1,length={_LENGTH}>"]
    head.append('##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">')
    columns_of_vcf = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *people]
    write("region.vcf", [*head, "\t".join(columns_of_vcf), *rows])
    write("letters.txt", ["".join(drawn.choices("abc de", k=3000))])
    (folder / "text.genolstm").write_bytes(untrained("\n abcde"))
    (folder / "dna.genolstm").write_bytes(untrained())
