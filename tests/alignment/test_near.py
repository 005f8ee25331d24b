"""Near pairs, scored and aligned in batches: the same numbers and columns as one pair at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from Bio.Seq import Seq
from Bio.SeqRecord import SeqRecord

from genolstm.alignment.calibrate import random_masks
from genolstm.alignment.pairhmm.band import find_band
from genolstm.alignment.result import PosteriorAlignment
from genolstm.alignment.scorer import AlignmentScorer
from genolstm.alignment.search.batch import BatchedAlignment, score_near
from genolstm.alignment.search.edits import CLEAR_EDITS, EITHER, MINUS, PLUS, nearest
from genolstm.alignment.search.searcher import Searcher
from genolstm.alignment.settings import SearchSettings
from genolstm.alignment.significance import Significance, gc_content
from genolstm.errors import SettingError
from genolstm.sequences.masks import complement_masks, decode_masks
from genolstm.sequences.packed import pack

RNG = np.random.default_rng(1311)
SCORER = AlignmentScorer.load("dna", classical=True)


def letters(n: int) -> np.ndarray:
    return (1 << RNG.integers(0, 4, n)).astype(np.uint8)


def relative(x: np.ndarray, substitutions: float, gaps: int) -> np.ndarray:
    """Return a copy with substitutions and gaps of 1 to 20 bases."""
    y = x.copy()
    at = RNG.random(len(y)) < substitutions
    y[at] = 1 << RNG.integers(0, 4, int(at.sum()))
    for _ in range(gaps):
        place, size = int(RNG.integers(0, len(y))), int(RNG.choice([1, 1, 2, 3, 20]))
        y = (
            np.concatenate([y[:place], letters(size), y[place:]])
            if RNG.random() < 0.5
            else np.delete(y, slice(place, place + size))
        )
    return y


def record(x: np.ndarray, name: str) -> SeqRecord:
    return SeqRecord(Seq(decode_masks(x)), id=name)


def line(a: PosteriorAlignment) -> tuple[object, ...]:
    """Return what a line of output holds of an alignment's columns."""
    counts = (a.n_columns, a.count(0), a.count(1), a.count(1, 2, 3), a.runs())
    return (a.cigar, a.strand, a.query_span, a.reference_span, *counts)


def many() -> list[tuple[np.ndarray, np.ndarray]]:
    """Return pairs from near to far, with N and other ambiguous letters, and short ones."""
    found = []
    for k in range(60):
        x = letters(int(RNG.integers(20, 220)))
        y = relative(x, RNG.choice([0.0, 0.03, 0.1, 0.2, 0.3]), int(RNG.integers(0, 4)))
        if k % 7 == 0:
            y[::11] = 15
            y[5] = 5
        found.append((x, y))
    return found


PAIRS = many()


@pytest.mark.parametrize("mode", ["global", "semiglobal"])
def test_scores_are_those_of_one_pair_at_a_time(mode: str) -> None:
    queries, references = (pack([p[k] for p in PAIRS]) for k in (0, 1))
    pairs = np.repeat(np.arange(len(PAIRS)), 2).reshape(-1, 2)
    found = score_near(queries, references, pairs, SCORER.family, free=mode == "semiglobal", threads=1)
    near = np.flatnonzero(~np.isnan(found[:, 0]))
    assert len(near) > 35
    texts = [tuple(decode_masks(x) for x in PAIRS[k]) for k in near]
    expected = SCORER.score_many(texts, threads=1, mode=mode, strand="plus")
    assert np.abs(found[near, 0] - expected).max() < 0.01
    # The same for any number of threads, to the last bit.
    again = score_near(queries, references, pairs, SCORER.family, free=mode == "semiglobal", threads=3)
    assert np.array_equal(found, again, equal_nan=True)


@pytest.mark.parametrize("mode", ["global", "semiglobal"])
def test_hits_are_aligned_as_one_pair_at_a_time(mode: str) -> None:
    queries = [record(complement_masks(x) if k % 3 == 0 else x, f"q{k}") for k, (x, _) in enumerate(PAIRS)]
    references = [record(y, f"r{k}") for k, (_, y) in enumerate(PAIRS)]
    searcher = Searcher(
        references, scorer=SCORER, settings=SearchSettings(max_hits=1, evalue=1e-3), significance=SCORER.significance,
        mode=mode, threads=2,
    )  # fmt: skip
    hits = [own[0] for own in searcher.search(queries) if own]
    made = [a for a in hits if isinstance(a, BatchedAlignment)]
    assert len(made) > 30
    for a in made:
        alone = SCORER.align(a.sequences[1], a.sequences[0], mode=mode)
        assert a.p_homolog == pytest.approx(alone.p_homolog, abs=1e-6)
        expected = line(alone)
        # What a line holds is right before and after the rest has been made.
        for _ in range(2):
            assert line(a) == expected
            assert a.bits == pytest.approx(alone.bits, abs=0.01)
            assert a.mean_posterior == pytest.approx(alone.mean_posterior, abs=2e-3)
            assert np.abs(a.posteriors - alone.posteriors).max() < 0.02
        assert len(a.ops) == a.n_columns
        assert a.rows() == alone.rows()
        assert np.array_equal(a.coordinates, alone.coordinates)


