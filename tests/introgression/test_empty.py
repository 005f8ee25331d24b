"""Stretches of which a file of variant sites says nothing, because they are too long for nobody to vary there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.introgression import vcf_text

from genolstm.introgression.channels import CALLABLE
from genolstm.introgression.doors.vcf import VcfDoor
from genolstm.introgression.settings import EMPTY, TRACKS, VARIANTS

LENGTH = 250_000


def write(path: Path, gap: tuple[int, int]) -> Path:
    """Write a site every 500 bp but in a gap, at the start of which the last site lies, and at its end the next one."""
    positions = [p for p in range(250, LENGTH, 500) if not gap[0] <= p < gap[1]]
    positions += [gap[0], gap[1]]
    records = [("1", p + 1, "A", "C", ["0|1", "0|0", "1|1"]) for p in sorted(set(positions))]
    path.write_text(vcf_text(["t", "o", "a"], records, contigs={"1": LENGTH}))
    return path


def callable_bins(door: VcfDoor) -> np.ndarray:
    return np.concatenate([block.tracks[0, :, CALLABLE] for block in door.tracks(TRACKS)])


@pytest.mark.parametrize("span", [2_000_000, 40_000, 7_000])
def test_a_long_stretch_without_a_site_is_unknown(tmp_path: Path, span: int) -> None:
    door = VcfDoor(write(tmp_path / "x.vcf", (100_000, 160_000)), "t", "o", "a", span=span)
    found = callable_bins(door)
    assert (found[101:160] == 0).all()
    assert found[:100].min() > 0.9
    assert found[161:].min() > 0.9
    assert door.reader.counts.empty == 60_000 - 1
    assert "59,999 bp in stretches of 30 kb or more without any site: nothing is counted there" in door.left_out()


def test_a_shorter_one_is_the_same_in_everybody(tmp_path: Path) -> None:
    door = VcfDoor(write(tmp_path / "x.vcf", (100_000, 100_000 + EMPTY)), "t", "o", "a")
    assert callable_bins(door).min() > 0.9
    assert door.reader.counts.empty == 0


@pytest.mark.parametrize("role", ["target", "outgroup"])
def test_whoever_says_that_it_is_the_reference_is_believed(tmp_path: Path, role: str) -> None:
    path = write(tmp_path / "x.vcf", (100_000, 160_000))
    settings = replace(VARIANTS, **{f"{role}_absent": "reference"})
    assert callable_bins(VcfDoor(path, "t", "o", "a", settings=settings)).min() > 0.9


def test_the_ends_of_a_chromosome_may_be_empty(tmp_path: Path) -> None:
    path = tmp_path / "x.vcf"
    records = [("1", p, "A", "C", ["0|1", "0|0", "1|1"]) for p in range(50_000, 90_000, 400)]
    path.write_text(vcf_text(["t", "o", "a"], records, contigs={"1": LENGTH}))
    door = VcfDoor(path, "t", "o", "a", region=[("1", 0, LENGTH)])
    found = callable_bins(door)
    assert len(found) == LENGTH // TRACKS.bin
    assert (found[:49] == 0).all()
    assert (found[91:] == 0).all()
    assert found[51:89].min() > 0.9


def test_a_region_is_read_as_in_the_whole(tmp_path: Path) -> None:
    path = write(tmp_path / "x.vcf", (100_000, 160_000))
    whole = callable_bins(VcfDoor(path, "t", "o", "a"))
    for start, end in ((90_000, 105_000), (95_000, 170_000), (150_000, 170_000)):
        part = callable_bins(VcfDoor(path, "t", "o", "a", region=[("1", start, end)]))
        np.testing.assert_array_equal(part, whole[start // 1000 : end // 1000])


def test_one_file_that_goes_on_makes_it_known(tmp_path: Path) -> None:
    people = write(tmp_path / "people.vcf", (100_000, 160_000))
    outgroup = tmp_path / "outgroup.vcf"
    records = [("1", p, "A", "C", ["0|1"]) for p in range(251, LENGTH, 500)]
    outgroup.write_text(vcf_text(["o2"], records, contigs={"1": LENGTH}))
    door = VcfDoor(people, "t", (), "a", outgroup_vcf=outgroup)
    assert callable_bins(door).min() > 0.9
