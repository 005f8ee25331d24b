"""Training a text or genome model, and making its bundle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from genolstm.errors import InputError, SettingError
from genolstm.files import PathLike
from genolstm.lstm.bundle.bundle import Bundle, pack
from genolstm.lstm.bundle.runtime import Runtime
from genolstm.lstm.config import LSTMConfig
from genolstm.provenance import record
from genolstm.text.corpus import Corpus, Record, check_learnable, close_vocabulary, record_text, split
from genolstm.text.encoding import KIND, encode_input
from genolstm.text.scoring import RecordScore, Total, record_bits, with_spelling
from genolstm.text.settings import CHARACTERS, DNA, STREAM, WINDOW, WORDS, TextSettings
from genolstm.text.words import Vocabulary


def prepare(
    corpus: Corpus, settings: TextSettings, held_out: Corpus | None = None
) -> tuple[Corpus, Corpus | None, TextSettings]:
    """Check a corpus, split it, and make the choices that the settings leave open.

    The vocabulary of words is that of the training part.

    Raises
    ------
    InputError
        The corpus is shorter than a window, or holds a single symbol, or no word twice.
    SettingError
        The split leaves one side empty, or the corpus is not of the symbols that the settings say.
    """
    of_words = isinstance(corpus.alphabet, Vocabulary)
    if of_words != (settings.tokens == WORDS):
        symbols = WORDS if of_words else CHARACTERS
        raise SettingError(f"the corpus is one of {symbols}, the settings say {settings.tokens}")
    check_learnable(corpus)
    needed = replace(settings, validation=0.0).least() if held_out else settings.least()
    if corpus.n_symbols < needed:
        what = "bases" if corpus.kind == DNA else "words" if of_words else "symbols"
        raise InputError(
            f"{corpus.n_symbols} {what} are too few: windows of {settings.steps} need at least {needed}",
            path=corpus.records[0].name if corpus.kind != DNA and corpus.records else None,
            hint="give more, or shorten the windows with --steps",
        )
    training = corpus
    if held_out is None:
        training, held_out = split(corpus, settings.validation, settings.seed)
        check_learnable(training)
    if of_words:
        training, held_out = close_vocabulary(training, held_out, settings.vocabulary)
    return training, held_out, settings.resolve(corpus.kind, training.n_symbols)


def fit(
    training: Corpus,
    held_out: Corpus | None,
    settings: TextSettings,
    *,
    folder: PathLike | None = None,
    log_csv: PathLike | None = None,
    progress: bool = True,
    inputs: Mapping[str, PathLike] | None = None,
) -> Bundle:
    """Train on corpora that :func:`prepare` made.

    Parameters
    ----------
    folder
        Folder of the checkpoint; None to keep none.
    log_csv
        Path of a table with one row per epoch.
    inputs
        The files that the corpora come from, by name, for the record of provenance.
    """
    from genolstm.lstm.bundle.saving import export_members

    config = settings.network(len(training.alphabet))
    run = _train_windows if settings.mode == WINDOW else _train_stream
    trained = run(config, settings, training, held_out, folder=folder, log_csv=log_csv, progress=progress)
    members = export_members(trained.model, config)
    metadata: dict[str, Any] = {
        "symbols": training.kind,
        "mode": settings.mode,
        "window": settings.steps,
        "training_symbols": training.n_symbols,
        # What the tutorial begins with: a window of the text itself.
        "opening": _opening(training.records[0], training, settings.steps),
        "context": 0,
    }
    if isinstance(training.alphabet, Vocabulary):
        words = {"words": list(training.alphabet.words), "others": list(training.alphabet.others)}
        metadata |= {"tokens": WORDS, "vocabulary": words, "training_characters": training.n_characters}
    else:
        metadata["alphabet"] = training.alphabet
    if held_out is not None:
        # Measured with the very graph that the bundle holds.
        runtime = Runtime(members["model.onnx"])
        found = Total()
        for one in held_out.records:
            bits = record_bits(runtime, one.codes, config, mode=settings.mode, window=settings.steps)
            found += with_spelling(RecordScore(one.name, one.codes, bits), one, training.alphabet).total
        told = found.to_dict()
        metadata["held_out"] = {name: told[name] for name in told if name not in ("bits", "perplexity")}
    account = record(
        settings={"text": settings.to_dict(), "best_epoch": trained.best_epoch, "epochs_run": len(trained.history)},
        inputs={name: path for name, path in (inputs or {}).items() if Path(path).is_file()},
        seeds={"training": settings.seed},
    )
    members["card.md"] = _card(metadata, config, too_small(training, config)).encode("utf-8")
    content = pack(kind=KIND, members=members, config=config, metadata=metadata, provenance=account)
    return Bundle.from_bytes(content)


def _opening(record: Record, corpus: Corpus, steps: int) -> str:
    codes = record.codes[:steps]
    spelled = record.spelled
    return record_text(Record(record.name, codes[codes < corpus.boundary], spelled), corpus.alphabet)


def too_small(training: Corpus, config: LSTMConfig) -> str | None:
    """Return what is to be expected of a training part smaller than the network, or None if it is not.

    Smaller means that it has fewer characters, or bases, than the recurrent layers have weights: they
    could learn it by heart.
    """
    weights = sum(int(np.prod(shape)) for name, shape in config.weight_shapes.items() if name.startswith("lstm"))
    size = training.n_characters
    if size >= weights:
        return None
    if training.kind == DNA:
        return (
            f"{size:,} bases to learn from are fewer than the {weights:,} weights of the LSTM, "
            "which can learn them by heart; only held-out bits say what it has learned beyond them"
        )
    lines = sum(record_text(record, training.alphabet).count("\n") for record in training.records)
    told = f"{lines:,} lines, " if lines > 1 else ""
    return (
        f"{told}{size:,} characters to learn from are fewer than the {weights:,} weights of the LSTM: "
        "they teach it spelling, and no sense; what makes sense, it has learned by heart"
    )


def _train_stream(
    config: LSTMConfig, settings: TextSettings, training: Corpus, held_out: Corpus | None, **options: Any
) -> Any:
    from genolstm.lstm.train.stream import train_stream

    stream = training.stream()
    readings = [stream]
    if training.kind == DNA and settings.reverse_complement:
        from genolstm.sequences.alphabet import reverse_complement

        # The boundary before the first record stays in front of the whole.
        other = reverse_complement(stream[1:].astype(np.uint8))
        readings.append(np.concatenate([stream[:1], other]))
    return train_stream(
        config,
        settings.training(),
        readings,
        steps=settings.steps,
        noise=settings.noise or 0.0,
        validation=None if held_out is None else held_out.stream(),
        **options,
    )


def _train_windows(
    config: LSTMConfig, settings: TextSettings, training: Corpus, held_out: Corpus | None, **options: Any
) -> Any:
    """Train the tutorial's way: one target per window, after its last symbol."""
    from genolstm.lstm.train.network import build_network
    from genolstm.lstm.train.training import train

    one_target = replace(config, head="classify", pooling="last")
    x, y = windows(training, settings.steps, config)
    validation = None if held_out is None else windows(held_out, settings.steps, config)
    trained = train(one_target, settings.training(), x, y, validation=validation, **options)
    # The same weights, as a network with an output after every symbol: it can carry its state.
    model = build_network(config)
    model.set_weights(trained.model.get_weights())
    return replace(trained, model=model, config=config)


