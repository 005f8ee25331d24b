"""Alignments compared with other aligners on real RNA families, whose truth comes from structure.

Families are split into train, validation and test by a fixed seed; no family is in two parts. Pairs:
up to two per family, from different bins of identity (equal residues over aligned ones), rare bins
preferred. F1 is that of aligned residue pairs, per bin and over all, with the paired difference
ours - this and its 95 % bootstrap interval over families. Families: up to ten sequences each; SPS is
the share of true residue pairs that are found, precision the share of found ones that are true,
and columns the share of true columns whose residues are all found together.

    python benchmarks/alignment/rfam.py SEEDS.sto.gz [--part validation] [--limit N] [--model dna ...]
        [--peers [NAME ...]] [--thin] [--scores TSV] [--msa [--families N]] [--names]

SEEDS is a Stockholm file of seed alignments, compressed or not, with #=GF AC lines
(https://ftp.ebi.ac.uk/pub/databases/Rfam/CURRENT/Rfam.seed.gz). Peers: parasail, tuned on the
training part, and the programs fsa, muscle, probcons-RNA, mafft and kalign. Sequences of more than
``--longest`` bases are left out.
"""

from __future__ import annotations

import argparse
import os
from collections import Counter
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import peers
from Bio.Seq import Seq
from Bio.SeqRecord import SeqRecord
from msa import Rows, pairs, program, residue_columns

from genolstm.alignment.evaluate import bootstrap_mean, compare_pairs, paired_bootstrap
from genolstm.alignment.formats import aligned as formats
from genolstm.alignment.msa import align_family
from genolstm.alignment.scorer import AlignmentScorer
from genolstm.alignment.settings import MsaSettings
from genolstm.files import atomic_text

PARTS = {"train": (0.0, 0.5), "validation": (0.5, 0.75), "test": (0.75, 1.0)}
SPLIT_SEED = 20261126
BINS = (20, 30, 40, 50, 60, 70, 80, 90)


