"""Read a VCF or BCF as base alleles per haplotype, checked, in blocks of bounded size."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from genolstm.errors import InputError, SettingError
from genolstm.files import PathLike, open_input, read_lines, readable
from genolstm.introgression.variants.block import VariantBlock

_BASE = {"A": 0, "C": 1, "G": 2, "T": 3}


@dataclass
class VariantCounts:
    """Counts of what was read, and of what was left out and why; printed at the end of a scan."""

    records: int = 0
    sites: int = 0
    not_snv: int = 0
    merged: int = 0
    uncalled: int = 0
    archaic_missing: int = 0
    unphased: int = 0

    def summary(self) -> str:
        """Return a one-line human-readable summary."""
        return (
            f"{self.records} records: {self.sites} sites used; left out {self.not_snv} that are "
            f"not SNVs and {self.uncalled} that no target or no outgroup sample is called at; "
            f"{self.merged} records merged with another at the same position; the archaic is "
            f"missing at {self.archaic_missing} sites; {self.unphased} unphased heterozygotes"
        )


def read_sample_list(text: PathLike) -> list[str]:
    """Return sample names from a file with one name per line, or from comma-separated text.

    Raises
    ------
    InputError
        The list is empty or names a sample twice.
    """
    name = os.fspath(text)
    words: list[tuple[str, int | None]] = []
    path: str | None = None
    if _is_file(name):
        path = name
        for number, line in read_lines(name):
            if line.strip() and not line.startswith("#"):
                words.append((line.split()[0], number))
    else:
        words += [(word.strip(), None) for word in name.split(",") if word.strip()]
    if not words:
        raise InputError("names no samples", path=path)
    seen: set[str] = set()
    for word, line_number in words:
        if word in seen:
            raise InputError(f"names the sample {word} twice", path=path, line=line_number)
        seen.add(word)
    return [word for word, _ in words]


def _is_file(name: str) -> bool:
    try:
        return Path(name).is_file()
    except OSError:  # a list of many names is too long for a path
        return False


@dataclass
class VariantReader:
    """Reads the named samples of a VCF or BCF, block by block.

    Only single-base substitutions are sites; insertions, deletions and symbolic alleles are left
    out and counted. A site with several alternative alleles is one site, whether in one record or
    in several. A missing genotype stays missing; the second haplotype of a haploid call is missing.
    Heterozygous target genotypes must be phased, unless ``allow_unphased`` accepts them in the
    order in which they are written. Outgroup and archaic samples need not be phased (windows that
    cover two of their heterozygous sites then rely on a guess).

    Parameters
    ----------
    path
        VCF (plain or gzipped) or BCF.
    target, outgroup, archaic
        Sample names.
    allow_unphased
        Accept unphased heterozygous target genotypes.
    chrom
        The only chromosome to read (needs no index); None reads all.
    """

    path: PathLike
    target: Sequence[str]
    outgroup: Sequence[str]
    archaic: Sequence[str]
    allow_unphased: bool = False
    chrom: str | None = None
    counts: VariantCounts = field(default_factory=VariantCounts)

    def __post_init__(self) -> None:
        self.path = os.fspath(self.path)
        for role in ("target", "outgroup", "archaic"):
            if not getattr(self, role):
                raise SettingError(f"no {role} samples are named")
        groups = (("target", self.target), ("outgroup", self.outgroup), ("archaic", self.archaic))
        role_of: dict[str, str] = {}
        for role, names in groups:
            for name in names:
                if name in role_of:
                    raise SettingError(
                        f"sample {name} is named as {role_of[name]} and as {role}", hint="the groups must not overlap"
                    )
                role_of[name] = role
        if Path(self.path).is_dir():
            raise InputError("is a folder; a VCF or BCF file is needed", path=self.path)
        if not Path(self.path).is_file():
            raise InputError("no such file", path=self.path)
        _check_whole(self.path)
        self._open()

    def _open(self) -> None:
        import cyvcf2

        _silence_htslib()
        wanted = [*self.target, *self.outgroup, *self.archaic]
        try:
            vcf = cyvcf2.VCF(self.path)
        except Exception as error:  # cyvcf2 raises OSError and bare Exceptions
            raise InputError("is not a VCF or BCF file", path=self.path) from error
        absent = [name for name in wanted if name not in set(vcf.samples)]
        if absent:
            shown = ", ".join(absent[:3]) + (" ..." if len(absent) > 3 else "")
            raise InputError(
                f"has no sample {shown} ({len(absent)} of {len(wanted)} named samples are missing)", path=self.path
            )
        if "##FORMAT=<ID=GT" not in vcf.raw_header:
            raise InputError("has no GT field; genotypes are needed", path=self.path)
        vcf.set_samples(wanted)
        order = {name: i for i, name in enumerate(vcf.samples)}
        self._columns = np.array([order[name] for name in wanted], dtype=np.int64)
        self._header_lines = _header_lines(os.fspath(self.path))
        self.contigs = list(vcf.seqnames)
        try:
            known = zip(self.contigs, vcf.seqlens, strict=True)
            self.lengths = {name: length for name, length in known if length > 0}
        except (AttributeError, ValueError):
            self.lengths = {}
        self._vcf = vcf

    def names(self, role: str) -> list[tuple[str, str]]:
        """Return (sample, haplotype) of the columns of one group; haplotypes are 1 and 2."""
        return [(name, h) for name in getattr(self, role) for h in ("1", "2")]

    def _fail(self, reason: str, record: Any, hint: str | None = None) -> InputError:
        place = f"{record.CHROM}:{record.POS}"
        return InputError(reason, path=self.path, line=self._line(), record=place, hint=hint)

    def _line(self) -> int | None:
        """Return the line number of the last record read; None for a BCF."""
        return None if self._header_lines is None else self._header_lines + self.counts.records

    def _sites(self) -> Iterator[tuple[str, int, np.ndarray]]:
        """Yield (chrom, 0-based position, base codes of all wanted haplotypes)."""
        finished: set[str] = set()
        chrom: str | None = None
        length: int | None = None
        position, reference = -1, ""
        pending: np.ndarray | None = None
        for record in self._records():
            self.counts.records += 1
            if record.end <= record.start:  # cyvcf2 crashes on the chromosome of an empty line
                raise InputError("is not a VCF record", path=self.path, line=self._line())
            if chrom != record.CHROM:
                if pending is not None and chrom is not None:
                    yield chrom, position, pending
                    pending = None
                if record.CHROM in finished:
                    raise self._fail(
                        f"chromosome {record.CHROM} reappears after another one",
                        record,
                        "sort the file (bcftools sort)",
                    )
                if chrom is not None:
                    finished.add(chrom)
                chrom, position = record.CHROM, -1
                length = self.lengths.get(chrom)
            if self.chrom is not None and chrom != self.chrom:
                continue
            at = record.POS - 1
            if at < position:
                raise self._fail(
                    f"position {record.POS} comes after {position + 1}", record, "sort the file (bcftools sort)"
                )
            if length is not None and at >= length:
                raise self._fail(f"lies beyond the length stated in the header ({length} bp)", record)
            ref, alts = record.REF.upper(), record.ALT
            if ref not in _BASE:
                self.counts.not_snv += 1
                continue
            codes = [_BASE.get(allele.upper(), -1) for allele in alts]
            if alts and max(codes) < 0:
                self.counts.not_snv += 1
                continue
            row = self._row(record, ref, codes)
            if at == position and pending is not None:
                if ref != reference:
                    raise self._fail(
                        f"REF is {ref} here and {reference} in the previous record",
                        record,
                        "a position has only one reference base",
                    )
                self.counts.merged += 1
                pending = _merge_records(pending, row, _BASE[ref])
                continue
            if pending is not None and chrom is not None:
                yield chrom, position, pending
            position, pending, reference = at, row, ref
        if pending is not None and chrom is not None:
            yield chrom, position, pending

    def _row(self, record: Any, ref: str, codes: list[int]) -> np.ndarray:
        """Return the base codes of all wanted haplotypes; ``codes`` are the alternative alleles'."""
        try:
            calls = record.genotype.array()
        except Exception as error:  # cyvcf2 raises a bare one
            raise self._fail("the record has no GT", record) from error
        if calls.shape[1] != 3:
            if calls.shape[1] == 2:  # haploid throughout: the second haplotype is missing
                calls = np.insert(calls, 1, -1, axis=1)
            else:
                raise self._fail(f"genotypes have {calls.shape[1] - 1} alleles; only 1 or 2 are supported", record)
        calls = calls[self._columns]
        if len(codes) > 61:
            raise self._fail(f"the site has {len(codes)} alternative alleles", record)
        if calls[:, :2].max() > len(codes):
            raise self._fail(
                f"a genotype names allele {calls[:, :2].max()}, but the record has {len(codes) + 1} alleles", record
            )
        # Index -1 (missing) and -2 (absent: haploid) fall on the table's end, which is -1.
        lut = np.full(64, -1, dtype=np.int8)
        lut[0] = _BASE[ref]
        lut[1 : 1 + len(codes)] = codes
        targets = calls[: len(self.target)]
        loose = (targets[:, 2] == 0) & (targets[:, 0] != targets[:, 1])
        if loose.any():
            loose &= (targets[:, 0] >= 0) & (targets[:, 1] >= 0)
            n_loose = int(loose.sum())
            if n_loose and not self.allow_unphased:
                raise self._fail(
                    f"sample {self.target[int(np.argmax(loose))]} is heterozygous and unphased",
                    record,
                    "phase the file, or use --allow-unphased (see the documentation)",
                )
            self.counts.unphased += n_loose
        return lut[calls[:, :2]].ravel()

    def _records(self) -> Iterator[Any]:
        try:
            yield from self._vcf
        except Exception as error:  # cyvcf2 raises bare Exceptions
            if isinstance(error, InputError):
                raise
            line = self._line()
            raise InputError(
                f"cannot be read after record {self.counts.records}",
                path=self.path,
                line=None if line is None else line + 1,
                hint="the line is malformed or the file is damaged",
            ) from error

    def blocks(self, *, span: int, overlap: int) -> Iterator[VariantBlock]:
        """Yield blocks of ``span`` bp, aligned to multiples of ``span``; the first and the last may be shorter.

        Parameters
        ----------
        span
            Length of a block in bp; affects memory use, not results.
        overlap
            Sites up to this many bp outside a block are included in it; at least the k of the tracks.

        Raises
        ------
        InputError
            The file is unsorted, truncated or not phased, or has no usable site.
        """
        n_target, n_outgroup = 2 * len(self.target), 2 * len(self.outgroup)
        builder: _BlockBuilder | None = None
        for chrom, position, row in self._sites():
            target, outgroup = row[:n_target], row[n_target : n_target + n_outgroup]
            archaic = row[n_target + n_outgroup :]
            if target.max() < 0 or outgroup.max() < 0:
                self.counts.uncalled += 1
                continue
            self.counts.sites += 1
            self.counts.archaic_missing += int(archaic.max() < 0)
            if builder is not None and builder.chrom != chrom:
                yield from builder.finish()
                builder = None
            if builder is None:
                builder = _BlockBuilder(
                    chrom,
                    n_target,
                    n_outgroup,
                    self.lengths.get(chrom),
                    span,
                    overlap,
                    start=position // span * span,
                    first=position,
                )
            yield from builder.add(position, row)
        if builder is None:
            detail = f" on chromosome {self.chrom}" if self.chrom else ""
            present = ", ".join(self.contigs[:3])
            raise InputError(
                f"has no usable site{detail} ({self.counts.records} records read)",
                path=self.path,
                hint=f"its header names {present}" if self.chrom and present else None,
            )
        yield from builder.finish()


