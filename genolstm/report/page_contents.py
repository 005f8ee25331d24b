"""What a page tells of a scan: counts by group, frequencies along sequences, and the rows that it holds."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from genolstm.introgression import summary
from genolstm.introgression.calls import Call, Sites
from genolstm.introgression.evaluate import Evaluation
from genolstm.introgression.segments import Interval, merge_spans
from genolstm.introgression.variants.people import Populations
from genolstm.introgression.windows import CLASSES, PosteriorWindows
from genolstm.report.plots import _natural

# What a page holds at most, so that it opens at once; it says where more was left out.
MOST_SEGMENTS = 120_000
MOST_ROWS = 4_000
MOST_CELLS = 2_000_000
MOST_SEQUENCES = 60
MOST_GROUPS = 40
MOST_SAMPLES = 2_000
MOST_TRACTS = 40_000
MOST_TOP = 20
MOST_SITES = 30
MOST_GAPS = 10
MOST_DRAWN_GAPS = 2_000
#: Windows of the frequencies along the longest sequence, and along all of them.
_WINDOWS, _ALL_WINDOWS = 1_000, 6_000
#: Classes of the lengths of segments, per power of ten.
_LENGTH_CLASSES = 8
ALL = "all haplotypes"

Name = tuple[str, str]


@dataclass
class Found:
    """What a page is made of.

    Attributes
    ----------
    title
        What the page is of, such as the name of the segments' file.
    calls
        The segments.
    manifest
        How the scan was made; None if that is not known.
    windows
        Posteriors; None if they are not known.
    populations
        Which samples belong to which population.
    truth
        Known tracts.
    evaluation, reliability
        How the segments compare with these, and, by classes of the posterior, its mean, the share that
        is truly archaic, and the length in bp.
    sources
        Names of the archaic sources, in the order of their colours; those of the manifest come before them.
    """

    title: str
    calls: list[Call]
    manifest: dict[str, Any] | None = None
    windows: PosteriorWindows | None = None
    populations: Populations | None = None
    truth: list[Interval] | None = None
    evaluation: Evaluation | None = None
    reliability: list[tuple[float, float, int]] | None = None
    sources: Sequence[str] = ()


class Group(NamedTuple):
    """A group of haplotypes; ``size`` counts those too whose names are not known."""

    name: str
    haplotypes: list[Name]
    size: int


class Row(NamedTuple):
    """What was found of one source in a group, or in a sample; lengths are in bp, and None if there are none."""

    group: str
    source: str
    haplotypes: int
    segments: int
    bp: int
    share: float | None
    mean: float | None
    median: float | None
    longest: int | None


class Gap(NamedTuple):
    """A stretch in which no haplotype has a segment."""

    chrom: str
    start: int
    end: int


class Lengths(NamedTuple):
    """Number of segments by group, source and class of the length, and the edges of the classes in bp."""

    edges: np.ndarray
    counts: np.ndarray


class SampleRow(NamedTuple):
    """A sample: its populations, haplotypes, segments, base pairs in them, and their share."""

    sample: str
    populations: str
    haplotypes: int
    segments: int
    bp: int
    share: float | None


@dataclass
class Contents:
    """What a page shows.

    Attributes
    ----------
    groups
        All haplotypes, and each population.
    sources
        Names of the sources, those of the manifest first.
    chroms
        Length of each sequence that has tracks, in the order of the page.
    rows, samples
        Counts by group and by sample.
    what_share
        What ``share`` is the share of; empty if that is not known.
    notes
        What was aggregated, left out, or does not fit together.
    kept
        The haplotypes whose segments the page holds.
    window
        Length of the windows of the frequencies, in bp.
    frequencies
        Share of each group's haplotypes in each window of each sequence, shape (groups, windows).
    sites
        Evidence of each of the ``top`` segments; None if it is not known.
    """

    found: Found
    groups: list[Group]
    sources: list[str]
    chroms: dict[str, int]
    rows: list[Row]
    samples: list[SampleRow]
    what_share: str
    kept: list[Name]
    window: int
    frequencies: dict[str, np.ndarray]
    lengths: Lengths
    gaps: list[Gap]
    top: list[Call]
    notes: list[str] = field(default_factory=list)
    sites: Mapping[Interval, Sites] | None = None


def contents(found: Found) -> Contents:
    """Count and aggregate what a page shows."""
    notes: list[str] = []
    names, callable_bp, what_share = _haplotypes(found, notes)
    groups = _groups(found, names, notes)
    sources = _sources(found)
    merged = _merged(found.calls)
    chroms = _sequences(found, merged, notes)
    whole = _whole_bp(found, names)
    window = _window(chroms, found)
    frequencies = _frequencies(merged, groups, chroms, window)
    counted = _Counted(found, names, sources, callable_bp, whole)
    rows = [
        counted.of_group(group, source, population=i > 0)
        for i, group in enumerate(groups)
        for source in ([summary.ALL, *sources] if len(sources) > 1 else [summary.ALL])
    ]
    gaps = _gaps(merged, chroms, found)
    if len(gaps) > MOST_DRAWN_GAPS:
        notes.append(
            f"of {len(gaps):,} stretches in which no haplotype has a segment, the {MOST_DRAWN_GAPS:,} longest are drawn"
        )
        gaps = gaps[:MOST_DRAWN_GAPS]
    return Contents(
        found,
        groups,
        sources,
        chroms,
        rows,
        _samples(found, names, counted, notes),
        what_share,
        _kept(found.calls, groups, names, notes),
        window,
        frequencies,
        _lengths(found.calls, groups, sources),
        gaps,
        sorted(found.calls, key=lambda c: (-(c.end - c.start) * c.posterior, c))[:MOST_TOP],
        notes,
    )


# --- who ------------------------------------------------------------------------------------------


def _haplotypes(found: Found, notes: list[str]) -> tuple[list[Name], dict[Name, int] | None, str]:
    """Return all haplotypes whose names are known, the base pairs that count of each, and what these are."""
    of_calls = {(call.sample, call.haplotype) for call in found.calls}
    told = _callable(found.manifest)
    if told is not None:
        names, bp, what = set(told), told, "of what is callable"
    elif found.windows is not None:
        scanned = found.windows.haplotypes()
        names, bp, what = set(scanned), scanned, "of what has a posterior"
    else:
        names, bp, what = of_calls, None, ""
    strange = of_calls - names
    if strange:
        sample, haplotype = min(strange)
        others = f" and {len(strange) - 1:,} others" if len(strange) > 1 else ""
        notes.append(
            f"warning: {sample} haplotype {haplotype}{others} have segments, but neither posteriors nor an entry in "
            "the manifest: the files are not of the same scan"
        )
        names, bp, what = names | of_calls, None, ""
    if bp is None and _whole_bp(found, list(names)):
        what = "of what was scanned, on average over the haplotypes"
    return sorted(names, key=_natural), bp, what


def _callable(manifest: Mapping[str, Any] | None) -> dict[Name, int] | None:
    """Return the callable base pairs of each haplotype, if the manifest tells them."""
    told = (manifest or {}).get("callable_bp")
    if not isinstance(told, dict) or not all(isinstance(own, dict) for own in told.values()):
        return None
    found = {(sample, haplotype): bp for sample, own in told.items() for haplotype, bp in own.items()}
    return found if found and all(isinstance(bp, int) and bp >= 0 for bp in found.values()) else None


def counts_of(manifest: Mapping[str, Any] | None, name: str) -> int | None:
    """Return a count of a manifest; None if there is none."""
    counts = (manifest or {}).get("counts")
    value = counts.get(name) if isinstance(counts, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _whole_bp(found: Found, names: Sequence[Name]) -> float | None:
    """Return the scanned base pairs per haplotype, on average."""
    bp, haplotypes = counts_of(found.manifest, "haplotype_bp"), counts_of(found.manifest, "haplotypes")
    return bp / haplotypes if bp and haplotypes and haplotypes >= len(names) else None


def _groups(found: Found, names: list[Name], notes: list[str]) -> list[Group]:
    scanned = counts_of(found.manifest, "haplotypes")
    size = max(scanned or 0, len(names))
    groups = [Group(ALL, names, size)]
    if scanned is None and found.windows is None:
        notes.append(
            "warning: neither a manifest nor posteriors tell how many haplotypes were scanned: those without a segment "
            "are not counted, so that frequencies and shares are too high"
        )
    if found.populations is None:
        return groups
    own: dict[str, list[Name]] = {}
    for name in names:
        own.setdefault(name[0], []).append(name)
    homeless = set(own)
    for group, members in found.populations.members.items():
        homeless.difference_update(members)
        inside = sorted((name for member in members for name in own.get(member, ())), key=_natural)
        if inside:
            groups.append(Group(group, inside, len(inside)))
    if homeless:
        notes.append(f"warning: the table of samples does not name {_some(homeless)}: they are in no population")
    if size > len(names):
        notes.append(
            f"warning: {size - len(names):,} of {size:,} scanned haplotypes have no segment, and no file given here "
            "tells their names: they count among all haplotypes, but in no population, whose shares are too high "
            "(give the posteriors)"
        )
    if len(groups) > MOST_GROUPS:
        left = [group.name for group in groups[MOST_GROUPS:]]
        notes.append(f"{len(left)} more populations are not on this page: {_some(left)}")
    return groups[:MOST_GROUPS]


def _some(names: Iterable[str], most: int = 3) -> str:
    listed = sorted(names)
    more = len(listed) - most
    return ", ".join(listed[:most]) + (f" and {more:,} more" if more > 0 else "")


def _sources(found: Found) -> list[str]:
    model = (found.manifest or {}).get("model")
    told = model.get("sources") if isinstance(model, dict) else None
    first = [name for name in told if isinstance(name, str)] if isinstance(told, list) else found.sources
    return [*dict.fromkeys([*first, *sorted({call.source for call in found.calls})])]


def _kept(calls: Sequence[Call], groups: Sequence[Group], names: Sequence[Name], notes: list[str]) -> list[Name]:
    """Return the haplotypes that get a row: all, or as many of each population as fit, whole ones only."""
    number: dict[Name, int] = dict.fromkeys(names, 0)
    for call in calls:
        number[call.sample, call.haplotype] += 1
    if len(names) <= MOST_ROWS and len(calls) <= MOST_SEGMENTS:
        return list(names)
    first, *populations = enumerate(groups)
    # By their first population, if they have one.
    turns = {
        name: (turn, i) for i, group in (first, *reversed(populations)) for turn, name in enumerate(group.haplotypes)
    }
    kept: set[Name] = set()
    total = 0
    for name in sorted(names, key=lambda name: turns[name]):
        if len(kept) == MOST_ROWS or total + number[name] > MOST_SEGMENTS:
            break
        total += number[name]
        kept.add(name)
    notes.append(
        f"rows are those of {len(kept):,} of {len(names):,} haplotypes, the first of each population, with all their "
        f"{total:,} of {len(calls):,} segments; everything else on this page counts all of them"
    )
    return [name for name in names if name in kept]


# --- what -----------------------------------------------------------------------------------------

Merged = dict[str, dict[Name, list[tuple[int, int]]]]


def _merged(calls: Iterable[Call]) -> Merged:
    found: Merged = {}
    for call in calls:
        found.setdefault(call.chrom, {}).setdefault((call.sample, call.haplotype), []).append((call.start, call.end))
    return {chrom: {name: merge_spans(spans) for name, spans in own.items()} for chrom, own in found.items()}


class _Counted:
    """What :mod:`genolstm.introgression.summary` counts, and the share of what was scanned if no more is known."""

    def __init__(
        self,
        found: Found,
        names: Sequence[Name],
        sources: Sequence[str],
        callable_bp: Mapping[Name, int] | None,
        whole: float | None,
    ) -> None:
        self._known, self._whole = callable_bp is not None, whole
        counts = summary.summarise(
            (summary.Piece(*call.interval, call.source) for call in found.calls),
            sources=sources,
            callable_bp=dict.fromkeys(names, 0) if callable_bp is None else callable_bp,
            populations=found.populations,
        )
        self._rows = {
            (row.level, row.population if row.level == "population" else row.sample, row.source): row
            for row in counts.rows
            if row.level != "haplotype"
        }

    def row(self, level: str, name: str | None, source: str, size: int) -> tuple[summary.Row, float | None]:
        """Return a row, and its share of what is callable or scanned, of ``size`` haplotypes."""
        row = self._rows[level, name, source]
        whole: float | None = None
        if self._known and size == row.haplotypes:
            whole = row.callable_bp
        elif self._whole is not None:
            whole = self._whole * size
        return row, row.bp / whole if whole else None

    def of_group(self, group: Group, source: str, *, population: bool) -> Row:
        """Return what a population, or all haplotypes, have of a source."""
        level, name = ("population", group.name) if population else ("all", None)
        row, share = self.row(level, name, source, group.size)
        return Row(group.name, source, group.size, row.segments, row.bp, share, row.mean, row.median, row.longest)


def _samples(found: Found, names: Sequence[Name], counted: _Counted, notes: list[str]) -> list[SampleRow]:
    homes: dict[str, list[str]] = {}
    if found.populations is not None:
        for group, members in found.populations.members.items():
            for member in members:
                homes.setdefault(member, []).append(group)
    own: dict[str, list[Name]] = {}
    for name in names:
        own.setdefault(name[0], []).append(name)
    rows = []
    for sample, haplotypes in own.items():
        row, share = counted.row("sample", sample, summary.ALL, len(haplotypes))
        rows.append(SampleRow(sample, ", ".join(homes.get(sample, [])), len(haplotypes), row.segments, row.bp, share))
    if len(rows) > MOST_SAMPLES:
        notes.append(f"the table of samples and the figure of them hold the first {MOST_SAMPLES:,} of {len(rows):,}")
    return rows[:MOST_SAMPLES]


def _lengths(calls: Sequence[Call], groups: Sequence[Group], sources: Sequence[str]) -> Lengths:
    lengths = np.array([call.end - call.start for call in calls], dtype=float)
    if not len(lengths):
        return Lengths(np.array([1_000.0, 10_000.0]), np.zeros((len(groups), len(sources), 1), dtype=np.int64))
    low = int(np.floor(np.log10(lengths.min()) * _LENGTH_CLASSES))
    high = max(int(np.floor(np.log10(lengths.max()) * _LENGTH_CLASSES)) + 1, low + 1)
    edges = 10 ** (np.arange(low, high + 1) / _LENGTH_CLASSES)
    place = (np.searchsorted(edges, lengths, side="right") - 1).clip(0, len(edges) - 2)
    of_source = np.array([sources.index(call.source) for call in calls])
    counts = np.zeros((len(groups), len(sources), len(edges) - 1), dtype=np.int64)
    names = [(call.sample, call.haplotype) for call in calls]
    for i, group in enumerate(groups):
        members = set(group.haplotypes)
        inside = np.array([name in members for name in names])
        np.add.at(counts[i], (of_source[inside], place[inside]), 1)
    return Lengths(edges, counts)


# --- where ----------------------------------------------------------------------------------------


def _sequences(found: Found, merged: Merged, notes: list[str]) -> dict[str, int]:
    """Return the length of each sequence, as far as it is known, of those that have tracks."""
    lengths = dict(found.windows.lengths()) if found.windows is not None else {}
    ends = {chrom: max(pairs[-1][1] for pairs in own.values()) for chrom, own in merged.items()}
    for tract in found.truth or ():
        ends[tract.chrom] = max(ends.get(tract.chrom, 0), tract.end)
    for chrom, end in ends.items():
        lengths[chrom] = max(lengths.get(chrom, 0), end)
    if found.windows is None and lengths:
        notes.append(
            "no posteriors were given: a sequence ends here with its last segment, and sequences on which nothing was "
            "found are absent"
        )
    ordered = sorted(lengths, key=lambda chrom: _natural((chrom, "")))
    if len(ordered) > MOST_SEQUENCES:
        longest = sorted(ordered, key=lambda chrom: -lengths[chrom])[:MOST_SEQUENCES]
        notes.append(
            f"tracks are those of the {MOST_SEQUENCES} longest of {len(ordered):,} sequences; tables count all of them"
        )
        ordered = [chrom for chrom in ordered if chrom in longest]
    return {chrom: lengths[chrom] for chrom in ordered}


def nice(size: float) -> int:
    """Return the next 1, 2 or 5 times a power of ten."""
    power = 10 ** int(np.floor(np.log10(max(size, 1))))
    return next(int(step * power) for step in (1, 2, 5, 10) if step * power >= size * (1 - 1e-9))


def _window(chroms: Mapping[str, int], found: Found) -> int:
    if not chroms:
        return 1_000
    least = max(found.windows.bin_sizes().values(), default=1) if found.windows is not None else 1_000
    return nice(max(max(chroms.values()) / _WINDOWS, sum(chroms.values()) / _ALL_WINDOWS, least))


def covered(pairs: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return the base pairs of intervals, shape (n, 2), between each two edges."""
    before = np.zeros(len(edges), dtype=np.int64)
    for column, sign in ((1, 1), (0, -1)):
        values = np.sort(pairs[:, column])
        sums = np.concatenate([[0], np.cumsum(values)])
        n = np.searchsorted(values, edges)
        before += sign * (sums[n] + edges * (len(values) - n))
    return np.diff(before)


