"""Division, sampling and judges of generators that are compared."""

import numpy as np
import pytest
from support.text import random_dna

from genolstm.errors import InputError, SettingError
from genolstm.sequences.alphabet import decode, reverse_complement
from genolstm.text.baselines import MarkovModel
from genolstm.text.corpus import dna_corpus, text_corpus
from genolstm.text.generators import Wanted, make_independent, make_markov
from genolstm.text.judges import MixtureJudge, copied_share, divergences
from genolstm.text.parts import Windows, cut, deal, divide, strands
from genolstm.text.settings import GanSettings, GeneratorsSettings

SHORT = GeneratorsSettings(window=32, block=64, held_out=0.5, validation=0.1, reverse_complement=False)


def genome(length=64 * 40, seed=0, unknown=()):
    codes = random_dna(length, seed)
    for start, end in unknown:
        codes[start:end] = 4
    return dna_corpus([("chr1", codes)])


# --- division -----------------------------------------------------------------------------------------


def test_blocks_are_divided_without_overlap():
    whole = genome()
    parts = divide(whole, SHORT)
    sides = [parts.training.records, parts.validation.records, parts.held_out]
    covered = np.zeros(64 * 40, int)
    for side in sides:
        for record in side:
            start, end = map(int, record.name.removeprefix("chr1:").split("-"))
            covered[start - 1 : end] += 1
            assert np.array_equal(record.codes, whole.records[0].codes[start - 1 : end])
    assert (covered == 1).all()
    assert [sum(len(record.codes) for record in side) // 64 for side in sides] == [16, 4, 20]
    assert len(parts.held_out) == 20
    # Neighbours are joined where nobody is split by them.
    assert len(parts.training.records) < 16
    same, other = divide(whole, SHORT), divide(whole, GeneratorsSettings(**{**SHORT.to_dict(), "seed": 2}))
    names = [{record.name for record in one.held_out} for one in (parts, same, other)]
    assert names[0] == names[1] != names[2]


def test_records_are_whole_if_there_are_many():
    many = dna_corpus([(f"r{i}", random_dna(70, i)) for i in range(20)])
    settings = GeneratorsSettings(window=32, held_out=0.5, reverse_complement=False)
    parts = divide(many, settings)
    assert parts.block == 0
    assert {record.name for record in parts.held_out} < {f"r{i}" for i in range(20)}
    assert all(len(record.codes) == 70 for record in parts.held_out)
    assert divide(dna_corpus([(r.name, np.tile(r.codes, 900)) for r in many.records[:19]]), settings).block == 5000


def test_blocks_without_a_window_of_known_bases_are_counted_and_left_out():
    parts = divide(genome(unknown=[(64, 120), (700, 701)]), SHORT)
    assert parts.dropped == 64
    for side in deal(parts, SHORT, 1):
        assert side.codes.max() < 4


def test_sequence_that_is_too_short_is_refused_with_what_to_do():
    with pytest.raises(InputError, match=r"9 blocks of 64 bases.*too few") as found:
        divide(genome(64 * 9), SHORT)
    assert "--block" in str(found.value)
    with pytest.raises(InputError, match="DNA"):
        divide(text_corpus([("x", "abc")]), SHORT)
    with pytest.raises(SettingError, match=r"bases is 9999, it must be between 128 and"):
        deal(divide(genome(), SHORT), GeneratorsSettings(**{**SHORT.to_dict(), "bases": 9999}), 1)


def test_both_sides_of_the_held_out_part_share_no_group():
    parts = divide(genome(), SHORT)
    reference, real = deal(parts, SHORT, 1)
    assert len(reference) == len(real) == 20
    assert not set(reference.groups) & set(real.groups)
    found = {decode(codes) for codes in cut(parts.held_out, 32).codes}
    assert {decode(codes) for codes in (*reference.codes, *real.codes)} == found
    assert set(reference.groups) != set(deal(parts, SHORT, 2)[0].groups)
    few = deal(parts, GeneratorsSettings(**{**SHORT.to_dict(), "bases": 32 * 12}), 1)
    assert [len(side) for side in few] == [12, 12]
    assert {decode(codes) for codes in few[0].codes} < {decode(codes) for codes in reference.codes}


def test_windows_are_turned_to_a_strand_that_is_drawn():
    windows = Windows(np.stack([random_dna(32, i) for i in range(40)]), np.arange(40))
    turned = windows.flipped(np.random.default_rng(1))
    same = [np.array_equal(a, b) for a, b in zip(windows.codes, turned.codes, strict=True)]
    other = [np.array_equal(reverse_complement(a), b) for a, b in zip(windows.codes, turned.codes, strict=True)]
    assert all(one != two for one, two in zip(same, other, strict=True))
    assert 8 < sum(same) < 32


# --- sampling -----------------------------------------------------------------------------------------


def test_a_markov_model_samples_what_it_forecasts():
    """After each pair of symbols, the next ones come as often as the model says."""
    random = np.random.default_rng(3)
    table = random.dirichlet([0.4] * 4, 16).cumsum(axis=1)
    codes = [0, 1]
    for uniform in random.random(4000):
        codes.append(int(np.searchsorted(table[4 * codes[-2] + codes[-1]], uniform)))
    model = MarkovModel(2, 4).fit(np.array(codes), tune=True)
    made = model.sample(50, 400, np.random.default_rng(1))
    assert made.shape == (50, 400)
    counts = np.zeros((16, 4))
    np.add.at(counts, (4 * made[:, :-2] + made[:, 1:-1], made[:, 2:]), 1)
    for context in np.flatnonzero(counts.sum(axis=1) > 400):
        said = [2.0 ** -model.bits(np.array([*divmod(int(context), 4), symbol]))[-1] for symbol in range(4)]
        assert counts[context] / counts[context].sum() == pytest.approx(said, abs=0.07)
    assert np.array_equal(made, model.sample(50, 400, np.random.default_rng(1)))
    # The first symbol follows no context.
    first = np.bincount(model.sample(4000, 1, np.random.default_rng(2))[:, 0], minlength=4) / 4000
    assert first == pytest.approx([2.0 ** -model.bits(np.array([symbol]))[0] for symbol in range(4)], abs=0.04)


def test_a_model_of_a_lower_order_has_the_same_counts():
    stream = np.array(random_dna(500))
    cut_down, own = MarkovModel(5, 4).fit(stream).cut(2), MarkovModel(2, 4).fit(stream)
    held = random_dna(60, 1)
    assert np.array_equal(cut_down.bits(held), own.bits(held))
    words = {tuple(stream[i : i + k + 1].tolist()) for k in range(3) for i in range(500 - k)}
    assert cut_down.n_counts == own.n_counts == len(words)


def test_generators_make_as_many_windows_as_are_wanted():
    parts = divide(genome(), SHORT)
    wanted = Wanted(windows=17, groups=6, seed=4)
    assert (wanted.per_sample, wanted.samples) == (3, 6)
    for settings in (SHORT, GeneratorsSettings(**{**SHORT.to_dict(), "reverse_complement": True})):
        for make in (
            lambda s: make_independent(parts, s, wanted),
            lambda s: make_markov(parts, s, GanSettings(), wanted),
        ):
            made, again = make(settings), make(settings)
            assert made.windows.codes.shape == (17, 32)
            assert np.bincount(made.windows.groups).tolist() == [3, 3, 3, 3, 3, 2]
            assert np.array_equal(made.windows.codes, again.windows.codes)
    assert (made.bases_read, made.chosen[:6]) == (parts.training.n_symbols, "order ")


# --- judges -------------------------------------------------------------------------------------------


def test_divergences_are_those_of_scipy():
    distance = pytest.importorskip("scipy.spatial.distance")
    sample, source = np.stack([random_dna(50, i) for i in range(6)]), genome(900, 9)
    for k, value in divergences(sample, source, canonical=False, ks=(1, 3)).items():
        spectra = []
        for texts in ([decode(one) for one in sample], [decode(source.records[0].codes)]):
            words = [text[i : i + k] for text in texts for i in range(len(text) - k + 1)]
            spectra.append([words.count(word) for word in sorted({decode(c) for c in _all(k)})])
        assert value == pytest.approx(distance.jensenshannon(*spectra, base=2) ** 2, rel=1e-9)
    both = divergences(sample, source, canonical=True, ks=(3,))[3]
    turned = np.stack([reverse_complement(one) for one in sample])
    assert divergences(turned, source, canonical=True, ks=(3,))[3] == pytest.approx(both)


def _all(k):
    return np.stack(np.meshgrid(*[np.arange(4, dtype=np.uint8)] * k, indexing="ij"), axis=-1).reshape(-1, k)


def test_copies_are_those_of_a_plain_count():
    """On either strand, within windows and known bases."""
    source = genome(400, 5, unknown=[(100, 102)])
    codes = source.records[0].codes
    sample = np.stack([codes[10:50], reverse_complement(codes[150:190]), random_dna(40, 8), codes[60:100]])
    sample[3, 20] = (sample[3, 20] + 1) % 4
    for k in (7, 31):
        forward = decode(codes)
        known = {text[i : i + k] for text in (forward, decode(reverse_complement(codes))) for i in range(400 - k + 1)}
        words = [decode(one)[i : i + k] for one in sample for i in range(40 - k + 1)]
        assert copied_share(sample, source, k) == pytest.approx(np.mean([word in known for word in words]))
    assert copied_share(sample, source) == pytest.approx(20 / 40)
    with pytest.raises(InputError, match="31-mer"):
        copied_share(sample[:, :20], source)


def test_what_counts_have_read_costs_less_and_a_judge_does_not_learn():
    source = genome(6000, 6)
    judge = MixtureJudge(source)
    windows = cut([source.records[0]], 100)
    copied, foreign = windows.take(np.arange(20)), cut(genome(2000, 7).records, 100)
    first = judge.bits(copied, 1)
    assert first < 1
    assert judge.bits(foreign, 1) > 1.9
    assert judge.bits(copied, 1) == first
    assert judge.bits(copied, 2) == pytest.approx(first, abs=0.2)
    # What a generator repeats becomes cheap.
    assert judge.bits(foreign.take(np.zeros(20, int)), 1) < 0.6


def test_strands_follow_one_another_between_boundaries():
    both = strands(dna_corpus([("a", np.array([0, 1], np.uint8)), ("b", np.array([2], np.uint8))]), True)
    assert both.tolist() == [4, 0, 1, 4, 2, 4, 1, 4, 2, 3]
