"""A VCF or BCF as a source of sites: what is read, counted and refused, whatever its form."""

from __future__ import annotations

import gzip
import lzma
import os
import shutil
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest
from Bio import bgzf
from hypothesis import given, settings
from hypothesis import strategies as st
from support.introgression import vcf_text

from genolstm.errors import InputError
from genolstm.introgression.variants.block import CallSettings, SiteRows, Stretch
from genolstm.introgression.variants.vcf import VcfSource

NAMES = ["a", "b", "c"]
needs_bcftools = pytest.mark.skipif(shutil.which("bcftools") is None, reason="bcftools is not installed")


def record(position: int, ref: str = "A", alt: str = "G", calls: str = "0|1 1|0 0|0", chrom: str = "1"):
    return chrom, position, ref, alt, calls.split()


def write(tmp_path: Path, records, name: str = "x.vcf", **changes) -> Path:
    path = tmp_path / name
    path.write_text(vcf_text(NAMES, records, **changes))
    return path


def rows(path: Path, samples=NAMES, stretches=None, **changes) -> list[SiteRows]:
    return list(VcfSource(path).read(list(samples), CallSettings(**changes), stretches))


def sites(path: Path, samples=NAMES, stretches=None, **changes) -> list[tuple[str, int, list[int]]]:
    """(chrom, 1-based position, alleles) of every row."""
    return [
        (part.chrom, p + 1, row)
        for part in rows(path, samples, stretches, **changes)
        for p, row in zip(part.positions.tolist(), part.alleles.tolist(), strict=True)
    ]


def known(path: Path, **changes) -> list[list[int]]:
    return [span for part in rows(path, **changes) for span in part.known.tolist()]


def refused(path: Path, **changes) -> str:
    with pytest.raises(InputError) as error:
        rows(path, **changes)
    text = str(error.value)
    assert "\n" not in text
    assert text.startswith(str(path))
    return text[len(str(path)) :]


# ---------------------------------------------------------------- what is read


def test_alleles_become_bases(tmp_path: Path) -> None:
    path = write(tmp_path, [record(1), record(7, "c", "t,G", "0|2 1|. .|."), record(9, "T", "A", "1|1 0 .")])
    assert sites(path) == [
        ("1", 1, [0, 2, 2, 0, 0, 0]),
        ("1", 7, [1, 2, 3, -1, -1, -1]),
        ("1", 9, [0, 0, 3, -2, -1, -1]),
    ]


def test_a_lone_dot_has_the_ploidy_of_the_call_before(tmp_path: Path) -> None:
    path = write(tmp_path, [record(1, calls=". 0|1 1"), record(2, calls="1 . ."), record(3, calls="0|0 0 .")])
    assert [row for *_, row in sites(path)] == [[-1, -2, 0, 2, 2, -2], [2, -2, -1, -1, -1, -2], [0, 0, 0, -2, -1, -2]]


def test_the_chosen_samples_come_in_their_own_order(tmp_path: Path) -> None:
    path = write(tmp_path, [record(4, calls="0|1 1|1 0|0")])
    assert sites(path, ["c", "a"]) == [("1", 4, [0, 0, 0, 2])]


@pytest.mark.parametrize("form", ["GT:DP", "DP:GT", "DP:GT:GQ"])
def test_the_genotype_is_found_in_its_field(tmp_path: Path, form: str) -> None:
    calls = {"GT": "0|1", "DP": "7", "GQ": "."}
    call = ":".join(calls[f] for f in form.split(":"))
    path = write(tmp_path, [("1", 5, "A", "C", [call] * 3)], form=form)
    assert sites(path) == [("1", 5, [0, 1] * 3)]


