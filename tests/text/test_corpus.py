import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genolstm.errors import InputError, SettingError
from genolstm.text import corpus
from genolstm.text.corpus import (
    check_learnable,
    decode,
    detect_format,
    dna_corpus,
    encode,
    read_corpus,
    read_stream,
    read_text,
    record_stream,
    split,
    text_corpus,
)


@given(st.text(min_size=1, max_size=80))
def test_text_comes_back_as_it_went_in(text):
    corpus = text_corpus([("x", text)])
    assert corpus.text() == text
    assert corpus.n_symbols == len(text)
    assert sorted(set(text)) == list(corpus.alphabet)


def test_unknown_symbols_are_named_or_dropped():
    with pytest.raises(InputError, match=r"never saw '\?' 'é'.*--skip-unknown"):
        encode("a?bé", "ab")
    assert decode(encode("a?bé", "ab", skip_unknown=True), "ab") == "ab"


def test_only_some_of_many_unknown_symbols_are_named():
    with pytest.raises(InputError, match=r"and 16 more"):
        encode("abcdefghijklmnopqrstuvwxyz", "")


def test_more_symbols_than_a_byte_holds():
    text = "".join(chr(0x4E00 + i) for i in range(400))
    corpus = text_corpus([("x", text)])
    assert corpus.records[0].codes.dtype == np.uint16
    assert corpus.text() == text


@given(st.lists(st.integers(0, 4), max_size=40))
def test_runs_of_unknown_bases_become_one_boundary(codes):
    codes = np.array(codes, np.uint8)
    stream, places = record_stream(codes, 4)
    assert stream[0] == 4
    assert not ((stream[1:] == 4) & (stream[:-1] == 4)).any()
    assert stream[places].tolist() == codes[codes < 4].tolist()


@pytest.mark.parametrize(
    ("content", "offset", "line"), [(b"ab\ncd\xff\xfe", 5, 2), (b"\xc3", 0, 1), (b"\xef\xbb\xbfab\x80", 5, 1)]
)
def test_invalid_utf8_names_its_offset(tmp_path, content, offset, line):
    path = tmp_path / "x.txt"
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"x\.txt:{line}: is not UTF-8: .* at offset {offset}\b"):
        read_text(path)


def test_a_byte_order_mark_is_no_symbol(tmp_path):
    path = tmp_path / "x.txt"
    path.write_bytes(b"\xef\xbb\xbfab\r\n")
    assert read_text(path) == "ab\r\n"


def test_an_empty_file_is_refused(tmp_path):
    path = tmp_path / "x.txt"
    path.write_bytes(b"")
    with pytest.raises(InputError, match="is empty"):
        read_text(path)


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("a.txt", "text"),
        ("a.fa", "fasta"),
        ("a.FASTA.gz", "fasta"),
        ("a.fna.zst", "fasta"),
        ("a.gz", "text"),
        ("-", "text"),
        ("fa", "text"),
    ],
)
def test_the_name_tells_the_format(name, form):
    assert detect_format(name) == form
    assert detect_format(name, "fasta") == "fasta"


def test_fasta_is_read_compressed_and_text_is_not_mixed_in(tmp_path):
    fasta, text = tmp_path / "a.fa.gz", tmp_path / "a.txt"
    fasta.write_bytes(gzip.compress(b">x\nACGTN\n>y\nTT\n"))
    text.write_text("hello")
    corpus = read_corpus([fasta])
    assert [r.name for r in corpus.records] == ["x", "y"]
    assert corpus.stream().tolist() == [4, 0, 1, 2, 3, 4, 4, 3, 3]
    assert corpus.n_symbols == 6
    with pytest.raises(SettingError, match="cannot be read together"):
        read_corpus([fasta, text])


@pytest.mark.parametrize("text", ["aaaaaaa", "\n"])
def test_a_single_symbol_leaves_nothing_to_learn(text):
    with pytest.raises(InputError, match="nothing to learn"):
        check_learnable(text_corpus([("x", text)]))


def test_a_single_base_leaves_nothing_to_learn():
    with pytest.raises(InputError, match="x: holds nothing but 'C'"):
        check_learnable(dna_corpus([("x", np.array([1, 1, 4, 1], np.uint8))]))
    with pytest.raises(InputError, match="no known base"):
        check_learnable(dna_corpus([("x", np.array([4, 4], np.uint8))]))


@given(st.text("abc", min_size=4, max_size=60), st.floats(0.05, 0.9))
def test_the_end_of_a_text_is_held_out(text, fraction):
    corpus = text_corpus([("x", text[:2]), ("y", text[2:])])
    try:
        training, held = split(corpus, fraction, 1)
    except SettingError:
        assert fraction * len(text) > len(text) - 1
        return
    assert training.text() + held.text() == text
    assert abs(held.n_symbols - fraction * len(text)) <= 1


def test_whole_records_of_fasta_are_held_out():
    corpus = dna_corpus([(f"r{i}", np.full(10, i % 4, np.uint8)) for i in range(10)])
    training, held = split(corpus, 0.25, 3)
    names = [{r.name for r in side.records} for side in (training, held)]
    assert not names[0] & names[1]
    assert len(names[1]) == 3
    assert names[1] != {r.name for r in split(corpus, 0.25, 4)[1].records}


def test_a_split_that_leaves_a_side_empty_is_refused():
    unknown = np.array([4, 4, 4, 4, 4, 4, 4, 4, 4, 4], np.uint8)
    corpus = dna_corpus([("x", np.concatenate([np.array([0, 1, 2], np.uint8), unknown]))])
    with pytest.raises(SettingError, match="no held-out symbols"):
        split(corpus, 0.3, 1)


def test_a_file_s_name_stays_in_its_column(tmp_path):
    path = tmp_path / "a\tb\x1b[31m\n.txt"
    path.write_text("abc")
    wanted = f"{tmp_path}/a\\tb\\x1b[31m\\n.txt"
    assert [r.name for r in read_corpus([path], "text").records] == [wanted]
    assert [r.name for r in read_stream([path], "text", alphabet="abc")] == [wanted]


def test_a_text_that_does_not_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(corpus, "_LONGEST_TEXT", 1 << 20)
    path = tmp_path / "x.txt.gz"
    path.write_bytes(gzip.compress(b"a" * (1 << 20)))
    assert len(read_text(path)) == 1 << 20
    path.write_bytes(gzip.compress(b"a" * ((1 << 20) + 1)))
    with pytest.raises(InputError, match="holds more than 1 MiB of text"):
        read_text(path)
