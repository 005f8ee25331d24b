"""Labelled sequences: FASTA with ``label=`` in its headers or in a table, split by group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from genolstm.errors import InputError, SettingError, control_character
from genolstm.files import PathLike, atomic_text, display_name, read_lines
from genolstm.lstm.splits import draw_with_all, rows_of_parts
from genolstm.numbers import parse_number, quoted
from genolstm.sequences.alphabet import UNKNOWN, Codes, decode, encode, reverse_complement
from genolstm.sequences.fasta import Record, read_records
from genolstm.sequences.kmers import one_hot

#: All sequences are held at the length of the longest: a single long one would fill the memory.
_MOST_BASES = 1 << 32


@dataclass(frozen=True, repr=False, eq=False)
class LabelledSequences:
    """Sequences of one length, the target of each, and which belong together.

    Attributes
    ----------
    codes
        uint8, (n, bases); shorter sequences are padded with unknown bases on the left, so that a
        network that reads to the end ends on bases.
    targets
        (n,): class numbers as int64, or numbers as float64.
    classes
        Names of the classes in order; empty if the targets are numbers.
    groups
        (n,): names of the groups, which are never split.
    names
        Names of the sequences.
    grouped
        Whether the groups were given; if not, equal sequences form a group.
    """

    codes: Codes
    targets: np.ndarray
    classes: tuple[str, ...]
    groups: np.ndarray
    names: Sequence[str]
    grouped: bool = True

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def length(self) -> int:
        """Number of bases of each sequence, padding included."""
        return int(self.codes.shape[1])

    @property
    def is_regression(self) -> bool:
        """Whether the targets are numbers."""
        return not self.classes

    def take(self, rows: np.ndarray) -> LabelledSequences:
        """Return some of the sequences."""
        names = [self.names[row] for row in rows]
        return LabelledSequences(
            self.codes[rows], self.targets[rows], self.classes, self.groups[rows], names, self.grouped
        )

    def one_hot(self) -> np.ndarray:
        """Return (n, bases, 4) of uint8; an unknown base is all 0."""
        return one_hot(self.codes, np.uint8)


class Split(NamedTuple):
    """Row numbers of the three parts, ascending; no group is in two of them."""

    training: np.ndarray
    validation: np.ndarray
    test: np.ndarray


class _Entry(NamedTuple):
    label: str
    group: str | None
    line: int


def read_labelled(
    fasta: PathLike, *, labels: PathLike | None = None, regression: bool = False, length: int | None = None
) -> LabelledSequences:
    """Read labelled sequences.

    Parameters
    ----------
    fasta
        DNA. Without ``labels``, headers such as ``>name label=enhancer group=chr1``.
    labels
        Tab-separated table with the columns ``name`` and ``label``, and ``group`` if there are
        groups; its labels replace the headers'. Names that the FASTA lacks are ignored.
    regression
        Whether the labels are numbers.
    length
        Number of bases to read of each sequence: longer ones are cut equally at both ends, shorter
        ones are padded. By default the longest one's length.

    Raises
    ------
    InputError
        A label is missing, there are fewer than two classes, some sequences have a group and others
        do not, or a file is malformed.
    """
    if length is not None and length < 1:
        raise SettingError(f"length is {length}, it must be at least 1")
    table = None if labels is None else _read_table(labels)
    where = display_name(fasta)
    names: list[str] = []
    sequences: list[Codes] = []
    texts: list[str] = []
    groups: list[str | None] = []
    targets: list[float] = []
    for record in read_records(fasta):
        entry = _entry(record, table, where, labels)
        if regression:
            targets.append(_number(entry, record.name, where if labels is None else labels))
        names.append(record.name)
        texts.append(entry.label)
        groups.append(entry.group)
        sequences.append(encode(record.sequence))
    with_group = sum(group is not None for group in groups)
    if 0 < with_group < len(groups):
        without = names[groups.index(None)]
        raise InputError(
            f"{with_group} of {len(groups)} sequences have a group, {without} has none",
            path=where,
            hint="give every sequence one, or none",
        )
    classes = () if regression else tuple(sorted(set(texts)))
    if not regression and len(classes) < 2:
        raise InputError(
            f"all {len(texts)} sequences have the label {classes[0]!r}",
            path=where if labels is None else labels,
            hint="at least two classes are needed",
        )
    if regression and len(set(targets)) < 2:
        raise InputError("all labels are the same number", path=where if labels is None else labels)
    number = {name: place for place, name in enumerate(classes)}
    columns = length or max(map(len, sequences))
    if len(sequences) * columns > _MOST_BASES:
        raise InputError(
            f"{len(sequences)} sequences of {columns} bases, padding included, are more than can be compared",
            path=where,
            hint="give a smaller --length",
        )
    return LabelledSequences(
        codes=_stack(sequences, columns),
        targets=np.array(targets) if regression else np.array([number[t] for t in texts]),
        classes=classes,
        groups=np.array(groups if with_group else _by_sequence(sequences), dtype=str),
        names=names,
        grouped=bool(with_group),
    )


def write_labelled(data: LabelledSequences, path: PathLike, *, force: bool = False) -> None:
    """Write labelled sequences as FASTA with ``label=`` and ``group=`` in the headers."""
    with atomic_text(path, force=force) as stream:
        for name, codes, target, group in zip(data.names, data.codes, data.targets, data.groups, strict=True):
            label = f"{target:.9g}" if data.is_regression else data.classes[int(target)]
            stream.write(f">{name} label={label} group={group}\n{decode(codes)}\n")


def split_three_ways(
    data: LabelledSequences, *, validation_fraction: float = 0.2, test_fraction: float = 0.2, seed: int = 1
) -> Split:
    """Split whole groups into training, validation and test data.

    Every class occurs in each part.

    Raises
    ------
    SettingError
        The fractions leave nothing to train on.
    InputError
        There are fewer than three groups, or a class occurs in too few of them.
    """
    if not (validation_fraction > 0 and test_fraction > 0):
        raise SettingError("validation_fraction and test_fraction must be above 0")
    if validation_fraction + test_fraction >= 1:
        raise SettingError("validation_fraction and test_fraction leave nothing to train on")
    labels, member = np.unique(data.groups, return_inverse=True)
    n = len(labels)
    if n < 3:
        raise InputError(
            f"{_groups(n)} cannot be split into training, validation and test data",
            hint="give sequences of at least three groups",
        )
    held = [max(1, round(fraction * n)) for fraction in (validation_fraction, test_fraction)]
    while n - sum(held) < 1:
        held[held.index(max(held))] -= 1
    present = np.zeros((n, max(1, len(data.classes))), bool)
    present[member, 0 if data.is_regression else data.targets] = True
    for name, count in zip(data.classes, present.sum(axis=0), strict=False):
        if count < 3:
            raise InputError(
                f"the label {name!r} occurs in {_groups(count)}, so that a part of the split would lack it",
                hint="every class must occur in at least three groups",
            )
    # A part that lacks a class cannot be scored.
    part, fits = draw_with_all(present, held, np.random.default_rng([seed, 0x5917]))
    if fits:
        return Split(*rows_of_parts(part, member, 3))
    lacking = next(data.classes[c] for p in range(3) for c in np.flatnonzero(~present[part == p].any(axis=0)))
    raise InputError(
        f"no split of {n} groups was found in which training, validation and test data all hold the label {lacking!r}",
        hint="spread the classes over more groups",
    )


def _groups(count: int) -> str:
    return f"{count} group" if count == 1 else f"{count} groups"


def _entry(record: Record, table: dict[str, _Entry] | None, where: str, labels: PathLike | None) -> _Entry:
    if table is not None:
        if record.name not in table:
            raise InputError("the sequence has no label in the table", path=labels, record=record.name)
        return table[record.name]
    pairs = [word.split("=", 1) for word in record.description.split() if "=" in word]
    words = dict(pairs)
    for name in ("label", "group"):
        if sum(key == name for key, _ in pairs) > 1:
            raise InputError(f"the header has {name}= twice", path=where, line=record.line, record=record.name)
    if not words.get("label"):
        raise InputError(
            "the header has no label=",
            path=where,
            line=record.line,
            record=record.name,
            hint="write it there, or give a table with --labels",
        )
    return _checked(_Entry(words["label"], words.get("group") or None, record.line), record.name, where)


def _checked(entry: _Entry, name: str, where: str) -> _Entry:
    """Refuse a label or a group that would not stay in its column."""
    for what, text in (("label", entry.label), ("group", entry.group or "")):
        control = control_character(text)
        if control is not None:
            raise InputError(
                f"the {what} holds the control character {control}", path=where, line=entry.line, record=name
            )
    return entry


def _number(entry: _Entry, name: str, path: PathLike) -> float:
    value = parse_number(entry.label)
    if value is None:
        raise InputError(f"the label {quoted(entry.label)} is not a number", path=path, line=entry.line, record=name)
    return value


def _read_table(path: PathLike) -> dict[str, _Entry]:
    where = display_name(path)
    found: dict[str, _Entry] = {}
    columns: list[str] | None = None
    for line, text in read_lines(path):
        if not text.strip():
            continue
        fields = text.split("\t")
        if columns is None:
            columns = [field.strip().lower() for field in text.removeprefix("#").split("\t")]
            if "name" not in columns or "label" not in columns:
                raise InputError(
                    "the first line does not name the columns",
                    path=where,
                    line=line,
                    hint="name, label and, if there are groups, group, separated by tabs",
                )
            for name in ("name", "label", "group"):
                if columns.count(name) > 1:
                    raise InputError(f"has the column {name} twice", path=where, line=line)
            continue
        if len(fields) != len(columns):
            raise InputError(f"has {len(fields)} fields, {len(columns)} are needed", path=where, line=line)
        row = dict(zip(columns, (field.strip() for field in fields), strict=True))
        if not row["label"]:
            raise InputError("the label is missing", path=where, line=line, record=row["name"])
        if row["name"] in found:
            raise InputError(
                f"the name is in line {found[row['name']].line} too", path=where, line=line, record=row["name"]
            )
        found[row["name"]] = _checked(_Entry(row["label"], row.get("group") or None, line), row["name"], where)
    if not found:
        raise InputError("holds no labels", path=where)
    return found


def _stack(sequences: Sequence[Codes], length: int) -> Codes:
    codes = np.full((len(sequences), length), UNKNOWN, np.uint8)
    for row, sequence in zip(codes, sequences, strict=True):
        cut = max(0, len(sequence) - length) // 2
        kept = sequence[cut : cut + length]
        row[length - len(kept) :] = kept
    return codes


def _by_sequence(sequences: Sequence[Codes]) -> list[str]:
    """Put equal sequences, read on either strand, into one group."""
    known: dict[bytes, str] = {}
    groups = []
    for sequence in sequences:
        key = min(sequence.tobytes(), reverse_complement(sequence).tobytes())
        groups.append(known.setdefault(key, str(len(known))))
    return groups
