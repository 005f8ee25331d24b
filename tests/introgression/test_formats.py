"""Files of the pipeline: exact text, and what is refused on reading."""

from __future__ import annotations

import gzip
import io
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support import DATA

from genolstm.errors import InputError, SettingError
from genolstm.introgression import exports, formats
from genolstm.introgression.doors.fasta import FastaDoor
from genolstm.introgression.doors.vcf import VcfDoor
from genolstm.introgression.segments import Interval, PosteriorBlock, Segment

SEGMENTS = [
    Segment("chr1", 0, 12_345, "NA1", "1", 0.98765, 12, 11, "nea", (0.9, 0.0, 0.08765)),
    Segment("chr1", 40_000, 40_001, "NA1", "2", 0.5, 1, 0, "unknown", (0.00004, 0.00006, 0.4999)),
    Segment("chrX", 7, 5_000_000, "pop#a", "hapB", 0.99996, 900, 899, "nea|den", (0.5, 0.49996, 0.0)),
]
SOURCES = ("nea", "den", "unknown")
TRUTH = [Interval("chr1", 0, 10, "NA1", "1"), Interval("chr2", 5, 700_000, "B", "mat")]


def blocks() -> list[PosteriorBlock]:
    """One chromosome in two blocks, another in one; the last bins are short."""
    names = [("NA1", "1"), ("NA1", "2")]
    first = np.array([[0, 0.12344, 0.12346], [1, 1, 0.99994]], dtype=np.float32)
    second = np.array([[0.5, 0.5], [0.0004, 0.00006]], dtype=np.float32)

    def block(chrom, at, posterior, length, last):
        zero = np.zeros_like(posterior)
        return PosteriorBlock(chrom, names, at, posterior, zero, zero, length, last)

    return [
        block("chr1", 3, first, None, False),
        block("chr1", 6, second, 7_654, True),
        block("chr2", 0, first[:, :1], 998, True),
    ]


def written(kind: str) -> str:
    stream = io.StringIO()
    if kind == "segments.bed":
        formats.write_segments(stream, SEGMENTS, SOURCES)
    elif kind == "truth.bed":
        formats.write_truth(stream, TRUTH)
    elif kind == "posteriors.tsv":
        formats.write_posterior_header(stream)
        for block in blocks():
            formats.write_posteriors(stream, block, 1000)
    else:
        collector = formats.BedGraphCollector(1000)
        for block in blocks():
            collector.add(block)
        collector.write(stream)
    return stream.getvalue()


KINDS = ["segments.bed", "truth.bed", "posteriors.tsv", "posteriors.bedgraph"]


@pytest.mark.parametrize("kind", KINDS)
def test_files_are_written_exactly_so(kind: str) -> None:
    assert written(kind) == (DATA / kind).read_text(encoding="utf-8")


@pytest.mark.skipif(shutil.which("bedtools") is None, reason="bedtools is not installed")
@pytest.mark.parametrize("kind", KINDS)
def test_bedtools_reads_them(kind: str, tmp_path: Path) -> None:
    def bedtools(*args: object) -> list[str]:
        done = subprocess.run(["bedtools", *map(str, args)], capture_output=True, text=True, check=True, timeout=60)
        assert done.stderr == ""
        return done.stdout.splitlines()

    path = DATA / kind
    lines = [line for line in path.read_text().splitlines() if not line.startswith(("#", "track"))]
    assert sorted(bedtools("sort", "-i", path)) == sorted(lines)
    query = tmp_path / "query.bed"
    query.write_text("chr1\t5\t6\n")
    hits = [line for line in lines if line.startswith("chr1\t") and line.split("\t")[1] == "0"]
    assert bedtools("intersect", "-u", "-a", path, "-b", query) == hits


