"""Read what other programs found: hmmix, IBDmix, Sprime, sstar, admixfrog, and plain BED.

Each format counts positions in its own way; here they become 0-based half-open intervals. What a file does not
tell (a haplotype, a sample) is left empty, and :class:`Calls` says so by its level.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from genolstm.errors import InputError, SettingError
from genolstm.files import PathLike, display_name, read_lines
from genolstm.introgression.formats import (
    POSTERIOR_COLUMNS,
    header_columns,
    is_display_line,
    near_names,
    numbered_intervals,
    read_name,
    read_span,
)
from genolstm.introgression.segments import Interval
from genolstm.introgression.settings import CALL_FORMATS
from genolstm.numbers import LAST_POSITION, parse_integer, parse_number, quoted, read_integer, read_number

FORMATS = ("genolstm", "hmmix", "ibdmix", "sprime", "sstar", "admixfrog", "bed")
#: Formats that have a score: what it is called there.
SCORES = {"genolstm": "posterior", "hmmix": "mean_prob", "ibdmix": "slod", "sprime": "SCORE", "admixfrog": "score"}
#: States that a file names as archaic, if it is not told otherwise; admixfrog's are the user's own names.
_ARCHAIC = {"hmmix": frozenset({"Archaic"})}

_HMMIX = ("chrom", "start", "end", "length", "state", "mean_prob")
#: Of the call sets that its authors publish, a line for each archaic segment of all samples.
_HMMIX_PUBLISHED = ("name", "haplotype", "chrom", "start", "end", "mean_prob")
_SPRIME = ("CHROM", "POS", "SEGMENT", "ALLELE", "SCORE")
_ADMIXFROG = ("chrom", "target", "type", "pos", "pos_end", "score")
#: As hmmix names what it writes: ``X.hap1.txt``, ``X.hap2.txt`` and ``X.diploid.txt``.
_HMMIX_NAME = re.compile(r"(?P<sample>.+)\.(?:hap(?P<haplotype>[0-9]+)|diploid)\.txt")
_HAPLOTYPE = re.compile(r"hap([0-9]+)")
_ADMIXFROG_NAME = re.compile(r"(?P<sample>.+)\.rle")
_PACKED = re.compile(r"\.(?:gz|bgz|bz2|xz|zst)$")


class Level(IntEnum):
    """The finest unit that calls tell apart."""

    POPULATION = 0
    SAMPLE = 1
    HAPLOTYPE = 2

    @property
    def word(self) -> str:
        """The name in tables and messages."""
        return self.name.lower()


@dataclass
class Calls:
    """The segments of one program.

    Attributes
    ----------
    name
        What the program, or its run, is called in the result.
    form
        The format, one of ``CALL_FORMATS``.
    level
        What the segments tell apart; ``sample`` and ``haplotype`` of an interval are empty beyond that.
    intervals
        The segments, in any order; they may overlap.
    samples
        The samples that were looked at: those of files that are about one, or else those with a segment.
    chroms
        The sequences that were looked at, as far as the files tell: those of any line, also of what is not archaic.
    notes
        How the files were read.
    """

    name: str
    form: str
    level: Level
    intervals: list[Interval] = field(default_factory=list)
    samples: set[str] = field(default_factory=set)
    chroms: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Reading:
    """How to read the files of other programs.

    Attributes
    ----------
    states
        Names of states that count as archaic, for hmmix and admixfrog; none stands for hmmix's ``Archaic``.
    least_score, least_length
        By format: segments below are left out. The score is that of :data:`SCORES`.
    inclusive_end
        Whether IBDmix was run with ``--inclusive-end``.
    samples
        By file: its sample, and ``#`` and its haplotype if it has one, where the file's name does not say it.
    known
        Samples of the segments that the others are compared with, to recognise names by.
    """

    states: Collection[str] = ()
    least_score: Mapping[str, float] = field(default_factory=dict)
    least_length: Mapping[str, int] = field(default_factory=dict)
    inclusive_end: bool = False
    samples: Mapping[str, str] = field(default_factory=dict)
    known: Collection[str] = ()


class _Found(NamedTuple):
    """A segment of a file, with its score (none: it has none) and line number."""

    interval: Interval
    score: float | None
    line: int


HEADERLESS = ("sstar", "bed")
"""Formats of which an empty file, named so, says that nothing was found."""

Lines = Iterator[tuple[int, str]]


def read_calls(
    path: PathLike, form: str | None = None, *, name: str | None = None, how: Reading | None = None
) -> Calls:
    """Read one file.

    Parameters
    ----------
    form
        Its format; by default it is told by the first line.
    name
        What to call it; by default as its format, and BED and GenoLSTM's own as the file.
    how
        What the file does not tell.

    Raises
    ------
    InputError
        The format cannot be told, a line does not fit it, or the sample is not known.
    """
    how = how or Reading()
    shown = display_name(path)
    lines = read_lines(path)
    ahead, first = _first(lines, path, may_be_empty=form in HEADERLESS)
    kind = form or detect(first, path, how.known, ahead[-1][0])
    if form is None and kind == "bed" and how.known and len(first.split("\t")) in (4, 5):
        # The first sample of sstar's need not be one of those that it is compared with.
        rest = list(lines)
        lines = iter(rest)
        plain = header_columns(first) is None and _named_columns(first.split("\t")) is None
        if plain and any(_sample_of(line) in how.known for _, line in rest):
            kind = "sstar"
    calls = Calls(name or _default_name(path, kind), kind, Level.HAPLOTYPE)
    found = list(_READERS[kind](chain(ahead, lines), path, calls, how))
    if kind in how.least_score and kind not in SCORES:
        raise SettingError(f"{kind} has no score", hint=f"these have: {', '.join(SCORES)}")
    kept = [one for one in found if _is_kept(one, kind, how)]
    calls.intervals = [one.interval for one in kept]
    if calls.level > Level.POPULATION:
        calls.samples |= {one.interval.sample for one in found}
    calls.chroms |= {one.interval.chrom for one in found}
    said = "is told to be" if form else "is read as"
    count = f"{len(kept):,} of {len(found):,}" if len(kept) < len(found) else f"{len(kept):,}"
    calls.notes.insert(0, f"{shown}: {said} {kind}, segments: {count}, level: {calls.level.word}")
    return calls


def joined(parts: Sequence[Calls], *, told: bool = False) -> Calls:
    """Join the files of one program, such as those of several samples or chromosomes.

    Parameters
    ----------
    told
        Whether the user gave them their name, and so said that they belong together.

    Raises
    ------
    InputError
        They are of different levels, or two are about the same and nobody said that they belong together.
    """
    levels = sorted({part.level for part in parts})
    if len(levels) > 1:
        said = " and ".join(level.word for level in levels)
        raise InputError(
            f"files of {parts[0].name} are of different levels ({said})", hint="name them apart: FILE=FORMAT:NAME"
        )
    whole = Calls(parts[0].name, parts[0].form, levels[0])
    seen: set[tuple[str, str, str]] = set()
    for part in parts:
        own = {(i.chrom, i.sample, i.haplotype) for i in part.intervals}
        if seen & own and not told:
            about = " ".join(word for word in min(seen & own) if word)
            raise InputError(
                f"two files of {part.name} are about {about}", hint="name them apart or together: FILE=FORMAT:NAME"
            )
        seen |= own
        whole.chroms |= part.chroms
        whole.intervals += part.intervals
        whole.samples |= part.samples
        whole.notes += part.notes
    return whole


def respelled(calls: Calls, chroms: Collection[str]) -> Calls:
    """Call sequences as others do that differ only in ``chr``, case or M for MT: some programs want it so.

    Raises
    ------
    InputError
        The file has both spellings.
    """
    meant = dict(near_names(sorted(calls.chroms), chroms))
    clash = next((other for other in meant.values() if other in calls.chroms), None)
    if clash is not None or len(set(meant.values())) < len(meant):
        both = clash or next(iter(meant.values()))
        raise InputError(f"{calls.name} spells the sequence '{both}' in two ways", hint="chromosome names must agree")
    if meant:
        calls.intervals = [i._replace(chrom=meant.get(i.chrom, i.chrom)) for i in calls.intervals]
        calls.chroms = {meant.get(chrom, chrom) for chrom in calls.chroms}
        pairs = ", ".join(f"{name} for {other}" for name, other in list(meant.items())[:3])
        calls.notes.append(f"{calls.name}: takes {pairs}{', ...' if len(meant) > 3 else ''}")
    return calls


def detect(line: str, path: PathLike, known: Collection[str] = (), number: int = 1) -> str:
    """Return the format that a file's first line, or its header, tells.

    Parameters
    ----------
    known
        Samples that the fourth column of a BED without header may name.

    Raises
    ------
    InputError
        It tells none, or that of something else than segments.
    """
    columns = header_columns(line)
    fields = columns or line.split("\t")
    if set(_ADMIXFROG) <= set(line.split(",")):
        return "admixfrog"
    if set(_HMMIX) <= set(fields) or set(_HMMIX_PUBLISHED) <= set(fields):
        return "hmmix"
    if set(_SPRIME) <= set(fields):
        return "sprime"
    if _ibdmix_columns(fields):
        return "ibdmix"
    reason = "is in no format that its first line tells"
    if columns:
        if tuple(columns[: len(POSTERIOR_COLUMNS)]) == POSTERIOR_COLUMNS:
            reason = "is a table of posteriors, not of segments"
        elif columns[:3] == ["chrom", "start", "end"]:
            return "genolstm" if {"sample", "haplotype"} <= set(columns) else "bed"
    elif _is_display_line(line):
        reason = "is bedGraph, not segments"
    elif _named_columns(fields) is not None:
        return "bed"
    elif len(fields) >= 3 and all(parse_integer(text) is not None for text in fields[1:3]):
        positions = [parse_integer(text) for text in fields[1:4]]
        if len(fields) in (4, 5) and fields[3] in known:
            return "sstar"
        if len(fields) >= 5 and None not in positions and parse_number(fields[4]) is not None:
            # ID, chrom, start, end, LOD of early versions; or BED whose names are numbers.
            if fields[0] in known:
                return "ibdmix"
            raise _untold("may be BED or IBDmix without header", path, number)
        if len(fields) == 4 and parse_number(fields[3]) is not None:
            reason = "may be bedGraph or BED"
        else:
            return "bed"
    raise _untold(reason, path, number)


def _untold(reason: str, path: PathLike, number: int) -> InputError:
    hint = f"if it holds segments, give its format: {display_name(path)}={'|'.join(CALL_FORMATS)}"
    return InputError(reason, path=display_name(path), line=number, hint=hint)


# --- beginnings and names -------------------------------------------------------------------------


def _is_display_line(line: str) -> bool:
    return is_display_line(line) and "bedGraph" in line


def _first(lines: Lines, path: PathLike, *, may_be_empty: bool = False) -> tuple[list[tuple[int, str]], str]:
    """Return the lines up to the first that tells the format, and that one; an empty one if there may be none."""
    ahead: list[tuple[int, str]] = []
    for number, line in lines:
        ahead.append((number, line))
        comment = line.startswith("#") and header_columns(line) is None
        if not line.strip() or comment or (is_display_line(line) and not _is_display_line(line)):
            continue
        return ahead, line
    if may_be_empty:
        return ahead, ""
    raise InputError("is empty" if not ahead else "holds no line of data", path=display_name(path))


def _sample_of(line: str) -> str | None:
    """Return the fourth column of a line of four or five."""
    fields = line.split("\t")
    return fields[3] if len(fields) in (4, 5) else None


def _default_name(path: PathLike, form: str) -> str:
    """Return what a file is called: as its program, but where one program may have made several, as the file."""
    if form not in ("bed", "genolstm"):
        return form
    bare = _PACKED.sub("", Path(display_name(path)).name)
    return bare.removesuffix(".bed") or form


def _is_kept(one: _Found, form: str, how: Reading) -> bool:
    if one.interval.end - one.interval.start < how.least_length.get(form, 0):
        return False
    return one.score is None or one.score >= how.least_score.get(form, one.score)


def _whose(path: PathLike, pattern: re.Pattern[str], how: Reading) -> tuple[str, str | None]:
    """Return the sample and the haplotype that a file is about, from what the user said or its name."""
    told = how.samples.get(str(path))
    if told is not None:
        sample, mark, haplotype = told.partition("#")
        return sample, haplotype if mark else None
    match = pattern.fullmatch(_PACKED.sub("", Path(display_name(path)).name))
    if match is None:
        raise InputError(
            "its name does not tell the sample", path=display_name(path), hint="give --sample FILE=SAMPLE[#HAPLOTYPE]"
        )
    sample = match["sample"]
    if sample not in how.known:
        # 'decoded.CEU0.hap1.txt': what is before the sample is the user's own.
        parts = [part for part in sample.split(".") if part in how.known]
        sample = parts[0] if len(parts) == 1 else sample
    return sample, match.groupdict().get("haplotype")


def _table(
    lines: Lines, path: PathLike, needed: Sequence[str], separator: str = "\t"
) -> Iterator[tuple[int, int, dict[str, str]]]:
    """Yield line number, number of the header above and the fields by its names, of each line of a table.

    Blank lines and comments are passed over. The header stands again where files were written one after another.
    """
    header: list[str] | None = None
    headers = 1
    for number, line in lines:
        if not line.strip() or (line.startswith("#") and header_columns(line) is None):
            continue
        fields = line.split(separator)
        if header is None:
            header = header_columns(line) or fields
            absent = [name for name in needed if name not in header]
            if absent:
                raise InputError(f"has no column {', '.join(absent)}", path=display_name(path), line=number)
            continue
        if fields == header:
            headers += 1
            continue
        if len(fields) < len(header):
            raise InputError(
                f"has {len(fields)} columns, the header has {len(header)}", path=display_name(path), line=number
            )
        yield number, headers, dict(zip(header, fields, strict=False))


def _refuse_second(headers: int, where: Mapping[str, Any]) -> None:
    """Refuse lines below a second header, in a file that is about one haplotype or sample."""
    if headers > 1:
        raise InputError(
            "stands below a second header: the file is about several haplotypes or samples",
            hint="make a file of each",
            **where,
        )


# --- readers --------------------------------------------------------------------------------------


def _genolstm(lines: Lines, path: PathLike, calls: Calls, how: Reading) -> Iterator[_Found]:
    for entry in numbered_intervals(lines, path):
        yield _Found(entry.interval, entry.posterior, entry.line)


def _hmmix(lines: Lines, path: PathLike, calls: Calls, how: Reading) -> Iterator[_Found]:
    """Read what ``hmmix decode`` writes: a line for each run of windows in one state.

    ``start`` is that of the first window, and ``length`` the number of windows times their size, so the end is
    start + length. Older versions print the start of the last window as ``end``, which leaves gaps.
    """
    ahead, header = _first(lines, path)
    lines = chain(ahead, lines)
    fields = header.split("\t")
    if set(_HMMIX_PUBLISHED) <= set(fields) and "state" not in fields:
        yield from _hmmix_published(lines, path, calls, how)
        return
    sample, haplotype = _whose(path, _HMMIX_NAME, how)
    calls.level = Level.SAMPLE if haplotype is None else Level.HAPLOTYPE
    calls.samples.add(sample)
    states = frozenset(how.states) or _ARCHAIC["hmmix"]
    seen: set[str] = set()
    short = False
    for number, headers, row in _table(lines, path, _HMMIX):
        where: dict[str, Any] = {"path": display_name(path), "line": number}
        _refuse_second(headers, where)  # as hmmix writes both haplotypes to standard output
        seen.add(row["state"])
        chrom = read_name(row["chrom"], path, number)
        calls.chroms.add(chrom)
        start = read_integer(row["start"], "a position", **where)
        length = read_integer(row["length"], "a length", low=1, **where)
        end = read_integer(row["end"], "a position", high=start + length, **where)
        short = short or end < start + length
        if row["state"] in states:
            score = read_number(row["mean_prob"], "a probability (0 to 1)", low=0, high=1, **where)
            fields = [chrom, str(start), str(start + length)]
            yield _Found(Interval(chrom, *read_span(fields, path, number), sample, haplotype or ""), score, number)
    _check_states(seen, states, path, bool(how.states))
    if short:
        calls.notes.append(f"{display_name(path)}: 'end' is the start of the last window; start + length is used")


def _hmmix_published(lines: Lines, path: PathLike, calls: Calls, how: Reading) -> Iterator[_Found]:
    """Read a call set such as that of the 1000 Genomes: every line is archaic, of the source ``ND_type``."""
    states, seen = frozenset(how.states), set()
    for number, _, row in _table(lines, path, (*_HMMIX_PUBLISHED, *(["ND_type"] if states else []))):
        where: dict[str, Any] = {"path": display_name(path), "line": number}
        match = _HAPLOTYPE.fullmatch(row["haplotype"])
        if match is None:
            raise InputError(f"{quoted(row['haplotype'])} is not a haplotype such as hap1", **where)
        sample, chrom = read_name(row["name"], path, number, "the sample"), read_name(row["chrom"], path, number)
        calls.samples.add(sample)
        calls.chroms.add(chrom)
        seen.add(row.get("ND_type", ""))
        if states and row["ND_type"] not in states:
            continue
        score = read_number(row["mean_prob"], "a probability (0 to 1)", low=0, high=1, **where)
        start, end = read_span([chrom, row["start"], row["end"]], path, number)
        yield _Found(Interval(chrom, start, end, sample, match[1]), score, number)
    if states:
        _check_states(seen, states, path, told=True)


def _check_states(seen: Collection[str], states: Collection[str], path: PathLike, told: bool) -> None:
    """Refuse a file none of whose states is archaic by name, unless it can be that nothing was found."""
    others = sorted(set(seen) - set(states))
    if set(seen) & set(states) or not seen or (not told and others == ["Human"]):
        return
    archaic = f"none of them is {' or '.join(sorted(states))}" if states else "does not say which are archaic"
    raise InputError(
        f"has the states {', '.join(others[:8])}, and {archaic}",
        path=display_name(path),
        hint="name the archaic ones with --state",
    )


_IBDMIX_NAMES = {"chrom": ("chrom", "chr"), "slod": ("slod", "LOD")}


def _ibdmix_columns(fields: Sequence[str]) -> dict[str, int] | None:
    """Return where IBDmix's columns are; None if they are not all there."""
    found = {}
    for name in ("ID", "chrom", "start", "end", "slod"):
        at = [fields.index(one) for one in _IBDMIX_NAMES.get(name, (name,)) if one in fields]
        if not at:
            return None
        found[name] = at[0]
    return found


