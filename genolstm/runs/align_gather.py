"""``align gather``: joins the files of alignments that were made in parts, query by query."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import IO

from genolstm.alignment.formats.pairwise import TableWriter
from genolstm.alignment.settings import GATHERED
from genolstm.errors import InputError, SettingError
from genolstm.files import PathLike, atomic_text, check_paths, display_name, is_regular, read_lines
from genolstm.numbers import parse_integer
from genolstm.runs.inputs import check_format

_Lines = Iterator[tuple[int, str]]
_PROGRAM = re.compile(r"\tID:([^\t]+)")
#: Fewest columns of a record, whether it may have more, and which of them hold whole numbers.
_SHAPES = {
    "paf": (12, True, (1, 2, 3, 6, 7, 8, 9, 10, 11)),
    "sam": (11, True, (1, 3, 4, 7, 8)),
    "outfmt6": (12, False, (3, 4, 5, 6, 7, 8, 9)),
    "tsv": (len(TableWriter.columns), False, (3,)),
}


def run(parts: Sequence[PathLike], output: PathLike = "-", *, form: str = "paf", force: bool = False) -> int:
    """Join the alignments of different queries with the same references.

    The records keep the order of the parts, so that the parts of a file of queries give what the whole file would
    have given. SAM keeps the command of every part (``@PG``).

    Parameters
    ----------
    parts
        Files of the same format, as ``align score`` and ``align search`` write them.
    output
        File to write; ``-`` is standard output.
    form
        Format of the parts and of the output, one of :data:`genolstm.alignment.settings.GATHERED`.
    force
        Whether to replace an existing output.

    Returns
    -------
    int
        Number of records written.

    Raises
    ------
    InputError
        A part is of another format, was aligned to other references (SAM tells), or holds a query of an
        earlier part.
    """
    check_format(form, GATHERED)
    if not parts:
        raise SettingError("there is nothing to gather")
    check_paths(parts, [output], force=force)
    with atomic_text(output, force=force) as stream:
        if form == "sam":
            bodies = _sam(parts, stream)
        elif form == "tsv":
            stream.write("\t".join(TableWriter.columns) + "\n")
            bodies = (_below_columns(part) for part in parts)
        else:
            bodies = (read_lines(part) for part in parts)
        return _join(parts, bodies, form, stream.write)


def _join(parts: Sequence[PathLike], bodies: Iterator[_Lines], form: str, write: Callable[[str], object]) -> int:
    least, more, numbers = _SHAPES[form]
    owners: dict[str, int] = {}
    written = 0
    for number, (part, body) in enumerate(zip(parts, bodies, strict=True)):
        last = None
        for at, line in body:
            fields = line.split("\t")
            if len(fields) < least or (len(fields) > least and not more):
                reason = f"a line of {form} has {least} columns{' or more' if more else ''}, this one has {len(fields)}"
                raise InputError(reason, path=display_name(part), line=at)
            for column in numbers:
                if parse_integer(fields[column]) is None:
                    reason = f"column {column + 1} of {form} is a whole number, this one is {fields[column]!r}"
                    raise InputError(reason, path=display_name(part), line=at)
            if fields[0] != last:
                last = fields[0]
                if owners.setdefault(last, number) != number:
                    raise InputError(
                        f"the query is already in {display_name(parts[owners[last]])}",
                        path=display_name(part),
                        line=at,
                        record=last,
                        hint="gather parts of different queries, and alignments to other references by themselves",
                    )
            write(line + "\n")
            written += 1
    return written


def _below_columns(part: PathLike) -> _Lines:
    lines = read_lines(part)
    at, line = next(lines, (1, ""))
    if tuple(line.split("\t")) != TableWriter.columns:
        raise InputError("has not the columns of a table of `align --format tsv`", path=display_name(part), line=at)
    return lines


def _sam(parts: Sequence[PathLike], stream: IO[str]) -> Iterator[_Lines]:
    """Write the header of all parts, and return the records of each.

    Every part is opened twice, rather than all of them at once.
    """
    for part in parts:
        if not is_regular(part):
            raise InputError("is no regular file: parts in SAM are read twice", path=display_name(part))
    first: list[str] = []
    programs: dict[str, str] = {}
    for part in parts:
        own: list[str] = []
        for at, line in read_lines(part):
            if not line.startswith("@"):
                break
            kind = line.split("\t", 1)[0]
            if kind == "@PG":
                _add_program(programs, line, part, at)
            elif kind in ("@HD", "@SQ"):
                own.append(line)
            else:
                raise InputError(f"has a line {kind}, which `align` does not write", path=display_name(part), line=at)
        if not own or not own[0].startswith("@HD"):
            raise InputError("has no header of SAM", path=display_name(part), line=1)
        first = first or own
        if own != first:
            raise InputError(
                f"has other references (@SQ) than {display_name(parts[0])}",
                path=display_name(part),
                hint="gather what was aligned to the same file of references",
            )
    stream.writelines(f"{line}\n" for line in (*first, *programs.values()))
    return (((at, line) for at, line in read_lines(part) if not line.startswith("@")) for part in parts)


def _add_program(programs: dict[str, str], line: str, part: PathLike, at: int) -> None:
    """Add a program under a name that no other has, as SAM wants it."""
    found = _PROGRAM.search(line)
    if found is None:
        raise InputError("the program has no ID", path=display_name(part), line=at)
    if line in programs.values():
        return
    name, number = found[1], 1
    while name in programs:
        number += 1
        name = f"{found[1]}.{number}"
    programs[name] = f"{line[: found.start(1)]}{name}{line[found.end(1) :]}"
