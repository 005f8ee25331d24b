"""Speed and size of k-mer panels, and of `jellyfish count` on the same FASTA in the same run.

    python benchmarks/panel_speed.py                    # 100 haplotypes of 5 Mb
    python benchmarks/panel_speed.py --haplotypes 200 --length 600000

Haplotypes come from msprime (human-like mutation, recombination and diversity) on an ancestral
sequence with an Alu-like repeat family, homopolymers and dinucleotide repeats. Needs the extra
`simulate`; the comparison needs jellyfish (Debian's package of that name) on the PATH, and is left
out where it is missing.

Printed: megabases per second and seconds, by the wall clock and by CPU, and peak memory.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msprime
import numpy as np
from Bio.SeqIO.FastaIO import SimpleFastaParser

from genolstm.sequences.fasta import read_codes, read_records
from genolstm.sequences.panel.panel import KmerPanel


def ancestor(length: int, rng: np.random.Generator) -> np.ndarray:
    """Return random bases with repeats: a family 10 % diverged, poly-N and dinucleotide runs."""
    codes = rng.integers(0, 4, length).astype(np.uint8)
    family = rng.integers(0, 4, 300).astype(np.uint8)
    for place in rng.integers(0, length - 300, length // 3000):
        copy = family.copy()
        changed = rng.random(copy.size) < 0.1
        copy[changed] = rng.integers(0, 4, int(changed.sum()))
        codes[place : place + 300] = copy if rng.random() < 0.5 else 3 - copy[::-1]
    for place in rng.integers(0, length - 40, length // 20_000):
        codes[place : place + 30] = rng.integers(0, 4)
    for place in rng.integers(0, length - 40, length // 20_000):
        codes[place : place + 40] = np.tile(rng.integers(0, 4, 2), 20)
    return codes


def haplotypes(number: int, length: int, seed: int) -> Iterator[np.ndarray]:
    """Yield haplotypes of one population of 20,000, with about one SNP per kb between any two."""
    trees = msprime.sim_ancestry(
        samples=-(-number // 2),
        sequence_length=length,
        recombination_rate=1e-8,
        population_size=20_000,
        random_seed=seed,
    )
    trees = msprime.sim_mutations(trees, rate=1.25e-8, random_seed=seed)
    rng = np.random.default_rng(seed)
    codes = ancestor(length, rng)
    sites = trees.tables.sites.position.astype(np.int64)
    alleles = trees.genotype_matrix().T[:number].clip(0, 1).astype(np.uint8)
    print(f"{len(sites):,} sites, {1000 * trees.diversity():.2f} differences per kb")
    for row in alleles:
        child = codes.copy()
        child[sites] = (child[sites] + row) & 3
        yield child


def write_fasta(path: Path, sequences: Iterator[np.ndarray], width: int = 80) -> None:
    with path.open("wb") as stream:
        for number, codes in enumerate(sequences):
            stream.write(b">hap%d\n" % number)
            letters = np.frombuffer(b"ACGT", dtype=np.uint8)[codes]
            whole = letters.size // width * width
            lines = np.full((whole // width, width + 1), ord("\n"), dtype=np.uint8)
            lines[:, :width] = letters[:whole].reshape(-1, width)
            stream.write(lines.tobytes() + letters[whole:].tobytes() + b"\n")


def child(command: list[str]) -> dict[str, float]:
    """Run a command; return wall and CPU seconds and peak memory in MB."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"failed: {' '.join(command)}")
    return {
        "wall_s": time.perf_counter() - start,
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "peak_mb": usage.ru_maxrss / 1024,
    }


