"""``model``: what a bundle is, whether it is intact, and its members as files."""

from __future__ import annotations

import re
from importlib import import_module
from typing import NamedTuple

from genolstm.errors import SettingError
from genolstm.files import Outputs, PathLike, check_paths
from genolstm.lstm.bundle.bundle import Bundle, find_bundle, shipped_models, shipped_path
from genolstm.runs.sources import model_files

#: Of each kind of model, what reads its metadata and refuses what they cannot say; other kinds have none.
_CHECKS = {
    "introgression": "genolstm.introgression.metadata:read_metadata",
    "sequence-only introgression": "genolstm.introgression.sequence_only.metadata:read_metadata",
    "alignment": "genolstm.alignment.metadata:read_metadata",
    "embedding": "genolstm.alignment.metadata:check_embedding",
    "text": "genolstm.text.metadata:read_metadata",
    "comparison": "genolstm.comparison.metadata:read_metadata",
}


def run_open(model: PathLike) -> Bundle:
    """Return a bundle, given its file or the name of a model that comes with GenoLSTM.

    Raises
    ------
    ModelError
        It is damaged, or says of itself what a model of its kind cannot.
    """
    bundle = Bundle.open(find_bundle(model))
    if bundle.kind in _CHECKS:
        # Imported by name, when it is needed: a model of one pipeline asks for nothing of the others.
        module, name = _CHECKS[bundle.kind].split(":")
        getattr(import_module(module), name)(bundle)
    return bundle


class Shipped(NamedTuple):
    """A model that comes with GenoLSTM.

    Attributes
    ----------
    name
        By which every option that takes a model finds it.
    kind
        Which pipeline it is for.
    bytes
        Size of its file.
    about
        The first sentence of its card; empty if that says nothing.
    sha256
        Digest of the file's content.
    """

    name: str
    kind: str
    bytes: int
    about: str
    sha256: str


def run_list() -> list[Shipped]:
    """Return the models that come with GenoLSTM, by name; each is checked as :func:`run_open` does it."""
    found = []
    for name in shipped_models():
        path = shipped_path(name)
        bundle = run_open(path)
        about = _first_sentence(bundle.card)
        found.append(Shipped(name, bundle.kind, path.stat().st_size, about, bundle.digest))
    return found


def _first_sentence(card: str) -> str:
    """Return the first sentence of the first paragraph of a card, on one line."""
    paragraphs = [part.strip() for part in re.split(r"\n\s*\n", card.replace("\r\n", "\n"))]
    text = next((part for part in paragraphs if part and not part.startswith(("#", "|"))), "")
    return re.split(r"(?<=[.!?])\s", " ".join(text.split()), maxsplit=1)[0]


def run_verify(model: PathLike) -> list[tuple[str, str]]:
    """Check that a model is whole and that its network, if it has one, computes what its weights say.

    An aligner need not have a network: its parameters, and what its scores mean, have been read by
    :func:`run_open`, which refuses those that are out of range.

    Returns
    -------
    list of (str, str)
        What was checked, and how it came out; see :func:`verify_bundle`.
    """
    from genolstm.lstm.bundle.verify import verify_bundle

    bundle = run_open(model)
    if bundle.kind != "alignment":
        return verify_bundle(bundle)
    from genolstm.alignment.metadata import verified

    return [*verify_bundle(bundle, network=False), *verified(bundle)]


def run_export(
    model: PathLike, *, onnx: PathLike | None = None, keras: PathLike | None = None, force: bool = False
) -> None:
    """Write a model's ONNX graph, its Keras form, or both to separate files.

    Raises
    ------
    SettingError
        No output is named.
    ModelError
        The bundle has no such member; nothing is written then.
    """
    if onnx is None and keras is None:
        raise SettingError("no output is named", hint="give onnx, keras, or both")
    check_paths(model_files(model), [onnx, keras], force=force)
    bundle = run_open(model)
    wanted = [(path, name) for path, name in ((onnx, "model.onnx"), (keras, "model.keras")) if path is not None]
    contents = [(path, bundle.member(name)) for path, name in wanted]
    with Outputs(force=force) as outputs:
        for path, content in contents:
            outputs.path(path).write_bytes(content)
