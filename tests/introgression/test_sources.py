"""Archaic sources: none, one, two or more; what tells them apart, and what is refused."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import click
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import EXAMPLE
from support.introgression import haplotype_texts, tiny_bundle, tracks_by_kmers, vcf_of_alleles

from genolstm.cli.archaics import by_source
from genolstm.errors import InputError, SettingError
from genolstm.introgression.channels import BASELINE_COUNTS, CALLABLE, CHANNELS, LEVELS
from genolstm.introgression.dataset import LabelledTracks, load_region, read_sources, with_fewer_archaics
from genolstm.introgression.doors.blocks import TrackBlock, posterior_blocks, readings
from genolstm.introgression.doors.fasta import FastaDoor
from genolstm.introgression.doors.vcf import VcfDoor
from genolstm.introgression.hmm import SupervisedHMM
from genolstm.introgression.model import IntrogressionClassifier
from genolstm.introgression.segments import PosteriorBlock, SegmentDecoder, _changes, source_of
from genolstm.introgression.settings import DecodeSettings, IntrogressionTraining, TrackSettings
from genolstm.introgression.tracks import choose_sources, comparable, tracks_from_counts, tracks_from_variants
from genolstm.introgression.train import train_on_tracks
from genolstm.introgression.variants.block import VariantBlock
from genolstm.sequences.alphabet import encode
from genolstm.sequences.kmers import valid_kmers
from genolstm.sequences.panel.builder import PanelBuilder
from genolstm.sequences.panel.panel import KmerPanel

SECOND = [i for i, name in enumerate(CHANNELS) if "second" in name]
FIRST = [i for i, name in enumerate(CHANNELS) if "first" in name]
BOTH = [i for i, name in enumerate(CHANNELS) if "both" in name]
REST = [i for i in range(len(CHANNELS)) if i not in (*FIRST, *SECOND, *BOTH)]
LENGTH = 6000


# ---------------------------------------------------------------- tracks


@st.composite
def regions(draw):
    """Variants of a short sequence: alleles of targets, outgroup, and two archaics of one haplotype each."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    length = draw(st.integers(40, 260))
    positions = np.flatnonzero(random.random(length) < draw(st.sampled_from([0.05, 0.3])))
    shape = draw(st.integers(1, 4)), draw(st.integers(1, 6)), 1, 1
    founders = random.integers(0, 4, (len(positions), 3), dtype=np.int8)
    alleles = founders[:, random.integers(0, 3, sum(shape))]
    groups = np.split(alleles, np.cumsum(shape)[:-1], axis=1)
    missing = draw(st.sampled_from([0, 0.1]))
    for group in groups[2:]:
        group[random.random(group.shape) < missing] = -1
    return TrackSettings(draw(st.integers(15, 31)), draw(st.integers(31, 80))), length, positions, groups, random


