"""FASTA and FASTQ records: streamed from any compression, or fetched by position.

The parser is our own: error messages need the line number, which Biopython's ``SimpleFastaParser``
does not give, and reading large blocks of bytes instead of lines of text is several times faster
(``benchmarks/panel_speed.py`` prints both).
"""

from __future__ import annotations

import codecs
import os
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple

from genolstm.errors import InputError, cause, control_character
from genolstm.files import Meter, PathLike, display_name, is_regular, open_input, read_block, readable
from genolstm.numbers import LAST_POSITION
from genolstm.sequences.alphabet import Codes, describe_foreign, encode, is_binary

_BLOCK = 1 << 22
#: What a small compressed file may unpack to has to end somewhere: no header, and no read, is longer.
_LONGEST_HEADER = 1 << 24
_LONGEST_READ = 1 << 28
_SPACE = b" \t\r\n\v\f"
_ODD_SPACE = (b"\r", b" ", b"\t", b"\v", b"\f")


@dataclass(frozen=True, slots=True)
class Record:
    """One sequence of a FASTA or FASTQ file.

    Attributes
    ----------
    name
        The header up to the first white space.
    description
        The rest of the header.
    sequence
        The bases as they stand in the file, without white space.
    line
        1-based line of the header.
    is_read
        Whether the record came from FASTQ.
    quality
        The qualities of a read as they stand in the file.
    """

    name: str
    description: str
    sequence: bytes
    line: int
    is_read: bool = False
    quality: bytes = b""

    def __len__(self) -> int:
        return len(self.sequence)


class Block(NamedTuple):
    """A stretch of one record, for sequences that need not fit in memory as a whole.

    Attributes
    ----------
    name, description, line, is_read, quality
        As in :class:`Record`.
    sequence
        The next bases, without white space; may be empty.
    first, last
        Whether the record begins or ends with this stretch.
    """

    name: str
    description: str
    line: int
    sequence: bytes
    first: bool
    last: bool
    is_read: bool = False
    quality: bytes = b""


class HaplotypeName(NamedTuple):
    """What a sequence name says about where it comes from."""

    sample: str
    haplotype: str
    contig: str | None


_PANSN = re.compile(r"(?P<sample>[^#\s]+)#(?P<haplotype>[^#\s]+)(?:#(?P<contig>\S+))?")
_SUFFIX = re.compile(
    r"(?P<sample>\S+?)[_.-](?:hap|haplotype|h)(?P<haplotype>[0-9]+)(?:[_.:#-](?P<contig>\S+))?", re.IGNORECASE
)


def parse_haplotype_name(name: str) -> HaplotypeName | None:
    """Read sample, haplotype and contig from a sequence name.

    Two forms are recognised: PanSN (``SAMPLE#1#contig``, the contig may be absent) and a suffix
    (``SAMPLE_hap1``, optionally ``SAMPLE_hap1_contig``). Any other name gives None.

    References
    ----------
    PanSN-spec, https://github.com/pangenome/PanSN-spec
    """
    match = _PANSN.fullmatch(name) or _SUFFIX.fullmatch(name)
    if match is None:
        return None
    return HaplotypeName(match["sample"], match["haplotype"], match["contig"])


def parse_pansn(name: str) -> HaplotypeName | None:
    """Read a name of the form ``SAMPLE#1#contig`` or ``SAMPLE#1``; any other gives None."""
    match = _PANSN.fullmatch(name)
    return None if match is None else HaplotypeName(match["sample"], match["haplotype"], match["contig"])


#: What ends the name of a sequence file, without regard to case.
_FILE_SUFFIXES = re.compile(
    r"(\.(fa|fasta|fna|fas|ffn|fsa|mfa|fq|fastq))?(\.(gz|bgz|bgzf|bz2|xz|zst))?$", re.IGNORECASE
)
_OF_FILE = re.compile(
    r"(?P<sample>.+?)(?:[_.-](?:hap|haplotype|h)_?(?P<number>[0-9]+)|[_.-](?P<parent>maternal|paternal|mat|pat)"
    r"|\.(?P<bare>[12]))",
    re.IGNORECASE,
)


