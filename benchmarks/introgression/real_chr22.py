"""A look at real data: 1 Mb of chromosome 22 (hg19), 1000 Genomes CEU against YRI.

There is no truth here. Three things are printed: how much of CEU and, as a control, of YRI
haplotypes held out of the outgroup is called; how the called stretches of the chromosome lie in the
union of published maps; and how much would by chance (the share of the region that the maps cover).
The files are not part of this project; the folder is named on the command line.

    python benchmarks/introgression/real_chr22.py FOLDER
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from genolstm import IntrogressionClassifier
from genolstm.introgression.doors.vcf import VcfDoor

REGION = ("22", 21_000_000, 22_000_000)


def covered(path: Path) -> np.ndarray:
    """Return how many published maps cover each base of the region."""
    chrom, start, end = REGION
    depth = np.zeros(end - start, dtype=np.int16)
    for line in path.read_text().splitlines():
        name, a, b, *_ = line.split("\t")
        if name.removeprefix("chr") == chrom and int(a) < end and int(b) > start:
            depth[max(int(a) - start, 0) : int(b) - start] += 1
    return depth


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="archaic")
    parser.add_argument("--archaic", default="AltaiNeandertal,Vindija33.19")
    arguments = parser.parse_args()
    folder: Path = arguments.folder
    vcf = folder / "1000g.Nea.22.1mb.vcf.gz"
    ceu, yri = ((folder / f"{name}.samples.txt").read_text().split() for name in ("CEU", "YRI"))
    model = IntrogressionClassifier.load(arguments.model)
    maps = covered(folder / "published_maps.chr22.bed")
    half = len(yri) // 2
    archaic = arguments.archaic.split(",")
    print(f"archaic: {', '.join(archaic)}; maps cover {100 * (maps > 0).mean():.1f} % of the region")
    for label, target, outgroup in (
        (f"{len(ceu)} CEU against {len(yri)} YRI", ceu, yri),
        (f"{half} YRI against {len(yri) - half} other YRI (control)", yri[:half], yri[half:]),
    ):
        door = VcfDoor(vcf, target, outgroup, archaic)
        result = model.open(door)
        segments = result.segments()
        total = sum(s.end - s.start for s in segments)
        share = total / (2 * len(target) * (REGION[2] - REGION[1]))
        print(f"{label}: {len(segments)} segments, {100 * share:.2f} % of the haplotypes")
        for source in sorted({s.source for s in segments}):
            named = [s.end - s.start for s in segments if s.source == source]
            part = 100 * sum(named) / (2 * len(target) * (REGION[2] - REGION[1]))
            print(f"  {source}: {len(named)} segments, {part:.3f} % of the haplotypes")
        carried = np.zeros(len(maps), dtype=bool)
        for s in segments:
            carried[max(s.start - REGION[1], 0) : s.end - REGION[1]] = True
        if carried.any():
            for least in (3, 6, 8):
                inside = (maps[carried] >= least).mean()
                print(
                    f"  of what is called in anyone, {100 * inside:.1f} % lies in at least {least} published maps ({100 * (maps >= least).mean():.1f} % of the region does)"
                )
        for line in (*door.left_out(), *door.warnings()):
            print(f"  {line}")


if __name__ == "__main__":
    main()
