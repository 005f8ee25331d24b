"""``genolstm align msa``: properties of the alignment, its confidence, formats and refusals."""

from __future__ import annotations

import io
import sys
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from Bio import AlignIO
from Bio.Seq import Seq
from Bio.SeqRecord import SeqRecord
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import sparse

from genolstm.alignment import msa
from genolstm.alignment.formats.family import MSA_FORMATS
from genolstm.alignment.msa import LIMIT, FamilyAlignment, align_family, guide_tree
from genolstm.alignment.pairhmm.parameters import ParameterFamily
from genolstm.alignment.scorer import AlignmentScorer
from genolstm.alignment.settings import MsaSettings
from genolstm.alignment.simulate.pairs import SimulationSettings, simulate_pair
from genolstm.errors import InputError, SettingError

SCORER = AlignmentScorer()


def records(texts: list[str]) -> list[SeqRecord]:
    return [SeqRecord(Seq(t), id=f"s{k}") for k, t in enumerate(texts)]


def family(seed: int = 1, n: int = 4, length: int = 60) -> list[SeqRecord]:
    """Sequences a little apart from one root, made by random edits."""
    rng = np.random.default_rng(seed)
    root = rng.choice(list("ACGT"), length)
    out = []
    for _ in range(n):
        own = root.copy()
        at = rng.random(length) < 0.08
        own[at] = rng.choice(list("ACGT"), int(at.sum()))
        gap = int(rng.integers(5, length - 8))
        out.append("".join(np.delete(own, range(gap, gap + int(rng.integers(0, 4))))))
    return records(out)


def check(found: FamilyAlignment, given_records: list[SeqRecord]) -> None:
    rows = found.rows()
    assert len({len(r) for r in rows}) == 1
    for record, row, places in zip(given_records, rows, found.columns, strict=True):
        assert row.replace("-", "") == str(record.seq)
        assert (places[places >= 0] == np.arange(len(record))).all()
    assert (found.columns >= 0).any(axis=0).all(), "no column is empty"
    assert found.confidence.shape == (found.columns.shape[1],)
    assert (found.confidence >= 0).all()
    assert (found.confidence <= 1 + 1e-6).all()


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.text("ACGTNacgtR", min_size=1, max_size=25), min_size=2, max_size=5))
def test_every_residue_has_one_column_and_keeps_its_order(texts: list[str]) -> None:
    given_records = records(texts)
    check(align_family(given_records, SCORER, threads=1), given_records)


def test_two_sequences_align_as_a_pair_does() -> None:
    a, b = family(3, 2)
    found = align_family([a, b], SCORER, MsaSettings(consistency=0), threads=1)
    pair = SCORER.align(a, b, strand="plus", mode="global")
    shared = {tuple(x) for x in found.pairs(0, 1).tolist()}
    assert shared == {tuple(x) for x in pair.pairs.tolist()}


def test_equal_sequences_need_no_gap_and_are_sure() -> None:
    text = "".join(np.random.default_rng(2).choice(list("ACGT"), 70))
    found = align_family(records([text] * 4), SCORER, threads=1)
    assert found.rows() == [text] * 4
    assert found.confidence.mean() > 0.97


def test_a_family_is_an_alignment_of_biopython() -> None:
    given_records = family()
    found = align_family(given_records, SCORER, threads=2)
    check(found, given_records)
    assert found.shape == found.columns.shape
    assert [str(found[k]) for k in range(len(found))] == found.rows()
    assert found.column_annotations["confidence"] == pytest.approx(found.confidence.tolist())
    assert [r.id for r in found.sequences] == [r.id for r in given_records]
    assert found.tree.endswith(";")
    assert all(f"'{r.id}'" in found.tree for r in given_records)


