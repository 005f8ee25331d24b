"""Which part of the matrix a pair needs: all of it, a band, or a band within a window.

A long alignment lies in a band around a chain of anchors: k-mers that occur once in each sequence
and match exactly, with k long enough for chance matches to be rare; the longest chain of them that
rises in both sequences is the cheap path. Between two anchors the band includes the *whole*
rectangle and a margin: the more two sequences differ, the fewer their anchors and the wider the
band, up to the whole matrix.

Choosing a pair's parameters takes half a dozen forward runs. If the first look at a pair leaves
no doubt about where its alignments lie, the others need not visit the rest (:func:`narrow`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from genolstm.alignment.pairhmm.decode import SparsePosterior, heaviest_chain
from genolstm.alignment.pairhmm.kernels import GROUP
from genolstm.alignment.pairhmm.modes import Mode
from genolstm.compiled import compiled
from genolstm.errors import SettingError
from genolstm.sequences.masks import BASE_OF_MASK, Masks

AUTO_CELLS = 1 << 24
"""Up to this many cells (4,096 x 4,096) the whole matrix is visited."""
BAND_WIDTH = 64
BYTES_PER_RESIDUE = 320
"""Memory of the recursions per residue of either sequence, apart from blocks."""
MOST_CELLS = 1 << 37
"""Maximum number of cells; they take about half an hour."""
MOST_WHOLE = 1 << 30
"""Maximum number of cells if both sequences are aligned from end to end and share nothing that shows the way: all of
them are then visited for each set of parameters that is tried. They take a few minutes."""
NARROWED_CELLS = 1 << 14
"""Smaller matrices are visited in full each time."""
LIKELY = 1e-6
MARGIN = 16
"""Number of columns on either side of matches whose posterior reaches ``LIKELY``."""
MOST = 0.6
"""A band that holds a larger fraction of the matrix is not worthwhile."""


@dataclass(frozen=True)
class Band:
    """Columns that each row of the recursion visits, over boundaries 0 to n.

    Attributes
    ----------
    lo, hi
        First and last column of each row, int64 (n + 1,); neither ever decreases.
    """

    lo: npt.NDArray[np.int64]
    hi: npt.NDArray[np.int64]

    @property
    def cells(self) -> int:
        """Number of cells within the band."""
        return int((self.hi - self.lo + 1).sum())

    @classmethod
    def full(cls, n: int, m: int) -> Band:
        """Return the whole matrix."""
        return cls(np.zeros(n + 1, dtype=np.int64), np.full(n + 1, m, dtype=np.int64))

    def edge(self, rows: npt.NDArray[np.int32], columns: npt.NDArray[np.int32], m: int) -> npt.NDArray[np.bool_]:
        """Return which matches (0-based residues) lie at an edge where the band could be wider."""
        lo, hi = self.lo[rows + 1], self.hi[rows + 1]
        j = columns.astype(np.int64) + 1
        near: npt.NDArray[np.bool_] = ((j <= lo + 2) & (lo > 0)) | ((j >= hi - 2) & (hi < m))
        return near


@compiled()
def _kmers(bases, k):
    """Return the k-mer that begins at each base as a number, -1 if it contains an uncertain base."""
    out = np.full(max(bases.size - k + 1, 0), -1, np.int64)
    mask = (np.int64(1) << (2 * k)) - 1
    x = np.int64(0)
    run = 0
    for i in range(bases.size):
        if bases[i] > 3:
            run = 0
            continue
        x = ((x << 2) | bases[i]) & mask
        run += 1
        if run >= k:
            out[i - k + 1] = x
    return out


def _once(kmers: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the k-mers that occur once, sorted, and where they begin."""
    order = np.argsort(kmers, kind="stable")
    x = kmers[order]
    other = np.concatenate([[True], x[1:] != x[:-1], [True]])
    keep = other[:-1] & other[1:] & (x >= 0)
    return x[keep], order[keep]


