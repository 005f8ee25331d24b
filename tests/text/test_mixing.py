"""The mixture of a network, counts and copies: fair, blind to the future, and worth its work."""

import copy
import gzip

import numpy as np
import pytest
from support.text import ALPHABET, random_dna, toy, toy_bytes, toy_dna

from genolstm.errors import InputError, SettingError
from genolstm.lstm.bundle.bundle import Bundle
from genolstm.lstm.bundle.runtime import Runtime
from genolstm.runs.text_score import run
from genolstm.sequences.alphabet import reverse_complement
from genolstm.text import scoring
from genolstm.text.adaptive import AdaptiveHead
from genolstm.text.corpus import dna_corpus, record_stream, text_corpus
from genolstm.text.generator import TextGenerator
from genolstm.text.mixing import frames
from genolstm.text.mixing.histories import transitions
from genolstm.text.mixing.mixture import Mixture
from genolstm.text.simulate import simulate_genome

WORDS = ["the", "sea", "and", "the", "wind", "on", "the", "hill", "said", "no", "word", "to", "me,"]


def some_text(n, seed=0):
    return " ".join(np.random.default_rng(seed).choice(WORDS, n))


def said(n, n_symbols, seed=0):
    """Return made-up forecasts."""
    return np.random.default_rng(seed).dirichlet(np.ones(n_symbols), n).astype(np.float32)


def codes_of(kind):
    """Return an alphabet and codes that repeat themselves, with a boundary."""
    random = np.random.default_rng(3)
    alphabet = {"text": ALPHABET, "dna": "ACGT", "wide": "".join(map(chr, range(100, 170)))}[kind]
    unit = random.integers(0, len(alphabet), 150)
    codes = np.concatenate([[len(alphabet)], unit, random.integers(0, len(alphabet), 100), unit])
    return alphabet, "dna" if kind == "dna" else "text", codes


@pytest.mark.parametrize("kind", ["text", "dna", "wide"])
@pytest.mark.parametrize("spoken", [False, True])
def test_the_chances_of_all_symbols_sum_to_one(kind, spoken):
    """Each symbol is tried from the same state: what they cost is a code that could be decoded."""
    alphabet, symbols, codes = codes_of(kind)
    mixture = Mixture(alphabet, symbols)
    chances = said(len(codes), len(alphabet)) if spoken else None
    places = [1, 50, 251, 330, 390] if kind != "wide" else [390]
    done = 0
    for place in places:
        mixture.read(codes[done:place], None if chances is None else chances[done:place])
        done = place
        one = None if chances is None else chances[place : place + 1]
        bits = [float(copy.deepcopy(mixture).read(np.array([code]), one).bits[0]) for code in range(len(alphabet))]
        assert sum(2.0**-cost for cost in bits) == pytest.approx(1, abs=1e-4)
        assert np.ptp(bits) > 1e-3 or place == 1


@pytest.mark.parametrize("kind", ["text", "dna"])
def test_the_future_changes_nothing(kind):
    alphabet, symbols, codes = codes_of(kind)
    changed = codes.copy()
    changed[300:] = (changed[300:] + 1) % len(alphabet)
    chances = said(len(codes), len(alphabet))
    one, two = (Mixture(alphabet, symbols).read(x, chances, explained=True) for x in (codes, changed))
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a[:300], b[:300])
    assert (one.bits[300:] != two.bits[300:]).any()


@pytest.mark.parametrize("kind", ["text", "dna"])
def test_it_matters_not_how_symbols_are_dealt_out_nor_what_is_asked(kind):
    alphabet, symbols, _ = codes_of(kind)
    codes = np.random.default_rng(1).integers(0, len(alphabet), 5000)  # tables grow on the way
    chances = said(len(codes), len(alphabet))
    whole = Mixture(alphabet, symbols).read(codes, chances).bits
    mixture = Mixture(alphabet, symbols)
    parts = [slice(0, 1), slice(1, 1024), slice(1024, 1025), slice(1025, 4097), slice(4097, 5000)]
    found = [mixture.read(codes[part], chances[part], explained=True).bits for part in parts]
    np.testing.assert_array_equal(whole, np.concatenate(found))


