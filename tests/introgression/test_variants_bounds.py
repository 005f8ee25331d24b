"""What files of genotypes may claim: nothing crashes, wraps, or takes long, and each refusal says where and why."""

from __future__ import annotations

import gzip
import io
import struct
import time
from pathlib import Path

import numpy as np
import pytest
from support.fuzz import CORPUS
from support.introgression import vcf_text
from support.vcz import arrays_of, write_plainly

from genolstm.bgzf import BgzfWriter
from genolstm.errors import InputError
from genolstm.introgression.doors.vcf import VcfDoor
from genolstm.introgression.tracks import TrackSettings
from genolstm.introgression.variants.bgzf import Index
from genolstm.introgression.variants.block import CallSettings, Stretch
from genolstm.introgression.variants.chunks import Store
from genolstm.introgression.variants.frequencies import FrequencySource
from genolstm.introgression.variants.header import parse_header
from genolstm.introgression.variants.join import VariantReader
from genolstm.introgression.variants.people import chosen_samples
from genolstm.introgression.variants.sources import open_source
from genolstm.introgression.variants.vcf import VcfSource
from genolstm.numbers import LAST_POSITION

NAMES = ["a", "b", "c"]
ANY = CallSettings(filters=(), allow_unphased=True)


def bgzf(data: bytes) -> bytes:
    raw = io.BytesIO()
    with BgzfWriter(raw) as packed:
        packed.write(data)
    return raw.getvalue()


def record(position: int, ref: str = "A", alt: str = "G", calls: str = "0|1 1|0 0|0", chrom: str = "1"):
    return chrom, position, ref, alt, calls.split()


def write(folder: Path, records, name: str = "x.vcf", **changes) -> Path:
    path = folder / name
    path.write_text(vcf_text(NAMES, records, **changes))
    return path


def read(path: Path) -> list[int]:
    source = open_source(path)
    return [p for part in source.read(source.samples, ANY) for p in part.positions.tolist()]


def refused(path: Path, reader=read) -> str:
    with pytest.raises(InputError) as error:
        reader(path)
    return str(error.value).replace(str(path), "")


def frequencies(path: Path) -> None:
    source = FrequencySource(path, "AF")
    list(source.read(source.samples, ANY))


READABLE = "make it again with: bcftools index"
COPY = "copy or download the store again"


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("vcf/unfinished_genotype", ":4: chr1:700: the genotype of A1 cannot be read"),
        (
            "vcf/allele_beyond_16_bits",
            ":6: chr1:800: a genotype of T1 names allele 65537, but the record has 2 alleles",
        ),
        ("vcf/allele_that_wraps", ":6: chr1:800: a genotype of T1 names allele 59000, but the record has 2 alleles"),
        ("vcf/latin1_chromosome", ":6: the name of the chromosome is not UTF-8"),
        ("vcf/latin1_sample", ":4: the names of the samples are not UTF-8"),
        ("vcf/end_beyond_32_bits", ":13: 1:20: has an END that lies before its position, or beyond 2147483647"),
        ("vcf/length_of_many_digits", f":7: states the length {'9' * 30} for 1, which is no length (1 to 2147483647)"),
        ("vcf/length_of_superscripts", ":7: states the length ² for 1, which is no length (1 to 2147483647)"),
        ("vcf/position_beyond_32_bits", ":22: 2:4294967297: lies beyond 2147483647, the last position that is read"),
        ("vcf/record_after_a_return", ":22: the name of a chromosome has the control character \\r: ' 2'"),
        ("bcf/case_of_a_crash", ": chr2:1400: is not a whole BCF record; the file is damaged"),
        ("bcf/genotype_without_a_name", ": 1:5: the record has no GT"),
        ("bcf/idx_of_gigabytes", ":2: q10 has the IDX '4000000000', which is no number of a name"),
        ("bcf/two_chromosomes_of_one_number", ":8: 2 has the IDX 0, as 1 has"),
        ("bcf/two_names_of_one_number", ":5: GQ has the IDX 0, as PASS has"),
        ("bgzf/block_of_gigabytes", ": is damaged: a BGZF block is longer than any"),
        ("bgzf/block_shorter_than_its_header", ": is damaged: a BGZF block is shorter than its header"),
        ("bgzf/extra_field_beyond_the_block", ": is damaged: a BGZF block is shorter than its header"),
        ("frequencies/latin1_chromosome", ":10: the name of a chromosome is not UTF-8"),
        ("frequencies/more_than_all", ":7: 1:10: has AF of more than 1 in all at one position"),
        ("frequencies/underscores", ":5: has a POS that is no position"),
    ],
)
def test_what_was_found_is_refused_with_its_place(tmp_path: Path, case: str, message: str) -> None:
    kind = case.partition("/")[0]
    content = (CORPUS / case).read_bytes()
    path = tmp_path / ("x.bcf" if kind == "bcf" else "x.vcf")
    path.write_bytes(bgzf(content) if kind == "bcf" else content)
    assert refused(path, frequencies if kind == "frequencies" else read) == message


