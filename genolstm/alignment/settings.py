"""The settings of the aligner: how to align, search, join families, train and draw."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

from genolstm.alignment.pairhmm.modes import Mode, Strand
from genolstm.errors import SettingError
from genolstm.settings import INSIDE, POSITIVE, SHARE, Range, check

Decoding = Literal["mea", "viterbi"]


@dataclass(frozen=True)
class AlignmentSettings:
    """How to align.

    Parameters
    ----------
    mode
        ``global``: both from end to end; ``semiglobal``: all of the query within the reference;
        ``local``: a stretch of both.
    strand
        Strand of the query: ``plus``, ``minus``, or the better of ``both``.
    decoding
        ``mea``: maximum expected accuracy; ``viterbi``: the single most likely path.
    gap_factor
        Recall against precision of mea: 0 aligns all it can, above 1 only what is sure; without
        one, the highest expected F1 is sought.
    band
        Margin in bp around exact matches, or ``none``; ``auto`` bands pairs of more than
        16 million cells.
    memory
        Bytes that one pair may take.
    """

    mode: Mode = "global"
    strand: Strand = "both"
    decoding: Decoding = "mea"
    gap_factor: Annotated[float, Range(0)] | None = None
    band: int | str = "auto"
    memory: Annotated[int, Range(1)] = 2 << 30

    def __post_init__(self) -> None:
        check(self)
        number = isinstance(self.band, int) and not isinstance(self.band, bool) and self.band >= 1
        if not number and self.band not in ("auto", "none"):
            raise SettingError(f"band is {self.band!r}, it must be auto, none or a number of bp")


SEARCH_MODE: Mode = "semiglobal"
"""How a search aligns, whatever the mode of its model: queries are taken to be parts of references."""


@dataclass(frozen=True)
class SearchSettings:
    """What to look for.

    Parameters
    ----------
    evalue
        Largest E-value of a hit: how many such hits per query are expected by chance. Models
        without calibration use the bound 2 ** -bits per reference.
    max_hits
        Most hits per query.
    candidates
        References (or windows of long ones) per query that are looked at more closely.
    exact
        Score every query against every reference; slow.
    skip_self
        Leave out hits between sequences of the same name.
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
        Mean posterior from which residues are aligned: 0 aligns all it can, higher values only
        what is likely.
    consistency
        Rounds in which third sequences vote on every pair.
    """

    gain: Annotated[float, SHARE] = 0.2
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
    units, layers, filters, kernel_size
        Shape of the network.
    pretraining_epochs
        Passes of the auxiliary heads alone; none where nothing is known for them.
    epochs
        Passes over the pairs at most.
    likelihood_epochs
        Passes at the end that also learn the pairs' likelihood, by which a pair is given to the
        plain pair-HMM or to the contextual one.
    batch_size
        Pairs per step.
    learning_rate
        Peak learning rate of Adam.
    auxiliary
        Weight of the auxiliary heads relative to the loss of the alignments.
    likelihood
        Weight of the pairs' likelihood relative to the loss of the alignments.
    patience
        Epochs without a better held-out loss after which training stops.
    simulated
        Share of simulated pairs mixed in, so that what the model knew is not lost.
    validation
        Share of the pairs held out; no sequence is on both sides.
    seed
        Random seed.
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
        """Return the settings as JSON can hold them."""
        return asdict(self)


FINE_TUNING = AlignTrainSettings(epochs=4, learning_rate=5e-4, likelihood=0.1)
"""How ``align train`` trains a model further: a quarter of the rate a new model learns with."""


@dataclass(frozen=True)
class PlotSettings:
    """How to draw alignments.

    Parameters
    ----------
    kind
        ``dotplot``: all posteriors with the path over them; ``alignment``: the letters coloured by
        confidence.
    width
        Columns per line of an ``alignment``.
    bins
        Bins of the posterior in a reliability diagram.
    """

    kind: Literal["dotplot", "alignment"] = "dotplot"
    width: Annotated[int, Range(10)] = 80
    bins: Annotated[int, Range(2, 100)] = 20

    def __post_init__(self) -> None:
        check(self)