def test_a_copy_elsewhere_or_a_long_gap_at_an_end_is_no_near_pair() -> None:
    lo, hi = np.empty(200, np.int64), np.empty(200, np.int64)
    x = letters(100)
    twice = np.concatenate([letters(60), x, letters(200), x, letters(10)])
    assert find_band(x, twice, True, lo, hi)[0] == -1
    once = np.concatenate([letters(60), x, letters(300)])
    assert find_band(x, once, True, lo, hi)[0] == 0
    assert lo[50] <= 110 <= hi[50]
    assert hi[50] - lo[50] < 40
    split = np.concatenate([letters(90), x[:78], letters(60), x[78:], letters(90)])
    assert find_band(x, split, True, lo, hi)[0] == -1


def edits_of(x: np.ndarray, y: np.ndarray, within: bool) -> int:
    """Return the edits between two sequences, by the plain recursion."""
    row = np.zeros(len(y) + 1, int) if within else np.arange(len(y) + 1)
    for k, a in enumerate(x):
        new = np.minimum(row[:-1] + ((a & y) == 0), row[1:] + 1)
        new = np.concatenate([[k + 1], new])
        row = np.minimum.accumulate(new - np.arange(len(new))) + np.arange(len(new))
    return int(row.min() if within else row[-1])


@pytest.mark.parametrize("within", [False, True])
def test_the_nearest_are_those_of_the_recursion(within: bool) -> None:
    queries = [letters(int(n)) for n in (1, 3, 63, 64, 65, 130, 200)]
    references = [letters(int(n)) for n in RNG.integers(1, 150, 30)]
    for k in range(30):
        x = relative(queries[4 + k % 3], RNG.choice([0.02, 0.1, 0.3]), int(RNG.integers(0, 3)))
        x = np.concatenate([letters(int(RNG.integers(0, 12))), x, letters(int(RNG.integers(0, 12)))])
        references.append(complement_masks(x) if k % 4 == 0 else x)
    references[9] = np.where(np.arange(len(references[9])) % 3 == 0, 15, references[9]).astype(np.uint8)
    turned = [complement_masks(x) for x in queries]
    each = np.array([[[edits_of(q, r, within) for r in references] for q in side] for side in (queries, turned)])
    packed = [pack(x) for x in (queries, turned, references)]
    candidates = np.stack([RNG.permutation(len(references)) for _ in queries]).astype(np.int32)
    candidates[2, 40:] = -1
    candidates[3, 5:] = -1
    for strand in ("both", "plus", "minus"):
        cost = {"both": each.min(0), "plus": each[0], "minus": each[1]}[strand]
        for most in (1, 7, 70):
            kept, edits, strands = nearest(*packed, candidates, most, strand=strand, within=within, threads=1)
            again = nearest(*packed, candidates, most, strand=strand, within=within, threads=3)
            assert all(map(np.array_equal, (kept, edits, strands), again))
            for i in range(len(queries)):
                asked = candidates[i][candidates[i] >= 0]
                expected = asked[np.argsort(cost[i][asked], kind="stable")][:most]
                own = kept[i][kept[i] >= 0]
                assert own.tolist() == expected.tolist()
                assert edits[i][: len(own)].tolist() == cost[i][own].tolist()
                plus, minus = each[0, i][own], each[1, i][own]
                code = np.where(minus - plus > CLEAR_EDITS, PLUS, np.where(plus - minus > CLEAR_EDITS, MINUS, EITHER))
                if strand != "both":
                    code[:] = PLUS if strand == "plus" else MINUS
                assert strands[i][: len(own)].tolist() == code.tolist()


def test_a_name_to_skip_is_no_candidate() -> None:
    queries = [letters(80) for _ in range(3)]
    packed = pack(queries), pack([complement_masks(x) for x in queries]), pack(queries)
    every = np.tile(np.arange(3, dtype=np.int32), (3, 1))
    kept, *_ = nearest(*packed, every, 2, skip=np.array([0, -1, 1]), names=np.array([0, 0, 1]), threads=1)
    assert [set(own.tolist()) for own in kept[[0, 2]]] == [{2, -1}, {0, 1}]
    assert kept[1, 0] == 1