@pytest.mark.parametrize("kind", ["text", "dna"])
def test_neither_threads_nor_blocks_change_a_byte(kind, monkeypatch):
    alphabet, symbols, codes = codes_of(kind)
    codes = np.concatenate([codes, np.random.default_rng(1).integers(0, len(alphabet), 3000), codes])
    chances = said(len(codes), len(alphabet))
    expected = Mixture(alphabet, symbols).read(codes, chances, explained=True)
    monkeypatch.setattr("genolstm.text.mixing.mixture._BLOCK", 300)
    found = Mixture(alphabet, symbols, threads=4).read(codes, chances, explained=True)
    for one, two in zip(expected, found, strict=True):
        assert one.tobytes() == two.tobytes()


def test_frames_of_genes_are_found_on_both_strands():
    """No frame is told beforehand; what the states have learned to mean is the same on both strands."""
    codes, features = simulate_genome(150_000, 3, genes=0.8, repeats=0.0)
    found = np.zeros(len(codes), np.int8)
    x = np.zeros((2 * len(codes), 1), np.float32)
    codons, belief = frames.new_codons(), np.full(frames.STATES, 1 / frames.STATES, np.float32)
    gap, says = np.zeros(1, np.int64), np.zeros((frames.STATES + 1, 4), np.float32)
    frames.read_frames(codes.astype(np.int32), 0, len(codes), codons, belief, gap, says, x, 0, found)
    state, level = np.divmod(found, frames.LEVELS)
    expected = np.zeros(len(codes), np.int8)
    for one in features:
        if one.kind == "gene":
            place = np.arange(one.end - one.start)
            expected[one.start : one.end] = 1 + place % 3 if one.strand > 0 else 4 + place[::-1] % 3
    late = slice(100_000, None)
    sure = (level == 2) & (state > 0)
    assert (expected[late] == state[late])[sure[late]].mean() > 0.9
    assert sure[late][expected[late] > 0].mean() > 0.6
    for strand in (1, 4):
        assert np.isin(state[late], range(strand, strand + 3)).mean() > 0.2
    # What they say of the next base saves bits, where counts of words save none.
    in_genes = np.flatnonzero(expected[late] > 0) + 100_000
    upper, lower = x[2 * in_genes, 0], x[2 * in_genes + 1, 0]
    cost = [
        np.log2(1 + np.exp(np.where(bit, -odds, odds))).mean()
        for bit, odds in ((codes[in_genes] > 1, upper), (codes[in_genes] % 2 == 1, lower))
    ]
    assert sum(cost) < 1.9


def test_growing_loses_nothing():
    """What was counted before the tables grew is known after: a repeat of it stays cheap."""
    unit = random_dna(600, 1)
    mixture = Mixture("ACGT", "dna")
    mixture.read(unit)
    bits = mixture._bits
    mixture._grow()
    mixture._grow()
    again = copy.deepcopy(mixture).read(unit).bits[30:].mean()
    assert mixture._bits == bits + 2
    fewer = [np.count_nonzero(row.reshape(-1, 4)[:, 0]) for row in mixture._slots]
    fresh = Mixture("ACGT", "dna")
    fresh.read(unit)
    assert fewer == [np.count_nonzero(row.reshape(-1, 4)[:, 0]) for row in fresh._slots]
    assert again == pytest.approx(fresh.read(unit).bits[30:].mean(), abs=1e-3)
    assert again < 0.01


def test_copies_of_dna_are_followed_on_both_strands_and_over_substitutions():
    random = np.random.default_rng(5)
    before = random_dna(20_000, 1)
    source = before[4000:7000]
    mutated = source.copy()
    hit = random.random(len(source)) < 0.03
    mutated[hit] = (mutated[hit] + 1) % 4
    foreign = random_dna(3000, 9)
    parts = {"repeat": source, "inverted": reverse_complement(source), "mutated": mutated, "foreign": foreign}
    found = {}
    for name, part in parts.items():
        mixture = Mixture("ACGT", "dna")
        mixture.read(before)
        found[name] = mixture.read(part, explained=True)
    mean = {name: one.bits.mean() for name, one in found.items()}
    assert mean["repeat"] < 0.06
    assert mean["inverted"] < 0.06
    # 3 % of 3,000 cost .24 bits a base if one is told where nothing is known.
    assert mean["mutated"] < 0.42
    assert 1.99 < mean["foreign"] < 2.1
    # Without repeats, there is nothing to know.
    assert all(1.9 < one.plain.mean() < 2.2 for one in found.values())
    shares = {name: one.shares.mean(axis=0) for name, one in found.items()}
    for one in shares.values():
        assert one.sum() == pytest.approx(1, abs=1e-3)
        assert one[0] == 0
    assert shares["repeat"][2] > 5 * shares["repeat"][3]
    assert shares["inverted"][3] > 5 * shares["inverted"][2]


