"""``genolstm introgression evaluate``: compare a scan's files with known tracts."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

from genolstm.errors import InputError, shown
from genolstm.files import PathLike, atomic_text, check_paths, display_name
from genolstm.introgression.evaluate import Evaluation, TruthError, evaluate
from genolstm.introgression.formats import near_names, read_numbered_intervals, read_posteriors


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
    check_paths([segments, truth, posteriors], [output], force=force)
    numbered = read_numbered_intervals(truth)
    if not numbered:
        raise InputError("holds no tracts", path=truth)
    tracts = [entry.interval for entry in numbered]
    table = read_posteriors(posteriors) if posteriors is not None else None
    calls = read_numbered_intervals(segments)
    known = {tract.chrom for tract in tracts}
    _check_names({call.interval.chrom: call.line for call in reversed(calls)}, known, segments, truth)
    if table is not None:
        # Either one may name sequences that the other lacks, but not in another spelling.
        lines = {str(chrom): None for chrom in table["chrom"].unique()}
        _check_names(lines, known, posteriors or "", truth)
        _check_names(lines, {call.interval.chrom for call in calls}, posteriors or "", segments)
    try:
        result = evaluate([call[:2] for call in calls], tracts, posteriors=table, seed=seed)
    except TruthError as error:
        error.path = display_name(truth)
        # Overlapping tracts were joined: the error's end is that of one of them.
        i = error.interval
        ends = (
            line for t, _, line, _ in numbered if (t.chrom, t.end, t.sample, t.haplotype) == (i.chrom, i.end, *i[3:])
        )
        error.line = next(ends, None)
        raise
    with atomic_text(output, force=force) as stream:
        if as_json:
            stream.write(json.dumps(result.to_dict(), indent=2) + "\n")
        else:
            stream.write(_table(result))
    return result


def _check_names(names: Mapping[str, int | None], known: Collection[str], path: PathLike, other: PathLike) -> None:
    """Refuse a sequence that the other file lacks, but has in another spelling: the two would not be compared."""
    for name, meant in near_names(names, known):
        raise InputError(
            f"has the sequence '{name}', and {display_name(other)} has '{meant}'",
            path=display_name(path),
            line=names[name],
            hint="chromosome names must agree",
        )


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
            f"{shown(' '.join([row['chrom'], row['sample'], row['haplotype']]))}: precision, recall, F1\t"
            f"{row['precision']:.4f}\t{row['recall']:.4f}\t{row['f1']:.4f}"
        )
    return "\n".join(lines) + "\n"