def seconds(work: Callable[[], object]) -> dict[str, float]:
    """Return wall and CPU seconds of a piece of work in this process."""
    start, cpu = time.perf_counter(), time.process_time()
    work()
    return {"wall_s": time.perf_counter() - start, "cpu_s": time.process_time() - cpu}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--haplotypes", type=int, default=100)
    parser.add_argument("--length", type=int, default=5_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the figures here")
    args = parser.parse_args()
    megabases = args.haplotypes * args.length / 1e6
    figures: dict[str, object] = {"haplotypes": args.haplotypes, "length": args.length, "seed": args.seed}

    def show(name: str, mb: float, use: dict[str, float]) -> None:
        figures[name] = {"mb": mb, **use}
        peak = f"{use['peak_mb']:>8,.0f} MB" if "peak_mb" in use else ""
        print(
            f"{name:<44}{mb / use['wall_s']:>8,.0f}{use['wall_s']:>9.2f} s"
            f"{mb / use['cpu_s']:>10,.0f}{use['cpu_s']:>9.2f} s{peak}"
        )

    print(f"{'':<44}{'wall: Mb/s':>17}{'CPU: Mb/s':>20}{'peak':>11}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fasta, panel = folder / "group.fa", folder / "group.panel"
        write_fasta(fasta, haplotypes(args.haplotypes, args.length, args.seed))
        query = folder / "query.fa"
        write_fasta(query, haplotypes(4, args.length, args.seed))

        def biopython() -> None:
            with fasta.open() as stream:
                for _ in SimpleFastaParser(stream):
                    pass

        show("read: Biopython SimpleFastaParser", megabases, seconds(biopython))
        show("read: records, every letter checked", megabases, seconds(lambda: [None for _ in read_records(fasta)]))
        show("read: records and codes", megabases, seconds(lambda: [None for _ in read_codes(fasta)]))

        program = [sys.executable, "-m", "genolstm", "panel", "build", str(fasta), "-o", str(panel)]
        for threads in (1, 2):
            use = child([*program, "-t", str(threads), "-q", "--force"])
            show(f"build: genolstm panel build -t {threads}", megabases, use)
            if threads == 1:
                ours = use
        size = panel.stat().st_size
        opened = KmerPanel.open(panel)
        figures["panel"] = {"bytes": size, "kmers": opened.n_kmers}
        print(f"panel: {size / 1e6:.2f} MB, {opened.n_kmers:,} k-mers, {size / opened.n_kmers:.2f} bytes each")
        show("open, checksum included", size / 1e6, seconds(lambda: KmerPanel.open(panel)))

        opened.lookup(np.zeros(100, dtype=np.uint8))  # loads the compiled code
        codes = [codes for _, codes in read_codes(fasta)][: min(8, args.haplotypes)]
        queried = len(codes) * args.length / 1e6
        show("look-up: haplotypes of the panel, 1 thread", queried, seconds(lambda: [opened.lookup(c) for c in codes]))
        with ThreadPoolExecutor(2) as pool:
            show("look-up: the same, 2 threads", queried, seconds(lambda: list(pool.map(opened.lookup, codes))))
        strange = np.random.default_rng(args.seed + 1).integers(0, 4, args.length).astype(np.uint8)
        show("look-up: random sequence, all absent", args.length / 1e6, seconds(lambda: opened.lookup(strange)))

        if shutil.which("jellyfish") is None:
            print("jellyfish is not installed: no comparison")
        else:
            table = folder / "group.jf"
            for threads in (1, 2):
                use = child(
                    [
                        "jellyfish",
                        "count",
                        "-m",
                        "31",
                        "-C",
                        "-s",
                        str(2 * opened.n_kmers),
                        "-t",
                        str(threads),
                        "-o",
                        str(table),
                        str(fasta),
                    ]
                )
                show(f"jellyfish count -m 31 -C -t {threads}", megabases, use)
                if threads == 1:
                    ratio = use["cpu_s"] / ours["cpu_s"]
                    figures["build_cpu_ratio"] = ratio
                    print(f"jellyfish / genolstm, CPU, 1 thread: {ratio:.1f}")
            ratio = table.stat().st_size / size
            figures["size_ratio"] = ratio
            print(f"jellyfish's file: {table.stat().st_size / 1e6:.2f} MB, {ratio:.1f} times the panel's")
            use = child(["jellyfish", "query", str(table), "-s", str(query)])
            show("jellyfish query, 4 haplotypes", 4 * args.length / 1e6, use)
    if args.json:
        args.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
