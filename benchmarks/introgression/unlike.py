"""What the shipped model does on data unlike those of training, and whether a scan says so.

Each case is simulated for each seed: 4 Mb of PapuansOutOfAfrica_10J19 with 10 target and 100 outgroup diploids, a
Neanderthal and a Denisovan, unless its name says otherwise, or such a region spoilt. Printed are how many of the
regions are found unlike, the statistic that is farthest out, and, pooled over the regions, the average
precision, called over true base pairs at the threshold that a scan chooses, and the share called.

    python benchmarks/introgression/unlike.py [--seeds 6401 6402 6403] [--only yri admixed]
"""

from __future__ import annotations

import argparse
import collections
import copy
import functools
import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts" / "archaic"))
from worlds import MAIN, Region, World, clean, published, simulate

from genolstm import IntrogressionClassifier
from genolstm.introgression.dataset import LabelledTracks
from genolstm.introgression.evaluate import Pieces, rank
from genolstm.introgression.likeness import Comparison, Measured, Profile
from genolstm.introgression.segments import PosteriorBlock
from genolstm.introgression.settings import TRACKS
from genolstm.introgression.threshold import Levels
from genolstm.introgression.tracks import tracks_from_variants
from genolstm.introgression.variants.block import VariantBlock

LENGTH = 4_000_000
Maker = Callable[[int], Region]


def main_world(target: str = "CEU", outgroup: str = "YRI", **rates: float) -> World:
    world = published(MAIN, np.random.default_rng(0), target=target)
    world.outgroup = outgroup
    world.mutation_rate *= rates.get("mutation", 1)
    world.recombination_rate *= rates.get("recombination", 1)
    return world


def other_world(name: str) -> World:
    return published(name, np.random.default_rng(0))


def admixed(share: float) -> World:
    """Targets who are this share CEU and the rest YRI, of eight generations ago."""
    world = main_world()
    world.demography.add_population(name="ADM", initial_size=20_000)
    world.demography.add_admixture(time=8, derived="ADM", ancestral=["CEU", "YRI"], proportions=[share, 1 - share])
    world.demography.sort_events()
    world.target = "ADM"
    return world


def with_archaic(source: str, population: str) -> World:
    """A living person of a population takes the place of an archaic."""
    world = main_world()
    world.archaics[source] = (population, 0.0)
    return world


def distant_outgroup() -> World:
    """An outgroup that left all others 250,000 generations ago, as chimpanzees did."""
    world = main_world()
    world.demography.add_population(name="CHIMP", initial_size=20_000, initially_active=True)
    ends = [event.dest for event in world.demography.events if type(event).__name__ == "MassMigration"]
    world.demography.add_mass_migration(time=250_000, source="CHIMP", dest=ends[-1], proportion=1)
    world.demography.sort_events()
    world.outgroup = "CHIMP"
    return world


def of(world: World, n_target: int = 10, n_outgroup: int = 100) -> Maker:
    def make(seed: int) -> Region:
        return simulate(
            copy.deepcopy(world),
            length=LENGTH,
            n_target=n_target,
            n_outgroup=n_outgroup,
            seed=seed,
            bin_size=TRACKS.bin,
        )

    return make


@functools.cache
def usual(seed: int) -> Region:
    return of(main_world())(seed)


def spoilt(change: Callable[[Region, np.random.Generator], None]) -> Maker:
    def make(seed: int) -> Region:
        region = copy.deepcopy(usual(seed))
        change(region, np.random.default_rng([seed, 0x6F]))
        return region

    return make


def at_random(region: Region, random: np.random.Generator) -> None:
    region.target = random.integers(0, 2, region.target.shape).astype(np.int8)


def by_frequency(region: Region, random: np.random.Generator) -> None:
    share = (region.target > 0).mean(axis=1, keepdims=True)
    region.target = (random.random(region.target.shape) < share).astype(np.int8)


def in_no_phase(region: Region, random: np.random.Generator) -> None:
    for i in range(0, region.target.shape[1], 2):
        turned = random.random(len(region.target)) < 0.5
        region.target[turned, i : i + 2] = region.target[turned, i : i + 2][:, ::-1]


def one_allele(region: Region, random: np.random.Generator) -> np.ndarray:
    pairs = region.target.reshape(len(region.target), -1, 2)
    chosen = random.integers(0, 2, pairs.shape[:2])
    return np.take_along_axis(pairs, chosen[:, :, None], axis=2)[:, :, 0]


