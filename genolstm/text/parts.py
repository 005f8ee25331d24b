"""A sequence divided into what generators learn from, what chooses for them, and what none of them sees."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from genolstm.errors import InputError, SettingError
from genolstm.sequences.alphabet import UNKNOWN, reverse_complement
from genolstm.sequences.kmers import windows
from genolstm.text.corpus import Codes, Corpus, Record, check_learnable
from genolstm.text.settings import DNA, GeneratorsSettings

#: Groups of held-out sequence that each of its two sides needs, so that a classifier can be trained, stopped
#: and tested on different ones.
LEAST_GROUPS = 4
_DIVIDE, _DEAL = 0xD1F1, 0xDEA1


@dataclass(frozen=True, eq=False)
class Parts:
    """A sequence, divided by whole groups: records, or blocks of them.

    Attributes
    ----------
    training, validation
        Blocks that follow one another in a record are one record here.
    held_out
        The groups that no generator sees.
    block
        Length of the blocks; 0 if groups are whole records.
    dropped
        Bases in groups that hold no window of known bases, which are left out.
    """

    training: Corpus
    validation: Corpus
    held_out: tuple[Record, ...]
    block: int
    dropped: int


@dataclass(frozen=True, eq=False)
class Windows:
    """Windows of known bases, and the group that each belongs to.

    Attributes
    ----------
    codes
        uint8, (windows, bases).
    groups
        (windows,) of numbers.
    """

    codes: npt.NDArray[np.uint8]
    groups: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, rows: npt.NDArray[np.int64]) -> Windows:
        """Return some of the windows."""
        return Windows(self.codes[rows], self.groups[rows])

    def flipped(self, random: np.random.Generator) -> Windows:
        """Return the windows, each on a strand that is drawn."""
        turned = random.random(len(self)) < 0.5
        codes = self.codes.copy()
        codes[turned] = (3 - codes[turned])[:, ::-1]
        return Windows(codes, self.groups)


def divide(corpus: Corpus, settings: GeneratorsSettings) -> Parts:
    """Divide DNA into training, validation and held-out groups, drawn by the seed.

    Raises
    ------
    InputError
        The sequence is too short, or is not DNA.
    """
    if corpus.kind != DNA:
        raise InputError("generators are compared on DNA", hint="give FASTA")
    block = settings.block_length(len(corpus.records))
    groups: list[tuple[int, int, int]] = []  # record, start, end
    dropped = 0
    for number, record in enumerate(corpus.records):
        size = block or max(1, len(record.codes))
        for start in range(0, len(record.codes), size):
            part = record.codes[start : start + size]
            if len(cut([Record("", part)], settings.window)):
                groups.append((number, start, start + len(part)))
            else:
                dropped += len(part)
    order = np.random.default_rng([settings.seed, _DIVIDE]).permutation(len(groups))
    sizes = np.array([end - start for _, start, end in groups], np.int64)
    total = int(sizes.sum())
    side = np.zeros(len(groups), np.int64)
    place = 0
    for number, share in ((2, settings.held_out), (1, settings.validation)):
        filled = 0
        while place < len(order) and filled < share * total:
            side[order[place]] = number
            filled += int(sizes[order[place]])
            place += 1
    if (side == 0).sum() < 1 or (side == 1).sum() < 1 or (side == 2).sum() < 2 * LEAST_GROUPS:
        what = f"blocks of {block:,} bases" if block else "records"
        raise InputError(
            f"{len(groups)} {what} with a window of {settings.window} known bases are too few to learn from, to "
            f"choose by and to hold out ({2 * LEAST_GROUPS} of them at least)",
            hint="give more sequence, or shorter blocks with --block",
        )
    training, validation, held_out = (
        _records(corpus, [group for group, of in zip(groups, side, strict=True) if of == number], number < 2, block)
        for number in range(3)
    )
    learned, choosing = (Corpus(corpus.kind, corpus.alphabet, tuple(one)) for one in (training, validation))
    check_learnable(learned)
    return Parts(learned, choosing, tuple(held_out), block, dropped)


def _records(corpus: Corpus, groups: list[tuple[int, int, int]], join: bool, block: int) -> list[Record]:
    """Return groups as records, those that follow one another joined if asked for."""
    spans: list[list[int]] = []
    for number, start, end in groups:
        if join and spans and spans[-1][0] == number and spans[-1][2] == start:
            spans[-1][2] = end
        else:
            spans.append([number, start, end])
    return [
        Record(
            f"{corpus.records[number].name}:{start + 1}-{end}" if block else corpus.records[number].name,
            corpus.records[number].codes[start:end],
        )
        for number, start, end in spans
    ]


def cut(records: Iterable[Record], window: int) -> Windows:
    """Cut records into windows that do not overlap; those with an unknown base are left out."""
    codes, groups = [np.zeros((0, window), np.uint8)], [np.zeros(0, np.int64)]
    for number, record in enumerate(records):
        found = windows(record.codes.astype(np.uint8), window)
        found = found[(found < UNKNOWN).all(axis=1)]
        codes.append(found)
        groups.append(np.full(len(found), number))
    return Windows(np.concatenate(codes), np.concatenate(groups))


def deal(parts: Parts, settings: GeneratorsSettings, seed: int) -> tuple[Windows, Windows]:
    """Deal the held-out groups to two sides: the reference of the judges, and what is judged as "real".

    Returns
    -------
    reference, real
        As many windows of both, and no more bases than ``settings.bases``.

    Raises
    ------
    InputError
        A side has too few groups with windows.
    SettingError
        More bases are wanted than there are.
    """
    random = np.random.default_rng([seed, _DEAL])
    found = cut(parts.held_out, settings.window)
    numbers, counts = np.unique(found.groups, return_counts=True)
    of = dict(zip(numbers.tolist(), counts.tolist(), strict=True))
    sides: tuple[list[int], list[int]] = ([], [])
    filled = [0, 0]
    for number in random.permutation(numbers).tolist():
        side = int(filled[1] < filled[0])
        sides[side].append(number)
        filled[side] += of[number]
    if min(map(len, sides)) < LEAST_GROUPS:
        raise InputError(
            f"the held-out part has {len(numbers)} groups with windows, {2 * LEAST_GROUPS} are needed",
            hint="give more sequence, or shorter blocks with --block",
        )
    most = min(filled)
    wanted = most if settings.bases is None else settings.bases // settings.window
    if not LEAST_GROUPS <= wanted <= most:
        raise SettingError(
            f"bases is {settings.bases}, it must be between {LEAST_GROUPS * settings.window} and "
            f"{most * settings.window}, half of what is held out"
        )
    dealt = []
    for members in sides:
        rows = np.flatnonzero(np.isin(found.groups, members))
        rows = np.sort(random.permutation(rows)[:wanted])
        taken = found.take(rows)
        dealt.append(taken.flipped(random) if settings.reverse_complement else taken)
    return dealt[0], dealt[1]


def strands(corpus: Corpus, both: bool) -> Codes:
    """Return a corpus as one stream; with ``both``, followed by that of the other strand."""
    stream = corpus.stream()
    if not both:
        return stream
    other = reverse_complement(stream[1:].astype(np.uint8))
    return np.concatenate([stream, stream[:1], other])
