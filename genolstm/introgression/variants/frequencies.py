"""Allele frequencies as a source of genotypes: an outgroup for who has no genotypes of one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from genolstm.compiled import compiled
from genolstm.errors import InputError
from genolstm.files import PathLike
from genolstm.introgression.variants.block import BASES, FAR, UNKNOWN, CallSettings, SiteRows, SourceCounts, Stretch
from genolstm.introgression.variants.header import check_name
from genolstm.introgression.variants.regions import check_stretches
from genolstm.introgression.variants.rows import SORT
from genolstm.introgression.variants.stream import MAX_RECORD, Stream
from genolstm.numbers import LAST_POSITION, parse_integer, parse_number

#: Most haplotypes that stand for the frequencies: about as many as a cohort's outgroup has.
MOST = 200
#: Records that are looked at for the field and for the number of alleles called.
_LOOK = 2000
#: Records that one position may have: of a few hundred alternatives, each in a record of its own.
_MOST_RECORDS = 1000
#: Frequencies are rounded where they are written, so that their sum may exceed 1 a little.
_WHOLE = 1.01
#: Sites that are passed on together.
_ROWS = 1 << 14


@compiled()
def _deal(positions: np.ndarray, counts: np.ndarray, codes: np.ndarray, alleles: np.ndarray) -> None:
    """Give each allele to as many haplotypes as ``counts`` says, chosen by a hash of the position.

    ``alleles`` comes filled with the reference; ``counts`` and ``codes`` have shape (sites, alleles).
    """
    n = alleles.shape[1]
    order = np.empty(n, np.int64)
    for i in range(positions.shape[0]):
        state = np.uint64(positions[i]) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(0x632BE59BD9B4E019)
        for h in range(n):
            order[h] = h
        at = 0
        for a in range(counts.shape[1]):
            for _ in range(counts[i, a]):
                if at == n:
                    break
                # SplitMix64: one step of the state, and its bits mixed.
                state += np.uint64(0x9E3779B97F4A7C15)
                z = state
                z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
                z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
                z ^= z >> np.uint64(31)
                other = at + int(z % np.uint64(n - at))
                order[at], order[other] = order[other], order[at]
                alleles[i, order[at]] = codes[i, a]
                at += 1


class FrequencySource:
    """The allele frequencies in a VCF without genotypes, as haplotypes that have these frequencies.

    At each site, each allele is given to its share of the haplotypes, independently of other sites:
    what alleles a haplotype has together is not known. A position without a record has the reference
    in all. Where the frequency is missing, nothing is known.

    Parameters
    ----------
    path
        VCF (plain, gzip or BGZF, or a pipe).
    field
        Name in INFO of the frequencies, one for each alternative allele, such as ``AF_afr``. If the
        INFO also holds the number of alleles called (``AN_afr``), there are no more haplotypes than that.

    The attributes are those of :class:`~genolstm.introgression.variants.block.Source`.

    Raises
    ------
    InputError
        The file is missing, is no VCF text, or its first records lack the field.
    """

    def __init__(self, path: PathLike, field: str) -> None:
        self._stream = Stream(path)
        self.path = self._stream.path
        if self._stream.is_bcf:
            raise InputError("is a BCF; frequencies are read from VCF text", path=self.path)
        self.field = field
        self.counts = SourceCounts()
        self.warnings: list[str] = []
        self.all_sites: bool | None = False
        self.contigs: dict[str, int | None] = dict(self._stream.header.contigs)
        self._value = _pattern(field, rb"([^;]*)")
        self._called = _pattern(_number_field(field), rb"0*([0-9]+)")
        n = self._n_haplotypes()
        self.samples: list[str] = [f"{field}:{i + 1}" for i in range(n // 2)]

    def _n_haplotypes(self) -> int:
        """Look at the first records: is the field there, and how many alleles were called?"""
        first = self._stream.look(_LOOK)
        records = [line.split(b"\t", 8) for line in first.split(b"\n", _LOOK)[:_LOOK] if line.count(b"\t") >= 7]
        infos = [record[7].rstrip(b"\r") for record in records]
        if infos and not any(self._value.search(info) for info in infos):
            named = sorted(
                {word.split(b"=")[0].decode("utf-8", "replace") for info in infos[:50] for word in info.split(b";")}
            )
            shown = [name for name in named if name.upper().startswith("AF")] or named
            raise InputError(
                f"has no {self.field} in INFO",
                path=self.path,
                hint=f"there are {', '.join(shown[:8])}" if shown else None,
            )
        # Only whether a number is below MOST matters: one of more digits is not.
        numbers = [int(found[1][:9]) for info in infos if (found := self._called.search(info))]
        return min(MOST, max(2, max(numbers, default=MOST) // 2 * 2))

    @property
    def first_chrom(self) -> str | None:
        """Chromosome of the first record."""
        rest = self._stream.rest
        return rest.split(b"\t", 1)[0].decode("utf-8", "replace") if b"\t" in rest else None

    def read(
        self,
        samples: Sequence[str],
        settings: CallSettings | Sequence[CallSettings],
        stretches: Sequence[Stretch] | None = None,
    ) -> Iterator[SiteRows]:
        """Yield the sites; see :class:`~genolstm.introgression.variants.block.Source`.

        All of :attr:`samples` are to be chosen, and only ``filters`` counts among the settings.
        """
        if list(samples) != self.samples:
            raise ValueError("frequencies have no single samples")
        first = settings if isinstance(settings, CallSettings) else settings[0]
        check_stretches(stretches or (), self.contigs, path=self.path)
        return self._sites(frozenset(f.encode() for f in first.filters), stretches)

    def _lines(self, stretches: Sequence[Stretch] | None) -> Iterator[tuple[int | None, bytes]]:
        """Yield the records with their line numbers; those of stretches through the index, if there is one."""
        index = self._stream.index() if stretches is not None else None
        if index is None or stretches is None or index.names is None:
            yield from _split(self._stream.begin(), self._stream.header.lines, self.path)
            return
        for stretch, pieces in self._stream.jump(index, stretches):
            chrom = stretch.chrom.encode()
            for number, line in _split(pieces, None, self.path):
                columns = line.split(b"\t", 2)
                at = -1 if len(columns) < 3 else self._position(columns[1], number)
                if columns[0] != chrom or (stretch.end is not None and at >= stretch.end):
                    break
                if at >= stretch.start or len(columns) < 3:
                    yield number, line

    def _position(self, word: bytes, line: int | None) -> int:
        """Return a 0-based position."""
        stated = parse_integer(word.decode("ascii", "replace"))
        if stated is None or not 0 <= stated <= LAST_POSITION:
            raise InputError("has a POS that is no position", path=self.path, line=line)
        return stated - 1

    def _sites(self, filters: frozenset[bytes], stretches: Sequence[Stretch] | None) -> Iterator[SiteRows]:
        ends: dict[str, list[tuple[int, int]]] | None = None
        if stretches is not None:
            ends = {}
            for stretch in stretches:
                span = stretch.start, FAR if stretch.end is None else stretch.end
                ends.setdefault(stretch.chrom, []).append(span)
        n = 2 * len(self.samples)
        rows = _Rows(n)
        finished: set[str] = set()
        chrom, name, here = b"", "", -1
        wanted: list[tuple[int, int]] | None = None
        length: int | None = None
        before: _Site | None = None
        for number, line in self._lines(stretches):
            columns = line.split(b"\t", 8)
            if len(columns) < 8:
                raise InputError("is not a VCF record", path=self.path, line=number)
            self.counts.records += 1
            if columns[0] != chrom:
                if name:
                    self._enter(rows, before)
                    yield rows.taken(name, here + 1, last=True)
                    finished.add(name)
                    before, here = None, -1
                chrom = columns[0]
                name = chrom.decode("utf-8", "replace")
                check_name(name, "chromosome", path=self.path, line=number)
                if name in finished:
                    raise InputError(
                        f"chromosome {name} reappears after another one", path=self.path, line=number, hint=SORT
                    )
                length = self.contigs.setdefault(name, None)
                wanted = None if ends is None else ends.get(name, [])
            position = self._position(columns[1], number)
            if position < here:
                raise InputError(
                    f"position {position + 1} comes after {here + 1}",
                    path=self.path,
                    line=number,
                    record=f"{name}:{position + 1}",
                    hint=SORT,
                )
            if position < 0 or position == length:
                self.counts.odd_position += 1
                continue
            if length is not None and position > length:
                raise InputError(
                    f"lies beyond the length stated in the header ({length} bp)",
                    path=self.path,
                    line=number,
                    record=f"{name}:{position + 1}",
                )
            here = position
            if wanted is not None and not any(a <= position < b for a, b in wanted):
                continue
            if filters and not set(columns[6].split(b";")) <= filters:
                self.counts.filtered += 1
                continue
            ref = columns[3][:1].upper().decode("ascii", "replace")
            alts = [_base(columns[3].upper(), alt.upper()) for alt in columns[4].split(b",")]
            if ref not in BASES:
                self.counts.not_snv += 1
                continue
            frequencies = self._frequencies(columns[7], len(alts), number, f"{name}:{position + 1}")
            if before is not None and before.position == position:
                if before.ref != ref:
                    raise InputError(
                        f"REF is {ref} here and {before.ref} in the previous record",
                        path=self.path,
                        line=number,
                        record=f"{name}:{position + 1}",
                        hint="a position has only one reference base",
                    )
                before.join(alts, frequencies)
                many = before.records > _MOST_RECORDS
                if many or not sum(before.frequencies or ()) <= _WHOLE:
                    what = f"more than {_MOST_RECORDS} records" if many else f"{self.field} of more than 1 in all"
                    raise InputError(
                        f"has {what} at one position", path=self.path, line=number, record=f"{name}:{position + 1}"
                    )
                continue
            self._enter(rows, before)
            before = _Site(position, ref, alts, frequencies, 1)
            if rows.full:
                yield rows.taken(name, position, last=False)
        if name:
            self._enter(rows, before)
            yield rows.taken(name, here + 1, last=True)

    def _frequencies(self, info: bytes, n: int, number: int | None, record: str) -> list[float] | None:
        """Return the frequency of each alternative allele; None if they are not known."""
        found = self._value.search(info.rstrip(b"\r"))
        if found is None:
            return None
        words = found[1].split(b",")
        if len(words) != n and words != [b"."]:
            raise InputError(
                f"{self.field} has {len(words)} values for {n} alternative alleles",
                path=self.path,
                line=number,
                record=record,
            )
        if b"." in words:
            return None
        values = [parse_number(word.decode("ascii", "replace")) for word in words]
        known = [-1.0 if value is None else value for value in values]
        if min(known) < 0 or not sum(known) <= _WHOLE:
            raise InputError(
                f"{self.field} is {found[1].decode('utf-8', 'replace')[:40]}, which is no frequency",
                path=self.path,
                line=number,
                record=record,
            )
        return known

    def _enter(self, rows: _Rows, site: _Site | None) -> None:
        if site is None:
            return
        if any(site.alts):
            self.counts.merged += site.records - 1
            rows.enter(site)
        else:
            self.counts.not_snv += site.records


@dataclass
class _Site:
    """What the records of one position say; an alternative allele that is no base is empty."""

    position: int
    ref: str
    alts: list[bytes]
    frequencies: list[float] | None
    records: int

    def join(self, alts: list[bytes], frequencies: list[float] | None) -> None:
        """Add another record of the position."""
        self.alts += alts
        self.frequencies = None if self.frequencies is None or frequencies is None else self.frequencies + frequencies
        self.records += 1


class _Rows:
    """Sites that were read and not yet passed on."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.sites: list[tuple[int, int, list[tuple[int, int]]]] = []
        self.unknown: list[bool] = []
        self.known: list[int] = []

    @property
    def full(self) -> bool:
        return len(self.sites) + len(self.known) >= _ROWS

    def enter(self, site: _Site) -> None:
        """Add a site; one whose alleles reach no haplotype is known to have the reference in all."""
        position, ref, alts, frequencies = site.position, site.ref, site.alts, site.frequencies
        if frequencies is None:
            self.sites.append((position, BASES[ref], []))
            self.unknown.append(True)
            return
        counts: dict[int, int] = {}
        other = 0
        for alt, frequency in zip(alts, frequencies, strict=True):
            count = _rounded(frequency * self.n, position)
            if alt:
                code = BASES[alt.decode()]
                counts[code] = counts.get(code, 0) + count
            else:
                other += count
        dealt = [(code, count) for code, count in counts.items() if count]
        if other:
            dealt.append((UNKNOWN, other))
        if not dealt:
            self.known.append(position)
            return
        self.sites.append((position, BASES[ref], dealt))
        self.unknown.append(False)

    def taken(self, chrom: str, end: int, *, last: bool) -> SiteRows:
        """Return the sites as rows, and begin anew."""
        positions = np.array([site[0] for site in self.sites], dtype=np.int64)
        reference = np.array([site[1] for site in self.sites], dtype=np.int8)
        most = max((len(site[2]) for site in self.sites), default=0)
        codes = np.zeros((len(self.sites), most), dtype=np.int8)
        counts = np.zeros((len(self.sites), most), dtype=np.int64)
        for i, (_, _, dealt) in enumerate(self.sites):
            for a, (code, count) in enumerate(dealt):
                codes[i, a], counts[i, a] = code, count
        alleles = np.repeat(reference[:, None], self.n, axis=1)
        _deal(positions, counts, codes, alleles)
        alleles[np.array(self.unknown, dtype=bool)] = UNKNOWN
        known = np.array(self.known, dtype=np.int64)
        self.sites, self.unknown, self.known = [], [], []
        return SiteRows(chrom, positions, reference, alleles, _runs(known), end, last)


