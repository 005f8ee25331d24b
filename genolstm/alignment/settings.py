"""How to align."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from genolstm.alignment.pairhmm.modes import MODES, Mode, Strand
from genolstm.errors import SettingError

Decoding = Literal["mea", "viterbi"]


@dataclass(frozen=True)
class AlignmentSettings:
    """How to align.

    Parameters
    ----------
    mode
        ``global``, ``semiglobal`` (all of the query somewhere in the reference) or ``local``.
    strand
        Of the query: ``plus``, ``minus``, or the better of ``both``.
    decoding
        ``mea`` (the most expected accuracy) or ``viterbi`` (the likeliest single path).
    gap_factor
        Of MEA: None for the highest expected F1, else FSA's dial, 0 for recall, above 1 for
        precision.
    band
        ``auto``, ``none``, or a margin in bp (:func:`genolstm.alignment.region.plan`).
    memory
        Bytes one alignment may take.
    """

    mode: Mode = "global"
    strand: Strand = "both"
    decoding: Decoding = "mea"
    gap_factor: float | None = None
    band: int | str = "auto"
    memory: int = 2 << 30

    def __post_init__(self) -> None:
        for name, value, known in (
            ("mode", self.mode, MODES),
            ("strand", self.strand, ("both", "plus", "minus")),
            ("decoding", self.decoding, ("mea", "viterbi")),
        ):
            if value not in known:
                raise SettingError(f"{name} is {value!r}, it has to be one of {', '.join(known)}")
        if self.gap_factor is not None and not self.gap_factor >= 0:
            raise SettingError(f"gap_factor is {self.gap_factor}, it has to be at least 0")
        number = isinstance(self.band, int) and not isinstance(self.band, bool) and self.band >= 1
        if not number and self.band not in ("auto", "none"):
            raise SettingError(f"band is {self.band!r}, it has to be auto, none or a number of bp")
