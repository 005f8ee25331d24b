"""VCF and BCF to base alleles per haplotype, checked, in blocks of bounded size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


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
        Allele of each haplotype at each site, shape (sites, haplotypes), int8; -1 is missing.
        The numbers mean nothing but sameness within a site; they are below 4.
    """

    chrom: str
    positions: np.ndarray
    target: np.ndarray
    outgroup: np.ndarray
    archaic: np.ndarray
