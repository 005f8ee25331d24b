"""The network that feeds the pair-HMM: its terms, its loss, its inference, its bundle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from genolstm.alignment.context.loss import _loss_of_pair, add_noise
from genolstm.alignment.context.model import aligner_metadata, read_aligner
from genolstm.alignment.context.terms import (
    FIELDS,
    PADDING,
    RADIUS,
    SIGNS,
    UNARY,
    WIDTH,
    NetworkContext,
    adjust,
    factors,
    features,
    interpret,
    network_config,
)
from genolstm.alignment.context.train import MIXTURES, LabelledPair, pack_pairs, simulate_mixture
from genolstm.alignment.metadata import KIND
from genolstm.alignment.pairhmm.damage import DamageProfile
from genolstm.alignment.pairhmm.parameters import ParameterFamily
from genolstm.alignment.scorer import AlignmentScorer
from genolstm.alignment.simulate.pairs import SimulationSettings, simulate_pairs
from genolstm.errors import ModelError
from genolstm.lstm.bundle.bundle import save_bundle
from genolstm.lstm.bundle.export import write_onnx
from genolstm.sequences.masks import encode_masks

CONFIG = network_config(units=6, filters=8, kernel_size=5)
PAIRS = list(simulate_pairs(SimulationSettings(length=(60, 90), divergence=(0.2, 0.8)), 12, seed=31))


def make_graph(seed: int = 1, gate: float = 2.0, scale: float = 0.6, unary: float = 0.0) -> bytes:
    rng = np.random.default_rng(seed)
    weights = {name: rng.normal(0, scale, shape).astype(np.float32) for name, shape in CONFIG.weight_shapes.items()}
    for name in ("gate", "gap_gate", "evidence"):
        weights["head/bias"][FIELDS[name]] = gate
    weights["head/bias"][FIELDS["unary"]] += unary
    return write_onnx(CONFIG, weights)


def test_the_gradient_of_both_losses_is_that_of_differences() -> None:
    data = pack_pairs(PAIRS[:3], ParameterFamily(), threads=1)
    rng = np.random.default_rng(5)
    # A copy without noise: the two then differ by the terms alone, and the loss is not flat.
    targets = {**data.targets, "codes": np.concatenate([data.codes, data.codes], axis=1)}
    steps, k = data.codes.shape[2] - PADDING, 1
    vectors = rng.normal(0, 0.4, (4, steps, 6))
    gap_open, rates = rng.normal(0, 0.4, (4, steps, 2)), rng.normal(0, 0.3, (2, 5))
    for known in (True, False):
        given = (vectors[:2], gap_open[:2], rates[0]) if known else (vectors, gap_open, rates)
        _, *slopes = _loss_of_pair(*given, targets, k, known)
        for array, slope in zip(given, slopes, strict=True):
            largest = np.argsort(np.abs(slope).ravel())[-4:]
            for flat in largest:
                place = np.unravel_index(flat, array.shape)
                kept, step = array[place], 1e-4
                array[place] = kept + step
                above = _loss_of_pair(*given, targets, k, known)[0]
                array[place] = kept - step
                below = _loss_of_pair(*given, targets, k, known)[0]
                array[place] = kept
                measured = (above - below) / (2 * step)
                assert abs(measured) > 1e-7
                assert slope[place] == pytest.approx(measured, rel=2e-3, abs=1e-8)


def test_terms_are_bounded_and_vanish_with_the_gate() -> None:
    outputs = np.random.default_rng(3).normal(0, 50, (40, WIDTH)).astype(np.float32)
    terms = interpret(np, outputs)
    product = factors(np, terms, SIGNS, True) @ factors(np, terms, SIGNS, False).T
    assert np.abs(product).max() <= RADIUS**2 + 2 * UNARY + 1e-4
    assert (terms.gate >= 0).all()
    assert (terms.gate <= 1).all()
    outputs[:, FIELDS["gate"]] = outputs[:, FIELDS["gap_gate"]] = -1e4
    shut = interpret(np, outputs)
    assert not shut.gate.any()
    assert not shut.gap_open.any()
    assert not shut.rates.any()


def test_contextual_term_is_alike_in_either_order() -> None:
    net = NetworkContext(make_graph(), "x")
    a, b = (net.encode(encode_masks("".join("ACGT"[c] for c in s))) for s in (PAIRS[0].query, PAIRS[0].reference))
    np.testing.assert_allclose(a.first @ b.second.T, (b.first @ a.second.T).T, atol=1e-4)


def test_features_are_expectations_between_paddings() -> None:
    x = features(encode_masks("ARN"))
    assert x.shape == (3 + 2 * PADDING, 4)
    np.testing.assert_allclose(x[PADDING : PADDING + 3], [[1, 0, 0, 0], [0.5, 0, 0.5, 0], [0.25] * 4])
    assert not x[:PADDING].any()
    assert not x[PADDING + 3 :].any()


def test_no_change_of_rates_changes_nothing() -> None:
    member = ParameterFamily().member(0.7, 0.05)
    assert adjust(member, np.zeros(5)) == member
    extreme = adjust(ParameterFamily().member(2.0, 0.3), np.full(5, 1.5))
    assert extreme.gap_open[0] > member.gap_open[0]


@pytest.mark.parametrize("mode", ["global", "semiglobal", "local"])
def test_shut_gates_give_the_classical_aligner(mode: str) -> None:
    shut = AlignmentScorer(contextual=NetworkContext(make_graph(gate=-1e4), "shut"))
    plain = AlignmentScorer()
    for pair in PAIRS:
        ours, theirs = (s.align(*pair.texts, mode=mode) for s in (shut, plain))
        assert ours.bits == pytest.approx(theirs.bits, abs=1e-4)
        np.testing.assert_array_equal(ours.pairs, theirs.pairs)
        np.testing.assert_allclose(ours.posteriors, theirs.posteriors, atol=1e-4)


@pytest.mark.parametrize(("unary", "name"), [(1.0, "net"), (-9.0, "classical")])
def test_the_likelier_model_aligns_and_is_named(unary: float, name: str) -> None:
    net = NetworkContext(make_graph(unary=unary), "net")
    for pair in PAIRS[:4]:
        found = AlignmentScorer(contextual=net).align(*pair.texts)
        plain = AlignmentScorer().align(*pair.texts)
        assert found.model == name
        assert (found.context_bits > 0) == (name == "net")
        assert found.bits == plain.bits
        if name == "classical":
            np.testing.assert_array_equal(found.pairs, plain.pairs)


def test_noise_changes_letters_only() -> None:
    data = pack_pairs(PAIRS[:4], ParameterFamily(), threads=1)
    codes, targets = add_noise(data.codes, data.targets, np.random.default_rng(1))
    assert codes.shape[1] == 4
    np.testing.assert_array_equal(codes, targets["codes"])
    np.testing.assert_array_equal(codes[:, :2], data.codes)
    np.testing.assert_array_equal(codes[:, 2:] == 4, data.codes == 4)
    changed = (codes[:, 2:] != data.codes).mean()
    assert 0 < changed < 0.06


def test_long_sequences_are_read_around_what_is_aligned() -> None:
    rng = np.random.default_rng(8)
    long = "".join(rng.choice(list("ACGT"), 9000))
    query = long[5000:5300]
    net = NetworkContext(make_graph(gate=0.0, scale=0.2), "net")
    seen = []
    encode = net.encode
    net.encode = lambda masks: seen.append(len(masks)) or encode(masks)  # type: ignore[method-assign]
    found = AlignmentScorer(contextual=net).align(query, long, mode="semiglobal", strand="plus", band=50)
    assert found.reference_span == (5000, 5300)
    assert max(seen) < 3000


def test_data_for_training_hold_what_the_pairs_say() -> None:
    pairs = simulate_mixture(MIXTURES["dna"], 12, seed=3)
    data = pack_pairs(pairs, ParameterFamily(), threads=2)
    assert data.codes.shape[:2] == (12, 2)
    for k, pair in enumerate(pairs):
        n = len(pair.query)
        np.testing.assert_array_equal(data.codes[k, 0, PADDING : PADDING + n], pair.query)
        assert (data.codes[k, 0, PADDING + n :] == 4).all()
        partner = data.targets["partner"][k]
        aligned = np.flatnonzero(partner >= 0)
        np.testing.assert_array_equal(np.stack([aligned, partner[aligned]], 1), pair.pairs)
        frame = data.targets["frame"][k, 0, PADDING : PADDING + n]
        assert set(np.unique(frame)) <= set(range(7))
        assert ((frame >= 4) == (pair.query_phase < 0)).all()
    again = simulate_mixture(MIXTURES["dna"], 12, seed=3)
    assert all((a.query == b.query).all() for a, b in zip(pairs, again, strict=True))
    unknown = LabelledPair(
        np.array([0, 4, 2, 3], np.uint8), np.array([0, 1, 2, 3], np.uint8), np.array([[0, 0], [1, 1]], np.int32)
    )
    assert (pack_pairs([unknown], ParameterFamily()).targets["frame"] == 255).all()


def test_a_bundle_gives_the_aligner_back(tmp_path: Path) -> None:
    graph = make_graph()
    path = tmp_path / "mine.genolstm"
    family = ParameterFamily(kappa=5.0)
    save_bundle(
        path,
        kind=KIND,
        members={"model.onnx": graph},
        config=CONFIG,
        metadata=aligner_metadata(family, mode="semiglobal", damage=DamageProfile(inside=0.02)),
    )
    parts = read_aligner(path)
    assert (parts.name, parts.family, parts.mode) == ("mine", family, "semiglobal")
    assert parts.damage == DamageProfile(inside=0.02)
    assert parts.contextual is not None
    assert AlignmentScorer.load(path, classical=True).contextual is None
    assert AlignmentScorer.load(path).settings.mode == "semiglobal"


def test_other_bundles_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is a model for introgression"):
        read_aligner("archaic")
    path = tmp_path / "protein.genolstm"
    metadata = aligner_metadata(ParameterFamily()) | {"alphabet": "protein"}
    save_bundle(path, kind=KIND, members={}, metadata=metadata)
    with pytest.raises(ModelError, match="alphabet"):
        read_aligner(path)
    save_bundle(path, kind=KIND, members={}, metadata={"alphabet": "dna"}, force=True)
    with pytest.raises(ModelError, match="lacks or misstates 'family'"):
        read_aligner(path)


def test_scores_of_a_calibrated_model_say_what_they_mean(cli, tmp_path: Path) -> None:
    for name, side in (("q.fa", 0), ("r.fa", 1)):
        text = "".join(f">{name[0]}{k}\n{p.texts[side]}\n" for k, p in enumerate(PAIRS[:3]))
        (tmp_path / name).write_text(text)
    got = cli("align", "score", tmp_path / "q.fa", tmp_path / "r.fa", "--classical", "-q")
    rows = [line.split("\t") for line in got.out.splitlines()]
    tags = [{f[:2]: f[5:] for f in row[12:]} for row in rows]
    kin = np.array([row[0][1:] == row[5][1:] for row in rows])
    evalue, related = (np.array([float(t[name]) for t in tags]) for name in ("xe", "xh"))
    assert kin.sum() == 3
    assert evalue[kin].max() < evalue[~kin].min()
    assert related[kin].max() > 0.99
    assert related[~kin].max() < 0.5
    assert {t["xm"] for t in tags} == {"classical"}
    one = AlignmentScorer.load("dna", classical=True).align(*PAIRS[0].texts)
    among = next(t for row, t in zip(rows, tags, strict=True) if row[0] == "q0" and row[5] == "r0")
    assert one.evalue is not None
    # More references, more chance hits.
    assert float(among["xe"]) > 1.2 * one.evalue
