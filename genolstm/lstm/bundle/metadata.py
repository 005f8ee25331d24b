"""What every model's metadata may say, whatever its kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from genolstm.fields import Fields
from genolstm.files import PathLike

#: Steps of context, and of a tile, at most.
MAX_CONTEXT, MAX_TILE = 1 << 16, 1 << 24


def check_core(metadata: Mapping[str, Any], path: PathLike | None = None) -> None:
    """Refuse metadata of the runtime that make no sense, for whatever kind of model.

    Raises
    ------
    ModelError
        ``context`` or ``tile`` is not a whole number, out of range, or of a kind that would never end.
    """
    fields = Fields(metadata, path=path)
    context = fields.whole("context", 0, MAX_CONTEXT, 0)
    tile = fields.whole("tile", 0, MAX_TILE, 0)
    # Every tile is read with its context: with a context far longer than the tile, the work never ends.
    if tile and context > 8 * tile:
        fields.refuse("tile", f"{tile}, too short for a context of {context}")