def _frequencies(
    merged: Merged, groups: Sequence[Group], chroms: Mapping[str, int], window: int
) -> dict[str, np.ndarray]:
    found = {}
    for chrom, length in chroms.items():
        edges = np.append(np.arange(0, length, window), length)
        own = merged.get(chrom, {})
        shares = np.zeros((len(groups), len(edges) - 1))
        for i, group in enumerate(groups):
            pairs = np.array([pair for name in group.haplotypes for pair in own.get(name, ())], dtype=np.int64)
            if len(pairs) and group.size:
                shares[i] = covered(pairs, edges) / (np.diff(edges) * group.size)
        found[chrom] = shares
    return found


def _gaps(merged: Merged, chroms: Mapping[str, int], found: Found) -> list[Gap]:
    """Return the stretches without any segment, longest first; without posteriors, only those between segments."""
    gaps = []
    for chrom, length in chroms.items():
        spans = merge_spans(pair for own in merged.get(chrom, {}).values() for pair in own)
        ends = [0, *(end for _, end in spans)] if found.windows is not None else [end for _, end in spans]
        starts = [start for start, _ in spans]
        starts = [*starts, length] if found.windows is not None else starts[1:]
        gaps += [Gap(chrom, a, b) for a, b in zip(ends, starts, strict=False) if b > a]
    return sorted(gaps, key=lambda gap: (gap.start - gap.end, gap.chrom, gap.start))


