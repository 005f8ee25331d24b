"""``genolstm align search``: prefilters, windows, thresholds, and what it writes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from Bio.Seq import Seq
from Bio.SeqRecord import SeqRecord

from genolstm.alignment.scorer import AlignmentScorer
from genolstm.alignment.search.encoders import KmerEncoder, NearestVectors
from genolstm.alignment.search.searcher import Searcher
from genolstm.alignment.search.seeds import SeedIndex
from genolstm.alignment.settings import SearchSettings
from genolstm.errors import InputError, SettingError
from genolstm.sequences.masks import complement_masks, decode_masks
from genolstm.sequences.packed import pack

RNG = np.random.default_rng(11)


def masks(n: int) -> np.ndarray:
    return (1 << RNG.integers(0, 4, n)).astype(np.uint8)


def changed(x: np.ndarray, share: float) -> np.ndarray:
    y = x.copy()
    at = RNG.random(len(y)) < share
    y[at] = 1 << RNG.integers(0, 4, int(at.sum()))
    return y


def record(x: np.ndarray, name: str) -> SeqRecord:
    return SeqRecord(Seq(decode_masks(x)), id=name)


REFERENCES = [masks(int(n)) for n in RNG.integers(70, 110, 30)]
QUERIES = [changed(REFERENCES[k], 0.12) for k in (3, 17, 29)]
QUERIES[1] = complement_masks(QUERIES[1])
RECORDS = [record(x, f"r{k}") for k, x in enumerate(REFERENCES)]
QUERY_RECORDS = [record(x, f"q{k}") for k, x in enumerate(QUERIES)]
GENOME = masks(6000)
READS = [(500, GENOME[500:580]), (3000, complement_masks(changed(GENOME[3000:3090], 0.08)))]


@pytest.mark.parametrize(
    "make",
    [
        lambda r: SeedIndex(r, 6),
        lambda r: SeedIndex(r, 8, common=0.3),
        lambda r: NearestVectors(KmerEncoder(5), r),
        lambda r: NearestVectors(KmerEncoder(6), r),
    ],
)
def test_prefilters_put_the_relative_first(make) -> None:
    prefilter = make(pack(REFERENCES))
    near = prefilter.candidates(pack([*QUERIES, masks(3)]), 40, 2)
    assert near.shape == (4, 40)
    assert near[:3, 0].tolist() == [3, 17, 29]
    for row in near:
        kept = row[row >= 0].tolist()
        assert len(set(kept)) == len(kept)


def test_vectors_have_unit_length_on_either_strand() -> None:
    encoder = KmerEncoder(6)
    assert encoder.size == 2080
    a = encoder.encode(pack(REFERENCES))
    b = encoder.encode(pack([complement_masks(x) for x in REFERENCES]))
    assert np.allclose(a, b)
    assert np.allclose((a**2).sum(1), 1, atol=1e-5)
    with pytest.raises(SettingError, match="between 1 and 7"):
        KmerEncoder(8)
    with pytest.raises(SettingError, match="between 4 and 12"):
        SeedIndex(pack(REFERENCES), 13)


@pytest.mark.parametrize("mode", ["global", "semiglobal", "local"])
@pytest.mark.parametrize("exact", [False, True])
def test_hits_are_scored_and_aligned_as_the_scorer_does(mode: str, exact: bool) -> None:
    scorer = AlignmentScorer()
    settings = SearchSettings(evalue=1e-4, max_hits=2, exact=exact)
    searcher = Searcher(RECORDS, scorer=scorer, settings=settings, mode=mode, threads=2)
    hits = searcher.search(QUERY_RECORDS)
    assert [[a.reference_name for a in own] for own in hits] == [["r3"], ["r17"], ["r29"]]
    assert [own[0].strand for own in hits] == ["+", "-", "+"]
    plain = scorer.align(QUERY_RECORDS[1], RECORDS[17], mode=mode)
    assert hits[1][0].cigar == plain.cigar
    assert hits[1][0].bits == pytest.approx(plain.bits, abs=1e-3)
    found = searcher.find(QUERIES)
    for k, (query, own) in enumerate(zip(QUERY_RECORDS, found, strict=True)):
        want = scorer.score(query, RECORDS[own[0].reference], mode=mode)
        assert own[0].bits == pytest.approx(want, abs=0.02), k


@pytest.mark.parametrize("mode", ["semiglobal", "local"])
def test_long_references_are_searched_in_windows(mode: str) -> None:
    reads = [record(x, f"read{k}") for k, (_, x) in enumerate(READS)]
    settings = SearchSettings(evalue=1e-3)
    searcher = Searcher(
        [record(masks(50), "short"), record(GENOME, "long")],
        scorer=AlignmentScorer(),
        settings=settings,
        mode=mode,
        threads=1,
    )
    for (start, read), own in zip(READS, searcher.search(reads), strict=True):
        assert len(own) == 1, "one place is one hit, though two windows hold it"
        hit = own[0]
        assert hit.reference_name == "long"
        assert abs(hit.reference_span[0] - start) < 10
        assert abs(hit.reference_span[1] - start - len(read)) < 10
        assert hit.n_reference == len(GENOME)
        rows = hit.rows()
        assert rows[0].replace("-", "") == decode_masks(GENOME[slice(*hit.reference_span)])
        assert hit.mapq > 20


def test_sequences_do_not_find_themselves_where_that_is_asked() -> None:
    relative = record(changed(REFERENCES[0], 0.1), "relative")
    for skip, first in ((False, "r0"), (True, "relative")):
        settings = SearchSettings(evalue=1e-3, skip_self=skip)
        searcher = Searcher([*RECORDS, relative], scorer=AlignmentScorer(), settings=settings, mode="global", threads=1)
        own = searcher.search(RECORDS[:1])[0]
        assert own[0].reference_name == first
        assert not own[0].is_secondary


def test_what_is_unrelated_is_not_found() -> None:
    searcher = Searcher(RECORDS, scorer=AlignmentScorer(), settings=SearchSettings(evalue=1e-4))
    assert searcher.search([record(masks(80), "x"), record(masks(4), "tiny")]) == [[], []]


def test_bad_input_is_refused() -> None:
    with pytest.raises(InputError, match="no reference"):
        Searcher([], scorer=AlignmentScorer())
    with pytest.raises(InputError, match="no residues"):
        Searcher([record(masks(0), "empty")], scorer=AlignmentScorer())
    with pytest.raises(InputError, match="no residues"):
        Searcher(RECORDS, scorer=AlignmentScorer()).search([record(masks(0), "empty")])
    with pytest.raises(SettingError, match="evalue"):
        SearchSettings(evalue=0)
    with pytest.raises(SettingError, match="at least 1"):
        SearchSettings(max_hits=0)


# ---------------------------------------------------------------------------- command line


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, records in (("q.fa", QUERY_RECORDS), ("r.fa", RECORDS)):
        Path(name).write_text("".join(f">{r.id}\n{r.seq}\n" for r in records))
    return tmp_path


def test_the_command_writes_hits(cli, files: Path) -> None:
    got = cli("align", "search", "q.fa", "r.fa", "-o", "hits.paf", "--evalue", "1e-3", "-t", 1, "--classical")
    assert (got.code, got.out, got.err) == (0, "", "3 of 3 queries found, 3 hits\n")
    rows = [line.split("\t") for line in Path("hits.paf").read_text().splitlines()]
    assert [(r[0], r[4], r[5]) for r in rows] == [("q0", "+", "r3"), ("q1", "-", "r17"), ("q2", "+", "r29")]
    exact = cli("align", "search", "q.fa", "r.fa", "--exact", "--evalue", "1e-3", "-t", 1, "-q", "--classical")
    assert exact.out == Path("hits.paf").read_text()


def test_other_formats_and_refusals(cli, files: Path) -> None:
    got = cli("align", "search", "q.fa", "r.fa", "--format", "json", "--classical", "-q")
    assert len(json.loads(got.out)["alignments"]) >= 3
    assert cli("align", "search", "q.fa", "r.fa", "--exact", "--candidates", 5).code == 2
    assert cli("align", "search", "q.fa", "r.fa", "--max-hits", 0).code == 2
    same = cli("align", "search", "q.fa", "r.fa", "-o", "q.fa", "--force")
    assert same.code == 1
    assert "is also an input" in same.err
    Path("p.fa").write_text(">p\nMKVLEF\n")
    bad = cli("align", "search", "p.fa", "r.fa", "-o", "x.paf")
    assert bad.code == 1
    assert len(bad.err.splitlines()) == 1
    assert not Path("x.paf").exists()


def test_json_holds_the_hits_of_the_default_format(cli, files: Path) -> None:
    common = ("align", "search", "q.fa", "r.fa", "--evalue", "1e-3", "-t", 1, "--classical", "-q")
    paf = [line.split("\t") for line in cli(*common).out.splitlines()]
    hits = json.loads(cli(*common, "--format", "json").out)["alignments"]
    assert [(h["query"], h["reference"], h["strand"]) for h in hits] == [
        ("q0", "r3", "+"),
        ("q1", "r17", "-"),
        ("q2", "r29", "+"),
    ]
    assert [f"cg:Z:{h['cigar']}" for h in hits] == [line[-1] for line in paf]
    assert [(h["query_start"], h["query_end"]) for h in hits] == [(int(line[2]), int(line[3])) for line in paf]
