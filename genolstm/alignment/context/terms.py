"""What the shared LSTM core says about one sequence, and how the pair-HMM uses it.

The network (convolution, BiLSTM, dense head) gives ``WIDTH`` numbers per position. :func:`interpret`
turns them into bounded, gated terms; it is written once, for NumPy at inference and for Keras in
training. With a gate of 0 every term is 0, which leaves the classical aligner.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from genolstm.alignment.pairhmm.pairhmm import Context
from genolstm.alignment.pairhmm.parameters import PairHMMParameters
from genolstm.errors import ModelError
from genolstm.lstm.bundle.bundle import Bundle
from genolstm.lstm.bundle.runtime import Runtime
from genolstm.lstm.config import LSTMConfig
from genolstm.sequences.masks import SHARES, Masks

N_VECTOR = 32
"""Length of the contextual vectors z."""
N_NEGATIVE = 8
"""Number of trailing components that count negatively in the product, so that similar contexts may
also repel."""
RADIUS = 3.5
"""Bound of |z|: the product stays below its square (nats)."""
UNARY = 2.0
"""Bound of what a position alone adds to its matches, whatever is aligned to it (nats)."""
GAP_OPEN = 3.0
"""Bound of the change of the log gap opening at a boundary (nats)."""
RATE = 1.5
"""Bound of the change of a pair's gap parameters (log, logit)."""
N_RATES = 5
GATE_START = -1.0
"""Logit of a position's gates before training: a quarter open."""
EVIDENCE = 8.0
"""Bound of a position's evidence for or against using context in the whole pair (logit)."""
PADDING = 16
"""Positions of zeros on either side of a sequence; they mark where it begins and ends."""
N_FRAME, N_UNIT = 7, 7
"""Classes of the auxiliary heads: no codon and position 1 to 3 on either strand; no repeat and unit
1 to 6."""

_SIZES = {
    "vector": N_VECTOR,
    "unary": 1,
    "gate": 1,
    "gap_gate": 1,
    "evidence": 1,
    "gap_open": 2,
    "rates": N_RATES,
    "frame": N_FRAME,
    "unit": N_UNIT,
}
_ENDS = np.cumsum(list(_SIZES.values()))
FIELDS = {name: slice(int(end - size), int(end)) for (name, size), end in zip(_SIZES.items(), _ENDS, strict=True)}
WIDTH = int(_ENDS[-1])
SIGNS = np.ones(N_VECTOR, dtype=np.float32)
SIGNS[-N_NEGATIVE:] = -1.0

TILE, CONTEXT = 4096, 256
"""Longer sequences are read in tiles of ``TILE`` positions, each with ``CONTEXT`` more on either side."""

Vector = npt.NDArray[np.float32]


class ContextualModel(Protocol):
    """Interface of a neural model for the aligner.

    ``encode`` reads one sequence (bit masks) once; ``pair`` turns two encoded sequences and the
    parameters chosen for the pair into contextual terms and, if the model suggests them, other parameters.
    """

    name: str
    margin: float
    """Bits by which a pair has to be likelier in context before context is used for it."""

    def encode(self, masks: Masks) -> Any:
        """Return whatever ``pair`` needs to know about a sequence."""

    def pair(
        self, query: Any, reference: Any, parameters: PairHMMParameters
    ) -> tuple[Context, Context, PairHMMParameters]:
        """Return the contextual terms of query and reference, and the pair's parameters."""


def network_config(*, units: int = 56, layers: int = 1, kernel_size: int = 7, filters: int = 32) -> LSTMConfig:
    """Return the settings of a network for this task."""
    return LSTMConfig(
        head="embed",
        n_outputs=WIDTH,
        input="conv",
        n_features=4,
        input_units=filters,
        kernel_size=kernel_size,
        input_activation="relu",
        units=units,
        layers=layers,
        bidirectional=True,
    )


def features(masks: Masks) -> npt.NDArray[np.float32]:
    """Return the network's input: the expected base per position, between two paddings.

    Parameters
    ----------
    masks
        Bit masks (n,).

    Returns
    -------
    numpy.ndarray
        float32 (n + 2 PADDING, 4).
    """
    out = np.zeros((len(masks) + 2 * PADDING, 4), dtype=np.float32)
    out[PADDING : PADDING + len(masks)] = SHARES[masks]
    return out


@dataclass(frozen=True)
class Terms:
    """The network's outputs as terms of the pair-HMM; arrays of NumPy or tensors of Keras.

    Attributes
    ----------
    vector
        z, (..., N_VECTOR), not gated.
    unary
        (..., 1), not gated.
    gate
        Gate of vector and unary, (..., 1), 0 to 1.
    gap_open
        Log factors for opening a gap at the boundary before a position: one that takes residues of
        this sequence, and one that takes those of the other; (..., 2), gated.
    rates
        Changes of log gap_open (short, long), logit gap_extend (short, long) and log gap_link that
        a position suggests, (..., N_RATES), gated. A pair uses their mean.
    evidence
        Evidence of a position for using context, (..., 1). A pair's own gate, which multiplies all
        the terms above, is the logistic function of the sum of the two sequences' means: a single
        position cannot tell chance from a reading frame; two whole sequences can.
    """

    vector: Any
    unary: Any
    gate: Any
    gap_open: Any
    rates: Any
    evidence: Any


