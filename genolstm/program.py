"""Whether this process is the program ``genolstm``, or one of somebody's own that uses the package.

The program may arrange the libraries in its process as it needs them; in anybody else's, that is not ours to do.
"""

from __future__ import annotations


class _State:
    begun = False


def begin() -> None:
    """Say that this process is the program; only its own beginning calls this."""
    _State.begun = True


def has_begun() -> bool:
    """Return whether this process is the program."""
    return _State.begun
