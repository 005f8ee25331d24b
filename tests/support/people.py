"""A small project for the introgression workflow: people on two chromosomes, in two batches."""

from __future__ import annotations

import gzip
from pathlib import Path

from support import EXAMPLE

#: What is scanned of each chromosome, in bp, 0-based half-open; two tracts are in it.
START, END = 400_000, 600_000
CHROMS = ("chr20", "chr21")
CONFIG = """
samples: config/samples.tsv
outputs:
  posteriors: false
  evidence: true
  report: false
vcf:
  files: data/people.{chrom}.vcf.gz
  chromosomes: [chr20, chr21]
  targets: [EUR]
  outgroup: [YRI]
  archaic_files:
    neanderthal: data/archaic.{chrom}.vcf.gz
  archaic: {neanderthal: [NeaA0]}
  regions: data/regions.bed
"""


def two_chromosomes(folder: Path) -> Path:
    """Write a project whose two chromosomes are both the end of the example's, so that they have the same segments."""
    data, config = folder / "data", folder / "config"
    data.mkdir(parents=True)
    config.mkdir()
    for name in ("people", "archaic"):
        lines = gzip.decompress((EXAMPLE / f"{name}.vcf.gz").read_bytes()).decode().splitlines(keepends=True)
        kept = [line for line in lines if line.startswith("#") or START < int(line.split("\t", 2)[1]) <= END]
        for chrom in CHROMS:
            text = "".join(kept).replace("chr21", chrom)
            (data / f"{name}.{chrom}.vcf.gz").write_bytes(gzip.compress(text.encode(), 1, mtime=0))
    (data / "regions.bed").write_text("".join(f"{chrom}\t{START}\t{END}\n" for chrom in CHROMS))
    write_samples(folder, {"CEU0": "a", "CEU1": "a", "CEU2": "b"})
    (config / "config.yaml").write_text(CONFIG)
    return folder


def write_samples(folder: Path, batches: dict[str, str]) -> None:
    """Write the sheet of a project, with these batches."""
    rows = [line.split("\t") for line in (EXAMPLE / "people.tsv").read_text().splitlines()[1:]]
    lines = ["sample\tpop\tsuper_pop\tbatch"]
    lines += ["\t".join([*row[:3], batches.get(row[0], "")]) for row in rows]
    (folder / "config" / "samples.tsv").write_text("\n".join(lines) + "\n")
