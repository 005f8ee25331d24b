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
from genolstm.alignment.significance import LEVELS, CompositionShift, Floats, ScoreTail, Significance, tail_knots
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
CELLS = 6e7
"""Cells a node may cost: long sequences get fewer pairs, and learn more of their tail from shorter ones."""
FEWEST = 100
SPREAD = 0.05
"""A node's sequences vary in length by this fraction, so that no node hits a special case."""
MEDIAN = LEVELS.index(0.5)
"""Beyond this level, the distances between levels change smoothly with the length."""
SLOPES = (0.9, 1.6)
"""Range of the slopes with which tails go on to the last level, below 0 bits."""
MOST_TAIL = 100
"""Scores from which a slope is measured."""
NEIGHBOUR = 0.4
"""What a pair counts for the tail of the next ratio, and by which factor less for every further one."""
STEEPEST = 1.2
"""Steepest slope beyond the last level, if that is below 0 bits: far out the slope approaches 1."""
LEAST = 12
"""Scores needed beyond a level to estimate it."""
COMPOSITION_LENGTHS = (50, 150)
COMPOSITION_RATIOS = {"global": 1.1, "semiglobal": 2.0, "local": 1.5}
COMPOSITION_LEVELS = (0.3, 0.1, 0.03, 0.01)
"""Where the effect of composition is measured: it was about the same for other lengths, once scaled."""
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
    falls: Floats | None = None,
) -> ScoreTail:
    """Make a table of the scores at every node, by length and ratio.

    Medians are each node's own. The distances between levels beyond are a smooth function of the
    logarithm of the length, fitted to all nodes of a ratio, and with less weight of its neighbours,
    that have enough pairs for a level: a tail of one node alone is too short, and that of much shorter
    sequences is of another shape.

    Parameters
    ----------
    copies
        How often each independent score occurs.
    falls
        What :func:`tail_falls` returns; None measures it.
    """
    levels = np.array(LEVELS)
    own = np.array([[tail_knots(x, LEAST * copies) for x in row] for row in scores])
    measured = np.diff(own, axis=2)
    bits, slope = own.copy(), np.empty(own.shape[:2])
    sizes = np.array([[len(x) for x in row] for row in scores], dtype=float)
    falls = tail_falls(scores) if falls is None else falls
    place = np.broadcast_to(np.log(np.asarray(lengths, dtype=float))[:, None], sizes.shape)
    for j in range(len(ratios)):
        near = sizes * NEIGHBOUR ** np.abs(np.arange(len(ratios)) - j)
        for level in range(MEDIAN, len(LEVELS) - 1):
            known = ~np.isnan(measured[:, :, level])
            if known.any():
                bits[:, j, level + 1] = bits[:, j, level] + _smooth(place, measured[:, :, level], near, known)
            else:
                twos = float(np.log2(levels[level] / levels[level + 1]))
                bits[:, j, level + 1] = further(bits[:, j, level], twos, float(falls[j]))
        bits[:, j] = np.maximum.accumulate(bits[:, j], axis=1)
        slope[:, j] = np.where(bits[:, j, -1] < 0, min(falls[j], STEEPEST), min(falls[j], 1.0))
    return ScoreTail(np.array(lengths, float), np.array(ratios, float), bits, slope)


def _smooth(x: Floats, y: Floats, counts: Floats, known: npt.NDArray[np.bool_]) -> Floats:
    """Return a polynomial through what is known of ``y`` at each length, (lengths,); beyond the known it stays level.

    All arguments are (lengths, ratios); a count is how many pairs speak for a value.
    """
    among = np.unique(x[known])
    degree = min(len(among) - 1, 2 if len(among) == len(x) else 1)
    line = np.polynomial.Polynomial.fit(x[known], y[known], degree, w=np.sqrt(counts[known]))
    found: Floats = np.maximum(line(np.clip(x[:, 0], among[0], among[-1])), 0.0)
    return found


def further(bits: Floats, twos: float, fall: float) -> Floats:
    """Return where a tail has fallen by ``twos`` factors of 2 since ``bits``.

    It falls by ``fall`` factors of 2 per bit up to 0 bits, and by no more than one beyond: only as much as
    any ratio of likelihoods does.
    """
    below = np.maximum(-bits, 0.0) * fall
    found: Floats = np.where(twos <= below, bits + twos / fall, np.maximum(bits, 0.0) + (twos - below) / min(fall, 1.0))
    return found


def tail_falls(scores: Sequence[Sequence[Floats]]) -> Floats:
    """Return by how many factors of 2 tails fall per bit, for each ratio, pooled over lengths.

    A ratio's neighbours count with less weight. Measured as deep in the tails as there are enough pairs.
    """
    bits = np.array([[tail_knots(x, LEAST) for x in row] for row in scores])
    columns = np.arange(bits.shape[1])
    return np.array([_fall(scores, bits, NEIGHBOUR ** np.abs(columns - j)) for j in columns])


