"""The last step of a build: from strings and counts, in order, to the arrays of a panel.

The arrays depend on the strings alone, not on how much memory there was: the strings are taken up
in chunks of a fixed size, and the entries of the index are sorted in parts, by hash.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from genolstm.sequences.panel import finish, kernels
from genolstm.sequences.panel.scratch import Parts, Scratch, forget

# Bases of the strings that are worked on together; a string is never longer.
CHUNK = 1 << 19
# Mean number of entries per bucket of the index: more make the file smaller and look-ups slower.
_BUCKET = 6
_MIN_TAG_BITS = 4
# The index is sorted in parts of about so many k-mers.
_PART = 1 << 19
_MAX_PARTS = 256
_PART_ROWS = 512
# Number of runs that are looked through together.
_WINDOW = 1 << 14

NewScratch = Callable[[], Scratch]


class Strings:
    """The strings of a panel that is being finished, as far as they are not yet taken up.

    Attributes
    ----------
    words, counts
        Packed bases and the count at every base.
    begin, end
        The bases that are new, and where the next string goes.
    """

    def __init__(self) -> None:
        self.words = np.zeros((CHUNK >> 5) + 4, dtype=np.uint64)
        self.counts = np.zeros(CHUNK, dtype=np.uint16)
        self.begin = self.end = 0

    def emit(self, words: Any, counts: Any, start: int, n: int, k: int, minimum: int) -> int:
        """Append k-mers of a sequence as :func:`.finish.emit` does; return the place to go on from."""
        start, self.end = finish.emit(words, counts, start, n, k, minimum, self.words, self.counts, self.end)
        return start

    def renew(self) -> None:
        """Make room: keep only the bases of the last word, if it is not complete."""
        keep = self.end & 31
        last = self.words[self.end >> 5]
        self.words[: (self.end >> 5) + 2] = 0
        if keep:
            self.words[0] = last
        self.begin = self.end = keep


@dataclass(frozen=True)
class Sections:
    """The arrays of a panel and the numbers that describe them."""

    m: int
    n_kmers: int
    n_strings: int
    n_bases: int
    place_bits: int
    width: int
    arrays: dict[str, npt.NDArray[Any]]


class _Runs:
    """Runs of equal counts, and the packed bases."""

    def __init__(self, once: bool, scratch: NewScratch) -> None:
        self.once = once
        self.words, self.starts, self.values, self.index = (scratch() for _ in range(4))
        self.state = np.array([-1, 0, 0, 0], dtype=np.int64)
        self.n_bases = 0
        self._arrays: list[npt.NDArray[Any]] = []
        self._out = (
            np.empty(CHUNK, np.uint16),
            np.empty(CHUNK, np.uint16),
            np.empty((CHUNK >> kernels.RUN_SHIFT) + 2, np.uint32),
        )

    def add(self, strings: Strings) -> None:
        offset = self.n_bases - strings.begin
        n, blocks = finish.runs(strings.counts, strings.begin, strings.end, offset, self.once, self.state, *self._out)
        self.starts.append(self._out[0][:n])
        self.values.append(self._out[1][:n])
        self.index.append(self._out[2][:blocks])
        self.words.append(strings.words[: strings.end >> 5])
        self.n_bases = offset + strings.end

    def close(self, strings: Strings) -> None:
        """Write the last word, one of zeros, and the run at the end if that is a 256th place."""
        self.words.append(np.array([strings.words[0], 0], dtype=np.uint64))
        if self.n_bases % (1 << kernels.RUN_SHIFT) == 0:
            self.index.append(np.array([self.state[1] - 1], dtype=np.uint32))

    def chunks(self) -> Iterator[tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint16], int]]:
        """Yield the strings once more: words, counts, and the place at which they begin (a multiple of 32)."""
        words, starts, values = self.arrays()[:3]
        begin = lead = first = 0
        while first < values.size:
            window, gaps = _WINDOW, np.zeros(0, dtype=np.int64)
            while not gaps.size:
                # Whole strings: up to a run without k-mers, or to the end.
                edges = starts[first : first + window].astype(np.int64)
                if first + edges.size == values.size:
                    after = self.n_bases
                    gaps = np.append(np.flatnonzero(values[first:-1] == 0), edges.size - 1)
                else:
                    after = int(starts[first + edges.size])
                    gaps = np.flatnonzero(values[first : first + edges.size] == 0)
                window *= 2
            lengths = (np.append(edges[1:], after) - edges) & 0xFFFF
            fitting = int(np.searchsorted(np.cumsum(lengths)[gaps], CHUNK, side="right"))
            many = int(gaps[max(0, fitting - 1)]) + 1
            counts = np.repeat(values[first : first + many], lengths[:many])
            counts = np.concatenate([np.zeros(lead, dtype=np.uint16), counts])
            end = begin + counts.size
            yield words[begin >> 5 : (end >> 5) + 2], counts, begin
            # The words of a chunk begin with a whole one: before its first string there are no k-mers.
            begin, lead = end & ~31, end & 31
            first += many
            for array in (words, starts, values):
                forget(array)

    def arrays(self) -> list[npt.NDArray[Any]]:
        """Return words, starts and counts of runs, and the run at every 256th place."""
        if not self._arrays:
            pairs = ((self.words, "<u8"), (self.starts, "<u2"), (self.values, "<u2"), (self.index, "<u4"))
            self._arrays = [scratch.array(kind) for scratch, kind in pairs]
        return self._arrays


class _Index:
    """The entries of the index, sorted by hash in parts.

    Parameters
    ----------
    k, m
        Lengths of k-mers and minimizers.
    n_kmers
        How many k-mers there will be; the number of parts depends on it, the result does not.
    """

    def __init__(self, k: int, m: int, n_kmers: int, scratch: NewScratch) -> None:
        self.k, self.m, self.scratch = k, m, scratch
        self.parts = max(1, min(_MAX_PARTS, n_kmers // _PART))
        self._listed = self._new_parts()
        self._sorted = scratch()
        self._blocks: list[tuple[int, int]] = []
        self._heavy = np.zeros(0, dtype=np.uint64)
        self._more: Parts | None = None
        self.n = 0

    def _new_parts(self) -> Parts:
        return Parts(self.scratch(), self.parts, (_PART_ROWS, 2), "u8")

    def add(self, words: Any, counts: Any, begin: int, end: int, offset: int) -> None:
        """List the minimizers of strings, or their heavy k-mers once it is known which are heavy."""
        out = np.empty((2 * max(end - begin, 1), 2), dtype=np.uint64)
        n = finish.index_entries(words, counts, begin, end, offset, self.k, self.m, self._heavy, out)
        parts = self._listed if self._more is None else self._more
        done = finish.scatter(out, 0, n, parts.buffers, parts.filled)
        while done < n:
            parts.flush()
            done = finish.scatter(out, done, n, parts.buffers, parts.filled)
        if self._more is not None:
            self.n += n

    def find_heavy(self, mark: int) -> bool:
        """Sort what was listed; let ``mark`` stand for all places of a heavy minimizer. Return whether there is any."""
        found = []
        for part in range(self.parts):
            entries = _by_hash(self._listed.read(part))
            hashes = entries[:, 0]
            first = np.flatnonzero(np.append(True, hashes[1:] != hashes[:-1])) if hashes.size else np.zeros(0, np.int64)
            size = np.diff(first, append=hashes.size)
            heavy = size > kernels.HEAVY
            if heavy.any():
                keep = ~np.repeat(heavy, size)
                keep[first[heavy]] = True
                entries[first[heavy], 1] = mark
                entries = entries[keep]
                found.append(hashes[first[heavy]])
            self._blocks.append((self._sorted.append(entries.ravel()), entries.nbytes))
            self.n += len(entries)
        del self._listed
        if not found:
            return False
        swapped = np.concatenate(found)
        self._heavy = np.sort((swapped << np.uint64(32)) | (swapped >> np.uint64(32)))
        self._more = self._new_parts()
        return True

    def write(self, place_bits: int, width: int) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint8]]:
        """Return the first record of every bucket, and the records."""
        n_buckets = max(1, self.n // _BUCKET)
        directory, records = self.scratch(), self.scratch()
        written = total = 0
        low_half, tag_mask = np.uint64(0xFFFFFFFF), np.uint64((1 << (8 * width - place_bits)) - 1)
        for part, block in enumerate(self._blocks):
            entries = self._sorted.read(*block).view(np.uint64).reshape(-1, 2)
            if self._more is not None:
                entries = _by_hash(np.concatenate([entries, self._more.read(part)]))
            if not len(entries):
                continue
            bucket = (((entries[:, 0] >> np.uint64(32)) * np.uint64(n_buckets)) >> np.uint64(32)).astype(np.int64)
            # A bucket may have begun in the part before.
            starts = np.searchsorted(bucket, np.arange(written, int(bucket[-1]) + 1)) + total
            directory.append(starts.astype("<u4"))
            written += starts.size
            total += len(entries)
            tag = entries[:, 0] & low_half & tag_mask
            entry = (tag << np.uint64(place_bits)) | entries[:, 1]
            records.append(np.ascontiguousarray(entry.astype("<u8").view(np.uint8).reshape(-1, 8)[:, :width]).ravel())
        directory.append(np.full(n_buckets + 1 - written, total, dtype="<u4"))
        # Look-ups read eight bytes at a time.
        records.append(bytes(8))
        return directory.array("<u4"), records.array("u1")


def _by_hash(entries: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    return entries[np.argsort(entries[:, 0], kind="stable")]


class SectionWriter:
    """Takes up strings in order, and returns the arrays of a panel at the end.

    Parameters
    ----------
    k, m
        Lengths of k-mers and minimizers.
    n_kmers
        How many k-mers there will be.
    once
        Set every count to 1.
    scratch
        Makes room for an array.
    """

    def __init__(self, k: int, m: int, n_kmers: int, *, once: bool, scratch: NewScratch) -> None:
        self._runs = _Runs(once, scratch)
        self._index = _Index(k, m, n_kmers, scratch)

    def add(self, strings: Strings) -> None:
        """Take up the new strings, and make room for more."""
        self._index.add(strings.words, strings.counts, strings.begin, strings.end, self._runs.n_bases - strings.begin)
        self._runs.add(strings)
        strings.renew()

    def close(self, strings: Strings) -> Sections:
        """Return the arrays, once every string is taken up."""
        self._runs.close(strings)
        n_bases = self._runs.n_bases
        place_bits = int(n_bases + 1).bit_length()
        if self._index.find_heavy((1 << place_bits) - 1):
            for words, counts, begin in self._runs.chunks():
                self._index.add(words, counts, 0, counts.size, begin)
        width = -(-(place_bits + _MIN_TAG_BITS) // 8)
        directory, records = self._index.write(place_bits, width)
        words, starts, values, index = self._runs.arrays()
        return Sections(
            m=self._index.m,
            n_kmers=int(self._runs.state[2]),
            n_strings=int(self._runs.state[3]),
            n_bases=n_bases,
            place_bits=place_bits,
            width=width,
            arrays={
                "words": words,
                "directory": directory,
                "records": records,
                "run_start": starts,
                "run_count": values,
                "run_index": index,
            },
        )
