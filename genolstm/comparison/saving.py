"""The networks of a comparison as model bundles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genolstm.comparison.architectures import RECURRENT, ArchitectureSettings
from genolstm.comparison.metadata import KIND
from genolstm.files import PathLike
from genolstm.lstm.bundle.bundle import Bundle

if TYPE_CHECKING:
    from genolstm.comparison.run import Trial
    from genolstm.lstm.train.training import TrainedModel


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
