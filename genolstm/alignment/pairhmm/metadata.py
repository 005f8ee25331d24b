"""The numbers of the pair-HMM in a model's metadata, with their ranges."""

from __future__ import annotations

from typing import Any

from genolstm.fields import Fields

_LIBRARIES = ("double", "single")
# The two probabilities of extension, and what they gain, are pairs: of short and of long gaps.
FAMILY_RANGES: dict[str, tuple[float, float]] = {
    "kappa": (0.01, 1e3),
    "shape": (0.01, 1e4),
    "gap_share": (1e-6, 1 - 1e-6),
    "gap_extend": (0.0, 0.999),
    "extend_growth": (0.0, 100.0),
    "gap_link": (1e-3, 1e3),
    "gap_rate": (1e-6, 10.0),
    "gap_rate_spread": (0.01, 10.0),
}
PAIRS = ("gap_extend", "extend_growth")


def read_family(fields: Fields) -> dict[str, Any]:
    """Return the fields of a family of parameters.

    Raises
    ------
    ModelError
        One is missing or out of range.
    """
    found: dict[str, Any] = {}
    for name, (low, high) in FAMILY_RANGES.items():
        if name in PAIRS:
            found[name] = tuple(fields.numbers(name, [2], low, high).tolist())
        else:
            found[name] = fields.number(name, low, high)
    return found


def read_damage(fields: Fields) -> dict[str, Any]:
    """Return the fields of a damage profile.

    Raises
    ------
    ModelError
        One is missing or out of range.
    """
    found: dict[str, Any] = {name: fields.number(name, 0, 1) for name in ("five_prime", "three_prime", "inside")}
    return found | {"decay": fields.number("decay", 0, 1), "library": fields.choice("library", _LIBRARIES)}
