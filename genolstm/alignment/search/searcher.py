"""Search of many sequences against many others, or against long references.

Long references are cut into overlapping windows. Shared k-mers (or another
:class:`~genolstm.alignment.search.seeds.Prefilter`) propose candidates, edit distances (or, in local
mode, a rough score) choose among them, and those that remain are scored and aligned exactly as
``align score`` does.
"""

from __future__ import annotations

import copy
import math
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import chain, islice
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from Bio.SeqRecord import SeqRecord

from genolstm.alignment.calibrate import score_masks
from genolstm.alignment.context.worth import MOST_DOUBT, is_worth_asking
from genolstm.alignment.pairhmm.many import fits, score_pairs
from genolstm.alignment.pairhmm.member import Selection, null_of
from genolstm.alignment.pairhmm.modes import Strand, placements
from genolstm.alignment.pairhmm.parameters import ParameterFamily
from genolstm.alignment.pairhmm.region import Region, shifted
from genolstm.alignment.result import Evidence, PosteriorAlignment, rank_references
from genolstm.alignment.scorer import AlignmentScorer
from genolstm.alignment.search.batch import BatchedAlignment, Fit, NearAlignments, score_near
from genolstm.alignment.search.edits import EITHER, MINUS, PLUS, nearest
from genolstm.alignment.search.seeds import Prefilter, SeedIndex
from genolstm.alignment.search.windows import PrefilterMaker, Windows
from genolstm.alignment.settings import SEARCH_MODE, AlignmentSettings, SearchSettings
from genolstm.alignment.significance import CLEAR_EVIDENCE, Significance, gc_content, most_owed
from genolstm.errors import InputError
from genolstm.sequences.low_complexity import without_low_complexity
from genolstm.sequences.masks import Masks, complement_masks, encode_masks, sure_bases
from genolstm.sequences.packed import PackedSequences, pack
from genolstm.threads import count_threads

