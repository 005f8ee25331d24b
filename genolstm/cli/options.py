"""Options that several commands share, each written once."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

force = click.option("--force", is_flag=True, help="Replace outputs that exist already.")
threads = click.option(
    "-t", "--threads", type=click.IntRange(min=0), default=0, show_default="all cores",
    help="Threads to use; 0 means all cores.",
)  # fmt: skip
seed = click.option(
    "--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Random seed."
)
quiet = click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")

ALIGNMENT_FORMATS = ("paf", "sam", "outfmt6", "maf", "fasta", "stockholm", "tsv", "json")

alignment_format = click.option(
    "--format", "form", type=click.Choice(ALIGNMENT_FORMATS), default="paf", show_default=True,
    help="tsv has one line per column, with its posterior.",
)  # fmt: skip
strand = click.option(
    "--strand", type=click.Choice(["both", "plus", "minus"]), default="both", show_default=True,
    help="Of the query.",
)  # fmt: skip
aligner = click.option(
    "--preset", default="dna", show_default=True, metavar="dna|coding|adna|BUNDLE",
    help="coding is for protein-coding sequence, adna for queries with the damage of ancient DNA; "
    "or a model of `align train`.",
)  # fmt: skip
classical = click.option(
    "--classical", is_flag=True, help="Leave the neural part of the model out."
)


@contextlib.contextmanager
def status(
    what: str, text: Callable[..., str], *, quiet: bool
) -> Iterator[Callable[..., None] | None]:
    """Show what has been done on stderr, if that is a terminal; ``text`` words the counts."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.status import Status

    with Status(what, console=Console(stderr=True)) as shown:
        yield lambda *counts: shown.update(text(*counts))
