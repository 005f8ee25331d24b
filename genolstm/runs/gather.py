"""``genolstm introgression gather``: join the files of a scan that was run in parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice

from genolstm.errors import InputError, SettingError
from genolstm.files import PathLike, atomic_text, check_output, display_name, open_input, read_lines, readable
from genolstm.introgression.formats import POSTERIOR_COLUMNS, SEGMENT_COLUMNS

_SEGMENTS = "#" + "\t".join(SEGMENT_COLUMNS)
_POSTERIORS = "#" + "\t".join(POSTERIOR_COLUMNS)


def run(parts: Sequence[PathLike], output: PathLike, *, force: bool = False) -> int:
    """Join the segments, or the posteriors, of scans of different haplotypes or sequences.

    Segments are sorted by position. Posterior tables need not fit in memory: they are
    written one after another in the given order.

    Parameters
    ----------
    parts
        Files of the same kind, as ``scan`` writes them.
    output
        File to write; compressed if its name ends in ``.gz``.
    force
        Whether to replace an existing output.

    Returns
    -------
    int
        Number of lines written, without the header.

    Raises
    ------
    InputError
        A part differs in kind from the first, has a malformed line, or holds a haplotype of a
        sequence that is already in an earlier part.
    """
    if not parts:
        raise SettingError("there is nothing to gather")
    check_output(output, force=force)
    header = _header(parts[0])
    if header not in (_SEGMENTS, _POSTERIORS):
        raise InputError(
            "has neither the header of segments nor that of posteriors", path=display_name(parts[0]), line=1
        )
    column = header.split("\t").index("sample")
    owners: dict[tuple[str, str, str], int] = {}
    lines: Iterator[str] = chain.from_iterable(
        _lines(part, number, header, column, owners) for number, part in enumerate(parts)
    )
    if header == _SEGMENTS:
        lines = iter(sorted(lines, key=_position))
    written = 0
    with atomic_text(output, force=force) as target:
        target.write(header + "\n")
        for written, line in enumerate(lines, start=1):  # noqa: B007
            target.write(line)
    return written


def _header(path: PathLike) -> str:
    with readable(path), open_input(path) as stream:
        return stream.readline(10_000).decode("utf-8", "replace").rstrip("\r\n")


def _lines(
    path: PathLike, number: int, header: str, column: int, owners: dict[tuple[str, str, str], int]
) -> Iterator[str]:
    """Yield the lines of a part, and check that no haplotype occurs in two parts."""
    name = display_name(path)
    width = header.count("\t")
    if _header(path) != header:
        raise InputError("has a different header from the first file", path=name, line=1)
    for at, line in islice(read_lines(path), 1, None):
        fields = line.split("\t")
        if len(fields) != width + 1 or not (fields[1].isdigit() and fields[2].isdigit()):
            raise InputError("does not fit the header", path=name, line=at)
        key = (fields[0], fields[column], fields[column + 1])
        if owners.setdefault(key, number) != number:
            raise InputError(
                f"the haplotype {key[1]} {key[2]} of {key[0]} is already in an earlier file", path=name, line=at
            )
        yield line + "\n"


def _position(line: str) -> tuple[str, int, int, str]:
    chrom, start, end, rest = line.split("\t", 3)
    return chrom, int(start), int(end), rest