def _ibdmix(lines: Lines, path: PathLike, calls: Calls, how: Reading) -> Iterator[_Found]:
    """Read what ``ibdmix`` or its ``summary.sh`` writes: ``ID chrom start end slod`` and more.

    Positions are those of the VCF, 1-based; the end is the site after the last one of the segment, or with
    ``--inclusive-end`` the last one.
    """
    calls.level = Level.SAMPLE
    columns: dict[str, int] | None = None
    for number, line in lines:
        fields = line.split("\t")
        if not line.strip():
            continue
        header = _ibdmix_columns(fields)
        if header is not None:
            columns = header
            continue
        columns = columns or {"ID": 0, "chrom": 1, "start": 2, "end": 3, "slod": 4}  # versions without a header
        if len(fields) <= max(columns.values()):
            raise InputError(f"has {len(fields)} columns, too few for IBDmix", path=display_name(path), line=number)
        where: dict[str, Any] = {"path": display_name(path), "line": number}
        start = read_integer(fields[columns["start"]], "a position", low=1, **where)
        end = read_integer(fields[columns["end"]], "a position", low=start, **where)
        score = read_number(fields[columns["slod"]], "a LOD score", **where)
        sample = read_name(fields[columns["ID"]], path, number, "the ID")
        chrom = read_name(fields[columns["chrom"]], path, number)
        # Where a segment ends at the last site of all, IBDmix has no site after it: a segment of one is kept.
        stop = end if how.inclusive_end else max(end - 1, start)
        yield _Found(Interval(chrom, start - 1, stop, sample, ""), score, number)


