"""``text baseline``: files in, what Markov models and compressors need for them out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from genolstm.errors import SettingError
from genolstm.files import PathLike
from genolstm.text.baselines import compressor_bits, markov_bits
from genolstm.text.corpus import Corpus, check_learnable, close_vocabulary, read_corpus, read_held_out, split
from genolstm.text.settings import DNA, WORDS, TextSettings
from genolstm.text.words import Vocabulary


class Baseline(NamedTuple):
    """What a baseline needs for held-out symbols, in bits; for words also per character."""

    name: str
    bits_per_symbol: float
    bits_per_character: float | None = None


def run(
    files: Sequence[PathLike],
    settings: TextSettings | None = None,
    *,
    form: str = "auto",
    held_out: Sequence[PathLike] = (),
    max_order: int = 12,
) -> list[Baseline]:
    """Return what baselines need for held-out symbols.

    Parameters
    ----------
    settings
        Settings of the training to compare with: the symbols, the share to hold out, the strands and the seed.
    """
    settings = settings or TextSettings()
    corpus = read_corpus(files, form, symbols=settings.tokens)
    check_learnable(corpus)
    apart = read_held_out(held_out, corpus) if held_out else None
    training, held = (corpus, apart) if apart else split(corpus, settings.validation, settings.seed)
    if held is None:
        raise SettingError("the baselines need held-out symbols", hint="give a --validation above 0, or --held-out")
    if settings.tokens == WORDS:
        training, held = close_vocabulary(training, held, settings.vocabulary)
        assert held is not None
    return baselines(training, held, max_order, reverse_complement=settings.reverse_complement)


def baselines(
    training: Corpus, held_out: Corpus, max_order: int = 12, *, reverse_complement: bool = True
) -> list[Baseline]:
    """Return what Markov models and compressors need for a held-out corpus.

    The compressors are measured cold, and primed with the training symbols. They are given the
    symbols alone: one byte per base for DNA, UTF-8 for text. Unknown words cost all Markov models what
    their spelling costs.
    """
    stream = training.stream()
    if training.kind == DNA and reverse_complement:
        from genolstm.sequences.alphabet import reverse_complement as other_strand

        stream = np.concatenate([stream, other_strand(stream[1:].astype(np.uint8))])
    rows: list[tuple[str, float]] = []
    found = markov_bits(stream, held_out.stream(), len(training.alphabet), max_order=max_order)
    spelled, characters = 0.0, None
    if isinstance(training.alphabet, Vocabulary):
        every = [word for record in held_out.records for word in record.spelled]
        spelled = float(training.alphabet.spelled_bits(every).sum()) / held_out.n_symbols
        characters = held_out.n_characters
    for name, bits in found.items():
        rows += [(f"order-{order} Markov, {name}", one + spelled) for order, one in enumerate(bits)]
    content, before = held_out.text().encode(), training.text().encode()
    for given in (None, before):
        for name, one in compressor_bits(content, held_out.n_symbols, training=given).items():
            flags = "-9e" if name == "xz" else "-9"
            rows.append((f"{name} {flags}{', primed' if given else ''}", one))
    return [
        Baseline(name, bits, None if characters is None else bits * held_out.n_symbols / characters)
        for name, bits in rows
    ]
