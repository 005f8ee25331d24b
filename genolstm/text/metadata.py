"""What a model of text or DNA says of itself."""

from __future__ import annotations

from dataclasses import dataclass

from genolstm.errors import ModelError
from genolstm.fields import Fields
from genolstm.lstm.bundle.bundle import Bundle
from genolstm.lstm.config import LSTMConfig
from genolstm.text.encoding import KIND
from genolstm.text.settings import DNA, STREAM, TEXT, WINDOW

#: More symbols than Unicode has characters there cannot be.
_MOST_SYMBOLS = 0x110000
_MOST_STEPS = 1 << 20
_DNA = "ACGT"


@dataclass(frozen=True)
class ModelMetadata:
    """The metadata of a model, checked.

    Attributes
    ----------
    alphabet
        The symbols, in the order of their codes.
    symbols
        Whether they are those of ``text`` or of ``dna``.
    mode, window
        How the model was trained: as a ``stream``, or in windows of so many symbols.
    opening
        What generation begins with if nothing is said.
    config
        The network.
    """

    alphabet: str
    symbols: str
    mode: str
    window: int
    opening: str
    config: LSTMConfig


def read_metadata(bundle: Bundle) -> ModelMetadata:
    """Return what a model of text or DNA says of itself.

    Raises
    ------
    ModelError
        The bundle is of another kind, lacks or misstates something, or its network does not predict
        its symbols.
    """
    bundle.require(kind=KIND)
    fields = Fields(bundle.metadata, path=bundle.path)
    alphabet = fields.word("alphabet", most=_MOST_SYMBOLS, lines=True)
    symbols = fields.choice("symbols", (TEXT, DNA))
    mode = fields.choice("mode", (STREAM, WINDOW))
    window = fields.whole("window", 1, _MOST_STEPS)
    opening = fields.word("opening", "", most=_MOST_STEPS, lines=True)
    if "training_symbols" in fields:
        fields.whole("training_symbols", 0, 1 << 53)
    if "held_out" in fields:
        held_out = fields.table("held_out")
        held_out.whole("symbols", 0, 1 << 53)
        held_out.number("bits_per_symbol", 0, 1e3)
    if len(set(alphabet)) != len(alphabet) or (symbols == DNA and alphabet != _DNA):
        fields.refuse("alphabet", "a symbol is there twice, or is not one of DNA")
    strange = set(opening) - set(alphabet) - set("N" if symbols == DNA else "")
    if strange:
        fields.refuse("opening", f"{min(strange)!r} is not in the alphabet")
    config = bundle.config
    if config is None or config.n_outputs != len(alphabet) or not _reads(config, len(alphabet), mode):
        raise ModelError("its network and its alphabet do not fit", path=bundle.path)
    return ModelMetadata(alphabet, symbols, mode, window, opening, config)


def _reads(config: LSTMConfig, symbols: int, mode: str) -> bool:
    """Return whether a network predicts symbols from symbols: as codes, or in windows as one number."""
    if config.head != "next" or config.activation != "softmax":
        return False
    if config.input == "embedding":
        # A stream also has a boundary, one code above the symbols.
        return config.vocabulary >= symbols + (mode == STREAM)
    return mode == WINDOW and config.n_features == 1 and config.transform == "none"
