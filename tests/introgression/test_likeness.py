"""Whether data look like those of training: the statistics, the ranges, and what a scan says."""

from __future__ import annotations

import copy
import json
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from support import EXAMPLE
from support.introgression import tiny_bundle

from genolstm.errors import ModelError
from genolstm.fields import Fields
from genolstm.introgression import likeness as module
from genolstm.introgression import train as training
from genolstm.introgression.channels import CALLABLE, CELLS, CHANNELS, OUTGROUP_SIZE, TARGET_SIZE
from genolstm.introgression.dataset import LabelledTracks
from genolstm.introgression.doors.vcf import VcfDoor
from genolstm.introgression.likeness import GENERAL, SOURCE, Comparison, Likeness, Measured, Profile
from genolstm.introgression.metadata import read_metadata
from genolstm.introgression.model import IntrogressionClassifier
from genolstm.introgression.settings import LABELLING, TRACKS, TRAINING, ScanSettings
from genolstm.introgression.tracks import tracks_from_variants
from genolstm.lstm.bundle.bundle import Bundle, find_bundle, save_bundle
from genolstm.runs.scan import run

PLACE = {name: i for i, name in enumerate(CHANNELS)}
NAMES = [statistic.name for statistic in GENERAL]
SOURCE_NAMES = [statistic.name for statistic in SOURCE]


