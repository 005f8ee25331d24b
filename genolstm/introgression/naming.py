"""Whether what was called carries the right name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from genolstm.introgression.segments import Interval, merge_intervals
from genolstm.introgression.settings import UNKNOWN_SOURCE

#: Tracts from this length on are asked for their name, in bp: shorter ones hold too few sites to tell.
LEAST_NAMED = 30_000
#: Names of what was called where no tract is, and of what was not called.
NO_TRACT, NOT_CALLED = "none", "not called"


@dataclass(frozen=True)
class Sources:
    """Who a segment or a tract is said to be of.

    Attributes
    ----------
    called, true
        Name of each segment, and of each tract; a segment's may be several joined by ``|``.
    given
        Sources that the scan compared with: tracts of any other are rightly called ``unknown``.
    """

    called: Sequence[str]
    true: Sequence[str]
    given: frozenset[str]

    def right(self, source: str) -> str:
        """Return what a tract of a source should be called."""
        return source if source in self.given else UNKNOWN_SOURCE

    def names(self) -> list[str]:
        """Return the names that are measured one by one: those given, and ``unknown`` if anything is so called."""
        single = {name for name in self.called if "|" not in name} | {self.right(name) for name in self.true}
        return [*sorted(self.given), *([UNKNOWN_SOURCE] if UNKNOWN_SOURCE in single else [])]


@dataclass
class Naming:
    """What called base pairs of true tracts are called; shares are of what was called of them.

    Attributes
    ----------
    tracts, called_bp
        Number of true tracts of at least :data:`LEAST_NAMED`, and how much of them was called.
    right, ambiguous, wrong
        Share with the right name, with several names of which one is right, and with no right name.
    right_interval
        95 % interval of ``right`` over loci.
    confusion
        By the true source of those tracts, how many bp carry each name, or were not called; ``none`` stands for
        what was called where no tract of any length is.
    """

    tracts: int
    called_bp: int
    right: float | None
    ambiguous: float | None
    wrong: float | None
    right_interval: list[float] = field(default_factory=list)
    confusion: dict[str, dict[str, int]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-ready values."""
        return {"least_length": LEAST_NAMED} | asdict(self)


def tracts_by_source(tracts: Sequence[Interval], names: Sequence[str]) -> dict[str, list[Interval]]:
    """Return the merged intervals of each name."""
    found: dict[str, list[Interval]] = {}
    for tract, name in zip(tracts, names, strict=True):
        found.setdefault(name, []).append(tract)
    return {name: merge_intervals(members) for name, members in sorted(found.items())}


def kind_of_name(name: str, right: str) -> str:
    """Return whether a name is ``right``, ``ambiguous`` or ``wrong``."""
    if name == right:
        return "right"
    return "ambiguous" if right in name.split("|") else "wrong"


def share(part: float, whole: float) -> float | None:
    """Return a share, or None of nothing."""
    return float(part / whole) if whole else None


def of_loci(values: np.ndarray, locus: np.ndarray, n: int) -> np.ndarray:
    """Return the sum of values over each of ``n`` loci."""
    found: np.ndarray = np.bincount(np.asarray(locus, dtype=np.int64), np.asarray(values, dtype=np.float64), n)
    return found
