"""How compiled loops are declared."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from genolstm import helpers, program
from genolstm.turns import turn


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
    from numba import njit, typeof, types
    from numba.core import event, sigutils
    from numba.core.compiler_lock import global_compiler_lock
    from numba.extending import is_jitted

    from genolstm.apart import keep_apart

    if program.has_begun():
        # Where numba looks for SciPy; it would do so when the first loop runs.
        with suppress(ImportError):
            import numba.np.arraymath  # noqa: F401 (for what it does)

Function = Callable[..., Any]
SHORT = 1.0
"""Compiling is not spoken of before it has taken this long, in seconds."""
VERY_SHORT = 0.2
"""Nor are other processes begun to help with it before it has taken this long."""


def kept_in() -> Path | None:
    """Return the folder that keeps the code of compiled loops, or None if there is none."""
    kept = getattr(_probe, "_cache", None)
    path = getattr(kept, "cache_path", None)
    return None if path is None else Path(path)


class _Watch(event.Listener):
    """Counts the time that compiling takes, and has it told when it is no longer short."""

    def __init__(self) -> None:
        self.begun: list[float] = []
        self.spent = 0.0

    def on_start(self, event: Any) -> None:
        self.begun.append(time.monotonic())
        spent = self.spent + self.begun[-1] - self.begun[0]
        if spent > VERY_SHORT and kept_in() is not None:
            helpers.begin()
        if spent > SHORT:
            program.tell_of_compiling()

    def on_end(self, event: Any) -> None:
        begun = self.begun.pop()
        if not self.begun:
            self.spent += time.monotonic() - begun


if program.has_begun():
    event.register("numba:compile", _Watch())


def compiled(
    signature: Any = None, *, apart: bool = False, inner: bool = False, **options: Any
) -> Callable[[Function], Function]:
    """Compile a function without the GIL, and keep the result on disk.

    With a signature, it is compiled at once and for that signature only; without one, on the first
    call. If neither the package's folder nor the user's is writable (a read-only container), the
    result is not kept, whereas numba alone would fail. Further options (``fastmath``, ``inline``,
    ...) are passed to numba.

    What is kept holds the code of every loop that the function calls and the constants that it
    reads. It is compiled anew when one of these changes in another file, which numba would not notice.
    A loop that calls this one with a constant gets the version for a number of its type: numba
    would make a version for each constant, which takes seconds after installing.
    """
    options.setdefault("no_cfunc_wrapper", True)  # for C, which calls none of ours
    if inner:
        options["no_cpython_wrapper"] = True
    signatures = [] if signature is None else signature if isinstance(signature, list) else [signature]

    def decorate(function: Function) -> Function:
        try:
            made: Any = njit(nogil=True, cache=True, **options)(function)
        except RuntimeError as error:
            if "no locator available" not in str(error):
                raise
            made = njit(nogil=True, **options)(function)
        else:
            # Not if numba is switched off, or has come to keep its stamp elsewhere: then it is as numba would have it.
            kept = getattr(made._cache, "_cache_file", None) if is_jitted(made) else None
            if kept is not None and hasattr(kept, "_source_stamp"):
                kept._source_stamp = (kept._source_stamp, _taken_over(function))
        if is_jitted(made) and options.get("inline", "never") == "never":
            resolve = made.get_call_template

            def without_constants(args: tuple[Any, ...], kws: dict[str, Any]) -> Any:
                return resolve(tuple(map(types.unliteral, args)), {k: types.unliteral(v) for k, v in kws.items()})

            made.get_call_template = without_constants
        if is_jitted(made):
            _watch(made, apart)
        if signatures and is_jitted(made):
            for one in signatures:
                made.compile(one)
            made.disable_compile()
        found: Function = made
        return found

    return decorate


def ready(loop: Any, *arguments: Any) -> None:
    """Have a loop compiled for arguments of these types, without running it."""
    if is_jitted(loop):
        loop.compile(tuple(map(typeof, arguments)))


def _watch(made: Any, apart: bool) -> None:
    """Do what has to be done about each version of a loop that is compiled or loaded."""
    compile_ = made.compile

    def compile_version(signature: Any) -> Any:
        arguments = tuple(sigutils.normalize_signature(signature)[0])
        if arguments in made.overloads:
            return compile_(signature)
        name = f"{made.py_func.__module__}.{made.py_func.__qualname__}"
        with turn(kept_in(), f"{name} {arguments}"), global_compiler_lock:
            known = arguments in made.overloads  # by another thread
            entry = compile_(signature)
            found = made.overloads.get(arguments)
            if found is not None and not known:
                # What a loop needs to have loaded, its callers need, too; numba forgets it of a loop that was kept.
                needed = getattr(found.library, "_reload_init", None)
                if needed is None:  # numba 0.61: its libraries do not say, so that loops are linked as ever
                    return entry
                needed.update(found.reload_init or ())
                if apart:
                    keep_apart(made, arguments)
        return entry

    made.compile = compile_version


_CONSTANTS = (int, float, str, bytes, tuple, np.generic)
#: Of each file with loops, by its path, what :func:`_taken_over` found at the first of them.
_known: dict[str, str] = {}


def _taken_over(function: Any) -> str:
    """Return a digest of what the loops of a function's file have from other files: loops, constants, record types.

    Of another file's loop, the whole file counts, and what that has from others. All of it is
    imported before the first loop is declared, so that a file is looked at once.
    """
    own = function.__code__.co_filename
    if own not in _known:
        others: dict[str, str] = {}
        values: list[object] = []
        for name, value in function.__globals__.items():
            if isinstance(value, _CONSTANTS):
                if not name.startswith("__"):
                    values.append((name, repr(value)))
            elif isinstance(value, np.ndarray):
                values.append((name, value.dtype.str, value.shape, value.tobytes()))
            elif isinstance(value, type):
                values.append((name, getattr(value, "_fields", None)))
            elif is_jitted(value) and (path := value.py_func.__code__.co_filename) not in {own, *others}:
                others[path] = _digest(path) + _taken_over(value.py_func)
        _known[own] = hashlib.sha256(repr((list(others.values()), values)).encode()).hexdigest()
    return _known[own]


def _digest(path: str) -> str:
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError:  # in a package that is a zip file, all of which numba looks at
        return ""


@compiled()
def _probe() -> None:
    """Show, by where it would be kept, whether loops are kept at all; it is never called."""
