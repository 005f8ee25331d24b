"""Memory and time of a scan of FASTA as sequences grow, with and without a ceiling on memory.

    python benchmarks/panel_scan.py [--lengths 25 50 100] [--memory 4G 384M]

Sequences are those of `panel_scale.py` (two fifths repeats at 2 to 20 %). The archaic is the same ancestor with
differences of its own; each query haplotype has a tract of it, 100 kb, in every 5 Mb. Every scan is a child process
with one thread, and its peak is what the kernel reports: the process, the pages of the mapped panels, one sequence,
and, with sharing, the k-mers of the query. The segments must be the same, byte for byte.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
from panel_scale import DIVERGENCE, LETTERS, SPAWN, ancestor, child, line

TRACT, EVERY = 100_000, 5_000_000


def write_all(folder: Path, number: int, length: int, seed: int) -> None:
    """Write outgroup, archaic and query, each with differences of its own."""
    rng = np.random.default_rng(seed)
    codes = ancestor(length, rng)

    def changed(source: np.ndarray, share: float) -> np.ndarray:
        copy = source.copy()
        sites = rng.integers(0, length, int(length * share))
        copy[sites] = (copy[sites] + rng.integers(1, 4, sites.size, dtype=np.uint8)) & 3
        return copy

    archaic = changed(codes, 2 * DIVERGENCE)
    (folder / "archaic.fa").write_bytes(b">archaic_hap1\n" + LETTERS[archaic].tobytes() + b"\n")
    for name, tracts in (("outgroup", False), ("query", True)):
        with (folder / f"{name}.fa").open("wb") as stream:
            for haplotype in range(number):
                own = changed(codes, DIVERGENCE / 2)
                for start in range(int(rng.integers(0, EVERY)), length - TRACT, EVERY) if tracts else ():
                    own[start : start + TRACT] = archaic[start : start + TRACT]
                stream.write(b">%s%d_hap1#chr1\n" % (name.encode(), haplotype) + LETTERS[own].tobytes() + b"\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--lengths", type=float, nargs="+", default=[25, 50, 100], help="megabases per haplotype")
    parser.add_argument("--haplotypes", type=int, default=10)
    parser.add_argument("--memory", nargs="+", default=["4G", "384M"], help="ceilings on memory")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="where the files go")
    args = parser.parse_args()
    program = [sys.executable, "-m", "genolstm"]
    ways = {"no sharing": ["--no-sharing"], **{f"sharing, --memory {m}": ["--memory", m] for m in args.memory}}
    peaks: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    print(f"seed {args.seed}, {args.haplotypes} haplotypes of the query and of the outgroup")
    for length in args.lengths:
        with tempfile.TemporaryDirectory(dir=args.folder) as name:
            folder = Path(name)
            # In a process of its own: a child's peak, as the kernel reports it, is never below its parent's.
            writer = SPAWN.Process(target=write_all, args=(folder, args.haplotypes, int(length * 1e6), args.seed))
            writer.start()
            writer.join()
            if writer.exitcode:
                raise SystemExit("the sequences cannot be written")
            for role in ("archaic", "outgroup"):
                child(
                    [*program, "panel", "build", "-q", str(folder / f"{role}.fa"), "-o", str(folder / f"{role}.panel")]
                )
            results: dict[str, bytes] = {}
            for way, options in ways.items():
                bed = folder / "x.bed"
                use = child(
                    [
                        *program,
                        "introgression",
                        "scan",
                        str(folder / "query.fa"),
                        "--archaic",
                        str(folder / "archaic.panel"),
                        "--outgroup",
                        str(folder / "outgroup.panel"),
                        "-q",
                        "-t",
                        "1",
                        "--force",
                        "-o",
                        str(bed),
                        *options,
                    ]
                )
                peaks[way].append((length, use["peak_mb"]))
                results[way] = bed.read_bytes()
                print(
                    f"{length:>5g} Mb  {way:<24}{use['peak_mb']:>7,.0f} MB{use['peak_mb'] / length:>7.1f} bytes a base"
                    f"{use['cpu_s']:>7.0f} s of CPU, {len(results[way].splitlines()) - 1} segments",
                    flush=True,
                )
            if len({text for way, text in results.items() if way != "no sharing"}) > 1:
                raise SystemExit("the segments differ")
    for way, points in peaks.items():
        slope, base = line(points)
        print(f"{way}: {slope:.1f} bytes a base and {base:.0f} MB; at 250 Mb {slope * 250 + base:,.0f} MB")


if __name__ == "__main__":
    main()