def doubled(region: Region, random: np.random.Generator) -> None:
    region.target = np.ascontiguousarray(one_allele(region, random).repeat(2, axis=1))


def haploid(region: Region, random: np.random.Generator) -> None:
    region.target = np.ascontiguousarray(one_allele(region, random))
    region.truth = {source: shares[::2] for source, shares in region.truth.items()}


def swapped(who: str, share: float) -> Callable[[Region, np.random.Generator], None]:
    def change(region: Region, random: np.random.Generator) -> None:
        for alleles in region.archaics.values() if who == "archaic" else [getattr(region, who)]:
            chosen = random.random(len(alleles)) < share
            alleles[chosen] = (alleles[chosen] == 0).astype(np.int8)

    return change


def wrong(share: float) -> Callable[[Region, np.random.Generator], None]:
    def change(region: Region, random: np.random.Generator) -> None:
        for alleles in (region.target, region.outgroup):
            chosen = random.random(alleles.shape) < share
            alleles[chosen] = alleles[chosen] == 0

    return change


def only(keep: Callable[[Region], np.ndarray]) -> Callable[[Region, np.random.Generator], None]:
    def change(region: Region, random: np.random.Generator) -> None:
        kept = keep(region)
        region.positions = region.positions[kept]
        region.target, region.outgroup = (np.ascontiguousarray(a[kept]) for a in (region.target, region.outgroup))
        region.archaics = {name: np.ascontiguousarray(a[kept]) for name, a in region.archaics.items()}

    return change


def elsewhere(region: Region, random: np.random.Generator) -> None:
    region.archaics = {name: np.ascontiguousarray(np.roll(a, 1000, axis=0)) for name, a in region.archaics.items()}


def varies(alleles: np.ndarray, least: float = 0.0) -> np.ndarray:
    share = (alleles > 0).mean(axis=1)
    found: np.ndarray = (share > least) & (share < 1 - least)
    return found


NINE, THREE = "AncientEurasia_9K19", "OutOfAfricaExtendedNeandertalAdmixturePulse_3I21"
ALIKE: dict[str, Maker] = {
    "CEU against YRI": of(main_world()),
    "Papuan against YRI": of(main_world("Papuan")),
    "CHB, outgroup of 20": of(main_world("CHB"), 10, 20),
    "OutOfAfricaArchaicAdmixture_5R19": of(other_world("OutOfAfricaArchaicAdmixture_5R19")),
    "left out: clean outgroup": of(clean()),
    f"left out: {NINE}": of(other_world(NINE)),
    f"left out: {THREE}": of(other_world(THREE)),
}
AFRICAN: dict[str, Maker] = {
    "YRI against YRI": of(main_world("YRI")),
    "YRI against YRI, 50 and 50": of(main_world("YRI"), 50, 50),
    "admixed, 20 % CEU, 80 % YRI": of(admixed(0.2)),
    "admixed, 50 % CEU, 50 % YRI": of(admixed(0.5)),
    "admixed, 80 % CEU, 20 % YRI": of(admixed(0.8)),
}
UNLIKE: dict[str, Maker] = {
    "CEU against CEU": of(main_world("CEU", "CEU")),
    "CEU against CHB": of(main_world("CEU", "CHB")),
    "outgroup as far as a chimpanzee, 10": of(distant_outgroup(), 10, 10),
    "mutation rate x 5": of(main_world(mutation=5)),
    "mutation rate / 10": of(main_world(mutation=0.1)),
    "recombination rate x 5": of(main_world(recombination=5)),
    "no recombination": of(main_world(recombination=1e-4)),
    "a YRI as the Neanderthal": of(with_archaic("nea", "YRI")),
    "a CEU as the Denisovan": of(with_archaic("den", "CEU")),
    "alleles of the targets at random": spoilt(at_random),
    "the same, by their frequency": spoilt(by_frequency),
    "targets in no phase": spoilt(in_no_phase),
    "pseudo-haploid targets": spoilt(haploid),
    "pseudo-haploid targets, doubled": spoilt(doubled),
    "alleles swapped in the archaics, all": spoilt(swapped("archaic", 1)),
    "alleles swapped in the archaics, 30 %": spoilt(swapped("archaic", 0.3)),
    "alleles swapped in the archaics, 5 %": spoilt(swapped("archaic", 0.05)),
    "alleles swapped in the targets, all": spoilt(swapped("target", 1)),
    "alleles swapped in the targets, 5 %": spoilt(swapped("target", 0.05)),
    "alleles swapped in the targets, 1 %": spoilt(swapped("target", 0.01)),
    "genotyping errors, 2 %": spoilt(wrong(0.02)),
    "archaics 1,000 sites off": spoilt(elsewhere),
    "only sites that vary in the outgroup": spoilt(only(lambda region: varies(region.outgroup))),
    "only sites that vary in the targets": spoilt(only(lambda region: varies(region.target))),
    "only sites of 5 % in the targets": spoilt(only(lambda region: varies(region.target, 0.05))),
}


