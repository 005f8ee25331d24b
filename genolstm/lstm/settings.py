"""Which gates of a network to look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from genolstm.settings import Range, check


@dataclass(frozen=True)
class GateSettings:
    """Which units of which layer.

    Parameters
    ----------
    layer
        Layer to show, counted from 1; by default the last one.
    direction
        Direction in which the layer reads.
    units
        Units to show, numbered from 0; by default those whose cell states vary most.
    top
        Number of units to show if none are named.

    Raises
    ------
    SettingError
        A value is out of range.
    """

    layer: Annotated[int, Range(1)] | None = None
    direction: Literal["forward", "backward"] = "forward"
    units: tuple[int, ...] | None = None
    top: Annotated[int, Range(1)] = 8

    def __post_init__(self) -> None:
        check(self)
        if self.units is not None:
            object.__setattr__(self, "units", tuple(self.units))