def interpret(ops: Any, outputs: Any) -> Terms:
    """Bound and gate the network's outputs.

    Parameters
    ----------
    ops
        ``numpy`` or ``keras.ops``.
    outputs
        (..., WIDTH).
    """
    z = outputs[..., FIELDS["vector"]]
    z = z * (RADIUS / ops.sqrt(RADIUS**2 + ops.sum(z * z, axis=-1, keepdims=True)))
    gate, gap_gate = (logistic(ops, outputs[..., FIELDS[name]] + GATE_START) for name in ("gate", "gap_gate"))
    return Terms(
        z,
        UNARY * ops.tanh(outputs[..., FIELDS["unary"]]),
        gate,
        GAP_OPEN * gap_gate * ops.tanh(outputs[..., FIELDS["gap_open"]]),
        RATE * gap_gate * ops.tanh(outputs[..., FIELDS["rates"]]),
        EVIDENCE * ops.tanh(outputs[..., FIELDS["evidence"]] / EVIDENCE),
    )


def logistic(ops: Any, x: Any) -> Any:
    """Return the logistic function by way of tanh, which NumPy and Keras both have."""
    return 0.5 + 0.5 * ops.tanh(0.5 * x)


def factors(ops: Any, terms: Terms, signs: Any, first: bool) -> Any:
    """Return the vectors whose product is the ungated contextual term, (..., N_VECTOR + 2).

    <a, b> = <z, s z'> + u + u', the same for either order of the sequences.
    """
    one = ops.ones_like(terms.unary)
    if first:
        return ops.concatenate([terms.vector, terms.unary, one], axis=-1)
    return ops.concatenate([terms.vector * signs, one, terms.unary], axis=-1)


def adjust(parameters: PairHMMParameters, rates: npt.NDArray[np.floating[Any]]) -> PairHMMParameters:
    """Return parameters changed by ``rates`` (see :class:`Terms`); zeros change nothing."""
    opened, extend, link = adjusted_gaps(
        np.asarray(parameters.gap_open),
        np.asarray(parameters.gap_extend),
        parameters.gap_link,
        np.asarray(rates, dtype=np.float64),
    )
    return PairHMMParameters(
        parameters.match, (float(opened[0]), float(opened[1])), (float(extend[0]), float(extend[1])), float(link)
    )


def adjusted_gaps(
    opened: npt.NDArray[np.float64], extend: npt.NDArray[np.float64], link: float, rates: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], float]:
    """Return gap opening, extension and link changed by ``rates``, within sensible bounds."""
    total = opened.sum()
    opened = opened * np.exp(rates[:2])
    # Bounds apply only if a change crosses them: unchanged values stay as they are.
    limit = max(0.4, total)
    if opened.sum() > limit:
        opened = opened * (limit / opened.sum())
    extend = extend / (extend + (1 - extend) * np.exp(-rates[2:4]))
    extend = np.where(rates[2:4] == 0, extend, np.minimum(extend, 0.995))
    changed = link * np.exp(rates[4])
    limit = max(0.9, link * total) / opened.sum()
    return opened, extend, float(min(changed, limit))


@dataclass(frozen=True)
class Encoded:
    """What the network says about one sequence, ready for a pair.

    Attributes
    ----------
    first, second
        Vectors for the role of the query and of the reference, (n, d).
    gate
        Gate per position, (n,).
    gap_open
        Log factors for opening gaps that take residues of this sequence and of the other one,
        (n + 1, 2).
    rates
        Changes of the pair's gap parameters that the sequence suggests, (N_RATES,).
    evidence
        Evidence of the sequence for using context (logit).
    """

    first: Vector
    second: Vector
    gate: Vector
    gap_open: Vector
    rates: npt.NDArray[np.float64]
    evidence: float


class NetworkContext:
    """Contextual terms from an ONNX graph, without TensorFlow.

    Parameters
    ----------
    source
        A bundle, or an ONNX graph.
    name
        Model name recorded in alignments.
    margin
        Bits by which a pair has to be likelier in context before context is used for it.
    asked
        When it is asked about a pair, see :func:`~genolstm.alignment.context.worth.is_worth_asking`.
    """

    def __init__(self, source: Bundle | bytes, name: str, margin: float = 0.0, *, asked: str = "always") -> None:
        self.name = name
        self.margin = margin
        self.asked = asked
        self.runtime = Runtime(source, threads=1, context=CONTEXT, tile=TILE)
        if self.runtime.n_outputs != WIDTH or self.runtime.n_features != 4:
            path = source.path if isinstance(source, Bundle) else None
            raise ModelError("its network is not one for the aligner", path=path)

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
        """Return the terms of a pair, and its parameters with gap rates adjusted for context."""
        gate = logistic(np, np.float32(query.evidence + reference.evidence))
        return (
            Context(query.first, gate * query.gate, gate * query.gap_open),
            Context(reference.second, reference.gate, gate * reference.gap_open[:, ::-1]),
            adjust(parameters, gate * (query.rates + reference.rates) / 2),
        )
