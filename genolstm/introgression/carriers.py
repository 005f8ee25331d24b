"""Who carries archaic ancestry where: how many haplotypes at each position, and which of them share most."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from genolstm.errors import MissingExtraError, SettingError

SEVERAL = "|"
"""The source of stretches that several may have given, as it joins their names in a table."""
#: Haplotypes that are compared with one another at most: each pair takes eight bytes, several times.
MOST_CLUSTERED = 5000

Name = tuple[str, str]
"""A sample and its haplotype."""


class Stretch(NamedTuple):
    """A stretch of one haplotype, and who it is of."""

    start: int
    end: int
    source: str


def stretches(spans: Iterable[tuple[int, int, str]]) -> list[Stretch]:
    """Return what one haplotype carries of one sequence, sorted and without overlaps.

    Parameters
    ----------
    spans
        Start, end and source of its segments. Where those of different sources overlap, and where one is of
        several sources itself, the stretch is of :data:`SEVERAL`.
    """
    events = sorted(
        event for start, end, source in spans for event in ((start, 1, source), (end, -1, source)) if start < end
    )
    active: Counter[str] = Counter()
    found: list[Stretch] = []
    at = 0
    for place, step, source in events:
        if active and place > at:
            (name, *others) = active
            if others or SEVERAL in name:
                name = SEVERAL
            if found and found[-1].end == at and found[-1].source == name:
                found[-1] = found[-1]._replace(end=place)
            else:
                found.append(Stretch(at, place, name))
        at = place
        active[source] += step
        if not active[source]:
            del active[source]
    return found


def counts(
    carried: Mapping[Name, Sequence[Stretch]], names: Iterable[Name], sources: Sequence[str], length: int
) -> tuple[np.ndarray, np.ndarray]:
    """Count the haplotypes that carry something, exactly, at every position.

    Parameters
    ----------
    carried
        What each haplotype carries; one that is absent carries nothing.
    names
        Haplotypes to count.
    sources
        Sources to count.
    length
        Where the sequence ends, in bp; no stretch may reach farther.

    Returns
    -------
    (numpy.ndarray, numpy.ndarray)
        The places at which a number changes, from 0 to ``length``; and the number of haplotypes between each two of
        them, with a row for each source.
    """
    row = {source: k for k, source in enumerate(sources)}
    own = [s for name in names for s in carried.get(name, ()) if s.source in row]
    start, end = (np.array([s[k] for s in own], dtype=np.int64) for k in (0, 1))
    of = np.array([row[s.source] for s in own], dtype=np.int64)
    edges = np.unique(np.concatenate([[0, length], start, end]))
    steps = np.zeros((len(sources), len(edges)), dtype=np.int64)
    np.add.at(steps, (of, np.searchsorted(edges, start)), 1)
    np.add.at(steps, (of, np.searchsorted(edges, end)), -1)
    return edges, np.cumsum(steps, axis=1)[:, :-1]


def peaks(edges: np.ndarray, values: np.ndarray, windows: int) -> tuple[np.ndarray, np.ndarray]:
    """Return steps so that none that counts is narrower than a window: of each window, those at its highest point.

    A mean would hide what all carry, where it is short.

    Parameters
    ----------
    edges, values
        As :func:`counts` returns them.
    windows
        Number of windows of equal width. Steps that are all as wide as that, or zero, are returned as they are.
    """
    total = values.sum(axis=0)
    width = (edges[-1] - edges[0]) / windows
    if not np.any((np.diff(edges) < width) & (total > 0)):
        return edges, values
    ends = np.linspace(edges[0], edges[-1], windows + 1)
    first = np.searchsorted(edges, ends[:-1], side="right") - 1
    stop = np.searchsorted(edges, ends[1:], side="left")
    pairs = zip(first.tolist(), stop.tolist(), strict=True)
    return ends, values[:, [a + int(total[a:b].argmax()) for a, b in pairs]]


def clustered(carried: Mapping[Name, Sequence[Stretch]], names: Sequence[Name]) -> list[Name]:
    """Order haplotypes so that those that share most lie side by side.

    They are joined by average linkage. The distance of two is one minus the share of what they carry together: base
    pairs that both have of the same source, out of those that either has. Haplotypes that carry nothing come last.

    Raises
    ------
    MissingExtraError
        SciPy is not installed.
    SettingError
        There are more than :data:`MOST_CLUSTERED`.
    """
    some = [name for name in names if carried.get(name)]
    none = [name for name in names if not carried.get(name)]
    if len(some) > MOST_CLUSTERED:
        raise SettingError(
            f"{len(some):,} haplotypes are too many to cluster, at most {MOST_CLUSTERED:,} can be",
            hint="draw single populations",
        )
    if len(some) > 2:
        try:
            from scipy.cluster.hierarchy import leaves_list, linkage
            from scipy.spatial.distance import squareform
        except ImportError as error:
            raise MissingExtraError("scipy", "plot") from error
        shared = shared_bp(carried, some)
        own = np.diag(shared)
        distance = 1 - shared / (own[:, None] + own[None, :] - shared)
        tree = linkage(squareform(distance, checks=False), "average", optimal_ordering=len(some) <= 200)
        some = [some[k] for k in leaves_list(tree)]
    return some + none


def shared_bp(carried: Mapping[Name, Sequence[Stretch]], names: Sequence[Name]) -> np.ndarray:
    """Return how many base pairs each two haplotypes have of the same source, and each one in all (with itself)."""
    from scipy.sparse import coo_array

    found = np.zeros((len(names), len(names)))
    for source in sorted({s.source for name in names for s in carried.get(name, ())}):
        own = [(k, s.start, s.end) for k, name in enumerate(names) for s in carried.get(name, ()) if s.source == source]
        of, start, end = np.array(own, dtype=np.int64).T
        edges = np.unique(np.concatenate([start, end]))
        first, stop = np.searchsorted(edges, start), np.searchsorted(edges, end)
        # All pieces between two edges that each stretch consists of.
        many = stop - first
        piece = np.arange(many.sum()) - np.repeat(np.cumsum(many) - many, many) + np.repeat(first, many)
        row = np.repeat(of, many)
        shape = (len(names), len(edges) - 1)
        there = coo_array((np.ones(len(row)), (row, piece)), shape=shape).tocsr()
        weighted = coo_array((np.diff(edges)[piece].astype(float), (row, piece)), shape=shape).tocsr()
        found += (weighted @ there.T).toarray()
    return found
