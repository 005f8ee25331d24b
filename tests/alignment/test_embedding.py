"""The network encoder of the search's prefilter, without TensorFlow: a graph written by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from genolstm.alignment.metadata import EMBEDDING_KIND
from genolstm.alignment.search.encoders import NearestVectors, NetworkEncoder
from genolstm.errors import ModelError
from genolstm.lstm.bundle.bundle import save_bundle
from genolstm.sequences.masks import complement_masks
from genolstm.sequences.packed import pack

WIDTH = 12
RNG = np.random.default_rng(760_500)
SEQUENCES = [(1 << RNG.integers(0, 4, int(n))).astype(np.uint8) for n in RNG.integers(20, 26, 40)]


def graph(pooled: bool = True) -> bytes:
    """Return a random convolution over 5 bases, tanh, and the mean over the steps."""
    weights = RNG.normal(size=(WIDTH, 4, 5)).astype(np.float32)
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], perm=[0, 2, 1]),
        helper.make_node("Conv", ["t", "w"], ["c"], pads=[2, 2]),
        helper.make_node("Tanh", ["c"], ["h"]),
        helper.make_node("ReduceMean", ["h"], ["y"], axes=[2], keepdims=0)
        if pooled
        else helper.make_node("Transpose", ["h"], ["y"], perm=[0, 2, 1]),
    ]
    shape = ["n", WIDTH] if pooled else ["n", "steps", WIDTH]
    made = helper.make_graph(
        nodes,
        "embedding",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", "steps", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString()


GRAPH = graph()


@pytest.fixture(scope="module")
def encoder() -> NetworkEncoder:
    return NetworkEncoder(GRAPH, threads=2)


def test_vectors_are_of_unit_length_on_either_strand(encoder: NetworkEncoder) -> None:
    vectors = encoder.encode(pack(SEQUENCES))
    assert vectors.shape == (40, WIDTH)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    other = encoder.encode(pack([complement_masks(x) for x in SEQUENCES]))
    assert np.allclose(vectors, other, atol=1e-5)
    assert len(np.unique(vectors.round(4), axis=0)) == 40


def test_a_sequence_s_vector_does_not_depend_on_the_others(encoder: NetworkEncoder) -> None:
    together = encoder.encode(pack(SEQUENCES))
    alone = np.concatenate([encoder.encode(pack([x])) for x in SEQUENCES])
    backwards = encoder.encode(pack(SEQUENCES[::-1]))[::-1]
    assert np.allclose(together, alone, atol=1e-5)
    assert np.allclose(together, backwards, atol=1e-5)


def test_nothing_and_unknown_letters_have_vectors_too(encoder: NetworkEncoder) -> None:
    empty = np.zeros(0, np.uint8)
    unknown = np.full(21, 15, np.uint8)
    vectors = encoder.encode(pack([empty, unknown, SEQUENCES[0]]))
    assert not vectors[0].any()
    assert np.isfinite(vectors).all()
    assert np.allclose(vectors[2], encoder.encode(pack(SEQUENCES[:1]))[0], atol=1e-5)


def test_the_nearest_are_those_of_all_products(encoder: NetworkEncoder) -> None:
    queries = [np.concatenate([x[:10], x[11:]]) for x in SEQUENCES[:7]]
    near = NearestVectors(encoder, pack(SEQUENCES)).candidates(pack(queries), 6, 2)
    for query, row in zip(encoder.encode(pack(queries)), near, strict=True):
        products = [float(query @ v) for v in encoder.encode(pack(SEQUENCES))]
        assert row.tolist() == sorted(range(40), key=lambda k: -products[k])[:6]
    assert near.shape == (7, 6)


def test_a_bundle_gives_what_its_graph_gives(encoder: NetworkEncoder, tmp_path: Path) -> None:
    path = tmp_path / "mine.genolstm"
    save_bundle(path, kind=EMBEDDING_KIND, members={"model.onnx": GRAPH}, metadata={"alphabet": "dna"})
    stored = NetworkEncoder(path, threads=1)
    assert stored.name == "mine"
    packed = pack(SEQUENCES[:5])
    assert np.allclose(stored.encode(packed), encoder.encode(packed), atol=1e-6)


def test_other_models_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        NetworkEncoder("dna")
    with pytest.raises(ModelError, match="one vector"):
        NetworkEncoder(graph(pooled=False))
    path = tmp_path / "steps.genolstm"
    save_bundle(path, kind=EMBEDDING_KIND, members={"model.onnx": graph(pooled=False)}, metadata={"alphabet": "dna"})
    with pytest.raises(ModelError, match=r"steps\.genolstm"):
        NetworkEncoder(path)
