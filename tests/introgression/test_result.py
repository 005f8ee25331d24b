"""What a scan from Python returns, against what the command writes."""

from __future__ import annotations

import inspect
import json
import shutil
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.introgression import tiny_bundle

from genolstm.errors import InputError, SettingError
from genolstm.introgression.doors.blocks import Totals
from genolstm.introgression.doors.fasta import FastaDoor
from genolstm.introgression.doors.vcf import VcfDoor
from genolstm.introgression.model import IntrogressionClassifier
from genolstm.introgression.result import IntrogressionResult, alone, doubts
from genolstm.introgression.settings import ScanSettings, VariantSettings
from genolstm.runs.scan import run

ROLES = ("target", "outgroup", "archaic")
#: What both kinds of scan take besides their input.
COMMON = {"threshold", "fdr", "min_length", "bridge", "baseline", "posteriors", "evidence", "progress"}


@pytest.fixture(scope="module")
def model(tiny_model) -> IntrogressionClassifier:
    return IntrogressionClassifier.load(tiny_model, threads=1)


@pytest.fixture(scope="module")
def lists(region_folder: Path) -> dict[str, Path]:
    return {role: region_folder / f"{role}.txt" for role in ROLES}


@pytest.fixture(scope="module")
def cut(model, region_folder: Path, lists) -> float:
    """A threshold at which the tiny model, which knows nothing, calls some segments."""
    table = model.posteriors(model.open(VcfDoor(region_folder / "region.vcf.gz", **lists)))
    return float(table["posterior"].quantile(0.8))


@pytest.fixture(scope="module")
def kept(model, region_folder: Path, lists, cut) -> IntrogressionResult:
    return model.scan_vcf(
        region_folder / "region.vcf.gz", **lists, threshold=cut, min_length=2000, posteriors=True, evidence=True
    )


# --- signatures ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "door", "first"), [("scan", FastaDoor, "paths"), ("scan_vcf", VcfDoor, "vcf")])
def test_a_scan_takes_what_its_door_and_the_settings_do(method: str, door: type, first: str) -> None:
    signature = inspect.signature(getattr(IntrogressionClassifier, method))
    own = {name: p for name, p in signature.parameters.items() if name not in {"self", "query", "vcf", *COMMON}}
    expected = {field.name: field for field in fields(door) if field.init and field.name != first}
    assert own.keys() == expected.keys()
    plain = inspect.signature(door).parameters
    assert {name: p.default for name, p in own.items()} == {name: plain[name].default for name in expected}
    defaults = {name: signature.parameters[name].default for name in asdict(ScanSettings())}
    assert defaults == asdict(ScanSettings())


def test_nothing_public_takes_just_any_name() -> None:
    methods = inspect.getmembers(IntrogressionClassifier, callable) + inspect.getmembers(IntrogressionResult, callable)
    names = [name for name, _ in methods if not name.startswith("_")]
    assert {"scan", "scan_vcf", "fit", "load", "evidence", "plot"} <= set(names)
    for name, method in methods:
        if not name.startswith("_"):
            kinds = {p.kind for p in inspect.signature(method).parameters.values()}
            assert inspect.Parameter.VAR_KEYWORD not in kinds, name


@pytest.fixture
def asked(monkeypatch):
    """Take the place of the scan; keep what it was asked to do."""
    calls = []
    monkeypatch.setattr(IntrogressionClassifier, "scan_door", lambda self, *args, **given: calls.append((args, given)))
    return calls


SETTINGS = {"fdr": 0.25, "min_length": 7, "bridge": 11}
KEEP = {"posteriors": True, "evidence": True, "progress": print}


def test_every_argument_of_a_vcf_arrives(model, asked) -> None:
    given = {field.name: f"{field.name}!" for field in fields(VcfDoor) if field.init}
    given |= {"archaic": {"a": "x"}, "archaic_vcf": {"a": "y"}, "allow_unphased": True, "span": 12}
    given |= {"region": [("1", 0, 5)], "settings": VariantSettings(archaic_min_gq=3)}
    model.scan_vcf(**given, **SETTINGS, **KEEP)
    (((door, settings), keep),) = asked
    assert door == VcfDoor(**given)
    assert (settings, keep) == (ScanSettings(**SETTINGS), KEEP)


def test_every_argument_of_fasta_arrives(model, asked) -> None:
    given = {"archaic": "a", "outgroup": "o", "haplotypes": "file", "sharing": True, "skip_short": True, "memory": 9}
    model.scan("q.fa", **given, threshold=0.25, baseline="hmm")
    model.scan(["q.fa", "r.fa"], **given, **SETTINGS, **KEEP)
    (one, keeps_none), (two, keeps_all) = asked
    assert one == (FastaDoor(["q.fa"], **given), ScanSettings("hmm", 0.25))
    assert two == (FastaDoor(["q.fa", "r.fa"], **given), ScanSettings(**SETTINGS))
    assert keeps_none == {"posteriors": False, "evidence": False, "progress": None}
    assert keeps_all == KEEP


