"""Fitting :class:`~genolstm.alignment.significance.Significance` by simulation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from genolstm.alignment.pairhmm.many import fits, score_pairs
from genolstm.alignment.pairhmm.member import two_strands
from genolstm.alignment.pairhmm.modes import MODES, Mode, Strand
from genolstm.alignment.pairhmm.parameters import ParameterFamily
from genolstm.alignment.scorer import AlignmentScorer
from genolstm.alignment.significance import LEVELS, Floats, ScoreTail, Significance, tail_knots
from genolstm.alignment.simulate.pairs import SimulationSettings, simulate_pair
from genolstm.errors import SettingError
from genolstm.sequences.masks import Masks, decode_masks
from genolstm.sequences.packed import pack

LENGTHS = (20, 40, 80, 160, 320, 640)
RATIOS: dict[str, tuple[float, ...]] = {
    "global": (1.0, 1.1, 1.3, 1.7, 2.5, 5.0),
    "semiglobal": (0.6, 1.0, 1.3, 2.0, 5.0, 20.0),
    "local": (1.0, 4.0, 16.0),
}
"""Lengths and ratios of lengths at which unrelated pairs are simulated."""
CELLS = 1.5e8
"""Cells a node may cost: long sequences get fewer pairs, and borrow the tail shape of shorter ones."""
FEWEST = 300
SPREAD = 0.05
"""A node's sequences vary in length by this fraction, so that no node hits a special case."""
SHAPE_LEVEL = LEVELS.index(0.05)
"""Beyond this level, tails of one ratio are assumed to have the same shape for all lengths."""
SLOPES = (0.9, 1.2)
LEAST = 12
"""Scores needed beyond a level to estimate it from the node itself."""
RELATED = SimulationSettings(divergence=(0.0, 0.0))
DIVERGENCES = (0.01, 1.5)
SMALLEST = 16


def random_masks(rng: np.random.Generator, length: int, gc: float) -> Masks:
    """Return independent bases of a given GC content as bit masks."""
    codes = rng.choice(4, length, p=np.array([1 - gc, gc, gc, 1 - gc]) / 2)
    return (1 << codes).astype(np.uint8)


def score_masks(
    scorer: AlignmentScorer, pairs: Sequence[tuple[Masks, Masks]], *, mode: Mode, strand: Strand, threads: int = 0
) -> Floats:
    """Score pairs of bit masks as the scorer would; small ones in one compiled batch."""
    n = np.array([len(a) for a, _ in pairs])
    m = np.array([len(b) for _, b in pairs])
    quick = fits(n, m) & isinstance(scorer.family, ParameterFamily)
    out = np.empty(len(pairs))
    at = np.flatnonzero(quick).tolist()
    if at:
        assert isinstance(scorer.family, ParameterFamily)
        queries, references = (pack([pairs[k][side] for k in at]) for side in (0, 1))
        out[at] = score_pairs(
            queries,
            references,
            np.stack([np.arange(len(at))] * 2, axis=1),
            scorer.family,
            mode=mode,
            strand=strand,
            damage=scorer.damage,
            threads=threads,
        )
    rest = np.flatnonzero(~quick).tolist()
    if rest:
        texts = [(decode_masks(pairs[k][0]), decode_masks(pairs[k][1])) for k in rest]
        out[rest] = scorer.score_many(texts, mode=mode, strand=strand, threads=threads)
    return out


def unrelated_pairs(
    rng: np.random.Generator, n: int, length: float, ratio: float, gc: tuple[float, float]
) -> list[tuple[Masks, Masks]]:
    """Return ``n`` pairs of independent sequences; the two of a pair share one GC content."""
    pairs = []
    for _ in range(n):
        share = rng.uniform(*gc)
        scale = rng.uniform(1 - SPREAD, 1 + SPREAD)
        a = max(1, round(length * scale))
        pairs.append((random_masks(rng, a, share), random_masks(rng, max(1, round(a * ratio)), share)))
    return pairs


def fit_tail(
    scores: Sequence[Sequence[Floats]],
    lengths: Sequence[float],
    ratios: Sequence[float],
    *,
    copies: int = 1,
    slope_from: ScoreTail | None = None,
) -> ScoreTail:
    """Make a table of the scores at every node, by length and ratio.

    If a node has too few pairs for a level, it takes the distance between levels from all lengths
    of its ratio.

    Parameters
    ----------
    copies
        How often each independent score occurs.
    slope_from
        Table to take the slopes from; None estimates them.
    """
    levels = np.array(LEVELS)
    bits = np.array([[tail_knots(x, LEAST * copies) for x in row] for row in scores])
    slope = np.empty(bits.shape[:2])
    for j in range(len(ratios)):
        column = [row[j] for row in scores]
        steps = np.full(len(LEVELS), np.nan)
        for level in range(SHAPE_LEVEL + 1, len(LEVELS)):
            known = np.array(
                [not np.isnan(bits[i, j, level]) and levels[level] * len(column[i]) > 0 for i in range(len(lengths))]
            )
            if known.any():
                weight = np.array([len(x) for x in column], dtype=float)[known]
                gap = bits[known, j, level] - bits[known, j, level - 1]
                steps[level] = np.average(gap, weights=weight)
        fall = _fall(column, bits[:, j]) if slope_from is None else float(slope_from.slope[0, j])
        slope[:, j] = fall
        for i in range(len(lengths)):
            for level in range(1, len(LEVELS)):
                few = level > SHAPE_LEVEL and levels[level] * len(column[i]) < 100
                if few or np.isnan(bits[i, j, level]):
                    step = steps[level]
                    if np.isnan(step):
                        step = np.log2(levels[level - 1] / levels[level]) / fall
                    bits[i, j, level] = bits[i, j, level - 1] + step
        bits[:, j] = np.maximum.accumulate(bits[:, j], axis=1)
    return ScoreTail(np.array(lengths, float), np.array(ratios, float), bits, slope)