@pytest.mark.parametrize(
    ("alts", "joined", "split"),
    [
        ("*", "0|1 2|0 .|1", [("G", "0|1 0|0 .|1"), ("*", "0|0 1|0 .|0")]),
        ("<DEL>", "2|1 2|2 0|0", [("G", "0|1 0|0 0|0"), ("<DEL>", "1|0 1|1 0|0")]),
        ("AT", "2|1 2|2 0|0", [("AT", "1|0 1|1 0|0"), ("G", "0|1 0|0 0|0")]),
        ("<*>", "0|2 1|0 0|0", [("G", "0|0 1|0 0|0"), ("<*>", "0|1 0|0 0|0")]),
        ("T", "0|2 1|0 .|2", [("G", "0|0 1|0 .|0"), ("T", "0|1 0|0 .|1")]),
    ],
)
def test_split_records_say_what_the_joined_one_says(tmp_path: Path, alts: str, joined: str, split) -> None:
    one = sites(write(tmp_path, [record(5, "A", f"G,{alts}", joined), record(9)], "joined.vcf"))
    two = sites(write(tmp_path, [record(5, "A", alt, calls) for alt, calls in split] + [record(9)], "split.vcf"))
    assert one == two
    assert len(one) == 2


def test_a_substitution_padded_for_a_deletion_is_a_site(tmp_path: Path) -> None:
    path = write(tmp_path, [record(5, "ATT", "GTT,A", "0|1 2|0 0|0"), record(8, "AT", "GC"), record(9, "AT", "A")])
    source = VcfSource(path)
    (part,) = source.read(NAMES, CallSettings())
    assert part.positions.tolist() == [4]
    assert part.alleles.tolist() == [[0, 2, -1, 0, 0, 0]]
    assert source.counts.not_snv == 2


def test_two_alternatives_on_one_haplotype_contradict_each_other(tmp_path: Path) -> None:
    path = write(tmp_path, [record(5, "A", "G", "1|0 0|0 .|."), record(5, "A", "T", "1|1 0|. 1|.")])
    source = VcfSource(path)
    (part,) = source.read(NAMES, CallSettings())
    assert part.alleles.tolist() == [[-1, 3, 0, -1, 3, -1]]
    assert (source.counts.records, source.counts.merged) == (2, 1)


def test_records_of_one_position_are_one_row_wherever_the_arrays_end(tmp_path: Path, monkeypatch) -> None:
    import genolstm.introgression.variants.bgzf as pieces
    import genolstm.introgression.variants.vcf as vcf

    rng = np.random.default_rng(4)
    records = []
    for p in range(1, 900):
        for alt in ("G", "T", "*")[: rng.integers(1, 4)]:
            records.append(record(p, "A", alt, " ".join(f"{a}|{b}" for a, b in rng.integers(0, 2, (3, 2)))))
    path = write(tmp_path, records)
    whole = sites(path)
    assert len(whole) == 899
    monkeypatch.setattr(vcf, "ROOM", 0)  # 256 rows at a time
    monkeypatch.setattr(pieces, "PIECE", 777)
    assert len(rows(path)) > 3
    assert sites(path) == whole


def test_invariant_records_are_stretches_that_are_known(tmp_path: Path) -> None:
    calls = "0|0 0|0 0|0"
    path = write(
        tmp_path,
        [record(p, "A", ".", calls) for p in (3, 4, 5)]
        + [
            record(6),
            record(7, "A", "<NON_REF>", calls),
            record(9, "C", ".", "0|0 .|. 0|0"),
            record(11, "A", ".", calls),
        ],
    )
    assert known(path) == [[2, 5], [6, 7], [10, 11]]
    # One with a missing call is a site, at which the others are known.
    assert sites(path) == [("1", 6, [0, 2, 2, 0, 0, 0]), ("1", 9, [1, 1, -1, -1, 1, 1])]
    assert VcfSource(path).all_sites
    assert not VcfSource(write(tmp_path, [record(1)], "y.vcf")).all_sites


