"""Folders of labelled regions, as ``introgression simulate`` writes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from genolstm.errors import InputError
from genolstm.files import PathLike

#: What tracks are made from.
REGION_FILES = ("region.vcf.gz", "target.txt", "outgroup.txt", "archaic.txt", "truth.bed")
#: What the sequence-only recipe reads.
SEQUENCE_FILES = ("target.fa.gz", "truth.bed")


def region_folders(paths: Iterable[PathLike], files: Sequence[str], *, hint: str | None = None) -> list[Path]:
    """Return the folders that hold a labelled region: the paths themselves, or folders in them.

    Parameters
    ----------
    files
        Names of the files that a region must have.
    hint
        What to do if a path is a file.

    Raises
    ------
    InputError
        A path holds no region, or a region lacks a file.
    """
    found: list[Path] = []
    for name in paths:
        path = Path(name)
        if not path.is_dir():
            known = path.exists()
            raise InputError("is no folder" if known else "no such folder", path=path, hint=hint if known else None)
        here = [path] if _holds_any(path, files) else []
        here = here or sorted(child for child in path.iterdir() if _holds_any(child, files))
        if not here:
            raise InputError(
                f"holds no labelled region ({', '.join(files)})",
                path=path,
                hint="create one with: genolstm introgression simulate",
            )
        found += here
    for folder in found:
        for member in files:
            if not (folder / member).is_file():
                raise InputError(f"lacks {member}", path=folder)
    return found


def _holds_any(folder: Path, files: Sequence[str]) -> bool:
    return any((folder / name).exists() for name in files)