def file_stem(path: PathLike) -> str:
    """Return a file's name without the suffixes of sequences and compression, and nothing else removed.

    ``data/GRCh38.p14.fna.gz`` gives ``GRCh38.p14``; standard input is ``stdin``.

    Raises
    ------
    InputError
        The name holds a control character, or is no text: no table could hold it.
    """
    name = "stdin" if os.fspath(path) == "-" else Path(path).name
    control = control_character(name)
    if control is not None or any("\ud800" <= letter <= "\udfff" for letter in name):
        what = "bytes that are not UTF-8" if control is None else f"the control character {control}"
        raise InputError(f"a sample is named after this file, whose name holds {what}", path=name, hint="rename it")
    return _FILE_SUFFIXES.sub("", name) or name


def parse_file_name(path: PathLike) -> HaplotypeName | None:
    """Read sample and haplotype from a file's name.

    Recognised are PanSN (``S#1.fa``), ``S.hap1.fa`` or ``S_h1.fa``, ``S.maternal.fa`` or
    ``S.pat.fa``, and ``S.1.fa`` or ``S.2.fa``. Any other name gives None.
    """
    stem = file_stem(path)
    pansn = parse_pansn(stem)
    if pansn is not None:
        return pansn
    match = _OF_FILE.fullmatch(stem)
    if match is None:
        return None
    return HaplotypeName(match["sample"], match["number"] or match["parent"] or match["bare"], None)


def read_records(
    path: PathLike, *, check: bool = True, unique: bool | None = None, empty: str = "error", meter: Meter | None = None
) -> Iterator[Record]:
    """Read FASTA or FASTQ, one record in memory at a time.

    The format is recognised by the first byte, the compression (gz, bz2, xz, zst) by content. Line
    ends may be LF, CRLF or CR, and lines of any width; a UTF-8 byte order mark is passed over.
    FASTQ records have four lines.

    Parameters
    ----------
    path
        The file, or ``-`` for standard input.
    check
        Refuse sequences that are not DNA.
    unique
        Refuse a name that occurs twice. By default in FASTA only: the two reads of a pair may
        share a name, and remembering every name of a read file would cost memory.
    empty
        What to do about a record without bases: ``"error"``, ``"skip"`` or ``"keep"``.
    meter
        Counts the bytes read from the file, compressed as they are.

    Raises
    ------
    InputError
        The file is empty, is not FASTA or FASTQ, is truncated, or a record is invalid; the message gives the line.
    """
    parts: list[bytes] = []
    for block in read_blocks(path, check=check, unique=unique, empty=empty, meter=meter):
        if block.first and block.last:
            yield Record(block.name, block.description, block.sequence, block.line, block.is_read, block.quality)
            continue
        parts.append(block.sequence)
        if block.last:
            sequence = b"".join(parts)
            parts.clear()
            yield Record(block.name, block.description, sequence, block.line, block.is_read)
            del sequence  # the next record is read before another value is put here


def read_blocks(
    path: PathLike, *, check: bool = True, unique: bool | None = None, empty: str = "error", meter: Meter | None = None
) -> Iterator[Block]:
    """Read FASTA or FASTQ as :func:`read_records` does, in blocks of a few megabytes."""
    where = display_name(path)
    with open_input(path, meter=meter) as stream:
        with readable(path):
            first = read_block(stream, _BLOCK)
        line = 1
        # A small compressed file may hold gigabytes of line ends: none are kept.
        while not (content := first.lstrip(_SPACE)):
            line += first.count(b"\n")
            with readable(path):
                more = read_block(stream, _BLOCK)
            if not more:
                raise InputError("is empty, a FASTA or FASTQ file is needed", path=where)
            first = more
        start = len(first) - len(content)
        line += first.count(b"\n", 0, start)
        mark = first[start : start + 1]
        if mark not in (b">", b"@"):
            _refuse_format(first, start, line, where)
        reader = _read_fasta if mark == b">" else _read_fastq
        if unique is None:
            unique = mark == b">"
        seen: dict[str, int] = {}
        for block in reader(stream, first[start:], line, path, check):
            if block.first and block.last and not block.sequence and empty != "keep":
                if empty == "skip":
                    continue
                raise InputError("the record has no bases", path=where, line=block.line, record=block.name)
            if unique and block.first:
                if block.name in seen:
                    raise InputError(
                        f"the name occurs twice (first on line {seen[block.name]})",
                        path=where,
                        line=block.line,
                        record=block.name,
                    )
                seen[block.name] = block.line
            yield block


