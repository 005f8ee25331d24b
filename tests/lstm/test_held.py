"""What is held comes back as it went in, packed or not, in memory or in files."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genolstm.lstm.bundle import held as module
from genolstm.lstm.bundle.held import Held, Turned


def alike(n: int, steps: int, width: int, kinds: int, seed: int) -> np.ndarray:
    """Rows of few kinds at each step, with the floats that compare badly among them."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, 3, (steps, kinds, width)).astype(np.float32)
    rows[rows == 2] = -0.0
    rows[:, 0, 0] = np.nan
    return rows[np.arange(steps), rng.integers(0, kinds, (n, steps))]


@settings(max_examples=60, deadline=None)
@given(
    n=st.sampled_from([1, 3, 7, 40]),
    lengths=st.lists(st.integers(0, 9), min_size=1, max_size=6),
    kinds=st.sampled_from([1, 2, 4, 50]),
    memory=st.sampled_from([0, 200, 3000, 1 << 20]),
    data=st.data(),
)
def test_steps_come_back_bit_by_bit(n, lengths, kinds, memory, data) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "PACK_ROWS", 4)
        holder = Held(memory)
        whole = np.empty((n, 0, 5), np.float32)
        for i, steps in enumerate(lengths):
            block = alike(n, steps, 5, kinds, i)
            holder.append(block)
            whole = np.concatenate([whole, block], axis=1)
            for _ in range(2):
                begin = data.draw(st.integers(holder.start, holder.stop))
                end = data.draw(st.integers(begin, holder.stop))
                first = data.draw(st.integers(0, n))
                stop = data.draw(st.integers(first, n))
                found = holder.read(begin, end, slice(first, stop))
                expected = whole[first:stop, begin:end]
                assert found.shape == expected.shape
                assert found.dtype == np.float32
                assert found.tobytes() == expected.tobytes()
            before = data.draw(st.integers(holder.start, holder.stop))
            if before < holder.stop:
                holder.drop(before)
                assert holder.start <= before
                assert holder.read(before, holder.stop).tobytes() == whole[:, before:].tobytes()


def test_equal_rows_take_little_room(monkeypatch) -> None:
    monkeypatch.setattr(module, "MEMORY", 1 << 40)
    block = alike(4000, 50, 22, 5, 1)
    holder = Held()
    holder.append(block)
    (_, _, packed) = holder._blocks[0]
    assert packed.in_memory < block.nbytes / 40
    assert holder.read(0, 50).tobytes() == block.tobytes()
    # Rows of which nearly every one is another are kept as they are.
    block = np.random.default_rng(1).random((4000, 5, 22)).astype(np.float32)
    holder.append(block)
    assert holder._blocks[1][2].in_memory == block.nbytes
    assert holder.read(50, 55).tobytes() == block.tobytes()


def test_more_sequences_than_a_short_number_counts() -> None:
    block = np.zeros((70_000, 2, 1), np.float32)
    block[66_000:, 1] = 3
    holder = Held(0)
    holder.append(block)
    assert holder.read(0, 2).tobytes() == block.tobytes()


def test_files_are_given_back() -> None:
    holder = Held(0)
    opened = []
    for i in range(4):
        holder.append(alike(300, 10, 3, 3, i))
        opened.append(holder._blocks[-1][2].index.file)
    assert all(file is not None and not file.closed for file in opened)
    numbers = [file.fileno() for file in opened]
    assert len(set(numbers)) == 4
    opened.clear()
    holder.drop(30)
    import os

    for number in numbers[:3]:
        with pytest.raises(OSError, match="descriptor"):
            os.fstat(number)
    os.fstat(numbers[3])


def test_what_is_not_held_is_refused() -> None:
    holder = Held()
    with pytest.raises(ValueError, match="steps 0 to 0 are not held"):
        holder.read(0, 0)
    holder.append(np.zeros((2, 5, 1), np.float32))
    holder.append(np.zeros((2, 5, 1), np.float32))
    with pytest.raises(ValueError, match="a block of 3 sequences follows one of 2"):
        holder.append(np.zeros((3, 5, 1), np.float32))
    with pytest.raises(ValueError, match="steps 4 to 11 are not held"):
        holder.read(4, 11)
    holder.drop(5)
    with pytest.raises(ValueError, match="steps 4 to 6 are not held"):
        holder.read(4, 6)


@pytest.mark.parametrize("memory", [0, 1 << 12, 1 << 30])
@pytest.mark.parametrize("batch", [1, 7, 50])
def test_outputs_are_turned(monkeypatch, memory: int, batch: int) -> None:
    monkeypatch.setattr(module, "PIECE", 100 * 100)
    values = np.random.default_rng(2).random((50, 300, 2)).astype(np.float32)
    turned = Turned(values.shape, memory)
    for first in reversed(range(0, 50, batch)):
        turned.write(first, values[first : first + batch])
    pieces = list(turned.pieces())
    assert [piece.shape[1] for piece in pieces] == [100, 100, 100]
    assert np.concatenate(pieces, axis=1).tobytes() == values.tobytes()
