"""Do scores mean what they claim? Errors per query against E-values, P(homolog) against the truth.

Every query is compared with ``--references`` unrelated sequences of its own, on both strands; an error is a
reference whose E-value is at most the threshold, and the mean number of errors per query should
equal that threshold. Printed is the factor, observed over stated, with a 95 % bootstrap interval over
queries, and whether it lies within ``--factor`` either way: yes and no where the whole interval says so,
else the estimate's answer in brackets. The seeds differ from those of the fit. Sequences: independent
bases, each sequence with a GC content of its own (30 to 65 %); all with one content; queries of one and
references of any; shuffles of given real sequences (``--fasta``, keeping their base or dinucleotide
composition); and otherwise unrelated sequences rich in short tandem repeats, which are to be masked, and
show here what happens if they are not.

    python benchmarks/alignment/significance.py [CALIBRATION.json] [--model dna] [--queries 300]
        [--references 60]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from genolstm.alignment.calibrate import labelled_scores, random_masks, score_masks
from genolstm.alignment.pairhmm.modes import MODES
from genolstm.alignment.scorer import AlignmentScorer
from genolstm.alignment.significance import Significance, gc_content, pool
from genolstm.alignment.simulate.pairs import PRESETS, simulate_pair
from genolstm.errors import InputError
from genolstm.sequences.fasta import read_records
from genolstm.sequences.low_complexity import without_low_complexity
from genolstm.sequences.masks import encode_masks, sure_bases

THRESHOLDS = (0.1, 1.0, 10.0)
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


def compare(
    scorer: AlignmentScorer,
    found: Significance,
    mode: str,
    n: int,
    m: int,
    draws: tuple[Draw, Draw],
    arguments: argparse.Namespace,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return the errors of each query at every threshold, (queries, thresholds)."""
    spread = lambda x: max(1, round(x * rng.uniform(0.9, 1.1)))  # noqa: E731
    queries = [draws[0](rng, spread(n)) for _ in range(arguments.queries)]
    references = [[draws[1](rng, spread(m)) for _ in range(arguments.references)] for _ in queries]
    if arguments.qmask == "tantan":
        queries = [without_low_complexity(q) for q in queries]
    bases = [sure_bases(q) for q in queries]
    pairs = [(q, r) for q, own in zip(queries, references, strict=True) for r in own]
    bits = score_masks(scorer, pairs, mode=mode, strand="both", threads=arguments.threads)
    errors = np.empty((len(queries), len(THRESHOLDS)), dtype=np.int64)
    for k, (q, own) in enumerate(zip(queries, references, strict=True)):
        lengths, shares, counts = pool([len(r) for r in own], [gc_content(r) for r in own])
        evalues = found.evalues(
            bits[k * len(own) : (k + 1) * len(own)],
            np.full(len(own), bases[k]),
            lengths,
            mode=mode,
            counts=counts,
            query_gc=np.full(len(own), gc_content(q)),
            reference_gc=shares,
        )
        errors[k] = [(evalues <= threshold).sum() for threshold in THRESHOLDS]
    return errors


def described(errors: np.ndarray, factor: float, rng: np.random.Generator) -> str:
    """Return observed over stated at every threshold, its interval, and whether it is within the factor."""
    picked = rng.integers(0, len(errors), (1000, len(errors)))
    cells = []
    for own, threshold in zip(errors.T, THRESHOLDS, strict=True):
        ratio = own.mean() / threshold
        low, high = np.quantile(own[picked].mean(axis=1), [0.025, 0.975]) / threshold
        if not own.any():
            high = 3 / len(own) / threshold
        inside, outside = low >= 1 / factor and high <= factor, low > factor or high < 1 / factor
        answer = "yes" if inside else "no" if outside else "(yes)" if 1 / factor <= ratio <= factor else "(no)"
        cells.append(f"{ratio:4.2f} [{low:.2f}, {high:.2f}] {answer}")
    return "  ".join(f"{c:<24}" for c in cells)


