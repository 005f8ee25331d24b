"""Lengths of sequences, as files state them that come with a genome."""

from __future__ import annotations

import re

from genolstm.errors import InputError
from genolstm.files import PathLike, display_name, read_lines
from genolstm.introgression.formats import read_name
from genolstm.numbers import LAST_POSITION, read_integer


def read_genome(path: PathLike) -> dict[str, int]:
    """Read the lengths of sequences in bp.

    Parameters
    ----------
    path
        Names and lengths in the first two columns, separated by tabs, as in ``.fai`` and ``chrom.sizes``; or the
        header of a VCF (``##contig``) or of a SAM file (``@SQ``), behind which nothing is read.

    Raises
    ------
    InputError
        A line is none of these, a sequence stands twice, or there is none.
    """
    name = display_name(path)
    found: dict[str, int] = {}
    for number, line in read_lines(path):
        if line.startswith("#CHROM\t"):
            break
        if line.startswith("##contig="):
            pair = _of_contig(line)
        elif re.match(r"@[A-Z][A-Z]\t", line):
            pair = _of_record(line)
        elif not line.strip() or line.startswith("#"):
            continue
        else:
            fields = line.split("\t")
            if len(fields) < 2:
                raise InputError(
                    "has no tab between a name and a length",
                    path=name,
                    line=number,
                    hint="give a .fai, a table of names and lengths, or the header of a VCF",
                )
            pair = fields[0], fields[1]
        if pair is None:
            continue
        chrom = read_name(pair[0], path, number)
        if chrom in found:
            raise InputError(f"the sequence {chrom} stands twice", path=name, line=number)
        found[chrom] = read_integer(pair[1], "a length", low=1, high=LAST_POSITION, path=name, line=number)
    if not found:
        raise InputError("states the length of no sequence", path=name)
    return found


def _of_contig(line: str) -> tuple[str, str] | None:
    """Return name and length of a line of a VCF's header; None if it has no length, which is allowed."""
    named, long = (re.search(rf"[<,]{key}=([^,>]*)", line) for key in ("ID", "length"))
    return (named[1], long[1]) if named and long else None


def _of_record(line: str) -> tuple[str, str] | None:
    """Return name and length of a line of a SAM file's header, if it is of a sequence."""
    fields = {field[:3]: field[3:] for field in line.split("\t")[1:]}
    return (fields["SN:"], fields["LN:"]) if line.startswith("@SQ\t") and {"SN:", "LN:"} <= set(fields) else None
