"""Multiple alignments as FASTA, A2M and Stockholm."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import IO

import numpy as np
from Bio.SeqRecord import SeqRecord

from genolstm.alignment.formats.pairwise import STOCKHOLM_MARKS, check_name
from genolstm.alignment.msa import FamilyAlignment
from genolstm.alignment.result import confidence_signs
from genolstm.alignment.settings import FAMILY_FORMATS

WIDTH = 80


def _named(alignment: FamilyAlignment, marks: Sequence[str] = ()) -> Sequence[SeqRecord]:
    """Return the sequences, if the format can hold their names."""
    for record in alignment.sequences:
        check_name(str(record.id), marks=marks)
    return alignment.sequences


def write_fasta(alignment: FamilyAlignment, stream: IO[str]) -> None:
    """Write aligned FASTA with 80 letters per line; case is kept."""
    for record, row in zip(_named(alignment), alignment.rows(), strict=True):
        stream.write(f">{record.id}\n")
        stream.writelines(row[a : a + WIDTH] + "\n" for a in range(0, len(row), WIDTH))


def write_a2m(alignment: FamilyAlignment, stream: IO[str]) -> None:
    """Write A2M: columns in which at least half of the sequences have a residue are upper case.

    In all other columns, residues are lower case and gaps are dots.
    """
    full = (alignment.columns >= 0).mean(axis=0) >= 0.5
    for record, row in zip(_named(alignment), alignment.rows(), strict=True):
        letters = np.array(list(row.upper()))
        insert = np.char.lower(letters)
        insert[insert == "-"] = "."
        text = "".join(np.where(full, letters, insert).tolist())
        stream.write(f">{record.id}\n")
        stream.writelines(text[a : a + WIDTH] + "\n" for a in range(0, len(text), WIDTH))


def write_stockholm(alignment: FamilyAlignment, stream: IO[str]) -> None:
    """Write Stockholm 1.0 with the columns' confidence as ``#=GC PP_cons`` (0 to 9, * from .95)."""
    names = [str(r.id) for r in _named(alignment, STOCKHOLM_MARKS)]
    width = max(map(len, [*names, "#=GC PP_cons"]))
    stream.write(f"# STOCKHOLM 1.0\n#=GF SQ {len(names)}\n#=GF NH {alignment.tree}\n")
    for name, row in zip(names, alignment.rows(), strict=True):
        stream.write(f"{name:<{width}} {row}\n")
    stream.write(f"{'#=GC PP_cons':<{width}} {confidence_signs(alignment.confidence)}\n//\n")


MSA_FORMATS: dict[str, Callable[[FamilyAlignment, IO[str]], None]] = dict(
    zip(FAMILY_FORMATS, (write_fasta, write_a2m, write_stockholm), strict=True)
)
