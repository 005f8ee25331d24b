"""Random worlds to train on: who descended from whom, who met whom, and one simulated region of each.

A *world* is a demography, who is sampled in it and who gave ancestry to whom. A third are published models of
stdpopsim, as they are or moved; half are drawn from a parametric family: one or two pulses of 0.2 to 6 %, a
second source, a ghost that nobody sampled, outgroups with and without archaic ancestry of their own. Whole
demographies are left out, to be tested on: AncientEurasia_9K19, the extended pulse of 3I21, and
:func:`clean`.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field
from typing import Any

import msprime
import numpy as np
import stdpopsim

MAIN = "PapuansOutOfAfrica_10J19"
#: Target, outgroup, sampled archaics with their ages in generations, donors, archaic populations, mutation rate.
PUBLISHED: dict[str, tuple] = {
    MAIN: (
        "CEU",
        "YRI",
        {"nea": ("NeaA", 2612.0), "den": ("DenA", 2058.0)},
        {"nea": ("Nea1",), "den": ("Den1", "Den2")},
        {"NeaA", "Nea1", "DenA", "Den1", "Den2"},
        1.4e-8,
    ),
    "OutOfAfricaArchaicAdmixture_5R19": (
        "CEU",
        "YRI",
        {"nea": ("Neanderthal", 2612.0)},
        {"nea": ("Neanderthal",)},
        {"Neanderthal"},
        1.29e-8,
    ),
    "OutOfAfricaExtendedNeandertalAdmixturePulse_3I21": (
        "CEU",
        "YRI",
        {"nea": ("NEA", 2612.0)},
        {"nea": ("NEA",)},
        {"NEA"},
        2e-8,
    ),
    "AncientEurasia_9K19": (
        "Sardinian",
        "Mbuti",
        {"nea": ("Neanderthal", 2000.0)},
        {"nea": ("Neanderthal",)},
        {"Neanderthal"},
        1.22e-8,
    ),
}


@dataclass
class World:
    """A demography and the roles in it; sources are ``nea``, ``den`` and ``gho``."""

    family: str
    demography: msprime.Demography
    target: str
    outgroup: str
    archaics: dict[str, tuple[str, float]]
    donors: dict[str, tuple[str, ...]]
    archaic_populations: set[str]
    mutation_rate: float
    recombination_rate: float
    notes: dict[str, Any] = field(default_factory=dict)


@dataclass
class Region:
    """One simulated region: allele numbers (sites, haplotypes), and the share of each bin that is of each source."""

    positions: np.ndarray
    target: np.ndarray
    outgroup: np.ndarray
    archaics: dict[str, np.ndarray]
    truth: dict[str, np.ndarray]


def log_uniform(random: np.random.Generator, low: float, high: float) -> float:
    return float(math.exp(random.uniform(math.log(low), math.log(high))))


def published(name: str, random: np.random.Generator, *, target: str | None = None, vary: bool = False) -> World:
    """Return a published model, or one moved away from it: pulses, rates, and the donor's divergence."""
    usual, outgroup, archaics, donors, archaic_populations, mutation_rate = PUBLISHED[name]
    model = stdpopsim.get_species("HomSap").get_demographic_model(name).model
    world = World(
        name,
        copy.deepcopy(model),
        target or usual,
        outgroup,
        dict(archaics),
        dict(donors),
        set(archaic_populations),
        mutation_rate,
        1.15e-8,
    )
    if not vary:
        return world
    demography = world.demography
    number = {population.name: i for i, population in enumerate(demography.populations)}
    archaic = {number[one] for one in world.archaic_populations}
    giving = {number[one] for those in world.donors.values() for one in those}
    pulse = log_uniform(random, 0.3, 2.5)
    divergence = float(random.uniform(2700, 7000))
    for event in demography.events:
        source, dest = (number.get(p, p) for p in (getattr(event, "source", None), getattr(event, "dest", None)))
        kind = type(event).__name__
        if kind == "MassMigration" and dest in giving and source not in archaic:
            event.proportion = min(event.proportion * pulse, 0.2)
        elif kind == "MigrationRateChange" and {source, dest} & archaic:
            event.rate *= pulse
        elif name == MAIN and event.time == 3375:
            event.time = divergence
    demography.sort_events()
    world.mutation_rate *= log_uniform(random, 0.5, 2.5)
    world.recombination_rate *= log_uniform(random, 0.5, 2.5)
    world.family += "*"
    return world


