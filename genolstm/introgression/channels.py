"""The names and order of the channels that a model reads for each bin.

A k-mer is counted in the cell of its frequency in the outgroup and, if it is rare there, of whether another
target haplotype carries it too. Each cell counts all its k-mers, those that the first archaic source
carries, those that the second does, and those that both do. So a model reads two sources, one or none in
the same channels: what belongs to a source that is not given is 0. K-mers that nearly every outgroup
haplotype carries are nearly all of every genome; of these, only those that a source lacks are counted.
"""

from __future__ import annotations

FREQUENCY_EDGES = (0.0, 0.01, 0.05, 0.20, 0.50, 0.90)
"""Upper ends of the outgroup-frequency classes; class 0 is "absent", the last one is the rest."""
RARE_CLASSES = 3
"""Classes below this one are rare enough for sharing among the targets to be informative."""
SLOTS = ("first", "second")
"""Archaic sources that a model compares with at a time."""
CLASSES = ("modern", *SLOTS, "unknown")
"""What a bin can be, in the order of a model's outputs; ``unknown`` is an archaic unlike those given."""


def _cells() -> dict[tuple[int, int], str]:
    """Return the cell of every (frequency class, shared) but those of the last class."""
    names: dict[tuple[int, int], str] = {}
    labels = ["absent", *(f"to{edge:g}" for edge in FREQUENCY_EDGES[1:])]
    for f, label in enumerate(labels):
        for shared, tail in enumerate(("_single", "_shared")):
            names[f, shared] = f"{label}{tail if f < RARE_CLASSES else ''}"
    return names


CELL_NAMES = _cells()
CELLS = tuple(dict.fromkeys(CELL_NAMES.values()))
#: Channels of a cell, in order.
PARTS = ("", "_first", "_second", "_both")
COUNT_CHANNELS = (*(cell + part for cell in CELLS for part in PARTS), "to1_not_first", "to1_not_second")
N_COUNTS = len(COUNT_CHANNELS)
LEVELS = 9
"""Counts that the baseline tells apart: 0 to 7, and 8 or more."""
BASELINE_COUNTS = 2 * len(CELLS) + 1
"""What the baseline counts: in each cell, what a source carries and what none does; and the latter of the rest."""
CHANNELS = (*COUNT_CHANNELS, "callable", "callable_first", "callable_second", "outgroup_size", "target_size")
"""Every channel, in order.

The counts are in units of variant sites (k-mers / k); ``callable`` is the fraction of the bin's
k-mers that could be looked up in target and outgroup, the next two that of those that could be looked up
in a source as well (0 without the source); the last two are log10 of the number of haplotypes in the
outgroup and among the targets, so that a model knows how much a frequency of 0 means.
"""
CALLABLE, OUTGROUP_SIZE, TARGET_SIZE = N_COUNTS, N_COUNTS + 3, N_COUNTS + 4
"""Places of channels that are not counts; those of the sources follow :data:`CALLABLE`."""