def by_sites(region, sources) -> np.ndarray:
    track_settings, length, positions, (target, outgroup, *archaics), _ = region
    archaic = np.concatenate(archaics, axis=1)
    block = VariantBlock("1", positions, *map(np.ascontiguousarray, (target, outgroup, archaic)))
    bins = -(-length // track_settings.bin)
    where = {"first_bin": 0, "last_bin": bins, "length": length, "settings": track_settings}
    return tracks_from_variants(block, sources=sources, **where)


@settings(max_examples=60, deadline=None)
@given(regions())
def test_two_sources_are_what_their_kmers_say(region) -> None:
    track_settings, length, positions, groups, random = region
    reference = random.integers(0, 4, length)
    target, outgroup, first, second = (haplotype_texts(reference, positions, group) for group in groups)
    expected = tracks_by_kmers(target, outgroup, first, track_settings, second=second)
    found = by_sites(region, [[0], [1]])
    usable = [(group >= 0).any(axis=1) for group in groups[:2]]
    archaic = np.logical_or(*((group >= 0).any(axis=1) for group in groups[2:]))
    # Bins with several sites, none of them usable, count as unknown, though no k-mer says so.
    places = positions // track_settings.bin
    sites = np.bincount(places, minlength=found.shape[1])
    good = np.bincount(places, usable[0] & usable[1] & archaic, minlength=found.shape[1])
    told = (sites < 3) | (good > 0)
    np.testing.assert_allclose(found[:, told], expected[:, told], atol=1e-5)


@settings(max_examples=40, deadline=None)
@given(regions())
def test_two_sources_are_each_alone_put_together(region) -> None:
    both = by_sites(region, [[0], [1]])
    for own, place in ((FIRST, 0), (SECOND, 1)):
        alone = by_sites(region, [[place]])
        np.testing.assert_array_equal(both[..., own], alone[..., FIRST])
        np.testing.assert_array_equal(both[..., REST], alone[..., REST])
        assert not alone[..., SECOND].any()
        chosen = both.copy()
        choose_sources(chosen, [place])
        np.testing.assert_array_equal(chosen, alone)
    turned = both.copy()
    choose_sources(turned, [1, 0])
    np.testing.assert_array_equal(turned, by_sites(region, [[1], [0]]))
    none = both.copy()
    choose_sources(none, [])
    np.testing.assert_array_equal(none, by_sites(region, []))
    assert not none[..., [*FIRST, *SECOND, *BOTH]].any()
    np.testing.assert_array_equal(comparable(none, 0), both[..., CALLABLE])
    np.testing.assert_array_equal(comparable(both, 2), both[..., [FIRST[-1], SECOND[-1]]].max(axis=-1))


@settings(max_examples=30, deadline=None)
@given(regions(), st.integers(0, 2))
def test_both_doors_agree_on_none_one_and_two_sources(region, n_sources) -> None:
    track_settings, length, positions, groups, random = region
    for group in groups[2:]:
        group[group < 0] = 0
    reference = random.integers(0, 4, length)
    target, outgroup, *archaics = (haplotype_texts(reference, positions, group) for group in groups)

    def panel(texts) -> KmerPanel:
        builder = PanelBuilder(track_settings.k)
        for text in texts:
            builder.add_haplotype([encode(text)])
        return builder.finish()

    # Of one haplotype each, so that no k-mer covers two sites at which an archaic differs from itself.
    panels = [panel(texts) for texts in archaics[:n_sources]]
    wide, all_targets = panel(outgroup), panel(target)
    sites = by_sites(region, [[i] for i in range(n_sources)])
    for h, text in enumerate(target):
        codes = encode(text)
        found = tracks_from_counts(
            [one.lookup(codes) for one in panels],
            wide.lookup(codes),
            all_targets.lookup(codes),
            valid_kmers(codes, track_settings.k),
            length=length,
            outgroup_size=wide.n_haplotypes,
            target_size=all_targets.n_haplotypes,
            settings=track_settings,
        )
        repeated = len({text[i : i + track_settings.k] for i in range(length - track_settings.k + 1)})
        if repeated == length - track_settings.k + 1:  # by chance, a k-mer may occur twice
            np.testing.assert_allclose(found, sites[h], atol=1e-5)


# ---------------------------------------------------------------- readings


def test_a_model_reads_two_sources_at_a_time() -> None:
    assert readings(0) == [[]]
    assert readings(1) == [[[0]]]
    assert readings(2) == [[[0], [1]]]
    assert readings(3) == [[[0], [1, 2]], [[1], [0, 2]], [[2], [0, 1]]]


class Teller:
    """Says of each row its own share of the first slot, and of an archaic unlike both."""

    def __init__(self, first, unknown) -> None:
        self.first, self.unknown = first, unknown

    def stream(self, blocks):
        for block in blocks:
            classes = np.zeros((*block.shape[:2], 4), np.float32)
            for row in range(len(block)):
                classes[row, :, 1], classes[row, :, 3] = self.first[row], self.unknown[row]
                classes[row, :, 0] = 0.1
                classes[row, :, 2] = 0.9 - classes[row, :, 1] - classes[row, :, 3]
            yield classes


def test_three_sources_are_three_readings_put_together() -> None:
    """Two haplotypes: the first is of the second source, the other of none."""
    tracks = np.zeros((6, 5, len(CHANNELS)), np.float32)
    tracks[:, :, CALLABLE : CALLABLE + 3] = 1
    names = [("A", "1"), ("A", "2")]
    block = TrackBlock("1", names, 0, tracks, 5000, True, sources=("x", "y", "z"))
    assert block.readings == 3
    teller = Teller([0.0, 0.1, 0.8, 0.1, 0.0, 0.1], [0.1, 0.6, 0.1, 0.6, 0.1, 0.6])
    (found,) = posterior_blocks([block], teller, bridge=4)
    assert found.sources == ("x", "y", "z", "unknown")
    assert found.shares is not None
    assert found.shares.shape == (2, 5, 4)
    np.testing.assert_allclose(found.posterior, 0.9, atol=1e-6)
    np.testing.assert_allclose(found.shares[0, 0], [0, 0.8, 0, 0.1], atol=1e-6)
    np.testing.assert_allclose(found.shares[1, 0], [0.1, 0.1, 0.1, 0.6], atol=1e-6)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("hidden", [0, 1, 2, 5, 6])
def test_bins_keep_their_phase_whatever_is_taken_out(stride, hidden) -> None:
    class Keeper:
        def stream(self, blocks):
            for block in blocks:
                self.given = block
                yield np.zeros((*block.shape[:2], 4), np.float32)

    tracks = np.zeros((1, 20, len(CHANNELS)), np.float32)
    tracks[:, :, 0] = np.arange(7, 27)
    tracks[:, :, CALLABLE : CALLABLE + 2] = 1
    tracks[:, 4 : 4 + hidden] = 0
    keeper = Keeper()
    block = TrackBlock("1", [("A", "1")], 7, tracks, None, True)
    (found,) = posterior_blocks([block], keeper, bridge=4, stride=stride)
    assert found.posterior.shape == (1, 20)
    places = np.flatnonzero(keeper.given[0, :, 0])
    assert len(places) == 20 - hidden
    assert (places % stride == keeper.given[0, places, 0] % stride).all()


# ---------------------------------------------------------------- segments


def shares_of(*runs: tuple[int, int], width: int = 3, own: float = 0.9) -> np.ndarray:
    """Bins that are of a source each: (source, number of bins)."""
    rows = []
    for source, n in runs:
        row = np.full(width, (0.96 - own) / (width - 1))
        row[source] = own
        rows += [row] * n
    return np.array(rows)


def test_a_change_of_source_is_found_and_a_blip_is_not() -> None:
    assert _changes(shares_of((0, 20), (1, 15))) == [20]
    assert _changes(shares_of((0, 20), (1, 15), (2, 9))) == [20, 35]
    assert _changes(shares_of((0, 20), (1, 2), (0, 20))) == []
    assert _changes(shares_of((0, 20), (1, 20), (0, 20))) == [20, 40]
    assert _changes(shares_of((1, 30))) == []
    assert _changes(shares_of((0, 30), width=2, own=0.5)) == []
    assert _changes(np.full((9, 1), 0.9)) == []


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(2, 3))
def test_changes_are_those_of_the_best_of_all_courses(seed, bins, n_sources) -> None:
    shares = np.random.default_rng(seed).dirichlet(np.full(n_sources, 0.05), bins)
    courses = np.stack(np.meshgrid(*[range(n_sources)] * bins, indexing="ij"), axis=-1).reshape(-1, bins)
    score = np.log(np.maximum(shares, 1e-6))[np.arange(bins), courses].sum(axis=1)
    score -= 6.0 * (np.diff(courses, axis=1) != 0).sum(axis=1)
    cuts = [0, *_changes(shares), bins]
    reached = sum(np.log(np.maximum(shares[a:b], 1e-6)).sum(axis=0).max() for a, b in pairwise(cuts))
    assert reached - 6.0 * (len(cuts) - 2) == pytest.approx(score.max(), abs=1e-6)


