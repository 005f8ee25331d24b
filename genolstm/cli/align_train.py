"""``genolstm align train``: fit an aligner to pairs of one's own."""

from __future__ import annotations

from pathlib import Path

import click

from genolstm.cli import options


@click.command()
@click.argument("query")
@click.argument("reference")
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), metavar="OUT.genolstm", help="The model to write."
)
@click.option("--pairs", metavar="PAIRS", help="The pairs: two columns of names, or PAF.")
@click.option("--one-to-one", is_flag=True, help="First with first, second with second, ...")
@click.option(
    "--truth", metavar="PAF", help="True alignments (with the tag cg:Z). Without them, the pairs' likelihood is raised."
)
@click.option(
    "--preset",
    default="dna",
    show_default=True,
    metavar="NAME|BUNDLE",
    help="Model to start from: dna, coding, or a file.",
)
@click.option(
    "--simulated",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.5,
    show_default=True,
    help="Share of simulated pairs mixed in, so that what the model knew is not lost.",
)
@click.option(
    "--validation",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.1,
    show_default=True,
    help="Share of the pairs held out; no sequence is on both sides.",
)
@click.option(
    "--epochs", type=click.IntRange(min=1), default=4, show_default=True, help="Passes over the pairs at most."
)
@click.option("--batch-size", type=click.IntRange(min=1), default=16, show_default=True, help="Pairs a step.")
@click.option(
    "--learning-rate",
    type=click.FloatRange(min=0, min_open=True),
    default=5e-4,
    show_default=True,
    help="Of Adam, at its height.",
)
@click.option(
    "--checkpoints", type=click.Path(path_type=Path), show_default="OUT.training", help="Folder of the checkpoint."
)
@options.seed
@options.threads
@options.force
@options.quiet
def train(
    query: str,
    reference: str,
    output: Path,
    pairs: str | None,
    one_to_one: bool,
    truth: str | None,
    preset: str,
    simulated: float,
    validation: float,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    checkpoints: Path | None,
    seed: int,
    threads: int,
    force: bool,
    quiet: bool,
) -> None:
    """Fit an aligner to pairs of QUERY and REFERENCE sequences (needs the extra `train`).

    A run that was killed goes on from its checkpoint. The model is used with
    `align score --preset OUT.genolstm`.
    """
    if sum((pairs is not None, one_to_one, truth is not None)) != 1:
        raise click.UsageError("give one of --pairs, --one-to-one and --truth")

    from genolstm.alignment.context.train import AlignTrainSettings
    from genolstm.runs.align_train import train_aligner

    settings = AlignTrainSettings(epochs=epochs, batch_size=batch_size, learning_rate=learning_rate, seed=seed)
    train_aligner(
        query,
        reference,
        output,
        pairs=pairs,
        one_to_one=one_to_one,
        truth=truth,
        start=preset,
        simulated=simulated,
        validation=validation,
        settings=settings,
        folder=checkpoints or output.with_name(output.name + ".training"),
        threads=threads,
        force=force,
        progress=not quiet,
    )
    if not quiet:
        click.echo(f"{output} written", err=True)
