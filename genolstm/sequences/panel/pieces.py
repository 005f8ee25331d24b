"""Cut the sequences of a panel's input into pieces of bounded length."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from genolstm.sequences.alphabet import UNKNOWN, Codes
from genolstm.sequences.panel import kernels
from genolstm.sequences.panel.scratch import Scratch

# K-mers in a piece. A panel's strings end where pieces do, so that this shows in its bytes.
PIECE = 1 << 17

#: Packed bases, which of them are unknown, and how many bases there are.
Packed = tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint32], int]


def cut(contigs: Iterable[Iterable[Codes]], k: int) -> Iterator[Codes]:
    """Cut contigs, each given as one or many blocks of codes, into pieces that share no k-mer and miss none.

    A long contig is cut after every ``PIECE`` k-mers; short ones are joined with an unknown base
    between them.
    """
    gap = np.full(1, UNKNOWN, dtype=np.uint8)
    short: list[Codes] = []
    size = 0
    for blocks in contigs:
        rest = np.zeros(0, dtype=np.uint8)
        for block in blocks:
            codes = np.concatenate([rest, block]) if rest.size else block
            start = 0
            while codes.size - start >= PIECE + k - 1:
                yield codes[start : start + PIECE + k - 1]
                start += PIECE
            rest = codes[start:]
        if rest.size < k:
            continue
        short += [rest, gap]
        size += rest.size
        if size >= PIECE:
            yield np.concatenate(short)
            short, size = [], 0
    if short:
        yield np.concatenate(short)


class PieceStore:
    """Pieces that are kept to be gone through again, in order.

    Attributes
    ----------
    haplotypes
        The haplotype of each piece.
    """

    def __init__(self, scratch: Scratch) -> None:
        self.haplotypes: list[int] = []
        self._scratch = scratch
        self._places: list[tuple[int, int, bool]] = []

    def add(self, piece: Packed, haplotype: int) -> None:
        """Keep one more piece."""
        words, unknown, n = piece
        some = bool(unknown.any())
        self._places.append((self._scratch.append(words), n, some))
        if some:
            self._scratch.append(unknown)
        self.haplotypes.append(haplotype)

    def __iter__(self) -> Iterator[Packed]:
        for start, n, some in self._places:
            size = 8 * kernels.packed_words(n)
            words = self._scratch.read(start, size).view(np.uint64)
            unknown = np.zeros((n >> 5) + 1, dtype=np.uint32)
            if some:
                unknown = self._scratch.read(start + size, unknown.nbytes).view(np.uint32)
            yield words, unknown, n
