"""FASTA and FASTQ: whatever the layout, the same records; every error with its line."""

from __future__ import annotations

import bz2
import gzip
import os
import random
import time
import tracemalloc
from pathlib import Path

import pytest
from Bio import bgzf
from Bio.SeqIO.FastaIO import SimpleFastaParser
from Bio.SeqIO.QualityIO import FastqGeneralIterator
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genolstm.errors import InputError
from genolstm.sequences import fasta
from genolstm.sequences.alphabet import decode, encode
from genolstm.sequences.fasta import HaplotypeName, IndexedFasta, parse_haplotype_name, read_codes, read_records

same_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
sequences = st.lists(st.text("ACGTNacgtnRYkm-", min_size=1, max_size=90), min_size=1, max_size=5)


@same_folder
@given(
    sequences=sequences,
    width=st.integers(1, 40),
    newline=st.sampled_from(["\n", "\r\n"]),
    block=st.sampled_from([1, 2, 3, 5, 17, 64, 1 << 20]),
    blank=st.booleans(),
    tail=st.sampled_from(["", "\n", "\n\n"]),
)
def test_records_do_not_depend_on_the_layout(
    tmp_path: Path, sequences: list[str], width: int, newline: str, block: int, blank: bool, tail: str
) -> None:
    text, expected = newline * blank, []
    for number, sequence in enumerate(sequences):
        line = 1 + text.count("\n")
        lines = [sequence[i : i + width] for i in range(0, len(sequence), width)]
        text += f">r{number} some words{newline}" + newline.join(lines) + newline * (1 + blank)
        expected.append((f"r{number}", "some words", sequence.encode(), line))
    path = tmp_path / "x.fa"
    path.write_bytes((text.rstrip("\r\n") + tail).encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fasta, "_BLOCK", block)
        found = [(r.name, r.description, r.sequence, r.line) for r in read_records(path)]
        coded = list(read_codes(path))
    assert found == expected
    assert [codes.tolist() for _, codes in coded] == [encode(s).tolist() for s in sequences]
    with path.open() as stream:
        assert [s for _, s in SimpleFastaParser(stream)] == [s.decode() for _, _, s, _ in found]


@same_folder
@given(sequences=sequences, newline=st.sampled_from(["\n", "\r\n"]), block=st.sampled_from([1, 7, 64, 1 << 20]))
def test_fastq_agrees_with_biopython(tmp_path: Path, sequences: list[str], newline: str, block: int) -> None:
    # Qualities may begin with '@' or '+'.
    text = "".join(newline.join((f"@r{i} x", s, "+", "@+"[i % 2] * len(s), "")) for i, s in enumerate(sequences))
    path = tmp_path / "x.fq"
    path.write_bytes(text.encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fasta, "_BLOCK", block)
        found = [(r.name, r.sequence.decode(), r.line) for r in read_records(path)]
        assert all(r.is_read for r in read_records(path))
    with path.open() as stream:
        theirs = [(t.split()[0], s) for t, s, _ in FastqGeneralIterator(stream)]
    assert [(name, s) for name, s, _ in found] == theirs
    assert [line for _, _, line in found] == [1 + 4 * i for i in range(len(sequences))]


@pytest.mark.parametrize("suffix", ["", ".gz", ".bz2", ".zst", ".xz"])
def test_any_compression_is_told_by_content(tmp_path: Path, suffix: str) -> None:
    from xopen import xopen

    packed = tmp_path / f"x.fa{suffix}"
    with xopen(packed, "wb", threads=0) as stream:
        stream.write(b">a\nACGT\nAC\n>b\nGG\n")
    plain_name = packed.rename(tmp_path / "without_suffix")
    assert [(r.name, r.sequence) for r in read_records(plain_name)] == [("a", b"ACGTAC"), ("b", b"GG")]


