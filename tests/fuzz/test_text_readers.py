"""Sequences, intervals, tables, lists of pairs and text: mutated files are read rightly or refused in one line."""

from __future__ import annotations

import bz2
import gzip
import lzma
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support.fuzz import corpus, counts, fuzz
from xopen import xopen

from genolstm.alignment.formats.pairs import aligned_pairs, read_pairs
from genolstm.comparison.data import read_labelled
from genolstm.errors import InputError
from genolstm.introgression.evaluate import evaluate
from genolstm.introgression.formats import (
    read_bed,
    read_header,
    read_intervals,
    read_numbered_intervals,
    read_posteriors,
)
from genolstm.introgression.peers import Level, Reading, read_calls, read_lengths
from genolstm.introgression.settings import CALL_FORMATS
from genolstm.numbers import LAST_POSITION
from genolstm.runs.gather import run as gather
from genolstm.runs.summary import run as summarise
from genolstm.sequences.fasta import read_blocks, read_codes, read_records
from genolstm.sequences.masks import encode_masks
from genolstm.text.corpus import encode, read_corpus, read_text

FASTA = b">r1 first\nACGTACGTNNacgtu\nACGT\n>S#1#chr1\r\nGG\r\n>x\nRYSWKMBDHV-.\n"
FASTQ = b"@r1 a\nACGT\n+\nIIII\n@r2\nGGNA\n+r2\n#!~@\n"
HEADER = (
    b"#chrom\tstart\tend\tname\tscore\tstrand\tsample\thaplotype\tposterior\tn_sites\tn_match"
    b"\tsource\tposterior_archaic\tposterior_unknown\n"
)
SEGMENTS = (
    b"##genolstm=0.3;model=x;sha256=0123\n"
    + HEADER
    + b"chr1\t0\t1000\tarchaic\t990\t.\tS\t1\t0.9900\t4\t3\tarchaic\t0.98\t0.01\n"
    b"chr1\t500\t7000000\tarchaic\t510\t.\tS\t2\t0.5100\t9\t8\tarchaic|unknown\t0.3\t0.21\n"
    b"chr2\t5\t9\tarchaic\t1000\t.\tT\t1\t1.0000\t1\t1\tarchaic\t1\t0\n"
)
# As earlier versions wrote it.
ONE_LINE = SEGMENTS.replace(b"\n#chrom", b" #chrom")
BED = b'browser position chr1:1-9\ntrack name="x"\n# note\nchr1\t0\t50\nchr1\t40\t90\tn\t7\ntrack\t1\t2\n\nchrX\t7\t8\n'
TRUTH = b"chr1\t0\t600\tn\t1000\t.\tS\t1\nchr1\t300\t3000000\tn\t0\t.\tS\t2\nchr2\t1\t9\tn\t0\t.\tT\t1\n"
POSTERIORS = (
    b"#chrom\tstart\tend\tsample\thaplotype\tposterior\nchr1\t0\t1000\tS\t1\t0.9\nchr1\t0\t1000\tS\t2\t0.1000\n"
    b"chr1\t1000\t2000\tS\t1\t1e-3\nchr1\t1000\t2000\tS\t2\t1\nchr2\t0\t998\tT\t1\t0\n"
)
PAF = (
    b"q1\t10\t0\t10\t+\tr1\t12\t1\t12\t9\t11\t60\ttp:A:P\tcg:Z:4=1X1D5M\n"
    b"q2\t10\t2\t8\t-\tr1\t12\t0\t6\t6\t6\t0\tcg:Z:6M\n"
)
PAIRS = b"#by hand\nquery\treference\tscore\nq1\tr1\t0.5\nq2 r1\n"
MANIFEST = (
    b'{"callable_bp": {"S": {"1": 900000, "2": 800000}, "T": {"1": 5}}, "counts": {"segments": 3, "x": 0.5}, "model": '
    b'{"sources": ["archaic", "den"], "name": "m"}, "warnings": ["warning: \\u00e9"], "seeds": null, "y": [1, true]}'
)
LABELS = b"name\tlabel\tgroup\na\tpos\tg1\nb\tneg\tg2\nc\t1.5\tg1\n"
LABELLED = b">a label=1 group=g1\nACGT\n>b label=-2.5e1 group=g2\nGGT\n>c label=1 group=g1\nAC\n"
TEXT = "Ring a ring o' roses,\n\té ñ 漢 😀\r\n".encode()
WORDS = [
    b"track",
    b"browser",
    b"#chrom",
    b">",
    b"@",
    b"+",
    b"999999999999M",
    b"cg:Z:",
    b"label=",
    b"701e40000",
    b'"',
    b"NA",
]

