"""What a score in bits means: E-value, and P(homolog).

**E-value.** How often unrelated sequences reach a score depends on their lengths, the mode,
whether both strands are tried, and on how far the reference's composition is from the query's.
Unrelated pairs are simulated over a grid of lengths; for each node
the scores at fixed tail probabilities are kept, and between nodes they are interpolated over the
logarithms of lengths, in global mode over lengths. Beyond the last one the tail is exponential: the
score is the logarithm of a ratio of likelihoods, so its tail falls by about a factor of 2 per bit,
whatever the mode (the argument of Eddy 2008 for local forward scores), and faster below 0 bits.
Under the query's own null model, two sequences of one composition reach the same scores whatever
that composition is, and two of different ones lower scores: :class:`CompositionShift`.

**P(homolog).** Isotonic regression on the score, over labelled related and unrelated pairs.

References
----------
Eddy 2008, PLoS Comput Biol 4:e1000069; Zadrozny & Elkan 2002, KDD (isotonic calibration).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from genolstm.alignment.pairhmm.member import PSEUDOCOUNT, null_of
from genolstm.alignment.pairhmm.modes import MODES, Mode, Strand
from genolstm.errors import ModelError, SettingError
from genolstm.fields import Fields
from genolstm.sequences.masks import Masks, composition

_LARGEST = 1e9

Floats = npt.NDArray[np.float64]

LEVELS = (0.999, 0.99, 0.95, 0.9, 0.8, 0.65, 0.5, 0.35, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 0.0005, 0.0002)
"""Tail probabilities whose scores are kept."""


GC_RANGE = (0.2, 0.8)
"""Shares of G and C between which differences count; it was measured from .30 to .65."""
GC_STEP = 0.04
"""References whose shares of G and C differ by less may count as one kind."""
LONGEST = 1000
"""Length in bp beyond which the shift between compositions grows no more."""
REACH = 5.0
"""Score in bits beyond which the shift between compositions grows no more."""
_STEEPEST = 100.0


@dataclass(frozen=True)
class ScoreTail:
    """Scores of unrelated pairs for one mode, and for one strand or both.

    Attributes
    ----------
    lengths
        Length of the query (semiglobal) or of the shorter sequence, rising, in bp.
    ratios
        Length of the reference over the query, or of the longer over the shorter, rising.
    bits
        Score exceeded with each probability of ``LEVELS``, (lengths, ratios, levels), rising.
    slope
        Factors of 2 by which the tail falls per bit beyond the last level, (lengths, ratios).
    """

    lengths: Floats
    ratios: Floats
    bits: Floats
    slope: Floats

    def __post_init__(self) -> None:
        shape = (len(self.lengths), len(self.ratios), len(LEVELS))
        whole = self.bits.shape == shape and self.slope.shape == shape[:2]
        numbers = (self.lengths, self.ratios, self.bits, self.slope)
        if not whole or min(shape) < 1 or not all(np.isfinite(x).all() for x in numbers):
            raise ModelError("the table of scores of unrelated pairs is incomplete")
        if (
            (np.diff(self.lengths) <= 0).any()
            or (np.diff(self.ratios) <= 0).any()
            or (np.diff(self.bits) < 0).any()
            or self.slope.min() <= 0
            or min(self.lengths[0], self.ratios[0]) <= 0
        ):
            raise ModelError("the table of scores of unrelated pairs is out of order")

    def at(self, length: Floats, ratio: Floats, straight: bool = False) -> tuple[Floats, Floats]:
        """Return the scores of all levels, (k, levels), and the slope, (k,), for pairs of these shapes.

        Parameters
        ----------
        straight
            Whether scores change with lengths rather than with their logarithms, as they do where the
            difference in length has to be a gap.
        """
        i, wi = _between(self.lengths, length, straight)
        j, wj = _between(self.ratios, ratio, straight)
        i2, j2 = np.minimum(i + 1, len(self.lengths) - 1), np.minimum(j + 1, len(self.ratios) - 1)
        knots = np.zeros((len(i), len(LEVELS)))
        slope = np.zeros(len(i))
        for a, b, w in ((i, j, (1 - wi) * (1 - wj)), (i2, j, wi * (1 - wj)), (i, j2, (1 - wi) * wj), (i2, j2, wi * wj)):
            knots += w[:, None] * self.bits[a, b]
            slope += w * self.slope[a, b]
        return knots, slope

    @staticmethod
    def beyond(bits: Floats, knots: Floats, slope: Floats) -> Floats:
        """Return P(``bits`` or more), (k,), for the tails that :meth:`at` returns."""
        levels = np.log2(LEVELS)
        # The knot at or below each score, and how far it is towards the next.
        at = np.clip((knots <= bits[:, None]).sum(axis=1) - 1, 0, len(levels) - 2)
        rows = np.arange(len(bits))
        low, high = knots[rows, at], knots[rows, at + 1]
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(high > low, (bits - low) / (high - low), 1.0)
        inside = levels[at] + share * (levels[at + 1] - levels[at])
        far = levels[-1] - (bits - knots[:, -1]) * slope
        return np.exp2(np.where(bits > knots[:, -1], far, np.where(bits < knots[:, 0], 0.0, inside)))

    def survival(self, bits: Floats, length: Floats, ratio: Floats, straight: bool = False) -> Floats:
        """Return P(an unrelated pair of this length and ratio scores ``bits`` or more), (k,); see :meth:`at`."""
        return self.beyond(bits, *self.at(length, ratio, straight))

    def to_dict(self) -> dict[str, Any]:
        """Return what :meth:`from_dict` reads, ready for JSON."""
        return {
            "lengths": self.lengths.tolist(),
            "ratios": self.ratios.tolist(),
            "bits": np.round(self.bits, 3).tolist(),
            "slope": np.round(self.slope, 4).tolist(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ScoreTail:
        """Read a table; raise ModelError if something is missing or wrong."""
        fields = Fields(data, "significance.tails")
        return cls(
            fields.numbers("lengths", [None], 1e-3, _LARGEST),
            fields.numbers("ratios", [None], 1e-3, _LARGEST),
            fields.numbers("bits", [None, None, None], -_LARGEST, _LARGEST),
            fields.numbers("slope", [None, None], 1e-6, 1e6),
        )


def _shape(query: Floats, reference: Floats, mode: Mode) -> tuple[Floats, Floats]:
    """Return the length and the ratio by which a :class:`ScoreTail` knows pairs of these lengths."""
    if len(query) and min(query.min(), reference.min()) < 1:
        raise SettingError("a length is below 1")
    if mode != "semiglobal":
        query, reference = np.minimum(query, reference), np.maximum(query, reference)
    return query, reference / query


def _between(grid: Floats, x: Floats, straight: bool) -> tuple[npt.NDArray[np.int64], Floats]:
    """Return the grid index below each ``x``, and how far ``x`` is towards the next, 0 to 1."""
    if not straight:
        grid, x = np.log(grid), np.log(x)
    at = np.clip(np.searchsorted(grid, x, side="right") - 1, 0, max(len(grid) - 2, 0))
    if len(grid) == 1:
        return at, np.zeros(len(x))
    weight = (x - grid[at]) / (grid[at + 1] - grid[at])
    return at, np.clip(weight, 0.0, 1.0)


@dataclass(frozen=True)
class CompositionShift:
    """By how many bits unrelated pairs score less because their compositions differ.

    With F the share of G and C in the query's null model and G in the reference, the shift is ``line``
    times the change of the mean of 1 / (the null model's probability of a reference base), plus
    ``square`` + ``growth`` x bits times the chi-square distance (G - F)² / (F (1 - F)), which counts
    the more the longer the pair is, by the square root of its length in units of 100 bp.

    Attributes
    ----------
    line, square, growth
        Bits, bits, and bits per bit of the score.
    """

    line: float
    square: float
    growth: float

    def __post_init__(self) -> None:
        if not all(np.isfinite((self.line, self.square, self.growth))) or self.growth < 0:
            raise ModelError("the shift of scores between compositions is not finite, or falls with the score")

    @staticmethod
    def terms(query_gc: Floats, query_length: Floats, reference_gc: Floats, length: Floats) -> tuple[Floats, Floats]:
        """Return what ``line`` and ``square`` are multiplied with; ``length`` as a :class:`ScoreTail` has it."""
        # The null model's share: see member.null_of.
        f = (query_gc * query_length + 2 * PSEUDOCOUNT) / (query_length + 4 * PSEUDOCOUNT)
        f, g = np.clip(f, *GC_RANGE), np.clip(reference_gc, *GC_RANGE)
        scale = np.sqrt(np.minimum(length, LONGEST) / 100)
        return 2 * ((1 - g) / (1 - f) + g / f) - 4, scale * (g - f) ** 2 / (f * (1 - f))

    def of(self, bits: Floats, line: Floats, square: Floats) -> Floats:
        """Return what to add to scores for them to compare with those of pairs of one composition.

        Parameters
        ----------
        line, square
            What :meth:`terms` returns.
        """
        return self.line * line + np.maximum(self.square + self.growth * np.minimum(bits, REACH), 0.0) * square

    def to_dict(self) -> dict[str, float]:
        """Return what :meth:`from_dict` reads, ready for JSON."""
        return {name: round(float(getattr(self, name)), 4) for name in ("line", "square", "growth")}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> CompositionShift:
        """Read a shift; raise ModelError if something is missing or wrong."""
        fields = Fields(data, "significance.composition")
        return cls(
            fields.number("line", -_STEEPEST, _STEEPEST),
            fields.number("square", -_STEEPEST, _STEEPEST),
            fields.number("growth", 0, _STEEPEST),
        )


CLEAR_EVIDENCE = 60.0
"""Bits from which on it does not matter how many more there are."""


def most_owed(query: Masks, letters: Masks) -> float:
    """Return the most that a query's score can owe to letters that are left out, in bits.

    A match is worth no more than the rarest base of the null model.

    Parameters
    ----------
    query, letters
        All letters, and those that count: the others are N there.
    """
    bases = null_of(query)
    most = -math.log2(float(bases.min() / bases.sum()))
    return most * int(np.count_nonzero(query != letters))


def gc_content(masks: Masks) -> float:
    """Return the share of G and C among the bases of a sequence that are certain, .5 if none is."""
    counts = composition(masks[masks & (masks - 1) == 0])
    total = counts.sum()
    return float((counts[1] + counts[2]) / total) if total else 0.5


def pool(lengths: npt.ArrayLike, gc: npt.ArrayLike) -> tuple[Floats, Floats, npt.NDArray[np.int64]]:
    """Return a few lengths and GC contents that stand for those of many references, and the number of each."""
    n, share = np.asarray(lengths, float), np.asarray(gc, float)
    size = np.unique(np.round(np.log2(n) * 4), return_inverse=True)[1].ravel()
    keys = np.stack([size, np.round(share / GC_STEP)], axis=1)
    _, first, which, counts = np.unique(keys, axis=0, return_index=True, return_inverse=True, return_counts=True)
    # One length for all contents: what depends on it alone is then looked up once.
    means = np.bincount(size, weights=n) / np.bincount(size)
    return means[size[first]], np.bincount(which.ravel(), weights=share) / counts, counts


@dataclass(frozen=True)
class Significance:
    """E-values and P(homolog) of scores.

    Attributes
    ----------
    tails
        Score tails, by mode and number of strands tried (1 or 2).
    homolog
        Bits and P(homolog) at even prior odds, by mode: knots of a line that never falls.
    composition
        By mode, what differences in composition do; without it, all pairs count as being of one.
    """

    tails: Mapping[tuple[str, int], ScoreTail]
    homolog: Mapping[str, tuple[Floats, Floats]]
    composition: Mapping[str, CompositionShift] = field(default_factory=dict)

    def modes(self) -> tuple[str, ...]:
        """Return the modes that have been calibrated."""
        return tuple(mode for mode in MODES if (mode, 1) in self.tails)

    def shortest(self, mode: Mode) -> float:
        """Return the shortest length for which scores of a mode have been calibrated, in bp."""
        return float(min(t.lengths[0] for (m, _), t in self.tails.items() if m == mode))

    def survival(
        self,
        bits: npt.ArrayLike,
        query_length: npt.ArrayLike,
        reference_length: npt.ArrayLike,
        *,
        mode: Mode,
        strand: Strand = "both",
        query_gc: npt.ArrayLike | None = None,
        reference_gc: npt.ArrayLike | None = None,
    ) -> Floats:
        """Return P(an unrelated pair of these lengths scores ``bits`` or more).

        Every argument is a number or an array (k,).

        Parameters
        ----------
        query_gc, reference_gc
            Shares of G and C (:func:`gc_content`). Unless both are given, they count as equal, for
            which P is largest.
        """
        tail = self._tail(mode, strand)
        score, n, m = np.broadcast_arrays(
            *(np.atleast_1d(np.asarray(x, float)) for x in (bits, query_length, reference_length))
        )
        length, ratio = _shape(n, m, mode)
        if query_gc is not None and reference_gc is not None and mode in self.composition:
            shift = self.composition[mode]
            terms = shift.terms(np.asarray(query_gc, float), n, np.asarray(reference_gc, float), length)
            score = score + shift.of(score, *terms)
        return tail.survival(score, length, ratio, mode == "global")

    def _tail(self, mode: Mode, strand: Strand) -> ScoreTail:
        strands = 2 if strand == "both" else 1
        if (mode, strands) not in self.tails:
            raise SettingError(
                f"scores of mode {mode} have not been calibrated",
                hint=f"calibrated: {', '.join(self.modes()) or 'none'}",
            )
        return self.tails[mode, strands]

    def evalue(
        self,
        bits: float,
        query_length: int,
        reference_lengths: npt.ArrayLike,
        *,
        mode: Mode,
        strand: Strand = "both",
        counts: npt.ArrayLike | None = None,
        query_gc: float | None = None,
        reference_gc: npt.ArrayLike | None = None,
    ) -> float:
        """Return how many unrelated references are expected to score ``bits`` or more.

        Parameters
        ----------
        reference_lengths
            Lengths of all references the query is compared with, including the hit; or distinct
            lengths, with ``counts``.
        mode, strand
            Mode and strand with which the pair was scored.
        counts
            Number of references of each length; 1 by default.
        query_gc, reference_gc
            Shares of G and C in the query and in each reference, see :meth:`survival`.

        Raises
        ------
        SettingError
            The mode has not been calibrated.
        """
        contents = {"query_gc": query_gc, "reference_gc": reference_gc}
        each = self.survival(bits, query_length, reference_lengths, mode=mode, strand=strand, **contents)
        weight = np.ones(len(each)) if counts is None else np.asarray(counts, dtype=np.float64)
        return float(each @ weight)

    def evalues(
        self,
        bits: Floats,
        query_lengths: npt.NDArray[np.int64],
        reference_lengths: npt.ArrayLike,
        *,
        mode: Mode,
        strand: Strand = "both",
        counts: npt.ArrayLike,
        query_gc: Floats | None = None,
        reference_gc: npt.ArrayLike | None = None,
    ) -> Floats:
        """Return the :meth:`evalue` of many pairs, whose queries have been compared with the same references."""
        tail, shift = self._tail(mode, strand), self.composition.get(mode)
        out = np.zeros(len(bits))
        n = np.asarray(query_lengths, float)
        distinct, which = np.unique(n, return_inverse=True)
        lengths, numbers = np.asarray(reference_lengths, float), np.asarray(counts, float)
        contents = None if reference_gc is None else np.asarray(reference_gc, float)
        # What depends on the lengths alone is looked up once for all contents.
        for length in np.unique(lengths).tolist():
            short, ratio = _shape(distinct, np.full(len(distinct), length), mode)
            knots, slope = tail.at(short, ratio, mode == "global")
            tails, own = (knots[which], slope[which]), short[which]
            for k in np.flatnonzero(lengths == length).tolist():
                score = bits
                if shift is not None and contents is not None and query_gc is not None:
                    score = bits + shift.of(bits, *shift.terms(query_gc, n, contents[k], own))
                out += numbers[k] * tail.beyond(score, *tails)
        return out

    def p_homologs(self, bits: Floats, *, mode: Mode) -> Floats:
        """Return the :meth:`p_homolog` of many scores at even prior odds."""
        found: Floats = np.interp(bits, *self.homolog[mode])
        return found

    def p_homolog(self, bits: float, *, mode: Mode, prior: float = 0.5) -> float:
        """Return P(the two are related), given a prior.

        Parameters
        ----------
        prior
            P(related) before the score is known.
        """
        if mode not in self.homolog:
            raise SettingError(f"P(homolog) of mode {mode} has not been calibrated")
        if not 0 <= prior <= 1:
            raise SettingError(f"prior is {prior}, it has to lie between 0 and 1")
        p = float(np.interp(bits, *self.homolog[mode]))
        related, strange = p * prior, (1 - p) * (1 - prior)
        return related / (related + strange) if related + strange > 0 else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return what :meth:`from_dict` reads, ready for JSON."""
        tails: dict[str, dict[str, Any]] = {}
        for (mode, strands), tail in self.tails.items():
            tails.setdefault(mode, {})[str(strands)] = tail.to_dict()
        homolog = {
            mode: {"bits": np.round(x, 3).tolist(), "probability": np.round(p, 6).tolist()}
            for mode, (x, p) in self.homolog.items()
        }
        shifts = {mode: shift.to_dict() for mode, shift in self.composition.items()}
        return {"levels": list(LEVELS), "tails": tails, "homolog": homolog, "composition": shifts}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Significance:
        """Read a calibration.

        Raises
        ------
        ModelError
            Something is missing or wrong.
        """
        fields = Fields(data, "significance")
        if tuple(fields.numbers("levels", [None], 0, 1).tolist()) != LEVELS:
            raise ModelError("the calibration of scores uses other tail probabilities")
        tails: dict[tuple[str, int], ScoreTail] = {}
        homolog: dict[str, tuple[Floats, Floats]] = {}
        by_mode = fields.table("tails")
        for mode in by_mode.values:
            by_strand = by_mode.table(mode)
            for strands in by_strand.values:
                if mode not in MODES or strands not in ("1", "2"):
                    raise ModelError("the calibration of scores names an unknown mode or strand")
                tails[mode, int(strands)] = ScoreTail.from_dict(by_strand.table(strands).values)
        lines = fields.table("homolog")
        for mode in lines.values:
            if mode not in MODES:
                raise ModelError("the calibration of scores names an unknown mode or strand")
            line = lines.table(mode)
            x = line.numbers("bits", [None], -_LARGEST, _LARGEST)
            p = line.numbers("probability", [None], 0, 1)
            if x.shape != p.shape or (np.diff(x) < 0).any() or (np.diff(p) < 0).any():
                raise ModelError("the table of P(homolog) is incomplete, or not in rising order")
            homolog[mode] = (x, p)
        composition: dict[str, CompositionShift] = {}
        if "composition" in fields:
            shifts = fields.table("composition")
            for mode in shifts.values:
                if mode not in MODES:
                    raise ModelError("the calibration of scores names an unknown mode or strand")
                composition[mode] = CompositionShift.from_dict(shifts.table(mode).values)
        return cls(tails, homolog, composition)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Significance) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]


def tail_knots(scores: Floats, least: int) -> Floats:
    """Return the scores exceeded with the probabilities of ``LEVELS``.

    Tail levels with fewer than ``least`` scores beyond them are NaN.
    """
    levels = np.array(LEVELS)
    out: Floats = np.quantile(scores, 1 - levels)
    out[(levels < 0.5) & (levels * len(scores) < least)] = math.nan
    return out