def _sprime(lines: Lines, path: PathLike, calls: Calls, how: Reading) -> Iterator[_Found]:
    """Read Sprime's ``.score`` file: a line per variant, 1-based; a segment reaches from its first to its last."""
    calls.level = Level.POPULATION
    segments: dict[tuple[int, str, str], tuple[int, int, float, int]] = {}
    for number, headers, row in _table(lines, path, _SPRIME):
        where: dict[str, Any] = {"path": display_name(path), "line": number}
        position = read_integer(row["POS"], "a position", low=1, **where)
        score = read_number(row["SCORE"], "a score", **where)
        # Each run of Sprime numbers its segments from 0 on.
        key = headers, read_name(row["CHROM"], path, number), read_name(row["SEGMENT"], path, number, "the segment")
        first, last, _, line = segments.get(key, (position, position, score, number))
        segments[key] = min(first, position), max(last, position), score, line
    for (_, chrom, _), (first, last, score, number) in segments.items():
        yield _Found(Interval(chrom, first - 1, last, "", ""), score, number)


def _sstar(lines: Lines, path: PathLike, calls: Calls, how: Reading) -> Iterator[_Found]:
    """Read what ``sstar tract`` writes: BED without header, the sample in column 4, maybe a match rate in column 5."""
    calls.level = Level.SAMPLE
    for number, line in lines:
        fields = line.split("\t")
        if not line.strip() or line.startswith("#") or is_display_line(line):
            continue
        if len(fields) < 4:
            raise InputError("has fewer than 4 tab-separated columns", path=display_name(path), line=number)
        start, end = read_span(fields, path, number)
        sample = read_name(fields[3], path, number, "the sample")
        calls.samples.add(sample)
        yield _Found(Interval(read_name(fields[0], path, number), start, end, sample, ""), None, number)