def test_the_other_strand_of_text_is_nothing():
    assert Mixture("abcd", "text").read(np.zeros(10, int), explained=True).shares[:, 3].max() == 0


def test_the_mixer_learns_whom_to_trust():
    codes = random_dna(8000, 2)
    right = np.full((len(codes), 4), 0.02, np.float32)
    right[np.arange(len(codes)), codes] = 0.94
    wrong = np.roll(right, 1, axis=1)
    alone = Mixture("ACGT", "dna").read(codes).bits[4000:].mean()
    trusted = Mixture("ACGT", "dna").read(codes, right, explained=True)
    assert trusted.bits[4000:].mean() < -np.log2(0.94) + 0.02
    assert trusted.shares[4000:, 0].mean() > 0.6
    # Who is always wrong tells as much, but for one of three.
    assert Mixture("ACGT", "dna").read(codes, wrong).bits[4000:].mean() < alone
    noise = said(len(codes), 4)
    assert Mixture("ACGT", "dna").read(codes, noise).bits[4000:].mean() < alone + 0.02


def test_text_is_learned_while_it_is_read():
    text = some_text(4000)
    corpus = text_corpus([("x", text)])
    bits = Mixture(corpus.alphabet, "text").read(corpus.records[0].codes).bits
    # 13 words, two of them three times or twice: the next one costs this much, and its letters nothing.
    counts = np.unique(WORDS, return_counts=True)[1] / len(WORDS)
    least = -(counts * np.log2(counts)).sum() * 4000 / len(text)
    assert least < bits[-5000:].mean() < 1.15 * least
    assert bits[:1000].mean() > 1.2 * least


def test_an_alphabet_of_one_or_two():
    assert Mixture("a", "text").read(np.zeros(100, int)).bits.max() == 0
    assert Mixture("ab", "text").read(np.zeros(300, int)).bits[200:].max() < 0.05


def test_histories_forget_what_is_contradicted():
    after = transitions()
    assert len(after) <= 256
    state = 0
    for _ in range(60):
        state = after[state, 1]
    assert after[state, 1] == state
    many = after[state, 0]
    assert many not in (0, state)
    # Each is reached by one road at least, and both bits lead on.
    assert set(after.ravel().tolist()) == set(range(1, len(after)))


def dna_model(threads):
    return TextGenerator(Bundle.from_bytes(toy_bytes("ACGT", "dna")), threads=threads)


@pytest.mark.parametrize("adapt", [False, True])
def test_threads_change_no_byte(monkeypatch, adapt):
    monkeypatch.setattr(scoring, "KEPT", 300)
    monkeypatch.setattr(scoring, "WARM_UP", 50)
    unit = random_dna(1500, 1)
    records = [("a", np.concatenate([unit, [4, 4], unit]).astype(np.uint8)), ("b", random_dna(7, 2)), ("c", unit)]
    scores = [
        dna_model(threads).score(dna_corpus(records), mix=True, adapt=adapt, explained=True) for threads in (1, 3)
    ]
    for one, two in zip(scores[0].records, scores[1].records, strict=True):
        for a, b in ((one.bits, two.bits), (one.plain, two.plain), (one.shares, two.shares)):
            assert a.tobytes() == b.tobytes()
    first, second, third = scores[0].records
    assert np.isnan(first.bits[1500:1502]).all()
    assert not np.isnan(np.delete(first.bits, [1500, 1501])).any()
    assert len(second.bits) == 7
    assert third.bits[50:].mean() < 0.2