@pytest.mark.parametrize("case", ["vcf/idx_of_superscripts", "frequencies/number_of_many_digits"])
def test_what_does_not_matter_is_passed_over(tmp_path: Path, case: str) -> None:
    path = tmp_path / "x.vcf"
    path.write_bytes((CORPUS / case).read_bytes())
    (frequencies if case.startswith("freq") else read)(path)


@pytest.mark.parametrize(
    ("case", "message"),
    [
        (
            "allele_with_commas",
            f"the chunk variant_allele/0.0 is damaged or cut short (its alleles cannot be read); {COPY}",
        ),
        (
            "fill_beyond_its_type",
            "the metadata of variant_contig are damaged (Python integer 3000 out of bounds for int8)",
        ),
        ("metadata_without_end", "the metadata in contig_id/.zarray are damaged; copy or download it again"),
        ("shape_in_text", "the metadata of variant_position are damaged (its sizes are no list of whole numbers)"),
        ("shape_without_end", "the metadata of variant_position are damaged (its sizes are no list of whole numbers)"),
    ],
)
def test_stores_that_claim_too_much(tmp_path: Path, case: str, message: str) -> None:
    pytest.importorskip("zarr")
    path = tmp_path / "x.zip"
    path.write_bytes((CORPUS / "zarr" / case).read_bytes())
    assert refused(path) == f": {message}"


@pytest.mark.parametrize("case", sorted(path.name for path in (CORPUS / "index").iterdir()))
def test_indexes_that_lead_nowhere(tmp_path: Path, case: str) -> None:
    content = (CORPUS / "index" / case).read_bytes()
    path = tmp_path / ("x.csi" if content[:3] == b"CSI" else "x.tbi")
    path.write_bytes(bgzf(content))
    with pytest.raises(InputError, match=f"is not a readable index; {READABLE}"):
        Index.of(str(tmp_path / "x"))


# ------------------------------------------------------------------ numbers that stand for others


def test_alleles_with_commas_are_never_more_than_the_store_says(tmp_path: Path) -> None:
    """They would fill the place on which a missing allele falls, and more."""
    pytest.importorskip("zarr")
    arrays = arrays_of(vcf_text(NAMES, [record(5), record(9, calls=".|. 0|1 0|0")]))
    arrays["variant_allele"][0][1] = ["A", "C,G,T"]
    path = tmp_path / "x.vcz"
    write_plainly(path, arrays, zarr_format=2, variants=9, samples=9)
    assert "its alleles cannot be read" in refused(path)


@pytest.mark.parametrize("dtype", ["int64", "uint64"])
def test_positions_of_a_store_do_not_wrap(tmp_path: Path, dtype: str) -> None:
    pytest.importorskip("zarr")
    arrays = arrays_of(vcf_text(NAMES, [record(5)], contigs={"1": None}))
    arrays["variant_position"] = np.array([(1 << 32) + 5], dtype=dtype), ("variants",)
    path = tmp_path / "x.vcz"
    write_plainly(path, arrays, zarr_format=2, variants=9, samples=9)
    assert refused(path) == ": 1:2147483648: lies beyond 2147483647, the last position that is read"


