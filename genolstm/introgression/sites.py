"""The informative sites of haplotypes: where one carries what is rare in the outgroup.

A segment is called by counts of k-mers; these are the places behind them, one by one. From a VCF, a site
is a position at which the haplotype has a base that at most 5 % of the outgroup have, and at which some
archaic source is known, if any is given. From FASTA, the positions are those at which runs of such k-mers
begin and end to cover something: a single variant makes a run of k of them, and of several within k bp
the first and the last are told. A haplotype's sites are in order, and each is either carried by an archaic
that is given, or not (without an archaic, all are evidence).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from genolstm.compiled import compiled
from genolstm.introgression.channels import FREQUENCY_EDGES, RARE_CLASSES
from genolstm.introgression.knowledge import Knowledge, known_at_all
from genolstm.introgression.settings import TrackSettings
from genolstm.introgression.tracks import frequency_class, frequency_classes, known_outgroup, window_pieces
from genolstm.introgression.variants.block import VariantBlock

#: Greatest frequency in the outgroup of what counts as rare.
RARE = FREQUENCY_EDGES[RARE_CLASSES - 1]
#: What is known of a source at a site: bits 0 to 3 are the bases it carries.
BASES, KNOWN, CARRIES = 0b1111, 16, 32
#: There is no such number, or base.
NONE = -1

_UNKNOWN, _COMMON, _RARE = 0, 1, 2


def site_type(n_sources: int) -> np.dtype[np.void]:
    """Return the type of an array of sites, each of one haplotype.

    ``row`` is the haplotype's, ``position`` 0-based; ``allele`` and ``reference`` are bases (0 to 3) or
    :data:`NONE`, ``alleles`` has a bit for each base that anybody has; ``archaic`` says of each source what
    it has; ``seen`` of ``called`` outgroup haplotypes carry the allele, and ``shared`` other targets
    (:data:`NONE` if that was not looked up); ``match`` is whether a source that was given carries it.
    """
    return np.dtype(
        [
            ("row", np.int32),
            ("bin", np.int32),
            ("position", np.int64),
            ("allele", np.int8),
            ("reference", np.int8),
            ("alleles", np.uint8),
            ("seen", np.int32),
            ("called", np.int32),
            ("shared", np.int32),
            ("match", np.bool_),
            ("archaic", np.uint8, (n_sources,)),
        ]
    )


def informative(sites: np.ndarray) -> np.ndarray:
    """Return the sites at which a source is known, if any is given, with :attr:`match` filled in."""
    if not sites.dtype["archaic"].shape[0]:
        sites["match"] = True
        return sites
    sites["match"] = (sites["archaic"] & CARRIES).any(axis=1)
    return sites[(sites["archaic"] & KNOWN).any(axis=1)]


def sites_of_variants(
    block: VariantBlock,
    *,
    first_bin: int,
    last_bin: int,
    length: int,
    settings: TrackSettings,
    uncallable: Sequence[tuple[int, int]] = (),
    sources: Sequence[Sequence[int]] = (),
) -> np.ndarray:
    """Return the sites of all target haplotypes in bins [first_bin, last_bin), by position.

    The parameters are those of :func:`~genolstm.introgression.tracks.tracks_from_variants`; ``sources`` may
    be any number.
    """
    size, k = settings.bin, settings.k
    low, high = first_bin * size, min(last_bin * size, length)
    positions = block.positions
    usable = np.zeros(len(positions), dtype=bool)
    # Only where a k-mer can be compared; one that starts before the stretch may reach into it.
    for begin, end in window_pieces(max(low - k + 1, 0), min(high, length - k + 1), k, uncallable):
        usable |= (positions >= begin) & (positions < end + k - 1)
    places = np.flatnonzero(usable & (positions >= low) & (positions < high))
    seen = _count_bases(block.outgroup[places])
    called = seen.sum(axis=1, keepdims=True)
    carriers = _count_bases(block.target[places])
    rare = (seen < called) & (seen / np.maximum(called, 1) <= RARE) & (carriers > 0)
    chosen = np.flatnonzero(rare.any(axis=1))
    places, seen, called, carriers, rare = (part[chosen] for part in (places, seen, called[:, 0], carriers, rare))
    target = block.target[places]
    # One more column stands for what is no base.
    rare = np.concatenate([rare, np.zeros((len(rare), 1), dtype=bool)], axis=1)
    at, row = np.nonzero(np.take_along_axis(rare, np.where(target >= 0, target, 4).astype(np.intp), axis=1))
    archaic = np.zeros((len(places), len(sources)), dtype=np.uint8)
    for i, columns in enumerate(sources):
        archaic[:, i] = _bits(_count_bases(block.archaic[places][:, list(columns)]))
        archaic[:, i] |= np.where(archaic[:, i] > 0, KNOWN, 0).astype(np.uint8)
    anybody = _bits(carriers) | _bits(seen) | _bits(_count_bases(block.archaic[places]))

    found = np.zeros(len(at), dtype=site_type(len(sources)))
    allele = target[at, row]
    found["row"], found["position"] = row, positions[places[at]]
    found["bin"] = found["position"] // size
    found["allele"], found["alleles"] = allele, anybody[at]
    found["reference"] = NONE if block.reference is None else block.reference[places[at]]
    found["seen"], found["called"] = seen[at, allele], called[at]
    found["shared"] = carriers[at, allele] - 1
    found["archaic"] = archaic[at]
    carried = (found["archaic"] >> allele[:, None].astype(np.uint8)) & 1
    found["archaic"] |= (carried * CARRIES).astype(np.uint8)
    return informative(found)


def _count_bases(alleles: np.ndarray) -> np.ndarray:
    """Return how many haplotypes have each base at each site, shape (sites, 4)."""
    return np.stack([np.count_nonzero(alleles == base, axis=1) for base in range(4)], axis=1)


def _bits(counts: np.ndarray) -> np.ndarray:
    """Return a bit for each base that somebody has."""
    bits: np.ndarray = ((counts > 0) << np.arange(4)).sum(axis=1).astype(np.uint8)
    return bits


# --- k-mers -------------------------------------------------------------------------------------


@compiled()
def _states(
    valid: np.ndarray,
    outgroup: np.ndarray,
    known: np.ndarray,
    graded: bool,
    class_of: np.ndarray,
    edges: np.ndarray,
    rare: int,
    states: np.ndarray,
) -> None:
    """Say of each k-mer whether it is rare in the outgroup, common, or unknown."""
    doubt = known.shape[0] > 0
    top = class_of.shape[0] - 1
    for i in range(valid.shape[0]):
        if not valid[i] or (doubt and known[i] == 0):
            states[i] = _UNKNOWN
            continue
        if graded:
            f = frequency_class(int(outgroup[i]), int(known[i]), edges)
        else:
            f = int(class_of[min(int(outgroup[i]), top)])
        states[i] = _RARE if f < rare else _COMMON


@compiled()
def _mark_sites(states: np.ndarray, k: int, low: int, high: int, marks: np.ndarray) -> None:
    """Mark the positions in [low, high) at which a run of rare k-mers begins to cover something, or ends to.

    A run of fewer than k - 1 is of a combination of common variants, unless what lies beside it is unknown.
    """
    n = states.shape[0]
    i = 0
    while i < n:
        if states[i] != _RARE:
            i += 1
            continue
        begin = i
        while i < n and states[i] == _RARE:
            i += 1
        length = i - begin
        # Common k-mers beside it tell that it is whole there.
        before = begin > 0 and states[begin - 1] == _COMMON
        after = i < n and states[i] == _COMMON
        at = begin + k - 1  # what its first k-mer ends with, and those before do not cover
        # A deletion makes a run of k - 1, which its end tells.
        starts = length >= k or (before and not after)
        if low <= at < high and starts:
            marks[at - low] = True
        at = i - 1
        ends = length >= k or (after and (length >= k - 1 or not before))
        if low <= at < high and ends:
            marks[at - low] = True


def sites_of_kmers(
    codes: np.ndarray,
    archaic: Sequence[np.ndarray],
    outgroup: np.ndarray,
    target: np.ndarray | None,
    valid: np.ndarray,
    *,
    start: int,
    low: int,
    high: int,
    settings: TrackSettings,
    outgroup_size: int,
    target_size: int,
    knowledge: Knowledge,
) -> np.ndarray:
    """Return the sites of one sequence at positions [low, high), by position; they are of row 0.

    Parameters
    ----------
    codes
        Bases of the sequence from ``start`` on.
    archaic
        For each source, any number of them: number of its haplotypes that carry the k-mer at each start.
    knowledge
        How to tell what the panels do not know, with all sources.

    The other parameters are those of :meth:`~genolstm.introgression.tracks.KmerTrack.add`; the starts
    given must include those within k of the positions, and of those within :attr:`Knowledge.context`.
    """
    k = settings.k
    known = known_outgroup(knowledge, outgroup, target, target_size, k)
    states = np.empty(len(valid), dtype=np.uint8)
    classes = frequency_classes(outgroup_size)
    _states(valid, outgroup, known, knowledge.graded, classes, np.array(FREQUENCY_EDGES), RARE_CLASSES, states)
    marks = np.zeros(max(high - low, 0), dtype=np.bool_)
    _mark_sites(states, k, low - start, high - start, marks)
    places = np.flatnonzero(marks) + low - start
    found = np.zeros(len(places), dtype=site_type(len(archaic)))
    found["position"] = places + start
    found["bin"] = found["position"] // settings.bin
    base = codes[places].astype(np.int8)
    found["allele"] = np.where(base < 4, base, NONE)
    found["reference"] = NONE
    # The k-mers that cover each site; those of the rare run tell of it.
    covering = places[:, None] + np.arange(1 - k, 1)
    inside = (covering >= 0) & (covering < len(states))
    covering = np.where(inside, covering, 0)
    inside &= states[covering] == _RARE
    # Whatever else lies in a k-mer makes it rarer: the most frequent one is nearest to the site's own.
    best = np.where(inside, outgroup[covering].astype(np.int64), -1).argmax(axis=1)
    best = covering[np.arange(len(places)), best] if len(places) else places
    found["seen"] = outgroup[best]
    found["called"] = known[best] if knowledge.graded and len(known) else outgroup_size
    if target is None:
        found["shared"] = NONE
    else:
        found["shared"] = np.where(inside, target[covering].astype(np.int64), 0).max(axis=1, initial=1) - 1
    for i, counts in enumerate(archaic):
        width = knowledge.archaic[i]
        sure = inside if not width else inside & (known_at_all(counts, width)[covering] > 0)
        carried = (sure & (counts[covering] > 0)).any(axis=1)
        found["archaic"][:, i] = np.where(sure.any(axis=1), KNOWN, 0) | np.where(carried, CARRIES, 0)
    return informative(found)
