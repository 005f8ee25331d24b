"""What an ONNX graph may hold that follows from no settings of ours.

The MLP and the CNN of a comparison come from tf2onnx, and a caller may hand over a graph of their
own. Such a graph is a chain from its one input to its one output: every operator is of a short list,
reads the output of one other operator (or the input), and else constants of the file. There are no
loops, branches, functions, or data elsewhere, and no operator can make much out of little: the growth
of the data along the chain is bounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from genolstm.errors import ModelError
from genolstm.lstm.bundle.initializers import check_numbers, read_tensor
from genolstm.lstm.bundle.protobuf import fields, signed

#: Numbers that come out of any part of the network for each that goes in, at most.
MAX_GROWTH = 1 << 16
MAX_NODES = 1000
_LARGEST = 1 << 20

_INT, _INTS, _STRING = 2, 7, 3
# Operators, and the attributes that each may have.
_OPERATORS: dict[str, tuple[str, ...]] = {
    "Add": (),
    "Conv": ("auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"),
    "Gather": (),
    "GlobalAveragePool": (),
    "GlobalMaxPool": (),
    "GRU": ("direction", "hidden_size", "linear_before_reset"),
    "Identity": (),
    "Log": (),
    "LSTM": ("direction", "hidden_size"),
    "MatMul": (),
    "ReduceMax": ("axes", "keepdims"),
    "ReduceMean": ("axes", "keepdims"),
    "Relu": (),
    "Reshape": (),
    "RNN": ("direction", "hidden_size"),
    "Sigmoid": (),
    "Softmax": ("axis",),
    "Squeeze": (),
    "Tanh": (),
    "Transpose": ("perm",),
    "Unsqueeze": (),
}


@dataclass
class _Node:
    operator: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any]


def check_custom(content: bytes) -> None:
    """Refuse an ONNX graph that is more than a plain chain of known operators.

    Raises
    ------
    ModelError
        The message names what it holds.
    """
    try:
        graph = _only_graph(content)
        nodes, constants, ends = _parts(graph)
    except (IndexError, KeyError, ValueError, UnicodeDecodeError) as error:
        raise ModelError("cannot load the network (its ONNX graph cannot be read)") from error
    if len(ends["input"]) != 1 or len(ends["output"]) != 1:
        raise ModelError("the network must have one input and one output")
    check_numbers({name: array for name, array in constants.items() if array.dtype.kind == "f"})
    (source,), (target,) = ends["input"], ends["output"]
    # How many numbers each value of the chain has for each number of the input, at most.
    growth = {source: 1.0}
    width: dict[str, int] = {}
    for node in nodes:
        data = [name for name in node.inputs if name in growth]
        if len(data) != 1 or any(name and name not in growth and name not in constants for name in node.inputs):
            raise ModelError(f"the network's {node.operator} does not read one value and constants of the file")
        given = [None if name == data[0] else constants.get(name) for name in node.inputs]
        factor, last = _factor(node, given, width.get(data[0]))
        for name in filter(None, node.outputs):
            if name in growth or name in constants:
                raise ModelError(f"the network makes {name!r} twice")
            growth[name] = growth[data[0]] * factor
            if last is not None:
                width[name] = last
        if not growth[data[0]] * factor <= MAX_GROWTH:
            raise ModelError("the network would make more of its input than fits into memory")
    if target not in growth or target == source:
        raise ModelError("the network's output does not follow from its input")


def _factor(node: _Node, given: list[np.ndarray | None], width: int | None) -> tuple[float, int | None]:
    """Return how many numbers come out for each that goes in, and the length of the last axis if that is known."""
    operator = node.operator
    constants = [array for array in given if array is not None]
    shapes = [array.shape for array in constants]
    if any(array.dtype.kind == "i" for array in constants) and operator not in ("Reshape", "Squeeze", "Unsqueeze"):
        raise ModelError(f"the network's {operator} reads whole numbers")
    if operator == "MatMul":
        if len(shapes) == 1 and given[0] is None and len(shapes[0]) == 2 and shapes[0][0]:
            return shapes[0][1] / shapes[0][0], shapes[0][1]
    elif operator == "Add":
        if len(shapes) == 1 and (constants[0].size == 1 or shapes[0] == (width,)):
            return 1.0, width
        # A bias of channels that are not the last axis: at worst, the axis had one, and now has as many.
        if len(shapes) == 1 and len(shapes[0]) <= 4 and max(shapes[0]) == constants[0].size:
            return float(constants[0].size), None
    elif operator == "Gather":
        if len(shapes) == 1 and given[0] is not None and len(shapes[0]) == 2:
            return float(shapes[0][1]), shapes[0][1]
    elif operator == "Conv":
        return _convolution(node, given), None
    elif operator in ("LSTM", "GRU", "RNN"):
        if len(shapes) == 3 and len(shapes[0]) == 3 and shapes[0][2] and len(given) == 4 and given[0] is None:
            if len(node.outputs) > 2 or node.attributes.get("hidden_size") != shapes[1][2]:
                raise ModelError(f"the network's {operator} is not of the form that GenoLSTM writes")
            return shapes[0][0] * shapes[1][2] / shapes[0][2], None
    elif operator in ("Reshape", "Squeeze", "Unsqueeze"):
        if len(constants) == 1 and given[0] is None and len(shapes[0]) == 1 and shapes[0][0] <= 8:
            return 1.0, None
    elif not constants and len(given) == 1:
        keeps = operator not in ("Transpose", "GlobalMaxPool", "GlobalAveragePool", "ReduceMax", "ReduceMean")
        return 1.0, width if keeps else None
    raise ModelError(f"the network's {operator} has constants of another form than expected")


def _convolution(node: _Node, given: list[np.ndarray | None]) -> float:
    kernel = given[1] if len(given) in (2, 3) else None
    bias = given[2] if len(given) == 3 else None
    if kernel is None or not 3 <= kernel.ndim <= 4 or not kernel.size or given[0] is not None:
        raise ModelError("the network's Conv has no kernel of its own")
    if len(given) == 3 and (bias is None or bias.shape != kernel.shape[:1]):
        raise ModelError("the network's Conv has a bias that does not fit its kernel")
    size = list(kernel.shape[2:])
    settings = node.attributes
    pads, dilations = settings.get("pads", [0] * 2 * len(size)), settings.get("dilations", [1] * len(size))
    fits = (
        settings.get("kernel_shape", size) == size
        and len(dilations) == len(size)
        and len(pads) == 2 * len(size)
        and settings.get("group", 1) == 1
        and min(dilations, default=1) >= 1
        and min(settings.get("strides", [1])) >= 1
        and min(pads) >= 0
        # Padding makes the sequence no longer than it was.
        and all(pads[i] + pads[i + len(size)] <= (size[i] - 1) * dilations[i] for i in range(len(size)))
    )
    if not fits:
        raise ModelError("the network's Conv has settings that do not fit its kernel")
    return kernel.shape[0] / kernel.shape[1]


# --- the file -----------------------------------------------------------------------------------


def _only_graph(content: bytes) -> memoryview:
    found = []
    for field, value in fields(memoryview(content)):
        if field == 7 and not isinstance(value, int):
            found.append(value)
        elif field == 8 and not isinstance(value, int):
            domains = [bytes(part) for inner, part in fields(value) if inner == 1 and not isinstance(part, int)]
            if any(domain not in (b"", b"ai.onnx.ml") for domain in domains):
                raise ModelError("the network needs operators that are not ONNX's own")
        elif field not in (1, 2, 3, 4, 5, 6):  # versions, producer, text
            raise ModelError(f"the ONNX file holds more than a graph (field {field})")
    if len(found) != 1:
        raise ValueError("graphs")
    return found[0]


def _parts(graph: memoryview) -> tuple[list[_Node], dict[str, np.ndarray], dict[str, list[str]]]:
    nodes: list[_Node] = []
    constants: dict[str, np.ndarray] = {}
    ends: dict[str, list[str]] = {"input": [], "output": []}
    for field, value in fields(graph):
        if isinstance(value, int):
            raise ValueError("field")
        if field == 1:
            nodes.append(_node(value))
        elif field == 5:
            try:
                name, array = read_tensor(value)
            except (IndexError, KeyError, ValueError) as error:
                raise ModelError("the network has a constant that is not in the file, or of an odd type") from error
            if name in constants:
                raise ValueError("twice")
            constants[name] = array
        elif field in (11, 12):
            ends["input" if field == 11 else "output"].append(_end(value))
        elif field not in (2, 10, 13):  # name, text, shapes in between
            raise ModelError(f"the ONNX graph holds more than operators and constants (field {field})")
    if len(nodes) > MAX_NODES:
        raise ModelError(f"the network has more than {MAX_NODES} operators")
    return nodes, constants, ends


def _node(message: memoryview) -> _Node:
    node = _Node("", [], [], {})
    for field, value in fields(message):
        if isinstance(value, int):
            raise ValueError("field")
        if field in (1, 2):
            (node.inputs if field == 1 else node.outputs).append(_text(value))
        elif field == 4:
            node.operator = _text(value)
        elif field == 5:
            name, content = _attribute(value)
            node.attributes[name] = content
        elif (field == 7 and len(value)) or field not in (3, 6, 7):
            raise ModelError(f"the network has an operator that is not ONNX's own: {node.operator!r}")
    allowed = _OPERATORS.get(node.operator)
    if allowed is None:
        raise ModelError(f"the network has an operator that is not allowed: {node.operator!r}")
    unknown = sorted(set(node.attributes) - set(allowed))
    if unknown:
        raise ModelError(f"the network's {node.operator} has a setting that is not allowed: {unknown[0]!r}")
    return node


def _attribute(message: memoryview) -> tuple[str, int | str | list[int]]:
    name, kind = "", 0
    whole: int | None = None
    text: str | None = None
    many: list[int] = []
    for field, value in fields(message):
        if field == 1 and not isinstance(value, int):
            name = _text(value)
        elif field == 3 and isinstance(value, int):
            whole = signed(value)
        elif field == 4 and not isinstance(value, int):
            text = _text(value)
        elif field == 8 and isinstance(value, int):
            many.append(signed(value))
        elif field == 20 and isinstance(value, int):
            kind = value
        else:
            raise ModelError(f"the network has an operator with a setting that is no number or word: {name!r}")
    found: Any = {_INT: whole, _STRING: text, _INTS: many}.get(kind)
    if found is None or any(abs(one) > _LARGEST for one in [*many, whole or 0]):
        raise ModelError(f"the network has an operator with a setting out of range: {name!r}")
    return name, found


def _end(message: memoryview) -> str:
    """Return the name of an input or output, whose type must be a tensor of numbers."""
    name, kind, rank = "", 0, -1
    for field, value in fields(message):
        if isinstance(value, int) or field not in (1, 2, 3):
            raise ValueError("field")
        if field == 1:
            name = _text(value)
        if field != 2:
            continue
        for inner, tensor in fields(value):
            if inner != 1 or isinstance(tensor, int):
                raise ModelError("the network's input or output is not an array of numbers")
            for part, content in fields(tensor):
                if part == 1 and isinstance(content, int):
                    kind = content
                elif part == 2 and not isinstance(content, int):
                    rank = len(list(fields(content)))
    if kind not in (1, 6) or not 2 <= rank <= 3:
        raise ModelError("the network's input or output is not an array of numbers, (n, steps, ...)")
    return name


def _text(value: memoryview) -> str:
    return bytes(value).decode("utf-8")
