"""The settings of the aligner: how to align, search, join families, train and draw."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

from genolstm.alignment.pairhmm.modes import Mode, Strand
from genolstm.errors import SettingError
from genolstm.settings import INSIDE, POSITIVE, SHARE, Range, check

Decoding = Literal["mea", "viterbi"]
QueryMask = Literal["tantan", "none"]
FORMATS = ("paf", "sam", "outfmt6", "maf", "fasta", "stockholm", "tsv", "json")
"""Formats of pairwise alignments; their writers are in :mod:`genolstm.alignment.formats.pairwise`."""
GATHERED = ("paf", "sam", "outfmt6", "tsv")
"""Formats with a line for each record, whose files can be joined."""
FAMILY_FORMATS = ("fasta", "a2m", "stockholm")
"""Formats of multiple alignments; their writers are in :mod:`genolstm.alignment.formats.family`."""
FAMILY_MODELS = ("dna", "rna", "rna")
"""Models whose posteriors are averaged for a multiple alignment, if none is named: ``rna`` counts twice."""


@dataclass(frozen=True)
class AlignmentSettings:
    """How to align.

    Parameters
    ----------
    mode
        Extent of the alignment. ``global``: both sequences from end to end; ``semiglobal``: the
        whole query within the reference; ``local``: a stretch of each.
    strand
        Strand of the query to align: ``plus``, ``minus``, or the better of ``both``.
    decoding
        How to choose the alignment. ``mea``: maximum expected accuracy; ``viterbi``: the single most
        likely path.
    gap_factor
        Trade-off between recall and precision in mea: 0 aligns all it can, values above 1 only what
        is certain. If not given, the expected F1 is maximised.
    band
        Margin in bp around exact matches; ``none`` visits the whole matrix, ``auto`` uses a band
        only for pairs of more than 16 million cells.
    memory
        Maximum memory for one pair, in bytes.
    qmask
        What of the query counts for nothing in E-values and P(homolog): low complexity as ``tantan`` finds
        it, or ``none``. Unrelated sequences with tandem repeats look alike in them. Scores and alignments
        are of all letters.
    """

    mode: Mode = "global"
    strand: Strand = "both"
    decoding: Decoding = "mea"
    gap_factor: Annotated[float, Range(0)] | None = None
    band: int | str = "auto"
    memory: Annotated[int, Range(1)] = 2 << 30
    qmask: QueryMask = "tantan"

    def __post_init__(self) -> None:
        check(self)
        number = isinstance(self.band, int) and not isinstance(self.band, bool) and self.band >= 1
        if not number and self.band not in ("auto", "none"):
            raise SettingError(f"band is {self.band!r}, it must be auto, none or a positive whole number of bp")


SEARCH_MODE: Mode = "semiglobal"
"""Default mode of a search, whatever the mode of its model: queries are assumed to be parts of references."""


@dataclass(frozen=True)
class SearchSettings:
    """What to search for.

    Parameters
    ----------
    evalue
        Largest E-value of a hit: the number of such hits per query expected by chance. Models
        without calibration use the bound 2 ** -bits per reference.
    max_hits
        Maximum number of hits per query.
    candidates
        Number of references (or windows of long ones) per query to examine more closely.
    exact
        Score every query against every reference (slow).
    skip_self
        Leave out hits between sequences with the same name.
    """

    evalue: Annotated[float, POSITIVE] = 10.0
    max_hits: Annotated[int, Range(1)] = 5
    candidates: Annotated[int, Range(1)] = 600
    exact: bool = False
    skip_self: bool = False

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class MsaSettings:
    """How to align a family.

    Parameters
    ----------
    gain
        Mean posterior above which residues are aligned. 0 aligns all it can, which finds the most
        true pairs; 0.2 is more precise, 0.5 aligns only what is likely.
    consistency
        Number of rounds in which all other sequences vote on every pair.
    """

    gain: Annotated[float, SHARE] = 0.0
    consistency: Annotated[int, Range(0)] = 1

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class AlignTrainSettings:
    """How to train an aligner.

    The auxiliary heads alone learn with twice the batch size and twice the learning rate; the
    likelihood learns with half the rate, because above that it shuts the gates.

    Parameters
    ----------
    units
        Number of LSTM units per direction.
    layers
        Number of LSTM layers.
    filters
        Number of filters of the input convolution.
    kernel_size
        Width of the input convolution in bp.
    pretraining_epochs
        Number of passes that train the auxiliary heads alone; skipped if they have no labels.
    epochs
        Maximum number of passes over the pairs.
    likelihood_epochs
        Maximum number of final passes that also learn the pairs' likelihood, which decides between
        the plain pair-HMM and the contextual one.
    batch_size
        Number of pairs per training step.
    learning_rate
        Peak learning rate of Adam.
    auxiliary
        Weight of the auxiliary heads relative to the loss of the alignments.
    likelihood
        Weight of the pairs' likelihood relative to the loss of the alignments.
    patience
        Number of epochs without a better held-out loss after which training stops.
    simulated
        Share of simulated pairs mixed in, so that the model does not forget what it knew.
    validation
        Share of the pairs held out for validation; no sequence is in both parts.
    seed
        Seed of all random numbers.
    """

    units: Annotated[int, Range(1)] = 56
    layers: Annotated[int, Range(1)] = 1
    filters: Annotated[int, Range(1)] = 32
    kernel_size: Annotated[int, Range(1)] = 7
    pretraining_epochs: Annotated[int, Range(0)] = 12
    epochs: Annotated[int, Range(1)] = 4
    likelihood_epochs: Annotated[int, Range(0)] = 2
    batch_size: Annotated[int, Range(1)] = 16
    learning_rate: Annotated[float, POSITIVE] = 2e-3
    auxiliary: Annotated[float, Range(0)] = 0.1
    likelihood: Annotated[float, Range(0)] = 0.1
    patience: Annotated[int, Range(0)] = 3
    simulated: Annotated[float, SHARE] = 0.5
    validation: Annotated[float, INSIDE] = 0.1
    seed: Annotated[int, Range(0)] = 1

    def __post_init__(self) -> None:
        check(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the settings, ready for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class FamilySettings:
    """How to learn from aligned families.

    Parameters
    ----------
    held_out
        Share of the families that nothing is fitted to: one half of them chooses between what was learned
        and the model that it began with, the other gives the figures.
    per_family
        Maximum number of pairs of a family, from as many ranges of identity as it has.
    search
        Number of sets of parameters that are tried for a higher F1 after the fit by likelihood.
    """

    held_out: Annotated[float, INSIDE] = 0.5
    per_family: Annotated[int, Range(1)] = 4
    search: Annotated[int, Range(0)] = 80

    def __post_init__(self) -> None:
        check(self)


FINE_TUNING = AlignTrainSettings(epochs=4, learning_rate=5e-4, likelihood=0.1)
"""How ``align train`` fine-tunes a model: with a quarter of the learning rate of a new one."""


@dataclass(frozen=True)
class PlotSettings:
    """How to draw alignments.

    Parameters
    ----------
    kind
        What to draw. ``dotplot``: all posteriors with the path over them; ``alignment``: the
        letters, coloured by confidence.
    width
        Number of columns per line of an ``alignment``.
    bins
        Number of bins of the posterior in a reliability diagram.
    """

    kind: Literal["dotplot", "alignment"] = "dotplot"
    width: Annotated[int, Range(10)] = 80
    bins: Annotated[int, Range(2, 100)] = 20

    def __post_init__(self) -> None:
        check(self)
