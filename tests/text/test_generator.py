import itertools

import numpy as np
import pytest
from support.lstm import random_weights
from support.text import ALPHABET, next_config, random_dna, toy, toy_bytes, toy_dna

from genolstm.errors import InputError, ModelError, SettingError
from genolstm.lstm.bundle.bundle import Bundle
from genolstm.lstm.bundle.stepper import Stepper
from genolstm.text import scoring
from genolstm.text.corpus import dna_corpus, text_corpus
from genolstm.text.generator import TextGenerator
from genolstm.text.sampling import Sampling
from genolstm.text.scoring import binned
from genolstm.text.spectrum import compare_spectra, spectrum


def reference(alphabet, text, n, uniforms, temperature=1.0):
    """Generate with an LSTM written out in NumPy, all symbols read anew for each."""
    config = next_config(len(alphabet))
    weights = random_weights(config, 0, 0.9)
    codes = [len(alphabet), *(alphabet.index(symbol) for symbol in text)]

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    for uniform in uniforms[:n]:
        h = c = np.zeros(6)
        for code in codes:
            z = (
                weights["input/embeddings"][code] @ weights["lstm1/forward/kernel"]
                + h @ weights["lstm1/forward/recurrent_kernel"]
                + weights["lstm1/forward/bias"]
            )
            i, f, g, o = np.split(z, 4)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
        logits = (h @ weights["head/kernel"] + weights["head/bias"]) / temperature
        p = np.exp(logits - logits.max())
        reached = np.cumsum(p / p.sum())
        codes.append(int(np.searchsorted(reached, uniform * reached[-1], side="right")))
    return "".join(alphabet[code] for code in codes[1 + len(text) :])


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_generation_is_that_of_the_equations(temperature):
    uniforms = np.random.default_rng([7, 0]).random(4096)
    found = toy().sample("dead ", 60, seed=7, temperature=temperature)
    assert found == reference(ALPHABET, "dead ", 60, uniforms, temperature)


def test_the_same_seed_gives_the_same_symbols_however_they_are_made():
    expected = [toy().sample("ab", 300, seed=5, stream=i) for i in range(4)]
    assert len(set(expected)) == 4
    for threads in (1, 3):
        model = TextGenerator(Bundle.from_bytes(toy_bytes()), threads=threads)
        assert model.sample_many(4, "ab", 300, seed=5) == expected
        assert model.sample_many(2, "ab", 300, seed=5) == expected[:2]
    assert toy().sample("ab", 120, seed=5) == expected[0][:120]
    assert toy().sample("ab", 300, seed=6) != expected[0]


def test_more_than_one_block_of_random_numbers():
    whole = toy().sample("", 4200, seed=2)
    assert len(whole) == 4200
    assert whole[:4096] == toy().sample("", 4096, seed=2)


def test_symbols_come_one_by_one():
    symbols = toy().symbols_stream("a", 10**9, seed=1)
    first = "".join(itertools.islice(symbols, 40))
    assert first == toy().sample("a", 40, seed=1)


def test_a_window_model_reads_its_last_window_anew():
    model = toy(mode="window", window=5)
    found = model.sample("abcde", 40)
    codes = [ALPHABET.index(symbol) for symbol in "abcde"]
    for symbol in found:
        x = (np.array(codes[-5:], np.float32) / np.float32(len(ALPHABET)))[None, :, None]
        assert symbol == ALPHABET[int(model.runtime.predict(x)[0, -1].argmax())]
        codes.append(ALPHABET.index(symbol))
    assert found == model.sample("abcde", 40, seed=9)  # the likeliest symbol needs no luck
    assert model.sample("", 20) == model.sample(ALPHABET[2:] * 3, 20)  # its text's opening


def test_a_window_model_can_carry_its_state():
    model = toy(mode="window", window=5)
    stepper = Stepper(model.bundle)
    codes, expected = [2, 3], []
    for _ in range(20):
        for code in codes:
            y = stepper.step(np.full((1, 1), code / np.float32(len(ALPHABET)), np.float32))
        codes = [int(y[0].argmax())]
        expected.append(ALPHABET[codes[0]])
    assert model.sample(ALPHABET[2:4], 20, carry=True) == "".join(expected)
    with pytest.raises(SettingError, match="must carry"):
        toy().sample("a", 2, carry=False)


def test_prompts_with_unknown_symbols():
    with pytest.raises(InputError, match=r"never saw 'X'"):
        toy().sample("aXb", 5)
    assert toy().sample("aXb", 50, skip_unknown=True) == toy().sample("ab", 50)
    assert toy_dna().sample("acgu", 50) == toy_dna().sample("ACGT", 50)