def anchors(rows: Masks, columns: Masks, k: int | None = None) -> npt.NDArray[np.int64]:
    """Return the longest rising chain of shared unique k-mers.

    Returns
    -------
    numpy.ndarray
        int64 (a, 2): where the k-mers' middle bases lie in the two sequences.
    """
    if k is None:
        k = math.ceil(math.log(max(len(rows), 4) * max(len(columns), 4), 4)) + 3
    k = min(max(k, 8), 31)
    # The shorter sequence is sorted, the longer one only looked up in it.
    flipped = len(rows) > len(columns)
    short, long = (columns, rows) if flipped else (rows, columns)
    a, at_a = _once(_kmers(BASE_OF_MASK[short], k))
    if not len(a):
        return np.empty((0, 2), dtype=np.int64)
    kmers = _kmers(BASE_OF_MASK[long], k)
    place = np.minimum(np.searchsorted(a, kmers), len(a) - 1)
    hits = np.flatnonzero(a[place] == kmers)
    b, at_b = _once(kmers[hits])
    i, j = at_a[np.searchsorted(a, b)], hits[at_b]
    if flipped:
        i, j = j, i
    order = np.argsort(i)
    i, j = i[order], j[order]
    chain, _ = heaviest_chain(i.astype(np.int32), j.astype(np.int32), np.ones(len(i)), len(columns), 0.0)
    return np.stack([i[chain], j[chain]], axis=1) + k // 2


def band_around(chain: npt.NDArray[np.int64], n: int, m: int, width: int) -> Band:
    """Return the band of ``width`` columns on either side of a chain, rectangles between links."""
    i = np.concatenate([[0], chain[:, 0] + 1, [n]])
    j = np.concatenate([[0], chain[:, 1] + 1, [m]])
    # Row r lies between the links before and after it.
    rows = np.arange(n + 1)
    before = np.clip(np.searchsorted(i, rows, side="right") - 1, 0, len(i) - 1)
    after = np.clip(np.searchsorted(i, rows, side="left"), 0, len(i) - 1)
    # Gaps may shift by as much as they are long, so that an anchor's own row is not a bottleneck.
    lo = np.maximum(j[before] - width, 0)
    hi = np.minimum(j[after] + width, m)
    lo = np.minimum.accumulate(lo[::-1])[::-1]
    hi = np.maximum.accumulate(hi)
    lo[0], hi[n] = 0, m
    return Band(lo.astype(np.int64), hi.astype(np.int64))


@compiled(apart=True)
def shared_kmers(query, reference):
    """Count the shorter sequence's k-mers that also occur in the longer one.

    Takes bit masks. Returns the number shared; the number of k-mers; the share expected by chance;
    k. Both numbers are 0 if the sequences have too few k-mers.
    """
    short, long = (query, reference) if query.size <= reference.size else (reference, query)
    k = min(max(math.ceil(math.log(max(long.size, 4)) / math.log(4.0)) + 2, 6), 20)
    if short.size < k + 4:
        return 0, 0, 0.0, k
    own, others = _kmers(BASE_OF_MASK[short], k), _kmers(BASE_OF_MASK[long], k)
    total, hits, known = 0, 0, 0
    for x in own:
        total += x >= 0
    for x in others:
        known += x >= 0
    if not known:
        return 0, 0, 0.0, k
    size = 16
    while size < 2 * known:
        size *= 2
    there = np.full(size, -1, np.int64)
    for x in others:
        if x >= 0:
            there[_place(x, there)] = x
    for x in own:
        hits += x >= 0 and there[_place(x, there)] == x
    return hits, total, 1 - math.exp(-others.size / 4.0**k), k


@compiled(inner=True, _nrt=False)
def _place(x, there):
    """Return where a number stands in a set (open addressing; its size is a power of two), or may be put."""
    last = there.size - 1
    at = ((x * 0x2545F4914F6CDD1D) >> 24) & last
    while there[at] >= 0 and there[at] != x:
        at = (at + 1) & last
    return at