# --- as data of the page --------------------------------------------------------------------------


def packed(values: np.ndarray, kind: str) -> str:
    """Return an array as text, little-endian; the page unpacks it by its kind."""
    return base64.b64encode(values.astype(np.dtype(kind).newbyteorder("<")).tobytes()).decode()


def smallest(values: np.ndarray) -> list[str]:
    """Return numbers of at least 0, and less than 2 ** 32, as :func:`packed` with the least kind that holds them."""
    highest = int(values.max(initial=0))
    kind = "u1" if highest < 1 << 8 else "u2" if highest < 1 << 16 else "u4"
    return [kind, packed(values, kind)]


def data(shown: Contents) -> dict[str, Any]:
    """Return what the page's own script draws, ready for JSON."""
    found = shown.found
    place = {name: i for i, name in enumerate(shown.kept)}
    by_chrom: dict[str, list[Call]] = {chrom: [] for chrom in shown.chroms}
    for call in found.calls:
        if call.chrom in by_chrom and (call.sample, call.haplotype) in place:
            by_chrom[call.chrom].append(call)
    total = sum(shown.chroms.values()) or 1
    tracts: dict[str, list[Interval]] = {chrom: [] for chrom in shown.chroms}
    held = 0
    for tract in found.truth or ():
        if tract.chrom in tracts and (tract.sample, tract.haplotype) in place and held < MOST_TRACTS:
            tracts[tract.chrom].append(tract)
            held += 1
    if found.truth is not None and held < len(found.truth):
        shown.notes.append(f"rows hold {held:,} of {len(found.truth):,} true tracts")
    chroms = []
    for chrom, length in shown.chroms.items():
        entry: dict[str, Any] = {
            "name": chrom,
            "length": length,
            "windows": shown.frequencies[chrom].shape[1],
            "frequencies": smallest(np.round(shown.frequencies[chrom].clip(0, 1) * 10_000).astype(np.int64)),
            "segments": _segments(by_chrom[chrom], place, shown.sources),
            "truth": _columns(tracts[chrom], place),
            "gaps": [[gap.start, gap.end] for gap in shown.gaps if gap.chrom == chrom],
        }
        if found.windows is not None and shown.kept:
            most = max(int(MOST_CELLS * length / total / len(shown.kept)), 50)
            track = found.windows.track(chrom, shown.kept, most)
            if track is not None:
                bins = track.size // found.windows.bin_sizes()[chrom]
                entry["posteriors"] = {
                    "size": track.size,
                    "n": track.highest.shape[1],
                    "bins": bins,
                    "values": ["u1", packed(track.highest, "u1")],
                }
        chroms.append(entry)
    members = [set(group.haplotypes) for group in shown.groups]
    return {
        "window": shown.window,
        "chroms": chroms,
        "groups": [{"name": group.name, "size": group.size} for group in shown.groups],
        "sources": shown.sources,
        "haplotypes": [
            {"name": f"{s} {h}", "groups": [i for i, inside in enumerate(members) if (s, h) in inside]}
            for s, h in shown.kept
        ],
        "lengths": {
            "edges": [float(f"{edge:.6g}") for edge in shown.lengths.edges],
            "counts": shown.lengths.counts.tolist(),
        },
        "truth": found.truth is not None,
    }


