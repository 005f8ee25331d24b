"""Train the sequence-only recipe: sentences of labelled loci in, one bundle with its warning out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from genolstm.errors import InputError, SettingError
from genolstm.files import PathLike, check_output, check_own_name
from genolstm.introgression.metadata import SEQUENCE_ONLY
from genolstm.introgression.sequence_only.data import Sentences, read_folders, read_loci
from genolstm.introgression.sequence_only.measures import Measures, area, best_threshold, measure, seen_share
from genolstm.introgression.sequence_only.settings import (
    ARCHAIC,
    MODERN,
    NETWORK,
    RECIPE,
    SENTENCES,
    TRAINING,
    WARNING,
    SentenceSettings,
    SequenceOnlyTraining,
)
from genolstm.lstm.bundle.bundle import Bundle, save_bundle
from genolstm.lstm.bundle.runtime import Runtime
from genolstm.lstm.bundle.saving import export_members
from genolstm.lstm.config import LSTMConfig
from genolstm.lstm.splits import draw_with_all, rows_of_parts
from genolstm.lstm.train.settings import TrainingSettings
from genolstm.lstm.train.training import train
from genolstm.provenance import record

#: From this share of test sentences on that are in the training data, letter for letter, the figures are of memory.
SEEN = 0.01


class Parts(NamedTuple):
    """Row numbers of the three parts, ascending; no group is in two of them."""

    training: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def read_labelled(
    inputs: Sequence[PathLike],
    labels: PathLike | None,
    sentences: SentenceSettings = SENTENCES,
    options: SequenceOnlyTraining = RECIPE,
    *,
    seed: int = 1,
) -> Sentences:
    """Read FASTA files and their table of labels, or folders if there is no table."""
    if labels is None:
        return read_folders(inputs, sentences, options, seed=seed)
    return read_loci(inputs, labels, sentences)


def split_by_groups(data: Sentences, validation_fraction: float, test_fraction: float, seed: int) -> Parts:
    """Split whole groups into training, validation and test data; both labels occur in each.

    Raises
    ------
    InputError
        All are of one label, there are fewer than three groups, or a label occurs in too few.
    SettingError
        The shares leave nothing to train on.
    """
    if not validation_fraction > 0:
        raise SettingError("validation_fraction is 0; the epoch and the threshold are chosen on held-out groups")
    if validation_fraction + test_fraction >= 1:
        raise SettingError("validation_fraction and test_fraction leave nothing to train on")
    if data.archaic.all() or not data.archaic.any():
        kind = ARCHAIC if data.archaic.all() else MODERN
        raise InputError(f"all sentences of the inputs are {kind}", hint="loci of both kinds are needed")
    names, member = np.unique(data.groups, return_inverse=True)
    n = len(names)
    if n < 3:
        raise InputError(
            f"all sentences are of {n} group{'s' if n > 1 else ''} ({', '.join(names)}); training, validation and test "
            "need one each",
            hint="give more regions, or see --split; a random split of sentences would test what was learned by heart",
        )
    present = np.zeros((n, 2), dtype=bool)
    present[member, data.archaic.astype(int)] = True
    held = [max(1, round(share * n)) for share in (validation_fraction, test_fraction)]
    while n - sum(held) < 1:
        held[held.index(max(held))] -= 1
    part, fits = draw_with_all(present, held, np.random.default_rng([seed, 0x5917]))
    if not fits:
        archaic, modern = present.sum(axis=0)[::-1]
        raise InputError(
            f"no split of {n} groups was found in which training, validation and test data all hold archaic and modern "
            f"sentences ({archaic} groups hold archaic ones, {modern} modern ones)",
            hint="give more groups with archaic tracts",
        )
    return Parts(*rows_of_parts(part, member, 3))


def train_model(
    inputs: Sequence[PathLike],
    *,
    output: PathLike,
    labels: PathLike | None = None,
    network: LSTMConfig = NETWORK,
    settings: TrainingSettings = TRAINING,
    options: SequenceOnlyTraining = RECIPE,
    sentences: SentenceSettings = SENTENCES,
    folder: PathLike | None = None,
    log_csv: PathLike | None = None,
    progress: bool = True,
    force: bool = False,
    begun: Callable[[Sentences, Parts], None] | None = None,
) -> Bundle:
    """Train on labelled loci; whole groups are held out.

    The checkpoint is in ``folder`` (by default next to the output, with the suffix ``.training``); an interrupted run
    resumes from it. ``begun`` is called once the data have been read and found fit, with them and how they are split.

    Raises
    ------
    InputError
        An input is invalid, or there are too few groups.
    OutputError
        The output exists or cannot be written.
    """
    check_own_name(output, "a model")
    check_output(output, force=force)
    data = read_labelled(inputs, labels, sentences, options, seed=settings.seed)
    parts = split_by_groups(data, settings.validation_fraction, options.test_fraction, settings.seed)
    if begun is not None:
        begun(data, parts)
    return train_on_sentences(
        data,
        parts,
        output=output,
        network=network,
        settings=settings,
        options=options,
        sentences=sentences,
        folder=folder,
        log_csv=log_csv,
        progress=progress,
        force=force,
    )


def train_on_sentences(
    data: Sentences,
    parts: Parts,
    *,
    output: PathLike,
    network: LSTMConfig = NETWORK,
    settings: TrainingSettings = TRAINING,
    options: SequenceOnlyTraining = RECIPE,
    sentences: SentenceSettings = SENTENCES,
    folder: PathLike | None = None,
    log_csv: PathLike | None = None,
    progress: bool = True,
    force: bool = False,
) -> Bundle:
    """Train and save; validation chooses epoch and threshold, and the test part is measured once.

    Parameters
    ----------
    parts
        How the sentences are split. Groups are the caller's business here: the benchmark shows what a split that
        tears them apart is worth.
    """
    check_own_name(output, "a model")
    check_output(output, force=force)
    network = replace(network, vocabulary=sentences.vocabulary)
    x, y = data.tokens, data.archaic.astype(np.float32)
    trained = train(
        network,
        settings,
        x[parts.training],
        y[parts.training],
        validation=(x[parts.validation], y[parts.validation]),
        metric=area,
        folder=Path(folder) if folder is not None else Path(f"{output}.training"),
        log_csv=log_csv,
        progress=progress,
    )
    members = export_members(trained.model, trained.config)
    runtime = Runtime(members["model.onnx"])
    validation, test = (data.take(rows) for rows in (parts.validation, parts.test))
    threshold = best_threshold(validation.archaic, _probabilities(runtime, validation))
    found = measure(test.archaic, _probabilities(runtime, test), test.groups, threshold)
    seen = seen_share(x[parts.training], test.tokens)
    groups = {name: sorted(set(data.groups[rows].tolist())) for name, rows in parts._asdict().items()}
    metadata = {
        **sentences.to_dict(),
        "split": options.split,
        "threshold": threshold,
        "warning": WARNING,
        "context": 0,
        "test": {**found.to_dict(), "seen": seen, "doubt": found.doubt()},
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
    account["data"] = groups
    account["counts"] = asdict(data.counts)
    return save_bundle(
        output,
        kind=SEQUENCE_ONLY,
        members=members,
        config=trained.config,
        metadata=metadata,
        provenance=account,
        card=_card(sentences, options, found, seen, {name: len(one) for name, one in groups.items()}),
        force=force,
    )


def _probabilities(runtime: Runtime, data: Sentences) -> np.ndarray:
    found: np.ndarray = runtime.predict(data.tokens)[:, 0].astype(np.float64)
    return found


def with_interval(value: float, interval: Sequence[float]) -> str:
    """Return a measure and its interval as text."""
    return f"{value:.3f}" + (f" ({interval[0]:.3f} to {interval[1]:.3f})" if interval else " (no interval)")


def _card(
    sentences: SentenceSettings, options: SequenceOnlyTraining, test: Measures, seen: float, groups: dict[str, int]
) -> str:
    warning = WARNING[0].upper() + WARNING[1:]
    one, several = {
        "region": ("region", "regions"),
        "chromosome": ("chromosome", "chromosomes"),
        "haplotype": ("person at the same loci", "people at the same loci"),
    }[options.split]
    unit = f"{test.groups} {one if test.groups == 1 else several}"
    memory = (
        f"\n{100 * seen:.1f} % of the test sentences are also in the training data, letter for letter: these "
        "figures are of memory, and say nothing of other loci.\n"
        if seen >= SEEN
        else ""
    )
    doubt = f" Note: {test.doubt()}." if test.doubt() else ""
    return f"""# Sequence-only model, without references

{warning}.

## What it scored

Set aside and measured once: {unit} ({test.sentences} sentences, {test.archaic} of them archaic).
Intervals of 95 % are over groups drawn with replacement. Groups that were learned from: {groups["training"]};
that chose epoch and threshold: {groups["validation"]}.{doubt}

| | this model | without reading |
| --- | --- | --- |
| AUC | {with_interval(test.auc, test.auc_interval)} | .500 |
| F1 | {with_interval(test.f1, test.f1_interval)} | {test.guess_f1:.3f} (everything archaic) |
| accuracy | {with_interval(test.accuracy, test.accuracy_interval)} | {test.guess_accuracy:.3f} (all what most are) |
{memory}
## What it reads

Sentences of {sentences.sentence} bp, every {sentences.step} bp, as {sentences.tokens} k-mers of k = {sentences.k}
on the strand that is given; a k-mer with an unknown base is a token of its own, and a sentence of which fewer than
{100 * sentences.known:g} % are known is not read. `genolstm introgression score` gives its probabilities.
"""
