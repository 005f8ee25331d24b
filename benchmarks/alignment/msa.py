"""Multiple alignments compared with MUSCLE, ProbCons and FSA, on families from INDELible.

Families grow along random trees of a given depth. F1 is that of aligned residue pairs over all pairs
of sequences, averaged over families, with the paired difference from ours and its 95 % bootstrap
interval. For calibration, columns are sorted by their confidence, and the mean share of right
residue pairs is printed after the mean confidence. No model was trained on INDELible's sequences.

    python benchmarks/alignment/msa.py [--families 8] [--sequences 8] [--length 300] [--seed 4101]
        [--model dna] [--peers]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
from Bio.Seq import Seq
from Bio.SeqRecord import SeqRecord

from genolstm.alignment.evaluate import paired_bootstrap
from genolstm.alignment.msa import FamilyAlignment, align_family
from genolstm.alignment.scorer import AlignmentScorer
from genolstm.alignment.settings import MsaSettings

DEPTHS = (0.05, 0.15, 0.3, 0.45)
Rows = list[str]


def tree(rng: np.random.Generator, n: int, depth: float) -> str:
    """Return a random Newick tree with ``n`` leaves, all at ``depth``."""

    def grow(size: int, rest: float, names: list[str]) -> str:
        if size == 1:
            return f"{names[0]}:{rest:.5f}"
        own = rest * rng.beta(1, 2)
        left = int(rng.integers(1, size))
        parts = grow(left, rest - own, names[:left]), grow(size - left, rest - own, names[left:])
        return f"({','.join(parts)}):{own:.5f}"

    names = [f"s{k}" for k in range(n)]
    left = n // 2
    return f"({grow(left, depth, names[:left])},{grow(n - left, depth, names[left:])});"


def simulate(depth: float, arguments, seed: int) -> list[Rows]:
    """Return true alignments of families, one row per sequence."""
    rng = np.random.default_rng(seed)
    trees = [tree(rng, arguments.sequences, depth) for _ in range(arguments.families)]
    control = f"[TYPE] NUCLEOTIDE 1\n[SETTINGS]\n  [randomseed] {seed}\n  [output] FASTA\n"
    control += "[MODEL] m\n  [submodel] HKY 2.5\n  [statefreq] 0.3 0.2 0.2 0.3\n  [rates] 0 0.7 0\n"
    control += "  [indelmodel] POW 1.7 50\n  [indelrate] 0.05\n"
    for k, newick in enumerate(trees):
        control += f"[TREE] t{k} {newick}\n[PARTITIONS] p{k} [t{k} m {arguments.length}]\n"
    control += "[EVOLVE]\n" + "".join(f"  p{k} 1 out{k}\n" for k in range(len(trees)))
    families = []
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "control.txt").write_text(control)
        subprocess.run(["indelible"], cwd=folder, check=True, capture_output=True)
        for k in range(len(trees)):
            families.append(read_rows(Path(folder, f"out{k}_TRUE.fas").read_text()))
    return families


def read_rows(text: str) -> Rows:
    """Return the rows of aligned FASTA in the order of their names' numbers."""
    found = {}
    for part in text.split(">")[1:]:
        name, row = part.split("\n", 1)
        found[int(name.strip()[1:])] = "".join(row.split())
    return [found[k] for k in sorted(found)]


def residue_columns(rows: Rows) -> np.ndarray:
    """Return the residue of every sequence in every column, -1 for a gap."""
    full = np.array([[c != "-" for c in row] for row in rows])
    return np.where(full, np.cumsum(full, axis=1) - 1, -1)


def pairs(columns: np.ndarray) -> set[tuple[int, int, int, int]]:
    """Return all pairs of residues that share a column."""
    found = set()
    for a, b in combinations(range(len(columns)), 2):
        both = (columns[a] >= 0) & (columns[b] >= 0)
        found |= {(a, b, i, j) for i, j in zip(columns[a][both].tolist(), columns[b][both].tolist(), strict=True)}
    return found


def f1(rows: Rows, truth: set) -> float:
    """Return the F1 of aligned residue pairs."""
    got = pairs(residue_columns(rows))
    return 2 * len(got & truth) / max(1, len(got) + len(truth))


