"""Time per pair, and time and memory on mitochondrial genomes, beside parasail, edlib and FSA.

    python benchmarks/alignment/speed.py [--threads 2] [--mtdna hominin_mtdna.fa] [--fsa]

Run it on an idle machine: a busy one stretches wall times. The mitochondrial genomes are those of
GenBank in one FASTA file; without ``--mtdna`` that part is left out.
"""

from __future__ import annotations

import argparse
import itertools
import os
import resource
import time
from collections.abc import Callable

import numpy as np
import peers

from genolstm.alignment.scorer import AlignmentScorer
from genolstm.alignment.simulate import PRESETS, simulate_pairs
from genolstm.sequences.fasta import read_records


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return wall and CPU seconds."""
    wall, cpu = time.perf_counter(), sum(os.times()[:4])
    work()
    return time.perf_counter() - wall, sum(os.times()[:4]) - cpu


def pairs_of_500(threads: int, n: int, with_fsa: bool) -> None:
    """Print the time per 500 bp pair."""
    settings = PRESETS["homogeneous"]
    texts = [p.texts for p in simulate_pairs(settings, n, seed=31, divergences=[0.4] * n)]
    scorer = AlignmentScorer.load("dna")
    list(scorer.align_many(texts[:4], threads=threads))  # compiles

    def line(name: str, work: Callable[[], object], count: int = n) -> float:
        wall, cpu = timed(work)
        print(f"  {name:<44} {1e3 * wall / count:8.2f} {1e3 * cpu / count:8.2f}")
        return wall / count

    print(f"\n{n} pairs of 500 bp, divergence .4 (seed 31): ms per pair, wall and CPU")
    both = f"score, CIGAR, posteriors, {threads} threads"
    mine = line(both, lambda: list(scorer.align_many(texts, threads=threads, strand="plus")))
    line(both + ", both strands", lambda: list(scorer.align_many(texts, threads=threads)))
    line("score only", lambda: scorer.score_many(texts, threads=threads, strand="plus"))
    line("parasail nw_trace_scan_16, 1 thread", lambda: peers.parasail()(texts))
    line("edlib path, 1 thread", lambda: peers.edlib(texts))
    if with_fsa:
        few = texts[: max(4, n // 10)]
        other = line("FSA", lambda: peers.fsa()(few), len(few))
        print(f"  FSA takes {other / mine:.0f} times as long")


def mitochondria(path: str, threads: int) -> None:
    """Print identities of all pairs of genomes, ours and parasail's, and the peak memory."""
    import parasail

    genomes = [(r.name, r.sequence.decode().upper()) for r in read_records(path)]
    couples = list(itertools.combinations(range(len(genomes)), 2))
    texts = [(genomes[a][1], genomes[b][1]) for a, b in couples]
    scorer = AlignmentScorer.load("dna")
    found: dict[str, list[float]] = {}
    runs = {
        "band auto": (texts, {}),
        "band auto, Viterbi": (texts, {"decoding": "viterbi"}),
        "band none": (texts[:2], {"band": "none"}),
    }
    for name, (part, settings) in runs.items():

        def work(part=part, settings=settings, name=name) -> None:
            done = scorer.align_many(part, threads=threads, strand="plus", **settings)
            found[name] = [a.identity for a in done]

        wall, _ = timed(work)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(
            f"  {name}: {len(part)} pairs, {1e3 * wall / len(part):.0f} ms a pair, "
            f"peak memory {peak:.2f} GiB"
        )
    matrix = parasail.matrix_create("ACGT", 5, -4)
    theirs = []
    for q, r in texts:
        # 32 bits: the score of 16.6 kb exceeds 16. IUPAC letters score as mismatches.
        rows = parasail.nw_trace_scan_32(q, r, 10, 1, matrix).traceback
        a, b = (np.frombuffer(x.encode(), dtype=np.uint8) for x in (rows.query, rows.ref))
        equal = (a == b) & np.isin(a, np.frombuffer(b"ACGT", dtype=np.uint8))
        theirs.append(equal.mean())
    for name in ("band auto", "band auto, Viterbi"):
        d = 100 * (np.array(found[name]) - theirs)
        print(
            f"  identity over all columns, {name} - parasail 5/-4/10/1, percent points: "
            f"mean {d.mean():+.4f}, largest {np.abs(d).max():.4f} over {len(d)} pairs"
        )


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--pairs", type=int, default=100)
    parser.add_argument("--mtdna", help="FASTA of mitochondrial genomes")
    parser.add_argument("--fsa", action="store_true")
    arguments = parser.parse_args()
    pairs_of_500(arguments.threads, arguments.pairs, arguments.fsa)
    if arguments.mtdna:
        print(f"\nmitochondrial genomes of {arguments.mtdna}, all pairs")
        mitochondria(arguments.mtdna, arguments.threads)


if __name__ == "__main__":
    main()