BATCH = 500
"""Number of queries looked up at a time."""
MOST_PAIRS = 1 << 20
"""Number of pairs scored at a time without a prefilter."""
LONGEST_CLASS = 1 << 14
MARGIN = 3
"""Number of candidates scored exactly beyond twice the hits asked for."""


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
    fit: Fit | None = None
    """What is known of it if the pair is near."""
    evidence: Evidence | None = None
    """What the E-value is from if low complexity of the query counts for nothing."""


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
        self._longest = max(map(len, self._masks))
        self._name_codes: dict[str | None, int] = {}
        self._names = [self._name_codes.setdefault(r.id, len(self._name_codes)) for r in self.references]
        self._windows: dict[int | None, Windows] = {}
        self._building = threading.Lock()
        self.hidden: list[int] = []
        """One number for each query without hits that is like a reference in what counts for nothing."""

    def _for_length(self, n: int) -> Windows:
        """Return the windows for queries of about this length."""
        longest = None
        if self.alignment.mode != "global":
            longest = min(max(1 << (n - 1).bit_length(), 64), LONGEST_CLASS)
            if self._longest <= 4.5 * longest:
                longest = None
        with self._building:
            if longest not in self._windows:
                made = Windows(self._masks, longest, self._make)
                made.names = np.array(self._names)[made.owner]
                self._windows[longest] = made
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

    def stream(
        self, batches: Iterable[list[SeqRecord]]
    ) -> Iterator[tuple[list[SeqRecord], list[list[PosteriorAlignment]]]]:
        """Yield each batch of queries with the hits of each query, in order.

        With several threads, two batches are in work at a time, with half of the threads each: while hits of one
        are gathered and written, which takes one thread, the other is searched.
        """
        rest = iter(batches)
        first = list(islice(rest, 2))
        if self.threads == 1 or len(first) < 2:
            for batch in chain(first, rest):
                yield batch, self.search(batch)
            return
        half = copy.copy(self)
        half.threads = (self.threads + 1) // 2
        with ThreadPoolExecutor(2) as pool:
            waiting: deque[tuple[list[SeqRecord], Future[list[list[PosteriorAlignment]]]]] = deque()
            try:
                for batch in chain(first, rest):
                    waiting.append((batch, pool.submit(half.search, batch)))
                    if len(waiting) > 2:
                        done, future = waiting.popleft()
                        yield done, future.result()
                while waiting:
                    done, future = waiting.popleft()
                    yield done, future.result()
            finally:
                for _, future in waiting:
                    future.cancel()

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

    def _find(self, queries: list[Masks], windows: Windows, names: Sequence[str | None]) -> list[list[Hit]]:
        """Return the hits of queries of one length class, best first."""
        packed = pack(queries)
        turned = pack([complement_masks(q) for q in queries])
        own = np.full(len(queries), -1)
        if self.settings.skip_self:
            own = np.array([-1 if name is None else self._name_codes.get(name, -1) for name in names])
        if windows.prefilter is None:
            n, m = len(queries), len(windows.place)
            pairs = np.stack([np.repeat(np.arange(n), m), np.tile(np.arange(m), n)], axis=1)
            pairs = pairs[(own[pairs[:, 0]] < 0) | (own[pairs[:, 0]] != windows.names[pairs[:, 1]])]
            strands = np.full(len(pairs), EITHER)
            if self._near() is not None and len(pairs):
                # The best by score are then looked at as without `exact`.
                bits = self._score(queries, packed, windows, pairs, strands, np.full(len(pairs), np.nan))
                pairs = pairs[_first_of(pairs[:, 0], -bits, self._most)]
                pairs, strands = self._refine(packed, turned, windows, _in_rows(pairs, n), own)
        else:
            count = min(self.settings.candidates, len(windows.place))
            near = windows.prefilter.candidates(packed, count, self.threads)
            pairs, strands = self._refine(packed, turned, windows, near, own)
        fitted = self._fit(packed, turned, windows, pairs, strands)
        bits = self._score(queries, packed, windows, pairs, strands, fitted[:, 0])
        return self._choose(queries, windows, pairs, bits, strands, fitted)

    def _refine(
        self,
        packed: PackedSequences,
        turned: PackedSequences,
        windows: Windows,
        near: npt.NDArray[np.int32],
        own: npt.NDArray[np.int64],
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Keep the most promising candidates and the strands that matter."""
        mode = self.alignment.mode
        if mode == "local":
            pairs = _in_pairs(near)
            pairs = pairs[(own[pairs[:, 0]] < 0) | (own[pairs[:, 0]] != windows.names[pairs[:, 1]])]
            kept = _first_of(pairs[:, 0], -self._rough(packed, windows, pairs), self._most)
            return pairs[kept], np.full(len(kept), EITHER)
        found, _, strands = nearest(
            packed, turned, windows.packed, near, self._most, strand=self.alignment.strand,
            within=mode == "semiglobal", skip=own, names=windows.names, threads=self.threads,
        )  # fmt: skip
        return _in_pairs(found), strands[found >= 0].astype(np.int64)

    def _rough(
        self, packed: PackedSequences, windows: Windows, pairs: npt.NDArray[np.int64]
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

    def _near(self) -> ParameterFamily | None:
        """Return the family that near pairs are fitted with in batches, None if these settings exclude it."""
        a, family = self.alignment, self.scorer.family
        usual = a.mode != "local" and a.decoding == "mea" and a.gap_factor is None and a.band == "auto"
        return family if usual and self.scorer.damage is None and isinstance(family, ParameterFamily) else None

    def _fit(
        self,
        packed: PackedSequences,
        turned: PackedSequences,
        windows: Windows,
        pairs: npt.NDArray[np.int64],
        strands: npt.NDArray[np.int64],
    ) -> npt.NDArray[np.float64]:
        """Return bits, log divergence and log gap rate of pairs that are near on a clear strand, else NaN."""
        out = np.full((len(pairs), 3), np.nan)
        family = self._near()
        if family is None:
            return out
        for code, own in ((PLUS, packed), (MINUS, turned)):
            at = np.flatnonzero(strands == code)
            if len(at):
                free = self.alignment.mode == "semiglobal"
                out[at] = score_near(own, windows.packed, pairs[at], family, free=free, threads=self.threads)
        return out

    def _score(
        self,
        queries: list[Masks],
        packed: PackedSequences,
        windows: Windows,
        pairs: npt.NDArray[np.int64],
        strands: npt.NDArray[np.int64],
        known: npt.NDArray[np.float64],
    ) -> npt.NDArray[np.float64]:
        """Return the scores that :meth:`AlignmentScorer.score` would return; those on a clear strand may be known."""
        bits = np.empty(len(pairs))
        mode, strand = self.alignment.mode, self.alignment.strand
        near = ~np.isnan(known)
        bits[near] = known[near] - (strand == "both")
        quick = ~near & fits(packed.lengths[pairs[:, 0]], windows.lengths[pairs[:, 1]])
        quick &= isinstance(self.scorer.family, ParameterFamily)
        sides: tuple[tuple[int, Strand], ...] = ((PLUS, "plus"), (MINUS, "minus"), (EITHER, strand))
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
            if strand == "both" and code != EITHER:
                bits[at] -= 1.0  # both strands are equally likely a priori
        rest = np.flatnonzero(~quick & ~near).tolist()
        if rest:
            large = [(queries[pairs[k, 0]], windows.packed[pairs[k, 1]]) for k in rest]
            bits[rest] = score_masks(self.scorer, large, mode=mode, strand=strand, threads=self.threads)
        return bits

    def _choose(
        self,
        queries: list[Masks],
        windows: Windows,
        pairs: npt.NDArray[np.int64],
        bits: npt.NDArray[np.float64],
        strands: npt.NDArray[np.int64],
        fitted: npt.NDArray[np.float64],
    ) -> list[list[Hit]]:
        found: list[list[Hit]] = [[] for _ in queries]
        order = np.lexsort((pairs[:, 1], -bits))
        letters, worth = self._evidence(queries, windows, pairs, bits)
        bound, plain = (len(windows.place) * np.exp2(-np.clip(x, -900.0, 1000.0)) for x in (worth, bits))
        bases = np.array([sure_bases(own) for own in letters], dtype=np.int64)
        shares = np.array([gc_content(own) for own in letters])
        known = np.zeros(len(pairs), dtype=np.bool_)
        if self.significance is not None:
            # As AlignmentScorer.judge does: what N aligns to is uninformative, and tails begin at some length.
            known = bases[pairs[:, 0]] >= self.significance.shortest(self.alignment.mode)
            bound[known] = self.significance.evalues(
                worth[known],
                bases[pairs[known, 0]],
                windows.class_lengths,
                mode=self.alignment.mode,
                strand=self.alignment.strand,
                counts=windows.counts,
                query_gc=shares[pairs[known, 0]],
                reference_gc=windows.class_gc,
            )
        order = order[bound[order] <= self.settings.evalue]
        similar = (worth != bits) & (plain <= self.settings.evalue)
        self.hidden += np.setdiff1d(pairs[similar, 0], pairs[order, 0]).tolist()
        columns = (pairs[order], bits[order], worth[order], bound[order], known[order], strands[order], fitted[order])
        for (i, j), score, counted, evalue, means, strand, fit in zip(*(x.tolist() for x in columns), strict=True):
            if len(found[i]) < self._most:
                near = None if math.isnan(fit[0]) else Fit("+-"[strand - 1], fit[1], fit[2], fit[0])
                evidence = None if letters[i] is queries[i] else Evidence(counted, int(bases[i]), float(shares[i]))
                reference, start, end = windows.place[j]
                found[i].append(Hit(j, reference, start, end, score, evalue if means else None, near, evidence))
        return found

    def _evidence(
        self, queries: list[Masks], windows: Windows, pairs: npt.NDArray[np.int64], bits: npt.NDArray[np.float64]
    ) -> tuple[list[Masks], npt.NDArray[np.float64]]:
        """Return the letters that count in E-values, and the scores by these alone."""
        if self.significance is None or self.alignment.qmask == "none":
            return queries, bits
        letters = [without_low_complexity(own) for own in queries]
        at = np.flatnonzero([letters[i] is not queries[i] for i in pairs[:, 0].tolist()])
        if not len(at):
            return queries, bits
        out = bits.copy()
        owed = np.array([most_owed(*both) for both in zip(queries, letters, strict=True)])
        out[at] -= owed[pairs[at, 0]]
        at = at[out[at] < CLEAR_EVIDENCE]
        if not len(at):
            return letters, out
        some, own = np.unique(pairs[at, 0], return_inverse=True)
        fewer = [letters[i] for i in some.tolist()]
        asked = np.stack([own, pairs[at, 1]], axis=1)
        either, unknown = np.full(len(at), EITHER), np.full(len(at), np.nan)
        out[at] = self._score(fewer, pack(fewer), windows, asked, either, unknown)
        return letters, out

    # ------------------------------------------------------------------ alignments

    def _align(
        self, queries: Sequence[SeqRecord], masks: Sequence[Masks], found: list[list[Hit]]
    ) -> list[list[PosteriorAlignment]]:
        most = self.settings.max_hits
        plan = []
        for i, own in enumerate(found):
            whole = all(self._is_whole(hit) for hit in own)
            plan += [(i, hit) for hit in own[: most if whole else 2 * most]]
        done = self._align_all(queries, masks, plan)
        hits: list[list[PosteriorAlignment]] = [[] for _ in queries]
        windows: list[list[Hit]] = [[] for _ in queries]
        for (i, hit), alignment in zip(plan, done, strict=True):
            if alignment.is_empty:
                continue
            lifted = alignment if isinstance(alignment, BatchedAlignment) else self._lift(alignment, hit)
            lifted.evalue, lifted.evidence = hit.evalue, hit.evidence
            if not any(_same_place(lifted, other) for other in hits[i]):
                hits[i].append(lifted)
                windows[i].append(hit)
        for i, own_hits in enumerate(hits):
            if own_hits:
                elsewhere = self._elsewhere(len(masks[i]), own_hits, windows[i], found[i])
                rank_references(own_hits, elsewhere, _holds(own_hits, windows[i]))
            own_hits.sort(key=lambda a: -a.placement)
            del own_hits[most:]
        return hits

    def _align_all(
        self, queries: Sequence[SeqRecord], masks: Sequence[Masks], plan: list[tuple[int, Hit]]
    ) -> list[PosteriorAlignment]:
        """Return the alignment of each hit; those of near pairs are made together, and with the whole reference."""
        out: list[PosteriorAlignment | None] = [None] * len(plan)
        family = self._near()
        groups: dict[tuple[int, str], list[int]] = {}
        for k, (i, hit) in enumerate(plan):
            if family is not None and hit.fit is not None:
                groups.setdefault((id(self._for_length(len(masks[i]))), hit.fit.strand), []).append(k)
        for (_, strand), members in groups.items():
            assert family is not None
            windows = self._for_length(len(masks[plan[members[0]][0]]))
            self._align_near(queries, masks, plan, members, windows, strand, family, out)
        fields = {f: getattr(self.alignment, f) for f in AlignmentSettings.__dataclass_fields__}
        rest = [k for k, alignment in enumerate(out) if alignment is None]
        fitted = [k for k in rest if plan[k][1].fit is not None]
        texts = {k: (queries[plan[k][0]], self._record(masks, *plan[k])) for k in rest}
        known = ((*texts[k], *self._chosen(masks, *plan[k])) for k in fitted)
        for k, alignment in zip(fitted, self.scorer.align_fitted(known, threads=self.threads, **fields), strict=True):
            out[k] = alignment
        rest = [k for k in rest if plan[k][1].fit is None]
        others = (texts[k] for k in rest)
        for k, alignment in zip(rest, self.scorer.align_many(others, threads=self.threads, **fields), strict=True):
            out[k] = alignment
        return [alignment for alignment in out if alignment is not None]

    def _record(self, masks: Sequence[Masks], i: int, hit: Hit) -> SeqRecord:
        return self._for_length(len(masks[i])).record(hit.window, self.references)

    def _chosen(self, masks: Sequence[Masks], i: int, hit: Hit) -> tuple[str, Selection]:
        """Return strand and parameters of a near pair."""
        family = self._near()
        assert hit.fit is not None
        assert family is not None
        divergence, gap_rate = math.exp(hit.fit.divergence), math.exp(hit.fit.gap_rate)
        own = masks[i] if hit.fit.strand == "+" else complement_masks(masks[i])
        parameters = family.member(divergence, gap_rate, null_of(own))
        return hit.fit.strand, Selection(parameters, divergence, gap_rate, hit.bits)

    def _align_near(
        self,
        queries: Sequence[SeqRecord],
        masks: Sequence[Masks],
        plan: list[tuple[int, Hit]],
        members: list[int],
        windows: Windows,
        strand: str,
        family: ParameterFamily,
        out: list[PosteriorAlignment | None],
    ) -> None:
        """Align the near pairs of one length class and strand; those that turn out not to be so keep None."""
        own = sorted({plan[k][0] for k in members})
        place = {i: at for at, i in enumerate(own)}
        turned = [masks[i] if strand == "+" else complement_masks(masks[i]) for i in own]
        pairs = np.array([(place[plan[k][0]], plan[k][1].window) for k in members], dtype=np.int64)
        fits = [fit for k in members if (fit := plan[k][1].fit) is not None]
        fitted = np.array([(fit.bits, fit.divergence, fit.gap_rate) for fit in fits])
        mode = self.alignment.mode
        found = NearAlignments(
            pack(turned), windows.packed, pairs, fitted, family, free=mode == "semiglobal", threads=self.threads
        )
        contextual = self.scorer.contextual
        doubtful = found.doubt > MOST_DOUBT * np.array([len(turned[i]) for i in pairs[:, 0]])
        meaning = self._homology(pairs, turned, windows, [plan[k][1] for k in members])
        for at in np.flatnonzero(found.done).tolist():
            i, hit = plan[members[at]]
            n, m = len(masks[i]), len(self._masks[hit.reference])
            # A priori, the whole reference has more places than the window.
            fewer = placements(n, hit.end - hit.start, mode) / placements(n, m, mode)
            made = BatchedAlignment(
                found,
                at,
                queries[i],
                self.references[hit.reference],
                (turned[pairs[at, 0]], self._masks[hit.reference]),
                (hit.start, hit.end),
                mode=mode,
                bits=hit.bits + math.log2(fewer),
                fit=fits[at],
            )
            if doubtful[at] and contextual is not None and is_worth_asking(contextual, made):
                continue
            made.p_homolog = meaning[at]
            out[members[at]] = made

    def _homology(
        self, pairs: npt.NDArray[np.int64], queries: list[Masks], windows: Windows, hits: list[Hit]
    ) -> list[float | None]:
        """Return P(homolog) of each pair, as the scorer judges it."""
        known, mode = self.scorer.significance, self.alignment.mode
        if known is None or mode not in known.modes():
            return [None] * len(pairs)
        shortest = known.shortest(mode)
        whole = [sure_bases(own) for own in queries]
        judged = [
            (hit.bits, whole[i]) if hit.evidence is None else hit.evidence[:2]
            for i, hit in zip(pairs[:, 0].tolist(), hits, strict=True)
        ]
        bits, bases = np.array(judged, dtype=np.float64).reshape(-1, 2).T
        sure = np.minimum(bases, windows.sure[pairs[:, 1]])
        values = known.p_homologs(bits, mode=mode).tolist()
        return [value if enough else None for value, enough in zip(values, (sure >= shortest).tolist(), strict=True)]

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
        # What else a hit's window holds lies somewhere in it, and most likely in those that overlap it, too.
        known += [
            (w.reference, w.start, w.end, (1 - a.placement) * 2.0 ** min(a.place_bits - top, 1000.0))
            for a, w in zip(hits, windows, strict=True)
        ]
        total = 0.0
        for hit, own in zip(rest, bits, strict=True):
            share = 2.0 ** (own - top)
            inside = sum(x for r, a, b, x in known if _is_in(hit, r, a, b))
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
            context_bits=a.context_bits,
        )
        out.placement = a.placement
        out.p_homolog = a.p_homolog
        return out


def _is_in(hit: Hit, reference: int, start: int, end: int) -> bool:
    """Return whether at least half of a place on a reference lies in a hit's window."""
    return reference == hit.reference and 2 * (min(end, hit.end) - max(start, hit.start)) >= end - start


def _holds(hits: Sequence[PosteriorAlignment], windows: Sequence[Hit]) -> npt.NDArray[np.bool_]:
    """Return whether the window of one hit holds the place of another, (hits, hits)."""
    places = [(window.reference, *hit.reference_span) for hit, window in zip(hits, windows, strict=True)]
    holds = np.array([[_is_in(window, *place) for place in places] for window in windows])
    np.fill_diagonal(holds, False)
    return holds


def _in_pairs(near: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """Return the pairs (k, 2) of queries and what is named in their rows, -1 for nothing."""
    at = np.nonzero(near >= 0)
    return np.stack([at[0], near[at]], axis=1).astype(np.int64)


def _in_rows(pairs: npt.NDArray[np.int64], queries: int) -> npt.NDArray[np.int32]:
    """Return one row of references for each query of pairs that are sorted by query, filled up with -1."""
    place = np.arange(len(pairs)) - np.searchsorted(pairs[:, 0], pairs[:, 0])
    out = np.full((queries, int(place.max(initial=0)) + 1), -1, dtype=np.int32)
    out[pairs[:, 0], place] = pairs[:, 1]
    return out


def _first_of(queries: npt.NDArray[np.int64], cost: npt.NDArray[np.float64], most: int) -> npt.NDArray[np.int64]:
    """Return the indices of each query's ``most`` pairs of the lowest cost, in order."""
    order = np.lexsort((cost, queries))
    first = np.searchsorted(queries[order], queries[order])
    return order[np.arange(len(order)) - first < most]


def _same_place(a: PosteriorAlignment, b: PosteriorAlignment) -> bool:
    """Return whether two hits of one query are the same, found in neighbouring windows."""
    if a.reference_name != b.reference_name or a.strand != b.strand:
        return False
    (a0, a1), (b0, b1) = a.reference_span, b.reference_span
    return 2 * (min(a1, b1) - max(a0, b0)) > min(a1 - a0, b1 - b0)
