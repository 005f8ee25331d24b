"""The generators that are compared, each trained on the same sequence and asked for as many windows."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from genolstm.lstm.train.checkpoint import FILE_NAME
from genolstm.text.baselines import MarkovModel
from genolstm.text.corpus import Record
from genolstm.text.gan import train_gan
from genolstm.text.generator import TextGenerator
from genolstm.text.parts import Parts, Windows, cut, strands
from genolstm.text.settings import GanSettings, GeneratorsSettings, TextSettings
from genolstm.text.spectrum import compare_spectra

#: Real held-out sequence, and independent bases of the training sequence's composition: between them, judges are
#: calibrated.
REAL, INDEPENDENT = "real", "independent"
#: Length of the k-mers by which the validation part chooses the pass of the GAN.
CHOICE_K = 6
_MARKOV = 0x3A4C
_FLIP = 0xF11B
# Its own seed has the same number; this keeps samples apart from training.
_DRAW = 0x5A3B


@dataclass(frozen=True, eq=False)
class Made:
    """What a generator has made.

    Attributes
    ----------
    windows
        As many as there are real ones; those cut from one sample are a group.
    parameters
        Trained parameters, or counts of a Markov model; None if it was not trained.
    bases_read
        Training bases that were read, each time that they were; None likewise.
    cpu_seconds
        CPU time of training and sampling; None if it was not trained, or in part by a run that was killed.
    chosen
        What the validation part has chosen, in words.
    """

    windows: Windows
    parameters: int | None = None
    bases_read: int | None = None
    cpu_seconds: float | None = None
    chosen: str = ""


@dataclass(frozen=True, eq=False)
class Wanted:
    """How much a generator is to make, and by which seed.

    Attributes
    ----------
    windows
        Number of windows.
    groups
        Number of groups that the real windows come from: so many samples are drawn.
    """

    windows: int
    groups: int
    seed: int

    @property
    def per_sample(self) -> int:
        """Windows that each sample gives."""
        return -(-self.windows // self.groups)

    @property
    def samples(self) -> int:
        """Number of samples."""
        return -(-self.windows // self.per_sample)


def _windows(samples: npt.NDArray[np.uint8], wanted: Wanted, settings: GeneratorsSettings) -> Windows:
    """Cut samples, (n, bases), into as many windows as are wanted."""
    found = cut([Record("", one) for one in samples], settings.window)
    found = found.take(np.arange(wanted.windows))
    return found.flipped(np.random.default_rng([wanted.seed, _FLIP])) if settings.reverse_complement else found


def make_independent(parts: Parts, settings: GeneratorsSettings, wanted: Wanted) -> Made:
    """Draw bases one by one, with the frequencies of the training sequence."""
    model = MarkovModel(0, len(parts.training.alphabet)).fit(strands(parts.training, settings.reverse_complement))
    length = wanted.per_sample * settings.window
    random = np.random.default_rng([wanted.seed, _DRAW])
    return Made(_windows(model.sample(wanted.samples, length, random), wanted, settings))


def make_markov(
    parts: Parts, settings: GeneratorsSettings, gan: GanSettings, wanted: Wanted, folder: Path | None = None
) -> Made:
    """Count the training sequence, let the validation part choose order and back-off, and sample.

    A further pass over the sequence would change no probability: it is read once.
    """
    began = time.process_time()
    stream = strands(parts.training, settings.reverse_complement)
    validation, n_symbols = parts.validation.stream(), len(parts.training.alphabet)
    model = MarkovModel(settings.max_order, n_symbols).fit(stream, tune=True, validation=validation)
    costs = [float(np.nanmean(bits)) for bits in model.bits_by_order(validation)]
    best = model.cut(int(np.argmin(costs)))
    length = wanted.per_sample * settings.window
    samples = best.sample(wanted.samples, length, np.random.default_rng([wanted.seed, _MARKOV]))
    return Made(
        _windows(samples, wanted, settings),
        parameters=best.n_counts,
        bases_read=parts.training.n_symbols,
        cpu_seconds=time.process_time() - began,
        chosen=f"order {best.order}",
    )


def make_lstm(
    parts: Parts, settings: GeneratorsSettings, gan: GanSettings, wanted: Wanted, folder: Path | None = None
) -> Made:
    """Train the text generator, let the validation part choose the epoch, and sample at temperature 1."""
    resumed = folder is not None and (folder / FILE_NAME).exists()
    began = time.process_time()
    chosen = TextSettings(
        units=settings.units,
        epochs=settings.passes,
        patience=settings.passes,
        reverse_complement=settings.reverse_complement,
        seed=wanted.seed,
    )
    model = TextGenerator.fit(parts.training, chosen, held_out=parts.validation, folder=folder, progress=False)
    model.threads = 1
    samples = model.sample_many(wanted.samples, "", wanted.per_sample * settings.window, seed=wanted.seed)
    account = model.bundle.provenance["settings"]
    return Made(
        _windows(np.stack([model.encode(one) for one in samples]).astype(np.uint8), wanted, settings),
        parameters=model.config.n_parameters,
        bases_read=account["epochs_run"] * parts.training.n_symbols,
        cpu_seconds=None if resumed else time.process_time() - began,
        chosen=f"epoch {account['best_epoch']} of {account['epochs_run']}",
    )


def make_gan(
    parts: Parts, settings: GeneratorsSettings, gan: GanSettings, wanted: Wanted, folder: Path | None = None
) -> Made:
    """Train the GAN, let the k-mers of the validation part choose the pass, and draw windows."""
    resumed = folder is not None and (folder / FILE_NAME).exists()
    began = time.process_time()
    like = [record.codes.astype(np.uint8) for record in parts.validation.records]

    def score(made: npt.NDArray[np.uint8]) -> float:
        return compare_spectra(made, like, CHOICE_K, canonical=settings.reverse_complement).divergence

    trained = train_gan(
        parts.training,
        gan,
        window=settings.window,
        passes=settings.passes,
        seed=wanted.seed,
        reverse_complement=settings.reverse_complement,
        score=score,
        folder=folder,
    )
    codes = trained.sample(wanted.windows, wanted.seed)
    return Made(
        Windows(codes, np.arange(len(codes)) // wanted.per_sample),
        parameters=trained.n_parameters,
        bases_read=trained.bases_read,
        cpu_seconds=None if resumed else time.process_time() - began,
        chosen=f"pass {trained.best_epoch} of {len(trained.history)}",
    )


Maker = Callable[[Parts, GeneratorsSettings, GanSettings, Wanted, "Path | None"], Made]
#: By name: what trains and samples.
MAKERS: dict[str, Maker] = {"lstm": make_lstm, "markov": make_markov, "gan": make_gan}
