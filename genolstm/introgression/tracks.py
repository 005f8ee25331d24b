"""From both doors to one array of counts: (haplotype, bin, channel).

A *track* answers three questions about every k-mer of a query haplotype: which archaics carry it, how
frequent is it in the outgroup, and does another target haplotype carry it too. It never asks which
allele is ancestral. From FASTA, the answers come from k-mer panels. From a VCF, they come from
*virtual* k-mers: all windows of k bp that cover the same variant sites carry the same answer, so
counting allele patterns over those sites gives what the panels would have given, without a
sequence. Therefore one model serves both doors.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from genolstm.compiled import compiled
from genolstm.introgression.channels import (
    CALLABLE,
    CELL_NAMES,
    CELLS,
    CHANNELS,
    FREQUENCY_EDGES,
    N_COUNTS,
    OUTGROUP_SIZE,
    PARTS,
    RARE_CLASSES,
    SLOTS,
    TARGET_SIZE,
)
from genolstm.introgression.knowledge import Knowledge, forget_where_common, known_at_all, known_haplotypes
from genolstm.introgression.settings import TrackSettings
from genolstm.introgression.variants.block import ABSENT, VariantBlock

#: (frequency class, shared) -> first channel of the cell; the last class has none.
CELL_OF = np.full((len(FREQUENCY_EDGES) + 1, 2), -1, dtype=np.int8)
for _place, _name in CELL_NAMES.items():
    CELL_OF[_place] = len(PARTS) * CELLS.index(_name)
#: Channels of all k-mers of a cell, and of those that the first source, the second, and both carry.
ALL, FIRST, SECOND, BOTH = (np.arange(len(CELLS)) * len(PARTS) + part for part in range(len(PARTS)))
#: Number of cells of rare k-mers, which come first.
RARE_CELLS = 2 * RARE_CLASSES
#: Channel of k-mers that nearly the whole outgroup carries and the first source lacks; that of the second follows.
NOT_FIRST = len(PARTS) * len(CELLS)
#: Number of targets from which on no archaic allele is expected in nine of ten of them.
MANY_TARGETS = 8


#: Sites that a bin must have for it to count as unknown if none of them is usable; by chance alone, so many
#: are hardly ever missing together.
DARK_SITES = 3


def n_bins(length: int, bin_size: int) -> int:
    """Return the number of bins of a sequence of ``length`` bp; the last one may be short."""
    return -(-length // bin_size)


@compiled()
def _add_rare(tracks: np.ndarray, n_cells: int, parts: int, total: np.ndarray, carried: np.ndarray) -> None:
    for i in range(tracks.shape[0]):
        for at in range(0, n_cells * parts, parts):
            total[i] += tracks[i, at]
            carried[i] += tracks[i, at + 1] + tracks[i, at + 2] - tracks[i, at + 3]


def rare_evidence(tracks: np.ndarray, n_sources: int) -> tuple[np.ndarray, np.ndarray]:
    """Return how many rare variants any source carries, and how many none does, shape (haplotypes, bins).

    Without a source, all of them count as evidence: they are what a scan without an archaic goes by.
    """
    total, carried = np.zeros((2, *tracks.shape[:-1]), tracks.dtype)
    flat = tracks.reshape(-1, tracks.shape[-1])
    _add_rare(flat, RARE_CELLS, len(PARTS), total.reshape(-1), carried.reshape(-1))
    if not n_sources:
        return total, np.zeros_like(total)
    return carried, np.maximum(total - carried, 0)


def comparable(tracks: np.ndarray, n_sources: int) -> np.ndarray:
    """Return the share of each bin that could be compared with a source, or, without any, with the outgroup."""
    if not n_sources:
        return tracks[..., CALLABLE]
    first, second = tracks[..., CALLABLE + 1], tracks[..., CALLABLE + 2]
    return first if n_sources == 1 else np.maximum(first, second)


def choose_sources(tracks: np.ndarray, given: Sequence[int]) -> None:
    """Make tracks of two sources, in place, those of some of them, in this order; shape (..., channels)."""
    counts = [tracks[..., part].copy() for part in (FIRST, SECOND)]
    both = tracks[..., BOTH].copy()
    lacks = [tracks[..., NOT_FIRST + slot].copy() for slot in range(len(SLOTS))]
    known = [tracks[..., CALLABLE + 1 + slot].copy() for slot in range(len(SLOTS))]
    tracks[..., BOTH] = both if len(given) == len(SLOTS) else 0
    for slot, channels in enumerate((FIRST, SECOND)):
        source = given[slot] if slot < len(given) else None
        tracks[..., channels] = 0 if source is None else counts[source]
        tracks[..., NOT_FIRST + slot] = 0 if source is None else lacks[source]
        tracks[..., CALLABLE + 1 + slot] = 0 if source is None else known[source]


@compiled()
def _scale(
    counts: np.ndarray, windows: np.ndarray, per_count: float, per_window: float, last: int, tracks: np.ndarray
) -> None:
    for h in range(counts.shape[0]):
        for b in range(counts.shape[1]):
            for c in range(counts.shape[2]):
                tracks[h, b, c] = np.float32(counts[h, b, c] * per_count)
            tracks[h, b, last] = np.float32(windows[h, b] * per_window)


def _finish(
    counts: np.ndarray,
    windows: np.ndarray,
    known: Sequence[np.ndarray | None],
    k: int,
    bin_size: int,
    outgroup: int,
    target: int,
) -> np.ndarray:
    """Scale raw k-mer counts and add the channels that are not counts.

    ``known`` has the share of the k-mers in ``windows`` that could be looked up in each source.
    """
    tracks = np.empty((*counts.shape[:2], len(CHANNELS)), dtype=np.float32)
    _scale(counts, windows, 1.0 / k, 1.0 / bin_size, CALLABLE, tracks)
    for slot in range(len(SLOTS)):
        share = known[slot] if slot < len(known) else None
        tracks[:, :, CALLABLE + 1 + slot] = 0 if share is None else tracks[:, :, CALLABLE] * share
    tracks[:, :, OUTGROUP_SIZE] = np.log10(max(outgroup, 1))
    tracks[:, :, TARGET_SIZE] = np.log10(max(target, 1))
    return tracks


# --- the FASTA door -----------------------------------------------------------------------------


def frequency_classes(size: int) -> np.ndarray:
    """Return the frequency class of each count 0..size among ``size`` haplotypes."""
    frequency = np.arange(size + 1) / max(size, 1)
    return np.searchsorted(FREQUENCY_EDGES, frequency, side="left").astype(np.uint8)


@compiled()
def frequency_class(count: int, known: int, edges: np.ndarray) -> int:
    """Return the frequency class of a count among those haplotypes of which something is known."""
    if count >= known:  # also if nothing is known of any
        return edges.shape[0]
    frequency = count / known
    for f in range(edges.shape[0]):
        if frequency <= edges[f]:
            return f
    return edges.shape[0]


@compiled()
def _bin_kmers(
    valid: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    outgroup: np.ndarray,
    target: np.ndarray,
    first_known: np.ndarray,
    second_known: np.ndarray,
    outgroup_known: np.ndarray,
    graded: bool,
    class_of: np.ndarray,
    edges: np.ndarray,
    cell_of: np.ndarray,
    not_first: int,
    offset: int,
    bin_size: int,
    counts: np.ndarray,
    windows: np.ndarray,
    known: np.ndarray,
) -> None:
    """Count k-mers; an array of a source, of what is known, or of the targets, that is empty says nothing."""
    top = class_of.shape[0] - 1
    has_first, has_second = first.shape[0] > 0, second.shape[0] > 0
    doubt_first, doubt_second = first_known.shape[0] > 0, second_known.shape[0] > 0
    doubt_outgroup = outgroup_known.shape[0] > 0
    alone = target.shape[0] == 0
    for i in range(valid.shape[0]):
        if not valid[i]:
            continue
        if doubt_outgroup and outgroup_known[i] == 0:
            continue
        b = (i + offset) // bin_size
        windows[b] += 1
        knows_first = has_first and not (doubt_first and first_known[i] == 0)
        knows_second = has_second and not (doubt_second and second_known[i] == 0)
        if knows_first:
            known[0, b] += 1
        if knows_second:
            known[1, b] += 1
        if graded:
            f = frequency_class(int(outgroup[i]), int(outgroup_known[i]), edges)
        else:
            f = class_of[min(int(outgroup[i]), top)]
        cell = cell_of[f, 1 if not alone and target[i] > 1 else 0]
        in_first = knows_first and first[i] > 0
        in_second = knows_second and second[i] > 0
        if cell < 0:
            if knows_first and not in_first:
                counts[b, not_first] += 1
            if knows_second and not in_second:
                counts[b, not_first + 1] += 1
            continue
        counts[b, cell] += 1
        if in_first:
            counts[b, cell + 1] += 1
        if in_second:
            counts[b, cell + 2] += 1
        if in_first and in_second:
            counts[b, cell + 3] += 1


def known_outgroup(
    knowledge: Knowledge, outgroup: np.ndarray, target: np.ndarray | None, target_size: int, k: int
) -> np.ndarray:
    """Return how many outgroup haplotypes are known at each start of a k-mer; an empty array if all always are."""
    if not knowledge.outgroup:
        return np.zeros(0, dtype=np.uint16)
    many = target_size // 2 + 1 if target is not None and target_size > 1 else 0
    known = known_haplotypes(outgroup, knowledge.outgroup, knowledge.reach, target, many)
    if target is not None and target_size >= MANY_TARGETS:
        forget_where_common(known, outgroup, target, -(-9 * target_size // 10), k)
    return known


class KmerTrack:
    """The track of one sequence, filled stretch by stretch.

    Parameters
    ----------
    length
        Length of the sequence in bp.
    settings
        Values of k and bin.
    outgroup_size, target_size
        Number of haplotypes in the panels.
    knowledge
        How to tell what the panels do not know; by default they know everything.

    Notes
    -----
    Stretches that begin with a bin may be added by several threads at once.
    """

    def __init__(
        self,
        length: int,
        settings: TrackSettings,
        *,
        outgroup_size: int,
        target_size: int = 1,
        knowledge: Knowledge = Knowledge(),  # noqa: B008
    ) -> None:
        bins = n_bins(length, settings.bin)
        self.settings = settings
        self.knowledge = knowledge
        self.outgroup_size, self.target_size = outgroup_size, target_size
        self._classes = frequency_classes(outgroup_size)
        self._counts = np.zeros((bins, N_COUNTS), dtype=np.int32)
        self._windows = np.zeros(bins, dtype=np.int32)
        self._known = np.zeros((len(SLOTS), bins), dtype=np.int32)
        self._n_sources = 0

    def add(
        self,
        archaic: Sequence[np.ndarray],
        outgroup: np.ndarray,
        target: np.ndarray | None,
        valid: np.ndarray,
        *,
        start: int = 0,
        first: int = 0,
        last: int | None = None,
    ) -> None:
        """Count the k-mers that begin in [first, last).

        Parameters
        ----------
        archaic
            For each source, at most two: number of its haplotypes that carry the k-mer at each start,
            shape (starts,).
        outgroup, target
            The same for the panels of outgroup and targets. ``target`` is None if the query is the only
            target.
        valid
            Whether the k-mer holds only A, C, G, T; same shape.
        start
            Where in the sequence the first of these k-mers begins. The starts given must include
            those within :attr:`Knowledge.context` of what is counted, as far as the sequence has them.
        first, last
            Which of the starts given are counted; by default all.
        """
        known, k = self.knowledge, self.settings.k
        last = len(valid) if last is None else last
        none = np.zeros(0, dtype=np.uint16)
        outgroup_known = known_outgroup(known, outgroup, target, self.target_size, k)
        self._n_sources = len(archaic)
        carried, certain = [none, none], [none, none]
        for slot, counts in enumerate(archaic):
            carried[slot] = counts[first:last]
            width = known.archaic[slot] if slot < len(known.archaic) else 0
            if width:
                certain[slot] = known_at_all(counts, width)[first:last]
        _bin_kmers(
            valid[first:last],
            *carried,
            outgroup[first:last],
            none if target is None else target[first:last],
            *certain,
            outgroup_known[first:last],
            known.graded,
            self._classes,
            np.array(FREQUENCY_EDGES),
            CELL_OF,
            NOT_FIRST,
            start + first + k // 2,
            self.settings.bin,
            self._counts,
            self._windows,
            self._known,
        )

    def finish(self) -> np.ndarray:
        """Return the track: float32, shape (bins, channels)."""
        whole = np.maximum(self._windows, 1)
        return _finish(
            self._counts[None],
            self._windows[None],
            [self._known[slot] / whole for slot in range(self._n_sources)],
            self.settings.k,
            self.settings.bin,
            self.outgroup_size,
            self.target_size,
        )[0]


def tracks_from_counts(
    archaic: Sequence[np.ndarray],
    outgroup: np.ndarray,
    target: np.ndarray | None,
    valid: np.ndarray,
    *,
    length: int,
    outgroup_size: int,
    target_size: int,
    settings: TrackSettings,
    knowledge: Knowledge = Knowledge(),  # noqa: B008
) -> np.ndarray:
    """Return the track of one sequence from the counts of its k-mers in the panels.

    Parameters
    ----------
    archaic
        For each archaic source, at most two: number of its haplotypes that carry the k-mer at each start,
        shape (length - k + 1,).
    outgroup, target
        The same for the panels of outgroup and targets. ``target`` is None if the query is the only
        target.
    valid
        Whether the k-mer holds only A, C, G, T; same shape.
    length
        Length of the sequence in bp.
    outgroup_size, target_size
        Number of haplotypes in the panels.
    knowledge
        How to tell what the panels do not know; by default they know everything.

    Returns
    -------
    numpy.ndarray
        float32, shape (bins, channels).
    """
    track = KmerTrack(length, settings, outgroup_size=outgroup_size, target_size=target_size, knowledge=knowledge)
    track.add(archaic, outgroup, target, valid)
    return track.finish()


# --- the VCF door -------------------------------------------------------------------------------


@compiled(inner=True, _nrt=False)
def _enter(row: np.ndarray, slot: int, codes: np.ndarray, missing: np.ndarray) -> int:
    """Add a site to the haplotypes' patterns; return 1 if one of them is missing there, else 0."""
    shift = np.uint64(2 * slot)
    any_missing = np.int8(0)
    # Without branches and in short numbers, so that many haplotypes are done at once.
    for h in range(row.shape[0]):
        any_missing |= row[h]
        missing[h] += row[h] < 0
        codes[h] |= np.uint64(max(row[h], np.int8(0))) << shift
    return 1 if any_missing < 0 else 0