def test_long_posteriors_are_written_in_pieces() -> None:
    posterior = np.round(np.random.default_rng(0).random((3, 50_000)), 4).astype(np.float32)
    names = [("a", "1"), ("b", "1"), ("c", "1")]
    block = PosteriorBlock("c", names, 10, posterior, posterior, posterior, None, False)
    stream = io.StringIO()
    formats.write_posteriors(stream, block, 1000)
    stream.seek(0)
    table = pd.read_csv(stream, sep="\t", names=list(formats.POSTERIOR_COLUMNS))
    assert len(table) == 150_000
    assert (table["start"] == np.repeat(np.arange(10, 50_010) * 1000, 3)).all()
    np.testing.assert_allclose(table["posterior"], posterior.T.ravel(), atol=1e-6)


def test_segments_frame_has_the_columns_of_the_file() -> None:
    frame = formats.segments_frame(SEGMENTS, SOURCES)
    table = pd.read_csv(DATA / "segments.bed", sep="\t", dtype={"haplotype": str})
    table = table.rename(columns={"#chrom": "chrom"})
    assert list(frame.columns) == list(table.columns)
    pd.testing.assert_frame_equal(frame, table, check_exact=False, rtol=0, atol=5.1e-5)
    empty = formats.segments_frame([], SOURCES)
    assert list(empty.columns) == list(frame.columns)
    assert empty.empty


def test_what_is_written_reads_back() -> None:
    found = formats.read_intervals(DATA / "segments.bed")
    assert [i for i, _ in found] == [Interval(s.chrom, s.start, s.end, s.sample, s.haplotype) for s in SEGMENTS]
    assert [p for _, p in found] == [0.9877, 0.5, 1.0]
    assert formats.read_intervals(DATA / "truth.bed") == [(t, 1.0) for t in TRUTH]
    table = formats.read_posteriors(DATA / "posteriors.tsv")
    assert list(table.columns) == list(formats.POSTERIOR_COLUMNS)
    assert len(table) == 12
    row = table.iloc[-1]
    assert (row["chrom"], row["start"], row["end"], row["sample"], row["haplotype"]) == ("chr2", 0, 998, "NA1", "2")


def test_intervals_from_other_hands(tmp_path: Path) -> None:
    path = tmp_path / "x.bed.gz"
    lines = [
        "browser position chr1:1-100",
        "track name=x",
        "",
        "#a comment",
        "chr1\t5\t9\tn\t0\t.\tS\t1\t0.25\tmore",
        "chr1\t5\t9\tn\t0\t.\tS\t2",
        "#chrom\tstart\tend\thaplotype\tsample\tposterior",
        "chr2\t1\t2\tmat\tT\t0.5",
        "#chrom\tstart\tend\tsample\thaplotype",
        "chr3\t1\t2\tU\t9",
    ]
    path.write_bytes(gzip.compress("\r\n".join(lines).encode()))
    assert formats.read_intervals(path) == [
        (Interval("chr1", 5, 9, "S", "1"), 0.25),
        (Interval("chr1", 5, 9, "S", "2"), 1.0),
        (Interval("chr2", 1, 2, "T", "mat"), 0.5),
        (Interval("chr3", 1, 2, "U", "9"), 1.0),
    ]
    assert formats.line_of(path, Interval("chr2", 0, 2, "T", "mat")) == 8
    assert formats.line_of(path, Interval("chr2", 0, 3, "T", "mat")) is None


GOOD = "chr1\t5\t9\tn\t0\t.\tS\t1\t0.5\n"


@pytest.mark.parametrize(
    ("content", "said", "line"),
    [
        ("", "is empty", None),
        (f"{GOOD}chr1\t5\t9\n", "has 3 tab-separated columns, sample and haplotype", 2),
        (f"{GOOD}chr1 5 9 n 0 . S 1\n", "has 1 tab-separated columns", 2),
        (f"{GOOD}{GOOD.replace('5', 'five', 1)}", "'five' is not a position", 2),
        (f"{GOOD}{GOOD.replace('9', '5', 1)}", "5 to 5 is not an interval", 2),
        (GOOD.replace("5", "-5", 1), "-5 to 9 is not an interval", 1),
        (GOOD.replace("0.5", "high"), r"'high' is not a posterior", 1),
        (GOOD.replace("0.5", "1.5"), r"'1.5' is not a posterior", 1),
        (GOOD.replace("0.5", "nan"), r"'nan' is not a posterior", 1),
        ("#chrom\tstart\tend\tname\n", "the header has no columns sample and haplotype", 1),
        (b"chr1\xff\xfe\x00\n", "is not text", 1),
        (gzip.compress(GOOD.encode() * 99, mtime=0)[:-9], "truncated", None),
    ],
)
def test_wrong_intervals(tmp_path: Path, content, said: str, line) -> None:
    path = tmp_path / "x.bed"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=said) as error:
        formats.read_intervals(path)
    assert (error.value.path, error.value.line) == (str(path), line)


