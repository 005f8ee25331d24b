"""What of a VCF is used, left out, merged or refused."""

from __future__ import annotations

import gzip
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from Bio import bgzf
from support.introgression import vcf_text

from genolstm.errors import InputError, SettingError
from genolstm.introgression.variants.join import VariantReader

NAMES = ["t1", "t2", "o1", "o2", "a1"]
GROUPS = {"target": NAMES[:2], "outgroup": NAMES[2:4], "archaic": NAMES[4:]}
FULL = ["0|1", "1|0", "0|0", "0|1", "1|1"]
HEADER = 4  # lines that `vcf_text` writes before the column names, for one contig


def record(position: int, ref: str = "A", alt: str = "G", calls=None, chrom: str = "1"):
    return chrom, position, ref, alt, FULL if calls is None else calls.split()


def open_vcf(path: Path, **changes) -> VariantReader:
    return VariantReader(path, **{**GROUPS, **changes})


def read(tmp_path: Path, records, *, text=None, **changes):
    """Return (positions, target, outgroup, archaic, counts) of a one-chromosome VCF."""
    path = tmp_path / "x.vcf"
    path.write_text(vcf_text(NAMES, records) if text is None else text)
    reader = open_vcf(path, **changes)
    (block,) = reader.blocks(span=1_000_000, overlap=100)
    return (
        block.positions.tolist(),
        block.target.tolist(),
        block.outgroup.tolist(),
        block.archaic.tolist(),
        reader.counts,
    )


def refused(tmp_path: Path, records, **changes) -> InputError:
    path = tmp_path / "x.vcf"
    path.write_text(vcf_text(NAMES, records))
    with pytest.raises(InputError) as error:
        list(open_vcf(path, **changes).blocks(span=1_000_000, overlap=100))
    assert error.value.path == str(path)
    assert "\n" not in str(error.value)
    return error.value


def test_alleles_are_bases(tmp_path: Path) -> None:
    positions, target, outgroup, archaic, counts = read(
        tmp_path, [record(1), record(7, "c", "t"), record(10_000, "G", ".", "0|0 0|0 0|0 0|0 0|0")]
    )
    # Where everybody has the same base, there is no site.
    assert positions == [0, 6]
    assert target == [[0, 2, 2, 0], [1, 3, 3, 1]]
    assert outgroup == [[0, 0, 0, 2], [1, 1, 1, 3]]
    assert archaic == [[2, 2], [3, 3]]
    assert (counts.records, counts.sites, counts.not_snv, counts.merged) == (3, 2, 0, 0)


def test_columns_follow_the_lists_not_the_file(tmp_path: Path) -> None:
    _, target, outgroup, archaic, _ = read(tmp_path, [record(5)], target=["o2", "t1"], outgroup=["a1"], archaic=["t2"])
    assert (target, outgroup, archaic) == ([[0, 2, 0, 2]], [[2, 2]], [[2, 0]])
    reader = open_vcf(tmp_path / "x.vcf", target=["o2", "t1"], outgroup=["a1"], archaic=["t2"])
    assert reader.names("target") == [("o2", "1"), ("o2", "2"), ("t1", "1"), ("t1", "2")]


@pytest.mark.parametrize(
    "records",
    [
        [record(5, "A", "G,T", "0|1 1|2 2|0 0|0 .|.")],
        # The same site in two records, as `bcftools norm -m-` splits it by either of its habits.
        [record(5, "A", "G", "0|1 1|0 0|0 0|0 .|."), record(5, "A", "T", "0|0 0|1 1|0 0|0 .|.")],
        [record(5, "A", "G", "0|1 1|. .|0 0|0 .|."), record(5, "A", "T", "0|. .|1 1|0 0|0 .|.")],
        [record(5, "A", "T", "0|0 0|1 1|0 0|0 .|."), record(5, "A", "G", "0|1 1|0 0|0 0|0 .|.")],
    ],
)
def test_a_multiallelic_site_is_one_site_however_it_is_written(tmp_path: Path, records) -> None:
    positions, target, outgroup, archaic, counts = read(tmp_path, records)
    assert positions == [4]
    assert target == [[0, 2, 2, 3]]
    assert outgroup == [[3, 0, 0, 0]]
    assert archaic == [[-1, -1]]
    assert counts.sites == 1
    assert counts.merged == len(records) - 1
    assert counts.archaic_missing == 1


