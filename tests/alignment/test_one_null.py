"""Scores of one query can be compared: exact copies share the placement, and a better copy is primary."""

from __future__ import annotations

import numpy as np
import pytest
from Bio.Seq import Seq
from Bio.SeqRecord import SeqRecord
from hypothesis import given, settings
from hypothesis import strategies as st

from genolstm.alignment.result import rank_references
from genolstm.alignment.scorer import AlignmentScorer
from genolstm.alignment.search.searcher import Searcher
from genolstm.alignment.settings import SearchSettings

SCORER = AlignmentScorer()


def letters(rng: np.random.Generator, n: int, gc: float = 0.5) -> str:
    return "".join(rng.choice(list("ACGT"), n, p=np.array([1 - gc, gc, gc, 1 - gc]) / 2))


def turned(text: str) -> str:
    return str(Seq(text).reverse_complement())


def record(text: str, name: str) -> SeqRecord:
    return SeqRecord(Seq(text), id=name)


def mutated(text: str, at: list[int]) -> str:
    return "".join("ACGT"["ACGT".index(x) - 1] if k in at else x for k, x in enumerate(text))


@st.composite
def places(draw) -> tuple[str, tuple[str, str], tuple[str, str], tuple[str, str]]:
    """A query of 70 bp, the surroundings of two places for it (of any GC), and how it lies in each."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    query = letters(rng, 70, draw(st.floats(0.3, 0.7)))
    gcs = draw(st.tuples(st.floats(0.25, 0.75), st.floats(0.25, 0.75)))
    sizes = draw(st.tuples(st.integers(20, 500), st.integers(20, 500)))
    flanks = [(letters(rng, n // 2, gc), letters(rng, n, gc)) for n, gc in zip(sizes, gcs, strict=True)]
    strands = draw(st.tuples(st.booleans(), st.booleans()))
    copies = tuple(query if plus else turned(query) for plus in strands)
    return query, copies, *flanks


def scored(query: str, references: list[SeqRecord]) -> list:
    own = record(query, "q")
    found = [SCORER.align(own, r, mode="semiglobal") for r in references]
    rank_references(found)
    return sorted(found, key=lambda a: a.is_secondary)


def searched(query: str, references: list[SeqRecord], most: int = 5) -> list:
    chosen = SearchSettings(evalue=1e-3, max_hits=most, exact=len(references) > 1)
    searcher = Searcher(references, scorer=SCORER, settings=chosen, threads=1)
    return searcher.search([record(query, "q")])[0]


@given(places())
@settings(max_examples=6, deadline=None)
def test_exact_copies_share_the_placement(found) -> None:
    query, copies, first, second = found
    two = [record(a + x + b, n) for n, x, (a, b) in zip("xy", copies, (first, second), strict=True)]
    one = [record(str(two[0].seq) + str(two[1].seq), "both")]
    for hits in (scored(query, two), searched(query, two)):
        assert [a.is_secondary for a in hits] == [False, True]
        assert all(2 <= a.mapq <= 4 for a in hits), [a.mapq for a in hits]
        assert hits[0].place_bits == pytest.approx(hits[1].place_bits, abs=0.3)
    assert 2 <= scored(query, one)[0].mapq <= 4
    assert all(2 <= a.mapq <= 4 for a in searched(query, one))


@given(places(), st.sets(st.integers(8, 61), min_size=2, max_size=5))
@settings(max_examples=6, deadline=None)
def test_the_better_copy_is_primary(found, at: set[int]) -> None:
    query, copies, first, second = found
    worse = mutated(query, list(at))
    worse = worse if copies[1] == query else turned(worse)
    two = [record(a + x + b, n) for n, x, (a, b) in zip("xy", (copies[0], worse), (first, second), strict=True)]
    for hits in (scored(query, two), scored(query, two[::-1]), searched(query, two)):
        assert hits[0].reference_name == "x"
        assert not hits[0].is_secondary
        assert all(a.is_secondary for a in hits[1:])
        assert hits[0].mapq > 10


@pytest.mark.parametrize("most", [1, 3])
def test_copies_in_other_windows_count_even_where_they_are_not_shown(most: int) -> None:
    rng = np.random.default_rng(5)
    query = letters(rng, 60)
    genome = letters(rng, 1500, 0.3) + query + letters(rng, 1500, 0.7) + turned(query) + letters(rng, 900, 0.4)
    hits = searched(query, [record(genome, "c")], most)
    assert {a.reference_span[0] for a in hits} <= {1500, 3060}
    assert [a.mapq for a in hits] == [3] * min(most, 2)
    alone = searched(query, [record(genome[:3000], "c")], most)
    assert [a.mapq for a in alone] == [60]


def test_nothing_of_the_reference_enters_the_null_model() -> None:
    rng = np.random.default_rng(6)
    query = letters(rng, 80)
    bits = [
        SCORER.score(query, around + query + around, mode="semiglobal", strand="plus")
        for around in ("A" * 200, "G" * 200, "C" * 200)
    ]
    assert max(bits) - min(bits) < 0.05


def test_both_strands_of_a_query_score_alike() -> None:
    rng = np.random.default_rng(7)
    query, around = letters(rng, 80, 0.3), letters(rng, 100, 0.7)
    reference = around + mutated(query, [20, 50]) + around
    bits = SCORER.score(query, reference, mode="semiglobal", strand="plus")
    assert SCORER.score(query, turned(reference), mode="semiglobal", strand="minus") == pytest.approx(bits, abs=1e-3)
