"""Simulated sets with known tracts, as VCF files that any program can read; `protocol.py` and the Snakefile scan them.

A set is one VCF of several chromosomes, each from a seed of its own, so that whoever reads it sees
as much as in a real chromosome. The worlds are those of `scripts/archaic/worlds.py`; seeds from 6,000,000 on
are the benchmark's own: nothing was trained or chosen on them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import msprime
import numpy as np

from genolstm.bgzf import BgzfWriter
from genolstm.files import atomic_path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts" / "archaic"))
from make_tracks import Spans, spoilt_archaic, stretches, within
from worlds import MAIN, Region, World, clean, published, simulate

BIN = 1000
FIRST_SEED = 6_000_000
SOURCES = ("nea", "den", "gho")


@dataclass(frozen=True)
class Set:
    """What is simulated; sizes in diploids. ``twin`` names the set whose haplotypes this one spoils."""

    name: str
    world: Callable[[], World]
    chromosomes: int = 5
    length: int = 4_000_000
    n_target: int = 10
    n_outgroup: int = 100
    spoil: str = ""
    twin: str | None = None
    archaics: tuple[str, ...] = ("nea",)


def _main(target: str, **changes: float) -> Callable[[], World]:
    def make() -> World:
        return replace(published(MAIN, np.random.default_rng(0), target=target), **changes)

    return make


def _published(name: str) -> Callable[[], World]:
    return lambda: published(name, np.random.default_rng(0))


def _own(population: str, of: Callable[[], World]) -> Callable[[], World]:
    """Return the same world with other people as targets."""
    return lambda: replace(of(), target=population)


def admixed(share: float = 0.5, generations: int = 12) -> World:
    """Return the main model with a population that half descends from each, some generations ago."""
    world = published(MAIN, np.random.default_rng(0), target="CEU")
    demography = world.demography
    demography.add_population(name="ADM", initial_size=10_000)
    demography.add_admixture(time=generations, derived="ADM", ancestral=["CEU", "YRI"], proportions=[1 - share, share])
    demography.sort_events()
    return replace(world, target="ADM")


def ghost(proportion: float = 0.02) -> World:
    """Return a world whose donor left the archaics' stem long before the two that are sampled parted."""
    demography = msprime.Demography()
    sizes = {"AFR": 14000, "EUR": 12000, "NEA": 2000, "DEN": 2500, "GHO": 3000, "SIS": 3000, "ARC": 5000}
    for name, size in (sizes | {"STEM": 12000, "ROOT": 14000}).items():
        demography.add_population(name=name, initial_size=size)
    demography.add_population_parameters_change(time=900, initial_size=2500, population="EUR")
    demography.add_mass_migration(time=1900, source="EUR", dest="GHO", proportion=proportion)
    demography.add_population_split(time=2600, derived=["AFR", "EUR"], ancestral="STEM")
    demography.add_population_split(time=14_000, derived=["NEA", "DEN"], ancestral="SIS")
    demography.add_population_split(time=19_000, derived=["SIS", "GHO"], ancestral="ARC")
    demography.add_population_split(time=21_000, derived=["STEM", "ARC"], ancestral="ROOT")
    demography.sort_events()
    return World(
        "ghost",
        demography,
        "EUR",
        "AFR",
        {"nea": ("NEA", 2500.0), "den": ("DEN", 2200.0)},
        {"gho": ("GHO",)},
        {"NEA", "DEN", "GHO", "SIS", "ARC"},
        1.4e-8,
        1e-8,
    )


def _sets() -> list[Set]:
    ceu, nea_den = _main("CEU"), ("nea", "den")
    twins = [
        Set(f"ceu, {spoil}", ceu, spoil=spoil, twin="ceu")
        for spoil in (
            "outgroup of 10",
            "archaic at 1x",
            "5 % missing",
            "1 % switch errors",
            "one haplotype at a time",
            "mask 50 %",
            "mask 90 %",
            "mask 100 kb",
            "1 site per kb",
            "1 of their own sites per kb",
        )
    ]
    return [
        Set("ceu", ceu, archaics=nea_den),
        *twins,
        Set("papuan", _main("Papuan", recombination_rate=1e-8), n_outgroup=50, archaics=nea_den),
        Set("ghost", ghost, n_outgroup=50, archaics=nea_den),
        Set("clean 2 %", clean, n_outgroup=50),
        Set("9K19", _published("AncientEurasia_9K19"), n_outgroup=50),
        Set("3I21", _published("OutOfAfricaExtendedNeandertalAdmixturePulse_3I21")),
        Set("5R19", _published("OutOfAfricaArchaicAdmixture_5R19")),
        *(
            Set(f"clean {100 * p:g} %", lambda p=p: clean(proportion=p), n_outgroup=50)
            for p in (0.003, 0.01, 0.04, 0.06)
        ),
        Set("clean 0 %", lambda: clean(proportion=0.0), n_outgroup=50),
        Set("clean, outgroup people", _own("AFR", clean), n_outgroup=50),
        Set("YRI against YRI", _own("YRI", ceu)),
        Set("half CEU, half YRI", admixed),
    ]


