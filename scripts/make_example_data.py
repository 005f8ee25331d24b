"""Make ``example_data/``: one simulated region in every format that the commands read.

Seeds are tried in increasing order until at least six tracts lie on at least four of the six query
haplotypes and none is shorter than 25 kb; no model is consulted. Short tracts are hard to find: how
many are found is a question for the benchmark, whereas an example should show what works.

    python scripts/make_example_data.py example_data
"""

from __future__ import annotations

import argparse
import gzip
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from genolstm.introgression.simulate import SimulatedRegion, SimulationSettings, simulate_region
from genolstm.runs.simulate import write_simulation
from genolstm.sequences.panel.build import build_panel

SETTINGS = SimulationSettings(length=600_000, seed=41_000, n_target=3, n_outgroup=50, n_archaic=1, chrom="chr21")


def suitable(region: SimulatedRegion) -> bool:
    """Return whether the region contains enough tracts to find."""
    carriers = {(tract.sample, tract.haplotype) for tract in region.truth}
    shortest = min((tract.end - tract.start for tract in region.truth), default=0)
    return len(region.truth) >= 6 and len(carriers) >= 4 and shortest >= 25_000


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
        sequence = gzip.decompress((work / "target.fa.gz").read_bytes())
        (folder / "query.fa.gz").write_bytes(gzip.compress(sequence, 9, mtime=0))
    for path in sorted(folder.iterdir()):
        print(f"{path.stat().st_size:>9} {path.name}")
    print(f"seed {seed}: {len(region.truth)} tracts")


if __name__ == "__main__":
    main()