class _BlockBuilder:
    """Collects the sites of one chromosome and cuts them into blocks."""

    def __init__(
        self,
        chrom: str,
        n_target: int,
        n_outgroup: int,
        length: int | None,
        span: int,
        overlap: int,
        *,
        start: int,
        first: int,
    ) -> None:
        self.chrom = chrom
        self.splits = [n_target, n_target + n_outgroup]
        self.length = length
        self.span, self.overlap = span, overlap
        self.start = start
        self.first = first
        self.positions: list[int] = []
        self.rows: list[np.ndarray] = []

    def add(self, position: int, row: np.ndarray) -> Iterator[VariantBlock]:
        while position >= self.start + self.span + self.overlap:
            yield self._cut(self.start + self.span, last=False)
        self.positions.append(position)
        self.rows.append(row)

    def finish(self) -> Iterator[VariantBlock]:
        # Without a length in the header, the chromosome is taken to end at its last site.
        end = self.positions[-1] + 1
        if self.length is None:
            self.length = end
        while end > self.start + self.span:
            yield self._cut(self.start + self.span, last=False)
        yield self._cut(end, last=True)

    def _cut(self, end: int, *, last: bool) -> VariantBlock:
        width = self.splits[1]
        rows = np.array(self.rows) if self.rows else np.empty((0, width + 2), dtype=np.int8)
        target, outgroup, archaic = np.split(rows, self.splits, axis=1)
        block = VariantBlock(
            self.chrom,
            np.array(self.positions, dtype=np.int64),
            np.ascontiguousarray(target),
            np.ascontiguousarray(outgroup),
            np.ascontiguousarray(archaic),
            max(self.start, self.first),
            end,
            self.length,
            last,
        )
        kept = int(np.searchsorted(block.positions, end - self.overlap))
        self.positions, self.rows = self.positions[kept:], self.rows[kept:]
        self.start = end
        return block


