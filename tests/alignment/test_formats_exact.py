"""Every format of a pairwise alignment, letter by letter, for alignments laid out by hand.

The alignment of r1 (21 bp, from its 4th base on) and chr1 (24 bp, from its 6th base on)::

    chr1  ACGTTGAA---CgTC
          ||.    |   .|||
    r1    ACT----AGGTNGUC
"""

from __future__ import annotations

import io
import json
from importlib import metadata
from typing import Any

import numpy as np
import pytest
from Bio.Seq import Seq
from Bio.SeqRecord import SeqRecord

from genolstm.alignment.formats.pairwise import FORMATS
from genolstm.alignment.pairhmm.decode import SparsePosterior
from genolstm.alignment.result import PosteriorAlignment
from genolstm.errors import InputError
from genolstm.sequences.alphabet import reverse_complement_text
from genolstm.sequences.masks import encode_masks

REFERENCE = "TTGCA" + "ACGTTGAACgTC" + "AAGGTTC"
QUERY = "GGA" + "ACTAGGTNGUC" + "TTTTAAA"
DNA_QUERY = "GGAACTAGGTNGTCTTTTAAA"
MINUS_QUERY = "TTTAAAAGACNACCTAGTTCC"
ROWS = ("ACGTTGAA---CgTC", "ACT----AGGTNGUC")
SIGNS = "*53538**8501819"
PAIRS = [(3, 5), (4, 6), (5, 7), (6, 12), (10, 13), (11, 14), (12, 15), (13, 16)]
MATCHED = [1.0, 0.5, 0.25, 0.96875, 0.125, 0.75, 0.0625, 0.875]
#: P(residue is aligned) of the residues in gaps: 1 minus it is the posterior of the column.
REFERENCE_MATCHED = {8: 0.5, 9: 0.75, 10: 0.25, 11: 0.0}
QUERY_MATCHED = {7: 0.25, 8: 0.5, 9: 1.0}
HEADER = "@HD\tVN:1.6\tSO:unsorted\n@SQ\tSN:chr1\tLN:24\n"
PG = f"@PG\tID:genolstm\tPN:genolstm\tVN:{metadata.version('genolstm')}"


def hand_made(
    query: str = QUERY,
    reference: str = REFERENCE,
    pairs=PAIRS,
    matched=MATCHED,
    *,
    name: str = "r1",
    strand: str = "+",
    mode: str = "local",
    bits: float = 12.3456,
    query_matched: dict[int, float] | None = None,
    reference_matched: dict[int, float] | None = None,
    **fields: Any,
) -> PosteriorAlignment:
    """An alignment of the query, in the direction in which it is aligned, with a reference."""
    chain = np.array(pairs, dtype=np.int32).reshape(-1, 2)
    sides = []
    for text, known in ((query, query_matched), (reference, reference_matched)):
        side = np.ones(len(text), dtype=np.float32)
        for at, value in (known or {}).items():
            side[at] = value
        sides.append(side)
    posterior = SparsePosterior(chain[:, 0], chain[:, 1], np.array(matched, dtype=np.float32), *sides)
    given = reverse_complement_text(query) if strand == "-" else query
    made = PosteriorAlignment(
        SeqRecord(Seq(given), id=name),
        SeqRecord(Seq(reference), id="chr1"),
        (encode_masks(query), encode_masks(reference)),
        chain,
        posterior,
        bits=bits,
        strand=strand,
        mode=mode,
    )
    for field, value in fields.items():
        setattr(made, field, value)
    return made


def plus(**fields: Any) -> PosteriorAlignment:
    return hand_made(query_matched=QUERY_MATCHED, reference_matched=REFERENCE_MATCHED, **fields)


def minus(**fields: Any) -> PosteriorAlignment:
    return hand_made(DNA_QUERY, strand="-", query_matched=QUERY_MATCHED, reference_matched=REFERENCE_MATCHED, **fields)


def whole() -> PosteriorAlignment:
    """The same columns within an alignment from end to end: 5 and 7 bases of chr1 stay alone."""
    pairs = [(q - 3, r) for q, r in PAIRS]
    return hand_made(QUERY[3:14], pairs=pairs, mode="global")


def nothing(mode: str = "local") -> PosteriorAlignment:
    return hand_made("acguN", pairs=[], matched=[], mode=mode, bits=-1.0)


def one_base() -> PosteriorAlignment:
    return hand_made("A", "C" * 110 + "A" + "C" * 9, [(0, 110)], [0.5], mode="semiglobal", name="query")