def test_a_source_is_named_if_it_is_clear_and_else_those_it_may_be() -> None:
    names = ("nea", "den", "unknown")
    assert source_of((0.9, 0.05, 0.0), names) == "nea"
    assert source_of((0.4, 0.45, 0.02), names) == "nea|den"
    assert source_of((0.1, 0.0, 0.7), names) == "unknown"
    assert source_of((0.3, 0.3, 0.3), names) == "nea|den|unknown"
    assert source_of((0.375, 0.125, 0.0), names) == "nea"  # three quarters, of what there is


def decoded(shares: np.ndarray, match, differ, *, cuts=()):
    decoder = SegmentDecoder(DecodeSettings(0.5), 1000)
    found, n = [], len(shares)
    for a, b in pairwise([0, *cuts, n]):
        part = shares[None, a:b].astype(np.float32)
        evidence = [np.full((1, b - a), value, np.float32) for value in (match, differ)]
        names = ("nea", "den", "unknown")
        found += decoder.add(
            PosteriorBlock("1", [("S", "1")], a, part.sum(axis=2), *evidence, None, b == n, sources=names, shares=part)
        )
    return [(s.start, s.end, s.source) for s in found]


@pytest.mark.parametrize("cuts", [(), (7,), (20,), (3, 19, 21, 34)])
def test_a_segment_ends_where_the_source_changes(cuts) -> None:
    shares = shares_of((0, 20), (1, 15))
    assert decoded(shares, 1, 1, cuts=cuts) == [(0, 20_000, "nea"), (20_000, 35_000, "den")]


