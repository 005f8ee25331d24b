"""Who is meant: lists of samples, tables of populations, and the names in files."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from genolstm.errors import InputError
from genolstm.files import PathLike, display_name, is_input, read_lines

#: What the columns of a table may be called, in lower case and without anything but letters.
_SAMPLE_COLUMNS = ("sample", "samplename", "sampleid", "iid", "individual", "individualid")
_GROUP_COLUMNS = (
    "pop",
    "population",
    "popcode",
    "popname",
    "popid",
    "populationcode",
    "populationname",
    "populationid",
    "superpop",
    "superpopulation",
    "superpopcode",
    "superpopname",
    "superpopid",
    "superpopulationcode",
    "superpopulationname",
    "superpopulationid",
    "region",
)


@dataclass(frozen=True)
class Populations:
    """Which samples belong to which population.

    Attributes
    ----------
    members
        Samples of each population and super-population, in the order of the table.
    path
        Where it was read from.
    groups
        Population and super-population of each sample, in the order of the columns.
    """

    members: Mapping[str, Sequence[str]] = field(default_factory=dict)
    path: str | None = None
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)


def read_populations(path: PathLike) -> Populations:
    """Read a table of samples with the columns ``sample`` and ``pop`` or ``population``, and ``super_pop``.

    The columns are found by their names in the first line, as in the panel file of the 1000 Genomes
    (``sample pop super_pop gender``). They are separated by tabs, or, if there are none, by spaces.

    Raises
    ------
    InputError
        A column is missing, a line is too short, or a sample stands twice.
    """
    name = display_name(path)
    columns: list[int] = []
    tabs = False
    at = -1
    members: dict[str, list[str]] = {}
    groups: dict[str, list[str]] = {}
    lines: dict[str, int] = {}
    for number, line in read_lines(path):
        if not line.strip() or (columns and line.startswith("##")):
            continue
        if not columns:
            if line.startswith("##"):
                continue
            tabs = "\t" in line
            words = [word.strip() for word in (line.split("\t") if tabs else line.split())]
            at, columns = _columns(words, name, number)
            continue
        words = [word.strip() for word in (line.split("\t") if tabs else line.split())]
        sample = words[at] if at < len(words) else ""
        if not sample:
            raise InputError("names no sample", path=name, line=number)
        if sample in lines:
            raise InputError(f"the sample {sample} stands in line {lines[sample]} too", path=name, line=number)
        lines[sample] = number
        if min(columns) >= len(words):
            raise InputError(f"the sample {sample} has no population", path=name, line=number)
        groups[sample] = [g for g in dict.fromkeys(words[c] for c in columns if c < len(words)) if g]
        for group in groups[sample]:
            members.setdefault(group, []).append(sample)
    if not lines:
        raise InputError("names no sample", path=name)
    return Populations(members, name, groups)


def _columns(words: Sequence[str], name: str, number: int) -> tuple[int, list[int]]:
    """Return the columns of the sample and of its populations."""
    plain = [re.sub(r"[^a-z]", "", word.lower()) for word in words]
    shown = ", ".join(word for word in words if word)
    at = next((plain.index(known) for known in _SAMPLE_COLUMNS if known in plain), None)
    if at is None:
        raise InputError(
            f"has no column 'sample'; its columns are {shown}",
            path=name,
            line=number,
            hint="the first line must name the columns, such as: sample pop super_pop",
        )
    columns = [i for i, word in enumerate(plain) if word in _GROUP_COLUMNS]
    if not columns:
        raise InputError(
            f"has no column 'pop', 'population' or 'super_pop'; its columns are {shown}", path=name, line=number
        )
    return at, columns


def chosen_samples(
    named: PathLike | Sequence[str],
    samples: Collection[str],
    populations: Populations | None = None,
    *,
    role: str,
    path: str | None = None,
) -> list[str]:
    """Return the samples that a list, a population or single names stand for, in that order.

    Parameters
    ----------
    named
        Comma-separated names, a file with one name per line, or a list of names. A name is that of a
        sample or of a population. In a file, a line is one name as a whole, or else begins with one
        that a tab or white space ends; several words that all are names are all taken.
    samples
        Samples of the files in which this role is looked for.
    populations
        Table of populations.
    role
        What they are chosen for, for messages.
    path
        The file of genotypes, for messages; None if there are several.

    Raises
    ------
    InputError
        A name is unknown, ambiguous or given twice, or the list is empty or missing.
    """
    known = _Known(samples, populations or Populations())
    if not isinstance(named, str | os.PathLike):
        return known.all(((name, None) for name in named), path=path, role=role) if named else []
    text = os.fspath(named)
    if is_input(text):
        is_name = text in known
        if is_name and os.sep not in text:
            raise InputError(f"{text} is a file and {known.kind(text)}", hint=f"write ./{text} if you mean the file")
        words = _of_file(text, known)
        if not words:
            raise InputError("names no sample", path=display_name(text))
        return known.all(words, listed=display_name(text), path=path, role=role)
    if text in known:
        return known.all([(text, None)], path=path, role=role)
    found = [(word.strip(), None) for word in text.split(",") if word.strip()]
    if not found:
        raise InputError(f"--{role} names no sample" if role else "names no sample")
    for word, _ in found:
        if word not in known and _looks_like_a_path(word):
            raise InputError("No such file or directory", path=word, hint="samples are named, or listed in a file")
    return known.all(found, path=path, role=role)


class _Known:
    """Everything that may be called by its name."""

    def __init__(self, samples: Collection[str], populations: Populations) -> None:
        self.samples = set(samples)
        self.populations = populations

    def __contains__(self, name: str) -> bool:
        return name in self.samples or name in self.populations.members

    def kind(self, name: str) -> str:
        return "a sample" if name in self.samples else "a population"

    def all(
        self,
        names: Iterable[tuple[str, int | None]],
        *,
        listed: str | None = None,
        path: str | None = None,
        role: str = "",
    ) -> list[str]:
        """Return the samples behind names, each with its line in the file ``listed``."""
        found: dict[str, str] = {}
        absent: list[tuple[str, int | None]] = []
        total = 0
        for name, line in names:
            total += 1
            group = self.populations.members.get(name)
            if group is not None and name in self.samples:
                raise InputError(
                    f"{name} is a sample and a population of {self.populations.path}", path=listed, line=line
                )
            if group is None:
                if name not in self.samples:
                    absent.append((name, line))
                    continue
                members = [name]
            else:
                members = [sample for sample in group if sample in self.samples]
                if not members:
                    raise InputError(
                        f"none of the {len(group)} samples of {name} is among those of the {role or 'genotypes'}",
                        path=self.populations.path,
                    )
            for member in members:
                if member in found:
                    both = "twice" if found[member] == name else f"by {found[member]} and by {name}"
                    raise InputError(f"names the sample {member} {both}", path=listed, line=line)
                found[member] = name
        if absent:
            raise self._absent(absent, total, listed, path)
        return list(found)

    def _absent(
        self, absent: Sequence[tuple[str, int | None]], total: int, listed: str | None, path: str | None
    ) -> InputError:
        shown = ", ".join(name for name, _ in absent[:3]) + (" ..." if len(absent) > 3 else "")
        what = "sample or population" if self.populations.members else "sample"
        where = f"; the first is in line {absent[0][1]} of {listed}" if listed else ""
        reason = f"has no {what} {shown} ({len(absent)} of {total} named samples are missing{where})"
        if path is None:
            reason = f"no file {reason}"
        first = absent[0][0].strip().casefold()
        near = next((name for name in sorted(self.samples) if name.strip().casefold() == first), None)
        return InputError(reason, path=path, hint=f"there is {near!r}" if near else None)


def _looks_like_a_path(word: str) -> bool:
    return os.sep in word or re.search(r"[^.]\.(?:txt|tsv|csv|list|lst|panel|samples?|ids?|pop|gz)$", word) is not None


def _of_file(path: str, known: _Known) -> list[tuple[str, int | None]]:
    """Return the names in a file with their lines; what is unknown is returned as it stands."""
    found: list[tuple[str, int | None]] = []
    for number, line in read_lines(path):
        first = line.split("\t")[0]
        whole = next((name for name in (line, line.strip(), first, first.strip()) if name and name in known), None)
        if line.startswith("#") and (whole is None or not whole.startswith("#")):
            continue
        if not line.strip():
            continue
        if whole is not None:
            others = [word for word in line.split("\t")[1:] if word.strip() in known.samples]
            if whole in (first, first.strip()) and any(word.strip() != whole for word in others):
                found += [(name, number) for name in _all_of(line.split("\t"), known, path, number)]
            else:
                found.append((whole, number))
            continue
        words = line.split()
        if words[0] not in known:
            found.append((first.strip(), number))
        elif any(word in known.samples and word != words[0] for word in words[1:]):
            found += [(name, number) for name in _all_of(words, known, path, number)]
        else:
            found.append((words[0], number))
    return found


def _all_of(words: Iterable[str], known: _Known, path: str, number: int) -> list[str]:
    """Return the words of a line that names several; a line that does so in part is refused."""
    names = list(dict.fromkeys(word.strip() for word in words if word.strip()))
    odd = [name for name in names if name not in known]
    if odd:
        raise InputError(
            f"names {names[0]} and more, but {odd[0]} is no sample", path=display_name(path), line=number,
            hint="write one name a line",
        )  # fmt: skip
    return names
