"""sstar on one simulated set: the null that its threshold needs, its windows, and how its files are read.

    python run_sstar.py null "SET NAME" SET WORK --program sstar --replicates N --snps FIRST LAST STEP --seed N
    python run_sstar.py score SET WORK --program sstar

`sstar quantile` simulates the null with ms, which no registry of packages holds: `ms.py` stands in for it. The null is
the set's own demography without the pulses from archaics, the best that a user could know.
"""

from __future__ import annotations

import argparse
import copy
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import demes
import numpy as np
from scoring import shares_of
from sets import BIN, SETS, lengths, people

#: What `sstar threshold` takes if it is not told: the quantile of the null above which a window is significant.
DEFAULT = 0.99
WINDOW = 50_000
N0 = 1000
#: Seconds that a step may take.
LONGEST = 7200


def _environment(program: str) -> dict[str, str]:
    """Return an environment in which sstar finds itself, as its quantile step calls `sstar score` by name."""
    folder = str(Path(program).resolve().parent) if os.sep in program else ""
    return os.environ | {"PATH": os.pathsep.join(filter(None, [folder, os.environ["PATH"]]))}


def _call(program: str, *words: str) -> None:
    # Its worker processes may die, for which it waits without an end.
    environment = _environment(program)
    words = ("timeout", str(LONGEST), program, *words)
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{shlex.join(words)}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")


def without_introgression(name: str) -> tuple[demes.Graph, str, str]:
    """Return the demography of a set without pulses from its donors, and its outgroup and target."""
    world = SETS[name].world()
    demography = copy.deepcopy(world.demography)
    number = {population.name: i for i, population in enumerate(demography.populations)}
    donors = {number[one] for those in world.donors.values() for one in those}

    def pulse(event: object) -> bool:
        dest = getattr(event, "dest", None)
        return getattr(event, "proportion", 1) < 1 and number.get(dest, dest) in donors

    demography.events = [event for event in demography.events if not pulse(event)]
    return demography.to_demes(), world.outgroup, world.target


def null(name: str, path: Path, work: Path, program: str, replicates: int, snps: Sequence[int], seed: int) -> None:
    """Let `sstar quantile` simulate windows without introgression, one target person beside the whole outgroup."""
    # Its last step takes whatever quantiles lie there.
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    world = SETS[name].world()
    graph, outgroup, target = without_introgression(name)
    demes.dump(graph, work / "null.yaml")
    standing = work / "bin"
    standing.mkdir(exist_ok=True)
    ms = Path(__file__).with_name("ms.py")
    (standing / "ms").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {shlex.quote(str(ms))} "$@"\n')
    (standing / "ms").chmod(0o755)
    order = [deme.name for deme in graph.demes]
    n_outgroup = 2 * len(people(path, "outgroup"))
    words = ["quantile", "--model", work / "null.yaml", "--ms-dir", standing, "--N0", N0, "--nsamp", n_outgroup + 2]
    words += ["--nreps", replicates, "--seeds", seed, seed + 1, seed + 2]
    words += ["--ref-index", order.index(outgroup) + 1, "--ref-size", n_outgroup]
    words += ["--tgt-index", order.index(target) + 1, "--tgt-size", 2]
    words += ["--mut-rate", world.mutation_rate, "--rec-rate", world.recombination_rate, "--seq-len", WINDOW]
    words += ["--snp-num-range", *snps, "--output-dir", work, "--thread", 1]
    _call(program, *map(str, words))


def score(path: Path, work: Path, program: str) -> None:
    """Score all windows of all people, a chromosome at a time: of several in a file, sstar 1.1.3 loses all but some."""
    work.mkdir(parents=True, exist_ok=True)
    lines: list[str] = []
    for chrom in lengths(path):
        part, table = work / f"{chrom}.vcf.gz", work / f"{chrom}.score"
        subprocess.run(["bcftools", "view", "-t", chrom, "-Oz", "-o", part, path / "set.vcf.gz"], check=True)
        who = ["--ref", str(path / "outgroup.txt"), "--tgt", str(path / "target.txt")]
        _call(program, "score", "--vcf", str(part), *who, "--output", str(table))
        header, *rows = table.read_text().splitlines()
        lines += rows if lines else [header, *rows]
        part.unlink()
        table.unlink()
    (work / "windows.score").write_text("\n".join(line for line in lines if line) + "\n")


def found(path: Path, tracts: dict[float, Path]) -> tuple[np.ndarray, np.ndarray]:
    """Return the highest quantile at which each bin of each person is called, and what is by default.

    Parameters
    ----------
    tracts
        By quantile, what `sstar tract` wrote.
    """
    chroms = {chrom: i for i, chrom in enumerate(lengths(path))}
    at = {person: i for i, person in enumerate(people(path, "target"))}
    best = np.zeros((len(at), len(chroms), max(lengths(path).values()) // BIN), np.float32)
    called = np.zeros_like(best)
    for quantile in sorted(tracts):
        for line in tracts[quantile].read_text().splitlines():
            chrom, start, end, person = line.split("\t")[:4]
            bins, _ = shares_of(int(start), int(end))
            cells = at[person], chroms[chrom], bins[bins < best.shape[2]]
            best[cells] = quantile
            if quantile == DEFAULT:
                called[cells] = 1
    return best, called


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    steps = parser.add_subparsers(dest="step", required=True)
    one = steps.add_parser("null")
    one.add_argument("name", choices=list(SETS))
    other = steps.add_parser("score")
    for step in (one, other):
        step.add_argument("set", type=Path)
        step.add_argument("work", type=Path)
        step.add_argument("--program", default="sstar")
    one.add_argument("--replicates", type=int, required=True)
    one.add_argument("--snps", type=int, nargs=3, required=True, metavar=("FIRST", "LAST", "STEP"))
    one.add_argument("--seed", type=int, required=True)
    told = parser.parse_args()
    if told.step == "null":
        null(told.name, told.set, told.work, told.program, told.replicates, told.snps, told.seed)
    else:
        score(told.set, told.work, told.program)


if __name__ == "__main__":
    main()
