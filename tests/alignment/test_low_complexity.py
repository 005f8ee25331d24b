"""Low complexity of queries: found, left out of E-values, and said."""

from __future__ import annotations

import numpy as np
import pytest
from Bio.Seq import Seq, reverse_complement
from Bio.SeqRecord import SeqRecord

from genolstm.alignment.scorer import AlignmentScorer
from genolstm.alignment.search.searcher import Searcher
from genolstm.alignment.settings import SearchSettings
from genolstm.alignment.significance import CLEAR_EVIDENCE
from genolstm.sequences.low_complexity import without_low_complexity
from genolstm.sequences.masks import N, decode_masks, encode_masks


def drawn(seed: int, length: int) -> str:
    return "".join(np.random.default_rng(seed).choice(list("ACGT"), length))


def masked(text: str) -> str:
    return decode_masks(without_low_complexity(encode_masks(text)))


def test_repeats_are_found_and_nothing_else_changes() -> None:
    left, right = drawn(1, 60), drawn(2, 60)
    text = left + "ACATG" * 12 + right
    found = masked(text)
    low = [k for k, letter in enumerate(found) if letter == "N"]
    assert set(range(65, 115)) <= set(low)
    assert min(low) > 50
    assert max(low) < 140
    assert all(a == b for a, b in zip(text, found, strict=True) if b != "N")


@pytest.mark.parametrize("text", ["", "A", "ACG", "N" * 40, "ACGTNNRYKM"])
def test_what_is_short_or_unknown_is_left_as_it_is(text: str) -> None:
    masks = encode_masks(text) if text else np.empty(0, np.uint8)
    assert without_low_complexity(masks) is masks


def test_what_is_given_is_not_changed() -> None:
    masks = encode_masks("AC" * 30)
    assert (without_low_complexity(masks) == N).sum() > 50
    assert decode_masks(masks) == "AC" * 30


REPEAT = "CAG" * 14
PAIR = drawn(3, 40) + REPEAT + drawn(4, 40), drawn(5, 60) + REPEAT + drawn(6, 60)
"""Unrelated, but for the same repeat in each."""


@pytest.mark.parametrize("mode", ["local", "semiglobal"])
@pytest.mark.parametrize("strand", ["+", "-"])
def test_a_repeat_in_common_is_no_evidence(mode: str, strand: str) -> None:
    scorer = AlignmentScorer.load("dna")
    query, reference = PAIR
    if strand == "-":
        query = reverse_complement(query)
    naive = scorer.align(query, reference, mode=mode, qmask="none")
    found = scorer.align(query, reference, mode=mode)
    assert None not in (naive.evalue, found.evalue)
    assert naive.evalue < 1e-3
    assert found.evalue > 0.05
    assert found.p_homolog < naive.p_homolog
    # Scores and columns are of all letters.
    assert (found.bits, found.cigar) == (naive.bits, naive.cigar)
    assert naive.evidence is None
    assert found.evidence.bits == pytest.approx(scorer.score(masked(query), reference, mode=mode))


def test_a_clear_score_is_less_by_all_that_it_can_owe() -> None:
    scorer = AlignmentScorer.load("dna")
    query = drawn(7, 60) + REPEAT + drawn(8, 60)
    found = scorer.align(query, query)
    low = masked(query).count("N")
    exact = scorer.score(masked(query), query)
    assert found.evidence.bits == pytest.approx(found.bits - low * 2, abs=0.4 * low)
    assert CLEAR_EVIDENCE < found.evidence.bits <= exact


def test_relatives_are_found_by_the_rest() -> None:
    query = drawn(7, 60) + REPEAT + drawn(8, 60)
    reference = drawn(9, 30) + query + drawn(10, 30)
    found = AlignmentScorer.load("dna").align(query, reference, mode="semiglobal")
    assert found.evalue < 1e-20
    assert found.cigar.startswith("162=")


def test_of_long_pairs_the_expected_worth_is_taken_off() -> None:
    # More cells than are visited without a band.
    query = drawn(11, 2100) + REPEAT + drawn(12, 2100)
    reference = drawn(13, 2100) + REPEAT + drawn(14, 2100)
    scorer = AlignmentScorer.load("dna", classical=True)
    same = scorer.align(query, query, strand="plus")
    assert same.evidence is not None
    exact = scorer.score(masked(query), query, strand="plus")
    assert exact - 20 < same.evidence.bits < exact + 0.1
    other = scorer.align(query, reference, mode="local", strand="plus")
    assert other.evidence.bits < other.bits - 40


def test_searches_say_the_same_as_scores_and_what_is_hidden(cli, tmp_path) -> None:
    queries, references = tmp_path / "q.fa", tmp_path / "r.fa"
    relative = drawn(15, 50) + REPEAT + drawn(16, 50)
    queries.write_text(f">strange\n{PAIR[0]}\n>related\n{relative}\n>repeat\n{'AT' * 40}\n>plain\n{drawn(17, 100)}\n")
    references.write_text(f">r1\n{PAIR[1]}\n>r2\n{drawn(18, 20)}{relative}{drawn(19, 20)}\n>r3\n{'AT' * 60}\n")
    got = cli("align", "search", queries, references, "--evalue", 0.01, "--mode", "local")
    assert got.code == 0
    rows = [line.split("\t") for line in got.out.splitlines()]
    assert [(r[0], r[5]) for r in rows] == [("related", "r2")]
    assert "low complexity of 1 query counts for nothing" in got.err
    assert "warning: 2 queries without a hit are like a reference in low complexity alone" in got.err
    scored = cli("align", "score", queries, references, "--mode", "local", "--classical")
    assert "low complexity of 9 pairs counts for nothing" in scored.err
    own = [line.split("\t") for line in scored.out.splitlines()]
    (line,) = [r for r in own if (r[0], r[5]) == ("related", "r2")]
    tag = {x[:2]: float(x[5:]) for x in line if x.startswith(("xe", "xb"))}
    other = {x[:2]: float(x[5:]) for x in rows[0] if x.startswith(("xe", "xb"))}
    assert tag["xb"] == pytest.approx(other["xb"], abs=0.01)
    assert tag["xe"] == pytest.approx(other["xe"], rel=0.1)
    everything = cli("align", "search", queries, references, "--evalue", 0.01, "--mode", "local", "--qmask", "none")
    assert {r.split("\t")[0] for r in everything.out.splitlines()} == {"strange", "related", "repeat"}
    assert "low complexity" not in everything.err


def test_too_few_letters_left_have_no_e_value() -> None:
    scorer = AlignmentScorer.load("dna")
    found = scorer.align("AT" * 40, "AT" * 40, mode="local")
    assert (found.evalue, found.p_homolog) == (None, None)
    assert found.evidence.bases < 20


def test_ambiguous_letters_count_alike_in_search_and_score() -> None:
    scorer = AlignmentScorer.load("dna", classical=True)
    text = drawn(20, 40)
    query, reference = (
        SeqRecord(Seq(text + "N" * 40 + drawn(21, 20)), id="q"),
        SeqRecord(Seq(text + drawn(22, 60)), id="r"),
    )
    searcher = Searcher(
        [reference],
        scorer=scorer,
        settings=SearchSettings(evalue=1e3),
        significance=scorer.significance,
        mode="semiglobal",
        threads=1,
    )
    ((hit,),) = searcher.search([query])
    assert hit.evalue == pytest.approx(scorer.align(query, reference, mode="semiglobal").evalue, rel=0.05)
