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
from dataclasses import replace

import numpy as np
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
    other = line("parasail nw_trace_scan_16, 1 thread", lambda: peers.parasail()(texts))
    for name, time_ in times.items():
        print(f"  {name} takes {time_ / other:.2f} times as long as parasail")
    line("edlib path, 1 thread", lambda: peers.edlib(texts))
    if with_fsa:
        few = texts[: max(4, n // 10)]
        other = line("FSA", lambda: peers.fsa()(few), len(few))
        for name, time_ in times.items():
            print(f"  FSA takes {other / time_:.0f} times as long as {name}")


def gates_shut(threads: int, n: int) -> None:
    """Print what the default costs where context does not pay, against ``--classical``."""
    scorer, plain = AlignmentScorer.load("dna"), AlignmentScorer.load("dna", classical=True)
    settings = replace(PRESETS["homogeneous"], length=(500, 500))
    rng = np.random.default_rng(32)
    sets = {
        f"divergence {divergence}": [
            p.texts for p in simulate_pairs(settings, n, seed=33, divergences=[divergence] * n)
        ]
        for divergence in (0.03, 0.1, 0.4, 0.8)
    }
    sets["unrelated"] = [tuple("".join(rng.choice(list("ACGT"), 500)) for _ in range(2)) for _ in range(n)]
    print(f"\n{n} pairs of 500 bp without codons (seed 33): CPU ms per pair, median of 3 runs")
    for name, texts in sets.items():
        runs: dict[str, list[float]] = {"dna": [], "--classical": []}
        for _ in range(3):
            for label, model in (("dna", scorer), ("--classical", plain)):
                runs[label].append(
                    timed(lambda m=model, t=texts: list(m.align_many(t, threads=threads, strand="plus")))[1]
                )
        own, classical = (1e3 * float(np.median(one)) / n for one in runs.values())
        asked = np.mean([a.context_bits != 0 for a in scorer.align_many(texts, threads=threads, strand="plus")])
        print(
            f"  {name:<20} dna {own:7.2f}  --classical {classical:7.2f}  ratio {own / classical:5.2f}  "
            f"network asked about {asked:.2f}",
            flush=True,
        )


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--pairs", type=int, default=100)
    parser.add_argument("--fsa", action="store_true")
    arguments = parser.parse_args()
    pairs_of_500(arguments.threads, arguments.pairs, arguments.fsa)
    gates_shut(arguments.threads, arguments.pairs)


if __name__ == "__main__":
    main()
