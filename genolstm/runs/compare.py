"""``compare``: labelled sequences in, a table of how well each architecture does out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genolstm import files
from genolstm.comparison.architectures import ARCHITECTURES, ArchitectureSettings
from genolstm.comparison.data import read_labelled
from genolstm.comparison.run import Comparison, Trial, compare, trials_from_data, trials_from_task
from genolstm.comparison.scores import format_summary
from genolstm.comparison.settings import DISTANCES, ComparisonSettings
from genolstm.errors import OutputError
from genolstm.files import PathLike, check_folder, check_paths

if TYPE_CHECKING:
    import pandas as pd

    from genolstm.lstm.train.training import TrainedModel


@dataclass(frozen=True)
class Outputs:
    """Where the results of a comparison go; an output that is ``None`` is not written.

    Attributes
    ----------
    table
        Means and ranges; ``-`` prints aligned text to standard output.
    runs
        The scores of every run.
    gradients
        How far back the recurrent networks' gradients reach.
    figure
        The figure.
    models
        Folder for the networks.
    """

    table: PathLike = "-"
    runs: PathLike | None = None
    gradients: PathLike | None = None
    figure: PathLike | None = None
    models: PathLike | None = None
    force: bool = False

    def check(self, inputs: Iterable[PathLike | None], settings: ComparisonSettings) -> None:
        """Refuse outputs that cannot be written, or are inputs, before any work is done."""
        check_paths(
            inputs,
            [self.table, self.runs, self.gradients, self.figure],
            force=self.force,
            kept=[]
            if self.models is None
            else [
                _network_file(Path(self.models), name, settings.seed + i)
                for name in ARCHITECTURES
                for i in range(settings.seeds)
            ],
        )
        if self.figure is not None:
            from genolstm.report.style import check_figure

            check_figure(self.figure, force=self.force)
        if self.models is not None:
            folder = Path(self.models)
            if folder.exists() and not folder.is_dir():
                raise OutputError("is a file, a folder is needed", path=folder)
            if folder.is_dir() and any(folder.iterdir()) and not self.force:
                raise OutputError("is not empty", path=folder, hint="use --force to add to it")
            check_folder(folder)


def run(
    fasta: PathLike | None = None,
    *,
    task: str | None = None,
    labels: PathLike | None = None,
    regression: bool = False,
    length: int | None = None,
    distances: tuple[int, ...] | None = None,
    n: int | None = None,
    budget: Mapping[str, Any] | None = None,
    outputs: Outputs | None = None,
    progress: Callable[[Mapping[str, Any]], None] | None = None,
) -> str:
    """Compare the architectures on a labelled FASTA or on a task, and write what came out.

    Parameters
    ----------
    fasta, labels, regression, length
        As in :func:`genolstm.comparison.data.read_labelled`.
    task, distances, n
        As in :func:`genolstm.comparison.run.trials_from_task`.
    budget
        Fields of :class:`~genolstm.comparison.settings.ComparisonSettings` that override the
        defaults or the task's own values.
    outputs
        Where the results go; by default the table to standard output.
    progress
        Called with each row as soon as it is available.

    Returns
    -------
    str
        A line for the user: what was compared, and how it was split.

    Raises
    ------
    InputError
        The sequences or labels are malformed, or cannot be split.
    """
    outputs = outputs or Outputs()
    given = budget or {}
    settings = ComparisonSettings(**given) if task is None else ComparisonSettings.for_task(task, **given)
    outputs.check([fasta, labels], settings)
    if task is not None:
        trials = trials_from_task(task, distances=distances or DISTANCES, n=n)
        note = f"task {task}: sequences drawn anew for each seed"
    else:
        assert fasta is not None
        data = read_labelled(fasta, labels=labels, regression=regression, length=length)
        trials = trials_from_data(data, settings)
        n_groups = len(set(data.groups.tolist()))
        note = f"{len(data):,} sequences of {data.length:,} bases, {n_groups:,} groups held together"
        if not data.grouped:
            note += "; no group= was given, so only equal sequences are kept on one side"
    with files.Outputs(force=outputs.force) as written:
        # Only now: nothing is kept of a comparison that was not finished.
        keep = None if outputs.models is None else _Keeper(written.folder(outputs.models))
        found = compare(trials, settings, gradients=_wants_gradients(task, outputs), progress=progress, keep=keep)
        _write(found, outputs, written)
    return note


def _wants_gradients(task: str | None, outputs: Outputs) -> bool:
    drawn = task == "long-range" and outputs.figure is not None
    return drawn or outputs.gradients is not None


@dataclass(frozen=True)
class _Keeper:
    """Saves each network that was trained."""

    folder: Path

    def __call__(self, network: ArchitectureSettings, trained: TrainedModel, trial: Trial, seed: int) -> None:
        from genolstm.comparison.saving import save_trained

        save_trained(_network_file(self.folder, network.name, seed), network, trained, trial, seed)


def _network_file(folder: Path, name: str, seed: int) -> Path:
    return folder / f"{name}-{seed}.genolstm"


def _write(found: Comparison, outputs: Outputs, written: files.Outputs) -> None:
    summary = found.summary()
    if outputs.figure is not None:
        from genolstm.report.architectures import save_comparison

        save_comparison(found.runs, found.gradients, outputs.figure, into=written)
    for path, table in ((outputs.runs, found.runs), (outputs.gradients, found.gradients)):
        if path is not None:
            written.text(path).write(_tsv(table))
    # Last, so that if the table is there, everything is.
    stream = written.text(outputs.table)
    if str(outputs.table) == "-":
        stream.write(format_summary(summary) + "\n")
    else:
        stream.write(_tsv(summary))


def _tsv(table: pd.DataFrame) -> str:
    text: str = table.to_csv(sep="\t", index=False, float_format="%.6g", lineterminator="\n")
    return "#" + text