def windows(corpus: Corpus, steps: int, config: LSTMConfig) -> tuple[np.ndarray, np.ndarray]:
    """Return all windows of all records, and the symbol after each.

    Returns
    -------
    x
        (windows, steps, 1) of scaled codes, or (windows, steps) of codes for an embedding.
    y
        (windows,) of codes.
    """
    x: list[np.ndarray] = []
    y: list[np.ndarray] = []
    for one in corpus.records:
        if len(one.codes) <= steps:
            continue
        view = np.lib.stride_tricks.sliding_window_view(one.codes, steps)[:-1]
        known = one.codes[steps:] < corpus.boundary
        x.append(view[known])
        y.append(one.codes[steps:][known])
    if not x:
        raise InputError(f"no record is longer than a window of {steps} symbols")
    return encode_input(np.concatenate(x), config), np.concatenate(y)


def summary(config: LSTMConfig, steps: int | None = None) -> list[tuple[str, str, int]]:
    """Return layer, output shape and parameters of each layer, as Keras' summary lists them.

    Parameters
    ----------
    steps
        Symbols of a window whose end is predicted; ``None`` for an output after every symbol.
    """
    shown = "None" if steps is None else str(steps)
    counts: dict[str, int] = {}
    for name, shape in config.weight_shapes.items():
        layer = name.split("/")[0]
        counts[layer] = counts.get(layer, 0) + int(np.prod(shape))
    window = f"{shown}, "
    rows: list[tuple[str, str, int]] = []
    if config.input == "embedding":
        rows.append(("Embedding", f"(None, {window}{config.input_units})", counts["input"]))
    for index, units in enumerate(config.layer_units, start=1):
        if index == config.layers and steps is not None:
            window = ""  # the last layer gives its last output only
        rows.append(("LSTM", f"(None, {window}{units})", counts[f"lstm{index}"]))
        if config.dropout:
            rows.append(("Dropout", f"(None, {window}{units})", 0))
    rows.append(("Dense", f"(None, {window}{config.n_outputs})", counts["head"]))
    return rows


def _card(metadata: dict[str, Any], config: LSTMConfig, warning: str | None) -> str:
    what = "DNA" if metadata["symbols"] == DNA else "text"
    held = metadata.get("held_out")
    figure = f"\nHeld out: {held['symbols']} symbols, {held['bits_per_symbol']:.4f} bits each.\n" if held else ""
    guessed = f"{config.n_outputs} symbols"
    if metadata.get("tokens") == WORDS:
        guessed = f"{config.n_outputs - 1} words, and spells all others"
        if held:
            figure = (
                f"\nHeld out: {held['symbols']} words, {held['bits_per_symbol']:.4f} bits each, "
                f"{held['bits_per_character']:.4f} per character; "
                f"{100 * held['unknown_share']:.1f} % of the words are unknown.\n"
            )
    if warning is not None:
        figure += f"\n{warning[0].upper()}{warning[1:]}.\n"
    reads = (
        "It reads one contiguous stream and carries its state."
        if metadata["mode"] == STREAM
        else f"It was trained on windows of {metadata['window']} symbols."
    )
    return (
        f"# Model of {what}\n\nPredicts the next of {guessed}. "
        f"{config.n_parameters} parameters, trained on {metadata['training_symbols']} "
        f"{'words' if metadata.get('tokens') == WORDS else 'symbols'}. "
        f"{reads}\n{figure}"
    )
