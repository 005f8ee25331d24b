"""Options shared by the align commands, each defined once."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from genolstm.alignment.settings import FORMATS, AlignmentSettings
from genolstm.cli import options

output = click.option(
    "-o", "--output", default="-", show_default="standard output", metavar="OUT[.gz]", help="File to write."
)
figure = click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="Figure to write (.svg, .png or .pdf)."
)
form = click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="paf",
    show_default=True,
    help="Format of the output; tsv has one line per column, with its posterior.",
)
pairs = click.option("--pairs", metavar="PAIRS", help="Align only these pairs: two columns of names, or PAF.")
one_to_one = click.option(
    "--one-to-one", is_flag=True, help="Pair the first query with the first reference, and so on."
)
model = options.model(
    default="dna",
    help="Aligner to use: dna; coding for protein-coding sequence; rna for structured RNA; adna for "
    "queries damaged as ancient DNA is; or a file written by `align train`.",
    old="--preset",
)
classical = click.option("--classical", is_flag=True, help="Leave out the neural part of the model.")
MODE = {"show_default": "semiglobal for adna, else global"}
spans = options.settings(AlignmentSettings, "mode", "strand", into="alignment", changes=True, mode=MODE)


def masked(number: int, what: str) -> str:
    """Say of how many queries or pairs low complexity did not count."""
    return f"low complexity of {number} {what} counts for nothing in E-values and P(homolog); --qmask none counts it"


def command_line() -> str:
    """Return the command line, for formats that record it."""
    return " ".join(["genolstm", *sys.argv[1:]])