def test_blocks_of_a_gvcf_reach_to_their_end(tmp_path: Path) -> None:
    text = vcf_text(
        NAMES, [record(10, "A", "<NON_REF>", "0|0 0|0 0|0"), record(30), record(31, "A", "<*>", "0/0 0/0 0/0")]
    )
    text = text.replace("PASS\t.\tGT\t0|0\t0|0\t0|0", "PASS\tDP=3;END=25\tGT\t0|0\t0|0\t0|0")
    path = tmp_path / "x.vcf"
    path.write_text(text)
    assert known(path) == [[9, 25], [30, 31]]
    # A block that begins before a stretch reaches into it.
    (part,) = rows(path, stretches=[Stretch("1", 20, 30)])
    assert part.known.tolist() == [[20, 25]]
    assert part.positions.tolist() == [29]
    path.write_text(text.replace("END=25", "END=7"))
    assert "END that lies before its position" in refused(path)


def test_telomeres_are_left_out_and_counted(tmp_path: Path) -> None:
    path = write(tmp_path, [record(0), record(1), record(100), record(101)], contigs={"1": 100})
    source = VcfSource(path)
    assert [p + 1 for part in source.read(NAMES, CallSettings()) for p in part.positions] == [1, 100]
    assert source.counts.odd_position == 2
    beyond = refused(write(tmp_path, [record(102)], contigs={"1": 100}))
    assert beyond == ":6: 1:102: lies beyond the length stated in the header (100 bp)"


def test_filters_and_qualities(tmp_path: Path) -> None:
    lines = vcf_text(NAMES, [record(p) for p in (1, 2, 3, 4)], form="GT:GQ:DP").splitlines()
    lines[5:] = [
        line.replace("PASS", filters).replace("0|1", "0|1:30:9").replace("1|0", "1|0:.:9").replace("0|0", "0|0:29.9:8")
        for line, filters in zip(lines[5:], ("PASS", ".", "q10", "q10;s50"), strict=True)
    ]
    path = tmp_path / "x.vcf"
    path.write_text("\n".join(lines) + "\n")
    source = VcfSource(path)
    assert [p for part in source.read(NAMES, CallSettings()) for p in part.positions] == [0, 1]
    assert source.counts.filtered == 2
    assert [p for _, p, _ in sites(path, filters=("q10",))] == [3]
    assert [p for _, p, _ in sites(path, filters=("q10", "s50"))] == [3, 4]
    assert [p for _, p, _ in sites(path, filters=())] == [1, 2, 3, 4]
    assert sites(path, filters=("PASS",), min_gq=29)[0][2] == [0, 2, -1, -1, 0, 0]
    assert sites(path, filters=("PASS",), min_gq=30)[0][2] == [0, 2, -1, -1, -1, -1]
    assert sites(path, filters=("PASS",), min_dp=9)[0][2] == [0, 2, 2, 0, -1, -1]
    # A record without the field has no call that reaches it.
    assert sites(write(tmp_path, [record(1)], "plain.vcf"), min_gq=1) == [("1", 1, [-1] * 6)]


# ---------------------------------------------------------------- forms


def test_every_form_gives_the_same(tmp_path: Path) -> None:
    path = write(
        tmp_path, [record(1), record(2, "C", "T,G", "2|1 .|. 0"), record(5, chrom="2")], contigs={"1": 9, "2": None}
    )
    expected = sites(path)
    text = path.read_bytes()
    forms = {
        "gz": gzip.compress(text[:100]) + gzip.compress(text[100:]),
        "bom": b"\xef\xbb\xbf" + text,
        "crlf": text.replace(b"\n", b"\r\n"),
        "cr": text.replace(b"\n", b"\r"),
        "xz": lzma.compress(text),
        "no end": text.rstrip(b"\n"),
        "blank end": text + b"\n\n",
        "no gt line": b"".join(line for line in text.splitlines(True) if b"ID=GT" not in line),
        "phase sign": text.replace(b"\t0|1", b"\t|0|1").replace(b"\t2|1", b"\t/2|1"),
        "no contigs": b"".join(line for line in text.splitlines(True) if b"##contig" not in line),
    }
    for name, data in forms.items():
        other = tmp_path / "form"
        other.write_bytes(data)
        assert sites(other) == expected, name
    with bgzf.open(tmp_path / "x.vcf.gz", "wb") as stream:
        stream.write(text)
    assert sites(tmp_path / "x.vcf.gz") == expected


