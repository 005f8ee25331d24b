"""``genolstm align train --families``: what is read, what is learned, what is said, and what is refused."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from genolstm.alignment.context.estimation import fit_aligned
from genolstm.alignment.context.model import read_aligner
from genolstm.alignment.formats.aligned import GAP, read_families
from genolstm.alignment.learning import BINS, draw_pairs, gain, related, search_family, split_families
from genolstm.alignment.pairhmm.parameters import ParameterFamily, hky_joint
from genolstm.alignment.simulate.pairs import SimulationSettings, simulate_pairs
from genolstm.errors import InputError
from genolstm.lstm.bundle.bundle import Bundle
from genolstm.runs import align_train_families


def grown(n: int, *, members: int = 4, length: int = 60, seed: int = 1) -> list[list[str]]:
    """Families of known alignment: copies of a root with substitutions, four in five transitions, and deletions."""
    rng = np.random.default_rng(seed)
    families = []
    for _ in range(n):
        root = rng.integers(0, 4, length)
        rows = []
        for _ in range(members):
            hit, transition = rng.random(length) < rng.uniform(0.05, 0.35), rng.random(length) < 0.8
            other = np.where(transition, root ^ 2, (root + rng.choice([1, 3], length)) % 4)
            text = np.array(list("ACGT"))[np.where(hit, other, root)]
            for _ in range(rng.poisson(1.2)):
                at = int(rng.integers(0, length - 8))
                text[at : at + int(rng.integers(1, 7))] = "-"
            rows.append("".join(text))
        families.append(rows)
    return families


def stockholm(families: list[list[str]], first: int = 0) -> str:
    return "".join(
        f"# STOCKHOLM 1.0\n#=GF AC F{k}\n#=GC SS_cons {'.' * len(rows[0])}\n"
        + "".join(f"s{j} {row}\n" for j, row in enumerate(rows))
        + "//\n"
        for k, rows in enumerate(families, first)
    )


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


# ---------------------------------------------------------------- reading


def test_one_alignment_reads_alike_in_every_form(here: Path) -> None:
    rows = ["ACG-UNacgtt--GATTACA", "AC.AUGACGTTTTGA-TACA", "----TGACGRTT-GATTAC-"]
    wide = stockholm([rows])
    blocks = "# STOCKHOLM 1.0\n#=GF ID other\n#=GF AC F0\n\n"
    for a, b in ((0, 7), (7, 20)):
        blocks += "".join(f"s{k}   {row[a:b]}\n" for k, row in enumerate(rows)) + "#=GC x y\n\n"
    fasta = "".join(f">s{k} words\n{row[:5]}\r\n{row[5:]}\n" for k, row in enumerate(rows))
    Path("a.sto").write_text(wide)
    Path("b.sto").write_text(blocks + "//\n")
    Path("F0.afa.gz").write_bytes(gzip.compress(fasta.encode()))
    found = []
    for name in ("a.sto", "b.sto", "F0.afa.gz"):
        (family,), handled = read_families([name])
        assert str(handled) == (
            "1 family, 3 sequences, 49 residues, 2 of them unknown bases, 5 in lower case, taken as upper"
        )
        found.append(family)
    for family in found:
        assert (family.name, family.sequences) == ("F0", ("s0", "s1", "s2"))
        assert family.texts == tuple(r.upper().replace("U", "T").translate({45: None, 46: None}) for r in rows)
        np.testing.assert_array_equal(family.columns, found[0].columns)
        for k, row in enumerate(rows):
            residue = [c not in "-." for c in row]
            np.testing.assert_array_equal(family.columns[k] != GAP, residue)
            np.testing.assert_array_equal(family.positions(k)[residue], np.arange(sum(residue)))
    assert found[0].columns[0, 5] == 4


def test_inserts_align_to_nothing(here: Path) -> None:
    Path("f.a2m").write_text(">a\nACGTacGG-A\n>b\nACGT.cGGTA\n>c\nA-GT..GGTA\n")
    (family,), handled = read_families(["f.a2m"])
    assert family.texts == ("ACGTACGGA", "ACGTCGGTA", "AGTGGTA")
    assert family.columns.shape == (3, 8)
    assert family.positions(0).tolist() == [0, 1, 2, 3, 6, 7, -1, 8]
    assert (handled.inserts, handled.lower) == (3, 0)
    # Masked letters next to dots that are the only gaps: nothing is an insert.
    Path("g.afa").write_text(">a\nACGTacGG.A\n>b\nACGT.cGGTA\n")
    (family,), handled = read_families(["g.afa"])
    assert family.columns.shape == (2, 10)
    assert (handled.inserts, handled.lower) == (0, 3)


def test_a_folder_holds_families(here: Path) -> None:
    Path("all").mkdir()
    Path("all/one.fa").write_text(">a\nACGT\n>b\nAC-T\n")
    Path("all/two.sto.gz").write_bytes(gzip.compress(stockholm([["ACGT", "A-GT"]] * 2).encode()))
    Path("all/notes.txt").write_text("not one of them")
    families, handled = read_families(["all"])
    assert [f.name for f in families] == ["one", "F0", "F1"]
    assert handled.sequences == 6
    Path("none").mkdir()
    with pytest.raises(InputError, match="none: holds no alignments; their names end in"):
        read_families(["none"])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "f: is empty"),
        ("hello\n", "f:1: is neither Stockholm nor aligned FASTA; Stockholm begins"),
        (">a\nACGT\n>a\nACGT\n", "f:3: a: the name occurs twice"),
        (">\nACGT\n", "f:1: the sequence has no name"),
        (">a\nACGT\n>b\nACG\n", "f:3: b: the row has 3 columns, the first of its family 4"),
        (">a\nMKLEF\n>b\nMKLE-\n", "f:1: a: looks like protein, not DNA or RNA"),
        (">a\nAC?T\n>b\nACGT\n", "f:1: a: '?' is not a DNA or RNA letter"),
        (">a\n>b\n", "f:1: f: the family has no columns"),
        ("# STOCKHOLM 1.0\ns0 ACGT\n", "f:1: ends within a family, without //; is it truncated"),
        ("# STOCKHOLM 1.0\ns0 ACGT\n# STOCKHOLM 1.0\n//\n", "f:3: a family begins before the one before"),
        ("# STOCKHOLM 1.0\n#=GF AC X\n//\n", "f:1: X: the family has no sequences"),
        ("# STOCKHOLM 1.0\ns0\n//\n", "f:2: s0: a line of an alignment is a name and a row, this one has 1"),
        ("# STOCKHOLM 1.0\ns0 ACGT\n//\ns1 ACGT\n", "f:4: stands between two families"),
        (stockholm([["ACGT"]]) * 2, "f:6: F0: this family stands in f:1, too; give each family once"),
    ],
)
def test_what_is_no_family_is_refused(here: Path, text: str, reason: str) -> None:
    Path("f").write_text(text)
    with pytest.raises(InputError) as error:
        read_families(["f"])
    assert str(error.value).startswith(reason)


# ---------------------------------------------------------------- pairs


def families_of(text: str) -> list:
    Path("x.sto").write_text(text)
    return read_families(["x.sto"])[0]


def test_pairs_are_as_they_are_aligned(here: Path) -> None:
    families = families_of(stockholm(grown(8, members=5)))
    drawn = draw_pairs(families, range(8), 4, seed=3)
    assert max(Counter(x.family for x in drawn).values()) == 4
    for x in drawn:
        family = families[x.family]
        a, b = (family.texts.index(text) for text in x.texts)
        both = (family.columns[a] < 5) & (family.columns[b] < 5)
        assert len(x.truth) == both.sum() >= 20
        equal = np.array([x.texts[0][i] == x.texts[1][j] for i, j in x.truth])
        assert np.array_equal(equal, (family.columns[a] == family.columns[b])[both])
        assert x.identity == pytest.approx(equal.mean())
        assert x.bin in BINS
    # As many bins as there are, before a second pair of one.
    for number in range(8):
        bins = [x.bin for x in drawn if x.family == number]
        every = {
            min(int(100 * s) // 10 * 10, 90)
            for s in related(families[number], np.random.default_rng(0)).identity.ravel()
            if s >= 0.2
        }
        assert len(set(bins)) == min(4, len(every))


def test_redundant_sequences_count_once(here: Path) -> None:
    rng = np.random.default_rng(5)
    root = rng.choice(list("ACGT"), 80)

    def changed(sites: int) -> str:
        text, at = root.copy(), rng.choice(80, sites, replace=False)
        text[at] = [{"A": "C", "C": "G", "G": "T", "T": "A"}[c] for c in text[at]]
        return "".join(text)

    rows = ["".join(root), "".join(root), changed(2), changed(2), changed(40), "A" * 10 + "-" * 70]
    (family,) = families_of(stockholm([rows]))
    one = related(family, np.random.default_rng(0))
    assert one.rows.tolist() == [0, 2, 3, 4], "equal ones are one, and what is short says nothing"
    assert one.weight.tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 3, 1])


def test_families_that_share_a_sequence_stay_together(here: Path) -> None:
    grow = grown(30)
    for k in range(0, 30, 2):
        grow[k + 1][0] = grow[k][1]
    families = families_of(stockholm(grow))
    splits = set()
    for seed in range(5):
        parts = split_families(families, 0.5, seed)
        assert sorted(k for part in parts for k in part) == list(range(30))
        assert all(len(part) >= 4 for part in parts)
        for part in parts:
            assert {k // 2 for k in part} == {k // 2 for k in part if k ^ 1 in part}
        assert parts == split_families(families, 0.5, seed)
        splits.add(tuple(map(tuple, parts)))
    assert len(splits) == 5
    with pytest.raises(InputError, match=r"2 unrelated families are too few .* 6 are needed, 160 or more are useful"):
        split_families(families[:4], 0.5, 1)


# ---------------------------------------------------------------- learning


def test_true_alignments_give_back_the_laws_they_were_made_by() -> None:
    settings = SimulationSettings(length=(200, 300), divergence=(0.1, 0.8), kappa=(6.0, 6.0), shape=(2.0, 2.0))
    pairs = list(simulate_pairs(replace(settings, indel_rate=(0.04, 0.04)), 80, seed=4))
    found = fit_aligned([(p.query, p.reference, p.pairs) for p in pairs])
    # Kappa and the shape of the rates can stand in for each other; what they say of a match cannot.
    assert found.kappa == pytest.approx(6.0, rel=0.25)
    true = hky_joint(0.5, kappa=6.0, shape=2.0)
    near = [hky_joint(d, kappa=found.kappa, shape=found.shape) for d in np.arange(0.3, 0.8, 0.01)]
    np.testing.assert_allclose(min(near, key=lambda x: abs(np.trace(x) - np.trace(true))), true, rtol=0.1)
    assert found.gap_rate == pytest.approx(0.04, rel=0.3)
    assert found.gap_rate_spread < 0.4
    # A weight of 0 leaves a pair out.
    weights = np.ones(80)
    weights[40:] = 0
    half = fit_aligned([(p.query, p.reference, p.pairs) for p in pairs], weights)
    alone = fit_aligned([(p.query, p.reference, p.pairs) for p in pairs[:40]])
    assert half.kappa == pytest.approx(alone.kappa, rel=0.01)
    assert half.gap_extend == pytest.approx(alone.gap_extend, rel=0.02)
    assert half.gap_link == pytest.approx(alone.gap_link, rel=0.02)
    # Too few gaps say nothing of them.
    few = fit_aligned([(p.query, p.query, np.stack([np.arange(len(p.query), dtype=np.int32)] * 2, 1)) for p in pairs])
    assert replace(few, kappa=3.0, shape=1.0) == ParameterFamily()
    with pytest.raises(InputError, match="no alignments"):
        fit_aligned([])


def test_the_search_finds_a_higher_f1(here: Path) -> None:
    families = families_of(stockholm(grown(20, seed=8)))
    pairs = draw_pairs(families, range(20), 2, seed=1)
    bad = ParameterFamily(gap_rate=0.4, gap_link=20.0, kappa=0.6)
    told: list[tuple[int, float]] = []
    best = search_family([bad], pairs, 16, seed=1, threads=1, progress=lambda n, top: told.append((n, top)))
    assert [n for n, _ in told] == list(range(1, 17))
    assert told[-1][1] > told[0][1] + 0.005
    assert best == search_family([bad], pairs, 16, seed=1, threads=2)
    assert search_family([bad, best], pairs, 0, seed=1, threads=1) == best


def test_gains_are_those_of_families() -> None:
    from genolstm.alignment.learning import Example

    pairs = [Example(k // 2, ("A", "C"), np.empty((0, 2), np.int32), 0.45) for k in range(12)]
    pairs += [Example(k, ("A", "C"), np.empty((0, 2), np.int32), 1.0) for k in range(3)]
    before, after = np.arange(15) / 20, np.arange(15) / 20 + 0.1
    rows = gain(before, after, pairs, seed=1)
    assert [(r.bin, r.pairs, r.families) for r in rows] == [(40, 12, 6), (90, 3, 3), (None, 15, 6)]
    assert rows[0].before.mean == pytest.approx(np.arange(12).mean() / 20)
    assert rows[0].before.low < rows[0].before.mean < rows[0].before.high
    assert rows[0].difference.low == pytest.approx(0.1) == pytest.approx(rows[0].difference.high)
    assert np.isnan([rows[1].after.low, rows[1].after.high]).all(), "three families have no interval"


# ---------------------------------------------------------------- the command


ARGUMENTS = ("align", "train", "-o", "mine.genolstm", "--search", 6, "-t", 1)


def test_a_preset_of_ones_own(here: Path, cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(align_train_families, "EVALUE_PAIRS", 20)
    made = align_train_families.fit_significance
    monkeypatch.setattr(
        align_train_families,
        "fit_significance",
        lambda scorer, **given: made(scorer, **given, modes=["global"], lengths=(40, 80)),
    )
    grow = grown(40)
    Path("all").mkdir()
    Path("all/a.sto").write_text(stockholm(grow[:38]))
    Path("all/lone.fa").write_text(f">a\n{grow[38][0].lower().replace('-', '')}\n")
    Path("b.sto").write_text(stockholm(grow[39:], 39))
    given = ("--families", "all", "--families", "b.sto", "--model", "adna")
    got = cli(*ARGUMENTS, *given)
    assert (got.code, got.err) == (
        1,
        "adna is for damaged reads, of which families say nothing; start from dna, coding or rna\n",
    )
    got = cli(*ARGUMENTS, *given[:-1], "rna", "--table", "gain.tsv", "--figure", "gain.svg")
    assert got.code == 0, got.err
    assert "40 families, 157 sequences, " in got.err
    assert "split by seed 1: 20 families to learn from, 10 to choose by, 10 to report" in got.err
    assert "40 or more are needed to tell" in got.err
    assert "in lower case, taken as upper" in got.err
    assert "E-values fitted" in got.err
    assert "(chosen)" in got.err
    bundle = Bundle.open("mine.genolstm")
    held = bundle.metadata["held_out"]
    lines = [line.split("\t") for line in Path("gain.tsv").read_text().splitlines()]
    assert lines[0][:6] == ["identity", "pairs", "families", "before", "before_low", "before_high"]
    assert lines[-1][:3] == ["all", str(held["pairs"]), str(held["families"])]
    assert float(lines[-1][3]) == pytest.approx(held["f1_before"], abs=1e-6)
    assert float(lines[-1][6]) == pytest.approx(held["f1_after"], abs=1e-6)
    assert sum(int(line[1]) for line in lines[1:-1]) == held["pairs"]
    assert Path("gain.svg").read_text().count("F1 of aligned residues") == 1
    parts = read_aligner("mine.genolstm")
    assert parts.family != read_aligner("rna").family
    assert parts.significance is not None
    assert parts.contextual is None
    assert "difference" in bundle.card
    assert "search for" in bundle.card or "likelihood" in bundle.card
    assert bundle.provenance["inputs"]["b.sto"]["sha256"]
    assert bundle.provenance["settings"]["held_out"] == 0.5
    got = cli("align", "score", "all/lone.fa", "all/lone.fa", "--model", "mine.genolstm", "--format", "json")
    assert got.code == 0
    assert json.loads(got.out)["alignments"][0]["evalue"] < 1e-3
    got = cli(*ARGUMENTS, *given[:-1], "rna", "--no-evalues", "--force", "-q")
    assert (got.code, got.err.count("\n")) == (0, 1), "only the warning"
    again = Bundle.open("mine.genolstm")
    assert again.metadata["family"] == bundle.metadata["family"]
    assert again.metadata["significance"] is None


def test_the_model_that_is_best_is_kept(here: Path, cli) -> None:
    """Nothing is to be gained where everything is aligned rightly: the model that was begun with is written."""
    rng = np.random.default_rng(3)
    families = []
    for _ in range(8):
        root = rng.choice(list("ACGT"), 60)
        other = root.copy()
        other[30] = {"A": "C", "C": "G", "G": "T", "T": "A"}[root[30]]
        families.append(["".join(root), "".join(other)])
    Path("f.sto").write_text(stockholm(families))
    got = cli(*ARGUMENTS, "--families", "f.sto", "--model", "rna", "-q")
    assert (got.code, got.err.count("\n")) == (0, 2), got.err
    assert "warning: nothing that was learned is better than rna" in got.err
    rna, mine = read_aligner("rna"), read_aligner("mine.genolstm")
    assert (mine.family, mine.significance) == (rna.family, rna.significance)
    held = Bundle.open("mine.genolstm").metadata["held_out"]
    assert (held["f1_before"], held["f1_after"], held["chosen"]) == (1.0, 1.0, "rna, as it is")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--families", "f.sto", "x.sto"), "--families takes one file or folder each time"),
        (("--families", "f.sto", "--one-to-one"), "--families takes one file or folder each time"),
        (("--families", "f.sto", "--validation", 0.2), "--validation is for pairs"),
        (("--families", "f.sto", "--epochs", 2), "--epochs is for the network, which needs --context"),
        (("a.fa", "b.fa", "--one-to-one", "--search", 3), "--search needs --families"),
        (("a.fa", "b.fa", "--one-to-one", "--context"), "--context needs --families"),
        (("a.fa", "--one-to-one"), "give QUERY and REFERENCE, or --families"),
        ((), "give QUERY and REFERENCE, or --families"),
    ],
)
def test_pairs_and_families_do_not_mix(here: Path, cli, arguments: tuple[object, ...], reason: str) -> None:
    got = cli("align", "train", "-o", "mine.genolstm", *arguments)
    assert got.code == 2
    assert reason in got.err


def test_too_few_families_leave_nothing(here: Path, cli) -> None:
    Path("f.sto").write_text(stockholm(grown(3)))
    got = cli(*ARGUMENTS, "--families", "f.sto", "--table", "t.tsv", "-q")
    assert (got.code, got.err.count("\n")) == (1, 1)
    assert got.err.startswith("3 unrelated families are too few to learn from")
    Path("f.sto").write_text(stockholm([[rows[0]] for rows in grown(8)]))
    got = cli(*ARGUMENTS, "--families", "f.sto", "--table", "t.tsv", "-q")
    assert (got.code, got.err.count("\n")) == (1, 1)
    assert "none of the 4 families to learn from has two different sequences" in got.err
    assert [p.name for p in here.iterdir()] == ["f.sto"]


def test_parameters_are_learned_without_tensorflow(here: Path) -> None:
    Path("f.sto").write_text(stockholm(grown(8)))
    code = (
        "import sys\nsys.modules['tensorflow'] = sys.modules['keras'] = None\nfrom genolstm.cli import main\n"
        "main(['align', 'train', '--families', 'f.sto', '-o', 'm.genolstm', '--search', '0', '--no-evalues', '-q',"
        " '-t', '1', '--model', 'rna'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (0, 1), done.stderr
    assert Path("m.genolstm").exists()
