"""Shared by the aligner's runs: path checks, sequences, and the pairs named in lists and truths."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from Bio.Seq import Seq
from Bio.SeqRecord import SeqRecord

from genolstm import files
from genolstm.alignment.formats.pairs import PairRecord, aligned_pairs, read_pairs
from genolstm.alignment.result import QUALITY
from genolstm.errors import InputError, SettingError
from genolstm.files import PathLike, display_name
from genolstm.runs.sources import model_files
from genolstm.sequences.fasta import read_records
from genolstm.sequences.masks import Masks, complement_masks, encode_masks

T = TypeVar("T")


def check_paths(
    inputs: Sequence[PathLike],
    outputs: Sequence[PathLike | None],
    *,
    model: PathLike,
    force: bool,
    kept: Sequence[PathLike] = (),
) -> None:
    """Refuse standard input given twice, and outputs that are in the way or are also inputs; the model is one."""
    names = [os.fspath(path) for path in inputs]
    if names.count("-") > 1:
        raise InputError("only one of the inputs can be standard input")
    files.check_paths([*inputs, *model_files(model)], outputs, force=force, kept=kept)


def check_format(form: str, known: Iterable[str]) -> None:
    """Refuse an unknown format."""
    if form not in known:
        raise SettingError(f"format is {form!r}, it must be one of {', '.join(known)}")


def batches(items: Iterator[T], size: int) -> Iterator[list[T]]:
    """Yield lists of ``size`` items; the last one may be shorter."""
    while batch := list(islice(items, size)):
        yield batch


def cut(items: Iterable[T], sizes: Iterable[int]) -> Iterator[list[T]]:
    """Yield lists of these sizes until there are no more items."""
    rest = iter(items)
    for size in sizes:
        batch = list(islice(rest, size))
        if not batch:
            return
        yield batch


def by_query(pairs: Iterable[tuple[SeqRecord, SeqRecord]]) -> list[list[tuple[SeqRecord, SeqRecord]]]:
    """Gather the pairs of each query, in the order in which queries first appear; repeated pairs count once."""
    found: dict[str, dict[str, tuple[SeqRecord, SeqRecord]]] = {}
    for q, r in pairs:
        found.setdefault(str(q.id), {}).setdefault(str(r.id), (q, r))
    return [list(own.values()) for own in found.values()]


def started(items: Iterator[T]) -> Iterator[T]:
    """Compute the first item now, so that bad input is refused before any output is opened."""
    return chain(list(islice(items, 1)), items)


def records(path: PathLike) -> Iterator[SeqRecord]:
    """Read unaligned sequences; gap signs are refused."""
    for record in read_records(path):
        for sign in (b"-", b"."):
            if sign in record.sequence:
                raise InputError(
                    f"contains gap signs ({sign.decode()!r}), an unaligned sequence is needed",
                    path=display_name(path),
                    line=record.line,
                    record=record.name,
                )
        qualities = {QUALITY: record.quality.decode("latin-1")} if record.is_read else None
        yield SeqRecord(Seq(record.sequence), id=record.name, description="", letter_annotations=qualities)


def listed(
    query: PathLike, reference: PathLike, references: list[SeqRecord], pairs: PathLike
) -> list[tuple[SeqRecord, SeqRecord]]:
    """Return the pairs named in a list, in the order of the list."""
    return _look_up(query, reference, references, read_pairs(pairs), pairs)


def in_order(query: PathLike, reference: PathLike, references: list[SeqRecord]) -> list[tuple[SeqRecord, SeqRecord]]:
    """Pair the first query with the first reference, and so on."""
    queries = list(records(query))
    if len(queries) != len(references):
        raise InputError(
            f"{display_name(query)} has {len(queries)} sequences, {display_name(reference)} {len(references)}",
            hint="one-to-one order needs the same number in both files",
        )
    return list(zip(queries, references, strict=True))


def true_alignments(
    query: PathLike, reference: PathLike, lines: Sequence[PairRecord], truth: PathLike
) -> Iterator[tuple[PairRecord, tuple[SeqRecord, SeqRecord], tuple[Masks, Masks], npt.NDArray[np.int32]]]:
    """Yield each line of a truth, its sequences as read and as aligned, and the aligned residues.

    Parameters
    ----------
    lines
        The lines of the file ``truth``.

    Raises
    ------
    InputError
        A sequence is missing, or does not match the truth.
    """
    plan = _look_up(query, reference, list(records(reference)), lines, truth)
    for line, (a, b) in zip(lines, plan, strict=True):
        first, second = encode_masks(str(a.seq), record=a.id), encode_masks(str(b.seq), record=b.id)
        if line.strand == "-":
            first = complement_masks(first)
        yield line, (a, b), (first, second), aligned_pairs(line, first, second, path=truth)


def _look_up(
    query: PathLike, reference: PathLike, references: list[SeqRecord], lines: Iterable[PairRecord], pairs: PathLike
) -> list[tuple[SeqRecord, SeqRecord]]:
    by_reference = {r.id: r for r in references}
    by_query: dict[str, SeqRecord] = {}
    for record in records(query):
        if record.id in by_query:
            raise InputError(
                "the name occurs twice, a list of pairs cannot say which one is meant",
                path=display_name(query),
                record=record.id,
            )
        by_query[record.id] = record
    found = []
    for pair in lines:
        for name, known, path in ((pair.query, by_query, query), (pair.reference, by_reference, reference)):
            if name not in known:
                raise InputError(
                    f"{display_name(path)} has no sequence of this name",
                    path=display_name(pairs),
                    line=pair.line,
                    record=name,
                )
        found.append((by_query[pair.query], by_reference[pair.reference]))
    return found
