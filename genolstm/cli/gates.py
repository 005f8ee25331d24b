"""``genolstm model gates``: what the cells of a model do along a sequence."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from genolstm.cli import options
from genolstm.lstm.settings import GateSettings

_path = click.Path(path_type=Path)


def subject(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the argument MODEL, which may be given as ``--model`` as in every other command."""

    @functools.wraps(command)
    def found(model: str | None, named: str | None, **kwargs: Any) -> Any:
        if named is not None and model is not None and "sequences" in kwargs:
            # The first argument is then not the model, but a sequence.
            kwargs["sequences"], model = (model, *kwargs["sequences"]), None
        if (model is None) == (named is None):
            raise click.UsageError("name one MODEL")
        return command(named or model, **kwargs)

    argument = click.argument("model", required=False, metavar="MODEL")
    named = click.option("--model", "named", metavar="NAME|FILE", help="Another way to give MODEL.")
    return argument(named(found))


class _Units(click.ParamType):
    name = "units"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        if not re.fullmatch(r"[0-9]{1,9}(,[0-9]{1,9})*", value):
            self.fail(f"{value!r} is not a list of numbers such as 3,7,12", param, ctx)
        return tuple(int(number) for number in value.split(","))


@click.command(cls=options.Command)
@subject
@click.argument("sequences", nargs=-1, metavar="[SEQUENCE]...")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, allow_dash=True),
    default="-",
    show_default="standard output",
    help="Where to write the table (.tsv, .tsv.gz).",
)
@click.option("--figure", type=_path, help="Also draw heat maps (.svg, .png or .pdf).")
@click.option("--half-lives", type=_path, help="Also write the half-life of each unit's memory.")
@options.settings(GateSettings, units={"type": _Units(), "metavar": "N,N,..."})
@options.region("Stretch of the sequence to show")
@click.option("--haplotype", metavar="SAMPLE#HAPLOTYPE", help="For introgression: the haplotype to show.")
@click.option("--vcf", type=_path, help="For introgression: VCF to read instead of FASTA.")
@click.option("--archaic", help="For introgression: archaic panel or samples, as in `introgression scan`.")
@click.option("--outgroup", help="For introgression: outgroup panel or samples, as in `introgression scan`.")
@click.option("--target", help="For introgression, with --vcf: target samples.")
@options.force
@options.quiet
def gates(
    model: str, sequences: tuple[str, ...], output: Path, settings: GateSettings, quiet: bool, **inputs: Any
) -> None:
    """Show the gates of an LSTM along a sequence, step by step.

    For models of text, of genomes and of `compare`, SEQUENCE is the text itself, or a file
    (FASTA by its name). For introgression, give FASTA and panels, or --vcf and samples, as for
    `introgression scan`, and the haplotype. A step of `archaic` reads two bins.
    """
    from genolstm.runs.gates import UsageError, run

    try:
        found = run(model, sequences, output, settings, **inputs)
    except UsageError as error:
        raise click.UsageError(str(error)) from error
    for one in found:
        lives = one.half_life_table()
        for unit, steps, length in zip(lives["unit"], lives["half_life_steps"], lives["half_life"], strict=True):
            unit_of_length = f", {length:,.0f} bp" if one.step_length > 1 else ""
            options.say(f"{one.name}: unit {unit}: half-life {steps:,.1f} steps{unit_of_length}", quiet=quiet)