def test_every_source_needs_a_site_of_its_kind() -> None:
    """A given archaic must carry one; one that is unlike those must have one at all."""
    for source, name in enumerate(("nea", "den", "unknown")):
        shares = shares_of((source, 10))
        assert decoded(shares, 1, 0) == [(0, 10_000, name)]
        assert decoded(shares, 0, 1) == ([(0, 10_000, name)] if name == "unknown" else [])
        assert decoded(shares, 0, 0) == []


# ---------------------------------------------------------------- on the command line


def test_sources_on_the_command_line(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert by_source("--archaic", []) == {}
    assert by_source("--archaic", ["A,B"]) == {"archaic": ["A,B"]}
    assert by_source("--archaic", ["nea=A,B", "den=C", "nea=D=1"]) == {"nea": ["A,B", "D=1"], "den": ["C"]}
    # A file is a file, whatever its name looks like; a list of names may be longer than any file's name.
    Path("nea=x.panel").touch()
    assert by_source("--archaic", ["nea=x.panel"]) == {"archaic": ["nea=x.panel"]}
    long = ",".join(f"sample{i}" for i in range(2000))
    assert by_source("--archaic", [f"nea={long}"]) == {"nea": [long]}
    assert by_source("--archaic", [long]) == {"archaic": [long]}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["unknown=A"], "a source cannot be called unknown"),
        (["modern=A"], "a source cannot be called modern"),
        (["nea=A", "B"], "B is of no named source, and others are; write NAME=B"),
        (["nea=A", "nea=A"], "A is given twice"),
        (["A", "A"], "A is given twice"),
        (["nea="], "nothing is given for nea"),
    ],
)
def test_sources_that_the_command_line_refuses(given, said) -> None:
    with pytest.raises(click.UsageError, match=f"--archaic: {said}"):
        by_source("--archaic", given)


# ---------------------------------------------------------------- doors


