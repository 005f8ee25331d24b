"""Posteriors of many haplotypes in little memory: the highest of each window along every haplotype."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from genolstm.errors import InputError
from genolstm.files import PathLike, display_name
from genolstm.introgression.formats import PosteriorPart, read_posterior_parts
from genolstm.introgression.segments import PosteriorBlock

STEPS = 250
"""Posteriors are kept in so many steps; what is kept is the step + 1, and 0 where there is no bin."""
CLASSES = 50
"""Number of classes of the histogram of posteriors, which are all as wide."""
#: Windows of a haplotype that are kept before every two become one.
_MOST = 4096
_UNITS = 10_000

Name = tuple[str, str]


@dataclass
class _Row:
    """The windows of one haplotype on one sequence; a window has ``2 ** scale`` bins."""

    values: np.ndarray = field(default_factory=lambda: np.zeros(256, dtype=np.uint8))
    scale: int = 0
    end: int = 0
    bp: int = 0

    def put(self, bins: np.ndarray, values: np.ndarray) -> None:
        while int(bins[-1]) >> self.scale >= _MOST:
            self.values, self.scale = folded(self.values, 2), self.scale + 1
        places = bins >> self.scale
        if places[-1] >= len(self.values):
            grown = np.zeros(min(max(2 * len(self.values), int(places[-1]) + 1), _MOST), dtype=np.uint8)
            grown[: len(self.values)] = self.values
            self.values = grown
        first = np.flatnonzero(np.diff(places, prepend=-1))
        inside = places[first]
        self.values[inside] = np.maximum(self.values[inside], np.maximum.reduceat(values, first))


class Track(NamedTuple):
    """The highest posterior of each window of ``size`` bp; ``highest`` has shape (haplotypes, windows), uint8."""

    size: int
    highest: np.ndarray


class PosteriorWindows:
    """Gathers posteriors as windows, which get wider where there are many.

    Attributes
    ----------
    histogram
        Number of bins in each of :data:`CLASSES` classes of the posterior.
    """

    def __init__(self) -> None:
        self._rows: dict[str, dict[Name, _Row]] = {}
        self._bins: dict[str, int] = {}
        self.histogram = np.zeros(CLASSES, dtype=np.int64)

    def add_block(self, block: PosteriorBlock, bin_size: int) -> None:
        """Add a block of a scan."""
        rows = self._rows.setdefault(block.chrom, {})
        self._bins.setdefault(block.chrom, bin_size)
        exists = ~np.isnan(block.posterior)
        units = np.round(np.nan_to_num(block.posterior) * _UNITS).astype(np.int64)
        bins = block.first_bin + np.arange(units.shape[1])
        ends = (bins + 1) * bin_size
        if block.length is not None:
            ends = np.minimum(ends, block.length)
        for name, here, own in zip(block.haplotypes, exists, units, strict=True):
            if here.any():
                row = rows.setdefault(name, _Row())
                row.bp += int((ends[here] - bins[here] * bin_size).sum())
                row.end = max(row.end, int(ends[here][-1]))
                self._put(row, bins[here], own[here])

    def add_file(self, path: PathLike) -> None:
        """Add a table of posteriors.

        Raises
        ------
        InputError
            The file is not such a table, its bins are not all as long, or those of a haplotype are not in order.
        """
        for part in read_posterior_parts(path):
            self._add_part(part, path)

    def _add_part(self, part: PosteriorPart, path: PathLike) -> None:
        names = {column: list(known) for column, known in part.names.items()}
        keys = [part.columns[column] for column in ("haplotype", "sample", "chrom")]
        widths = np.zeros(len(names["chrom"]), dtype=np.int64)
        np.maximum.at(widths, part.columns["chrom"], part.columns["end"] - part.columns["start"])
        for chrom, width in zip(names["chrom"], widths.tolist(), strict=True):
            if width:
                self._bins.setdefault(chrom, width)
        order = np.lexsort(keys)  # stable: lines of a haplotype keep their order
        sorted_keys = np.stack([key[order] for key in keys])
        first = np.flatnonzero(np.any(np.diff(sorted_keys, axis=1, prepend=-1), axis=0))
        for at in np.split(order, first[1:]):
            chrom, sample, haplotype = (names[c][int(part.columns[c][at[0]])] for c in ("chrom", "sample", "haplotype"))
            start, end = part.columns["start"][at], part.columns["end"][at]
            size = self._bins[chrom]
            row = self._rows.setdefault(chrom, {}).setdefault((sample, haplotype), _Row())
            where = {"path": display_name(path)}
            wrong = start < np.concatenate([[row.end], end[:-1]])
            if wrong.any():
                reason = f"a bin of {sample} {haplotype} on {chrom} begins before the one before it has ended"
                line = part.line + int(at[int(wrong.argmax())])
                raise InputError(reason, **where, line=line, hint="sort the bins of each haplotype by position")
            bins = start // size
            wrong = (end - 1) // size != bins
            if wrong.any():
                reason = f"a bin does not lie on the grid of the others on {chrom}, which are {size} bp long"
                raise InputError(reason, **where, line=part.line + int(at[int(wrong.argmax())]))
            row.bp += int((end - start).sum())
            row.end = int(end[-1])
            self._put(row, bins, np.round(part.columns["posterior"][at] * _UNITS).astype(np.int64))

    def _put(self, row: _Row, bins: np.ndarray, units: np.ndarray) -> None:
        self.histogram += np.bincount(np.minimum(units * CLASSES // _UNITS, CLASSES - 1), minlength=CLASSES)
        row.put(bins, (1 + np.round(units * STEPS / _UNITS)).astype(np.uint8))

    def haplotypes(self) -> dict[Name, int]:
        """Return the base pairs of each haplotype that have a posterior, in the order in which they came."""
        found: dict[Name, int] = {}
        for rows in self._rows.values():
            for name, row in rows.items():
                found[name] = found.get(name, 0) + row.bp
        return found

    def lengths(self) -> dict[str, int]:
        """Return where the last bin of each sequence ends."""
        return {chrom: max((row.end for row in rows.values()), default=0) for chrom, rows in self._rows.items()}

    def bin_sizes(self) -> Mapping[str, int]:
        """Return the length of a bin of each sequence."""
        return self._bins

    def track(self, chrom: str, names: Sequence[Name], most: int) -> Track | None:
        """Return the windows of some haplotypes, at most ``most`` of each; None if there are none.

        A haplotype that is not on the sequence has 0 everywhere.
        """
        rows = self._rows.get(chrom, {})
        of = [rows.get(name) for name in names]
        there = [row for row in of if row is not None]
        if not there:
            return None
        bins = -(-max(row.end for row in there) // self._bins[chrom])
        scale = max(row.scale for row in there)
        while -(-bins // (1 << scale)) > max(most, 1):
            scale += 1
        n = -(-bins // (1 << scale))
        values = np.zeros((len(of), n), dtype=np.uint8)
        for i, row in enumerate(of):
            if row is not None:
                own = folded(row.values, 1 << (scale - row.scale))[:n]
                values[i, : len(own)] = own
        return Track(self._bins[chrom] << scale, values)


def folded(values: np.ndarray, by: int) -> np.ndarray:
    """Return the highest of every ``by`` neighbours."""
    if by == 1:
        return values
    padded = np.zeros(-(-len(values) // by) * by, dtype=values.dtype)
    padded[: len(values)] = values
    highest: np.ndarray = padded.reshape(-1, by).max(axis=1)
    return highest