def _admixfrog(lines: Lines, path: PathLike, calls: Calls, how: Reading) -> Iterator[_Found]:
    """Read admixfrog's ``.rle.xz``: runs of bins; those of type ``state`` hold a source on one or both haplotypes.

    ``pos`` and ``pos_end`` are the lower bounds of the first and the last bin, in the VCF's 1-based positions. The
    length of the last bin is not told, so only its first base is counted. One file is about one target genome,
    named by the file, unless there is a column ``sample``.
    """
    calls.level = Level.SAMPLE
    states, seen = frozenset(how.states), set()
    own: str | None = None
    for number, headers, row in _table(lines, path, _ADMIXFROG, ","):
        where: dict[str, Any] = {"path": display_name(path), "line": number}
        if "sample" not in row:
            _refuse_second(headers, where)
        if row["type"] != "state":
            continue
        seen.add(row["target"])
        if "sample" in row:
            sample = read_name(row["sample"], path, number, "the sample")
        else:
            own = own or _whose(path, _ADMIXFROG_NAME, how)[0]
            sample = own
        calls.samples.add(sample)
        chrom = read_name(row["chrom"], path, number)
        calls.chroms.add(chrom)
        if row["target"] not in states:
            continue
        first, last = (_whole(row[name], where) for name in ("pos", "pos_end"))
        if not 1 <= first <= last <= LAST_POSITION:
            raise InputError(f"{first} to {last} is not a run of bins", **where)
        score = read_number(row["score"], "a score", **where)
        yield _Found(Interval(chrom, first - 1, last, sample, ""), score, number)
    _check_states(seen, states, path, told=True)


