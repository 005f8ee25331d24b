"""Genotypes, frequencies, indexes and lists of samples: mutated files are read rightly or refused in one line."""

from __future__ import annotations

import contextlib
import io
import re
import shutil
import struct
import subprocess
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import click
import numpy as np
import pytest
from support.fuzz import corpus, counts, fuzz, mutate
from support.vcz import arrays_of, write_plainly, write_store

from genolstm.bgzf import BgzfWriter
from genolstm.cli.options import REGION
from genolstm.errors import GenolstmError, InputError
from genolstm.introgression.variants.block import CallSettings, SiteRows, Source, Stretch
from genolstm.introgression.variants.frequencies import FrequencySource
from genolstm.introgression.variants.join import VariantReader
from genolstm.introgression.variants.people import chosen_samples, read_populations
from genolstm.introgression.variants.regions import whole_bins
from genolstm.introgression.variants.sources import open_source
from genolstm.introgression.variants.vcf import VcfSource
from genolstm.numbers import LAST_POSITION

HEAD = """##fileformat=VCFv4.2
##FILTER=<ID=q10,Description="less, \\"than\\" 10">
##INFO=<ID=END,Number=1,Type=Integer,Description="end">
##FORMAT=<ID=GT,Number=1,Type=String,Description="genotype">
##FORMAT=<ID=GQ,Number=1,Type=Integer,Description="quality">
##FORMAT=<ID=DP,Number=1,Type=Integer,Description="depth">
##contig=<ID=1,length=1000>
##contig=<ID=2>
#CHROM POS ID REF ALT QUAL FILTER INFO FORMAT T O A
"""
RECORDS = """1 5 . A G . PASS . GT 0|1 1|1 0|0
1 10 rs1 C T,G 30 . . GT:GQ:DP 0|1:30:8 1|2:20:5 0/1:99:12
1 10 . C A 30 q10 . GT:GQ:DP 0|1:30:8 .|1:20:5 0/1:99:12
1 20 . G . . PASS END=100 GT:DP 0|0:5 0|0:7 0/0:6
1 101 . T <NON_REF> . PASS END=300 GT:DP 0|0:5 ./.:7 0/0:6
1 301 . T TA . PASS . GT 0|1 . 0
1 301 . T C,<*> . PASS;q10 . GT 0|1 1 0|0
1 350 . ACT GCT . PASS . GT 0|1 1|0 0|0
1 1001 . A C . PASS . GT 0|1 1|0 0|0
2 0 . A C . PASS . GT 0|1 1|0 0|0
2 7 . a c . PASS . GT 0|1 1|0 0|0
2 70 . A T . PASS . GT:GQ 0|0:3 1|1:. 0/0:50
"""
VCF = HEAD.replace(" ", "\t").replace('less,\t\\"than\\"\t10', 'less, \\"than\\" 10') + RECORDS.replace(" ", "\t")
WORDS = [
    *(b"0|1", b"1/1", b".|.", b"1|", b"|1", b"0|1|1", b"65537|0", b"59000|0", b"2|0", b"GT", b"GT:GT", b"END=5"),
    *(b"END=99999999999", b"END=-1", b"AF=0.5", b"AF=1.2", b"AF=nan", b"<NON_REF>", b"<*>", b"A,C,G,T", b"PASS"),
    *(
        b"##contig=<ID=1,length=0>\n",
        b"##contig=<ID=3,length=999999999999>\n",
        b"IDX=4294967295",
        b"IDX=0",
        b"x=" * 300,
    ),
]


# ------------------------------------------------------------------ what is read


def check_rows(parts: Sequence[SiteRows]) -> None:
    """Assert what must hold of the rows of a source, whatever it holds."""
    before: dict[str, int] = {}
    for part in parts:
        assert (np.diff(part.positions, prepend=before.get(part.chrom, -1)) > 0).all()
        if len(part.positions):
            before[part.chrom] = int(part.positions[-1])
            assert part.positions[-1] < LAST_POSITION
        assert 0 <= part.end <= LAST_POSITION
        assert np.isin(part.reference, range(4)).all()
        assert np.isin(part.alleles, range(-2, 4)).all()
        assert (part.alleles[:, ::2] != -2).all(), "the first haplotype always exists"
        assert (part.known[:, 0] < part.known[:, 1]).all()
        assert ((part.known >= 0) & (part.known <= LAST_POSITION)).all()


