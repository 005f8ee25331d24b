"""Read files of any compression, and write files atomically."""

from __future__ import annotations

import codecs
import contextlib
import errno
import hashlib
import io
import os
import re
import shutil
import stat
import sys
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, cast

from xopen import xopen

from genolstm import interrupts, temporary
from genolstm.bgzf import BED, BgzfWriter, Layout, write_index
from genolstm.errors import InputError, OutputError, cause

PathLike = str | os.PathLike[str]

_BUFFER = 1 << 17


#: A small compressed file may unpack to gigabytes without a line end.
_LONGEST_LINE = 1 << 28

_MAGIC = {"gz": b"\x1f\x8b", "bz2": b"BZh", "xz": b"\xfd7zXZ\x00", "zst": b"\x28\xb5\x2f\xfd"}
_MARK = codecs.BOM_UTF8

#: The standard input that was opened last: read to its end, it has nothing more to give.
_opened_stdin: weakref.ref[object] | None = None


def display_name(path: PathLike) -> str:
    """Return a path as messages show it (``-`` is standard input)."""
    name = os.fspath(path)
    return "<stdin>" if name == "-" else name


def is_regular(path: PathLike) -> bool:
    """Return whether an input is a file on disk, which can be opened again; a pipe cannot."""
    return os.fspath(path) != "-" and Path(path).is_file()


def is_input(text: str) -> bool:
    """Return whether a word names something to read, a file or a pipe, and is not the text itself."""
    try:
        return text == "-" or (Path(text).exists() and not Path(text).is_dir())
    except (OSError, ValueError):  # too long for a name, or not one at all
        return False


def check_inputs(paths: Iterable[PathLike | None]) -> None:
    """Refuse standard input, or a pipe, that is given for two inputs: the second would find nothing, or wait.

    Raises
    ------
    InputError
        Two paths lead to the same stream.
    """
    seen: set[tuple[int, int] | str] = set()
    for path in paths:
        if path is None:
            continue
        for key in _stream_keys(os.fspath(path)):
            if key in seen:
                raise InputError("is given for two inputs, and can be read only once", path=display_name(path))
            seen.add(key)


def _stream_keys(name: str) -> list[tuple[int, int] | str]:
    """Return what tells one stream from another; nothing for what can be opened again."""
    keys: list[tuple[int, int] | str] = ["-"] if name == "-" else []
    try:
        found = os.fstat(0) if name == "-" else Path(name).stat()
    except (OSError, ValueError):
        return keys
    if stat.S_ISFIFO(found.st_mode) or stat.S_ISSOCK(found.st_mode):
        keys.append((found.st_dev, found.st_ino))
    return keys


class Meter:
    """Counts the bytes that are read from inputs, as they lie on disk.

    Attributes
    ----------
    done
        Bytes read so far.
    """

    def __init__(self) -> None:
        self.done = 0


class _Stream(io.RawIOBase):
    """Bytes that were read ahead, and then a stream.

    Parameters
    ----------
    stream
        Where the bytes after ``ahead`` come from.
    ahead
        Bytes that were already read from it.
    owned
        What is closed together with this stream.
    skip_mark
        Leave out a UTF-8 byte order mark at the beginning.
    meter
        Counts the bytes.
    """

    def __init__(
        self,
        stream: IO[bytes],
        ahead: bytes = b"",
        *,
        owned: Sequence[IO[bytes]] = (),
        skip_mark: bool = False,
        meter: Meter | None = None,
    ) -> None:
        self._stream = stream
        self._ahead = ahead
        self._owned = owned
        self._skip_mark = skip_mark
        self._meter = meter
        # A pipe's bytes are passed on as they come.
        self._readinto = getattr(stream, "readinto1", None) or stream.readinto  # type: ignore[attr-defined]

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        if self._skip_mark:
            self._skip_mark = False
            while len(self._ahead) < len(_MARK) and (more := self._stream.read(len(_MARK) - len(self._ahead))):
                self._ahead += more
            self._ahead = self._ahead.removeprefix(_MARK)
        if self._ahead:
            size = min(len(buffer), len(self._ahead))
            buffer[:size], self._ahead = self._ahead[:size], self._ahead[size:]
        else:
            size = self._readinto(buffer) or 0
        if self._meter is not None:
            self._meter.done += size
        return size

    def close(self) -> None:
        try:
            for stream in self._owned:
                stream.close()
        finally:
            super().close()