def _runs(positions: np.ndarray) -> np.ndarray:
    """Return sorted positions as stretches (start, end)."""
    if not len(positions):
        return np.empty((0, 2), dtype=np.int64)
    breaks = np.flatnonzero(np.diff(positions) > 1)
    starts = positions[np.concatenate([[0], breaks + 1])]
    ends = positions[np.concatenate([breaks, [len(positions) - 1]])] + 1
    return np.stack([starts, ends], axis=1)


def _split(pieces: Iterator[bytes], before: int | None, path: str) -> Iterator[tuple[int | None, bytes]]:
    """Yield lines with their numbers, which go on after ``before``."""
    held: list[bytes] = []
    size, number = 0, before
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if b"\n" not in piece:
            if size > MAX_RECORD:
                raise InputError(f"has a record of more than {MAX_RECORD >> 20} MiB", path=path)
            continue
        *lines, rest = b"".join(held).split(b"\n")
        held, size = [rest], len(rest)
        for line in lines:
            number = None if number is None else number + 1
            if line.strip():
                yield number, line
    line = b"".join(held)
    if line.strip():
        yield None if number is None else number + 1, line


def _number_field(field: str) -> str:
    """Return what the number of called alleles is called where the frequency is called ``field``."""
    return re.sub("AF", "AN", field, count=1) if "AF" in field else f"AN_{field}"


def _pattern(field: str, value: bytes) -> re.Pattern[bytes]:
    """Return the pattern of a field in INFO."""
    return re.compile(rb"(?:^|;)" + re.escape(field.encode()) + b"=" + value)


def _base(ref: bytes, alt: bytes) -> bytes:
    """Return the base that an alternative allele has at the first position; empty if it has none."""
    if len(alt) == len(ref) and alt[1:] == ref[1:] and alt[:1] in b"ACGT":
        return alt[:1]
    return b""


def _rounded(expected: float, position: int) -> int:
    """Round to a neighbouring whole number, upwards as often as the fraction says.

    To round to the nearest would make every allele below 1 in 400 one that nobody has.
    """
    whole = int(expected + 1e-3)
    rest = expected - whole
    if rest <= 1e-3:
        return whole
    mixed = (position * 0xD6E8FEB86659FD93 + 0x2545F4914F6CDD1D) & 0xFFFFFFFFFFFFFFFF
    mixed ^= mixed >> 32
    mixed = mixed * 0xD6E8FEB86659FD93 & 0xFFFFFFFFFFFFFFFF
    return whole + ((mixed >> 11) / (1 << 53) < rest)