PLAIN = CallSettings(filters=(), allow_unphased=True)


def all_of(
    source: Source, settings: CallSettings = PLAIN, stretches: Sequence[Stretch] | None = None
) -> list[SiteRows]:
    parts = list(source.read(source.samples, settings, stretches)) if source.samples else []
    check_rows(parts)
    return parts


def read(path: Path) -> None:
    """Read a file in every way: all of it, strictly, in part, and joined."""
    all_of(open_source(path))
    settings = CallSettings(min_gq=20, min_dp=5, need_phase=True)
    with contextlib.suppress(GenolstmError):
        all_of(open_source(path), settings)
    part = open_source(path)
    names = list(part.contigs)[:2]
    all_of(part, PLAIN, [Stretch(name, 20, 330) for name in names])
    reader = VariantReader(path, ["T"], ["O"], ["A"], allow_unphased=True)
    for block in reader.blocks(span=1 << 27, overlap=50):
        assert 0 <= block.start < block.end <= LAST_POSITION


def bgzf(data: bytes) -> bytes:
    raw = io.BytesIO()
    with BgzfWriter(raw) as packed:
        packed.write(data)
    return raw.getvalue()


def test_seeds_are_what_they_should_be(tmp_path: Path) -> None:
    (tmp_path / "x.vcf").write_text(VCF)
    (tmp_path / "x.bcf").write_bytes(bgzf(BCF))
    text, binary = (all_of(open_source(tmp_path / name)) for name in ("x.vcf", "x.bcf"))
    assert [rows(part) for part in text] == [rows(part) for part in binary]
    assert sum(len(part.positions) for part in text) == 7
    assert sum(len(part.known) for part in text) == 1


def rows(part: SiteRows) -> tuple[object, ...]:
    arrays = (part.positions, part.reference, part.alleles, part.known)
    return part.chrom, part.end, part.last, *(array.tolist() for array in arrays)


@counts(50_000)
def test_vcf_text(tmp_path: Path, count: int) -> None:
    fuzz(read, [VCF.encode(), *corpus("vcf")], count, tmp_path / "x.vcf", words=WORDS)


@counts(50_000)
def test_vcf_whose_text_is_mutated_and_packed_anew(tmp_path: Path, count: int) -> None:
    fuzz(read, [VCF.encode(), *corpus("vcf")], count, tmp_path / "x.vcf.gz", words=WORDS, seal=bgzf, seed=2)


@counts(50_000)
def test_vcf_gz_whose_bytes_are_mutated(tmp_path: Path, count: int) -> None:
    seeds = [bgzf(VCF.encode()), *corpus("bgzf")]
    fuzz(read, seeds, count, tmp_path / "x.vcf.gz", seed=3)


# ------------------------------------------------------------------ BCF


def typed(values: Sequence[int] | bytes) -> bytes:
    """Return text or small numbers as a BCF has them."""
    kind = 7 if isinstance(values, bytes) else 1
    return bytes([len(values) << 4 | kind]) + (
        values if isinstance(values, bytes) else struct.pack(f"{len(values)}b", *values)
    )