def program(command: Callable[[str, str], list[str]], stdout: bool) -> Callable[[list[str]], Rows]:
    """Return an aligner that runs a program on files."""

    def run(texts: list[str]) -> Rows:
        with tempfile.TemporaryDirectory() as folder:
            source, target = Path(folder, "in.fa"), Path(folder, "out.fa")
            source.write_text("".join(f">s{k}\n{t}\n" for k, t in enumerate(texts)))
            done = subprocess.run(command(str(source), str(target)), check=True, capture_output=True, text=True)
            return read_rows((done.stdout if stdout else target.read_text()).upper().replace(".", "-"))

    return run


PEERS = {
    "MUSCLE": program(lambda a, b: ["muscle", "-align", a, "-output", b, "-threads", "1"], False),
    "ProbCons-RNA": program(lambda a, b: ["probcons-RNA", a], True),
    "FSA": program(lambda a, b: ["fsa", a], True),
}


def calibration(found: list[FamilyAlignment], truths: list[set]) -> str:
    """Return the mean confidence and share of right pairs in five groups of columns."""
    sure, right = [], []
    for alignment, truth in zip(found, truths, strict=True):
        columns = alignment.columns
        for c in range(columns.shape[1]):
            inside = np.flatnonzero(columns[:, c] >= 0)
            couples = [(a, b, int(columns[a, c]), int(columns[b, c])) for a, b in combinations(inside.tolist(), 2)]
            if couples:
                sure.append(float(alignment.confidence[c]))
                right.append(float(np.mean([x in truth for x in couples])))
    order = np.argsort(sure)
    groups = np.array_split(order, 5)
    return "  ".join(f"{np.mean(np.array(sure)[g]):.3f}/{np.mean(np.array(right)[g]):.3f}" for g in groups)


def main() -> None:
    """Print one table per depth."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--families", type=int, default=8)
    parser.add_argument("--sequences", type=int, default=8)
    parser.add_argument("--length", type=int, default=300)
    parser.add_argument("--seed", type=int, default=4101)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--model", default="dna")
    parser.add_argument("--peers", action="store_true", help="MUSCLE, ProbCons and FSA (slow)")
    parser.add_argument("--variants", action="store_true", help="also try other settings of ours")
    arguments = parser.parse_args()
    scorer = AlignmentScorer.load(arguments.model)
    variants = {"ours": MsaSettings()}
    if arguments.variants:
        variants |= {
            "no consistency": MsaSettings(consistency=0),
            "two rounds": MsaSettings(consistency=2),
            **{f"gain {g}": MsaSettings(gain=g) for g in (0.0, 0.1, 0.4)},
        }
    for depth in DEPTHS:
        seed = arguments.seed + round(1000 * depth)
        families = simulate(depth, arguments, seed)
        texts = [[row.replace("-", "") for row in rows] for rows in families]
        truths = [pairs(residue_columns(rows)) for rows in families]
        equal = [
            np.mean([x == y for x, y in zip(a, b, strict=True) if "-" not in (x, y)])
            for rows in families
            for a, b in combinations(rows, 2)
        ]
        print(
            f"\ndepth {depth}: {len(families)} families of {arguments.sequences} x {arguments.length} bp, mean identity {np.mean(equal):.2f}, seed {seed}"
        )
        print(f"  {'aligner':<18}{'F1':>7}   {'ours - it':<26}{'CPU s a family':>15}")
        ours = None
        for name, settings in variants.items():
            start = sum(os.times()[:4])
            found = [
                align_family(
                    [SeqRecord(Seq(t), id=f"s{k}") for k, t in enumerate(family)],
                    scorer,
                    settings,
                    threads=arguments.threads,
                )
                for family in texts
            ]
            seconds = (sum(os.times()[:4]) - start) / len(texts)
            score = np.array([f1(a.rows(), t) for a, t in zip(found, truths, strict=True)])
            if ours is None:
                ours, first = score, found
            show(name, score, ours, seconds)
        if arguments.peers:
            for name, peer in PEERS.items():
                start = sum(os.times()[:4])
                score = np.array([f1(peer(family), t) for family, t in zip(texts, truths, strict=True)])
                show(name, score, ours, (sum(os.times()[:4]) - start) / len(texts))
        print(f"  confidence/right pairs by fifths of columns: {calibration(first, truths)}", flush=True)


def show(name: str, score: np.ndarray, ours: np.ndarray, seconds: float) -> None:
    """Print one aligner's line."""
    line = f"  {name:<18}{score.mean():7.4f}   "
    if score is not ours:
        found = paired_bootstrap(ours, score, seed=1)
        line += f"{found.mean:+.4f} [{found.low:+.4f}, {found.high:+.4f}]"
    print(f"{line:<54}{seconds:15.2f}", flush=True)


if __name__ == "__main__":
    main()