def scanned(door: VcfDoor) -> np.ndarray:
    (block,) = door.tracks(TrackSettings())
    return block.tracks


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, Path]:
    """Three archaics in one file with the moderns, and each in one of its own."""
    folder, random = tmp_path_factory.mktemp("sources"), np.random.default_rng(8)
    positions = np.sort(random.choice(LENGTH, 300, replace=False))
    names = ["t1", "t2", "o1", "o2", "o3", "n1", "n2", "d1"]
    alleles = random.integers(0, 2, (300, 2 * len(names)), dtype=np.int8)
    alleles[:, 0], alleles[:, 1] = 0, 1  # somebody carries either allele everywhere
    found = {"all": vcf_of_alleles(folder / "all.vcf", positions, alleles, names, length=LENGTH)}
    for name, samples in (("modern", names[:5]), ("n1", ["n1"]), ("n2", ["n2"]), ("d", ["d1"])):
        columns = [2 * names.index(sample) + h for sample in samples for h in (0, 1)]
        path = folder / f"{name}.vcf"
        found[name] = vcf_of_alleles(path, positions, alleles[:, columns], samples, length=LENGTH)
    return found


MODERN = {"target": "t1,t2", "outgroup": "o1,o2,o3"}


def test_sources_may_be_samples_of_one_file_or_files_of_their_own(files) -> None:
    expected = scanned(VcfDoor(files["all"], **MODERN, archaic={"nea": "n1,n2", "den": "d1"}))
    for own, named in (
        ({"nea": [files["n1"], files["n2"]], "den": files["d"]}, ()),
        ({"nea": [files["n1"], files["n2"]], "den": files["d"]}, {"nea": "n2,n1"}),
        ([files["n1"], files["n2"], files["d"]], {"nea": "n1,n2", "den": "d1"}),
    ):
        door = VcfDoor(files["modern"], **MODERN, archaic=named, archaic_vcf=own)
        assert door.sources() == ("nea", "den")
        np.testing.assert_array_equal(scanned(door), expected)
        assert {role for role in door.inputs() if role.startswith(("nea", "den", "archaic"))}
    turned = scanned(VcfDoor(files["all"], **MODERN, archaic={"den": "d1", "nea": "n1,n2"}))
    choose_sources(expected, [1, 0])
    np.testing.assert_array_equal(turned, expected)


def test_a_source_in_the_file_of_the_targets_and_one_in_its_own(files) -> None:
    door = VcfDoor(files["all"], **MODERN, archaic={"nea": "n1,n2"}, archaic_vcf={"den": files["d"]})
    expected = scanned(VcfDoor(files["all"], **MODERN, archaic={"den": "d1", "nea": "n1,n2"}))
    assert door.sources() == ("den", "nea")
    np.testing.assert_array_equal(scanned(door), expected)


def test_without_an_archaic(files) -> None:
    for archaic in ((), None, {}):
        door = VcfDoor(files["modern"], **MODERN, archaic=archaic)
        assert door.sources() == ()
        found = scanned(door)
        assert not found[..., [*FIRST, *SECOND, *BOTH]].any()
        assert found[..., CALLABLE].max() > 0.9
    with_archaic = scanned(VcfDoor(files["all"], **MODERN, archaic="d1"))
    np.testing.assert_array_equal(found[..., REST], with_archaic[..., REST])


def test_three_sources_through_a_door(files) -> None:
    door = VcfDoor(files["all"], **MODERN, archaic={"a": "n1", "b": "n2", "c": "d1"})
    (block,) = door.tracks(TrackSettings())
    assert (block.readings, len(block.tracks)) == (3, 12)
    for i, (own, others) in enumerate((("n1", "n2,d1"), ("n2", "n1,d1"), ("d1", "n1,n2"))):
        expected = scanned(VcfDoor(files["all"], **MODERN, archaic={"own": own, "others": others}))
        np.testing.assert_array_equal(block.tracks[4 * i : 4 * i + 4], expected)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"archaic": {"nea": "n1,n2", "den": "d1,n2"}}, "sample n2 is named as nea and as den"),
        ({"archaic": {"nea": "n1", "den": "o1"}}, "sample o1 is named as"),
        ({"archaic": {"unknown": "n1"}}, "a source cannot be called unknown"),
    ],
)
def test_sources_that_a_door_refuses(files, changes, said) -> None:
    with pytest.raises(SettingError, match=said):
        VcfDoor(files["all"], **MODERN, **changes).names()


