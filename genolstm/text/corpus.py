"""Text or FASTA as streams of symbol codes.

The symbols of a text are its characters, or its words (:mod:`genolstm.text.words`). A stream is all
records one after the other, each begun by a boundary, whose code is the number of symbols. In DNA every
base that is not known has that code too, and a run of them is one boundary: a gap is read like the start
of a new record.
"""

from __future__ import annotations

import codecs
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from genolstm.errors import InputError, SettingError, shown
from genolstm.files import PathLike, check_inputs, display_name, open_input, readable
from genolstm.text.settings import CHARACTERS, DNA, FORMATS, TEXT, WORDS
from genolstm.text.words import Vocabulary, tokens

Codes = npt.NDArray[np.integer]
Alphabet = str | Vocabulary

DNA_ALPHABET = "ACGT"
FASTA_SUFFIXES = {".fa", ".fasta", ".fna", ".ffn", ".fas", ".frn", ".mfa", ".fq", ".fastq"}
_PACKED = {".gz", ".bz2", ".xz", ".zst", ".bgz"}
_SHOWN = 10
_LONGEST_TEXT = 1 << 30
SKIP_HINT = "--skip-unknown drops what it never saw"
HELD_OUT_HINT = "the training text must hold every symbol of the held-out text"


@dataclass(frozen=True, eq=False)
class Record:
    """One text file or one sequence."""

    name: str
    codes: Codes
    spelled: tuple[str, ...] = ()
    """Its unknown words, in their order, if its symbols are words."""


@dataclass(frozen=True, eq=False)
class Corpus:
    """An alphabet, and records as codes of its symbols.

    Attributes
    ----------
    kind
        ``text`` or ``dna``.
    alphabet
        The symbols in the order of their codes: characters, or a vocabulary.
    """

    kind: str
    alphabet: Alphabet
    records: tuple[Record, ...]

    @property
    def boundary(self) -> int:
        """The code of a record's beginning, and of unknown bases."""
        return len(self.alphabet)

    @property
    def n_symbols(self) -> int:
        """Number of symbols to predict, in all records."""
        return sum(int((record.codes < self.boundary).sum()) for record in self.records)

    def stream(self) -> Codes:
        """Return all records as one row of codes, each begun by a boundary."""
        return np.concatenate([record_stream(record.codes, self.boundary)[0] for record in self.records])

    def text(self) -> str:
        """Return the records' symbols, without unknown bases."""
        return "".join(record_text(record, self.alphabet) for record in self.records)

    @property
    def n_characters(self) -> int:
        """Number of characters of the symbols to predict."""
        if not isinstance(self.alphabet, Vocabulary):
            return self.n_symbols
        return sum(int(self.alphabet.lengths(one.codes, one.spelled).sum()) for one in self.records)


def record_stream(codes: Codes, boundary: int) -> tuple[Codes, npt.NDArray[np.int64]]:
    """Return a record as a stream, and the place of each known symbol in it.

    Returns
    -------
    stream
        A boundary and the record, with runs of boundaries merged.
    places
        For each code below ``boundary``, its index in the stream.
    """
    whole = np.concatenate([np.array([boundary], codes.dtype), codes])
    kept = whole != boundary
    kept[0] = True
    kept[1:] |= whole[:-1] != boundary
    stream = whole[kept]
    return stream, np.flatnonzero(stream != boundary)


def code_type(n_symbols: int) -> type[np.unsignedinteger]:
    """Return the smallest type that holds the codes of ``n_symbols`` symbols and a boundary."""
    return np.uint8 if n_symbols < 255 else np.uint16 if n_symbols < 65535 else np.uint32


def detect_format(path: PathLike, given: str = "auto") -> str:
    """Return ``text`` or ``fasta``: what was given, or what the file's name says."""
    if given not in FORMATS:
        raise SettingError(f"format is {given!r}, it must be one of {', '.join(FORMATS)}")
    if given != "auto":
        return given
    suffixes = [suffix.lower() for suffix in Path(os.fspath(path)).suffixes]
    while suffixes and suffixes[-1] in _PACKED:
        suffixes.pop()
    return "fasta" if suffixes and suffixes[-1] in FASTA_SUFFIXES else "text"