def _check_whole(path: str) -> None:
    """Reject a compressed file whose end is missing; htslib would only warn."""
    with Path(path).open("rb") as stream:
        magic = stream.read(18)
        if len(magic) == 0:
            raise InputError("is empty; a VCF or BCF file is needed", path=path)
        if magic[:2] != b"\x1f\x8b":
            return
        if magic[12:14] == b"BC":  # BGZF ends with an empty block
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(size - 28, 0))
            if stream.read() != bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000"):
                raise InputError(
                    "ends in the middle of its compressed data (truncated?)",
                    path=path,
                    hint="copy or download it again",
                )
            return
    with readable(path), open_input(path) as stream:
        while stream.read(1 << 20):
            pass


def _header_lines(path: str) -> int | None:
    """Return the number of lines before the first record; None for BCF, which has no lines.

    They are counted here because htslib adds lines to the header that it returns.
    """
    count = 0
    with readable(path), open_input(path) as stream:
        for line in stream:
            if line.startswith(b"BCF"):
                return None
            if not line.startswith(b"#"):
                break
            count += 1
    return count


def _silence_htslib() -> None:
    """Keep htslib from writing to stderr: errors are raised and reported in one line."""
    import ctypes

    import cyvcf2.cyvcf2

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(cyvcf2.cyvcf2.__file__).hts_set_log_level(0)


def _merge_records(first: np.ndarray, second: np.ndarray, reference: int) -> np.ndarray:
    """Join two records of one site.

    A haplotype with an alternative allele in one record carries it, whether the other record has
    the reference or a missing genotype. It carries the reference only if both records say so. Two
    different alternative alleles on one haplotype contradict each other and become missing.
    """
    has_first = (first >= 0) & (first != reference)
    has_second = (second >= 0) & (second != reference)
    merged = np.where((first < 0) | (second < 0), -1, reference)
    merged = np.where(has_first, first, np.where(has_second, second, merged))
    return np.where(has_first & has_second & (first != second), -1, merged).astype(np.int8)
