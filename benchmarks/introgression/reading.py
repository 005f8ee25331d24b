"""CPU seconds of reading genotypes, beside `bcftools query` on the same file in the same run.

The first figure is that of a whole process, warm: start, imports, inflating, parsing and checking of
every genotype. Left out is only the compilation of the loops, which happens once on a machine. The
second is the reading alone: most of the rest is the start of numba, which a scan has once, whatever it reads.

    python benchmarks/introgression/reading.py [--folder REGION] [--length 20000000] [--seed 77]
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from genolstm.introgression.simulate import SimulationSettings, simulate_region
from genolstm.runs.simulate import write_simulation_vcf

_READ = """
import sys, time
from genolstm.introgression.variants.block import CallSettings, Stretch
from genolstm.introgression.variants.sources import open_source
source = open_source(sys.argv[1])
# The loops are loaded by what is hardly any reading.
chrom = list(source.contigs)[0]
list(open_source(sys.argv[1]).read(source.samples[:1], CallSettings(), [Stretch(chrom, 0, 1)]))
start = time.process_time()
parts = source.read(list(source.samples), CallSettings())
sites = sum(len(part.positions) for part in parts)
print(time.process_time() - start, sites, 2 * len(source.samples))
"""


def cpu_seconds(command: list[str]) -> tuple[float, str]:
    """Return user and system seconds of a process with its children, and what it printed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with TemporaryDirectory() as folder:
        printed = Path(folder) / "out"
        with printed.open("wb") as stream:
            subprocess.run(command, check=True, stdout=stream)
        start = printed.open("rb").read(60).decode()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--folder", type=Path, help="folder of a simulated region; by default one is simulated")
    parser.add_argument("--length", type=int, default=20_000_000)
    parser.add_argument("--seed", type=int, default=77)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--zarr", type=Path, help="the same genotypes as a VCF Zarr store")
    options = parser.parse_args()
    with TemporaryDirectory() as name:
        path = Path(name) / "region.vcf.gz" if options.folder is None else options.folder / "region.vcf.gz"
        if options.folder is None:
            settings = SimulationSettings(length=options.length, seed=options.seed, n_target=20, n_outgroup=100)
            write_simulation_vcf(simulate_region(settings), path)
        bcf = Path(name) / "region.bcf"
        subprocess.run(["bcftools", "view", "-Ob", "-o", str(bcf), str(path)], check=True)
        commands = {
            "bcftools query -f '[%GT]' region.vcf.gz": ["bcftools", "query", "-f", "[%GT]\n", str(path)],
            "genolstm, region.vcf.gz": [sys.executable, "-c", _READ, str(path)],
            "genolstm, region.bcf": [sys.executable, "-c", _READ, str(bcf)],
        }
        if options.zarr is not None:
            commands["genolstm, VCF Zarr"] = [sys.executable, "-c", _READ, str(options.zarr)]
        spent: dict[str, list[float]] = {what: [] for what in commands}
        alone: dict[str, list[float]] = {}
        for turn in range(options.repeats + 1):  # the first warms the caches
            for what, command in commands.items():
                seconds, printed = cpu_seconds(command)
                if turn:
                    spent[what].append(seconds)
                    if what.startswith("genolstm"):
                        alone.setdefault(what, []).append(float(printed.split()[0]))
                elif what.startswith("genolstm"):
                    print(f"{what}: sites and haplotypes {' '.join(printed.split()[1:])}")
    reference = statistics.median(next(iter(spent.values())))
    print("| what | CPU of the process, s (range) | times bcftools | reading alone, s | times bcftools |")
    print("| --- | --- | --- | --- | --- |")
    for what, found in spent.items():
        middle = statistics.median(found)
        inner = statistics.median(alone.get(what, [middle]))
        print(
            f"| {what} | {middle:.2f} ({min(found):.2f} to {max(found):.2f}) | {middle / reference:.2f} "
            f"| {inner:.2f} | {inner / reference:.2f} |"
        )


if __name__ == "__main__":
    main()
