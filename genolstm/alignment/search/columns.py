"""One column of the edit distances of a query with several references, one in each lane of a vector.

Written for LLVM directly, because of loops over words within loops over lanes numba makes scalar code.
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

ir = cgutils.ir
LANES = 8


@intrinsic
def add_column(
    typing: Any, letters: Any, query: Any, positive: Any, negative: Any, score: Any, best: Any, length: Any,
    column: Any, first: Any, stop: Any, last: Any, free: Any, whole: Any
) -> Any:  # fmt: skip
    """Add a reference letter to every lane's distance, in place (Myers 1999, Hyyro 2003).

    Parameters
    ----------
    letters
        The letter (bit mask) of each lane, one per byte.
    query
        Where the query has A, C, G and T, uint64 (words * 4,).
    positive, negative
        Vertical differences of 1 and -1, uint64 (words * LANES,).
    score, best
        Distance of the query up to the last bit from the letters so far, and the answer, int64 (LANES,).
    length
        Number of letters of each lane's reference, int64 (LANES,).
    column, first, stop, last
        Number of letters before; the words of the query that are visited; the last bit in the last of them. Values
        above the first word are taken to rise by one with every letter.
    free
        Whether both ends of the reference are free.
    whole
        Whether the last bit is the query's: only then is there an answer.
    """
    kinds = (query, positive, negative, score, best, length)
    signature = types.void(
        types.uint64, *kinds, types.int64, types.int64, types.int64, types.int64, types.boolean, types.boolean
    )

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        number = ir.IntType(64)
        vector = ir.VectorType(number, LANES)
        letters, *arrays = arguments
        *arrays, column, first, stop, last, free, whole = arrays
        made = [
            context.make_array(kind)(context, builder, value)
            for kind, value in zip(signature.args[1:], arrays, strict=False)
        ]
        query, positive, negative, score, best, length = (array.data for array in made)

        def constant(value: int) -> Any:
            return ir.Constant(number, value)

        def every(value: Any) -> Any:
            """Return a vector of one value."""
            first = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
            places = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
            return builder.shuffle_vector(first, ir.Constant(vector, ir.Undefined), places)

        def place(array: Any, at: Any) -> Any:
            return builder.bitcast(builder.gep(array, [at]), vector.as_pointer())

        def read(array: Any, at: Any) -> Any:
            value = builder.load(place(array, at))
            value.align = 8
            return value

        def write(value: Any, array: Any, at: Any) -> None:
            builder.store(value, place(array, at)).align = 8

        def of(word: Any, size: int, more: int = 0) -> Any:
            return builder.add(builder.mul(word, constant(size)), constant(more))

        none, one, top = every(constant(0)), every(constant(1)), every(constant(63))
        begins = builder.and_(free, builder.icmp_signed("==", first, constant(0)))
        plus, minus, up, down = (cgutils.alloca_once(builder, vector) for _ in range(4))
        letter = builder.zext(builder.bitcast(letters, ir.VectorType(ir.IntType(8), LANES)), vector)
        holds = [builder.sub(none, builder.and_(builder.lshr(letter, every(constant(base))), one)) for base in range(4)]
        builder.store(builder.select(begins, none, one), plus)
        builder.store(none, minus)
        with cgutils.for_range_slice(builder, first, stop, constant(1)) as (word, _):
            equal = none
            for base in range(4):
                own = every(builder.load(builder.gep(query, [of(word, 4, base)])))
                equal = builder.or_(equal, builder.and_(own, holds[base]))
            at = of(word, LANES)
            pv, mv = read(positive, at), read(negative, at)
            xv = builder.or_(equal, mv)
            equal = builder.or_(equal, builder.load(minus))
            xh = builder.or_(builder.xor(builder.add(builder.and_(equal, pv), pv), pv), equal)
            ph = builder.or_(mv, builder.not_(builder.or_(xh, pv)))
            mh = builder.and_(pv, xh)
            builder.store(ph, up)
            builder.store(mh, down)
            left, right = builder.load(plus), builder.load(minus)
            builder.store(builder.lshr(ph, top), plus)
            builder.store(builder.lshr(mh, top), minus)
            ph = builder.or_(builder.shl(ph, one), left)
            mh = builder.or_(builder.shl(mh, one), right)
            write(builder.or_(mh, builder.not_(builder.or_(xv, ph))), positive, at)
            write(builder.and_(ph, xv), negative, at)
        shift = every(last)
        rise = builder.and_(builder.lshr(builder.load(up), shift), one)
        fall = builder.and_(builder.lshr(builder.load(down), shift), one)
        now = builder.sub(builder.add(read(score, constant(0)), rise), fall)
        write(now, score, constant(0))
        known, size = read(best, constant(0)), read(length, constant(0))
        here = every(column)
        fewer = builder.and_(builder.icmp_signed("<", here, size), builder.icmp_signed("<", now, known))
        ends = builder.icmp_signed("==", builder.add(here, one), size)
        taken = builder.select(builder.select(free, fewer, ends), now, known)
        write(builder.select(whole, taken, known), best, constant(0))
        return context.get_dummy_value()

    return signature, generate
