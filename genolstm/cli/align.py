"""``genolstm align``: score and align sequences."""

from __future__ import annotations

from typing import Any

import click

from genolstm.alignment.settings import AlignmentSettings
from genolstm.cli import align_options, options
from genolstm.cli.align_gather import gather
from genolstm.cli.align_msa import msa
from genolstm.cli.align_plot import plot, reliability
from genolstm.cli.align_search import search
from genolstm.cli.align_train import train
from genolstm.cli.numbers import NumberRange
from genolstm.numbers import LAST_POSITION, parse_integer


@click.group(cls=options.Group)
def align() -> None:
    """Align sequences and report the confidence of every column."""


align.add_command(gather)
align.add_command(msa)
align.add_command(plot)
align.add_command(reliability)
align.add_command(search)
align.add_command(train)


class _Band(click.ParamType):
    name = "auto|none|BP"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        if value in ("auto", "none"):
            return str(value)
        number = parse_integer(str(value))
        if number is None or not 1 <= number <= LAST_POSITION:
            self.fail(f"{value!r} is neither auto, none nor a number of bp", param, ctx)
        return number


class _Gibibytes(NumberRange):
    name = "GIB"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return bytes."""
        return int(super().convert(value, param, ctx) * 2**30)


@align.command()
@click.argument("query")
@click.argument("reference")
@align_options.output
@align_options.form
@click.option("--posteriors", metavar="OUT.tsv[.gz]", help="Also write a table of all columns to this file.")
@align_options.pairs
@align_options.one_to_one
@options.settings(
    AlignmentSettings,
    into="alignment",
    changes=True,
    mode=align_options.MODE,
    band={"type": _Band()},
    memory={
        "type": _Gibibytes(min=0, min_open=True, max=2**20),
        "default": AlignmentSettings.memory / 2**30,
        "help": "Maximum memory for one pair, in GiB.",
    },
)
@align_options.model
@align_options.classical
@options.threads
@options.force
@options.quiet
def score(quiet: bool, alignment: dict[str, Any], **given: Any) -> None:
    """Align every sequence of QUERY with every one of REFERENCE.

    Both are FASTA or FASTQ.

    The score is in bits: how much more likely the two sequences are if they are related than if
    they are not.
    """
    if given["pairs"] is not None and given["one_to_one"]:
        raise click.UsageError("--pairs and --one-to-one exclude each other")

    from genolstm.runs.align import run

    with options.status("aligning", lambda done: f"{done} pairs aligned", quiet=quiet) as progress:
        summary = run(**given, **alignment, command=align_options.command_line(), progress=progress)
    text = f"{summary.pairs} pair{'' if summary.pairs == 1 else 's'} aligned"
    if summary.unaligned:
        text += f", {summary.unaligned} of them without any aligned residue"
    options.say(text, quiet=quiet)
    if summary.masked:
        options.say(align_options.masked(summary.masked, "pairs" if summary.masked > 1 else "pair"), quiet=quiet)
