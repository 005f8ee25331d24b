"""``genolstm introgression evaluate``: compare a scan's files with known tracts."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from genolstm.errors import InputError, shown
from genolstm.files import PathLike, atomic_text, check_paths, display_name
from genolstm.introgression.evaluate import LOCUS, Evaluation, TruthError, evaluate
from genolstm.introgression.formats import Numbered, near_names, read_numbered_intervals, read_posteriors, sources_of
from genolstm.introgression.naming import LEAST_NAMED, NO_TRACT, NOT_CALLED, Naming, Sources
from genolstm.introgression.resampling import doubts
from genolstm.introgression.settings import UNKNOWN_SOURCE

if TYPE_CHECKING:
    import pandas as pd


def run(
    segments: PathLike,
    truth: PathLike,
    *,
    posteriors: PathLike | None = None,
    output: PathLike = "-",
    as_json: bool = False,
    no_introgression: bool = False,
    seed: int = 1,
    force: bool = False,
) -> Evaluation:
    """Evaluate a scan's files against known tracts and write the result.

    Parameters
    ----------
    no_introgression
        Whether it is known that nobody carries a tract: the truth then must hold none, and otherwise some.

    Raises
    ------
    InputError
        A file is invalid, or the truth has no tracts without ``no_introgression``, or some with it.
    """
    check_paths([segments, truth, posteriors], [output], force=force)
    numbered = read_numbered_intervals(truth)
    if not numbered and not no_introgression:
        raise InputError("holds no tracts", path=truth, hint="if there is none to find, say --no-introgression")
    if numbered and no_introgression:
        line = numbered[0].line
        raise InputError("holds a tract, in spite of --no-introgression", path=display_name(truth), line=line)
    tracts = [entry.interval for entry in numbered]
    table = read_posteriors(posteriors, by_source=True) if posteriors is not None else None
    calls = read_numbered_intervals(segments)
    # With no tract there is nothing to compare names with, but the segments and the posteriors.
    known = {tract.chrom for tract in tracts}
    _check_names({call.interval.chrom: call.line for call in reversed(calls)}, known, segments, truth)
    if table is not None:
        # Either one may name sequences that the other lacks, but not in another spelling.
        lines = {str(chrom): None for chrom in table["chrom"].unique()}
        _check_names(lines, known, posteriors or "", truth)
        _check_names(lines, {call.interval.chrom for call in calls}, posteriors or "", segments)
    try:
        sources, doubt = _sources(calls, numbered, table)
        result = evaluate([call[:2] for call in calls], tracts, posteriors=table, seed=seed, sources=sources)
        result.notes += doubt
    except TruthError as error:
        error.path = display_name(truth)
        # Overlapping tracts were joined: the error's end is that of one of them.
        i = error.interval
        ends = (
            line for t, _, line, *_ in numbered if (t.chrom, t.end, t.sample, t.haplotype) == (i.chrom, i.end, *i[3:])
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


def _sources(
    calls: Sequence[Numbered], truth: Sequence[Numbered], table: pd.DataFrame | None
) -> tuple[Sources | None, list[str]]:
    """Return the sources of calls and tracts if both files name them, or why they are not compared."""
    if not truth or truth[0].sources is None:
        return None, []
    given = set() if table is None else set(sources_of(list(map(str, table))))
    named = bool(given)
    for call in calls:
        named = named or call.sources is not None
        given |= {*(call.sources or ()), *(call.source.split("|") if call.sources is not None else ())}
    given -= {UNKNOWN_SOURCE}
    true = {entry.source for entry in truth}
    if not named:
        return None, ["the truth names sources, the segments do not"]
    if not given & true and given:
        return None, [
            f"no source of the truth ({shown(', '.join(sorted(true)))}) is one of the segments "
            f"({shown(', '.join(sorted(given)))}): sources are not compared"
        ]
    return Sources([call.source for call in calls], [entry.source for entry in truth], frozenset(given)), []


def _table(result: Evaluation) -> str:
    """Return the measures as lines: name, value, interval, and what speaks against trusting it."""
    lines = ["#measure\tvalue\t95 % interval\tnote", *_measures(result)]
    for row in result.per_haplotype:
        name = shown(" ".join([row["chrom"], row["sample"], row["haplotype"]]))
        scores = [row["precision"], row["recall"], row["f1"]]
        lines.append(f"{name}: precision, recall, F1\t" + "\t".join(f"{score:.4f}" for score in scores))
        if row.get("ap") is not None:
            lines.append(f"{name}: AP\t{row['ap']:.4f}")
    for source, one in result.by_source.items():
        lines += [f"{shown(source)}: {line}" for line in _measures(one)]
    if result.naming is not None:
        lines += _names(result.naming, result)
    return "\n".join(lines) + "\n"


def _measures(result: Evaluation) -> list[str]:
    lines: list[str] = []

    def add(
        name: str, value: float | None, digits: int = 4, bounds: Sequence[float] | None = None, why: str | None = None
    ) -> None:
        if value is None:
            return
        fields = [name, f"{value:.{digits}f}"]
        if bounds is not None:
            fields += ["-".join(f"{bound:.{digits}f}" for bound in bounds), result.doubt if why is None else why]
        lines.append("\t".join(fields).rstrip("\t"))

    r = result
    if r.true_bp:
        add(f"AP ({r.ranked_by})", r.ap, bounds=r.ap_interval)
        add("best F1", r.best_f1, bounds=r.best_f1_interval)
        add("threshold of best F1", r.best_threshold)
        add("recall at 95 % precision", r.recall_at_95_precision)
        add("recall at 90 % precision", r.recall_at_90_precision)
        add("precision of the segments", r.precision, bounds=r.precision_interval)
        add("recall of the segments", r.recall, bounds=r.recall_interval)
        add("F1 of the segments", r.f1, bounds=r.f1_interval)
        add("called over true", r.called_over_true, bounds=r.called_over_true_interval)
    add("called bp", r.called_bp, 0)
    add("falsely called bp", r.false_bp, 0)
    add("median boundary error (bp)", r.boundary_error, 0, r.boundary_error_interval)
    add("expected calibration error", r.calibration_error, bounds=r.calibration_error_interval)
    add("archaic fraction, true", r.true_fraction, bounds=r.true_fraction_interval)
    add("archaic fraction, called", r.called_fraction, bounds=r.called_fraction_interval)
    add("archaic fraction, mean posterior", r.mean_posterior, bounds=r.mean_posterior_interval)
    if r.without_tracts["haplotypes"]:
        where = f"{r.without_tracts['haplotypes']:.0f} haplotypes without tracts"
        add(f"called bp on {where}", r.without_tracts["called_bp"], 0)
        add(f"called fraction on {where}", r.without_tracts["called_fraction"], 6)
    for name, entry in r.recall_by_length.items():
        tracts = int(entry["tracts"])
        add(
            f"recall of tracts {name} ({tracts})",
            entry["recall"],
            bounds=r.recall_by_length_interval[name],
            why=doubts(r.loci, tracts, LOCUS),
        )
        add(f"recall of tracts {name} ({tracts}) at 90 % precision", r.recall_by_length_at_90_precision[name])
    return lines


def _names(naming: Naming, result: Evaluation) -> list[str]:
    least = f"{LEAST_NAMED // 1000} kb and more"
    long = f"of called bp in {naming.tracts} tracts of {least}"
    lines = []
    for name, value in (("right", naming.right), ("ambiguous", naming.ambiguous), ("wrong", naming.wrong)):
        if value is not None:
            lines.append(f"{name} name, {long}\t{value:.4f}")
    if naming.right is not None:
        bounds = "-".join(f"{bound:.4f}" for bound in naming.right_interval)
        lines[0] = f"{lines[0]}\t{bounds}\t{doubts(result.loci, naming.tracts, LOCUS)}".rstrip("\t")
    for source, row in naming.confusion.items():
        where = "outside all tracts" if source == NO_TRACT else f"in {shown(source)} tracts of {least}"
        lines += [f"bp {where}, {_called(name)}\t{bp}" for name, bp in row.items()]
    return lines


def _called(name: str) -> str:
    return name if name == NOT_CALLED else f"called {shown(name)}"