def tracks(random: np.random.Generator, rows: int = 6, bins: int = 2000, **changes: float) -> np.ndarray:
    """Return tracks of events at random, in stretches that have more of them, and two archaics."""
    about = {"outgroup": 200.0, "private": 0.03, "shared": 0.4, "match": 0.1, "modern": 0.3, "density": 1.0} | changes
    made = np.zeros((rows, bins, len(CHANNELS)), np.float32)
    bumps = np.repeat(random.gamma(2, 0.5, (rows, bins // 20)), 20, axis=1)
    each = {"to0.01_single": 0.02, "to0.01_shared": 0.02, "to0.05_single": 0.03, "to0.05_shared": 0.05}
    each |= {
        "absent_single": about["private"] * (1 - about["shared"]),
        "absent_shared": about["private"] * about["shared"],
    }
    each |= {"to0.2": 0.2, "to0.5": 0.4, "to0.9": 1.2}
    for name, rate in each.items():
        rare = name in CELLS[:6]
        counts = random.poisson(rate * about["density"] * (bumps if rare else 1.0), made.shape[:2])
        made[..., PLACE[name]] = counts
        carried = about["match"] if rare else about["modern"]
        made[..., PLACE[f"{name}_first"]] = random.binomial(counts, carried)
        made[..., PLACE[f"{name}_second"]] = random.binomial(counts, carried)
    for name in ("to1_not_first", "to1_not_second"):
        made[..., PLACE[name]] = random.poisson(0.3 * about["density"], made.shape[:2])
    made[..., CALLABLE : CALLABLE + 3] = 1
    made[..., OUTGROUP_SIZE] = math.log10(about["outgroup"])
    made[..., TARGET_SIZE] = 1.3
    return made


def names(n: int) -> list[tuple[str, str]]:
    return [(f"s{i // 2}", str(i % 2 + 1)) for i in range(n)]


def measured(made: np.ndarray, n_sources: int = 2) -> Measured:
    profile = Profile(n_sources, 1000)
    profile.add(made, names(len(made)))
    found = profile.measured()
    assert found is not None
    return found


def drawn(random: np.random.Generator, n: int) -> list[Measured]:
    """Return regions that differ in outgroup and rates; the larger the outgroup, the fewer variants it lacks."""
    found = []
    for _ in range(n):
        outgroup = 10 ** random.uniform(1, 2.6)
        private = 0.03 * 100 / outgroup * math.exp(random.normal(0, 0.2))
        rates = {"shared": random.uniform(0.3, 0.5), "match": random.uniform(0.05, 0.15)}
        made = tracks(random, 4, outgroup=outgroup, private=private, density=math.exp(random.normal(0, 0.3)), **rates)
        found.append(measured(made))
    return found


@pytest.fixture(scope="module")
def like() -> Likeness:
    found = Likeness.fit(drawn(np.random.default_rng(1), 150))
    assert found is not None
    return found


def test_the_numbers_by_hand() -> None:
    made = np.zeros((2, 20, len(CHANNELS)), np.float32)
    made[..., CALLABLE : CALLABLE + 2] = 1
    made[..., OUTGROUP_SIZE], made[..., TARGET_SIZE] = 1, math.log10(2)
    made[..., PLACE["to0.2"]], made[..., PLACE["to0.5"]], made[..., PLACE["to0.9"]] = 1, 2, 4
    made[..., PLACE["absent_single"]] = 0.5
    made[:, 10:, PLACE["absent_shared"]] = 0.5
    made[..., PLACE["to0.5_first"]], made[..., PLACE["to1_not_first"]] = 0.5, 3
    found = measured(made, 1)
    value = dict(zip(NAMES, found.general, strict=True))
    assert found.bp == 20_000
    assert value["density"] == pytest.approx(math.log((40 * 7.5 + 10 + 1) / 41))
    assert value["common"] == pytest.approx(math.log((80 + 3 * 3.3) / (40 + 3)))
    rare = math.log((20 + 3 * 0.12) / (120 + 3))
    assert value["rare"] == pytest.approx(rare)
    # Of ten outgroup haplotypes, one or two carry what is rare: two numbers of copies beside none.
    assert value["private"] == pytest.approx(math.log((15 + 3 * 0.03) / 123) - rare + math.log(2))
    assert value["shared"] == pytest.approx(math.log((5 + 3 * 1.5) / (10 + 3)) - math.log(1 / 10))
    # Windows of ten bins: 5 and then 10 of them, so (5 - 10)^2 / 2 = 12.5 over a mean of 7.5.
    assert value["clusters"] == pytest.approx(math.log((12.5 + 4.5) / (7.5 + 3)))
    value = dict(zip(SOURCE_NAMES, found.sources[0], strict=True))
    assert value["less_common_match"] == pytest.approx(math.log((10 + 1.8) / (30 + 3)))
    assert value["common_match"] == pytest.approx(math.log(9 / 83))
    assert value["lacking"] == pytest.approx(math.log((60 + 3 * 0.18) / 123))
    assert len(CELLS) == module._MORE + 1


def test_what_is_unknown_is_left_out() -> None:
    made = tracks(np.random.default_rng(2), 4)
    whole = measured(made[:, :1000])
    made[:, 1000:, CALLABLE : CALLABLE + 3] = 0.01
    made[:, 1000:, :30] = 50
    masked = measured(made)
    np.testing.assert_allclose(masked.general, whole.general, rtol=1e-5)
    np.testing.assert_allclose(masked.sources, whole.sources, rtol=1e-5)
    assert masked.bp == 1_000_000
    profile = Profile(2, 1000)
    made[..., CALLABLE : CALLABLE + 3] = 1
    exists = np.ones((4, 2000), bool)
    exists[:, 1000:] = False
    profile.add(made, names(4), exists=exists)
    np.testing.assert_allclose(profile.measured().general, whole.general, rtol=1e-5)  # type: ignore[union-attr]
    made[..., CALLABLE] = 0
    assert Profile(2, 1000).measured() is None
    profile = Profile(2, 1000)
    profile.add(made, names(4))
    assert profile.measured() is None


def test_an_archaic_counts_where_it_is_known() -> None:
    made = tracks(np.random.default_rng(3), 4)
    whole = measured(made[:, 1000:])
    made[:, :1000, CALLABLE + 2] = 0
    made[:, :1000, [PLACE[f"{cell}_second"] for cell in CELLS]] = 0
    found = measured(made)
    np.testing.assert_allclose(found.sources[1], whole.sources[1], rtol=1e-5)
    assert np.abs(found.sources[0] - whole.sources[0]).max() > 1e-3
    made[..., CALLABLE + 2] = 0
    found = measured(made)
    assert np.isnan(found.sources[1]).all()
    assert np.isfinite(found.sources[0]).all()


def test_blocks_add_up_and_sources_may_stand_anywhere() -> None:
    made = tracks(np.random.default_rng(4), 4)
    whole = measured(made)
    profile = Profile(2, 1000)
    for first, stop in ((0, 730), (730, 1400), (1400, 1403), (1403, 2000)):
        profile.add(made[:, first:stop], names(4), first_bin=first)
    cut = profile.measured()
    assert cut is not None
    # Windows that a cut goes through do not count for clusters, and all else is the same.
    np.testing.assert_allclose(cut.general[:-1], whole.general[:-1], rtol=1e-5)
    np.testing.assert_allclose(cut.general[-1], whole.general[-1], atol=0.1)
    assert cut.bp == whole.bp
    # Three sources: each is the first of a reading of its own.
    turned = made.copy()
    for cell in (*CELLS, "to1_not"):
        first, second = f"{cell}_first", f"{cell}_second"
        turned[..., PLACE[first]], turned[..., PLACE[second]] = made[..., PLACE[second]], made[..., PLACE[first]]
    profile = Profile(3, 1000)
    profile.add(np.concatenate([made, turned, made]), names(4))
    three = profile.measured()
    assert three is not None
    np.testing.assert_allclose(three.general, whole.general, rtol=1e-6)
    np.testing.assert_allclose(three.sources, whole.sources[[0, 1, 0]], rtol=1e-5)


def test_many_haplotypes_are_sampled() -> None:
    made = tracks(np.random.default_rng(5), 50, bins=100)
    profile = Profile(1, 1000)
    profile.add(made, names(50))
    assert profile._cells == 100 * module.ROWS
    assert profile.measured().bp == 100_000  # type: ignore[union-attr]


def test_hardly_a_false_alarm(like: Likeness) -> None:
    found = [like.compare(one) for one in drawn(np.random.default_rng(6), 60)]
    assert sum(bool(one.odd) for one in found) <= 3
    assert all(one.odd is not None and one.why_not is None for one in found)
    assert sum(len(one.warnings()) for one in found) == sum(bool(one.odd) for one in found)


@pytest.mark.parametrize(
    ("changes", "statistic"),
    [
        ({"private": 0.001}, "private"),
        ({"private": 0.3}, "private"),
        ({"shared": 0.98}, "shared"),
        ({"density": 30.0}, "density"),
        ({"density": 0.01}, "density"),
        ({"match": 0.9}, "private_match"),
        ({"match": 0.9}, "rare_match"),
        ({"modern": 0.9}, "common_match"),
        ({"outgroup": 4000.0}, "outgroup_size"),
    ],
)
def test_what_is_unlike_is_named(like: Likeness, changes: dict[str, float], statistic: str) -> None:
    random = np.random.default_rng(7)
    usual = {"outgroup": 100.0, "private": 0.03}
    found = like.compare(measured(tracks(random, 4, **{**usual, **changes})), ["nea", "den"])
    assert found.odd
    named = {one.statistic: one for one in found.odd}
    assert statistic in named
    assert not named[statistic].low <= named[statistic].value <= named[statistic].high
    (line,) = found.warnings()
    assert found.odd[0].statistic in found.measured or found.odd[0].source or "size" in found.odd[0].statistic
    assert "training data" in line
    assert "\n" not in line
    order = [(one.source is not None, -one.excess) for one in found.odd]
    assert order == sorted(order)
    assert found.odd[0].statistic not in line.partition("also out of range: ")[2].split(", ")
    if "match" in statistic:
        assert {one.source for one in found.odd if one.statistic == statistic} == {"nea", "den"}
        assert "{" not in line
    assert not like.compare(measured(tracks(random, 4, **usual))).odd


def test_what_is_usual_depends_on_the_outgroup(like: Likeness) -> None:
    """As many private variants as an outgroup of 20 leaves are too many beside one of 400."""
    random = np.random.default_rng(8)
    fine = measured(tracks(random, 4, outgroup=20, private=0.15))
    assert not like.compare(fine).odd
    found = like.compare(measured(tracks(random, 4, outgroup=390, private=0.15)))
    assert found.odd
    assert "private" in {one.statistic for one in found.odd}


def test_what_goes_together() -> None:
    """Two statistics that rise together in training: apart, neither is odd."""
    random = np.random.default_rng(9)
    n = 300
    kind = np.column_stack([np.full(n, 2.0), np.full(n, 1.0), random.normal(1, 0.1, n), np.full(n, 4.5)])
    general = random.normal(0, 1, (n, len(GENERAL)))
    general[:, 3] = general[:, 2] + random.normal(0, 0.05, n)
    apart = random.normal(0, 1, (n, 1, len(SOURCE)))
    regions = [Measured(k, g, s, 2e6) for k, g, s in zip(kind, general, apart, strict=True)]
    like = Likeness.fit(regions)
    assert like is not None
    usual = Measured(kind[0], np.zeros(len(GENERAL)), np.zeros((1, len(SOURCE))), 2e6)
    assert not like.compare(usual).odd
    odd = replace(usual, general=np.array([0, 0, 1.5, -1.5, 0, 0]))
    found = like.compare(odd)
    assert found.odd
    assert found.odd[0].together
    assert found.odd[0].statistic in ("private", "rare")
    assert "given its other statistics" in found.warnings()[0]
    value = found.odd[0].value
    assert not found.odd[0].low <= value <= found.odd[0].high
    assert not like.compare(replace(usual, general=np.array([0, 0, 1.5, 1.5, 0, 0]))).odd


def test_what_is_missing_is_not_compared(like: Likeness) -> None:
    one = measured(tracks(np.random.default_rng(10), 4, outgroup=100.0))
    general = one.general.copy()
    general[NAMES.index("shared")] = np.nan
    found = like.compare(replace(one, general=general, sources=np.full((2, len(SOURCE)), np.nan)), ["a", "b"])
    assert found.odd == []
    assert "shared" not in found.measured
    assert found.measured["sources"] == {"a": {}, "b": {}}


def test_too_little_to_tell(like: Likeness) -> None:
    one = measured(tracks(np.random.default_rng(11), 4, bins=900, private=0.5))
    found = like.compare(one)
    assert found.odd is None
    assert found.why_not is not None
    assert "0.9 Mb" in found.why_not
    assert found.warnings() == []
    assert found.measured["private"] > 1
    assert like.compare(None) == Comparison(None, "nothing is known of the data", {})
    assert Likeness.fit([one] * 100) is None
    assert Likeness.fit(drawn(np.random.default_rng(12), module.LEAST_REGIONS - 1)) is None


def test_a_model_states_it_and_reads_it_back(like: Likeness) -> None:
    stated = json.loads(json.dumps(like.to_dict()))
    back = Likeness.read(Fields(stated, "likeness"))
    random = np.random.default_rng(13)
    for changes in ({}, {"private": 0.3}, {"match": 0.9}):
        one = measured(tracks(random, 4, outgroup=100.0, **changes))
        said, again = (which.compare(one).odd for which in (like, back))
        assert [odd.statistic for odd in said or []] == [odd.statistic for odd in again or []]
    assert len(json.dumps(stated)) < 20_000


def _changed(stated: dict, path: tuple, value: object) -> dict:
    changed = copy.deepcopy(stated)
    place = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return changed


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("regions",), 0),
        (("kind",), ["outgroup"]),
        (("lowest",), [0, 0]),
        (("lowest", 0), 9.0),
        (("general", "statistics", 0), "other"),
        (("general", "mean", 0), [1.0]),
        (("general", "mean", 0, 0), "1"),
        (("source", "spread"), None),
        (("source", "low", 2), 0.5),
        (("source", "high", 2), -0.5),
        (("general", "together", 0, 1), 50.0),
        (("general", "together", 0, 0), -1.0),
        (("general", "limit"), 0),
    ],
)
def test_what_a_model_misstates_is_refused(tmp_path: Path, like: Likeness, path: tuple, value: object) -> None:
    bad = _changed(like.to_dict(), path, value)
    model = tiny_bundle(tmp_path / "x.genolstm", likeness=bad)
    with pytest.raises(ModelError, match=str(path[0] if len(path) == 1 else path[1] if len(path) > 2 else path[0])):
        read_metadata(Bundle.open(model))


