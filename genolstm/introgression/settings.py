"""Settings of the introgression pipeline; the command line builds its options from them."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

from genolstm.errors import SettingError
from genolstm.introgression.channels import CHANNELS, CLASSES
from genolstm.lstm.config import LSTMConfig
from genolstm.lstm.train.settings import TrainingSettings
from genolstm.settings import INSIDE, Range, check

DEFAULT_MODEL = "archaic"
#: What an archaic is called that no name was given to, and one that resembles none of those given.
UNNAMED, UNKNOWN_SOURCE = "archaic", "unknown"
#: What a source is called: it stands in names of columns, and ``|`` joins several.
_SOURCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
#: Sites that an explanation of a segment lists at most.
LISTED_SITES = 40
Baseline = Literal["hmm"]
#: Formats of segments that are read beside our own.
CALL_FORMATS = ("genolstm", "hmmix", "ibdmix", "sprime", "sstar", "admixfrog", "bed")
Rate = Annotated[float, Range(0, 1e-3, above_low=True, below_high=True)]
#: Names of contigs that VCF allows (VCFv4.3, 1.4.7).
_CONTIG = r"[0-9A-Za-z!#$%&+./:;?@^_|~-][0-9A-Za-z!#$%&*+./:;=?@^_|~-]*"

#: Share of a bin's k-mers that must be comparable for the bin to be evidence at all.
LEAST_CALLABLE = 0.05
#: Share below which the counts of a bin are scaled up to the whole bin. The network reads bins of which
#: half is known well as they are, but calls too much where next to nothing is.
LITTLE_CALLABLE = 0.3
#: Posterior of a bin of which nothing is known, for models that state no prior of their own: about the
#: archaic share of a genome outside Africa.
PRIOR = 0.02
#: Length in bp from which on a stretch without any site is unknown rather than the same in everybody, in files that
#: list variant sites only. With one site per kb, chance leaves one such stretch in ten million million; those of which
#: files say nothing (centromeres, duplications, what a mask took out) are longer.
EMPTY = 30_000
#: Bins of background that stand for a stretch that is too long to bridge, so that what lies on one side
#: of it does not speak for the other.
GAP_BINS = 10

#: One output per bin and class; the network reads the counts and takes their logarithm itself. The stack
#: moves on two bins at a time, which costs a third of a step per bin with wider layers, and no accuracy.
NETWORK = LSTMConfig(
    head="tag",
    n_outputs=len(CLASSES),
    activation="softmax",
    input="conv",
    n_features=len(CHANNELS),
    transform="log1p",
    input_units=48,
    input_activation="relu",
    kernel_size=4,
    stride=2,
    cell="lstm",
    units=32,
    layers=2,
    bidirectional=True,
)
#: From this many labelled regions on, a model is worth its training: the advice of the docs and of `train` itself.
ENOUGH_REGIONS = 40
TRAINING = TrainingSettings(epochs=12, batch_size=64, learning_rate=3e-3, patience=4, validation_fraction=0.2)


def check_source(name: str) -> None:
    """Refuse what a source cannot be called, as the output means something else by it, or could not hold it.

    Raises
    ------
    SettingError
        The name is taken, or holds more than letters, digits, ``_``, ``.`` and ``-``.
    """
    if name in (UNKNOWN_SOURCE, CLASSES[0]):
        raise SettingError(f"a source cannot be called {name}, as the output calls others so")
    if not _SOURCE.fullmatch(name):
        raise SettingError(f"a source cannot be called {name!r}", hint="letters, digits, _, . and - make a name")


@dataclass(frozen=True)
class SimulatedSource:
    """One of several archaic sources of a simulation.

    Parameters
    ----------
    name
        What the truth calls its tracts.
    population
        Population that is sampled as the archaic; None for a ghost, of which nothing is known but its tracts.
    donors
        Populations that a lineage must trace into for its segment to be of this source; by default those known
        for the population, or else the population itself.
    time
        Age of the sample in generations before present; by default the demography's.

    Raises
    ------
    SettingError
        The name is taken or cannot be written, nothing is said of where the source is, or the age is invalid.
    """

    name: str
    population: str | None = None
    donors: tuple[str, ...] = ()
    time: Annotated[float, Range(0)] | None = None

    def __post_init__(self) -> None:
        check(self)
        check_source(self.name)
        if self.population is None and not self.donors:
            raise SettingError(f"the source {self.name} has neither an archaic that is sampled nor a donor")
        if self.population is None and self.time is not None:
            raise SettingError(f"the source {self.name} has the age of an archaic that is not sampled")


@dataclass(frozen=True)
class SimulationSettings:
    """What to simulate; sample sizes are in diploid individuals.

    Parameters
    ----------
    model
        A stdpopsim demographic model of Homo sapiens, or a demes YAML file.
    length
        Length of the region in bp.
    seed
        Seed of ancestry, mutations and reference sequence.
    n_target
        Number of diploid target individuals.
    n_outgroup
        Number of diploid outgroup individuals.
    n_archaic
        Number of diploid archaic individuals, of each source.
    target
        Target population; by default the one known for the demography.
    outgroup
        Outgroup population; by default the one known for the demography.
    archaic
        Archaic population to sample; by default the one known for the demography.
    donors
        Populations that a lineage must trace into for its segment to count as introgressed; by
        default those known for the demography, or else the archaic population.
    archaic_time
        Age of the archaic sample in generations before present; by default the
        demography's.
    mutation_rate
        Mutation rate per bp and generation; by default the demography's, or else the species'.
    recombination_rate
        Recombination rate per bp and generation; by default the mean of human chromosome 1.
    chrom
        Name of the simulated sequence.
    sources
        Several archaic sources that the truth tells apart, instead of ``archaic``, ``donors`` and
        ``archaic_time``.

    Raises
    ------
    SettingError
        A value is invalid; the message names the field.
    """

    model: str = "PapuansOutOfAfrica_10J19"
    length: Annotated[int, Range(1, 2**31 - 1)] = 5_000_000
    seed: Annotated[int, Range(0, 2**63 - 1)] = 1
    n_target: Annotated[int, Range(1)] = 10
    n_outgroup: Annotated[int, Range(1)] = 100
    n_archaic: Annotated[int, Range(1)] = 1
    target: str | None = None
    outgroup: str | None = None
    archaic: str | None = None
    donors: tuple[str, ...] = ()
    archaic_time: Annotated[float, Range(0)] | None = None
    mutation_rate: Rate | None = None
    recombination_rate: Rate | None = None
    chrom: str = "chr1"
    sources: tuple[SimulatedSource, ...] = ()

    def __post_init__(self) -> None:
        check(self)
        if self.sources:
            self._check_sources()
        if not re.fullmatch(_CONTIG, self.chrom) or self.chrom.startswith("#"):
            raise SettingError(f"chrom is {self.chrom!r}; it must be one word that VCF allows as the name of a contig")

    def _check_sources(self) -> None:
        if self.archaic is not None or self.donors or self.archaic_time is not None:
            raise SettingError("sources and a single archaic, its donors or its age exclude each other")
        names = [source.name for source in self.sources]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise SettingError(f"two sources are called {twice}")
        if all(source.population is None for source in self.sources):
            raise SettingError("no source has an archaic that is sampled", hint="name the population of one")


@dataclass(frozen=True)
class SimulationLimits:
    """What a simulation may cost; more is refused before it begins.

    Parameters
    ----------
    max_events
        Recombinations, common ancestors, migrations and mutations expected in one region; a billion
        takes about an hour.

    Raises
    ------
    SettingError
        A value is invalid; the message names the field.
    """

    max_events: Annotated[float, Range(1)] = 1e9

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class TrackSettings:
    """How haplotypes become tracks; a model reads only tracks made with its own settings.

    Parameters
    ----------
    k
        Length of the (virtual) k-mers in bp.
    bin
        Length of a bin in bp, at least k.
    """

    k: Annotated[int, Range(1, 31)] = 31
    bin: Annotated[int, Range(1)] = 1000

    def __post_init__(self) -> None:
        check(self)
        if self.bin < self.k:
            raise SettingError(f"bin is {self.bin} bp; it must be at least k ({self.k})")

    def requirements(self) -> dict[str, Any]:
        """Return what a model and its data must agree on."""
        return {**asdict(self), "channels": list(CHANNELS)}


@dataclass(frozen=True)
class IntrogressionTraining:
    """Training settings specific to this pipeline; the rest are the core's.

    Parameters
    ----------
    label
        Name of the archaic source in the output of scans that name none.
    window
        Number of bins in a training window.
    """

    label: str = "archaic"
    window: Annotated[int, Range(8)] = 500

    def __post_init__(self) -> None:
        check(self)
        if not self.label or len(self.label.split()) != 1:
            raise SettingError(f"label is '{self.label}'; it must be one word")
        try:
            check_source(self.label)
        except SettingError as error:
            raise SettingError(f"label: {error.reason}", hint=error.hint) from error


@dataclass(frozen=True)
class DecodeSettings:
    """How posteriors become segments.

    Parameters
    ----------
    threshold
        Minimum posterior of the bins in a segment; None if it is to be chosen on the data.
    min_length
        Minimum length of a segment in bp; 0 keeps all.
    bridge
        Longest stretch in bp that a segment may span although nothing is known of it; 0 bridges none.
    fdr
        Share of the called bins that may be wrong, by their posteriors; without it, the threshold that is
        chosen is the one with the best expected F1.
    """

    threshold: Annotated[float, INSIDE] | None = 0.5
    min_length: Annotated[int, Range(0)] = 0
    bridge: Annotated[int, Range(0)] = 20_000
    fdr: Annotated[float, INSIDE] | None = None

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class VariantSettings:
    """Which records and calls of a VCF count in a scan, and what it means that there is none.

    Parameters
    ----------
    filters
        FILTER values whose records are used; "any" uses all records.
    archaic_min_gq
        Minimum GQ of an archaic call; one below it, or without GQ, is missing.
    archaic_min_dp
        Minimum DP of an archaic call; one below it, or without DP, is missing.
    target_absent
        What a position without a record means in a file of the targets: "reference", "missing", or
        "auto": missing if the file lists invariant positions, else the reference.
    outgroup_absent
        The same for files of the outgroup.
    archaic_absent
        The same for files of the archaic.
    """

    filters: tuple[str, ...] = ("PASS", ".")
    archaic_min_gq: Annotated[int, Range(0)] = 0
    archaic_min_dp: Annotated[int, Range(0)] = 0
    target_absent: Literal["auto", "reference", "missing"] = "auto"
    outgroup_absent: Literal["auto", "reference", "missing"] = "auto"
    archaic_absent: Literal["auto", "reference", "missing"] = "auto"

    def __post_init__(self) -> None:
        check(self)
        if not self.filters:
            raise SettingError("filters names no FILTER", hint="'any' uses all records")
        for name in self.filters:
            if not name or len(name.split()) != 1 or ";" in name:
                raise SettingError(f"filters holds {name!r}, which is no FILTER", hint="give one at a time")


@dataclass(frozen=True)
class ScanSettings:
    """Which predictor to use in a scan, and how to cut its posteriors into segments.

    Parameters
    ----------
    baseline
        Use the supervised HMM that was trained along with the model, instead of the network.
    threshold
        Minimum posterior of the bins in a segment; by default the one with the best F1 that is
        expected on the data at hand, by their posteriors.
    fdr
        Share of called bp that may be wrong, expected on the data at hand; sets the threshold.
    min_length
        Minimum length of a segment in bp; 0 keeps all.
    bridge
        Longest stretch in bp that a segment may span although nothing is known of it; 0 bridges none.
    """

    baseline: Baseline | None = None
    threshold: Annotated[float, INSIDE] | None = None
    fdr: Annotated[float, INSIDE] | None = None
    min_length: Annotated[int, Range(0)] = 0
    bridge: Annotated[int, Range(0)] = DecodeSettings.bridge

    def __post_init__(self) -> None:
        check(self)
        if self.threshold is not None and self.fdr is not None:
            raise SettingError("threshold and fdr exclude each other")
        if self.fdr is not None and self.baseline is not None:
            raise SettingError("fdr is available for the network only, not for the baseline")


@dataclass(frozen=True)
class AgreementSettings:
    """How the segments of several programs are compared.

    Parameters
    ----------
    level
        The finest unit to compare, for sets of segments that both tell it apart.
    reciprocal
        Share of each of two segments that must overlap for them to count as the same.
    permutations
        Number of random shifts of a map that its agreement is set against.
    """

    level: Literal["haplotype", "sample", "population"] = "haplotype"
    reciprocal: Annotated[float, Range(0, 1, above_low=True)] = 0.5
    permutations: Annotated[int, Range(1, 1_000_000)] = 1000

    def __post_init__(self) -> None:
        check(self)


TRACKS = TrackSettings()
LABELLING = IntrogressionTraining()
SCAN = ScanSettings()
VARIANTS = VariantSettings()
"""The defaults, along with :data:`NETWORK` and :data:`TRAINING`."""