HEADER = "#chrom\tstart\tend\tsample\thaplotype\tposterior\n"
ROW = "1\t0\t1000\tS\t1\t0.5\n"


def test_names_that_look_like_numbers_stay_names(tmp_path: Path) -> None:
    path = tmp_path / "x.tsv"
    path.write_text(HEADER + ROW.replace("S", "007") + ROW.replace("S", "NA"))
    table = formats.read_posteriors(path)
    assert table["sample"].tolist() == ["007", "NA"]
    assert table["chrom"].tolist() == table["haplotype"].tolist() == ["1", "1"]


@pytest.mark.parametrize(
    ("content", "said", "line"),
    [
        ("", "is not a posterior table", None),
        (HEADER, "holds no bin", None),
        (ROW * 3, "has no column chrom, start, end, sample, haplotype, posterior", 1),
        (HEADER.replace("sample", "name") + ROW, "has no column sample", 1),
        (HEADER + ROW + ROW.replace("0.5", "x"), "is not a line of a posterior table", 3),
        (HEADER + ROW + ROW.replace("0.5", "1.01"), "is not a line of a posterior table", 3),
        (HEADER + ROW + ROW.replace("0.5", ""), "is not a line of a posterior table", 3),
        (HEADER + ROW + "\n" + ROW, "is not a line of a posterior table", 3),
        (HEADER + ROW + "#" + ROW, "is not a line of a posterior table", 3),
        (HEADER + ROW + ROW.replace("1000", "0"), "is not a line of a posterior table", 3),
        (HEADER + ROW.replace("\t0\t", "\t-1\t"), "is not a line of a posterior table", 2),
        (HEADER + ROW + "1\t0\n", "is not a line of a posterior table", 3),
        (HEADER + ROW + ROW[:-1] + "\tand\tmore\n", "is not a posterior table", None),
        (b"\x89PNG\r\n\x1a\n\x00\xff" * 9, "posterior table|has no column", ...),
        (gzip.compress((HEADER + ROW * 999).encode(), mtime=0)[:-9], "truncated", None),
    ],
)
def test_wrong_posteriors(tmp_path: Path, content, said: str, line) -> None:
    path = tmp_path / "x.tsv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=said) as error:
        formats.read_posteriors(path)
    assert error.value.path == str(path)
    assert line is ... or error.value.line == line
    assert "\n" not in str(error.value)


def test_masks(tmp_path: Path) -> None:
    path = tmp_path / "mask.bed.gz"
    text = "#x\ntrack a\n2\t50\t60\tname\n1\t30\t40\n1\t5\t9\n\n1\t9\t12\n1\t6\t7\n"
    path.write_bytes(gzip.compress(text.encode()))
    mask = formats.read_bed(path)
    assert mask == {"2": [(50, 60)], "1": [(5, 12), (30, 40)]}
    assert (mask.path, mask.last_lines) == (str(path), {"2": 3, "1": 4})


@pytest.mark.parametrize(
    ("content", "said", "line"),
    [
        (b"", "holds no interval", None),
        (b"#chrom\tstart\tend\n", "holds no interval", None),
        (b"1\t5\t9\n1\t5\n", "has fewer than 3 tab-separated columns", 2),
        (b"1 5 9\n", "has fewer than 3 tab-separated columns", 1),
        (b"1\t5\t9\n1\t9\t5\n", "9 to 5 is not an interval", 2),
        (b"1\t5\t9\n1\tx\t5\n", "'x' is not a position", 2),
        (b"\xff\xfe\n", "is not text", 1),
    ],
)
def test_wrong_masks(tmp_path: Path, content: bytes, said: str, line) -> None:
    path = tmp_path / "mask.bed"
    path.write_bytes(content)
    with pytest.raises(InputError, match=said) as error:
        formats.read_bed(path)
    assert (error.value.path, error.value.line) == (str(path), line)


