"""The evidence of segments: every line against the input, read here by other means; weights, annotations, words."""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import json
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from support import EXAMPLE

from genolstm.errors import InputError, SettingError
from genolstm.introgression.doors import fasta
from genolstm.introgression.doors.fasta import FastaDoor
from genolstm.introgression.doors.vcf import VcfDoor
from genolstm.introgression.evidence import read_evidence
from genolstm.introgression.ids import counted_ids, prefixes, segment_ids
from genolstm.introgression.knowledge import Knowledge
from genolstm.introgression.model import IntrogressionClassifier
from genolstm.introgression.settings import ScanSettings, TrackSettings
from genolstm.introgression.sites import CARRIES, KNOWN, sites_of_kmers, sites_of_variants
from genolstm.introgression.variants.block import VariantBlock
from genolstm.introgression.weights import weigh
from genolstm.runs.explain import run as explain
from genolstm.runs.gather import run as gather
from genolstm.runs.scan import run as scan

REGION = EXAMPLE / "region.vcf.gz"
ROLES = {role: str(EXAMPLE / f"{role}.txt") for role in ("target", "outgroup")}


def vcf_door(vcf: Path = REGION, **options) -> VcfDoor:
    return VcfDoor(vcf, archaic={"neanderthal": str(EXAMPLE / "archaic.txt")}, **ROLES, **options)


def fasta_door() -> FastaDoor:
    return FastaDoor([EXAMPLE / "query.fa.gz"], {"neanderthal": EXAMPLE / "archaic.panel"}, EXAMPLE / "outgroup.panel")


