"""Multiple alignments compared with those of other programs: families from INDELible, and real RNA families.

INDELible's families grow along random trees of four depths; no model was trained on its sequences. Rfam's
are seed alignments, whose truth comes from structure, split by family as ``rfam.py`` does it: up to ten
sequences of every family that has five. SPS is the share of true residue pairs that are found, precision the
share of found ones that are true, columns the share of true columns whose residues are all found together.
After them come the CPU time of a family, F1 of residue pairs by group (depth; mean identity), and the paired
differences first - this in SPS and columns, each with its 95 % bootstrap interval over families. For
calibration, columns are sorted by their confidence, and the mean share of right residue pairs in each fifth is
printed after the mean confidence.

    python benchmarks/alignment/msa.py [--rfam SEEDS.sto.gz [--part validation] [--families 120]]
        [--families 10] [--sequences 8] [--length 300] [--seed 4101] [--models dna+rna+rna ...] [--peers]

Peers: the programs mafft, probcons-RNA, muscle (5), fsa and kalign. SEEDS: see ``rfam.py``.
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
from genolstm.alignment.settings import FAMILY_MODELS, MsaSettings

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


def program(command: Callable[[str, str], list[str]], stdout: bool) -> Callable[[list[str]], Rows]:
    """Return an aligner that runs a program on files."""

    def run(texts: list[str]) -> Rows:
        with tempfile.TemporaryDirectory() as folder:
            source, target = Path(folder, "in.fa"), Path(folder, "out.fa")
            source.write_text("".join(f">s{k}\n{t}\n" for k, t in enumerate(texts)))
            done = subprocess.run(command(str(source), str(target)), check=True, capture_output=True, text=True)
            return read_rows((done.stdout if stdout else target.read_text()).upper().replace(".", "-"))

    return run


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


def equal_letters(rows: Rows) -> float:
    """Return the mean share of equal letters over pairs of sequences."""
    both = [[(x, y) for x, y in zip(a, b, strict=True) if "-" not in (x, y)] for a, b in combinations(rows, 2)]
    return float(np.mean([np.mean([x == y for x, y in pair]) for pair in both if pair]))


def compare(families: list[Rows], groups: list[str], arguments: argparse.Namespace) -> None:
    """Print one line per aligner."""
    from rfam import FAMILY_PEERS, judge

    texts = [[row.replace("-", "") for row in rows] for rows in families]
    first: list[FamilyAlignment] = []

    def ours(models: str, settings: MsaSettings) -> Callable[[list[str]], Rows]:
        loaded = {name: AlignmentScorer.load(name) for name in models.split("+")}
        scorers = [loaded[name] for name in models.split("+")]

        def align(family: list[str]) -> Rows:
            records = [SeqRecord(Seq(t), id=f"s{k}") for k, t in enumerate(family)]
            found = align_family(records, scorers, settings, threads=1)
            if len(first) < len(families):
                first.append(found)
            return found.rows()

        return align

    choices = {"": MsaSettings(), ", gain .2": MsaSettings(gain=0.2)}
    if arguments.variants:
        choices |= {", no rounds": MsaSettings(consistency=0), ", two rounds": MsaSettings(consistency=2)}
    aligners = {m + label: ours(m, chosen) for m in arguments.models for label, chosen in choices.items()}
    if arguments.peers:
        aligners |= FAMILY_PEERS
    names = sorted(set(groups))
    print(f"{'':<16}{'SPS':>7}{'prec.':>7}{'columns':>8}{'CPU s':>7}  " + "".join(f"{g:>7}" for g in names))
    best: np.ndarray | None = None
    for name, aligner in aligners.items():
        start = sum(os.times()[:4])
        rows = [aligner(family) for family in texts]
        seconds = (sum(os.times()[:4]) - start) / len(texts)
        score = np.array([judge(a, b) for a, b in zip(rows, families, strict=True)])
        f1 = 2 * score[:, 0] * score[:, 1] / np.maximum(score[:, 0] + score[:, 1], 1e-9)
        line = f"{name:<16}{score[:, 0].mean():7.4f}{score[:, 1].mean():7.4f}{score[:, 2].mean():8.4f}{seconds:7.2f}  "
        line += "".join(f"{f1[[x == g for x in groups]].mean():7.3f}" for g in names)
        if best is None:
            best = score
        else:
            for k in (0, 2):
                found = paired_bootstrap(best[:, k], score[:, k], seed=1)
                line += f"  {found.mean:+.4f} [{found.low:+.4f}, {found.high:+.4f}]"
        print(line, flush=True)
    truths = [pairs(residue_columns(rows)) for rows in families]
    print(f"confidence/right pairs by fifths of columns, {arguments.models[0]}: {calibration(first, truths)}")


def main() -> None:
    """Print one table for each set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rfam", type=Path, help="real families instead of simulated ones")
    parser.add_argument("--part", default="validation")
    parser.add_argument("--families", type=int, default=10, help="number of families, for INDELible of each depth")
    parser.add_argument("--sequences", type=int, default=8)
    parser.add_argument("--length", type=int, default=300)
    parser.add_argument("--seed", type=int, default=4101)
    parser.add_argument("--models", nargs="+", default=["+".join(FAMILY_MODELS), *dict.fromkeys(FAMILY_MODELS)])
    parser.add_argument("--peers", action="store_true", help="also run the other programs (slow)")
    parser.add_argument("--variants", action="store_true", help="also try other settings of ours")
    arguments = parser.parse_args()
    families: list[Rows] = []
    groups: list[str] = []
    if arguments.rfam is not None:
        from rfam import draw_families, part_of, read_families

        drawn = draw_families(part_of(read_families(arguments.rfam), arguments.part))
        families = [rows for rows in drawn if len(rows) >= 5][: arguments.families]
        groups = [f".{min(int(10 * equal_letters(rows)), 9)}" for rows in families]
        print(f"Rfam, {arguments.part}: {len(families)} families; F1 by mean identity, from")
    else:
        for depth in DEPTHS:
            seed = arguments.seed + round(1000 * depth)
            families += simulate(depth, arguments, seed)
            groups += [f"{depth:.2f}"] * arguments.families
        equal = {
            g: np.mean([equal_letters(r) for r, h in zip(families, groups, strict=True) if h == g]) for g in groups
        }
        identities = ", ".join(f"{g}: {x:.2f}" for g, x in equal.items())
        print(f"INDELible, seed {arguments.seed}: {len(families)} families of {arguments.sequences} sequences of")
        print(f"{arguments.length} bp; F1 by depth (mean identity {identities})")
    compare(families, groups, arguments)


if __name__ == "__main__":
    main()