def tracks_of(region: Region) -> np.ndarray:
    columns = np.cumsum([0, *(alleles.shape[1] for alleles in region.archaics.values())])
    block = VariantBlock(
        "1",
        region.positions,
        region.target,
        region.outgroup,
        np.ascontiguousarray(np.concatenate(list(region.archaics.values()), axis=1)),
    )
    return tracks_from_variants(
        block,
        first_bin=0,
        last_bin=LENGTH // TRACKS.bin,
        length=LENGTH,
        settings=TRACKS,
        sources=[range(a, b) for a, b in itertools.pairwise(columns)],
    )


def measured(tracks: np.ndarray, n_sources: int) -> Measured | None:
    profile = Profile(n_sources, TRACKS.bin)
    profile.add(tracks, [("target", str(row)) for row in range(len(tracks))])
    return profile.measured()


def posteriors(model: IntrogressionClassifier, tracks: np.ndarray) -> np.ndarray:
    found = np.concatenate(list(model.predictor().stream([tracks])), axis=1)
    archaic: np.ndarray = 1 - found[:, :, 0]
    return archaic


def score(model: IntrogressionClassifier, regions: list[tuple[Region, np.ndarray]]) -> str:
    """Return AP, F1, called over true, and shares, over some regions."""
    pieces, called, true, bins = [], 0, 0.0, 0
    for region, tracks in regions:
        posterior = posteriors(model, tracks)
        truth = np.stack(list(region.truth.values()), axis=2)
        labelled = LabelledTracks("", tracks, truth)
        pieces.append(labelled.pieces(posterior, TRACKS.bin))
        levels = Levels()
        names = [("", str(row)) for row in range(len(tracks))]
        nothing = np.zeros_like(posterior)
        levels.add(PosteriorBlock("1", names, 0, posterior, nothing, nothing, LENGTH, True))
        called += int((posterior >= levels.best().threshold).sum())
        true += float(labelled.archaic.sum())
        bins += posterior.size
    ranking = rank(Pieces.pool(pieces))
    return (
        f"{ranking.ap:.3f} | {called / max(true, 1e-9):.2f} | {100 * true / bins:.2f} % | {100 * called / bins:.2f} %"
    )


def regions(make: Maker, seeds: list[int]) -> Iterator[tuple[Region, np.ndarray]]:
    for seed in seeds:
        region = make(seed)
        yield region, tracks_of(region)


def verdict(comparisons: list[Comparison]) -> str:
    odd = [comparison.odd for comparison in comparisons if comparison.odd]
    names = collections.Counter(found[0].statistic for found in odd)
    return f"{len(odd)} of {len(comparisons)} | {', '.join(names)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[6401, 6402, 6403])
    parser.add_argument("--model", default="archaic")
    parser.add_argument("--only", nargs="+", default=[""], help="parts of the names of cases")
    arguments = parser.parse_args()
    model = IntrogressionClassifier.load(arguments.model, threads=1)
    likeness = model.metadata.likeness
    if likeness is None:
        parser.error("the model does not state what it was trained on")
    print(f"seeds {arguments.seeds}, model {model.bundle.digest[:12]}, ranges of {likeness.regions} regions")
    print("| case | found unlike | farthest out | AP | called over true | true | called |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, make in (ALIKE | AFRICAN | UNLIKE).items():
        if not any(part in name for part in arguments.only):
            continue
        found = list(regions(make, arguments.seeds))
        told = []
        for region, tracks in found:
            sources = list(region.archaics)
            told.append(likeness.compare(measured(tracks, len(sources)), sources))
        print(f"| {name} | {verdict(told)} | {score(model, found)} |", flush=True)
        for comparison in told[:1]:
            for line in comparison.warnings():
                print(f"<!-- {line} -->", flush=True)


if __name__ == "__main__":
    main()