def test_split_records_that_leave_something_open(tmp_path: Path) -> None:
    # t1: called in one record only, so it may carry the other allele; t2: two alleles at once.
    records = [record(5, "A", "G", "0|0 0|1 0|0 0|0 0|0"), record(5, "A", "T", ".|0 0|1 0|0 0|0 0|0")]
    _, target, _, _, _ = read(tmp_path, records)
    assert target == [[-1, 0, 0, -1]]
    # The same record twice is no contradiction.
    assert read(tmp_path, [record(5), record(5)])[1] == [[0, 2, 2, 0]]


def test_split_records_with_different_reference(tmp_path: Path) -> None:
    error = refused(tmp_path, [record(5), record(5, "C", "T")])
    assert error.reason == "REF is C here and A in the previous record"
    assert error.record == "1:5"


def test_missing_and_haploid_genotypes(tmp_path: Path) -> None:
    _, target, outgroup, archaic, counts = read(
        tmp_path, [record(5, calls=".|1 ./. . 1 ./1"), record(9, calls="1 0 .|0 0|. 1|1")]
    )
    # The second haplotype of a haploid call does not exist; it may do so elsewhere.
    assert target == [[-1, 2, -1, -1], [2, -2, 0, -2]]
    assert outgroup == [[-1, -2, 2, -2], [-1, 0, 0, -1]]
    assert archaic == [[-1, 2], [2, 2]]
    assert counts.unphased == 0


def test_haploid_throughout(tmp_path: Path) -> None:
    _, target, outgroup, archaic, _ = read(tmp_path, [record(5, calls="1 0 . 1 1")])
    assert (target, outgroup, archaic) == ([[2, -2, 0, -2]], [[-1, -2, 2, -2]], [[2, -2]])


def test_what_is_no_substitution_is_left_out_and_counted(tmp_path: Path) -> None:
    positions, target, _, _, counts = read(
        tmp_path,
        [
            record(5, "AT", "A"),
            record(6, "A", "AC"),
            record(7, "A", "<DEL>"),
            record(8, "AC", "GT"),
            record(9, "A", "*"),
            record(10, "N", "G"),
            record(11, "A", "N"),
            # One allele of several is a substitution: carriers of the others are missing.
            record(12, "A", "*,G,<INS>", "0|1 2|3 0|0 0|0 2|2"),
            record(13),
        ],
    )
    assert positions == [11, 12]
    assert target[0] == [0, -1, 2, -1]
    assert (counts.records, counts.sites, counts.not_snv) == (9, 2, 7)


def test_sites_where_a_group_is_not_called(tmp_path: Path) -> None:
    """They are sites of which nothing is known, not places where nobody differs."""
    positions, target, outgroup, archaic, counts = read(
        tmp_path,
        [
            record(5, calls=".|. .|. 0|0 0|0 1|1"),
            record(6, calls="0|1 0|0 .|. .|. 1|1"),
            record(7, calls="0|1 0|0 0|. .|. .|."),
            record(8),
        ],
    )
    assert positions == [4, 5, 6, 7]
    assert target[0] == [-1] * 4
    assert outgroup[1] == [-1] * 4
    assert archaic[2] == [-1] * 2
    assert (counts.uncalled, counts.archaic_missing, counts.sites) == (2, 1, 2)


def test_nothing_known_where_nobody_differs_is_a_stretch(tmp_path: Path) -> None:
    """A group without calls is no site there: the k-mers over the position are not callable."""
    path = tmp_path / "x.vcf"
    blank = ["0|0 0|0 0|0 0|0 .|.", "0|0 0|0 .|. .|. 0|0", ".|. .|. 0|0 0|0 0|0", "0|0 .|. 0|0 0|0 0|0"]
    inner = [record(p, calls=c) for p, c in zip((5, 6, 9, 11), blank, strict=True)]
    path.write_text(vcf_text(NAMES, [record(1), *inner, record(20)]))
    (block,) = open_vcf(path).blocks(span=1000, overlap=0)
    assert block.uncallable == [(4, 6), (8, 9)]
    # One that is missing in part is a site: the others are known there.
    assert block.positions.tolist() == [0, 10, 19]


