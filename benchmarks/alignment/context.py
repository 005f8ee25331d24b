"""What context gains over the plain pair-HMM, and whether it costs anything without context.

For each set, F1 of aligned residue pairs is given for our plain pair-HMM with the default family of
parameters, with a family fitted by likelihood to 400 training pairs of the same kind, and with one
set of parameters counted from 400 true alignments with the same settings (the best that a user who
knew everything about the set could do). The contextual models are compared with the best of the
three: three training seeds of `dna`, one of `coding`. Seed 1 is shipped; the others are in the folder
``seeds`` (made by ``scripts/train_aligner.py dna --seed N``). Differences are paired, with 95 %
bootstrap intervals; "pooled" averages each pair over the seeds.

    python benchmarks/alignment/context.py [--pairs 150] [--seed 9501] [--only coding]
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import indelible
import numpy as np

from genolstm.alignment.context.estimation import fit_family, parameters_from_alignments
from genolstm.alignment.evaluate import bootstrap_mean, compare_pairs, paired_bootstrap, reliability, right_pairs
from genolstm.alignment.scorer import AlignmentScorer
from genolstm.alignment.simulate.pairs import PRESETS, SimulationSettings, simulate_pairs
from genolstm.sequences.alphabet import encode

SEEDS = Path(__file__).resolve().parent / "seeds"
MODELS = {"dna": ["dna", *(SEEDS / f"dna-{seed}.genolstm" for seed in (2, 3))], "coding": ["coding"]}
CODING = replace(PRESETS["coding"], length=(500, 500))
#: Our sets: settings, divergence, models, and whether gaps are left-aligned before comparison.
SETS: dict[str, tuple[SimulationSettings, float, tuple[str, ...], bool]] = {
    "coding .62": (CODING, 4.2, ("coding", "dna"), False),
    "coding .67": (CODING, 2.6, ("coding", "dna"), False),
    "coding .76": (CODING, 1.3, ("coding", "dna"), False),
    "repeats .80": (PRESETS["repeats"], 0.3, ("dna",), True),
    "homogeneous .79": (PRESETS["homogeneous"], 0.3, ("dna",), False),
    "homogeneous .65": (PRESETS["homogeneous"], 0.7, ("dna",), False),
}


@dataclass(frozen=True)
class Pairs:
    """Pairs with their true alignments."""

    texts: list[tuple[str, str]]
    truth: list[np.ndarray]
    left: bool

    def f1(self, found: Sequence) -> np.ndarray:
        """Return the F1 of each pair's alignment."""
        scores = []
        for a, t, (q, r) in zip(found, self.truth, self.texts, strict=True):
            codes = (encode(q), encode(r)) if self.left else None
            scores.append(compare_pairs(a.pairs, t, sequences=codes).f1)
        return np.array(scores)

    def ece(self, found: Sequence) -> float:
        """Return the calibration error of the predicted matches' posteriors."""
        p = np.concatenate([a.posterior.of_pairs(a.pairs) for a in found])
        right = [right_pairs(a.pairs, t) for a, t in zip(found, self.truth, strict=True)]
        return reliability(p, np.concatenate(right)).ece


def align(scorer: AlignmentScorer, pairs: Pairs) -> list:
    """Align globally on the plus strand, which is known to be right."""
    return list(scorer.align_many(pairs.texts, strand="plus", mode="global"))


def simulated(settings: SimulationSettings, n: int, seed: int, left: bool) -> Pairs:
    """Return pairs of our simulator."""
    found = list(simulate_pairs(settings, n, seed=seed))
    return Pairs([p.texts for p in found], [p.pairs for p in found], left)


def report(name: str, pairs: Pairs, plain: dict[str, AlignmentScorer], models: Sequence[str], seed: int) -> None:
    """Print a set's lines."""
    identity = np.mean(
        [np.mean(encode(q)[t[:, 0]] == encode(r)[t[:, 1]]) for (q, r), t in zip(pairs.texts, pairs.truth, strict=True)]
    )
    print(f"\n{name}: {len(pairs.texts)} pairs, identity {identity:.3f}")
    base: dict[str, np.ndarray] = {}
    for label, scorer in plain.items():
        found = align(scorer, pairs)
        base[label] = pairs.f1(found)
        print(f"  plain, {label:<22} {base[label].mean():.4f}  ECE {pairs.ece(found):.3f}")
    best = max(base, key=lambda label: base[label].mean())
    for model in models:
        gains = []
        for number, path in enumerate(MODELS[model], start=1):
            if isinstance(path, Path) and not path.is_file():
                print(f"  {model} seed {number}: {path.name} is not there")
                continue
            found = align(AlignmentScorer.load(path), pairs)
            f1 = pairs.f1(found)
            gains.append(f1 - base[best])
            used = np.mean([a.model != "classical" for a in found])
            gain = paired_bootstrap(f1, base[best], seed=seed)
            own = paired_bootstrap(f1, base["default family"], seed=seed)
            print(
                f"  {model} seed {number:<15} {f1.mean():.4f}  ECE {pairs.ece(found):.3f}  "
                f"context in {used:.2f}  - best plain {gain}  - default {own}",
                flush=True,
            )
        print(f"  {model} pooled: {bootstrap_mean(np.mean(gains, axis=0), seed=seed)}", flush=True)


def main() -> None:
    """Print all sets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pairs", type=int, default=150)
    parser.add_argument("--seed", type=int, default=9501)
    parser.add_argument("--only", default="", help="only sets whose name contains this")
    arguments = parser.parse_args()
    n, seed = arguments.pairs, arguments.seed
    print(f"seed {seed}, {n} pairs per set; training pairs of the plain models: seed + 5000")
    default = AlignmentScorer.load("dna", classical=True)
    for name, (settings, divergence, models, left) in SETS.items():
        seed += 1
        if arguments.only not in name:
            continue
        at = replace(settings, divergence=(divergence, divergence))
        kin = list(simulate_pairs(at, 400, seed=seed + 5000))
        fitted = fit_family([(p.query, p.reference) for p in kin]).parameters
        counted = parameters_from_alignments((p.query, p.reference, p.pairs) for p in kin)
        plain = {
            "default family": default,
            "fitted family": AlignmentScorer(fitted),
            "counted": AlignmentScorer(counted),
        }
        report(name, simulated(at, n, seed, left), plain, models, arguments.seed)
    for law in ("default",):
        for identity, branch in indelible.BRANCHES.items():
            seed += 1
            name = f"INDELible {identity}"
            if arguments.only not in name:
                continue
            found = indelible.simulate(indelible.LAWS[law], branch, n, seed)
            pairs = Pairs([(q, r) for q, r, _ in found], [t for *_, t in found], False)
            report(name, pairs, {"default family": default}, ("dna",), arguments.seed)


if __name__ == "__main__":
    main()
