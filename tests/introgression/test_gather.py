"""Joining the parts of a scan."""

from __future__ import annotations

import gzip

import pytest
from click.testing import CliRunner

from genolstm.cli.gather import gather as command
from genolstm.errors import InputError, OutputError, SettingError
from genolstm.introgression.formats import POSTERIOR_COLUMNS, SEGMENT_COLUMNS, source_columns
from genolstm.runs.gather import run

SOURCES = source_columns(["nea", "unknown"])
SEGMENTS = "#" + "\t".join((*SEGMENT_COLUMNS, *SOURCES))
POSTERIORS = "#" + "\t".join((*POSTERIOR_COLUMNS, *SOURCES))
SHARES = "\t0.3000\t0.1000"


def segment(chrom, start, end, sample, haplotype=1, number=1):
    return f"{chrom}\t{start}\t{end}\tnea_{number:04}\t900\t.\t{sample}\t{haplotype}\t0.9\t5\t4\tnea{SHARES}"


def write(path, *lines):
    text = "\n".join(lines) + "\n"
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


def test_segments_are_sorted_by_position_and_keep_one_header(tmp_path):
    # "9000" comes after "10000" as text, and chr1 of the second file before chr2 of the first.
    a = write(tmp_path / "a.bed", SEGMENTS, segment("chr2", 5, 9, "A"), segment("chr2", 7, 8, "A"))
    b = write(
        tmp_path / "b.bed",
        SEGMENTS,
        segment("chr1", 9000, 9500, "B"),
        segment("chr1", 10000, 10500, "B"),
        segment("chr2", 5, 8, "B"),
    )
    empty = write(tmp_path / "c.bed", SEGMENTS)
    assert run([a, b, empty], tmp_path / "all.bed") == 5
    assert (tmp_path / "all.bed").read_text().splitlines() == [
        SEGMENTS,
        segment("chr1", 9000, 9500, "B", number=1),
        segment("chr1", 10000, 10500, "B", number=2),
        segment("chr2", 5, 8, "B", number=3),
        segment("chr2", 5, 9, "A", number=4),
        segment("chr2", 7, 8, "A", number=5),
    ]


def test_posteriors_follow_one_another(tmp_path):
    rows = [f"chr{c}\t0\t1000\tA\t1\t0.{c}000{SHARES}" for c in (3, 1, 2)]
    parts = [write(tmp_path / f"{i}.tsv.gz", POSTERIORS, row) for i, row in enumerate(rows)]
    assert run(parts, tmp_path / "all.tsv.gz") == 3
    text = gzip.decompress((tmp_path / "all.tsv.gz").read_bytes()).decode()
    assert text.splitlines() == [POSTERIORS, *rows]


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([""], "different header"),
        ([POSTERIORS, f"chr1\t0\t1000\tA\t1\t0.5{SHARES}"], "different header"),
        ([SEGMENTS, segment("chr1", 1, 5, "A")], "bad.bed:2: the haplotype A 1 of chr1"),
        ([SEGMENTS, segment("chr3", 1, 5, "A"), "chr3\t9"], "bad.bed:3: does not fit"),
        ([SEGMENTS, segment("chr3", "x", 5, "A")], "bad.bed:2: 'x' is not a position"),
    ],
)
def test_bad_part_leaves_no_output(tmp_path, lines, reason):
    good = write(tmp_path / "good.bed", SEGMENTS, segment("chr1", 7, 9, "A"))
    bad = write(tmp_path / "bad.bed", *lines)
    with pytest.raises(InputError, match=reason):
        run([good, bad], tmp_path / "all.bed")
    assert not (tmp_path / "all.bed").exists()


