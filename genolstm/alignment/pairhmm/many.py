"""Scores of many short pairs: choosing parameters and summing over alignments in one compiled call.

The same numbers as :meth:`genolstm.alignment.scorer.AlignmentScorer.score` gives, to rounding; for
pairs of a few hundred bases most of that method's time is Python's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from genolstm.alignment.pairhmm import kernels as kn
from genolstm.alignment.pairhmm.band import _BASE_OF_MASK, _kmers
from genolstm.alignment.pairhmm.damage import DamageProfile
from genolstm.alignment.pairhmm.pairhmm import Mode
from genolstm.alignment.pairhmm.parameters import ParameterFamily
from genolstm.alignment.pairhmm.selection import (
    CLEAR_BITS,
    GAP_STEP,
    GAP_STEPS,
    LARGE_CELLS,
    LOWEST,
    PSEUDOCOUNT,
    SHORTEST_FITTED,
    STEP,
    STEPS,
)
from genolstm.alignment.settings import Strand
from genolstm.compiled import compiled
from genolstm.errors import SettingError
from genolstm.sequences.masks import _COMPLEMENT, MEMBERS, SHARES, Masks
from genolstm.threads import count_threads, worker_pool

LARGEST = LARGE_CELLS
"""Cells of the largest pair; the scorer looks for a smaller region in those beyond."""
CHUNK = 64

_MODES: dict[str, int] = {"global": 0, "semiglobal": 1, "local": 2}
_STRANDS: dict[str, int] = {"plus": 1, "minus": 2, "both": 3}
_OTHER = np.frombuffer(_COMPLEMENT[:16], dtype=np.uint8)
_MEMBERS = MEMBERS.copy()
_MEMBERS[0] = 1.0


@dataclass(frozen=True)
class PackedSequences:
    """Sequences laid end to end.

    Attributes
    ----------
    letters
        Bit masks of all, uint8.
    starts
        Where each begins, and the end of the last, int64 (sequences + 1,).
    """

    letters: npt.NDArray[np.uint8]
    starts: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, k: int) -> Masks:
        return self.letters[self.starts[k] : self.starts[k + 1]]

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Bases of each."""
        return np.diff(self.starts)


def pack(sequences: Sequence[Masks]) -> PackedSequences:
    """Lay sequences (bit masks) end to end."""
    starts = np.zeros(len(sequences) + 1, dtype=np.int64)
    np.cumsum([len(s) for s in sequences], out=starts[1:])
    letters = np.concatenate(sequences) if len(sequences) else np.zeros(0, np.uint8)
    return PackedSequences(np.ascontiguousarray(letters, dtype=np.uint8), starts)


def family_numbers(family: ParameterFamily) -> tuple[float, ...]:
    """Return a family as the compiled functions take it."""
    return (family.kappa, family.shape, family.gap_share, *family.gap_extend, *family.extend_growth, family.gap_link)


@compiled()
def _hky(divergence, kappa, shape, frequencies):
    """As :func:`genolstm.alignment.pairhmm.parameters.hky_joint`."""
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
def _guess(query_kmers, reference_kmers, n, m, k):
    """As :func:`genolstm.alignment.pairhmm.selection.guess_divergence`."""
    identity = 0.9
    short, long = (query_kmers, reference_kmers) if n <= m else (reference_kmers, query_kmers)
    if min(n, m) >= k + 4:
        a = np.sort(short[short >= 0])
        b = long[long >= 0]
        if a.size and b.size:
            found = np.zeros(a.size, np.bool_)
            for x in b:
                at = np.searchsorted(a, x)
                if at < a.size and a[at] == x:
                    found[at] = True
            hits = 0
            for i in range(a.size):
                if i > 0 and a[i] == a[i - 1]:
                    found[i] = found[i - 1]
                hits += found[i]
            chance = 1.0 - math.exp(-long.size / 4.0**k)
            share = (hits / a.size - chance) / (1.0 - chance)
            identity = max(share, 1e-3) ** (1.0 / k)
    x = min(max((4 * identity - 1) / 3, 0.12), 0.9999)
    return min(max(0.75 * (1 / x - 1), 0.003), 2.0)


