"""Values along sequences as bigWig."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import ModuleType

from genolstm.errors import MissingExtraError, OutputError
from genolstm.files import PathLike
from genolstm.temporary import temporary_folder

Span = tuple[str, int, int, float]
"""Sequence, start, end and value."""

BIGWIG = ".bw"


def pybigtools() -> ModuleType:
    """Return the library that writes bigWig.

    Raises
    ------
    MissingExtraError
        It is not installed.
    """
    try:
        import pybigtools as found
    except ImportError as error:
        raise MissingExtraError("pybigtools", "bigwig") from error
    return found


def write_bigwig(path: Path, spans: Iterable[Span], lengths: Mapping[str, int], *, name: PathLike) -> None:
    """Write values along sequences as bigWig.

    Parameters
    ----------
    path
        File to write.
    spans
        At least one; those of a sequence follow one another, sorted and without overlaps.
    lengths
        Lengths of all sequences in bp.
    name
        What messages call the file.

    Raises
    ------
    OutputError
        The file is not complete, for instance because the disk is full.
    """
    if path.suffix != BIGWIG:  # the library asks for it, and a temporary file has another
        with temporary_folder() as folder:
            made = folder / f"x{BIGWIG}"
            write_bigwig(made, spans, lengths, name=name)
            with made.open("rb") as stream, path.open("wb") as target:
                shutil.copyfileobj(stream, target)
        return
    library = pybigtools()
    counted = _Counted(spans)
    library.open(str(path), "w").write(dict(lengths), counted)
    # The library tells of what went wrong on stderr only, and of what went wrong in the iterator, too.
    if counted.error is not None:
        raise counted.error
    try:
        bases = library.open(str(path)).info()["summary"]["basesCovered"]
    except Exception as error:
        raise OutputError(f"cannot be written ({error})", path=name) from error
    if bases != counted.bases:
        raise OutputError(f"cannot be written ({bases:,} of {counted.bases:,} bp arrived)", path=name)


class _Counted:
    """An iterator that counts what it gives, and keeps the exception that ended it."""

    def __init__(self, spans: Iterable[Span]) -> None:
        self._spans = iter(spans)
        self.bases = 0
        self.error: BaseException | None = None

    def __iter__(self) -> Iterator[Span]:
        return self

    def __next__(self) -> Span:
        try:
            span = next(self._spans)
        except StopIteration:
            raise
        except BaseException as error:  # raised again where it is not lost
            self.error = error
            raise
        self.bases += span[2] - span[1]
        return span
