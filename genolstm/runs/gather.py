"""``genolstm introgression gather``: join the files of a scan that was run in parts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from genolstm.errors import InputError, SettingError
from genolstm.files import PathLike, atomic_text, check_paths, display_name, read_lines
from genolstm.introgression.evidence import EVIDENCE_COLUMNS, is_evidence, read_site
from genolstm.introgression.exports import write_gff3
from genolstm.introgression.formats import (
    POSTERIOR_COLUMNS,
    SEGMENT_COLUMNS,
    is_source_column,
    read_header,
    read_name,
    read_probability,
    read_span,
    sources_of,
    split_row,
)
from genolstm.introgression.ids import numbered, segment_ids
from genolstm.introgression.segments import Segment
from genolstm.numbers import read_integer
from genolstm.runs.scan_outputs import BED_NAMES, TABLE_NAMES, Segments, check_name, is_gff3

#: What is gathered keeps the format of its parts, but segments may become GFF3 as in a scan.
_SUFFIXES = {SEGMENT_COLUMNS: Segments.suffixes, POSTERIOR_COLUMNS: BED_NAMES, EVIDENCE_COLUMNS: TABLE_NAMES}
_NAME, _SAMPLE = SEGMENT_COLUMNS.index("name"), SEGMENT_COLUMNS.index("sample")


def run(parts: Sequence[PathLike], output: PathLike, *, force: bool = False) -> int:
    """Join the segments, the posteriors or the evidence, of scans of different haplotypes or sequences.

    Segments and evidence are sorted by position, and segments are numbered anew in that order: they get the
    ids that one scan of everything would have given them. The evidence of the same parts gets the same ids, as
    every segment has some. Posterior tables need not fit in memory: they are written one after another in the
    given order.

    Parameters
    ----------
    parts
        Files of the same kind, as ``scan`` writes them.
    output
        File to write; compressed if its name ends in ``.gz``. Segments are written as GFF3 if it ends so.
    force
        Whether to replace an existing output.

    Returns
    -------
    int
        Number of segments, bins or sites written.

    Raises
    ------
    InputError
        A part differs in kind from the first, has a malformed line, or holds a haplotype of a
        sequence that is already in an earlier part.
    """
    if not parts:
        raise SettingError("there is nothing to gather")
    check_paths(parts, [output], force=force)
    # Each part is opened once: it may be a pipe.
    first = read_lines(parts[0])
    header, columns = read_header(first)
    kind = None if columns is None else _kind(columns)
    if columns is None or kind is None:
        raise InputError(
            "has the header of neither segments nor posteriors nor evidence",
            path=display_name(parts[0]),
            line=max(len(header), 1),
        )
    check_name(output, "what is gathered", _SUFFIXES[kind])
    owners: dict[tuple[str, str, str], int] = {}
    lines: Iterator[str] = chain.from_iterable(
        _lines(part, number, first if number == 0 else None, header, columns, owners)
        for number, part in enumerate(parts)
    )
    if kind == SEGMENT_COLUMNS and is_gff3(output):
        sources = sources_of(columns)
        segments = [_segment(line, columns) for line in _numbered(lines, columns)]
        with atomic_text(output, force=force) as target:
            # How long the sequences are is not told by segments.
            write_gff3(target, segments, sources, lengths={}, stamp=_stamp(header))
        return len(segments)
    if kind == SEGMENT_COLUMNS:
        lines = _numbered(lines, columns)
    elif kind == EVIDENCE_COLUMNS:
        lines = _evidence_numbered(lines, columns)
    written = 0
    with atomic_text(output, force=force) as target:
        target.writelines(f"{line}\n" for line in header)
        for written, line in enumerate(lines, start=1):  # noqa: B007
            target.write(line)
    return written


def _kind(columns: Sequence[str]) -> tuple[str, ...] | None:
    """Return the columns that every table of this kind has; those of the sources' posteriors follow them."""
    for kind in (SEGMENT_COLUMNS, POSTERIOR_COLUMNS):
        if tuple(columns[: len(kind)]) == kind and all(map(is_source_column, columns[len(kind) :])):
            return kind
    return EVIDENCE_COLUMNS if is_evidence(columns) else None


