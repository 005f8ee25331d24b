"""Parts of chromosomes, records that count, masks of one role, and haplotypes that end to exist."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import EXAMPLE
from support.introgression import vcf_text

from genolstm.errors import InputError
from genolstm.introgression.channels import CALLABLE, CHANNELS
from genolstm.introgression.doors.blocks import TrackBlock
from genolstm.introgression.doors.vcf import VcfDoor
from genolstm.introgression.settings import TrackSettings, VariantSettings
from genolstm.introgression.variants.block import Stretch
from genolstm.introgression.variants.join import VariantReader
from genolstm.introgression.variants.regions import whole_bins

needs_bcftools = pytest.mark.skipif(shutil.which("bcftools") is None, reason="bcftools is not installed")
ROLES = ("target", "outgroup", "archaic")
SIZE = TrackSettings(5, 10)


def blocks_of(folder: Path = EXAMPLE, **changes: object) -> list[TrackBlock]:
    door = {"vcf": folder / "region.vcf.gz", **{role: folder / f"{role}.txt" for role in ROLES}}
    return list(VcfDoor(**{**door, **changes}).tracks(TrackSettings()))  # type: ignore[arg-type]


def places(blocks: Sequence[TrackBlock]) -> list[tuple[str, int, int, int | None, bool]]:
    return [(b.chrom, b.first_bin, b.first_bin + b.tracks.shape[1], b.length, b.last) for b in blocks]


# ---------------------------------------------------------------- stretches


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 90), st.integers(1, 60)), min_size=1, max_size=6), st.integers(1, 20))
def test_stretches_become_whole_bins(spans: list[tuple[int, int]], size: int) -> None:
    found = whole_bins([Stretch("1", a, a + n) for a, n in spans], size, {"1": 151})
    bins = {b for a, n in spans for b in range(a // size, -(-(a + n) // size))}
    assert {b for _, a, e in found for b in range(a // size, -(-e // size))} == bins
    assert all(a % size == 0 and (e % size == 0 or e == 151) for _, a, e in found)
    # They neither overlap nor touch, and are in order.
    assert all(x.end < y.start for x, y in pairwise(found))


def test_stretches_outside_are_refused() -> None:
    assert whole_bins([Stretch("1", 90, None)], 20, {"1": 100}) == [Stretch("1", 80, None)]
    assert whole_bins([Stretch("1", 0, None), Stretch("1", 30, 50)], 20, {}) == [Stretch("1", 0, None)]
    for stretch in (Stretch("1", 100, 120), Stretch("1", 90, 101), Stretch("1", 100, None)):
        with pytest.raises(InputError, match=r"1 has 100 bp, and 1:.* reaches beyond it"):
            whole_bins([stretch], 20, {"1": 100})


@pytest.fixture(scope="module")
def whole() -> np.ndarray:
    (block,) = blocks_of()
    return block.tracks


@pytest.mark.parametrize("span", [2_000_000, 7000])
def test_each_stretch_is_a_run_of_its_own(whole: np.ndarray, span: int, tmp_path: Path) -> None:
    regions = tmp_path / "r.bed"
    regions.write_text("chr21\t311000\t311500\nchr21\t590000\t600000\n")
    given = [("chr21", 299_999, 311_001), ("chr21", 0, 1), (None, 450_000, 452_000)]
    blocks = blocks_of(region=given, regions=regions, span=span)
    runs = [(0, 1), (299, 312), (450, 452), (590, 600)]
    ends = np.cumsum([b.last for b in blocks])
    assert ends[-1] == len(runs)
    assert {(b.chrom, b.length) for b in blocks} == {("chr21", 600_000)}
    for i, (first, last) in enumerate(runs):
        own = [b for b, end in zip(blocks, ends - [b.last for b in blocks], strict=True) if end == i]
        assert own[0].first_bin == first
        np.testing.assert_array_equal(np.concatenate([b.tracks for b in own], axis=1), whole[:, first:last])


@needs_bcftools
def test_stretches_are_read_through_the_index(whole: np.ndarray, tmp_path: Path) -> None:
    for name in ("people.vcf.gz", "archaic.g.vcf.gz"):
        shutil.copy(EXAMPLE / name, tmp_path)
        subprocess.run(["bcftools", "index", tmp_path / name], check=True)
    door = VcfDoor(
        tmp_path / "people.vcf.gz",
        "EUR",
        "AFR",
        archaic_vcf=tmp_path / "archaic.g.vcf.gz",
        samples=EXAMPLE / "people.tsv",
        region=[("chr21", 400_000, 410_000)],
    )
    (block,) = door.tracks(TrackSettings())
    np.testing.assert_array_equal(block.tracks, whole[:, 400:410])
    # Little more is read than what is asked for, and the 30 kb on either side that tell whether it is empty: of 8757
    # records in both files, 1220 lie there.
    assert door.reader.counts.records < 1300


def test_chromosomes_may_be_named_one_by_one(tmp_path: Path) -> None:
    path = tmp_path / "x.vcf"
    records = [(c, p, "A", "C", ["0|1", "0|0", "1|1"]) for c in "123" for p in (15, 38)]
    path.write_text(vcf_text(["t", "o", "a"], records, contigs={"1": 100, "2": 100, "3": 90, "4": 50}))

    def of(**changes: object) -> list[tuple[str, int, int, int | None, bool]]:
        return places(list(VcfDoor(path, "t", "o", "a", **changes).tracks(SIZE)))  # type: ignore[arg-type]

    assert of(chrom=["3", "1"]) == [("1", 1, 4, 100, True), ("3", 1, 4, 90, True)]
    assert of(chrom="1", region=[("3", 80, 90)]) == [("1", 1, 4, 100, True), ("3", 8, 9, 90, True)]
    # A file of regions is for all chromosomes: those that are not asked for need not exist.
    (tmp_path / "r.bed").write_text("1\t10\t20\n3\t80\t90\n9\t0\t10\n")
    assert of(chrom="1", regions=tmp_path / "r.bed") == [("1", 1, 2, 100, True)]
    with pytest.raises(InputError, match=r"r\.bed: holds nothing on 2, but on 1, 3, 9"):
        of(chrom="2", regions=tmp_path / "r.bed")
    for changes, message in (
        ({"chrom": "chr3"}, "has no chromosome chr3; its header names 1, 2, 3"),
        ({"region": [("5", 0, 9)]}, "has no chromosome 5; its header names 1, 2, 3"),
        ({"region": [("3", 85, 91)]}, "3 has 90 bp, and 3:86-91 reaches beyond it"),
        ({"region": [("3", 90, 95)]}, "3 has 90 bp, and 3:91-95 reaches beyond it"),
        ({"region": [(None, 0, 5)]}, "the region 1-5 needs the name of a chromosome"),
        ({"chrom": "4"}, "has no usable site on chromosome 4 (0 records read); its header names 1, 2, 3"),
        ({"region": [("1", 50, 60)]}, "has no usable site on chromosome 1"),
    ):
        with pytest.raises(InputError) as error:
            of(**changes)
        assert str(error.value).startswith(f"{path}: {message}")


def test_a_chromosome_without_targets_is_said(tmp_path: Path) -> None:
    path = tmp_path / "x.vcf"
    path.write_text(
        vcf_text(["t", "o", "a"], [("1", 5, "A", "C", ["0|1", "0|0", "1|1"])], contigs={"1": 100, "2": 100})
    )
    door = VcfDoor(path, "t", "o", "a", chrom=["1", "2"])
    assert places(list(door.tracks(SIZE))) == [("1", 0, 1, 100, True)]
    assert door.warnings() == ["no target has a record on 2 where it was asked for: not scanned"]


# ---------------------------------------------------------------- what counts


def test_filters(tmp_path: Path) -> None:
    path = tmp_path / "x.vcf"
    records = [("1", p, "A", "C", ["0|1", "0|0", "1|1"]) for p in (5, 15, 25, 35)]
    lines = vcf_text(["t", "o", "a"], records).splitlines()
    for i, filters in enumerate((".", "q10", "q10;s50"), start=1):
        lines[-i] = lines[-i].replace("PASS", filters)
    path.write_text("\n".join(lines) + "\n")

    def sites(*filters: str) -> tuple[int, list[str]]:
        door = VcfDoor(path, "t", "o", "a", settings=VariantSettings(filters) if filters else VariantSettings())
        list(door.tracks(SIZE))
        return door.reader.counts.sites, door.left_out()[1:]

    assert sites() == (2, ["2 records with another FILTER than PASS or ., left out"])
    assert sites("q10") == (1, ["3 records with another FILTER than q10, left out"])
    assert sites("PASS", "q10", "s50", ".") == (4, [])
    assert sites("any") == (4, [])


def test_calls_of_low_quality_are_the_archaics_only(tmp_path: Path) -> None:
    path = tmp_path / "x.vcf"
    calls = [["0|1:3:2", "0|0:3:2", f"1|1:{gq}:{dp}"] for gq, dp in ((30, 9), (29, 9), (30, 8), (".", "."))]
    records = [("1", p, "A", "C", c) for p, c in zip((5, 15, 25, 35), calls, strict=True)]
    path.write_text(vcf_text(["t", "o", "a"], records, form="GT:GQ:DP"))
    door = VcfDoor(path, "t", "o", "a", settings=VariantSettings(archaic_min_gq=30, archaic_min_dp=9))
    (block,) = door.tracks(SIZE)
    assert door.reader.counts.archaic_missing == 3
    assert "3 calls below the least GQ or DP, taken as missing" in door.left_out()
    # Of the archaic nothing is known there, nor is anything compared with it.
    of_archaic = [i for i, name in enumerate(CHANNELS) if "first" in name and name != "callable_first"]
    assert (block.tracks[0, :, CALLABLE + 1] > 0.85).tolist() == [False, False, False, False]
    assert block.tracks[0, 0, of_archaic].sum() > 0
    assert (block.tracks[0, 1:, of_archaic].sum(axis=0) == 0).all()


# ---------------------------------------------------------------- masks


@pytest.mark.parametrize("role", ROLES)
def test_a_mask_of_one_role_hides_as_one_of_all(role: str, tmp_path: Path) -> None:
    mask = tmp_path / "m.bed"
    mask.write_text("chr21\t100000\t120000\nchr21\t300000\t310000\n")
    (expected,) = blocks_of(exclude_mask=mask)
    (found,) = blocks_of(**{f"{role}_exclude": mask})
    np.testing.assert_array_equal(found.tracks, expected.tracks)
    assert (found.tracks[:, 101:119, CALLABLE] == 0).all()
    inverse = {"chr21": [(0, 100_000), (120_000, 300_000), (310_000, 600_000)]}
    (found,) = blocks_of(**{f"{role}_callable": inverse})
    np.testing.assert_array_equal(found.tracks, expected.tracks)


def test_masks_of_one_option_are_joined_and_those_of_several_meet() -> None:
    first, second = {"chr21": [(0, 200_000)]}, {"chr21": [(100_000, 400_000)], "chr22": [(0, 5)]}
    (joined,) = blocks_of(callable_mask=[first, second])
    (expected,) = blocks_of(callable_mask={"chr21": [(0, 400_000)]})
    np.testing.assert_array_equal(joined.tracks, expected.tracks)
    (met,) = blocks_of(archaic_callable=first, outgroup_callable=second)
    (expected,) = blocks_of(callable_mask={"chr21": [(100_000, 200_000)]})
    np.testing.assert_array_equal(met.tracks, expected.tracks)


def test_masks_that_hide_everything_are_said() -> None:
    def warnings(**changes: object) -> list[str]:
        door = VcfDoor(EXAMPLE / "region.vcf.gz", *(EXAMPLE / f"{role}.txt" for role in ROLES), **changes)  # type: ignore[arg-type]
        (block,) = door.tracks(TrackSettings())
        assert (block.tracks[:, :, CALLABLE] == 0).all() == bool(changes)
        return door.warnings()

    assert warnings() == []
    said = "the masks hide everything: 0 % is callable, and nothing can be called"
    assert warnings(exclude_mask={"chr21": [(0, 600_000)]}) == [said]
    assert warnings(archaic_callable={"chr21": [(0, 9_000)]}, target_exclude={"chr21": [(0, 10_000)]}) == [said]


def test_a_mask_without_a_chromosome_is_said(tmp_path: Path) -> None:
    path = tmp_path / "x.vcf"
    records = [(c, p, "A", "C", ["0|1", "0|0", "1|1"]) for c in "12" for p in (15, 38)]
    path.write_text(vcf_text(["t", "o", "a"], records, contigs={"1": 100, "2": 100}))
    door = VcfDoor(path, "t", "o", "a", archaic_callable={"1": [(0, 100)]})
    first, second = door.tracks(SIZE)
    assert first.tracks[0, :, CALLABLE].max() > 0
    assert second.tracks[0, :, CALLABLE].max() == 0
    assert door.warnings() == ["the mask 'archaic callable' covers nothing of 2: nothing can be called there"]


# ---------------------------------------------------------------- haplotypes that do not exist


@pytest.mark.parametrize("span", [10, 30, 1000])
def test_haplotypes_exist_where_calls_are_diploid(tmp_path: Path, span: int) -> None:
    path = tmp_path / "x.vcf"
    # Diploid up to 40, and haploid from 41 on, which shows where nobody differs; then diploid from 85 on.
    calls = {5: "0|1", 38: "0|0", 41: "0", 62: "1", 85: "1|1", 97: "0|1"}
    records = [("1", p, "A", "C", [call, "0|1", "0|0", "0|0"]) for p, call in calls.items()]
    records[2] = ("1", 41, "A", "C", ["0", "0|0", "0|0", "0|0"])
    path.write_text(vcf_text(["x", "y", "o", "a"], records, contigs={"1": 100}))
    blocks = list(VcfDoor(path, "x,y", "o", "a", span=span).tracks(SIZE))
    exists = np.concatenate(
        [np.ones(b.tracks.shape[:2], bool) if b.exists is None else b.exists for b in blocks], axis=1
    )
    assert exists[[0, 2, 3]].all()
    assert exists[1].tolist() == [True] * 4 + [False] * 4 + [True] * 2


def test_a_position_without_a_record_of_a_haploid_sample(tmp_path: Path) -> None:
    """The archaic has a site where the targets have none: the haplotype that is not there does not get a base."""
    targets, archaic = tmp_path / "t.vcf", tmp_path / "a.vcf"
    targets.write_text(vcf_text(["t", "o"], [("1", 5, "A", "C", ["1", "0|0"]), ("1", 30, "A", "C", ["1", "0|0"])]))
    archaic.write_text(vcf_text(["a"], [("1", 5, "A", "C", ["1"]), ("1", 20, "A", "C", ["1"])]))
    reader = VariantReader(targets, ["t"], ["o"], ["a"], archaic_files=archaic)
    (block,) = reader.blocks(span=1000, overlap=0)
    assert block.target.tolist() == [[1, -2], [0, -2], [1, -2]]
    assert block.archaic.tolist() == [[1, -2], [1, -2], [0, -2]]
