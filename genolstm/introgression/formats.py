"""The file formats of this pipeline: BED6+, posteriors, bedGraph, truth."""

from __future__ import annotations

import csv
import io
import re
import warnings
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from genolstm.errors import InputError, control_character, shown
from genolstm.files import PathLike, display_name, open_input, read_lines, readable
from genolstm.introgression.ids import segment_ids
from genolstm.introgression.segments import Interval, PosteriorBlock, Segment, merge_spans
from genolstm.introgression.settings import UNNAMED
from genolstm.numbers import LAST_POSITION, parse_integer, parse_number, read_integer, read_number
from genolstm.sequences.bigwig import Span

if TYPE_CHECKING:
    import pandas as pd

SEGMENT_COLUMNS = (
    "chrom",
    "start",
    "end",
    "name",
    "score",
    "strand",
    "sample",
    "haplotype",
    "posterior",
    "n_sites",
    "n_match",
    "source",
)
"""Columns of segments; one of posteriors for each source follows (see :func:`source_columns`)."""
TRUTH_COLUMNS = SEGMENT_COLUMNS[:8]
POSTERIOR_COLUMNS = ("chrom", "start", "end", "sample", "haplotype", "posterior")
"""Columns of posteriors; one for each source follows."""

#: A longer first line of a table is no header.
_LONGEST_HEADER = 1 << 16
#: Lines of a table that are looked at together.
_CHUNK = 1 << 18
_NAMES = ("chrom", "sample", "haplotype")

#: Posteriors are written with four decimals; formatting each value once makes writing fast.
_PROBABILITY = [f"{i / 10000:.4f}" for i in range(10001)]


def header_line(columns: Sequence[str]) -> str:
    """Return the line that names the columns of a table, without the line end."""
    return "#" + "\t".join(columns)


def stamp_line(stamp: str) -> str:
    """Return the comment above it that says what made the table, without the line end.

    It is a line of its own, so that pandas and R read the names of the columns as they are.

    Parameters
    ----------
    stamp
        As :func:`model_stamp` gives it.
    """
    return f"##{stamp}"


def write_header(stream: IO[str], columns: Sequence[str], *, stamp: str | None = None) -> None:
    """Write the stamp, if there is one, and the names of the columns."""
    if stamp is not None:
        stream.write(stamp_line(stamp) + "\n")
    stream.write(header_line(columns) + "\n")


def header_columns(line: str) -> list[str] | None:
    """Return the columns named by a header line; None for any other line.

    In tables of earlier versions, the stamp stands in the same line, before the first column.
    """
    if not line.startswith("#"):
        return None
    first, *others = line.split("\t")
    words = first.split()
    if words[-1].lstrip("#") != "chrom":
        return None
    return ["chrom", *others]


def read_header(lines: Iterator[tuple[int, str]]) -> tuple[list[str], list[str] | None]:
    """Take the header of a table from its numbered lines.

    Returns
    -------
    (list of str, list of str or None)
        Its lines as they are: comments that begin with ``##``, and the one that names the columns; and
        these columns, or None if the line behind the comments names none.
    """
    taken: list[str] = []
    for _, line in lines:
        taken.append(line)
        columns = header_columns(line)
        if columns is not None or not line.startswith("##"):
            return taken, columns
    return taken, None


def split_row(line: str, header: Sequence[str], path: PathLike, number: int) -> list[str]:
    """Return the fields of a line of a table.

    Raises
    ------
    InputError
        It has not one for each column, or is a comment.
    """
    fields = line.split("\t")
    if len(fields) != len(header) or line.startswith("#"):
        raise InputError("does not fit the header", path=display_name(path), line=number)
    return fields


def model_stamp(model: str, digest: str) -> str:
    """Return what a table says of its making: the version, the model's name and the begin of its SHA-256.

    It holds no white space, and a name's own ``;`` and ``=`` are replaced.
    """
    from importlib.metadata import version

    name = re.sub(r"[\s;=]+", "_", shown(model))
    return f"genolstm={version('genolstm')};model={name};sha256={digest[:12]}"


def _written(chrom: str) -> str:
    """Return the name of a sequence, unless its lines would be comments, and lost to whoever reads them."""
    if chrom.startswith("#"):
        raise InputError("a sequence whose name begins with '#' cannot be written", record=chrom, hint="rename it")
    return chrom


