"""How a k-mer panel is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from genolstm.settings import Range, check

MAX_K = 31


@dataclass(frozen=True)
class PanelSettings:
    """How a panel is made from FASTA or FASTQ files.

    Parameters
    ----------
    k
        Length of the k-mers.
    haplotypes
        What makes up one haplotype: a record (adjacent contigs named SAMPLE#1#contig are joined),
        or a file of many contigs.
    min_count
        For raw reads: drop k-mers that occur less often than this, as sequencing errors. All files
        are then one individual, or each file is one if haplotypes is ``file``; k-mers are counted
        once per individual. 1 drops nothing.
    skip_short
        Skip records shorter than k instead of refusing them; short reads are always skipped.
    """

    k: Annotated[int, Range(1, MAX_K)] = 31
    haplotypes: Literal["record", "file"] = "record"
    min_count: Annotated[int, Range(1)] = 1
    skip_short: bool = False

    def __post_init__(self) -> None:
        check(self)


PANEL = PanelSettings()

MEMORY = 4 << 30
"""Bytes of memory that building a panel may take by default."""
LEAST_MEMORY = 256 << 20
"""Fewer bytes do not even hold the program and its buffers."""