def written(form: str, *alignments: PosteriorAlignment, references=(("chr1", 24),), command: str = "") -> str:
    stream = io.StringIO()
    writer = FORMATS[form](stream, references, command)
    for alignment in alignments:
        writer.query([alignment])
    writer.end()
    return stream.getvalue()


def test_the_hand_made_alignment_is_the_one_that_is_drawn() -> None:
    assert plus().rows() == ROWS
    assert minus().rows() == (ROWS[0], ROWS[1].replace("U", "T"))
    assert str(minus().sequences[1].seq) == MINUS_QUERY
    for made in (plus(), minus()):
        assert made.cigar == "2=1X4D1=3I1X3="
        assert made.confidence() == SIGNS
        assert made.mapq == 37  # -10 log10(2 ** -12.3456) is 37.2
    assert (plus().query_span, minus().query_span) == ((3, 14), (7, 18))


# ---------------------------------------------------------------- PAF and BLAST


@pytest.mark.parametrize(
    ("alignment", "line"),
    [
        (
            plus(),
            "r1 21 3 14 + chr1 24 5 17 6 15 37 tp:A:P NM:i:9 AS:i:12 xb:f:12.346 xp:f:0.55208 "
            "xm:Z:classical cg:Z:2=1X4D1=3I1X3=",
        ),
        (
            minus(is_secondary=True, evalue=1.5e-7, p_homolog=0.98765, model="dna"),
            "r1 21 7 18 - chr1 24 5 17 6 15 37 tp:A:S NM:i:9 AS:i:12 xb:f:12.346 xp:f:0.55208 "
            "xe:f:1.5e-07 xh:f:0.98765 xm:Z:dna cg:Z:2=1X4D1=3I1X3=",
        ),
        (
            # Every residue is surely aligned, so that gaps have a posterior of 0: 4.53125 / 27.
            whole(),
            "r1 11 0 11 + chr1 24 0 24 6 27 37 tp:A:P NM:i:21 AS:i:12 xb:f:12.346 xp:f:0.16782 "
            "xm:Z:classical cg:Z:5D2=1X4D1=3I1X3=7D",
        ),
    ],
)
def test_paf(alignment: PosteriorAlignment, line: str) -> None:
    assert written("paf", alignment) == line.replace(" ", "\t") + "\n"


@pytest.mark.parametrize(
    ("alignment", "line"),
    [
        (plus(), "r1 chr1 40.000 15 2 2 4 14 6 17 0.000192 12.3"),
        (minus(evalue=0.25), "r1 chr1 40.000 15 2 2 8 18 17 6 0.25 12.3"),
        (whole(), f"r1 chr1 {600 / 27:.3f} 27 2 4 1 11 1 24 0.000192 12.3"),
        (plus(bits=-3.0), "r1 chr1 40.000 15 2 2 4 14 6 17 8 -3.0"),
        # 2 ** -1000 is the least that is told apart from 0.
        (plus(bits=2000.0), "r1 chr1 40.000 15 2 2 4 14 6 17 9.33e-302 2000.0"),
    ],
)
def test_blast_table(alignment: PosteriorAlignment, line: str) -> None:
    assert written("outfmt6", alignment) == line.replace(" ", "\t") + "\n"


@pytest.mark.parametrize("mode", ["local", "global"])
def test_a_pair_without_aligned_residues_has_no_line(mode: str) -> None:
    for form in ("paf", "outfmt6"):
        assert written(form, nothing(mode), plus(), nothing(mode)) == written(form, plus())


# ---------------------------------------------------------------- SAM