def bcf(text: str) -> bytes:
    """Return the unpacked BCF of a VCF whose fields are GT, GQ and DP, and INFO END or nothing."""
    lines = text.splitlines()
    header = [line for line in lines if line.startswith("#")]
    contigs = [re.findall("ID=([^,>]+)", line)[0] for line in header if line.startswith("##contig")]
    strings = ["PASS", *(re.findall("ID=([^,>]+)", line)[0] for line in header if re.match("##(FI|INFO|FO)", line))]
    head = ("\n".join(header) + "\n\0").encode()
    parts = [b"BCF\2\2", struct.pack("<I", len(head)), head]
    for line in lines[len(header) :]:
        chrom, position, name, ref, alt, _, filters, info, form, *calls = line.split("\t")
        alleles = [ref, *([] if alt == "." else alt.split(","))]
        end = int(info[4:]) if info != "." else int(position) + len(ref) - 1
        shared = struct.pack(
            "<iiifHHI",
            *(contigs.index(chrom), int(position) - 1, end - int(position) + 1, float("nan")),
            *(int(info != "."), len(alleles), len(form.split(":")) << 24 | len(calls)),
        )
        shared += typed(b"" if name == "." else name.encode()) + b"".join(typed(a.encode()) for a in alleles)
        shared += typed([] if filters == "." else [strings.index(f) for f in filters.split(";")])
        if info != ".":
            shared += typed([strings.index("END")]) + b"\x13" + struct.pack("<i", end)
        fields = b""
        for k, field in enumerate(form.split(":")):
            values = [call.split(":")[k] for call in calls]
            if field == "GT":
                encoded = [genotype(value) for value in values]
            else:
                encoded = [[-128 if value == "." else int(value)] for value in values]
            width = max(map(len, encoded))
            flat = [n for one in encoded for n in (*one, *[-127] * (width - len(one)))]
            fields += typed([strings.index(field)]) + bytes([width << 4 | 1]) + struct.pack(f"{len(flat)}b", *flat)
        parts += [struct.pack("<II", len(shared), len(fields)), shared, fields]
    return b"".join(parts)


def genotype(text: str) -> list[int]:
    signs = ["/", *re.findall(r"[|/]", text)]
    alleles = re.split(r"[|/]", text)
    return [((0 if a == "." else int(a) + 1) << 1) | (s == "|") for a, s in zip(alleles, signs, strict=True)]


BCF = bcf(VCF)


def change_bcf(data: bytes, random: np.random.Generator) -> bytes:
    """Mutate the header, or the records and their lengths."""
    size = int.from_bytes(data[5:9], "little") + 9 if data[:3] == b"BCF" else 0
    if random.random() < 0.3:
        return mutate(data, random, WORDS)
    return data[:size] + mutate(data[size:], random)


@counts(50_000)
def test_bcf_whose_records_are_mutated_and_packed_anew(tmp_path: Path, count: int) -> None:
    fuzz(read, [BCF, *corpus("bcf")], count, tmp_path / "x.bcf", change=change_bcf, seal=bgzf, seed=4)


@counts(20_000)
def test_bcf_whose_bytes_are_mutated(tmp_path: Path, count: int) -> None:
    fuzz(read, [bgzf(BCF), *corpus("bgzf")], count, tmp_path / "x.bcf", seed=5)


# ------------------------------------------------------------------ no wrong number


#: What may stand in the columns of a record, from CHROM on; the last is for every sample.
FIELDS = [
    *("1 2 3", "0 1 5 6 11 69 71 101 302 999 1000 007 2147483647 2147483648 4294967301 -1 1e2", ". rs1;rs2"),
    *("A C G T N R AC acgt A,C <X>", ". A C G T g * N TA CT,G <*> C,<NON_REF> <DEL> A,A,A,A,A,A,A,A,A,A,A", ". 0 -1"),
    *(". PASS q10 PASS;q10 q99", ". END=5 END=200 END=1 DP=3;END=400", "GT GT:DP DP:GT GT:GQ:DP"),
    "0|0 0|1 1|0 1/1 0/1 2|1 .|1 ./. . 0 1 0|11 11|0 65537|0 1|2|0 0|1:9 0|1:9:9:9 0|1:. |0|1 /1|0 00|01 0|-1 0\\1",
]


