"""``genolstm introgression train``: from labelled regions to a model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from genolstm.files import PathLike, check_own_name, check_paths
from genolstm.introgression.dataset import REGION_FILES, region_folders
from genolstm.introgression.settings import LABELLING, NETWORK, TRACKS, TRAINING, IntrogressionTraining, TrackSettings
from genolstm.introgression.train import train_model
from genolstm.lstm.config import LSTMConfig
from genolstm.lstm.train.checkpoint import FILE_NAME
from genolstm.lstm.train.reporting import LOG_NAME, publish_log
from genolstm.lstm.train.settings import TrainingSettings


def run(
    regions: Sequence[PathLike],
    *,
    output: PathLike,
    network: LSTMConfig = NETWORK,
    settings: TrainingSettings = TRAINING,
    options: IntrogressionTraining = LABELLING,
    tracks: TrackSettings = TRACKS,
    checkpoints: PathLike | None = None,
    log: PathLike | None = None,
    progress: bool = True,
    force: bool = False,
) -> str:
    """Train on labelled regions, write the model and return a line with its held-out scores.

    Parameters
    ----------
    regions
        Folders as ``simulate`` writes them, or folders of such folders.
    checkpoints
        Folder of the checkpoint; by default the output's name followed by ``.training``.
    log
        CSV log with one row per epoch. During the training it is ``log.csv`` in the folder of the checkpoint.
    progress
        Whether to report progress on stderr.
    """
    folder = Path(f"{output}.training" if checkpoints is None else checkpoints)
    running = folder / LOG_NAME
    check_own_name(output, "a model")
    read = [place / name for place in region_folders(regions) for name in REGION_FILES]
    check_paths(read, [output, log], force=force, kept=[folder / FILE_NAME, running])
    bundle = train_model(
        regions,
        output=output,
        network=network,
        settings=settings,
        options=options,
        tracks=tracks,
        folder=folder,
        log_csv=None if log is None else running,
        progress=progress,
        force=force,
    )
    if log is not None:
        publish_log(folder, log, force=force)
    found = bundle.metadata["validation"]
    return (
        f"{output}: validation AP {found['lstm']['ap']:.3f}, best F1 {found['lstm']['best_f1']:.3f}"
        f" (HMM {found['hmm']['ap']:.3f}, {found['hmm']['best_f1']:.3f})"
    )
