"""A VCF Zarr store as a source of sites.

The format is that of bio2zarr and of the VCF Zarr specification. What the VCF reader does with a
record, this one does too, by the same compiled loops: a store and the VCF that it was made from
yield the same rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from genolstm.compiled import compiled
from genolstm.errors import InputError
from genolstm.files import PathLike
from genolstm.introgression.variants.block import UNKNOWN, CallSettings, SiteRows, SourceCounts, Stretch
from genolstm.introgression.variants.chunks import AGAIN, Array, Store, join_strings
from genolstm.introgression.variants.header import check_name
from genolstm.introgression.variants.records import (
    BAD_GT,
    BEYOND,
    BIG_ALLELE,
    COMMA,
    DONE,
    DOT,
    FULL,
    LIMIT,
    MANY_ALLELES,
    MAX_ALLELES,
    NEXT,
    PASSED,
    PLOIDY,
    ROWS,
    SAMPLE,
    STRETCHES,
    UNPHASED,
    VALUE,
    WHY,
    Alleles,
    Call,
    enter_call,
    enter_plainly,
    finish_record,
    may_be_block,
    place,
    read_alleles,
    weigh,
)
from genolstm.introgression.variants.regions import check_stretches
from genolstm.introgression.variants.rows import ROOM, SORT, Reading, chosen_columns, for_each
from genolstm.numbers import LAST_POSITION

#: Alleles that are decoded at once; affects memory use, not results.
DECODED = 32_000_000
#: Records in which invariant sites must show for a store to count as one that lists them.
_LOOK = 2000
#: Calls of variant records that may all be of the reference. Writers leave out chunks that hold
#: nothing but the fill value, which is the reference's number; a lost chunk looks the same.
_CHANCE = 1000
#: Records that may all have POS 0, which writers leave out too; and those that may all lack a FILTER.
_FEW, _FEW_FILTERS = 2, 20
#: Columns of genotypes and of alleles.
_MOST_PLOIDY, _MOST_COLUMNS = 64, 1 << 14
#: Numbers that the format has for a missing allele, and for one that does not exist.
_NO_CALL, _NO_ALLELE = -1, -2


class _Slice(NamedTuple):
    """Consecutive records: what the compiled loop reads.

    Attributes
    ----------
    positions, passes, luts, n_alleles, bases, any_other
        See the methods of :class:`ZarrSource`, and whether the filters are accepted.
    ends
        The stated END, 1-based and inclusive, or 0.
    calls
        Indices of alleles, shape (records, samples, ploidy).
    phased, low
        Whether calls are phased, and below the least quality: shape (records, samples), or (0, 0) if nothing
        depends on it.
    """

    positions: np.ndarray
    passes: np.ndarray
    luts: np.ndarray
    n_alleles: np.ndarray
    bases: np.ndarray
    any_other: np.ndarray
    ends: np.ndarray
    calls: np.ndarray
    phased: np.ndarray
    low: np.ndarray


class ZarrSource:
    """One VCF Zarr store, of Zarr format 2 or 3: a folder, or a zip file of one.

    Parameters
    ----------
    path
        Local store.

    Attributes
    ----------
    warnings
        What was noticed while reading and is no error.

    The other attributes are those of :class:`~genolstm.introgression.variants.block.Source`.

    Raises
    ------
    InputError
        The store is missing, is of another schema, or was cut short.
    MissingExtraError
        zarr is not installed.
    """

    def __init__(self, path: PathLike) -> None:
        self.store = Store(path)
        self.path = self.store.path
        self.counts = SourceCounts()
        self.warnings: list[str] = []
        self.position = self._array("variant_position", 1, "iu")
        n = self.position.shape[0]
        self.contig = self._array("variant_contig", 1, "iu", (n,))
        self.allele = self._array("variant_allele", 2, None, (n,))
        self.samples: list[str] = [str(name) for name in self._array("sample_id", 1, None).whole()]
        if len(set(self.samples)) < len(self.samples):
            twice = next(name for name, n in Counter(self.samples).items() if n > 1)
            raise InputError(f"names the sample {twice} twice", path=self.path)
        for name in self.samples:
            check_name(name, "sample", path=self.path)
        self.genotype = self._array("call_genotype", 3, "i", (n, len(self.samples)))
        if not (0 < self.genotype.shape[2] <= _MOST_PLOIDY and 0 < self.allele.shape[1] <= _MOST_COLUMNS):
            raise self._schema("its genotypes or alleles have no columns, or too many")
        self.phased = self._optional("call_genotype_phased", 2, "b", (n, len(self.samples)))
        self.end = self._optional("variant_END", 1, "if", (n,))
        self.length = self._optional("variant_length", 1, "iu", (n,))
        self.contigs: dict[str, int | None] = self._contigs()
        self.names = list(self.contigs)
        self.all_sites: bool | None = self._lists_invariant_sites()

    # --- the schema -------------------------------------------------------------------------

    def _schema(self, reason: str) -> InputError:
        return InputError(
            f"is not a VCF Zarr store: {reason}", path=self.path, hint="bio2zarr makes one (vcf2zarr convert)"
        )

    def _array(self, name: str, axes: int, kinds: str | None, shape: tuple[int, ...] = ()) -> Array:
        found = self._optional(name, axes, kinds, shape)
        if found is None:
            raise self._schema(f"it has no array {name}")
        return found

    def _optional(self, name: str, axes: int, kinds: str | None, shape: tuple[int, ...] = ()) -> Array | None:
        """Open an array and check its axes, the first of which have the sizes in ``shape``."""
        found = self.store.array(name)
        if found is None:
            return None
        if len(found.shape) != axes:
            raise self._schema(f"{name} has {len(found.shape)} axes, not {axes}")
        if (found.dtype is None) != (kinds is None) or (found.dtype is not None and found.dtype.kind not in kinds):  # type: ignore[operator]
            wanted = {None: "strings", "b": "truth values"}.get(kinds, "numbers")
            raise self._schema(f"{name} holds {found.dtype or 'strings'}, not {wanted}")
        for size, expected in zip(found.shape, shape, strict=False):
            if size != expected:
                raise InputError(
                    f"{name} has {size} entries where other arrays have {expected}: the store was cut short",
                    path=self.path,
                    hint=AGAIN,
                )
        return found

    def _contigs(self) -> dict[str, int | None]:
        names = [str(name) for name in self._array("contig_id", 1, None).whole()]
        if len(set(names)) < len(names):
            raise self._schema("contig_id names a chromosome twice")
        lengths = self._optional("contig_length", 1, "iu", (len(names),))
        stated = lengths.whole().tolist() if lengths is not None else [0] * len(names)
        for name, n in zip(names, stated, strict=True):
            check_name(name, "chromosome", path=self.path)
            if n > LAST_POSITION:
                raise InputError(
                    f"states a length of {n} bp for {name}; positions up to {LAST_POSITION} are read", path=self.path
                )
        return {name: n if n > 0 else None for name, n in zip(names, stated, strict=True)}

    def _lists_invariant_sites(self) -> bool:
        """Look at the first records: does the store state positions at which nobody varies?"""
        n = min(self.position.shape[0], _LOOK)
        if not n:
            return False
        _, n_alleles, bases, any_other, _ = self.alleles(0, n)
        return bool(((bases == 0) & ((n_alleles == 1) | any_other)).any())

    # --- what describes records -------------------------------------------------------------

    def positions(self, begin: int, end: int) -> np.ndarray:
        """Return the 0-based positions of records [begin, end)."""
        return _bounded(self.position.rows(begin, end, absent=_refuse)) - 1

    def alleles(self, begin: int, end: int) -> tuple[np.ndarray, ...]:
        """Return what :func:`~.records.read_alleles` says of records [begin, end).

        Returns
        -------
        luts
            Base of every allele, the reference first; shape (records, alleles + 1).
        n_alleles, bases, any_other, sizes
            Shape (records,); ``sizes`` are those of REF in bp.
        """
        width = self.allele.shape[1]
        n = end - begin
        luts = np.full((n, min(width, MAX_ALLELES + 1) + 1), UNKNOWN, dtype=np.int8)
        n_alleles, bases = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
        any_other = np.zeros(n, dtype=np.bool_)
        sizes = np.zeros(n, dtype=np.int64)
        step, across = self.allele.chunks
        for i in range(begin // step, -(-end // step)):
            parts = [self._allele_chunk((i, j)) for j in range(-(-width // across))]
            low, high = max(begin, i * step), min(end, (i + 1) * step)
            text = parts[0] if len(parts) == 1 else self._side_by_side(parts, i)
            span = across * len(parts)
            rows = slice(low - begin, high - begin)
            bad = _read_alleles(
                np.frombuffer(text, dtype=np.uint8),
                low - i * step,
                high - i * step,
                span,
                luts[rows],
                n_alleles[rows],
                bases[rows],
                any_other[rows],
                sizes[rows],
            )
            if bad == -2:
                raise self.allele.damaged((i, 0), "its alleles cannot be read")
            if bad >= 0:
                raise InputError(f"record {bad + i * step + 1} has no REF", path=self.path)
        return luts, n_alleles, bases, any_other, sizes

    def _side_by_side(self, parts: list[bytes], row: int) -> bytes:
        try:
            return join_strings(parts, self.allele.chunks[0])
        except ValueError as error:
            raise self.allele.damaged((row, 0), str(error)) from error

    def _allele_chunk(self, index: tuple[int, int]) -> bytes:
        found: bytes | None = self.allele.chunk(index)
        if found is None:
            if index[1] == 0:
                raise self.allele.missing(index)
            # Every record has a REF, but all may have few alternatives.
            n = self.allele.chunks[0] * self.allele.chunks[1]
            return n.to_bytes(4, "little") + bytes(4 * n)
        return found

    @cached_property
    def runs(self) -> list[tuple[int, int, int]]:
        """Return (contig, first record, end record) of every chromosome, in the order of the store.

        Raises
        ------
        InputError
            A chromosome reappears, or a record is on one that the store does not name.
        """
        n = self.contig.shape[0]
        step = self.contig.chunks[0] * max(1, (1 << 20) // self.contig.chunks[0])
        found: list[tuple[int, int, int]] = []
        for begin in range(0, n, step):
            # A store that was cut short may lack whole chunks of records, and claim as many as it likes.
            last = (min(begin + step, n) - 1) // self.position.chunks[0]
            if not self.store.has(self.position.file((last,))):
                _refuse(self.position, (last,))
            numbers = self.contig.rows(begin, min(begin + step, n), absent=self._check_contig)
            edges = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(numbers)]
            for a, b in pairwise(edges):
                number = int(numbers[a])
                if not 0 <= number < len(self.names):
                    raise InputError(
                        f"record {begin + a + 1} is on chromosome number {number}, which contig_id lacks",
                        path=self.path,
                    )
                if found and found[-1][0] == number:
                    found[-1] = number, found[-1][1], begin + b
                elif any(number == before[0] for before in found):
                    name, at = self.names[number], begin + a
                    raise InputError(
                        f"chromosome {name} reappears after another one",
                        path=self.path,
                        record=f"{name}:{self.positions(at, at + 1)[0] + 1}",
                        hint=SORT,
                    )
                else:
                    found.append((number, begin + a, begin + b))
        return found

    def _check_contig(self, array: Array, index: tuple[int, ...]) -> None:
        """Refuse a missing chunk if the index of regions says that it is not of the first chromosome."""
        regions = self._optional("region_index", 2, "iu")
        if regions is None or regions.chunks[0] < regions.shape[0] or not 2 <= regions.shape[1] <= 64:
            return
        rows = regions.rows(0, regions.shape[0], absent=_refuse)
        if (rows[rows[:, 0] == index[0], 1] != array.fill).any():
            raise array.missing(index)

    def first_at(self, begin: int, end: int, position: int) -> int:
        """Return the first of the sorted records [begin, end) that lies at or beyond a 0-based position."""
        step = self.position.chunks[0]
        low, high = begin // step, -(-end // step)  # the chunk is one of [low, high)
        while high - low > 1:
            middle = (low + high) // 2
            if self.positions(middle * step, middle * step + 1)[0] < position:
                low = middle
            else:
                high = middle
        begin = max(begin, low * step)
        end = min(end, high * step)
        return begin + int(np.searchsorted(self.positions(begin, end), position))

    # --- reading ----------------------------------------------------------------------------

    @property
    def first_chrom(self) -> str | None:
        """Chromosome of the first record; None if there is no record."""
        runs = self.runs
        return self.names[runs[0][0]] if runs else None

    def indexed(self) -> list[str]:
        """Return the chromosomes that the store has records of; they can be read in any order."""
        return [self.names[number] for number, _, _ in self.runs]

    def read(
        self,
        samples: Sequence[str],
        settings: CallSettings | Sequence[CallSettings],
        stretches: Sequence[Stretch] | None = None,
    ) -> Iterator[SiteRows]:
        """Yield the sites of the chosen samples; see :class:`~genolstm.introgression.variants.block.Source`.

        Only the chunks of these samples are read.
        """
        each = for_each(samples, settings)
        check_stretches(stretches or (), self.contigs, path=self.path)
        return _Reading(self, samples, each).all(stretches)


class _Reading(Reading):
    """One pass over the records of a store."""

    lengths_from = "contig_length"

    def __init__(self, source: ZarrSource, samples: Sequence[str], settings: Sequence[CallSettings]) -> None:
        column_of = chosen_columns(samples, source.samples, source.path)
        across = source.genotype.chunks[1]
        self.columns = np.unique(np.flatnonzero(column_of >= 0) // across).tolist()
        self.read_samples = _samples_of(source.genotype, self.columns)
        super().__init__(source.path, source.contigs, source.counts, settings, column_of[self.read_samples], ROOM)
        self.source = source
        self.samples = samples
        self.least = [
            (name, least.astype(np.float64))
            for name, least in (("call_GQ", self.choice.min_gq), ("call_DP", self.choice.min_dp))
            if least.max() > 0
        ]
        self.filters = settings[0].filters
        self._open_what_is_needed()

    def _open_what_is_needed(self) -> None:
        source = self.source
        n = source.genotype.shape[0]
        self.qualities: list[tuple[Array, np.ndarray]] = []
        for name, least in self.least:
            found = source._optional(name, 2, "iuf", (n, len(source.samples)))
            if found is None:
                raise InputError(f"has no array {name}, so no call has the least {name[5:]}", path=source.path)
            self.qualities.append((found, least))
        self.filter: Array | None = None
        if self.filters:
            ids = source._optional("filter_id", 1, None)
            self.filter_ids = [] if ids is None else [str(name) for name in ids.whole()]
            self.filter = source._optional("variant_filter", 2, "b", (n, len(self.filter_ids)))

    # --- what is read -----------------------------------------------------------------------

    def all(self, stretches: Sequence[Stretch] | None) -> Iterator[SiteRows]:
        source = self.source
        runs = source.runs
        if stretches is None:
            for number, begin, end in runs:
                yield from self._one(Stretch(source.names[number]), begin, end)
            return
        by_name = {source.names[number]: (begin, end) for number, begin, end in runs}
        for stretch in stretches:
            if stretch.chrom not in by_name:
                continue
            begin, end = by_name[stretch.chrom]
            first = source.first_at(begin, end, stretch.start)
            if stretch.end is not None:
                end = source.first_at(first, end, stretch.end) if first < end else end
            # A gVCF block that begins before the stretch may reach into it.
            yield from self._one(stretch, max(begin, first - 16), end)

    def _one(self, stretch: Stretch, begin: int, end: int) -> Iterator[SiteRows]:
        """Read records [begin, end), which are all on one chromosome."""
        self.begin(stretch.chrom)
        self.aim(stretch)
        step = self._step()
        at = begin
        while at < end:
            stop = min((at // step + 1) * step, end)
            records = self._load(at, stop)
            yield from self._enter(records)
            at = stop
        yield self.taken(last=True)

    def _step(self) -> int:
        """Return how many records are decoded at once: whole chunks, if these are not too large."""
        chunk = self.source.genotype.chunks[0]
        width = max(len(self.choice.column_of) * self.source.genotype.shape[2], 1)
        if chunk * width > 4 * DECODED:
            return max(4 * DECODED // width, 1)
        return chunk * max(1, min(1 << 16, DECODED // 8 // width) // chunk)

    def _load(self, begin: int, end: int) -> _Slice:
        source = self.source
        luts, n_alleles, bases, any_other, sizes = source.alleles(begin, end)
        calls = source.genotype.rows(begin, end, self.columns, self._check_genotypes)
        if calls.dtype != np.int8:  # the loop is compiled for two widths, not for all
            calls = np.clip(calls, -(1 << 15), (1 << 15) - 1).astype(np.int16)
        phased = np.zeros((0, 0), dtype=np.bool_)
        if self.choice.need_phase.any():
            if source.phased is None:
                phased = np.zeros(calls.shape[:2], dtype=np.bool_)
            else:
                phased = self._rows_of(source.phased, begin, end)

        def check_quality(array: Array, index: tuple[int, ...]) -> None:
            if (calls >= 0).any():  # a quality is missing where nothing is called
                raise array.missing(index)

        low = np.zeros((0, 0), dtype=np.bool_)
        for array, least in self.qualities:
            values = self._rows_of(array, begin, end, check_quality)
            needed = np.where(self.choice.column_of >= 0, least[self.choice.column_of], 0)
            # Codes of missing values are below 0, or no number.
            below = (needed > 0) & ~(values >= needed)
            low = below if not low.size else low | below
        return _Slice(
            source.positions(begin, end),
            self._passes(begin, end),
            luts,
            n_alleles,
            bases,
            any_other,
            self._ends(begin, end, sizes),
            np.ascontiguousarray(calls),
            np.ascontiguousarray(phased),
            np.ascontiguousarray(low),
        )

    def _rows_of(
        self, array: Array, begin: int, end: int, absent: Callable[[Array, tuple[int, ...]], None] | None = None
    ) -> np.ndarray:
        """Return the rows of an array for the samples whose genotypes are read, however it is cut into chunks."""
        across = array.chunks[1]
        if across == self.source.genotype.chunks[1]:
            return array.rows(begin, end, self.columns, absent)
        columns = np.unique(self.read_samples // across).tolist()
        places = np.searchsorted(_samples_of(array, columns), self.read_samples)
        return array.rows(begin, end, columns, absent)[:, places]

    def _check_genotypes(self, array: Array, index: tuple[int, ...]) -> None:
        """Refuse a missing chunk of genotypes, unless its calls may well all be the fill value."""
        begin = index[0] * array.chunks[0]
        n, samples = array.size(index)[:2]
        if array.fill == 0:
            n_alleles = self.source.alleles(begin, begin + n)[1]
            n = int((n_alleles > 1).sum())
        if array.fill > 0 or n * samples >= _CHANCE:
            raise array.missing(index)

    def _passes(self, begin: int, end: int) -> np.ndarray:
        """Return whether the FILTER of each record is accepted."""
        if not self.filters:
            return np.ones(end - begin, dtype=np.bool_)
        if self.filter is None:
            return np.full(end - begin, "." in self.filters, dtype=np.bool_)
        values = self.filter.rows(begin, end, absent=self._check_filter)
        refused = np.array([name not in self.filters for name in self.filter_ids], dtype=np.bool_)
        named = np.asarray(values.any(axis=1), dtype=np.bool_)
        return np.asarray(~values[:, refused].any(axis=1) & (named | ("." in self.filters)), dtype=np.bool_)

    @cached_property
    def _any_filter(self) -> bool:
        return self.filter is not None and self.source.store.has_chunks(self.filter.name)

    def _check_filter(self, array: Array, index: tuple[int, ...]) -> None:
        """Refuse a missing chunk of filters if there are others: hardly any file has FILTER here and not there."""
        if self._any_filter and array.size(index)[0] >= _FEW_FILTERS:
            raise array.missing(index)

    def _ends(self, begin: int, end: int, sizes: np.ndarray) -> np.ndarray:
        """Return the 1-based last position of each record that states one; 0 otherwise."""
        source = self.source
        if source.end is not None:
            return _bounded(source.end.rows(begin, end, absent=_refuse))
        if source.length is not None:
            lengths = _bounded(source.length.rows(begin, end, absent=_refuse))
            return np.where(lengths > sizes, source.positions(begin, end) + lengths, 0)
        return np.zeros(end - begin, dtype=np.int64)

    def _enter(self, records: _Slice) -> Iterator[SiteRows]:
        begin, n = 0, len(records.positions)
        while True:
            enter_records(begin, n, records, self.span, self.choice, self.out)
            why, begin = int(self.state[WHY]), int(self.state[NEXT])
            if why == DONE:
                return
            if why != FULL:
                raise self._explained(why, int(records.positions[begin]))
            yield self.taken()

    # --- errors -----------------------------------------------------------------------------

    def _explained(self, why: int, position: int) -> InputError:
        sample = self.samples[int(self.state[SAMPLE])] if why in (BAD_GT, BIG_ALLELE, PLOIDY, UNPHASED) else ""
        value = int(self.state[VALUE])
        reason, hint = self.reason(why, str(position + 1), sample) or (
            {BAD_GT: f"the genotype of {sample} holds {value}, which is no allele"}[why],
            None,
        )
        return self.error(reason, self._record(position), hint)


def _samples_of(array: Array, columns: Sequence[int]) -> np.ndarray:
    """Return the numbers of the samples in some of an array's chunks along the second axis."""
    across, n = array.chunks[1], array.shape[1]
    return np.concatenate([np.arange(c * across, min((c + 1) * across, n)) for c in columns])