# --- the same as the files ------------------------------------------------------------------------


def test_a_result_holds_what_the_command_writes(model, tiny_model, region_folder: Path, lists, cut, kept, tmp_path):
    people = tmp_path / "people.tsv"
    people.write_text("sample\tpop\n" + "".join(f"target{i}\tCEU\n" for i in range(3)))
    door = VcfDoor(region_folder / "region.vcf.gz", **lists, samples=people)
    names = {name: tmp_path / f"{name}.tsv" for name in ("posteriors", "evidence", "summary")}
    said = run(
        door,
        output=tmp_path / "s.bed",
        **names,
        weights=True,
        model=tiny_model,
        settings=ScanSettings(threshold=cut, min_length=2000),
        threads=1,
    )
    account = json.loads((tmp_path / "s.json").read_text())
    result = model.scan_vcf(
        region_folder / "region.vcf.gz", **lists, samples=people, threshold=cut, min_length=2000, evidence=True
    )
    assert len(result.segments) > 3
    files = {
        name: pd.read_csv(path, sep="\t", skiprows=int(path.read_text().startswith("##")))
        for name, path in {"segments": tmp_path / "s.bed", **names}.items()
    }
    frames = {
        "segments": result.segments,
        "posteriors": kept.posteriors,
        "evidence": result.evidence(weights=True),
        "summary": result.summary(),
    }
    for name, frame in frames.items():
        written = files[name].rename(columns=lambda column: column.removeprefix("#"))
        assert list(written.columns) == [column for column in frame.columns if column != "callable"], name
        assert len(written) == len(frame) > 0, name
        if name == "posteriors":  # a table has one haplotype after the other, a file one bin after the other
            keys = ["chrom", "sample", "haplotype", "start"]
            written = written.astype({"haplotype": str}).sort_values(keys)
            frame = frame.sort_values(keys)
        for column in written.columns:
            ours, theirs = frame[column], written[column]
            if theirs.dtype.kind in "fi" and column != "haplotype":
                gap = 0.06 if "length" in column else 6e-5
                np.testing.assert_allclose(ours.astype(float), theirs.astype(float), atol=gap)
            else:
                texts = [s.astype(object).where(s.notna(), "-").astype(str) for s in (ours, theirs)]
                texts = [text.str.removesuffix(".0") for text in texts]
                assert list(texts[0]) == list(texts[1]), column
    assert asdict(result.expected) == account["expected"]
    assert result.threshold == cut
    assert result.left_out == account["left_out"]
    assert [f"warning: {line}" for line in result.warnings] == account["warnings"]
    assert [line for line in said if line.startswith("warning: ")] == account["warnings"]
    assert list(result.lengths.values()) == [240_000]


def test_what_is_left_out_and_what_needs_attention_is_told(model, region_folder: Path, lists) -> None:
    given = {**lists, "archaic": None}
    found = model.scan_vcf(region_folder / "region.vcf.gz", **given, callable_mask={"chr1": [(0, 2000)]}, threshold=0.9)
    assert any("no archaic was given" in line for line in found.left_out)
    assert any("could be compared" in line for line in found.warnings)
    assert "warnings: " in repr(found)
    assert "<p>warning: only 0." in found._repr_html_()
    totals = Totals()
    totals.bp, totals.callable_bp = 1000, 499.0
    assert len(doubts(totals)) == 1
    totals.callable_bp = 500.0
    assert doubts(totals) == []
    assert alone(VcfDoor("x.vcf", archaic={"n": "a"})) == []


# --- what is kept ---------------------------------------------------------------------------------


def test_what_is_not_kept_is_read_when_asked_for(model, region_folder: Path, lists, cut, kept, monkeypatch) -> None:
    reads = []
    tracks = VcfDoor.tracks
    monkeypatch.setattr(VcfDoor, "tracks", lambda self, *a, **b: reads.append(self) or tracks(self, *a, **b))
    bare = model.scan_vcf(region_folder / "region.vcf.gz", **lists, threshold=cut, min_length=2000)
    assert len(reads) == 1
    assert bare._kept == {}
    assert bare._sites == {}
    pd.testing.assert_frame_equal(bare.segments, kept.segments)
    assert len(reads) == 1
    pd.testing.assert_frame_equal(bare.posteriors, kept.posteriors)
    assert bare.posteriors is bare.posteriors
    assert len(reads) == 2
    pd.testing.assert_frame_equal(bare.evidence(), kept.evidence())
    bare.evidence()
    assert len(reads) == 3