def example() -> VcfDoor:
    return VcfDoor(EXAMPLE / "region.vcf.gz", *(EXAMPLE / f"{role}.txt" for role in ("target", "outgroup", "archaic")))


def with_likeness(path: Path, likeness: Likeness | None) -> Path:
    shipped = Bundle.open(find_bundle("archaic"))
    metadata = {name: value for name, value in shipped.metadata.items() if name != "likeness"}
    save_bundle(
        path,
        kind=shipped.kind,
        members={name: content for name, content in shipped.members.items() if name != "card.md"},
        config=shipped.config,
        metadata=metadata | ({} if likeness is None else {"likeness": likeness.to_dict()}),
    )
    return path


def scan(tmp_path: Path, likeness: Likeness | None) -> tuple[list[str], dict]:
    model = with_likeness(tmp_path / "m.genolstm", likeness)
    said = run(example(), output=tmp_path / "x.bed", model=model, settings=ScanSettings(baseline="hmm"))
    return said, json.loads((tmp_path / "x.json").read_text())


def test_a_scan_says_so(tmp_path: Path, like: Likeness, monkeypatch) -> None:
    monkeypatch.setattr(module, "LEAST_BP", 100_000)
    said, account = scan(tmp_path, like)
    (line,) = [line for line in said if line.startswith("warning: unlike")]
    assert line in account["warnings"]
    first = account["unlike_training"][0]
    assert f"{first['statistic']}" in {*NAMES, *SOURCE_NAMES, "target_size", "outgroup_size"}
    assert not first["range"][0] <= first["value"] <= first["range"][1]
    assert first["meaning"] in line
    assert set(account["likeness"]["sources"]) == {"archaic"}
    assert account["likeness"]["not_told"] is None


