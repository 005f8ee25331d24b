"""What sources of genotypes yield, and what the joined files become."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np

#: Base codes of alleles; A, C, G, T are 0 to 3.
UNKNOWN = -1
"""The genotype is missing, or the allele is not a base."""
ABSENT = -2
"""The haplotype does not exist here: the second one of a haploid call."""
BASES = {"A": 0, "C": 1, "G": 2, "T": 3}
FAR = 1 << 60
"""Beyond any position."""


class Stretch(NamedTuple):
    """Part of a chromosome, 0-based half-open; ``end`` is None for its end."""

    chrom: str
    start: int = 0
    end: int | None = None


@dataclass
class SiteRows:
    """Consecutive sites of one source, on one chromosome.

    Attributes
    ----------
    chrom
        Chromosome.
    positions
        0-based, strictly increasing over all rows of a chromosome, shape (sites,), int64.
    reference
        Base of the reference at each site, 0 to 3, shape (sites,), int8.
    alleles
        Base of each haplotype at each site, shape (sites, 2 x chosen samples), int8; 0 to 3,
        :data:`UNKNOWN` or :data:`ABSENT`. The columns of chosen sample i are 2i and 2i + 1.
    known
        Sorted, disjoint stretches (start, end) in which the source states that all chosen haplotypes
        have the reference base except at its sites: invariant records and gVCF blocks. Sites need not
        be repeated here. Shape (stretches, 2), int64.
    end
        The rows are complete up to here: whatever comes next lies at or beyond this position.
    last
        Whether the chromosome (or the stretch asked for) ends with these rows.
    """

    chrom: str
    positions: np.ndarray
    reference: np.ndarray
    alleles: np.ndarray
    known: np.ndarray = field(default_factory=lambda: np.empty((0, 2), dtype=np.int64))
    end: int = 0
    last: bool = False


@dataclass(frozen=True)
class CallSettings:
    """Which records and calls of a source count.

    Parameters
    ----------
    filters
        FILTER values whose records are used; ``()`` uses all. A record with several values is used
        only if all of them are listed.
    min_gq
        Least GQ of a call; a call below it, or without GQ, is missing.
    min_dp
        Least DP of a call; a call below it, or without DP, is missing.
    allow_unphased
        Accept unphased heterozygotes in the order in which they are written.
    need_phase
        Whether unphased heterozygotes matter at all; only targets need phase.
    """

    filters: tuple[str, ...] = ("PASS", ".")
    min_gq: int = 0
    min_dp: int = 0
    allow_unphased: bool = False
    need_phase: bool = False


@dataclass
class SourceCounts:
    """What a source read, and what it left out and why."""

    records: int = 0
    not_snv: int = 0
    filtered: int = 0
    merged: int = 0
    unphased: int = 0
    low_quality: int = 0
    invariant: int = 0
    odd_position: int = 0


class Source(Protocol):
    """One file of genotypes: a VCF, a BCF, a VCF Zarr store, or sites with allele frequencies."""

    path: str
    counts: SourceCounts
    all_sites: bool | None
    """Whether the file states invariant positions too, so that a position without a record is unknown
    in it; None if it cannot tell."""

    @property
    def samples(self) -> Sequence[str]:
        """All samples, in the order of the file."""
        ...

    @property
    def contigs(self) -> Mapping[str, int | None]:
        """Chromosomes that the header names, in its order, with their lengths where stated."""
        ...

    def read(
        self,
        samples: Sequence[str],
        settings: CallSettings | Sequence[CallSettings],
        stretches: Sequence[Stretch] | None = None,
    ) -> Iterator[SiteRows]:
        """Yield the sites of the chosen samples, chromosome by chromosome.

        Single-base substitutions only; records of one position are one row. A pipe can be read once.

        Parameters
        ----------
        samples
            Names of the chosen samples, all in :attr:`samples`; their order is that of the columns.
        settings
            Which records and calls count: one for all samples, or one for each (targets need phase,
            an archaic may have least qualities). ``filters`` is that of the first.
        stretches
            Sorted, disjoint stretches to read, through the file's index; None reads everything.
            A file without index is read from the start, and what lies outside is passed over.

        Raises
        ------
        InputError
            The file is invalid, unsorted or truncated, or needs phase and has none.
        """
        ...


@dataclass
class VariantBlock:
    """Variant sites of one stretch of one chromosome.

    Attributes
    ----------
    chrom
        Chromosome.
    positions
        0-based positions, shape (sites,), strictly increasing.
    target, outgroup, archaic
        Base (A, C, G, T = 0..3) of each haplotype at each site, shape (sites, haplotypes), int8;
        :data:`UNKNOWN` or :data:`ABSENT` otherwise.
    start, end
        The stretch in bp for which this block is complete; ``positions`` reaches beyond it on
        either side by the requested overlap.
    length
        Length of the chromosome in bp; None until it is known (if the header does not state it
        and more blocks follow).
    last
        Whether the chromosome ends with this block.
    uncallable
        Sorted, disjoint stretches (start, end) in bp of which nothing is known, because of masks or because a
        file that states invariant positions has none there; they reach over the overlap too.
    reference
        Base of the reference at each site, or :data:`UNKNOWN`, shape (sites,), int8; None if it is not told.
    """

    chrom: str
    positions: np.ndarray
    target: np.ndarray
    outgroup: np.ndarray
    archaic: np.ndarray
    start: int = 0
    end: int = 0
    length: int | None = None
    last: bool = True
    uncallable: Sequence[tuple[int, int]] = ()
    reference: np.ndarray | None = None
