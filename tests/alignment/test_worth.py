"""When a model's network is asked about a pair."""

from dataclasses import replace

import numpy as np
import pytest

from genolstm.alignment.context.worth import CODONS, STRETCH, _unevenness, is_doubtful, shows_codons
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
            continue  # by chance, one pair in twelve
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


def test_the_period_of_mismatches_is_measured_as_chi_square() -> None:
    at = np.arange(300, dtype=np.int32)
    third = at % 3 == 2
    assert _unevenness(at, third) == pytest.approx(300)  # all of it explained, with one sample
    assert _unevenness(at, np.zeros(300, bool)) == 0
    assert _unevenness(at, np.ones(300, bool)) == 0
    assert _unevenness(at[:2], np.array([True, False])) == 0
    rng = np.random.default_rng(1)
    by_chance = [_unevenness(at, rng.random(300) < 0.4) for _ in range(2000)]
    # Two degrees of freedom: exp(-x / 2) of them reach x.
    assert np.mean(np.array(by_chance) >= CODONS) == pytest.approx(np.exp(-CODONS / 2), abs=0.02)


class Aligned:
    """What is looked at of an alignment."""

    def __init__(self, query: np.ndarray, reference: np.ndarray) -> None:
        self.masks = query, reference
        self.pairs = np.stack([np.arange(len(query))] * 2, axis=1).astype(np.int32)


def test_genes_in_different_frames_do_not_hide_one_another() -> None:
    size = 3 * STRETCH
    query = np.ones(size, np.uint8)
    frames = np.arange(size) // STRETCH  # a new frame in each stretch
    assert shows_codons(Aligned(query, np.where((np.arange(size) + frames) % 3 == 2, 2, 1).astype(np.uint8)))
    assert not shows_codons(Aligned(query, np.where(np.arange(size) % 2 == 1, 2, 1).astype(np.uint8)))
    assert not shows_codons(Aligned(query[:0], query[:0]))
