"""The gates of a comparison's LSTM along a DNA sequence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from genolstm.comparison.metadata import read_metadata
from genolstm.errors import InputError, ModelError
from genolstm.files import is_input
from genolstm.lstm.bundle.bundle import Bundle
from genolstm.lstm.gates import Gates, inspect_gates
from genolstm.sequences.alphabet import decode, encode
from genolstm.sequences.fasta import read_records
from genolstm.sequences.kmers import one_hot


def read_sequences(bundle: Bundle, sources: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield names and bases of FASTA files, and of sequences given directly."""
    for number, source in enumerate(sources, start=1):
        if is_input(source):
            for entry in read_records(source):
                yield entry.name, decode(encode(entry.sequence))
            continue
        try:
            yield f"sequence{number}", decode(encode(source))
        except InputError as error:
            raise InputError(f"{source!r} is neither a file nor DNA ({error.reason})") from error


def sequence_gates(bundle: Bundle, sequence: str, *, name: str = "sequence", **options: Any) -> Gates:
    """Return the gates of a comparison's LSTM along a DNA sequence.

    Options are those of :func:`genolstm.lstm.gates.inspect_gates`.

    Raises
    ------
    ModelError
        The bundle is not from a comparison.
    SettingError
        The network is not an LSTM.
    """
    architecture = read_metadata(bundle).architecture
    if bundle.config is None:
        raise ModelError(f"the network is a {architecture}, it has no gates", path=bundle.path)
    x = one_hot(encode(sequence), np.float32)
    return inspect_gates(bundle, x, name=name, symbols=sequence, **options)