@pytest.mark.parametrize(
    "text", ["1e30", "0.7", "701e40000", "inf", "1_000", " 1000", "1000 ", "+1000", "١٠٠٠", "2147483648", "9" * 400]
)
@pytest.mark.parametrize("column", ["start", "end"])
def test_positions_that_only_pandas_or_python_takes_for_numbers(tmp_path: Path, column: str, text: str) -> None:
    table, bed = tmp_path / "x.tsv", tmp_path / "x.bed"
    start, end = (text, "2147483647") if column == "start" else ("0", text)
    table.write_text(f"{HEADER}1\t{start}\t{end}\tS\t1\t0.5\n")
    bed.write_text(f"1\t{start}\t{end}\tn\t0\t.\tS\t1\n")
    for read, path, line in (
        (formats.read_posteriors, table, 2),
        (formats.read_bed, bed, 1),
        (formats.read_intervals, bed, 1),
    ):
        with pytest.raises(InputError) as error:
            read(path)
        assert (error.value.path, error.value.line) == (str(path), line)


@pytest.mark.parametrize(
    "text", ["1e-999x", "nan", "inf", "NA", "", " 0.5", "0.5 ", "+0.5", "0_1", "٠", "-0.1", "1.0001", "True", '"0.5"']
)
def test_posteriors_that_only_pandas_or_python_takes_for_numbers(tmp_path: Path, text: str) -> None:
    table, bed = tmp_path / "x.tsv", tmp_path / "x.bed"
    table.write_text(f"{HEADER}{ROW}1\t1000\t2000\tS\t1\t{text}\n")
    bed.write_text(f"1\t5\t9\tn\t0\t.\tS\t1\t{text}\n")
    for read, path, line in ((formats.read_posteriors, table, 3), (formats.read_intervals, bed, 1)):
        with pytest.raises(InputError) as error:
            read(path)
        assert (error.value.path, error.value.line) == (str(path), line)


def test_the_greatest_position_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("1\t2147483646\t2147483647\tn\t0\t.\tS\t1\n")
    assert formats.read_bed(path) == {"1": [(2147483646, 2147483647)]}
    assert formats.read_intervals(path)[0][0][1:3] == (2147483646, 2147483647)
    path.write_text(f"{HEADER}1\t2147483646\t2147483647\tS\t1\t1e-3\n")
    (row,) = formats.read_posteriors(path).itertuples(index=False)
    assert tuple(row) == ("1", 2147483646, 2147483647, "S", "1", 1e-3)