def test_a_mixture_asks_the_network_for_what_it_says_unmixed():
    """The forecasts are those of a score without a mixture, in every mode."""
    for model, text in ((toy(), "abcde dead bead\n" * 9), (toy(mode="window", window=5), "abcde dead bead\n" * 9)):
        codes = model.encode(text)
        options = {"mode": model.mode, "window": model.window}
        parts = list(scoring.forecasts(model.runtime, codes, model.config, **options))
        chances = np.concatenate(parts)
        assert len(chances) == len(record_stream(codes, len(ALPHABET))[0]) - 1
        bits = model.bits(text)
        known = ~np.isnan(bits)
        picked = chances[np.arange(len(codes)), codes]
        np.testing.assert_allclose(-np.log2(picked[known]), bits[known], rtol=1e-4)
        assert (picked[~known] == -1).all()
        assert not np.isnan(model.score(text_corpus([("x", text)], ALPHABET), mix=True).records[0].bits).any()


def test_windows_of_dna_with_gaps_are_as_many_as_symbols():
    model = toy_dna(mode="window", window=5)
    for codes in (
        [4, 4, 0, 1, 4, 4, 2, 3, 0, 1, 2, 4, 4, 4, 1],
        [4] * 9,
        [0, 1],
        [0, 1, 2, 3, 0, 4],
        [4, 0, 0, 0, 0, 4, 4, 1],
    ):
        record = np.array(codes, np.uint8)
        parts = list(scoring.forecasts(model.runtime, record, model.config, mode="window", window=5))
        assert sum(map(len, parts)) == len(record_stream(record, 4)[0]) - 1
        bits = model.score(dna_corpus([("x", record)])).records[0].bits
        assert (np.isnan(bits) == ((record == 4) | (np.arange(len(record)) < 5))).all()


def test_history_and_held_out_data_are_read_first():
    model = toy()
    # What is new to counts costs more than what they have read.
    text = ["dead bead cab\n" * 3 + "abc" * 20, "dead bead cab\n" * 8]
    first, second = (text_corpus([("x", one)], ALPHABET) for one in text)
    cold = model.score(second, mix=True).bits_per_symbol
    for name in ("history", "held_out"):
        assert model.score(second, mix=True, **{name: first}).bits_per_symbol < 0.8 * cold
    counted = model.score(second, mix=True, network=False, explained=True)
    assert counted.records[0].shares[:, 0].max() == 0
    adapted = model.score(second, adapt=True, held_out=second).bits_per_symbol
    assert adapted < model.score(second, adapt=True).bits_per_symbol < model.score(second).bits_per_symbol


def test_an_adaptive_head_begins_as_the_network_and_learns():
    model = toy()
    codes = model.encode("dead bead\n" * 60)
    stream, _ = record_stream(codes, len(ALPHABET))
    head = AdaptiveHead(model.bundle, rate=0.0)
    hidden = head.runtime(1).predict(stream[None, :-1])[0]
    expected = Runtime(model.bundle, threads=1).predict(stream[None, :-1])[0]
    np.testing.assert_allclose(head.read(hidden, stream[1:]), expected, rtol=2e-4, atol=1e-6)
    found = AdaptiveHead(model.bundle).read(hidden, stream[1:])
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)
    picked = np.arange(len(codes)), codes
    assert np.log2(found[picked])[-200:].mean() > np.log2(expected[picked])[-200:].mean() + 0.2
    # The future changes nothing.
    other = stream[1:].copy()
    other[300:] = 3
    np.testing.assert_array_equal(AdaptiveHead(model.bundle).read(hidden, other)[:301], found[:301])


def test_pulled_back_hard_a_head_stays_as_trained():
    model = toy()
    stream, _ = record_stream(model.encode("dead bead\n" * 20), len(ALPHABET))
    head = AdaptiveHead(model.bundle, rate=0.0, back=1.0)
    head._own += 1.0
    hidden = head.runtime(1).predict(stream[None, :-1])[0]
    expected = Runtime(model.bundle, threads=1).predict(stream[None, :-1])[0]
    np.testing.assert_allclose(head.read(hidden, stream[1:])[1:], expected[1:], rtol=2e-4, atol=1e-6)