def test_threads_do_not_matter_and_order_hardly_does() -> None:
    given_records = family(5)
    one = align_family(given_records, SCORER, threads=1)
    two = align_family(given_records, SCORER, threads=2)
    assert one.rows() == two.rows()
    turned = align_family(given_records[::-1], SCORER, threads=1)
    n = len(given_records)
    for a, b in combinations(range(n), 2):
        first = {tuple(x) for x in one.pairs(a, b).tolist()}
        second = {tuple(x[::-1]) for x in turned.pairs(n - 1 - b, n - 1 - a).tolist()}
        assert len(first & second) > 0.9 * len(first | second)


def test_third_sequences_help() -> None:
    # Two far ends with a chain of relatives between them: alone the ends align badly.
    rng = np.random.default_rng(8)
    settings_ = SimulationSettings(length=(120, 120), frequencies=(0.25,) * 4)
    better = []
    for _ in range(3):
        pair = simulate_pair(replace(settings_, indel_rate=(0.03, 0.03)), rng, divergence=0.15)
        texts = list(pair.texts)
        alone = align_family(records(texts), SCORER, threads=1)
        together = align_family(records([*texts, texts[0], texts[1]]), SCORER, threads=1)
        truth = {tuple(x) for x in pair.pairs.tolist()}
        share = [
            len(truth & {tuple(x) for x in found.pairs(0, 1).tolist()}) / len(truth) for found in (alone, together)
        ]
        better.append(share[1] - share[0])
        assert share[1] > 0.85
    assert np.mean(better) > -0.02


def test_more_gain_aligns_less() -> None:
    far = records(["".join(np.random.default_rng(k).choice(list("ACGT"), 50)) for k in range(3)])
    aligned = [
        sum(len(found.pairs(a, b)) for a, b in combinations(range(3), 2))
        for found in (align_family(far, SCORER, MsaSettings(gain=g), threads=1) for g in (0.0, 0.9))
    ]
    assert aligned[0] > 2 * aligned[1]


def test_joining_anew_finds_more_and_a_gain_leaves_it_out(monkeypatch: pytest.MonkeyPatch) -> None:
    sums: list[tuple[float, float]] = []

    def both(layout, votes, merges):  # type: ignore[no-untyped-def]
        after = refined(layout, votes, merges)
        sums.append((expected(layout, votes), expected(after, votes)))
        return after

    def expected(layout, votes) -> float:  # type: ignore[no-untyped-def]
        total = 0.0
        for a, b in combinations(range(len(layout)), 2):
            at = np.flatnonzero((layout[a] >= 0) & (layout[b] >= 0))
            pairs = {*zip(votes.starts[a] + layout[a, at], votes.starts[b] + layout[b, at], strict=True)}
            total += sum(v for i, j, v in zip(*votes[:3], strict=True) if (i, j) in pairs)
        return total

    refined = msa._refined
    monkeypatch.setattr(msa, "_refined", both)
    rng = np.random.default_rng(8)
    for seed in range(6):
        # Far enough apart that the first joins are sometimes wrong.
        far = [
            "".join(c if rng.random() < 0.6 else rng.choice(list("ACGT")) for c in str(x.seq)) for x in family(seed, 6)
        ]
        align_family(records(far), SCORER, threads=1)
    assert len(sums) == 6
    assert all(after > before - 0.01 for before, after in sums)
    assert sum(after for _, after in sums) > sum(before for before, _ in sums) + 0.1
    align_family(records(far), SCORER, MsaSettings(gain=0.2), threads=1)
    assert len(sums) == 6


