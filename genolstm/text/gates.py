"""The gates of a model of text or DNA along a sequence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from genolstm.errors import InputError
from genolstm.files import is_input
from genolstm.lstm.bundle.bundle import Bundle
from genolstm.lstm.gates import Gates, inspect_gates
from genolstm.sequences.alphabet import decode as decode_dna
from genolstm.sequences.alphabet import encode as encode_dna
from genolstm.text.corpus import Codes, encode, read_corpus, record_stream, record_text
from genolstm.text.encoding import encode_input
from genolstm.text.generator import TextGenerator
from genolstm.text.settings import DNA, STREAM
from genolstm.text.words import Vocabulary, tokens


def read_sequences(bundle: Bundle, sources: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield names and symbols of files, and of sequences given directly."""
    model = TextGenerator(bundle)
    for number, source in enumerate(sources, start=1):
        if not is_input(source):
            yield f"sequence{number}", source
            continue
        form = "fasta" if model.symbols == DNA else "text"
        corpus = read_corpus([source], form, alphabet=model.alphabet)
        for record in corpus.records:
            # Unknown bases stay, as N, so that those after them keep their positions.
            if model.symbols == DNA:
                yield record.name, decode_dna(record.codes.astype(np.uint8))
            else:
                yield Path(record.name).name, record_text(record, model.alphabet)


def sequence_gates(
    bundle: Bundle, sequence: str, *, name: str = "sequence", shown: slice = slice(None), **options: Any
) -> Gates:
    """Return the gates of a model of text or DNA, one step per symbol that is read: a base, a character or a word.

    In DNA, a run of unknown bases is read, and shown, as one step, as in training.

    Parameters
    ----------
    shown
        Characters or bases to keep; those before them are read as context.
    **options
        ``layer``, ``direction``, ``units``, ``top`` of
        :func:`genolstm.lstm.gates.inspect_gates`.

    Raises
    ------
    InputError
        The model never saw one of the symbols.
    """
    model = TextGenerator(bundle)
    letters: Sequence[str] = sequence
    codes = _encode(model, sequence)
    if model.symbols == DNA:
        letters = decode_dna(codes.astype(np.uint8))
    elif isinstance(model.alphabet, Vocabulary):
        letters = list(tokens(sequence))
    starts = np.arange(len(codes))
    if model.mode == STREAM:
        # A stream begins with a boundary, which is read and not shown.
        codes, starts = _stream(codes, len(model.alphabet))
    symbols = ["" if place < 0 else letters[place] for place in starts.tolist()]
    length = len(letters)
    if isinstance(model.alphabet, Vocabulary):
        # Where words stand is counted in characters.
        edges = np.cumsum([0, *map(len, letters)])
        starts = np.where(starts < 0, -1, edges[np.maximum(starts, 0)])
        length = len(sequence)
    start, stop, _ = shown.indices(length)
    return inspect_gates(
        bundle,
        encode_input(codes, model.config),
        name=name,
        starts=starts,
        ends=np.append(starts[1:], length),
        symbols=symbols,
        shown=slice(*np.searchsorted(starts, [start, stop]).tolist()),
        **options,
    )


def _encode(model: TextGenerator, sequence: str) -> Codes:
    if isinstance(model.alphabet, Vocabulary):
        return model.alphabet.encode(sequence)[0]
    if model.symbols != DNA:
        return encode(sequence, model.alphabet, hint=None)
    try:
        return encode_dna(sequence)
    except InputError as error:
        raise InputError(f"{sequence!r} is neither a file nor DNA ({error.reason})") from error


def _stream(codes: Codes, boundary: int) -> tuple[Codes, npt.NDArray[np.int64]]:
    """Return the stream of a record, and where in the record each of its steps begins."""
    stream, places = record_stream(codes, boundary)
    starts = np.full(len(stream), -1)
    starts[places] = np.flatnonzero(codes != boundary)
    gaps = 1 + np.flatnonzero(stream[1:] == boundary)
    starts[gaps] = starts[gaps - 1] + 1
    return stream, starts