def _refuse(array: Array, index: tuple[int, ...]) -> None:
    """Refuse a missing chunk of numbers that are hardly ever 0: a record or two may have POS 0."""
    if array.size(index)[0] > _FEW:
        raise array.missing(index)


def _bounded(values: np.ndarray) -> np.ndarray:
    """Return positions as int64, none of which overflows: no number is 0, and more than any position is one more."""
    known = np.where(np.isnan(values), 0, values) if values.dtype.kind == "f" else values
    if known.dtype.kind == "f" or known.dtype.itemsize == 8:
        known = np.minimum(known, known.dtype.type(LAST_POSITION + 1))
    if known.dtype.kind != "u":
        known = np.maximum(known, known.dtype.type(-1))
    return np.asarray(known, dtype=np.int64)


@compiled()
def _read_alleles(buf, begin, end, width, luts, n_alleles, bases, any_other, sizes):
    """Read the alleles of rows [begin, end) of a chunk of strings, ``width`` of which are a row.

    Returns -1; or -2 if the chunk is cut short or its strings have gaps; or the row that has no REF.
    ``n_alleles`` is -1 where there are too many.
    """
    scratch = np.empty(buf.size + 1, dtype=np.uint8)
    lut = np.empty(MAX_ALLELES + 2, dtype=np.int8)
    at = np.int64(4)
    for r in range(end):
        # REF, then the alternatives with commas between them, as in a VCF.
        size = ref_end = filled = np.int64(0)
        gap = False
        for a in range(width):
            if at + 4 > buf.size:
                return -2
            n = (
                np.int64(buf[at])
                | np.int64(buf[at + 1]) << 8
                | np.int64(buf[at + 2]) << 16
                | np.int64(buf[at + 3]) << 24
            )
            at += 4
            if at + n > buf.size:
                return -2
            gap |= n == 0
            filled += n > 0
            if n > 0 and gap and a > 0:
                return -2  # what is filled up comes last
            if r >= begin and n > 0:
                if a > 1 and size > ref_end:
                    scratch[size] = COMMA
                    size += 1
                for j in range(n):
                    scratch[size + j] = buf[at + j]
                size += n
            ref_end = size if a == 0 else ref_end
            at += n
        if r < begin:
            continue
        if ref_end == 0:
            return r
        if size == ref_end:
            scratch[size] = DOT
            size += 1
        found, n_bases, other = read_alleles(scratch, 0, ref_end, ref_end, size, lut)
        if found > filled:
            return -2  # an allele with a comma would be two
        i = r - begin
        n_alleles[i], bases[i], any_other[i], sizes[i] = found, n_bases, other, ref_end
        for a in range(min(max(found, 1), luts.shape[1])):
            luts[i, a] = lut[a]
    return -1