BAD = {
    "empty": (b"", "x.fa: is empty, a FASTA or FASTQ file is needed"),
    "blank": (b"\n \n", "x.fa: is empty, a FASTA or FASTQ file is needed"),
    "no header": (
        b"\nACGT\n",
        "x.fa:2: no FASTA or FASTQ header: the first character is 'A'; a header begins with '>' or '@'",
    ),
    "protein": (b">a\nACGT\n>p x\nMKV\nLEF\n", "x.fa:5: p: looks like protein, not DNA (it holds 'L')"),
    "binary": (b"\x89PNG\r\n\x1a\n\x00", "x.fa: looks like binary data, not FASTA or FASTQ"),
    "binary body": (b">a\nAC\n\x00\x01\n", "x.fa:3: a: looks like binary data, not DNA"),
    "letter": (b">a\nACGT\nAC?T\n", "x.fa:3: a: '?' is not a DNA letter"),
    "duplicate": (b">a\nAC\n>b\nAC\n>a z\nGG\n", "x.fa:5: a: the name occurs twice (first on line 1)"),
    "zero length": (b">a\nAC\n>b\n\n>c\nGG\n", "x.fa:3: b: the record has no bases"),
    "zero length at the end": (b">a\nAC\n>b", "x.fa:3: b: the record has no bases"),
    "no name": (b">\nAC\n", "x.fa:1: the header has no name"),
    "not text": (b">\xff\xfe\nAC\n", "x.fa:1: the header is not text (UTF-8)"),
    "fastq lengths": (b"@a\nACGT\n+\nIIII\n@b\nACGT\n+\nIII\n", "x.fa:8: b: 4 bases but 3 qualities"),
    "fastq truncated": (b"@a\nACGT\n+\nIIII\n@b\nAC", "x.fa:5: the last FASTQ record is incomplete (truncated?)"),
    "fastq header": (
        b"@a\nACGT\n+\nIIII\nb\nAC\n+\nII\n",
        "x.fa:5: a FASTQ header begins with '@'; records of more than four lines are not supported",
    ),
    "fastq plus": (b"@a\nACGT\nACGT\n+\n", "x.fa:3: a: the third line of a FASTQ record begins with '+'"),
    "fastq protein": (b"@a\nMELF\n+\nIIII\n", "x.fa:2: a: looks like protein, not DNA (it holds 'E')"),
}


@pytest.mark.parametrize("block", [3, 1 << 20])
@pytest.mark.parametrize("case", BAD)
def test_errors_say_where_and_what(tmp_path: Path, case: str, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fasta, "_BLOCK", block)
    data, message = BAD[case]
    path = tmp_path / "x.fa"
    path.write_bytes(data)
    for read in (read_records, read_codes):
        with pytest.raises(InputError) as caught:
            list(read(path))
        text = str(caught.value).replace(f"{tmp_path}/", "")
        # Whether binary or a missing header is seen depends on how much was read.
        if case != "binary" or block > 3:
            assert text == message
        assert "\n" not in text


def test_truncated_gzip_is_refused(tmp_path: Path) -> None:
    rng = random.Random(1)
    text = ">a\n" + "".join(rng.choices("ACGT", k=50_000)) + "\n"
    whole = gzip.compress(text.encode())
    path = tmp_path / "x.fa.gz"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="truncated") as caught:
        list(read_records(path))
    assert caught.value.path == str(path)
    path.write_bytes(bz2.compress(text.encode())[:5000])
    with pytest.raises(InputError):
        list(read_records(path))


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        list(read_records(tmp_path / "none.fa"))
    with pytest.raises(InputError, match="is a folder"):
        list(read_records(tmp_path))


def test_records_without_bases_may_be_skipped_or_kept(tmp_path: Path) -> None:
    path = tmp_path / "x.fa"
    path.write_text(">a\n>b\nAC\n>c\n")
    assert [r.name for r in read_records(path, empty="skip")] == ["b"]
    assert [(r.name, r.sequence) for r in read_records(path, empty="keep")] == [("a", b""), ("b", b"AC"), ("c", b"")]


