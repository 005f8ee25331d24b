"""Model bundles of the aligner: their contents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from genolstm.alignment.context.terms import CONTEXT, TILE, NetworkContext
from genolstm.alignment.metadata import read_metadata
from genolstm.alignment.pairhmm.damage import DamageProfile
from genolstm.alignment.pairhmm.parameters import ParameterFamily
from genolstm.alignment.significance import Significance
from genolstm.files import PathLike
from genolstm.lstm.bundle.bundle import Bundle, find_bundle

ONLY_CODONS = "dna"
"""The shipped model whose network has been found to gain in coding sequence, and in nothing else that was tried."""


@dataclass(frozen=True)
class AlignerParts:
    """What an alignment bundle holds.

    Attributes
    ----------
    family
        Classical parameters.
    contextual
        The network; None if the bundle has none, or the classical aligner was requested.
    damage
        Damage profile of ancient queries; None for no damage.
    mode
        Default alignment mode.
    significance
        Calibration of the scores; None if they have not been calibrated.
    """

    name: str
    family: ParameterFamily
    contextual: NetworkContext | None
    damage: DamageProfile | None
    mode: Any
    significance: Significance | None


def read_aligner(name_or_path: PathLike, *, classical: bool = False) -> AlignerParts:
    """Read an alignment bundle.

    Parameters
    ----------
    name_or_path
        A shipped model (``dna``, ``coding``, ``rna``, ``adna``) or a file that ``align train`` wrote.
    classical
        Whether to leave out the network.

    Raises
    ------
    InputError
        There is no such model.
    ModelError
        The file is damaged, or is not an aligner.
    """
    bundle = Bundle.open(find_bundle(name_or_path))
    metadata = read_metadata(bundle)
    asked = "if codons show" if name_or_path == ONLY_CODONS else "always"
    neural = "model.onnx" in bundle.members and not classical
    return AlignerParts(
        bundle.name,
        ParameterFamily(**metadata.family),
        NetworkContext(bundle, bundle.name, metadata.margin, asked=asked) if neural else None,
        None if metadata.damage is None else DamageProfile(**metadata.damage),
        metadata.mode,
        metadata.significance,
    )


def aligner_metadata(
    family: ParameterFamily,
    *,
    mode: str = "global",
    damage: DamageProfile | None = None,
    significance: Mapping[str, Any] | None = None,
    margin: float = 0.0,
) -> dict[str, Any]:
    """Return the metadata of a bundle, which :func:`read_aligner` reads."""
    return {
        "alphabet": "dna",
        "family": family.to_dict(),
        "mode": mode,
        "damage": None if damage is None else asdict(damage),
        "significance": None if significance is None else dict(significance),
        "margin": margin,
        "context": CONTEXT,
        "tile": TILE,
    }
