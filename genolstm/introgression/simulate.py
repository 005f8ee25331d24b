"""Simulated haplotypes with known archaic tracts: the truth for training and evaluation.

msprime simulates the coalescent; demographies come from stdpopsim or a demes YAML file. Both packages
are GPL-3 and belong to the extra ``simulate``: they are imported only inside functions.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from genolstm.errors import InputError, MissingExtraError, SettingError
from genolstm.introgression.demography import Sampled, brief, expected_events, follow_pairs, is_demes, read_demes
from genolstm.introgression.segments import Interval, merge_intervals
from genolstm.introgression.settings import UNNAMED, SimulatedSource, SimulationLimits, SimulationSettings
from genolstm.introgression.variants.block import VariantBlock

if TYPE_CHECKING:
    import msprime

#: Populations that are sampled and that gave ancestry in the stdpopsim models with Neanderthals.
#: ``archaic_time`` is in generations and is needed if the model sets no sampling time for the archaic;
#: ``donors`` are those of ``archaic``, and ``donors_of`` those of each population that may be sampled.
KNOWN_MODELS: dict[str, dict[str, Any]] = {
    "PapuansOutOfAfrica_10J19": {
        "target": "CEU",
        "outgroup": "YRI",
        "archaic": "NeaA",
        "donors": ("Nea1",),
        "donors_of": {"NeaA": ("Nea1",), "DenA": ("Den1", "Den2")},
        "archaic_populations": ("NeaA", "Nea1", "DenA", "Den1", "Den2"),
    },
    "OutOfAfricaArchaicAdmixture_5R19": {
        "target": "CEU",
        "outgroup": "YRI",
        "archaic": "Neanderthal",
        "archaic_time": 2612.0,
        "donors": ("Neanderthal",),
        "archaic_populations": ("Neanderthal",),
    },
    "OutOfAfricaExtendedNeandertalAdmixturePulse_3I21": {
        "target": "CEU",
        "outgroup": "YRI",
        "archaic": "NEA",
        "archaic_time": 2612.0,
        "donors": ("NEA",),
        "archaic_populations": ("NEA",),
    },
    "AncientEurasia_9K19": {
        "target": "Sardinian",
        "outgroup": "Mbuti",
        "archaic": "Neanderthal",
        "donors": ("Neanderthal",),
        "archaic_populations": ("Neanderthal",),
    },
}


@dataclass
class SimulatedRegion:
    """One simulated region.

    Attributes
    ----------
    settings
        The settings used, with every default filled in.
    positions
        0-based positions of the variant sites, shape (sites,), strictly increasing.
    alleles
        Base codes (A, C, G, T = 0..3) of every haplotype, shape (sites, haplotypes); target
        haplotypes first, then outgroup, then archaic.
    samples
        Names of the individuals, in the same order, each with two haplotypes.
    populations
        ``target``, ``outgroup`` or ``archaic`` for each individual.
    truth
        Archaic tracts of the target haplotypes, whatever their source, merged.
    reference
        Base codes of the reference sequence, shape (length,).
    by_source
        The tracts of each source, merged, if the settings name sources.
    """

    settings: SimulationSettings
    positions: np.ndarray
    alleles: np.ndarray
    samples: list[str]
    populations: list[str]
    truth: list[Interval] = field(repr=False)
    reference: np.ndarray = field(repr=False)
    by_source: dict[str, list[Interval]] = field(default_factory=dict, repr=False)

    def archaics(self) -> dict[str, list[int]]:
        """Return the indices of the individuals of each source that is sampled."""
        everyone = self.individuals("archaic")
        if not self.settings.sources:
            return {UNNAMED: everyone}
        size = self.settings.n_archaic
        names = [source.name for source in self.settings.sources if source.population is not None]
        return {name: everyone[i * size : (i + 1) * size] for i, name in enumerate(names)}

    def individuals(self, population: str) -> list[int]:
        """Return the indices of one population's individuals."""
        return [i for i, name in enumerate(self.populations) if name == population]

    def haplotype_columns(self, population: str) -> np.ndarray:
        """Return the columns of ``alleles`` that belong to one population."""
        columns = np.array(self.individuals(population), dtype=np.int64) * 2
        return np.stack([columns, columns + 1], axis=1).ravel()

    def haplotype_names(self, population: str) -> list[tuple[str, str]]:
        """Return (sample, haplotype) of one population; haplotypes are 1 and 2."""
        return [(self.samples[i], h) for i in self.individuals(population) for h in ("1", "2")]

    def sequence(self, column: int) -> np.ndarray:
        """Return one haplotype as base codes, shape (length,)."""
        codes = self.reference.copy()
        codes[self.positions] = self.alleles[:, column]
        return codes

    def block(self) -> VariantBlock:
        """Return the variants in the form in which the VCF door reads them."""
        return VariantBlock(
            chrom=self.settings.chrom,
            positions=self.positions,
            target=self.alleles[:, self.haplotype_columns("target")],
            outgroup=self.alleles[:, self.haplotype_columns("outgroup")],
            archaic=self.alleles[:, self.haplotype_columns("archaic")],
        )

    def truth_coverage(self, bin_size: int) -> np.ndarray:
        """Return the archaic fraction of each bin, shape (target haplotypes, bins)."""
        index = {name: i for i, name in enumerate(self.haplotype_names("target"))}
        starts = np.arange(0, self.settings.length, bin_size)
        widths = np.minimum(starts + bin_size, self.settings.length) - starts
        covered = np.zeros((len(index), len(starts)))
        for tract in self.truth:
            low, high = tract.start // bin_size, (tract.end - 1) // bin_size + 1
            covered[index[tract.sample, tract.haplotype], low:high] += np.minimum(
                starts[low:high] + widths[low:high], tract.end
            ) - np.maximum(starts[low:high], tract.start)
        return covered / widths


