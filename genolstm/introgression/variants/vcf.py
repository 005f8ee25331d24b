"""A VCF or BCF as a source of sites: parsed by compiled code, block by block, and checked.

htslib's parser is not used: it aborts on some damaged files, wraps large numbers, and costs more in
Python, record by record, than the whole reading does here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, groupby
from pathlib import Path

import numpy as np

from genolstm.errors import InputError
from genolstm.files import PathLike
from genolstm.introgression.variants import lines
from genolstm.introgression.variants.bcf import parse_records
from genolstm.introgression.variants.bgzf import Bytes, Index
from genolstm.introgression.variants.block import CallSettings, SiteRows, SourceCounts, Stretch
from genolstm.introgression.variants.header import Header, parse_header

#: Alleles that are held before they are passed on; affects memory use, not results.
ROOM = 8_000_000
_MAX_HEADER = 1 << 28
_FAR = np.int64(1) << 60
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
        each = [settings] * len(samples) if isinstance(settings, CallSettings) else list(settings)
        if len(each) != len(samples) or not samples:
            raise ValueError("one sample at least, and one setting for each")
        reading = _Reading(self, samples, each)
        if stretches is None:
            return reading.everything(self._begin())
        self._check(stretches)
        index = Index.of(self.path) if self._regular else None
        if index is not None and self._bytes is not None and self._bytes.is_bgzf:
            newest = max(Path(self.path).stat().st_mtime, 0)
            if newest > Path(index.path).stat().st_mtime + 1:
                self.warnings.append(f"{index.path} is older than {self.path}: make the index again if that changed")
            return self._jump(reading, index, stretches)
        by_chrom = {chrom: list(group) for chrom, group in groupby(stretches, key=lambda s: s.chrom)}
        return reading.everything(self._begin(), by_chrom)

    def _check(self, stretches: Iterable[Stretch]) -> None:
        for stretch in stretches:
            length = self.contigs.get(stretch.chrom)
            if length is not None and max(stretch.start, stretch.end or 0) > length:
                raise InputError(
                    f"{stretch.chrom} has {length} bp, and {stretch.chrom}:{stretch.start + 1}-{stretch.end or ''} "
                    "reaches beyond it",
                    path=self.path,
                )

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


class _Reading:
    """One pass over the records: the arrays that the compiled loops fill."""

    def __init__(self, source: VcfSource, samples: Sequence[str], settings: Sequence[CallSettings]) -> None:
        self.source = source
        place = {name: i for i, name in enumerate(source.samples)}
        absent = [name for name in samples if name not in place]
        if absent:
            shown = ", ".join(absent[:3]) + (" ..." if len(absent) > 3 else "")
            raise InputError(
                f"has no sample {shown} ({len(absent)} of {len(samples)} named samples are missing)", path=source.path
            )
        column_of = np.full(len(source.samples), -1, dtype=np.int64)
        for column, name in enumerate(samples):
            column_of[place[name]] = column
        filters = settings[0].filters
        loose = settings[0].allow_unphased
        self.samples = samples
        self.state = np.zeros(lines.N_STATE, dtype=np.int64)
        self.counts = np.zeros(lines.N_COUNTS, dtype=np.int64)
        self.ploidy = np.zeros(len(samples), dtype=np.int64)
        width = 2 * len(samples)
        capacity = min(max(ROOM // width, 256), 1 << 16)
        self.rows = np.empty((capacity, width), dtype=np.int8)
        self.positions = np.empty(capacity, dtype=np.int64)
        self.references = np.empty(capacity, dtype=np.int8)
        self.kinds = np.empty(capacity, dtype=np.int8)
        self.known = np.empty((1 << 16, 2), dtype=np.int64)
        calls = (
            column_of,
            np.array([s.need_phase for s in settings], dtype=np.bool_),
            loose,
            np.array([s.min_gq for s in settings], dtype=np.int64),
            np.array([s.min_dp for s in settings], dtype=np.int64),
        )
        if source.is_bcf:
            strings = source.header.strings
            accepted = np.array(
                [not filters or strings.get(i) in filters for i in range(max(strings) + 1)]
                + [not filters or "." in filters],
                dtype=np.bool_,
            )
            numbers = {name: i for i, name in strings.items()}
            keys = np.array([numbers.get(name, -1) for name in ("GT", "GQ", "DP")], dtype=np.int64)
            self.constants = (*calls, accepted, keys, lines.CODE_OF)
        else:
            names = b"".join(name.encode() for name in filters)
            ends = np.cumsum([len(name.encode()) for name in filters], dtype=np.int64)
            self.constants = (*calls, np.frombuffer(names, dtype=np.uint8), ends, lines.CODE_OF)
        self.finished: set[str] = set()
        self.chrom: str | None = None
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
                self._aim(todo[0] if todo else None)
            elif event == "beyond":
                yield self._taken(last=True)
                todo = todo[1:]
                self._aim(todo[0] if todo else None)
            elif event == "full":
                yield self._taken()
            elif todo:  # the end of a chromosome, within or before the stretches that are left
                yield self._taken(last=True)

    def one(self, pieces: Iterator[bytes], stretch: Stretch) -> Iterator[SiteRows]:
        """Read one stretch from where the index says that it begins."""
        self.line_known = False
        self.chrom = None
        self.finished.clear()
        found = False
        for event, chrom in self._events(pieces):
            if event == "chrom":
                if found:
                    return
                found = chrom == stretch.chrom
                self._aim(stretch if found else None)
            elif event == "full":
                yield self._taken()
            elif found:  # beyond the stretch, or the end of its chromosome
                yield self._taken(last=True)
                return

    def _aim(self, stretch: Stretch | None) -> None:
        self.skip = stretch is None
        self.low = np.int64(stretch.start if stretch else 0)
        self.high = np.int64(stretch.end) if stretch and stretch.end is not None else _FAR

    # --- the loop ---------------------------------------------------------------------------

    def _events(self, pieces: Iterator[bytes]) -> Iterator[tuple[str, str]]:
        """Run the compiled loop over all bytes; yield what the caller has to decide on.

        ``chrom``: a chromosome begins, call :meth:`_aim`; ``full``: the arrays are to be emptied;
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
                    state[lines.LINE] += 1
                    begin, blank = data.index(b"\n", begin) + 1, True
                    continue
                if blank:
                    raise self._error("is an empty line among the records")
                if self.chrom is None:
                    yield "chrom", self._next_chromosome(data, begin)
                why = self._parse(buf, begin, end)
                begin = int(state[lines.NEXT])
                if why == lines.DONE:
                    break
                if why in (lines.FULL, lines.OTHER_CHROM, lines.BEYOND):
                    state[lines.LINE] -= 1
                if why == lines.FULL:
                    yield "full", ""
                elif why == lines.BEYOND:
                    state[lines.POSITION] = -1
                    yield "beyond", ""
                elif not bcf and data[begin] in b"\r\n":
                    state[lines.LINE] -= why == lines.BAD_COLUMNS
                elif why == lines.OTHER_CHROM:
                    yield "end", ""
                    self.finished.add(str(self.chrom))
                    self.chrom = None
                else:
                    raise self._explained(why, data)
            held = [data[begin:]] if begin < len(data) else []
        if held and held[0].strip():
            raise InputError("ends in the middle of a record (truncated?)", path=self.source.path)
        if self.chrom is not None:
            yield "end", ""
            self.chrom = None

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
            state[lines.LINE] += 1
            if line.startswith(b"#"):
                raise self._error("is a header line among the records; is the file several put together?")
            if b"\t" not in line or not raw:
                raise self._error("is not a VCF record")
            try:
                name = raw.decode("utf-8")
            except UnicodeDecodeError as error:
                raise self._error("the name of the chromosome is not UTF-8") from error
            state[lines.LINE] -= 1
            self.key = np.frombuffer(raw, dtype=np.uint8)
        if name in self.finished:
            state[lines.LINE] += 1
            raise self._error(f"chromosome {name} reappears after another one", hint="sort the file (bcftools sort)")
        self.chrom = name
        self.length = source.contigs.setdefault(name, None)
        self.ploidy[:] = 0
        state[lines.ROWS] = state[lines.STRETCHES] = 0
        state[lines.POSITION] = -1
        return name

    def _parse(self, buf: np.ndarray, begin: int, end: int) -> int:
        parse = parse_records if self.source.is_bcf else lines.parse_lines
        length = np.int64(-1 if self.length is None else self.length)
        parse(
            buf,
            begin,
            end,
            self.key,
            self.skip,
            self.low,
            self.high,
            length,
            *self.constants,
            self.ploidy,
            self.positions,
            self.references,
            self.kinds,
            self.rows,
            self.known,
            self.state,
            self.counts,
        )
        return int(self.state[lines.WHY])

    def _taken(self, *, last: bool = False) -> SiteRows:
        """Return the rows so far, and begin anew with those whose position may go on."""
        state = self.state
        n = int(state[lines.ROWS])
        out, tail = lines.merge_rows(
            self.positions, self.references, self.kinds, self.rows, n, not last, self.counts, state
        )
        if state[lines.VALUE] >= 0:
            raise self._contradiction(int(state[lines.VALUE]))
        stretches = int(state[lines.STRETCHES])
        end = int(self.positions[out]) if tail else int(state[lines.POSITION])
        if last:
            end = int(self.high) if self.high < _FAR else self.length or int(state[lines.POSITION]) + 1
        taken = SiteRows(
            str(self.chrom),
            self.positions[:out].copy(),
            self.references[:out].copy(),
            self.rows[:out].copy(),
            self.known[:stretches].copy(),
            end,
            last,
        )
        if tail:
            if tail == len(self.rows):
                raise InputError(
                    f"has more than {tail - 1} records at one position",
                    path=self.source.path,
                    record=f"{self.chrom}:{self.positions[out] + 1}",
                )
            for array in (self.positions, self.references, self.kinds, self.rows):
                array[:tail] = array[out : out + tail]
        state[lines.ROWS], state[lines.STRETCHES] = tail, 0
        self._count()
        return taken

    def _count(self) -> None:
        told, counts = self.source.counts, self.counts
        for name, place in (
            ("records", lines.RECORDS),
            ("not_snv", lines.NOT_SNV),
            ("filtered", lines.FILTERED),
            ("merged", lines.MERGED),
            ("unphased", lines.UNPHASED_HETS),
            ("low_quality", lines.LOW),
            ("invariant", lines.INVARIANT),
            ("odd_position", lines.ODD),
        ):
            setattr(told, name, getattr(told, name) + int(counts[place]))
        counts[:] = 0

    # --- errors -----------------------------------------------------------------------------

    def _error(self, reason: str, *, record: str | None = None, hint: str | None = None) -> InputError:
        number = int(self.state[lines.LINE])
        line = self.source.header.lines + number if self.line_known and not self.source.is_bcf else None
        if line is None and self.source.is_bcf and record is None:
            record = f"record {number}"
        return InputError(reason, path=self.source.path, line=line, record=record, hint=hint)

    def _contradiction(self, row: int) -> InputError:
        position = int(self.positions[row])
        letters = ["ACGT"[int(self.references[i])] for i in range(len(self.references)) if i <= row]
        before = next(letters[i] for i in range(row - 1, -1, -1) if self.positions[i] == position)
        return InputError(
            f"REF is {letters[row]} here and {before} in the previous record",
            path=self.source.path,
            record=f"{self.chrom}:{position + 1}",
            hint="a position has only one reference base",
        )

    def _explained(self, why: int, data: bytes) -> InputError:
        state = self.state
        at, value = int(state[lines.NEXT]), int(state[lines.VALUE])
        sample = self.source.samples[int(state[lines.SAMPLE])] if self.source.samples else ""
        record, columns = None, []
        if self.source.is_bcf:
            place = int.from_bytes(data[at + 12 : at + 16], "little", signed=True) + 1
            record = f"{self.chrom}:{place}"
        else:
            columns = data[at : data.index(b"\n", at)].rstrip(b"\r").split(b"\t")
            if len(columns) > 1 and len(columns[1]) < 20:
                record = f"{self.chrom}:{columns[1].decode('utf-8', 'replace')}"
        shown = record.rpartition(":")[2] if record else ""
        if why == lines.BAD_COLUMNS:
            expected = 9 + len(self.source.samples)
            reason = (
                f"has {len(columns)} columns, the header has {expected}"
                if len(columns) != expected
                else "has an empty REF or ALT"
            )
            return self._error(f"is not a VCF record: it {reason}", record=None)
        if why == lines.UNSORTED:
            return self._error(
                f"position {shown} comes after {value + 1}", record=record, hint="sort the file (bcftools sort)"
            )
        if why == lines.OUTSIDE:
            return self._error(f"lies beyond the length stated in the header ({self.length} bp)", record=record)
        if why == lines.UNPHASED:
            return self._error(
                f"sample {sample} is heterozygous and unphased",
                record=record,
                hint="phase the file, or use --allow-unphased (see the documentation)",
            )
        if why == lines.BIG_ALLELE:
            limit = int(state[lines.LIMIT])
            told = f"allele {value}" if value < 1 << 40 else "an allele beyond any number"
            return self._error(
                f"a genotype of {sample} names {told}, but the record has {limit} alleles", record=record
            )
        if why == lines.PLOIDY:
            return self._error(
                f"the genotype of {sample} has {value} alleles; only 1 or 2 are supported", record=record
            )
        reasons = {
            lines.BAD_POS: "has a POS that is no position",
            lines.NO_GT: "the record has no GT",
            lines.BAD_GT: f"the genotype of {sample} cannot be read",
            lines.MANY_ALLELES: f"the site has more than {lines.MAX_ALLELES} alternative alleles",
            lines.BAD_END: "has an END that lies before its position",
            lines.BAD_RECORD: "is not a whole BCF record; the file is damaged",
        }
        return self._error(reasons[why], record=record)
