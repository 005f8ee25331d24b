"""How compiled loops are declared."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from genolstm import program


@contextmanager
def _without_scipy() -> Iterator[None]:
    """Keep numba from importing SciPy, if it is there, for products of matrices in compiled loops.

    Ours hold none, and the import would take as long as a twentieth of a large scan. Only the program
    does so: in another process, somebody's loops may hold some.
    """
    modules: dict[str, Any] = sys.modules
    if "scipy" in modules or not program.has_begun():
        yield
        return
    modules["scipy"] = None  # whoever imports it now is told that there is none
    try:
        yield
    finally:
        del modules["scipy"]


with _without_scipy():
    from numba import njit

    if program.has_begun():
        # Where numba looks for SciPy; it would do so when the first loop runs.
        with suppress(ImportError):
            import numba.np.arraymath  # noqa: F401 (for what it does)

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
