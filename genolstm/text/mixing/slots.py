"""Tables of what has followed contexts, and the hashes by which contexts are found in them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic

from genolstm.compiled import compiled

Array = npt.NDArray[Any]

# A node of a slot holds a chance (18 bits), a count (6) and a history (8). The chance's upper bit is
# turned, so that an untouched node, 0, means a half.
TURN = 1 << 17
UPPER = (1 << 18) - 1
ODD = np.uint64(0x9E3779B97F4A7C15)
OTHER = np.uint64(0xD6E8FEB86659FD93)
COUNTS = 64
FINE = 4096
#: Symbols by which a place in memory is fetched before it is needed.
AHEAD = 8
#: Places in the array of sizes: symbols, bits of a symbol, bits of a slot, whether DNA.
SYMBOLS, BITS, GROUP, DNA = 0, 1, 2, 3


def _fetch(typing: Any, table: Any, place: Any) -> Any:
    """Have a place of a table brought into the cache, which changes nothing but the time that reading it takes."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        number, flag = cgutils.ir.IntType(8).as_pointer(), cgutils.ir.IntType(32)
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        kind = cgutils.ir.FunctionType(cgutils.ir.VoidType(), [number, flag, flag, flag])
        prefetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
        address = builder.bitcast(builder.gep(array.data, [arguments[1]]), number)
        # To write, kept in all caches, data.
        builder.call(prefetch, [address, flag(1), flag(3), flag(1)])
        return context.get_dummy_value()

    return types.void(table, types.int64), generate


fetch: Any = (lambda table, place: None) if config.DISABLE_JIT else intrinsic(_fetch)


@compiled(error_model="numpy", _nrt=False, inner=True)
def mixed(value: Any) -> Any:
    """Return a hash of a number."""
    value = (value ^ (value >> np.uint64(29))) * ODD
    value = (value ^ (value >> np.uint64(32))) * OTHER
    return value ^ (value >> np.uint64(29))


@compiled(error_model="numpy", _nrt=False, inner=True)
def _place(check: Any, shift: Any) -> Any:
    """Return the slot where a context with this check is first looked for.

    It follows from the check alone, and the place in a table of twice the size lies in the same pair of
    twice as many slots: what shared a pair without pushing anything out still does so after it has grown.
    """
    return np.int64((np.uint64(check) * ODD) >> np.uint64(32)) >> shift


@compiled(error_model="numpy", _nrt=False, inner=True)
def slot(table: Any, value: Any, shift: Any, bits: Any) -> Any:
    """Return where the nodes of a context are, emptied if another context's were there."""
    check = np.uint32(value & np.uint64(0xFFFFFFFF)) | np.uint32(1)
    at = _place(check, shift)
    first = at << bits
    if table[first] == check:
        return first
    second = (at ^ 1) << bits
    if table[second] == check:
        return second
    # The one whose first node has been seen less often makes room.
    if (table[second + 1] >> 8) & 63 < (table[first + 1] >> 8) & 63:
        first = second
    table[first] = check
    for node in range(1, 1 << bits):
        table[first + node] = 0
    return first


@compiled(error_model="numpy", _nrt=False, inner=True)
def find(table: Any, value: Any, shift: Any, bits: Any) -> Any:
    """Return where the nodes of a context are, or -1."""
    check = np.uint32(value & np.uint64(0xFFFFFFFF)) | np.uint32(1)
    at = _place(check, shift)
    if table[at << bits] == check:
        return at << bits
    return (at ^ 1) << bits if table[(at ^ 1) << bits] == check else -1


@compiled(error_model="numpy", _nrt=False)
def grow(old: Any, new: Any, shift: Any, bits: Any) -> None:
    """Move slots into a larger table."""
    for first in range(0, len(old), 1 << bits):
        check = old[first]
        if check:
            at = _place(check, shift)
            if new[at << bits]:
                at ^= 1
            for node in range(1 << bits):
                new[(at << bits) + node] = old[first + node]


@compiled(error_model="numpy", _nrt=False, inner=True)
def ahead(table: Any, value: Any, shift: Any, bits: Any) -> None:
    """Have the slot of a context brought into the cache."""
    check = np.uint32(value & np.uint64(0xFFFFFFFF)) | np.uint32(1)
    fetch(table, _place(check, shift) << bits)


@compiled(error_model="numpy", _nrt=False, inner=True)
def learned(word: Any, bit: Any, limit: Any, tick: Any, after: Any, moves: Any, holds: Any) -> Any:
    """Return a node after a bit."""
    chance, count, history = (word >> 14) ^ TURN, (word >> 8) & 63, word & 255
    chance += ((UPPER * bit - chance) * moves[count] + 32768) >> 16
    if count < limit and tick & (holds[count] - 1) == 0:
        count += 1
    return np.uint32(((chance ^ TURN) << 14) | (count << 8) | np.int64(after[history, bit]))


@compiled(error_model="numpy", _nrt=False, inner=True)
def length_of(run: Any) -> Any:
    """Return the bucket of how long a copy has been right."""
    if run < 16:
        return run // 2
    bucket = 8
    run >>= 5
    while run and bucket < LENGTHS - 1:
        bucket += 1
        run >>= 1
    return bucket


LENGTHS, MISSES = 16, 12
