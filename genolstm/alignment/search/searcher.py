"""Search of many sequences against many others, or against long references.

Long references are cut into overlapping windows. Shared k-mers (or another
:class:`~genolstm.alignment.search.seeds.Prefilter`) propose candidates, edit distances (or, in local
mode, a rough score) choose among them, and those that remain are scored and aligned exactly as
``align score`` does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from Bio.SeqRecord import SeqRecord

from genolstm.alignment.calibrate import score_masks
from genolstm.alignment.pairhmm.many import fits, score_pairs
from genolstm.alignment.pairhmm.modes import Strand, placements
from genolstm.alignment.pairhmm.parameters import ParameterFamily
from genolstm.alignment.pairhmm.region import Region, shifted
from genolstm.alignment.result import PosteriorAlignment, rank_references
from genolstm.alignment.scorer import AlignmentScorer
from genolstm.alignment.search.edits import edit_distances
from genolstm.alignment.search.seeds import Prefilter, SeedIndex
from genolstm.alignment.settings import SEARCH_MODE, AlignmentSettings, SearchSettings
from genolstm.alignment.significance import Significance
from genolstm.errors import InputError
from genolstm.sequences.masks import Masks, complement_masks, encode_masks
from genolstm.sequences.packed import PackedSequences, pack
from genolstm.threads import count_threads

BATCH = 1000
"""Number of queries looked up at a time."""
MOST_PAIRS = 1 << 20
"""Number of pairs scored at a time without a prefilter."""
LONGEST_CLASS = 1 << 14
CLEAR_EDITS = 10
"""A strand with this many more edits adds nothing to the score."""
MARGIN = 3
"""Number of candidates scored exactly beyond twice the hits asked for."""

PrefilterMaker = Callable[[PackedSequences], Prefilter]


class Hit(NamedTuple):
    """A reference, or a window of it, that a query may be related to.

    ``start`` and ``end`` are the window's, 0-based half-open; ``bits`` is the score with the window;
    ``evalue`` is None without a calibration; ``window`` is the index of the window searched.
    """

    window: int
    reference: int
    start: int
    end: int
    bits: float
    evalue: float | None


class _Windows:
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
        self.owner = np.array([r for r, _, _ in self.place])
        self.prefilter = None if make is None else make(self.packed)
        # A few distinct lengths stand for all of them when E-values are summed.
        classes = np.unique(np.round(np.log2(self.lengths) * 4).astype(int), return_inverse=True)[1]
        self.counts = np.bincount(classes)
        sums = np.bincount(classes, weights=self.lengths)
        self.class_lengths = sums / self.counts
        self._records: dict[int, SeqRecord] = {}

    def record(self, w: int, references: Sequence[SeqRecord]) -> SeqRecord:
        """Return a window as a sequence, or the reference itself if the window covers all of it."""
        if w not in self._records:
            r, start, end = self.place[w]
            whole = end - start == len(references[r])
            self._records[w] = references[r] if whole else references[r][start:end]
        return self._records[w]


def _seeds(packed: PackedSequences) -> Prefilter:
    """Return an index of shared k-mers, with k large enough for chance matches to be rare."""
    longest = max(4.0, float(np.median(packed.lengths)))
    return SeedIndex(packed, min(max(math.ceil(math.log(longest, 4)) + 2, 6), 11))


class Searcher:
    """Finds the references that queries are related to.

    Parameters
    ----------
    references
        Sequences to search; long ones are cut into windows unless the mode is global.
    scorer
        Scores and aligns the candidates.
    settings
        What to look for.
    significance
        Calibration for E-values; None leaves them out and filters by the bound 2 ** -bits.
    prefilter
        Function that makes the prefilter from packed references; by default shared k-mers.
    threads
        Threads to use; 0 means all cores.
    **alignment
        Fields of :class:`~genolstm.alignment.settings.AlignmentSettings`; the mode is semiglobal
        unless another is given.
    """

    def __init__(
        self,
        references: Sequence[SeqRecord],
        *,
        scorer: AlignmentScorer,
        settings: SearchSettings | None = None,
        significance: Significance | None = None,
        prefilter: PrefilterMaker | None = None,
        threads: int = 0,
        **alignment: Any,
    ) -> None:
        self.references = list(references)
        self.scorer = scorer
        self.settings = settings or SearchSettings()
        self.alignment: AlignmentSettings = replace(scorer.settings, **{"mode": SEARCH_MODE, **alignment})
        mode = self.alignment.mode
        self.significance = significance
        if significance is not None and mode not in significance.modes():
            self.significance = None
        self.threads = count_threads(threads)
        self._most = 2 * self.settings.max_hits + MARGIN
        self._make = None if self.settings.exact else (prefilter or _seeds)
        self._masks = [encode_masks(str(r.seq), record=r.id) for r in self.references]
        if not self._masks:
            raise InputError("there is no reference to search")
        for record, masks in zip(self.references, self._masks, strict=True):
            if not len(masks):
                raise InputError("the reference has no residues", record=record.id)
        self._windows: dict[int | None, _Windows] = {}

    def _for_length(self, n: int) -> _Windows:
        """Return the windows for queries of about this length."""
        longest = None
        if self.alignment.mode != "global":
            longest = min(max(1 << (n - 1).bit_length(), 64), LONGEST_CLASS)
            if max(map(len, self._masks)) <= 4.5 * longest:
                longest = None
        if longest not in self._windows:
            self._windows[longest] = _Windows(self._masks, longest, self._make)
        return self._windows[longest]

    # ------------------------------------------------------------------ candidates

    def search(self, queries: Sequence[SeqRecord]) -> list[list[PosteriorAlignment]]:
        """Return the hits of every query, best first, aligned and ranked.

        Raises
        ------
        InputError
            A query is empty or not DNA.
        """
        masks = [encode_masks(str(q.seq), record=q.id) for q in queries]
        for query, own in zip(queries, masks, strict=True):
            if not len(own):
                raise InputError("the query has no residues", record=query.id)
        return self._align(queries, masks, self.find(masks, [q.id for q in queries]))

    def find(self, queries: Sequence[Masks], names: Sequence[str | None] | None = None) -> list[list[Hit]]:
        """Return the hits of every query (bit masks), best first, without alignments.

        Neighbouring windows may contain the same place, and what is left out makes other hits more
        certain than they are: up to twice ``max_hits`` and ``MARGIN`` are returned.

        Parameters
        ----------
        names
            Names of the queries, for ``skip_self``.
        """
        found: list[list[Hit]] = [[] for _ in queries]
        groups: dict[int, list[int]] = {}
        windows = [self._for_length(len(own)) for own in queries]
        for k, w in enumerate(windows):
            groups.setdefault(id(w), []).append(k)
        for members in groups.values():
            part = windows[members[0]]
            step = BATCH if part.prefilter else max(1, MOST_PAIRS // len(part.place))
            for a in range(0, len(members), step):
                some = members[a : a + step]
                own = [None if names is None else names[k] for k in some]
                hits = self._find([queries[k] for k in some], part, own)
                for k, hit in zip(some, hits, strict=True):
                    found[k] = hit
        return found

    def _find(self, queries: list[Masks], windows: _Windows, names: Sequence[str | None]) -> list[list[Hit]]:
        """Return the hits of queries of one length class, best first."""
        packed = pack(queries)
        if windows.prefilter is None:
            n, m = len(queries), len(windows.place)
            pairs = np.stack([np.repeat(np.arange(n), m), np.tile(np.arange(m), n)], axis=1)
        else:
            count = min(self.settings.candidates, len(windows.place))
            near = windows.prefilter.candidates(packed, count, self.threads)
            at = np.nonzero(near >= 0)
            pairs = np.stack([at[0], near[at]], axis=1).astype(np.int64)
        if self.settings.skip_self:
            same = [names[i] == self.references[windows.owner[j]].id for i, j in pairs.tolist()]
            pairs = pairs[~np.array(same, dtype=bool)]
        strands = np.full(len(pairs), 3)
        if windows.prefilter is not None:
            pairs, strands = self._refine(queries, packed, windows, pairs)
        bits = self._score(queries, packed, windows, pairs, strands)
        return self._choose(queries, windows, pairs, bits)

    def _refine(
        self, queries: list[Masks], packed: PackedSequences, windows: _Windows, pairs: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Keep the most promising candidates and the strands that matter (1 plus, 2 minus, 3 both)."""
        mode, strand = self.alignment.mode, self.alignment.strand
        if mode == "local":
            cost = -self._rough(packed, windows, pairs)
            strands = np.full(len(pairs), 3)
        else:
            sides = {}
            if strand != "minus":
                sides[1] = packed
            if strand != "plus":
                sides[2] = pack([complement_masks(q) for q in queries])
            edits = {
                side: edit_distances(own, windows.packed, pairs, within=mode == "semiglobal", threads=self.threads)
                for side, own in sides.items()
            }
            cost = np.minimum.reduce(list(edits.values())).astype(float)
            strands = np.full(len(pairs), 3)
            if len(edits) == 2:
                strands[edits[2] - edits[1] > CLEAR_EDITS] = 1
                strands[edits[1] - edits[2] > CLEAR_EDITS] = 2
        order = np.lexsort((cost, pairs[:, 0]))
        first = np.searchsorted(pairs[order, 0], pairs[order, 0])
        kept = order[np.arange(len(order)) - first < self._most]
        return pairs[kept], strands[kept]

    def _rough(
        self, packed: PackedSequences, windows: _Windows, pairs: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float64]:
        quick = fits(packed.lengths[pairs[:, 0]], windows.lengths[pairs[:, 1]])
        # Pairs that do not fit keep the prefilter's order, ahead of the rest.
        out: npt.NDArray[np.float64] = 1e9 - np.arange(float(len(pairs)))
        family = self.scorer.family
        if isinstance(family, ParameterFamily):
            out[quick] = score_pairs(
                packed,
                windows.packed,
                pairs[quick],
                family,
                mode="local",
                strand=self.alignment.strand,
                damage=self.scorer.damage,
                rough=True,
                threads=self.threads,
            )
        return out

    # ------------------------------------------------------------------ scores

    def _score(
        self,
        queries: list[Masks],
        packed: PackedSequences,
        windows: _Windows,
        pairs: npt.NDArray[np.int64],
        strands: npt.NDArray[np.int64],
    ) -> npt.NDArray[np.float64]:
        """Return the scores that :meth:`AlignmentScorer.score` would return."""
        bits = np.empty(len(pairs))
        mode, strand = self.alignment.mode, self.alignment.strand
        quick = fits(packed.lengths[pairs[:, 0]], windows.lengths[pairs[:, 1]])
        quick &= isinstance(self.scorer.family, ParameterFamily)
        sides: tuple[tuple[int, Strand], ...] = ((1, "plus"), (2, "minus"), (3, strand))
        for code, name in sides:
            at = np.flatnonzero(quick & (strands == code))
            if not len(at):
                continue
            assert isinstance(self.scorer.family, ParameterFamily)
            bits[at] = score_pairs(
                packed,
                windows.packed,
                pairs[at],
                self.scorer.family,
                mode=mode,
                strand=name,
                damage=self.scorer.damage,
                threads=self.threads,
            )
            if strand == "both" and code != 3:
                bits[at] -= 1.0  # both strands are equally likely a priori
        rest = np.flatnonzero(~quick).tolist()
        if rest:
            large = [(queries[pairs[k, 0]], windows.packed[pairs[k, 1]]) for k in rest]
            bits[rest] = score_masks(self.scorer, large, mode=mode, strand=strand, threads=self.threads)
        return bits

    def _choose(
        self, queries: list[Masks], windows: _Windows, pairs: npt.NDArray[np.int64], bits: npt.NDArray[np.float64]
    ) -> list[list[Hit]]:
        found: list[list[Hit]] = [[] for _ in queries]
        total = len(windows.place)
        for k in np.lexsort((pairs[:, 1], -bits)).tolist():
            i, j = int(pairs[k, 0]), int(pairs[k, 1])
            if len(found[i]) >= self._most:
                continue
            evalue, bound = None, total * 2.0 ** -float(np.clip(bits[k], -900.0, 1000.0))
            if self.significance is not None:
                bound = evalue = self.significance.evalue(
                    float(bits[k]),
                    len(queries[i]),
                    windows.class_lengths,
                    mode=self.alignment.mode,
                    strand=self.alignment.strand,
                    counts=windows.counts,
                )
            if bound <= self.settings.evalue:
                found[i].append(Hit(j, *windows.place[j], float(bits[k]), evalue))
        return found

    # ------------------------------------------------------------------ alignments

    def _align(
        self, queries: Sequence[SeqRecord], masks: Sequence[Masks], found: list[list[Hit]]
    ) -> list[list[PosteriorAlignment]]:
        most = self.settings.max_hits
        plan = []
        for i, own in enumerate(found):
            whole = all(self._is_whole(hit) for hit in own)
            plan += [(i, hit) for hit in own[: most if whole else 2 * most]]
        texts = ((queries[i], self._for_length(len(masks[i])).record(hit.window, self.references)) for i, hit in plan)
        fields = {f: getattr(self.alignment, f) for f in AlignmentSettings.__dataclass_fields__}
        done = self.scorer.align_many(texts, threads=self.threads, **fields)
        hits: list[list[PosteriorAlignment]] = [[] for _ in queries]
        windows: list[list[Hit]] = [[] for _ in queries]
        for (i, hit), alignment in zip(plan, done, strict=True):
            if alignment.is_empty:
                continue
            lifted = self._lift(alignment, hit)
            lifted.evalue = hit.evalue
            if not any(_same_place(lifted, other) for other in hits[i]):
                hits[i].append(lifted)
                windows[i].append(hit)
        for i, own_hits in enumerate(hits):
            if own_hits:
                rank_references(own_hits, self._elsewhere(len(masks[i]), own_hits, windows[i], found[i]))
            own_hits.sort(key=lambda a: -a.placement)
            del own_hits[most:]
        return hits

    def _elsewhere(
        self, n: int, hits: Sequence[PosteriorAlignment], windows: Sequence[Hit], found: Sequence[Hit]
    ) -> float:
        """Return the ``place_bits`` of what was found of a query outside the windows of its ``hits``.

        These are hits that were scored but not aligned. A window that holds a place already counted
        tells nothing new, unless it is worth more than that place.
        """
        counted = {hit.window for hit in windows}
        rest = [hit for hit in found if hit.window not in counted]
        if not rest:
            return -math.inf
        bits = [hit.bits + math.log2(placements(n, hit.end - hit.start, self.alignment.mode)) for hit in rest]
        top = max(bits)
        known = [
            (w.reference, *a.reference_span, a.placement * 2.0 ** min(a.place_bits - top, 1000.0))
            for a, w in zip(hits, windows, strict=True)
        ]
        total = 0.0
        for hit, own in zip(rest, bits, strict=True):
            share = 2.0 ** (own - top)
            inside = sum(
                x for r, a, b, x in known if r == hit.reference and 2 * (min(b, hit.end) - max(a, hit.start)) >= b - a
            )
            if share > 1.5 * inside:
                total += share - inside
                known.append((hit.reference, hit.start, hit.end, share - inside))
        return top + math.log2(total) if total > 0 else -math.inf

    def _is_whole(self, hit: Hit) -> bool:
        return hit.end - hit.start == len(self._masks[hit.reference])

    def _lift(self, a: PosteriorAlignment, hit: Hit) -> PosteriorAlignment:
        """Turn an alignment with a window into one with the whole reference."""
        if self._is_whole(hit):
            return a
        n, m = a.n_query, len(self._masks[hit.reference])
        mode = self.alignment.mode
        region = Region((0, n), (hit.start, hit.end))
        # A priori, the whole reference has more places than the window.
        fewer = placements(n, hit.end - hit.start, mode) / placements(n, m, mode)
        out = PosteriorAlignment(
            a.sequences[1],
            self.references[hit.reference],
            (a.masks[0], self._masks[hit.reference]),
            a.pairs + np.array([0, hit.start], dtype=np.int32),
            shifted(a.posterior, region, n, m),
            bits=a.bits + math.log2(fewer),
            strand=a.strand,
            mode=mode,
            divergence=a.divergence,
            gap_rate=a.gap_rate,
            model=a.model,
        )
        out.placement = a.placement
        return out


def _same_place(a: PosteriorAlignment, b: PosteriorAlignment) -> bool:
    """Return whether two hits of one query are the same, found in neighbouring windows."""
    if a.reference_name != b.reference_name or a.strand != b.strand:
        return False
    (a0, a1), (b0, b1) = a.reference_span, b.reference_span
    return 2 * (min(a1, b1) - max(a0, b0)) > min(a1 - a0, b1 - b0)