@dataclass(frozen=True)
class Example:
    """A pair of a family with its true alignment."""

    family: str
    texts: tuple[str, str]
    truth: np.ndarray
    identity: float

    @property
    def bin(self) -> int:
        """Lower bound of the bin of identity, in per cent."""
        return min(int(100 * self.identity) // 10 * 10, 90)


def read_families(path: Path) -> dict[str, Rows]:
    """Return the rows of every family by accession; DNA letters."""
    return {family.name: family.rows() for family in formats.read_families([path])[0]}


def part_of(families: dict[str, Rows], part: str) -> dict[str, Rows]:
    """Return the families of one part of the split, which depends on their names only."""
    names = sorted(families)
    order = np.random.default_rng(SPLIT_SEED).permutation(len(names))
    first, last = (round(x * len(names)) for x in PARTS[part])
    return {names[k]: families[names[k]] for k in sorted(order[first:last])}


def draw_pairs(families: dict[str, Rows], *, per_family: int = 2, longest: int = 300, seed: int = 1) -> list[Example]:
    """Return up to ``per_family`` pairs of each family, from different bins, rare bins preferred."""
    found: dict[str, dict[int, list[Example]]] = {}
    for name, rows in families.items():
        texts = [row.replace("-", "") for row in rows]
        for a, b in combinations(range(len(rows)), 2):
            if texts[a] == texts[b] or max(len(texts[a]), len(texts[b])) > longest:
                continue
            truth = peers.from_rows(rows[a], rows[b])
            equal = [texts[a][i] == texts[b][j] for i, j in truth]
            if len(truth) >= 20 and np.mean(equal) >= BINS[0] / 100:
                one = Example(name, (texts[a], texts[b]), truth, float(np.mean(equal)))
                found.setdefault(name, {}).setdefault(one.bin, []).append(one)
    common = Counter(b for bins in found.values() for b in bins)
    rng = np.random.default_rng(seed)
    drawn = []
    for bins in found.values():
        for b in sorted(bins, key=lambda b: common[b])[:per_family]:
            drawn.append(bins[b][rng.integers(len(bins[b]))])
    return drawn


def thin(examples: list[Example], below_70: int = 160, above: int = 90) -> list[Example]:
    """Return at most so many pairs of each bin, chosen at random."""
    rng = np.random.default_rng(5)
    kept: list[int] = []
    for b in BINS:
        rows = [k for k, x in enumerate(examples) if x.bin == b]
        kept += rng.permutation(rows)[: below_70 if b < 70 else above].tolist()
    return [examples[int(k)] for k in sorted(kept)]


def f1(found: list[np.ndarray], examples: list[Example]) -> np.ndarray:
    """Return the F1 of every pair."""
    return np.array([compare_pairs(a, x.truth).f1 for a, x in zip(found, examples, strict=True)])


def align(scorer: AlignmentScorer, examples: list[Example]) -> list[np.ndarray]:
    """Align every pair with one of our models."""
    return [a.pairs for a in scorer.align_many((x.texts for x in examples), threads=1, strand="plus")]


def by_family(values: np.ndarray, examples: list[Example]) -> np.ndarray:
    """Return the mean of every family's values."""
    names = np.unique([x.family for x in examples], return_inverse=True)[1]
    return np.bincount(names, weights=values) / np.bincount(names)


def cpu_seconds() -> float:
    """Return the CPU time of this process and of the programs it ran."""
    return sum(os.times()[:4])


def asked(aligners: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """Return the aligners whose names begin with one of these; all if there are none."""
    return {key: one for key, one in aligners.items() if not names or key.lower().startswith(tuple(names))}


def write_scores(path: Path, examples: list[Example], scores: dict[str, np.ndarray]) -> None:
    """Write the F1 of every pair, so that another run's aligners can be compared pair by pair."""
    with atomic_text(path, force=True) as stream:
        stream.write("\t".join(["family", "identity", *scores]) + "\n")
        for k, x in enumerate(examples):
            values = (f"{own[k]:.6f}" for own in scores.values())
            stream.write("\t".join([x.family, f"{x.identity:.6f}", *values]) + "\n")


def compare_pairwise(examples: list[Example], training: list[Example], arguments: argparse.Namespace) -> None:
    """Print F1 per bin for us and the others."""
    texts = [x.texts for x in examples]
    bins = np.array([x.bin for x in examples])
    scorers = {name: AlignmentScorer.load(name) for name in arguments.model}
    aligners: dict[str, peers.Aligner] = {
        name: lambda _, scorer=scorer: align(scorer, examples) for name, scorer in scorers.items()
    }
    if training:
        tuned, settings = peers.tuned_parasail([x.texts for x in training], [x.truth for x in training])
        aligners |= {f"parasail {settings}": tuned}
    if arguments.peers is not None:
        programs: dict[str, peers.Aligner] = {
            "FSA": peers.fsa(),
            "MUSCLE": peers.muscle(),
            "ProbCons-RNA": peers.probcons(),
            "MAFFT G-INS-i": peers.mafft("--globalpair"),
            "MAFFT L-INS-i": peers.mafft("--localpair"),
        }
        aligners |= asked(programs, arguments.peers)
    scores: dict[str, np.ndarray] = {}
    print(f"\n{len(examples)} pairs of {len({x.family for x in examples})} families; pairs per bin:")
    print(f"{'':<22}" + "".join(f"{b:>8}" for b in BINS) + f"{'all':>8}{'CPU ms':>9}")
    print(f"{'':<22}" + "".join(f"{(bins == b).sum():>8}" for b in BINS) + f"{len(bins):>8}")
    for name, aligner in aligners.items():
        start = cpu_seconds()
        found = aligner(texts)
        spent = 1e3 * (cpu_seconds() - start) / len(texts)
        scores[name] = f1(found, examples)
        line = "".join(f"{scores[name][bins == b].mean() if (bins == b).any() else np.nan:8.4f}" for b in BINS)
        print(f"{name:<22}{line}{by_family(scores[name], examples).mean():8.4f}{spent:9.1f}", flush=True)
        if arguments.scores is not None:
            write_scores(arguments.scores, examples, scores)
    ours, *others = scores
    print(f"\n{ours} - this")
    for name in others:
        difference = scores[ours] - scores[name]
        for b in BINS:
            if (bins == b).sum() > 1:
                print(f"  {name:<22}{b:>5}  {bootstrap_mean(difference[bins == b], seed=1)}")
        print(f"  {name:<22}{'all':>5}  {bootstrap_mean(by_family(difference, examples), seed=1)}", flush=True)


FAMILY_PEERS = {
    "MAFFT G-INS-i": program(lambda a, _: ["mafft", "--quiet", "--globalpair", "--maxiterate", "1000", a], True),
    "MAFFT L-INS-i": program(lambda a, _: ["mafft", "--quiet", "--localpair", "--maxiterate", "1000", a], True),
    "ProbCons-RNA": program(lambda a, _: ["probcons-RNA", a], True),
    "MUSCLE": program(lambda a, b: ["muscle", "-align", a, "-output", b, "-threads", "1"], False),
    "FSA": program(lambda a, _: ["fsa", a], True),
    "Kalign": program(lambda a, b: ["kalign", "-i", a, "-o", b, "-f", "fasta"], False),
}


def draw_families(families: dict[str, Rows], *, largest: int = 10, longest: int = 300, seed: int = 1) -> list[Rows]:
    """Return up to ``largest`` different sequences of every family that has three or more."""
    rng = np.random.default_rng(seed)
    drawn = []
    for rows in families.values():
        unique = list({row.replace("-", ""): row for row in rows}.values())
        if len(unique) < 3 or max(len(row.replace("-", "")) for row in unique) > longest:
            continue
        chosen = sorted(rng.permutation(len(unique))[:largest])
        drawn.append([unique[k] for k in chosen])
    return drawn


def judge(found: Rows, truth: Rows) -> tuple[float, float, float]:
    """Return SPS, precision and the share of columns."""
    columns, right = residue_columns(found), residue_columns(truth)
    got, true = pairs(columns), pairs(right)
    hit = len(got & true)
    # Column in which each residue lies: a true column is found if all its residues share one.
    where = [{int(c): k for k, c in enumerate(row) if c >= 0} for row in columns]
    kept = [
        len({where[s][int(right[s, k])] for s in np.flatnonzero(right[:, k] >= 0)}) == 1
        for k in range(right.shape[1])
        if (right[:, k] >= 0).sum() > 1
    ]
    return hit / max(1, len(true)), hit / max(1, len(got)), float(np.mean(kept))


def align_rows(texts: list[str], scorer: AlignmentScorer, settings: MsaSettings) -> Rows:
    """Align a family with one of our models."""
    records = [SeqRecord(Seq(t), id=f"s{k}") for k, t in enumerate(texts)]
    return align_family(records, scorer, settings, threads=1).rows()


def compare_multiple(families: list[Rows], arguments: argparse.Namespace) -> None:
    """Print SPS, precision and columns for us and the others."""
    texts = [[row.replace("-", "") for row in rows] for rows in families]
    aligners = {
        f"{name}, gain {gain}, {rounds} rounds": lambda t, name=name, gain=gain, rounds=rounds: align_rows(
            t, AlignmentScorer.load(name), MsaSettings(gain=gain, consistency=rounds)
        )
        for name in arguments.model
        for gain in arguments.gain
        for rounds in arguments.consistency
    }
    if arguments.peers is not None:
        aligners |= asked(FAMILY_PEERS, arguments.peers)
    print(f"\n{len(families)} families of {np.mean([len(x) for x in families]):.1f} sequences")
    print(f"{'':<26}{'SPS':>8}{'prec.':>8}{'columns':>8}{'CPU s':>8}   SPS and columns: first - this")
    ours = None
    for name, aligner in aligners.items():
        start = cpu_seconds()
        scores = np.array([judge(aligner(t), truth) for t, truth in zip(texts, families, strict=True)])
        spent = (cpu_seconds() - start) / len(texts)
        line = f"{name:<26}" + "".join(f"{x:8.4f}" for x in scores.mean(axis=0)) + f"{spent:8.2f}"
        if ours is None:
            ours = scores
        else:
            line += "".join(f"   {paired_bootstrap(ours[:, k], scores[:, k], seed=1)}" for k in (0, 2))
        print(line, flush=True)


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("seeds", type=Path)
    parser.add_argument("--part", choices=list(PARTS), default="validation")
    parser.add_argument("--limit", type=int, help="number of families, the first in the order of their names")
    parser.add_argument("--longest", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1, help="which pairs and sequences are drawn")
    parser.add_argument("--model", nargs="+", default=["dna"])
    parser.add_argument("--peers", nargs="*", metavar="NAME", help="all, or those whose names begin so")
    parser.add_argument("--msa", action="store_true", help="families instead of pairs")
    parser.add_argument("--gain", nargs="+", type=float, default=[MsaSettings().gain])
    parser.add_argument("--consistency", nargs="+", type=int, default=[MsaSettings().consistency])
    parser.add_argument("--thin", action="store_true", help="160 pairs per bin below 70 per cent, 90 above")
    parser.add_argument("--families", type=int, help="with --msa: so many families of five or more sequences")
    parser.add_argument("--scores", type=Path, help="table to write the F1 of every pair to")
    parser.add_argument("--names", action="store_true", help="only print the names of the part's families")
    arguments = parser.parse_args()
    if arguments.peers is not None:
        arguments.peers = [name.lower() for name in arguments.peers]
    families = read_families(arguments.seeds)
    part = part_of(families, arguments.part)
    part = dict(list(part.items())[: arguments.limit])
    if arguments.names:
        print("\n".join(part))
        return
    print(f"{arguments.part}: {len(part)} families, seed {arguments.seed}")
    drawing = {"longest": arguments.longest, "seed": arguments.seed}
    if arguments.msa:
        drawn = draw_families(part, **drawing)
        if arguments.families is not None:
            drawn = [rows for rows in drawn if len(rows) >= 5][: arguments.families]
        compare_multiple(drawn, arguments)
    else:
        with_parasail = bool(asked({"parasail": None}, arguments.peers or [])) and arguments.peers is not None
        training = draw_pairs(part_of(families, "train"), **drawing)[:300] if with_parasail else []
        examples = draw_pairs(part, **drawing)
        compare_pairwise(thin(examples) if arguments.thin else examples, training, arguments)


if __name__ == "__main__":
    main()
