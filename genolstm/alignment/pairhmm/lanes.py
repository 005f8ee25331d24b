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
_INDEX = ir.IntType(64)
_NUMBER = ir.IntType(32)
_VECTOR = ir.VectorType(ir.FloatType(), LANES)
_NUMBERS = ir.VectorType(_NUMBER, LANES)


class _Vectors:
    """Reads and writes the ``LANES`` values of a column in arrays of float32 or int32."""

    def __init__(self, builder: Any, kind: Any = _VECTOR) -> None:
        self.builder, self.kind = builder, kind

    def place(self, array: Any, column: Any) -> Any:
        at = self.builder.mul(column, ir.Constant(_INDEX, LANES))
        return self.builder.bitcast(self.builder.gep(array, [at]), self.kind.as_pointer())

    def read(self, array: Any, column: Any) -> Any:
        value = self.builder.load(self.place(array, column))
        value.align = 4
        return value

    def write(self, value: Any, array: Any, column: Any) -> None:
        self.builder.store(value, self.place(array, column)).align = 4


def _data(context: Any, builder: Any, kinds: Any, arrays: Any) -> list[Any]:
    """Return the data pointers of arrays."""
    return [context.make_array(kind)(context, builder, value).data for kind, value in zip(kinds, arrays, strict=False)]


@intrinsic
def advance(
    typing: Any, odds: Any, letters: Any, m: Any, x1: Any, x2: Any, h: Any, weights: Any, first: Any, stop: Any,
    skip: Any, end: Any
) -> Any:  # fmt: skip
    """Advance M, X1, X2 and H by a row, from column ``first`` to ``stop``, in place.

    Arrays hold ``LANES`` values for each column side by side, and ``h`` those of one more column on the left;
    what they hold first is column ``skip``. ``odds`` are those of the row's letter with each letter (bit mask), and
    ``letters`` those of the columns, uint8. ``weights`` are those of
    :func:`~genolstm.alignment.pairhmm.kernels.weights_of_gaps`, (9, LANES). ``end``: whether the reference's free
    end follows, before which no gap is left out.
    """
    arrays = (odds, letters, m, x1, x2, h, weights)
    signature = types.void(*arrays, types.int64, types.int64, types.int64, types.boolean)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector, vectors = _VECTOR, _Vectors(builder)
        read, write = vectors.read, vectors.write
        *arrays, start, stop, skip, at_end = arguments
        odds, letters, m, x1, x2, h, weights = _data(context, builder, signature.args, arrays)

        def times(a: Any, b: Any) -> Any:
            return builder.fmul(a, b, flags=_FLAGS)

        def plus(a: Any, b: Any) -> Any:
            return builder.fadd(a, b, flags=_FLAGS)

        w = [read(weights, ir.Constant(_INDEX, k)) for k in range(9)]
        w1, w2 = times(w[kn.C1], w[kn.O1]), times(w[kn.C2], w[kn.O2])
        zero = ir.Constant(vector, [0.0] * LANES)
        unlinked = builder.select(at_end, zero, w[kn.PN])
        one = ir.Constant(_INDEX, 1)
        y1, y2, diagonal = (cgutils.alloca_once(builder, vector) for _ in range(3))
        builder.store(zero, y1)
        builder.store(zero, y2)
        builder.store(read(h, start), diagonal)
        with cgutils.for_range_slice(builder, start, stop, one) as (j, _):
            right = builder.add(j, one)
            above = read(h, right)
            letter = builder.zext(builder.load(builder.gep(letters, [builder.add(j, skip)])), _INDEX)
            match = times(read(odds, letter), builder.load(diagonal))
            builder.store(above, diagonal)
            before = read(m, j)
            short = plus(times(w[kn.E1], read(x1, j)), times(w[kn.O1], before))
            long = plus(times(w[kn.E2], read(x2, j)), times(w[kn.O2], before))
            write(match, m, j)
            write(short, x1, j)
            write(long, x2, j)
            rest = plus(times(w[kn.C1], short), times(w[kn.C2], long))
            short_y, long_y = builder.load(y1), builder.load(y2)
            leave = plus(times(w[kn.T], match), times(w[kn.PN], rest))
            leave = plus(leave, times(w1, short_y))
            write(plus(leave, times(w2, long_y)), h, right)
            opened = plus(times(unlinked, match), times(w[kn.KAPPA], rest))
            builder.store(plus(times(w[kn.E1], short_y), opened), y1)
            builder.store(plus(times(w[kn.E2], long_y), opened), y2)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def renew(typing: Any, m: Any, x1: Any, x2: Any, h: Any, exponent: Any, first: Any, stop: Any) -> Any:
    """Give every lane of a row a fresh power of two, from column ``first`` to ``stop``.

    Arrays are those of :func:`advance`; ``exponent``, int32 (LANES,), takes what is divided out.
    """
    signature = types.void(m, x1, x2, h, exponent, types.int64, types.int64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vectors, numbers = _Vectors(builder), _Vectors(builder, _NUMBERS)
        *arrays, start, stop = arguments
        *states, h, exponent = _data(context, builder, signature.args, arrays)
        one, none = ir.Constant(_INDEX, 1), ir.Constant(_INDEX, 0)
        top = cgutils.alloca_once(builder, _VECTOR)
        builder.store(ir.Constant(_VECTOR, [0.0] * LANES), top)
        right = builder.add(start, one), builder.add(stop, one)
        with cgutils.for_range_slice(builder, *right, one) as (j, _):
            value, known = vectors.read(h, j), builder.load(top)
            builder.store(builder.select(builder.fcmp_ordered(">", value, known), value, known), top)
        # The exponent of a float32 lies in its bits 23 to 30, 127 for 1; the largest value comes to lie below 1.
        bits = builder.lshr(builder.bitcast(builder.load(top), _NUMBERS), ir.Constant(_NUMBERS, [23] * LANES))
        empty = builder.icmp_signed("==", bits, ir.Constant(_NUMBERS, [0] * LANES))
        bits = builder.select(empty, ir.Constant(_NUMBERS, [126] * LANES), bits)
        shift = builder.sub(bits, ir.Constant(_NUMBERS, [126] * LANES))
        numbers.write(builder.add(numbers.read(exponent, none), shift), exponent, none)
        power = builder.sub(ir.Constant(_NUMBERS, [253] * LANES), bits)
        down = builder.bitcast(builder.shl(power, ir.Constant(_NUMBERS, [23] * LANES)), _VECTOR)
        for array, (a, b) in [*((state, (start, stop)) for state in states), (h, right)]:
            with cgutils.for_range_slice(builder, a, b, one) as (j, _):
                vectors.write(builder.fmul(vectors.read(array, j), down), array, j)
        return context.get_dummy_value()

    return signature, generate
