"""BGZF and its index, beside bgzip, tabix and bedtools where they are installed."""

from __future__ import annotations

import gzip
import io
import random
import shutil
import subprocess
import zlib
from pathlib import Path

import pytest

from genolstm.bgzf import GFF, BgzfWriter, write_index
from genolstm.errors import OutputError
from genolstm.files import Outputs, open_input

END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
needs_tabix = pytest.mark.skipif(shutil.which("tabix") is None, reason="needs tabix")


def packed(*pieces: bytes) -> bytes:
    stream = io.BytesIO()
    with BgzfWriter(stream) as writer:
        for piece in pieces:
            assert writer.write(piece) == len(piece)
    writer.close()
    return stream.getvalue()


def run(*args: object) -> str:
    return subprocess.run([str(a) for a in args], check=True, text=True, capture_output=True).stdout


def blocks(data: bytes) -> list[bytes]:
    """Cut a BGZF file at the lengths that its blocks state."""
    found = []
    while data:
        assert data[:4] == b"\x1f\x8b\x08\x04"
        assert data[4:12] == bytes(5) + b"\xff\x06\x00"
        assert data[12:16] == b"BC\x02\x00"
        size = int.from_bytes(data[16:18], "little") + 1
        found.append(data[:size])
        data = data[size:]
    return found


@pytest.mark.parametrize("size", [0, 1, 65279, 65280, 65281, 3 * 65280, 200_000])
@pytest.mark.parametrize("kind", ["text", "noise"])
def test_blocks(size: int, kind: str) -> None:
    text = random.Random(size).randbytes(size) if kind == "noise" else (b"chr1\t%d\n" * size)[:size]
    made = packed(text)
    assert gzip.decompress(made) == text
    parts = blocks(made)
    assert parts[-1] == END
    assert [len(zlib.decompress(part, 31)) for part in parts[:-1]] == [
        min(65280, size - at) for at in range(0, size, 65280)
    ]
    assert max(map(len, parts)) <= 65536
    assert packed(*(text[at : at + 777] for at in range(0, size, 777))) == made


@pytest.mark.skipif(shutil.which("bgzip") is None, reason="needs bgzip")
def test_bgzip_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    path.write_bytes(packed(b"line\n" * 50_000))
    assert run("bgzip", "-t", path) == ""
    assert run("bgzip", "-dc", path) == "line\n" * 50_000


@pytest.mark.parametrize("name", ["x.bed.gz", "x.bed.bgz"])
def test_text_outputs_are_bgzf(tmp_path: Path, name: str) -> None:
    with Outputs() as outputs:
        outputs.text(tmp_path / name).write("chrü\t1\t2\n")
    made = (tmp_path / name).read_bytes()
    assert made == packed("chrü\t1\t2\n".encode())
    with open_input(tmp_path / name) as stream:
        assert stream.read().decode() == "chrü\t1\t2\n"
    assert [p.name for p in tmp_path.iterdir()] == [name]


def table(n: int, seed: int = 1) -> list[tuple[str, int, int]]:
    """Return sorted intervals, some far apart, some long, on three sequences."""
    rng = random.Random(seed)
    rows = []
    for chrom, reach in (("chr1", 500_000_000), ("chr10", 40_000), ("track7", 3_000_000)):
        for _ in range(n):
            start = rng.randrange(reach)
            rows.append((chrom, start, start + rng.choice([1, 50, 5_000, 200_000, 70_000_000])))
    rows = [(chrom, start, min(end, 1 << 29)) for chrom, start, end in rows]
    return sorted(rows)


def written(path: Path, rows: list[tuple[str, int, int]], padding: str = "") -> list[str]:
    lines = [f"{chrom}\t{start}\t{end}\t{i}{padding}\n" for i, (chrom, start, end) in enumerate(rows)]
    with Outputs() as outputs:
        stream = outputs.text(path, index=True)
        stream.write("##genolstm=1\n#chrom\tstart\tend\tname\n")
        stream.writelines(lines)
    assert outputs.not_indexed == []
    return lines


@needs_tabix
@pytest.mark.parametrize(("n", "padding"), [(3, ""), (4000, ""), (200, "x" * 5000), (3, "y" * 200_000)])
def test_tabix_finds_what_overlaps(tmp_path: Path, n: int, padding: str) -> None:
    path = tmp_path / "x.bed.gz"
    rows = table(n)
    lines = written(path, rows, padding)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.bed.gz", "x.bed.gz.tbi"]
    assert run("tabix", "-l", path).split() == ["chr1", "chr10", "track7"]
    rng = random.Random(2)
    regions = [("chr1", 0, 1 << 29), ("chr10", 39_999, 40_000), ("track7", 0, 1)]
    regions += [(c, a, a + w) for c in ("chr1", "chr10") for a in (0, 16384, rng.randrange(10**8)) for w in (1, 10**5)]
    regions += [(c, s, e) for c, s, e in rng.sample(rows, 4)]
    for chrom, start, end in regions:
        found = run("tabix", path, f"{chrom}:{start + 1}-{end}")
        expected = "".join(
            line for line, row in zip(lines, rows, strict=True) if row[0] == chrom and row[1] < end and row[2] > start
        )
        assert found == expected, (chrom, start, end)


