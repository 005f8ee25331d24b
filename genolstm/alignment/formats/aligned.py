"""Aligned families: Stockholm with any number of them, or aligned FASTA with one."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from genolstm.errors import InputError
from genolstm.files import PathLike, display_name, read_lines
from genolstm.sequences.alphabet import GAPS, UNKNOWN, describe_foreign, encode

SUFFIXES = (".afa", ".aln", ".a2m", ".fa", ".fasta", ".fna", ".mfa", ".msa", ".sto", ".stk", ".stockholm")
"""Names, before those of a compression, of the files of a folder that are read."""
_PACKED = (".gz", ".bz2", ".xz", ".zst")
GAP = 255
_MARK = "# STOCKHOLM 1."


@dataclass(frozen=True)
class AlignedFamily:
    """Sequences of one family as they are aligned.

    Attributes
    ----------
    name
        Accession, identifier, or name of the file.
    source, line
        File and line where it begins.
    sequences
        Names of the rows.
    texts
        The rows without gaps, in upper case; U is T.
    columns
        Codes of the rows, uint8 (rows, columns): 0 to 3, ``UNKNOWN``, or ``GAP``. Residues that no alignment
        is stated for (inserts of A2M and of HMMER's and Infernal's Stockholm) are in ``texts`` only.
    inserted
        By row and column, how many residues of inserts stand before it; None if the family has no inserts.
    """

    name: str
    source: str
    line: int
    sequences: tuple[str, ...]
    texts: tuple[str, ...]
    columns: npt.NDArray[np.uint8]
    inserted: npt.NDArray[np.int32] | None = None

    def positions(self, row: int) -> npt.NDArray[np.int32]:
        """Return the position of each residue of a row in its sequence, (columns,); -1 at gaps."""
        residue = self.columns[row] != GAP
        place = np.cumsum(residue, dtype=np.int32) - 1
        if self.inserted is not None:
            place += self.inserted[row]
        return np.where(residue, place, np.int32(-1))

    def rows(self) -> list[str]:
        """Return the aligned rows as text, upper case, with dashes; inserts are left out."""
        return [
            "".join(text[k] if k >= 0 else "-" for k in self.positions(row).tolist())
            for row, text in enumerate(self.texts)
        ]


@dataclass
class Handled:
    """What was found in the files, and how it was taken.

    Attributes
    ----------
    residues
        Letters.
    unknown
        Letters other than A, C, G, T, U: they align, but count for no substitution.
    lower
        Letters in lower case that are taken as if they were upper.
    inserts
        Residues of columns that are inserts: aligned to nothing.
    """

    families: int = 0
    sequences: int = 0
    residues: int = 0
    unknown: int = 0
    lower: int = 0
    inserts: int = 0

    def __str__(self) -> str:
        families = f"{self.families:,} {'family' if self.families == 1 else 'families'}"
        said = [families, f"{self.sequences:,} sequences", f"{self.residues:,} residues"]
        if self.unknown:
            said.append(f"{self.unknown:,} of them unknown bases")
        if self.lower:
            said.append(f"{self.lower:,} in lower case, taken as upper")
        if self.inserts:
            said.append(f"{self.inserts:,} in inserts, which align to nothing")
        return ", ".join(said)


@dataclass
class _Raw:
    """A family as it stands in a file."""

    source: str
    line: int
    name: str = ""
    parts: dict[str, list[str]] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)


def files_of(paths: Iterable[PathLike]) -> list[PathLike]:
    """Return the files that paths name: themselves, and of a folder the alignments that lie in it, by name.

    Raises
    ------
    InputError
        A folder holds no file with one of ``SUFFIXES``.
    """
    found: list[PathLike] = []
    for path in paths:
        if os.fspath(path) == "-" or not Path(path).is_dir():
            found.append(path)
            continue
        inside = sorted(one for one in Path(path).iterdir() if one.is_file() and _is_alignment(one.name))
        if not inside:
            raise InputError(
                "holds no alignments", path=path, hint=f"their names end in {', '.join(SUFFIXES)}, compressed or not"
            )
        found += inside
    return found


def _is_alignment(name: str) -> bool:
    return not name.startswith(".") and _stem(name) != _unpacked(name)


def _unpacked(name: str) -> str:
    return next((name[: -len(end)] for end in _PACKED if name.lower().endswith(end)), name)


def _stem(name: str) -> str:
    """Return a file's name without the ends that say what it is."""
    bare = _unpacked(name)
    return next((bare[: -len(end)] for end in SUFFIXES if bare.lower().endswith(end)), bare)


def read_families(paths: Sequence[PathLike]) -> tuple[list[AlignedFamily], Handled]:
    """Read families of aligned nucleotide sequences.

    A column is an insert if all its letters are in lower case, one of its gaps is a dot, and none is a
    dash, as A2M and the alignments of HMMER and Infernal have it; not where the family's other columns
    have dots, too. Other letters in lower case (masked ones) are taken as upper.

    Parameters
    ----------
    paths
        Stockholm with one or many families, aligned FASTA or A2M with one, compressed or not; or folders of them.

    Raises
    ------
    InputError
        A file is none of these, is truncated, holds what is no nucleotide, rows of unequal length, or a family
        that an earlier file held.
    """
    families: list[AlignedFamily] = []
    handled = Handled()
    seen: dict[str, AlignedFamily] = {}
    for path in files_of(paths):
        for raw in _read(path):
            family = _family(raw, handled)
            if family.name in seen:
                first = seen[family.name]
                raise InputError(
                    f"this family stands in {first.source}:{first.line}, too",
                    path=family.source,
                    line=family.line,
                    record=family.name,
                    hint="give each family once: otherwise it would be learned from and held out",
                )
            seen[family.name] = family
            families.append(family)
    handled.families = len(families)
    return families, handled


