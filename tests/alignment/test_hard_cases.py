"""Inputs that a format or a reader can take the wrong way: the right answer, or one line that says why not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from Bio import AlignIO

from genolstm.alignment.formats.pairs import read_pairs

RNG = np.random.default_rng(31)


def letters(n: int) -> str:
    return "".join(RNG.choice(list("ACGT"), n))


CHR = {name: letters(220) for name in "ABC"}
READ, JUNK = CHR["A"][50:130], "AC" * 40
STRICT = ("--gap-factor", 20, "--classical", "-t", 1, "-q")


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("q.fa").write_text(f">read\n{READ}\n>junk\n{JUNK}\n")
    Path("r.fa").write_text("".join(f">{name}\n{text}\n" for name, text in CHR.items()))


def score(cli, *args: object, ok: bool = True):
    got = cli("align", "score", "q.fa", "r.fa", *STRICT, *args)
    assert (got.code == 0) is ok, got.err
    return got


def test_sam_has_one_primary_line_per_query_over_all_references(cli) -> None:
    out = score(cli, "--mode", "semiglobal", "--format", "sam").out
    lines = [line.split("\t") for line in out.splitlines() if not line.startswith("@")]
    assert [(x[0], int(x[1]), x[2]) for x in lines if not int(x[1]) & 0x900] == [("read", 0, "A"), ("junk", 4, "*")]
    assert len(lines) == 2


def test_pairs_of_one_query_are_ranked_together_wherever_they_are_listed(cli) -> None:
    Path("pairs.tsv").write_text("read\tB\njunk\tC\nread\tA\nread\tA\n")
    out = cli(
        "align",
        "score",
        "q.fa",
        "r.fa",
        "--pairs",
        "pairs.tsv",
        "--format",
        "sam",
        "--mode",
        "semiglobal",
        "-t",
        1,
        "-q",
    ).out
    lines = [line.split("\t") for line in out.splitlines() if not line.startswith("@")]
    primary = [(x[0], x[2]) for x in lines if not int(x[1]) & 0x900]
    assert primary[0] == ("read", "A")
    assert [name for name, _ in primary] == ["read", "junk"]


@pytest.mark.parametrize("form", ["paf", "sam", "outfmt6", "maf", "fasta", "stockholm"])
def test_pairs_with_nothing_aligned_have_no_record(cli, form: str) -> None:
    for mode in ("semiglobal", "local"):
        out = score(cli, "--mode", mode, "--format", form).out
        assert out.count("A") > 0
        rows = [line for line in out.splitlines() if not line.startswith(("@", "#", ">posterior"))]
        assert not any(name in line for line in rows for name in ("\tB\t", "\tC\t", "s B ", "s C ", ">B:", ">C:", "C/"))
        if form == "stockholm":
            Path("o.sto").write_text(out)
            found = list(AlignIO.parse("o.sto", "stockholm"))
            assert [[r.id.split("/")[0] for r in a] for a in found] == [["A", "read"]]
    Path("q.fa").write_text(f">junk\n{JUNK}\n")
    empty = score(cli, "--mode", "local", "--format", form).out
    assert len([x for x in empty.splitlines() if not x.startswith(("@", "##"))]) == (form == "sam")


def test_scores_far_below_zero_are_lines_not_errors(cli) -> None:
    Path("q.fa").write_text(f">q\n{letters(17000)}\n")
    Path("r.fa").write_text(f">r\n{letters(60)}\n")
    for form in ("outfmt6", "paf", "json"):
        got = cli(
            "align", "score", "q.fa", "r.fa", "--model", "adna", "--mode", "global", "--format", form, "-t", 1, "-q"
        )
        assert (got.code, got.err) == (0, "")
        if form == "outfmt6" and got.out:
            assert 1e300 < float(got.out.split("\t")[10]) < 1e302  # capped
    got = cli("align", "search", "q.fa", "r.fa", "--model", "adna", "--mode", "global", "--exact", "-t", 1, "-q")
    assert (got.code, got.out, got.err) == (0, "", "")


@pytest.mark.parametrize("form", ["stockholm", "paf", "outfmt6", "tsv"])
def test_names_that_would_be_read_as_comments_are_refused(cli, form: str) -> None:
    Path("q.fa").write_text(f">#read\n{READ}\n")
    got = score(cli, "--mode", "local", "--format", form, "-o", "out", ok=False)
    assert got.err.startswith("#read: in this format, a line that begins with # is not a record")
    assert not Path("out").exists()


@pytest.mark.parametrize(("name", "mark"), [("#a", "#"), ("//", "//"), ("//b", "//")])
def test_families_refuse_names_that_stockholm_reads_as_something_else(cli, name: str, mark: str) -> None:
    Path("m.fa").write_text(f">{name}\n{READ}\n>k\n{READ}\n>z\n{READ[:-3]}\n")
    got = cli("align", "msa", "m.fa", "--format", "stockholm", "--classical", "-t", 1, "-q")
    assert got.code == 1
    assert got.err.startswith(f"{name}: in this format, a line that begins with {mark} is not a record")
    assert cli("align", "msa", "m.fa", "--format", "fasta", "--classical", "-t", 1, "-q").code == 0


def test_stockholm_refuses_two_rows_of_one_name(cli) -> None:
    got = cli("align", "score", "q.fa", "q.fa", "--format", "stockholm", *STRICT)
    assert got.code == 1
    assert got.err.startswith(f"read/1-{len(READ)}: Stockholm cannot hold two rows of one name")


@pytest.mark.parametrize(
    "text", ["x\ta\t1\tz\t\tw\n", "# made by hand\nquery\treference\nx\ta\n", "\ufeffx\ta\n", "\ufeff# c\r\nx a\r\n"]
)
def test_lists_of_pairs_may_hold_empty_columns_comments_and_a_byte_order_mark(text: str) -> None:
    Path("pairs.tsv").write_text(text, encoding="utf-8", newline="")
    assert [(p.query, p.reference, p.strand) for p in read_pairs("pairs.tsv")] == [("x", "a", None)]
