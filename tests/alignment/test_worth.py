"""When a model's network is asked about a pair."""

from dataclasses import replace

import numpy as np
import pytest

from genolstm.alignment.context.worth import STRETCH, _unevenness, is_doubtful, shows_codons
from genolstm.alignment.pairhmm.decode import SparsePosterior
from genolstm.alignment.scorer import AlignmentScorer
from genolstm.alignment.simulate.pairs import PRESETS, simulate_pairs

DNA, CODING = (AlignmentScorer.load(name) for name in ("dna", "coding"))
PLAIN = AlignmentScorer.load("dna", classical=True)


def pairs(kind: str, divergence: float, n: int = 4):
    settings = replace(PRESETS[kind], length=(500, 500), divergence=(divergence, divergence))
    return [pair.texts for pair in simulate_pairs(settings, n, seed=311)]


@pytest.mark.parametrize(("kind", "divergence"), [("homogeneous", 0.02), ("homogeneous", 0.5), ("coding", 0.02)])
def test_where_nothing_is_to_be_gained_a_pair_is_as_the_plain_aligner_has_it(kind: str, divergence: float) -> None:
    for texts in pairs(kind, divergence):
        found, plain = (scorer.align(*texts, strand="plus") for scorer in (DNA, PLAIN))
        assert is_doubtful(plain) == (divergence == 0.5)
        if is_doubtful(plain) and shows_codons(plain):
            continue  # by chance, one pair in ten
        assert (found.context_bits, found.model) == (0.0, "classical")
        np.testing.assert_array_equal(found.pairs, plain.pairs)
        np.testing.assert_array_equal(found.posteriors, plain.posteriors)


def test_coding_sequence_that_is_in_doubt_is_aligned_in_context() -> None:
    found = [DNA.align(*texts, strand="plus") for texts in pairs("coding", 2.6)]
    assert [one.model for one in found] == ["dna"] * 4
    assert min(one.context_bits for one in found) > 8


def test_a_model_for_coding_sequence_is_asked_about_every_pair() -> None:
    for divergence in (0.02, 0.5):
        assert CODING.align(*pairs("homogeneous", divergence, 1)[0], strand="plus").context_bits != 0


def test_the_period_of_mismatches_is_a_sum_of_standard_scores() -> None:
    at = np.arange(300, dtype=np.int32)
    both, one, sure = np.stack([at, at], axis=1), np.stack([at, at // 2], axis=1), np.ones(300)
    third = at % 3 == 2
    # 100 mismatches, all at one of three positions: 100 - 100 / 3 more than expected, of variance 300 (1/3 2/3)^2.
    assert _unevenness(both, third, sure) == pytest.approx(2 * 200 / 3 / np.sqrt(300 * 4 / 81))
    assert _unevenness(one, third, sure) < 0.7 * _unevenness(both, third, sure)
    assert _unevenness(both, np.zeros(300, bool), sure) == 0
    assert _unevenness(both, np.ones(300, bool), sure) == 0
    assert _unevenness(both, third, 0 * sure) == 0
    assert _unevenness(both[:2], np.array([True, False]), sure[:2]) == 0
    rng = np.random.default_rng(1)
    # Columns of no posterior are no columns.
    more = np.concatenate([both, rng.integers(0, 300, (80, 2)).astype(np.int32)])
    filled = _unevenness(more, np.append(third, rng.random(80) < 0.5), np.append(sure, np.zeros(80)))
    assert filled == pytest.approx(_unevenness(both, third, sure))


def test_few_pairs_without_codons_look_like_genes() -> None:
    found = [PLAIN.align(*texts, strand="plus") for texts in pairs("homogeneous", 0.4, 120)]
    assert 0 < np.mean([shows_codons(one) for one in found]) < 0.2


class Aligned:
    """What is looked at of an alignment."""

    def __init__(self, query: np.ndarray, reference: np.ndarray) -> None:
        self.masks = query, reference
        at = np.arange(len(query), dtype=np.int32)
        sure = np.ones(len(query), np.float32)
        self.pairs = np.stack([at, at], axis=1)
        self.posterior = SparsePosterior(at, at, sure, sure, sure)


def test_genes_in_different_frames_do_not_hide_one_another() -> None:
    size = 3 * STRETCH
    query = np.ones(size, np.uint8)
    frames = np.arange(size) // STRETCH  # a new frame in each stretch
    assert shows_codons(Aligned(query, np.where((np.arange(size) + frames) % 3 == 2, 2, 1).astype(np.uint8)))
    assert not shows_codons(Aligned(query, np.where(np.arange(size) % 2 == 1, 2, 1).astype(np.uint8)))
    assert not shows_codons(Aligned(query[:0], query[:0]))