@pytest.fixture(scope="module")
def model() -> IntrogressionClassifier:
    return IntrogressionClassifier.load(threads=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Scans through both doors."""
    where = tmp_path_factory.mktemp("scans")
    scan(
        vcf_door(),
        output=where / "vcf.bed",
        evidence=where / "vcf.tsv.gz",
        annotate=where / "vcf.vcf.gz",
        weights=True,
        threads=1,
    )
    scan(fasta_door(), output=where / "fasta.bed", evidence=where / "fasta.tsv", threads=1)
    return where


def text_of(path: Path) -> str:
    return gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text()


def table(path: Path) -> list[dict[str, str]]:
    text = text_of(path)
    return list(csv.DictReader(io.StringIO(text[text.index("#chrom") + 1 :]), delimiter="\t"))


@cache
def names(role: str) -> list[str]:
    return (EXAMPLE / f"{role}.txt").read_text().split()


def records() -> list[tuple[int, list[str], dict[str, list[str]]]]:
    """Return (POS, alleles, alleles of each sample) of all records of the example."""
    found, samples = [], []
    for line in text_of(REGION).splitlines():
        fields = line.split("\t")
        if line.startswith("#CHROM"):
            samples = fields[9:]
        elif not line.startswith("#"):
            alleles = [fields[3], *fields[4].split(",")]
            calls = [[alleles[int(i)] for i in call.split("|")] for call in fields[9:]]
            found.append((int(fields[1]), alleles, dict(zip(samples, calls, strict=True))))
    return found


def independent(segments: Path, evidence: Path) -> subprocess.CompletedProcess[str]:
    """Check evidence by a script that knows nothing of this package: Python starts without what is installed."""
    script = Path(__file__).parents[1] / "support" / "check_evidence.py"
    words = [sys.executable, "-I", "-S", script, segments, evidence, REGION, *ROLES.values()]
    words.append(f"neanderthal={EXAMPLE / 'archaic.txt'}")
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=60)


def test_every_line_of_evidence_is_what_the_vcf_says_and_none_is_missing(folder: Path, tmp_path: Path) -> None:
    segments, evidence = folder / "vcf.bed", folder / "vcf.tsv.gz"
    found = independent(segments, evidence)
    lines = table(evidence)
    assert len(table(segments)) > 4
    assert {line["segment"] for line in lines} == {segment["name"] for segment in table(segments)}
    said = f"{len(lines)} sites of {len(table(segments))} segments, 0 differences\n"
    assert (found.returncode, found.stdout, found.stderr) == (0, said, "\n")
    assert [int(line["pos"]) for line in lines] == sorted(int(line["pos"]) for line in lines)
    # It finds what is wrong: another word, another number, a line too many, a line too few.
    whole = text_of(evidence).splitlines()
    first, second, third, fourth = [i for i, line in enumerate(whole) if "\tsupports\t" in line][:4]
    whole[first] = whole[first].replace("supports", "contradicts")
    fields = whole[second].split("\t")
    fields[11] = "77"
    whole[second] = "\t".join(fields)
    whole[third] += "\n" + whole[third]
    whole[fourth : fourth + 1] = []
    (tmp_path / "e.tsv").write_text("\n".join(whole) + "\n")
    wrong = independent(segments, tmp_path / "e.tsv")
    assert wrong.returncode == 1
    for reason in (": evidence is contradicts, not supports", ": shared is 77, not", ": is 2 times", ": is 0 times"):
        assert wrong.stderr.count(reason) == 1, reason
    assert "contradict; its segment says" in wrong.stderr


def test_evidence_of_sequences_is_that_of_their_genotypes(folder: Path) -> None:
    lines, segments = table(folder / "fasta.tsv"), table(folder / "fasta.bed")
    for segment in segments:
        own = [line for line in lines if line["segment"] == segment["name"]]
        assert len(own) == int(segment["n_sites"])
        assert sum(line["evidence"] == "supports" for line in own) == int(segment["n_match"])
        assert {line["allele_neanderthal"] for line in own} <= {"same", "other"}
        for line in own:
            assert (line["allele_neanderthal"] == "same") == (line["evidence"] == "supports")
    from genolstm.sequences.fasta import read_records

    sequences = {record.name: record.sequence.decode() for record in read_records(EXAMPLE / "query.fa.gz")}
    for line in lines:
        sequence = sequences[f"{line['sample']}#{line['haplotype']}#{line['chrom']}"]
        assert line["allele"] == sequence[int(line["pos"]) - 1]
        assert (line["ref"], line["alt"]) == (".", ".")
    columns = ("pos", "sample", "haplotype", "allele", "outgroup_frequency", "shared", "evidence")

    def said(rows: list[dict[str, str]]) -> set[tuple[str, ...]]:
        return {tuple(row[column] for column in columns) for row in rows}

    # In a k-mer, variants of the same haplotype that lie close together are not told apart.
    by_kmers, by_sites = said(lines), said(table(folder / "vcf.tsv.gz"))
    assert len(by_kmers & by_sites) > 0.98 * max(len(by_kmers), len(by_sites)) > 200


def evidence(model, door, **settings):
    found = model.scan_door(door, ScanSettings(**settings), evidence=True)
    return found.segments, found.evidence()


def test_blocks_and_stretches_do_not_matter(model, monkeypatch) -> None:
    def sites(door) -> list[tuple]:
        blocks = list(door.tracks(model.settings))
        found = np.concatenate([block.sites for block in blocks])
        return sorted(
            zip(*(found[name].tolist() for name in ("row", "position", "seen", "shared", "match")), strict=True)
        )

    whole = evidence(model, vcf_door())
    parts = evidence(model, vcf_door(span=9000))
    assert whole[1].equals(parts[1])
    assert (whole[0]["n_sites"] == parts[0]["n_sites"]).all()
    counts = whole[1]["segment"].value_counts()
    assert (whole[0].set_index("name")["n_sites"] == counts.reindex(whole[0]["name"])).all()
    expected = sites(fasta_door())
    monkeypatch.setattr(fasta, "_STRETCH", 20_000)
    assert sites(fasta_door()) == expected
    assert len(expected) > 500


def test_a_fixed_threshold_keeps_the_sites_of_its_segments(model) -> None:
    for span in (7000, 2_000_000):
        segments, found = evidence(model, vcf_door(span=span), threshold=0.6)
        assert len(segments) > 3
        assert segments["n_sites"].tolist() == [sum(found["segment"] == name) for name in segments["name"]]


def block_of(target, outgroup, archaic, positions=(50, 150, 250, 350)) -> VariantBlock:
    rows = [np.array(part, dtype=np.int8) for part in (target, outgroup, archaic)]
    reference = np.zeros(len(positions), dtype=np.int8)
    return VariantBlock("1", np.array(positions), *rows, 0, 1000, 1000, True, reference=reference)


@pytest.fixture
def small() -> VariantBlock:
    outgroup = [[0] * 20, [1] + [0] * 19, [1, 1] + [0] * 18, [-1] * 20]
    return block_of(
        [[1, 1, 0], [1, -1, 1], [1, 1, 1], [1, 1, 1]],
        outgroup,
        [[1, 1, -1, 0], [0, 0, 1, -1], [1, 1, 1, 1], [1, 1, 1, 1]],
    )


def found_in(block: VariantBlock, **options) -> list[tuple]:
    where = {"first_bin": 0, "last_bin": 1, "length": 1000, "settings": TrackSettings(), "sources": [[0, 1], [2], [3]]}
    sites = sites_of_variants(block, **where | options)
    return [
        (int(s["row"]), int(s["position"]), int(s["seen"]), int(s["called"]), int(s["shared"]), bool(s["match"]))
        for s in sites
    ]


def test_what_a_site_is(small: VariantBlock) -> None:
    # 10 % of the outgroup at 250, nobody called at 350.
    both = [(0, 50, 0, 20, 1, True), (1, 50, 0, 20, 1, True)]
    second = [(0, 150, 1, 20, 1, True), (2, 150, 1, 20, 1, True)]
    assert found_in(small) == both + second
    sites = sites_of_variants(
        small, first_bin=0, last_bin=1, length=1000, settings=TrackSettings(), sources=[[0, 1], [2], [3]]
    )
    assert sites["archaic"][0].tolist() == [KNOWN | CARRIES | 2, 0, KNOWN | 1]
    assert sites["archaic"][2].tolist() == [KNOWN | 1, KNOWN | CARRIES | 2, 0]
    assert sites["alleles"].tolist() == [3] * 4
    # Without an archaic all are evidence; where none is known, there is none.
    assert found_in(small, sources=[]) == both + second
    assert found_in(small, sources=[[2]]) == second
    assert found_in(small, sources=[[3]]) == [(row, at, *rest, False) for row, at, *rest, _ in both]
    # What no k-mer can compare is no evidence: masked, or in a gap between masks that is shorter than k.
    assert found_in(small, uncallable=[(50, 51)]) == second
    assert found_in(small, uncallable=[(0, 40), (70, 100)]) == second
    assert found_in(small, uncallable=[(0, 40), (71, 100)]) == both + second


@pytest.mark.parametrize(
    ("outgroup", "expected"),
    [
        ("99999 00000 99999", [9]),  # one variant: k k-mers
        ("99999 00000000 99999", [9, 12]),  # two, 3 bp apart
        ("99999 0000 99999", [8]),  # a deletion
        ("99999 000 99999", []),  # two common variants that seldom go together
        ("00000 99999", [4]),  # at the begin
        ("000 99999", [2]),
        ("99999 000", [9]),  # at the end
        ("99999 000..00000 99999", [9, 14]),  # unknown k-mers between two
        ("99999 ..00.. 99999", []),
        ("99999 ..0000000.. 99999", [11, 13]),  # at least two
        ("99999 99999", []),
    ],
)
def test_where_runs_of_rare_kmers_place_sites(outgroup: str, expected: list[int]) -> None:
    letters = outgroup.replace(" ", "")
    counts = np.array([0 if c == "." else int(c) for c in letters], dtype=np.uint16)
    valid = np.array([c != "." for c in letters])
    codes = np.arange(len(letters) + 4, dtype=np.uint8) % 4
    near = np.arange(len(letters), dtype=np.uint16) % 3
    where = {"settings": TrackSettings(5, 10), "outgroup_size": 9, "target_size": 3, "knowledge": Knowledge((0,))}
    found = sites_of_kmers(codes, [near], counts, near, valid, start=0, low=0, high=len(codes), **where)
    assert found["position"].tolist() == expected
    assert found["allele"].tolist() == [at % 4 for at in expected]
    assert found["bin"].tolist() == [at // 10 for at in expected]
    # In pieces, each with k + 1 starts on either side: the same.
    parts = []
    for low in range(0, len(codes), 4):
        begin, end = max(low - 6, 0), min(low + 4 + 6, len(letters))
        piece = (part[begin:end] for part in (near, counts, near, valid))
        archaic, outgroup_there, target, valid_there = piece
        parts += sites_of_kmers(
            codes[begin : end + 4],
            [archaic],
            outgroup_there,
            target,
            valid_there,
            start=begin,
            low=low,
            high=min(low + 4, len(codes)),
            **where,
        ).tolist()
    assert parts == found.tolist()


def test_a_weight_is_what_the_posterior_loses_without_the_record(model, folder: Path, tmp_path: Path) -> None:
    lines = table(folder / "vcf.tsv.gz")
    segments = {segment["name"]: segment for segment in table(folder / "vcf.bed")}
    positions = np.array([pos for pos, _, _ in records()])
    alone = [
        line
        for line in lines
        if ((abs(positions - int(line["pos"])) < 31).sum() == 1) and line["segment"] == "nea_0001"
    ]
    alone.sort(key=lambda line: float(line["weight"]))
    chosen = [alone[0], alone[-1]]
    assert float(chosen[0]["weight"]) < -0.05 < 0.1 < float(chosen[1]["weight"])

    def log_odds(vcf: Path, segment: dict[str, str]) -> float:
        frame = model.posteriors(model.open(vcf_door(vcf)))
        frame = frame[(frame["sample"] == segment["sample"]) & (frame["haplotype"] == segment["haplotype"])]
        first, last = round(int(segment["start"]) / 1000), round(int(segment["end"]) / 1000)
        p = frame["posterior"].to_numpy(dtype=float)[first:last].clip(1e-6, 1 - 1e-6)
        return float(np.log(p / (1 - p)).mean())

    text = text_of(REGION).splitlines(keepends=True)
    for line in chosen:
        segment = segments[line["segment"]]
        path = tmp_path / f"without{line['pos']}.vcf"
        path.write_text("".join(record for record in text if record.split("\t")[1:2] != [line["pos"]]))
        change = log_odds(REGION, segment) - log_odds(path, segment)
        assert change == pytest.approx(float(line["weight"]), abs=0.01)


def test_weights_of_blocks_and_of_sequences(model, folder: Path) -> None:
    """The stretch around a segment is the same whichever blocks it comes in."""
    result = model.open(vcf_door())
    result.decoder.keep_sites = True
    segments = sorted(result.segments())[1:2]
    whole, parts = (weigh(model, door, segments, result.decoder.evidence) for door in (vcf_door(), vcf_door(span=9000)))
    (one,), (other,) = whole.values(), parts.values()
    np.testing.assert_allclose(one, other, atol=1e-5)
    assert len(one) == segments[0].n_sites
    # A region that ends before a segment does not stand in for its own.
    regions = (("chr21", 0, 200_000), ("chr21", 205_000, 500_000))
    apart = model.open(vcf_door(region=regions))
    apart.decoder.keep_sites = True
    same = sorted(apart.segments())[1:2]
    (third,) = weigh(model, vcf_door(region=regions, span=9000), same, apart.decoder.evidence).values()
    assert same[0][3:5] == segments[0][3:5]
    assert len(third) == len(one)
    np.testing.assert_allclose(third, one, atol=0.05)
    by_kmers = model.open(fasta_door())
    by_kmers.decoder.keep_sites = True
    same = sorted(by_kmers.segments())[1:2]
    (third,) = weigh(model, fasta_door(), same, by_kmers.decoder.evidence).values()
    assert np.isfinite(third).all()
    assert len(third) == same[0].n_sites


def test_an_annotated_vcf_holds_the_segments(folder: Path) -> None:
    segments = table(folder / "vcf.bed")
    before, after = (
        [line for line in text_of(path).splitlines() if not line.startswith("##")]
        for path in (REGION, folder / "vcf.vcf.gz")
    )
    samples = before[0].split("\t")[9:]
    assert after[0] == before[0]
    inside = 0
    for old, new in zip(before[1:], after[1:], strict=True):
        fields = old.split("\t")
        pos = int(fields[1])
        here = [s for s in segments if int(s["start"]) < pos <= int(s["end"])]
        if here:
            inside += 1
            of = {name: [".", "."] for name in samples}
            for segment in here:
                of[segment["sample"]][int(segment["haplotype"]) - 1] = segment["name"]
            sources = new.split("\t")[7].removeprefix("ARCHAIC_OF=").split(",")
            assert sorted(sources) == sorted({s["source"] for s in here})
            fields[7] = new.split("\t")[7]
            fields[8] += ":SEG"
            for i, name in enumerate(samples):
                fields[9 + i] += ":" + ("." if of[name] == [".", "."] else "|".join(of[name]))
        assert new == "\t".join(fields)
    assert 500 < inside < len(before) - 500


@pytest.mark.skipif(shutil.which("bcftools") is None, reason="bcftools is not installed")
def test_bcftools_takes_an_annotated_vcf(folder: Path, tmp_path: Path) -> None:
    def bcftools(*words: object) -> str:
        done = subprocess.run(["bcftools", *map(str, words)], capture_output=True, text=True, check=True, timeout=60)
        assert done.stderr == ""
        return done.stdout

    path = tmp_path / "x.vcf.gz"
    shutil.copy(folder / "vcf.vcf.gz", path)
    bcftools("index", path)
    segments = table(folder / "vcf.bed")
    query = ["query", "-i", 'FORMAT/SEG~"nea_0001"', "-f", "%POS\n", path]
    found = [int(line) for line in bcftools(*query).split()]
    first = next(s for s in segments if s["name"] == "nea_0001")
    assert found == [pos for pos, _, _ in records() if int(first["start"]) < pos <= int(first["end"])]
    bcftools("view", "-Ob", "-o", tmp_path / "x.bcf", path)  # every field is declared, and of its type
    assert bcftools("view", "-H", tmp_path / "x.bcf") == bcftools("view", "-H", path)


def test_records_with_other_fields_and_dropped_values(tmp_path: Path) -> None:
    from genolstm.introgression.annotate import annotate
    from genolstm.introgression.segments import Segment

    head = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tA\tB\n"
    vcf = tmp_path / "x.vcf"
    rows = [
        f"{chrom}\t{pos}\t.\tA\tC\t.\t.\tDP=3\tGT:DP:GQ\t0|1\t1|1:5:9\n" for chrom in "12" for pos in (10, 11, 20, 21)
    ]
    vcf.write_text(head + "".join(rows))
    segments = [
        Segment("1", 10, 20, "A", "2", 0.9, 1, 1, "nea", (0.9, 0.0)),
        Segment("1", 10, 30, "B", "1", 0.9, 1, 1, "unknown", (0.0, 0.9)),
        Segment("2", 0, 10, "A", "1", 0.9, 1, 1, "nea", (0.9, 0.0)),
    ]
    stream = io.StringIO()
    assert annotate(vcf, stream, segments, ("nea", "unknown"), stamp="genolstm=1") == 4
    lines = stream.getvalue().splitlines()
    assert [line.split("=<ID=")[-1].split(",")[0] for line in lines[1:4]] == ["ARCHAIC_OF", "SEG", "##genolstm=1"]
    plain = "DP=3\tGT:DP:GQ\t0|1\t1|1:5:9"
    both = "DP=3;ARCHAIC_OF=nea,unknown\tGT:DP:GQ:SEG\t0|1:.:.:.|nea_0001\t1|1:5:9:unk_0001|."
    one = "DP=3;ARCHAIC_OF=unknown\tGT:DP:GQ:SEG\t0|1:.:.:.\t1|1:5:9:unk_0001|."
    other = "DP=3;ARCHAIC_OF=nea\tGT:DP:GQ:SEG\t0|1:.:.:nea_0002|.\t1|1:5:9:."
    assert [line.split("\t", 7)[7] for line in lines[5:]] == [plain, both, both, one, other, plain, plain, plain]
    vcf.write_text(stream.getvalue())
    with pytest.raises(InputError, match=r"x\.vcf:2: was annotated before; remove it: bcftools annotate -x"):
        annotate(vcf, io.StringIO(), segments, ("nea", "unknown"))


def test_ids_of_parts_are_those_of_the_whole_once_gathered(folder: Path, tmp_path: Path) -> None:
    """Scans of CEU2, and of the others, named their segments from 1 on."""
    for name in ("vcf.bed", "vcf.tsv.gz"):
        text = text_of(folder / name)
        stamp, header, *lines = text.splitlines()
        column = 6 if name.endswith("bed") else 7
        at = 3 if name.endswith("bed") else 4
        for part, keep in (("a", True), ("b", False)):
            own = [line.split("\t") for line in lines if (line.split("\t")[column] == "CEU2") == keep]
            order: dict[str, str] = {}
            counts: dict[str, int] = {}
            for old in sorted({fields[at] for fields in own}):
                prefix = old.partition("_")[0]
                counts[prefix] = counts.get(prefix, 0) + 1
                order[old] = f"{prefix}_{counts[prefix]:04}"
            rows = ["\t".join([*fields[:at], order[fields[at]], *fields[at + 1 :]]) for fields in own]
            (tmp_path / f"{part}{name.removesuffix('.gz')}").write_text("\n".join([stamp, header, *rows, ""]))
            assert {f.split("\t")[at] for f in rows} & {"nea_0001"}
        plain = name.removesuffix(".gz")
        # The order of the parts does not matter.
        gather([tmp_path / f"b{plain}", tmp_path / f"a{plain}"], tmp_path / plain)
        assert (tmp_path / plain).read_text() == text
    assert explain(tmp_path / "vcf.bed", tmp_path / "vcf.tsv", "nea_0003")


def test_an_explanation(folder: Path, tmp_path: Path) -> None:
    segments, lines = table(folder / "vcf.bed"), table(folder / "vcf.tsv.gz")
    said = explain(folder / "vcf.bed", folder / "vcf.tsv.gz", "nea_0002", sites=0)
    number = [s["name"] for s in segments].index("nea_0002") + 1
    assert explain(folder / "vcf.bed", folder / "vcf.tsv.gz", str(number), sites=0) == said
    segment = segments[number - 1]
    text = "\n".join(said)
    for word in (
        f"nea_0002: chr21:{int(segment['start']) + 1:,}-{int(segment['end']):,}",
        f"on haplotype {segment['haplotype']} of {segment['sample']}",
        f"has {segment['n_sites']} alleles here",
        f"carries {segment['n_match']} of them (supports)",
        f"{float(segment['posterior_neanderthal']):.3f} neanderthal",
    ):
        assert word in text
    own = [line for line in lines if line["segment"] == "nea_0002"]
    shown = [line for line in said if line.endswith(tuple("0123456789")) and ("supports" in line or "contrad" in line)]
    assert len(shown) == len(own)
    for line, words in zip(own, shown, strict=True):
        cells = words.split()
        assert cells[0].replace(",", "") == line["pos"]
        assert cells[-2] == line["evidence"]
        assert float(cells[-1]) == pytest.approx(float(line["weight"]), abs=6e-4)
    short = explain(folder / "vcf.bed", folder / "vcf.tsv.gz", "nea_0002", sites=5)
    assert short[-1].startswith(f"5 of {len(own)} sites")
    assert len(short) == len(said) - len(own) + 6
    unknown = explain(folder / "vcf.bed", folder / "vcf.tsv.gz", "unk_0001")
    assert "resembles none of the archaics" in "\n".join(unknown)
    with pytest.raises(SettingError, match=f"no segment nea_9999 in .*, which has {len(segments)}"):
        explain(folder / "vcf.bed", folder / "vcf.tsv.gz", "nea_9999")
    # Evidence of another scan is not taken for this one's.
    with pytest.raises(InputError, match="does not have the"):
        explain(folder / "fasta.bed", folder / "vcf.tsv.gz", "nea_0001")


def test_the_command_explains(folder: Path, cli) -> None:
    files = [folder / "fasta.bed", "--evidence", folder / "fasta.tsv"]
    found = cli("introgression", "explain", *files, "--segment", 1, "--sites", 3)
    assert (found.code, found.err) == (0, "")
    assert found.out.splitlines() == explain(folder / "fasta.bed", folder / "fasta.tsv", "1", sites=3)
    wrong = cli("introgression", "explain", *files, "--segment", 0)
    assert (wrong.code, wrong.err.count("\n")) == (1, 1)
    assert wrong.err.startswith("there is no segment 0 in ")
    assert cli("introgression", "explain", *files).code == 2
    scan_line = ["introgression", "scan", "x.fa", "--archaic", "a", "--outgroup", "b", "-o", "x", "--weights"]
    assert "--weights needs --evidence" in cli(*scan_line).err


@pytest.mark.parametrize(
    ("column", "text", "reason"),
    [
        ("pos", "0", "'0' is not a position"),
        ("pos", "5", "the site 5 is not in its segment"),
        ("segment_end", "x", "'x' is not a position"),
        ("outgroup_frequency", "2", "'2' is not a frequency"),
        ("shared", "-1", "'-1' is not a number of haplotypes"),
        ("evidence", "speaks", "'speaks' is neither supports nor contradicts"),
        ("weight", "nan", "'nan' is not a weight"),
        ("segment", "", "the segment is empty"),
    ],
)
def test_evidence_is_read_strictly(folder: Path, tmp_path: Path, column: str, text: str, reason: str) -> None:
    stamp, header, first, *_ = text_of(folder / "vcf.tsv.gz").splitlines()
    fields = first.split("\t")
    fields[header.removeprefix("#").split("\t").index(column)] = text
    path = tmp_path / "e.tsv"
    path.write_text(f"{stamp}\n{header}\n{first}\n" + "\t".join(fields) + "\n")
    for read in (read_evidence, lambda path: gather([path], tmp_path / "out.tsv")):
        with pytest.raises(InputError, match=rf"e\.tsv:4: {reason}"):
            read(path)
    path.write_text("#chrom\tpos\n")
    with pytest.raises(InputError, match="has not the header of evidence"):
        read_evidence(path)


def test_what_cannot_be_told_is_refused_before_the_scan(tmp_path: Path) -> None:
    output = tmp_path / "x.bed"
    pipe = vcf_door("-")
    bcf = tmp_path / "x.bcf"
    bcf.write_bytes(b"BCF\2\2\0\0\0\0")
    cases = [
        ({"weights": True}, vcf_door(), ScanSettings(), "weights are a column of the evidence"),
        ({"weights": True, "evidence": tmp_path / "e"}, pipe, ScanSettings(), "a pipe can be read once"),
        ({"weights": True, "evidence": tmp_path / "e"}, vcf_door(), ScanSettings("hmm"), "only the network weighs"),
        ({"annotate": tmp_path / "a.vcf"}, pipe, ScanSettings(), "reads the VCF a second time"),
        ({"annotate": tmp_path / "a.bcf"}, vcf_door(), ScanSettings(), "an annotated VCF is called"),
        ({"annotate": tmp_path / "a.vcf"}, fasta_door(), ScanSettings(), "only records of a VCF"),
        ({"annotate": tmp_path / "a.vcf"}, vcf_door([REGION, REGION]), ScanSettings(), "one VCF can be annotated"),
        ({"annotate": tmp_path / "a.vcf"}, vcf_door(bcf), ScanSettings(), "a BCF cannot be annotated"),
    ]
    for asked, door, settings, reason in cases:
        with pytest.raises(SettingError, match=reason):
            scan(door, output=output, settings=settings, threads=1, **asked)
    assert [path.name for path in tmp_path.iterdir()] == ["x.bcf"]


def test_ids_begin_as_their_sources_do(folder: Path) -> None:
    sources = ("neanderthal", "Nea.2", "x", "X", "unknowable", "mixed", "unknown")
    assert prefixes(sources) == {
        "neanderthal": "nea",
        "Nea.2": "nea2",
        "x": "x",
        "X": "xx2",
        "unknowable": "unkn",
        "mixed": "mixe",
        "unknown": "unk",
    }
    of = ["x", "unknown", "x|unknown", "x", "neanderthal|x"]
    assert segment_ids(of, sources) == ["x_0001", "unk_0001", "mix_0001", "x_0002", "mix_0002"]
    assert counted_ids(of, sources)["mix"] == {"source": "|", "segments": 2}
    many = segment_ids(itertools.repeat("x", 10_001), sources)
    assert (len(set(many)), many[-1]) == (10_001, "x_10001")
    # The manifest tells what they stand for.
    account = json.loads((folder / "vcf.json").read_text())
    segments = table(folder / "vcf.bed")
    assert account["ids"]["nea"]["source"] == "neanderthal"
    for prefix, told in account["ids"].items():
        assert told["segments"] == sum(s["name"].startswith(prefix) for s in segments)
