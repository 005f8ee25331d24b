"""What a scan says of itself: the manifest, the stamp, the index, and how far it is."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import json
import shutil
import subprocess
import time
from importlib.metadata import version
from pathlib import Path

import pytest
from support import EXAMPLE, Terminal

from genolstm.cli import options
from genolstm.errors import InputError, OutputError, SettingError
from genolstm.introgression.doors.fasta import FastaDoor
from genolstm.introgression.settings import ScanSettings
from genolstm.lstm.bundle.bundle import Bundle, find_bundle
from genolstm.runs.scan import Step, VcfDoor, manifest_path, run
from genolstm.sequences.fasta import read_records

THRESHOLD = Bundle.open(find_bundle("archaic")).metadata["hmm_threshold"]
HMM = ScanSettings(baseline="hmm")


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """The shipped model under another name; its baseline is fast."""
    return Path(shutil.copy(find_bundle("archaic"), tmp_path_factory.mktemp("model") / "tiny.genolstm"))


@pytest.fixture(scope="module")
def query(tmp_path_factory) -> Path:
    """Two haplotypes of the example, cut to 40 kb, and a short one."""
    path = tmp_path_factory.mktemp("query") / "query.fa"
    with path.open("w") as stream:
        for record, _ in zip(read_records(EXAMPLE / "query.fa.gz"), range(2), strict=False):
            stream.write(f">{record.name}\n{record.sequence[:40_000].decode()}\n")
        stream.write(">short\nACGT\n")
    return path


def fasta(query: Path) -> FastaDoor:
    return FastaDoor([query], EXAMPLE / "archaic.panel", EXAMPLE / "outgroup.panel", skip_short=True)


def vcf(**more) -> VcfDoor:
    lists = {role: EXAMPLE / f"{role}.txt" for role in ("target", "outgroup", "archaic")}
    return VcfDoor(EXAMPLE / "region.vcf.gz", **{**lists, **more})


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("output", "manifest"),
    [
        ("d/x.bed", "d/x.json"),
        ("x.bed.gz", "x.json"),
        ("x.bed.bgz", "x.json"),
        ("x.tsv.xz", "x.json"),
        ("x.txt", "x.json"),
        ("x", "x.json"),
        ("x.v2", "x.v2.json"),
        ("x.v2.bed", "x.v2.json"),
        ("x.json", "x.json.json"),
        (".bed", ".bed.json"),
        ("-", None),
        ("/dev/null", None),
        ("/dev/stdout", None),
        ("/dev/fd/1", None),
    ],
)
def test_the_name_of_a_manifest(output: str, manifest: str | None) -> None:
    assert manifest_path(output) == (None if manifest is None else Path(manifest))


def test_the_manifest_of_fasta(tmp_path: Path, query: Path, model: Path) -> None:
    said = run(fasta(query), output=tmp_path / "x.bed.gz", model=model, settings=HMM)
    text = (tmp_path / "x.json").read_text()
    account = json.loads(text)
    assert text == json.dumps(account, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    assert sorted(account) == [
        "callable_bp",
        "command",
        "counts",
        "created",
        "ids",
        "inputs",
        "left_out",
        "likeness",
        "model",
        "seeds",
        "settings",
        "unlike_training",
        "versions",
        "warnings",
    ]
    assert account["versions"]["genolstm"] == version("genolstm")
    assert account["inputs"] == {
        "query": {"file": "query.fa", "sha256": digest(query)},
        "archaic": {"file": "archaic.panel", "sha256": digest(EXAMPLE / "archaic.panel")},
        "outgroup": {"file": "outgroup.panel", "sha256": digest(EXAMPLE / "outgroup.panel")},
    }
    lines = gzip.decompress((tmp_path / "x.bed.gz").read_bytes()).decode().splitlines()
    spans = [(int(b) - int(a), *names) for _, a, b, _, _, _, *names in (line.split("\t")[:8] for line in lines[2:])]
    assert account["counts"] == {
        "haplotypes": 2,
        "samples": len({name.split("#")[0] for name in query.read_text().split(">")[1:3]}),
        "haplotype_bp": 80_000,
        "callable_share": account["counts"]["callable_share"],
        "segments": len(spans),
        "segment_bp": sum(span[0] for span in spans),
        "haplotypes_with_segments": len({span[1:] for span in spans}),
    }
    names = [name.split("#")[:2] for name in query.read_text().split(">")[1:3]]
    assert sorted((s, h) for s, own in account["callable_bp"].items() for h in own) == sorted(map(tuple, names))
    callable_bp = [bp for own in account["callable_bp"].values() for bp in own.values()]
    assert all(0 < bp <= 40_000 and bp % 1000 == 0 for bp in callable_bp)
    assert account["left_out"] == ["1 records shorter than a bin left out"]
    assert account["warnings"] == []
    whole = Bundle.open(model).digest
    assert account["model"] == {"name": "tiny", "sha256": whole, "sources": ["archaic"]}
    settings = account["settings"]
    assert (settings["baseline"], settings["threshold"], settings["min_length"]) == ("hmm", THRESHOLD, 0)
    assert (settings["k"], settings["bin"]) == (31, 1000)
    assert settings["door"] == {"haplotypes": "record", "sharing": None, "skip_short": True, "memory": 4 << 30}
    assert lines[0] == f"##genolstm={version('genolstm')};model=tiny;sha256={whole[:12]}"
    assert lines[1].startswith("#chrom\tstart\tend\t")
    assert said[0].startswith("scanned 2 haplotypes, 0.08 Mb in all")
    assert said[1] == f"model tiny (sha256 {whole[:12]}), baseline hmm, threshold {THRESHOLD:.4g}"
    assert said[-1] == "1 records shorter than a bin left out"


def test_the_manifest_of_a_vcf(tmp_path: Path, model: Path) -> None:
    (tmp_path / "m.bed").write_text("chr21\t0\t600000\n")
    door = vcf(target="CEU0,CEU1", callable_mask=tmp_path / "m.bed", chrom="chr21")
    run(door, output=tmp_path / "x.bed", model=model, settings=ScanSettings(baseline="hmm", threshold=0.75))
    account = json.loads((tmp_path / "x.json").read_text())
    assert {role: entry["file"] for role, entry in account["inputs"].items()} == {
        "vcf": "region.vcf.gz",
        "outgroup": "outgroup.txt",
        "archaic": "archaic.txt",
        "callable": "m.bed",
    }
    assert account["inputs"]["vcf"]["sha256"] == digest(EXAMPLE / "region.vcf.gz")
    assert account["settings"]["threshold"] == 0.75
    assert account["settings"]["door"]["target"] == "CEU0,CEU1"
    assert account["settings"]["door"]["chrom"] == "chr21"
    assert not any("/" in json.dumps(value) for value in account["settings"]["door"].values())
    assert account["counts"]["haplotypes"] == 4
    assert account["counts"]["haplotype_bp"] == 4 * 600_000


def test_a_manifest_names_no_folders(tmp_path: Path, model: Path) -> None:
    other = tmp_path / "home" / "other.vcf"
    other.parent.mkdir()
    other.write_text("##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tSTRANGER\n")
    door = dataclasses.replace(vcf(), vcf=[EXAMPLE / "region.vcf.gz", other])
    said = run(door=door, output=tmp_path / "x.bed", model=model, settings=HMM)
    assert f"{other}: holds none of the named samples, not read" in said
    manifest = (tmp_path / "x.json").read_text()
    assert "other.vcf: holds none of the named samples, not read" in json.loads(manifest)["left_out"]
    assert str(other.parent) not in manifest
    assert str(EXAMPLE) not in manifest


def test_a_manifest_is_an_output_like_any_other(tmp_path: Path, model: Path, monkeypatch) -> None:
    (tmp_path / "x.json").write_text("mine")
    with pytest.raises(OutputError, match=r"x\.json: already exists; use --force"):
        run(vcf(), output=tmp_path / "x.bed", model=model, settings=HMM)
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"x.json": "mine"}
    with pytest.raises(OutputError, match=r"x\.json: is given for two outputs"):
        run(vcf(), output=tmp_path / "x.bed", posteriors=tmp_path / "x.json", model=model, settings=HMM, force=True)
    run(vcf(), output=tmp_path / "x.bed", model=model, settings=HMM, force=True)
    assert json.loads((tmp_path / "x.json").read_text())["model"]["name"] == "tiny"


def test_no_manifest_beside_standard_output(tmp_path: Path, model: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    for place in ("-", "/dev/stdout"):
        run(vcf(), output=place, model=model, settings=HMM)
        assert capsys.readouterr().out.startswith("##genolstm=")
    assert list(tmp_path.iterdir()) == []


def test_inputs_are_given_once(tmp_path: Path, model: Path) -> None:
    door = FastaDoor(["-", "-"], EXAMPLE / "archaic.panel", EXAMPLE / "outgroup.panel")
    with pytest.raises(InputError, match="<stdin>: is given for two inputs"):
        run(door, output=tmp_path / "x.bed", model=model, settings=HMM)


def test_warnings_are_told_even_if_quiet(tmp_path: Path, model: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(VcfDoor, "warnings", lambda self: ["little is known"], raising=False)
    said = run(vcf(), output=tmp_path / "x.bed", model=model, settings=HMM)
    assert said[-1] == "warning: little is known"
    assert json.loads((tmp_path / "x.json").read_text())["warnings"] == ["warning: little is known"]
    options.tell(said, quiet=True)
    assert capsys.readouterr() == ("", "warning: little is known\n")
    options.tell(said[:1], quiet=False)
    assert capsys.readouterr().err == said[0] + "\n"


# --- the index ----------------------------------------------------------------------------------


def test_an_index_needs_something_to_index(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"an index needs an output whose name ends in \.gz"):
        run(vcf(), output=tmp_path / "x.bed", posteriors=tmp_path / "p.tsv", index=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(shutil.which("tabix") is None, reason="needs tabix")
def test_tabix_reads_tables(tmp_path: Path, model: Path) -> None:
    (tmp_path / "m.bed").write_text("chr21\t150000\t250000\n")
    run(
        vcf(exclude_mask=tmp_path / "m.bed"),
        output=tmp_path / "x.bed.gz",
        posteriors=tmp_path / "p.tsv.gz",
        bedgraph=tmp_path / "b.gz",
        unknown=tmp_path / "u.bed.gz",
        model=model,
        settings=HMM,
        index=True,
    )
    names = [
        "b.gz",
        "m.bed",
        "p.tsv.gz",
        "p.tsv.gz.tbi",
        "u.bed.gz",
        "u.bed.gz.tbi",
        "x.bed.gz",
        "x.bed.gz.tbi",
        "x.json",
    ]
    assert sorted(p.name for p in tmp_path.iterdir()) == names
    for name in ("x.bed.gz", "p.tsv.gz", "u.bed.gz"):
        rows = gzip.decompress((tmp_path / name).read_bytes()).decode().splitlines()
        asked = subprocess.run(
            ["tabix", tmp_path / name, "chr21:100001-400000"], check=True, text=True, capture_output=True
        )
        assert asked.stderr == ""
        here = [
            row
            for row in rows
            if row[0] != "#" and int(row.split("\t")[1]) < 400_000 and int(row.split("\t")[2]) > 100_000
        ]
        assert asked.stdout.splitlines() == here
        assert here


@pytest.mark.skipif(shutil.which("bedtools") is None, reason="needs bedtools")
@pytest.mark.parametrize("name", ["x.bed", "x.bed.gz"])
def test_bedtools_passes_over_the_stamp(tmp_path: Path, model: Path, name: str) -> None:
    run(vcf(), output=tmp_path / name, model=model, settings=HMM)
    raw = (tmp_path / name).read_bytes()
    rows = (gzip.decompress(raw) if name.endswith("gz") else raw).decode().splitlines()
    assert rows[0].startswith("##genolstm=")
    for command in (["sort", "-i"], ["intersect", "-b", EXAMPLE / "truth.bed", "-wa", "-u", "-a"]):
        asked = subprocess.run(["bedtools", *command, tmp_path / name], check=True, text=True, capture_output=True)
        assert asked.stderr == ""
        assert asked.stdout.splitlines()
        assert set(asked.stdout.splitlines()) <= set(rows[2:])


def test_haplotypes_that_come_one_after_another_have_no_index(tmp_path: Path, query: Path, model: Path) -> None:
    records = [(r.name, r.sequence) for r in read_records(query)][:2]
    (tmp_path / "q.fa").write_text(
        "".join(f">{name}\n{seq[: 40_000 - 1000 * i].decode()}\n" for i, (name, seq) in enumerate(records))
    )
    said = run(
        FastaDoor([tmp_path / "q.fa"], EXAMPLE / "archaic.panel", EXAMPLE / "outgroup.panel"),
        output=tmp_path / "x.bed",
        posteriors=tmp_path / "p.tsv.gz",
        model=model,
        settings=HMM,
        index=True,
    )
    assert said[-1] == f"warning: {tmp_path}/p.tsv.gz has no index: the lines of chr21 are not sorted by position"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["p.tsv.gz", "q.fa", "x.bed", "x.json"]


# --- progress -----------------------------------------------------------------------------------


def test_steps_of_fasta_are_shares_of_the_input(tmp_path: Path, query: Path, model: Path) -> None:
    steps: list[Step] = []
    run(fasta(query), output=tmp_path / "x.bed", model=model, settings=HMM, progress=steps.append)
    assert steps[-1] == ("chr21", 80, 1.0, False)
    assert all(0.5 < step.share <= 1.0 for step in steps if step.share is not None)  # the first half is the sharing


def test_steps_of_a_vcf_are_shares_of_the_chromosome(tmp_path: Path, model: Path) -> None:
    steps: list[Step] = []
    run(vcf(span=100_000), output=tmp_path / "x.bed", model=model, settings=HMM, progress=steps.append)
    shares = [step.share for step in steps]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert len(shares) >= 6
    assert {step.chrom for step in steps} == {"chr21"}
    assert [step.bins for step in steps] == sorted({step.bins for step in steps})
    assert all(step.of_chrom for step in steps)


def test_what_is_not_known_is_not_told(query: Path) -> None:
    door = FastaDoor([query, "-"], "a", "o")
    assert door.fraction() is None
    assert fasta(query).fraction() == 0.0


def test_lines_off_a_terminal(monkeypatch, capsys) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with options.progress("scanning", quiet=False) as shown:
        assert shown is not None
        for second, share in ((1, 0.01), (20, 0.1), (40, 0.25), (60, 0.4), (80, 0.5), (200, None), (300, 0.1)):
            now[0] = second
            shown("chr1: 5 bins", share)
    assert capsys.readouterr().err.splitlines() == [
        "scanning chr1: 5 bins, 25 %, about 2 min left",
        "scanning chr1: 5 bins, 50 %, about 1 min left",
        "scanning chr1: 5 bins",
        "scanning chr1: 5 bins, 10 %, about 45 min left",
    ]
    with options.progress("scanning", quiet=True) as shown:
        assert shown is None


def test_a_bar_on_a_terminal(monkeypatch) -> None:
    import sys

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with options.progress("scanning", quiet=False) as shown:
        assert shown is not None
        shown("[red]: 5 bins", None)
        shown("[red]: 5 bins", 0.5)
        time.sleep(0.15)  # it is not drawn more often than ten times a second
        shown("chr2: 6 bins", 0.25)
    text = terminal.getvalue()
    assert "chr2: 6 bins" in text
    assert "25%" in text
