"""The compiled pair-HMM against a plain one, against enumeration, and against itself."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.pairhmm import Reference, lse

from genolstm.alignment.context.estimation import expected_counts
from genolstm.alignment.pairhmm.decode import SparsePosterior, decode_mea, heaviest_chain
from genolstm.alignment.pairhmm.member import Reading
from genolstm.alignment.pairhmm.modes import MODES
from genolstm.alignment.pairhmm.pairhmm import Context, PairHMM
from genolstm.alignment.pairhmm.parameters import PairHMMParameters, ParameterFamily, hky_joint
from genolstm.alignment.pairhmm.region import Band, anchors, band_around
from genolstm.errors import SettingError
from genolstm.sequences.masks import complement_masks, encode_masks

RNG = np.random.default_rng(7)
JOINT = hky_joint(0.4, kappa=3, shape=0.7, frequencies=(0.3, 0.2, 0.2, 0.3))
PARAMETERS = PairHMMParameters(tuple(map(tuple, JOINT.tolist())), (0.03, 0.01), (0.5, 0.9), 3.0)
LETTERS = np.array(list("ACGTRYN"))


def random_dna(n: int, rng: np.random.Generator = RNG, odd: float = 0.08) -> str:
    weights = [(1 - odd) / 4] * 4 + [odd / 3] * 3
    return "".join(rng.choice(LETTERS, n, p=weights))


def relatives(n: int, m: int, rng: np.random.Generator = RNG) -> tuple[str, str]:
    """Two sequences of given lengths that share a stretch."""
    a, b = random_dna(n, rng), random_dna(m, rng)
    k = min(n, m) // 2
    return a, a[:k] + b[k:]


def random_context(n: int, rng: np.random.Generator = RNG) -> Context:
    return Context(
        rng.normal(0, 0.6, (n, 4)).astype(np.float32),
        rng.random(n).astype(np.float32),
        rng.normal(0, 0.5, (n + 1, 2)).astype(np.float32),
    )


def plain(query: str, reference: str, hmm: PairHMM, mode: str, context=None) -> Reference:
    """The plain model of the same pair; its rows are the longer sequence, as in the kernels."""
    a, b = encode_masks(query), encode_masks(reference)
    S = np.log(PARAMETERS.odds())[a][:, b]
    factors = {}
    if context is not None:
        zq, zr = (c.vectors * c.gate[:, None] for c in context)
        S = S + zq @ zr.T
        rows, columns = context if hmm.flipped else context[::-1]
        x = 0 if hmm.flipped else 1
        factors = {
            "xr": np.exp(rows.gap_open[:, x]),
            "xc": np.exp(columns.gap_open[:, x]),
            "yr": np.exp(rows.gap_open[:, 1 - x]),
            "yc": np.exp(columns.gap_open[:, 1 - x]),
        }
    name = {"semiglobal": "columns" if hmm.flipped else "rows"}.get(mode, mode)
    p = PARAMETERS
    S = S if hmm.flipped else S.T
    return Reference(S, p.gap_open, p.gap_extend, p.gap_link, name, hmm.begin, **factors)


def path_of(pairs: np.ndarray) -> list[tuple[int, int]]:
    return [tuple(map(int, pair)) for pair in pairs]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("n", "m"), [(1, 1), (1, 9), (9, 1), (13, 35), (36, 14)])
@pytest.mark.parametrize("contextual", [False, True])
def test_everything_equals_the_plain_model(mode: str, n: int, m: int, contextual: bool) -> None:
    query, reference = relatives(n, m)
    context = (random_context(n), random_context(m)) if contextual else None
    masks = encode_masks(query), encode_masks(reference)
    hmm = PairHMM(*masks, PARAMETERS, mode=mode, context=context)
    model = plain(query, reference, hmm, mode, context)
    _, total = model.run(lse)
    _, best = model.run(max)
    P = model.posterior()
    P = P if hmm.flipped else P.T

    assert hmm.score() == pytest.approx(total / math.log(2), abs=2e-5)
    found = hmm.posterior(1e-8)
    np.testing.assert_allclose(found.dense(), P, atol=3e-6)
    np.testing.assert_allclose(found.query_matched, P.sum(axis=1), atol=3e-6)
    np.testing.assert_allclose(found.reference_matched, P.sum(axis=0), atol=3e-6)
    assert hmm.viterbi()[0] == pytest.approx(best / math.log(2), abs=2e-5)


@pytest.mark.parametrize("mode", MODES)
def test_enumeration_of_all_alignments_of_short_pairs(mode: str) -> None:
    for n, m in itertools.product((1, 2, 3), (2, 3)):
        query, reference = relatives(n, m)
        context = random_context(n), random_context(m)
        masks = encode_masks(query), encode_masks(reference)
        hmm = PairHMM(*masks, PARAMETERS, mode=mode, context=context)
        paths = list(plain(query, reference, hmm, mode, context).paths())
        total = lse(*(w for w, _ in paths))
        assert hmm.score() == pytest.approx(total / math.log(2), abs=2e-5)

        # Posterior of every match: the weight of the paths through it.
        P = np.zeros((hmm.n, hmm.m))
        for w, path in paths:
            for state, i, j in path:
                if state == "M":
                    P[i - 1, j - 1] += math.exp(w - total)
        np.testing.assert_allclose(hmm.posterior(0).dense(), P if hmm.flipped else P.T, atol=2e-6)

        score, pairs = hmm.viterbi()
        weight, path = max(paths, key=lambda x: x[0])
        assert score == pytest.approx(weight / math.log(2), abs=2e-5)
        there = [(i - 1, j - 1) if hmm.flipped else (j - 1, i - 1) for s, i, j in path if s == "M"]
        assert path_of(pairs) == there


def test_blocks_change_nothing() -> None:
    """Linear memory (checkpoints, at two levels) gives what the full matrix gives."""
    query, reference = relatives(700, 40)
    masks = encode_masks(query), encode_masks(reference)
    context = random_context(700), random_context(40)
    for mode, terms in itertools.product(MODES, (None, context)):
        full = PairHMM(*masks, PARAMETERS, mode=mode, context=terms)
        # 8 rows a block: 88 blocks, more than one level of 64 checkpoints holds.
        lean = PairHMM(*masks, PARAMETERS, mode=mode, context=terms, block_cells=1)
        assert lean.block_rows == 8
        assert full.score() == pytest.approx(lean.score(), abs=1e-6)
        a, b = full.posterior(), lean.posterior()
        assert a.query.size > 10
        np.testing.assert_array_equal(a.query, b.query)
        np.testing.assert_allclose(a.probability, b.probability, atol=1e-6)
        np.testing.assert_array_equal(full.viterbi()[1], lean.viterbi()[1])


@pytest.mark.parametrize("mode", MODES)
def test_a_band_as_wide_as_the_matrix_changes_nothing(mode: str) -> None:
    query, reference = relatives(90, 120)
    masks = encode_masks(query), encode_masks(reference)
    free = PairHMM(*masks, PARAMETERS, mode=mode)
    lo = np.zeros(121, dtype=np.int64)
    banded = PairHMM(*masks, PARAMETERS, mode=mode, band=Band(lo, lo + 90))
    assert free.score() == banded.score()
    np.testing.assert_array_equal(free.posterior().probability, banded.posterior().probability)


@pytest.mark.parametrize("mode", MODES)
def test_a_narrow_band_sums_over_the_paths_within_it(mode: str) -> None:
    """Cells outside weigh nothing: the plain model with matches and gaps there forbidden."""
    query, reference = relatives(20, 24)
    masks = encode_masks(query), encode_masks(reference)
    rows = np.arange(25)
    lo = np.clip(rows - 6, 0, 20).astype(np.int64)
    hi = np.clip(rows + 3, 0, 20).astype(np.int64)
    hi[-1] = 20
    hmm = PairHMM(*masks, PARAMETERS, mode=mode, band=Band(lo, hi))
    model = plain(query, reference, hmm, mode)
    inside = (np.arange(21) >= lo[:, None]) & (np.arange(21) <= hi[:, None])
    step = model.step

    def allowed(a: str, b: str, i: int, j: int) -> float:
        if b != "end":
            p, q = min(i + (b[0] in "MX"), 24), min(j + (b[0] in "MY"), 20)
            if not (inside[i, j] and inside[p, q]):
                return -math.inf
        return step(a, b, i, j)

    model.step = allowed
    may_begin = model.may_begin
    model.may_begin = lambda i, j: may_begin(i, j) and inside[i, j]
    _, total = model.run(lse)
    assert hmm.score() == pytest.approx(total / math.log(2), abs=1e-4)


def test_rearranged_sequences_stay_within_range() -> None:
    """The two halves in the other order: the right path begins 300 bits below the best start.

    One power of two per row in float32 would lose it.
    """
    rng = np.random.default_rng(5)
    a, b = random_dna(170, rng, odd=0), random_dna(170, rng, odd=0)
    query, reference = a + b, b + a[:60]
    codes = [np.array(["ACGT".index(x) for x in s], dtype=np.uint8) for s in (query, reference)]
    sharp = ParameterFamily().member(0.01, 0.045)
    expected, bits = expected_counts(codes[0], codes[1], sharp)
    hmm = PairHMM(encode_masks(query), encode_masks(reference), sharp)
    assert hmm.score() == pytest.approx(bits, abs=1e-3)
    posterior = hmm.posterior()
    assert posterior.query_matched.sum() == pytest.approx(expected.match.sum(), rel=1e-4)
    assert hmm.viterbi()[0] <= hmm.score()


dna = st.text(alphabet="ACGT", min_size=1, max_size=45)


@settings(max_examples=40, deadline=None)
@given(dna, dna, st.sampled_from(MODES))
def test_symmetries_and_sums(query: str, reference: str, mode: str) -> None:
    a, b = encode_masks(query), encode_masks(reference)
    hmm = PairHMM(a, b, PARAMETERS, mode=mode)
    P = hmm.posterior(0).dense()
    assert P.sum(axis=0).max() <= 1 + 1e-5
    assert P.sum(axis=1).max() <= 1 + 1e-5
    # Read backwards.
    back = PairHMM(a[::-1].copy(), b[::-1].copy(), PARAMETERS, mode=mode)
    assert back.score() == pytest.approx(hmm.score(), abs=1e-4)
    np.testing.assert_allclose(back.posterior(0).dense()[::-1, ::-1], P, atol=1e-5)
    if mode != "semiglobal":  # query and reference change places
        swapped = PairHMM(b, a, PARAMETERS, mode=mode)
        assert swapped.score() == pytest.approx(hmm.score(), abs=1e-4)
        np.testing.assert_allclose(swapped.posterior(0).dense().T, P, atol=1e-5)
    assert hmm.viterbi()[0] <= hmm.score() + 1e-4


@settings(max_examples=15, deadline=None)
@given(dna, dna)
def test_both_strands_are_alike(query: str, reference: str) -> None:
    even = ParameterFamily().member(0.3, 0.05)  # equal frequencies: complement changes nothing
    a, b = encode_masks(query), encode_masks(reference)
    score = PairHMM(a, b, even).score()
    other = PairHMM(complement_masks(a), complement_masks(b), even).score()
    assert other == pytest.approx(score, abs=1e-4)


def test_gate_of_zero_is_the_classical_aligner() -> None:
    query, reference = relatives(150, 140)
    masks = encode_masks(query), encode_masks(reference)
    terms = []
    for n in (150, 140):
        full = random_context(n)
        terms.append(Context(full.vectors * 10, np.zeros(n, dtype=np.float32)))
    for mode in MODES:
        classical = PairHMM(*masks, PARAMETERS, mode=mode)
        gated = PairHMM(*masks, PARAMETERS, mode=mode, context=(terms[0], terms[1]))
        assert gated.score() == pytest.approx(classical.score(), abs=1e-4)
        np.testing.assert_array_equal(gated.viterbi()[1], classical.viterbi()[1])
        np.testing.assert_array_equal(decode_mea(gated.posterior()), decode_mea(classical.posterior()))


def test_unknown_bases_are_worth_nothing() -> None:
    """N is an expectation: against anything it neither gains nor costs."""
    odds = PARAMETERS.odds()
    np.testing.assert_allclose(odds[15, 1:], 1, atol=1e-12)
    np.testing.assert_allclose(odds[1:, 15], 1, atol=1e-12)
    # R is A or G, by frequency.
    background = PARAMETERS.background
    share = background[0] / (background[0] + background[2])
    assert odds[5, 1] == pytest.approx(share * odds[1, 1] + (1 - share) * odds[4, 1])


def test_classes_of_places_have_their_own_matrices() -> None:
    """Position-dependent odds equal a pair-HMM whose matrix is changed cell by cell."""
    for n, m in ((12, 30), (30, 12)):
        query, reference = relatives(n, m)
        a, b = encode_masks(query), encode_masks(reference)
        matrices = np.stack([np.eye(4), *RNG.dirichlet(np.ones(4), (2, 4))])
        tables = np.stack([PARAMETERS.odds(first=matrix) for matrix in matrices])
        classes = RNG.integers(0, 3, n)
        hmm = PairHMM(a, b, PARAMETERS, reading=Reading(matrices, classes))
        model = plain(query, reference, hmm, "global")
        S = np.log(tables[classes[:, None], a[:, None], b[None, :]])
        model.S = S if hmm.flipped else S.T
        assert hmm.score() == pytest.approx(model.run(lse)[1] / math.log(2), abs=2e-5)


def test_wrong_calls_are_refused() -> None:
    a = encode_masks("ACGT")
    with pytest.raises(SettingError, match="mode"):
        PairHMM(a, a, PARAMETERS, mode="glocal")
    with pytest.raises(SettingError, match="without residues"):
        PairHMM(a, a[:0], PARAMETERS)
    with pytest.raises(SettingError, match="shape"):
        PairHMM(a, a, PARAMETERS, context=(random_context(3), random_context(4)))
    with pytest.raises(SettingError, match="do not fit"):
        PairHMM(a, a, PARAMETERS, context=(Context(np.ones((3, 2), np.float32)), Context(np.ones((4, 2), np.float32))))


# ---------------------------------------------------------------- decoding and bands


def brute_chain(weights: np.ndarray, span_cost: float) -> float:
    """The best weight of all chains of matches, by trying them all."""
    n, m = weights.shape
    cells = [(i, j) for i in range(n) for j in range(m) if weights[i, j] > 0]
    best = 0.0
    for size in range(1, min(n, m) + 1):
        for chain in itertools.combinations(cells, size):
            if all(a[0] < b[0] and a[1] < b[1] for a, b in itertools.pairwise(chain)):
                skipped = sum(b[0] - a[0] + b[1] - a[1] - 2 for a, b in itertools.pairwise(chain))
                best = max(best, sum(weights[c] for c in chain) - span_cost * skipped)
    return best


@pytest.mark.parametrize("span_cost", [0.0, 0.07])
def test_heaviest_chain_is_the_best_of_all_chains(span_cost: float) -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        weights = rng.random((4, 5)) * (rng.random((4, 5)) < 0.5)
        rows, columns = np.nonzero(weights)
        chain, top = heaviest_chain(
            rows.astype(np.int32), columns.astype(np.int32), weights[rows, columns], 5, span_cost
        )
        assert top == pytest.approx(brute_chain(weights, span_cost))
        pairs = np.stack([rows[chain], columns[chain]], axis=1)
        assert (np.diff(pairs, axis=0) > 0).all()
        value = weights[rows[chain], columns[chain]].sum()
        value -= span_cost * (np.diff(pairs, axis=0) - 1).sum() if len(pairs) else 0
        assert value == pytest.approx(top)


def test_precision_dial_turns() -> None:
    query, reference = relatives(160, 160)
    posterior = PairHMM(encode_masks(query), encode_masks(reference), PARAMETERS).posterior()
    sizes = [len(decode_mea(posterior, gap_factor=g)) for g in (0, 0.5, 1, 4)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > sizes[-1]

    def expected_f1(pairs: np.ndarray) -> float:
        total = posterior.query_matched.sum()
        return 2 * posterior.of_pairs(pairs).sum() / (len(pairs) + total)

    best = expected_f1(decode_mea(posterior, slack=0))
    assert expected_f1(decode_mea(posterior)) > best - 1.1e-4
    for g in (0, 0.25, 0.5, 1, 2):
        assert best >= expected_f1(decode_mea(posterior, gap_factor=g)) - 1e-6


@pytest.mark.parametrize(("n", "filled"), [(30_000, True), (300, False)])
def test_a_long_pair_opens_no_gaps_for_a_doubtful_place(n: int, filled: bool) -> None:
    """Four residues of either sequence in doubt cost a genome nothing, a short pair too much."""
    sure = np.delete(np.arange(n, dtype=np.int32), range(100, 104))
    block = np.arange(100, 104, dtype=np.int32)
    rows = np.concatenate([sure[:100], block, block[:3], sure[100:]])
    columns = np.concatenate([sure[:100], block, block[1:], sure[100:]])
    p = np.ones(len(rows), dtype=np.float32)
    p[100:104], p[104:107] = 0.4, 0.3
    order = np.lexsort((columns, rows))
    matched = np.ones(n, dtype=np.float32)
    posterior = SparsePosterior(rows[order], columns[order], p[order], matched, matched)
    assert len(decode_mea(posterior, slack=0)) == n - 4
    pairs = decode_mea(posterior)
    np.testing.assert_array_equal(pairs[:, 0], pairs[:, 1])
    assert len(pairs) == (n if filled else n - 4)


def test_band_around_exact_matches_holds_the_alignment() -> None:
    rng = np.random.default_rng(11)
    query = random_dna(2000, rng, odd=0)
    reference = query[:700] + random_dna(150, rng, odd=0) + query[700:1200] + query[1290:]
    masks = encode_masks(query), encode_masks(reference)
    chain = anchors(*masks)
    assert (np.diff(chain, axis=0) > 0).all()
    rows, columns = (masks[0], masks[1]) if len(query) > len(reference) else masks[::-1]
    band = band_around(anchors(rows, columns), len(rows), len(columns), 32)
    assert (np.diff(band.lo) >= 0).all()
    assert (np.diff(band.hi) >= 0).all()
    assert band.cells < 0.15 * len(query) * len(reference)
    near = ParameterFamily().member(0.02, 0.05)
    full, narrow = PairHMM(*masks, near), PairHMM(*masks, near, band=band)
    assert narrow.score() == pytest.approx(full.score(), abs=1e-3)
    np.testing.assert_array_equal(decode_mea(full.posterior()), decode_mea(narrow.posterior()))
