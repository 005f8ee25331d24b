"""How much is archaic, by haplotype, sample, population and source."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support import DATA, EXAMPLE

from genolstm.errors import InputError, SettingError
from genolstm.introgression.doors.blocks import Counted, Totals
from genolstm.introgression.segments import PosteriorBlock
from genolstm.introgression.settings import ScanSettings
from genolstm.introgression.summary import Piece, Summary, summarise, tell, write_multiqc, write_summary
from genolstm.introgression.variants.people import Populations, read_populations
from genolstm.runs.gather import run as gather
from genolstm.runs.scan import VcfDoor, run
from genolstm.runs.summary import run as summary

PIECES = [
    Piece("c1", 0, 1_000, "A", "1", "nea"),
    Piece("c1", 500, 2_500, "A", "2", "nea"),
    Piece("c2", 0, 9_000, "A", "1", "nea"),
    Piece("c2", 9_000, 9_500, "A", "1", "nea|den"),
    Piece("c2", 0, 300, "B", "1", "unknown"),
]
CALLABLE = {("A", "1"): 40_000, ("A", "2"): 10_000, ("B", "1"): 3_000, ("B", "2"): 0, ("C", "1"): 5_000}
POPULATIONS = Populations(
    {"P": ["A", "X"], "EUR": ["A", "B"], "Q": ["B"]}, "t", {"A": ["P", "EUR"], "B": ["Q", "EUR"], "X": ["P"]}
)
HMM = ScanSettings(baseline="hmm")


def whole() -> Summary:
    return summarise(PIECES, sources=("nea", "den", "unknown"), callable_bp=CALLABLE, populations=POPULATIONS)


def table(found: Summary) -> pd.DataFrame:
    stream = io.StringIO()
    write_summary(stream, found)
    stream.seek(0)
    return pd.read_csv(stream, sep="\t", dtype={"haplotype": str})


def one(found: pd.DataFrame, source: str, **group: object) -> dict[str, object]:
    here = found[found["source"] == source]
    for name, value in group.items():
        here = here[here[name].astype(str) == str(value)]
    (row,) = here.to_dict("records")
    return row


def test_every_group_is_counted_by_source() -> None:
    found = whole()
    assert found.sources == ["nea", "den", "unknown", "nea|den"]
    read = table(found)
    counts = read.groupby("level", sort=False)["source"].count().to_dict()
    assert counts == {"all": 5, "population": 15, "sample": 15, "haplotype": 25}
    row = one(read, "nea", level="all")
    assert (row["haplotypes"], row["segments"], row["mb"], row["callable_mb"]) == (5, 3, 0.012, 0.058)
    assert (row["mean_length"], row["median_length"], row["longest"]) == (4_000, 2_000, 9_000)
    assert row["share_of_callable"] == pytest.approx(12 / 58, abs=1e-6)
    row = one(read, "all", level="population", population="P")
    assert (row["haplotypes"], row["segments"], row["mb"]) == (2, 4, 0.0125)
    row = one(read, "unknown", level="population", population="EUR")
    assert (row["haplotypes"], row["segments"], row["share_of_callable"]) == (
        4,
        1,
        pytest.approx(300 / 53_000, abs=1e-6),
    )
    row = one(read, "nea|den", level="sample", sample="A")
    assert (row["population"], row["haplotypes"], row["segments"], row["longest"]) == ("P,EUR", 2, 1, 500)
    row = one(read, "all", level="haplotype", sample="B", haplotype=2)
    assert (row["segments"], row["mb"], row["callable_mb"]) == (0, 0, 0)
    assert np.isnan([row["share_of_callable"], row["mean_length"], row["median_length"], row["longest"]]).all()
    row = one(read, "den", level="haplotype", sample="C", haplotype=1)
    assert (row["segments"], row["share_of_callable"], row["population"]) == (0, 0, pytest.approx(np.nan, nan_ok=True))
    # Each level holds the same base pairs, but for samples without a population.
    together = read[read["source"] == "all"].groupby("level")["mb"].sum()
    assert together["all"] == together["sample"] == together["haplotype"] == pytest.approx(0.0128)


def test_in_words() -> None:
    assert tell(whole()) == [
        "nea: 3 segments, 0.01 Mb, 20.69 % of what is callable; median 2.0 kb, longest 9.0 kb",
        "unknown: 1 segment, 0.00 Mb, 0.52 % of what is callable; median 0.3 kb, longest 0.3 kb",
        "nea|den: 1 segment, 0.00 Mb, 0.86 % of what is callable; median 0.5 kb, longest 0.5 kb",
        "P (2 haplotypes): 24.00 % nea, 1.00 % nea|den",
        "EUR (4 haplotypes): 22.64 % nea, 0.57 % unknown, 0.94 % nea|den",
        "Q (2 haplotypes): 10.00 % unknown",
        "the table of samples names no population of 1 sample",
    ]
    assert tell(summarise([], callable_bp={})) == []
    many = Populations({f"P{i:02d}": ["B"] for i in range(15)}, "t", {"B": [f"P{i:02d}" for i in range(15)]})
    lines = tell(summarise(PIECES[-1:], populations=many))
    assert lines[1] == "P00 (1 haplotype): 0.00 Mb unknown"
    assert lines[13:] == ["and 3 more populations"]


def test_what_is_not_known_is_absent() -> None:
    read = table(summarise(PIECES))
    assert read["callable_mb"].isna().all()
    assert read["share_of_callable"].isna().all()
    assert list(read[read["level"] == "haplotype"]["sample"].unique()) == ["A", "B"]
    assert "callable" not in " ".join(tell(summarise(PIECES)))


def test_overlaps_count_once() -> None:
    pieces = [*PIECES[:1], Piece("c1", 400, 1_500, "A", "1", "den"), Piece("c1", 900, 1_000, "A", "1", "den")]
    found = summarise(pieces, callable_bp=CALLABLE)
    (together, den, nea) = found.of("all")
    assert (together.bp, den.bp, nea.bp) == (1_500, 1_100, 1_000)
    assert (together.segments, together.longest) == (3, 1_100)
    assert found.overlapping == 2
    assert tell(found)[-1] == "overlaps of 2 segments with others of the same haplotype count once in Mb"


def test_a_source_cannot_be_called_as_all_are() -> None:
    with pytest.raises(SettingError, match="a source is called all"):
        summarise([Piece("c", 0, 1, "A", "1", "all")])


def test_totals_count_haplotypes() -> None:
    """Blocks of two sequences, of which one has a short last bin, an unknown one, and an absent haplotype."""
    names, others = [("A", "1"), ("A", "2")], [("A", "2"), ("B", "1"), ("B", "2")]
    totals = Totals()

    def block(names, posterior, share, first, length, last):
        posterior, zero = np.array(posterior, np.float32), np.zeros_like(posterior, dtype=np.float32)
        return PosteriorBlock("c", names, first, posterior, zero, zero, length, last, np.array(share, np.float32))

    totals.add(block(names, [[0.1, 0.2], [0.1, 0.2]], [[1, 1], [0.01, 1]], 0, None, False), 1000)
    totals.add(block(names, [[0.1, 0.2], [0.1, np.nan]], [[1, 1], [1, 1]], 2, 3_400, True), 1000)
    nan = np.nan
    totals.add(block(others, [[0.1], [0.3], [nan]], [[1], [1], [1]], 0, 900, True), 1000)
    assert totals.haplotypes == {
        ("A", "1"): Counted(3_400, 3_400),
        ("A", "2"): Counted(3_900, 2_900),
        ("B", "1"): Counted(900, 900),
    }
    assert totals.bp == 3_400 + 3_900 + 900


def test_populations_of_samples_keep_the_order_of_the_columns(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text("sample\tpop\tsuper_pop\nA\tCEU\tEUR\nB\tGBR\tEUR\nC\t\tAFR\n")
    assert read_populations(path).groups == {"A": ["CEU", "EUR"], "B": ["GBR", "EUR"], "C": ["AFR"]}


# --- for MultiQC --------------------------------------------------------------------------------------


def test_a_file_for_multiqc(tmp_path: Path) -> None:
    stream = io.StringIO()
    write_multiqc(stream, whole())
    said = json.loads(stream.getvalue())
    assert (said["id"], said["plot_type"]) == ("genolstm_introgression", "table")
    assert set(said["data"]) == {"A", "B", "C"}
    assert said["data"]["A"]["nea_mb"] == 0.012
    assert said["data"]["A"]["nea_share"] == 24
    assert "nea_median" not in said["data"]["C"]
    assert {name for own in said["data"].values() for name in own} == set(said["headers"])


@pytest.mark.slow
def test_multiqc_shows_it(tmp_path: Path) -> None:
    """MultiQC and what it needs are a gigabyte, so that this runs only where it is there."""
    multiqc = shutil.which("multiqc")
    if multiqc is None:
        pytest.skip("MultiQC is not installed (pip install multiqc, into an environment of its own)")
    with (tmp_path / "x_mqc.json").open("w") as stream:
        write_multiqc(stream, whole())
    command = [multiqc, "-q", "--no-version-check", "-o", tmp_path / "report", tmp_path]
    # Not with the libraries of this environment.
    without = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run(command, check=True, timeout=200, env=without)
    (found,) = (tmp_path / "report").glob("*_data/*genolstm_introgression*.txt")
    read = pd.read_csv(found, sep="\t", index_col="Sample")
    assert read.loc["A", "nea_mb"] == 0.012


# --- of a scan, and of its files ------------------------------------------------------------------------


def vcf(**more) -> VcfDoor:
    lists = {role: EXAMPLE / f"{role}.txt" for role in ("target", "outgroup", "archaic")}
    return VcfDoor(EXAMPLE / "region.vcf.gz", **{**lists, **more})


@pytest.fixture(scope="module")
def scanned(tmp_path_factory) -> Path:
    """The example, of which part is masked, and the same as two scans of different samples would have written it."""
    folder = tmp_path_factory.mktemp("scan")
    (folder / "mask.bed").write_text("chr21\t0\t100000\n")
    (folder / "pops.tsv").write_text("sample\tpop\nCEU0\tP\nCEU1\tP\nCEU2\tQ\n")
    door = vcf(exclude_mask=folder / "mask.bed", samples=folder / "pops.tsv")
    outputs = {"summary": folder / "x.tsv", "multiqc": folder / "x_mqc.json"}
    said = run(door, output=folder / "x.bed", settings=HMM, **outputs)
    (folder / "x.said").write_text("\n".join(said) + "\n")
    lines = (folder / "x.bed").read_text().splitlines()
    account = json.loads((folder / "x.json").read_text())
    for name, samples in (("a", ("CEU0", "CEU1")), ("b", ("CEU2",))):
        own = [line for line in lines[2:] if line.split("\t")[6] in samples]
        (folder / f"{name}.bed").write_text("\n".join([*lines[:2], *own]) + "\n")
        callable_bp = {sample: account["callable_bp"][sample] for sample in samples}
        part = {**account, "callable_bp": callable_bp, "counts": {**account["counts"], "segments": len(own)}}
        (folder / f"{name}.json").write_text(json.dumps(part))
    gather([folder / "a.bed", folder / "b.bed"], folder / "all.bed")
    return folder


def test_a_scan_writes_and_tells_it(scanned: Path) -> None:
    read = pd.read_csv(scanned / "x.tsv", sep="\t")
    lines = (scanned / "x.bed").read_text().splitlines()[2:]
    lengths = [int(line.split("\t")[2]) - int(line.split("\t")[1]) for line in lines]
    row = one(read, "all", level="all")
    assert (row["haplotypes"], row["segments"], row["longest"]) == (6, len(lengths), max(lengths))
    assert row["mb"] == pytest.approx(sum(lengths) / 1e6, abs=1e-9)
    assert row["callable_mb"] == 3.0  # a sixth is masked
    assert row["share_of_callable"] == pytest.approx(sum(lengths) / 3e6, abs=1e-6)
    assert set(read[read["level"] == "population"]["population"]) == {"P", "Q"}
    said = (scanned / "x.said").read_text()
    assert f"\narchaic: {one(read, 'archaic', level='all')['segments']} segments, " in said
    assert "\nP (4 haplotypes): " in said


@pytest.mark.parametrize("how", ["beside", "named", "parts"])
def test_the_command_makes_the_same(scanned: Path, tmp_path: Path, how: str) -> None:
    source, manifests = scanned / "x.bed", []
    if how == "named":
        source = Path(shutil.copy(source, tmp_path / "copy.bed"))
        manifests = [scanned / "x.json"]
    elif how == "parts":
        source, manifests = scanned / "all.bed", [scanned / "a.json", scanned / "b.json"]
    paths = {"output": tmp_path / "s.tsv", "multiqc": tmp_path / "s_mqc.json"}
    said = summary(source, samples=scanned / "pops.tsv", manifest=manifests, **paths)
    assert (tmp_path / "s.tsv").read_text() == (scanned / "x.tsv").read_text()
    assert json.loads((tmp_path / "s_mqc.json").read_text()) == json.loads((scanned / "x_mqc.json").read_text())
    assert said[1:] == (scanned / "x.said").read_text().splitlines()[3 : 2 + len(said)]


def test_without_a_manifest_shares_are_not_known(scanned: Path, tmp_path: Path) -> None:
    said = summary(scanned / "all.bed", output=tmp_path / "s.tsv")
    assert said[-1] == "warning: there is no manifest: shares are NA, and haplotypes without segments are not listed"
    read = pd.read_csv(tmp_path / "s.tsv", sep="\t")
    assert read["share_of_callable"].isna().all()
    wanted = one(pd.read_csv(scanned / "x.tsv", sep="\t"), "all", level="all")
    assert one(read, "all", level="all")["mb"] == wanted["mb"]


def test_manifests_that_do_not_fit(scanned: Path, tmp_path: Path) -> None:
    def refused(match: str, path: Path = scanned / "all.bed", **more) -> None:
        with pytest.raises(InputError, match=match):
            summary(path, output=tmp_path / "s.tsv", **more)
        assert not (tmp_path / "s.tsv").exists()

    refused(
        r"all\.bed:\d+: has a segment on haplotype . of CEU., which .*b\.json does not", manifest=[scanned / "b.json"]
    )
    same = shutil.copy(scanned / "a.json", tmp_path / "again.json")
    refused(r"again\.json: is the same manifest as .*a\.json", manifest=[scanned / "a.json", same])
    account = json.loads((scanned / "x.json").read_text())
    for change, match in (
        ({"callable_bp": None}, "does not say how much of each haplotype is callable"),
        ({"callable_bp": [1]}, "lacks or misstates 'callable_bp'"),
        ({"callable_bp": {"A": 3}}, r"lacks or misstates 'callable_bp\.A'"),
        ({"callable_bp": {"A": {"1": -3}}}, r"'callable_bp\.A\.1'"),
        ({"model": {}}, "'model.sources'"),
        ({"counts": {**account["counts"], "segments": 1}}, r"segments, and its manifests count 1"),
    ):
        (tmp_path / "m.json").write_text(json.dumps({**account, **change}))
        refused(match, scanned / "x.bed", manifest=[tmp_path / "m.json"])
    for text in ("", "{", "[]", '{"callable_bp": {"A": {"1": 1, "1": 2}}}', "[" * 10_000):
        (tmp_path / "m.json").write_text(text)
        refused(r"m\.json: ", scanned / "x.bed", manifest=[tmp_path / "m.json"])
    # Fewer segments may be meant: some were taken out.
    fewer = tmp_path / "fewer.bed"
    fewer.write_text("\n".join((scanned / "x.bed").read_text().splitlines()[:4]) + "\n")
    said = summary(fewer, manifest=[scanned / "x.json"], output=tmp_path / "fewer.tsv")
    assert said[-1].endswith("those left out are taken for not called")


def test_other_files_that_do_not_fit(scanned: Path, tmp_path: Path) -> None:
    (tmp_path / "pops.tsv").write_text("sample\tpop\nceu0\tP\n")
    with pytest.raises(InputError, match=r"pops\.tsv: names none of the samples of .*x\.bed"):
        summary(scanned / "x.bed", samples=tmp_path / "pops.tsv", output=tmp_path / "s.tsv")
    rows = "".join(f"c\t{10 * i}\t{10 * i + 5}\tid{i}\t0\t.\tA\t1\n" for i in range(101))
    (tmp_path / "other.bed").write_text(rows)
    with pytest.raises(InputError, match="more than 100 different sources; name a column 'source'"):
        summary(tmp_path / "other.bed", output=tmp_path / "s.tsv")
    with pytest.raises(SettingError, match=r"must end in \.tsv"):
        summary(scanned / "x.bed", output=tmp_path / "s.json")


def test_bed_of_other_hands_and_no_segments(tmp_path: Path) -> None:
    said = summary(DATA / "truth.bed", output=tmp_path / "t.tsv")
    assert said[0] == "2 segments, 0.70 Mb, among 2 haplotypes"
    (tmp_path / "none.bed").write_text((DATA / "segments.bed").read_text().splitlines()[0] + "\n")
    assert summary(tmp_path / "none.bed", output=tmp_path / "none.tsv")[0] == "0 segments, 0.00 Mb, among 0 haplotypes"
    assert len((tmp_path / "none.tsv").read_text().splitlines()) == 2
