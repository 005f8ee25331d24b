"""The aligner: sequences in, alignments with posteriors out."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from Bio.SeqRecord import SeqRecord

from genolstm.alignment.context.model import read_aligner
from genolstm.alignment.context.terms import ContextualModel
from genolstm.alignment.narrowing import clear_strand, far_from, member_score, narrow
from genolstm.alignment.pairhmm.band import shared_kmers
from genolstm.alignment.pairhmm.damage import DamageProfile
from genolstm.alignment.pairhmm.decode import SparsePosterior, decode_mea, settle_ties
from genolstm.alignment.pairhmm.pairhmm import BLOCK_CELLS, Context, Mode, PairHMM, placements
from genolstm.alignment.pairhmm.parameters import PairHMMParameters, ParameterFamily
from genolstm.alignment.pairhmm.selection import (
    CLEAR_BITS,
    LARGE_CELLS,
    PSEUDOCOUNT,
    SHORTEST_FITTED,
    Selection,
    divergence_of,
    guess_divergence,
    select,
)
from genolstm.alignment.region import AUTO_CELLS, BAND_WIDTH, Region, check_size, plan, shifted
from genolstm.alignment.result import PosteriorAlignment, Sequence
from genolstm.alignment.settings import AlignmentSettings
from genolstm.alignment.significance import Significance
from genolstm.errors import InputError
from genolstm.files import PathLike
from genolstm.sequences.masks import Masks, complement_masks, composition, encode_masks
from genolstm.threads import count_threads, worker_pool

SPAN_COST = 0.01
"""Price of a skipped residue where the alignment's place is free (see ``decode_mea``)."""
TIE = 1e-3
"""Posteriors that differ by less are equal: the gap then goes to the left."""
READ_WHOLE = 4096
"""Of longer sequences the network reads only the part that is aligned, and this much around it:"""
AROUND = 256
MAX_WIDENINGS = 3
MAX_EDGE, NARROW_EDGE = 0.01, 1e-3
"""Posterior at the sides of a band, and of a narrowed one, beyond which it is made wider."""


class _Prepared:
    """A sequence read once: letters as masks, both strands, and what a model makes of them."""

    def __init__(self, sequence: Sequence | bytes, role: str, model: ContextualModel | None) -> None:
        self.given = sequence.decode("ascii") if isinstance(sequence, bytes) else sequence
        text = str(sequence.seq) if isinstance(sequence, SeqRecord) else str(self.given)
        name = sequence.id if isinstance(sequence, SeqRecord) else None
        self.name = name or role
        self.masks = encode_masks(text, record=self.name)
        if not len(self.masks):
            raise InputError(f"the {role} has no residues", record=name)
        self._model = model
        self._reverse: Masks | None = None
        self._encoded: dict[tuple[str, int, int], Any] = {}

    def on(self, strand: str) -> Masks:
        if strand == "+":
            return self.masks
        if self._reverse is None:
            self._reverse = complement_masks(self.masks)
        return self._reverse

    def encoded(self, strand: str, span: tuple[int, int]) -> tuple[Any, int]:
        """Return what the model says of ``span`` and around, and where that begins."""
        assert self._model is not None
        masks = self.on(strand)
        low, high = 0, len(masks)
        if high > READ_WHOLE:
            low, high = max(0, span[0] - AROUND), min(high, span[1] + AROUND)
        key = (strand, low, high)
        if key not in self._encoded:
            self._encoded[key] = self._model.encode(masks[low:high])
        return self._encoded[key], low


@dataclass(frozen=True)
class _Look:
    """A pair as first looked at, with its bases and the guess of its divergence."""

    hmm: PairHMM
    background: npt.NDArray[np.float64]
    divergence: float


