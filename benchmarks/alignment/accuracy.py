"""F1 of aligned residue pairs and calibration, compared with other aligners, on unseen pairs.

The pairs come from INDELible, at four identities and under other laws, and from our own simulator,
with context (coding, repeats) and damage. Every line gives the mean F1 and the paired difference
ours - this with a 95 % bootstrap interval. ECE is that of our posteriors of predicted matches;
times are CPU time per pair.

    python benchmarks/alignment/accuracy.py [--peers [fsa]] [--full] [--pairs 20] [--seed 8101]

``--peers`` adds FSA, MUSCLE, ProbCons and LAST (slow; ``--peers fsa`` adds only FSA); ``--full``
means 200 pairs and all laws.
"""

from __future__ import annotations

import argparse
import os
import subprocess
from collections.abc import Sequence
from dataclasses import replace

import indelible
import numpy as np
import peers

from genolstm.alignment.evaluate import compare_pairs, paired_bootstrap, reliability, right_pairs
from genolstm.alignment.scorer import AlignmentScorer
from genolstm.alignment.simulate.pairs import PRESETS, simulate_pairs
from genolstm.sequences.alphabet import encode

#: Our own sets: preset of the simulator, divergence, mode. The divergences give the identities named.
OWN = {
    "coding .67": ("coding", 2.6, "global"),
    "coding .62": ("coding", 4.2, "global"),
    "repeats .80": ("repeats", 0.3, "global"),
    "ancient reads": ("ancient", 0.01, "semiglobal"),
}


def own_pairs(name: str, n: int, seed: int) -> list[tuple[str, str, np.ndarray]]:
    """Return pairs of one of our sets."""
    preset, divergence, _ = OWN[name]
    settings = replace(PRESETS[preset], divergence=(divergence, divergence))
    return [(*p.texts, p.pairs) for p in simulate_pairs(settings, n, seed=seed)]


def cpu_seconds() -> float:
    """Return the CPU time of this process, its threads and the programs it ran."""
    return sum(os.times()[:4])


def ours(texts: Sequence[peers.Text], preset: str, classical: bool = False, **settings: object) -> list:
    """Align with a shipped model."""
    scorer = AlignmentScorer.load(preset, classical=classical)
    return list(scorer.align_many(texts, strand="plus", **settings))


def compare(name: str, pairs: list[tuple[str, str, np.ndarray]], training: list, arguments, mode: str) -> None:
    """Print one set's table."""
    texts = [(q, r) for q, r, _ in pairs]
    truth = [t for *_, t in pairs]
    codes = [(encode(q), encode(r)) for q, r in texts]
    left = name.startswith("repeats")  # the truth is left-aligned, so predictions are, too

    def f1(found: Sequence[np.ndarray]) -> np.ndarray:
        return np.array(
            [compare_pairs(a, b, sequences=c if left else None).f1 for a, b, c in zip(found, truth, codes, strict=True)]
        )

    equal = [np.mean(a[t[:, 0]] == b[t[:, 1]]) for (a, b), t in zip(codes, truth, strict=True)]
    identity = np.mean(equal)
    preset = "adna" if name.startswith("ancient") else "dna"
    start = cpu_seconds()
    alignments = ours(texts, preset, mode=mode)
    elapsed = (cpu_seconds() - start) / len(texts)
    mine = f1([a.pairs for a in alignments])
    right = [right_pairs(a.pairs, t) for a, t in zip(alignments, truth, strict=True)]
    posteriors = np.concatenate([a.posterior.of_pairs(a.pairs) for a in alignments])
    ece = reliability(posteriors, np.concatenate(right)).ece
    print(f"\n{name}: {len(pairs)} pairs, identity {identity:.3f}, {mode}")
    print(f"  {'genolstm ' + preset:<22} {mine.mean():.4f}  ECE {ece:.3f}  {1e3 * elapsed:.1f} ms")

    def variant(preset: str = preset, classical: bool = False, **settings: object) -> peers.Aligner:
        return lambda t: [a.pairs for a in ours(t, preset, classical, mode=mode, **settings)]

    others: dict[str, peers.Aligner] = {
        "  same, Viterbi": variant(decoding="viterbi"),
        "  same, classical": variant(classical=True),
    }
    if name.startswith("coding"):
        others["  preset coding"] = variant("coding")
    if name.startswith("ancient"):
        others["  preset dna"] = variant("dna")
    if mode == "global":
        tuned, scores = peers.tuned_parasail([(q, r) for q, r, _ in training], [t for *_, t in training])
        others |= {
            "edlib": peers.edlib,
            "parasail 5/-4/10/1": peers.parasail(),
            f"parasail {scores}": tuned,
            "Biopython": peers.biopython(),
            "Biopython blastn": peers.biopython(tuned=True),
        }
        if arguments.peers:
            others["FSA"] = peers.fsa()
        if arguments.peers == "all":
            others |= {
                "MUSCLE": peers.muscle(),
                "ProbCons-RNA": peers.probcons(),
                "LAST": peers.last(),
                "LAST, last-train": peers.last([(q, r) for q, r, _ in training]),
            }
    for label, aligner in others.items():
        start = cpu_seconds()
        try:
            found = f1(aligner(texts))
        except subprocess.TimeoutExpired as error:
            print(f"  {label:<22} gave up: {error.cmd[0]} took over {peers.PATIENCE:.0f} s")
            continue
        elapsed = (cpu_seconds() - start) / len(texts)
        gain = paired_bootstrap(mine, found, seed=arguments.seed)
        print(f"  {label:<22} {found.mean():.4f}  ours - this {gain}  {1e3 * elapsed:.1f} ms")


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pairs", type=int, default=None, help="pairs per set (20; 200 with --full)")
    parser.add_argument("--seed", type=int, default=8101)
    parser.add_argument(
        "--peers", nargs="?", const="all", choices=["all", "fsa"], help="also run slow aligners: all, or only FSA"
    )
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--only", default="", help="only sets whose name contains this")
    arguments = parser.parse_args()
    n = arguments.pairs or (200 if arguments.full else 20)
    missing = [name for name in peers.missing_programs() if arguments.peers == "all" or name == arguments.peers]
    if arguments.peers and missing:
        parser.error(f"not installed: {', '.join(missing)}")
    print(f"seed {arguments.seed}, {n} pairs per set; tuning and training pairs: seed + 500")
    texts = [p.texts for p in simulate_pairs(PRESETS["homogeneous"], 4, seed=1)]
    ours(texts, "dna")  # compiles

    seed = arguments.seed
    for law_name, law in indelible.LAWS.items():
        if law_name != "default" and not arguments.full:
            continue
        for identity, branch in indelible.BRANCHES.items():
            seed += 1
            name = f"INDELible {law_name} {identity}"
            if arguments.only in name:
                pairs = indelible.simulate(law, branch, n, seed)
                training = indelible.simulate(law, branch, 20, seed + 500)
                compare(name, pairs, training, arguments, "global")
    for name, (_, _, mode) in OWN.items():
        seed += 1
        if arguments.only in name:
            compare(name, own_pairs(name, n, seed), own_pairs(name, 20, seed + 500), arguments, mode)


if __name__ == "__main__":
    main()
