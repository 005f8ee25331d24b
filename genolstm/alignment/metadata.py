"""What an aligner, or a network that embeds DNA, says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from genolstm.alignment.pairhmm.metadata import read_damage, read_family
from genolstm.alignment.pairhmm.modes import MODES
from genolstm.alignment.significance import Significance
from genolstm.errors import ModelError
from genolstm.fields import Fields
from genolstm.lstm.bundle.bundle import Bundle

KIND = "alignment"
EMBEDDING_KIND = "embedding"
_MOST_MARGIN = 1e6


@dataclass(frozen=True)
class AlignerMetadata:
    """The metadata of an aligner, checked.

    Attributes
    ----------
    family, damage
        Fields of :class:`~genolstm.alignment.pairhmm.parameters.ParameterFamily` and
        :class:`~genolstm.alignment.pairhmm.damage.DamageProfile`; no damage is None.
    mode
        Default alignment mode.
    significance
        Calibration of the scores; None if they have not been calibrated.
    margin
        Bits by which a pair has to be likelier in context before context is used for it.
    """

    family: dict[str, Any]
    damage: dict[str, Any] | None
    mode: str
    significance: Significance | None
    margin: float


def read_metadata(bundle: Bundle) -> AlignerMetadata:
    """Return what an aligner says of itself.

    Raises
    ------
    ModelError
        The bundle is of another kind, or lacks or misstates something.
    """
    bundle.require(kind=KIND, alphabet="dna")
    fields = Fields(bundle.metadata, path=bundle.path)
    try:
        significance = Significance.from_dict(bundle.metadata["significance"]) if "significance" in fields else None
    except ModelError as error:
        error.path = bundle.path
        raise
    return AlignerMetadata(
        read_family(fields.table("family")),
        read_damage(fields.table("damage")) if "damage" in fields else None,
        fields.choice("mode", MODES, "global"),
        significance,
        fields.number("margin", -_MOST_MARGIN, _MOST_MARGIN, 0.0),
    )


def verified(bundle: Bundle) -> list[tuple[str, str]]:
    """Return what an aligner holds beside its network, once it has been read and found within bounds.

    Raises
    ------
    ModelError
        As :func:`read_metadata`.
    """
    held = read_metadata(bundle)
    modes = () if held.significance is None else held.significance.modes()
    return [
        ("pair-HMM parameters", "within bounds"),
        ("damage of ancient reads", "none" if held.damage is None else "within bounds"),
        ("E-values", f"whole, for {', '.join(modes)}" if modes else "none"),
    ]


def check_embedding(bundle: Bundle) -> None:
    """Refuse a bundle that does not embed DNA.

    Raises
    ------
    ModelError
        It is of another kind or alphabet.
    """
    bundle.require(kind=EMBEDDING_KIND, alphabet="dna")
    config = bundle.config
    if config is not None and (config.per_step or config.input == "embedding" or config.n_features != 4):
        raise ModelError("its network does not turn DNA into one vector", path=bundle.path)