SETS = {one.name: one for one in _sets()}


#: A set keeps its seeds when others are added.
_NUMBERS = {name: i + (i > 0) * 9 for i, name in enumerate(one for one in SETS if SETS[one].twin is None)}


def seeds(of: Set) -> list[int]:
    """Return the seeds of a set's chromosomes; a spoilt set has its twin's."""
    number = _NUMBERS[of.twin or of.name]
    return [FIRST_SEED + 100 * number + i for i in range(of.chromosomes)]


def _switched(random: np.random.Generator, region: Region, rate: float, length: int) -> None:
    """Switch the phase at a share of each person's heterozygous sites, and the truth along with it."""
    middles = (np.arange(length // BIN) + 0.5) * BIN
    for i in range(0, region.target.shape[1], 2):
        pair = region.target[:, i : i + 2]
        het = np.flatnonzero(pair[:, 0] != pair[:, 1])
        at = het[random.random(len(het)) < rate]
        flip = np.searchsorted(at, np.arange(len(pair)), side="right") % 2 == 1
        pair[flip] = pair[flip][:, ::-1]
        flip = np.searchsorted(region.positions[at], middles, side="right") % 2 == 1
        for shares in region.truth.values():
            shares[i : i + 2, flip] = shares[i : i + 2][::-1][:, flip]


def _spoilt(of: Set, region: Region, random: np.random.Generator, length: int) -> tuple[Region, Spans]:
    """Return what is left of a region, and the stretches that are masked."""
    masks: Spans = []
    if of.spoil == "outgroup of 10":
        region.outgroup = region.outgroup[:, :20]
    elif of.spoil == "archaic at 1x":
        region.archaics = {
            name: np.repeat(spoilt_archaic(random, alleles, region.positions, length, "1x"), 2, axis=1)
            for name, alleles in region.archaics.items()
        }
    elif of.spoil == "5 % missing":
        region.target[random.random(region.target.shape) < 0.05] = -1
    elif of.spoil == "1 % switch errors":
        _switched(random, region, 0.01, length)
    elif of.spoil == "mask 50 %":
        masks = stretches(random, length, 0.5, 300)
    elif of.spoil == "mask 90 %":
        masks = stretches(random, length, 0.9, 500)
    elif of.spoil == "mask 100 kb":
        masks = [(start, start + 100_000) for start in range(200_000, length - 100_000, 400_000)]
    if masks or "per kb" in of.spoil:
        kept = ~within(region.positions, masks)
        if of.spoil == "1 of their own sites per kb":  # as on a panel that was made of such people
            kept = (region.target != region.target[:, :1]).any(axis=1)
        if not masks:
            kept &= random.random(len(kept)) < length / 1000 / kept.sum()
        region = Region(
            region.positions[kept],
            region.target[kept],
            region.outgroup[kept],
            {name: alleles[kept] for name, alleles in region.archaics.items()},
            region.truth,
        )
    return region, masks


def sized(name: str, sizes: Mapping[str, int]) -> Set:
    """Return a set with other numbers of chromosomes, base pairs or people."""
    return replace(SETS[name], **sizes)


def _chromosome(job: tuple[str, dict[str, int], int, int]) -> tuple[bytes, Spans, dict[str, np.ndarray]]:
    """Return the records of one chromosome as text, its masks, and the true share of each source in each bin."""
    name, sizes, number, seed = job
    of = sized(name, sizes)
    region = simulate(
        of.world(), length=of.length, n_target=of.n_target, n_outgroup=of.n_outgroup, seed=seed, bin_size=BIN
    )
    region, masks = _spoilt(of, region, np.random.default_rng([seed, 0x5A]), of.length)
    groups = [region.target, region.outgroup, *(region.archaics[source] for source in of.archaics)]
    alleles = np.concatenate(groups, axis=1)
    n, width = alleles.shape
    text = np.full((n, 2 * width), ord("|"), dtype=np.uint8)
    text[:, ::2] = np.where(alleles < 0, ord("."), alleles + ord("0"))
    text[:, 3::4] = ord("\t")
    if of.spoil == "one haplotype at a time":  # as if each person had one only
        keep = np.ones(text.shape[1], bool)
        keep[: 4 * of.n_target].reshape(-1, 4)[:, 1:3] = False
        text = text[:, keep]
    text[:, -1] = ord("\n")
    most = alleles.max(axis=1)
    alts = [".", "C", "C,G", "C,G,T"]
    lines = [
        b"chr%d\t%d\t.\tA\t%s\t.\tPASS\t.\tGT\t%s" % (number, position + 1, alts[m].encode(), row.tobytes())
        for position, m, row in zip(region.positions.tolist(), most.tolist(), text, strict=True)
    ]
    return b"".join(lines), masks, region.truth


def names(of: Set) -> dict[str, list[str]]:
    """Return the samples of each role."""
    n_outgroup = 10 if of.spoil == "outgroup of 10" else of.n_outgroup
    return {
        "target": [f"T{i}" for i in range(of.n_target)],
        "outgroup": [f"O{i}" for i in range(n_outgroup)],
        **{source: [source.upper()] for source in of.archaics},
    }


def folder_of(name: str, folder: Path) -> Path:
    """Return where a set lies."""
    return folder / name.replace(" ", "_").replace(",", "").replace("%", "percent")


def lengths(path: Path) -> dict[str, int]:
    """Return the lengths of the chromosomes of a set."""
    lines = (path / "genome.txt").read_text().splitlines()
    return {chrom: int(length) for chrom, length in (line.split("\t") for line in lines)}


def people(path: Path, role: str) -> list[str]:
    """Return the samples of a role in a set."""
    return (path / f"{role}.txt").read_text().split()


def truth(path: Path) -> np.ndarray:
    """Return the true share of each source (see SOURCES), shape (haplotypes, chromosomes, bins, sources)."""
    with np.load(path / "truth.npz") as kept:
        shares: np.ndarray = kept["true"] / np.float32(255)
    return shares


def make(of: Set, path: Path, *, jobs: int = 1) -> None:
    """Write a set's VCF, its mask, lists of its samples and chromosomes, and its truth, unless they are there."""
    path.mkdir(parents=True, exist_ok=True)
    who = names(of)
    for role, samples in who.items():
        (path / f"{role}.txt").write_text("\n".join(samples) + "\n")
    (path / "genome.txt").write_text("".join(f"chr{i + 1}\t{of.length}\n" for i in range(of.chromosomes)))
    if (path / "truth.npz").exists():
        return
    header = ["##fileformat=VCFv4.2", '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">']
    header += [f"##contig=<ID=chr{i + 1},length={of.length}>" for i in range(of.chromosomes)]
    columns = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT"]
    header.append("\t".join(columns + [sample for samples in who.values() for sample in samples]))
    sizes = {name: getattr(of, name) for name in ("chromosomes", "length", "n_target", "n_outgroup")}
    work = [(of.name, sizes, i + 1, seed) for i, seed in enumerate(seeds(of))]
    shares: list[dict[str, np.ndarray]] = []
    with (
        ProcessPoolExecutor(jobs) as pool,
        atomic_path(path / "set.vcf.gz", force=True) as part,
        part.open("wb") as raw,
        (path / "mask.bed").open("w") as mask,
    ):
        stream = BgzfWriter(raw)
        stream.write(("\n".join(header) + "\n").encode())
        for (_, _, number, _), (text, masks, of_chromosome) in zip(work, pool.map(_chromosome, work), strict=True):
            stream.write(text)
            mask.writelines(f"chr{number}\t{start}\t{end}\n" for start, end in masks)
            shares.append(of_chromosome)
        stream.close()
    # Shape (haplotypes, chromosomes, bins, sources), in units of 1 / 255.
    rows = of.n_target if of.spoil == "one haplotype at a time" else 2 * of.n_target
    true = np.zeros((rows, of.chromosomes, of.length // BIN, len(SOURCES)), np.uint8)
    for i, of_chromosome in enumerate(shares):
        for k, source in enumerate(SOURCES):
            if source in of_chromosome:
                of_source = of_chromosome[source]
                if rows < len(of_source):
                    of_source = of_source[::2]
                true[:, i, :, k] = np.rint(of_source * 255)
    with atomic_path(path / "truth.npz", force=True) as part, part.open("wb") as raw:
        np.savez_compressed(raw, true=true)


def write_tracts(path: Path) -> None:
    """Write the bins of which half or more is archaic, joined, as the segments of a scan are written."""
    lines = ["#chrom\tstart\tend\tname\tscore\tstrand\tsample\thaplotype"]
    share = np.clip(truth(path).sum(3), 0, 1)
    owners = people(path, "target")
    for k, chrom in enumerate(lengths(path)):
        for row, inside in enumerate(share[:, k] >= 0.5):
            edges = np.flatnonzero(np.diff(np.concatenate([[0], inside.astype(np.int8), [0]]))) * BIN
            for start, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
                lines.append(f"{chrom}\t{start}\t{end}\tarchaic\t0\t.\t{owners[row // 2]}\t{row % 2 + 1}")
    (path / "truth.bed").write_text("\n".join(lines) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description="Simulate one set.")
    parser.add_argument("name", choices=[name for name, of in SETS.items() if of.twin is None])
    parser.add_argument("folder", type=Path)
    for size in ("chromosomes", "length", "targets", "outgroup"):
        parser.add_argument(f"--{size}", type=int, required=True)
    told = parser.parse_args()
    sizes = {"chromosomes": told.chromosomes, "length": told.length}
    of = sized(told.name, sizes | {"n_target": told.targets, "n_outgroup": told.outgroup})
    make(of, told.folder)
    write_tracts(told.folder)
    print(f"{told.name}: seeds {seeds(of)[0]} to {seeds(of)[-1]}")


if __name__ == "__main__":
    main()
