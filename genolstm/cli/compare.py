"""``genolstm compare``: which architecture suits your labelled sequences."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from genolstm.cli import options
from genolstm.cli.numbers import WholeRange
from genolstm.comparison.architectures import ARCHITECTURES
from genolstm.comparison.settings import DISTANCES, SHORTEST, TASKS, ComparisonSettings

_path = click.Path(path_type=Path)


@click.command(cls=options.Command)
@click.argument("fasta", required=False, type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "--task", type=click.Choice(tuple(TASKS)), help="Simulate sequences for this task instead of reading FASTA."
)
@click.option(
    "--labels",
    type=_path,
    help="Table with the columns name, label and group; by default label= and group= are read from the headers.",
)
@click.option("--regression", is_flag=True, help="Treat the labels as numbers.")
@click.option(
    "--length", type=WholeRange(min=1), show_default="all", help="Bases to read from the middle of each sequence."
)
@options.settings(
    ComparisonSettings,
    "architectures",
    "parameters",
    "epochs",
    "batch_size",
    "learning_rate",
    "bidirectional",
    "seeds",
    "seed",
    into="budget",
    changes=True,
    architectures={"default": ",".join(ARCHITECTURES)},
)
@click.option(
    "--distance",
    "distances",
    type=WholeRange(min=SHORTEST),
    multiple=True,
    show_default=", ".join(map(str, DISTANCES)),
    help="For long-range: distance between the two sites in a test set, in bases; may be repeated. Training "
    "goes up to the largest.",
)
@click.option(
    "-n",
    "n",
    type=WholeRange(min=20),
    show_default=", ".join(f"{task.n} for {name}" for name, task in TASKS.items()),
    help="For a task: number of sequences for training and validation.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, allow_dash=True),
    default="-",
    show_default="standard output",
    help="Where to write the table of means and ranges (.tsv).",
)
@click.option("--runs", type=_path, help="Also write the scores of every run (.tsv).")
@click.option("--gradients", type=_path, help="Also write how far back gradients reach (.tsv).")
@click.option("--figure", type=_path, help="Also draw the comparison (.svg, .png or .pdf).")
@click.option("--models", type=_path, help="Folder for the trained networks, one bundle per run.")
@options.force
@options.quiet
def compare(
    fasta: Path | None,
    task: str | None,
    labels: Path | None,
    regression: bool,
    length: int | None,
    budget: dict[str, Any],
    distances: tuple[int, ...],
    n: int | None,
    quiet: bool,
    **outputs: Any,
) -> None:
    """Train MLP, CNN, RNN, GRU and LSTM on the same labelled sequences and compare them.

    FASTA holds DNA, each header with `label=` (and `group=`, such as the chromosome or family:
    whole groups are held out). All networks have about the same number of parameters, see the same
    batches and take the same number of epochs. Needs the extra `train`.
    """
    if (fasta is None) == (task is None):
        raise click.UsageError("name a FASTA file, or a --task")
    only_task: dict[str, Any] = {"--distance": distances or None, "-n": n}
    only_data: dict[str, Any] = {"--labels": labels, "--regression": regression or None, "--length": length}
    for name, value in (only_data if task is not None else only_task).items():
        if value is not None:
            raise click.UsageError(f"{name} goes with {'FASTA' if task is not None else '--task'}")
    if task == "motif" and distances:
        raise click.UsageError("--distance goes with --task long-range")
    from genolstm.runs.compare import Outputs, run

    def tell(row: Mapping[str, Any]) -> None:
        value = "accuracy" if "accuracy" in row else "r2"
        options.say(
            f"{row['architecture']} seed {row['seed']} {row['test']}: {value} "
            f"{row[value]:.3f}, loss {row['loss']:.3f}, {row['training_seconds']:.0f} s",
            quiet=quiet,
        )

    note = run(
        fasta,
        task=task,
        labels=labels,
        regression=regression,
        length=length,
        distances=distances or None,
        n=n,
        budget=budget,
        outputs=Outputs(table=outputs.pop("output"), **outputs),
        progress=tell,
    )
    options.say(note, quiet=quiet)
