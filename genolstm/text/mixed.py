"""Surprise where a network, counts and copies are mixed, or the network adapts."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from genolstm.lstm.bundle.runtime import Runtime
from genolstm.lstm.config import LSTMConfig
from genolstm.text.adaptive import AdaptiveHead
from genolstm.text.corpus import Record, record_stream
from genolstm.text.mixing.mixture import Mixed, Mixture
from genolstm.text.scoring import LEAST, Bits, RecordScore, forecasts
from genolstm.text.settings import FORECASTS

# What is mixed at a time, if there is no network; it changes nothing but memory.
_PART = 1 << 20


def mixed_bits(
    record: Record,
    config: LSTMConfig,
    mixture: Mixture | None,
    runtime: Runtime | None,
    head: AdaptiveHead | None,
    *,
    mode: str,
    window: int,
    explained: bool = False,
) -> RecordScore:
    """Return what a record costs, and teach mixture and head.

    Parameters
    ----------
    mixture
        ``None`` if only the network is asked.
    runtime
        The network, or its part before the head; ``None`` if it is not asked.
    head
        What adapts, if anything does.
    """
    boundary = config.n_outputs
    stream, _ = record_stream(record.codes, boundary)
    parts = []
    if mixture is not None:
        mixture.read(stream[:1])
    if len(stream) > 1:
        spoken = (
            _silence(len(stream) - 1)
            if runtime is None
            else _ahead(forecasts(runtime, record.codes, config, mode=mode, window=window))
        )
        done = 1
        for said, size in spoken:
            codes = stream[done : done + size]
            done += size
            chances = said
            if head is not None and said is not None:
                # Nothing is said of the first window.
                silent = said[0, 0] == -1 and (said == -1).all()
                chances = np.full((size, boundary), -1, np.float32) if silent else head.read(said, codes)
            parts.append(
                _picked(chances, codes) if mixture is None else mixture.read(codes, chances, explained=explained)
            )
    known = stream[1:] != boundary
    places = record.codes != boundary
    bits = np.full(len(places), np.nan, np.float32)
    plain = np.full(len(places) if explained else 0, np.nan, np.float32)
    shares = np.full((len(plain), len(FORECASTS)), np.nan, np.float32)
    if parts:
        bits[places] = np.concatenate([part.bits for part in parts])[known]
        if explained:
            plain[places] = np.concatenate([part.plain for part in parts])[known]
            shares[places] = np.concatenate([part.shares for part in parts])[known]
    return RecordScore(record.name, record.codes, bits, *((plain, shares) if explained else ()))


def _silence(length: int) -> Iterator[tuple[None, int]]:
    for start in range(0, length, _PART):
        yield None, min(_PART, length - start)


def _ahead(parts: Iterator[Bits]) -> Iterator[tuple[Bits, int]]:
    """Yield parts with their lengths, each next one computed while the last is used."""
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(next, parts, None)
        while (part := waiting.result()) is not None:
            waiting = pool.submit(next, parts, None)
            yield part, len(part)


def _picked(chances: Bits | None, codes: np.ndarray) -> Mixed:
    """Return the bits of the symbols that came, of what an unmixed network says."""
    assert chances is not None
    n_symbols = chances.shape[1]
    picked = chances[np.arange(len(codes)), np.minimum(codes, n_symbols - 1).astype(np.int64)]
    bits = np.where((picked >= 0) & (codes < n_symbols), -np.log2(np.maximum(picked, LEAST)), np.nan)
    return Mixed(bits.astype(np.float32), np.empty(0, np.float32), np.empty((0, len(FORECASTS)), np.float32))
