"""Samples of a VCF Zarr store: the tracks of the VCF that it was made from."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property

from genolstm.errors import InputError
from genolstm.introgression.doors.vcf import VcfDoor
from genolstm.introgression.variants.chunks import is_store
from genolstm.introgression.variants.join import VariantReader


@dataclass(frozen=True)
class ZarrDoor(VcfDoor):
    """The target samples of a VCF Zarr store (or of several), which is read once.

    The fields are those of :class:`~genolstm.introgression.doors.vcf.VcfDoor`, which opens stores,
    too; this door refuses everything else. Memory hardly grows with the number of samples: of these
    only what one stretch needs is in memory at a time.

    Raises
    ------
    InputError
        A path is not a store.
    """

    @cached_property
    def reader(self) -> VariantReader:
        """The open stores, with counts of what was left out."""
        given = (
            [self.vcf]
            if isinstance(self.vcf, str | os.PathLike) or not isinstance(self.vcf, list | tuple)
            else self.vcf
        )
        for path in given:
            if isinstance(path, str | os.PathLike) and not is_store(path):
                raise InputError("is not a VCF Zarr store", path=path, hint="VcfDoor reads VCF and BCF")
        return super().reader