def clean(*, mutation_rate: float = 2.4e-8, proportion: float = 0.02) -> World:
    """Return a simple model whose outgroup has no archaic ancestry; nothing was trained on it."""
    demography = msprime.Demography()
    sizes = {"AFR": 14000, "EUR": 12000, "NEA": 1500, "NEAI": 1500, "STEM": 10000, "ARC": 2500, "ROOT": 12000}
    for name, size in sizes.items():
        demography.add_population(name=name, initial_size=size)
    demography.add_population_parameters_change(time=900, initial_size=2500, population="EUR")
    demography.add_mass_migration(time=1900, source="EUR", dest="NEAI", proportion=proportion)
    demography.add_population_split(time=2400, derived=["AFR", "EUR"], ancestral="STEM")
    demography.add_population_split(time=4500, derived=["NEA", "NEAI"], ancestral="ARC")
    demography.add_population_split(time=20000, derived=["STEM", "ARC"], ancestral="ROOT")
    demography.sort_events()
    return World(
        "clean",
        demography,
        "EUR",
        "AFR",
        {"nea": ("NEA", 2500.0)},
        {"nea": ("NEAI",)},
        {"NEA", "NEAI", "ARC"},
        mutation_rate,
        1e-8,
    )


def parametric(random: np.random.Generator, *, wide: bool = False) -> World:
    """Draw a world: sizes, splits, pulses of two sources and a ghost, and what the outgroup has of them.

    A ``wide`` one may have archaics of modern humans' numbers, so that the sampled one is far from the donor, and
    sources that gave for many generations instead of at once.
    """
    demography = msprime.Demography()
    n_root, n_stem = log_uniform(random, 7e3, 25e3), log_uniform(random, 7e3, 30e3)
    n_outgroup, n_now = log_uniform(random, 7e3, 50e3), log_uniform(random, 3e3, 60e3)
    n_bottleneck = log_uniform(random, 500, 5000)
    split = float(random.uniform(1700, 4500))
    growth = float(random.uniform(200, 0.8 * split))
    archaic_split = float(random.uniform(14000, 28000))
    sisters = float(random.uniform(9000, archaic_split - 1500))
    nea_split = float(random.uniform(2600, 8000))
    den_split = float(random.uniform(3000, min(13000, sisters - 500)))
    most = 16_000 if wide else 0
    n_nea, n_den = log_uniform(random, 500, most or 6000), log_uniform(random, 500, most or 8000)
    n_sisters = log_uniform(random, 1000, 15000)
    add = demography.add_population
    add(name="OUT", initial_size=n_outgroup)
    add(name="TGT", initial_size=n_now)
    add(name="NEA", initial_size=n_nea)
    add(name="NEAI", initial_size=n_nea)
    add(name="DEN", initial_size=n_den)
    add(name="DENI", initial_size=n_den)
    add(name="GHO", initial_size=log_uniform(random, 1000, 15000))
    add(name="STEM", initial_size=n_stem)
    add(name="NEAS", initial_size=n_nea)
    add(name="DENS", initial_size=n_den)
    add(name="ARC", initial_size=n_sisters)
    add(name="ROOT", initial_size=n_root)
    if random.random() < 0.5:
        demography["TGT"].growth_rate = math.log(max(n_now / n_bottleneck, 1.01)) / growth
    demography.add_population_parameters_change(time=growth, initial_size=n_bottleneck, growth_rate=0, population="TGT")
    end = float(random.uniform(growth, split))
    if random.random() < 0.5:
        demography.add_population_parameters_change(
            time=end, initial_size=log_uniform(random, 1500, 12000), population="TGT"
        )
    if random.random() < 0.6:  # gene flow between target and outgroup
        rate = log_uniform(random, 1e-6, 1.5e-4)
        demography.set_migration_rate("TGT", "OUT", rate * float(random.uniform(0, 1)))
        demography.set_migration_rate("OUT", "TGT", rate)
        demography.add_migration_rate_change(time=float(random.uniform(1000, split * 0.98)), rate=0)
    pulses = {"nea": 0.0, "den": 0.0, "gho": 0.0}

    def pulse(dest: str, total: float, latest: float) -> None:
        if wide and random.random() < 0.25:
            begin = float(random.uniform(min(900, 0.5 * latest), 0.9 * latest))
            end = min(begin + log_uniform(random, 50, 1500), latest)
            for time, rate in ((begin, total / (end - begin)), (end, 0)):
                demography.add_migration_rate_change(time=time, source="TGT", dest=dest, rate=rate)
            return
        n = 2 if random.random() < 0.35 else 1
        for proportion in random.dirichlet([2] * n) * total:
            time = float(random.uniform(min(900, 0.6 * latest), latest))
            demography.add_mass_migration(time=time, source="TGT", dest=dest, proportion=float(proportion))

    if random.random() >= 0.06:  # else nobody met
        if random.random() < 0.9:
            pulses["nea"] = log_uniform(random, 0.002, 0.06)
            pulse("NEAI", pulses["nea"], min(split * 0.97, nea_split * 0.97))
        if random.random() < 0.45:
            pulses["den"] = log_uniform(random, 0.002, 0.06)
            pulse("DENI", pulses["den"], min(split, den_split) * 0.97)
        if random.random() < 0.3:
            pulses["gho"] = log_uniform(random, 0.002, 0.05)
            pulse("GHO", pulses["gho"], split * 0.97)
    if random.random() < 0.35:  # archaic ancestry of the outgroup's own
        for dest, latest, share in (("NEAI", nea_split, 0.8), ("DENI", den_split, 0.2)):
            if random.random() < share:
                time = float(random.uniform(500, min(latest, split) * 0.95))
                proportion = log_uniform(random, 0.0005, 0.01)
                demography.add_mass_migration(time=time, source="OUT", dest=dest, proportion=proportion)
    if random.random() < 0.35:  # migration back brings tracts to the outgroup
        time = float(random.uniform(100, 900))
        demography.add_mass_migration(time=time, source="OUT", dest="TGT", proportion=log_uniform(random, 0.005, 0.3))
    demography.add_population_split(time=split, derived=["OUT", "TGT"], ancestral="STEM")
    demography.add_population_split(time=nea_split, derived=["NEA", "NEAI"], ancestral="NEAS")
    demography.add_population_split(time=den_split, derived=["DEN", "DENI"], ancestral="DENS")
    demography.add_population_split(time=sisters, derived=["NEAS", "DENS"], ancestral="ARC")
    # The ghost leaves the archaics' stem, or the moderns', or comes before all.
    where = random.random()
    if where < 0.4 and sisters + 500 < archaic_split - 200:
        left, stem = float(random.uniform(sisters + 100, archaic_split - 100)), "ARC"
    elif where < 0.7:
        left, stem = float(random.uniform(0.6 * archaic_split, archaic_split * 0.98)), "STEM"
    else:
        left, stem = float(random.uniform(archaic_split * 1.05, 45000)), "ROOT"
    demography.add_mass_migration(time=left, source="GHO", dest=stem, proportion=1.0)
    demography.add_population_split(time=archaic_split, derived=["STEM", "ARC"], ancestral="ROOT")
    demography.sort_events()
    return World(
        "parametric",
        demography,
        "TGT",
        "OUT",
        {
            "nea": ("NEA", float(random.uniform(1500, nea_split * 0.95))),
            "den": ("DEN", float(random.uniform(1500, den_split * 0.95))),
        },
        {"nea": ("NEAI",), "den": ("DENI",), "gho": ("GHO",)},
        {"NEA", "NEAI", "DEN", "DENI", "GHO", "NEAS", "DENS", "ARC"},
        1.25e-8 * log_uniform(random, 0.5, 2.2),
        1e-8 * log_uniform(random, 0.5, 2.5),
        {"pulses": pulses},
    )


