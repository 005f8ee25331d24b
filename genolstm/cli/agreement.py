"""``genolstm introgression compare``: our segments beside those of other programs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import click

from genolstm.cli import options
from genolstm.introgression.settings import CALL_FORMATS, AgreementSettings
from genolstm.numbers import parse_integer, parse_number

T = TypeVar("T")


@click.command(cls=options.Command)
@click.argument("ours", metavar="OURS")
@click.argument("others", metavar="OTHER[=FORMAT[:NAME]]...", nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, allow_dash=True),
    default="-",
    show_default="standard output",
    help="Table to write (TSV).",
)
@click.option("--figure", type=click.Path(path_type=Path), help="Figure to write (.svg, .png or .pdf).")
@click.option(
    "--format", "form", type=click.Choice(CALL_FORMATS), help="Format of every OTHER for which none is given."
)
@click.option("--truth", metavar="FILE[=FORMAT]", help="Known tracts, for precision, recall and F1.")
@click.option("--maps", type=click.Path(path_type=Path), multiple=True, help="BED of a published map; repeatable.")
@click.option("--callable", "callable_mask", type=click.Path(path_type=Path), help="BED of the stretches that count.")
@click.option(
    "--genome", type=click.Path(path_type=Path), help="Lengths of the sequences that count (name, length; or .fai)."
)
@click.option("--samples", metavar="FILE|NAMES", help="Samples to compare (default: those that every file has).")
@click.option("--sample", metavar="FILE=SAMPLE[#HAPLOTYPE]", multiple=True, help="Whom a file is about; repeatable.")
@click.option(
    "--state", multiple=True, help="State that counts as archaic, in files of hmmix and admixfrog; repeatable."
)
@click.option(
    "--min-score", metavar="FORMAT=NUMBER", multiple=True, help="Least score of a segment in that format; repeatable."
)
@click.option(
    "--min-length", metavar="FORMAT=BP", multiple=True, help="Least length of a segment in that format; repeatable."
)
@click.option("--inclusive-end", is_flag=True, help="IBDmix was run with --inclusive-end.")
@options.settings(AgreementSettings)
@options.seed
@options.force
@options.quiet
def compare(
    ours: str,
    others: Sequence[str],
    output: Path,
    figure: Path | None,
    form: str | None,
    truth: str | None,
    maps: Sequence[Path],
    callable_mask: Path | None,
    genome: Path | None,
    samples: str | None,
    sample: Sequence[str],
    state: Sequence[str],
    min_score: Sequence[str],
    min_length: Sequence[str],
    inclusive_end: bool,
    settings: AgreementSettings,
    seed: int,
    force: bool,
    quiet: bool,
) -> None:
    """Compare OURS, segments of a scan, with those of other programs.

    FORMAT is one of genolstm, hmmix, ibdmix, sprime, sstar, admixfrog and bed; without it, the first line tells.
    Files of one NAME are one set; by default it is the name of the program.
    """
    from genolstm.introgression.peers import Reading
    from genolstm.runs.agreement import run

    reading = Reading(
        states=tuple(state),
        least_score=_by_name("--min-score", min_score, parse_number),
        least_length=_by_name("--min-length", min_length, parse_integer),
        inclusive_end=inclusive_end,
        samples=_by_name("--sample", sample, lambda text: text or None),
    )
    said = run(
        ours,
        list(others),
        output,
        form=form,
        figure=figure,
        truth=truth,
        maps=maps,
        callable_mask=callable_mask,
        genome=genome,
        samples=samples,
        reading=reading,
        settings=settings,
        seed=seed,
        force=force,
    )
    options.tell(said, quiet=quiet)


def _by_name(option: str, words: Sequence[str], parse: Callable[[str], T | None]) -> dict[str, T]:
    """Return what ``NAME=VALUE`` gives each name."""
    found: dict[str, T] = {}
    for word in words:
        name, mark, text = word.rpartition("=")
        value = parse(text) if mark and name else None
        if value is None:
            form = "FILE=SAMPLE[#HAPLOTYPE]" if option == "--sample" else "FORMAT=NUMBER"
            raise click.UsageError(f"{option} {word} is not of the form {form}")
        if name in found:
            raise click.UsageError(f"{option} is given twice for {name}")
        found[name] = value
    return found
