"""``genolstm panel``: build and inspect k-mer panels."""

from __future__ import annotations

import re
from typing import Any

import click

from genolstm.cli import options
from genolstm.sequences.panel.settings import LEAST_MEMORY, MEMORY, PanelSettings


class _Size(click.ParamType):
    """A number of bytes, such as ``4G``."""

    name = "SIZE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt])(?:i?b)?", value.strip(), re.IGNORECASE)
        if match is None:
            self.fail(f"{value!r} is not a size such as 512M or 4G", param, ctx)
        size = int(float(match[1]) * 1024 ** (1 + "kmgt".index(match[2].lower())))
        if size < LEAST_MEMORY:
            self.fail(f"{value} is too little, at least {LEAST_MEMORY >> 20}M are needed", param, ctx)
        return size


@click.group(cls=options.Group)
def panel() -> None:
    """Build and inspect k-mer panels.

    For every k-mer, a panel records how many haplotypes of a reference group carry it.
    """


@panel.command()
@click.argument("fasta", nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(dir_okay=False),
    metavar="OUT.panel",
    help="Panel file to write; - is standard output.",
)
@options.settings(PanelSettings, k="-k")
@click.option(
    "--memory",
    type=_Size(),
    default=MEMORY,
    show_default=f"{MEMORY >> 30}G",
    help="Most memory to use; what does not fit goes to temporary files in TMPDIR, or else beside the output.",
)
@options.force
@options.threads
@options.quiet
def build(
    fasta: tuple[str, ...], output: str, settings: PanelSettings, memory: int, force: bool, threads: int, quiet: bool
) -> None:
    """Build a panel from FASTA or FASTQ files or pipes (gz, bz2, xz, zst; - is standard input)."""
    from genolstm.runs.panel import build

    warnings: list[str] = []
    with options.status("reading", lambda bases: f"{bases:,} bases", quiet=quiet) as tell:
        built = build(
            fasta, output, settings, threads=threads, memory=memory, force=force, progress=tell, warn=warnings.append
        )
    for warning in warnings:
        options.say(f"warning: {warning}", quiet=quiet)
    where = "standard output" if output == "-" else output
    options.say(f"{built.n_kmers:,} {built.k}-mers of {built.n_haplotypes:,} haplotypes -> {where}", quiet=quiet)


@panel.command()
@click.argument("path", metavar="PANEL")
@click.option("--json", "as_json", is_flag=True, help="Print the whole summary as JSON.")
def info(path: str, as_json: bool) -> None:
    """Verify a panel's checksum and print a summary."""
    from genolstm.runs.panel import info

    click.echo(info(path, as_json=as_json))
