"""``genolstm text``: models of text and of genomes."""

from __future__ import annotations

import json as json_module
import math
from pathlib import Path
from typing import Any

import click

from genolstm.cli import options


@click.group()
def text() -> None:
    """Train on text or genomes, write more of it, and say what surprises."""


class _Finite(click.FloatRange):
    """A range of numbers without infinity and NaN, which the comparisons let through."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


_path = click.Path(path_type=Path)
_dash = click.Path(path_type=Path, allow_dash=True)
_format = click.option(
    "--format",
    "form",
    type=click.Choice(["auto", "text", "fasta"]),
    default="auto",
    show_default=True,
    help="What the files are; auto goes by their names.",
)
_json = click.option("--json", "as_json", is_flag=True, help="JSON instead of a table.")


@text.command()
@click.argument("files", nargs=-1, required=True, type=_dash)
@click.option("-o", "--output", required=True, type=_path, help="The model, .genolstm.")
@click.option(
    "--preset",
    type=click.Choice(["default", "tutorial"]),
    default="default",
    show_default=True,
    help="tutorial: windows of 100, three LSTM layers of 256, 256, 128, dropout, 4 epochs.",
)
@_format
@click.option(
    "--held-out",
    multiple=True,
    type=_path,
    help="File that chooses the epoch, instead of a share of FILES; may be repeated.",
)
@click.option(
    "--validation",
    type=_Finite(0, 1, max_open=True),
    help="Share held out: the end of a text, whole records of FASTA.  [default: 0.1]",
)
@click.option("--steps", type=click.IntRange(min=2), help="Symbols a window.  [default: 64]")
@click.option("--embedding", type=click.IntRange(min=1), help="Numbers a symbol.  [default: 48, of DNA 8]")
@click.option("--units", type=click.IntRange(min=1), help="Width of an LSTM layer.  [default: 512, of DNA 256]")
@click.option("--layers", type=click.IntRange(min=1), help="LSTM layers.  [default: 1]")
@click.option(
    "--dropout",
    type=_Finite(0, 1, max_open=True),
    help="Dropout after each layer.  [default: 0.2 below a million symbols, else 0]",
)
@click.option(
    "--epochs", type=click.IntRange(min=1), help="Passes over the data at most.  [default: for 2,000 steps, 4 to 200]"
)
@click.option(
    "--steps-per-epoch", type=click.IntRange(min=0), help="Steps that count as an epoch; 0: a pass.  [default: 0]"
)
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    help="Places at which the stream is read side by side.  [default: up to 64]",
)
@click.option("--learning-rate", type=_Finite(0, min_open=True), help="Of Adam, at its height.  [default: 0.003]")
@click.option(
    "--patience",
    type=click.IntRange(min=0),
    help="Epochs without a better held-out loss before stopping; 0: never.  [default: 3 or more]",
)
@click.option(
    "--reverse-complement/--forward-only",
    "reverse_complement",
    default=None,
    help="Of DNA: read both strands.  [default: both]",
)
@click.option(
    "--noise",
    type=_Finite(0, 1, max_open=True),
    help="Share of symbols replaced while training.  [default: 0, of DNA 0.01]",
)
@options.seed
@click.option("--checkpoints", type=_path, help="Folder of the checkpoint (default: OUTPUT.training).")
@click.option("--log", type=_path, help="CSV of one row an epoch.")
@options.force
@options.quiet
def train(
    files: tuple[Path, ...],
    output: Path,
    preset: str,
    form: str,
    held_out: tuple[Path, ...],
    seed: int,
    checkpoints: Path | None,
    log: Path | None,
    force: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """Train a model on FILES: UTF-8 text, or FASTA (needs the extra `train`).

    The end of the text, or whole records of FASTA, are held out; their bits per symbol choose
    the epoch and are printed. A run that was killed goes on from its checkpoint.

    \b
    genolstm text train example_data/rhyme.txt -o rhyme.genolstm
    genolstm text train example_data/rhyme.txt -o tutorial.genolstm --preset tutorial
    genolstm text train example_data/genome.fa.gz -o genome.genolstm
    """
    from dataclasses import replace

    from genolstm.text.settings import PRESETS, WINDOW
    from genolstm.text.train import summary, train_text

    changes = {name: value for name, value in given.items() if value is not None}
    settings = PRESETS[preset]
    if "layers" in changes and "units" not in changes and isinstance(settings.units, tuple):
        raise click.UsageError("--layers with --preset tutorial needs --units")
    if "units" in changes and "layers" not in changes:
        changes["layers"] = 1
    settings = replace(settings, seed=seed, **changes)

    def show(config: Any, steps: int) -> None:
        rows = summary(config, steps if settings.mode == WINDOW else None)
        for layer, shape, count in rows:
            click.echo(f"{layer}\t{shape}\t{count}")
        click.echo(f"Total parameters\t\t{config.n_parameters}")

    bundle = train_text(
        files,
        output,
        settings,
        form=form,
        held_out=held_out,
        folder=checkpoints,
        log_csv=log,
        progress=not quiet,
        force=force,
        on_network=show,
    )
    found = bundle.metadata.get("held_out")
    if found is None:
        click.echo(f"{output}: nothing held out")
    else:
        click.echo(f"{output}: held-out bits per symbol {found['bits_per_symbol']:.4f} ({found['symbols']} symbols)")


@text.command()
@click.argument("model")
@click.option("-p", "--prompt", default="", help="What to go on from.")
@click.option("--echo", is_flag=True, help="Print the prompt too.")
@click.option("-n", "--length", type=click.IntRange(min=0), default=1000, show_default=True, help="Symbols to write.")
@click.option(
    "--temperature",
    type=_Finite(0, 100),
    help="Below 1 more likely symbols, 0 always the likeliest.  [default: 1; of the tutorial 0]",
)
@click.option("--top-k", type=click.IntRange(min=1), help="Draw among the so many likeliest symbols only.")
@click.option(
    "--top-p",
    type=_Finite(0, 1, min_open=True),
    help="Draw among the likeliest symbols that reach this probability together.",
)
@click.option("--skip-unknown", is_flag=True, help="Drop symbols that the model never saw.")
@click.option(
    "--carry/--window",
    default=None,
    help="Carry the state, or read the last window anew for each symbol.  [default: as trained]",
)
@click.option(
    "--samples", type=click.IntRange(min=1), default=1, show_default=True, help="Independent samples to write."
)
@click.option("-o", "--output", type=_dash, default="-", help="Where to write.  [default: standard output]")
@options.seed
@options.force
def generate(model: str, output: Path, force: bool, **settings: Any) -> None:
    """Write new text, or new DNA as FASTA, with MODEL.

    Symbols appear as they are made. The same seed gives the same bytes.
    """
    from genolstm.runs.text import run_generate

    run_generate(model, output, force=force, **settings)


@text.command()
@click.argument("model")
@click.argument("files", nargs=-1, required=True, type=_dash)
@_format
@click.option("--skip-unknown", is_flag=True, help="Drop symbols that the model never saw.")
@click.option("--positions", type=_dash, metavar="OUT.tsv[.gz]", help="Also write the bits of every symbol.")
@click.option("--bedgraph", type=_dash, help="Of DNA: also write surprise along the sequence as bedGraph.")
@click.option(
    "--bin", "bin_size", type=click.IntRange(min=1), default=1, show_default=True, help="Bases a bin of the bedGraph."
)
@click.option("--by-record", is_flag=True, help="One row a record, before the total.")
@_json
@options.threads
@options.force
def score(
    model: str, files: tuple[Path, ...], form: str, bedgraph: Path | None, bin_size: int, **settings: Any
) -> None:
    """Say how many bits each symbol of FILES costs MODEL.

    Low is expected, high is surprising: 2 bits a base is chance for DNA.
    """
    if bedgraph is None and bin_size != 1:
        raise click.UsageError("--bin goes with --bedgraph")
    from genolstm.runs.text import run_score

    run_score(model, files, form=form, bedgraph=bedgraph, bin_size=bin_size, **settings)


@text.command()
@click.argument("files", nargs=-1, required=True, type=_path)
@_format
@click.option("--held-out", multiple=True, type=_path, help="Held-out file; may be repeated.")
@click.option(
    "--validation",
    type=_Finite(0, 1, min_open=True, max_open=True),
    default=0.1,
    show_default=True,
    help="Share held out, as in `train`.",
)
@click.option(
    "--max-order",
    type=click.IntRange(0, 16),
    default=12,
    show_default=True,
    help="Longest context of the Markov models.",
)
@click.option(
    "--reverse-complement/--forward-only",
    "reverse_complement",
    default=True,
    help="Of DNA: count both strands.  [default: both]",
)
@_json
@options.seed
def baseline(files: tuple[Path, ...], **settings: Any) -> None:
    """What Markov models and compressors need for the same held-out symbols.

    With the options of a training run, the held-out symbols are the same as there.
    """
    from genolstm.runs.text import run_baseline

    rows, as_json = run_baseline(files, **settings), settings["as_json"]
    if as_json:
        click.echo(json_module.dumps(dict(rows)))
        return
    click.echo("#baseline\tbits_per_symbol")
    for name, bits in rows:
        click.echo(f"{name}\t{bits:.4f}")


@text.command()
@click.argument("sample", type=_path)
@click.argument("source", type=_path)
@click.option(
    "-k",
    "ks",
    type=click.IntRange(1, 10),
    multiple=True,
    default=(2, 4, 6),
    show_default=True,
    help="Length of the k-mers; may be repeated.",
)
def spectrum(sample: Path, source: Path, ks: tuple[int, ...]) -> None:
    """Compare the k-mers of SAMPLE with those of SOURCE, both FASTA.

    The second pair of columns is for a stretch of the source of the sample's length: what chance
    alone does to it.
    """
    from genolstm.runs.text import run_spectrum

    rows = list(run_spectrum(sample, source, ks))
    click.echo("#k\tdivergence\tcorrelation\tsource_divergence\tsource_correlation")
    for k, *values in rows:
        click.echo("\t".join([str(k), *(f"{value:.4f}" for value in values)]))