def test_unphased_heterozygotes(tmp_path: Path) -> None:
    records = [record(5), record(9, calls="0/0 1/1 0/1 0/1 0/1"), record(12, calls="0|1 1/0 . . 0|0")]
    error = refused(tmp_path, [*records, record(13)])
    assert str(error).startswith(f"{tmp_path}/x.vcf:{HEADER + 4}: 1:12: sample t2 is heterozygous")
    assert "--allow-unphased" in str(error)
    positions, target, _, _, counts = read(
        tmp_path, [*records[:2], record(12, calls="0|1 1/0 0|0 . 0|0")], allow_unphased=True
    )
    assert positions == [4, 8, 11]
    assert target[1:] == [[0, 0, 2, 2], [0, 2, 2, 0]]
    assert counts.unphased == 1


def test_unphased_half_calls_are_no_heterozygotes(tmp_path: Path) -> None:
    assert read(tmp_path, [record(5, calls="./1 1/. 0|0 0|0 0|0")])[1] == [[-1, 2, 2, -1]]


@pytest.mark.parametrize(
    ("records", "reason", "line"),
    [
        ([record(50), record(40)], "position 40 comes after 50", 2),
        ([record(50), record(60, chrom="2"), record(70)], "chromosome 1 reappears", 3),
        ([record(5), record(6, calls="0|1|1 0|0 0|0 0|0 0|0")], "the genotype of t1 has 3 alleles", 2),
        ([record(5), record(6, calls="0|2 0|0 0|0 0|0 0|0")], "a genotype of t1 names allele 2", 2),
        ([record(5), record(10_002)], "lies beyond the length stated in the header (10000", 2),
        ([record(5), record(6, calls="x|1 0|0 0|0 0|0 0|0")], "the genotype of t1 cannot be read", 2),
        ([record(5), record(6, calls="0|1 0|0")], "is not a VCF record: it has 11 columns", 2),
        ([record(5), ("1", "six", "A", "G", FULL)], "has a POS that is no position", 2),
    ],
)
def test_records_that_are_wrong_are_named_by_line(tmp_path: Path, records, reason, line) -> None:
    error = refused(tmp_path, records)
    assert error.reason.startswith(reason)
    assert error.line == HEADER + 1 + line


def test_lines_are_those_of_the_file_with_any_header(tmp_path: Path) -> None:
    """htslib adds a line for PASS to headers that lack it; ours must not be off by one."""
    for extra in ("", '##FILTER=<ID=PASS,Description="ok">\n', "##a=b\n##c=d\n"):
        text = vcf_text(NAMES, [record(5), record(4)]).replace("\n##FORMAT", f"\n{extra}##FORMAT", 1)
        path = tmp_path / "x.vcf.gz"
        path.write_bytes(gzip.compress(text.encode()))
        with pytest.raises(InputError) as error:
            list(open_vcf(path).blocks(span=1000, overlap=0))
        assert error.value.line == len(text.splitlines())


def test_an_empty_line_among_the_records(tmp_path: Path) -> None:
    text = vcf_text(NAMES, [record(5), record(9)])
    lines = text.splitlines()
    path = tmp_path / "x.vcf"
    path.write_text("\n".join([*lines[:-1], "", lines[-1]]) + "\n")
    with pytest.raises(InputError, match="is an empty line among the records") as error:
        list(open_vcf(path).blocks(span=1000, overlap=0))
    assert error.value.line == len(lines)
    # Those at the end do no harm.
    path.write_text("\n".join([*lines, "", ""]) + "\n")
    assert [block.positions.tolist() for block in open_vcf(path).blocks(span=1000, overlap=0)] == [[4, 8]]


def test_records_without_genotypes(tmp_path: Path) -> None:
    path = tmp_path / "x.vcf"
    depth = ("1", 6, "A", "G", ["3"] * 5)
    lines = vcf_text(NAMES, [record(5)]).splitlines()
    lines.append(vcf_text(NAMES, [depth], form="DP").splitlines()[-1])
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match="the record has no GT") as error:
        list(open_vcf(path).blocks(span=1000, overlap=0))
    assert (error.value.line, error.value.record) == (HEADER + 3, "1:6")


def test_gt_among_other_fields(tmp_path: Path) -> None:
    calls = [f"7:{c}:3" for c in FULL]
    text = vcf_text(NAMES, [("1", 5, "A", "G", calls)], form="XX:GT:DP")
    assert read(tmp_path, [], text=text)[1] == [[0, 2, 2, 0]]