PACKED: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gz": lambda data: gzip.compress(data, mtime=0),
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": lambda data: data,
}


def zstd(data: bytes, folder: Path) -> bytes:
    path = folder / "packed.zst"
    with xopen(path, "wb") as stream:
        stream.write(data)
    return path.read_bytes()


# ------------------------------------------------------------------ sequences


def read_sequences(path: Path) -> None:
    lengths = {}
    for record in read_records(path, unique=False, empty="keep"):
        assert record.name.isprintable() or record.name.isalnum() or not record.name.isascii()
        assert not any(letter.isspace() or letter < " " for letter in record.name)
        lengths[record.line] = len(record)
        assert record.sequence.translate(None, b" \t\r\n\v\f") == record.sequence
    pieces: dict[int, int] = {}
    for block in read_blocks(path, unique=False, empty="keep"):
        pieces[block.line] = pieces.get(block.line, 0) + len(block.sequence)
    assert pieces == lengths
    for record, codes in read_codes(path, unique=False, empty="keep"):
        assert len(codes) == lengths[record.line]
        assert codes.max(initial=0) <= 4


@counts(20_000)
@pytest.mark.parametrize("form", ["fasta", "fastq"])
def test_sequences(form: str, count: int, tmp_path: Path) -> None:
    seeds = [FASTA, FASTQ] if form == "fasta" else [FASTQ, FASTA]
    fuzz(read_sequences, [*seeds, *corpus(form)], count, tmp_path / "reads", words=WORDS)