def test_posteriors_of_many_lines_keep_their_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "_CHUNK", 7)
    path = tmp_path / "x.tsv"
    rows = [f"{1 + k // 9}\t{1000 * k}\t{1000 * k + 1000}\tS{k % 3}\t{k % 2}\t0.{k:02}\n" for k in range(40)]
    path.write_text(HEADER + "".join(rows))
    table = formats.read_posteriors(path)
    assert ["\t".join(map(str, row)) for row in table.drop(columns="posterior").itertuples(index=False)] == [
        row.rpartition("\t")[0] for row in rows
    ]
    assert table["posterior"].tolist() == [k / 100 for k in range(40)]
    for line, wrong in ((2, "x"), (8, "2"), (9, ""), (41, "-1")):
        changed = list(rows)
        changed[line - 2] = changed[line - 2].rpartition("\t")[0] + f"\t{wrong}\n"
        path.write_text(HEADER + "".join(changed))
        with pytest.raises(InputError, match=rf":{line}: is not a line"):
            formats.read_posteriors(path)
    changed = [*rows[:30], rows[30].replace("S0", "S0 "), *rows[31:]]
    path.write_text(HEADER + "".join(changed))
    with pytest.raises(InputError, match=":32: the sample 'S0 ' begins or ends with white space"):
        formats.read_posteriors(path)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("1\t0\t10\tS\t1\t0\n1\t9\t12\tS\t1\t0\n", ":3: overlaps the bin of line 2"),
        ("1\t9\t12\tS\t1\t0\n2\t0\t10\tS\t1\t0\n1\t0\t10\tS\t1\t0\n", ":4: overlaps the bin of line 2"),
        ("1\t0\t10\tS\t1\t0\n" * 2, ":3: overlaps the bin of line 2"),
        ("1\t0\t10\tS\t1\t0\n1\t10\t12\tS\t1\t0\n1\t0\t10\tS\t2\t0\n1\t0\t10\tT\t1\t0\n2\t0\t10\tS\t1\t0\n", None),
    ],
)
def test_bins_of_a_haplotype_do_not_overlap(tmp_path: Path, lines: str, said: str | None) -> None:
    path = tmp_path / "x.tsv"
    path.write_text(HEADER + lines)
    if said is None:
        assert len(formats.read_posteriors(path)) == 5
        return
    with pytest.raises(InputError, match=said):
        formats.read_posteriors(path)


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (HEADER[:-1] + "\tstart\n", "has the column start twice"),
        (HEADER[:-1] + "\tx" * 40_000 + "\n", "its first line is too long"),
        ("\n" + HEADER, "it has no header"),
    ],
)
def test_headers_of_posteriors(tmp_path: Path, header: str, said: str) -> None:
    path = tmp_path / "x.tsv"
    path.write_text(header + ROW)
    with pytest.raises(InputError, match=said):
        formats.read_posteriors(path)


def test_lines_with_more_columns_than_the_header(tmp_path: Path) -> None:
    path = tmp_path / "x.tsv"
    for count in (1, 2, 5000):
        path.write_text(HEADER + ROW[:-1] + "\tx" * count + "\n" + ROW)
        with pytest.raises(InputError, match=":2: has more columns than the header"):
            formats.read_posteriors(path)


def test_other_columns_and_line_ends_of_posteriors(tmp_path: Path) -> None:
    path = tmp_path / "x.tsv"
    text = HEADER[:-1] + "\tx\tx\n" + ROW[:-1] + '\t"\t\n' + ROW.replace("\tS\t", "\tT\t")[:-1] + '\t"\t1\n'
    for end in ("\n", "\r\n", "\r"):
        path.write_bytes(text.replace("\n", end).encode())
        assert formats.read_posteriors(path)["sample"].tolist() == ["S", "T"]


@pytest.mark.parametrize("letter", ["\x1b", "\x00", "\x7f", "\x9b", "\x1f"])
def test_names_hold_no_control_characters(tmp_path: Path, letter: str) -> None:
    path = tmp_path / "x"
    for line in (f"a{letter}b\t1\t2\tn\t0\t.\tS\t1\n", f"c\t1\t2\tn\t0\t.\ta{letter}b\t1\n"):
        path.write_text(line)
        with pytest.raises(InputError, match=r":1: the .* holds the control character .x"):
            formats.read_intervals(path)
    path.write_text(f"{HEADER}{ROW}{ROW.replace('S', f'a{letter}b')}")
    with pytest.raises(InputError, match=r":3: (the sample|a field) holds the control character .x"):
        formats.read_posteriors(path)


@pytest.mark.parametrize("name", ["a\tb", "a\x1b[1m", "a\n", "a b", "a|b", "", "unknown", "modern"])
def test_a_source_whose_name_would_not_stay_in_its_column_is_refused(name) -> None:
    """They name columns, and stand in two; so they are checked where they come in."""
    for door in (lambda: FastaDoor(["q"], {name: "p"}, "o"), lambda: VcfDoor("v", "t", "o", {name: "a"})):
        with pytest.raises(SettingError, match="a source cannot be called"):
            door()


