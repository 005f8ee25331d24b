"""All pairs of mitochondrial genomes: identity compared with parasail's, time, and memory.

    python benchmarks/alignment/mtdna.py genomes.fa [--threads 2] [--classical] [--each]

Identity is defined as in PAF and BLAST: equal letters over all columns, gaps included; ambiguous
letters equal none. Each setting runs in a separate process, so that peak memory can be attributed to
it; it includes Python, the libraries and all alignments. parasail aligns globally with scores 5/-4;
a gap of length k costs 10 + (k - 1).
"""

from __future__ import annotations

import argparse
import itertools
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from genolstm.sequences.fasta import read_records

SETTINGS: dict[str, dict[str, object]] = {
    "MEA (the default)": {},
    "Viterbi": {"decoding": "viterbi"},
    "MEA, no band": {"band": "none"},
}
FEW = {"MEA, no band": 3}
"""Number of pairs aligned with a setting that takes seconds per pair."""
BASES = np.frombuffer(b"ACGT", dtype=np.uint8)


def read_pairs(path: Path) -> list[tuple[tuple[str, str], tuple[str, str]]]:
    """Return names and sequences of all pairs of genomes."""
    genomes = [(r.name, r.sequence.decode().upper()) for r in read_records(path)]
    return list(itertools.combinations(genomes, 2))


def ours(path: Path, name: str, threads: int, classical: bool) -> list[float]:
    """Return the identities of our alignments, in percent."""
    from genolstm.alignment.scorer import AlignmentScorer

    scorer = AlignmentScorer.load("dna", classical=classical)
    texts = [(a[1], b[1]) for a, b in read_pairs(path)][: FEW.get(name)]
    done = scorer.align_many(texts, threads=threads, strand="plus", **SETTINGS[name])
    return [100 * alignment.identity for alignment in done]


def parasail(path: Path) -> list[float]:
    """Return the identities of parasail's alignments, in percent."""
    import parasail as library

    matrix = library.matrix_create("ACGT", 5, -4)
    out = []
    for (_, query), (_, reference) in read_pairs(path):
        # 32 bits are needed: the scores of 16.6 kb overflow 16.
        rows = library.nw_trace_scan_32(query, reference, 10, 1, matrix).traceback
        a, b = (np.frombuffer(row.encode(), dtype=np.uint8) for row in (rows.query, rows.ref))
        out.append(100 * float(((a == b) & np.isin(a, BASES)).mean()))
    return out


def in_a_process(path: Path, name: str, threads: int, classical: bool) -> dict[str, object]:
    """Run one setting in a separate process; return identities, seconds and peak memory in GiB."""
    command = [sys.executable, __file__, str(path), "--one", name, "--threads", str(threads)]
    command += ["--classical"] if classical else []
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("genomes", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--classical", action="store_true", help="without the neural part")
    parser.add_argument("--each", action="store_true", help="print every pair")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    path, threads = arguments.genomes, arguments.threads
    if arguments.one is not None:
        wall, cpu = time.perf_counter(), time.process_time()
        if arguments.one == "parasail":
            identity = parasail(path)
        else:
            identity = ours(path, arguments.one, threads, arguments.classical)
        report = {
            "identity": identity,
            "wall": time.perf_counter() - wall,
            "cpu": time.process_time() - cpu,
            "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        }
        print(json.dumps(report))
        return
    couples = read_pairs(path)
    sizes = [len(text) for pair in couples for _, text in pair]
    print(f"{len(couples)} pairs of genomes of {min(sizes):,} to {max(sizes):,} bp, {threads} threads")
    theirs = in_a_process(path, "parasail", threads, arguments.classical)
    head = f"{'':<20}{'wall ms':>10}{'CPU ms':>10}{'peak GiB':>10}   identity less parasail's, % points"
    print(f"{head}\n{'':<53}{'mean':>10}{'largest':>10}")
    found = {}
    for name in ["parasail", *SETTINGS]:
        run = theirs
        if name != "parasail":
            run = in_a_process(path, name, threads, arguments.classical)
        n = len(run["identity"])
        found[name] = np.full(len(couples), np.nan)
        found[name][:n] = run["identity"]
        row = f"{name:<20}{1e3 * run['wall'] / n:>10.1f}{1e3 * run['cpu'] / n:>10.1f}"
        row += f"{run['memory']:>10.2f}"
        if name != "parasail":
            d = (found[name] - found["parasail"])[:n]
            row += f"   {d.mean():>+10.4f}{np.abs(d).max():>10.4f}   {n} pairs"
        print(row)
    if arguments.each:
        print("\n" + "\t".join(["query", "reference", *found]))
        for k, ((a, _), (b, _)) in enumerate(couples):
            print("\t".join([a, b, *(f"{found[name][k]:.4f}" for name in found)]))


if __name__ == "__main__":
    main()
