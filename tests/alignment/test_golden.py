"""Every format of the aligner, byte for byte as the last change of scores left it.

The layout is that of commit d7d5781; scores, and what follows from them, are those under the null
model of the query alone.
"""

from __future__ import annotations

import re

import pytest
from support import DATA

GOLDEN = DATA / "alignment"
QUERIES, REFERENCES = GOLDEN / "queries.fa", GOLDEN / "references.fa"
SEMIGLOBAL = ("--mode", "semiglobal")
LISTED = (*SEMIGLOBAL, "--pairs", GOLDEN / "pairs.tsv")
SCORES = {
    "score.paf": SEMIGLOBAL,
    "score.sam": SEMIGLOBAL,
    "score.outfmt6": SEMIGLOBAL,
    "score.maf": LISTED,
    "score.fasta": LISTED,
    "score.stockholm": LISTED,
    "score.tsv": LISTED,
    "score.json": LISTED,
    "adna.paf": ("--model", "adna"),
    "coding.paf": ("--model", "coding", "--mode", "local", "--decoding", "viterbi"),
}


def comparable(text: str) -> str:
    """Leave out what differs from run to run, and digits that differ from processor to processor."""
    text = re.sub(r"(?m)^(@PG\t.*?)\tVN:.*$", r"\1", text)
    text = re.sub(r'("evalue"|"p_homolog"): ([\d.e+-]+)', lambda m: f"{m[1]}: {float(m[2]):.5g}", text)
    return re.sub(r'("context_bits"): ([\d.e+-]+)', lambda m: f"{m[1]}: {float(m[2]):.1f}", text)


def same(got, name: str) -> None:
    assert (got.code, got.err) == (0, "")
    assert comparable(got.out) == comparable((GOLDEN / name).read_text())


@pytest.mark.parametrize("name", SCORES)
def test_scores(cli, name: str) -> None:
    form = name.split(".")[1]
    same(cli("align", "score", QUERIES, REFERENCES, "--format", form, *SCORES[name], "-t", 1, "-q"), name)


@pytest.mark.parametrize("form", ["paf", "sam", "outfmt6", "json"])
def test_searches(cli, form: str) -> None:
    most = ("--max-hits", 1) if form == "json" else ()
    same(cli("align", "search", QUERIES, REFERENCES, "--format", form, *most, "-t", 1, "-q"), f"search.{form}")


@pytest.mark.parametrize("form", ["fasta", "a2m", "stockholm"])
def test_families(cli, form: str) -> None:
    same(cli("align", "msa", GOLDEN / "family.fa", "--format", form, "-t", 1, "-q"), f"msa.{form}")
