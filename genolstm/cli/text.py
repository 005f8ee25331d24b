"""``genolstm text``: models of text and of genomes."""

from __future__ import annotations

import functools
import json as json_module
from collections.abc import Callable, Mapping
from math import log2
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from genolstm.cli import options
from genolstm.cli.numbers import WholeRange
from genolstm.errors import shown, shown_json
from genolstm.text.sampling import Sampling
from genolstm.text.settings import (
    FORMATS,
    GENERATORS,
    MAX_K,
    MAX_ORDER,
    PRESETS,
    WORDS,
    GanSettings,
    GeneratorsSettings,
    TextSettings,
    preset_settings,
)


@click.group(cls=options.Group)
def text() -> None:
    """Train on text or genomes, write more of the same, and measure surprise."""


_path = click.Path(path_type=Path)
_dash = click.Path(path_type=Path, allow_dash=True)
_format = click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="auto",
    show_default=True,
    help="Format of the files; auto goes by their names.",
)
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
_skip_unknown = click.option("--skip-unknown", is_flag=True, help="Drop symbols that the model never saw.")
_strands = "--reverse-complement/--forward-only"
_tokens = {
    "help": "Symbols of a text: its characters, or its words, each with the space before it. Unknown words are spelled."
}


def _check_tokens(tokens: str | None) -> None:
    given = click.get_current_context().get_parameter_source("vocabulary")
    if tokens != WORDS and given is not ParameterSource.DEFAULT:
        raise click.UsageError("--vocabulary goes with --tokens words")