SHAPES = (
    ("global", 60, 60),
    ("global", 150, 150),
    ("global", 120, 160),
    ("global", 200, 200),
    ("semiglobal", 50, 150),
    ("semiglobal", 100, 100),
    ("semiglobal", 80, 320),
    ("semiglobal", 40, 500),
    ("local", 80, 80),
    ("local", 60, 180),
    ("local", 120, 120),
)
COMPOSITIONS = (
    ("GC 30", (0.30, 0.30), (0.30, 0.30)),
    ("GC 65", (0.65, 0.65), (0.65, 0.65)),
    ("GC 30 against any", (0.30, 0.30), (0.30, 0.65)),
)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("calibration", nargs="?", help="JSON of fit_significance.py; by default the model's own")
    parser.add_argument("--model", default="dna")
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--references", type=int, default=60)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=7001)
    parser.add_argument("--factor", type=float, default=1.5, help="factor between observed and stated that is allowed")
    parser.add_argument("--qmask", choices=("tantan", "none"), default="tantan", help="as in align score")
    parser.add_argument("--fasta", help="real sequences to shuffle")
    parser.add_argument("--sets", nargs="*", help="only sets whose name contains one of these")
    parser.add_argument("--homologs", type=int, default=300, help="related pairs for P(homolog); 0 leaves it out")
    arguments = parser.parse_args()
    scorer = AlignmentScorer.load(arguments.model)
    if arguments.calibration:
        found = Significance.from_dict(json.loads(Path(arguments.calibration).read_text()))
    else:
        found = getattr(scorer, "significance", None)
        if found is None:
            raise InputError("the model has no calibration", hint="give a calibration file")
    mixed = iid((0.30, 0.65))
    cases: list[tuple[str, str, int, int, tuple[Draw, Draw]]] = [
        (f"{mode} {n} x {m}", mode, n, m, (mixed, mixed)) for mode, n, m in SHAPES
    ]
    for name, first, second in COMPOSITIONS:
        cases += [(f"{name}: {mode} 60 x 120", mode, 60, 120, (iid(first), iid(second))) for mode in MODES]
    cases += [(f"repeats: {mode} 60 x 120", mode, 60, 120, (repeats, repeats)) for mode in ("semiglobal", "local")]
    if arguments.fasta:
        for name, order in (("shuffled", 0), ("dinucleotides", 1)):
            draw = shuffled(arguments.fasta, order)
            cases += [(f"{name}: {mode} 60 x 120", mode, 60, 120, (draw, draw)) for mode in ("semiglobal", "local")]
    print(
        f"{arguments.model}: {arguments.queries} queries x {arguments.references} unrelated references each, "
        f"seed {arguments.seed}"
    )
    print(f"errors per query over the stated E-value, 95 % interval, within a factor {arguments.factor}?")
    print(f"{'set':<36}" + "  ".join(f"{'E = ' + str(t):<24}" for t in THRESHOLDS))
    all_errors: list[np.ndarray] = []
    for k, (name, mode, n, m, draws) in enumerate(cases):
        if mode not in found.modes() or (arguments.sets and not any(x in name for x in arguments.sets)):
            continue
        rng = np.random.default_rng([arguments.seed, k])
        errors = compare(scorer, found, mode, n, m, draws, arguments, rng)
        print(f"{name:<36}" + described(errors, arguments.factor, rng), flush=True)
        if not name.startswith("dinucleotides") and (arguments.qmask == "tantan" or not name.startswith("repeats")):
            all_errors.append(errors)
    if all_errors:
        rng = np.random.default_rng(arguments.seed)
        name = "all"
        print(f"{name:<36}" + described(np.concatenate(all_errors), arguments.factor, rng))
    if not arguments.homologs:
        return
    print("\nP(homolog) against the fraction of related pairs, even odds: mean absolute gap over ten bins (ECE)")
    for mode in found.modes():
        rng = np.random.default_rng([arguments.seed, 99])
        bits, related = labelled_scores(scorer, arguments.homologs, mode, rng, arguments.threads)
        p = np.array([found.p_homolog(float(b), mode=mode) for b in bits])
        bins = np.minimum((p * 10).astype(int), 9)
        gap = sum(abs(p[bins == b].mean() - related[bins == b].mean()) * (bins == b).mean() for b in set(bins))
        wrong = ((p >= 0.5) != related).mean()
        print(f"  {mode:<12} ECE {gap:.4f}  wrong at P = .5: {wrong:.3f}  of {len(bits)} pairs")


if __name__ == "__main__":
    main()
