"""How good an aligner is on a user's pairs whose true alignments are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from genolstm.alignment.evaluate import PairAccuracy, Reliability, compare_pairs, reliability, right_pairs
from genolstm.alignment.formats.pairs import read_pairs
from genolstm.alignment.scorer import AlignmentScorer
from genolstm.alignment.simulate.evolution import left_align
from genolstm.errors import InputError
from genolstm.files import PathLike, atomic_text, display_name
from genolstm.runs.align import true_alignments


@dataclass(frozen=True)
class Evaluation:
    """Alignments against the truth.

    Attributes
    ----------
    pairs
        Pairs of sequences.
    accuracy
        Of all aligned residues together.
    reliability
        Of the posteriors of all aligned residues.
    """

    pairs: int
    accuracy: PairAccuracy
    reliability: Reliability


def evaluate_files(
    query: PathLike,
    reference: PathLike,
    truth: PathLike,
    *,
    scorer: AlignmentScorer,
    bins: int = 20,
    threads: int = 0,
    **settings: Any,
) -> Evaluation:
    """Align the pairs that a truth names, and compare.

    Gaps of both are moved to the left first: to place one elsewhere within a repeat is no error.
    Pairs aligned on the other strand than the truth's are wrong altogether.

    Parameters
    ----------
    query, reference
        FASTA or FASTQ.
    truth
        PAF with the tag cg:Z, one line per pair.
    bins
        Of the posterior.
    **settings
        Fields of :class:`~genolstm.alignment.settings.AlignmentSettings`.

    Raises
    ------
    InputError
        An input is wrong, or the truth does not spell the sequences.
    """
    lines = list(read_pairs(truth))
    known: set[tuple[str, str]] = set()
    for line in lines:
        name = (line.query, line.reference)
        if name in known:
            raise InputError(
                "the pair comes twice, one true alignment of each is needed",
                path=display_name(truth),
                line=line.line,
                record=" with ".join(name),
            )
        known.add(name)
    true = list(true_alignments(query, reference, lines, truth))
    hit = predicted = 0
    posteriors, right = [], []
    plan = (sequences for _, sequences, *_ in true)
    found = scorer.align_many(plan, threads=threads, **settings)
    for (line, _, (first, second), pairs), alignment in zip(true, found, strict=True):
        predicted += len(alignment.pairs)
        posteriors.append(alignment.posterior.of_pairs(alignment.pairs))
        if alignment.strand != line.strand:
            right.append(np.zeros(len(alignment.pairs), dtype=bool))
            continue
        moved = left_align(first, second, alignment.pairs.astype(np.int32))
        right.append(right_pairs(moved, left_align(first, second, pairs)))
        hit += compare_pairs(alignment.pairs, pairs, sequences=(first, second)).hit
    accuracy = PairAccuracy(hit, predicted, sum(len(pairs) for *_, pairs in true))
    curve = reliability(np.concatenate(posteriors), np.concatenate(right), bins=bins)
    return Evaluation(len(lines), accuracy, curve)


def write_reliability(curve: Reliability, output: PathLike, *, force: bool = False) -> None:
    """Write a table with one line per bin: its limits, columns, mean posterior, part right."""
    edges = np.linspace(0, 1, len(curve.count) + 1)
    with atomic_text(output, force=force) as stream:
        stream.write("low\thigh\tcolumns\tposterior\tright\n")
        for k, count in enumerate(curve.count.tolist()):
            means = ("", "") if not count else (f"{curve.confidence[k]:.6f}", f"{curve.accuracy[k]:.6f}")
            stream.write("\t".join([f"{edges[k]:g}", f"{edges[k + 1]:g}", str(count), *means]))
            stream.write("\n")
