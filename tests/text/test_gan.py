"""The GAN: its penalty, its training, and that both repeat."""

import numpy as np
import pytest
from support.text import random_dna

from genolstm.errors import InputError, SettingError
from genolstm.text import gan
from genolstm.text.corpus import dna_corpus
from genolstm.text.gan import build_critic, build_generator, critic_steps, gradient_penalty, train_gan
from genolstm.text.settings import GanSettings, GeneratorsSettings

pytestmark = pytest.mark.xdist_group("tensorflow")
SMALL = GanSettings(latent=4, channels=6, batch_size=5, critic_steps=2)


@pytest.fixture(autouse=True)
def tf():
    return pytest.importorskip("tensorflow")


@pytest.fixture
def eager(tf):
    """Run steps without a graph, which takes longer to make than a few steps take."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def corpus(length=400, seed=0):
    return dna_corpus([("x", random_dna(length, seed))])


def test_the_penalty_of_a_linear_critic_is_that_of_its_slope(tf):
    """Its slope is the length of its weights everywhere, so that penalty and gradient are known."""
    random = np.random.default_rng(1)
    real, made = (random.random((3, 8, 4), np.float32) for _ in range(2))
    weights = random.standard_normal((8, 4)).astype(np.float32)
    kernel = tf.Variable(weights)
    with tf.GradientTape() as tape:
        penalty = gradient_penalty(
            lambda x: tf.reduce_sum(x * kernel, axis=[1, 2]), real, made, random.random((3, 1, 1), np.float32)
        )
    slope = np.sqrt((weights.astype(float) ** 2).sum())
    assert float(penalty) == pytest.approx((slope - 1) ** 2, rel=1e-5)
    assert tape.gradient(penalty, kernel).numpy() == pytest.approx(2 * (slope - 1) * weights / slope, rel=1e-4)


def test_the_penalty_is_taken_between_real_and_generated_windows(tf):
    """Of half the square, the slope at a point is the length of that point."""
    random = np.random.default_rng(2)
    real, made = (random.random((3, 8, 4), np.float32) for _ in range(2))
    share = np.array([0, 0.25, 1], np.float32).reshape(3, 1, 1)
    penalty = gradient_penalty(lambda x: tf.reduce_sum(x * x, axis=[1, 2]) / 2, real, made, share)
    points = share * real + (1 - share) * made
    expected = [(np.linalg.norm(point) - 1) ** 2 for point in points]
    assert float(penalty) == pytest.approx(np.mean(expected), rel=1e-5)
    assert points[0] == pytest.approx(made[0])
    assert points[2] == pytest.approx(real[2])


def test_networks_read_and_make_windows():
    z, x = np.zeros((2, 4), np.float32), np.zeros((2, 40, 4), np.float32)
    assert build_generator(SMALL, 40, 1)(z).shape == (2, 40, 4)
    assert build_critic(SMALL, 40, 1)(x).shape == (2, 1)
    one, other = (build_critic(SMALL, 40, seed).get_weights()[0] for seed in (1, 2))
    assert not np.array_equal(one, other)


def test_two_steps_are_trained_and_the_best_generator_is_kept():
    """Two steps of the critic, and one of the generator after them, which did no good."""
    # 2 passes over 20 bases are 40 bases, one window of 8 bases in each of the five of a batch.
    few = corpus(20)
    assert critic_steps(20, 2, SMALL, 8) == 2
    asked = []

    def score(made):
        asked.append(made)
        return 0.5 + len(asked)

    whole = train_gan(few, SMALL, window=8, passes=2, seed=3, score=score, scored=7)
    assert [made.shape for made in asked] == [(7, 8), (7, 8)]
    # The first step is the critic's alone.
    initial = build_generator(SMALL, 8, 3)
    assert np.array_equal(asked[0], gan._sample(initial, SMALL, 8, 7, 3))
    assert (whole.bases_read, whole.best_epoch, [row["score"] for row in whole.history]) == (80, 1, [1.5, 2.5])
    for ours, theirs in zip(whole.generator.get_weights(), initial.get_weights(), strict=True):
        assert np.array_equal(ours, theirs)


def test_a_killed_training_ends_as_one_that_was_not(tmp_path, eager):
    class Killed(Exception):
        pass

    def kill(row):
        if row["epoch"] == 2:
            raise Killed

    options = {"window": 16, "passes": 2}
    whole = train_gan(corpus(80), SMALL, **options, seed=5)
    with pytest.raises(Killed):
        train_gan(corpus(80), SMALL, **options, seed=5, folder=tmp_path, progress=kill)
    assert (tmp_path / "checkpoint.npz").exists()
    with pytest.raises(SettingError, match="seed was 5, now 6"):
        train_gan(corpus(80), SMALL, **options, seed=6, folder=tmp_path)
    went_on = train_gan(corpus(80), SMALL, **options, seed=5, folder=tmp_path)
    assert [row["loss"] for row in went_on.history] == [row["loss"] for row in whole.history]
    initial = build_generator(SMALL, 16, 5).get_weights()
    for ours, theirs in zip(went_on.generator.get_weights(), whole.generator.get_weights(), strict=True):
        assert np.array_equal(ours, theirs)
    # The last bias of all is 0 at first.
    assert not np.array_equal(initial[-1], went_on.generator.get_weights()[-1])
    made = whole.sample(300, 5)
    assert made.shape == (300, 16)
    assert made.max() == 3
    assert np.array_equal(made, went_on.sample(300, 5))
    assert np.array_equal(made[:20], went_on.sample(20, 5))
    assert not np.array_equal(made, whole.sample(300, 6))
    (tmp_path / "checkpoint.npz").write_bytes(b"PK")
    with pytest.raises(InputError, match="damaged"):
        train_gan(corpus(80), SMALL, **options, seed=5, folder=tmp_path)


def test_the_critic_reads_whole_windows_of_known_bases(monkeypatch):
    """None reaches over the end of a record or an unknown base; both strands are read, or one."""
    records = [("a", np.array([0] * 20 + [4] + [1] * 20, np.uint8)), ("b", np.array([1] * 20, np.uint8))]
    for both, expected in ((False, {0, 1}), (True, {0, 1, 2, 3})):
        run = gan._Run(dna_corpus(records), GanSettings(batch_size=200, channels=2, latent=2), 16, 1, 1, both)
        windows = run._real(np.random.default_rng(1))
        assert windows.shape == (200, 16, 4)
        assert (windows.sum(axis=2) == 1).all()
        assert (windows.argmax(axis=2) == windows.argmax(axis=2)[:, :1]).all()
        assert set(windows.argmax(axis=2)[:, 0]) == expected
    with pytest.raises(InputError, match="no window of 24 known bases"):
        train_gan(dna_corpus(records), SMALL, window=24, passes=1, seed=1)


def test_a_loss_that_is_no_number_is_refused(eager):
    with pytest.raises(SettingError, match="critic is no number"):
        train_gan(
            corpus(), GanSettings(latent=2, channels=3, batch_size=5, learning_rate=1e30), window=16, passes=3, seed=1
        )


@pytest.mark.parametrize(
    "wrong", [{"window": 36}, {"block": 40}, {"held_out": 0.95}, {"generators": "lstm,vae"}, {"generators": ()}]
)
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(SettingError, match=next(iter(wrong)).rstrip("s")):
        GeneratorsSettings(**wrong)


def test_what_is_drawn_is_one_hot_and_its_gradient_that_of_the_softmax(tf):
    random = np.random.default_rng(3)
    logits, gumbel, weights = (random.standard_normal((2, 8, 4)).astype(np.float32) for _ in range(3))
    variable = tf.Variable(logits)
    with tf.GradientTape(persistent=True) as tape:
        drawn = gan._drawn(tf, variable, gumbel, 0.5)
        value = tf.reduce_sum(weights * drawn)
        soft = tf.reduce_sum(weights * tf.nn.softmax((variable + gumbel) / 0.5))
    assert drawn.numpy() == pytest.approx(np.eye(4)[(logits + gumbel).argmax(axis=-1)], abs=1e-6)
    assert tape.gradient(value, variable).numpy() == pytest.approx(tape.gradient(soft, variable).numpy(), abs=1e-6)
