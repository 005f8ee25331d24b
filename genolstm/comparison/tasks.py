"""Two simulated tasks with known answers: one about order at a distance, one about a motif.

*long-range*: two copies of a site, each on one of the strands, so that there are four arrangements:
``convergent`` (the site, then its reverse complement), ``divergent`` (the other way round) and two
in ``tandem``. Neither half alone tells which, and a network that forgets the first half before the
second one comes is left with one chance in two. It is the "temporal order" task of Hochreiter and
Schmidhuber (1997) in the letters of the genome, where the orientation of two CTCF sites, thousands
of bases apart, decides whether a loop forms between them (Rao et al. 2014).

*motif*: a degenerate motif somewhere in a random sequence, or one whose columns are shuffled.
"""

from __future__ import annotations

import numpy as np

from genolstm.comparison.data import LabelledSequences
from genolstm.errors import SettingError
from genolstm.sequences.alphabet import Codes, encode, reverse_complement

SITE = "GACT"
CONSENSUS = "TGACGTCATCCA"
MARGIN = 20
# In alphabetical order, as classes are; whether the first and the second site are forward.
ARRANGEMENTS = {
    "convergent": (True, False),
    "divergent": (False, True),
    "tandem-forward": (True, True),
    "tandem-reverse": (False, False),
}


def simulate_long_range(
    n: int, distance: int, *, seed: int, shortest: int | None = None, length: int | None = None, margin: int = MARGIN
) -> LabelledSequences:
    """Simulate pairs of sites in the four arrangements.

    Parameters
    ----------
    n
        Number of sequences, a quarter of each class.
    distance
        Bases from the start of one site to the start of the other.
    shortest
        If given, distances run from this one to ``distance``, evenly on a log scale: from the short
        ones a network learns what to look for, from the long ones to remember it.
    length
        Number of bases of each sequence; by default what the largest distance and the margin need.
    margin
        Largest number of bases after the second site.

    Returns
    -------
    LabelledSequences
        Neither the site nor its reverse complement occurs anywhere else; each sequence is a group
        of its own.
    """
    forward = encode(SITE)
    backward = reverse_complement(forward)
    k = len(forward)
    shortest = distance if shortest is None else shortest
    length = distance + margin + k if length is None else length
    _at_least("n", n, 4)
    _at_least("distance", shortest, k)
    _at_least("distance", distance, shortest)
    _at_least("margin", margin, 0)
    _at_least("length", length, distance + margin + k)
    random = np.random.default_rng([seed, distance, shortest, 0x10FF])
    targets = random.permutation(np.arange(n) % 4)
    strands = np.array(list(ARRANGEMENTS.values()))[targets]
    apart = np.exp(random.uniform(np.log(shortest), np.log(distance + 1), n)).astype(np.int64)
    apart = np.clip(apart, shortest, distance)
    second = length - k - random.integers(0, margin + 1, n)
    first = second - apart
    codes = random.integers(0, 4, (n, length), dtype=np.uint8)
    rows = np.arange(n)
    while True:
        for start, is_forward in ((first, strands[:, 0]), (second, strands[:, 1])):
            word = np.where(is_forward[:, None], forward, backward)
            codes[rows[:, None], start[:, None] + np.arange(k)] = word
        stray = _occurs(codes, forward) | _occurs(codes, backward)
        stray[rows, first] = stray[rows, second] = False
        row, start = np.nonzero(stray)
        if not len(row):
            break
        # A base of each stray copy is drawn again, and the result is checked once more.
        codes[row, start + random.integers(0, k, len(row))] = random.integers(0, 4, len(row))
    return _labelled(codes, targets, tuple(ARRANGEMENTS))


def first_half_accuracy(targets: np.ndarray, prediction: np.ndarray) -> float:
    """Return how often the strand of the first, distant site is predicted correctly; by chance 1/2.

    Parameters
    ----------
    targets
        (n,) classes of long-range.
    prediction
        (n, 4) probabilities.
    """
    first = np.array([first for first, _ in ARRANGEMENTS.values()])
    told = prediction[:, first].sum(axis=1) > 0.5
    return float((told == first[targets]).mean())


def simulate_motif(n: int, *, length: int = 200, seed: int) -> LabelledSequences:
    """Simulate sequences that hold a degenerate motif, or one with its columns shuffled.

    Each base of the motif is the consensus' with probability 0.85. The shuffled motif is the same
    for all sequences, so that composition tells nothing.

    Returns
    -------
    LabelledSequences
        Half of each class; each sequence is a group of its own.
    """
    consensus = encode(CONSENSUS)
    _at_least("n", n, 2)
    _at_least("length", length, len(consensus))
    shuffled = consensus[np.random.default_rng(0x5F1E).permutation(len(consensus))]
    random = np.random.default_rng([seed, length, 0x307F])
    # "motif" comes before "shuffled".
    is_shuffled = random.permutation(np.arange(n) % 2).astype(bool)
    codes = random.integers(0, 4, (n, length), dtype=np.uint8)
    start = random.integers(0, length - len(consensus) + 1, n)
    words = np.where(is_shuffled[:, None], shuffled, consensus)
    changed = random.random(words.shape) >= 0.85
    words[changed] = (words[changed] + random.integers(1, 4, int(changed.sum()))) % 4
    codes[np.arange(n)[:, None], start[:, None] + np.arange(len(consensus))] = words
    return _labelled(codes, is_shuffled, ("motif", "shuffled"))


def _labelled(codes: Codes, targets: np.ndarray, classes: tuple[str, ...]) -> LabelledSequences:
    names = [f"s{i}" for i in range(len(codes))]
    return LabelledSequences(codes, targets.astype(np.int64), classes, np.array(names), names, grouped=True)


def _occurs(codes: Codes, word: Codes) -> np.ndarray:
    """Return where a word begins, (n, starts)."""
    n = codes.shape[1] - len(word) + 1
    found = codes[:, :n] == word[0]
    for i, base in enumerate(word[1:], start=1):
        found &= codes[:, i : i + n] == base
    return found


def _at_least(name: str, value: int, least: int) -> None:
    if value < least:
        raise SettingError(f"{name} is {value}, it must be at least {least}")
