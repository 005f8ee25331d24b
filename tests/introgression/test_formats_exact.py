"""Files of the pipeline, letter by letter, and values at the border of what is read."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path

import numpy as np
import pytest

from genolstm.errors import InputError
from genolstm.introgression.formats import (
    BedGraphCollector,
    line_of,
    read_bed,
    read_intervals,
    read_posteriors,
    segments_frame,
    write_posteriors,
    write_segments,
    write_truth,
)
from genolstm.introgression.segments import Interval, PosteriorBlock, Segment
from genolstm.introgression.settings import SimulationSettings
from genolstm.introgression.simulate import SimulatedRegion
from genolstm.runs.simulate import SIMULATION_FILES, write_simulation


def block_of(rows, *, chrom="c", first_bin=0, length=None, last=True, names=None) -> PosteriorBlock:
    posterior = np.atleast_2d(np.asarray(rows, dtype=np.float32))
    names = names or [("S", str(h + 1)) for h in range(len(posterior))]
    return PosteriorBlock(chrom, names, first_bin, posterior, posterior, posterior, length, last)


def refused(read, path: Path, text: str) -> tuple[str, int | None]:
    path.write_text(text)
    with pytest.raises(InputError) as error:
        read(path)
    assert error.value.path == str(path)
    return error.value.reason, error.value.line


# ---------------------------------------------------------------- writing


def test_segments_and_truth() -> None:
    stream = io.StringIO()
    write_segments(stream, [Segment("c", 5, 9, "S", "1", 0.12345, 7, 3, "x", (0.1, 0.02345))], ("x", "unknown"))
    write_truth(stream, [Interval("c", 5, 9, "S", "2")], "y")
    write_truth(stream, [])
    truth_header = "#chrom\tstart\tend\tname\tscore\tstrand\tsample\thaplotype\n"
    assert stream.getvalue() == (
        "#chrom\tstart\tend\tname\tscore\tstrand\tsample\thaplotype\tposterior\tn_sites\tn_match"
        "\tsource\tposterior_x\tposterior_unknown\n"
        "c\t5\t9\tx_0001\t123\t.\tS\t1\t0.1235\t7\t3\tx\t0.1000\t0.0234\n"
        f"{truth_header}c\t5\t9\ty\t1000\t.\tS\t2\n{truth_header}"
    )


def test_a_frame_of_segments_rounds_the_score() -> None:
    rows = [Segment("c", 5, 9, "S", "1", p, 7, 3, "x", (p, 0.0)) for p in (0.1234, 0.9996, 0.5)]
    found = segments_frame(rows, ("x", "unknown"))
    assert found["score"].tolist() == [123, 1000, 500]
    assert set(found["strand"]) == {"."}
    assert found["name"].tolist() == ["x_0001", "x_0002", "x_0003"]
    columns = "chrom start end name score strand sample haplotype posterior n_sites n_match source"
    columns += " posterior_x posterior_unknown"
    assert found.columns.tolist() == columns.split()


def test_the_farthest_line_of_a_mask_is_known_for_one_base_too(tmp_path: Path) -> None:
    path = tmp_path / "m.bed"
    path.write_text("c\t0\t1\nd\t3\t9\nd\t0\t2\n")
    assert read_bed(path).last_lines == {"c": 1, "d": 2}


@pytest.mark.parametrize(("length", "end"), [(None, 5000), (4600, 4600), (5000, 5000), (9000, 5000)])
def test_posteriors_come_bin_by_bin_up_to_the_end(length: int | None, end: int) -> None:
    stream = io.StringIO()
    write_posteriors(stream, block_of([[0.25, 1], [0, 0.00006]], first_bin=3, length=length), 1000)
    assert stream.getvalue() == (
        "c\t3000\t4000\tS\t1\t0.2500\nc\t3000\t4000\tS\t2\t0.0000\n"
        f"c\t4000\t{end}\tS\t1\t1.0000\nc\t4000\t{end}\tS\t2\t0.0001\n"
    )


def test_a_bedgraph_joins_equal_neighbours_and_keeps_haplotypes_apart() -> None:
    collector = BedGraphCollector(10)
    collector.add(block_of([[0.5, 0.5, 0.25], [0, 0, 0]], first_bin=2, last=False))
    collector.add(block_of([[0.25], [1]], first_bin=5, length=57))
    collector.add(block_of([0.0004], chrom="d", names=[("S", "2")]))
    stream = io.StringIO()
    collector.write(stream)
    rest = 'description="posterior of archaic ancestry" viewLimits=0:1 autoScale=off\n'
    assert stream.getvalue() == (
        f'track type=bedGraph name="S haplotype 1" {rest}'
        "c\t20\t40\t0.500\nc\t40\t50\t0.250\nc\t50\t57\t0.250\n"
        f'track type=bedGraph name="S haplotype 2" {rest}'
        "c\t20\t50\t0.000\nc\t50\t57\t1.000\nd\t0\t10\t0.000\n"
    )


# ---------------------------------------------------------------- intervals


def test_intervals_at_the_border_of_what_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.bed"
    path.write_text("c\t0\t1\tn\t0\t.\tS\t1\t0\nc\t7\t8\tn\t0\t.\tS\t1\t1\nc\t9\t10\tn\t0\t.\tS\t2\n")
    assert read_intervals(path) == [
        (Interval("c", 0, 1, "S", "1"), 0.0),
        (Interval("c", 7, 8, "S", "1"), 1.0),
        (Interval("c", 9, 10, "S", "2"), 1.0),
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("c\t1\t2\tn\t0\t.\tS", "has 7 tab-separated columns, sample and haplotype are missing"),
        ("c\t-1\t2\tn\t0\t.\tS\t1", "-1 to 2 is not an interval (0-based, half-open)"),
        ("c\t2\t2\tn\t0\t.\tS\t1", "2 to 2 is not an interval (0-based, half-open)"),
        ("c\t1.0\t2\tn\t0\t.\tS\t1", "'1.0' is not a position"),
        ("c\t1\tx\tn\t0\t.\tS\t1", "'x' is not a position"),
        ("c\t1\t2\tn\t0\t.\tS\t1\t-0.01", "'-0.01' is not a posterior (0 to 1)"),
        ("c\t1\t2\tn\t0\t.\tS\t1\t1.01", "'1.01' is not a posterior (0 to 1)"),
        ("c\t1\t2\tn\t0\t.\tS\t1\t", "'' is not a posterior (0 to 1)"),
    ],
)
def test_intervals_beyond_it(tmp_path: Path, line: str, reason: str) -> None:
    good = "c\t0\t1\tn\t0\t.\tS\t1\t0\n"
    assert refused(read_intervals, tmp_path / "x.bed", f"{good}{line}\n{good}") == (reason, 2)


@pytest.mark.parametrize("absent", ["sample", "haplotype"])
def test_a_header_has_to_name_both_columns(tmp_path: Path, absent: str) -> None:
    names = [n for n in ("chrom", "start", "end", "sample", "haplotype", "posterior") if n != absent]
    text = "#a comment\n#" + "\t".join(names) + "\n"
    reason = "the header has no columns sample and haplotype"
    assert refused(read_intervals, tmp_path / "x.bed", text) == (reason, 2)


def test_a_file_of_comments_holds_no_intervals_but_is_not_empty(tmp_path: Path) -> None:
    path = tmp_path / "x.bed"
    path.write_text("#\n")
    assert read_intervals(path) == []
    assert refused(read_intervals, path, "") == ("is empty", None)


def test_the_line_of_a_tract_is_the_first_that_names_all_of_it(tmp_path: Path) -> None:
    path = tmp_path / "x.bed"
    rows = ["c\t0\t7\tS\t1", "d\t0\t9\tS\t1", "c\t0\t9\tT\t1", "c\t0\t9\tS\t2", "c\t0\t9\tS\t1", "c\t5\t9\tS\t1"]
    path.write_text("\n".join(rows) + "\n")
    assert line_of(path, Interval("c", 0, 9, "S", "1")) == 5
    assert line_of(path, Interval("c", 0, 8, "S", "1")) is None


# ---------------------------------------------------------------- posteriors

HEADER = "#chrom\tstart\tend\tsample\thaplotype\tposterior\n"


def test_posteriors_at_the_border_of_what_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.tsv"
    path.write_text(f"{HEADER}c\t0\t1\tS\t1\t0\nc\t1\t2\tS\t1\t1\n")
    table = read_posteriors(path)
    assert table["posterior"].tolist() == [0, 1]
    assert table["start"].tolist() == [0, 1]
    assert (table["start"].dtype, table["end"].dtype) == (np.int64, np.int64)
    assert {str(table[c].dtype) for c in ("chrom", "sample", "haplotype")} == {"category"}


@pytest.mark.parametrize(
    "row",
    [
        "c\t5\t5\tS\t1\t0.5",
        "c\t6\t5\tS\t1\t0.5",
        "c\t-1\t5\tS\t1\t0.5",
        "c\t0\t5\tS\t1\t-0.001",
        "c\t0\t5\tS\t1\t1.001",
        "\t0\t5\tS\t1\t0.5",
        "c\t0\t5\t\t1\t0.5",
        "c\t0\t5\tS\t\t0.5",
    ],
)
def test_the_first_wrong_line_of_posteriors_is_named(tmp_path: Path, row: str) -> None:
    good = "c\t0\t5\tS\t1\t0.5\n"
    text = f"{HEADER}{good}{good}{row}\n{good}{row}\n"
    assert refused(read_posteriors, tmp_path / "x.tsv", text) == ("is not a line of a posterior table", 4)


# ---------------------------------------------------------------- masks


def test_masks_are_merged_where_they_overlap_or_touch(tmp_path: Path) -> None:
    path = tmp_path / "mask.bed"
    path.write_text("c\t0\t5\nc\t20\t30\nc\t30\t31\nc\t22\t24\nc\t32\t33\nc\t5\t6\nd\t1\t2\n")
    mask = read_bed(path)
    assert mask == {"c": [(0, 6), (20, 31), (32, 33)], "d": [(1, 2)]}
    assert mask.last_lines == {"c": 5, "d": 7}
    # Of two lines that reach equally far, the first.
    path.write_text("c\t3\t9\nc\t0\t9\n\nc\t0\t4\textra\n")
    assert (read_bed(path), read_bed(path).last_lines) == ({"c": [(0, 9)]}, {"c": 1})


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("c\t1", "has fewer than 3 tab-separated columns"),
        ("c\t-1\t2", "-1 to 2 is not an interval (0-based, half-open)"),
        ("c\t2\t2", "2 to 2 is not an interval (0-based, half-open)"),
        ("c\t2\t1", "2 to 1 is not an interval (0-based, half-open)"),
        ("c\t2\tx", "'x' is not a position"),
    ],
)
def test_wrong_lines_of_a_mask(tmp_path: Path, line: str, reason: str) -> None:
    assert refused(read_bed, tmp_path / "mask.bed", f"#\nc\t0\t1\n{line}\n") == (reason, 3)


# ---------------------------------------------------------------- simulations


def region_by_hand() -> SimulatedRegion:
    """100 bp of C, with three variant sites, in one individual of each population."""
    reference = np.ones(100, dtype=np.int8)
    reference[99] = 3
    alleles = np.array([[0, 1, 1, 1, 0, 0], [1, 3, 0, 1, 3, 2], [3, 3, 3, 3, 3, 3]], dtype=np.int8)
    return SimulatedRegion(
        SimulationSettings(chrom="c7", length=100, n_target=1, n_outgroup=1, n_archaic=1),
        np.array([0, 80, 99]),
        alleles,
        ["T", "O", "N"],
        ["target", "outgroup", "archaic"],
        [Interval("c7", 10, 60, "T", "2")],
        reference,
    )


def unzipped(path: Path) -> str:
    return gzip.decompress(path.read_bytes()).decode()


def test_a_simulation_is_written_exactly_so(tmp_path: Path) -> None:
    paths = write_simulation(region_by_hand(), tmp_path)
    assert [path.name for path in paths] == list(SIMULATION_FILES)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(SIMULATION_FILES)
    assert {path.parent for path in paths} == {tmp_path}
    middle = "C" * 79
    # 80 letters a line: position 80 opens the second one.
    assert unzipped(tmp_path / "target.fa.gz") == (
        f">T#1#c7\nA{middle}\nC{'C' * 18}T\n>T#2#c7\nC{middle}\nT{'C' * 18}T\n"
    )
    assert unzipped(tmp_path / "outgroup.fa.gz") == (
        f">O#1#c7\nC{middle}\nA{'C' * 18}T\n>O#2#c7\nC{middle}\nC{'C' * 18}T\n"
    )
    assert unzipped(tmp_path / "archaic.fa.gz") == (
        f">N#1#c7\nA{middle}\nT{'C' * 18}T\n>N#2#c7\nA{middle}\nG{'C' * 18}T\n"
    )
    for role, name in (("target", "T"), ("outgroup", "O"), ("archaic", "N")):
        assert (tmp_path / f"{role}.txt").read_text() == f"{name}\n"
    assert (tmp_path / "truth.bed").read_text() == (
        "#chrom\tstart\tend\tname\tscore\tstrand\tsample\thaplotype\nc7\t10\t60\tarchaic\t1000\t.\tT\t2\n"
    )
    summary = json.loads((tmp_path / "simulation.json").read_text())
    assert (summary["sites"], summary["tracts"], summary["archaic_fraction"]) == (3, 1, 0.25)
    assert unzipped(tmp_path / "region.vcf.gz") == (
        "##fileformat=VCFv4.2\n##source=genolstm simulate\n##contig=<ID=c7,length=100>\n"
        '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">\n'
        "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tT\tO\tN\n"
        "c7\t1\t.\tC\tA\t.\tPASS\t.\tGT\t1|0\t0|0\t1|1\n"
        "c7\t81\t.\tC\tA,G,T\t.\tPASS\t.\tGT\t0|3\t1|0\t3|2\n"
        "c7\t100\t.\tT\t.\t.\tPASS\t.\tGT\t0|0\t0|0\t0|0\n"
    )


def test_a_simulation_replaces_the_files_of_another(tmp_path: Path) -> None:
    for name in SIMULATION_FILES:
        (tmp_path / name).write_text("old")
    first = [path.read_bytes() for path in write_simulation(region_by_hand(), tmp_path)]
    assert b"old" not in first
    assert [path.read_bytes() for path in write_simulation(region_by_hand(), tmp_path)] == first


@pytest.mark.parametrize("first_bin", [0, 1, 2, 7])
def test_bins_before_the_end_of_a_sequence_are_whole(first_bin: int) -> None:
    stream = io.StringIO()
    write_posteriors(stream, block_of([0.5, 0.5, 0.5], first_bin=first_bin, last=False), 10)
    spans = [tuple(map(int, line.split("\t")[1:3])) for line in stream.getvalue().splitlines()]
    assert spans == [(10 * b, 10 * b + 10) for b in range(first_bin, first_bin + 3)]
