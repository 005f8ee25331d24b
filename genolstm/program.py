"""Whether this process is the program ``genolstm``, or one of somebody's own that uses the package.

The program may arrange the libraries in its process as it needs them; in anybody else's, that is not ours to do.
"""

from __future__ import annotations

from collections.abc import Callable


class _State:
    begun = False
    command: tuple[str, int] = ("", 0)
    compiling: Callable[[], None] | None = None


def begin() -> None:
    """Say that this process is the program; only its own beginning calls this."""
    _State.begun = True


def has_begun() -> bool:
    """Return whether this process is the program."""
    return _State.begun


def run_command(words: str, cores: int) -> None:
    """Say which command runs, such as ``align score``, and on how many cores; only the command line calls this."""
    _State.command = (words, cores)


def take_command() -> tuple[str, int]:
    """Return what :func:`run_command` was told; no command on no core if it was told nothing, and from then on."""
    told, _State.command = _State.command, ("", 0)
    return told


def when_compiling(tell: Callable[[], None] | None) -> None:
    """Set what is called, once, when loops are compiled for longer than is worth no word; None for nothing.

    Kept here, where nothing is imported for it: most commands compile nothing, and need not wait for numba.
    """
    _State.compiling = tell


def tell_of_compiling() -> None:
    """Say that loops are compiled, if somebody wants to know."""
    tell, _State.compiling = _State.compiling, None
    if tell is not None:
        tell()
