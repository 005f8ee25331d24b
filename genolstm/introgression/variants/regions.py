"""Which stretches of which chromosomes are read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from genolstm.errors import InputError
from genolstm.introgression.variants.block import Stretch


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
    by_chrom: dict[str, list[tuple[int, int | None]]] = {}
    for chrom, start, end in stretches:
        length = lengths.get(chrom)
        if length is not None and max(start + 1, end or 0) > length:
            raise InputError(
                f"{chrom} has {length} bp, and {chrom}:{start + 1}-{end or ''} reaches beyond it", path=path
            )
        wide = None if end is None else -(-end // bin_size) * bin_size
        if wide is not None and length is not None:
            wide = min(wide, length)
        by_chrom.setdefault(chrom, []).append((start // bin_size * bin_size, wide))
    return [Stretch(chrom, start, end) for chrom, spans in by_chrom.items() for start, end in _merged(spans)]


def _merged(spans: Sequence[tuple[int, int | None]]) -> list[tuple[int, int | None]]:
    merged: list[tuple[int, int | None]] = []
    for start, end in sorted(spans, key=lambda span: span[0]):
        if merged and (merged[-1][1] is None or start <= merged[-1][1]):
            before = merged[-1][1]
            merged[-1] = merged[-1][0], None if before is None or end is None else max(before, end)
        else:
            merged.append((start, end))
    return merged
