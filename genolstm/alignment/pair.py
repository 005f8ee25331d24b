"""One pair of sequences on its way to an alignment.

A :class:`Pair` holds what is known about a pair on one strand of the query, and goes once through
*look* (a first score under guessed parameters), *fit* (the parameters that fit it), *context* (the
network's terms, if they make the pair likelier), *widen* (the band, until it holds all that is
likely) and *decode* (one alignment). :func:`choose_strand` does the first two for both strands and
returns the pair on the better one.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from Bio.SeqRecord import SeqRecord

from genolstm.alignment.context.terms import ContextualModel
from genolstm.alignment.context.worth import is_worth_asking
from genolstm.alignment.pairhmm.damage import DamageProfile
from genolstm.alignment.pairhmm.decode import SparsePosterior, decode_mea, settle_ties
from genolstm.alignment.pairhmm.member import (
    CLEAR_BITS,
    LARGE_CELLS,
    SHORTEST_FITTED,
    Reading,
    Selection,
    divergence_of,
    null_of,
    select,
    two_strands,
)
from genolstm.alignment.pairhmm.modes import placements
from genolstm.alignment.pairhmm.pairhmm import BLOCK_CELLS, Context, PairHMM
from genolstm.alignment.pairhmm.parameters import PairHMMParameters, ParameterFamily
from genolstm.alignment.pairhmm.region import (
    AUTO_CELLS,
    BAND_WIDTH,
    LIKELY,
    NARROWED_CELLS,
    Region,
    around,
    check_size,
    narrow,
    plan,
    shared_kmers,
    shifted,
)
from genolstm.alignment.result import PosteriorAlignment, Sequence
from genolstm.alignment.settings import AlignmentSettings
from genolstm.errors import InputError
from genolstm.sequences.low_complexity import without_low_complexity
from genolstm.sequences.masks import Masks, complement_masks, encode_masks

SPAN_COST = 0.01
"""Cost of a skipped residue if the alignment may lie anywhere (see ``decode_mea``)."""
TIE = 1e-3
"""Posteriors that differ by less count as equal: the gap then goes to the left."""
READ_WHOLE = 4096
"""The network reads longer sequences only where they are aligned, and ``AROUND`` bp on either side."""
AROUND = 256
MAX_WIDENINGS = 3
MAX_EDGE, NARROW_EDGE = 0.01, 1e-3
"""Posterior at the edges of a band, and of a narrowed one, above which it is widened."""
CLEAR_KMERS = 40
FAR = 0.8
"""If the chosen parameters are this far from those of the first look, in log divergence, the
whole matrix is visited again."""


@dataclass(frozen=True)
class Model:
    """The model that pairs are aligned with, as :class:`~genolstm.alignment.scorer.AlignmentScorer` takes it."""

    family: ParameterFamily | PairHMMParameters
    contextual: ContextualModel | None = None
    damage: DamageProfile | None = None


class Prepared:
    """A sequence read once: letters as masks, both strands, and their encoding by a model."""

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
        self._plain: Prepared | None = None
        self._encoded: dict[tuple[str, int, int], Any] = {}

    def without_low_complexity(self) -> Prepared:
        """Return the sequence with N in place of low complexity; itself if there is none."""
        if self._plain is None:
            masks = without_low_complexity(self.masks)
            self._plain = self if masks is self.masks else copy.copy(self)
            if self._plain is not self:
                self._plain.masks, self._plain._reverse, self._plain._encoded = masks, None, {}
        return self._plain

    def on(self, strand: str) -> Masks:
        """Return the bit masks of a strand, ``+`` or ``-``."""
        if strand == "+":
            return self.masks
        if self._reverse is None:
            self._reverse = complement_masks(self.masks)
        return self._reverse

    def encoded(self, strand: str, span: tuple[int, int]) -> tuple[Any, int]:
        """Return the model's encoding of ``span`` and its surroundings, and where that begins."""
        assert self._model is not None
        masks = self.on(strand)
        low, high = 0, len(masks)
        if high > READ_WHOLE:
            low, high = max(0, span[0] - AROUND), min(high, span[1] + AROUND)
        key = (strand, low, high)
        if key not in self._encoded:
            self._encoded[key] = self._model.encode(masks[low:high])
        return self._encoded[key], low