@dataclass(frozen=True)
class Region:
    """A window of query and reference, and the band within it.

    Attributes
    ----------
    query, reference
        Window in each, 0-based half-open.
    band
        Band over rows of the longer and columns of the shorter window; None for all of it.
    anchors
        Number of exact matches the band was made from.
    narrowed
        Whether the band holds what a first look at the whole matrix found likely.
    """

    query: tuple[int, int]
    reference: tuple[int, int]
    band: Band | None = None
    anchors: int = 0
    narrowed: bool = False

    @property
    def cells(self) -> int:
        """Number of cells the recursions visit."""
        if self.band is not None:
            return self.band.cells
        return (self.query[1] - self.query[0] + 1) * (self.reference[1] - self.reference[0] + 1)

    def whole(self) -> Region:
        """Return the window without a band."""
        return replace(self, band=None, narrowed=False)


def plan(query: Masks, reference: Masks, mode: Mode, band: int | str) -> Region:
    """Decide which part of the matrix to visit.

    Parameters
    ----------
    band
        ``auto``: all of it up to ``AUTO_CELLS``, beyond that a band if exact matches show the
        way; ``none``: all of it; a number: a band with this margin on either side of the exact
        matches.
    """
    everything = Region((0, len(query)), (0, len(reference)))
    if band == "none" or (band == "auto" and everything.cells <= AUTO_CELLS):
        return everything
    width = BAND_WIDTH if band == "auto" else int(band)
    chain = anchors(query, reference)
    if len(chain) < 2:
        return everything
    windows = [(0, len(query)), (0, len(reference))]
    # At a free end, only what the other sequence could reach from the outer anchors counts.
    free = {"global": (), "semiglobal": (1,), "local": (0, 1)}[mode]
    for side in free:
        other = 1 - side
        before = int(chain[0, other]) * 3 // 2 + width
        after = (windows[other][1] - int(chain[-1, other])) * 3 // 2 + width
        if mode == "local":
            before, after = min(before, 4096 + width), min(after, 4096 + width)
        low, high = windows[side]
        windows[side] = (max(low, int(chain[0, side]) - before), min(high, int(chain[-1, side]) + after))
    chain -= np.array([windows[0][0], windows[1][0]])
    n, m = (end - start for start, end in windows)
    # The recursion lays the longer window along the rows.
    made = band_around(chain, n, m, width) if n > m else band_around(chain[:, ::-1], m, n, width)
    return Region(windows[0], windows[1], made, len(chain))


@compiled()
def _band_around(rows, columns, n, m, margin, lo, hi):
    """Write the band around matches (0-based residues), the same for all rows of a group."""
    lo[:] = m
    hi[:] = 0
    for k in range(rows.size):
        i, j = rows[k] + 1, columns[k] + 1
        lo[i] = min(lo[i], j)
        hi[i] = max(hi[i], j)
    # Rows without a match are those of a gap; a gap of columns lies in the row before a match.
    for i in range(n - 1, -1, -1):
        lo[i] = min(lo[i], lo[i + 1])
    lo[0] = 0
    hi[n] = m
    for i in range(1, n + 1):
        hi[i] = max(hi[i], hi[i - 1])
    for i in range(n):
        hi[i] = max(hi[i], lo[i + 1])
    for i in range(1, n + 1):
        hi[i] = max(hi[i], hi[i - 1])
        lo[i] = min(lo[i], hi[i - 1])
    for i in range(n, 0, -1):
        lo[i - 1] = min(lo[i - 1], lo[i])
    for first in range(0, n, GROUP):
        last = min(first + GROUP, n)
        low, high = max(lo[first + 1] - margin, 0), min(hi[last] + margin, m)
        for i in range(first + 1, last + 1):
            lo[i], hi[i] = low, high
    lo[0], hi[0] = 0, hi[1]


