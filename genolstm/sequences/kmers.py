"""Rolling k-mers and one-hot windows of coded DNA.

A k-mer is a number of 2 k bits with its first base in the highest ones, so that numbers sort as the
words do. The *canonical* k-mer is the smaller of the k-mers of the two strands.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from genolstm.errors import SettingError
from genolstm.sequences.alphabet import Codes

MAX_K = 31
MAX_DENSE_K = 12
"""The largest k for which a table of all k-mers is made."""

Kmers = npt.NDArray[np.uint64]


class KmerCounts(NamedTuple):
    """Distinct k-mers, sorted, and how often each occurs; both shape (distinct,)."""

    kmers: Kmers
    counts: npt.NDArray[np.int64]


def _check_k(k: int) -> None:
    if not 1 <= k <= MAX_K:
        raise SettingError(f"k must lie between 1 and {MAX_K}, not {k}")


def kmers(codes: Codes, k: int, *, canonical: bool = True) -> tuple[Kmers, npt.NDArray[np.bool_]]:
    """Return the k-mer at every position, and whether all its bases are known.

    Parameters
    ----------
    codes
        uint8, shape (bases,).
    k
        1 to 31.
    canonical
        Take the smaller of the two strands.

    Returns
    -------
    tuple
        uint64 and bool, both shape (max(bases - k + 1, 0),); if a base is unknown, the k-mer is
        0 and the flag is false.
    """
    _check_k(k)
    # Compiled code is loaded only where it is used: the rest of this module is plain NumPy.
    from genolstm.sequences.rolling import roll

    n = max(len(codes) - k + 1, 0)
    out = np.zeros(n, dtype=np.uint64)
    valid = np.zeros(n, dtype=np.bool_)
    roll(np.ascontiguousarray(codes, dtype=np.uint8), k, canonical, out, valid)
    return out, valid


def valid_kmers(codes: Codes, k: int) -> npt.NDArray[np.bool_]:
    """Return, for every k-mer, whether all its bases are known; shape (max(bases - k + 1, 0),)."""
    _check_k(k)
    unknown = np.zeros(len(codes) + 1, dtype=np.int64)
    np.cumsum(np.asarray(codes) > 3, out=unknown[1:])
    return unknown[k:] == unknown[: max(len(codes) - k + 1, 0)]


def reverse_complement_kmers(words: Kmers, k: int) -> Kmers:
    """Return the reverse complements of k-mers."""
    _check_k(k)
    x = ~np.asarray(words, dtype=np.uint64)
    # Swap neighbouring bases, then pairs of them, and so on: this reverses the whole word.
    for shift, mask in (
        (2, 0x3333333333333333),
        (4, 0x0F0F0F0F0F0F0F0F),
        (8, 0x00FF00FF00FF00FF),
        (16, 0x0000FFFF0000FFFF),
        (32, 0x00000000FFFFFFFF),
    ):
        s, m = np.uint64(shift), np.uint64(mask)
        x = ((x >> s) & m) | ((x & m) << s)
    turned: Kmers = x >> np.uint64(64 - 2 * k)
    return turned


def decode_kmer(word: int, k: int) -> str:
    """Return a k-mer's letters."""
    _check_k(k)
    return "".join("ACGT"[(int(word) >> 2 * (k - 1 - i)) & 3] for i in range(k))


def count_kmers(codes: Codes, k: int, *, canonical: bool = True) -> KmerCounts:
    """Count the k-mers of a sequence; those that cover an unknown base are left out."""
    words, valid = kmers(codes, k, canonical=canonical)
    words = words[valid]
    if k <= MAX_DENSE_K and words.size > 4**k // 8:
        table = np.bincount(words.astype(np.int64), minlength=4**k)
        found = np.flatnonzero(table)
        return KmerCounts(found.astype(np.uint64), table[found])
    distinct, counts = np.unique(words, return_counts=True)
    return KmerCounts(distinct, counts)


def count_table(codes: Codes, k: int, *, canonical: bool = True) -> npt.NDArray[np.int64]:
    """Return the counts of all 4^k k-mers, in the order of their numbers; k up to 12."""
    if not 1 <= k <= MAX_DENSE_K:
        raise SettingError(f"k must lie between 1 and {MAX_DENSE_K} for a table, not {k}")
    words, valid = kmers(codes, k, canonical=canonical)
    return np.bincount(words[valid].astype(np.int64), minlength=4**k)


def one_hot(codes: Codes, dtype: npt.DTypeLike = np.float32) -> npt.NDArray[np.generic]:
    """Return shape (..., 4): one 1 per base in the order A, C, G, T, none for an unknown base."""
    rows = np.zeros((5, 4), dtype=dtype)
    rows[np.arange(4), np.arange(4)] = 1
    return rows[np.minimum(codes, 4)]


def windows(codes: Codes, size: int, step: int | None = None) -> Codes:
    """Cut a sequence into windows, without copying.

    Parameters
    ----------
    codes
        uint8, shape (bases,).
    size
        Length of a window in bases.
    step
        Bases from one window's start to the next; by default ``size``, so that windows do not overlap.

    Returns
    -------
    numpy.ndarray
        uint8, shape (windows, size); window ``i`` begins at base ``i * step``. The last bases are
        left out if they do not fill a window.
    """
    step = size if step is None else step
    if size < 1 or step < 1:
        raise SettingError(f"window size and step must be at least 1, not {size} and {step}")
    if len(codes) < size:
        return np.zeros((0, size), dtype=np.uint8)
    return np.lib.stride_tricks.sliding_window_view(codes, size)[::step]