def change_field(text: str, random: np.random.Generator) -> str:
    """Change one to three fields of records, and the places of two records now and then."""
    lines = text.splitlines()
    first = next(i for i, line in enumerate(lines) if not line.startswith("#"))
    for _ in range(int(random.integers(1, 4))):
        at = int(random.integers(first, len(lines)))
        columns = lines[at].split("\t")
        column = int(random.integers(len(columns)))
        columns[column] = str(random.choice(FIELDS[min(column, 9)].split()))
        lines[at] = "\t".join(columns)
    return "\n".join(lines) + "\n"


@pytest.mark.skipif(shutil.which("bcftools") is None, reason="bcftools is not installed")
@counts(20_000, few=60)
def test_what_bcftools_reads_is_what_is_read(tmp_path: Path, count: int) -> None:
    random = np.random.default_rng(6)
    path = tmp_path / "x.vcf"
    compared = Counter[str]()
    for index in range(count):
        text = change_field(VCF, random)
        path.write_text(text)
        try:
            parts = all_of(VcfSource(path))
        except GenolstmError:
            compared["refused"] += 1
            continue
        query = "%CHROM\\t%POS0\\t%REF\\t%ALT[\\t%GT]\\n"
        done = subprocess.run(["bcftools", "query", "-f", query, path], capture_output=True, check=False)
        if done.returncode or b"[E::" in done.stderr:
            compared["refused by bcftools"] += 1
            continue
        compared["read"] += 1
        assert found_in(parts) == expected_of(done.stdout.decode(), parts), f"input {index}: {text!r}"
    assert min(compared["read"], compared["refused"]) > count / 5, compared


def found_in(parts: Sequence[SiteRows]) -> dict[tuple[str, int], tuple[int, list[int]]]:
    found = {}
    for part in parts:
        for position, reference, alleles in zip(part.positions, part.reference, part.alleles, strict=True):
            found[part.chrom, int(position)] = int(reference), alleles.tolist()
    return found


def expected_of(table: str, parts: Sequence[SiteRows]) -> dict[tuple[str, int], tuple[int, list[int]]]:
    """Return the sites of a table of records; those of several records, and of none with a base, as they were read."""
    records: dict[tuple[str, int], list[list[str]]] = {}
    for line in table.splitlines():
        chrom, position, *rest = line.split("\t")
        records.setdefault((chrom, int(position)), []).append(rest)
    found, read = {}, found_in(parts)
    ploidy: dict[tuple[str, int], int] = {}
    for (chrom, position), several in records.items():
        beyond = position < 0 or (chrom == "1" and position >= 1000)
        for first, _, *calls in several:
            for sample, call in enumerate(calls):
                # What is left out as a whole does not show it.
                if call != "." and not beyond and base(first, first) >= 0:
                    ploidy[chrom, sample] = len(re.split("[|/]", call))
        ref, alt, *calls = several[0]
        codes = [base(ref, ref), *(base(ref, one) for one in alt.split(","))]
        if len(several) > 1 or not any(code >= 0 for code in codes[1:]):
            if (chrom, position) in read:
                found[chrom, position] = read[chrom, position]
            continue
        if codes[0] < 0 or beyond:
            continue
        alleles = []
        for sample, call in enumerate(calls):
            numbers = [-1 if a == "." else codes[int(a)] for a in re.split("[|/]", call.lstrip("|/"))]
            whole = len(numbers) == 2 or (call == "." and ploidy.get((chrom, sample)) == 2)
            alleles += [numbers[0], (numbers * 2)[1] if whole else -2]
        found[chrom, position] = codes[0], alleles
    return found


def base(ref: str, allele: str) -> int:
    """Return the base of an allele that is as long as the reference and differs in the first letter only."""
    alike = len(ref) == len(allele) and ref[1:].upper() == allele[1:].upper()
    return "ACGT".find(allele[0].upper()) if alike and allele else -1


# ------------------------------------------------------------------ VCF Zarr


def zipped(folder: Path) -> bytes:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as packed:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                packed.write(path, str(path.relative_to(folder)))
    return raw.getvalue()


