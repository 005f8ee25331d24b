"""Open a file of genotypes, whatever its format."""

from __future__ import annotations

import zipfile
from pathlib import Path

from genolstm.files import PathLike
from genolstm.introgression.variants.block import Source
from genolstm.introgression.variants.vcf import VcfSource

_ZARR_METADATA = (".zgroup", ".zmetadata", "zarr.json")


def open_source(path: PathLike) -> Source:
    """Open a VCF, a BCF or a VCF Zarr store, as its content says.

    Raises
    ------
    InputError
        It is missing, or is none of these.
    MissingExtraError
        It is a VCF Zarr store, and zarr is not installed.
    """
    if is_zarr(path):
        from genolstm.introgression.variants.zarr import ZarrSource  # type: ignore[import-not-found,unused-ignore]

        return ZarrSource(path)
    return VcfSource(path)


def is_zarr(path: PathLike) -> bool:
    """Return whether a path is a Zarr store: a folder with its metadata, or a zip file of one."""
    place = Path(path)
    try:
        if place.is_dir():
            return any((place / name).exists() for name in _ZARR_METADATA) or place.suffix in (".zarr", ".vcz")
        if place.is_file() and zipfile.is_zipfile(place):
            with zipfile.ZipFile(place) as packed:
                return any(name in packed.namelist() for name in _ZARR_METADATA)
    except (OSError, zipfile.BadZipFile):
        return False
    return False
