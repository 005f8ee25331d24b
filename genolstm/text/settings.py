"""How to train a text or genome model: one frozen dataclass, and the tutorial's preset."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from genolstm.errors import SettingError
from genolstm.lstm.config import LSTMConfig
from genolstm.lstm.train.settings import TrainingSettings
from genolstm.text.corpus import DNA

STREAM, WINDOW = "stream", "window"
_SMALL = 1_000_000
_STEPS_WANTED = 2000
_MOST_PASSES = 200


@dataclass(frozen=True)
class TextSettings:
    """Network and training of a :class:`~genolstm.text.generator.TextGenerator`.

    ``None`` leaves a choice to :meth:`resolve`, which makes it by the kind and size of the data.

    Parameters
    ----------
    mode
        ``stream``: one contiguous stream with carried state. ``window``: shuffled windows, each
        read from a state of zeros, as in the tutorial.
    embedding
        Numbers a symbol; 0, in mode ``window`` only: its code divided by the number of symbols.
    units
        Width of the LSTM layers; one number for all, or one a layer.
    dropout
        After each layer; by default 0.2 below a million symbols, else none.
    steps
        Symbols a window.
    batch_size
        Lanes of the stream, or windows a step.
    epochs
        Passes over the data at most; by default enough for 2,000 steps, from 4 to 200.
    steps_per_epoch
        Steps that count as an epoch; 0: one pass over the data.
    patience
        Epochs without a better held-out loss before stopping; 0: never stop early.
    validation
        Share of the symbols held out.
    reverse_complement
        Of DNA: read both strands.
    noise
        Share of the symbols read that are replaced by random ones in training, so that the model
        goes on after a mutation; by default 0.01 of DNA, none of text.

    Raises
    ------
    SettingError
        A value makes no sense.
    """

    mode: str = STREAM
    embedding: int | None = None
    units: int | tuple[int, ...] | None = None
    layers: int = 1
    dropout: float | None = None
    steps: int = 64
    batch_size: int | None = None
    epochs: int | None = None
    steps_per_epoch: int = 0
    learning_rate: float = 3e-3
    schedule: str = "cosine"
    warmup_steps: int = 200
    clipnorm: float = 1.0
    patience: int | None = None
    validation: float = 0.1
    reverse_complement: bool = True
    noise: float | None = None
    seed: int = 1

    def __post_init__(self) -> None:
        if self.mode not in (STREAM, WINDOW):
            raise SettingError(f"mode is {self.mode!r}, it must be {STREAM} or {WINDOW}")
        if self.steps < 2:
            raise SettingError(f"steps is {self.steps}, at least 2 are needed")
        if self.mode == STREAM and self.embedding == 0:
            raise SettingError("embedding must be at least 1 in mode stream")
        if not 0 <= self.validation < 1:
            raise SettingError(f"validation is {self.validation}, it must be at least 0 and below 1")
        if isinstance(self.units, list):
            object.__setattr__(self, "units", tuple(self.units))

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON can hold them."""
        return asdict(self)

    def resolve(self, kind: str, symbols: int) -> TextSettings:
        """Return the settings with every choice made, for so many training symbols."""
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
            "embedding": (8 if dna else 48) if self.embedding is None else self.embedding,
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
            # One code more than there are symbols: the boundary is read, never written.
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
    mode=WINDOW,
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

PRESETS = {"default": TextSettings(), "tutorial": TUTORIAL}
