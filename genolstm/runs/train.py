"""``genolstm introgression train``: from labelled regions to a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from genolstm.files import PathLike, check_own_name, check_paths
from genolstm.introgression.regions import REGION_FILES, region_folders
from genolstm.introgression.settings import (
    ENOUGH_REGIONS,
    LABELLING,
    NETWORK,
    TRACKS,
    TRAINING,
    IntrogressionTraining,
    TrackSettings,
)
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
    warn: Callable[[str], None] | None = None,
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
    warn
        Called with a hint if the data are too few: before the training, and again with what came of it.
    """
    folder = Path(f"{output}.training" if checkpoints is None else checkpoints)
    running = folder / LOG_NAME
    check_own_name(output, "a model")
    places = region_folders(regions, REGION_FILES)
    read = [place / name for place in places for name in REGION_FILES]
    check_paths(read, [output, log], force=force, kept=[folder / FILE_NAME, running])
    few = len(places) < ENOUGH_REGIONS

    def begun() -> None:
        if few and warn is not None:
            warn(
                f"{_regions(len(places))}: {ENOUGH_REGIONS} or more are needed for a model to rely on; a few hold "
                "too few tracts to learn from, and to choose the threshold by"
            )

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
        begun=begun,
    )
    if log is not None:
        publish_log(folder, log, force=force)
    found = bundle.metadata["validation"]
    if few and warn is not None:
        warn(
            f"validation AP {found['lstm']['ap']:.3f} with {_regions(len(places))}: {ENOUGH_REGIONS} or more are needed"
        )
    elif warn is not None and not found["lstm"]["ap"] > found["hmm"]["ap"]:
        warn(
            "the network is no better than the HMM that was trained along with it: train longer "
            "(--epochs, --patience), or on more regions"
        )
    return (
        f"{output}: validation AP {found['lstm']['ap']:.3f}, best F1 {found['lstm']['best_f1']:.3f}"
        f" (HMM {found['hmm']['ap']:.3f}, {found['hmm']['best_f1']:.3f})"
    )


def _regions(number: int) -> str:
    return f"{number} labelled region{'' if number == 1 else 's'}"
