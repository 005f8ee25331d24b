"""What a model of text or DNA says of itself."""

from __future__ import annotations

from dataclasses import dataclass

from genolstm.errors import ModelError
from genolstm.fields import Fields
from genolstm.lstm.bundle.bundle import Bundle
from genolstm.lstm.config import LSTMConfig
from genolstm.text.corpus import Alphabet
from genolstm.text.encoding import KIND
from genolstm.text.settings import CHARACTERS, DNA, MAX_VOCABULARY, STREAM, TEXT, WINDOW, WORDS
from genolstm.text.words import LONGEST, MOST_OTHERS, Vocabulary

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
        The symbols, in the order of their codes: characters, or a vocabulary.
    symbols
        Whether they are those of ``text`` or of ``dna``.
    mode, window
        How the model was trained: as a ``stream``, or in windows of so many symbols.
    opening
        What generation begins with if nothing is said.
    config
        The network.
    """

    alphabet: Alphabet
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
    symbols = fields.choice("symbols", (TEXT, DNA))
    alphabet = _alphabet(fields, symbols)
    mode = fields.choice("mode", (STREAM, WINDOW))
    window = fields.whole("window", 1, _MOST_STEPS)
    opening = fields.word("opening", "", most=_MOST_STEPS, lines=True)
    if "training_symbols" in fields:
        fields.whole("training_symbols", 0, 1 << 53)
    if "held_out" in fields:
        held_out = fields.table("held_out")
        held_out.whole("symbols", 0, 1 << 53)
        held_out.number("bits_per_symbol", 0, 1e3)
        if isinstance(alphabet, Vocabulary):
            held_out.number("bits_per_character", 0, 1e3)
            held_out.number("unknown_share", 0, 1)
    if isinstance(alphabet, str):
        strange = set(opening) - set(alphabet) - set("N" if symbols == DNA else "")
        if strange:
            fields.refuse("opening", f"{min(strange)!r} is not in the alphabet")
    config = bundle.config
    if config is None or config.n_outputs != len(alphabet) or not _reads(config, len(alphabet), mode):
        raise ModelError("its network and its alphabet do not fit", path=bundle.path)
    return ModelMetadata(alphabet, symbols, mode, window, opening, config)


def _alphabet(fields: Fields, symbols: str) -> Alphabet:
    if fields.choice("tokens", (CHARACTERS, WORDS), CHARACTERS) == CHARACTERS:
        alphabet = fields.word("alphabet", most=_MOST_SYMBOLS, lines=True)
        if len(set(alphabet)) != len(alphabet) or (symbols == DNA and alphabet != _DNA):
            fields.refuse("alphabet", "a symbol is there twice, or is not one of DNA")
        return alphabet
    if symbols == DNA:
        fields.refuse("tokens", "DNA has no words")
    table = fields.table("vocabulary")
    words, others = table.texts("words", MAX_VOCABULARY), table.texts("others", MOST_OTHERS)
    every = [*words, *others]
    if not words or len(set(every)) != len(every):
        table.refuse("words", "there are none, or one is there twice")
    if not all(1 <= len(word) <= LONGEST for word in every):
        table.refuse("words", f"one is empty, or longer than {LONGEST} characters")
    if "training_characters" in fields:
        fields.whole("training_characters", 0, 1 << 53)
    return Vocabulary(tuple(words), tuple(others))


def _reads(config: LSTMConfig, symbols: int, mode: str) -> bool:
    """Return whether a network predicts symbols from symbols: as codes, or in windows as one number."""
    if config.head != "next" or config.activation != "softmax":
        return False
    if config.input == "embedding":
        # A stream also has a boundary, one code above the symbols.
        return config.vocabulary >= symbols + (mode == STREAM)
    return mode == WINDOW and config.n_features == 1 and config.transform == "none"