def test_a_pipe_is_read_once(tmp_path: Path) -> None:
    path = write(tmp_path, [record(1), record(2)])
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    threading.Thread(target=lambda: pipe.write_bytes(path.read_bytes()), daemon=True).start()
    source = VcfSource(pipe)
    assert len(list(source.read(NAMES, CallSettings()))) == 1
    with pytest.raises(InputError, match="is a pipe, which can be read once"):
        source.read(NAMES, CallSettings())
    again = VcfSource(path)
    first, second = (list(again.read(NAMES, CallSettings())) for _ in range(2))
    assert first[0].alleles.tolist() == second[0].alleles.tolist()


@needs_bcftools
def test_a_bcf_says_the_same(tmp_path: Path) -> None:
    rng = np.random.default_rng(9)
    records = []
    for p in range(1, 400, 3):
        alts = ["G", "T,C", "*", "AT", ".", "<DEL>,G"][rng.integers(6)]
        n = 1 if alts == "." else 2 + alts.count(",")
        calls = []
        for _ in NAMES:
            a, b = rng.integers(-1, n, 2)
            words = ["." if x < 0 else str(x) for x in (a, b)]
            calls.append(words[0] if rng.random() < 0.1 else "|".join(words))
        records.append(record(p, "A", alts, " ".join(calls)))
    path = write(tmp_path, [*records, record(7, chrom="2")], contigs={"1": 500, "2": 90})
    text = path.read_text().replace("##FORMAT=<ID=DP", '##ALT=<ID=DEL,Description="d">\n##FORMAT=<ID=DP')
    path.write_text(text)
    bcf = tmp_path / "x.bcf"
    subprocess.run(["bcftools", "view", "-Ob", "-o", bcf, path], check=True)
    assert sites(bcf) == sites(path)
    assert known(bcf) == known(path)
    assert sites(bcf, ["c", "b"]) == sites(path, ["c", "b"])
    assert VcfSource(bcf).all_sites == VcfSource(path).all_sites