@compiled()
def enter_records(begin, end, records, span, choice, out):
    """Enter records [begin, end) of a slice, as :func:`~.lines.parse_lines` does with lines.

    Parameters
    ----------
    records
        :class:`_Slice`.
    span, choice, out
        :class:`~.records.Span`, :class:`~.records.Choice` and :class:`~.records.Output`.
    """
    positions, passes, luts, n_alleles, bases, any_other, ends, calls, phased, low_quality = records
    column_of, need_phase, allow_unphased, _, _, ploidy = choice
    state, counts = out.state, out.counts
    n_samples, n_ploidy = calls.shape[1], calls.shape[2]
    plain, has_phase, has_quality = n_ploidy == 2, phased.size > 0, low_quality.size > 0
    for r in range(begin, end):
        state[NEXT] = r
        if state[ROWS] >= out.rows.shape[0] or state[STRETCHES] >= out.known.shape[0]:
            state[WHY] = FULL
            return
        position = positions[r]
        what = place(position, span, out)
        if what in (BEYOND, PASSED):
            continue
        if what > PASSED:
            state[WHY] = what
            return
        limit = n_alleles[r]
        if limit < 0:
            state[WHY] = MANY_ALLELES
            return
        alleles = Alleles(limit, bases[r], any_other[r])
        lut = luts[r]
        reference = lut[0]
        stated_end = max(ends[r], 0) if may_be_block(alleles) else np.int64(0)
        stop, what = weigh(position, stated_end, reference, passes[r], span, out)
        if what > PASSED:
            state[WHY] = what
            return
        if what == PASSED:
            continue
        row = out.rows[state[ROWS]]
        for s in range(n_samples):
            column = column_of[s]
            if column < 0:
                continue
            first = np.int64(calls[r, s, 0])
            second = np.int64(calls[r, s, 1]) if n_ploidy > 1 else np.int64(_NO_ALLELE)
            unphased = has_phase and not phased[r, s]
            worse = has_quality and low_quality[r, s]
            if plain and 0 <= first < limit and 0 <= second < limit and not worse and (first == second or not unphased):
                enter_plainly(first, second, column, lut, row, ploidy)
                continue
            n = 2
            if first >= limit or second >= limit:
                state[SAMPLE], state[VALUE], state[LIMIT], state[WHY] = column, max(first, second), limit, BIG_ALLELE
                return
            if first < _NO_CALL or second < _NO_CALL:
                if first < _NO_ALLELE or second < _NO_ALLELE:
                    state[SAMPLE], state[VALUE], state[WHY] = column, min(first, second), BAD_GT
                    return
                if second == _NO_ALLELE:
                    n = 1
                first, second = max(first, np.int64(_NO_CALL)), max(second, np.int64(_NO_CALL))
            for more in range(2, n_ploidy):
                if calls[r, s, more] != _NO_ALLELE:
                    state[SAMPLE], state[VALUE], state[WHY] = column, more + 1, PLOIDY
                    return
            call = Call(first, second, n, unphased, worse)
            why = enter_call(call, column, lut, row, need_phase, allow_unphased, ploidy, counts)
            if why:
                state[SAMPLE], state[WHY] = column, why
                return
        finish_record(max(position, span.low), stop, reference, alleles, row, out)
    state[NEXT] = end
    state[WHY] = DONE
