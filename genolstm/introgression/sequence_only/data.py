"""Labelled loci: from folders of ``introgression simulate``, or FASTA and a table of labels, to sentences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from genolstm.errors import InputError, SettingError, control_character
from genolstm.files import PathLike, display_name, read_lines
from genolstm.introgression.evaluate import Coverage
from genolstm.introgression.formats import read_numbered_intervals
from genolstm.introgression.regions import SEQUENCE_FILES, region_folders
from genolstm.introgression.sequence_only import tokens as tokenizer
from genolstm.introgression.sequence_only.settings import (
    ARCHAIC,
    MODERN,
    RECIPE,
    SENTENCES,
    SentenceSettings,
    SequenceOnlyTraining,
    Split,
)
from genolstm.introgression.summary import counted
from genolstm.sequences.fasta import Record, parse_haplotype_name, read_codes

#: What to do if a folder was expected.
TABLE_HINT = "FASTA files go with --labels"
#: Columns of a table of labels, in any order.
COLUMNS = ("name", "label", "group")
#: Places that are tried for a modern stretch.
_TRIES = 1000


class Haplotype(NamedTuple):
    """Where a sequence comes from."""

    input: str
    chrom: str
    sample: str
    haplotype: str


@dataclass
class Counts:
    """What was read, and what was not.

    Attributes
    ----------
    sentences
        Sentences kept.
    unread
        Sentences of which too few k-mers are known.
    unknown, kmers
        K-mers with an unknown base among those of the sentences kept, and all of those.
    short
        Sequences shorter than a sentence.
    rest
        Bases at the ends of sequences that are in no sentence.
    drawn_from
        Modern sentences that there were to draw from.
    without
        Inputs without any archaic sentence, of which none is kept.
    lacking
        Modern stretches for which there was no room.
    """

    sentences: int = 0
    unread: int = 0
    unknown: int = 0
    kmers: int = 0
    short: int = 0
    rest: int = 0
    drawn_from: int = 0
    without: int = 0
    lacking: int = 0

    def lines(self, settings: SentenceSettings) -> list[str]:
        """Return lines on what was left out."""
        found = []
        if self.unread:
            share = f"fewer than {100 * settings.known:g} % of their k-mers are known"
            found.append(f"{counted(self.unread, 'sentence')} left out: {share}")
        if self.unknown:
            found.append(f"{self.unknown} of {self.kmers} k-mers have an unknown base; they are a word of their own")
        if self.short:
            found.append(f"{counted(self.short, 'sequence')} shorter than a sentence ({settings.sentence} bp) left out")
        if self.rest:
            found.append(f"{self.rest} bp at the ends of sequences fill no sentence, and are left out")
        if self.without:
            found.append(
                f"no modern sentence of {counted(self.without, 'input')} without an archaic one either (--modern)"
            )
        if self.lacking:
            found.append(f"modern stretches wanted for which there is no room: {self.lacking}")
        return found


@dataclass(frozen=True)
class Sentences:
    """Labelled sentences.

    Attributes
    ----------
    tokens
        Shape (n, tokens).
    archaic
        Whether at least half of each sentence is archaic, shape (n,).
    groups
        Name of the group of each, shape (n,); groups stay together in every split.
    sequence, start
        Number in ``haplotypes`` of the sequence of each, and its first base there, shape (n,).
    haplotypes
        Where the sequences come from.
    counts
        What was read, and what was not.
    """

    tokens: np.ndarray
    archaic: np.ndarray
    groups: np.ndarray
    sequence: np.ndarray
    start: np.ndarray
    haplotypes: tuple[Haplotype, ...]
    counts: Counts

    def __len__(self) -> int:
        return len(self.archaic)

    def take(self, rows: np.ndarray) -> Sentences:
        """Return some of the sentences."""
        return replace(
            self,
            tokens=self.tokens[rows],
            archaic=self.archaic[rows],
            groups=self.groups[rows],
            sequence=self.sequence[rows],
            start=self.start[rows],
        )


@dataclass
class _Gathered:
    """What of the sequences of one input is known before its modern sentences are drawn."""

    haplotypes: list[Haplotype] = field(default_factory=list)
    sequences: list[tokenizer.Sequence] = field(default_factory=list)
    archaic: list[np.ndarray] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)

    def add(self, haplotype: Haplotype, sequence: tokenizer.Sequence, archaic: np.ndarray, group: str) -> None:
        self.haplotypes.append(haplotype)
        self.sequences.append(sequence)
        self.archaic.append(archaic)
        self.groups.append(group)


class _Reader:
    """Joins the sentences of several inputs."""

    def __init__(self, settings: SentenceSettings, options: SequenceOnlyTraining, seed: int) -> None:
        self.settings, self.options, self.seed = settings, options, seed
        self.counts = Counts()
        self.haplotypes: list[Haplotype] = []
        self.parts: list[tuple[np.ndarray, ...]] = []
        self.inputs = 0

    def add(self, found: _Gathered) -> None:
        """Take all archaic sentences of an input, and as many modern stretches of them as are wanted."""
        readable = [sequence.readable for sequence in found.sequences]
        self.counts.unread += sum(int((~kept).sum()) for kept in readable)
        self.counts.short += sum(not len(sequence.starts) for sequence in found.sequences)
        self.counts.rest += sum(sequence.rest for sequence in found.sequences if len(sequence.starts))
        chosen = self._draw([kept & label for kept, label in zip(readable, found.archaic, strict=True)], readable)
        self.inputs += 1
        first = len(self.haplotypes)
        self.haplotypes += found.haplotypes
        for number, which in enumerate(chosen):
            if not len(which):
                continue
            sequence = found.sequences[number]
            tokens = sequence.sentences(which)
            self.counts.sentences += len(which)
            self.counts.kmers += tokens.size
            self.counts.unknown += int((tokens == tokenizer.UNKNOWN).sum())
            same = np.full(len(which), first + number)
            group = np.full(len(which), found.groups[number], dtype=object)
            self.parts.append((tokens, found.archaic[number][which], group, same, sequence.starts[which]))

    def _draw(self, archaic: list[np.ndarray], readable: list[np.ndarray]) -> list[np.ndarray]:
        """Return the numbers of the sentences to keep, of each sequence."""
        modern = [kept & ~label for kept, label in zip(readable, archaic, strict=True)]
        self.counts.drawn_from += sum(int(one.sum()) for one in modern)
        if not self.options.modern:
            return [np.flatnonzero(kept) for kept in readable]
        runs = np.concatenate([_lengths(one) for one in archaic]) if archaic else np.zeros(0, dtype=np.int64)
        self.counts.without += not len(runs)
        # By the input's place among the inputs, so that each draws for itself.
        random = np.random.default_rng([self.seed, 0x5E27, self.inputs])
        wanted = random.permutation(np.resize(runs, round(self.options.modern * len(runs))))
        taken, lacking = _draw_stretches(modern, wanted, random)
        self.counts.lacking += lacking
        return [np.flatnonzero(label | drawn) for label, drawn in zip(archaic, taken, strict=True)]

    def finish(self) -> Sentences:
        """Return all sentences.

        Raises
        ------
        InputError
            There are none.
        """
        if not self.parts:
            raise InputError(
                "the inputs hold no labelled sentence",
                hint="give longer loci with archaic tracts, or a shorter --sentence",
            )
        joined = [np.concatenate(arrays) for arrays in zip(*self.parts, strict=True)]
        archaic = joined[1].astype(bool)
        names = joined[2].astype(str)
        return Sentences(joined[0], archaic, names, joined[3], joined[4], tuple(self.haplotypes), self.counts)


def _lengths(which: np.ndarray) -> np.ndarray:
    """Return the lengths of the runs of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], which, [False]]).astype(np.int8)))
    found: np.ndarray = edges[1::2] - edges[::2]
    return found