@needs_bcftools
@pytest.mark.parametrize("kind", ["vcf.gz tbi", "vcf.gz csi", "bcf csi", "vcf"])
def test_stretches_are_read_through_the_index(tmp_path: Path, kind: str) -> None:
    rng = np.random.default_rng(3)
    contigs = {"1": 2_000_000, "2": 900_000, "3": 100}
    records = [
        record(int(p), chrom=chrom, calls=" ".join(f"{a}|{b}" for a, b in rng.integers(0, 2, (3, 2))))
        for chrom, n in (("1", 4000), ("2", 1500))
        for p in np.sort(rng.choice(contigs[chrom], n, replace=False) + 1)
    ]
    path = write(tmp_path, records, contigs=contigs)
    everything = sites(path)
    form, _, index = kind.partition(" ")
    if form != "vcf":
        other = tmp_path / f"x.{form}"
        subprocess.run(["bcftools", "view", "-Oz" if form == "vcf.gz" else "-Ob", "-o", other, path], check=True)
        subprocess.run(["bcftools", "index", *(["-t"] if index == "tbi" else []), other], check=True)
        path = other
    stretches = [
        Stretch("1", 0, 20_000),
        Stretch("1", 500_000, 530_001),
        Stretch("1", 1_990_000),
        Stretch("2", 3, 899_999),
    ]
    inside = [s for s in everything if any(c == s[0] and a < s[1] <= (b or contigs[c]) for c, a, b in stretches)]
    assert sites(path, stretches=stretches) == inside
    parts = rows(path, stretches=stretches)
    assert [(part.chrom, part.end) for part in parts if part.last] == [(c, b or contigs[c]) for c, _, b in stretches]
    assert sites(path, stretches=[Stretch("3")]) == []
    with pytest.raises(InputError, match="3 has 100 bp, and 3:1-101 reaches beyond it"):
        rows(path, stretches=[Stretch("3", 0, 101)])


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([record(5), record(3)], ":7: 1:3: position 3 comes after 5; sort the file (bcftools sort)"),
        (
            [record(5), record(5, chrom="2"), record(7)],
            ":8: chromosome 1 reappears after another one; sort the file (bcftools sort)",
        ),
        (
            [record(5), record(5, "C", "T")],
            ": 1:5: REF is C here and A in the previous record; a position has only one reference base",
        ),
        ([record(5, calls="0|1 0|2 0|0")], ":6: 1:5: a genotype of b names allele 2, but the record has 2 alleles"),
        (
            [record(5, calls="0|1 65537|0 0|0")],
            ":6: 1:5: a genotype of b names allele 65537, but the record has 2 alleles",
        ),
        (
            [record(5, calls=f"0|1 {'9' * 40}|0 0|0")],
            ":6: 1:5: a genotype of b names an allele beyond any number, but the record has 2 alleles",
        ),
        ([record(5, calls="0|1 0|1|1 0|0")], ":6: 1:5: the genotype of b has 3 alleles; only 1 or 2 are supported"),
        ([record(5, calls="0|1 0| 0|0")], ":6: 1:5: the genotype of b cannot be read"),
        ([record(5, calls="0|1 x 0|0")], ":6: 1:5: the genotype of b cannot be read"),
        ([record(5, calls="0|1 0|0")], ":6: is not a VCF record: it has 11 columns, the header has 12"),
        ([record(5, calls="0|1 0|0 0|0 0|0")], ":6: is not a VCF record: it has 13 columns, the header has 12"),
        ([record("x")], ":6: has a POS that is no position"),  # type: ignore[arg-type]
        ([record(-4)], ":6: has a POS that is no position"),
        ([record(99999999999999)], ":6: has a POS that is no position"),
        ([record(4294967297)], ":6: 1:4294967297: lies beyond the length stated in the header (10000 bp)"),
        ([record(5, alt="")], ":6: is not a VCF record: it has an empty REF or ALT"),
    ],
)
def test_bad_records_are_refused_with_their_line(tmp_path: Path, records, message: str) -> None:
    found = refused(write(tmp_path, records))
    assert found.replace("1:x: ", "").replace("1:-4: ", "").replace("1:99999999999999: ", "") == message


def test_only_the_chosen_samples_matter(tmp_path: Path) -> None:
    path = write(tmp_path, [record(5, calls="0|1 0/1/1 7")])
    assert sites(path, ["a"]) == [("1", 5, [0, 2])]


