"""Parameters of the pair-HMM: what a match and a gap are worth, and how they are learned.

One set of parameters fits one distance between two sequences. A :class:`ParameterFamily` holds
them for every distance, from near identity to the limit of what can be aligned, and for every rate
of gaps; the aligner chooses for each pair by likelihood.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from genolstm.alignment.pairhmm.metadata import read_family
from genolstm.compiled import compiled
from genolstm.errors import SettingError
from genolstm.fields import Fields
from genolstm.sequences.masks import MEMBERS

Matrix = npt.NDArray[np.float64]

UNIFORM = (0.25, 0.25, 0.25, 0.25)
_MEMBERS = MEMBERS.copy()
_MEMBERS[0] = 1.0


@compiled(apart=True)
def hky85(divergence, kappa, shape, frequencies):
    """Return the joint probabilities of two residues, see :func:`hky_joint`."""
    pi = frequencies / frequencies.sum()
    purine, pyrimidine = pi[0] + pi[2], pi[1] + pi[3]
    beta = 0.5 / (purine * pyrimidine + kappa * (pi[0] * pi[2] + pi[1] * pi[3]))
    joint = np.empty((4, 4))
    x = beta * divergence
    between = math.exp(-x) if shape <= 0 else (1 + x / shape) ** -shape
    for i in range(4):
        group = purine if i % 2 == 0 else pyrimidine
        y = x * (1 + group * (kappa - 1))
        within = math.exp(-y) if shape <= 0 else (1 + y / shape) ** -shape
        for j in range(4):
            if i % 2 == j % 2:
                p = pi[j] * (1 + (1 / group - 1) * between)
                p += ((group - pi[j]) if i == j else -pi[j]) / group * within
            else:
                p = pi[j] * (1 - between)
            joint[i, j] = pi[i] * p
    return joint


@compiled()
def gaps_of_member(x, family):
    """Return gap opening and extension (short, long) and link for d r = ``x``.

    ``family`` is what ``ParameterFamily.numbers`` returns.
    """
    _, _, share, e1, e2, growth1, growth2, link = family
    opened = min(1 - math.exp(-x), 0.4)
    opens = (share * opened, (1 - share) * opened)
    extends = (min(e1 + x * growth1, 0.7), min(e2 + x * growth2, 0.98))
    return opens, extends, min(link, 0.9 / opened)


@compiled()
def as_read(reading, joint):
    """Return the joint probabilities of the base that is read and the reference's, (4, 4).

    ``reading`` is the probability of the base that is read (column) given the true one (row).
    """
    out = np.zeros((4, 4))
    for i in range(4):
        for k in range(4):
            for j in range(4):
                out[i, j] += reading[k, i] * joint[k, j]
    return out


@compiled()
def match_odds(joint):
    """Return the odds of matches of sets of bases, (16, 16) by bit masks."""
    # Plain loops: NumPy's sums and products of matrices take seconds to compile.
    half = np.zeros((16, 4))
    rows, columns = np.zeros(16), np.zeros(16)
    for p in range(16):
        for j in range(4):
            column = 0.0
            for k in range(4):
                half[p, j] += _MEMBERS[p, k] * joint[k, j]
                column += _MEMBERS[p, k] * joint[j, k]
            rows[p] += half[p, j]
            columns[p] += column
    top = np.zeros((16, 16))
    for p in range(16):
        for q in range(16):
            for k in range(4):
                top[p, q] += half[p, k] * _MEMBERS[q, k]
            top[p, q] /= rows[p] * columns[q]
    return top


@dataclass(frozen=True)
class PairHMMParameters:
    """One set of parameters.

    Parameters
    ----------
    match
        Joint probabilities of the two residues of a match, 4 x 4 (A, C, G, T), symmetric.
    gap_open
        Probability of opening a short and a long gap after a match, in one sequence.
    gap_extend
        Probability that a short and a long gap is extended.
    gap_link
        How many times likelier a gap is right after a gap of the other sequence than elsewhere.
    """

    match: tuple[tuple[float, ...], ...]
    gap_open: tuple[float, float] = (0.01, 0.003)
    gap_extend: tuple[float, float] = (0.5, 0.9)
    gap_link: float = 1.0

    def __post_init__(self) -> None:
        joint = np.asarray(self.match, dtype=float)
        if joint.shape != (4, 4) or joint.min() <= 0 or abs(joint.sum() - 1) > 1e-6:
            raise SettingError("match probabilities have to be 4 x 4 and positive, and sum to 1")
        if np.abs(joint - joint.T).max() > 1e-9:
            raise SettingError("match probabilities have to be symmetric")
        if min(self.gap_open) <= 0 or sum(self.gap_open) >= 0.45:
            raise SettingError(f"gap_open is {self.gap_open}, both have to be above 0 and their sum below .45")
        if not all(0 < e < 1 for e in self.gap_extend):
            raise SettingError(f"gap_extend is {self.gap_extend}, both have to lie between 0 and 1")
        if not 0 < self.gap_link * sum(self.gap_open) < 1:
            raise SettingError(f"gap_link is {self.gap_link}, too large for these gaps or not above 0")

    @property
    def background(self) -> Matrix:
        """Frequencies of A, C, G, T under the null model: the margin of ``match``."""
        return np.asarray(self.match).sum(axis=0)

    @property
    def identity(self) -> float:
        """Expected fraction of equal letters among matches."""
        return float(np.trace(np.asarray(self.match)))

    def with_background(self, background: npt.ArrayLike) -> PairHMMParameters:
        """Return the same associations of letters at other base frequencies.

        Rows and columns are scaled in turn until the margins fit, which keeps all odds ratios
        (iterative proportional fitting, Deming & Stephan 1940).
        """
        target = np.asarray(background, dtype=float)
        target = target / target.sum()
        joint = np.asarray(self.match, dtype=float)
        scale = np.sqrt(target / joint.sum(axis=0))
        for _ in range(200):
            margin = scale * (joint @ scale)
            if np.abs(margin - target).max() < 1e-12:
                break
            scale *= np.sqrt(target / margin)
        joint = joint * np.outer(scale, scale)
        joint = (joint + joint.T) / (2 * joint.sum())
        return PairHMMParameters(tuple(map(tuple, joint.tolist())), self.gap_open, self.gap_extend, self.gap_link)

    def odds(self, first: Matrix | None = None, second: Matrix | None = None) -> Matrix:
        """Return odds of a match against the null model for sets of bases.

        Parameters
        ----------
        first, second
            Observation matrices, 4 x 4: probability of the base that is read (column) given the
            true one (row), for instance for damaged reads. None: bases are read without error.

        Returns
        -------
        numpy.ndarray
            (16, 16), indexed by bit masks. A set is scored as the expectation over its bases by
            their frequency, so that N against anything is worth exactly nothing (odds 1).
        """
        joint = np.asarray(self.match, dtype=float)
        if first is not None:
            joint = first.T @ joint
        if second is not None:
            joint = joint @ second
        odds: Matrix = match_odds(np.ascontiguousarray(joint))
        return odds


def hky_joint(
    divergence: float, *, kappa: float = 3.0, shape: float = 0.0, frequencies: Sequence[float] | Matrix = UNIFORM
) -> Matrix:
    """Return the joint probabilities of two residues ``divergence`` substitutions apart, 4 x 4.

    HKY85 in closed form; ``shape`` > 0 averages over gamma-distributed rates of sites, which turns
    exp(-x) into (1 + x / shape) ** -shape.

    References
    ----------
    Hasegawa, Kishino & Yano 1985, J Mol Evol 22:160; Yang 1993, Mol Biol Evol 10:1396.
    """
    joint: Matrix = hky85(float(divergence), float(kappa), float(shape), np.asarray(frequencies, dtype=np.float64))
    return joint


@dataclass(frozen=True)
class ParameterFamily:
    """Parameters for every distance and every rate of gaps; two numbers pick a member.

    The defaults were read off simulated pairs (``benchmarks/alignment/fit_family.py`` prints the
    table): over divergences of .01 to 1.5 and indel rates of .004 to .15, gap opening is
    1 - exp(-d r), and how gaps split into short and long and extend hardly changes.

    Parameters
    ----------
    kappa, shape
        Transition/transversion rate ratio of HKY85, and shape of the gamma-distributed rates.
    gap_share
        Fraction of the gaps that are short.
    gap_extend, extend_growth
        Extension probability of short and long gaps, and what it gains per unit of d r (gaps that
        are adjacent merge).
    gap_link
        See :class:`PairHMMParameters`.
    gap_rate, gap_rate_spread
        Prior of the gap rate r per pair: median, and standard deviation of its logarithm.
    """

    kappa: float = 3.0
    shape: float = 1.0
    gap_share: float = 0.71
    gap_extend: tuple[float, float] = (0.33, 0.905)
    extend_growth: tuple[float, float] = (0.6, 0.1)
    gap_link: float = 2.5
    gap_rate: float = 0.045
    gap_rate_spread: float = 0.7

    def member(
        self, divergence: float, gap_rate: float, background: Sequence[float] | Matrix = UNIFORM
    ) -> PairHMMParameters:
        """Return the parameters of pairs ``divergence`` substitutions per site apart.

        ``gap_rate`` counts gaps in one sequence per substitution.
        """
        joint = hky_joint(divergence, kappa=self.kappa, shape=self.shape, frequencies=background)
        gaps = gaps_of_member(float(divergence * gap_rate), self.numbers())
        return PairHMMParameters(tuple(map(tuple, joint.tolist())), *gaps)

    def numbers(self) -> tuple[float, ...]:
        """Return the family as compiled functions take it."""
        shared = (self.kappa, self.shape, self.gap_share, *self.gap_extend, *self.extend_growth, self.gap_link)
        return tuple(map(float, shared))

    def prior(self) -> tuple[float, float]:
        """Return median and logarithmic spread of the gap rate."""
        return float(self.gap_rate), float(self.gap_rate_spread)

    def to_dict(self) -> dict[str, Any]:
        """Return what :meth:`from_dict` reads, ready for JSON."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ParameterFamily:
        """Read a family; raise ModelError if something is missing or wrong."""
        return cls(**read_family(Fields(data, "family")))