def read_text(path: PathLike) -> str:
    """Read a whole UTF-8 file, with line ends as they are.

    Raises
    ------
    InputError
        The file is missing or empty, larger than 1 GiB, or not UTF-8; the message gives the offset in bytes.
    """
    parts: list[bytes] = []
    size = 0
    with open_input(path, keep_mark=True) as stream, readable(path):
        while part := stream.read(1 << 24):
            parts.append(part)
            size += len(part)
            if size > _LONGEST_TEXT:  # a small compressed file may unpack to much
                reason = f"holds more than {_LONGEST_TEXT >> 20} MiB of text, which is held in memory as a whole"
                raise InputError(reason, path=display_name(path), hint="divide it into several files")
    data = b"".join(parts)
    parts.clear()
    start = len(codecs.BOM_UTF8) if data.startswith(codecs.BOM_UTF8) else 0
    try:
        text = data[start:].decode("utf-8")
    except UnicodeDecodeError as error:
        offset = start + error.start
        raise InputError(
            f"is not UTF-8: byte 0x{data[offset]:02x} at offset {offset}",
            path=display_name(path),
            line=1 + data.count(b"\n", 0, offset),
            hint="convert it first, for example with iconv",
        ) from error
    if not text:
        raise InputError("is empty", path=display_name(path))
    return text


def encode(text: str, alphabet: str, *, skip_unknown: bool = False, hint: str | None = SKIP_HINT) -> Codes:
    """Turn text into codes.

    Parameters
    ----------
    skip_unknown
        Drop symbols that the alphabet lacks, instead of refusing them.
    hint
        What the error tells the user to do.

    Raises
    ------
    InputError
        A symbol is not in the alphabet; the message names all of them.
    """
    # Looked up once per distinct symbol, not once per character.
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    distinct, place = np.unique(points, return_inverse=True)
    table = {ord(symbol): code for code, symbol in enumerate(alphabet)}
    unknown = len(alphabet)
    codes = np.array([table.get(int(point), unknown) for point in distinct], np.int64)
    result = codes[place].astype(code_type(unknown))
    if (codes == unknown).any():
        if not skip_unknown:
            missing = [chr(int(point)) for point in distinct[codes == unknown]]
            first = " ".join(repr(symbol) for symbol in missing[:_SHOWN])
            more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
            raise InputError(f"the model never saw {first}{more}", hint=hint)
        result = result[result != unknown]
    return result


def record_text(record: Record, alphabet: Alphabet) -> str:
    """Return the symbols of a record, put together; boundaries are left out."""
    if isinstance(alphabet, Vocabulary):
        return "".join(alphabet.texts(record.codes, record.spelled))
    return decode(record.codes, alphabet)


def decode(codes: Codes, alphabet: str) -> str:
    """Turn codes into text; boundaries are left out."""
    known = codes[codes < len(alphabet)]
    points = np.array([ord(symbol) for symbol in alphabet], np.uint32)
    return points[known].tobytes().decode("utf-32-le", "surrogatepass") if known.size else ""


def text_corpus(
    texts: Iterable[tuple[str, str]], alphabet: Alphabet | None = None, *, symbols: str = CHARACTERS
) -> Corpus:
    """Make a corpus from (name, text) pairs.

    Parameters
    ----------
    alphabet
        By default all their symbols.
    symbols
        Without an alphabet, ``characters`` or ``words``.
    """
    pairs = list(texts)
    if alphabet is None and symbols == WORDS:
        index: dict[str, int] = {}
        records = []
        for name, text in pairs:
            codes = np.fromiter((index.setdefault(word, len(index)) for word in tokens(text)), np.int64)
            records.append(Record(name, codes))
        return Corpus(TEXT, Vocabulary(tuple(index)), tuple(_narrow(record, len(index) + 1) for record in records))
    if alphabet is None:
        alphabet = "".join(sorted(set().union(*(set(text) for _, text in pairs))))
    if isinstance(alphabet, Vocabulary):
        return Corpus(TEXT, alphabet, tuple(_words(name, text, alphabet) for name, text in pairs))
    return Corpus(TEXT, alphabet, tuple(Record(name, encode(text, alphabet)) for name, text in pairs))


