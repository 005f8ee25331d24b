"""Allele frequencies as an outgroup: as many carriers as they say, and what is refused."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from Bio import bgzf
from hypothesis import given, settings
from hypothesis import strategies as st
from support import EXAMPLE
from support.introgression import vcf_text

from genolstm.errors import InputError, SettingError
from genolstm.introgression.channels import CHANNELS, OUTGROUP_SIZE
from genolstm.introgression.doors.vcf import VcfDoor
from genolstm.introgression.settings import TrackSettings
from genolstm.introgression.variants.block import CallSettings, SiteRows, Stretch
from genolstm.introgression.variants.frequencies import FrequencySource

HEAD = (
    "##fileformat=VCFv4.2\n##contig=<ID=1,length=1000>\n##contig=<ID=2,length=50>\n"
    "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
)


def write(tmp_path: Path, *records: tuple[object, ...], name: str = "f.vcf") -> Path:
    """Write (position, REF, ALT, INFO), or more exactly (position, REF, ALT, INFO, chromosome, FILTER)."""
    lines = []
    for position, ref, alt, info, *rest in records:
        chrom, passed = (*rest, "1", "PASS")[:2] if len(rest) != 1 else (rest[0], "PASS")
        lines.append(f"{chrom}\t{position}\t.\t{ref}\t{alt}\t.\t{passed}\t{info}\n")
    path = tmp_path / name
    path.write_text(HEAD + "".join(lines))
    return path


def read(path: Path, stretches=None, field: str = "AF_afr", **changes) -> list[SiteRows]:
    source = FrequencySource(path, field)
    return list(source.read(source.samples, CallSettings(**changes), stretches))


def carriers(path: Path, **changes) -> dict[tuple[str, int], dict[int, int]]:
    """By chromosome and 1-based position, how many haplotypes have each base."""
    found = {}
    for rows in read(path, **changes):
        for p, row in zip(rows.positions.tolist(), rows.alleles, strict=True):
            values, counts = np.unique(row, return_counts=True)
            found[rows.chrom, p + 1] = dict(zip(values.tolist(), counts.tolist(), strict=True))
    return found


def test_as_many_carriers_as_the_frequencies_say(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        (5, "A", "C", "AC=1;AF_afr=0.25;AF_eas=0.5"),
        (7, "a", "c,G", "AF_afr=0.1,0.02"),
        (9, "T", "C", "AF_afr=0"),
        (10, "T", "C", "AF_afr=1.0"),
        (11, "G", "A", "AF_afr=."),
        (12, "G", "A", "AF_eas=0.3"),
        (15, "AT", "GT,A", "AF_afr=0.5,0.1"),
        (3, "G", "T", "AF_afr=5e-1", "2"),
    )
    assert carriers(path) == {
        ("1", 5): {0: 150, 1: 50},
        ("1", 7): {0: 176, 1: 20, 2: 4},
        ("1", 10): {1: 200},
        # Without a frequency nothing is known.
        ("1", 11): {-1: 200},
        ("1", 12): {-1: 200},
        # Carriers of what is no base are unknown.
        ("1", 15): {0: 80, 2: 100, -1: 20},
        ("2", 3): {2: 100, 3: 100},
    }
    # Where nobody has another base, that is stated.
    assert [rows.known.tolist() for rows in read(path)] == [[[8, 9]], []]
    assert [(rows.chrom, rows.end, rows.last) for rows in read(path)] == [("1", 15, True), ("2", 3, True)]


def test_records_of_one_position_are_one_site(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        (5, "A", "C", "AF_afr=0.25"),
        (5, "A", "G", "AF_afr=0.5"),
        (5, "A", "AT", "AF_afr=0.05"),
        (8, "A", "AT", "AF_afr=0.05"),
    )
    source = FrequencySource(path, "AF_afr")
    (rows,) = source.read(source.samples, CallSettings())
    assert np.unique(rows.alleles, return_counts=True)[1].tolist() == [10, 40, 50, 100]
    assert (source.counts.records, source.counts.merged, source.counts.not_snv) == (4, 2, 1)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 200))
def test_sites_are_independent_and_the_same_each_time(start: int, count: int) -> None:
    source_rows = [(start + i, 0, [(2, count)]) for i in range(400)]
    from genolstm.introgression.variants.frequencies import _deal

    def deal() -> np.ndarray:
        alleles = np.zeros((400, 200), dtype=np.int8)
        positions = np.array([p for p, *_ in source_rows], dtype=np.int64)
        _deal(positions, np.full((400, 1), count), np.full((400, 1), 2, dtype=np.int8), alleles)
        return alleles

    alleles = deal()
    assert ((alleles == 2).sum(axis=1) == count).all()
    np.testing.assert_array_equal(alleles, deal())
    # Each haplotype gets its share over the sites: no haplotype is the carrier of everything.
    share = (alleles == 2).mean(axis=0)
    assert abs(share - count / 200).max() < 6 * np.sqrt(count / 200 * (1 - count / 200) / 400) + 1e-9


def test_alleles_rarer_than_one_haplotype_are_carried_as_often_as_that(tmp_path: Path) -> None:
    """To round them all to nobody would make every rare allele of the outgroup look like an archaic one."""
    path = write(tmp_path, *((p, "A", "C", "AF_afr=0.002") for p in range(1, 1000)))
    found = carriers(path)
    assert all(counts == {0: 199, 1: 1} for counts in found.values())
    assert 350 < len(found) < 450


def test_a_small_cohort_has_no_more_haplotypes_than_called(tmp_path: Path) -> None:
    path = write(tmp_path, (5, "A", "C", "AN_afr=17;AF_afr=0.25"), (6, "A", "C", "AN_afr=40;AF_afr=0.25"))
    source = FrequencySource(path, "AF_afr")
    assert source.samples == [f"AF_afr:{i}" for i in range(1, 21)]
    assert carriers(path)["1", 6] == {0: 30, 1: 10}
    assert len(FrequencySource(write(tmp_path, (5, "A", "C", "AN_afr=9999;AF_afr=0.25")), "AF_afr").samples) == 100
    assert len(FrequencySource(write(tmp_path, (5, "A", "C", "AN=12;AF=0.25")), "AF").samples) == 6


def test_filters_and_parts(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        (5, "A", "C", "AF_afr=0.5", "1", "AC0"),
        (6, "A", "C", "AF_afr=0.5"),
        (300, "A", "C", "AF_afr=0.5"),
        (7, "A", "C", "AF_afr=0.5", "2"),
    )
    assert list(carriers(path)) == [("1", 6), ("1", 300), ("2", 7)]
    assert list(carriers(path, filters=())) == [("1", 5), ("1", 6), ("1", 300), ("2", 7)]
    assert list(carriers(path, stretches=[Stretch("1", 100, 400), Stretch("2")])) == [("1", 300), ("2", 7)]
    packed = tmp_path / "f.vcf.gz"
    for content in (gzip.compress(path.read_bytes()), b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n")):
        packed.write_bytes(content)
        assert list(carriers(packed)) == [("1", 6), ("1", 300), ("2", 7)]
    with bgzf.open(packed, "wb") as stream:
        stream.write(path.read_bytes())
    assert list(carriers(packed)) == [("1", 6), ("1", 300), ("2", 7)]
    with pytest.raises(InputError, match="2 has 50 bp, and 2:41-60 reaches beyond it"):
        carriers(path, stretches=[Stretch("2", 40, 60)])


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ((5, "A", "C", "AF=0.5;AF_nfe=0.1"), "has no AF_afr in INFO; there are AF, AF_nfe"),
        ((5, "A", "C,G", "AF_afr=0.5"), ":5: 1:5: AF_afr has 1 values for 2 alternative alleles"),
        ((5, "A", "C", "AF_afr=1.5"), ":5: 1:5: AF_afr is 1.5, which is no frequency"),
        ((5, "A", "C,G", "AF_afr=0.9,0.2"), ":5: 1:5: AF_afr is 0.9,0.2, which is no frequency"),
        ((5, "A", "C", "AF_afr=x"), ":5: 1:5: AF_afr is x, which is no frequency"),
        ((5, "A", "C", "AF_afr=nan"), ":5: 1:5: AF_afr is nan, which is no frequency"),
        (("x", "A", "C", "AF_afr=0.1"), ":5: has a POS that is no position"),
        ((1002, "A", "C", "AF_afr=0.1"), ":5: 1:1002: lies beyond the length stated in the header (1000 bp)"),
    ],
)
def test_bad_frequencies(tmp_path: Path, record: tuple[object, ...], message: str) -> None:
    path = write(tmp_path, record)
    with pytest.raises(InputError) as error:
        carriers(path)
    assert message in str(error.value)


def test_records_out_of_order(tmp_path: Path) -> None:
    for records, message in (
        ([(9, "1"), (5, "1")], ":6: 1:5: position 5 comes after 9"),
        ([(9, "1"), (5, "2"), (10, "1")], ":7: chromosome 1 reappears after another one"),
    ):
        path = write(tmp_path, *((p, "A", "C", "AF_afr=0.1", chrom) for p, chrom in records))
        with pytest.raises(InputError) as error:
            carriers(path)
        assert str(error.value).startswith(f"{path}{message}")
    path = write(tmp_path, (5, "A", "C", "AF_afr=0.1"), (5, "G", "C", "AF_afr=0.1"))
    with pytest.raises(InputError, match="REF is G here and A in the previous record"):
        carriers(path)


def test_a_door_with_frequencies_instead_of_an_outgroup(tmp_path: Path) -> None:
    targets = tmp_path / "t.vcf"
    calls = [("1", p, "A", "C", ["0|1", "1|1"]) for p in (100, 200, 300)]
    targets.write_text(vcf_text(["t", "a"], calls, contigs={"1": 1000}))
    path = write(tmp_path, (100, "A", "C", "AF_afr=0.5"), (200, "A", "C", "AF_afr=."), (400, "A", "G", "AF_afr=0.1"))
    door = VcfDoor(targets, "t", archaic="a", outgroup_frequencies=path, field="AF_afr")
    (block,) = door.reader.blocks(span=1000, overlap=0)
    assert block.outgroup.shape == (3, 200)
    assert (block.outgroup == 1).sum(axis=1).tolist() == [100, 0, 0]
    assert (block.outgroup == -1).sum(axis=1).tolist() == [0, 200, 0]
    (tracks,) = VcfDoor(targets, "t", archaic="a", outgroup_frequencies=path, field="AF_afr").tracks(
        TrackSettings(5, 100)
    )
    assert tracks.tracks[0, 0, OUTGROUP_SIZE] == pytest.approx(np.log10(200))
    for changes, message in (
        ({"outgroup": "a"}, "frequencies are an outgroup of their own"),
        ({"outgroup_vcf": targets}, "frequencies are an outgroup of their own"),
        ({"field": None}, "the field of the allele frequencies is not named"),
        ({"outgroup_frequencies": (), "outgroup": "x"}, "field goes with outgroup_frequencies"),
    ):
        given = {"target": "t", "archaic": "a", "outgroup_frequencies": path, "field": "AF_afr", **changes}
        with pytest.raises(SettingError, match=message):
            VcfDoor(targets, **given).names()


def test_frequencies_of_the_examples_outgroup_give_nearly_its_tracks(tmp_path: Path) -> None:
    """One site at a time, frequencies say all; only k-mers over several sites are another matter."""
    lines = gzip.decompress((EXAMPLE / "people.vcf.gz").read_bytes()).decode().splitlines()
    head, records = lines[-1], []
    names = next(line for line in lines if line.startswith("#CHROM")).split("\t")[9:]
    chosen = [9 + names.index(name) for name in (EXAMPLE / "outgroup.txt").read_text().split()]
    assert head
    for line in lines:
        if line.startswith("#"):
            continue
        columns = line.split("\t")
        alleles = [a for i in chosen for a in columns[i].split("|")]
        n = columns[4].count(",") + 1
        frequencies = ",".join(f"{alleles.count(str(i)) / len(alleles):.6g}" for i in range(1, n + 1))
        info = f"AN={len(alleles)};AF={frequencies}"
        records.append("\t".join([*columns[:7], info]))
    path = tmp_path / "f.vcf"
    path.write_text(HEAD.replace("ID=1,length=1000", "ID=chr21,length=600000") + "\n".join(records) + "\n")
    door = {
        "vcf": EXAMPLE / "people.vcf.gz",
        "target": EXAMPLE / "target.txt",
        "archaic_vcf": EXAMPLE / "archaic.vcf.gz",
    }
    (by_genotypes,) = VcfDoor(**door, outgroup=EXAMPLE / "outgroup.txt").tracks(TrackSettings())
    (by_frequencies,) = VcfDoor(**door, outgroup_frequencies=path, field="AF").tracks(TrackSettings())
    a, b = by_genotypes.tracks, by_frequencies.tracks
    assert a.shape == b.shape
    np.testing.assert_allclose(a[:, :, OUTGROUP_SIZE], b[:, :, OUTGROUP_SIZE])
    matches = CHANNELS.index("absent_single_first")
    assert np.corrcoef(a[:, :, matches].ravel(), b[:, :, matches].ravel())[0, 1] > 0.9
