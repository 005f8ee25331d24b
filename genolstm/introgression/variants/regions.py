"""Which stretches of which chromosomes are read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from genolstm.errors import InputError
from genolstm.introgression.segments import merge_spans
from genolstm.introgression.variants.block import FAR, Stretch


def whole_bins(
    stretches: Iterable[Stretch], bin_size: int, lengths: Mapping[str, int], *, path: str | None = None
) -> list[Stretch]:
    """Widen stretches to whole bins, and sort and merge them.

    Parameters
    ----------
    stretches
        In any order; they may overlap.
    bin_size
        Length of a bin in bp.
    lengths
        Lengths of chromosomes, where they are known; none of the stretches reaches beyond one.
    path
        For messages.

    Raises
    ------
    InputError
        A stretch reaches beyond the end of its chromosome.
    """
    found = list(stretches)
    check_stretches(found, lengths, path=path)
    wide = []
    for chrom, start, end in found:
        end = None if end is None else min(-(-end // bin_size) * bin_size, lengths.get(chrom, FAR))
        wide.append(Stretch(chrom, start // bin_size * bin_size, end))
    return merge_stretches(wide)


def check_stretches(
    stretches: Iterable[Stretch], lengths: Mapping[str, int | None], *, path: str | None = None
) -> None:
    """Refuse a stretch that reaches beyond the end of its chromosome, as far as its length is known.

    Raises
    ------
    InputError
        There is one; the message names it.
    """
    for chrom, start, end in stretches:
        length = lengths.get(chrom)
        if length is not None and max(start + 1, end or 0) > length:
            raise InputError(
                f"{chrom} has {length} bp, and {chrom}:{start + 1}-{end or ''} reaches beyond it", path=path
            )


def merge_stretches(stretches: Iterable[Stretch]) -> list[Stretch]:
    """Sort stretches, and merge those that overlap or touch; chromosomes keep their order."""
    by_chrom: dict[str, list[tuple[int, int]]] = {}
    for chrom, start, end in stretches:
        by_chrom.setdefault(chrom, []).append((start, FAR if end is None else end))
    return [
        Stretch(chrom, start, None if end == FAR else end)
        for chrom, spans in by_chrom.items()
        for start, end in merge_spans(spans)
    ]