@pytest.mark.parametrize(
    "options",
    [
        {"network": False},
        {"explained": True},
        {"history": "x"},
        {"held_out": "x"},
        {"mix": True, "adapt": True, "network": False},
    ],
)
def test_options_that_say_nothing_together_are_refused(options):
    with pytest.raises(SettingError):
        toy().score(text_corpus([("x", "abc")], ALPHABET), **options)


@pytest.fixture
def files(tmp_path):
    unit = random_dna(2000, 1)
    from genolstm.sequences.alphabet import decode

    (tmp_path / "m.genolstm").write_bytes(toy_bytes("ACGT", "dna"))
    (tmp_path / "x.fa").write_text(f">b\n{decode(unit)}NNN{decode(unit)}\n>a\n{decode(random_dna(500, 3))}\n>n\nNN\n")
    return tmp_path


def test_tracks_and_weights(files):
    library = pytest.importorskip("pybigtools")
    names = {"bedgraph": "x.bg", "bigwig": "x.bw", "weights": "w.tsv.gz", "positions": "p.tsv"}
    inputs = files / "m.genolstm", [files / "x.fa"]
    total = run(*inputs, mix=True, bin_size=100, repeats=files / "r.bw", **{k: files / v for k, v in names.items()})[
        -1
    ][1]
    run(*inputs, mix=True, bin_size=100, repeats=files / "r.bg")
    assert total.symbols == 4500
    with gzip.open(files / "w.tsv.gz", "rt") as stream:
        header, *lines = (line.rstrip("\n").split("\t") for line in stream)
    assert header == [
        *("#record", "start", "end", "bits", "bits_without_repeats"),
        *("network", "counts", "repeat", "inverted_repeat"),
    ]
    table = [(name, int(a), int(b), *map(float, rest)) for name, a, b, *rest in lines]
    assert [row[:3] for row in table if row[0] == "a"] == [("a", k, k + 100) for k in range(0, 500, 100)]
    for name, of in (("x", lambda row: row[3]), ("r", lambda row: row[4] - row[3])):
        lines = [line.split("\t") for line in (files / f"{name}.bg").read_text().splitlines()[1:]]
        bed = {(chrom, k): float(value) for chrom, a, b, value in lines for k in range(int(a), int(b))}
        found = library.open(str(files / f"{name}.bw"))
        assert found.chroms() == {"a": 500, "b": 4003}
        wig = {(chrom, k): value for chrom in ("a", "b") for a, b, value in found.records(chrom) for k in range(a, b)}
        assert wig.keys() == bed.keys()
        assert all(abs(wig[key] - bed[key]) < 1e-5 for key in bed)
        assert all(abs(of(row) - bed[row[0], row[1]]) < 2e-3 for row in table)
    repeated = [row for row in table if row[0] == "b" and row[1] >= 2100]
    assert np.mean([row[4] - row[3] for row in repeated]) > 1.7
    assert np.mean([row[7] for row in repeated]) > 0.2
    positions = [line.split("\t") for line in (files / "p.tsv").read_text().splitlines()[1:]]
    assert sum(float(row[3]) for row in positions) == pytest.approx(total.bits, rel=1e-4)


def test_a_bigwig_needs_names_that_differ_and_a_base(files):
    pytest.importorskip("pybigtools")
    for name, content in (("one", "ACGT"), ("two", "ACGT"), ("none", "NN")):
        (files / f"{name}.fa").write_text(f">a\n{content}\n")
    for names, reason in ((("one", "two"), "is there twice"), (("none",), "no base is known")):
        with pytest.raises(InputError, match=reason):
            run(files / "m.genolstm", [files / f"{name}.fa" for name in names], bigwig=files / "x.bw")
        assert not (files / "x.bw").exists()
    for name in ("x.bg", "-"):
        with pytest.raises(SettingError, match=r"ends in \.bw"):
            run(files / "m.genolstm", [files / "x.fa"], bigwig=name)
    with pytest.raises(SettingError, match="--mix"):
        run(files / "m.genolstm", [files / "x.fa"], repeats=files / "x.bg")