@compiled(inner=True, _nrt=False)
def _leave(row: np.ndarray, codes: np.ndarray, missing: np.ndarray) -> int:
    """Take the first site away, as :func:`_enter` adds one."""
    two = np.uint64(2)
    any_missing = np.int8(0)
    for h in range(row.shape[0]):
        any_missing |= row[h]
        codes[h] >>= two
        missing[h] -= row[h] < 0
    return 1 if any_missing < 0 else 0


@compiled(inner=True, _nrt=False)
def _compare(row: np.ndarray, archaic: np.ndarray, change: int, differs: np.ndarray) -> int:
    """Add ``change`` to the number of differing sites of each target that differs from the archaic here.

    Returns ``change`` if the archaic is missing there, else 0. What is added for a target that is missing
    itself means nothing.
    """
    carried = 0
    one = np.int8(-1)
    for a in range(archaic.shape[0]):
        if archaic[a] >= 0:
            carried |= 1 << archaic[a]
            one = archaic[a]
    if carried == 0:
        return change
    # Nearly always the archaic has one or two alleles.
    other = one
    for a in range(archaic.shape[0]):
        if archaic[a] >= 0 and archaic[a] != one:
            other = archaic[a]
    if carried == (1 << one) | (1 << other):
        for h in range(row.shape[0]):
            differs[h] += change * ((row[h] != one) & (row[h] != other))
        return 0
    for h in range(row.shape[0]):
        differs[h] += change * (1 - ((carried >> max(row[h], np.int8(0))) & 1))
    return 0


