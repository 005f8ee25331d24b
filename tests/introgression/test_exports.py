"""Segments and posteriors in the formats of other tools, read by these tools."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from support import EXAMPLE

from genolstm.errors import MissingExtraError, OutputError, SettingError
from genolstm.introgression import exports
from genolstm.introgression.formats import BedGraphCollector, read_bed, read_intervals
from genolstm.introgression.segments import PosteriorBlock, Segment
from genolstm.introgression.settings import ScanSettings
from genolstm.runs.scan import VcfDoor, manifest_path, run
from genolstm.sequences import bigwig

SOURCES = ("nea", "den", "unknown")
SEGMENTS = [
    Segment("chr1", 0, 12_345, "NA1", "1", 0.98765, 12, 11, "nea", (0.9, 0.0, 0.08765)),
    Segment("chr1", 40_000, 40_001, "pop; a=b,c&d%\t", "2", 0.5, 1, 0, "unknown", (0.0, 0.0, 0.4999)),
    Segment("chr 2;>x", 7, 5_000_000, "NA 2", "hapB", 0.99996, 900, 899, "nea|den", (0.5, 0.49996, 0.0)),
]
NAMES = ["nea_0001", "unk_0001", "mix_0001"]
HMM = ScanSettings(baseline="hmm")


def program(*words: object) -> str:
    done = subprocess.run([str(word) for word in words], check=True, text=True, capture_output=True, timeout=60)
    assert done.stderr == ""
    return done.stdout


def needs(name: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(name) is None, reason=f"{name} is not installed")


def vcf(**more) -> VcfDoor:
    lists = {role: EXAMPLE / f"{role}.txt" for role in ("target", "outgroup", "archaic")}
    return VcfDoor(EXAMPLE / "region.vcf.gz", **{**lists, **more})


# --- GFF3 -----------------------------------------------------------------------------------------


def gff3() -> list[str]:
    stream = io.StringIO()
    exports.write_gff3(stream, SEGMENTS, SOURCES, lengths={"chr1": 50_000, "chr 2;>x": 6_000_000}, stamp="by=x")
    return stream.getvalue().splitlines()


def test_gff3_says_what_the_segments_say() -> None:
    lines = gff3()
    assert lines[:4] == [
        "##gff-version 3",
        "#by=x",
        "##sequence-region chr1 1 50000",
        "##sequence-region chr%202%3B%3Ex 1 6000000",
    ]
    rows = [line.split("\t") for line in lines[4:]]
    assert [len(row) for row in rows] == [9, 9, 9]
    for row, segment, name in zip(rows, SEGMENTS, NAMES, strict=True):
        assert unquote(row[0]) == segment.chrom
        assert row[1:3] == ["GenoLSTM", "introgressed_chromosome_region"]
        assert (int(row[3]) - 1, int(row[4])) == (segment.start, segment.end)
        assert row[5:8] == [f"{segment.posterior:.4f}", ".", "."]
        attributes = {unquote(k): unquote(v) for k, v in (part.split("=") for part in row[8].split(";"))}
        assert attributes == {
            "ID": name,
            "Name": name,
            "source": segment.source,
            "sample": segment.sample,
            "haplotype": segment.haplotype,
            "n_sites": str(segment.n_sites),
            "n_match": str(segment.n_match),
            **{f"posterior_{s}": f"{share:.4f}" for s, share in zip(SOURCES, segment.shares, strict=True)},
        }


@pytest.mark.parametrize("read", [read_bed, read_intervals])
def test_gff3_is_not_taken_for_bed(tmp_path: Path, read) -> None:
    path = tmp_path / "x.gff3"
    path.write_text("\n".join(gff3()) + "\n")
    with pytest.raises(Exception, match=r"x\.gff3:1: is GFF, and BED is needed"):
        read(path)


# --- a track --------------------------------------------------------------------------------------


def track(sources: tuple[str, ...] = SOURCES) -> list[str]:
    stream = io.StringIO()
    exports.write_track(stream, SEGMENTS, sources, stamp="by=x")
    return stream.getvalue().splitlines()


def test_a_track_is_bed9_with_colours() -> None:
    lines = track()
    head = [line for line in lines if line.startswith("#")]
    assert head == [
        "##by=x",
        "# nea: blue, 0,114,178",
        "# den: vermilion, 213,94,0",
        "# unknown: grey, 127,127,127",
        "# several sources possible: black, 0,0,0",
    ]
    line = lines[len(head)]
    description = "Archaic: nea blue, den vermilion, unknown grey"
    assert line == f'track name="archaic" description="{description}" visibility=2 itemRgb="On"'
    assert len(description) <= 60
    assert lines[len(head) + 1 :] == [
        "chr1\t0\t12345\tnea_0001:NA1#1\t988\t.\t0\t12345\t0,114,178",
        "chr1\t40000\t40001\tunk_0001:pop;_a=b,c&d%_#2\t500\t.\t40000\t40001\t127,127,127",
        "chr 2;>x\t7\t5000000\tmix_0001:NA_2#hapB\t1000\t.\t7\t5000000\t0,0,0",
    ]
    many = tuple(f"source{i}" for i in range(9))
    assert 'description="Archaic segments by source"' in track(many)[11]


def test_colours_are_stable_and_told_apart() -> None:
    few, many = exports.source_colours(["a", "b", "unknown"]), exports.source_colours([*"abcdefgh", "unknown"])
    assert {name: many[name] for name in few} == few
    assert many["h"] == many["a"]
    colours = {*exports.SOURCE_COLOURS, exports.UNKNOWN_COLOUR, exports.SEVERAL_COLOUR}
    assert len({colour.rgb for colour in colours}) == len(colours) == 9


# --- bigWig ---------------------------------------------------------------------------------------


def blocks() -> list[PosteriorBlock]:
    """chr2 in two blocks, of which one bin is unknown on one haplotype; chr10, on which a haplotype is absent."""
    names = [("A.1", "1"), ("B/2", "2.x")]
    callable_share = np.array([[1, 1, 0], [1, 1, 1]], dtype=np.float32)
    first = np.array([[0.25, 0.25, 0.02], [0.75, 0.75, 0.5]], dtype=np.float32)
    second = np.array([[0.5], [0.5]], dtype=np.float32)
    third = np.array([[0.125, 0.0], [np.nan, np.nan]], dtype=np.float32)

    def block(chrom, at, posterior, length, last, share=None):
        zero = np.zeros_like(posterior)
        return PosteriorBlock(chrom, names, at, posterior, zero, zero, length, last, share)

    return [
        block("chr2", 0, first, None, False, callable_share),
        block("chr2", 3, second, 3_400, True),
        block("chr10", 0, third, 2_000, True),
    ]


def collected() -> tuple[exports.MeanPosterior, exports.Lengths]:
    mean, lengths = exports.MeanPosterior(1000), exports.Lengths(1000)
    for block in blocks():
        mean.add(block)
        lengths.add(block)
    return mean, lengths


def test_the_mean_is_that_of_known_haplotypes() -> None:
    mean, lengths = collected()
    assert lengths.of == {"chr2": 3_400, "chr10": 2_000}
    assert list(mean.spans(lengths.of)) == [
        ("chr10", 0, 1000, 0.125),
        ("chr10", 1000, 2000, 0.0),
        ("chr2", 0, 3400, 0.5),
    ]


def test_bigwig_is_read_back(tmp_path: Path) -> None:
    library = pytest.importorskip("pybigtools")
    mean, lengths = collected()
    for name in ("x.bw", "x.part"):
        bigwig.write_bigwig(tmp_path / name, mean.spans(lengths.of), lengths.of, name=name)
    assert (tmp_path / "x.bw").read_bytes() == (tmp_path / "x.part").read_bytes()
    found = library.open(str(tmp_path / "x.bw"))
    assert found.chroms() == lengths.of
    assert found.info()["summary"]["basesCovered"] == 5_400
    assert [(a, b, round(value, 4)) for a, b, value in found.records("chr2")] == [(0, 3_400, 0.5)]
    # One of each haplotype, with the values of the bedGraph.
    collector = BedGraphCollector(1000)
    for block in blocks():
        collector.add(block)
    stream = io.StringIO()
    collector.write(stream)
    for (sample, haplotype), spans in collector.tracks(ordered=True):
        path = tmp_path / exports.bigwig_name(sample, haplotype)
        bigwig.write_bigwig(path, spans, lengths.of, name=path)
        own = stream.getvalue().split(f'name="{sample} haplotype {haplotype}"')[1].split("track")[0].splitlines()[1:]
        read = library.open(str(path))
        lines = [
            f"{chrom}\t{start}\t{end}\t{value:.3f}"
            for chrom in read.chroms()
            for start, end, value in read.records(chrom)
        ]
        assert sorted(lines) == sorted(own)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["A.1.1.bw", "B%2F2.2%2Ex.bw", "x.bw", "x.part"]


def test_no_two_haplotypes_share_a_bigwig() -> None:
    names = [("a.1", "2"), ("a", "1.2"), ("a/1", "2"), ("a%2F1", "2"), ("..", "."), ("é", "1")]
    files = [exports.bigwig_name(*name) for name in names]
    assert len(set(files)) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9.%_~-]+\.bw", file) for file in files)


@pytest.mark.parametrize(
    "spans",
    [[("c", 0, 100, 0.5), ("c", 50, 120, 0.25)], [("d", 0, 10, 0.5)], [("c", 0, 10, 0.5), ("c", 900, 2000, 1.0)]],
)
def test_a_bigwig_that_is_not_whole_is_an_error(tmp_path: Path, spans, capfd) -> None:
    """The library tells of it on stderr, and goes on."""
    pytest.importorskip("pybigtools")
    with pytest.raises(OutputError, match=r"mine\.bw: cannot be written"):
        bigwig.write_bigwig(tmp_path / "x.bw", spans, {"c": 1000}, name="mine.bw")


def test_what_ends_the_values_of_a_bigwig_is_not_lost(tmp_path: Path, capfd) -> None:
    pytest.importorskip("pybigtools")

    def spans():
        yield "c", 0, 10, 0.5
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bigwig.write_bigwig(tmp_path / "x.bw", spans(), {"c": 1000}, name="x.bw")


def test_without_the_library(monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pybigtools", None)
    with pytest.raises(MissingExtraError, match=r'needs pybigtools.*pip install "genolstm\[bigwig\]"'):
        run(vcf(), output="-", bigwig="x.bw")


# --- a scan -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def scanned(tmp_path_factory) -> Path:
    """The example with every format, and once more as BED."""
    pytest.importorskip("pybigtools")
    folder = tmp_path_factory.mktemp("scan")
    run(vcf(), output=folder / "x.bed.gz", bedgraph=folder / "b.bedgraph", settings=HMM, index=True)
    run(
        vcf(),
        output=folder / "y.gff3.gz",
        track=folder / "t.bed",
        bigwig=folder / "m.bigWig",
        bigwig_haplotypes=folder / "each",
        settings=HMM,
        index=True,
    )
    return folder


def rows_of(path: Path) -> list[list[str]]:
    text = gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text()
    return [line.split("\t") for line in text.splitlines() if not line.startswith(("#", "track"))]


def test_all_formats_hold_the_same_segments(scanned: Path) -> None:
    bed = rows_of(scanned / "x.bed.gz")
    assert len(bed) > 3
    assert [(r[0], int(r[3]) - 1, int(r[4])) for r in rows_of(scanned / "y.gff3.gz")] == [
        (r[0], int(r[1]), int(r[2])) for r in bed
    ]
    assert [row[:3] for row in rows_of(scanned / "t.bed")] == [row[:3] for row in bed]
    # One id each, everywhere.
    ids = [row[3] for row in bed]
    assert len(set(ids)) == len(ids)
    assert [row[3].split(":")[0] for row in rows_of(scanned / "t.bed")] == ids
    assert [row[8].split(";")[:2] for row in rows_of(scanned / "y.gff3.gz")] == [[f"ID={i}", f"Name={i}"] for i in ids]
    assert json.loads((scanned / "y.json").read_text())["counts"]["segments"] == len(bed)
    text = gzip.decompress((scanned / "y.gff3.gz").read_bytes()).decode()
    assert text.splitlines()[0] == "##gff-version 3"
    assert "##sequence-region chr21 1 600000\n" in text


def test_what_is_gathered_as_gff3_is_what_a_scan_writes(scanned: Path, tmp_path: Path) -> None:
    from genolstm.runs.gather import run as gather

    assert gather([scanned / "x.bed.gz"], tmp_path / "g.gff3.gz") == len(rows_of(scanned / "x.bed.gz"))
    scan, own = (gzip.decompress(path.read_bytes()) for path in (scanned / "y.gff3.gz", tmp_path / "g.gff3.gz"))
    # But for the lengths of sequences, which segments do not tell.
    assert own == scan.replace(b"##sequence-region chr21 1 600000\n", b"")


@needs("bedtools")
def test_bedtools_reads_gff3_and_the_track(scanned: Path) -> None:
    bed = rows_of(scanned / "x.bed.gz")
    for name in ("y.gff3.gz", "t.bed"):
        found = program("bedtools", "intersect", "-u", "-a", scanned / name, "-b", scanned / "x.bed.gz").splitlines()
        assert [line.split("\t") for line in found] == rows_of(scanned / name)
        # To the base: nothing is left of either when the other is taken away.
        assert program("bedtools", "subtract", "-a", scanned / name, "-b", scanned / "x.bed.gz") == ""
        assert program("bedtools", "subtract", "-a", scanned / "x.bed.gz", "-b", scanned / name) == ""
    start, end = min(int(row[1]) for row in bed), max(int(row[2]) for row in bed)
    assert end - start < 600_000


@needs("tabix")
def test_tabix_reads_bed_and_gff3(scanned: Path) -> None:
    start, end = (int(text) for text in rows_of(scanned / "x.bed.gz")[0][1:3])
    for name, last in (("x.bed.gz", 3), ("y.gff3.gz", 5)):
        for place in (
            f"chr21:{start + 1}-{start + 1}",
            f"chr21:{end}-{end}",
            f"chr21:{start}-{start}",
            "chr21:1-600000",
        ):
            low, high = (int(text) for text in place[6:].split("-"))
            expected = [
                row
                for row in rows_of(scanned / name)
                if int(row[last - 1]) >= low and int(row[last - 2]) + (last == 3) <= high
            ]
            found = program("tabix", scanned / name, place).splitlines()
            assert [line.split("\t") for line in found] == expected, (name, place)
    assert program("tabix", "-H", scanned / "y.gff3.gz").startswith("##gff-version 3\n")


def of_bins(bigwig) -> np.ndarray:
    found = np.full(600, np.nan)
    for start, end, value in bigwig.records("chr21"):
        found[start // 1000 : -(-end // 1000)] = value
    return found


def test_bigwigs_hold_the_posteriors(scanned: Path) -> None:
    library = pytest.importorskip("pybigtools")
    total = np.zeros(600)
    files = sorted((scanned / "each").iterdir())
    assert [path.name for path in files] == [f"CEU{i}.{h}.bw" for i in range(3) for h in (1, 2)]
    graph: dict[str, np.ndarray] = {}
    for line in (scanned / "b.bedgraph").read_text().splitlines():
        if line.startswith("track"):
            values = graph[re.search(r'name="(.*) haplotype (.*?)"', line)[0]] = np.zeros(600)
        else:
            _, start, end, value = line.split("\t")
            values[int(start) // 1000 : -(-int(end) // 1000)] = float(value)
    for path, values in zip(files, graph.values(), strict=True):
        own = of_bins(library.open(str(path)))
        np.testing.assert_allclose(own, values, atol=1e-6)
        total += own
    mean = library.open(str(scanned / "m.bigWig"))
    assert mean.chroms() == {"chr21": 600_000}
    np.testing.assert_allclose(of_bins(mean), total / 6, atol=1e-3)
    assert sorted(path.name for path in scanned.iterdir()) == [
        *("b.bedgraph", "each", "m.bigWig", "t.bed", "x.bed.gz", "x.bed.gz.tbi", "x.json"),
        *("y.gff3.gz", "y.gff3.gz.tbi", "y.json"),
    ]


def test_a_bigwig_without_a_value_is_not_written(tmp_path: Path) -> None:
    """The format has no such file; the scan goes on, and says so."""
    pytest.importorskip("pybigtools")
    (tmp_path / "mask.bed").write_text("chr21\t0\t600000\n")
    door = vcf(exclude_mask=tmp_path / "mask.bed")
    said = run(door, output=tmp_path / "x.bed", bigwig=tmp_path / "m.bw", settings=HMM)
    warning = f"warning: {tmp_path / 'm.bw'} was not written, as nothing is known of any bin"
    assert warning in said
    # The manifest names no folder.
    assert warning.replace(f"{tmp_path}/", "") in json.loads((tmp_path / "x.json").read_text())["warnings"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mask.bed", "x.bed", "x.json"]


def test_pandas_reads_the_columns_as_they_are(scanned: Path) -> None:
    """The lines of the documentation."""
    import pandas as pd

    table = pd.read_csv(scanned / "x.bed.gz", sep="\t", skiprows=1).rename(columns={"#chrom": "chrom"})
    assert list(table.columns[:8]) == ["chrom", "start", "end", "name", "score", "strand", "sample", "haplotype"]
    assert table["start"].dtype == np.int64
    assert len(table) == len(rows_of(scanned / "x.bed.gz"))


# --- names ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "name", "ends"),
    [
        ("output", "x.vcf", r"segments must end in \.bed, \.gff3, \.gff, \.tsv or \.txt, and \.gz"),
        ("output", "x", r"segments must end in"),
        ("output", "x.gff3.zip", r"segments must end in"),
        ("output", "x.gz", r"segments must end in"),
        ("posteriors", "x.bw", r"posteriors must end in \.bed, \.tsv"),
        ("posteriors", "p.GFF3.gz", r"posteriors must end in"),
        ("evidence", "e.vcf.gz", r"evidence must end in \.tsv"),
        ("unknown", "u.gff3", r"unknown stretches must end in \.bed"),
        ("bedgraph", "b.bw", r"a bedGraph must end in \.bedgraph"),
        ("track", "t.gff3", r"a track must end in \.bed,"),
        ("summary", "s.json", r"a summary must end in \.tsv"),
        ("bigwig", "m.wig", r"a bigWig must end in \.bw or \.bigwig: m\.wig does not"),
        ("bigwig", "m.bw.gz", r"a bigWig must end in"),
        ("multiqc", "s.json", r"a file for MultiQC must end in _mqc\.json: s\.json does not"),
    ],
)
def test_a_name_that_promises_another_format(tmp_path: Path, option: str, name: str, ends: str) -> None:
    given = {"output": tmp_path / "x.bed", option: tmp_path / name}
    with pytest.raises(SettingError, match=f"the name of {ends}"):
        run(vcf(), **given, model="there is no such model")
    assert list(tmp_path.iterdir()) == []


def test_a_pipe_gets_what_its_name_says(tmp_path: Path) -> None:
    """And BED if it says nothing, as standard output does."""
    for name in ("x.gff3", "x"):
        pipe = tmp_path / name
        os.mkfifo(pipe)
        reader = subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE, text=True)
        run(vcf(target="CEU0"), output=pipe, settings=HMM)
        begin = "##gff-version 3\n" if name == "x.gff3" else "##genolstm="
        assert reader.communicate(timeout=60)[0].startswith(begin)
    os.mkfifo(tmp_path / "x.vcf")
    with pytest.raises(SettingError, match=r"segments must end in \.bed"):
        run(vcf(target="CEU0"), output=tmp_path / "x.vcf")
    assert not list(tmp_path.glob("*.json"))


@pytest.mark.parametrize(
    ("output", "manifest"), [("x.gff3", "x.json"), ("x.gff3.gz", "x.json"), ("x.v2.gff.xz", "x.v2.json")]
)
def test_the_manifest_beside_gff3(output: str, manifest: str) -> None:
    assert manifest_path(output) == Path(manifest)


def test_a_folder_of_bigwigs_is_replaced_as_a_whole(tmp_path: Path) -> None:
    folder = tmp_path / "each"
    assert exports.check_folder_of_bigwigs(folder, force=False) == []
    folder.mkdir()
    assert exports.check_folder_of_bigwigs(folder, force=False) == []
    (folder / "Old.1.bw").touch()
    with pytest.raises(OutputError, match="each: already exists; use --force"):
        run(vcf(), output=tmp_path / "x.bed", bigwig_haplotypes=folder)
    assert exports.check_folder_of_bigwigs(folder, force=True) == [folder / "Old.1.bw"]
    pytest.importorskip("pybigtools")
    run(vcf(target="CEU0"), output=tmp_path / "x.bed", bigwig_haplotypes=folder, settings=HMM, force=True)
    assert sorted(path.name for path in folder.iterdir()) == ["CEU0.1.bw", "CEU0.2.bw"]
    (folder / "notes.txt").touch()
    with pytest.raises(OutputError, match=r"each: holds notes\.txt, which is no bigWig"):
        exports.check_folder_of_bigwigs(folder, force=True)
    with pytest.raises(OutputError, match="is a file, a folder is needed"):
        exports.check_folder_of_bigwigs(tmp_path / "x.bed", force=True)
    with pytest.raises(OutputError, match="is given for two outputs"):
        run(vcf(), output=tmp_path / "y.bed", bigwig_haplotypes=tmp_path / "y.bed")
