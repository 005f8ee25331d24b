"""Open a file of genotypes, whatever its format."""

from __future__ import annotations

from genolstm.files import PathLike
from genolstm.introgression.variants.block import Source
from genolstm.introgression.variants.chunks import is_store
from genolstm.introgression.variants.vcf import VcfSource


def open_source(path: PathLike) -> Source:
    """Open a VCF, a BCF or a VCF Zarr store, as its content says.

    Raises
    ------
    InputError
        It is missing, or is none of these.
    MissingExtraError
        It is a VCF Zarr store, and zarr is not installed.
    """
    if is_store(path):
        from genolstm.introgression.variants.zarr import ZarrSource

        return ZarrSource(path)
    return VcfSource(path)