def read_code_blocks(path: PathLike, *, meter: Meter | None = None) -> Iterator[tuple[Block, Codes]]:
    """Read blocks, as :func:`read_blocks` does, together with their codes."""
    for block in read_blocks(path, check=False, meter=meter):
        try:
            codes = encode(block.sequence)
        except InputError as error:
            if is_regular(path):
                # Read it again with checking on, which finds the line.
                deque(read_blocks(path), maxlen=0)
            raise InputError(error.reason, path=display_name(path), line=block.line, record=block.name) from error
        yield block, codes


def read_codes(path: PathLike, *, unique: bool | None = None, empty: str = "error") -> Iterator[tuple[Record, Codes]]:
    """Read records together with their codes, as :func:`read_records` and ``encode`` give them.

    Faster than calling both, because every letter is checked only once, by the encoding.
    """
    for record in read_records(path, check=False, unique=unique, empty=empty):
        try:
            codes = encode(record.sequence)
        except InputError as error:
            if is_regular(path):
                # Read it again with checking on, which finds the line.
                deque(read_records(path, unique=unique, empty=empty), maxlen=0)
            raise InputError(error.reason, path=display_name(path), line=record.line, record=record.name) from error
        yield record, codes


def _refuse_format(data: bytes, start: int, line: int, where: str) -> None:
    if is_binary(data[:4096]):
        raise InputError("looks like binary data, not FASTA or FASTQ", path=where)
    if data[start : start + 16] == b"##fileformat=VCF":
        raise InputError("is a VCF, not FASTA or FASTQ", path=where, hint="a scan takes it with --vcf")
    raise InputError(
        f"no FASTA or FASTQ header: the first character is {chr(data[start])!r}",
        path=where,
        line=line,
        hint="a header begins with '>' or '@'",
    )


def _split_header(header: bytes, line: int, where: str) -> tuple[str, str]:
    if len(header) > _LONGEST_HEADER:
        _refuse_length(line, where)
    try:
        text = header.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise InputError("the header is not text (UTF-8)", path=where, line=line) from error
    words = text.split(None, 1)
    if not words:
        raise InputError("the header has no name", path=where, line=line)
    # Looked for in the bytes up to a blank: Python also splits text at some control characters.
    control = control_character(header.split(None, 1)[0].decode("utf-8"))
    if control is not None:
        reason = f"the name holds the control character {control}"
        raise InputError(reason, path=where, line=line, record=words[0])
    return words[0], words[1] if len(words) > 1 else ""


def _refuse_length(line: int, where: str) -> None:
    raise InputError(f"the header is longer than {_LONGEST_HEADER >> 20} MiB", path=where, line=line)


def _refuse_letters(body: bytes, line: int, where: str, name: str) -> None:
    """Find the line of the first letter that is not DNA; ``line`` is the body's first line."""
    for offset, text in enumerate(body.split(b"\n")):
        reason = describe_foreign(text.translate(None, _SPACE))
        if reason is not None:
            # Protein is recognised from the whole record, not from its first foreign letter.
            whole = describe_foreign(body.translate(None, _SPACE)) or reason
            reason = whole if "looks like" in whole else reason
            raise InputError(reason, path=where, line=line + offset, record=name)