@pytest.mark.parametrize(
    ("alignment", "line"),
    [
        (
            plus(),
            f"r1 0 chr1 6 37 3S2=1X4D1=3I1X3=7S * 0 0 {DNA_QUERY} * NM:i:9 AS:i:12 XB:f:12.346 XP:f:0.55208 "
            "XL:Z:classical",
        ),
        (
            minus(evalue=1.5e-7, p_homolog=0.98765, model="dna"),
            f"r1 16 chr1 6 37 3S2=1X4D1=3I1X3=7S * 0 0 {DNA_QUERY} * NM:i:9 AS:i:12 XB:f:12.346 XP:f:0.55208 "
            "XE:f:1.5e-07 XH:f:0.98765 XL:Z:dna",
        ),
        (
            minus(is_secondary=True),
            "r1 272 chr1 6 37 3S2=1X4D1=3I1X3=7S * 0 0 * * NM:i:9 AS:i:12 XB:f:12.346 XP:f:0.55208 XL:Z:classical",
        ),
        (
            plus(is_secondary=True),
            "r1 256 chr1 6 37 3S2=1X4D1=3I1X3=7S * 0 0 * * NM:i:9 AS:i:12 XB:f:12.346 XP:f:0.55208 XL:Z:classical",
        ),
        (
            # Deletions at the ends are no part of the line, and are not counted either.
            whole(),
            "r1 0 chr1 6 37 2=1X4D1=3I1X3= * 0 0 ACTAGGTNGTC * NM:i:9 AS:i:12 XB:f:12.346 XP:f:0.16782 XL:Z:classical",
        ),
        (nothing(), "r1 4 * 0 0 * * 0 0 acgtN *"),
        (nothing("global"), "r1 4 * 0 0 * * 0 0 acgtN *"),
    ],
)
def test_sam(alignment: PosteriorAlignment, line: str) -> None:
    assert written("sam", alignment) == f"{HEADER}{PG}\n" + line.replace(" ", "\t") + "\n"


def test_the_header_of_sam_names_all_references_and_the_command_on_one_line() -> None:
    text = written("sam", references=[("chr1", 24), ("x*=y", 7)], command="genolstm  align\tscore\na b ")
    assert text == f"{HEADER}@SQ\tSN:x*=y\tLN:7\n{PG}\tCL:genolstm align score a b\n"
    assert written("sam", references=[]) == f"@HD\tVN:1.6\tSO:unsorted\n{PG}\n"


@pytest.mark.parametrize("name", ["*x", "=x", "", "a b", "a,b", "a\\b", "<a", "é"])
def test_references_that_sam_cannot_name(name: str) -> None:
    with pytest.raises(InputError) as error:
        written("sam", references=[("fine", 3), (name, 3)])
    assert error.value.record == name


@pytest.mark.parametrize("name", ["@r", "r@x", "a b", "é", "r" * 255])
def test_queries_that_sam_cannot_name(name: str) -> None:
    with pytest.raises(InputError) as error:
        written("sam", plus(name=name))
    assert error.value.record == name


@pytest.mark.parametrize("name", ["*r", "=", "r,x", "r" * 254, "!", "~", "?", "A"])
def test_queries_that_sam_can_name(name: str) -> None:
    assert written("sam", plus(name=name)).splitlines()[-1].split("\t")[0] == name


# ---------------------------------------------------------------- aligned rows


def test_maf() -> None:
    quality = "953----98501819"
    assert written("maf", plus(), minus()) == (
        "##maf version=1 scoring=bits\n"
        f"a score=12.346\ns chr1 5 12 + 24 {ROWS[0]}\ns r1   3 11 + 21 {ROWS[1]}\nq r1             {quality}\n\n"
        f"a score=12.346\ns chr1 5 12 + 24 {ROWS[0]}\ns r1   3 11 - 21 {ROWS[1].replace('U', 'T')}\n"
        f"q r1             {quality}\n\n"
    )
    # A query's start counts from the beginning of the strand that is aligned.
    late = hand_made("T" * 15 + "AC" + "TTT", "AC" * 6, [(15, 0), (16, 1)], [0.5, 0.5], strand="-")
    assert written("maf", late).splitlines()[2:4] == ["s chr1  0 2 + 12 AC", "s r1   15 2 - 20 AC"]
    # Columns of numbers end at the same place.
    assert written("maf", one_base()).splitlines()[2:] == [
        "s chr1  110 1 + 120 A",
        "s query     0 1 + 1 A",
        "q query             5",
        "",
    ]
    assert written("maf", nothing()) == "##maf version=1 scoring=bits\n"


def test_fasta() -> None:
    assert written("fasta", plus(), minus()) == (
        f">chr1:6-17\n{ROWS[0]}\n>r1:4-14 strand=+ bits=12.346\n{ROWS[1]}\n>posterior:r1:chr1\n{SIGNS}\n"
        f">chr1:6-17\n{ROWS[0]}\n>r1:8-18 strand=- bits=12.346\n{ROWS[1].replace('U', 'T')}\n"
        f">posterior:r1:chr1\n{SIGNS}\n"
    )


def test_stockholm() -> None:
    # Positions of a query on the minus strand fall, as in Pfam.
    assert written("stockholm", plus(), minus()) == (
        f"# STOCKHOLM 1.0\n#=GF SC 12.346\nchr1/6-17    {ROWS[0]}\nr1/4-14      {ROWS[1]}\n#=GC PP_cons {SIGNS}\n//\n"
        f"# STOCKHOLM 1.0\n#=GF SC 12.346\nchr1/6-17    {ROWS[0]}\nr1/18-8      {ROWS[1].replace('U', 'T')}\n"
        f"#=GC PP_cons {SIGNS}\n//\n"
    )