def test_posteriors_of_several_models_are_averaged() -> None:
    given_records = family(4, 3)
    other = AlignmentScorer(ParameterFamily(gap_rate=0.4, gap_rate_spread=0.1, gap_link=1.0))
    done: list[tuple[int, int]] = []
    both = align_family(
        given_records, [SCORER, other], MsaSettings(consistency=0), threads=1, progress=lambda *x: done.append(x)
    )
    assert done == [(k, 6) for k in range(1, 7)]
    check(both, given_records)
    # What one column is worth is the mean over the models, where the columns are the same.
    one, two = (align_family(given_records, x, MsaSettings(consistency=0), threads=1) for x in (SCORER, other))
    width = min(x.columns.shape[1] for x in (one, two, both))
    same = [k for k in range(width) if (one.columns[:, k] == both.columns[:, k]).all()]
    same = [k for k in same if (two.columns[:, k] == both.columns[:, k]).all() and (both.columns[:, k] >= 0).all()]
    assert len(same) > 10
    assert np.abs(one.confidence[same] - two.confidence[same]).max() > 0.005
    mean = (one.confidence[same] + two.confidence[same]) / 2
    np.testing.assert_allclose(both.confidence[same], mean, atol=2e-3)
    done.clear()
    thrice = align_family(
        given_records, [other, SCORER, other], MsaSettings(consistency=0), threads=1, progress=lambda *x: done.append(x)
    )
    assert len(done) == 6, "each aligns once"
    np.testing.assert_array_equal(thrice.columns[:, same], both.columns[:, same])
    mean = (one.confidence[same] + 2 * two.confidence[same]) / 3
    np.testing.assert_allclose(thrice.confidence[same], mean, atol=2e-3)
    with pytest.raises(InputError, match="no model"):
        align_family(given_records, [])


def test_what_others_vote_counts_as_much_as_what_the_pair_says() -> None:
    # Residues a0 a1 b0 b1 c0 c1: a0 may be aligned to b0 or b1; c0 is aligned to a0 and to b0.
    dense = np.zeros((6, 6), np.float32)
    for i, j, p in ((0, 2, 0.3), (0, 3, 0.3), (0, 4, 0.9), (2, 4, 0.9)):
        dense[i, j] = dense[j, i] = p
    owner = np.repeat(np.arange(3), 2)
    voted = msa._consistent(sparse.csr_array(dense), owner, 1).toarray()
    # Votes (2 * .3 + .9 * .9) / 3 and 2 * .3 / 3, scaled to the pair's sum of .6; half of it, and half of .3.
    np.testing.assert_allclose(
        voted[0, 2:4], [0.5 * (0.3 + 0.6 * 0.47 / 0.67), 0.5 * (0.3 + 0.6 * 0.2 / 0.67)], rtol=1e-5
    )
    np.testing.assert_allclose(voted, voted.T)
    np.testing.assert_array_equal(msa._consistent(sparse.csr_array(dense), owner, 0).toarray(), dense)


def test_far_pairs_do_not_outvote_a_near_one() -> None:
    # Two equal sequences a and b; c to f prefer to have b one column further left, all of them.
    a, n = np.arange(20), 6
    starts = 20 * np.arange(n + 1)
    dense = np.zeros((20 * n, 20 * n), np.float32)

    def set_pair(s: int, t: int, shift: int, p: float) -> None:
        i = a[max(0, -shift) : 20 - max(0, shift)]
        dense[starts[s] + i, starts[t] + i + shift] = p
        dense[starts[t] + i + shift, starts[s] + i] = p

    set_pair(0, 1, 0, 0.98)
    for far in range(2, n):
        set_pair(0, far, 0, 0.4)
        set_pair(1, far, 1, 0.4)
        for other in range(2, far):
            set_pair(other, far, 0, 0.4)
    accuracy = np.full((n, n), 0.4)
    accuracy[0, 1] = accuracy[1, 0] = 0.98
    merges = guide_tree(accuracy)
    assert merges[0] == (0, 1)
    shared = []
    for sure in (accuracy, np.ones((n, n))):
        votes = msa._weighed(sparse.csr_array(dense), starts, sure)
        layout = msa._refined(msa._progressive(votes, np.full(n, 20), merges, 0.0), votes, merges)
        shared.append(int((layout[0] == layout[1])[layout[0] >= 0].sum()))
    assert shared == [20, 0], "with and without weights"


def test_the_tree_joins_the_closest_first() -> None:
    s = np.array([[1, 0.9, 0.2, 0.1], [0.9, 1, 0.3, 0.1], [0.2, 0.3, 1, 0.6], [0.1, 0.1, 0.6, 1]])
    assert guide_tree(s) == [(0, 1), (2, 3), (4, 5)]