def test_what_was_not_kept_is_not_had_of_what_cannot_be_read_again(model, region_folder: Path, lists, cut) -> None:
    names = {role: path.read_text().split() for role, path in lists.items()}
    opened = VcfDoor(region_folder / "region.vcf.gz", **names).reader
    bare = model.scan_vcf(opened, threshold=cut)
    assert len(bare.segments) > 3
    with pytest.raises(SettingError, match=r"not kept \(posteriors=True\) read the input a second"):
        _ = bare.posteriors
    with pytest.raises(SettingError, match=r"evidence that was not kept \(evidence=True\)"):
        bare.evidence()
    opened = VcfDoor(region_folder / "region.vcf.gz", **names).reader
    whole = model.scan_vcf(opened, threshold=cut, posteriors=True, evidence=True)
    assert len(whole.posteriors) == 6 * 240
    assert len(whole.evidence()) == whole.segments["n_sites"].sum()


def test_a_file_that_changed_is_not_mixed_with_what_it_was(model, region_folder: Path, lists, cut, tmp_path) -> None:
    here = {role: shutil.copy(path, tmp_path) for role, path in lists.items()}
    found = model.scan_vcf(region_folder / "region.vcf.gz", **here, threshold=cut)
    target = Path(here["target"])
    target.write_text(target.read_text().split()[0] + "\n")
    with pytest.raises(InputError, match="has changed since it was scanned"):
        _ = found.posteriors
    with pytest.raises(InputError, match="has changed since it was scanned"):
        found.evidence()


def test_a_threshold_chosen_on_the_data_is_chosen_again(model, region_folder: Path, lists) -> None:
    found = model.scan_vcf(region_folder / "region.vcf.gz", **lists, fdr=0.9)
    assert found.settings.threshold is None
    assert found.threshold == found.expected.threshold
    assert repr(found).endswith("  fdr: 0.9>")
    assert len(found.evidence()) == found.segments["n_sites"].sum()


# --- the baseline, the figure, and how it shows itself ----------------------------------------------


def test_of_a_baseline_nothing_is_promised(model, region_folder: Path, lists) -> None:
    found = model.scan_vcf(region_folder / "region.vcf.gz", **lists, baseline="hmm")
    assert found.expected is None
    assert found.threshold == 0.5
    assert len(found.evidence()) == found.segments["n_sites"].sum() > 0
    assert "expected" not in repr(found)
    assert "baseline: hmm" in repr(found)
    with pytest.raises(SettingError, match="only the network weighs sites"):
        found.evidence(weights=True)


def test_a_result_draws_itself(model, region_folder: Path, lists, kept) -> None:
    plt = pytest.importorskip("matplotlib.pyplot")
    (chrom,) = kept.lengths
    ax = kept.plot(posteriors=True)
    assert ax.get_xlim() == (0, 0.24)
    assert len(ax.get_yticklabels()) == 6
    _, mine = plt.subplots()
    assert kept.plot(chrom=chrom, haplotypes=[("target1", "1")], ax=mine) is mine
    assert [label.get_text() for label in mine.get_yticklabels()] == ["target1 haplotype 1"]
    with pytest.raises(SettingError, match=f"there is no chrQ; there are {chrom}"):
        kept.plot(chrom="chrQ")
    # Nothing is found, and yet it is known what was scanned.
    empty = model.scan_vcf(region_folder / "region.vcf.gz", **lists, threshold=0.9999)
    assert not len(empty.segments)
    assert empty.plot().get_xlim() == (0, 0.24)
    assert len(empty.evidence()) == 0
    plt.close("all")


def test_a_result_and_its_model_say_what_they_are(region_folder: Path, lists, cut, tmp_path) -> None:
    model = IntrogressionClassifier.load(tiny_bundle(tmp_path / "<b>.genolstm", label="nea"), threads=1)
    digest = model.bundle.digest[:12]
    facts = f"model: <b> (sha256 {digest}), label: nea, k: 31, bin: 1000 bp, size: 0.0"
    assert repr(model).startswith(f"<IntrogressionClassifier {facts}")
    assert "baselines: none, threads: 1>" in repr(model)
    found = model.scan_vcf(region_folder / "region.vcf.gz", **lists, threshold=cut, bridge=5)
    n = len(found.segments)
    bp = (found.segments["end"] - found.segments["start"]).sum()
    lines = repr(found).splitlines()
    assert lines[:2] == ["<IntrogressionResult", f"  segments: {n}, {bp / 1e6:.2f} Mb"]
    with_segments = len(found.segments[["sample", "haplotype"]].drop_duplicates())
    assert f"  haplotypes: 6, {with_segments} with segments" in lines
    assert "  scanned: 1.44 Mb, " in repr(found)
    assert "  sources: nea, unknown" in lines
    assert f"  model: <b> (sha256 {digest})" in lines
    expected = f"(expected precision {found.expected.precision:.3f}, recall {found.expected.recall:.3f})"
    assert f"  threshold: {cut:.4g} {expected}" in lines
    assert "  bridge: 5" in repr(found)
    for page in (model._repr_html_(), found._repr_html_()):
        assert "&lt;b&gt; (sha256" in page
        assert "<b> (sha256" not in page
    assert found._repr_html_().count("<tr") >= min(n, 10)
    assert (f"the first 10 of {n}" in found._repr_html_()) == (n > 10)