def test_samples_without_a_source_go_with_files_of_one(files) -> None:
    own = {"nea": [files["n1"], files["n2"]], "den": files["d"]}
    with pytest.raises(SettingError, match="named without a source"):
        VcfDoor(files["modern"], **MODERN, archaic="n1", archaic_vcf=own).names()
    door = VcfDoor(files["modern"], **MODERN, archaic="n1", archaic_vcf={"nea": own["nea"]})
    assert (door.sources(), list(door.reader.archaic)) == (("nea",), ["n1"])


def test_panels_of_several_sources(region_folder: Path, panels) -> None:
    archaic, outgroup = panels["archaic"], panels["outgroup"]

    def tracks(given) -> TrackBlock:
        (block,) = FastaDoor([region_folder / "target.fa.gz"], given, outgroup).tracks(TrackSettings())
        return block

    alone, both = tracks(archaic).tracks, tracks({"x": archaic, "y": [archaic, archaic]})
    assert both.sources == ("x", "y")
    for own in (FIRST, SECOND):
        np.testing.assert_array_equal(both.tracks[..., own], alone[..., FIRST])
    none = tracks(None)
    assert none.sources == ()
    np.testing.assert_array_equal(none.tracks[..., REST], alone[..., REST])
    assert not none.tracks[..., [*FIRST, *SECOND, *BOTH]].any()
    with pytest.raises(SettingError, match="no panel of x is given"):
        FastaDoor(["q"], {"x": []}, outgroup)


# ---------------------------------------------------------------- scans


ROLES = {"target": EXAMPLE / "target.txt", "outgroup": EXAMPLE / "outgroup.txt"}


def test_a_scan_without_an_archaic_says_so(cli, tmp_path: Path) -> None:
    output = tmp_path / "x.bed"
    words = [word for role, path in ROLES.items() for word in (f"--{role}", path)]
    result = cli("introgression", "scan", "--vcf", EXAMPLE / "region.vcf.gz", *words, "-o", output)
    assert result.code == 0, result.err
    said = "no archaic was given: what is found is of an unknown source"
    assert said in result.err
    account = json.loads((tmp_path / "x.json").read_text())
    assert any(said in line for line in account["left_out"])
    assert account["model"]["sources"] == []
    _, header, *rows = [line.split("\t") for line in output.read_text().splitlines()]
    assert header[-2:] == ["source", "posterior_unknown"]
    assert rows
    assert {row[11] for row in rows} == {"unknown"}
    assert [row[3] for row in rows] == [f"unk_{n:04}" for n in range(1, len(rows) + 1)]
    # Of what none carries, all is evidence.
    assert all(row[9] == row[10] != "0" for row in rows)


def test_a_scan_with_named_sources(cli, files, tmp_path: Path, tiny_model) -> None:
    output, table = tmp_path / "x.bed", tmp_path / "p.tsv"
    words = ["--target", "t1,t2", "--outgroup", "o1,o2,o3", "--model", tiny_model, "--posteriors", table]
    words += ["--archaic-vcf", f"nea={files['n1']}", "--archaic-vcf", f"nea={files['n2']}"]
    words += ["--archaic-vcf", f"den={files['d']}"]
    result = cli("introgression", "scan", "--vcf", files["modern"], *words, "-o", output)
    assert result.code == 0, result.err
    assert "no archaic" not in result.err
    header = table.read_text().split("\n", 1)[0].split("\t")
    assert header[-3:] == ["posterior_nea", "posterior_den", "posterior_unknown"]
    account = json.loads((tmp_path / "x.json").read_text())
    assert account["model"]["sources"] == ["nea", "den"]
    assert {"nea vcf 1", "nea vcf 2", "den vcf"} <= set(account["inputs"])


