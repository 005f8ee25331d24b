"""Alignment modes: which parts of the two sequences a pair is aligned over."""

from __future__ import annotations

from typing import Literal

Mode = Literal["global", "semiglobal", "local"]
MODES: tuple[Mode, ...] = ("global", "semiglobal", "local")
Strand = Literal["both", "plus", "minus"]


def placements(n_query: int, n_reference: int, mode: Mode) -> int:
    """Return the number of places an alignment may have, each equally likely a priori."""
    if mode == "semiglobal":
        return n_reference + 1
    if mode == "local":
        return n_query * n_reference * min(n_query, n_reference)
    return 1