class AlignmentScorer:
    """Aligns and scores pairs of DNA sequences.

    Parameters
    ----------
    family
        Parameters from which each pair gets its own; a single :class:`PairHMMParameters` fixes
        them for all.
    contextual
        Neural model on top of the classical one; None aligns classically.
    damage
        Damage of ancient queries; None for none.
    significance
        What scores mean; None where that has not been fitted.
    settings
        Defaults of every call; keywords of a call replace single ones.

    Examples
    --------
    >>> scorer = AlignmentScorer.load("dna")
    >>> alignment = scorer.align("ACGTTGCATTTAGC", "ACGTTCCATTAGC")
    >>> alignment.cigar, alignment.posteriors.shape
    """

    def __init__(
        self,
        family: ParameterFamily | PairHMMParameters | None = None,
        *,
        contextual: ContextualModel | None = None,
        damage: DamageProfile | None = None,
        significance: Significance | None = None,
        settings: AlignmentSettings | None = None,
    ) -> None:
        self.family = family or ParameterFamily()
        self.contextual = contextual
        self.damage = damage
        self.significance = significance
        self.settings = settings or AlignmentSettings()

    @classmethod
    def load(cls, name: PathLike = "dna", *, classical: bool = False) -> AlignmentScorer:
        """Return a shipped model, or one of a file.

        Parameters
        ----------
        name
            ``dna``; ``coding`` for protein-coding sequence; ``adna`` for ancient queries; or the
            path of a bundle that ``align train`` made.
        classical
            Leave the neural part out.

        Raises
        ------
        InputError
            There is no such model.
        ModelError
            It is damaged, or no aligner.
        """
        parts = read_aligner(name, classical=classical)
        return cls(
            parts.family,
            contextual=parts.contextual,
            damage=parts.damage,
            significance=parts.significance,
            settings=AlignmentSettings(mode=parts.mode),
        )

    # ------------------------------------------------------------------ one pair

    def align(self, query: Sequence, reference: Sequence, **settings: Any) -> PosteriorAlignment:
        """Align two sequences.

        Parameters
        ----------
        query, reference
            ``str``, ``Bio.Seq`` or ``SeqRecord``; IUPAC codes are scored as expectations.
        **settings
            Fields of :class:`AlignmentSettings`.

        Raises
        ------
        InputError
            A sequence is empty or no DNA.
        SettingError
            A setting makes no sense, or the pair needs more memory than allowed.
        """
        chosen = replace(self.settings, **settings)
        a, b = self._prepare(query, "query"), self._prepare(reference, "reference")
        return self._align(a, b, chosen)

    def score(self, query: Sequence, reference: Sequence, **settings: Any) -> float:
        """Return the log-odds of a pair against the null model in bits, without an alignment."""
        chosen = replace(self.settings, **settings)
        a, b = self._prepare(query, "query"), self._prepare(reference, "reference")
        return self._choose_strand(a, b, chosen)[3]

    # ------------------------------------------------------------------ many pairs

    def align_many(
        self, pairs: Iterable[tuple[Sequence, Sequence]], *, threads: int = 0, **settings: Any
    ) -> Iterator[PosteriorAlignment]:
        """Align pairs on several threads, in the order given.

        A sequence object that comes again, comes prepared: pass the same object, not a copy.

        Parameters
        ----------
        threads
            0 means all cores.
        """
        chosen = replace(self.settings, **settings)
        yield from self._map(pairs, threads, lambda a, b: self._align(a, b, chosen))

    def score_many(
        self, pairs: Iterable[tuple[Sequence, Sequence]], *, threads: int = 0, **settings: Any
    ) -> npt.NDArray[np.float64]:
        """Return the log-odds in bits of many pairs, float64 (pairs,)."""
        chosen = replace(self.settings, **settings)
        scores = self._map(pairs, threads, lambda a, b: self._choose_strand(a, b, chosen)[3])
        return np.fromiter(scores, dtype=np.float64)

    def _map(self, pairs, threads, work):
        """Yield ``work`` of every pair in order, with a bounded number of pairs under way."""
        threads = count_threads(threads)
        cache: dict[int, _Prepared] = {}
        recent: deque[int] = deque()

        def prepared(sequence: Sequence, role: str) -> _Prepared:
            key = id(sequence)
            if key not in cache or cache[key].given is not sequence:
                cache[key] = self._prepare(sequence, role)
                recent.append(key)
                if len(recent) > 4096:
                    cache.pop(recent.popleft(), None)
            return cache[key]

        with worker_pool(threads) as pool:
            waiting: deque[Future[Any]] = deque()
            try:
                for query, reference in pairs:
                    a, b = prepared(query, "query"), prepared(reference, "reference")
                    waiting.append(pool.submit(work, a, b))
                    if len(waiting) > 4 * threads:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()

    # ------------------------------------------------------------------ the work

    def _prepare(self, sequence: Sequence, role: str) -> _Prepared:
        return _Prepared(sequence, role, self.contextual)

    def _hmm(
        self,
        query: Masks,
        reference: Masks,
        parameters: PairHMMParameters,
        region: Region,
        settings: AlignmentSettings,
        strand: str,
        block_cells: int,
        context: tuple[Context, Context] | None = None,
    ) -> PairHMM:
        (q0, q1), (r0, r1) = region.query, region.reference
        odds = classes = None
        if self.damage is not None:
            odds, classes = self.damage.odds(parameters, len(query), reverse=strand == "-")
            classes = classes[q0:q1]
        return PairHMM(
            query[q0:q1],
            reference[r0:r1],
            parameters,
            mode=settings.mode,
            odds=odds,
            classes=classes,
            context=context,
            band=region.band,
            places=placements(len(query), len(reference), settings.mode),
            block_cells=block_cells,
        )

    def _start(
        self,
        query: Masks,
        reference: Masks,
        divergence: float | None = None,
        background: npt.NDArray[np.float64] | None = None,
    ) -> PairHMMParameters:
        """Return the parameters a pair is first looked at with."""
        if background is None:
            background = composition(query, reference) + PSEUDOCOUNT
        if isinstance(self.family, PairHMMParameters):
            return self.family.with_background(background)
        guess = divergence or guess_divergence(query, reference)
        return self.family.member(guess, self.family.gap_rate, background)

    def _choose_strand(
        self, query: _Prepared, reference: _Prepared, settings: AlignmentSettings
    ) -> tuple[str, Region, Selection, float, float, int]:
        """Return strand, region, parameters, bits, P(strand), and the cells to keep at a time."""
        strands = {"both": "+-", "plus": "+", "minus": "-"}[settings.strand]
        names = (query.name, reference.name)
        regions: dict[str, Region] = {}
        for strand in strands:
            regions[strand] = plan(query.on(strand), reference.masks, settings.mode, settings.band)
        if len(strands) == 2 and any(r.band is not None for r in regions.values()):
            # Long pairs: exact matches tell the strand.
            best = max(strands, key=lambda s: regions[s].anchors)
            if regions[best].anchors >= 4 * regions["-" if best == "+" else "+"].anchors + 4:
                strands = best
        shared = {s: shared_kmers(query.on(s), reference.masks) for s in strands}
        if len(strands) == 2:
            strands = clear_strand({s: shared[s][0] - shared[s][1] * shared[s][2] for s in strands})
        block = {s: check_size(regions[s], settings.memory, BLOCK_CELLS, names) for s in strands}
        guess = {s: divergence_of(*shared[s]) for s in strands}
        rough: dict[str, float] = {}
        first: dict[str, PairHMM] = {}
        bases: dict[str, npt.NDArray[np.float64]] = {}
        for s in sorted(strands, key=lambda s: guess[s]):
            masks = (query.on(s), reference.masks)
            bases[s] = composition(*masks) + PSEUDOCOUNT
            start = self._start(*masks, guess[s], bases[s])
            first[s] = self._hmm(*masks, start, regions[s], settings, s, block[s])
            if len(strands) == 2:
                # One run gives the likelier strand's score and where its alignments lie.
                if len(first) == 1:
                    regions[s] = self._narrow(first[s], regions[s])
                rough[s] = first[s].score()
        if rough:
            best = max(strands, key=lambda s: rough[s])
            strands = "".join(s for s in strands if rough[s] > rough[best] - CLEAR_BITS)
        found = {}
        for s in strands:
            masks = (query.on(s), reference.masks)
            look = _Look(first[s], bases[s], guess[s])
            near = self._narrow(first[s], regions[s])
            found[s] = self._select(*masks, near, settings, s, block[s], look)
            if near.narrowed and far_from(guess[s], found[s].divergence):
                near = replace(near, band=None, narrowed=False)
                found[s] = self._select(*masks, near, settings, s, block[s], look)
            regions[s] = near
        best = max(strands, key=lambda s: found[s].bits)
        bits, probability = found[best].bits, 1.0
        if settings.strand == "both":
            other = "-" if best == "+" else "+"
            behind = found[other].bits if other in found else rough.get(other, -math.inf)
            ratio = 2.0 ** min(behind - bits, 0.0)
            probability = 1 / (1 + ratio)
            bits += math.log2(1 + ratio) - 1
        return best, regions[best], found[best], bits, probability, block[best]

    def _select(
        self,
        query: Masks,
        reference: Masks,
        region: Region,
        settings: AlignmentSettings,
        strand: str,
        block: int,
        look: _Look | None = None,
    ) -> Selection:
        def score(parameters: PairHMMParameters) -> float:
            return self._hmm(query, reference, parameters, region, settings, strand, block).score()

        fixed = isinstance(self.family, PairHMMParameters)
        if fixed or min(len(query), len(reference)) < SHORTEST_FITTED:
            start = self._start(query, reference)
            return Selection(start, None, None, score(start))
        if region.band is None and region.cells > LARGE_CELLS:
            # Parameters are chosen where the alignment lies; the score is that of everything.
            near = self._nearby(query, reference, region, settings, strand, block)
            if near is not None and near.cells < region.cells // 8:
                chosen = self._select(query, reference, near, settings, strand, block)
                there = self._hmm(query, reference, chosen.parameters, near, settings, strand, block).score()
                gained = max(score(chosen.parameters) - there, 0.0)
                return replace(chosen, bits=chosen.bits + gained)
        assert isinstance(self.family, ParameterFamily)
        if self.damage is not None:
            return select(query, reference, self.family, score)
        if look is None:
            start = self._start(query, reference)
            hmm = self._hmm(query, reference, start, region, settings, strand, block)
            background, guess = composition(query, reference) + PSEUDOCOUNT, None
        else:
            hmm, background, guess = look.hmm, look.background, look.divergence
        nats = member_score(hmm, region.band, self.family, background)
        return select(query, reference, self.family, nats=nats, background=background, guess=guess)

    def _narrow(self, hmm: PairHMM, region: Region) -> Region:
        """Return the part of a region where the likely alignments lie, if that saves time."""
        fitted = isinstance(self.family, ParameterFamily) and min(hmm.n, hmm.m) >= SHORTEST_FITTED
        return narrow(hmm, region) if fitted and region.cells <= LARGE_CELLS else region

    def _nearby(
        self, query: Masks, reference: Masks, region: Region, settings: AlignmentSettings, strand: str, block: int
    ) -> Region | None:
        """Return a part of a large region that holds the likely alignments, if one is found."""
        if settings.mode == "global" or region.cells > AUTO_CELLS:
            banded = plan(query, reference, settings.mode, BAND_WIDTH)
            if banded.band is not None:
                return banded
            if settings.mode == "global":
                return None
        start = self._start(query, reference)
        hmm = self._hmm(query, reference, start, region, settings, strand, block)
        return _window(hmm.posterior(), len(query), len(reference), settings.mode)

    def _align(self, query: _Prepared, reference: _Prepared, settings: AlignmentSettings) -> PosteriorAlignment:
        strand, region, chosen, bits, sure, block = self._choose_strand(query, reference, settings)
        masks = (query.on(strand), reference.masks)
        parameters, model, gained = chosen.parameters, "classical", 0.0
        terms = self._terms(query, reference, strand, region, parameters)
        hmm = self._hmm(*masks, parameters, region, settings, strand, block)
        if terms is not None:
            assert self.contextual is not None
            if terms[2].match == parameters.match:
                context = hmm.in_context(terms[2], terms[:2])
            else:
                context = self._hmm(*masks, terms[2], region, settings, strand, block, terms[:2])
            gained = context.score() - hmm.score()
            # The pair itself says whether context helps: by likelihood, plain where it does not.
            if gained > self.contextual.margin:
                model, hmm = self.contextual.name, context
            else:
                terms = None
        for widenings in range(MAX_WIDENINGS + 1):
            posterior = hmm.posterior()
            most = NARROW_EDGE if region.narrowed else MAX_EDGE
            sure_of_band = region.band is None or _edge(posterior, region, hmm.flipped) < most
            if sure_of_band or widenings == MAX_WIDENINGS:
                break
            if region.narrowed:
                region = replace(region, band=None, narrowed=False)
            else:
                wider = 4 * (BAND_WIDTH if settings.band == "auto" else int(settings.band))
                settings = replace(settings, band=wider)
                region = plan(*masks, settings.mode, wider)
            block = check_size(region, settings.memory, BLOCK_CELLS, (query.name, reference.name))
            if terms is None:
                hmm = self._hmm(*masks, parameters, region, settings, strand, block)
            else:
                terms = self._terms(query, reference, strand, region, parameters)
                assert terms is not None
                hmm = self._hmm(*masks, terms[2], region, settings, strand, block, terms[:2])
        pairs = self._decode(hmm, posterior, settings)
        (q0, q1), (r0, r1) = region.query, region.reference
        settle_ties(
            masks[0][q0:q1], masks[1][r0:r1], pairs, posterior.query, posterior.reference, posterior.probability, TIE
        )
        pairs = pairs + np.array([region.query[0], region.reference[0]], dtype=np.int32)
        posterior = shifted(posterior, region, len(masks[0]), len(masks[1]))
        found = PosteriorAlignment(
            query.given,
            reference.given,
            masks,
            pairs,
            posterior,
            bits=bits,
            strand=strand,
            mode=settings.mode,
            strand_probability=sure,
            divergence=chosen.divergence,
            gap_rate=chosen.gap_rate,
            model=model,
            context_bits=gained,
        )
        self.judge(found, [len(masks[1])], settings)
        return found

    def judge(
        self,
        found: PosteriorAlignment,
        reference_lengths: npt.ArrayLike,
        settings: AlignmentSettings,
        counts: npt.ArrayLike | None = None,
    ) -> None:
        """Set an alignment's E-value and P(homolog), if this model's scores are calibrated.

        Parameters
        ----------
        reference_lengths, counts
            Of all references that the query was compared with.
        """
        known = self.significance
        if known is None or settings.mode not in known.modes():
            return
        # What N aligns to says nothing, and tails were measured from some length on only.
        bases = found.sure_bases()
        if min(bases) < known.shortest(settings.mode):
            return
        found.evalue = known.evalue(
            found.bits, bases[0], reference_lengths, mode=settings.mode, strand=settings.strand, counts=counts
        )
        found.p_homolog = known.p_homolog(found.bits, mode=settings.mode)

    def _terms(
        self, query: _Prepared, reference: _Prepared, strand: str, region: Region, parameters: PairHMMParameters
    ) -> tuple[Context, Context, PairHMMParameters] | None:
        """Return the contextual terms of a region, and the pair's parameters in context."""
        if self.contextual is None:
            return None
        (q0, q1), (r0, r1) = region.query, region.reference
        first, q_low = query.encoded(strand, region.query)
        second, r_low = reference.encoded("+", region.reference)
        a, b, better = self.contextual.pair(first, second, parameters)
        return a.part(q0 - q_low, q1 - q_low), b.part(r0 - r_low, r1 - r_low), better

    @staticmethod
    def _decode(hmm: PairHMM, posterior: SparsePosterior, settings: AlignmentSettings) -> npt.NDArray[np.int32]:
        if settings.decoding == "mea":
            cost = 0.0 if settings.mode == "global" else SPAN_COST
            pairs = decode_mea(posterior, gap_factor=settings.gap_factor, span_cost=cost)
            # Where no single column is likely, as for one base in a long reference, the likeliest
            # path still is an answer; its posteriors say what it is worth.
            if len(pairs) or settings.gap_factor is not None:
                return pairs
        return hmm.viterbi()[1]


def _edge(posterior: SparsePosterior, region: Region, flipped: bool) -> float:
    assert region.band is not None
    rows, columns = posterior.query, posterior.reference
    m = len(posterior.reference_matched)
    if not flipped:
        rows, columns, m = columns, rows, len(posterior.query_matched)
    return float(posterior.probability[region.band.edge(rows, columns, m)].max(initial=0.0))


def _window(posterior: SparsePosterior, n: int, m: int, mode: Mode) -> Region | None:
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