@pytest.mark.parametrize("name", ["all.gff3", "all.gff.gz", "all.bw", "all.csv"])
def test_what_is_gathered_has_no_name_of_another_format(tmp_path, name):
    segments = write(tmp_path / "a.bed", SEGMENTS, segment("chr1", 5, 9, "A"))
    posteriors = write(tmp_path / "a.tsv", POSTERIORS, f"chr1\t0\t1000\tA\t1\t0.5{SHARES}")
    for part, ends in ((posteriors, r"\.bed, \.tsv or \.txt"), (segments, r"\.bed, \.gff3, \.gff, \.tsv or \.txt")):
        if part == posteriors or ".gff" not in name:
            with pytest.raises(SettingError, match=f"the name of what is gathered must end in {ends}"):
                run([part], tmp_path / name)
        assert run([part], tmp_path / "all", force=True) == 1
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize("end", ["\n", " "])
def test_segments_are_gathered_as_gff3(tmp_path, end):
    stamp = f"##genolstm=1;model=m;sha256=0{end}"
    rows = [segment("chr1", 70, 90, "B;=", 2, number=1), segment("chr1", 5, 9, "A", number=1)]
    parts = [write(tmp_path / f"{i}.bed", stamp + SEGMENTS, row) for i, row in enumerate(rows)]
    assert run(parts, tmp_path / "all.gff3.gz") == 2
    rest = "n_sites=5;n_match=4;posterior_nea=0.3000;posterior_unknown=0.1000"
    line = "chr1\tGenoLSTM\tintrogressed_chromosome_region\t{}\t{}\t0.9000\t.\t.\tID={};Name={};source=nea;sample={};{}"
    assert gzip.decompress((tmp_path / "all.gff3.gz").read_bytes()).decode().splitlines() == [
        "##gff-version 3",
        "#genolstm=1;model=m;sha256=0",
        line.format(6, 9, "nea_0001", "nea_0001", "A", f"haplotype=1;{rest}"),
        line.format(71, 90, "nea_0002", "nea_0002", "B%3B%3D", f"haplotype=2;{rest}"),
    ]
    # Without a stamp there is none.
    assert run([write(tmp_path / "a.bed", SEGMENTS, rows[0])], tmp_path / "a.gff") == 1
    assert (tmp_path / "a.gff").read_text().startswith("##gff-version 3\nchr1\t")
    bad = write(tmp_path / "bad.bed", SEGMENTS, rows[0].replace("\t5\t4\t", "\tx\t4\t"))
    with pytest.raises(InputError, match=r"bad\.bed:2: 'x' is not a number of sites"):
        run([bad], tmp_path / "b.gff3")


@pytest.mark.parametrize("end", ["\n", " "])
def test_the_stamp_is_kept(tmp_path, end):
    """In a line of its own, or in that of the columns, as earlier versions wrote it."""
    stamp = f"##genolstm=1;model=m;sha256=0{end}"
    rows = [segment(f"chr{n}", 5, 9, "A", number=n) for n in (1, 2)]
    parts = [write(tmp_path / f"{i}.bed", stamp + SEGMENTS, row) for i, row in enumerate(rows)]
    assert run(parts, tmp_path / "all.bed") == 2
    assert (tmp_path / "all.bed").read_text() == f"{stamp}{SEGMENTS}\n{rows[0]}\n{rows[1]}\n"
    for other in (SEGMENTS, f"##genolstm=2{end}{SEGMENTS}", f"{stamp}{SEGMENTS}".swapcase()):
        with pytest.raises(InputError, match=r"other\.bed:1: has a different header"):
            run([parts[0], write(tmp_path / "other.bed", other)], tmp_path / "x.bed")
    with pytest.raises(InputError, match=r"other\.bed:2: has the header of neither"):
        run([write(tmp_path / "other.bed", "##genolstm=1", "chr1\t5\t9")], tmp_path / "x.bed")