def test_the_manifest_keeps_the_names_of_sources(cli, files, tmp_path: Path, tiny_model) -> None:
    words = ["--target", "t1,t2", "--outgroup", "o1,o2,o3", "--model", tiny_model]
    words += ["--archaic", "nea=n1", "--archaic", "nea=n2", "--archaic", "den=d1", "-o", tmp_path / "x.bed"]
    assert cli("introgression", "scan", "--vcf", files["all"], *words).code == 0
    account = json.loads((tmp_path / "x.json").read_text())
    assert account["settings"]["door"]["archaic"] == {"nea": "n1,n2", "den": "d1"}


def test_the_baseline_needs_an_archaic_and_names_only_one(tmp_path: Path, files) -> None:
    hmm = SupervisedHMM(
        np.full((2, BASELINE_COUNTS, LEVELS), np.log(1 / LEVELS)), np.log(np.full((2, 2), 0.5)), np.log(np.full(2, 0.5))
    )
    model = IntrogressionClassifier.load(tiny_bundle(tmp_path / "m.genolstm", hmm=hmm))
    with pytest.raises(SettingError, match="compares with an archaic, and none is given"):
        model.open(VcfDoor(files["modern"], **MODERN), baseline="hmm")
    for archaic, names, own in (
        ("n1", ("archaic", "unknown"), 0),
        ({"x": "n1"}, ("x", "unknown"), 0),
        ({"x": "n1", "y": "n2"}, ("x", "y", "unknown"), 2),
        ({"x": "n1", "y": "n2", "z": "d1"}, ("x", "y", "z", "unknown"), 3),
    ):
        (block,) = model.open(VcfDoor(files["all"], **MODERN, archaic=archaic), baseline="hmm").blocks
        assert block.sources == names
        assert block.shares is not None
        np.testing.assert_allclose(block.shares[..., own], block.posterior, atol=1e-6)


def test_one_unnamed_source_is_called_by_the_models_label(tmp_path: Path, files) -> None:
    model = IntrogressionClassifier.load(tiny_bundle(tmp_path / "m.genolstm", label="visitor"))
    door = VcfDoor(files["all"], **MODERN, archaic="n1")
    (block,) = model.open(door).blocks
    assert block.sources == model.sources(door) == ("visitor", "unknown")
    frame = model.posteriors(model.open(VcfDoor(files["all"], **MODERN, archaic="n1")))
    own = frame["posterior_visitor"] + frame["posterior_unknown"]
    np.testing.assert_allclose(own, frame["posterior"], atol=1e-6)


# ---------------------------------------------------------------- training


def region_of(folder: Path, files, archaic: str, truth: str) -> Path:
    folder.mkdir()
    text = files["all"].read_text()
    (folder / "region.vcf.gz").write_text(text)
    for name, content in (("target", "t1\nt2\n"), ("outgroup", "o1\no2\no3\n"), ("archaic", archaic)):
        (folder / f"{name}.txt").write_text(content)
    (folder / "truth.bed").write_text(f"#chrom\tstart\tend\tname\tscore\tstrand\tsample\thaplotype\n{truth}")
    return folder


def row(start: int, end: int, name: str, sample: str = "t1", haplotype: int = 1) -> str:
    return f"1\t{start}\t{end}\t{name}\t1000\t.\t{sample}\t{haplotype}\n"


