"""Settings of the sequence-only recipe, and its warning; the command line builds its options from them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

from genolstm.errors import SettingError
from genolstm.lstm.config import LSTMConfig
from genolstm.lstm.train.settings import TrainingSettings
from genolstm.settings import INSIDE, Range, check

#: Opens the card of every such model, and stands on stderr whenever one is made or used.
WARNING = (
    "this model knows the sequence of the loci that it was trained on and compares with no reference: on loci that it "
    "did not see it can be no better than chance. To find archaic segments, use `genolstm introgression scan`, which "
    "compares with references"
)
#: What the labels of a table say.
ARCHAIC, MODERN = "archaic", "modern"
#: The longest k-mers: every one of them has a row of its own in the table of the embedding.
MAX_K = 9
Split = Literal["region", "chromosome", "haplotype"]


@dataclass(frozen=True)
class SentenceSettings:
    """How haplotypes become sentences of k-mers; a model reads only sentences made with its own settings.

    Parameters
    ----------
    k
        Length in bp of the k-mers, which are the words of a sentence: one at every base, on the strand that is given.
    sentence
        Length of a sentence in bp, at least k.
    step
        Distance in bp from the begin of one sentence to the next.
    known
        Share of a sentence's k-mers that must be free of unknown bases (N) for it to be read at all.

    Raises
    ------
    SettingError
        A value is invalid; the message names the field.
    """

    k: Annotated[int, Range(1, MAX_K)] = 6
    sentence: Annotated[int, Range(1, 10_000)] = 200
    step: Annotated[int, Range(1, 1_000_000)] = 100
    known: Annotated[float, Range(0, 1, above_low=True)] = 0.5

    def __post_init__(self) -> None:
        check(self)
        if self.sentence < self.k:
            raise SettingError(f"sentence is {self.sentence} bp; it must be at least k ({self.k})")

    @property
    def tokens(self) -> int:
        """Number of k-mers of a sentence."""
        return self.sentence - self.k + 1

    @property
    def vocabulary(self) -> int:
        """Number of tokens there are: every k-mer, and the unknown one."""
        return int(4**self.k) + 1

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON-ready values."""
        return asdict(self)


@dataclass(frozen=True)
class SequenceOnlyTraining:
    """Training settings specific to this recipe; the rest are the core's.

    Parameters
    ----------
    split
        What stays together when data are held out: all of a region (a folder's chromosome), of a chromosome (over all
        folders), or of a haplotype's carrier at all loci, so that other people at the same loci are held out.
    modern
        Modern stretches drawn for each archaic one of a folder or file, of the same length; 0 keeps all that is modern.
    test_fraction
        Share of the groups that is set aside and measured once, after all choices.

    Raises
    ------
    SettingError
        A value is invalid; the message names the field.
    """

    split: Split = "region"
    modern: Annotated[float, Range(0)] = 1.0
    test_fraction: Annotated[float, INSIDE] = 0.2

    def __post_init__(self) -> None:
        check(self)


SENTENCES = SentenceSettings()
RECIPE = SequenceOnlyTraining()
#: Embedding, bidirectional LSTM, one output for a whole sentence: the probability of archaic.
NETWORK = LSTMConfig(
    head="classify",
    n_outputs=1,
    activation="sigmoid",
    input="embedding",
    vocabulary=SENTENCES.vocabulary,
    input_units=32,
    cell="lstm",
    units=32,
    layers=1,
    bidirectional=True,
)
TRAINING = TrainingSettings(epochs=20, batch_size=64, learning_rate=3e-3, patience=4, validation_fraction=0.2)
