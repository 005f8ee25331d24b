"""Seconds, CPU and memory of a scan: of the command that a user types, whole, and stage by stage.

Part 1: a VCF of 20 Mb (40 target haplotypes, 200 of the outgroup, 2 archaic) to BED, and the same
of half the length: memory should not grow with length. Part 2: the FASTA door, in Mb of query a
second and Mb of panel built a second, beside Debian's `jellyfish count` on the same file.

A command is a fresh process with its loops compiled; commands that are compared run in turn. The
reference for ratios is measured in the same run, for the machine is noisy: reading the VCF with
`bcftools query` (part 1) and `jellyfish count` (part 2). With `--before`, the same of an earlier
version stands beside it; the checkout is imported in place of this one.

    python benchmarks/introgression/speed.py [--length 20000000] [--seed 520000] [--before CHECKOUT]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

from genolstm.introgression.simulate import SimulationSettings, simulate_region
from genolstm.runs.simulate import write_simulation, write_simulation_vcf

ROUNDS = 5
#: The command beside the Python that runs this.
GENOLSTM = Path(sys.executable).with_name("genolstm")

# The stages of a scan, which only the inside of a process knows.
_STAGES = """
import json, sys
from genolstm.runs.scan import FastaDoor, VcfDoor, run
from genolstm.introgression.doors.blocks import Stages
kind, output, *arguments = sys.argv[1:]
door = (VcfDoor if kind == "vcf" else FastaDoor)(*(
    [arguments[0]] if kind == "fasta" and i == 0 else a for i, a in enumerate(arguments)))
stages = Stages()
run(door, output=output, threads=2, force=True, stages=stages)
print(json.dumps(stages.seconds))
"""

# The network alone, on the tracks of the whole VCF.
_NETWORK = """
import sys, time
from genolstm.introgression.model import IntrogressionClassifier
from genolstm.introgression.doors.vcf import VcfDoor
classifier = IntrogressionClassifier.load(threads=2)
tracks = [block.tracks for block in VcfDoor(*sys.argv[1:]).tracks(classifier.settings)]
runtime = classifier.runtime
next(runtime.predict_stream(tracks[:1]))
start = time.process_time()
for _ in runtime.predict_stream(tracks):
    pass
