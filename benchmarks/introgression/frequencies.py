"""What allele frequencies as an outgroup lose against its genotypes.

Replicates are simulated; the frequencies are those of the outgroup itself, or of a larger sample of
the same population, as a public data base has them.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from genolstm.introgression.doors.vcf import VcfDoor
from genolstm.introgression.evaluate import Pieces, pieces_of_posteriors, rank
from genolstm.introgression.model import IntrogressionClassifier
from genolstm.introgression.settings import SimulationSettings
from genolstm.introgression.simulate import SimulatedRegion, simulate_region
from genolstm.runs.simulate import write_simulation_vcf


def write_frequencies(region: SimulatedRegion, individuals: Sequence[int], path: Path) -> None:
    """Write a VCF without genotypes: the frequency of each allele among some individuals."""
    columns = [2 * i + h for i in individuals for h in (0, 1)]
    chrom = region.settings.chrom
    with path.open("w") as stream:
        stream.write("##fileformat=VCFv4.2\n")
        stream.write(f"##contig=<ID={chrom},length={region.settings.length}>\n")
        stream.write("\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO"]) + "\n")
        for position, row in zip(region.positions.tolist(), region.alleles[:, columns], strict=True):
            ref = int(region.reference[position])
            alts = sorted(set(row.tolist()) - {ref})
            if alts:
                shares = ",".join(f"{(row == a).mean():.6g}" for a in alts)
                info = f"AN={len(columns)};AF={shares}"
                words = [chrom, position + 1, ".", "ACGT"[ref], ",".join("ACGT"[a] for a in alts), ".", "PASS", info]
                stream.write("\t".join(map(str, words)) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--replicates", type=int, default=4)
    parser.add_argument("--first-seed", type=int, default=510_000)
    parser.add_argument("--length", type=int, default=5_000_000)
    parser.add_argument("--larger", type=int, default=500, help="Individuals behind the data base's frequencies.")
    parser.add_argument("--model", default="archaic")
    arguments = parser.parse_args()
    model = IntrogressionClassifier.load(arguments.model)
    settings = SimulationSettings(length=arguments.length, n_outgroup=arguments.larger)
    found: dict[str, list[Pieces]] = {}
    for seed in range(arguments.first_seed, arguments.first_seed + arguments.replicates):
        start = time.perf_counter()
        region = simulate_region(replace(settings, seed=seed))
        outgroup = region.individuals("outgroup")
        names = {role: [region.samples[i] for i in region.individuals(role)] for role in ("target", "archaic")}
        with TemporaryDirectory() as folder:
            vcf, own, larger = (Path(folder) / name for name in ("region.vcf.gz", "own.vcf", "larger.vcf"))
            write_simulation_vcf(region, vcf)
            write_frequencies(region, outgroup[:100], own)
            write_frequencies(region, outgroup, larger)
            doors = {
                "genotypes of 100": VcfDoor(vcf, outgroup=[region.samples[i] for i in outgroup[:100]], **names),
                "frequencies of the same 100": VcfDoor(vcf, outgroup_frequencies=own, field="AF", **names),
                f"frequencies of {len(outgroup)}": VcfDoor(vcf, outgroup_frequencies=larger, field="AF", **names),
            }
            for name, door in doors.items():
                found.setdefault(name, []).append(
                    pieces_of_posteriors(model.posteriors(model.open(door)), region.truth)
                )
        row = "  ".join(f"{name}: AP {rank(pieces[-1]).ap:.3f}" for name, pieces in found.items())
        print(f"  seed {seed}: {row}  ({time.perf_counter() - start:.0f} s)", flush=True)
    print("\n| outgroup | AP |\n| --- | --- |")
    for name, pieces in found.items():
        print(f"| {name} | {rank(Pieces.pool(pieces)).ap:.3f} |")


if __name__ == "__main__":
    main()
