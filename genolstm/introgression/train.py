"""Train the introgression model: tracks with known truth in, one bundle out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from genolstm.errors import InputError, SettingError
from genolstm.files import PathLike, check_output, check_own_name
from genolstm.introgression.channels import CHANNELS, CLASSES
from genolstm.introgression.dataset import LabelledTracks, load_region, windows, with_fewer_archaics
from genolstm.introgression.evaluate import Pieces, Ranking, calibration_error, rank
from genolstm.introgression.hmm import SupervisedHMM
from genolstm.introgression.likeness import Likeness, Profile
from genolstm.introgression.regions import REGION_FILES, region_folders
from genolstm.introgression.settings import LABELLING, NETWORK, TRACKS, TRAINING, IntrogressionTraining, TrackSettings
from genolstm.lstm.bundle.bundle import Bundle, save_bundle
from genolstm.lstm.bundle.runtime import Runtime
from genolstm.lstm.bundle.saving import export_members
from genolstm.lstm.calibration import apply_calibration, fit_calibration
from genolstm.lstm.config import LSTMConfig
from genolstm.lstm.splits import split_by_group
from genolstm.lstm.train.settings import TrainingSettings
from genolstm.lstm.train.training import TrainedModel, train
from genolstm.provenance import record

#: Trained networks latch: a cell may remember a tract for thousands of bins, so no amount of context
#: makes chunked and whole reading agree to the last digit (measured with 512 bins: a difference of
#: at most 3e-2, 1e-5 on average, and the same AP). Outputs are therefore defined by tiles.
TILE, CONTEXT = 4096, 512
#: Pieces of regions that a scan's data are compared with, in bp.
PIECE = 2_000_000


def train_model(
    regions: Sequence[PathLike],
    *,
    output: PathLike,
    network: LSTMConfig = NETWORK,
    settings: TrainingSettings = TRAINING,
    options: IntrogressionTraining = LABELLING,
    tracks: TrackSettings = TRACKS,
    folder: PathLike | None = None,
    log_csv: PathLike | None = None,
    progress: bool = True,
    force: bool = False,
    begun: Callable[[], None] | None = None,
) -> Bundle:
    """Train on labelled regions (folders as ``introgression simulate`` writes them).

    Whole regions are held out. The checkpoint is in ``folder`` (by default next to the output,
    with the suffix ``.training``); an interrupted run resumes from it. ``begun`` is called once the regions have been
    read and found fit.

    Raises
    ------
    InputError
        A region is incomplete or invalid, or there is only one.
    OutputError
        The output exists or cannot be written.
    """
    check_own_name(output, "a model")
    check_output(output, force=force)
    labelled = [part for path in region_folders(regions, REGION_FILES) for part in load_region(path, tracks)]
    groups = [region.group for region in labelled]
    if len(set(groups)) < 2:
        raise InputError(
            "there is only one labelled region; validation needs another",
            path=regions[0],
            hint="simulate with --replicates",
        )
    rows = split_by_group(groups, settings.validation_fraction, settings.seed)
    training, validation = ([labelled[i] for i in part] for part in rows)
    return train_on_tracks(
        training,
        validation,
        output=output,
        network=network,
        settings=settings,
        options=options,
        tracks=tracks,
        folder=folder,
        log_csv=log_csv,
        progress=progress,
        force=force,
        begun=begun,
    )


def train_on_tracks(
    training: Sequence[LabelledTracks],
    validation: Sequence[LabelledTracks],
    *,
    output: PathLike,
    network: LSTMConfig = NETWORK,
    settings: TrainingSettings = TRAINING,
    options: IntrogressionTraining = LABELLING,
    tracks: TrackSettings = TRACKS,
    folder: PathLike | None = None,
    log_csv: PathLike | None = None,
    progress: bool = True,
    force: bool = False,
    card: str | None = None,
    provenance: dict[str, Any] | None = None,
    begun: Callable[[], None] | None = None,
) -> Bundle:
    """Train, calibrate and save; ``validation`` determines the epoch, the threshold and the calibration.

    Parameters
    ----------
    card
        Opening text of the model card, which describes the data.
    provenance
        Record of the data; by default the names of the regions.
    begun
        Called once the data have been found fit to train on.
    """
    check_own_name(output, "a model")
    check_output(output, force=force)
    network = replace(network, n_features=len(CHANNELS))
    if options.window % network.stride:
        raise SettingError(f"window is {options.window} bins; the network reads multiples of {network.stride}")
    random = np.random.default_rng([settings.seed, 0xA2C])
    x, y, _ = windows([with_fewer_archaics(region, random) for region in training], options.window)
    held_x, held_y, _ = windows([with_fewer_archaics(region, random) for region in validation], options.window)
    if not (y[:, :, 1:] > 0).any() or not (held_y[:, :, 1:] > 0).any():
        side = "training" if not (y[:, :, 1:] > 0).any() else "validation"
        raise InputError(f"the {side} regions hold no archaic tracts", hint="simulate more or longer regions")
    if begun is not None:
        begun()
    folder = Path(folder) if folder is not None else Path(f"{output}.training")
    trained = train(
        network,
        settings,
        x,
        y,
        validation=(held_x, held_y),
        loss="categorical_crossentropy",
        folder=folder,
        log_csv=log_csv,
        progress=progress,
    )
    del x, y, held_x, held_y
    return save_model(
        trained,
        training,
        validation,
        output=output,
        options=options,
        tracks=tracks,
        force=force,
        card=card,
        provenance=provenance,
    )


def save_model(
    trained: TrainedModel,
    training: Sequence[LabelledTracks],
    validation: Sequence[LabelledTracks],
    *,
    output: PathLike,
    options: IntrogressionTraining,
    tracks: TrackSettings,
    force: bool = False,
    card: str | None = None,
    provenance: dict[str, Any] | None = None,
) -> Bundle:
    """Calibrate a trained network on the validation regions and write its bundle."""
    members = export_members(trained.model, trained.config)
    runtime = Runtime(members["model.onnx"], context=CONTEXT, tile=TILE, stride=trained.config.stride)
    raw = [runtime.predict(region.tracks) for region in validation]
    shares = np.concatenate([region.classes().reshape(-1, len(CLASSES)) for region in validation])
    # A bin that is half archaic counts half for each class.
    flat = np.concatenate([p.reshape(-1, len(CLASSES)) for p in raw])
    calibration = fit_calibration(
        np.tile(flat, (len(CLASSES), 1)),
        np.repeat(np.arange(len(CLASSES)), len(flat)),
        method="temperature",
        sample_weight=shares.T.ravel(),
    )

    def pieces(posteriors: Sequence[np.ndarray]) -> Pieces:
        pairs = zip(validation, posteriors, strict=True)
        return Pieces.pool([region.pieces(p, tracks.bin) for region, p in pairs])

    scored = pieces([1 - apply_calibration(p, calibration)[:, :, 0] for p in raw])
    ranking = rank(scored)
    hmm = SupervisedHMM.fit((region.tracks, region.archaic) for region in training)
    baseline = rank(pieces([hmm.posterior(region.tracks) for region in validation]))
    likeness = likeness_of(training, tracks.bin)
    metadata = {
        **tracks.requirements(),
        "label": options.label,
        "calibration": calibration,
        "context": CONTEXT,
        "tile": TILE,
        "hmm": hmm.to_dict(),
        "hmm_threshold": default_threshold(baseline),
        **({} if likeness is None else {"likeness": likeness.to_dict()}),
        "validation": {
            "regions": len(validation),
            "lstm": asdict(ranking),
            "hmm": asdict(baseline),
            "calibration_error": calibration_error(scored),
        },
    }
    account = record(
        settings={
            "training": trained.settings.to_dict(),
            "options": asdict(options),
            "best_epoch": trained.best_epoch,
            "epochs_run": len(trained.history),
        },
        seeds={"training": trained.settings.seed},
    )
    account["data"] = provenance or {
        "training": [region.group for region in training],
        "validation": [region.group for region in validation],
    }
    return save_bundle(
        output,
        kind="introgression",
        members=members,
        config=trained.config,
        metadata=metadata,
        provenance=account,
        card=_card(card, metadata, ranking, baseline),
        force=force,
    )


def likeness_of(regions: Sequence[LabelledTracks], bin_size: int) -> Likeness | None:
    """Return what regions are like, from pieces of about 2 Mb; None if there are too few to tell."""
    measured = []
    for region in regions:
        n, bins = region.tracks.shape[:2]
        n_sources = region.truth.shape[2] - 1
        for first in range(0, max(bins - PIECE // bin_size // 2, 1), PIECE // bin_size):
            stop = first + PIECE // bin_size
            stop = stop if bins - stop >= PIECE // bin_size // 2 else bins
            profile = Profile(n_sources, bin_size)
            profile.add(region.tracks[:, first:stop].astype(np.float32), [("", str(row)) for row in range(n)])
            one = profile.measured()
            if one is not None:
                measured.append(one)
    return Likeness.fit(measured)


def default_threshold(ranking: Ranking) -> float:
    """Return the threshold of the best F1, kept strictly between 0 and 1 so that segments can be cut.

    Posteriors of 1 (a certain HMM) or 0 (a network that learnt nothing) would give 1 or 0.
    """
    return min(max(ranking.best_threshold, 1e-4), 1 - 1e-4)


def _card(text: str | None, metadata: dict[str, Any], lstm: Ranking, hmm: Ranking) -> str:
    rows = "\n".join(
        f"| {name} | {r.ap:.3f} | {r.best_f1:.3f} | {r.precision:.3f} | {r.recall:.3f} | {r.recall_at_95:.3f} |"
        for name, r in (("this model", lstm), ("supervised HMM, same tracks", hmm))
    )
    return f"""{text or "# Introgression model" + chr(10)}
## How well it does

On {metadata["validation"]["regions"]} held-out regions, which chose the epoch and the threshold
(base pairs, pooled over haplotypes):

| | AP | best F1 | precision | recall | recall at 95 % precision |
| --- | --- | --- | --- | --- | --- |
{rows}

Expected calibration error {metadata["validation"]["calibration_error"]:.4f}. The threshold of a scan is chosen on
its data, by the posteriors.

## What it reads

Tracks of k = {metadata["k"]}, bins of {metadata["bin"]} bp, {len(metadata["channels"])} channels:
{", ".join(metadata["channels"])}.
"""
