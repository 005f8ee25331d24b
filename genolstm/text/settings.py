"""How to train a text or genome model: one frozen dataclass, and the tutorial's preset."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any, Literal

from genolstm.errors import SettingError
from genolstm.lstm.config import LSTMConfig
from genolstm.lstm.train.settings import Schedule, TrainingSettings
from genolstm.settings import INSIDE, POSITIVE, SHARE, Range, check

TEXT, DNA = "text", "dna"
FORMATS = ("auto", "text", "fasta")
CHARACTERS, WORDS = "characters", "words"
STREAM, WINDOW = "stream", "window"
# The longest contexts of Markov models, and the longest k-mers of a spectrum.
MAX_ORDER, MAX_K = 16, 10
#: Words of a vocabulary, at most.
MAX_VOCABULARY = 50_000
#: What a mixture's forecasts come from.
FORECASTS = ("network", "counts", "repeat", "inverted_repeat")
#: Generators that can be compared, in the order of the table.
GENERATORS = ("lstm", "markov", "gan")
#: Lengths of the k-mers whose spectra judge a generator.
SPECTRUM_KS = (2, 4, 6, 8)
#: Halvings of a window in the critic of a GAN, and doublings in its generator.
GAN_HALVINGS = 3
#: Fewer records than that are cut into blocks, of this length.
_MANY_RECORDS, _BLOCK = 20, 5000
_SMALL = 1_000_000
_STEPS_WANTED = 2000
_MOST_PASSES = 200


@dataclass(frozen=True)
class TextSettings:
    """Network and training of a :class:`~genolstm.text.generator.TextGenerator`.

    ``None`` leaves a choice to :meth:`resolve`, which makes it by the kind and size of the data.

    Parameters
    ----------
    tokens
        Symbols of a text: its characters, or its words, with the space before each; words that are not in the
        vocabulary are spelled.
    vocabulary
        Number of words in a vocabulary, at most: the most common ones of the training part, each of
        which is there twice or more.
    mode
        ``stream``: one contiguous stream with carried state. ``window``: shuffled windows, each
        read from a state of zeros, as in the tutorial.
    embedding
        Width of a symbol's vector; by default 48, 128 for words, or 8 for DNA. With 0 (windows only), a symbol is
        read as its code divided by the number of symbols.
    units
        Width of an LSTM layer; by default 512, or 256 for DNA.
    layers
        Number of LSTM layers.
    dropout
        Fraction dropped after each layer in training; by default 0.2 below a million symbols,
        otherwise 0.
    steps
        Number of symbols per window, which is how far back the gradient reaches.
    batch_size
        Number of parallel streams, or of windows per step; by default up to 64.
    epochs
        Maximum number of epochs; by default enough for 2,000 steps, within 4 to 200.
    steps_per_epoch
        Number of steps that count as an epoch; 0 for one pass over the data.
    learning_rate
        Peak learning rate of Adam.
    schedule, warmup_steps, clipnorm
        As in :class:`~genolstm.lstm.train.settings.TrainingSettings`.
    patience
        Number of epochs without a better held-out loss after which training stops; 0 for never. By
        default a tenth of the epochs, but at least 3.
    validation
        Share to hold out: the end of a text, or whole records of FASTA; 0 for none.
    reverse_complement
        Whether both strands of DNA are read.
    noise
        Share of the symbols read that are replaced by random ones in training, so that the model
        recovers after a mutation; by default 0, or 0.01 for DNA.
    seed
        Random seed.

    Raises
    ------
    SettingError
        A value makes no sense.
    """

    tokens: Literal["characters", "words"] = "characters"
    vocabulary: Annotated[int, Range(1, MAX_VOCABULARY)] = 10_000
    mode: Literal["stream", "window"] = "stream"
    embedding: Annotated[int, Range(0)] | None = None
    units: int | tuple[int, ...] | None = None
    layers: Annotated[int, Range(1)] = 1
    dropout: Annotated[float, SHARE] | None = None
    steps: Annotated[int, Range(2)] = 64
    batch_size: Annotated[int, Range(1)] | None = None
    epochs: Annotated[int, Range(1)] | None = None
    steps_per_epoch: Annotated[int, Range(0)] = 0
    learning_rate: Annotated[float, POSITIVE] = 3e-3
    schedule: Schedule = "cosine"
    warmup_steps: Annotated[int, Range(0)] = 200
    clipnorm: Annotated[float, Range(0)] = 1.0
    patience: Annotated[int, Range(0)] | None = None
    validation: Annotated[float, SHARE] = 0.1
    reverse_complement: bool = True
    noise: Annotated[float, SHARE] | None = None
    seed: Annotated[int, Range(0)] = 1

    def __post_init__(self) -> None:
        check(self)
        if self.mode == STREAM and self.embedding == 0:
            raise SettingError("embedding must be at least 1 in mode stream")
        if self.tokens == WORDS and self.embedding == 0:
            raise SettingError(
                "words cannot be read as one number each, as the tutorial's preset reads characters",
                hint="give --embedding 48, say, too",
            )
        if isinstance(self.units, list):
            object.__setattr__(self, "units", tuple(self.units))

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON-ready values."""
        return asdict(self)

    def resolve(self, kind: str, symbols: int) -> TextSettings:
        """Return the settings with every choice made, for a number of training symbols."""
        dna, small = kind == DNA, symbols < _SMALL
        batch = self.batch_size
        if batch is None:
            # A lane should be a few windows long, or there is little to carry.
            batch = max(1, min(64, symbols // (4 * self.steps)))
        epochs = self.epochs
        if epochs is None:
            a_pass = self.steps_per_epoch or max(1, -(-symbols // (batch * self.steps)))
            epochs = max(4, min(_MOST_PASSES, -(-_STEPS_WANTED // a_pass)))
        chosen = {
            "embedding": (8 if dna else 128 if self.tokens == WORDS else 48)
            if self.embedding is None
            else self.embedding,
            "units": (256 if dna else 512) if self.units is None else self.units,
            "dropout": (0.2 if small else 0.0) if self.dropout is None else self.dropout,
            "noise": (0.01 if dna and self.mode == STREAM else 0.0) if self.noise is None else self.noise,
            "patience": max(3, epochs // 10) if self.patience is None else self.patience,
        }
        return replace(self, batch_size=batch, epochs=epochs, **chosen)  # type: ignore[arg-type]

    def network(self, n_symbols: int) -> LSTMConfig:
        """Return the network of resolved settings."""
        scaled = self.embedding == 0
        return LSTMConfig(
            head="next",
            input="features" if scaled else "embedding",
            n_features=1 if scaled else 0,
            # One code more than there are symbols: the boundary is read, but never predicted.
            vocabulary=0 if scaled else n_symbols + 1,
            input_units=self.embedding or 0,
            n_outputs=n_symbols,
            units=self.units or 1,
            layers=self.layers,
            bidirectional=False,
            dropout=self.dropout or 0.0,
        )

    def training(self) -> TrainingSettings:
        """Return the core's settings of resolved settings."""
        return TrainingSettings(
            epochs=self.epochs or 1,
            batch_size=self.batch_size or 1,
            learning_rate=self.learning_rate,
            schedule=self.schedule,
            warmup_steps=self.warmup_steps,
            clipnorm=self.clipnorm,
            patience=self.patience or 0,
            seed=self.seed,
            validation_fraction=0.0,
            steps_per_epoch=self.steps_per_epoch,
            checkpoint_steps=200,
        )

    def least(self) -> int:
        """Return the fewest symbols that can be trained on."""
        needed = self.steps + 1
        while needed - -(-round(1e9 * needed * self.validation) // 10**9) < self.steps + 1:
            needed += 1
        return needed


#: The tutorial's network and training: windows of 100 scaled codes, three LSTM layers with
#: dropout after each, Adam as Keras sets it, 4 epochs of batch 256, nothing held out.
TUTORIAL = TextSettings(
    mode="window",
    embedding=0,
    units=(256, 256, 128),
    layers=3,
    dropout=0.2,
    steps=100,
    batch_size=256,
    epochs=4,
    learning_rate=1e-3,
    schedule="constant",
    warmup_steps=0,
    clipnorm=0.0,
    patience=0,
    validation=0.0,
    reverse_complement=False,
)


@dataclass(frozen=True)
class GanSettings:
    """A Wasserstein GAN with gradient penalty that makes windows of DNA.

    Parameters
    ----------
    latent
        Number of random numbers that a window is made from.
    channels
        Number of filters of each convolution.
    batch_size
        Number of windows per step.
    critic_steps
        Number of steps of the critic for each step of the generator.
    penalty
        Weight of the gradient penalty.
    temperature
        Temperature of the Gumbel-softmax through which the gradient reaches the generator.
    learning_rate
        Learning rate of Adam, of generator and critic alike.

    Raises
    ------
    SettingError
        A value makes no sense.
    """

    latent: Annotated[int, Range(1)] = 64
    channels: Annotated[int, Range(1)] = 64
    batch_size: Annotated[int, Range(1)] = 16
    critic_steps: Annotated[int, Range(1)] = 5
    penalty: Annotated[float, Range(0)] = 10.0
    temperature: Annotated[float, POSITIVE] = 0.75
    learning_rate: Annotated[float, POSITIVE] = 1e-3

    def __post_init__(self) -> None:
        check(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON-ready values."""
        return asdict(self)


@dataclass(frozen=True)
class GeneratorsSettings:
    """What generators that are compared have in common, and how they are judged.

    Parameters
    ----------
    generators
        Generators to compare, out of lstm, markov and gan.
    passes
        Training bases that the networks may read, in lengths of the training sequence: epochs of the LSTM, and
        windows of the GAN's critic that are as many bases.
    seeds
        Number of runs of each generator; their seeds count up from the first one.
    seed
        First seed, which also divides the sequence; each seed determines initial weights, samples and
        judges.
    window
        Length of the windows that are judged, in bases; a multiple of 8.
    bases
        Number of bases that each generator makes; by default half of the held-out bases, which is the
        most.
    block
        Length of the blocks that records are cut into, each of which stays on one side; by default whole
        records if there are at least 20, otherwise 5,000 bases.
    held_out
        Share of the sequence that no generator sees.
    validation
        Share of the sequence that is not learned from, but chooses the LSTM's epoch, the Markov model's order,
        and the GAN's pass.
    units
        Width of the LSTM layer.
    max_order
        Longest context of the Markov model.
    reverse_complement
        Whether both strands are read, made and judged.

    Raises
    ------
    SettingError
        A value makes no sense.
    """

    generators: tuple[str, ...] = GENERATORS
    passes: Annotated[int, Range(1)] = 24
    seeds: Annotated[int, Range(1)] = 3
    seed: Annotated[int, Range(0)] = 1
    window: Annotated[int, Range(32)] = 128
    bases: Annotated[int, Range(1)] | None = None
    block: Annotated[int, Range(32)] | None = None
    held_out: Annotated[float, INSIDE] = 0.4
    validation: Annotated[float, INSIDE] = 0.1
    units: Annotated[int, Range(1)] = 64
    max_order: Annotated[int, Range(0, MAX_ORDER)] = 12
    reverse_complement: bool = True

    def __post_init__(self) -> None:
        check(self)
        object.__setattr__(self, "generators", parse_generators(self.generators))
        if self.window % (1 << GAN_HALVINGS):
            raise SettingError(f"window is {self.window}, it must be a multiple of {1 << GAN_HALVINGS}")
        if self.held_out + self.validation > 0.9:
            raise SettingError("held_out and validation must leave a tenth to learn from")
        if self.block is not None and self.block < self.window:
            raise SettingError(f"block is {self.block}, it must be at least the window, {self.window}")

    def block_length(self, records: int) -> int:
        """Return the length of the blocks of so many records; 0 for whole records."""
        if self.block is not None:
            return self.block
        return 0 if records >= _MANY_RECORDS else max(_BLOCK, self.window)

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON-ready values."""
        return {**asdict(self), "generators": list(self.generators)}


def parse_generators(names: str | Iterable[str]) -> tuple[str, ...]:
    """Return generators from comma-separated names, in the order of the table.

    Raises
    ------
    SettingError
        There is no such generator, or none is named.
    """
    wanted = [name.strip().lower() for name in (names.split(",") if isinstance(names, str) else names) if name.strip()]
    for name in wanted:
        if name not in GENERATORS:
            raise SettingError(f"there is no generator {name!r}", hint=f"known: {', '.join(GENERATORS)}")
    if not wanted:
        raise SettingError("no generator is named")
    return tuple(name for name in GENERATORS if name in wanted)


PRESETS = {"default": TextSettings(), "tutorial": TUTORIAL}


def preset_settings(name: str, changes: Mapping[str, Any]) -> TextSettings:
    """Return a preset with some values changed; a new width alone means a single layer."""
    settings = PRESETS[name]
    if "layers" in changes and "units" not in changes and isinstance(settings.units, tuple):
        raise SettingError("layers alone leaves the preset's widths undecided", hint="give --units, too")
    layers = {"layers": 1} if "units" in changes else {}
    return replace(settings, **{**layers, **changes})
