"""``genolstm align search``: many sequences against many, or against long references."""

from __future__ import annotations

import sys

import click
from click.core import ParameterSource

from genolstm.cli import options


@click.command()
@click.argument("query")
@click.argument("reference")
@click.option(
    "-o", "--output", default="-", show_default="standard output", metavar="OUT[.gz]", help="Where to write the hits."
)
@options.alignment_format
@click.option(
    "--evalue",
    type=click.FloatRange(min=0, min_open=True),
    default=10.0,
    show_default=True,
    help="Largest E-value: as many hits per query are expected by chance.",
)
@click.option("--max-hits", type=click.IntRange(min=1), default=5, show_default=True, help="Most hits per query.")
@click.option(
    "--candidates",
    type=click.IntRange(min=1),
    default=600,
    show_default=True,
    help="References (or windows of long ones) per query that are looked at more closely.",
)
@click.option("--exact", is_flag=True, help="Score every pair; slow.")
@click.option("--skip-self", is_flag=True, help="Leave out hits between sequences of one name.")
@click.option(
    "--mode",
    type=click.Choice(["global", "semiglobal", "local"]),
    default="semiglobal",
    show_default=True,
    help="From end to end; all of the query within the reference; a stretch of both.",
)
@options.strand
@options.aligner
@options.classical
@options.threads
@options.force
@options.quiet
def search(
    query: str,
    reference: str,
    output: str,
    form: str,
    evalue: float,
    max_hits: int,
    candidates: int,
    exact: bool,
    skip_self: bool,
    mode: str,
    strand: str,
    preset: str,
    classical: bool,
    threads: int,
    force: bool,
    quiet: bool,
) -> None:
    """Find the sequences of REFERENCE that those of QUERY are related to (FASTA or FASTQ).

    Shared k-mers name candidates; those are scored and aligned exactly. Long references are
    searched in overlapping windows.
    """
    source = click.get_current_context().get_parameter_source("candidates")
    if exact and source == ParameterSource.COMMANDLINE:
        raise click.UsageError("--exact and --candidates exclude each other")

    from genolstm.alignment.scorer import AlignmentScorer
    from genolstm.alignment.search.searcher import SearchSettings, search_files

    scorer = AlignmentScorer.load(preset, classical=classical)
    settings = SearchSettings(evalue=evalue, max_hits=max_hits, candidates=candidates, exact=exact, skip_self=skip_self)
    with options.status("searching", lambda done: f"{done} queries searched", quiet=quiet) as progress:
        summary = search_files(
            query,
            reference,
            output,
            scorer=scorer,
            settings=settings,
            form=form,
            threads=threads,
            force=force,
            command=" ".join(["genolstm", *sys.argv[1:]]),
            progress=progress,
            mode=mode,
            strand=strand,
        )
    if not quiet:
        plural = "y" if summary.queries == 1 else "ies"
        hits = "hit" if summary.hits == 1 else "hits"
        click.echo(f"{summary.found} of {summary.queries} quer{plural} found, {summary.hits} {hits}", err=True)