# ---------------------------------------------------------------- columns

#: Column, position in the aligned query and in the reference, letters, posterior.
COLUMNS = [
    (0, 3, 5, "A", "A", "1.00000"),
    (1, 4, 6, "C", "C", "0.50000"),
    (2, 5, 7, "T", "G", "0.25000"),
    (3, "", 8, "-", "T", "0.50000"),
    (4, "", 9, "-", "T", "0.25000"),
    (5, "", 10, "-", "G", "0.75000"),
    (6, "", 11, "-", "A", "1.00000"),
    (7, 6, 12, "A", "A", "0.96875"),
    (8, 7, "", "G", "-", "0.75000"),
    (9, 8, "", "G", "-", "0.50000"),
    (10, 9, "", "T", "-", "0.00000"),
    (11, 10, 13, "N", "C", "0.12500"),
    (12, 11, 14, "G", "g", "0.75000"),
    (13, 12, 15, "U", "T", "0.06250"),
    (14, 13, 16, "C", "C", "0.87500"),
]
TABLE_HEADER = "query reference strand column query_position reference_position query_base reference_base posterior"


def test_table() -> None:
    lines = [TABLE_HEADER.split()]
    for k, i, j, a, b, p in COLUMNS:
        lines.append(["r1", "chr1", "+", k, i, j, a, b, p])
    # On the minus strand the last base aligned is the 8th of the 21: positions fall from 17 to 7.
    positions = [17, 16, 15, "", "", "", "", 14, 13, 12, 11, 10, 9, 8, 7]
    for (k, _, j, a, b, p), i in zip(COLUMNS, positions, strict=True):
        lines.append(["r1", "chr1", "-", k, i, j, a.replace("U", "T"), b, p])
    assert written("tsv", plus(), minus()) == "".join("\t".join(map(str, line)) + "\n" for line in lines)


def test_table_from_the_first_residues_on() -> None:
    """Position 0 is a position, not a gap."""
    made = hand_made("AC", "AC", [(0, 0), (1, 1)], [0.5, 1.0], mode="global")
    rows = [line.split("\t")[3:6] for line in written("tsv", made).splitlines()[1:]]
    assert rows == [["0", "0", "0"], ["1", "1", "1"]]


def test_json() -> None:
    assert written("json") == '{"alignments": [\n]}\n'
    text = written("json", plus(), minus(evalue=0.5, p_homolog=0.75), nothing())
    lines = text.splitlines()
    assert (len(lines), lines[0], lines[-1]) == (5, '{"alignments": [', "]}")
    assert [line.endswith("},") for line in lines[1:4]] == [True, True, False]
    first, second, _ = json.loads(text)["alignments"]
    assert first == {
        "query": "r1",
        "query_length": 21,
        "query_start": 3,
        "query_end": 14,
        "strand": "+",
        "reference": "chr1",
        "reference_length": 24,
        "reference_start": 5,
        "reference_end": 17,
        "mode": "local",
        "bits": 12.346,
        "evalue": None,
        "p_homolog": None,
        "mapq": 37,
        "secondary": False,
        "identity": 0.4,
        "mean_posterior": 0.552083,
        "divergence": None,
        "model": "classical",
        "context_bits": 0.0,
        "cigar": "2=1X4D1=3I1X3=",
        "posteriors": [1.0, 0.5, 0.25, 0.5, 0.25, 0.75, 1.0, 0.9688, 0.75, 0.5, 0.0, 0.125, 0.75, 0.0625, 0.875],
    }
    changed = {"query_start": 7, "query_end": 18, "strand": "-", "evalue": 0.5, "p_homolog": 0.75}
    assert second == first | changed


@pytest.mark.parametrize(("strand", "flag"), [("+", 0), ("-", 16)])
def test_sam_clips_what_is_left_of_a_long_query(strand: str, flag: int) -> None:
    made = hand_made("GATT" + "A" * 19, "CATTC", [(1, 1), (2, 2)], [0.5, 0.5], strand=strand)
    line = written("sam", made, references=[]).splitlines()[-1].split("\t")
    assert line[1:6] == [str(flag), "chr1", "2", str(made.mapq), "1S2=20S"]
    assert line[9] == "GATT" + "A" * 19
