"""Which files a run reads beside those that it is plainly given."""

from __future__ import annotations

from collections.abc import Iterable

from genolstm.errors import InputError
from genolstm.files import PathLike, is_input
from genolstm.lstm.bundle.bundle import find_bundle


def model_files(*models: PathLike) -> list[PathLike]:
    """Return the files of models that are given by name or file; one that does not exist is refused elsewhere."""
    found: list[PathLike] = []
    for model in models:
        try:
            found.append(find_bundle(model))
        except (InputError, OSError, ValueError):
            continue
    return found


def named_files(words: Iterable[PathLike | None]) -> list[PathLike]:
    """Return those words that are files; the others are names or sequences themselves."""
    return [word for word in words if word is not None and is_input(str(word))]
