"""One file per model, safe to open.

A bundle is a zip file of a few named members: ``manifest.json`` (kind, network settings, what the
pipeline must know, provenance, digests), ``model.keras``, ``model.onnx``, ``step.onnx`` if the
model generates, ``card.md``. Its last 64 bytes are the SHA-256 of all bytes before them, as the end
of the zip comment, so that any changed byte is found before anything is read. The digest guards
against damage. Against malice, what a bundle holds is compared with what its settings imply: a closed
list of members, typed metadata within bounds, a graph that is byte for byte the one of the settings and
the weights. Nothing in a bundle is ever executed: it holds numbers, and no pickle is read.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from genolstm.errors import GenolstmError, InputError, ModelError, cause, shown
from genolstm.fields import MAX_WORD, strict_json
from genolstm.files import PathLike, atomic_path
from genolstm.lstm.bundle.archive import MalformedArchive, read_archive, write_archive
from genolstm.lstm.bundle.checks import check_members
from genolstm.lstm.bundle.metadata import check_core
from genolstm.lstm.config import LSTMConfig

SUFFIX = ".genolstm"
FORMAT_VERSION = 1
MANIFEST = "manifest.json"
MEMBERS = ("model.keras", "model.onnx", "step.onnx", "card.md")
MAX_FILE = 1 << 30

_MAGIC = b"genolstm bundle, sha256 of all bytes before: "
_DIGEST = 64
_MODELS = Path(__file__).resolve().parents[2] / "models"
_MISSING = object()


@dataclass(frozen=True)
class Bundle:
    """A model file, checked and held in memory.

    Attributes
    ----------
    kind
        Which pipeline it is for, such as ``introgression``.
    config
        The network's settings; ``None`` for a custom network.
    metadata
        What the pipeline must know: classes, channels, bin size, k, thresholds, calibration.
    provenance
        How it came to be, from :func:`genolstm.provenance.record`.
    path
        Where it was read from.
    """

    kind: str
    config: LSTMConfig | None
    metadata: dict[str, Any]
    provenance: dict[str, Any]
    members: dict[str, bytes] = field(repr=False)
    digest: str
    path: str | None = None

    @classmethod
    def open(cls, path: PathLike) -> Bundle:
        """Check the whole of a bundle, and read it.

        Raises
        ------
        InputError
            There is no such file.
        ModelError
            It is damaged, truncated, changed, of another version, or not a bundle at all.
        """
        try:
            source = Path(path)
            if source.is_dir():
                raise InputError("is a folder, a model bundle is needed", path=path)
            # A device or a pipe has no size, and may never end.
            if source.stat().st_size > MAX_FILE or not source.is_file():
                raise ModelError("is too large for a model bundle, or not a file", path=path)
            content = source.read_bytes()
        except FileNotFoundError as error:
            raise InputError("no such model bundle", path=path) from error
        except OSError as error:
            raise InputError(f"cannot be read ({cause(error)})", path=path) from error
        return cls.from_bytes(content, path=path)

    @classmethod
    def from_bytes(cls, content: bytes, *, path: PathLike | None = None) -> Bundle:
        """Check and read a bundle's bytes; see :meth:`open`."""
        try:
            return _parse(content, None if path is None else str(path))
        except GenolstmError as error:
            error.path = None if path is None else str(path)
            raise

    @property
    def onnx(self) -> bytes:
        """The ONNX graph over whole sequences."""
        return self.member("model.onnx")

    @property
    def context(self) -> int:
        """Steps of context that an output needs on either side; see ``runtime``."""
        return int(self.metadata.get("context", 0))

    @property
    def tile(self) -> int:
        """Steps of the tiles that define the outputs, 0 for none; see ``runtime``."""
        return int(self.metadata.get("tile", 0))

    @property
    def card(self) -> str:
        """The model card, as Markdown."""
        return self.member("card.md").decode("utf-8")

    @cached_property
    def name(self) -> str:
        """The file's name without its suffix, or the model's kind."""
        return Path(self.path).name.removesuffix(SUFFIX) if self.path else self.kind

    def member(self, name: str) -> bytes:
        """Return a member's bytes.

        Raises
        ------
        ModelError
            The bundle has no such member.
        """
        if name not in self.members:
            raise ModelError(f"the bundle holds no {name}", path=self.path)
        return self.members[name]

    def require(self, *, kind: str | None = None, **expected: Any) -> None:
        """Check that the model was made for data like this.

        Parameters
        ----------
        kind
            The kind of model that is needed.
        **expected
            The metadata that the data call for, such as ``k=31, bin_size=1000``.

        Raises
        ------
        ModelError
            Something differs; the message says what, on both sides.
        """
        if kind is not None and kind != self.kind:
            raise ModelError(f"is a model for {self.kind}, one for {kind} is needed", path=self.path)
        made, has = [], []
        for name, value in expected.items():
            mine = self.metadata.get(name, _MISSING)
            if _plain(mine) != _plain(value):
                made.append(f"{name}={'unset' if mine is _MISSING else _short(mine)}")
                has.append(f"{name}={_short(value)}")
        if made:
            raise ModelError(f"the model was made for {', '.join(made)}; the data has {', '.join(has)}", path=self.path)

    def summary(self) -> list[tuple[str, str]]:
        """Return the main facts as pairs of name and value."""
        facts = [("model", shown(self.name)), ("kind", self.kind)]
        if self.config is not None:
            facts += [(name, _show(value)) for name, value in self.config.to_dict().items()]
        for name, value in sorted(self.metadata.items()):
            text = _show(json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value)
            facts.append((shown(name), text if len(text) <= 200 else f"{text[:197]}..."))
        for name in ("created", "command"):
            if name in self.provenance:
                value = self.provenance[name]
                facts.append((name, shown(" ".join(map(str, value)) if isinstance(value, list) else str(value))))
        facts += [(name, f"{len(content)} bytes") for name, content in self.members.items()]
        return [*facts, ("sha256", self.digest)]

    def save(self, path: PathLike, *, force: bool = False) -> Bundle:
        """Write the bundle to a file, and return it with its path."""
        content = pack(
            kind=self.kind, members=self.members, config=self.config, metadata=self.metadata, provenance=self.provenance
        )
        with atomic_path(path, force=force) as temporary:
            temporary.write_bytes(content)
        return replace(self, path=str(path))

    def manifest(self) -> dict[str, Any]:
        """Return what the bundle says of itself, as JSON-ready values."""
        return _manifest(self.kind, self.config, self.metadata, self.provenance, self.members)


