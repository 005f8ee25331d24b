"""How generated sequence is judged beside real sequence: k-mers, copies, and bits under a mixture."""

from __future__ import annotations

import copy
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from genolstm.errors import InputError
from genolstm.sequences.kmers import kmers
from genolstm.text.corpus import Codes, Corpus, record_stream
from genolstm.text.mixing.mixture import Mixture
from genolstm.text.parts import Windows
from genolstm.text.settings import SPECTRUM_KS
from genolstm.text.spectrum import compare_spectra

#: Length of the words that count as copies.
COPY_K = 31
_ORDER = 0x0DE2


def divergences(
    sample: npt.NDArray[np.uint8], source: Corpus, *, canonical: bool, ks: Iterable[int] = SPECTRUM_KS
) -> dict[int, float]:
    """Return the Jensen-Shannon divergence of k-mer spectra, in bits, for several k.

    Parameters
    ----------
    sample
        Windows, (n, bases); no k-mer reaches over the end of one.
    source
        What they should be like.
    canonical
        Whether a k-mer and its reverse complement count as one.
    """
    records = [record.codes.astype(np.uint8) for record in source.records]
    return {k: compare_spectra(sample, records, k, canonical=canonical).divergence for k in ks}


def copied_share(sample: npt.NDArray[np.uint8], source: Corpus, k: int = COPY_K) -> float:
    """Return the share of a sample's k-mers that occur in a source, on either strand.

    Parameters
    ----------
    sample
        Windows of known bases, (n, bases).

    Raises
    ------
    InputError
        The windows are shorter than ``k``.
    """
    known = np.unique(np.concatenate([_words(record.codes, k) for record in source.records]))
    words = np.concatenate([_words(window, k) for window in sample])
    if not len(words):
        raise InputError(f"there is no {k}-mer of known bases to look for", hint=f"windows need at least {k} bases")
    return float(np.isin(words, known).mean())


def _words(codes: Codes, k: int) -> npt.NDArray[np.uint64]:
    words, valid = kmers(codes.astype(np.uint8), k)
    return words[valid]


class MixtureJudge:
    """Counts and copies that have read the training sequence, asked what windows cost.

    No network takes part: it would know what a network of its kind has made. Each sample is read by a
    copy of what the training sequence has taught, and teaches that copy on the way: what a generator repeats
    costs less each time.

    Parameters
    ----------
    history
        The training sequence.
    """

    def __init__(self, history: Corpus) -> None:
        assert isinstance(history.alphabet, str), "of DNA"
        self._taught = Mixture(history.alphabet, history.kind)
        self._taught.read(history.stream())

    def bits(self, sample: Windows, seed: int) -> float:
        """Return the mean bits per base of windows, read in an order that the seed draws."""
        mixture = copy.deepcopy(self._taught)
        # So that no window is followed by its neighbour, which only some generators have.
        order = np.random.default_rng([seed, _ORDER]).permutation(len(sample))
        stream = np.concatenate([record_stream(window, mixture.n_symbols)[0] for window in sample.codes[order]])
        return float(np.nanmean(mixture.read(stream).bits.astype(np.float64)))
