"""``align reliability``: measures an aligner on pairs whose true alignments are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO, Any

import numpy as np

from genolstm.alignment.evaluate import PairAccuracy, Reliability, compare_pairs, reliability, right_pairs
from genolstm.alignment.formats.pairs import PairRecord, read_pairs
from genolstm.alignment.scorer import AlignmentScorer
from genolstm.alignment.settings import PlotSettings
from genolstm.alignment.simulate.evolution import left_align
from genolstm.errors import InputError
from genolstm.files import Outputs, PathLike, display_name
from genolstm.report.alignment import plot_reliability
from genolstm.report.style import check_figure, saved_figure
from genolstm.runs.inputs import check_paths, true_alignments


@dataclass(frozen=True)
class Evaluation:
    """Comparison of alignments with the truth.

    Attributes
    ----------
    pairs
        Number of pairs of sequences.
    accuracy
        Accuracy of all aligned residues together.
    reliability
        Reliability of the posteriors of all aligned residues.
    """

    pairs: int
    accuracy: PairAccuracy
    reliability: Reliability


def run(
    query: PathLike,
    reference: PathLike,
    truth: PathLike,
    output: PathLike,
    *,
    model: PathLike = "dna",
    classical: bool = False,
    settings: PlotSettings | None = None,
    table: PathLike | None = None,
    threads: int = 0,
    force: bool = False,
    **alignment: Any,
) -> Evaluation:
    """Align the pairs of a truth, draw the reliability of their posteriors, and return all scores.

    Gaps of both alignments are moved to the left first: a different place within a repeat is not an
    error. If a pair is aligned on the wrong strand, all of its columns are wrong.

    Parameters
    ----------
    query, reference
        FASTA or FASTQ, compressed or not; one of them may be ``-`` for standard input.
    truth
        PAF with the tag cg:Z, one line per pair.
    output
        Figure to write; ``.svg``, ``.png`` or ``.pdf``.
    model, classical
        The aligner, as :meth:`~genolstm.alignment.scorer.AlignmentScorer.load` takes them.
    settings
        Number of bins of the posterior.
    table
        Second output: the numbers in the figure, one line per bin.
    threads
        Threads to use; 0 means all cores.
    **alignment
        Fields of :class:`~genolstm.alignment.settings.AlignmentSettings` that differ from the
        model's.

    Raises
    ------
    GenolstmError
        An input is wrong, the truth does not match the sequences, or an output is in the way;
        nothing is written.
    """
    check_paths([query, reference, truth], [output, table], model=model, force=force)
    check_figure(output, force=force)
    scorer = AlignmentScorer.load(model, classical=classical)
    lines = _lines(truth)
    true = list(true_alignments(query, reference, lines, truth))
    hit = predicted = 0
    posteriors, right = [], []
    results = scorer.align_many((sequences for _, sequences, *_ in true), threads=threads, **alignment)
    for (line, _, (first, second), pairs), aligned in zip(true, results, strict=True):
        predicted += len(aligned.pairs)
        posteriors.append(aligned.posterior.of_pairs(aligned.pairs))
        if aligned.strand != line.strand:
            right.append(np.zeros(len(aligned.pairs), dtype=bool))
            continue
        moved = left_align(first, second, aligned.pairs.astype(np.int32))
        right.append(right_pairs(moved, left_align(first, second, pairs)))
        hit += compare_pairs(aligned.pairs, pairs, sequences=(first, second)).hit
    accuracy = PairAccuracy(hit, predicted, sum(len(pairs) for *_, pairs in true))
    bins = (settings or PlotSettings()).bins
    curve = reliability(np.concatenate(posteriors), np.concatenate(right), bins=bins)
    with Outputs(force=force) as outputs:
        if table is not None:
            _write_table(curve, outputs.text(table))
        with saved_figure(output, into=outputs):
            plot_reliability(curve, accuracy=accuracy)
    return Evaluation(len(lines), accuracy, curve)


def _lines(truth: PathLike) -> list[PairRecord]:
    """Read a truth in which every pair may occur only once."""
    lines = list(read_pairs(truth))
    known: set[tuple[str, str]] = set()
    for line in lines:
        name = (line.query, line.reference)
        if name in known:
            raise InputError(
                "the pair occurs twice, give one true alignment per pair",
                path=display_name(truth),
                line=line.line,
                record=" with ".join(name),
            )
        known.add(name)
    return lines


def _write_table(curve: Reliability, stream: IO[str]) -> None:
    """Write one line per bin: its limits, columns, mean posterior, and share of right columns."""
    edges = np.linspace(0, 1, len(curve.count) + 1)
    stream.write("low\thigh\tcolumns\tposterior\tright\n")
    for k, count in enumerate(curve.count.tolist()):
        means = ("", "") if not count else (f"{curve.confidence[k]:.6f}", f"{curve.accuracy[k]:.6f}")
        stream.write("\t".join([f"{edges[k]:g}", f"{edges[k + 1]:g}", str(count), *means]))
        stream.write("\n")
