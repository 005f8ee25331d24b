"""Memory, time and size of `panel build` as sequences grow, with and without a ceiling on memory.

    python benchmarks/panel_scale.py                                  # 25, 50 and 100 Mb x 10 haplotypes
    python benchmarks/panel_scale.py --lengths 5 10 --memory 512M 4G
    python benchmarks/panel_scale.py --json scale.json

Two fifths of every sequence are copies of repeat families that diverged by 2 to 20 %, and any two
haplotypes differ at one base in a thousand. Every build is a child process; its peak memory is what
the kernel reports for it. Panels of the same sequence must be the same bytes whatever the ceiling.
`jellyfish count` runs on the same files where it is installed (Debian's package of that name).
Compiled code comes from numba's cache: a first build, which is not counted, fills it.

Printed at the end: straight lines through the measured points, extended to genomes of 3 Gb.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

LETTERS = np.frombuffer(b"ACGT", dtype=np.uint8)
REPEATS = 0.4
DIVERGENCE = 0.001
GENOME = 3e9
# Packed input (0.25), records of the shards (1.22): what the temporary files take per base, measured at 10 x 5 Mb.
SCRATCH = 1.5


def ancestor(length: int, rng: np.random.Generator) -> np.ndarray:
    """Return random codes, of which a share of ``REPEATS`` are copies of diverged repeat families.

    Every family has its own length (300 to 6,000 bases) and divergence (2 to 20 %), as old and
    young transposons have; copies lie on either strand. Families do not become more numerous in
    longer sequences: their copies do.
    """
    codes = rng.integers(0, 4, length, dtype=np.uint8)
    families = [
        (rng.integers(0, 4, int(size), dtype=np.uint8), float(rng.uniform(0.02, 0.2)))
        for size in np.exp(rng.uniform(np.log(300), np.log(6000), 60))
    ]
    # Copies overlap those before: going on until the copies' total length is -log(1 - share) covers the share.
    left = -np.log(1 - REPEATS) * length
    while left > 0:
        unit, divergence = families[int(rng.integers(len(families)))]
        copy = unit.copy()
        changed = np.flatnonzero(rng.random(copy.size) < divergence)
        copy[changed] = (copy[changed] + rng.integers(1, 4, changed.size, dtype=np.uint8)) & 3
        if rng.random() < 0.5:
            copy = 3 - copy[::-1]
        place = int(rng.integers(0, length - copy.size))
        codes[place : place + copy.size] = copy
        left -= copy.size
    return codes


def write_group(path: Path, number: int, length: int, seed: int, width: int = 80) -> None:
    """Write haplotypes that each differ from their ancestor at half of ``DIVERGENCE`` of the bases."""
    rng = np.random.default_rng(seed)
    codes = ancestor(length, rng)
    with path.open("wb") as stream:
        for haplotype in range(number):
            child = codes.copy()
            sites = rng.integers(0, length, int(length * DIVERGENCE / 2))
            child[sites] = (child[sites] + rng.integers(1, 4, sites.size, dtype=np.uint8)) & 3
            stream.write(b">sample%d_hap1\n" % haplotype)
            letters = LETTERS[child]
            whole = length // width * width
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


def digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def kmers(path: Path) -> int:
    told = subprocess.run(
        [sys.executable, "-m", "genolstm", "panel", "info", str(path), "--json"], check=True, capture_output=True
    )
    return int(json.loads(told.stdout)["n_kmers"])


def line(points: list[tuple[float, float]]) -> tuple[float, float]:
    """Return slope and intercept of the straight line through points (least squares)."""
    x, y = np.array(points).T
    slope = float(np.polyfit(x, y, 1)[0]) if len(points) > 1 else 0.0
    return slope, float(y.mean() - slope * x.mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lengths", type=float, nargs="+", default=[25, 50, 100], help="megabases per haplotype")
    parser.add_argument("--haplotypes", type=int, default=10)
    parser.add_argument("--memory", nargs="+", default=["4G", "512M"], help="ceilings on memory")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="where the files go")
    parser.add_argument("--no-jellyfish", action="store_true", help="leave the comparison out")
    parser.add_argument("--json", type=Path, help="write the figures here")
    args = parser.parse_args()
    rows: list[dict[str, float | str]] = []

    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        folder = Path(name)
        build = [sys.executable, "-m", "genolstm", "panel", "build", "-q", "--force", "-t", str(args.threads)]
        fasta, panel = folder / "group.fa", folder / "group.panel"
        fasta.write_text(">a\n" + "ACGTTGCATC" * 10 + "\n")
        child([*build, str(fasta), "-o", str(panel)])  # fills the cache of compiled code
        print(f"{'Mb':>5} {'':<24}{'peak':>9}{'a base':>9}{'CPU':>8}{'wall':>8}{'Mb/s of CPU':>13}")

        def show(length: float, what: str, use: dict[str, float]) -> None:
            rows.append({"length_mb": length, "what": what, **use})
            print(
                f"{length:>5g} {what:<24}{use['peak_mb']:>6,.0f} MB{use['peak_mb'] / length:>7.1f} B{use['cpu_s']:>6.0f} s"
                f"{use['wall_s']:>6.0f} s{args.haplotypes * length / use['cpu_s']:>13.1f}",
                flush=True,
            )

        for length in args.lengths:
            write_group(fasta, args.haplotypes, int(length * 1e6), args.seed)
            seen = set()
            for memory in args.memory:
                use = child([*build, "--memory", memory, str(fasta), "-o", str(panel)])
                show(length, f"--memory {memory}", use)
                seen.add(digest(panel))
            if len(seen) > 1:
                raise SystemExit("the panels differ")
            n = kmers(panel)
            size = panel.stat().st_size / n
            rows.append({"length_mb": length, "what": "panel", "kmers": n, "bytes_per_kmer": size})
            print(f"{length:>5g} the same panel each time: {n:,} k-mers, {size:.2f} bytes each")
            if shutil.which("jellyfish") and not args.no_jellyfish:
                jelly = ["jellyfish", "count", "-m", "31", "-C", "-s", str(2 * n), "-t", str(args.threads)]
                show(length, "jellyfish count", child([*jelly, "-o", str(folder / "group.jf"), str(fasta)]))
                (folder / "group.jf").unlink()

        genome = GENOME / 1e6
        print(f"\n{args.haplotypes} genomes of {GENOME / 1e9:g} Gb, by straight lines through these points:")
        for memory in args.memory:
            of_one = [row for row in rows if row["what"] == f"--memory {memory}"]
            peak, cpu = (
                line([(float(row["length_mb"]), float(row[key])) for row in of_one]) for key in ("peak_mb", "cpu_s")
            )
            print(
                f"--memory {memory}: {(peak[0] * genome + peak[1]) / 1024:.1f} GiB of memory, or the ceiling if that is "
                f"less ({peak[0]:.1f} MB per Mb); {(cpu[0] * genome + cpu[1]) / 3600:.1f} h of CPU, in shards more"
            )
        panels = [(float(r["length_mb"]), float(r["kmers"]) * float(r["bytes_per_kmer"])) for r in rows if "kmers" in r]
        slope, base = line(panels)
        print(f"panel: {(slope * genome + base) / 1e9:.1f} GB")
        print(
            f"temporary files: {SCRATCH * args.haplotypes * GENOME / 1e9:.0f} GB ({SCRATCH} bytes per base of the input)"
        )
    if args.json:
        args.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