def test_paired_reads_may_share_a_name(tmp_path: Path) -> None:
    path = tmp_path / "x.fq"
    path.write_text("@a\nAC\n+\nII\n@a\nGG\n+\nII\n")
    assert len(list(read_records(path))) == 2
    with pytest.raises(InputError, match="occurs twice"):
        list(read_records(path, unique=True))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("HG002#1#chr20", HaplotypeName("HG002", "1", "chr20")),
        ("HG002#2", HaplotypeName("HG002", "2", None)),
        ("HG002#1#JAH#0", HaplotypeName("HG002", "1", "JAH#0")),
        ("tsk_3_hap1", HaplotypeName("tsk_3", "1", None)),
        ("NA12878_hap2_chr1", HaplotypeName("NA12878", "2", "chr1")),
        ("NA12878.hap2:chr1", HaplotypeName("NA12878", "2", "chr1")),
        ("chr1", None),
        ("NC_000001.11", None),
        ("##", None),
    ],
)
def test_haplotype_names(name: str, expected: HaplotypeName | None) -> None:
    assert parse_haplotype_name(name) == expected


@pytest.mark.parametrize("packed", [False, True])
def test_indexed_access(tmp_path: Path, packed: bool) -> None:
    rng = random.Random(2)
    texts = {f"s{i}": "".join(rng.choices("ACGTNacgt", k=n)) for i, n in enumerate((7, 60, 301))}
    path = tmp_path / ("x.fa.gz" if packed else "x.fa")
    with bgzf.BgzfWriter(str(path)) if packed else path.open("wb") as stream:
        for name, text in texts.items():
            lines = [text[i : i + 60] for i in range(0, len(text), 60)]
            stream.write((f">{name} words\n" + "\n".join(lines) + "\n").encode())
    with IndexedFasta(path) as indexed:
        assert indexed.names == list(texts)
        for name, text in texts.items():
            assert indexed.length(name) == len(text)
            assert indexed.fetch(name) == text.encode()
            for _ in range(20):
                start = rng.randint(0, len(text))
                end = rng.randint(start, len(text))
                assert indexed.fetch(name, start, end) == text[start:end].encode()
        for start, end in ((-1, 3), (0, 8), (5, 4)):
            with pytest.raises(InputError, match="does not lie within its 7 bases"):
                indexed.fetch("s0", start, end)
        with pytest.raises(InputError, match="no such sequence; it has s0, s1, s2"):
            indexed.fetch("s9", 0, 1)


