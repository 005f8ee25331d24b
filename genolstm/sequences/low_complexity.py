"""Low complexity: short tandem repeats, which look alike without a common ancestor."""

from __future__ import annotations

from genolstm.sequences.masks import Masks, N, decode_masks


def without_low_complexity(masks: Masks) -> Masks:
    """Return a sequence with N in place of tandem repeats and other low complexity.

    tantan finds them: bases whose probability is at least 1/2 of having been copied from up to 100 bp before.

    Parameters
    ----------
    masks
        Letters as bit masks, uint8 (n,).

    Returns
    -------
    numpy.ndarray
        A copy; the same array if there are none.

    References
    ----------
    Frith 2011, Nucleic Acids Res 39:e23.
    """
    from pydustmasker import TantanMasker

    if not len(masks):
        return masks
    found = TantanMasker(decode_masks(masks)).intervals
    if not found:
        return masks
    out = masks.copy()
    for start, end in found:
        out[start:end] = N
    return out
