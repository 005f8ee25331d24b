"""``text spectrum``: two FASTA files in, how alike their k-mers are out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from genolstm.files import PathLike, check_inputs
from genolstm.sequences.fasta import read_codes
from genolstm.text.spectrum import compare_spectra


def run(
    sample: PathLike, source: PathLike, ks: Sequence[int] = (2, 4, 6)
) -> Iterator[tuple[int, float, float, float, float]]:
    """Yield k, divergence and correlation of the sample, then of an equally long part of the source."""
    check_inputs([sample, source])
    ours = [codes for _, codes in read_codes(sample)]
    theirs = [codes for _, codes in read_codes(source)]
    size = sum(map(len, ours))
    joined = np.concatenate(theirs)
    start = max(0, (len(joined) - size) // 2)
    part, rest = joined[start : start + size], [joined[:start], joined[start + size :]]
    # If the sample is as long as the source, there is no rest to compare a part with.
    apart = len(rest[0]) + len(rest[1]) >= size
    for k in ks:
        found = compare_spectra(ours, theirs, k)
        chance = compare_spectra([part], rest if apart else theirs, k)
        yield k, found.divergence, found.correlation, chance.divergence, chance.correlation
