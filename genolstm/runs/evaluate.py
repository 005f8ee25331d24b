"""``genolstm introgression evaluate``: compare a scan's files with known tracts."""

from __future__ import annotations

import json

from genolstm.errors import InputError
from genolstm.files import PathLike, atomic_text, check_outputs, display_name
from genolstm.introgression.evaluate import Evaluation, TruthError, evaluate
from genolstm.introgression.formats import line_of, read_intervals, read_posteriors


def run(
    segments: PathLike,
    truth: PathLike,
    *,
    posteriors: PathLike | None = None,
    output: PathLike = "-",
    as_json: bool = False,
    seed: int = 1,
    force: bool = False,
) -> Evaluation:
    """Evaluate a scan's files against known tracts and write the result.

    Raises
    ------
    InputError
        A file is invalid, or the truth has no tracts.
    """
    check_outputs([output], force=force)
    tracts = [interval for interval, _ in read_intervals(truth)]
    if not tracts:
        raise InputError("holds no tracts", path=truth)
    table = read_posteriors(posteriors) if posteriors is not None else None
    calls = read_intervals(segments)
    try:
        result = evaluate(calls, tracts, posteriors=table, seed=seed)
    except TruthError as error:
        error.path = display_name(truth)
        error.line = line_of(truth, error.interval)
        raise
    with atomic_text(output, force=force) as stream:
        if as_json:
            stream.write(json.dumps(result.to_dict(), indent=2) + "\n")
        else:
            stream.write(_table(result))
    return result


def _table(result: Evaluation) -> str:
    def interval(bounds: list[float]) -> str:
        return f"\t{bounds[0]:.4f}-{bounds[1]:.4f}" if bounds else ""

    lines = [
        "#measure\tvalue\t95 % interval",
        f"AP ({result.ranked_by})\t{result.ap:.4f}{interval(result.ap_interval)}",
        f"best F1\t{result.best_f1:.4f}{interval(result.best_f1_interval)}",
        f"threshold of best F1\t{result.best_threshold:.4f}",
        f"recall at 95 % precision\t{result.recall_at_95_precision:.4f}",
        f"precision of the segments\t{result.precision:.4f}",
        f"recall of the segments\t{result.recall:.4f}",
        f"F1 of the segments\t{result.f1:.4f}",
    ]
    for name, value, digits in (
        ("median boundary error (bp)", result.boundary_error, 0),
        ("expected calibration error", result.calibration_error, 4),
        ("archaic fraction, true", result.true_fraction, 4),
        ("archaic fraction, called", result.called_fraction, 4),
        ("archaic fraction, mean posterior", result.mean_posterior, 4),
    ):
        if value is not None:
            lines.append(f"{name}\t{value:.{digits}f}")
    for name, entry in result.recall_by_length.items():
        lines.append(f"recall of tracts {name} ({entry['tracts']:.0f})\t{entry['recall']:.4f}")
    for row in result.per_haplotype:
        lines.append(
            f"{row['chrom']} {row['sample']} {row['haplotype']}: precision, recall, F1\t"
            f"{row['precision']:.4f}\t{row['recall']:.4f}\t{row['f1']:.4f}"
        )
    return "\n".join(lines) + "\n"
