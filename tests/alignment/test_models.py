"""The shipped aligners: what they say of themselves, and what they are good for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from genolstm import AlignmentScorer
from genolstm.alignment.evaluate import compare_pairs
from genolstm.alignment.simulate.pairs import PRESETS, simulate_pairs
from genolstm.lstm.bundle.bundle import Bundle, find_bundle


@pytest.mark.parametrize("name", ["dna", "coding", "rna", "adna"])
def test_a_shipped_aligner_is_small_and_has_a_card(name: str) -> None:
    path = find_bundle(name)
    assert path.stat().st_size < 1_000_000
    bundle = Bundle.open(path)
    assert bundle.kind == "alignment"
    assert f"# {name}" in bundle.card
    assert AlignmentScorer.load(name).align("ACGTACGTTGCA", "ACGTACGTTGCA").cigar == "12="


def f1(scorer: AlignmentScorer, pairs: list) -> tuple[np.ndarray, list[str]]:
    found = list(scorer.align_many([p.texts for p in pairs], strand="plus", threads=2))
    scores = [compare_pairs(a.pairs, p.pairs).f1 for a, p in zip(found, pairs, strict=True)]
    return np.array(scores), [a.model for a in found]


def test_context_helps_coding_sequence() -> None:
    settings = replace(PRESETS["coding"], divergence=(4.2, 4.2))
    pairs = list(simulate_pairs(settings, 24, seed=601))
    plain, _ = f1(AlignmentScorer.load("dna", classical=True), pairs)
    for name in ("dna", "coding"):
        ours, models = f1(AlignmentScorer.load(name), pairs)
        assert models.count(name) > 18
        assert ours.mean() > plain.mean() + 0.01


def test_homogeneous_sequence_is_left_to_the_plain_pair_hmm() -> None:
    pairs = list(simulate_pairs(PRESETS["homogeneous"], 16, seed=602, divergences=[0.8] * 16))
    plain, _ = f1(AlignmentScorer.load("dna", classical=True), pairs)
    ours, models = f1(AlignmentScorer.load("dna"), pairs)
    assert models.count("classical") > 12
    assert ours.mean() > plain.mean() - 0.005


def test_the_preset_for_rna_reads_u_as_t_and_expects_fewer_gaps() -> None:
    rna, dna = AlignmentScorer.load("rna"), AlignmentScorer.load("dna", classical=True)
    settings = replace(PRESETS["homogeneous"], indel_rate=(0.01, 0.02), shape=(2.0, 3.0), length=(80, 120))
    pairs = list(simulate_pairs(settings, 60, seed=603, divergences=[0.9] * 60))
    assert f1(rna, pairs)[0].mean() > f1(dna, pairs)[0].mean() + 0.005
    query, reference = pairs[0].texts
    read = rna.align(query.replace("T", "U"), reference, strand="plus")
    assert (read.pairs == rna.align(query, reference, strand="plus").pairs).all()


def test_scorers_and_alignments_say_what_they_are() -> None:
    scorer = AlignmentScorer.load("adna")
    assert repr(scorer) == (
        "<AlignmentScorer 'adna': semiglobal, strand both; parameters for each pair; classical; "
        "damaged queries; E-values>"
    )
    assert repr(AlignmentScorer.load("dna")).startswith("<AlignmentScorer 'dna': global, strand both;")
    assert "with a network for context" in repr(AlignmentScorer.load("dna"))
    assert repr(AlignmentScorer()).startswith("<AlignmentScorer unnamed: global")
    found = AlignmentScorer.load("dna").align("ACGTTGCATTTAGCACCATGACAG", "ACGTTCCATTAGCACCTTGACAG")
    assert repr(found) == (
        "<PosteriorAlignment of query[0:24] (+) with reference[0:23]: 24 columns, identity 0.875, "
        f"mean posterior {found.mean_posterior:.3f}, {found.bits:.1f} bits, E-value {found.evalue:.2g}>"
    )
    assert found.evalue is not None
    assert "E-value not calibrated" in repr(AlignmentScorer().align("ACGTTGCA", "ACGTTGCA"))