@pytest.mark.parametrize("codes", [random_dna(50), np.array([4, 4, 0, 1, 4, 4, 4, 2], np.uint8)])
def test_scores_are_what_the_network_says_step_by_step(codes):
    model = toy_dna()
    stepper, expected, last = Stepper(model.bundle), [], 4
    y = stepper.step(np.array([last], np.int32))[0]
    for code in codes.tolist():
        expected.append(-np.log2(y[code]) if code < 4 else np.nan)
        if not (code == last == 4):  # a run of unknown bases is one boundary
            y = stepper.step(np.array([code], np.int32))[0]
        last = code
    found = model.score(dna_corpus([("x", codes)])).records[0].bits
    assert found == pytest.approx(expected, abs=1e-4, nan_ok=True)


def test_long_records_are_read_in_stretches(monkeypatch):
    codes = random_dna(3000)
    whole = toy_dna().score(dna_corpus([("x", codes)])).records[0].bits
    monkeypatch.setattr(scoring, "WARM_UP", 100)
    monkeypatch.setattr(scoring, "KEPT", 150)
    found = {
        threads: TextGenerator(Bundle.from_bytes(toy_bytes("ACGT", "dna")), threads=threads)
        .score(dna_corpus([("x", codes)]))
        .records[0]
        .bits
        for threads in (1, 3)
    }
    assert found[1] == pytest.approx(whole, abs=1e-4)
    assert np.array_equal(found[1], found[3])


def test_a_window_model_scores_what_stands_after_whole_windows():
    model = toy(mode="window", window=5)
    text = "abc\nbad ace dead"
    bits = model.bits(text)
    assert np.isnan(bits[:5]).all()
    codes = np.array([ALPHABET.index(symbol) for symbol in text])
    x = (codes[3:8].astype(np.float32) / np.float32(len(ALPHABET)))[None, :, None]
    expected = -np.log2(model.runtime.predict(x)[0, -1, codes[8]])
    assert bits[8] == pytest.approx(expected, abs=1e-5)


def test_totals_of_a_score():
    found = toy().score(text_corpus([("x", "abc"), ("y", "de")], ALPHABET))
    bits = np.concatenate([record.bits for record in found.records])
    assert found.symbols == 5
    assert found.bits_per_symbol == pytest.approx(bits.mean())
    assert found.total.to_dict()["perplexity"] == pytest.approx(2 ** bits.mean(), abs=1e-5)
    frame = found.frame()
    assert frame["symbol"].tolist() == list("abcde")
    assert frame["position"].tolist() == [0, 1, 2, 0, 1]


def test_bins_leave_unknown_bases_out():
    nan = np.nan
    starts, means = binned(np.array([1.0, 3.0, nan, nan, nan, 2.0, 5.0]), 2)
    assert starts.tolist() == [0, 4, 6]
    assert means.tolist() == [2.0, 2.0, 5.0]


def test_spectra_of_strands_and_of_strangers():
    one, other = random_dna(4000, 1), random_dna(4000, 2)
    assert compare_spectra([one], [one], 4) == pytest.approx((4, 0.0, 1.0))
    apart = compare_spectra([one[one < 2]], [other[other > 1]], 2)
    assert apart.divergence == pytest.approx(1)
    assert 0 < compare_spectra([one], [other], 3).divergence < 0.05
    assert spectrum([one], 2).sum() == pytest.approx(1)
    with pytest.raises(InputError, match="no 4-mer"):
        spectrum([one[:3]], 4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "introgression"}, "one for text is needed"),
        ({"symbols": "music"}, "misstates 'symbols'"),
        ({"mode": "backwards"}, "misstates 'mode'"),
        ({"window": 0}, "misstates 'window'"),
        ({"window": "wide"}, "misstates"),
    ],
)
def test_a_model_that_is_no_text_model_is_refused(options, message):
    with pytest.raises(ModelError, match=message):
        toy(**options)


def test_a_saved_model_is_the_same(tmp_path):
    source, copy = tmp_path / "a.genolstm", tmp_path / "b.genolstm"
    source.write_bytes(toy_bytes())
    TextGenerator.load(source).save(copy)
    assert copy.read_bytes() == source.read_bytes()
    assert Sampling() == TextGenerator.load(copy).default_sampling


def test_stretches_without_a_warm_up_would_show(monkeypatch):
    """The test of stretches above is one only if they are made: too little of a warm-up is seen."""
    codes = random_dna(3000)
    whole = toy_dna().score(dna_corpus([("x", codes)])).records[0].bits
    monkeypatch.setattr(scoring, "WARM_UP", 1)
    monkeypatch.setattr(scoring, "KEPT", 20)
    cut = toy_dna().score(dna_corpus([("x", codes)])).records[0].bits
    assert len(cut) == len(whole)
    # The first stretch has no need of a warm-up.
    assert cut[:20] == pytest.approx(whole[:20], abs=1e-4)
    assert abs(cut[21:] - whole[21:]).max() > 1e-3