class Pair:
    """Query and reference on one strand of the query, and all that is found about them.

    Attributes
    ----------
    region
        Part of the matrix that is visited.
    shared
        Number of shared k-mers beyond what chance explains.
    divergence
        First guess of the divergence, in substitutions per site.
    chosen
        Chosen parameters and their score (:meth:`fit`).
    bits
        Score in bits; of both strands together if both were tried.
    probability
        P(this strand | the pair is homologous).
    """

    chosen: Selection

    def __init__(
        self, query: Prepared, reference: Prepared, strand: str, model: Model, settings: AlignmentSettings
    ) -> None:
        self.query, self.reference, self.strand = query, reference, strand
        self.model, self.settings = model, settings
        self.masks = query.on(strand), reference.masks
        self.region = plan(*self.masks, settings.mode, settings.band)
        self.bits, self.probability = -math.inf, 1.0
        self.reading: Reading | None = None

    # ------------------------------------------------------------------ look

    def count_kmers(self) -> None:
        """Guess strand and divergence from shared k-mers."""
        # Of read-only letters, numba would make a version of its own.
        found = shared_kmers(*map(np.array, self.masks))
        self.shared = found[0] - found[1] * found[2]
        self.divergence = float(divergence_of(found))

    def set_size(self) -> None:
        """Set the number of cells to keep at a time; refuse a pair that needs more memory than allowed."""
        names = (self.query.name, self.reference.name)
        self.block = check_size(self.region, self.settings.memory, BLOCK_CELLS, names, self.settings.mode)

    def look(self) -> PairHMM:
        """Return the pair under the parameters that the first guess suggests."""
        self.bases = null_of(self.masks[0])
        damage = self.model.damage
        if damage is not None:
            self.reading = damage.reading(len(self.masks[0]), reverse=self.strand == "-")
        family = self.model.family
        if isinstance(family, PairHMMParameters):
            self.start = family.with_background(self.bases)
        else:
            self.start = family.member(self.divergence, family.gap_rate, self.bases)
        self.first = self.hmm(self.start)
        return self.first

    def hmm(
        self,
        parameters: PairHMMParameters,
        region: Region | None = None,
        context: tuple[Context, Context] | None = None,
    ) -> PairHMM:
        """Return the pair-HMM of a region (by default this pair's) under given parameters."""
        region = region or self.region
        (q0, q1), (r0, r1) = region.query, region.reference
        n, m = (len(s) for s in self.masks)
        return PairHMM(
            self.masks[0][q0:q1],
            self.masks[1][r0:r1],
            parameters,
            mode=self.settings.mode,
            reading=self.reading and self.reading._replace(classes=self.reading.classes[q0:q1]),
            context=context,
            band=region.band,
            places=placements(n, m, self.settings.mode),
            block_cells=self.block,
        )

    @property
    def _fitted(self) -> bool:
        """Whether the pair gets parameters of its own."""
        return isinstance(self.model.family, ParameterFamily) and min(map(len, self.masks)) >= SHORTEST_FITTED

    # ------------------------------------------------------------------ fit

    def narrow(self) -> None:
        """Leave out the part of the matrix where the first look found no likely alignment."""
        if self._fitted and self.region.band is None and NARROWED_CELLS <= self.region.cells <= LARGE_CELLS:
            self.region = narrow(self.region, *self.first.likely_matches(LIKELY))

    def fit(self) -> None:
        """Choose the pair's parameters, in the part of the matrix that matters."""
        self.narrow()
        self.chosen = self._select(self.region, self.first)
        chosen = self.chosen.divergence
        if self.region.narrowed and chosen is not None and abs(math.log(chosen / self.divergence)) > FAR:
            self.region = self.region.whole()
            self.chosen = self._select(self.region, self.first)
        self.bits = self.chosen.bits

    def _select(self, region: Region, hmm: PairHMM) -> Selection:
        """Return the parameters that fit a region; ``hmm`` is the pair in it or around it."""
        if not self._fitted:
            return Selection(self.start, None, None, hmm.score())
        assert isinstance(self.model.family, ParameterFamily)
        if region.band is None and region.cells > LARGE_CELLS:
            # Parameters are chosen where the alignment lies; the score is that of the whole region.
            near = self._nearby(region, hmm)
            if near is not None and near.cells < region.cells // 8:
                chosen = self._select(near, self.hmm(self.start, near))
                there, whole = (self.hmm(chosen.parameters, r).score() for r in (near, region))
                return replace(chosen, bits=chosen.bits + max(whole - there, 0.0))
        layout = hmm.layout
        if region.band is not None:
            layout = layout._replace(lo=region.band.lo, hi=region.band.hi)
        return select(layout, self.model.family, self.bases, self.divergence)

    def _nearby(self, region: Region, hmm: PairHMM) -> Region | None:
        """Return a part of a large region that holds the likely alignments, if one is found."""
        mode = self.settings.mode
        if mode == "global" or region.cells > AUTO_CELLS:
            banded = plan(*self.masks, mode, BAND_WIDTH)
            if banded.band is not None:
                return banded
            if mode == "global":
                return None
        return around(hmm.posterior(), len(self.masks[0]), len(self.masks[1]), mode)

    # ------------------------------------------------------------------ context, widen

    def align(self) -> PosteriorAlignment:
        """Return the alignment of a pair that has been fitted."""
        self.contextual = False
        posterior, plain = self._widen(self.hmm(self.chosen.parameters))
        found = self._decode(plain, posterior, 0.0)
        model = self.model.contextual
        # The network takes as long as all the rest, and changes nothing where nothing is in doubt.
        if model is None or not is_worth_asking(model, found):
            return found
        context = self._in_context(plain, model)
        found.context_bits = context.score() - plain.score()
        # The pair's likelihood decides whether context helps.
        self.contextual = found.context_bits > model.margin
        if not self.contextual:
            return found
        posterior, context = self._widen(context)
        return self._decode(context, posterior, found.context_bits)

    def _in_context(self, plain: PairHMM, model: ContextualModel) -> PairHMM:
        """Return the pair with the network's terms."""
        query, reference, better = self._terms(model)
        if better.match == self.chosen.parameters.match:
            return plain.in_context(better, (query, reference))
        return self.hmm(better, context=(query, reference))

    def _terms(self, model: ContextualModel) -> tuple[Context, Context, PairHMMParameters]:
        """Return the contextual terms of the region, and the pair's parameters in context."""
        (q0, q1), (r0, r1) = self.region.query, self.region.reference
        first, q_low = self.query.encoded(self.strand, self.region.query)
        second, r_low = self.reference.encoded("+", self.region.reference)
        a, b, better = model.pair(first, second, self.chosen.parameters)
        return a.part(q0 - q_low, q1 - q_low), b.part(r0 - r_low, r1 - r_low), better

    def _widen(self, hmm: PairHMM) -> tuple[SparsePosterior, PairHMM]:
        """Return the posterior once nothing likely touches the edges of the band, and its pair-HMM."""
        width = self.settings.band
        posterior = hmm.posterior()
        for _ in range(MAX_WIDENINGS):
            most = NARROW_EDGE if self.region.narrowed else MAX_EDGE
            if self.region.band is None or _edge(posterior, self.region, hmm.flipped) < most:
                break
            if self.region.narrowed:
                self.region = self.region.whole()
            else:
                width = 4 * (BAND_WIDTH if isinstance(width, str) else width)
                self.region = plan(*self.masks, self.settings.mode, width)
            self.set_size()
            if self.contextual:
                assert self.model.contextual is not None
                query, reference, better = self._terms(self.model.contextual)
                hmm = self.hmm(better, context=(query, reference))
            else:
                hmm = self.hmm(self.chosen.parameters)
            posterior = hmm.posterior()
        return posterior, hmm

    # ------------------------------------------------------------------ decode

    def _decode(self, hmm: PairHMM, posterior: SparsePosterior, gained: float) -> PosteriorAlignment:
        """Return one alignment of a region's posterior, in coordinates of the whole sequences."""
        pairs = self._aligned(hmm, posterior)
        (q0, q1), (r0, r1) = self.region.query, self.region.reference
        query, reference = self.masks
        letters = np.array(query[q0:q1]), np.array(reference[r0:r1])  # which may be read-only
        settle_ties(*letters, pairs, posterior.query, posterior.reference, posterior.probability, TIE)
        name = "classical"
        if self.contextual and self.model.contextual is not None:
            name = self.model.contextual.name
        return PosteriorAlignment(
            self.query.given,
            self.reference.given,
            self.masks,
            pairs + np.array([q0, r0], dtype=np.int32),
            shifted(posterior, self.region, len(query), len(reference)),
            bits=self.bits,
            strand=self.strand,
            mode=self.settings.mode,
            strand_probability=self.probability,
            divergence=self.chosen.divergence,
            gap_rate=self.chosen.gap_rate,
            model=name,
            context_bits=gained,
        )

    def _aligned(self, hmm: PairHMM, posterior: SparsePosterior) -> npt.NDArray[np.int32]:
        settings = self.settings
        if settings.decoding == "mea":
            cost = 0.0 if settings.mode == "global" else SPAN_COST
            pairs = decode_mea(posterior, gap_factor=settings.gap_factor, span_cost=cost)
            # If no single column is likely, as for one base in a long reference, the likeliest path
            # is still an answer; its posteriors say what it is worth.
            if len(pairs) or settings.gap_factor is not None:
                return pairs
        return hmm.viterbi()[1]