_OF_SOURCE = "posterior_"


def source_columns(sources: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the columns of each source's posterior."""
    return tuple(_OF_SOURCE + source for source in sources)


def sources_of(columns: Sequence[str]) -> tuple[str, ...]:
    """Return the sources of which a table has posteriors, and ``unknown``."""
    return tuple(column.removeprefix(_OF_SOURCE) for column in columns if is_source_column(column))


def is_source_column(name: str) -> bool:
    """Return whether a column holds a source's posterior."""
    return name.startswith(_OF_SOURCE)


def write_segments(
    stream: IO[str], segments: Sequence[Segment], sources: Sequence[str], *, stamp: str | None = None
) -> None:
    """Write BED6+; ``score`` is the posterior times 1000, ``name`` the id.

    Parameters
    ----------
    segments
        In the order of the output, which their ids follow (see :mod:`genolstm.introgression.ids`).
    sources
        Names of the archaic sources, and ``unknown``, in the order of the segments' shares.
    stamp
        What made them, as :func:`model_stamp` gives it.
    """
    write_header(stream, (*SEGMENT_COLUMNS, *source_columns(sources)), stamp=stamp)
    for name, s in zip(segment_ids((s.source for s in segments), sources), segments, strict=True):
        shares = "".join(f"\t{share:.4f}" for share in s.shares)
        stream.write(
            f"{_written(s.chrom)}\t{s.start}\t{s.end}\t{name}\t{round(1000 * s.posterior)}\t.\t"
            f"{s.sample}\t{s.haplotype}\t{s.posterior:.4f}\t{s.n_sites}\t{s.n_match}\t{s.source}{shares}\n"
        )


def segments_frame(segments: Sequence[Segment], sources: Sequence[str]) -> pd.DataFrame:
    """Return segments as a table with the columns of the BED file."""
    import pandas as pd

    frame = pd.DataFrame(segments, columns=list(Segment._fields))
    score = (1000 * frame["posterior"]).round().astype(int)
    shares = {
        name: np.array([segment.shares[i] for segment in segments], dtype=float)
        for i, name in enumerate(source_columns(sources))
    }
    frame = frame.assign(name=segment_ids(frame["source"], sources), score=score, strand=".", **shares)
    return frame[[*SEGMENT_COLUMNS, *shares]]


def write_truth(stream: IO[str], truth: Iterable[Interval], name: str = "archaic") -> None:
    """Write true tracts as BED6, followed by sample and haplotype."""
    stream.write(header_line(TRUTH_COLUMNS) + "\n")
    for t in truth:
        stream.write(f"{_written(t.chrom)}\t{t.start}\t{t.end}\t{name}\t1000\t.\t{t.sample}\t{t.haplotype}\n")


def write_truth_by_source(stream: IO[str], truth: Mapping[str, Iterable[Interval]]) -> None:
    """Write the true tracts of several sources, sorted by position; the last column names the source."""
    stream.write(header_line((*TRUTH_COLUMNS, "source")) + "\n")
    for t, source in sorted((tract, source) for source, tracts in truth.items() for tract in tracts):
        stream.write(
            f"{_written(t.chrom)}\t{t.start}\t{t.end}\t{source}\t1000\t.\t{t.sample}\t{t.haplotype}\t{source}\n"
        )


def write_posterior_header(stream: IO[str], sources: Sequence[str] = ()) -> None:
    """Write the header line of a posterior table."""
    stream.write(header_line((*POSTERIOR_COLUMNS, *source_columns(sources))) + "\n")


def write_posteriors(stream: IO[str], block: PosteriorBlock, bin_size: int) -> None:
    """Append every bin of every haplotype of a block, sorted by position.

    A bin in which a haplotype does not exist (the second one of a haploid call) is left out.
    """
    n_bins = block.posterior.shape[1]
    exists = ~np.isnan(block.posterior.T)
    every = exists.all()
    levels = _levels(block.posterior.T)
    shares = [] if block.shares is None else [_levels(block.shares[:, :, i].T) for i in range(len(block.sources))]
    tails = [f"\t{sample}\t{haplotype}\t" for sample, haplotype in block.haplotypes]
    limit = block.length if block.length is not None else (block.first_bin + n_bins) * bin_size
    text = _PROBABILITY
    chrom = _written(block.chrom)
    lines: list[str] = []
    for b in range(n_bins):
        start = (block.first_bin + b) * bin_size
        head = f"{chrom}\t{start}\t{min(start + bin_size, limit)}"
        ends = ["\n"] * len(tails)
        for share in reversed(shares):
            ends = [f"\t{text[level]}{end}" for level, end in zip(share[b].tolist(), ends, strict=True)]
        row = zip(tails, levels[b].tolist(), ends, strict=True)
        lines += [f"{head}{tail}{text[level]}{end}" for tail, level, end in row if every or level >= 0]
        if len(lines) > 100_000:
            stream.write("".join(lines))
            lines.clear()
    stream.write("".join(lines))


def _levels(values: np.ndarray) -> np.ndarray:
    """Return probabilities in units of the last decimal, -1 for NaN."""
    return np.where(np.isnan(values), -1, np.round(np.nan_to_num(values) * 10000)).astype(np.int64)


_NO_LEVEL = 0xFFFF
"""Stands for a bin in which a haplotype does not exist."""


_Block = tuple[str, int, int | None, np.ndarray]


def runs(values: np.ndarray) -> Iterator[tuple[int, int, Any]]:
    """Yield first, end and value of each run of equal values."""
    edges = np.flatnonzero(values[1:] != values[:-1]) + 1
    starts = [0, *edges.tolist()] if len(values) else []
    yield from zip(starts, [*edges.tolist(), len(values)], values[starts].tolist(), strict=False)


class BedGraphCollector:
    """Gathers posteriors as bedGraph, one ``track`` per haplotype.

    Haplotypes arrive interleaved, but a bedGraph needs them one after another, so posteriors are
    held in memory, at two bytes per bin, until the end.
    """

    def __init__(self, bin_size: int) -> None:
        self.bin_size = bin_size
        self._blocks: dict[tuple[str, str], list[_Block]] = {}

    def add(self, block: PosteriorBlock) -> None:
        """Add a block."""
        chrom = _written(block.chrom)
        exists = ~np.isnan(block.posterior)
        levels = np.where(exists, np.round(np.nan_to_num(block.posterior) * 1000), _NO_LEVEL).astype(np.uint16)
        for row, (sample, haplotype) in zip(levels, block.haplotypes, strict=True):
            self._blocks.setdefault((sample, haplotype), []).append((chrom, block.first_bin, block.length, row))

    def tracks(self, *, ordered: bool = False) -> Iterator[tuple[tuple[str, str], Iterator[Span]]]:
        """Yield each haplotype and its stretches of equal posteriors, with three decimals.

        Parameters
        ----------
        ordered
            Whether sequences come in the order of their names, and not as they were read.
        """
        for name, blocks in self._blocks.items():
            yield name, self._spans(sorted(blocks, key=_by_place) if ordered else blocks)

    def _spans(self, blocks: Iterable[_Block]) -> Iterator[Span]:
        for chrom, first_bin, length, row in blocks:
            limit = length if length is not None else (first_bin + len(row)) * self.bin_size
            for a, b, level in runs(row):
                if level != _NO_LEVEL:
                    start, end = (first_bin + a) * self.bin_size, min((first_bin + b) * self.bin_size, limit)
                    yield chrom, start, end, level / 1000

    def write(self, stream: IO[str]) -> None:
        """Write all tracks; neighbouring bins with equal values share a line."""
        for (sample, haplotype), spans in self.tracks():
            stream.write(
                f'track type=bedGraph name="{sample} haplotype {haplotype}" '
                'description="posterior of archaic ancestry" viewLimits=0:1 autoScale=off\n'
            )
            stream.writelines(f"{chrom}\t{start}\t{end}\t{value:.3f}\n" for chrom, start, end, value in spans)


def _by_place(block: _Block) -> tuple[bytes, int]:
    return block[0].encode("utf-8"), block[1]


class UnknownCollector:
    """Gathers the stretches of each haplotype of which nothing is known, as BED.

    There the posterior is the prior, and no segment is called.
    """

    def __init__(self, bin_size: int) -> None:
        self.bin_size = bin_size
        self._spans: dict[str, dict[tuple[str, str], list[tuple[int, int]]]] = {}

    def add(self, block: PosteriorBlock) -> None:
        """Add a block."""
        if block.callable is None:
            return
        unknown = ~block.known() & ~np.isnan(block.posterior)
        of_chrom = self._spans.setdefault(_written(block.chrom), {})
        for row, (sample, haplotype) in zip(unknown, block.haplotypes, strict=True):
            if not row.any():
                continue
            edges = np.flatnonzero(np.diff(np.concatenate([[False], row, [False]])))
            spans = of_chrom.setdefault((sample, haplotype), [])
            for a, b in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
                start, end = (block.first_bin + a) * self.bin_size, (block.first_bin + b) * self.bin_size
                if block.length is not None:
                    end = min(end, block.length)
                if spans and spans[-1][1] == start:
                    start = spans.pop()[0]
                spans.append((start, end))

    def write(self, stream: IO[str]) -> None:
        """Write all stretches, sorted by position within each sequence."""
        stream.write("#" + "\t".join(TRUTH_COLUMNS) + "\n")
        for chrom, members in self._spans.items():
            rows = sorted((a, b, name) for name, spans in members.items() for a, b in spans)
            for start, end, (sample, haplotype) in rows:
                stream.write(f"{chrom}\t{start}\t{end}\tunknown\t0\t.\t{sample}\t{haplotype}\n")


def is_display_line(line: str) -> bool:
    """Return whether a line tells a genome browser how to draw: ``track ...`` or ``browser ...``.

    A sequence may be called ``track7``, or even ``track``: what has two positions is data.
    """
    if not line.startswith(("track", "browser")) or line.split(None, 1)[0] not in ("track", "browser"):
        return False
    fields = line.split("\t", 3)
    return len(fields) < 3 or not all(re.fullmatch(r"[0-9]+", field) for field in fields[1:3])


def _check_bed(line: str, path: PathLike, number: int) -> None:
    """Refuse a file whose comment says that it is GFF, where positions are others."""
    if line.startswith("##gff-version"):
        raise InputError("is GFF, and BED is needed", path=display_name(path), line=number)


def read_name(text: str, path: PathLike, number: int, what: str = "the name") -> str:
    """Return a name as it is; one that differs from another only in white space would match nothing.

    Raises
    ------
    InputError
        It is empty, has white space around it, or holds a control character.
    """
    if not text or text != text.strip():
        reason = f"{what} {text!r} begins or ends with white space" if text.strip() else f"{what} is empty"
        raise InputError(reason, path=display_name(path), line=number)
    control = control_character(text)
    if control is not None:
        raise InputError(f"{what} holds the control character {control}", path=display_name(path), line=number)
    return text


def read_span(fields: Sequence[str], path: PathLike, number: int) -> tuple[int, int]:
    """Return start and end, which are columns 2 and 3 of a line.

    Raises
    ------
    InputError
        They are no interval, or lie beyond the greatest position.
    """
    name = display_name(path)
    # Numbers without bounds: what is wrong with one that is out of them shows beside the other.
    start = read_integer(fields[1], "a position", low=None, high=None, path=name, line=number)
    end = read_integer(fields[2], "a position", low=None, high=None, path=name, line=number)
    if not 0 <= start < end:
        raise InputError(f"{start} to {end} is not an interval (0-based, half-open)", path=name, line=number)
    if end > LAST_POSITION:
        raise InputError(f"{end} is beyond the greatest position, {LAST_POSITION}", path=name, line=number)
    return start, end


def read_probability(text: str, path: PathLike, number: int) -> float:
    """Return a posterior.

    Raises
    ------
    InputError
        It is no number between 0 and 1.
    """
    return read_number(text, "a posterior (0 to 1)", low=0, high=1, path=display_name(path), line=number)


def read_intervals(path: PathLike) -> list[tuple[Interval, float]]:
    """Read segments or true tracts with their posteriors (1 if none is given).

    The columns ``sample``, ``haplotype`` and ``posterior`` are located by the header line; without
    one, they are columns 7, 8 and 9.

    Raises
    ------
    InputError
        The file is empty, a line has too few columns, start and end are not an interval, or a name
        has white space around it.
    """
    return [(entry.interval, entry.posterior) for entry in read_numbered_intervals(path)]


class Numbered(NamedTuple):
    """An interval of a file: its posterior (1 if none is given), line number, and source (or else its name).

    ``sources`` are those of which the file has posteriors; None if its header names no column of sources.
    """

    interval: Interval
    posterior: float
    line: int
    source: str
    sources: tuple[str, ...] | None = None


def read_numbered_intervals(path: PathLike) -> list[Numbered]:
    """Read what :func:`read_intervals` reads, the number of each line, and the source."""
    return numbered_intervals(read_lines(path), path)


def numbered_intervals(lines: Iterable[tuple[int, str]], path: PathLike) -> list[Numbered]:
    """Return what :func:`read_numbered_intervals` does, of lines that were already read from a file."""
    columns = {"sample": 6, "haplotype": 7, "posterior": 8}
    source = 3
    sources: tuple[str, ...] | None = None
    found: list[Numbered] = []
    number = 0
    for number, line in lines:
        if not line.strip() or is_display_line(line):
            continue
        if line.startswith("#"):
            _check_bed(line, path, number)
            names = header_columns(line)
            if names is not None:
                columns = {n: names.index(n) for n in columns if n in names}
                source = names.index("source") if "source" in names else 3
                sources = sources_of(names) if "source" in names else None
                if "sample" not in columns or "haplotype" not in columns:
                    raise InputError(
                        "the header has no columns sample and haplotype", path=display_name(path), line=number
                    )
            continue
        fields = line.split("\t")
        if len(fields) <= max(columns["sample"], columns["haplotype"]):
            raise InputError(
                f"has {len(fields)} tab-separated columns, sample and haplotype are missing",
                path=display_name(path),
                line=number,
            )
        start, end = read_span(fields, path, number)
        at = columns.get("posterior")
        text = "1" if at is None or at >= len(fields) else fields[at]
        posterior = read_probability(text, path, number)
        chrom = read_name(fields[0], path, number)
        sample, haplotype = (read_name(fields[columns[n]], path, number, f"the {n}") for n in ("sample", "haplotype"))
        name = fields[source] if source < len(fields) else UNNAMED
        found.append(Numbered(Interval(chrom, start, end, sample, haplotype), posterior, number, name, sources))
    if not number:
        raise InputError("is empty", path=display_name(path))
    return found


def line_of(path: PathLike, end: Interval) -> int | None:
    """Return the line number of the tract on the same haplotype and with the same end as ``end``."""
    for number, line in read_lines(path):
        fields = line.split("\t")
        if {end.chrom, str(end.end), end.sample, end.haplotype} <= set(fields):
            return number
    return None


def near_names(names: Iterable[str], known: Collection[str]) -> list[tuple[str, str]]:
    """Find names that are unknown, but differ from a known one only in ``chr``, case or white space.

    Such a name is most likely meant to be the other: what it stands for would be lost without a word.
    ``M`` and ``MT`` are taken for the same too.

    Parameters
    ----------
    names
        Names of sequences, such as those of a mask.
    known
        Names of the sequences in the data.

    Returns
    -------
    list of (str, str)
        The name, and the known one that it may mean, in the order of ``names``.
    """
    exact = set(known)
    meant: dict[str, str] = {}
    for name in sorted(exact):
        meant.setdefault(_plain(name), name)
    found = ((name, meant.get(_plain(name))) for name in dict.fromkeys(names) if name not in exact)
    return [(name, other) for name, other in found if other is not None]


def _plain(name: str) -> str:
    bare = "".join(name.split()).casefold()
    bare = bare.removeprefix("chr") or bare
    return "m" if bare == "mt" else bare


def read_posteriors(path: PathLike, *, by_source: bool = False) -> pd.DataFrame:
    """Read a table of posteriors.

    Parameters
    ----------
    by_source
        Whether to read the columns of each source's posterior as well.

    Raises
    ------
    InputError
        The file is not such a table, has no rows, a number is none or out of bounds, a name has white
        space around it, or two bins of a haplotype overlap.
    """
    import pandas as pd

    parts = list(read_posterior_parts(path, by_source=by_source))
    known = parts[-1].names
    found = {column: np.concatenate([part.columns[column] for part in parts]) for column in parts[0].columns}
    _check_overlaps(found, display_name(path))
    named = {column: pd.Categorical.from_codes(found[column], pd.Index(list(known[column]))) for column in _NAMES}
    return pd.DataFrame(found | named)


class PosteriorPart(NamedTuple):
    """Some lines of a table of posteriors: its columns, names as their places in ``names``, and the first line."""

    columns: dict[str, np.ndarray]
    names: dict[str, dict[str, int]]
    line: int


def read_posterior_parts(path: PathLike, *, by_source: bool = False) -> Iterator[PosteriorPart]:
    """Read a table of posteriors part by part, in memory that does not grow with it.

    All parts share ``names``, which grows. Whether bins overlap is for the caller to check; the parameters
    are those of :func:`read_posteriors`.

    Raises
    ------
    InputError
        As :func:`read_posteriors` does, but for overlaps.
    """
    import pandas as pd

    name = display_name(path)
    known: dict[str, dict[str, int]] = {column: {} for column in _NAMES}
    number = 2  # of the next line
    try:
        with readable(path), open_input(path) as stream:
            columns, lines = _posterior_columns(stream, name, by_source)
            # As text: pandas itself takes ' 1' for a number, and 007 and NA for something else than names.
            chunks = iter(
                pd.read_csv(
                    cast("Any", _WithoutNul(lines, name)),
                    sep="\t",
                    header=None,
                    names=columns,
                    index_col=False,
                    skip_blank_lines=False,
                    na_filter=False,
                    quoting=csv.QUOTE_NONE,
                    dtype=object,
                    chunksize=_CHUNK,
                )
            )
            while True:
                # Not around the yield: what is caught would be that of whoever reads, too.
                with warnings.catch_warnings():
                    # A first line with more columns than the header has is cut, with no more than a warning.
                    warnings.simplefilter("error", pd.errors.ParserWarning)
                    chunk = next(chunks, None)
                if chunk is None:
                    break
                if len(chunk):
                    yield PosteriorPart(_posterior_part(chunk, known, path, number), known, number)
                    number += len(chunk)
    except pd.errors.EmptyDataError:
        pass
    except pd.errors.ParserWarning as e:
        raise InputError("has more columns than the header", path=name, line=number) from e
    except (pd.errors.ParserError, UnicodeDecodeError, ValueError) as e:
        raise InputError(f"is not a posterior table ({e})", path=name) from e
    if number == 2:
        raise InputError("holds no bin", path=name)


class _WithoutNul:
    """A table that holds no NUL: versions of pandas before 3.1 drop it and what follows it in a field."""

    def __init__(self, stream: IO[bytes], name: str) -> None:
        self._stream, self._name, self._line = stream, name, 2

    def read(self, size: int = -1) -> bytes:
        content = self._stream.read(size)
        at = content.find(b"\0")
        if at >= 0:
            line = self._line + content.count(b"\n", 0, at)
            # pandas passes on what is raised here.
            raise InputError(r"a field holds the control character \x00", path=self._name, line=line)
        self._line += content.count(b"\n")
        return content

    def __iter__(self) -> Iterator[bytes]:  # pandas takes only what has it for a file
        return iter(lambda: self.read(1 << 16), b"")


def _posterior_part(
    chunk: pd.DataFrame, known: dict[str, dict[str, int]], path: PathLike, number: int
) -> dict[str, np.ndarray]:
    """Return the columns of some lines, names as their numbers in ``known``, which is added to.

    Each different word is looked at once: there are far fewer of them than lines.
    """
    import pandas as pd

    found: dict[str, np.ndarray] = {}
    before = {column: len(words) for column, words in known.items()}
    good = np.ones(len(chunk), dtype=bool)
    shares = [column for column in chunk.columns if is_source_column(column)]
    for column in (*POSTERIOR_COLUMNS, *shares):
        codes, words = pd.factorize(chunk[column])
        if column in _NAMES:
            values = np.array([known[column].setdefault(word, len(known[column])) for word in words], np.int32)
            # A line that begins with # is a comment elsewhere.
            good &= np.array([word != "" and not (column == "chrom" and word[0] == "#") for word in words])[codes]
        else:
            parse = parse_integer if column in ("start", "end") else parse_number
            values = np.array([-1 if (value := parse(word)) is None else value for word in words], float)
        found[column] = values[codes]
    start, end, posterior = (found[column] for column in ("start", "end", "posterior"))
    good &= (start >= 0) & (start < end) & (end <= LAST_POSITION)
    for probability in (posterior, *(found[column] for column in shares)):
        good &= (probability >= 0) & (probability <= 1)
    if not good.all():
        raise InputError(
            "is not a line of a posterior table", path=display_name(path), line=number + int(good.argmin())
        )
    for column in _NAMES:
        for word in list(known[column])[before[column] :]:
            if word != word.strip() or control_character(word):
                read_name(word, path, number + int((chunk[column] == word).to_numpy().argmax()), f"the {column}")
    return found | {column: found[column].astype(np.int64) for column in ("start", "end")}


def _posterior_columns(stream: IO[bytes], name: str, by_source: bool) -> tuple[list[str], IO[bytes]]:
    """Read the header; return the names of the columns, and the stream of the lines below it."""
    line = stream.readline(_LONGEST_HEADER)
    if b"\r" in line.rstrip(b"\r\n"):  # line ends are CR alone
        line, below = line.split(b"\r", 1)
        stream = io.BytesIO(below + stream.read())
    if not line.strip():
        raise InputError("is not a posterior table (it has no header)", path=name)
    if len(line) == _LONGEST_HEADER:
        raise InputError("is not a posterior table (its first line is too long)", path=name, line=1)
    text = line.decode("utf-8").rstrip("\r\n")
    columns = header_columns(text) or text.split("\t")
    absent = [c for c in POSTERIOR_COLUMNS if c not in columns]
    if absent:
        raise InputError(f"has no column {', '.join(absent)}", path=name, line=1)
    read = [*POSTERIOR_COLUMNS, *(c for c in columns if by_source and is_source_column(c))]
    twice = [c for c in read if columns.count(c) > 1]
    if twice:
        raise InputError(f"has the column {twice[0]} twice", path=name, line=1)
    # Other columns may have any name, and the same one.
    return [c if c in read else f"{k} {c}" for k, c in enumerate(columns)], stream


def _check_overlaps(found: dict[str, np.ndarray], name: str) -> None:
    """Refuse bins of a haplotype that overlap: they would count twice."""
    keys = [found[column] for column in _NAMES]
    order = np.lexsort([found["start"], *keys])
    start, end = found["start"][order], found["end"][order]
    same = np.all([key[order][1:] == key[order][:-1] for key in keys], axis=0)
    wrong = np.flatnonzero(same & (start[1:] < end[:-1]))
    if len(wrong):
        first, second = sorted(int(order[wrong[0] + k]) + 2 for k in (0, 1))
        raise InputError(f"overlaps the bin of line {first}, of the same haplotype", path=name, line=second)


class BedMask(dict[str, list[tuple[int, int]]]):
    """Sorted, merged (start, end) per chromosome, and where they were read from.

    Attributes
    ----------
    path
        The BED file.
    first_lines
        Line number of the first interval, per chromosome.
    last_lines
        Line number of the interval that reaches farthest, per chromosome.
    """

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path
        self.first_lines: dict[str, int] = {}
        self.last_lines: dict[str, int] = {}


def read_bed(path: PathLike) -> BedMask:
    """Read a BED mask.

    Raises
    ------
    InputError
        A line is not BED, a name has white space around it, or there are no intervals.
    """
    mask = BedMask(display_name(path))
    farthest: dict[str, int] = {}
    for number, line in read_lines(path):
        if not line.strip() or line.startswith("#") or is_display_line(line):
            _check_bed(line, path, number)
            continue
        fields = line.split("\t")
        if len(fields) < 3:
            raise InputError("has fewer than 3 tab-separated columns", path=display_name(path), line=number)
        start, end = read_span(fields, path, number)
        chrom = read_name(fields[0], path, number)
        mask.setdefault(chrom, []).append((start, end))
        mask.first_lines.setdefault(chrom, number)
        if end > farthest.get(chrom, 0):
            farthest[chrom], mask.last_lines[chrom] = end, number
    if not mask:
        raise InputError("holds no interval", path=mask.path)
    for chrom, spans in mask.items():
        mask[chrom] = merge_spans(spans)
    return mask