def test_indexing_refuses_what_it_cannot_read(tmp_path: Path) -> None:
    plain_gzip = tmp_path / "x.fa.gz"
    plain_gzip.write_bytes(gzip.compress(b">a\nACGT\n"))
    ragged = tmp_path / "ragged.fa"
    ragged.write_text(">a\nAC\nACGT\nA\n")
    empty = tmp_path / "empty.fa"
    empty.write_text("")
    for path in (plain_gzip, ragged, empty, tmp_path / "none.fa"):
        with pytest.raises(InputError) as caught:
            IndexedFasta(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("size", [1, 2, 7, 20, 1000])
def test_blocks_make_up_the_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    path = tmp_path / "x.fa"
    path.write_bytes(b">a first\nACGTN\nAC\n>b\r\nGG\r\n\r\nT T\r\n>c\nACGTACGTACGT\n\n")
    monkeypatch.setattr(fasta, "_BLOCK", size)
    found: list[tuple[str, bytes]] = []
    for block, codes in fasta.read_code_blocks(path):
        assert decode(codes).encode() == block.sequence
        if block.first:
            found.append((block.name, b""))
        assert block.name == found[-1][0]
        found[-1] = (block.name, found[-1][1] + block.sequence)
        assert block.last == (found[-1] in [("a", b"ACGTNAC"), ("b", b"GGTT"), ("c", b"ACGTACGTACGT")])
    assert found == [("a", b"ACGTNAC"), ("b", b"GGTT"), ("c", b"ACGTACGTACGT")]
    assert [(r.name, r.description, r.sequence, r.line) for r in fasta.read_records(path)] == [
        ("a", "first", b"ACGTNAC", 1),
        ("b", "", b"GGTT", 4),
        ("c", "", b"ACGTACGTACGT", 8),
    ]


@pytest.mark.parametrize("letter", ["\x00", "\x1b", "\x1f", "\x7f", "\x85"])
@pytest.mark.parametrize("header", [">", "@"])
def test_names_hold_no_control_characters(tmp_path: Path, header: str, letter: str) -> None:
    """Python splits text at \\x1f and \\x85 too: the name would have ended there."""
    path = tmp_path / "x.fa"
    body = "\nAC\n" if header == ">" else "\nAC\n+\nII\n"
    path.write_text(f"{header}a{body}{header}b{letter}c d{body}")
    with pytest.raises(InputError, match=r"the name holds the control character .x"):
        list(read_records(path))
    path.write_text(f"{header}a d{letter}e{body}")
    assert [r.name for r in read_records(path)] == ["a"]


def test_long_lines_take_a_time_that_grows_with_them(tmp_path: Path) -> None:
    path = tmp_path / "x.fa"
    size = 5_000_000
    contents = {
        "name": b">" + b"n" * size + b"\nAC\n",
        "signs": b">" * size + b"\nAC\n",
        "description": b">a " + b"b " * (size // 2) + b"\nAC\n",
        "empty": b"\n" * 1_000_000 + b">a\nAC" + b"\n" * 1_000_000,
        "read": b"@a\n" + b"A" * size + b"\n+\n" + b"I" * size + b"\n",
    }
    for name, content in contents.items():
        path.write_bytes(content)
        started = time.process_time()
        (record,) = read_records(path)
        assert parse_haplotype_name(record.name) is None
        assert time.process_time() - started < 2, name
        assert len(record) == (size if name == "read" else 2)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b">aa", "header is longer"),
        (b"@aa", "header is longer"),
        (b"@a\nC", "a line of a FASTQ file"),
        (b"\n \n", "is empty"),
    ],
)
def test_a_small_file_that_unpacks_to_much_ends_early(
    tmp_path: Path, content: bytes, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 64 MiB of one letter no more than a few blocks are held."""
    monkeypatch.setattr(fasta, "_BLOCK", 1 << 16)
    monkeypatch.setattr(fasta, "_LONGEST_HEADER", 1 << 20)
    monkeypatch.setattr(fasta, "_LONGEST_READ", 1 << 21)
    path = tmp_path / "x.fa.gz"
    with gzip.open(path, "wb", compresslevel=1) as stream:
        stream.write(content)
        for _ in range(64):
            stream.write(content[-1:] * (1 << 20))
    assert path.stat().st_size < 1 << 20
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=said):
            list(read_records(path))
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "index",
    [
        "a\t99999999999999999999\t3\t4\t5\n",
        "a\t-4\t3\t4\t5\n",
        "a\t4\t-3\t4\t5\n",
        "a\t400\t3\t4\t5\n",
        "a\t4\t30000\t4\t5\n",
        "a\t4\t3\tx\t5\n",
        "a\t1" + "0" * 400 + "\t3\t4\t5\n",
        "a\t4\n",
        "\x00\xff",
    ],
)
def test_an_index_that_does_not_fit(tmp_path: Path, index: str) -> None:
    path = tmp_path / "x.fa"
    path.write_text(">a\nACGT\n")
    path.with_name("x.fa.fai").write_bytes(index.encode("latin-1"))
    os.utime(path, (1, 1))
    with pytest.raises(InputError) as caught, IndexedFasta(path) as indexed:
        indexed.fetch("a")
    assert caught.value.path == str(path)


@pytest.mark.parametrize("name", ["a\x1bb.fa", "a\tb.hap1.fa", "caf\udce9.fa"])
def test_files_that_samples_are_named_after(tmp_path: Path, name: str) -> None:
    for parse in (fasta.file_stem, fasta.parse_file_name):
        with pytest.raises(InputError, match="rename it") as caught:
            parse(tmp_path / name)
        assert str(caught.value).isprintable()