@dataclass
class Counts:
    """Expected or true events of one or many alignments, from which parameters follow.

    Attributes
    ----------
    match
        Pairs of letters, (4, 4).
    stay
        Matches that follow a match.
    opened
        Gaps that open after a match, by kind: (2,) for each sequence, shape (2, 2).
    extended, closed
        Gap residues that follow one of the same gap, and ends of gaps, by kind, (2,).
    linked, unlinked
        Gaps of the first sequence that a gap of the second follows, by its kind (2,), and those
        that a match follows.
    """

    match: Matrix = field(default_factory=lambda: np.zeros((4, 4)))
    stay: float = 0.0
    opened: Matrix = field(default_factory=lambda: np.zeros((2, 2)))
    extended: Matrix = field(default_factory=lambda: np.zeros(2))
    closed: Matrix = field(default_factory=lambda: np.zeros(2))
    linked: Matrix = field(default_factory=lambda: np.zeros(2))
    unlinked: float = 0.0

    def __iadd__(self, other: Counts) -> Counts:
        for name in self.__dataclass_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        return self

    def times(self, weight: float) -> Counts:
        """Return the counts of as many copies."""
        return Counts(**{name: weight * getattr(self, name) for name in self.__dataclass_fields__})

    def parameters(self) -> PairHMMParameters:
        """Return the parameters under which these counts are likeliest (closed form).

        With s the sum of ``gap_open`` and q = gap_link * s, the likelihood is
        s^opens (1-q)^(second opens + unlinked) q^linked (1 - (2-q) s)^stay; for a given q the best
        s is known, and the best q solves a quadratic.
        """
        joint = self.match + self.match.T + 1e-3
        joint /= joint.sum()
        opens = float(self.opened.sum())
        linked = float(self.linked.sum())
        by_kind = self.opened.sum(axis=0) + self.linked + 1e-6
        a = float(self.opened[1].sum()) + self.unlinked + 1e-9
        # -opens log(2-q) + a log(1-q) + linked log(q): zero of the derivative in (0, 1).
        polynomial = [a + linked - opens, opens - 2 * a - 3 * linked, 2 * linked]
        roots = np.roots(polynomial)
        inside = [float(r.real) for r in roots if abs(r.imag) < 1e-9 and 0 < r.real < 1]
        q = min(max(inside[0] if inside else 1e-4, 1e-4), 0.95)
        s = max(opens, 1e-6) / ((2 - q) * (opens + self.stay + 1e-6))
        s = min(max(s, 1e-7), 0.44)
        share = np.clip(by_kind / by_kind.sum(), 1e-6, 1)
        extend = (self.extended + 1e-6) / (self.extended + self.closed + 2e-6)
        extend = np.clip(extend, 1e-4, 0.9995)
        order = np.argsort(extend)
        return PairHMMParameters(
            tuple(map(tuple, joint.tolist())),
            (float(s * share[order[0]]), float(s * share[order[1]])),
            (float(extend[order[0]]), float(extend[order[1]])),
            q / s,
        )
