"""How compiled loops are declared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit


def compiled(signature: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Compile a function for one signature, without the GIL, and keep the result on disk.

    Where neither the package's folder nor the user's may be written (a read-only container), the
    result is not kept, instead of failing as numba would.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        try:
            kept: Callable[..., Any] = njit(signature, nogil=True, cache=True)(function)
        except RuntimeError as error:
            if "no locator available" not in str(error):
                raise
            kept = njit(signature, nogil=True)(function)
        return kept

    return decorate
