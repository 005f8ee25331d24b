"""The scorer's results in every format, read back by other programs."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import time
from dataclasses import replace

import numpy as np
import pytest
from Bio import Align, SearchIO, SeqIO
from Bio.Seq import Seq
from Bio.SeqRecord import SeqRecord

from genolstm.alignment.formats.pairs import aligned_pairs, read_pairs
from genolstm.alignment.formats.pairwise import FORMATS
from genolstm.alignment.pairhmm.damage import DamageProfile
from genolstm.alignment.pairhmm.pairhmm import Context
from genolstm.alignment.pairhmm.parameters import ParameterFamily
from genolstm.alignment.result import PosteriorAlignment, lay_out, rank_references
from genolstm.alignment.scorer import AlignmentScorer
from genolstm.alignment.simulate.pairs import PRESETS, simulate_pairs
from genolstm.errors import InputError, SettingError
from genolstm.sequences.alphabet import reverse_complement_text
from genolstm.sequences.masks import complement_masks, encode_masks

RNG = np.random.default_rng(12)
GENOME = "".join(RNG.choice(list("ACGT"), 900))
READ = GENOME[300:340] + GENOME[343:380] + "GATTACA" + GENOME[380:420]
# The insertion could lie one base to the right as well: it goes to the left.
CIGAR = "40=3D36=7I41="
SCORER = AlignmentScorer()


def named(text: str, name: str) -> SeqRecord:
    return SeqRecord(Seq(text), id=name)


def examples(mode: str = "semiglobal") -> list[PosteriorAlignment]:
    reference = named(GENOME, "chr1")
    reads = [READ, reverse_complement_text(READ).lower(), "ACGUN" + READ[5:60]]
    return [SCORER.align(named(text, f"read{k}"), reference, mode=mode) for k, text in enumerate(reads)]


def written(form: str, alignments: list[PosteriorAlignment]) -> str:
    stream = io.StringIO()
    writer = FORMATS[form](stream, [("chr1", len(GENOME))], "genolstm align score a b")
    for alignment in alignments:
        writer.write(alignment)
    writer.end()
    return stream.getvalue()


# ---------------------------------------------------------------- the scorer


def test_the_alignment_is_biopythons_and_knows_its_posteriors() -> None:
    got = SCORER.align(READ, GENOME, mode="semiglobal")
    assert isinstance(got, Align.Alignment)
    assert got.cigar == CIGAR
    assert got.reference_span == (300, 420)
    assert got.query_span == (0, len(READ))
    assert got.target == GENOME
    assert got.query == READ
    assert got.posteriors.shape == (got.length,) == (40 + 3 + 36 + 7 + 41,)
    assert (got.posteriors > 0.5).all()
    assert got.coordinates[:, [0, -1]].tolist() == [[300, 420], [0, len(READ)]]
    # Biopython's own counts agree with ours.
    assert got.counts().identities == 117
    assert got.mapq >= 40
    aligned = got.rows()
    assert aligned[0].replace("-", "") == GENOME[300:420]
    assert aligned[1].replace("-", "") == READ
    assert len(got.confidence()) == len(got.ops)


def test_both_strands_are_one_alignment() -> None:
    plus = SCORER.align(READ, GENOME, mode="semiglobal")
    minus = SCORER.align(reverse_complement_text(READ), GENOME, mode="semiglobal")
    assert (plus.strand, minus.strand) == ("+", "-")
    assert minus.cigar == plus.cigar
    assert minus.bits == pytest.approx(plus.bits, abs=1e-3)
    assert minus.coordinates[1, 0] == len(READ)
    assert minus.coordinates[1, -1] == 0
    np.testing.assert_allclose(minus.posteriors, plus.posteriors, atol=1e-4)
    only = SCORER.align(reverse_complement_text(READ), GENOME, mode="semiglobal", strand="plus")
    assert only.strand == "+"
    assert only.bits < 10


def test_modes_span_what_they_say() -> None:
    flanked = "TTGACCATTG" * 4 + READ + "CCGATAGGAT" * 4
    glob = SCORER.align(READ, GENOME)
    assert glob.reference_span == (0, 900)
    assert glob.query_span == (0, len(READ))
    local = SCORER.align(flanked, GENOME, mode="local")
    assert local.query_span[0] == pytest.approx(40, abs=4)
    assert local.query_span[1] == pytest.approx(40 + len(READ), abs=4)
    assert local.reference_span[0] == pytest.approx(300, abs=4)


def test_a_repeated_place_is_no_sure_place() -> None:
    twice = GENOME[:420] + GENOME[250:450] + GENOME[420:]
    got = SCORER.align(READ, twice, mode="semiglobal")
    assert got.mapq <= 3
    assert got.cigar == CIGAR
    assert got.posteriors[:30].max() < 0.6


@pytest.mark.parametrize(
    ("query", "reference", "mode"),
    [
        ("N" * 30, "ACGT" * 9, "global"),
        ("N" * 30, "ACGT" * 9, "local"),
        ("ACGT", "N" * 12, "semiglobal"),
        ("A", GENOME, "semiglobal"),
        ("A", "C", "global"),
        ("A", "C", "local"),
        (GENOME, GENOME, "global"),
        (GENOME, "ACGTA", "semiglobal"),
        ("acgtRYKMSWBDHVNu", "ACGTRYKMSWBDHVNT", "global"),
    ],
)
def test_odd_pairs_work(query: str, reference: str, mode: str) -> None:
    got = SCORER.align(query, reference, mode=mode)
    assert np.isfinite(got.bits)
    assert np.isfinite(got.posteriors).all()
    assert 0 <= got.mapq <= 60
    q0, q1 = got.query_span
    text = query[q0:q1]
    assert got.rows()[1].replace("-", "") == (reverse_complement_text(text) if got.strand == "-" else text)
    if query == reference:
        assert got.cigar == "900="
        assert got.mapq == 60
    for form in FORMATS:
        assert written(form, [got])


def test_a_base_in_a_megabase_and_a_read_in_it() -> None:
    rng = np.random.default_rng(1)
    long = rng.choice(np.frombuffer(b"ACGT", dtype=np.uint8), 1_000_000).tobytes().decode()
    got = SCORER.align("A", long, mode="semiglobal", strand="plus")
    assert got.mapq == 0
    assert got.cigar == "1="
    read = long[700_000:700_150]
    got = SCORER.align(reverse_complement_text(read), long, mode="semiglobal")
    assert (got.strand, got.reference_span, got.cigar) == ("-", (700_000, 700_150), "150=")


def test_scores_of_many_pairs_equal_those_of_one() -> None:
    simulated = list(simulate_pairs(replace(PRESETS["homogeneous"], length=(60, 90)), 7, seed=2))
    pairs = [p.texts for p in simulated]
    alone = [SCORER.align(*pair) for pair in pairs]
    for threads in (1, 3):
        many = list(SCORER.align_many(pairs, threads=threads))
        assert [a.cigar for a in many] == [a.cigar for a in alone]
        assert [a.bits for a in many] == [a.bits for a in alone]
        scores = SCORER.score_many(pairs, threads=threads)
        np.testing.assert_allclose(scores, [a.bits for a in alone])
    assert SCORER.score(*pairs[0]) == pytest.approx(alone[0].bits)
    assert list(SCORER.align_many([])) == []


def test_unrelated_sequences_score_below_nothing() -> None:
    rng = np.random.default_rng(3)
    texts = ["".join(rng.choice(list("ACGT"), 120)) for _ in range(40)]
    for mode in ("global", "semiglobal", "local"):
        bits = SCORER.score_many(list(zip(texts[::2], texts[1::2], strict=True)), mode=mode)
        # A ratio of likelihoods: at most 1 in 2**b of unrelated pairs scores b bits.
        assert bits.max() < 8
        assert np.mean(bits) < 0


def test_fixed_parameters_and_damage() -> None:
    fixed = AlignmentScorer(ParameterFamily().member(0.05, 0.05))
    assert fixed.align(READ, GENOME, mode="semiglobal").cigar == CIGAR

    site = GENOME[100:160]
    first = site.index("C")
    damaged = GENOME[100 + first : 150 + first]
    damaged = "T" + damaged[1:]
    ancient, plain = AlignmentScorer.load("adna"), SCORER
    there = ancient.align(damaged, GENOME, mode="semiglobal", strand="plus")
    assert there.reference_span == (100 + first, 150 + first)
    gain = there.bits - plain.align(damaged, GENOME, mode="semiglobal", strand="plus").bits
    assert gain > 0.5
    # The same change in the middle is no damage: it costs more than at the end.
    middle = next(k for k in range(20, 30) if damaged[k] == "C")
    inside = site[first] + damaged[1:middle] + "T" + damaged[middle + 1 :]
    inner = ancient.align(inside, GENOME, mode="semiglobal", strand="plus")
    assert there.bits > inner.bits + 2
    # The other strand of the read: damage is that of the read, not of the strand.
    other = ancient.align(reverse_complement_text(damaged), GENOME, mode="semiglobal")
    assert other.strand == "-"


def test_damage_profile_mirrors_with_the_strand() -> None:
    parameters = ParameterFamily().member(0.01, 0.03)
    for library in ("double", "single"):
        profile = DamageProfile(five_prime=0.4, three_prime=0.2, library=library)
        (forward, classes), (back, classes_back) = (
            ([parameters.odds(first=matrix) for matrix in matrices], places)
            for matrices, places in (profile.reading(40, reverse=reverse) for reverse in (False, True))
        )
        masks = np.array([1, 2, 4, 8])
        flipped = complement_masks(masks.astype(np.uint8))[::-1]
        for i in (0, 5, 20, 39):
            a = forward[classes[i]][np.ix_(masks, masks)]
            b = back[classes_back[39 - i]][np.ix_(flipped, flipped)]
            np.testing.assert_allclose(a, b, rtol=1e-9)
        rates = profile.rates(40)
        assert rates[0, 0] > rates[20, 0]
        if library == "double":
            assert rates[-1, 1] > rates[20, 1]


class Fake:
    """A contextual model whose vectors know the truth, or mislead."""

    name = "fake"
    margin = 0.0

    def __init__(self, gain: float) -> None:
        self.gain = gain

    def encode(self, masks):
        one_hot = np.eye(16, dtype=np.float32)[masks]
        return Context(one_hot, np.full(len(masks), self.gain, dtype=np.float32))

    def pair(self, query, reference, parameters):
        sign = Context(reference.vectors * np.sign(self.gain), np.abs(reference.gate))
        return Context(query.vectors, np.abs(query.gate)), sign, parameters


def test_context_is_used_where_it_makes_the_pair_likelier() -> None:
    a, b = next(simulate_pairs(PRESETS["homogeneous"], 1, seed=1, divergences=[0.3])).texts
    plain = SCORER.align(a, b)
    helped = AlignmentScorer(contextual=Fake(0.3)).align(a, b)
    misled = AlignmentScorer(contextual=Fake(-2.0)).align(a, b)
    off = AlignmentScorer(contextual=Fake(0.0)).align(a, b)
    assert (helped.model, misled.model) == ("fake", "classical")
    assert helped.context_bits > 0 > misled.context_bits
    for same in (misled, off):
        assert same.cigar == plain.cigar
        assert same.bits == pytest.approx(plain.bits, abs=1e-4)


def test_wrong_input_is_refused() -> None:
    with pytest.raises(InputError, match="no residues"):
        SCORER.align("", "ACGT")
    with pytest.raises(InputError, match="protein"):
        SCORER.align("MKLPQEF", "ACGT")
    with pytest.raises(InputError, match="gap signs"):
        SCORER.align("AC-GT", "ACGT")
    with pytest.raises(SettingError, match="mode"):
        SCORER.align("ACGT", "ACGT", mode="glocal")
    with pytest.raises(SettingError, match="band"):
        SCORER.align("ACGT", "ACGT", band=0)
    with pytest.raises(SettingError, match="GiB"):
        SCORER.align(GENOME, GENOME, memory=1000)
    with pytest.raises(InputError, match="no such model"):
        AlignmentScorer.load("protein")


# ---------------------------------------------------------------- formats


def test_columns_are_laid_out_in_order() -> None:
    pairs = np.array([[1, 0], [2, 3], [5, 4]], dtype=np.int32)
    query, reference = lay_out(pairs, (0, 7), (0, 6))
    assert query.tolist() == [0, 1, -1, -1, 2, 3, 4, 5, 6, -1]
    assert reference.tolist() == [-1, 0, 1, 2, 3, -1, -1, 4, -1, 5]
    empty = np.empty((0, 2), dtype=np.int32)
    assert [x.tolist() for x in lay_out(empty, (0, 1), (0, 2))] == [[0, -1, -1], [-1, 0, 1]]


@pytest.mark.parametrize("mode", ["global", "semiglobal", "local"])
def test_paf_comes_back_as_it_went(mode: str, tmp_path) -> None:
    alignments = examples(mode)
    text = written("paf", alignments)
    path = tmp_path / "a.paf"
    path.write_text(text)
    for a, record in zip(alignments, read_pairs(path), strict=True):
        assert (record.query, record.reference, record.strand) == (a.query_name, "chr1", a.strand)
        assert record.query_span == a.query_span
        assert record.reference_span == a.reference_span
        query = encode_masks(a.query_text)
        query = complement_masks(query) if a.strand == "-" else query
        np.testing.assert_array_equal(aligned_pairs(record, query, encode_masks(GENOME), path=path), a.pairs)
    for line in text.splitlines():
        fields = line.split("\t")
        tags = {f[:2]: f[5:] for f in fields[12:]}
        assert all(re.fullmatch(r"[A-Za-z][A-Za-z0-9]:[AifZ]:.+", f) for f in fields[12:])
        count = dict.fromkeys("=XID", 0)
        for n, op in re.findall(r"(\d+)([=XID])", tags["cg"]):
            count[op] += int(n)
        # Column 10 is equal letters, column 11 all columns of the alignment.
        assert int(fields[9]) == count["="]
        assert int(fields[10]) == sum(count.values())
        assert int(fields[3]) - int(fields[2]) == count["="] + count["X"] + count["I"]
        assert int(fields[8]) - int(fields[7]) == count["="] + count["X"] + count["D"]
        assert int(tags["NM"]) == count["X"] + count["I"] + count["D"]
        assert 0 <= int(fields[11]) <= 60


@pytest.mark.skipif(shutil.which("samtools") is None, reason="needs samtools")
@pytest.mark.parametrize("mode", ["global", "semiglobal", "local"])
def test_samtools_accepts_the_sam(mode: str, tmp_path) -> None:
    alignments = examples(mode)
    path = tmp_path / "a.sam"
    path.write_text(written("sam", alignments))
    (tmp_path / "r.fa").write_text(f">chr1\n{GENOME}\n")

    def samtools(*args: str) -> str:
        done = subprocess.run(["samtools", *args], capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "error" not in done.stderr.lower()
        assert "warn" not in done.stderr.lower()
        return done.stdout

    samtools("view", "-b", "-o", "a.bam", "a.sam")
    samtools("sort", "-o", "s.bam", "a.bam")
    samtools("index", "s.bam")
    samtools("quickcheck", "s.bam")
    assert samtools("view", "-c", "-F", "4", "s.bam").strip() == "3"
    # samtools counts the differences itself: they are the ones we state.
    for line in samtools("calmd", "-e", "s.bam", "r.fa").splitlines():
        if not line.startswith("@"):
            (a,) = (x for x in alignments if x.query_name == line.split("\t")[0])
            if "N" not in a.query_text and "U" not in a.query_text:
                trimmed = a.runs()[0][0] * (a.runs()[0][1] == "D") + a.runs()[-1][0] * (a.runs()[-1][1] == "D")
                nm = int(re.search(r"NM:i:(\d+)", line)[1])
                assert nm == sum(n for n, op in a.runs() if op != "=") - trimmed


@pytest.mark.parametrize("mode", ["global", "semiglobal", "local"])
def test_sam_comes_back_as_it_went(mode: str) -> None:
    alignments = examples(mode)
    stream = io.StringIO(written("sam", alignments))
    for a, b in zip(alignments, Align.parse(stream, "sam"), strict=True):
        assert b.target.id == "chr1"
        ours = [tuple(map(int, p)) for p in a.indices.T if (p >= 0).all()]
        theirs = [tuple(map(int, p)) for p in b.indices.T if (p >= 0).all()]
        assert ours == theirs


def test_maf_stockholm_and_fasta_are_read_by_biopython() -> None:
    alignments = examples()
    stream = io.StringIO(written("maf", alignments))
    for a, b in zip(alignments, Align.parse(stream, "maf"), strict=True):
        assert b.score == pytest.approx(a.bits, abs=1e-3)
        np.testing.assert_array_equal(a.coordinates, b.coordinates)
    stream = io.StringIO(written("stockholm", alignments))
    for a, b in zip(alignments, Align.parse(stream, "stockholm"), strict=True):
        assert b.column_annotations["consensus posterior probability"] == a.confidence()
        assert (b[0], b[1]) == a.rows()
    records = list(SeqIO.parse(io.StringIO(written("fasta", alignments)), "fasta"))
    assert len(records) == 9
    for k, a in enumerate(alignments):
        assert [str(r.seq) for r in records[3 * k : 3 * k + 3]] == [*a.rows(), a.confidence()]


def test_blast_table_json_and_columns() -> None:
    alignments = examples()
    for a, line in zip(alignments, written("outfmt6", alignments).splitlines(), strict=True):
        f = line.split("\t")
        assert len(f) == 12
        assert int(f[7]) - int(f[6]) + 1 == a.query_span[1] - a.query_span[0]
        start, end = int(f[8]), int(f[9])
        assert (start < end) == (a.strand == "+")
        assert sorted((start, end)) == [a.reference_span[0] + 1, a.reference_span[1]]
        assert float(f[10]) == pytest.approx(2**-a.bits, rel=0.01)
    hits = [h for r in SearchIO.parse(io.StringIO(written("outfmt6", alignments)), "blast-tab") for h in r.hsps]
    assert [h.query_id for h in hits] == [a.query_name for a in alignments]
    for a, hit in zip(alignments, hits, strict=True):
        assert (hit.query_start, hit.query_end) == a.query_span
        assert (hit.hit_start, hit.hit_end) == a.reference_span
        assert hit.ident_pct == pytest.approx(100 * a.identity, abs=1e-3)
        assert hit.aln_span == len(a.ops)
        assert (hit.hit_strand == -1) == (a.strand == "-")
    parsed = json.loads(written("json", alignments))["alignments"]
    assert [p["cigar"] for p in parsed] == [a.cigar for a in alignments]
    assert len(parsed[0]["posteriors"]) == len(alignments[0].ops)
    assert json.loads(written("json", [])) == {"alignments": []}
    rows = [line.split("\t") for line in written("tsv", alignments[1:2]).splitlines()]
    assert len(rows) == 1 + len(alignments[1].ops)
    for row in rows[1:]:
        if row[4]:  # minus strand: the position counts on the query as given
            letter = alignments[1].query_text[int(row[4])]
            assert row[6] == reverse_complement_text(letter)
        if row[5]:
            assert row[7] == GENOME[int(row[5])]


def test_names_that_sam_forbids_are_refused() -> None:
    got = SCORER.align(named(READ, "a b"), named(GENOME, "chr1"), mode="semiglobal")
    with pytest.raises(InputError, match="SAM"):
        written("sam", [got])
    with pytest.raises(InputError, match="SAM"):
        FORMATS["sam"](io.StringIO(), [("a,b", 3)])


def test_html_shows_every_letter_and_escapes_names() -> None:
    got = SCORER.align(named(READ, "<i>q</i>"), named(GENOME, "chr1"), mode="semiglobal")
    page = got._repr_html_()
    assert "<i>" not in page
    assert "&lt;i&gt;q" in page
    body = re.search(r"<pre>(.*)posterior ", page, re.S)[1]
    lines = [re.sub(r"<[^>]+>", "", line) for line in body.splitlines() if line.strip()]
    shown = ["".join(line.split()[-2] for line in lines[k::2]) for k in (0, 1)]
    assert shown == list(got.rows())


def test_one_of_several_references_is_primary() -> None:
    other = named("".join(RNG.choice(list("ACGT"), 500)), "chr2")
    query = named(READ, "r")
    references = [other, named(GENOME, "chr1")]
    many = [SCORER.align(query, r, mode="semiglobal") for r in references]
    rank_references(many)
    assert [a.is_secondary for a in many] == [True, False]
    assert many[1].mapq > 40
    assert many[0].mapq == 0
    same = [SCORER.align(query, references[1], mode="semiglobal") for _ in range(2)]
    rank_references(same)
    assert {a.mapq for a in same} == {3}


# ---------------------------------------------------------------- reading pairs


def test_pair_lists(tmp_path) -> None:
    path = tmp_path / "p.tsv"
    path.write_text("query\treference\n# note\na\tx\t0.5\n\nb y\n")
    got = list(read_pairs(path))
    assert [(r.query, r.reference, r.line) for r in got] == [("a", "x", 3), ("b", "y", 5)]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no pairs"),
        ("alone\n", "two columns"),
        ("q\t10\t0\t5\t+\tr\t10\n", "12 columns"),
        ("q\tten\t0\t5\t+\tr\t10\t0\t5\t5\t5\t60\n", "whole numbers"),
        ("q\t10\t0\t50\t+\tr\t10\t0\t5\t5\t5\t60\n", "within the given lengths"),
        ("q\t10\t0\t5\t?\tr\t10\t0\t5\t5\t5\t60\n", "strand"),
        ("q\t10\t0\t5\t+\tr\t10\t0\t5\t5\t5\t60\tcg:Z:5Q\n", "CIGAR"),
    ],
)
def test_unreadable_lists_say_where(text: str, reason: str, tmp_path) -> None:
    path = tmp_path / "p.paf"
    path.write_text(text)
    with pytest.raises(InputError, match=reason) as caught:
        list(read_pairs(path))
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("cigar", "reason"), [("cg:Z:4=", None), ("cg:Z:5=", "span"), ("cg:Z:1=1X2=", "does not match"), ("", "CIGAR")]
)
def test_truth_has_to_spell_the_sequences(cigar: str, reason: str | None, tmp_path) -> None:
    path = tmp_path / "t.paf"
    path.write_text(f"q\t4\t0\t4\t+\tr\t6\t1\t5\t4\t4\t60\t{cigar}\n")
    (record,) = read_pairs(path)
    query, reference = encode_masks("ACGT"), encode_masks("TACGTA")
    if reason is None:
        assert aligned_pairs(record, query, reference).tolist() == [[i, i + 1] for i in range(4)]
        with pytest.raises(InputError, match="lengths \\(4, 6\\)"):
            aligned_pairs(record, query, reference[:5])
    else:
        with pytest.raises(InputError, match=reason):
            aligned_pairs(record, query, reference)


@pytest.mark.parametrize("text", ["1e1", "1_0", " 10", "+10", "١٠", "2147483648", "9" * 400, "", "-1"])
@pytest.mark.parametrize("column", [1, 2, 3, 6, 7, 8])
def test_numbers_of_paf(tmp_path, column: int, text: str) -> None:
    fields = ["q", "10", "0", "10", "+", "r", "10", "0", "10", "10", "10", "60"]
    fields[column] = text
    path = tmp_path / "x.paf"
    path.write_text("\t".join(fields) + "\n")
    with pytest.raises(InputError, match=r"x\.paf:1: q: lengths and positions of a PAF line have to be whole numbers"):
        list(read_pairs(path))


@pytest.mark.parametrize(
    ("cigar", "said"),
    [
        ("999999999999M", "does not span"),
        ("9" * 19 + "D", "does not span"),
        ("9999999999999999999M1D" * 3, "does not span"),
        ("9" * 20 + "M", "cannot be read"),
        ("4", "cannot be read"),
        ("=4", "cannot be read"),
        ("4=4", "cannot be read"),
        ("٤=", "cannot be read"),
        ("4 =", "cannot be read"),
        ("-4=", "cannot be read"),
        ("4=1S0I2P", None),
    ],
)
def test_cigars_claim_no_more_than_there_is(tmp_path, cigar: str, said: str | None) -> None:
    path = tmp_path / "t.paf"
    path.write_text(f"q\t4\t0\t4\t+\tr\t6\t1\t5\t4\t4\t60\tcg:Z:{cigar}\n")
    query, reference = encode_masks("ACGT"), encode_masks("TACGTA")
    if said is None:
        (record,) = read_pairs(path)
        assert len(aligned_pairs(record, query, reference)) == 4
        return
    with pytest.raises(InputError, match=said):
        [aligned_pairs(record, query, reference) for record in read_pairs(path)]


def test_long_cigars_take_a_time_that_grows_with_them(tmp_path) -> None:
    path = tmp_path / "t.paf"
    started = time.process_time()
    for cigar, said in (("1" * 400_000, "cannot be read"), ("1M" * 100_000, "does not span")):
        path.write_text(f"q\t4\t0\t4\t+\tr\t6\t1\t5\t4\t4\t60\tcg:Z:{cigar}\n")
        with pytest.raises(InputError, match=said) as caught:
            [aligned_pairs(record, encode_masks("ACGT"), encode_masks("TACGTA")) for record in read_pairs(path)]
        assert len(str(caught.value)) < 500
    assert time.process_time() - started < 3


def test_what_is_no_paf_is_a_list(tmp_path) -> None:
    path = tmp_path / "p.tsv"
    path.write_bytes(b"\xef\xbb\xbf#by hand\nQuery \treference\nx\ta\t1\t2\t\tnote\nquery\treference\n")
    assert [(r.query, r.reference, r.strand) for r in read_pairs(path)] == [
        ("x", "a", None),
        ("query", "reference", None),
    ]


@pytest.mark.parametrize("form", ["paf", "sam", "outfmt6", "maf", "fasta", "stockholm", "tsv"])
@pytest.mark.parametrize("letter", ["\t", "\n", "\x1b", "\x9b"])
def test_no_format_holds_a_name_with_a_control_character(form: str, letter: str) -> None:
    for names in (("q", f"r{letter}x"), (f"q{letter}x", "r")):
        query, reference = (named("ACGTACGTACGTTTGACA", name) for name in names)
        found = SCORER.align(query, reference, mode="global")
        with pytest.raises(InputError, match="name"):
            FORMATS[form](io.StringIO(), [(names[1], 18)]).write(found)
