"""DNA letters and codes."""

from __future__ import annotations

import numpy as np
import pytest
from Bio.Seq import Seq
from hypothesis import given
from hypothesis import strategies as st

from genolstm.errors import InputError
from genolstm.sequences.alphabet import decode, describe_foreign, encode, reverse_complement, reverse_complement_text

IUPAC = "ACGTRYSWKMBDHVN"


@given(st.text(alphabet="ACGTN", max_size=200))
def test_encode_then_decode_gives_the_text_back(text: str) -> None:
    assert decode(encode(text)) == text


@given(st.text(alphabet=IUPAC + IUPAC.lower() + "uU-.", max_size=200))
def test_codes_say_which_base_is_known(text: str) -> None:
    expected = ["ACGT".index(c) if c in "ACGT" else 4 for c in text.upper().replace("U", "T")]
    assert encode(text).tolist() == expected
    assert encode(text.encode()).dtype == np.uint8


@given(st.text(alphabet=IUPAC + IUPAC.lower(), max_size=200))
def test_reverse_complement_agrees_with_biopython(text: str) -> None:
    assert reverse_complement_text(text) == str(Seq(text).reverse_complement())
    assert reverse_complement_text(reverse_complement_text(text)) == text
    assert np.array_equal(reverse_complement(encode(text)), encode(reverse_complement_text(text)))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"MKELVF", "looks like protein, not DNA"),
        (b"ACGT\x00\xff", "looks like binary data, not DNA"),
        (b"ACGT?", "'?' is not a DNA letter"),
        ("ACGTé".encode(), "looks like binary data"),
        (b"AC GT", "' ' is not a DNA letter"),
    ],
)
def test_foreign_letters_are_refused(data: bytes, reason: str) -> None:
    with pytest.raises(InputError, match="not") as caught:
        encode(data)
    assert reason in str(caught.value)
    assert describe_foreign(data) == str(caught.value)
