"""The aligner: sequences in, alignments with posteriors out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from genolstm.alignment.context.model import read_aligner
from genolstm.alignment.context.terms import ContextualModel
from genolstm.alignment.pair import Model, Pair, Prepared, choose_strand, fitted_pair
from genolstm.alignment.pairhmm.damage import DamageProfile
from genolstm.alignment.pairhmm.member import Selection
from genolstm.alignment.pairhmm.parameters import PairHMMParameters, ParameterFamily
from genolstm.alignment.pairhmm.region import AUTO_CELLS
from genolstm.alignment.result import Evidence, PosteriorAlignment, Sequence
from genolstm.alignment.settings import AlignmentSettings
from genolstm.alignment.significance import CLEAR_EVIDENCE, Significance, gc_content, most_owed
from genolstm.files import PathLike
from genolstm.sequences.masks import sure_bases
from genolstm.threads import count_threads, worker_pool

RECENT = 4096
"""Number of prepared sequences that are kept while others are aligned."""
_Result = TypeVar("_Result")


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
        Damage profile of ancient queries; None for no damage.
    significance
        Calibration of the scores; None if they have not been calibrated.
    settings
        Defaults of every call; a call's keywords override single ones.
    name
        What the model is called, for those who look at it.

    Examples
    --------
    >>> scorer = AlignmentScorer.load("dna")
    >>> alignment = scorer.align("ACGTTGCATTTAGCACCATGACAG", "ACGTTCCATTAGCACCTTGACAG")
    >>> alignment.cigar, alignment.evalue, alignment.posteriors.shape
    """

    def __init__(
        self,
        family: ParameterFamily | PairHMMParameters | None = None,
        *,
        contextual: ContextualModel | None = None,
        damage: DamageProfile | None = None,
        significance: Significance | None = None,
        settings: AlignmentSettings | None = None,
        name: str | None = None,
    ) -> None:
        self.name = name
        self.family = family or ParameterFamily()
        self.contextual = contextual
        self.damage = damage
        self.significance = significance
        self.settings = settings or AlignmentSettings()

    @classmethod
    def load(cls, name: PathLike = "dna", *, classical: bool = False) -> AlignmentScorer:
        """Return a shipped model, or one from a file.

        Parameters
        ----------
        name
            ``dna``; ``coding`` for protein-coding sequence; ``rna`` for structured RNA; ``adna`` for ancient
            queries; or the
            path of a bundle that ``align train`` wrote.
        classical
            Whether to leave out the neural part.

        Raises
        ------
        InputError
            There is no such model.
        ModelError
            The file is damaged, or is not an aligner.
        """
        parts = read_aligner(name, classical=classical)
        return cls(
            parts.family,
            contextual=parts.contextual,
            damage=parts.damage,
            significance=parts.significance,
            settings=AlignmentSettings(mode=parts.mode),
            name=parts.name,
        )

    def __repr__(self) -> str:
        fixed = isinstance(self.family, PairHMMParameters)
        parts = [
            repr(self.name) if self.name else "unnamed",
            f"{self.settings.mode}, strand {self.settings.strand}",
            "one set of parameters" if fixed else "parameters for each pair",
            "with a network for context" if self.contextual is not None else "classical",
            *(["damaged queries"] if self.damage is not None else []),
            "E-values" if self.significance is not None else "no E-values",
        ]
        return f"<{type(self).__name__} {parts[0]}: {'; '.join(parts[1:])}>"

    # ------------------------------------------------------------------ one pair

    def align(self, query: Sequence, reference: Sequence, **settings: Any) -> PosteriorAlignment:
        """Align two sequences.

        Parameters
        ----------
        query, reference
            ``str``, ``Bio.Seq`` or ``SeqRecord``; IUPAC codes are scored as expectations.
        **settings
            Fields of :class:`~genolstm.alignment.settings.AlignmentSettings`.

        Raises
        ------
        InputError
            A sequence is empty or not DNA.
        SettingError
            A setting makes no sense, or the pair needs more memory than allowed.
        """
        return self._align(*self._prepare(query, reference), replace(self.settings, **settings))

    def score(self, query: Sequence, reference: Sequence, **settings: Any) -> float:
        """Return the log-odds of a pair against the null model in bits, without an alignment."""
        return self._fit(*self._prepare(query, reference), replace(self.settings, **settings)).bits

    # ------------------------------------------------------------------ many pairs

    def align_many(
        self, pairs: Iterable[tuple[Sequence, Sequence]], *, threads: int = 0, **settings: Any
    ) -> Iterator[PosteriorAlignment]:
        """Align pairs on several threads, in the order given.

        A repeated sequence is prepared only once if it is the same object, not a copy.

        Parameters
        ----------
        threads
            Number of threads; 0 means all cores.
        """
        chosen = replace(self.settings, **settings)
        yield from self._map(pairs, threads, lambda a, b: self._align(a, b, chosen))

    def align_fitted(
        self, pairs: Iterable[tuple[Sequence, Sequence, str, Selection]], *, threads: int = 0, **settings: Any
    ) -> Iterator[PosteriorAlignment]:
        """Align pairs whose strand and parameters are known, as :meth:`align_many` does.

        Parameters
        ----------
        pairs
            Query, reference, the query's strand, and what was chosen for the pair on it.
        """
        chosen = replace(self.settings, **settings)
        model = Model(self.family, self.contextual, self.damage)

        def work(query: Prepared, reference: Prepared, strand: str, selection: Selection) -> PosteriorAlignment:
            pair = fitted_pair(query, reference, strand, model, chosen, selection)
            found = pair.align()
            found.evidence = self._evidence(pair, found, chosen)
            self.judge(found, [len(reference.masks)], chosen)
            return found

        yield from self._map(pairs, threads, work)

    def score_many(
        self, pairs: Iterable[tuple[Sequence, Sequence]], *, threads: int = 0, **settings: Any
    ) -> npt.NDArray[np.float64]:
        """Return the log-odds in bits of many pairs, float64 (pairs,)."""
        chosen = replace(self.settings, **settings)
        scores = self._map(pairs, threads, lambda a, b: self._fit(a, b, chosen).bits)
        return np.fromiter(scores, dtype=np.float64)

    def _map(self, pairs: Iterable[tuple[Any, ...]], threads: int, work: Callable[..., _Result]) -> Iterator[_Result]:
        """Yield ``work`` of every pair (and what follows it) in order, with a bounded number of pairs in flight."""
        threads = count_threads(threads)
        cache: dict[int, Prepared] = {}
        with worker_pool(threads) as pool:
            waiting: deque[Future[_Result]] = deque()
            try:
                for pair in pairs:
                    waiting.append(pool.submit(work, *self._prepare(pair[0], pair[1], cache), *pair[2:]))
                    if len(waiting) > 4 * threads:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()

    # ------------------------------------------------------------------ the work

    def _prepare(
        self, query: Sequence, reference: Sequence, cache: dict[int, Prepared] | None = None
    ) -> tuple[Prepared, Prepared]:
        """Read both sequences of a pair; those in ``cache`` have been read already."""
        cache = {} if cache is None else cache
        found = []
        for sequence, role in ((query, "query"), (reference, "reference")):
            known = cache.get(id(sequence))
            if known is None or known.given is not sequence:
                known = cache[id(sequence)] = Prepared(sequence, role, self.contextual)
                if len(cache) > RECENT:
                    del cache[next(iter(cache))]
            found.append(known)
        return found[0], found[1]

    def _fit(self, query: Prepared, reference: Prepared, settings: AlignmentSettings) -> Pair:
        model = Model(self.family, self.contextual, self.damage)
        return choose_strand(query, reference, model, settings)

    def _align(self, query: Prepared, reference: Prepared, settings: AlignmentSettings) -> PosteriorAlignment:
        pair = self._fit(query, reference, settings)
        found = pair.align()
        found.evidence = self._evidence(pair, found, settings)
        self.judge(found, [len(reference.masks)], settings)
        return found

    def _evidence(self, pair: Pair, found: PosteriorAlignment, settings: AlignmentSettings) -> Evidence | None:
        """Return what a pair scores without the query's low complexity, None if there is none or nobody asks."""
        known = self.significance
        if settings.qmask == "none" or known is None or settings.mode not in known.modes():
            return None
        plain = pair.query.without_low_complexity()
        if plain is pair.query:
            return None
        least = found.bits - most_owed(pair.query.masks, plain.masks)
        if least >= CLEAR_EVIDENCE:
            bits = least
        elif len(pair.query.masks) * len(pair.reference.masks) <= AUTO_CELLS:
            bits = self._fit(plain, pair.reference, settings).bits
        else:
            # To run twice would be long. The score is convex in what these columns weigh, so that less their
            # expected worth it is at most what it would be without them.
            low = plain.on(pair.strand) != pair.query.on(pair.strand)
            posterior = found.posterior
            at = low[posterior.query]
            worth = np.log2(pair.chosen.parameters.odds())
            letters = found.masks[0][posterior.query[at]], found.masks[1][posterior.reference[at]]
            bits = found.bits - float(posterior.probability[at] @ worth[letters])
        return Evidence(bits, sure_bases(plain.masks), gc_content(plain.masks))

    def judge(
        self,
        found: PosteriorAlignment,
        reference_lengths: npt.ArrayLike,
        settings: AlignmentSettings,
        counts: npt.ArrayLike | None = None,
        reference_gc: npt.ArrayLike | None = None,
    ) -> None:
        """Set an alignment's E-value and P(homolog), if this model's scores are calibrated.

        If the alignment has ``evidence``, low complexity counts for nothing in them.

        Parameters
        ----------
        reference_lengths, counts, reference_gc
            Lengths of all references that the query was compared with, the number of each (1 by
            default), and the share of G and C in each (by default this reference's).
        """
        known = self.significance
        if known is None or settings.mode not in known.modes():
            return
        # What N aligns to is uninformative, and tails were measured only from some length on.
        bases = found.sure_bases()
        evidence = found.evidence or Evidence(found.bits, bases[0], gc_content(found.masks[0]))
        if min(evidence.bases, bases[1]) < known.shortest(settings.mode):
            return
        found.evalue = known.evalue(
            evidence.bits,
            evidence.bases,
            reference_lengths,
            mode=settings.mode,
            strand=settings.strand,
            counts=counts,
            query_gc=evidence.gc,
            reference_gc=gc_content(found.masks[1]) if reference_gc is None else reference_gc,
        )
        found.p_homolog = known.p_homolog(evidence.bits, mode=settings.mode)
