"""The gates of a model of text or DNA along a sequence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from genolstm.lstm.bundle import Bundle
from genolstm.lstm.gates import Gates, inspect_gates
from genolstm.text.corpus import DNA, decode, encode, read_corpus, record_stream
from genolstm.text.generator import TextGenerator
from genolstm.text.settings import STREAM
from genolstm.text.train import encode_input


def read_sequences(bundle: Bundle, sources: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield names and symbols of files, and of sequences that are given themselves."""
    model = TextGenerator(bundle)
    for number, source in enumerate(sources, start=1):
        if source != "-" and not Path(source).is_file():
            yield f"sequence{number}", source.upper() if model.symbols == DNA else source
            continue
        form = "fasta" if model.symbols == DNA else "text"
        corpus = read_corpus([source], form, alphabet=model.alphabet)
        for record in corpus.records:
            known = record.codes[record.codes < corpus.boundary]
            yield Path(record.name).name, decode(known, model.alphabet)


def sequence_gates(
    bundle: Bundle,
    sequence: str,
    *,
    name: str = "sequence",
    shown: slice = slice(None),
    **options: Any,
) -> Gates:
    """Return the gates of a model of text or DNA, one step a symbol that is read.

    Parameters
    ----------
    shown
        Symbols to keep; those before are read all the same.
    **options
        ``layer``, ``direction``, ``units``, ``top`` of
        :func:`genolstm.lstm.gates.inspect_gates`.

    Raises
    ------
    InputError
        The model never saw one of the symbols.
    """
    model = TextGenerator(bundle)
    codes = encode(sequence, model.alphabet)
    first = 0
    if model.mode == STREAM:
        # A stream begins with a boundary, which is read and not shown.
        codes = record_stream(codes, len(model.alphabet))[0]
        first = 1
    start, stop, _ = shown.indices(len(sequence))
    return inspect_gates(
        bundle, encode_input(np.asarray(codes), model.config), name=name,
        starts=np.arange(-first, len(sequence)), symbols=["", *sequence][1 - first :],
        shown=slice(start + first, stop + first), **options,
    )  # fmt: skip
