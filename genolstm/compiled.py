"""How compiled loops are declared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit

Function = Callable[..., Any]


def compiled(signature: Any = None, **options: Any) -> Callable[[Function], Function]:
    """Compile a function without the GIL, and keep the result on disk.

    With a signature, it is compiled at once and for that signature only; without one, on the first
    call. If neither the package's folder nor the user's is writable (a read-only container), the
    result is not kept, whereas numba alone would fail. Further options (``fastmath``, ``inline``,
    ...) are passed to numba.
    """
    given = () if signature is None else (signature,)

    def decorate(function: Function) -> Function:
        try:
            kept: Function = njit(*given, nogil=True, cache=True, **options)(function)
        except RuntimeError as error:
            if "no locator available" not in str(error):
                raise
            kept = njit(*given, nogil=True, **options)(function)
        return kept

    return decorate