def _read(path: PathLike) -> Iterator[_Raw]:
    where = display_name(path)
    lines = ((number, text) for number, text in read_lines(path) if text.strip())
    number, first = next(lines, (0, ""))
    if first.startswith(">"):
        yield _fasta(first, number, lines, where, "stdin" if os.fspath(path) == "-" else _stem(Path(path).name))
    elif first.upper().startswith(_MARK):
        yield from _stockholm(first, number, lines, where)
    elif not first:
        raise InputError("is empty", path=where)
    else:
        raise InputError(
            "is neither Stockholm nor aligned FASTA",
            path=where,
            line=number,
            hint="Stockholm begins with '# STOCKHOLM 1.0', FASTA with '>'",
        )


def _fasta(first: str, number: int, lines: Iterator[tuple[int, str]], where: str, name: str) -> _Raw:
    raw = _Raw(where, number, name)
    current, text = "", first
    while True:
        if text.startswith(">"):
            words = text[1:].split()
            if not words:
                raise InputError("the sequence has no name", path=where, line=number)
            current = words[0]
            if current in raw.parts:
                raise InputError("the name occurs twice", path=where, line=number, record=current)
            raw.parts[current], raw.lines[current] = [], number
        else:
            raw.parts[current].append("".join(text.split()))
        number, text = next(lines, (0, ""))
        if not number:
            return raw


def _stockholm(first: str, number: int, lines: Iterator[tuple[int, str]], where: str) -> Iterator[_Raw]:
    raw: _Raw | None = _Raw(where, number)
    count = 1
    for number, text in lines:
        if text.upper().startswith(_MARK):
            if raw is not None:
                raise InputError("a family begins before the one before has ended with //", path=where, line=number)
            raw = _Raw(where, number)
            count += 1
        elif raw is None:
            raise InputError(
                "stands between two families", path=where, line=number, hint="each begins with '# STOCKHOLM 1.0'"
            )
        elif text.startswith("//"):
            raw.name = raw.name or f"{where}:{raw.line}"
            yield raw
            raw = None
        elif text.startswith("#"):
            words = text.split(None, 2)
            # The accession is unique; an identifier may have to do.
            if (words[:2] == ["#=GF", "AC"] and len(words) == 3) or (words[:2] == ["#=GF", "ID"] and not raw.name):
                raw.name = words[-1].strip()
        else:
            words = text.split()
            if len(words) != 2:
                raise InputError(
                    f"a line of an alignment is a name and a row, this one has {len(words)} words",
                    path=where,
                    line=number,
                    record=words[0],
                )
            raw.parts.setdefault(words[0], []).append(words[1])
            raw.lines.setdefault(words[0], number)
    if raw is not None:
        raise InputError(
            "ends within a family, without //", path=where, line=raw.line, hint="is it truncated? copy it again"
        )


def _family(raw: _Raw, handled: Handled) -> AlignedFamily:
    def wrong(reason: str, name: str | None = None, hint: str | None = None) -> InputError:
        line = raw.lines.get(name, raw.line) if name else raw.line
        return InputError(reason, path=raw.source, line=line, record=name or raw.name, hint=hint)

    if not raw.parts:
        raise wrong("the family has no sequences")
    rows: list[bytes] = []
    for name, parts in raw.parts.items():
        row = "".join(parts).replace("~", ".").replace("_", "-").encode("utf-8")
        reason = describe_foreign(row)
        if reason is not None:
            raise wrong(reason.replace("DNA", "DNA or RNA"), name)
        if rows and len(row) != len(rows[0]):
            raise wrong(
                f"the row has {len(row):,} columns, the first of its family {len(rows[0]):,}",
                name,
                "aligned sequences are needed; A3M has to be written out as A2M",
            )
        rows.append(row)
    if not rows[0]:
        raise wrong("the family has no columns")
    letters = np.frombuffer(b"".join(rows), np.uint8).reshape(len(rows), -1)
    gap = np.isin(letters, list(GAPS))
    lower = letters >= ord("a")
    insert = (lower | (letters == ord("."))).all(axis=0) & (letters == ord(".")).any(axis=0)
    # Where dots stand for any gap, or all letters are small, neither says anything.
    upper = (~gap & ~lower).any(axis=0)
    if not upper.any() or (letters == ord("."))[:, upper].any():
        insert[:] = False
    codes = encode(b"".join(rows)).reshape(letters.shape).copy()
    residue = ~gap
    handled.sequences += len(rows)
    handled.residues += int(residue.sum())
    handled.unknown += int((residue & (codes == UNKNOWN)).sum())
    handled.lower += int((lower & residue)[:, ~insert].sum())
    handled.inserts += int(residue[:, insert].sum())
    codes[gap] = GAP
    inserted = None
    if (residue & insert).any():
        inserted = np.cumsum(residue & insert, axis=1, dtype=np.int32)[:, ~insert]
    texts = tuple(letters[k, residue[k]].tobytes().decode("ascii").upper().replace("U", "T") for k in range(len(rows)))
    return AlignedFamily(raw.name, raw.source, raw.line, tuple(raw.parts), texts, codes[:, ~insert], inserted)