#: Patterns up to which they are compared one after another; more are hashed.
_FEW = 16


@compiled(inner=True, _nrt=False)
def _find(code: int, pattern: np.ndarray, slots: np.ndarray, stamps: np.ndarray, stamp: int) -> int:
    """Return the number of one of many patterns; if it is new, -1 - its free slot."""
    mask = np.uint64(slots.shape[0] - 1)
    key = np.uint64(code) * np.uint64(0x9E3779B97F4A7C15)
    slot = (key ^ (key >> np.uint64(29))) & mask
    while stamps[slot] == stamp:
        if pattern[slots[slot]] == code:
            return int(slots[slot])
        slot = (slot + np.uint64(1)) & mask
    return -1 - int(slot)


@compiled(inner=True, _nrt=False)
def _enter_pattern(q: int, slot: int, slots: np.ndarray, stamps: np.ndarray, stamp: int) -> None:
    slots[slot] = q
    stamps[slot] = stamp


@compiled(apart=True, inner=True)
def _tell_apart(
    codes: np.ndarray,
    missing: np.ndarray,
    pattern: np.ndarray,
    carriers: np.ndarray,
    seen: np.ndarray,
    one_of: np.ndarray,
    pattern_of: np.ndarray,
    slots: np.ndarray,
    stamps: np.ndarray,
    stamp: int,
) -> tuple[int, bool]:
    """Find the distinct patterns of the targets, how many carry each, and one that does.

    Returns how many patterns there are, and whether a target is missing. They are few, unless there are
    thousands of targets with variants of their own; the table in ``slots``, whose entries count if they
    bear the stamp, is for those.
    """
    n, any_missing = 0, False
    for h in range(codes.shape[0]):
        if missing[h] > 0:
            pattern_of[h] = -1
            any_missing = True
            continue
        q, slot = 0, 0
        if n <= _FEW:
            # Written out: a call for each haplotype takes three times as long.
            while q < n and pattern[q] != codes[h]:
                q += 1
        else:
            q = _find(codes[h], pattern, slots, stamps, stamp)
            if q < 0:
                slot = -1 - q
                q = n
        if q == n:
            pattern[q] = codes[h]
            carriers[q] = 0
            seen[q] = 0
            one_of[q] = h
            n += 1
            if q > _FEW:
                _enter_pattern(q, slot, slots, stamps, stamp)
            elif q == _FEW:
                for old in range(n):
                    slot = -1 - _find(pattern[old], pattern, slots, stamps, stamp)
                    _enter_pattern(old, slot, slots, stamps, stamp)
        carriers[q] += 1
        pattern_of[h] = q
    return n, any_missing


