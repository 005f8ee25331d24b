"""The gates along one sequence: which units to look at, how long each remembers, as a table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from genolstm.errors import ModelError, SettingError
from genolstm.lstm.bundle.bundle import Bundle
from genolstm.lstm.bundle.initializers import read_weights
from genolstm.lstm.cell import half_life, trace
from genolstm.lstm.settings import GateSettings

if TYPE_CHECKING:
    import pandas as pd

PARTS = ("input", "forget", "output", "candidate", "cell")
COLUMNS = ("sequence", "start", "end", "symbol", "unit", *PARTS)
HALF_LIFE_COLUMNS = ("sequence", "unit", "mean_forget", "half_life_steps", "half_life")


@dataclass(frozen=True, eq=False, repr=False)
class Gates:
    """Gates of some units of one layer along one sequence.

    Attributes
    ----------
    name
        Name of the sequence.
    starts, ends
        (steps,): where each step lies in the sequence, 0-based half-open.
    symbols
        (steps,): what was read at each step; empty if steps are vectors.
    layer, direction
        Which layer, from 1, and which way it reads.
    units
        Numbers of the units, from 0, as in the weight arrays.
    input, forget, output
        (steps, units): the gates, from 0 (shut) to 1 (open).
    candidate
        (steps, units): what would be written, from -1 to 1.
    cell
        (steps, units): the cell state after the step.
    """

    name: str
    starts: np.ndarray
    ends: np.ndarray
    symbols: tuple[str, ...]
    layer: int
    direction: str
    units: tuple[int, ...]
    input: np.ndarray
    forget: np.ndarray
    output: np.ndarray
    candidate: np.ndarray
    cell: np.ndarray

    def __len__(self) -> int:
        return len(self.starts)

    def __repr__(self) -> str:
        return f"Gates({self.name!r}, layer {self.layer} {self.direction}, {len(self.units)} units, {len(self)} steps)"

    @property
    def step_length(self) -> float:
        """Bases (symbols) per step."""
        return float(self.ends[0] - self.starts[0])

    def half_lives(self) -> np.ndarray:
        """Return after how many steps half of each unit's memory is gone, (units,).

        The forget gates of all steps multiply, so this is the half-life at their geometric mean.
        """
        return half_life(np.exp(self._log_forget()))

    def _log_forget(self) -> np.ndarray:
        mean: np.ndarray = np.log(np.maximum(self.forget, 1e-300)).mean(axis=0)
        return mean

    def table(self) -> pd.DataFrame:
        """Return one row per step and unit, with the columns of the TSV."""
        import pandas as pd

        steps, n = len(self), len(self.units)
        frame = {
            "sequence": np.repeat(self.name, steps * n),
            "start": np.repeat(self.starts, n),
            "end": np.repeat(self.ends, n),
            "symbol": np.repeat(self.symbols or (".",) * steps, n),
            "unit": np.tile(self.units, steps),
        }
        frame |= {part: getattr(self, part).ravel() for part in PARTS}
        return pd.DataFrame(frame)

    def half_life_table(self) -> pd.DataFrame:
        """Return one row per unit; ``half_life`` is in bases (symbols)."""
        import pandas as pd

        lives = self.half_lives()
        return pd.DataFrame(
            {
                "sequence": self.name,
                "unit": self.units,
                "mean_forget": np.exp(self._log_forget()),
                "half_life_steps": lives,
                "half_life": lives * self.step_length,
            }
        )

    def _repr_html_(self) -> str:
        html: str = self.half_life_table().to_html(index=False, float_format="{:.3g}".format)
        return html


def inspect_gates(
    bundle: Bundle,
    x: np.ndarray,
    *,
    name: str = "sequence",
    starts: np.ndarray | None = None,
    ends: np.ndarray | None = None,
    symbols: Iterable[str] = (),
    shown: slice = slice(None),
    **choice: Any,
) -> Gates:
    """Return the gates of chosen units at every step of one sequence.

    Parameters
    ----------
    bundle
        A model whose cells are LSTM.
    x
        (steps, n_features), or (steps,) of codes.
    name
        Name of the sequence.
    starts, ends
        Where each step of ``x`` lies; by default one position per step.
    symbols
        What each step of ``x`` is.
    shown
        Steps to keep; the others are read as context.
    **choice
        Fields of :class:`~genolstm.lstm.settings.GateSettings`: ``layer``, ``direction``,
        ``units``, ``top``.

    Raises
    ------
    ModelError
        The network is a custom one, or does not read such data.
    SettingError
        The network is not an LSTM, has no such layer, direction or unit, or there is no step to
        show.
    """
    settings, config = GateSettings(**choice), bundle.config
    if config is None:
        raise ModelError("the gates of a custom network cannot be read", path=bundle.path)
    x = np.asarray(x)
    if x.ndim != (1 if config.input == "embedding" else 2):
        raise ModelError(f"the data have shape {x.shape}, which the network does not read")
    if config.input == "embedding":
        if len(x) and not 0 <= int(x.min()) <= int(x.max()) < config.vocabulary:
            raise ModelError(f"the network reads codes from 0 to {config.vocabulary - 1}")
    elif x.shape[1] != config.n_features:
        raise ModelError(f"the data have {x.shape[1]} features, the network {config.n_features}")
    starts = np.arange(len(x)) if starts is None else np.asarray(starts)
    ends = starts + 1 if ends is None else np.asarray(ends)
    symbols = tuple(symbols)
    if config.stride > 1:  # a gate opens once for several steps
        first, last, _ = shown.indices(len(x))
        spare = -len(x) % config.stride
        x = np.pad(x, ((0, spare), (0, 0)))
        ends = np.append(ends, np.repeat(ends[-1:], spare))[config.stride - 1 :: config.stride]
        starts, symbols = starts[:: config.stride], ()
        shown = slice(first // config.stride, -(-last // config.stride) if last > first else 0)
    starts, ends = starts[shown], ends[shown]
    if not len(starts):
        raise SettingError("there is no step to show")
    layer, direction = settings.layer or config.layers, settings.direction
    gates = trace(config, read_weights(bundle), x[None], layer=layer, direction=direction)
    parts = {part: getattr(gates, part)[0][shown] for part in PARTS}
    chosen = _units(parts["cell"], settings)
    return Gates(
        name=name,
        starts=starts,
        ends=ends,
        symbols=symbols[shown],
        layer=layer,
        direction=direction,
        units=chosen,
        **{part: array[:, list(chosen)] for part, array in parts.items()},
    )


def write_gates(stream: IO[str], found: Iterable[Gates]) -> None:
    """Write the TSV of :data:`COLUMNS`; tab, line end and backslash in a symbol are escaped."""
    stream.write("#" + "\t".join(COLUMNS) + "\n")
    for gates in found:
        symbols = [_escape(symbol) for symbol in gates.symbols] or ["."] * len(gates)
        parts = [getattr(gates, part) for part in PARTS]
        for step, symbol in enumerate(symbols):
            head = f"{gates.name}\t{gates.starts[step]}\t{gates.ends[step]}\t{symbol}"
            for place, unit in enumerate(gates.units):
                values = "\t".join(f"{part[step, place]:.6g}" for part in parts)
                stream.write(f"{head}\t{unit}\t{values}\n")


def write_half_lives(stream: IO[str], found: Iterable[Gates]) -> None:
    """Write the TSV of :data:`HALF_LIFE_COLUMNS`."""
    stream.write("#" + "\t".join(HALF_LIFE_COLUMNS) + "\n")
    for gates in found:
        for row in gates.half_life_table().itertuples(index=False):
            numbers = "\t".join(f"{value:.6g}" for value in row[2:])
            stream.write(f"{row[0]}\t{row[1]}\t{numbers}\n")


def _units(cell: np.ndarray, settings: GateSettings) -> tuple[int, ...]:
    n, units = cell.shape[1], settings.units
    if units is None:
        # tanh, as in the layer's output: a large state that hardly varies there says little.
        spread = np.tanh(cell).std(axis=0)
        return tuple(int(unit) for unit in np.argsort(-spread, kind="stable")[: settings.top])
    for unit in units:
        if not 0 <= unit < n:
            raise SettingError(f"there is no unit {unit}, the layer has units 0 to {n - 1}")
    if not units:
        raise SettingError("no unit is named")
    return units


def _escape(symbol: str) -> str:
    table = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}
    return "".join(table.get(letter, letter) for letter in symbol)
