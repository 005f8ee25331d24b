"""Graphs of no settings of ours: plain chains are computed, anything else is refused before it is opened."""

import struct

import numpy as np
import pytest
from support.hostile import graphs
from support.lstm import CONFIGS, onnx_of

from genolstm.errors import ModelError
from genolstm.lstm.bundle import runtime
from genolstm.lstm.bundle.bundle import Bundle, pack
from genolstm.lstm.bundle.custom import check_custom
from genolstm.lstm.bundle.protobuf import message
from genolstm.lstm.bundle.runtime import Runtime

CONFIG = CONFIGS["lstm-tag"]
# Chains of allowed operators, if not those of the settings: they do no harm.
HARMLESS = {
    "operator that does nothing",
    "other operator set",
    "other input",
    "graph of other units",
    "graph of more layers",
    "graph of another head",
    "graph of another cell",
}
WRONG = [(label, content) for label, content in graphs(CONFIG, onnx_of(CONFIG)) if label not in HARMLESS]


@pytest.mark.parametrize("name", CONFIGS)
def test_graphs_of_our_own_are_chains(name):
    check_custom(onnx_of(CONFIGS[name]))


@pytest.mark.parametrize("content", [pytest.param(content, id=label) for label, content in WRONG])
def test_anything_else_is_refused_before_it_is_opened(content, monkeypatch):
    monkeypatch.setattr(runtime, "open_session", lambda *_, **__: pytest.fail("a session is opened"))
    with pytest.raises(ModelError):
        check_custom(content)
    with pytest.raises(ModelError):
        Runtime(content)
    with pytest.raises(ModelError):
        Bundle.from_bytes(pack(kind="x", members={"model.onnx": content}))


def tensor(name, array):
    kind = {"f": 1, "i": 7}[array.dtype.kind]
    return message([*((1, size) for size in array.shape), (2, kind), (8, name), (9, array.tobytes())])


def value(name, width=4):
    dims = [(1, message([(2, "n")])), (1, message([(2, "steps")])), (1, message([(1, width)]))]
    return message([(1, name), (2, message([(1, message([(1, 1), (2, message(dims))]))]))])


def ints(name, *values):
    return message([(1, name), *((8, one) for one in values), (20, 7)])


def whole(name, number):
    return message([(1, name), (3, number), (20, 2)])


def node(operator, inputs, output, *attributes):
    names = [*((1, name) for name in inputs), (2, output), (4, operator)]
    return message([*names, *((5, attribute) for attribute in attributes)])


def graph(nodes, constants, *, inputs=("x",), outputs=("y",), width=4):
    inner = message(
        [
            *((1, one) for one in nodes),
            (2, "g"),
            *((5, tensor(name, array)) for name, array in constants.items()),
            *((11, value(name)) for name in inputs),
            *((12, value(name, width)) for name in outputs),
        ]
    )
    return bytes(message([(1, 8), (7, inner), (8, message([(1, ""), (2, 17)]))]))


F = np.float32
KERNEL = np.ones((3, 4, 5), F)


def growing(steps):
    """The last axis of 1 becomes 1,000, is folded into the rows, and becomes 1,000 again."""
    nodes, name = [node("Reshape", ["x", "rows"], "r0")], "r0"
    for i in range(steps):
        nodes += [node("MatMul", [name, "w"], f"m{i}"), node("Reshape", [f"m{i}", "rows"], f"r{i + 1}")]
        name = f"r{i + 1}"
    return graph([*nodes, node("Identity", [name], "y")], {"rows": np.array([-1, 1]), "w": np.ones((1, 1000), F)})


REFUSED = {
    "growth along the chain": (growing(4), "fits into memory"),
    "two values joined": (graph([node("Add", ["x", "x"], "y")], {}), "does not read one value"),
    "two chains joined": (
        graph([node("Relu", ["x"], "a"), node("Tanh", ["x"], "b"), node("Add", ["a", "b"], "y")], {}),
        "does not read one value",
    ),
    "broadcast": (graph([node("Add", ["x", "b"], "y")], {"b": np.ones((9, 9), F)}), "another form"),
    "doubling": (graph([node("Concat", ["x", "x"], "y", whole("axis", 0))], {}), "not allowed: 'Concat'"),
    "padding": (graph([node("Conv", ["x", "k"], "y", ints("pads", 9, 9))], {"k": KERNEL}), "do not fit"),
    "huge padding": (graph([node("Conv", ["x", "k"], "y", ints("pads", 1 << 40, 0))], {"k": KERNEL}), "out of range"),
    "no stride": (graph([node("Conv", ["x", "k"], "y", ints("strides", 0))], {"k": KERNEL}), "do not fit"),
    "groups": (graph([node("Conv", ["x", "k"], "y", whole("group", 4))], {"k": KERNEL}), "do not fit"),
    "kernel elsewhere": (graph([node("Conv", ["x", "q"], "y")], {"k": KERNEL}), "does not read one value"),
    "two inputs": (graph([node("Relu", ["x"], "y")], {}, inputs=("x", "z")), "one input and one output"),
    "two outputs": (graph([node("Relu", ["x"], "y")], {}, outputs=("y", "x")), "one input and one output"),
    "input as output": (graph([node("Relu", ["x"], "y")], {}, outputs=("x",)), "does not follow"),
    "nothing computed": (graph([], {}), "does not follow"),
    "made twice": (graph([node("Relu", ["x"], "y"), node("Tanh", ["x"], "y")], {}), "twice"),
    "in a circle": (graph([node("Relu", ["z"], "y"), node("Relu", ["y"], "z")], {}), "does not read one value"),
    "setting of another operator": (graph([node("Relu", ["x"], "y", whole("axis", 0))], {}), "'axis'"),
    "many operators": (graph([node("Relu", ["x"], f"y{i}") for i in range(1001)], {}), "1000 operators"),
    "whole numbers as weights": (graph([node("Add", ["x", "b"], "y")], {"b": np.ones(4, np.int64)}), "whole numbers"),
}


@pytest.mark.parametrize(("content", "said"), REFUSED.values(), ids=REFUSED)
def test_no_operator_makes_much_of_little(content, said):
    with pytest.raises(ModelError, match=said):
        check_custom(content)


def test_a_modest_chain_is_computed():
    content = graph(
        [node("MatMul", ["x", "w"], "m"), node("Add", ["m", "b"], "a"), node("Relu", ["a"], "y")],
        {"w": np.full((4, 2), 0.5, F), "b": np.array([0, -3], F)},
        width=2,
    )
    found = Runtime(content, threads=1).predict(np.ones((1, 3, 4), F))
    np.testing.assert_array_equal(found, np.broadcast_to(np.array([2, 0], F), (1, 3, 2)))
    check_custom(growing(1))


def test_outputs_of_unknown_width_are_refused():
    content = graph([node("MatMul", ["x", "w"], "y")], {"w": np.ones((4, 2), F)}, width=3)
    with pytest.raises(ModelError, match=r"how many outputs|cannot load"):
        Runtime(content)


def test_a_float_setting_is_none_of_ours():
    attribute = message([(1, "axis")]) + b"\x15" + struct.pack("<f", 1.0) + message([(20, 1)])
    with pytest.raises(ModelError, match="no number or word"):
        check_custom(graph([node("Softmax", ["x"], "y", attribute)], {}))