def _whole(text: str, where: Mapping[str, Any]) -> int:
    """Return a position that may be written as a float with nothing behind the point, as pandas does."""
    value = parse_number(text)
    if value is None or value != int(value):
        raise InputError(f"{quoted(text)} is not a position", **where)
    return int(value)


_BED_NAMES = (("chrom", "chr", "chromosome", "#chrom", "#chr"), ("start", "chromStart"), ("end", "stop", "chromEnd"))


def _named_columns(fields: Sequence[str]) -> list[str] | None:
    """Return the names of a BED's header line without ``#``; None if the line is none."""
    if len(fields) < 3 or any(text not in names for text, names in zip(fields, _BED_NAMES, strict=False)):
        return None
    return ["chrom", "start", "end", *fields[3:]]


def _bed(lines: Lines, path: PathLike, calls: Calls, how: Reading) -> Iterator[_Found]:
    """Read BED; a header may name columns ``sample`` and ``haplotype``, and without one there are no samples."""
    columns: dict[str, int] = {}
    calls.level = Level.POPULATION
    begun = False
    for number, line in lines:
        if not line.strip() or is_display_line(line):
            continue
        fields = line.split("\t")
        header = header_columns(line) or _named_columns(fields)
        if header is not None and not begun:
            begun = True
            columns = {name: header.index(name) for name in ("sample", "haplotype") if name in header}
            if "sample" not in columns:
                columns = {}
            calls.level = Level(len(columns))
            continue
        if line.startswith("#") or header is not None:
            continue
        begun = True
        if len(fields) <= max([2, *columns.values()]):
            raise InputError(f"has {len(fields)} tab-separated columns, too few", path=display_name(path), line=number)
        start, end = read_span(fields, path, number)
        names = [read_name(fields[at], path, number, f"the {name}") for name, at in columns.items()]
        sample, haplotype = [*names, "", ""][:2]
        yield _Found(Interval(read_name(fields[0], path, number), start, end, sample, haplotype), None, number)


