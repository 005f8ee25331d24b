"""Training of the contextual aligner: pairs in, a network out.

First the auxiliary heads alone learn what the simulator knows (position in the codon, repeat
unit): measurements show that without this, almost none of a coding sequence's structure is found.
Then comes the alignments' own loss, on a mixture of structured and homogeneous pairs from the first
step, so that the gates learn where context says nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from genolstm.alignment.context.estimation import check_pairs
from genolstm.alignment.context.loss import OUTSIDE, UNKNOWN, PairLoss, add_noise, inner_network, make_pair_model
from genolstm.alignment.context.terms import PADDING, network_config
from genolstm.alignment.pairhmm.member import select_pair
from genolstm.alignment.pairhmm.parameters import ParameterFamily
from genolstm.alignment.settings import AlignTrainSettings
from genolstm.alignment.simulate.pairs import SimulatedPair, SimulationSettings, simulate_pair
from genolstm.errors import InputError, SettingError
from genolstm.files import PathLike
from genolstm.lstm.config import LSTMConfig
from genolstm.lstm.train.checkpoint import FILE_NAME
from genolstm.lstm.train.settings import TrainingSettings
from genolstm.lstm.train.training import train
from genolstm.threads import worker_pool

Codes = npt.NDArray[np.uint8]
LONGEST = 1200
"""Longest training pair in bp; longer ones are cut at aligned residues, or refused without a truth."""
SHORTEST = 16
"""Fewest aligned residues of a piece of a longer pair."""

_SHORT = SimulationSettings(length=(160, 260), skew=0.35)
MIXTURES: dict[str, tuple[tuple[float, SimulationSettings], ...]] = {
    "dna": (
        (0.16, replace(_SHORT, divergence=(0.02, 1.3), indel_rate=(0.01, 0.08))),
        (0.05, replace(_SHORT, length=(40, 160), divergence=(0.02, 1.0))),
        (0.18, replace(_SHORT, divergence=(0.4, 1.3), shape=(0.3, 20.0))),
        (0.40, replace(_SHORT, coding=1.0, divergence=(0.5, 5.5))),
        (0.21, replace(_SHORT, repeats=(0.1, 0.5), divergence=(0.05, 0.8))),
    ),
    "coding": (
        (0.15, replace(_SHORT, divergence=(0.02, 1.3), indel_rate=(0.01, 0.08))),
        (0.85, replace(_SHORT, coding=1.0, divergence=(0.5, 5.5))),
    ),
}
"""Training mixtures of the shipped models: shares and settings of the simulator."""


def simulate_mixture(
    mixture: Sequence[tuple[float, SimulationSettings]], n: int, *, seed: int, longest: int = 300
) -> list[SimulatedPair]:
    """Draw pairs from several settings by their shares; the same seed gives the same pairs.

    Parameters
    ----------
    longest
        Maximum length in bp; pairs with a longer sequence are redrawn.
    """
    shares = np.array([share for share, _ in mixture])
    out = []
    for child in np.random.SeedSequence(seed).spawn(n):
        rng = np.random.default_rng(child)
        settings = mixture[rng.choice(len(mixture), p=shares / shares.sum())][1]
        while True:
            pair = simulate_pair(settings, rng)
            if max(len(pair.query), len(pair.reference)) <= longest and len(pair.pairs):
                out.append(pair)
                break
    return out


@dataclass(frozen=True, eq=False)
class PairData:
    """Pairs as arrays of equal length, for training.

    Attributes
    ----------
    codes
        uint8 (n, 2, steps): bases 0 to 3, ``OUTSIDE`` elsewhere.
    targets
        Lengths, truth, labels of the heads, and each pair's classical parameters.
    """

    codes: npt.NDArray[np.uint8]
    targets: dict[str, npt.NDArray[Any]]

    def __len__(self) -> int:
        return len(self.codes)

    def rows(self, index: npt.NDArray[np.int64]) -> PairData:
        """Return some of the pairs."""
        return PairData(self.codes[index], {k: v[index] for k, v in self.targets.items()})


@dataclass(frozen=True)
class LabelledPair:
    """A pair with its true alignment, from any source.

    Attributes
    ----------
    query, reference
        Codes 0 to 3; any other is an unknown base.
    pairs
        Aligned positions, int32 (k, 2).
    """

    query: Codes
    reference: Codes
    pairs: npt.NDArray[np.int32]


def cut_pair(pairs: npt.NDArray[np.int32]) -> Iterator[tuple[tuple[int, int], tuple[int, int], npt.NDArray[np.int32]]]:
    """Cut an alignment at aligned residues into pieces of at most ``LONGEST`` bp; unaligned ends are lost.

    Yields
    ------
    tuple
        Part of the first and of the second sequence, and its aligned positions within them.
    """
    at = 0
    while at < len(pairs):
        q0, r0 = (int(x) for x in pairs[at])
        # The longest piece that fits; a single column before a longer gap is left out.
        reach = np.maximum(pairs[at:, 0] - q0, pairs[at:, 1] - r0) < LONGEST
        end = at + int(reach.sum())
        q1, r1 = (int(x) + 1 for x in pairs[end - 1])
        if end - at >= SHORTEST:
            yield (q0, q1), (r0, r1), (pairs[at:end] - pairs[at]).astype(np.int32)
        at = end


def pack_pairs(pairs: Iterable[SimulatedPair | LabelledPair], family: ParameterFamily, *, threads: int = 0) -> PairData:
    """Choose every pair's classical parameters and lay out all pairs as arrays.

    Raises
    ------
    InputError
        There are no pairs, or an alignment does not fit its sequences.
    """
    found = list(pairs)
    if not found:
        raise InputError("no pairs to learn from")
    for pair in found:
        check_pairs(pair.query, pair.reference, pair.pairs)
    longest = max(max(len(p.query), len(p.reference)) for p in found)
    n, steps = len(found), longest + 2 * PADDING
    if longest >= 1 << 15:
        raise SettingError(f"a sequence of {longest} bp is too long to train on", hint="cut it")
    codes = np.full((n, 2, steps), OUTSIDE, np.uint8)
    targets: dict[str, npt.NDArray[Any]] = {
        "codes": codes,
        "lengths": np.zeros((n, 2), np.int32),
        "partner": np.full((n, longest), -1, np.int32),
        "frame": np.full((n, 2, steps), UNKNOWN, np.uint8),
        "unit": np.full((n, 2, steps), UNKNOWN, np.uint8),
        "log_odds": np.zeros((n, 5, 5), np.float32),
        "gaps": np.zeros((n, 5), np.float32),
        "background": np.zeros((n, 4), np.float32),
    }

    def fill(k: int) -> None:
        pair = found[k]
        sequences = (pair.query, pair.reference)
        for side, sequence in enumerate(sequences):
            place = slice(PADDING, PADDING + len(sequence))
            codes[k, side, place] = np.minimum(sequence, OUTSIDE)
            targets["lengths"][k, side] = len(sequence)
            if isinstance(pair, SimulatedPair):
                phase = (pair.query_phase, pair.reference_phase)[side]
                # 0, then positions 1 to 3 as 1 to 3, and those of the other strand as 4 to 6.
                targets["frame"][k, side, place] = np.where(phase < 0, 3 - phase, phase)
                targets["unit"][k, side, place] = (pair.query_unit, pair.reference_unit)[side]
        targets["partner"][k, pair.pairs[:, 0]] = pair.pairs[:, 1]
        a, b = (np.where(s < 4, 1 << np.minimum(s, 3), 15).astype(np.uint8) for s in sequences)
        chosen = select_pair(a, b, family).parameters
        table = np.log(chosen.odds())
        known = np.array([1, 2, 4, 8, 15])
        targets["log_odds"][k] = table[np.ix_(known, known)]
        targets["background"][k] = np.log(chosen.background)
        targets["gaps"][k] = (*chosen.gap_open, *chosen.gap_extend, chosen.gap_link)

    with worker_pool(threads) as pool:
        for _ in pool.map(fill, range(n)):
            pass
    return PairData(codes, targets)


@dataclass(frozen=True)
class _Phase:
    name: str
    epochs: int
    loss: PairLoss
    learning_rate: float
    batch_size: int


def make_config(settings: AlignTrainSettings) -> LSTMConfig:
    """Return the settings of the network itself."""
    return network_config(
        units=settings.units, layers=settings.layers, kernel_size=settings.kernel_size, filters=settings.filters
    )


def _phase_folder(folder: PathLike, number: int) -> Path:
    return Path(folder) / f"phase{number}"


def checkpoint_files(folder: PathLike) -> list[Path]:
    """Return the checkpoints that :func:`train_network` may write into a folder."""
    return [_phase_folder(folder, number) / FILE_NAME for number in range(3)]


def train_network(
    data: PairData,
    held_out: PairData,
    settings: AlignTrainSettings,
    *,
    labelled: bool = True,
    config: LSTMConfig | None = None,
    folder: PathLike | None = None,
    initial_weights: Sequence[np.ndarray] | None = None,
    threads: int = 0,
    progress: bool = True,
) -> tuple[Any, list[dict[str, Any]]]:
    """Train the network on pairs: by their alignments, or by likelihood if ``labelled`` is false.

    Returns
    -------
    tuple
        The Keras network of single sequences, and one row per epoch.
    """
    config = config or make_config(settings)
    weights, history = initial_weights, []
    heads = PairLoss(alignment=0.0, auxiliary=1.0)
    rate, rows = settings.learning_rate, settings.batch_size
    if labelled:
        aligned = PairLoss(auxiliary=settings.auxiliary, threads=threads)
        both = PairLoss(auxiliary=settings.auxiliary, likelihood=settings.likelihood, threads=threads)
        phases = [
            _Phase("auxiliary heads", settings.pretraining_epochs, heads, 2 * rate, 2 * rows),
            _Phase("alignments", settings.epochs, aligned, rate, rows),
            _Phase("likelihood", settings.likelihood_epochs, both, rate / 2, rows),
        ]
        if initial_weights is not None or (data.targets["frame"] == UNKNOWN).all():
            phases = phases[1:]
    else:
        alone = PairLoss(alignment=0.0, auxiliary=0.0, likelihood=1.0, threads=threads)
        phases = [_Phase("likelihood", settings.epochs, alone, rate, rows)]
    for number, phase in enumerate(phases):
        if not phase.epochs:
            continue
        if progress:
            print(
                f"phase {number + 1} of {len(phases)}: {phase.name}; the time left is that of the phase",
                file=sys.stderr,
            )
        noise = phase.loss.likelihood > 0
        steps = phase.epochs * -(-len(data) // phase.batch_size)
        held = (held_out.codes, held_out.targets)
        if noise:
            held = add_noise(*held, np.random.default_rng([settings.seed, 0x4E01]))
        # Products of single pairs are too small to split: BLAS's own threads would spend twenty
        # times as long waiting for each other as computing.
        with threadpool_limits(1, user_api="blas"):
            result = train(
                config,
                TrainingSettings(
                    epochs=phase.epochs,
                    batch_size=phase.batch_size,
                    learning_rate=phase.learning_rate,
                    warmup_steps=min(50, steps // 10),
                    patience=settings.patience,
                    seed=settings.seed,
                ),
                data.codes,
                data.targets,
                validation=held,
                loss=phase.loss,
                augment=add_noise if noise else None,
                make_model=_PairModel(settings.seed, 4 if noise else 2),
                initial_weights=weights,
                folder=None if folder is None else _phase_folder(folder, number),
                progress=progress,
            )
        weights = result.model.get_weights()
        history += [{"phase": phase.name, **row} for row in result.history]
    return inner_network(result.model), history


class _PairModel:
    """Builds the model of pairs; a class, so that its name tells a checkpoint the seed."""

    def __init__(self, seed: int, rows: int) -> None:
        self.seed, self.rows = seed, rows
        self.__qualname__ = f"make_pair_model(seed={seed}, rows={rows})"

    def __call__(self, config: LSTMConfig) -> Any:
        return make_pair_model(config, self.seed, self.rows)
