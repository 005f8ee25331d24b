"""The same people in every form that they come in, and the recipes of the documentation, as they are written."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "example_data"
DOCS = Path(__file__).parents[2] / "docs" / "introgression.md"
LISTS = [word for role in ("target", "outgroup") for word in (f"--{role}", EXAMPLE / f"{role}.txt")]
PEOPLE = [
    "--vcf",
    EXAMPLE / "people.vcf.gz",
    "--samples",
    EXAMPLE / "people.tsv",
    "--target",
    "CEU",
    "--outgroup",
    "AFR",
]

Scan = Callable[..., tuple[list[list[str]], str]]


@pytest.fixture(scope="module")
def scan(tmp_path_factory) -> Scan:
    folder = tmp_path_factory.mktemp("scans")

    def run(*words: object) -> tuple[list[list[str]], str]:
        """Return the segments' columns and what was said."""
        from genolstm.cli import main

        with redirect_stderr(io.StringIO()) as told:
            main(["introgression", "scan", *map(str, words), "-o", str(folder / "x.bed"), "--force"])
        return [line.split("\t") for line in (folder / "x.bed").read_text().splitlines()[2:]], told.getvalue()

    return run


@pytest.fixture(scope="module")
def merged(scan) -> list[list[str]]:
    found, _ = scan("--vcf", EXAMPLE / "region.vcf.gz", *LISTS, "--archaic", EXAMPLE / "archaic.txt")
    assert len(found) >= 5
    return found


def every_position(text: str, reference: str = "ACGT" * 150_000) -> Iterator[str]:
    """Yield the lines of a gVCF with a record for each position, as all-sites files have it."""
    for line in text.splitlines():
        columns = line.split("\t")
        if line.startswith("#") or columns[4] != "<NON_REF>":
            yield line
            continue
        end = int(columns[7].removeprefix("END="))
        for position in range(int(columns[1]), end + 1):
            letter = columns[3] if position == int(columns[1]) else reference[position - 1]
            yield f"{columns[0]}\t{position}\t.\t{letter}\t.\t.\tPASS\t.\tGT\t0/0"


def test_three_files_are_the_merged_one(scan, merged, tmp_path: Path) -> None:
    variants, told = scan(*PEOPLE, "--archaic-vcf", EXAMPLE / "archaic.vcf.gz")
    assert variants == merged
    blocks, of_blocks = scan(*PEOPLE, "--archaic-vcf", EXAMPLE / "archaic.g.vcf.gz")
    assert blocks == merged
    # What a position without a record means is decided by the file, and said.
    assert "reference" in told
    assert "unknown" in of_blocks
    text = gzip.decompress((EXAMPLE / "archaic.g.vcf.gz").read_bytes()).decode()
    everything = tmp_path / "all.vcf.gz"
    everything.write_bytes(gzip.compress("\n".join(every_position(text)).encode() + b"\n", 1))
    assert scan(*PEOPLE, "--archaic-vcf", everything)[0] == merged
    # The outgroup apart, too, and the people in two batches.
    halves = []
    lines = gzip.decompress((EXAMPLE / "people.vcf.gz").read_bytes()).decode().splitlines()
    for name, kept in (("target", slice(9, 12)), ("outgroup", slice(12, None))):
        half = tmp_path / f"{name}.vcf"
        half.write_text(
            "".join(
                line + "\n"
                if line.startswith("##")
                else "\t".join(line.split("\t")[:9] + line.split("\t")[kept]) + "\n"
                for line in lines
            )
        )
        halves.append(half)
    apart, _ = scan(
        "--vcf", halves[0], "--target", EXAMPLE / "target.txt", "--outgroup-vcf", halves[1], "--archaic-vcf", everything
    )
    assert apart == merged


def test_a_zarr_store_is_its_vcf(scan, merged, tmp_path: Path) -> None:
    pytest.importorskip("zarr")
    from support.vcz import store_of

    plain = tmp_path / "region.vcf"
    plain.write_bytes(gzip.decompress((EXAMPLE / "region.vcf.gz").read_bytes()))
    store = store_of(plain, tmp_path / "region.vcz")
    found, _ = scan("--vcf", store, *LISTS, "--archaic", EXAMPLE / "archaic.txt")
    assert found == merged