_READERS = {
    "genolstm": _genolstm,
    "hmmix": _hmmix,
    "ibdmix": _ibdmix,
    "sprime": _sprime,
    "sstar": _sstar,
    "admixfrog": _admixfrog,
    "bed": _bed,
}


def read_lengths(path: PathLike) -> dict[str, int]:
    """Read a bedtools genome file, or a FASTA index: name and length of each sequence.

    Raises
    ------
    InputError
        A line has no length, a sequence stands twice, or there is none.
    """
    found: dict[str, int] = {}
    for number, line in read_lines(path):
        if not line.strip() or line.startswith("#"):
            continue
        fields = line.split("\t")
        if len(fields) < 2:
            raise InputError("has no length after the name", path=display_name(path), line=number)
        name = read_name(fields[0], path, number)
        if name in found:
            raise InputError("stands twice", path=display_name(path), line=number, record=name)
        found[name] = read_integer(fields[1], "a length", low=1, path=display_name(path), line=number)
    if not found:
        raise InputError("names no sequence", path=display_name(path))
    return found


def samples_of(calls: Iterable[Calls]) -> set[str]:
    """Return the samples that all of those have that tell samples apart."""
    sets = [one.samples for one in calls if one.level > Level.POPULATION]
    return set.intersection(*sets) if sets else set()