def resolve(settings: SimulationSettings) -> tuple[SimulationSettings, msprime.Demography]:
    """Fill in every default of ``settings`` and load its demography.

    The demography may be stdpopsim's own object: copy it before changing it (msprime takes a minute
    to copy one with many events).

    Raises
    ------
    MissingExtraError
        msprime or stdpopsim is not installed.
    SettingError
        The model is unknown, or has no such population.
    InputError
        The demes file is missing or invalid.
    """
    try:
        import msprime  # noqa: F401
        import stdpopsim
    except ImportError as error:
        raise MissingExtraError("msprime and stdpopsim", "simulate") from error

    species = stdpopsim.get_species("HomSap")
    if is_demes(settings.model):
        demography = read_demes(settings.model)
        known: dict[str, Any] = {}
        mutation_rate = species.genome.mean_mutation_rate
    else:
        try:
            model = species.get_demographic_model(settings.model)
        except ValueError as error:
            raise SettingError(
                f"there is no stdpopsim model named {settings.model}",
                hint="use one of " + ", ".join(KNOWN_MODELS) + ", or a demes .yaml file",
            ) from error
        demography = model.model
        known = KNOWN_MODELS.get(settings.model, {})
        mutation_rate = model.mutation_rate or species.genome.mean_mutation_rate
    names = {population.name for population in demography.populations}
    filled: dict[str, Any] = {}

    def known_to(name: str) -> str:
        if name not in names:
            raise SettingError(f"{settings.model} has no population {name}", hint="it has " + ", ".join(sorted(names)))
        return name

    for role in ("target", "outgroup") if settings.sources else ("target", "outgroup", "archaic"):
        name = getattr(settings, role) or known.get(role)
        if name is None:
            raise SettingError(f"{settings.model}: the {role} population must be named")
        filled[role] = known_to(name)
    if settings.sources:
        filled["sources"] = tuple(_filled(source, known, demography, known_to) for source in settings.sources)
        _check_donors(filled["sources"])
    else:
        only = SimulatedSource(UNNAMED, filled["archaic"], settings.donors, settings.archaic_time)
        only = _filled(only, known, demography, known_to)
        filled |= {"donors": only.donors, "archaic_time": only.time}
    full = replace(
        settings,
        **filled,
        mutation_rate=float(settings.mutation_rate or mutation_rate),
        recombination_rate=float(settings.recombination_rate or species.get_contig("chr1").recombination_map.mean_rate),
    )
    return full, demography


