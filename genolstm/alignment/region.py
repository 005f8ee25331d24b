"""Which part of the matrix a pair needs: all of it, a band, or a band within a window."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genolstm.alignment.pairhmm.band import Band, anchors, band_around
from genolstm.alignment.pairhmm.decode import SparsePosterior
from genolstm.alignment.pairhmm.pairhmm import Mode
from genolstm.errors import SettingError
from genolstm.sequences.masks import Masks

AUTO_CELLS = 1 << 24
"""Up to this many cells (4,096 x 4,096) the whole matrix is visited."""
BAND_WIDTH = 64
BYTES_PER_RESIDUE = 320
"""What the recursions keep per residue of either sequence, blocks aside."""
MOST_CELLS = 1 << 37
"""More than this takes about half an hour."""


@dataclass(frozen=True)
class Region:
    """A window of query and reference, and the band within it.

    Attributes
    ----------
    query, reference
        Window in each, 0-based half-open.
    band
        Over rows of the longer and columns of the shorter window; None for all of it.
    anchors
        Exact matches the band was made from.
    narrowed
        The band holds what a first look at the whole matrix found likely.
    """

    query: tuple[int, int]
    reference: tuple[int, int]
    band: Band | None = None
    anchors: int = 0
    narrowed: bool = False

    @property
    def cells(self) -> int:
        """Cells the recursions visit."""
        if self.band is not None:
            return self.band.cells
        return (self.query[1] - self.query[0] + 1) * (self.reference[1] - self.reference[0] + 1)


def whole(query: Masks, reference: Masks) -> Region:
    """Return the region that leaves nothing out."""
    return Region((0, len(query)), (0, len(reference)))


def plan(query: Masks, reference: Masks, mode: Mode, band: int | str) -> Region:
    """Decide which part of the matrix to visit.

    Parameters
    ----------
    band
        ``auto``: all of it up to ``AUTO_CELLS``, beyond that a band where exact matches show the
        way; ``none``: all of it; a number: a band with this margin on either side of the exact
        matches.
    """
    everything = whole(query, reference)
    if band == "none" or (band == "auto" and everything.cells <= AUTO_CELLS):
        return everything
    width = BAND_WIDTH if band == "auto" else int(band)
    chain = anchors(query, reference)
    if len(chain) < 2:
        return everything
    windows = [(0, len(query)), (0, len(reference))]
    # Where an end is free, only what the other sequence could reach from the outer anchors counts.
    free = {"global": (), "semiglobal": (1,), "local": (0, 1)}[mode]
    for side in free:
        other = 1 - side
        before = int(chain[0, other]) * 3 // 2 + width
        behind = (windows[other][1] - int(chain[-1, other])) * 3 // 2 + width
        if mode == "local":
            before, behind = min(before, 4096 + width), min(behind, 4096 + width)
        low, high = windows[side]
        windows[side] = (max(low, int(chain[0, side]) - before), min(high, int(chain[-1, side]) + behind))
    chain -= np.array([windows[0][0], windows[1][0]])
    n, m = (end - start for start, end in windows)
    # The recursion lays the longer window along the rows.
    made = band_around(chain, n, m, width) if n > m else band_around(chain[:, ::-1], m, n, width)
    return Region(windows[0], windows[1], made, len(chain))


def check_size(region: Region, memory: int, block_cells: int, names: tuple[str, str]) -> int:
    """Return the cells to keep at a time within ``memory`` bytes.

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
