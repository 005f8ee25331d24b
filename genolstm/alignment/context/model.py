"""Model bundles of the aligner: what is in one, and the network's inference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from genolstm.alignment.context.terms import PADDING, SIGNS, WIDTH, adjust, factors, features, interpret, logistic
from genolstm.alignment.pairhmm.damage import DamageProfile
from genolstm.alignment.pairhmm.modes import MODES
from genolstm.alignment.pairhmm.pairhmm import Context
from genolstm.alignment.pairhmm.parameters import PairHMMParameters, ParameterFamily
from genolstm.alignment.significance import Significance
from genolstm.errors import ModelError
from genolstm.files import PathLike
from genolstm.lstm.bundle.bundle import Bundle, find_bundle
from genolstm.lstm.bundle.runtime import Runtime
from genolstm.sequences.masks import Masks

KIND = "alignment"
TILE, CONTEXT = 4096, 256
"""Longer sequences are read in tiles of ``TILE`` steps, each with ``CONTEXT`` more on either side."""

Vector = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Encoded:
    """What the network says of one sequence, ready for a pair.

    Attributes
    ----------
    first, second
        Vectors for the role of the query and of the reference, (n, d).
    gate
        (n,).
    gap_open
        Of gaps that take residues of this sequence and of the other one, (n + 1, 2).
    rates
        What the sequence says of the pair's gap rates.
    evidence
        What it says for the use of context.
    """

    first: Vector
    second: Vector
    gate: Vector
    gap_open: Vector
    rates: npt.NDArray[np.float64]
    evidence: float


class NetworkContext:
    """Contextual terms from an ONNX graph; no TensorFlow.

    Parameters
    ----------
    source
        A bundle, or an ONNX graph.
    name
        What alignments say they were made with.
    margin
        Bits by which a pair has to be likelier in context before context is used for it.
    """

    def __init__(self, source: Bundle | bytes, name: str, margin: float = 0.0) -> None:
        self.name = name
        self.margin = margin
        self.runtime = Runtime(source, threads=1, context=CONTEXT, tile=TILE)
        if self.runtime.n_outputs != WIDTH or self.runtime.n_features != 4:
            path = source.path if isinstance(source, Bundle) else None
            raise ModelError("its network is none that feeds the aligner", path=path)

    def encode(self, masks: Masks) -> Encoded:
        """Read one sequence."""
        n = len(masks)
        outputs = self.runtime.predict(features(masks)[None])[0, PADDING : PADDING + n + 1]
        terms = interpret(np, outputs)
        return Encoded(
            factors(np, terms, SIGNS, True)[:n],
            factors(np, terms, SIGNS, False)[:n],
            np.ascontiguousarray(terms.gate[:n, 0]),
            terms.gap_open,
            terms.rates[:n].mean(axis=0, dtype=np.float64),
            float(terms.evidence[:n].mean(dtype=np.float64)),
        )

    def pair(
        self, query: Encoded, reference: Encoded, parameters: PairHMMParameters
    ) -> tuple[Context, Context, PairHMMParameters]:
        """Return the terms of a pair, and its parameters with the gap rates that context has."""
        gate = logistic(np, np.float32(query.evidence + reference.evidence))
        return (
            Context(query.first, gate * query.gate, gate * query.gap_open),
            Context(reference.second, reference.gate, gate * reference.gap_open[:, ::-1]),
            adjust(parameters, gate * (query.rates + reference.rates) / 2),
        )


@dataclass(frozen=True)
class AlignerParts:
    """What an alignment bundle holds.

    Attributes
    ----------
    family
        Classical parameters.
    contextual
        The network; None where the bundle has none, or the classical aligner is wanted.
    damage
        Of ancient queries.
    mode
        In which to align if nothing else is said.
    significance
        What scores mean; None if not fitted.
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
        A shipped model (``dna``, ``coding``, ``adna``) or a file of ``align train``.
    classical
        Leave the network out.

    Raises
    ------
    InputError
        There is no such model.
    ModelError
        It is damaged, or no model for alignment.
    """
    bundle = Bundle.open(find_bundle(name_or_path))
    bundle.require(kind=KIND, alphabet="dna")
    metadata = bundle.metadata
    mode = metadata.get("mode", "global")
    damage, significance = metadata.get("damage"), metadata.get("significance")
    margin = metadata.get("margin", 0.0)
    if mode not in MODES or not isinstance(metadata.get("family"), dict) or not isinstance(margin, int | float):
        raise ModelError("the aligner's settings are not whole", path=bundle.path)
    try:
        profile = None if damage is None else DamageProfile(**damage)
    except TypeError as error:
        raise ModelError("the damage profile is not whole", path=bundle.path) from error
    neural = "model.onnx" in bundle.members and not classical
    return AlignerParts(
        bundle.name,
        ParameterFamily.from_dict(metadata["family"]),
        NetworkContext(bundle, bundle.name, margin) if neural else None,
        profile,
        mode,
        None if significance is None else Significance.from_dict(significance),
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
