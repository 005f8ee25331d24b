"""Model bundles made by somebody who knows the format, digest and all, and means no good."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import warnings
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from support.introgression import sequence_only_bytes, tiny_bundle
from support.lstm import keras_of, onnx_of, random_weights
from support.text import toy_bytes

from genolstm.alignment.context.model import aligner_metadata
from genolstm.alignment.pairhmm.damage import DamageProfile
from genolstm.alignment.pairhmm.parameters import ParameterFamily
from genolstm.introgression.channels import BASELINE_COUNTS, LEVELS
from genolstm.introgression.hmm import SupervisedHMM
from genolstm.introgression.metadata import SEQUENCE_ONLY
from genolstm.lstm.bundle.archive import write_archive
from genolstm.lstm.bundle.bundle import Bundle, find_bundle, pack
from genolstm.lstm.bundle.graph import write_onnx
from genolstm.lstm.bundle.protobuf import fields, message
from genolstm.lstm.config import LSTMConfig

MAGIC = b"genolstm bundle, sha256 of all bytes before: "
Files = dict[str, bytes]
Make = Callable[[], bytes]


def sealed(body: bytes) -> bytes:
    """Bytes that end in the magic, with their digest after it."""
    return body + hashlib.sha256(body).hexdigest().encode()


def zipped(members: Files) -> bytes:
    return sealed(write_archive(members, comment=MAGIC + b"0" * 64)[:-64])


def unzipped(content: bytes) -> Files:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def relisted(members: Files) -> Files:
    """Members with a manifest that lists them rightly, whatever else it says."""
    manifest = json.loads(members["manifest.json"])
    manifest["members"] = {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in members.items()
        if name != "manifest.json"
    }
    return {**members, "manifest.json": json.dumps(manifest).encode()}


def _but(members: Files, name: str) -> Files:
    return {one: content for one, content in members.items() if one != name}


# --- good bundles, one of each kind -------------------------------------------------------------


def good_bundles(folder: Path) -> dict[str, bytes]:
    """A small model of every kind, as it should be, with every field that its kind may have."""
    hmm = SupervisedHMM(
        np.full((2, BASELINE_COUNTS, LEVELS), np.log(1 / LEVELS)), np.log(np.full((2, 2), 0.5)), np.log(np.full(2, 0.5))
    )
    path = tiny_bundle(folder / "i.genolstm", hmm=hmm, prior=0.02, tile=60)
    config = LSTMConfig(
        input="conv", n_features=4, input_units=5, kernel_size=3, units=3, layers=1, head="embed", n_outputs=57
    )
    significance = Bundle.open(find_bundle("adna")).metadata["significance"]
    metadata = aligner_metadata(ParameterFamily(), damage=DamageProfile(), significance=significance, margin=1.0)
    comparison = LSTMConfig(
        n_features=4, units=3, layers=1, bidirectional=False, head="classify", n_outputs=1, activation="sigmoid"
    )
    return {
        "introgression": path.read_bytes(),
        "alignment": pack(
            kind="alignment",
            config=config,
            members={"model.onnx": onnx_of(config), "model.keras": keras_of(), "card.md": b"# toy\n"},
            metadata=metadata,
        ),
        "text": toy_bytes(training_symbols=99, context=0, tile=0, held_out={"symbols": 9, "bits_per_symbol": 2.0}),
        "comparison": pack(
            kind="comparison",
            config=comparison,
            members={"model.onnx": onnx_of(comparison), "card.md": b"# toy\n"},
            metadata={"architecture": "lstm", "alphabet": "ACGT", "classes": ["a", "b"], "length": 20, "context": 0},
        ),
        SEQUENCE_ONLY: sequence_only_bytes(),
    }


# --- the archive --------------------------------------------------------------------------------


def _raw(members: list[tuple[zipfile.ZipInfo | str, bytes]]) -> bytes:
    packed = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        warnings.simplefilter("ignore")  # of names that are there twice
        for name, content in members:
            target.writestr(name, content)
        target.comment = MAGIC + b"0" * 64
    return packed.getvalue()[:-64]


def _with(members: Files, name: str, content: bytes = b"x", **changes: Any) -> bytes:
    info = zipfile.ZipInfo(name)
    for key, value in changes.items():
        setattr(info, key, value)
    return sealed(_raw([*members.items(), (info, content)]))


def _patched(members: Files, change: Callable[[bytearray, int, int], None]) -> bytes:
    """A bundle whose bytes are changed; `change` is told where the first local and central headers are."""
    body = bytearray(_raw(list(members.items())))
    change(body, body.index(b"PK\x03\x04"), body.index(b"PK\x01\x02"))
    return sealed(bytes(body))


def _set(at: str, offset: int, form: str, value: int) -> Callable[[bytearray, int, int], None]:
    def change(body: bytearray, local: int, central: int) -> None:
        struct.pack_into(form, body, (local if at == "local" else central) + offset, value)

    return change


def _overlap(body: bytearray, local: int, central: int) -> None:
    second = body.index(b"PK\x01\x02", central + 4)
    body[second + 42 : second + 46] = body[central + 42 : central + 46]


def _end(offset: int, form: str, value: int) -> Callable[[bytearray, int, int], None]:
    def change(body: bytearray, local: int, central: int) -> None:
        struct.pack_into(form, body, body.rindex(b"PK\x05\x06") + offset, value)

    return change


def _gap(body: bytearray, local: int, central: int) -> None:
    body[:0] = b"#!/bin/sh\n"


def archives(good: Files) -> Iterator[tuple[str, Make]]:
    """Archives that are not what a plain writer makes."""
    for label, name in (
        ("traversal", "../../etc/cron.d/x"),
        ("absolute path", "/tmp/x"),
        ("backslash", "..\\x"),
        ("folder", "models/"),
        ("foreign member", "weights.pkl"),
        ("name with a null byte", "card.md\0.pkl"),
        ("escape codes in a name", "\x1b[31mcard.md"),
        ("line end in a name", "card\n.md"),
    ):
        yield label, partial(_with, good, name)
    yield "member twice", partial(_with, good, "model.onnx")
    yield "manifest twice", partial(_with, good, "manifest.json", b"{}")
    without = _but(good, "card.md")
    yield "link", partial(_with, without, "card.md", b"/etc/passwd", external_attr=0o120777 << 16, create_system=3)
    yield "device", partial(_with, without, "card.md", b"", external_attr=0o020666 << 16, create_system=3)
    yield "bomb", partial(_with, without, "card.md", bytes(90_000_000), compress_type=zipfile.ZIP_DEFLATED)
    yield "packed oddly", partial(_with, without, "card.md", b"x" * 100, compress_type=zipfile.ZIP_BZIP2)
    yield "no manifest", partial(zipped, _but(good, "manifest.json"))
    yield "nothing", partial(sealed, _raw([]))
    for label, change in (
        ("encrypted", _set("central", 8, "<H", 1)),
        ("encrypted locally", _set("local", 6, "<H", 1)),
        ("unknown method", _set("central", 10, "<H", 99)),
        ("other size locally", _set("local", 22, "<I", 1 << 30)),
        ("size of four gigabytes", _set("central", 24, "<I", 0xFFFFFFFE)),
        ("offset beyond the end", _set("central", 42, "<I", 0x7FFFFFFF)),
        ("long extra field", _set("central", 30, "<H", 0xFFFF)),
        ("wrong checksum", _set("central", 16, "<I", 7)),
        ("members that overlap", _overlap),
        ("directory elsewhere", _end(16, "<I", 1 << 30)),
        ("directory too long", _end(12, "<I", 1 << 30)),
        ("more members than there are", _end(10, "<H", 9999)),
        ("script before the archive", _gap),
    ):
        yield label, partial(_patched, good, change)


# --- the manifest -------------------------------------------------------------------------------


def manifests(good: Files) -> Iterator[tuple[str, Make]]:
    """Manifests that are not plain JSON, or not of the right form."""
    text = good["manifest.json"].decode()
    manifest = json.loads(text)

    def made(content: str | bytes) -> bytes:
        return zipped({**good, "manifest.json": content if isinstance(content, bytes) else content.encode()})

    def said(**changes: Any) -> bytes:
        return made(json.dumps({**manifest, **changes}))

    def configured(**changes: Any) -> bytes:
        return said(config={**manifest["config"], **changes})

    def with_entry(value: str) -> bytes:
        return made(json.dumps(manifest).replace('"metadata": {', f'"metadata": {{"more": {value}, ', 1))

    yield "not JSON", partial(made, "{")
    yield "not UTF-8", partial(made, text.encode().replace(b'"kind"', b'"k\xefnd"', 1))
    yield "a list", partial(made, "[1]")
    yield "a number", partial(made, "7")
    yield "depth bomb", partial(made, "[" * 100_000 + "]" * 100_000)
    yield "depth bomb of tables", partial(with_entry, '{"a":' * 5000 + "1" + "}" * 5000)
    yield "rather deep", partial(with_entry, "[" * 100 + "]" * 100)
    yield "huge whole number", partial(with_entry, "9" * 5000)
    yield "large whole number", partial(with_entry, "9" * 400)
    yield "NaN", partial(with_entry, "NaN")
    yield "infinity", partial(with_entry, "-Infinity")
    yield "1e999", partial(with_entry, "1e999")
    yield "name twice", partial(with_entry, '{"a": 1, "a": 2}')
    yield "half a character", partial(with_entry, '"\\ud800"')
    yield "large manifest", partial(with_entry, json.dumps("x" * (17 << 20)))
    yield "version", partial(said, format_version=2)
    yield "version as text", partial(said, format_version="1")
    yield "version as truth", partial(said, format_version=True)
    yield "kind of another type", partial(said, kind=["text"])
    yield "kind with escape codes", partial(said, kind="\x1b[31mtext")
    yield "long kind", partial(said, kind="x" * 100_000)
    yield "metadata as list", partial(said, metadata=[])
    yield "provenance as text", partial(said, provenance="x")
    yield "entry that is not known", partial(said, run="rm -rf")
    yield "members of another type", partial(said, members=[])
    yield "member not there", partial(said, members={**manifest["members"], "step.onnx": {"bytes": 0, "sha256": ""}})
    yield "member with another digest", partial(said, members={name: {"bytes": 1} for name in manifest["members"]})
    for label, change in {
        "units as text": {"units": "3"},
        "units of a billion": {"units": 1 << 30},
        "outsized units": {"units": 1 << 20},
        "other units": {"units": 4},
        "negative units": {"units": -3},
        "units as truth": {"units": True},
        "units of another number": {"units": [3, 3, 3, 3, 3]},
        "other layers": {"layers": 3},
        "many layers": {"layers": 10**6},
        "layers as fraction": {"layers": 1.5},
        "other cell": {"cell": "gru"},
        "unknown cell": {"cell": "transformer"},
        "cell of another type": {"cell": ["lstm"]},
        "unknown head": {"head": "exec"},
        "other outputs": {"n_outputs": 3},
        "many outputs": {"n_outputs": 1 << 40},
        "dropout as text": {"dropout": "x"},
        "unknown setting": {"fn": "os.system"},
        "activation of another type": {"activation": {}},
        "other activation": {"activation": "linear" if manifest["config"]["activation"] != "linear" else "sigmoid"},
    }.items():
        yield f"settings: {label}", partial(configured, **change)
    yield "settings as list", partial(said, config=[1])
    yield "settings as text", partial(said, config="lstm")


# --- graphs -------------------------------------------------------------------------------------

_NODE, _GRAPH = 1, 7


def _regraphed(content: bytes, change: Callable[[list[tuple[int, Any]]], list[tuple[int, Any]]]) -> bytes:
    """A graph whose fields are changed; those of the model stay."""
    outer = []
    for field, value in fields(memoryview(content)):
        if field == _GRAPH and not isinstance(value, int):
            inner = [(one, part if isinstance(part, int) else bytes(part)) for one, part in fields(value)]
            outer.append((field, bytes(message(change(inner)))))
        else:
            outer.append((field, value if isinstance(value, int) else bytes(value)))
    return bytes(message(outer))


def _retensored(content: bytes, change: Callable[[str, list[tuple[int, Any]]], list[tuple[int, Any]]]) -> bytes:
    """A graph whose constants are changed."""

    def all_of(inner: list[tuple[int, Any]]) -> list[tuple[int, Any]]:
        found = []
        for field, value in inner:
            if field == 5:
                parts = [(one, p if isinstance(p, int) else bytes(p)) for one, p in fields(memoryview(value))]
                name = next(bytes(p).decode() for one, p in parts if one == 8)
                value = bytes(message(change(name, parts)))
            found.append((field, value))
        return found

    return _regraphed(content, all_of)


def _spoiled(content: bytes, number: float) -> bytes:
    def change(name: str, parts: list[tuple[int, Any]]) -> list[tuple[int, Any]]:
        if name != "head/kernel":
            return parts
        return [(f, struct.pack("<f", number) + v[4:] if f == 9 else v) for f, v in parts]

    return _retensored(content, change)


def _node(operator: str, inputs: list[str], outputs: list[str], *attributes: bytes, domain: str = "") -> bytes:
    given = [*((1, name) for name in inputs), *((2, name) for name in outputs), (3, "n"), (4, operator)]
    given += [(5, attribute) for attribute in attributes] + ([(7, domain)] if domain else [])
    return bytes(message(given))


def _subgraph(name: str) -> bytes:
    inner = message([(1, _node("Identity", ["a"], ["b"])), (2, "inner")])
    return bytes(message([(1, name), (6, inner), (20, 5)]))


def _prepended(content: bytes, node: bytes) -> bytes:
    return _regraphed(content, lambda inner: [(_NODE, node), *inner])


def _last_node_to(content: bytes, make: Callable[[bytes], bytes]) -> bytes:
    """A graph whose last operator, which gives the output, is another."""

    def change(inner: list[tuple[int, Any]]) -> list[tuple[int, Any]]:
        last = max(i for i, (field, _) in enumerate(inner) if field == _NODE)
        return [(f, make(v) if i == last else v) for i, (f, v) in enumerate(inner)]

    return _regraphed(content, change)


def _external(name: str, parts: list[tuple[int, Any]]) -> list[tuple[int, Any]]:
    if name != "head/bias":
        return parts
    kept = [(f, v) for f, v in parts if f != 9]
    return [*kept, (13, bytes(message([(1, "location"), (2, "secret.bin")]))), (14, 1)]


def _outsized(name: str, parts: list[tuple[int, Any]]) -> list[tuple[int, Any]]:
    return [(f, 1 << 40 if f == 1 else v) for f, v in parts] if name == "head/kernel" else parts


def _negative(name: str, parts: list[tuple[int, Any]]) -> list[tuple[int, Any]]:
    return [(f, -1 if f == 1 else v) for f, v in parts] if name == "head/bias" else parts


def _double(name: str, parts: list[tuple[int, Any]]) -> list[tuple[int, Any]]:
    if name != "head/bias":
        return parts
    return [(f, 11 if f == 2 else (np.frombuffer(v, "<f4").astype("<f8").tobytes() if f == 9 else v)) for f, v in parts]


def graphs(config: LSTMConfig, content: bytes) -> Iterator[tuple[str, bytes]]:
    """Graphs that are not the one of these settings; `content` is."""
    yield "empty", b""
    yield "garbage", bytes(range(256)) * 4
    yield "truncated", content[: len(content) // 2]
    yield "NaN weight", _spoiled(content, float("nan"))
    yield "infinite weight", _spoiled(content, float("inf"))
    yield "absurd weight", _spoiled(content, 3e38)
    yield "loop", _prepended(content, _node("Loop", ["", "", "x"], ["z"], _subgraph("body")))
    branch = _node("If", ["x"], ["z"], _subgraph("then_branch"), _subgraph("else_branch"))
    yield "branch", _prepended(content, branch)
    yield "scan", _prepended(content, _node("Scan", ["x"], ["z"], _subgraph("body")))
    yield "unknown operator", _prepended(content, _node("Exec", ["x"], ["z"]))
    yield "foreign operator", _prepended(content, _node("PyOp", ["x"], ["z"], domain="ai.onnx.contrib"))
    yield "operator that grows", _prepended(content, _node("Expand", ["x", "join"], ["z"]))
    yield "operator that does nothing", _prepended(content, _node("Identity", ["x"], ["z"]))
    yield "function", content + bytes(message([(25, bytes(message([(1, "f"), (7, _node("Identity", ["a"], ["b"]))])))]))
    yield "training graph", content + bytes(message([(20, bytes(message([(2, b"")])))]))
    yield "second graph", content + bytes(message([(7, bytes(message([(2, "other")])))]))
    yield "trailing field", content + bytes(message([(99, "x")]))
    yield "foreign operator set", content + bytes(message([(8, bytes(message([(1, "evil"), (2, 1)])))]))
    yield "other operator set", content.replace(message([(1, ""), (2, 17)]), message([(1, ""), (2, 7)]))
    yield "external data", _retensored(content, _external)
    yield "outsized shape", _retensored(content, _outsized)
    yield "negative shape", _retensored(content, _negative)
    yield "doubles", _retensored(content, _double)
    yield "sparse constant", _regraphed(content, lambda inner: [*inner, (15, b"")])
    yield "constant twice", _regraphed(content, lambda inner: [*inner, next(p for p in inner if p[0] == 5)])
    yield "constant output", _last_node_to(content, lambda _: _node("Identity", ["head/bias"], ["y"]))
    yield "other output", content.replace(b"\x12\x01y", b"\x12\x01z")
    yield "other input", content.replace(b"\n\x01x", b"\n\x01w")
    for label, changes in (
        ("of other units", {"units": [one + 1 for one in config.layer_units]}),
        ("of more layers", {"layers": config.layers + 1, "units": config.layer_units[0]}),
        ("of another head", {"n_outputs": config.n_outputs + 1}),
        ("of another cell", {"cell": "gru"}),
    ):
        settings = {**config.to_dict(), **changes}
        settings["units"] = settings["units"] if isinstance(settings["units"], int) else tuple(settings["units"])
        other = LSTMConfig(**settings)
        yield f"graph {label}", write_onnx(other, random_weights(other, 5))


def members_of(good: Files) -> Iterator[tuple[str, Make]]:
    """Bundles with a graph, a Keras file or a card that are not what they should be."""
    config = LSTMConfig.from_dict(json.loads(good["manifest.json"])["config"])

    def made(name: str, content: bytes) -> bytes:
        return zipped(relisted({**good, name: content}))

    for label, content in graphs(config, good["model.onnx"]):
        yield f"graph: {label}", partial(made, "model.onnx", content)
    if "step.onnx" in good:
        other = good["model.onnx"]
        for label, content in (
            ("garbage", b"x"),
            ("the whole graph", other),
            ("NaN weight", _spoiled(good["step.onnx"], float("nan"))),
            ("other weight", _spoiled(good["step.onnx"], 0.125)),
            ("external data", _retensored(good["step.onnx"], _external)),
            ("loop", _prepended(good["step.onnx"], _node("Loop", ["", "", "x"], ["z"], _subgraph("body")))),
        ):
            yield f"step: {label}", partial(made, "step.onnx", content)
    else:
        yield "step: of a network without one", partial(made, "step.onnx", good["model.onnx"])
    bare = {**good, "manifest.json": json.dumps(_without_settings(good)).encode(), "step.onnx": b"x"}
    yield "settings left out", partial(zipped, relisted(bare))
    yield "no graph", partial(zipped, relisted(_but(good, "model.onnx")))
    yield "card: not UTF-8", partial(made, "card.md", "größer".encode("latin-1"))
    yield "card: outsized", partial(made, "card.md", b"x" * (2 << 20))
    for label, make in keras_files():
        yield f"keras: {label}", partial(lambda make: made("model.keras", make()), make)


def _without_settings(good: Files) -> dict[str, Any]:
    return {**json.loads(good["manifest.json"]), "config": None}


def keras_files() -> Iterator[tuple[str, Make]]:
    good = unzipped(keras_of())
    config = json.loads(good["config.json"])

    def made(**changes: bytes) -> bytes:
        return write_archive({**good, **{n.replace("_json", ".json"): c for n, c in changes.items()}}, compress=False)

    def with_layer(layer: Any) -> bytes:
        return made(config_json=json.dumps({**config, "config": {"layers": [layer]}}).encode())

    yield "not a zip file", partial(bytes, b"PK nothing")
    yield "traversal", partial(write_archive, {**good, "../../x": b"x"})
    yield "assets", partial(write_archive, {**good, "assets/vocabulary.txt": b"/etc/passwd"})
    yield "bomb", partial(write_archive, {**good, "model.weights.h5": good["model.weights.h5"] + bytes(90_000_000)})
    yield ("no weights", partial(write_archive, _but(good, "model.weights.h5")))
    yield "weights of another format", partial(write_archive, {**good, "model.weights.h5": b"\x80\x04."})
    code = {"class_name": "__lambda__", "config": {"value": "4wEAAAA="}}
    yield (
        "lambda",
        partial(with_layer, {"module": "keras.layers", "class_name": "Lambda", "config": {"function": code}}),
    )
    yield "function", partial(with_layer, {"module": "builtins", "class_name": "function", "config": "exec"})
    yield "foreign module", partial(with_layer, {"module": "os", "class_name": "system", "config": {"command": "id"}})
    utility = {"module": "keras.utils", "class_name": "get_file", "config": {"origin": "http://localhost/"}}
    yield "download", partial(with_layer, utility)
    unsafe = {"module": "keras.config", "class_name": "enable_unsafe_deserialization", "config": {}}
    yield "unsafe mode", partial(with_layer, unsafe)
    custom = {"module": None, "class_name": "Mine", "registered_name": "evil>Mine", "config": {}}
    yield "registered class", partial(with_layer, custom)
    lookup = {"module": "keras.layers", "class_name": "StringLookup", "config": {"vocabulary": "/etc/passwd"}}
    yield "layer that reads a file", partial(with_layer, lookup)
    yield "class of another type", partial(with_layer, {"module": ["keras"], "class_name": {"a": 1}, "config": {}})
    yield "settings as list", partial(made, config_json=b"[]")
    yield "settings that are not JSON", partial(made, config_json=b"{")
    yield "deep settings", partial(made, config_json=b"[" * 50_000)


# --- metadata -----------------------------------------------------------------------------------

_WRONG: dict[type, tuple[Any, ...]] = {
    bool: ("x", 7, []),
    int: ("x", [], {}, True, -1, 1 << 60, 1.5, 1e300, None),
    float: ("x", [], {}, True, -1e30, 1e30, None),
    str: (5, ["x"], {}, True, "\x1b[31mx", "x" * 3_000_000, None),
    list: ("x", {}, 7, [[]], ["\x1b[31mx"], [None], [1e30], None),
    dict: ("x", [], 7, True, {"\x1b[31m": 1}),
}
# Where nothing is as good as null, and null is allowed.
_OPTIONAL = {"calibration", "hmm", "hmm_threshold", "damage", "significance", "training_symbols", "held_out"}
# What no pipeline reads.
_FREE = {"validation"}


def metadata(good: Files) -> Iterator[tuple[str, Make]]:
    """Bundles with one field of their metadata of another type or out of range."""
    manifest = json.loads(good["manifest.json"])
    for path, value in _leaves(manifest["metadata"]):
        for wrong in _WRONG[type(value)]:
            if wrong is None and path[-1] in _OPTIONAL:
                continue
            name = ".".join(map(str, path))
            yield f"metadata: {name} {str(wrong)[:12]!r}", partial(with_metadata, good, path, wrong)


def with_metadata(good: Files, path: tuple[Any, ...], value: Any) -> bytes:
    """The bundle with another value at a place of its metadata."""
    manifest = json.loads(good["manifest.json"])
    place = manifest["metadata"]
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return zipped({**good, "manifest.json": json.dumps(manifest).encode()})


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Yield every value that is not a table, every table, and of a list itself and its first entry."""
    if path and path[0] in _FREE:
        return
    if path:
        yield path, value
    if isinstance(value, dict):
        for name, one in value.items():
            yield from _leaves(one, (*path, name))
    elif isinstance(value, list) and value:
        yield from _leaves(value[0], (*path, 0))


def hostile_bundles(good: bytes) -> Iterator[tuple[str, Make]]:
    """Yield what is wrong with a bundle, and what makes it, for every one that can be made of a good one."""
    members = unzipped(good)
    yield from archives(members)
    yield from manifests(members)
    yield from members_of(members)
    yield from metadata(members)