def _edge(posterior: SparsePosterior, region: Region, flipped: bool) -> float:
    """Return the largest posterior at an edge of the band."""
    assert region.band is not None
    rows, columns = posterior.query, posterior.reference
    m = len(posterior.reference_matched)
    if not flipped:
        rows, columns, m = columns, rows, len(posterior.query_matched)
    return float(posterior.probability[region.band.edge(rows, columns, m)].max(initial=0.0))


def choose_strand(query: Prepared, reference: Prepared, model: Model, settings: AlignmentSettings) -> Pair:
    """Return the fitted pair on the query strand that the settings name, or on the likelier one."""
    strands = {"both": "+-", "plus": "+", "minus": "-"}[settings.strand]
    pairs = [Pair(query, reference, strand, model, settings) for strand in strands]
    if len(pairs) == 2:
        pairs = _by_anchors(pairs)
    for pair in pairs:
        pair.count_kmers()
    if len(pairs) == 2:
        pairs = _by_kmers(pairs)
    for pair in pairs:
        pair.set_size()
    rest = sorted(pairs, key=lambda pair: pair.divergence)
    for pair in rest:
        first = pair.look()
        if len(rest) == 2:
            # One run gives the likelier strand's score and where its alignments lie.
            if pair is rest[0]:
                pair.narrow()
            pair.bits = first.score()
    if len(pairs) == 2:
        clear = max(pair.bits for pair in pairs) - CLEAR_BITS
        rest = [pair for pair in pairs if pair.bits > clear]
    for pair in rest:
        pair.fit()
    best = max(rest, key=lambda pair: pair.bits)
    if settings.strand == "both":
        other = max((pair.bits for pair in pairs if pair is not best), default=-math.inf)
        best.probability = 1 / (1 + 2.0 ** min(other - best.bits, 0.0))
        best.bits = float(two_strands(best.bits, min(other, best.bits)))
    return best


def fitted_pair(
    query: Prepared, reference: Prepared, strand: str, model: Model, settings: AlignmentSettings, chosen: Selection
) -> Pair:
    """Return a pair on a strand that is clear, with parameters that have been chosen already."""
    pair = Pair(query, reference, strand, model, settings)
    pair.set_size()
    pair.chosen = chosen
    pair.bits = chosen.bits
    return pair


def _by_anchors(pairs: list[Pair]) -> list[Pair]:
    """Return one strand of a long pair if its exact matches show which, else both."""
    if all(pair.region.band is None for pair in pairs):
        return pairs
    other, best = sorted(pairs, key=lambda pair: pair.region.anchors)
    return [best] if best.region.anchors >= 4 * other.region.anchors + 4 else pairs


def _by_kmers(pairs: list[Pair]) -> list[Pair]:
    """Return the strand to look at, or both if k-mers shared beyond chance do not decide.

    A pair that shares dozens of them on one strand and hardly any on the other is related on the
    first. The other could come close only with inverted repeats, which share k-mers on both.
    """
    other, best = sorted(pairs, key=lambda pair: pair.shared)
    return [best] if best.shared >= 4 * max(other.shared, 0) + CLEAR_KMERS else pairs