def test_panels_find_what_the_vcf_finds(scan, merged) -> None:
    panels = ["--archaic", EXAMPLE / "archaic.panel", "--outgroup", EXAMPLE / "outgroup.panel"]
    found, _ = scan(EXAMPLE / "query.fa.gz", *panels)
    assert [row[6:8] for row in found] == [row[6:8] for row in merged]
    for ours, theirs in zip(found, merged, strict=True):
        assert abs(int(ours[1]) - int(theirs[1])) <= 100
        assert abs(int(ours[2]) - int(theirs[2])) <= 100


def test_a_region_is_that_part_of_the_scan(scan, merged) -> None:
    found, _ = scan(*PEOPLE, "--archaic-vcf", EXAMPLE / "archaic.vcf.gz", "--region", "chr21:100,001-600,000")
    assert {tuple(row[6:8]) for row in found} <= {tuple(row[6:8]) for row in merged}
    assert all(int(row[1]) >= 100_000 for row in found)
    inside = [row for row in merged if int(row[1]) > 150_000]
    assert len(
        [
            row
            for row in found
            if any(row[6:8] == m[6:8] and int(row[1]) < int(m[2]) and int(m[1]) < int(row[2]) for m in inside)
        ]
    ) >= len(inside)


# ---------------------------------------------------------------- recipes


# ---------------------------------------------------------------- haploid calls


def test_haploid_calls_are_the_haplotypes_that_they_are(scan, tmp_path: Path) -> None:
    """The same haplotypes as columns of their own, and as two to a column."""
    lines = gzip.decompress((EXAMPLE / "region.vcf.gz").read_bytes()).decode().splitlines()
    records = [line.split("\t") for line in lines if not line.startswith("#")]
    header = [line for line in lines if line.startswith("##")]
    fixed = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT"]
    samples = lines[len(header)].split("\t")[9:]
    outgroup, archaic = samples[3:53], samples[53]

    def write(name: str, names: list[str], calls: Callable[[list[str]], list[str]]) -> Path:
        rows = ["\t".join([*fixed, *names]), *("\t".join(r[:9] + calls(r[9:])) for r in records)]
        (tmp_path / name).write_text("\n".join([*header, *rows]) + "\n")
        return tmp_path / name

    single = write("h.vcf", ["T1", "T2", *outgroup, archaic], lambda c: [c[i][2] for i in (0, 1, *range(3, 54))])
    pairs = write(
        "d.vcf",
        ["T", *outgroup[:25], archaic],
        lambda c: [
            f"{c[0][2]}|{c[1][2]}",
            *(f"{c[3 + i][2]}|{c[4 + i][2]}" for i in range(0, 50, 2)),
            f"{c[53][2]}|{c[53][2]}",
        ],
    )
    tables = []
    for vcf, targets, others in ((single, "T1,T2", outgroup), (pairs, "T", outgroup[:25])):
        scan(
            "--vcf",
            vcf,
            "--target",
            targets,
            "--outgroup",
            ",".join(others),
            "--archaic",
            archaic,
            "--posteriors",
            tmp_path / "p.tsv",
        )
        rows = [line.split("\t") for line in (tmp_path / "p.tsv").read_text().splitlines()[1:]]
        tables.append(rows)
    assert {(row[3], row[4]) for row in tables[0]} == {("T1", "1"), ("T2", "1")}  # no second haplotypes
    name = {("T1", "1"): ("T", "1"), ("T2", "1"): ("T", "2")}
    assert [[*row[:3], *name[row[3], row[4]], *row[5:]] for row in tables[0]] == tables[1]


def test_a_query_of_unknown_bases_is_scanned_and_doubted(scan, tmp_path: Path) -> None:
    query = tmp_path / "n.fa"
    query.write_text("".join(f">A_hap{h}\n{'N' * 5000}\n" for h in (1, 2)))
    panels = ["--archaic", EXAMPLE / "archaic.panel", "--outgroup", EXAMPLE / "outgroup.panel"]
    found, told = scan(query, *panels)
    assert found == []
    assert "warning: only 0.0 % of what was scanned could be compared" in told


def test_an_archaic_file_without_records_is_refused(cli, tmp_path: Path) -> None:
    text = gzip.decompress((EXAMPLE / "archaic.vcf.gz").read_bytes()).decode()
    empty = tmp_path / "empty.vcf"
    empty.write_text("".join(line + "\n" for line in text.splitlines() if line.startswith("#")))
    found = cli("introgression", "scan", *PEOPLE, "--archaic-vcf", empty, "-o", tmp_path / "x.bed")
    assert (found.code, found.err) == (1, f"{empty}: holds no record on the targets' chromosomes\n")
    assert not (tmp_path / "x.bed").exists()
