"""The networks of a comparison as model bundles, and their gates along a sequence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from genolstm.comparison.architectures import RECURRENT, ArchitectureSettings
from genolstm.errors import InputError, ModelError
from genolstm.files import PathLike
from genolstm.lstm.bundle.bundle import Bundle
from genolstm.lstm.gates import Gates, inspect_gates
from genolstm.sequences.alphabet import decode, encode
from genolstm.sequences.fasta import read_records
from genolstm.sequences.kmers import one_hot

if TYPE_CHECKING:
    from genolstm.comparison.run import Trial
    from genolstm.lstm.train.training import TrainedModel

KIND = "comparison"


def save_trained(
    path: PathLike,
    network: ArchitectureSettings,
    trained: TrainedModel,
    trial: Trial,
    seed: int,
    *,
    force: bool = False,
) -> Bundle:
    """Write one network of a comparison as a bundle."""
    from genolstm.lstm.bundle.saving import save_network
    from genolstm.provenance import record

    data = trial.training
    return save_network(
        path,
        trained.model,
        network.config if network.name in RECURRENT else None,
        kind=KIND,
        metadata={
            "architecture": network.name,
            "alphabet": "ACGT",
            "classes": list(data.classes),
            "length": data.length,
            "context": 0,
        },
        provenance=record(
            settings={"learning_rate": network.learning_rate, "best_epoch": trained.best_epoch},
            seeds={"training": seed},
        ),
        card=f"# {network.name.upper()} of a comparison\n\n{network.n_parameters:,} parameters, "
        f"trained on {len(data):,} sequences of {data.length:,} bases.\n",
        force=force,
    )


def read_sequences(bundle: Bundle, sources: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield names and bases of FASTA files, and of sequences that are given themselves."""
    for number, source in enumerate(sources, start=1):
        if source == "-" or Path(source).is_file():
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
        The bundle is none of a comparison.
    SettingError
        The network is no LSTM.
    """
    bundle.require(kind=KIND)
    if bundle.config is None:
        kind = bundle.metadata.get("architecture")
        raise ModelError(f"the network is a {kind}, it has no gates", path=bundle.path)
    x = one_hot(encode(sequence), np.float32)
    return inspect_gates(bundle, x, name=name, symbols=sequence, **options)
