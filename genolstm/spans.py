"""Parts of arrays in compiled loops, for a third of what numba's own slices cost to compile.

A slice in numba may begin or end beyond the array, count from its end and have a step; for each of
them dozens of instructions are written, checked, optimised. A span is where its numbers say.
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.core import cgutils, config
from numba.core.imputils import impl_ret_borrowed
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array


def _span(typing: Any, array: Any, start: Any, stop: Any) -> Any:
    """Return ``array[start:stop]`` of a contiguous vector, 0 <= start <= stop <= its size: nothing is checked."""
    if not isinstance(array, types.Array) or array.ndim != 1 or array.layout != "C":
        return None
    signature = array(array, types.int64, types.int64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        value, first, last = arguments
        whole = context.make_array(array)(context, builder, value)
        part = context.make_array(array)(context, builder)
        populate_array(
            part,
            data=builder.gep(whole.data, [first]),
            shape=cgutils.pack_array(builder, [builder.sub(last, first)]),
            strides=cgutils.pack_array(builder, [whole.itemsize]),
            itemsize=whole.itemsize,
            meminfo=whole.meminfo,
            parent=whole.parent,
        )
        return impl_ret_borrowed(context, builder, signature.return_type, part._getvalue())

    return signature, generate


span = (lambda array, start, stop: array[start:stop]) if config.DISABLE_JIT else intrinsic(_span)
"""Return ``array[start:stop]`` of a contiguous vector, 0 <= start <= stop <= its size: nothing is checked."""