@compiled()
def _forward(u, v, background, family, damage, classes, rows, columns, flipped, mode, begin, work):
    """Return the log-odds in nats of a pair under the member (exp u, exp v) of a family."""
    lo, hi, offset, ones, state, exponent, key, profile = work
    kappa, shape, share, e1, e2, growth1, growth2, link = family
    n, m = rows.size, columns.size
    d, rate = math.exp(u), math.exp(v)
    joint = _hky(d, kappa, shape, background)
    x = d * rate
    opened = min(1 - math.exp(-x), 0.4)
    o1, o2 = share * opened, (1 - share) * opened
    e1, e2 = min(e1 + x * growth1, 0.7), min(e2 + x * growth2, 0.98)
    link = min(link, 0.9 / opened)
    no_link = 1.0 - link * (o1 + o2)
    c = np.array([1.0 - (1.0 + no_link) * (o1 + o2), o1, o2, e1, e2, 1.0 - e1, 1.0 - e2, no_link, link]).astype(
        np.float32
    )
    odds = np.empty((damage.shape[0], 16, 16))
    for k in range(damage.shape[0]):
        seen = damage[k].T @ joint
        top = _MEMBERS @ seen @ _MEMBERS.T
        bottom = _MEMBERS @ seen.sum(axis=1)
        beside = _MEMBERS @ seen.sum(axis=0)
        for p in range(16):
            for q in range(16):
                odds[k, p, q] = top[p, q] / (bottom[p] * beside[q])
    # Only letters that occur need a line.
    used = np.zeros(profile.shape[0], np.bool_)
    for i in range(1, n + 1):
        used[key[i]] = True
    for r in range(profile.shape[0]):
        if not used[r]:
            continue
        line = profile[r]
        if flipped:
            table = odds[r // 16, r % 16]
            for j in range(m):
                line[j + 1] = table[columns[j]]
        elif damage.shape[0] == 1:
            for j in range(m):
                line[j + 1] = odds[0, columns[j], r]
        else:
            for j in range(m):
                line[j + 1] = odds[classes[j], columns[j], r]
    end = np.zeros(2)
    kn.begin_rows(c, mode, begin, hi, ones, ones, state, exponent, end)
    kept, kept_exponent = np.empty(1, np.float32), np.empty((1, 1), np.int64)
    kn.forward_rows(
        0,
        n,
        profile,
        key,
        lo,
        hi,
        offset,
        c,
        mode,
        begin,
        ones,
        ones,
        ones,
        ones,
        state,
        exponent,
        False,
        kept,
        kept_exponent,
        end,
    )
    if not end[0] > 0:
        return -math.inf
    return math.log(end[0]) + end[1] * math.log(2.0)


@compiled()
def _peak(left, middle, right, step):
    """As :func:`genolstm.alignment.pairhmm.selection._peak`; NaN where a neighbour is not known."""
    if math.isnan(left) or math.isnan(right):
        return 0.0, step, middle
    bend = left - 2 * middle + right
    if not math.isfinite(bend) or bend > -1e-6:
        return 0.0, step, middle
    offset = min(max(0.5 * (left - right) / bend, -0.5), 0.5) * step
    return offset, step / math.sqrt(-bend), middle - (left - right) ** 2 / (8 * bend)


@compiled()
def _best_member(guess, prior, background, family, pair):
    """As :func:`genolstm.alignment.pairhmm.selection.select`; returns nats."""
    damage, classes, rows, columns, flipped, mode, begin, work = pair
    median, spread = prior
    v0 = math.log(median)
    known = np.full(STEPS + 2, np.nan)  # of place k at k + 1
    k = min(max(int(np.rint((math.log(guess) - LOWEST) / STEP)), 0), STEPS - 1)
    while True:
        for near in (k, k + 1, k - 1):
            if 0 <= near < STEPS and math.isnan(known[near + 1]):
                if near == k - 1 and known[k + 2] > known[k + 1]:
                    break
                known[near + 1] = _forward(
                    LOWEST + near * STEP,
                    v0,
                    background,
                    family,
                    damage,
                    classes,
                    rows,
                    columns,
                    flipped,
                    mode,
                    begin,
                    work,
                )
        if k < STEPS - 1 and known[k + 2] > known[k + 1]:
            k += 1
        elif k > 0 and known[k] > known[k + 1]:
            k -= 1
        else:
            break
    du, sd_u, top = _peak(known[k], known[k + 1], known[k + 2], STEP)
    u = LOWEST + k * STEP + du
    gaps = np.full(2 * GAP_STEPS + 3, np.nan)
    middle = GAP_STEPS + 1
    gaps[middle] = top
    j = 0
    while True:
        for near in (j + 1, j - 1):
            if abs(near) <= GAP_STEPS and math.isnan(gaps[middle + near]):
                if near == j - 1 and gaps[middle + j + 1] > gaps[middle + j]:
                    break
                gaps[middle + near] = (
                    _forward(
                        u,
                        v0 + near * GAP_STEP,
                        background,
                        family,
                        damage,
                        classes,
                        rows,
                        columns,
                        flipped,
                        mode,
                        begin,
                        work,
                    )
                    - 0.5 * (near * GAP_STEP / spread) ** 2
                )
        if j < GAP_STEPS and gaps[middle + j + 1] > gaps[middle + j]:
            j += 1
        elif j > -GAP_STEPS and gaps[middle + j - 1] > gaps[middle + j]:
            j -= 1
        else:
            break
    at = middle + j
    _, sd_v, top = _peak(gaps[at - 1], gaps[at], gaps[at + 1], GAP_STEP)
    top += math.log(min(sd_u * math.sqrt(2 * math.pi) / (STEP * (STEPS - 1)), 1.0))
    return top + math.log(min(sd_v / spread, 1.0))


@compiled()
def _score_one(query, reference, mode, strands, family, prior, rates, rough_only):
    """Return the log-odds of one pair in bits."""
    nq, nr = query.size, reference.size
    flipped = nq > nr
    # The null model is that of the two strands that are compared.
    background = np.full((2, 4), PSEUDOCOUNT)
    for x in query:
        background[0] += SHARES[x]
        background[1] += SHARES[_OTHER[x]]
    for x in reference:
        background += SHARES[x]
    n, m = max(nq, nr), min(nq, nr)
    begin = 1.0
    code = kn.GLOBAL
    if mode == 1:
        begin = 1.0 / (nr + 1)
        code = kn.FREE_COLUMNS if flipped else kn.FREE_ROWS
    elif mode == 2:
        begin = 1.0 / (np.float64(nq) * nr * m)
        code = kn.LOCAL
    turned = np.empty(nq, np.uint8)
    for i in range(nq):
        turned[nq - 1 - i] = _OTHER[query[i]]
    k = min(max(math.ceil(math.log(max(n, 4)) / math.log(4.0)) + 2, 6), 20)
    reference_kmers = _kmers(_BASE_OF_MASK[reference], k)

    n_classes = max(rates.shape[0], 1)
    damage = np.zeros((2, n_classes, 4, 4))
    classes = np.arange(nq if rates.shape[0] else 0)
    for c in range(n_classes):
        for side in range(2):
            for b in range(4):
                damage[side, c, b, b] = 1.0
            if rates.shape[0]:
                # On the other strand, G reads as A where C read as T.
                ct = rates[c, 0] if side == 0 else rates[n_classes - 1 - c, 1]
                ga = rates[c, 1] if side == 0 else rates[n_classes - 1 - c, 0]
                damage[side, c, 1, 1], damage[side, c, 1, 3] = 1 - ct, ct
                damage[side, c, 2, 2], damage[side, c, 2, 0] = 1 - ga, ga
    work = (
        np.zeros(n + 1, np.int64),
        np.full(n + 1, m, np.int64),
        np.zeros(n + 2, np.int64),
        np.ones(n + 1, np.float32),
        np.empty((4, m + 1), np.float32),
        np.empty(m // kn.TILE + 1, np.int64),
        np.zeros(n + 1, np.int64),
        np.zeros((16 * n_classes if flipped else 16, m + 1), np.float32),
    )
    key = work[6]
    guess = np.zeros(2)
    rough = np.full(2, -math.inf)
    bits = np.full(2, -math.inf)
    rough_only = rough_only or m < SHORTEST_FITTED
    for step in range(2):
        for side in range(2):
            if not strands >> side & 1:
                continue
            if step == 1 and strands == 3 and rough[side] <= rough.max() - CLEAR_BITS:
                bits[side] = rough[side]
                continue
            if step == 1 and rough_only:
                bits[side] = rough[side]
                continue
            q = query if side == 0 else turned
            rows, columns = (q, reference) if flipped else (reference, q)
            for i in range(n):
                key[i + 1] = rows[i]
                if flipped and rates.shape[0]:
                    key[i + 1] += 16 * i
            pair = (damage[side], classes, rows, columns, flipped, code, begin, work)
            if step == 0:
                kmers = _kmers(_BASE_OF_MASK[q], k)
                guess[side] = _guess(kmers, reference_kmers, nq, nr, k)
                if strands == 3 or rough_only:
                    rough[side] = _forward(
                        math.log(guess[side]), math.log(prior[0]), background[side], family, *pair
                    ) / math.log(2.0)
            else:
                found = _best_member(guess[side], prior, background[side], family, pair)
                bits[side] = found / math.log(2.0)
    if strands != 3:
        return bits.max()
    ratio = 2.0 ** min(bits.min() - bits.max(), 0.0)
    return bits.max() + math.log2(1 + ratio) - 1


@compiled()
def _score_all(
    queries,
    query_starts,
    references,
    reference_starts,
    pairs,
    first,
    last,
    mode,
    strands,
    family,
    prior,
    rates,
    rate_starts,
    rough_only,
    out,
):
    for k in range(first, last):
        i, j = pairs[k, 0], pairs[k, 1]
        q = queries[query_starts[i] : query_starts[i + 1]]
        r = references[reference_starts[j] : reference_starts[j + 1]]
        part = rates[rate_starts[i] : rate_starts[i + 1]]
        out[k] = _score_one(q, r, mode, strands, family, prior, part, rough_only)


def score_pairs(
    queries: PackedSequences,
    references: PackedSequences,
    pairs: npt.NDArray[np.int64],
    family: ParameterFamily,
    *,
    mode: Mode = "global",
    strand: Strand = "both",
    damage: DamageProfile | None = None,
    rough: bool = False,
    threads: int = 0,
) -> npt.NDArray[np.float64]:
    """Return the log-odds of pairs against the null model in bits.

    Parameters
    ----------
    queries, references
        Of :func:`pack`; none empty.
    pairs
        Indices of query and reference, (k, 2).
    family
        Each pair gets its own member of it.
    damage
        Of ancient queries.
    rough
        Only under the member that shared k-mers suggest: about eight times as fast.
    threads
        0 means all cores.

    Returns
    -------
    numpy.ndarray
        float64 (k,).

    Raises
    ------
    SettingError
        A sequence is empty, or a pair has more than ``LARGEST`` cells.
    """
    pairs = np.ascontiguousarray(pairs, dtype=np.int64).reshape(-1, 2)
    n, m = queries.lengths[pairs[:, 0]], references.lengths[pairs[:, 1]]
    if len(pairs) and min(n.min(), m.min()) == 0:
        raise SettingError("a sequence without residues cannot be aligned")
    if len(pairs) and not fits(n, m).all():
        raise SettingError(f"pairs of more than {LARGEST:,} cells are scored one at a time")
    prior = (family.gap_rate, family.gap_rate_spread)
    numbers = family_numbers(family)
    if damage is None:
        rates, rate_starts = np.zeros((0, 2)), np.zeros(len(queries) + 1, dtype=np.int64)
    else:
        rates = np.concatenate([damage.rates(int(x)) for x in queries.lengths])
        rate_starts = queries.starts
    out = np.empty(len(pairs))

    def work(first: int) -> None:
        _score_all(
            queries.letters,
            queries.starts,
            references.letters,
            references.starts,
            pairs,
            first,
            min(first + CHUNK, len(pairs)),
            _MODES[mode],
            _STRANDS[strand],
            numbers,
            prior,
            rates,
            rate_starts,
            rough,
            out,
        )

    threads = count_threads(threads)
    if threads == 1:
        for first in range(0, len(pairs), CHUNK):
            work(first)
        return out
    with worker_pool(threads) as pool:
        list(pool.map(work, range(0, len(pairs), CHUNK)))
    return out


def fits(n: npt.ArrayLike, m: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Return whether pairs of these lengths are small enough for :func:`score_pairs`."""
    small: npt.NDArray[np.bool_] = (np.asarray(n) + 1) * (np.asarray(m) + 1) <= LARGEST
    return small
