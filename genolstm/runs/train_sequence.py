"""``genolstm introgression train --mode sequence``: from labelled loci to a sequence-only model, with its warning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from genolstm.files import PathLike, check_own_name, check_paths
from genolstm.introgression.regions import SEQUENCE_FILES, region_folders
from genolstm.introgression.sequence_only.data import TABLE_HINT, Sentences
from genolstm.introgression.sequence_only.settings import (
    NETWORK,
    RECIPE,
    SENTENCES,
    TRAINING,
    WARNING,
    SentenceSettings,
    SequenceOnlyTraining,
)
from genolstm.introgression.sequence_only.train import SEEN, Parts, train_model, with_interval
from genolstm.introgression.summary import counted
from genolstm.lstm.config import LSTMConfig
from genolstm.lstm.train.checkpoint import FILE_NAME
from genolstm.lstm.train.reporting import LOG_NAME, publish_log
from genolstm.lstm.train.settings import TrainingSettings


def run(
    regions: Sequence[PathLike],
    *,
    output: PathLike,
    labels: PathLike | None = None,
    network: LSTMConfig = NETWORK,
    settings: TrainingSettings = TRAINING,
    options: SequenceOnlyTraining = RECIPE,
    sentences: SentenceSettings = SENTENCES,
    checkpoints: PathLike | None = None,
    log: PathLike | None = None,
    progress: bool = True,
    warn: Callable[[str], None] | None = None,
    tell: Callable[[str], None] | None = None,
    force: bool = False,
) -> str:
    """Train on labelled loci, write the model and return a line with what it scored on groups set aside.

    Parameters
    ----------
    regions
        Folders as ``simulate`` writes them, or folders of such folders; with ``labels``, FASTA files of loci.
    labels
        Table of the label and group of each record; see
        :func:`~genolstm.introgression.sequence_only.data.read_loci`.
    checkpoints
        Folder of the checkpoint; by default the output's name followed by ``.training``.
    log
        CSV log with one row per epoch. During the training it is ``log.csv`` in the folder of the checkpoint.
    progress
        Whether to report progress on stderr.
    warn
        Called with what such a model is and is not, before the training, and with what its scores are worth, after it.
    tell
        Called with lines on what was read and what was left out.
    """
    folder = Path(f"{output}.training" if checkpoints is None else checkpoints)
    running = folder / LOG_NAME
    check_own_name(output, "a model")
    read: list[PathLike] = [*regions, labels] if labels is not None else []
    if labels is None:
        places = region_folders(regions, SEQUENCE_FILES, hint=TABLE_HINT)
        read = [place / name for place in places for name in SEQUENCE_FILES]
    check_paths(read, [output, log], force=force, kept=[folder / FILE_NAME, running])

    def begun(data: Sentences, parts: Parts) -> None:
        if warn is not None:
            warn(WARNING)
        if tell is not None:
            archaic = int(data.archaic.sum())
            sizes = ", ".join(f"{len(rows)} {name}" for name, rows in parts._asdict().items())
            modern = f"{len(data) - archaic} of {data.counts.drawn_from} modern ones"
            tell(f"{archaic} archaic sentences, {modern}: {sizes}")
            for line in data.counts.lines(sentences):
                tell(line)

    bundle = train_model(
        regions,
        output=output,
        labels=labels,
        network=network,
        settings=settings,
        options=options,
        sentences=sentences,
        folder=folder,
        log_csv=None if log is None else running,
        progress=progress,
        force=force,
        begun=begun,
    )
    if log is not None:
        publish_log(folder, log, force=force)
    found = bundle.metadata["test"]
    if warn is not None and found["seen"] >= SEEN:
        warn(
            f"{100 * found['seen']:.1f} % of the test sentences are also in the training data, letter for letter: the "
            "figures are of memory, and say nothing of other loci"
        )
    if warn is not None and found["auc_interval"] and found["auc_interval"][0] <= 0.5:
        warn("the AUC on groups that it did not see cannot be told from chance (0.5)")
    if warn is not None and found["doubt"]:
        warn(found["doubt"])
    figures = ", ".join(
        f"{shown} {with_interval(found[name], found[f'{name}_interval'])}"
        for name, shown in (("auc", "AUC"), ("f1", "F1"), ("accuracy", "accuracy"))
    )
    return f"{output}: test of {counted(found['groups'], 'group')}: {figures}"