def stores(folder: Path) -> list[bytes]:
    arrays = arrays_of(VCF)
    found = []
    for form in (2, 3):
        path = folder / f"plain{form}"
        write_plainly(path, arrays, zarr_format=form, variants=7, samples=2)
        found.append(zipped(path))
    if shutil.which("true") and pytest.importorskip("zarr"):
        found.append(zipped(write_store(folder / "packed2", arrays, variants=7, samples=2)))
        found.append(zipped(write_store(folder / "packed3", arrays, variants=7, samples=2, zarr_format=3)))
    return found


JSON = [
    b"1e400",
    b"-1",
    b"1.5",
    b"[]",
    b"{}",
    b"null",
    b'"|O"',
    b'"<i8"',
    b'"<U9"',
    b'"|V99999999"',
    b"[" * 9000,
    b'"zstd"',
]


def change_member(data: bytes, random: np.random.Generator) -> bytes:
    """Mutate, drop or exchange one or two files of a store."""
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        members = {name: packed.read(name) for name in packed.namelist()}
    for _ in range(int(random.integers(1, 3))):
        name, other = (list(members)[int(k)] for k in random.integers(len(members), size=2))
        what = random.random()
        if what < 0.05 and len(members) > 1:
            del members[name]
        elif what < 0.1:
            members[name] = members[other]
        else:
            words = JSON if name.endswith(("json", ".zarray")) else []
            members[name] = mutate(members[name], random, words, list(members.values()))
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as packed:
        for name, content in members.items():
            packed.writestr(name, content)
    return raw.getvalue()


def read_folder(path: Path) -> None:
    """Read a store that is a folder, out of the zip file that holds it."""
    folder = path.with_suffix(".vcz")
    shutil.rmtree(folder, ignore_errors=True)
    with zipfile.ZipFile(path) as packed:
        packed.extractall(folder)
    read(folder)


@counts(20_000, few=30)
@pytest.mark.parametrize("parse", [read, read_folder], ids=["zip", "folder"])
def test_vcf_zarr(tmp_path: Path, count: int, parse: Callable[[Path], None]) -> None:
    pytest.importorskip("zarr")
    fuzz(parse, [*stores(tmp_path), *corpus("zarr")], count, tmp_path / "x.zip", change=change_member, seed=7)


@counts(20_000, few=30)
def test_zip_files_whose_bytes_are_mutated(tmp_path: Path, count: int) -> None:
    pytest.importorskip("zarr")
    fuzz(read, [*stores(tmp_path)[:2], *corpus("zip")], count, tmp_path / "x.zip", seed=8)


# ------------------------------------------------------------------ indexes


def index_of(packed: bytes, csi: bool) -> bytes:
    """Return the unpacked index of a file of one block: two chromosomes in the smallest bin each."""
    text = VCF.encode()
    begin = text.index(b"\n1\t") + 1
    middle = text.index(b"\n2\t") + 1
    names = b"1\x002\x00"
    about = struct.pack("<7i", 2, 1, 2, 0, ord("#"), 0, len(names)) + names
    parts = [b"CSI\1" + struct.pack("<3i", 14, 5, len(about)) + about + struct.pack("<i", 2)]
    if not csi:
        parts = [b"TBI\1" + struct.pack("<i", 2) + about]
    for start, end in ((begin, middle), (middle, len(text))):
        parts.append(struct.pack("<iI", 1, 4681) + (struct.pack("<Q", start) if csi else b""))
        parts.append(struct.pack("<iQQ", 1, start, end) + (b"" if csi else struct.pack("<iQ", 1, start)))
    return b"".join(parts)


@counts(20_000)
@pytest.mark.parametrize("kind", ["tbi", "csi"])
def test_indexes(tmp_path: Path, count: int, kind: str) -> None:
    path = tmp_path / "x.vcf.gz"
    path.write_bytes(bgzf(VCF.encode()))
    stretches = [Stretch("1", 0, 500), Stretch("2", 0)]
    whole = found_in(all_of(VcfSource(path), PLAIN, stretches))
    seen = []

    def parse(index: Path) -> None:
        source = VcfSource(path)
        source.indexed()
        found = found_in(all_of(source, PLAIN, stretches))
        seen.append(found == whole)
        # An index that leads past records cannot be told from one of a file without them.
        assert found.items() <= whole.items()

    seeds = [index_of(path.read_bytes(), kind == "csi"), *corpus("index")]
    fuzz(parse, seeds, count, tmp_path / f"x.vcf.gz.{kind}", seal=bgzf, seed=9)
    assert seen[0]


