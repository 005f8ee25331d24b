import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.lstm import CONFIGS, onnx_of, random_input, random_weights

from genolstm.errors import ModelError, SettingError
from genolstm.lstm.bundle.export import write_onnx
from genolstm.lstm.bundle.runtime import Runtime
from genolstm.lstm.cell import forward
from genolstm.lstm.config import LSTMConfig

CONFIG = LSTMConfig(n_features=4, input_units=6, units=8, n_outputs=2, transform="log1p")
STEPS = 400
# Steps after which these weights have forgotten, half as much again.
CONTEXT = 56


@pytest.fixture(scope="module")
def content():
    # Weights of this size forget within some tens of steps, as trained ones do.
    return write_onnx(CONFIG, random_weights(CONFIG, scale=0.3))


@pytest.fixture(scope="module")
def runtimes(content):
    return {threads: Runtime(content, threads=threads, context=CONTEXT) for threads in (1, 2, 3)}


@pytest.fixture(scope="module")
def whole(content):
    x = random_input(CONFIG, 3, STEPS)
    return x, Runtime(content, threads=1).predict(x, chunk=STEPS)


@settings(max_examples=40, deadline=None)
@given(
    threads=st.sampled_from([1, 2, 3]),
    batch_size=st.one_of(st.none(), st.integers(1, 50)),
    chunk=st.integers(10, STEPS + 10),
)
def test_predictions_do_not_depend_on_how_they_are_computed(runtimes, whole, threads, batch_size, chunk):
    x, expected = whole
    found = runtimes[threads].predict(x, batch_size=batch_size, chunk=chunk)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=0)


@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(0, STEPS), max_size=6), chunk=st.integers(10, 100))
def test_a_stream_gives_what_the_whole_gives(runtimes, whole, cuts, chunk):
    x, expected = whole
    blocks = np.split(x, sorted(cuts), axis=1)
    found = np.concatenate(list(runtimes[2].predict_stream(blocks, chunk=chunk)), axis=1)
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=0)


def test_a_stream_is_not_held_back(runtimes, whole, monkeypatch):
    from genolstm.lstm.bundle import runtime as module

    monkeypatch.setattr(module, "STREAM_STEPS", 90)
    x, expected = whole
    taken = 0

    def blocks():
        nonlocal taken
        for start in range(0, STEPS, 20):
            taken += 1
            yield x[:, start : start + 20]

    stream = runtimes[1].predict_stream(blocks(), chunk=25)
    parts = [next(stream)]
    assert taken < STEPS // 20 // 2
    parts += stream
    assert len(parts) > 3
    np.testing.assert_allclose(np.concatenate(parts, axis=1), expected, atol=1e-5, rtol=0)


def test_without_context_a_chunks_edge_shows(content, whole):
    # The reason for the context: this must differ, or the tests above show nothing.
    x, expected = whole
    found = Runtime(content, context=0).predict(x, chunk=50)
    assert np.abs(found - expected).max() > 1e-4


@pytest.mark.parametrize("name", ["lstm-classify", "embed-max-bare", "conv-even-mean"])
def test_pooled_outputs_do_not_depend_on_the_batch(name):
    config = CONFIGS[name]
    x = random_input(config, 11, 23)
    runtime = Runtime(onnx_of(config), threads=2)
    expected = runtime.predict(x, batch_size=11)
    assert expected.shape == (11, config.output_width)
    np.testing.assert_allclose(runtime.predict(x, batch_size=2), expected, atol=1e-6)
    with pytest.raises(SettingError, match="streamed"):
        next(runtime.predict_stream([x]))


@pytest.mark.parametrize("shape", [(0, 10, 4), (2, 0, 4), (2, 1, 4)])
def test_empty_and_short(runtimes, shape):
    assert runtimes[1].predict(np.zeros(shape, np.uint8)).shape == (*shape[:2], 2)


def test_any_number_type_and_memory_map(runtimes, whole, tmp_path):
    x, expected = whole
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    for form in (mapped, x.astype(np.float16), x.astype(np.int64), np.asfortranarray(x)):
        np.testing.assert_allclose(runtimes[1].predict(form), expected, atol=1e-5, rtol=0)


def test_wrong_data_are_refused(runtimes):
    with pytest.raises(ModelError, match=r"\(n, steps, 4\)"):
        runtimes[1].predict(np.zeros((2, 10, 5), np.float32))
    with pytest.raises(ModelError, match="shape"):
        runtimes[1].predict(np.zeros((2, 10), np.float32))
    for option in ("chunk", "batch_size"):
        with pytest.raises(SettingError, match=option):
            runtimes[1].predict(np.zeros((2, 10, 4), np.float32), **{option: 0})


def test_a_broken_graph_is_refused():
    with pytest.raises(ModelError, match="cannot load"):
        Runtime(b"not a graph")


@pytest.mark.parametrize("tile", [0, 64])
def test_a_stream_of_many_sequences_is_computed_some_at_a_time(content, monkeypatch, tile):
    from genolstm.lstm.bundle import held
    from genolstm.lstm.bundle import runtime as module

    x = random_input(CONFIG, 40, 230).astype(np.float32)
    runtime = Runtime(content, threads=2, context=CONTEXT, tile=tile)
    expected = runtime.predict(x)
    monkeypatch.setattr(module, "STREAM_STEPS", 90)
    monkeypatch.setattr(module, "PART_STEPS", 2000)
    monkeypatch.setattr(held, "MEMORY", 1000)
    monkeypatch.setattr(held, "PACK_ROWS", 8)
    batches = []
    compute = Runtime._part

    def counted(self, x, *rest):
        batches.append(len(x))
        return compute(self, x, *rest)

    monkeypatch.setattr(Runtime, "_part", counted)
    parts = list(runtime.predict_stream(np.split(x, [10, 25, 130, 131], axis=1)))
    assert len(parts) > 2
    assert max(batches) < 20
    np.testing.assert_allclose(np.concatenate(parts, axis=1), expected, atol=1e-5, rtol=0)


STRIDED = CONFIGS["conv-strides"]


@settings(max_examples=40, deadline=None)
@given(
    steps=st.integers(1, 300),
    cuts=st.lists(st.integers(0, 300), max_size=5),
    chunk=st.integers(5, 120),
    tile=st.sampled_from([0, 64]),
)
def test_a_network_with_a_stride_reads_any_length_in_any_pieces(steps, cuts, chunk, tile):
    # With larger weights the network remembers for longer than the context, and the pieces show.
    weights = random_weights(STRIDED, scale=0.2)
    x = random_input(STRIDED, 2, 300)[:, :steps]
    filled = np.pad(x, ((0, 0), (0, -steps % STRIDED.stride), (0, 0)))
    expected = forward(STRIDED, weights, filled)[:, :steps]
    runtime = Runtime(write_onnx(STRIDED, weights), threads=1, context=4 * CONTEXT, tile=tile, stride=STRIDED.stride)
    found = runtime.predict(x, chunk=chunk)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=0)
    parts = list(runtime.predict_stream(np.split(x, sorted(cuts), axis=1), chunk=chunk))
    np.testing.assert_allclose(np.concatenate(parts, axis=1), expected, atol=1e-5, rtol=0)


def test_context_and_tile_are_multiples_of_the_stride():
    content = onnx_of(STRIDED)
    for option in ("context", "tile"):
        with pytest.raises(SettingError, match="multiples of 4"):
            Runtime(content, stride=4, **{option: 6})