print(time.process_time() - start, classifier.bundle.name)
"""


class Cost(NamedTuple):
    """Wall and CPU (user and system) seconds of a process, and its peak memory in MiB."""

    wall: float
    cpu: float
    peak: float


def cost(command: list[str], env: dict[str, str] | None = None) -> Cost:
    """Return what a command costs; its output is thrown away."""
    env = dict(os.environ if env is None else env)
    env.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package is compiled
    start = time.perf_counter()
    process = subprocess.Popen(
        command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}: {said.decode(errors='replace')}")
    return Cost(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def in_turn(commands: dict[str, tuple[list[str], dict[str, str] | None]], rounds: int) -> dict[str, list[Cost]]:
    """Run commands in turn, after one run of each that does not count (it compiles, once a machine)."""
    found: dict[str, list[Cost]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        for name, (command, env) in commands.items():
            one = cost(command, env)
            if number:
                found[name].append(one)
    return found


def show(found: dict[str, list[Cost]], reference: str) -> None:
    """Print the best of each command, and its ratios to the reference."""
    print(f"  {'best of ' + str(len(found[reference])):38} {'wall s':>7} {'CPU s':>7} {'MiB':>5}")
    for name, costs in found.items():
        wall, cpu, peak = (min(values) for values in zip(*costs, strict=True))
        # The peak of a small program would be that of this process, from which it was forked.
        print(f"  {name:38} {wall:7.2f} {cpu:7.2f} {'' if name == reference else f'{peak:5.0f}'}".rstrip())
    for name in found:
        if name == reference:
            continue
        ratios = []
        for what in ("wall", "cpu"):
            ours, theirs = ([getattr(c, what) for c in found[key]] for key in (name, reference))
            pairs = median(a / b for a, b in zip(ours, theirs, strict=True))
            ratios.append(f"{what.replace('cpu', 'CPU')} {min(ours) / min(theirs):.2f} (median of pairs {pairs:.2f})")
        print(f"  {name} / {reference}: {', '.join(ratios)}")


def stages(kind: str, output: Path, *arguments: Path) -> dict[str, float]:
    """Return the seconds of each stage of a scan."""
    command = [sys.executable, "-c", _STAGES, kind, str(output), *map(str, arguments)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def network(rounds: int, environments: dict[str, dict[str, str] | None], *arguments: Path) -> None:
    """Print the CPU seconds of the network, of each version in turn."""
    best: dict[str, float] = {}
    model = {}
    for _ in range(rounds):
        for name, env in environments.items():
            command = [sys.executable, "-P", "-c", _NETWORK, *map(str, arguments)]
            done = subprocess.run(command, check=True, capture_output=True, text=True, env=env)
            seconds, model[name] = done.stdout.split()
            best[name] = min(best.get(name, float("inf")), float(seconds))
    told = ", ".join(f"{name} {seconds:.2f} s (model {model[name]})" for name, seconds in best.items())
    print(f"  network alone, CPU of both threads, best of {rounds}: {told}")


def before_env(checkout: Path) -> dict[str, str]:
    """Return the environment in which an earlier version is run."""
    env = {**os.environ, "PYTHONPATH": str(checkout.resolve())}
    command = [sys.executable, "-P", "-c", "import genolstm; print(genolstm.__file__)"]
    found = subprocess.run(command, check=True, capture_output=True, text=True, env=env).stdout.strip()
    if not Path(found).is_relative_to(checkout.resolve()):
        raise SystemExit(f"{checkout} holds no genolstm: {found} would be measured")
    return env


def seconds(command: list[str]) -> float:
    """Return the seconds a command takes, output thrown away."""
    return cost(command).wall


def vcf_part(length: int, seed: int, work: Path, before: Path | None) -> None:
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

    def scan(file: Path) -> list[str]:
        roles = [part for path in lists for part in (f"--{path.stem}", str(path))]
        return [str(GENOLSTM), "introgression", "scan", "--vcf", str(file), *roles, "-t", "2"]

    print(f"VCF door: {length / 1e6:g} Mb, 40 haplotypes, {len(region.positions)} sites, seed {seed}")
    ours = "genolstm introgression scan"
    output = ["--force", "-o", str(work / "out.bed")]
    commands: dict[str, tuple[list[str], dict[str, str] | None]] = {ours: ([*scan(vcf), *output], None)}
    environments: dict[str, dict[str, str] | None] = {"this version": None}
    if before is not None:
        environments["before"] = before_env(before)
        commands["the same before"] = ([*scan(vcf), *output], environments["before"])
    if shutil.which("bcftools"):
        commands["bcftools query"] = (["bcftools", "query", "-f", "[%GT ]\n", str(vcf)], None)
    found = in_turn(commands, ROUNDS)
    show(found, list(commands)[-1])
    short = cost([*scan(half), *output])
    print(f"  peak memory: {max(c.peak for c in found[ours]):.0f} MiB; half the length: {short.peak:.0f} MiB")
    told = stages("vcf", work / "stages.bed", vcf, *lists)
    print("  stages, wall seconds: " + ", ".join(f"{name} {told[name]:.2f}" for name in sorted(told)))
    print("  (stages of the threads overlap, and wait for each other)")
    network(3, environments, vcf, *lists)


def fasta_part(length: int, seed: int, work: Path) -> None:
    settings = SimulationSettings(length=length, seed=seed, n_target=10, n_outgroup=20)
    region = simulate_region(settings)
    write_simulation(region, work)
    plain = work / "outgroup.fa"
    subprocess.run(f"gzip -dc {work}/outgroup.fa.gz > {plain}", shell=True, check=True)
    subprocess.run(f"gzip -dc {work}/target.fa.gz > {work}/target.fa", shell=True, check=True)
    outgroup_mb, query_mb = 40 * length / 1e6, 20 * length / 1e6
    print(f"FASTA door: {length / 1e6:g} Mb, 20 query and 40 outgroup haplotypes, seed {seed}")
    build = [str(GENOLSTM), "panel", "build", "--force", "-t", "2"]
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
    query, archaic, outgroup = map(str, arguments)
    command = [str(GENOLSTM), "introgression", "scan", query, "--archaic", archaic, "--outgroup", outgroup]
    costs = in_turn({"scan": ([*command, "-t", "2", "--force", "-o", str(work / "f.bed")], None)}, 3)["scan"]
    wall, cpu, peak = (min(values) for values in zip(*costs, strict=True))
    print(f"  genolstm introgression scan, best of 3: wall {wall:.2f} s, CPU {cpu:.2f} s, peak {peak:.0f} MiB")
    best = stages("fasta", work / "stages.bed", *arguments)
    tracks = best["tracks"] + best.get("sharing", 0.0) + best.get("read", 0.0)
    print("  stages, wall seconds: " + ", ".join(f"{name} {best[name]:.2f}" for name in sorted(best)))
    print(f"  tracks (read, sharing, look-up): {query_mb / tracks:.0f} Mb/s; whole scan {query_mb / wall:.0f} Mb/s")
    if shutil.which("jellyfish"):
        count = ["jellyfish", "count", "-m", "31", "-C", "-s", str(int(length * 1.5)), "-t", "2"]
        theirs = min(seconds([*count, "-o", str(work / "o.jf"), str(work / "target.fa")]) for _ in range(3))
        print(
            f"  jellyfish count of the query: {theirs:.2f} s, {query_mb / theirs:.0f} Mb/s; tracks / theirs in time {tracks / theirs:.2f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--length", type=int, default=20_000_000)
    parser.add_argument("--fasta-length", type=int, default=5_000_000)
    parser.add_argument("--seed", type=int, default=520_000)
    parser.add_argument("--part", choices=["vcf", "fasta", "both"], default="both")
    parser.add_argument("--before", type=Path, metavar="CHECKOUT", help="checkout of an earlier version")
    arguments = parser.parse_args()
    with TemporaryDirectory() as name:
        work = Path(name)
        if arguments.part != "fasta":
            vcf_part(arguments.length, arguments.seed, work, arguments.before)
        if arguments.part != "vcf":
            fasta_part(arguments.fasta_length, arguments.seed + 1, work)


if __name__ == "__main__":
    main()