@counts(20_000, 60)
@pytest.mark.parametrize("packing", ["gz", "bz2", "xz", "zst"])
def test_packed_sequences(packing: str, count: int, tmp_path: Path) -> None:
    pack = PACKED[packing] if packing != "zst" else lambda data: zstd(data, tmp_path)
    seeds = [pack(FASTA * 40), pack(FASTQ), *corpus(f"packed_{packing}")]
    fuzz(read_sequences, seeds, count, tmp_path / "packed", words=WORDS)
    # Sound packing around what is wrong.
    fuzz(read_sequences, [FASTA, FASTQ], count // 4, tmp_path / "sealed", words=WORDS, seal=pack)


# ------------------------------------------------------------------ intervals


def check_intervals(path: Path) -> None:
    found = read_intervals(path)
    for interval, posterior in found:
        assert 0 <= interval.start < interval.end <= LAST_POSITION
        assert 0 <= posterior <= 1
        for name in (interval.chrom, interval.sample, interval.haplotype):
            assert name == name.strip() != ""
            assert not any(letter < " " for letter in name)
    truth = [interval for interval, _ in found][::2]
    if truth:
        result = evaluate(found, truth)
        values = [result.precision, result.recall, result.f1, result.ap, result.best_f1, result.recall_at_95_precision]
        values += [result.best_threshold, *result.ap_interval, *result.best_f1_interval]
        values += [entry["recall"] for entry in result.recall_by_length.values()]
        assert all(0 <= value <= 1 + 1e-9 for value in values)
        assert result.boundary_error is None or 0 <= result.boundary_error <= LAST_POSITION


@counts(20_000)
def test_segments_and_truth(count: int, tmp_path: Path) -> None:
    fuzz(check_intervals, [SEGMENTS, ONE_LINE, TRUTH, *corpus("intervals")], count, tmp_path / "x.bed", words=WORDS)


CALLS = {
    "genolstm": SEGMENTS,
    "hmmix": b"chrom\tstart\tend\tlength\tstate\tmean_prob\tsnps\n1\t0\t9000\t9000\tHuman\t0.98\t1\n"
    b"1\t9000\t11000\t3000\tArchaic\t0.8\t4\n",
    "ibdmix": b"ID\tchrom\tstart\tend\tslod\tsites\nS\t1\t101\t201\t4.5\t7\nT\t1\t1001\t1501\t1e1\t8\n",
    "sprime": b"CHROM\tPOS\tID\tREF\tALT\tSEGMENT\tALLELE\tSCORE\n1\t150\t.\tA\tG\t0\t1\t17\n"
    b"1\t101\tr\tC\tT\t0\t1\t17\n",
    "sstar": b"1\t0\t50000\tS\n1\t10000\t60000\tT\t0.28\n",
    "admixfrog": b"chrom,start,end,score,target,type,map,pos,id,map_end,pos_end,id_end\n"
    b"9,1187,1193,0.2,ARC,state,118.0,1189,1187,119.5,1195.0,1193\n9,1,2,0.2,ARCAFR,het,1,1,1,2,2,2\n",
    "bed": BED + b"#chrom\tstart\tend\tsample\thaplotype\n",
}


@counts(20_000)
@pytest.mark.parametrize("form", CALL_FORMATS)
def test_calls_of_other_programs(form: str, count: int, tmp_path: Path) -> None:
    file = tmp_path / "x"
    how = Reading(states=("Archaic", "ARC"), samples={str(file): "S"}, known=("S", "T"))

    def parse(path: Path) -> None:
        for told in (form, None):
            calls = read_calls(path, told, how=how)
            for interval in calls.intervals:
                assert 0 <= interval.start < interval.end <= LAST_POSITION
                assert interval.chrom == interval.chrom.strip() != ""
                assert bool(interval.sample) == (calls.level >= Level.SAMPLE)
                assert bool(interval.haplotype) == (calls.level == Level.HAPLOTYPE)
            assert {interval.chrom for interval in calls.intervals} <= calls.chroms
            assert {interval.sample for interval in calls.intervals} - {""} <= calls.samples

    published = b"name\thaplotype\tchrom\tstart\tend\tmean_prob\tND_type\nS\thap1\t1\t9000\t9900\t0.9\tArchaic\n"
    seeds = [CALLS[form], *([published] if form == "hmmix" else []), *corpus("calls")]
    fuzz(parse, seeds, count, file, words=WORDS)


@counts(20_000)
def test_lengths(count: int, tmp_path: Path) -> None:
    def parse(path: Path) -> None:
        assert all(0 < length <= LAST_POSITION for length in read_lengths(path).values())

    fuzz(parse, [b"chr1\t100\t3\t60\t61\n#\n2\t50\n"], count, tmp_path / "x.fai", words=WORDS)


@counts(20_000)
def test_masks(count: int, tmp_path: Path) -> None:
    def parse(path: Path) -> None:
        mask = read_bed(path)
        assert mask
        for chrom, spans in mask.items():
            assert chrom == chrom.strip() != ""
            edges = [edge for span in spans for edge in span]
            assert edges == sorted(set(edges))
            assert 0 <= edges[0] < edges[-1] <= LAST_POSITION
            assert min(mask.first_lines[chrom], mask.last_lines[chrom]) >= 1

    fuzz(parse, [BED, TRUTH, *corpus("masks")], count, tmp_path / "x.bed", words=WORDS)


@counts(20_000)
def test_posteriors(count: int, tmp_path: Path) -> None:
    (tmp_path / "truth.bed").write_bytes(TRUTH)
    truth = [interval for interval, _ in read_intervals(tmp_path / "truth.bed")][:1]

    def parse(path: Path) -> None:
        table = read_posteriors(path)
        assert len(table)
        assert (table["start"] >= 0).all()
        assert (table["start"] < table["end"]).all()
        assert (table["end"] <= LAST_POSITION).all()
        assert table["posterior"].between(0, 1).all()
        for _, group in table.groupby(["chrom", "sample", "haplotype"], observed=True):
            group = group.sort_values("start")
            assert (group["start"].to_numpy()[1:] >= group["end"].to_numpy()[:-1]).all()
        try:
            result = evaluate([], truth, posteriors=table)
        except InputError:
            return
        assert all(0 <= value <= 1 + 1e-9 for value in (result.ap, result.best_f1, result.calibration_error or 0))

    fuzz(parse, [POSTERIORS, *corpus("posteriors")], count, tmp_path / "x.tsv", words=WORDS)


@counts(20_000)
def test_parts_of_a_scan(count: int, tmp_path: Path) -> None:
    (tmp_path / "first.bed").write_bytes(SEGMENTS.replace(b"\nchr", b"\nc"))

    def parse(path: Path) -> None:
        written = gather([path], tmp_path / "all", force=True)
        lines = (tmp_path / "all").read_bytes().decode().split("\n")
        header, columns = read_header(enumerate(lines, start=1))
        assert len(lines) == written + len(header) + 1
        assert columns is not None
        if "n_match" in columns:
            assert len(read_numbered_intervals(tmp_path / "all")) == written
        gather([tmp_path / "first.bed", path], tmp_path / "all", force=True)

    fuzz(parse, [SEGMENTS, ONE_LINE, POSTERIORS, *corpus("parts")], count, tmp_path / "part", words=WORDS)


@counts(20_000)
def test_summaries_and_manifests(count: int, tmp_path: Path) -> None:
    (tmp_path / "whole.bed").write_bytes(SEGMENTS)
    (tmp_path / "whole.json").write_bytes(MANIFEST)

    def parse(path: Path) -> None:
        is_manifest = path.suffix == ".json"
        segments, manifest = (tmp_path / "whole.bed", path) if is_manifest else (path, tmp_path / "whole.json")
        summarise(segments, manifest=[manifest], output=tmp_path / "out.tsv", force=True)
        rows = [line.split("\t") for line in (tmp_path / "out.tsv").read_text().splitlines()]
        assert {len(row) for row in rows} == {13}
        assert all(float(row[7]) >= 0 and (row[9] == "NA" or float(row[9]) >= 0) for row in rows[1:])

    fuzz(parse, [MANIFEST, *corpus("manifests")], count // 2, tmp_path / "x.json", words=WORDS)
    fuzz(parse, [SEGMENTS, *corpus("intervals")], count // 2, tmp_path / "x.bed", words=WORDS)


# ------------------------------------------------------------------ pairs, labels, text


@counts(20_000)
def test_pairs(count: int, tmp_path: Path) -> None:
    query, reference = encode_masks("ACGTTCGTAC"), encode_masks("AACGTACCGTAC")

    def parse(path: Path) -> None:
        for pair in read_pairs(path):
            assert pair.line >= 1
            if pair.lengths is None:
                continue
            assert max(pair.lengths) <= LAST_POSITION
            for (start, end), length in zip((pair.query_span, pair.reference_span), pair.lengths, strict=True):
                assert 0 <= start <= end <= length
            if pair.cigar is None:
                continue
            residues = aligned_pairs(pair, query, reference, path=path)
            assert (np.diff(residues, axis=0) > 0).all()
            assert len(residues) <= 10

    fuzz(parse, [PAF, PAIRS, *corpus("pairs")], count, tmp_path / "x.paf", words=WORDS)


@counts(20_000)
@pytest.mark.parametrize("regression", [False, True])
def test_labels(regression: bool, count: int, tmp_path: Path) -> None:
    fasta = tmp_path / "x.fa"
    fasta.write_bytes(b">a\nACGT\n>b\nGG\n>c\nTT\n")

    def parse(path: Path) -> None:
        data = read_labelled(fasta, labels=path) if not regression else read_labelled(path, regression=True)
        assert len(data) == len(data.names) == len(data.groups) == len(data.targets) >= 2
        assert np.isfinite(data.targets).all()

    fuzz(parse, [LABELLED if regression else LABELS, *corpus("labels")], count, tmp_path / "x.tsv", words=WORDS)


@counts(20_000)
def test_text(count: int, tmp_path: Path) -> None:
    def parse(path: Path) -> None:
        text = read_text(path)
        assert text.encode() in path.read_bytes()
        found = read_corpus([path], "text")
        assert found.text() == text
        assert math.isclose(found.n_symbols, len(text))
        encode(text, "Ring a o'", skip_unknown=True)

    fuzz(parse, [TEXT, *corpus("text")], count, tmp_path / "x.txt", words=WORDS)
