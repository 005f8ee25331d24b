"""The names and order of the channels that a model reads for each bin.

A k-mer counts in at most one channel, chosen by three answers: whether the archaic carries it, how frequent
it is in the outgroup, and, if it is rare there, whether another target haplotype carries it too.
K-mers of the archaic that nearly every outgroup haplotype carries are not counted.
"""

from __future__ import annotations

FREQUENCY_EDGES = (0.0, 0.01, 0.05, 0.20, 0.50, 0.90)
"""Upper ends of the outgroup-frequency classes; class 0 is "absent", the last one is the rest."""
RARE_CLASSES = 3
"""Classes below this one are rare enough for sharing among the targets to be informative."""


def _channels() -> dict[tuple[int, int, int], str]:
    """Return the channel of every (archaic match, frequency class, shared) that counts."""
    names: dict[tuple[int, int, int], str] = {}
    labels = ["absent", *(f"to{edge:g}" for edge in FREQUENCY_EDGES[1:]), "to1"]
    for match, word in ((1, "match"), (0, "differ")):
        for f, label in enumerate(labels):
            if match and f == len(labels) - 1:
                continue  # shared by all: nearly every k-mer of every genome
            for shared, tail in enumerate(("_single", "_shared")):
                names[match, f, shared] = f"{word}_{label}{tail if f < RARE_CLASSES else ''}"
    return names


CHANNEL_NAMES = _channels()
COUNT_CHANNELS = tuple(dict.fromkeys(CHANNEL_NAMES.values()))
N_COUNTS = len(COUNT_CHANNELS)
LEVELS = 9
"""Counts that the baseline tells apart: 0 to 7, and 8 or more."""
CHANNELS = (*COUNT_CHANNELS, "callable", "outgroup_size", "target_size")
"""Every channel, in order.

The counts are in units of variant sites (k-mers / k); ``callable`` is the fraction of the bin's
k-mers that could be looked up; the last two are log10 of the number of haplotypes in the outgroup
and among the targets, so that a model knows how much a frequency of 0 means.
"""