def test_missing_samples(tmp_path: Path) -> None:
    path = tmp_path / "x.vcf"
    path.write_text(vcf_text(NAMES, [record(5)]))
    with pytest.raises(InputError) as error:
        open_vcf(path, outgroup=["o1", "o7", "o8", "o9", "o10"])
    assert error.value.reason == ("has no sample o7, o8, o9 ... (4 of 8 named samples are missing)")


@pytest.mark.parametrize("role", ["target", "outgroup", "archaic"])
def test_groups_must_not_overlap_nor_be_empty(tmp_path: Path, role: str) -> None:
    path = tmp_path / "x.vcf"
    path.write_text(vcf_text(NAMES, [record(5)]))
    other = "t1" if role != "target" else "a1"
    with pytest.raises(SettingError, match=f"sample {other} is named as"):
        open_vcf(path, **{role: [*GROUPS[role], other]})
    if role == "archaic":  # a scan may do without
        assert open_vcf(path, archaic=[]).names("archaic") == []
        return
    with pytest.raises(SettingError, match=f"no {role} samples are named"):
        open_vcf(path, **{role: []})


def test_one_chromosome_only(tmp_path: Path) -> None:
    text = vcf_text(
        NAMES,
        [record(5), record(3, chrom="2"), record(9, chrom="2"), record(1, chrom="3")],
        contigs={"1": None, "2": 500, "3": None},
    )
    assert read(tmp_path, [], text=text, chrom="2")[0] == [2, 8]
    blocks = list(open_vcf(tmp_path / "x.vcf").blocks(span=1000, overlap=0))
    assert [(b.chrom, b.positions.tolist(), b.length, b.last) for b in blocks] == [
        ("1", [4], 5, True),
        ("2", [2, 8], 500, True),
        ("3", [0], 1, True),
    ]
    with pytest.raises(InputError) as error:
        list(open_vcf(tmp_path / "x.vcf", chrom="chr2").blocks(span=1000, overlap=0))
    assert error.value.reason == "has no chromosome chr2"
    assert error.value.hint == "its header names 1, 2, 3"


def test_a_header_without_contigs(tmp_path: Path) -> None:
    text = vcf_text(NAMES, [record(5), record(3, chrom="2")], contigs={})
    (tmp_path / "x.vcf").write_text(text)
    blocks = list(open_vcf(tmp_path / "x.vcf").blocks(span=1000, overlap=0))
    assert [(b.chrom, b.length) for b in blocks] == [("1", 5), ("2", 3)]


def test_no_site_at_all(tmp_path: Path) -> None:
    assert refused(tmp_path, []).reason == "has no usable site (0 records read)"
    assert refused(tmp_path, [record(5, "AT", "A")]).reason == "has no usable site (1 records read)"


# --- files that are not what they should be -----------------------------------------------------


def whole() -> bytes:
    """A VCF large enough for several compressed blocks."""
    random = np.random.default_rng(1)
    calls = np.array(["0|0", "0|1", "1|0", "1|1"])[random.integers(0, 4, (6000, 5))]
    calls[:, 0] = "0|1"
    return vcf_text(NAMES, [("1", i + 1, "A", "G", row) for i, row in enumerate(calls.tolist())]).encode()


def bgzipped(data: bytes, path: Path) -> bytes:
    with bgzf.BgzfWriter(path) as stream:
        stream.write(data)
    return path.read_bytes()


def test_compressed_files(tmp_path: Path) -> None:
    plain = whole()
    path = tmp_path / "x.vcf.gz"
    for content in (plain, gzip.compress(plain), bgzipped(plain, path)):
        path.write_bytes(content)
        (block,) = open_vcf(path).blocks(span=1_000_000, overlap=0)
        assert block.positions.tolist() == list(range(6000))


@pytest.mark.parametrize("form", ["gzip", "bgzf"])
@pytest.mark.parametrize("kept", [2, 10, 20, 1000, -5000, -30, -28, -9, -1])
def test_truncated_compressed_files(tmp_path: Path, form: str, kept: int) -> None:
    path = tmp_path / "x.vcf.gz"
    content = gzip.compress(whole()) if form == "gzip" else bgzipped(whole(), path)
    path.write_bytes(content[:kept])
    with pytest.raises(InputError) as error:
        list(open_vcf(path).blocks(span=1_000_000, overlap=0))
    assert error.value.path == str(path)
    assert any(word in error.value.reason for word in ("truncated", "decompressed"))


