"""DNA letters to codes and back.

A, C, G, T (and U) become 0 to 3 in either case. Every other IUPAC letter, and the gap signs ``-``
and ``.``, become 4, an unknown base. No k-mer covers such a base, so an uncertain or missing one
is never taken for a match.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from genolstm.errors import InputError

Codes = npt.NDArray[np.uint8]

UNKNOWN = 4
"""The code of every base that is not A, C, G or T."""

BASES = b"ACGTN"
AMBIGUOUS = b"NRYSWKMBDHV"
GAPS = b"-."
LETTERS = b"ACGTU" + AMBIGUOUS + b"acgtu" + AMBIGUOUS.lower() + GAPS
"""Every byte that may stand in a DNA sequence."""

_INVALID = 255
_PROTEIN_ONLY = b"EFILPQZXJOefilpqzxjo*"
# Bytes that a text file may hold; any other marks binary content.
_TEXT = bytes(range(32, 127)) + b"\t\r\n\v\f"


def _encoding_table() -> bytes:
    table = bytearray([_INVALID] * 256)
    for letter in LETTERS:
        table[letter] = UNKNOWN
    for code, letters in enumerate((b"Aa", b"Cc", b"Gg", b"TtUu")):
        for letter in letters:
            table[letter] = code
    return bytes(table)


_ENCODE = _encoding_table()
_DECODE = BASES + b"N" * (256 - len(BASES))
_COMPLEMENT_CODES = bytes([3, 2, 1, 0]) + bytes(range(4, 256))
_COMPLEMENT_TEXT = bytes.maketrans(b"ACGTURYSWKMBDHVNacgturyswkmbdhvn", b"TGCAAYRSWMKVHDBNtgcaayrswmkvhdbn")


def is_binary(data: bytes) -> bool:
    """Return whether ``data`` holds bytes that no text file holds."""
    return bool(data.translate(None, _TEXT))


def describe_foreign(data: bytes) -> str | None:
    """Say what is wrong with ``data`` as DNA, or return None if every byte is a DNA letter."""
    foreign = data.translate(None, LETTERS)
    if not foreign:
        return None
    if is_binary(foreign):
        return "looks like binary data, not DNA"
    letter = chr(foreign[0])
    if not foreign.translate(None, _PROTEIN_ONLY):
        return f"looks like protein, not DNA (it holds {letter!r})"
    return f"{letter!r} is not a DNA letter"


def encode(sequence: bytes | str) -> Codes:
    """Turn DNA letters into codes.

    Parameters
    ----------
    sequence
        Bases without line ends.

    Returns
    -------
    numpy.ndarray
        uint8, shape (bases,): A, C, G, T as 0 to 3, anything uncertain as 4. Read-only.

    Raises
    ------
    InputError
        A character is not a DNA letter.
    """
    data = sequence.encode("utf-8") if isinstance(sequence, str) else sequence
    codes = np.frombuffer(data.translate(_ENCODE), dtype=np.uint8)
    if codes.size and codes.max() == _INVALID:
        raise InputError(str(describe_foreign(data)))
    return codes


def decode(codes: Codes) -> str:
    """Turn codes into upper-case letters; every code above 3 becomes ``N``."""
    return np.ascontiguousarray(codes, dtype=np.uint8).tobytes().translate(_DECODE).decode("ascii")


def reverse_complement(codes: Codes) -> Codes:
    """Return the other strand of coded DNA; unknown bases stay unknown."""
    data = np.ascontiguousarray(codes, dtype=np.uint8).tobytes()
    return np.frombuffer(data.translate(_COMPLEMENT_CODES)[::-1], dtype=np.uint8)


def reverse_complement_text(sequence: str) -> str:
    """Return the other strand of DNA text, keeping case and IUPAC ambiguity (``R`` to ``Y``)."""
    return sequence.encode("ascii").translate(_COMPLEMENT_TEXT)[::-1].decode("ascii")