def _lines(
    path: PathLike,
    number: int,
    begun: Iterator[tuple[int, str]] | None,
    header: list[str],
    columns: list[str],
    owners: dict[tuple[str, str, str], int],
) -> Iterator[str]:
    """Yield the lines of a part, and check that no haplotype occurs in two parts.

    ``begun`` holds the lines of a part whose header was read already.
    """
    name = display_name(path)
    column = columns.index("sample")
    of_evidence = is_evidence(columns)
    posteriors = [i for i, name in enumerate(columns) if name == "posterior" or is_source_column(name)]
    counts = [i for i, name in enumerate(columns) if name in ("n_sites", "n_match")]
    lines = read_lines(path) if begun is None else begun
    if begun is None:
        own, others = read_header(lines)
        if own != header:
            hint = None
            if others == columns:
                hint = "it was made by another version or model: scan all parts with the same one"
            elif others is not None and _kind(others) == _kind(columns):
                hint = (
                    "it was compared with other archaic sources: scan all parts with the same ones, in the same order"
                )
            raise InputError("has a different header from the first file", path=name, line=1, hint=hint)
    for at, line in lines:
        fields = split_row(line, columns, path, at)
        if of_evidence:
            read_site(line, columns, path, at)
        else:
            read_span(fields, path, at)
        for count in counts:
            read_integer(fields[count], "a number of sites", path=name, line=at)
        for posterior in posteriors:
            read_probability(fields[posterior], path, at)
        names = zip(("name", "sample", "haplotype"), (0, column, column + 1), strict=True)
        chrom, sample, haplotype = (read_name(fields[place], path, at, f"the {what}") for what, place in names)
        key = (chrom, sample, haplotype)
        if owners.setdefault(key, number) != number:
            raise InputError(
                f"the haplotype {key[1]} {key[2]} of {key[0]} is already in an earlier file", path=name, line=at
            )
        yield line + "\n"


def _numbered(lines: Iterable[str], columns: Sequence[str]) -> Iterator[str]:
    """Sort segments by position and number them anew, source by source."""
    n = len(SEGMENT_COLUMNS)
    rows = sorted((line.split("\t") for line in lines), key=_place)
    sources = sources_of(columns)
    for fields, name in zip(rows, segment_ids((fields[n - 1] for fields in rows), sources), strict=True):
        fields[_NAME] = name
        yield "\t".join(fields)


def _segment(line: str, columns: Sequence[str]) -> Segment:
    """Return the segment of a line that was checked."""
    of = dict(zip(columns, line.rstrip("\n").split("\t"), strict=True))
    return Segment(
        of["chrom"],
        int(of["start"]),
        int(of["end"]),
        of["sample"],
        of["haplotype"],
        float(of["posterior"]),
        int(of["n_sites"]),
        int(of["n_match"]),
        of["source"],
        tuple(float(of[column]) for column in columns if is_source_column(column)),
    )


def _stamp(header: Sequence[str]) -> str | None:
    """Return what made a table, as it stands above its columns, or in the line of these."""
    first = header[0].removeprefix("##").split(" ")[0]
    return first if first.startswith("genolstm=") else None


def _place(fields: Sequence[str]) -> tuple[str, int, int, str, str]:
    chrom, start, end, *_ = fields
    return chrom, int(start), int(end), fields[_SAMPLE], fields[_SAMPLE + 1]


def _evidence_numbered(lines: Iterable[str], columns: Sequence[str]) -> Iterator[str]:
    """Sort evidence by position and number its segments anew, as :func:`_numbered` does."""
    name, pos = (columns.index(column) for column in ("segment", "pos"))
    key = [columns.index(column) for column in ("chrom", "segment_start", "segment_end", "sample", "haplotype")]
    rows = [line.split("\t") for line in lines]

    def segment(fields: Sequence[str]) -> tuple[str, int, int, str, str]:
        chrom, start, end, sample, haplotype = (fields[column] for column in key)
        return chrom, int(start), int(end), sample, haplotype

    found = sorted({segment(fields): fields[name].rpartition("_")[0] for fields in rows}.items())
    counts: dict[str, int] = {}
    ids: dict[tuple[str, int, int, str, str], tuple[int, str]] = {}
    for order, (place, prefix) in enumerate(found):
        counts[prefix] = counts.get(prefix, 0) + 1
        ids[place] = order, numbered(prefix, counts[prefix])
    for fields in sorted(rows, key=lambda fields: (fields[0], int(fields[pos]), ids[segment(fields)][0])):
        fields[name] = ids[segment(fields)][1]
        yield "\t".join(fields)
