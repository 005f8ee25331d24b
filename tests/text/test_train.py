import numpy as np
import pytest

from genolstm.errors import InputError, SettingError
from genolstm.text.corpus import dna_corpus, text_corpus
from genolstm.text.generator import TextGenerator
from genolstm.text.settings import TUTORIAL, TextSettings
from genolstm.text.simulate import simulate_genome
from genolstm.text.train import prepare, summary, windows


def test_the_tutorial_s_windows():
    corpus = text_corpus([("x", "abcdefgh")])
    x, y = windows(corpus, 3, TUTORIAL.network(8))
    assert x[..., 0] * 8 == pytest.approx(np.array([[0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5], [4, 5, 6]]))
    assert y.tolist() == [3, 4, 5, 6, 7]


@pytest.mark.parametrize(("settings", "needed"), [(TUTORIAL, 101), (TextSettings(steps=9, validation=0.1), 12)])
def test_a_text_shorter_than_a_window_is_told_how_many_symbols_are_needed(settings, needed):
    text = ("ab" * needed)[: needed - 1]
    with pytest.raises(InputError, match=rf"need at least {needed}\b"):
        prepare(text_corpus([("x.txt", text)]), settings)
    training, held, _ = prepare(text_corpus([("x.txt", text + "a")]), settings)
    assert training.n_symbols >= settings.steps + 1
    assert (held is None) == (settings.validation == 0)


def test_choices_follow_the_data():
    text, dna = (TextSettings().resolve(kind, 2_000_000) for kind in ("text", "dna"))
    assert (text.units, text.embedding, text.dropout, text.noise) == (512, 48, 0.0, 0.0)
    assert (dna.units, dna.embedding, dna.noise) == (256, 8, 0.01)
    small = TextSettings().resolve("text", 1500)
    assert small.dropout == 0.2
    assert 1 <= small.batch_size * small.steps * 2 <= 1500
    assert TextSettings(units=7, epochs=3).resolve("dna", 10).units == 7


@pytest.mark.parametrize("wrong", [{"mode": "x"}, {"steps": 1}, {"embedding": 0}, {"validation": 1.0}])
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(SettingError, match=next(iter(wrong))):
        TextSettings(**wrong)


def test_a_simulated_genome_holds_what_it_says():
    codes, features = simulate_genome(60_000, 3)
    assert np.array_equal(codes, simulate_genome(60_000, 3)[0])
    assert len(codes) == 60_000
    assert codes.max() == 3
    share = {kind: sum(f.end - f.start for f in features if f.kind == kind) / 60_000 for kind in ("gene", "repeat")}
    assert share["gene"] == pytest.approx(0.4, abs=0.05)
    assert share["repeat"] == pytest.approx(0.2, abs=0.05)
    gene = next(f for f in features if f.kind == "gene" and f.strand == 1)
    assert codes[gene.start : gene.start + 3].tolist() == [0, 3, 2]  # ATG
    assert (gene.end - gene.start) % 3 == 0


@pytest.mark.xdist_group("tensorflow")
class TestTraining:
    @pytest.fixture(autouse=True)
    def _needs_tensorflow(self):
        pytest.importorskip("tensorflow")

    def test_the_tutorial_s_network_is_the_published_one(self):
        """The listing, written out in Keras, has the layers that the preset prints."""
        import keras

        layers = keras.layers
        published = keras.Sequential(
            [
                keras.Input((100, 1)),
                layers.LSTM(256, return_sequences=True),
                layers.Dropout(0.2),
                layers.LSTM(256, return_sequences=True),
                layers.Dropout(0.2),
                layers.LSTM(128),
                layers.Dropout(0.2),
                layers.Dense(38, activation="softmax"),
            ]
        )
        config = TUTORIAL.network(38)
        listed = [(type(layer).__name__, str(layer.output.shape), layer.count_params()) for layer in published.layers]
        assert summary(config, 100) == listed
        assert config.n_parameters == published.count_params() == 991_526

    def test_the_tutorial_s_windows_train_as_keras_trains_them(self, tmp_path):
        """A smaller network, one step: the weights of both agree."""
        from dataclasses import replace

        import keras

        settings = replace(TUTORIAL, units=(5, 4), layers=2, dropout=0.0, steps=6, epochs=1)
        corpus = text_corpus([("x", "the lamp on the hill")])
        config = settings.network(len(corpus.alphabet))
        model = TextGenerator.fit(corpus, settings, folder=tmp_path, progress=False)
        from genolstm.lstm.bundle.saving import load_network
        from genolstm.lstm.train.network import build_network

        twin = build_network(replace(config, head="classify", pooling="last"), seed=settings.seed)
        twin.compile(optimizer=keras.optimizers.Adam(1e-3), loss="sparse_categorical_crossentropy")
        twin.fit(*windows(corpus, 6, config), batch_size=256, epochs=1, verbose=0)
        for ours, theirs in zip(load_network(model.bundle).get_weights(), twin.get_weights(), strict=True):
            assert ours == pytest.approx(theirs, abs=1e-5)

    def test_a_text_is_learnt_and_its_training_repeats(self, tmp_path):
        settings = TextSettings(units=24, embedding=8, steps=16, epochs=30, learning_rate=0.03, warmup_steps=5)
        corpus = text_corpus([("x", "and the goat with the ladle; " * 40)])
        one, two = (TextGenerator.fit(corpus, settings, folder=tmp_path / str(i), progress=False) for i in range(2))
        assert one.sample("and", 100, seed=3) == two.sample("and", 100, seed=3)
        held = one.bundle.metadata["held_out"]
        assert held["symbols"] == 116
        assert held["bits_per_symbol"] < 1.2  # of 3.7 without a model
        assert "goat" in one.sample("and the ", 60, temperature=0.2)
        one.save(tmp_path / "x.genolstm")
        assert TextGenerator.load(tmp_path / "x.genolstm").sample("a", 9) == one.sample("a", 9)

    def test_a_foreign_segment_stands_out(self, tmp_path):
        """A genome of one composition, with 400 bases of another in its midst."""
        random = np.random.default_rng(4)
        unit = random.integers(0, 4, 40, dtype=np.uint8)

        def native(n):
            codes = np.tile(unit, n // 40 + 1)[:n].copy()
            changed = random.random(n) < 0.05
            codes[changed] = random.integers(0, 4, int(changed.sum()))
            return codes

        settings = TextSettings(units=32, steps=40, epochs=14, learning_rate=0.02, batch_size=16)
        model = TextGenerator.fit(
            dna_corpus([("a", native(6000)), ("b", native(2000))]), settings, folder=tmp_path, progress=False
        )
        foreign = random.integers(0, 4, 400, dtype=np.uint8)
        codes = np.concatenate([native(1600), foreign, native(1000)])
        bits = model.score(dna_corpus([("x", codes)])).records[0].bits
        within, outside = bits[1600:2000].mean(), np.delete(bits[100:], np.s_[1500:1950]).mean()
        assert within > 1.9
        assert outside < 1.3