def _fall(column: Sequence[Floats], bits: Floats) -> float:
    """Return the factors of 2 by which tails fall per bit, pooled over all lengths of a ratio.

    Measured as deep in the tail as there are enough pairs. Further out the slope approaches 1, so
    a steeper one measured here is capped.
    """
    for level in (0.002, 0.005, 0.01, 0.02, 0.05):
        at = LEVELS.index(level)
        over = [x[x > b] - b for x, b in zip(column, bits[:, at], strict=True) if not np.isnan(b)]
        pooled = np.concatenate(over) if over else np.zeros(0)
        if len(pooled) >= 60:
            return float(np.clip(1 / (max(pooled.mean(), 1e-3) * np.log(2)), *SLOPES))
    return 1.0


def related_pair(rng: np.random.Generator, mode: Mode) -> tuple[Masks, Masks]:
    """Return a simulated homologous pair of the kind that the mode expects.

    Divergence and length are log-uniform. Semiglobal: the query is a part of one sequence; local:
    both lie between unrelated flanks.
    """
    low, high = np.log(DIVERGENCES)
    length = int(np.exp(rng.uniform(np.log(30), np.log(600))))
    pair = simulate_pair(
        replace(RELATED, length=(length, length)), rng, divergence=float(np.exp(rng.uniform(low, high)))
    )
    a, b = ((1 << x).astype(np.uint8) for x in (pair.query, pair.reference))
    if min(len(a), len(b)) < SMALLEST:
        return related_pair(rng, mode)
    if mode == "semiglobal":
        size = int(rng.integers(SMALLEST, len(a) + 1))
        start = int(rng.integers(0, len(a) - size + 1))
        a = a[start : start + size]
    elif mode == "local":
        gc = float(np.isin(a, (2, 4)).mean())
        flanks = [random_masks(rng, int(k), gc) for k in rng.integers(0, length, 4)]
        a, b = (np.concatenate([*flanks[:1], a, flanks[1]]), np.concatenate([flanks[2], b, flanks[3]]))
    return a, b


def labelled_scores(
    scorer: AlignmentScorer, pairs: int, mode: Mode, rng: np.random.Generator, threads: int = 0
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Return scores of related pairs and of the same number with a shuffled reference."""
    related = [related_pair(rng, mode) for _ in range(pairs)]
    strange = [(a, rng.permutation(b)) for a, b in related]
    bits = score_masks(scorer, related + strange, mode=mode, strand="both", threads=threads)
    return bits, np.arange(2 * pairs) < pairs


def fit_homolog(bits: Floats, related: npt.NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Return the knots of P(related) as it rises with the score (isotonic regression).

    No probability is closer to 0 or 1 than the number of pairs can resolve.
    """
    from sklearn.isotonic import IsotonicRegression

    margin = 0.5 / (len(bits) / 2 + 1)
    model = IsotonicRegression(y_min=margin, y_max=1 - margin, out_of_bounds="clip")
    model.fit(bits, related.astype(float))
    x, p = np.asarray(model.X_thresholds_), np.asarray(model.y_thresholds_)
    return x.astype(np.float64), p.astype(np.float64)


def fit_significance(
    scorer: AlignmentScorer,
    *,
    seed: int,
    modes: Sequence[Mode] = MODES,
    pairs: int = 4000,
    lengths: Sequence[float] = LENGTHS,
    ratios: dict[str, tuple[float, ...]] | None = None,
    gc: tuple[float, float] = (0.30, 0.65),
    threads: int = 0,
) -> Significance:
    """Calibrate the scores of a scorer on simulated pairs.

    Parameters
    ----------
    scorer
        Scorer to calibrate; it is not changed.
    seed
        Seed of all random numbers: the same seed gives the same calibration.
    modes
        Modes to calibrate.
    pairs
        Number of unrelated pairs per node, fewer for long sequences; also the number of labelled
        pairs per mode.
    lengths, ratios
        Nodes, see :class:`ScoreTail`; ratios by mode.
    gc
        Range of the GC content of the unrelated sequences.
    threads
        Number of threads; 0 means all cores.
    """
    if pairs < 20:
        raise SettingError(f"{pairs} pairs are too few to calibrate with, at least 20 are needed")
    ratios = ratios or RATIOS
    tails: dict[tuple[str, int], ScoreTail] = {}
    homolog: dict[str, tuple[Floats, Floats]] = {}
    for mode, child in zip(modes, np.random.SeedSequence(seed).spawn(len(modes)), strict=True):
        rng = np.random.default_rng(child)
        one: list[list[Floats]] = []
        for length in lengths:
            one.append([])
            for ratio in ratios[mode]:
                n = int(np.clip(CELLS / (length * length * ratio), FEWEST, pairs))
                drawn = unrelated_pairs(rng, n, length, ratio, gc)
                one[-1].append(score_masks(scorer, drawn, mode=mode, strand="plus", threads=threads))
        # The two strands of unrelated pairs are independent: each score is used in several pairs.
        two = [
            [two_strands(np.tile(x, 4), np.concatenate([rng.permutation(x) for _ in range(4)])) for x in row]
            for row in one
        ]
        tails[mode, 1] = fit_tail(one, lengths, ratios[mode])
        tails[mode, 2] = fit_tail(two, lengths, ratios[mode], copies=4, slope_from=tails[mode, 1])
        bits, related = labelled_scores(scorer, max(pairs // 2, 10), mode, rng, threads)
        homolog[mode] = fit_homolog(bits, related)
    return Significance(tails, homolog)
