import hashlib
import io
import json
import zipfile

import numpy as np
import pytest
from support.lstm import keras_of, onnx_of

from genolstm.errors import InputError, ModelError, OutputError
from genolstm.lstm.bundle import bundle as bundles
from genolstm.lstm.bundle.bundle import Bundle, find_bundle, pack, save_bundle
from genolstm.lstm.config import LSTMConfig

CONFIG = LSTMConfig(n_features=3, units=4, layers=1)
MEMBERS = {"model.onnx": onnx_of(CONFIG), "model.keras": keras_of()}
METADATA = {"k": 31, "bin_size": 1000, "classes": ["modern", "Neanderthal"], "context": 12}


def packed(**changes):
    content = {"kind": "introgression", "members": MEMBERS, "config": CONFIG, "metadata": METADATA}
    return pack(**{**content, **changes})


def resealed(manifest=None, extra=(), comment=bundles._MAGIC):
    """A bundle by a maker who knows the format, digest and all, but breaks its rules."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(packed())) as source, zipfile.ZipFile(buffer, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == bundles.MANIFEST and manifest is not None:
                content = manifest(json.loads(content))
            target.writestr(name, content)
        for name, content in extra:
            target.writestr(name, content, zipfile.ZIP_DEFLATED)
        target.comment = comment + b"0" * 64
    body = buffer.getvalue()[:-64]
    return body + hashlib.sha256(body).hexdigest().encode()


def test_round_trip(tmp_path):
    path = tmp_path / "m.genolstm"
    saved = save_bundle(
        path,
        kind="introgression",
        members=MEMBERS,
        config=CONFIG,
        metadata=METADATA,
        provenance={"seeds": {"training": 1}},
        card="# Card\nüber",
    )
    opened = Bundle.open(path)
    assert opened == saved
    assert opened.config == CONFIG
    assert opened.metadata == METADATA
    assert opened.context == 12
    assert opened.card == "# Card\nüber"
    assert opened.onnx == MEMBERS["model.onnx"]
    assert opened.provenance == {"seeds": {"training": 1}}
    assert opened.name == "m"


def test_same_content_same_bytes():
    assert packed() == packed()


def test_existing_file_needs_force(tmp_path):
    path = tmp_path / "m.genolstm"
    save_bundle(path, kind="x", members=MEMBERS)
    before = path.read_bytes()
    with pytest.raises(OutputError, match="--force"):
        save_bundle(path, kind="y", members=MEMBERS)
    assert path.read_bytes() == before
    save_bundle(path, kind="y", members=MEMBERS, force=True)
    assert Bundle.open(path).kind == "y"
    assert [p.name for p in tmp_path.iterdir()] == ["m.genolstm"]


def test_every_flipped_byte_is_found():
    content = packed()
    Bundle.from_bytes(content)
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 1 << (place % 8)
        with pytest.raises(ModelError, match=r"damaged|not a GenoLSTM"):
            Bundle.from_bytes(bytes(changed))


def test_every_truncation_is_found():
    content = packed()
    for length in range(0, len(content), 7):
        with pytest.raises(ModelError, match="truncated" if length >= 64 else "truncated|not a"):
            Bundle.from_bytes(content[:length])
    with pytest.raises(ModelError):
        Bundle.from_bytes(content + b"\0")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not a GenoLSTM"),
        (b"not a zip", "not a GenoLSTM"),
        (b">chr1\nACGT\n", "not a GenoLSTM"),
        (b"x" * 10_000, "not a GenoLSTM"),
    ],
)
def test_foreign_files(tmp_path, content, said):
    path = tmp_path / "foreign"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=said) as error:
        Bundle.open(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


def test_a_plain_zip_is_foreign():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.txt", "hello")
    with pytest.raises(ModelError, match="not a GenoLSTM"):
        Bundle.from_bytes(buffer.getvalue())


def test_resealing_itself_is_sound():
    assert Bundle.from_bytes(resealed()).metadata == METADATA


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: resealed(extra=[("evil.pkl", b"x")]), "evil.pkl"),
        (lambda: resealed(extra=[("../../etc/passwd", b"x")]), "should not"),
        (lambda: resealed(extra=[("card.md", b"x" * 200_000_000)]), "unpack"),
        (lambda: resealed(extra=[("step.onnx", b"x")]), "manifest lists"),
        (lambda: resealed(lambda m: "[1]"), "not a table"),
        (lambda: resealed(lambda m: "{"), "JSON"),
        (lambda: resealed(lambda m: "[" * 100_000), "JSON"),
        (lambda: resealed(lambda m: json.dumps({**m, "format_version": 99})), "version 99"),
        (lambda: resealed(lambda m: json.dumps({**m, "kind": 3})), "kind"),
        (lambda: resealed(lambda m: json.dumps({**m, "metadata": []})), "metadata"),
        (lambda: resealed(lambda m: json.dumps({**m, "members": {}})), "manifest lists"),
        (lambda: resealed(lambda m: json.dumps({**m, "config": {"shape": 1}})), "shape"),
        (
            lambda: resealed(lambda m: json.dumps({**m, "members": {k: {"bytes": 1} for k in m["members"]}})),
            "not what its manifest",
        ),
    ],
)
def test_a_sealed_but_wrong_bundle_is_refused(made, said):
    with pytest.raises(ModelError, match=said):
        Bundle.from_bytes(made())


def test_only_known_members_are_packed():
    with pytest.raises(ModelError, match=r"weights\.pkl"):
        packed(members={"weights.pkl": b""})


@pytest.mark.parametrize("value", [float("nan"), np.float32(1), {1, 2}])
def test_metadata_must_be_json(value):
    with pytest.raises(ModelError, match="JSON"):
        packed(metadata={"threshold": value})


def test_require_says_what_differs():
    bundle = Bundle.from_bytes(packed(), path="m.genolstm")
    bundle.require(kind="introgression", k=31, classes=("modern", "Neanderthal"))
    with pytest.raises(ModelError) as error:
        bundle.require(kind="introgression", k=21, bin_size=1000, polarity="free")
    assert str(error.value) == (
        "m.genolstm: the model was made for k=31, polarity=unset; the data has k=21, polarity=free"
    )
    with pytest.raises(ModelError, match="one for alignment is needed"):
        bundle.require(kind="alignment")


def test_a_fact_is_one_line():
    facts = dict(Bundle.from_bytes(packed(metadata={"alphabet": "\n ab"})).summary())
    assert facts["alphabet"] == '"\\n ab"'


def test_missing_file_folder_and_name(tmp_path):
    with pytest.raises(InputError, match="no such model"):
        Bundle.open(tmp_path / "none")
    with pytest.raises(InputError, match="folder"):
        Bundle.open(tmp_path)
    with pytest.raises(InputError, match="no such model"):
        find_bundle("nothing_of_this_name")
    with pytest.raises(InputError, match="no such model"):
        find_bundle("../models/x")


def test_shipped_models_are_found_by_name(tmp_path, monkeypatch):
    monkeypatch.setattr(bundles, "_MODELS", tmp_path)
    path = tmp_path / "dodo.genolstm"
    save_bundle(path, kind="x", members=MEMBERS)
    assert find_bundle("dodo") == path
    with pytest.raises(InputError, match="dodo"):
        find_bundle("emu")