def _read_fasta(stream: IO[bytes], data: bytes, line: int, path: PathLike, check: bool) -> Iterator[Block]:
    """Yield the blocks of FASTA records; ``data`` begins with ``>`` on line ``line`` of the stream.

    No block is empty unless its record is.
    """
    where = display_name(path)
    at = 0  # where the current header begins
    while True:
        # First make sure that the header line is complete.
        end = data.find(b"\n", at)
        exhausted = False
        while end < 0 and not exhausted:
            if len(data) - at > _LONGEST_HEADER:
                _refuse_length(line, where)
            with readable(path):
                more = read_block(stream, _BLOCK)
            exhausted = not more
            data, at = data[at:] + more, 0
            end = data.find(b"\n")
        end = end if end >= 0 else len(data)
        header_line = line
        name, description = _split_header(data[at + 1 : end], line, where)

        # Each part of the body begins with the preceding line end, or continues a line.
        first, held = True, b""
        at = end
        fresh = False  # whether the previous block ended with a line end
        while True:
            end = _next_header(data, at, fresh)
            body = data[at : end if end >= 0 else len(data)]
            packed = body.replace(b"\n", b"")
            ends = len(body) - len(packed)
            if any(space in packed for space in _ODD_SPACE):
                packed = packed.translate(None, _SPACE)
            if check and describe_foreign(packed) is not None:
                _refuse_letters(body, line, where, name)
            line += ends
            # A block is held back until it is known whether another one follows.
            if held and packed:
                yield Block(name, description, header_line, held, first, False)
                first = False
            held = packed or held
            if end >= 0:
                at = end
                break
            fresh = data.endswith(b"\n")
            with readable(path):
                data, at = read_block(stream, _BLOCK), 0
            if not data:
                break
        yield Block(name, description, header_line, held, first, True)
        if not data:
            return


def _next_header(data: bytes, start: int, fresh: bool) -> int:
    """Return the position of the next ``>`` at the beginning of a line, or -1."""
    # Searching for one character is far faster than for a line end followed by it.
    at = data.find(b">", start)
    while at > 0 and data[at - 1 : at] != b"\n":
        at = data.find(b">", at + 1)
    if at == 0 and not fresh:
        return _next_header(data, 1, fresh)
    return at


def _read_fastq(stream: IO[bytes], data: bytes, line: int, path: PathLike, check: bool) -> Iterator[Block]:
    """Yield FASTQ records of four lines, each as one block."""
    where = display_name(path)
    exhausted = False
    lines: list[bytes] = []
    while True:
        with readable(path):
            more = read_block(stream, _BLOCK)
        exhausted = not more
        data += more
        lines = data.split(b"\n")
        data = b"" if exhausted else lines.pop()
        if exhausted:
            while lines and not lines[-1].strip():
                lines.pop()
        whole = len(lines) // 4 * 4
        for start in range(0, whole, 4):
            yield _fastq_record(lines[start : start + 4], line + start, where, check)
        line += whole
        rest = lines[whole:]
        if exhausted:
            if rest:
                raise InputError("the last FASTQ record is incomplete (truncated?)", path=where, line=line)
            return
        if not rest and len(data) > _LONGEST_HEADER:
            _refuse_length(line, where)
        if len(data) > _LONGEST_READ:
            reason = f"a line of a FASTQ file is longer than {_LONGEST_READ >> 20} MiB"
            raise InputError(reason, path=where, line=line + len(rest))
        data = b"\n".join([*rest, data])


def _fastq_record(lines: list[bytes], line: int, where: str, check: bool) -> Block:
    header, sequence, plus, quality = lines
    if not header.startswith(b"@"):
        raise InputError(
            "a FASTQ header begins with '@'",
            path=where,
            line=line,
            hint="records of more than four lines are not supported",
        )
    name, description = _split_header(header[1:], line, where)
    if not plus.startswith(b"+"):
        raise InputError("the third line of a FASTQ record begins with '+'", path=where, line=line + 2, record=name)
    sequence, quality = sequence.rstrip(), quality.rstrip(b"\r\n")
    if len(sequence) != len(quality):
        raise InputError(f"{len(sequence)} bases but {len(quality)} qualities", path=where, line=line + 3, record=name)
    if check:
        reason = describe_foreign(sequence)
        if reason is not None:
            raise InputError(reason, path=where, line=line + 1, record=name)
    return Block(name, description, line, sequence, first=True, last=True, is_read=True, quality=quality)


