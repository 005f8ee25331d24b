"""K-mers, their counts, one-hot windows: against the plainest Python."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genolstm.errors import SettingError
from genolstm.sequences.alphabet import encode, reverse_complement_text
from genolstm.sequences.kmers import (
    count_kmers,
    count_table,
    decode_kmer,
    kmers,
    one_hot,
    reverse_complement_kmers,
    valid_kmers,
    windows,
)

dna = st.text("ACGTN", max_size=120)
lengths = st.integers(1, 31)


def words(text: str, k: int) -> list[str]:
    return [text[i : i + k] for i in range(len(text) - k + 1)]


def canonical(word: str) -> str:
    return min(word, reverse_complement_text(word))


@settings(deadline=None)
@given(dna, lengths, st.booleans())
def test_kmers_agree_with_slices(text: str, k: int, both: bool) -> None:
    found, valid = kmers(encode(text), k, canonical=both)
    expected = words(text, k)
    assert valid.tolist() == ["N" not in word for word in expected]
    assert np.array_equal(valid, valid_kmers(encode(text), k))
    for number, known, word in zip(found.tolist(), valid.tolist(), expected, strict=True):
        if known:
            assert decode_kmer(number, k) == (canonical(word) if both else word)
        else:
            assert number == 0


@given(dna, lengths)
def test_canonical_kmers_are_the_same_on_both_strands(text: str, k: int) -> None:
    forward, valid = kmers(encode(text), k)
    backward, valid_backward = kmers(encode(reverse_complement_text(text)), k)
    assert np.array_equal(forward, backward[::-1])
    assert np.array_equal(valid, valid_backward[::-1])


@given(st.text("ACGT", min_size=1, max_size=31))
def test_single_kmers(word: str) -> None:
    (number,), _ = kmers(encode(word), len(word), canonical=False)
    assert decode_kmer(number, len(word)) == word
    other = reverse_complement_kmers(np.array([number], dtype=np.uint64), len(word))
    assert decode_kmer(int(other[0]), len(word)) == reverse_complement_text(word)


@given(dna, st.integers(1, 14), st.booleans())
def test_counts(text: str, k: int, both: bool) -> None:
    expected = Counter(canonical(word) if both else word for word in words(text, k) if "N" not in word)
    found = count_kmers(encode(text), k, canonical=both)
    pairs = zip(found.kmers.tolist(), found.counts.tolist(), strict=True)
    assert {decode_kmer(word, k): count for word, count in pairs} == expected
    assert found.kmers.tolist() == sorted(found.kmers.tolist())
    if k <= 4:
        table = count_table(encode(text), k, canonical=both)
        assert {decode_kmer(i, k): n for i, n in enumerate(table.tolist()) if n} == expected


@given(dna)
def test_one_hot(text: str) -> None:
    hot = one_hot(encode(text))
    assert hot.shape == (len(text), 4)
    expected = [[float(c == base) for base in "ACGT"] for c in text]
    assert hot.tolist() == expected


@given(dna, st.integers(1, 20), st.integers(1, 20))
def test_windows(text: str, size: int, step: int) -> None:
    codes = encode(text)
    cut = windows(codes, size, step)
    expected = [codes[i : i + size].tolist() for i in range(0, len(text) - size + 1, step)]
    assert cut.tolist() == expected
    assert windows(codes, size).tolist() == windows(codes, size, size).tolist()


def test_senseless_settings() -> None:
    codes = encode("ACGT")
    for k in (0, 32):
        with pytest.raises(SettingError, match="between 1 and 31"):
            kmers(codes, k)
        with pytest.raises(SettingError, match="between 1 and 31"):
            valid_kmers(codes, k)
    with pytest.raises(SettingError, match="for a table"):
        count_table(codes, 13)
    with pytest.raises(SettingError, match="at least 1"):
        windows(codes, 0)


def test_compiled_loops_work_where_nothing_can_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    from numba import types
    from numba.core import caching

    from genolstm.compiled import compiled

    monkeypatch.setattr(caching.CompileResultCacheImpl, "_locator_classes", [])
    add = compiled(types.int64(types.int64))(lambda x: x + 1)
    assert add(41) == 42