def _model(metavar: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add ``--model`` and arguments; for one more version, the first argument may be the model."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def found(model: str | None, files: tuple[Path, ...], **kwargs: Any) -> Any:
            if model is None:
                if len(files) < (2 if metavar else 1):
                    raise click.UsageError("Missing option '--model'.")
                model, files = str(files[0]), files[1:]
            if metavar:
                kwargs["files"] = files
            elif files:
                raise click.UsageError(f"Got unexpected extra argument ({files[0]})")
            return command(model, **kwargs)

        argument = click.argument("files", nargs=-1, required=bool(metavar), type=_dash, metavar=metavar)
        named = click.option("--model", metavar="NAME|FILE", help="A model of `text train`.  [required]")
        return argument(named(found))

    return decorate


@text.command()
@click.argument("files", nargs=-1, required=True, type=_dash)
@click.option("-o", "--output", required=True, type=_path, help="Where to write the model (.genolstm).")
@click.option(
    "--preset",
    type=click.Choice(tuple(PRESETS)),
    default="default",
    show_default=True,
    help="Defaults to use; tutorial: windows of 100, three LSTM layers of 256, 256, 128, dropout, 4 epochs.",
)
@_format
@click.option(
    "--held-out",
    multiple=True,
    type=_path,
    help="Held-out file that chooses the epoch, instead of a share of FILES; may be repeated.",
)
@options.settings(
    TextSettings,
    "tokens",
    "vocabulary",
    "validation",
    "steps",
    "embedding",
    "units",
    "layers",
    "dropout",
    "epochs",
    "steps_per_epoch",
    "batch_size",
    "learning_rate",
    "patience",
    "reverse_complement",
    "noise",
    "seed",
    into="changes",
    changes=True,
    tokens=_tokens,
    units={"type": WholeRange(min=1)},
    reverse_complement=_strands,
)
@click.option("--checkpoints", type=_path, show_default="OUTPUT.training", help="Folder for the checkpoint.")
@click.option(
    "--log",
    type=_path,
    help="Also write a CSV with one row per epoch; it appears with the model, until then it is log.csv beside the "
    "checkpoint.",
)
@options.force
@options.quiet
def train(files: tuple[Path, ...], output: Path, preset: str, changes: dict[str, Any], **settings: Any) -> None:
    """Train a model on FILES: UTF-8 text, or FASTA.

    Needs the extra `train`.

    The end of the text, or whole records of FASTA, are held out; their bits per symbol choose
    the epoch and are printed. A text smaller than the network is warned of beforehand. A killed
    run resumes from its checkpoint.
    """
    _check_tokens(changes.get("tokens"))
    from genolstm.runs.text_train import run

    def show(rows: list[tuple[str, str, int]]) -> None:
        for row in rows:
            click.echo("\t".join(map(str, row)))

    def warn(message: str) -> None:
        options.say(f"warning: {message}", quiet=False)

    bundle = run(files, output, preset_settings(preset, changes), on_network=show, warn=warn, **settings)
    found = bundle.metadata.get("held_out")
    if found is None:
        click.echo(f"{shown(str(output))}: nothing held out")
    elif changes.get("tokens") == WORDS:
        unknown = f"{100 * found['unknown_share']:.1f} % of them unknown and spelled"
        bits = f"{found['bits_per_symbol']:.4f} ({found['symbols']} words, {unknown})"
        per_character = f"{found['bits_per_character']:.4f} ({found['characters']} characters)"
        click.echo(f"{shown(str(output))}: held-out bits per word {bits}, per character {per_character}")
    else:
        bits = f"{found['bits_per_symbol']:.4f} ({found['symbols']} symbols)"
        click.echo(f"{shown(str(output))}: held-out bits per symbol {bits}")
        guess = log2(len(bundle.metadata["alphabet"]))
        if found["bits_per_symbol"] >= guess:
            options.say(
                f"warning: guessing among the {len(bundle.metadata['alphabet'])} symbols needs {guess:.4f} bits: "
                f"{bundle.metadata['training_symbols']:,} symbols to learn from are too few, or the epochs are",
                quiet=False,
            )


@text.command()
@_model("")
@click.option("-p", "--prompt", default="", help="Text or DNA to continue.")
@click.option("--echo", is_flag=True, help="Print the prompt, too.")
@click.option(
    "-n",
    "--length",
    type=WholeRange(min=0),
    default=1000,
    show_default=True,
    help="Number of symbols to write: characters, bases, or words if the model is one of words.",
)
@click.option(
    "--sentence", is_flag=True, help="End with the sentence: after the first full stop, exclamation or question mark."
)
@options.settings(Sampling, into="sampling", changes=True)
@_skip_unknown
@click.option(
    "--carry/--window",
    default=None,
    show_default="as trained",
    help="Carry the state, or read the last window again for each symbol.",
)
@click.option(
    "--samples", type=WholeRange(min=1), default=1, show_default=True, help="Number of independent samples to write."
)
@click.option(
    "-o", "--output", type=_dash, default="-", show_default="standard output", help="Where to write the samples."
)
@options.seed
@options.force
def generate(model: str, output: Path, **settings: Any) -> None:
    """Write new text, or new DNA as FASTA, with a model.

    Symbols appear as they are generated. The same seed gives the same bytes.
    """
    from genolstm.runs.text_generate import run

    run(model, output, **settings)


@text.command()
@_model("FILES...")
@_format
@_skip_unknown
@click.option("--mix", is_flag=True, help="Mix the network with counts and copies of what was read before.")
@click.option("--adapt", is_flag=True, help="Let the network's output layer learn from each symbol it has predicted.")
@click.option(
    "--network/--counts-only", default=True, show_default=True, help="Ask the network, or mix counts and copies alone."
)
@click.option(
    "--history",
    multiple=True,
    type=_dash,
    metavar="FILE",
    help="With --mix: read first, not scored, by counts and copies; what the model was trained on. May be repeated.",
)
@click.option(
    "--held-out",
    multiple=True,
    type=_dash,
    metavar="FILE",
    help="Read next, not scored, by all: it teaches how far to trust the network. Not what the model was trained on. "
    "May be repeated.",
)
@click.option("--positions", type=_dash, metavar="OUT.tsv[.gz]", help="Also write the bits of every symbol.")
@click.option("--bedgraph", type=_dash, help="Also write surprise along a DNA sequence as bedGraph.")
@click.option("--bigwig", type=_path, help="Also write surprise along a DNA sequence as bigWig (.bw).")
@click.option(
    "--repeats",
    type=_dash,
    metavar="BEDGRAPH|BIGWIG",
    help="With --mix: also write the bits per base that repeats save, as bedGraph, or as bigWig if named .bw.",
)
@click.option(
    "--weights",
    type=_dash,
    metavar="OUT.tsv[.gz]",
    help="With --mix: also write, by bin, bits with and without repeats, and the shares of network, counts, repeat and "
    "inverted repeat in the forecasts.",
)
@click.option(
    "--bin",
    "bin_size",
    type=WholeRange(min=1),
    default=1,
    show_default=True,
    help="Bases per bin of tracks and weights.",
)
@click.option("--by-record", is_flag=True, help="Print one row per record, before the total.")
@_json
@options.threads
@options.force
@options.quiet
def score(
    model: str,
    files: tuple[Path, ...],
    positions: Path | None,
    bedgraph: Path | None,
    bigwig: Path | None,
    repeats: Path | None,
    weights: Path | None,
    bin_size: int,
    as_json: bool,
    quiet: bool,
    **settings: Any,
) -> None:
    """Report how many bits each symbol of FILES costs a model.

    Low means expected, high surprising: for DNA, 2 bits per base is chance. If the bits go to
    standard output, the totals go to stderr. With --mix, each symbol also teaches what comes after it.
    For a model of words, bits per character are comparable with those of a model of characters, and what is
    unknown is spelled.
    """
    if bin_size != 1 and all(path is None for path in (bedgraph, bigwig, repeats, weights)):
        raise click.UsageError("--bin goes with --bedgraph, --bigwig, --repeats or --weights")
    if not settings["mix"]:
        for name, given in (
            ("--counts-only", not settings["network"]),
            ("--history", settings["history"]),
            ("--repeats", repeats),
            ("--weights", weights),
        ):
            if given:
                raise click.UsageError(f"{name} goes with --mix")
        if settings["held_out"] and not settings["adapt"]:
            raise click.UsageError("--held-out goes with --mix or --adapt")
    elif settings["adapt"] and not settings["network"]:
        raise click.UsageError("--adapt goes with the network, not with --counts-only")
    from genolstm.runs.text_score import run
    from genolstm.text.scoring import TOTALS, TOTALS_OF_WORDS

    tracks: dict[str, Any] = {"bedgraph": bedgraph, "bigwig": bigwig, "repeats": repeats, "weights": weights}
    rows = run(model, files, positions=positions, bin_size=bin_size, **tracks, **settings)
    if as_json:
        *records, (_, total) = rows
        content = total.to_dict()
        if settings["by_record"]:
            content["records"] = [{"record": name, **one.to_dict()} for name, one in records]
        report = shown_json(json_module.dumps(content, ensure_ascii=False))
    else:
        of_words = rows[-1][1].characters > 0
        lines = ["#" + "\t".join([*TOTALS, *(TOTALS_OF_WORDS if of_words else ())])]
        for name, one in rows:
            line = f"{shown(name)}\t{one.symbols}\t{one.bits:.1f}\t{one.bits_per_symbol:.4f}\t{one.perplexity:.4f}"
            if of_words:
                line += f"\t{one.characters}\t{one.bits_per_character:.4f}\t{one.unknown_share:.4f}"
            lines.append(line)
        report = "\n".join(lines)
    # stdout belongs to the data if they were sent there.
    if "-" in map(str, (positions, *tracks.values())):
        options.say(report, quiet=quiet)
    else:
        click.echo(report)


@text.command()
@click.argument("files", nargs=-1, required=True, type=_path)
@_format
@click.option(
    "--held-out", multiple=True, type=_path, help="Held-out file, instead of a share of FILES; may be repeated."
)
@click.option(
    "--max-order",
    type=WholeRange(0, MAX_ORDER),
    default=12,
    show_default=True,
    help="Longest context of the Markov models.",
)
@options.settings(
    TextSettings,
    "tokens",
    "vocabulary",
    "validation",
    "reverse_complement",
    "seed",
    tokens=_tokens,
    reverse_complement=_strands,
)
@_json
def baseline(files: tuple[Path, ...], settings: TextSettings, as_json: bool, **inputs: Any) -> None:
    """Report what Markov models and compressors need per symbol.

    In bits; given the options of a training run, measured on the same held-out symbols.
    """
    _check_tokens(settings.tokens)
    from genolstm.runs.text_baseline import run

    rows = run(files, settings, **inputs)
    of_words = settings.tokens == WORDS
    if as_json:
        content = {
            name: {"bits_per_symbol": bits, "bits_per_character": each} if of_words else bits
            for name, bits, each in rows
        }
        click.echo(json_module.dumps(content))
        return
    click.echo("#baseline\tbits_per_symbol" + ("\tbits_per_character" if of_words else ""))
    for name, bits, each in rows:
        click.echo(f"{name}\t{bits:.4f}" + ("" if each is None else f"\t{each:.4f}"))


@text.command()
@click.argument("sample", type=_path)
@click.argument("source", type=_path)
@click.option(
    "-k",
    "ks",
    type=WholeRange(1, MAX_K),
    multiple=True,
    default=(2, 4, 6),
    show_default=True,
    help="Length of the k-mers; may be repeated.",
)
def spectrum(sample: Path, source: Path, ks: tuple[int, ...]) -> None:
    """Compare the k-mers of SAMPLE with those of SOURCE, both FASTA.

    The second pair of columns is for a stretch of the source as long as the sample: what differs by
    chance alone.
    """
    from genolstm.runs.text_spectrum import run

    rows = list(run(sample, source, ks))
    click.echo("#k\tdivergence\tcorrelation\tsource_divergence\tsource_correlation")
    for k, *values in rows:
        click.echo("\t".join([str(k), *(f"{value:.4f}" for value in values)]))


@text.command()
@click.argument("files", nargs=-1, required=True, type=_dash)
@click.option(
    "-o",
    "--output",
    required=True,
    type=_path,
    help="Where to write the table of means and ranges (.tsv); settings, seeds and parts go beside it, as .json.",
)
@click.option("--runs", type=_path, help="Also write one row per generator and seed, with intervals (.tsv).")
@click.option("--figure", type=_path, help="Also draw the comparison (.svg, .png or .pdf).")
@click.option(
    "--checkpoints",
    type=_path,
    show_default="OUTPUT.training",
    help="Folder for what is done, from which a rerun goes on.",
)
@options.settings(
    GeneratorsSettings,
    "generators",
    "bases",
    "window",
    "block",
    "held_out",
    "validation",
    "reverse_complement",
    "passes",
    "units",
    "max_order",
    "seeds",
    "seed",
    generators={"default": ",".join(GENERATORS)},
    bases={"type": WholeRange(min=1), "show_default": "half of what is held out"},
    block={"type": WholeRange(min=32), "show_default": "whole records, or 5000"},
    reverse_complement=_strands,
)
@options.settings(
    GanSettings,
    "channels",
    "latent",
    "critic_steps",
    "penalty",
    "temperature",
    "batch_size",
    "learning_rate",
    into="gan",
    channels="--gan-channels",
    latent="--gan-latent",
    critic_steps="--gan-critic-steps",
    penalty="--gan-penalty",
    temperature="--gan-temperature",
    batch_size="--gan-batch-size",
    learning_rate="--gan-learning-rate",
)
@options.force
@options.quiet
def generators(files: tuple[Path, ...], output: Path, quiet: bool, **settings: Any) -> None:
    """Compare LSTM, Markov model and GAN as makers of DNA.

    FILES are FASTA. Needs the extra `train`.

    All learn from the same part and make the same amount, which is judged beside real sequence. Judges are k-mer
    spectra, a CNN that tries to tell real from generated windows, copied 31-mers, and bits per base; held-out
    sequence that no generator saw is judged like them. A killed run goes on from its checkpoints.
    """
    from genolstm.runs.text_generators import run

    def tell(row: Mapping[str, Any]) -> None:
        options.say(
            f"{row['generator']} seed {row['seed']}: divergence of 6-mers {row['jsd_6']:.5f}, area under the curve "
            f"{row['auc']:.3f} ({row['auc_low']:.3f}-{row['auc_high']:.3f}), copied {row['copied']:.4f}, "
            f"{row['bits']:.4f} bits per base",
            quiet=quiet,
        )

    result = run(files, output, progress=tell, **settings)
    parts = result.account["parts"]
    options.say(
        f"learned from {parts['training_bases']:,} bases, {parts['validation_bases']:,} to choose by, "
        f"{parts['held_out_bases']:,} held out in {parts['held_out_groups']} "
        + (f"blocks of {parts['block']:,}" if parts["block"] else "records"),
        quiet=quiet,
    )
    if parts["left_out_bases"]:
        options.say(f"warning: {parts['left_out_bases']:,} bases without a window of known bases left out", quiet=False)
