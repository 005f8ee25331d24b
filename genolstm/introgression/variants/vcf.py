"""A VCF or BCF as a source of sites: parsed by compiled code, block by block, and checked.

htslib's parser is not used: it aborts on some damaged files, wraps large numbers, and costs more in
Python, record by record, than the whole reading does here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import chain, groupby
from pathlib import Path

import numpy as np

from genolstm.errors import InputError
from genolstm.files import PathLike
from genolstm.introgression.variants.bcf import Names, parse_records
from genolstm.introgression.variants.bgzf import Bytes, Index
from genolstm.introgression.variants.block import CallSettings, SiteRows, SourceCounts, Stretch
from genolstm.introgression.variants.header import Header, parse_header
from genolstm.introgression.variants.lines import Filters, parse_lines
from genolstm.introgression.variants.records import (
    BAD_COLUMNS,
    BAD_GT,
    BAD_POS,
    BAD_RECORD,
    BEYOND,
    DONE,
    FULL,
    LINE,
    NEXT,
    NO_GT,
    OTHER_CHROM,
    POSITION,
    SAMPLE,
    WHY,
)
from genolstm.introgression.variants.regions import check_stretches
from genolstm.introgression.variants.rows import ROOM, SORT, Reading, chosen_columns, for_each

_MAX_HEADER = 1 << 28
#: Records in which invariant sites must show for a file to count as one that lists them.
_LOOK = 2000
_ANY_OTHER = (b".", b"<NON_REF>", b"<*>")


class VcfSource:
    """One VCF (plain, gzip, BGZF or a pipe) or BCF.

    Parameters
    ----------
    path
        File; ``-`` is standard input. A pipe can be read once.

    Attributes
    ----------
    warnings
        What was noticed while reading and is no error.

    The other attributes are those of :class:`~genolstm.introgression.variants.block.Source`.

    Raises
    ------
    InputError
        The file is missing, empty, truncated, or has no valid header.
    """

    def __init__(self, path: PathLike) -> None:
        self._bytes: Bytes | None = Bytes(path)
        self.path = self._bytes.name
        self.counts = SourceCounts()
        self.warnings: list[str] = []
        self._regular = self._bytes.regular
        self._pieces = self._bytes.pieces()
        self._swap_returns = False
        self._rest, self.header, self.is_bcf = self._read_header()
        self.samples: list[str] = self.header.samples
        self.contigs: dict[str, int | None] = dict(self.header.contigs)
        self.all_sites: bool | None = self._lists_invariant_sites()

    # --- the header -------------------------------------------------------------------------

    def _read_header(self) -> tuple[bytes, Header, bool]:
        data = b""
        while len(data) < 4096 and (more := self._more(b"")):
            data += more
        if data[:3] == b"\xef\xbb\xbf":
            data = data[3:]
        if data[:3] == b"BCF":
            while len(data) < 5:
                data = self._longer(data)
            if data[3:5] not in (b"\x02\x01", b"\x02\x02"):
                raise InputError(f"is a BCF of version {data[3]}.{data[4]}; version 2 is read", path=self.path)
            while len(data) < 9:
                data = self._longer(data)
            size = int.from_bytes(data[5:9], "little")
            if size > _MAX_HEADER:
                raise InputError("is a damaged BCF: its header has no end", path=self.path)
            while len(data) < 9 + size:
                data = self._longer(data)
            return data[9 + size :], parse_header(data[9 : 9 + size].rstrip(b"\0"), self.path), True
        if not data.startswith((b"##fileformat=VCF", b"#CHROM")):
            raise InputError("is not a VCF or BCF file: it does not begin with ##fileformat=VCF", path=self.path)
        first = data[:4096]
        if b"\r" in first and b"\n" not in first:
            self._swap_returns = True
            data = data.replace(b"\r", b"\n")
        looked = 0
        while True:
            end = re.compile(rb"^(?:#[^#][^\n]*\n|[^#])", re.MULTILINE).search(data, looked)
            if end is not None:
                return data[end.end() :], parse_header(data[: end.end()], self.path), False
            looked = data.rfind(b"\n") + 1
            more = self._more(b"")
            if not more or len(data) > _MAX_HEADER:
                # A header without records may lack its last line end.
                return b"", parse_header(data, self.path), False
            data += more

    def _more(self, data: bytes) -> bytes:
        piece = next(self._pieces, b"")
        return data + (piece.replace(b"\r", b"\n") if self._swap_returns else piece)

    def _longer(self, data: bytes) -> bytes:
        longer = self._more(data)
        if len(longer) == len(data):
            raise InputError("ends in its header (truncated?)", path=self.path)
        return longer

    def _lists_invariant_sites(self) -> bool:
        """Look at the first records: does the file state positions at which nobody varies?"""
        if not self._rest:
            self._rest = self._more(b"")
        if self.is_bcf:
            return self._bcf_lists_invariant_sites()
        for line in self._rest.split(b"\n", _LOOK)[:_LOOK]:
            columns = line.split(b"\t", 5)
            if len(columns) == 6 and all(allele in _ANY_OTHER for allele in columns[4].split(b",")):
                return True
        return False

    def _bcf_lists_invariant_sites(self) -> bool:
        at, data = 0, self._rest
        for _ in range(_LOOK):
            if len(data) - at < 32:
                break
            if int.from_bytes(data[at + 26 : at + 28], "little") == 1:
                return True
            shared, calls = (int.from_bytes(data[at + k : at + k + 4], "little") for k in (0, 4))
            if any(word in data[at + 32 : at + 8 + shared] for word in _ANY_OTHER[1:]):
                return True
            at += 8 + shared + calls
        return False

    @property
    def first_chrom(self) -> str | None:
        """Chromosome of the first record; None if it is not known without reading on."""
        if self.is_bcf:
            number = int.from_bytes(self._rest[8:12], "little", signed=True)
            return self.header.chromosomes.get(number) if len(self._rest) >= 12 else None
        name = self._rest.split(b"\t", 1)[0]
        return name.decode("utf-8", "replace") if name != self._rest and b"\n" not in name else None

    def indexed(self) -> list[str] | None:
        """Return the chromosomes that the file has records of, by its index; None without a valid index."""
        index = Index.of(self.path) if self._regular and self._bytes is not None and self._bytes.is_bgzf else None
        if index is None or Path(self.path).stat().st_mtime > Path(index.path).stat().st_mtime + 1:
            return None
        named = enumerate(index.names) if index.names is not None else self.header.chromosomes.items()
        return [name for number, name in named if index.holds(number)]

    # --- the records ------------------------------------------------------------------------

    def read(
        self,
        samples: Sequence[str],
        settings: CallSettings | Sequence[CallSettings],
        stretches: Sequence[Stretch] | None = None,
    ) -> Iterator[SiteRows]:
        """Yield the sites of the chosen samples; see :class:`~genolstm.introgression.variants.block.Source`."""
        reading = _Reading(self, samples, for_each(samples, settings))
        if stretches is None:
            return reading.everything(self._begin())
        check_stretches(stretches, self.contigs, path=self.path)
        index = Index.of(self.path) if self._regular else None
        if index is not None and self._bytes is not None and self._bytes.is_bgzf:
            newest = max(Path(self.path).stat().st_mtime, 0)
            if newest > Path(index.path).stat().st_mtime + 1:
                self.warnings.append(f"{index.path} is older than {self.path}: make the index again if that changed")
            return self._jump(reading, index, stretches)
        by_chrom = {chrom: list(group) for chrom, group in groupby(stretches, key=lambda s: s.chrom)}
        return reading.everything(self._begin(), by_chrom)

    def _begin(self) -> Iterator[bytes]:
        """Return the bytes after the header; a pipe can be read once."""
        if self._bytes is None:
            if not self._regular:
                raise InputError("is a pipe, which can be read once", path=self.path)
            again = VcfSource(self.path)
            return again._begin()
        rest, pieces, self._bytes = self._rest, self._pieces, None
        self._rest = b""
        swap = self._swap_returns
        return chain([rest], (p.replace(b"\r", b"\n") if swap else p for p in pieces))

    def _jump(self, reading: _Reading, index: Index, stretches: Sequence[Stretch]) -> Iterator[SiteRows]:
        numbers = index.names
        order = (
            {name: i for i, name in enumerate(numbers)}
            if numbers is not None
            else {name: i for i, name in self.header.chromosomes.items()}
        )
        for stretch in stretches:
            end = stretch.end if stretch.end is not None else self.contigs.get(stretch.chrom) or (1 << 40)
            offset = index.offset(order.get(stretch.chrom, -1), stretch.start, end)
            if offset is None:
                continue
            source = Bytes(self.path)
            try:
                yield from reading.one(source.pieces(offset), stretch)
            finally:
                source.close()

    def chromosome(self, number: int) -> str:
        """Return the name of a BCF's chromosome.

        Raises
        ------
        InputError
            The header does not declare it.
        """
        if number not in self.header.chromosomes:
            raise InputError(f"a record is on chromosome number {number}, which the header lacks", path=self.path)
        return self.header.chromosomes[number]


class _Reading(Reading):
    """One pass over the records of a VCF or BCF."""

    def __init__(self, source: VcfSource, samples: Sequence[str], settings: Sequence[CallSettings]) -> None:
        column_of = chosen_columns(samples, source.samples, source.path)
        super().__init__(source.path, source.contigs, source.counts, settings, column_of, ROOM)
        self.source = source
        filters = settings[0].filters
        self.names: Names | Filters
        if source.is_bcf:
            strings = source.header.strings
            accepted = [not filters or strings.get(i) in filters for i in range(max(strings) + 1)]
            numbers = {name: i for i, name in strings.items()}
            self.names = Names(
                np.array([*accepted, not filters or "." in filters], dtype=np.bool_),
                np.array([numbers.get(name, -1) for name in ("GT", "GQ", "DP")], dtype=np.int64),
            )
        else:
            names = [name.encode() for name in filters]
            ends = np.cumsum([len(name) for name in names], dtype=np.int64)
            self.names = Filters(np.frombuffer(b"".join(names), dtype=np.uint8), ends)
        self.finished: set[str] = set()
        self.begun = False
        self.line_known = True

    # --- what is read -----------------------------------------------------------------------

    def everything(
        self, pieces: Iterator[bytes], stretches: dict[str, list[Stretch]] | None = None
    ) -> Iterator[SiteRows]:
        """Read from the first record to the last; with ``stretches``, pass over what lies outside."""
        todo: list[Stretch] = []

        def wanted(chrom: str) -> list[Stretch]:
            return [Stretch(chrom)] if stretches is None else list(stretches.get(chrom, ()))

        for event, chrom in self._events(pieces):
            if event == "chrom":
                todo = wanted(chrom)
                self.aim(todo[0] if todo else None)
            elif event == "beyond":
                yield self.taken(last=True)
                todo = todo[1:]
                self.aim(todo[0] if todo else None)
            elif event == "full":
                yield self.taken()
            elif todo:  # the end of a chromosome, within or before the stretches that are left
                yield self.taken(last=True)

    def one(self, pieces: Iterator[bytes], stretch: Stretch) -> Iterator[SiteRows]:
        """Read one stretch from where the index says that it begins."""
        self.line_known = False
        self.begun = False
        self.finished.clear()
        found = False
        for event, chrom in self._events(pieces):
            if event == "chrom":
                if found:
                    return
                found = chrom == stretch.chrom
                self.aim(stretch if found else None)
            elif event == "full":
                yield self.taken()
            elif found:  # beyond the stretch, or the end of its chromosome
                yield self.taken(last=True)
                return

    # --- the loop ---------------------------------------------------------------------------

    def _events(self, pieces: Iterator[bytes]) -> Iterator[tuple[str, str]]:
        """Run the compiled loop over all bytes; yield what the caller has to decide on.

        ``chrom``: a chromosome begins, call :meth:`aim`; ``full``: the arrays are to be emptied;
        ``beyond``: the stretch is over; ``end``: the chromosome is over.
        """
        bcf, state = self.source.is_bcf, self.state
        state[:] = 0
        held: list[bytes] = []
        blank = False
        for piece in chain(pieces, [None]):
            if piece is not None:
                held.append(piece)
                if not bcf and b"\n" not in piece:
                    continue
            data = b"".join(held)
            if piece is None and data and not bcf:
                data += b"\n"
            end = len(data) if bcf else data.rfind(b"\n") + 1
            buf = np.frombuffer(data, dtype=np.uint8)
            begin = 0
            while begin < end:
                if not bcf and data[begin] in b"\r\n":
                    state[LINE] += 1
                    begin, blank = data.index(b"\n", begin) + 1, True
                    continue
                if blank:
                    raise self.error("is an empty line among the records")
                if not self.begun:
                    yield "chrom", self._next_chromosome(data, begin)
                why = self._parse(buf, begin, end)
                begin = int(state[NEXT])
                if why == DONE:
                    break
                if why in (FULL, OTHER_CHROM, BEYOND):
                    state[LINE] -= 1
                if why == FULL:
                    yield "full", ""
                elif why == BEYOND:
                    state[POSITION] = -1
                    yield "beyond", ""
                elif not bcf and data[begin] in b"\r\n":
                    state[LINE] -= why == BAD_COLUMNS
                elif why == OTHER_CHROM:
                    yield "end", ""
                    self.finished.add(self.chrom)
                    self.begun = False
                else:
                    raise self._explained(why, data)
            held = [data[begin:]] if begin < len(data) else []
        if held and held[0].strip():
            raise InputError("ends in the middle of a record (truncated?)", path=self.source.path)
        if self.begun:
            yield "end", ""
            self.begun = False

    def _next_chromosome(self, data: bytes, begin: int) -> str:
        source, state = self.source, self.state
        if source.is_bcf:
            if len(data) - begin < 12:
                raise InputError("ends in the middle of a record (truncated?)", path=source.path)
            self.key: np.ndarray | int = int.from_bytes(data[begin + 8 : begin + 12], "little", signed=True)
            name = source.chromosome(self.key)
        else:
            line = data[begin : data.index(b"\n", begin)]
            raw = line.split(b"\t", 1)[0]
            state[LINE] += 1
            if line.startswith(b"#"):
                raise self.error("is a header line among the records; is the file several put together?")
            if b"\t" not in line or not raw:
                raise self.error("is not a VCF record")
            try:
                name = raw.decode("utf-8")
            except UnicodeDecodeError as error:
                raise self.error("the name of the chromosome is not UTF-8") from error
            state[LINE] -= 1
            self.key = np.frombuffer(raw, dtype=np.uint8)
        if name in self.finished:
            state[LINE] += 1
            raise self.error(f"chromosome {name} reappears after another one", hint=SORT)
        source.contigs.setdefault(name, None)
        self.begin(name)
        self.begun = True
        return name

    def _parse(self, buf: np.ndarray, begin: int, end: int) -> int:
        parse = parse_records if self.source.is_bcf else parse_lines
        parse(buf, begin, end, self.key, self.skip, self.names, self.span, self.choice, self.out)
        return int(self.state[WHY])

    # --- errors -----------------------------------------------------------------------------

    def error(self, reason: str, record: str | None = None, hint: str | None = None) -> InputError:
        number = int(self.state[LINE])
        line = self.source.header.lines + number if self.line_known and not self.source.is_bcf else None
        if self.source.is_bcf and record is None:
            record = f"record {number}"
        return InputError(reason, path=self.path, line=line, record=record, hint=hint)

    def _explained(self, why: int, data: bytes) -> InputError:
        state = self.state
        at = int(state[NEXT])
        sample = self.source.samples[int(state[SAMPLE])] if self.source.samples else ""
        record, columns = None, []
        if self.source.is_bcf:
            record = self._record(int.from_bytes(data[at + 12 : at + 16], "little", signed=True))
        else:
            columns = data[at : data.index(b"\n", at)].rstrip(b"\r").split(b"\t")
            if len(columns) > 1 and len(columns[1]) < 20:
                record = f"{self.chrom}:{columns[1].decode('utf-8', 'replace')}"
        if why == BAD_COLUMNS:
            expected = 9 + len(self.source.samples)
            wrong = (
                f"has {len(columns)} columns, the header has {expected}"
                if len(columns) != expected
                else "has an empty REF or ALT"
            )
            return self.error(f"is not a VCF record: it {wrong}")
        reason, hint = self.reason(why, record.rpartition(":")[2] if record else "", sample) or (
            {
                BAD_POS: "has a POS that is no position",
                NO_GT: "the record has no GT",
                BAD_GT: f"the genotype of {sample} cannot be read",
                BAD_RECORD: "is not a whole BCF record; the file is damaged",
            }[why],
            None,
        )
        return self.error(reason, record, hint)