def save_bundle(
    path: PathLike,
    *,
    kind: str,
    members: Mapping[str, bytes],
    config: LSTMConfig | None = None,
    metadata: Mapping[str, Any] | None = None,
    provenance: Mapping[str, Any] | None = None,
    card: str = "",
    force: bool = False,
) -> Bundle:
    """Write a bundle and return it as it reads back.

    The same content gives the same bytes.

    Parameters
    ----------
    members
        ``model.onnx`` and, if there are any, ``model.keras`` and ``step.onnx``; see
        :func:`genolstm.lstm.bundle.saving.save_network`.
    metadata
        Free JSON for the pipeline.
    card
        The model card, Markdown.

    Raises
    ------
    OutputError
        The file exists and ``force`` is false, or cannot be written.
    ModelError
        A value cannot be stored as JSON.
    """
    content = pack(
        kind=kind,
        members={**members, "card.md": card.encode("utf-8")},
        config=config,
        metadata=metadata,
        provenance=provenance,
    )
    bundle = Bundle.from_bytes(content, path=path)
    with atomic_path(path, force=force) as temporary:
        temporary.write_bytes(content)
    return bundle


def pack(
    *,
    kind: str,
    members: Mapping[str, bytes],
    config: LSTMConfig | None = None,
    metadata: Mapping[str, Any] | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> bytes:
    """Return a bundle's bytes; see :func:`save_bundle`."""
    for name in members:
        if name not in MEMBERS:
            raise ModelError(f"a bundle has no place for {name}")
    try:
        manifest = json.dumps(
            _manifest(kind, config, metadata or {}, provenance or {}, members),
            indent=1,
            sort_keys=True,
            allow_nan=False,
            ensure_ascii=False,
        )
    except (TypeError, ValueError) as error:
        raise ModelError(f"the model's metadata cannot be stored as JSON ({error})") from error
    whole = {MANIFEST: manifest.encode("utf-8")} | {name: members[name] for name in MEMBERS if name in members}
    content = write_archive(whole, comment=_MAGIC + b"0" * _DIGEST)[:-_DIGEST]
    return content + hashlib.sha256(content).hexdigest().encode("ascii")


def find_bundle(name_or_path: PathLike) -> Path:
    """Return the path of a bundle, given a file or the name of a shipped model.

    Raises
    ------
    InputError
        There is no such file or model.
    """
    path = Path(name_or_path)
    if path.is_file():
        return path
    name = str(name_or_path)
    if re.fullmatch(r"[A-Za-z0-9_-]+", name):
        shipped = shipped_path(name)
        if shipped.is_file():
            return shipped
    known = shipped_models()
    raise InputError("no such model bundle", path=name, hint=f"shipped models: {', '.join(known)}" if known else None)


def shipped_models() -> list[str]:
    """Return the names of the models that come with the package."""
    return sorted(path.name.removesuffix(SUFFIX) for path in _MODELS.glob(f"*{SUFFIX}"))


def shipped_path(name: str) -> Path:
    """Return where a model that comes with the package lies, whatever files of this name lie elsewhere."""
    return _MODELS / f"{name}{SUFFIX}"


def _manifest(
    kind: str,
    config: LSTMConfig | None,
    metadata: Mapping[str, Any],
    provenance: Mapping[str, Any],
    members: Mapping[str, bytes],
) -> dict[str, Any]:
    return {
        "format_version": FORMAT_VERSION,
        "kind": kind,
        "config": None if config is None else config.to_dict(),
        "metadata": dict(metadata),
        "provenance": dict(provenance),
        "members": {
            name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in members.items()
        },
    }


def _parse(content: bytes, path: str | None) -> Bundle:
    damaged = ModelError("the model bundle is damaged or was changed", hint="copy or download it again")
    body, digest = content[:-_DIGEST], content[-_DIGEST:]
    if not body.endswith(_MAGIC):
        # A whole bundle ends in the magic and a digest, so this is part of one, or not a bundle.
        if content.startswith(b"PK\x03\x04") and MANIFEST.encode() in content[:64]:
            raise ModelError("the model bundle is damaged or truncated", hint="copy or download it again")
        raise ModelError("is not a GenoLSTM model bundle")
    if hashlib.sha256(body).hexdigest().encode("ascii") != digest:
        raise damaged
    # From here on, the bytes are known to be as written, but not by whom.
    try:
        raw = read_archive(content, (MANIFEST, *MEMBERS), what="the model bundle")
    except MalformedArchive as error:
        raise damaged from error
    if MANIFEST not in raw:
        raise ModelError("the model bundle lacks its manifest")
    manifest = strict_json(raw.pop(MANIFEST), "the model bundle's manifest")
    return _from_manifest(manifest, raw, digest.decode("ascii"), path)


def _from_manifest(manifest: Any, members: dict[str, bytes], digest: str, path: str | None) -> Bundle:
    if not isinstance(manifest, dict):
        raise ModelError("the model bundle's manifest is not a table of names and values")
    version = manifest.get("format_version")
    if version != FORMAT_VERSION or type(version) is not int:
        raise ModelError(
            f"the model bundle has format version {str(version)[:40]}, this GenoLSTM reads {FORMAT_VERSION}",
            hint="install the GenoLSTM that made it, or make it again",
        )
    for name, kind in (("kind", str), ("metadata", dict), ("provenance", dict), ("members", dict)):
        if not isinstance(manifest.get(name), kind):
            raise ModelError(f"the model bundle's manifest has no valid {name!r}")
    listed = manifest["members"]
    if set(listed) != set(members):
        raise ModelError("the model bundle's members are not those that its manifest lists")
    for name, content in members.items():
        stated = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        if listed[name] != stated:
            raise ModelError(f"the model bundle's {name} is not what its manifest says")
    if len(manifest["kind"]) > MAX_WORD or not manifest["kind"].isprintable():
        raise ModelError("the model bundle's manifest has no valid 'kind'")
    unknown = sorted(set(manifest) - {"format_version", "kind", "config", "metadata", "provenance", "members"})
    if unknown:
        raise ModelError(f"the model bundle's manifest has an entry that it should not: {unknown[0][:60]!r}")
    settings = manifest.get("config")
    config = None if settings is None else LSTMConfig.from_dict(settings)
    check_core(manifest["metadata"])
    check_members(config, members)
    return Bundle(
        kind=manifest["kind"],
        config=config,
        metadata=manifest["metadata"],
        provenance=manifest["provenance"],
        members=members,
        digest=digest,
        path=path,
    )


def _plain(value: Any) -> Any:
    """Return a value as JSON would give it back, so that tuples equal lists."""
    return list(value) if isinstance(value, tuple) else value


def _short(value: Any) -> str:
    text = _show(value)
    return text if len(text) <= 100 else f"{text[:97]}..."


def _show(value: Any) -> str:
    text = f"[{', '.join(map(str, value))}]" if isinstance(value, list | tuple) else str(value)
    # One line per fact, even if it holds line ends.
    return text if text.isprintable() else shown(json.dumps(text, ensure_ascii=False))