def _draw_stretches(
    free: list[np.ndarray], lengths: np.ndarray, random: np.random.Generator
) -> tuple[list[np.ndarray], int]:
    """Draw stretches of these lengths from where sequences are free, none over another.

    Modern loci must be like the archaic ones: runs of overlapping sentences, not sentences here and there.

    Returns
    -------
    taken, lacking
        What was taken of each sequence, and the number of stretches for which no place was found.
    """
    free = [one.copy() for one in free]
    taken = [np.zeros_like(one) for one in free]
    ends = np.cumsum([len(one) for one in free])
    lacking = 0
    # The longest first, while there is room for them.
    for length in np.sort(lengths)[::-1].tolist():
        for place in random.integers(0, ends[-1], _TRIES).tolist():
            number = int(np.searchsorted(ends, place, side="right"))
            first = place - (int(ends[number - 1]) if number else 0)
            stretch = slice(first, first + length)
            if first + length <= len(free[number]) and free[number][stretch].all():
                free[number][stretch] = False
                taken[number][stretch] = True
                break
        else:
            lacking += 1
    return taken, lacking


def read_folders(
    paths: Iterable[PathLike],
    settings: SentenceSettings = SENTENCES,
    options: SequenceOnlyTraining = RECIPE,
    *,
    seed: int = 1,
) -> Sentences:
    """Read labelled regions: haplotypes in ``target.fa.gz``, their archaic tracts in ``truth.bed``.

    A sentence is archaic if at least half of it is.

    Parameters
    ----------
    seed
        Seed of the draw of modern stretches.

    Raises
    ------
    InputError
        A file is invalid, the truth names what the FASTA lacks, or nothing is labelled.
    """
    reader = _Reader(settings, options, seed)
    for folder in region_folders(paths, SEQUENCE_FILES, hint=TABLE_HINT):
        reader.add(_read_folder(folder, settings, options.split))
    return reader.finish()


