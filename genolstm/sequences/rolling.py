"""The compiled loop that rolls k-mers along a sequence."""

from __future__ import annotations

import numpy as np
from numba import types

from genolstm.compiled import compiled


@compiled(
    types.void(
        types.Array(types.uint8, 1, "C", readonly=True),
        types.int64,
        types.boolean,
        types.uint64[::1],
        types.boolean[::1],
    )
)
def roll(codes, k, canonical, out, valid):
    mask = (np.uint64(1) << np.uint64(2 * k)) - np.uint64(1)
    top = np.uint64(2 * (k - 1))
    forward = np.uint64(0)
    reverse = np.uint64(0)
    known = 0
    for i in range(codes.size):
        code = np.uint64(codes[i])
        if code > np.uint64(3):
            known = 0
            continue
        known += 1
        forward = ((forward << np.uint64(2)) | code) & mask
        reverse = (reverse >> np.uint64(2)) | ((np.uint64(3) - code) << top)
        if known >= k:
            out[i - k + 1] = min(forward, reverse) if canonical else forward
            valid[i - k + 1] = True