def _refuse_unindexable(path: str) -> None:
    """Refuse what is read from begin to end, but is miscounted by an index."""
    with open_input(path, keep_mark=True) as stream, readable(path):
        first = stream.read(1 << 16)
    if first.startswith(codecs.BOM_UTF8):
        raise InputError("begins with a byte order mark, and cannot be indexed", path=path, hint="remove it first")
    if b"\r" in first and b"\n" not in first:
        raise InputError(
            "has CR line ends, and cannot be indexed",
            path=path,
            hint="convert it first, for example with tr '\\r' '\\n'",
        )


class IndexedFasta:
    """Random access to a FASTA file, plain or bgzip, through its ``.fai`` index.

    The index is created next to the file if it is missing or out of date.

    Parameters
    ----------
    path
        A FASTA file on disk.

    Raises
    ------
    InputError
        The file is missing, is not FASTA, is compressed but not with bgzip, or its index can
        neither be found nor written.
    """

    def __init__(self, path: PathLike) -> None:
        import pyfaidx

        self.path = os.fspath(path)
        # Only the first record is read, to make sure that this is FASTA at all.
        if Path(self.path).exists() and not Path(self.path).is_dir() and not is_regular(self.path):
            raise InputError("is a pipe; sequences are fetched from a file", path=self.path)
        next(read_records(self.path, unique=False, empty="keep"))
        _refuse_unindexable(self.path)
        try:
            self._faidx = pyfaidx.Faidx(self.path, rebuild=True)
        except (pyfaidx.FastaIndexingError, pyfaidx.UnsupportedCompressionFormat, ArithmeticError, ValueError) as e:
            reason = " ".join(str(e).split())
            raise InputError(f"cannot be indexed ({reason})", path=self.path) from e
        except OSError as e:
            raise InputError(
                f"its index {Path(self.path).name}.fai cannot be created ({cause(e)})",
                path=self.path,
                hint="create it with samtools faidx where the folder is writable",
            ) from e

        for name, entry in self._faidx.index.items():
            if not 0 <= entry.rlen <= LAST_POSITION or entry.offset < 0:
                raise InputError(
                    "the index does not fit the file",
                    path=self.path,
                    record=name,
                    hint=f"delete {Path(self.path).name}.fai, it is made anew",
                )

    @property
    def names(self) -> list[str]:
        """The sequences' names in the file's order."""
        return list(self._faidx.index)

    def length(self, name: str) -> int:
        """Return the length of one sequence in bases."""
        self._require(name)
        return int(self._faidx.index[name].rlen)

    def fetch(self, name: str, start: int = 0, end: int | None = None) -> bytes:
        """Return the bases in ``[start, end)``, 0-based, as they stand in the file.

        Raises
        ------
        InputError
            The name is unknown, or the range does not lie within the sequence.
        """
        length = self.length(name)
        end = length if end is None else end
        if not 0 <= start <= end <= length:
            raise InputError(
                f"the range {start}-{end} does not lie within its {length} bases", path=self.path, record=name
            )
        if start == end:
            return b""
        hint = f"delete {Path(self.path).name}.fai, it is made anew"
        try:
            with readable(self.path):
                sequence = self._faidx.fetch(name, start + 1, end).seq.encode("ascii")
        except (ValueError, OverflowError, MemoryError) as e:
            raise InputError("the index does not fit the file", path=self.path, record=name, hint=hint) from e
        if len(sequence) != end - start:
            raise InputError("the index does not fit the file", path=self.path, record=name, hint=hint)
        return bytes(sequence)

    def close(self) -> None:
        """Close the file."""
        self._faidx.close()

    def __enter__(self) -> IndexedFasta:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _require(self, name: str) -> None:
        if name not in self._faidx.index:
            some = ", ".join(self.names[:3])
            raise InputError("no such sequence", path=self.path, record=name, hint=f"it has {some}")