def _words(name: str, text: str, vocabulary: Vocabulary) -> Record:
    codes, spelled = vocabulary.encode(text)
    return _narrow(Record(name, codes, spelled), len(vocabulary))


def _narrow(record: Record, n_symbols: int) -> Record:
    return Record(record.name, record.codes.astype(code_type(n_symbols)), record.spelled)


def close_vocabulary(training: Corpus, held_out: Corpus | None, size: int) -> tuple[Corpus, Corpus | None]:
    """Give words and held-out words the vocabulary of the training part; see :class:`Vocabulary`.

    Parameters
    ----------
    training, held_out
        Corpora of words with one vocabulary, which may hold words of either.
    size
        Number of words of the new vocabulary, at most.

    Raises
    ------
    InputError
        No word of the training part is there twice.
    """
    old = training.alphabet
    assert isinstance(old, Vocabulary)
    counts = np.zeros(len(old), np.int64)
    for record in training.records:
        counts += np.bincount(record.codes, minlength=len(old))
    new = Vocabulary.of_counts(old.words, counts[:-1], size)
    if not new.words:
        raise InputError(
            "no word is there twice: there is nothing to learn",
            path=training.records[0].name if len(training.records) == 1 else None,
            hint="give more text, or train on characters",
        )
    place = {word: code for code, word in enumerate(new.words)}
    table = np.array([place.get(word, new.unknown) for word in old], np.int64)

    def moved(corpus: Corpus) -> Corpus:
        records = []
        for record in corpus.records:
            codes = table[record.codes]
            spelled = tuple(old.texts(record.codes[codes == new.unknown], record.spelled))
            records.append(_narrow(Record(record.name, codes, spelled), len(new)))
        return Corpus(corpus.kind, new, tuple(records))

    return moved(training), None if held_out is None else moved(held_out)


def dna_corpus(records: Iterable[tuple[str, Codes]]) -> Corpus:
    """Make a corpus from names and codes of DNA, as :mod:`genolstm.sequences.alphabet` gives them."""
    return Corpus(DNA, DNA_ALPHABET, tuple(Record(name, codes) for name, codes in records))


def read_stream(
    paths: Sequence[PathLike],
    form: str,
    *,
    alphabet: Alphabet | None = None,
    skip_unknown: bool = False,
    hint: str | None = SKIP_HINT,
) -> Iterator[Record]:
    """Yield the records of text or FASTA files, one in memory at a time.

    Parameters
    ----------
    form
        ``text`` or ``fasta``.
    alphabet
        Symbols of text; not needed for FASTA.
    """
    if form == "fasta":
        from genolstm.sequences.fasta import read_codes

        for path in paths:
            for record, bases in read_codes(path):
                yield Record(record.name, bases)
        return
    for path in paths:
        name = display_name(path)
        text = read_text(path)
        if isinstance(alphabet, Vocabulary):
            yield _words(shown(name), text, alphabet)
            continue
        try:
            codes = encode(text, alphabet or "", skip_unknown=skip_unknown, hint=hint)
        except InputError as error:
            error.path = name
            raise
        yield Record(shown(name), codes)  # a column of tables


def read_corpus(
    paths: Sequence[PathLike],
    form: str = "auto",
    *,
    alphabet: Alphabet | None = None,
    hint: str | None = None,
    symbols: str = CHARACTERS,
) -> Corpus:
    """Read text or FASTA files.

    Parameters
    ----------
    form
        ``text``, ``fasta`` or ``auto``, which goes by the files' names.
    alphabet
        Symbols of a text model: no other character is accepted, other words are.
    hint
        What the error tells the user to do about other symbols.
    symbols
        What the symbols of a text are: ``characters`` or ``words``.

    Raises
    ------
    InputError
        A file is missing, is not what it should be, or holds symbols that the alphabet lacks.
    SettingError
        Some files are text and some FASTA, or FASTA is to be read as words.
    """
    if not paths:
        raise SettingError("no file is named")
    check_inputs(paths)
    forms = {detect_format(path, form) for path in paths}
    if len(forms) > 1:
        raise SettingError("text and FASTA cannot be read together", hint="give --format")
    if forms == {"fasta"}:
        if symbols == WORDS:
            raise SettingError(
                f"{shown(display_name(paths[0]))} is FASTA, which has no words",
                hint="leave --tokens words out, or give --format text",
            )
        return Corpus(DNA, DNA_ALPHABET, tuple(read_stream(paths, "fasta")))
    if alphabet is None:
        texts = ((shown(display_name(path)), read_text(path)) for path in paths)
        return text_corpus(texts, symbols=symbols)
    records = read_stream(paths, "text", alphabet=alphabet, hint=hint)
    return Corpus(TEXT, alphabet, tuple(records))


