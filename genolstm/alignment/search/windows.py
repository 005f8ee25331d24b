"""References, or overlapping windows of long ones, as the search compares queries of one length class with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from Bio.SeqRecord import SeqRecord

from genolstm.alignment.search.seeds import Prefilter
from genolstm.alignment.significance import pool
from genolstm.sequences.masks import Masks
from genolstm.sequences.packed import PackedSequences, pack

PrefilterMaker = Callable[[PackedSequences], Prefilter]


class Windows:
    """References cut into windows for queries of one length class, and their index."""

    def __init__(self, references: Sequence[Masks], longest: int | None, make: PrefilterMaker | None) -> None:
        self.place: list[tuple[int, int, int]] = []
        for r, masks in enumerate(references):
            size, step = len(masks), len(masks)
            if longest is not None and len(masks) > 4.5 * longest:
                size, step = 3 * longest, 3 * longest // 2
            start = 0
            while True:
                end = min(start + size, len(masks))
                self.place.append((r, start, end))
                if end == len(masks):
                    break
                start += step
        self.packed = pack([references[r][a:b] for r, a, b in self.place])
        self.lengths = self.packed.lengths
        single = self.packed.letters & (self.packed.letters - 1) == 0
        self.sure = np.diff(np.concatenate([[0], np.cumsum(single)])[self.packed.starts])
        self.owner = np.array([r for r, _, _ in self.place])
        self.names = self.owner
        self.prefilter = None if make is None else make(self.packed)
        # A few distinct lengths and GC contents stand for all of them when E-values are summed.
        strong = (self.packed.letters == 2) | (self.packed.letters == 4)
        strong = np.diff(np.concatenate([[0], np.cumsum(strong)])[self.packed.starts])
        gc = np.where(self.sure > 0, strong / np.maximum(self.sure, 1), 0.5)
        self.class_lengths, self.class_gc, self.counts = pool(self.lengths, gc)
        self._records: dict[int, SeqRecord] = {}

    def record(self, w: int, references: Sequence[SeqRecord]) -> SeqRecord:
        """Return a window as a sequence, or the reference itself if the window covers all of it."""
        if w not in self._records:
            r, start, end = self.place[w]
            whole = end - start == len(references[r])
            self._records[w] = references[r] if whole else references[r][start:end]
        return self._records[w]