def _filled(
    source: SimulatedSource, known: dict[str, Any], demography: msprime.Demography, known_to: Callable[[str], str]
) -> SimulatedSource:
    """Return a source with its donors and the age of its sample filled in; ``known_to`` refuses a population."""
    if source.population is None:
        return replace(source, donors=tuple(known_to(name) for name in source.donors))
    population = known_to(source.population)
    # The donors of another archaic would make its tracts this one's.
    usual = known.get("donors_of", {}).get(population)
    if usual is None and known.get("archaic") == population:
        usual = known["donors"]
    donors = tuple(known_to(name) for name in source.donors or usual or (population,))
    time = source.time
    if time is None and known.get("archaic") == population:
        time = known.get("archaic_time")
    if time is None:
        time = demography[population].default_sampling_time or 0.0
    return replace(source, donors=donors, time=float(time))


def _check_donors(sources: Sequence[SimulatedSource]) -> None:
    """Refuse a population that gives for two sources: its tracts would be of both."""
    taken: dict[str, str] = {}
    for source in sources:
        for donor in source.donors:
            if donor in taken:
                raise SettingError(f"{donor} is a donor of both {taken[donor]} and {source.name}")
            taken[donor] = source.name


def _all_sources(settings: SimulationSettings) -> tuple[SimulatedSource, ...]:
    """Return the sources of resolved settings, be there one without a name or several."""
    if settings.sources:
        return settings.sources
    return (SimulatedSource(UNNAMED, settings.archaic, settings.donors, settings.archaic_time),)


def _sampled_sources(settings: SimulationSettings) -> list[SimulatedSource]:
    return [source for source in _all_sources(settings) if source.population is not None]


def check_cost(
    settings: SimulationSettings, demography: msprime.Demography, limits: SimulationLimits | None = None
) -> None:
    """Refuse a simulation that would not end, or not in the time and memory there are.

    Parameters
    ----------
    settings
        Settings with every default filled in, from :func:`resolve`.
    demography
        What would be simulated.
    limits
        What it may cost.

    Raises
    ------
    SettingError
        It takes too many events or too much memory, or a population does not exist when it is sampled.
    InputError
        The populations have no common ancestor, or msprime refuses the demography.
    """
    limits = limits or SimulationLimits()
    haplotypes = 2 * _people(settings)
    _check_memory(settings, 300 * haplotypes)
    samples = [Sampled(name, time) for name, time in dict.fromkeys(_sampled(settings, demography))]
    try:
        pairs = follow_pairs(demography, samples)
    except InputError as error:
        raise InputError(error.reason, path=settings.model, hint=error.hint) from error
    events, mutations = expected_events(
        pairs,
        lineages=haplotypes,
        length=settings.length,
        recombination_rate=float(settings.recombination_rate or 0),
        mutation_rate=float(settings.mutation_rate or 0),
    )
    if events > limits.max_events:
        raise SettingError(
            f"simulating {settings.length:,} bp of {settings.model} takes about {events:.1g} events, "
            f"more than the {limits.max_events:.1g} allowed",
            hint="shorten the length, lower the rates or the sizes of the populations, or raise --max-events",
        )
    # Of msprime's tables, a mutation takes about 100 bytes, anything else at most as much and most of
    # it nothing; genotypes are copied once.
    sites = min(mutations, settings.length)
    genotypes = 2 * sites * haplotypes
    _check_memory(settings, 100 * mutations + 10 * events + genotypes + 4 * settings.length + 300 * haplotypes)


