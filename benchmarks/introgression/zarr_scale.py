"""Time and memory of a scan of many samples from VCF Zarr.

A region is simulated once; the targets of each size are mosaics of its target haplotypes, copied
in tracts of some 50 kb, and are written as a VCF Zarr store in chunks, so that making the store
needs little memory either. Then the command scans it in a process of its own, of which wall time,
CPU and peak memory are printed, and the exponents of their growth with the number of samples: at
1, time is linear.

    python benchmarks/introgression/zarr_scale.py [--samples 1250,2500,5000,10000] [--length 5000000]

Needs the extras simulate and zarr.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from genolstm.introgression.simulate import SimulatedRegion, SimulationSettings, simulate_region

ROWS, COLUMNS = 1000, 1000
TRACT = 50_000


def write_mosaics(region: SimulatedRegion, n: int, path: Path, rng: np.random.Generator) -> None:
    """Write a store with ``n`` mosaic targets and the outgroup and archaic as they were simulated."""
    import numcodecs
    import zarr

    length = region.settings.length
    roles = {role: list(region.individuals(role)) for role in ("target", "outgroup", "archaic")}
    pool = np.array([2 * i + h for i in roles["target"] for h in (0, 1)])
    others = [i for role in ("outgroup", "archaic") for i in roles[role]]
    fixed = np.array([2 * i + h for i in others for h in (0, 1)])
    names = [f"target{i}" for i in range(n)] + [region.samples[i] for i in others]
    for role in ("outgroup", "archaic"):
        path.with_name(f"{role}.txt").write_text("".join(f"{region.samples[i]}\n" for i in roles[role]))
    path.with_name("target.txt").write_text("".join(f"target{i}\n" for i in range(n)))

    # Switches of all haplotypes, by position.
    switches = rng.poisson(length / TRACT, 2 * n)
    who = np.repeat(np.arange(2 * n), switches)
    where = rng.integers(0, length, len(who))
    order = np.argsort(where)
    who, where = who[order], where[order]
    becomes = pool[rng.integers(0, len(pool), len(who))]
    source = pool[rng.integers(0, len(pool), 2 * n)]

    sites, samples = len(region.positions), len(names)
    group = zarr.open_group(path, mode="w", zarr_format=2)
    group.attrs["vcf_zarr_version"] = "0.4"
    bits = numcodecs.Blosc("zstd", 1, numcodecs.Blosc.BITSHUFFLE)
    text = np.dtypes.StringDType()

    def array(name: str, values: Any, chunks: tuple[int, ...]) -> None:
        made = group.create_array(name, shape=values.shape, chunks=chunks, dtype=values.dtype)
        made[...] = values

    array("variant_position", (region.positions + 1).astype(np.int32), (ROWS,))
    array("variant_contig", np.zeros(sites, np.int8), (ROWS,))
    array("contig_id", np.array([region.settings.chrom]).astype(text), (1,))
    array("contig_length", np.array([length]), (1,))
    array("filter_id", np.array(["PASS"]).astype(text), (1,))
    array("variant_filter", np.ones((sites, 1), bool), (ROWS, 1))
    array("sample_id", np.array(names).astype(text), (samples,))
    shape, chunks = (sites, samples, 2), (ROWS, COLUMNS, 2)
    genotype = group.create_array("call_genotype", shape=shape, chunks=chunks, dtype="i1", compressors=bits)
    phased = group.create_array(
        "call_genotype_phased", shape=shape[:2], chunks=chunks[:2], dtype=bool, compressors=bits
    )
    alleles = np.full((sites, 4), "", dtype=object)
    at = 0
    for begin in range(0, sites, ROWS):
        bases = region.alleles[begin : begin + ROWS]
        index = np.empty_like(bases)
        for row, (codes, here) in enumerate(zip(bases, index, strict=True)):
            first = int(region.reference[region.positions[begin + row]])
            listed = [first, *(int(c) for c in np.unique(codes) if c != first)]
            alleles[begin + row, : len(listed)] = ["ACGT"[c] for c in listed]
            for number, code in enumerate(listed):
                here[codes == code] = number
        rows = np.empty((len(bases), 2 * samples), np.int8)
        rows[:, : 2 * n] = index[:, source]
        rows[:, 2 * n :] = index[:, fixed]
        stop = int(np.searchsorted(where, region.positions[min(begin + ROWS, sites) - 1], side="right"))
        first_rows = np.searchsorted(region.positions[begin : begin + ROWS], where[at:stop])
        for h, row, new in zip(who[at:stop].tolist(), first_rows.tolist(), becomes[at:stop].tolist(), strict=True):
            rows[row:, h] = index[row:, new]
            source[h] = new
        at = stop
        genotype[begin : begin + ROWS] = rows.reshape(len(bases), samples, 2)
        phased[begin : begin + ROWS] = np.ones((len(bases), samples), bool)
    array("variant_allele", alleles.astype(text), (ROWS, 4))


def scan(folder: Path, threads: int) -> dict[str, float]:
    """Scan a store in a fresh process and return its seconds and peak memory in MiB."""
    command = [sys.executable, "-m", "genolstm", "introgression", "scan", "--vcf", folder / "store.vcz"]
    for role in ("target", "outgroup", "archaic"):
        command += [f"--{role}", folder / f"{role}.txt"]
    command += ["-o", folder / "out.bed", "--threads", threads, "--force", "--quiet"]
    start = time.perf_counter()
    process = subprocess.Popen([str(word) for word in command])
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    if os.waitstatus_to_exitcode(status):
        raise SystemExit("the scan failed")
    segments = sum(not line.startswith("#") for line in (folder / "out.bed").read_text().splitlines())
    return {"wall": wall, "CPU": usage.ru_utime + usage.ru_stime, "peak": usage.ru_maxrss / 1024, "segments": segments}


def exponent(sizes: Sequence[int], values: Sequence[float]) -> float:
    """Return the slope of log(value) over log(size)."""
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", default="1250,2500,5000,10000")
    parser.add_argument("--length", type=int, default=5_000_000)
    parser.add_argument("--outgroup", type=int, default=100)
    parser.add_argument("--pool", type=int, default=100, help="simulated target individuals")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=520_000)
    options = parser.parse_args()
    sizes = [int(word) for word in options.samples.split(",")]
    settings = SimulationSettings(
        length=options.length, seed=options.seed, n_target=options.pool, n_outgroup=options.outgroup
    )
    region = simulate_region(settings)
    print(
        f"{options.length / 1e6:g} Mb, {len(region.positions)} sites, {options.outgroup} outgroup diploids, "
        f"mosaics of {2 * options.pool} haplotypes, {options.threads} threads"
    )
    print("samples  store MB    wall s     CPU s  peak MiB  segments")
    results = []
    with TemporaryDirectory() as name:  # compiles, once a machine
        write_mosaics(region, 300, Path(name) / "store.vcz", np.random.default_rng(0))
        scan(Path(name), options.threads)
    for n in sizes:
        with TemporaryDirectory() as name:
            folder = Path(name)
            write_mosaics(region, n, folder / "store.vcz", np.random.default_rng(options.seed))
            size = sum(file.stat().st_size for file in (folder / "store.vcz").rglob("*") if file.is_file())
            found = scan(folder, options.threads)
        results.append(found)
        print(
            f"{n:7d}  {size / 1e6:8.1f}  {found['wall']:8.1f}  {found['CPU']:8.1f}  {found['peak']:8.0f}  "
            f"{found['segments']:8.0f}",
            flush=True,
        )
    if len(sizes) > 1:
        shown = ", ".join(
            f"{name} {exponent(sizes, [r[name] for r in results]):.3f}" for name in ("wall", "CPU", "peak")
        )
        print(f"exponents: {shown}")


if __name__ == "__main__":
    main()