@pytest.mark.parametrize("form", ["gzip", "bgzf"])
def test_a_changed_byte_in_a_compressed_file(tmp_path: Path, form: str) -> None:
    path = tmp_path / "x.vcf.gz"
    content = gzip.compress(whole()) if form == "gzip" else bgzipped(whole(), path)
    changed = bytearray(content)
    changed[len(content) // 2] ^= 0x40
    path.write_bytes(changed)
    with pytest.raises(InputError, match=r"cannot be (decompressed|read)|is damaged"):
        list(open_vcf(path).blocks(span=1_000_000, overlap=0))


def test_a_plain_file_that_ends_within_a_record(tmp_path: Path) -> None:
    path = tmp_path / "x.vcf"
    data = whole()
    path.write_bytes(data[: data.rindex(b"|", 0, 60_000) + 1])
    with pytest.raises(InputError, match=r"cannot be read|is not a VCF record") as error:
        list(open_vcf(path).blocks(span=1_000_000, overlap=0))
    assert error.value.line == len(path.read_bytes().splitlines())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty; a VCF or BCF file is needed"),
        (b"hello\nworld\n", "is not a VCF or BCF file: it does not begin with ##fileformat=VCF"),
    ],
)
def test_what_is_no_vcf(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "x.vcf"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        open_vcf(path)
    assert error.value.reason == said
    with pytest.raises(InputError, match="no such file"):
        open_vcf(tmp_path / "none.vcf")
    with pytest.raises(InputError, match="is a folder"):
        open_vcf(tmp_path)


@pytest.mark.skipif(shutil.which("bcftools") is None, reason="bcftools is not installed")
@pytest.mark.parametrize("name", ["x.bcf", "misnamed.vcf.gz", "misnamed.vcf"])
def test_bcf(tmp_path: Path, name: str) -> None:
    plain, path = tmp_path / "x.vcf", tmp_path / name

    def convert() -> None:
        # bcftools would go by the name of an output that it opens itself.
        with path.open("wb") as stream:
            subprocess.run(["bcftools", "view", "-Ob", plain], stdout=stream, check=True, timeout=60)

    plain.write_bytes(whole())
    convert()
    (expected,) = open_vcf(plain).blocks(span=1_000_000, overlap=0)
    (block,) = open_vcf(path).blocks(span=1_000_000, overlap=0)
    for part in ("positions", "target", "outgroup", "archaic"):
        np.testing.assert_array_equal(getattr(block, part), getattr(expected, part))
    # There are no lines in it, and the error says none.
    plain.write_text(vcf_text(NAMES, [record(5), record(9, calls="0/1 0|0 0|0 0|0 0|0")]))
    convert()
    with pytest.raises(InputError) as error:
        list(open_vcf(path).blocks(span=1_000_000, overlap=0))
    assert str(error.value).startswith(f"{path}: 1:9: sample t1 is heterozygous")
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(InputError, match="truncated"):
        open_vcf(path)


# --- blocks -------------------------------------------------------------------------------------


@pytest.mark.parametrize("span", [10, 64, 1000])
@pytest.mark.parametrize("overlap", [0, 5, 40])
def test_blocks_hold_what_lies_in_and_around_them(tmp_path: Path, span: int, overlap: int) -> None:
    random = np.random.default_rng(5)
    positions = np.sort(random.choice(np.arange(130, 700), 60, replace=False))
    path = tmp_path / "x.vcf"
    path.write_text(vcf_text(NAMES, [record(p + 1) for p in positions.tolist()]))
    blocks = list(open_vcf(path).blocks(span=span, overlap=overlap))
    assert [b.last for b in blocks] == [False] * (len(blocks) - 1) + [True]
    assert blocks[0].start == positions[0]
    assert blocks[-1].end == positions[-1] + 1
    for before, after in pairwise(blocks):
        assert before.end == after.start
        assert before.end % span == 0
    for block in blocks:
        inside = (positions >= block.start - overlap) & (positions < block.end + overlap)
        assert set(positions[inside]) <= set(block.positions)
        assert np.diff(block.positions).min(initial=1) > 0
        assert block.target.shape == (len(block.positions), 4)
        assert block.length == 10_000
