"""One row of the forward recursion for several members of a family at once, one in each lane of a vector.

Written for LLVM directly: of a loop over eight neighbouring floats within a loop over columns, numba makes
scalar code, and of one loop per term, four times the loads and stores.
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from genolstm.alignment.pairhmm import kernels as kn

ir = cgutils.ir
LANES = 8
_FLAGS = ("nnan", "ninf", "nsz", "contract")
_ROW = types.Array(types.float32, 1, "C")


@intrinsic
def advance(
    typing: Any, odds: Any, m: Any, x1: Any, x2: Any, h: Any, weights: Any, first: Any, stop: Any, end: Any
) -> Any:
    """Advance M, X1, X2 and H by a row, from column ``first`` to ``stop``, in place.

    Arrays hold ``LANES`` values for each column side by side, and ``h`` those of one more column on the left.
    ``weights`` are those of :func:`~genolstm.alignment.pairhmm.kernels.weights_of_gaps`, (9, LANES). ``end``:
    whether the reference's free end follows, before which no gap is left out.
    """
    signature = types.void(odds, m, x1, x2, h, weights, types.int64, types.int64, types.boolean)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector = ir.VectorType(ir.FloatType(), LANES)
        size = ir.Constant(ir.IntType(64), LANES)
        *arrays, start, stop, at_end = arguments
        data = [
            context.make_array(kind)(context, builder, value).data
            for kind, value in zip(signature.args, arrays, strict=False)
        ]

        def place(array: Any, column: Any) -> Any:
            return builder.bitcast(builder.gep(array, [builder.mul(column, size)]), vector.as_pointer())

        def read(array: Any, column: Any) -> Any:
            value = builder.load(place(array, column))
            value.align = 4
            return value

        def write(value: Any, array: Any, column: Any) -> None:
            builder.store(value, place(array, column)).align = 4

        def times(a: Any, b: Any) -> Any:
            return builder.fmul(a, b, flags=_FLAGS)

        def plus(a: Any, b: Any) -> Any:
            return builder.fadd(a, b, flags=_FLAGS)

        w = [read(data[5], ir.Constant(ir.IntType(64), k)) for k in range(9)]
        w1, w2 = times(w[kn.C1], w[kn.O1]), times(w[kn.C2], w[kn.O2])
        zero = ir.Constant(vector, [0.0] * LANES)
        unlinked = builder.select(at_end, zero, w[kn.PN])
        one = ir.Constant(ir.IntType(64), 1)
        y1, y2, diagonal = (cgutils.alloca_once(builder, vector) for _ in range(3))
        builder.store(zero, y1)
        builder.store(zero, y2)
        builder.store(read(data[4], start), diagonal)
        with cgutils.for_range_slice(builder, start, stop, one) as (j, _):
            right = builder.add(j, one)
            above = read(data[4], right)
            match = times(read(data[0], j), builder.load(diagonal))
            builder.store(above, diagonal)
            before = read(data[1], j)
            short = plus(times(w[kn.E1], read(data[2], j)), times(w[kn.O1], before))
            long = plus(times(w[kn.E2], read(data[3], j)), times(w[kn.O2], before))
            write(match, data[1], j)
            write(short, data[2], j)
            write(long, data[3], j)
            rest = plus(times(w[kn.C1], short), times(w[kn.C2], long))
            short_y, long_y = builder.load(y1), builder.load(y2)
            leave = plus(times(w[kn.T], match), times(w[kn.PN], rest))
            leave = plus(leave, times(w1, short_y))
            write(plus(leave, times(w2, long_y)), data[4], right)
            opened = plus(times(unlinked, match), times(w[kn.KAPPA], rest))
            builder.store(plus(times(w[kn.E1], short_y), opened), y1)
            builder.store(plus(times(w[kn.E2], long_y), opened), y2)
        return context.get_dummy_value()

    return signature, generate
