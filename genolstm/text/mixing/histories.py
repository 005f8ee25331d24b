"""Bit histories: what has followed a context so far, in a byte.

A history is exact for up to three bits. After that it is how often either bit was seen, within
bounds, and which came last. A bit that contradicts many others makes most of them forgotten: what
came lately counts for more. What a history means is not said here: it is learned, for each context
apart, while reading (Mahoney 2005, "Adaptive weighing of context models for lossless data
compression", of which this is the idea, not the table).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_EXACT = 3
#: By the smaller count, the most that the larger one may be.
_MOST = (40, 16, 9, 6, 5)
State = tuple[int, ...]


def _next(state: State, bit: int) -> State:
    if state[0] < 0:
        exact = (*state[1:], bit)
        if len(exact) <= _EXACT:
            return (-1, *exact)
        counts = [len(exact) - sum(exact), sum(exact)]
    else:
        counts = list(state[:2])
        counts[bit] += 1
        other = counts[1 - bit]
        if other > 2:
            counts[1 - bit] = other.bit_length()
    small = min(counts)
    if small >= len(_MOST):
        counts = [min(count, len(_MOST) - 1) for count in counts]
        small = min(counts)
    return (*(min(count, _MOST[small]) for count in counts), bit)


def transitions() -> npt.NDArray[np.uint8]:
    """Return the history after each history and bit, (histories, 2); the first is the empty one."""
    states: list[State] = [(-1,)]
    number = {states[0]: 0}
    rows = []
    for state in states:  # grows while it is read
        row = []
        for bit in (0, 1):
            after = _next(state, bit)
            if after not in number:
                number[after] = len(states)
                states.append(after)
            row.append(number[after])
        rows.append(row)
    if len(rows) > 256:
        raise AssertionError("a history no longer fits a byte")
    return np.array(rows, np.uint8)