def test_first_file_of_another_kind_and_truncated_file(tmp_path):
    other = write(tmp_path / "other.bed", "chr1\t1\t2")
    with pytest.raises(InputError, match="the header of neither"):
        run([other], tmp_path / "all.bed")
    whole = write(tmp_path / "p.tsv.gz", POSTERIORS, *[f"chr1\t0\t1000\tA\t1\t0.5{SHARES}"] * 5000)
    whole.write_bytes(whole.read_bytes()[:-20])
    with pytest.raises(InputError, match="truncated"):
        run([whole], tmp_path / "all.tsv.gz")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other.bed", "p.tsv.gz"]


def test_command_needs_force_to_replace(tmp_path):
    part = write(tmp_path / "a.bed", SEGMENTS, segment("chr1", 7, 9, "A"))
    output = tmp_path / "all.bed"
    runner = CliRunner()
    done = runner.invoke(command, [str(part), "-o", str(output)])
    assert done.exit_code == 0
    assert done.stderr == f"{output}: 1 lines, gathered from 1\n"
    with pytest.raises(OutputError, match="already exists"):
        runner.invoke(command, [str(part), "-o", str(output)], catch_exceptions=False)
    assert runner.invoke(command, [str(part), "-q", "-o", str(output), "--force"]).output == ""
    assert runner.invoke(command, ["-o", str(output)]).exit_code == 2


@pytest.mark.parametrize("text", ["²", "1e3", "1_0", "2147483648", "٣", " 5", "9" * 5000])
def test_numbers_of_a_part_are_those_of_the_format(tmp_path, text):
    for header, row in ((SEGMENTS, segment("c", 1, text, "A")), (POSTERIORS, f"c\t{text}\t99\tA\t1\t0.5{SHARES}")):
        with pytest.raises(InputError, match="p:2: "):
            run([write(tmp_path / "p", header, row)], tmp_path / "out")
    with pytest.raises(InputError, match=r"p:2: '1\.5' is not a posterior"):
        run([write(tmp_path / "p", POSTERIORS, f"c\t1\t2\tA\t1\t1.5{SHARES}")], tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["#x", " x", "x ", "", "x\x1b"])
def test_names_of_a_part_are_those_of_the_format(tmp_path, name):
    """A line that begins with # would be a comment in the file that is written."""
    rows = [segment(name, 1, 2, "A"), segment("c", 1, 2, name), segment("c", 1, 2, "A", name)]
    for row in rows if name != "#x" else rows[:1]:
        with pytest.raises(InputError, match="p:3: "):
            run([write(tmp_path / "p", SEGMENTS, segment("c", 5, 6, "A"), row)], tmp_path / "out")


def test_tables_without_sources_are_joined_too(tmp_path):
    """Those of earlier versions."""
    header, row = "#" + "\t".join(POSTERIOR_COLUMNS), "chr1\t0\t1000\tA\t1\t0.5"
    assert run([write(tmp_path / "a.tsv", header, row)], tmp_path / "all.tsv") == 1
    assert (tmp_path / "all.tsv").read_text().splitlines() == [header, row]


def test_parts_of_other_sources_are_not_joined(tmp_path):
    other = "#" + "\t".join((*SEGMENT_COLUMNS, *source_columns(["den", "unknown"])))
    parts = [write(tmp_path / "a.bed", SEGMENTS), write(tmp_path / "b.bed", other)]
    with pytest.raises(InputError, match=r"b\.bed:1: has a different header .* other archaic sources"):
        run(parts, tmp_path / "all.bed")
    with pytest.raises(InputError, match="the header of neither"):
        run([write(tmp_path / "c.bed", SEGMENTS + "\tdepth")], tmp_path / "all.bed")


@pytest.mark.parametrize("column", [-1, -2])
def test_the_posteriors_of_sources_are_probabilities(tmp_path, column):
    fields = segment("chr1", 1, 5, "A").split("\t")
    fields[column] = "1.5"
    with pytest.raises(InputError, match=r"p:2: '1\.5' is not a posterior"):
        run([write(tmp_path / "p", SEGMENTS, "\t".join(fields))], tmp_path / "out")