def _read_folder(folder: Path, settings: SentenceSettings, split: Split) -> _Gathered:
    fasta, bed = (folder / name for name in SEQUENCE_FILES)
    found = _Gathered()
    lengths: dict[tuple[str, str, str], int] = {}
    sequences: list[tuple[Haplotype, tokenizer.Sequence]] = []
    for record, codes in read_codes(fasta):
        haplotype = haplotype_of(record, folder.name)
        if haplotype[1:] in lengths:
            raise InputError(
                f"the haplotype {haplotype.haplotype} of {haplotype.sample} is there twice",
                path=fasta,
                line=record.line,
                record=record.name,
            )
        lengths[haplotype[1:]] = len(codes)
        sequences.append((haplotype, tokenizer.Sequence.of(codes, settings)))
    coverage = _truth(bed, fasta, lengths)
    for haplotype, sequence in sequences:
        covered = coverage.of(haplotype[1:], sequence.starts, sequence.starts + settings.sentence)
        found.add(haplotype, sequence, 2 * covered >= settings.sentence, _group(haplotype, split))
    return found


def haplotype_of(record: Record, source: str) -> Haplotype:
    """Return where a record comes from, by its name: ``SAMPLE#1#chrom``, or else it is a sample of its own."""
    parsed = parse_haplotype_name(record.name)
    if parsed is None:
        return Haplotype(source, record.name, record.name, "1")
    return Haplotype(source, parsed.contig or record.name, parsed.sample, parsed.haplotype)


def _group(haplotype: Haplotype, split: Split) -> str:
    if split == "region":
        return f"{haplotype.input}/{haplotype.chrom}"
    # Both haplotypes of a person together: they may share tracts by descent.
    return haplotype.chrom if split == "chromosome" else haplotype.sample


