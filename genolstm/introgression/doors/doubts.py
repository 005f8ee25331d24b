"""What the k-mers of a query give away about panels and records that are not what they are taken for."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from genolstm.errors import InputError

#: One k-mer in so many is looked at.
_EVERY = 16
# Sampled k-mers below which nothing is said, and from which on a scan is refused before its end.
_LEAST, _ENOUGH = 100, 300_000
#: Part of the outgroup's haplotypes that must carry the query's common k-mers: a Y chromosome is carried by a quarter.
_FEW, _FEWER = 0.5, 0.2
#: Share of unknown bases from which on it is said.
_UNKNOWN = 0.01


@dataclass
class Doubts:
    """Counts of a sample of the query's k-mers, and what they say.

    Parameters
    ----------
    outgroup_size, target_size
        Number of haplotypes of these panels; ``target_size`` is 1 without a panel of the targets.
    archaic_unknown, outgroup_unknown
        Share of unknown bases that the panels state; None if they do not.
    records
        Whether each record of the query is taken as a haplotype.
    path
        File of the outgroup panel.
    """

    outgroup_size: int
    target_size: int = 1
    archaic_unknown: float | None = None
    outgroup_unknown: float | None = None
    records: bool = True
    path: str | None = None
    valid: int = 0
    conserved: int = 0
    archaic: int = 0
    single: int = 0
    _carriers: np.ndarray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._carriers = np.zeros(self.outgroup_size + 1, dtype=np.int64)

    def add(
        self, archaic: np.ndarray | None, outgroup: np.ndarray, target: np.ndarray | None, valid: np.ndarray, start: int
    ) -> Doubts:
        """Count a stretch whose first k-mer begins at ``start``; return what was counted alone, to be merged."""
        sample = slice(-start % _EVERY, None, _EVERY)
        kept = valid[sample]
        carriers = np.minimum(outgroup[sample][kept], self.outgroup_size)
        common = carriers >= 0.9 * self.outgroup_size
        part = Doubts(self.outgroup_size)
        part._carriers += np.bincount(carriers, minlength=self.outgroup_size + 1)
        part.valid = len(carriers)
        part.conserved = int(common.sum())
        # Without an archaic there is nothing to doubt.
        part.archaic = part.conserved if archaic is None else int((archaic[sample][kept][common] > 0).sum())
        part.single = 0 if target is None else int((target[sample][kept] <= 1).sum())
        return part

    def merge(self, part: Doubts) -> None:
        """Add what was counted elsewhere."""
        self._carriers += part._carriers
        self.valid += part.valid
        self.conserved += part.conserved
        self.archaic += part.archaic
        self.single += part.single

    @property
    def typical(self) -> int | None:
        """Number of outgroup haplotypes that a common k-mer of the query occurs in; None if too few were seen."""
        found = self._carriers[1:]
        total = int(found.sum())
        if total < _LEAST:
            return None
        return int(np.searchsorted(np.cumsum(found), 0.9 * total)) + 1

    def check(self, *, at_end: bool) -> None:
        """Refuse an outgroup panel whose haplotypes can only be contigs.

        Sex chromosomes and unknown bases also leave k-mers to a part of the haplotypes, but not to fewer
        than a fifth of them unless the panel states it.
        """
        typical = self.typical
        if typical is None or not (at_end or self.valid >= _ENOUGH):
            return
        if typical < _FEWER * self.outgroup_size and (self.outgroup_unknown or 0) < _UNKNOWN:
            raise InputError(
                f"counts {self.outgroup_size:,} haplotypes, and the query's k-mers occur in at most {typical:,} of "
                "them: contigs were counted as haplotypes",
                path=self.path,
                hint="build the outgroup panel with: genolstm panel build --haplotypes file",
            )

    def lines(self) -> list[str]:
        """Return a line on each doubt."""
        lines = [
            f"the input of the {role} panel is {100 * share:.1f} % unknown bases; what lies there was not compared"
            for role, share in (("archaic", self.archaic_unknown), ("outgroup", self.outgroup_unknown))
            if share is not None and share >= _UNKNOWN
        ]
        typical = self.typical
        found = int(self._carriers[1:].sum())
        if self.valid >= _LEAST and found < 0.2 * self.valid:
            lines.append(
                f"the outgroup panel holds {100 * found / self.valid:.1f} % of the query's k-mers: "
                "is it of another species, or of another part of the genome?"
            )
        elif typical is not None and typical < _FEW * self.outgroup_size:
            lines.append(
                f"the outgroup panel counts {self.outgroup_size:,} haplotypes, and the query's k-mers occur in at most "
                f"{typical:,} of them: if contigs were counted as haplotypes, build it with "
                "genolstm panel build --haplotypes file"
            )
        if self.conserved >= _LEAST and self.archaic < 0.2 * self.conserved:
            lines.append(
                f"the archaic panel holds {100 * self.archaic / self.conserved:.1f} % of the k-mers that the query "
                "shares with the whole outgroup: is it of another species, or of another part of the genome?"
            )
        if self.records and self.target_size > 1 and self.valid >= _LEAST and self.single > 0.5 * self.valid:
            lines.append(
                f"{100 * self.single / self.valid:.0f} % of the query's k-mers occur in one of its "
                f"{self.target_size:,} haplotypes only: if its records are contigs of one haplotype, "
                "use --haplotypes file"
            )
        return lines