def read_start(stream: IO[bytes], size: int) -> bytes:
    """Read ``size`` bytes, in as many steps as a pipe needs; fewer only at the end."""
    parts: list[bytes] = []
    while size > 0 and (part := stream.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def open_input(path: PathLike, *, keep_mark: bool = False, meter: Meter | None = None) -> IO[bytes]:
    """Open a file or a pipe for reading bytes, once.

    gz, bz2, xz and zst are recognised by content. ``-`` is standard input, which can be opened
    once only.

    Parameters
    ----------
    keep_mark
        Hand over a UTF-8 byte order mark too, which is otherwise left out: it is no part of the text.
    meter
        Counts the bytes read from the file, compressed as they are.

    Raises
    ------
    InputError
        The file does not exist, is a folder, or may not be read, or standard input was opened before.
    """
    source = open_packed(path)
    try:
        start = read_start(source, max(map(len, _MAGIC.values())))
        return unpack(source, start, own=os.fspath(path) != "-", keep_mark=keep_mark, meter=meter)
    except OSError as error:
        raise InputError(f"cannot be read ({cause(error)})", path=display_name(path)) from error


def open_packed(path: PathLike) -> IO[bytes]:
    """Open a file or a pipe for reading its bytes as they are, once; standard input is not to be closed.

    Raises
    ------
    InputError
        As :func:`open_input`.
    """
    name = os.fspath(path)
    if name == "-":
        return _standard_input()
    try:
        if Path(name).is_dir():
            raise InputError("is a folder, a file is needed", path=name)
        return cast("IO[bytes]", Path(name).open("rb", buffering=0))
    except FileNotFoundError as error:
        raise InputError("no such file", path=name) from error
    except (OSError, ValueError) as error:
        raise InputError(f"cannot be read ({cause(error)})", path=name) from error


def unpack(
    source: IO[bytes], start: bytes, *, own: bool, keep_mark: bool = False, meter: Meter | None = None
) -> IO[bytes]:
    """Decompress what :func:`open_packed` opened, as its content says.

    Parameters
    ----------
    start
        What was read of it, six bytes or more unless it has fewer.
    own
        Whether the source is closed with what is returned.

    The other parameters are those of :func:`open_input`.
    """
    form = next((form for form, magic in _MAGIC.items() if start.startswith(magic)), None)
    if form is None:
        stream = _Stream(source, start, owned=[source] if own else [], skip_mark=not keep_mark, meter=meter)
    else:
        below = io.BufferedReader(_Stream(source, start, meter=meter), _BUFFER)
        unpacked = cast("IO[bytes]", xopen(below, "rb", threads=0, format=form))
        closed = [unpacked, below, *([source] if own else [])]
        stream = _Stream(unpacked, owned=closed, skip_mark=not keep_mark)
    return io.BufferedReader(stream, _BUFFER)


def _standard_input() -> IO[bytes]:
    global _opened_stdin
    stdin = sys.stdin
    if stdin is None or stdin.closed:
        raise InputError("is closed", path="<stdin>")
    if _opened_stdin is not None and _opened_stdin() is stdin:
        raise InputError("can be read only once", path="<stdin>")
    _opened_stdin = weakref.ref(stdin)
    return cast("IO[bytes]", stdin.buffer)


def read_block(stream: IO[bytes], size: int) -> bytes:
    """Read about ``size`` bytes of text, with LF for line ends of any kind (CRLF, or CR alone).

    Only the end of the file gives an empty block.
    """
    block = stream.read(size)
    if b"\r" not in block:
        return block
    while block.endswith(b"\r") and (more := stream.read(1)):  # a line feed may follow
        block += more
    return block.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


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
    """Yield (number, line) of a text file, compressed or not: 1-based, without line ends (LF, CRLF or CR).

    Raises
    ------
    InputError
        The file cannot be read, is truncated, or is not UTF-8.
    """
    number = 0
    with readable(path), open_input(path) as stream:
        while raw := stream.readline(_LONGEST_LINE):
            if len(raw) == _LONGEST_LINE:
                reason = f"the line is longer than {_LONGEST_LINE >> 20} MiB"
                raise InputError(reason, path=display_name(path), line=number + 1)
            end = -2 if raw.endswith(b"\r\n") else -1 if raw.endswith((b"\n", b"\r")) else len(raw)
            raw = raw[:end]
            for part in raw.split(b"\r") if b"\r" in raw else (raw,):
                number += 1
                try:
                    line = part.decode("utf-8")
                except UnicodeDecodeError as error:
                    raise InputError("is not text", path=display_name(path), line=number) from error
                yield number, line


_OF_DESCRIPTOR = re.compile(r"/(?:dev|proc/(?:self|thread-self|\d+))/fd/(\d+)")
_STANDARD = {"-": 1, "/dev/stdout": 1, "/dev/stderr": 2}


def _descriptor(path: PathLike) -> int | None:
    """Return the number of the open file that a path stands for, such as ``-`` or ``/dev/fd/3``."""
    name = os.fspath(path)
    for _ in range(40):  # links, as many as the system follows
        if name in _STANDARD:
            return _STANDARD[name]
        found = _OF_DESCRIPTOR.fullmatch(os.path.normpath(name))
        # Of another process's files, only the path is ours.
        if found and not (name.startswith("/proc/") and name.split("/")[2] not in _OUR_FOLDERS | {str(os.getpid())}):
            return int(found[1])
        try:
            target = os.readlink(name)  # noqa: PTH115 (one step, not the last)
        except (OSError, ValueError):
            return None
        name = os.path.join(os.path.dirname(name), target)  # noqa: PTH118, PTH120
    return None


_OUR_FOLDERS = {"self", "thread-self"}


def _check_descriptor(number: int, path: PathLike) -> None:
    """Refuse a file that is not open for writing."""
    standard = {1: sys.stdout, 2: sys.stderr}
    if number in standard:
        stream = standard[number]
        if stream is None or not stream.writable():
            raise OutputError("is closed", path=_output_name(path))
        return
    try:
        import fcntl

        mode = fcntl.fcntl(number, fcntl.F_GETFL) & (os.O_RDONLY | os.O_WRONLY | os.O_RDWR)
    except ImportError:
        return
    except OSError as error:
        raise OutputError("is not open", path=path) from error
    if mode == os.O_RDONLY:
        raise OutputError("is open for reading, not for writing", path=path)


def _output_name(path: PathLike) -> str:
    name = os.fspath(path)
    return "<stdout>" if name == "-" else name


def check_output(path: PathLike, *, force: bool) -> None:
    """Refuse an output before any work is done.

    What is open already (``-``, ``/dev/stdout``, ``/dev/fd/3``), a device and a pipe are written to as they are.

    Raises
    ------
    OutputError
        Its folder is missing or not writable, or the file exists and ``force`` is false.
    """
    number = _descriptor(path)
    if number is not None:
        _check_descriptor(number, path)
        return
    try:
        target = Path(path).resolve()
        exists = target.exists()
    except (OSError, RuntimeError, ValueError) as error:  # a circle of links is a RuntimeError before Python 3.13
        raise OutputError(f"cannot be written ({cause(error)})", path=path) from error
    if target.is_symlink():
        raise OutputError("cannot be written (a circle of links)", path=path)
    if exists and _is_device(target):
        return
    if not target.parent.is_dir():
        folder = target.parent if Path(path).is_symlink() else Path(path).parent
        raise OutputError("the output folder does not exist", path=folder, hint="create it first")
    if target.is_dir():
        raise OutputError("is a folder, a file name is needed", path=path)
    if exists and not force:
        raise OutputError("already exists", path=path, hint="use --force to replace it")
    if not os.access(target.parent, os.W_OK):
        raise OutputError("the output folder is not writable", path=Path(path).parent)


def check_outputs(paths: Iterable[PathLike | None], *, force: bool) -> None:
    """Check every path that is given, and that no two name the same file.

    Raises
    ------
    OutputError
        As :func:`check_output`, or two paths lead to the same file, pipe or stream.
    """
    seen: set[_Key] = set()
    for path in paths:
        if path is None:
            continue
        check_output(path, force=force)
        keys = _output_keys(path)
        if keys & seen:
            raise OutputError("is given for two outputs", path=_output_name(path))
        seen |= keys


def check_paths(
    inputs: Iterable[PathLike | None], outputs: Iterable[PathLike | None], *, force: bool, kept: Iterable[PathLike] = ()
) -> None:
    """Check inputs and outputs together, before any work is done: no output may be an input, nor overwrite its index.

    Links, other spellings and streams such as ``/dev/stdin`` are followed; nothing may be written into
    an input that is a folder.

    Parameters
    ----------
    kept
        Files in folders that a run makes or adds to, such as checkpoints: they may exist.

    Raises
    ------
    InputError
        As :func:`check_inputs`.
    OutputError
        As :func:`check_outputs`, or an output is also an input, whatever ``force`` says.
    """
    given, written = [path for path in inputs if path is not None], [path for path in outputs if path is not None]
    check_inputs(given)
    read: set[_Key] = set()
    folders: list[Path] = []
    for source in given:
        read |= _input_keys(source)
        with contextlib.suppress(OSError, RuntimeError, ValueError):
            if Path(source).is_dir():
                folders.append(Path(source).resolve())
    own = list(kept)
    for path in [*written, *own]:
        keys = _output_keys(path)
        if keys & read:
            raise OutputError("is also an input", path=_output_name(path), hint="write elsewhere")
        if any(isinstance(key, Path) and key.is_relative_to(folder) for key in keys for folder in folders):
            raise OutputError("lies in an input", path=_output_name(path), hint="write elsewhere")
    check_outputs(written, force=force)
    also: set[_Key] = set().union(*map(_output_keys, own))
    for path in written:
        if _output_keys(path) & also:
            raise OutputError("is given for two outputs", path=_output_name(path))


#: What tells one file from another: its place, its number in the file system, or that of what is open.
_Key = Path | tuple[int, int] | int

#: Files beside an input that are read with it.
_BESIDE = (".tbi", ".csi", ".fai", ".gzi")


def _inode(found: os.stat_result) -> set[_Key]:
    """Return what identifies a file or pipe; terminals and devices such as /dev/null may serve for everything."""
    kinds = (stat.S_ISREG, stat.S_ISFIFO, stat.S_ISSOCK)
    return {(found.st_dev, found.st_ino)} if any(kind(found.st_mode) for kind in kinds) else set()


def _place(path: PathLike) -> set[_Key]:
    """Return what identifies a path, whether or not something is there."""
    keys: set[_Key] = set()
    with contextlib.suppress(OSError, RuntimeError, ValueError):
        place = Path(path).resolve()
        if not _is_device(place):
            keys.add(place)
    with contextlib.suppress(OSError, ValueError):
        keys |= _inode(Path(path).stat())
    return keys


def _input_keys(path: PathLike) -> set[_Key]:
    name = os.fspath(path)
    if name == "-":
        with contextlib.suppress(OSError):
            return _inode(os.fstat(0))
        return set()
    keys = _place(name)
    for suffix in _BESIDE:
        beside = Path(name + suffix)
        with contextlib.suppress(OSError, ValueError):
            if beside.exists():
                keys |= _place(beside)
    return keys


def _output_keys(path: PathLike) -> set[_Key]:
    number = _descriptor(path)
    if number is None:
        return _place(path)
    keys: set[_Key] = {number}
    if not (number in (1, 2) and _is_replaced(number)):
        with contextlib.suppress(OSError):
            keys |= _inode(os.fstat(number))
    return keys


def check_folder(path: PathLike) -> None:
    """Refuse a folder that cannot be made, or not written to, before there is anything to put into it.

    Raises
    ------
    OutputError
        It, or what it would be made in, is a file or not writable.
    """
    try:
        place = Path(path).resolve()
        while not place.exists() and not place.is_symlink():
            place = place.parent
        if not place.is_dir():
            raise OutputError(f"cannot be created ({place} is no folder)", path=path)
        if not os.access(place, os.W_OK):
            raise OutputError(f"cannot be created ({place} is not writable)", path=path)
    except (OSError, RuntimeError, ValueError) as error:
        raise OutputError(f"cannot be created ({cause(error)})", path=path) from error


def check_own_name(path: PathLike, what: str) -> None:
    """Refuse what is open already, such as ``-``, for an output that other files are named after.

    Raises
    ------
    OutputError
        The path is no name of its own.
    """
    if _descriptor(path) is not None:
        raise OutputError(f"{what} needs a name of its own", path=_output_name(path))


def is_file_output(path: PathLike) -> bool:
    """Return whether an output becomes a file of its own: not what is open already, a device or a pipe."""
    return _descriptor(path) is None and not _is_device(Path(path))


def _is_device(path: Path) -> bool:
    """Return whether this is a terminal, a pipe or /dev/null, which is written to directly."""
    return path.exists() and not path.is_file() and not path.is_dir()


class Outputs:
    """Outputs of which all appear, or none: a context that renames them into place when all are written.

    A device, a pipe and what is open already are written to as they are. If a path is a link, its
    target is replaced.

    Parameters
    ----------
    force
        Whether to replace existing files.
    """

    def __init__(self, *, force: bool = False) -> None:
        self.force = force
        #: Tables that could not be indexed, and why.
        self.not_indexed: list[tuple[PathLike, str]] = []
        self._streams = contextlib.ExitStack()
        self._paths: list[PathLike] = []
        self._waiting: list[tuple[temporary.Temporary, Path | int]] = []
        self._indexed: list[tuple[PathLike, Path, Path, Layout]] = []
        #: Files that are removed before any output appears, such as the mark that an older set is whole.
        self.outdated: list[Path] = []

    def path(self, path: PathLike) -> Path:
        """Return a temporary path whose file is renamed to ``path`` in the end.

        Raises
        ------
        OutputError
            The file exists and ``force`` is false, it cannot be created, or bytes would go to a terminal.
        """
        check_output(path, force=self.force)
        self._paths.append(path)
        with _writable(path):
            number = _descriptor(path)
            if number is not None:
                if number in (1, 2) and os.isatty(number) and not _is_replaced(number):
                    raise OutputError("is a terminal, and the output is no text", path=_output_name(path))
                # Not every writer can do without seeking, and a failure must leave nothing half-written.
                return self._temporary(Path(tempfile.gettempdir()), "genolstm", number)
            target = Path(path).resolve()
            return target if _is_device(target) else self._temporary(target.parent, target.name, target)

    def folder(self, path: PathLike) -> Path:
        """Return a temporary folder whose files appear in the folder ``path`` in the end.

        Raises
        ------
        OutputError
            It cannot be made.
        """
        check_folder(path)
        self._paths.append(path)
        with _writable(path):
            target = Path(path).resolve()
            place = target.parent
            while not place.exists():
                place = place.parent
            made = temporary.make(place, target.name, directory=True)
            self._waiting.append((made, target))
            return made.path

    def text(self, path: PathLike, *, index: bool = False, layout: Layout = BED) -> IO[str]:
        """Return a text stream (UTF-8) whose file appears at ``path`` in the end; ``-`` is stdout.

        The output is compressed if its name ends in ``.gz`` or ``.bgz`` (both as BGZF, without a
        time stamp: the same content gives the same bytes), ``.bz2``, ``.xz`` or ``.zst``.

        Parameters
        ----------
        index
            Also write a tabix index to ``path`` with ``.tbi`` behind. If the lines are not sorted, there
            is no index, and an entry in ``not_indexed``.
        layout
            Where the lines have their positions, for the index.

        Raises
        ------
        OutputError
            The file exists and ``force`` is false, or it cannot be created; an index is asked for, and the
            name does not end in ``.gz`` or ``.bgz``.
        """
        if index and not is_bgzf(path):
            raise OutputError("only what is compressed (.gz) can have an index", path=_output_name(path))
        number = _descriptor(path)
        if number is not None:
            check_output(path, force=self.force)
            self._paths.append(path)
            return self._streams.enter_context(_text_of_descriptor(number))
        made = self.path(path)
        suffix = Path(path).suffix
        with _writable(path):
            if is_bgzf(path):
                raw = self._streams.enter_context(made.open("wb"))
                packed = self._streams.enter_context(BgzfWriter(raw))
                stream: IO[str] = io.TextIOWrapper(cast("IO[bytes]", packed), encoding="utf-8", newline="\n")
            elif suffix in _PACKED:
                stream = xopen(made, "wt", format=_PACKED[suffix], threads=0, encoding="utf-8")
            else:
                stream = made.open("w", encoding="utf-8", newline="\n")
        self._streams.enter_context(stream)
        if index and self._waiting and self._waiting[-1][0].path == made:
            self._indexed.append((path, made, self.path(index_path(path)), layout))
        return stream

    def _temporary(self, folder: Path, name: str, target: Path | int) -> Path:
        made = temporary.make(folder, name)
        self._waiting.append((made, target))
        return made.path

    def __enter__(self) -> Outputs:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with _writable(", ".join(map(_output_name, self._paths))):
                self._streams.__exit__(kind, error, trace)
                if isinstance(error, OSError):
                    raise error  # to be named as any other failure to write
                if error is None:
                    self._finish()
        finally:
            for made, _ in self._waiting:
                made.remove()

    def _finish(self) -> None:
        for path, table, index, layout in self._indexed:
            why = write_index(table, index, layout)
            if why is not None:
                self.not_indexed.append((path, why))
                for made, _ in self._waiting:
                    if made.path == index:
                        made.remove()
                self._waiting = [entry for entry in self._waiting if entry[0].path != index]
        # mkstemp makes files private; an output gets the usual permissions.
        umask = os.umask(0)
        os.umask(umask)
        for made, target in self._waiting:
            if isinstance(target, int):
                with made.path.open("rb") as stream, _bytes_of_descriptor(target) as out:
                    shutil.copyfileobj(stream, out, 1 << 20)
            else:
                made.path.chmod((0o777 if made.path.is_dir() else 0o666) & ~umask)
        # A signal that comes now comes before all of them or after.
        with interrupts.deferred():
            for old in self.outdated:
                old.unlink(missing_ok=True)
            for made, target in self._waiting:
                if isinstance(target, int):
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                if made.path.is_dir() and target.is_dir():
                    for path in sorted(made.path.iterdir()):
                        path.replace(target / path.name)
                else:
                    made.replace(target)


_PACKED = {".bz2": "bz2", ".xz": "xz", ".zst": "zst"}


def is_bgzf(path: PathLike) -> bool:
    """Return whether an output of this name is written as BGZF, which can have an index."""
    return Path(path).suffix in (".gz", ".bgz")


def index_path(path: PathLike) -> Path:
    """Return where the tabix index of a table lies."""
    return Path(f"{os.fspath(path)}.tbi")


def _standard(number: int) -> IO[str]:
    return cast("IO[str]", sys.stdout if number == 1 else sys.stderr)


def _is_replaced(number: int) -> bool:
    """Return whether Python writes elsewhere than the process, as in a notebook or a test."""
    try:
        return _standard(number).fileno() != number
    except (OSError, ValueError):
        return True


@contextlib.contextmanager
def _text_of_descriptor(number: int) -> Iterator[IO[str]]:
    if number in (1, 2):
        yield _standard(number)
        _standard(number).flush()
        return
    with os.fdopen(os.dup(number), "w", encoding="utf-8", newline="\n") as stream:
        yield stream


@contextlib.contextmanager
def _bytes_of_descriptor(number: int) -> Iterator[IO[bytes]]:
    if number in (1, 2):
        text = _standard(number)
        text.flush()
        yield cast(Any, text).buffer
        text.flush()
        return
    with os.fdopen(os.dup(number), "wb") as stream:
        yield stream


@contextlib.contextmanager
def atomic_path(path: PathLike, *, force: bool = False) -> Iterator[Path]:
    """Yield a temporary path; its file is renamed to ``path`` only if the block succeeds.

    What is open already (``-`` is standard output) gets the file's bytes in the end. A device or
    a named pipe is written to directly; if ``path`` is a link, its target is replaced.

    Raises
    ------
    OutputError
        The file exists and ``force`` is false, it cannot be created, or the disk is full.
    """
    with Outputs(force=force) as outputs:
        yield outputs.path(path)


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
        raise OutputError(f"cannot be written ({cause(error)})", path=path) from error


@contextlib.contextmanager
def atomic_text(path: PathLike, *, force: bool = False) -> Iterator[IO[str]]:
    """Yield a text stream whose file appears at ``path`` only when complete; ``-`` is stdout.

    The output is compressed by its name, as :meth:`Outputs.text` does.
    """
    with Outputs(force=force) as outputs:
        yield outputs.text(path)


def unnamed_file(folder: PathLike | None = None) -> IO[bytes]:
    """Open a temporary file that has no name, so that nothing is left of it however the program ends.

    Parameters
    ----------
    folder
        Where the file lies; None is the system's folder for temporary files.
    """
    return tempfile.TemporaryFile(prefix="genolstm-", dir=folder, buffering=0)


def sha256(path: PathLike) -> str:
    """Return the SHA-256 of a file's bytes as hexadecimal."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