def _truth(bed: Path, fasta: Path, lengths: Mapping[tuple[str, str, str], int]) -> Coverage:
    """Read the tracts of haplotypes; one that is not there, or too short, is an error."""
    chroms = {chrom for chrom, _, _ in lengths}
    entries = read_numbered_intervals(bed)
    for entry in entries:
        tract = entry.interval
        key = (tract.chrom, tract.sample, tract.haplotype)
        if key in lengths:
            if tract.end > lengths[key]:
                raise InputError(
                    f"reaches {tract.chrom}:{tract.end}, beyond the end of the sequence ({lengths[key]} bp)",
                    path=bed,
                    line=entry.line,
                )
        elif tract.chrom not in chroms:
            raise InputError(
                f"is on {tract.chrom}, {fasta.name} on {', '.join(sorted(chroms)[:3])}",
                path=bed,
                line=entry.line,
                hint="chromosome names must agree",
            )
        else:
            raise InputError(
                f"names haplotype {tract.haplotype} of {tract.sample}, which {fasta.name} lacks",
                path=bed,
                line=entry.line,
            )
    return Coverage(entry.interval for entry in entries)


class _Label(NamedTuple):
    archaic: bool
    group: str
    line: int


def read_loci(fasta: Sequence[PathLike], labels: PathLike, settings: SentenceSettings = SENTENCES) -> Sentences:
    """Read FASTA files of loci, each record of one label; all of their sentences are kept.

    Parameters
    ----------
    labels
        Tab-separated table whose first line names the columns ``name``, ``label`` (``archaic`` or ``modern``) and
        ``group``: what must stay together, such as the chromosome. Names that the FASTA lacks are ignored.

    Raises
    ------
    InputError
        A record has no label, a name is there twice, or a file is malformed.
    """
    if not fasta:
        raise SettingError("no FASTA file is given")
    table = _read_table(labels)
    reader = _Reader(settings, SequenceOnlyTraining(modern=0), 0)
    seen: set[str] = set()
    for path in fasta:
        found = _Gathered()
        for record, codes in read_codes(path):
            reason = "the name is in another file too" if record.name in seen else ""
            if record.name not in table:
                reason = f"has no label in {display_name(labels)}"
            if reason:
                raise InputError(reason, path=display_name(path), line=record.line, record=record.name)
            seen.add(record.name)
            label = table[record.name]
            sequence = tokenizer.Sequence.of(codes, settings)
            archaic = np.full(len(sequence.starts), label.archaic)
            found.add(haplotype_of(record, display_name(path)), sequence, archaic, label.group)
        reader.add(found)
    return reader.finish()


def _read_table(path: PathLike) -> dict[str, _Label]:
    where = display_name(path)
    found: dict[str, _Label] = {}
    columns: list[str] = []
    for number, text in read_lines(path):
        if not text.strip():
            continue
        fields = [one.strip() for one in text.split("\t")]
        if not columns:
            columns = [one.lower() for one in [fields[0].removeprefix("#").strip(), *fields[1:]]]
            lacking = next((name for name in COLUMNS if columns.count(name) != 1), None)
            if lacking is not None:
                raise InputError(
                    f"the first line names the column {lacking} {columns.count(lacking) or 'not at all'}"
                    + (" times" if columns.count(lacking) else ""),
                    path=where,
                    line=number,
                    hint="name, label and group, separated by tabs",
                )
            continue
        if len(fields) != len(columns):
            raise InputError(f"has {len(fields)} fields, {len(columns)} are needed", path=where, line=number)
        row = dict(zip(columns, fields, strict=True))
        if row["name"] in found:
            raise InputError(f"{row['name']} is in line {found[row['name']].line} too", path=where, line=number)
        if row["label"] not in (ARCHAIC, MODERN):
            raise InputError(f"the label is {row['label']!r}, {ARCHAIC} or {MODERN} is needed", path=where, line=number)
        control = control_character(row["group"])
        if not row["group"] or control is not None:
            reason = "is missing" if control is None else f"holds the control character {control}"
            raise InputError(f"the group {reason}", path=where, line=number, record=row["name"])
        found[row["name"]] = _Label(row["label"] == ARCHAIC, row["group"], number)
    if not found:
        raise InputError("holds no labels", path=where)
    return found
