"""Training a text or genome model, and the bundle that comes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from genolstm.errors import InputError
from genolstm.files import PathLike, check_outputs
from genolstm.lstm.bundle.bundle import Bundle
from genolstm.lstm.config import LSTMConfig
from genolstm.provenance import record
from genolstm.text.corpus import DNA, HELD_OUT_HINT, Corpus, check_learnable, decode, read_corpus, split
from genolstm.text.settings import STREAM, WINDOW, TextSettings

KIND = "text"


def prepare(
    corpus: Corpus, settings: TextSettings, held_out: Corpus | None = None
) -> tuple[Corpus, Corpus | None, TextSettings]:
    """Check a corpus, split it, and make the choices that the settings leave open.

    Raises
    ------
    InputError
        The corpus is shorter than a window, or holds a single symbol.
    SettingError
        The split leaves one side empty.
    """
    check_learnable(corpus)
    needed = replace(settings, validation=0.0).least() if held_out else settings.least()
    if corpus.n_symbols < needed:
        what = "bases" if corpus.kind == DNA else "symbols"
        raise InputError(
            f"{corpus.n_symbols} {what} are too few: windows of {settings.steps} need at least {needed}",
            path=corpus.records[0].name if corpus.kind != DNA and corpus.records else None,
            hint="give more, or shorten the windows with --steps",
        )
    training = corpus
    if held_out is None:
        training, held_out = split(corpus, settings.validation, settings.seed)
        check_learnable(training)
    return training, held_out, settings.resolve(corpus.kind, training.n_symbols)


def train_text(
    paths: Sequence[PathLike],
    output: PathLike,
    settings: TextSettings | None = None,
    *,
    form: str = "auto",
    held_out: Sequence[PathLike] = (),
    folder: PathLike | None = None,
    log_csv: PathLike | None = None,
    progress: bool = True,
    force: bool = False,
    on_network: Callable[[LSTMConfig, int], None] | None = None,
) -> Bundle:
    """Train a model on text or FASTA files and write its bundle.

    Parameters
    ----------
    form
        ``text``, ``fasta`` or ``auto``, which goes by the files' names.
    held_out
        Files that choose the epoch and give the held-out figure, instead of a share of ``paths``.
    folder
        Where the checkpoint is kept; ``OUTPUT.training`` by default.
    log_csv
        A table of one row an epoch.
    on_network
        Is told the network and the window's symbols before the training begins.

    Raises
    ------
    InputError
        A file is wrong, shorter than a window, or holds a single symbol.
    SettingError
        The split leaves one side empty, or the checkpoint is of another run.
    OutputError
        An output exists and ``force`` is false.
    """
    check_outputs([output, log_csv], force=force)
    corpus = read_corpus(paths, form)
    apart = None
    if held_out:
        apart = read_corpus(
            held_out,
            "fasta" if corpus.kind == DNA else "text",
            alphabet=None if corpus.kind == DNA else corpus.alphabet,
            hint=HELD_OUT_HINT,
        )
    training, held, resolved = prepare(corpus, settings or TextSettings(), apart)
    if on_network is not None:
        on_network(resolved.network(len(training.alphabet)), resolved.steps)
    chosen = Path(f"{output}.training") if folder is None else Path(folder)
    return fit(
        training,
        held,
        resolved,
        output,
        folder=chosen,
        log_csv=log_csv,
        progress=progress,
        force=force,
        inputs={str(i): path for i, path in enumerate([*paths, *held_out], start=1)},
    )


def fit(
    training: Corpus,
    held_out: Corpus | None,
    settings: TextSettings,
    output: PathLike,
    *,
    folder: PathLike | None = None,
    log_csv: PathLike | None = None,
    progress: bool = True,
    force: bool = False,
    inputs: dict[str, PathLike] | None = None,
) -> Bundle:
    """Train on prepared corpora; see :func:`train_text` and :func:`prepare`."""
    from genolstm.lstm.bundle.saving import save_network

    check_outputs([output], force=force)
    config = settings.network(len(training.alphabet))
    run = _train_windows if settings.mode == WINDOW else _train_stream
    trained = run(config, settings, training, held_out, folder=folder, log_csv=log_csv, progress=progress)
    metadata: dict[str, Any] = {
        "symbols": training.kind,
        "alphabet": training.alphabet,
        "mode": settings.mode,
        "window": settings.steps,
        "training_symbols": training.n_symbols,
        # What the tutorial begins with: a window of the text itself.
        "opening": decode(training.records[0].codes[: settings.steps], training.alphabet),
    }
    files = {name: path for name, path in (inputs or {}).items() if Path(path).is_file()}
    account = record(
        settings={"text": settings.to_dict(), "best_epoch": trained.best_epoch, "epochs_run": len(trained.history)},
        inputs=files,
        seeds={"training": settings.seed},
    )
    model = trained.model
    bundle = None
    for figures in (False, True):
        # The held-out figure is measured with the very files that the bundle holds.
        if figures and bundle is not None:
            metadata["held_out"] = _held_out(bundle, held_out)
        bundle = save_network(
            output,
            model,
            config,
            kind=KIND,
            metadata=metadata,
            provenance=account,
            card=_card(metadata, config),
            force=force or figures,
        )
        if held_out is None:
            break
    assert bundle is not None
    return bundle


def _held_out(bundle: Bundle, held_out: Corpus | None) -> dict[str, Any]:
    from genolstm.text.generator import TextGenerator

    assert held_out is not None
    found = TextGenerator(bundle).score(held_out)
    return {"symbols": found.symbols, "bits_per_symbol": round(found.bits_per_symbol, 6)}


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
    """Train the tutorial's way: one target a window, after its last symbol."""
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


def encode_input(codes: np.ndarray, config: LSTMConfig) -> np.ndarray:
    """Return codes as the network reads them: themselves, or scaled to below 1 as vectors."""
    if config.input == "embedding":
        return codes.astype(np.int32)
    return (codes / np.float32(config.n_outputs)).astype(np.float32)[..., None]


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


def _card(metadata: dict[str, Any], config: LSTMConfig) -> str:
    what = "DNA" if metadata["symbols"] == DNA else "text"
    held = metadata.get("held_out")
    figure = f"\nHeld out: {held['symbols']} symbols, {held['bits_per_symbol']:.4f} bits each.\n" if held else ""
    reads = (
        "It reads one contiguous stream and carries its state."
        if metadata["mode"] == STREAM
        else f"It was trained on windows of {metadata['window']} symbols."
    )
    return (
        f"# Model of {what}\n\nPredicts the next of {len(metadata['alphabet'])} symbols. "
        f"{config.n_parameters} parameters, trained on {metadata['training_symbols']} symbols. "
        f"{reads}\n{figure}"
    )