def test_evalues_of_many_are_those_of_one() -> None:
    known = SCORER.significance
    assert isinstance(known, Significance)
    bits = np.concatenate([RNG.normal(0, 20, 40), [-500.0, 500.0]])
    lengths = RNG.integers(20, 2000, len(bits))
    for mode in known.modes():
        found = known.evalues(bits, lengths, [150.0, 900.0], mode=mode, counts=[10, 3])
        each = [
            known.evalue(b, n, [150.0, 900.0], mode=mode, counts=[10, 3])
            for b, n in zip(bits.tolist(), lengths.tolist(), strict=True)
        ]
        assert found == pytest.approx(each)
        assert known.p_homologs(bits, mode=mode) == pytest.approx([known.p_homolog(b, mode=mode) for b in bits])


def test_evalues_count_references_by_their_composition() -> None:
    known = SCORER.significance
    assert isinstance(known, Significance)
    rng = np.random.default_rng(14)
    query = random_masks(rng, 60, 0.3)
    kin = query.copy()
    kin[::4] = random_masks(rng, 15, 0.3)
    found = {}
    for share in (0.3, 0.65):
        others = [kin, *(random_masks(rng, 60, share) for _ in range(6))]
        references = [record(x, f"r{k}") for k, x in enumerate(others)]
        whole = {"mode": "semiglobal", "qmask": "none"}  # tantan takes a third of this query for a repeat
        searcher = Searcher(references, scorer=SCORER, significance=known, threads=1, **whole)
        (hits,) = searcher.search([record(query, "q")])
        contents = {"query_gc": gc_content(query), "reference_gc": [gc_content(x) for x in others]}
        want = known.evalue(hits[0].bits, 60, [60] * 7, mode="semiglobal", **contents)
        assert hits[0].evalue == pytest.approx(want, rel=0.1)  # references of about one content count as one kind
        found[share] = hits[0].evalue
        pair = SCORER.align(decode_masks(query), decode_masks(kin), **whole)
        contents["reference_gc"] = gc_content(kin)
        assert pair.evalue == pytest.approx(known.evalue(pair.bits, 60, [60], mode="semiglobal", **contents))
    # Of six others, those that look like the query could have scored as high, and those that do not could not.
    assert found[0.65] < found[0.3] / 2


def test_hits_in_windows_keep_what_the_pair_has() -> None:
    genome = letters(4000)
    reads = [record(relative(genome[a : a + 100], s, gaps), f"q{a}") for a, s, gaps in ((300, 0.02, 0), (2000, 0.3, 4))]
    scorer = AlignmentScorer.load("coding")  # which asks its network about each pair that is in doubt
    searcher = Searcher([record(genome, "g")], scorer=scorer, significance=scorer.significance, threads=1)
    near, far = (own[0] for own in searcher.search(reads))
    assert isinstance(near, BatchedAlignment)
    assert near.p_homolog > 0.99
    assert near.context_bits == 0
    assert near.placement > 0.99
    assert not isinstance(far, BatchedAlignment)
    assert far.p_homolog > 0.9
    assert far.context_bits != 0


def test_sam_answers_every_query_and_keeps_its_qualities(cli, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    x = letters(80)
    quality = "".join(chr(33 + k) for k in range(80))
    minus = decode_masks(complement_masks(x))
    strange = decode_masks(letters(80))
    Path("q.fq").write_text(
        f"@plus\n{decode_masks(x)}\n+\n{quality}\n@minus\n{minus}\n+\n{quality}\n@none\n{strange}\n+\n{quality}\n"
    )
    Path("r.fa").write_text(f">r\n{decode_masks(np.concatenate([letters(20), x, letters(20)]))}\n")
    out = cli("align", "search", "q.fq", "r.fa", "--format", "sam", "--evalue", "1e-6", "-t", 1, "-q").out
    lines = [line.split("\t") for line in out.splitlines() if not line.startswith("@")]
    assert [(f[0], f[1], f[2], f[10]) for f in lines] == [
        ("plus", "0", "r", quality),
        ("minus", "16", "r", quality[::-1]),
        ("none", "4", "*", quality),
    ]
    assert lines[1][9] == decode_masks(x)
    assert lines[2][9] == strange


def test_a_global_pair_that_would_not_end_is_refused() -> None:
    query, reference = decode_masks(letters(3000)), decode_masks(letters(1_000_000))
    with pytest.raises(SettingError, match="from end to end would visit") as refused:
        SCORER.score(query, reference, mode="global")
    assert "--mode semiglobal" in str(refused.value)
