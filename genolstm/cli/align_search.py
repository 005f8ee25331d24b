"""``genolstm align search``: searches many references, or long ones, for relatives of queries."""

from __future__ import annotations

from typing import Any

import click
from click.core import ParameterSource

from genolstm.alignment.settings import SEARCH_MODE, AlignmentSettings, SearchSettings
from genolstm.cli import align_options, options


@click.command(cls=options.Command)
@click.argument("query")
@click.argument("reference")
@align_options.output
@align_options.form
@options.settings(SearchSettings)
@options.settings(AlignmentSettings(mode=SEARCH_MODE), "mode", "strand", "qmask", into="alignment", changes=True)
@align_options.model
@align_options.classical
@options.threads
@options.force
@options.quiet
def search(quiet: bool, alignment: dict[str, Any], **given: Any) -> None:
    """Find what in REFERENCE the sequences of QUERY are related to.

    Both are FASTA or FASTQ.

    Shared k-mers propose candidates, the best of which are scored and aligned exactly. Long
    references are searched in overlapping windows.
    """
    source = click.get_current_context().get_parameter_source("candidates")
    if given["settings"].exact and source == ParameterSource.COMMANDLINE:
        raise click.UsageError("--exact and --candidates exclude each other")

    from genolstm.runs.align_search import run

    with options.status("searching", lambda done: f"{done} queries searched", quiet=quiet) as progress:
        summary = run(**given, **alignment, command=align_options.command_line(), progress=progress)
    queries = "query" if summary.queries == 1 else "queries"
    hits = "hit" if summary.hits == 1 else "hits"
    options.say(f"{summary.found} of {summary.queries} {queries} found, {summary.hits} {hits}", quiet=quiet)
    if summary.masked:
        options.say(align_options.masked(summary.masked, "queries" if summary.masked > 1 else "query"), quiet=quiet)
    if summary.hidden:
        are = "queries without a hit are" if summary.hidden > 1 else "query without a hit is"
        text = f"warning: {summary.hidden} {are} like a reference in low complexity alone; --qmask none counts it"
        options.say(text, quiet=False)
