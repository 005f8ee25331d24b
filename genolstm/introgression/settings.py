"""Settings of the introgression pipeline; the command line builds its options from them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

from genolstm.errors import SettingError
from genolstm.introgression.channels import CHANNELS
from genolstm.lstm.config import LSTMConfig
from genolstm.lstm.train.settings import TrainingSettings
from genolstm.settings import INSIDE, Range, check

DEFAULT_MODEL = "neanderthal"
Baseline = Literal["hmm"]
Rate = Annotated[float, Range(0, 1e-3, above_low=True, below_high=True)]

#: Loss and split are for bins; the network reads tracks as counts and takes their logarithm itself.
NETWORK = LSTMConfig(
    head="tag",
    n_outputs=1,
    input="features",
    n_features=len(CHANNELS),
    transform="log1p",
    input_units=32,
    input_activation="relu",
    cell="lstm",
    units=48,
    layers=2,
    bidirectional=True,
)
TRAINING = TrainingSettings(epochs=12, batch_size=64, learning_rate=3e-3, patience=4, validation_fraction=0.2)


@dataclass(frozen=True)
class SimulationSettings:
    """What to simulate. Sample sizes count diploid individuals.

    Parameters
    ----------
    model
        A stdpopsim demographic model of Homo sapiens, or a demes YAML file.
    length
        Length of the region in bp.
    seed
        Seed of ancestry, mutations and reference sequence.
    n_target
        Diploid target individuals.
    n_outgroup
        Diploid outgroup individuals.
    n_archaic
        Diploid archaic individuals.
    target
        Target population; by default the demography's.
    outgroup
        Outgroup population; by default the demography's.
    archaic
        Archaic population that is sampled; by default the demography's.
    donors
        Populations into which a lineage has to trace for its segment to count as introgressed; by
        default the demography's.
    archaic_time
        Generations before present at which the archaic is sampled; by default the demography's.
    mutation_rate
        Mutations per bp and generation; by default the demography's rate, or the species'.
    recombination_rate
        Crossovers per bp and generation; by default the species' mean.
    chrom
        Name of the simulated sequence.

    Raises
    ------
    SettingError
        A value makes no sense; the message names the field.
    """

    model: str = "PapuansOutOfAfrica_10J19"
    length: Annotated[int, Range(1)] = 5_000_000
    seed: Annotated[int, Range(0)] = 1
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

    def __post_init__(self) -> None:
        check(self)
        if len(self.chrom.split()) != 1 or self.chrom.startswith(("#", ">")):
            raise SettingError(f"chrom is '{self.chrom}', it has to be one word")


@dataclass(frozen=True)
class TrackSettings:
    """How haplotypes become tracks; a model only reads tracks made with its own settings.

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
            raise SettingError(f"bin is {self.bin} bp, it has to be at least k ({self.k})")

    def requirements(self) -> dict[str, Any]:
        """Return what a model and its data must agree on."""
        return {**asdict(self), "channels": list(CHANNELS)}


@dataclass(frozen=True)
class IntrogressionTraining:
    """What is particular to this pipeline; everything else is the core's.

    Parameters
    ----------
    label
        What segments are called in the output.
    window
        Bins of a training window.
    """

    label: str = "archaic"
    window: Annotated[int, Range(8)] = 500

    def __post_init__(self) -> None:
        check(self)
        if not self.label or len(self.label.split()) != 1:
            raise SettingError(f"label is '{self.label}', it has to be one word")


@dataclass(frozen=True)
class DecodeSettings:
    """How posteriors become segments.

    Parameters
    ----------
    threshold
        Least posterior of a bin inside a segment.
    min_length
        Shortest segment in bp.
    """

    threshold: Annotated[float, INSIDE] = 0.5
    min_length: Annotated[int, Range(0)] = 0

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class ScanSettings:
    """What to ask of a model in a scan, and how to cut its answer into segments.

    Parameters
    ----------
    baseline
        Use the supervised HMM that was trained along with the model.
    threshold
        Least posterior in a segment; by default the model's, which gave the best F1 on its
        validation data.
    fdr
        Instead of a threshold: share of called bp that may be wrong, by the model's validation data.
    min_length
        Shortest segment in bp.
    """

    baseline: Baseline | None = None
    threshold: Annotated[float, INSIDE] | None = None
    fdr: Annotated[float, INSIDE] | None = None
    min_length: Annotated[int, Range(0)] = 0

    def __post_init__(self) -> None:
        check(self)
        if self.threshold is not None and self.fdr is not None:
            raise SettingError("threshold and fdr exclude each other")
        if self.fdr is not None and self.baseline is not None:
            raise SettingError("fdr is known for the network only, not for the baseline")


TRACKS = TrackSettings()
LABELLING = IntrogressionTraining()
SCAN = ScanSettings()
"""What is used where nothing else is said; so are :data:`NETWORK` and :data:`TRAINING`."""