@pytest.mark.parametrize("form", MSA_FORMATS)
def test_formats_can_be_read_back(form: str) -> None:
    given_records = family(9)
    given_records[1].seq = given_records[1].seq.lower()
    found = align_family(given_records, SCORER, threads=1)
    stream = io.StringIO()
    MSA_FORMATS[form](found, stream)
    text = stream.getvalue()
    kind = "stockholm" if form == "stockholm" else "fasta"
    back = AlignIO.read(io.StringIO(text.replace(".", "-") if form == "a2m" else text), kind)
    rows = [str(r.seq) for r in back]
    if form == "a2m":
        assert [r.upper() for r in rows] == [r.upper() for r in found.rows()]
        full = (found.columns >= 0).mean(axis=0) >= 0.5
        body = "".join(text.split("\n", 1)[1].split(">")[0].split())
        assert all((c.isupper() or c == "-") == f for c, f in zip(body, full, strict=True))
    else:
        assert rows == found.rows()
    if form == "stockholm":
        signs = next(x for x in text.splitlines() if x.startswith("#=GC PP_cons")).split()[-1]
        assert len(signs) == found.columns.shape[1]
        assert set(signs) <= set("0123456789*")


@pytest.mark.parametrize(
    ("texts", "names", "message"),
    [
        (["ACGT"], None, "at least two"),
        ([], None, "at least two"),
        (["ACGT", "ACGA"], ["a", "a"], "occurs twice"),
        (["ACGT", ""], None, "no residues"),
        (["ACGT", "AC-T"], None, "gap signs"),
        (["ACGT", "MKVL"], None, "protein"),
        (["ACGT"] * (LIMIT + 1), None, rf"{LIMIT + 1} sequences \([\d,]+ pairs\), at most {LIMIT}"),
    ],
)
def test_bad_families_are_refused(texts, names, message) -> None:
    given_records = records(texts)
    for record, name in zip(given_records, names or [], strict=False):
        record.id = name
    with pytest.raises(InputError, match=message):
        align_family(given_records, SCORER)


def test_bad_settings_are_refused() -> None:
    for wrong in ({"gain": 1.0}, {"gain": -0.1}, {"consistency": -1}):
        with pytest.raises(SettingError):
            MsaSettings(**wrong)


def test_the_command(cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("f.fa").write_text("".join(f">{r.id}\n{r.seq}\n" for r in family()))
    got = cli("align", "msa", "f.fa", "-o", "out.sto", "--format", "stockholm", "-t", 1, "--classical")
    assert got.code == 0
    assert got.out == ""
    assert got.err.startswith("4 sequences in ")
    assert len(AlignIO.read("out.sto", "stockholm")) == 4
    assert cli("align", "msa", "f.fa", "--gain", 2).code == 2
    by_default = cli("align", "msa", "f.fa", "--format", "stockholm").out
    named = cli(
        "align", "msa", "f.fa", "--format", "stockholm", "--model", "rna", "--model", "dna", "--model", "rna"
    ).out
    assert named == by_default
    former = cli("align", "msa", "f.fa", "--format", "stockholm", "--preset", "rna").out
    assert former == cli("align", "msa", "f.fa", "--format", "stockholm", "--model", "rna").out != by_default
    Path("one.fa").write_text(">a\nACGT\n")
    bad = cli("align", "msa", "one.fa", "-o", "x.fa")
    assert bad.code == 1
    assert "at least two" in bad.err
    assert len(bad.err.splitlines()) == 1
    assert not Path("x.fa").exists()


def test_without_the_extra(cli, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "x.fa").write_text(">a\nACGT\n>b\nACGT\n")
    monkeypatch.setitem(sys.modules, "scipy", None)
    for name in ("alignment.msa", "alignment.formats.family", "runs.align_msa"):
        monkeypatch.delitem(sys.modules, f"genolstm.{name}", raising=False)
    result = cli("align", "msa", tmp_path / "x.fa")
    assert result.code == 1
    assert result.err == 'this needs SciPy, which is not installed; install it with: pip install "genolstm[msa]"\n'
