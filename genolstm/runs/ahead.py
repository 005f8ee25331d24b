"""What the processes of :mod:`genolstm.helpers` compile, for each command that compiles much.

A task runs a small example, or only has a loop compiled for the types of one. The command itself begins at
the other end, with what it needs first. A task that is left out or in the wrong place costs time, and
nothing else.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import numpy as np

from genolstm import program
from genolstm.errors import GenolstmError

Task = Callable[[], object]
_QUERY, _REFERENCE = "ACGTTGCATTTAGCACCATGACAG" * 6, "ACGTTCCATTAGCACCTTGACAGG" * 6


def _backward() -> None:
    from genolstm.alignment.pairhmm.pairhmm import PairHMM
    from genolstm.alignment.pairhmm.parameters import ParameterFamily
    from genolstm.sequences.masks import encode_masks

    parameters = ParameterFamily().member(0.1, 0.05)
    PairHMM(encode_masks(_QUERY), encode_masks(_REFERENCE), parameters).compile_backward()


def _decoding() -> None:
    from genolstm.alignment.pairhmm.decode import SparsePosterior, decode_mea, settle_ties
    from genolstm.alignment.result import lay_out
    from genolstm.sequences.masks import encode_masks

    at = np.arange(24, dtype=np.int32)
    sure = np.full(24, 0.9, np.float32)
    pairs = decode_mea(SparsePosterior(at, at, sure, sure, sure))
    masks = np.array(encode_masks(_QUERY))
    settle_ties(masks, masks, pairs, at, at, sure, 1e-3)
    lay_out(pairs, (0, 24), (0, 24))


def _region() -> None:
    from genolstm.alignment.pairhmm.region import NARROWED_CELLS, Region, narrow

    size = int(NARROWED_CELLS**0.5) + 1
    at = np.arange(size, dtype=np.int32)
    narrow(Region((0, size), (0, size)), at, at)


def _members() -> None:
    from genolstm.alignment.pairhmm.member import select_pair
    from genolstm.alignment.pairhmm.parameters import ParameterFamily
    from genolstm.sequences.masks import encode_masks

    select_pair(np.array(encode_masks(_QUERY)), np.array(encode_masks(_REFERENCE)), ParameterFamily())


def _near() -> None:
    from genolstm.alignment.pairhmm.parameters import ParameterFamily
    from genolstm.alignment.search.batch import NearAlignments
    from genolstm.sequences.masks import encode_masks
    from genolstm.sequences.packed import pack

    one = [encode_masks(_QUERY)]
    fitted = np.array([(100.0, 0.05, 0.04)])
    pairs = np.zeros((1, 2), np.int64)
    NearAlignments(pack(one), pack(one), pairs, fitted, ParameterFamily(), free=True, threads=1)


def _tracks() -> None:
    from genolstm.introgression.settings import TrackSettings
    from genolstm.introgression.tracks import tracks_from_variants
    from genolstm.introgression.variants.block import VariantBlock

    target, outgroup, archaic = (np.zeros((2, n), np.int8) for n in (2, 2, 1))
    block = VariantBlock("1", np.array([300, 700]), target, outgroup, archaic, end=2000, length=2000)
    tracks_from_variants(block, first_bin=0, last_bin=2, length=2000, settings=TrackSettings())


def _mixture(place: int) -> None:
    from genolstm.text.mixing.mixture import Mixture
    from genolstm.text.settings import DNA

    Mixture("ACGT", DNA).loops()[place]()


_PAIRS: tuple[Task, ...] = (_decoding, _backward, _region, _members)
TASKS: dict[str, tuple[Task, ...]] = {
    "align score": _PAIRS,
    "align msa": _PAIRS,
    "align search": (_near, *_PAIRS),
    "introgression scan": (_tracks,),
    # The mixer, frames, and copies; text has no use for frames.
    "text score": (partial(_mixture, -1), partial(_mixture, -2), partial(_mixture, -3)),
}
"""Of each command, what it needs, from last to first."""


def main(command: str, number: str) -> None:
    """Do the tasks of a command, beginning with task ``number``; end when the process that began this one does."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    program.begin()
    tasks = TASKS.get(command, ())
    first = int(number)
    if first >= len(tasks):
        return
    for task in tasks[first:] + tasks[:first]:
        # What goes wrong here goes wrong in the command, too, which can say so.
        with suppress(GenolstmError, ArithmeticError, LookupError, TypeError, ValueError, OSError):
            task()


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(0)
