"""``genolstm introgression compare``: our segments beside those of other programs, a truth, and published maps."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from genolstm.errors import InputError, SettingError
from genolstm.files import Outputs, PathLike, check_paths, display_name, is_input, read_lines
from genolstm.introgression.agreement import ALL, FEW_LOCI, Row, Scope, Spans, as_spans, compare_all, write_rows
from genolstm.introgression.formats import BedMask, near_names, read_bed
from genolstm.introgression.peers import Calls, Level, Reading, joined, read_calls, read_lengths, respelled, samples_of
from genolstm.introgression.settings import CALL_FORMATS, AgreementSettings
from genolstm.runs.sources import named_files

OURS, TRUTH = "genolstm", "truth"
"""What our segments and the truth are called in the result, unless they are given another name."""


class Source(NamedTuple):
    """A file, its format and its name as far as they are told."""

    path: str
    form: str | None
    name: str | None


def source(text: PathLike) -> Source:
    """Return what ``FILE``, ``FILE=FORMAT``, ``FILE=FORMAT:NAME`` or ``FILE=:NAME`` names.

    Raises
    ------
    SettingError
        There is no such format.
    """
    word = str(text)
    path, mark, rest = word.rpartition("=")
    if not mark or is_input(word):
        return Source(word, None, None)
    form, _, name = rest.partition(":")
    if form and form not in CALL_FORMATS:
        raise SettingError(f"{word}: there is no format {form!r}", hint=f"there are: {', '.join(CALL_FORMATS)}")
    return Source(path, form or None, name or None)


def run(
    ours: PathLike,
    others: Sequence[PathLike],
    output: PathLike = "-",
    *,
    form: str | None = None,
    figure: PathLike | None = None,
    truth: PathLike | None = None,
    maps: Sequence[PathLike] = (),
    callable_mask: PathLike | None = None,
    genome: PathLike | None = None,
    samples: str | None = None,
    reading: Reading | None = None,
    settings: AgreementSettings | None = None,
    seed: int = 1,
    force: bool = False,
) -> list[str]:
    """Compare segments and write the table; return what was read and compared, in words.

    Parameters
    ----------
    ours, others, truth
        Files, each with its format and name if it does not tell them (see :func:`source`). Those of one name are
        one set.
    form
        Format of those of ``others`` for which none is told.
    figure
        Where to draw the result.
    maps
        BED files of published maps.
    callable_mask, genome
        Stretches that count, as BED; or lengths of whole sequences. Maps need one of them.
    samples
        Samples to compare: a file with one name per line, or names separated by commas; by default those that
        every file has.
    reading
        What the files do not tell.
    seed
        Seed of the bootstrap and of the permutations.

    Raises
    ------
    SettingError
        Settings do not go together.
    InputError
        A file is invalid, or there is nothing in common to compare.
    """
    settings, how = settings or AgreementSettings(), reading or Reading()
    if maps and callable_mask is None and genome is None:
        raise SettingError("maps need the stretches that random shifts stay in", hint="give --genome or --callable")
    if callable_mask is not None and genome is not None:
        raise SettingError("callable stretches and lengths exclude each other", hint="give --callable or --genome")
    own, known = source(ours), source(truth) if truth is not None else None
    theirs = [source(other) for other in others]
    files = [one.path for one in (own, *theirs, known) if one is not None]
    check_paths([*files, *maps, callable_mask, genome, *named_files([samples])], [output, figure], force=force)
    _check_told(how, {one.path for one in theirs})

    first = read_calls(own.path, own.form, name=own.name or OURS, how=how)
    how = replace(how, known=frozenset(first.samples))
    taken = {first.name} | ({known.name or TRUTH} if known is not None else set())
    sets = [first, *_peers(theirs, form, how, taken)]
    regions = _regions(callable_mask, genome)
    chroms: Collection[str] = first.chroms if regions is None else set(regions)
    sets = [respelled(calls, chroms) for calls in sets]
    scope = Scope(_chroms(sets, regions), _samples(sets, samples), regions)
    said = [note for calls in sets for note in calls.notes] + _left_out(sets, scope)
    tracts = None
    if known is not None:
        # The truth is about these samples by definition: a name that none of them has would go unseen.
        tracts = respelled(read_calls(known.path, known.form, name=known.name or TRUTH, how=how), scope.chroms)
        _check_truth(tracts, scope, known.path)
        # That a sample has no true tract is nothing to warn of.
        said += [*tracts.notes, *_left_out([tracts], scope, complete=False)]
    published = _maps(maps, scope, said)
    rows = compare_all(sets, scope, settings, truth=tracts, maps=published, seed=seed)
    with Outputs(force=force) as outputs:
        if figure is not None:
            from genolstm.report.agreement import plot_agreement
            from genolstm.report.style import saved_figure

            with saved_figure(figure, into=outputs):
                plot_agreement(rows)
        write_rows(outputs.text(output), rows)
    return said + _summary(rows, scope)


def _check_told(how: Reading, paths: Collection[str]) -> None:
    for path in how.samples:
        if path not in paths:
            raise SettingError(f"a sample is given for {path}, which is not among the files")
    for form in (*how.least_score, *how.least_length):
        if form not in CALL_FORMATS:
            raise SettingError(f"there is no format {form!r}", hint=f"there are: {', '.join(CALL_FORMATS)}")


def _peers(sources: Sequence[Source], form: str | None, how: Reading, taken: Collection[str]) -> list[Calls]:
    parts: dict[str, list[Calls]] = {}
    told: dict[str, bool] = {}
    for one in sources:
        calls = read_calls(one.path, one.form or form, name=one.name, how=how)
        if calls.name in taken:
            raise InputError(
                f"is called {calls.name}, as another set is", path=one.path, hint="name it: FILE=FORMAT:NAME"
            )
        parts.setdefault(calls.name, []).append(calls)
        told[calls.name] = told.get(calls.name, True) and one.name is not None
        # Files of one program belong together; two of the same name in two folders need not.
        if calls.form in ("bed", "genolstm") and len(parts[calls.name]) > 1 and not told[calls.name]:
            raise InputError(f"two files are called {calls.name}", path=one.path, hint="name them: FILE=FORMAT:NAME")
    return [joined(members, told=told[name]) for name, members in parts.items()]


def _regions(callable_mask: PathLike | None, genome: PathLike | None) -> dict[str, Spans] | None:
    if callable_mask is not None:
        return {chrom: as_spans(spans) for chrom, spans in read_bed(callable_mask).items()}
    if genome is not None:
        return {chrom: as_spans([(0, length)]) for chrom, length in read_lengths(genome).items()}
    return None


def _chroms(sets: Sequence[Calls], regions: Mapping[str, Spans] | None) -> frozenset[str]:
    """Return the sequences to compare: those of the regions, or else those that every set has."""
    if regions is not None:
        if not any(calls.chroms & set(regions) for calls in sets):
            raise InputError("none of the sequences of the segments is among those that count")
        return frozenset(regions)
    # A file without any line of data says nothing of where it was looked.
    looked = [frozenset(calls.chroms) for calls in sets if calls.chroms]
    found = frozenset.intersection(*looked) if looked else frozenset()
    if not found:
        names = "; ".join(f"{calls.name} has {_some(calls.chroms)}" for calls in sets)
        raise InputError(f"there is no sequence in common: {names}")
    return found


def _samples(sets: Sequence[Calls], told: str | None) -> frozenset[str]:
    """Return the samples to compare: those told, or else those of every set that has samples."""
    if told is not None:
        listed = [line.strip() for _, line in read_lines(told)] if is_input(told) else told.split(",")
        wanted = frozenset(name for name in listed if name)
        unknown = wanted - {sample for calls in sets for sample in calls.samples}
        if not wanted or unknown:
            raise InputError(
                f"no file has the sample {min(unknown)}" if unknown else "names no sample",
                path=display_name(told) if is_input(told) else None,
            )
        return wanted
    found = frozenset(samples_of(sets))
    if not found and any(calls.level > Level.POPULATION and calls.intervals for calls in sets):
        names = "; ".join(f"{calls.name} has {_some(calls.samples)}" for calls in sets if calls.samples)
        raise InputError(
            f"there is no sample in common: {names}", hint="name those to compare with --samples, or rename them"
        )
    return found


def _some(names: Collection[str]) -> str:
    return ", ".join(sorted(names)[:3]) + (", ..." if len(names) > 3 else "") if names else "none"


def _count(names: Collection[str], noun: str) -> str:
    return f"{len(names):,} {noun}{'' if len(names) == 1 else 's'}"


def _left_out(sets: Sequence[Calls], scope: Scope, *, complete: bool = True) -> list[str]:
    """Return what is left out, and if sets should be ``complete``, of which samples they have nothing."""
    said = []
    for calls in sets:
        chroms = calls.chroms - scope.chroms
        if chroms:
            said.append(f"warning: {calls.name}: {_count(chroms, 'sequence')} left out ({_some(chroms)})")
        if calls.level == Level.POPULATION:
            continue
        others, absent = calls.samples - scope.samples, scope.samples - calls.samples
        if others:
            said.append(f"warning: {calls.name}: {_count(others, 'sample')} left out ({_some(others)})")
        if absent and complete:
            said.append(f"warning: {calls.name}: no segment of {_count(absent, 'sample')} ({_some(absent)})")
    return said


def _check_truth(truth: Calls, scope: Scope, path: PathLike) -> None:
    if not truth.intervals:
        raise InputError("holds no tracts", path=display_name(path))
    if not truth.chroms & scope.chroms:
        raise InputError(
            f"is about {_some(truth.chroms)}, the segments are about {_some(scope.chroms)}", path=display_name(path)
        )
    if truth.level > Level.POPULATION and scope.samples and not truth.samples & scope.samples:
        raise InputError(
            f"is about {_some(truth.samples)}, the segments are about {_some(scope.samples)}", path=display_name(path)
        )


def _maps(paths: Sequence[PathLike], scope: Scope, said: list[str]) -> dict[str, dict[str, Spans]]:
    found: dict[str, dict[str, Spans]] = {}
    for path in paths:
        mask: BedMask = read_bed(path)
        name = Path(display_name(path)).name.removesuffix(".gz").removesuffix(".bed")
        if name in found:
            raise InputError(f"two maps are called {name}", path=display_name(path), hint="rename one")
        meant = dict(near_names(mask, scope.chroms))
        if meant:
            said.append(f"{name}: takes {', '.join(f'{a} for {b}' for a, b in list(meant.items())[:3])}")
        pairs: dict[str, list[tuple[int, int]]] = {}
        for chrom, spans in mask.items():
            pairs.setdefault(meant.get(chrom, chrom), []).extend(spans)
        if not set(pairs) & scope.chroms:
            raise InputError(
                f"is about {_some(set(pairs))}, the segments are about {_some(scope.chroms)}", path=display_name(path)
            )
        found[name] = {chrom: as_spans(spans) for chrom, spans in pairs.items() if chrom in scope.chroms}
    return found


def _summary(rows: Sequence[Row], scope: Scope) -> list[str]:
    who = f"{_count(scope.samples, 'sample')} ({_some(scope.samples)})" if scope.samples else "populations"
    said = [f"compared: {who}, on {_count(scope.chroms, 'sequence')} ({_some(scope.chroms)})"]
    for row in rows:
        if row.sample != ALL:
            continue
        about = f"{row.a} and {row.b}, by {row.level}"
        if row.kind == "map":
            said.append(
                f"{row.a} in {row.b}, by {row.level}: {_share(row.precision)} of base pairs, {_share(row.expected)} "
                f"expected, {_number(row.fold)}-fold, p = {_number(row.p)}"
            )
        elif row.kind == "truth":
            said.append(
                f"{about}: precision {_share(row.precision)}, recall {_share(row.recall)}, F1 {_number(row.f1)}"
            )
        else:
            said.append(
                f"{about}: Jaccard {_number(row.jaccard)}; {_share(row.precision)} of {row.a} is in {row.b}, "
                f"{_share(row.recall)} of {row.b} in {row.a}; {row.a_same} of {row.a_segments} segments are the same"
            )
    few = {row.loci for row in rows if row.loci is not None and row.loci < FEW_LOCI}
    if few:
        said.append(f"warning: loci of 1 Mb with a segment or tract: {min(few)}; the intervals say little")
    return said


def _share(value: float | None) -> str:
    return "NA" if value is None else f"{100 * value:.1f} %"


def _number(value: float | None) -> str:
    return "NA" if value is None else f"{value:.3g}"