def test_a_scan_of_what_is_like_training_says_nothing(tmp_path: Path, like: Likeness, monkeypatch) -> None:
    monkeypatch.setattr(module, "LEAST_BP", 100_000)
    wide = {"low": np.full(len(GENERAL), -1e6), "high": np.full(len(GENERAL), 1e6), "limit": 1e6}
    both = len(GENERAL) + len(SOURCE)
    easy = replace(
        like,
        lowest=np.full(4, -5.0),
        highest=np.full(4, 5.0),
        general=replace(like.general, **wide),
        source=replace(like.source, **{**wide, "low": np.full(both, -1e6), "high": np.full(both, 1e6)}),
    )
    said, account = scan(tmp_path, easy)
    assert account["unlike_training"] == []
    assert not [line for line in said if "unlike" in line or "cannot be told" in line]


def test_a_scan_that_cannot_tell_says_that(tmp_path: Path, like: Likeness) -> None:
    said, account = scan(tmp_path, None)
    (line,) = [line for line in said if "cannot be told" in line]
    assert "does not state" in line
    assert not line.startswith("warning")
    assert account["unlike_training"] is None
    assert "does not state" in account["likeness"]["not_told"]
    (tmp_path / "x.bed").unlink()
    (tmp_path / "x.json").unlink()
    (tmp_path / "m.genolstm").unlink()
    said, account = scan(tmp_path, like)
    assert account["unlike_training"] is None
    assert "Mb" in account["likeness"]["not_told"]