def narrow(region: Region, rows: npt.NDArray[np.int32], columns: npt.NDArray[np.int32]) -> Region:
    """Return a region with a band around all matches that are at all likely.

    Returns the region itself if the band would hold most of the matrix.

    Parameters
    ----------
    region
        A window without a band, of at least ``NARROWED_CELLS``.
    rows, columns
        Matches whose posterior reaches ``LIKELY``, 0-based residues of the longer and the shorter
        window.
    """
    m, n = sorted(end - start for start, end in (region.query, region.reference))
    if not len(rows):
        return region
    lo, hi = np.empty(n + 1, dtype=np.int64), np.empty(n + 1, dtype=np.int64)
    _band_around(rows, columns, n, m, MARGIN, lo, hi)
    band = Band(lo, hi)
    if band.cells > MOST * region.cells:
        return region
    return replace(region, band=band, narrowed=True)


def around(posterior: SparsePosterior, n: int, m: int, mode: Mode) -> Region | None:
    """Return the part of the matrix around the densest posterior, None if there is none."""
    if not len(posterior.probability):
        return None
    size = 2 * n + 200
    bins = np.bincount(posterior.reference // size, weights=posterior.probability)
    top = int(bins.argmax())
    inside = posterior.reference // size == top
    low, high = int(posterior.reference[inside].min()), int(posterior.reference[inside].max())
    margin = n + n // 2 + 100
    reference = (max(0, low - margin), min(m, high + margin))
    if mode == "local":
        first, last = int(posterior.query[inside].min()), int(posterior.query[inside].max())
        return Region((max(0, first - 500), min(n, last + 500)), reference)
    return Region((0, n), reference)


def check_size(region: Region, memory: int, block_cells: int, names: tuple[str, str], mode: Mode) -> int:
    """Return the number of cells to keep at a time within ``memory`` bytes.

    Raises
    ------
    SettingError
        Even one block at a time needs more memory, or the pair would take far too long.
    """
    n = region.query[1] - region.query[0]
    m = region.reference[1] - region.reference[0]
    fixed = (n + m) * BYTES_PER_RESIDUE
    smallest = 1 << 16
    pair = f"{names[0]} ({n:,} bp) with {names[1]} ({m:,} bp)"
    if fixed + 12 * smallest > memory:
        need = (fixed + 12 * smallest) / 2**30
        raise SettingError(
            f"aligning {pair} needs about {need:.2f} GiB, {memory / 2**30:.2f} are allowed",
            hint=f"allow more with --memory {need * 1.1:.2f}, or cut the sequences",
        )
    if mode == "global" and region.band is None and region.cells > MOST_WHOLE:
        raise SettingError(
            f"aligning {pair} from end to end would visit {region.cells / 1e9:,.1f} billion cells many times",
            hint="they share too few exact matches for a band: use --mode semiglobal or local, or cut the sequences",
        )
    if region.cells > MOST_CELLS:
        raise SettingError(
            f"aligning {pair} would visit {region.cells / 1e9:,.0f} billion cells",
            hint="they share too few exact matches for a band: cut the sequences into windows",
        )
    return int(min(block_cells, max(smallest, (memory - fixed) // 12)))


def shifted(posterior: SparsePosterior, region: Region, n: int, m: int) -> SparsePosterior:
    """Return posteriors of a window in coordinates of the whole sequences."""
    if region.query == (0, n) and region.reference == (0, m):
        return posterior
    sums = []
    spans = (region.query, region.reference)
    for size, span, inside in zip((n, m), spans, (posterior.query_matched, posterior.reference_matched), strict=True):
        full = np.zeros(size, dtype=np.float32)
        full[span[0] : span[1]] = inside
        sums.append(full)
    return SparsePosterior(
        posterior.query + np.int32(region.query[0]),
        posterior.reference + np.int32(region.reference[0]),
        posterior.probability,
        sums[0],
        sums[1],
    )
