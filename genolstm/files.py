"""Read files of any compression, and write files atomically."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, cast

from xopen import xopen

from genolstm.errors import InputError, OutputError

PathLike = str | os.PathLike[str]


_MAGIC = {"gz": b"\x1f\x8b", "bz2": b"BZh", "xz": b"\xfd7zXZ\x00", "zst": b"\x28\xb5\x2f\xfd"}


def display_name(path: PathLike) -> str:
    """Return a path as messages show it (``-`` is standard input)."""
    name = os.fspath(path)
    return "<stdin>" if name == "-" else name


def open_input(path: PathLike) -> IO[bytes]:
    """Open a file for reading bytes; gz, bz2, xz and zst are recognised by content, ``-`` is stdin.

    Raises
    ------
    InputError
        The file does not exist, is a folder, or may not be read.
    """
    name = os.fspath(path)
    try:
        if name == "-":
            return xopen(sys.stdin.buffer, "rb", threads=0)
        if Path(name).is_dir():
            raise InputError("is a folder, a file is needed", path=name)
        if not Path(name).is_file():  # a pipe: it can be opened once
            return xopen(name, "rb", threads=0)
        # By default xopen trusts the file's name.
        with Path(name).open("rb") as stream:
            start = stream.read(6)
        form = next((form for form, magic in _MAGIC.items() if start.startswith(magic)), None)
        return xopen(name, "rb", threads=0, format=form) if form else Path(name).open("rb")
    except FileNotFoundError as error:
        raise InputError("no such file", path=name) from error
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror or error})", path=name) from error


@contextlib.contextmanager
def readable(path: PathLike) -> Iterator[None]:
    """Turn any failure to read or decompress into an :class:`InputError`."""
    try:
        yield
    except BrokenPipeError:
        raise
    except EOFError as error:
        raise InputError(
            "ends in the middle of its compressed data (truncated?)",
            path=display_name(path),
            hint="copy or download it again",
        ) from error
    except Exception as error:
        if not isinstance(error, (OSError, *_decompression_errors())):
            raise
        raise InputError(f"cannot be decompressed or read ({error})", path=display_name(path)) from error


def _decompression_errors() -> Iterator[type[Exception]]:
    """Yield the exception types of the decompressors in use; most have their own."""
    for module, name in (
        ("zlib", "error"),
        ("isal.isal_zlib", "error"),
        ("isal.igzip_lib", "error"),
        ("zlib_ng.zlib_ng", "error"),
        ("lzma", "LZMAError"),
        ("zstandard", "ZstdError"),
        ("backports.zstd", "ZstdError"),
        ("compression.zstd", "ZstdError"),
    ):
        kind = getattr(sys.modules.get(module), name, None)
        if isinstance(kind, type) and issubclass(kind, Exception):
            yield kind


def read_lines(path: PathLike) -> Iterator[tuple[int, str]]:
    """Yield (number, line) of a text file, compressed or not: 1-based, without line ends.

    Raises
    ------
    InputError
        The file cannot be read, is truncated, or is not UTF-8.
    """
    with readable(path), open_input(path) as stream:
        for number, raw in enumerate(stream, start=1):
            try:
                line = raw.decode("utf-8").rstrip("\r\n")
            except UnicodeDecodeError as error:
                raise InputError("is not text", path=display_name(path), line=number) from error
            yield number, line


def check_output(path: PathLike, *, force: bool) -> None:
    """Refuse an output before any work is done.

    Raises
    ------
    OutputError
        Its folder is missing or not writable, or the file exists and ``force`` is false.
    """
    if os.fspath(path) == "-":
        return
    target = Path(path)
    folder = target.parent
    try:
        exists = target.exists()
    except OSError as error:
        raise OutputError(f"cannot be written ({error.strerror})", path=target) from error
    if exists and _is_device(target):
        return
    if not folder.is_dir():
        raise OutputError("the output folder does not exist", path=folder, hint="create it first")
    if target.is_dir():
        raise OutputError("is a folder, a file name is needed", path=target)
    if exists and not force:
        raise OutputError("already exists", path=target, hint="use --force to replace it")
    if not os.access(folder, os.W_OK):
        raise OutputError("the output folder is not writable", path=folder)


def check_outputs(paths: Iterable[PathLike | None], *, force: bool) -> None:
    """Check every path that is given, and that no two name the same file."""
    seen: set[Path] = set()
    for path in paths:
        if path is None:
            continue
        check_output(path, force=force)
        resolved = Path(path).resolve()
        if resolved in seen and not _is_device(resolved):
            name = "<stdout>" if os.fspath(path) == "-" else path
            raise OutputError("is given for two outputs", path=name)
        seen.add(resolved)


def _is_device(path: Path) -> bool:
    """Return whether this is a terminal, a pipe or /dev/null, which is written to directly."""
    return path.exists() and not path.is_file() and not path.is_dir()


@contextlib.contextmanager
def atomic_path(path: PathLike, *, force: bool = False) -> Iterator[Path]:
    """Yield a temporary path next to ``path``; rename it into place only if the block succeeds.

    A device or a named pipe is written to directly; if ``path`` is a link, its target is replaced.

    Raises
    ------
    OutputError
        The file exists and ``force`` is false, it cannot be created, or the disk is full.
    """
    check_output(path, force=force)
    target = Path(path).resolve()
    with _writable(path):
        if _is_device(target):
            yield target
            return
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            # mkstemp makes files private; an output gets the usual permissions.
            umask = os.umask(0)
            os.umask(umask)
            temporary.chmod(0o666 & ~umask)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)


_UNWRITABLE = {
    getattr(errno, name)
    for name in ("ENOSPC", "EDQUOT", "EFBIG", "EROFS", "EACCES", "EPERM", "ENAMETOOLONG", "EIO")
    if hasattr(errno, name)
}


@contextlib.contextmanager
def _writable(path: PathLike) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in _UNWRITABLE:
            raise
        raise OutputError(f"cannot be written ({error.strerror})", path=path) from error


@contextlib.contextmanager
def atomic_text(path: PathLike, *, force: bool = False) -> Iterator[IO[str]]:
    """Yield a text stream whose file appears at ``path`` only when complete; ``-`` is stdout.

    The output is compressed if its name ends in ``.gz``, ``.bz2``, ``.xz`` or ``.zst``. gzip output
    has no time stamp, so that the same content gives the same bytes.
    """
    name = os.fspath(path)
    if name == "-":
        with _writable("<stdout>"):
            yield sys.stdout
            sys.stdout.flush()
        return
    with atomic_path(path, force=force) as temporary:
        suffix = Path(name).suffix
        form = {".gz": "gz", ".bz2": "bz2", ".xz": "xz", ".zst": "zst"}.get(suffix)
        if form is None:
            with temporary.open("w", encoding="utf-8", newline="\n") as stream:
                yield stream
        elif form == "gz":
            import io

            with (
                temporary.open("wb") as raw,
                _gzip_writer(raw) as packed,
                io.TextIOWrapper(packed, encoding="utf-8", newline="\n") as stream,
            ):
                yield stream
        else:
            with xopen(temporary, "wt", format=form, threads=0, encoding="utf-8") as stream:
                yield stream


def _gzip_writer(raw: IO[bytes]) -> IO[bytes]:
    """Return a gzip stream without file name and time stamp, from the fastest writer available."""
    try:
        # Ten times as fast as zlib at level 6, and output a tenth larger; xopen depends on it where it builds.
        from isal import igzip

        return cast("IO[bytes]", igzip.IGzipFile("", "wb", compresslevel=2, fileobj=raw, mtime=0))
    except ImportError:
        import gzip

        return cast("IO[bytes]", gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0))


def sha256(path: PathLike) -> str:
    """Return the SHA-256 of a file's bytes as hexadecimal."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
