"""Make ``example_data/``: one simulated region in every format that the commands read.

Seeds are tried in increasing order until at least six tracts lie on at least four of the six query
haplotypes and none is shorter than 25 kb; no model is consulted. Short tracts are hard to find: how
many are found is a question for the benchmark, whereas an example should show what works.

    python scripts/make_example_data.py example_data
"""

from __future__ import annotations

import argparse
import gzip
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from Bio.bgzf import BgzfWriter

from genolstm.introgression.simulate import SimulatedRegion, SimulationSettings, simulate_region
from genolstm.runs.simulate import write_simulation
from genolstm.sequences.panel.build import build_panel

SETTINGS = SimulationSettings(length=600_000, seed=41_000, n_target=3, n_outgroup=50, n_archaic=1, chrom="chr21")


def suitable(region: SimulatedRegion) -> bool:
    """Return whether the region contains enough tracts to find."""
    carriers = {(tract.sample, tract.haplotype) for tract in region.truth}
    shortest = min((tract.end - tract.start for tract in region.truth), default=0)
    return len(region.truth) >= 6 and len(carriers) >= 4 and shortest >= 25_000


def head(region: SimulatedRegion, samples: list[str], *more: str) -> str:
    """Return the header of a VCF."""
    settings = region.settings
    lines = [
        "##fileformat=VCFv4.2",
        "##source=genolstm simulate",
        f"##contig=<ID={settings.chrom},length={settings.length}>",
        *more,
        '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">',
        "\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *samples]),
    ]
    return "".join(line + "\n" for line in lines)


def records(region: SimulatedRegion, samples: list[str], sign: str, *, blocks: bool = False) -> Iterator[str]:
    """Yield the records at which these samples differ from the reference; with blocks, also what lies between."""
    chosen = [2 * region.samples.index(name) + h for name in samples for h in (0, 1)]
    chrom, calls = region.settings.chrom, "\t".join([f"0{sign}0"] * len(samples))
    at = 0

    def block(end: int) -> Iterator[str]:
        if blocks and end > at:
            base = "ACGT"[region.reference[at]]
            yield f"{chrom}\t{at + 1}\t.\t{base}\t<NON_REF>\t.\tPASS\tEND={end}\tGT\t{calls}\n"

    for position, row in zip(region.positions.tolist(), region.alleles[:, chosen], strict=True):
        ref = int(region.reference[position])
        alts = sorted(set(row.tolist()) - {ref})
        if not alts:
            continue
        yield from block(position)
        index = {ref: 0, **{a: i for i, a in enumerate(alts, start=1)}}
        genotypes = "\t".join(f"{index[a]}{sign}{index[b]}" for a, b in zip(row[::2], row[1::2], strict=True))
        alt = ",".join("ACGT"[a] for a in alts)
        yield f"{chrom}\t{position + 1}\t.\t{'ACGT'[ref]}\t{alt}\t.\tPASS\t.\tGT\t{genotypes}\n"
        at = position + 1
    yield from block(region.settings.length)


def write_as_people_have_it(region: SimulatedRegion, folder: Path) -> None:
    """Write one VCF of the modern samples with a table of populations, and the archaic's own files."""
    of_role = {
        role: [name for name, given in zip(region.samples, region.populations, strict=True) if given == role]
        for role in ("target", "outgroup", "archaic")
    }
    modern, archaic = of_role["target"] + of_role["outgroup"], of_role["archaic"]
    end = '##INFO=<ID=END,Number=1,Type=Integer,Description="End of a block">'
    files = {
        "people.vcf.gz": (head(region, modern), records(region, modern, "|")),
        "archaic.vcf.gz": (head(region, archaic), records(region, archaic, "/")),
        "archaic.g.vcf.gz": (head(region, archaic, end), records(region, archaic, "/", blocks=True)),
    }
    for name, (header, lines) in files.items():
        with (folder / name).open("wb") as raw:
            stream = BgzfWriter(fileobj=raw, compresslevel=9)
            stream.write(header.encode())
            for line in lines:
                stream.write(line.encode())
            stream.close()
    regions = {"target": "EUR", "outgroup": "AFR"}
    table = ["sample\tpop\tsuper_pop"]
    for role, wide in regions.items():
        table += [f"{name}\t{getattr(region.settings, role)}\t{wide}" for name in of_role[role]]
    (folder / "people.tsv").write_text("\n".join(table) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    seed = SETTINGS.seed
    while not suitable(region := simulate_region(replace(SETTINGS, seed=seed))):
        seed += 1
    folder.mkdir(exist_ok=True)
    with TemporaryDirectory() as name:
        work = Path(name)
        write_simulation(region, work)
        for role in ("archaic", "outgroup"):
            build_panel([work / f"{role}.fa.gz"]).save(folder / f"{role}.panel", force=True)
        for member in ("region.vcf.gz", "truth.bed", "simulation.json", "target.txt", "outgroup.txt", "archaic.txt"):
            (folder / member).write_bytes((work / member).read_bytes())
        write_as_people_have_it(region, folder)
        sequence = gzip.decompress((work / "target.fa.gz").read_bytes())
        (folder / "query.fa.gz").write_bytes(gzip.compress(sequence, 9, mtime=0))
    for path in sorted(folder.iterdir()):
        print(f"{path.stat().st_size:>9} {path.name}")
    print(f"seed {seed}: {len(region.truth)} tracts")


if __name__ == "__main__":
    main()
