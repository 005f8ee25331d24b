"""``align plot``: draws the alignment of one pair of sequences."""

from __future__ import annotations

from typing import Any

from Bio.SeqRecord import SeqRecord

from genolstm.alignment.result import PosteriorAlignment
from genolstm.alignment.scorer import AlignmentScorer
from genolstm.alignment.settings import PlotSettings
from genolstm.errors import InputError
from genolstm.files import PathLike, display_name
from genolstm.report.alignment import plot_dotplot
from genolstm.report.alignment_letters import Region, plot_alignment
from genolstm.report.style import check_figure, saved_figure
from genolstm.runs.inputs import check_paths, records


def run(
    query: PathLike,
    reference: PathLike,
    output: PathLike,
    *,
    model: PathLike = "dna",
    classical: bool = False,
    settings: PlotSettings | None = None,
    query_name: str | None = None,
    reference_name: str | None = None,
    region: Region | None = None,
    force: bool = False,
    **alignment: Any,
) -> PosteriorAlignment:
    """Align one sequence of a file with one of another and draw the alignment.

    Parameters
    ----------
    query, reference
        FASTA or FASTQ, compressed or not; one of them may be ``-`` for standard input.
    output
        Figure to write; ``.svg``, ``.png`` or ``.pdf``.
    model, classical
        The aligner, as :meth:`~genolstm.alignment.scorer.AlignmentScorer.load` takes them.
    settings
        What to draw: :func:`~genolstm.report.alignment.plot_dotplot` or
        :func:`~genolstm.report.alignment_letters.plot_alignment`.
    query_name, reference_name
        Names of the sequences to align; by default the first in each file.
    region
        Start and end on the reference, 0-based half-open; by default everything that is aligned.
    **alignment
        Fields of :class:`~genolstm.alignment.settings.AlignmentSettings` that differ from the
        model's.

    Raises
    ------
    GenolstmError
        An input is wrong, or the output is in the way; nothing is written.
    """
    settings = settings or PlotSettings()
    check_paths([query, reference], [output], model=model, force=force)
    check_figure(output, force=force)
    scorer = AlignmentScorer.load(model, classical=classical)
    found = scorer.align(_record(query, query_name), _record(reference, reference_name), **alignment)
    with saved_figure(output, force=force):
        if settings.kind == "dotplot":
            plot_dotplot(found, region=region)
        else:
            plot_alignment(found, region=region, width=settings.width)
    return found


def _record(path: PathLike, name: str | None) -> SeqRecord:
    for record in records(path):
        if name is None or record.id == name:
            return record
    if name is None:
        raise InputError("holds no sequences", path=display_name(path))
    raise InputError("there is no sequence of this name", path=display_name(path), record=name)
