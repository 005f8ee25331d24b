"""Many sequences in one array, for compiled loops over pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from genolstm.sequences.masks import Masks


@dataclass(frozen=True)
class PackedSequences:
    """Sequences laid end to end.

    Attributes
    ----------
    letters
        Bit masks of all sequences, uint8.
    starts
        Start of each sequence, then the end of the last, int64 (sequences + 1,).
    """

    letters: npt.NDArray[np.uint8]
    starts: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, k: int) -> Masks:
        return self.letters[self.starts[k] : self.starts[k + 1]]

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Length of each sequence in bases."""
        return np.diff(self.starts)


def pack(sequences: Sequence[Masks]) -> PackedSequences:
    """Lay sequences (bit masks) end to end."""
    starts = np.zeros(len(sequences) + 1, dtype=np.int64)
    np.cumsum([len(s) for s in sequences], out=starts[1:])
    letters = np.concatenate(sequences) if len(sequences) else np.zeros(0, np.uint8)
    return PackedSequences(np.ascontiguousarray(letters, dtype=np.uint8), starts)
