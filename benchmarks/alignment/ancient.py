"""Ancient reads of 30 to 80 bp placed among decoys: how often the right window is found.

The reference consists of 1,001 windows of about 150 bp, separated by Ns: the read's own, relatives
of it (half at 4 %, half at 10 % divergence, like paralogs, with at least one difference where the
read lies) and random sequence. Every aligner gets the read and this reference and reports one place,
which is right if it lies in the read's own window. F1 is that of the read's residue pairs; a wrong
place yields no right pair.

    python benchmarks/alignment/ancient.py [--reads 60] [--seed 9301] [--relatives 10] [--full]
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import replace

import edlib
import numpy as np
import parasail
from peers import from_cigar

from genolstm.alignment.evaluate import bootstrap_mean, compare_pairs, paired_bootstrap
from genolstm.alignment.scorer import AlignmentScorer
from genolstm.alignment.simulate.pairs import PRESETS, DamageSettings, simulate_pair
from genolstm.sequences.alphabet import decode

WINDOW, SPACER, WINDOWS = 150, 20, 1001


def case(seed: int, relatives: int) -> tuple[str, str, np.ndarray, int]:
    """Return a read, the reference, the read's true pairs in it, and its window's start."""
    rng = np.random.default_rng(seed)
    settings = replace(
        PRESETS["ancient"], length=(WINDOW, WINDOW), divergence=(0.01, 0.01), damage=DamageSettings(flank=WINDOW)
    )
    pair = simulate_pair(settings, rng)
    own = pair.reference
    windows = [rng.integers(0, 4, WINDOW).astype(np.uint8) for _ in range(WINDOWS)]
    places = rng.permutation(WINDOWS)
    windows[places[0]] = own
    for k in range(relatives):
        changed = own.copy()
        at = rng.random(len(own)) < (0.04 if k % 2 else 0.10)
        # Without a difference where the read lies, no aligner could distinguish the two.
        at[rng.choice(pair.pairs[:, 1])] = True
        changed[at] = (changed[at] + rng.integers(1, 4, int(at.sum()))) % 4
        windows[places[1 + k]] = changed
    start, parts = 0, []
    for k, window in enumerate(windows):
        if k == places[0]:
            own_start = start
        parts.append(decode(window))
        start += len(window) + SPACER
    reference = ("N" * SPACER).join(parts)
    return decode(pair.query), reference, pair.pairs + np.array([0, own_start]), own_start


def with_edlib(read: str, reference: str) -> np.ndarray:
    """Return edlib's first best place."""
    found = edlib.align(read, reference, mode="HW", task="path")
    return from_cigar(found["cigar"], reference=found["locations"][0][0])


def with_parasail(read: str, reference: str) -> np.ndarray:
    """Return parasail's semiglobal alignment, 5/-4/10/1; N costs nothing."""
    matrix = parasail.matrix_create("ACGT", 5, -4)
    cigar = parasail.sg_dx_trace_striped_sat(read, reference, 10, 1, matrix).cigar
    return from_cigar(cigar.decode.decode(), cigar.beg_query, cigar.beg_ref)


def main() -> None:
    """Print one line per aligner."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--reads", type=int, default=None)
    parser.add_argument("--relatives", type=int, default=10)
    parser.add_argument("--seed", type=int, default=9301)
    parser.add_argument("--full", action="store_true", help="500 reads")
    arguments = parser.parse_args()
    n = arguments.reads or (500 if arguments.full else 60)
    cases = [case(arguments.seed + k, arguments.relatives) for k in range(n)]

    def ours(preset: str) -> Callable[[str, str], np.ndarray]:
        scorer = AlignmentScorer.load(preset)
        return lambda q, r: scorer.align(q, r, mode="semiglobal", strand="plus").pairs

    results: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    print(f"seeds {arguments.seed} to {arguments.seed + n - 1}, {arguments.relatives} relatives")
    for name, aligner in {
        "genolstm adna": ours("adna"),
        "genolstm dna": ours("dna"),
        "edlib": with_edlib,
        "parasail": with_parasail,
    }.items():
        before = sum(os.times()[:4])
        placed, f1 = [], []
        for read, reference, truth, start in cases:
            pairs = aligner(read, reference)
            middle = pairs[len(pairs) // 2, 1] if len(pairs) else -1
            placed.append(start <= middle < start + WINDOW + SPACER)
            f1.append(compare_pairs(pairs, truth).f1)
        cpu = (sum(os.times()[:4]) - before) / n
        results[name] = np.array(placed, dtype=float), np.array(f1)
        top, mean = (bootstrap_mean(x, seed=1) for x in results[name])
        print(f"  {name:<14} top-1 {top.mean:.3f}  F1 {mean.mean:.4f}  {1e3 * cpu:.0f} ms CPU a read")
    for name in ("edlib", "parasail"):
        gains = [paired_bootstrap(a, b, seed=1) for a, b in zip(results["genolstm adna"], results[name], strict=True)]
        print(f"  adna - {name}: top-1 {gains[0]}, F1 {gains[1]}")


if __name__ == "__main__":
    main()