def test_training_states_what_it_learnt_from() -> None:
    random = np.random.default_rng(14)
    truth = np.zeros((2, 4000, 2), np.float32)
    made = [tracks(random, 2, bins=4000).astype(np.float16) for _ in range(16)]
    regions = [LabelledTracks(str(i), one, truth) for i, one in enumerate(made)]
    found = training.likeness_of(regions, 1000)
    assert found is not None
    assert found.regions == 32  # of 4 Mb, there are two pieces each
    assert not found.compare(measured(made[0].astype(np.float32), 1)).odd
    assert found.compare(measured(tracks(random, 2, private=0.3), 1)).odd
    assert training.likeness_of(regions[:10], 1000) is None


@pytest.mark.parametrize("n", [32, 6])
def test_training_writes_it_if_it_can_tell(tmp_path: Path, monkeypatch, n: int) -> None:
    tiny = Bundle.open(tiny_bundle(tmp_path / "tiny.genolstm"))
    monkeypatch.setattr(training, "export_members", lambda *_: {"model.onnx": tiny.onnx})
    random = np.random.default_rng(15)
    truth = (random.random((1, 1000, 2)) < 0.05).astype(np.float32)
    regions = [LabelledTracks(str(i), tracks(random, 1, 1000).astype(np.float16), truth) for i in range(n)]
    trained = SimpleNamespace(model=None, config=tiny.config, settings=TRAINING, best_epoch=1, history=[])
    made = training.save_model(
        trained, regions, regions[:1], output=tmp_path / "m.genolstm", options=LABELLING, tracks=TRACKS
    )
    found = read_metadata(made).likeness
    assert (found is not None) == (n == 32)
    if found is not None:
        assert found.regions == 32


def test_the_shipped_model_knows_what_it_was_trained_on() -> None:
    from genolstm.introgression.settings import SimulationSettings
    from genolstm.introgression.simulate import simulate_region

    model = IntrogressionClassifier.load("archaic")
    like = model.metadata.likeness
    assert like is not None
    block = simulate_region(SimulationSettings(length=1_500_000, seed=77)).block()

    def compare(**changes: np.ndarray) -> Comparison:
        made = tracks_from_variants(
            replace(block, **changes), first_bin=0, last_bin=1500, length=1_500_000, settings=model.settings
        )
        return like.compare(measured(made, 1), ["nea"])

    assert compare().odd == []
    (line,) = compare(archaic=block.outgroup[:, :2], outgroup=block.outgroup[:, 2:]).warnings()
    assert "nea may be a modern human" in line
    (line,) = compare(target=block.target[::-1].copy()).warnings()
    assert "swapped" in line
    # People of the outgroup against the rest of it.
    (line,) = compare(target=block.outgroup[:, :20], outgroup=block.outgroup[:, 20:]).warnings()
    assert "hardly distinguishable from the outgroup" in line