def read_held_out(paths: Sequence[PathLike], training: Corpus) -> Corpus:
    """Read files of the kind and the alphabet of a training corpus; see :func:`read_corpus`."""
    if training.kind == DNA:
        return read_corpus(paths, "fasta")
    return read_corpus(paths, "text", alphabet=training.alphabet, hint=HELD_OUT_HINT)


def check_learnable(corpus: Corpus) -> None:
    """Refuse a corpus of one symbol, which leaves nothing to learn.

    Raises
    ------
    InputError
        All symbols are the same, or there are none.
    """
    seen = np.zeros(corpus.boundary + 1, bool)
    for record in corpus.records:
        seen[np.unique(record.codes)] = True
    kinds = np.flatnonzero(seen[:-1])
    name = corpus.records[0].name if len(corpus.records) == 1 else None
    if len(kinds) == 0:
        raise InputError("holds no known base", path=name)
    if len(kinds) == 1:
        raise InputError(
            f"holds nothing but {corpus.alphabet[kinds[0]]!r}: there is nothing to learn",
            path=name if corpus.kind == TEXT else None,
            record=name if corpus.kind == DNA else None,
        )


def split(corpus: Corpus, fraction: float, seed: int) -> tuple[Corpus, Corpus | None]:
    """Hold out a share of a corpus.

    For text, that is its last part; for DNA with several records, whole records, drawn by the seed;
    for a single record, its last part. Near-copies of a held-out record among the training records
    make the held-out figure flattering: name a held-out file yourself in that case.

    Returns
    -------
    training, held_out
        The second is ``None`` if the fraction is 0.

    Raises
    ------
    SettingError
        One of the two would hold no symbol.
    """
    if not 0 <= fraction < 1:
        raise SettingError(f"validation is {fraction}, it must be at least 0 and below 1")
    if fraction == 0:
        return corpus, None
    if corpus.kind == DNA and len(corpus.records) > 1:
        order = np.random.default_rng([seed, 0x7E47]).permutation(len(corpus.records))
        wanted, held = fraction * corpus.n_symbols, set[int]()
        size = 0
        for index in order[:-1]:
            if size >= wanted:
                break
            held.add(int(index))
            size += int((corpus.records[index].codes < corpus.boundary).sum())
        parts = [tuple(r for i, r in enumerate(corpus.records) if (i in held) == side) for side in (False, True)]
    else:
        total = sum(len(record.codes) for record in corpus.records)
        border = total - math.ceil(fraction * total)
        first: list[Record] = []
        last: list[Record] = []
        for record in corpus.records:
            cut = min(max(border, 0), len(record.codes))
            border -= len(record.codes)
            if cut:
                first.append(_part(record, corpus.alphabet, 0, cut))
            if cut < len(record.codes):
                last.append(_part(record, corpus.alphabet, cut, len(record.codes)))
        parts = [tuple(first), tuple(last)]
    training, held_out = (Corpus(corpus.kind, corpus.alphabet, part) for part in parts)
    for side, name in ((training, "training"), (held_out, "held-out")):
        if not side.records or not side.n_symbols:
            raise SettingError(f"the split leaves no {name} symbols", hint="give more text, or change --validation")
    return training, held_out


def _part(record: Record, alphabet: Alphabet, start: int, stop: int) -> Record:
    codes = record.codes[start:stop]
    if not record.spelled or not isinstance(alphabet, Vocabulary):
        return Record(record.name, codes)
    before = int((record.codes[:start] == alphabet.unknown).sum())
    within = int((codes == alphabet.unknown).sum())
    return Record(record.name, codes, record.spelled[before : before + within])