# ------------------------------------------------------------------ frequencies, samples, regions

FREQUENCIES = (
    b"##fileformat=VCFv4.2\n##contig=<ID=1,length=1000>\n##contig=<ID=2>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    b"1\t5\t.\tA\tG\t.\tPASS\tAF=0.25;AN=100\n1\t10\t.\tC\tT,G\t.\t.\tAN=98;AF=0.5,1e-3\n1\t10\t.\tC\tA\t.\tPASS\tAF=0.1\n"
    b"1\t20\t.\tG\t<*>\t.\tPASS\tAF=.\n1\t30\t.\tAC\tGC\t.\tq10\tAF=0\n2\t7\t.\tt\tc\t.\tPASS\tAF=1\n"
)


def read_frequencies(path: Path) -> None:
    for stretches in (None, [Stretch("1", 5, 25)]):
        source = FrequencySource(path, "AF")
        assert 0 < len(source.samples) <= 100
        all_of(source, CallSettings(), stretches)


@counts(20_000)
def test_frequencies(tmp_path: Path, count: int) -> None:
    seeds = [FREQUENCIES, *corpus("frequencies")]
    fuzz(read_frequencies, seeds, count, tmp_path / "x.vcf", words=WORDS, seed=10)


TABLE = b"sample\tpop\tsuper_pop\tgender\nT1\tGBR\tEUR\tmale\nT2\tFIN\tEUR\tfemale\nO1\tYRI\tAFR\tmale\n"
LIST = b"# of the targets\nT1\nT2 O1\n\nT3\tmale\n"
KNOWN = ["T1", "T2", "T3", "O1", "YRI-1"]


@counts(20_000)
def test_tables_of_populations(tmp_path: Path, count: int) -> None:
    def parse(path: Path) -> None:
        found = read_populations(path)
        assert all(name and len(set(members)) == len(members) for name, members in found.members.items())
        chosen = chosen_samples("EUR", KNOWN, found, role="target")
        assert set(chosen) <= set(KNOWN)

    fuzz(
        parse,
        [TABLE, *corpus("people")],
        count,
        tmp_path / "x.panel",
        words=[b"pop", b"sample", b"EUR", b"T1"],
        seed=11,
    )


@counts(20_000)
def test_lists_of_samples(tmp_path: Path, count: int) -> None:
    def parse(path: Path) -> None:
        chosen = chosen_samples(path, KNOWN, None, role="target")
        assert chosen
        assert len(set(chosen)) == len(chosen)
        assert set(chosen) <= set(KNOWN)

    fuzz(parse, [LIST, *corpus("people")], count, tmp_path / "x.txt", words=[b"T1", b"YRI-1"], seed=12)


@counts(20_000)
def test_regions(tmp_path: Path, count: int) -> None:
    def parse(path: Path) -> None:
        stretches = []
        for line in path.read_bytes().decode("utf-8", "replace").splitlines():
            try:
                chrom, start, end = REGION.convert(line, None, None)
            except click.UsageError as error:
                raise InputError(error.message) from None
            stretches.append(Stretch(chrom or "1", start, end))
        for size in (1, 1000):
            found = whole_bins(stretches, size, {"1": 1000})
            assert found == sorted(found, key=lambda s: [t.chrom for t in stretches].index(s.chrom))
            for a, b in pairwise(found):
                assert a.chrom != b.chrom or (a.end is not None and a.end < b.start)

    seeds = [b"1:5-90\n1:50-1,000\n2:7-2000000000\n40-60\n", *corpus("regions")]
    fuzz(parse, seeds, count, tmp_path / "x.txt", seed=13)