def test_the_last_position_is_read(tmp_path: Path) -> None:
    path = write(tmp_path, [record(LAST_POSITION)], contigs={"1": None})
    assert read(path) == [LAST_POSITION - 1]


def test_a_bcf_with_more_alleles_than_can_be_told_apart(tmp_path: Path) -> None:
    seed = (CORPUS / "bcf" / "two_names_of_one_number").read_bytes().replace(b"ID=GQ,IDX=0", b"ID=GQ")
    size = int.from_bytes(seed[5:9], "little") - 6
    seed = seed[:5] + struct.pack("<I", size) + seed[9:]
    at = 9 + size
    many = b"\x17G" * 300
    shared, calls = struct.unpack_from("<II", seed, at)
    body = bytearray(seed[at + 8 : at + 8 + shared])
    body[18:20] = struct.pack("<H", 302)
    cut = body.index(b"\x17A\x17G") + 4
    body[cut:cut] = many
    path = tmp_path / "x.bcf"
    record_ = struct.pack("<II", len(body), calls) + body + seed[at + 8 + shared : at + 8 + shared + calls]
    path.write_bytes(bgzf(seed[:at] + record_))
    assert refused(path) == ": 1:5: the site has more than 250 alternative alleles"


@pytest.mark.parametrize("name", ["a\x1b[31m", "a\x00b", "a\x9bb"])
def test_names_with_control_characters_are_refused(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, [record(5, chrom=name)])
    assert ":6: the name of a chromosome has the control character \\x" in refused(path)
    path.write_text(vcf_text([name, "b"], []))
    assert ":5: the name of a sample has the control character \\x" in refused(path)


@pytest.mark.parametrize("stretch", [Stretch("1", -1, 5), Stretch("1", 9, 5), Stretch("1", 5, 1 << 40)])
def test_stretches_that_are_none(tmp_path: Path, stretch: Stretch) -> None:
    path = write(tmp_path, [record(5)], contigs={"1": None})
    with pytest.raises(InputError, match="is no stretch of a chromosome"):
        list(VcfSource(path).read(NAMES, ANY, [stretch]))


# ------------------------------------------------------------------ time and memory


def within(seconds: float, run, *given) -> object:
    start = time.process_time()
    found = run(*given)
    assert time.process_time() - start < seconds
    return found


@pytest.mark.parametrize("piece", ["x", "=", "a=", 'a="', '\\"', ">", "> ", ",", 'a="b,', " "])
def test_a_header_line_of_700_kb_takes_no_time(piece: str) -> None:
    line = f"##INFO=<ID=x,{piece * (700_000 // len(piece))}>"
    text = f"##fileformat=VCFv4.2\n{line}\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n".encode()
    assert within(2, parse_header, text, "x").lines == 3


def test_a_hundred_thousand_declarations_take_no_time() -> None:
    lines = [f"##contig=<ID=k{i},length=9>\n##INFO=<ID=i{i}>\n" for i in range(50_000)]
    text = f"##fileformat=VCFv4.2\n{''.join(lines)}#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n".encode()
    header = within(5, parse_header, text, "x")
    assert (len(header.contigs), max(header.chromosomes), max(header.strings)) == (50_000, 49_999, 50_000)


def test_an_index_is_asked_for_the_rest_of_a_chromosome_of_unknown_length(tmp_path: Path) -> None:
    index = tmp_path / "x.tbi"
    about = struct.pack("<8i", 1, 2, 1, 2, 0, ord("#"), 0, 2) + b"1\0"
    index.write_bytes(gzip.compress(b"TBI\1" + about + struct.pack("<iIiQQiQ", 1, 4681, 1, 70, 90, 1, 70)))
    found = Index.of(str(tmp_path / "x"))
    assert found is not None
    assert within(0.5, found.offset, 0, 5, 1 << 60) == 70
    assert found.offset(0, 1 << 29, 1 << 30) is None