@compiled(apart=True, inner=True)
def _count_outgroup(
    codes: np.ndarray,
    missing: np.ndarray,
    any_missing: bool,
    pattern: np.ndarray,
    n_patterns: int,
    seen: np.ndarray,
    slots: np.ndarray,
    stamps: np.ndarray,
    stamp: int,
) -> int:
    """Count how often each pattern occurs in the outgroup; return the number of called haplotypes."""
    called = codes.shape[0]
    if any_missing:
        called = 0
        for h in range(codes.shape[0]):
            called += missing[h] == 0
    if n_patterns <= _FEW:
        # One pattern after the other, without a branch: many haplotypes are compared at once.
        for q in range(n_patterns):
            code, n = pattern[q], 0
            if any_missing:
                for h in range(codes.shape[0]):
                    n += (codes[h] == code) & (missing[h] == 0)
            else:
                for h in range(codes.shape[0]):
                    n += codes[h] == code
            seen[q] = n
        return called
    for h in range(codes.shape[0]):
        if missing[h] > 0:
            continue
        found = _find(codes[h], pattern, slots, stamps, stamp)
        if found >= 0:
            seen[found] += 1
    return called


@compiled()
def _bin_patterns(
    positions: np.ndarray,
    target: np.ndarray,
    outgroup: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    begin: int,
    end: int,
    k: int,
    bin_size: int,
    edges: np.ndarray,
    cell_of: np.ndarray,
    not_first: int,
    counts: np.ndarray,
    windows: np.ndarray,
    known: np.ndarray,
) -> None:
    """Add the windows that start in [begin, end) and cover a site; bin 0 holds ``begin``.

    A source without haplotypes is none.
    """
    n_sites, n_target = target.shape
    n_outgroup = outgroup.shape[1]
    first_bin = (begin + k // 2) // bin_size
    tcode = np.zeros(n_target, np.uint64)
    ocode = np.zeros(n_outgroup, np.uint64)
    # Sites in the window where each is missing, and sites where any is; a window has too few for more than a byte.
    tmissing = np.zeros(n_target, np.int8)
    omissing = np.zeros(n_outgroup, np.int8)
    any_missing = 0
    has_first, has_second = first.shape[1] > 0, second.shape[1] > 0
    # Sites in the window where a source differs, and where it is missing.
    differs_first, differs_second = np.zeros(n_target, np.int8), np.zeros(n_target, np.int8)
    unknown_first, unknown_second = 0, 0
    pattern = np.zeros(n_target, np.uint64)
    carriers = np.zeros(n_target, np.int32)
    seen = np.zeros(n_target, np.int32)
    one_of = np.zeros(n_target, np.int32)
    pattern_of = np.zeros(n_target, np.int32)
    # The channels to which the carriers of each pattern add: the first of a cell and which of its others, or
    # those of what is common; none if they add to nothing, as nearly all do.
    cells = np.zeros(n_target, np.int32)
    parts = np.zeros(n_target, np.int32)
    size = 64
    while size < 4 * n_target:
        size *= 2
    slots = np.zeros(size, np.int32)
    stamps = np.zeros(size, np.int64)
    stamp = 0

    i = 0  # sites [i, j) lie in the window that starts at p
    while i < n_sites and positions[i] < begin:
        i += 1
    j = i
    p = begin
    while p < end:
        if i == j:
            if j == n_sites:
                break
            p = max(p, positions[j] - k + 1)
            if p >= end:
                break
        while j < n_sites and positions[j] - k + 1 <= p:
            _enter(target[j], j - i, tcode, tmissing)
            any_missing += _enter(outgroup[j], j - i, ocode, omissing)
            if has_first:
                unknown_first += _compare(target[j], first[j], 1, differs_first)
            if has_second:
                unknown_second += _compare(target[j], second[j], 1, differs_second)
            j += 1
        stop = min(positions[i] + 1, end)
        if j < n_sites:
            stop = min(stop, positions[j] - k + 1)

        # Windows [p, stop) cover sites [i, j).
        stamp += 1
        n_patterns, lacks = _tell_apart(
            tcode, tmissing, pattern, carriers, seen, one_of, pattern_of, slots, stamps, stamp
        )
        called = _count_outgroup(ocode, omissing, any_missing > 0, pattern, n_patterns, seen, slots, stamps, stamp)
        knows_first, knows_second = has_first and unknown_first == 0, has_second and unknown_second == 0
        adds = lacks or called == 0
        for q in range(n_patterns):
            f = frequency_class(seen[q], called, edges)
            cells[q] = cell_of[f, 1 if carriers[q] > 1 else 0]
            # All carriers of a pattern have the same alleles: what holds for one of them holds for all.
            in_first = knows_first and differs_first[one_of[q]] == 0
            in_second = knows_second and differs_second[one_of[q]] == 0
            if cells[q] < 0:
                parts[q] = (1 if knows_first and not in_first else 0) | (2 if knows_second and not in_second else 0)
            else:
                parts[q] = (1 if in_first else 0) | (2 if in_second else 0)
            adds = adds or cells[q] >= 0 or parts[q] > 0
        low = p
        while low < stop:
            b = (low + k // 2) // bin_size
            high = min(stop, (b + 1) * bin_size - k // 2)
            weight = high - low
            low = high
            b -= first_bin
            if not knows_first:
                known[0, b] -= weight
            if not knows_second:
                known[1, b] -= weight
            if not adds:
                continue
            for h in range(n_target):
                q = pattern_of[h]
                if q < 0 or called == 0:
                    windows[h, b] -= weight
                    continue
                cell, part = cells[q], parts[q]
                if cell < 0:
                    if part & 1:
                        counts[h, b, not_first] += weight
                    if part & 2:
                        counts[h, b, not_first + 1] += weight
                    continue
                counts[h, b, cell] += weight
                if part & 1:
                    counts[h, b, cell + 1] += weight
                if part & 2:
                    counts[h, b, cell + 2] += weight
                if part == 3:
                    counts[h, b, cell + 3] += weight

        p = stop
        while i < j and positions[i] < p:
            _leave(target[i], tcode, tmissing)
            any_missing -= _leave(outgroup[i], ocode, omissing)
            if has_first:
                unknown_first += _compare(target[i], first[i], -1, differs_first)
            if has_second:
                unknown_second += _compare(target[i], second[i], -1, differs_second)
            i += 1


class Presence:
    """Which haplotypes exist in each bin, from block to block.

    The second haplotype of a haploid call does not exist: it is no row, and does not count in the size
    of a group. A bin without a site is as the last one with a site, or, at the beginning, as the first.
    """

    def __init__(self) -> None:
        self._chrom: str | None = None
        self._last: tuple[np.ndarray, np.ndarray] | None = None

    def of(
        self, block: VariantBlock, first_bin: int, last_bin: int, bin_size: int
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Return whether each target and each outgroup haplotype exists in bins [first_bin, last_bin).

        Returns
        -------
        tuple of numpy.ndarray or None
            bool, shapes (target haplotypes, bins) and (outgroup haplotypes, bins); None if all exist.
        """
        if block.chrom != self._chrom:
            self._chrom, self._last = block.chrom, None
        groups = (block.target, block.outgroup)
        before = self._last
        absent = any((group == ABSENT).any() for group in groups)
        if not absent and (before is None or all(part.all() for part in before)):
            return None
        bins = last_bin - first_bin
        place = block.positions // bin_size - first_bin
        inside = np.flatnonzero((place >= 0) & (place < bins))
        filled = np.unique(place[inside])
        result = []
        for i, group in enumerate(groups):
            present = np.zeros((bins, group.shape[1]), dtype=bool)
            np.logical_or.at(present, place[inside], group[inside] != ABSENT)
            if before is not None:
                first = before[i]
            else:
                first = present[filled[0]] if len(filled) else np.ones(group.shape[1], dtype=bool)
            # Each bin looks back to the last one with a site; row 0 stands for what was before.
            source = np.zeros(bins, dtype=np.int64)
            source[filled] = filled + 1
            source = np.maximum.accumulate(source)
            result.append(np.concatenate([first[None], present])[source])
        self._last = (result[0][-1], result[1][-1]) if bins else before
        return result[0].T, result[1].T


def tracks_from_variants(
    block: VariantBlock,
    *,
    first_bin: int,
    last_bin: int,
    length: int,
    settings: TrackSettings,
    uncallable: Sequence[tuple[int, int]] = (),
    target_size: int | None = None,
    presence: tuple[np.ndarray, np.ndarray] | None = None,
    sources: Sequence[Sequence[int]] | None = None,
) -> np.ndarray:
    """Return the tracks of all target haplotypes over bins [first_bin, last_bin).

    Parameters
    ----------
    block
        Sites of all these bins, and of at least k bp on either side.
    first_bin, last_bin
        Bins of the chromosome, counted from 0.
    length
        Length of the chromosome in bp.
    settings
        Values of k and bin.
    uncallable
        Sorted, disjoint stretches in bp whose k-mers are not counted.
    target_size
        Number of target haplotypes, if not that of the block.
    presence
        Which haplotypes exist in each bin, as :meth:`Presence.of` returns it; by default all. Those that
        do not exist are not counted in the sizes.
    sources
        Columns of ``block.archaic`` that belong to each source, at most two; by default all of them are
        one source.

    Returns
    -------
    numpy.ndarray
        float32, shape (haplotypes, last_bin - first_bin, channels).
    """
    k, size, half = settings.k, settings.bin, settings.k // 2
    n_target = block.target.shape[1]
    shape = (n_target, last_bin - first_bin)
    counts = np.zeros((*shape, N_COUNTS), dtype=np.int32)
    # A k-mer belongs to the bin of its middle base; the first and last bin have fewer.
    begin = max(first_bin * size - half, 0)
    end = min(last_bin * size - half, length - k + 1)
    bin_starts = np.arange(first_bin, last_bin) * size - half
    possible = np.clip(bin_starts + size, 0, max(length - k + 1, 0)) - np.maximum(bin_starts, 0)
    windows = np.repeat(np.maximum(possible, 0)[None].astype(np.int32), n_target, axis=0)
    whole = np.maximum(windows[0], 1)
    known = np.repeat(np.maximum(possible, 0)[None].astype(np.int32), len(SLOTS), axis=0)
    if sources is None:
        sources = [range(block.archaic.shape[1])] if block.archaic.shape[1] else []
    columns = [np.ascontiguousarray(block.archaic[:, list(source)]) for source in sources]
    columns += [block.archaic[:, :0]] * (len(SLOTS) - len(columns))
    if end > begin:
        pieces = _callable_pieces(begin, end, k, uncallable)
        for piece_begin, piece_end, is_callable in pieces:
            low = (piece_begin + half) // size - first_bin
            high = (piece_end - 1 + half) // size - first_bin + 1
            if is_callable:
                _bin_patterns(
                    block.positions,
                    block.target,
                    block.outgroup,
                    *columns,
                    piece_begin,
                    piece_end,
                    k,
                    size,
                    np.array(FREQUENCY_EDGES),
                    CELL_OF,
                    NOT_FIRST,
                    counts[:, low:high],
                    windows[:, low:high],
                    known[:, low:high],
                )
            else:
                starts = np.arange(low, high) + first_bin
                lost = np.minimum((starts + 1) * size - half, piece_end) - np.maximum(starts * size - half, piece_begin)
                windows[:, low:high] -= lost.astype(np.int32)
                known[:, low:high] -= lost.astype(np.int32)
                whole[low:high] = np.maximum(whole[low:high] - lost.astype(np.int32), 1)
    shares = [known[slot] / whole for slot in range(len(sources))]
    tracks = _finish(counts, windows, shares, k, size, block.outgroup.shape[1], target_size or n_target)
    tracks[:, _dark_bins(block, first_bin, last_bin, size), :OUTGROUP_SIZE] = 0
    if presence is not None:
        targets, outgroup = presence
        tracks[:, :, CALLABLE:OUTGROUP_SIZE] *= targets[:, :, None]
        tracks[:, :, OUTGROUP_SIZE] = np.log10(np.maximum(outgroup.sum(axis=0), 1))
        tracks[:, :, TARGET_SIZE] = np.log10(np.maximum(targets.sum(axis=0), 1))
    return tracks


@compiled()
def _any_called(alleles: np.ndarray) -> np.ndarray:
    """Return at which sites anybody is called."""
    found = np.zeros(alleles.shape[0], np.bool_)
    for i in range(alleles.shape[0]):
        for h in range(alleles.shape[1]):
            if alleles[i, h] >= 0:
                found[i] = True
                break
    return found


def _dark_bins(block: VariantBlock, first_bin: int, last_bin: int, bin_size: int) -> np.ndarray:
    """Return which bins have several sites, at none of which all groups are called.

    What lies between such sites was not called either, though no file says so; counting it as
    agreement would make unknown sequence look modern.
    """
    place = block.positions // bin_size - first_bin
    inside = (place >= 0) & (place < last_bin - first_bin)
    groups = [block.target, block.outgroup, *([block.archaic] if block.archaic.shape[1] else [])]
    usable = np.logical_and.reduce([_any_called(group) for group in groups])[inside]
    sites = np.bincount(place[inside], minlength=last_bin - first_bin)
    good = np.bincount(place[inside], usable, minlength=last_bin - first_bin)
    dark: np.ndarray = (sites >= DARK_SITES) & (good == 0)
    return dark


def window_pieces(begin: int, end: int, k: int, uncallable: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the stretches of window starts [begin, end) whose windows hold no uncallable base."""
    return [(low, high) for low, high, good in _callable_pieces(begin, end, k, uncallable) if good]


def _callable_pieces(
    begin: int, end: int, k: int, uncallable: Sequence[tuple[int, int]]
) -> list[tuple[int, int, bool]]:
    """Cut window starts [begin, end) into pieces; True if their windows hold no uncallable base."""
    pieces: list[tuple[int, int, bool]] = []
    at = begin
    for start, stop in uncallable:
        low, high = max(start - k + 1, at), min(stop, end)
        if high <= low:
            continue
        if low > at:
            pieces.append((at, low, True))
        pieces.append((low, high, False))
        at = high
    if at < end:
        pieces.append((at, end, True))
    return pieces
