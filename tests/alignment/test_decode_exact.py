"""Decoding of sparse posteriors, against trying every chain and against examples by hand."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from genolstm.alignment.pairhmm.decode import (
    SparsePosterior,
    align_doubtful,
    best_expected_f1,
    decode_mea,
    heaviest_chain,
    settle_ties,
)
from genolstm.sequences.masks import encode_masks

Cell = tuple[int, int]


def sparse(cells: dict[Cell, float], dtype=np.float64):
    """Rows, columns and values as the decoder wants them: sorted by row, then column."""
    order = sorted(cells)
    rows, columns = np.array(order, dtype=np.int32).reshape(-1, 2).T
    return rows.copy(), columns.copy(), np.array([cells[c] for c in order], dtype=dtype)


def random_cells(rng: np.random.Generator, n: int, m: int, density: float, low: float = 0.0) -> dict[Cell, float]:
    return {(i, j): float(rng.uniform(low, 1)) for i in range(n) for j in range(m) if rng.random() < density}


def chains(cells: dict[Cell, float]) -> Iterator[tuple[Cell, ...]]:
    """Every chain of cells that rises in rows and columns, the empty one included."""

    def longer(chain: tuple[Cell, ...]) -> Iterator[tuple[Cell, ...]]:
        yield chain
        for cell in sorted(cells):
            if not chain or (cell[0] > chain[-1][0] and cell[1] > chain[-1][1]):
                yield from longer((*chain, cell))

    yield from longer(())


def skipped(chain: tuple[Cell, ...]) -> int:
    return sum(b[0] - a[0] + b[1] - a[1] - 2 for a, b in itertools.pairwise(chain))


def taken(rows, columns, chain) -> tuple[Cell, ...]:
    return tuple((int(rows[k]), int(columns[k])) for k in chain)


# ---------------------------------------------------------------- sparse posteriors


def test_a_sparse_posterior_is_looked_up_by_pair() -> None:
    rows, columns, p = sparse({(0, 2): 0.5, (1, 0): 0.25, (1, 3): 0.75, (2, 3): 0.125}, np.float32)
    posterior = SparsePosterior(rows, columns, p, np.ones(3, np.float32), np.ones(4, np.float32))
    assert posterior.dense().tolist() == [[0, 0, 0.5, 0], [0.25, 0, 0, 0.75], [0, 0, 0, 0.125]]
    every = np.array([(i, j) for i in range(3) for j in range(4)], dtype=np.int32)
    found = posterior.of_pairs(every)
    assert found.dtype == np.float32
    assert found.reshape(3, 4).tolist() == posterior.dense().tolist()
    assert posterior.of_pairs(np.array([[2, 3], [0, 2]], dtype=np.int32)).tolist() == [0.125, 0.5]
    assert posterior.of_pairs(np.empty((0, 2), dtype=np.int32)).tolist() == []


def test_a_posterior_of_nothing_is_zero_everywhere() -> None:
    rows, columns, p = sparse({}, np.float32)
    posterior = SparsePosterior(rows, columns, p, np.zeros(2, np.float32), np.zeros(3, np.float32))
    assert posterior.dense().tolist() == [[0, 0, 0]] * 2
    assert posterior.of_pairs(np.array([[0, 0], [1, 2]], dtype=np.int32)).tolist() == [0, 0]


# ---------------------------------------------------------------- chains


@pytest.mark.parametrize("span_cost", [0.0, 0.07, 0.4])
@pytest.mark.parametrize(("n", "m"), [(1, 6), (6, 1), (4, 4), (3, 9), (5, 3)])
def test_the_heaviest_chain_is_the_heaviest(span_cost: float, n: int, m: int) -> None:
    rng = np.random.default_rng(n * 10 + m)
    for density in (0.2, 0.5, 0.8):
        # Some cells weigh less than nothing: they are never a link.
        cells = random_cells(rng, n, m, density, low=-0.6)
        rows, columns, weights = sparse(cells)
        chain, top = heaviest_chain(rows, columns, weights, m, span_cost)

        def weigh(some, cells=cells) -> float:
            return sum(cells[c] for c in some) - span_cost * skipped(some)

        best = max(chains(cells), key=weigh)
        assert top == pytest.approx(max(weigh(best), 0))
        assert taken(rows, columns, chain) == best


def test_a_chain_may_use_the_first_and_the_last_column_and_row() -> None:
    rows, columns, weights = sparse({(0, 0): 1.0, (1, 1): 1.0, (2, 7): 1.0})
    chain, top = heaviest_chain(rows, columns, weights, 8, 0.125)
    assert (chain.tolist(), top) == ([0, 1, 2], 3 - 5 * 0.125)


def test_there_may_be_no_chain() -> None:
    for cells in ({}, {(0, 0): 0.0}, {(0, 0): -1.0, (1, 1): -0.5}):
        rows, columns, weights = sparse(cells)
        chain, top = heaviest_chain(rows, columns, weights, 2, 0.0)
        assert (chain.tolist(), top) == ([], 0.0)


@pytest.mark.parametrize("low", [0.0, 0.5])
def test_the_chain_of_best_expected_f1_is_the_best_of_all(low: float) -> None:
    rng = np.random.default_rng(4)
    for _ in range(12):
        cells = random_cells(rng, 4, 4, 0.6, low=low)
        total = float(rng.uniform(1, 4))
        rows, columns, p = sparse(cells)
        chain, half = best_expected_f1(rows, columns, p, total, 4, 0.0)
        scores = {some: sum(cells[c] for c in some) / (len(some) + total) for some in chains(cells)}
        best = max(scores, key=scores.__getitem__)
        assert taken(rows, columns, chain) == best
        assert half == pytest.approx(scores[best], rel=1.5e-3)


def test_expected_f1_of_very_doubtful_pairs() -> None:
    # Far below the first guess of F1: the guess falls until a link is worth it.
    rows, columns, p = sparse({(0, 0): 0.0078125, (1, 1): 0.0078125})
    chain, half = best_expected_f1(rows, columns, p, 2.0, 2, 0.0)
    assert chain.tolist() == [0, 1]
    assert half == pytest.approx(2 * 0.0078125 / 4, rel=1e-3)
    # Next to nothing is nothing.
    rows, columns, p = sparse({(0, 0): 1e-6})
    assert best_expected_f1(rows, columns, p, 2.0, 2, 0.0)[0].tolist() == []


def test_a_price_of_skipping_keeps_a_chain_together() -> None:
    """Two links close together beat two sure ones far apart, from a price on."""
    cells = {(0, 0): 0.9, (1, 1): 0.6, (1, 9): 0.8}
    rows, columns, p = sparse(cells)
    assert taken(rows, columns, best_expected_f1(rows, columns, p, 2.0, 10, 0.0)[0]) == ((0, 0), (1, 9))
    assert taken(rows, columns, best_expected_f1(rows, columns, p, 2.0, 10, 0.05)[0]) == ((0, 0), (1, 1))


# ---------------------------------------------------------------- doubtful places


def completed(cells, chain, half, total, n, m, slack, ends) -> set[Cell]:
    """What :func:`align_doubtful` promises, by trying every chain of every stretch."""
    budget = slack * (len(chain) + total) / 2
    corners = [(-1, -1), *chain, (n, m)]
    offers = []
    for k, (a, b) in enumerate(itertools.pairwise(corners)):
        if (k == 0 or k == len(chain)) and not ends:
            continue
        within = {c: p for c, p in cells.items() if a[0] < c[0] < b[0] and a[1] < c[1] < b[1]}
        if within and half - max(within.values()) <= budget:
            best = max(chains(within), key=lambda some: sum(within[c] for c in some))
            offers.append((sum(half - within[c] for c in best), best))
    links = set(chain)
    for cost, best in sorted(offers):
        budget -= max(cost, 0)
        if budget < 0:
            break
        links |= set(best)
    return links


@pytest.mark.parametrize("ends", [True, False])
@pytest.mark.parametrize("slack", [0.0, 0.05, 0.12, 0.3, 1.0])
def test_doubtful_places_are_completed_from_the_cheapest_on(ends: bool, slack: float) -> None:
    rng = np.random.default_rng(6)
    added = 0
    for _ in range(25):
        n, m = 7, 8
        cells = random_cells(rng, n, m, 0.15) | {(1, 1): 0.96, (4, 5): 0.97}
        half, total = 0.9, 5.0
        rows, columns, p = sparse(cells)
        chain, _ = heaviest_chain(rows, columns, p - half, m, 0.0)
        links = taken(rows, columns, chain)
        found = align_doubtful(rows, columns, p, chain, half, total, n, m, slack, ends)
        assert set(taken(rows, columns, found)) == completed(cells, links, half, total, n, m, slack, ends)
        assert (np.diff(found) > 0).all()
        added += len(found) - len(chain)
    assert (added > 0) == (slack > 0)


def test_the_slack_is_spent_to_the_last() -> None:
    """Two places at 0.25 each: slack 0.125 of (3 + 5) / 2 pairs pays for both, a little less for one."""
    cells = {(0, 0): 1.0, (1, 1): 0.25, (2, 2): 1.0, (3, 3): 0.25, (4, 4): 1.0}
    rows, columns, p = sparse(cells)
    chain = np.array([0, 2, 4])
    for slack, size in ((0.125, 5), (0.124, 4), (0.0625, 4), (0.0624, 3)):
        found = align_doubtful(rows, columns, p, chain, 0.5, 5.0, 5, 5, slack, True)
        assert len(found) == size
        assert {0, 2, 4} <= set(found.tolist())


# ---------------------------------------------------------------- ties


def settled(query: str, reference: str, pairs, cells=None, tolerance: float = 0.0) -> list[Cell]:
    """Where the gaps end up; without posteriors of their own, all matches are equally likely."""
    chain = np.array(pairs, dtype=np.int32)
    if cells is None:
        cells = {(i, j): 0.5 for i in range(len(query)) for j in range(len(reference))}
    rows, columns, p = sparse(cells, np.float32)
    settle_ties(encode_masks(query), encode_masks(reference), chain, rows, columns, p, tolerance)
    return [tuple(map(int, pair)) for pair in chain]


def swapped(pairs) -> list[Cell]:
    return [(j, i) for i, j in pairs]


@pytest.mark.parametrize(
    ("query", "reference", "pairs", "expected"),
    [
        # One base of a run of A.
        ("GAAC", "GAAAC", [(0, 0), (1, 1), (2, 2), (3, 4)], [(0, 0), (1, 2), (2, 3), (3, 4)]),
        # One unit of a repeat of AC.
        ("GCACT", "GCACACT", [(0, 0), (1, 1), (2, 2), (3, 3), (4, 6)], [(0, 0), (1, 3), (2, 4), (3, 5), (4, 6)]),
        # Nothing to the left that is alike.
        ("GTC", "GTAC", [(0, 0), (1, 1), (2, 3)], [(0, 0), (1, 1), (2, 3)]),
        # The gap is at the left already.
        ("GAC", "GAAC", [(0, 0), (1, 2), (2, 3)], [(0, 0), (1, 2), (2, 3)]),
        # Up to the first pair, which moves, too.
        ("AAC", "AAAC", [(0, 0), (1, 1), (2, 3)], [(0, 1), (1, 2), (2, 3)]),
        # Two gaps run into one another and stay there.
        (
            "GAAATC",
            "GAAAAATC",
            [(0, 0), (1, 1), (2, 3), (3, 5), (4, 6), (5, 7)],
            [(0, 0), (1, 3), (2, 4), (3, 5), (4, 6), (5, 7)],
        ),
        # Without a gap, nothing moves.
        ("AAA", "AAA", [(0, 0), (1, 1), (2, 2)], [(0, 0), (1, 1), (2, 2)]),
    ],
)
def test_gaps_go_to_the_left(query: str, reference: str, pairs, expected) -> None:
    assert settled(query, reference, pairs) == expected
    # A gap in the reference instead of the query.
    assert settled(reference, query, swapped(pairs)) == swapped(expected)


def test_letters_of_both_sequences_unaligned_keep_their_place() -> None:
    pairs = [(0, 0), (1, 1), (4, 3)]
    assert settled("AAAAA", "AAAA", pairs) == pairs
    assert settled("AAAA", "AAAAA", swapped(pairs)) == swapped(pairs)


@pytest.mark.parametrize(
    ("there", "tolerance", "moves"),
    [(0.5, 0.0, True), (0.75, 0.0, True), (0.375, 0.0, False), (0.375, 0.125, True), (0.375, 0.0625, False)],
)
def test_a_gap_moves_only_where_no_posterior_falls(there: float, tolerance: float, moves: bool) -> None:
    pairs = [(0, 0), (1, 1), (2, 3)]
    to = [(0, 0), (1, 2), (2, 3)]
    cells = {(0, 0): 1.0, (1, 1): 0.5, (1, 2): there, (2, 3): 1.0}
    assert settled("GAC", "GAAC", pairs, cells, tolerance) == (to if moves else pairs)
    cells = {(j, i): p for (i, j), p in cells.items()}
    assert settled("GAAC", "GAC", swapped(pairs), cells, tolerance) == swapped(to if moves else pairs)


def test_a_match_below_the_cutoff_is_worth_nothing() -> None:
    pairs = [(0, 0), (1, 1), (2, 3)]
    # Neighbours in the list of posteriors are not taken for the match itself.
    around = {(0, 0): 1.0, (0, 2): 0.9, (1, 0): 0.9, (1, 1): 0.25, (1, 3): 0.9, (2, 2): 0.9, (2, 3): 1.0}
    assert settled("GAC", "GAAC", pairs, around) == pairs
    del around[1, 1]
    assert settled("GAC", "GAAC", pairs, around) == [(0, 0), (1, 2), (2, 3)]
    assert settled("GAC", "GAAC", pairs, {(2, 3): 1.0}) == [(0, 0), (1, 2), (2, 3)]
    assert settled("GAC", "GAAC", pairs, {(0, 0): 1.0}) == [(0, 0), (1, 2), (2, 3)]


def test_every_posterior_is_found_among_many() -> None:
    """A gap in a long run moves exactly as far as the posteriors let it."""
    n = 23
    query, reference = "A" * n, "A" * (n + 1)
    pairs = [(i, i) for i in range(n - 1)] + [(n - 1, n)]
    for stop in range(n - 1):
        cells = {(i, j): 0.5 for i in range(n) for j in range(n + 1)}
        cells[stop, stop + 1] = 0.25
        expected = [(i, i) for i in range(stop + 1)] + [(i, i + 1) for i in range(stop + 1, n)]
        assert settled(query, reference, pairs, cells) == expected


# ---------------------------------------------------------------- decoding


def posterior_of(cells: dict[Cell, float], n: int, m: int) -> SparsePosterior:
    rows, columns, p = sparse(cells, np.float32)
    dense = np.zeros((n, m), dtype=np.float32)
    dense[rows, columns] = p
    return SparsePosterior(rows, columns, p, dense.sum(axis=1), dense.sum(axis=0))


def doubly_bounded(rng: np.random.Generator, n: int, m: int) -> dict[Cell, float]:
    """Posteriors of matches, as sums over rows and columns must be at most 1."""
    cells = random_cells(rng, n, m, 0.6, low=0.1)
    most = max([sum(p for c, p in cells.items() if c[a] == k) for a in (0, 1) for k in range(max(n, m))])
    return {c: p / max(most, 1) for c, p in cells.items()}


@pytest.mark.parametrize("gap_factor", [0.0, 0.5, 1.0, 3.0])
@pytest.mark.parametrize("span_cost", [0.0, 0.05])
def test_a_gap_factor_weighs_residues_left_unaligned(gap_factor: float, span_cost: float) -> None:
    rng = np.random.default_rng(8)
    for _ in range(8):
        cells = doubly_bounded(rng, 4, 5)
        posterior = posterior_of(cells, 4, 5)
        alone = [1 - posterior.query_matched, 1 - posterior.reference_matched]

        def worth(some, cells=cells, alone=alone) -> float:
            # Twice P for the two residues rightly aligned, and what their gaps would have been worth.
            gain = sum(2 * cells[c] - gap_factor * (alone[0][c[0]] + alone[1][c[1]]) for c in some)
            return gain - span_cost * skipped(some)

        pairs = decode_mea(posterior, gap_factor=gap_factor, span_cost=span_cost)
        found = tuple((int(i), int(j)) for i, j in pairs)
        assert worth(found) == pytest.approx(max(worth(some) for some in chains(cells)), abs=1e-5)


def test_without_a_gap_factor_expected_f1_counts() -> None:
    rng = np.random.default_rng(9)
    for _ in range(8):
        cells = doubly_bounded(rng, 4, 5)
        posterior = posterior_of(cells, 4, 5)
        total = float(posterior.query_matched.sum())
        best = max(chains(cells), key=lambda some: sum(cells[c] for c in some) / (len(some) + total))
        assert [tuple(pair) for pair in decode_mea(posterior, slack=0).tolist()] == list(best)


def test_slack_aligns_the_ends_unless_skipping_has_a_price() -> None:
    cells = {(0, 0): 0.25, (1, 1): 1.0, (2, 2): 0.25, (3, 3): 1.0, (4, 4): 0.25}
    posterior = posterior_of(cells, 5, 5)
    pairs = lambda **options: decode_mea(posterior, **options)[:, 0].tolist()  # noqa: E731
    assert pairs(slack=0) == [1, 3]
    assert pairs(slack=1.0) == [0, 1, 2, 3, 4]
    # A read within a longer reference ends where it surely ends.
    assert pairs(slack=1.0, span_cost=1e-6) == [1, 2, 3]
    assert pairs() == [1, 3]


def test_nothing_to_decode_gives_no_pairs() -> None:
    posterior = posterior_of({}, 3, 4)
    for options in ({}, {"gap_factor": 1.0}, {"span_cost": 0.1}, {"slack": 1.0}):
        pairs = decode_mea(posterior, **options)
        assert pairs.shape == (0, 2)


# ---------------------------------------------------------------- ties and borders


def test_of_equally_heavy_chains_the_one_that_ends_first_is_taken() -> None:
    """Results do not hang on the order of additions: ties have one answer."""
    rows, columns, weights = sparse({(0, 1): 0.5, (1, 0): 0.5})
    assert heaviest_chain(rows, columns, weights, 2, 0.0)[0].tolist() == [0]
    # Within a row, the one farther to the right is looked at first.
    rows, columns, weights = sparse({(0, 0): 0.5, (0, 1): 0.5})
    assert heaviest_chain(rows, columns, weights, 2, 0.0)[0].tolist() == [1]


@pytest.mark.parametrize("first", range(5))
def test_a_stretch_is_completed_wherever_it_lies(first: int) -> None:
    """Two links in rows of one parity, with a row without posteriors between them."""
    a = first
    cells = {(a, a): 1.0, (a + 2, a + 2): 0.25, (a + 4, a + 4): 0.25, (a + 6, a + 6): 1.0}
    rows, columns, p = sparse(cells)
    found = align_doubtful(rows, columns, p, np.array([0, 3]), 0.5, 7.0, a + 7, a + 7, 1.0, False)
    assert found.tolist() == [0, 1, 2, 3]


def test_without_slack_not_even_a_free_link_is_added() -> None:
    rows, columns, p = sparse({(0, 0): 1.0, (1, 1): 0.5}, np.float32)
    sides = [np.array([1.0, 0.0], dtype=np.float32)] * 2
    # One residue is aligned by expectation; half of the best F1 is 0.5: the second link gains nothing.
    posterior = SparsePosterior(rows, columns, p, *sides)
    assert decode_mea(posterior, slack=0).tolist() == [[0, 0]]
    assert decode_mea(posterior, slack=1e-9).tolist() == [[0, 0], [1, 1]]


def test_a_posterior_cannot_be_changed_and_options_are_named() -> None:
    posterior = posterior_of({(0, 0): 1.0}, 1, 1)
    with pytest.raises(FrozenInstanceError):
        posterior.probability = None
    with pytest.raises(TypeError):
        decode_mea(posterior, 1.0)


@pytest.mark.parametrize("width", [1, 5, 7, 8, 13])
def test_posteriors_of_pairs_are_those_of_the_whole_matrix(width: int) -> None:
    rng = np.random.default_rng(width)
    rows, columns, values = sparse(random_cells(rng, 9, width, 0.4), np.float32)
    found = SparsePosterior(rows, columns, values, np.ones(9, np.float32), np.ones(width, np.float32))
    everywhere = np.stack(np.meshgrid(np.arange(9), np.arange(width), indexing="ij"), axis=-1).reshape(-1, 2)
    asked = rng.permutation(everywhere.astype(np.int32))
    np.testing.assert_array_equal(found.of_pairs(asked), found.dense()[asked[:, 0], asked[:, 1]])


def test_of_two_equal_chains_the_first_one_is_kept() -> None:
    rows, columns, weights = sparse({(0, 0): 1.0, (1, 0): 1.0, (2, 1): 1.0})
    chain, weight = heaviest_chain(rows, columns, weights, 2, 0.0)
    assert (chain.tolist(), weight) == ([0, 2], 2.0)