def _people(settings: SimulationSettings) -> int:
    return settings.n_target + settings.n_outgroup + settings.n_archaic * len(_sampled_sources(settings))


def _check_memory(settings: SimulationSettings, needed: float) -> None:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > memory:
        people = _people(settings)
        raise SettingError(
            f"simulating {people:,} individuals and {settings.length:,} bp takes about "
            f"{needed / 2**30:.3g} GiB of memory, more than the {memory / 2**30:.3g} GiB of this machine",
            hint="sample fewer individuals, or shorten the length",
        )


def _sampled(settings: SimulationSettings, demography: msprime.Demography) -> list[tuple[str, float]]:
    """Return population and time of target, outgroup and archaics."""
    return [
        (str(settings.target), _sampling_time(demography, str(settings.target))),
        (str(settings.outgroup), _sampling_time(demography, str(settings.outgroup))),
        *((str(source.population), float(source.time or 0)) for source in _sampled_sources(settings)),
    ]


def _sampling_time(demography: msprime.Demography, population: str) -> float:
    return float(demography[population].default_sampling_time or 0)


def _sample_names(settings: SimulationSettings) -> tuple[list[str], list[str]]:
    """Return name and role of every individual."""
    names: list[str] = []
    roles: list[str] = []
    for role, population, size in (
        ("target", settings.target, settings.n_target),
        ("outgroup", settings.outgroup, settings.n_outgroup),
        *(("archaic", source.population, settings.n_archaic) for source in _sampled_sources(settings)),
    ):
        # The outgroup may be the target's own population; names must still differ.
        label = population if role != "outgroup" or settings.outgroup != settings.target else "outgroup"
        names += [f"{label}{i}" for i in range(size)]
        roles += [role] * size
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if twice is not None:
        raise SettingError(
            f"two individuals would be named {twice}",
            hint="sample populations whose names differ by more than a number at the end",
        )
    return names, roles


