"""``compare``: labelled sequences in, a table of how well each architecture does out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genolstm.comparison.architectures import ArchitectureSettings
from genolstm.comparison.data import read_labelled
from genolstm.comparison.run import Comparison, Trial, compare, trials_from_data, trials_from_task
from genolstm.comparison.scores import format_summary
from genolstm.comparison.settings import DISTANCES, ComparisonSettings
from genolstm.errors import OutputError
from genolstm.files import PathLike, atomic_text, check_inputs, check_outputs

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

    def check(self) -> None:
        """Refuse outputs that cannot be written, before any work is done."""
        check_outputs([self.table, self.runs, self.gradients, self.figure], force=self.force)
        if self.figure is not None:
            from genolstm.report.style import check_figure

            check_figure(self.figure, force=self.force)
        if self.models is not None:
            folder = Path(self.models)
            if folder.exists() and not folder.is_dir():
                raise OutputError("is a file, a folder is needed", path=folder)
            if folder.is_dir() and any(folder.iterdir()) and not self.force:
                raise OutputError("is not empty", path=folder, hint="use --force to add to it")


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
    check_inputs([fasta, labels])
    outputs.check()
    if task is not None:
        settings = ComparisonSettings.for_task(task, **(budget or {}))
        trials = trials_from_task(task, distances=distances or DISTANCES, n=n)
        note = f"task {task}: sequences drawn anew for each seed"
    else:
        assert fasta is not None
        settings = ComparisonSettings(**(budget or {}))
        data = read_labelled(fasta, labels=labels, regression=regression, length=length)
        trials = trials_from_data(data, settings)
        n_groups = len(set(data.groups.tolist()))
        note = f"{len(data):,} sequences of {data.length:,} bases, {n_groups:,} groups held together"
        if not data.grouped:
            note += "; no group= was given, so only equal sequences are kept on one side"
    keep = None if outputs.models is None else _Keeper(Path(outputs.models), outputs.force)
    found = compare(trials, settings, gradients=_wants_gradients(task, outputs), progress=progress, keep=keep)
    _write(found, outputs)
    return note


def _wants_gradients(task: str | None, outputs: Outputs) -> bool:
    drawn = task == "long-range" and outputs.figure is not None
    return drawn or outputs.gradients is not None


@dataclass(frozen=True)
class _Keeper:
    """Saves each network that was trained."""

    folder: Path
    force: bool

    def __call__(self, network: ArchitectureSettings, trained: TrainedModel, trial: Trial, seed: int) -> None:
        from genolstm.comparison.saving import save_trained

        # Made only now, when there is something to put into it.
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{network.name}-{seed}.genolstm"
        save_trained(path, network, trained, trial, seed, force=self.force)


def _write(found: Comparison, outputs: Outputs) -> None:
    summary = found.summary()
    force = outputs.force
    with ExitStack() as stack:
        if outputs.figure is not None:
            from genolstm.report.architectures import save_comparison

            save_comparison(found.runs, found.gradients, outputs.figure, force=force)
        for path, table in ((outputs.runs, found.runs), (outputs.gradients, found.gradients)):
            if path is not None:
                stack.enter_context(atomic_text(path, force=force)).write(_tsv(table))
        # Last, so that if the table is there, everything is.
        stream = stack.enter_context(atomic_text(outputs.table, force=force))
        if str(outputs.table) == "-":
            stream.write(format_summary(summary) + "\n")
        else:
            stream.write(_tsv(summary))


def _tsv(table: pd.DataFrame) -> str:
    text: str = table.to_csv(sep="\t", index=False, float_format="%.6g", lineterminator="\n")
    return "#" + text