@needs_tabix
def test_the_index_answers_as_tabix_own_does(tmp_path: Path) -> None:
    rows = table(3000, seed=5)
    written(tmp_path / "x.bed.gz", rows)
    shutil.copy(tmp_path / "x.bed.gz", tmp_path / "y.bed.gz")
    run("tabix", "-p", "bed", tmp_path / "y.bed.gz")
    for region in ("chr1:1-100000000", "chr1:250,000,000-250,100,000", "chr10:20000-20001", "track7:1-500"):
        assert run("tabix", tmp_path / "x.bed.gz", region) == run("tabix", tmp_path / "y.bed.gz", region)
    head = gzip.decompress((tmp_path / "x.bed.gz.tbi").read_bytes())[:54]
    assert head == gzip.decompress((tmp_path / "y.bed.gz.tbi").read_bytes())[:54]


@needs_tabix
def test_the_index_of_gff_answers_as_tabix_own_does(tmp_path: Path) -> None:
    rows = table(2000, seed=6)
    path = tmp_path / "x.gff3.gz"
    with Outputs() as outputs:
        stream = outputs.text(path, index=True, layout=GFF)
        stream.write("##gff-version 3\n##sequence-region chr1 1 600000000\n")
        stream.writelines(f"{c}\tp\tregion\t{a + 1}\t{b}\t.\t.\t.\tID={i}\n" for i, (c, a, b) in enumerate(rows))
    shutil.copy(path, tmp_path / "y.gff3.gz")
    run("tabix", "-p", "gff", tmp_path / "y.gff3.gz")
    head, other = (gzip.decompress((tmp_path / f"{name}.gff3.gz.tbi").read_bytes())[:54] for name in "xy")
    assert head == other
    chrom, start, end = rows[1000]
    for region in (f"{chrom}:{start + 1}-{start + 1}", f"{chrom}:{end}-{end}", f"{chrom}:{start}-{start}", "chr10:1-9"):
        assert run("tabix", path, region) == run("tabix", tmp_path / "y.gff3.gz", region)
    assert "ID=1000\n" in run("tabix", path, f"{chrom}:{end}-{end}")


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ("c\t5\t6\nc\t4\t9\n", "the lines of c are not sorted by position"),
        ("c\t1\t2\nd\t1\t2\nc\t3\t4\n", "the lines of c do not follow one another"),
        ("c\t1\t536870913\n", "c is longer than 512 Mb, which such an index cannot hold"),
    ],
)
def test_what_has_no_index(tmp_path: Path, lines: str, why: str) -> None:
    path = tmp_path / "x.gz"
    path.write_bytes(packed(lines.encode()))
    assert write_index(path, tmp_path / "i") == why
    assert not (tmp_path / "i").exists()
    with Outputs() as outputs:
        outputs.text(tmp_path / "y.gz", index=True).write(lines)
    assert outputs.not_indexed == [(tmp_path / "y.gz", why)]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.gz", "y.gz"]


@needs_tabix
def test_an_empty_table_has_an_index(tmp_path: Path) -> None:
    written(tmp_path / "x.bed.gz", [])
    assert run("tabix", "-l", tmp_path / "x.bed.gz") == ""
    assert run("tabix", "-H", tmp_path / "x.bed.gz") == "##genolstm=1\n#chrom\tstart\tend\tname\n"


def test_an_index_is_an_output_like_any_other(tmp_path: Path) -> None:
    path = tmp_path / "x.bed.gz"
    index = tmp_path / "x.bed.gz.tbi"
    index.write_text("mine")
    with pytest.raises(OutputError, match=r"x.bed.gz.tbi: already exists"), Outputs() as outputs:
        outputs.text(path, index=True)
    assert (index.read_text(), path.exists()) == ("mine", False)
    with Outputs(force=True) as outputs:
        outputs.text(path, index=True).write("c\t1\t2\n")
    assert gzip.decompress(index.read_bytes())[:4] == b"TBI\1"
    assert index.stat().st_mtime_ns >= path.stat().st_mtime_ns  # or tabix warns
    with pytest.raises(OutputError, match="only what is compressed"), Outputs() as outputs:
        outputs.text(tmp_path / "x.bed", index=True)
