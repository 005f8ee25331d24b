"""DNA letters as sets of bases, so that IUPAC codes are scored as expectations.

A code is a bit mask: A 1, C 2, G 4, T (and U) 8, R = A or G = 5, ..., N = 15.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from genolstm.errors import InputError
from genolstm.sequences.alphabet import describe_foreign

Masks = npt.NDArray[np.uint8]

_SETS = {
    "A": "A",
    "C": "C",
    "G": "G",
    "T": "T",
    "U": "T",
    "R": "AG",
    "Y": "CT",
    "S": "CG",
    "W": "AT",
    "K": "GT",
    "M": "AC",
    "B": "CGT",
    "D": "AGT",
    "H": "ACT",
    "V": "ACG",
    "N": "ACGT",
}
N = 15
"""The code of a base that may be any of the four."""


def _tables() -> tuple[bytes, bytes, bytes]:
    encode, decode = bytearray(256), bytearray(b"?" * 256)
    for letter, bases in _SETS.items():
        mask = sum(1 << "ACGT".index(base) for base in bases)
        encode[ord(letter)] = encode[ord(letter.lower())] = mask
        if letter != "U":
            decode[mask] = ord(letter)
    other = bytearray(256)
    for mask in range(16):
        other[mask] = sum(1 << (3 - k) for k in range(4) if mask >> k & 1)
    return bytes(encode), bytes(decode), bytes(other)


_ENCODE, _DECODE, _COMPLEMENT = _tables()
MEMBERS = np.array([[mask >> k & 1 for k in range(4)] for mask in range(16)], dtype=np.float64)
"""Which of A, C, G, T a code holds, (16, 4)."""
SHARES = MEMBERS / np.maximum(MEMBERS.sum(axis=1, keepdims=True), 1)
"""The same, with each code divided evenly among its bases; the code 0 holds nothing."""
COMPLEMENTS = np.frombuffer(_COMPLEMENT[:16], dtype=np.uint8)
"""The complement of each code."""
BASE_OF_MASK = np.full(16, 255, dtype=np.uint8)
"""0 to 3 for A, C, G, T; 255 for any other code."""
BASE_OF_MASK[[1, 2, 4, 8]] = [0, 1, 2, 3]


def encode_masks(sequence: bytes | str, *, record: str | None = None) -> Masks:
    """Turn DNA letters of either case into bit masks.

    Parameters
    ----------
    sequence
        Letters; U counts as T. Gap signs are refused: an aligner reads unaligned sequences.
    record
        Name of the record, for the error message.

    Returns
    -------
    numpy.ndarray
        uint8, shape (bases,), 1 to 15. Read-only.

    Raises
    ------
    InputError
        A character is a gap sign or not a DNA letter.
    """
    data = sequence.encode("utf-8") if isinstance(sequence, str) else bytes(sequence)
    masks = np.frombuffer(data.translate(_ENCODE), dtype=np.uint8)
    if masks.size and not masks.all():
        if b"-" in data or b"." in data:
            raise InputError(
                "holds gap signs, an unaligned sequence is needed", record=record, hint="remove '-' and '.' from it"
            )
        raise InputError(describe_foreign(data) or "is not DNA", record=record)
    return masks


def decode_masks(masks: Masks) -> str:
    """Turn bit masks into upper-case letters."""
    return np.ascontiguousarray(masks, dtype=np.uint8).tobytes().translate(_DECODE).decode("ascii")


def complement_masks(masks: Masks) -> Masks:
    """Return the reverse complement."""
    data = np.ascontiguousarray(masks, dtype=np.uint8).tobytes()
    return np.frombuffer(data.translate(_COMPLEMENT)[::-1], dtype=np.uint8)


def sure_bases(masks: Masks) -> int:
    """Return how many letters stand for a single base."""
    return int(np.count_nonzero(masks & (masks - 1) == 0))


def composition(*sequences: Masks) -> npt.NDArray[np.float64]:
    """Return the counts of A, C, G, T over all sequences; an ambiguous base counts in equal parts."""
    counts = np.zeros(16)
    for masks in sequences:
        counts += np.bincount(masks, minlength=16)
    shared: npt.NDArray[np.float64] = counts @ SHARES
    return shared