def test_a_region_of_two_sources(files, tmp_path: Path) -> None:
    truth = row(0, 1500, "den") + row(2000, 3000, "nea") + row(4000, 5000, "ghost", "t2", 2)
    folder = region_of(tmp_path / "r", files, "n1\tnea\nd1\tden\nn2\tnea\n", truth)
    assert read_sources(folder / "archaic.txt") == {"nea": ["n1", "n2"], "den": ["d1"]}
    (found,) = load_region(folder, TrackSettings())
    assert found.truth.shape == (4, 6, 3)
    np.testing.assert_array_equal(found.truth[0], [[0, 1, 0], [0, 0.5, 0], [1, 0, 0], *[[0, 0, 0]] * 3])
    np.testing.assert_array_equal(found.truth[3, 4], [0, 0, 1])
    classes = found.classes()
    assert classes.shape == (4, 6, 4)
    np.testing.assert_allclose(classes.sum(axis=2), 1)
    np.testing.assert_array_equal(classes[0, 1], [0.5, 0, 0.5, 0])
    np.testing.assert_array_equal(classes[3, 4], [0, 0, 0, 1])
    expected = scanned(VcfDoor(files["all"], **MODERN, archaic={"nea": "n1,n2", "den": "d1"}))
    np.testing.assert_allclose(found.tracks, expected, atol=2e-2)
    # Of one unnamed source are all tracts, whatever they are called.
    (one,) = load_region(region_of(tmp_path / "one", files, "n1\n", truth), TrackSettings())
    assert one.truth.shape == (4, 6, 2)
    assert (one.truth[0, 2, 0], one.truth[3, 4, 0], one.truth[..., 1].max()) == (1, 1, 0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("n1\tnea\nd1\n", "archaic.txt:2: names the sources nea, archaic"),
        ("n1\tnea\nn2\tden\nd1\tx\n", "archaic.txt:3: names the sources nea, den, x"),
        ("n1\tunknown\n", "archaic.txt:1: a source cannot be called unknown"),
        ("n1\ta|b\n", "archaic.txt:1: a source cannot be called 'a|b'"),
    ],
)
def test_sources_of_a_region_that_are_refused(tmp_path: Path, text, said) -> None:
    (tmp_path / "archaic.txt").write_text(text)
    with pytest.raises(InputError) as error:
        read_sources(tmp_path / "archaic.txt")
    assert said in str(error.value)


def test_archaics_are_left_out_at_random(files, tmp_path: Path) -> None:
    truth = row(0, 1500, "den") + row(2000, 3000, "nea")
    (region,) = load_region(region_of(tmp_path / "r", files, "n1\tnea\nd1\tden\n", truth), TrackSettings())
    many = LabelledTracks("g", np.repeat(region.tracks[:1], 400, axis=0), np.repeat(region.truth[:1], 400, axis=0))
    before = many.tracks.copy()
    found = with_fewer_archaics(many, np.random.default_rng(1))
    np.testing.assert_array_equal(many.tracks, before)
    np.testing.assert_allclose(found.archaic, many.archaic)
    np.testing.assert_array_equal(found.tracks[..., REST], many.tracks[..., REST])
    wanted = {chosen: region.tracks[0].copy() for chosen in ((), (0,), (1,), (0, 1), (1, 0))}
    for chosen, tracks in wanted.items():
        choose_sources(tracks, chosen)
    seen = dict.fromkeys(wanted, 0)
    for tracks, shares in zip(found.tracks, found.truth, strict=True):
        (chosen,) = [g for g, one in wanted.items() if (one == tracks).all()]
        seen[chosen] += 1
        for source, at in ((1, 0), (0, 2)):  # den in bin 0, nea in bin 2
            place = chosen.index(source) if source in chosen else 2
            assert shares[at].tolist() == [float(slot == place) for slot in range(3)]
    # Each is at hand for three in four, in either order.
    assert 12 < seen[()] < 45
    assert all(45 < seen[one] < 110 for one in ((0,), (1,)))
    assert all(80 < seen[both] < 150 for both in ((0, 1), (1, 0)))


def test_a_window_that_the_network_cannot_read_is_refused(tmp_path: Path) -> None:
    region = LabelledTracks("g", np.zeros((1, 40, len(CHANNELS)), np.float16), np.zeros((1, 40, 2), np.float32))
    with pytest.raises(SettingError, match="window is 9 bins; the network reads multiples of 2"):
        train_on_tracks(
            [region], [region], output=tmp_path / "m.genolstm", options=IntrogressionTraining(window=9), progress=False
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("label", ["unknown", "modern", "a|b"])
def test_a_label_that_the_output_could_not_hold_is_refused(label) -> None:
    with pytest.raises(SettingError, match="label: a source cannot be called"):
        IntrogressionTraining(label=label)
