"""A small generative adversarial network that makes windows of DNA.

A generator makes windows from random numbers; a critic learns to tell them from real ones, and the generator
learns to mislead it. The critic's score approximates the Wasserstein distance between real and generated
windows (Arjovsky et al. 2017), if a gradient penalty keeps its slope near 1 (Gulrajani et al. 2017), as was
done for DNA by Killoran et al. (2017) and by Gupta and Zou (2019). Bases are one-hot, and so are the generator's
outputs: they are drawn with Gumbel noise, and the gradient passes through the softmax (the straight-through
Gumbel-softmax of Jang et al. 2017).

References
----------
Arjovsky, M., Chintala, S. and Bottou, L. (2017), Wasserstein generative adversarial networks. ICML 34, 214-223.
Gulrajani, I. et al. (2017), Improved training of Wasserstein GANs. NIPS 30.
Gupta, A. and Zou, J. (2019), Feedback GAN for DNA optimizes protein functions. Nature Machine Intelligence 1, 105-111.
Jang, E., Gu, S. and Poole, B. (2017), Categorical reparameterization with Gumbel-softmax. ICLR.
Killoran, N. et al. (2017), Generating and designing DNA with deep generative models. arXiv:1712.06148.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from genolstm.errors import InputError, SettingError
from genolstm.files import PathLike, check_folder
from genolstm.lstm.train.checkpoint import Progress, damaged, fingerprint_data, load_checkpoint, save_checkpoint
from genolstm.sequences.kmers import one_hot
from genolstm.text.corpus import Corpus
from genolstm.text.settings import GAN_HALVINGS, GanSettings

_BASES = 4
_GENERATOR_KERNEL, _CRITIC_KERNEL = 5, 7
#: Adam as in the paper on the gradient penalty: without momentum, as the other network changes meanwhile.
_BETAS = (0.0, 0.9)
_LEAK = 0.2
#: Streams of random numbers: initial weights, batches of the critic, of the generator, and samples.
_INITIAL, _CRITIC, _GENERATOR, _SAMPLE = range(4)
_AT_ONCE = 256

Array = npt.NDArray[np.float32]


@dataclass(frozen=True, repr=False, eq=False)
class Gan:
    """A generator that was trained.

    Attributes
    ----------
    generator
        The Keras network from random numbers, (n, latent), to logits, (n, window, 4).
    n_parameters
        Number of parameters of generator and critic together.
    bases_read
        Real bases that the critic has read.
    history
        One row per pass: epoch, loss (of the critic), distance (its estimate of the Wasserstein distance), score.
    best_epoch
        The pass, from 1, whose generator this is.
    """

    generator: Any
    window: int
    settings: GanSettings
    n_parameters: int
    bases_read: int
    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0

    def sample(self, n: int, seed: int) -> npt.NDArray[np.uint8]:
        """Return ``n`` new windows, uint8 (n, window)."""
        return _sample(self.generator, self.settings, self.window, n, seed)


def build_generator(settings: GanSettings, window: int, seed: int) -> Any:
    """Return the Keras network from random numbers, (n, latent), to logits, (n, window, 4)."""
    from genolstm.lstm.train.network import load_tensorflow

    _, keras = load_tensorflow()
    layers, weights = keras.layers, _weights(keras, [seed, _INITIAL, 0])
    inputs = keras.Input((settings.latent,), dtype="float32", name="z")
    first = window >> GAN_HALVINGS
    hidden = layers.Dense(first * settings.channels, activation="relu", kernel_initializer=weights())(inputs)
    hidden = layers.Reshape((first, settings.channels))(hidden)
    for _ in range(GAN_HALVINGS):
        hidden = layers.UpSampling1D(2)(hidden)
        hidden = layers.Conv1D(
            settings.channels, _GENERATOR_KERNEL, padding="same", activation="relu", kernel_initializer=weights()
        )(hidden)
    logits = layers.Conv1D(_BASES, _GENERATOR_KERNEL, padding="same", kernel_initializer=weights(), name="logits")(
        hidden
    )
    return keras.Model(inputs, logits, name="generator")


def build_critic(settings: GanSettings, window: int, seed: int) -> Any:
    """Return the Keras network from windows, (n, window, 4), to scores, (n, 1)."""
    from genolstm.lstm.train.network import load_tensorflow

    _, keras = load_tensorflow()
    layers, weights = keras.layers, _weights(keras, [seed, _INITIAL, 1])
    hidden = inputs = keras.Input((window, _BASES), dtype="float32", name="x")
    for _ in range(GAN_HALVINGS):
        hidden = layers.Conv1D(
            settings.channels, _CRITIC_KERNEL, strides=2, padding="same", kernel_initializer=weights()
        )(hidden)
        hidden = layers.LeakyReLU(negative_slope=_LEAK)(hidden)
    score = layers.Dense(1, kernel_initializer=weights(), name="score")(layers.Flatten()(hidden))
    return keras.Model(inputs, score, name="critic")


def _weights(keras: Any, seed: list[int]) -> Callable[[], Any]:
    seeds = iter(np.random.default_rng(seed).integers(1 << 31, size=64).tolist())
    return lambda: keras.initializers.GlorotUniform(next(seeds))


def gradient_penalty(critic: Any, real: Any, made: Any, share: Any) -> Any:
    """Return the mean of (slope - 1)^2, the slope of a critic at points between real and generated windows.

    Parameters
    ----------
    critic
        Function from windows, (n, window, 4), to scores.
    real, made
        Windows, (n, window, 4).
    share
        How near each point lies to the real window, (n, 1, 1), 0 to 1.
    """
    from genolstm.lstm.train.network import load_tensorflow

    tf, _ = load_tensorflow()
    between = tf.convert_to_tensor(share * real + (1.0 - share) * made)
    with tf.GradientTape() as tape:
        tape.watch(between)
        score = critic(between)
    gradient = tape.gradient(score, between)
    # The square root has no derivative at 0.
    slope = tf.sqrt(tf.reduce_sum(tf.square(gradient), axis=[1, 2]) + 1e-12)
    return tf.reduce_mean(tf.square(slope - 1.0))


def critic_steps(training_bases: int, passes: int, settings: GanSettings, window: int) -> int:
    """Return how many steps of the critic read as many real bases as so many passes over a sequence."""
    return max(passes, round(passes * training_bases / (settings.batch_size * window)))


def train_gan(
    training: Corpus,
    settings: GanSettings,
    *,
    window: int,
    passes: int,
    seed: int,
    reverse_complement: bool = True,
    score: Callable[[npt.NDArray[np.uint8]], float] | None = None,
    scored: int = 512,
    folder: PathLike | None = None,
    progress: Callable[[dict[str, float]], None] | None = None,
) -> Gan:
    """Train a GAN on windows that are drawn anywhere in a corpus of DNA.

    Parameters
    ----------
    window
        Length of a window, a multiple of 8.
    passes
        How many times the length of the corpus the critic reads.
    seed
        Seed of initial weights and random numbers.
    reverse_complement
        Whether windows of both strands are drawn.
    score
        Function of ``scored`` generated windows, (n, window); after each pass it is asked, and the generator with the
        least value is kept. By default the last one is.
    folder
        Folder of the checkpoint, written after each pass; a killed run resumes from it, with the same result.
    progress
        Called with the row of each pass.

    Raises
    ------
    InputError
        There is no window of known bases.
    SettingError
        A loss is no longer a number, or the checkpoint is of another run.
    """
    run = _Run(training, settings, window, passes, seed, reverse_complement)
    if folder is not None:
        check_folder(folder)
        run.restore(Path(folder))
    state = run.state
    while state.epoch < passes:
        row = run.one_pass()
        if score is not None:
            row["score"] = float(score(_sample(run.generator, settings, window, scored, seed)))
        row["seconds"] = round(time.perf_counter() - run.began, 3)
        state.history.append(row)
        state.epoch += 1
        if score is None or state.best_score is None or row["score"] < state.best_score:
            state.best_score, state.best_epoch = row.get("score"), state.epoch
            run.best = run.generator.get_weights()
        if progress is not None:
            progress(row)
        state.finished = state.epoch >= passes
        if folder is not None:
            run.save(Path(folder))
    run.generator.set_weights(run.best)
    return Gan(
        generator=run.generator,
        window=window,
        settings=settings,
        n_parameters=run.generator.count_params() + run.critic.count_params(),
        bases_read=run.steps * settings.batch_size * window,
        history=state.history,
        best_epoch=state.best_epoch,
    )


class _Run:
    """Both networks, their optimizers, and how far the training has come."""

    def __init__(
        self, training: Corpus, settings: GanSettings, window: int, passes: int, seed: int, reverse_complement: bool
    ) -> None:
        from genolstm.lstm.train.network import load_tensorflow

        self.tf, keras = load_tensorflow()
        self.settings, self.window, self.passes, self.seed = settings, window, passes, seed
        self.both = reverse_complement
        # A code that no base has keeps windows within their records.
        self.codes = training.stream().astype(np.uint8)
        self.starts = _known_windows(self.codes, window)
        if not len(self.starts):
            raise InputError(
                f"there is no window of {window} known bases to learn from", hint="give a smaller --window"
            )
        self.steps = critic_steps(training.n_symbols, passes, settings, window)
        self.generator = build_generator(settings, window, seed)
        self.critic = build_critic(settings, window, seed)
        self.optimizers = []
        for model in (self.generator, self.critic):
            one = keras.optimizers.Adam(settings.learning_rate, *_BETAS)
            one.build(model.trainable_variables)
            self.optimizers.append(one)
        self.variables = [
            *itertools.chain.from_iterable(model.variables for model in (self.generator, self.critic)),
            *itertools.chain.from_iterable(one.variables for one in self.optimizers),
        ]
        self.best = self.generator.get_weights()
        self.state = Progress()
        self.began = 0.0
        # Not traced by autograph, which would only write files (see the loop of other networks).
        self._of_critic = self.tf.function(self._critic_step, autograph=False)
        self._of_generator = self.tf.function(self._generator_step, autograph=False)

    def fingerprint(self) -> dict[str, Any]:
        return {
            "settings": self.settings.to_dict(),
            "window": self.window,
            "passes": self.passes,
            "seed": self.seed,
            "both strands": self.both,
            "data": fingerprint_data(self.codes),
        }

    def restore(self, folder: Path) -> None:
        found = load_checkpoint(folder, self.fingerprint())
        if found is None:
            return
        state, variables, best = found
        mine = [np.asarray(variable) for variable in self.variables]
        for ours, theirs in ((mine, variables), (self.best, best)):
            same = [(a.shape, a.dtype) for a in ours] == [(a.shape, a.dtype) for a in theirs]
            if not same or not all(np.isfinite(array).all() for array in theirs if array.dtype.kind == "f"):
                raise damaged(folder)
        if state.epoch > self.passes or state.step:
            raise damaged(folder)
        self.state, self.best = state, list(best)
        for variable, value in zip(self.variables, variables, strict=True):
            variable.assign(value)

    def save(self, folder: Path) -> None:
        save_checkpoint(
            folder,
            progress=self.state,
            fingerprint=self.fingerprint(),
            variables=[np.asarray(variable) for variable in self.variables],
            best=self.best,
        )

    def one_pass(self) -> dict[str, float]:
        """Train over one pass; return its number, and the means of loss and distance."""
        self.began = time.perf_counter()
        epoch, size = self.state.epoch, self.settings.batch_size
        first, last = (self.steps * (epoch + more) // self.passes for more in (0, 1))
        sums = np.zeros(2)
        for step in range(first, last):
            # Seeded by the step, so that a resumed run draws the same.
            random = np.random.default_rng([self.seed, _CRITIC, step])
            share = random.random((size, 1, 1), np.float32)
            found = self._of_critic(self._real(random), *_noise(random, self.settings, self.window, size), share)
            sums += [float(one) for one in found]
            if not np.isfinite(sums).all():
                raise SettingError(
                    f"the loss of the GAN's critic is no number in pass {epoch + 1}, step {step + 1}",
                    hint="lower the learning rate",
                )
            if (step + 1) % self.settings.critic_steps == 0:
                random = np.random.default_rng([self.seed, _GENERATOR, step])
                self._of_generator(*_noise(random, self.settings, self.window, size))
        loss, distance = sums / max(1, last - first)
        return {"epoch": epoch + 1, "loss": float(loss), "distance": float(distance)}

    def _real(self, random: np.random.Generator) -> Array:
        starts = self.starts[random.integers(len(self.starts), size=self.settings.batch_size)]
        codes = self.codes[starts[:, None] + np.arange(self.window)]
        if self.both:
            turned = random.random(len(codes)) < 0.5
            codes[turned] = (3 - codes[turned])[:, ::-1]
        return one_hot(codes)  # type: ignore[return-value]

    # The rest is traced by TensorFlow.

    def _critic_step(self, real: Any, z: Any, gumbel: Any, share: Any) -> tuple[Any, Any]:
        tf = self.tf
        made = _drawn(tf, self.generator(z, training=False), gumbel, self.settings.temperature)
        with tf.GradientTape() as tape:
            distance = tf.reduce_mean(self.critic(real, training=True)) - tf.reduce_mean(
                self.critic(made, training=True)
            )
            penalty = gradient_penalty(lambda x: self.critic(x, training=True), real, made, share)
            loss = self.settings.penalty * penalty - distance
        self._apply(1, self.critic, tape.gradient(loss, self.critic.trainable_variables))
        return loss, distance

    def _generator_step(self, z: Any, gumbel: Any) -> None:
        tf = self.tf
        with tf.GradientTape() as tape:
            made = _drawn(tf, self.generator(z, training=True), gumbel, self.settings.temperature)
            loss = -tf.reduce_mean(self.critic(made, training=False))
        self._apply(0, self.generator, tape.gradient(loss, self.generator.trainable_variables))

    def _apply(self, which: int, model: Any, gradients: Any) -> None:
        self.optimizers[which].apply(gradients, model.trainable_variables)


def _known_windows(codes: npt.NDArray[np.uint8], window: int) -> npt.NDArray[np.int64]:
    """Return where windows of known bases begin."""
    unknown = np.concatenate([[0], np.cumsum(codes >= _BASES)])
    return np.flatnonzero(unknown[window:] == unknown[: max(0, len(unknown) - window)])


def _drawn(tf: Any, logits: Any, gumbel: Any, temperature: float) -> Any:
    """Return one-hot bases drawn from logits, whose gradient is that of the Gumbel-softmax.

    Were they soft, the critic would tell them from real ones by that alone, and would teach little else.
    """
    soft = tf.nn.softmax((logits + gumbel) / temperature)
    hard = tf.one_hot(tf.argmax(soft, axis=-1), _BASES)
    return soft + tf.stop_gradient(hard - soft)


def _noise(random: np.random.Generator, settings: GanSettings, window: int, size: int) -> tuple[Array, Array]:
    """Return what the generator makes windows from, and the Gumbel noise by which bases are drawn."""
    z = random.standard_normal((size, settings.latent), np.float32)
    return z, random.gumbel(size=(size, window, _BASES)).astype(np.float32)


def _sample(generator: Any, settings: GanSettings, window: int, n: int, seed: int) -> npt.NDArray[np.uint8]:
    made = np.zeros((n, window), np.uint8)
    for start in range(0, n, _AT_ONCE):
        # Whole batches are drawn, so that the first windows do not depend on how many are wanted.
        z, gumbel = _noise(np.random.default_rng([seed, _SAMPLE, start]), settings, window, _AT_ONCE)
        # The likeliest base after Gumbel noise is a draw from the softmax.
        drawn = (np.asarray(generator(z, training=False)) + gumbel).argmax(axis=-1)
        made[start : start + _AT_ONCE] = drawn[: n - start]
    return made