def _fall(scores: Sequence[Sequence[Floats]], bits: Floats, shares: Floats) -> float:
    """Return the fall of tails of which each ratio's has a share."""
    for level in (0.002, 0.005, 0.01, 0.02, 0.05):
        at = LEVELS.index(level)
        count = total = 0.0
        for row, knots in zip(scores, bits[:, :, at], strict=True):
            for x, b, share in zip(row, knots, shares, strict=True):
                over = x[x > b] - b  # none if b is NaN
                count += share * len(over)
                total += share * float(over.sum())
        if count >= MOST_TAIL:
            return float(np.clip(count / (max(total, 1e-3) * np.log(2)), *SLOPES))
    return 1.0


def _share(masks: Masks) -> float:
    """Return the share of G and C, where no base is ambiguous."""
    return np.count_nonzero(masks & 6) / len(masks)


def _terms(pairs: Sequence[tuple[Masks, Masks]], mode: Mode) -> tuple[Floats, Floats]:
    """Return what decides the effect of the composition of each pair, see :class:`CompositionShift`."""
    n, m = (np.array([len(p[side]) for p in pairs], dtype=float) for side in (0, 1))
    query, reference = (np.array([_share(p[side]) for p in pairs]) for side in (0, 1))
    return CompositionShift.terms(query, n, reference, n if mode == "semiglobal" else np.minimum(n, m))


def fit_composition(
    scorer: AlignmentScorer, mode: Mode, rng: np.random.Generator, pairs: int, gc: tuple[float, float], threads: int = 0
) -> CompositionShift:
    """Measure how much less unrelated pairs score if their compositions differ.

    Quantiles of the scores of pairs of unequal GC contents are compared with those of pairs of equal
    ones, at several tail probabilities.

    Parameters
    ----------
    pairs
        Number of pairs for each length and each two GC contents.
    gc
        Range of the GC contents.
    """
    from scipy.optimize import nnls

    contents = (gc[0], (gc[0] + gc[1]) / 2, gc[1])
    levels = np.array([level for level in COMPOSITION_LEVELS if level * pairs >= LEAST])
    rows: list[Floats] = []
    for length in COMPOSITION_LENGTHS:
        equal: list[Floats] = []
        unequal: list[Floats] = []
        for first in contents:
            for second in contents:
                drawn = [
                    (
                        random_masks(rng, length, first),
                        random_masks(rng, round(length * COMPOSITION_RATIOS[mode]), second),
                    )
                    for _ in range(pairs)
                ]
                scores = score_masks(scorer, drawn, mode=mode, strand="plus", threads=threads)
                line, square = (float(x.mean()) for x in _terms(drawn, mode))
                bits = np.quantile(scores, 1 - levels)
                known = np.stack([bits, np.full(len(bits), line), np.full(len(bits), square), bits * square])
                (equal if first == second else unequal).append(known)
        base = np.mean(equal, axis=0)
        rows += [np.concatenate([base[:1] - other[:1], other[1:] - base[1:]]) for other in unequal]
    found = np.concatenate(rows, axis=1)
    weights = np.tile(np.sqrt(levels), len(rows))
    line, square, growth = nnls((found[1:] * weights).T, found[0] * weights)[0].tolist()
    return CompositionShift(line, square, growth)


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
    composition: dict[str, CompositionShift] = {}
    for mode, child in zip(modes, np.random.SeedSequence(seed).spawn(len(modes)), strict=True):
        rng = np.random.default_rng(child)
        shift = composition[mode] = fit_composition(scorer, mode, rng, max(pairs // 3, 60), gc, threads)
        one: list[list[Floats]] = []
        for length in lengths:
            one.append([])
            for ratio in ratios[mode]:
                n = int(np.clip(CELLS / (length * length * ratio), FEWEST, pairs))
                drawn = unrelated_pairs(rng, n, length, ratio, gc)
                scores = score_masks(scorer, drawn, mode=mode, strand="plus", threads=threads)
                # Bases drawn at random differ in composition, too; what is tabled is for none.
                one[-1].append(scores + shift.of(scores, *_terms(drawn, mode)))
        # The two strands of unrelated pairs are independent: each score is used in several pairs.
        two = [
            [two_strands(np.tile(x, 4), np.concatenate([rng.permutation(x) for _ in range(4)])) for x in row]
            for row in one
        ]
        falls = tail_falls(one)
        tails[mode, 1] = fit_tail(one, lengths, ratios[mode], falls=falls)
        tails[mode, 2] = fit_tail(two, lengths, ratios[mode], copies=4, falls=falls)
        bits, related = labelled_scores(scorer, max(pairs // 2, 10), mode, rng, threads)
        homolog[mode] = fit_homolog(bits, related)
    return Significance(tails, homolog, composition)