def _columns(intervals: Sequence[Interval | Call], place: Mapping[Name, int]) -> dict[str, list[str]]:
    rows = [(place[i.sample, i.haplotype], i.start, i.end) for i in intervals]
    columns = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    return {name: smallest(column) for name, column in zip(("row", "start", "end"), columns, strict=True)}


def _segments(calls: Sequence[Call], place: Mapping[Name, int], sources: Sequence[str]) -> dict[str, Any]:
    numbers = {
        "posterior": [round(10_000 * call.posterior) for call in calls],
        "sites": [call.n_sites for call in calls],
        "match": [call.n_match for call in calls],
        "source": [sources.index(call.source) for call in calls],
    }
    return {
        **_columns(calls, place),
        **{name: smallest(np.array(values, dtype=np.int64)) for name, values in numbers.items()},
        "names": _names(calls),
    }


def _names(calls: Sequence[Call]) -> dict[str, Any]:
    """Return what segments are called: their begins, and their numbers of four digits or more, if all are like that."""
    if all(call.name == call.source for call in calls):
        return {}
    begins: dict[str, int] = {}
    places, numbers = [], []
    for call in calls:
        begin, _, digits = call.name.rpartition("_")
        number = int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 10 else -1
        if number < 0 or f"{begin}_{number:04d}" != call.name:
            return {"all": [call.name for call in calls]}
        places.append(begins.setdefault(begin, len(begins)))
        numbers.append(number)
    kept = {"begin": np.array(places, dtype=np.int64), "number": np.array(numbers, dtype=np.int64)}
    return {"begins": list(begins), **{name: smallest(values) for name, values in kept.items()}}


def histogram(found: Found) -> tuple[np.ndarray, str]:
    """Return counts by classes of the posterior, and of what they are."""
    if found.windows is not None:
        return found.windows.histogram, "bins"
    place = np.minimum((np.array([call.posterior for call in found.calls]) * CLASSES).astype(int), CLASSES - 1)
    return np.bincount(place, minlength=CLASSES), "segments"