def test_a_record_without_end_is_not_gathered_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("genolstm.introgression.variants.vcf.MAX_RECORD", 1 << 21)
    path = write(tmp_path, [record(5)], "x.vcf")
    with path.open("ab") as stream:
        stream.write(b"A" * (5 << 20))
    assert refused(path) == ": has a record of more than 2 MiB"


def test_a_header_without_end_is_not_gathered_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("genolstm.introgression.variants.stream.MAX_HEADER", 1 << 21)
    path = tmp_path / "x.vcf"
    path.write_bytes(b"##fileformat=VCFv4.2\n##x=" + b"A" * (5 << 20))
    assert refused(path) == ": has a header of more than 2 MiB"


@pytest.mark.parametrize("kind", ["zlib", "gzip", "bz2", "zstd", "lz4", "blosc"])
def test_chunks_that_hold_more_than_a_chunk(tmp_path: Path, kind: str) -> None:
    pytest.importorskip("zarr")
    from numcodecs.registry import get_codec

    path = tmp_path / "x.vcz"
    write_plainly(path, arrays_of(vcf_text(NAMES, [record(5)])), zarr_format=2, variants=9, samples=9)
    meta = path / "variant_position" / ".zarray"
    meta.write_text(meta.read_text().replace('"compressor": null', f'"compressor": {{"id": "{kind}"}}'))
    good = np.array([5], dtype=np.int32).tobytes()
    for content, fits in ((good, True), (good * 5000, False)):
        (path / "variant_position" / "0").write_bytes(bytes(get_codec({"id": kind}).encode(content)))
        if fits:
            assert read(path) == [4]
        else:
            assert "the chunk variant_position/0 is damaged or cut short (it " in refused(path)


def test_members_of_a_zip_file_are_not_unpacked_beyond_their_use(tmp_path: Path, monkeypatch) -> None:
    pytest.importorskip("zarr")
    import zipfile

    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr(".zgroup", " " * (1 << 25))
    with pytest.raises(InputError, match=r"\.zgroup has 33554432 bytes; at most 16777216 are read"):
        Store(tmp_path / "x.zip")


def test_a_pipe_among_the_files_of_a_store_is_not_waited_for(tmp_path: Path) -> None:
    pytest.importorskip("zarr")
    import os

    path = tmp_path / "x.vcz"
    write_plainly(path, arrays_of(vcf_text(NAMES, [record(5)])), zarr_format=2, variants=9, samples=9)
    (path / "variant_position" / "0").unlink()
    os.mkfifo(path / "variant_position" / "0")
    assert refused(path) == ": variant_position/0 cannot be read (it is no file)"


def test_many_chromosomes_take_time_that_grows_with_them(tmp_path: Path) -> None:
    path = write(tmp_path, [record(5, chrom=f"k{i}") for i in range(3000)], contigs={})
    reader = VariantReader(path, ["a"], ["b"], ["c"])
    assert within(10, lambda: len(list(reader.blocks(span=1 << 20, overlap=9)))) == 3000


# ------------------------------------------------------------------ standard input


def test_standard_input_is_not_read_for_two_things(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, [record(5)])
    with path.open() as stream:
        monkeypatch.setattr("sys.stdin", stream)
        door = VcfDoor("-", "-", outgroup="b", archaic="c")
        assert list(door.inputs().items())[:2] == [("vcf", "-"), ("target", "-")]
        with pytest.raises(InputError, match="can be read only once"):
            door.tracks(TrackSettings())


def test_a_folder_of_the_name_of_a_sample_is_no_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").mkdir()
    write(tmp_path, [record(5)])
    assert chosen_samples("a", NAMES, role="target") == ["a"]
    assert VcfDoor("x.vcf", "a", "b", "c").inputs() == {"vcf": "x.vcf"}


def test_a_pipe_may_be_compressed_in_any_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import bz2

    text = write(tmp_path, [record(5), record(7)]).read_bytes()

    class Standard:
        buffer = io.BytesIO(bz2.compress(text))
        closed = False

    monkeypatch.setattr("sys.stdin", Standard())
    source = VcfSource("-")
    assert [p for part in source.read(NAMES, ANY) for p in part.positions.tolist()] == [4, 6]
