"""Names that files and sequences are given: of haplotypes, in tables and in masks."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import EXAMPLE

from genolstm.errors import InputError
from genolstm.introgression.doors.fasta import FastaDoor
from genolstm.introgression.doors.vcf import VcfDoor
from genolstm.introgression.formats import (
    POSTERIOR_COLUMNS,
    SEGMENT_COLUMNS,
    header_columns,
    header_line,
    model_stamp,
    near_names,
    read_bed,
    read_intervals,
    read_numbered_intervals,
    read_posteriors,
    stamp_line,
)
from genolstm.introgression.settings import TrackSettings
from genolstm.sequences.fasta import file_stem, parse_file_name, parse_pansn, read_records
from genolstm.sequences.panel.build import build_panel
from genolstm.sequences.panel.settings import PanelSettings

MARK = b"\xef\xbb\xbf"


@pytest.mark.parametrize(
    ("path", "stem"),
    [
        ("d/GRCh38.p14.fna.gz", "GRCh38.p14"),
        ("S.hap1.FA.BGZ", "S.hap1"),
        ("HG1.1.fa", "HG1.1"),
        ("x.fq.xz", "x"),
        ("x.fastq", "x"),
        ("x.mfa.zst", "x"),
        ("x.gz.fa", "x.gz"),
        ("x.txt", "x.txt"),
        ("x.fa.txt", "x.fa.txt"),
        ("sofa", "sofa"),
        (".fa", ".fa"),
        ("a.b/c", "c"),
        ("-", "stdin"),
    ],
)
def test_a_stem_lacks_the_suffixes_and_nothing_else(path: str, stem: str) -> None:
    assert file_stem(path) == stem


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("S.hap1.fa", ("S", "1", None)),
        ("S_hap12.fa.gz", ("S", "12", None)),
        ("a.b-h2.fa", ("a.b", "2", None)),
        ("S.haplotype_2.fa", ("S", "2", None)),
        ("HG002.maternal.fa.gz", ("HG002", "maternal", None)),
        ("HG002_PAT.fa", ("HG002", "PAT", None)),
        ("HG1.1.fa", ("HG1", "1", None)),
        ("HG1.2.fa", ("HG1", "2", None)),
        ("S#1.fa", ("S", "1", None)),
        ("S#mat#chr1.fa", ("S", "mat", "chr1")),
        ("HG1.3.fa", None),
        ("GRCh37.fa", None),
        ("GRCh38.p14.fa", None),
        ("hap1.fa", None),
        ("chr6_apd_hap1x.fa", None),
        ("assembly.hap1.p_ctg.fa", None),
        ("-", None),
    ],
)
def test_what_a_file_name_states(path: str, found: tuple[str, str, str | None] | None) -> None:
    assert parse_file_name(path) == found


def test_pansn() -> None:
    assert parse_pansn("S#1#c#d") == ("S", "1", "c#d")
    assert parse_pansn("S#1") == ("S", "1", None)
    assert [parse_pansn(name) for name in ("S_hap1", "S#", "#1#c")] == [None] * 3


def write(path: Path, *names: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(f">{name}\nACGT\n" for name in names))
    return path


def door(*paths: Path, haplotypes: str = "file") -> FastaDoor:
    return FastaDoor(paths, "a", "o", haplotypes)


def test_two_files_are_two_haplotypes(tmp_path: Path) -> None:
    one, two = write(tmp_path / "S.hap1.fa", "c1", "c2_hap7"), write(tmp_path / "S.hap2.fa", "c1", "S#2#c3")
    assert door(one, two).names() == [("S", "1"), ("S", "2")]
    assert [door(one, two).name(path, record)[0] for path, record in door(one, two).records()] == [
        "c1",
        "c2_hap7",
        "c1",
        "c3",
    ]
    assert door(write(tmp_path / "GRCh37.fa", "chr6", "chr6_apd_hap1")).names() == [("GRCh37", "1")]


@pytest.mark.parametrize(
    ("one", "two", "named"),
    [
        ("d1/assembly.fa", "d2/assembly.fa", "assembly, haplotype 1"),
        ("S.hap1.fa", "S_hap1.fa.gz", "S, haplotype 1"),
        ("S.hap1.fa", "S.1.fa", "S, haplotype 1"),
        ("S.fa", "S.fasta", "S, haplotype 1"),
        ("S.fa", "S.1.fa", "S, haplotype 1"),
    ],
)
def test_two_files_that_would_be_one_haplotype(tmp_path: Path, one: str, two: str, named: str) -> None:
    paths = [write(tmp_path / name, f"c{i}") for i, name in enumerate((one, two))]
    with pytest.raises(InputError) as error:
        door(*paths).names()
    assert error.value.path == str(paths[1])
    assert error.value.reason == f"would be the same as {paths[0]}: sample {named}"
    assert len(door(*paths, haplotypes="record").names()) == 2


def test_records_that_are_of_another_haplotype_than_their_file(tmp_path: Path) -> None:
    two = write(tmp_path / "both.fa", "S#1#c1", "c2", "S#2#c3")
    with pytest.raises(InputError, match="is of S#2, records before it of S#1") as error:
        door(two).names()
    assert (error.value.line, error.value.record) == (5, "S#2#c3")
    other = write(tmp_path / "S.hap1.fa", "T#1#c1")
    with pytest.raises(InputError, match="is of T, its file's name says S"):
        door(other).names()
    assert door(write(tmp_path / "s.mat.fa", "S#1#c1")).names() == [("s", "mat")]
    assert door(write(tmp_path / "assembly.fa", "T#2#c1")).names() == [("assembly", "1")]


def test_a_name_that_occurs_in_two_files(tmp_path: Path) -> None:
    one, two = write(tmp_path / "a.fa", "S#1#c"), write(tmp_path / "b.fa", "S#1#c")
    with pytest.raises(InputError, match=f"the haplotype S 1 of c occurs twice, first in {one}"):
        door(one, two, haplotypes="record").names()


def test_names_in_a_panel(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("S.hap1.fa", "S.hap2.fna.bgz", "GRCh38.p14.fa")]
    for path in paths:
        path.write_text(">c\nACGTTGCAAC\n")
    assert build_panel(paths, PanelSettings(k=5, haplotypes="file")).names == ("S.hap1", "S.hap2", "GRCh38.p14")


# --- FASTA --------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("mark", [b"", MARK])
def test_sequences_with_any_line_end(tmp_path: Path, monkeypatch, end: bytes, mark: bytes) -> None:
    path = tmp_path / "x.fa"
    path.write_bytes(mark + end.join([b">a first", b"ACGT", b"AC", b"", b">b", b"GG", b"TT"]))
    for size in (1, 2, 3, 7, 1 << 22):
        monkeypatch.setattr("genolstm.sequences.fasta._BLOCK", size)
        found = [(r.name, r.description, r.sequence, r.line) for r in read_records(path)]
        assert found == [("a", "first", b"ACGTAC", 1), ("b", "", b"GGTT", 5)]
    path.write_bytes(mark + end.join([b"@r", b"ACGT", b"+", b"!!!!", b"@s", b"GG", b"+", b"@@", b""]))
    assert [(r.name, r.sequence, r.line) for r in read_records(path)] == [("r", b"ACGT", 1), ("s", b"GG", 5)]


def test_the_line_of_a_wrong_letter_with_carriage_returns(tmp_path: Path) -> None:
    path = tmp_path / "x.fa"
    path.write_bytes(b">a\rACGT\rAC!T\r")
    with pytest.raises(InputError) as error:
        list(read_records(path))
    assert error.value.line == 3


# --- tables -------------------------------------------------------------------------------------


def test_near_names() -> None:
    known = ["chr21", "chrX", "MT", "scaffold_1"]
    asked = ["21", "chr21", "Chr21", "chr21 ", "x", "chrM", "m", "22", "scaffold1", "SCAFFOLD_1", "21"]
    assert near_names(asked, known) == [
        ("21", "chr21"),
        ("Chr21", "chr21"),
        ("chr21 ", "chr21"),
        ("x", "chrX"),
        ("chrM", "MT"),
        ("m", "MT"),
        ("SCAFFOLD_1", "scaffold_1"),
    ]
    assert near_names(["chr", "1"], ["1", "chr"]) == []
    assert near_names(["chr21", "21"], ["chr21", "21"]) == []


ROWS = b"chr21\t0\t300000\nchr21\t310000\t600000\n"


@pytest.mark.parametrize("content", [MARK + ROWS, ROWS.replace(b"\n", b"\r"), b"track name=x\n#c\nbrowser x\n" + ROWS])
def test_masks_lose_no_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.bed"
    path.write_bytes(content)
    assert read_bed(path) == {"chr21": [(0, 300000), (310000, 600000)]}


@pytest.mark.parametrize("name", ["track7", "browser_1", "tracks", "track", "browser"])
def test_sequences_may_be_called_as_the_lines_for_browsers(tmp_path: Path, name: str) -> None:
    path = tmp_path / "m.bed"
    path.write_text(f"track\nbrowser\ttight\ntrack type=bed\n{name}\t5\t9\tx\t0\t.\tS\t1\n")
    assert read_bed(path) == {name: [(5, 9)]}
    assert read_numbered_intervals(path) == [((name, 5, 9, "S", "1"), 1.0, 4, "x", None)]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("chr1 \t1\t2\tx\t0\t.\tS\t1", "the name 'chr1 ' begins or ends with white space"),
        (" chr1\t1\t2\tx\t0\t.\tS\t1", "the name ' chr1' begins or ends with white space"),
        ("\t1\t2\tx\t0\t.\tS\t1", "the name is empty"),
        ("c\t1\t2\tx\t0\t.\tS \t1", "the sample 'S ' begins or ends with white space"),
        ("c\t1\t2\tx\t0\t.\tS\t1 ", "the haplotype '1 ' begins or ends with white space"),
        ("c\t1\t2\tx\t0\t.\t\t1", "the sample is empty"),
        ("c\t1_0\t20\tx\t0\t.\tS\t1", "'1_0' is not a position"),
        ("c\t 1\t20\tx\t0\t.\tS\t1", "' 1' is not a position"),
        ("c\t-1\t20\tx\t0\t.\tS\t1", "-1 to 20 is not an interval"),
    ],
)
def test_names_with_white_space_match_nothing(tmp_path: Path, line: str, reason: str) -> None:
    path = tmp_path / "m.bed"
    path.write_text("#x\n" + line + "\n")
    with pytest.raises(InputError) as error:
        read_intervals(path)
    assert error.value.reason.startswith(reason)
    assert error.value.line == 2
    if "sample" not in reason and "haplotype" not in reason:
        with pytest.raises(InputError) as error:
            read_bed(path)
        assert (error.value.reason.startswith(reason), error.value.line) == (True, 2)


def test_posteriors_with_white_space(tmp_path: Path) -> None:
    path = tmp_path / "p.tsv"
    row = "chr1\t0\t10\tS\t1\t0.5\n"
    path.write_bytes(MARK + (header_line(POSTERIOR_COLUMNS) + "\n" + row).encode().replace(b"\n", b"\r"))
    assert read_posteriors(path)["chrom"].tolist() == ["chr1"]
    path.write_text(header_line(POSTERIOR_COLUMNS) + "\n" + row + row.replace("S", "S "))
    with pytest.raises(InputError, match="the sample 'S ' begins or ends") as error:
        read_posteriors(path)
    assert error.value.line == 3


def test_the_one_header_line() -> None:
    stamp = model_stamp("my model;x=1", "0123456789abcdef")
    words = stamp.split(";")
    assert words[0].startswith("genolstm=")
    assert words[1:] == ["model=my_model_x_1", "sha256=0123456789ab"]
    line = header_line(SEGMENT_COLUMNS)
    assert line.startswith("#chrom\tstart\tend\t")
    assert stamp_line(stamp) == f"##{stamp}"
    assert header_columns(stamp_line(stamp)) is None
    # As earlier versions wrote it, too.
    assert header_columns(line) == list(SEGMENT_COLUMNS) == header_columns(f"##{stamp} {line}")
    assert [header_columns(text) for text in ("chrom\tstart", "#start\tend", "#", "##x y\tz")] == [None] * 4


@pytest.mark.parametrize("stamp", ["", "##genolstm=1;model=m;sha256=0\n", "##genolstm=1;model=m;sha256=0 "])
def test_columns_are_found_behind_a_stamp(tmp_path: Path, stamp: str) -> None:
    columns = ("chrom", "start", "end", "haplotype", "sample", "posterior")
    path = tmp_path / "x.bed"
    path.write_text(f"{stamp}{header_line(columns)}\nc\t1\t2\t1\tS\t0.25\n")
    assert read_intervals(path) == [(("c", 1, 2, "S", "1"), 0.25)]


# --- masks --------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["callable_mask", "exclude_mask"])
@pytest.mark.parametrize("name", ["21", "CHR21", "Chr21"])
def test_a_mask_in_another_spelling(tmp_path: Path, role: str, name: str) -> None:
    path = tmp_path / "m.bed"
    path.write_text(f"chr21\t0\t100\n{name}\t100\t200\n")
    names = {who: EXAMPLE / f"{who}.txt" for who in ("target", "outgroup", "archaic")}
    with pytest.raises(InputError, match=f"covers '{name}', and the VCF has 'chr21'") as error:
        list(VcfDoor(EXAMPLE / "region.vcf.gz", **names, **{role: path}).tracks(TrackSettings()))
    assert error.value.line == 2