def test_phase_is_needed_where_it_is_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path, [record(5, calls="0/0 ./1 0/1")])
    each = [CallSettings(need_phase=True), CallSettings(need_phase=True), CallSettings()]
    assert len(list(VcfSource(path).read(NAMES, each))) == 1
    message = "sample c is heterozygous and unphased; phase the file, or use --allow-unphased (see the documentation)"
    assert refused(path, need_phase=True) == f":6: 1:5: {message}"
    source = VcfSource(path)
    list(source.read(NAMES, CallSettings(need_phase=True, allow_unphased=True)))
    assert source.counts.unphased == 1


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty; a VCF or BCF file is needed"),
        (b">x\nACGT\n", "is not a VCF or BCF file: it does not begin with ##fileformat=VCF"),
        (b"##fileformat=VCFv4.2\n1\t5\n", "is not a whole VCF or BCF file: its header has no #CHROM line"),
        (b"BCF\x02\x02\xff\x00\x00\x00##file", "ends in its header (truncated?)"),
        (b"BCF\x01\x00abc", "is a BCF of version 1.0; version 2 is read"),
        (gzip.compress(vcf_text(NAMES, [record(1)]).encode())[:-20], "ends in the middle of its compressed data"),
    ],
)
def test_what_is_no_vcf_is_named(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "x"
    path.write_bytes(data)
    assert message in refused(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("a\tb\tc", "a\tb\ta"), "the sample a stands twice in the header"),
        (("a\tb\tc", "a\tb\tc\t"), "the #CHROM line holds an empty sample name; does the line end with a tab?"),
        (("a\tb\tc", "a\tb\tc\udcff"), "the names of the samples are not UTF-8"),
        (("length=10000", "length=-1"), "states the length -1 for 1, which is no length"),
        (("##FORMAT=<ID=DP", "##contig=<ID=1,length=7>\n##FORMAT=<ID=DP"), "states the lengths 10000 and 7 for 1"),
        (("\tQUAL\t", "\tQ\t"), "the header line must name the columns"),
        (("1\t5\t", "\n1\t5\t"), "is an empty line among the records"),
        (("1\t5\t", "#x\n1\t5\t"), "is a header line among the records"),
        (("1\t5\t", "\udcff\t5\t"), "the name of the chromosome is not UTF-8"),
        (("PASS\t.\tGT", "PASS\t.\tDP"), "the record has no GT"),
    ],
)
def test_faults_of_the_text_are_named(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    path = tmp_path / "x.vcf"
    text = vcf_text(NAMES, [record(5)])
    assert change[0] in text
    path.write_bytes(text.replace(*change).encode("utf-8", "surrogateescape"))
    assert message in refused(path)


def read_or_refused(path: Path) -> str:
    message = ""
    found: list[tuple[str, int, list[int]]] = []
    try:
        found = sites(path, VcfSource(path).samples[:2] or ["a"])
    except InputError as error:
        message = str(error)
    assert "\n" not in message
    assert all(-2 <= a <= 3 for *_, row in found for a in row)
    return "refused" if message else "rows"


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.data())
def test_damaged_text_is_read_or_refused(tmp_path_factory, data) -> None:
    """Bytes changed at random never end in anything but rows or one line of error."""
    text = bytearray(
        vcf_text(NAMES, [record(5), record(6, "A", "<NON_REF>", "0|0 0|0 0|0"), record(9, chrom="2")]).encode()
    )
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text) - 1))
        text[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
    path = tmp_path_factory.getbasetemp() / "fuzz.vcf"
    path.write_bytes(bytes(text))
    read_or_refused(path)


@needs_bcftools
def test_damaged_bcf_is_read_or_refused(tmp_path: Path) -> None:
    path = write(tmp_path, [record(p) for p in range(5, 50)])
    bcf = tmp_path / "x.bcf"
    subprocess.run(["bcftools", "view", "-Ou", "-o", bcf, path], check=True)
    whole = bcf.read_bytes()
    whole = whole if whole[:3] == b"BCF" else gzip.decompress(whole)
    rng = np.random.default_rng(8)
    ended = {"rows": 0, "refused": 0}
    for _ in range(1500):
        damaged = bytearray(whole)
        for at in rng.integers(9 if rng.random() < 0.1 else 500, len(whole), rng.integers(1, 4)):
            damaged[at] = rng.integers(256)
        if rng.random() < 0.1:
            damaged = damaged[: rng.integers(len(damaged))]
        bcf.write_bytes(bytes(damaged))
        ended[read_or_refused(bcf)] += 1
    assert min(ended.values()) > 100


@needs_bcftools
def test_the_ploidy_of_other_samples_does_not_matter_in_a_bcf(tmp_path: Path) -> None:
    path = write(tmp_path, [record(5, calls="0|1 0|1|1 1|1"), record(8, calls="1 0|1|0 .")])
    bcf = tmp_path / "x.bcf"
    subprocess.run(["bcftools", "view", "-Ob", "-o", bcf, path], check=True)
    assert sites(bcf, ["a", "c"]) == sites(path, ["a", "c"]) == [("1", 5, [0, 2, 2, 2]), ("1", 8, [2, -2, -1, -1])]
    assert "the genotype of b has 3 alleles" in refused(bcf)
