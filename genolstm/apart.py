"""Loops whose machine code is made once, and called by its address.

Numba links the code of a loop into each loop that calls it, and optimises it there again; a recursion that
takes seconds to compile is compiled anew in its caller, and in the caller's caller. For a loop that does
much per call, that gains nothing. Here the callers are given a declaration instead, and a library
without code that says what has to be loaded before them. Where numba has come to arrange these
things otherwise, loops are linked as ever.
"""

from __future__ import annotations

import copy
import hashlib
from functools import partial
from importlib import import_module
from typing import Any

from numba.core import codegen

llvm = codegen.ll


class _Declared:
    """Stands for a library of numba's among those that a caller links: no code, but what to load first."""

    def __init__(self, load: Any) -> None:
        self._reload_init = {load}
        self._module = llvm.parse_assembly("")

    def _ensure_finalized(self) -> None:
        pass

    def _get_module_for_linking(self) -> Any:
        return self._module


def _load(module: str, name: str, arguments: tuple[Any, ...]) -> None:
    """Make a loop's code known, before code that calls it is loaded from where it was kept."""
    getattr(import_module(module), name).compile(arguments)


def keep_apart(made: Any, arguments: tuple[Any, ...]) -> None:
    """Have callers of a version of a loop that has just been compiled or loaded call it by its address."""
    found = made.overloads[arguments]
    function = made.py_func
    # Not numba's own name of it, which holds a number that differs from process to process.
    text = repr((function.__module__, function.__qualname__, arguments, found.signature.return_type))
    symbol = f"{function.__module__}.{function.__qualname__}.{hashlib.sha256(text.encode()).hexdigest()[:32]}"
    address = found.library.get_pointer_to_function(found.fndesc.llvm_func_name)
    if not address:
        return
    llvm.add_symbol(symbol, address)
    description = copy.copy(found.fndesc)
    description.mangled_name = symbol
    load = partial(_load, function.__module__, function.__qualname__, arguments)
    made.targetctx.remove_user_function(found.entry_point)
    made.targetctx.insert_user_function(found.entry_point, description, [_Declared(load)])