def test_a_model_with_control_characters_in_its_name_keeps_the_header_whole() -> None:
    stream = io.StringIO()
    formats.write_segments(stream, SEGMENTS[:1], SOURCES, stamp=formats.model_stamp("m\x1b x", "0" * 64))
    stamp, header, line, rest = stream.getvalue().split("\n")
    assert (len(line.split("\t")), len(header.split("\t")), rest) == (15, 15, "")
    assert ";model=m\\x1b_x;" in stamp


def test_a_sequence_whose_lines_would_be_comments_is_refused() -> None:
    block = blocks()[2]
    block.chrom = "#1"
    block.callable = np.zeros_like(block.posterior)
    stream = io.StringIO()
    for write in (
        lambda: formats.write_segments(stream, [SEGMENTS[0]._replace(chrom="#1")], "x"),
        lambda: exports.write_track(stream, [SEGMENTS[0]._replace(chrom="#1")], ["nea"]),
        lambda: formats.write_truth(stream, [TRUTH[0]._replace(chrom="#1")]),
        lambda: formats.write_posteriors(stream, block, 1000),
        lambda: formats.BedGraphCollector(1000).add(block),
        lambda: formats.UnknownCollector(1000).add(block),
    ):
        with pytest.raises(InputError, match="#1: a sequence whose name begins with '#' cannot be written"):
            write()


SHARES = (
    "#chrom\tstart\tend\tsample\thaplotype\tposterior\tposterior_a\tposterior_unknown\tcallable\n"
    "c\t0\t10\tS\t1\t0.5\t0.25\t0.2500\tx\nc\t10\t20\tS\t1\t1\t0\t1e-1\ty\n"
)


def test_posteriors_of_each_source_are_read_if_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "p.tsv"
    path.write_text(SHARES)
    usual = ["chrom", "start", "end", "sample", "haplotype", "posterior"]
    assert sorted(formats.read_posteriors(path)) == sorted(usual)
    table = formats.read_posteriors(path, by_source=True)
    assert sorted(table) == sorted([*usual, "posterior_a", "posterior_unknown"])
    assert table["posterior_a"].tolist() == [0.25, 0]
    assert table["posterior_unknown"].tolist() == [0.25, 0.1]
    for old, new, said, line in [
        ("\t0\t1e-1", "\t1.5\t1e-1", "is not a line of a posterior table", 3),
        ("0.2500", "-0.1", "is not a line of a posterior table", 2),
        ("0.25\t", "nan\t", "is not a line of a posterior table", 2),
        ("posterior_unknown", "posterior_a", "has the column posterior_a twice", 1),
    ]:
        path.write_text(SHARES.replace(old, new))
        assert len(formats.read_posteriors(path)) == 2
        with pytest.raises(InputError, match=said) as error:
            formats.read_posteriors(path, by_source=True)
        assert error.value.line == line


def test_a_file_that_names_sources_says_which(tmp_path: Path) -> None:
    path = tmp_path / "t.bed"
    header = "#chrom\tstart\tend\tname\tscore\tstrand\tsample\thaplotype"
    for columns, sources, name in [
        ("", None, "n"),
        ("\tsource", (), "a"),
        ("\tsource\tposterior_a\tposterior_b", ("a", "b"), "a"),
    ]:
        path.write_text(f"{header}{columns}\nc\t1\t9\tn\t0\t.\tS\t1\ta\t0\t1\n")
        (entry,) = formats.read_numbered_intervals(path)
        assert (entry.sources, entry.source) == (sources, name)
    stream = io.StringIO()
    tract = Interval("c", 5, 9, "S", "1")
    formats.write_truth_by_source(stream, {"b": [tract], "a": [tract._replace(start=6), tract._replace(start=2)]})
    assert stream.getvalue() == (
        f"{header}\tsource\nc\t2\t9\ta\t1000\t.\tS\t1\ta\nc\t5\t9\tb\t1000\t.\tS\t1\tb\nc\t6\t9\ta\t1000\t.\tS\t1\ta\n"
    )
    with pytest.raises(InputError, match="begins with '#'"):
        formats.write_truth_by_source(stream, {"a": [tract._replace(chrom="#1")]})
