"""What a scan costs at three lengths and three numbers of haplotypes, and what follows for whole genomes.

Each row is the command that a user types, whole, warm, in a process of its own with two threads: CPU (user and
system), wall time, peak memory, and the sizes of what it reads and writes. Three series: longer sequences; more
haplotypes, all of them scanned; and few haplotypes of ever wider files, which is what a batch of a scattered scan
reads. `gather` of the segments of three numbers of haplotypes stands beside them. From all rows of the scan,

    CPU seconds = start + Mb x (a + b x haplotypes in the file + c x haplotypes scanned)

is fitted with weights that make errors relative, none of the terms below 0; memory likewise, with the logarithm of the
length, as it hardly grows with that beyond some tens of Mb. The
residuals are printed, and so is each series' exponent: the slope of log cost on log size, start included. From these,
figures for 3 Gb and 10, 1,000 and 100,000 haplotypes are worked out. Results are written to results/scaling.json, and
into docs/scaling.md between the lines `<!-- benchmark:scaling -->` and `<!-- end -->`.

    python benchmarks/introgression/scaling.py [--seed 910000] [--publish] [--from results/scaling.json]
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import subprocess
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from scipy.optimize import nnls
from speed import GENOLSTM, Cost
from table import ROOT, markdown

from genolstm import __version__
from genolstm.files import atomic_path
from genolstm.introgression.simulate import SimulatedRegion, SimulationSettings, simulate_region
from genolstm.runs.simulate import write_simulation_vcf

RESULTS = Path(__file__).with_name("results") / "scaling.json"
BEGIN, END = "<!-- benchmark:scaling -->", "<!-- end -->"
LENGTHS, FEW = (10, 40, 160), 100
#: Longer sequences are made of so many Mb, laid end to end: a scan's cost depends on how many sites there are.
PIECE = 10
NUMBERS, SHORT = (20, 200, 2000), 2
OUTGROUP = 100
ROUNDS = 3
GENOME, LONGEST, SEQUENCES = 3000, 249, 24
#: Haplotypes of a job, the most that was measured.
BATCH = 2000
COHORTS = (10, 1_000, 100_000)

# A process begins with the peak memory of the one that starts it, and this one holds whole regions.
_SMALL = """
import os, sys, time
begun = time.perf_counter()
pid = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ)
_, status, used = os.wait4(pid, 0)
print(time.perf_counter() - begun, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
sys.exit(os.waitstatus_to_exitcode(status))
"""


@dataclass(frozen=True)
class Row:
    """A scan: Mb, haplotypes in the file and of those scanned, sites, and what it cost; seconds, MiB and bytes."""

    series: str
    mb: float
    held: int
    scanned: int
    sites: int
    cpu: float
    wall: float
    peak: float
    read: int
    segments: int
    posteriors: int


@dataclass(frozen=True)
class Gathered:
    """A gather: the segments of how many haplotypes of ``SHORT`` Mb, and what it cost."""

    haplotypes: int
    segments: int
    cpu: float
    peak: float


def cost(command: list[str]) -> Cost:
    """Return what a command costs, started by a process that is smaller than it."""
    done = subprocess.run([sys.executable, "-SIc", _SMALL, *command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: {done.stderr}")
    return Cost(*map(float, done.stdout.split()))


def part_of(region: SimulatedRegion, mb: float, targets: int) -> SimulatedRegion:
    """Return the first bases of a region, with fewer people to scan; the outgroup and the archaics stay."""
    kept = [
        person
        for role in ("target", "outgroup", "archaic")
        for person in list(region.individuals(role))[: targets if role == "target" else None]
    ]
    columns = np.array([2 * person + haplotype for person in kept for haplotype in (0, 1)])
    alleles = region.alleles[:, columns]
    varies = (alleles != alleles[:, :1]).any(axis=1) & (region.positions < mb * 1e6)
    return replace(
        region,
        settings=replace(region.settings, length=int(mb * 1e6), n_target=targets),
        positions=region.positions[varies],
        alleles=alleles[varies],
        samples=[region.samples[person] for person in kept],
        populations=[region.populations[person] for person in kept],
    )


def repeated(region: SimulatedRegion, copies: int) -> SimulatedRegion:
    """Return copies of a region, end to end."""
    length = region.settings.length
    return replace(
        region,
        settings=replace(region.settings, length=length * copies),
        positions=np.concatenate([region.positions + length * copy for copy in range(copies)]),
        alleles=np.tile(region.alleles, (copies, 1)),
        reference=np.tile(region.reference, copies),
    )


def measure(series: str, region: SimulatedRegion, scanned: int, work: Path, rounds: int) -> Row:
    """Scan the first people of a region, several times; return the least that it cost."""
    vcf, segments, posteriors = (work / name for name in ("region.vcf.gz", "segments.bed", "posteriors.tsv.gz"))
    write_simulation_vcf(region, vcf)
    roles = []
    for role in ("target", "outgroup", "archaic"):
        people = list(region.individuals(role))[: scanned // 2 if role == "target" else None]
        (work / f"{role}.txt").write_text("".join(f"{region.samples[person]}\n" for person in people))
        roles += [f"--{role}", str(work / f"{role}.txt")]
    command = [str(GENOLSTM), "introgression", "scan", "--vcf", str(vcf), *roles, "-t", "2", "--force"]
    command += ["-o", str(segments), "--posteriors", str(posteriors)]
    spent = [cost(command) for _ in range(rounds)]
    held = region.alleles.shape[1]
    row = Row(
        series,
        region.settings.length / 1e6,
        held,
        scanned,
        len(region.positions),
        min(one.cpu for one in spent),
        min(one.wall for one in spent),
        min(one.peak for one in spent),
        vcf.stat().st_size,
        segments.stat().st_size,
        posteriors.stat().st_size,
    )
    print(
        f"{series:11} {row.mb:4g} Mb, {held:5} haplotypes, {scanned:5} scanned, {row.sites:7} sites: CPU {row.cpu:7.2f} s,"
        f" wall {row.wall:7.2f} s, {row.peak:5.0f} MiB, VCF {row.read / 1e6:6.2f} MB, segments {row.segments / 1e3:.0f} kB",
        flush=True,
    )
    return row


def gather(segments: Path, haplotypes: int, copies: int, work: Path) -> Gathered:
    """Gather a file of segments and copies of it whose samples have other names."""
    lines = segments.read_text().splitlines(keepends=True)
    head = [line for line in lines if line.startswith("#")]
    column = head[-1].lstrip("#").rstrip("\n").split("\t").index("sample")
    parts = []
    for copy in range(copies):
        part = work / f"part{copy}.bed"
        rows = [line.split("\t") for line in lines[len(head) :]]
        for row in rows:
            row[column] = f"{row[column]}.{copy}"
        part.write_text("".join([*head, *("\t".join(row) for row in rows)]))
        parts.append(str(part))
    spent = cost([str(GENOLSTM), "introgression", "gather", *parts, "--force", "-o", str(work / "all.bed")])
    found = Gathered(haplotypes * copies, (len(lines) - len(head)) * copies, spent.cpu, spent.peak)
    print(f"gather      {found.segments} segments: CPU {found.cpu:.2f} s, {found.peak:.0f} MiB", flush=True)
    return found


def fitted(terms: list[list[float]], values: list[float]) -> tuple[list[float], float]:
    """Return coefficients, none below 0, that make the relative errors least; and the largest such error."""
    matrix, right = np.array(terms, float), np.array(values, float)
    found, _ = nnls(matrix / right[:, None], np.ones(len(right)))
    return found.tolist(), float(np.abs(matrix @ found / right - 1).max())


def exponent(sizes: list[float], costs: list[float]) -> float:
    return float(np.polyfit(np.log(sizes), np.log(costs), 1)[0])


def figures(measured: dict[str, Any]) -> dict[str, Any]:
    """Return the fits and the exponents of what was measured."""
    rows = [Row(**row) for row in measured["scans"]]
    gathered = [Gathered(**row) for row in measured["gathers"]]
    found: dict[str, Any] = {}
    found["cpu"], found["cpu_error"] = fitted(
        [[1, row.mb, row.mb * row.held, row.mb * row.scanned] for row in rows], [row.cpu for row in rows]
    )
    found["peak"], found["peak_error"] = fitted(
        [[1, math.log(row.mb), row.held, row.scanned] for row in rows], [row.peak for row in rows]
    )
    found["read"], found["read_error"] = fitted(
        [[row.mb, row.mb * row.held] for row in rows], [row.read for row in rows]
    )
    whole = [row for row in rows if row.held - row.scanned < 2 * OUTGROUP + 10]
    for name in ("segments", "posteriors"):
        found[name] = sum(getattr(row, name) for row in whole) / sum(row.mb * row.scanned for row in whole)
    found["number"] = gathered[-1].segments / (gathered[-1].haplotypes * SHORT)
    found["gather_cpu"], _ = fitted([[1, row.segments] for row in gathered], [row.cpu for row in gathered])
    found["gather_peak"], _ = fitted([[1, row.segments] for row in gathered], [row.peak for row in gathered])
    found["exponents"] = {}
    for series, size in (("length", "mb"), ("haplotypes", "scanned"), ("file", "held")):
        of = [row for row in rows if row.series == series]
        sizes = [float(getattr(row, size)) for row in of]
        found["exponents"][series] = {
            what: exponent(sizes, [getattr(row, what) for row in of]) for what in ("cpu", "wall", "peak")
        }
    sizes = [float(row.segments) for row in gathered]
    found["exponents"]["gather"] = {
        what: exponent(sizes, [getattr(row, what) for row in gathered]) for what in ("cpu", "peak")
    }
    return found


def cpu_hours(found: dict[str, Any], scanned: int, held: int, batch: int) -> float:
    """CPU hours of a genome that is scattered over chromosomes and batches, each of which reads `held` haplotypes."""
    start, flat, wide, each = found["cpu"]
    batches = math.ceil(scanned / batch)
    return (
        SEQUENCES * batches * start + batches * GENOME * (flat + wide * (held + OUTGROUP * 2)) + GENOME * each * scanned
    ) / 3600


def report(measured: dict[str, Any]) -> str:
    """Return the tables of docs/scaling.md."""
    found = figures(measured)
    rows = [Row(**row) for row in measured["scans"]]
    title = {"length": "longer sequences", "haplotypes": "more haplotypes", "file": "a batch of wider files"}
    measured_rows = [["series", "Mb", "haplotypes held", "scanned", "sites", "CPU s", "wall s", "peak MiB", "VCF MB"]]
    for row in rows:
        measured_rows.append(
            [
                *(title[row.series], f"{row.mb:g}", f"{row.held:,}", f"{row.scanned:,}", f"{row.sites:,}"),
                *(f"{row.cpu:.1f}", f"{row.wall:.1f}", f"{row.peak:.0f}", f"{row.read / 1e6:.1f}"),
            ]
        )
    growth = [["series", "CPU", "wall", "memory"]]
    for series, of in found["exponents"].items():
        cells = [f"{of[what]:.2f}" if what in of else "-" for what in ("cpu", "wall", "peak")]
        growth.append([title.get(series, "`gather`, more segments"), *cells])
    start, flat, wide, each = found["cpu"]
    fixed, by_length, by_held, by_scanned = found["peak"]
    site, genotype = found["read"]
    gathers = [["`gather` of", "CPU s", "peak MiB"]]
    for one in (Gathered(**row) for row in measured["gathers"]):
        gathers.append([f"{one.segments:,} segments", f"{one.cpu:.1f}", f"{one.peak:.0f}"])
    genome = [["3 Gb and", *(f"{n:,} haplotypes" for n in COHORTS)]]
    jobs, one_file, split, memory, stored, written, segments, joined = ([] for _ in range(8))
    for n in COHORTS:
        batch = min(n, BATCH)
        jobs.append(f"{SEQUENCES * math.ceil(n / batch):,}")
        one_file.append(f"{cpu_hours(found, n, n, batch):,.1f}")
        split.append(f"{cpu_hours(found, n, batch, batch):,.1f}")
        memory.append(
            f"{(fixed + by_length * math.log(LONGEST) + by_held * (n + 200) + by_scanned * batch) / 1024:.1f} GiB"
        )
        stored.append(f"{GENOME * (site + genotype * (n + 200)) / 1e9:,.1f} GB")
        written.append(f"{GENOME * n * found['posteriors'] / 1e9:,.1f} GB")
        count = GENOME * n * found["number"]
        segments.append(f"{count:,.0f}; {GENOME * n * found['segments'] / 1e9:,.2f} GB")
        joined.append(f"{(found['gather_peak'][0] + found['gather_peak'][1] * count) / 1024:,.1f} GiB")
    genome += [
        [f"jobs (chromosome x {BATCH:,} haplotypes)", *jobs],
        ["CPU hours, every job reads the one file", *one_file],
        ["CPU hours, a file for each batch", *split],
        ["memory of the largest job, the one file", *memory],
        ["VCF.gz", *stored],
        ["segments; their BED", *segments],
        ["posteriors, if asked for", *written],
        ["memory of one `gather` of everything", *joined],
    ]
    return "\n".join(
        [
            *markdown(measured_rows),
            "",
            f"Seed {measured['seed']}, GenoLSTM {measured['version']}, {measured['machine']}, two threads, least of"
            f" {measured['rounds']}; with segments and posteriors written. Exponents of growth (1 is linear):",
            "",
            *markdown(growth),
            "",
            *markdown(gathers),
            "",
            f"The fit: CPU seconds = {start:.2f} + Mb x ({flat:.4f} + {wide * 1e3:.4f} x thousand haplotypes in the file +"
            f" {each * 1e3:.3f} x thousand haplotypes scanned), within {found['cpu_error']:.0%} of every row. Memory in MiB ="
            f" {fixed:.0f} + {by_length:.0f} x ln(Mb) + {by_held:.4f} x haplotypes in the file + {by_scanned:.4f} x haplotypes"
            f" scanned, within {found['peak_error']:.0%}. VCF.gz in MB = Mb x ({site / 1e6:.3f} + {genotype / 1e3:.3f} x"
            f" thousand haplotypes), within {found['read_error']:.0%}. From it:",
            "",
            *markdown(genome),
        ]
    )


def publish(measured: dict[str, Any]) -> None:
    path = ROOT / "docs" / "scaling.md"
    document = path.read_text(encoding="utf-8")
    before, found, rest = document.partition(BEGIN)
    if not found or END not in rest:
        raise SystemExit(f"{path.name} has no lines {BEGIN} and {END}")
    with atomic_path(path, force=True) as part:
        part.write_text(f"{before}{BEGIN}\n{report(measured)}\n{END}{rest.split(END, 1)[1]}", encoding="utf-8")


def processor() -> str:
    """Return the processor's name, which no function of the library tells on Linux."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, default=910_000)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--publish", action="store_true", help="write results/scaling.json and docs/scaling.md")
    parser.add_argument("--from", dest="source", type=Path, help="results of an earlier run, instead of running")
    told = parser.parse_args()
    if told.source is not None:
        measured = json.loads(told.source.read_text(encoding="utf-8"))
    else:
        measured = run(told.seed, told.rounds)
        if told.publish:
            with atomic_path(RESULTS, force=True) as part:
                part.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    print(report(measured))
    if told.publish:
        publish(measured)


def run(seed: int, rounds: int) -> dict[str, Any]:
    scans: list[Row] = []
    gathers: list[Gathered] = []
    with TemporaryDirectory() as name:
        work = Path(name)
        settings = SimulationSettings(length=PIECE * 10**6, seed=seed, n_target=FEW // 2, n_outgroup=OUTGROUP)
        long = simulate_region(settings)
        measure("warm", part_of(long, 1, FEW // 2), FEW, work, 1)
        scans += [measure("length", repeated(long, mb // PIECE), FEW, work, rounds) for mb in LENGTHS]
        del long
        settings = replace(settings, length=SHORT * 10**6, seed=seed + 1, n_target=NUMBERS[-1] // 2)
        wide = simulate_region(settings)
        for number in NUMBERS:
            part = part_of(wide, SHORT, number // 2)
            scans.append(measure("file", part, NUMBERS[0], work, rounds))
            scans.append(measure("haplotypes", part, number, work, rounds))
        scans.sort(key=lambda row: ["length", "haplotypes", "file"].index(row.series))
        segments = work / "segments.bed"  # of the most haplotypes
        gathers += [gather(segments, NUMBERS[-1], copies, work) for copies in (4, 16, 64)]
    return {
        "seed": seed,
        "rounds": rounds,
        "version": __version__,
        "machine": f"{processor()}, {os.cpu_count()} cores",
        "scans": [asdict(row) for row in scans],
        "gathers": [asdict(row) for row in gathers],
    }


if __name__ == "__main__":
    main()
