"""Figures of alignments straight from files of sequences."""

from __future__ import annotations

from typing import Any

from Bio.SeqRecord import SeqRecord

from genolstm.alignment.result import PosteriorAlignment
from genolstm.alignment.scorer import AlignmentScorer
from genolstm.errors import InputError, SettingError
from genolstm.files import PathLike, check_outputs, display_name
from genolstm.report.alignment import save_dotplot, save_reliability
from genolstm.report.alignment_letters import Region, save_alignment
from genolstm.report.style import check_figure
from genolstm.runs.align import check_apart, check_one_stdin, records
from genolstm.runs.align_evaluate import Evaluation, evaluate_files, write_reliability


def save_pair(
    query: PathLike,
    reference: PathLike,
    output: PathLike,
    *,
    scorer: AlignmentScorer,
    kind: str = "dotplot",
    query_name: str | None = None,
    reference_name: str | None = None,
    region: Region | None = None,
    width: int = 80,
    force: bool = False,
    **settings: Any,
) -> PosteriorAlignment:
    """Align one sequence of a file with one of another, and draw it.

    Parameters
    ----------
    query, reference
        FASTA or FASTQ.
    output
        Figure to write; ``.svg``, ``.png`` or ``.pdf``.
    kind
        ``dotplot`` (:func:`~genolstm.report.alignment.plot_dotplot`) or ``alignment``
        (:func:`~genolstm.report.alignment_letters.plot_alignment`).
    query_name, reference_name
        Sequences to take; by default the first of each file.
    **settings
        Fields of :class:`~genolstm.alignment.settings.AlignmentSettings`.

    Raises
    ------
    GenolstmError
        An input is wrong, or the output is in the way; nothing is written.
    """
    if kind not in ("dotplot", "alignment"):
        raise SettingError(f"kind is {kind!r}, it has to be dotplot or alignment")
    check_figure(output, force=force)
    _check_inputs([query, reference], [output])
    a, b = _record(query, query_name), _record(reference, reference_name)
    alignment = scorer.align(a, b, **settings)
    if kind == "dotplot":
        save_dotplot(alignment, output, region=region, force=force)
    else:
        save_alignment(alignment, output, region=region, width=width, force=force)
    return alignment


def save_evaluation(
    query: PathLike,
    reference: PathLike,
    truth: PathLike,
    output: PathLike,
    *,
    scorer: AlignmentScorer,
    table: PathLike | None = None,
    bins: int = 20,
    threads: int = 0,
    force: bool = False,
    **settings: Any,
) -> Evaluation:
    """Align the pairs of a truth, draw the reliability of their posteriors, return all scores.

    Parameters
    ----------
    query, reference, truth, bins, **settings
        As of :func:`genolstm.runs.align_evaluate.evaluate_files`.
    output
        Figure to write; ``.svg``, ``.png`` or ``.pdf``.
    table
        The figure's numbers, one line per bin.

    Raises
    ------
    GenolstmError
        An input is wrong, or an output is in the way; nothing is written.
    """
    check_figure(output, force=force)
    check_outputs([output, table], force=force)
    _check_inputs([query, reference, truth], [output, table])
    found = evaluate_files(query, reference, truth, scorer=scorer, bins=bins, threads=threads, **settings)
    save_reliability(found.reliability, output, accuracy=found.accuracy, force=force)
    if table is not None:
        write_reliability(found.reliability, table, force=force)
    return found


def _check_inputs(inputs: list[PathLike], outputs: list[PathLike | None]) -> None:
    check_one_stdin(inputs)
    check_apart(inputs, outputs)


def _record(path: PathLike, name: str | None) -> SeqRecord:
    for record in records(path):
        if name is None or record.id == name:
            return record
    if name is None:
        raise InputError("holds no sequences", path=display_name(path))
    raise InputError("there is no sequence of this name", path=display_name(path), record=name)