def simulate(
    world: World, *, length: int, n_target: int, n_outgroup: int, seed: int, varied_map: bool = False, bin_size: int
) -> Region:
    """Simulate a region; sizes are in diploids, and one diploid of each archaic is sampled."""
    random = np.random.default_rng([seed, 0x6E])
    seeds = [int(one) for one in random.integers(1, 2**31 - 1, size=2)]
    groups = [(n_target, world.target, 0.0), (n_outgroup, world.outgroup, 0.0)]
    groups += [(1, population, time) for population, time in world.archaics.values()]
    rate: float | msprime.RateMap = world.recombination_rate
    if varied_map:
        pieces = max(2, length // 50_000)
        rates = np.exp(random.normal(0, 0.8, pieces))
        rates *= world.recombination_rate / rates.mean()
        rate = msprime.RateMap(position=np.linspace(0, length, pieces + 1).round(), rate=rates)
    ancestry = msprime.sim_ancestry(
        samples=[msprime.SampleSet(size, population=name, time=time) for size, name, time in groups],
        demography=world.demography,
        sequence_length=length,
        recombination_rate=rate,
        record_migrations=True,
        random_seed=seeds[0],
    )
    targets, both = 2 * n_target, 2 * (n_target + n_outgroup)
    truth = {
        source: coverage(tracts, targets, length, bin_size)
        for source, tracts in tracts_by_source(ancestry, world, targets).items()
    }
    mutated = msprime.sim_mutations(ancestry, rate=world.mutation_rate, model="jc69", random_seed=seeds[1])
    alleles = mutated.genotype_matrix().astype(np.int8)
    positions = mutated.tables.sites.position.astype(np.int64)
    varies = (alleles != alleles[:, :1]).any(axis=1)
    alleles, positions = alleles[varies], positions[varies]
    archaics = {
        source: np.ascontiguousarray(alleles[:, both + 2 * i : both + 2 * i + 2])
        for i, source in enumerate(world.archaics)
    }
    return Region(
        positions,
        np.ascontiguousarray(alleles[:, :targets]),
        np.ascontiguousarray(alleles[:, targets:both]),
        archaics,
        truth,
    )


def coverage(tracts: list[tuple[int, int, int]], rows: int, length: int, bin_size: int) -> np.ndarray:
    """Return the share of each bin that tracts (row, start, end) cover, shape (rows, bins)."""
    covered = np.zeros((rows, -(-length // bin_size)), np.float32)
    for row, start, end in tracts:
        low, high = start // bin_size, (end - 1) // bin_size + 1
        edges = np.arange(low, high) * bin_size
        covered[row, low:high] += np.minimum(np.minimum(edges + bin_size, length), end) - np.maximum(start, edges)
    return np.clip(covered / bin_size, 0, 1)


def tracts_by_source(ancestry: Any, world: World, n: int) -> dict[str, list[tuple[int, int, int]]]:
    """Return the tracts (row, start, end) of each source in the first ``n`` samples, from recorded migrations."""
    names = {population.id: population.metadata["name"] for population in ancestry.populations()}
    migrations = ancestry.tables.migrations
    within = np.isin(migrations.source, [i for i, name in names.items() if name in world.archaic_populations])
    tables = ancestry.dump_tables()
    tables.migrations.clear()
    tables.simplify(np.arange(n), keep_unary=True, filter_nodes=False)
    tables.build_index()
    moved = []
    for source, donors in world.donors.items():
        into = np.isin(migrations.dest, [i for i, name in names.items() if name in donors])
        moved += [
            (migrations.left[i], migrations.right[i], migrations.node[i], source)
            for i in np.flatnonzero(into & ~within)
        ]
    moved.sort(key=lambda one: one[0])
    found: dict[str, dict[int, list[tuple[int, int]]]] = {source: {} for source in world.donors}
    active: list[tuple] = []
    at = 0
    if moved:
        for tree in tables.tree_sequence().trees():
            begin, end = tree.interval
            while at < len(moved) and moved[at][0] < end:
                active.append(moved[at])
                at += 1
            active = [one for one in active if one[1] > begin]
            for left, right, node, source in active:
                span = int(max(begin, left)), int(min(end, right))
                if span[0] < span[1]:
                    for sample in tree.samples(node):
                        found[source].setdefault(sample, []).append(span)
            if not active and at == len(moved):
                break
    return {
        source: [(row, *span) for row, spans in rows.items() for span in merged(spans)]
        for source, rows in found.items()
    }


def merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    out: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if out and start <= out[-1][1]:
            out[-1] = out[-1][0], max(out[-1][1], end)
        else:
            out.append((start, end))
    return out
