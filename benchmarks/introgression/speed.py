"""Seconds and memory of a scan, stage by stage.

Part 1: a VCF of 20 Mb (40 target haplotypes, 200 of the outgroup, 2 archaic) to BED, and the same
of half the length: memory should not grow with length. Part 2: the FASTA door, in Mb of query a
second and Mb of panel built a second, beside Debian's `jellyfish count` on the same file.

The reference for ratios is measured in the same run, for the machine is noisy: reading the VCF
with `bcftools query` (part 1) and `jellyfish count` (part 2).

    python benchmarks/introgression/speed.py [--length 20000000] [--seed 520000]
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from genolstm.introgression.simulate import SimulationSettings, simulate_region
from genolstm.runs.simulate import write_simulation, write_simulation_vcf

# A process of its own, so that its peak memory is the scan's and nothing else's.
_SCAN = """
import json, resource, sys, time
from genolstm.runs.scan import FastaDoor, VcfDoor, run
from genolstm.introgression.doors.blocks import Stages
kind, output, *arguments = sys.argv[1:]
door = (VcfDoor if kind == "vcf" else FastaDoor)(*(
    [arguments[0]] if kind == "fasta" and i == 0 else a for i, a in enumerate(arguments)))
stages, start = Stages(), time.perf_counter()
run(door, output=output, threads=2, force=True, stages=stages)
wall = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"wall": wall, "peak": peak, **stages.seconds}))
"""


def scan(kind: str, output: Path, *arguments: Path) -> dict[str, float]:
    """Run one scan in a fresh process and return its seconds and peak memory in MiB."""
    command = [sys.executable, "-c", _SCAN, kind, str(output), *map(str, arguments)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def seconds(command: list[str]) -> float:
    """Return the seconds a command takes, output thrown away."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def vcf_part(length: int, seed: int, work: Path) -> None:
    settings = SimulationSettings(length=length, seed=seed, n_target=20, n_outgroup=100)
    region = simulate_region(settings)
    for role in ("target", "outgroup", "archaic"):
        names = [region.samples[i] for i in region.individuals(role)]
        (work / f"{role}.txt").write_text("\n".join(names) + "\n")
    lists = [work / f"{role}.txt" for role in ("target", "outgroup", "archaic")]
    vcf = work / "whole.vcf.gz"
    write_simulation_vcf(region, vcf)
    half = work / "half.vcf.gz"
    cut = region.positions < length // 2
    write_simulation_vcf(
        replace(
            region,
            settings=replace(region.settings, length=length // 2),
            positions=region.positions[cut],
            alleles=region.alleles[cut],
        ),
        half,
    )
    print(f"VCF door: {length / 1e6:g} Mb, 40 haplotypes, {len(region.positions)} sites, seed {seed}")
    scan("vcf", work / "warm.bed", half, *lists)  # compiles, once a machine
    whole = [scan("vcf", work / "whole.bed", vcf, *lists) for _ in range(3)]
    best = min(whole, key=lambda row: row["wall"])
    short = scan("vcf", work / "half.bed", half, *lists)
    print("  best of 3, seconds: " + ", ".join(f"{n} {best[n]:.2f}" for n in sorted(best) if n != "peak"))
    print("  (stages of the reading and the computing thread overlap)")
    print(f"  peak memory: {best['peak']:.0f} MiB; half the length: {short['peak']:.0f} MiB")
    if shutil.which("bcftools"):
        reading = min(seconds(["bcftools", "query", "-f", "[%GT ]\n", str(vcf)]) for _ in range(3))
        print(f"  bcftools query of the same file: {reading:.2f} s; scan / bcftools {best['wall'] / reading:.2f}")


def fasta_part(length: int, seed: int, work: Path) -> None:
    settings = SimulationSettings(length=length, seed=seed, n_target=10, n_outgroup=20)
    region = simulate_region(settings)
    write_simulation(region, work)
    plain = work / "outgroup.fa"
    subprocess.run(f"gzip -dc {work}/outgroup.fa.gz > {plain}", shell=True, check=True)
    subprocess.run(f"gzip -dc {work}/target.fa.gz > {work}/target.fa", shell=True, check=True)
    outgroup_mb, query_mb = 40 * length / 1e6, 20 * length / 1e6
    print(f"FASTA door: {length / 1e6:g} Mb, 20 query and 40 outgroup haplotypes, seed {seed}")
    build = [sys.executable, "-m", "genolstm", "panel", "build", "--force", "-t", "2"]
    seconds([*build, str(work / "archaic.fa.gz"), "-o", str(work / "archaic.panel")])
    ours = min(seconds([*build, str(plain), "-o", str(work / "outgroup.panel")]) for _ in range(3))
    print(f"  panel build: {ours:.2f} s, {outgroup_mb / ours:.0f} Mb/s (whole command)")
    if shutil.which("jellyfish"):
        size = str(int(length * 1.5))
        count = ["jellyfish", "count", "-m", "31", "-C", "-s", size, "-t", "2"]
        theirs = min(seconds([*count, "-o", str(work / "o.jf"), str(plain)]) for _ in range(3))
        print(
            f"  jellyfish count: {theirs:.2f} s, {outgroup_mb / theirs:.0f} Mb/s; ours / theirs in time {ours / theirs:.2f}"
        )
        print("  (jellyfish counts occurrences; the panel counts haplotypes)")
    arguments = (work / "target.fa", work / "archaic.panel", work / "outgroup.panel")
    scan("fasta", work / "warm.bed", *arguments)
    best = min((scan("fasta", work / "f.bed", *arguments) for _ in range(3)), key=lambda r: r["wall"])
    tracks = best["tracks"] + best.get("sharing", 0.0) + best.get("read", 0.0)
    print("  scan, best of 3, seconds: " + ", ".join(f"{n} {best[n]:.2f}" for n in sorted(best) if n != "peak"))
    print(
        f"  tracks (read, sharing, look-up): {query_mb / tracks:.0f} Mb/s; whole scan {query_mb / best['wall']:.0f} Mb/s; peak {best['peak']:.0f} MiB"
    )
    if shutil.which("jellyfish"):
        count = ["jellyfish", "count", "-m", "31", "-C", "-s", str(int(length * 1.5)), "-t", "2"]
        theirs = min(seconds([*count, "-o", str(work / "o.jf"), str(work / "target.fa")]) for _ in range(3))
        print(
            f"  jellyfish count of the query: {theirs:.2f} s, {query_mb / theirs:.0f} Mb/s; tracks / theirs in time {tracks / theirs:.2f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--length", type=int, default=20_000_000)
    parser.add_argument("--fasta-length", type=int, default=5_000_000)
    parser.add_argument("--seed", type=int, default=520_000)
    parser.add_argument("--part", choices=["vcf", "fasta", "both"], default="both")
    arguments = parser.parse_args()
    with TemporaryDirectory() as name:
        work = Path(name)
        if arguments.part != "fasta":
            vcf_part(arguments.length, arguments.seed, work)
        if arguments.part != "vcf":
            fasta_part(arguments.fasta_length, arguments.seed + 1, work)


if __name__ == "__main__":
    main()
