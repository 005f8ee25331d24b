"""Time per pair of 500 bp, compared with parasail, edlib and FSA.

    python benchmarks/alignment/speed.py [--threads 2] [--pairs 100] [--fsa]

Run it on an idle machine: a busy one stretches wall times. FSA runs with its defaults, one process
per pair, as a user would run it; its time includes its start. ``mtdna.py`` measures genomes.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable

import peers

from genolstm.alignment.scorer import AlignmentScorer
from genolstm.alignment.simulate.pairs import PRESETS, simulate_pairs


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return wall and CPU seconds."""
    wall, cpu = time.perf_counter(), sum(os.times()[:4])
    work()
    return time.perf_counter() - wall, sum(os.times()[:4]) - cpu


def pairs_of_500(threads: int, n: int, with_fsa: bool) -> None:
    """Print the time per pair of 500 bp."""
    settings = PRESETS["homogeneous"]
    texts = [p.texts for p in simulate_pairs(settings, n, seed=31, divergences=[0.4] * n)]
    scorer, plain = AlignmentScorer.load("dna"), AlignmentScorer.load("dna", classical=True)
    for strand in ("plus", "both"):
        list(scorer.align_many(texts[:4], threads=threads, strand=strand))  # compiles

    def line(name: str, work: Callable[[], object], count: int = n) -> float:
        wall, cpu = timed(work)
        print(f"  {name:<58} {1e3 * wall / count:8.2f} {1e3 * cpu / count:8.2f}")
        return wall / count

    print(f"\n{n} pairs of 500 bp, divergence .4 (seed 31): ms per pair, wall and CPU")
    one = f"score, CIGAR, posteriors, {threads} threads"
    times = {
        "dna": line(one, lambda: list(scorer.align_many(texts, threads=threads, strand="plus"))),
        "--classical": line(
            one + ", --classical", lambda: list(plain.align_many(texts, threads=threads, strand="plus"))
        ),
    }
    line(one + ", both strands", lambda: list(scorer.align_many(texts, threads=threads)))
    line("score only", lambda: scorer.score_many(texts, threads=threads, strand="plus"))
    line("parasail nw_trace_scan_16, 1 thread", lambda: peers.parasail()(texts))
    line("edlib path, 1 thread", lambda: peers.edlib(texts))
    if with_fsa:
        few = texts[: max(4, n // 10)]
        other = line("FSA", lambda: peers.fsa()(few), len(few))
        for name, time_ in times.items():
            print(f"  FSA takes {other / time_:.0f} times as long as {name}")


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--pairs", type=int, default=100)
    parser.add_argument("--fsa", action="store_true")
    arguments = parser.parse_args()
    pairs_of_500(arguments.threads, arguments.pairs, arguments.fsa)


if __name__ == "__main__":
    main()
