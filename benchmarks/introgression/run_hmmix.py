"""hmmix on one simulated set: what it is told, in which order, and how its files are read.

    python run_hmmix.py observe SET WORK --program hmmix
    python run_hmmix.py infer SET WORK PERSON --program hmmix

Needs bcftools and vcftools on the PATH. It is run as its manual says for phased data: haploid, each person trained
from the default parameters, everything callable, the reference allele ancestral (which holds in these sets).
"""

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
from sets import BIN, lengths, people

#: Of the posterior, above which `hmmix decode` calls a window archaic: of two states the likelier.
THRESHOLD = 0.5


def _call(work: Path, *words: str) -> None:
    done = subprocess.run(words, cwd=work, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")


def observe(path: Path, work: Path, program: str) -> None:
    """Find the variants that the outgroup lacks, and the mutation rate along the chromosomes."""
    work.mkdir(parents=True, exist_ok=True)
    who = {"ingroup": people(path, "target"), "outgroup": people(path, "outgroup")}
    (work / "ind.json").write_text(json.dumps(who))
    with (work / "w.bed").open("w") as weights, (work / "anc.fa").open("w") as ancestral:
        for chrom, length in lengths(path).items():
            weights.write(f"{chrom}\t0\t{length}\n")
            ancestral.write(f">{chrom}\n{'A' * length}\n")
    _call(work, "bcftools", "view", "-Ob", "-o", "all.bcf", str((path / "set.vcf.gz").resolve()))
    _call(work, "bcftools", "index", "-f", "all.bcf")
    common = ["-ind=ind.json", "-vcf=all.bcf", "-weights=w.bed", "-ancestral=anc.fa"]
    _call(work, program, "create_outgroup", *common, "-refgenome=anc.fa", "-out=outgroup.txt")
    _call(work, program, "create_ingroup", *common, "-out=obs", "-outgroup=outgroup.txt")
    rate = ["-outgroup=outgroup.txt", "-weights=w.bed", "-window_size=1000000", "-out=mut.bed"]
    _call(work, program, "mutation_rate", *rate)


def infer(path: Path, work: Path, person: str, program: str) -> None:
    """Train on one person and decode: segments."""
    data = [f"-obs=obs.{person}.txt", "-weights=w.bed", "-mutrates=mut.bed", "-haploid"]
    _call(work, program, "train", *data, f"-out={person}.json")
    _call(work, program, "decode", *data, f"-param={person}.json", f"-out={person}")


def found(path: Path, work: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the posterior of each bin and whether it was called, shape (haplotypes, chromosomes, bins).

    The posterior is the mean of the segment that the bin lies in, which is what hmmix writes beside a segment, and
    0 outside of segments. The posteriors of single windows give a lower best F1 (.617 instead of .649 on ``ceu``, .708
    instead of .827 on ``clean 2 %``).
    """
    chroms = {chrom: i for i, chrom in enumerate(lengths(path))}
    persons = people(path, "target")
    bins = max(lengths(path).values()) // BIN
    posterior = np.zeros((2 * len(persons), len(chroms), bins), np.float32)
    called = np.zeros_like(posterior)
    for i, person in enumerate(persons):
        for h in (1, 2):
            segments = pd.read_csv(work / f"{person}.hap{h}.txt", sep="\t")
            for entry in segments[segments["state"] == "Archaic"].itertuples(index=False):
                span = slice(int(entry.start) // BIN, (int(entry.start) + int(entry.length)) // BIN)
                called[2 * i + h - 1, chroms[str(entry.chrom)], span] = 1
                posterior[2 * i + h - 1, chroms[str(entry.chrom)], span] = entry.mean_prob
    return posterior, called


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("step", choices=("observe", "infer"))
    parser.add_argument("set", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("person", nargs="?")
    parser.add_argument("--program", default="hmmix")
    arguments = parser.parse_args()
    if arguments.step == "observe":
        observe(arguments.set, arguments.work, arguments.program)
    elif arguments.person is None:
        parser.error("infer needs a person")
    else:
        infer(arguments.set, arguments.work, arguments.person, arguments.program)


if __name__ == "__main__":
    main()
