"""``text train``: text or FASTA files in, a model out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from genolstm.files import PathLike, check_own_name, check_paths
from genolstm.lstm.bundle.bundle import Bundle
from genolstm.lstm.train.checkpoint import FILE_NAME
from genolstm.lstm.train.reporting import LOG_NAME, publish_log
from genolstm.text.corpus import read_corpus, read_held_out
from genolstm.text.settings import WINDOW, TextSettings
from genolstm.text.train import fit, prepare, summary, too_small


def run(
    files: Sequence[PathLike],
    output: PathLike,
    settings: TextSettings | None = None,
    *,
    form: str = "auto",
    held_out: Sequence[PathLike] = (),
    checkpoints: PathLike | None = None,
    log: PathLike | None = None,
    force: bool = False,
    quiet: bool = False,
    on_network: Callable[[list[tuple[str, str, int]]], None] | None = None,
    warn: Callable[[str], None] | None = None,
) -> Bundle:
    """Train a model on text or FASTA files and write its bundle.

    Parameters
    ----------
    form
        ``text``, ``fasta`` or ``auto``, which goes by the files' names.
    held_out
        Files that choose the epoch and give the held-out figure, instead of a share of ``files``.
    checkpoints
        Folder of the checkpoint; ``OUTPUT.training`` by default. A killed run resumes from it.
    log
        Path of a table with one row per epoch. During the training it is ``log.csv`` in the folder of the checkpoint.
    quiet
        Whether to report no progress on stderr.
    on_network
        Called before the training begins, with name, output shape and parameters of each layer and
        of all together.
    warn
        Called before the training begins, with what to expect, if the data are few for the network.

    Raises
    ------
    InputError
        A file is missing, malformed or shorter than a window, or holds a single symbol.
    SettingError
        The split leaves one side empty, the checkpoint is of another run, or FASTA is to be read as words.
    OutputError
        An output exists and ``force`` is false.
    """
    check_own_name(output, "a model")
    folder = Path(f"{output}.training" if checkpoints is None else checkpoints)
    running = folder / LOG_NAME
    check_paths([*files, *held_out], [output, log], force=force, kept=[folder / FILE_NAME, running])
    settings = settings or TextSettings()
    corpus = read_corpus(files, form, symbols=settings.tokens)
    apart = read_held_out(held_out, corpus) if held_out else None
    training, held, resolved = prepare(corpus, settings, apart)
    config = resolved.network(len(training.alphabet))
    warning = too_small(training, config)
    if warn is not None and warning is not None:
        warn(warning)
    if on_network is not None:
        rows = summary(config, resolved.steps if resolved.mode == WINDOW else None)
        on_network([*rows, ("Total parameters", "", config.n_parameters)])
    bundle = fit(
        training,
        held,
        resolved,
        folder=folder,
        log_csv=None if log is None else running,
        progress=not quiet,
        inputs={str(i): path for i, path in enumerate([*files, *held_out], start=1)},
    )
    bundle = bundle.save(output, force=force)
    if log is not None:
        publish_log(folder, log, force=force)
    return bundle