def simulate_region(
    settings: SimulationSettings,
    *,
    demography: msprime.Demography | None = None,
    limits: SimulationLimits | None = None,
) -> SimulatedRegion:
    """Simulate one region.

    Parameters
    ----------
    settings
        What to simulate.
    demography
        A modified copy of the model's demography, to train on variants of the published one.
    limits
        What the simulation may cost.

    Returns
    -------
    SimulatedRegion
        The same region on every run with the same settings and library versions.

    Raises
    ------
    SettingError, InputError
        As of :func:`resolve` and :func:`check_cost`, or msprime cannot simulate this.
    """
    full, published = resolve(settings)
    import msprime

    demography = demography or published
    check_cost(full, demography, limits)
    names, roles = _sample_names(full)
    generator = np.random.default_rng([full.seed, 0x6E])
    seeds = generator.integers(1, 2**31 - 1, size=2)
    groups = (
        (full.target, full.n_target, None),
        (full.outgroup, full.n_outgroup, None),
        *((source.population, full.n_archaic, source.time) for source in _sampled_sources(full)),
    )
    try:
        ancestry = msprime.sim_ancestry(
            samples=[msprime.SampleSet(size, population=population, time=time) for population, size, time in groups],
            demography=demography,
            sequence_length=full.length,
            recombination_rate=full.recombination_rate,
            record_migrations=True,
            random_seed=int(seeds[0]),
        )
        mutated = msprime.sim_mutations(ancestry, rate=full.mutation_rate, model="jc69", random_seed=int(seeds[1]))
    except Exception as error:  # msprime's own errors have no common class
        raise SettingError(f"msprime cannot simulate {full.model} ({brief(error)})") from error
    haplotypes = [(names[h // 2], str(h % 2 + 1)) for h in range(2 * full.n_target)]
    archaic = _archaic_populations(full)
    of_source = {
        source.name: introgressed_tracts(
            ancestry, donors=source.donors, archaic=archaic, haplotypes=haplotypes, chrom=full.chrom
        )
        for source in _all_sources(full)
    }
    truth = merge_intervals(tract for tracts in of_source.values() for tract in tracts)
    positions, alleles, ancestral = _genotypes(mutated)
    reference = generator.integers(0, 4, size=full.length, dtype=np.uint8)
    reference[positions] = ancestral
    by_source = of_source if full.sources else {}
    return SimulatedRegion(full, positions, alleles, names, roles, truth, reference, by_source)


def _archaic_populations(settings: SimulationSettings) -> set[str]:
    known = KNOWN_MODELS.get(settings.model, {}).get("archaic_populations", ())
    named = {name for source in _all_sources(settings) for name in (source.population, *source.donors)}
    return {*known, *(name for name in named if name is not None)}


def _genotypes(mutated: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return positions, base codes (site, haplotype) and ancestral codes of the variant sites."""
    code = {"A": 0, "C": 1, "G": 2, "T": 3}
    positions = np.empty(mutated.num_sites, dtype=np.int64)
    alleles = np.empty((mutated.num_sites, mutated.num_samples), dtype=np.int8)
    ancestral = np.empty(mutated.num_sites, dtype=np.uint8)
    for i, variant in enumerate(mutated.variants(copy=False)):
        positions[i] = int(variant.site.position)
        table = np.array([code[a] for a in variant.alleles if a is not None], dtype=np.int8)
        alleles[i] = table[variant.genotypes]
        ancestral[i] = code[variant.site.ancestral_state]
    # A site whose mutations all mutated back is not a variant.
    varies = (alleles != alleles[:, :1]).any(axis=1) if len(alleles) else np.zeros(0, dtype=bool)
    kept = varies | (alleles[:, 0] != ancestral) if len(alleles) else varies
    return positions[kept], alleles[kept], ancestral[kept]


def introgressed_tracts(
    ancestry: Any, *, donors: Sequence[str], archaic: set[str], haplotypes: Sequence[tuple[str, str]], chrom: str
) -> list[Interval]:
    """Derive the true archaic tracts from the recorded migrations.

    Backward in time, an introgressed lineage is one that moves from a non-archaic population
    into a donor. The tract is carried by the haplotypes below that lineage's node.

    Parameters
    ----------
    ancestry
        Tree sequence simulated with ``record_migrations=True``.
    donors, archaic
        Names of the donor populations, and of all archaic ones (moves between these do not count).
    haplotypes
        (sample, haplotype) of sample nodes 0, 1, ...; later nodes are ignored.
    chrom
        Name of the sequence.
    """
    names = {p.id: p.metadata["name"] for p in ancestry.populations()}
    migrations = ancestry.tables.migrations
    into = np.isin(migrations.dest, [i for i, name in names.items() if name in donors])
    within = np.isin(migrations.source, [i for i, name in names.items() if name in archaic])
    moved = np.flatnonzero(into & ~within)
    left, right, node = migrations.left[moved], migrations.right[moved], migrations.node[moved]
    order = np.argsort(left, kind="stable")

    # Only the target's own trees matter; unary nodes are kept because a migrating lineage
    # may not be a coalescence among the targets.
    tables = ancestry.dump_tables()
    tables.migrations.clear()
    tables.simplify(np.arange(len(haplotypes)), keep_unary=True, filter_nodes=False)
    tables.build_index()
    trees = tables.tree_sequence()

    tracts: list[tuple[int, int, int]] = []
    active: list[int] = []
    pending = 0
    for tree in trees.trees():
        begin, end = tree.interval
        while pending < len(order) and left[order[pending]] < end:
            active.append(int(order[pending]))
            pending += 1
        active = [i for i in active if right[i] > begin]
        for i in active:
            span = int(max(begin, left[i])), int(min(end, right[i]))
            if span[0] < span[1]:
                for sample in tree.samples(node[i]):
                    tracts.append((sample, *span))
    intervals = [Interval(chrom, a, b, *haplotypes[h]) for h, a, b in tracts]
    return merge_intervals(intervals)
