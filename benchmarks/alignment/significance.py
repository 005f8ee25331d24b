"""Do scores mean what they claim? Errors per query against E-values, P(homolog) against the truth.

Every query is compared with ``--references`` unrelated sequences on both strands; an error is a
reference whose E-value is at most the threshold, and the mean number of errors per query should
equal that threshold. The seeds differ from those of the fit. Intervals are 95 % bootstrap intervals
over queries. Sequences: independent bases of mixed GC content (as fitted) and of a fixed content,
shuffles of given real sequences (``--fasta``, keeping their base or dinucleotide composition), and
otherwise unrelated sequences rich in short tandem repeats.

    python benchmarks/alignment/significance.py [CALIBRATION.json] [--model dna] [--queries 200]
        [--references 100]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from genolstm.alignment.calibrate import labelled_scores, random_masks, score_masks
from genolstm.alignment.scorer import AlignmentScorer
from genolstm.alignment.significance import Significance
from genolstm.alignment.simulate.pairs import PRESETS, simulate_pair
from genolstm.errors import InputError
from genolstm.sequences.fasta import read_records
from genolstm.sequences.masks import encode_masks

THRESHOLDS = (0.01, 0.1, 1.0, 10.0)
Draw = Callable[[np.random.Generator, int], np.ndarray]


def iid(gc: tuple[float, float]) -> Draw:
    """Return a source of independent bases."""
    return lambda rng, n: random_masks(rng, n, rng.uniform(*gc))


def repeats(rng: np.random.Generator, n: int) -> np.ndarray:
    """Return a sequence about a third of which lies in short tandem repeats."""
    settings = replace(PRESETS["repeats"], length=(n, n), divergence=(0, 0))
    found = (1 << simulate_pair(settings, rng).query).astype(np.uint8)
    return np.resize(found, n)


def shuffled(path: str, order: int) -> Draw:
    """Return a source of shuffled windows of real sequences that keep their bases or dinucleotides."""
    real = [encode_masks(r.sequence) for r in read_records(path)]

    def draw(rng: np.random.Generator, n: int) -> np.ndarray:
        source = real[rng.integers(len(real))]
        at = int(rng.integers(0, max(1, len(source) - n)))
        window = np.resize(source[at : at + n], n)
        if order == 0:
            return rng.permutation(window)
        following = {x: window[1:][window[:-1] == x] for x in np.unique(window)}
        out = [window[0]]
        while len(out) < n:
            choice = following[out[-1]]
            out.append(rng.choice(choice) if len(choice) else rng.choice(window))
        return np.array(out, dtype=np.uint8)

    return draw


def observed(
    scorer: AlignmentScorer,
    found: Significance,
    mode: str,
    n: int,
    m: int,
    draw: Draw,
    arguments,
    rng: np.random.Generator,
) -> str:
    """Return one line: errors per query at every threshold, with intervals."""
    spread = lambda x: max(1, round(x * rng.uniform(0.9, 1.1)))  # noqa: E731
    queries = [draw(rng, spread(n)) for _ in range(arguments.queries)]
    references = [draw(rng, spread(m)) for _ in range(arguments.references)]
    pairs = [(q, r) for q in queries for r in references]
    bits = score_masks(scorer, pairs, mode=mode, strand="both", threads=arguments.threads)
    lengths = np.array([len(r) for r in references])
    evalues = np.empty((len(queries), len(references)))
    for k, q in enumerate(queries):
        for j in range(len(references)):
            score = bits[k * len(references) + j]
            evalues[k, j] = found.survival(score, len(q), lengths[j], mode=mode)[0]
    # Lengths hardly differ: the sum over references is one reference's value times their number.
    evalues *= len(references)
    cells = []
    for threshold in THRESHOLDS:
        errors = (evalues <= threshold).sum(axis=1)
        draws = errors[rng.integers(0, len(errors), (1000, len(errors)))].mean(axis=1)
        low, high = np.quantile(draws, [0.025, 0.975])
        if not errors.any():
            high = 3 / len(errors)
        cells.append(f"{errors.mean() / threshold:5.2f} [{low / threshold:.2f}, {high / threshold:.2f}]")
    return "  ".join(f"{c:<22}" for c in cells)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("calibration", nargs="?", help="JSON of fit_significance.py; by default the model's own")
    parser.add_argument("--model", default="dna")
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--references", type=int, default=100)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=7001)
    parser.add_argument("--fasta", help="real sequences to shuffle")
    parser.add_argument("--sets", nargs="*", help="only sets whose name contains one of these")
    arguments = parser.parse_args()
    scorer = AlignmentScorer.load(arguments.model)
    if arguments.calibration:
        found = Significance.from_dict(json.loads(Path(arguments.calibration).read_text()))
    else:
        found = getattr(scorer, "significance", None)
        if found is None:
            raise InputError("the model has no calibration", hint="give a calibration file")
    mixed = iid((0.30, 0.65))
    cases = [
        (f"{mode} {n} x {m}", mode, n, m, mixed)
        for mode, n, m in (
            ("global", 60, 60),
            ("global", 150, 150),
            ("global", 150, 200),
            ("global", 400, 400),
            ("semiglobal", 50, 150),
            ("semiglobal", 150, 150),
            ("semiglobal", 150, 600),
            ("semiglobal", 40, 1000),
            ("local", 100, 100),
            ("local", 150, 600),
            ("local", 400, 400),
        )
    ]
    for name, draw in (("GC 30", iid((0.3, 0.3))), ("GC 65", iid((0.65, 0.65))), ("repeats", repeats)):
        cases += [(f"{name}: {mode} 150 x 300", mode, 150, 300, draw) for mode in ("semiglobal", "local")]
    if arguments.fasta:
        for name, order in (("shuffled", 0), ("dinucleotides", 1)):
            cases += [
                (f"{name}: {mode} 150 x 300", mode, 150, 300, shuffled(arguments.fasta, order))
                for mode in ("semiglobal", "local")
            ]
    print(f"{arguments.queries} queries x {arguments.references} unrelated references, seed {arguments.seed}")
    print("errors per query over the stated E-value, with 95 % interval")
    print(f"{'set':<34}" + "  ".join(f"{'E = ' + str(t):<22}" for t in THRESHOLDS))
    for k, (name, mode, n, m, draw) in enumerate(cases):
        if arguments.sets and not any(x in name for x in arguments.sets):
            continue
        rng = np.random.default_rng([arguments.seed, k])
        print(f"{name:<34}" + observed(scorer, found, mode, n, m, draw, arguments, rng), flush=True)
    print("\nP(homolog) against the fraction of related pairs, even odds: mean absolute gap over ten bins (ECE)")
    for mode in found.modes():
        rng = np.random.default_rng([arguments.seed, 99])
        bits, related = labelled_scores(scorer, 300, mode, rng, arguments.threads)
        p = np.array([found.p_homolog(float(b), mode=mode) for b in bits])
        bins = np.minimum((p * 10).astype(int), 9)
        gap = sum(abs(p[bins == b].mean() - related[bins == b].mean()) * (bins == b).mean() for b in set(bins))
        wrong = ((p >= 0.5) != related).mean()
        print(f"  {mode:<12} ECE {gap:.4f}  wrong at P = .5: {wrong:.3f}  of {len(bits)} pairs")


if __name__ == "__main__":
    main()
