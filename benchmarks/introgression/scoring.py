"""How calls are set against known tracts: scores and calls in bins of 1 kb, curves, and intervals over loci of 1 Mb.

`protocol.py` and the workflow beside it both count with these.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from sets import BIN

LOCUS = 1_000_000 // BIN
DRAWS = 1000


# -- what a scan wrote --------------------------------------------------------------------------------


def shares_of(start: int, end: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the bins of a stretch, and the share of each that lies in it."""
    edges = np.arange(start // BIN, -(-end // BIN)) * BIN
    return edges // BIN, (np.minimum(edges + BIN, end) - np.maximum(edges, start)) / BIN


def fill(path: Path, at: dict[tuple[str, str], int], into: np.ndarray) -> None:
    """Enter a table of posteriors: any archaic first, then the sources, then unknown; ``at`` numbers the haplotypes."""
    table = pd.read_csv(path, sep="\t", dtype={"haplotype": str})
    columns = [c for c in table.columns if c.startswith("posterior")]
    row = table[["sample", "haplotype"]].apply(tuple, axis=1).map(at).to_numpy()
    chrom = table.iloc[:, 0].str.removeprefix("chr").astype(int).to_numpy() - 1
    for i, column in enumerate(columns[: into.shape[3]]):
        into[row, chrom, table["start"].to_numpy() // BIN, i] = table[column].to_numpy()


def fill_called(path: Path, at: dict[tuple[str, str], int], archaics: Sequence[str], into: np.ndarray) -> None:
    """Enter segments: what share of each bin was called, as anything, as each source, and as unknown."""
    with path.open() as stream:  # earlier versions have no comment above the names of the columns
        comments = next(i for i, line in enumerate(stream) if "#chrom\t" in line)
    table = pd.read_csv(path, sep="\t", skiprows=comments, dtype={"haplotype": str})
    kinds = [*(archaics if len(archaics) > 1 else ["archaic"]), "unknown"]
    for entry in table.itertuples(index=False):
        chrom = int(str(entry[0]).removeprefix("chr")) - 1
        bins, share = shares_of(int(entry.start), int(entry.end))
        cells = at[entry.sample, str(entry.haplotype)], chrom, bins
        into[*cells, 0] += share
        source = getattr(entry, "source", None)
        if source in kinds and 1 + kinds.index(source) < into.shape[3]:
            into[*cells, 1 + kinds.index(source)] += share


# -- counting ---------------------------------------------------------------------------------------


def by_locus(values: np.ndarray) -> np.ndarray:
    """Return sums over haplotypes and the bins of each locus, shape (loci,)."""
    rows, chromosomes, bins = values.shape
    return values.reshape(rows, chromosomes, bins // LOCUS, LOCUS).sum((0, 3), dtype=np.float64).ravel()


def curves(score: np.ndarray, true: np.ndarray, levels: int = 1000) -> tuple[np.ndarray, np.ndarray]:
    """Return the bins and the true bins of each locus and level of the score, highest first."""
    chromosomes, bins = score.shape[1:]
    loci = chromosomes * bins // LOCUS
    locus = np.broadcast_to(np.arange(chromosomes * bins).reshape(chromosomes, bins) // LOCUS, score.shape)
    index = (locus * (levels + 1) + np.rint(np.clip(score, 0, 1).astype(np.float64) * levels).astype(int)).ravel()
    size = loci * (levels + 1)
    called = np.bincount(index, minlength=size).reshape(loci, -1)[:, ::-1]
    return called, np.bincount(index, true.ravel().astype(float), size).reshape(loci, -1)[:, ::-1]


def ranked(called: np.ndarray, true: np.ndarray) -> dict[str, float]:
    """Return AP, the best F1 and what it is at, of bins and true bins at each level."""
    hit, total = np.cumsum(true), np.cumsum(called)
    if not hit[-1]:
        return {"ap": float("nan"), "f1": float("nan"), "at": float("nan")}
    precision, recall = hit / np.maximum(total, 1), hit / hit[-1]
    f1 = 2 * hit / (total + hit[-1])
    return {
        "ap": float((np.diff(recall, prepend=0) * precision).sum()),
        "f1": float(f1.max()),
        "at": 1 - int(f1.argmax()) / (len(f1) - 1),
    }


def interval(values: Sequence[float]) -> str:
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return f"{low:.3f} to {high:.3f}"


def draws(loci: int) -> Iterator[np.ndarray]:
    random = np.random.default_rng(20261126)
    for _ in range(DRAWS):
        yield np.bincount(random.integers(0, loci, loci), minlength=loci).astype(float)


def calibration(score: np.ndarray, true: np.ndarray, n: int = 20) -> float:
    """Return the expected calibration error over bins of equal width."""
    cell = np.clip((score.ravel() * n).astype(int), 0, n - 1)
    gap = np.bincount(cell, score.ravel().astype(float), n) - np.bincount(cell, true.ravel().astype(float), n)
    return float(np.abs(gap).sum() / score.size)
